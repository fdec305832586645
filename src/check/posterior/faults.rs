//! Wrong formulas of the posterior q(x_s | x_t, x₀) and of the true reverse q(x_s | x_t).

use std::f64::consts::TAU;

use crate::check::{Erratum, Numbers, Severity, Wrong, wrong};
use crate::error::Result;
use crate::posterior::{
    Collection, Component, LogVarianceClip, Moments, Posterior, Quadratic, conditional_information, joint_covariance,
    log_variance_clipped, posterior, quadratic, true_reverse, true_reverse_mixture,
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

wrong! {
    /// Wrong logarithms of the posterior variance.
    pub LOG_VARIANCES: fn(&Transition, &Transition, LogVarianceClip) -> Result<f64>;

    slip log_variance_unclipped: "ln β̃ of the first step is left at −∞" =>
        |step, _, _| Ok(Posterior::new(step).beta_tilde.ln());
    shipped log_std_for_log_variance: "ln √β̃: half of what was meant" =>
        |step, second, clip| log_variance_clipped(step, second, clip).map(|log| 0.5 * log);
    shipped log_beta_for_log_beta_tilde: "the log variance is ln β_t at every step where ln β̃_t was meant" =>
        |step, _, _| Ok(step.beta().ln());
    shipped first_log_variance_from_beta: "the first log variance is ln β_1 where ln β̃_2 or the floor was meant" =>
        |step, second, clip| {
            let variance = Posterior::new(step).beta_tilde;
            if variance > 0.0 { log_variance_clipped(step, second, clip) } else { Ok(step.beta().ln()) }
        };
}

wrong! {
    /// Wrong lines of the completed square.
    pub SQUARES: fn(&Transition, f64, f64, Collection) -> Result<Quadratic>;

    slip prior_precision_at_t: "the collected square has 1/(1 − ᾱ_t) where 1/(1 − ᾱ_{t−1}) was meant" =>
        |step, x0, xt, line| {
            let right = quadratic(step, x0, xt, line)?;
            let (s, t) = (step.s().one_minus_alpha_bar(), step.t().one_minus_alpha_bar());
            Ok(Quadratic { square: right.square - 1.0 / s + 1.0 / t, ..right })
        };
    slip linear_term_doubled:
        "the factor of x_{t−1} is read as half the coefficient, with its 2 already inside: the mean is doubled" =>
        |step, x0, xt, line| {
            let right = quadratic(step, x0, xt, line)?;
            Ok(Quadratic { linear: 2.0 * right.linear, ..right })
        };
    slip product_dropped_in_numerator:
        "the numerator α − α ᾱ_{t−1} + 1 − α loses its product and becomes 1 where 1 − ᾱ_t was meant" =>
        |step, x0, xt, line| {
            let right = quadratic(step, x0, xt, line)?;
            Ok(Quadratic { square: 1.0 / (step.beta() * step.s().one_minus_alpha_bar()), ..right })
        };
    slip constant_without_evidence:
        "C(x_t, x₀) lacks −(x_t − √ᾱ_t x₀)²/(1 − ᾱ_t): the exponent is that of the joint, not of the posterior" =>
        |step, x0, xt, line| {
            let right = quadratic(step, x0, xt, line)?;
            let residual = xt - step.t().signal() * x0;
            Ok(Quadratic { constant: right.constant + residual * residual / step.t().one_minus_alpha_bar(), ..right })
        };
    erratum("E0.8") constant_free_of_xt: "C(x_t, x₀) is treated as free of x_t; it is free of x_{t−1}" =>
        |step, x0, xt, line| {
            let constant = quadratic(step, x0, 0.0, line)?.constant;
            Ok(Quadratic { constant, ..quadratic(step, x0, xt, line)? })
        };
}

wrong! {
    /// Wrong logarithms of the posterior density, summed over entries.
    pub DENSITIES: fn(&Transition, &[f64], &[f64], &[f64]) -> f64;

    slip one_dimension_of_constants:
        "the normalising constant is that of one dimension whatever the number of entries" =>
        |step, x0, xt, xs| density(step, x0, xt, xs, |var, squares, _| -0.5 * ((TAU * var).ln() + squares / var));
    slip std_in_log_normaliser: "the normalising constant has ln 2πσ where ln 2πσ² was meant" =>
        |step, x0, xt, xs| {
            density(step, x0, xt, xs, |var, squares, d| -0.5 * (d * (TAU * var.sqrt()).ln() + squares / var))
        };
    slip evidence_multiplied: "Bayes' ratio is multiplied by q(x_t | x₀) where it is divided by it" =>
        |step, x0, xt, xs| {
            let var = step.t().one_minus_alpha_bar();
            let squares: f64 = x0.iter().zip(xt).map(|(x0, xt)| (xt - step.t().signal() * x0).powi(2)).sum();
            let evidence = -0.5 * (x0.len() as f64 * (TAU * var).ln() + squares / var);
            density(step, x0, xt, xs, |var, squares, d| -0.5 * (d * (TAU * var).ln() + squares / var)) + 2.0 * evidence
        };
}

fn density(step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64], of: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let square = |((x0, xt), xs): ((&f64, &f64), &f64)| (xs - posterior(step, *x0, *xt).mean).powi(2);
    let squares: f64 = x0.iter().zip(xt).zip(xs).map(square).sum();
    of(Posterior::new(step).beta_tilde, squares, x0.len() as f64)
}

wrong! {
    /// Wrong covariances of (x₀, x_s, x_t).
    pub JOINTS: fn(&Transition, f64) -> [[f64; 3]; 3];

    slip deterministic_joint:
        "the joint of (x₀, x_{t−1}, x_t) is the deterministic one of DDIM: same marginals, but not Markov" =>
        |step, data_var| ddim_joint(step, data_var, 1.0);
    slip half_deterministic_joint:
        "the joint of (x₀, x_{t−1}, x_t) belongs to σ² = β̃/2: same marginals, but not Markov" =>
        |step, data_var| {
            let posterior = Posterior::new(step);
            let share = 1.0 - 0.5 * posterior.beta_tilde / step.s().one_minus_alpha_bar();
            ddim_joint(step, data_var, share.sqrt())
        };
    slip no_root_in_covariance: "the covariance of x_{t−1} and x_t has α_t where √α_t was meant" =>
        |step, data_var| {
            let mut right = joint_covariance(step, data_var);
            right[1][2] *= step.alpha().sqrt();
            right[2][1] = right[1][2];
            right
        };
}

/// Noises of s and t with the given correlation; the marginals do not change with it.
fn ddim_joint(step: &Transition, data_var: f64, correlation: f64) -> [[f64; 3]; 3] {
    let var = |level: Level| level.alpha_bar() * data_var + level.one_minus_alpha_bar();
    let (s, t) = (step.s(), step.t());
    let (a, b) = (s.signal() * data_var, t.signal() * data_var);
    let c = s.signal() * t.signal() * data_var + correlation * s.noise_std() * t.noise_std();
    [[data_var, a, b], [a, var(s), c], [b, c, var(t)]]
}

wrong! {
    /// Wrong reverse kernels of Gaussian data.
    pub REVERSES: fn(&Transition, Moments, f64) -> Moments;

    slip reverse_variance_beta_tilde: "the variance of q(x_{t−1} | x_t) is β̃: the uncertainty of x₀ is left out" =>
        |step, data, xt| Moments { var: Posterior::new(step).beta_tilde, ..true_reverse(step, data, xt) };
    slip reverse_variance_beta: "the variance of q(x_{t−1} | x_t) is β, which is right for data of variance 1 only" =>
        |step, data, xt| Moments { var: step.beta(), ..true_reverse(step, data, xt) };
    slip reverse_without_prior: "x₀ in the reverse mean is x_t/√ᾱ_t, as if x_t held no noise" =>
        |step, data, xt| {
            let mean = posterior(step, xt / step.t().signal(), xt).mean;
            Moments { mean, ..true_reverse(step, data, xt) }
        };
}

wrong! {
    /// Wrong reverse kernels of data that are a mixture.
    pub MIXTURES: fn(&Transition, &[Component], f64) -> Vec<Component>;

    slip mixture_weights_kept:
        "the components of q(x_{t−1} | x_t) keep the weights of the data: x_t says nothing about which one it is" =>
        |step, data, xt| {
            let mut right = true_reverse_mixture(step, data, xt);
            right.iter_mut().zip(data).for_each(|(r, d)| r.weight = d.weight);
            right
        };
    slip mixture_weights_of_s:
        "the weights of q(x_{t−1} | x_t) are found with the marginals of t − 1 where those of t were meant" =>
        |step, data, xt| {
            let s = step.s();
            let share = |c: &Component| {
                let var = s.alpha_bar() * c.moments.var + s.one_minus_alpha_bar();
                c.weight * (-0.5 * (xt - s.signal() * c.moments.mean).powi(2) / var).exp() / var.sqrt()
            };
            let total: f64 = data.iter().map(share).sum();
            let mut right = true_reverse_mixture(step, data, xt);
            right.iter_mut().zip(data).for_each(|(r, d)| r.weight = share(d) / total);
            right
        };
    slip mixture_as_one_gaussian:
        "the data are replaced by the Gaussian of the same mean and variance before time is reversed" =>
        |step, data, xt| {
            let mean: f64 = data.iter().map(|c| c.weight * c.moments.mean).sum();
            let second: f64 = data.iter().map(|c| c.weight * (c.moments.var + c.moments.mean.powi(2))).sum();
            let moments = true_reverse(step, Moments { mean, var: second - mean * mean }, xt);
            vec![Component { weight: 1.0, moments }]
        };
}

wrong! {
    /// Wrong forms of I(x_s; x₀ | x_t).
    pub INFORMATIONS: fn(&Transition, f64) -> f64;

    slip information_left_out:
        "the average divergence from the posterior is taken for that from the true reverse; it is larger by I(x_{t−1}; x₀ | x_t)" =>
        |_, _| 0.0;
    slip information_without_half: "I(x_{t−1}; x₀ | x_t) lacks its factor ½" =>
        |step, data_var| 2.0 * conditional_information(step, data_var);
    slip information_of_beta: "I(x_{t−1}; x₀ | x_t) is ½ ln(β/β̃), which is right for data of variance 1 only" =>
        |step, _| 0.5 * (step.beta() / Posterior::new(step).beta_tilde).ln();
}
