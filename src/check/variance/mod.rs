//! Claims on the reverse variance: optimal, bounded, learned, and what a wrong choice costs.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::PI;

use crate::error::Result;
use crate::posterior::Moments;
use crate::schedule::{Schedule, Timestep, Transition};
use crate::variance::{Bounds, LearnedRange, Spread};

use super::witness::simulate::Marginal;
use super::{Outcome, Tol, Trial};

mod world;

pub use world::{Averages, Data, Given, Reverse};

/// Where a claim is tried: the last transition of a chain of βs.
#[derive(Clone, Debug)]
pub struct Point {
    betas: Vec<f64>,
    step: Transition,
}

impl Point {
    /// The transition t − 1 → t of a schedule.
    ///
    /// # Panics
    /// If t is not one of 1 … T.
    #[must_use]
    pub fn new(schedule: &Schedule, t: Timestep) -> Self {
        Self { betas: schedule.betas().as_slice()[..t.get()].to_vec(), step: schedule.step(t) }
    }

    /// Variance of x_{t−1} given x_t for Gaussian data: the Schur complement of their joint covariance.
    ///
    /// ```text
    /// V ← (1 − β) V + β up to t − 1        V − (√α V)²/(α V + β) = V β/(α V + β)
    /// ```
    #[must_use]
    // ANCHOR: schur_complement
    pub fn schur_complement(&self, data_var: f64) -> f64 {
        let (&beta, earlier) = self.betas.split_last().expect("a point has t ≥ 1");
        let var = earlier.iter().fold(data_var, |v, b| (1.0 - b) * v + b);
        var * beta / ((1.0 - beta) * var + beta)
    }
    // ANCHOR_END: schur_complement

    fn rounding(&self) -> f64 {
        (8.0 + 2.0 * self.betas.len() as f64) * f64::EPSILON
    }

    fn tol(&self) -> Tol {
        let beta = self.step.beta();
        let abs = 4.0 * f64::EPSILON * beta / self.step.alpha();
        Tol::new(abs, self.rounding(), "2t + 8 roundings in the recursion, a difference on the scale of β")
    }

    fn place(&self) -> String {
        format!("t = {}", self.betas.len())
    }
}

/// For Gaussian data of variance v the reverse variance is the Schur complement of (x_{t−1}, x_t).
///
/// Method: recursion on the βs. Ledger S2.25, S3.48–S3.50, A3.1.
///
/// # Errors
/// The mismatch found.
pub fn equals_schur_complement(f: impl Fn(&Transition, f64) -> Result<f64>, at: &Point, data_var: f64) -> Outcome {
    let mut trial = Trial::new();
    let got = f(&at.step, data_var).unwrap_or(f64::NAN);
    let place = || format!("{}, data variance {data_var:.4}", at.place());
    trial.close("reverse variance", got, at.schur_complement(data_var), at.tol(), place)?;
    Ok(trial.evidence())
}

/// Bounds for data of unit variance are attained: the lower by a single point, the upper by N(0, 1), and they are
/// apart unless ᾱ_{t−1} is below rounding.
///
/// Method: recursion on the βs. Ledger S3.48, S3.51.
///
/// # Errors
/// The mismatch found.
pub fn bounds_are_attained(f: impl Fn(&Transition) -> Result<Bounds>, at: &Point) -> Outcome {
    let mut trial = Trial::new();
    let got = f(&at.step).unwrap_or(Bounds { low: f64::NAN, high: f64::NAN });
    let (low, high) = (at.schur_complement(0.0), at.schur_complement(1.0));
    trial.close("lower bound", got.low, low, at.tol(), || at.place())?;
    trial.close("upper bound", got.high, high, at.tol(), || at.place())?;
    // Where ᾱ_{t−1} is below rounding the two are the same double.
    if low < high * (1.0 - at.rounding()) {
        let order = if got.low < got.high { 1.0 } else { 0.0 };
        trial.close("lower < upper", order, 1.0, Tol::exact(), || at.place())?;
    }
    Ok(trial.evidence())
}

/// The upper bound for any data, for data of variance v and for data in an interval of length r is attained.
///
/// By a flat prior, by N(0, v), and by two points ±r/2 seen at x_t = 0: there x_s is one of ±μ̃ with variance β̃ around
/// it. Method: Schur complements and addition of precisions, recursion on the βs. Ledger S3.51, B30.
///
/// # Errors
/// The mismatch found.
pub fn upper_bounds_know_the_spread(
    f: impl Fn(&Transition, Spread) -> Result<Bounds>,
    at: &Point,
    spread: f64,
) -> Outcome {
    let (_, earlier) = at.betas.split_last().expect("a point has t ≥ 1");
    let Marginal { coefficient, var: noise } = Marginal::through(earlier);
    let (any, around) = (at.schur_complement(1e200), at.schur_complement(0.0));
    let half = if noise > 0.0 { around * coefficient / noise } else { 1.0 } * 0.5 * spread;
    let mut trial = Trial::new();
    let place = || format!("{}, spread {spread:.3e}", at.place());
    let tol = Tol::rel(4.0 * at.rounding(), "4 (2t + 8) roundings of positive terms");
    for (known, want) in [
        (Spread::Any, any),
        (Spread::Variance(spread), at.schur_complement(spread)),
        (Spread::Range(spread), (around + half * half).min(any)),
    ] {
        let got = f(&at.step, known).map_or(f64::NAN, |bounds| bounds.high);
        trial.close("upper bound", got, want, tol, place)?;
    }
    Ok(trial.evidence())
}

/// At v = k/8 the learned variance is the weighted geometric mean of β and β̃: `var⁸ = βᵏ β̃⁸⁻ᵏ`.
///
/// Method: integer powers of β and of the recursion's β̃; neither exp nor ln. Needs t ≥ 2. Ledger B8.
///
/// # Errors
/// The mismatch found.
pub fn learned_range_is_geometric(f: impl Fn(&LearnedRange, f64) -> f64, at: &Point) -> Outcome {
    let (beta, beta_tilde) = (at.step.beta(), at.schur_complement(0.0));
    let range = LearnedRange { log_low: beta_tilde.ln(), log_high: beta.ln() };
    let mut trial = Trial::new();
    for k in -1..=9 {
        let got = (f(&range, f64::from(k) / 8.0) / beta).powi(8);
        let want = (beta_tilde / beta).powi(8 - k);
        let logs = range.log_low.abs().max(range.log_high.abs());
        let tol = Tol::roundings(8.0 * (4.0 + 2.0 * logs), 1.0, "exp of a rounded logarithm, to the 8th power");
        trial.close("(variance/β)⁸", got, want, tol, || format!("{}, v = {k}/8", at.place()))?;
    }
    Ok(trial.evidence())
}

/// Summed over t ≥ 2, the cost of a variance is the difference of two exact variational bounds on N(0, s) data.
///
/// `choice` gives σ² for a transition, `cost` what it costs there against the optimum. The bounds are expectations
/// of −ln p_θ(x_{t−1} | x_t) under the joint Gaussian, from recursion on the βs: ½ ln 2πσ² + V/2σ² with V the Schur
/// complement. Ledger S3.52.
///
/// # Errors
/// The mismatch found.
pub fn cost_is_vlb_difference(
    cost: impl Fn(f64, f64) -> Result<f64>,
    choice: impl Fn(&Transition) -> f64,
    schedule: &Schedule,
    data_var: f64,
) -> Outcome {
    let mut trial = Trial::new();
    let (mut got, mut want, mut scale) = (0.0, 0.0, 0.0);
    for t in schedule.timesteps().skip(1) {
        let at = Point::new(schedule, t);
        let (var, optimal) = (choice(&at.step), at.schur_complement(data_var));
        let term = |var: f64| 0.5 * ((2.0 * PI * var).ln() + optimal / var);
        got += cost(var, optimal).unwrap_or(f64::NAN);
        want += term(var) - term(optimal);
        scale += term(var).abs() + term(optimal).abs();
        let tol = Tol::abs(16.0 * f64::EPSILON * scale, "roundings of the summed terms");
        trial.close("cost of the variance", got, want, tol, || {
            format!("{}, data variance {data_var:.4}", at.place())
        })?;
    }
    if schedule.len() == 1 {
        trial.close("cost of no steps", got, 0.0, Tol::exact(), || "T = 1".into())?;
    }
    Ok(trial.evidence())
}

/// Var(x_s | x_t) follows from Var(x₀ | x_t), at one x_t.
///
/// Method: both conditional variances by quadrature of the joint density. Ledger S2.28.
///
/// # Errors
/// The mismatch found.
pub fn is_total_variance(f: impl Fn(&Transition, f64) -> Result<f64>, world: &Reverse, xt: f64) -> Outcome {
    let given = world.given(xt);
    let got = f(&world.step, given.x0.var).unwrap_or(f64::NAN);
    let mut trial = Trial::new();
    trial.close("Var(x_s | x_t)", got, given.xs.var, QUADRATURE, || format!("x_t = {xt:.4}"))?;
    Ok(trial.evidence())
}

/// The optimal variance is E Var(x_s | x_t), and the variational bound is smallest there.
///
/// `f` sees Var(x₀ | x_t) and the squared score averaged over x_t. The bound's derivative in ln σ², by central
/// differences of E[−ln N(x_s; μ*, σ²)], is 0 and its second derivative ½.
/// Method: quadrature, finite differences. Ledger S1.69, B30.
///
/// # Errors
/// The mismatch found.
// ANCHOR: minimises_bound
pub fn minimises_bound(f: impl Fn(&Transition, &Averages) -> Result<f64>, world: &Reverse) -> Outcome {
    let averages = world.averages();
    let got = f(&world.step, &averages).unwrap_or(f64::NAN);
    let mut trial = Trial::new();
    let place = || format!("beta = {:.6}", world.step.beta());
    trial.close("optimal variance", got, averages.xs_var, QUADRATURE, place)?;
    let bound = |log_var: f64| 0.5 * ((2.0 * PI).ln() + log_var + averages.xs_var / log_var.exp());
    let (h, at) = (1e-3, got.ln());
    let slope = (bound(at + h) - bound(at - h)) / (2.0 * h);
    let curvature = (bound(at + h) - 2.0 * bound(at) + bound(at - h)) / (h * h);
    let tol = Tol::abs(1e-6, "central difference: h²/6 and rounding/h²");
    trial.close("slope of the bound in ln σ²", slope, 0.0, tol, place)?;
    trial.close("curvature of the bound in ln σ²", curvature, 0.5, tol, place)?;
    Ok(trial.evidence())
}
// ANCHOR_END: minimises_bound

/// `β̃ ≤ e^{2h}/2πe ≤ E Var ≤ upper` for data of unit variance, h the entropy of x_s given x_t.
///
/// Method: quadrature. Ledger S3.51, B30. With data of larger variance the upper bound must break (A3.1).
///
/// # Errors
/// The mismatch found.
pub fn sandwich(
    bounds: impl Fn(&Transition) -> Result<Bounds>,
    entropy_power: impl Fn(f64) -> f64,
    world: &Reverse,
) -> Outcome {
    let averages = world.averages();
    let bounds = bounds(&world.step).unwrap_or(Bounds { low: f64::NAN, high: f64::NAN });
    let power = entropy_power(averages.entropy);
    let place = || format!("beta = {:.6}", world.step.beta());
    let mut trial = Trial::new();
    let gaussian = 0.5 * (2.0 * PI * averages.xs_var).ln() + 0.5;
    let tol = Tol::roundings(64.0, 1.0, "exp and ln");
    trial.close("entropy power of a Gaussian", entropy_power(gaussian), averages.xs_var, tol, place)?;
    trial.at_most("lower bound", bounds.low, power, QUADRATURE, place)?;
    trial.at_most("entropy power", power, averages.xs_var, QUADRATURE, place)?;
    trial.at_most("optimal variance", averages.xs_var, bounds.high, QUADRATURE, place)?;
    Ok(trial.evidence())
}

/// A Gaussian p is closest to q(x_s | x_t): KL(q ‖ p) is flat in its mean and log-variance, and curves up.
///
/// Method: KL by quadrature, central differences; the curvatures are 1/var and ½. Ledger S2.23.
///
/// # Errors
/// The mismatch found.
pub fn is_closest_gaussian(
    f: impl Fn(&Transition, f64, Moments) -> Result<Moments>,
    world: &Reverse,
    xt: f64,
) -> Outcome {
    let got = f(&world.step, xt, world.given(xt).x0).unwrap_or(Moments { mean: f64::NAN, var: f64::NAN });
    let h = 1e-3;
    let kl = |mean: f64, log_var: f64| {
        let p = Moments { mean: got.mean + mean * got.var.sqrt(), var: got.var * log_var.exp() };
        world.divergence(xt, p)
    };
    let middle = kl(0.0, 0.0);
    let mut trial = Trial::new();
    let place = || format!("beta = {:.6}, x_t = {xt:.4}", world.step.beta());
    let tol = Tol::abs(1e-6, "central difference: h²/6 and rounding/h²");
    for (name, up, down, curvature) in [
        ("in the mean, in standard deviations", kl(h, 0.0), kl(-h, 0.0), 1.0),
        ("in the log-variance", kl(0.0, h), kl(0.0, -h), 0.5),
    ] {
        trial.close(&format!("slope of KL {name}"), (up - down) / (2.0 * h), 0.0, tol, place)?;
        let bend = (up - 2.0 * middle + down) / (h * h);
        trial.close(&format!("curvature of KL {name}"), bend, curvature, tol, place)?;
    }
    Ok(trial.evidence())
}

/// KL(q(x_s | x_t) ‖ p) at β = 0.08, 0.04, … for a fixed level s: five halvings.
///
/// # Errors
/// None; NaN where `f` fails.
pub fn divergences(
    f: impl Fn(&Transition, f64, Moments) -> Result<Moments>,
    data: &Data,
    alpha_bar: f64,
    xt: f64,
) -> [f64; 6] {
    std::array::from_fn(|k| {
        let world = Reverse::at_level(alpha_bar, 0.08 * 0.5f64.powi(k as i32), data);
        f(&world.step, xt, world.given(xt).x0).map_or(f64::NAN, |p| world.divergence(xt, p))
    })
}

/// The divergence from the best Gaussian is O(β³): signed least-squares slope of ln KL over five halvings of β.
///
/// Ledger S0.53, S1.46, A3.5, B25.
///
/// # Errors
/// The mismatch found.
pub fn divergence_is_third_order(
    f: impl Fn(&Transition, f64, Moments) -> Result<Moments>,
    data: &Data,
    alpha_bar: f64,
    xt: f64,
) -> Outcome {
    let logs: Vec<f64> = divergences(f, data, alpha_bar, xt).iter().map(|kl| kl.log2()).collect();
    let mut trial = Trial::new();
    let tol = Tol::abs(0.2, "ledger: order 3 ± 0.2");
    trial.close("order of KL in β", -slope(&logs), 3.0, tol, || format!("x_t = {xt:.4}"))?;
    Ok(trial.evidence())
}

/// Least-squares slope of y over 0, 1, 2 ….
#[must_use]
pub fn slope(y: &[f64]) -> f64 {
    let middle = (y.len() as f64 - 1.0) / 2.0;
    let (above, below) = y.iter().enumerate().fold((0.0, 0.0), |(above, below), (k, y)| {
        let k = k as f64 - middle;
        (above + k * y, below + k * k)
    });
    above / below
}

/// For the trapezoid rule on smooth densities that vanish at both ends: spectral accuracy, so roundings remain.
const QUADRATURE: Tol = Tol::rel(2e-12, "trapezoid rule at 1.7 nodes per standard deviation, 1e3 summands");
