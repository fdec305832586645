//! Heun's method in the variables of EDM: the state is x/√ᾱ, the network sees it scaled.

use super::stage::{self, Linear};
use super::{Clip, Grid, Method, Plan, Prediction, Spacing, Way};
use crate::error::{Error, Result};

/// Heun's method as a row of the table of samplers. No diffusers class asks for it.
pub static HEUN: Method = Method {
    name: "heun",
    aliases: &["sample_heun"],
    about: "Heun's method: second order, two evaluations a step",
    classes: &[],
    way: Way::Flow,
    usual: Some(39),
    spacing: Some(Spacing::Linspace),
    options: &[],
    guided: None,
    evaluations: |_| Ok(2),
    build: |recipe, schedule| {
        let (prediction, clip) = (recipe.scheduler.prediction, recipe.scheduler.clip);
        Heun { prediction, clip }.plan(&recipe.grid(schedule)?)
    },
};

/// Heun's second-order method on `dy/dσ = ε`, with `y = x/√ᾱ` and `σ = √((1 − ᾱ)/ᾱ)`.
///
/// ```text
/// y' = y + (σ' − σ) ε(√ᾱ y)        y ← y + (σ' − σ)·½ (ε(√ᾱ y) + ε(√ᾱ' y'))        Euler alone on the step to σ' = 0
/// ```
///
/// The network is evaluated on `√ᾱ y` ([`super::Step::input_scale`]); the last step returns x, not y.
///
/// Source: Karras et al. 2022, arXiv:2206.00364v2, algorithm 1 with σ(t) = t, s(t) = 1, deterministic.
/// Deviation: starts with standard deviation 1/√ᾱ_T, so that the network's first input is N(0, 1) as in DDPM, where
/// EDM starts with σ_max.
///
/// ```
/// use alphabar::plan::{Clip, Grid, Heun, Prediction};
/// let grid = Grid::uniform_log_snr(-6.0, 6.0, 10)?;
/// let plan = Heun { prediction: Prediction::X0, clip: Clip::None }.plan(&grid)?;
/// assert_eq!(plan.steps().len(), 20);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heun {
    /// What the network predicts.
    pub prediction: Prediction,
    /// Clipping of x̂₀.
    pub clip: Clip,
}

impl Heun {
    /// The plan along a grid: two evaluations a step, one on the step to the data.
    ///
    /// # Errors
    /// [`Error::Singular`] if the grid starts at ᾱ = 0, where σ is infinite.
    pub fn plan(&self, grid: &Grid) -> Result<Plan> {
        let nodes = grid.nodes();
        let how = (self.prediction, self.clip);
        let start = nodes[0].level.signal();
        if start <= 0.0 {
            let reason = "alpha_bar is 0 (zero terminal SNR), so sigma is infinite; use DDIM with a v- or x0-network";
            return Err(Error::Singular { what: "a Heun step from pure noise", reason });
        }
        let mut steps = Vec::with_capacity(2 * nodes.len());
        for (k, pair) in nodes.windows(2).enumerate() {
            let (from, to) = (pair[0], pair[1]);
            let (scale, scale_to) = (from.level.signal(), to.level.signal());
            let (sigma, sigma_to) = (from.level.noise_std() / scale, to.level.noise_std() / scale_to);
            let finish = |y: Linear| if k + 2 == nodes.len() { y.times(scale_to) } else { y };
            if sigma_to <= 0.0 {
                steps.push(stage::step(from, to.t, scale, how, finish(Linear::x0()), Vec::new())?);
                continue;
            }
            let epsilon = Linear::epsilon(self.prediction, self.clip, from.level, scale)?;
            let mut store = Vec::new();
            let (y, slope) = (Linear::state().hold(0, &mut store), epsilon.hold(0, &mut store));
            store.dedup();
            let width = sigma_to - sigma;
            let euler = Linear::state().plus(epsilon.times(width));
            steps.push(stage::step(from, None, scale, how, euler, store)?);
            let corrected = Linear::epsilon(self.prediction, self.clip, to.level, scale_to)?;
            let next = finish(y.plus(slope.plus(corrected).times(0.5 * width)));
            steps.push(stage::step(to, to.t, scale_to, how, next, Vec::new())?);
        }
        Plan::new("heun", 1.0 / start, stage::compact(steps))
    }
}
