//! Claims on what the executor returns: draws of a step, samples of finitely many points.

use super::Journey;
use crate::check::witness::simulate::Marginal;
use crate::check::{Outcome, Tol, Trial};
use crate::schedule::{Schedule, Timestep};

/// Draws of one step at x_t with a network that answers `out` have the mean and variance of Algorithm 2, t = 2.
///
/// Statistics: 5 standard errors of each of two moments, so a right sampler fails once in 9·10⁵ seeds; a mean off by
/// 10 standard errors, `10 σ/√n`, or a variance off by `10 σ² √(2/n)`, is missed as rarely. The latter is asserted
/// to be under half of σ², so that β̃ for β or a std for a variance shows. Ledger S3.64.
///
/// # Errors
/// The mismatch found.
pub fn draws_follow_algorithm_2(draws: &[f64], journey: &Journey, xt: f64, out: f64) -> Outcome {
    let (root, beta, _) = journey.kernel(1, 2);
    let mean = (xt - beta / journey.levels[2][1].sqrt() * out) / root;
    let n = draws.len() as f64;
    let got_mean = draws.iter().sum::<f64>() / n;
    let got_var = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let mut trial = Trial::new();
    let place = || format!("{n} draws at t = 2");
    let smallest = 10.0 * (2.0 / n).sqrt();
    trial.at_most("smallest detectable change of the variance", smallest, 0.5, Tol::exact(), place)?;
    trial.close("mean", got_mean, mean, Tol::abs(5.0 * (beta / n).sqrt(), "5 standard errors"), place)?;
    trial.close("variance", got_var, beta, Tol::rel(5.0 * (2.0 / n).sqrt(), "5 standard errors"), place)?;
    Ok(trial.evidence())
}

/// Every sample of a sampler run on finitely many points ends in one of them.
///
/// `samples` are what the sampler returned with the optimal denoiser of `points`. Ledger S3.79, S3.78.
///
/// # Errors
/// The mismatch found.
pub fn lands_on_points(samples: &[f64], points: &[f64], tol: Tol) -> Outcome {
    let mut trial = Trial::new();
    for (k, sample) in samples.iter().enumerate() {
        let nearest = points.iter().copied().min_by(|a, b| (a - sample).abs().total_cmp(&(b - sample).abs()));
        trial.close("sample", *sample, nearest.unwrap_or(f64::NAN), tol, || format!("sample {k}"))?;
    }
    let reached = points.iter().filter(|p| samples.iter().any(|s| (*s - *p).abs() < 0.1)).count();
    trial.close("points reached", reached as f64, points.len() as f64, Tol::exact(), || "all samples".into())?;
    Ok(trial.evidence())
}

/// The optimal network for finitely many equally likely points at one time, level by recursion on the βs.
#[derive(Clone, Debug)]
pub struct FiniteData<'a> {
    points: &'a [f64],
    signal: f64,
    noise: f64,
}

impl<'a> FiniteData<'a> {
    /// At time t of a schedule.
    #[must_use]
    pub fn new(schedule: &Schedule, t: Timestep, points: &'a [f64]) -> Self {
        let at = Marginal::through(&schedule.betas().as_slice()[..t.get()]);
        Self { points, signal: at.coefficient, noise: at.var }
    }

    /// E[ε | x_t]: the softmax of squared distances averages the points.
    #[must_use]
    pub fn epsilon(&self, xt: f64) -> f64 {
        let exponent = |x: f64| -(xt - self.signal * x).powi(2) / (2.0 * self.noise);
        let largest = self.points.iter().copied().map(exponent).fold(f64::NEG_INFINITY, f64::max);
        let (total, mean) = self.points.iter().fold((0.0, 0.0), |(total, mean), &x| {
            let w = (exponent(x) - largest).exp();
            (total + w, mean + w * x)
        });
        (xt - self.signal * mean / total) / self.noise.sqrt()
    }
}
