//! What the exact worlds share: sums of exponentials, checked input, and the way between ndarray and nalgebra.

use nalgebra::{DMatrix, DVector};
use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

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

/// An error unless `matrix` is square of side `len`, finite and symmetric to within rounding.
pub(crate) fn check_symmetric(name: &'static str, matrix: &ArrayRef2<f64>, len: usize) -> Result<()> {
    if matrix.dim() != (len, len) {
        return Err(Error::ShapeMismatch { name, found: matrix.shape().to_vec(), expected: vec![len, len] });
    }
    check_finite(name, matrix)?;
    let scale = matrix.iter().fold(0.0_f64, |top, x| top.max(x.abs()));
    let symmetric = (0..len).all(|i| (0..i).all(|j| (matrix[[i, j]] - matrix[[j, i]]).abs() <= 1e-12 * scale));
    if symmetric { Ok(()) } else { Err(Error::NotPositiveDefinite { name }) }
}

/// Eigenvalues of a positive semidefinite matrix and the orthogonal matrix of its eigenvectors (columns).
///
/// Eigenvalues that are negative by rounding only become 0.
pub(crate) fn semidefinite_eigen(name: &'static str, matrix: DMatrix<f64>) -> Result<(DVector<f64>, DMatrix<f64>)> {
    let eigen = matrix.symmetric_eigen();
    let scale = eigen.eigenvalues.amax();
    if eigen.eigenvalues.iter().any(|&value| value < -1e-12 * scale) {
        return Err(Error::NotPositiveDefinite { name });
    }
    Ok((eigen.eigenvalues.map(|value| value.max(0.0)), eigen.eigenvectors))
}

pub(crate) fn to_vector(x: &ArrayRef1<f64>) -> DVector<f64> {
    DVector::from_iterator(x.len(), x.iter().copied())
}

pub(crate) fn to_matrix(x: &ArrayRef2<f64>) -> DMatrix<f64> {
    DMatrix::from_fn(x.nrows(), x.ncols(), |i, j| x[[i, j]])
}

pub(crate) fn from_vector(x: &DVector<f64>) -> Array1<f64> {
    x.iter().copied().collect()
}

pub(crate) fn from_matrix(x: &DMatrix<f64>) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), x.ncols()), |(i, j)| x[(i, j)])
}

/// `R⁻¹ b` for upper triangular R.
pub(crate) fn solve(r: &DMatrix<f64>, b: &DMatrix<f64>) -> Result<DMatrix<f64>> {
    r.solve_upper_triangular(b).ok_or(Error::NotPositiveDefinite { name: "covariance" })
}

/// `R⁻ᵀ b` for upper triangular R.
pub(crate) fn solve_transposed(r: &DMatrix<f64>, b: &DMatrix<f64>) -> Result<DMatrix<f64>> {
    r.tr_solve_upper_triangular(b).ok_or(Error::NotPositiveDefinite { name: "covariance" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

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
        let skew = array![[1.0, 0.5], [0.2, 1.0]];
        assert!(matches!(check_symmetric("S", &skew, 2), Err(Error::NotPositiveDefinite { name: "S" })));
        assert!(matches!(check_symmetric("S", &skew, 3), Err(Error::ShapeMismatch { .. })));
        let indefinite = DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 2.0, 1.0]);
        assert!(matches!(semidefinite_eigen("S", indefinite), Err(Error::NotPositiveDefinite { name: "S" })));
    }
}
