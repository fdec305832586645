//! Claims on maximum likelihood.

use ndarray::Array1;

use super::{CHAPTER, View};
use crate::check::vae as check;
use crate::check::{Outcome, Run, Tol, log_uniform, uniform};
use crate::error::Result;
use crate::check::vae::faults as fault;
use crate::posterior::{Component, Moments};
use crate::vae::{cross_entropy, gaussian_mle, mean_log_likelihood, negative_log_likelihood};
use crate::check::{Claim, Method, Row};

pub(super) fn claims() -> Vec<Claim> {
    vec![estimate(), surprise(), cross()]
}

fn estimate() -> Claim {
    let method = Method::Numerical("golden-section search");
    let sentence = "the likelihood of a Gaussian is highest at the data's mean and their variance with divisor n";
    Claim::legacy("likelihood_is_highest_at_the_sample_moments", CHAPTER, sentence, method, |run| {
        estimates(run, gaussian_mle)
    })
    .row("S0.20", || {
        let data = numbers(0.21);
        let nll = |log_var: f64| {
            let (var, n) = (f64::exp(log_var), data.len() as f64);
            let mean = data.sum() / n;
            data.iter().map(|x| log_var + (x - mean).powi(2) / var).sum::<f64>() / n
        };
        let want = check::golden_minimum(nll, -12.0, 8.0).exp();
        let got = gaussian_mle(data.view()).map_or(f64::NAN, |m| m.var);
        Row { got, want, tol: Tol::rel(1e-6, "a minimum is found to the root of the rounding") }
    })
    .fault(fault::VARIANCE_WITH_N_MINUS_ONE, |run| estimates(run, fault::variance_with_n_minus_one))
    .fault(fault::STD_ESTIMATE_FOR_VARIANCE, |run| estimates(run, fault::std_estimate_for_variance))
    .fault(fault::SECOND_MOMENT_FOR_VARIANCE, |run| estimates(run, fault::second_moment_for_variance))
}

fn surprise() -> Claim {
    let method = Method::Numerical("golden-section search; growth without bound");
    let sentence =
        "training minimises the negative log likelihood, which has a minimum at the data's moments and no maximum";
    Claim::legacy("nll_has_a_minimum_and_no_maximum", CHAPTER, sentence, method, |run| {
        surprises(run, negative_log_likelihood)
    })
    .row("S0.26", || {
        let data = numbers(0.63);
        let nll = |m: f64| negative_log_likelihood(data.view(), Moments { mean: m, var: 1.0 }).unwrap_or(f64::NAN);
        let want = data.sum() / data.len() as f64;
        Row { got: check::golden_minimum(nll, -20.0, 20.0), want, tol: Tol::abs(1e-6, "root of the rounding") }
    })
    .row("S3.12", || {
        let data = numbers(0.84);
        let likelihood = |m: f64| mean_log_likelihood(data.view(), Moments { mean: m, var: 0.7 }).unwrap_or(f64::NAN);
        let want = data.sum() / data.len() as f64;
        let got = check::golden_minimum(|m| -likelihood(m), -20.0, 20.0);
        Row { got, want, tol: Tol::abs(1e-6, "root of the rounding") }
    })
    .fault(fault::LIKELIHOOD_MINIMISED, |run| surprises(run, fault::likelihood_minimised))
    .fault(fault::LOG_VARIANCE_WITHOUT_HALF, |run| surprises(run, fault::log_variance_without_half))
    .fault(fault::TWO_PI_FORGOTTEN, |run| surprises(run, fault::two_pi_forgotten))
}

fn cross() -> Claim {
    let method = Method::Numerical("trapezoidal rule on the density of a mixture");
    let sentence = "cross-entropy is the data's entropy plus their divergence from the model";
    Claim::legacy("cross_entropy_is_entropy_plus_divergence", CHAPTER, sentence, method, |run| {
        crosses(run, cross_entropy)
    })
    .row("S3.05", || {
        let model = Moments { mean: 0.2, var: 1.4 };
        let (entropy, divergence, data) = check::surprise(&mixture(), model);
        Row { got: cross_entropy(data, model), want: entropy + divergence, tol: Tol::abs(1e-12, "a thousand terms") }
    })
    .fault(fault::DATA_SPREAD_FORGOTTEN, |run| crosses(run, fault::data_spread_forgotten))
    .fault(fault::CROSS_ENTROPY_REVERSED, |run| crosses(run, fault::cross_entropy_reversed))
    .fault(fault::ENTROPY_OF_THE_MODEL, |run| crosses(run, fault::entropy_of_the_model))
}

fn mixture() -> [Component; 2] {
    let part = |weight, mean, std: f64| Component { weight, moments: Moments { mean, var: std * std } };
    [part(0.3, -1.5, 0.3), part(0.7, 1.0, 0.5)]
}

/// Sixty numbers around 0.6.
fn numbers(seed: f64) -> Array1<f64> {
    Array1::from_shape_fn(60, |i| 0.6 + 2.5 * ((seed + 0.618_034 * i as f64).fract() - 0.5) * (1.0 + seed))
}

fn estimates(run: &Run, f: fn(View<'_>) -> Result<Moments>) -> Outcome {
    run.over(|[u]| check::likelihood_is_highest_at(f, numbers(u).view()))
}

fn surprises(run: &Run, f: fn(View<'_>, Moments) -> Result<f64>) -> Outcome {
    run.over(|[u]| check::nll_is_lowest_at(f, numbers(u).view()))
}

fn crosses(run: &Run, f: fn(Moments, Moments) -> f64) -> Outcome {
    run.over(|[a, b]| {
        let model = Moments { mean: uniform(a, -2.0, 2.0), var: log_uniform(b, 0.2, 5.0) };
        check::cross_entropy_is_entropy_plus_divergence(f, &mixture(), model)
    })
}
