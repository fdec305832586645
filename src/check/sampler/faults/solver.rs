//! Known wrong higher-order solvers.

use super::edited;
use crate::check::{Fault, Origin};
use crate::error::Result;
use crate::plan::{Clip, DpmSolver, DpmSolverPlusPlus2M, Grid, Heun, Order, Plan, Prediction, Term};

const DPM: DpmSolver = DpmSolver { prediction: Prediction::Epsilon, clip: Clip::None, order: Order::First };

/// Log-SNR for half of it.
pub const LOG_SNR_FOR_HALF: Fault = Fault {
    name: "log_snr_for_half",
    sentence: "h is a difference of ln SNR where λ = ½ ln SNR was meant",
    origin: Origin::Slip,
};

/// [`LOG_SNR_FOR_HALF`].
///
/// # Errors
/// As the sampler it imitates.
pub fn log_snr_for_half(grid: &Grid) -> Result<Plan> {
    let nodes = grid.nodes();
    edited(DPM.plan(grid), |k, step| {
        let h = nodes[k + 1].level.log_snr() - nodes[k].level.log_snr();
        step.out = -nodes[k + 1].level.noise_std() * h.exp_m1();
    })
}

/// The slope at the start kept in DPM-Solver-2.
pub const MIDPOINT_SLOPE_NOT_USED: Fault = Fault {
    name: "midpoint_slope_not_used",
    sentence: "DPM-Solver-2 takes half of ε at the start and half at the middle; the middle alone is right",
    origin: Origin::Slip,
};

/// [`MIDPOINT_SLOPE_NOT_USED`].
///
/// # Errors
/// As the sampler it imitates.
pub fn midpoint_slope_not_used(grid: &Grid) -> Result<Plan> {
    edited(DpmSolver { order: Order::Second, ..DPM }.plan(grid), |k, step| {
        if k % 2 == 1 {
            let half = 0.5 * step.out;
            step.out = half;
            step.registers.push(Term { register: 1, factor: half });
        }
    })
}

/// r₂ forgotten.
pub const DIVIDED_DIFFERENCE_NOT_SCALED: Fault = Fault {
    name: "divided_difference_not_scaled",
    sentence: "DPM-Solver-3 forgets to divide the last difference of ε by r₂ = ⅔",
    origin: Origin::Slip,
};

/// [`DIVIDED_DIFFERENCE_NOT_SCALED`].
///
/// # Errors
/// As the sampler it imitates.
pub fn divided_difference_not_scaled(grid: &Grid) -> Result<Plan> {
    edited(DpmSolver { order: Order::Third, ..DPM }.plan(grid), |k, step| {
        if k % 3 == 2 {
            let removed = step.out / 3.0;
            step.out -= removed;
            if let Some(term) = step.registers.iter_mut().find(|term| term.register == 1) {
                term.factor += removed;
            }
        }
    })
}

/// Heun's average left out.
pub const CORRECTOR_ALONE: Fault = Fault {
    name: "corrector_alone",
    sentence: "Heun's step uses the slope at the end alone; the average of both ends is right",
    origin: Origin::Slip,
};

/// [`CORRECTOR_ALONE`].
///
/// # Errors
/// As the sampler it imitates.
pub fn corrector_alone(grid: &Grid) -> Result<Plan> {
    edited(Heun { prediction: Prediction::Epsilon, clip: Clip::None }.plan(grid), |k, step| {
        if k % 2 == 1 {
            step.out *= 2.0;
            step.registers.retain(|term| term.register != 1);
        }
    })
}

/// The state not scaled for the network.
pub const INPUT_NOT_SCALED: Fault = Fault {
    name: "input_not_scaled",
    sentence: "the network sees x/√ᾱ; its input must be scaled back by √ᾱ",
    origin: Origin::Slip,
};

/// [`INPUT_NOT_SCALED`].
///
/// # Errors
/// As the sampler it imitates.
pub fn input_not_scaled(grid: &Grid) -> Result<Plan> {
    edited(Heun { prediction: Prediction::Epsilon, clip: Clip::None }.plan(grid), |_, step| step.input_scale = 1.0)
}

/// h'/h the wrong way up.
pub const STEP_RATIO_INVERTED: Fault = Fault {
    name: "step_ratio_inverted",
    sentence: "DPM-Solver++ 2M extrapolates with h'/h where h/h' belongs; equal steps hide it",
    origin: Origin::Slip,
};

/// [`STEP_RATIO_INVERTED`].
///
/// # Errors
/// As the sampler it imitates.
pub fn step_ratio_inverted(grid: &Grid) -> Result<Plan> {
    let nodes = grid.nodes();
    let width = |k: usize| nodes[k + 1].level.log_snr() - nodes[k].level.log_snr();
    let sampler = DpmSolverPlusPlus2M { prediction: Prediction::X0, clip: Clip::None };
    edited(sampler.plan(grid), |k, step| {
        if k > 0 {
            let full = step.x0 + step.registers.iter().map(|term| term.factor).sum::<f64>();
            let half = 0.5 * width(k - 1) / width(k);
            step.x0 = full * (1.0 + half);
            step.registers.iter_mut().for_each(|term| term.factor = -full * half);
        }
    })
}
