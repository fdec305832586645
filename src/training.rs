//! Algorithm 1: what a network is trained on, at which times, with which gradient, and where that leads.

use ndarray::{Array, ArrayBase, Data, Dimension};

use crate::array::{self, Real};
use crate::error::{Error, Result};
use crate::posterior::Moments;
use crate::prediction::Prediction;
use crate::schedule::{Level, MAX_STEPS, Timestep};

/// Factors of x₀ and ε in the network's target.
///
/// ```text
/// ε   0, 1        x₀   1, 0        v   −√(1 − ᾱ), √ᾱ        score   0, −1/√(1 − ᾱ)
/// ```
fn target_factors(prediction: Prediction, level: Level) -> Result<(f64, f64)> {
    let std = level.noise_std();
    Ok(match prediction {
        Prediction::Epsilon => (0.0, 1.0),
        Prediction::X0 => (1.0, 0.0),
        Prediction::V => (-std, level.signal()),
        Prediction::Score if std <= 0.0 => {
            let reason = "alpha_bar is 1, so x_t is the data and holds no noise; start at t = 1";
            return Err(Error::Singular { what: "score of clean data", reason });
        }
        Prediction::Score => (0.0, -1.0 / std),
    })
}

/// What the network is to return for data x₀ and noise ε.
///
/// ```text
/// ε → ε        x₀ → x₀        v → √ᾱ ε − √(1 − ᾱ) x₀        score → −ε/√(1 − ᾱ)
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, algorithm 1; Salimans & Ho 2022, arXiv:2202.00512v2, appendix D.
///
/// ```
/// use alphabar::{Schedule, Timestep, prediction::Prediction, training::target};
///
/// let level = Schedule::ddpm().level(Timestep::new(500));
/// assert_eq!(target(Prediction::Epsilon, level, 0.8, -0.3)?, -0.3);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] for the score of clean data.
pub fn target(prediction: Prediction, level: Level, x0: f64, eps: f64) -> Result<f64> {
    let (data, noise) = target_factors(prediction, level)?;
    Ok(data * x0 + noise * eps)
}

/// [`target`] for arrays of one shape.
///
/// ```
/// use alphabar::{Schedule, Timestep, prediction::Prediction, training::target_array};
/// use ndarray::array;
///
/// let level = Schedule::ddpm().level(Timestep::new(500));
/// let (x0, eps) = (array![0.8, 0.1], array![-0.3, 1.2]);
/// assert_eq!(target_array(Prediction::X0, level, &x0, &eps)?, x0);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::ShapeMismatch`] if the shapes differ; as [`target`].
pub fn target_array<A: Real, D: Dimension>(
    prediction: Prediction,
    level: Level,
    x0: &ArrayBase<impl Data<Elem = A>, D>,
    eps: &ArrayBase<impl Data<Elem = A>, D>,
) -> Result<Array<A, D>> {
    let (data, noise) = target_factors(prediction, level)?;
    array::combine(data, x0, noise, eps)
}

/// Probabilities of the times 1 … T in training, with the weights that keep the loss unbiased.
///
/// ```text
/// E_t[w_t L_t] = (1/T) Σ_t L_t        w_t = 1/(T p_t)
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TimeDistribution {
    /// p_t at index t − 1.
    pub probabilities: Vec<f64>,
    /// w_t at index t − 1.
    pub weights: Vec<f64>,
}

impl TimeDistribution {
    /// t ~ Uniform{1, …, T}, all weights 1.
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, algorithm 1, line 3.
    ///
    /// ```
    /// use alphabar::training::TimeDistribution;
    ///
    /// assert_eq!(TimeDistribution::uniform(4)?.weights, [1.0; 4]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for T = 0 or above [`MAX_STEPS`].
    pub fn uniform(steps: usize) -> Result<Self> {
        Self::proportional(&vec![1.0; steps])
    }

    /// p_t in proportion to the numbers given, one a time.
    ///
    /// ```
    /// use alphabar::training::TimeDistribution;
    ///
    /// let times = TimeDistribution::proportional(&[1.0, 3.0])?;
    /// assert_eq!((times.probabilities, times.weights), (vec![0.25, 0.75], vec![2.0, 1.0 / 1.5]));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for no times or too many; [`Error::EntryOutOfRange`] unless all are positive and finite.
    pub fn proportional(shares: &[f64]) -> Result<Self> {
        let count = shares.len();
        if count == 0 || count > MAX_STEPS {
            return Err(Error::CountOutOfRange { name: "times", value: count, min: 1, max: MAX_STEPS });
        }
        for (index, &value) in shares.iter().enumerate() {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::EntryOutOfRange { name: "share of a time", index, value, expected: "above 0" });
            }
        }
        let total: f64 = shares.iter().sum();
        let probabilities: Vec<f64> = shares.iter().map(|share| share / total).collect();
        let weights = probabilities.iter().map(|p| 1.0 / (count as f64 * p)).collect();
        Ok(Self { probabilities, weights })
    }

    /// p_t ∝ √E(L_t²): the choice of least variance.
    ///
    /// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, eq. (18).
    ///
    /// ```
    /// use alphabar::training::TimeDistribution;
    ///
    /// assert_eq!(TimeDistribution::loss_aware(&[1.0, 9.0])?.probabilities, [0.25, 0.75]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`TimeDistribution::proportional`].
    pub fn loss_aware(second_moments: &[f64]) -> Result<Self> {
        Self::proportional(&second_moments.iter().map(|m| m.sqrt()).collect::<Vec<_>>())
    }

    /// The time a uniform number in [0, 1) stands for: the first whose cumulative probability exceeds it.
    ///
    /// ```
    /// use alphabar::{Timestep, training::TimeDistribution};
    ///
    /// let times = TimeDistribution::uniform(4)?;
    /// assert_eq!((times.at(0.0), times.at(0.99)), (Timestep::new(1), Timestep::new(4)));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn at(&self, u: f64) -> Timestep {
        let mut sum = 0.0;
        let passed = self.probabilities.iter().take_while(|&&p| {
            sum += p;
            sum <= u
        });
        Timestep::from_model_index(passed.count().min(self.probabilities.len() - 1))
    }
}

/// One draw of algorithm 1, lines 3 and 4: a time for this sample alone and independent noise for each coordinate.
///
/// `uniform` returns numbers in [0, 1), `normal` standard normal ones.
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, algorithm 1.
///
/// ```
/// use alphabar::{Timestep, training::{TimeDistribution, draw}};
///
/// let (t, eps) = draw(&TimeDistribution::uniform(10)?, 3, &mut || 0.25, &mut || -0.4);
/// assert_eq!((t, eps), (Timestep::new(3), vec![-0.4; 3]));
/// # Ok::<(), alphabar::Error>(())
/// ```
pub fn draw(
    times: &TimeDistribution,
    dims: usize,
    uniform: &mut dyn FnMut() -> f64,
    normal: &mut dyn FnMut() -> f64,
) -> (Timestep, Vec<f64>) {
    (times.at(uniform()), (0..dims).map(|_| normal()).collect())
}

/// The smallest model with parameters: output = slope·x_t + offset, a pair (slope, offset) for each time.
///
/// Enough to show what algorithm 1 does: the gradient is exact and the optimum has a closed form.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearTable(pub Vec<[f64; 2]>);

impl LinearTable {
    /// The model's output at one time.
    ///
    /// ```
    /// use alphabar::{Timestep, training::LinearTable};
    ///
    /// assert_eq!(LinearTable(vec![[0.0, 0.0], [2.0, 1.0]]).output(Timestep::new(2), 3.0), 7.0);
    /// ```
    ///
    /// # Panics
    /// If t is not one of 1 … T.
    #[must_use]
    pub fn output(&self, t: Timestep, xt: f64) -> f64 {
        let [slope, offset] = self.0[t.model_index().expect("t ≥ 1")];
        slope * xt + offset
    }

    /// Gradient of ‖target − output‖² at one draw (x₀, t, ε), with respect to every parameter.
    ///
    /// ```text
    /// ∂/∂slope_t = 2 (output − target) x_t        ∂/∂offset_t = 2 (output − target)        0 for all other times
    /// ```
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, algorithm 1, line 5. One draw trains one transition.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep, prediction::Prediction, training::LinearTable};
    ///
    /// let level = Schedule::ddpm().level(Timestep::new(2));
    /// let table = LinearTable(vec![[0.0, 0.0]; 3]);
    /// let gradient = table.gradient(Prediction::Epsilon, Timestep::new(2), level, 0.8, -0.3)?;
    /// assert_eq!((gradient.0[0], gradient.0[1][1], gradient.0[2]), ([0.0, 0.0], 0.6, [0.0, 0.0]));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`target`].
    pub fn gradient(&self, prediction: Prediction, t: Timestep, level: Level, x0: f64, eps: f64) -> Result<Self> {
        let xt = level.signal() * x0 + level.noise_std() * eps;
        let residual = self.output(t, xt) - target(prediction, level, x0, eps)?;
        let mut gradient = vec![[0.0, 0.0]; self.0.len()];
        gradient[t.get() - 1] = [2.0 * residual * xt, 2.0 * residual];
        Ok(Self(gradient))
    }
}

/// The best affine guess of ε from x_t and the loss that remains, per coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearOptimum {
    /// Factor of x_t.
    pub slope: f64,
    /// Constant part.
    pub offset: f64,
    /// E(ε − ε̂)².
    pub floor: f64,
}

/// The noise predictor to which training converges on Gaussian data N(m, s), and its loss.
///
/// ```text
/// ε* = √(1 − ᾱ) (x_t − √ᾱ m)/(ᾱ s + 1 − ᾱ)        E(ε − ε*)² = ᾱ s/(ᾱ s + 1 − ᾱ)        = ᾱ for s = 1
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (14), whose minimum it is.
/// No network does better on these data: the law given x_t is Gaussian.
///
/// ```
/// use alphabar::{Schedule, Timestep, posterior::Moments, training::linear_optimum};
///
/// let level = Schedule::ddpm().level(Timestep::new(500));
/// let best = linear_optimum(level, Moments { mean: 0.0, var: 1.0 });
/// assert!((best.slope - level.noise_std()).abs() < 1e-15 && (best.floor - level.alpha_bar()).abs() < 1e-15);
/// ```
#[must_use]
pub fn linear_optimum(level: Level, data: Moments) -> LinearOptimum {
    let kept = level.alpha_bar() * data.var;
    let slope = level.noise_std() / (kept + level.one_minus_alpha_bar());
    LinearOptimum {
        slope,
        offset: -slope * level.signal() * data.mean,
        floor: kept / (kept + level.one_minus_alpha_bar()),
    }
}

/// The slope of ε̂ = slope·x_t shared by all levels that minimises Σ w_t E(ε − ε̂)²: it depends on the weights.
///
/// ```text
/// slope = Σ w_t √(1 − ᾱ_t) / Σ w_t (ᾱ_t E x₀² + 1 − ᾱ_t)
/// ```
///
/// With a slope of its own at each level the weights do not matter.
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (12), (14): the objective with weights, and without.
///
/// ```
/// use alphabar::{Level, posterior::Moments, training::shared_slope};
///
/// let levels = [Level::from_alpha_bar(0.9)?, Level::from_alpha_bar(0.1)?];
/// let slope = |weights: [f64; 2]| shared_slope(&levels, &weights, Moments { mean: 0.0, var: 1.0 });
/// assert!(slope([9.0, 1.0])? < slope([1.0, 9.0])?);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::CountOutOfRange`] unless there is one weight a level; [`Error::EntryOutOfRange`] unless weights are positive.
pub fn shared_slope(levels: &[Level], weights: &[f64], data: Moments) -> Result<f64> {
    if weights.len() != levels.len() || levels.is_empty() {
        let want = levels.len().max(1);
        return Err(Error::CountOutOfRange { name: "weights", value: weights.len(), min: want, max: want });
    }
    let bad = |(_, w): &(usize, &f64)| !(**w > 0.0 && w.is_finite());
    if let Some((index, &value)) = weights.iter().enumerate().find(bad) {
        return Err(Error::EntryOutOfRange { name: "weight", index, value, expected: "above 0" });
    }
    let square = data.mean * data.mean + data.var;
    let (mut cross, mut power) = (0.0, 0.0);
    for (level, weight) in levels.iter().zip(weights) {
        cross += weight * level.noise_std();
        power += weight * (level.alpha_bar() * square + level.one_minus_alpha_bar());
    }
    Ok(cross / power)
}
