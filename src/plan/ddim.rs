//! The DDIM family: every σ between the deterministic sampler (η = 0) and the ancestral one (η = 1).

use super::{Class, Clip, Guided, Method, MethodOption, Noise, Plan, Prediction, Route, Step, Values, Way, Word};
use super::{Words, spacing};
use crate::error::{Error, Result};
use crate::posterior::Posterior;
use crate::prediction::conversion;

/// Which ε a clipped step points along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClippedEpsilon {
    /// The ε that the network predicted (diffusers' default).
    #[default]
    AsPredicted,
    /// The ε that the clipped x̂₀ implies (diffusers: `use_clipped_model_output`; guided-diffusion).
    FromClippedX0,
}

impl Words for ClippedEpsilon {
    const WORDS: &'static [Word<Self>] = &[
        Word::new(Self::AsPredicted, "as-predicted", &[], "The network's"),
        Word::new(Self::FromClippedX0, "from-clipped", &[], "The one that the clipped x̂₀ implies"),
    ];
}

/// DDIM as a row of the table of samplers.
pub static DDIM: Method = Method {
    name: "ddim",
    aliases: &[],
    about: "Denoising diffusion implicit model",
    classes: &[Class { name: "DDIMScheduler", requires: &[], clips: true, lambda_floor: None }],
    way: Way::Chain,
    usual: Some(50),
    spacing: None,
    options: &[&spacing::PREVIOUS, &ETA, &CLIPPED_EPSILON],
    // A clipped x̂₀ and the network's own ε are two different directions at every step, as guidance carries x̂₀ far out
    // of the range, and the samples are lost: on the MNIST fixture at scale 2, 23 % of the labels are drawn with the
    // network's ε and all with the other.
    guided: Some(Guided {
        option: &CLIPPED_EPSILON,
        word: "from-clipped",
        note: "guided ddim with clipping: steps follow the ε of the clipped x̂₀ (--clipped-epsilon as-predicted for the \
               network's)",
    }),
    evaluations: |_| Ok(1),
    build: |recipe, schedule| {
        let (prediction, clip) = (recipe.scheduler.prediction, recipe.scheduler.clip);
        let (clipped_epsilon, eta) = (recipe.word(&CLIPPED_EPSILON)?, recipe.number(&ETA)?);
        let route = recipe.route(schedule, recipe.scheduler.end)?;
        Ddim { prediction, clip, clipped_epsilon, eta }.plan(&route)
    },
};

static ETA: MethodOption = MethodOption {
    name: "eta",
    about: "η, the share of noise: 0 is deterministic, 1 as noisy as ddpm",
    values: Values::Number { min: 0.0, max: f64::MAX, expected: "a finite number ≥ 0", default: 0.0 },
    key: None,
};

static CLIPPED_EPSILON: MethodOption = MethodOption {
    name: "clipped-epsilon",
    about: "ε that a step with a clipped x̂₀ follows",
    values: Values::words::<ClippedEpsilon>("as-predicted"),
    key: None,
};

/// DDIM with any η.
///
/// ```text
/// x_s = √ᾱ_s x̂₀ + √(1 − ᾱ_s − σ²) ε̂ + σ z        σ = η √β̃
/// 1 − ᾱ_s − σ² = (1 − ᾱ_s)(α (1 − ᾱ_s) + (1 − η²) β)/(1 − ᾱ_t)
/// ```
///
/// The second line is how the difference is evaluated: at η = 1 and small t the first form loses all digits.
///
/// Source: Song et al. 2021, arXiv:2010.02502v4, eqs. (12), (16).
///
/// ```
/// use alphabar::Schedule;
/// use alphabar::plan::{Clip, ClippedEpsilon, Ddim, Prediction, Route};
/// let (prediction, clip, clipped_epsilon) = (Prediction::Epsilon, Clip::None, ClippedEpsilon::AsPredicted);
/// let sampler = Ddim { prediction, clip, clipped_epsilon, eta: 0.0 };
/// assert!(sampler.plan(&Route::every(&Schedule::ddpm()))?.is_deterministic());
/// # Ok::<(), alphabar::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ddim {
    /// What the network predicts.
    pub prediction: Prediction,
    /// Clipping of x̂₀.
    pub clip: Clip,
    /// Which ε the step uses once x̂₀ is clipped.
    pub clipped_epsilon: ClippedEpsilon,
    /// 0 is deterministic, 1 has the variance of the ancestral sampler with β̃.
    pub eta: f64,
}

impl Ddim {
    /// The plan along a route.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if η is negative, NaN, or so large that 1 − ᾱ_s − σ² < 0 somewhere on the route;
    /// [`Error::Singular`] if the route starts at ᾱ = 0 and the network predicts ε or score.
    pub fn plan(&self, route: &Route) -> Result<Plan> {
        let eta = self.eta;
        if !(eta >= 0.0 && eta.is_finite()) {
            return Err(Error::OutOfRange { name: "eta", value: eta, expected: "a finite number ≥ 0" });
        }
        let step = |(k, visit): (usize, &super::Visit)| {
            let (transition, level) = (&visit.transition, visit.level());
            let to_x0 = conversion(self.prediction, Prediction::X0, level)?;
            let kept = transition.s().one_minus_alpha_bar();
            let rest = transition.alpha() * kept + (1.0 - eta * eta) * transition.beta();
            if rest < 0.0 {
                let expected = "small enough that 1 − alpha_bar − sigma² ≥ 0 at every step (eta ≤ 1 always is)";
                return Err(Error::OutOfRange { name: "eta", value: eta, expected });
            }
            let direction = (kept * (rest / level.one_minus_alpha_bar())).sqrt();
            let std = eta * Posterior::new(transition).beta_tilde.sqrt();
            let mut step = Step {
                t: Some(visit.t.get()),
                target: Some(visit.target.get()),
                model_timestep: visit.model_timestep(),
                input_scale: 1.0,
                x0_from_x: to_x0.x,
                x0_from_out: to_x0.value,
                clip: self.clip,
                x: 0.0,
                x0: transition.s().signal(),
                out: 0.0,
                registers: Vec::new(),
                noise: Noise::None,
                draw: None,
                store: Vec::new(),
            };
            match self.clipped_epsilon {
                ClippedEpsilon::AsPredicted => {
                    let to_eps = conversion(self.prediction, Prediction::Epsilon, level)?;
                    step.x = direction * to_eps.x;
                    step.out = direction * to_eps.value;
                }
                ClippedEpsilon::FromClippedX0 => {
                    let to_eps = conversion(Prediction::X0, Prediction::Epsilon, level)?;
                    step.x = direction * to_eps.x;
                    step.x0 += direction * to_eps.value;
                }
            }
            if std > 0.0 {
                step.noise = Noise::Scaled { std };
                step.draw = Some(k as u32 + 1);
            }
            Ok(step)
        };
        Plan::new("ddim", 1.0, route.visits().iter().enumerate().map(step).collect::<Result<_>>()?)
    }
}
