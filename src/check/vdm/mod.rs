//! Claims on the bound in terms of the signal-to-noise ratio.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use crate::exact::{Mixture1, Noising};
use crate::schedule::{Schedule, Timestep};

use super::score::slope;
use super::witness::{quadrature::gauss_legendre, simulate::Marginal};
use super::{Outcome, Tol, Trial};

// ANCHOR: step_cost
/// `f(schedule, t, error)` is the KL term of the bound at t ≥ 2 for squared error `error` in x₀.
///
/// Method: both posteriors in information form from the βs alone, the KL of two Gaussians of one variance.
/// Ledger B1.
///
/// # Errors
/// The mismatch found.
pub fn step_cost(
    f: impl Fn(&Schedule, Timestep, f64) -> f64,
    schedule: &Schedule,
    t: Timestep,
    error: f64,
) -> Outcome {
    let betas = &schedule.betas().as_slice()[..t.get()];
    let (&beta, earlier) = betas.split_last().unwrap_or((&1.0, &[]));
    let Marginal { coefficient: m, var: v } = Marginal::through(earlier);
    let precision = (1.0 - beta) / beta + 1.0 / v;
    let shift = m / v / precision;
    let want = 0.5 * precision * shift * shift * error;
    let rounding = (40.0 + 4.0 * betas.len() as f64) * f64::EPSILON;
    // SNR_s − SNR_t from its logarithms loses |λ| ε.
    let tol = Tol::rel(rounding + 64.0 * f64::EPSILON / beta, "4t roundings, and λ ε relative to a step of β");
    let mut trial = Trial::new();
    trial.close("KL term", f(schedule, t, error), want, tol, || format!("t = {}, error = {error:.3e}", t.get()))?;
    Ok(trial.evidence())
}
// ANCHOR_END: step_cost

/// `f(mmse)` is dI/dSNR. Method: differences of the mutual information of y = √snr x + z. Ledger B3.
///
/// # Errors
/// The mismatch found.
pub fn information_rate(f: impl Fn(f64) -> f64, data: &Mixture1, snr: f64) -> Outcome {
    let at = |snr: f64| Noising::new(snr.sqrt(), 1.0).unwrap_or(Noising::NONE);
    let rise = slope(|log| data.mutual_information(at(log.exp())), snr.ln()) / snr;
    let mut trial = Trial::new();
    let tol = Tol::new(1e-11, 1e-11, "extrapolated differences of entropies");
    trial.close("dI/dsnr", f(data.mmse(at(snr))), rise, tol, || format!("snr = {snr:.4}"))?;
    Ok(trial.evidence())
}

/// The continuous bound `∫₀¹ rate(λ, mmse) (−dλ/du) du` along λ = `path(u)`, by the 96-point Gauss–Legendre rule.
///
/// The slope of the path is taken by extrapolated differences. Accuracy: 1e-12 for paths that are polynomials and
/// end points within a dozen of 0.
#[must_use]
pub fn continuous_bound(rate: impl Fn(f64, f64) -> f64, path: impl Fn(f64) -> f64, data: &Mixture1) -> f64 {
    let rule = gauss_legendre(96, 0.0, 1.0).unwrap_or_else(|error| unreachable!("a rule of valid size: {error}"));
    rule.sum(|u| {
        let log_snr = path(u);
        let level = Noising::from_log_snr(log_snr).unwrap_or(Noising::NONE);
        -rate(log_snr, data.mmse(level)) * slope(&path, u)
    })
}

/// Two paths between the same end points give one bound: the information that noise takes away, I(high) − I(low).
///
/// Method: mutual information of the end points by averages over the mixture. Ledger S1.67, B27.
///
/// # Errors
/// The mismatch found.
pub fn schedule_invariance(
    rate: impl Fn(f64, f64) -> f64,
    paths: [&dyn Fn(f64) -> f64; 2],
    data: &Mixture1,
) -> Outcome {
    let information = |log_snr: f64| {
        let level = Noising::from_log_snr(log_snr).unwrap_or(Noising::NONE);
        data.mutual_information(level)
    };
    let want = information(paths[0](0.0)) - information(paths[0](1.0));
    let tol = Tol::abs(1e-12, "differences of the path, quadrature");
    let mut trial = Trial::new();
    for (k, path) in paths.iter().enumerate() {
        let got = continuous_bound(&rate, path, data);
        trial.close("continuous bound", got, want, tol, || format!("path {k}"))?;
    }
    Ok(trial.evidence())
}

/// The discrete bound with the optimal denoiser, minus the entropy it tends to: T steps uniform in log-SNR.
///
/// `cost(s, t, error)` is one term. The decoder is the exact p(x₀ | z₀), the prior term is exact. Ledger B2.
#[must_use]
pub fn discrete_gap(cost: impl Fn(f64, f64, f64) -> f64, data: &Mixture1, high: f64, low: f64, steps: u32) -> f64 {
    let log_snr = |k: u32| high + (low - high) * f64::from(k) / f64::from(steps);
    let level = |log_snr: f64| Noising::from_log_snr(log_snr).unwrap_or(Noising::NONE);
    let terms: f64 = (1..=steps)
        .map(|k| {
            let (s, t) = (log_snr(k - 1), log_snr(k));
            cost(s, t, data.mmse(level(t)))
        })
        .sum();
    // h(x₀ | z₀) = h(x₀) − I(x₀; z₀); the prior costs E KL(q(z_T | x₀) ‖ N(0, 1)).
    let last = level(log_snr(steps));
    let second_moment = data.var() + data.mean().powi(2);
    let kept = last.signal().powi(2);
    let prior = 0.5 * (kept * second_moment + last.noise_var() - 1.0 - last.noise_var().ln());
    prior + terms - data.mutual_information(level(log_snr(0)))
}
