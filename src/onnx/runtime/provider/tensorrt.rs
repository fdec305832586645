//! NVIDIA's GPUs through TensorRT.

use std::path::PathBuf;

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider as _};
use ort::session::builder::SessionBuilder;

use super::cuda::{Cuda, usual};
use super::{Provider, Settings};
use crate::onnx::runtime::native::Memory;
use crate::onnx::runtime::wheels::Build;

/// ONNX Runtime's TensorRT provider, which lives in the memory of the CUDA provider.
pub(in crate::onnx::runtime) struct TensorRt;

impl Provider for TensorRt {
    fn name(&self) -> &'static str {
        "tensorrt"
    }

    fn title(&self) -> &'static str {
        "TensorRT"
    }

    fn id(&self) -> &'static str {
        "TensorrtExecutionProvider"
    }

    fn configure(&self, builder: SessionBuilder, settings: &Settings<'_>) -> ort::Result<SessionBuilder> {
        let number = i32::try_from(settings.number).unwrap_or(i32::MAX);
        let tensorrt = ep::TensorRT::default().with_device_id(number);
        let tensorrt =
            settings.options.iter().fold(tensorrt, |ep, (key, value)| ep.with_arbitrary_config(key, value));
        // What TensorRT does not take runs through the CUDA provider.
        let both = [tensorrt.build().error_on_failure(), usual(settings).build().error_on_failure()];
        Ok(builder.with_execution_providers(both)?)
    }

    fn library(&self) -> Option<&'static str> {
        Cuda.library()
    }

    fn build(&self) -> Build {
        Build::Cuda
    }

    fn memory(&self) -> Option<&'static dyn Memory> {
        Cuda.memory()
    }

    fn capture_option(&self) -> Option<&'static str> {
        Cuda.capture_option()
    }

    fn preload(&self, packages: &dyn Fn(&str) -> Vec<PathBuf>) -> Vec<&'static str> {
        Cuda.preload(packages)
    }

    fn caused(&self, message: &str) -> bool {
        Cuda.caused(message)
    }

    fn missing(&self, messages: &str, not_found: &[&str]) -> Option<String> {
        Cuda.missing(messages, not_found)
    }

    fn advice(&self, reason: &str) -> &'static str {
        Cuda.advice(reason)
    }

    fn how_to_get(&self) -> &'static str {
        Cuda.how_to_get()
    }
}
