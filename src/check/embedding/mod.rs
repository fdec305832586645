//! Claims on time embeddings and on networks that are not told the time.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::PI;

use crate::embedding::TimeBlind;
use crate::error::Result;
use crate::exact::{Mixture1, Noising};
use crate::schedule::Schedule;

use super::{Check, Evidence, Method, Outcome, Run, Tol, Trial, log_uniform, uniform};

/// Embeddings turn: inner products depend on the lag alone, with the frequencies of the convention; each pair of a sine
/// and a cosine turns at its own frequency, so that later times are linear in earlier ones; and no two of the times
/// 0 … 999 have the same embedding.
///
/// ```text
/// ⟨PE(t), PE(t + k)⟩ = Σ_i cos ω_i k        sin ω(t + k) = sin ωt cos ωk + cos ωt sin ωk        ω_i = p^{−i/D}
/// ```
///
/// `embed(dim, t)` has sines before cosines, p = 10⁴ and D = dim/2 − 1; `cos_first(dim, p, t)` has cosines before sines
/// and D = dim/2. Method: frequencies as powers of one root, inner products of vectors, angle sums. Source: Vaswani et
/// al. 2017, arXiv:1706.03762, section 3.5; the first convention is that of Ho et al. 2020, arXiv:2006.11239.
///
/// ```
/// use alphabar::{check, embedding::{Divisor, Layout, Sinusoidal}};
///
/// let embed = |dim: usize, time: f64| Sinusoidal::new(dim).unwrap().embed(time);
/// let cos_first = |dim: usize, period: f64, time: f64| {
///     Sinusoidal::with(dim, period, Divisor::Half, Layout::CosSin).unwrap().embed(time)
/// };
/// check::embedding::rotation(embed, cos_first).assert();
/// ```
pub fn rotation<'f>(
    embed: impl Fn(usize, f64) -> Vec<f64> + 'f,
    cos_first: impl Fn(usize, f64, f64) -> Vec<f64> + 'f,
) -> Check<'f> {
    let method = Method::OtherPremises("frequencies by repeated multiplication, angle sums");
    let sentence =
        "embeddings turn: inner products depend on the lag alone, entries follow the angle sum; 0 … 999 stay apart";
    Check::new("embedding_is_rotation", sentence, method, move |run| {
        Ok(turns(run, &embed)?.and(every_convention(run, &cos_first)?))
    })
    .rejects(faults::EMBEDDINGS, turns)
}

fn turns(run: &Run, embed: impl Fn(usize, f64) -> Vec<f64>) -> Outcome {
    let rotates = run.over(|[u, v, w]| {
        let dim = 2 * uniform(u, 2.0, 129.0) as usize;
        let (time, lag) = (uniform(v, 0.0, 1000.0), log_uniform(w, 0.01, 1000.0));
        let products = inner_products_depend_on_lag(|t| embed(dim, t), 1e4, dim / 2 - 1, time, lag)?;
        Ok(products.and(entries_rotate(|t| embed(dim, t), 0..dim / 2, dim / 2..dim, time, lag)?))
    })?;
    Ok(rotates.and(is_injective(|t| embed(64, t), 1000, 1.0)?))
}

fn every_convention(run: &Run, cos_first: impl Fn(usize, f64, f64) -> Vec<f64>) -> Outcome {
    run.over(|[u, v, w]| {
        let dim = 2 * uniform(u, 2.0, 129.0) as usize;
        let (period, time) = (log_uniform(v, 10.0, 1e5), uniform(w, 0.0, 1000.0));
        let embed = |t: f64| cos_first(dim, period, t);
        let half = dim / 2;
        let products = inner_products_depend_on_lag(embed, period, half, time, 7.0 * u)?;
        Ok(products.and(entries_rotate(embed, half..dim, 0..half, time, 7.0 * u)?))
    })
}

// ANCHOR: lag
/// `period` is p, `divisor` D; the frequencies are found by repeated multiplication.
fn inner_products_depend_on_lag(
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

/// `sines` and `cosines` give the positions of each kind.
fn entries_rotate(
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

/// All pairs of the times 0 … count − 1 are further apart than `least`.
fn is_injective(embed: impl Fn(f64) -> Vec<f64>, count: usize, least: f64) -> Outcome {
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

/// The smallest distance of the embeddings of neighbouring times 0 … count − 1.
///
/// ```
/// use alphabar::{check::embedding::nearest_neighbours, embedding::Sinusoidal};
///
/// let form = Sinusoidal::new(128)?;
/// assert!((nearest_neighbours(|t| form.embed(t), 1000) - 1.9393).abs() < 1e-4);
/// # Ok::<(), alphabar::Error>(())
/// ```
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
///
/// ```
/// use alphabar::{Schedule, check::embedding::losses, embedding::time_blind, exact::{Mixture1, Noising}};
///
/// let levels = Noising::levels(Schedule::ddpm().betas().as_slice())?;
/// let all = losses(time_blind, &Mixture1::reference(), &levels[1..3]);
/// assert!((all.blind - all.aware - all.penalty).abs() < 1e-12);
/// # Ok::<(), alphabar::Error>(())
/// ```
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
/// ```text
/// f(x) = Σ_t q_t(x) ε*_t(x) / Σ_t q_t(x)        penalty = Var_t[ε*_t(x)]        loss of f − loss of ε* = E penalty
/// ```
///
/// `f(densities, answers)` at one x, an entry a time. Method: quadrature of the losses themselves; central differences in
/// the answer. Source: least squares: the best answer to several targets is their mean.
///
/// ```
/// use alphabar::{check, embedding::time_blind};
///
/// check::embedding::time_blindness(time_blind).assert();
/// ```
pub fn time_blindness<'f>(f: impl Fn(&[f64], &[f64]) -> Result<TimeBlind> + 'f) -> Check<'f> {
    let method = Method::Numerical("quadrature of the losses themselves, finite differences");
    let sentence = "the best network that is not told t answers the mean over times and loses their variance";
    Check::new("time_blindness_costs_the_variance_over_times", sentence, method, move |_| blind(&f))
        .rejects(faults::TIME_BLIND, |_, f| blind(f))
}

fn blind(f: impl Fn(&[f64], &[f64]) -> Result<TimeBlind>) -> Outcome {
    let levels = Noising::levels(Schedule::ddpm().betas().as_slice()).unwrap_or_default();
    let every = |step: usize| levels.iter().skip(1).step_by(step).copied().collect::<Vec<Noising>>();
    let worlds = [(Mixture1::reference(), every(40)), (Mixture1::unit_variance(), every(90))];
    worlds
        .iter()
        .try_fold(Evidence::none(), |all, (data, levels)| Ok(all.and(penalty_is_excess_loss(&f, data, levels)?)))
}

fn penalty_is_excess_loss(
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
