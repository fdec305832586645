//! Known wrong formulas of scores, energies and Langevin dynamics.

use crate::check::{Erratum, Numbers, Severity, wrong};
use crate::exact::{Mixture1, Noising};
use crate::posterior::Posterior;
use crate::schedule::{Level, Schedule, Timestep, Transition};
pub(super) use crate::score::langevin_variance;
use crate::score::{Proposal, denoising_target, metropolis_log_ratio, score_from_energy, tweedie_mean};

wrong! {
    /// Wrong means of x₀ from the marginal score: level, x_t, score.
    pub TWEEDIE: fn(Level, f64, f64) -> f64;

    slip tweedie_sign: "x_t − (1 − ᾱ)·score: the sign of Tweedie's correction is wrong" =>
        |level, xt, score| (xt - level.one_minus_alpha_bar() * score) / level.signal();
    slip tweedie_std: "√(1 − ᾱ) where 1 − ᾱ was meant in Tweedie's formula" =>
        |level, xt, score| (xt + level.noise_std() * score) / level.signal();
    slip tweedie_not_rooted: "division by ᾱ where √ᾱ was meant in Tweedie's formula" =>
        |level, xt, score| (xt + level.one_minus_alpha_bar() * score) / level.alpha_bar();
    slip tweedie_without_score: "x_t/√ᾱ: Tweedie's correction is missing" =>
        |level, xt, _| xt / level.signal();
}

wrong! {
    /// Wrong variances of x₀ from the curvature of ln q: level, second derivative.
    pub CURVATURE: fn(Level, f64) -> f64;

    slip tweedie_variance_sign: "1 − (1 − ᾱ)∇²: the sign of the curvature is wrong" =>
        |level, hessian| level.one_minus_alpha_bar() / level.alpha_bar() * (1.0 - level.one_minus_alpha_bar() * hessian);
    slip tweedie_variance_once: "(1 − ᾱ)/ᾱ·(1 + ∇²): the curvature is not multiplied by 1 − ᾱ" =>
        |level, hessian| level.one_minus_alpha_bar() / level.alpha_bar() * (1.0 + hessian);
    slip tweedie_variance_prior: "(1 − ᾱ)/ᾱ: the curvature of the density is left out" =>
        |level, _| level.one_minus_alpha_bar() / level.alpha_bar();
}

wrong! {
    /// Wrong means of x_{t−1} from the marginal score: step, x_t, score.
    pub REVERSE_MEANS: fn(&Transition, f64, f64) -> f64;

    slip reverse_mean_langevin: "½β where β was meant: a Langevin step, not a reverse step" =>
        |step, xt, score| (xt + 0.5 * step.beta() * score) / step.alpha().sqrt();
    slip reverse_mean_unscaled: "the division by √α is missing in the reverse mean" =>
        |step, xt, score| xt + step.beta() * score;
    slip reverse_mean_sign: "x_t − β·score: the sign in the reverse mean is wrong" =>
        |step, xt, score| (xt - step.beta() * score) / step.alpha().sqrt();
    slip reverse_mean_accumulated: "1 − ᾱ where β was meant: this is E[x₀ | x_t] scaled, not E[x_s | x_t]" =>
        |step, xt, score| (xt + step.t().one_minus_alpha_bar() * score) / step.alpha().sqrt();
}

wrong! {
    /// Wrong costs of the exact marginal score: step, variance of x₀ given x_t.
    pub EXCESS: fn(&Transition, f64) -> f64;

    erratum("E1.4") marginal_score_is_free: "the KL term as a squared difference to the marginal score: 0 where it is not" =>
        |_, _| 0.0;
    slip excess_not_squared: "the factor of x₀ in the posterior mean is not squared" =>
        |step, trace| Posterior::new(step).x0 * trace / (2.0 * Posterior::new(step).beta_tilde);
    slip excess_over_beta: "β where β̃ was meant in the cost of the marginal score" =>
        |step, trace| Posterior::new(step).x0.powi(2) * trace / (2.0 * step.beta());
}

wrong! {
    /// Wrong scores of q(x_t | x₀): level, noise.
    pub TARGETS: fn(Level, f64) -> f64;

    slip target_is_eps: "the target is ε: neither the sign nor the scale of the score" =>
        |_, eps| eps;
    slip target_sign: "ε/√(1 − ᾱ): the sign of the score is wrong" =>
        |level, eps| eps / level.noise_std();
    slip target_variance: "−ε/(1 − ᾱ): the variance where the standard deviation was meant" =>
        |level, eps| -eps / level.one_minus_alpha_bar();
}

wrong! {
    /// Wrong marginal scores: level, mean of the noise given x_t, the noise that was drawn.
    pub MARGINAL_SCORES: fn(Level, f64, f64) -> f64;

    erratum("E1.5") score_of_one_noise: "−ε₀/√(1 − ᾱ) as marginal score: the mean of ε₀ given x_t was meant" =>
        |level, _, eps| denoising_target(level, eps);
}

wrong! {
    /// Wrong returns to the data: level, x_t, conditional score, marginal score.
    pub RETURNS: fn(Level, f64, f64, f64) -> f64;

    erratum("E1.3") x0_from_marginal_score: "x₀ from the marginal score: that is its posterior mean, not x₀" =>
        |level, xt, _, marginal| tweedie_mean(level, xt, marginal);
}

wrong! {
    /// Wrong integrands of implicit score matching: score, divergence.
    pub IMPLICIT: fn(f64, f64) -> f64;

    slip implicit_without_two: "‖s‖² + ∇·s: the factor 2 of the divergence is missing" =>
        |score, divergence| score * score + divergence;
    slip implicit_sign: "‖s‖² − 2∇·s: the sign of the divergence is wrong" =>
        |score, divergence| score * score - 2.0 * divergence;
    slip implicit_halved: "½‖s‖² + 2∇·s: the square is halved and the divergence is not" =>
        |score, divergence| 0.5 * score * score + 2.0 * divergence;
}

wrong! {
    /// Wrong scores of e^{−E}/Z from ∇E.
    pub ENERGIES: fn(f64) -> f64;

    slip energy_sign: "∇E where −∇E was meant" =>
        |gradient| gradient;
    slip energy_halved: "−½∇E where −∇E was meant" =>
        |gradient| -0.5 * gradient;
    slip energy_squared: "−(∇E)² where −∇E was meant" =>
        |gradient| -gradient * gradient;
}

wrong! {
    /// Wrong steps of Langevin dynamics: x, score, σ, z.
    pub LANGEVIN: fn(f64, f64, f64, f64) -> f64;

    slip langevin_without_half: "σ²·score where ½σ²·score was meant" =>
        |x, score, sigma, z| x + sigma * sigma * score + sigma * z;
    slip langevin_variance_noise: "σ²z where σz was meant" =>
        |x, score, sigma, z| x + 0.5 * sigma * sigma * score + sigma * sigma * z;
    slip langevin_linear_drift: "½σ·score where ½σ²·score was meant" =>
        |x, score, sigma, z| x + 0.5 * sigma * score + sigma * z;
    erratum("E2.11") langevin_descent: "no noise: descent to the lowest energy, not sampling" =>
        |x, score, sigma, _| x + 0.5 * sigma * sigma * score;
}

wrong! {
    /// Wrong logarithms of the Metropolis ratio: from, to, σ.
    pub METROPOLIS: fn(Proposal, Proposal, f64) -> f64;

    slip metropolis_always: "every proposal is accepted: Langevin without correction" =>
        |_, _, _| 0.0;
    slip metropolis_symmetric: "the ratio of densities alone, as if proposals were symmetric" =>
        |from, to, _| to.log_density - from.log_density;
    slip metropolis_inverse: "the ratio is upside down" =>
        |from, to, sigma| metropolis_log_ratio(to, from, sigma);
}

wrong! {
    /// Wrong velocities of the variance-preserving flow: β, x, score.
    pub FLOWS: fn(f64, f64, f64) -> f64;

    slip flow_whole_score: "−½βx − β·score: the reverse SDE's drift where the flow's was meant" =>
        |beta, x, score| -0.5 * beta * x - beta * score;
    slip flow_sign: "−½β(x − score): the sign of the score is wrong" =>
        |beta, x, score| -0.5 * beta * (x - score);
    slip flow_without_half: "β where ½β was meant: the flow runs at twice the speed" =>
        |beta, x, score| -beta * (x + score);
}

wrong! {
    /// Wrong velocities of the variance-exploding flow: σ, score.
    pub EXPLODING_FLOWS: fn(f64, f64) -> f64;

    slip exploding_squared: "−σ²·score where −σ·score was meant" =>
        |sigma, score| -sigma * sigma * score;
    slip exploding_halved: "−½σ·score where −σ·score was meant" =>
        |sigma, score| -0.5 * sigma * score;
    slip exploding_sign: "σ·score: the flow runs away from the data" =>
        |sigma, score| sigma * score;
}

wrong! {
    /// Wrong rates of entropy from the Fisher information.
    pub ENTROPY_RATES: fn(f64) -> f64;

    slip entropy_rate_whole: "J where ½J was meant" =>
        |fisher| fisher;
    slip entropy_rate_inverse: "1/(2J) where ½J was meant" =>
        |fisher| 0.5 / fisher;
    slip entropy_rate_root: "½√J where ½J was meant" =>
        |fisher| 0.5 * fisher.sqrt();
}

/// The point of the errata: reference mixture, linear schedule, t = 500, x₀ = −1.5, ε = 0.6.
fn errata_point() -> (Level, f64, f64) {
    let level = Schedule::ddpm().level(Timestep::new(500));
    let xt = level.signal() * -1.5 + level.noise_std() * 0.6;
    let channel = Noising::new(level.signal(), level.one_minus_alpha_bar()).unwrap_or(Noising::NONE);
    (level, xt, Mixture1::reference().noised(channel).score(xt))
}

/// The KL term as a squared difference of scores, `β²/(2 β̃ α) (s_θ − target)²`.
fn score_cost(network: f64, target: f64) -> f64 {
    let step = Schedule::ddpm().step(Timestep::new(500));
    let weight = step.beta() * step.beta() / (2.0 * Posterior::new(&step).beta_tilde * step.alpha());
    weight * (network - target).powi(2)
}

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E1.3",
        severity: Severity::Result,
        rows: &["S1.60", "S1.61"],
        printed: "x₀ = (x_t + (1 − ᾱ_t) ∇ ln p(x_t))/√ᾱ_t",
        correct: "the left side is E[x₀ | x_t]; it is x₀ only with ∇ ln q(x_t | x₀) on the right",
        numbers: &[Numbers {
            at: "reference mixture, t = 500, x₀ = −1.5, ε = 0.6",
            printed: || {
                let (level, xt, score) = errata_point();
                tweedie_mean(level, xt, score)
            },
            correct: || {
                let (level, xt, _) = errata_point();
                tweedie_mean(level, xt, denoising_target(level, 0.6))
            },
            listed: (0.330353, -1.5),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E1.4",
        severity: Severity::Result,
        rows: &["S1.63"],
        printed: "KL = (1 − α_t)²/(2σ_q² α_t) ‖s_θ − ∇ ln p(x_t)‖² with the marginal score",
        correct: "with ∇ ln q(x_t | x₀); the marginal score costs ᾱ_{t−1}β²/(2σ_q²(1 − ᾱ)²) tr Cov[x₀ | x_t] on average",
        numbers: &[Numbers {
            at: "the same point, s_θ the marginal score",
            printed: || {
                let (_, _, score) = errata_point();
                score_cost(score, score)
            },
            correct: || {
                let (level, _, score) = errata_point();
                score_cost(score, denoising_target(level, 0.6))
            },
            listed: (0.0, 0.001_573_90),
            decimals: 8,
        }],
    },
    Erratum {
        id: "E1.5",
        severity: Severity::Result,
        rows: &["S1.64"],
        printed: "∇ ln p(x_t) = −ε₀/√(1 − ᾱ_t)",
        correct: "∇ ln p(x_t) = −E[ε₀ | x_t]/√(1 − ᾱ_t); the printed form is ∇ ln q(x_t | x₀)",
        numbers: &[Numbers {
            at: "the same point",
            printed: || {
                let (level, _, _) = errata_point();
                denoising_target(level, 0.6)
            },
            correct: || {
                let (_, _, score) = errata_point();
                score
            },
            listed: (-0.625064, -0.068190),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E1.12",
        severity: Severity::Typo,
        rows: &["S1.60"],
        printed: "Tweede's formula",
        correct: "Tweedie's",
        numbers: &[],
    },
    Erratum {
        id: "E2.11",
        severity: Severity::Result,
        rows: &["S2.49"],
        printed: "Langevin iteration moves until it reaches the point of lowest energy",
        correct: "it samples e^{−E}/Z, whose mean energy lies d/2 above the lowest for a quadratic energy",
        numbers: &[Numbers {
            at: "N(0, 1): lowest energy, mean energy",
            printed: || 0.0,
            correct: || langevin_variance(1.0, 0.0).map_or(f64::NAN, |var| 0.5 * var),
            listed: (0.0, 0.5),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E3.15",
        severity: Severity::Wording,
        rows: &["S3.67"],
        printed: "ε_θ is a learned gradient of the data density",
        correct: "∇ ln q(x_t) = −ε*/√(1 − ᾱ_t): the logarithm, of the noised density, with sign and scale",
        numbers: &[Numbers {
            at: "N(0, 1) data, x_t = 1, t = 500: ε*, ∇ ln q",
            printed: || Schedule::ddpm().level(Timestep::new(500)).noise_std(),
            correct: || score_from_energy(1.0),
            listed: (0.959902, -1.0),
            decimals: 6,
        }],
    },
];
