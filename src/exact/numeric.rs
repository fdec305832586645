//! What the exact worlds share: sums of exponentials and checked input.

use ndarray::ArrayRef1;

use crate::error::{Error, Result};

/// ln(2π).
pub(crate) const LN_2PI: f64 = 1.837_877_066_409_345_6;

/// `ln Σ exp(xᵢ)` without overflow; −∞ for no terms.
pub(crate) fn log_sum_exp(terms: &[f64]) -> f64 {
    let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top.is_infinite() {
        return top;
    }
    top + terms.iter().map(|&x| (x - top).exp()).sum::<f64>().ln()
}

/// `exp(xᵢ) / Σ exp(xⱼ)` without overflow.
pub(crate) fn softmax(terms: &[f64]) -> Vec<f64> {
    let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let raw: Vec<f64> = terms.iter().map(|&x| (x - top).exp()).collect();
    let total: f64 = raw.iter().sum();
    raw.into_iter().map(|x| x / total).collect()
}

/// Positive weights divided by their sum, which must be 1 to within 1e-9.
pub(crate) fn normalized_weights(weights: &[f64]) -> Result<Vec<f64>> {
    if weights.is_empty() {
        return Err(Error::CountOutOfRange { name: "weights", value: 0, min: 1, max: usize::MAX });
    }
    for (index, &value) in weights.iter().enumerate() {
        if !(value > 0.0 && value.is_finite()) {
            return Err(Error::EntryOutOfRange { name: "weight", index, value, expected: "a finite number > 0" });
        }
    }
    let total: f64 = weights.iter().sum();
    if (total - 1.0).abs() > 1e-9 {
        return Err(Error::OutOfRange { name: "sum of weights", value: total, expected: "1 to within 1e-9" });
    }
    Ok(weights.iter().map(|w| w / total).collect())
}

/// An error unless `x` has `len` entries.
pub(crate) fn check_len(name: &'static str, x: &ArrayRef1<f64>, len: usize) -> Result<()> {
    if x.len() == len {
        return Ok(());
    }
    Err(Error::ShapeMismatch { name, found: vec![x.len()], expected: vec![len] })
}

/// An error unless every entry is finite.
pub(crate) fn check_finite<'a>(name: &'static str, entries: impl IntoIterator<Item = &'a f64>) -> Result<()> {
    match entries.into_iter().enumerate().find(|(_, x)| !x.is_finite()) {
        None => Ok(()),
        Some((index, &value)) => Err(Error::EntryOutOfRange { name, index, value, expected: "a finite number" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_survives_extremes() {
        assert!((log_sum_exp(&[1000.0, 1000.0]) - (1000.0 + 2.0_f64.ln())).abs() < 1e-12);
        assert!((log_sum_exp(&[-1000.0, -1001.0]) - (-1000.0 + (-1.0_f64).exp().ln_1p())).abs() < 1e-12);
        assert!(log_sum_exp(&[]) == f64::NEG_INFINITY);
        assert!(log_sum_exp(&[f64::NEG_INFINITY]) == f64::NEG_INFINITY);
        let p = softmax(&[-1e4, -1e4 + 3.0_f64.ln()]);
        assert!((p[0] - 0.25).abs() < 1e-12 && (p[1] - 0.75).abs() < 1e-12);
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(matches!(normalized_weights(&[]), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(normalized_weights(&[0.5, 0.0]), Err(Error::EntryOutOfRange { index: 1, .. })));
        assert!(matches!(normalized_weights(&[0.5, 0.4]), Err(Error::OutOfRange { .. })));
        assert!(matches!(check_finite("x", &[0.0, f64::NAN]), Err(Error::EntryOutOfRange { index: 1, .. })));
    }
}
