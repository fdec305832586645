//! Known wrong formulas of the chapter `trajectory`.

use crate::check::{Erratum, Fault, Origin, Severity};
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

fn path(costs: &StepCosts, times: Vec<usize>) -> Result<Trajectory> {
    let times: Vec<Timestep> = times.into_iter().map(Timestep::new).collect();
    let cost = costs.along(&times)?;
    Ok(Trajectory { times, cost })
}

/// The cheapest next step, again and again.
pub const GREEDY_PATH: Fault = Fault {
    name: "greedy_path",
    sentence: "times are inserted one by one where they save most; dynamic programming looks at whole paths",
    origin: Origin::Slip,
};

/// [`GREEDY_PATH`].
///
/// # Errors
/// As the search it imitates.
pub fn greedy_path(costs: &StepCosts, count: usize) -> Result<Trajectory> {
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

/// Equally spaced times.
pub const EQUAL_STRIDE_PATH: Fault = Fault {
    name: "equal_stride_path",
    sentence: "equally spaced times are taken for the optimal ones",
    origin: Origin::Slip,
};

/// [`EQUAL_STRIDE_PATH`].
///
/// # Errors
/// As the search it imitates.
pub fn equal_stride_path(costs: &StepCosts, count: usize) -> Result<Trajectory> {
    path(costs, (1..=count).rev().map(|k| k * costs.steps() / count).collect())
}

/// One step fewer than asked for.
pub const ONE_STEP_TOO_FEW: Fault = Fault {
    name: "one_step_too_few",
    sentence: "the step to the data is not counted, so the path has one step too many or too few",
    origin: Origin::Slip,
};

/// [`ONE_STEP_TOO_FEW`].
///
/// # Errors
/// As the search it imitates.
pub fn one_step_too_few(costs: &StepCosts, count: usize) -> Result<Trajectory> {
    costs.best(count.max(2) - 1)
}

/// At most K for exactly K.
pub const AT_MOST_K_STEPS: Fault = Fault {
    name: "at_most_k_steps",
    sentence: "the cheapest path with at most K steps is returned; the budget is exactly K",
    origin: Origin::Slip,
};

/// [`AT_MOST_K_STEPS`].
///
/// # Errors
/// As the search it imitates.
pub fn at_most_k_steps(costs: &StepCosts, count: usize) -> Result<Trajectory> {
    (1..count).try_fold(costs.best(count)?, |best, k| {
        let other = costs.best(k)?;
        Ok(if other.cost < best.cost { other } else { best })
    })
}

/// ½ forgotten.
pub const STEP_COST_WITHOUT_HALF: Fault =
    Fault {
        name: "step_cost_without_half", sentence: "the cost of a step lacks its factor ½", origin: Origin::Slip
    };

/// [`STEP_COST_WITHOUT_HALF`].
#[must_use]
pub fn step_cost_without_half(s: Level, t: Level, error: f64) -> f64 {
    2.0 * step_cost(s, t, error)
}

/// SNR of the earlier time alone.
pub const STEP_COST_WITH_ONE_SNR: Fault = Fault {
    name: "step_cost_with_one_snr",
    sentence: "½ SNR_s stands for the difference ½ (SNR_s − SNR_t)",
    origin: Origin::Slip,
};

/// [`STEP_COST_WITH_ONE_SNR`].
#[must_use]
pub fn step_cost_with_one_snr(s: Level, _t: Level, error: f64) -> f64 {
    0.5 * s.snr() * error
}

/// The other time's decoder variance.
pub const DECODER_PRECISION_INVERTED: Fault = Fault {
    name: "decoder_precision_inverted",
    sentence: "the decoder's variance is SNR where 1/SNR was meant",
    origin: Origin::Slip,
};

/// [`DECODER_PRECISION_INVERTED`].
#[must_use]
pub fn decoder_precision_inverted(t: Level, error: f64) -> f64 {
    decoder_cost(t, error) + t.log_snr() + 0.5 * (1.0 / t.snr() - t.snr()) * error
}

/// Errors exchanged.
pub const REFINEMENT_SIGN_FLIPPED: Fault = Fault {
    name: "refinement_sign_flipped",
    sentence: "the errors at b and t are exchanged: a refinement is said to help where it hurts",
    origin: Origin::Slip,
};

/// [`REFINEMENT_SIGN_FLIPPED`].
#[must_use]
pub fn refinement_sign_flipped(a: Level, b: Level, error_b: f64, error_t: f64) -> f64 {
    refinement_gain(a, b, error_t, error_b)
}

/// A refinement always helps.
pub const REFINEMENT_ALWAYS_HELPS: Fault = Fault {
    name: "refinement_always_helps",
    sentence: "more steps are taken to help always; they do only if the error falls with the noise",
    origin: Origin::Slip,
};

/// [`REFINEMENT_ALWAYS_HELPS`].
#[must_use]
pub fn refinement_always_helps(a: Level, b: Level, error_b: f64, error_t: f64) -> f64 {
    refinement_gain(a, b, error_b, error_t).abs()
}
