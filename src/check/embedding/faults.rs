//! Known wrong formulas of the chapter `embedding`.

use crate::check::{Erratum, Fault, Numbers, Origin, Severity};
use crate::check::embedding::{Losses, losses};
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

/// The other divisor.
pub const EMBEDDING_DIVISOR_HALF: Fault = Fault {
    name: "embedding_divisor_half",
    sentence: "the exponents are divided by dim/2 where the network was trained with dim/2 − 1",
    origin: Origin::Shipped,
};

/// [`EMBEDDING_DIVISOR_HALF`].
#[must_use]
pub fn embedding_divisor_half(dim: usize, time: f64) -> Vec<f64> {
    embedding(dim, 1e4, Divisor::Half, time)
}

/// A period ten times too short.
pub const EMBEDDING_PERIOD_1000: Fault = Fault {
    name: "embedding_period_1000",
    sentence: "the longest period is 10³ where 10⁴ was meant",
    origin: Origin::Slip,
};

/// [`EMBEDDING_PERIOD_1000`].
#[must_use]
pub fn embedding_period_1000(dim: usize, time: f64) -> Vec<f64> {
    embedding(dim, 1e3, Divisor::HalfMinusOne, time)
}

/// Sines twice.
pub const EMBEDDING_SINES_TWICE: Fault = Fault {
    name: "embedding_sines_twice",
    sentence: "both halves hold sines: inner products depend on the times themselves",
    origin: Origin::Slip,
};

/// [`EMBEDDING_SINES_TWICE`].
#[must_use]
pub fn embedding_sines_twice(dim: usize, time: f64) -> Vec<f64> {
    let right = embedding(dim, 1e4, Divisor::HalfMinusOne, time);
    [&right[..dim / 2], &right[..dim / 2]].concat()
}

/// t/T for t.
pub const EMBEDDING_OF_FRACTION: Fault = Fault {
    name: "embedding_of_fraction",
    sentence: "t/T is embedded where t was meant: all times look alike",
    origin: Origin::Slip,
};

/// [`EMBEDDING_OF_FRACTION`].
#[must_use]
pub fn embedding_of_fraction(dim: usize, time: f64) -> Vec<f64> {
    embedding(dim, 1e4, Divisor::HalfMinusOne, time / 1000.0)
}

/// Sines and cosines alternating.
pub const EMBEDDING_INTERLEAVED: Fault = Fault {
    name: "embedding_interleaved",
    sentence: "sines and cosines alternate where the network expects them in two halves",
    origin: Origin::Shipped,
};

/// [`EMBEDDING_INTERLEAVED`].
#[must_use]
pub fn embedding_interleaved(dim: usize, time: f64) -> Vec<f64> {
    let right = embedding(dim, 1e4, Divisor::HalfMinusOne, time);
    (0..dim).map(|i| right[i / 2 + (i % 2) * (dim / 2)]).collect()
}

/// All times alike.
pub const BLIND_MEAN_UNWEIGHTED: Fault = Fault {
    name: "blind_mean_unweighted",
    sentence: "the time-blind answer averages over times as if all were equally likely at x",
    origin: Origin::Slip,
};

/// [`BLIND_MEAN_UNWEIGHTED`].
///
/// # Errors
/// As [`time_blind`].
pub fn blind_mean_unweighted(densities: &[f64], answers: &[f64]) -> Result<TimeBlind> {
    time_blind(&vec![1.0; densities.len()], answers)
}

/// A standard deviation.
pub const BLIND_PENALTY_ROOTED: Fault = Fault {
    name: "blind_penalty_rooted",
    sentence: "the penalty is the standard deviation of the answers over times; it is their variance",
    origin: Origin::Slip,
};

/// [`BLIND_PENALTY_ROOTED`].
///
/// # Errors
/// As [`time_blind`].
pub fn blind_penalty_rooted(densities: &[f64], answers: &[f64]) -> Result<TimeBlind> {
    time_blind(densities, answers).map(|blind| TimeBlind { penalty: blind.penalty.sqrt(), ..blind })
}

/// Mean square.
pub const BLIND_PENALTY_NOT_CENTRED: Fault = Fault {
    name: "blind_penalty_not_centred",
    sentence: "the penalty is the mean square of the answers; their mean must be subtracted",
    origin: Origin::Slip,
};

/// [`BLIND_PENALTY_NOT_CENTRED`].
///
/// # Errors
/// As [`time_blind`].
pub fn blind_penalty_not_centred(densities: &[f64], answers: &[f64]) -> Result<TimeBlind> {
    time_blind(densities, answers)
        .map(|blind| TimeBlind { penalty: blind.penalty + blind.answer * blind.answer, ..blind })
}

/// The likeliest time's answer.
pub const BLIND_ANSWER_OF_LIKELIEST_TIME: Fault = Fault {
    name: "blind_answer_of_likeliest_time",
    sentence: "the time-blind answer is that of the likeliest time; the best one is the mean over times",
    origin: Origin::Slip,
};

/// [`BLIND_ANSWER_OF_LIKELIEST_TIME`].
///
/// # Errors
/// As [`time_blind`].
pub fn blind_answer_of_likeliest_time(densities: &[f64], answers: &[f64]) -> Result<TimeBlind> {
    let best =
        densities.iter().zip(answers).max_by(|a, b| a.0.total_cmp(b.0)).map_or(f64::NAN, |(_, answer)| *answer);
    time_blind(densities, answers).map(|blind| TimeBlind { answer: best, ..blind })
}
