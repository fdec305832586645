//! DPM-Solver++ 2M: multistep, on x₀.

use super::stage::{self, Linear};
use super::{Class, Clip, Grid, Method, Node, Plan, Prediction, Spacing, Step, Way};
use crate::distill::sine_between;
use crate::error::Result;

/// DPM-Solver++ 2M as a row of the table of samplers.
pub static DPM_SOLVER_PLUS_PLUS_2M: Method = Method {
    name: "dpm++2m",
    aliases: &["dpmpp2m", "dpmpp_2m", "sample_dpmpp_2m"],
    about: "DPM-Solver++ 2M: second order, one evaluation a step",
    classes: &[Class {
        name: "DPMSolverMultistepScheduler",
        requires: &[
            ("algorithm_type", "dpmsolver++"),
            ("solver_order", "2"),
            ("solver_type", "midpoint"),
            ("final_sigmas_type", "zero"),
            ("use_karras_sigmas", "false"),
            ("use_exponential_sigmas", "false"),
            ("use_beta_sigmas", "false"),
            ("use_lu_lambdas", "false"),
            ("use_flow_sigmas", "false"),
        ],
        clips: false,
        lambda_floor: Some("lambda_min_clipped"),
    }],
    way: Way::Flow,
    usual: Some(20),
    spacing: Some(Spacing::Linspace),
    options: &[],
    guided: None,
    evaluations: |_| Ok(1),
    build: |recipe, schedule| {
        let (prediction, clip) = (recipe.scheduler.prediction, recipe.scheduler.clip);
        DpmSolverPlusPlus2M { prediction, clip }.plan(&recipe.grid(schedule)?)
    },
};

/// Second order by reuse of the last x̂₀, at one evaluation a step.
///
/// ```text
/// λ = ½ ln SNR    h = λ_s − λ_t    a = √ᾱ    σ = √(1 − ᾱ)
/// D = (1 + 1/2r) x̂₀ − 1/2r x̂₀'     r = h'/h (primes: the step before)     x_s = σ_s/σ_t x − a_s (e^{−h} − 1) D
/// ```
///
/// Source: Lu et al. 2022, arXiv:2211.01095v2, algorithm 2. The first step, and the step that leads to the data (λ = ∞),
/// are of first order; the latter returns x̂₀.
///
/// ```
/// use alphabar::plan::{Clip, DpmSolverPlusPlus2M, Grid, Prediction};
/// let grid = Grid::uniform_log_snr(-6.0, 6.0, 10)?;
/// let plan = DpmSolverPlusPlus2M { prediction: Prediction::X0, clip: Clip::None }.plan(&grid)?;
/// assert_eq!((plan.steps().len(), plan.registers()), (10, 1));
/// # Ok::<(), alphabar::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DpmSolverPlusPlus2M {
    /// What the network predicts.
    pub prediction: Prediction,
    /// Clipping of x̂₀.
    pub clip: Clip,
}

impl DpmSolverPlusPlus2M {
    /// The plan along a grid.
    ///
    /// # Errors
    /// [`Error::Singular`](crate::Error::Singular) if the grid starts at ᾱ = 0 and the network predicts ε or score.
    pub fn plan(&self, grid: &Grid) -> Result<Plan> {
        Plan::new("dpm_solver++2m", 1.0, stage::compact(self.steps(grid.nodes())?))
    }

    fn steps(&self, nodes: &[Node]) -> Result<Vec<Step>> {
        let mut before: Option<(f64, Linear)> = None;
        let mut steps = Vec::with_capacity(nodes.len() - 1);
        for pair in nodes.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let h = 0.5 * (to.level.log_snr() - from.level.log_snr());
            let mut mean = Linear::x0();
            if let Some((h_before, x0_before)) = before.take().filter(|_| h.is_finite()) {
                let half = 0.5 * h / h_before;
                mean = mean.times(1.0 + half).plus(x0_before.times(-half));
            }
            let kept = Linear::state().times(to.level.noise_std() / from.level.noise_std());
            // √ᾱ_s (1 − e^{−h}), as above.
            let next = kept.plus(mean.times(sine_between(to.level, from.level) / from.level.noise_std()));
            let mut store = Vec::new();
            before = Some((h, Linear::x0().hold(0, &mut store)));
            steps.push(stage::step(from, to.t, 1.0, (self.prediction, self.clip), next, store)?);
        }
        if let Some(last) = steps.last_mut() {
            last.store.clear();
        }
        Ok(steps)
    }
}
