//! Known wrong forms of maximum likelihood.

use std::f64::consts::TAU;

use ndarray::ArrayView1;

use crate::error::Result;
use crate::check::{Fault, Origin};
use crate::posterior::Moments;
use crate::vae::{cross_entropy, gaussian_mle, mean_log_likelihood, negative_log_likelihood};

/// n − 1.
pub const VARIANCE_WITH_N_MINUS_ONE: Fault = Fault {
    name: "variance_with_n_minus_one",
    sentence: "the estimate divides by n − 1: unbiased, but not where the likelihood is highest",
    origin: Origin::Slip,
};

/// [`VARIANCE_WITH_N_MINUS_ONE`].
///
/// # Errors
/// As the right one.
pub fn variance_with_n_minus_one(data: ArrayView1<'_, f64>) -> Result<Moments> {
    let n = data.len() as f64;
    gaussian_mle(data).map(|right| Moments { var: right.var * n / (n - 1.0), ..right })
}

/// σ for σ².
pub const STD_ESTIMATE_FOR_VARIANCE: Fault = Fault {
    name: "std_estimate_for_variance",
    sentence: "the estimate of the standard deviation is returned where the variance was meant",
    origin: Origin::Slip,
};

/// [`STD_ESTIMATE_FOR_VARIANCE`].
///
/// # Errors
/// As the right one.
pub fn std_estimate_for_variance(data: ArrayView1<'_, f64>) -> Result<Moments> {
    gaussian_mle(data).map(|right| Moments { var: right.var.sqrt(), ..right })
}

/// Second moment for variance.
pub const SECOND_MOMENT_FOR_VARIANCE: Fault = Fault {
    name: "second_moment_for_variance",
    sentence: "the estimate of the variance is the mean square: the mean is not subtracted",
    origin: Origin::Slip,
};

/// [`SECOND_MOMENT_FOR_VARIANCE`].
///
/// # Errors
/// As the right one.
pub fn second_moment_for_variance(data: ArrayView1<'_, f64>) -> Result<Moments> {
    gaussian_mle(data).map(|right| Moments { var: right.var + right.mean * right.mean, ..right })
}

/// The negative log likelihood maximised.
pub const LIKELIHOOD_MINIMISED: Fault = Fault {
    name: "likelihood_minimised",
    sentence: "what training minimises is the log likelihood: the same as maximising the negative one",
    origin: Origin::Erratum("E0.3"),
};

/// [`LIKELIHOOD_MINIMISED`].
///
/// # Errors
/// As the right one.
pub fn likelihood_minimised(data: ArrayView1<'_, f64>, model: Moments) -> Result<f64> {
    mean_log_likelihood(data, model)
}

/// ln σ² without its half.
pub const LOG_VARIANCE_WITHOUT_HALF: Fault = Fault {
    name: "log_variance_without_half",
    sentence: "the negative log likelihood has ln σ² where ½ ln σ² was meant",
    origin: Origin::Slip,
};

/// [`LOG_VARIANCE_WITHOUT_HALF`].
///
/// # Errors
/// As the right one.
pub fn log_variance_without_half(data: ArrayView1<'_, f64>, model: Moments) -> Result<f64> {
    Ok(negative_log_likelihood(data, model)? + 0.5 * model.var.ln())
}

/// 2π forgotten.
pub const TWO_PI_FORGOTTEN: Fault = Fault {
    name: "two_pi_forgotten",
    sentence: "the negative log likelihood lacks ½ ln 2π: right for training, wrong as a number of nats",
    origin: Origin::Shipped,
};

/// [`TWO_PI_FORGOTTEN`].
///
/// # Errors
/// As the right one.
pub fn two_pi_forgotten(data: ArrayView1<'_, f64>, model: Moments) -> Result<f64> {
    Ok(negative_log_likelihood(data, model)? - 0.5 * TAU.ln())
}

/// The spread of the data forgotten.
pub const DATA_SPREAD_FORGOTTEN: Fault = Fault {
    name: "data_spread_forgotten",
    sentence: "the cross-entropy is taken at the mean of the data",
    origin: Origin::Slip,
};

/// [`DATA_SPREAD_FORGOTTEN`].
#[must_use]
pub fn data_spread_forgotten(data: Moments, model: Moments) -> f64 {
    cross_entropy(Moments { var: 0.0, ..data }, model)
}

/// Arguments exchanged.
pub const CROSS_ENTROPY_REVERSED: Fault = Fault {
    name: "cross_entropy_reversed",
    sentence: "data and model are exchanged in the cross-entropy",
    origin: Origin::Slip,
};

/// [`CROSS_ENTROPY_REVERSED`].
#[must_use]
pub fn cross_entropy_reversed(data: Moments, model: Moments) -> f64 {
    cross_entropy(model, data)
}

/// Entropy for cross-entropy.
pub const ENTROPY_OF_THE_MODEL: Fault = Fault {
    name: "entropy_of_the_model",
    sentence: "the cross-entropy is the model's own entropy: the data are not looked at",
    origin: Origin::Slip,
};

/// [`ENTROPY_OF_THE_MODEL`].
#[must_use]
pub fn entropy_of_the_model(_: Moments, model: Moments) -> f64 {
    cross_entropy(model, model)
}
