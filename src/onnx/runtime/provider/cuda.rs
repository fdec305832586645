//! NVIDIA's GPUs through CUDA.

use std::path::{Path, PathBuf};

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider as _};
use ort::session::builder::SessionBuilder;

use super::{Provider, Settings};
use crate::onnx::runtime::native::{self, Memory, cuda::CudaMemory};
use crate::onnx::runtime::wheels::Build;

/// ONNX Runtime's CUDA provider.
pub(in crate::onnx::runtime) struct Cuda;

impl Provider for Cuda {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn title(&self) -> &'static str {
        "CUDA"
    }

    fn id(&self) -> &'static str {
        "CUDAExecutionProvider"
    }

    fn configure(&self, builder: SessionBuilder, settings: &Settings<'_>) -> ort::Result<SessionBuilder> {
        let cuda = usual(settings);
        let cuda = settings.options.iter().fold(cuda, |ep, (key, value)| ep.with_arbitrary_config(key, value));
        let cuda = if settings.capture { cuda.with_cuda_graph(true) } else { cuda };
        Ok(builder.with_execution_providers([cuda.build().error_on_failure()])?)
    }

    fn is_automatic(&self) -> bool {
        true
    }

    fn library(&self) -> Option<&'static str> {
        Some(if cfg!(windows) { "onnxruntime_providers_cuda.dll" } else { "libonnxruntime_providers_cuda.so" })
    }

    fn build(&self) -> Build {
        Build::Cuda
    }

    fn memory(&self) -> Option<&'static dyn Memory> {
        Some(&CudaMemory)
    }

    fn capture_option(&self) -> Option<&'static str> {
        Some("enable_cuda_graph")
    }

    fn captures(&self) -> bool {
        true
    }

    fn preload(&self, packages: &dyn Fn(&str) -> Vec<PathBuf>) -> Vec<&'static str> {
        preload(packages)
    }

    fn caused(&self, message: &str) -> bool {
        let words = ["CUDA", "cuda", "CUDNN", "cuDNN", "CUBLAS", "TensorRT", "TensorrtExecutionProvider"];
        words.iter().any(|word| message.contains(word))
    }

    fn missing(&self, messages: &str, not_found: &[&str]) -> Option<String> {
        missing_libraries(messages, not_found)
    }

    fn advice(&self, reason: &str) -> &'static str {
        if reason.contains("Invalid device ID") || reason.contains("invalid device ordinal") {
            "name a GPU that is there, as nvidia-smi numbers them, or use --device cpu"
        } else if reason.contains("no CUDA-capable device") {
            "see whether nvidia-smi lists a GPU and CUDA_VISIBLE_DEVICES does not hide it, or use --device cpu"
        } else {
            "install NVIDIA's driver, CUDA 13 and cuDNN 9 (the system's, or the nvidia packages of the active Python \
             environment), or use --device cpu"
        }
    }

    fn how_to_get(&self) -> &'static str {
        "run `alphabar runtime install --cuda`, or use --device cpu"
    }
}

/// The provider with the defaults that [`SessionOptions`](crate::onnx::SessionOptions) describes.
pub(super) fn usual(settings: &Settings<'_>) -> ep::CUDA {
    let cuda = ep::CUDA::default()
        .with_device_id(i32::try_from(settings.number).unwrap_or(i32::MAX))
        .with_tf32(settings.tf32)
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
        .with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested);
    if settings.channels_last { cuda.with_prefer_nhwc(true) } else { cuda }
}

/// The library of NVIDIA's driver, which comes with the driver and from nowhere else.
const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// Loads the CUDA libraries that are not on the system's search path from the Python environment's `nvidia` packages,
/// so that the provider finds them already loaded.
fn preload(packages: &dyn Fn(&str) -> Vec<PathBuf>) -> Vec<&'static str> {
    let mut folders: Option<Vec<PathBuf>> = None;
    let mut missing = Vec::new();
    for &name in ep::cuda::CUDA_DYLIBS.iter().chain(ep::cuda::CUDNN_DYLIBS) {
        if native::preload(Path::new(name)).is_ok() {
            continue;
        }
        let folders = folders.get_or_insert_with(|| nvidia_folders(&packages("nvidia")));
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
fn nvidia_folders(packages: &[PathBuf]) -> Vec<PathBuf> {
    let sub = if cfg!(windows) { "bin" } else { "lib" };
    packages
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
    if !missing.contains(&DRIVER) && native::preload(Path::new(DRIVER)).is_err() {
        missing.push(DRIVER);
    }
    (!missing.is_empty()).then(|| missing.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

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
