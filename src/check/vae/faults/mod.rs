//! Known wrong formulas of latent variable models and of maximum likelihood.

mod hierarchy;
mod likelihood;

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::check::{Erratum, Fault, Numbers, Origin, Severity};
use crate::error::Result;
use crate::gaussian::{Gaussian, kl_full};
use crate::posterior::Moments;
use crate::vae::{EncoderGradient, FactorModel, cross_entropy};

pub use hierarchy::{
    BOUND_ALONG_THE_MEANS, ENCODER_AS_DECODER, ENTROPY_LEFT_OUT, JOINT_WITHOUT_PRIOR, LARGEST_WEIGHT,
    LEVELS_REVERSED, MARGINAL_ENCODERS, MEAN_OF_LOG_WEIGHTS, SUM_OF_WEIGHTS, bound_along_the_means,
    encoder_as_decoder, entropy_left_out, joint_without_prior, largest_weight, levels_reversed, marginal_encoders,
    mean_of_log_weights, sum_of_weights,
};
pub use likelihood::{
    CROSS_ENTROPY_REVERSED, DATA_SPREAD_FORGOTTEN, ENTROPY_OF_THE_MODEL, LIKELIHOOD_MINIMISED,
    LOG_VARIANCE_WITHOUT_HALF, SECOND_MOMENT_FOR_VARIANCE, STD_ESTIMATE_FOR_VARIANCE, TWO_PI_FORGOTTEN,
    VARIANCE_WITH_N_MINUS_ONE, cross_entropy_reversed, data_spread_forgotten, entropy_of_the_model,
    likelihood_minimised, log_variance_without_half, second_moment_for_variance, std_estimate_for_variance,
    two_pi_forgotten, variance_with_n_minus_one,
};

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E0.2",
        severity: Severity::Typo,
        rows: &["S0.22"],
        printed: "the evidence l(θ) = log(x, θ), called a likelihood function",
        correct: "l(θ) = log p(x, θ), a log-likelihood",
        numbers: &[],
    },
    Erratum {
        id: "E0.3",
        severity: Severity::Result,
        rows: &["S0.26"],
        printed: "training maximises the negative log likelihood",
        correct: "training minimises it",
        numbers: &[Numbers {
            at: "data N(0, 1), model N(θ, 1), θ from {0, 10}: the value that training prefers",
            printed: || surprise(0.0).max(surprise(10.0)),
            correct: || surprise(0.0).min(surprise(10.0)),
            listed: (51.4189, 1.4189),
            decimals: 4,
        }],
    },
    Erratum {
        id: "E3.2",
        severity: Severity::Typo,
        rows: &["S3.15"],
        printed: "the log likelihood is defined as −E log p",
        correct: "−E log p is the negative log likelihood",
        numbers: &[],
    },
];

fn surprise(theta: f64) -> f64 {
    cross_entropy(Moments { mean: 0.0, var: 1.0 }, Moments { mean: theta, var: 1.0 })
}

fn with_noise(model: &FactorModel, noise_var: f64) -> Result<FactorModel> {
    FactorModel::new(model.loading().view(), model.offset().view(), noise_var)
}

/// s for s².
pub const NOISE_STD_FOR_VAR: Fault = Fault {
    name: "noise_std_for_var",
    sentence: "the evidence takes the decoder's standard deviation for its variance",
    origin: Origin::Slip,
};

/// [`NOISE_STD_FOR_VAR`].
///
/// # Errors
/// As the right one.
pub fn noise_std_for_var(model: &FactorModel, x: ArrayView1<'_, f64>) -> Result<f64> {
    with_noise(model, model.noise_var().sqrt())?.log_evidence(x)
}

/// The joint at its highest point.
pub const EVIDENCE_AT_THE_BEST_LATENT: Fault = Fault {
    name: "evidence_at_the_best_latent",
    sentence: "the evidence is the joint at the most probable latent where it is the integral over all",
    origin: Origin::Slip,
};

/// [`EVIDENCE_AT_THE_BEST_LATENT`].
///
/// # Errors
/// As the right one.
pub fn evidence_at_the_best_latent(model: &FactorModel, x: ArrayView1<'_, f64>) -> Result<f64> {
    model.log_joint(x, model.posterior(x)?.mean().view())
}

/// Latents ignored.
pub const EVIDENCE_WITHOUT_SPREAD: Fault = Fault {
    name: "evidence_without_spread",
    sentence: "the evidence leaves out the spread of the latents: N(b, s² I) where N(b, W Wᵀ + s² I) was meant",
    origin: Origin::Slip,
};

/// [`EVIDENCE_WITHOUT_SPREAD`].
///
/// # Errors
/// As the right one.
pub fn evidence_without_spread(model: &FactorModel, x: ArrayView1<'_, f64>) -> Result<f64> {
    let none = model.loading() * 0.0;
    FactorModel::new(none.view(), model.offset().view(), model.noise_var())?.log_evidence(x)
}

/// s for s² in the posterior.
pub const POSTERIOR_OF_NOISE_STD: Fault = Fault {
    name: "posterior_of_noise_std",
    sentence: "the posterior of the latents takes the decoder's standard deviation for its variance",
    origin: Origin::Slip,
};

/// [`POSTERIOR_OF_NOISE_STD`].
///
/// # Errors
/// As the right one.
pub fn posterior_of_noise_std(model: &FactorModel, x: ArrayView1<'_, f64>) -> Result<Gaussian> {
    with_noise(model, model.noise_var().sqrt())?.posterior(x)
}

/// b forgotten.
pub const POSTERIOR_WITHOUT_OFFSET: Fault = Fault {
    name: "posterior_without_offset",
    sentence: "the posterior of the latents is computed from x where x − b was meant",
    origin: Origin::Slip,
};

/// [`POSTERIOR_WITHOUT_OFFSET`].
///
/// # Errors
/// As the right one.
pub fn posterior_without_offset(model: &FactorModel, x: ArrayView1<'_, f64>) -> Result<Gaussian> {
    model.posterior((&x + &model.offset()).view())
}

/// The posterior is the prior.
pub const COLLAPSED_POSTERIOR: Fault = Fault {
    name: "collapsed_posterior",
    sentence: "the posterior of the latents is the prior: x is not looked at",
    origin: Origin::Slip,
};

/// [`COLLAPSED_POSTERIOR`].
///
/// # Errors
/// None.
pub fn collapsed_posterior(model: &FactorModel, _: ArrayView1<'_, f64>) -> Result<Gaussian> {
    prior(model)
}

fn prior(model: &FactorModel) -> Result<Gaussian> {
    Gaussian::new(Array1::zeros(model.latents()).view(), Array2::eye(model.latents()).view())
}

/// KL added.
pub const REGULARISER_ADDED: Fault = Fault {
    name: "regulariser_added",
    sentence: "the divergence from the prior is added to the reconstruction term where it is subtracted",
    origin: Origin::Slip,
};

/// [`REGULARISER_ADDED`].
///
/// # Errors
/// As the right one.
pub fn regulariser_added(model: &FactorModel, x: ArrayView1<'_, f64>, q: &Gaussian) -> Result<f64> {
    Ok(model.elbo(x, q)? + 2.0 * kl_full(q, &prior(model)?)?)
}

/// KL with exchanged arguments.
pub const REGULARISER_REVERSED: Fault = Fault {
    name: "regulariser_reversed",
    sentence: "the regulariser is KL(prior ‖ q) where KL(q ‖ prior) was meant",
    origin: Origin::Slip,
};

/// [`REGULARISER_REVERSED`].
///
/// # Errors
/// As the right one.
pub fn regulariser_reversed(model: &FactorModel, x: ArrayView1<'_, f64>, q: &Gaussian) -> Result<f64> {
    Ok(model.reconstruction(x, q)? - kl_full(&prior(model)?, q)?)
}

/// The decoder at the mean only.
pub const RECONSTRUCTION_AT_THE_MEAN: Fault = Fault {
    name: "reconstruction_at_the_mean",
    sentence: "the reconstruction term is taken at the mean of q where it is an average over q",
    origin: Origin::Shipped,
};

/// [`RECONSTRUCTION_AT_THE_MEAN`].
///
/// # Errors
/// As the right one.
pub fn reconstruction_at_the_mean(model: &FactorModel, x: ArrayView1<'_, f64>, q: &Gaussian) -> Result<f64> {
    let loading = model.loading();
    let spread = loading.t().dot(&loading).dot(&q.cov()).diag().sum();
    Ok(model.elbo(x, q)? + 0.5 * spread / model.noise_var())
}

/// The gap with the wrong sign.
pub const GAP_ADDED: Fault = Fault {
    name: "gap_added",
    sentence: "the divergence from the posterior is added to the evidence: an upper bound where a lower one was meant",
    origin: Origin::Slip,
};

/// [`GAP_ADDED`].
///
/// # Errors
/// As the right one.
pub fn gap_added(model: &FactorModel, x: ArrayView1<'_, f64>, q: &Gaussian) -> Result<f64> {
    Ok(2.0 * model.log_evidence(x)? - model.elbo_from_gap(x, q)?)
}

/// The prior's pull forgotten.
pub const GRADIENT_WITHOUT_PRIOR: Fault = Fault {
    name: "gradient_without_prior",
    sentence: "the encoder's gradient lacks the pull of the prior on the mean",
    origin: Origin::Slip,
};

/// [`GRADIENT_WITHOUT_PRIOR`].
///
/// # Errors
/// As the right one.
pub fn gradient_without_prior(
    model: &FactorModel,
    x: ArrayView1<'_, f64>,
    mean: ArrayView1<'_, f64>,
    std: f64,
) -> Result<EncoderGradient> {
    let right = model.encoder_gradient(x, mean, std)?;
    Ok(EncoderGradient { mean: right.mean + mean, ..right })
}

/// ∂/∂σ for ∂/∂ ln σ.
pub const GRADIENT_IN_STD: Fault = Fault {
    name: "gradient_in_std",
    sentence: "the derivative is taken in the standard deviation where its logarithm is the parameter",
    origin: Origin::Slip,
};

/// [`GRADIENT_IN_STD`].
///
/// # Errors
/// As the right one.
pub fn gradient_in_std(
    model: &FactorModel,
    x: ArrayView1<'_, f64>,
    mean: ArrayView1<'_, f64>,
    std: f64,
) -> Result<EncoderGradient> {
    let right = model.encoder_gradient(x, mean, std)?;
    Ok(EncoderGradient { log_std: right.log_std / std, ..right })
}

/// The sign of a loss.
pub const GRADIENT_OF_THE_LOSS: Fault = Fault {
    name: "gradient_of_the_loss",
    sentence: "the gradient is that of the negative bound: ascent along it goes down",
    origin: Origin::Slip,
};

/// [`GRADIENT_OF_THE_LOSS`].
///
/// # Errors
/// As the right one.
pub fn gradient_of_the_loss(
    model: &FactorModel,
    x: ArrayView1<'_, f64>,
    mean: ArrayView1<'_, f64>,
    std: f64,
) -> Result<EncoderGradient> {
    let right = model.encoder_gradient(x, mean, std)?;
    Ok(EncoderGradient { mean: -right.mean, log_std: -right.log_std })
}

/// Noise summed over dimensions.
pub const NOISE_PER_ROW: Fault = Fault {
    name: "noise_per_row",
    sentence: "the new noise variance is the residual of a row where it is that of an entry",
    origin: Origin::Slip,
};

/// [`NOISE_PER_ROW`].
///
/// # Errors
/// As the right one.
pub fn noise_per_row(model: &FactorModel, data: ArrayView2<'_, f64>) -> Result<FactorModel> {
    let right = model.em_step(data)?;
    with_noise(&right, right.noise_var() * model.dims() as f64)
}

/// b kept.
pub const OFFSET_KEPT: Fault = Fault {
    name: "offset_kept",
    sentence: "a step of ascent renews loading and noise but keeps the offset",
    origin: Origin::Slip,
};

/// [`OFFSET_KEPT`].
///
/// # Errors
/// As the right one.
pub fn offset_kept(model: &FactorModel, data: ArrayView2<'_, f64>) -> Result<FactorModel> {
    let right = model.em_step(data)?;
    FactorModel::new(right.loading().view(), model.offset().view(), right.noise_var())
}

/// E z zᵀ without the covariance.
pub const POSTERIOR_SPREAD_FORGOTTEN: Fault = Fault {
    name: "posterior_spread_forgotten",
    sentence: "the loading is the regression on posterior means: E z zᵀ lacks the posterior covariance",
    origin: Origin::Slip,
};

/// [`POSTERIOR_SPREAD_FORGOTTEN`].
///
/// # Errors
/// As the right one.
pub fn posterior_spread_forgotten(model: &FactorModel, data: ArrayView2<'_, f64>) -> Result<FactorModel> {
    let right = model.em_step(data)?;
    let (d, k) = (model.dims(), model.latents());
    let mut cross = DMatrix::zeros(d, k + 1);
    let mut second = DMatrix::zeros(k + 1, k + 1);
    for row in data.rows() {
        let mean = model.posterior(row)?.mean();
        let z = |j: usize| if j < k { mean[j] } else { 1.0 };
        cross += DMatrix::from_fn(d, k + 1, |i, j| row[i] * z(j));
        second += DMatrix::from_fn(k + 1, k + 1, |i, j| z(i) * z(j));
    }
    let inverse = second.try_inverse().unwrap_or_else(|| DMatrix::identity(k + 1, k + 1));
    let fitted = cross * inverse;
    let loading = Array2::from_shape_fn((d, k), |(i, j)| fitted[(i, j)]);
    FactorModel::new(loading.view(), right.offset().view(), right.noise_var())
}
