//! DDIM steps with one mistake in them.

use super::{DDIM, edited, with_std};
use crate::check::{Fault, Origin};
use crate::error::Result;
use crate::plan::{Ddim, Plan, Route, Visit};
use crate::posterior::Posterior;
use crate::schedule::{Schedule, Timestep};

/// ᾱ_t for ᾱ_s.
pub const DDIM_SIGNAL_OF_T: Fault =
    Fault {
        name: "ddim_signal_of_t", sentence: "x̂₀ is scaled by √ᾱ_t where √ᾱ_{t−1} belongs", origin: Origin::Slip
    };

/// [`DDIM_SIGNAL_OF_T`].
///
/// # Errors
/// As the sampler it imitates.
pub fn ddim_signal_of_t(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    edited(DDIM.plan(route), |k, step| step.x0 = route.visits()[k].transition.t().signal())
}

fn ddim(
    route: &Route,
    eta: f64,
    std: impl Fn(&Visit) -> f64,
    direction: impl Fn(&Visit, f64) -> f64,
) -> Result<Plan> {
    let visits = route.visits();
    edited(Ddim { eta, ..DDIM }.plan(route), |k, step| {
        let std = std(&visits[k]);
        if eta > 0.0 && visits[k].target != Timestep::DATA {
            with_std(step, k, std);
        }
        step.out = direction(&visits[k], std);
    })
}

fn eta_root(visit: &Visit, eta: f64) -> f64 {
    eta * Posterior::new(&visit.transition).beta_tilde.sqrt()
}

/// σ forgotten under the root.
pub const DDIM_DIRECTION_WITHOUT_SIGMA: Fault = Fault {
    name: "ddim_direction_without_sigma",
    sentence: "the direction has √(1 − ᾱ_{t−1}) where √(1 − ᾱ_{t−1} − σ²) belongs, so the variance grows",
    origin: Origin::Slip,
};

/// [`DDIM_DIRECTION_WITHOUT_SIGMA`].
///
/// # Errors
/// As the sampler it imitates.
pub fn ddim_direction_without_sigma(route: &Route, eta: f64) -> Result<Plan> {
    ddim(route, eta, |visit| eta_root(visit, eta), |visit, _| visit.transition.s().noise_std())
}

/// σ for σ² under the root.
pub const DDIM_DIRECTION_WITH_STD: Fault = Fault {
    name: "ddim_direction_with_std",
    sentence: "the direction has √(1 − ᾱ_{t−1} − σ): the square of σ is forgotten",
    origin: Origin::Slip,
};

/// [`DDIM_DIRECTION_WITH_STD`].
///
/// # Errors
/// As the sampler it imitates.
pub fn ddim_direction_with_std(route: &Route, eta: f64) -> Result<Plan> {
    let kept = |visit: &Visit, std: f64| (visit.transition.s().one_minus_alpha_bar() - std).max(0.0).sqrt();
    ddim(route, eta, |visit| eta_root(visit, eta), kept)
}

/// β for β̃ in σ.
pub const DDIM_SIGMA_FROM_BETA: Fault =
    Fault { name: "ddim_sigma_from_beta", sentence: "σ is η√β where η√β̃ was meant", origin: Origin::Slip };

/// [`DDIM_SIGMA_FROM_BETA`].
///
/// # Errors
/// As the sampler it imitates.
pub fn ddim_sigma_from_beta(route: &Route, eta: f64) -> Result<Plan> {
    let std = |visit: &Visit| eta * visit.transition.beta().sqrt();
    let kept = |visit: &Visit, std: f64| (visit.transition.s().one_minus_alpha_bar() - std * std).max(0.0).sqrt();
    ddim(route, eta, std, kept)
}

/// η squared.
pub const DDIM_ETA_SQUARED: Fault =
    Fault { name: "ddim_eta_squared", sentence: "σ is η²√β̃ where η√β̃ was meant", origin: Origin::Slip };

/// [`DDIM_ETA_SQUARED`].
///
/// # Errors
/// As the sampler it imitates.
pub fn ddim_eta_squared(route: &Route, eta: f64) -> Result<Plan> {
    Ddim { eta: eta * eta, ..DDIM }.plan(route)
}
