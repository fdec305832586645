//! Claims on schedules: levels from the βs, βs from their definitions, and how the chain ends.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::{FRAC_PI_2, PI};

use crate::prediction::Prediction;
use crate::schedule::{Level, Schedule, Timestep};

use super::evidence::short;
use super::{Outcome, Tol, Trial};

mod columns;

pub use columns::{Rounding, columns_follow_from_betas};

const EPS: f64 = f64::EPSILON;

/// What a schedule's table holds at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// α_t; 1 at t = 0.
    pub alpha: f64,
    /// ᾱ_t.
    pub alpha_bar: f64,
    /// 1 − ᾱ_t.
    pub one_minus_alpha_bar: f64,
    /// √ᾱ_t.
    pub signal: f64,
    /// √(1 − ᾱ_t).
    pub noise_std: f64,
    /// ᾱ_t/(1 − ᾱ_t).
    pub snr: f64,
    /// Its natural logarithm.
    pub log_snr: f64,
}

/// ln ᾱ_0 … ln ᾱ_T as compensated sums of ln(1 − β): about one ε of the result, whatever T.
pub(super) fn log_alpha_bars(betas: &[f64]) -> Vec<f64> {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    let mut all = vec![0.0];
    for &beta in betas {
        let term = (-beta).ln_1p();
        if term.is_finite() {
            let next = sum + term;
            lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
            sum = next;
        } else {
            sum = term;
        }
        all.push(sum + lost);
    }
    all
}

/// Every column of a schedule's table is what the sum of ln(1 − β) says.
///
/// ```text
/// L_t = Σ ln(1 − β_s)      ᾱ = e^L      1 − ᾱ = −expm1(L)      SNR = 1/expm1(−L)
/// ```
///
/// Method: logarithms added with compensation, then `exp` and `expm1`; no product and no subtraction from 1. Ledger
/// S0.05, S0.06, S1.20, S2.10.
///
/// # Errors
/// The mismatch found.
pub fn levels_follow_from_betas(f: impl Fn(&Schedule, Timestep) -> Entry, schedule: &Schedule) -> Outcome {
    let betas = schedule.betas().as_slice();
    let mut trial = Trial::new();
    for (t, log) in log_alpha_bars(betas).into_iter().enumerate() {
        let got = f(schedule, Timestep::new(t));
        let place = || format!("t = {t}");
        let steep = if log.is_finite() { log.abs() } else { 0.0 };
        let reason = "4 roundings, one more per unit of ln alpha_bar";
        let tol = Tol::roundings(4.0 + steep, 1.0, reason);
        if t > 0 {
            let one = (-betas[t - 1]).ln_1p();
            let tol = Tol::roundings(2.0 - if one.is_finite() { one } else { 0.0 }, 1.0, reason);
            trial.close("alpha", got.alpha, one.exp(), tol, place)?;
        }
        trial.close("alpha_bar", got.alpha_bar, log.exp(), tol, place)?;
        let noise_var = 0.0 - log.exp_m1();
        trial.close("one_minus_alpha_bar", got.one_minus_alpha_bar, noise_var, tol, place)?;
        trial.close("signal", got.signal, (0.5 * log).exp(), tol, place)?;
        trial.close("noise_std", got.noise_std, noise_var.sqrt(), tol, place)?;
        trial.close("snr", got.snr, 1.0 / (0.0 - log).exp_m1(), tol, place)?;
        let tol = Tol::new(tol.rel, tol.rel, reason);
        trial.close("log_snr", got.log_snr, log - noise_var.ln(), tol, place)?;
    }
    Ok(trial.evidence())
}

/// A level made from λ = ln SNR has both its parts to full accuracy, and gives λ back.
///
/// ```text
/// ᾱ = e^{λ/2}/(2 cosh(λ/2))        1 − ᾱ = e^{−λ/2}/(2 cosh(λ/2))
/// ```
///
/// Method: the hyperbolic form, symmetric in the two parts. Ledger S1.20.
///
/// # Errors
/// The mismatch found.
pub fn level_of_log_snr(f: impl Fn(f64) -> Level, log_snr: f64) -> Outcome {
    let level = f(log_snr);
    let half = 0.5 * log_snr;
    let place = || format!("ln SNR = {}", short(log_snr));
    let tol = Tol::roundings(3.0 + log_snr.abs(), 1.0, "4 roundings, one more per unit of the exponent");
    let mut trial = Trial::new();
    trial.close("alpha_bar", level.alpha_bar(), half.exp() / (2.0 * half.cosh()), tol, place)?;
    trial.close(
        "one_minus_alpha_bar",
        level.one_minus_alpha_bar(),
        (-half).exp() / (2.0 * half.cosh()),
        tol,
        place,
    )?;
    trial.close(
        "signal² + noise²",
        level.signal().powi(2) + level.noise_std().powi(2),
        1.0,
        Tol::abs(4.0 * EPS, "4 roundings"),
        place,
    )?;
    trial.close(
        "log_snr",
        level.log_snr(),
        log_snr,
        Tol::abs(4.0 * EPS * (1.0 + log_snr.abs()), "4 roundings"),
        place,
    )?;
    Ok(trial.evidence())
}

// ANCHOR: keeps_digits
/// 1 − ᾱ_1 … 1 − ᾱ_T keep all their digits where they are small.
///
/// Method: the recursion v ← (1 − β) v + β adds positive numbers only, so it loses at most an ε a step, while
/// `1 − Π(1 − β)` loses a factor 1/(1 − ᾱ). Ledger B9.
///
/// # Errors
/// The mismatch found.
pub fn one_minus_alpha_bar_keeps_digits(f: impl Fn(&[f64]) -> Vec<f64>, betas: &[f64]) -> Outcome {
    let mut trial = Trial::new();
    let got = f(betas);
    let mut want = 0.0;
    for (i, &beta) in betas.iter().enumerate() {
        want = (1.0 - beta) * want + beta;
        let tol = Tol::roundings(i as f64 + 2.0, 1.0, "1 + t roundings of the recursion");
        let value = got.get(i).copied().unwrap_or(f64::NAN);
        trial.close("one_minus_alpha_bar", value, want, tol, || format!("t = {}", i + 1))?;
    }
    Ok(trial.evidence())
}
// ANCHOR_END: keeps_digits

fn entries(trial: &mut Trial, got: &[f64], steps: usize) -> Result<(), super::Mismatch> {
    trial.close("number of betas", got.len() as f64, steps as f64, Tol::exact(), || format!("T = {steps}"))
}

/// The βs of `f(T, start, end)` lie on the straight line from `start` to `end`, both ends counted.
///
/// Method: the convex combination of the ends, no increment. Ledger S1.65, S3.83, E3.11.
///
/// # Errors
/// The mismatch found.
pub fn linear(f: impl Fn(usize, f64, f64) -> Vec<f64>, steps: usize, start: f64, end: f64) -> Outcome {
    interpolates(&f(steps, start, end), steps, |near, far| near * start + far * end, 4.0 * EPS * start.max(end))
}

/// The roots of the βs of `f(T, start, end)` lie on the straight line from √start to √end.
///
/// # Errors
/// The mismatch found.
pub fn scaled_linear(f: impl Fn(usize, f64, f64) -> Vec<f64>, steps: usize, start: f64, end: f64) -> Outcome {
    let want = |near: f64, far: f64| near * near * start + far * far * end + 2.0 * near * far * (start * end).sqrt();
    interpolates(&f(steps, start, end), steps, want, 6.0 * EPS * start.max(end))
}

/// The βs of `f(T, start, end)` follow a logistic curve over (−6, 6).
///
/// Method: the hyperbolic tangent of half the argument, about the middle of the range.
///
/// # Errors
/// The mismatch found.
pub fn sigmoid(f: impl Fn(usize, f64, f64) -> Vec<f64>, steps: usize, start: f64, end: f64) -> Outcome {
    let want = |near: f64, far: f64| f64::midpoint(start, end) + 0.5 * (end - start) * (3.0 * (far - near)).tanh();
    interpolates(&f(steps, start, end), steps, want, 4.0 * EPS * (start + end))
}

fn interpolates(got: &[f64], steps: usize, want: impl Fn(f64, f64) -> f64, allowed: f64) -> Outcome {
    let mut trial = Trial::new();
    entries(&mut trial, got, steps)?;
    let tol = Tol::abs(allowed, "4 to 6 roundings of the larger end");
    let gaps = (steps - 1).max(1) as f64;
    for (i, &beta) in got.iter().enumerate() {
        let far = i as f64 / gaps;
        let near = (gaps - i as f64) / gaps;
        trial.close("beta", beta, want(near, far), tol, || format!("T = {steps}, t = {}", i + 1))?;
    }
    Ok(trial.evidence())
}

/// The cosine schedule's βs multiply back to `ᾱ_t = f(t)/f(0)`, all but the last, which is clipped to 0.999.
///
/// Method: their logarithms are summed and compared with ln cos² of the angle. Ledger S2.11, B6.
///
/// # Errors
/// The mismatch found.
pub fn cosine(f: impl Fn(usize) -> Vec<f64>, steps: usize) -> Outcome {
    let got = f(steps);
    let mut trial = Trial::new();
    entries(&mut trial, &got, steps)?;
    let angle = |t: usize| (t as f64 + 0.008 * steps as f64) / (1.008 * steps as f64) * FRAC_PI_2;
    let logs = log_alpha_bars(&got);
    let mut rounding = 4.0;
    for t in 1..steps {
        let place = || format!("T = {steps}, t = {t}");
        let beta = got[t - 1];
        trial.at_most("0 below beta", 0.0, beta, Tol::exact(), place)?;
        trial.at_most("beta below its clip", beta, 0.999 - EPS, Tol::exact(), place)?;
        rounding += 2.0 * beta / (1.0 - beta);
        let want = 2.0 * (angle(t).cos().ln() - angle(0).cos().ln());
        let tol = Tol::abs(EPS * (rounding + 10.0 * angle(t).tan()), "roundings of the betas and of the angle");
        trial.close("ln alpha_bar", logs[t], want, tol, place)?;
    }
    trial.close("last beta", got[steps - 1], 0.999, Tol::exact(), || format!("T = {steps}"))?;
    Ok(trial.evidence())
}

/// The βs 1/T, 1/(T − 1) … 1 take ᾱ down in a straight line: `ᾱ_t = 1 − t/T`, exactly 0 at T.
///
/// Method: the running product against the line. Ledger S3.47 (E3.11: the schedule for which β tends to 1).
///
/// # Errors
/// The mismatch found.
pub fn jsd(f: impl Fn(usize) -> Vec<f64>, steps: usize) -> Outcome {
    let got = f(steps);
    let mut trial = Trial::new();
    entries(&mut trial, &got, steps)?;
    let (mut kept, mut rounding) = (1.0, 1.0);
    for (i, &beta) in got.iter().enumerate() {
        let left = steps - i - 1;
        kept *= 1.0 - beta;
        rounding += 1.0 + if left > 0 { 0.5 * beta / (1.0 - beta) } else { 0.0 };
        let tol = Tol::roundings(rounding, 0.5, "half an ulp of each beta, difference and product");
        trial.close("alpha_bar", kept, left as f64 / steps as f64, tol, || format!("T = {steps}, t = {}", i + 1))?;
    }
    Ok(trial.evidence())
}

/// The rescaled βs keep √ᾱ_1, end in exactly 1, and have a √ᾱ that is an affine function of the original one.
///
/// Method: ratios of differences, `(√ᾱ'_t − 0)/(√ᾱ'_1 − 0) = (√ᾱ_t − √ᾱ_T)/(√ᾱ_1 − √ᾱ_T)`, each difference by
/// `expm1` of a sum of logarithms. Needs T ≥ 2 and ᾱ_T > 0. Ledger B5, S1.13.
///
/// # Errors
/// The mismatch found.
pub fn zero_terminal_snr(f: impl Fn(&[f64]) -> Vec<f64>, betas: &[f64]) -> Outcome {
    let got = f(betas);
    let steps = betas.len();
    let mut trial = Trial::new();
    entries(&mut trial, &got, steps)?;
    let place = |t: usize| move || format!("t = {t}");
    trial.close("last beta", got[steps - 1], 1.0, Tol::exact(), place(steps))?;
    let (old, new) = (log_alpha_bars(betas), log_alpha_bars(&got));
    let above = |t: usize| (0.5 * (old[t] - old[steps])).exp_m1();
    let tol = Tol::roundings(4.0, 1.0, "2 ulp and the witness's own 2");
    trial.close("signal at t = 1", (0.5 * new[1]).exp(), (0.5 * old[1]).exp(), tol, place(1))?;
    let mut rounding = 4.0;
    for t in 2..steps {
        rounding += got[t - 1] / (1.0 - got[t - 1]);
        let cancelled = (old[t].abs() + old[steps].abs()) * (1.0 + 1.0 / (old[t] - old[steps]));
        let tol = Tol::roundings(rounding + cancelled, 1.0, "roundings of the betas, cancelled logarithms");
        trial.close("signal", (0.5 * (new[t] - new[1])).exp(), above(t) / above(1), tol, place(t))?;
    }
    Ok(trial.evidence())
}

/// At pure noise x₀ has no value from a predicted ε or score, and v or x₀ give it without division.
///
/// `f(prediction, level, x_t, output)` is x₀, `None` where there is none. At ᾱ = 0, v = −x₀. Ledger B5.
///
/// # Errors
/// The mismatch found.
pub fn x0_at_pure_noise(f: impl Fn(Prediction, Level, f64, f64) -> Option<f64>, xt: f64, output: f64) -> Outcome {
    let mut trial = Trial::new();
    let place = || format!("xt = {}, output = {}", short(xt), short(output));
    for (prediction, want) in [(Prediction::V, -output), (Prediction::X0, output)] {
        let got = f(prediction, Level::NOISE, xt, output).unwrap_or(f64::NAN);
        trial.close("x0 at pure noise", got, want, Tol::exact(), place)?;
    }
    for prediction in [Prediction::Epsilon, Prediction::Score] {
        let answers = f64::from(u8::from(f(prediction, Level::NOISE, xt, output).is_some()));
        trial.close("answers for x0 at pure noise", answers, 0.0, Tol::exact(), place)?;
    }
    Ok(trial.evidence())
}

/// KL(N(√ᾱ x₀, 1 − ᾱ) ‖ N(0, 1)) is the mean of ln q − ln p under q.
///
/// Method: the trapezoidal rule on the two log densities (spectrally exact for a Gaussian weight), no closed form.
/// Ledger S0.01, S1.65, A0.3.
///
/// # Errors
/// The mismatch found.
pub fn prior_kl(f: impl Fn(Level, f64) -> f64, level: Level, x0: f64) -> Outcome {
    let want = prior_kl_by_quadrature(level, x0);
    let scale = 1.0 + level.one_minus_alpha_bar().ln().abs() + x0 * x0;
    let tol = Tol::abs(8.0 * EPS * scale, "8 roundings of the log densities");
    let mut trial = Trial::new();
    let place = || format!("alpha_bar = {}, x0 = {}", short(level.alpha_bar()), short(x0));
    trial.close("prior KL", f(level, x0), want, tol, place)?;
    Ok(trial.evidence())
}

/// The witness of [`prior_kl`].
#[must_use]
pub fn prior_kl_by_quadrature(level: Level, x0: f64) -> f64 {
    let (mean, std) = (level.alpha_bar().sqrt() * x0, level.one_minus_alpha_bar().sqrt());
    let width = 0.5;
    let term = |k: i32| {
        let z = width * f64::from(k);
        let y = mean + std * z;
        let weight = width / (2.0 * PI).sqrt() * (-0.5 * z * z).exp();
        weight * (0.5 * (y * y - z * z) - std.ln())
    };
    (1..=24).map(|k| term(k) + term(-k)).sum::<f64>() + term(0)
}

/// ln ᾱ_T of T equally spaced βs from `start` to `end`.
///
/// Method: Euler–Maclaurin with the antiderivative of ln(1 − β); neither a sum nor a product of T terms. Shows that
/// with fixed ends ln ᾱ_T falls in proportion to T. Ledger S3.34.
///
/// # Errors
/// The mismatch found.
pub fn log_alpha_bar_of_linear(f: impl Fn(&[f64]) -> f64, betas: &[f64]) -> Outcome {
    let (start, end) = (betas[0], betas[betas.len() - 1]);
    let want = log_alpha_bar_by_euler_maclaurin(betas.len(), start, end);
    let mut trial = Trial::new();
    let tol = Tol::rel(1e-13, "end points of the antiderivative cancel to 1e-14, remainder below");
    trial.close("ln alpha_bar", f(betas), want, tol, || format!("T = {}", betas.len()))?;
    Ok(trial.evidence())
}

/// The witness of [`log_alpha_bar_of_linear`].
#[must_use]
pub fn log_alpha_bar_by_euler_maclaurin(steps: usize, start: f64, end: f64) -> f64 {
    let h = (end - start) / (steps as f64 - 1.0);
    // ∫ ln(1 − x) from 0 to x is −x²/2 − x³/6 − x⁴/12 …, added from the small end.
    let area = |x: f64| -> f64 { (2..40).rev().map(|k| -x.powi(k) / f64::from(k * (k - 1))).sum() };
    let difference = |g: &dyn Fn(f64) -> f64| g(end) - g(start);
    difference(&area) / h + 0.5 * ((-start).ln_1p() + (-end).ln_1p()) + h / 12.0 * difference(&|x| -1.0 / (1.0 - x))
        - h.powi(3) / 720.0 * difference(&|x| -2.0 / (1.0 - x).powi(3))
}

/// With β_t = c²/t², whose sum is finite, ᾱ_T stays above Euler's product `sin(πc)/(πc)`, however large T.
///
/// Method: the sine product with the tail beyond T summed by Euler–Maclaurin. Ledger S3.34, A3.2.
///
/// # Errors
/// The mismatch found.
pub fn log_alpha_bar_of_inverse_squares(f: impl Fn(&[f64]) -> f64, c_squared: f64, steps: usize) -> Outcome {
    let betas: Vec<f64> = (1..=steps).map(|t| c_squared / (t * t) as f64).collect();
    let angle = PI * c_squared.sqrt();
    let n = steps as f64;
    let tail =
        c_squared * (1.0 / n - 0.5 / (n * n) + 1.0 / (6.0 * n.powi(3))) + c_squared.powi(2) / (6.0 * n.powi(3));
    let want = (angle.sin() / angle).ln() + tail;
    let mut trial = Trial::new();
    let tol =
        Tol::abs(4.0 * EPS + c_squared / n.powi(4), "2 roundings of the sine's logarithm, remainder of the tail");
    trial.close("ln alpha_bar", f(&betas), want, tol, || format!("c² = {}, T = {steps}", short(c_squared)))?;
    Ok(trial.evidence())
}
