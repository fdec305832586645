//! The variance of the reverse step p_θ(x_s | x_t) = N(μ_θ, σ² I): fixed, learned or optimal, and what a choice costs.

use std::f64::consts::{E, PI};

use crate::error::{Error, Result};
use crate::posterior::{Moments, Posterior, posterior};
use crate::schedule::Transition;

/// The best variance once the mean is right: that of x_s given x_t, from what is left unknown of x₀.
///
/// ```text
/// σ*² = β̃ + ᾱ_s β²/(1 − ᾱ_t)² · V        V = (1/d) tr Cov[x₀ | x_t], or its mean over x_t
/// ```
///
/// With V at one x_t it is the law of total variance, Var(x_s | x_t) = β̃ + Var(μ̃ | x_t); with the mean of V it is
/// the number that makes the variational bound smallest (Analytic-DPM).
///
/// Source: Bao et al. 2022, arXiv:2201.06503v3, theorem 1 with λ² = β̃.
/// Units: data units². Accuracy: 4 ε, all terms are positive.
///
/// ```
/// use alphabar::{Schedule, Timestep, posterior::Posterior, variance::optimal_variance};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// // Nothing unknown of x₀: β̃.
/// assert_eq!(optimal_variance(&step, 0.0)?, Posterior::new(&step).beta_tilde);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] if V is negative or not finite.
pub fn optimal_variance(step: &Transition, x0_var: f64) -> Result<f64> {
    let x0_var = non_negative("variance of x0 given xt", x0_var)?;
    let posterior = Posterior::new(step);
    Ok(posterior.beta_tilde + posterior.x0 * posterior.x0 * x0_var)
}

/// [`optimal_variance`] from the mean square of the score, which a trained network estimates without more training.
///
/// ```text
/// σ*² = β/α · (1 − β Γ)        Γ = (1/d) E‖∇ log q(x_t)‖² ≤ 1/(1 − ᾱ_t)
/// ```
///
/// Source: Bao et al. 2022, arXiv:2201.06503v3, theorem 1, after inserting λ² = β̃ (the two printed terms collapse).
/// Accuracy: the difference loses 1/(1 − βΓ), largest at the first step.
///
/// ```
/// use alphabar::{Schedule, Timestep, variance::optimal_variance_from_score};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// // Unit Gaussian data: Γ = 1 and σ*² = β.
/// assert!((optimal_variance_from_score(&step, 1.0)? - step.beta()).abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] if Γ is negative or above 1/(1 − ᾱ_t) by more than rounding; [`Error::Singular`] at ᾱ_t = 0.
pub fn optimal_variance_from_score(step: &Transition, score_power: f64) -> Result<f64> {
    if step.alpha() <= 0.0 {
        let reason = "alpha is 0 (zero terminal SNR); use the form in x0";
        return Err(Error::Singular { what: "optimal variance from the score", reason });
    }
    let scaled = score_power * step.t().one_minus_alpha_bar();
    if !(0.0..=1.0 + 1e-6).contains(&scaled) {
        let expected = "from 0 to 1/(1 − alpha_bar), the value for a single point";
        return Err(Error::OutOfRange { name: "mean square of the score", value: score_power, expected });
    }
    Ok(step.beta() / step.alpha() * (1.0 - step.beta() * score_power))
}

/// The exact reverse variance for Gaussian data of coordinate variance v, an upper bound for any data of that variance.
///
/// ```text
/// σ*² = β̃ + ᾱ_s β²/(1 − ᾱ_t)² · v(1 − ᾱ_t)/(ᾱ_t v + 1 − ᾱ_t)        v = 0: β̃        v = 1: β
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, sect. 3.2 (the two extremes). For v > 1 it exceeds β.
///
/// ```
/// use alphabar::{Schedule, Timestep, variance::gaussian_variance};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// assert!((gaussian_variance(&step, 1.0)? - step.beta()).abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] if v is negative or not finite.
pub fn gaussian_variance(step: &Transition, data_var: f64) -> Result<f64> {
    let data_var = non_negative("data variance", data_var)?;
    let (kept, noise) = (step.t().alpha_bar(), step.t().one_minus_alpha_bar());
    optimal_variance(step, data_var * noise / (kept * data_var + noise))
}

/// An interval that holds the optimal variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Nothing is left unknown of x₀.
    pub low: f64,
    /// As much is unknown as the data's spread allows.
    pub high: f64,
}

/// What is known of the data's spread, per coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// Nothing.
    Any,
    /// The variance.
    Variance(f64),
    /// Every coordinate lies in an interval of this length (2 for images in [−1, 1]).
    Range(f64),
}

/// β̃ ≤ σ*² ≤ β/α, and less if the data's spread is known.
///
/// ```text
/// any data                  σ*² ≤ β/α
/// coordinate variance v     σ*² ≤ gaussian_variance(v), which is β for v = 1
/// interval of length r      σ*² ≤ β̃ + ᾱ_s β²/(1 − ᾱ_t)² · (r/2)²
/// ```
///
/// The entropy power e^{2h}/2πe of x_s given x_t lies between β̃ and σ*² ([`entropy_power`]).
///
/// Source: Bao et al. 2022, arXiv:2201.06503v3, theorem 2; Sohl-Dickstein et al. 2015, arXiv:1503.03585v8, eq. (19).
///
/// ```
/// use alphabar::{Schedule, Timestep, variance::{Spread, bounds}};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// let (any, unit) = (bounds(&step, Spread::Any)?, bounds(&step, Spread::Variance(1.0))?);
/// assert!(any.low < unit.high && unit.high < any.high);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] if a spread is negative or not finite.
pub fn bounds(step: &Transition, spread: Spread) -> Result<Bounds> {
    let low = Posterior::new(step).beta_tilde;
    let any = step.beta() / step.alpha();
    let high = match spread {
        Spread::Any => any,
        Spread::Variance(v) => gaussian_variance(step, v)?,
        Spread::Range(r) => optimal_variance(step, 0.25 * non_negative("data range", r)? * r)?.min(any),
    };
    Ok(Bounds { low, high })
}

/// The variance of the Gaussian with entropy h (nat) in one dimension: `e^{2h}/(2πe)`.
///
/// Source: Shannon 1948, sect. 21.
///
/// ```
/// use alphabar::variance::entropy_power;
///
/// // N(0, 4) has entropy ½ ln 2πe + ln 2.
/// let entropy = 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln() + 2f64.ln();
/// assert!((entropy_power(entropy) - 4.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn entropy_power(entropy: f64) -> f64 {
    (2.0 * entropy).exp() / (2.0 * PI * E)
}

/// The Gaussian closest to q(x_s | x_t) in KL(q ‖ p): the one with its mean and variance.
///
/// `x0` holds mean and variance of x₀ given x_t. Its distance from q(x_s | x_t) is O(β³).
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, sect. 3.2; Bao et al. 2022, arXiv:2201.06503v3, appendix A.3.
///
/// ```
/// use alphabar::{Schedule, Timestep, posterior::{Moments, posterior}, variance::best_gaussian};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// // x₀ known exactly: the posterior.
/// assert_eq!(best_gaussian(&step, 0.4, Moments { mean: 0.9, var: 0.0 })?, posterior(&step, 0.9, 0.4));
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] if the variance of x₀ is negative or not finite.
pub fn best_gaussian(step: &Transition, xt: f64, x0: Moments) -> Result<Moments> {
    Ok(Moments { mean: posterior(step, x0.mean, xt).mean, var: optimal_variance(step, x0.var)? })
}

/// A learned variance between β̃ and β, interpolated in the logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnedRange {
    /// ln β̃, clipped at the first step.
    pub log_low: f64,
    /// ln β.
    pub log_high: f64,
}

impl LearnedRange {
    /// The range of one step; `log_low` from [`crate::posterior::log_variance_clipped`].
    ///
    /// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, eq. (15).
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep, variance::LearnedRange};
    ///
    /// let step = Schedule::ddpm().step(Timestep::new(2));
    /// let range = LearnedRange::new(&step, 5.453e-5_f64.ln());
    /// assert_eq!(range.log_high, step.beta().ln());
    /// ```
    #[must_use]
    pub fn new(step: &Transition, log_low: f64) -> Self {
        Self { log_low, log_high: step.beta().ln() }
    }

    /// `exp(v ln β + (1 − v) ln β̃)`; v outside [0, 1] extrapolates, as networks do.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep, variance::LearnedRange};
    ///
    /// let step = Schedule::ddpm().step(Timestep::new(2));
    /// // v = 1 is β.
    /// let range = LearnedRange::new(&step, 5.453e-5_f64.ln());
    /// assert!((range.var(1.0) - step.beta()).abs() < 1e-15);
    /// ```
    #[must_use]
    pub fn var(&self, v: f64) -> f64 {
        (v * self.log_high + (1.0 - v) * self.log_low).exp()
    }

    /// v from a network's raw output, trained to lie in [−1, 1]: `(raw + 1)/2`.
    ///
    /// ```
    /// use alphabar::variance::LearnedRange;
    ///
    /// assert_eq!([-1.0, 0.0, 1.0].map(LearnedRange::fraction), [0.0, 0.5, 1.0]);
    /// ```
    #[must_use]
    pub fn fraction(raw: f64) -> f64 {
        0.5 * (raw + 1.0)
    }
}

/// What a variance σ² costs in the variational bound against the optimal σ*², nat per dimension and step.
///
/// ```text
/// ½ (σ*²/σ² − 1 − ln(σ*²/σ²)) ≥ 0
/// ```
///
/// Source: expectation of −ln N(x_s; μ*, σ²) under q. Summed over t ≥ 2 it is what β̃ costs for unit
/// Gaussian data: 0.464892 nat/dim on the linear schedule of T = 1000.
///
/// ```
/// use alphabar::variance::variance_cost;
///
/// assert_eq!(variance_cost(0.3, 0.3)?, 0.0);
/// assert!((variance_cost(2.0, 1.0)? - 0.5 * (2f64.ln() - 0.5)).abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] unless both are positive and finite.
pub fn variance_cost(var: f64, optimal: f64) -> Result<f64> {
    for (name, value) in [("variance", var), ("optimal variance", optimal)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(Error::OutOfRange { name, value, expected: "positive and finite" });
        }
    }
    let excess = (optimal - var) / var;
    Ok(0.5 * (excess - excess.ln_1p()))
}

fn non_negative(name: &'static str, value: f64) -> Result<f64> {
    if value >= 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(Error::OutOfRange { name, value, expected: "a finite number ≥ 0" })
}
