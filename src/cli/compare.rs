//! How far a network is from another that should be the same: evaluation by evaluation, and sample by sample.

use std::fmt::Write as _;

use super::failure::{Failure, Outcome};
use super::interrupt;
use crate::noise;
use crate::onnx::{Contract, Job, Network, Sampler, StepView};
use crate::plan::Plan;

/// Timesteps at which the networks are compared.
const PLACES: usize = 8;

/// How far two networks may be apart.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Bounds {
    /// Relative root mean square of one evaluation, at every timestep.
    pub evaluation: f64,
    /// Root mean square of the samples, in the model's units.
    pub sample: f64,
}

/// One evaluation of both networks on the same x_t, taken from the reference's trajectory.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct AtTimestep {
    /// What the networks were told.
    pub timestep: f64,
    /// Root mean square of the difference over that of the reference's output.
    pub relative_rms: f64,
    /// The largest difference.
    pub max: f64,
}

/// How far apart they are.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Deviation {
    /// Along the trajectory.
    pub evaluations: Vec<AtTimestep>,
    /// Samples that were compared, seeds from 0.
    pub samples: usize,
    /// Root mean square of the difference of samples of the same seeds.
    pub sample_rms: f64,
    /// The largest difference.
    pub sample_max: f64,
    /// What was allowed.
    pub bounds: Bounds,
}

impl Deviation {
    /// Why it is too large, if it is.
    pub fn excess(&self) -> Option<String> {
        let worst = self.evaluations.iter().max_by(|a, b| a.relative_rms.total_cmp(&b.relative_rms))?;
        let Bounds { evaluation, sample } = self.bounds;
        // A NaN is within no bound.
        let within = |found: f64, bound: f64| found <= bound;
        if !within(worst.relative_rms, evaluation) {
            let found = worst.relative_rms;
            let at = worst.timestep;
            return Some(format!(
                "one evaluation at timestep {at} is off by {found:.2e} of its size; {evaluation:.0e} is allowed"
            ));
        }
        let rms = self.sample_rms;
        (!within(rms, sample))
            .then(|| format!("samples are off by {rms:.2e} on average (RMS); {sample:.0e} is allowed"))
    }

    /// As a table.
    pub fn table(&self) -> String {
        let mut text = String::from("timestep  relative RMS of one evaluation  largest difference\n");
        for at in &self.evaluations {
            let _ = writeln!(text, "{:>8}  {:>30.3e}  {:>18.3e}", at.timestep, at.relative_rms, at.max);
        }
        let _ = writeln!(
            text,
            "{} samples of the same seeds: RMS {:.3e}, largest difference {:.3e}",
            self.samples, self.sample_rms, self.sample_max
        );
        text
    }
}

/// Runs both through the plan on seeds from 0.
///
/// # Errors
/// Exit 1 if a network fails or the two do not take and give the same.
pub fn compare(
    reference: &Sampler,
    other: &Sampler,
    plan: &Plan,
    count: usize,
    bounds: Bounds,
) -> Outcome<Deviation> {
    let contract = reference.network().contract();
    if reference.shape() != other.shape() || reference.predicts_variance() != other.predicts_variance() {
        let (a, b) = (reference.shape(), other.shape());
        return Err(Failure::input(format!("the two graphs are not of one shape: {a:?} and {b:?}")));
    }
    if let Some(port) = contract.extra.first() {
        let name = &port.name;
        return Err(Failure::usage(format!(
            "the graph takes {name}, which this check cannot give it; use --no-check"
        )));
    }
    let count = contract.batch.unwrap_or(count);
    let seeds: Vec<u64> = (0..count as u64).collect();
    let labels = labels(contract, count);
    let places = places(plan.steps().len());

    // x before each of the places, one batch after another, as the reference comes by.
    let mut seen: Vec<Vec<f32>> = vec![Vec::new(); places.len()];
    let samples = |sampler: &Sampler, mut see: Option<&mut Vec<Vec<f32>>>| -> Outcome<Vec<f32>> {
        let mut job = Job::new(plan, &seeds).stop(interrupt::flag());
        if let Some(labels) = &labels {
            job = job.labels(labels);
        }
        let mut batches = sampler.start(job)?;
        let mut all = Vec::new();
        loop {
            let mut observe = |view: StepView<'_>| {
                let place = places.iter().position(|&step| step == view.step + 1);
                if let (Some(place), Some(seen)) = (place, see.as_deref_mut()) {
                    seen[place].extend_from_slice(view.x);
                }
            };
            let Some(batch) = batches.next_observed(&mut observe) else { return Ok(all) };
            all.extend(batch?.samples.iter());
        }
    };
    let wanted = samples(reference, Some(&mut seen))?;
    let mut initial = vec![0.0; wanted.len()];
    noise::fill_batch(&seeds, 0, &mut initial);
    let std = plan.initial_std() as f32;
    initial.iter_mut().for_each(|x| *x *= std);
    seen[0] = initial;

    let mut evaluations = Vec::new();
    for (x, &step) in seen.iter().zip(&places) {
        let step = &plan.steps()[step];
        let run = |network: &Network| evaluate(network, x, step.input_scale, step.model_timestep, labels.as_deref());
        let (want, got) = (run(reference.network())?, run(other.network())?);
        let (rms, max) = difference(&want, &got);
        let size = difference(&want, &vec![0.0; want.len()]).0;
        evaluations.push(AtTimestep { timestep: step.model_timestep, relative_rms: rms / size, max });
    }
    let (sample_rms, sample_max) = difference(&wanted, &samples(other, None)?);
    Ok(Deviation { evaluations, samples: count, sample_rms, sample_max, bounds })
}

/// Every class in turn, if the model has classes.
fn labels(contract: &Contract, count: usize) -> Option<Vec<i64>> {
    contract.class_labels.as_ref()?;
    let classes = contract.classes.unwrap_or(1).max(1);
    Some((0..count).map(|k| (k % classes) as i64).collect())
}

/// Evenly spread over the plan, the first and the last step among them.
fn places(steps: usize) -> Vec<usize> {
    let count = PLACES.min(steps);
    let mut places: Vec<usize> = (0..count).map(|k| k * (steps - 1) / (count - 1).max(1)).collect();
    places.dedup();
    places
}

fn evaluate(network: &Network, x: &[f32], scale: f64, timestep: f64, labels: Option<&[i64]>) -> Outcome<Vec<f32>> {
    let each: usize = network.sample_shape(1).iter().product();
    let batch = network.contract().batch.unwrap_or(x.len() / each);
    let mut binding = network.bind(batch)?;
    for (to, from) in binding.sample_mut().iter_mut().zip(x) {
        *to = from * scale as f32;
    }
    binding.set_timestep(timestep)?;
    if let Some(labels) = labels {
        binding.set_labels(labels)?;
    }
    binding.run()?;
    Ok(binding.output().to_vec())
}

/// Root mean square and largest magnitude of a difference; NaN anywhere is NaN.
fn difference(a: &[f32], b: &[f32]) -> (f64, f64) {
    let each = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
    let (square, max) = each.fold((0.0, 0.0_f64), |(square, max), d| {
        (square + d * d, if d.is_nan() { f64::NAN } else { max.max(d.abs()) })
    });
    ((square / a.len().max(1) as f64).sqrt(), max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_begin_and_end_with_the_plan() {
        assert_eq!(places(1), [0]);
        assert_eq!(places(3), [0, 1, 2]);
        assert_eq!(places(50), [0, 7, 14, 21, 28, 35, 42, 49]);
    }

    #[test]
    fn nan_is_never_within_bounds() {
        let at = |relative_rms| AtTimestep { timestep: 0.0, relative_rms, max: 0.0 };
        let bounds = Bounds { evaluation: 0.1, sample: 0.1 };
        let of = |relative_rms, sample_rms| {
            let evaluations = vec![at(0.0), at(relative_rms)];
            Deviation { evaluations, samples: 1, sample_rms, sample_max: 0.0, bounds }.excess().is_some()
        };
        assert!(!of(0.1, 0.1));
        assert!(of(0.11, 0.0) && of(f64::NAN, 0.0) && of(0.0, 0.11) && of(0.0, f64::NAN));
        assert!(difference(&[f32::NAN, 1.0], &[0.0, 0.0]).0.is_nan());
    }
}
