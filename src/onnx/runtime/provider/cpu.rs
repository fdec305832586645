//! The CPU, which every ONNX Runtime has.

use ort::session::builder::{AutoDevicePolicy, SessionBuilder};

use super::{Provider, Settings};

/// ONNX Runtime's CPU provider.
pub(in crate::onnx::runtime) struct Cpu;

impl Provider for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn title(&self) -> &'static str {
        "CPU"
    }

    fn id(&self) -> &'static str {
        "CPUExecutionProvider"
    }

    fn configure(&self, builder: SessionBuilder, _: &Settings<'_>) -> ort::Result<SessionBuilder> {
        Ok(builder.with_auto_device(AutoDevicePolicy::PreferCPU)?)
    }

    fn is_numbered(&self) -> bool {
        false
    }

    fn has_options(&self) -> bool {
        false
    }

    fn advice(&self, _: &str) -> &'static str {
        "install another ONNX Runtime with `alphabar runtime install`"
    }

    fn how_to_get(&self) -> &'static str {
        "run `alphabar runtime install`"
    }
}
