//! Claims on where a sampler goes: the times of a list, the targets of a route, the levels of a grid.

use super::broken;
use crate::check::witness::simulate::Marginal;
use crate::check::{Outcome, Tol, Trial};
use crate::error::Result;
use crate::plan::{Clock, End, Grid, Plan, Previous, Route, Spacing};
use crate::schedule::{Level, Schedule, Timestep};

/// S of T network timesteps are the fractions that the spacing names, rounded to whole numbers.
///
/// ```text
/// leading i ⌊T/S⌋ + offset    linspace i (T − 1)/(S − 1)    trailing T − i T/S − 1    quadratic (T − 1) i²/(S − 1)²
/// ```
///
/// Quadratic times that coincide move up. Method: whole numbers; at a tie either neighbour is right. Ledger B11, S1.85.
///
/// # Errors
/// The mismatch found.
pub fn spacing_is_its_formula(
    f: impl Fn(usize, usize) -> Result<Vec<usize>>,
    spacing: &Spacing,
    trained: usize,
    steps: usize,
) -> Outcome {
    let mut listed = f(trained, steps).map_err(|error| broken("spacing", &error.to_string()))?;
    listed.reverse();
    let mut trial = Trial::new();
    let place = || format!("{spacing:?}, {steps} of {trained}");
    trial.close("number of times", listed.len() as f64, steps as f64, Tol::exact(), place)?;
    let mut free = 0;
    for (i, &got) in listed.iter().enumerate() {
        let gaps = (steps - 1).max(1);
        let (above, below) = match *spacing {
            Spacing::Leading { offset } => (i * (trained / steps) + offset, 1),
            Spacing::Linspace => (i * (trained - 1), gaps),
            Spacing::Trailing => ((i + 1) * trained - steps, steps),
            Spacing::Quadratic => (i * i * (trained - 1), gaps * gaps),
        };
        let up = (2 * above + below) / (2 * below);
        let tie = (2 * above + below).is_multiple_of(2 * below);
        let nearest = if tie && got + 1 == up { got } else { up };
        trial.close("timestep", got as f64, nearest.max(free) as f64, Tol::exact(), place)?;
        free = got + 1;
    }
    Ok(trial.evidence())
}

/// Every visit of a route leads to the next time of the list, or to t − ⌊T/S⌋, with the kernel between the two.
///
/// `f` takes network timesteps, what a step leads to, and what a step past the first time leads to. Method: recursion on the βs. Ledger B11.
///
/// # Errors
/// The mismatch found.
pub fn route_leads_on(
    f: impl Fn(&Schedule, &[usize], Previous, End) -> Result<Route>,
    schedule: &Schedule,
    indices: &[usize],
    previous: Previous,
    end: End,
) -> Outcome {
    let route = f(schedule, indices, previous, end).map_err(|error| broken("route", &error.to_string()))?;
    let betas = schedule.betas().as_slice();
    let mut trial = Trial::new();
    let place = |k: usize| move || format!("{previous:?}, visit {k}, end {end:?}");
    let visits = route.visits();
    trial.close("number of visits", visits.len() as f64, indices.len() as f64, Tol::exact(), place(0))?;
    let tol = Tol::rel((8.0 + 4.0 * betas.len() as f64) * f64::EPSILON, "4T + 8 roundings");
    for (k, visit) in visits.iter().enumerate() {
        let t = indices[k] + 1;
        let next = match previous {
            Previous::List => indices.get(k + 1).map(|i| i + 1),
            Previous::Stride => t.checked_sub(betas.len() / indices.len()).filter(|&s| s > 0),
        };
        let s = next.unwrap_or(match end {
            End::Data => 0,
            End::FirstTime => 1,
        });
        trial.close("time", visit.t.get() as f64, t as f64, Tol::exact(), place(k))?;
        trial.close("target", visit.target.get() as f64, s as f64, Tol::exact(), place(k))?;
        let noise = |betas: &[f64]| Marginal::through(betas).var;
        trial.close("β of the kernel", visit.transition.beta(), noise(&betas[s..t]), tol, place(k))?;
        trial.close("1 − ᾱ at the visit", visit.level().one_minus_alpha_bar(), noise(&betas[..t]), tol, place(k))?;
        let at_target = visit.transition.s().one_minus_alpha_bar();
        trial.close("1 − ᾱ at the target", at_target, noise(&betas[..s]), tol, place(k))?;
    }
    Ok(trial.evidence())
}

/// The steps of a plan lead to the times given, one after another, the last to the data, where it returns x̂₀.
///
/// `times` are the papers' t in the order visited. Method: the list itself. Ledger S1.85.
///
/// # Errors
/// The mismatch found.
pub fn targets_are_the_times(plan: Result<Plan>, times: &[usize]) -> Outcome {
    let plan = plan.map_err(|error| broken("sampler", &error.to_string()))?;
    let mut trial = Trial::new();
    let place = || plan.name().to_owned();
    let targets: Vec<usize> = plan.steps().iter().filter_map(|step| step.target).collect();
    let want: Vec<usize> = times[1..].iter().copied().chain([0]).collect();
    trial.close("number of targets", targets.len() as f64, want.len() as f64, Tol::exact(), place)?;
    for (got, want) in targets.iter().zip(&want) {
        trial.close("target", *got as f64, *want as f64, Tol::exact(), place)?;
    }
    // A step from one of the times is told that time; stages between times have none.
    let mut left = 0;
    for step in plan.steps() {
        if let Some(t) = step.t {
            trial.close("timestep told", step.model_timestep, t as f64 - 1.0, Tol::exact(), place)?;
            left += usize::from(times.get(left) == Some(&t));
        }
    }
    trial.close("times left from", left as f64, times.len() as f64, Tol::exact(), place)?;
    if let Some(last) = plan.steps().last() {
        let used = [last.x, last.x0, last.out, last.registers.len() as f64];
        let tol = Tol::abs(4.0 * f64::EPSILON, "√ᾱ = 1 divided and multiplied by the level before");
        for (got, want) in used.into_iter().zip([0.0, 1.0, 0.0, 0.0]) {
            trial.close("factors of x, x̂₀ and output, and registers, at the end", got, want, tol, place)?;
        }
    }
    Ok(trial.evidence())
}

/// The levels of a grid are equally spaced once `straight` is applied to their log-SNR, from one end to the other.
///
/// `steps + 1` of them, the last at the far end, or the data where `to_data`. Ledger B10.
///
/// # Errors
/// The mismatch found.
pub fn levels_equally_spaced(
    grid: Result<Grid>,
    straight: impl Fn(f64) -> f64,
    ends: [f64; 2],
    steps: usize,
    to_data: bool,
) -> Outcome {
    let grid = grid.map_err(|error| broken("grid", &error.to_string()))?;
    let mut trial = Trial::new();
    let place = || format!("{steps} steps from {} to {}", ends[0], ends[1]);
    let (last, before) = grid.nodes().split_last().ok_or_else(|| broken("grid", "no levels"))?;
    trial.close("number of steps", before.len() as f64, steps as f64, Tol::exact(), place)?;
    if to_data {
        trial.close("noise at the end", last.level.one_minus_alpha_bar(), 0.0, Tol::exact(), place)?;
    }
    let nodes = if to_data { before } else { grid.nodes() };
    let gaps = (nodes.len() - 1).max(1) as f64;
    let tol = Tol::new(1e-14 * ends[0].abs().max(ends[1].abs()), 1e-13, "exp, ln and powers of numbers up to 12");
    for (i, node) in nodes.iter().enumerate() {
        let want = (ends[0] * (gaps - i as f64) + ends[1] * i as f64) / gaps;
        trial.close("level", straight(node.level.log_snr()), want, tol, place)?;
    }
    Ok(trial.evidence())
}

/// At a part of the way in ln SNR from t to t + 1 the network is told t − 1 and the part; beyond the ends, the ends.
///
/// Method: log-SNR by recursion on the βs. Ledger B10.
///
/// # Errors
/// The mismatch found.
pub fn clock_inverts_the_schedule(
    told: impl Fn(&Clock, Level) -> f64,
    schedule: &Schedule,
    t: Timestep,
    part: f64,
) -> Outcome {
    let betas = schedule.betas().as_slice();
    let log_snr = |t: usize| {
        let Marginal { coefficient, var } = Marginal::through(&betas[..t]);
        (coefficient * coefficient / var).ln()
    };
    let clock = Clock::of(schedule);
    let at = |log_snr: f64| Level::from_log_snr(log_snr).map_or(f64::NAN, |level| told(&clock, level));
    let mut trial = Trial::new();
    let place = || format!("t = {}, part {part:.3}", t.get());
    let (first, last) = (log_snr(1), log_snr(betas.len()));
    trial.close("before the first time", at(first + 1.0), 0.0, Tol::exact(), place)?;
    trial.close("after the last time", at(last - 1.0), betas.len() as f64 - 1.0, Tol::exact(), place)?;
    if t.get() < betas.len() {
        let (here, next) = (log_snr(t.get()), log_snr(t.get() + 1));
        let lost = (betas.len() as f64 + here.abs() + next.abs()) / (here - next);
        let tol = Tol::abs(8.0 * f64::EPSILON * lost, "roundings of the logarithms over their difference");
        let want = t.get() as f64 - 1.0 + part;
        trial.close("between two times", at(here + part * (next - here)), want, tol, place)?;
    }
    Ok(trial.evidence())
}
