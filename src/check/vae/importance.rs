//! Claims on importance-weighted bounds from drawn weights.

use std::f64::consts::TAU;

use ndarray::Array1;
use ndarray_rand::rand::rngs::SmallRng;
use ndarray_rand::rand::{Rng, SeedableRng};
use ndarray_rand::rand_distr::StandardNormal;

use super::hierarchy::{mean_log_weight, path_log_density};
use super::{View, faults};
use crate::check::{Check, Method, Outcome, Run, Tol, Trial};
use crate::error::Result;
use crate::schedule::{Betas, Schedule};
use crate::vae::{Hierarchy, Kernel};

/// The toy chain: β = (0.1, 0.3, 0.5), decoders with A = (.9, .8, .7), B = (.05, −.1, .2), V = (.05, .6, .2).
pub(super) fn toy() -> Hierarchy {
    let kernel = |slope, offset, var| Kernel { slope, offset, var };
    let decoders = vec![kernel(0.9, 0.05, 0.05), kernel(0.8, -0.1, 0.6), kernel(0.7, 0.2, 0.2)];
    let betas = Betas::new(vec![0.1, 0.3, 0.5]).expect("inside (0, 1)");
    Hierarchy::diffusion(decoders, &Schedule::new(betas)).expect("three kernels each")
}

/// 100 000 log weights ln p(x, z) − ln q(z | x) of the toy chain at x = 0.8, z drawn from q.
pub(super) fn drawn_log_weights(seed: u64) -> Array1<f64> {
    let mut random = SmallRng::seed_from_u64(seed ^ 0x22);
    let toy = toy();
    let mut draw = || {
        let (mut below, mut log_q) = (0.8, 0.0);
        let draw_level = |kernel: &Kernel| {
            let noise: f64 = random.sample(StandardNormal);
            below = kernel.slope * below + kernel.offset + kernel.var.sqrt() * noise;
            log_q -= 0.5 * ((TAU * kernel.var).ln() + noise * noise);
            below
        };
        let path: Array1<f64> = toy.encoders().iter().map(draw_level).collect();
        path_log_density(&toy, 0.8, &path).0 - log_q
    };
    (0..100_000).map(|_| draw()).collect()
}

/// Bounds over batches of growing size start at the ELBO, rise, stay below ln p(x) and end where their bias says.
///
/// ```text
/// ELBO = E f(ln w₁) ≤ E f(ln w₁, …, ln w_k) ≤ ln p(x)        f = ln (1/k) Σ w_i
/// ```
///
/// The bias of the bound is −V/(2k) to first order in 1/k, V the variance of the weights over their squared mean. Method:
/// means over batches of 1, 10, 100 and 1000 of 100 000 independent draws of a chain of three levels, 5 standard errors.
/// Smallest effect seen: 0.02 nats, asserted for every size. Source: Burda et al. 2015, arXiv:1509.00519, theorem 1.
///
/// ```
/// use alphabar::{check, vae::importance_weighted_bound};
///
/// check::vae::weighted_bounds_rise(importance_weighted_bound).assert();
/// ```
pub fn weighted_bounds_rise<'f>(f: impl Fn(View<'_>) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::Statistics("Monte Carlo, 5 standard errors (6e-7 two-sided), effects of 0.02 nat seen");
    let sentence = "importance-weighted bounds rise with the number of samples from the ELBO to ln p(x)";
    Check::new("importance_weighted_bounds_rise_to_the_evidence", sentence, method, move |run| rises(run, &f))
        .rejects(faults::WEIGHTED, rises)
}

fn rises(run: &Run, f: impl Fn(View<'_>) -> Result<f64>) -> Outcome {
    const SIZES: [usize; 4] = [1, 10, 100, 1000];
    const EFFECT: f64 = 0.02;
    let log_weights = drawn_log_weights(run.seed);
    let (elbo, evidence) = (mean_log_weight(&toy(), 0.8).0, -1.133_762);
    let mut trial = Trial::new();
    let mut last = (elbo, 0.0);
    let reason = "5 standard errors of the mean over batches";
    for (index, k) in SIZES.into_iter().enumerate() {
        let place = || format!("k = {k}, {} draws", log_weights.len());
        let (mean, error) = mean_weighted_bound(&f, log_weights.view(), k);
        trial.at_most("smallest effect seen", 5.0 * error, EFFECT, Tol::exact(), place)?;
        if index == 0 {
            trial.close("bound of one sample", mean, elbo, Tol::abs(5.0 * error, reason), place)?;
        } else {
            let tol = Tol::abs(5.0 * f64::hypot(error, last.1), reason);
            trial.at_most("bound of fewer samples", last.0, mean, tol, place)?;
        }
        trial.at_most("bound against evidence", mean, evidence, Tol::abs(5.0 * error, reason), place)?;
        if index + 1 == SIZES.len() {
            let weight = |w: &f64| (w - evidence).exp();
            let n = log_weights.len() as f64;
            let first = log_weights.iter().map(weight).sum::<f64>() / n;
            let second = log_weights.iter().map(|w| weight(w).powi(2)).sum::<f64>() / n;
            let bias = 0.5 * (second - first * first) / k as f64;
            let tol = Tol::abs(5.0 * error + bias * 0.5, "5 standard errors, half of the bias for its higher orders");
            trial.close("bound of many samples", mean, evidence - bias, tol, place)?;
        }
        last = (mean, error);
    }
    Ok(trial.evidence())
}

/// Mean of the bound over batches of k, and its standard error.
pub(super) fn mean_weighted_bound(
    f: impl Fn(View<'_>) -> Result<f64>,
    log_weights: View<'_>,
    k: usize,
) -> (f64, f64) {
    let bounds: Vec<f64> = log_weights.exact_chunks(k).into_iter().map(|w| f(w).unwrap_or(f64::NAN)).collect();
    let n = bounds.len() as f64;
    let mean = bounds.iter().sum::<f64>() / n;
    let var = bounds.iter().map(|b| (b - mean) * (b - mean)).sum::<f64>() / (n - 1.0);
    (mean, (var / n).sqrt())
}
