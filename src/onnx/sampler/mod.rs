//! Sampling as a library: open a model, make a plan, run it for seeds and labels, receive batches.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use ndarray::{ArrayView4, ArrayViewD};

use super::batches::Batches;
use super::binding::unknown_input;
use super::executor::Guidance;
use super::resident::{self, Resident};
use super::{Contract, ModelSource, Network, RuntimeOptions, SessionOptions, memory, native, runtime};
use crate::guidance::GuidanceScale;
use crate::plan::{Plan, Recipe, Scheduler};

/// Why sampling stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The runtime, the model or what was given to it.
    #[error(transparent)]
    Onnx(#[from] super::Error),
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
        /// What the network was told.
        timestep: f64,
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

/// A model ready to sample from.
#[derive(Debug)]
pub struct Sampler {
    network: Network,
    scheduler: Scheduler,
}

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

/// What to sample.
///
/// Only `plan` and `seeds` have no default: see [`Job::new`].
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The plan to carry out.
    pub plan: &'a Plan,
    /// One sample each.
    pub seeds: &'a [u64],
    /// One label a seed; needed exactly if the model takes labels.
    pub labels: Option<&'a [i64]>,
    /// s in u + s(c − u); 1 is no guidance and costs nothing.
    pub guidance: GuidanceScale,
    /// The label of the unconditional pass, where the model's own does not serve.
    pub null_label: Option<i64>,
    /// x_T, one row a seed, in place of draw 0.
    pub initial: Option<ArrayView4<'a, f32>>,
    /// Further inputs of the graph by name, first axis 1 or the number of seeds.
    pub inputs: Vec<(String, ArrayViewD<'a, f32>)>,
    /// Samples in one run of the network; `None` chooses.
    pub batch: Option<usize>,
    /// Where the steps are done; `None` takes the resident loop on a GPU, where it takes the job, and the host's on the
    /// CPU.
    pub step_loop: Option<StepLoop>,
    /// Set it to stop between two steps.
    pub stop: Option<&'a AtomicBool>,
}

impl std::fmt::Display for StepLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Resident => "resident",
        })
    }
}

impl<'a> Job<'a> {
    /// Without labels, guidance or anything else that is optional.
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
}

impl Sampler {
    /// Opens a pipeline folder or an `.onnx` file on the runtime that is found (and installed, if there is none), with
    /// the scheduler's configuration that lies beside it.
    ///
    /// ONNX Runtime's telemetry must be off: start the program with `ORT_DISABLE_TELEMETRY=1`, as the library does not
    /// change the environment of a process that may have threads. [`SessionOptions::allow_telemetry`] does without.
    ///
    /// # Errors
    /// [`Error::TelemetryOn`](super::Error::TelemetryOn) where the environment does not say so.
    /// Whatever [`ModelSource::resolve`], [`runtime::load`] and [`Network::open`] find wrong; an unusable
    /// `scheduler_config.json`.
    pub fn open(model: &Path, options: &SessionOptions) -> Result<Self, SampleError> {
        let source = ModelSource::resolve(model)?;
        let cuda = options.device.gpu().is_some();
        let wanted = RuntimeOptions::from_environment(None);
        let runtime = runtime::load(&RuntimeOptions { cuda, telemetry: options.telemetry, ..wanted })?;
        let scheduler = source.scheduler.as_ref().map(|text| Scheduler::from_json(&text.text)).transpose()?;
        let network = Network::open(runtime, &source, options)?;
        Ok(Self::new(network, scheduler.unwrap_or_default()))
    }

    /// From a network that is open already.
    #[must_use]
    pub const fn new(network: Network, scheduler: Scheduler) -> Self {
        Self { network, scheduler }
    }

    /// Channels, height and width of a sample.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        let [_, channels, height, width] = self.network.sample_shape(1);
        [channels, height, width]
    }

    /// True if the network predicts a variance beside its prediction (2C output channels).
    #[must_use]
    pub fn predicts_variance(&self) -> bool {
        self.network.output_shape(1)[1] == 2 * self.network.sample_shape(1)[1]
    }

    /// The network with its contract.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The configuration that came with the model, or diffusers' defaults.
    #[must_use]
    pub const fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The sampler, steps and spacing that the configuration names; change what you like, then [`Recipe::plan`].
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] if the configuration is of a class that has no plan here.
    pub fn recipe(&self) -> Result<Recipe, SampleError> {
        Ok(Recipe::new(self.scheduler.clone())?)
    }

    /// Refuses a batch whose arrays alone are larger than the memory that is free, where the system tells.
    ///
    /// # Errors
    /// [`super::Error::OutOfMemory`].
    pub fn check_memory(&self, plan: &Plan, batch: usize) -> Result<(), SampleError> {
        let Some(free) = memory::free_on_host() else { return Ok(()) };
        let each = self.shape().iter().product::<usize>();
        // Given to and taken from the network, x, x̂₀, z and the registers.
        let arrays = 6 + plan.registers();
        let needed = 4.0 * each as f64 * batch as f64 * arrays as f64;
        if needed <= free {
            return Ok(());
        }
        let gigabytes = |bytes: f64| format!("{:.1} GB", bytes / 1e9);
        let reason = format!("its arrays take {}, {} are free", gigabytes(needed), gigabytes(free));
        Err(super::Error::OutOfMemory { batch, reason }.into())
    }

    /// Checks a job and prepares it; the batches come from the iterator.
    ///
    /// # Errors
    /// [`SampleError::Onnx`] for labels, batches or inputs that the model does not take; [`SampleError::Numbers`] for
    /// guidance without a null label, a plan that needs a variance the model does not predict, or a bad x_T.
    pub fn start<'a>(&self, job: Job<'a>) -> Result<Batches<'a>, SampleError> {
        let contract = self.network.contract();
        if job.seeds.is_empty() {
            return Err(crate::Error::CountOutOfRange { name: "seeds", value: 0, min: 1, max: usize::MAX }.into());
        }
        check_labels(contract, &job)?;
        let guidance = guidance(contract, &job)?;
        if job.plan.needs_learned_variance() && !self.predicts_variance() {
            return Err(unsupported(
                "a plan with learned variance on a network that predicts none",
                "a network with 2C output channels, or variance beta or beta-tilde",
            ));
        }
        if let Some(initial) = &job.initial {
            let [channels, height, width] = self.shape();
            let (found, expected) = (initial.shape().to_vec(), vec![job.seeds.len(), channels, height, width]);
            if found != expected {
                return Err(crate::Error::ShapeMismatch { name: "x_T", found, expected }.into());
            }
            let count = initial.iter().filter(|x| !x.is_finite()).count();
            if count > 0 {
                return Err(crate::Error::NonFinite { name: "x_T", step: None, count, of: initial.len() }.into());
            }
        }
        let is_extra = |name: &str| contract.extra.iter().any(|port| port.name == name);
        if let Some((name, _)) = job.inputs.iter().find(|(name, _)| !is_extra(name)) {
            return Err(unknown_input(contract, name).into());
        }
        if let Some(port) = contract.extra.iter().find(|port| job.inputs.iter().all(|(name, _)| *name != port.name)) {
            return Err(super::Error::InputMissing { name: port.name.clone() }.into());
        }
        for (name, values) in &job.inputs {
            let (rows, seeds) = (values.shape().first().copied().unwrap_or(0), job.seeds.len());
            if rows != 1 && rows != seeds {
                let (found, expected) = (format!("{:?}", values.shape()), format!("a first axis of 1 or {seeds}"));
                return Err(super::Error::BadInput { name: name.clone(), found, expected }.into());
            }
        }
        let (step_loop, note) = self.step_loop(&job, guidance)?;
        let batch = match (contract.batch, job.batch) {
            (Some(fixed), Some(asked)) if fixed != asked => {
                return Err(super::Error::FixedBatch { fixed, asked }.into());
            }
            (Some(fixed), _) => fixed,
            (None, Some(asked)) => asked.clamp(1, job.seeds.len()),
            (None, None) => self.auto_batch(&job, guidance, step_loop)?,
        };
        self.check_memory(job.plan, batch)?;
        Ok(Batches::new(self.network.clone(), job, batch, guidance, step_loop, note))
    }

    /// The batch that nobody asked for: on a GPU as many samples as fit, on the CPU few.
    fn auto_batch(
        &self,
        job: &Job<'_>,
        guidance: Option<Guidance>,
        step_loop: StepLoop,
    ) -> Result<usize, SampleError> {
        let mut found = None;
        // A run needs its further inputs, which have a row for every sample.
        if let (Some(number), StepLoop::Resident, []) = (self.network.device().gpu(), step_loop, &job.inputs[..]) {
            let mut run = |batch| Resident::new(&self.network, job.plan, batch, guidance)?.try_out();
            let limit = job.seeds.len().min(memory::LARGEST);
            let mut free = || native::gpu_memory(number).map(|[free, _]| free);
            let search = || memory::largest_batch(limit, &mut free, &mut run);
            found = resident::batch_that_fits(&self.network, job.plan, guidance, limit, search)?;
        }
        Ok(found.unwrap_or_else(|| modest_batch(self.shape())).clamp(1, job.seeds.len()))
    }

    /// The loop that a job is carried out by, and why not the usual one.
    fn step_loop(
        &self,
        job: &Job<'_>,
        guidance: Option<Guidance>,
    ) -> Result<(StepLoop, Option<String>), SampleError> {
        let usual = if self.network.device().gpu().is_some() { StepLoop::Resident } else { StepLoop::Host };
        choose(job.step_loop, usual, || resident::open(&self.network, job.plan, guidance))
    }
}

/// The loop that was asked for, or is an error; otherwise the usual one, or the host's where that cannot be, with the
/// reason.
fn choose(
    asked: Option<StepLoop>,
    usual: StepLoop,
    open: impl FnOnce() -> Result<Option<String>, SampleError>,
) -> Result<(StepLoop, Option<String>), SampleError> {
    if asked.unwrap_or(usual) == StepLoop::Host {
        return Ok((StepLoop::Host, None));
    }
    match open() {
        Ok(note) => Ok((StepLoop::Resident, note)),
        Err(SampleError::Numbers(crate::Error::Unsupported { found, .. })) if asked.is_none() => {
            Ok((StepLoop::Host, Some(format!("steps are computed on the host, as it cannot be {found}"))))
        }
        Err(error) => Err(error),
    }
}

fn check_labels(contract: &Contract, job: &Job<'_>) -> Result<(), SampleError> {
    match (&contract.class_labels, job.labels) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(super::Error::NoLabels.into()),
        (Some(port), None) => Err(super::Error::InputMissing { name: port.name.clone() }.into()),
        (Some(_), Some(labels)) if labels.len() != job.seeds.len() => {
            let (found, expected) = (vec![labels.len()], vec![job.seeds.len()]);
            Err(crate::Error::ShapeMismatch { name: "the list of labels", found, expected }.into())
        }
        (Some(_), Some(labels)) => Ok(labels.iter().try_for_each(|&label| contract.check_label(label))?),
    }
}

fn guidance(contract: &Contract, job: &Job<'_>) -> Result<Option<Guidance>, SampleError> {
    let scale = job.guidance;
    if scale == GuidanceScale::NONE {
        return Ok(None);
    }
    match job.null_label.or(contract.null_label) {
        Some(null_label) if job.labels.is_some() => Ok(Some(Guidance { scale, null_label })),
        _ => Err(unsupported("guidance on a model without a null label", "a null label, or guidance 1")),
    }
}

fn unsupported(found: &str, expected: &'static str) -> SampleError {
    crate::Error::Unsupported { found: found.into(), expected }.into()
}

/// Enough rows to keep the cores busy, few enough to stay in a modest memory.
fn modest_batch(shape: [usize; 3]) -> usize {
    (16_384 / shape.iter().product::<usize>().max(1)).clamp(1, 16)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_falls_back_in_silence() {
        let refuse = || Err(unsupported("the resident loop: a test", "the host's"));
        let fail = || Err(SampleError::Stopped { step: 0 });
        let (host, resident) = (StepLoop::Host, StepLoop::Resident);
        assert_eq!(choose(None, resident, || Ok(None)).unwrap(), (resident, None));
        let note = Some("a note".to_owned());
        assert_eq!(choose(None, resident, || Ok(note.clone())).unwrap(), (resident, note.clone()));
        assert_eq!(choose(None, host, fail).unwrap(), (host, None));
        assert_eq!(choose(Some(host), resident, fail).unwrap(), (host, None));
        let (chosen, note) = choose(None, resident, refuse).unwrap();
        assert!(chosen == host && note.unwrap().contains("a test"));
        assert!(choose(Some(resident), host, refuse).is_err());
        assert!(choose(None, resident, fail).is_err(), "a failure is no reason to try another loop");
    }
}
