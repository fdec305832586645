//! The claims of the chapter `variance`, bound to this crate.

use crate::check::{Claim, Method, Row};
use crate::check::variance::{self as check, Averages, Data, Point, Reverse};
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::error::Result;
use crate::check::variance::faults as fault;
use crate::posterior::{LogVarianceClip, Moments, log_variance_clipped};
use crate::schedule::{Betas, Schedule, Timestep, Transition};
use crate::variance::{
    Bounds, LearnedRange, Spread, best_gaussian, bounds, entropy_power, gaussian_variance, optimal_variance,
    optimal_variance_from_score, variance_cost,
};

const CHAPTER: &str = "variance";

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![of_gaussian_data(), optimal(), sandwich(), closest_gaussian(), third_order(), learned_range(), cost()]
}

fn of_gaussian_data() -> Claim {
    Claim::legacy(
        "reverse_variance_of_gaussian_data",
        CHAPTER,
        "for Gaussian data the reverse variance is the Schur complement of (x_{t−1}, x_t): β̃ for a point, β for N(0, 1)",
        Method::OtherPremises("recursion on the βs, Schur complement"),
        |run| Ok(gaussian_data(run, gaussian_variance)?.and(spreads(run, bounds)?)),
    )
    .row("S2.25", || Row {
        got: gaussian_variance(&ddpm_step(2), 0.0).unwrap_or(f64::NAN),
        want: 5.453_187_661e-5,
        tol: Tol::abs(0.500_001e-14, "digits printed"),
    })
    .row("S3.48", || Row { got: beta_tilde_share(2), want: 0.4547, tol: Tol::printed(4) })
    .row("S3.48", || Row {
        got: beta_tilde_share(500),
        want: 0.010_031_355_41 / 0.010_040_040_04,
        tol: Tol::rel(1e-9, "ten digits printed"),
    })
    .row("S3.49", || Row {
        got: gaussian_variance(&ddpm_step(500), 1.0).unwrap_or(f64::NAN),
        want: Point::new(&Schedule::ddpm(), Timestep::new(500)).schur_complement(1.0),
        tol: Tol::rel(1e-12, "ledger"),
    })
    .row("S3.50", || Row {
        got: gaussian_variance(&ddpm_step(500), 0.0).unwrap_or(f64::NAN),
        want: Point::new(&Schedule::ddpm(), Timestep::new(500)).schur_complement(0.0),
        tol: Tol::rel(1e-12, "ledger"),
    })
    .row("A3.1", || Row {
        got: gaussian_variance(&short_chain().step(Timestep::new(7)), 4.0).unwrap_or(f64::NAN),
        want: 0.102_255,
        tol: Tol::printed(6),
    })
    .fault(fault::REVERSE_VARIANCE_ALWAYS_BETA, |run| gaussian_data(run, fault::reverse_variance_always_beta))
    .fault(fault::REVERSE_VARIANCE_ALWAYS_BETA_TILDE, |run| {
        gaussian_data(run, fault::reverse_variance_always_beta_tilde)
    })
    .fault(fault::PRIOR_FOR_POSTERIOR_VARIANCE, |run| gaussian_data(run, fault::prior_for_posterior_variance))
    .fault(fault::RANGE_FOR_HALF_RANGE, |run| spreads(run, fault::range_for_half_range))
    .fault(fault::BOUNDS_SWAPPED, |run| attained(run, fault::bounds_swapped))
    .fault(fault::UPPER_BOUND_OF_HALF_VARIANCE, |run| attained(run, fault::upper_bound_of_half_variance))
}

fn optimal() -> Claim {
    Claim::legacy(
        "optimal_variance_minimises_the_bound",
        CHAPTER,
        "β̃ plus what is unknown of x₀ is Var(x_{t−1} | x_t), at one x_t and on average, from V or from the score",
        Method::Numerical("quadrature of the joint density, finite differences"),
        |run| {
            let score_form = |step: &Transition, all: &Averages| optimal_variance_from_score(step, all.score_power);
            Ok(total(run, optimal_variance)?.and(minimum(score_form)?))
        },
    )
    .row("S1.69", || {
        let averages = world(5).averages();
        Row {
            got: optimal_variance_from_score(&world(5).step, averages.score_power).unwrap_or(f64::NAN),
            want: averages.xs_var,
            tol: Tol::rel(1e-8, "ledger"),
        }
    })
    .row("S2.28", || {
        let given = world(9).given(0.4);
        Row {
            got: optimal_variance(&world(9).step, given.x0.var).unwrap_or(f64::NAN),
            want: given.xs.var,
            tol: Tol::abs(1e-9, "ledger"),
        }
    })
    .fault(fault::X0_FACTOR_NOT_SQUARED, |run| total(run, fault::x0_factor_not_squared))
    .fault(fault::LATER_SIGNAL_IN_OPTIMAL_VARIANCE, |run| total(run, fault::later_signal_in_optimal_variance))
    .fault(fault::REVERSE_VARIANCE_ALWAYS_BETA_TILDE, |run| total(run, fault::reverse_variance_always_beta_tilde))
    .fault(fault::SCORE_POWER_ADDED, |_| minimum(fault::score_power_added))
    .fault(fault::SCORE_FORM_WITHOUT_ALPHA, |_| minimum(fault::score_form_without_alpha))
    .fault(fault::EPSILON_POWER_FOR_SCORE_POWER, |_| minimum(fault::epsilon_power_for_score_power))
}

fn sandwich() -> Claim {
    Claim::legacy(
        "entropy_sandwich",
        CHAPTER,
        "for unit-variance data β̃ ≤ e^{2h}/2πe ≤ E Var(x_{t−1} | x_t) ≤ β; both ends are attained",
        Method::Numerical("quadrature; recursion for the ends"),
        |run| {
            let unit = |step: &Transition| bounds(step, Spread::Variance(1.0));
            Ok(attained(run, unit)?.and(between(unit, entropy_power)?))
        },
    )
    .row("S3.51", || Row {
        got: entropy_power(world(7).averages().entropy),
        want: 0.5 * (ends(7).low + ends(7).high),
        tol: Tol::abs(0.5 * (ends(7).high - ends(7).low), "the interval itself"),
    })
    .row("B30", || Row { got: ends(5).low, want: 0.039_815, tol: Tol::printed(6) })
    .row("B30", || Row { got: entropy_power(world(5).averages().entropy), want: 0.059_949, tol: Tol::printed(6) })
    .row("B30", || Row {
        got: optimal_variance(&world(5).step, world(5).averages().x0_var).unwrap_or(f64::NAN),
        want: 0.060_655,
        tol: Tol::printed(6),
    })
    .row("B30", || Row { got: ends(5).high, want: 0.063_947, tol: Tol::printed(6) })
    .fault(fault::BOUNDS_SWAPPED, |_| between(fault::bounds_swapped, entropy_power))
    .fault(fault::LOWER_BOUND_WITHOUT_S, |run| attained(run, fault::lower_bound_without_s))
    .fault(fault::UPPER_BOUND_OF_HALF_VARIANCE, |_| between(fault::upper_bound_of_half_variance, entropy_power))
    .fault(fault::ENTROPY_POWER_WITHOUT_TWO, |_| {
        between(|step| bounds(step, Spread::Variance(1.0)), fault::entropy_power_without_two)
    })
}

fn closest_gaussian() -> Claim {
    Claim::legacy(
        "closest_gaussian_matches_moments",
        CHAPTER,
        "KL(q(x_{t−1} | x_t) ‖ N) is smallest at the mean and variance of q(x_{t−1} | x_t)",
        Method::Numerical("KL by quadrature, finite differences"),
        |run| closest(run, best_gaussian),
    )
    .row("S2.23", || {
        let (world, xt) = (world(9), -0.7);
        let given = world.given(xt);
        Row {
            got: best_gaussian(&world.step, xt, given.x0).map_or(f64::NAN, |p| p.mean),
            want: given.xs.mean,
            tol: Tol::abs(1e-8, "ledger"),
        }
    })
    .fault(fault::CLOSEST_GAUSSIAN_WITH_BETA_TILDE, |run| closest(run, fault::closest_gaussian_with_beta_tilde))
    .fault(fault::CLOSEST_GAUSSIAN_WITH_BETA, |run| closest(run, fault::closest_gaussian_with_beta))
    .fault(fault::CLOSEST_GAUSSIAN_AROUND_X0, |run| closest(run, fault::closest_gaussian_around_x0))
}

fn third_order() -> Claim {
    Claim::legacy(
        "gaussian_reverse_step_is_third_order",
        CHAPTER,
        "the true reverse kernel is Gaussian up to O(β³) in KL",
        Method::Numerical("KL by quadrature, signed order over five halvings"),
        |_| order(best_gaussian, -0.3),
    )
    .row("S0.53", || slope_row(-0.3, 4))
    .row("S1.46", || slope_row(0.8, 4))
    .row("B25", || listed_slope(0, 3.03))
    .row("B25", || listed_slope(1, 3.08))
    .row("B25", || listed_slope(2, 3.07))
    .row("B25", || listed_slope(3, 3.04))
    .fault(fault::CLOSEST_GAUSSIAN_WITH_BETA_TILDE, |_| order(fault::closest_gaussian_with_beta_tilde, -0.3))
    .fault(fault::CLOSEST_GAUSSIAN_WITH_BETA, |_| order(fault::closest_gaussian_with_beta, -0.3))
    .fault(fault::CLOSEST_GAUSSIAN_AROUND_X0, |_| order(fault::closest_gaussian_around_x0, -0.3))
}

fn learned_range() -> Claim {
    Claim::legacy(
        "learned_range_is_geometric",
        CHAPTER,
        "the learned variance is the weighted geometric mean of β and β̃",
        Method::Enumeration("integer powers"),
        |run| geometric(run, LearnedRange::var),
    )
    .row("B8", || {
        let clipped = log_variance_clipped(&ddpm_step(1), &ddpm_step(2), LogVarianceClip::CopySecond);
        Row {
            got: LearnedRange::new(&ddpm_step(2), clipped.unwrap_or(f64::NAN)).var(0.5),
            want: 8.0867e-5,
            tol: Tol::abs(0.500_001e-9, "digits printed"),
        }
    })
    .row("B8", || Row {
        got: LearnedRange::new(&ddpm_step(2), (5.453_187_661e-5f64).ln()).var(LearnedRange::fraction(0.0)),
        want: (5.453_187_661e-5f64 * 1.199_199_199_199_199_2e-4).sqrt(),
        tol: Tol::roundings(40.0, 1.0, "exp of a logarithm near 10"),
    })
    .fault(fault::LEARNED_RANGE_WITHOUT_LOG, |run| geometric(run, fault::learned_range_without_log))
    .fault(fault::LEARNED_RANGE_WITHOUT_EXP, |run| geometric(run, fault::learned_range_without_exp))
    .fault(fault::LEARNED_RANGE_REVERSED, |run| geometric(run, fault::learned_range_reversed))
    .fault(fault::LEARNED_RANGE_RAW_OUTPUT, |run| geometric(run, fault::learned_range_raw_output))
    .fault(fault::LEARNED_STD_FOR_VARIANCE, |run| geometric(run, fault::learned_std_for_variance))
}

fn cost() -> Claim {
    Claim::legacy(
        "variance_cost_is_a_difference_of_bounds",
        CHAPTER,
        "what a reverse variance costs, summed over the steps, is the difference of two exact variational bounds",
        Method::OtherPremises("expectations under the joint Gaussian by recursion"),
        |run| costs(run, variance_cost),
    )
    .row("S3.52", || {
        let schedule = Schedule::ddpm();
        let cost = |t| {
            let step = schedule.step(t);
            let var = |v| gaussian_variance(&step, v).unwrap_or(f64::NAN);
            variance_cost(var(0.0), var(1.0)).unwrap_or(f64::NAN)
        };
        Row {
            got: schedule.timesteps().skip(1).map(cost).sum(),
            want: 1.883_831 - 1.418_939,
            tol: Tol::abs(1.000_001e-6, "two numbers of six digits"),
        }
    })
    .fault(fault::COST_OF_REVERSED_KL, |run| costs(run, fault::cost_of_reversed_kl))
    .fault(fault::COST_WITHOUT_HALF, |run| costs(run, fault::variance_cost_without_half))
    .fault(fault::COST_WITH_STD_RATIO, |run| costs(run, fault::variance_cost_with_std_ratio))
}

/// 0.3 N(−1.5, 0.3²) + 0.7 N(1, 0.5²), not normalised.
const REFERENCE: Data = Data {
    density: |x| (-0.5 * ((x + 1.5) / 0.3).powi(2)).exp() + 0.7 / 0.5 * (-0.5 * ((x - 1.0) / 0.5).powi(2)).exp(),
    reach: 6.0,
    detail: 0.3,
};

/// ½ N(±0.9, 0.19), of unit variance.
const UNIT: Data = Data {
    density: |x| (-0.5 * (x - 0.9).powi(2) / 0.19).exp() + (-0.5 * (x + 0.9).powi(2) / 0.19).exp(),
    reach: 5.0,
    detail: 0.43,
};

/// β = 20 values equally spaced from 0.001 to 0.3.
fn short_chain() -> Schedule {
    Schedule::new(Betas::linear(20, 0.001, 0.3).expect("constants inside the valid range"))
}

fn world(t: usize) -> Reverse {
    Reverse::of_chain(&short_chain().betas().as_slice()[..t], &UNIT)
}

fn ends(t: usize) -> Bounds {
    let nowhere = Bounds { low: f64::NAN, high: f64::NAN };
    bounds(&short_chain().step(Timestep::new(t)), Spread::Variance(1.0)).unwrap_or(nowhere)
}

fn ddpm_step(t: usize) -> Transition {
    Schedule::ddpm().step(Timestep::new(t))
}

fn beta_tilde_share(t: usize) -> f64 {
    gaussian_variance(&ddpm_step(t), 0.0).map_or(f64::NAN, |var| var / ddpm_step(t).beta())
}

fn slope_row(xt: f64, halvings: usize) -> Row {
    let logs = check::divergences(best_gaussian, &REFERENCE, 0.5, xt).map(f64::log2);
    Row { got: -check::slope(&logs[..=halvings]), want: 3.0, tol: Tol::abs(0.2, "ledger") }
}

fn listed_slope(k: usize, want: f64) -> Row {
    let kl = check::divergences(best_gaussian, &REFERENCE, 0.5, -0.3);
    Row { got: (kl[k] / kl[k + 1]).log2(), want, tol: Tol::printed(2) }
}

fn gaussian_data(run: &Run, f: fn(&Transition, f64) -> Result<f64>) -> Outcome {
    let variances: Vec<f64> = run.points().map(|[u]| log_uniform(u, 1e-3, 1e2)).collect();
    run.over_schedules(|schedule| {
        let points = schedule.timesteps().zip(variances.iter().cycle());
        points.step_by(1 + schedule.len() / 50).try_fold(Evidence::none(), |all, (t, &v)| {
            let at = Point::new(schedule, t);
            [0.0, 1.0, v].into_iter().try_fold(all, |all, v| Ok(all.and(check::equals_schur_complement(f, &at, v)?)))
        })
    })
}

fn attained(run: &Run, f: impl Fn(&Transition) -> Result<Bounds>) -> Outcome {
    run.over_schedules(|schedule| {
        schedule.timesteps().step_by(1 + schedule.len() / 50).try_fold(Evidence::none(), |all, t| {
            Ok(all.and(check::bounds_are_attained(&f, &Point::new(schedule, t))?))
        })
    })
}

fn spreads(run: &Run, f: fn(&Transition, Spread) -> Result<Bounds>) -> Outcome {
    let spreads: Vec<f64> = run.points::<1>().map(|[u]| log_uniform(u, 1e-2, 1e2)).collect();
    run.over_schedules(|schedule| {
        let points = schedule.timesteps().zip(spreads.iter().cycle());
        points.step_by(1 + schedule.len() / 50).try_fold(Evidence::none(), |all, (t, &spread)| {
            Ok(all.and(check::upper_bounds_know_the_spread(f, &Point::new(schedule, t), spread)?))
        })
    })
}

fn total(run: &Run, f: fn(&Transition, f64) -> Result<f64>) -> Outcome {
    let worlds = [world(2), world(5), world(20), Reverse::at_level(0.5, 0.01, &REFERENCE)];
    let pointwise =
        run.points().take(16).zip(worlds.iter().cycle()).try_fold(Evidence::none(), |all, ([u], world)| {
            Ok(all.and(check::is_total_variance(f, world, uniform(u, -2.5, 2.5))?))
        })?;
    Ok(pointwise.and(minimum(|step, averages| f(step, averages.x0_var))?))
}

fn minimum(f: impl Fn(&Transition, &Averages) -> Result<f64>) -> Outcome {
    [world(2), world(5), world(20)]
        .iter()
        .try_fold(Evidence::none(), |all, world| Ok(all.and(check::minimises_bound(&f, world)?)))
}

fn between(f: impl Fn(&Transition) -> Result<Bounds>, power: impl Fn(f64) -> f64) -> Outcome {
    [2, 5, 12, 20]
        .into_iter()
        .try_fold(Evidence::none(), |all, t| Ok(all.and(check::sandwich(&f, &power, &world(t))?)))
}

fn closest(run: &Run, f: fn(&Transition, f64, Moments) -> Result<Moments>) -> Outcome {
    let worlds = [world(3), world(9), Reverse::at_level(0.5, 0.2, &REFERENCE)];
    run.points().take(12).zip(worlds.iter().cycle()).try_fold(Evidence::none(), |all, ([u], world)| {
        Ok(all.and(check::is_closest_gaussian(f, world, uniform(u, -2.0, 2.0))?))
    })
}

fn order(f: fn(&Transition, f64, Moments) -> Result<Moments>, xt: f64) -> Outcome {
    check::divergence_is_third_order(f, &REFERENCE, 0.5, xt)
}

fn geometric(run: &Run, f: fn(&LearnedRange, f64) -> f64) -> Outcome {
    run.over_schedules(|schedule| {
        schedule.timesteps().skip(1).step_by(1 + schedule.len() / 50).try_fold(Evidence::none(), |all, t| {
            Ok(all.and(check::learned_range_is_geometric(f, &Point::new(schedule, t))?))
        })
    })
}

fn costs(run: &Run, f: fn(f64, f64) -> Result<f64>) -> Outcome {
    let variances: Vec<f64> = run.points().map(|[u]| log_uniform(u, 1e-2, 1e1)).collect();
    let mut data = variances.iter().cycle();
    run.over_schedules(|schedule| {
        let s = data.next().copied().unwrap_or(1.0);
        let large = check::cost_is_vlb_difference(f, Transition::beta, schedule, s)?;
        let small = |step: &Transition| gaussian_variance(step, 0.0).unwrap_or(f64::NAN);
        Ok(large.and(check::cost_is_vlb_difference(f, small, schedule, 1.0)?))
    })
}
