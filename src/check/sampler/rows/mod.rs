//! The claims of the chapter `sampler`, bound to this crate.

mod executed;
mod solver;
mod times;

use crate::check::sampler::faults as fault;
use crate::check::sampler::{self as check, Added, Journey};
use crate::check::{Claim, Method, Row};
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::error::Result;
use crate::plan::{
    Ancestral, Clip, ClippedEpsilon, Ddim, DpmSolver, Grid, Noise, Order, Plan, Prediction, ReverseVariance, Route,
    Spacing, Step,
};
use crate::posterior::Moments;
use crate::schedule::{Betas, Schedule};
use crate::variance::gaussian_variance;

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        algorithm_2(),
        ancestral_law(),
        marginals(),
        ddim_family(),
        ddim_law(),
        solver::orders(),
        solver::reverse_sde(),
        executed::draws(),
        executed::finite_data(),
        executed::evaluations(),
        times::times_and_levels(),
    ]
}

fn algorithm_2() -> Claim {
    Claim::bound(
        "ancestral_steps_are_algorithm_2",
        "every step of the plan is (x − β/√(1 − ᾱ) ε)/√α + σz, also between kept times; the last adds no noise",
        Method::Enumeration("levels by recursion on the βs"),
        |run| steps(run, |_, route| ancestral(route, Added::Beta), Added::Beta),
    )
    .row("S3.78", || {
        let step = ancestral_step(500);
        Row {
            got: step.x0_from_out * step.x0,
            want: -0.010_040_040_04 / ((1.0 - 0.078_587_242_881_8f64) * (1.0 - 0.010_040_040_04)).sqrt(),
            tol: Tol::rel(1e-10, "ten digits printed"),
        }
    })
    .row("S3.78", || {
        let point = Moments { mean: 0.7, var: 0.0 };
        let law = law_of(ancestral(&Route::every(&Schedule::ddpm()), Added::BetaTilde), &ddpm(), point);
        Row { got: law.mean, want: 0.7, tol: Tol::abs(1e-11, "ledger: a point comes back exactly") }
    })
    .fault(fault::MEAN_WITHOUT_ROOT, |run| steps(run, fault::mean_without_root, Added::Beta))
    .fault(fault::NOISE_ADDED_NOT_REMOVED, |run| steps(run, fault::noise_added_not_removed, Added::Beta))
    .fault(fault::NETWORK_TOLD_T, |run| steps(run, fault::network_told_t, Added::Beta))
    .fault(fault::VARIANCE_FOR_STD, |run| steps(run, fault::variance_for_std_in_noise, Added::Beta))
    .fault(fault::LOG_VARIANCE_AS_VARIANCE, |run| steps(run, fault::log_variance_as_variance, Added::Beta))
    .fault(fault::LARGE_VARIANCE_FOR_SMALL, |run| steps(run, fault::large_variance_for_small, Added::BetaTilde))
}

fn ancestral_law() -> Claim {
    Claim::bound(
        "ancestral_law_on_gaussian_data",
        "with the exact network the law of Algorithm 2 after every step is that of the linear recursion",
        Method::OtherPremises("recursion on the βs, regression under the joint Gaussian"),
        |run| {
            let large = laws(run, |_, route| ancestral(route, Added::Beta), Added::Beta)?;
            let small = laws(run, |_, route| ancestral(route, Added::BetaTilde), Added::BetaTilde)?;
            Ok(large.and(small).and(options(run)?))
        },
    )
    .row("S3.76", || {
        let journey = Journey::every(&Schedule::ddpm());
        let want = check::ancestral_recursion(&journey, Added::Beta, HALF);
        let got = law_of(ancestral(&journey.route, Added::Beta), &journey, HALF).mean;
        Row { got, want: want.last().map_or(f64::NAN, |m| m.mean), tol: Tol::abs(1e-12, "ledger") }
    })
    .row("S3.77", || Row {
        got: law_of(ancestral(&Route::every(&Schedule::ddpm()), Added::Beta), &ddpm(), UNIT).var,
        want: 1.0 - 1e-4,
        tol: Tol::abs(1e-12, "ledger: α_1 exactly"),
    })
    .row("S3.79", || {
        let journey = Journey::every(&toy());
        let want = check::ancestral_recursion(&journey, Added::BetaTilde, HALF);
        let got = law_of(ancestral(&journey.route, Added::BetaTilde), &journey, HALF).var;
        Row { got, want: want.last().map_or(f64::NAN, |m| m.var), tol: Tol::abs(1e-10, "ledger") }
    })
    .row("S3.84", || listed(UNIT, Added::Beta, 0.999_900_00))
    .row("S3.84", || listed(HALF, Added::Beta, 0.250_752_08))
    .row("B12", || listed(UNIT, Added::BetaTilde, 0.991_067_38))
    .row("B12", || listed(HALF, Added::BetaTilde, 0.246_125_21))
    .row("B12", || Row {
        got: law_of(ancestral(&Route::every(&Schedule::ddpm()), Added::BetaTilde), &ddpm(), HALF).mean,
        want: 0.499_994_96,
        tol: Tol::printed(8),
    })
    .row("A3.6", || {
        let plan = fault::noise_in_last_step(&Schedule::ddpm(), &Route::every(&Schedule::ddpm()));
        Row {
            got: law_of(plan, &ddpm(), UNIT).var,
            want: 1.0,
            tol: Tol::abs(1e-12, "σ_1² = β_1 is what z = 0 takes"),
        }
    })
    .fault(fault::NOISE_IN_LAST_STEP, |run| laws(run, fault::noise_in_last_step, Added::Beta))
    .fault(fault::VARIANCES_SHIFTED_BY_ONE, |run| laws(run, fault::variances_shifted_by_one, Added::Beta))
    .fault(fault::FULL_CHAIN_BETA_ON_SHORT_LIST, |run| laws(run, fault::full_chain_beta_on_short_list, Added::Beta))
    .fault(fault::PREVIOUS_IS_ALWAYS_T_MINUS_1, |run| laws(run, fault::previous_is_always_t_minus_1, Added::Beta))
    .fault(fault::NETWORK_TOLD_T, |run| laws(run, fault::network_told_t, Added::Beta))
    .fault(fault::SMALL_VARIANCE_FOR_LARGE, |run| laws(run, fault::small_variance_for_large, Added::Beta))
    .fault(fault::FIRST_STEP_LEFT_OUT, |run| laws(run, fault::first_step_left_out, Added::Beta))
}

fn marginals() -> Claim {
    Claim::bound(
        "exact_reverse_kernel_visits_the_marginals",
        "from q(x_T), with the optimal variance, the sampler's law after every step is q(x_s); any other choice drifts",
        Method::OtherPremises("forward recursion on the βs"),
        |run| visits(run, with_optimal_variance),
    )
    .row("S3.65", || {
        // What β̃ loses at t = 500 on N(½, ¼): KL(q(x_t) ‖ sampler) in nat, from the plan and from the recursion.
        let journey = Journey::every(&Schedule::ddpm());
        let all = ancestral(&journey.route, Added::BetaTilde)
            .ok()
            .and_then(|plan| check::law(&plan, UNIT, journey.network(Prediction::Epsilon, HALF)));
        let got = all.map_or(Moments { mean: f64::NAN, var: f64::NAN }, |all| all[499]);
        let want = check::ancestral_recursion(&journey, Added::BetaTilde, HALF)[499];
        let (kept, true_var) = (0.078_587_242_881_8f64, 1.0 - 0.75 * 0.078_587_242_881_8);
        let kl = |p: Moments| {
            let shift = p.mean - 0.5 * kept.sqrt();
            0.5 * ((true_var + shift * shift) / p.var - 1.0 - (true_var / p.var).ln())
        };
        Row { got: kl(got), want: kl(want), tol: Tol::abs(1e-10, "ledger") }
    })
    .fault(fault::SMALL_VARIANCE_FOR_LARGE, |run| {
        visits(run, |schedule, route, _| fault::small_variance_for_large(schedule, route))
    })
    .fault(fault::NOISE_IN_LAST_STEP, |run| {
        visits(run, |schedule, route, _| fault::noise_in_last_step(schedule, route))
    })
    .fault(fault::MEAN_WITHOUT_ROOT, |run| {
        visits(run, |schedule, route, _| fault::mean_without_root(schedule, route))
    })
}

fn ddim_family() -> Claim {
    Claim::bound(
        "ddim_keeps_marginals_for_every_eta",
        "every η keeps q(x_s | x₀) and adds η²β̃; the chain is Markov only at η = 1",
        Method::OtherPremises("covariances of the joint law, recursion on the βs"),
        |run| family(run, |route, eta| ddim(route, Prediction::Epsilon, eta)),
    )
    .row("S1.68", || {
        let (at, parts) = toy_step(1.0);
        let kept = parts[1] * parts[1] + parts[2] * parts[2];
        Row { got: kept, want: at, tol: Tol::abs(1e-14, "ledger") }
    })
    .row("B16", || partial_row(0.0, -0.0967, Tol::printed(4)))
    .row("B16", || partial_row(0.5f64.sqrt(), -0.0575, Tol::printed(4)))
    .row("B16", || partial_row(1.0, 0.0, Tol::abs(1e-14, "ledger")))
    .fault(fault::DDIM_DIRECTION_WITHOUT_SIGMA, |run| family(run, fault::ddim_direction_without_sigma))
    .fault(fault::DDIM_DIRECTION_WITH_STD, |run| family(run, fault::ddim_direction_with_std))
    .fault(fault::DDIM_SIGMA_FROM_BETA, |run| family(run, fault::ddim_sigma_from_beta))
    .fault(fault::DDIM_ETA_SQUARED, |run| family(run, fault::ddim_eta_squared))
}

fn ddim_law() -> Claim {
    Claim::bound(
        "ddim_law_on_gaussian_data",
        "deterministic DDIM with the exact network, ε, x₀, v or score, composes the regression gains",
        Method::OtherPremises("regression of √ᾱ_s x₀ + σ_s ε on x_t, recursion on the βs"),
        |run| {
            Prediction::ALL.into_iter().try_fold(Evidence::none(), |all, prediction| {
                let all = all.and(gains(run, prediction, |_, route| ddim(route, prediction, 0.0))?);
                let all = all.and(gains(run, prediction, |_, route| check::unclipped(clipped(route, prediction)))?);
                Ok(all.and(gains(run, prediction, |schedule, route| first_order(schedule, route, prediction))?))
            })
        },
    )
    .row("B11", || trailing_row(10, 0.136_867))
    .row("B11", || trailing_row(50, 0.222_220))
    .row("B11", || trailing_row(1000, 0.248_498))
    .fault(fault::STRIDE_THAT_IS_NOT_THE_LISTS, |run| {
        gains(run, Prediction::Epsilon, fault::stride_that_is_not_the_lists)
    })
    .fault(fault::ENDS_AT_FIRST_LEVEL, |run| gains(run, Prediction::Epsilon, fault::ends_at_first_level))
    .fault(fault::DDIM_SIGNAL_OF_T, |run| gains(run, Prediction::Epsilon, fault::ddim_signal_of_t))
    .fault(fault::NETWORK_TOLD_T, |run| gains(run, Prediction::Epsilon, fault::network_told_t_in_ddim))
}

const UNIT: Moments = Moments { mean: 0.0, var: 1.0 };
const HALF: Moments = Moments { mean: 0.5, var: 0.25 };
type Build = fn(&Schedule, &Route) -> Result<Plan>;

fn toy() -> Schedule {
    Schedule::new(Betas::new(vec![0.1, 0.3, 0.5]).expect("constants inside the valid range"))
}

fn ddpm() -> Journey {
    Journey::every(&Schedule::ddpm())
}

fn ancestral(route: &Route, added: Added) -> Result<Plan> {
    let variance = match added {
        Added::Beta => ReverseVariance::Beta,
        Added::BetaTilde => ReverseVariance::BetaTilde,
    };
    Ancestral { prediction: Prediction::Epsilon, clip: Clip::None, variance }.plan(route)
}

fn ancestral_step(t: usize) -> Step {
    let plan = ancestral(&Route::every(&Schedule::ddpm()), Added::Beta).expect("ᾱ_T > 0");
    plan.steps()[1000 - t].clone()
}

fn ddim(route: &Route, prediction: Prediction, eta: f64) -> Result<Plan> {
    Ddim { prediction, clip: Clip::None, clipped_epsilon: ClippedEpsilon::AsPredicted, eta }.plan(route)
}

const CLIP: Clip = Clip::Range { bound: 2.0 };

/// DDIM along the ε of the clipped x̂₀.
fn clipped(route: &Route, prediction: Prediction) -> Result<Plan> {
    Ddim { prediction, clip: CLIP, clipped_epsilon: ClippedEpsilon::FromClippedX0, eta: 0.0 }.plan(route)
}

/// DPM-Solver-1, which is DDIM.
fn first_order(schedule: &Schedule, route: &Route, prediction: Prediction) -> Result<Plan> {
    let solver = DpmSolver { prediction, clip: Clip::None, order: Order::First };
    solver.plan(&Grid::along(schedule, route)?)
}

/// The ancestral plan with the exact reverse variance of Gaussian data in every step, the last included.
fn with_optimal_variance(_schedule: &Schedule, route: &Route, data: Moments) -> Result<Plan> {
    let plan = ancestral(route, Added::Beta)?;
    let step = |(k, (step, visit)): (usize, (&Step, &crate::plan::Visit))| {
        let std = gaussian_variance(&visit.transition, data.var)?.sqrt();
        Ok(Step { noise: Noise::Scaled { std }, draw: Some(k as u32 + 1), ..step.clone() })
    };
    let steps = plan.steps().iter().zip(route.visits()).enumerate().map(step);
    Plan::new("ancestral, optimal variance", 1.0, steps.collect::<Result<_>>()?)
}

/// The law of what a plan for an ε-network returns on Gaussian data, from N(0, 1).
fn law_of(plan: Result<Plan>, journey: &Journey, data: Moments) -> Moments {
    plan.ok()
        .and_then(|plan| check::law(&plan, UNIT, journey.network(Prediction::Epsilon, data)))
        .and_then(|all| all.last().copied())
        .unwrap_or(Moments { mean: f64::NAN, var: f64::NAN })
}

fn listed(data: Moments, added: Added, want: f64) -> Row {
    let got = law_of(ancestral(&Route::every(&Schedule::ddpm()), added), &ddpm(), data).var;
    Row { got, want, tol: Tol::printed(8) }
}

fn trailing_row(steps: usize, want: f64) -> Row {
    let schedule = Schedule::ddpm();
    let journey = Spacing::Trailing
        .model_timesteps(1000, steps)
        .and_then(|indices| Journey::new(&schedule, &indices.iter().map(|i| i + 1).collect::<Vec<_>>()));
    let got = journey
        .map_or(f64::NAN, |journey| law_of(ddim(&journey.route, Prediction::Epsilon, 0.0), &journey, HALF).var);
    Row { got, want, tol: Tol::printed(6) }
}

/// 1 − ᾱ_1 of the toy chain, and factors of x₀, ε and z in x_1 for the DDIM step from t = 2.
fn toy_step(eta: f64) -> (f64, [f64; 3]) {
    let plan = ddim(&Route::every(&toy()), Prediction::Epsilon, eta).expect("η ≤ 1");
    (0.1, check::reparameterised(&plan.steps()[1], 0.63f64.sqrt(), 0.37))
}

fn partial_row(eta: f64, want: f64, tol: Tol) -> Row {
    let got = check::partial_covariance(toy_step(eta).1, [0.63f64.sqrt(), 0.37f64.sqrt()], 0.6);
    Row { got, want, tol }
}

/// Whole chains, and short lists of their times.
fn over_journeys(run: &Run, mut claim: impl FnMut(&Journey, Moments) -> Outcome) -> Outcome {
    let shapes: Vec<[f64; 3]> = run.points().collect();
    let mut shapes = shapes.iter().cycle();
    let few = run.at_most(24);
    few.over_schedules(|schedule| {
        let [u, v, w] = shapes.next().copied().unwrap_or([0.5; 3]);
        let data = Moments { mean: uniform(u, -2.0, 2.0), var: log_uniform(v, 1e-2, 1e1) };
        let whole = claim(&Journey::every(schedule), data)?;
        let kept = |t: &usize| (*t as f64 * (0.3 + 0.5 * w)).fract() < 0.4 || *t == schedule.len();
        let times: Vec<usize> = (1..=schedule.len()).rev().filter(kept).collect();
        let short = Journey::new(schedule, &times).map(|journey| claim(&journey, data));
        short.unwrap_or(Ok(Evidence::none())).map(|short| whole.and(short))
    })
}

fn steps(run: &Run, build: Build, added: Added) -> Outcome {
    over_journeys(run, |journey, _| check::steps_are_algorithm_2(build, journey, added))
}

fn laws(run: &Run, build: Build, added: Added) -> Outcome {
    over_journeys(run, |journey, data| check::ancestral_law(build, journey, Prediction::Epsilon, added, data))
}

/// Samplers that clip do so at every step, and a learned variance lies between β̃ and β.
fn options(run: &Run) -> Outcome {
    let sampler = |clip, variance| Ancestral { prediction: Prediction::V, clip, variance };
    over_journeys(run, |journey, data| {
        let (schedule, route) = (&journey.schedule, &journey.route);
        let large = |clip| sampler(clip, ReverseVariance::Beta);
        let solver = DpmSolver { prediction: Prediction::V, clip: CLIP, order: Order::Third };
        let solved = Grid::along(schedule, route).and_then(|grid| solver.plan(&grid));
        let all = check::clips_every_step(large(CLIP).plan(route), CLIP)?
            .and(check::clips_every_step(clipped(route, Prediction::Epsilon), CLIP)?)
            .and(check::clips_every_step(solved, CLIP)?);
        let plain = |_: &Schedule, route: &Route| check::unclipped(large(CLIP).plan(route));
        let all = all.and(check::ancestral_law(plain, journey, Prediction::V, Added::Beta, data)?);
        let learned = sampler(Clip::None, ReverseVariance::LearnedRange).plan(route);
        Ok(all.and(check::learned_variance_spans(learned, journey)?))
    })
}

fn visits(run: &Run, build: fn(&Schedule, &Route, Moments) -> Result<Plan>) -> Outcome {
    over_journeys(run, |journey, data| {
        let build = |schedule: &Schedule, route: &Route| build(schedule, route, data);
        check::visits_marginals(build, journey, Prediction::Epsilon, data)
    })
}

fn gains(run: &Run, prediction: Prediction, build: impl Fn(&Schedule, &Route) -> Result<Plan>) -> Outcome {
    over_journeys(run, |journey, data| check::ddim_law(&build, journey, prediction, data))
}

fn family(run: &Run, build: fn(&Route, f64) -> Result<Plan>) -> Outcome {
    over_journeys(run, |journey, data| {
        [0.0, 0.3, 0.9, 1.0].into_iter().try_fold(Evidence::none(), |all, eta| {
            let build = |_: &Schedule, route: &Route| build(route, eta);
            Ok(all.and(check::keeps_marginals(build, journey, eta, data.var)?))
        })
    })
}
