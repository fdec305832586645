//! Score, energy, Tweedie's formula, score matching and Langevin dynamics.
//!
//! Scalar forms: every formula here acts coordinate by coordinate except the divergence, which is the caller's.

use crate::error::{Error, Result};
use crate::posterior::Posterior;
use crate::schedule::{Level, Transition};

/// E[x₀ | x_t] from the marginal score.
///
/// ```text
/// E[x₀ | x_t] = (x_t + (1 − ᾱ) ∇ ln q(x_t))/√ᾱ
/// ```
///
/// With ∇ ln q(x_t | x₀) in place of the marginal score the result is x₀ itself.
/// Source: Efron 2011, eq. (2.8) (Tweedie); Luo 2022, arXiv:2208.11970v1, eq. (133),
/// which prints x₀ for its mean.
///
/// ```
/// use alphabar::{Schedule, Timestep, score::{denoising_target, tweedie_mean}};
///
/// let level = Schedule::ddpm().level(Timestep::new(500));
/// let xt = level.signal() * -1.5 + level.noise_std() * 0.6;
/// // With the score of q(x_t | x₀) it is x₀ itself.
/// assert!((tweedie_mean(level, xt, denoising_target(level, 0.6)) + 1.5).abs() < 1e-12);
/// ```
#[must_use]
pub fn tweedie_mean(level: Level, xt: f64, score: f64) -> f64 {
    (xt + level.one_minus_alpha_bar() * score) / level.signal()
}

/// Var[x₀ | x_t] from the second derivative of ln q(x_t).
///
/// ```text
/// Cov[x₀ | x_t] = (1 − ᾱ)/ᾱ · (I + (1 − ᾱ) ∇² ln q(x_t))
/// ```
///
/// Source: Efron 2011, sect. 2.
///
/// ```
/// use alphabar::{Schedule, Timestep, score::tweedie_variance};
///
/// let level = Schedule::ddpm().level(Timestep::new(500));
/// // x_t ~ N(0, 1) for unit Gaussian data: the second derivative is −1 and 1 − ᾱ stays unknown.
/// assert!((tweedie_variance(level, -1.0) - level.one_minus_alpha_bar()).abs() < 1e-12);
/// ```
#[must_use]
pub fn tweedie_variance(level: Level, hessian: f64) -> f64 {
    let noise = level.one_minus_alpha_bar();
    noise / level.alpha_bar() * (1.0 + noise * hessian)
}

/// E[x_s | x_t] from the marginal score: `(x_t + β ∇ ln q(x_t))/√α`.
///
/// With the conditional score it is the posterior mean given x₀.
/// Source: Luo 2022, arXiv:2208.11970v1, eq. (143).
///
/// ```
/// use alphabar::{Schedule, Timestep, score::reverse_mean};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// // Unit Gaussian data: the score is −x_t and the mean √α x_t.
/// assert!((reverse_mean(&step, 0.8, -0.8) - step.alpha().sqrt() * 0.8).abs() < 1e-12);
/// ```
#[must_use]
pub fn reverse_mean(step: &Transition, xt: f64, score: f64) -> f64 {
    (xt + step.beta() * score) / step.alpha().sqrt()
}

/// What denoising score matching regresses on: `∇ ln q(x_t | x₀) = −ε/√(1 − ᾱ)`.
///
/// Its conditional mean given x_t is the marginal score. Source: Vincent 2011, eq. (10).
///
/// ```
/// use alphabar::{Schedule, Timestep, score::denoising_target};
///
/// let level = Schedule::ddpm().level(Timestep::new(500));
/// assert_eq!(denoising_target(level, 0.6), -0.6 / level.noise_std());
/// ```
#[must_use]
pub fn denoising_target(level: Level, eps: f64) -> f64 {
    -eps / level.noise_std()
}

/// The integrand of implicit score matching: `‖s‖² + 2 ∇·s`, whose mean is the Fisher divergence up to a constant.
///
/// Source: Hyvärinen 2005, eq. (4) (times 2).
///
/// ```
/// use alphabar::score::implicit_loss;
///
/// // The model s(x) = −x at x = 2.
/// assert_eq!(implicit_loss(-2.0, -1.0), 2.0);
/// ```
#[must_use]
pub fn implicit_loss(score: f64, divergence: f64) -> f64 {
    score * score + 2.0 * divergence
}

/// What the bound pays per step for a network that knows the marginal score exactly.
///
/// ```text
/// E_{x₀ | x_t} KL(q(x_s | x_t, x₀) ‖ N(reverse_mean, β̃)) = ᾱ_s β² / (2 β̃ (1 − ᾱ_t)²) · tr Cov[x₀ | x_t]
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (8) with μ_θ the mean of μ̃ given x_t.
/// Infinite at s = 0, where β̃ = 0.
///
/// ```
/// use alphabar::{Schedule, Timestep, score::marginal_score_excess};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// assert_eq!(marginal_score_excess(&step, 0.0), 0.0);
/// assert!(marginal_score_excess(&step, 0.5) > 0.0);
/// ```
#[must_use]
pub fn marginal_score_excess(step: &Transition, posterior_trace: f64) -> f64 {
    let posterior = Posterior::new(step);
    posterior.x0 * posterior.x0 * posterior_trace / (2.0 * posterior.beta_tilde)
}

/// The score of a Boltzmann density `e^{−E}/Z`: `−∇E`.
///
/// Source: LeCun et al. 2006, "A tutorial on energy-based learning", eq. (3), differentiated.
///
/// ```
/// use alphabar::score::score_from_energy;
///
/// // E = ½x² at x = 3: the score of N(0, 1).
/// assert_eq!(score_from_energy(3.0), -3.0);
/// ```
#[must_use]
pub fn score_from_energy(gradient: f64) -> f64 {
    -gradient
}

/// One step of unadjusted Langevin dynamics: `x + ½σ² ∇ ln p(x) + σ z`.
///
/// Source: Roberts & Tweedie 1996; Welling & Teh 2011, eq. (3) with ε = σ².
///
/// ```
/// use alphabar::score::langevin_step;
///
/// // N(0, 1) at x = 1: score −1.
/// assert_eq!(langevin_step(1.0, -1.0, 0.5, 2.0), 1.0 - 0.125 + 1.0);
/// ```
#[must_use]
pub fn langevin_step(x: f64, score: f64, sigma: f64, z: f64) -> f64 {
    x + 0.5 * sigma * sigma * score + sigma * z
}

/// The variance that unadjusted Langevin settles to on a Gaussian of variance s²: `s²/(1 − σ²/(4 s²))`.
///
/// Source: the fixed point of v ← (1 − σ²/(2 s²))² v + σ², the variance under [`langevin_step`].
///
/// ```
/// use alphabar::score::langevin_variance;
///
/// assert!((langevin_variance(1.0, 0.5)? - 1.0667).abs() < 1e-4);
/// assert!(langevin_variance(1.0, 2.0).is_err());
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] unless 0 ≤ σ < 2 s, beyond which the iteration diverges.
pub fn langevin_variance(target_var: f64, sigma: f64) -> Result<f64> {
    let shrink = 1.0 - sigma * sigma / (4.0 * target_var);
    if sigma >= 0.0 && shrink > 0.0 {
        return Ok(target_var / shrink);
    }
    Err(Error::OutOfRange { name: "Langevin step", value: sigma, expected: "0 ≤ sigma < 2 standard deviations" })
}

/// ln of the Metropolis ratio for a Langevin proposal y from x, before the minimum with 0.
///
/// ```text
/// ln p(y) − ln p(x) + ln N(x; y + ½σ² s(y), σ²) − ln N(y; x + ½σ² s(x), σ²)
/// ```
///
/// Source: Roberts & Tweedie 1996, sect. 1.4.1 (MALA).
///
/// ```
/// use alphabar::score::{Proposal, metropolis_log_ratio};
///
/// let at = |x: f64| Proposal { x, log_density: -0.5 * x * x, score: -x };
/// // The way back has the inverse ratio.
/// let (there, back) = (metropolis_log_ratio(at(0.2), at(1.0), 0.6), metropolis_log_ratio(at(1.0), at(0.2), 0.6));
/// assert!((there + back).abs() < 1e-15);
/// ```
#[must_use]
pub fn metropolis_log_ratio(from: Proposal, to: Proposal, sigma: f64) -> f64 {
    let half = 0.5 * sigma * sigma;
    let back = from.x - to.x - half * to.score;
    let forth = to.x - from.x - half * from.score;
    to.log_density - from.log_density + (forth * forth - back * back) / (2.0 * sigma * sigma)
}

/// A point with its log density (up to a constant) and score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// Where.
    pub x: f64,
    /// ln p(x) up to a constant.
    pub log_density: f64,
    /// ∇ ln p(x).
    pub score: f64,
}

/// Velocity of the probability flow of the variance-preserving process at rate β: `−½β (x + ∇ ln q)`.
///
/// Source: Song et al. 2021, arXiv:2011.13456v2, eq. (13) with f = −½βx, g² = β.
///
/// ```
/// use alphabar::score::flow_velocity;
///
/// // N(0, 1) is at rest.
/// assert_eq!(flow_velocity(0.02, 0.7, -0.7), 0.0);
/// ```
#[must_use]
pub fn flow_velocity(beta: f64, x: f64, score: f64) -> f64 {
    -0.5 * beta * (x + score)
}

/// dx/dσ of the variance-exploding probability flow: `−σ ∇ ln q_σ`.
///
/// Source: Karras et al. 2022, arXiv:2206.00364v2, eq. (1) with σ(t) = t.
///
/// ```
/// use alphabar::score::exploding_flow_velocity;
///
/// assert_eq!(exploding_flow_velocity(2.0, -0.25), 0.5);
/// ```
#[must_use]
pub fn exploding_flow_velocity(sigma: f64, score: f64) -> f64 {
    -sigma * score
}
