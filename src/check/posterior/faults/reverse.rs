//! Known wrong forms of the chain's joint law and of the true reverse q(x_s | x_t).

use crate::check::{Fault, Origin};
use crate::posterior::{
    Component, Moments, Posterior, conditional_information, joint_covariance, posterior, true_reverse,
    true_reverse_mixture,
};
use crate::schedule::{Level, Transition};

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
    let mut right = joint_covariance(step, data_var);
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
    2.0 * conditional_information(step, data_var)
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
