//! Known wrong forms of the completed square and of the posterior's density.

use std::f64::consts::TAU;

use crate::error::Result;
use crate::check::{Fault, Origin};
use crate::posterior::{Collection, Posterior, Quadratic, posterior, quadratic};
use crate::schedule::Transition;

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
