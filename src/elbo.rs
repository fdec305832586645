//! The variational bound of a diffusion chain: −log p_θ(x₀) ≤ E_q[L_T + Σ_{t>1} L_{t−1} + L_0], and each row of its proof.
//!
//! Everything is per coordinate (the covariances are multiples of the identity, so coordinates add up) and in nat. The
//! model is any p_θ(x_{t−1} | x_t) = N(mean, var), given as a function of t and x_t.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::posterior::{Moments, Posterior};
use crate::prediction::Prediction;
use crate::schedule::{Level, Schedule, Timestep, Transition};
use crate::weight::kl_weight;

/// Mean and variance of p_θ(x_{t−1} | x_t) as a function of t and x_t.
pub type Reverse<'a> = dyn Fn(Timestep, f64) -> Moments + 'a;

/// A reverse kernel whose mean is affine: p(x_{t−1} | x_t) = N(slope·x_t + offset, var).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AffineKernel {
    /// Factor of x_t in the mean.
    pub slope: f64,
    /// Constant part of the mean, data units.
    pub offset: f64,
    /// Variance, data units².
    pub var: f64,
}

impl AffineKernel {
    /// Mean and variance given x_t.
    ///
    /// ```
    /// use alphabar::elbo::AffineKernel;
    ///
    /// assert_eq!(AffineKernel { slope: 0.5, offset: 0.1, var: 0.2 }.at(2.0).mean, 1.1);
    /// ```
    #[must_use]
    pub fn at(&self, xt: f64) -> Moments {
        Moments { mean: self.slope * xt + self.offset, var: self.var }
    }
}

/// The three kinds of terms of the bound.
///
/// The documents count the middle terms differently: DDPM's L_{t−1} is the first one's L_t. Here they are
/// `denoising[k]` for the transition to t = k + 2.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// L_T = KL(q(x_T | x₀) ‖ p(x_T)).
    pub prior: f64,
    /// KL(q(x_{t−1} | x_t, x₀) ‖ p_θ(x_{t−1} | x_t)) for t = 2 … T.
    pub denoising: Vec<f64>,
    /// L_0 = −log p_θ(x₀ | x₁).
    pub decoder: f64,
}

impl Terms {
    /// Their sum, the bound.
    ///
    /// ```
    /// use alphabar::elbo::Terms;
    ///
    /// assert_eq!(Terms { prior: 1.0, denoising: vec![0.5, 0.25], decoder: 2.0 }.total(), 3.75);
    /// ```
    #[must_use]
    pub fn total(&self) -> f64 {
        self.prior + self.denoising.iter().sum::<f64>() + self.decoder
    }
}

fn log_normal(x: f64, law: Moments) -> f64 {
    let deviation = x - law.mean;
    -0.5 * (2.0 * PI * law.var).ln() - deviation * deviation / (2.0 * law.var)
}

/// `½ (r − 1 − ln r)` with `r` the ratio of two variances: their part of a Gaussian KL.
fn variance_cost(ratio: f64) -> f64 {
    let excess = ratio - 1.0;
    0.5 * (excess - excess.ln_1p())
}

/// L_T, the distance of q(x_T | x₀) from the standard normal prior.
///
/// ```text
/// KL(N(√ᾱ x₀, 1 − ᾱ) ‖ N(0, 1)) = ½ (ᾱ x₀² − ᾱ − ln(1 − ᾱ))
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (5). +∞ for clean data (ᾱ = 1).
/// Accuracy: −ᾱ − ln(1 − ᾱ) loses digits as ᾱ²: absolute error about ε ᾱ.
///
/// ```
/// use alphabar::{Level, elbo::prior_term};
///
/// let level = Level::from_alpha_bar(0.5)?;
/// assert!((prior_term(level, 1.0) - 0.5 * 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn prior_term(level: Level, x0: f64) -> f64 {
    let alpha_bar = level.alpha_bar();
    let log = if alpha_bar < 0.5 { (-alpha_bar).ln_1p() } else { level.one_minus_alpha_bar().ln() };
    0.5 * (alpha_bar * x0 * x0 - alpha_bar - log)
}

/// ∂L_T/∂λ_T, λ = ln SNR: not zero, so the prior term is free of trainable parameters only on a fixed schedule.
///
/// ```text
/// ∂L_T/∂λ = ½ ᾱ ((1 − ᾱ) x₀² + ᾱ)
/// ```
///
/// Source: Kingma et al. 2021, arXiv:2107.00630v6, sect. 4 (learned end points).
///
/// ```
/// use alphabar::{Level, elbo::prior_slope};
///
/// assert!((prior_slope(Level::from_alpha_bar(0.5)?, 1.0) - 0.25).abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn prior_slope(level: Level, x0: f64) -> f64 {
    0.5 * level.alpha_bar() * (level.one_minus_alpha_bar() * x0 * x0 + level.alpha_bar())
}

/// One middle term: KL(q(x_{t−1} | x_t, x₀) ‖ N(mean, var)).
///
/// ```text
/// ½ (β̃/σ² − 1 − ln(β̃/σ²)) + (μ̃ − μ_θ)²/(2σ²)
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (5), (8).
///
/// ```
/// use alphabar::{Schedule, Timestep, elbo::denoising_term, posterior::posterior};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// assert_eq!(denoising_term(&step, 0.3, 0.9, posterior(&step, 0.3, 0.9))?, 0.0);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] for the transition to data, where β̃ = 0 and the decoder term takes the KL's place.
pub fn denoising_term(step: &Transition, x0: f64, xt: f64, model: Moments) -> Result<f64> {
    let q = Posterior::new(step);
    if q.beta_tilde <= 0.0 {
        let reason = "q(x0 | x1, x0) is a point; the term of t = 1 is the decoder's -log p(x0 | x1)";
        return Err(Error::Singular { what: "denoising term at t = 1", reason });
    }
    let miss = q.at(x0, xt).mean - model.mean;
    Ok(variance_cost(q.beta_tilde / model.var) + miss * miss / (2.0 * model.var))
}

/// L_0 = −log N(x₀; mean, var), the Gaussian decoder's density.
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (5). May be negative: it is a density's logarithm.
///
/// ```
/// use alphabar::{elbo::decoder_term, posterior::Moments};
///
/// let nats = decoder_term(1.0, Moments { mean: 0.0, var: 1.0 });
/// assert!((nats - 1.418_938_533_204_672_8).abs() < 1e-15);
/// ```
#[must_use]
pub fn decoder_term(x0: f64, model: Moments) -> f64 {
    -log_normal(x0, model)
}

/// The bound's terms along one path x₀ … x_T: KL terms in closed form, to be averaged over q.
///
/// One path's sum bounds nothing; its expectation over q bounds −log p_θ(x₀) from above.
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (5).
///
/// ```
/// use alphabar::{Betas, Schedule, elbo::terms_at, posterior::Moments};
///
/// let schedule = Schedule::new(Betas::constant(3, 0.2)?);
/// let terms = terms_at(&schedule, &|_, xt| Moments { mean: 0.9 * xt, var: 0.2 }, &[0.5, 0.4, 0.1, -0.2])?;
/// assert_eq!(terms.denoising.len(), 2);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::CountOutOfRange`] unless the path has T + 1 entries.
pub fn terms_at(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<Terms> {
    check_path(schedule, path)?;
    let x0 = path[0];
    let model = |t: Timestep| reverse(t, path[t.get()]);
    let denoising = schedule.steps().skip(1).map(|(t, step)| denoising_term(&step, x0, path[t.get()], model(t)));
    Ok(Terms {
        prior: prior_term(schedule.level(schedule.last()), x0),
        denoising: denoising.collect::<Result<_>>()?,
        decoder: decoder_term(x0, model(Timestep::new(1))),
    })
}

/// The bound's terms averaged over data and chain, for Gaussian data and affine reverse kernels: exact.
///
/// ```text
/// x₀ ~ N(m, s):   E(μ̃ − μ_θ)² = ((c₀ + d√ᾱ) m − B)² + (c₀ + d√ᾱ)² s + d² (1 − ᾱ),   d = c_t − A
/// ```
///
/// `reverse[t − 1]` is the kernel of the transition to t. Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (5), averaged.
///
/// ```
/// use alphabar::elbo::{AffineKernel, expected_terms};
/// use alphabar::{Betas, Schedule, posterior::Moments};
///
/// let schedule = Schedule::new(Betas::constant(3, 0.2)?);
/// let kernel = AffineKernel { slope: 0.8f64.sqrt(), offset: 0.0, var: 0.2 };
/// let bound = expected_terms(&schedule, Moments { mean: 0.0, var: 1.0 }, &[kernel; 3])?.total();
/// // For N(0, 1) data this chain is the exact reverse, so that the bound is the entropy.
/// assert!((bound - 1.418_938_533_204_672_8).abs() < 1e-14);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::CountOutOfRange`] unless there are T kernels.
pub fn expected_terms(schedule: &Schedule, data: Moments, reverse: &[AffineKernel]) -> Result<Terms> {
    if reverse.len() != schedule.len() {
        let (value, want) = (reverse.len(), schedule.len());
        return Err(Error::CountOutOfRange { name: "reverse kernels", value, min: want, max: want });
    }
    let square = |level: Level, of_x0: f64, of_xt: f64, constant: f64| {
        let data_factor = of_x0 + of_xt * level.signal();
        let mean = data_factor * data.mean + constant;
        mean * mean + data_factor * data_factor * data.var + of_xt * of_xt * level.one_minus_alpha_bar()
    };
    let denoising = schedule.steps().zip(reverse).skip(1).map(|((_, step), kernel)| {
        let q = Posterior::new(&step);
        let miss = square(step.t(), q.x0, q.xt - kernel.slope, -kernel.offset);
        variance_cost(q.beta_tilde / kernel.var) + miss / (2.0 * kernel.var)
    });
    let (first, level) = (&reverse[0], schedule.level(Timestep::new(1)));
    let miss = square(level, 1.0, -first.slope, -first.offset);
    Ok(Terms {
        prior: prior_term(schedule.level(schedule.last()), data.mean.hypot(data.var.sqrt())),
        denoising: denoising.collect(),
        decoder: 0.5 * (2.0 * PI * first.var).ln() + miss / (2.0 * first.var),
    })
}

/// A middle term from the mean squared error of the predicted noise, for `dims` coordinates.
///
/// ```text
/// L_{t−1} = w_t E‖ε − ε̂‖² + d C_t        C_t = ½ (β̃/σ² − 1 − ln(β̃/σ²))
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (8), (12). With w_t = 1 instead the sum is no bound.
///
/// ```
/// use alphabar::{Schedule, Timestep, elbo::denoising_from_eps_loss, posterior::Posterior};
///
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// let var = Posterior::new(&step).beta_tilde;
/// assert_eq!(denoising_from_eps_loss(&step, var, 0.0, 784)?, 0.0);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::Singular`] for the transition to data and at ᾱ_t = 0.
pub fn denoising_from_eps_loss(step: &Transition, var: f64, eps_loss: f64, dims: usize) -> Result<f64> {
    let ratio = Posterior::new(step).beta_tilde / var;
    if ratio <= 0.0 {
        let reason = "q(x0 | x1, x0) is a point; the term of t = 1 is the decoder's";
        return Err(Error::Singular { what: "denoising term at t = 1", reason });
    }
    Ok(kl_weight(Prediction::Epsilon, step, var)? * eps_loss + dims as f64 * variance_cost(ratio))
}

/// The importance-weighted bound on log p from k log-weights log p_θ(x_{0:T})/q(x_{1:T} | x₀): `ln(mean of exp)`.
///
/// Source: Burda et al. 2016, arXiv:1509.00519v4, eq. (8). Never overflows; −∞ if all weights are 0.
///
/// ```
/// use alphabar::elbo::importance_bound;
///
/// assert!((importance_bound(&[1e4, 1e4])? - 1e4).abs() < 1e-9);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::CountOutOfRange`] if there are no weights.
pub fn importance_bound(log_weights: &[f64]) -> Result<f64> {
    if log_weights.is_empty() {
        return Err(Error::CountOutOfRange { name: "log weights", value: 0, min: 1, max: usize::MAX });
    }
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return Ok(largest);
    }
    let sum: f64 = log_weights.iter().map(|w| (w - largest).exp()).sum();
    Ok(largest + (sum / log_weights.len() as f64).ln())
}

/// A row of the bound's proof, as the function of a path x₀ … x_T whose expectation over q it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProofRow {
    /// −log p(x_{0:T})/q(x_{1:T} | x₀).
    Whole,
    /// −log p(x_T) − Σ_{t≥1} log p_θ(x_{t−1} | x_t)/q(x_t | x_{t−1}).
    StepRatios,
    /// The same with t = 1 written apart and the sum from t = 2.
    FirstApart,
    /// q(x_t | x_{t−1}) turned round by Bayes' rule.
    BayesTurned,
    /// The logarithm of the turned ratio split in two sums.
    TwoSums,
    /// The second sum telescoped into log q(x₁ | x₀) − log q(x_T | x₀).
    Telescoped,
    /// q(x₁ | x₀) cancelled: what turns into the three kinds of terms.
    Final,
}

impl ProofRow {
    /// All rows, in the order of the proof.
    pub const ALL: [Self; 7] = [
        Self::Whole,
        Self::StepRatios,
        Self::FirstApart,
        Self::BayesTurned,
        Self::TwoSums,
        Self::Telescoped,
        Self::Final,
    ];
}

/// Logarithms of all densities of the proof along one path.
#[derive(Clone, Debug, PartialEq)]
pub struct PathLogs {
    /// log p(x_T).
    pub prior: f64,
    /// log p_θ(x_{t−1} | x_t), t = 1 … T.
    pub reverse: Vec<f64>,
    /// log q(x_t | x_{t−1}), t = 1 … T.
    pub forward: Vec<f64>,
    /// log q(x_t | x₀), t = 1 … T.
    pub marginal: Vec<f64>,
    /// log q(x_{t−1} | x_t, x₀), t = 2 … T.
    pub posterior: Vec<f64>,
}

impl PathLogs {
    /// Evaluates every density on a path x₀ … x_T.
    ///
    /// ```
    /// use alphabar::{Betas, Schedule, elbo::PathLogs, posterior::Moments};
    ///
    /// let schedule = Schedule::new(Betas::constant(3, 0.2)?);
    /// let logs = PathLogs::new(&schedule, &|_, xt| Moments { mean: 0.9 * xt, var: 0.2 }, &[0.5, 0.4, 0.1, -0.2])?;
    /// assert_eq!((logs.model(), logs.data_chain()), (logs.prior + logs.reverse.iter().sum::<f64>(), logs.forward.iter().sum()));
    /// assert!((logs.telescoping_sum() - (logs.marginal[0] - logs.marginal[2])).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] unless the path has T + 1 entries.
    pub fn new(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<Self> {
        check_path(schedule, path)?;
        let x = |t: Timestep| path[t.get()];
        let before = |t: Timestep| path[t.get() - 1];
        let forward = |(t, step): (Timestep, Transition)| {
            log_normal(x(t), Moments { mean: step.alpha().sqrt() * before(t), var: step.beta() })
        };
        let marginal = |t: Timestep| {
            let level = schedule.level(t);
            log_normal(x(t), Moments { mean: level.signal() * path[0], var: level.one_minus_alpha_bar() })
        };
        let posterior =
            |(t, step): (Timestep, Transition)| log_normal(before(t), Posterior::new(&step).at(path[0], x(t)));
        Ok(Self {
            prior: log_normal(x(schedule.last()), Moments { mean: 0.0, var: 1.0 }),
            reverse: schedule.timesteps().map(|t| log_normal(before(t), reverse(t, x(t)))).collect(),
            forward: schedule.steps().map(forward).collect(),
            marginal: schedule.timesteps().map(marginal).collect(),
            posterior: schedule.steps().skip(1).map(posterior).collect(),
        })
    }

    /// log p_θ(x_{0:T}), a sum over an ordinary product of densities.
    #[must_use]
    pub fn model(&self) -> f64 {
        self.prior + self.reverse.iter().sum::<f64>()
    }

    /// log q(x_{1:T} | x₀).
    #[must_use]
    pub fn data_chain(&self) -> f64 {
        self.forward.iter().sum()
    }

    /// Σ_{t>1} log q(x_{t−1} | x₀)/q(x_t | x₀), term by term.
    #[must_use]
    pub fn telescoping_sum(&self) -> f64 {
        self.marginal.windows(2).map(|pair| pair[0] - pair[1]).sum()
    }

    /// The path's value of one row of the proof, sign as for the loss (minus the ELBO).
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, appendix A. All rows agree on every path, not only in
    /// expectation.
    #[must_use]
    pub fn row(&self, row: ProofRow) -> f64 {
        let sum = |p: &[f64], q: &[f64]| -> f64 { p.iter().zip(q).map(|(p, q)| p - q).sum() };
        let (p, q, marginal) = (&self.reverse, &self.forward, &self.marginal);
        let first = p[0] - q[0];
        let turned = || p[1..].iter().zip(&self.posterior).zip(marginal.windows(2));
        match row {
            ProofRow::Whole => -(self.model() - self.data_chain()),
            ProofRow::StepRatios => -self.prior - sum(p, q),
            ProofRow::FirstApart => -self.prior - sum(&p[1..], &q[1..]) - first,
            ProofRow::BayesTurned => {
                -self.prior - turned().map(|((p, q), m)| p - (q + m[1] - m[0])).sum::<f64>() - first
            }
            ProofRow::TwoSums => -self.prior - sum(&p[1..], &self.posterior) - self.telescoping_sum() - first,
            ProofRow::Telescoped => {
                let ends = marginal[0] - marginal[marginal.len() - 1];
                -self.prior - sum(&p[1..], &self.posterior) - ends - first
            }
            ProofRow::Final => -(self.prior - marginal[marginal.len() - 1]) - sum(&p[1..], &self.posterior) - p[0],
        }
    }
}

/// The value of one row of the proof on a path; see [`PathLogs::row`].
///
/// ```
/// use alphabar::elbo::{ProofRow, proof_row};
/// use alphabar::{Betas, Schedule, posterior::Moments};
///
/// let schedule = Schedule::new(Betas::constant(3, 0.2)?);
/// let reverse = |_, xt: f64| Moments { mean: 0.9 * xt, var: 0.2 };
/// let row = |row| proof_row(row, &schedule, &reverse, &[0.5, 0.4, 0.1, -0.2]);
/// assert!((row(ProofRow::Whole)? - row(ProofRow::Final)?).abs() < 1e-14);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// As [`PathLogs::new`].
pub fn proof_row(row: ProofRow, schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<f64> {
    Ok(PathLogs::new(schedule, reverse, path)?.row(row))
}

const fn check_path(schedule: &Schedule, path: &[f64]) -> Result<()> {
    let want = schedule.len() + 1;
    if path.len() != want {
        return Err(Error::CountOutOfRange { name: "path x_0 ... x_T", value: path.len(), min: want, max: want });
    }
    Ok(())
}
