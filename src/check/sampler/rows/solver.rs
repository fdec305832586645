//! Claims on the order of solvers and on the reverse SDE.

use crate::check::sampler::faults as fault;
use crate::check::sampler::{self as check, Mesh};
use crate::check::{Claim, Method, Row};
use crate::check::{Outcome, Run, Tol, uniform};
use crate::error::Result;
use crate::plan::{Ancestral, Clip, DpmSolver, DpmSolverPlusPlus2M, Grid, Heun, Order, Plan, Prediction};
use crate::plan::{ReverseVariance, Route};
use crate::schedule::{Betas, Schedule};

pub(super) fn orders() -> Claim {
    Claim::bound(
        "solvers_converge_with_their_order",
        "DDIM, Heun, DPM-Solver-2, -3 and ++2M converge to the exact flow with orders 1, 2, 2, 3, 2",
        Method::Numerical("closed-form flow map, signed order over five halvings"),
        |_| {
            let all = order(|grid| solver(Order::First, grid), 1.0)?.and(order(heun, 2.0)?);
            let all = all.and(order(|grid| solver(Order::Second, grid), 2.0)?);
            let all = all.and(order(|grid| solver(Order::Third, grid), 3.0)?);
            let all = all.and(order(multistep_on_epsilon, 2.0)?);
            let all = all.and(order(clipped_heun, 2.0)?).and(order(clipped_second, 2.0)?);
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

pub(super) fn reverse_sde() -> Claim {
    Claim::bound(
        "ancestral_mean_is_a_reverse_sde_step",
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

pub(super) fn solver(order: Order, grid: &Grid) -> Result<Plan> {
    DpmSolver { prediction: Prediction::Epsilon, clip: Clip::None, order }.plan(grid)
}

/// DPM-Solver++ 2M for an ε-network.
pub(super) fn multistep_on_epsilon(grid: &Grid) -> Result<Plan> {
    DpmSolverPlusPlus2M { prediction: Prediction::Epsilon, clip: Clip::None }.plan(grid)
}

pub(super) fn heun(grid: &Grid) -> Result<Plan> {
    Heun { prediction: Prediction::Epsilon, clip: Clip::None }.plan(grid)
}

const CLIP: Clip = Clip::Range { bound: 3.0 };

/// Heun on the clipped x̂₀, where nothing is clipped.
fn clipped_heun(grid: &Grid) -> Result<Plan> {
    check::unclipped(Heun { prediction: Prediction::Epsilon, clip: CLIP }.plan(grid))
}

/// DPM-Solver-2 on the clipped x̂₀, where nothing is clipped.
fn clipped_second(grid: &Grid) -> Result<Plan> {
    check::unclipped(DpmSolver { prediction: Prediction::Epsilon, clip: CLIP, order: Order::Second }.plan(grid))
}

/// The ancestral mean by way of a plan for a score network: its first step, from the last time of the schedule.
fn ancestral_mean(schedule: &Schedule, x: f64, score: f64) -> f64 {
    let sampler = Ancestral { prediction: Prediction::Score, clip: Clip::None, variance: ReverseVariance::Beta };
    let Ok(plan) = sampler.plan(&Route::every(schedule)) else { return f64::NAN };
    let step = &plan.steps()[0];
    let x0 = step.x0_from_x * x + step.x0_from_out * score;
    step.x * x + step.x0 * x0 + step.out * score
}

fn order_row(solver: fn(&Grid) -> Result<Plan>, want: f64) -> Row {
    let error = |steps| check::flow_error(solver, Mesh::Uniform, steps).unwrap_or(f64::NAN).abs();
    Row { got: (error(160) / error(320)).log2(), want, tol: Tol::printed(3) }
}

fn order(solver: fn(&Grid) -> Result<Plan>, order: f64) -> Outcome {
    Ok(check::converges(solver, Mesh::Uniform, order)?.and(check::converges(solver, Mesh::Alternating, order)?))
}

/// DPM-Solver++ 2M for an x₀-network.
fn multistep(grid: &Grid) -> Result<Plan> {
    DpmSolverPlusPlus2M { prediction: Prediction::X0, clip: Clip::None }.plan(grid)
}

fn middle(solver: fn(&Grid) -> Result<Plan>) -> Outcome {
    let uniform = check::extrapolates_to_the_middle(solver, Mesh::Uniform)?;
    Ok(uniform.and(check::extrapolates_to_the_middle(solver, Mesh::Alternating)?))
}

fn sde(run: &Run, mean: fn(&Schedule, f64, f64) -> f64) -> Outcome {
    let quiet = |u: f64| if u < 0.5 { uniform(u, -2.0, 0.0) } else { uniform(u, 0.0, 2.0) };
    run.over(|[u, v]| check::is_reverse_sde_step(mean, quiet(u), 3.0 + v))
}
