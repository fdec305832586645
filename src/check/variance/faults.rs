//! Known wrong formulas of the chapter `variance`.

use crate::check::{Erratum, Fault, Numbers, Origin, Severity};
use crate::check::variance::Averages;
use crate::error::Result;
use crate::posterior::{Moments, Posterior};
use crate::schedule::{Schedule, Timestep, Transition};
use crate::variance::{Bounds, LearnedRange, Spread, best_gaussian, bounds, gaussian_variance, optimal_variance};

fn ddpm_beta_tilde(t: usize) -> f64 {
    Posterior::new(&Schedule::ddpm().step(Timestep::new(t))).beta_tilde
}

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E0.10",
        severity: Severity::Typo,
        rows: &["S0.54"],
        printed: "one constant β̃ I for every step",
        correct: "β̃_t I, a variance per step",
        numbers: &[Numbers {
            at: "linear schedule: the last step's value used at t = 2",
            printed: || ddpm_beta_tilde(1000),
            correct: || ddpm_beta_tilde(2),
            listed: (0.019_999_98, 5.45e-5),
            decimals: 7,
        }],
    },
    Erratum {
        id: "E1.10",
        severity: Severity::Wording,
        rows: &["S1.69"],
        printed: "Analytic-DPM learns the variance explicitly",
        correct: "Analytic-DPM estimates the optimal variance without training; Improved DDPM learns one",
        numbers: &[],
    },
    Erratum {
        id: "E2.5",
        severity: Severity::Wording,
        rows: &["S2.25"],
        printed: "the variance is a preset Gaussian",
        correct: "the variance is a preset constant",
        numbers: &[],
    },
    Erratum {
        id: "E3.12",
        severity: Severity::Wording,
        rows: &["S3.54"],
        printed: "the experiments use the second choice as a consequence of the bounds",
        correct: "the bounds do not single out a choice; both are in use",
        numbers: &[],
    },
    Erratum {
        id: "E3.18",
        severity: Severity::Typo,
        rows: &["S3.09"],
        printed: "a summation sign over θ as the covariance",
        correct: "Σ_θ(x_t, t), a covariance",
        numbers: &[],
    },
];

/// β whatever the data.
pub const REVERSE_VARIANCE_ALWAYS_BETA: Fault = Fault {
    name: "reverse_variance_always_beta",
    sentence: "β is taken as the reverse variance whatever the data; it is right for unit Gaussian data only",
    origin: Origin::Slip,
};

/// [`REVERSE_VARIANCE_ALWAYS_BETA`].
///
/// # Errors
/// As the formula it imitates.
pub fn reverse_variance_always_beta(step: &Transition, _data_var: f64) -> Result<f64> {
    Ok(step.beta())
}

/// β̃ whatever the data.
pub const REVERSE_VARIANCE_ALWAYS_BETA_TILDE: Fault = Fault {
    name: "reverse_variance_always_beta_tilde",
    sentence: "β̃ is taken as the reverse variance whatever the data: what is unknown of x₀ is left out",
    origin: Origin::Slip,
};

/// [`REVERSE_VARIANCE_ALWAYS_BETA_TILDE`].
///
/// # Errors
/// As the formula it imitates.
pub fn reverse_variance_always_beta_tilde(step: &Transition, _x0_var: f64) -> Result<f64> {
    Ok(Posterior::new(step).beta_tilde)
}

/// The factor of x₀ not squared.
pub const X0_FACTOR_NOT_SQUARED: Fault = Fault {
    name: "x0_factor_not_squared",
    sentence: "the factor of x₀ in the posterior mean multiplies the variance of x₀ once; it must be squared",
    origin: Origin::Slip,
};

/// [`X0_FACTOR_NOT_SQUARED`].
///
/// # Errors
/// As the formula it imitates.
pub fn x0_factor_not_squared(step: &Transition, x0_var: f64) -> Result<f64> {
    let posterior = Posterior::new(step);
    Ok(posterior.beta_tilde + posterior.x0 * x0_var)
}

/// The data's variance where that of x₀ given x_t was meant.
pub const PRIOR_FOR_POSTERIOR_VARIANCE: Fault = Fault {
    name: "prior_for_posterior_variance",
    sentence: "the data's variance is used where the variance of x₀ given x_t was meant",
    origin: Origin::Slip,
};

/// [`PRIOR_FOR_POSTERIOR_VARIANCE`].
///
/// # Errors
/// As the formula it imitates.
pub fn prior_for_posterior_variance(step: &Transition, data_var: f64) -> Result<f64> {
    optimal_variance(step, data_var)
}

/// ᾱ_t for ᾱ_s under the factor of x₀.
pub const LATER_SIGNAL_IN_OPTIMAL_VARIANCE: Fault = Fault {
    name: "later_signal_in_optimal_variance",
    sentence: "ᾱ_t stands where ᾱ_{t−1} belongs in the optimal variance: an index too far",
    origin: Origin::Slip,
};

/// [`LATER_SIGNAL_IN_OPTIMAL_VARIANCE`].
///
/// # Errors
/// As the formula it imitates.
pub fn later_signal_in_optimal_variance(step: &Transition, x0_var: f64) -> Result<f64> {
    let posterior = Posterior::new(step);
    Ok(posterior.beta_tilde + step.alpha() * posterior.x0 * posterior.x0 * x0_var)
}

/// The score's sign.
pub const SCORE_POWER_ADDED: Fault = Fault {
    name: "score_power_added",
    sentence: "1 + βΓ stands where 1 − βΓ belongs in the optimal variance from the score",
    origin: Origin::Slip,
};

/// [`SCORE_POWER_ADDED`].
///
/// # Errors
/// As the formula it imitates.
pub fn score_power_added(step: &Transition, averages: &Averages) -> Result<f64> {
    Ok(step.beta() / step.alpha() * (1.0 + step.beta() * averages.score_power))
}

/// 1/α forgotten.
pub const SCORE_FORM_WITHOUT_ALPHA: Fault = Fault {
    name: "score_form_without_alpha",
    sentence: "β (1 − βΓ) lacks the factor 1/α of the optimal variance from the score",
    origin: Origin::Slip,
};

/// [`SCORE_FORM_WITHOUT_ALPHA`].
///
/// # Errors
/// As the formula it imitates.
pub fn score_form_without_alpha(step: &Transition, averages: &Averages) -> Result<f64> {
    Ok(step.beta() * (1.0 - step.beta() * averages.score_power))
}

/// Power of ε in place of that of the score.
pub const EPSILON_POWER_FOR_SCORE_POWER: Fault = Fault {
    name: "epsilon_power_for_score_power",
    sentence: "the mean square of ε is used where that of the score, ε/√(1 − ᾱ), was meant",
    origin: Origin::Slip,
};

/// [`EPSILON_POWER_FOR_SCORE_POWER`].
///
/// # Errors
/// As the formula it imitates.
pub fn epsilon_power_for_score_power(step: &Transition, averages: &Averages) -> Result<f64> {
    let power = averages.score_power * step.t().one_minus_alpha_bar();
    Ok(step.beta() / step.alpha() * (1.0 - step.beta() * power))
}

/// Bounds the wrong way round.
pub const BOUNDS_SWAPPED: Fault =
    Fault { name: "bounds_swapped", sentence: "lower and upper bound are exchanged", origin: Origin::Slip };

/// [`BOUNDS_SWAPPED`].
///
/// # Errors
/// As the formula it imitates.
pub fn bounds_swapped(step: &Transition) -> Result<Bounds> {
    let Bounds { low, high } = bounds(step, Spread::Variance(1.0))?;
    Ok(Bounds { low: high, high: low })
}

/// A lower bound that is too high.
pub const LOWER_BOUND_WITHOUT_S: Fault = Fault {
    name: "lower_bound_without_s",
    sentence: "β/(1 − ᾱ_t)·β stands for β̃: β_t where 1 − ᾱ_{t−1} belongs",
    origin: Origin::Slip,
};

/// [`LOWER_BOUND_WITHOUT_S`].
///
/// # Errors
/// As the formula it imitates.
pub fn lower_bound_without_s(step: &Transition) -> Result<Bounds> {
    let low = step.beta() * step.beta() / step.t().one_minus_alpha_bar();
    Ok(Bounds { low, ..bounds(step, Spread::Variance(1.0))? })
}

/// Bound for half the variance.
pub const UPPER_BOUND_OF_HALF_VARIANCE: Fault = Fault {
    name: "upper_bound_of_half_variance",
    sentence: "the upper bound is that of data with variance ½, for data with variance 1",
    origin: Origin::Slip,
};

/// [`UPPER_BOUND_OF_HALF_VARIANCE`].
///
/// # Errors
/// As the formula it imitates.
pub fn upper_bound_of_half_variance(step: &Transition) -> Result<Bounds> {
    Ok(Bounds { high: gaussian_variance(step, 0.5)?, ..bounds(step, Spread::Variance(1.0))? })
}

/// The whole interval.
pub const RANGE_FOR_HALF_RANGE: Fault = Fault {
    name: "range_for_half_range",
    sentence: "data in an interval of length r are given the variance r² where (r/2)² is the largest there can be",
    origin: Origin::Slip,
};

/// [`RANGE_FOR_HALF_RANGE`].
///
/// # Errors
/// As the formula it imitates.
pub fn range_for_half_range(step: &Transition, spread: Spread) -> Result<Bounds> {
    let twice = if let Spread::Range(r) = spread { Spread::Range(2.0 * r) } else { spread };
    bounds(step, twice)
}

/// e^{h} for e^{2h}.
pub const ENTROPY_POWER_WITHOUT_TWO: Fault =
    Fault { name: "entropy_power_without_two", sentence: "e^h/2πe stands for e^{2h}/2πe", origin: Origin::Slip };

/// [`ENTROPY_POWER_WITHOUT_TWO`].
#[must_use]
pub fn entropy_power_without_two(entropy: f64) -> f64 {
    crate::variance::entropy_power(0.5 * entropy)
}

/// Linear in place of logarithmic.
pub const LEARNED_RANGE_WITHOUT_LOG: Fault = Fault {
    name: "learned_range_without_log",
    sentence: "the variance is interpolated between β̃ and β themselves; it must be between their logarithms",
    origin: Origin::Shipped,
};

/// [`LEARNED_RANGE_WITHOUT_LOG`].
#[must_use]
pub fn learned_range_without_log(range: &LearnedRange, v: f64) -> f64 {
    v * range.log_high.exp() + (1.0 - v) * range.log_low.exp()
}

/// exp forgotten.
pub const LEARNED_RANGE_WITHOUT_EXP: Fault = Fault {
    name: "learned_range_without_exp",
    sentence: "the interpolated log-variance is used as the variance",
    origin: Origin::Shipped,
};

/// [`LEARNED_RANGE_WITHOUT_EXP`].
#[must_use]
pub fn learned_range_without_exp(range: &LearnedRange, v: f64) -> f64 {
    v * range.log_high + (1.0 - v) * range.log_low
}

/// v and 1 − v exchanged.
pub const LEARNED_RANGE_REVERSED: Fault = Fault {
    name: "learned_range_reversed",
    sentence: "v = 1 gives β̃ and v = 0 gives β: the ends are exchanged",
    origin: Origin::Slip,
};

/// [`LEARNED_RANGE_REVERSED`].
#[must_use]
pub fn learned_range_reversed(range: &LearnedRange, v: f64) -> f64 {
    range.var(1.0 - v)
}

/// The raw output in [−1, 1] taken for a fraction.
pub const LEARNED_RANGE_RAW_OUTPUT: Fault = Fault {
    name: "learned_range_raw_output",
    sentence: "v is mapped by (v + 1)/2 twice, or the network's raw output is taken for a fraction",
    origin: Origin::Slip,
};

/// [`LEARNED_RANGE_RAW_OUTPUT`].
#[must_use]
pub fn learned_range_raw_output(range: &LearnedRange, v: f64) -> f64 {
    range.var(LearnedRange::fraction(v))
}

/// A standard deviation for a variance.
pub const LEARNED_STD_FOR_VARIANCE: Fault = Fault {
    name: "learned_std_for_variance",
    sentence: "exp(½ log variance), the standard deviation, is returned as the variance",
    origin: Origin::Slip,
};

/// [`LEARNED_STD_FOR_VARIANCE`].
#[must_use]
pub fn learned_std_for_variance(range: &LearnedRange, v: f64) -> f64 {
    range.var(v).sqrt()
}

/// KL in the other direction.
pub const COST_OF_REVERSED_KL: Fault = Fault {
    name: "cost_of_reversed_kl",
    sentence: "KL(p ‖ q) is charged where KL(q ‖ p) was meant: the two variances are exchanged",
    origin: Origin::Slip,
};

/// [`COST_OF_REVERSED_KL`].
///
/// # Errors
/// As the formula it imitates.
pub fn cost_of_reversed_kl(var: f64, optimal: f64) -> Result<f64> {
    crate::variance::variance_cost(optimal, var)
}

/// ½ forgotten.
pub const COST_WITHOUT_HALF: Fault = Fault {
    name: "variance_cost_without_half",
    sentence: "the cost of a variance lacks its factor ½",
    origin: Origin::Slip,
};

/// [`COST_WITHOUT_HALF`].
///
/// # Errors
/// As the formula it imitates.
pub fn variance_cost_without_half(var: f64, optimal: f64) -> Result<f64> {
    Ok(2.0 * crate::variance::variance_cost(var, optimal)?)
}

/// log of the standard deviations' ratio for that of the variances.
pub const COST_WITH_STD_RATIO: Fault = Fault {
    name: "variance_cost_with_std_ratio",
    sentence: "½ ln(σ/σ*) stands for ½ ln(σ²/σ*²), the erratum of the Gaussian KL",
    origin: Origin::Slip,
};

/// [`COST_WITH_STD_RATIO`].
///
/// # Errors
/// As the formula it imitates.
pub fn variance_cost_with_std_ratio(var: f64, optimal: f64) -> Result<f64> {
    Ok(0.5 * (optimal / var - 1.0) - 0.25 * (optimal / var).ln())
}

/// Closest Gaussian with β̃.
pub const CLOSEST_GAUSSIAN_WITH_BETA_TILDE: Fault = Fault {
    name: "closest_gaussian_with_beta_tilde",
    sentence: "the Gaussian closest to q(x_{t−1} | x_t) is given the variance β̃ of q(x_{t−1} | x_t, x₀)",
    origin: Origin::Slip,
};

/// [`CLOSEST_GAUSSIAN_WITH_BETA_TILDE`].
///
/// # Errors
/// As the formula it imitates.
pub fn closest_gaussian_with_beta_tilde(step: &Transition, xt: f64, x0: Moments) -> Result<Moments> {
    best_gaussian(step, xt, Moments { var: 0.0, ..x0 })
}

/// Closest Gaussian with β.
pub const CLOSEST_GAUSSIAN_WITH_BETA: Fault = Fault {
    name: "closest_gaussian_with_beta",
    sentence: "the Gaussian closest to q(x_{t−1} | x_t) is given the variance β",
    origin: Origin::Slip,
};

/// [`CLOSEST_GAUSSIAN_WITH_BETA`].
///
/// # Errors
/// As the formula it imitates.
pub fn closest_gaussian_with_beta(step: &Transition, xt: f64, x0: Moments) -> Result<Moments> {
    Ok(Moments { var: step.beta(), ..best_gaussian(step, xt, x0)? })
}

/// The mean of x₀ used as the mean of x_s.
pub const CLOSEST_GAUSSIAN_AROUND_X0: Fault = Fault {
    name: "closest_gaussian_around_x0",
    sentence: "√ᾱ_{t−1} x̂₀ is taken as the mean of x_{t−1}: what x_t says of the noise is left out",
    origin: Origin::Slip,
};

/// [`CLOSEST_GAUSSIAN_AROUND_X0`].
///
/// # Errors
/// As the formula it imitates.
pub fn closest_gaussian_around_x0(step: &Transition, xt: f64, x0: Moments) -> Result<Moments> {
    Ok(Moments { mean: step.s().signal() * x0.mean, ..best_gaussian(step, xt, x0)? })
}
