//! What the claims on distillation cover of the ledger, with numbers.

use ndarray::{Array2, ArrayView2};

use super::{ddim, teacher};
use crate::check::{self, Claim, Row, Tol};
use crate::distill::target;
use crate::error::Result;
use crate::plan::{Plan, Route};
use crate::sample::{Executor, from_fn};
use crate::schedule::{Betas, Level, Schedule};

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        Claim::new(|| check::distill::one_step_is_two(target)).row("S1.71", || Row {
            // From φ = π/3 to π/6 the turn is π/6: the target is (x_s sin π/3 − x_t sin π/6)/sin π/6.
            got: Level::from_alpha_bar(0.75)
                .and_then(|s| target(s, Level::from_alpha_bar(0.25)?, 0.8, -0.4))
                .unwrap_or(f64::NAN),
            want: 0.8 * 3.0f64.sqrt() + 0.4,
            tol: Tol::rel(1e-12, "ledger"),
        }),
        Claim::new(|| check::distill::half_the_steps(target, execute)).row("B15", || {
            let schedule = Schedule::new(Betas::constant(2, 0.3).expect("constant inside the valid range"));
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
        }),
    ]
}

/// One sample of one element through the executor.
fn execute(plan: &Plan, x: f64, network: &dyn Fn(f64, usize) -> f64) -> Result<f64> {
    let mut network = from_fn(|x: ArrayView2<'_, f64>, index: f64| x.mapv(|x| network(x, index.round() as usize)));
    let out = Executor::new(plan, &[0]).run(Array2::from_elem((1, 1), x), &mut network)?;
    Ok(out[[0, 0]])
}
