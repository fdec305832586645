//! Variational diffusion in terms of the signal-to-noise ratio alone: discrete and continuous bound.

use crate::error::{Error, Result};
use crate::schedule::Level;

/// One term of the bound: the cost in nats of predicting x₀ with squared error `error` between two levels.
///
/// ```text
/// KL(q(x_s | x_t, x₀) ‖ q(x_s | x_t, x̂₀)) = ½ (SNR_s − SNR_t) ‖x₀ − x̂₀‖²
/// ```
///
/// Source: Kingma et al. 2021, arXiv:2107.00630v6, eq. (14). Infinite at s = 0.
/// Accuracy: the difference is taken as `SNR_t (e^{λ_s − λ_t} − 1)`, which keeps its digits when the levels are close.
///
/// ```
/// use alphabar::{Level, vdm::step_cost};
///
/// let (s, t) = (Level::from_alpha_bar(0.75)?, Level::from_alpha_bar(0.5)?);
/// // SNR 3 and 1.
/// assert!((step_cost(s, t, 0.1) - 0.1).abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn step_cost(s: Level, t: Level, error: f64) -> f64 {
    0.5 * snr_drop(s, t) * error
}

/// `SNR_s − SNR_t = SNR_t (e^{λ_s − λ_t} − 1)`.
///
/// ```
/// use alphabar::{Level, vdm::snr_drop};
///
/// assert!((snr_drop(Level::from_alpha_bar(0.75)?, Level::from_alpha_bar(0.5)?) - 2.0).abs() < 1e-14);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn snr_drop(s: Level, t: Level) -> f64 {
    if t.alpha_bar() <= 0.0 {
        return s.snr();
    }
    t.snr() * (s.log_snr() - t.log_snr()).exp_m1()
}

/// The rate of the continuous bound along λ = ln SNR: `½ e^λ · E‖x₀ − x̂₀‖²` per unit of falling λ.
///
/// Integrated between two end points it does not depend on the path λ(u) between them.
/// Source: Kingma et al. 2021, arXiv:2107.00630v6, eq. (18).
///
/// ```
/// use alphabar::vdm::continuous_rate;
///
/// assert_eq!(continuous_rate(0.0, 0.3), 0.15);
/// ```
#[must_use]
pub fn continuous_rate(log_snr: f64, error: f64) -> f64 {
    0.5 * log_snr.exp() * error
}

/// dI(x₀; x_t)/dSNR = ½ mmse.
///
/// Source: Guo, Shamai & Verdú 2005, theorem 1.
///
/// ```
/// use alphabar::vdm::information_rate;
///
/// // x₀ ~ N(0, 1): I = ½ ln(1 + snr) and mmse = 1/(1 + snr).
/// assert_eq!(information_rate(1.0 / (1.0 + 3.0)), 0.5 / (1.0 + 3.0));
/// ```
#[must_use]
pub fn information_rate(mmse: f64) -> f64 {
    0.5 * mmse
}

/// A schedule given by its log-SNR at u = 0 (data) and u = 1 (noise).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogSnrRange {
    high: f64,
    low: f64,
}

impl LogSnrRange {
    /// From λ at data and at noise.
    ///
    /// ```
    /// use alphabar::vdm::LogSnrRange;
    ///
    /// let range = LogSnrRange::new(8.0, -6.0)?;
    /// assert_eq!((range.linear(0.5), range.smooth(0.5)), (1.0, 1.0));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless both are finite and the first is larger.
    pub fn new(high: f64, low: f64) -> Result<Self> {
        if high.is_finite() && low.is_finite() && high > low {
            return Ok(Self { high, low });
        }
        Err(Error::OutOfRange { name: "log SNR at noise", value: low, expected: "finite and below log SNR at data" })
    }

    /// λ(u), equally spaced.
    #[must_use]
    pub fn linear(&self, u: f64) -> f64 {
        self.high + (self.low - self.high) * u
    }

    /// λ(u) along `u²(3 − 2u)`: the same end points by another path.
    #[must_use]
    pub fn smooth(&self, u: f64) -> f64 {
        self.linear(u * u * (3.0 - 2.0 * u))
    }
}
