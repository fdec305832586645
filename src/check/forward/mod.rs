//! Claims on the forward process: single kernels, whole paths, and the law of noised data.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;
mod kernel;
mod law;
mod path;

use super::evidence::short;
use super::witness::quadrature;
use crate::forward::Kernel;

pub use kernel::{Step, composition, marginal, push, step_law, unit_variance};
pub use law::{
    REFERENCE_MIXTURE, chain_draws, convolution, mixture_density, relative_entropy_to_gaussian, repeated_convolution,
};
pub use path::{
    covariance, expansion, marginal_by_inversion, path_density, path_mass, respaced, transition,
    transition_between_levels,
};

/// A kernel as a place tells it: `N(0.8 x, 0.36)`.
fn channel(kernel: Kernel) -> String {
    format!("N({} x, {})", short(kernel.scale), short(kernel.var))
}

/// The trapezoidal rule; exact to rounding for integrands that are smooth and vanish at both ends, as soon as the
/// spacing is below half the width of their narrowest feature.
fn trapezoid(f: impl Fn(f64) -> f64, low: f64, high: f64, spacing: f64) -> f64 {
    quadrature::trapezoid(f, low, high, ((high - low) / spacing).ceil().max(1.0) as u32)
}

/// The density of N(mean, var) at y.
fn normal(y: f64, mean: f64, var: f64) -> f64 {
    let z = (y - mean) / var.sqrt();
    (-0.5 * z * z).exp() / (std::f64::consts::TAU * var).sqrt()
}
