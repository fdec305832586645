//! Several samplers that share a job's seeds, each in a thread of its own, while the caller takes what is finished.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::Sampler;
use super::batches::{Batch, Batches};
use super::job::{Job, StepLoop};
use super::observer::Observer;
use crate::onnx::loops::SampleError;

/// Carries a job out on all samplers together and gives its batches, in the order of the seeds, to `take`, which runs in
/// the calling thread while the next batches are made.
///
/// A sampler takes the next seeds as soon as it is free, so that a faster device makes more of them; which one makes a
/// sample changes nothing in it but the device's rounding. The samplers should be of one model.
///
/// ```no_run
/// # fn main() -> Result<(), alphabar::onnx::SampleError> {
/// use alphabar::onnx::{Device, Job, SampleError, Sampler, SessionOptions, share};
///
/// let on = |gpu| Sampler::open("fixtures/mnist-unet".as_ref(), &SessionOptions::new().device(Device::cuda(gpu)));
/// let (first, second) = (on(0)?, on(1)?);
/// let (plan, seeds) = (first.recipe()?.plan()?, (0..1000).collect::<Vec<u64>>());
/// let labels: Vec<i64> = (0..1000).map(|k| k % 10).collect();
/// let job = Job::new(&plan, &seeds).labels(&labels);
/// share(&[&first, &second], &job, &(), |batch| {
///     println!("from seed {}: {:?}", batch.first, batch.samples.dim());
///     Ok::<_, SampleError>(())
/// })?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// What [`Sampler::start`] or a batch finds wrong, or what `take` returns; batches in the making are finished first.
///
/// # Panics
/// If a sampler's thread panics.
pub fn share<E: From<SampleError>>(
    samplers: &[&Sampler],
    job: &Job<'_>,
    observer: &dyn Observer,
    mut take: impl FnMut(Batch) -> Result<(), E>,
) -> Result<Shared, E> {
    let mut all: Vec<Batches<'_>> = Vec::with_capacity(samplers.len());
    for sampler in samplers {
        let mut batches = sampler.start(job.clone())?;
        if let Some(first) = all.first() {
            batches.share_seeds(first);
        }
        if let Some(note) = batches.note() {
            observer.note(note);
        }
        all.push(batches);
    }
    let shared = Shared {
        step_loop: all.first().map_or(StepLoop::Host, Batches::step_loop),
        batch: all.iter().map(Batches::batch).max().unwrap_or(0),
    };
    thread::scope(|scope| {
        // One finished batch of each may wait for the caller.
        let (finished, made) = sync_channel(samplers.len().max(1));
        for mut batches in all {
            let finished = finished.clone();
            scope.spawn(move || {
                while let Some(batch) = batches.next_for(observer) {
                    if finished.send(batch).is_err() {
                        batches.end();
                    }
                }
            });
        }
        drop(finished);
        let (mut next, mut early) = (0, BTreeMap::new());
        for batch in made {
            let batch = batch?;
            early.insert(batch.first, batch);
            while let Some(batch) = early.remove(&next) {
                next += batch.samples.shape()[0];
                take(batch)?;
            }
        }
        Ok(shared)
    })
}

/// How a shared job was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The loop of the first sampler.
    pub step_loop: StepLoop,
    /// The largest batch of any sampler.
    pub batch: usize,
}
