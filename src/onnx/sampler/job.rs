//! What to sample, and where its steps are computed.

use std::sync::atomic::AtomicBool;

use ndarray::{ArrayView4, ArrayViewD};

use crate::guidance::GuidanceScale;
use crate::plan::Plan;

/// Where the arithmetic of a plan's steps is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepLoop {
    /// On the host, between two runs of the network: every plan and every model.
    Host,
    /// On the network's device, as part of its graph: nothing is copied between steps but noise. Not for plans that clip
    /// to a quantile, nor for guidance on graphs of a fixed batch, nor for operators older than version 13. The graph with
    /// the step in it is a session of its own, so that the weights are there twice.
    Resident,
}

impl std::fmt::Display for StepLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Resident => "resident",
        })
    }
}

/// What to sample.
///
/// ```
/// use alphabar::guidance::GuidanceScale;
/// use alphabar::onnx::Job;
/// use alphabar::plan::{Recipe, Scheduler};
///
/// let plan = Recipe::configured(Scheduler::default())?.plan()?;
/// let (seeds, labels) = ([1, 2, 3], [7, 7, 8]);
/// let job = Job::new(&plan, &seeds).labels(&labels).guidance(GuidanceScale::new(2.0)?).batch(2);
/// assert_eq!(job.seeds().len(), 3);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Job<'a> {
    pub(super) plan: &'a Plan,
    pub(super) seeds: &'a [u64],
    pub(super) labels: Option<&'a [i64]>,
    pub(super) guidance: GuidanceScale,
    pub(super) null_label: Option<i64>,
    pub(super) initial: Option<ArrayView4<'a, f32>>,
    pub(super) inputs: Vec<(String, ArrayViewD<'a, f32>)>,
    pub(super) batch: Option<usize>,
    pub(super) step_loop: Option<StepLoop>,
    pub(super) stop: Option<&'a AtomicBool>,
}

impl<'a> Job<'a> {
    /// One sample a seed, by a plan, without labels, guidance or anything else that is optional.
    #[must_use]
    pub const fn new(plan: &'a Plan, seeds: &'a [u64]) -> Self {
        Self {
            plan,
            seeds,
            labels: None,
            guidance: GuidanceScale::NONE,
            null_label: None,
            initial: None,
            inputs: Vec::new(),
            batch: None,
            step_loop: None,
            stop: None,
        }
    }

    /// One label a seed; needed exactly if the model takes labels.
    #[must_use]
    pub const fn labels(mut self, labels: &'a [i64]) -> Self {
        self.labels = Some(labels);
        self
    }

    /// s in u + s(c − u); 1 is no guidance and costs nothing.
    #[must_use]
    pub const fn guidance(mut self, scale: GuidanceScale) -> Self {
        self.guidance = scale;
        self
    }

    /// The label of the unconditional pass, where the model's own does not serve.
    #[must_use]
    pub const fn null_label(mut self, label: i64) -> Self {
        self.null_label = Some(label);
        self
    }

    /// x_T, one row a seed, in place of draw 0.
    #[must_use]
    pub fn initial(mut self, x: ArrayView4<'a, f32>) -> Self {
        self.initial = Some(x);
        self
    }

    /// A further input of the graph by its name, first axis 1 or the number of seeds.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>, values: ArrayViewD<'a, f32>) -> Self {
        self.inputs.push((name.into(), values));
        self
    }

    /// Samples in one run of the network. Otherwise it is chosen: as many as fit on a GPU, few on the CPU.
    #[must_use]
    pub const fn batch(mut self, samples: usize) -> Self {
        self.batch = Some(samples);
        self
    }

    /// Where the steps are computed. Otherwise it is the resident loop on a device with a memory of its own, where that
    /// takes the job, and the host's on the CPU.
    #[must_use]
    pub const fn step_loop(mut self, step_loop: StepLoop) -> Self {
        self.step_loop = Some(step_loop);
        self
    }

    /// A flag that stops the job between two steps once it is set.
    #[must_use]
    pub const fn stop(mut self, flag: &'a AtomicBool) -> Self {
        self.stop = Some(flag);
        self
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// The seeds.
    #[must_use]
    pub const fn seeds(&self) -> &'a [u64] {
        self.seeds
    }
}
