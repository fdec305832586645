//! Faults that show in a table: wrong schedules, and wrong arrays derived from right βs.

mod array;
mod rescaling;
mod schedule;

pub use array::{ARRAY_FAULTS, ArrayFault};
pub use rescaling::{NOT_RESCALED, RESCALED_UNASKED, RESCALING_FAULTS, RescalingFault, rescaled};
pub use schedule::{SCHEDULE_FAULTS, ScheduleFault};

use crate::error::Result;
use crate::schedule::Betas;

/// The arrays that diffusion code keeps, by the names that published implementations use; index i is t − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Array {
    /// `betas`: β.
    Betas,
    /// `alphas`: α.
    Alphas,
    /// `alphas_cumprod`: ᾱ.
    AlphasCumprod,
    /// `alphas_cumprod_prev`: ᾱ_{t−1}.
    AlphasCumprodPrev,
    /// `sqrt_alphas_cumprod`: √ᾱ.
    SqrtAlphasCumprod,
    /// `sqrt_one_minus_alphas_cumprod`: √(1 − ᾱ).
    SqrtOneMinusAlphasCumprod,
    /// `log_one_minus_alphas_cumprod`: ln(1 − ᾱ).
    LogOneMinusAlphasCumprod,
    /// `sqrt_recip_alphas_cumprod`: 1/√ᾱ.
    SqrtRecipAlphasCumprod,
    /// `sqrt_recipm1_alphas_cumprod`: √(1/ᾱ − 1).
    SqrtRecipm1AlphasCumprod,
    /// `posterior_variance`: β̃.
    PosteriorVariance,
    /// `posterior_log_variance_clipped`: ln β̃ with the first entry replaced.
    PosteriorLogVarianceClipped,
    /// `posterior_mean_coef1`: factor on x₀.
    PosteriorMeanCoef1,
    /// `posterior_mean_coef2`: factor on x_t.
    PosteriorMeanCoef2,
    /// `snr`: ᾱ/(1 − ᾱ).
    Snr,
    /// `loss_weight`: one of several conventions.
    LossWeight,
    /// `sigmas`: √((1 − ᾱ)/ᾱ).
    Sigmas,
    /// `log_snr`: ln(ᾱ/(1 − ᾱ)).
    LogSnr,
    /// `lambda_t`: half of it, as DPM-Solver has it.
    LambdaT,
}

impl Array {
    /// Every array.
    pub const ALL: [Self; 18] = [
        Self::Betas,
        Self::Alphas,
        Self::AlphasCumprod,
        Self::AlphasCumprodPrev,
        Self::SqrtAlphasCumprod,
        Self::SqrtOneMinusAlphasCumprod,
        Self::LogOneMinusAlphasCumprod,
        Self::SqrtRecipAlphasCumprod,
        Self::SqrtRecipm1AlphasCumprod,
        Self::PosteriorVariance,
        Self::PosteriorLogVarianceClipped,
        Self::PosteriorMeanCoef1,
        Self::PosteriorMeanCoef2,
        Self::Snr,
        Self::LossWeight,
        Self::Sigmas,
        Self::LogSnr,
        Self::LambdaT,
    ];

    /// The usual name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Betas => "betas",
            Self::Alphas => "alphas",
            Self::AlphasCumprod => "alphas_cumprod",
            Self::AlphasCumprodPrev => "alphas_cumprod_prev",
            Self::SqrtAlphasCumprod => "sqrt_alphas_cumprod",
            Self::SqrtOneMinusAlphasCumprod => "sqrt_one_minus_alphas_cumprod",
            Self::LogOneMinusAlphasCumprod => "log_one_minus_alphas_cumprod",
            Self::SqrtRecipAlphasCumprod => "sqrt_recip_alphas_cumprod",
            Self::SqrtRecipm1AlphasCumprod => "sqrt_recipm1_alphas_cumprod",
            Self::PosteriorVariance => "posterior_variance",
            Self::PosteriorLogVarianceClipped => "posterior_log_variance_clipped",
            Self::PosteriorMeanCoef1 => "posterior_mean_coef1",
            Self::PosteriorMeanCoef2 => "posterior_mean_coef2",
            Self::Snr => "snr",
            Self::LossWeight => "loss_weight",
            Self::Sigmas => "sigmas",
            Self::LogSnr => "log_snr",
            Self::LambdaT => "lambda_t",
        }
    }

    /// What it holds, in the papers' letters.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Betas => "β_t",
            Self::Alphas => "α_t",
            Self::AlphasCumprod => "ᾱ_t",
            Self::AlphasCumprodPrev => "ᾱ_{t−1}",
            Self::SqrtAlphasCumprod => "√ᾱ_t",
            Self::SqrtOneMinusAlphasCumprod => "√(1 − ᾱ_t)",
            Self::LogOneMinusAlphasCumprod => "ln(1 − ᾱ_t)",
            Self::SqrtRecipAlphasCumprod => "1/√ᾱ_t",
            Self::SqrtRecipm1AlphasCumprod => "√(1/ᾱ_t − 1)",
            Self::PosteriorVariance => "β̃_t",
            Self::PosteriorLogVarianceClipped => "ln β̃_t",
            Self::PosteriorMeanCoef1 => "√ᾱ_{t−1} β_t/(1 − ᾱ_t)",
            Self::PosteriorMeanCoef2 => "√α_t (1 − ᾱ_{t−1})/(1 − ᾱ_t)",
            Self::Snr => "ᾱ_t/(1 − ᾱ_t)",
            Self::LossWeight => "w_t",
            Self::Sigmas => "√((1 − ᾱ_t)/ᾱ_t)",
            Self::LogSnr => "ln(ᾱ_t/(1 − ᾱ_t))",
            Self::LambdaT => "½ ln(ᾱ_t/(1 − ᾱ_t))",
        }
    }

    /// From a name as found in files: case and a leading path or prefix up to the last dot do not matter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.rsplit('.').next().unwrap_or(name).trim().to_ascii_lowercase();
        let alias = match name.as_str() {
            "beta" => "betas",
            "alpha" => "alphas",
            "alpha_bar" | "alphas_bar" | "alpha_bars" | "alpha_cumprod" | "alphas_cum_prod" => "alphas_cumprod",
            "alpha_bar_prev" | "alphas_bar_prev" | "alpha_cumprod_prev" => "alphas_cumprod_prev",
            "sqrt_alpha_bar" | "sqrt_alphas_bar" | "sqrt_alpha_cumprod" => "sqrt_alphas_cumprod",
            "sqrt_one_minus_alpha_bar" | "sqrt_one_minus_alphas_bar" | "sqrt_one_minus_alpha_cumprod" => {
                "sqrt_one_minus_alphas_cumprod"
            }
            "beta_tilde" | "posterior_var" => "posterior_variance",
            "posterior_log_variance" | "posterior_log_var_clipped" => "posterior_log_variance_clipped",
            "posterior_mean_x0" => "posterior_mean_coef1",
            "posterior_mean_xt" => "posterior_mean_coef2",
            "loss_weights" => "loss_weight",
            "logsnr" | "log_snrs" => "log_snr",
            "lambdas" | "lambda" | "half_log_snr" => "lambda_t",
            other => other,
        };
        Self::ALL.into_iter().find(|array| array.name() == alias)
    }
}

/// A chain as ordinary f64 code would hold it: raw numbers, nothing validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// β_t at index t − 1.
    pub beta: Vec<f64>,
    /// ᾱ_t at index t − 1.
    pub bar: Vec<f64>,
}

impl Chain {
    /// ᾱ by the cumulative product of 1 − β.
    #[must_use]
    pub fn new(beta: Vec<f64>) -> Self {
        let bar = beta
            .iter()
            .scan(1.0, |product, &beta| {
                *product *= 1.0 - beta;
                Some(*product)
            })
            .collect();
        Self { beta, bar }
    }

    /// T.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.beta.len()
    }

    /// β at index i.
    fn beta(&self, i: usize) -> f64 {
        self.beta[i]
    }

    /// α at index i.
    fn alpha(&self, i: usize) -> f64 {
        1.0 - self.beta[i]
    }

    /// ᾱ at index i.
    fn bar(&self, i: usize) -> f64 {
        self.bar[i]
    }

    /// ᾱ one index earlier, 1 before the first.
    fn prev(&self, i: usize) -> f64 {
        if i == 0 { 1.0 } else { self.bar[i - 1] }
    }

    /// ln(ᾱ/(1 − ᾱ)) at index i.
    fn log_snr(&self, i: usize) -> f64 {
        self.bar[i].ln() - (1.0 - self.bar[i]).ln()
    }

    /// β̃ at index i.
    fn beta_tilde(&self, i: usize) -> f64 {
        self.beta(i) * (1.0 - self.prev(i)) / (1.0 - self.bar(i))
    }
}

/// A schedule as a person names it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Named {
    /// Which curve.
    pub kind: Kind,
    /// T.
    pub steps: usize,
    /// First β, where the curve has one.
    pub start: f64,
    /// Last β, where the curve has one.
    pub end: f64,
}

impl Named {
    /// Its βs, by the right formula.
    ///
    /// # Errors
    /// As the constructors of [`Betas`].
    pub fn betas(&self) -> Result<Betas> {
        let Self { kind, steps, start, end } = *self;
        match kind {
            Kind::Linear => Betas::linear(steps, start, end),
            Kind::ScaledLinear => Betas::scaled_linear(steps, start, end),
            Kind::Cosine => Betas::cosine(steps),
            Kind::Sigmoid => Betas::sigmoid(steps, start, end),
            Kind::Constant => Betas::constant(steps, end),
            Kind::Jsd => Betas::jsd(steps),
        }
    }
}

/// The curves that are known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `linear`.
    Linear,
    /// `scaled_linear` (`quad`).
    ScaledLinear,
    /// `squaredcos_cap_v2` (`cosine`).
    Cosine,
    /// `sigmoid`.
    Sigmoid,
    /// `const`, at the end value.
    Constant,
    /// `jsd`.
    Jsd,
}

impl Kind {
    /// Every curve.
    pub const ALL: [Self; 6] =
        [Self::Linear, Self::ScaledLinear, Self::Cosine, Self::Sigmoid, Self::Constant, Self::Jsd];

    /// diffusers' name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::ScaledLinear => "scaled_linear",
            Self::Cosine => "squaredcos_cap_v2",
            Self::Sigmoid => "sigmoid",
            Self::Constant => "const",
            Self::Jsd => "jsd",
        }
    }

    /// From a name, underscore or hyphen.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().replace('-', "_").as_str() {
            "linear" => Some(Self::Linear),
            "scaled_linear" | "quad" | "quadratic" | "sqrt_linear" => Some(Self::ScaledLinear),
            "squaredcos_cap_v2" | "cosine" => Some(Self::Cosine),
            "sigmoid" => Some(Self::Sigmoid),
            "const" | "constant" => Some(Self::Constant),
            "jsd" => Some(Self::Jsd),
            _ => None,
        }
    }

    /// True if start and end matter.
    #[must_use]
    pub const fn has_range(self) -> bool {
        matches!(self, Self::Linear | Self::ScaledLinear | Self::Sigmoid)
    }
}
