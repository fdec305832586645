//! Known wrong formulas of the variational bound.

use super::World;
use crate::check::{Erratum, Numbers, Severity, Wrong, wrong};
use crate::elbo::{
    AffineKernel, PathLogs, ProofRow, Reverse, Terms, denoising_from_eps_loss, denoising_term, expected_terms,
    importance_bound, prior_slope, prior_term, proof_row, terms_at,
};
use crate::error::Result;
use crate::posterior::{Moments, Posterior};
use crate::schedule::{Level, Schedule, Timestep, Transition};

wrong! {
    /// Wrong rows of the proof of the bound.
    pub ROWS: fn(ProofRow, &Schedule, &Reverse, &[f64]) -> Result<f64>;

    erratum("E0.4") first_term_twice:
        "the sum over transitions starts at t = 1 although that term is also written apart" =>
        |row, schedule, reverse, path| {
            let logs = PathLogs::new(schedule, reverse, path)?;
            let again = if row == ProofRow::FirstApart { logs.reverse[0] - logs.forward[0] } else { 0.0 };
            Ok(logs.row(row) - again)
        };
    erratum("E0.5") q_of_x1_kept: "the last term keeps log q(x₁ | x₀), which the telescoping sum has to cancel" =>
        |row, schedule, reverse, path| {
            let logs = PathLogs::new(schedule, reverse, path)?;
            let late = matches!(row, ProofRow::Telescoped | ProofRow::Final);
            Ok(logs.row(row) + if late { logs.marginal[0] } else { 0.0 })
        };
    erratum("E3.4") minus_before_the_sums:
        "the log ratios of the ELBO are subtracted where they have to be added" =>
        |row, schedule, reverse, path| {
            let logs = PathLogs::new(schedule, reverse, path)?;
            let right = logs.row(row);
            let end = if row == ProofRow::Final { logs.marginal[logs.marginal.len() - 1] } else { 0.0 };
            let flipped = matches!(row, ProofRow::StepRatios | ProofRow::TwoSums | ProofRow::Final);
            let kept = -(logs.prior - end);
            Ok(if flipped { kept - (right - kept) } else { right })
        };
    slip telescoped_one_short: "the telescoped sum ends at q(x_{T−1} | x₀) instead of q(x_T | x₀)" =>
        |row, schedule, reverse, path| {
            let logs = PathLogs::new(schedule, reverse, path)?;
            let n = logs.marginal.len();
            let short = if n > 1 && row == ProofRow::Telescoped { logs.marginal[n - 2] - logs.marginal[n - 1] } else { 0.0 };
            Ok(logs.row(row) + short)
        };
    slip prior_left_out: "log p(x_T) is left out of the bound" =>
        |row, schedule, reverse, path| {
            let logs = PathLogs::new(schedule, reverse, path)?;
            Ok(logs.row(row) + if row == ProofRow::StepRatios { logs.prior } else { 0.0 })
        };
}

wrong! {
    /// Wrong terms of the bound on one path.
    pub TERMS: fn(&Schedule, &Reverse, &[f64]) -> Result<Terms>;

    erratum("E0.5") decoder_over_q:
        "the reconstruction term is log q(x₁ | x₀)/p_θ(x₀ | x₁) where −log p_θ(x₀ | x₁) was meant" =>
        |schedule, reverse, path| {
            let right = terms_at(schedule, reverse, path)?;
            let logs = PathLogs::new(schedule, reverse, path)?;
            Ok(Terms { decoder: right.decoder + logs.forward[0], ..right })
        };
    slip kl_the_other_way: "the middle terms are KL(p_θ ‖ q) where KL(q ‖ p_θ) was meant" =>
        |schedule, reverse, path| {
            let right = terms_at(schedule, reverse, path)?;
            let reversed = |(t, step): (Timestep, Transition)| {
                let (q, p) = (Posterior::new(&step).at(path[0], path[t.get()]), reverse(t, path[t.get()]));
                let miss = q.mean - p.mean;
                0.5 * ((q.var / p.var).ln() + (p.var + miss * miss) / q.var - 1.0)
            };
            Ok(Terms { denoising: schedule.steps().skip(1).map(reversed).collect(), ..right })
        };
    slip kl_without_variances:
        "the middle terms are the weighted squares of the means alone, although the variances differ" =>
        |schedule, reverse, path| {
            let right = terms_at(schedule, reverse, path)?;
            let square = |(t, step): (Timestep, Transition)| {
                let p = reverse(t, path[t.get()]);
                (Posterior::new(&step).at(path[0], path[t.get()]).mean - p.mean).powi(2) / (2.0 * p.var)
            };
            Ok(Terms { denoising: schedule.steps().skip(1).map(square).collect(), ..right })
        };
    slip decoder_without_two_pi: "the Gaussian decoder's density lacks its ½ ln 2π" =>
        |schedule, reverse, path| {
            let right = terms_at(schedule, reverse, path)?;
            Ok(Terms { decoder: right.decoder - 0.5 * std::f64::consts::TAU.ln(), ..right })
        };
    slip prior_from_level_before: "the prior term is taken at T − 1" =>
        |schedule, reverse, path| {
            let right = terms_at(schedule, reverse, path)?;
            let before = Timestep::new(schedule.len().max(2) - 1);
            Ok(Terms { prior: prior_term(schedule.level(before), path[0]), ..right })
        };
}

wrong! {
    /// Wrong expectations of the terms of the bound.
    pub EXPECTED: fn(&Schedule, Moments, &[AffineKernel]) -> Result<Terms>;

    erratum("E3.10") one_term_is_the_sum: "each middle term is the sum of all of them" =>
        |schedule, data, reverse| {
            let right = expected_terms(schedule, data, reverse)?;
            let sum = right.denoising.iter().sum();
            Ok(Terms { denoising: vec![sum; right.denoising.len()], ..right })
        };
    erratum("E0.6") kl_given_earlier_state:
        "the KL is averaged given x_{t−1} (here at 0) where it depends on (x₀, x_t) and has to be averaged over both" =>
        |schedule, data, reverse| {
            let right = expected_terms(schedule, data, reverse)?;
            let world = World { schedule: schedule.clone(), data, reverse: reverse.to_vec() };
            Ok(Terms { denoising: (2..=schedule.len()).map(|t| world.middle_term_given(t, 0.0)).collect(), ..right })
        };
    erratum("E0.7") terms_taken_as_known:
        "the KL is taken as a known constant (here its value on the noise-free path) where it is a function of (x₀, x_t)" =>
        |schedule, data, reverse| {
            let right = expected_terms(schedule, data, reverse)?;
            Ok(Terms { denoising: terms_on_noise_free_path(schedule, data, reverse)?.denoising, ..right })
        };
    erratum("E2.7") one_path_for_the_mean:
        "the sum of the terms on one path (here the noise-free one) is taken for the bound, without the expectation over q" =>
        terms_on_noise_free_path;
    slip data_variance_forgotten: "the expectation over the data is taken at its mean" =>
        |schedule, data, reverse| expected_terms(schedule, Moments { var: 0.0, ..data }, reverse);
    slip kernels_shifted: "the reverse kernel of t − 1 is used for t" =>
        |schedule, data, reverse| {
            let mut shifted = reverse.to_vec();
            shifted.rotate_right(1);
            let right = expected_terms(schedule, data, reverse)?;
            Ok(Terms { decoder: right.decoder, ..expected_terms(schedule, data, &shifted)? })
        };
    erratum("E1.11") bound_taken_for_nll: "the bound is taken for the negative log-likelihood itself" =>
        |schedule, data, reverse| {
            let right = expected_terms(schedule, data, reverse)?;
            let nll = World { schedule: schedule.clone(), data, reverse: reverse.to_vec() }.nll();
            Ok(Terms { decoder: right.decoder + nll - right.total(), ..right })
        };
}

wrong! {
    /// Wrong logarithms of the densities of a path.
    pub DENSITIES: fn(&Schedule, &Reverse, &[f64]) -> Result<[f64; 4]>;

    slip density_without_prior: "the model's density of a path lacks p(x_T)" =>
        |schedule, reverse, path| {
            let logs = PathLogs::new(schedule, reverse, path)?;
            let [model, rest @ ..] = path_densities(&logs);
            Ok([model - logs.prior, rest[0], rest[1], rest[2]])
        };
    erratum("E3.1") density_of_nested_means:
        "the product is read as nesting: each kernel is evaluated at the mean of the one before, not at the path's state" =>
        |schedule, reverse, path| {
            let mut state = path[schedule.len()];
            let mut nested = path.to_vec();
            for t in schedule.timesteps().rev() {
                state = reverse(t, state).mean;
                nested[t.get() - 1] = state;
            }
            let logs = PathLogs::new(schedule, reverse, path)?;
            let [_, rest @ ..] = path_densities(&logs);
            Ok([PathLogs::new(schedule, reverse, &nested)?.model(), rest[0], rest[1], rest[2]])
        };
    slip telescoped_upside_down: "the telescoping ratio is q(x_T | x₀)/q(x₁ | x₀), upside down" =>
        |schedule, reverse, path| {
            let [model, chain, sum, last] = path_densities(&PathLogs::new(schedule, reverse, path)?);
            Ok([model, chain, -sum, last])
        };
    slip kernel_std_is_beta: "β is taken for the standard deviation of a forward step where it is the variance" =>
        |schedule, reverse, path| {
            let logs = PathLogs::new(schedule, reverse, path)?;
            let [model, _, sum, last] = path_densities(&logs);
            let wrong: f64 = schedule.steps().zip(&logs.forward).map(|((_, step), log)| {
                let normal = -0.5 * (std::f64::consts::TAU * step.beta()).ln();
                (log - normal) / step.beta() + normal - 0.5 * step.beta().ln()
            }).sum();
            Ok([model, wrong, sum, last])
        };
}

wrong! {
    /// Wrong divergences of the reverse kernel from q(x_{t−1} | x_t, x₀).
    pub DIVERGENCES: fn(&Transition, f64, f64, Moments) -> Result<f64>;

    slip kl_without_half: "the squared difference of the means lacks its ½" =>
        |step, x0, xt, model| {
            let miss = Posterior::new(step).at(x0, xt).mean - model.mean;
            Ok(denoising_term(step, x0, xt, model)? + miss * miss / (2.0 * model.var))
        };
    slip kl_with_beta: "the posterior's variance in the KL is β where β̃ was meant" =>
        |step, x0, xt, model| {
            let ratio = step.beta() / model.var;
            let miss = Posterior::new(step).at(x0, xt).mean - model.mean;
            Ok(0.5 * (ratio - 1.0 - ratio.ln()) + miss * miss / (2.0 * model.var))
        };
    slip kl_mean_swapped: "x₀ and x_t are exchanged in the posterior mean of the KL" =>
        |step, x0, xt, model| denoising_term(step, xt, x0, model);
}

wrong! {
    /// Wrong slopes of the prior term in ln SNR.
    pub SLOPES: fn(Level, f64) -> f64;

    slip prior_slope_zero:
        "the prior term is taken to be free of parameters although the schedule's end is learned" =>
        |_level, _x0| 0.0;
    slip prior_slope_in_alpha_bar:
        "the slope is taken with respect to ᾱ instead of ln SNR: the factor ᾱ(1 − ᾱ) is missing" =>
        |level, x0| prior_slope(level, x0) / (level.alpha_bar() * level.one_minus_alpha_bar());
    slip prior_slope_without_half: "the slope of the prior term lacks its ½" =>
        |level, x0| 2.0 * prior_slope(level, x0);
}

wrong! {
    /// Wrong terms of the bound from the loss of the predicted noise.
    pub LOSSES: fn(&Transition, f64, f64) -> Result<f64>;

    slip simple_loss_as_bound: "the unweighted noise loss is taken for the term of the bound" =>
        |_step, _var, loss| Ok(loss);
    slip variance_constant_dropped: "the constant from the two variances is dropped although they differ" =>
        |step, var, loss| denoising_from_eps_loss(step, var, loss, 0);
    slip weight_with_beta_tilde: "the weight of the noise loss divides by β̃ whatever the model's variance" =>
        |step, var, loss| {
            let ratio = var / Posterior::new(step).beta_tilde;
            denoising_from_eps_loss(step, var, ratio * loss, 1)
        };
}

wrong! {
    /// Wrong importance-weighted bounds.
    pub IMPORTANCE: fn(&[f64]) -> Result<f64>;

    slip mean_of_logs: "the mean of the log-weights where the log of the mean weight was meant" =>
        |log_weights| Ok(log_weights.iter().sum::<f64>() / log_weights.len() as f64);
    slip log_of_sum: "the sum of the weights is not divided by their number" =>
        |log_weights| Ok(importance_bound(log_weights)? + (log_weights.len() as f64).ln());
    slip largest_weight_alone: "the largest weight stands for all of them" =>
        |log_weights| Ok(log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max));
}

pub(super) fn path_densities(logs: &PathLogs) -> [f64; 4] {
    [logs.model(), logs.data_chain(), logs.telescoping_sum(), logs.forward[logs.forward.len() - 1]]
}

/// The terms on the path x_t = √ᾱ_t m of the data's mean m.
fn terms_on_noise_free_path(schedule: &Schedule, data: Moments, reverse: &[AffineKernel]) -> Result<Terms> {
    let world = World { schedule: schedule.clone(), data, reverse: reverse.to_vec() };
    let times = (0..=schedule.len()).map(Timestep::new);
    let path: Vec<f64> = times.map(|t| data.mean * schedule.level(t).signal()).collect();
    terms_at(schedule, &world.kernel(), &path)
}

/// Expectation of a row of the proof on the toy chain.
fn toy(row: ProofRow, f: fn(ProofRow, &Schedule, &Reverse, &[f64]) -> Result<f64>) -> f64 {
    let world = World::toy();
    world.expect(|path| f(row, &world.schedule, &world.kernel(), path)).unwrap_or(f64::NAN)
}

fn wrong_row(name: &str) -> fn(ProofRow, &Schedule, &Reverse, &[f64]) -> Result<f64> {
    Wrong::named(ROWS, name).f
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
            printed: || toy(ProofRow::FirstApart, wrong_row("first_term_twice")),
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
                printed: || toy(ProofRow::Final, wrong_row("q_of_x1_kept")),
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
                printed: || -toy(ProofRow::StepRatios, wrong_row("minus_before_the_sums")),
                correct: || -toy(ProofRow::StepRatios, proof_row),
                listed: (-1.105_674, -1.621_953),
                decimals: 6,
            },
            Numbers {
                at: "toy chain, ELBO, row 3",
                printed: || -toy(ProofRow::TwoSums, wrong_row("minus_before_the_sums")),
                correct: || -toy(ProofRow::TwoSums, proof_row),
                listed: (-1.105_674, -1.621_953),
                decimals: 6,
            },
            Numbers {
                at: "toy chain, ELBO, row 4",
                printed: || -toy(ProofRow::Final, wrong_row("minus_before_the_sums")),
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
