//! A linear Gaussian conditional: what conditioning a joint law returns.

use nalgebra::{DMatrix, DVector};
use ndarray::{Array1, Array2};

use super::joint::JointGaussian;
use super::numeric::{check_finite, from_matrix, from_vector, solve_transposed};
use crate::error::{Error, Result};

/// The law of some variables given others: `N(gain · g + offset, covariance)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditional {
    pub(super) gain: DMatrix<f64>,
    pub(super) offset: DVector<f64>,
    /// A square root of the covariance.
    pub(super) factor: DMatrix<f64>,
}

impl Conditional {
    /// The coefficients on the given variables, shape (of, given).
    #[must_use]
    pub fn gain(&self) -> Array2<f64> {
        from_matrix(&self.gain)
    }

    /// The part of the mean that does not depend on the given variables, shape (of).
    #[must_use]
    pub fn offset(&self) -> Array1<f64> {
        from_vector(&self.offset)
    }

    /// The conditional covariance (the partial covariance), shape (of, of); the same for all values.
    #[must_use]
    pub fn covariance(&self) -> Array2<f64> {
        from_matrix(&(&self.factor * self.factor.transpose()))
    }

    /// The law at the given values, in the order they were listed.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong number of values; [`Error::EntryOutOfRange`] if one is not finite.
    pub fn at(&self, values: &[f64]) -> Result<JointGaussian> {
        check_finite("value", values)?;
        self.law(values)
    }

    /// `E_g KL(self(· | g) ‖ other(· | g))` in nats, g following `given`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the three do not fit together; [`Error::NotPositiveDefinite`] if a conditional
    /// covariance is singular.
    pub fn expected_kl(&self, other: &Self, given: &JointGaussian) -> Result<f64> {
        if self.gain.shape() != other.gain.shape() {
            let found = vec![other.gain.nrows(), other.gain.ncols()];
            let expected = vec![self.gain.nrows(), self.gain.ncols()];
            return Err(Error::ShapeMismatch { name: "gain", found, expected });
        }
        let at_mean = given.mean.as_slice();
        let (own, theirs) = (self.law(at_mean)?, other.law(at_mean)?);
        let (_, r) = theirs.root("conditional covariance")?;
        let varying = solve_transposed(&r, &((&self.gain - &other.gain) * &given.factor))?;
        Ok(own.kl(&theirs)? + 0.5 * varying.norm_squared())
    }

    pub(super) fn law(&self, values: &[f64]) -> Result<JointGaussian> {
        if values.len() != self.gain.ncols() {
            let expected = vec![self.gain.ncols()];
            return Err(Error::ShapeMismatch { name: "values", found: vec![values.len()], expected });
        }
        let mean = &self.gain * DVector::from_column_slice(values) + &self.offset;
        Ok(JointGaussian { mean, factor: self.factor.clone() })
    }
}
