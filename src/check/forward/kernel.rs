//! Claims on one linear Gaussian kernel and on two in a row.

use std::f64::consts::TAU;

use super::{channel, faults, normal, trapezoid};
use crate::check::evidence::{law, short};
use crate::check::schedule::log_alpha_bars;
use crate::check::{Check, Evidence, Method, Outcome, Run, Tol, Trial, log_uniform, uniform};
use crate::forward::Kernel;
use crate::posterior::Moments;
use crate::schedule::{Schedule, Timestep, Transition};

const EPS: f64 = f64::EPSILON;

// ANCHOR: marginal
/// q(x_t | x_0) has the scale and variance that single steps accumulate.
///
/// ```text
/// m ← √(1 − β) m        v ← (1 − β) v + β
/// ```
///
/// Method: recursion on the βs, one step at a time, at every t of hard schedules. Source of the law: Ho et al. 2020,
/// arXiv:2006.11239, eq. (4).
///
/// ```
/// use alphabar::{Schedule, Timestep, check, forward::Kernel};
///
/// let mine = |schedule: &Schedule, t: Timestep| Kernel::from_data(schedule.level(t));
/// check::forward::marginal(mine).assert();
/// ```
pub fn marginal<'f>(f: impl Fn(&Schedule, Timestep) -> Kernel + 'f) -> Check<'f> {
    let method = Method::Enumeration("recursion of scale and variance on the βs, one step at a time");
    let sentence = "q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I)";
    Check::new("marginal_is_what_single_steps_accumulate", sentence, method, move |run| accumulates(run, &f))
        .rejects(faults::MARGINALS, accumulates)
}

fn accumulates(run: &Run, f: impl Fn(&Schedule, Timestep) -> Kernel) -> Outcome {
    run.over_schedules(|schedule| {
        let (mut scale, mut var) = (1.0, 0.0);
        let mut trial = Trial::new();
        for (t, &beta) in schedule.timesteps().zip(schedule.betas().as_slice()) {
            scale *= f64::sqrt(1.0 - beta);
            var = (1.0 - beta) * var + beta;
            let got = f(schedule, t);
            let place = || format!("t = {}", t.get());
            let tol = Tol::roundings(t.get() as f64 + 1.0, 1.0, "1 + t roundings of the recursion");
            trial.close("scale", got.scale, scale, tol, place)?;
            trial.close("variance", got.var, var, tol, place)?;
        }
        Ok(trial.evidence())
    })
}
// ANCHOR_END: marginal

/// The x_t that is drawn and its density belong to one kernel.
///
/// ```text
/// y = √(1 − β) x + √β ε        ln q(y | x) = ln φ(ε) − ln |∂y/∂ε|
/// ```
///
/// `draw` takes (step, x, ε), `log_density` (step, y, x). Method: the density of an affine map by change of variables,
/// the slope by a central difference of `draw` (exact for a linear map); the factors of the map are read off it. Source:
/// Ho et al. 2020, arXiv:2006.11239, eq. (2).
///
/// ```
/// use alphabar::{Transition, check, forward::Kernel};
///
/// let draw = |step: &Transition, x: f64, noise: f64| Kernel::between(step).draw(x, noise);
/// let log_density = |step: &Transition, y: f64, x: f64| Kernel::between(step).log_density(y, x);
/// check::forward::step(draw, log_density).assert();
/// ```
pub fn step<'f>(
    draw: impl Fn(&Transition, f64, f64) -> f64 + 'f,
    log_density: impl Fn(&Transition, f64, f64) -> f64 + 'f,
) -> Check<'f> {
    let method = Method::OtherPremises("change of variables; the map's factors read off by impulses");
    let sentence = "√α_t x + √β_t ε has the density N(√α_t x, β_t I)";
    Check::new("a_step_draws_from_its_density", sentence, method, move |run| steps(run, &draw, &log_density))
        .rejects(faults::STEP_DRAWS, |run, f| steps(run, f, log_normal))
        .rejects(faults::STEP_DENSITIES, |run, f| steps(run, affine, f))
}

fn steps(
    run: &Run,
    draw: impl Fn(&Transition, f64, f64) -> f64,
    log_density: impl Fn(&Transition, f64, f64) -> f64,
) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().collect();
    run.over_schedules(|schedule| {
        schedule.timesteps().zip(points.iter().cycle()).try_fold(Evidence::none(), |all, (t, [u, v])| {
            let (x, noise) = (uniform(*u, -3.0, 3.0), uniform(*v, -3.0, 3.0));
            Ok(all.and(step_law(&draw, &log_density, &schedule.step(t), schedule.beta(t), x, noise)?))
        })
    })
}

/// √(1 − β) x + √β ε.
fn affine(step: &Transition, x: f64, noise: f64) -> f64 {
    (1.0 - step.beta()).sqrt() * x + step.beta().sqrt() * noise
}

/// ln N(y; √(1 − β) x, β).
fn log_normal(step: &Transition, y: f64, x: f64) -> f64 {
    let off = y - (1.0 - step.beta()).sqrt() * x;
    -0.5 * (off * off / step.beta() + (TAU * step.beta()).ln())
}

fn step_law(
    draw: impl Fn(&Transition, f64, f64) -> f64,
    log_density: impl Fn(&Transition, f64, f64) -> f64,
    step: &Transition,
    beta: f64,
    x: f64,
    noise: f64,
) -> Outcome {
    let place = || format!("beta = {}, x = {}, noise = {}", short(beta), short(x), short(noise));
    let y = draw(step, x, noise);
    let slope = 0.5 * (draw(step, 0.0, 1.0) - draw(step, 0.0, -1.0));
    let mut trial = Trial::new();
    let tol = Tol::roundings(2.0, 1.0, "4 roundings");
    trial.close("squared scale", draw(step, 1.0, 0.0).powi(2), 1.0 - beta, tol, place)?;
    trial.close("squared noise factor", slope * slope, beta, tol, place)?;
    let sum = draw(step, x, 0.0) + draw(step, 0.0, noise);
    let tol = Tol::abs(2.0 * EPS * (x.abs() + noise.abs()), "2 roundings of each term");
    trial.close("linearity", y, sum, tol, place)?;
    let want = -0.5 * (noise * noise + TAU.ln()) - slope.abs().ln();
    let lost = y.abs() * noise.abs() / slope.abs();
    let tol =
        Tol::abs(4.0 * EPS * (2.0 + lost + noise * noise + slope.ln().abs()), "y − scale·x cancels to noise·√β");
    trial.close("log density", log_density(step, y, x), want, tol, place)?;
    Ok(trial.evidence())
}

// ANCHOR: composition
/// Two kernels in a row are one: that of the Chapman–Kolmogorov integral.
///
/// ```text
/// N(y; b a x, b² v + w) = ∫ N(y; b z, w) N(z; a x, v) dz
/// ```
///
/// `f(first, second)`. Method: the integral by the trapezoidal rule on the product of the two densities. Source: Ho et
/// al. 2020, arXiv:2006.11239, eq. (4), whose derivation merges two noises at a time.
///
/// ```
/// use alphabar::{check, forward::Kernel};
///
/// check::forward::composition(Kernel::then).assert();
/// ```
pub fn composition<'f>(f: impl Fn(Kernel, Kernel) -> Kernel + 'f) -> Check<'f> {
    let method = Method::Numerical("Chapman–Kolmogorov by the trapezoidal rule");
    let sentence =
        "two Gaussian kernels in a row are one, whose variance is the sum of the independent parts (A0.1, A1.6)";
    Check::new("kernels_compose_as_integrals", sentence, method, move |run| compose(run, &f))
        .rejects(faults::COMPOSITIONS, compose)
}

fn compose(run: &Run, f: impl Fn(Kernel, Kernel) -> Kernel) -> Outcome {
    run.over(|[a, b, v, w, x]| {
        let first = Kernel { scale: uniform(a, -1.2, 1.2), var: log_uniform(v, 0.02, 1.5) };
        let second = Kernel { scale: uniform(b, 0.1, 1.2), var: log_uniform(w, 0.02, 1.5) };
        is_the_integral(&f, first, second, uniform(x, -2.0, 2.0))
    })
}

fn is_the_integral(f: impl Fn(Kernel, Kernel) -> Kernel, first: Kernel, second: Kernel, x: f64) -> Outcome {
    let got = f(first, second);
    let (mean, std) = (first.scale * x, first.var.sqrt());
    let narrow = std.min(second.var.sqrt() / second.scale.abs());
    let mut trial = Trial::new();
    for offset in [-2.5, -0.75, 0.0, 1.5, 3.0] {
        let y = second.scale * mean + offset * (second.scale * std).hypot(second.var.sqrt());
        let product = |z: f64| normal(y, second.scale * z, second.var) * normal(z, mean, first.var);
        let want = trapezoid(product, mean - 10.0 * std, mean + 10.0 * std, 0.5 * narrow);
        let density = normal(y, got.scale * x, got.var);
        let place = || format!("{} then {}, x = {}, y = {}", channel(first), channel(second), short(x), short(y));
        let lost = (second.scale * mean).abs() / second.var.sqrt();
        let peak = 1.0 / (TAU * (second.scale * std).hypot(second.var.sqrt()).powi(2)).sqrt();
        let tol = Tol::abs(16.0 * EPS * peak * (2.0 + lost), "16 roundings of the densities, shifts cancelled");
        trial.close("density", density, want, tol, place)?;
    }
    Ok(trial.evidence())
}
// ANCHOR_END: composition

/// Mean and variance of what a kernel makes of a random x; and along a chain the variance goes to 1 and stays there.
///
/// ```text
/// E y = a E x        Var y = a² Var x + σ²        v_t − 1 = ᾱ_t (v_0 − 1)
/// ```
///
/// Method: enumeration, with two values of x and the three nodes of the noise that share the first five moments of a
/// standard normal; then `f` iterated over the steps of a schedule against a sum of logarithms. Source: law of total
/// variance; the variance that stays is that of the process of Sohl-Dickstein et al. 2015, arXiv:1503.03585, table 1.
///
/// ```
/// use alphabar::{check, forward::Kernel};
///
/// check::forward::push(Kernel::push).assert();
/// ```
pub fn push<'f>(f: impl Fn(Kernel, Moments) -> Moments + 'f) -> Check<'f> {
    let method = Method::Enumeration("two-point states and three-point noises; contraction by summed logarithms");
    let sentence = "Var(y) = a²Var(x) + σ² for any linear kernel; along a chain v_t − 1 = ᾱ_t (v_0 − 1)";
    Check::new("variance_of_a_step_is_total_variance", sentence, method, move |run| pushes(run, &f))
        .rejects(faults::PUSHES, pushes)
}

fn pushes(run: &Run, f: impl Fn(Kernel, Moments) -> Moments) -> Outcome {
    let single = run.over(|[a, v, m, s]| {
        let kernel = Kernel { scale: uniform(a, -1.5, 1.5), var: log_uniform(v, 1e-4, 4.0) };
        total_variance(&f, kernel, Moments { mean: uniform(m, -3.0, 3.0), var: log_uniform(s, 1e-3, 10.0) })
    })?;
    let chains = run.over_schedules(|schedule| {
        Ok(unit_variance(&f, schedule, 4.0)?
            .and(unit_variance(&f, schedule, 1.0)?)
            .and(unit_variance(&f, schedule, 0.0)?))
    })?;
    Ok(single.and(chains))
}

fn total_variance(f: impl Fn(Kernel, Moments) -> Moments, kernel: Kernel, x: Moments) -> Outcome {
    let noises = [(-(3f64.sqrt()), 1.0 / 6.0), (0.0, 2.0 / 3.0), (3f64.sqrt(), 1.0 / 6.0)];
    let states = [x.mean - x.var.sqrt(), x.mean + x.var.sqrt()];
    let outcomes: Vec<(f64, f64)> = states
        .iter()
        .flat_map(|state| noises.map(|(z, weight)| (kernel.scale * state + kernel.var.sqrt() * z, 0.5 * weight)))
        .collect();
    let mean: f64 = outcomes.iter().map(|(y, weight)| weight * y).sum();
    let var: f64 = outcomes.iter().map(|(y, weight)| weight * (y - mean).powi(2)).sum();
    let got = f(kernel, x);
    let size = (kernel.scale * (x.mean.abs() + x.var.sqrt())).abs() + kernel.var.sqrt();
    let place = || format!("{}, x ~ {}", channel(kernel), law(x));
    let mut trial = Trial::new();
    let reason = "8 roundings of the enumerated values";
    trial.close("mean", got.mean, mean, Tol::abs(4.0 * EPS * size, reason), place)?;
    trial.close("variance", got.var, var, Tol::abs(8.0 * EPS * size * size, reason), place)?;
    Ok(trial.evidence())
}

/// `v_t − 1 = ᾱ_t (v_0 − 1)` against `v_0 e^L − expm1(L)`, L a sum of logarithms.
fn unit_variance(f: impl Fn(Kernel, Moments) -> Moments, schedule: &Schedule, data_var: f64) -> Outcome {
    let logs = log_alpha_bars(schedule.betas().as_slice());
    let mut state = Moments { mean: 0.0, var: data_var };
    let mut trial = Trial::new();
    for ((t, step), log) in schedule.steps().zip(&logs[1..]) {
        state = f(Kernel { scale: step.alpha().sqrt(), var: step.beta() }, state);
        let want = data_var * log.exp() - log.exp_m1();
        let tol = Tol::roundings(4.0 + 2.0 * t.get() as f64, 1.0, "4 + 2t roundings of the chain");
        trial.close("variance", state.var, want, tol, || format!("v0 = {data_var}, t = {}", t.get()))?;
    }
    Ok(trial.evidence())
}
