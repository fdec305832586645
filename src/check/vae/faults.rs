//! Known wrong formulas of latent variable models and of maximum likelihood.

use std::f64::consts::{E, TAU};

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::check::{Erratum, Numbers, Severity, wrong};
use crate::error::Result;
use crate::gaussian::{Gaussian, kl_full, log_density};
use crate::posterior::Moments;
use crate::vae::{
    EncoderGradient, FactorModel, Hierarchy, Kernel, cross_entropy, gaussian_mle, importance_weighted_bound,
    mean_log_likelihood, negative_log_likelihood,
};

wrong! {
    /// Wrong evidences of the linear-Gaussian model.
    pub EVIDENCES: fn(&FactorModel, ArrayView1<'_, f64>) -> Result<f64>;

    slip noise_std_for_var: "the evidence takes the decoder's standard deviation for its variance" =>
        |model, x| with_noise(model, model.noise_var().sqrt())?.log_evidence(x);
    slip evidence_at_the_best_latent:
        "the evidence is the joint at the most probable latent where it is the integral over all" =>
        |model, x| model.log_joint(x, model.posterior(x)?.mean().view());
    slip evidence_without_spread:
        "the evidence leaves out the spread of the latents: N(b, s² I) where N(b, W Wᵀ + s² I) was meant" =>
        |model, x| {
            let none = model.loading() * 0.0;
            FactorModel::new(none.view(), model.offset().view(), model.noise_var())?.log_evidence(x)
        };
}

wrong! {
    /// Wrong posteriors of its latents.
    pub POSTERIORS: fn(&FactorModel, ArrayView1<'_, f64>) -> Result<Gaussian>;

    slip posterior_of_noise_std:
        "the posterior of the latents takes the decoder's standard deviation for its variance" =>
        |model, x| with_noise(model, model.noise_var().sqrt())?.posterior(x);
    slip posterior_without_offset: "the posterior of the latents is computed from x where x − b was meant" =>
        |model, x| model.posterior((&x + &model.offset()).view());
    slip collapsed_posterior: "the posterior of the latents is the prior: x is not looked at" =>
        |model, _| prior(model);
}

wrong! {
    /// Wrong lower bounds of the evidence.
    pub BOUNDS: fn(&FactorModel, ArrayView1<'_, f64>, &Gaussian) -> Result<f64>;

    slip regulariser_added:
        "the divergence from the prior is added to the reconstruction term where it is subtracted" =>
        |model, x, q| Ok(model.elbo(x, q)? + 2.0 * kl_full(q, &prior(model)?)?);
    slip regulariser_reversed: "the regulariser is KL(prior ‖ q) where KL(q ‖ prior) was meant" =>
        |model, x, q| Ok(model.reconstruction(x, q)? - kl_full(&prior(model)?, q)?);
    shipped reconstruction_at_the_mean:
        "the reconstruction term is taken at the mean of q where it is an average over q" =>
        |model, x, q| {
            let loading = model.loading();
            let spread = loading.t().dot(&loading).dot(&q.cov()).diag().sum();
            Ok(model.elbo(x, q)? + 0.5 * spread / model.noise_var())
        };
    slip gap_added:
        "the divergence from the posterior is added to the evidence: an upper bound where a lower one was meant" =>
        |model, x, q| Ok(2.0 * model.log_evidence(x)? - model.elbo_from_gap(x, q)?);
}

wrong! {
    /// Wrong gradients that train an encoder.
    pub GRADIENTS: fn(&FactorModel, ArrayView1<'_, f64>, ArrayView1<'_, f64>, f64) -> Result<EncoderGradient>;

    slip gradient_without_prior: "the encoder's gradient lacks the pull of the prior on the mean" =>
        |model, x, mean, std| {
            let right = model.encoder_gradient(x, mean, std)?;
            Ok(EncoderGradient { mean: right.mean + mean, ..right })
        };
    slip gradient_in_std:
        "the derivative is taken in the standard deviation where its logarithm is the parameter" =>
        |model, x, mean, std| {
            let right = model.encoder_gradient(x, mean, std)?;
            Ok(EncoderGradient { log_std: right.log_std / std, ..right })
        };
    slip gradient_of_the_loss: "the gradient is that of the negative bound: ascent along it goes down" =>
        |model, x, mean, std| {
            let right = model.encoder_gradient(x, mean, std)?;
            Ok(EncoderGradient { mean: -right.mean, log_std: -right.log_std })
        };
}

wrong! {
    /// Wrong steps of coordinate ascent.
    pub ASCENTS: fn(&FactorModel, ArrayView2<'_, f64>) -> Result<FactorModel>;

    slip noise_per_row: "the new noise variance is the residual of a row where it is that of an entry" =>
        |model, data| {
            let right = model.em_step(data)?;
            with_noise(&right, right.noise_var() * model.dims() as f64)
        };
    slip offset_kept: "a step of ascent renews loading and noise but keeps the offset" =>
        |model, data| {
            let right = model.em_step(data)?;
            FactorModel::new(right.loading().view(), model.offset().view(), right.noise_var())
        };
    slip posterior_spread_forgotten:
        "the loading is the regression on posterior means: E z zᵀ lacks the posterior covariance" =>
        posterior_spread_forgotten;
}

wrong! {
    /// Wrong importance-weighted bounds.
    pub WEIGHTED: fn(ArrayView1<'_, f64>) -> Result<f64>;

    slip sum_of_weights:
        "the importance-weighted bound is the logarithm of the sum of the weights where it is that of their mean" =>
        |log_weights| Ok(importance_weighted_bound(log_weights)? + (log_weights.len() as f64).ln());
    slip mean_of_log_weights:
        "the importance-weighted bound is the mean of the logarithms: it does not rise with the number of samples" =>
        |log_weights| Ok(log_weights.sum() / log_weights.len() as f64);
    slip largest_weight:
        "the importance-weighted bound is the largest log weight: the subtracted maximum is all that is left" =>
        |log_weights| Ok(log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max));
}

wrong! {
    /// Wrong joint densities of a hierarchy.
    pub JOINTS: fn(&Hierarchy, f64, ArrayView1<'_, f64>) -> Result<f64>;

    slip joint_without_prior: "the joint of a hierarchy lacks the prior of its last level" =>
        |model, x, z| {
            let prior = log_density(Moments { mean: 0.0, var: 1.0 }, z[z.len() - 1]);
            Ok(model.log_joint(x, z)? - prior)
        };
    slip levels_reversed: "the latents are paired with the decoders in the opposite order" =>
        |model, x, z| {
            let z: Array1<f64> = z.iter().rev().copied().collect();
            // With one level there is nothing to reverse; the order of x and z is then exchanged.
            if z.len() == 1 { model.log_joint(z[0], ArrayView1::from(&[x])) } else { model.log_joint(x, z.view()) }
        };
    slip encoder_as_decoder: "the kernels of the encoder are used where those of the decoder were meant" =>
        |model, x, z| Hierarchy::new(model.encoders().to_vec(), model.encoders().to_vec())?.log_joint(x, z);
}

wrong! {
    /// Wrong bounds of a hierarchy.
    pub HIERARCHIES: fn(&Hierarchy, f64) -> f64;

    slip marginal_encoders: "the bound of a hierarchy has q(z_t | x) where q(z_t | z_{t−1}) was meant" =>
        |model, x| {
            let entropy = |var: f64| 0.5 * (var.ln());
            let laws = model.encoded(x);
            let change = |(t, kernel): (usize, &Kernel)| entropy(laws[t + 1].var) - entropy(kernel.var);
            // The first level's conditional is its marginal; with one level the variance is taken for a standard deviation.
            let extra: f64 = model.encoders().iter().enumerate().map(change).sum();
            if model.depth() == 1 { model.elbo(x) + entropy(laws[1].var) } else { model.elbo(x) + extra }
        };
    slip entropy_left_out: "the bound of a hierarchy lacks −E ln q: what is left is the energy" =>
        |model, x| {
            let entropy = |k: &Kernel| 0.5 * (TAU * E * k.var).ln();
            model.elbo(x) - model.encoders().iter().map(entropy).sum::<f64>()
        };
    slip bound_along_the_means:
        "the bound of a hierarchy is evaluated along the noise-free path where it is an average over paths" =>
        |model, x| {
            let path: Array1<f64> = model.encoded(x).iter().skip(1).map(|law| law.mean).collect();
            model.log_weight(x, path.view()).unwrap_or(f64::NAN)
        };
}

wrong! {
    /// Wrong estimates of mean and variance.
    pub ESTIMATES: fn(ArrayView1<'_, f64>) -> Result<Moments>;

    slip variance_with_n_minus_one:
        "the estimate divides by n − 1: unbiased, but not where the likelihood is highest" =>
        |data| {
            let n = data.len() as f64;
            gaussian_mle(data).map(|right| Moments { var: right.var * n / (n - 1.0), ..right })
        };
    slip std_estimate_for_variance:
        "the estimate of the standard deviation is returned where the variance was meant" =>
        |data| gaussian_mle(data).map(|right| Moments { var: right.var.sqrt(), ..right });
    slip second_moment_for_variance:
        "the estimate of the variance is the mean square: the mean is not subtracted" =>
        |data| gaussian_mle(data).map(|right| Moments { var: right.var + right.mean * right.mean, ..right });
}

wrong! {
    /// Wrong negative log likelihoods.
    pub LOSSES: fn(ArrayView1<'_, f64>, Moments) -> Result<f64>;

    erratum("E0.3") likelihood_minimised:
        "what training minimises is the log likelihood: the same as maximising the negative one" =>
        mean_log_likelihood;
    slip log_variance_without_half: "the negative log likelihood has ln σ² where ½ ln σ² was meant" =>
        |data, model| Ok(negative_log_likelihood(data, model)? + 0.5 * model.var.ln());
    shipped two_pi_forgotten:
        "the negative log likelihood lacks ½ ln 2π: right for training, wrong as a number of nats" =>
        |data, model| Ok(negative_log_likelihood(data, model)? - 0.5 * TAU.ln());
}

wrong! {
    /// Wrong cross-entropies.
    pub CROSS_ENTROPIES: fn(Moments, Moments) -> f64;

    slip data_spread_forgotten: "the cross-entropy is taken at the mean of the data" =>
        |data, model| cross_entropy(Moments { var: 0.0, ..data }, model);
    slip cross_entropy_reversed: "data and model are exchanged in the cross-entropy" =>
        |data, model| cross_entropy(model, data);
    slip entropy_of_the_model: "the cross-entropy is the model's own entropy: the data are not looked at" =>
        |_, model| cross_entropy(model, model);
}

fn with_noise(model: &FactorModel, noise_var: f64) -> Result<FactorModel> {
    FactorModel::new(model.loading().view(), model.offset().view(), noise_var)
}

fn prior(model: &FactorModel) -> Result<Gaussian> {
    Gaussian::new(Array1::zeros(model.latents()).view(), Array2::eye(model.latents()).view())
}

fn posterior_spread_forgotten(model: &FactorModel, data: ArrayView2<'_, f64>) -> Result<FactorModel> {
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
