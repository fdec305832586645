//! Known wrong formulas of the posterior q(x_s | x_t, x₀) and of the true reverse q(x_s | x_t).

mod reverse;
mod square;

use crate::check::{Wrong, wrong, Erratum, Fault, Numbers, Origin, Severity};
use crate::error::Result;
use crate::posterior::{Collection, LogVarianceClip, Moments, Posterior, log_variance_clipped, posterior, quadratic};
use crate::schedule::{Schedule, Timestep, Transition};

pub use reverse::{
    DETERMINISTIC_JOINT, HALF_DETERMINISTIC_JOINT, INFORMATION_LEFT_OUT, INFORMATION_OF_BETA,
    INFORMATION_WITHOUT_HALF, MIXTURE_AS_ONE_GAUSSIAN, MIXTURE_WEIGHTS_KEPT, MIXTURE_WEIGHTS_OF_S,
    NO_ROOT_IN_COVARIANCE, REVERSE_VARIANCE_BETA, REVERSE_VARIANCE_BETA_TILDE, REVERSE_WITHOUT_PRIOR,
    deterministic_joint, half_deterministic_joint, information_left_out, information_of_beta,
    information_without_half, mixture_as_one_gaussian, mixture_weights_kept, mixture_weights_of_s,
    no_root_in_covariance, reverse_variance_beta, reverse_variance_beta_tilde, reverse_without_prior,
};
pub use square::{
    CONSTANT_FREE_OF_XT, CONSTANT_WITHOUT_EVIDENCE, EVIDENCE_MULTIPLIED, LINEAR_TERM_DOUBLED,
    ONE_DIMENSION_OF_CONSTANTS, PRIOR_PRECISION_AT_T, PRODUCT_DROPPED_IN_NUMERATOR, STD_IN_LOG_NORMALISER,
    constant_free_of_xt, constant_without_evidence, evidence_multiplied, linear_term_doubled,
    one_dimension_of_constants, prior_precision_at_t, product_dropped_in_numerator, std_in_log_normaliser,
};

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
            printed: || {
                let wrong = Wrong::named(LAWS, "root_alpha_bar_on_xt");
                (wrong.f)(&Schedule::ddpm().step(Timestep::new(500)), 0.0, 1.0).mean
            },
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

wrong! {
    /// Wrong means and variances of q(x_s | x_t, x₀).
    pub LAWS: fn(&Transition, f64, f64) -> Moments;

    shipped beta_for_beta_tilde: "the posterior variance is β where β̃ = (1 − ᾱ_{t−1})/(1 − ᾱ_t)·β was meant" =>
        |step, x0, xt| Moments { var: step.beta(), ..posterior(step, x0, xt) };
    slip swapped_mean_factors: "the factors of x₀ and x_t in the posterior mean are exchanged" =>
        |step, x0, xt| Posterior::new(step).at(xt, x0);
    erratum("E3.13") root_alpha_bar_on_xt: "the factor of x_t in the posterior mean has √ᾱ_t where √α_t was meant" =>
        |step, x0, xt| {
            let wrong = step.t().signal() * step.s().one_minus_alpha_bar() / step.t().one_minus_alpha_bar();
            Posterior { xt: wrong, ..Posterior::new(step) }.at(x0, xt)
        };
    shipped alpha_bar_t_for_s_on_x0: "the factor of x₀ in the posterior mean has √ᾱ_t where √ᾱ_{t−1} was meant" =>
        |step, x0, xt| {
            let wrong = step.t().signal() * step.beta() / step.t().one_minus_alpha_bar();
            Posterior { x0: wrong, ..Posterior::new(step) }.at(x0, xt)
        };
    slip no_root_on_alpha_bar_s: "the factor of x₀ in the posterior mean has ᾱ_{t−1} where its root was meant" =>
        |step, x0, xt| {
            let p = Posterior::new(step);
            Posterior { x0: p.x0 * step.s().signal(), ..p }.at(x0, xt)
        };
    slip no_root_on_alpha: "the factor of x_t in the posterior mean has α_t where its root was meant" =>
        |step, x0, xt| {
            let p = Posterior::new(step);
            Posterior { xt: p.xt * step.alpha().sqrt(), ..p }.at(x0, xt)
        };
    slip denominator_of_s: "mean and variance of the posterior are divided by 1 − ᾱ_{t−1} where 1 − ᾱ_t was meant" =>
        |step, x0, xt| {
            let scale = step.t().one_minus_alpha_bar() / step.s().one_minus_alpha_bar();
            let right = posterior(step, x0, xt);
            Moments { mean: right.mean * scale, var: right.var * scale }
        };
    slip minus_x0: "the part of x₀ is subtracted from the posterior mean where it is added" =>
        |step, x0, xt| posterior(step, -x0, xt);
    slip posterior_std_for_var: "the posterior's standard deviation is returned where its variance was meant" =>
        |step, x0, xt| {
            let right = posterior(step, x0, xt);
            Moments { var: right.var.sqrt(), ..right }
        };
    shipped single_precision_posterior:
        "the posterior is computed in f32 with 1 − ᾱ by subtraction, which loses four digits at small t" =>
        |step, x0, xt| {
            let (s, t) = (step.s().alpha_bar() as f32, step.t().alpha_bar() as f32);
            let beta = step.beta() as f32;
            let total = 1.0 - t;
            let mean = s.sqrt() * beta / total * x0 as f32 + (1.0 - beta).sqrt() * (1.0 - s) / total * xt as f32;
            Moments { mean: f64::from(mean), var: f64::from((1.0 - s) / total * beta) }
        };
}

/// −∞ left in.
pub const LOG_VARIANCE_UNCLIPPED: Fault =
    Fault {
        name: "log_variance_unclipped", sentence: "ln β̃ of the first step is left at −∞", origin: Origin::Slip
    };

/// [`LOG_VARIANCE_UNCLIPPED`].
///
/// # Errors
/// None.
pub fn log_variance_unclipped(step: &Transition, _: &Transition, _: LogVarianceClip) -> Result<f64> {
    Ok(Posterior::new(step).beta_tilde.ln())
}

/// ln σ for ln σ².
pub const LOG_STD_FOR_LOG_VARIANCE: Fault =
    Fault {
        name: "log_std_for_log_variance", sentence: "ln √β̃: half of what was meant", origin: Origin::Shipped
    };

/// [`LOG_STD_FOR_LOG_VARIANCE`].
///
/// # Errors
/// As the right one.
pub fn log_std_for_log_variance(step: &Transition, second: &Transition, clip: LogVarianceClip) -> Result<f64> {
    log_variance_clipped(step, second, clip).map(|log| 0.5 * log)
}

/// ln β for ln β̃.
pub const LOG_BETA_FOR_LOG_BETA_TILDE: Fault = Fault {
    name: "log_beta_for_log_beta_tilde",
    sentence: "the log variance is ln β_t at every step where ln β̃_t was meant",
    origin: Origin::Shipped,
};

/// [`LOG_BETA_FOR_LOG_BETA_TILDE`].
///
/// # Errors
/// None.
pub fn log_beta_for_log_beta_tilde(step: &Transition, _: &Transition, _: LogVarianceClip) -> Result<f64> {
    Ok(step.beta().ln())
}

/// The first entry from β.
pub const FIRST_LOG_VARIANCE_FROM_BETA: Fault = Fault {
    name: "first_log_variance_from_beta",
    sentence: "the first log variance is ln β_1 where ln β̃_2 or the floor was meant",
    origin: Origin::Shipped,
};

/// [`FIRST_LOG_VARIANCE_FROM_BETA`].
///
/// # Errors
/// As the right one.
pub fn first_log_variance_from_beta(step: &Transition, second: &Transition, clip: LogVarianceClip) -> Result<f64> {
    let variance = Posterior::new(step).beta_tilde;
    if variance > 0.0 { log_variance_clipped(step, second, clip) } else { Ok(step.beta().ln()) }
}
