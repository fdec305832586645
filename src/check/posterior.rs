//! Claims on the posterior q(x_s | x_t, x₀).

use crate::posterior::Moments;
use crate::schedule::{Schedule, Timestep, Transition};

use super::{Outcome, Tol, Trial};

/// Where a claim on the posterior is tried: the transition t − 1 → t of a chain, x₀ and x_t.
#[derive(Clone, Debug)]
pub struct Point {
    betas: Vec<f64>,
    transition: Transition,
    x0: f64,
    xt: f64,
}

impl Point {
    /// The point (x₀, x_t) at time t of a schedule.
    ///
    /// # Panics
    /// If t is not one of 1 … T.
    #[must_use]
    pub fn new(schedule: &Schedule, t: Timestep, x0: f64, xt: f64) -> Self {
        let betas = schedule.betas().as_slice()[..t.get()].to_vec();
        Self { betas, transition: schedule.step(t), x0, xt }
    }
}

/// Mean and variance equal Bayes' rule in information form, from the βs alone.
///
/// ```text
/// 1/var = α_t/β_t + 1/v        mean = var·(√α_t x_t/β_t + m x₀/v)        x_{t−1} | x₀ ~ N(m x₀, v)
/// ```
///
/// m and v come from the recursion m ← √(1 − β) m, v ← (1 − β) v + β, one step at a time. At t = 1 the posterior is
/// the point x₀. Method: recursion and precision addition; shares nothing with the ᾱ forms. Ledger S0.41–S0.52.
///
/// # Errors
/// The mismatch found.
pub fn equals_bayes(f: impl Fn(&Transition, f64, f64) -> Moments, at: &Point) -> Outcome {
    let Point { betas, transition, x0, xt } = at;
    let (mut m, mut v) = (1.0, 0.0);
    let (&beta, earlier) = betas.split_last().expect("a point has t ≥ 1");
    for &b in earlier {
        m *= f64::sqrt(1.0 - b);
        v = (1.0 - b) * v + b;
    }
    let got = f(transition, *x0, *xt);
    let place = || format!("t = {}, x0 = {x0}, xt = {xt}", betas.len());
    let mut trial = Trial::new();
    if earlier.is_empty() {
        let tol = Tol::new(4.0 * f64::EPSILON, 4.0 * f64::EPSILON, "the posterior at t = 1 is the point x0");
        trial.close("posterior variance", got.var, 0.0, Tol::exact(), place)?;
        trial.close("posterior mean", got.mean, *x0, tol, place)?;
        return Ok(trial.evidence());
    }
    let precision = (1.0 - beta) / beta + 1.0 / v;
    let var = 1.0 / precision;
    let (from_xt, from_x0) = (var * (1.0 - beta).sqrt() * xt / beta, var * m * x0 / v);
    let steps = betas.len() as f64;
    let rounding = (8.0 + 2.0 * steps) * f64::EPSILON;
    let scale = from_xt.abs() + from_x0.abs();
    trial.close(
        "posterior variance",
        got.var,
        var,
        Tol::rel(rounding, "2t + 8 roundings in the recursion"),
        place,
    )?;
    let tol = Tol::abs(rounding * scale, "2t + 8 roundings of the summed magnitudes");
    trial.close("posterior mean", got.mean, from_xt + from_x0, tol, place)?;
    Ok(trial.evidence())
}
