//! Known wrong formulas of the posterior q(x_s | x_t, x₀) and of the true reverse q(x_s | x_t).

use std::f64::consts::TAU;

use super::{Erratum, Fault, Numbers, Origin, Severity};
use crate::error::Result;
use crate::posterior::{
    Collection, Component, Moments, Posterior, Quadratic, posterior, quadratic, true_reverse, true_reverse_mixture,
};
use crate::schedule::{Level, Schedule, Timestep, Transition};

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E0.8",
        severity: Severity::Typo,
        rows: &["S0.45"],
        printed: "C(x_t, x_0) does not depend on x_t",
        correct: "C(x_t, x_0) does not depend on x_{t-1}; it does depend on x_t and x_0",
        numbers: &[Numbers {
            at: "linear, t = 500, x0 = 1: C(1, 1) if C did not depend on x_t, so that C(0, 1) would do",
            printed: || constant(0.0),
            correct: || constant(1.0),
            listed: (0.000_939_59, 99.1253),
            decimals: 4,
        }],
    },
    Erratum {
        id: "E0.9",
        severity: Severity::Typo,
        rows: &["S0.46"],
        printed: "a reference to \"Equation ??\"",
        correct: "a reference to equation (12)",
        numbers: &[],
    },
    Erratum {
        id: "E3.9",
        severity: Severity::Typo,
        rows: &["S3.42", "S3.46"],
        printed: "posterior variance and mean written with an overline, which already means the product",
        correct: "written with a tilde",
        numbers: &[],
    },
    Erratum {
        id: "E3.13",
        severity: Severity::Result,
        rows: &["S3.57"],
        printed: "factor √ᾱ_t (1 − ᾱ_{t−1})/(1 − ᾱ_t) on x_t",
        correct: "factor √α_t (1 − ᾱ_{t−1})/(1 − ᾱ_t) on x_t",
        numbers: &[Numbers {
            at: "linear, t = 500",
            printed: || root_alpha_bar_on_xt(&Schedule::ddpm().step(Timestep::new(500)), 0.0, 1.0).mean,
            correct: || posterior(&Schedule::ddpm().step(Timestep::new(500)), 0.0, 1.0).mean,
            listed: (0.280_092, 0.994_107),
            decimals: 6,
        }],
    },
];

fn constant(xt: f64) -> f64 {
    quadratic(&Schedule::ddpm().step(Timestep::new(500)), 1.0, xt, Collection::Collected)
        .map_or(f64::NAN, |q| q.constant)
}

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

/// √ᾱ_t for √α_t on x_t.
pub const ROOT_ALPHA_BAR_ON_XT: Fault = Fault {
    name: "root_alpha_bar_on_xt",
    sentence: "the factor of x_t in the posterior mean has √ᾱ_t where √α_t was meant",
    origin: Origin::Erratum("E3.13"),
};

/// [`ROOT_ALPHA_BAR_ON_XT`].
#[must_use]
pub fn root_alpha_bar_on_xt(step: &Transition, x0: f64, xt: f64) -> Moments {
    let p = Posterior::new(step);
    let wrong = step.t().signal() * step.s().one_minus_alpha_bar() / step.t().one_minus_alpha_bar();
    Posterior { xt: wrong, ..p }.at(x0, xt)
}

/// ᾱ_t for ᾱ_{t−1} on x₀.
pub const ALPHA_BAR_T_FOR_S_ON_X0: Fault = Fault {
    name: "alpha_bar_t_for_s_on_x0",
    sentence: "the factor of x₀ in the posterior mean has √ᾱ_t where √ᾱ_{t−1} was meant",
    origin: Origin::Shipped,
};

/// [`ALPHA_BAR_T_FOR_S_ON_X0`].
#[must_use]
pub fn alpha_bar_t_for_s_on_x0(step: &Transition, x0: f64, xt: f64) -> Moments {
    let p = Posterior::new(step);
    Posterior { x0: step.t().signal() * step.beta() / step.t().one_minus_alpha_bar(), ..p }.at(x0, xt)
}

/// A missing root on ᾱ_{t−1}.
pub const NO_ROOT_ON_ALPHA_BAR_S: Fault = Fault {
    name: "no_root_on_alpha_bar_s",
    sentence: "the factor of x₀ in the posterior mean has ᾱ_{t−1} where its root was meant",
    origin: Origin::Slip,
};

/// [`NO_ROOT_ON_ALPHA_BAR_S`].
#[must_use]
pub fn no_root_on_alpha_bar_s(step: &Transition, x0: f64, xt: f64) -> Moments {
    let p = Posterior::new(step);
    Posterior { x0: p.x0 * step.s().signal(), ..p }.at(x0, xt)
}

/// A missing root on α_t.
pub const NO_ROOT_ON_ALPHA: Fault = Fault {
    name: "no_root_on_alpha",
    sentence: "the factor of x_t in the posterior mean has α_t where its root was meant",
    origin: Origin::Slip,
};

/// [`NO_ROOT_ON_ALPHA`].
#[must_use]
pub fn no_root_on_alpha(step: &Transition, x0: f64, xt: f64) -> Moments {
    let p = Posterior::new(step);
    Posterior { xt: p.xt * step.alpha().sqrt(), ..p }.at(x0, xt)
}

/// Division by 1 − ᾱ_{t−1}.
pub const DENOMINATOR_OF_S: Fault = Fault {
    name: "denominator_of_s",
    sentence: "mean and variance of the posterior are divided by 1 − ᾱ_{t−1} where 1 − ᾱ_t was meant",
    origin: Origin::Slip,
};

/// [`DENOMINATOR_OF_S`].
#[must_use]
pub fn denominator_of_s(step: &Transition, x0: f64, xt: f64) -> Moments {
    let scale = step.t().one_minus_alpha_bar() / step.s().one_minus_alpha_bar();
    let right = posterior(step, x0, xt);
    Moments { mean: right.mean * scale, var: right.var * scale }
}

/// A minus between the two parts of the mean.
pub const MINUS_X0: Fault = Fault {
    name: "minus_x0",
    sentence: "the part of x₀ is subtracted from the posterior mean where it is added",
    origin: Origin::Slip,
};

/// [`MINUS_X0`].
#[must_use]
pub fn minus_x0(step: &Transition, x0: f64, xt: f64) -> Moments {
    posterior(step, -x0, xt)
}

/// √β̃ as a variance.
pub const POSTERIOR_STD_FOR_VAR: Fault = Fault {
    name: "posterior_std_for_var",
    sentence: "the posterior's standard deviation is returned where its variance was meant",
    origin: Origin::Slip,
};

/// [`POSTERIOR_STD_FOR_VAR`].
#[must_use]
pub fn posterior_std_for_var(step: &Transition, x0: f64, xt: f64) -> Moments {
    let right = posterior(step, x0, xt);
    Moments { var: right.var.sqrt(), ..right }
}

/// Everything in f32, 1 − ᾱ by subtraction.
pub const SINGLE_PRECISION_POSTERIOR: Fault = Fault {
    name: "single_precision_posterior",
    sentence: "the posterior is computed in f32 with 1 − ᾱ by subtraction, which loses four digits at small t",
    origin: Origin::Shipped,
};

/// [`SINGLE_PRECISION_POSTERIOR`].
#[must_use]
pub fn single_precision_posterior(step: &Transition, x0: f64, xt: f64) -> Moments {
    let (s, t) = (step.s().alpha_bar() as f32, step.t().alpha_bar() as f32);
    let beta = step.beta() as f32;
    let total = 1.0 - t;
    let mean = s.sqrt() * beta / total * x0 as f32 + (1.0 - beta).sqrt() * (1.0 - s) / total * xt as f32;
    Moments { mean: f64::from(mean), var: f64::from((1.0 - s) / total * beta) }
}

/// The prior's precision taken at t.
pub const PRIOR_PRECISION_AT_T: Fault = Fault {
    name: "prior_precision_at_t",
    sentence: "the collected square has 1/(1 − ᾱ_t) where 1/(1 − ᾱ_{t−1}) was meant",
    origin: Origin::Slip,
};

/// [`PRIOR_PRECISION_AT_T`].
///
/// # Errors
/// As the right one.
pub fn prior_precision_at_t(step: &Transition, x0: f64, xt: f64, line: Collection) -> Result<Quadratic> {
    let right = quadratic(step, x0, xt, line)?;
    let (s, t) = (step.s().one_minus_alpha_bar(), step.t().one_minus_alpha_bar());
    Ok(Quadratic { square: right.square - 1.0 / s + 1.0 / t, ..right })
}

/// The 2 of −2·linear counted twice.
pub const LINEAR_TERM_DOUBLED: Fault = Fault {
    name: "linear_term_doubled",
    sentence: "the factor of x_{t−1} is read as half the coefficient, with its 2 already inside: the mean is doubled",
    origin: Origin::Slip,
};

/// [`LINEAR_TERM_DOUBLED`].
///
/// # Errors
/// As the right one.
pub fn linear_term_doubled(step: &Transition, x0: f64, xt: f64, line: Collection) -> Result<Quadratic> {
    let right = quadratic(step, x0, xt, line)?;
    Ok(Quadratic { linear: 2.0 * right.linear, ..right })
}

/// α + 1 − α without −α ᾱ_{t−1}.
pub const PRODUCT_DROPPED_IN_NUMERATOR: Fault = Fault {
    name: "product_dropped_in_numerator",
    sentence: "the numerator α − α ᾱ_{t−1} + 1 − α loses its product and becomes 1 where 1 − ᾱ_t was meant",
    origin: Origin::Slip,
};

/// [`PRODUCT_DROPPED_IN_NUMERATOR`].
///
/// # Errors
/// As the right one.
pub fn product_dropped_in_numerator(step: &Transition, x0: f64, xt: f64, line: Collection) -> Result<Quadratic> {
    let right = quadratic(step, x0, xt, line)?;
    Ok(Quadratic { square: 1.0 / (step.beta() * step.s().one_minus_alpha_bar()), ..right })
}

/// C without the evidence.
pub const CONSTANT_WITHOUT_EVIDENCE: Fault = Fault {
    name: "constant_without_evidence",
    sentence: "C(x_t, x₀) lacks −(x_t − √ᾱ_t x₀)²/(1 − ᾱ_t): the exponent is that of the joint, not of the posterior",
    origin: Origin::Slip,
};

/// [`CONSTANT_WITHOUT_EVIDENCE`].
///
/// # Errors
/// As the right one.
pub fn constant_without_evidence(step: &Transition, x0: f64, xt: f64, line: Collection) -> Result<Quadratic> {
    let right = quadratic(step, x0, xt, line)?;
    let residual = xt - step.t().signal() * x0;
    Ok(Quadratic { constant: right.constant + residual * residual / step.t().one_minus_alpha_bar(), ..right })
}

/// C taken for independent of x_t.
pub const CONSTANT_FREE_OF_XT: Fault = Fault {
    name: "constant_free_of_xt",
    sentence: "C(x_t, x₀) is treated as free of x_t; it is free of x_{t−1}",
    origin: Origin::Erratum("E0.8"),
};

/// [`CONSTANT_FREE_OF_XT`].
///
/// # Errors
/// As the right one.
pub fn constant_free_of_xt(step: &Transition, x0: f64, xt: f64, line: Collection) -> Result<Quadratic> {
    let constant = quadratic(step, x0, 0.0, line)?.constant;
    Ok(Quadratic { constant, ..quadratic(step, x0, xt, line)? })
}

/// Constants of one dimension.
pub const ONE_DIMENSION_OF_CONSTANTS: Fault = Fault {
    name: "one_dimension_of_constants",
    sentence: "the normalising constant is that of one dimension whatever the number of entries",
    origin: Origin::Slip,
};

/// [`ONE_DIMENSION_OF_CONSTANTS`].
#[must_use]
pub fn one_dimension_of_constants(step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64]) -> f64 {
    density(step, x0, xt, xs, |var, squares, _| -0.5 * ((TAU * var).ln() + squares / var))
}

/// Standard deviation in the normaliser.
pub const STD_IN_LOG_NORMALISER: Fault = Fault {
    name: "std_in_log_normaliser",
    sentence: "the normalising constant has ln 2πσ where ln 2πσ² was meant",
    origin: Origin::Slip,
};

/// [`STD_IN_LOG_NORMALISER`].
#[must_use]
pub fn std_in_log_normaliser(step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64]) -> f64 {
    density(step, x0, xt, xs, |var, squares, d| -0.5 * (d * (TAU * var.sqrt()).ln() + squares / var))
}

/// The evidence multiplied.
pub const EVIDENCE_MULTIPLIED: Fault = Fault {
    name: "evidence_multiplied",
    sentence: "Bayes' ratio is multiplied by q(x_t | x₀) where it is divided by it",
    origin: Origin::Slip,
};

/// [`EVIDENCE_MULTIPLIED`].
#[must_use]
pub fn evidence_multiplied(step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64]) -> f64 {
    let var = step.t().one_minus_alpha_bar();
    let squares: f64 = x0.iter().zip(xt).map(|(x0, xt)| (xt - step.t().signal() * x0).powi(2)).sum();
    let evidence = -0.5 * (x0.len() as f64 * (TAU * var).ln() + squares / var);
    density(step, x0, xt, xs, |var, squares, d| -0.5 * (d * (TAU * var).ln() + squares / var)) + 2.0 * evidence
}

fn density(step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64], of: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let square = |((x0, xt), xs): ((&f64, &f64), &f64)| (xs - posterior(step, *x0, *xt).mean).powi(2);
    let squares: f64 = x0.iter().zip(xt).zip(xs).map(square).sum();
    of(Posterior::new(step).beta_tilde, squares, x0.len() as f64)
}

/// The joint of a deterministic sampler.
pub const DETERMINISTIC_JOINT: Fault = Fault {
    name: "deterministic_joint",
    sentence: "the joint of (x₀, x_{t−1}, x_t) is the deterministic one of DDIM: same marginals, but not Markov",
    origin: Origin::Slip,
};

/// [`DETERMINISTIC_JOINT`].
#[must_use]
pub fn deterministic_joint(step: &Transition, data_var: f64) -> [[f64; 3]; 3] {
    ddim_joint(step, data_var, 1.0)
}

/// The joint halfway between DDIM and the Markov chain.
pub const HALF_DETERMINISTIC_JOINT: Fault = Fault {
    name: "half_deterministic_joint",
    sentence: "the joint of (x₀, x_{t−1}, x_t) belongs to σ² = β̃/2: same marginals, but not Markov",
    origin: Origin::Slip,
};

/// [`HALF_DETERMINISTIC_JOINT`].
#[must_use]
pub fn half_deterministic_joint(step: &Transition, data_var: f64) -> [[f64; 3]; 3] {
    let posterior = Posterior::new(step);
    let share = 1.0 - 0.5 * posterior.beta_tilde / step.s().one_minus_alpha_bar();
    ddim_joint(step, data_var, share.sqrt())
}

/// Noises of s and t with the given correlation; the marginals do not change with it.
fn ddim_joint(step: &Transition, data_var: f64, correlation: f64) -> [[f64; 3]; 3] {
    let var = |level: Level| level.alpha_bar() * data_var + level.one_minus_alpha_bar();
    let (s, t) = (step.s(), step.t());
    let (a, b) = (s.signal() * data_var, t.signal() * data_var);
    let c = s.signal() * t.signal() * data_var + correlation * s.noise_std() * t.noise_std();
    [[data_var, a, b], [a, var(s), c], [b, c, var(t)]]
}

/// α for √α between neighbours.
pub const NO_ROOT_IN_COVARIANCE: Fault = Fault {
    name: "no_root_in_covariance",
    sentence: "the covariance of x_{t−1} and x_t has α_t where √α_t was meant",
    origin: Origin::Slip,
};

/// [`NO_ROOT_IN_COVARIANCE`].
#[must_use]
pub fn no_root_in_covariance(step: &Transition, data_var: f64) -> [[f64; 3]; 3] {
    let mut right = crate::posterior::joint_covariance(step, data_var);
    right[1][2] *= step.alpha().sqrt();
    right[2][1] = right[1][2];
    right
}

/// The posterior at the mean of x₀.
pub const REVERSE_VARIANCE_BETA_TILDE: Fault = Fault {
    name: "reverse_variance_beta_tilde",
    sentence: "the variance of q(x_{t−1} | x_t) is β̃: the uncertainty of x₀ is left out",
    origin: Origin::Slip,
};

/// [`REVERSE_VARIANCE_BETA_TILDE`].
#[must_use]
pub fn reverse_variance_beta_tilde(step: &Transition, data: Moments, xt: f64) -> Moments {
    Moments { var: Posterior::new(step).beta_tilde, ..true_reverse(step, data, xt) }
}

/// β as the reverse variance of data whose variance is not 1.
pub const REVERSE_VARIANCE_BETA: Fault = Fault {
    name: "reverse_variance_beta",
    sentence: "the variance of q(x_{t−1} | x_t) is β, which is right for data of variance 1 only",
    origin: Origin::Slip,
};

/// [`REVERSE_VARIANCE_BETA`].
#[must_use]
pub fn reverse_variance_beta(step: &Transition, data: Moments, xt: f64) -> Moments {
    Moments { var: step.beta(), ..true_reverse(step, data, xt) }
}

/// x₀ by division.
pub const REVERSE_WITHOUT_PRIOR: Fault = Fault {
    name: "reverse_without_prior",
    sentence: "x₀ in the reverse mean is x_t/√ᾱ_t, as if x_t held no noise",
    origin: Origin::Slip,
};

/// [`REVERSE_WITHOUT_PRIOR`].
#[must_use]
pub fn reverse_without_prior(step: &Transition, data: Moments, xt: f64) -> Moments {
    let mean = posterior(step, xt / step.t().signal(), xt).mean;
    Moments { mean, ..true_reverse(step, data, xt) }
}

/// Weights of the data kept.
pub const MIXTURE_WEIGHTS_KEPT: Fault = Fault {
    name: "mixture_weights_kept",
    sentence: "the components of q(x_{t−1} | x_t) keep the weights of the data: x_t says nothing about which one it is",
    origin: Origin::Slip,
};

/// [`MIXTURE_WEIGHTS_KEPT`].
#[must_use]
pub fn mixture_weights_kept(step: &Transition, data: &[Component], xt: f64) -> Vec<Component> {
    let mut right = true_reverse_mixture(step, data, xt);
    right.iter_mut().zip(data).for_each(|(r, d)| r.weight = d.weight);
    right
}

/// Responsibilities at the wrong time.
pub const MIXTURE_WEIGHTS_OF_S: Fault = Fault {
    name: "mixture_weights_of_s",
    sentence: "the weights of q(x_{t−1} | x_t) are found with the marginals of t − 1 where those of t were meant",
    origin: Origin::Slip,
};

/// [`MIXTURE_WEIGHTS_OF_S`].
#[must_use]
pub fn mixture_weights_of_s(step: &Transition, data: &[Component], xt: f64) -> Vec<Component> {
    let s = step.s();
    let share = |c: &Component| {
        let var = s.alpha_bar() * c.moments.var + s.one_minus_alpha_bar();
        c.weight * (-0.5 * (xt - s.signal() * c.moments.mean).powi(2) / var).exp() / var.sqrt()
    };
    let total: f64 = data.iter().map(share).sum();
    let mut right = true_reverse_mixture(step, data, xt);
    right.iter_mut().zip(data).for_each(|(r, d)| r.weight = share(d) / total);
    right
}

/// The mixture as one Gaussian.
pub const MIXTURE_AS_ONE_GAUSSIAN: Fault = Fault {
    name: "mixture_as_one_gaussian",
    sentence: "the data are replaced by the Gaussian of the same mean and variance before time is reversed",
    origin: Origin::Slip,
};

/// [`MIXTURE_AS_ONE_GAUSSIAN`].
#[must_use]
pub fn mixture_as_one_gaussian(step: &Transition, data: &[Component], xt: f64) -> Vec<Component> {
    let mean: f64 = data.iter().map(|c| c.weight * c.moments.mean).sum();
    let second: f64 = data.iter().map(|c| c.weight * (c.moments.var + c.moments.mean.powi(2))).sum();
    let moments = true_reverse(step, Moments { mean, var: second - mean * mean }, xt);
    vec![Component { weight: 1.0, moments }]
}

/// No information in x₀.
pub const INFORMATION_LEFT_OUT: Fault = Fault {
    name: "information_left_out",
    sentence: "the average divergence from the posterior is taken for that from the true reverse; it is larger by I(x_{t−1}; x₀ | x_t)",
    origin: Origin::Slip,
};

/// [`INFORMATION_LEFT_OUT`].
#[must_use]
pub fn information_left_out(_: &Transition, _: f64) -> f64 {
    0.0
}

/// A missing half.
pub const INFORMATION_WITHOUT_HALF: Fault = Fault {
    name: "information_without_half",
    sentence: "I(x_{t−1}; x₀ | x_t) lacks its factor ½",
    origin: Origin::Slip,
};

/// [`INFORMATION_WITHOUT_HALF`].
#[must_use]
pub fn information_without_half(step: &Transition, data_var: f64) -> f64 {
    2.0 * crate::posterior::conditional_information(step, data_var)
}

/// β for the reverse variance.
pub const INFORMATION_OF_BETA: Fault = Fault {
    name: "information_of_beta",
    sentence: "I(x_{t−1}; x₀ | x_t) is ½ ln(β/β̃), which is right for data of variance 1 only",
    origin: Origin::Slip,
};

/// [`INFORMATION_OF_BETA`].
#[must_use]
pub fn information_of_beta(step: &Transition, _: f64) -> f64 {
    0.5 * (step.beta() / Posterior::new(step).beta_tilde).ln()
}
