//! Claims on the true reverse q(x_s | x_t), which knows the law of the data but not x₀.

use std::f64::consts::TAU;

use super::{Point, after_the_first, at_some_times, faults, precision_addition};
use crate::check::{Check, Evidence, Method, Outcome, Run, Tol, Trial, log_uniform, uniform};
use crate::posterior::{Component, Moments};
use crate::schedule::{Betas, Schedule, Timestep, Transition};

/// For Gaussian data the reverse kernel is Bayes' rule with the marginal of x_s as prior.
///
/// ```text
/// x_s ~ N(m μ₀, m² v₀ + v)        x_t | x_s ~ N(√α x_s, β)
/// ```
///
/// Method: recursion on the βs and addition of precisions; nothing is averaged over x₀. Source: Bayes' rule; Bao et al.
/// 2022, arXiv:2201.06503, has the reverse of any data.
///
/// ```
/// use alphabar::{check, posterior::true_reverse};
///
/// check::posterior::true_reverse(true_reverse).assert();
/// ```
pub fn true_reverse<'f>(f: impl Fn(&Transition, Moments, f64) -> Moments + 'f) -> Check<'f> {
    let method = Method::OtherPremises("Bayes' rule with the marginal of x_{t−1} as prior");
    let sentence = "for Gaussian data q(x_{t−1} | x_t) is the posterior averaged over x₀ given x_t";
    Check::new("true_reverse_equals_bayes", sentence, method, move |run| reverses(run, &f))
        .rejects(faults::REVERSES, reverses)
}

fn reverses(run: &Run, f: impl Fn(&Transition, Moments, f64) -> Moments) -> Outcome {
    at_some_times(run, |schedule, t, [a, b, c, _]| {
        let data = Moments { mean: uniform(a, -2.0, 2.0), var: log_uniform(b, 0.05, 5.0) };
        reverse_equals_bayes(&f, &Point::new(schedule, t, 0.0, uniform(c, -3.0, 3.0)), data)
    })
}

fn reverse_equals_bayes(f: impl Fn(&Transition, Moments, f64) -> Moments, at: &Point, data: Moments) -> Outcome {
    let got = f(at.transition(), data, at.xt());
    let (prior, want) = reverse(at, data);
    let rounding = (2.0 * at.steps() + 24.0) * f64::EPSILON;
    let parts = want.var * (at.xt().abs() / at.parts().0 + prior.mean.abs() / prior.var) + prior.mean.abs();
    let reason = "2t + 24 roundings of the summed magnitudes";
    let mut trial = Trial::new();
    let place = || at.place();
    trial.close("reverse variance", got.var, want.var, Tol::rel(rounding, "2t + 24 roundings"), place)?;
    trial.close("reverse mean", got.mean, want.mean, Tol::abs(rounding * parts, reason), place)?;
    Ok(trial.evidence())
}

fn reverse(at: &Point, data: Moments) -> (Moments, Moments) {
    let (beta, m, v) = at.parts();
    let prior = Moments { mean: m * data.mean, var: m * m * data.var + v };
    (prior, precision_addition(beta, prior, at.xt()))
}

/// For a mixture the reverse kernel is q(x_t | x_s) q(x_s)/q(x_t), whatever the mixture's own algebra says.
///
/// ```text
/// q(x_s | x_t) = q(x_t | x_s) q(x_s) / ∫ q(x_t | x_s) q(x_s) dx_s
/// ```
///
/// Both densities are evaluated on a grid around x_t/√α. Method: Bayes' rule normalised by the trapezoidal rule. Source:
/// Bayes' rule.
///
/// ```
/// use alphabar::{check, posterior::true_reverse_mixture};
///
/// check::posterior::mixture_reverse(true_reverse_mixture).points(8).assert();
/// ```
pub fn mixture_reverse<'f>(f: impl Fn(&Transition, &[Component], f64) -> Vec<Component> + 'f) -> Check<'f> {
    let method = Method::Numerical("Bayes' rule normalised by trapezoidal quadrature");
    let sentence =
        "for a mixture q(x_{t−1} | x_t) is the mixture of the components' reverse kernels, reweighted by x_t";
    Check::new("mixture_reverse_equals_bayes", sentence, method, move |run| mixtures(run, &f))
        .rejects(faults::MIXTURES, mixtures)
}

fn mixtures(run: &Run, f: impl Fn(&Transition, &[Component], f64) -> Vec<Component>) -> Outcome {
    at_some_times(run, |schedule, t, [a, b, ..]| {
        let at = Point::typical(schedule, t, uniform(a, -2.0, 2.0), uniform(b, -2.0, 2.0));
        mixture_reverses(&f, &at, &gmm())
    })
}

fn mixture_reverses(
    f: impl Fn(&Transition, &[Component], f64) -> Vec<Component>,
    at: &Point,
    data: &[Component],
) -> Outcome {
    let (beta, m, v) = at.parts();
    let root = (1.0 - beta).sqrt();
    let noised = |c: &Component| Component {
        moments: Moments { mean: m * c.moments.mean, var: m * m * c.moments.var + v },
        ..*c
    };
    let prior: Vec<Component> = data.iter().map(noised).collect();
    // The grid spans 12 standard deviations of the likelihood, within 38 of the prior: beyond, densities underflow.
    let (low, high) = extent(&prior, 38.0);
    let reach = 12.0 * beta.sqrt() / root;
    let (low, high) = (low.max(at.xt() / root - reach), high.min(at.xt() / root + reach));
    if low >= high {
        return Ok(Evidence::none());
    }
    let n = 600;
    let step = (high - low) / f64::from(n);
    let grid: Vec<f64> = (0..=n).map(|k| step.mul_add(f64::from(k), low)).collect();
    let joint: Vec<f64> =
        grid.iter().map(|x| (-0.5 * (at.xt() - root * x).powi(2) / beta).exp() * density(&prior, *x)).collect();
    let total = step * joint.iter().sum::<f64>();
    let got = f(at.transition(), data, at.xt());
    let peak = joint.iter().fold(0.0f64, |a, b| a.max(*b)) / total;
    // Densities of width w at x round to ε x/w of themselves.
    let width = beta.sqrt();
    let tol = Tol::abs(
        peak * (1e-12 + (4.0 * at.steps() + 64.0) * f64::EPSILON * (1.0 + at.xt().abs()) / width),
        "rounding of x against the width of the kernel; quadrature error below 1e-12",
    );
    let mut trial = Trial::new();
    for (x, joint) in grid.iter().zip(&joint).step_by(15) {
        let place = || format!("{}, xs = {x}", at.place());
        trial.close("reverse density", density(&got, *x), joint / total, tol, place)?;
    }
    Ok(trial.evidence())
}

/// The reverse kernels carry q(x_T) back to the data: an integral against each kernel, step by step, on a grid.
///
/// ```text
/// q(x_{t−1}) = ∫ q(x_{t−1} | x_t) q(x_t) dx_t
/// ```
///
/// A chain of three steps with βs of ordinary size, whose kernels the grid resolves; other points, seeds and schedules
/// change nothing. Method: composition by quadrature against marginals by recursion. Source: Ho et al. 2020,
/// arXiv:2006.11239, eq. (1).
///
/// ```
/// use alphabar::{check, posterior::true_reverse_mixture};
///
/// check::posterior::composition(true_reverse_mixture).assert();
/// ```
pub fn composition<'f>(f: impl Fn(&Transition, &[Component], f64) -> Vec<Component> + 'f) -> Check<'f> {
    let method = Method::Numerical("composition of the kernels on a grid, against marginals by recursion");
    let sentence = "the reverse kernels carry q(x_T) back to the data, an integral a step";
    Check::new("reverse_kernels_compose_to_the_data", sentence, method, move |_| reverse_composes(&f))
        .rejects(faults::MIXTURES, |_, f| reverse_composes(f))
}

fn reverse_composes(f: impl Fn(&Transition, &[Component], f64) -> Vec<Component>) -> Outcome {
    let (chain, data, reach, points) = (toy(), gmm(), 7.0, 350);
    let step = 2.0 * reach / f64::from(points);
    let grid: Vec<f64> = (0..=points).map(|k| step.mul_add(f64::from(k), -reach)).collect();
    let marginal = |t: usize| -> Vec<f64> {
        let point = Point::new(&chain, chain.last(), 0.0, 0.0);
        let (m, v) = point.forward(t);
        let at = |c: &Component| Component {
            moments: Moments { mean: m * c.moments.mean, var: m * m * c.moments.var + v },
            ..*c
        };
        let law: Vec<Component> = data.iter().map(at).collect();
        grid.iter().map(|x| density(&law, *x)).collect()
    };
    let mut trial = Trial::new();
    let mut law = marginal(chain.len());
    for t in (1..=chain.len()).rev() {
        let transition = chain.step(Timestep::new(t));
        let mut before = vec![0.0; grid.len()];
        for (xt, mass) in grid.iter().zip(&law) {
            if mass * step < 1e-18 {
                continue;
            }
            let kernel = f(&transition, &data, *xt);
            before.iter_mut().zip(&grid).for_each(|(sum, xs)| *sum += step * mass * density(&kernel, *xs));
        }
        let tol = Tol::abs(1e-12, "sum of some hundred positive terms of order 1; quadrature error below 1e-15");
        for ((x, got), want) in grid.iter().zip(&before).zip(marginal(t - 1)) {
            trial.close("density carried back", *got, want, tol, || format!("t − 1 = {}, x = {x}", t - 1))?;
        }
        law = before;
    }
    Ok(trial.evidence())
}

/// βs 0.1, 0.3 and 0.5.
pub(super) fn toy() -> Schedule {
    Schedule::new(Betas::new(vec![0.1, 0.3, 0.5]).expect("inside (0, 1)"))
}

/// 0.3 N(−1.5, 0.3²) + 0.7 N(1, 0.5²).
pub(super) fn gmm() -> [Component; 2] {
    let part = |weight, mean, std: f64| Component { weight, moments: Moments { mean, var: std * std } };
    [part(0.3, -1.5, 0.3), part(0.7, 1.0, 0.5)]
}

/// Training against the posterior that knows x₀ costs I(x_s; x₀ | x_t) more than against the true reverse, whatever the
/// model.
///
/// ```text
/// E_{x₀|x_t} KL(q(x_s | x_t, x₀) ‖ p) − KL(q(x_s | x_t) ‖ p) = I(x_s; x₀ | x_t)
/// ```
///
/// `f(step, v₀)` gives the information for data of variance v₀. Method: Gauss–Hermite over x₀ | x_t and over x_s, exact
/// for the quadratics that the logarithms are, at t ≥ 2. Source: chain rule of the relative entropy (Cover, Thomas 2006,
/// eq. 2.67).
///
/// ```
/// use alphabar::{check, posterior::conditional_information};
///
/// check::posterior::information(conditional_information).assert();
/// ```
pub fn information<'f>(f: impl Fn(&Transition, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("Gauss–Hermite over x₀ given x_t and over x_{t−1}");
    let sentence = "training against the posterior costs I(x_{t−1}; x₀ | x_t) more than against the true reverse, whatever the model";
    Check::new("posterior_loss_exceeds_reverse_loss_by_information", sentence, method, move |run| {
        informations(run, &f)
    })
    .rejects(faults::INFORMATIONS, informations)
}

fn informations(run: &Run, f: impl Fn(&Transition, f64) -> f64) -> Outcome {
    after_the_first(run, |schedule, t, [a, b, c, d]| {
        let data = Moments { mean: uniform(a, -2.0, 2.0), var: log_uniform(b, 0.05, 5.0) };
        let at = Point::typical(schedule, t, uniform(c, -2.0, 2.0), uniform(d, -2.0, 2.0));
        let near = posterior(&at, data.mean);
        let model = Moments {
            mean: near.mean + uniform(d, -1.0, 1.0) * near.var.sqrt(),
            var: near.var * log_uniform(a, 0.5, 2.0),
        };
        information_is_the_difference(&f, &at, data, model)
    })
}

/// Law of x_s given x_t and x₀, by adding precisions.
fn posterior(at: &Point, x0: f64) -> Moments {
    let (beta, m, v) = at.parts();
    precision_addition(beta, Moments { mean: m * x0, var: v }, at.xt())
}

fn information_is_the_difference(
    f: impl Fn(&Transition, f64) -> f64,
    at: &Point,
    data: Moments,
    model: Moments,
) -> Outcome {
    let (known, unknown, size) = divergences(at, data, model);
    let rounding = (4.0 * at.steps() + 64.0) * f64::EPSILON;
    let tol = Tol::abs(rounding * size, "4t + 64 roundings of the two divergences that are subtracted");
    let mut trial = Trial::new();
    trial.close("information", f(at.transition(), data.var), known - unknown, tol, || at.place())?;
    Ok(trial.evidence())
}

/// `E_{x₀|x_t} KL(q(x_s | x_t, x₀) ‖ p)`, `KL(q(x_s | x_t) ‖ p)` and the magnitudes that enter.
pub(super) fn divergences(at: &Point, data: Moments, model: Moments) -> (f64, f64, f64) {
    let (beta, _, v) = at.parts();
    let (factor, var) = at.forward(at.t());
    let (_, unknown) = reverse(at, data);
    // x₀ | x_t by adding precisions on x_t = M x₀ + √V ε.
    let x0_var = 1.0 / (1.0 / data.var + factor * factor / var);
    let x0_mean = x0_var * (data.mean / data.var + factor * at.xt() / var);
    let known = hermite3(x0_mean, x0_var, |x0| divergence(posterior(at, x0), model));
    let other = divergence(unknown, model);
    let posterior_var = 1.0 / ((1.0 - beta) / beta + 1.0 / v);
    // The divergence moves by residual/variance for each unit of the mean, which is rounded to ε of its parts.
    let slope = ((unknown.mean - model.mean).abs() + 1.0) / model.var;
    let parts = at.xt().abs() + x0_mean.abs() + x0_var.sqrt() + model.mean.abs();
    let logs = posterior_var.ln().abs() + model.var.ln().abs();
    (known, other, known.abs() + other.abs() + slope * parts + logs + 2.0 * TAU)
}

/// KL(p ‖ q) as the mean of ln p − ln q under p.
fn divergence(p: Moments, q: Moments) -> f64 {
    let log = |law: Moments, x: f64| -0.5 * ((TAU * law.var).ln() + (x - law.mean) * (x - law.mean) / law.var);
    hermite3(p.mean, p.var, |x| log(p, x) - log(q, x))
}

/// Mean of f under N(mean, var) by three nodes, exact up to degree 5.
fn hermite3(mean: f64, var: f64, f: impl Fn(f64) -> f64) -> f64 {
    let reach = (3.0 * var).sqrt();
    (f(mean - reach) + 4.0 * f(mean) + f(mean + reach)) / 6.0
}

fn density(mixture: &[Component], x: f64) -> f64 {
    let part = |c: &Component| {
        let residual = x - c.moments.mean;
        c.weight * (-0.5 * residual * residual / c.moments.var).exp() / (TAU * c.moments.var).sqrt()
    };
    mixture.iter().map(part).sum()
}

fn extent(mixture: &[Component], deviations: f64) -> (f64, f64) {
    mixture.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), c| {
        let reach = deviations * c.moments.var.sqrt();
        (low.min(c.moments.mean - reach), high.max(c.moments.mean + reach))
    })
}
