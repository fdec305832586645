//! The joint law of x₀, x_s and x_t for data on the line, by quadrature.

use std::f64::consts::PI;

use crate::check::witness::simulate::Marginal;
use crate::posterior::Moments;
use crate::schedule::{Betas, Level, Schedule, Transition};

/// Data on the line, given by its density.
#[derive(Clone, Copy, Debug)]
pub struct Data {
    /// Density; need not be normalised.
    pub density: fn(f64) -> f64,
    /// It is negligible outside [−reach, reach].
    pub reach: f64,
    /// Standard deviation of its narrowest feature.
    pub detail: f64,
}

/// What is known of x_s and x₀ once x_t is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Given {
    /// q(x_t).
    pub density: f64,
    /// x_s given x_t.
    pub xs: Moments,
    /// x₀ given x_t.
    pub x0: Moments,
    /// ∇ log q(x_t).
    pub score: f64,
    /// Entropy of x_s given x_t, nat.
    pub entropy: f64,
}

/// Means of [`Given`] over x_t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Averages {
    /// E Var(x_s | x_t).
    pub xs_var: f64,
    /// E Var(x₀ | x_t).
    pub x0_var: f64,
    /// E (∇ log q(x_t))².
    pub score_power: f64,
    /// h(x_s | x_t), nat.
    pub entropy: f64,
}

/// The joint law of x₀, x_s and x_t for data on the line, by the trapezoid rule alone (no conjugacy).
#[derive(Clone, Debug)]
pub struct Reverse {
    /// The transition s → t.
    pub step: Transition,
    signal_t: f64,
    noise_t: f64,
    alpha: f64,
    beta: f64,
    /// Nodes and masses of x₀.
    x0: Vec<[f64; 2]>,
    /// Nodes and masses of x_s.
    xs: Vec<[f64; 2]>,
    width: f64,
}

impl Reverse {
    /// The transition from the last but one to the last of the βs.
    ///
    /// # Panics
    /// If the βs are no valid schedule.
    #[must_use]
    pub fn of_chain(betas: &[f64], data: &Data) -> Self {
        let schedule = Schedule::new(Betas::new(betas.to_vec()).expect("βs in (0, 1)"));
        let (&beta, earlier) = betas.split_last().expect("at least one β");
        let Marginal { coefficient, var } = Marginal::through(earlier);
        Self::new(schedule.step(schedule.last()), coefficient * coefficient, var, beta, data)
    }

    /// The transition with noise β from the level ᾱ_s.
    ///
    /// # Panics
    /// Unless ᾱ_s and β are in (0, 1).
    #[must_use]
    pub fn at_level(alpha_bar: f64, beta: f64, data: &Data) -> Self {
        let level = |kept| Level::from_alpha_bar(kept).expect("in (0, 1)");
        let step = Transition::between(level(alpha_bar), level(alpha_bar * (1.0 - beta))).expect("β above 0");
        Self::new(step, alpha_bar, 1.0 - alpha_bar, beta, data)
    }

    fn new(step: Transition, kept: f64, noise: f64, beta: f64, data: &Data) -> Self {
        let alpha = 1.0 - beta;
        let (signal_t, noise_t) = ((alpha * kept).sqrt(), alpha * noise + beta);
        let narrowest = |a: f64, b: f64| (a * b / (a + b)).sqrt();
        let detail = data.detail * data.detail;
        let x0 = normalised(nodes(data.reach, narrowest(detail, noise / kept)), data.density);
        let reach = kept.sqrt() * data.reach + 9.0 * noise_t.sqrt();
        let width = narrowest(kept * detail + noise, beta / alpha);
        let law = |x: f64| x0.iter().map(|[y, mass]| mass * normal(x - kept.sqrt() * y, noise)).sum();
        let xs = normalised(nodes(reach, width), law);
        let width = xs[1][0] - xs[0][0];
        Self { step, signal_t, noise_t, alpha, beta, x0, xs, width }
    }

    /// Everything given one x_t.
    #[must_use]
    pub fn given(&self, xt: f64) -> Given {
        let residual = |x: f64| xt - self.signal_t * x;
        let (density, x0) = moments(&self.x0, |x| normal(residual(x), self.noise_t));
        let (_, [slope, _]) =
            sums(&self.x0, |x| normal(residual(x), self.noise_t), |x| [-residual(x) / self.noise_t, 0.0]);
        let root = self.alpha.sqrt();
        let (mass, xs) = moments(&self.xs, |x| normal(xt - root * x, self.beta));
        let entropy = self.conditional(xt, mass).map(|[_, p]| if p > 0.0 { -p * p.ln() } else { 0.0 });
        Given { density, xs, x0, score: slope, entropy: entropy.sum::<f64>() * self.width }
    }

    /// Means over x_t.
    #[must_use]
    pub fn averages(&self) -> Averages {
        let mut all = Averages { xs_var: 0.0, x0_var: 0.0, score_power: 0.0, entropy: 0.0 };
        for [xt, _] in &self.xs {
            let at = self.given(*xt);
            if at.density < 1e-30 {
                continue;
            }
            let weight = at.density * self.width;
            all.xs_var += weight * at.xs.var;
            all.x0_var += weight * at.x0.var;
            all.score_power += weight * at.score * at.score;
            all.entropy += weight * at.entropy;
        }
        all
    }

    /// KL(q(x_s | x_t) ‖ N(mean, var)), nat.
    #[must_use]
    pub fn divergence(&self, xt: f64, p: Moments) -> f64 {
        let (mass, _) = sums(&self.xs, |x| normal(xt - self.alpha.sqrt() * x, self.beta), |_| [0.0; 2]);
        let term = |[x, q]: [f64; 2]| {
            let log_p = -0.5 * ((2.0 * PI * p.var).ln() + (x - p.mean).powi(2) / p.var);
            if q > 0.0 { q * (q.ln() - log_p) } else { 0.0 }
        };
        self.conditional(xt, mass).map(term).sum::<f64>() * self.width
    }

    /// Nodes and density of x_s given x_t.
    fn conditional(&self, xt: f64, mass: f64) -> impl Iterator<Item = [f64; 2]> + '_ {
        let weight = move |x: f64| normal(xt - self.alpha.sqrt() * x, self.beta) / mass;
        self.xs.iter().map(move |[x, m]| [*x, m / self.width * weight(*x)])
    }
}

/// Nodes over [−reach, reach], 1.7 to a standard deviation: the rule's error is exp(−2π² 1.7²) < 1e−24.
fn nodes(reach: f64, width: f64) -> Vec<f64> {
    let half = (reach * 1.7 / width).ceil() as i32;
    (-half..=half).map(|k| reach * f64::from(k) / f64::from(half)).collect()
}

fn normalised(nodes: Vec<f64>, density: impl Fn(f64) -> f64) -> Vec<[f64; 2]> {
    let mut all: Vec<[f64; 2]> = nodes.into_iter().map(|x| [x, density(x)]).collect();
    let total: f64 = all.iter().map(|[_, p]| p).sum();
    all.iter_mut().for_each(|[_, p]| *p /= total);
    all
}

fn normal(x: f64, var: f64) -> f64 {
    (-0.5 * x * x / var).exp() / (2.0 * PI * var).sqrt()
}

/// Total weight, and the weighted means of two functions.
fn sums(law: &[[f64; 2]], weight: impl Fn(f64) -> f64, f: impl Fn(f64) -> [f64; 2]) -> (f64, [f64; 2]) {
    let (mut total, mut first, mut second) = (0.0, 0.0, 0.0);
    for [x, mass] in law {
        let (w, [a, b]) = (mass * weight(*x), f(*x));
        total += w;
        first += w * a;
        second += w * b;
    }
    (total, [first / total, second / total])
}

/// Total weight, mean and variance (around the mean, so that nothing cancels).
fn moments(law: &[[f64; 2]], weight: impl Fn(f64) -> f64 + Copy) -> (f64, Moments) {
    let (total, [mean, _]) = sums(law, weight, |x| [x, 0.0]);
    let (_, [var, _]) = sums(law, weight, |x| [(x - mean) * (x - mean), 0.0]);
    (total, Moments { mean, var })
}
