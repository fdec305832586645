//! Known wrong formulas of optimal trajectories.

use crate::check::{Erratum, Severity, wrong};
use crate::error::Result;
use crate::schedule::{Level, Timestep};
use crate::trajectory::{StepCosts, Trajectory, decoder_cost, refinement_gain, step_cost};

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[Erratum {
    id: "E1.9",
    severity: Severity::Wording,
    rows: &["S1.70"],
    printed: "dynamic programming over times is credited to the paper that differentiates through sample quality",
    correct: "it is Watson, Ho, Norouzi & Chan 2021, \"Learning to Efficiently Sample from Diffusion Probabilistic Models\"",
    numbers: &[],
}];

wrong! {
    /// Wrong searches for the cheapest path of so many steps.
    pub SEARCHES: fn(&StepCosts, usize) -> Result<Trajectory>;

    slip greedy_path:
        "times are inserted one by one where they save most; dynamic programming looks at whole paths" =>
        greedy_path;
    slip equal_stride_path: "equally spaced times are taken for the optimal ones" =>
        |costs, count| path(costs, (1..=count).rev().map(|k| k * costs.steps() / count).collect());
    slip one_step_too_few: "the step to the data is not counted, so the path has one step too many or too few" =>
        |costs, count| costs.best(count.max(2) - 1);
    slip at_most_k_steps: "the cheapest path with at most K steps is returned; the budget is exactly K" =>
        |costs, count| {
            (1..count).try_fold(costs.best(count)?, |best, k| {
                let other = costs.best(k)?;
                Ok(if other.cost < best.cost { other } else { best })
            })
        };
}

wrong! {
    /// Wrong costs of a step from level s to level t, and of the last step.
    pub COSTS: (fn(Level, Level, f64) -> f64, fn(Level, f64) -> f64);

    slip step_cost_without_half: "the cost of a step lacks its factor ½" =>
        (|s, t, error| 2.0 * step_cost(s, t, error), decoder_cost);
    slip step_cost_with_one_snr: "½ SNR_s stands for the difference ½ (SNR_s − SNR_t)" =>
        (|s, _, error| 0.5 * s.snr() * error, decoder_cost);
    slip decoder_precision_inverted: "the decoder's variance is SNR where 1/SNR was meant" =>
        (step_cost, |t, error| decoder_cost(t, error) + t.log_snr() + 0.5 * (1.0 / t.snr() - t.snr()) * error);
}

wrong! {
    /// Wrong savings of a refinement, from the levels a and b and the errors at b and t.
    pub GAINS: fn(Level, Level, f64, f64) -> f64;

    slip refinement_sign_flipped:
        "the errors at b and t are exchanged: a refinement is said to help where it hurts" =>
        |a, b, error_b, error_t| refinement_gain(a, b, error_t, error_b);
    slip refinement_always_helps:
        "more steps are taken to help always; they do only if the error falls with the noise" =>
        |a, b, error_b, error_t| refinement_gain(a, b, error_b, error_t).abs();
    slip step_cost_with_one_snr: "½ SNR_s stands for the difference ½ (SNR_s − SNR_t)" =>
        |a, _, error_b, error_t| 0.5 * a.snr() * (error_t - error_b);
}

fn path(costs: &StepCosts, times: Vec<usize>) -> Result<Trajectory> {
    let times: Vec<Timestep> = times.into_iter().map(Timestep::new).collect();
    let cost = costs.along(&times)?;
    Ok(Trajectory { times, cost })
}

fn greedy_path(costs: &StepCosts, count: usize) -> Result<Trajectory> {
    let mut times = vec![costs.steps()];
    while times.len() < count {
        let with = |t: usize| {
            let mut all = times.clone();
            all.push(t);
            all.sort_unstable_by(|a, b| b.cmp(a));
            path(costs, all)
        };
        let best = (1..costs.steps())
            .filter(|t| !times.contains(t))
            .filter_map(|t| with(t).ok())
            .min_by(|a, b| a.cost.total_cmp(&b.cost));
        times = best.map_or_else(Vec::new, |best| best.times.iter().map(|t| t.get()).collect());
    }
    path(costs, times)
}
