//! Ancestral sampling (DDPM): draw from p_θ(x_s | x_t) = N(μ̃(x_t, x̂₀), σ² I) along a route.

use super::{Clip, Noise, Plan, Prediction, Route, Step};
use crate::error::Result;
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
}

/// Algorithm 2 of Ho et al. 2020 on any route.
///
/// ```text
/// x̂₀ = clip(…)        x_s = μ̃(x_t, x̂₀) + σ z        no noise on the step that leads to data
/// ```
///
/// Source: Ho et al. 2020, arXiv:2006.11239v2, algorithm 2; Nichol & Dhariwal 2021, arXiv:2102.09672v1, eqs. (15),
/// (19); ledger S3.64, S3.76–S3.79, A3.6, B8. Deviation from diffusers: β and β̃ are those of the transition actually
/// made, also on a shortened list, and the last step adds no noise whatever the spacing.
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
    /// [`Error::Singular`](crate::Error::Singular) if the route starts at ᾱ = 0 and the network predicts ε or score.
    pub fn plan(&self, route: &Route) -> Result<Plan> {
        let visits = route.visits();
        let step = |(k, visit): (usize, &super::Visit)| {
            let to_x0 = conversion(self.prediction, Prediction::X0, visit.level())?;
            let posterior = Posterior::new(&visit.transition);
            let beta = visit.transition.beta();
            let last = visit.target == Timestep::DATA || k + 1 == visits.len();
            let noise = match self.variance {
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
