//! Claims on what a sampler may be asked for: clipping of x̂₀, and a variance that the network learns.

use super::{Journey, broken};
use crate::check::{Outcome, Tol, Trial};
use crate::error::Result;
use crate::plan::{Clip, Noise, Plan, Source};

/// Every step clips as asked, and the network's output reaches the state through x̂₀ alone.
///
/// Method: the plan's own list. Ledger B11. What the plan then does where nothing is clipped is what [`unclipped`] does.
///
/// # Errors
/// The mismatch found.
pub fn clips_every_step(plan: Result<Plan>, clip: Clip) -> Outcome {
    let plan = plan.map_err(|error| broken("sampler", &error.to_string()))?;
    let mut trial = Trial::new();
    for (k, step) in plan.steps().iter().enumerate() {
        let place = || format!("{}, step {k}", plan.name());
        let asked = if step.clip == clip { 1.0 } else { 0.0 };
        trial.close("clips as asked", asked, 1.0, Tol::exact(), place)?;
        trial.close("factor of the output", step.out, 0.0, Tol::exact(), place)?;
        let held = step.store.iter().filter(|store| store.source == Source::Out).count();
        trial.close("outputs held", held as f64, 0.0, Tol::exact(), place)?;
    }
    Ok(trial.evidence())
}

/// The same plan without clipping.
///
/// # Errors
/// Those of the plan.
pub fn unclipped(plan: Result<Plan>) -> Result<Plan> {
    let plan = plan?;
    let mut steps = plan.steps().to_vec();
    steps.iter_mut().for_each(|step| step.clip = Clip::None);
    Plan::new(plan.name(), plan.initial_std(), steps)
}

/// The variance that a network learns lies between β̃ and β of the step made; the last step adds none.
///
/// Method: recursion on the βs, precisions. Ledger B12 (B8 for what lies between).
///
/// # Errors
/// The mismatch found.
pub fn learned_variance_spans(plan: Result<Plan>, journey: &Journey) -> Outcome {
    let plan = plan.map_err(|error| broken("sampler", &error.to_string()))?;
    let mut trial = Trial::new();
    let tol =
        Tol::rel(4.0 * journey.rounding() + 128.0 * f64::EPSILON, "recursions, and exp of a logarithm up to 30");
    for (step, (t, s)) in plan.steps().iter().zip(journey.pairs()) {
        let place = || format!("t = {t}, s = {s}");
        let (low, high) = match step.noise {
            Noise::Learned { log_var_low, log_var_high } => (log_var_low.exp(), log_var_high.exp()),
            Noise::Scaled { .. } => (f64::NAN, f64::NAN),
            Noise::None => (0.0, 0.0),
        };
        let beta = if s == 0 { 0.0 } else { journey.kernel(s, t).1 };
        trial.close("smaller variance", low, journey.beta_tilde(s, t), tol, place)?;
        trial.close("larger variance", high, beta, tol, place)?;
        let drawn = if step.draw.is_some() { 1.0 } else { 0.0 };
        trial.close("normals drawn", drawn, if s == 0 { 0.0 } else { 1.0 }, Tol::exact(), place)?;
    }
    Ok(trial.evidence())
}
