//! Claims on scores, score matching, energies and Langevin dynamics.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use crate::exact::{Gaussian1, Mixture1, Noising};
use crate::schedule::{Level, Transition};
use crate::score::Proposal;

use super::{Outcome, Tol, Trial};

/// Derivative by five-point differences at two steps, extrapolated once.
#[must_use]
pub fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let five = |h: f64| (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h);
    let h = 4e-3;
    (16.0 * five(h) - five(2.0 * h)) / 15.0
}

/// Second derivative, the same way.
#[must_use]
pub fn curvature(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let five =
        |h: f64| (16.0 * (f(x + h) + f(x - h)) - (f(x + 2.0 * h) + f(x - 2.0 * h)) - 30.0 * f(x)) / (12.0 * h * h);
    let h = 1e-2;
    (16.0 * five(h) - five(2.0 * h)) / 15.0
}

const DIFFERENCES: Tol = Tol::new(1e-12, 1e-12, "extrapolated differences and sums on a grid, ε/h times β");

/// A noise level twice: as the theory's type and as the plain channel an exact world takes.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// For the code under test.
    pub level: Level,
    /// For the exact world.
    pub channel: Noising,
}

/// Averages over x₀ given x_t of a mixture by midpoint sums on a grid, with no conditioning formula.
#[must_use]
pub fn posterior_average(data: &Mixture1, channel: Noising, xt: f64, f: impl Fn(f64) -> f64) -> f64 {
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
/// `f(level, x_t, score)` is E[x₀ | x_t]. Method: sums over x₀ against Bayes' weights. Ledger S1.60, S1.64, B19.
///
/// # Errors
/// The mismatch found.
pub fn tweedie_mean(f: impl Fn(Level, f64, f64) -> f64, data: &Mixture1, at: Pair, xt: f64) -> Outcome {
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

/// `f(level, E[ε | x_t], ε)` is the marginal score: it must use the mean noise, not the noise that was drawn.
///
/// Method: the mean by sums over x₀, the score by differences. Ledger S1.64 (E1.5).
///
/// # Errors
/// The mismatch found.
pub fn score_of_mean_noise(
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

/// `f(level, x_t, ∇ ln q(x_t | x₀), ∇ ln q(x_t))` is x₀ itself: only the conditional score gives it back.
///
/// Method: x₀ is known; the conditional score is the difference quotient of ln q(x_t | x₀). Ledger S1.60 (E1.3).
///
/// # Errors
/// The mismatch found.
pub fn conditional_score_returns_x0(
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

/// `f(level, ∇² ln q)` is Var[x₀ | x_t]. Method: sums over x₀, second differences. Ledger B31.
///
/// # Errors
/// The mismatch found.
pub fn tweedie_variance(f: impl Fn(Level, f64) -> f64, data: &Mixture1, at: Pair, xt: f64) -> Outcome {
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

/// `f(step, x_t, score)` is E[x_s | x_t]. Method: sums over x_s of q(x_t | x_s) q(x_s). Ledger S1.61.
///
/// # Errors
/// The mismatch found.
pub fn reverse_mean(
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

/// `f(step, Var[x₀ | x_t])` is what a network with the exact marginal score still pays. Ledger S1.63.
///
/// Method: the relative entropy of two Gaussians of equal variance averaged over x₀ given x_t by sums, its means
/// from conditioning (information form).
///
/// # Errors
/// The mismatch found.
pub fn marginal_excess(
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

/// Denoising score matching equals explicit score matching up to a constant that no model can change.
///
/// `f(level, ε)` is the regression target; models are three fixed functions of x. Method: the two Fisher divergences
/// and the constant as separate averages over the mixture (E‖∇ln q(x_t|x₀)‖² = 1/(1 − ᾱ)). Ledger S2.45, S3.69.
///
/// # Errors
/// The mismatch found.
pub fn denoising_is_explicit(f: impl Fn(Level, f64) -> f64, data: &Mixture1, at: Pair) -> Outcome {
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

/// `E f(s, s') = E (s − ∇ ln p)² − E (∇ ln p)²` for any model s. Method: averages over the mixture. Ledger S2.44.
///
/// # Errors
/// The mismatch found.
pub fn implicit_is_explicit(f: impl Fn(f64, f64) -> f64, data: &Mixture1) -> Outcome {
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

/// `f(∇E)` is the score of the density e^{−E}/Z, whatever Z is. Method: differences of ln p, p normalised by sums on
/// a grid; the double well E = x⁴/4 − x². Ledger S2.42, S2.43, S2.48.
///
/// # Errors
/// The mismatch found.
pub fn energy_score(f: impl Fn(f64) -> f64, x: f64, shift: f64) -> Outcome {
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
/// One step of `f(x, score, σ, z)` on a Gaussian target: its stationary variance is `want(s², σ)`.
///
/// Method: the step is affine in (x, z), so its variance recursion is iterated to its fixed point. Ledger S2.46, A2.3.
///
/// # Errors
/// The mismatch found.
pub fn langevin_bias(
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

/// With acceptance min(1, e^f) the Langevin proposal leaves the double well's law unchanged.
///
/// Method: the whole transition matrix on 601 points of [−6, 6], π P − π. Ledger S2.50, B29.
///
/// # Errors
/// The mismatch found.
pub fn metropolis_invariance(f: impl Fn(Proposal, Proposal, f64) -> f64, sigma: f64) -> Outcome {
    let residual = invariance_residual(f, sigma);
    let mut trial = Trial::new();
    let tol = Tol::abs(1e-16, "sums of 601 products below 1e-2");
    trial.close("largest change of the law", residual, 0.0, tol, || format!("double well, sigma = {sigma}"))?;
    Ok(trial.evidence())
}

/// Largest change that one step makes to the law of the double well on the grid.
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

/// The probability flow with velocity `f(β, x, score)` moves the marginals: ∂p/∂t = −∂(p v)/∂x at β = 1.
///
/// Method: differences in t and x of the noised mixture's density, ᾱ(t) = e^{−t}. Ledger B17.
///
/// # Errors
/// The mismatch found.
pub fn continuity(f: impl Fn(f64, f64, f64) -> f64, data: &Mixture1, t: f64, x: f64) -> Outcome {
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

/// ln p(x) by the probability flow: ln p(x_end) + ∫ div, with velocity dx/dσ = `f(σ, score)`.
///
/// Classical Runge–Kutta in ln σ from 10⁻³ to 60, the end law exact (a Gaussian prior there costs 1.6e-6). Ledger B13.
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

/// `f(x)` is the rate of entropy under added noise: d h(X + √v Z)/dv = ½ J, `f(J)`. Ledger B18.
///
/// # Errors
/// The mismatch found.
pub fn de_bruijn(f: impl Fn(f64) -> f64, data: &Mixture1, v: f64) -> Outcome {
    let at = |v: f64| data.noised(Noising::new(1.0, v).unwrap_or(Noising::NONE));
    let rise = slope(|v| at(v).entropy(), v);
    let mut trial = Trial::new();
    let tol = Tol::abs(1e-8, "differences of entropies");
    trial.close("dh/dv", f(at(v).fisher()), rise, tol, || format!("v = {v:.4}"))?;
    Ok(trial.evidence())
}
