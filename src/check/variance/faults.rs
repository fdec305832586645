//! Known wrong formulas of the chapter `variance`.

use crate::check::{Erratum, Numbers, Severity, wrong};
use crate::error::Result;
use crate::posterior::{Moments, Posterior};
use crate::schedule::{Schedule, Timestep, Transition};
use crate::variance::{Bounds, LearnedRange, Spread, best_gaussian, variance_cost};
pub(super) use crate::variance::{
    bounds, entropy_power, gaussian_variance, optimal_variance, optimal_variance_from_score,
};

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

wrong! {
    /// Reverse variances that know nothing of the data: step, variance of the data or of x₀ given x_t.
    pub CONSTANT: fn(&Transition, f64) -> Result<f64>;

    slip reverse_variance_always_beta: "β is taken as the reverse variance whatever the data; it is right for unit Gaussian data only" =>
        |step, _| Ok(step.beta());
    slip reverse_variance_always_beta_tilde: "β̃ is taken as the reverse variance whatever the data: what is unknown of x₀ is left out" =>
        |step, _| Ok(Posterior::new(step).beta_tilde);
}

wrong! {
    /// Wrong reverse variances of Gaussian data: step, variance of the data.
    pub GAUSSIAN: fn(&Transition, f64) -> Result<f64>;

    slip prior_for_posterior_variance: "the data's variance is used where the variance of x₀ given x_t was meant" =>
        |step, data_var| optimal_variance(step, data_var);
}

wrong! {
    /// Wrong reverse variances from the variance of x₀ given x_t.
    pub OPTIMAL: fn(&Transition, f64) -> Result<f64>;

    slip x0_factor_not_squared: "the factor of x₀ in the posterior mean multiplies the variance of x₀ once; it must be squared" =>
        |step, x0_var| {
            let posterior = Posterior::new(step);
            Ok(posterior.beta_tilde + posterior.x0 * x0_var)
        };
    slip later_signal_in_optimal_variance: "ᾱ_t stands where ᾱ_{t−1} belongs in the optimal variance: an index too far" =>
        |step, x0_var| {
            let posterior = Posterior::new(step);
            Ok(posterior.beta_tilde + step.alpha() * posterior.x0 * posterior.x0 * x0_var)
        };
}

wrong! {
    /// Wrong reverse variances from the mean square of the score.
    pub OPTIMAL_FROM_SCORE: fn(&Transition, f64) -> Result<f64>;

    slip score_power_added: "1 + βΓ stands where 1 − βΓ belongs in the optimal variance from the score" =>
        |step, power| Ok(step.beta() / step.alpha() * (1.0 + step.beta() * power));
    slip score_form_without_alpha: "β (1 − βΓ) lacks the factor 1/α of the optimal variance from the score" =>
        |step, power| Ok(step.beta() * (1.0 - step.beta() * power));
    slip epsilon_power_for_score_power: "the mean square of ε is used where that of the score, ε/√(1 − ᾱ), was meant" =>
        |step, power| Ok(step.beta() / step.alpha() * (1.0 - step.beta() * power * step.t().one_minus_alpha_bar()));
}

wrong! {
    /// Wrong bounds for data of unit variance.
    pub UNIT_BOUNDS: fn(&Transition) -> Result<Bounds>;

    slip bounds_swapped: "lower and upper bound are exchanged" =>
        |step| {
            let Bounds { low, high } = bounds(step, Spread::Variance(1.0))?;
            Ok(Bounds { low: high, high: low })
        };
    slip lower_bound_without_s: "β/(1 − ᾱ_t)·β stands for β̃: β_t where 1 − ᾱ_{t−1} belongs" =>
        |step| {
            let low = step.beta() * step.beta() / step.t().one_minus_alpha_bar();
            Ok(Bounds { low, ..bounds(step, Spread::Variance(1.0))? })
        };
    slip upper_bound_of_half_variance: "the upper bound is that of data with variance ½, for data with variance 1" =>
        |step| Ok(Bounds { high: gaussian_variance(step, 0.5)?, ..bounds(step, Spread::Variance(1.0))? });
}

wrong! {
    /// Wrong bounds for data of a known spread.
    pub BOUNDS: fn(&Transition, Spread) -> Result<Bounds>;

    slip range_for_half_range: "data in an interval of length r are given the variance r² where (r/2)² is the largest there can be" =>
        |step, spread| {
            let twice = if let Spread::Range(r) = spread { Spread::Range(2.0 * r) } else { spread };
            bounds(step, twice)
        };
}

wrong! {
    /// Wrong variances of a Gaussian of given entropy.
    pub ENTROPY_POWERS: fn(f64) -> f64;

    slip entropy_power_without_two: "e^h/2πe stands for e^{2h}/2πe" =>
        |entropy| entropy_power(0.5 * entropy);
}

wrong! {
    /// Wrong learned variances: range, v.
    pub LEARNED: fn(&LearnedRange, f64) -> f64;

    shipped learned_range_without_log: "the variance is interpolated between β̃ and β themselves; it must be between their logarithms" =>
        |range, v| v * range.log_high.exp() + (1.0 - v) * range.log_low.exp();
    shipped learned_range_without_exp: "the interpolated log-variance is used as the variance" =>
        |range, v| v * range.log_high + (1.0 - v) * range.log_low;
    slip learned_range_reversed: "v = 1 gives β̃ and v = 0 gives β: the ends are exchanged" =>
        |range, v| range.var(1.0 - v);
    slip learned_range_raw_output: "v is mapped by (v + 1)/2 twice, or the network's raw output is taken for a fraction" =>
        |range, v| range.var(LearnedRange::fraction(v));
    slip learned_std_for_variance: "exp(½ log variance), the standard deviation, is returned as the variance" =>
        |range, v| range.var(v).sqrt();
}

wrong! {
    /// Wrong costs of a variance against the optimal one.
    pub COSTS: fn(f64, f64) -> Result<f64>;

    slip cost_of_reversed_kl: "KL(p ‖ q) is charged where KL(q ‖ p) was meant: the two variances are exchanged" =>
        |var, optimal| variance_cost(optimal, var);
    slip variance_cost_without_half: "the cost of a variance lacks its factor ½" =>
        |var, optimal| Ok(2.0 * variance_cost(var, optimal)?);
    slip variance_cost_with_std_ratio: "½ ln(σ/σ*) stands for ½ ln(σ²/σ*²), the erratum of the Gaussian KL" =>
        |var, optimal| Ok(0.5 * (optimal / var - 1.0) - 0.25 * (optimal / var).ln());
}

wrong! {
    /// Wrong Gaussians for q(x_{t−1} | x_t): step, x_t, mean and variance of x₀ given x_t.
    pub CLOSEST: fn(&Transition, f64, Moments) -> Result<Moments>;

    slip closest_gaussian_with_beta_tilde: "the Gaussian closest to q(x_{t−1} | x_t) is given the variance β̃ of q(x_{t−1} | x_t, x₀)" =>
        |step, xt, x0| best_gaussian(step, xt, Moments { var: 0.0, ..x0 });
    slip closest_gaussian_with_beta: "the Gaussian closest to q(x_{t−1} | x_t) is given the variance β" =>
        |step, xt, x0| Ok(Moments { var: step.beta(), ..best_gaussian(step, xt, x0)? });
    slip closest_gaussian_around_x0: "√ᾱ_{t−1} x̂₀ is taken as the mean of x_{t−1}: what x_t says of the noise is left out" =>
        |step, xt, x0| Ok(Moments { mean: step.s().signal() * x0.mean, ..best_gaussian(step, xt, x0)? });
}
