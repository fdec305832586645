//! What both loops share: guidance, the view of a step, times, and why a run stops.

use std::time::Duration;

use super::prefetch::x_t;
use crate::guidance::GuidanceScale;
use crate::onnx::error::Error;
use crate::plan::Plan;

/// Why sampling stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The runtime, the model or what was given to it.
    #[error(transparent)]
    Onnx(#[from] Error),
    /// Numbers: NaN from the network or in x_T, a shape, a plan that does not fit.
    #[error(transparent)]
    Numbers(#[from] crate::Error),
    /// The network's output is NaN or infinite somewhere.
    #[error(
        "the network's output has {count} of {of} entries NaN or infinite at step {step} of {steps} (timestep \
         {timestep}, t = {t}); is the scheduler's configuration the one it was trained with?",
        t = timestep + 1.0
    )]
    NotFinite {
        /// The step, from 1.
        step: usize,
        /// Of so many.
        steps: usize,
        /// The timestep that the network was given.
        timestep: f64,
        /// How many entries are not finite.
        count: usize,
        /// Of how many.
        of: usize,
    },
    /// The resident loop's samples are not finite, but the host's loop makes finite ones of the same seeds.
    #[error(
        "the device loop produced {count} non-finite values of {of} that the host loop does not reproduce; suspect the \
         GPU kernels or driver"
    )]
    NotReproduced {
        /// How many entries are not finite.
        count: usize,
        /// Of how many.
        of: usize,
    },
    /// The job's stop flag was set.
    #[error("stopped before step {step}")]
    Stopped {
        /// The step that was not begun.
        step: usize,
    },
}

/// Classifier-free guidance: `u + scale (c − u)`, u being the network's output with the null label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::onnx) struct Guidance {
    /// s; 1 leaves the conditional output as it is.
    pub(in crate::onnx) scale: GuidanceScale,
    /// The label that stands for no class.
    pub(in crate::onnx) null_label: i64,
}

/// One step, as it is shown to an observer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StepView<'a> {
    /// 0-based position in the plan.
    pub step: usize,
    /// The state after the step, NCHW.
    pub x: &'a [f32],
    /// The step's x̂₀ after clipping, NCHW.
    pub x0: &'a [f32],
}

/// Where a run's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From x_T to the sample.
    pub total: Duration,
    /// Of that, inside the network; where the step is part of the network's graph, inside both.
    pub network: Duration,
}

/// Who is called while a plan runs; never under a lock of this library's.
pub(in crate::onnx) enum Watcher<'a> {
    /// Someone who counts steps.
    Steps(&'a mut dyn FnMut(usize)),
    /// Someone who looks at every state, which has to be fetched from the device for that.
    States(&'a mut dyn FnMut(StepView<'_>)),
}

/// x_T: draw 0 times the plan's standard deviation, or what is given.
pub(super) fn initial_state(
    plan: &Plan,
    seeds: &[u64],
    initial: Option<&[f32]>,
    x: &mut [f32],
) -> Result<(), SampleError> {
    match initial {
        Some(values) => x.copy_from_slice(values),
        None => x_t(seeds, plan.initial_std(), x),
    }
    match not_finite(x) {
        0 => Ok(()),
        count => Err(crate::Error::NonFinite { name: "x_T", step: None, count, of: x.len() }.into()),
    }
}

/// How many entries are NaN or infinite.
pub(super) fn not_finite(values: &[f32]) -> usize {
    values.iter().filter(|value| !value.is_finite()).count()
}
