//! Claims on samplers as the executor carries them out.

use ndarray::Array2;

use super::{Build, ancestral, ddpm, over_journeys};
use crate::check::sampler::faults as fault;
use crate::check::sampler::{self as check, Added};
use crate::check::{Claim, Method, Row};
use crate::check::{Outcome, Run, Tol, Trial};
use crate::error::Result;
use crate::plan::{Plan, Route};
use crate::sample::{Executor, from_fn};
use crate::schedule::{Schedule, Timestep};

const POINTS: [f64; 3] = [-1.0, 0.5, 2.0];
/// Where single steps are drawn: x_t and the network's answer.
const XT: f64 = 0.7;
const OUT: f64 = 0.3;

pub(super) fn draws() -> Claim {
    Claim::bound(
        "executor_draws_follow_algorithm_2",
        "20 000 executed steps at t = 2 have the mean and variance of Algorithm 2",
        Method::Statistics("5 standard errors; misses a variance off by 10 % or a mean off by 0.07 σ"),
        |run| drawn(run, |_, route| ancestral(route, Added::Beta)),
    )
    .row("S3.64", || {
        let draws = draw_step(&Run::default(), ancestral(&Route::every(&Schedule::ddpm()), Added::Beta), 20_000);
        let n = draws.len() as f64;
        let (beta, noise): (f64, f64) =
            (1.199_199_199_199_199_2e-4, 1.0 - (1.0 - 1e-4) * (1.0 - 1.199_199_199_199_199_2e-4));
        Row {
            got: draws.iter().sum::<f64>() / n,
            want: (XT - beta / noise.sqrt() * OUT) / (1.0 - beta).sqrt(),
            tol: Tol::abs(5.0 * (beta / n).sqrt(), "5 standard errors"),
        }
    })
    .fault(fault::SMALL_VARIANCE_FOR_LARGE, |run| drawn(run, fault::small_variance_for_large))
    .fault(fault::VARIANCE_FOR_STD, |run| drawn(run, fault::variance_for_std_in_noise))
    .fault(fault::NOISE_ADDED_NOT_REMOVED, |run| drawn(run, fault::noise_added_not_removed))
}

pub(super) fn finite_data() -> Claim {
    Claim::bound(
        "samples_of_finite_data_land_on_points",
        "executed with the softmax denoiser of three points, every sample ends in one of them and all are reached",
        Method::Enumeration("the points themselves"),
        |run| landed(run, |_, route| ancestral(route, Added::BetaTilde)),
    )
    .row("S3.79", || {
        let samples = land(&Run::default(), ancestral(&Route::every(&Schedule::ddpm()), Added::Beta), 1);
        let nearest = |x: f64| {
            POINTS.into_iter().fold(9.0, |best: f64, p| if (p - x).abs() < (best - x).abs() { p } else { best })
        };
        Row { got: samples[0], want: nearest(samples[0]), tol: Tol::abs(1e-6, "ledger") }
    })
    .fault(fault::NOISE_IN_LAST_STEP, |run| landed(run, fault::noise_in_last_step))
    .fault(fault::LAST_STEP_LEFT_OUT, |run| landed(run, fault::last_step_left_out))
    .fault(fault::NOISE_ADDED_NOT_REMOVED, |run| landed(run, fault::noise_added_not_removed))
}

pub(super) fn evaluations() -> Claim {
    Claim::bound(
        "sampling_costs_one_evaluation_a_step",
        "the executor evaluates the network once per visited time: T times for the whole chain, S for a short list",
        Method::Enumeration("a counter in the network"),
        |run| counted(run, |_, route| ancestral(route, Added::Beta)),
    )
    .row("S1.85", || Row {
        got: count(ancestral(&Route::every(&Schedule::ddpm()), Added::Beta)),
        want: 1000.0,
        tol: Tol::exact(),
    })
    .fault(fault::FIRST_STEP_LEFT_OUT, |run| counted(run, fault::first_step_left_out))
    .fault(fault::LAST_STEP_LEFT_OUT, |run| counted(run, fault::last_step_left_out))
    .fault(fault::EVALUATED_TWICE, |run| counted(run, fault::evaluated_twice))
}

fn draw_step(run: &Run, plan: Result<Plan>, count: u64) -> Vec<f64> {
    let step = plan.and_then(|plan| Plan::new("one step", 1.0, vec![plan.steps()[plan.steps().len() - 2].clone()]));
    let Ok(step) = step else { return Vec::new() };
    let seeds: Vec<u64> = (0..count).map(|k| run.seed.wrapping_mul(count) + k).collect();
    let start = Array2::from_elem((seeds.len(), 1), XT);
    let drawn = Executor::new(&step, &seeds).run(start, &mut from_fn(|x, _| x.mapv(|_: f64| OUT)));
    drawn.map_or(Vec::new(), |all| all.into_iter().collect())
}

fn drawn(run: &Run, build: Build) -> Outcome {
    let journey = ddpm();
    let draws = draw_step(run, build(&journey.schedule, &journey.route), 20_000);
    check::draws_follow_algorithm_2(&draws, &journey, XT, OUT)
}

fn land(run: &Run, plan: Result<Plan>, count: u64) -> Vec<f64> {
    let schedule = Schedule::ddpm();
    let seeds: Vec<u64> = (0..count).map(|k| run.seed.wrapping_mul(count) + k).collect();
    let mut network = from_fn(|x: ndarray::ArrayView2<'_, f64>, index: f64| {
        let t = Timestep::from_model_index(index.round() as usize);
        let level = check::FiniteData::new(&schedule, t, &POINTS);
        x.mapv(|x| level.epsilon(x))
    });
    let sampled = plan.and_then(|plan| {
        let executor = Executor::new(&plan, &seeds);
        executor.run(executor.initial(ndarray::Dim((seeds.len(), 1)))?, &mut network)
    });
    sampled.map_or(vec![f64::NAN], |all| all.into_iter().collect())
}

fn landed(run: &Run, build: Build) -> Outcome {
    let schedule = Schedule::ddpm();
    let samples = land(run, build(&schedule, &Route::every(&schedule)), 32);
    check::lands_on_points(&samples, &POINTS, Tol::abs(16.0 * f64::EPSILON, "the last x̂₀ is a point to rounding"))
}

fn count(plan: Result<Plan>) -> f64 {
    let evaluations = std::cell::Cell::new(0u32);
    let mut network = from_fn(|x: ndarray::ArrayView2<'_, f64>, _| {
        evaluations.set(evaluations.get() + 1);
        x.mapv(|x| 0.5 * x)
    });
    let run = plan.and_then(|plan| {
        let executor = Executor::new(&plan, &[7]);
        executor.run(executor.initial(ndarray::Dim((1, 1)))?, &mut network)
    });
    if run.is_ok() { f64::from(evaluations.get()) } else { f64::NAN }
}

fn counted(run: &Run, build: Build) -> Outcome {
    over_journeys(run, |journey, _| {
        let mut trial = Trial::new();
        let (got, want) = (count(build(&journey.schedule, &journey.route)), journey.route.visits().len());
        trial.close("evaluations", got, want as f64, Tol::exact(), || format!("{want} visits"))?;
        Ok(trial.evidence())
    })
}
