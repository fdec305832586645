//! The claims of the chapter `distill`, bound to this crate.

use std::f64::consts::FRAC_PI_2;

use ndarray::{Array2, ArrayView2};

use crate::check::{Claim, Method, Row};
use crate::check::distill as check;
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::distill::target;
use crate::error::Result;
use crate::check::distill::faults as fault;
use crate::plan::{Clip, ClippedEpsilon, Ddim, Plan, Prediction, Route};
use crate::sample::{Executor, from_fn};
use crate::schedule::{Level, Schedule};

const CHAPTER: &str = "distill";

type TargetFn = fn(Level, Level, f64, f64) -> Result<f64>;

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        Claim::legacy(
            "one_student_step_is_two_teacher_steps",
            CHAPTER,
            "the progressive-distillation target makes one DDIM step of the student equal two of any teacher",
            Method::OtherPremises("DDIM steps as rotations"),
            |run| rotations(run, target),
        )
        .row("S1.71", || Row {
            // From φ = π/3 to π/6 the turn is π/6: the target is (x_s sin π/3 − x_t sin π/6)/sin π/6.
            got: Level::from_alpha_bar(0.75)
                .and_then(|s| target(s, Level::from_alpha_bar(0.25)?, 0.8, -0.4))
                .unwrap_or(f64::NAN),
            want: 0.8 * 3.0f64.sqrt() + 0.4,
            tol: Tol::rel(1e-12, "ledger"),
        })
        .fault(fault::TARGET_ENDS_SWAPPED, |run| rotations(run, fault::target_ends_swapped))
        .fault(fault::TARGET_SIGN_OF_XT, |run| rotations(run, fault::target_sign_of_xt))
        .fault(fault::TARGET_RATIO_INVERTED, |run| rotations(run, fault::target_ratio_inverted))
        .fault(fault::TARGET_WITH_VARIANCES, |run| rotations(run, fault::target_with_variances)),
        Claim::legacy(
            "student_plan_returns_what_the_teacher_returns",
            CHAPTER,
            "executed, a DDIM plan with half the steps and the target as network ends where the teacher's plan ends",
            Method::Enumeration("the teacher's own plan, carried out"),
            |run| plans(run, target),
        )
        .row("B15", || {
            let schedule = Schedule::new(crate::Betas::constant(2, 0.3).expect("constant inside the valid range"));
            let two = execute(&ddim(&Route::every(&schedule)).expect("ᾱ > 0"), 0.9, &teacher).unwrap_or(f64::NAN);
            let t = schedule.level(schedule.last());
            Row {
                got: target(Level::DATA, t, two, 0.9).unwrap_or(f64::NAN),
                want: {
                    let (a, b) = (0.7f64, 0.51f64);
                    let first = teacher(0.9, 1);
                    let middle = a.sqrt() * first + 0.3f64.sqrt() / b.sqrt() * (0.9 - 0.7 * first);
                    teacher(middle, 0)
                },
                tol: Tol::abs(1e-13, "ledger"),
            }
        })
        .fault(fault::TARGET_SIGNAL_NOT_ROOTED, |run| plans(run, fault::target_signal_not_rooted))
        .fault(fault::TARGET_IS_TEACHERS_END, |run| plans(run, fault::target_is_teachers_end))
        .fault(fault::TARGET_SIGN_OF_XT, |run| plans(run, fault::target_sign_of_xt)),
    ]
}

/// An x₀-network that is linear in nothing.
fn teacher(x: f64, index: usize) -> f64 {
    (1.3 * x + 0.2 * index as f64).sin() + 0.3 * x.abs()
}

fn rotations(run: &Run, target: TargetFn) -> Outcome {
    let teacher = |x: f64, angle: f64| (2.0 * x + angle).sin() + 0.5 * x * angle;
    run.over(|[u, v, w, z]| {
        let t = uniform(u, 0.05, 0.999 * FRAC_PI_2);
        let s = t - log_uniform(v, 1e-3, 0.99) * t;
        let angles = [s, s + uniform(w, 0.1, 0.9) * (t - s), t];
        check::one_step_is_two(target, teacher, angles, uniform(z, -3.0, 3.0))
    })
}

fn ddim(route: &Route) -> Result<Plan> {
    let clipped_epsilon = ClippedEpsilon::AsPredicted;
    Ddim { prediction: Prediction::X0, clip: Clip::None, clipped_epsilon, eta: 0.0 }.plan(route)
}

/// One sample of one element through the executor.
fn execute(plan: &Plan, x: f64, network: &dyn Fn(f64, usize) -> f64) -> Result<f64> {
    let mut network = from_fn(|x: ArrayView2<'_, f64>, index: f64| x.mapv(|x| network(x, index.round() as usize)));
    let out = Executor::new(plan, &[0]).run(Array2::from_elem((1, 1), x), &mut network)?;
    Ok(out[[0, 0]])
}

fn plans(run: &Run, target: TargetFn) -> Outcome {
    let few = run.at_most(32);
    let starts: Vec<f64> = run.points().map(|[u]| uniform(u, -3.0, 3.0)).collect();
    let mut starts = starts.iter().cycle();
    let mut all = Evidence::none();
    for case in few.schedules().iter().filter(|case| case.schedule.len() <= 64) {
        let x = starts.next().copied().unwrap_or(1.0);
        all = all.and(check::half_the_steps(ddim, execute, target, teacher, &case.schedule, x)?);
    }
    Ok(all)
}
