//! The discretised Gaussian likelihood of pixels, with logarithms that stay finite.

use std::f64::consts::TAU;

use ndarray::{ArrayBase, Data, Dimension};

use crate::array::{self, Real};
use crate::error::{Error, Result};
use crate::posterior::Moments;

/// One of the 256 values of a pixel, k ↦ 2k/255 − 1 in [−1, 1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pixel(pub u8);

impl Pixel {
    /// All 256, in order.
    ///
    /// ```
    /// use alphabar::gaussian::Pixel;
    ///
    /// assert_eq!(Pixel::all().count(), 256);
    /// ```
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    /// 2k/255 − 1.
    ///
    /// ```
    /// use alphabar::gaussian::Pixel;
    ///
    /// assert_eq!([Pixel(0), Pixel(255)].map(Pixel::value), [-1.0, 1.0]);
    /// ```
    #[must_use]
    pub fn value(self) -> f64 {
        (2.0 * f64::from(self.0) - 255.0) / 255.0
    }

    /// The bin around the value, half a step to each side; the first and the last reach to infinity.
    ///
    /// ```
    /// use alphabar::gaussian::Pixel;
    ///
    /// assert_eq!(Pixel(0).edges().0, f64::NEG_INFINITY);
    /// assert_eq!(Pixel(7).edges().1, Pixel(8).edges().0);
    /// ```
    #[must_use]
    pub fn edges(self) -> (f64, f64) {
        let edge = |k: i32| f64::from(2 * k - 256) / 255.0;
        let k = i32::from(self.0);
        let low = if k == 0 { f64::NEG_INFINITY } else { edge(k) };
        let high = if k == 255 { f64::INFINITY } else { edge(k + 1) };
        (low, high)
    }
}

/// ln of the mass that N(mean, var) puts on the bin of a pixel.
///
/// ```text
/// p(x) = ∫ N(u; μ, σ²) du  from x − 1/255 to x + 1/255, from −∞ at x = −1, to ∞ at x = 1
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (13). The masses sum to 1. Written with the ratio of
/// tail to density, so that it is finite wherever the logarithm is representable, also where Φ(b) − Φ(a) underflows.
/// Accuracy: about 1e-14 of the mass, plus the rounding of −(x − μ)²/(2σ²), which is ε times its size.
///
/// ```
/// use alphabar::{gaussian::{Pixel, log_pixel_probability}, posterior::Moments};
///
/// let far = log_pixel_probability(Pixel(0), Moments { mean: 0.999, var: 1e-4 })?;
/// assert!(far.is_finite() && far < -19_000.0);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] unless the mean is finite and the variance finite and above 0.
pub fn log_pixel_probability(pixel: Pixel, law: Moments) -> Result<f64> {
    super::positive("variance", law.var)?;
    if !law.mean.is_finite() {
        return Err(Error::OutOfRange { name: "mean", value: law.mean, expected: "a finite number" });
    }
    let (low, high) = pixel.edges();
    let std = law.var.sqrt();
    Ok(log_mass((low - law.mean) / std, (high - law.mean) / std))
}

/// The sum of [`log_pixel_probability`] over an image, each pixel with its own mean.
///
/// ```
/// use alphabar::{gaussian::{Pixel, log_pixel_probability, log_pixel_probability_sum}, posterior::Moments};
/// use ndarray::array;
///
/// let one = log_pixel_probability(Pixel(128), Moments { mean: 0.1, var: 0.01 })?;
/// assert_eq!(log_pixel_probability_sum(&array![128u8], &array![0.1], 0.01)?, one);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::ShapeMismatch`] if the shapes differ; [`Error::OutOfRange`] as above.
pub fn log_pixel_probability_sum<A: Real, D: Dimension>(
    pixels: &ArrayBase<impl Data<Elem = u8>, D>,
    mean: &ArrayBase<impl Data<Elem = A>, D>,
    var: f64,
) -> Result<f64> {
    array::same_shape("mean", pixels, mean)?;
    pixels
        .iter()
        .zip(mean)
        .map(|(&pixel, mean)| log_pixel_probability(Pixel(pixel), Moments { mean: mean.to_f64(), var }))
        .sum()
}

/// ln(Φ(b) − Φ(a)) for a < b.
fn log_mass(a: f64, b: f64) -> f64 {
    // The bin is moved to the side of the upper tail, where small masses keep their digits.
    let (a, b) = if a + b < 0.0 { (-b, -a) } else { (a, b) };
    if b.is_infinite() {
        return log_upper_tail(a);
    }
    let (centre, half) = (0.5 * (a + b), 0.5 * (b - a));
    if half <= 0.5 && centre * half <= 0.5 {
        return log_narrow(centre, half);
    }
    if a < 0.0 {
        return (-(log_upper_tail(b).exp() + log_upper_tail(-a).exp())).ln_1p();
    }
    let ratio = (-2.0 * centre * half).exp() * (mills(b) / mills(a));
    log_upper_tail(a) + (-ratio).ln_1p()
}

/// ln ∫ φ over centre ± half by Taylor's series: the k-th derivative of φ is (−1)^k He_k φ, and odd ones cancel.
fn log_narrow(centre: f64, half: f64) -> f64 {
    // scaled = He_k(centre) half^k, which stays bounded for centres of any size.
    let (mut previous, mut scaled) = (0.0, 1.0);
    let (mut factorial, mut sum) = (1.0, 1.0);
    for k in 1..30 {
        let next = centre * half * scaled - f64::from(k - 1) * half * half * previous;
        (previous, scaled) = (scaled, next);
        factorial *= f64::from(k + 1);
        if k % 2 == 0 {
            sum += scaled / factorial;
        }
    }
    (2.0 * half * sum).ln() - 0.5 * (centre * centre + TAU.ln())
}

/// ln(1 − Φ(z)).
fn log_upper_tail(z: f64) -> f64 {
    if z < -2.0 {
        return (-log_upper_tail(-z).exp()).ln_1p();
    }
    mills(z).ln() - 0.5 * (z * z + TAU.ln())
}

/// (1 − Φ(z))/φ(z) for z ≥ −2: a continued fraction above 2, the series of Φ below.
fn mills(z: f64) -> f64 {
    if z >= 2.0 {
        return 1.0 / (1..=120).rev().fold(z, |tail, k| z + f64::from(k) / tail);
    }
    let (mut term, mut sum) = (z, z);
    for k in 1..60 {
        term *= z * z / f64::from(2 * k + 1);
        sum += term;
    }
    (0.25 * TAU).sqrt() * (0.5 * z * z).exp() - sum
}

/// Φ(z), with the lower tail to full relative accuracy and the upper one rounded to 1.
pub(crate) fn cdf(z: f64) -> f64 {
    if z < 0.0 { log_upper_tail(-z).exp() } else { 1.0 - log_upper_tail(z).exp() }
}
