//! How a graph is loaded and run.

use std::path::PathBuf;

use crate::onnx::graph::IoNames;
use crate::onnx::runtime::Device;
use crate::onnx::runtime::environment::Telemetry;

/// How much ONNX Runtime may rewrite a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Optimisation {
    /// Not at all.
    None,
    /// Removal of redundant nodes, folding of constants.
    Basic,
    /// Fusions too.
    Extended,
    /// Memory layouts too.
    #[default]
    All,
}

/// How a network is loaded and run.
///
/// On CUDA these ONNX Runtime defaults are overridden; the effect has not been benchmarked yet. Convolutions are
/// chosen by cuDNN's heuristic (`cudnn_conv_algo_search=HEURISTIC`), as the exhaustive search tries every kernel for
/// every batch size that is met; memory is taken as it is asked for (`arena_extend_strategy=kSameAsRequested`), so that
/// what is free tells how large a batch may be; graphs with fused norms are run with channels last (`prefer_nhwc`). The
/// workspace is left as it is.
///
/// ```
/// use alphabar::onnx::{Device, SessionOptions};
///
/// let options = SessionOptions::new().device(Device::CPU).threads(2);
/// assert_eq!(options, SessionOptions::new().threads(2).device(Device::CPU));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SessionOptions {
    pub(in crate::onnx) device: Device,
    pub(super) threads: Option<usize>,
    pub(super) provider_options: Vec<(String, String)>,
    pub(super) tf32: bool,
    pub(super) optimisation: Optimisation,
    pub(super) names: IoNames,
    pub(super) size: Option<(usize, usize)>,
    pub(super) profile: Option<PathBuf>,
    pub(in crate::onnx) telemetry: Telemetry,
}

impl SessionOptions {
    /// The usual: whatever device there is, as many threads as ONNX Runtime chooses.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where it runs.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Threads of the CPU provider. Otherwise ONNX Runtime takes one for each physical core.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// An option of the device's provider, as ONNX Runtime names it; it overrides what is set here. Only the resident loop
    /// sees `enable_cuda_graph`, which is on unless it is given here or a graph cannot be captured.
    #[must_use]
    pub fn provider_option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.provider_options.push((key.into(), value.into()));
        self
    }

    /// Lets CUDA round the factors of float32 products to TF32. It is always set explicitly, and off by default.
    #[must_use]
    pub fn allow_tf32(mut self) -> Self {
        self.tf32 = true;
        self
    }

    /// How much the graph may be rewritten.
    #[must_use]
    pub fn optimisation(mut self, optimisation: Optimisation) -> Self {
        self.optimisation = optimisation;
        self
    }

    /// Names of inputs and outputs, where they are not the usual ones.
    #[must_use]
    pub fn names(mut self, names: IoNames) -> Self {
        self.names = names;
        self
    }

    /// Height and width for a graph that leaves them open and has no configuration that says them.
    #[must_use]
    pub fn size(mut self, height: usize, width: usize) -> Self {
        self.size = Some((height, width));
        self
    }

    /// Where to write ONNX Runtime's profiles, as the beginning of a file name; see
    /// [`Sampler::end_profiles`](crate::onnx::Sampler::end_profiles).
    #[must_use]
    pub fn profile(mut self, prefix: impl Into<PathBuf>) -> Self {
        self.profile = Some(prefix.into());
        self
    }

    /// Lets [`Sampler::open`](crate::onnx::Sampler::open) start ONNX Runtime even where `ORT_DISABLE_TELEMETRY=1` is not
    /// in the environment; see [`RuntimeOptions::allow_telemetry`](crate::onnx::RuntimeOptions::allow_telemetry).
    #[must_use]
    pub fn allow_telemetry(mut self) -> Self {
        self.telemetry = Telemetry::Allowed;
        self
    }

    /// The device that was chosen, in place of the one that was asked for.
    pub(super) fn on(&self, device: Device) -> Self {
        Self { device, ..self.clone() }
    }
}
