//! Claims on optimal sub-trajectories.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::PI;

use crate::schedule::{Level, Schedule, Timestep};
use crate::trajectory::{StepCosts, Trajectory};

use super::witness::simulate::Marginal;
use super::{Mismatch, Outcome, Tol, Trial};

/// The cheapest path of K steps equals the minimum over all subsets of times, for every K.
///
/// Method: all 2^{T−1} subsets as bit masks; T at most 16. Ledger S1.70, B14.
///
/// # Errors
/// The mismatch found.
// ANCHOR: equals_brute_force
pub fn equals_brute_force(
    best: impl Fn(&StepCosts, usize) -> crate::Result<Trajectory>,
    costs: &StepCosts,
) -> Outcome {
    let steps = costs.steps().min(16);
    let mut cheapest = vec![f64::INFINITY; steps];
    for mask in 0u32..1 << (steps - 1) {
        let kept = mask.count_ones() as usize;
        cheapest[kept] = cheapest[kept].min(path_cost(costs, (1..steps).filter(|t| mask >> (t - 1) & 1 == 1)));
    }
    let mut trial = Trial::new();
    let scale = cheapest.iter().fold(1.0, |most: f64, cost| most.max(cost.abs()));
    let tol = Tol::abs(4.0 * steps as f64 * f64::EPSILON * scale, "T summands in another order");
    for (k, want) in cheapest.iter().enumerate() {
        let count = k + 1;
        let place = || format!("{count} of {steps} steps");
        let found = best(costs, count).map_err(|_| missing("a path", count))?;
        trial.close("cost", found.cost, *want, tol, place)?;
        trial.close("number of times", found.times.len() as f64, count as f64, Tol::exact(), place)?;
        let first = found.times.first().map_or(0, |t| t.get());
        trial.close("first time", first as f64, steps as f64, Tol::exact(), place)?;
        let along = path_cost(costs, found.times.iter().rev().map(|t| t.get()).filter(|&t| t < steps));
        trial.close("cost of the times returned", along, *want, tol, place)?;
    }
    Ok(trial.evidence())
}
// ANCHOR_END: equals_brute_force

/// The cost of a path is the sum of its steps', the one to the data included.
///
/// Method: the sum itself over all 2^{T−1} subsets of times; T at most 12. Ledger S1.70, B14.
///
/// # Errors
/// The mismatch found.
pub fn path_costs_are_sums(
    along: impl Fn(&StepCosts, &[Timestep]) -> crate::Result<f64>,
    costs: &StepCosts,
) -> Outcome {
    let steps = costs.steps().min(12);
    let mut trial = Trial::new();
    for mask in 0u32..1 << (steps - 1) {
        let kept = || (1..steps).filter(|t| mask >> (t - 1) & 1 == 1);
        let times: Vec<Timestep> = kept().chain([costs.steps()]).rev().map(Timestep::new).collect();
        let got = along(costs, &times).map_err(|_| missing("the cost of a path", times.len()))?;
        let want = path_cost(costs, kept());
        let tol = Tol::new(1e-14, 1e-14, "12 summands in another order");
        trial.close("cost of a path", got, want, tol, || format!("times {times:?}"))?;
    }
    Ok(trial.evidence())
}

fn path_cost(costs: &StepCosts, increasing: impl Iterator<Item = usize>) -> f64 {
    let mut s = 0;
    let mut total = 0.0;
    for t in increasing.chain([costs.steps()]) {
        total += if s < t { costs.cost(Timestep::new(s), Timestep::new(t)) } else { f64::NAN };
        s = t;
    }
    total
}

fn missing(what: &str, count: usize) -> Mismatch {
    let tol = Tol::exact();
    Mismatch { what: what.into(), got: f64::NAN, want: 0.0, tol, at: format!("{count} steps") }
}

/// The cost of a step is the KL between the posteriors given the true and a wrong x₀.
///
/// ```text
/// KL = (μ̃(x₀) − μ̃(x̂₀))²/2β̃        1/β̃ = α/β + 1/V        μ̃ = β̃ (√α x_t/β + m x₀/V)
/// ```
///
/// Method: precision addition, levels m and V by recursion on the βs; needs s ≥ 1. Ledger B14.
///
/// # Errors
/// The mismatch found.
pub fn step_cost_is_divergence(
    cost: impl Fn(Level, Level, f64) -> f64,
    schedule: &Schedule,
    s: Timestep,
    t: Timestep,
    error: f64,
) -> Outcome {
    let betas = schedule.betas().as_slice();
    let (m, v) = levels(&betas[..s.get()]);
    let (root, beta) = levels(&betas[s.get()..t.get()]);
    let var = 1.0 / (root * root / beta + 1.0 / v);
    let shift = var * m / v;
    let want = shift * shift * error / (2.0 * var);
    let got = cost(schedule.level(s), schedule.level(t), error);
    let lost = schedule.level(s).snr() / (schedule.level(s).snr() - schedule.level(t).snr());
    let tol = Tol::roundings(16.0 + 4.0 * t.get() as f64, lost, "4t + 16 roundings, SNR_s/(SNR_s − SNR_t) lost");
    let mut trial = Trial::new();
    trial.close("cost of a step", got, want, tol, || format!("s = {}, t = {}", s.get(), t.get()))?;
    Ok(trial.evidence())
}

/// The cost of the last step is the cross-entropy of the decoder N(x̂₀, V/m²), from levels by recursion.
///
/// Ledger B14.
///
/// # Errors
/// The mismatch found.
pub fn decoder_cost_is_cross_entropy(
    cost: impl Fn(Level, f64) -> f64,
    schedule: &Schedule,
    t: Timestep,
    error: f64,
) -> Outcome {
    let (m, v) = levels(&schedule.betas().as_slice()[..t.get()]);
    let var = v / (m * m);
    let want = 0.5 * ((2.0 * PI * var).ln() + error / var);
    let got = cost(schedule.level(t), error);
    let scale = 2.0 + var.ln().abs() + error / var;
    let tol = Tol::abs((8.0 + 2.0 * t.get() as f64) * f64::EPSILON * scale, "2t + 8 roundings of the terms");
    let mut trial = Trial::new();
    trial.close("cost of the last step", got, want, tol, || format!("t = {}", t.get()))?;
    Ok(trial.evidence())
}

/// What a refinement saves equals the difference of two whole paths' costs and has the sign of the errors' difference.
///
/// Method: path sums with the costs given. Needs a ≥ 1. Ledger B14.
///
/// # Errors
/// The mismatch found.
pub fn gain_is_difference_of_paths(
    gain: impl Fn(Level, Level, f64, f64) -> f64,
    costs: &StepCosts,
    schedule: &Schedule,
    error: impl Fn(Timestep) -> f64,
    [a, b, t]: [Timestep; 3],
) -> Outcome {
    let got = gain(schedule.level(a), schedule.level(b), error(b), error(t));
    let terms = [costs.cost(a, t), costs.cost(a, b), costs.cost(b, t)];
    let want = terms[0] - terms[1] - terms[2];
    let scale = terms.iter().sum::<f64>();
    let tol = Tol::abs(16.0 * f64::EPSILON * scale, "three costs are subtracted");
    let mut trial = Trial::new();
    let place = || format!("a = {}, b = {}, t = {}", a.get(), b.get(), t.get());
    trial.close("saved", got, want, tol, place)?;
    let helps = |yes: bool| if yes { 1.0 } else { 0.0 };
    trial.close("helps", helps(got >= 0.0), helps(error(b) <= error(t)), Tol::exact(), place)?;
    Ok(trial.evidence())
}

fn levels(betas: &[f64]) -> (f64, f64) {
    let Marginal { coefficient, var } = Marginal::through(betas);
    (coefficient, var)
}
