//! Claims on training: draws, gradients, unbiasedness, and the optimum they lead to.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use crate::check::prediction::Point;
use crate::error::{Error, Result};
use crate::posterior::Moments;
use crate::prediction::Prediction;
use crate::schedule::{Level, Schedule, Timestep};
use crate::training::{LinearOptimum, LinearTable, TimeDistribution};

use super::witness::simulate::forward_marginals;
use super::{Mismatch, Outcome, Tol, Trial};

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

/// The gradient at one draw is the slope of the squared error in every parameter, and zero for all other times.
///
/// Method: central differences with step 1, exact for quadratics, of the loss with x_t and the target from the
/// definitions ([`Point::value`]). Ledger S3.75, S3.81.
///
/// # Errors
/// The mismatch found.
pub fn gradient_is_slope(
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
/// `f` makes a distribution from shares. Method: enumeration of t for losses L_t = 1, t, t² and 1/t; the drawn
/// frequencies on a midpoint grid of the unit interval. Ledger S1.53, S2.37, S3.82.
///
/// # Errors
/// The mismatch found.
pub fn unbiased(f: impl Fn(&[f64]) -> Result<TimeDistribution>, shares: &[f64]) -> Outcome {
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
/// Method: the estimator's second moment Σ E(L²)/(T² p) by enumeration, against the bound (mean √E(L²))² of
/// Cauchy and Schwarz and against neighbours p(1 ± δ). Ledger S2.37.
///
/// # Errors
/// The mismatch found.
pub fn least_variance(f: impl Fn(&[f64]) -> Result<TimeDistribution>, second_moments: &[f64]) -> Outcome {
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
/// The affine noise predictor is the least-squares one, and its loss is the floor.
///
/// Method: the normal equations E(ε − ε̂) = 0 and E(ε − ε̂) x_t = 0 and the loss by a rule exact for cubics, with
/// the levels from the recursion. Ledger S2.36, S3.75, B23.
///
/// # Errors
/// The mismatch found.
pub fn optimum(f: impl Fn(Level, Moments) -> LinearOptimum, at: &Point, data: Moments) -> Outcome {
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
///
/// Method: numbers computed elsewhere. B23.
///
/// # Errors
/// The mismatch found.
pub fn mean_floors(f: impl Fn(Level, Moments) -> LinearOptimum) -> Outcome {
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

/// The shared slope minimises the weighted loss over all levels.
///
/// Method: the loss at three slopes by a rule exact for cubics, the vertex of the parabola through them. Ledger S2.30,
/// A1.4, A2.2.
///
/// # Errors
/// The mismatch found.
pub fn shared_optimum(
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

/// Draws of algorithm 1 have uniform times and independent standard normal noise in every coordinate.
///
/// Method: Pearson's statistic of the times against its normal approximation, means, variances, fourth moments and
/// covariances of the noise (between coordinates, between successive draws, with the time), each within 5 standard
/// errors: a false failure in 1.7 million runs a number. The smallest effect that shows is 5 standard errors of a
/// covariance and may be at most 0.1. Ledger S2.38, S3.74.
///
/// # Errors
/// The mismatch found.
pub fn draws(all: &[(Timestep, Vec<f64>)], steps: usize) -> Outcome {
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

/// Stochastic gradient steps, averaged, lead to the least-squares noise predictor of every time.
///
/// `draws` yields one run's (x₀, t, ε); a constant step of `rate` moves the table, the second half of each run is
/// averaged. For this linear model the averaged iterate has no bias once the start is forgotten. Method: the optimum
/// from the normal equations in the recursion's moments; 5 standard errors over the runs. Ledger S3.75.
///
/// # Errors
/// The mismatch found.
pub fn descent(
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
