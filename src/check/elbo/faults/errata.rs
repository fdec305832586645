//! Errata of the source documents on the variational bound.

use super::{first_term_twice, minus_before_the_sums, q_of_x1_kept};
use crate::check::elbo::World;
use crate::elbo::{AffineKernel, PathLogs, ProofRow, Reverse, Terms, expected_terms, proof_row, terms_at};
use crate::error::Result;
use crate::check::{Erratum, Numbers, Severity};
use crate::posterior::{Moments, Posterior};
use crate::schedule::{Schedule, Timestep, Transition};

/// Expectation of a row of the proof on the toy chain.
fn toy(row: ProofRow, f: fn(ProofRow, &Schedule, &Reverse, &[f64]) -> Result<f64>) -> f64 {
    let world = World::toy();
    world.expect(|path| f(row, &world.schedule, &world.kernel(), path)).unwrap_or(f64::NAN)
}

/// Expected terms on the toy chain for data N(mean, var).
fn toy_terms(mean: f64, var: f64, pick: fn(&Terms) -> f64) -> f64 {
    let world = World::toy();
    expected_terms(&world.schedule, Moments { mean, var }, &world.reverse).map_or(f64::NAN, |terms| pick(&terms))
}

/// The linear schedule with the exact reverse mean for N(0, 1) data, √α x_t, and one of the two variances.
fn exact_on_normal(small: bool) -> World {
    let schedule = Schedule::ddpm();
    let kernel = |step: Transition| {
        let beta_tilde = Posterior::new(&step).beta_tilde;
        let var = if small && beta_tilde > 0.0 { beta_tilde } else { step.beta() };
        AffineKernel { slope: step.alpha().sqrt(), offset: 0.0, var }
    };
    let reverse = schedule.steps().map(|(_, step)| kernel(step)).collect();
    World { schedule, data: Moments { mean: 0.0, var: 1.0 }, reverse }
}

fn bound_on_normal(small: bool) -> f64 {
    let world = exact_on_normal(small);
    expected_terms(&world.schedule, world.data, &world.reverse).map_or(f64::NAN, |terms| terms.total())
}

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E0.4",
        severity: Severity::Result,
        rows: &["S0.29"],
        printed: "the sum still runs from t = 1 after that term was written apart",
        correct: "it runs from t = 2",
        numbers: &[Numbers {
            at: "toy chain, third row",
            printed: || toy(ProofRow::FirstApart, first_term_twice),
            correct: || toy(ProofRow::FirstApart, proof_row),
            listed: (1.690_811, 1.621_953),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E0.5",
        severity: Severity::Result,
        rows: &["S0.31", "S0.32", "S0.40"],
        printed: "the last term keeps q(x₁ | x₀): −log p_θ(x₀ | x₁)/q(x₁ | x₀)",
        correct: "it cancels: −log p_θ(x₀ | x₁)",
        numbers: &[
            Numbers {
                at: "toy chain, last row",
                printed: || toy(ProofRow::Final, q_of_x1_kept),
                correct: || toy(ProofRow::Final, proof_row),
                listed: (1.354_307, 1.621_953),
                decimals: 6,
            },
            Numbers {
                at: "what the kept term adds per dimension, linear schedule",
                printed: || {
                    let world = exact_on_normal(false);
                    let path = vec![0.0; world.len() + 1];
                    let logs = PathLogs::new(&world.schedule, &world.kernel(), &path);
                    logs.map_or(f64::NAN, |logs| logs.forward[0] - 0.5)
                },
                correct: || 0.0,
                listed: (3.186_232, 0.0),
                decimals: 6,
            },
        ],
    },
    Erratum {
        id: "E0.6",
        severity: Severity::Intermediate,
        rows: &["S0.36"],
        printed: "the KL is averaged over q(x_{0:t−2}, x_{t:T} | x_{t−1})",
        correct: "over q(x₀, x_t)",
        numbers: &[
            Numbers {
                at: "toy chain, t = 2, x1 = -1",
                printed: || World::toy().middle_term_given(2, -1.0),
                correct: || toy_terms(0.4, 0.49, |terms| terms.denoising[0]),
                listed: (0.695_776, 0.752_404),
                decimals: 6,
            },
            Numbers {
                at: "toy chain, t = 2, x1 = 0",
                printed: || World::toy().middle_term_given(2, 0.0),
                correct: || toy_terms(0.4, 0.49, |terms| terms.denoising[0]),
                listed: (0.715_806, 0.752_404),
                decimals: 6,
            },
            Numbers {
                at: "toy chain, t = 2, x1 = 1",
                printed: || World::toy().middle_term_given(2, 1.0),
                correct: || toy_terms(0.4, 0.49, |terms| terms.denoising[0]),
                listed: (0.790_318, 0.752_404),
                decimals: 6,
            },
        ],
    },
    Erratum {
        id: "E0.7",
        severity: Severity::Intermediate,
        rows: &["S0.37"],
        printed: "given x_{t−1} and x₀ the KL is known, or a constant",
        correct: "it is a function of (x₀, x_t), free of x_{t−1}, and not constant",
        numbers: &[Numbers {
            at: "toy chain, t = 2, x1 = 2",
            printed: || World::toy().middle_term_given(2, 2.0),
            correct: || toy_terms(0.4, 0.49, |terms| terms.denoising[0]),
            listed: (0.919_309, 0.752_404),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E1.11",
        severity: Severity::Wording,
        rows: &["S1.84"],
        printed: "training yields the NLL",
        correct: "it yields an upper bound of the NLL",
        numbers: &[
            Numbers {
                at: "toy chain",
                printed: || toy_terms(0.4, 0.49, Terms::total),
                correct: || World::toy().nll(),
                listed: (1.621_953, 1.185_905),
                decimals: 6,
            },
            Numbers {
                at: "linear, exact mean, N(0, 1) data, variance beta_tilde",
                printed: || bound_on_normal(true),
                correct: || exact_on_normal(true).nll(),
                listed: (1.883_831, 1.418_958),
                decimals: 6,
            },
        ],
    },
    Erratum {
        id: "E2.7",
        severity: Severity::Intermediate,
        rows: &["S2.31"],
        printed: "the bound is the sum of terms of one sample, a lower bound",
        correct: "it is the expectation of that sum over q, an upper bound of −log p",
        numbers: &[Numbers {
            at: "toy chain, x0 = 0.8: the noise-free path against the mean",
            printed: || {
                let world = World::toy();
                let path: Vec<f64> = (0..=3).map(|t| 0.8 * world.schedule.level(Timestep::new(t)).signal()).collect();
                terms_at(&world.schedule, &world.kernel(), &path).map_or(f64::NAN, |terms| terms.total())
            },
            correct: || toy_terms(0.8, 0.0, Terms::total),
            listed: (0.330_719, 1.415_503),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E2.8",
        severity: Severity::Typo,
        rows: &["S2.32"],
        printed: "p_θ(x_T)",
        correct: "p(x_T), which has no parameters",
        numbers: &[],
    },
    Erratum {
        id: "E3.1",
        severity: Severity::Wording,
        rows: &["S3.11"],
        printed: "the product sign means nesting, as in normalizing flows",
        correct: "an ordinary product of conditional densities",
        numbers: &[],
    },
    Erratum {
        id: "E3.3",
        severity: Severity::Typo,
        rows: &["S3.18"],
        printed: "expectation over q(x_{0,T})",
        correct: "over q(x_{0:T})",
        numbers: &[],
    },
    Erratum {
        id: "E3.4",
        severity: Severity::Intermediate,
        rows: &["S3.21", "S3.22", "S3.23"],
        printed: "minus signs before the sums and the first log ratio in rows 2 to 4",
        correct: "plus signs in all three rows",
        numbers: &[
            Numbers {
                at: "toy chain, ELBO, row 2",
                printed: || -toy(ProofRow::StepRatios, minus_before_the_sums),
                correct: || -toy(ProofRow::StepRatios, proof_row),
                listed: (-1.105_674, -1.621_953),
                decimals: 6,
            },
            Numbers {
                at: "toy chain, ELBO, row 3",
                printed: || -toy(ProofRow::TwoSums, minus_before_the_sums),
                correct: || -toy(ProofRow::TwoSums, proof_row),
                listed: (-1.105_674, -1.621_953),
                decimals: 6,
            },
            Numbers {
                at: "toy chain, ELBO, row 4",
                printed: || -toy(ProofRow::Final, minus_before_the_sums),
                correct: || -toy(ProofRow::Final, proof_row),
                listed: (1.353_866, -1.621_953),
                decimals: 6,
            },
        ],
    },
    Erratum {
        id: "E3.10",
        severity: Severity::Result,
        rows: &["S3.45"],
        printed: "L_{t−1} is the sum over t of the KLs",
        correct: "L_{t−1} is one of them",
        numbers: &[
            Numbers {
                at: "toy chain, L_1",
                printed: || toy_terms(0.4, 0.49, |terms| terms.denoising.iter().sum()),
                correct: || toy_terms(0.4, 0.49, |terms| terms.denoising[0]),
                listed: (1.151_406, 0.752_404),
                decimals: 6,
            },
            Numbers {
                at: "toy chain, L_2",
                printed: || toy_terms(0.4, 0.49, |terms| terms.denoising.iter().sum()),
                correct: || toy_terms(0.4, 0.49, |terms| terms.denoising[1]),
                listed: (1.151_406, 0.399_002),
                decimals: 6,
            },
        ],
    },
];
