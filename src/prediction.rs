//! What a network may predict, and the affine maps between the choices: ε, x₀, v, score.
//!
//! With `x_t = √ᾱ x₀ + √(1 − ᾱ) ε` known, each of the four determines the others by `to = x·x_t + value·from`.
//! The conversions form a group: composing two gives the third, and each has an inverse wherever it exists. The mean
//! of q(x_s | x_t, x₀) is a fifth choice, which needs a transition and not only a level.

use ndarray::{Array, ArrayBase, Data, Dimension};

use crate::array::{self, Real};
use crate::error::{Error, Result};
use crate::posterior::Posterior;
use crate::schedule::{Level, Transition};

/// What the network's output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Prediction {
    /// The noise ε (diffusers: `epsilon`).
    Epsilon,
    /// The data x₀ (diffusers: `sample`).
    X0,
    /// v = √ᾱ ε − √(1 − ᾱ) x₀ (diffusers: `v_prediction`).
    V,
    /// The score ∇ log q(x_t | x₀) = −ε/√(1 − ᾱ), or its conditional mean ∇ log q(x_t).
    Score,
}

impl Prediction {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Epsilon, Self::X0, Self::V, Self::Score];
}

/// An affine map `x·x_t + value·network output`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Factor on x_t.
    pub x: f64,
    /// Factor on the converted quantity.
    pub value: f64,
}

impl Affine {
    /// The map applied to numbers.
    ///
    /// ```
    /// use alphabar::prediction::Affine;
    ///
    /// assert_eq!(Affine { x: 2.0, value: -1.0 }.at(0.5, 3.0), -2.0);
    /// ```
    #[must_use]
    pub fn at(self, xt: f64, value: f64) -> f64 {
        self.x * xt + self.value * value
    }

    /// The map applied entry by entry to arrays of one shape.
    ///
    /// ```
    /// use alphabar::prediction::Affine;
    /// use ndarray::array;
    ///
    /// assert_eq!(Affine { x: 2.0, value: -1.0 }.map(&array![0.5, 1.0], &array![3.0, 0.0])?, array![-2.0, 2.0]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the shapes differ.
    pub fn map<A: Real, D: Dimension>(
        self,
        xt: &ArrayBase<impl Data<Elem = A>, D>,
        value: &ArrayBase<impl Data<Elem = A>, D>,
    ) -> Result<Array<A, D>> {
        array::combine(self.x, xt, self.value, value)
    }
}

/// The map that turns one prediction into another at one noise level.
///
/// ```text
/// σ = √(1 − ᾱ)      from ε               from x₀              from v           from score
/// to x₀             (x_t − σ ε)/√ᾱ       x₀                   √ᾱ x_t − σ v     (x_t + σ² s)/√ᾱ
/// to ε              ε                    (x_t − √ᾱ x₀)/σ      σ x_t + √ᾱ v     −σ s
/// to v              (ε − σ x_t)/√ᾱ       (√ᾱ x_t − x₀)/σ      v                −σ (x_t + s)/√ᾱ
/// to score          −ε/σ                 (√ᾱ x₀ − x_t)/σ²     −x_t − √ᾱ v/σ    s
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (9), (15); Salimans & Ho 2022, arXiv:2202.00512v2, sect. 4 and
/// appendix D (v).
/// Accuracy: the maps from ε and the score multiply rounding errors by √((1 − ᾱ)/ᾱ) (157 at t = 1000 of the linear
/// schedule), those from x₀ by its reciprocal.
///
/// ```
/// use alphabar::{Schedule, Timestep, prediction::{Prediction, conversion}};
///
/// let level = Schedule::ddpm().level(Timestep::new(500));
/// let xt = level.signal() * 0.7 + level.noise_std() * -0.4;
/// let x0 = conversion(Prediction::Epsilon, Prediction::X0, level)?.at(xt, -0.4);
/// assert!((x0 - 0.7).abs() < 1e-12);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] from ε or the score at ᾱ = 0, where x_t holds nothing of x₀; from x₀ or to the score at
/// ᾱ = 1, where it holds no noise.
pub fn conversion(from: Prediction, to: Prediction, level: Level) -> Result<Affine> {
    use Prediction::{Epsilon, Score, V, X0};
    if from == to {
        return Ok(Affine { x: 0.0, value: 1.0 });
    }
    let (signal, sigma, variance) = (level.signal(), level.noise_std(), level.one_minus_alpha_bar());
    let divides_by_signal = matches!((from, to), (Epsilon | Score, X0 | V));
    let divides_by_sigma = from == X0 || to == Score;
    if divides_by_signal && signal <= 0.0 {
        let reason = "alpha_bar is 0 (zero terminal SNR), so x_t is pure noise; predict v or x0 instead";
        return Err(Error::Singular { what: "x0 from a predicted noise or score", reason });
    }
    if divides_by_sigma && sigma <= 0.0 {
        let reason = "alpha_bar is 1, so x_t is the data and holds no noise; start at t = 1";
        return Err(Error::Singular { what: "noise or score of clean data", reason });
    }
    let (x, value) = match (from, to) {
        (Epsilon, X0) => (1.0 / signal, -sigma / signal),
        (V, X0) => (signal, -sigma),
        (Score, X0) => (1.0 / signal, variance / signal),
        (X0, Epsilon) => (1.0 / sigma, -signal / sigma),
        (V, Epsilon) => (sigma, signal),
        (Score, Epsilon) => (0.0, -sigma),
        (Epsilon, V) => (-sigma / signal, 1.0 / signal),
        (X0, V) => (signal / sigma, -1.0 / sigma),
        (Score, V) => (-sigma / signal, -sigma / signal),
        (Epsilon, Score) => (0.0, -1.0 / sigma),
        (X0, Score) => (-1.0 / variance, signal / variance),
        (V, Score) => (-1.0, -signal / sigma),
        (Epsilon, Epsilon) | (X0, X0) | (V, V) | (Score, Score) => (0.0, 1.0),
    };
    Ok(Affine { x, value })
}

/// The mean of q(x_s | x_t, x₀) as an affine map of x_t and ε.
///
/// ```text
/// μ̃ = (x_t − β/√(1 − ᾱ_t) · ε)/√α        α = ᾱ_t/ᾱ_s, β = 1 − α
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (10).
///
/// ```
/// use alphabar::{Schedule, Timestep, prediction::mean_from_eps};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// assert_eq!(mean_from_eps(&step)?.x, 1.0 / step.alpha().sqrt());
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] at ᾱ_t = 0.
pub fn mean_from_eps(step: &Transition) -> Result<Affine> {
    let root = step.alpha().sqrt();
    if root <= 0.0 {
        let reason = "alpha_bar is 0 (zero terminal SNR); use the mean from x0";
        return Err(Error::Singular { what: "posterior mean from a predicted noise", reason });
    }
    Ok(Affine { x: 1.0 / root, value: -step.beta() / (step.t().noise_std() * root) })
}

/// The mean of q(x_s | x_t, x₀) as an affine map of x_t and any prediction.
///
/// ```text
/// from x₀       √ᾱ_s β/(1 − ᾱ_t) · x₀ + √α (1 − ᾱ_s)/(1 − ᾱ_t) · x_t
/// from ε        (x_t − β/√(1 − ᾱ_t) · ε)/√α
/// from v        √α x_t − √ᾱ_s β/√(1 − ᾱ_t) · v
/// from score    (x_t + β s)/√α
/// ```
///
/// With a network's output in place of the true value this is μ_θ.
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (7), (10), (11).
/// The forms from v and from the score follow by [`conversion`].
///
/// ```
/// use alphabar::{Schedule, Timestep, prediction::{Prediction, mean_from}};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// let (x0, eps) = (0.7, -0.4);
/// let xt = step.t().signal() * x0 + step.t().noise_std() * eps;
/// let mean = |from, value| mean_from(from, &step).map(|map| map.at(xt, value));
/// assert!((mean(Prediction::X0, x0)? - mean(Prediction::Epsilon, eps)?).abs() < 1e-12);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] from ε or the score at ᾱ_t = 0.
pub fn mean_from(from: Prediction, step: &Transition) -> Result<Affine> {
    let root = step.alpha().sqrt();
    match from {
        Prediction::Epsilon => mean_from_eps(step),
        Prediction::X0 => {
            let posterior = Posterior::new(step);
            Ok(Affine { x: posterior.xt, value: posterior.x0 })
        }
        Prediction::V => Ok(Affine { x: root, value: -step.s().signal() * step.beta() / step.t().noise_std() }),
        Prediction::Score if root <= 0.0 => {
            let reason = "alpha_bar is 0 (zero terminal SNR); use the mean from x0 or v";
            Err(Error::Singular { what: "posterior mean from a predicted score", reason })
        }
        Prediction::Score => Ok(Affine { x: 1.0 / root, value: step.beta() / root }),
    }
}

/// The prediction that belongs to a mean of q(x_s | x_t, ·): the inverse of [`mean_from`].
///
/// ```text
/// to ε          (x_t − √α μ) √(1 − ᾱ_t)/β
/// to x₀         ((1 − ᾱ_t) μ − √α (1 − ᾱ_s) x_t)/(√ᾱ_s β)
/// to v          (√α x_t − μ) √(1 − ᾱ_t)/(√ᾱ_s β)
/// to score      (√α μ − x_t)/β
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (7), (10), solved for the prediction. Accuracy: rounding errors grow as 1/β_t.
///
/// ```
/// use alphabar::{Schedule, Timestep, prediction::{Prediction, from_mean, mean_from}};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// let mean = mean_from(Prediction::V, &step)?.at(0.9, -0.2);
/// assert!((from_mean(Prediction::V, &step).at(0.9, mean) + 0.2).abs() < 1e-12);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn from_mean(to: Prediction, step: &Transition) -> Affine {
    let (s, t) = (step.s(), step.t());
    let (root, beta) = (step.alpha().sqrt(), step.beta());
    match to {
        Prediction::Epsilon => Affine { x: t.noise_std() / beta, value: -root * t.noise_std() / beta },
        Prediction::X0 => Affine {
            x: -root * s.one_minus_alpha_bar() / (s.signal() * beta),
            value: t.one_minus_alpha_bar() / (s.signal() * beta),
        },
        Prediction::V => {
            let scale = t.noise_std() / (s.signal() * beta);
            Affine { x: root * scale, value: -scale }
        }
        Prediction::Score => Affine { x: -1.0 / beta, value: root / beta },
    }
}

/// The mean of q(x_s | x_t, x₀) with x_t written out: it still needs the noise.
///
/// ```text
/// μ̃ = √ᾱ_s x₀ + √α (1 − ᾱ_s)/√(1 − ᾱ_t) · ε
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, sect. 3.2 (x_t eliminated).
///
/// ```
/// use alphabar::{Schedule, Timestep, prediction::mean_from_x0_and_eps};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// assert!((mean_from_x0_and_eps(&step, 1.0, 1.0) - 1.235_998).abs() < 1e-6);
/// ```
#[must_use]
pub fn mean_from_x0_and_eps(step: &Transition, x0: f64, eps: f64) -> f64 {
    let (s, t) = (step.s(), step.t());
    s.signal() * x0 + step.alpha().sqrt() * s.one_minus_alpha_bar() / t.noise_std() * eps
}

/// Factors that turn a network of unit-variance inputs and targets into a denoiser of `y = x₀ + σ ε`.
///
/// ```text
/// D(y) = c_skip y + c_out F(c_in y; c_noise)        target of F: (x₀ − c_skip y)/c_out
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preconditioning {
    /// Factor of y in the denoised output.
    pub skip: f64,
    /// Factor of the network's output.
    pub out: f64,
    /// Factor of y in the network's input.
    pub input: f64,
    /// What the network is told of the noise level.
    pub noise: f64,
}

impl Preconditioning {
    /// The factors for which input and target have unit variance and errors of F are amplified least.
    ///
    /// ```text
    /// r = σ² + σ_data²        c_skip = σ_data²/r        c_out = σ σ_data/√r        c_in = 1/√r        c_noise = ln(σ)/4
    /// ```
    ///
    /// Source: Karras et al. 2022, arXiv:2206.00364v2, table 1 and appendix B.6.
    /// Units: both arguments are standard deviations in data units.
    ///
    /// ```
    /// use alphabar::prediction::Preconditioning;
    ///
    /// let factors = Preconditioning::edm(0.5, 0.5)?;
    /// assert!((factors.skip - 0.5).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless both are positive and finite.
    pub fn edm(sigma: f64, sigma_data: f64) -> Result<Self> {
        for (name, value) in [("sigma", sigma), ("sigma_data", sigma_data)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::OutOfRange { name, value, expected: "a positive number" });
            }
        }
        let root = sigma.hypot(sigma_data);
        let share = sigma_data / root;
        Ok(Self { skip: share * share, out: sigma * share, input: 1.0 / root, noise: sigma.ln() / 4.0 })
    }

    /// D(y) from the network's output.
    ///
    /// ```
    /// use alphabar::prediction::Preconditioning;
    ///
    /// let factors = Preconditioning::edm(0.8, 0.5)?;
    /// assert!((factors.denoised(0.7, factors.target(0.3, 0.7)) - 0.3).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn denoised(&self, y: f64, output: f64) -> f64 {
        self.skip * y + self.out * output
    }

    /// What F is trained to return.
    ///
    /// ```
    /// use alphabar::prediction::Preconditioning;
    ///
    /// let factors = Preconditioning::edm(0.8, 0.5)?;
    /// assert_eq!(factors.target(0.3, 0.7), (0.3 - factors.skip * 0.7) / factors.out);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn target(&self, x0: f64, y: f64) -> f64 {
        (x0 - self.skip * y) / self.out
    }
}
