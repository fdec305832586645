//! Claims on the bound in terms of the signal-to-noise ratio.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use crate::exact::{Mixture1, Noising};
use crate::schedule::{Schedule, Timestep};
use crate::vdm::LogSnrRange;

use super::score::slope;
use super::witness::{quadrature::gauss_legendre, simulate::Marginal};
use super::{Check, Method, Mismatch, Outcome, Run, Tol, Trial, log_uniform};

// ANCHOR: step_cost
/// `f(schedule, t, error)` is the KL term of the bound at t ≥ 2 for squared error `error` in x₀.
///
/// ```text
/// KL(q(x_{t−1} | x_t, x₀) ‖ q(x_{t−1} | x_t, x̂₀)) = ½ (SNR_{t−1} − SNR_t) ‖x₀ − x̂₀‖²
/// ```
///
/// Method: both posteriors in information form from the βs alone, the KL of two Gaussians of one variance. Source:
/// Kingma et al. 2021, arXiv:2107.00630, eqs. (13), (14).
///
/// ```
/// use alphabar::{Schedule, Timestep, check, vdm};
///
/// let mine = |schedule: &Schedule, t: Timestep, error: f64| {
///     let step = schedule.step(t);
///     vdm::step_cost(step.s(), step.t(), error)
/// };
/// check::vdm::step_cost(mine).assert();
/// ```
pub fn step_cost<'f>(f: impl Fn(&Schedule, Timestep, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::OtherPremises("two posteriors in information form, KL of equal variances");
    let sentence = "a KL term of the bound is ½ (SNR_{t−1} − SNR_t) ‖x₀ − x̂₀‖²";
    Check::new("kl_term_is_a_drop_of_snr", sentence, method, move |run| costs(run, &f)).rejects(faults::COSTS, costs)
}

fn costs(run: &Run, f: impl Fn(&Schedule, Timestep, f64) -> f64) -> Outcome {
    let errors: Vec<f64> = run.points::<1>().map(|[u]| log_uniform(u, 1e-3, 4.0)).collect();
    let run = run.at_most(24);
    let mut all = Trial::new();
    for case in run.schedules().iter().filter(|case| case.schedule.len() > 1) {
        for (t, error) in case.schedule.timesteps().skip(1).zip(errors.iter().cycle()) {
            let named = |mismatch: Mismatch| Mismatch { at: format!("{}, {}", case.name, mismatch.at), ..mismatch };
            all.include(cost_at(&f, &case.schedule, t, *error).map_err(named)?);
        }
    }
    Ok(all.evidence())
}

fn cost_at(f: impl Fn(&Schedule, Timestep, f64) -> f64, schedule: &Schedule, t: Timestep, error: f64) -> Outcome {
    let betas = &schedule.betas().as_slice()[..t.get()];
    let (&beta, earlier) = betas.split_last().unwrap_or((&1.0, &[]));
    let Marginal { coefficient: m, var: v } = Marginal::through(earlier);
    let precision = (1.0 - beta) / beta + 1.0 / v;
    let shift = m / v / precision;
    let want = 0.5 * precision * shift * shift * error;
    let rounding = (40.0 + 4.0 * betas.len() as f64) * f64::EPSILON;
    // SNR_s − SNR_t from its logarithms loses |λ| ε.
    let tol = Tol::rel(rounding + 64.0 * f64::EPSILON / beta, "4t roundings, and λ ε relative to a step of β");
    let mut trial = Trial::new();
    trial.close("KL term", f(schedule, t, error), want, tol, || format!("t = {}, error = {error:.3e}", t.get()))?;
    Ok(trial.evidence())
}
// ANCHOR_END: step_cost

/// `f(mmse)` is the derivative of the information in the signal-to-noise ratio.
///
/// ```text
/// d/dsnr I(x₀; √snr x₀ + z) = ½ mmse(snr)
/// ```
///
/// Method: differences of the mutual information of y = √snr x + z. Source: Guo, Shamai & Verdú 2005, theorem 1.
///
/// ```
/// use alphabar::{check, vdm};
///
/// check::vdm::information_rate(vdm::information_rate).assert();
/// ```
pub fn information_rate<'f>(f: impl Fn(f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("differences of mutual informations from entropies");
    let sentence = "dI(x₀; √snr x₀ + z)/dsnr = ½ mmse(snr)";
    Check::new("information_rises_at_half_the_mmse", sentence, method, move |run| information(run, &f))
        .rejects(faults::INFORMATION_RATES, information)
}

fn information(run: &Run, f: impl Fn(f64) -> f64) -> Outcome {
    let data = Mixture1::reference();
    run.at_most(12).over::<1>(|[u]| {
        let snr = log_uniform(u, 0.05, 20.0);
        let at = |snr: f64| Noising::new(snr.sqrt(), 1.0).unwrap_or(Noising::NONE);
        let rise = slope(|log| data.mutual_information(at(log.exp())), snr.ln()) / snr;
        let mut trial = Trial::new();
        let tol = Tol::new(1e-11, 1e-11, "extrapolated differences of entropies");
        trial.close("dI/dsnr", f(data.mmse(at(snr))), rise, tol, || format!("snr = {snr:.4}"))?;
        Ok(trial.evidence())
    })
}

/// The continuous bound `∫₀¹ rate(λ, mmse) (−dλ/du) du` along λ = `path(u)`, by the 96-point Gauss–Legendre rule.
///
/// The slope of the path is taken by extrapolated differences. Accuracy: 1e-12 for paths that are polynomials and
/// end points within a dozen of 0.
#[must_use]
pub fn continuous_bound(rate: impl Fn(f64, f64) -> f64, path: impl Fn(f64) -> f64, data: &Mixture1) -> f64 {
    let rule = gauss_legendre(96, 0.0, 1.0).unwrap_or_else(|error| unreachable!("a rule of valid size: {error}"));
    rule.sum(|u| {
        let log_snr = path(u);
        let level = Noising::from_log_snr(log_snr).unwrap_or(Noising::NONE);
        -rate(log_snr, data.mmse(level)) * slope(&path, u)
    })
}

/// Two paths between the same end points give one bound: the information that noise takes away, I(high) − I(low).
///
/// ```text
/// ∫₀¹ rate(λ, mmse) (−dλ/du) du = I(λ_high) − I(λ_low)        rate = ½ e^λ mmse
/// ```
///
/// A straight path from ln SNR 8 to −6 and a bent one. Method: mutual information of the end points by averages over the
/// mixture. Source: Kingma et al. 2021, arXiv:2107.00630, eq. (18).
///
/// ```
/// use alphabar::{check, vdm::continuous_rate};
///
/// check::vdm::schedule_invariance(continuous_rate).assert();
/// ```
pub fn schedule_invariance<'f>(rate: impl Fn(f64, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("Gauss–Legendre against mutual informations");
    let sentence = "∫ ½ e^λ mmse (−dλ) is the information lost between the end points, whatever path λ takes";
    Check::new("continuous_bound_knows_only_its_end_points", sentence, method, move |run| paths(run, &rate))
        .rejects(faults::RATES, paths)
}

fn paths(_: &Run, rate: impl Fn(f64, f64) -> f64) -> Outcome {
    let data = Mixture1::reference();
    let range = range();
    let paths: [&dyn Fn(f64) -> f64; 2] = [&|u| range.linear(u), &|u| range.smooth(u)];
    let information = |log_snr: f64| {
        let level = Noising::from_log_snr(log_snr).unwrap_or(Noising::NONE);
        data.mutual_information(level)
    };
    let want = information(paths[0](0.0)) - information(paths[0](1.0));
    let tol = Tol::abs(1e-12, "differences of the path, quadrature");
    let mut trial = Trial::new();
    for (k, path) in paths.iter().enumerate() {
        let got = continuous_bound(&rate, path, &data);
        trial.close("continuous bound", got, want, tol, || format!("path {k}"))?;
    }
    Ok(trial.evidence())
}

fn range() -> LogSnrRange {
    LogSnrRange::new(8.0, -6.0).unwrap_or_else(|error| unreachable!("constants inside the valid range: {error}"))
}

/// Gaps at T = 25 … 400 to five decimals, by an independent summation.
const GAPS: [f64; 5] = [3.508_53, 1.479_41, 0.682_41, 0.328_09, 0.160_91];

/// The gap to the entropy at T = 25, 50, …, 400 has its known value and falls like 1/T.
///
/// ```text
/// L_T + Σ_t cost(λ_s, λ_t, mmse_t) + L_0 − h(x₀) = O(1/T)        T steps uniform in λ = ln SNR from 12 to −12
/// ```
///
/// `cost(λ_s, λ_t, error)` is one term of the bound, the denoiser is the optimal one. Method: averages over the mixture;
/// the order from the last doubling of T. Source: Kingma et al. 2021, arXiv:2107.00630, eq. (14) and
/// sect. 4.1.
///
/// ```
/// use alphabar::{Level, check, vdm};
///
/// let level = |log_snr: f64| Level::from_log_snr(log_snr).unwrap();
/// check::vdm::refinement(|s, t, error| vdm::step_cost(level(s), level(t), error)).assert();
/// ```
pub fn refinement<'f>(cost: impl Fn(f64, f64, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("averages over the mixture at T = 25 … 400, observed order");
    let sentence = "with the optimal denoiser the bound exceeds the entropy by O(1/T)";
    Check::new("bound_falls_to_the_entropy_like_one_over_steps", sentence, method, move |run| gaps(run, &cost))
        .rejects(faults::STEP_COSTS, gaps)
}

fn gaps(_: &Run, cost: impl Fn(f64, f64, f64) -> f64) -> Outcome {
    let mut trial = Trial::new();
    let (mut before, mut last) = (f64::NAN, f64::NAN);
    for (k, want) in GAPS.into_iter().enumerate() {
        let got = discrete_gap(&cost, &Mixture1::reference(), 12.0, -12.0, 25 << k);
        trial.close("gap", got, want, Tol::printed(5), || format!("T = {}", 25 << k))?;
        (before, last) = (last, got);
    }
    trial.close("ratio", before / last, 2.0, Tol::abs(0.05, "O(1/T)"), || "T = 200 to 400".into())?;
    Ok(trial.evidence())
}

/// The discrete bound with the optimal denoiser, minus the entropy it tends to: T steps uniform in log-SNR.
///
/// `cost(s, t, error)` is one term. The decoder is the exact p(x₀ | z₀), the prior term is exact.
#[must_use]
pub fn discrete_gap(cost: impl Fn(f64, f64, f64) -> f64, data: &Mixture1, high: f64, low: f64, steps: u32) -> f64 {
    let log_snr = |k: u32| high + (low - high) * f64::from(k) / f64::from(steps);
    let level = |log_snr: f64| Noising::from_log_snr(log_snr).unwrap_or(Noising::NONE);
    let terms: f64 = (1..=steps)
        .map(|k| {
            let (s, t) = (log_snr(k - 1), log_snr(k));
            cost(s, t, data.mmse(level(t)))
        })
        .sum();
    // h(x₀ | z₀) = h(x₀) − I(x₀; z₀); the prior costs E KL(q(z_T | x₀) ‖ N(0, 1)).
    let last = level(log_snr(steps));
    let second_moment = data.var() + data.mean().powi(2);
    let kept = last.signal().powi(2);
    let prior = 0.5 * (kept * second_moment + last.noise_var() - 1.0 - last.noise_var().ln());
    prior + terms - data.mutual_information(level(log_snr(0)))
}
