//! Claims on the reverse variance: optimal, bounded, learned, and what a wrong choice costs.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::PI;

use crate::error::Result;
use crate::posterior::Moments;
use crate::schedule::{Betas, Schedule, Timestep, Transition};
use crate::variance::{Bounds, LearnedRange, Spread};

use super::witness::simulate::Marginal;
use super::{Check, Evidence, Method, Outcome, Run, Tol, Trial, log_uniform, uniform};

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

/// 0.3 N(−1.5, 0.3²) + 0.7 N(1, 0.5²), not normalised.
const REFERENCE: Data = Data {
    density: |x| (-0.5 * ((x + 1.5) / 0.3).powi(2)).exp() + 0.7 / 0.5 * (-0.5 * ((x - 1.0) / 0.5).powi(2)).exp(),
    reach: 6.0,
    detail: 0.3,
};

/// ½ N(±0.9, 0.19), of unit variance.
const UNIT: Data = Data {
    density: |x| (-0.5 * (x - 0.9).powi(2) / 0.19).exp() + (-0.5 * (x + 0.9).powi(2) / 0.19).exp(),
    reach: 5.0,
    detail: 0.43,
};

/// β = 20 values equally spaced from 0.001 to 0.3.
fn short_chain() -> Schedule {
    Schedule::new(Betas::linear(20, 0.001, 0.3).expect("constants inside the valid range"))
}

/// The step to t of the short chain, for data of unit variance.
fn world(t: usize) -> Reverse {
    Reverse::of_chain(&short_chain().betas().as_slice()[..t], &UNIT)
}

/// A claim at no more than about 50 times of every schedule, from the first one given.
fn at_some_times(run: &Run, first: usize, mut claim: impl FnMut(&Point) -> Outcome) -> Outcome {
    run.over_schedules(|schedule| {
        let times = schedule.timesteps().skip(first - 1).step_by(1 + schedule.len() / 50);
        times.map(|t| claim(&Point::new(schedule, t))).try_fold(Evidence::none(), |all, e| Ok(all.and(e?)))
    })
}

/// For Gaussian data of variance v the reverse variance is the Schur complement of (x_{t−1}, x_t), and the bounds for
/// data of a known spread are attained: by a flat prior, by N(0, v), and by two points ±r/2 seen at x_t = 0.
///
/// ```text
/// σ² = V β/(α V + β)        V the variance of x_{t−1}; β̃ for a single point, β for N(0, 1)
/// ```
///
/// `variance(step, v)`, `bounds(step, spread)`. Method: Schur complements and addition of precisions, recursion on the
/// βs. Source: Ho et al. 2020, arXiv:2006.11239v2, sect. 3.2; Bao et al. 2022, arXiv:2201.06503v3, theorem 2.
///
/// ```
/// use alphabar::{check, variance::{bounds, gaussian_variance}};
///
/// check::variance::gaussian_data(gaussian_variance, bounds).assert();
/// ```
pub fn gaussian_data<'f>(
    variance: impl Fn(&Transition, f64) -> Result<f64> + 'f,
    bounds: impl Fn(&Transition, Spread) -> Result<Bounds> + 'f,
) -> Check<'f> {
    Check::new(
        "reverse_variance_of_gaussian_data",
        "for Gaussian data the reverse variance is the Schur complement of (x_{t−1}, x_t): β̃ for a point, β for N(0, 1)",
        Method::OtherPremises("recursion on the βs, Schur complement"),
        move |run| gaussian(run, &variance, &bounds),
    )
    .rejects(faults::CONSTANT, |run, f| gaussian(run, f, faults::bounds))
    .rejects(faults::GAUSSIAN, |run, f| gaussian(run, f, faults::bounds))
    .rejects(faults::BOUNDS, |run, f| gaussian(run, faults::gaussian_variance, f))
    .rejects(faults::UNIT_BOUNDS, attained)
}

fn gaussian(
    run: &Run,
    variance: impl Fn(&Transition, f64) -> Result<f64>,
    bounds: impl Fn(&Transition, Spread) -> Result<Bounds>,
) -> Outcome {
    let variances: Vec<f64> = run.points().map(|[u]| log_uniform(u, 1e-3, 1e2)).collect();
    let schur = run.over_schedules(|schedule| {
        let points = schedule.timesteps().zip(variances.iter().cycle());
        points.step_by(1 + schedule.len() / 50).try_fold(Evidence::none(), |all, (t, &v)| {
            let at = Point::new(schedule, t);
            [0.0, 1.0, v].into_iter().try_fold(all, |all, v| Ok(all.and(schur_at(&variance, &at, v)?)))
        })
    })?;
    let spreads: Vec<f64> = run.points::<1>().map(|[u]| log_uniform(u, 1e-2, 1e2)).collect();
    let upper = run.over_schedules(|schedule| {
        let points = schedule.timesteps().zip(spreads.iter().cycle());
        points.step_by(1 + schedule.len() / 50).try_fold(Evidence::none(), |all, (t, &spread)| {
            Ok(all.and(upper_bounds_at(&bounds, &Point::new(schedule, t), spread)?))
        })
    })?;
    Ok(schur.and(upper))
}

fn schur_at(f: impl Fn(&Transition, f64) -> Result<f64>, at: &Point, data_var: f64) -> Outcome {
    let mut trial = Trial::new();
    let got = f(&at.step, data_var).unwrap_or(f64::NAN);
    let place = || format!("{}, data variance {data_var:.4}", at.place());
    trial.close("reverse variance", got, at.schur_complement(data_var), at.tol(), place)?;
    Ok(trial.evidence())
}

/// Bounds for data of unit variance are attained.
fn attained(run: &Run, f: impl Fn(&Transition) -> Result<Bounds>) -> Outcome {
    at_some_times(run, 1, |at| attained_at(&f, at))
}

/// The lower bound by a single point, the upper by N(0, 1), and they are apart unless ᾱ_{t−1} is below rounding.
fn attained_at(f: impl Fn(&Transition) -> Result<Bounds>, at: &Point) -> Outcome {
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

/// The upper bounds for any data, for variance v and for an interval of length r; for two points ±r/2 seen at x_t = 0,
/// x_s is one of ±μ̃ with variance β̃ around it.
fn upper_bounds_at(f: impl Fn(&Transition, Spread) -> Result<Bounds>, at: &Point, spread: f64) -> Outcome {
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

/// At v = k/8 the learned variance is the weighted geometric mean of β and β̃: `f(range, v)`.
///
/// ```text
/// var⁸ = βᵏ β̃⁸⁻ᵏ
/// ```
///
/// Method: integer powers of β and of the recursion's β̃; neither exp nor ln. Tried from t = 2.
/// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, eq. (15).
///
/// ```
/// use alphabar::{check, variance::LearnedRange};
///
/// check::variance::learned_range(LearnedRange::var).assert();
/// ```
pub fn learned_range<'f>(f: impl Fn(&LearnedRange, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "learned_range_is_geometric",
        "the learned variance is the weighted geometric mean of β and β̃",
        Method::Enumeration("integer powers"),
        move |run| geometric(run, &f),
    )
    .rejects(faults::LEARNED, geometric)
}

fn geometric(run: &Run, f: impl Fn(&LearnedRange, f64) -> f64) -> Outcome {
    at_some_times(run, 2, |at| geometric_at(&f, at))
}

fn geometric_at(f: impl Fn(&LearnedRange, f64) -> f64, at: &Point) -> Outcome {
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

/// What a reverse variance costs, summed over t ≥ 2, is the difference of two exact variational bounds on N(0, s) data.
///
/// ```text
/// Σ_t ½ (σ*²/σ² − 1 − ln(σ*²/σ²)) = L(σ²) − L(σ*²)        L = Σ_t ½ ln 2πσ² + σ*²/2σ²
/// ```
///
/// `f(var, optimal)`. Method: expectations of −ln p_θ(x_{t−1} | x_t) under the joint Gaussian, from recursion on the βs,
/// for σ² = β and for σ² = β̃. Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (5).
///
/// ```
/// use alphabar::{check, variance::variance_cost};
///
/// check::variance::cost(variance_cost).assert();
/// ```
pub fn cost<'f>(f: impl Fn(f64, f64) -> Result<f64> + 'f) -> Check<'f> {
    Check::new(
        "variance_cost_is_a_difference_of_bounds",
        "what a reverse variance costs, summed over the steps, is the difference of two exact variational bounds",
        Method::OtherPremises("expectations under the joint Gaussian by recursion"),
        move |run| costs(run, &f),
    )
    .rejects(faults::COSTS, costs)
}

fn costs(run: &Run, f: impl Fn(f64, f64) -> Result<f64>) -> Outcome {
    let variances: Vec<f64> = run.points().map(|[u]| log_uniform(u, 1e-2, 1e1)).collect();
    let mut data = variances.iter().cycle();
    run.over_schedules(|schedule| {
        let s = data.next().copied().unwrap_or(1.0);
        let large = cost_at(&f, |at| at.step.beta(), schedule, s)?;
        Ok(large.and(cost_at(&f, |at| at.schur_complement(0.0), schedule, 1.0)?))
    })
}

/// `choice` gives σ² of a step.
fn cost_at(
    cost: impl Fn(f64, f64) -> Result<f64>,
    choice: impl Fn(&Point) -> f64,
    schedule: &Schedule,
    data_var: f64,
) -> Outcome {
    let mut trial = Trial::new();
    let (mut got, mut want, mut scale) = (0.0, 0.0, 0.0);
    for t in schedule.timesteps().skip(1) {
        let at = Point::new(schedule, t);
        let (var, optimal) = (choice(&at), at.schur_complement(data_var));
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

/// The optimal variance is that of x_s given x_t, at one x_t and on average, where the variational bound is smallest.
///
/// ```text
/// σ*² = β̃ + ᾱ_s β²/(1 − ᾱ_t)² · V = β/α · (1 − β Γ)        V = Var(x₀ | x_t) or its mean, Γ = E (∇ ln q(x_t))²
/// ```
///
/// `variance(step, V)`, `from_score(step, Γ)`. Method: quadrature of the joint density; the bound's derivatives in
/// ln σ² by central differences. Source: Bao et al. 2022, arXiv:2201.06503v3, theorem 1.
///
/// ```
/// use alphabar::{check, variance::{optimal_variance, optimal_variance_from_score}};
///
/// check::variance::optimal(optimal_variance, optimal_variance_from_score).assert();
/// ```
pub fn optimal<'f>(
    variance: impl Fn(&Transition, f64) -> Result<f64> + 'f,
    from_score: impl Fn(&Transition, f64) -> Result<f64> + 'f,
) -> Check<'f> {
    Check::new(
        "optimal_variance_minimises_the_bound",
        "β̃ plus what is unknown of x₀ is Var(x_{t−1} | x_t), at one x_t and on average, from V or from the score",
        Method::Numerical("quadrature of the joint density, finite differences"),
        move |run| optima(run, &variance, &from_score),
    )
    .rejects(faults::OPTIMAL, |run, f| optima(run, f, faults::optimal_variance_from_score))
    .rejects(faults::CONSTANT, |run, f| optima(run, f, faults::optimal_variance_from_score))
    .rejects(faults::OPTIMAL_FROM_SCORE, |run, f| optima(run, faults::optimal_variance, f))
}

fn optima(
    run: &Run,
    variance: impl Fn(&Transition, f64) -> Result<f64>,
    from_score: impl Fn(&Transition, f64) -> Result<f64>,
) -> Outcome {
    let worlds = [world(2), world(5), world(20), Reverse::at_level(0.5, 0.01, &REFERENCE)];
    let points = run.points().take(16).zip(worlds.iter().cycle());
    let mut all = points
        .map(|([u], world)| total_variance_at(&variance, world, uniform(u, -2.5, 2.5)))
        .try_fold(Evidence::none(), |all, e| Ok(all.and(e?)))?;
    for world in &worlds[..3] {
        all = all.and(minimises_bound(|step, averages| variance(step, averages.x0_var), world)?);
    }
    for world in &worlds[..3] {
        all = all.and(minimises_bound(|step, averages| from_score(step, averages.score_power), world)?);
    }
    Ok(all)
}

/// Var(x_s | x_t) follows from Var(x₀ | x_t), at one x_t.
fn total_variance_at(f: impl Fn(&Transition, f64) -> Result<f64>, world: &Reverse, xt: f64) -> Outcome {
    let given = world.given(xt);
    let got = f(&world.step, given.x0.var).unwrap_or(f64::NAN);
    let mut trial = Trial::new();
    trial.close("Var(x_s | x_t)", got, given.xs.var, QUADRATURE, || format!("x_t = {xt:.4}"))?;
    Ok(trial.evidence())
}

// ANCHOR: minimises_bound
/// The optimal variance is E Var(x_s | x_t), and the variational bound is smallest there.
///
/// `f` sees Var(x₀ | x_t) and the squared score averaged over x_t. The bound's derivative in ln σ², by central
/// differences of E[−ln N(x_s; μ*, σ²)], is 0 and its second derivative ½.
fn minimises_bound(f: impl Fn(&Transition, &Averages) -> Result<f64>, world: &Reverse) -> Outcome {
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

/// The entropy power of x_s given x_t lies between the lower bound and the optimal variance, that below the upper bound.
///
/// ```text
/// β̃ ≤ e^{2h}/2πe ≤ E Var(x_{t−1} | x_t) ≤ β        for data of unit variance, h the entropy of x_{t−1} given x_t
/// ```
///
/// `bounds(step, spread)`, `entropy_power(h)`. Method: quadrature; both ends are attained, by recursion on the βs.
/// Source: Bao et al. 2022, arXiv:2201.06503v3, theorem 2; Sohl-Dickstein et al. 2015, arXiv:1503.03585v8, eq. (19).
///
/// ```
/// use alphabar::{check, variance::{bounds, entropy_power}};
///
/// check::variance::sandwich(bounds, entropy_power).assert();
/// ```
pub fn sandwich<'f>(
    bounds: impl Fn(&Transition, Spread) -> Result<Bounds> + 'f,
    entropy_power: impl Fn(f64) -> f64 + 'f,
) -> Check<'f> {
    Check::new(
        "entropy_sandwich",
        "for unit-variance data β̃ ≤ e^{2h}/2πe ≤ E Var(x_{t−1} | x_t) ≤ β; both ends are attained",
        Method::Numerical("quadrature; recursion for the ends"),
        move |run| between(run, |step| bounds(step, Spread::Variance(1.0)), &entropy_power),
    )
    .rejects(faults::UNIT_BOUNDS, |run, f| between(run, f, faults::entropy_power))
    .rejects(faults::ENTROPY_POWERS, |run, f| between(run, |step| faults::bounds(step, Spread::Variance(1.0)), f))
}

fn between(run: &Run, bounds: impl Fn(&Transition) -> Result<Bounds>, entropy_power: impl Fn(f64) -> f64) -> Outcome {
    [2, 5, 12, 20]
        .into_iter()
        .try_fold(attained(run, &bounds)?, |all, t| Ok(all.and(sandwich_at(&bounds, &entropy_power, &world(t))?)))
}

fn sandwich_at(
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

/// The Gaussian with the mean and variance of q(x_s | x_t) is the closest one: `f(step, x_t, moments of x₀ given x_t)`.
///
/// ```text
/// KL(q ‖ N(m, s²)): slopes 0, curvatures 1 in m/s and ½ in ln s²
/// ```
///
/// Method: KL by quadrature, central differences.
/// Source: Bao et al. 2022, arXiv:2201.06503v3, appendix A.3.
///
/// ```
/// use alphabar::{check, variance::best_gaussian};
///
/// check::variance::closest_gaussian(best_gaussian).assert();
/// ```
pub fn closest_gaussian<'f>(f: impl Fn(&Transition, f64, Moments) -> Result<Moments> + 'f) -> Check<'f> {
    Check::new(
        "closest_gaussian_matches_moments",
        "KL(q(x_{t−1} | x_t) ‖ N) is smallest at the mean and variance of q(x_{t−1} | x_t)",
        Method::Numerical("KL by quadrature, finite differences"),
        move |run| closest(run, &f),
    )
    .rejects(faults::CLOSEST, closest)
}

fn closest(run: &Run, f: impl Fn(&Transition, f64, Moments) -> Result<Moments>) -> Outcome {
    let worlds = [world(3), world(9), Reverse::at_level(0.5, 0.2, &REFERENCE)];
    run.points()
        .take(12)
        .zip(worlds.iter().cycle())
        .try_fold(Evidence::none(), |all, ([u], world)| Ok(all.and(closest_at(&f, world, uniform(u, -2.0, 2.0))?)))
}

fn closest_at(f: impl Fn(&Transition, f64, Moments) -> Result<Moments>, world: &Reverse, xt: f64) -> Outcome {
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

/// KL(q(x_s | x_t) ‖ p) at β = 0.08, 0.04, … for a fixed level s: five halvings. NaN where `f` fails.
///
/// ```
/// use alphabar::{check::variance::{Data, divergences}, variance::best_gaussian};
///
/// let data = Data { density: |x| (-x.powi(4)).exp(), reach: 3.0, detail: 0.5 };
/// let all = divergences(best_gaussian, &data, 0.5, 0.3);
/// assert!(all[5] < all[0] / 1e4);
/// ```
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

/// The divergence of q(x_s | x_t) from the best Gaussian is O(β³): `f(step, x_t, moments of x₀ given x_t)`.
///
/// ```text
/// KL(q(x_s | x_t) ‖ N) ∝ β³        at a fixed level s, as β → 0
/// ```
///
/// Method: KL by quadrature, signed least-squares slope of ln KL over five halvings of β ([`divergences`]).
/// Source: Sohl-Dickstein et al. 2015, arXiv:1503.03585v8, sect. 2.2 (the reverse of a small step is Gaussian).
///
/// ```
/// use alphabar::{check, variance::best_gaussian};
///
/// check::variance::third_order(best_gaussian).assert();
/// ```
pub fn third_order<'f>(f: impl Fn(&Transition, f64, Moments) -> Result<Moments> + 'f) -> Check<'f> {
    Check::new(
        "gaussian_reverse_step_is_third_order",
        "the true reverse kernel is Gaussian up to O(β³) in KL",
        Method::Numerical("KL by quadrature, signed order over five halvings"),
        move |run| third_orders(run, &f),
    )
    .rejects(faults::CLOSEST, third_orders)
}

fn third_orders(_: &Run, f: impl Fn(&Transition, f64, Moments) -> Result<Moments>) -> Outcome {
    let (alpha_bar, xt) = (0.5, -0.3);
    let logs: Vec<f64> = divergences(f, &REFERENCE, alpha_bar, xt).iter().map(|kl| kl.log2()).collect();
    let mut trial = Trial::new();
    let tol = Tol::abs(0.2, "order 3 ± 0.2");
    trial.close("order of KL in β", -slope(&logs), 3.0, tol, || format!("x_t = {xt:.4}"))?;
    Ok(trial.evidence())
}

/// Least-squares slope of y over 0, 1, 2 ….
pub(in crate::check) fn slope(y: &[f64]) -> f64 {
    let middle = (y.len() as f64 - 1.0) / 2.0;
    let (above, below) = y.iter().enumerate().fold((0.0, 0.0), |(above, below), (k, y)| {
        let k = k as f64 - middle;
        (above + k * y, below + k * k)
    });
    above / below
}

/// For the trapezoid rule on smooth densities that vanish at both ends: spectral accuracy, so roundings remain.
const QUADRATURE: Tol = Tol::rel(2e-12, "trapezoid rule at 1.7 nodes per standard deviation, 1e3 summands");
