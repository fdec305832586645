//! Known wrong formulas of the posterior q(x_s | x_t, x₀).

use super::{Erratum, Fault, Origin};
use crate::posterior::{Moments, Posterior, posterior};
use crate::schedule::Transition;

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[];

/// β in place of β̃.
pub const BETA_FOR_BETA_TILDE: Fault = Fault {
    name: "beta_for_beta_tilde",
    sentence: "the posterior variance is β where β̃ = (1 − ᾱ_{t−1})/(1 − ᾱ_t)·β was meant",
    origin: Origin::Shipped,
};

/// [`BETA_FOR_BETA_TILDE`].
#[must_use]
pub fn beta_for_beta_tilde(step: &Transition, x0: f64, xt: f64) -> Moments {
    Moments { var: step.beta(), ..posterior(step, x0, xt) }
}

/// The factors of x₀ and x_t exchanged.
pub const SWAPPED_MEAN_FACTORS: Fault = Fault {
    name: "swapped_mean_factors",
    sentence: "the factors of x₀ and x_t in the posterior mean are exchanged",
    origin: Origin::Slip,
};

/// [`SWAPPED_MEAN_FACTORS`].
#[must_use]
pub fn swapped_mean_factors(step: &Transition, x0: f64, xt: f64) -> Moments {
    Posterior::new(step).at(xt, x0)
}
