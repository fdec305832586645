//! Claims on the posterior q(x_s | x_t, x₀): mean and variance, completed square, density, Markov property; and on the
//! true reverse q(x_s | x_t).

pub mod faults;
mod reverse;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::TAU;

use nalgebra::{DMatrix, DVector};

use crate::error::Result;
use crate::posterior::{Collection, LogVarianceClip, Moments, Quadratic};
use crate::schedule::{Schedule, Timestep, Transition};

use super::witness::simulate::Marginal;
use super::{Check, Evidence, Method, Mismatch, Outcome, Run, Tol, Trial, log_uniform, uniform};

pub use reverse::{composition, information, mixture_reverse, true_reverse};

/// Where a claim on the posterior is tried: a transition of a chain, t − 1 → t as a rule, x₀ and x_t.
#[derive(Clone, Debug)]
struct Point {
    /// The βs up to s, then that of the transition.
    betas: Vec<f64>,
    /// √α of the transition.
    root: f64,
    /// How many steps of the chain are behind x_t.
    steps: usize,
    transition: Transition,
    x0: f64,
    xt: f64,
}

impl Point {
    /// The point (x₀, x_t) at time t of a schedule.
    fn new(schedule: &Schedule, t: Timestep, x0: f64, xt: f64) -> Self {
        let betas = schedule.betas().as_slice()[..t.get()].to_vec();
        let root = (1.0 - betas[t.get() - 1]).sqrt();
        Self { betas, root, steps: t.get(), transition: schedule.step(t), x0, xt }
    }

    /// The same for a transition s → t that skips times: the variance its steps accumulate takes the place of β_t.
    fn far(schedule: &Schedule, s: Timestep, t: Timestep, x0: f64, xt: f64) -> Self {
        let (before, between) = schedule.betas().as_slice()[..t.get()].split_at(s.get());
        let Marginal { coefficient: root, var: beta } = Marginal::through(between);
        let betas = before.iter().copied().chain([beta]).collect();
        Self { betas, root, steps: t.get(), transition: schedule.transition(s, t), x0, xt }
    }

    /// The point where x_t is what x₀ and a noise of the given size (in standard deviations) lead to.
    fn typical(schedule: &Schedule, t: Timestep, x0: f64, noise: f64) -> Self {
        let mut at = Self::new(schedule, t, x0, 0.0);
        let (m, v) = at.forward(t.get());
        at.xt = m * x0 + v.sqrt() * noise;
        at
    }

    /// t, counting a transition that skips times as one step.
    const fn t(&self) -> usize {
        self.betas.len()
    }

    /// Steps behind x_t, each of which rounds.
    const fn steps(&self) -> f64 {
        self.steps as f64
    }

    /// The transition t − 1 → t, as the code under test is given it.
    const fn transition(&self) -> &Transition {
        &self.transition
    }

    /// x_t.
    const fn xt(&self) -> f64 {
        self.xt
    }

    /// β_t, and (m, v) of x_{t−1} | x₀ ~ N(m x₀, v).
    fn parts(&self) -> (f64, f64, f64) {
        let (m, v) = self.forward(self.t() - 1);
        (self.betas[self.t() - 1], m, v)
    }

    /// Factor and variance after so many steps of x ← √(1 − β) x + √β ε.
    fn forward(&self, steps: usize) -> (f64, f64) {
        let Marginal { coefficient, var } = Marginal::through(&self.betas[..steps]);
        (coefficient, var)
    }

    fn place(&self) -> String {
        format!("t = {}, x0 = {}, xt = {}", self.t(), self.x0, self.xt)
    }
}

/// Posterior and true reverse by adding precisions: prior N(mean, var) of x_s against x_t = √α x_s + √β ε.
fn precision_addition(beta: f64, prior: Moments, xt: f64) -> Moments {
    let precision = (1.0 - beta) / beta + 1.0 / prior.var;
    let var = 1.0 / precision;
    Moments { mean: var * ((1.0 - beta).sqrt() * xt / beta + prior.mean / prior.var), var }
}

// ANCHOR: bayes
/// Mean and variance of q(x_s | x_t, x₀) are those of Bayes' rule in information form, from the βs alone.
///
/// ```text
/// 1/var = α_t/β_t + 1/v        mean = var·(√α_t x_t/β_t + m x₀/v)        x_s | x₀ ~ N(m x₀, v)
/// ```
///
/// m and v come from the recursion m ← √(1 − β) m, v ← (1 − β) v + β, one step at a time, which shares nothing with
/// the ᾱ forms. At t = 1 the posterior is the point x₀. Tried at every t of hard schedules and on transitions that skip
/// times. Source of the law: Ho et al. 2020, arXiv:2006.11239, eq. (6), (7).
///
/// ```
/// use alphabar::{Transition, check, posterior::{Moments, posterior}};
///
/// check::posterior::bayes(posterior).assert();
///
/// let mine = |step: &Transition, x0: f64, xt: f64| Moments { var: step.beta(), ..posterior(step, x0, xt) };
/// let failure = check::posterior::bayes(mine).run().unwrap_err();
/// assert_eq!(failure.mistake.unwrap().name, "beta_for_beta_tilde");
/// ```
pub fn bayes<'f>(f: impl Fn(&Transition, f64, f64) -> Moments + 'f) -> Check<'f> {
    let method = Method::OtherPremises("recursion on the βs, precision addition");
    let sentence = "q(x_{t−1} | x_t, x₀) has the mean and variance that Bayes' rule gives";
    Check::new("posterior_equals_bayes", sentence, method, move |run| laws(run, &f)).rejects(faults::LAWS, laws)
}

fn laws(run: &Run, f: impl Fn(&Transition, f64, f64) -> Moments) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().collect();
    run.over_schedules(|schedule| {
        let mut all = Evidence::none();
        for (t, [u, v]) in schedule.timesteps().zip(points.iter().cycle()) {
            let at = Point::new(schedule, t, uniform(*u, -3.0, 3.0), uniform(*v, -3.0, 3.0));
            all = all.and(equals_bayes(&f, &at)?);
        }
        // Transitions that skip times: to the last from every fourth part of the chain, the data included.
        for quarter in 0..4 {
            let (s, t) = (Timestep::new(schedule.len() * quarter / 4), schedule.last());
            if s < t {
                all = all.and(equals_bayes(&f, &Point::far(schedule, s, t, 0.8, -1.3))?);
            }
        }
        Ok(all)
    })
}

fn equals_bayes(f: impl Fn(&Transition, f64, f64) -> Moments, at: &Point) -> Outcome {
    let Point { transition, root, x0, xt, .. } = at;
    let (beta, m, v) = at.parts();
    let got = f(transition, *x0, *xt);
    let place = || at.place();
    let mut trial = Trial::new();
    if at.t() == 1 {
        let tol = Tol::new(4.0 * f64::EPSILON, 4.0 * f64::EPSILON, "the posterior at t = 1 is the point x0");
        trial.close("posterior variance", got.var, 0.0, Tol::exact(), place)?;
        trial.close("posterior mean", got.mean, *x0, tol, place)?;
        return Ok(trial.evidence());
    }
    let precision = root * root / beta + 1.0 / v;
    let var = 1.0 / precision;
    let (from_xt, from_x0) = (var * root * xt / beta, var * m * x0 / v);
    let steps = at.steps();
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
// ANCHOR_END: bayes

/// The logarithm of the posterior variance is that of Bayes' rule; at t = 1, where it is −∞, it is ln β̃_2 or that of
/// the floor.
///
/// ```text
/// ln β̃_t for t > 1        ln β̃_2, or ln floor where that is larger
/// ```
///
/// `f` is given the transition to t, the transition to the second time, and the convention. Method: recursion on the βs
/// and addition of precisions, at up to 17 times of every schedule with T ≥ 2. Source of the convention: Nichol,
/// Dhariwal 2021, arXiv:2102.09672, whose code clips so.
///
/// ```
/// use alphabar::{check, posterior::log_variance_clipped};
///
/// check::posterior::log_variance(log_variance_clipped).assert();
/// ```
pub fn log_variance<'f>(f: impl Fn(&Transition, &Transition, LogVarianceClip) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::OtherPremises("recursion on the βs, precision addition");
    let sentence = "ln β̃ is that of Bayes' rule, with −∞ at t = 1 replaced by ln β̃_2 or by the logarithm of a floor";
    Check::new("clipped_log_variance_follows_its_convention", sentence, method, move |run| clips(run, &f))
        .rejects(faults::LOG_VARIANCES, clips)
}

fn clips(run: &Run, f: impl Fn(&Transition, &Transition, LogVarianceClip) -> Result<f64>) -> Outcome {
    run.over_schedules(|schedule| {
        let mut all = Evidence::none();
        for t in (1..=schedule.len()).step_by(1 + schedule.len() / 16).filter(|_| schedule.len() >= 2) {
            for clip in [LogVarianceClip::CopySecond, LogVarianceClip::Floor(1e-20)] {
                all = all.and(log_variance_is_clipped(&f, schedule, Timestep::new(t), clip)?);
            }
        }
        Ok(all)
    })
}

fn log_variance_is_clipped(
    f: impl Fn(&Transition, &Transition, LogVarianceClip) -> Result<f64>,
    schedule: &Schedule,
    t: Timestep,
    clip: LogVarianceClip,
) -> Outcome {
    let second = Timestep::new(2);
    let log_var = |t: Timestep| {
        let (beta, _, v) = Point::new(schedule, t, 0.0, 0.0).parts();
        precision_addition(beta, Moments { mean: 0.0, var: v }, 0.0).var.ln()
    };
    let want = match clip {
        LogVarianceClip::CopySecond => log_var(t.max(second)),
        LogVarianceClip::Floor(floor) => log_var(t).max(floor.ln()),
    };
    let place = || format!("t = {}, {clip:?}", t.get());
    let got = f(&schedule.step(t), &schedule.step(second), clip).map_err(|_| failure("log variance", &place()))?;
    let tol = Tol::abs((2.0 * t.get() as f64 + 40.0) * f64::EPSILON, "2t + 8 roundings of the variance, one of ln");
    let mut trial = Trial::new();
    trial.close("log variance", got, want, tol, place)?;
    Ok(trial.evidence())
}

/// Mean and variance equal the Schur complement of the joint Gaussian of (x₀, x_s, x_t), for data of any covariance:
/// coordinates do not mix, and q(x₀) cancels.
///
/// ```text
/// E[x_s | y] = C_sy C_yy⁻¹ y        Cov(x_s | y) = C_ss − C_sy C_yy⁻¹ C_ys        y = (x₀, x_t)
/// ```
///
/// The joint is built by recursion on the βs, for data of two correlated coordinates. Method: conditioning by LU on the
/// covariance. Source of the law: Ho et al. 2020, arXiv:2006.11239, eq. (6), (7).
///
/// ```
/// use alphabar::{check, posterior::posterior};
///
/// check::posterior::conditional_of_the_joint(posterior).points(8).assert();
/// ```
pub fn conditional_of_the_joint<'f>(f: impl Fn(&Transition, f64, f64) -> Moments + 'f) -> Check<'f> {
    let method = Method::OtherPremises("Schur complement of the joint Gaussian, data of any covariance");
    let sentence = "q(x_{t−1} | x_t, x₀) is the conditional of the joint: q(x₀) cancels, coordinates do not mix";
    Check::new("posterior_is_the_conditional_of_the_joint", sentence, method, move |run| schur(run, &f))
        .rejects(faults::LAWS, schur)
}

fn schur(run: &Run, f: impl Fn(&Transition, f64, f64) -> Moments) -> Outcome {
    at_some_times(run, |schedule, t, [a, b, c, d]| {
        let scale = log_uniform(a, 0.1, 4.0);
        let (x0, xt) =
            ([uniform(b, -2.0, 2.0), uniform(c, -2.0, 2.0)], [uniform(d, -2.0, 2.0), uniform(b, -2.0, 2.0)]);
        equals_conditioning(&f, &Point::new(schedule, t, 0.0, 0.0), &covariance(scale), &x0, &xt)
    })
}

/// A covariance with correlation ½.
fn covariance(scale: f64) -> DMatrix<f64> {
    DMatrix::from_row_slice(2, 2, &[scale, 0.5 * scale, 0.5 * scale, 1.0 * scale])
}

fn equals_conditioning(
    f: impl Fn(&Transition, f64, f64) -> Moments,
    at: &Point,
    data: &DMatrix<f64>,
    x0: &[f64],
    xt: &[f64],
) -> Outcome {
    let (mean, cov) = condition(at, data, x0, xt);
    let (beta, m, v) = at.parts();
    let (factor, var) = at.forward(at.t());
    // The smallest eigenvalue of cov(x₀, x_t) is about λ_min·var/(λ m² + var); regression weights feel it.
    let (least, most) = (data.clone().symmetric_eigenvalues().min(), data.amax());
    let kappa = (most + 1.0) * (most * factor * factor + var + 1.0) / (least * var);
    let spread = (m * m * most + v) / (v * beta / var).max(f64::MIN_POSITIVE);
    let size = x0.iter().chain(xt).fold(0.0, |a: f64, b| a.max(b.abs()));
    let reason = "roundings of an LU solve times the condition of cov(x0, xt)";
    let rounding = (at.steps() + 32.0) * f64::EPSILON;
    let mut trial = Trial::new();
    for i in 0..x0.len() {
        let got = f(&at.transition, x0[i], xt[i]);
        let place = || format!("{}, coordinate {i} of {}", at.place(), x0.len());
        trial.close("mean", got.mean, mean[i], Tol::abs(rounding * kappa * size, reason), place)?;
        let floor = if at.t() == 1 { rounding * most } else { 0.0 };
        trial.close("variance", got.var, cov[(i, i)], Tol::new(floor, rounding * spread, reason), place)?;
        for j in 0..i {
            trial.close("covariance", 0.0, cov[(i, j)], Tol::abs(rounding * most * 8.0, reason), place)?;
        }
    }
    Ok(trial.evidence())
}

/// E and Cov of x_{t−1} given x_t and x₀, with x₀ ~ N(0, data), from the joint covariance.
fn condition(at: &Point, data: &DMatrix<f64>, x0: &[f64], xt: &[f64]) -> (DVector<f64>, DMatrix<f64>) {
    let d = x0.len();
    let (beta, m, v) = at.parts();
    let root = (1.0 - beta).sqrt();
    let eye = DMatrix::<f64>::identity(d, d);
    let var_s = data * (m * m) + &eye * v;
    let var_t = &var_s * (1.0 - beta) + &eye * beta;
    let (c_0s, c_0t, c_st) = (data * m, data * (m * root), &var_s * root);
    let mut given = DMatrix::zeros(2 * d, 2 * d);
    given.view_mut((0, 0), (d, d)).copy_from(data);
    given.view_mut((0, d), (d, d)).copy_from(&c_0t);
    given.view_mut((d, 0), (d, d)).copy_from(&c_0t.transpose());
    given.view_mut((d, d), (d, d)).copy_from(&var_t);
    let mut cross = DMatrix::zeros(2 * d, d);
    cross.view_mut((0, 0), (d, d)).copy_from(&c_0s);
    cross.view_mut((d, 0), (d, d)).copy_from(&c_st.transpose());
    let weights = given.lu().solve(&cross).expect("noise of variance β makes the joint covariance invertible");
    let observed = DVector::from_iterator(2 * d, x0.iter().chain(xt).copied());
    (weights.transpose() * observed, var_s - cross.transpose() * weights)
}

/// The collected quadratic is the exponent that Bayes' rule leaves: three values of it determine all coefficients.
///
/// ```text
/// e(x) = −½ [ (x_t − √α x)²/β + (x − m x₀)²/v − (x_t − M x₀)²/V ]
/// square = 2e(0) − e(1) − e(−1)        linear = (e(1) − e(−1))/2        constant = −2 e(0)
/// ```
///
/// m, v, M, V come from the recursion on the βs; the completed square is compared with the addition of precisions. At
/// t = 1 the code under test is expected to refuse. Source: Ho et al. 2020, arXiv:2006.11239, eq. (6), (7), whose
/// derivation completes this square.
///
/// ```
/// use alphabar::{check, posterior::quadratic};
///
/// check::posterior::completed_square(quadratic).points(8).assert();
/// ```
pub fn completed_square<'f>(f: impl Fn(&Transition, f64, f64, Collection) -> Result<Quadratic> + 'f) -> Check<'f> {
    let method = Method::Enumeration("three values of the exponent, from the βs, determine its coefficients");
    let sentence =
        "every line of the completed square has the coefficients of Bayes' exponent and completes to the posterior";
    Check::new("completed_square_is_the_exponent", sentence, method, move |run| squares(run, &f))
        .rejects(faults::SQUARES, squares)
}

fn squares(run: &Run, f: impl Fn(&Transition, f64, f64, Collection) -> Result<Quadratic>) -> Outcome {
    at_some_times(run, |schedule, t, [a, b, ..]| {
        let at = Point::new(schedule, t, uniform(a, -2.0, 2.0), uniform(b, -2.0, 2.0));
        let lines = Collection::ALL.iter().map(|line| quadratic_interpolates(&f, &at, *line));
        lines.into_iter().try_fold(Evidence::none(), |all, e| Ok(all.and(e?)))
    })
}

fn quadratic_interpolates(
    f: impl Fn(&Transition, f64, f64, Collection) -> Result<Quadratic>,
    at: &Point,
    line: Collection,
) -> Outcome {
    let Point { transition, x0, xt, .. } = at;
    let mut trial = Trial::new();
    let place = || format!("{}, {line:?}", at.place());
    let got = f(transition, *x0, *xt, line);
    if at.t() == 1 {
        let refused = f64::from(u8::from(got.is_err()));
        trial.close("refusal at t = 1", refused, 1.0, Tol::exact(), place)?;
        return Ok(trial.evidence());
    }
    let got = got.map_err(|_| failure("collected quadratic", &place()))?;
    let (beta, m, v) = at.parts();
    let (square, linear, constant) = interpolate(at);
    let (factor, var) = at.forward(at.t());
    let magnitude = (xt.abs() + 1.0).powi(2) / beta
        + (1.0 + (m * x0).abs()).powi(2) / v
        + (xt.abs() + (factor * x0).abs()).powi(2) / var;
    let rounding = (2.0 * at.steps() + 16.0) * f64::EPSILON;
    // α − α ᾱ_s + 1 − α is rounded at the size of 1 before it is divided.
    let lost = if line == Collection::Expanded { 4.0 * f64::EPSILON / (beta * v) } else { 0.0 };
    let size = (1.0 + m * x0.abs() + xt.abs()).powi(2);
    let tol = Tol::abs(rounding * magnitude + lost * size, "2t + 16 roundings of the summed squares");
    trial.close("square", got.square, square, tol, place)?;
    trial.close("linear", got.linear, linear, tol, place)?;
    trial.close("constant", got.constant, constant, tol, place)?;
    trial.close("exponent at −0.7", got.at(-0.7), exponent(at, -0.7), tol, place)?;
    let want = precision_addition(beta, Moments { mean: m * x0, var: v }, *xt);
    let completed = got.completed();
    let rounding = rounding + lost * want.var;
    let tol = Tol::rel(rounding, "2t + 16 roundings of a sum of positive terms");
    trial.close("completed variance", completed.var, want.var, tol, place)?;
    let parts = want.var * (xt.abs() / beta + (m * x0).abs() / v);
    let tol = Tol::abs(rounding * parts, "2t + 16 roundings of the summed magnitudes");
    trial.close("completed mean", completed.mean, want.mean, tol, place)?;
    Ok(trial.evidence())
}

/// Coefficients of Bayes' exponent at a point, by three values of it.
fn interpolate(at: &Point) -> (f64, f64, f64) {
    let (low, mid, high) = (exponent(at, -1.0), exponent(at, 0.0), exponent(at, 1.0));
    (2.0 * mid - high - low, 0.5 * (high - low), -2.0 * mid)
}

/// Bayes' exponent at x_s, from the βs.
fn exponent(at: &Point, xs: f64) -> f64 {
    let (beta, m, v) = at.parts();
    let (factor, var) = at.forward(at.t());
    let square = |x: f64| x * x;
    let forward = square(at.xt - (1.0 - beta).sqrt() * xs) / beta;
    -0.5 * (forward + square(xs - m * at.x0) / v - square(at.xt - factor * at.x0) / var)
}

/// Both forms of the log density are that of the joint over that of what is given, with mass 1 and the moments of Bayes'
/// rule: N(x_s; μ̃, β̃) written out, and Bayes' ratio.
///
/// ```text
/// ln q(x_s | x_t, x₀) = ln q(x_t | x_s) + ln q(x_s | x₀) − ln q(x_t | x₀)
/// ```
///
/// Each takes (step, x₀, x_t, x_s) and sums over entries. Method: joint by the recursion on the βs, trapezoidal quadrature
/// (exponentially convergent for a Gaussian), at t ≥ 2. Source: Ho et al. 2020, arXiv:2006.11239, eq. (6).
///
/// ```
/// use alphabar::{Transition, check, posterior::{log_bayes_ratio, log_density}};
/// use ndarray::aview1;
///
/// type Density = fn(&Transition, &[f64], &[f64], &[f64]) -> f64;
/// let direct: Density = |step, x0, xt, xs| log_density(step, &aview1(x0), &aview1(xt), &aview1(xs)).unwrap();
/// let ratio: Density = |step, x0, xt, xs| log_bayes_ratio(step, &aview1(x0), &aview1(xt), &aview1(xs)).unwrap();
/// check::posterior::density(direct, ratio).points(8).assert();
/// ```
pub fn density<'f>(
    direct: impl Fn(&Transition, &[f64], &[f64], &[f64]) -> f64 + 'f,
    ratio: impl Fn(&Transition, &[f64], &[f64], &[f64]) -> f64 + 'f,
) -> Check<'f> {
    let method = Method::Numerical("joint over given by the recursion, trapezoidal quadrature");
    let sentence = "Bayes' ratio and N(x; μ̃, β̃) are the same density: equal at every point, of mass 1";
    Check::new("posterior_density_is_bayes_ratio", sentence, method, move |run| {
        Ok(densities(run, &direct)?.and(densities(run, &ratio)?))
    })
    .rejects(faults::DENSITIES, |run, f| Ok(densities(run, f)?.and(densities(run, f)?)))
}

fn densities(run: &Run, f: impl Fn(&Transition, &[f64], &[f64], &[f64]) -> f64) -> Outcome {
    after_the_first(run, |schedule, t, [a, b, c, d]| {
        let at = Point::typical(schedule, t, uniform(a, -1.5, 1.5), uniform(b, -3.0, 3.0));
        let offsets = [uniform(c, -4.0, 4.0), uniform(d, -4.0, 4.0), uniform(c * d, -3.0, 3.0)];
        density_is_the_joint_over_the_given(&f, &at, &offsets)
    })
}

/// `offsets` are deviations of x_s from its mean, in standard deviations, one an entry; mean and variance are checked at
/// the first entry.
fn density_is_the_joint_over_the_given(
    f: impl Fn(&Transition, &[f64], &[f64], &[f64]) -> f64,
    at: &Point,
    offsets: &[f64],
) -> Outcome {
    let Point { transition, x0, xt, .. } = at;
    let (beta, m, v) = at.parts();
    let law = precision_addition(beta, Moments { mean: m * x0, var: v }, *xt);
    let std = law.var.sqrt();
    let place = || at.place();
    let mut trial = Trial::new();

    let xs: Vec<f64> = offsets.iter().map(|u| law.mean + std * u).collect();
    let (x0s, xts) = (vec![*x0; xs.len()], vec![*xt; xs.len()]);
    let want: f64 = xs.iter().map(|&xs| log_ratio(at, xs)).sum();
    let size: f64 = xs.iter().map(|&xs| log_ratio_size(at, xs)).sum();
    let rounding = (2.0 * at.steps() + 32.0) * f64::EPSILON;
    let tol = Tol::abs(rounding * size, "2t + 32 roundings of the summed squares and logarithms");
    trial.close("log density", f(transition, &x0s, &xts, &xs), want, tol, place)?;

    let (step, mut moments) = (0.25, [0.0; 3]);
    for k in -40..=40 {
        let u = step * f64::from(k);
        let mass = step * std * f(transition, &[*x0], &[*xt], &[law.mean + std * u]).exp();
        moments[0] += mass;
        moments[1] += mass * u;
        moments[2] += mass * u * u;
    }
    // The exponent is a difference of squares that are large where β is small; the density inherits their rounding.
    let tol = Tol::abs(rounding * size, "relative rounding of the density, 10 standard deviations");
    trial.close("mass", moments[0], 1.0, tol, place)?;
    trial.close("standardised mean", moments[1], 0.0, tol, place)?;
    trial.close("standardised second moment", moments[2], 1.0, tol, place)?;
    Ok(trial.evidence())
}

/// ln q(x_t | x_s) + ln q(x_s | x₀) − ln q(x_t | x₀) from the βs.
fn log_ratio(at: &Point, xs: f64) -> f64 {
    let (beta, _, v) = at.parts();
    let (_, var) = at.forward(at.t());
    exponent(at, xs) - 0.5 * ((TAU * beta).ln() + (TAU * v).ln() - (TAU * var).ln())
}

fn log_ratio_size(at: &Point, xs: f64) -> f64 {
    let (beta, m, v) = at.parts();
    let (factor, var) = at.forward(at.t());
    let logs = (TAU * beta).ln().abs() + (TAU * v).ln().abs() + (TAU * var).ln().abs();
    // A residual is a difference of numbers of this size; its rounding is divided by the variance.
    let scale = |variance: f64, x: f64, y: f64| {
        let residual = (x - y).abs();
        (residual * (x.abs() + y.abs()) + residual * residual) / variance
    };
    let reverse = (at.xt - (1.0 - beta).sqrt() * xs).abs();
    let mean = precision_addition(beta, Moments { mean: m * at.x0, var: v }, at.xt).mean;
    logs + 1.0
        + reverse * (at.xt.abs() + xs.abs()) / beta
        + scale(v, xs, m * at.x0)
        + scale(var, at.xt, factor * at.x0)
        + (xs.abs() + mean.abs()) * (1.0 / beta + 1.0 / v).sqrt()
}

/// The chain is Markov: the covariance of (x₀, x_s, x_t) is that of the recursion, and given x_s the ends are
/// uncorrelated.
///
/// ```text
/// Cov(x₀, x_t) − Cov(x₀, x_s) Cov(x_s, x_t)/Var(x_s) = 0
/// ```
///
/// `f(step, v₀)` is the covariance for data of variance v₀. Method: recursion on the βs, partial covariance. Source: Ho
/// et al. 2020, arXiv:2006.11239, eq. (2).
///
/// ```
/// use alphabar::{check, posterior::joint_covariance};
///
/// check::posterior::markov(joint_covariance).assert();
/// ```
pub fn markov<'f>(f: impl Fn(&Transition, f64) -> [[f64; 3]; 3] + 'f) -> Check<'f> {
    let method = Method::Enumeration("recursion on the βs, partial covariance");
    let sentence = "x_t and x₀ are uncorrelated given x_{t−1}: the forward chain is Markov";
    Check::new("forward_chain_is_markov", sentence, method, move |run| markovs(run, &f))
        .rejects(faults::JOINTS, markovs)
}

fn markovs(run: &Run, f: impl Fn(&Transition, f64) -> [[f64; 3]; 3]) -> Outcome {
    at_some_times(run, |schedule, t, [a, ..]| {
        is_markov(&f, &Point::new(schedule, t, 0.0, 0.0), log_uniform(a, 0.05, 5.0))
    })
}

fn is_markov(f: impl Fn(&Transition, f64) -> [[f64; 3]; 3], at: &Point, data_var: f64) -> Outcome {
    let got = f(&at.transition, data_var);
    let (beta, m, v) = at.parts();
    let root = (1.0 - beta).sqrt();
    let var_s = m * m * data_var + v;
    let want = [
        [data_var, m * data_var, m * root * data_var],
        [m * data_var, var_s, root * var_s],
        [m * root * data_var, root * var_s, (1.0 - beta) * var_s + beta],
    ];
    let rounding = (2.0 * at.steps() + 8.0) * f64::EPSILON;
    let tol = Tol::abs(rounding * (data_var + 1.0), "2t + 8 roundings in the recursion");
    let mut trial = Trial::new();
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        for (j, (&got, &want)) in got.iter().zip(want).enumerate() {
            trial.close("covariance", got, want, tol, || format!("{}, entry ({i}, {j})", at.place()))?;
        }
    }
    let partial = got[0][2] - got[0][1] * got[1][2] / got[1][1];
    trial.close("partial covariance given xs", partial, 0.0, tol, || at.place())?;
    Ok(trial.evidence())
}

/// The first, second, a middle and the last time of every schedule.
fn at_some_times(run: &Run, mut claim: impl FnMut(&Schedule, Timestep, [f64; 4]) -> Outcome) -> Outcome {
    let mut points = run.points::<4>().collect::<Vec<_>>().into_iter().cycle();
    run.over_schedules(|schedule| {
        let mut times = vec![1, 2, schedule.len().div_ceil(2), schedule.len()];
        times.retain(|t| *t <= schedule.len());
        times.dedup();
        let mut all = Evidence::none();
        for t in times {
            let u = points.next().expect("a run has at least one point, and they cycle");
            all = all.and(claim(schedule, Timestep::new(t), u)?);
        }
        Ok(all)
    })
}

/// [`at_some_times`] without t = 1, where the posterior is a point.
fn after_the_first(run: &Run, mut claim: impl FnMut(&Schedule, Timestep, [f64; 4]) -> Outcome) -> Outcome {
    at_some_times(run, |schedule, t, u| if t.get() == 1 { Ok(Evidence::none()) } else { claim(schedule, t, u) })
}

fn failure(what: &str, at: &str) -> Mismatch {
    Mismatch { what: what.into(), got: f64::NAN, want: 0.0, tol: Tol::exact(), at: at.into() }
}
