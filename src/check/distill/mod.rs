//! Claims on progressive distillation.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use crate::error::Result;
use crate::plan::{Plan, Route};
use crate::schedule::{Level, Schedule};

use super::{Mismatch, Outcome, Tol, Trial};

/// A deterministic DDIM step as a rotation, and the angle of a level: `√ᾱ = cos φ`, `σ = sin φ`.
///
/// ```text
/// ε = (x_t − cos φ_t x̂₀)/sin φ_t        x_s = (sin φ_s/sin φ_t) x_t + sin(φ_t − φ_s)/sin φ_t · x̂₀
/// ```
// ANCHOR: rotated
fn rotated(s: f64, t: f64, xt: f64, x0: f64) -> f64 {
    (s.sin() * xt + (t - s).sin() * x0) / t.sin()
}
// ANCHOR_END: rotated

/// One step of a student that predicts the target equals two steps of its teacher, whatever the teacher.
///
/// `angles` are those of s, the time between, and t: 0 ≤ s < m < t ≤ π/2 (0 is data, π/2 pure noise).
/// Method: DDIM steps as rotations by the angle arccos √ᾱ. Ledger S1.71, B15.
///
/// # Errors
/// The mismatch found.
// ANCHOR: one_step_is_two
pub fn one_step_is_two(
    target: impl Fn(Level, Level, f64, f64) -> Result<f64>,
    teacher: impl Fn(f64, f64) -> f64,
    [s, m, t]: [f64; 3],
    xt: f64,
) -> Outcome {
    let level = |angle: f64| {
        let log_snr = -2.0 * angle.tan().ln();
        Level::from_log_snr(log_snr).expect("an angle has a log-SNR")
    };
    let between = rotated(m, t, xt, teacher(xt, t));
    let xs = rotated(s, m, between, teacher(between, m));
    let x0 = target(level(s), level(t), xs, xt).unwrap_or(f64::NAN);
    let student = rotated(s, t, xt, x0);
    let place = || format!("angles {s:.4}, {m:.4}, {t:.4}, x_t = {xt:.4}");
    let mut trial = Trial::new();
    let scale = xt.abs() + xs.abs() + x0.abs();
    let tol = Tol::abs(64.0 * f64::EPSILON * scale, "levels from angles, rotations: 64 roundings");
    trial.close("x_s", student, xs, tol, place)?;
    let turned = (xs * t.sin() - xt * s.sin()) / (t - s).sin();
    let condition = (xs.abs() + xt.abs()) / (t - s).sin();
    let tol = Tol::abs(64.0 * f64::EPSILON * (condition + scale), "64 roundings over sin(φ_t − φ_s)");
    trial.close("target", x0, turned, tol, place)?;
    Ok(trial.evidence())
}
// ANCHOR_END: one_step_is_two

/// A student's plan with half the steps returns what the teacher's plan returns.
///
/// `run` carries a plan out from x with a network, told the index; `student` answers for the target made from two of
/// the teacher's steps. Method: the plans themselves, for a teacher that is not linear. Ledger S1.71, B15.
///
/// # Errors
/// The mismatch found.
pub fn half_the_steps(
    plan: impl Fn(&Route) -> Result<Plan>,
    run: impl Fn(&Plan, f64, &dyn Fn(f64, usize) -> f64) -> Result<f64>,
    target: impl Fn(Level, Level, f64, f64) -> Result<f64>,
    teacher: impl Fn(f64, usize) -> f64,
    schedule: &Schedule,
    x: f64,
) -> Outcome {
    let fail = |error: crate::Error| Mismatch {
        what: "sampler".into(),
        got: f64::NAN,
        want: 0.0,
        tol: Tol::exact(),
        at: error.to_string(),
    };
    let full = plan(&Route::every(schedule)).map_err(fail)?;
    let kept: Vec<usize> = (0..schedule.len()).rev().step_by(2).collect();
    let short = Route::new(schedule, &kept, crate::plan::Previous::List, crate::plan::End::Data).and_then(|route| {
        let short = plan(&route)?;
        let answer = |x: f64, index: usize| {
            let first = schedule.len() - 1 - index;
            let pair = &full.steps()[first..(first + 2).min(full.steps().len())];
            let two = Plan::new("two teacher steps", 1.0, pair.to_vec());
            let xs = two.and_then(|two| run(&two, x, &|x, i| teacher(x, i))).unwrap_or(f64::NAN);
            let level = |t| schedule.level(crate::schedule::Timestep::new(t));
            target(level((index + 1).saturating_sub(2)), level(index + 1), xs, x).unwrap_or(f64::NAN)
        };
        run(&short, x, &answer)
    });
    let want = run(&full, x, &|x, i| teacher(x, i)).map_err(fail)?;
    let mut trial = Trial::new();
    let tol = Tol::new(1e-13, 1e-12, "T rotations; each target loses t/(t − s) ≤ 1e3 roundings");
    trial.close("sample", short.map_err(fail)?, want, tol, || format!("T = {}, x_T = {x:.4}", schedule.len()))?;
    Ok(trial.evidence())
}
