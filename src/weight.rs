//! Loss weights: what a squared error in one prediction is worth in another, in the bound, and in training.

use crate::error::{Error, Result};
use crate::prediction::{Prediction, conversion};
use crate::schedule::{Level, Transition};

/// The factor that turns a squared error of the network into the KL term of the bound.
///
/// ```text
/// KL(q(x_s | x_t, x₀) ‖ N(μ_θ, σ²)) = w ‖target − output‖² + C
///
/// x₀      ᾱ_s β²/(2σ² (1 − ᾱ_t)²)      = ½ (SNR_s − SNR_t) for σ² = β̃
/// ε       β²/(2σ² α (1 − ᾱ_t))
/// v       ᾱ_s β²/(2σ² (1 − ᾱ_t))
/// score   β²/(2σ² α)
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (12). The form for v follows by [`conversion`].
/// Units: per (unit of the prediction)².
///
/// ```
/// use alphabar::{Schedule, Timestep, prediction::Prediction, weight::kl_weight};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// let weight = kl_weight(Prediction::Epsilon, &step, step.beta())?;
/// assert!((weight - 0.005_503_43).abs() < 1e-8);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] unless σ² > 0; [`Error::Singular`] for ε and score at ᾱ_t = 0.
pub fn kl_weight(prediction: Prediction, step: &Transition, var: f64) -> Result<f64> {
    positive("reverse variance", var)?;
    let total = step.t().one_minus_alpha_bar();
    let needs_signal = matches!(prediction, Prediction::Epsilon | Prediction::Score);
    if needs_signal && step.alpha() <= 0.0 {
        let reason = "alpha_bar is 0 (zero terminal SNR); predict v or x0 instead";
        return Err(Error::Singular { what: "weight of a predicted noise or score", reason });
    }
    let common = step.beta() * step.beta() / (2.0 * var);
    Ok(match prediction {
        Prediction::X0 => common * step.s().alpha_bar() / (total * total),
        Prediction::Epsilon => common / (step.alpha() * total),
        Prediction::V => common * step.s().alpha_bar() / total,
        Prediction::Score => common / step.alpha(),
    })
}

/// The KL term's part that depends on the network: `w · Σ error²`, with the errors of all coordinates.
///
/// Source: as [`kl_weight`].
///
/// ```
/// use alphabar::{Schedule, Timestep, prediction::Prediction, weight::weighted_loss};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// let nats = weighted_loss(Prediction::Epsilon, &step, step.beta(), &[0.3, 0.4])?;
/// assert!((nats - 0.001_375_86).abs() < 1e-8);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// As [`kl_weight`].
pub fn weighted_loss(prediction: Prediction, step: &Transition, var: f64, errors: &[f64]) -> Result<f64> {
    Ok(kl_weight(prediction, step, var)? * errors.iter().map(|e| e * e).sum::<f64>())
}

/// How many squared errors of `to` one squared error of `from` makes.
///
/// ```text
/// ‖ε − ε̂‖² = SNR ‖x₀ − x̂₀‖²        ‖v − v̂‖² = (1 + SNR) ‖x₀ − x̂₀‖²        ‖s − ŝ‖² = SNR/(1 − ᾱ) ‖x₀ − x̂₀‖²
/// ```
///
/// Source: Salimans & Ho 2022, arXiv:2202.00512v2, sect. 4.
///
/// ```
/// use alphabar::{Level, prediction::Prediction, weight::loss_factor};
///
/// // SNR = 3.
/// let factor = loss_factor(Prediction::X0, Prediction::V, Level::from_alpha_bar(0.75)?)?;
/// assert!((factor - 4.0).abs() < 1e-14);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// As [`conversion`].
pub fn loss_factor(from: Prediction, to: Prediction, level: Level) -> Result<f64> {
    let map = conversion(from, to, level)?;
    Ok(map.value * map.value)
}

/// A training objective, by its weight on ‖x₀ − x̂₀‖² as a function of the noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weighting {
    /// SNR: every squared error of ε counts 1 (DDPM's simple loss).
    Snr,
    /// max(SNR, 1).
    TruncatedSnr,
    /// min(SNR, γ).
    MinSnr {
        /// γ, 5 in the paper.
        gamma: f64,
    },
    /// SNR + 1: every squared error of v counts 1.
    SnrPlusOne,
    /// 1: every squared error of x₀ counts 1.
    One,
    /// SNR/(k + SNR)^γ.
    P2 {
        /// k, 1 in the paper.
        k: f64,
        /// γ, 1 in the paper (0 is [`Weighting::Snr`]).
        gamma: f64,
    },
    /// SNR + 1/σ_data²: EDM's λ(σ) = (σ² + σ_data²)/(σ σ_data)² at σ² = 1/SNR.
    Edm {
        /// Standard deviation of the data.
        sigma_data: f64,
    },
}

impl Weighting {
    /// The weight on ‖x₀ − x̂₀‖² at one signal-to-noise ratio.
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (14); Salimans & Ho 2022, arXiv:2202.00512v2, sect. 4; Hang et
    /// al. 2023, arXiv:2303.09556v3, sect. 3.4; Choi et al. 2022, arXiv:2204.00227v1, eq. (8); Karras et al. 2022,
    /// arXiv:2206.00364v2, table 1.
    ///
    /// ```
    /// use alphabar::weight::Weighting;
    ///
    /// assert_eq!(Weighting::MinSnr { gamma: 5.0 }.on_x0(12.0), 5.0);
    /// ```
    #[must_use]
    pub fn on_x0(&self, snr: f64) -> f64 {
        match *self {
            Self::Snr => snr,
            Self::TruncatedSnr => snr.max(1.0),
            Self::MinSnr { gamma } => snr.min(gamma),
            Self::SnrPlusOne => snr + 1.0,
            Self::One => 1.0,
            Self::P2 { k, gamma } => snr / (k + snr).powf(gamma),
            Self::Edm { sigma_data } => snr + 1.0 / (sigma_data * sigma_data),
        }
    }

    /// The weight on the squared error of any prediction, the same objective for all of them.
    ///
    /// ```text
    /// min-SNR:   x₀ min(SNR, γ)        ε min(SNR, γ)/SNR        v min(SNR, γ)/(SNR + 1)
    /// ```
    ///
    /// Source: as [`Weighting::on_x0`] and [`loss_factor`].
    ///
    /// ```
    /// use alphabar::{Level, prediction::Prediction, weight::Weighting};
    ///
    /// // SNR = 3.
    /// let weight = Weighting::MinSnr { gamma: 5.0 }.on(Prediction::V, Level::from_alpha_bar(0.75)?)?;
    /// assert!((weight - 0.75).abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`conversion`].
    pub fn on(&self, prediction: Prediction, level: Level) -> Result<f64> {
        Ok(self.on_x0(level.snr()) * loss_factor(prediction, Prediction::X0, level)?)
    }
}

fn positive(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::OutOfRange { name, value, expected: "a positive number" })
}
