//! Known wrong forms of importance-weighted bounds and of hierarchies of latents.

use std::f64::consts::{E, TAU};

use ndarray::{Array1, ArrayView1};

use crate::error::Result;
use crate::check::{Fault, Origin};
use crate::gaussian::log_density;
use crate::posterior::Moments;
use crate::vae::{Hierarchy, Kernel, importance_weighted_bound};

/// 1/k forgotten.
pub const SUM_OF_WEIGHTS: Fault = Fault {
    name: "sum_of_weights",
    sentence: "the importance-weighted bound is the logarithm of the sum of the weights where it is that of their mean",
    origin: Origin::Slip,
};

/// [`SUM_OF_WEIGHTS`].
///
/// # Errors
/// As the right one.
pub fn sum_of_weights(log_weights: ArrayView1<'_, f64>) -> Result<f64> {
    Ok(importance_weighted_bound(log_weights)? + (log_weights.len() as f64).ln())
}

/// Jensen on the wrong side.
pub const MEAN_OF_LOG_WEIGHTS: Fault = Fault {
    name: "mean_of_log_weights",
    sentence: "the importance-weighted bound is the mean of the logarithms: it does not rise with the number of samples",
    origin: Origin::Slip,
};

/// [`MEAN_OF_LOG_WEIGHTS`].
///
/// # Errors
/// None.
pub fn mean_of_log_weights(log_weights: ArrayView1<'_, f64>) -> Result<f64> {
    Ok(log_weights.sum() / log_weights.len() as f64)
}

/// The largest weight alone.
pub const LARGEST_WEIGHT: Fault = Fault {
    name: "largest_weight",
    sentence: "the importance-weighted bound is the largest log weight: the subtracted maximum is all that is left",
    origin: Origin::Slip,
};

/// [`LARGEST_WEIGHT`].
///
/// # Errors
/// None.
pub fn largest_weight(log_weights: ArrayView1<'_, f64>) -> Result<f64> {
    Ok(log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// p(z_T) forgotten.
pub const JOINT_WITHOUT_PRIOR: Fault = Fault {
    name: "joint_without_prior",
    sentence: "the joint of a hierarchy lacks the prior of its last level",
    origin: Origin::Slip,
};

/// [`JOINT_WITHOUT_PRIOR`].
///
/// # Errors
/// As the right one.
pub fn joint_without_prior(model: &Hierarchy, x: f64, z: ArrayView1<'_, f64>) -> Result<f64> {
    let prior = log_density(Moments { mean: 0.0, var: 1.0 }, z[z.len() - 1]);
    Ok(model.log_joint(x, z)? - prior)
}

/// Levels in reverse.
pub const LEVELS_REVERSED: Fault = Fault {
    name: "levels_reversed",
    sentence: "the latents are paired with the decoders in the opposite order",
    origin: Origin::Slip,
};

/// [`LEVELS_REVERSED`].
///
/// # Errors
/// As the right one.
pub fn levels_reversed(model: &Hierarchy, x: f64, z: ArrayView1<'_, f64>) -> Result<f64> {
    let z: Array1<f64> = z.iter().rev().copied().collect();
    // With one level there is nothing to reverse; the order of x and z is then exchanged.
    if z.len() == 1 { model.log_joint(z[0], ArrayView1::from(&[x])) } else { model.log_joint(x, z.view()) }
}

/// The encoder as decoder.
pub const ENCODER_AS_DECODER: Fault = Fault {
    name: "encoder_as_decoder",
    sentence: "the kernels of the encoder are used where those of the decoder were meant",
    origin: Origin::Slip,
};

/// [`ENCODER_AS_DECODER`].
///
/// # Errors
/// As the right one.
pub fn encoder_as_decoder(model: &Hierarchy, x: f64, z: ArrayView1<'_, f64>) -> Result<f64> {
    Hierarchy::new(model.encoders().to_vec(), model.encoders().to_vec())?.log_joint(x, z)
}

/// Marginal encoders in the entropy.
pub const MARGINAL_ENCODERS: Fault = Fault {
    name: "marginal_encoders",
    sentence: "the bound of a hierarchy has q(z_t | x) where q(z_t | z_{t−1}) was meant",
    origin: Origin::Slip,
};

/// [`MARGINAL_ENCODERS`].
#[must_use]
pub fn marginal_encoders(model: &Hierarchy, x: f64) -> f64 {
    let entropy = |var: f64| 0.5 * (var.ln());
    let laws = model.encoded(x);
    let change = |(t, kernel): (usize, &Kernel)| entropy(laws[t + 1].var) - entropy(kernel.var);
    // The first level's conditional is its marginal; with one level the variance is taken for a standard deviation.
    let extra: f64 = model.encoders().iter().enumerate().map(change).sum();
    if model.depth() == 1 { model.elbo(x) + entropy(laws[1].var) } else { model.elbo(x) + extra }
}

/// Encoder's terms left out.
pub const ENTROPY_LEFT_OUT: Fault = Fault {
    name: "entropy_left_out",
    sentence: "the bound of a hierarchy lacks −E ln q: what is left is the energy",
    origin: Origin::Slip,
};

/// [`ENTROPY_LEFT_OUT`].
#[must_use]
pub fn entropy_left_out(model: &Hierarchy, x: f64) -> f64 {
    let entropy = |k: &Kernel| 0.5 * (TAU * E * k.var).ln();
    model.elbo(x) - model.encoders().iter().map(entropy).sum::<f64>()
}

/// The path of means.
pub const BOUND_ALONG_THE_MEANS: Fault = Fault {
    name: "bound_along_the_means",
    sentence: "the bound of a hierarchy is evaluated along the noise-free path where it is an average over paths",
    origin: Origin::Slip,
};

/// [`BOUND_ALONG_THE_MEANS`].
#[must_use]
pub fn bound_along_the_means(model: &Hierarchy, x: f64) -> f64 {
    let path: Array1<f64> = model.encoded(x).iter().skip(1).map(|law| law.mean).collect();
    model.log_weight(x, path.view()).unwrap_or(f64::NAN)
}
