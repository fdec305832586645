//! Wrong formulas of relative entropies, entropies and the discretised likelihood.

use std::f64::consts::{E, LN_2, TAU};

use ndarray::{Array1, Array2};

use crate::check::{Erratum, Numbers, Severity, Wrong, wrong};
use crate::error::Result;
use crate::gaussian::{Gaussian, Pixel, Split, cdf, entropy, kl, kl_full, log_density, log_pixel_probability};
use crate::posterior::{Moments, Posterior};
use crate::schedule::{Schedule, Timestep};

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
                printed: || {
                    (Wrong::named(BOUND_TERMS, "half_log_and_no_dimension").f)(beta_tilde_2(), beta_2(), 0.0, 1)
                },
                correct: || split(beta_tilde_2(), beta_2(), 1),
                listed: (-0.075_622, 0.121_387),
                decimals: 6,
            },
            Numbers {
                at: "linear, t = 2, equal means, σ² = β, d = 3072",
                printed: || {
                    (Wrong::named(BOUND_TERMS, "half_log_and_no_dimension").f)(beta_tilde_2(), beta_2(), 0.0, 3072)
                },
                correct: || split(beta_tilde_2(), beta_2(), 3072),
                listed: (-0.075_622, 372.90),
                decimals: 2,
            },
            Numbers {
                at: "equal means, σ = 2σ̃",
                printed: || (Wrong::named(BOUND_TERMS, "half_log_and_no_dimension").f)(1.0, 4.0, 0.0, 1),
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
                printed: || (Wrong::named(SCALARS, "log_of_everything").f)(normal(0.0, 1.0), normal(0.0, 4.0)),
                correct: || kl(normal(0.0, 1.0), normal(0.0, 4.0)),
                listed: (0.485_508, 0.318_147),
                decimals: 6,
            },
            Numbers {
                at: "N(0, 1) from N(1.5, 4)",
                printed: || (Wrong::named(SCALARS, "log_of_everything").f)(normal(0.0, 1.0), normal(1.5, 4.0)),
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

wrong! {
    /// Wrong relative entropies of two Gaussians on the line.
    pub SCALARS: fn(Moments, Moments) -> f64;

    erratum("E2.4") log_of_everything:
        "the logarithm of the relative entropy encloses the whole formula where only σ₂/σ₁ was meant" =>
        |p, q| ((q.var / p.var).sqrt() + (p.var + (p.mean - q.mean).powi(2)) / (2.0 * q.var) - 0.5).ln();
    slip reversed_kl: "the two Gaussians are exchanged: D(q ‖ p) where D(p ‖ q) was meant" =>
        |p, q| kl(q, p);
    slip variance_ratio_in_log:
        "the logarithm has the ratio of variances where that of standard deviations was meant" =>
        |p, q| (q.var / p.var).ln() + (p.var + (p.mean - q.mean).powi(2)) / (2.0 * q.var) - 0.5;
    slip minus_half_forgotten: "the relative entropy lacks its −½ and is not zero for equal Gaussians" =>
        |p, q| kl(p, q) + 0.5;
    slip log_ratio_inverted: "the logarithm has σ₁/σ₂ where σ₂/σ₁ was meant" =>
        |p, q| kl(p, q) - (q.var / p.var).ln();
}

wrong! {
    /// Wrong relative entropies of isotropic Gaussians, of both variances, the squared distance of the means and d.
    pub BOUND_TERMS: fn(f64, f64, f64, usize) -> f64;

    erratum("E0.11") half_log_and_no_dimension:
        "the relative entropy of vectors has ½ ln(σ/σ̃), σ̃² and ½ where d ln(σ/σ̃), d σ̃² and d/2 were meant" =>
        |p_var, q_var, squares, _| 0.5 * (0.5 * (q_var / p_var).ln()) + (p_var + squares) / (2.0 * q_var) - 0.5;
    slip dimension_forgotten:
        "the part of the relative entropy that comes from the variances is counted once and not d times" =>
        |p_var, q_var, squares, _| split(p_var, q_var, 1) + squares / (2.0 * q_var);
    shipped mean_over_entries: "the squared distance of the means is averaged over the entries where it is summed" =>
        |p_var, q_var, squares, dims| split(p_var, q_var, dims) + squares / (2.0 * q_var * dims as f64);
    slip no_two_under_the_square: "the squared distance of the means is divided by σ² where 2σ² was meant" =>
        |p_var, q_var, squares, dims| split(p_var, q_var, dims) + squares / q_var;
    slip constant_left_out: "C is taken to be 0 although σ² is not β̃" =>
        |_, q_var, squares, _| squares / (2.0 * q_var);
    slip constant_inverted: "C has σ² and β̃ exchanged" =>
        |p_var, q_var, squares, dims| split(q_var, p_var, dims) + squares / (2.0 * q_var);
}

wrong! {
    /// Wrong relative entropies from the standard normal, of means and variances.
    pub REGULARISERS: fn(&[f64], &[f64]) -> f64;

    shipped std_for_var_against_standard:
        "the regulariser ½ Σ(μ² + σ² − 1 − ln σ²) is fed standard deviations for variances" =>
        |mean, var| standard(mean, var, |m, v| m * m + v.sqrt() - 1.0 - v.sqrt().ln());
    slip log_std_in_regulariser: "the regulariser has ln σ where ln σ² was meant" =>
        |mean, var| standard(mean, var, |m, v| m * m + v - 1.0 - 0.5 * v.ln());
    slip regulariser_without_one: "the regulariser lacks its −1 per entry" =>
        |mean, var| standard(mean, var, |m, v| m * m + v - v.ln());
    slip regulariser_sign:
        "the regulariser is −½ Σ(μ² + σ² − 1 − ln σ²): the sign belongs to the bound, not to the divergence" =>
        |mean, var| -standard(mean, var, |m, v| m * m + v - 1.0 - v.ln());
}

fn standard(mean: &[f64], var: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    mean.iter().zip(var).map(|(&m, &v)| 0.5 * term(m, v)).sum()
}

wrong! {
    /// Wrong relative entropies with full covariances.
    pub FULLS: fn(&Gaussian, &Gaussian) -> Result<f64>;

    slip determinants_exchanged: "the logarithm of the determinants has |Σ_p|/|Σ_q| where |Σ_q|/|Σ_p| was meant" =>
        |p, q| Ok(kl_full(p, q)? - (q.log_det() - p.log_det()));
    slip minus_d_forgotten: "the relative entropy of full covariances lacks its −d" =>
        |p, q| Ok(kl_full(p, q)? + 0.5 * p.dims() as f64);
    slip correlations_ignored: "only the diagonals of the covariances enter the relative entropy" =>
        |p, q| kl_full(&diagonal_of(p)?, &diagonal_of(q)?);
    slip reversed_full_kl: "the two multivariate Gaussians are exchanged" =>
        |p, q| kl_full(q, p);
}

fn diagonal_of(g: &Gaussian) -> Result<Gaussian> {
    let (mean, cov) = (g.mean(), g.cov());
    let diagonal: Array1<f64> = cov.diag().to_owned();
    Gaussian::new(mean.view(), Array2::from_diag(&diagonal).view())
}

wrong! {
    /// Wrong entropies, of variance and dimension.
    pub ENTROPIES: fn(f64, usize) -> f64;

    slip entropy_without_e: "the entropy is d/2 ln 2πσ² where d/2 ln 2πeσ² was meant" =>
        |var, dims| 0.5 * dims as f64 * (TAU * var).ln();
    slip entropy_in_bits: "the entropy is in bits where nats were meant" =>
        |var, dims| entropy(var, dims).map_or(f64::NAN, |h| h / LN_2);
    slip entropy_of_std: "the entropy has ln 2πeσ where ln 2πeσ² was meant" =>
        |var, dims| 0.5 * dims as f64 * (TAU * E * var.sqrt()).ln();
}

wrong! {
    /// Wrong logarithms of the probability of a pixel.
    pub PIXELS: fn(Pixel, Moments) -> Result<f64>;

    slip naive_cdf_difference:
        "the logarithm of Φ(b) − Φ(a) is taken after the subtraction: −∞ for every bin far from the mean" =>
        |pixel, law| {
            let (low, high) = pixel.edges();
            let at = |edge: f64| cdf((edge - law.mean) / law.var.sqrt());
            Ok((at(high) - at(low)).ln())
        };
    slip outer_bins_finite: "the first and the last bin end at −1 − 1/255 and 1 + 1/255: mass beyond is lost" =>
        |pixel, law| {
            if (1..=254).contains(&pixel.0) {
                return log_pixel_probability(pixel, law);
            }
            // The same bin seen from a neighbour: the mean is moved by a step instead.
            let step = if pixel.0 == 0 { 2.0 / 255.0 } else { -2.0 / 255.0 };
            let inner = Pixel(if pixel.0 == 0 { 1 } else { 254 });
            log_pixel_probability(inner, Moments { mean: law.mean + step, ..law })
        };
    shipped density_times_width: "the mass of a bin is taken as density × 2/255" =>
        |pixel, law| Ok(log_density(law, pixel.value()) + (2.0f64 / 255.0).ln());
    slip bins_shifted_by_half: "a bin reaches from its value to the next one where it lies around its value" =>
        |pixel, law| log_pixel_probability(pixel, Moments { mean: law.mean - 1.0 / 255.0, ..law });
}
