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
/// Source: Efron 2011, eq. (2.8) (Tweedie); Luo 2022, arXiv:2208.11970v1, eq. (133); ledger S1.60 (E1.3).
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
/// Source: Efron 2011, sect. 2; ledger B31.
#[must_use]
pub fn tweedie_variance(level: Level, hessian: f64) -> f64 {
    let noise = level.one_minus_alpha_bar();
    noise / level.alpha_bar() * (1.0 + noise * hessian)
}

/// E[x_s | x_t] from the marginal score: `(x_t + β ∇ ln q(x_t))/√α`.
///
/// With the conditional score it is the posterior mean given x₀.
/// Source: Luo 2022, arXiv:2208.11970v1, eq. (143); ledger S1.61 (E1.3).
#[must_use]
pub fn reverse_mean(step: &Transition, xt: f64, score: f64) -> f64 {
    (xt + step.beta() * score) / step.alpha().sqrt()
}

/// What denoising score matching regresses on: `∇ ln q(x_t | x₀) = −ε/√(1 − ᾱ)`.
///
/// Its conditional mean given x_t is the marginal score. Source: Vincent 2011, eq. (10); ledger S1.64 (E1.5), S2.45.
#[must_use]
pub fn denoising_target(level: Level, eps: f64) -> f64 {
    -eps / level.noise_std()
}

/// The integrand of implicit score matching: `‖s‖² + 2 ∇·s`, whose mean is the Fisher divergence up to a constant.
///
/// Source: Hyvärinen 2005, eq. (4) (times 2); ledger S2.44.
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
/// Source: ledger S1.63 (E1.4). Infinite at s = 0, where β̃ = 0.
#[must_use]
pub fn marginal_score_excess(step: &Transition, posterior_trace: f64) -> f64 {
    let posterior = Posterior::new(step);
    posterior.x0 * posterior.x0 * posterior_trace / (2.0 * posterior.beta_tilde)
}

/// The score of a Boltzmann density `e^{−E}/Z`: `−∇E`. Source: ledger S2.42, S2.43.
#[must_use]
pub fn score_from_energy(gradient: f64) -> f64 {
    -gradient
}

/// One step of unadjusted Langevin dynamics: `x + ½σ² ∇ ln p(x) + σ z`.
///
/// Source: Roberts & Tweedie 1996; Welling & Teh 2011, eq. (3) with ε = σ²; ledger S2.46, S2.48.
#[must_use]
pub fn langevin_step(x: f64, score: f64, sigma: f64, z: f64) -> f64 {
    x + 0.5 * sigma * sigma * score + sigma * z
}

/// The variance that unadjusted Langevin settles to on a Gaussian of variance s²: `s²/(1 − σ²/(4 s²))`.
///
/// Source: ledger S2.46, A2.3.
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
/// Source: Roberts & Tweedie 1996, sect. 1.4.1 (MALA); ledger S2.50, B29.
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
/// Source: Song et al. 2021, arXiv:2011.13456v2, eq. (13) with f = −½βx, g² = β; ledger B17.
#[must_use]
pub fn flow_velocity(beta: f64, x: f64, score: f64) -> f64 {
    -0.5 * beta * (x + score)
}

/// dx/dσ of the variance-exploding probability flow: `−σ ∇ ln q_σ`.
///
/// Source: Karras et al. 2022, arXiv:2206.00364v2, eq. (1) with σ(t) = t; ledger B13.
#[must_use]
pub fn exploding_flow_velocity(sigma: f64, score: f64) -> f64 {
    -sigma * score
}
