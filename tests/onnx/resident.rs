//! The resident loop on the CPU provider against the host's loop: the same samples for every kind of plan.

use std::collections::BTreeMap;
use std::path::Path;

use alphabar::guidance::GuidanceScale;
use alphabar::onnx::{Job, ModelSource, Network, SampleError, Sampler, SessionOptions, StepLoop};
use alphabar::plan::{
    Ancestral, Clip, ClippedEpsilon, Clock, Ddim, DpmSolver, Grid, Heun, Noise, Order, Plan, Prediction, Previous,
    ReverseVariance, Route, Scheduler, Source, Step, Store, Term,
};
use alphabar::{Level, Schedule};
use ndarray::{Array4, Axis};
use serde_json::Value;

use crate::{child, on_cpu, runtime};

const SEEDS: [u64; 5] = [0, 1, 7, 1 << 40, u64::MAX];

fn sampler_with(graph: &str, options: &SessionOptions) -> Sampler {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(graph);
    let source = ModelSource::resolve(&path).unwrap();
    Sampler::new(Network::open(runtime(), &source, options).unwrap(), Scheduler::default())
}

fn sampler(graph: &str) -> Sampler {
    sampler_with(graph, &on_cpu())
}

fn route(count: usize) -> (Schedule, Route) {
    let schedule = Schedule::ddpm();
    let timesteps: Vec<usize> = (0..count).rev().map(|k| k * (1000 / count)).collect();
    let route = Route::new(&schedule, &timesteps, Previous::List, true).unwrap();
    (schedule, route)
}

const PREDICTION: Prediction = Prediction::Epsilon;
const UNIT: Clip = Clip::Range { bound: 1.0 };

/// Ten steps or so of every kind of sampler.
fn plans() -> Vec<(&'static str, Plan)> {
    let (schedule, route) = route(10);
    let ddpm = |clip, variance| Ancestral { prediction: PREDICTION, clip, variance }.plan(&route).unwrap();
    let ddim = |clip, eta, clipped_epsilon| {
        Ddim { prediction: PREDICTION, clip, clipped_epsilon, eta }.plan(&route).unwrap()
    };
    let clock = Clock::of(&schedule);
    let levels = |k: usize| schedule.level(alphabar::Timestep::new(k));
    let down: Vec<Level> = (1..=10).rev().map(|k| levels(100 * k)).chain([Level::DATA]).collect();
    let grid = Grid::new(&down, clock).unwrap();
    let solver = |order, clip| DpmSolver { prediction: PREDICTION, clip, order }.plan(&grid).unwrap();
    vec![
        ("ddpm", ddpm(Clip::None, ReverseVariance::BetaTilde)),
        ("ddpm, clipped", ddpm(UNIT, ReverseVariance::Beta)),
        ("ddim", ddim(Clip::None, 0.0, ClippedEpsilon::AsPredicted)),
        ("ddim, clipped", ddim(UNIT, 0.0, ClippedEpsilon::AsPredicted)),
        ("ddim, clipped, its epsilon", ddim(UNIT, 0.0, ClippedEpsilon::FromClippedX0)),
        ("ddim, eta 1", ddim(UNIT, 1.0, ClippedEpsilon::AsPredicted)),
        ("dpm-solver 1", solver(Order::First, Clip::None)),
        ("dpm-solver 2", solver(Order::Second, Clip::None)),
        ("dpm-solver 2, clipped", solver(Order::Second, UNIT)),
        ("dpm-solver 3", solver(Order::Third, Clip::None)),
        ("dpm-solver++ 2m", solver(Order::SecondMultistep, UNIT)),
        ("heun", Heun { prediction: PREDICTION, clip: Clip::None }.plan(&grid).unwrap()),
        ("heun, clipped", Heun { prediction: PREDICTION, clip: UNIT }.plan(&grid).unwrap()),
    ]
}

/// The samples and every x and x̂₀ on the way, in batches of two.
fn run(sampler: &Sampler, job: &Job<'_>, step_loop: StepLoop) -> (Vec<f32>, Vec<f32>) {
    let job = Job { step_loop: Some(step_loop), batch: job.batch.or(Some(2)), ..job.clone() };
    let mut batches = sampler.start(job).unwrap();
    assert_eq!(batches.step_loop(), step_loop);
    let (mut samples, mut path) = (Vec::new(), Vec::new());
    loop {
        let mut rows = Vec::new();
        let next = batches.next_observed(&mut |moment| rows.push((moment.x.to_vec(), moment.x0.to_vec())));
        let Some(batch) = next else { break };
        let batch = batch.unwrap();
        // The resident loop fills the last batch up.
        let kept = batch.samples.len();
        path.extend(rows.iter().flat_map(|(x, x0)| x[..kept].iter().chain(&x0[..kept])));
        samples.extend(batch.samples);
    }
    (samples, path)
}

/// Largest deviation of two paths, in units of 2⁻²⁴ of the largest magnitude on the way.
fn deviation(one: &[f32], other: &[f32]) -> f64 {
    assert_eq!(one.len(), other.len());
    assert!(one.iter().chain(other).all(|x| x.is_finite()));
    let largest = one.iter().fold(0.0_f64, |largest, &x| largest.max(f64::from(x).abs()));
    let apart = one.iter().zip(other).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs()).fold(0.0, f64::max);
    apart / (largest * 2f64.powi(-24))
}

fn compare(sampler: &Sampler, what: &str, job: &Job<'_>) -> f64 {
    let (host, resident) = (run(sampler, job, StepLoop::Host), run(sampler, job, StepLoop::Resident));
    let found = deviation(&host.1, &resident.1).max(deviation(&host.0, &resident.0));
    println!("{what}: {found:.2} units of 2^-24 of the largest magnitude");
    found
}

#[test]
fn every_sampler_gives_the_hosts_samples() {
    let sampler = sampler("diffusers/tiny.onnx");
    for (what, plan) in plans() {
        let found = compare(&sampler, what, &Job::new(&plan, &SEEDS));
        assert!(found <= 0.0, "{what}: {found}");
    }
}
