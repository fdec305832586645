//! Devices: their names, and finding the libraries that CUDA needs.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{
    native,
    runtime::{Runtime, RuntimeOptions},
};

/// The name of ONNX Runtime's CUDA execution provider.
pub const CUDA_PROVIDER: &str = "CUDAExecutionProvider";

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
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| format!("{text:?} is not a device; expected auto, cpu, cuda or cuda:N")),
        }
    }
}

/// The library of NVIDIA's driver, which comes with the driver and from nowhere else.
const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// Whether NVIDIA's driver can be loaded.
#[must_use]
pub fn driver_present() -> bool {
    native::preload(Path::new(DRIVER)).is_ok()
}

/// Loads the CUDA libraries that are not on the system's search path from the Python environment's `nvidia` packages,
/// so that the provider finds them already loaded. What cannot be found is left to the provider to complain about.
pub(super) fn preload_cuda(runtime: &Runtime) {
    let mut folders: Option<Vec<PathBuf>> = None;
    for name in ort::ep::cuda::CUDA_DYLIBS.iter().chain(ort::ep::cuda::CUDNN_DYLIBS) {
        if native::preload(Path::new(name)).is_ok() {
            continue;
        }
        let folders = folders.get_or_insert_with(|| nvidia_folders(runtime.options()));
        for folder in folders.iter() {
            let path = folder.join(name);
            if path.is_file() && native::preload(&path).is_ok() {
                break;
            }
        }
    }
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

/// The library that a loader's or provider's messages say is missing.
pub(super) fn missing_library(messages: &str) -> Option<String> {
    let unix = messages.split_whitespace().find_map(|word| {
        let name = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        (word.ends_with(':') && name.contains(".so.") && messages.contains("cannot open shared object file"))
            .then(|| name.to_owned())
    });
    unix.or_else(|| (!driver_present()).then(|| format!("{DRIVER}, part of NVIDIA's driver")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        for (text, device) in
            [("auto", Device::Auto), ("cpu", Device::Cpu), ("cuda", Device::Cuda(0)), ("cuda:3", Device::Cuda(3))]
        {
            assert_eq!(text.parse(), Ok(device));
        }
        for text in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
        assert_eq!(Device::Cuda(1).to_string(), "cuda:1");
    }

    #[test]
    fn the_missing_library_is_named() {
        let text = "Failed to load library /a/libonnxruntime_providers_cuda.so with error: libcudnn.so.9: cannot open \
                    shared object file: No such file or directory";
        assert_eq!(missing_library(text).as_deref(), Some("libcudnn.so.9"));
    }
}
