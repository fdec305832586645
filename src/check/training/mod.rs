//! Claims on training: draws, gradients, unbiasedness, and the optimum they lead to.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

#[cfg(feature = "verify")]
use ndarray_rand::rand::{Rng, SeedableRng, rngs::StdRng};
#[cfg(feature = "verify")]
use ndarray_rand::rand_distr::StandardNormal;

use crate::error::{Error, Result};
use crate::posterior::Moments;
use crate::prediction::Prediction;
use crate::schedule::{Betas, Level, Schedule, Timestep};
use crate::training::{LinearOptimum, LinearTable, TimeDistribution};

use super::prediction::{Point, sweep};
use super::witness::simulate::forward_marginals;
use super::{Check, Method, Mismatch, Outcome, Run, Tol, Trial, log_uniform, uniform};

fn given<T>(what: &str, value: Result<T>) -> std::result::Result<T, Mismatch> {
    let refused = |error: Error| Mismatch {
        what: format!("{what}: {error}"),
        got: f64::NAN,
        want: 0.0,
        tol: Tol::exact(),
        at: "a valid input".into(),
    };
    value.map_err(refused)
}

/// E f(x₀, ε) over N(m, s) × N(0, 1) for f at most cubic: the four points ±√2 eⱼ.
fn expect(data: Moments, f: impl Fn(f64, f64) -> f64) -> f64 {
    let root = std::f64::consts::SQRT_2;
    let nodes = [(root, 0.0), (-root, 0.0), (0.0, root), (0.0, -root)];
    nodes.iter().map(|&(z, eps)| 0.25 * f(data.mean + data.var.sqrt() * z, eps)).sum()
}

/// Factor of x₀ and standard deviation of the noise at each time, from the βs.
fn moments(schedule: &Schedule) -> Vec<(f64, f64)> {
    let all = forward_marginals(schedule.betas().as_slice());
    all[1..].iter().map(|at| (at.coefficient, at.var.sqrt())).collect()
}

/// The gradient at one draw is the slope of its squared error in every parameter, and zero for all other times.
///
/// ```text
/// ∂/∂slope_t = 2 (output − target) x_t        ∂/∂offset_t = 2 (output − target)
/// ```
///
/// `f(table, prediction, t, level, x₀, ε)`. Method: central differences with step 1, exact for quadratics, of the loss
/// with x_t and the target from the definitions ([`Point::value`]).
/// Source: Ho et al. 2020, arXiv:2006.11239v2, algorithm 1, line 5.
///
/// ```
/// use alphabar::{check, training::LinearTable};
///
/// check::training::gradient(LinearTable::gradient).assert();
/// ```
pub fn gradient<'f>(
    f: impl Fn(&LinearTable, Prediction, Timestep, Level, f64, f64) -> Result<LinearTable> + 'f,
) -> Check<'f> {
    Check::new(
        "one_draw_trains_one_transition",
        "the gradient at a draw is the slope of its squared error, and zero for the parameters of all other times",
        Method::Numerical("central differences exact for quadratics, targets from the definitions"),
        move |run| gradients(run, &f),
    )
    .rejects(faults::GRADIENTS, gradients)
    .rejects(faults::GRADIENTS_ASTRAY, gradients)
}

fn gradients(
    run: &Run,
    f: impl Fn(&LinearTable, Prediction, Timestep, Level, f64, f64) -> Result<LinearTable>,
) -> Outcome {
    let schedule = Schedule::new(Betas::new(vec![0.02, 0.3, 0.1, 0.6]).expect("inside the valid range"));
    run.over(|[u, v, w, z]| {
        let t = Timestep::from_model_index((w * 4.0) as usize);
        let at = Point::new(&schedule, t, uniform(u, -2.0, 2.0), uniform(v, -2.0, 2.0));
        let table = (0..4).map(|i| [uniform(z, -1.0, 1.0), 0.3 * f64::from(i)]).collect();
        gradient_at(&f, &LinearTable(table), &at)
    })
}

fn gradient_at(
    f: impl Fn(&LinearTable, Prediction, Timestep, Level, f64, f64) -> Result<LinearTable>,
    table: &LinearTable,
    at: &Point,
) -> Outcome {
    let mut trial = Trial::new();
    for prediction in Prediction::ALL {
        let (xt, target) = (at.xt(), at.value(prediction));
        let loss = |table: &LinearTable| {
            let [slope, offset] = table.0[at.t.get() - 1];
            (slope * xt + offset - target).powi(2)
        };
        let got = given("gradient", f(table, prediction, at.t, at.step.t(), at.x0, at.eps))?;
        let scale = 4.0 + target * target + xt * xt * (1.0 + xt * xt);
        let tol = Tol::abs(4.0 * at.rounding() * scale, "4 (2t + 16) roundings of the squares");
        for i in 0..table.0.len() {
            for j in 0..2 {
                let moved = |step: f64| {
                    let mut table = table.clone();
                    table.0[i][j] += step;
                    loss(&table)
                };
                let want = (moved(1.0) - moved(-1.0)) / 2.0;
                let what = format!("gradient for {prediction:?} in parameter {j} of t = {}", i + 1);
                let value = got.0.get(i).map_or(f64::NAN, |pair| pair[j]);
                trial
                    .close(&what, value, want, if i + 1 == at.t.get() { tol } else { Tol::exact() }, || at.place())?;
            }
        }
    }
    Ok(trial.evidence())
}

/// The weighted loss at a drawn time averages to the mean over all times, and times are drawn with their probabilities.
///
/// ```text
/// Σ_t p_t w_t L_t = (1/T) Σ_t L_t
/// ```
///
/// `f` makes a distribution from shares. Method: enumeration of t for losses L_t = 1, t, t² and 1/t; the drawn
/// frequencies on a midpoint grid of the unit interval.
/// Source: Ho et al. 2020, arXiv:2006.11239v2, algorithm 1; Nichol & Dhariwal 2021, arXiv:2102.09672v1, eq. (18).
///
/// ```
/// use alphabar::{check, training::TimeDistribution};
///
/// check::training::unbiased(TimeDistribution::proportional).assert();
/// ```
pub fn unbiased<'f>(f: impl Fn(&[f64]) -> Result<TimeDistribution> + 'f) -> Check<'f> {
    Check::new(
        "time_sampling_is_unbiased",
        "the weighted loss at a drawn time averages to the mean of all terms, for any way of drawing",
        Method::Enumeration("all times; frequencies on a grid of the unit interval"),
        move |run| unbiasedly(run, &f),
    )
    .rejects(faults::SAMPLING, unbiasedly)
}

fn unbiasedly(run: &Run, f: impl Fn(&[f64]) -> Result<TimeDistribution>) -> Outcome {
    run.over(|[u, v]| unbiased_at(&f, &shares(u, v)))
}

/// Two to twelve positive numbers over four orders of magnitude.
fn shares(u: f64, v: f64) -> Vec<f64> {
    let count = 2 + (u * 11.0) as usize;
    (0..count).map(|k| log_uniform((v + 0.618_033_989 * k as f64).fract(), 0.01, 100.0)).collect()
}

fn unbiased_at(f: impl Fn(&[f64]) -> Result<TimeDistribution>, shares: &[f64]) -> Outcome {
    let times = given("distribution", f(shares))?;
    let steps = shares.len();
    let tol = Tol::roundings(8.0 + steps as f64, 1.0, "T + 8 roundings of positive terms");
    let mut trial = Trial::new();
    let place = || format!("T = {steps}");
    let losses: [fn(f64) -> f64; 4] = [|_| 1.0, |t| t, |t| t * t, |t| 1.0 / t];
    for loss in losses {
        let want = (1..=steps).map(|t| loss(t as f64)).sum::<f64>() / steps as f64;
        let terms = times.probabilities.iter().zip(&times.weights).zip(1..=steps);
        let got = terms.map(|((p, w), t)| p * w * loss(t as f64)).sum();
        trial.close("expected weighted loss", got, want, tol, place)?;
    }
    let total: f64 = shares.iter().sum();
    let grid = 4096;
    let mut counts = vec![0.0; steps];
    for k in 0..grid {
        let t = times.at((f64::from(k) + 0.5) / f64::from(grid)).get();
        if t == 0 || t > steps {
            trial.close("drawn time", t as f64, 1.0, Tol::exact(), place)?;
        }
        counts[t - 1] += 1.0 / f64::from(grid);
    }
    let tol = Tol::abs(2.0 / f64::from(grid), "one cell of the grid at either end");
    for (count, share) in counts.iter().zip(shares) {
        trial.close("part of the unit interval", *count, share / total, tol, place)?;
    }
    Ok(trial.evidence())
}

// ANCHOR: least_variance
/// Times drawn in proportion to √E(L_t²) give the unbiased estimator of least variance.
///
/// ```text
/// Σ E(L_t²)/(T² p_t) ≥ ((1/T) Σ √E(L_t²))²        equal for p_t ∝ √E(L_t²)
/// ```
///
/// `f` makes a distribution from the second moments. Method: the estimator's second moment by enumeration, against the
/// bound of Cauchy and Schwarz and against neighbours p(1 ± δ).
/// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, eq. (18).
///
/// ```
/// use alphabar::{check, training::TimeDistribution};
///
/// check::training::least_variance(TimeDistribution::loss_aware).assert();
/// ```
pub fn least_variance<'f>(f: impl Fn(&[f64]) -> Result<TimeDistribution> + 'f) -> Check<'f> {
    Check::new(
        "loss_aware_sampling_has_least_variance",
        "times drawn in proportion to √E[L²] give the estimator of least variance",
        Method::Enumeration("second moment over all times against Cauchy and Schwarz's bound and neighbours"),
        move |run| least_variances(run, &f),
    )
    .rejects(faults::LOSS_AWARE, least_variances)
}

fn least_variances(run: &Run, f: impl Fn(&[f64]) -> Result<TimeDistribution>) -> Outcome {
    run.over(|[u, v]| least_variance_at(&f, &shares(u, v)))
}

fn least_variance_at(f: impl Fn(&[f64]) -> Result<TimeDistribution>, second_moments: &[f64]) -> Outcome {
    let times = given("distribution", f(second_moments))?;
    let steps = second_moments.len() as f64;
    let second = |p: &[f64]| -> f64 {
        let total: f64 = p.iter().sum();
        second_moments.iter().zip(p).map(|(m, p)| m * total / (steps * steps * p)).sum()
    };
    let bound = (second_moments.iter().map(|m| m.sqrt()).sum::<f64>() / steps).powi(2);
    let tol = Tol::roundings(16.0 + 2.0 * steps, 1.0, "2T + 16 roundings of positive terms");
    let mut trial = Trial::new();
    let place = || format!("T = {steps}");
    let least = second(&times.probabilities);
    trial.close("second moment of the estimator", least, bound, tol, place)?;
    for i in 0..second_moments.len() {
        for factor in [0.9, 1.1] {
            let mut p = times.probabilities.clone();
            p[i] *= factor;
            trial.at_most("second moment, at most a neighbour's", least, second(&p), tol, place)?;
        }
    }
    Ok(trial.evidence())
}
// ANCHOR_END: least_variance

// ANCHOR: optimum
/// The best noise predictor on Gaussian data N(m, s) is affine, and its loss is the floor: `f(level, data)`.
///
/// ```text
/// E(ε − ε̂) = 0        E(ε − ε̂) x_t = 0        E(ε − ε̂)² = ᾱ s/(ᾱ s + 1 − ᾱ)
/// ```
///
/// Method: the normal equations and the loss by a rule exact for cubics, with the levels from the recursion; the mean
/// of the floor over t for N(0, 1), as computed elsewhere for the linear and the cosine schedule.
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (14), whose minimum it is.
///
/// ```
/// use alphabar::{check, training::linear_optimum};
///
/// check::training::optimum(linear_optimum).assert();
/// ```
pub fn optimum<'f>(f: impl Fn(Level, Moments) -> LinearOptimum + 'f) -> Check<'f> {
    Check::new(
        "noise_loss_floor",
        "the best noise predictor on Gaussian data is affine and leaves the loss ᾱ s/(ᾱ s + 1 − ᾱ)",
        Method::Enumeration("normal equations and loss by a rule exact for cubics; listed means over t"),
        move |run| optima(run, &f),
    )
    .rejects(faults::OPTIMA, optima)
}

fn optima(run: &Run, f: impl Fn(Level, Moments) -> LinearOptimum) -> Outcome {
    let pointwise = sweep(run, |at| {
        let data = Moments { mean: at.x0, var: 0.05 + at.eps * at.eps };
        optimum_at(&f, at, data)
    })?;
    Ok(pointwise.and(mean_floors(f)?))
}

fn optimum_at(f: impl Fn(Level, Moments) -> LinearOptimum, at: &Point, data: Moments) -> Outcome {
    let (m, std) = (at.now.0, at.now.1.sqrt());
    let LinearOptimum { slope, offset, floor } = f(at.step.t(), data);
    let xt = |x0: f64, eps: f64| m * x0 + std * eps;
    let miss = |x0: f64, eps: f64| eps - slope * xt(x0, eps) - offset;
    let scale = (1.0 + data.mean.abs() + data.var.sqrt()).powi(2);
    let scale = scale * (1.0 + slope.abs() + offset.abs()).powi(2);
    let tol = Tol::abs(at.rounding() * scale, "2t + 16 roundings of the summed squares");
    let place = || format!("{}, data N({}, {})", at.place(), data.mean, data.var);
    let mut trial = Trial::new();
    trial.close("E(eps - eps-hat)", expect(data, miss), 0.0, tol, place)?;
    trial.close("E(eps - eps-hat) xt", expect(data, |x0, eps| miss(x0, eps) * xt(x0, eps)), 0.0, tol, place)?;
    trial.close("E(eps - eps-hat)²", expect(data, |x0, eps| miss(x0, eps).powi(2)), floor, tol, place)?;
    Ok(trial.evidence())
}
// ANCHOR_END: optimum

/// The mean over t of the floor for N(0, 1) data, as listed for the linear and the cosine schedule.
fn mean_floors(f: impl Fn(Level, Moments) -> LinearOptimum) -> Outcome {
    let unit = Moments { mean: 0.0, var: 1.0 };
    let mut trial = Trial::new();
    for (name, schedule, want) in
        [("linear", Schedule::ddpm(), 0.275_513), ("cosine", Schedule::improved_ddpm(), 0.495_578)]
    {
        let sum: f64 = schedule.timesteps().map(|t| f(schedule.level(t), unit).floor).sum();
        trial.close("mean floor", sum / schedule.len() as f64, want, Tol::printed(6), || name.into())?;
    }
    Ok(trial.evidence())
}

/// A slope that all levels share minimises the weighted loss, so it depends on the weights: `f(levels, weights, data)`.
///
/// ```text
/// slope = argmin Σ_t w_t E(ε − slope·x_t)²
/// ```
///
/// Method: the loss at three slopes by a rule exact for cubics, the vertex of the parabola through them.
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (12), (14): the objective with weights, and without.
///
/// ```
/// use alphabar::{check, training::shared_slope};
///
/// check::training::shared_optimum(shared_slope).assert();
/// ```
pub fn shared_optimum<'f>(f: impl Fn(&[Level], &[f64], Moments) -> Result<f64> + 'f) -> Check<'f> {
    Check::new(
        "weights_matter_for_shared_parameters",
        "the weights leave each time's own optimum as it is and move the optimum of parameters shared by all times",
        Method::Enumeration("vertex of the weighted loss through three slopes"),
        move |run| shared(run, &f),
    )
    .rejects(faults::SHARED, shared)
}

fn shared(run: &Run, f: impl Fn(&[Level], &[f64], Moments) -> Result<f64>) -> Outcome {
    run.over(|[u, v]| {
        let weights = shares(u, v);
        let betas = weights.iter().map(|w| 0.05 + 0.5 * (w * 7.3).fract()).collect();
        let schedule = Schedule::new(Betas::new(betas).expect("inside the valid range"));
        shared_optimum_at(&f, &schedule, &weights, Moments { mean: uniform(v, -1.0, 1.0) + 0.1, var: u + 0.1 })
    })
}

fn shared_optimum_at(
    f: impl Fn(&[Level], &[f64], Moments) -> Result<f64>,
    schedule: &Schedule,
    weights: &[f64],
    data: Moments,
) -> Outcome {
    let levels: Vec<Level> = schedule.timesteps().map(|t| schedule.level(t)).collect();
    let states = moments(schedule);
    let loss = |slope: f64| -> f64 {
        let at = |&(m, std): &(f64, f64)| expect(data, |x0, eps| (eps - slope * (m * x0 + std * eps)).powi(2));
        states.iter().zip(weights).map(|(state, w)| w * at(state)).sum()
    };
    let (left, middle, right) = (loss(-1.0), loss(0.0), loss(1.0));
    let curvature = left - 2.0 * middle + right;
    let want = 0.5 * (left - right) / curvature;
    let rounding = (32.0 + 4.0 * schedule.len() as f64) * f64::EPSILON;
    let tol = Tol::abs(rounding * (left + right) / curvature, "4T + 32 roundings of the three losses");
    let mut trial = Trial::new();
    let got = given("slope", f(&levels, weights, data))?;
    trial.close("shared slope", got, want, tol, || format!("T = {}", schedule.len()))?;
    Ok(trial.evidence())
}

/// Each draw of algorithm 1 has a uniform time of its own and independent standard normal noise in every coordinate.
///
/// ```text
/// t ~ Uniform{1, …, T}        ε ~ N(0, I)
/// ```
///
/// `f(times, dims, uniform, normal)`. Method: Pearson's statistic of the times against its normal approximation, means,
/// variances, fourth moments and covariances of the noise (between coordinates, between successive draws, with the
/// time), each within 5 standard errors: a false failure in 1.7 million runs a number. The smallest effect that shows
/// is 5 standard errors of a covariance and may be at most 0.1.
/// Source: Ho et al. 2020, arXiv:2006.11239v2, algorithm 1, lines 3 and 4.
///
/// ```
/// use alphabar::{check, training::draw};
///
/// check::training::draws(draw).assert();
/// ```
#[cfg(feature = "verify")]
pub fn draws<'f>(
    f: impl Fn(&TimeDistribution, usize, &mut dyn FnMut() -> f64, &mut dyn FnMut() -> f64) -> (Timestep, Vec<f64>) + 'f,
) -> Check<'f> {
    Check::new(
        "draws_are_uniform_in_time_and_isotropic",
        "each sample gets its own uniform time and independent standard normal noise in every coordinate",
        Method::Statistics("chi-square of 40000 times, moments and covariances within 5 standard errors"),
        move |run| drawn(run, &f),
    )
    .rejects(faults::DRAWS, drawn)
}

#[cfg(feature = "verify")]
fn drawn(
    run: &Run,
    f: impl Fn(&TimeDistribution, usize, &mut dyn FnMut() -> f64, &mut dyn FnMut() -> f64) -> (Timestep, Vec<f64>),
) -> Outcome {
    draws_at(&draw_many(run, f), 10)
}

#[cfg(feature = "verify")]
fn draw_many(
    run: &Run,
    f: impl Fn(&TimeDistribution, usize, &mut dyn FnMut() -> f64, &mut dyn FnMut() -> f64) -> (Timestep, Vec<f64>),
) -> Vec<(Timestep, Vec<f64>)> {
    let times = TimeDistribution::uniform(10).expect("ten times");
    let mut first = StdRng::seed_from_u64(run.seed);
    let mut second = StdRng::seed_from_u64(run.seed ^ 0x5851_F42D_4C95_7F2D);
    (0..40_000).map(|_| f(&times, 3, &mut || first.random(), &mut || second.sample(StandardNormal))).collect()
}

#[cfg(feature = "verify")]
fn draws_at(all: &[(Timestep, Vec<f64>)], steps: usize) -> Outcome {
    let n = all.len() as f64;
    let mut trial = Trial::new();
    let place = || format!("{} draws, T = {steps}", all.len());
    let error = 1.0 / n.sqrt();
    trial.at_most("smallest effect that shows", 5.0 * error, 0.1, Tol::exact(), place)?;
    let mut counts = vec![0.0; steps];
    for (t, _) in all {
        match t.get().checked_sub(1).and_then(|i| counts.get_mut(i)) {
            Some(count) => *count += 1.0,
            None => trial.close("drawn time", t.get() as f64, 1.0, Tol::exact(), place)?,
        }
    }
    let expected = n / steps as f64;
    let freedom = steps as f64 - 1.0;
    let pearson: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
    let tol = Tol::abs(6.0 * (2.0 * freedom).sqrt(), "6 standard deviations of chi-square, p < 1e-6");
    trial.close("chi-square of the times", pearson, freedom, tol, place)?;

    let dims = all[0].1.len();
    let time =
        |t: &Timestep| (t.get() as f64 - (steps as f64 + 1.0) / 2.0) * (12.0 / (steps * steps - 1) as f64).sqrt();
    let average = |f: &dyn Fn(usize) -> f64| (0..all.len()).map(f).sum::<f64>() / n;
    let eps = |k: usize, j: usize| all[k].1[j];
    let next = |k: usize| (k + 1) % all.len();
    for j in 0..dims {
        let checks: [(&str, f64, f64, f64); 5] = [
            ("mean of the noise", average(&|k| eps(k, j)), 0.0, 1.0),
            ("variance of the noise", average(&|k| eps(k, j).powi(2)), 1.0, 2f64.sqrt()),
            ("fourth moment of the noise", average(&|k| eps(k, j).powi(4)), 3.0, 96f64.sqrt()),
            ("covariance of noise and time", average(&|k| eps(k, j) * time(&all[k].0)), 0.0, 1.0),
            ("covariance of successive times", average(&|k| time(&all[k].0) * time(&all[next(k)].0)), 0.0, 1.0),
        ];
        for (what, got, want, spread) in checks {
            trial.close(what, got, want, Tol::abs(5.0 * spread * error, "5 standard errors"), place)?;
        }
        for i in 0..j {
            let tol = Tol::abs(5.0 * error, "5 standard errors");
            let got = average(&|k| eps(k, i) * eps(k, j));
            trial.close("covariance of two coordinates", got, 0.0, tol, place)?;
        }
    }
    Ok(trial.evidence())
}

/// Stochastic gradient steps on single draws, averaged, lead to the least-squares noise predictor of every time.
///
/// ```text
/// table ← table − rate·gradient        E table → (σ_t, −σ_t m_t mean)/(m_t² var + σ_t²)
/// ```
///
/// `f(table, prediction, t, level, x₀, ε)` is the gradient; a constant step moves the table and the second half of each
/// run is averaged. For this linear model the averaged iterate has no bias once the start is forgotten. Method: the
/// optimum from the normal equations in the recursion's moments; 5 standard errors over 32 runs.
/// Source: Ho et al. 2020, arXiv:2006.11239v2, algorithm 1.
///
/// ```
/// use alphabar::{check, training::LinearTable};
///
/// check::training::descent(LinearTable::gradient).assert();
/// ```
#[cfg(feature = "verify")]
pub fn descent<'f>(
    f: impl Fn(&LinearTable, Prediction, Timestep, Level, f64, f64) -> Result<LinearTable> + 'f,
) -> Check<'f> {
    Check::new(
        "descent_reaches_the_least_squares_optimum",
        "stochastic gradient descent on single draws leads a linear model to ε* at every time",
        Method::Statistics("32 runs of 4000 draws, 5 standard errors, optimum from the normal equations"),
        move |run| descended(run, &f),
    )
    .rejects(faults::GRADIENTS_ASTRAY, descended)
}

#[cfg(feature = "verify")]
fn descended(
    run: &Run,
    f: impl Fn(&LinearTable, Prediction, Timestep, Level, f64, f64) -> Result<LinearTable>,
) -> Outcome {
    let schedule = Schedule::new(Betas::new(vec![0.4, 0.5]).expect("inside the valid range"));
    let times = TimeDistribution::uniform(2).expect("two times");
    let data = Moments { mean: 0.5, var: 0.25 };
    let mut rng = StdRng::seed_from_u64(run.seed);
    let mut one = || {
        let z: f64 = rng.sample(StandardNormal);
        let t = times.at(rng.random());
        (data.mean + data.var.sqrt() * z, t, rng.sample(StandardNormal))
    };
    let runs: Vec<Vec<_>> = (0..32).map(|_| (0..4000).map(|_| one()).collect()).collect();
    descent_at(f, &schedule, data, &runs, 0.02)
}

#[cfg(feature = "verify")]
fn descent_at(
    f: impl Fn(&LinearTable, Prediction, Timestep, Level, f64, f64) -> Result<LinearTable>,
    schedule: &Schedule,
    data: Moments,
    runs: &[Vec<(f64, Timestep, f64)>],
    rate: f64,
) -> Outcome {
    let steps = schedule.len();
    let mut ends: Vec<LinearTable> = Vec::new();
    for run in runs {
        let mut table = LinearTable(vec![[0.0, 0.0]; steps]);
        let mut sum = vec![[0.0, 0.0]; steps];
        let half = run.len() / 2;
        for (k, &(x0, t, eps)) in run.iter().enumerate() {
            let slope = given("gradient", f(&table, Prediction::Epsilon, t, schedule.level(t), x0, eps))?;
            for ((entry, by), sum) in table.0.iter_mut().zip(&slope.0).zip(&mut sum) {
                for j in 0..2 {
                    entry[j] -= rate * by[j];
                    sum[j] += if k >= half { entry[j] / (run.len() - half) as f64 } else { 0.0 };
                }
            }
        }
        ends.push(LinearTable(sum));
    }
    let n = ends.len() as f64;
    let mut trial = Trial::new();
    for (i, (m, std)) in moments(schedule).into_iter().enumerate() {
        // Cov(ε, x_t)/Var(x_t), and the offset that makes the mean error vanish.
        let slope = std / (m * m * data.var + std * std);
        for (j, want) in [slope, -slope * m * data.mean].into_iter().enumerate() {
            let mean = ends.iter().map(|end| end.0[i][j]).sum::<f64>() / n;
            let square: f64 = ends.iter().map(|end| (end.0[i][j] - mean).powi(2)).sum();
            let error = (square / (n * (n - 1.0))).sqrt();
            let place = || format!("parameter {j} of t = {}, {} runs", i + 1, ends.len());
            trial.at_most("smallest effect that shows", 5.0 * error, 0.1, Tol::exact(), place)?;
            trial.close("end of the descent", mean, want, Tol::abs(5.0 * error, "5 standard errors"), place)?;
        }
    }
    Ok(trial.evidence())
}
