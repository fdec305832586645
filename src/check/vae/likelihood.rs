//! Claims on maximum likelihood.

use std::f64::consts::TAU;

use ndarray::Array1;

use super::{View, accepted, faults};
use crate::check::evidence::{law, short};
use crate::check::{Check, Method, Outcome, Run, Tol, Trial, log_uniform, uniform};
use crate::error::Result;
use crate::posterior::{Component, Moments};

/// Sixty numbers around 0.6.
pub(super) fn numbers(seed: f64) -> Array1<f64> {
    Array1::from_shape_fn(60, |i| 0.6 + 2.5 * ((seed + 0.618_034 * i as f64).fract() - 0.5) * (1.0 + seed))
}

/// The maximum of the likelihood is where a search finds it, and the negative log likelihood is higher everywhere else.
///
/// ```text
/// f(x₁, …, x_n) = argmax Σ ln N(x_i; mean, var)
/// ```
///
/// Method: golden-section search on mean and ln var of the summed log densities. Source: Fisher 1922, "On the
/// mathematical foundations of theoretical statistics"; Bishop 2006, eqs. (1.55), (1.56).
///
/// ```
/// use alphabar::{check, vae::gaussian_mle};
///
/// check::vae::likelihood_is_highest_at(gaussian_mle).assert();
/// ```
pub fn likelihood_is_highest_at<'f>(f: impl Fn(View<'_>) -> Result<Moments> + 'f) -> Check<'f> {
    let method = Method::Numerical("golden-section search");
    let sentence = "the likelihood of a Gaussian is highest at the data's mean and their variance with divisor n";
    Check::new("likelihood_is_highest_at_the_sample_moments", sentence, method, move |run| estimates(run, &f))
        .rejects(faults::ESTIMATES, estimates)
}

fn estimates(run: &Run, f: impl Fn(View<'_>) -> Result<Moments>) -> Outcome {
    run.over(|[u]| highest(&f, numbers(u).view()))
}

fn highest(f: impl Fn(View<'_>) -> Result<Moments>, data: View<'_>) -> Outcome {
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
/// ```text
/// f(x₁, …, x_n, model) = −(1/n) Σ ln N(x_i; model)
/// ```
///
/// Method: golden-section search on `f` against sums over the data; growth without bound. Source: Bishop 2006, "Pattern
/// recognition and machine learning", eq. (1.54), negated.
///
/// ```
/// use alphabar::{check, vae::negative_log_likelihood};
///
/// check::vae::nll_is_lowest_at(negative_log_likelihood).assert();
/// ```
pub fn nll_is_lowest_at<'f>(f: impl Fn(View<'_>, Moments) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::Numerical("golden-section search; growth without bound");
    let sentence =
        "training minimises the negative log likelihood, which has a minimum at the data's moments and no maximum";
    Check::new("nll_has_a_minimum_and_no_maximum", sentence, method, move |run| losses(run, &f))
        .rejects(faults::LOSSES, losses)
}

fn losses(run: &Run, f: impl Fn(View<'_>, Moments) -> Result<f64>) -> Outcome {
    run.over(|[u]| lowest(&f, numbers(u).view()))
}

fn lowest(f: impl Fn(View<'_>, Moments) -> Result<f64>, data: View<'_>) -> Outcome {
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
fn mean_surprise(data: View<'_>, mean: f64, var: f64) -> f64 {
    data.iter().map(|x| 0.5 * ((TAU * var).ln() + (x - mean) * (x - mean) / var)).sum::<f64>() / data.len() as f64
}

/// −E ln p = H(data) + KL(data ‖ p) for data that are not Gaussian.
///
/// ```text
/// f(data, model) = ½ ln 2πσ² + (v + (m − μ)²)/2σ²        data of mean m and variance v, model N(μ, σ²)
/// ```
///
/// `f` is given mean and variance of a mixture. Method: both parts by the trapezoidal rule on the mixture's density.
/// Source: Cover & Thomas 2006, "Elements of information theory", theorem 5.4.3 (its two parts).
///
/// ```
/// use alphabar::{check, vae::cross_entropy};
///
/// check::vae::cross_entropy_is_entropy_plus_divergence(cross_entropy).assert();
/// ```
pub fn cross_entropy_is_entropy_plus_divergence<'f>(f: impl Fn(Moments, Moments) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("trapezoidal rule on the density of a mixture");
    let sentence = "cross-entropy is the data's entropy plus their divergence from the model";
    Check::new("cross_entropy_is_entropy_plus_divergence", sentence, method, move |run| crosses(run, &f))
        .rejects(faults::CROSS_ENTROPIES, crosses)
}

fn crosses(run: &Run, f: impl Fn(Moments, Moments) -> f64) -> Outcome {
    run.over(|[a, b]| {
        let model = Moments { mean: uniform(a, -2.0, 2.0), var: log_uniform(b, 0.2, 5.0) };
        let (entropy, divergence, moments) = surprise(&mixture(), model);
        let got = f(moments, model);
        let size = 10.0 + (moments.var + (moments.mean - model.mean).powi(2)) / model.var;
        let tol = Tol::abs(1e-13 * size, "a thousand terms of a sum");
        let mut trial = Trial::new();
        let place = || format!("model {}", law(model));
        trial.close("cross-entropy", got, entropy + divergence, tol, place)?;
        trial.at_most("entropy against cross-entropy", entropy, got, tol, place)?;
        Ok(trial.evidence())
    })
}

pub(super) fn mixture() -> [Component; 2] {
    let part = |weight, mean, std: f64| Component { weight, moments: Moments { mean, var: std * std } };
    [part(0.3, -1.5, 0.3), part(0.7, 1.0, 0.5)]
}

/// Entropy of a mixture, its divergence from a Gaussian, its mean and variance.
pub(super) fn surprise(mixture: &[Component], model: Moments) -> (f64, f64, Moments) {
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
pub(super) fn golden_minimum(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
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
