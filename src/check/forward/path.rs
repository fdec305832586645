//! Claims on whole paths: the roll-out with its noises kept, the joint density, covariances, chains with fewer steps.

use std::f64::consts::TAU;

use nalgebra::{DMatrix, DVector};

use super::{faults, short_chain, trapezoid};
use crate::check::evidence::list;
use crate::check::schedule::log_alpha_bars;
use crate::check::{Check, Evidence, Method, Mismatch, Outcome, Run, Tol, Trial, log_uniform, uniform};
use crate::forward::Expansion;
use crate::schedule::{Level, Schedule, Timestep, Transition};

const EPS: f64 = f64::EPSILON;

/// The factors of x_s and of ε_{s+1} … ε_t in x_t are the chain's responses to unit impulses.
///
/// ```text
/// x_t = √(α_{s+1} … α_t) x_s + Σ_i √(α_{i+1} … α_t β_i) ε_i        Σ_i α_{i+1} … α_t β_i = 1 − ᾱ_t/ᾱ_s
/// ```
///
/// Method: the chain is run one step at a time on every unit impulse at once, which is equality along every path, not
/// only in law; the squares of the noise factors are compared by `expm1`. Source: Ho et al. 2020, arXiv:2006.11239,
/// eq. (2) iterated.
///
/// ```
/// use alphabar::{check, forward::expansion};
///
/// check::forward::expansion(expansion).points(8).assert();
/// ```
pub fn expansion<'f>(f: impl Fn(&Schedule, Timestep, Timestep) -> Expansion + 'f) -> Check<'f> {
    let method = Method::Enumeration("the chain run on unit impulses");
    let sentence =
        "x_t = √(α_{s+1}…α_t) x_s + Σ √(α_{i+1}…α_t β_i) ε_i along every path; the squares sum to 1 − ᾱ_t/ᾱ_s";
    Check::new("roll_out_is_the_chain_with_its_noises_kept", sentence, method, move |run| roll_out(run, &f))
        .rejects(faults::EXPANSIONS, roll_out)
}

fn roll_out(run: &Run, f: impl Fn(&Schedule, Timestep, Timestep) -> Expansion) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().take(16).collect();
    run.over_schedules(|schedule| {
        let whole = keeps_noises(&f, schedule, Timestep::DATA, schedule.last())?;
        points.iter().try_fold(whole, |all, point| {
            let (s, t) = times(schedule, *point);
            Ok(all.and(keeps_noises(&f, schedule, s, t)?))
        })
    })
}

/// Two times s < t of a schedule, from the unit square.
fn times(schedule: &Schedule, [u, v]: [f64; 2]) -> (Timestep, Timestep) {
    let t = 1 + (u * schedule.len() as f64) as usize;
    (Timestep::new((v * t as f64) as usize), Timestep::new(t))
}

fn keeps_noises(
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

/// A chain that visits only some times has at each the ᾱ of the full chain, and so have α and β between two times far
/// apart.
///
/// ```text
/// β' = 1 − ᾱ_t/ᾱ_s        Σ ln(1 − β') = Σ ln(1 − β)
/// ```
///
/// `betas` gives the βs of the chain that visits the times given, `transition` that from s to t of a schedule, and
/// `between` the same from nothing but the levels of the two times (its β is allowed what their difference cancels).
/// Method: logarithms of 1 − β summed over either chain, `exp` and `expm1`. Source: Nichol, Dhariwal 2021,
/// arXiv:2102.09672, section 4.
///
/// ```
/// use alphabar::{Betas, Schedule, Timestep, Transition, check};
///
/// let betas = |full: &Schedule, kept: &[Timestep]| Betas::respaced(full, kept).unwrap().as_slice().to_vec();
/// let between = |s, t| Transition::between(s, t).unwrap();
/// check::forward::respacing(betas, Schedule::transition, between).points(8).assert();
/// ```
pub fn respacing<'f>(
    betas: impl Fn(&Schedule, &[Timestep]) -> Vec<f64> + 'f,
    transition: impl Fn(&Schedule, Timestep, Timestep) -> Transition + 'f,
    between: impl Fn(Level, Level) -> Transition + 'f,
) -> Check<'f> {
    let method = Method::OtherPremises("logarithms of 1 − β summed over either chain");
    let sentence = "β' = 1 − ᾱ_t/ᾱ_s between kept times gives the kept chain the ᾱ of the full one";
    Check::new("any_subsequence_of_times_has_the_same_marginals", sentence, method, move |run| {
        respace(run, &betas, &transition, &between)
    })
    .rejects(faults::RESPACINGS, |run, f| {
        respace(run, f, Schedule::transition, |s, t| Transition::between(s, t).expect("ᾱ falls"))
    })
}

fn respace(
    run: &Run,
    betas: impl Fn(&Schedule, &[Timestep]) -> Vec<f64>,
    transition: impl Fn(&Schedule, Timestep, Timestep) -> Transition,
    between: impl Fn(Level, Level) -> Transition,
) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().take(16).collect();
    run.over_schedules(|schedule| {
        points.iter().try_fold(Evidence::none(), |all, &[u, v]| {
            let stride = 1 + (u * 0.3 * schedule.len() as f64) as usize;
            let first = 1 + (v * stride.min(schedule.len()) as f64) as usize;
            let kept: Vec<Timestep> = (first..=schedule.len()).step_by(stride).map(Timestep::new).collect();
            let (s, t) = times(schedule, [u, v]);
            let (from, to) = (schedule.level(s), schedule.level(t));
            let larger = if from.alpha_bar() > 0.5 { to.one_minus_alpha_bar() } else { 1.0 };
            Ok(all
                .and(respaced(&betas, schedule, &kept)?)
                .and(span(&transition(schedule, s, t), schedule, s, t, 0.0)?)
                .and(span(&between(from, to), schedule, s, t, 2.0 * EPS * larger)?))
        })
    })
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

fn respaced(f: impl Fn(&Schedule, &[Timestep]) -> Vec<f64>, schedule: &Schedule, kept: &[Timestep]) -> Outcome {
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
/// ```text
/// ln q(x_{1:T} | x_0) = −½ [(x − μ)ᵀ (L Lᵀ)⁻¹ (x − μ) + ln det L Lᵀ + T ln 2π]
/// ```
///
/// `f(schedule, x_0 … x_T)`, for chains of one to eight steps. Method: L is the chain rolled out on unit impulses; its
/// covariance, Cholesky factor and determinant; no product of kernels. Source: Ho et al. 2020, arXiv:2006.11239, eq. (2).
///
/// ```
/// use alphabar::{Schedule, check, forward::path_log_density};
///
/// let mine = |schedule: &Schedule, path: &[f64]| path_log_density(schedule, path).unwrap();
/// check::forward::path_density(mine).assert();
/// ```
pub fn path_density<'f>(f: impl Fn(&Schedule, &[f64]) -> f64 + 'f) -> Check<'f> {
    let method = Method::OtherPremises("multivariate Gaussian by the Cholesky factor of the chain's covariance");
    let sentence = "ln q(x_{1:T} | x_0) = Σ ln q(x_t | x_{t−1}), with no factor q(x_0)";
    Check::new("product_of_kernels_is_the_joint_gaussian", sentence, method, move |run| paths(run, &f))
        .rejects(faults::PATHS, paths)
}

fn paths(run: &Run, f: impl Fn(&Schedule, &[f64]) -> f64) -> Outcome {
    run.over(|[u, v, w, x, a, b, c]| {
        let noise = [a, b, c].map(|u| uniform(u, -2.5, 2.5));
        is_jointly_gaussian(&f, &short_chain([u, v, w]), uniform(x, -2.0, 2.0), &noise)
    })
}

fn is_jointly_gaussian(f: impl Fn(&Schedule, &[f64]) -> f64, schedule: &Schedule, x0: f64, noise: &[f64]) -> Outcome {
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
/// Method: the trapezoidal rule in two dimensions.
///
/// ```
/// use alphabar::{Betas, Schedule, check::forward::path_mass, forward::path_log_density};
///
/// let schedule = Schedule::new(Betas::new(vec![0.1, 0.3])?);
/// let mass = path_mass(|schedule, path| path_log_density(schedule, path).unwrap(), &schedule, 0.0);
/// assert!((mass - 1.0).abs() < 1e-12);
/// # Ok::<(), alphabar::Error>(())
/// ```
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
/// ```text
/// Cov(x_s, x_t) = √(ᾱ_t/ᾱ_s) Var(x_s)        Cov⁻¹ = Σ_t (e_t − √α_t e_{t−1})(e_t − √α_t e_{t−1})ᵀ/β_t + e_0 e_0ᵀ/v_0
/// ```
///
/// `f(schedule, s, t, v_0)`, s ≤ t, for chains of one to eight steps. Method: the precision is added up kernel by kernel,
/// and times the covariances it must be the identity; given a state between them, two states have no covariance left.
/// Source: Ho et al. 2020, arXiv:2006.11239, eq. (2).
///
/// ```
/// use alphabar::{check, forward::covariance};
///
/// check::forward::covariance(covariance).assert();
/// ```
pub fn covariance<'f>(f: impl Fn(&Schedule, Timestep, Timestep, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::OtherPremises("precision matrix added up kernel by kernel, times the covariances");
    let sentence = "Cov(x_s, x_t) = √(ᾱ_t/ᾱ_s) Var(x_s); the precision matrix is tri-diagonal";
    Check::new("states_are_jointly_gaussian_and_markov", sentence, method, move |run| covary(run, &f))
        .rejects(faults::COVARIANCES, covary)
}

fn covary(run: &Run, f: impl Fn(&Schedule, Timestep, Timestep, f64) -> f64) -> Outcome {
    run.over(|[u, v, w, data]| inverts_the_precision(&f, &short_chain([u, v, w]), log_uniform(data, 0.05, 5.0)))
}

fn inverts_the_precision(
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

pub(super) fn precision(betas: &[f64], data_var: f64) -> DMatrix<f64> {
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
