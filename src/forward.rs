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
/// Variance-preserving and variance-exploding processes are chains of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kernel {
    /// Factor on x.
    pub scale: f64,
    /// Variance of the noise, data units². Always a variance, never a standard deviation.
    pub var: f64,
}

impl Kernel {
    /// `q(x_t | x_s) = N(√α x_s, β I)`; neighbouring times give α_t and β_t.
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (2).
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep, forward::Kernel};
    ///
    /// let step = Schedule::ddpm().step(Timestep::new(10));
    /// assert_eq!(Kernel::between(&step).var, step.beta());
    /// ```
    #[must_use]
    pub fn between(step: &Transition) -> Self {
        Self { scale: step.alpha().sqrt(), var: step.beta() }
    }

    /// `q(x_t | x_0) = N(√ᾱ x_0, (1 − ᾱ) I)`.
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (4).
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep, forward::Kernel};
    ///
    /// let kernel = Kernel::from_data(Schedule::ddpm().level(Timestep::new(500)));
    /// assert!((kernel.scale - 0.280_334).abs() < 1e-6);
    /// ```
    #[must_use]
    pub fn from_data(level: Level) -> Self {
        Self { scale: level.signal(), var: level.one_minus_alpha_bar() }
    }

    /// The kernel that keeps unit variance: `N(a x, (1 − a²) I)`.
    ///
    /// Source: Song et al. 2021, arXiv:2011.13456, sect. 3.4. `1 − a²` is formed as (1 − a)(1 + a).
    ///
    /// ```
    /// use alphabar::forward::Kernel;
    ///
    /// assert!((Kernel::variance_preserving(0.6)?.var - 0.64).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
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
    /// Source: the merging of two independent noises: the two are equal in law, not along a path.
    ///
    /// ```
    /// use alphabar::forward::Kernel;
    ///
    /// let two = Kernel { scale: 0.5, var: 0.2 }.then(Kernel { scale: 2.0, var: 0.1 });
    /// assert_eq!((two.scale, two.var), (1.0, 0.9));
    /// ```
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self { scale: self.scale * next.scale, var: next.scale * next.scale * self.var + next.var }
    }

    /// Mean and variance of y given x.
    ///
    /// ```
    /// use alphabar::forward::Kernel;
    ///
    /// assert_eq!(Kernel { scale: 0.5, var: 0.2 }.at(3.0).mean, 1.5);
    /// ```
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
    /// Source: law of total variance; `a² + σ²` only for unit variance. A Gaussian x gives a Gaussian y.
    ///
    /// ```
    /// use alphabar::{forward::Kernel, posterior::Moments};
    ///
    /// let y = Kernel { scale: 0.5, var: 0.2 }.push(Moments { mean: 3.0, var: 4.0 });
    /// assert_eq!((y.mean, y.var), (1.5, 1.2));
    /// ```
    #[must_use]
    pub fn push(self, x: Moments) -> Moments {
        Moments { mean: self.scale * x.mean, var: self.scale * self.scale * x.var + self.var }
    }

    /// One draw of y from x and a standard normal ε: `a x + √v ε`.
    ///
    /// ```
    /// use alphabar::forward::Kernel;
    ///
    /// assert_eq!(Kernel { scale: 0.5, var: 0.25 }.draw(3.0, -1.0), 1.0);
    /// ```
    #[must_use]
    pub fn draw(self, x: f64, noise: f64) -> f64 {
        self.scale * x + self.var.sqrt() * noise
    }

    /// [`Kernel::draw`] entry by entry. Shapes: any, the same for both.
    ///
    /// ```
    /// use alphabar::forward::Kernel;
    /// use ndarray::array;
    ///
    /// let y = Kernel { scale: 0.5, var: 0.25 }.sample(&array![3.0, 1.0], &array![-1.0, 0.0])?;
    /// assert_eq!(y, array![1.0, 0.5]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
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
    ///
    /// ```
    /// use alphabar::forward::Kernel;
    ///
    /// let standard = Kernel { scale: 0.0, var: 1.0 };
    /// assert!((standard.log_density(0.0, 5.0) + 0.918_939).abs() < 1e-6);
    /// ```
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
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (4). Shapes: any, the same for both.
/// Accuracy: the coefficients are f64 rounded once to the element type.
///
/// ```
/// use alphabar::{Level, forward::add_noise};
/// use ndarray::array;
///
/// let level = Level::from_alpha_bar(0.36)?;
/// assert_eq!(add_noise(level, &array![1.0], &array![0.0])?, array![0.6]);
/// # Ok::<(), alphabar::Error>(())
/// ```
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
    ///
    /// ```
    /// use alphabar::forward::Expansion;
    ///
    /// assert_eq!(Expansion { state: 0.5, noise: vec![0.25, 0.75] }.at(2.0, &[4.0, 0.0]), 2.0);
    /// ```
    #[must_use]
    pub fn at(&self, state: f64, noise: &[f64]) -> f64 {
        self.noise.iter().zip(noise).fold(self.state * state, |sum, (factor, eps)| sum + factor * eps)
    }

    /// Variance of the noise part: the sum of the squared factors.
    ///
    /// ```
    /// use alphabar::forward::Expansion;
    ///
    /// assert_eq!(Expansion { state: 0.5, noise: vec![0.5, 0.5] }.var(), 0.5);
    /// ```
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
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (2) iterated; every root covers the whole product. The squares of the
/// noise factors sum to `1 − ᾱ_t/ᾱ_s`.
///
/// ```
/// use alphabar::{Schedule, Timestep, forward::expansion};
///
/// let schedule = Schedule::ddpm();
/// let two = expansion(&schedule, Timestep::new(8), Timestep::new(10));
/// assert_eq!(two.noise[1], schedule.beta(Timestep::new(10)).sqrt());
/// ```
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
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (2); there is no factor q(x_0).
///
/// ```
/// use alphabar::{Betas, Schedule, forward::{Kernel, path_log_density}};
///
/// let chain = Schedule::new(Betas::new(vec![0.1])?);
/// let one = Kernel::from_data(chain.level(chain.last())).log_density(0.2, 0.5);
/// assert!((path_log_density(&chain, &[0.5, 0.2])? - one).abs() < 1e-12);
/// # Ok::<(), alphabar::Error>(())
/// ```
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
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (2), (4). The precision matrix is tri-diagonal; unit variance stays.
///
/// ```
/// use alphabar::{Schedule, Timestep, forward::covariance};
///
/// let [s, t] = [100, 300].map(Timestep::new);
/// // Data of variance 1 keep it.
/// assert!((covariance(&Schedule::ddpm(), t, t, 1.0) - 1.0).abs() < 1e-15);
/// assert!(covariance(&Schedule::ddpm(), s, t, 1.0) < 1.0);
/// ```
///
/// # Panics
/// Unless s ≤ t ≤ T.
#[must_use]
pub fn covariance(schedule: &Schedule, s: Timestep, t: Timestep, data_var: f64) -> f64 {
    let kept = if s == t { 1.0 } else { schedule.transition(s, t).alpha().sqrt() };
    kept * Kernel::from_data(schedule.level(s)).push(Moments { mean: 0.0, var: data_var }).var
}
