//! Claims on guidance, tried on a Gaussian mixture whose components are the classes.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use crate::exact::{Gaussian1, Mixture1, Noising};
use crate::schedule::Transition;

use super::score::slope;
use super::{Outcome, Tol, Trial};

/// Where a claim on guidance is tried: a mixture, a level, a class, x_t and a scale.
#[derive(Clone, Debug)]
pub struct Point {
    /// Law of the data; class y is component y.
    pub data: Mixture1,
    /// The level of x_t.
    pub level: Noising,
    /// The class.
    pub class: usize,
    /// x_t.
    pub xt: f64,
    /// Guidance scale s = γ.
    pub scale: f64,
}

impl Point {
    fn place(&self) -> String {
        let Self { level, class, xt, scale, .. } = self;
        format!("noise variance {:.4}, class {class}, xt = {xt:.4}, scale {scale:.3}", level.noise_var())
    }

    /// ∇ of `ln p(x_t) + γ ln p(y | x_t)` by differences.
    #[must_use]
    pub fn tempered_slope(&self, gamma: f64) -> f64 {
        let noised = self.data.noised(self.level);
        slope(|x| noised.log_pdf(x) + gamma * noised.log_class_posterior(self.class, x), self.xt)
    }
}

const DIFFERENCES: Tol = Tol::new(2e-8, 2e-8, "five-point differences with extrapolation: h⁶ and ε/h");

/// `f(s, ∇ ln p(x_t | y), ∇ ln p(x_t))` is the score of `p(x_t) p(y | x_t)^s`.
///
/// Method: differences of the tempered log density. Ledger S1.77, S1.81.
///
/// # Errors
/// The mismatch found.
pub fn classifier_free(f: impl Fn(f64, f64, f64) -> f64, at: &Point) -> Outcome {
    let noised = at.data.noised(at.level);
    let got = f(at.scale, noised.class_score(at.class, at.xt), noised.score(at.xt));
    let mut trial = Trial::new();
    trial.close("guided score", got, at.tempered_slope(at.scale), DIFFERENCES, || at.place())?;
    Ok(trial.evidence())
}

/// `f(γ, ∇ ln p(x_t), ∇ ln p(y | x_t))` is the score of `p(x_t) p(y | x_t)^γ`, at γ = 1 that of p(x_t | y).
///
/// Method: differences of the tempered log density and of the class density. Ledger S1.75–S1.78.
///
/// # Errors
/// The mismatch found.
pub fn classifier(f: impl Fn(f64, f64, f64) -> f64, at: &Point) -> Outcome {
    let noised = at.data.noised(at.level);
    let gradient = slope(|x| noised.log_class_posterior(at.class, x), at.xt);
    let mut trial = Trial::new();
    let got = f(at.scale, noised.score(at.xt), gradient);
    trial.close("guided score", got, at.tempered_slope(at.scale), DIFFERENCES, || at.place())?;
    let class = noised.components()[at.class];
    let at_one = f(1.0, noised.score(at.xt), gradient);
    trial.close("guided score at 1", at_one, slope(|x| class.log_pdf(x), at.xt), DIFFERENCES, || at.place())?;
    Ok(trial.evidence())
}

// ANCHOR: same
/// Guidance may be applied to the score, ε, x₀ or v: the guided predictions are of the same guided x₀.
///
/// Method: each prediction from its definition (posterior means of the class and of the mixture), the guided one
/// brought back to the score from its definition. Ledger S1.82.
///
/// # Errors
/// The mismatch found.
pub fn same_in_every_prediction(f: impl Fn(f64, f64, f64) -> f64, at: &Point) -> Outcome {
    let (a, sigma) = (at.level.signal(), at.level.noise_std());
    let class = at.data.components()[at.class];
    let want = at.tempered_slope(at.scale);
    let tol = |scale: f64| Tol::abs(3e-8 * (1.0 + scale), "differences, and the conversion's factors");
    let mut trial = Trial::new();
    let x0 = f(at.scale, class.x0_hat(at.level, at.xt), at.data.x0_hat(at.level, at.xt));
    let factor = a / (sigma * sigma);
    let magnitude = factor * (x0.abs() + at.xt.abs());
    trial.close("score from guided x0", (a * x0 - at.xt) / (sigma * sigma), want, tol(magnitude), || at.place())?;
    let eps = f(at.scale, class.eps_hat(at.level, at.xt), at.data.eps_hat(at.level, at.xt));
    trial.close("score from guided eps", -eps / sigma, want, tol(eps.abs() / sigma), || at.place())?;
    let v = f(at.scale, class.v_hat(at.level, at.xt), at.data.v_hat(at.level, at.xt));
    let eps_of_v = sigma * at.xt + a * v;
    trial
        .close("score from guided v", -eps_of_v / sigma, want, tol((v.abs() + at.xt.abs()) / sigma), || at.place())?;
    Ok(trial.evidence())
}
// ANCHOR_END: same

/// `d/dγ E_{p_γ} ln p(y | x) = Var` and `d/dγ KL(p_γ ‖ p) = γ Var`: more weight, more agreement, less diversity.
///
/// `f(γ, x)` is the unnormalised log density of p_γ. Method: midpoint sums on a wide grid, differences in γ.
/// Ledger S1.74, S1.78, B26.
///
/// # Errors
/// The mismatch found.
pub fn derivative_laws(f: impl Fn(f64, f64) -> f64, at: &Point) -> Outcome {
    let noised = at.data.noised(at.level);
    let agreement = |x: f64| noised.log_class_posterior(at.class, x);
    let moments = |gamma: f64| tilted(&f, gamma, |x| [agreement(x), agreement(x).powi(2)]);
    let kl = |gamma: f64| {
        let (mass, _) = normaliser(&f, gamma);
        tilted(&f, gamma, |x| [f(gamma, x) - mass - noised.log_pdf(x), 0.0])[0]
    };
    let [mean, square] = moments(at.scale);
    let variance = square - mean * mean;
    let tol = Tol::new(1e-10, 1e-10, "extrapolated differences in gamma of sums on a grid");
    let mut trial = Trial::new();
    let rise = slope(|gamma| moments(gamma)[0], at.scale);
    trial.close("d/dgamma E log p(y | x)", rise, variance, tol, || at.place())?;
    trial.close("d/dgamma KL", slope(kl, at.scale), at.scale * variance, tol, || at.place())?;
    trial.at_most("variance is not negative", -variance, 0.0, Tol::abs(1e-12, "rounding"), || at.place())?;
    Ok(trial.evidence())
}

/// Variance of `ln p(y | x)` under the density that f gives at γ.
#[must_use]
pub fn agreement_variance(f: impl Fn(f64, f64) -> f64, at: &Point) -> f64 {
    let noised = at.data.noised(at.level);
    let agreement = |x: f64| noised.log_class_posterior(at.class, x);
    let [mean, square] = tilted(&f, at.scale, |x| [agreement(x), agreement(x).powi(2)]);
    square - mean * mean
}

const HALF_WIDTH: f64 = 12.0;
const CELLS: i32 = 4000;

fn grid() -> impl Iterator<Item = f64> {
    (0..CELLS).map(|k| HALF_WIDTH * (2.0 * (f64::from(k) + 0.5) / f64::from(CELLS) - 1.0))
}

/// ln of the mass of e^f on the grid, and the largest f.
fn normaliser(f: &impl Fn(f64, f64) -> f64, gamma: f64) -> (f64, f64) {
    let top = grid().map(|x| f(gamma, x)).fold(f64::NEG_INFINITY, f64::max);
    let mass: f64 = grid().map(|x| (f(gamma, x) - top).exp()).sum();
    (top + (mass * 2.0 * HALF_WIDTH / f64::from(CELLS)).ln(), top)
}

fn tilted(f: &impl Fn(f64, f64) -> f64, gamma: f64, g: impl Fn(f64) -> [f64; 2]) -> [f64; 2] {
    let (_, top) = normaliser(f, gamma);
    let (mut mass, mut sums) = (0.0, [0.0; 2]);
    for x in grid() {
        let weight = (f(gamma, x) - top).exp();
        if weight > 0.0 {
            mass += weight;
            let values = g(x);
            sums[0] += weight * values[0];
            sums[1] += weight * values[1];
        }
    }
    sums.map(|sum| sum / mass)
}

/// Reverse steps with the class score carry the class's law at t to its law at s.
///
/// `mean(step, x_t, score)` is the reverse mean under test. The kernel is Gaussian with that mean and the variance
/// that is left over; both moments of the result are compared. Method: the class Gaussian's marginals.
/// Ledger S1.73.
///
/// # Errors
/// The mismatch found.
pub fn conditional_chain(
    mean: impl Fn(&Transition, f64, f64) -> f64,
    step: &Transition,
    class: Gaussian1,
    s: Noising,
    kernel: Noising,
) -> Outcome {
    let (at_s, at_t) = (class.noised(s), class.noised(s.then(kernel)));
    let reverse = |x: f64| mean(step, x, at_t.score(x));
    let (offset, gain) = (reverse(0.0), reverse(1.0) - reverse(0.0));
    // Var(x_s) = gain² Var(x_t) + Var(x_s | x_t), and Cov(x_s, x_t) = √α Var(x_s) fixes the gain.
    let left_over = class.xs_given_xt(s, kernel, 0.3).var();
    let place = || format!("class N({}, {:.4}), noise variance {:.4}", class.mean(), class.var(), s.noise_var());
    let tol = Tol::new(1e-14, 1e-13, "a dozen roundings, levels from two routes");
    let mut trial = Trial::new();
    trial.close("mean of x_s", offset + gain * at_t.mean(), at_s.mean(), tol, place)?;
    trial.close("variance of x_s", gain * gain * at_t.var() + left_over, at_s.var(), tol, place)?;
    Ok(trial.evidence())
}

/// The score of the noised tilted data `∝ p(x₀) p(y | x₀)^γ`, by sums over x₀.
///
/// It is what a sampler would have to follow to sample the tilted data exactly; the guided score is not it (A1.5).
#[must_use]
pub fn noised_tilt_score(at: &Point) -> f64 {
    let tilt = |_: f64, x0: f64| at.data.log_pdf(x0) + at.scale * at.data.log_class_posterior(at.class, x0);
    let (a, variance) = (at.level.signal(), at.level.noise_var());
    let joint = |gamma: f64, x0: f64| tilt(gamma, x0) - (at.xt - a * x0).powi(2) / (2.0 * variance);
    tilted(&joint, at.scale, |x0| [(a * x0 - at.xt) / variance, 0.0])[0]
}
