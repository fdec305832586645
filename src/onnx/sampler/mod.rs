//! Sampling as a library: open a model, make a plan, run it for seeds and labels, receive batches.

mod batches;
mod devices;
mod job;
mod memory;
mod observer;

use std::path::{Path, PathBuf};

use crate::guidance::GuidanceScale;
use crate::onnx::error::Error;
use crate::onnx::graph::{Contract, ModelSource};
use crate::onnx::loops::{Cache, Guidance, SampleError};
use crate::onnx::runtime::environment::Telemetry;
use crate::onnx::runtime::{self, RuntimeOptions};
use crate::onnx::session::{Network, SessionOptions, unknown_input};
use crate::plan::{Plan, Recipe, Scheduler};

pub use batches::{Batch, Batches};
pub use devices::{Shared, share};
pub use job::{Job, StepLoop};
pub use observer::Observer;

/// A model ready to sample from.
///
/// ```no_run
/// use alphabar::onnx::{Job, Sampler, SessionOptions};
///
/// let sampler = Sampler::open("fixtures/mnist-unet".as_ref(), &SessionOptions::new())?;
/// let plan = sampler.recipe()?.plan()?;
/// for batch in sampler.start(Job::new(&plan, &[1, 2, 3]).labels(&[4, 4, 9]))? {
///     let batch = batch?;
///     println!("from seed {}: {:?}", batch.first, batch.samples.dim());
/// }
/// # Ok::<(), alphabar::onnx::SampleError>(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    network: Network,
    scheduler: Scheduler,
    /// What jobs of the resident loop leave to the next.
    cache: Cache,
}

impl Sampler {
    /// Opens a pipeline folder or an `.onnx` file on the ONNX Runtime that is loaded or found, with the scheduler's
    /// configuration that lies beside it. Nothing is installed.
    ///
    /// ONNX Runtime's telemetry must be off: start the program with `ORT_DISABLE_TELEMETRY=1`, as the library does not
    /// change the environment of a process that may have threads. [`SessionOptions::allow_telemetry`] does without.
    ///
    /// # Errors
    /// [`Error::NoRuntime`], which says where was looked and what to do; whatever [`ModelSource::resolve`],
    /// [`runtime::load`] and [`Network::open`] find wrong; an unusable `scheduler_config.json`.
    /// [`Error::TelemetryOn`] where the environment does not say that telemetry is off.
    pub fn open(model: &Path, options: &SessionOptions) -> Result<Self, SampleError> {
        let source = ModelSource::resolve(model)?;
        let mut wanted = RuntimeOptions::from_environment().device(options.device);
        if options.telemetry == Telemetry::Allowed {
            wanted = wanted.allow_telemetry();
        }
        let runtime = runtime::load(&wanted)?;
        let scheduler = source.scheduler.as_ref().map(|text| Scheduler::from_json(&text.text)).transpose()?;
        let network = Network::open(runtime, &source, options)?;
        Ok(Self::new(network, scheduler.unwrap_or_default()))
    }

    /// From a network that is open already.
    #[must_use]
    pub fn new(network: Network, scheduler: Scheduler) -> Self {
        Self { network, scheduler, cache: Cache::default() }
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

    /// Ends the profiles that [`SessionOptions::profile`] asked for: the files, one for every session that was opened
    /// (the network's own, then those of the resident loop).
    ///
    /// # Errors
    /// [`Error::Run`] if none was asked for or it cannot be written.
    pub fn end_profiles(&self) -> Result<Vec<PathBuf>, SampleError> {
        let own = self.network.end_profile();
        let files = own.and_then(|own| Ok([vec![own], self.cache.end_profiles()?].concat()));
        Ok(files.map_err(|e| self.network.failed(0, &e))?.into_iter().map(PathBuf::from).collect())
    }

    /// Whether the resident loop has captured CUDA graphs.
    #[must_use]
    pub fn has_cuda_graphs(&self) -> bool {
        self.cache.has_captured()
    }

    /// The sampler, steps and spacing that the configuration names; change what you like, then [`Recipe::plan`].
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] if the configuration is of a class that has no plan here.
    pub fn recipe(&self) -> Result<Recipe, SampleError> {
        Ok(Recipe::configured(self.scheduler.clone())?)
    }

    /// Refuses a batch whose arrays alone are larger than the memory that is free, where the system tells.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
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
        Err(Error::OutOfMemory { batch, reason }.into())
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
            return Err(Error::InputMissing { name: port.name.clone() }.into());
        }
        for (name, values) in &job.inputs {
            let (rows, seeds) = (values.shape().first().copied().unwrap_or(0), job.seeds.len());
            if rows != 1 && rows != seeds {
                let (found, expected) = (format!("{:?}", values.shape()), format!("a first axis of 1 or {seeds}"));
                return Err(Error::BadInput { name: name.clone(), found, expected }.into());
            }
        }
        let (step_loop, note) = self.step_loop(&job, guidance)?;
        let batch = match (contract.batch, job.batch) {
            (Some(fixed), Some(asked)) if fixed != asked => {
                return Err(Error::FixedBatch { fixed, asked }.into());
            }
            (Some(fixed), _) => fixed,
            (None, Some(asked)) => asked.clamp(1, job.seeds.len()),
            (None, None) => self.auto_batch(&job, guidance, step_loop)?,
        };
        self.check_memory(job.plan, batch)?;
        Ok(Batches::new(self.network.clone(), self.cache.clone(), job, batch, guidance, step_loop, note))
    }

    /// The batch that nobody asked for: on a GPU as many samples as fit, on the CPU few.
    fn auto_batch(
        &self,
        job: &Job<'_>,
        guidance: Option<Guidance>,
        step_loop: StepLoop,
    ) -> Result<usize, SampleError> {
        let (network, plan, device) = (&self.network, job.plan, self.network.device());
        let mut found = None;
        // A run needs its further inputs, which have a row for every sample.
        if device.has_memory() && step_loop == StepLoop::Resident && job.inputs.is_empty() {
            let mut run = |batch| self.cache.resident(network, plan, batch, guidance)?.try_out();
            let limit = job.seeds.len().min(memory::LARGEST);
            let mut free = || device.memory().map(|memory| memory.free);
            let search = || memory::largest_batch(limit, &mut free, &mut run);
            found = self.cache.batch_that_fits(network, plan, guidance, limit, search)?;
        }
        Ok(found.unwrap_or_else(|| modest_batch(self.shape())).clamp(1, job.seeds.len()))
    }

    /// The loop that a job is carried out by, and why not the usual one.
    fn step_loop(
        &self,
        job: &Job<'_>,
        guidance: Option<Guidance>,
    ) -> Result<(StepLoop, Option<String>), SampleError> {
        let usual = if self.network.device().has_memory() { StepLoop::Resident } else { StepLoop::Host };
        choose(job.step_loop, usual, || self.cache.open(&self.network, job.plan, guidance))
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
            let note = format!("using the host loop: {found} is not supported");
            Ok((StepLoop::Host, Some(note)))
        }
        Err(error) => Err(error),
    }
}

fn check_labels(contract: &Contract, job: &Job<'_>) -> Result<(), SampleError> {
    match (&contract.class_labels, job.labels) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Error::NoLabels.into()),
        (Some(port), None) => Err(Error::InputMissing { name: port.name.clone() }.into()),
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
        let refuse = || Err(unsupported("a test", "the host loop"));
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

    /// A capture of another thread's takes the lock for itself: it must get it while an observer looks on.
    #[cfg(feature = "fixture")]
    #[test]
    fn no_lock_is_held_while_an_observer_looks_on() {
        use std::sync::mpsc::channel;
        use std::time::Duration;

        use crate::onnx::runtime::capture::capturing;
        use crate::onnx::runtime::{Device, load_or_install};

        let runtime = load_or_install(&RuntimeOptions::from_environment(), &mut |_| {}).unwrap();
        let options = SessionOptions::new().device(Device::CPU).threads(1);
        let network = Network::open(runtime, &ModelSource::fixture(), &options).unwrap();
        let sampler = Sampler::new(network, Scheduler::default());
        let plan = sampler.recipe().unwrap().steps(2).plan().unwrap();
        for step_loop in [StepLoop::Host, StepLoop::Resident] {
            let mut batches = sampler.start(Job::new(&plan, &[1]).labels(&[3]).step_loop(step_loop)).unwrap();
            let batch = batches.next_observed(&mut |_| {
                let (done, waits) = channel();
                std::thread::spawn(move || {
                    drop(capturing());
                    let _ = done.send(());
                });
                assert!(waits.recv_timeout(Duration::from_secs(20)).is_ok(), "{step_loop}: the lock is held");
            });
            assert!(batch.unwrap().is_ok());
        }
    }
}
