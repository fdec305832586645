//! Claims on progressive distillation.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::FRAC_PI_2;

use crate::error::{Error, Result};
use crate::plan::{Clip, ClippedEpsilon, Ddim, Plan, Prediction, Previous, Route};
use crate::schedule::{Level, Schedule, Timestep};

use super::{Check, Evidence, Method, Mismatch, Outcome, Run, Tol, Trial, log_uniform, uniform};

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

/// One DDIM step of a student that predicts the target equals two steps of its teacher, whatever the teacher.
///
/// ```text
/// x̃₀ = (x_s − σ_s/σ_t x_t)/(√ᾱ_s − σ_s/σ_t √ᾱ_t)
/// ```
///
/// `target(s, t, x_s, x_t)` is what the student predicts, x_s where the teacher arrives. Levels are given by angles
/// 0 ≤ s < m < t ≤ π/2 (0 is data, π/2 pure noise). Method: DDIM steps as rotations by the angle arccos √ᾱ. Source:
/// Salimans, Ho 2022, arXiv:2202.00512, algorithm 2.
///
/// ```
/// use alphabar::{check, distill::target};
///
/// check::distill::one_step_is_two(target).assert();
/// ```
pub fn one_step_is_two<'f>(target: impl Fn(Level, Level, f64, f64) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::OtherPremises("DDIM steps as rotations");
    let sentence = "the progressive-distillation target makes one DDIM step of the student equal two of any teacher";
    Check::new("one_student_step_is_two_teacher_steps", sentence, method, move |run| rotations(run, &target))
        .rejects(faults::TARGETS, rotations)
}

fn rotations(run: &Run, target: impl Fn(Level, Level, f64, f64) -> Result<f64>) -> Outcome {
    let teacher = |x: f64, angle: f64| (2.0 * x + angle).sin() + 0.5 * x * angle;
    run.over(|[u, v, w, z]| {
        let t = uniform(u, 0.05, 0.999 * FRAC_PI_2);
        let s = t - log_uniform(v, 1e-3, 0.99) * t;
        let angles = [s, s + uniform(w, 0.1, 0.9) * (t - s), t];
        step_is_two(&target, teacher, angles, uniform(z, -3.0, 3.0))
    })
}

// ANCHOR: one_step_is_two
fn step_is_two(
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

/// Carries a plan out from x with a network of x and the model's index.
pub type RunPlan = fn(&Plan, f64, &dyn Fn(f64, usize) -> f64) -> Result<f64>;

/// A student's plan with half the steps returns what the teacher's plan returns.
///
/// ```text
/// student(x_T; t_T, t_{T−2}, …, t_0) = teacher(x_T; t_T, t_{T−1}, …, t_0)
/// ```
///
/// The student answers with the target made from two of the teacher's steps; `run(plan, x, network)` carries a DDIM plan
/// out from x with a network of x and the model's index. The teacher is not linear. Method: the teacher's own plan. Source:
/// Salimans, Ho 2022, arXiv:2202.00512, algorithm 2.
///
/// ```
/// # #[cfg(feature = "sample")]
/// # {
/// use alphabar::{check, distill::target, plan::Plan, sample::{Executor, from_fn}};
/// use ndarray::{Array2, ArrayView2};
///
/// fn run(plan: &Plan, x: f64, network: &dyn Fn(f64, usize) -> f64) -> alphabar::Result<f64> {
///     let mut network = from_fn(|x: ArrayView2<'_, f64>, index: f64| x.mapv(|x| network(x, index.round() as usize)));
///     Ok(Executor::new(plan, &[0]).run(Array2::from_elem((1, 1), x), &mut network)?[[0, 0]])
/// }
/// check::distill::half_the_steps(target, run).assert();
/// # }
/// ```
pub fn half_the_steps<'f>(target: impl Fn(Level, Level, f64, f64) -> Result<f64> + 'f, run: RunPlan) -> Check<'f> {
    let method = Method::Enumeration("the teacher's own plan, carried out");
    let sentence =
        "executed, a DDIM plan with half the steps and the target as network ends where the teacher's plan ends";
    let check = Check::new("student_plan_returns_what_the_teacher_returns", sentence, method, move |at| {
        plans(at, &target, run)
    });
    faults::TARGETS.iter().fold(check, |check, wrong| check.fault(wrong.fault, move |at| plans(at, wrong.f, run)))
}

fn plans(at: &Run, target: impl Fn(Level, Level, f64, f64) -> Result<f64>, run: RunPlan) -> Outcome {
    let few = at.at_most(32);
    let starts: Vec<f64> = at.points().map(|[u]| uniform(u, -3.0, 3.0)).collect();
    let mut starts = starts.iter().cycle();
    let mut all = Evidence::none();
    for case in few.schedules().iter().filter(|case| case.schedule.len() <= 64) {
        let x = starts.next().copied().unwrap_or(1.0);
        all = all.and(halved(&target, run, &case.schedule, x)?);
    }
    Ok(all)
}

fn ddim(route: &Route) -> Result<Plan> {
    let clipped_epsilon = ClippedEpsilon::AsPredicted;
    Ddim { prediction: Prediction::X0, clip: Clip::None, clipped_epsilon, eta: 0.0 }.plan(route)
}

/// An x₀-network that is linear in nothing.
fn teacher(x: f64, index: usize) -> f64 {
    (1.3 * x + 0.2 * index as f64).sin() + 0.3 * x.abs()
}

fn halved(
    target: impl Fn(Level, Level, f64, f64) -> Result<f64>,
    run: RunPlan,
    schedule: &Schedule,
    x: f64,
) -> Outcome {
    let fail = |error: Error| Mismatch {
        what: "sampler".into(),
        got: f64::NAN,
        want: 0.0,
        tol: Tol::exact(),
        at: error.to_string(),
    };
    let full = ddim(&Route::every(schedule)).map_err(fail)?;
    let kept: Vec<usize> = (0..schedule.len()).rev().step_by(2).collect();
    let short = Route::new(schedule, &kept, Previous::List, crate::plan::End::Data).and_then(|route| {
        let short = ddim(&route)?;
        let answer = |x: f64, index: usize| {
            let first = schedule.len() - 1 - index;
            let pair = &full.steps()[first..(first + 2).min(full.steps().len())];
            let two = Plan::new("two teacher steps", 1.0, pair.to_vec());
            let xs = two.and_then(|two| run(&two, x, &teacher)).unwrap_or(f64::NAN);
            let level = |t| schedule.level(Timestep::new(t));
            target(level((index + 1).saturating_sub(2)), level(index + 1), xs, x).unwrap_or(f64::NAN)
        };
        run(&short, x, &answer)
    });
    let want = run(&full, x, &teacher).map_err(fail)?;
    let mut trial = Trial::new();
    let tol = Tol::new(1e-13, 1e-12, "T rotations; each target loses t/(t − s) ≤ 1e3 roundings");
    trial.close("sample", short.map_err(fail)?, want, tol, || format!("T = {}, x_T = {x:.4}", schedule.len()))?;
    Ok(trial.evidence())
}
