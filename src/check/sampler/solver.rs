//! Claims on higher-order solvers: order of convergence to an exact flow, and what the order cannot see.

use crate::check::{Outcome, Tol, Trial, variance::slope};
use crate::error::Result;
use crate::plan::{Clock, Grid, Plan, Prediction, Step};
use crate::posterior::Moments;
use crate::schedule::Level;

use super::{Network, broken, follows, law, optimal_network};

/// Where order claims are tried: from log-SNR −6 to 6, from x = 1.3, on N(0.5, 0.25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mesh {
    /// Equal steps in log-SNR.
    Uniform,
    /// Every second step half as long as the one before: multistep coefficients must know the ratio.
    Alternating,
}

impl Mesh {
    fn grid(self, from: f64, to: f64, steps: usize) -> Result<Grid> {
        let at = |k: usize| {
            let late = if self == Self::Alternating && k % 2 == 1 { 1.0 / 3.0 } else { 0.0 };
            Level::from_log_snr(from + (to - from) * ((k as f64 + late) / steps as f64))
        };
        Grid::new(&(0..=steps).map(at).collect::<Result<Vec<_>>>()?, Clock::LogSnr)
    }
}

/// The error of a deterministic ε-solver against the exact flow map of N(0.5, 0.25), at the end of a mesh.
///
/// ```text
/// x_s = √ᾱ_s m + (sd_s/sd_t)(x_t − √ᾱ_t m)        sd² = ᾱ s + 1 − ᾱ
/// ```
///
/// # Errors
/// Whatever the solver says.
// ANCHOR: flow_error
pub fn flow_error(solver: impl Fn(&Grid) -> Result<Plan>, mesh: Mesh, steps: usize) -> Result<f64> {
    let data = Moments { mean: 0.5, var: 0.25 };
    let (from, to, x) = (-6.0, 6.0, 1.3);
    let grid = mesh.grid(from, to, steps)?;
    let plan = solver(&grid)?;
    let level = |log_snr: f64| [(1.0 / (1.0 + (-log_snr).exp())).sqrt(), 1.0 / (1.0 + log_snr.exp())];
    let network = |step: &Step| {
        let [signal, noise] = level(step.model_timestep);
        optimal_network(Prediction::Epsilon, signal, noise, data)
    };
    let start = Moments { mean: x * plan.initial_std(), var: 0.0 };
    let got = law(&plan, start, network).and_then(|all| all.last().copied());
    let spread = |[signal, noise]: [f64; 2]| (signal * signal * data.var + noise).sqrt();
    let (t, s) = (level(from), level(to));
    let want = s[0] * data.mean + spread(s) / spread(t) * (x - t[0] * data.mean);
    Ok(got.map_or(f64::NAN, |got| got.mean - want))
}
// ANCHOR_END: flow_error

/// A solver converges to the exact flow with the order stated: signed least-squares slope over five halvings.
///
/// Method: closed-form flow of Gaussian data, the plan's own coefficients. Ledger B10.
///
/// # Errors
/// The mismatch found.
pub fn converges(solver: impl Fn(&Grid) -> Result<Plan>, mesh: Mesh, order: f64) -> Outcome {
    let mut logs = [0.0; 6];
    for (k, log) in logs.iter_mut().enumerate() {
        let error = flow_error(&solver, mesh, 40 << k).map_err(|error| broken("solver", &error.to_string()))?;
        *log = error.abs().log2();
    }
    let mut trial = Trial::new();
    let place = || format!("{mesh:?} mesh, 40 to 1280 steps");
    trial.close("order", -slope(&logs), order, Tol::abs(0.1, "ledger: ± 0.1"), place)?;
    Ok(trial.evidence())
}

/// A two-step solver for an x₀-network extrapolates x̂₀ to the middle of each step in λ = ½ ln SNR, from the second on.
///
/// With a network that answers λ whatever x is, `x ← σ_s/σ_t x + √ᾱ_s (1 − e^{−h})(λ_t + h/2)`, without h/2 at the
/// first step. The order of convergence cannot see a wrong ratio of steps: its errors cancel from step to step.
/// Method: that recursion. Ledger B10.
///
/// # Errors
/// The mismatch found.
pub fn extrapolates_to_the_middle(solver: impl Fn(&Grid) -> Result<Plan>, mesh: Mesh) -> Outcome {
    let grid = mesh.grid(-6.0, 6.0, 12).map_err(|error| broken("mesh", &error.to_string()))?;
    let lambdas: Vec<f64> = grid.nodes().iter().map(|node| 0.5 * node.model_timestep).collect();
    let mut state = Moments { mean: 1.3, var: 0.25 };
    let start = state;
    let spread = |lambda: f64| (1.0 / (1.0 + (2.0 * lambda).exp())).sqrt();
    let next = |(k, pair): (usize, &[f64])| {
        let ratio = spread(pair[1]) / spread(pair[0]);
        let middle = if k == 0 { pair[0] } else { 0.5 * (pair[0] + pair[1]) };
        let pull = spread(-pair[1]) * (1.0 - (pair[0] - pair[1]).exp());
        state = Moments { mean: ratio * state.mean + pull * middle, var: ratio * ratio * state.var };
        state
    };
    let want: Vec<Moments> = lambdas.windows(2).enumerate().map(next).collect();
    let network = |step: &Step| Network { slope: 0.0, offset: 0.5 * step.model_timestep };
    let tol = Tol::new(1e-14, 1e-13, "12 steps of a few roundings, exp of differences of logarithms");
    follows(solver(&grid), start, network, &want, tol)
}
