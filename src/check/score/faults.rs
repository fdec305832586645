//! Known wrong formulas of scores, energies and Langevin dynamics.

use crate::check::{Erratum, Fault, Numbers, Severity, erratum};
use crate::exact::{Mixture1, Noising};
use crate::posterior::Posterior;
use crate::schedule::{Level, Schedule, Timestep, Transition};
use crate::score::{Proposal, denoising_target, langevin_variance, score_from_energy, tweedie_mean};

slips! {
    TWEEDIE_SIGN tweedie_sign(level: Level, xt: f64, score: f64)
        "x_t − (1 − ᾱ)·score: the sign of Tweedie's correction is wrong"
        = (xt - level.one_minus_alpha_bar() * score) / level.signal();
    TWEEDIE_STD tweedie_std(level: Level, xt: f64, score: f64)
        "√(1 − ᾱ) where 1 − ᾱ was meant in Tweedie's formula"
        = (xt + level.noise_std() * score) / level.signal();
    TWEEDIE_NOT_ROOTED tweedie_not_rooted(level: Level, xt: f64, score: f64)
        "division by ᾱ where √ᾱ was meant in Tweedie's formula"
        = (xt + level.one_minus_alpha_bar() * score) / level.alpha_bar();
    TWEEDIE_WITHOUT_SCORE tweedie_without_score(level: Level, xt: f64, _score: f64)
        "x_t/√ᾱ: Tweedie's correction is missing"
        = xt / level.signal();

    TWEEDIE_VARIANCE_SIGN tweedie_variance_sign(level: Level, hessian: f64)
        "1 − (1 − ᾱ)∇²: the sign of the curvature is wrong"
        = level.one_minus_alpha_bar() / level.alpha_bar() * (1.0 - level.one_minus_alpha_bar() * hessian);
    TWEEDIE_VARIANCE_ONCE tweedie_variance_once(level: Level, hessian: f64)
        "(1 − ᾱ)/ᾱ·(1 + ∇²): the curvature is not multiplied by 1 − ᾱ"
        = level.one_minus_alpha_bar() / level.alpha_bar() * (1.0 + hessian);
    TWEEDIE_VARIANCE_PRIOR tweedie_variance_prior(level: Level, _hessian: f64)
        "(1 − ᾱ)/ᾱ: the curvature of the density is left out"
        = level.one_minus_alpha_bar() / level.alpha_bar();

    REVERSE_MEAN_LANGEVIN reverse_mean_langevin(step: &Transition, xt: f64, score: f64)
        "½β where β was meant: a Langevin step, not a reverse step"
        = (xt + 0.5 * step.beta() * score) / step.alpha().sqrt();
    REVERSE_MEAN_UNSCALED reverse_mean_unscaled(step: &Transition, xt: f64, score: f64)
        "the division by √α is missing in the reverse mean"
        = xt + step.beta() * score;
    REVERSE_MEAN_SIGN reverse_mean_sign(step: &Transition, xt: f64, score: f64)
        "x_t − β·score: the sign in the reverse mean is wrong"
        = (xt - step.beta() * score) / step.alpha().sqrt();
    REVERSE_MEAN_ACCUMULATED reverse_mean_accumulated(step: &Transition, xt: f64, score: f64)
        "1 − ᾱ where β was meant: this is E[x₀ | x_t] scaled, not E[x_s | x_t]"
        = (xt + step.t().one_minus_alpha_bar() * score) / step.alpha().sqrt();

    EXCESS_NOT_SQUARED excess_not_squared(step: &Transition, trace: f64)
        "the factor of x₀ in the posterior mean is not squared"
        = Posterior::new(step).x0 * trace / (2.0 * Posterior::new(step).beta_tilde);
    EXCESS_OVER_BETA excess_over_beta(step: &Transition, trace: f64)
        "β where β̃ was meant in the cost of the marginal score"
        = Posterior::new(step).x0.powi(2) * trace / (2.0 * step.beta());

    TARGET_IS_EPS target_is_eps(_level: Level, eps: f64)
        "the target is ε: neither the sign nor the scale of the score"
        = eps;
    TARGET_SIGN target_sign(level: Level, eps: f64)
        "ε/√(1 − ᾱ): the sign of the score is wrong"
        = eps / level.noise_std();
    TARGET_VARIANCE target_variance(level: Level, eps: f64)
        "−ε/(1 − ᾱ): the variance where the standard deviation was meant"
        = -eps / level.one_minus_alpha_bar();

    IMPLICIT_WITHOUT_TWO implicit_without_two(score: f64, divergence: f64)
        "‖s‖² + ∇·s: the factor 2 of the divergence is missing"
        = score * score + divergence;
    IMPLICIT_SIGN implicit_sign(score: f64, divergence: f64)
        "‖s‖² − 2∇·s: the sign of the divergence is wrong"
        = score * score - 2.0 * divergence;
    IMPLICIT_HALVED implicit_halved(score: f64, divergence: f64)
        "½‖s‖² + 2∇·s: the square is halved and the divergence is not"
        = 0.5 * score * score + 2.0 * divergence;

    ENERGY_SIGN energy_sign(gradient: f64) "∇E where −∇E was meant" = gradient;
    ENERGY_HALVED energy_halved(gradient: f64) "−½∇E where −∇E was meant" = -0.5 * gradient;
    ENERGY_SQUARED energy_squared(gradient: f64) "−(∇E)² where −∇E was meant" = -gradient * gradient;

    LANGEVIN_WITHOUT_HALF langevin_without_half(x: f64, score: f64, sigma: f64, z: f64)
        "σ²·score where ½σ²·score was meant" = x + sigma * sigma * score + sigma * z;
    LANGEVIN_VARIANCE_NOISE langevin_variance_noise(x: f64, score: f64, sigma: f64, z: f64)
        "σ²z where σz was meant" = x + 0.5 * sigma * sigma * score + sigma * sigma * z;
    LANGEVIN_LINEAR_DRIFT langevin_linear_drift(x: f64, score: f64, sigma: f64, z: f64)
        "½σ·score where ½σ²·score was meant" = x + 0.5 * sigma * score + sigma * z;

    METROPOLIS_ALWAYS metropolis_always(_from: Proposal, _to: Proposal, _sigma: f64)
        "every proposal is accepted: Langevin without correction" = 0.0;
    METROPOLIS_SYMMETRIC metropolis_symmetric(from: Proposal, to: Proposal, _sigma: f64)
        "the ratio of densities alone, as if proposals were symmetric" = to.log_density - from.log_density;
    METROPOLIS_INVERSE metropolis_inverse(from: Proposal, to: Proposal, sigma: f64)
        "the ratio is upside down" = crate::score::metropolis_log_ratio(to, from, sigma);

    FLOW_WHOLE_SCORE flow_whole_score(beta: f64, x: f64, score: f64)
        "−½βx − β·score: the reverse SDE's drift where the flow's was meant" = -0.5 * beta * x - beta * score;
    FLOW_SIGN flow_sign(beta: f64, x: f64, score: f64)
        "−½β(x − score): the sign of the score is wrong" = -0.5 * beta * (x - score);
    FLOW_WITHOUT_HALF flow_without_half(beta: f64, x: f64, score: f64)
        "β where ½β was meant: the flow runs at twice the speed" = -beta * (x + score);

    EXPLODING_SQUARED exploding_squared(sigma: f64, score: f64)
        "−σ²·score where −σ·score was meant" = -sigma * sigma * score;
    EXPLODING_HALVED exploding_halved(sigma: f64, score: f64)
        "−½σ·score where −σ·score was meant" = -0.5 * sigma * score;
    EXPLODING_SIGN exploding_sign(sigma: f64, score: f64)
        "σ·score: the flow runs away from the data" = sigma * score;

    ENTROPY_RATE_WHOLE entropy_rate_whole(fisher: f64) "J where ½J was meant" = fisher;
    ENTROPY_RATE_INVERSE entropy_rate_inverse(fisher: f64) "1/(2J) where ½J was meant" = 0.5 / fisher;
    ENTROPY_RATE_ROOT entropy_rate_root(fisher: f64) "½√J where ½J was meant" = 0.5 * fisher.sqrt();
}

/// The marginal score where the conditional one was meant.
pub const X0_FROM_MARGINAL_SCORE: Fault =
    erratum("E1.3", "x0_from_marginal_score", "x₀ from the marginal score: that is its posterior mean, not x₀");

/// [`X0_FROM_MARGINAL_SCORE`].
#[must_use]
pub fn x0_from_marginal_score(level: Level, xt: f64, _conditional: f64, marginal: f64) -> f64 {
    tweedie_mean(level, xt, marginal)
}

/// The noise that was drawn where its mean given x_t was meant.
pub const SCORE_OF_ONE_NOISE: Fault =
    erratum("E1.5", "score_of_one_noise", "−ε₀/√(1 − ᾱ) as marginal score: the mean of ε₀ given x_t was meant");

/// [`SCORE_OF_ONE_NOISE`].
#[must_use]
pub fn score_of_one_noise(level: Level, _mean: f64, eps: f64) -> f64 {
    denoising_target(level, eps)
}

/// Nothing is paid at the exact marginal score.
pub const MARGINAL_SCORE_IS_FREE: Fault = erratum(
    "E1.4",
    "marginal_score_is_free",
    "the KL term as a squared difference to the marginal score: 0 where it is not",
);

/// [`MARGINAL_SCORE_IS_FREE`].
#[must_use]
pub fn marginal_score_is_free(_step: &Transition, _trace: f64) -> f64 {
    0.0
}

/// Descent where sampling was meant.
pub const LANGEVIN_DESCENT: Fault =
    erratum("E2.11", "langevin_descent", "no noise: descent to the lowest energy, not sampling");

/// [`LANGEVIN_DESCENT`].
#[must_use]
pub fn langevin_descent(x: f64, score: f64, sigma: f64, _z: f64) -> f64 {
    x + 0.5 * sigma * sigma * score
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
