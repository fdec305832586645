//! Gaussians: relative entropy in every form the theory uses, entropy, and the discretised likelihood of pixels.

mod decoder;
mod full;

use std::f64::consts::{E, TAU};

use ndarray::{ArrayBase, Data, Dimension};

use crate::array::{self, Real};
use crate::error::{Error, Result};
use crate::posterior::Moments;

pub(crate) use decoder::cdf;
pub use decoder::{Pixel, log_pixel_probability, log_pixel_probability_sum};
pub use full::{Gaussian, kl_full};

/// `D(p ‖ q)` in nats between two Gaussians on the line.
///
/// ```text
/// ln(σ_q/σ_p) + (σ_p² + (μ_p − μ_q)²)/(2σ_q²) − ½        =  ½ [ρ − ln(1 + ρ)] + (μ_p − μ_q)²/(2σ_q²),  ρ = σ_p²/σ_q² − 1
/// ```
///
/// Source: Cover & Thomas 2006, definition (8.46), for two Gaussians. Evaluated in the second form, whose terms are both ≥ 0 and keep their digits as the two approach each other. q is a density: `q.var > 0`. A point
/// p gives ∞.
/// Accuracy: 8 ε in the mean part; ρ carries the rounding of σ_p²/σ_q², so the variance part is good to ε ρ.
///
/// ```
/// use alphabar::{gaussian::kl, posterior::Moments};
///
/// let d = kl(Moments { mean: 0.0, var: 1.0 }, Moments { mean: 1.5, var: 4.0 });
/// assert!((d - 0.599_397).abs() < 1e-6);
/// ```
#[must_use]
pub fn kl(p: Moments, q: Moments) -> f64 {
    let difference = p.mean - q.mean;
    0.5 * excess(p.var, q.var) + mean_part(difference * difference, q.var)
}

/// `D(N(μ_p, σ_p² I) ‖ N(μ_q, σ_q² I))` for means of any one shape, d entries in all.
///
/// ```text
/// d ln(σ_q/σ_p) + (d σ_p² + ‖μ_p − μ_q‖²)/(2σ_q²) − d/2
/// ```
///
/// Source: sum of [`kl`] over entries, which are independent.
///
/// ```
/// use alphabar::gaussian::kl_isotropic;
/// use ndarray::array;
///
/// assert_eq!(kl_isotropic(&array![1.0, 2.0], 0.5, &array![1.0, 0.0], 0.5)?, 4.0);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::ShapeMismatch`] if the shapes differ; [`Error::OutOfRange`] unless `p_var ≥ 0` and `q_var > 0`.
pub fn kl_isotropic<A: Real, D: Dimension>(
    p_mean: &ArrayBase<impl Data<Elem = A>, D>,
    p_var: f64,
    q_mean: &ArrayBase<impl Data<Elem = A>, D>,
    q_var: f64,
) -> Result<f64> {
    let squares = squared_distance(p_mean, q_mean)?;
    Ok(Split::new(p_var, q_var, squares, p_mean.len())?.total())
}

/// `D(N(μ_p, diag σ_p²) ‖ N(μ_q, diag σ_q²))` for arrays of any one shape.
///
/// Source: sum of [`kl`] over entries, which are independent.
///
/// ```
/// use alphabar::gaussian::kl_diagonal;
/// use ndarray::array;
///
/// let (mean, var) = (array![1.0, 2.0], array![0.5, 0.1]);
/// assert_eq!(kl_diagonal(&mean, &var, &mean, &var)?, 0.0);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::ShapeMismatch`] if the shapes differ; [`Error::EntryOutOfRange`] for a variance that is NaN or negative,
/// or zero in q.
pub fn kl_diagonal<A: Real, D: Dimension>(
    p_mean: &ArrayBase<impl Data<Elem = A>, D>,
    p_var: &ArrayBase<impl Data<Elem = A>, D>,
    q_mean: &ArrayBase<impl Data<Elem = A>, D>,
    q_var: &ArrayBase<impl Data<Elem = A>, D>,
) -> Result<f64> {
    array::same_shape("variance of p", p_mean, p_var)?;
    array::same_shape("mean of q", p_mean, q_mean)?;
    array::same_shape("variance of q", p_mean, q_var)?;
    let p = p_mean.iter().zip(p_var);
    let q = q_mean.iter().zip(q_var);
    let mut sum = 0.0;
    for (index, ((p_mean, p_var), (q_mean, q_var))) in p.zip(q).enumerate() {
        let p = Moments { mean: p_mean.to_f64(), var: p_var.to_f64() };
        let q = Moments { mean: q_mean.to_f64(), var: q_var.to_f64() };
        if !(p.var.is_finite() && p.var >= 0.0) {
            let expected = "a finite number ≥ 0";
            return Err(Error::EntryOutOfRange { name: "variance of p", index, value: p.var, expected });
        }
        if !(q.var.is_finite() && q.var > 0.0) {
            let expected = "a finite number > 0";
            return Err(Error::EntryOutOfRange { name: "variance of q", index, value: q.var, expected });
        }
        sum += kl(p, q);
    }
    Ok(sum)
}

/// `D(N(μ, diag σ²) ‖ N(0, I))`: the regulariser of a variational autoencoder.
///
/// ```text
/// ½ Σ (μ² + σ² − 1 − ln σ²)
/// ```
///
/// Source: Kingma & Welling 2014, arXiv:1312.6114v11, appendix B.
///
/// ```
/// use alphabar::gaussian::kl_to_standard;
/// use ndarray::array;
///
/// assert_eq!(kl_to_standard(&array![1.0, 2.0], &array![1.0, 1.0])?, 2.5);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::ShapeMismatch`] if the shapes differ; [`Error::EntryOutOfRange`] for a negative or NaN variance.
pub fn kl_to_standard<A: Real, D: Dimension>(
    mean: &ArrayBase<impl Data<Elem = A>, D>,
    var: &ArrayBase<impl Data<Elem = A>, D>,
) -> Result<f64> {
    array::same_shape("variance", mean, var)?;
    let mut sum = 0.0;
    for (index, (mean, var)) in mean.iter().zip(var).enumerate() {
        let (mean, value) = (mean.to_f64(), var.to_f64());
        if !(value.is_finite() && value >= 0.0) {
            return Err(Error::EntryOutOfRange { name: "variance", index, value, expected: "a finite number ≥ 0" });
        }
        sum += 0.5 * (mean * mean + excess(value, 1.0));
    }
    Ok(sum)
}

/// `D(N(μ_p, σ² I) ‖ N(μ_q, σ² I)) = ‖μ_p − μ_q‖²/(2σ²)`: equal covariances leave the means.
///
/// Source: [`kl_isotropic`] with equal variances.
///
/// ```
/// use alphabar::gaussian::kl_equal_variance;
/// use ndarray::array;
///
/// assert_eq!(kl_equal_variance(&array![1.0, 2.0], &array![1.0, 0.0], 0.5)?, 4.0);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::ShapeMismatch`] if the shapes differ; [`Error::OutOfRange`] unless `var > 0`.
pub fn kl_equal_variance<A: Real, D: Dimension>(
    p_mean: &ArrayBase<impl Data<Elem = A>, D>,
    q_mean: &ArrayBase<impl Data<Elem = A>, D>,
    var: f64,
) -> Result<f64> {
    let squares = squared_distance(p_mean, q_mean)?;
    positive("variance", var)?;
    Ok(mean_part(squares, var))
}

/// One term of the bound, split into what a mean can change and what it cannot.
///
/// ```text
/// D(N(μ̃, β̃ I) ‖ N(μ_θ, σ² I)) = ‖μ̃ − μ_θ‖²/(2σ²) + C        C = d/2 [ln(σ²/β̃) + β̃/σ² − 1] ≥ 0
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (8). C is constant in θ only: it
/// depends on t and d, is 0 at σ² = β̃ and ∞ at t = 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// ‖μ̃ − μ_θ‖²/(2σ²).
    pub mean: f64,
    /// C.
    pub constant: f64,
}

impl Split {
    /// From β̃, σ², ‖μ̃ − μ_θ‖² and the number of dimensions.
    ///
    /// ```
    /// use alphabar::gaussian::Split;
    ///
    /// // σ² = β̃ leaves the means.
    /// let split = Split::new(0.5, 0.5, 4.0, 3)?;
    /// assert_eq!((split.mean, split.constant), (4.0, 0.0));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `beta_tilde ≥ 0`, `sigma_var > 0` and `squared_distance ≥ 0`.
    pub fn new(beta_tilde: f64, sigma_var: f64, squared_distance: f64, dims: usize) -> Result<Self> {
        positive("variance", sigma_var)?;
        not_negative("posterior variance", beta_tilde)?;
        not_negative("squared distance", squared_distance)?;
        let constant = 0.5 * dims as f64 * excess(beta_tilde, sigma_var);
        Ok(Self { mean: mean_part(squared_distance, sigma_var), constant })
    }

    /// The relative entropy itself.
    ///
    /// ```
    /// use alphabar::gaussian::Split;
    ///
    /// let split = Split::new(0.3, 0.5, 4.0, 3)?;
    /// assert_eq!(split.total(), split.mean + split.constant);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn total(&self) -> f64 {
        self.mean + self.constant
    }
}

/// Differential entropy of N(·, σ² I) in d dimensions, nats: `d/2 · ln 2πe σ²`.
///
/// Source: Cover & Thomas, theorem 8.4.1.
///
/// ```
/// use alphabar::gaussian::entropy;
///
/// assert!((entropy(1.0, 1)? - 1.418_939).abs() < 1e-6);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] unless `var > 0`.
pub fn entropy(var: f64, dims: usize) -> Result<f64> {
    positive("variance", var)?;
    Ok(0.5 * dims as f64 * (TAU * E * var).ln())
}

/// ln N(x; mean, var) on the line.
///
/// ```
/// use alphabar::{gaussian::log_density, posterior::Moments};
///
/// assert!((log_density(Moments { mean: 2.0, var: 1.0 }, 2.0) + 0.918_939).abs() < 1e-6);
/// ```
#[must_use]
pub fn log_density(at: Moments, x: f64) -> f64 {
    let residual = x - at.mean;
    -0.5 * ((TAU * at.var).ln() + residual * residual / at.var)
}

/// `‖x − y‖²` in f64.
fn squared_distance<A: Real, D: Dimension>(
    x: &ArrayBase<impl Data<Elem = A>, D>,
    y: &ArrayBase<impl Data<Elem = A>, D>,
) -> Result<f64> {
    array::same_shape("mean of q", x, y)?;
    Ok(x.iter()
        .zip(y)
        .map(|(x, y)| {
            let difference = x.to_f64() - y.to_f64();
            difference * difference
        })
        .sum())
}

fn mean_part(squares: f64, var: f64) -> f64 {
    squares / (2.0 * var)
}

/// `u − ln(1 + u)` at `u = p/q − 1 ≥ −1` without the cancellation of its two terms near 0.
///
/// With w = u/(2 + u) it is `u w − 2 (w³/3 + w⁵/5 + …)`, whose second term is a sixth of the first. Away from 0 the
/// logarithm is that of the ratio, which 1 + u would round.
fn excess(p: f64, q: f64) -> f64 {
    let u = (p - q) / q;
    if u.abs() > 0.5 {
        return u - (p / q).ln();
    }
    let w = u / (2.0 + u);
    let square = w * w;
    let series = (1..=14).rev().fold(0.0, |sum, k| square * (sum + 1.0 / f64::from(2 * k + 1)));
    u * w - 2.0 * w * series
}

fn positive(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::OutOfRange { name, value, expected: "a finite number above 0" })
}

fn not_negative(name: &'static str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::OutOfRange { name, value, expected: "a finite number, at least 0" })
}
