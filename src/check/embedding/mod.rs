//! Claims on time embeddings and on networks that are not told the time.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::PI;

use crate::embedding::TimeBlind;
use crate::error::Result;
use crate::exact::{Mixture1, Noising};

use super::{Outcome, Tol, Trial};

// ANCHOR: lag
/// Inner products of embeddings depend on the lag alone, with the frequencies of the convention.
///
/// ```text
/// ⟨PE(t), PE(t + k)⟩ = Σ_i cos ω_i k        ω_i = p^{−i/D}, by repeated multiplication
/// ```
///
/// `period` is p, `divisor` D. Method: frequencies as powers of one root, inner products of vectors. Ledger S1.66, B20.
///
/// # Errors
/// The mismatch found.
pub fn inner_products_depend_on_lag(
    embed: impl Fn(f64) -> Vec<f64>,
    period: f64,
    divisor: usize,
    time: f64,
    lag: f64,
) -> Outcome {
    let (here, there) = (embed(time), embed(time + lag));
    let half = here.len() / 2;
    let root = period.powf(-1.0 / divisor as f64);
    let frequencies = std::iter::successors(Some(1.0), |frequency| Some(frequency * root)).take(half);
    let want: f64 = frequencies.map(|frequency: f64| (frequency * lag).cos()).sum();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = half as f64 * (8.0 + 2.0 * (time.abs() + lag.abs()));
    let tol = Tol::abs(4.0 * f64::EPSILON * scale, "4 roundings of an angle up to t, for each frequency");
    let place = || format!("t = {time}, lag = {lag}, dim = {}", here.len());
    let mut trial = Trial::new();
    trial.close("inner product", dot(&here, &there), want, tol, place)?;
    trial.close("squared norm", dot(&here, &here), half as f64, tol, place)?;
    Ok(trial.evidence())
}
// ANCHOR_END: lag

/// Each pair of a sine and a cosine turns at its own frequency, so that later times are linear in earlier ones.
///
/// ```text
/// sin ω(t + k) = sin ωt cos ωk + cos ωt sin ωk
/// ```
///
/// `sines` and `cosines` give the positions of each kind. Ledger S1.66.
///
/// # Errors
/// The mismatch found.
pub fn entries_rotate(
    embed: impl Fn(f64) -> Vec<f64>,
    sines: std::ops::Range<usize>,
    cosines: std::ops::Range<usize>,
    time: f64,
    lag: f64,
) -> Outcome {
    let (here, turn, there) = (embed(time), embed(lag), embed(time + lag));
    let tol =
        Tol::abs(4.0 * f64::EPSILON * (8.0 + 2.0 * (time.abs() + lag.abs())), "4 roundings of an angle up to t");
    let mut trial = Trial::new();
    for (s, c) in sines.zip(cosines) {
        let place = || format!("entry {s}, t = {time}, lag = {lag}");
        trial.close("sine", there[s], here[s] * turn[c] + here[c] * turn[s], tol, place)?;
        trial.close("cosine", there[c], here[c] * turn[c] - here[s] * turn[s], tol, place)?;
    }
    Ok(trial.evidence())
}

/// No two of the times 0 … count − 1 have the same embedding: all pairs are further apart than `least`.
///
/// Ledger S1.66, B20.
///
/// # Errors
/// The mismatch found.
pub fn is_injective(embed: impl Fn(f64) -> Vec<f64>, count: usize, least: f64) -> Outcome {
    let all: Vec<Vec<f64>> = (0..count).map(|t| embed(t as f64)).collect();
    let mut trial = Trial::new();
    for (k, a) in all.iter().enumerate() {
        for (j, b) in all.iter().enumerate().take(k) {
            let distance = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
            let place = || format!("t = {j} and {k}");
            trial.at_most("−distance", -distance, -least, Tol::exact(), place)?;
        }
    }
    Ok(trial.evidence())
}

/// The smallest distance of neighbouring times' embeddings.
#[must_use]
pub fn nearest_neighbours(embed: impl Fn(f64) -> Vec<f64>, count: usize) -> f64 {
    let distance = |t: usize| {
        let (a, b) = (embed(t as f64), embed(t as f64 + 1.0));
        a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    };
    (0..count.saturating_sub(1)).map(distance).fold(f64::INFINITY, f64::min)
}

/// Mean losses of the time-aware and the time-blind optimum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// E (ε − ε*_t(x_t))², with no formula for it: ε is integrated.
    pub aware: f64,
    /// E (ε − f(x_t))² for the time-blind f.
    pub blind: f64,
    /// Mean over x of the penalty.
    pub penalty: f64,
}

/// The losses on a Gaussian mixture whose times are equally likely, by quadrature over component, x_t and ε.
///
/// In one component x₀ ~ N(m, s), so ε given x_t is N(σ(x − √ᾱ m)/V, ᾱ s/V), V = ᾱ s + σ²; ε* is the mean of these
/// means. The loss of any answer f(x) is `Σ q (Var + (mean − f)²)` over components: nothing is assumed optimal.
#[must_use]
pub fn losses(f: impl Fn(&[f64], &[f64]) -> Result<TimeBlind>, data: &Mixture1, levels: &[Noising]) -> Losses {
    let (width, reach) = (0.05, 7.0);
    let mut all = Losses { aware: 0.0, blind: 0.0, penalty: 0.0 };
    let count = (2.0 * reach / width) as i32;
    for node in 0..=count {
        let x = f64::from(node) * width - reach;
        let at = |level: &Noising| {
            data.weights().iter().zip(data.components()).fold([0.0; 3], |[density, first, second], (weight, part)| {
                let (signal, noise) = (level.signal(), level.noise_var());
                let total = signal * signal * part.var() + noise;
                let residual = x - signal * part.mean();
                let q = weight * (-0.5 * residual * residual / total).exp() / (2.0 * PI * total).sqrt();
                let mean = noise.sqrt() * residual / total;
                let square = mean * mean + signal * signal * part.var() / total;
                [density + q, first + q * mean, second + q * square]
            })
        };
        let moments: Vec<[f64; 3]> = levels.iter().map(at).collect();
        let densities: Vec<f64> = moments.iter().map(|m| m[0]).collect();
        if densities.iter().sum::<f64>() < 1e-60 {
            continue;
        }
        let optima: Vec<f64> = moments.iter().map(|m| if m[0] > 0.0 { m[1] / m[0] } else { 0.0 }).collect();
        let blind = f(&densities, &optima).unwrap_or(TimeBlind { answer: f64::NAN, penalty: f64::NAN });
        let weight = width / levels.len() as f64;
        for ([q, first, second], own) in moments.iter().zip(&optima) {
            let loss = |answer: f64| second - 2.0 * answer * first + answer * answer * q;
            all.aware += weight * loss(*own);
            all.blind += weight * loss(blind.answer);
            all.penalty += weight * q * blind.penalty;
        }
    }
    all
}

// ANCHOR: penalty
/// The time-blind optimum costs the penalty more than the time-aware one, and no other answer costs less.
///
/// Method: quadrature of the losses themselves; central differences in the answer. Ledger S2.39, S2.40.
///
/// # Errors
/// The mismatch found.
pub fn penalty_is_excess_loss(
    f: impl Fn(&[f64], &[f64]) -> Result<TimeBlind>,
    data: &Mixture1,
    levels: &[Noising],
) -> Outcome {
    let all = losses(&f, data, levels);
    let moved = |by: f64| {
        let shifted = |densities: &[f64], optima: &[f64]| {
            f(densities, optima).map(|blind| TimeBlind { answer: blind.answer + by, ..blind })
        };
        losses(shifted, data, levels).blind
    };
    let place = || format!("{} times", levels.len());
    let mut trial = Trial::new();
    let tol = Tol::abs(2e-14, "rounding of sums of 3e4 terms; the trapezoid rule is exact");
    trial.close("excess loss", all.penalty, all.blind - all.aware, tol, place)?;
    let h = 1e-3;
    let slope = (moved(h) - moved(-h)) / (2.0 * h);
    trial.close("slope of the loss in the answer", slope, 0.0, Tol::abs(2e-11, "rounding/h"), place)?;
    let positive = if all.penalty > 1e-3 { 1.0 } else { 0.0 };
    trial.close("penalty above 0.001", positive, 1.0, Tol::exact(), place)?;
    Ok(trial.evidence())
}
// ANCHOR_END: penalty
