//! Every case: what it asks for, its accepted readings and its known faults.

use super::super::faults::VARIANCE_UPSIDE_DOWN;
use super::point::Point;
use super::{Case, Output};
use crate::check::fault::{shipped, slip};
use crate::check::{Wrong, gaussian, guidance, posterior, prediction, sampler};
use crate::plan::Prediction;
use crate::posterior::Posterior;
use crate::prediction::conversion;

fn convert(from: Prediction, to: Prediction, p: &Point, value: f64) -> f64 {
    conversion(from, to, p.level()).map_or(f64::NAN, |map| map.at(p.xt(), value))
}

fn x0_of(p: &Point) -> f64 {
    convert(Prediction::Epsilon, Prediction::X0, p, p.out)
}

fn mean_of(p: &Point) -> f64 {
    Posterior::new(&p.step).at(x0_of(p), p.xt()).mean
}

fn noise_of(p: &Point, std: f64) -> f64 {
    if p.index == 0 { 0.0 } else { std * p.z }
}

/// Every case.
pub const CASES: &[Case] = &[
    Case {
        name: "posterior",
        asks: "mean and variance of q(x_{t-1} | x_t, x_0)",
        inputs: &["t", "beta", "alpha_bar", "alpha_bar_prev", "x0", "xt"],
        outputs: &[
            Output {
                name: "mean",
                right: &[("", |p| Posterior::new(&p.step).at(p.x0, p.xt()).mean)],
                faults: &[
                    (Wrong::fault(posterior::faults::LAWS, "swapped_mean_factors"), |p| {
                        Posterior::new(&p.step).at(p.xt(), p.x0).mean
                    }),
                    (Wrong::fault(posterior::faults::LAWS, "root_alpha_bar_on_xt"), |p| {
                        let q = Posterior::new(&p.step);
                        q.x0 * p.x0 + q.xt * p.level().signal() / p.step.alpha().sqrt() * p.xt()
                    }),
                    (Wrong::fault(posterior::faults::LAWS, "alpha_bar_t_for_s_on_x0"), |p| {
                        let q = Posterior::new(&p.step);
                        q.x0 * p.step.alpha().sqrt() * p.x0 + q.xt * p.xt()
                    }),
                ],
            },
            Output {
                name: "variance",
                right: &[("", |p| Posterior::new(&p.step).beta_tilde)],
                faults: &[
                    (Wrong::fault(posterior::faults::LAWS, "beta_for_beta_tilde"), |p| p.step.beta()),
                    (Wrong::fault(posterior::faults::LAWS, "posterior_std_for_var"), |p| {
                        Posterior::new(&p.step).beta_tilde.sqrt()
                    }),
                    (VARIANCE_UPSIDE_DOWN, |p| {
                        p.step.beta() * p.level().one_minus_alpha_bar() / p.step.s().one_minus_alpha_bar()
                    }),
                ],
            },
        ],
    },
    Case {
        name: "kl",
        asks: "KL(N(mean1, var1) || N(mean2, var2)) in one dimension, nats",
        inputs: &["mean1", "var1", "mean2", "var2"],
        outputs: &[Output {
            name: "kl",
            right: &[("", |p| kl(p.x0, p.var, p.other_mean, p.other_var))],
            faults: &[
                (Wrong::fault(gaussian::faults::SCALARS, "reversed_kl"), |p| {
                    kl(p.other_mean, p.other_var, p.x0, p.var)
                }),
                (Wrong::fault(gaussian::faults::SCALARS, "log_of_everything"), |p| {
                    let (gap, ratio) = (p.x0 - p.other_mean, (p.other_var / p.var).sqrt());
                    (ratio + (p.var + gap * gap) / (2.0 * p.other_var) - 0.5).ln()
                }),
                (Wrong::fault(gaussian::faults::BOUND_TERMS, "half_log_and_no_dimension"), |p| {
                    kl(p.x0, p.var, p.other_mean, p.other_var) - 0.25 * (p.other_var / p.var).ln()
                }),
                (slip("answers_kl_std_for_variance", "variances were taken for standard deviations"), |p| {
                    kl(p.x0, p.var * p.var, p.other_mean, p.other_var * p.other_var)
                }),
                (Wrong::fault(gaussian::faults::SCALARS, "minus_half_forgotten"), |p| {
                    kl(p.x0, p.var, p.other_mean, p.other_var) + 0.5
                }),
                (slip("answers_kl_in_bits", "in bits where nats were asked for"), |p| {
                    kl(p.x0, p.var, p.other_mean, p.other_var) / std::f64::consts::LN_2
                }),
            ],
        }],
    },
    Case {
        name: "x0-from-eps",
        asks: "x_0 from x_t and the predicted noise",
        inputs: &["t", "beta", "alpha_bar", "xt", "pred"],
        outputs: &[Output {
            name: "x0",
            right: &[("", x0_of)],
            faults: &[
                (sampler::faults::NOISE_ADDED_NOT_REMOVED, |p| {
                    (p.xt() + p.level().noise_std() * p.out) / p.level().signal()
                }),
                (Wrong::fault(prediction::faults::CONVERSIONS, "noise_variance_for_std"), |p| {
                    (p.xt() - p.level().one_minus_alpha_bar() * p.out) / p.level().signal()
                }),
                (slip("answers_x0_not_rooted", "division by ᾱ where √ᾱ was meant"), |p| {
                    (p.xt() - p.level().noise_std() * p.out) / p.level().alpha_bar()
                }),
                (slip("answers_x0_one_step", "α and β of one step where ᾱ and 1 − ᾱ were meant"), |p| {
                    (p.xt() - p.step.beta().sqrt() * p.out) / p.step.alpha().sqrt()
                }),
            ],
        }],
    },
    Case {
        name: "eps-from-x0",
        asks: "the noise from x_t and the predicted x_0",
        inputs: &["t", "alpha_bar", "xt", "pred"],
        outputs: &[Output {
            name: "eps",
            right: &[("", |p| convert(Prediction::X0, Prediction::Epsilon, p, p.out))],
            faults: &[
                (slip("answers_eps_variance_for_std", "division by 1 − ᾱ where √(1 − ᾱ) was meant"), |p| {
                    (p.xt() - p.level().signal() * p.out) / p.level().one_minus_alpha_bar()
                }),
                (slip("answers_eps_signal_not_rooted", "ᾱ where √ᾱ was meant"), |p| {
                    (p.xt() - p.level().alpha_bar() * p.out) / p.level().noise_std()
                }),
                (slip("answers_eps_sign", "x₀ − x_t: the sign is wrong"), |p| {
                    -convert(Prediction::X0, Prediction::Epsilon, p, p.out)
                }),
            ],
        }],
    },
    Case {
        name: "v",
        asks: "v from x_0 and eps; x_0 and eps back from x_t and the predicted v (pred)",
        inputs: &["t", "alpha_bar", "x0", "eps", "xt", "pred"],
        outputs: &[
            Output {
                name: "v",
                right: &[("", Point::v)],
                faults: &[
                    (shipped("answers_v_sign", "the sign of σ is flipped: √ᾱ ε + √(1 − ᾱ) x₀"), |p| {
                        p.level().signal() * p.eps + p.level().noise_std() * p.x0
                    }),
                    (slip("answers_v_swapped", "x₀ and ε are exchanged"), |p| {
                        p.level().signal() * p.x0 - p.level().noise_std() * p.eps
                    }),
                    (slip("answers_v_negative", "the sign of v is wrong"), |p| -p.v()),
                ],
            },
            Output {
                name: "x0_from_v",
                right: &[("", |p| convert(Prediction::V, Prediction::X0, p, p.out))],
                faults: &[
                    (Wrong::fault(prediction::faults::CONVERSIONS, "v_sign_flipped"), |p| {
                        p.level().signal() * p.xt() + p.level().noise_std() * p.out
                    }),
                    (slip("answers_x0_from_v_swapped", "√ᾱ and √(1 − ᾱ) are exchanged"), |p| {
                        p.level().noise_std() * p.xt() - p.level().signal() * p.out
                    }),
                    (slip("answers_x0_from_v_as_eps", "v was taken for ε"), x0_of),
                ],
            },
            Output {
                name: "eps_from_v",
                right: &[("", |p| convert(Prediction::V, Prediction::Epsilon, p, p.out))],
                faults: &[
                    (
                        shipped("answers_eps_from_v_sign", "√ᾱ v − √(1 − ᾱ) x_t: the sign of σ is flipped"),
                        |p| p.level().signal() * p.out - p.level().noise_std() * p.xt(),
                    ),
                    (slip("answers_eps_from_v_swapped", "√ᾱ and √(1 − ᾱ) are exchanged"), |p| {
                        p.level().noise_std() * p.out + p.level().signal() * p.xt()
                    }),
                    (slip("answers_eps_is_v", "v was taken for ε"), |p| p.out),
                ],
            },
        ],
    },
    Case {
        name: "ddpm",
        asks: "x_{t-1} of ancestral sampling from x_t, the predicted noise and z; no noise at t = 0 (the papers' 1)",
        inputs: &["t", "beta", "alpha_bar", "alpha_bar_prev", "xt", "pred", "z"],
        outputs: &[Output {
            name: "x_prev",
            right: &[
                ("σ² = β̃", |p| mean_of(p) + noise_of(p, Posterior::new(&p.step).beta_tilde.sqrt())),
                ("σ² = β", |p| mean_of(p) + noise_of(p, p.step.beta().sqrt())),
            ],
            faults: &[
                (sampler::faults::NOISE_IN_LAST_STEP, |p| mean_of(p) + p.step.beta().sqrt() * p.z),
                (sampler::faults::VARIANCE_FOR_STD, |p| mean_of(p) + noise_of(p, Posterior::new(&p.step).beta_tilde)),
                (sampler::faults::VARIANCE_FOR_STD, |p| mean_of(p) + noise_of(p, p.step.beta())),
                (Wrong::fault(prediction::faults::MEANS, "mean_prefactor_alpha_bar"), |p| {
                    mean_of(p) * p.step.alpha().sqrt() / p.level().signal()
                        + noise_of(p, Posterior::new(&p.step).beta_tilde.sqrt())
                }),
                (Wrong::fault(prediction::faults::MEANS, "mean_noise_of_one_step"), |p| {
                    (p.xt() - p.step.beta().sqrt() * p.out) / p.step.alpha().sqrt()
                        + noise_of(p, Posterior::new(&p.step).beta_tilde.sqrt())
                }),
                (slip("answers_ddpm_no_noise", "z is not used"), mean_of),
            ],
        }],
    },
    Case {
        name: "ddim",
        asks: "x_{t-1} of DDIM with eta = 0 from x_t and the predicted noise",
        inputs: &["t", "alpha_bar", "alpha_bar_prev", "xt", "pred"],
        outputs: &[Output {
            name: "x_prev",
            right: &[("", |p| p.step.s().signal() * x0_of(p) + p.step.s().noise_std() * p.out)],
            faults: &[
                (
                    slip("answers_ddim_current_noise", "√(1 − ᾱ_t) where √(1 − ᾱ_{t−1}) was meant"),
                    |p| p.step.s().signal() * x0_of(p) + p.level().noise_std() * p.out,
                ),
                (sampler::faults::DDIM_SIGNAL_OF_T, Point::returned),
                (slip("answers_ddim_not_rooted", "ᾱ_{t−1} where √ᾱ_{t−1} was meant"), |p| {
                    p.step.s().alpha_bar() * x0_of(p) + p.step.s().noise_std() * p.out
                }),
                (
                    slip("answers_ddim_variance_for_std", "1 − ᾱ_{t−1} where √(1 − ᾱ_{t−1}) was meant"),
                    |p| p.step.s().signal() * x0_of(p) + p.step.s().one_minus_alpha_bar() * p.out,
                ),
                (slip("answers_ddim_no_direction", "the term along the predicted noise is missing"), |p| {
                    p.step.s().signal() * x0_of(p)
                }),
            ],
        }],
    },
    Case {
        name: "guidance",
        asks: "u + s (c - u) from the conditional (cond) and unconditional (uncond) prediction and the scale s",
        inputs: &["cond", "uncond", "scale"],
        outputs: &[Output {
            name: "guided",
            right: &[("", |p| p.uncond + p.scale * (p.out - p.uncond))],
            faults: &[
                (Wrong::fault(guidance::faults::GUIDED, "scale_taken_for_weight"), |p| {
                    (1.0 + p.scale) * p.out - p.scale * p.uncond
                }),
                (Wrong::fault(guidance::faults::GUIDED, "conditional_and_unconditional_swapped"), |p| {
                    p.out + p.scale * (p.uncond - p.out)
                }),
                (slip("answers_guidance_average", "(c + s u)/(1 + s): an average, not an extrapolation"), |p| {
                    (p.out + p.scale * p.uncond) / (1.0 + p.scale)
                }),
                (Wrong::fault(guidance::faults::GUIDED, "conditional_scaled_alone"), |p| p.scale * p.out),
            ],
        }],
    },
];

impl Point {
    /// What a DDIM step that leads to where it started gives.
    fn returned(&self) -> f64 {
        self.level().signal() * x0_of(self) + self.step.s().noise_std() * self.out
    }
}

fn kl(mean: f64, var: f64, other_mean: f64, other_var: f64) -> f64 {
    let gap = mean - other_mean;
    0.5 * ((other_var / var).ln() + (var + gap * gap) / other_var - 1.0)
}
