//! The posterior q(x_s | x_t, x₀) of the forward process: what a denoiser that knew x₀ would do.

use std::f64::consts::TAU;

use ndarray::{Array, ArrayBase, Data, Dimension};

use crate::array::{self, Real};
use crate::error::{Error, Result};
use crate::schedule::{Level, Transition};

/// Mean and variance of a Gaussian with covariance `var · I`, per coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Mean, data units.
    pub mean: f64,
    /// Variance, data units².
    pub var: f64,
}

/// Factors of x₀ and x_t in the posterior mean, and the posterior variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// √ᾱ_s β / (1 − ᾱ_t), on x₀.
    pub x0: f64,
    /// √α (1 − ᾱ_s) / (1 − ᾱ_t), on x_t.
    pub xt: f64,
    /// β̃ = (1 − ᾱ_s)/(1 − ᾱ_t) · β.
    pub beta_tilde: f64,
}

impl Posterior {
    /// q(x_s | x_t, x₀) for the transition s → t; s = t − 1 gives the papers' form.
    ///
    /// ```text
    /// μ̃ = (√ᾱ_s β x₀ + √α (1 − ᾱ_s) x_t)/(1 − ᾱ_t)        β̃ = (1 − ᾱ_s)/(1 − ᾱ_t) · β
    /// ```
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (6), (7). For s = 0 the mean is x₀ and β̃ = 0 exactly.
    /// Accuracy: about 2 ε in each factor, given levels rounded once.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep, posterior::Posterior};
    ///
    /// let posterior = Posterior::new(&Schedule::ddpm().step(Timestep::new(1)));
    /// assert_eq!((posterior.x0, posterior.beta_tilde), (1.0, 0.0));
    /// ```
    #[must_use]
    pub fn new(step: &Transition) -> Self {
        let (s, t) = (step.s(), step.t());
        let total = t.one_minus_alpha_bar();
        let kept = s.one_minus_alpha_bar() / total;
        if s.one_minus_alpha_bar() <= 0.0 {
            return Self { x0: 1.0, xt: 0.0, beta_tilde: 0.0 };
        }
        Self {
            x0: s.signal() * (step.beta() / total),
            xt: step.alpha().sqrt() * kept,
            beta_tilde: kept * step.beta(),
        }
    }

    /// Mean and variance at one point.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep, posterior::Posterior};
    ///
    /// let first = Posterior::new(&Schedule::ddpm().step(Timestep::new(1)));
    /// assert_eq!(first.at(0.3, -0.8).mean, 0.3);
    /// ```
    #[must_use]
    pub fn at(&self, x0: f64, xt: f64) -> Moments {
        Moments { mean: self.x0 * x0 + self.xt * xt, var: self.beta_tilde }
    }

    /// The mean for arrays of one shape.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep, posterior::Posterior};
    /// use ndarray::array;
    ///
    /// let first = Posterior::new(&Schedule::ddpm().step(Timestep::new(1)));
    /// assert_eq!(first.mean(&array![0.3, 0.5], &array![9.0, 9.0])?, array![0.3, 0.5]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the shapes differ.
    pub fn mean<A: Real, D: Dimension>(
        &self,
        x0: &ArrayBase<impl Data<Elem = A>, D>,
        xt: &ArrayBase<impl Data<Elem = A>, D>,
    ) -> Result<Array<A, D>> {
        array::combine(self.x0, x0, self.xt, xt)
    }
}

/// Mean and variance of q(x_s | x_t, x₀) at one point; see [`Posterior::new`].
///
/// ```
/// # use alphabar::{Schedule, Timestep};
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// let law = alphabar::posterior::posterior(&step, 0.3, 0.9);
/// assert!(law.var < step.beta());
/// ```
#[must_use]
pub fn posterior(step: &Transition, x0: f64, xt: f64) -> Moments {
    Posterior::new(step).at(x0, xt)
}

/// The exponent of q(x_s | x_t, x₀) as a quadratic in x = x_s: `−½ (square·x² − 2·linear·x + constant)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quadratic {
    /// Factor of x²: the precision 1/β̃.
    pub square: f64,
    /// Half the factor of −x: μ̃/β̃.
    pub linear: f64,
    /// What does not depend on x_s: C(x_t, x₀).
    pub constant: f64,
}

impl Quadratic {
    /// The exponent at one point.
    ///
    /// ```
    /// use alphabar::posterior::{Collection, posterior, quadratic};
    /// # use alphabar::{Schedule, Timestep};
    /// let step = Schedule::ddpm().step(Timestep::new(500));
    ///
    /// let exponent = quadratic(&step, 0.3, 0.9, Collection::Collected)?;
    /// assert_eq!(exponent.at(0.0), -0.5 * exponent.constant);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn at(&self, xs: f64) -> f64 {
        -0.5 * (self.square * xs * xs - 2.0 * self.linear * xs + self.constant)
    }

    /// The Gaussian that a completed square shows.
    ///
    /// ```
    /// use alphabar::posterior::{Collection, posterior, quadratic};
    /// # use alphabar::{Schedule, Timestep};
    /// let step = Schedule::ddpm().step(Timestep::new(500));
    ///
    /// let completed = quadratic(&step, 0.3, 0.9, Collection::Collected)?.completed();
    /// assert!((completed.mean - posterior(&step, 0.3, 0.9).mean).abs() < 1e-12);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn completed(&self) -> Moments {
        Moments { mean: self.linear / self.square, var: 1.0 / self.square }
    }
}

/// How far the quadratic in x_s is worked out: the lines of the textbook derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// `α/β + 1/(1 − ᾱ_s)` and `√α x_t/β + √ᾱ_s x₀/(1 − ᾱ_s)`.
    Collected,
    /// Over the common denominator `β (1 − ᾱ_s)`.
    CommonDenominator,
    /// With β written as 1 − α in the numerator.
    Expanded,
    /// With the numerator merged to 1 − ᾱ_t.
    Merged,
    /// `(1 − ᾱ_t)/(β (1 − ᾱ_s))` in front of `x² − 2 μ̃ x`.
    Factored,
}

impl Collection {
    /// Every line, in order.
    pub const ALL: [Self; 5] =
        [Self::Collected, Self::CommonDenominator, Self::Expanded, Self::Merged, Self::Factored];
}

/// The quadratic in x_s that Bayes' rule leaves in the exponent of q(x_s | x_t, x₀).
///
/// ```text
/// (α/β + 1/(1 − ᾱ_s)) x² − 2 (√α x_t/β + √ᾱ_s x₀/(1 − ᾱ_s)) x + C
///     = (1 − ᾱ_t)/(β (1 − ᾱ_s)) · (x² − 2 μ̃ x) + C
/// C = x_t²/β + ᾱ_s x₀²/(1 − ᾱ_s) − (x_t − √ᾱ_t x₀)²/(1 − ᾱ_t)
/// ```
///
/// Source: the completed square behind Ho et al. 2020, arXiv:2006.11239v2, eq. (7). C is free of x_s and of nothing else.
/// Accuracy: about 8 ε of the summed magnitudes; [`Collection::Expanded`] loses the digits of α + (1 − α).
///
/// ```
/// use alphabar::posterior::{Collection, posterior, quadratic};
/// # use alphabar::{Schedule, Timestep};
/// let step = Schedule::ddpm().step(Timestep::new(500));
///
/// let precision = quadratic(&step, 0.3, 0.9, Collection::Merged)?.square;
/// assert!((precision * posterior(&step, 0.3, 0.9).var - 1.0).abs() < 1e-12);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] at s = 0, where q(x_0 | x_t, x₀) is a point.
pub fn quadratic(step: &Transition, x0: f64, xt: f64, line: Collection) -> Result<Quadratic> {
    let (prior, total) = noise(step)?;
    let (alpha, beta) = (step.alpha(), step.beta());
    let (signal, denominator) = (step.s().signal(), beta * prior);
    let residual = xt - step.t().signal() * x0;
    let constant = xt * xt / beta + (signal * x0) * (signal * x0) / prior - residual * residual / total;
    let (square, linear) = match line {
        Collection::Collected => (alpha / beta + 1.0 / prior, alpha.sqrt() * xt / beta + signal * x0 / prior),
        Collection::CommonDenominator => {
            ((alpha * prior + beta) / denominator, (alpha.sqrt() * prior * xt + signal * beta * x0) / denominator)
        }
        Collection::Expanded => (
            (alpha - alpha * step.s().alpha_bar() + 1.0 - alpha) / denominator,
            alpha.sqrt() * prior / denominator * xt + signal * beta / denominator * x0,
        ),
        Collection::Merged => {
            (total / denominator, alpha.sqrt() * prior / denominator * xt + signal * beta / denominator * x0)
        }
        Collection::Factored => {
            let square = total / denominator;
            (square, square * (alpha.sqrt() * prior / total * xt + signal * beta / total * x0))
        }
    };
    Ok(Quadratic { square, linear, constant })
}

/// The exponent of Bayes' ratio before anything is collected.
///
/// ```text
/// −½ [ (x_t − √α x_s)²/β + (x_s − √ᾱ_s x₀)²/(1 − ᾱ_s) − (x_t − √ᾱ_t x₀)²/(1 − ᾱ_t) ]
/// ```
///
/// Source: Bayes' rule with Ho et al. 2020, arXiv:2006.11239v2, eqs. (2), (4).
///
/// ```
/// use alphabar::posterior::{Collection, bayes_exponent, quadratic};
/// # use alphabar::{Schedule, Timestep};
/// let step = Schedule::ddpm().step(Timestep::new(500));
///
/// let collected = quadratic(&step, 0.3, 0.9, Collection::Collected)?.at(0.5);
/// assert!((bayes_exponent(&step, 0.3, 0.9, 0.5)? - collected).abs() < 1e-10);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] at s = 0.
pub fn bayes_exponent(step: &Transition, x0: f64, xt: f64, xs: f64) -> Result<f64> {
    let (prior, total) = noise(step)?;
    let likelihood = xt - step.alpha().sqrt() * xs;
    let from_data = xs - step.s().signal() * x0;
    let evidence = xt - step.t().signal() * x0;
    let squares = likelihood * likelihood / step.beta() + from_data * from_data / prior;
    Ok(-0.5 * (squares - evidence * evidence / total))
}

/// ln of the constants in front of the exponent in `dims` dimensions: three Gaussians' worth.
///
/// ```text
/// ln [ (2πβ)^{−d/2} (2π(1 − ᾱ_s))^{−d/2} (2π(1 − ᾱ_t))^{d/2} ] = −d/2 · ln 2πβ̃
/// ```
///
/// Source: Bayes' rule with Ho et al. 2020, arXiv:2006.11239v2, eqs. (2), (4).
///
/// ```
/// use alphabar::posterior::log_constant;
/// # use alphabar::{Schedule, Timestep};
/// let step = Schedule::ddpm().step(Timestep::new(500));
///
/// assert!((log_constant(&step, 3)? - 3.0 * log_constant(&step, 1)?).abs() < 1e-12);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] at s = 0.
pub fn log_constant(step: &Transition, dims: usize) -> Result<f64> {
    let (prior, total) = noise(step)?;
    let each = |variance: f64| (TAU * variance).ln();
    Ok(-0.5 * dims as f64 * (each(step.beta()) + each(prior) - each(total)))
}

/// `ln q(x_t | x_s) + ln q(x_s | x₀) − ln q(x_t | x₀)`, which by Bayes and Markov is ln q(x_s | x_t, x₀).
///
/// Summed over the entries of arrays of any one shape. Source: Ho et al. 2020, arXiv:2006.11239v2, appendix A.
///
/// ```
/// use alphabar::posterior::{log_bayes_ratio, log_density};
/// use ndarray::array;
/// # use alphabar::{Schedule, Timestep};
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// let (x0, xt, xs) = (array![0.3, -0.1], array![0.9, 0.2], array![0.8, 0.1]);
///
/// let direct = log_density(&step, &x0, &xt, &xs)?;
/// assert!((log_bayes_ratio(&step, &x0, &xt, &xs)? - direct).abs() < 1e-9);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] at s = 0; [`Error::ShapeMismatch`] if the shapes differ.
pub fn log_bayes_ratio<A: Real, D: Dimension>(
    step: &Transition,
    x0: &ArrayBase<impl Data<Elem = A>, D>,
    xt: &ArrayBase<impl Data<Elem = A>, D>,
    xs: &ArrayBase<impl Data<Elem = A>, D>,
) -> Result<f64> {
    array::same_shape("xt", x0, xt)?;
    array::same_shape("xs", x0, xs)?;
    let mut total = log_constant(step, x0.len())?;
    for ((x0, xt), xs) in x0.iter().zip(xt).zip(xs) {
        total += bayes_exponent(step, x0.to_f64(), xt.to_f64(), xs.to_f64())?;
    }
    Ok(total)
}

/// ln N(x_s; μ̃, β̃ I), summed over the entries of arrays of any one shape.
///
/// ```text
/// −d/2 · ln 2πβ̃ − ‖x_s − μ̃(x_t, x₀)‖²/(2β̃)
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (6).
///
/// ```
/// use alphabar::posterior::log_density;
/// use ndarray::array;
/// # use alphabar::{Schedule, Timestep};
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// let (x0, xt, xs) = (array![0.3, -0.1], array![0.9, 0.2], array![0.8, 0.1]);
///
/// assert!(log_density(&step, &x0, &xt, &xs)?.is_finite());
/// // At t = 1 the posterior is a point.
/// assert!(log_density(&Schedule::ddpm().step(Timestep::new(1)), &x0, &xt, &xs).is_err());
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] at s = 0, where there is no density; [`Error::ShapeMismatch`] if the shapes differ.
pub fn log_density<A: Real, D: Dimension>(
    step: &Transition,
    x0: &ArrayBase<impl Data<Elem = A>, D>,
    xt: &ArrayBase<impl Data<Elem = A>, D>,
    xs: &ArrayBase<impl Data<Elem = A>, D>,
) -> Result<f64> {
    array::same_shape("xt", x0, xt)?;
    array::same_shape("xs", x0, xs)?;
    noise(step)?;
    let posterior = Posterior::new(step);
    let squares: f64 = x0
        .iter()
        .zip(xt)
        .zip(xs)
        .map(|((x0, xt), xs)| {
            let residual = xs.to_f64() - posterior.at(x0.to_f64(), xt.to_f64()).mean;
            residual * residual
        })
        .sum();
    let var = posterior.beta_tilde;
    Ok(-0.5 * (x0.len() as f64 * (TAU * var).ln() + squares / var))
}

/// 1 − ᾱ_s and 1 − ᾱ_t where both are above zero.
fn noise(step: &Transition) -> Result<(f64, f64)> {
    let (prior, total) = (step.s().one_minus_alpha_bar(), step.t().one_minus_alpha_bar());
    if prior <= 0.0 {
        let reason =
            "beta_tilde is 0 at t = 1: q(x_0 | x_1, x_0) is a point; sums over posterior terms start at t = 2";
        return Err(Error::Singular { what: "density of the posterior", reason });
    }
    Ok((prior, total))
}

/// Covariance of (x₀, x_s, x_t) for data of variance `data_var`, per coordinate.
///
/// ```text
/// v₀            √ᾱ_s v₀         √ᾱ_t v₀
/// √ᾱ_s v₀       v_s             √α v_s           v_s = ᾱ_s v₀ + 1 − ᾱ_s
/// √ᾱ_t v₀       √α v_s          v_t              v_t = ᾱ_t v₀ + 1 − ᾱ_t
/// ```
///
/// The chain is Markov: the partial covariance of x₀ and x_t given x_s is zero. Source: Ho et al. 2020,
/// arXiv:2006.11239v2, eqs. (2), (4).
///
/// ```
/// use alphabar::posterior::joint_covariance;
/// # use alphabar::{Schedule, Timestep};
/// let step = Schedule::ddpm().step(Timestep::new(500));
///
/// let c = joint_covariance(&step, 0.6);
/// assert!((c[0][2] - c[0][1] * c[1][2] / c[1][1]).abs() < 1e-15);
/// ```
#[must_use]
pub fn joint_covariance(step: &Transition, data_var: f64) -> [[f64; 3]; 3] {
    let at = |level: Level| level.alpha_bar() * data_var + level.one_minus_alpha_bar();
    let (s, t) = (step.s(), step.t());
    let (c_0s, c_0t, c_st) = (s.signal() * data_var, t.signal() * data_var, step.alpha().sqrt() * at(s));
    [[data_var, c_0s, c_0t], [c_0s, at(s), c_st], [c_0t, c_st, at(t)]]
}

/// q(x_s | x_t) for Gaussian data, which needs no x₀.
///
/// ```text
/// E[x_s | x_t] = μ̃(E[x₀ | x_t], x_t)        Var[x_s | x_t] = β̃ + (√ᾱ_s β/(1 − ᾱ_t))² Var[x₀ | x_t]
/// ```
///
/// with the linear regression `E[x₀ | x_t] = m + √ᾱ_t v (x_t − √ᾱ_t m)/(ᾱ_t v + 1 − ᾱ_t)`.
/// Source: law of total variance. `data.var = 0` gives the posterior of that point.
///
/// ```
/// use alphabar::posterior::{Moments, true_reverse};
/// # use alphabar::{Schedule, Timestep};
/// let step = Schedule::ddpm().step(Timestep::new(500));
///
/// // Data of variance 1 have the reverse variance β.
/// let law = true_reverse(&step, Moments { mean: 0.0, var: 1.0 }, 0.7);
/// assert!((law.var - step.beta()).abs() < 1e-15);
/// ```
#[must_use]
pub fn true_reverse(step: &Transition, data: Moments, xt: f64) -> Moments {
    let t = step.t();
    let marginal = t.alpha_bar() * data.var + t.one_minus_alpha_bar();
    let x0 = data.mean + t.signal() * data.var * (xt - t.signal() * data.mean) / marginal;
    let x0_var = data.var * t.one_minus_alpha_bar() / marginal;
    let posterior = Posterior::new(step);
    Moments { mean: posterior.at(x0, xt).mean, var: posterior.beta_tilde + posterior.x0 * posterior.x0 * x0_var }
}

/// `I(x_s; x₀ | x_t)` in nats for Gaussian data of variance `data_var`: what not knowing x₀ costs.
///
/// ```text
/// E_{x₀|x_t} KL(q(x_s | x_t, x₀) ‖ p) = KL(q(x_s | x_t) ‖ p) + I(x_s; x₀ | x_t)        I = ½ ln(Var[x_s | x_t]/β̃)
/// ```
///
/// It does not depend on p: training against the posterior that knows x₀ is training against the true reverse.
/// Source: chain rule of the relative entropy (Cover & Thomas 2006, eq. (2.67)). Infinite at s = 0 unless the data are a point.
///
/// ```
/// use alphabar::posterior::conditional_information;
/// # use alphabar::{Schedule, Timestep};
/// let step = Schedule::ddpm().step(Timestep::new(500));
///
/// assert!(conditional_information(&step, 1.0) > 0.0);
/// assert_eq!(conditional_information(&step, 0.0), 0.0);
/// ```
#[must_use]
pub fn conditional_information(step: &Transition, data_var: f64) -> f64 {
    let t = step.t();
    let x0_var = data_var * t.one_minus_alpha_bar() / (t.alpha_bar() * data_var + t.one_minus_alpha_bar());
    let posterior = Posterior::new(step);
    if x0_var <= 0.0 {
        return 0.0;
    }
    0.5 * (posterior.x0 * posterior.x0 * x0_var / posterior.beta_tilde).ln_1p()
}

/// One Gaussian of a mixture on the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    /// Its share; the shares of a mixture sum to 1.
    pub weight: f64,
    /// Its mean and variance.
    pub moments: Moments,
}

/// q(x_s | x_t) for data that are a mixture of Gaussians on the line: again a mixture.
///
/// ```text
/// Σ_k w_k(x_t) q_k(x_s | x_t)        w_k(x_t) ∝ w_k N(x_t; √ᾱ_t m_k, ᾱ_t v_k + 1 − ᾱ_t)
/// ```
///
/// Each q_k is [`true_reverse`] of that component. Source: Bayes' rule for the component and x_s.
///
/// ```
/// use alphabar::posterior::{Component, Moments, true_reverse, true_reverse_mixture};
/// # use alphabar::{Schedule, Timestep};
/// let step = Schedule::ddpm().step(Timestep::new(500));
///
/// let moments = Moments { mean: 0.4, var: 0.2 };
/// let reverse = true_reverse_mixture(&step, &[Component { weight: 1.0, moments }], 0.7);
/// assert_eq!(reverse[0].moments, true_reverse(&step, moments, 0.7));
/// ```
#[must_use]
pub fn true_reverse_mixture(step: &Transition, data: &[Component], xt: f64) -> Vec<Component> {
    let t = step.t();
    let log_share = |c: &Component| {
        let var = t.alpha_bar() * c.moments.var + t.one_minus_alpha_bar();
        let residual = xt - t.signal() * c.moments.mean;
        c.weight.ln() - 0.5 * (var.ln() + residual * residual / var)
    };
    let logs: Vec<f64> = data.iter().map(log_share).collect();
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logs.iter().map(|l| (l - largest).exp()).sum();
    data.iter()
        .zip(&logs)
        .map(|(c, l)| Component { weight: (l - largest).exp() / total, moments: true_reverse(step, c.moments, xt) })
        .collect()
}

/// ln β̃ with the convention that replaces the −∞ of the first step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LogVarianceClip {
    /// ln β̃_1 := ln β̃_2 (Ho et al.'s and guided-diffusion's code).
    CopySecond,
    /// ln max(β̃, floor) (diffusers: 10⁻²⁰).
    Floor(f64),
}

/// `ln β̃` of one step of a chain, with the first step's −∞ replaced.
///
/// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, sect. 3.1 (code). `second` is the transition that
/// leads to the second time of the chain.
///
/// ```
/// use alphabar::{Schedule, Timestep, posterior::{LogVarianceClip, log_variance_clipped}};
///
/// let [first, second] = [1, 2].map(|t| Schedule::ddpm().step(Timestep::new(t)));
/// let clip = LogVarianceClip::CopySecond;
/// assert_eq!(log_variance_clipped(&first, &second, clip)?, log_variance_clipped(&second, &second, clip)?);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] if the floor is not positive.
pub fn log_variance_clipped(step: &Transition, second: &Transition, clip: LogVarianceClip) -> Result<f64> {
    let beta_tilde = Posterior::new(step).beta_tilde;
    match clip {
        LogVarianceClip::CopySecond if beta_tilde <= 0.0 => Ok(Posterior::new(second).beta_tilde.ln()),
        LogVarianceClip::CopySecond => Ok(beta_tilde.ln()),
        LogVarianceClip::Floor(floor) if floor > 0.0 => Ok(beta_tilde.max(floor).ln()),
        LogVarianceClip::Floor(value) => {
            Err(Error::OutOfRange { name: "floor of the posterior variance", value, expected: "above 0" })
        }
    }
}
