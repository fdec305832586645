//! Claims on importance-weighted bounds from drawn weights.

use ndarray::ArrayView1;

use crate::check::{Outcome, Tol, Trial};
use crate::error::Result;

/// Bounds over batches of growing size start at the ELBO, rise, stay below ln p(x) and end where their bias says.
///
/// `sizes` start with 1 and grow; the last must hold at least a hundred batches. The bias of the bound is −V/(2k) to
/// first order in 1/k, V the variance of the weights over their squared mean. Method: means over batches of independent
/// draws, 5 standard errors. Smallest effect seen: `effect` nats, asserted for every size. Ledger B22.
///
/// # Errors
/// The mismatch found.
pub fn weighted_bounds_rise(
    f: impl Fn(ArrayView1<'_, f64>) -> Result<f64>,
    log_weights: ArrayView1<'_, f64>,
    sizes: &[usize],
    elbo: f64,
    evidence: f64,
    effect: f64,
) -> Outcome {
    let mut trial = Trial::new();
    let mut last = (elbo, 0.0);
    let reason = "5 standard errors of the mean over batches";
    for (index, &k) in sizes.iter().enumerate() {
        let place = || format!("k = {k}, {} draws", log_weights.len());
        let (mean, error) = mean_weighted_bound(&f, log_weights, k);
        trial.at_most("smallest effect seen", 5.0 * error, effect, Tol::exact(), place)?;
        if index == 0 {
            trial.close("bound of one sample", mean, elbo, Tol::abs(5.0 * error, reason), place)?;
        } else {
            let tol = Tol::abs(5.0 * f64::hypot(error, last.1), reason);
            trial.at_most("bound of fewer samples", last.0, mean, tol, place)?;
        }
        trial.at_most("bound against evidence", mean, evidence, Tol::abs(5.0 * error, reason), place)?;
        if index + 1 == sizes.len() {
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
pub(crate) fn mean_weighted_bound(
    f: impl Fn(ArrayView1<'_, f64>) -> Result<f64>,
    log_weights: ArrayView1<'_, f64>,
    k: usize,
) -> (f64, f64) {
    let bounds: Vec<f64> = log_weights.exact_chunks(k).into_iter().map(|w| f(w).unwrap_or(f64::NAN)).collect();
    let n = bounds.len() as f64;
    let mean = bounds.iter().sum::<f64>() / n;
    let var = bounds.iter().map(|b| (b - mean) * (b - mean)).sum::<f64>() / (n - 1.0);
    (mean, (var / n).sqrt())
}
