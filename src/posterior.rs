//! The posterior q(x_s | x_t, x₀) of the forward process: what a denoiser that knew x₀ would do.

use ndarray::{Array, ArrayBase, Data, Dimension};

use crate::array::{self, Real};
use crate::error::{Error, Result};
use crate::schedule::Transition;

/// Mean and variance of a Gaussian with covariance `var · I`, per coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Mean, data units.
    pub mean: f64,
    /// Variance, data units².
    pub var: f64,
}

/// Factors of x₀ and x_t in the posterior mean, and the posterior variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// √ᾱ_s β / (1 − ᾱ_t), on x₀.
    pub x0: f64,
    /// √α (1 − ᾱ_s) / (1 − ᾱ_t), on x_t.
    pub xt: f64,
    /// β̃ = (1 − ᾱ_s)/(1 − ᾱ_t) · β.
    pub beta_tilde: f64,
}

impl Posterior {
    /// q(x_s | x_t, x₀) for the transition s → t; s = t − 1 gives the papers' form.
    ///
    /// ```text
    /// μ̃ = (√ᾱ_s β x₀ + √α (1 − ᾱ_s) x_t)/(1 − ᾱ_t)        β̃ = (1 − ᾱ_s)/(1 − ᾱ_t) · β
    /// ```
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (6), (7); ledger S0.51, S0.52, S1.32, S1.34, S2.18, S2.19,
    /// S3.41. For s = 0 the mean is x₀ and β̃ = 0 exactly.
    /// Accuracy: about 2 ε in each factor, given levels rounded once.
    #[must_use]
    pub fn new(step: &Transition) -> Self {
        let (s, t) = (step.s(), step.t());
        let total = t.one_minus_alpha_bar();
        let kept = s.one_minus_alpha_bar() / total;
        if s.one_minus_alpha_bar() <= 0.0 {
            return Self { x0: 1.0, xt: 0.0, beta_tilde: 0.0 };
        }
        Self {
            x0: s.signal() * (step.beta() / total),
            xt: step.alpha().sqrt() * kept,
            beta_tilde: kept * step.beta(),
        }
    }

    /// Mean and variance at one point.
    #[must_use]
    pub fn at(&self, x0: f64, xt: f64) -> Moments {
        Moments { mean: self.x0 * x0 + self.xt * xt, var: self.beta_tilde }
    }

    /// The mean for arrays of one shape.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the shapes differ.
    pub fn mean<A: Real, D: Dimension>(
        &self,
        x0: &ArrayBase<impl Data<Elem = A>, D>,
        xt: &ArrayBase<impl Data<Elem = A>, D>,
    ) -> Result<Array<A, D>> {
        array::combine(self.x0, x0, self.xt, xt)
    }
}

/// Mean and variance of q(x_s | x_t, x₀) at one point; see [`Posterior::new`].
#[must_use]
pub fn posterior(step: &Transition, x0: f64, xt: f64) -> Moments {
    Posterior::new(step).at(x0, xt)
}

/// ln β̃ with the convention that replaces the −∞ of the first step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LogVarianceClip {
    /// ln β̃_1 := ln β̃_2 (Ho et al.'s and guided-diffusion's code).
    CopySecond,
    /// ln max(β̃, floor) (diffusers: 10⁻²⁰).
    Floor(f64),
}

/// `ln β̃` of one step of a chain, with the first step's −∞ replaced.
///
/// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, sect. 3.1 (code); ledger B8. `second` is the transition that
/// leads to the second time of the chain.
///
/// # Errors
/// [`Error::OutOfRange`] if the floor is not positive.
pub fn log_variance_clipped(step: &Transition, second: &Transition, clip: LogVarianceClip) -> Result<f64> {
    let beta_tilde = Posterior::new(step).beta_tilde;
    match clip {
        LogVarianceClip::CopySecond if beta_tilde <= 0.0 => Ok(Posterior::new(second).beta_tilde.ln()),
        LogVarianceClip::CopySecond => Ok(beta_tilde.ln()),
        LogVarianceClip::Floor(floor) if floor > 0.0 => Ok(beta_tilde.max(floor).ln()),
        LogVarianceClip::Floor(value) => {
            Err(Error::OutOfRange { name: "floor of the posterior variance", value, expected: "above 0" })
        }
    }
}
