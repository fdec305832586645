//! Wrong formulas of time embeddings and of the network that is not told the time.

use crate::check::embedding::{Losses, losses};
use crate::check::{Erratum, Numbers, Severity, wrong};
use crate::embedding::{Divisor, Layout, Sinusoidal, TimeBlind, time_blind};
use crate::error::Result;
use crate::exact::{Mixture1, Noising};
use crate::schedule::Schedule;

/// Losses on the reference mixture at t = 1, 11, …, 991 of the linear schedule.
pub(crate) fn reference_losses() -> Losses {
    let levels = Noising::levels(Schedule::ddpm().betas().as_slice()).unwrap_or_default();
    let kept: Vec<Noising> = levels.into_iter().skip(1).step_by(10).collect();
    losses(time_blind, &Mixture1::reference(), &kept)
}

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[Erratum {
    id: "E2.10",
    severity: Severity::Typo,
    rows: &["S2.39", "S2.40"],
    printed: "the network is a function of x_t alone",
    correct: "ε_θ(x_t, t): it is told the time",
    numbers: &[Numbers {
        at: "reference mixture, t = 1, 11, …, 991: loss of the best network",
        printed: || reference_losses().blind,
        correct: || reference_losses().aware,
        listed: (0.424_387, 0.266_839),
        decimals: 6,
    }],
}];

fn embedding(dim: usize, max_period: f64, divisor: Divisor, time: f64) -> Vec<f64> {
    Sinusoidal::with(dim, max_period, divisor, Layout::SinCos).map_or(Vec::new(), |form| form.embed(time))
}

wrong! {
    /// Wrong embeddings, of the dimension and the time.
    pub EMBEDDINGS: fn(usize, f64) -> Vec<f64>;

    shipped embedding_divisor_half: "the exponents are divided by dim/2 where the network was trained with dim/2 − 1" =>
        |dim, time| embedding(dim, 1e4, Divisor::Half, time);
    slip embedding_period_1000: "the longest period is 10³ where 10⁴ was meant" =>
        |dim, time| embedding(dim, 1e3, Divisor::HalfMinusOne, time);
    slip embedding_sines_twice: "both halves hold sines: inner products depend on the times themselves" =>
        |dim, time| {
            let right = embedding(dim, 1e4, Divisor::HalfMinusOne, time);
            [&right[..dim / 2], &right[..dim / 2]].concat()
        };
    slip embedding_of_fraction: "t/T is embedded where t was meant: all times look alike" =>
        |dim, time| embedding(dim, 1e4, Divisor::HalfMinusOne, time / 1000.0);
    shipped embedding_interleaved: "sines and cosines alternate where the network expects them in two halves" =>
        |dim, time| {
            let right = embedding(dim, 1e4, Divisor::HalfMinusOne, time);
            (0..dim).map(|i| right[i / 2 + (i % 2) * (dim / 2)]).collect()
        };
}

wrong! {
    /// Wrong answers and penalties of a network that is not told the time, of the times' densities and answers.
    pub TIME_BLIND: fn(&[f64], &[f64]) -> Result<TimeBlind>;

    slip blind_mean_unweighted: "the time-blind answer averages over times as if all were equally likely at x" =>
        |densities, answers| time_blind(&vec![1.0; densities.len()], answers);
    slip blind_penalty_rooted:
        "the penalty is the standard deviation of the answers over times; it is their variance" =>
        |densities, answers| {
            time_blind(densities, answers).map(|blind| TimeBlind { penalty: blind.penalty.sqrt(), ..blind })
        };
    slip blind_penalty_not_centred: "the penalty is the mean square of the answers; their mean must be subtracted" =>
        |densities, answers| time_blind(densities, answers)
            .map(|blind| TimeBlind { penalty: blind.penalty + blind.answer * blind.answer, ..blind });
    slip blind_answer_of_likeliest_time:
        "the time-blind answer is that of the likeliest time; the best one is the mean over times" =>
        |densities, answers| {
            let best =
                densities.iter().zip(answers).max_by(|a, b| a.0.total_cmp(b.0)).map_or(f64::NAN, |(_, answer)| *answer);
            time_blind(densities, answers).map(|blind| TimeBlind { answer: best, ..blind })
        };
}
