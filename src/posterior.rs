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
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (6), (7); ledger S0.51, S0.52, S1.32, S1.34, S2.18, S2.19,
    /// S3.41. For s = 0 the mean is x₀ and β̃ = 0 exactly.
    /// Accuracy: about 2 ε in each factor, given levels rounded once.
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
    #[must_use]
    pub fn at(&self, x0: f64, xt: f64) -> Moments {
        Moments { mean: self.x0 * x0 + self.xt * xt, var: self.beta_tilde }
    }

    /// The mean for arrays of one shape.
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
    #[must_use]
    pub fn at(&self, xs: f64) -> f64 {
        -0.5 * (self.square * xs * xs - 2.0 * self.linear * xs + self.constant)
    }

    /// The Gaussian that a completed square shows.
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
/// Source: review note, eqs. (12) to (17); ledger S0.44 to S0.50, S1.32. C is free of x_s and of nothing else (E0.8).
/// Accuracy: about 8 ε of the summed magnitudes; [`Collection::Expanded`] loses the digits of α + (1 − α).
///
/// # Errors
/// [`Error::Singular`] at s = 0, where q(x_0 | x_t, x₀) is a point (A0.2).
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
/// Source: review note, eq. (11); ledger S0.43, S1.31, S3.39.
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
/// Source: ledger S3.38.
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
/// Summed over the entries of arrays of any one shape. Source: Ho et al. 2020, arXiv:2006.11239v2, appendix A;
/// ledger S0.30, S0.41, S1.30, S3.37.
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
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (6); ledger S1.33, S2.17, S3.40, S3.41.
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
/// The chain is Markov: the partial covariance of x₀ and x_t given x_s is zero. Source: ledger S0.42.
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
/// Source: law of total variance; ledger S1.29, S2.14. `data.var = 0` gives the posterior of that point.
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
/// Source: ledger B28, S1.45. Infinite at s = 0 unless the data are a point.
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
/// Each q_k is [`true_reverse`] of that component. Source: ledger S1.29, S2.14 to S2.16.
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
/// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, sect. 3.1 (code); ledger B8. `second` is the transition that
/// leads to the second time of the chain.
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
