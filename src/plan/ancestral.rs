//! Ancestral sampling (DDPM): draw from p_θ(x_s | x_t) = N(μ̃(x_t, x̂₀), σ² I) along a route.

use super::{Class, Clip, End, Key, Method, MethodOption, Noise, Plan, Prediction, Route, Step, Values, Way, Word};
use super::{Words, spacing};
use crate::error::{Error, Result};
use crate::posterior::Posterior;
use crate::prediction::conversion;
use crate::schedule::Timestep;

/// The variance of the reverse step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReverseVariance {
    /// σ² = β of the transition (diffusers: `fixed_large`).
    Beta,
    /// σ² = β̃ of the transition (diffusers: `fixed_small`).
    BetaTilde,
    /// Interpolated in the logarithm by the network's second half of channels (diffusers: `learned_range`).
    LearnedRange,
    /// The network's second half of channels itself (diffusers: `learned`). Configurations may say so, no plan has it.
    Learned,
}

impl Words for ReverseVariance {
    const WORDS: &'static [Word<Self>] = &[
        Word::new(Self::Beta, "beta", &["fixed_large", "fixed_large_log"], "β of the transition"),
        Word::new(Self::BetaTilde, "beta-tilde", &["fixed_small", "fixed_small_log"], "β̃, the posterior's"),
        Word::new(Self::LearnedRange, "learned", &["learned_range"], "Between the two, chosen by the network"),
        Word::new(Self::Learned, "learned-alone", &["learned"], "The network's output itself").not_offered(),
    ];
}

/// DDPM as a row of the table of samplers.
pub static DDPM: Method = Method {
    name: "ddpm",
    aliases: &["ancestral"],
    about: "Ancestral sampling",
    classes: &[Class { name: "DDPMScheduler", requires: &[], clips: true, lambda_floor: None }],
    way: Way::Chain,
    usual: None,
    spacing: None,
    options: &[&VARIANCE, &spacing::PREVIOUS],
    guided: None,
    evaluations: |_| Ok(1),
    build: |recipe, schedule| {
        let (prediction, clip) = (recipe.scheduler.prediction, recipe.scheduler.clip);
        let variance = recipe.word(&VARIANCE)?;
        Ancestral { prediction, clip, variance }.plan(&recipe.route(schedule, End::Data)?)
    },
};

static VARIANCE: MethodOption = MethodOption {
    name: "variance",
    about: "variance of the reverse step",
    values: Values::words::<ReverseVariance>("beta-tilde"),
    key: Some(Key::OfAnyClass("variance_type")),
};

/// Algorithm 2 of Ho et al. 2020 on any route.
///
/// ```text
/// x̂₀ = clip(…)        x_s = μ̃(x_t, x̂₀) + σ z        no noise on the step that leads to data
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, algorithm 2; Nichol & Dhariwal 2021, arXiv:2102.09672v1, eqs. (15),
/// (19). Deviation from diffusers: β and β̃ are those of the transition actually
/// made, also on a shortened list, and the last step adds no noise whatever the spacing.
///
/// ```
/// use alphabar::Schedule;
/// use alphabar::plan::{Ancestral, Clip, Prediction, ReverseVariance, Route};
/// let (prediction, clip, variance) = (Prediction::Epsilon, Clip::None, ReverseVariance::Beta);
/// let plan = Ancestral { prediction, clip, variance }.plan(&Route::every(&Schedule::ddpm()))?;
/// assert!(plan.steps()[998].needs_noise() && !plan.steps()[999].needs_noise());
/// # Ok::<(), alphabar::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ancestral {
    /// What the network predicts.
    pub prediction: Prediction,
    /// Clipping of x̂₀.
    pub clip: Clip,
    /// Variance of the reverse step.
    pub variance: ReverseVariance,
}

impl Ancestral {
    /// The plan along a route.
    ///
    /// # Errors
    /// [`Error::Singular`] if the route starts at ᾱ = 0 and the network predicts ε or score; [`Error::Unsupported`]
    /// for [`ReverseVariance::Learned`].
    pub fn plan(&self, route: &Route) -> Result<Plan> {
        let visits = route.visits();
        let step = |(k, visit): (usize, &super::Visit)| {
            let to_x0 = conversion(self.prediction, Prediction::X0, visit.level())?;
            let posterior = Posterior::new(&visit.transition);
            let beta = visit.transition.beta();
            let last = visit.target == Timestep::DATA || k + 1 == visits.len();
            let noise = match self.variance {
                ReverseVariance::Learned => {
                    let found = "a variance that is itself the network's output (variance_type \"learned\")".into();
                    return Err(Error::Unsupported { found, expected: "fixed_small, fixed_large or learned_range" });
                }
                _ if last => Noise::None,
                ReverseVariance::Beta => Noise::Scaled { std: beta.sqrt() },
                ReverseVariance::BetaTilde => Noise::Scaled { std: posterior.beta_tilde.sqrt() },
                ReverseVariance::LearnedRange => {
                    Noise::Learned { log_var_low: posterior.beta_tilde.max(1e-20).ln(), log_var_high: beta.ln() }
                }
            };
            Ok(Step {
                t: Some(visit.t.get()),
                target: Some(visit.target.get()),
                model_timestep: visit.model_timestep(),
                input_scale: 1.0,
                x0_from_x: to_x0.x,
                x0_from_out: to_x0.value,
                clip: self.clip,
                x: posterior.xt,
                x0: posterior.x0,
                out: 0.0,
                registers: Vec::new(),
                draw: (noise != Noise::None).then_some(k as u32 + 1),
                noise,
                store: Vec::new(),
            })
        };
        Plan::new("ddpm", 1.0, visits.iter().enumerate().map(step).collect::<Result<_>>()?)
    }
}
