//! A job's batches, made as they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array4, ArrayView4, ArrayViewD, Axis};

use super::job::{Job, StepLoop};
use super::observer::Observer;
use crate::onnx::loops::{Cache, Guidance, HostLoop, Prefetch, Resident, SampleError, StepView, Timing, Watcher};
use crate::onnx::session::Network;

/// A few samples, finished.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Position of the first of them among the job's seeds.
    pub first: usize,
    /// One row a sample: NCHW, in the model's range.
    pub samples: Array4<f32>,
    /// Where the time went.
    pub timing: Timing,
}

/// The batches of a job, made as they are asked for.
#[derive(Debug)]
pub struct Batches<'a> {
    network: Network,
    cache: Cache,
    job: Job<'a>,
    batch: usize,
    guidance: Option<Guidance>,
    step_loop: StepLoop,
    note: Option<String>,
    /// The seed that the next batch begins with.
    next: Arc<AtomicUsize>,
    /// Seeds that are taken already, for the batch after the one that is being made.
    claimed: Option<(usize, usize)>,
    prefetch: Option<Prefetch>,
    carrier: Option<Carrier>,
}

/// Where the next seed stands when there is to be no further batch.
const ENDED: usize = usize::MAX / 2;

/// The two loops.
#[derive(Debug)]
enum Carrier {
    Host(Box<HostLoop>),
    Resident(Box<Resident>),
}

impl Carrier {
    fn batch(&self) -> usize {
        match self {
            Self::Host(executor) => executor.batch(),
            Self::Resident(resident) => resident.batch(),
        }
    }

    fn set_input(&mut self, name: &str, rows: ArrayViewD<'_, f32>) -> Result<(), SampleError> {
        match self {
            Self::Host(executor) => executor.set_input(name, rows),
            Self::Resident(resident) => resident.set_input(name, rows),
        }
    }
}

/// What one batch is made from.
struct Rows {
    count: usize,
    seeds: Vec<u64>,
    labels: Option<Vec<i64>>,
    initial: Option<Vec<f32>>,
    inputs: Vec<(String, ndarray::ArrayD<f32>)>,
}

impl<'a> Batches<'a> {
    pub(super) fn new(
        network: Network,
        cache: Cache,
        job: Job<'a>,
        batch: usize,
        guidance: Option<Guidance>,
        step_loop: StepLoop,
        note: Option<String>,
    ) -> Self {
        Self {
            network,
            cache,
            job,
            batch,
            guidance,
            step_loop,
            note,
            next: Arc::default(),
            claimed: None,
            prefetch: None,
            carrier: None,
        }
    }

    /// Samples in one run of the network.
    #[must_use]
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// The loop that makes them.
    #[must_use]
    pub const fn step_loop(&self) -> StepLoop {
        self.step_loop
    }

    /// What was chosen otherwise than usual, and why.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The next batch, with every step shown to `observe`; `None` after the last. On a GPU every step is fetched from the
    /// device for that: [`Self::next_counted`] leaves it there.
    ///
    /// # Errors
    /// [`SampleError::NotFinite`] with the step if the network returns NaN; [`SampleError::Stopped`];
    /// [`SampleError::Onnx`] if the runtime fails.
    pub fn next_observed(&mut self, observe: &mut dyn FnMut(StepView<'_>)) -> Option<Result<Batch, SampleError>> {
        self.next_watched(&mut Watcher::States(observe))
    }

    /// The next batch, with the number of every step that is done told to `count`; `None` after the last.
    ///
    /// # Errors
    /// As [`Self::next_observed`].
    pub fn next_counted(&mut self, count: &mut dyn FnMut(usize)) -> Option<Result<Batch, SampleError>> {
        self.next_watched(&mut Watcher::Steps(count))
    }

    /// As the others, for whoever looks on a shared job.
    pub(super) fn next_for(&mut self, observer: &dyn Observer) -> Option<Result<Batch, SampleError>> {
        let (first, end) = self.claim()?;
        let rows = end - first;
        let noted = self.note.clone();
        let result = if observer.wants(first) {
            let mut see = |view: StepView<'_>| {
                observer.see(view);
                observer.step(rows);
            };
            self.make(first, end, &mut Watcher::States(&mut see))
        } else {
            self.make(first, end, &mut Watcher::Steps(&mut |_| observer.step(rows)))
        };
        if let Some(note) = self.note.as_deref().filter(|_| self.note != noted) {
            observer.note(note);
        }
        Some(self.ended_by(result))
    }

    /// Takes seeds from where another sampler's batches of the same job take theirs.
    pub(super) fn share_seeds(&mut self, other: &Batches<'_>) {
        self.next = Arc::clone(&other.next);
    }

    /// Leaves no seeds to anybody.
    pub(super) fn end(&self) {
        self.next.store(ENDED, Ordering::Relaxed);
    }

    /// The seeds of the next batch.
    fn claim(&mut self) -> Option<(usize, usize)> {
        let claimed = self.claimed.take().or_else(|| self.claim_new());
        claimed.filter(|_| self.next.load(Ordering::Relaxed) < ENDED)
    }

    /// Seeds that nobody has taken yet.
    fn claim_new(&self) -> Option<(usize, usize)> {
        let count = self.job.seeds.len();
        let take = |next: usize| (next < count).then(|| next + self.batch);
        let first = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some((first, (first + self.batch).min(count)))
    }

    /// Takes the seeds of the batch after this one and starts drawing its x_T, where a GPU would wait for that.
    fn look_ahead(&mut self, each: usize) {
        let waits = self.network.device().has_memory() && self.step_loop == StepLoop::Resident;
        if !waits || self.job.initial.is_some() {
            return;
        }
        self.claimed = self.claim_new();
        if let Some((first, end)) = self.claimed {
            let seeds = (0..self.batch).map(|k| self.job.seeds[(first + k).min(end - 1)]).collect();
            self.prefetch = Some(Prefetch::draw(first, seeds, each, self.job.plan.initial_std()));
        }
    }

    fn ended_by(&self, result: Result<Batch, SampleError>) -> Result<Batch, SampleError> {
        if result.is_err() {
            self.end();
        }
        result
    }

    fn next_watched(&mut self, watcher: &mut Watcher<'_>) -> Option<Result<Batch, SampleError>> {
        let (first, end) = self.claim()?;
        let result = self.make(first, end, watcher);
        Some(self.ended_by(result))
    }

    /// The rows of a batch. A graph of fixed batch and a loop of fixed tensors are filled up with the last sample, which
    /// is dropped again.
    fn rows(&self, first: usize, end: usize) -> Rows {
        let (job, fixed) = (&self.job, self.network.contract().batch.is_some());
        let count = if fixed || self.step_loop == StepLoop::Resident { self.batch } else { end - first };
        let row = |k: usize| (first + k).min(end - 1);
        let input = |(name, values): &(String, ArrayViewD<'a, f32>)| {
            let shared = values.shape()[0] == 1;
            let indices: Vec<usize> = (0..count).map(|k| if shared { 0 } else { row(k) }).collect();
            (name.clone(), values.select(Axis(0), &indices))
        };
        Rows {
            count,
            seeds: (0..count).map(|k| job.seeds[row(k)]).collect(),
            labels: job.labels.map(|labels| (0..count).map(|k| labels[row(k)]).collect()),
            initial: job.initial.map(|x| (0..count).flat_map(|k| x.index_axis(Axis(0), row(k)).to_owned()).collect()),
            inputs: job.inputs.iter().map(input).collect(),
        }
    }

    fn make(&mut self, first: usize, end: usize, watcher: &mut Watcher<'_>) -> Result<Batch, SampleError> {
        let mut rows = self.rows(first, end);
        let [_, channels, height, width] = self.network.sample_shape(rows.count);
        let each = channels * height * width;
        if let Some(drawn) = self.prefetch.take().and_then(|prefetch| prefetch.take(first)) {
            rows.initial = Some(drawn);
        }
        let carrier = match self.carrier.take() {
            Some(carrier) if carrier.batch() == rows.count => carrier,
            _ => self.carrier(rows.count, self.step_loop)?,
        };
        let mut carrier = self.captured(carrier)?;
        self.look_ahead(each);
        let (samples, timing) = self.run(&mut carrier, &rows, watcher)?;
        let samples =
            ArrayView4::from_shape((end - first, channels, height, width), &samples[..(end - first) * each])
                .expect("the loop's state has the contract's shape")
                .to_owned();
        self.carrier = Some(carrier);
        Ok(Batch { first, samples, timing })
    }

    /// With its CUDA graphs captured, or, where that fails and nobody asked for them, another loop that has none.
    fn captured(&mut self, mut carrier: Carrier) -> Result<Carrier, SampleError> {
        let Carrier::Resident(resident) = &mut carrier else { return Ok(carrier) };
        let batch = resident.batch();
        let Err(error) = resident.capture() else { return Ok(carrier) };
        self.note = Some(self.cache.give_up_capture(&self.network, error)?);
        drop(carrier);
        self.carrier(batch, StepLoop::Resident)
    }

    fn carrier(&self, count: usize, step_loop: StepLoop) -> Result<Carrier, SampleError> {
        Ok(match step_loop {
            StepLoop::Host => {
                Carrier::Host(Box::new(HostLoop::new(&self.network, self.job.plan, count, self.guidance)?))
            }
            StepLoop::Resident => {
                Carrier::Resident(self.cache.resident(&self.network, self.job.plan, count, self.guidance)?)
            }
        })
    }

    fn run<'c>(
        &self,
        carrier: &'c mut Carrier,
        rows: &Rows,
        watcher: &mut Watcher<'_>,
    ) -> Result<(&'c [f32], Timing), SampleError> {
        for (name, values) in &rows.inputs {
            carrier.set_input(name, values.view())?;
        }
        let (labels, initial) = (rows.labels.as_deref(), rows.initial.as_deref());
        match carrier {
            Carrier::Host(executor) => {
                let timing = executor.run(self.job.plan, &rows.seeds, labels, initial, self.job.stop, watcher)?;
                Ok((executor.samples(), timing))
            }
            Carrier::Resident(resident) => {
                let ran = resident.run(&rows.seeds, labels, initial, self.job.stop, watcher)?;
                if ran.not_finite > 0 {
                    return Err(self.diagnosis(rows, ran.not_finite));
                }
                Ok((resident.samples(), ran.timing))
            }
        }
    }

    /// Which step it was that returned NaN: the device does not look, so the host's loop makes the batch again.
    fn diagnosis(&self, rows: &Rows, count: usize) -> SampleError {
        let again = || -> Result<(), SampleError> {
            let mut carrier = self.carrier(rows.count, StepLoop::Host)?;
            self.run(&mut carrier, rows, &mut Watcher::Steps(&mut |_| {})).map(drop)
        };
        let [_, channels, height, width] = self.network.sample_shape(rows.count);
        let of = rows.count * channels * height * width;
        again().err().unwrap_or(SampleError::NotReproduced { count, of })
    }
}

impl Drop for Batches<'_> {
    fn drop(&mut self) {
        if let Some(Carrier::Resident(resident)) = self.carrier.take() {
            self.cache.retire(resident);
        }
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, SampleError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_counted(&mut |_| {})
    }
}
