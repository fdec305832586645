//! Claims on the forward process: single kernels, whole paths, and the law of noised data.

pub mod faults;
mod kernel;
mod law;
mod path;
#[cfg(feature = "verify")]
pub(super) mod rows;

use super::evidence::short;
use super::log_uniform;
use super::witness::quadrature;
use crate::forward::Kernel;
use crate::schedule::{Betas, Schedule};

pub use kernel::{composition, marginal, push, step};
#[cfg(feature = "verify")]
pub use law::draws;
pub use law::{REFERENCE_MIXTURE, convolution, mixture_density, relative_entropy_to_gaussian};
pub use path::{covariance, expansion, path_density, path_mass, respacing};

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

fn chain(betas: &[f64]) -> Schedule {
    Schedule::new(Betas::new(betas.to_vec()).expect("drawn inside the valid range"))
}

/// Chains of one to eight steps, β log-uniform in (10⁻³, 0.6).
fn short_chain([u, v, w]: [f64; 3]) -> Schedule {
    let steps = 1 + (u * 8.0) as usize;
    let beta = |i: usize| log_uniform((v + w * i as f64).fract(), 1e-3, 0.6);
    chain(&(0..steps).map(beta).collect::<Vec<_>>())
}
