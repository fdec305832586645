//! Claims on maximum likelihood.

use std::f64::consts::TAU;

use ndarray::ArrayView1;

use super::accepted;
use crate::check::evidence::{law, short};
use crate::check::{Outcome, Tol, Trial};
use crate::error::Result;
use crate::posterior::{Component, Moments};

/// The maximum of the likelihood is where a search finds it, and the negative log likelihood is higher everywhere else.
///
/// `f` gives the estimate. Method: golden-section search on mean and ln var of the summed log densities. Ledger S0.20,
/// S3.12.
///
/// # Errors
/// The mismatch found.
pub fn likelihood_is_highest_at(
    f: impl Fn(ArrayView1<'_, f64>) -> Result<Moments>,
    data: ArrayView1<'_, f64>,
) -> Outcome {
    let place = || format!("{} numbers from {}", data.len(), short(data[0]));
    let got = accepted(f(data), "estimate", &place)?;
    let nll = |mean: f64, log_var: f64| mean_surprise(data, mean, log_var.exp());
    let mean = golden_minimum(|m| nll(m, 0.0), -20.0, 20.0);
    let log_var = golden_minimum(|l| nll(mean, l), -12.0, 8.0);
    let tol = Tol::new(1e-6, 1e-6, "a minimum is found to the root of the rounding of what is minimised");
    let mut trial = Trial::new();
    trial.close("mean of the best Gaussian", got.mean, mean, tol, place)?;
    trial.close("variance of the best Gaussian", got.var, log_var.exp(), tol, place)?;
    Ok(trial.evidence())
}

/// What training minimises has its minimum at the sample mean and variance and no maximum.
///
/// `f(data, model)`. Method: golden-section search on `f` against sums over the data; growth without bound. Ledger S0.26,
/// S3.12.
///
/// # Errors
/// The mismatch found.
pub fn nll_is_lowest_at(
    f: impl Fn(ArrayView1<'_, f64>, Moments) -> Result<f64>,
    data: ArrayView1<'_, f64>,
) -> Outcome {
    let place = || format!("{} numbers from {}", data.len(), short(data[0]));
    let value = |mean: f64, var: f64| f(data, Moments { mean, var }).unwrap_or(f64::NAN);
    let n = data.len() as f64;
    let sample = data.iter().sum::<f64>() / n;
    let var = data.iter().map(|x| x * x).sum::<f64>() / n - sample * sample;
    let mut trial = Trial::new();
    let tol = Tol::abs(64.0 * f64::EPSILON * (n.sqrt() + 30.0), "rounding of a mean of squares");
    trial.close("value at (0, 1)", value(0.0, 1.0), mean_surprise(data, 0.0, 1.0), tol, place)?;
    let found = golden_minimum(|m| value(m, 1.0), -20.0, 20.0);
    let tol = Tol::new(1e-6, 1e-6, "a minimum is found to the root of the rounding of what is minimised");
    trial.close("argmin over means", found, sample, tol, place)?;
    let found = golden_minimum(|l| value(sample, l.exp()), -12.0, 8.0).exp();
    trial.close("argmin over variances", found, var, tol, place)?;
    let (near, far) = (value(sample + 10.0, 1.0), value(sample + 1e6, 1.0));
    trial.at_most("value at 10 against value at 1e6", near + 1e11, far, Tol::exact(), place)?;
    Ok(trial.evidence())
}

/// Mean of −ln N(x; mean, var) over data.
fn mean_surprise(data: ArrayView1<'_, f64>, mean: f64, var: f64) -> f64 {
    data.iter().map(|x| 0.5 * ((TAU * var).ln() + (x - mean) * (x - mean) / var)).sum::<f64>() / data.len() as f64
}

/// −E ln p = H(data) + KL(data ‖ p) for data that are not Gaussian.
///
/// `f(data, model)` is given mean and variance of a mixture. Method: both parts by the trapezoidal rule on the mixture's
/// density. Ledger S3.05.
///
/// # Errors
/// The mismatch found.
pub fn cross_entropy_is_entropy_plus_divergence(
    f: impl Fn(Moments, Moments) -> f64,
    mixture: &[Component],
    model: Moments,
) -> Outcome {
    let (entropy, divergence, moments) = surprise(mixture, model);
    let got = f(moments, model);
    let size = 10.0 + (moments.var + (moments.mean - model.mean).powi(2)) / model.var;
    let tol = Tol::abs(1e-13 * size, "a thousand terms of a sum");
    let mut trial = Trial::new();
    let place = || format!("model {}", law(model));
    trial.close("cross-entropy", got, entropy + divergence, tol, place)?;
    trial.at_most("entropy against cross-entropy", entropy, got, tol, place)?;
    Ok(trial.evidence())
}

/// Entropy of a mixture, its divergence from a Gaussian, its mean and variance.
pub(crate) fn surprise(mixture: &[Component], model: Moments) -> (f64, f64, Moments) {
    let normal = |law: Moments, x: f64| (-0.5 * (x - law.mean).powi(2) / law.var).exp() / (TAU * law.var).sqrt();
    let log_model = |x: f64| -0.5 * ((TAU * model.var).ln() + (x - model.mean).powi(2) / model.var);
    let step = 0.02;
    let (mut entropy, mut divergence, mut mean, mut second) = (0.0, 0.0, 0.0, 0.0);
    for k in -600..=600 {
        let x = step * f64::from(k);
        let p: f64 = mixture.iter().map(|c| c.weight * normal(c.moments, x)).sum();
        if p > 0.0 {
            entropy -= step * p * p.ln();
            divergence += step * p * (p.ln() - log_model(x));
            mean += step * p * x;
            second += step * p * x * x;
        }
    }
    (entropy, divergence, Moments { mean, var: second - mean * mean })
}

/// Where a function with one minimum in (low, high) has it, to the root of its rounding.
pub(crate) fn golden_minimum(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let ratio = 0.5 * (5f64.sqrt() - 1.0);
    let (mut low, mut high) = (low, high);
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_a, mut at_b) = (f(a), f(b));
    for _ in 0..70 {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = f(b);
        }
    }
    0.5 * (low + high)
}
