//! A finite data set: the world in which the optimal denoiser memorises.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

use super::noising::Noising;
use super::numeric::{LN_2PI, check_finite, check_len, log_sum_exp, normalized_weights, softmax};
use crate::error::{Error, Result};

/// Points x_1 … x_n in R^d with weights w_i.
///
/// ```text
/// q(x_t) = Σ w_i N(x_t; a x_i, σ² I)        p(i | x_t) ∝ w_i exp(−‖x_t − a x_i‖²/2σ²)
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FiniteData {
    points: Array2<f64>,
    weights: Vec<f64>,
}

impl FiniteData {
    /// Equally weighted points, shape (n, d).
    ///
    /// # Errors
    /// As [`FiniteData::weighted`].
    pub fn new(points: &ArrayRef2<f64>) -> Result<Self> {
        let n = points.nrows();
        Self::weighted(points, &Array1::from_elem(n, 1.0 / n as f64))
    }

    /// Points on the line, equally weighted.
    ///
    /// # Errors
    /// As [`FiniteData::weighted`].
    pub fn on_line(points: &[f64]) -> Result<Self> {
        Self::new(&Array2::from_shape_fn((points.len(), 1), |(i, _)| points[i]))
    }

    /// Points, shape (n, d), with weights, shape (n).
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for n = 0 or d = 0; [`Error::ShapeMismatch`] for another number of weights;
    /// [`Error::EntryOutOfRange`] for a coordinate that is not finite or a weight that is not positive;
    /// [`Error::OutOfRange`] if the weights do not sum to 1 within 1e-9.
    pub fn weighted(points: &ArrayRef2<f64>, weights: &ArrayRef1<f64>) -> Result<Self> {
        for (name, value) in [("points", points.nrows()), ("dimensions", points.ncols())] {
            if value == 0 {
                return Err(Error::CountOutOfRange { name, value, min: 1, max: usize::MAX });
            }
        }
        check_finite("coordinate", points)?;
        check_len("weights", weights, points.nrows())?;
        Ok(Self { points: points.to_owned(), weights: normalized_weights(&weights.to_vec())? })
    }

    /// `p(i | x_t)`, shape (n).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless `xt` has shape (d); [`Error::Singular`] at a level without noise.
    pub fn posterior(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        Ok(softmax(&self.log_weights(level, xt)?).into())
    }

    /// E[x_0 | x_t], the softmax average of the points, shape (d).
    ///
    /// Source: ledger §4.2, item 3. Checked by: Tweedie with a differenced score (B19).
    ///
    /// # Errors
    /// As [`FiniteData::posterior`].
    pub fn x0_hat(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        Ok(self.posterior(level, xt)?.dot(&self.points))
    }

    /// ln q(x_t).
    ///
    /// # Errors
    /// As [`FiniteData::posterior`].
    pub fn log_marginal(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<f64> {
        let d = self.points.ncols() as f64;
        Ok(log_sum_exp(&self.log_weights(level, xt)?) - 0.5 * d * (LN_2PI + level.noise_var().ln()))
    }

    /// `ln w_i − ‖x_t − a x_i‖²/2σ²`.
    fn log_weights(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Vec<f64>> {
        check_len("xt", xt, self.points.ncols())?;
        if level.noise_var() == 0.0 {
            let reason = "without noise the marginal is a set of points; use a positive noise variance";
            return Err(Error::Singular { what: "the density of a finite data set", reason });
        }
        let weigh = |(w, point): (&f64, ndarray::ArrayView1<'_, f64>)| {
            let distance: f64 = point.iter().zip(xt).map(|(p, x)| (x - level.signal() * p).powi(2)).sum();
            w.ln() - 0.5 * distance / level.noise_var()
        };
        Ok(self.weights.iter().zip(self.points.rows()).map(weigh).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol, "{got:.12} is not {want:.12}");
    }

    fn level(t: usize) -> Noising {
        let betas: Vec<f64> = (0..1000).map(|i| 1e-4 + (0.02 - 1e-4) * f64::from(i) / 999.0).collect();
        Noising::from_betas(&betas[..t]).expect("valid")
    }

    /// §4.2 item 3: data {−1, .5, 2}, x_t = .9.
    #[test]
    fn softmax_denoiser_has_its_reference_values() {
        let data = FiniteData::on_line(&[-1.0, 0.5, 2.0]).expect("valid");
        for (t, want) in [(1, 0.500_000), (100, 0.529_288), (500, 0.829_363), (1000, 0.508_546)] {
            close(data.x0_hat(level(t), &array![0.9]).expect("noisy")[0], want, 5e-7);
        }
    }

    /// Tweedie with a differenced score: E[x_0 | x_t] = (x_t + σ² d/dx ln q)/a.
    #[test]
    fn the_denoiser_is_the_slope_of_the_marginal() {
        let data = FiniteData::weighted(&array![[-1.0], [0.5], [2.0]], &array![0.2, 0.3, 0.5]).expect("valid");
        let n = Noising::new(0.8, 0.36).expect("valid");
        let log = |x: f64| data.log_marginal(n, &array![x]).expect("noisy");
        let slope = |h: f64| (log(0.4 + h) - log(0.4 - h)) / (2.0 * h);
        let want = (0.4 + 0.36 * (4.0 * slope(5e-4) - slope(1e-3)) / 3.0) / 0.8;
        close(data.x0_hat(n, &array![0.4]).expect("noisy")[0], want, 1e-10);
    }

    #[test]
    fn far_observations_stay_finite() {
        let data = FiniteData::on_line(&[-1.0, 0.5, 2.0]).expect("valid");
        close(data.x0_hat(level(1), &array![1e5]).expect("noisy")[0], 2.0, 0.0);
        assert!(data.log_marginal(level(1), &array![1e5]).expect("noisy").is_finite());
    }

    #[test]
    fn bad_input_is_an_error() {
        assert!(matches!(FiniteData::on_line(&[]), Err(Error::CountOutOfRange { name: "points", .. })));
        assert!(matches!(FiniteData::on_line(&[f64::NAN]), Err(Error::EntryOutOfRange { .. })));
        assert!(matches!(FiniteData::weighted(&array![[1.0]], &array![0.5, 0.5]), Err(Error::ShapeMismatch { .. })));
        let data = FiniteData::on_line(&[0.0]).expect("valid");
        assert!(matches!(data.posterior(Noising::NONE, &array![0.0]), Err(Error::Singular { .. })));
        assert!(matches!(data.posterior(level(1), &array![0.0, 1.0]), Err(Error::ShapeMismatch { .. })));
    }
}
