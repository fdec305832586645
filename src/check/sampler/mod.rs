//! Claims on samplers. A sampler is what builds a [`Plan`]; its output law on Gaussian data follows exactly from the
//! plan's coefficients ([`law`]) and is compared with what the βs say.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use crate::error::Result;
use crate::plan::{End, Noise, Plan, Prediction, Previous, Route, Step};
use crate::posterior::Moments;
use crate::schedule::{Betas, Schedule};

use super::witness::simulate::{Marginal, forward_marginals};
use super::{Mismatch, Outcome, Tol, Trial};

mod executed;
mod law;
mod options;
mod solver;
mod times;

pub use executed::{FiniteData, draws_follow_algorithm_2, lands_on_points};
pub use law::{Network, law};
pub use options::{clips_every_step, learned_variance_spans, unclipped};
pub use solver::{Mesh, converges, extrapolates_to_the_middle, flow_error};
pub use times::{
    clock_inverts_the_schedule, levels_equally_spaced, route_leads_on, spacing_is_its_formula, targets_are_the_times,
};

/// A way from noise to data through some of a schedule's times, with all levels by recursion on the βs.
#[derive(Clone, Debug)]
pub struct Journey {
    /// The schedule.
    pub schedule: Schedule,
    /// The visits.
    pub route: Route,
    /// Times in the order visited, and 0.
    times: Vec<usize>,
    /// `√ᾱ_t` and `1 − ᾱ_t` for t = 0 … T.
    levels: Vec<[f64; 2]>,
}

impl Journey {
    /// Through the times given, in decreasing order.
    ///
    /// # Errors
    /// As [`Route::new`].
    pub fn new(schedule: &Schedule, times: &[usize]) -> Result<Self> {
        let indices: Vec<usize> = times.iter().map(|t| t.saturating_sub(1)).collect();
        let route = Route::new(schedule, &indices, Previous::List, End::Data)?;
        let levels = forward_marginals(schedule.betas().as_slice()).into_iter().map(|at| [at.coefficient, at.var]);
        let times = times.iter().copied().chain([0]).collect();
        Ok(Self { schedule: schedule.clone(), route, times, levels: levels.collect() })
    }

    /// Through every time.
    ///
    /// # Panics
    /// Never: every time of a schedule is a route.
    #[must_use]
    pub fn every(schedule: &Schedule) -> Self {
        let times: Vec<usize> = (1..=schedule.len()).rev().collect();
        Self::new(schedule, &times).expect("decreasing times of the schedule")
    }

    /// The pairs (t, s) of the way.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.times.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Factor and variance of q(x_t | x_s), and `1 − ᾱ_s`, by recursion.
    fn kernel(&self, s: usize, t: usize) -> (f64, f64, f64) {
        let kernel = Marginal::through(&self.schedule.betas().as_slice()[s..t]);
        (kernel.coefficient, kernel.var, self.levels[s][1])
    }

    /// β̃ of q(x_s | x_t, x₀) as the inverse of summed precisions; 0 at s = 0.
    fn beta_tilde(&self, s: usize, t: usize) -> f64 {
        let (root, beta, noise) = self.kernel(s, t);
        if s == 0 { 0.0 } else { 1.0 / (root * root / beta + 1.0 / noise) }
    }

    /// Mean and variance of x_t for Gaussian data.
    fn marginal(&self, t: usize, data: Moments) -> Moments {
        let [signal, noise] = self.levels[t];
        Moments { mean: signal * data.mean, var: signal * signal * data.var + noise }
    }

    /// The optimal network for Gaussian data at a step of a plan: what it answers at the level of its timestep.
    pub fn network(&self, prediction: Prediction, data: Moments) -> impl Fn(&Step) -> Network + '_ {
        move |step| {
            let index = step.model_timestep.round() as usize;
            let [signal, noise] = self.levels[(index + 1).min(self.levels.len() - 1)];
            optimal_network(prediction, signal, noise, data)
        }
    }

    /// 2T + 32 roundings, of numbers that are up to √ᾱ_s/√ᾱ_t times the result (x̂₀ is a difference of such).
    fn rounding(&self) -> f64 {
        let ratio = |(t, s): (usize, usize)| self.levels[s][0] / self.levels[t][0];
        let condition = self.pairs().map(ratio).fold(1.0, f64::max);
        (32.0 + 2.0 * self.schedule.len() as f64) * f64::EPSILON * condition
    }
}

/// The optimal network for Gaussian data at level (√ᾱ, 1 − ᾱ), by linear regression on x_t.
///
/// ```text
/// E[ε | x] = σ (x − √ᾱ m)/V    E[x₀ | x] = m + √ᾱ s (x − √ᾱ m)/V    V = ᾱ s + σ²
/// ```
#[must_use]
pub fn optimal_network(prediction: Prediction, signal: f64, noise: f64, data: Moments) -> Network {
    let (sigma, total) = (noise.sqrt(), signal * signal * data.var + noise);
    let (gain, rest) = match prediction {
        Prediction::Epsilon => (sigma / total, 0.0),
        Prediction::X0 => (signal * data.var / total, data.mean),
        Prediction::V => (signal * sigma * (1.0 - data.var) / total, -sigma * data.mean),
        Prediction::Score => (-1.0 / total, 0.0),
    };
    Network { slope: gain, offset: rest - gain * signal * data.mean }
}

fn broken(what: &str, at: &str) -> Mismatch {
    let tol = Tol::exact();
    Mismatch {
        what: format!("{what}: no plan, or one whose law is not affine"),
        got: f64::NAN,
        want: 0.0,
        tol,
        at: at.into(),
    }
}

/// Compares the laws after every step.
fn follows(
    plan: Result<Plan>,
    start: Moments,
    network: impl Fn(&Step) -> Network,
    want: &[Moments],
    tol: Tol,
) -> Outcome {
    let plan = plan.map_err(|error| broken("sampler", &error.to_string()))?;
    let got = law(&plan, start, network).ok_or_else(|| broken("sampler", plan.name()))?;
    let mut trial = Trial::new();
    trial.close("number of steps", got.len() as f64, want.len() as f64, Tol::exact(), || plan.name().into())?;
    for (k, (got, want)) in got.iter().zip(want).enumerate() {
        let place = || format!("{}, step {k} of {}", plan.name(), plan.steps().len());
        trial.close("mean", got.mean, want.mean, tol, place)?;
        trial.close("variance", got.var, want.var, tol, place)?;
    }
    Ok(trial.evidence())
}

const STANDARD: Moments = Moments { mean: 0.0, var: 1.0 };

/// Variances an ancestral sampler may add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// β of the step made.
    Beta,
    /// β̃ of the step made.
    BetaTilde,
}

/// The law of an ancestral sampler after every step, started from N(0, 1), for Gaussian data and the optimal network.
///
/// ```text
/// mean ← m_s + A (mean − m_t)    var ← A² var + σ²    A = √α V_s/V_t (regression of x_s on x_t)    σ = 0 at the last
/// ```
///
/// Method: recursion on the βs, regression under the joint Gaussian. Ledger S3.76, S3.77, S3.79, S3.84, B12, A3.6.
///
/// # Errors
/// The mismatch found.
pub fn ancestral_law(
    sampler: impl Fn(&Schedule, &Route) -> Result<Plan>,
    journey: &Journey,
    prediction: Prediction,
    added: Added,
    data: Moments,
) -> Outcome {
    let want = ancestral_recursion(journey, added, data);
    let tol = Tol::new(journey.rounding(), journey.rounding(), "2T + 32 roundings times the largest √ᾱ_s/√ᾱ_t");
    follows(sampler(&journey.schedule, &journey.route), STANDARD, journey.network(prediction, data), &want, tol)
}

/// What [`ancestral_law`] compares with.
#[must_use]
// ANCHOR: ancestral_recursion
pub fn ancestral_recursion(journey: &Journey, added: Added, data: Moments) -> Vec<Moments> {
    let mut state = STANDARD;
    journey
        .pairs()
        .map(|(t, s)| {
            let (root, beta, _) = journey.kernel(s, t);
            let (at_s, at_t) = (journey.marginal(s, data), journey.marginal(t, data));
            let gain = root * at_s.var / at_t.var;
            let noise = match added {
                _ if s == 0 => 0.0,
                Added::Beta => beta,
                Added::BetaTilde => journey.beta_tilde(s, t),
            };
            let mean = at_s.mean + gain * (state.mean - at_t.mean);
            state = Moments { mean, var: gain * gain * state.var + noise };
            state
        })
        .collect()
}
// ANCHOR_END: ancestral_recursion

/// The law of deterministic DDIM after every step, for Gaussian data and the optimal network.
///
/// ```text
/// mean ← m_s + g (mean − m_t)    var ← g² var    g = (√ᾱ_s √ᾱ_t s + σ_s σ_t)/V_t
/// ```
///
/// Method: regression of √ᾱ_s x₀ + σ_s ε on x_t, levels by recursion. Ledger B11.
///
/// # Errors
/// The mismatch found.
pub fn ddim_law(
    sampler: impl Fn(&Schedule, &Route) -> Result<Plan>,
    journey: &Journey,
    prediction: Prediction,
    data: Moments,
) -> Outcome {
    let mut state = STANDARD;
    let next = |(t, s): (usize, usize)| {
        let ([a_s, v_s], [a_t, v_t]) = (journey.levels[s], journey.levels[t]);
        let gain = (a_s * a_t * data.var + (v_s * v_t).sqrt()) / journey.marginal(t, data).var;
        let mean = a_s * data.mean + gain * (state.mean - a_t * data.mean);
        state = Moments { mean, var: gain * gain * state.var };
        state
    };
    let want: Vec<Moments> = journey.pairs().map(next).collect();
    let tol = Tol::new(journey.rounding(), journey.rounding(), "2T + 32 roundings times the largest √ᾱ_s/√ᾱ_t");
    follows(sampler(&journey.schedule, &journey.route), STANDARD, journey.network(prediction, data), &want, tol)
}

/// A sampler that starts in q(x_T) and knows the exact reverse kernel visits every q(x_t) exactly.
///
/// Method: the forward recursion. Ledger S3.65, S3.76 (what is left otherwise is the bias of the start).
///
/// # Errors
/// The mismatch found.
pub fn visits_marginals(
    sampler: impl Fn(&Schedule, &Route) -> Result<Plan>,
    journey: &Journey,
    prediction: Prediction,
    data: Moments,
) -> Outcome {
    let want: Vec<Moments> = journey.pairs().map(|(_, s)| journey.marginal(s, data)).collect();
    let start = journey.marginal(journey.times[0], data);
    let tol = Tol::new(journey.rounding(), journey.rounding(), "2T + 32 roundings times the largest √ᾱ_s/√ᾱ_t");
    follows(sampler(&journey.schedule, &journey.route), start, journey.network(prediction, data), &want, tol)
}

/// Factors of x_t and of the network's output in the mean of a step without registers, and its standard deviation.
fn affine(step: &Step) -> [f64; 3] {
    let std = match step.noise {
        Noise::None => 0.0,
        Noise::Scaled { std } => std,
        Noise::Learned { .. } => f64::NAN,
    };
    [step.x + step.x0 * step.x0_from_x, step.out + step.x0 * step.x0_from_out, std]
}

/// Every step of an ε-sampler is line 4 of Algorithm 2, and the last adds no noise.
///
/// ```text
/// x_{t−1} = (x_t − β_t/√(1 − ᾱ_t) · out)/√α_t + σ_t z
/// ```
///
/// Method: levels by recursion on the βs. Ledger S3.64, S3.78.
///
/// # Errors
/// The mismatch found.
pub fn steps_are_algorithm_2(
    sampler: impl Fn(&Schedule, &Route) -> Result<Plan>,
    journey: &Journey,
    added: Added,
) -> Outcome {
    let plan = sampler(&journey.schedule, &journey.route).map_err(|error| broken("sampler", &error.to_string()))?;
    let mut trial = Trial::new();
    let tol = Tol::rel(journey.rounding(), "2T + 32 roundings times the largest √ᾱ_s/√ᾱ_t");
    for (step, (t, s)) in plan.steps().iter().zip(journey.pairs()) {
        let (root, beta, _) = journey.kernel(s, t);
        let [x, out, std] = affine(step);
        let place = || format!("t = {t}");
        let noise = match added {
            _ if s == 0 => 0.0,
            Added::Beta => beta,
            Added::BetaTilde => journey.beta_tilde(s, t),
        };
        trial.close("timestep told to the network", step.model_timestep, t as f64 - 1.0, Tol::exact(), place)?;
        trial.close("factor of x", x, 1.0 / root, tol, place)?;
        trial.close("factor of the output", out, -beta / (journey.levels[t][1].sqrt() * root), tol, place)?;
        trial.close("variance added", std * std, noise, tol, place)?;
    }
    Ok(trial.evidence())
}

/// What a DDIM step does to the joint law of (x₀, x_s, x_t): the marginal of x_s given x₀ is kept, the variance is
/// η²β̃, and x_s carries all that x_t says of x₀ only at η = 1.
///
/// ```text
/// Cov(x₀, x_t | x_s) = Cov(x₀, x_t) − Cov(x₀, x_s) Cov(x_s, x_t)/Var(x_s)     0 for η = 1, below 0 for η < 1
/// ```
///
/// Method: covariances of x_s = u x_t + w ε + σ z with the plan's u, w and σ; levels by recursion. Ledger S1.68, B16.
///
/// # Errors
/// The mismatch found.
// ANCHOR: keeps_marginals
pub fn keeps_marginals(
    sampler: impl Fn(&Schedule, &Route) -> Result<Plan>,
    journey: &Journey,
    eta: f64,
    data_var: f64,
) -> Outcome {
    let plan = sampler(&journey.schedule, &journey.route).map_err(|error| broken("sampler", &error.to_string()))?;
    let mut trial = Trial::new();
    let rounding = journey.rounding();
    let tol = Tol::new(rounding, rounding, "2T + 32 roundings times the largest √ᾱ_s/√ᾱ_t");
    for (step, (t, s)) in plan.steps().iter().zip(journey.pairs()) {
        let ([a_s, v_s], [a_t, v_t]) = (journey.levels[s], journey.levels[t]);
        let [x, out, std] = affine(step);
        let noise = x * v_t.sqrt() + out;
        let place = || format!("t = {t}, s = {s}, eta = {eta}");
        let scale = x.abs() * v_t.sqrt() + out.abs();
        let tol_noise = Tol::abs(rounding * (1.0 + scale * scale), "cancellation of x and out");
        trial.close("factor of x0", x * a_t, a_s, tol, place)?;
        trial.close("variance of x_s given x0", noise * noise + std * std, v_s, tol_noise, place)?;
        trial.close("variance added", std * std, eta * eta * journey.beta_tilde(s, t), tol, place)?;
        trial.at_most("−factor of the noise", -noise, 0.0, tol_noise, place)?;
        if s > 0 {
            let partial = partial_covariance([x * a_t, noise, std], [a_t, v_t.sqrt()], data_var);
            if eta >= 1.0 {
                let scale = a_t * data_var * (1.0 + scale);
                let tol = Tol::abs(rounding * (1.0 + scale) / v_s.min(1.0), "cancellation, over Var(x_s)");
                trial.close("Cov(x0, x_t | x_s)", partial, 0.0, tol, place)?;
            } else {
                trial.at_most("Cov(x0, x_t | x_s)", partial, 0.0, Tol::exact(), place)?;
            }
        }
    }
    Ok(trial.evidence())
}
// ANCHOR_END: keeps_marginals

/// Cov(x₀, x_t | x_s) for x_s = `s[0]` x₀ + `s[1]` ε + `s[2]` z and x_t = `t[0]` x₀ + `t[1]` ε.
#[must_use]
pub fn partial_covariance(s: [f64; 3], t: [f64; 2], data_var: f64) -> f64 {
    let var = s[0] * s[0] * data_var + s[1] * s[1] + s[2] * s[2];
    let between = s[0] * t[0] * data_var + s[1] * t[1];
    t[0] * data_var - s[0] * data_var * between / var
}

/// Factors of x₀, ε and z in x_s, for one step of a plan that takes x_t and the true ε.
///
/// `signal` and `noise` are √ᾱ_t and 1 − ᾱ_t.
#[must_use]
pub fn reparameterised(step: &Step, signal: f64, noise: f64) -> [f64; 3] {
    let [x, out, std] = affine(step);
    [x * signal, x * noise.sqrt() + out, std]
}

/// The mean of an ancestral step is an Euler step of the reverse SDE up to O(β²), with the level s fixed.
///
/// ```text
/// mean = x + ½β x + β s + O(β²)        (Langevin has ½β s)
/// ```
///
/// `mean` takes the βs of a chain, x_t and the score there. Method: signed order over five halvings. Ledger S3.66.
///
/// # Errors
/// The mismatch found.
pub fn is_reverse_sde_step(mean: impl Fn(&Schedule, f64, f64) -> f64, x: f64, score: f64) -> Outcome {
    let mut logs = [0.0; 6];
    for (k, log) in logs.iter_mut().enumerate() {
        let beta = 0.04 * 0.5f64.powi(k as i32);
        let betas = Betas::new(vec![0.5, beta]).map_err(|e| broken("βs", &e.to_string()))?;
        let residual = mean(&Schedule::new(betas), x, score) - (x + 0.5 * beta * x + beta * score);
        *log = residual.abs().log2();
    }
    let mut trial = Trial::new();
    let place = || format!("x = {x:.4}, score = {score:.4}");
    let tol = Tol::abs(0.1, "ledger: 2 ± 0.1");
    trial.close("order of the residual", -super::variance::slope(&logs), 2.0, tol, place)?;
    Ok(trial.evidence())
}
