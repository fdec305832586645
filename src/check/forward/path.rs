//! Claims on whole paths: the roll-out with its noises kept, the joint density, covariances, chains with fewer steps.

use std::f64::consts::TAU;

use nalgebra::{DMatrix, DVector};

use super::trapezoid;
use crate::check::evidence::list;
use crate::check::schedule::log_alpha_bars;
use crate::check::{Mismatch, Outcome, Tol, Trial};
use crate::forward::Expansion;
use crate::schedule::{Level, Schedule, Timestep, Transition};

const EPS: f64 = f64::EPSILON;

/// The factors of x_s and of ε_{s+1} … ε_t in x_t are the chain's responses to unit impulses.
///
/// Method: the chain is run one step at a time on every unit impulse at once; equality along every path, not only in
/// law. The squares of the noise factors sum to `1 − ᾱ_t/ᾱ_s`, by `expm1`. Ledger S0.10, S0.11, S0.14, S1.24, S1.25,
/// S3.26, S3.28, S3.29, S3.31, S3.32.
///
/// # Errors
/// The mismatch found.
pub fn expansion(
    f: impl Fn(&Schedule, Timestep, Timestep) -> Expansion,
    schedule: &Schedule,
    s: Timestep,
    t: Timestep,
) -> Outcome {
    let betas = &schedule.betas().as_slice()[s.get()..t.get()];
    let (mut state, mut noise) = (1.0, Vec::new());
    for &beta in betas {
        let kept = (1.0 - beta).sqrt();
        state *= kept;
        noise.iter_mut().for_each(|factor| *factor *= kept);
        noise.push(beta.sqrt());
    }
    let got = f(schedule, s, t);
    let mut trial = Trial::new();
    let span = || format!("s = {}, t = {}", s.get(), t.get());
    let tol = Tol::roundings(betas.len() as f64 + 2.0, 1.0, "a rounding a step, two more");
    trial.close("factor of the state", got.state, state, tol, span)?;
    trial.close("number of noises", got.noise.len() as f64, noise.len() as f64, Tol::exact(), span)?;
    for (i, (factor, want)) in got.noise.iter().zip(&noise).enumerate() {
        trial.close("factor of a noise", *factor, *want, tol, || format!("{}, i = {}", span(), s.get() + i + 1))?;
    }
    let var = -log_alpha_bars(betas)[betas.len()].exp_m1();
    trial.close("sum of squares", got.noise.iter().map(|c| c * c).sum(), var, tol, span)?;
    Ok(trial.evidence())
}

/// α and β between two times far apart are the product of the steps' α and what is missing to 1.
///
/// Method: sums of ln(1 − β), `exp` and `expm1`. `f(schedule, s, t)`. Ledger S2.12.
///
/// # Errors
/// The mismatch found.
pub fn transition(
    f: impl Fn(&Schedule, Timestep, Timestep) -> Transition,
    schedule: &Schedule,
    s: Timestep,
    t: Timestep,
) -> Outcome {
    span(&f(schedule, s, t), schedule, s, t, 0.0)
}

/// The same from nothing but the levels of the two times: β is then allowed what their difference cancels.
///
/// # Errors
/// The mismatch found.
pub fn transition_between_levels(
    f: impl Fn(Level, Level) -> Transition,
    schedule: &Schedule,
    s: Timestep,
    t: Timestep,
) -> Outcome {
    let (from, to) = (schedule.level(s), schedule.level(t));
    let larger = if from.alpha_bar() > 0.5 { to.one_minus_alpha_bar() } else { 1.0 };
    span(&f(from, to), schedule, s, t, 2.0 * EPS * larger)
}

fn span(got: &Transition, schedule: &Schedule, s: Timestep, t: Timestep, cancelled: f64) -> Outcome {
    let betas = &schedule.betas().as_slice()[s.get()..t.get()];
    let log = log_alpha_bars(betas)[betas.len()];
    let steep = if log.is_finite() { log.abs() } else { 0.0 };
    let tol = Tol::roundings(3.0 + steep, 1.0, "3 roundings, one more per unit of ln alpha");
    let place = || format!("s = {}, t = {}", s.get(), t.get());
    let mut trial = Trial::new();
    trial.close("alpha", got.alpha(), log.exp(), tol, place)?;
    trial.close("beta", got.beta(), -log.exp_m1(), Tol { abs: cancelled, ..tol }, place)?;
    Ok(trial.evidence())
}

/// A chain that visits only some times has at each the ᾱ of the full chain.
///
/// Method: logarithms of 1 − β' summed over the kept chain, against those of 1 − β over the full one. `f` gives the βs
/// of the kept chain. Ledger S2.12.
///
/// # Errors
/// The mismatch found.
pub fn respaced(f: impl Fn(&Schedule, &[Timestep]) -> Vec<f64>, schedule: &Schedule, kept: &[Timestep]) -> Outcome {
    let full = log_alpha_bars(schedule.betas().as_slice());
    let betas = f(schedule, kept);
    let mut trial = Trial::new();
    let count = || format!("{} times kept of {}", kept.len(), schedule.len());
    trial.close("number of betas", betas.len() as f64, kept.len() as f64, Tol::exact(), count)?;
    let mut rounding = 2.0;
    for ((t, beta), log) in kept.iter().zip(&betas).zip(&log_alpha_bars(&betas)[1..]) {
        let want = full[t.get()];
        if want.is_finite() {
            rounding += beta / (1.0 - beta);
        }
        let tol = Tol::new(rounding * EPS, 4.0 * EPS, "half an ulp of each beta and logarithm");
        trial.close("ln alpha_bar", *log, want, tol, || format!("{}, t = {}", count(), t.get()))?;
    }
    Ok(trial.evidence())
}

/// ln q(x_{1:T} | x_0) is the density of a multivariate Gaussian with the chain's mean and covariance.
///
/// Method: the covariance `L Lᵀ` of the rolled-out chain, its Cholesky factor, its determinant; no product of
/// kernels. `noise` chooses the path. Ledger S0.03, S1.16, S3.07.
///
/// # Errors
/// The mismatch found.
pub fn path_density(f: impl Fn(&Schedule, &[f64]) -> f64, schedule: &Schedule, x0: f64, noise: &[f64]) -> Outcome {
    let betas = schedule.betas().as_slice();
    let steps = betas.len();
    let mut responses = DMatrix::zeros(steps, steps);
    let mut mean = DVector::zeros(steps);
    let (mut scale, mut row) = (1.0, vec![0.0; steps]);
    for (t, &beta) in betas.iter().enumerate() {
        let kept = (1.0 - beta).sqrt();
        scale *= kept;
        row.iter_mut().for_each(|factor| *factor *= kept);
        row[t] = beta.sqrt();
        mean[t] = scale * x0;
        responses.row_mut(t).copy_from_slice(&row);
    }
    let eps = DVector::from_iterator(steps, (0..steps).map(|i| noise[i % noise.len()]));
    let off = &responses * &eps;
    let path: Vec<f64> = std::iter::once(x0).chain((&mean + &off).iter().copied()).collect();

    let covariance = &responses * responses.transpose();
    // Cholesky's pivots are the βs, left over from variances that are larger.
    let pivots = covariance.diagonal().iter().zip(betas).map(|(var, beta)| var / beta).collect::<Vec<_>>();
    let cholesky = covariance.cholesky().expect("a product of a full-rank matrix and its transpose");
    let square = off.dot(&cholesky.solve(&off));
    let log_det = 2.0 * cholesky.l().diagonal().iter().map(|d| d.ln()).sum::<f64>();
    let want = -0.5 * (square + log_det + steps as f64 * TAU.ln());
    let shifts = path[1..].iter().zip(&eps).zip(betas).map(|((x, z), beta)| x.abs() * z.abs() / beta.sqrt());
    let cancelled = pivots.iter().zip(&eps).map(|(pivot, z)| 4.0 * pivot * (1.0 + z * z));
    let lost = 4.0 * steps as f64 + 2.0 * shifts.sum::<f64>() + cancelled.sum::<f64>();
    let tol = Tol::abs(EPS * lost, "shifts and pivots that cancel");
    let mut trial = Trial::new();
    trial.close("log density of the path", f(schedule, &path), want, tol, || {
        format!("T = {steps}, path {}", list(&path))
    })?;
    Ok(trial.evidence())
}

/// The mass of exp of a log density over x_1, x_2 given x_0, for a chain of two steps: 1 for a density.
///
/// Method: the trapezoidal rule in two dimensions. Ledger S0.03, E0.1.
#[must_use]
pub fn path_mass(f: impl Fn(&Schedule, &[f64]) -> f64, schedule: &Schedule, x0: f64) -> f64 {
    let std = |beta: f64| beta.sqrt();
    let [first, second] = [0, 1].map(|i| schedule.betas().as_slice()[i]);
    let inner = |x1: f64| {
        let mean = (1.0 - second).sqrt() * x1;
        let density = |x2: f64| f(schedule, &[x0, x1, x2]).exp();
        trapezoid(density, mean - 9.0 * std(second), mean + 9.0 * std(second), 0.5 * std(second))
    };
    let mean = (1.0 - first).sqrt() * x0;
    trapezoid(inner, mean - 9.0 * std(first), mean + 9.0 * std(first), 0.5 * std(first))
}

/// The covariances of x_0 … x_T are the inverse of a tri-diagonal precision matrix: a Markov chain of Gaussians.
///
/// Method: the precision is added up kernel by kernel, `Σ_t (e_t − √α_t e_{t−1})(…)ᵀ/β_t + e_0 e_0ᵀ/v_0`, and times
/// the covariances it must be the identity; given a state between them, two states have no covariance left. Ledger
/// S0.18, S1.12, S3.02, S3.03.
///
/// # Errors
/// The mismatch found.
pub fn covariance(
    f: impl Fn(&Schedule, Timestep, Timestep, f64) -> f64,
    schedule: &Schedule,
    data_var: f64,
) -> Outcome {
    let got = DMatrix::from_fn(schedule.len() + 1, schedule.len() + 1, |i, j| {
        f(schedule, Timestep::new(i.min(j)), Timestep::new(i.max(j)), data_var)
    });
    let precision = precision(schedule.betas().as_slice(), data_var);
    let (product, sizes) = (&precision * &got, precision.abs() * got.abs());
    let mut trial = Trial::new();
    for i in 0..got.nrows() {
        for j in 0..got.ncols() {
            let want = f64::from(u8::from(i == j));
            let tol = Tol::abs(4.0 * EPS * sizes[(i, j)], "4 roundings of each summed product");
            trial.close("precision × covariance", product[(i, j)], want, tol, || format!("entry ({i}, {j})"))?;
        }
    }
    partial_covariances(&mut trial, &got)?;
    Ok(trial.evidence())
}

fn partial_covariances(trial: &mut Trial, got: &DMatrix<f64>) -> Result<(), Mismatch> {
    for between in 1..got.nrows().saturating_sub(1) {
        let (s, t) = (between - 1, between + 1);
        let explained = got[(s, between)] * got[(between, t)] / got[(between, between)];
        let tol = Tol::abs(4.0 * EPS * got[(s, t)].abs(), "4 roundings");
        let place = || format!("x_{s} and x_{t} given x_{between}");
        trial.close("covariance left", got[(s, t)] - explained, 0.0, tol, place)?;
    }
    Ok(())
}

fn precision(betas: &[f64], data_var: f64) -> DMatrix<f64> {
    let mut all = DMatrix::zeros(betas.len() + 1, betas.len() + 1);
    all[(0, 0)] = 1.0 / data_var;
    for (t, &beta) in betas.iter().enumerate() {
        let kept = (1.0 - beta).sqrt();
        all[(t, t)] += kept * kept / beta;
        all[(t + 1, t + 1)] += 1.0 / beta;
        all[(t, t + 1)] -= kept / beta;
        all[(t + 1, t)] -= kept / beta;
    }
    all
}

/// Var(x_t) as the last entry of the inverted precision matrix of the chain.
///
/// # Panics
/// If the precision is singular, which no chain's is.
#[must_use]
pub fn marginal_by_inversion(betas: &[f64], data_var: f64) -> f64 {
    let inverse = precision(betas, data_var).try_inverse().expect("the precision of a chain is positive definite");
    inverse[(betas.len(), betas.len())]
}
