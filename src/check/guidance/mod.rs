//! Claims on guidance, tried on a Gaussian mixture whose components are the classes.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use ndarray::array;

use crate::exact::{FiniteData, Gaussian1, Mixture1, Noising};
use crate::schedule::{Schedule, Timestep, Transition};

use super::score::{self, slope};
use super::{Check, Method, Outcome, Run, Tol, Trial, log_uniform, uniform};

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

    /// The law of x_t in the place of the data.
    fn of_noised_data(self) -> Self {
        Self { data: self.data.noised(self.level), level: Noising::NONE, ..self }
    }
}

const DIFFERENCES: Tol = Tol::new(2e-8, 2e-8, "five-point differences with extrapolation: h⁶ and ε/h");

/// Points over levels, classes and scales; scales of 0 and 1 hide faults and are left to the rows.
fn over(run: &Run, claim: impl Fn(&Point) -> Outcome) -> Outcome {
    run.over::<4>(|[a, b, c, d]| {
        let level = Noising::variance_preserving(uniform(a, 0.02, 0.98)).unwrap_or(Noising::NONE);
        let (class, xt, scale) = (usize::from(b > 0.5), uniform(c, -2.0, 2.0), log_uniform(d, 1.5, 7.5));
        claim(&Point { data: Mixture1::reference(), level, class, xt, scale })
    })
}

/// t = 500 of the linear schedule, class 0 (weight 0.3), x_t = 0.3.
fn middle(scale: f64) -> Point {
    let betas = Schedule::ddpm().betas().as_slice()[..500].to_vec();
    let level = Noising::from_betas(&betas).unwrap_or(Noising::NONE);
    Point { data: Mixture1::reference(), level, class: 0, xt: 0.3, scale }
}

/// `f(s, ∇ ln p(x_t | y), ∇ ln p(x_t))` is the score of `p(x_t) p(y | x_t)^s`.
///
/// ```text
/// ∇ ln p(x_t) + s (∇ ln p(x_t | y) − ∇ ln p(x_t)) = ∇ ln [p(x_t) p(y | x_t)^s]
/// ```
///
/// Method: differences of the tempered log density of a mixture whose components are the classes. Source: Ho & Salimans
/// 2022, arXiv:2207.12598, eq. (6), which writes w = s − 1.
///
/// ```
/// use alphabar::{check, guidance::{GuidanceScale, guided}};
///
/// let mine = |s: f64, c: f64, u: f64| guided(GuidanceScale::new(s).unwrap(), c, u);
/// check::guidance::classifier_free(mine).assert();
/// ```
pub fn classifier_free<'f>(f: impl Fn(f64, f64, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("five-point differences of the log density of a mixture");
    let sentence = "u + s (c − u) of scores is the score of p(x_t) p(y | x_t)^s";
    Check::new("guidance_is_the_score_of_the_tempered_density", sentence, method, move |run| scores(run, &f))
        .rejects(faults::GUIDED, scores)
}

fn scores(run: &Run, f: impl Fn(f64, f64, f64) -> f64) -> Outcome {
    over(run, |at| {
        let noised = at.data.noised(at.level);
        let got = f(at.scale, noised.class_score(at.class, at.xt), noised.score(at.xt));
        let mut trial = Trial::new();
        trial.close("guided score", got, at.tempered_slope(at.scale), DIFFERENCES, || at.place())?;
        Ok(trial.evidence())
    })
}

/// `f(γ, ∇ ln p(x_t), ∇ ln p(y | x_t))` is the score of `p(x_t) p(y | x_t)^γ`, at γ = 1 that of p(x_t | y).
///
/// ```text
/// ∇ ln p(x_t) + γ ∇ ln p(y | x_t) = ∇ ln [p(x_t) p(y | x_t)^γ]        any γ ≥ 0
/// ```
///
/// Method: differences of the tempered log density and of the class density. Source: Dhariwal & Nichol 2021,
/// arXiv:2105.05233, eq. (12).
///
/// ```
/// use alphabar::{check, guidance::{GuidanceScale, classifier_guided}};
///
/// let mine = |g: f64, score: f64, slope: f64| classifier_guided(GuidanceScale::new(g).unwrap(), score, slope);
/// check::guidance::classifier(mine).assert();
/// ```
pub fn classifier<'f>(f: impl Fn(f64, f64, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("five-point differences of responsibilities and class densities");
    let sentence = "∇ ln p(x_t) + γ ∇ ln p(y | x_t) is the score of p(x_t) p(y | x_t)^γ, at γ = 1 of p(x_t | y)";
    Check::new("classifier_guidance_adds_the_classifier_gradient", sentence, method, move |run| gradients(run, &f))
        .rejects(faults::CLASSIFIERS, gradients)
}

fn gradients(run: &Run, f: impl Fn(f64, f64, f64) -> f64) -> Outcome {
    over(run, |at| {
        let noised = at.data.noised(at.level);
        let gradient = slope(|x| noised.log_class_posterior(at.class, x), at.xt);
        let mut trial = Trial::new();
        let got = f(at.scale, noised.score(at.xt), gradient);
        trial.close("guided score", got, at.tempered_slope(at.scale), DIFFERENCES, || at.place())?;
        let class = noised.components()[at.class];
        let at_one = f(1.0, noised.score(at.xt), gradient);
        trial.close("guided score at 1", at_one, slope(|x| class.log_pdf(x), at.xt), DIFFERENCES, || at.place())?;
        Ok(trial.evidence())
    })
}

// ANCHOR: same
/// Guidance may be applied to the score, ε, x₀ or v: the guided predictions are of the same guided x₀.
///
/// ```text
/// x₀ = a x̂₀      score = (a x₀ − x_t)/σ² = −ε/σ      v = a ε − σ x₀        x_t = a x₀ + σ ε
/// ```
///
/// Method: each prediction from its definition (posterior means of the class and of the mixture), the guided one
/// brought back to the score from its definition. Source: Ho & Salimans 2022, arXiv:2207.12598, eq. (6), which is linear
/// in the prediction.
///
/// ```
/// use alphabar::{check, guidance::{GuidanceScale, guided}};
///
/// let mine = |s: f64, c: f64, u: f64| guided(GuidanceScale::new(s).unwrap(), c, u);
/// check::guidance::same_in_every_prediction(mine).assert();
/// ```
pub fn same_in_every_prediction<'f>(f: impl Fn(f64, f64, f64) -> f64 + 'f) -> Check<'f> {
    let method =
        Method::OtherPremises("posterior means of class and mixture, brought back to the score by definition");
    let sentence = "guiding the score, ε, x₀ or v gives one and the same guided prediction";
    Check::new("guidance_commutes_with_the_choice_of_prediction", sentence, method, move |run| predictions(run, &f))
        .rejects(faults::GUIDED, predictions)
}

fn predictions(run: &Run, f: impl Fn(f64, f64, f64) -> f64) -> Outcome {
    over(run, |at| {
        let (a, sigma) = (at.level.signal(), at.level.noise_std());
        let class = at.data.components()[at.class];
        let want = at.tempered_slope(at.scale);
        let tol = |scale: f64| Tol::abs(3e-8 * (1.0 + scale), "differences, and the conversion's factors");
        let place = || at.place();
        let mut trial = Trial::new();
        let x0 = f(at.scale, class.x0_hat(at.level, at.xt), at.data.x0_hat(at.level, at.xt));
        let factor = a / (sigma * sigma);
        let magnitude = factor * (x0.abs() + at.xt.abs());
        trial.close("score from guided x0", (a * x0 - at.xt) / (sigma * sigma), want, tol(magnitude), place)?;
        let eps = f(at.scale, class.eps_hat(at.level, at.xt), at.data.eps_hat(at.level, at.xt));
        trial.close("score from guided eps", -eps / sigma, want, tol(eps.abs() / sigma), place)?;
        let v = f(at.scale, class.v_hat(at.level, at.xt), at.data.v_hat(at.level, at.xt));
        let eps_of_v = sigma * at.xt + a * v;
        let magnitude = (v.abs() + at.xt.abs()) / sigma;
        trial.close("score from guided v", -eps_of_v / sigma, want, tol(magnitude), place)?;
        Ok(trial.evidence())
    })
}
// ANCHOR_END: same

/// More weight, more agreement, less diversity: the derivatives of both in the weight.
///
/// ```text
/// d/dγ E_{p_γ} ln p(y | x) = Var ln p(y | x)        d/dγ KL(p_γ ‖ p) = γ Var ln p(y | x)        p_γ ∝ p(x) p(y | x)^γ
/// ```
///
/// `f(at, γ, x)` is the unnormalised log density of p_γ in the world `at`. Method: midpoint sums on a wide grid,
/// differences in γ. Source of p_γ: Dhariwal & Nichol 2021, arXiv:2105.05233, sect. 4.3; the laws are those of any
/// exponential family.
///
/// ```
/// use alphabar::check::{self, guidance::Point};
///
/// let mine = |at: &Point, gamma: f64, x: f64| at.data.log_pdf(x) + gamma * at.data.log_class_posterior(at.class, x);
/// check::guidance::derivative_laws(mine).assert();
/// ```
pub fn derivative_laws<'f>(f: impl Fn(&Point, f64, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("sums over 4000 cells, differences in γ");
    let sentence = "d/dγ E ln p(y | x) = Var ln p(y | x) and d/dγ KL(p_γ ‖ p) = γ Var, so both rise with γ";
    Check::new("guidance_trades_diversity_for_agreement", sentence, method, move |run| laws(run, &f))
        .rejects(faults::TEMPERED, laws)
}

/// The laws cost sums over a grid: four scales are enough.
fn laws(run: &Run, f: impl Fn(&Point, f64, f64) -> f64) -> Outcome {
    run.at_most(4).over::<2>(|[u, v]| {
        let at = Point { class: usize::from(u > 0.5), ..middle(uniform(v, 0.2, 3.0)) }.of_noised_data();
        laws_at(|gamma, x| f(&at, gamma, x), &at)
    })
}

fn laws_at(f: impl Fn(f64, f64) -> f64, at: &Point) -> Outcome {
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
/// ```text
/// E(x_{t−1} | x_t, y) = (x_t + β_t ∇ ln p(x_t | y))/√α_t
/// ```
///
/// `mean(step, x_t, score)` is the reverse mean under test. The kernel is Gaussian with that mean and the variance
/// that is left over; both moments of the result are compared. Method: the class Gaussian's marginals. Source: Song et
/// al. 2021, arXiv:2011.13456, eq. (4), with the score of a class.
///
/// ```
/// use alphabar::{check, score::reverse_mean};
///
/// check::guidance::conditional_chain(reverse_mean).assert();
/// ```
pub fn conditional_chain<'f>(mean: impl Fn(&Transition, f64, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::OtherPremises("marginals and conditioning of the class's Gaussian");
    let sentence = "reverse steps with the score of a class carry its law at t to its law at s";
    Check::new("class_scores_carry_the_class_law", sentence, method, move |run| classes(run, &mean))
        .rejects(score::faults::REVERSE_MEANS, classes)
        .rejects(faults::REVERSE_MEANS, classes)
}

fn classes(run: &Run, mean: impl Fn(&Transition, f64, f64) -> f64) -> Outcome {
    let schedule = Schedule::ddpm();
    run.over::<1>(|[u]| {
        let t = 2 + (u * 998.0) as usize;
        let betas = schedule.betas().as_slice();
        let s = Noising::from_betas(&betas[..t - 1]).unwrap_or(Noising::NONE);
        let kernel = Noising::from_beta(betas[t - 1]).unwrap_or(Noising::NONE);
        let class = Mixture1::reference().components()[t % 2];
        class_law(&mean, &schedule.step(Timestep::new(t)), class, s, kernel)
    })
}

fn class_law(
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
/// It is what a sampler would have to follow to sample the tilted data exactly; the guided score is not it.
#[must_use]
pub fn noised_tilt_score(at: &Point) -> f64 {
    let tilt = |_: f64, x0: f64| at.data.log_pdf(x0) + at.scale * at.data.log_class_posterior(at.class, x0);
    let (a, variance) = (at.level.signal(), at.level.noise_var());
    let joint = |gamma: f64, x0: f64| tilt(gamma, x0) - (at.xt - a * x0).powi(2) / (2.0 * variance);
    tilted(&joint, at.scale, |x0| [(a * x0 - at.xt) / variance, 0.0])[0]
}

const POINTS: [f64; 3] = [-1.0, 0.5, 2.0];

/// With labels dropped at random, the best answer to the null token is E[x₀ | x_t] over all classes.
///
/// ```text
/// argmin_p Σ_y p(y) E[(x₀ − p)² | x_t, y] = E[x₀ | x_t]
/// ```
///
/// `f(level, x_t, points)` answers for data that are these points, each as likely. Method: the loss summed over the data,
/// minimised as a parabola. Source: Ho & Salimans 2022, arXiv:2207.12598, algorithm 1.
///
/// ```
/// use alphabar::check;
/// use alphabar::exact::Noising;
///
/// let mine = |level: Noising, xt: f64, points: &[f64]| {
///     let weight = |x0: f64| (-(xt - level.signal() * x0).powi(2) / (2.0 * level.noise_var())).exp();
///     points.iter().map(|&x0| weight(x0) * x0).sum::<f64>() / points.iter().map(|&x0| weight(x0)).sum::<f64>()
/// };
/// check::guidance::null_token(mine).assert();
/// ```
pub fn null_token<'f>(f: impl Fn(Noising, f64, &[f64]) -> f64 + 'f) -> Check<'f> {
    let method = Method::Enumeration("loss summed over the data set, minimised as a parabola");
    let sentence = "with labels dropped at random, the best answer to the null token is E[x₀ | x_t] over all classes";
    Check::new("null_token_learns_the_unconditional_denoiser", sentence, method, move |run| optimum(run, &f))
        .rejects(faults::NULL_TOKENS, optimum)
}

fn optimum(run: &Run, f: impl Fn(Noising, f64, &[f64]) -> f64) -> Outcome {
    run.over::<2>(|[u, v]| {
        let level = Noising::variance_preserving(uniform(u, 0.05, 0.9)).unwrap_or(Noising::NONE);
        let xt = uniform(v, -2.0, 2.0);
        let mut trial = Trial::new();
        let tol = Tol::new(1e-14, 1e-14, "a parabola through three values");
        let place = || format!("noise variance {:.4}, xt = {xt:.4}", level.noise_var());
        trial.close("optimum for the null token", f(level, xt, &POINTS), best_answer(level, xt), tol, place)?;
        Ok(trial.evidence())
    })
}

/// Where the loss of one number predicted for the null token at x_t is lowest, labels dropped with probability ½.
fn best_answer(level: Noising, xt: f64) -> f64 {
    let weight = |x0: f64| (-(xt - level.signal() * x0).powi(2) / (2.0 * level.noise_var())).exp() * 0.5;
    let loss = |p: f64| -> f64 { POINTS.iter().map(|&x0| weight(x0) * (x0 - p).powi(2)).sum() };
    let (a, b, c) = (loss(-1.0), loss(0.0), loss(1.0));
    0.5 * (a - c) / (a - 2.0 * b + c)
}

/// E[x₀ | x_t] of data that are these points.
fn unconditional(level: Noising, xt: f64, points: &[f64]) -> f64 {
    let data = FiniteData::on_line(points).and_then(|data| data.x0_hat(level, &array![xt]));
    data.map_or(f64::NAN, |x0| x0[0])
}
