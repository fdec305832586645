//! Beyond tables: inputs for one step of somebody's code, and a judgement of its answers.
//!
//! A case is a formula at 64 points of the linear schedule of T = 1000. Whoever wants to test code in another
//! language reads the inputs, computes the outputs with it, and hands them back. In Rust it is one call:
//!
//! ```
//! use alphabar::diagnose::cases::Case;
//!
//! // Somebody's DDIM step, with the noise of t where that of t − 1 was meant.
//! let report = Case::find("ddim").unwrap().check(|p| {
//!     let x0 = (p["xt"] - (1.0 - p["alpha_bar"]).sqrt() * p["pred"]) / p["alpha_bar"].sqrt();
//!     [p["alpha_bar_prev"].sqrt() * x0 + (1.0 - p["alpha_bar"]).sqrt() * p["pred"]]
//! });
//! assert!(!report.is_right());
//! assert!(report.to_string().contains("√(1 − ᾱ_t) where √(1 − ᾱ_{t−1}) was meant"));
//! ```

use std::ops::Index;

use super::report::{Finding, Place, Verdict};
use super::{Numbers, Report};
use crate::check::{Run, uniform};
use crate::fault::{Fault, Origin};
use crate::plan::Prediction;
use crate::posterior::Posterior;
use crate::prediction::conversion;
use crate::schedule::{Level, Schedule, Timestep, Transition};

/// One point: everything that any case may need.
#[derive(Clone, Copy, Debug)]
struct Point {
    step: Transition,
    /// 0-based, as networks count.
    index: usize,
    x0: f64,
    eps: f64,
    out: f64,
    uncond: f64,
    scale: f64,
    z: f64,
    other_mean: f64,
    var: f64,
    other_var: f64,
}

impl Point {
    fn level(&self) -> Level {
        self.step.t()
    }

    fn xt(&self) -> f64 {
        self.level().signal() * self.x0 + self.level().noise_std() * self.eps
    }

    fn v(&self) -> f64 {
        self.level().signal() * self.eps - self.level().noise_std() * self.x0
    }

    /// The input of a given name.
    fn input(&self, name: &str) -> f64 {
        match name {
            "t" => self.index as f64,
            "beta" => self.step.beta(),
            "alpha_bar" => self.level().alpha_bar(),
            "alpha_bar_prev" => self.step.s().alpha_bar(),
            "x0" => self.x0,
            "xt" => self.xt(),
            "eps" => self.eps,
            "pred" | "cond" => self.out,
            "v" => self.v(),
            "uncond" => self.uncond,
            "scale" => self.scale,
            "z" => self.z,
            "mean1" => self.x0,
            "mean2" => self.other_mean,
            "var1" => self.var,
            "var2" => self.other_var,
            _ => f64::NAN,
        }
    }
}

type Answer = fn(&Point) -> f64;

/// One output of a case: its accepted readings and its known faults.
struct Output {
    name: &'static str,
    right: &'static [(&'static str, Answer)],
    faults: &'static [(Fault, Answer)],
}

/// A formula to be tested.
pub struct Case {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What has to be computed, in a sentence.
    pub asks: &'static str,
    inputs: &'static [&'static str],
    outputs: &'static [Output],
}

impl Case {
    /// The case of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        CASES.iter().find(|case| case.name == name)
    }

    /// Names of the arrays that answers must hold.
    pub fn outputs(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.outputs.iter().map(|output| output.name)
    }

    /// The inputs by name, one entry a point.
    #[must_use]
    pub fn inputs(&self) -> Vec<(&'static str, Vec<f64>)> {
        let points = points();
        self.inputs.iter().map(|&name| (name, points.iter().map(|point| point.input(name)).collect())).collect()
    }

    /// Runs somebody's code at every point and judges what it answers.
    ///
    /// `f` finds its inputs by name (`p["alpha_bar"]`) and answers in the order of [`Case::outputs`].
    ///
    /// # Panics
    /// If `f` asks for an input that the case does not have, or gives another number of answers than it asks for.
    #[must_use]
    pub fn check<const N: usize>(&self, f: impl Fn(&Inputs) -> [f64; N]) -> Report {
        let asked = self.outputs.len();
        assert!(
            N == asked,
            "the case {:?} asks for {asked} answers: {:?}",
            self.name,
            self.outputs().collect::<Vec<_>>()
        );
        let answer = |point: &Point| f(&Inputs(self.inputs.iter().map(|&name| (name, point.input(name))).collect()));
        let rows: Vec<[f64; N]> = points().iter().map(answer).collect();
        let column = |(k, name)| Numbers::f64(name, rows.iter().map(|row| row[k]).collect());
        self.judge(&self.outputs().enumerate().map(column).collect::<Vec<_>>())
    }

    /// Judges answers.
    #[must_use]
    pub fn judge(&self, answers: &[Numbers]) -> Report {
        let points = points();
        let mut report = Report { findings: Vec::new(), notes: Vec::new() };
        for output in self.outputs {
            match answers.iter().find(|numbers| numbers.name == output.name) {
                Some(numbers) => report.findings.push(output.judge(numbers, &points)),
                None => {
                    let missing =
                        Numbers { name: output.name.into(), values: Vec::new(), precision: super::Precision::F64 };
                    report.findings.push(Finding::new(&missing, "", Verdict::Undecided));
                    report.notes.push(format!("the answers hold no array {:?}", output.name));
                }
            }
        }
        report
    }
}

/// The inputs of a case at one point, by name.
pub struct Inputs(Vec<(&'static str, f64)>);

impl Index<&str> for Inputs {
    type Output = f64;

    /// # Panics
    /// If the case has no input of that name.
    fn index(&self, name: &str) -> &f64 {
        let known = || self.0.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or_else(|| panic!("the case has no input {name:?}; it has {:?}", known()), |(_, value)| value)
    }
}

impl Output {
    fn judge(&self, numbers: &Numbers, points: &[Point]) -> Finding {
        let mut finding = Finding::new(numbers, "", Verdict::Right);
        if numbers.values.len() != points.len() {
            finding.verdict = Verdict::Wrong;
            let (found, wanted) = (numbers.values.len(), points.len());
            finding.remarks.push(format!("{found} answers where {wanted} were asked for"));
            return finding;
        }
        if let Some((convention, _)) = self.right.iter().find(|(_, f)| fits(*f, numbers, points)) {
            if !convention.is_empty() {
                finding.remarks.push(format!("convention: {convention}"));
            }
            return finding;
        }
        finding.verdict = Verdict::Wrong;
        let (_, right) = self.right[0];
        let tolerance = tolerance(numbers);
        for (index, (point, &got)) in points.iter().zip(&numbers.values).enumerate() {
            let want = right(point);
            if (got - want).abs() <= tolerance * magnitude(point, want) {
                continue;
            }
            let place = Place { index, got, want };
            finding.off += 1;
            finding.first = finding.first.or(Some(place));
            let worse = |w: Place| (got - want).abs() > (w.got - w.want).abs() || got.is_nan();
            if finding.worst.is_none_or(worse) {
                finding.worst = Some(place);
            }
        }
        finding.faults.extend(self.faults.iter().find(|(_, f)| fits(*f, numbers, points)).map(|(fault, _)| *fault));
        finding
    }
}

fn fits(f: Answer, numbers: &Numbers, points: &[Point]) -> bool {
    let tolerance = tolerance(numbers);
    points.iter().zip(&numbers.values).all(|(point, &got)| {
        let want = f(point);
        (got - want).abs() <= tolerance * magnitude(point, want)
            || (got.is_nan() && want.is_nan())
            || (got.is_infinite() && want.is_infinite())
    })
}

/// Rounding of a dozen operations on numbers that were rounded themselves: 1 − ᾱ loses up to 13 bits at t = 1.
fn tolerance(numbers: &Numbers) -> f64 {
    numbers.precision.unit_roundoff() * 2f64.powi(14)
}

/// The size of the terms that the answer is a sum of.
fn magnitude(point: &Point, want: f64) -> f64 {
    let level = point.level();
    let amplified = (point.xt().abs() + point.out.abs()) * 1e-2 / level.signal().max(1e-2);
    want.abs() + amplified.min(1.0) * 1e-2
}

/// 64 points: the first and last steps and others between, on the linear schedule of T = 1000.
fn points() -> Vec<Point> {
    let schedule = Schedule::ddpm();
    let run = Run { seed: 20, cases: 64 };
    let hard = [1, 2, 3, 10, 500, 999, 1000];
    let time = |k: usize, u: f64| hard.get(k).copied().unwrap_or(1 + (u * 1000.0) as usize);
    let point = |(k, u): (usize, [f64; 8])| {
        let t = Timestep::new(time(k, u[0]).min(1000));
        Point {
            step: schedule.step(t),
            index: t.get() - 1,
            x0: uniform(u[1], -1.0, 1.0),
            eps: uniform(u[2], -2.5, 2.5),
            out: uniform(u[3], -2.5, 2.5),
            uncond: uniform(u[4], -2.5, 2.5),
            scale: uniform(u[5], 1.5, 7.5),
            z: uniform(u[6], -2.5, 2.5),
            other_mean: uniform(u[7], -1.5, 1.5),
            var: uniform(u[3], 0.2, 2.0),
            other_var: uniform(u[4], 0.3, 3.0),
        }
    };
    run.points::<8>().enumerate().map(point).collect()
}

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

const fn slip(name: &'static str, sentence: &'static str) -> Fault {
    Fault { name, sentence, origin: Origin::Slip }
}

const fn erratum(id: &'static str, name: &'static str, sentence: &'static str) -> Fault {
    Fault { name, sentence, origin: Origin::Erratum(id) }
}

const fn shipped(name: &'static str, sentence: &'static str) -> Fault {
    Fault { name, sentence, origin: Origin::Shipped }
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
                    (slip("answers_mean_swapped", "the factors of x₀ and x_t are exchanged"), |p| {
                        Posterior::new(&p.step).at(p.xt(), p.x0).mean
                    }),
                    (
                        erratum(
                            "E3.13",
                            "answers_mean_accumulated_factor",
                            "√ᾱ_t where √α_t was meant in the factor of x_t",
                        ),
                        |p| {
                            let q = Posterior::new(&p.step);
                            q.x0 * p.x0 + q.xt * p.level().signal() / p.step.alpha().sqrt() * p.xt()
                        },
                    ),
                    (
                        slip("answers_mean_current_signal", "√ᾱ_t where √ᾱ_{t−1} was meant in the factor of x₀"),
                        |p| {
                            let q = Posterior::new(&p.step);
                            q.x0 * p.step.alpha().sqrt() * p.x0 + q.xt * p.xt()
                        },
                    ),
                ],
            },
            Output {
                name: "variance",
                right: &[("", |p| Posterior::new(&p.step).beta_tilde)],
                faults: &[
                    (shipped("answers_variance_beta", "β where β̃ was meant"), |p| p.step.beta()),
                    (
                        slip("answers_variance_std", "√β̃, a standard deviation, where the variance was meant"),
                        |p| Posterior::new(&p.step).beta_tilde.sqrt(),
                    ),
                    (
                        slip("answers_variance_upside_down", "(1 − ᾱ_t)/(1 − ᾱ_{t−1}): the fraction is upside down"),
                        |p| p.step.beta() * p.level().one_minus_alpha_bar() / p.step.s().one_minus_alpha_bar(),
                    ),
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
                (slip("answers_kl_swapped", "the two Gaussians are exchanged: KL is not symmetric"), |p| {
                    kl(p.other_mean, p.other_var, p.x0, p.var)
                }),
                (erratum("E2.4", "answers_kl_log_of_everything", "the logarithm is taken of the whole sum"), |p| {
                    let (gap, ratio) = (p.x0 - p.other_mean, (p.other_var / p.var).sqrt());
                    (ratio + (p.var + gap * gap) / (2.0 * p.other_var) - 0.5).ln()
                }),
                (
                    erratum("E0.11", "answers_kl_half_log_of_stds", "½ ln(σ₂/σ₁) where ln(σ₂/σ₁) was meant"),
                    |p| kl(p.x0, p.var, p.other_mean, p.other_var) - 0.25 * (p.other_var / p.var).ln(),
                ),
                (slip("answers_kl_std_for_variance", "variances were taken for standard deviations"), |p| {
                    kl(p.x0, p.var * p.var, p.other_mean, p.other_var * p.other_var)
                }),
                (slip("answers_kl_without_half", "the constant −½ is missing"), |p| {
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
                (slip("answers_x0_sign", "the sign of the noise term is wrong"), |p| {
                    (p.xt() + p.level().noise_std() * p.out) / p.level().signal()
                }),
                (slip("answers_x0_variance_for_std", "1 − ᾱ where √(1 − ᾱ) was meant"), |p| {
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
                    (
                        shipped("answers_x0_from_v_sign", "√ᾱ x_t + √(1 − ᾱ) v: the sign of σ is flipped"),
                        |p| p.level().signal() * p.xt() + p.level().noise_std() * p.out,
                    ),
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
                (shipped("answers_ddpm_noise_at_last_step", "the last step adds noise"), |p| {
                    mean_of(p) + p.step.beta().sqrt() * p.z
                }),
                (slip("answers_ddpm_variance_for_std", "z is multiplied by the variance β̃, not its root"), |p| {
                    mean_of(p) + noise_of(p, Posterior::new(&p.step).beta_tilde)
                }),
                (slip("answers_ddpm_beta_for_std", "z is multiplied by the variance β, not its root"), |p| {
                    mean_of(p) + noise_of(p, p.step.beta())
                }),
                (
                    erratum("E2.3", "answers_ddpm_accumulated_prefactor", "1/√ᾱ_t where 1/√α_t was meant"),
                    |p| {
                        mean_of(p) * p.step.alpha().sqrt() / p.level().signal()
                            + noise_of(p, Posterior::new(&p.step).beta_tilde.sqrt())
                    },
                ),
                (
                    erratum("E3.14", "answers_ddpm_one_step_noise", "√(1 − α_t) where √(1 − ᾱ_t) was meant"),
                    |p| {
                        (p.xt() - p.step.beta().sqrt() * p.out) / p.step.alpha().sqrt()
                            + noise_of(p, Posterior::new(&p.step).beta_tilde.sqrt())
                    },
                ),
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
                (
                    slip("answers_ddim_current_signal", "√ᾱ_t where √ᾱ_{t−1} was meant: x_t comes back"),
                    Point::returned,
                ),
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
                (
                    shipped(
                        "answers_guidance_w_for_scale",
                        "(1 + w) c − w u with w = s, the same as c + s (c − u): one more than was asked for",
                    ),
                    |p| (1.0 + p.scale) * p.out - p.scale * p.uncond,
                ),
                (slip("answers_guidance_swapped", "c and u are exchanged"), |p| p.out + p.scale * (p.uncond - p.out)),
                (slip("answers_guidance_average", "(c + s u)/(1 + s): an average, not an extrapolation"), |p| {
                    (p.out + p.scale * p.uncond) / (1.0 + p.scale)
                }),
                (slip("answers_guidance_scaled_only", "s·c: the unconditional prediction is not used"), |p| {
                    p.scale * p.out
                }),
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

#[cfg(test)]
mod tests {
    use super::{CASES, points};
    use crate::diagnose::{Numbers, Precision};

    fn numbers(name: &str, values: Vec<f64>) -> Numbers {
        Numbers { name: name.into(), values, precision: Precision::F64 }
    }

    #[test]
    fn right_answers_are_right_and_every_fault_is_named() {
        let points = points();
        for case in CASES {
            for output in case.outputs {
                for (_, right) in output.right {
                    let finding = output.judge(&numbers(output.name, points.iter().map(right).collect()), &points);
                    assert_eq!(finding.verdict, crate::diagnose::Verdict::Right, "{}: {finding}", case.name);
                }
                for (fault, wrong) in output.faults {
                    let finding = output.judge(&numbers(output.name, points.iter().map(wrong).collect()), &points);
                    assert_eq!(finding.verdict, crate::diagnose::Verdict::Wrong, "{}: {}", case.name, fault.name);
                    let found = finding.faults.first().map(|found| found.name);
                    assert_eq!(found, Some(fault.name), "{}: {finding}", case.name);
                }
            }
        }
    }

    #[test]
    fn inputs_are_finite_and_named() {
        for case in CASES {
            for (name, values) in case.inputs() {
                assert!(values.iter().all(|v| v.is_finite()), "{} {name}", case.name);
            }
        }
    }
}
