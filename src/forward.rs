//! The forward process: a chain of linear Gaussian kernels that turns data into noise.
//!
//! ```text
//! x_t = √α_t x_{t−1} + √β_t ε_t        x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε
//! ```
//!
//! The second line is equal to the first in law, not along a path: its ε is a new variable, a mixture of
//! ε_1 … ε_t. [`expansion`] keeps them apart.

use std::f64::consts::TAU;

use ndarray::{Array, ArrayBase, Data, Dimension};

use crate::array::{self, Real};
use crate::error::{Error, Result};
use crate::posterior::Moments;
use crate::schedule::{Level, Schedule, Timestep, Transition};

/// A linear Gaussian kernel `q(y | x) = N(scale · x, var · I)`.
///
/// Source: the atomic encoder N(a x, σ² I) of the ledger, S1.17; VP and VE processes are chains of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kernel {
    /// Factor on x.
    pub scale: f64,
    /// Variance of the noise, data units². Always a variance, never a standard deviation (E2.1).
    pub var: f64,
}

impl Kernel {
    /// `q(x_t | x_s) = N(√α x_s, β I)`; neighbouring times give α_t and β_t.
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (2); ledger S0.04, S0.07, S1.21, S2.08, S3.06, S0.16.
    #[must_use]
    pub fn between(step: &Transition) -> Self {
        Self { scale: step.alpha().sqrt(), var: step.beta() }
    }

    /// `q(x_t | x_0) = N(√ᾱ x_0, (1 − ᾱ) I)`.
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (4); ledger S0.17, S0.18, S1.27, S1.28, S1.55 (E1.1), S2.09,
    /// S2.20, S3.27 (E3.6), S3.30, S3.33.
    #[must_use]
    pub fn from_data(level: Level) -> Self {
        Self { scale: level.signal(), var: level.one_minus_alpha_bar() }
    }

    /// The kernel that keeps unit variance: `N(a x, (1 − a²) I)`.
    ///
    /// Source: ledger S1.19, S1.20. `1 − a²` is formed as (1 − a)(1 + a).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless |a| ≤ 1.
    pub fn variance_preserving(scale: f64) -> Result<Self> {
        if !(-1.0..=1.0).contains(&scale) {
            return Err(Error::OutOfRange { name: "scale", value: scale, expected: "−1 ≤ scale ≤ 1" });
        }
        Ok(Self { scale, var: (1.0 - scale) * (1.0 + scale) })
    }

    /// First this kernel, then `next`: `N(b a x, (b² v + w) I)` for (a, v) followed by (b, w).
    ///
    /// Source: the merging of two independent noises; ledger S0.13–S0.16, S1.26 (equality in law, A0.1, A1.6).
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self { scale: self.scale * next.scale, var: next.scale * next.scale * self.var + next.var }
    }

    /// Mean and variance of y given x.
    #[must_use]
    pub fn at(self, x: f64) -> Moments {
        Moments { mean: self.scale * x, var: self.var }
    }

    /// Mean and variance of y when x has the given ones.
    ///
    /// ```text
    /// E[y] = a E[x]        Var[y] = a² Var[x] + v
    /// ```
    ///
    /// Source: ledger S1.18 (A1.1: `a² + σ²` only for unit variance), S2.05. A Gaussian x gives a Gaussian y.
    #[must_use]
    pub fn push(self, x: Moments) -> Moments {
        Moments { mean: self.scale * x.mean, var: self.scale * self.scale * x.var + self.var }
    }

    /// One draw of y from x and a standard normal ε: `a x + √v ε`.
    #[must_use]
    pub fn draw(self, x: f64, noise: f64) -> f64 {
        self.scale * x + self.var.sqrt() * noise
    }

    /// [`Kernel::draw`] entry by entry. Shapes: any, the same for both.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the shapes differ.
    pub fn sample<A: Real, D: Dimension>(
        self,
        x: &ArrayBase<impl Data<Elem = A>, D>,
        noise: &ArrayBase<impl Data<Elem = A>, D>,
    ) -> Result<Array<A, D>> {
        array::combine(self.scale, x, self.var.sqrt(), noise)
    }

    /// ln q(y | x) of one coordinate, nat. A kernel without noise is a point mass: ±∞.
    #[must_use]
    pub fn log_density(self, y: f64, x: f64) -> f64 {
        let off = y - self.scale * x;
        if self.var <= 0.0 {
            return if off.abs() > 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
        }
        -0.5 * (off * off / self.var + (TAU * self.var).ln())
    }
}

/// `x_t = √ᾱ x_0 + √(1 − ᾱ) ε` entry by entry: a noised sample at any level in one step.
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (4); ledger S0.08, S0.17, S2.20. Shapes: any, the same for both.
/// Accuracy: the coefficients are f64 rounded once to the element type.
///
/// # Errors
/// [`Error::ShapeMismatch`] if the shapes differ.
pub fn add_noise<A: Real, D: Dimension>(
    level: Level,
    x0: &ArrayBase<impl Data<Elem = A>, D>,
    noise: &ArrayBase<impl Data<Elem = A>, D>,
) -> Result<Array<A, D>> {
    Kernel::from_data(level).sample(x0, noise)
}

/// x_t written out in an earlier state and the noises of the steps between: `state · x_s + Σ noise_i ε_i`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expansion {
    /// Factor on x_s.
    pub state: f64,
    /// Factors on ε_{s+1} … ε_t.
    pub noise: Vec<f64>,
}

impl Expansion {
    /// x_t along one path; missing noises count as zero.
    #[must_use]
    pub fn at(&self, state: f64, noise: &[f64]) -> f64 {
        self.noise.iter().zip(noise).fold(self.state * state, |sum, (factor, eps)| sum + factor * eps)
    }

    /// Variance of the noise part: the sum of the squared factors.
    #[must_use]
    pub fn var(&self) -> f64 {
        self.noise.iter().map(|factor| factor * factor).sum()
    }
}

/// The roll-out of the chain from s to t.
///
/// ```text
/// x_t = √(α_{s+1} … α_t) x_s + Σ_i √(α_{i+1} … α_t) √β_i ε_i        i = s + 1 … t
/// ```
///
/// Source: ledger S0.10, S0.11, S1.24, S1.25, S3.26, S3.31 (E3.8: every root covers the whole product). The squares of
/// the noise factors sum to `1 − ᾱ_t/ᾱ_s` (S3.28, S3.32).
///
/// # Panics
/// Unless s < t ≤ T.
#[must_use]
pub fn expansion(schedule: &Schedule, s: Timestep, t: Timestep) -> Expansion {
    let factor = |i: usize| {
        let i = Timestep::new(i);
        let kept = if i < t { schedule.transition(i, t).alpha() } else { 1.0 };
        (kept * schedule.beta(i)).sqrt()
    };
    let noise = (s.get() + 1..=t.get()).map(factor).collect();
    Expansion { state: schedule.transition(s, t).alpha().sqrt(), noise }
}

/// `ln q(x_{1:T} | x_0) = Σ_t ln q(x_t | x_{t−1})` of one coordinate's path x_0 … x_T, nat.
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (2); ledger S0.03 (E0.1: no factor q(x_0)), S1.16, S3.07.
///
/// # Errors
/// [`Error::CountOutOfRange`] unless the path has T + 1 numbers.
pub fn path_log_density(schedule: &Schedule, path: &[f64]) -> Result<f64> {
    let count = schedule.len() + 1;
    if path.len() != count {
        return Err(Error::CountOutOfRange { name: "states of the path", value: path.len(), min: count, max: count });
    }
    let term =
        |((_, step), pair): ((Timestep, Transition), &[f64])| Kernel::between(&step).log_density(pair[1], pair[0]);
    Ok(schedule.steps().zip(path.windows(2)).map(term).sum())
}

/// Cov(x_s, x_t) of one coordinate for s ≤ t when x_0 has variance `data_var`.
///
/// ```text
/// Cov(x_s, x_t) = √(ᾱ_t/ᾱ_s) Var(x_s)        Var(x_s) = ᾱ_s Var(x_0) + 1 − ᾱ_s
/// ```
///
/// Source: ledger S0.18, S1.12, S3.02 (the precision matrix is tri-diagonal), S1.19 (unit variance stays).
///
/// # Panics
/// Unless s ≤ t ≤ T.
#[must_use]
pub fn covariance(schedule: &Schedule, s: Timestep, t: Timestep, data_var: f64) -> f64 {
    let kept = if s == t { 1.0 } else { schedule.transition(s, t).alpha().sqrt() };
    kept * Kernel::from_data(schedule.level(s)).push(Moments { mean: 0.0, var: data_var }).var
}
