//! Gaussians with a full covariance matrix.

use std::f64::consts::{E, TAU};

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::error::{Error, Result};

/// N(mean, cov) in any number of dimensions, validated: the covariance is symmetric positive definite.
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: DVector<f64>,
    cov: DMatrix<f64>,
    factor: Cholesky<f64, Dyn>,
}

impl Gaussian {
    /// From a mean of length d and a d × d covariance.
    ///
    /// ```
    /// use alphabar::gaussian::Gaussian;
    /// use ndarray::array;
    ///
    /// assert!(Gaussian::new(array![0.0, 0.0].view(), array![[1.0, 0.5], [0.5, 1.0]].view()).is_ok());
    /// assert!(Gaussian::new(array![0.0, 0.0].view(), array![[1.0, 2.0], [2.0, 1.0]].view()).is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for d = 0; [`Error::ShapeMismatch`] unless the covariance is d × d;
    /// [`Error::EntryOutOfRange`] for a mean that is not finite; [`Error::NotPositiveDefinite`] unless the covariance is
    /// finite, symmetric to 8 ε of its largest entry, and positive definite.
    pub fn new(mean: ArrayView1<'_, f64>, cov: ArrayView2<'_, f64>) -> Result<Self> {
        let dims = mean.len();
        if dims == 0 {
            return Err(Error::CountOutOfRange { name: "dimensions", value: 0, min: 1, max: usize::MAX });
        }
        if cov.shape() != [dims, dims] {
            let found = cov.shape().to_vec();
            return Err(Error::ShapeMismatch { name: "covariance", found, expected: vec![dims, dims] });
        }
        if let Some((index, &value)) = mean.iter().enumerate().find(|(_, m)| !m.is_finite()) {
            return Err(Error::EntryOutOfRange { name: "mean", index, value, expected: "a finite number" });
        }
        let mean = DVector::from_iterator(dims, mean.iter().copied());
        Self::from_parts(mean, DMatrix::from_fn(dims, dims, |i, j| cov[[i, j]]))
    }

    pub(crate) fn from_parts(mean: DVector<f64>, cov: DMatrix<f64>) -> Result<Self> {
        let bad = || Error::NotPositiveDefinite { name: "covariance" };
        let largest = cov.amax();
        if !largest.is_finite() || (&cov - cov.transpose()).amax() > 8.0 * f64::EPSILON * largest {
            return Err(bad());
        }
        let factor = Cholesky::new(cov.clone()).ok_or_else(bad)?;
        Ok(Self { mean, cov, factor })
    }

    /// d.
    ///
    /// ```
    /// use alphabar::gaussian::Gaussian;
    /// use ndarray::array;
    ///
    /// let law = Gaussian::new(array![0.5, 0.0].view(), array![[2.0, 0.0], [0.0, 0.5]].view())?;
    /// assert_eq!(law.dims(), 2);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn dims(&self) -> usize {
        self.mean.len()
    }

    /// The mean.
    ///
    /// ```
    /// use alphabar::gaussian::Gaussian;
    /// use ndarray::array;
    ///
    /// let law = Gaussian::new(array![0.5, 0.0].view(), array![[2.0, 0.0], [0.0, 0.5]].view())?;
    /// assert_eq!(law.mean(), array![0.5, 0.0]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn mean(&self) -> Array1<f64> {
        self.mean.iter().copied().collect()
    }

    /// The covariance.
    ///
    /// ```
    /// use alphabar::gaussian::Gaussian;
    /// use ndarray::array;
    ///
    /// let law = Gaussian::new(array![0.5, 0.0].view(), array![[2.0, 0.0], [0.0, 0.5]].view())?;
    /// assert!((law.cov()[[0, 0]] - 2.0).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn cov(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.dims(), self.dims()), |(i, j)| self.cov[(i, j)])
    }

    pub(crate) const fn parts(&self) -> (&DVector<f64>, &DMatrix<f64>) {
        (&self.mean, &self.cov)
    }

    /// ln det of the covariance.
    ///
    /// ```
    /// use alphabar::gaussian::Gaussian;
    /// use ndarray::array;
    ///
    /// let law = Gaussian::new(array![0.5, 0.0].view(), array![[2.0, 0.0], [0.0, 0.5]].view())?;
    /// assert!(law.log_det().abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn log_det(&self) -> f64 {
        2.0 * self.factor.l_dirty().diagonal().iter().map(|x| x.ln()).sum::<f64>()
    }

    /// Differential entropy in nats: `½ ln det(2πe Σ)`.
    ///
    /// Source: Cover & Thomas, theorem 8.4.1.
    ///
    /// ```
    /// use alphabar::gaussian::Gaussian;
    /// use ndarray::array;
    ///
    /// let law = Gaussian::new(array![0.5, 0.0].view(), array![[2.0, 0.0], [0.0, 0.5]].view())?;
    /// assert!((law.entropy() - 2.837_877).abs() < 1e-6);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn entropy(&self) -> f64 {
        0.5 * (self.dims() as f64 * (TAU * E).ln() + self.log_det())
    }

    /// ln N(x; mean, cov).
    ///
    /// ```
    /// use alphabar::gaussian::Gaussian;
    /// use ndarray::array;
    ///
    /// let law = Gaussian::new(array![0.5, 0.0].view(), array![[2.0, 0.0], [0.0, 0.5]].view())?;
    /// assert!((law.log_density(law.mean().view())? + 1.837_877).abs() < 1e-6);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless x has length d.
    pub fn log_density(&self, x: ArrayView1<'_, f64>) -> Result<f64> {
        if x.len() != self.dims() {
            return Err(Error::ShapeMismatch { name: "x", found: x.shape().to_vec(), expected: vec![self.dims()] });
        }
        let residual = DVector::from_iterator(self.dims(), x.iter().copied()) - &self.mean;
        Ok(-0.5 * (self.dims() as f64 * TAU.ln() + self.log_det() + self.square(residual)))
    }

    /// `rᵀ Σ⁻¹ r` as the squared length of L⁻¹ r.
    fn square(&self, residual: DVector<f64>) -> f64 {
        self.whiten(&DMatrix::from_column_slice(self.dims(), 1, residual.as_slice())).norm_squared()
    }

    fn whiten(&self, columns: &DMatrix<f64>) -> DMatrix<f64> {
        let lower = self.factor.l();
        lower.solve_lower_triangular(columns).expect("the factor of a positive definite matrix is invertible")
    }
}

/// `D(p ‖ q)` in nats between two Gaussians with full covariances.
///
/// ```text
/// ½ [ ln(|Σ_q|/|Σ_p|) − d + tr(Σ_q⁻¹ Σ_p) + (μ_q − μ_p)ᵀ Σ_q⁻¹ (μ_q − μ_p) ]
/// ```
///
/// Source: Cover & Thomas 2006, definition (8.46), for two Gaussians. The trace is
/// ‖L_q⁻¹ L_p‖², the quadratic form ‖L_q⁻¹ (μ_q − μ_p)‖².
/// Accuracy: about d ε times the condition number of Σ_q.
///
/// ```
/// use alphabar::gaussian::{Gaussian, kl_full};
/// use ndarray::array;
///
/// let law = Gaussian::new(array![0.5, 0.0].view(), array![[2.0, 0.0], [0.0, 0.5]].view())?;
/// assert!(kl_full(&law, &law)?.abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::ShapeMismatch`] if the dimensions differ.
pub fn kl_full(p: &Gaussian, q: &Gaussian) -> Result<f64> {
    if p.dims() != q.dims() {
        return Err(Error::ShapeMismatch { name: "mean of q", found: vec![q.dims()], expected: vec![p.dims()] });
    }
    let trace = q.whiten(&p.factor.l()).norm_squared();
    let square = q.square(&q.mean - &p.mean);
    Ok(0.5 * (q.log_det() - p.log_det() - p.dims() as f64 + trace + square))
}
