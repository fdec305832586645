//! Known wrong formulas of relative entropies, entropies and the discretised likelihood.

mod decoder;

use ndarray::{Array1, Array2};

use crate::check::{Erratum, Fault, Numbers, Origin, Severity};
use crate::error::Result;
use crate::gaussian::{Gaussian, Split, kl, kl_full};
use crate::posterior::{Moments, Posterior};
use crate::schedule::{Schedule, Timestep};

pub use decoder::{
    BINS_SHIFTED_BY_HALF, DENSITY_TIMES_WIDTH, ENTROPY_IN_BITS, ENTROPY_OF_STD, ENTROPY_WITHOUT_E,
    NAIVE_CDF_DIFFERENCE, OUTER_BINS_FINITE, bins_shifted_by_half, density_times_width, entropy_in_bits,
    entropy_of_std, entropy_without_e, naive_cdf_difference, outer_bins_finite,
};

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E0.11",
        severity: Severity::Result,
        rows: &["S0.55"],
        printed: "½ ln(σ/σ̃) + (σ̃² + ‖μ̃ − μ‖²)/(2σ²) − ½ for vectors",
        correct: "d ln(σ/σ̃) + (d σ̃² + ‖μ̃ − μ‖²)/(2σ²) − d/2",
        numbers: &[
            Numbers {
                at: "linear, t = 2, equal means, σ² = β, d = 1",
                printed: || half_log_and_no_dimension(beta_tilde_2(), beta_2(), 0.0, 1),
                correct: || split(beta_tilde_2(), beta_2(), 1),
                listed: (-0.075_622, 0.121_387),
                decimals: 6,
            },
            Numbers {
                at: "linear, t = 2, equal means, σ² = β, d = 3072",
                printed: || half_log_and_no_dimension(beta_tilde_2(), beta_2(), 0.0, 3072),
                correct: || split(beta_tilde_2(), beta_2(), 3072),
                listed: (-0.075_622, 372.90),
                decimals: 2,
            },
            Numbers {
                at: "equal means, σ = 2σ̃",
                printed: || half_log_and_no_dimension(1.0, 4.0, 0.0, 1),
                correct: || split(1.0, 4.0, 1),
                listed: (-0.028_426, 0.318_147),
                decimals: 6,
            },
        ],
    },
    Erratum {
        id: "E1.2",
        severity: Severity::Typo,
        rows: &["S1.47", "S1.49"],
        printed: "(μ_θ − μ_q) Σ⁻¹ (μ_θ − μ_q), whose shapes do not multiply",
        correct: "(μ_θ − μ_q)ᵀ Σ⁻¹ (μ_θ − μ_q)",
        numbers: &[],
    },
    Erratum {
        id: "E2.4",
        severity: Severity::Result,
        rows: &["S2.24"],
        printed: "ln of (σ₂/σ₁ + (σ₁² + (μ₁ − μ₂)²)/(2σ₂²) − ½)",
        correct: "ln(σ₂/σ₁) + (σ₁² + (μ₁ − μ₂)²)/(2σ₂²) − ½",
        numbers: &[
            Numbers {
                at: "N(0, 1) from N(0, 4)",
                printed: || log_of_everything(normal(0.0, 1.0), normal(0.0, 4.0)),
                correct: || kl(normal(0.0, 1.0), normal(0.0, 4.0)),
                listed: (0.485_508, 0.318_147),
                decimals: 6,
            },
            Numbers {
                at: "N(0, 1) from N(1.5, 4)",
                printed: || log_of_everything(normal(0.0, 1.0), normal(1.5, 4.0)),
                correct: || kl(normal(0.0, 1.0), normal(1.5, 4.0)),
                listed: (0.645_138, 0.599_397),
                decimals: 6,
            },
        ],
    },
];

const fn normal(mean: f64, var: f64) -> Moments {
    Moments { mean, var }
}

fn beta_2() -> f64 {
    Schedule::ddpm().beta(Timestep::new(2))
}

fn beta_tilde_2() -> f64 {
    Posterior::new(&Schedule::ddpm().step(Timestep::new(2))).beta_tilde
}

fn split(p_var: f64, q_var: f64, dims: usize) -> f64 {
    Split::new(p_var, q_var, 0.0, dims).map_or(f64::NAN, |s| s.total())
}

/// The logarithm swallows the whole formula.
pub const LOG_OF_EVERYTHING: Fault = Fault {
    name: "log_of_everything",
    sentence: "the logarithm of the relative entropy encloses the whole formula where only σ₂/σ₁ was meant",
    origin: Origin::Erratum("E2.4"),
};

/// [`LOG_OF_EVERYTHING`].
#[must_use]
pub fn log_of_everything(p: Moments, q: Moments) -> f64 {
    ((q.var / p.var).sqrt() + (p.var + (p.mean - q.mean).powi(2)) / (2.0 * q.var) - 0.5).ln()
}

/// Arguments exchanged.
pub const REVERSED_KL: Fault = Fault {
    name: "reversed_kl",
    sentence: "the two Gaussians are exchanged: D(q ‖ p) where D(p ‖ q) was meant",
    origin: Origin::Slip,
};

/// [`REVERSED_KL`].
#[must_use]
pub fn reversed_kl(p: Moments, q: Moments) -> f64 {
    kl(q, p)
}

/// Variances in the logarithm without the half.
pub const VARIANCE_RATIO_IN_LOG: Fault = Fault {
    name: "variance_ratio_in_log",
    sentence: "the logarithm has the ratio of variances where that of standard deviations was meant",
    origin: Origin::Slip,
};

/// [`VARIANCE_RATIO_IN_LOG`].
#[must_use]
pub fn variance_ratio_in_log(p: Moments, q: Moments) -> f64 {
    (q.var / p.var).ln() + (p.var + (p.mean - q.mean).powi(2)) / (2.0 * q.var) - 0.5
}

/// −½ forgotten.
pub const MINUS_HALF_FORGOTTEN: Fault = Fault {
    name: "minus_half_forgotten",
    sentence: "the relative entropy lacks its −½ and is not zero for equal Gaussians",
    origin: Origin::Slip,
};

/// [`MINUS_HALF_FORGOTTEN`].
#[must_use]
pub fn minus_half_forgotten(p: Moments, q: Moments) -> f64 {
    kl(p, q) + 0.5
}

/// The sign of the logarithm.
pub const LOG_RATIO_INVERTED: Fault = Fault {
    name: "log_ratio_inverted",
    sentence: "the logarithm has σ₁/σ₂ where σ₂/σ₁ was meant",
    origin: Origin::Slip,
};

/// [`LOG_RATIO_INVERTED`].
#[must_use]
pub fn log_ratio_inverted(p: Moments, q: Moments) -> f64 {
    kl(p, q) - (q.var / p.var).ln()
}

/// The review note's form for vectors.
pub const HALF_LOG_AND_NO_DIMENSION: Fault = Fault {
    name: "half_log_and_no_dimension",
    sentence: "the relative entropy of vectors has ½ ln(σ/σ̃), σ̃² and ½ where d ln(σ/σ̃), d σ̃² and d/2 were meant",
    origin: Origin::Erratum("E0.11"),
};

/// [`HALF_LOG_AND_NO_DIMENSION`].
#[must_use]
pub fn half_log_and_no_dimension(p_var: f64, q_var: f64, squares: f64, _: usize) -> f64 {
    0.5 * (0.5 * (q_var / p_var).ln()) + (p_var + squares) / (2.0 * q_var) - 0.5
}

/// d forgotten, the rest right.
pub const DIMENSION_FORGOTTEN: Fault = Fault {
    name: "dimension_forgotten",
    sentence: "the part of the relative entropy that comes from the variances is counted once and not d times",
    origin: Origin::Slip,
};

/// [`DIMENSION_FORGOTTEN`].
#[must_use]
pub fn dimension_forgotten(p_var: f64, q_var: f64, squares: f64, _: usize) -> f64 {
    split(p_var, q_var, 1) + squares / (2.0 * q_var)
}

/// Mean over entries.
pub const MEAN_OVER_ENTRIES: Fault = Fault {
    name: "mean_over_entries",
    sentence: "the squared distance of the means is averaged over the entries where it is summed",
    origin: Origin::Shipped,
};

/// [`MEAN_OVER_ENTRIES`].
#[must_use]
pub fn mean_over_entries(p_var: f64, q_var: f64, squares: f64, dims: usize) -> f64 {
    split(p_var, q_var, dims) + squares / (2.0 * q_var * dims as f64)
}

/// 2σ² as σ².
pub const NO_TWO_UNDER_THE_SQUARE: Fault = Fault {
    name: "no_two_under_the_square",
    sentence: "the squared distance of the means is divided by σ² where 2σ² was meant",
    origin: Origin::Slip,
};

/// [`NO_TWO_UNDER_THE_SQUARE`].
#[must_use]
pub fn no_two_under_the_square(p_var: f64, q_var: f64, squares: f64, dims: usize) -> f64 {
    split(p_var, q_var, dims) + squares / q_var
}

/// The constant of the bound left out.
pub const CONSTANT_LEFT_OUT: Fault =
    Fault {
        name: "constant_left_out", sentence: "C is taken to be 0 although σ² is not β̃", origin: Origin::Slip
    };

/// [`CONSTANT_LEFT_OUT`].
#[must_use]
pub fn constant_left_out(_: f64, q_var: f64, squares: f64, _: usize) -> f64 {
    squares / (2.0 * q_var)
}

/// The constant with the variances exchanged.
pub const CONSTANT_INVERTED: Fault =
    Fault { name: "constant_inverted", sentence: "C has σ² and β̃ exchanged", origin: Origin::Slip };

/// [`CONSTANT_INVERTED`].
#[must_use]
pub fn constant_inverted(p_var: f64, q_var: f64, squares: f64, dims: usize) -> f64 {
    split(q_var, p_var, dims) + squares / (2.0 * q_var)
}

/// σ for σ² against the standard normal.
pub const STD_FOR_VAR_AGAINST_STANDARD: Fault = Fault {
    name: "std_for_var_against_standard",
    sentence: "the regulariser ½ Σ(μ² + σ² − 1 − ln σ²) is fed standard deviations for variances",
    origin: Origin::Shipped,
};

/// [`STD_FOR_VAR_AGAINST_STANDARD`].
#[must_use]
pub fn std_for_var_against_standard(mean: &[f64], var: &[f64]) -> f64 {
    standard(mean, var, |m, v| m * m + v.sqrt() - 1.0 - v.sqrt().ln())
}

/// ln σ for ln σ².
pub const LOG_STD_IN_REGULARISER: Fault = Fault {
    name: "log_std_in_regulariser",
    sentence: "the regulariser has ln σ where ln σ² was meant",
    origin: Origin::Slip,
};

/// [`LOG_STD_IN_REGULARISER`].
#[must_use]
pub fn log_std_in_regulariser(mean: &[f64], var: &[f64]) -> f64 {
    standard(mean, var, |m, v| m * m + v - 1.0 - 0.5 * v.ln())
}

/// −1 forgotten per entry.
pub const REGULARISER_WITHOUT_ONE: Fault = Fault {
    name: "regulariser_without_one",
    sentence: "the regulariser lacks its −1 per entry",
    origin: Origin::Slip,
};

/// [`REGULARISER_WITHOUT_ONE`].
#[must_use]
pub fn regulariser_without_one(mean: &[f64], var: &[f64]) -> f64 {
    standard(mean, var, |m, v| m * m + v - v.ln())
}

/// The regulariser with its sign turned.
pub const REGULARISER_SIGN: Fault = Fault {
    name: "regulariser_sign",
    sentence: "the regulariser is −½ Σ(μ² + σ² − 1 − ln σ²): the sign belongs to the bound, not to the divergence",
    origin: Origin::Slip,
};

/// [`REGULARISER_SIGN`].
#[must_use]
pub fn regulariser_sign(mean: &[f64], var: &[f64]) -> f64 {
    -standard(mean, var, |m, v| m * m + v - 1.0 - v.ln())
}

fn standard(mean: &[f64], var: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    mean.iter().zip(var).map(|(&m, &v)| 0.5 * term(m, v)).sum()
}

/// Determinants exchanged.
pub const DETERMINANTS_EXCHANGED: Fault = Fault {
    name: "determinants_exchanged",
    sentence: "the logarithm of the determinants has |Σ_p|/|Σ_q| where |Σ_q|/|Σ_p| was meant",
    origin: Origin::Slip,
};

/// [`DETERMINANTS_EXCHANGED`].
///
/// # Errors
/// As the right one.
pub fn determinants_exchanged(p: &Gaussian, q: &Gaussian) -> Result<f64> {
    Ok(kl_full(p, q)? - (q.log_det() - p.log_det()))
}

/// Dimension forgotten.
pub const MINUS_D_FORGOTTEN: Fault = Fault {
    name: "minus_d_forgotten",
    sentence: "the relative entropy of full covariances lacks its −d",
    origin: Origin::Slip,
};

/// [`MINUS_D_FORGOTTEN`].
///
/// # Errors
/// As the right one.
pub fn minus_d_forgotten(p: &Gaussian, q: &Gaussian) -> Result<f64> {
    Ok(kl_full(p, q)? + 0.5 * p.dims() as f64)
}

/// Correlations ignored.
pub const CORRELATIONS_IGNORED: Fault = Fault {
    name: "correlations_ignored",
    sentence: "only the diagonals of the covariances enter the relative entropy",
    origin: Origin::Slip,
};

/// [`CORRELATIONS_IGNORED`].
///
/// # Errors
/// As the right one.
pub fn correlations_ignored(p: &Gaussian, q: &Gaussian) -> Result<f64> {
    kl_full(&diagonal_of(p)?, &diagonal_of(q)?)
}

fn diagonal_of(g: &Gaussian) -> Result<Gaussian> {
    let (mean, cov) = (g.mean(), g.cov());
    let diagonal: Array1<f64> = cov.diag().to_owned();
    Gaussian::new(mean.view(), Array2::from_diag(&diagonal).view())
}

/// Full covariances exchanged.
pub const REVERSED_FULL_KL: Fault = Fault {
    name: "reversed_full_kl",
    sentence: "the two multivariate Gaussians are exchanged",
    origin: Origin::Slip,
};

/// [`REVERSED_FULL_KL`].
///
/// # Errors
/// As the right one.
pub fn reversed_full_kl(p: &Gaussian, q: &Gaussian) -> Result<f64> {
    kl_full(q, p)
}
