//! Claims on scores, score matching, energies and Langevin dynamics.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use crate::error::Result;
use crate::exact::{Gaussian1, Mixture1, Noising};
use crate::schedule::{Level, Schedule, Timestep, Transition};
use crate::score::Proposal;

use super::{Check, Method, Outcome, Run, Tol, Trial, log_uniform, uniform};

/// Derivative by five-point differences at two steps, extrapolated once.
pub(in crate::check) fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let five = |h: f64| (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h);
    let h = 4e-3;
    (16.0 * five(h) - five(2.0 * h)) / 15.0
}

/// Second derivative, the same way.
fn curvature(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let five =
        |h: f64| (16.0 * (f(x + h) + f(x - h)) - (f(x + 2.0 * h) + f(x - 2.0 * h)) - 30.0 * f(x)) / (12.0 * h * h);
    let h = 1e-2;
    (16.0 * five(h) - five(2.0 * h)) / 15.0
}

const DIFFERENCES: Tol = Tol::new(1e-12, 1e-12, "extrapolated differences and sums on a grid, ε/h times β");

/// A noise level twice: as the theory's type and as the plain channel an exact world takes.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// For the code under test.
    level: Level,
    /// For the exact world.
    channel: Noising,
}

/// A level of the linear schedule for both sides: the theory's, and a channel built from the βs one by one.
fn at(t: usize) -> Pair {
    let schedule = Schedule::ddpm();
    let channel = Noising::from_betas(&schedule.betas().as_slice()[..t]).unwrap_or(Noising::NONE);
    Pair { level: schedule.level(Timestep::new(t)), channel }
}

/// The transition t − 1 → t for both sides.
fn step(t: usize) -> (Transition, (Noising, Noising)) {
    let schedule = Schedule::ddpm();
    let betas = schedule.betas().as_slice();
    let channels = (Noising::from_betas(&betas[..t - 1]), Noising::from_beta(betas[t - 1]));
    let (s, kernel) = (channels.0.unwrap_or(Noising::NONE), channels.1.unwrap_or(Noising::NONE));
    (schedule.step(Timestep::new(t)), (s, kernel))
}

/// Times from 30, below which differences of a density of width √(1 − ᾱ) lose their digits, and x_t where data are.
fn places(run: &Run, most: usize, claim: impl Fn(usize, f64) -> Outcome) -> Outcome {
    let run = run.at_most(most);
    run.over::<2>(|[u, v]| claim(uniform(u, 30.0, 1000.0) as usize, uniform(v, -2.0, 2.0)))
}

/// Averages over x₀ given x_t of a mixture by midpoint sums on a grid, with no conditioning formula.
fn posterior_average(data: &Mixture1, channel: Noising, xt: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (a, variance) = (channel.signal(), channel.noise_var());
    let log_weight = |x0: f64| data.log_pdf(x0) - (xt - a * x0).powi(2) / (2.0 * variance);
    let width = 2.0 * (variance.sqrt() / a).min(1.0);
    let centre = {
        let candidates = (0..400).map(|k| -6.0 + 12.0 * f64::from(k) / 399.0).chain([xt / a]);
        candidates
            .fold((f64::NEG_INFINITY, 0.0), |best, x| if log_weight(x) > best.0 { (log_weight(x), x) } else { best })
    };
    let cells = 24_000;
    let half = (24.0 * width).clamp(0.5, 14.0);
    let (mut mass, mut sum) = (0.0, 0.0);
    for k in 0..cells {
        let x0 = centre.1 + half * (2.0 * (f64::from(k) + 0.5) / f64::from(cells) - 1.0);
        let weight = (log_weight(x0) - centre.0).exp();
        if weight > 0.0 {
            mass += weight;
            sum += weight * f(x0);
        }
    }
    sum / mass
}

// ANCHOR: tweedie
/// The mean of x₀ given x_t follows from the marginal score (Tweedie's formula): `f(level, x_t, score)`.
///
/// ```text
/// E[x₀ | x_t] = (x_t + (1 − ᾱ) ∇ ln q(x_t))/√ᾱ
/// ```
///
/// Tried on a mixture of two Gaussians. Method: sums over x₀ against Bayes' weights, the score by differences.
/// Source: Efron 2011, eq. (2.8).
///
/// ```
/// use alphabar::{check, score::tweedie_mean};
///
/// check::score::tweedie_mean(tweedie_mean).assert();
/// ```
pub fn tweedie_mean<'f>(f: impl Fn(Level, f64, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "tweedie_gives_the_posterior_mean",
        "(x_t + (1 − ᾱ) ∇ ln q(x_t))/√ᾱ is E[x₀ | x_t]",
        Method::Numerical("sums over x₀ with Bayes' weights, score by differences"),
        move |run| tweedie_means(run, &f),
    )
    .rejects(faults::TWEEDIE, tweedie_means)
}

fn tweedie_means(run: &Run, f: impl Fn(Level, f64, f64) -> f64) -> Outcome {
    places(run, 24, |t, xt| tweedie_mean_at(&f, &Mixture1::reference(), at(t), xt))
}

fn tweedie_mean_at(f: impl Fn(Level, f64, f64) -> f64, data: &Mixture1, at: Pair, xt: f64) -> Outcome {
    let noised = data.noised(at.channel);
    let score = slope(|x| noised.log_pdf(x), xt);
    let want = posterior_average(data, at.channel, xt, |x0| x0);
    let kappa = (xt.abs() + at.channel.noise_var()) / at.channel.signal();
    let tol = Tol::abs(1e-10 * (1.0 + kappa), "differences times (1 − ᾱ)/√ᾱ");
    let mut trial = Trial::new();
    let place = || format!("noise variance {:.4}, xt = {xt:.4}", at.channel.noise_var());
    trial.close("E[x0 | xt]", f(at.level, xt, score), want, tol, place)?;
    Ok(trial.evidence())
}
// ANCHOR_END: tweedie

/// The marginal score is that of the mean noise given x_t, not of the noise that was drawn: `f(level, mean, drawn)`.
///
/// ```text
/// ∇ ln q(x_t) = −E[ε | x_t]/√(1 − ᾱ)
/// ```
///
/// Method: the mean by sums over x₀, the score by differences. Source: Vincent 2011, eq. (10), averaged over x₀.
///
/// ```
/// use alphabar::{check, score::denoising_target};
///
/// check::score::score_of_mean_noise(|level, mean, _drawn| denoising_target(level, mean)).assert();
/// assert!(check::score::score_of_mean_noise(|level, _mean, drawn| denoising_target(level, drawn)).run().is_err());
/// ```
pub fn score_of_mean_noise<'f>(f: impl Fn(Level, f64, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "score_is_minus_the_mean_noise",
        "∇ ln q(x_t) = −E[ε | x_t]/√(1 − ᾱ)",
        Method::Numerical("sums over x₀ with Bayes' weights, score by differences"),
        move |run| mean_noises(run, &f),
    )
    .rejects(faults::MARGINAL_SCORES, mean_noises)
    .rejects(faults::TARGETS, |run, f| mean_noises(run, |level, mean, _| f(level, mean)))
}

fn mean_noises(run: &Run, f: impl Fn(Level, f64, f64) -> f64) -> Outcome {
    places(run, 16, |t, eps| score_of_mean_noise_at(&f, &Mixture1::reference(), at(t), -1.5, eps))
}

fn score_of_mean_noise_at(
    f: impl Fn(Level, f64, f64) -> f64,
    data: &Mixture1,
    at: Pair,
    x0: f64,
    eps: f64,
) -> Outcome {
    let xt = at.channel.apply(x0, eps);
    let (a, sigma) = (at.channel.signal(), at.channel.noise_std());
    let mean = posterior_average(data, at.channel, xt, |x0| (xt - a * x0) / sigma);
    let want = slope(|x| data.noised(at.channel).log_pdf(x), xt);
    let mut trial = Trial::new();
    let tol = Tol::abs(1e-11 * (1.0 + 1.0 / sigma), "extrapolated differences");
    trial.close("marginal score", f(at.level, mean, eps), want, tol, || format!("x0 = {x0:.4}, eps = {eps:.4}"))?;
    Ok(trial.evidence())
}

/// Tweedie's formula with the conditional score gives x₀ itself: `f(level, x_t, ∇ ln q(x_t | x₀), ∇ ln q(x_t))`.
///
/// ```text
/// x₀ = (x_t + (1 − ᾱ) ∇ ln q(x_t | x₀))/√ᾱ
/// ```
///
/// With the marginal score it is the mean of x₀. Method: x₀ is known; the conditional score is the difference quotient
/// of ln q(x_t | x₀). Source: Luo 2022, arXiv:2208.11970v1, eq. (133), where the two scores are not told apart.
///
/// ```
/// use alphabar::{check, score::tweedie_mean};
///
/// let mine = |level, xt, conditional, _marginal| tweedie_mean(level, xt, conditional);
/// check::score::conditional_score_returns_x0(mine).assert();
/// ```
pub fn conditional_score_returns_x0<'f>(f: impl Fn(Level, f64, f64, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "conditional_score_returns_the_data",
        "(x_t + (1 − ᾱ) ∇ ln q(x_t | x₀))/√ᾱ is x₀; with the marginal score it is not",
        Method::Numerical("difference quotient of ln q(x_t | x₀), x₀ known"),
        move |run| returns(run, &f),
    )
    .rejects(faults::RETURNS, returns)
    .rejects(faults::TWEEDIE, |run, f| returns(run, |level, xt, conditional, _| f(level, xt, conditional)))
}

fn returns(run: &Run, f: impl Fn(Level, f64, f64, f64) -> f64) -> Outcome {
    places(run, 32, |t, eps| conditional_score_returns_x0_at(&f, &Mixture1::reference(), at(t), -1.5, eps))
}

fn conditional_score_returns_x0_at(
    f: impl Fn(Level, f64, f64, f64) -> f64,
    data: &Mixture1,
    at: Pair,
    x0: f64,
    eps: f64,
) -> Outcome {
    let xt = at.channel.apply(x0, eps);
    let (a, variance) = (at.channel.signal(), at.channel.noise_var());
    let conditional = slope(|x| -(x - a * x0).powi(2) / (2.0 * variance), xt);
    let got = f(at.level, xt, conditional, data.noised(at.channel).score(xt));
    let mut trial = Trial::new();
    let tol = Tol::abs(1e-12 * (1.0 + 1.0 / a), "differences of a parabola, divided by √ᾱ");
    trial.close("x0", got, x0, tol, || format!("x0 = {x0:.4}, eps = {eps:.4}"))?;
    Ok(trial.evidence())
}

/// The variance of x₀ given x_t follows from the curvature of ln q: `f(level, ∇² ln q)`.
///
/// ```text
/// Var[x₀ | x_t] = (1 − ᾱ)/ᾱ · (1 + (1 − ᾱ) ∇² ln q(x_t))
/// ```
///
/// Method: sums over x₀, second differences. Source: Efron 2011, sect. 2.
///
/// ```
/// use alphabar::{check, score::tweedie_variance};
///
/// check::score::tweedie_variance(tweedie_variance).assert();
/// ```
pub fn tweedie_variance<'f>(f: impl Fn(Level, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "curvature_gives_the_posterior_variance",
        "(1 − ᾱ)/ᾱ (1 + (1 − ᾱ) ∇² ln q(x_t)) is Var[x₀ | x_t]",
        Method::Numerical("sums over x₀ with Bayes' weights, second differences"),
        move |run| tweedie_variances(run, &f),
    )
    .rejects(faults::CURVATURE, tweedie_variances)
}

fn tweedie_variances(run: &Run, f: impl Fn(Level, f64) -> f64) -> Outcome {
    places(run, 16, |t, xt| tweedie_variance_at(&f, &Mixture1::reference(), at(t), xt))
}

fn tweedie_variance_at(f: impl Fn(Level, f64) -> f64, data: &Mixture1, at: Pair, xt: f64) -> Outcome {
    let noised = data.noised(at.channel);
    let mean = posterior_average(data, at.channel, xt, |x0| x0);
    let want = posterior_average(data, at.channel, xt, |x0| (x0 - mean).powi(2));
    let got = f(at.level, curvature(|x| noised.log_pdf(x), xt));
    let ratio = at.channel.noise_var() / at.channel.signal().powi(2);
    let tol = Tol::abs(3e-8 * (1.0 + ratio * at.channel.noise_var()), "second differences times (1 − ᾱ)²/ᾱ");
    let mut trial = Trial::new();
    let place = || format!("noise variance {:.4}, xt = {xt:.4}", at.channel.noise_var());
    trial.close("Var[x0 | xt]", got, want, tol, place)?;
    Ok(trial.evidence())
}

/// The mean of x_{t−1} given x_t follows from the marginal score: `f(step, x_t, score)`.
///
/// ```text
/// E[x_{t−1} | x_t] = (x_t + β ∇ ln q(x_t))/√α
/// ```
///
/// Method: sums over x_{t−1} of q(x_t | x_{t−1}) q(x_{t−1}), the score by differences.
/// Source: Luo 2022, arXiv:2208.11970v1, eq. (143).
///
/// ```
/// use alphabar::{check, score::reverse_mean};
///
/// check::score::reverse_mean(reverse_mean).assert();
/// ```
pub fn reverse_mean<'f>(f: impl Fn(&Transition, f64, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "score_gives_the_reverse_mean",
        "(x_t + β ∇ ln q(x_t))/√α is E[x_{t−1} | x_t]",
        Method::Numerical("sums over x_{t−1} with Bayes' weights, score by differences"),
        move |run| reverse_means(run, &f),
    )
    .rejects(faults::REVERSE_MEANS, reverse_means)
}

fn reverse_means(run: &Run, f: impl Fn(&Transition, f64, f64) -> f64) -> Outcome {
    places(run, 16, |t, xt| {
        let (transition, channels) = step(t);
        reverse_mean_at(&f, &Mixture1::reference(), &transition, channels, xt)
    })
}

fn reverse_mean_at(
    f: impl Fn(&Transition, f64, f64) -> f64,
    data: &Mixture1,
    step: &Transition,
    (s, kernel): (Noising, Noising),
    xt: f64,
) -> Outcome {
    let (at_s, at_t) = (data.noised(s), data.noised(s.then(kernel)));
    let want = posterior_average(&at_s, kernel, xt, |xs| xs);
    let got = f(step, xt, slope(|x| at_t.log_pdf(x), xt));
    let place =
        || format!("beta = {:.3e}, noise variance at s {:.4}, xt = {xt:.4}", kernel.noise_var(), s.noise_var());
    let mut trial = Trial::new();
    trial.close("E[xs | xt]", got, want, DIFFERENCES, place)?;
    Ok(trial.evidence())
}

/// What the bound pays at a step for a network that knows the marginal score exactly: `f(step, Var[x₀ | x_t])`.
///
/// ```text
/// E_{x₀ | x_t} KL = ᾱ_{t−1} β²/(2 β̃ (1 − ᾱ_t)²) · Var[x₀ | x_t]
/// ```
///
/// Method: the relative entropy of two Gaussians of equal variance averaged over x₀ given x_t by sums, its means from
/// conditioning (information form). Source: the KL term of Ho et al. 2020, arXiv:2006.11239v2, eq. (8), averaged.
///
/// ```
/// use alphabar::{check, score::marginal_score_excess};
///
/// check::score::marginal_excess(marginal_score_excess).assert();
/// ```
pub fn marginal_excess<'f>(f: impl Fn(&Transition, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "marginal_score_still_pays_the_posterior_spread",
        "the KL term at the exact marginal score averages to ᾱ_{t−1} β²/(2β̃(1 − ᾱ)²) tr Cov[x₀ | x_t]",
        Method::OtherPremises("KL of equal variances averaged over x₀ given x_t by sums"),
        move |run| excesses(run, &f),
    )
    .rejects(faults::EXCESS, excesses)
}

fn excesses(run: &Run, f: impl Fn(&Transition, f64) -> f64) -> Outcome {
    places(run, 12, |t, xt| {
        let (transition, channels) = step(t);
        marginal_excess_at(&f, &Mixture1::reference(), &transition, channels, xt)
    })
}

fn marginal_excess_at(
    f: impl Fn(&Transition, f64) -> f64,
    data: &Mixture1,
    step: &Transition,
    (s, kernel): (Noising, Noising),
    xt: f64,
) -> Outcome {
    let level = s.then(kernel);
    let mean = posterior_average(data, level, xt, |x0| x0);
    let spread = posterior_average(data, level, xt, |x0| (x0 - mean).powi(2));
    let precision = kernel.signal().powi(2) / kernel.noise_var() + 1.0 / s.noise_var();
    let bayes = |x0: f64| (kernel.signal() * xt / kernel.noise_var() + s.signal() * x0 / s.noise_var()) / precision;
    let centre = posterior_average(data, level, xt, bayes);
    let want = posterior_average(data, level, xt, |x0| 0.5 * precision * (bayes(x0) - centre).powi(2));
    let tol = Tol::new(1e-16, 1e-12, "sums on a grid, ratios of 1 − ᾱ");
    let mut trial = Trial::new();
    let place =
        || format!("beta = {:.3e}, noise variance at s {:.4}, xt = {xt:.4}", kernel.noise_var(), s.noise_var());
    trial.close("cost of the marginal score", f(step, spread), want, tol, place)?;
    Ok(trial.evidence())
}

/// Denoising score matching equals explicit score matching up to a constant that no model changes: `f(level, ε)`.
///
/// ```text
/// E‖s − ∇ ln q(x_t | x₀)‖² = E‖s − ∇ ln q(x_t)‖² + 1/(1 − ᾱ) − E‖∇ ln q(x_t)‖²
/// ```
///
/// `f` is the regression target. Method: both Fisher divergences and the constant as separate averages over a mixture,
/// for three fixed models s. Source: Vincent 2011, eq. (11) and appendix.
///
/// ```
/// use alphabar::{check, score::denoising_target};
///
/// check::score::denoising_is_explicit(denoising_target).assert();
/// ```
pub fn denoising_is_explicit<'f>(f: impl Fn(Level, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "denoising_score_matching_is_explicit_up_to_a_constant",
        "E‖s − ∇ ln q(x_t|x₀)‖² = E‖s − ∇ ln q(x_t)‖² + a constant that no model changes",
        Method::Numerical("three models, averages over data and noise, score by differences"),
        move |run| denoisings(run, &f),
    )
    .rejects(faults::TARGETS, denoisings)
}

fn denoisings(_: &Run, f: impl Fn(Level, f64) -> f64) -> Outcome {
    let mut all = Trial::new();
    for t in [100, 500] {
        all.include(denoising_is_explicit_at(&f, &Mixture1::reference(), at(t))?);
    }
    Ok(all.evidence())
}

fn denoising_is_explicit_at(f: impl Fn(Level, f64) -> f64, data: &Mixture1, at: Pair) -> Outcome {
    let noised = data.noised(at.channel);
    let (a, sigma) = (at.channel.signal(), at.channel.noise_std());
    let models: [fn(f64) -> f64; 3] = [|_| 0.0, |x| 0.3 - 0.8 * x, |x| -(1.5 * x).tanh()];
    let fisher = noised.expect(|x| slope(|x| noised.log_pdf(x), x).powi(2));
    let mut trial = Trial::new();
    let normal = Gaussian1::new(0.0, 1.0).map_or_else(|_| Mixture1::unit_variance(), single);
    for (k, model) in models.iter().enumerate() {
        let denoising =
            data.expect(|x0| normal.expect(|eps| (model(a * x0 + sigma * eps) - f(at.level, eps)).powi(2)));
        let explicit = noised.expect(|x| (model(x) - slope(|x| noised.log_pdf(x), x)).powi(2));
        let want = explicit + 1.0 / at.channel.noise_var() - fisher;
        let tol = Tol::new(1e-13, 1e-13, "differences inside averages: 500 roundings");
        let place = || format!("model {k}, noise variance {:.4}", at.channel.noise_var());
        trial.close("denoising divergence", denoising, want, tol, place)?;
    }
    Ok(trial.evidence())
}

fn single(law: Gaussian1) -> Mixture1 {
    Mixture1::new(&[(1.0, law)]).unwrap_or_else(|_| Mixture1::reference())
}

/// Implicit score matching needs no score of the data: `f(s, ∇·s)` for a model s.
///
/// ```text
/// E(‖s‖² + 2 ∇·s) = E‖s − ∇ ln p‖² − E‖∇ ln p‖²
/// ```
///
/// Method: averages over a mixture for three models, differences. Source: Hyvärinen 2005, theorem 1 (times 2).
///
/// ```
/// use alphabar::{check, score::implicit_loss};
///
/// check::score::implicit_is_explicit(implicit_loss).assert();
/// ```
pub fn implicit_is_explicit<'f>(f: impl Fn(f64, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "implicit_score_matching_needs_no_score",
        "E(‖s‖² + 2∇·s) = E‖s − ∇ ln p‖² − E‖∇ ln p‖²",
        Method::Numerical("three models, averages over the mixture, differences"),
        move |run| implicits(run, &f),
    )
    .rejects(faults::IMPLICIT, implicits)
}

fn implicits(_: &Run, f: impl Fn(f64, f64) -> f64) -> Outcome {
    let data = Mixture1::reference();
    let models: [fn(f64) -> f64; 3] = [|x| 0.3 - 0.8 * x, |x| -(1.5 * x).tanh(), |x| (0.7 * x).sin()];
    let score = |x: f64| slope(|x| data.log_pdf(x), x);
    let mut trial = Trial::new();
    for (k, model) in models.iter().enumerate() {
        let implicit = data.expect(|x| f(model(x), slope(model, x)));
        let want = data.expect(|x| (model(x) - score(x)).powi(2) - score(x).powi(2));
        let tol = Tol::new(1e-12, 1e-12, "differences inside averages, twice");
        trial.close("implicit divergence", implicit, want, tol, || format!("model {k}"))?;
    }
    Ok(trial.evidence())
}

/// The score of the density e^{−E}/Z is `f(∇E)`, whatever Z is and whatever constant is added to E.
///
/// ```text
/// ∇ ln (e^{−E}/Z) = −∇E
/// ```
///
/// Method: differences of ln p, p normalised by sums on a grid; the double well E = x⁴/4 − x².
/// Source: LeCun et al. 2006, "A tutorial on energy-based learning", eq. (3).
///
/// ```
/// use alphabar::{check, score::score_from_energy};
///
/// check::score::energy_score(score_from_energy).assert();
/// ```
pub fn energy_score<'f>(f: impl Fn(f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "energy_gradient_is_minus_the_score",
        "the score of e^{−E}/Z is −∇E whatever Z and a constant added to E",
        Method::Numerical("density normalised by sums on a grid, differences of its logarithm"),
        move |run| energies(run, &f),
    )
    .rejects(faults::ENERGIES, energies)
}

fn energies(run: &Run, f: impl Fn(f64) -> f64) -> Outcome {
    let run = run.at_most(32);
    run.over::<2>(|[u, v]| energy_score_at(&f, uniform(u, -2.5, 2.5), uniform(v, -20.0, 20.0)))
}

fn energy_score_at(f: impl Fn(f64) -> f64, x: f64, shift: f64) -> Outcome {
    let energy = |x: f64| x.powi(4) / 4.0 - x * x + shift;
    let log_mass = {
        let cells = 4000;
        let at = |k: i32| -8.0 + 16.0 * (f64::from(k) + 0.5) / f64::from(cells);
        let mass: f64 = (0..cells).map(|k| (shift - energy(at(k))).exp()).sum();
        (mass * 16.0 / f64::from(cells)).ln() - shift
    };
    let log_pdf = |x: f64| -energy(x) - log_mass;
    let mut trial = Trial::new();
    let tol = Tol::new(1e-12 + 1e-15 * shift.abs() / 4e-3, 1e-12, "extrapolated differences, ε·|E|/h");
    let place = || format!("x = {x:.4}, energy shifted by {shift}");
    trial.close("score", f(slope(energy, x)), slope(log_pdf, x), tol, place)?;
    Ok(trial.evidence())
}

// ANCHOR: langevin
/// Unadjusted Langevin dynamics on N(0, s²) settles at another variance: `step(x, score, σ, z)`, `variance(s², σ)`.
///
/// ```text
/// x ← x + ½σ² ∇ ln p + σ z        stationary variance s²/(1 − σ²/(4 s²))
/// ```
///
/// Method: the step is affine in (x, z), so its variance recursion is iterated to its fixed point.
/// Source of the step: Welling & Teh 2011, eq. (3).
///
/// ```
/// use alphabar::{check, score::{langevin_step, langevin_variance}};
///
/// check::score::langevin_bias(langevin_step, langevin_variance).assert();
/// ```
pub fn langevin_bias<'f>(
    step: impl Fn(f64, f64, f64, f64) -> f64 + 'f,
    variance: impl Fn(f64, f64) -> Result<f64> + 'f,
) -> Check<'f> {
    Check::new(
        "langevin_overshoots_by_a_known_factor",
        "x + ½σ² score + σz settles on N(0, s²) at the variance s²/(1 − σ²/(4s²))",
        Method::Enumeration("variance recursion iterated to its fixed point"),
        move |run| langevins(run, &step, &variance),
    )
    .rejects(faults::LANGEVIN, |run, step| langevins(run, step, faults::langevin_variance))
}

fn langevins(run: &Run, f: impl Fn(f64, f64, f64, f64) -> f64, claimed: impl Fn(f64, f64) -> Result<f64>) -> Outcome {
    let run = run.at_most(24);
    run.over::<2>(|[u, v]| {
        let target = log_uniform(u, 0.1, 4.0);
        let sigma = uniform(v, 0.2, 1.9) * target.sqrt();
        langevin_bias_at(&f, |var, sigma| claimed(var, sigma).unwrap_or(f64::NAN), target, sigma)
    })
}

fn langevin_bias_at(
    f: impl Fn(f64, f64, f64, f64) -> f64,
    claimed: impl Fn(f64, f64) -> f64,
    target_var: f64,
    sigma: f64,
) -> Outcome {
    let score = |x: f64| -x / target_var;
    let step = |x: f64, z: f64| f(x, score(x), sigma, z);
    let (gain, noise) = (step(1.0, 0.0) - step(0.0, 0.0), step(0.0, 1.0) - step(0.0, 0.0));
    let mut var = target_var;
    for _ in 0..200_000 {
        let next = gain * gain * var + noise * noise;
        if (next - var).abs() <= 1e-17 * var {
            break;
        }
        var = next;
    }
    let mut trial = Trial::new();
    let tol = Tol::rel(1e-13, "fixed point of a contraction");
    let place = || format!("target variance {target_var:.4}, sigma = {sigma:.4}");
    trial.close("stationary variance", var, claimed(target_var, sigma), tol, place)?;
    Ok(trial.evidence())
}
// ANCHOR_END: langevin

/// With acceptance min(1, e^f) the Langevin proposal leaves e^{−E}/Z unchanged: `f(from, to, σ)`.
///
/// ```text
/// f = ln p(y) − ln p(x) + ln N(x; y + ½σ² s(y), σ²) − ln N(y; x + ½σ² s(x), σ²)        π P = π
/// ```
///
/// Method: the whole transition matrix on 601 points of [−6, 6], in a double well.
/// Source: Roberts & Tweedie 1996, sect. 1.4.1.
///
/// ```
/// use alphabar::{check, score::metropolis_log_ratio};
///
/// check::score::metropolis_invariance(metropolis_log_ratio).assert();
/// ```
pub fn metropolis_invariance<'f>(f: impl Fn(Proposal, Proposal, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "metropolis_correction_makes_langevin_exact",
        "accepted with min(1, ratio), a Langevin proposal leaves e^{−E}/Z unchanged",
        Method::Enumeration("whole transition matrix on 601 points, double well"),
        move |run| metropolis(run, &f),
    )
    .rejects(faults::METROPOLIS, metropolis)
}

fn metropolis(_: &Run, f: impl Fn(Proposal, Proposal, f64) -> f64) -> Outcome {
    let sigma = 0.6;
    let residual = invariance_residual(f, sigma);
    let mut trial = Trial::new();
    let tol = Tol::abs(1e-16, "sums of 601 products below 1e-2");
    trial.close("largest change of the law", residual, 0.0, tol, || format!("double well, sigma = {sigma}"))?;
    Ok(trial.evidence())
}

/// Largest change that one step makes to the law of the double well on the grid of [`metropolis_invariance`].
///
/// ```
/// use alphabar::{check::score::invariance_residual, score::metropolis_log_ratio};
///
/// assert!(invariance_residual(metropolis_log_ratio, 0.3) < 1e-15);
/// ```
#[must_use]
pub fn invariance_residual(f: impl Fn(Proposal, Proposal, f64) -> f64, sigma: f64) -> f64 {
    const N: usize = 601;
    let spacing = 12.0 / (N as f64 - 1.0);
    let point = |i: usize| {
        let x = -6.0 + spacing * i as f64;
        Proposal { x, log_density: x * x - x.powi(4) / 4.0, score: 2.0 * x - x.powi(3) }
    };
    let points: Vec<Proposal> = (0..N).map(point).collect();
    let density: Vec<f64> = points.iter().map(|p| p.log_density.exp()).collect();
    let total: f64 = density.iter().sum();
    let law: Vec<f64> = density.iter().map(|d| d / total).collect();
    let mut next = vec![0.0; N];
    for (i, from) in points.iter().enumerate() {
        let mut stays = 1.0;
        for (j, to) in points.iter().enumerate() {
            if i == j {
                continue;
            }
            let drift = to.x - from.x - 0.5 * sigma * sigma * from.score;
            let proposal =
                spacing * (-drift * drift / (2.0 * sigma * sigma)).exp() / (sigma * std::f64::consts::TAU.sqrt());
            let moves = proposal * f(*from, *to, sigma).exp().min(1.0);
            stays -= moves;
            next[j] += law[i] * moves;
        }
        next[i] += law[i] * stays;
    }
    next.iter().zip(&law).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The probability flow with velocity `f(β, x, score)` moves the marginals, as the Fokker–Planck equation does.
///
/// ```text
/// ∂p/∂t = −∂(p v)/∂x        v = −½β (x + ∇ ln p)
/// ```
///
/// Method: differences in t and x of a noised mixture's density, ᾱ(t) = e^{−t}, so β = 1.
/// Source: Song et al. 2021, arXiv:2011.13456v2, eq. (13).
///
/// ```
/// use alphabar::{check, score::flow_velocity};
///
/// check::score::continuity(flow_velocity).assert();
/// ```
pub fn continuity<'f>(f: impl Fn(f64, f64, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "probability_flow_moves_the_marginals",
        "∂p/∂t = −∂(pv)/∂x with v = −½β(x + score), which is the Fokker–Planck equation",
        Method::Numerical("differences in t and x of the noised density"),
        move |run| flows(run, &f),
    )
    .rejects(faults::FLOWS, flows)
}

fn flows(run: &Run, f: impl Fn(f64, f64, f64) -> f64) -> Outcome {
    let run = run.at_most(16);
    run.over::<2>(|[u, v]| continuity_at(&f, &Mixture1::reference(), uniform(u, 0.3, 1.5), uniform(v, -2.0, 2.0)))
}

fn continuity_at(f: impl Fn(f64, f64, f64) -> f64, data: &Mixture1, t: f64, x: f64) -> Outcome {
    let at = |t: f64| data.noised(Noising::new((-0.5 * t).exp(), -(-t).exp_m1()).unwrap_or(Noising::NONE));
    let now = at(t);
    let flux = |x: f64| now.pdf(x) * f(1.0, x, slope(|x| now.log_pdf(x), x));
    let (rise, outflow) = (slope(|t| at(t).pdf(x), t), slope(flux, x));
    let mut trial = Trial::new();
    let tol = Tol::abs(3e-11, "nested extrapolated differences: 500 roundings over h");
    trial.close("dp/dt", rise, -outflow, tol, || format!("t = {t}, x = {x:.4}"))?;
    let diffusion = 0.5 * slope(|x| x * now.pdf(x), x) + 0.5 * curvature(|x| now.pdf(x), x);
    trial.close(
        "Fokker-Planck",
        -outflow,
        diffusion,
        Tol::abs(3e-11, "nested extrapolated differences: 500 roundings over h"),
        || format!("t = {t}, x = {x:.4}"),
    )?;
    Ok(trial.evidence())
}

/// The log density collected along the probability flow is that of the data: dx/dσ = `f(σ, score)`.
///
/// ```text
/// ln p(x) = ln p_end(x_end) + ∫ ∂v/∂x dσ        v = −σ ∇ ln q_σ
/// ```
///
/// Method: [`flow_log_likelihood`] against a mixture's own density.
/// Source: Song et al. 2021, arXiv:2011.13456v2, eq. (39); Karras et al. 2022, arXiv:2206.00364v2, eq. (1).
///
/// ```
/// use alphabar::{check, score::exploding_flow_velocity};
///
/// check::score::flow_likelihood(exploding_flow_velocity).assert();
/// ```
pub fn flow_likelihood<'f>(f: impl Fn(f64, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "probability_flow_gives_the_likelihood",
        "ln p(x) is the end's log density plus the divergence collected along the flow",
        Method::Numerical("Runge–Kutta in ln σ against the mixture's density"),
        move |run| likelihoods(run, &f),
    )
    .rejects(faults::EXPLODING_FLOWS, likelihoods)
}

fn likelihoods(_: &Run, f: impl Fn(f64, f64) -> f64) -> Outcome {
    let data = Mixture1::reference();
    let mut trial = Trial::new();
    for x in [-1.5, 0.4] {
        let got = flow_log_likelihood(&f, &data, x);
        let start = data.noised(Noising::new(1.0, 1e-6).unwrap_or(Noising::NONE)).log_pdf(x);
        let tol = Tol::abs(1e-9, "Runge–Kutta with 2000 steps in ln σ, divergence by differences");
        trial.close("log density", got, start, tol, || format!("x = {x}"))?;
    }
    Ok(trial.evidence())
}

/// ln p(x) by the probability flow: ln p(x_end) + ∫ div, with velocity dx/dσ = `f(σ, score)`.
///
/// Classical Runge–Kutta in ln σ from 10⁻³ to 60, the end law exact (a Gaussian prior there costs 1.6e-6).
///
/// ```
/// use alphabar::{check::score::flow_log_likelihood, exact::Mixture1, score::exploding_flow_velocity};
///
/// let log_density = flow_log_likelihood(exploding_flow_velocity, &Mixture1::reference(), -1.5);
/// assert!((log_density + 0.918_938_87).abs() < 1e-7);
/// ```
#[must_use]
pub fn flow_log_likelihood(f: impl Fn(f64, f64) -> f64, data: &Mixture1, x: f64) -> f64 {
    let (start, end, steps) = (1e-3f64.ln(), 60f64.ln(), 2000);
    let at = |tau: f64| data.noised(Noising::new(1.0, (2.0 * tau).exp()).unwrap_or(Noising::NONE));
    // d/dτ of (x, ∫ ∂v/∂x) with τ = ln σ.
    let rate = |tau: f64, x: f64| {
        let (sigma, law) = (tau.exp(), at(tau));
        let velocity = |x: f64| sigma * f(sigma, law.score(x));
        let h = 1e-4 * (1.0 + sigma);
        let divergence = (8.0 * (velocity(x + h) - velocity(x - h))
            - (velocity(x + 2.0 * h) - velocity(x - 2.0 * h)))
            / (12.0 * h);
        [velocity(x), divergence]
    };
    let h = (end - start) / f64::from(steps);
    let (mut x, mut log_volume) = (x, 0.0);
    for k in 0..steps {
        let tau = start + h * f64::from(k);
        let a = rate(tau, x);
        let b = rate(tau + 0.5 * h, x + 0.5 * h * a[0]);
        let c = rate(tau + 0.5 * h, x + 0.5 * h * b[0]);
        let d = rate(tau + h, x + h * c[0]);
        x += h / 6.0 * (a[0] + 2.0 * b[0] + 2.0 * c[0] + d[0]);
        log_volume += h / 6.0 * (a[1] + 2.0 * b[1] + 2.0 * c[1] + d[1]);
    }
    at(end).log_pdf(x) + log_volume
}

/// Noise raises the entropy at a rate `f(J)` of the Fisher information J (de Bruijn's identity).
///
/// ```text
/// d h(X + √v Z)/dv = ½ J(X + √v Z)
/// ```
///
/// Method: differences of entropies. Source: Stam 1959, where the identity is de Bruijn's.
///
/// ```
/// use alphabar::check;
///
/// check::score::de_bruijn(|fisher| 0.5 * fisher).assert();
/// ```
pub fn de_bruijn<'f>(f: impl Fn(f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "entropy_rises_at_half_the_fisher_information",
        "d h(X + √v Z)/dv = ½ J(X + √v Z) (de Bruijn)",
        Method::Numerical("differences of entropies"),
        move |run| entropy_rates(run, &f),
    )
    .rejects(faults::ENTROPY_RATES, entropy_rates)
}

fn entropy_rates(run: &Run, f: impl Fn(f64) -> f64) -> Outcome {
    let run = run.at_most(8);
    run.over::<1>(|[u]| de_bruijn_at(&f, &Mixture1::reference(), log_uniform(u, 0.05, 2.0)))
}

fn de_bruijn_at(f: impl Fn(f64) -> f64, data: &Mixture1, v: f64) -> Outcome {
    let at = |v: f64| data.noised(Noising::new(1.0, v).unwrap_or(Noising::NONE));
    let rise = slope(|v| at(v).entropy(), v);
    let mut trial = Trial::new();
    let tol = Tol::abs(1e-8, "differences of entropies");
    trial.close("dh/dv", f(at(v).fisher()), rise, tol, || format!("v = {v:.4}"))?;
    Ok(trial.evidence())
}
