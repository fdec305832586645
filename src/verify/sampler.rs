//! The claims of the chapter `sampler`, bound to this crate.

use ndarray::Array2;

use super::{Claim, Method, Row};
use crate::check::sampler::{self as check, Added, Journey, Mesh};
use crate::check::{Evidence, Outcome, Run, Tol, Trial, log_uniform, uniform};
use crate::error::Result;
use crate::fault::sampler as fault;
use crate::plan::{
    Ancestral, Clip, ClippedEpsilon, Ddim, DpmSolver, Grid, Heun, Noise, Order, Plan, Prediction, ReverseVariance,
    Route, Spacing, Step,
};
use crate::posterior::Moments;
use crate::sample::{Executor, from_fn};
use crate::schedule::{Betas, Schedule, Timestep};
use crate::variance::gaussian_variance;

const CHAPTER: &str = "sampler";

pub(super) fn claims() -> Vec<Claim> {
    vec![
        algorithm_2(),
        ancestral_law(),
        marginals(),
        ddim_family(),
        ddim_law(),
        orders(),
        reverse_sde(),
        draws(),
        finite_data(),
        evaluations(),
    ]
}

fn algorithm_2() -> Claim {
    Claim::new(
        "ancestral_steps_are_algorithm_2",
        CHAPTER,
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
    Claim::new(
        "ancestral_law_on_gaussian_data",
        CHAPTER,
        "with the exact network the law of Algorithm 2 after every step is that of the linear recursion",
        Method::OtherPremises("recursion on the βs, regression under the joint Gaussian"),
        |run| {
            let large = laws(run, |_, route| ancestral(route, Added::Beta), Added::Beta)?;
            Ok(large.and(laws(run, |_, route| ancestral(route, Added::BetaTilde), Added::BetaTilde)?))
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
    Claim::new(
        "exact_reverse_kernel_visits_the_marginals",
        CHAPTER,
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
    Claim::new(
        "ddim_keeps_marginals_for_every_eta",
        CHAPTER,
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
    Claim::new(
        "ddim_law_on_gaussian_data",
        CHAPTER,
        "deterministic DDIM with the exact network, ε, x₀, v or score, composes the regression gains",
        Method::OtherPremises("regression of √ᾱ_s x₀ + σ_s ε on x_t, recursion on the βs"),
        |run| {
            Prediction::ALL.into_iter().try_fold(Evidence::none(), |all, prediction| {
                Ok(all.and(gains(run, prediction, |_, route| ddim(route, prediction, 0.0))?))
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

fn orders() -> Claim {
    Claim::new(
        "solvers_converge_with_their_order",
        CHAPTER,
        "DDIM, Heun, DPM-Solver-2, -3 and ++2M converge to the exact flow with orders 1, 2, 2, 3, 2",
        Method::Numerical("closed-form flow map, signed order over five halvings"),
        |_| {
            let all = order(|grid| solver(Order::First, grid), 1.0)?.and(order(heun, 2.0)?);
            let all = all.and(order(|grid| solver(Order::Second, grid), 2.0)?);
            let all = all.and(order(|grid| solver(Order::Third, grid), 3.0)?);
            let all = all.and(order(|grid| solver(Order::SecondMultistep, grid), 2.0)?);
            Ok(all.and(middle(multistep)?))
        },
    )
    .row("B10", || order_row(|grid| solver(Order::First, grid), 0.997))
    .row("B10", || order_row(heun, 2.007))
    .row("B10", || order_row(|grid| solver(Order::Second, grid), 2.005))
    .row("B10", || order_row(|grid| solver(Order::Third, grid), 3.023))
    .fault(fault::LOG_SNR_FOR_HALF, |_| order(fault::log_snr_for_half, 1.0))
    .fault(fault::MIDPOINT_SLOPE_NOT_USED, |_| order(fault::midpoint_slope_not_used, 2.0))
    .fault(fault::DIVIDED_DIFFERENCE_NOT_SCALED, |_| order(fault::divided_difference_not_scaled, 3.0))
    .fault(fault::CORRECTOR_ALONE, |_| order(fault::corrector_alone, 2.0))
    .fault(fault::INPUT_NOT_SCALED, |_| order(fault::input_not_scaled, 2.0))
    .fault(fault::STEP_RATIO_INVERTED, |_| middle(fault::step_ratio_inverted))
}

fn reverse_sde() -> Claim {
    Claim::new(
        "ancestral_mean_is_a_reverse_sde_step",
        CHAPTER,
        "the ancestral mean is x + ½βx + βs + O(β²); Langevin dynamics has half the drift along the score",
        Method::Numerical("signed order over five halvings of β"),
        |run| sde(run, ancestral_mean),
    )
    .row("S3.66", || {
        let beta = 1e-3;
        let schedule = Schedule::new(Betas::new(vec![0.5, beta]).expect("constants inside the valid range"));
        Row {
            got: (ancestral_mean(&schedule, 0.8, -0.6) - 0.8) / beta,
            want: 0.5 * 0.8 - 0.6,
            tol: Tol::abs(2.0 * beta, "the next order in β"),
        }
    })
    .fault(fault::LANGEVIN_DRIFT, |run| sde(run, fault::langevin_drift))
    .fault(fault::NO_GROWTH_OF_X, |run| sde(run, fault::no_growth_of_x))
    .fault(fault::SCORE_SUBTRACTED, |run| sde(run, fault::score_subtracted))
}

fn draws() -> Claim {
    Claim::new(
        "executor_draws_follow_algorithm_2",
        CHAPTER,
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

fn finite_data() -> Claim {
    Claim::new(
        "samples_of_finite_data_land_on_points",
        CHAPTER,
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

fn evaluations() -> Claim {
    Claim::new(
        "sampling_costs_one_evaluation_a_step",
        CHAPTER,
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

const UNIT: Moments = Moments { mean: 0.0, var: 1.0 };
const HALF: Moments = Moments { mean: 0.5, var: 0.25 };
const POINTS: [f64; 3] = [-1.0, 0.5, 2.0];
/// Where single steps are drawn: x_t and the network's answer.
const XT: f64 = 0.7;
const OUT: f64 = 0.3;

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

fn solver(order: Order, grid: &Grid) -> Result<Plan> {
    DpmSolver { prediction: Prediction::Epsilon, clip: Clip::None, order }.plan(grid)
}

fn heun(grid: &Grid) -> Result<Plan> {
    Heun { prediction: Prediction::Epsilon, clip: Clip::None }.plan(grid)
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

/// The ancestral mean by way of a plan for a score network: its first step, from the last time of the schedule.
fn ancestral_mean(schedule: &Schedule, x: f64, score: f64) -> f64 {
    let sampler = Ancestral { prediction: Prediction::Score, clip: Clip::None, variance: ReverseVariance::Beta };
    let Ok(plan) = sampler.plan(&Route::every(schedule)) else { return f64::NAN };
    let step = &plan.steps()[0];
    let x0 = step.x0_from_x * x + step.x0_from_out * score;
    step.x * x + step.x0 * x0 + step.out * score
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

fn order_row(solver: fn(&Grid) -> Result<Plan>, want: f64) -> Row {
    let error = |steps| check::flow_error(solver, Mesh::Uniform, steps).unwrap_or(f64::NAN).abs();
    Row { got: (error(160) / error(320)).log2(), want, tol: Tol::printed(3) }
}

/// Whole chains, and short lists of their times.
fn over_journeys(run: &Run, mut claim: impl FnMut(&Journey, Moments) -> Outcome) -> Outcome {
    let shapes: Vec<[f64; 3]> = run.points().collect();
    let mut shapes = shapes.iter().cycle();
    let few = Run { cases: run.cases.min(24), ..*run };
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

fn order(solver: fn(&Grid) -> Result<Plan>, order: f64) -> Outcome {
    Ok(check::converges(solver, Mesh::Uniform, order)?.and(check::converges(solver, Mesh::Alternating, order)?))
}

/// DPM-Solver++ 2M for an x₀-network.
fn multistep(grid: &Grid) -> Result<Plan> {
    DpmSolver { prediction: Prediction::X0, clip: Clip::None, order: Order::SecondMultistep }.plan(grid)
}

fn middle(solver: fn(&Grid) -> Result<Plan>) -> Outcome {
    let uniform = check::extrapolates_to_the_middle(solver, Mesh::Uniform)?;
    Ok(uniform.and(check::extrapolates_to_the_middle(solver, Mesh::Alternating)?))
}

fn sde(run: &Run, mean: fn(&Schedule, f64, f64) -> f64) -> Outcome {
    let quiet = |u: f64| if u < 0.5 { uniform(u, -2.0, 0.0) } else { uniform(u, 0.0, 2.0) };
    run.over(|[u, v]| check::is_reverse_sde_step(mean, quiet(u), 3.0 + v))
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
