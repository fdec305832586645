//! Devices: their names, and finding the libraries that CUDA needs.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    native,
    runtime::{Runtime, RuntimeOptions},
};

/// The name of ONNX Runtime's CUDA execution provider.
pub const CUDA_PROVIDER: &str = "CUDAExecutionProvider";

/// The name of ONNX Runtime's TensorRT execution provider.
pub const TENSORRT_PROVIDER: &str = "TensorrtExecutionProvider";

/// Where the network is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// CUDA if it is there and works, otherwise the CPU; which one is said in a note.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of that number, or an error.
    Cuda(u32),
    /// The GPU of that number through TensorRT, or an error.
    TensorRt(u32),
}

impl Device {
    /// The GPU's number, if it is one.
    #[must_use]
    pub const fn gpu(self) -> Option<u32> {
        match self {
            Self::Cuda(n) | Self::TensorRt(n) => Some(n),
            Self::Auto | Self::Cpu => None,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::TensorRt(n) => write!(f, "tensorrt:{n}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, number) = text.split_once(':').map_or((text, Some(0)), |(kind, n)| (kind, n.parse().ok()));
        match (kind, number) {
            ("auto", Some(_)) if kind == text => Ok(Self::Auto),
            ("cpu", Some(_)) if kind == text => Ok(Self::Cpu),
            ("cuda", Some(n)) => Ok(Self::Cuda(n)),
            ("tensorrt", Some(n)) => Ok(Self::TensorRt(n)),
            _ => Err(format!("{text:?} is not a device; expected auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N")),
        }
    }
}

/// A capture of a CUDA graph takes this alone: CUDA forbids every thread of the process to allocate while one records.
static CAPTURING: RwLock<()> = RwLock::new(());

/// Held by whatever calls CUDA but captures nothing; never twice by one thread.
pub(super) fn calling() -> RwLockReadGuard<'static, ()> {
    CAPTURING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Held by whatever captures; taken before a session's lock, as [`calling`] is.
pub(super) fn capturing() -> RwLockWriteGuard<'static, ()> {
    CAPTURING.write().unwrap_or_else(PoisonError::into_inner)
}

/// The library of NVIDIA's driver, which comes with the driver and from nowhere else.
const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// Whether NVIDIA's driver can be loaded.
#[must_use]
pub fn driver_present() -> bool {
    native::preload(Path::new(DRIVER)).is_ok()
}

/// Loads the CUDA libraries that are not on the system's search path from the Python environment's `nvidia` packages,
/// so that the provider finds them already loaded. Returns the names of those that are nowhere; whether that matters
/// is for the provider to say, as a runtime built for another CUDA needs others.
pub(super) fn preload_cuda(runtime: &Runtime) -> Vec<&'static str> {
    let mut folders: Option<Vec<PathBuf>> = None;
    let mut missing = Vec::new();
    for &name in ort::ep::cuda::CUDA_DYLIBS.iter().chain(ort::ep::cuda::CUDNN_DYLIBS) {
        if native::preload(Path::new(name)).is_ok() {
            continue;
        }
        let folders = folders.get_or_insert_with(|| nvidia_folders(runtime.options()));
        let loads = |folder: &PathBuf| {
            let path = folder.join(name);
            path.is_file() && native::preload(&path).is_ok()
        };
        if !folders.iter().any(loads) {
            missing.push(name);
        }
    }
    missing
}

/// The folders with libraries of the `nvidia` packages of the active Python environments.
fn nvidia_folders(options: &RuntimeOptions) -> Vec<PathBuf> {
    let sub = if cfg!(windows) { "bin" } else { "lib" };
    options
        .nvidia_packages()
        .iter()
        .flat_map(|package| std::fs::read_dir(package).into_iter().flatten().flatten())
        .flat_map(|entry| [entry.path().join(sub), entry.path().join(sub).join("x86_64")])
        .filter(|p| p.is_dir())
        .collect()
}

/// The libraries that are missing, by a loader's or provider's messages: the one they name, those of the same kind that
/// could not be found either, and the driver.
pub(super) fn missing_libraries(messages: &str, not_found: &[&str]) -> Option<String> {
    let named = messages.split_whitespace().find_map(|word| {
        let name = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        (word.ends_with(':') && name.contains(".so.") && messages.contains("cannot open shared object file"))
            .then_some(name)
    });
    let mut missing: Vec<&str> = match named {
        Some(name) if not_found.contains(&name) => not_found.to_vec(),
        Some(name) => vec![name],
        None => Vec::new(),
    };
    if !missing.contains(&DRIVER) && !driver_present() {
        missing.push(DRIVER);
    }
    (!missing.is_empty()).then(|| missing.join(", "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        for (text, device) in [
            ("auto", Device::Auto),
            ("cpu", Device::Cpu),
            ("cuda", Device::Cuda(0)),
            ("cuda:3", Device::Cuda(3)),
            ("tensorrt:1", Device::TensorRt(1)),
        ] {
            assert_eq!(text.parse(), Ok(device));
        }
        for text in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", "cpu:0", "auto:"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
        assert_eq!(Device::Cuda(1).to_string(), "cuda:1");
    }

    #[test]
    fn the_missing_libraries_are_named() {
        let text = "Failed to load library /a/libonnxruntime_providers_cuda.so with error: libcudnn.so.9: cannot open \
                    shared object file: No such file or directory";
        let missing = |not_found: &[&str]| missing_libraries(text, not_found).unwrap_or_default();
        assert!(missing(&[]).starts_with("libcudnn.so.9"));
        assert!(missing(&["libcufft.so.12", "libcudnn.so.9"]).starts_with("libcufft.so.12, libcudnn.so.9"));
        // A runtime for another CUDA: what was looked for here says nothing about it.
        assert!(!missing(&["libcufft.so.12"]).contains("cufft"));
    }
}
