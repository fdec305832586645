//! Claims on one linear Gaussian kernel and on two in a row.

use std::f64::consts::TAU;

use super::{channel, normal, trapezoid};
use crate::check::evidence::{law, short};
use crate::check::schedule::log_alpha_bars;
use crate::check::{Outcome, Tol, Trial};
use crate::forward::Kernel;
use crate::posterior::Moments;
use crate::schedule::{Schedule, Timestep, Transition};

const EPS: f64 = f64::EPSILON;

// ANCHOR: marginal
/// q(x_t | x_0) has the scale and variance that single steps accumulate.
///
/// ```text
/// m ← √(1 − β) m        v ← (1 − β) v + β
/// ```
///
/// Method: recursion on the βs, one step at a time. Ledger S0.17, S0.18, S1.27, S1.28, S1.55, S2.09, S2.20, S3.27,
/// S3.30, S3.33, S3.61.
///
/// # Errors
/// The mismatch found.
pub fn marginal(f: impl Fn(&Schedule, Timestep) -> Kernel, schedule: &Schedule) -> Outcome {
    let (mut scale, mut var) = (1.0, 0.0);
    let mut trial = Trial::new();
    for (t, &beta) in schedule.timesteps().zip(schedule.betas().as_slice()) {
        scale *= f64::sqrt(1.0 - beta);
        var = (1.0 - beta) * var + beta;
        let got = f(schedule, t);
        let place = || format!("t = {}", t.get());
        let tol = Tol::roundings(t.get() as f64 + 1.0, 1.0, "1 + t roundings of the recursion");
        trial.close("scale", got.scale, scale, tol, place)?;
        trial.close("variance", got.var, var, tol, place)?;
    }
    Ok(trial.evidence())
}
// ANCHOR_END: marginal

/// Where a claim on one step is tried: β_t, the kernel made from it, a state and a noise.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    beta: f64,
    transition: Transition,
    x: f64,
    noise: f64,
}

impl Step {
    /// The step t − 1 → t of a schedule from the state x with the noise ε.
    ///
    /// # Panics
    /// If t is not one of 1 … T.
    #[must_use]
    pub fn new(schedule: &Schedule, t: Timestep, x: f64, noise: f64) -> Self {
        Self { beta: schedule.beta(t), transition: schedule.step(t), x, noise }
    }
}

/// The drawn y and its density belong to one kernel: `√(1 − β) x + √β ε`.
///
/// Method: the density of an affine map by change of variables, `ln φ(ε) − ln |∂y/∂ε|`, the slope by a central
/// difference of `draw` (exact for a linear map); the factors of the map are read off it. Ledger S0.04, S0.07,
/// S0.09, S1.21, S2.04, S2.07, S2.08, S3.06.
///
/// # Errors
/// The mismatch found.
pub fn step_law(
    draw: impl Fn(&Transition, f64, f64) -> f64,
    log_density: impl Fn(&Transition, f64, f64) -> f64,
    at: &Step,
) -> Outcome {
    let Step { beta, transition, x, noise } = at;
    let place = || format!("beta = {}, x = {}, noise = {}", short(*beta), short(*x), short(*noise));
    let y = draw(transition, *x, *noise);
    let slope = 0.5 * (draw(transition, 0.0, 1.0) - draw(transition, 0.0, -1.0));
    let mut trial = Trial::new();
    let tol = Tol::roundings(2.0, 1.0, "4 roundings");
    trial.close("squared scale", draw(transition, 1.0, 0.0).powi(2), 1.0 - beta, tol, place)?;
    trial.close("squared noise factor", slope * slope, *beta, tol, place)?;
    let sum = draw(transition, *x, 0.0) + draw(transition, 0.0, *noise);
    let tol = Tol::abs(2.0 * EPS * (x.abs() + noise.abs()), "2 roundings of each term");
    trial.close("linearity", y, sum, tol, place)?;
    let want = -0.5 * (noise * noise + TAU.ln()) - slope.abs().ln();
    let lost = y.abs() * noise.abs() / slope.abs();
    let tol =
        Tol::abs(4.0 * EPS * (2.0 + lost + noise * noise + slope.ln().abs()), "y − scale·x cancels to noise·√β");
    trial.close("log density", log_density(transition, y, *x), want, tol, place)?;
    Ok(trial.evidence())
}

// ANCHOR: composition
/// Two kernels in a row are one: `∫ N(y; b z, w) N(z; a x, v) dz`.
///
/// Method: Chapman–Kolmogorov by the trapezoidal rule on the product of the two densities. `f(first, second)`; both
/// with variance above 0. Ledger S0.13, S0.15, S0.16, S1.26.
///
/// # Errors
/// The mismatch found.
pub fn composition(f: impl Fn(Kernel, Kernel) -> Kernel, first: Kernel, second: Kernel, x: f64) -> Outcome {
    let got = f(first, second);
    let (mean, std) = (first.scale * x, first.var.sqrt());
    let narrow = std.min(second.var.sqrt() / second.scale.abs());
    let mut trial = Trial::new();
    for offset in [-2.5, -0.75, 0.0, 1.5, 3.0] {
        let y = second.scale * mean + offset * (second.scale * std).hypot(second.var.sqrt());
        let product = |z: f64| normal(y, second.scale * z, second.var) * normal(z, mean, first.var);
        let want = trapezoid(product, mean - 10.0 * std, mean + 10.0 * std, 0.5 * narrow);
        let density = normal(y, got.scale * x, got.var);
        let place = || format!("{} then {}, x = {}, y = {}", channel(first), channel(second), short(x), short(y));
        let lost = (second.scale * mean).abs() / second.var.sqrt();
        let peak = 1.0 / (TAU * (second.scale * std).hypot(second.var.sqrt()).powi(2)).sqrt();
        let tol = Tol::abs(16.0 * EPS * peak * (2.0 + lost), "16 roundings of the densities, shifts cancelled");
        trial.close("density", density, want, tol, place)?;
    }
    Ok(trial.evidence())
}
// ANCHOR_END: composition

/// Mean and variance of y when x is random.
///
/// Method: enumeration; x takes the two values m ± s, the noise the three nodes 0, ±√3 that share the first five
/// moments of a standard normal. Ledger S1.17, S1.18.
///
/// # Errors
/// The mismatch found.
pub fn push(f: impl Fn(Kernel, Moments) -> Moments, kernel: Kernel, x: Moments) -> Outcome {
    let noises = [(-(3f64.sqrt()), 1.0 / 6.0), (0.0, 2.0 / 3.0), (3f64.sqrt(), 1.0 / 6.0)];
    let states = [x.mean - x.var.sqrt(), x.mean + x.var.sqrt()];
    let outcomes: Vec<(f64, f64)> = states
        .iter()
        .flat_map(|state| noises.map(|(z, weight)| (kernel.scale * state + kernel.var.sqrt() * z, 0.5 * weight)))
        .collect();
    let mean: f64 = outcomes.iter().map(|(y, weight)| weight * y).sum();
    let var: f64 = outcomes.iter().map(|(y, weight)| weight * (y - mean).powi(2)).sum();
    let got = f(kernel, x);
    let size = (kernel.scale * (x.mean.abs() + x.var.sqrt())).abs() + kernel.var.sqrt();
    let place = || format!("{}, x ~ {}", channel(kernel), law(x));
    let mut trial = Trial::new();
    let reason = "8 roundings of the enumerated values";
    trial.close("mean", got.mean, mean, Tol::abs(4.0 * EPS * size, reason), place)?;
    trial.close("variance", got.var, var, Tol::abs(8.0 * EPS * size * size, reason), place)?;
    Ok(trial.evidence())
}

/// Along a chain the variance goes to 1 and stays there: `v_t − 1 = ᾱ_t (v_0 − 1)`.
///
/// Method: `push` iterated over the steps of a schedule against `v_0 e^L − expm1(L)`, L a sum of logarithms. Ledger S1.19, S2.05.
///
/// # Errors
/// The mismatch found.
pub fn unit_variance(f: impl Fn(Kernel, Moments) -> Moments, schedule: &Schedule, data_var: f64) -> Outcome {
    let logs = log_alpha_bars(schedule.betas().as_slice());
    let mut state = Moments { mean: 0.0, var: data_var };
    let mut trial = Trial::new();
    for ((t, step), log) in schedule.steps().zip(&logs[1..]) {
        state = f(Kernel { scale: step.alpha().sqrt(), var: step.beta() }, state);
        let want = data_var * log.exp() - log.exp_m1();
        let tol = Tol::roundings(4.0 + 2.0 * t.get() as f64, 1.0, "4 + 2t roundings of the chain");
        trial.close("variance", state.var, want, tol, || format!("v0 = {data_var}, t = {}", t.get()))?;
    }
    Ok(trial.evidence())
}
