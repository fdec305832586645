//! DPM-Solver of order 1 to 3: singlestep, on ε.

use super::stage::{self, Linear};
use super::{Clip, Grid, Method, MethodOption, Node, Plan, Prediction, Recipe, Spacing, Step, Values, Way};
use crate::distill::sine_between;
use crate::error::{Error, Result};

/// The order of a DPM-Solver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// DPM-Solver-1, which is DDIM with η = 0: one evaluation a step.
    First = 1,
    /// DPM-Solver-2: two evaluations a step.
    Second = 2,
    /// DPM-Solver-3: three evaluations a step.
    Third = 3,
}

/// DPM-Solver as a row of the table of samplers.
///
/// No diffusers class asks for it: `DPMSolverSinglestepScheduler` evaluates the network at times of its list only.
pub static DPM_SOLVER: Method = Method {
    name: "dpm-solver",
    aliases: &["dpm_solver", "dpmsolver"],
    about: "DPM-Solver on ε: --solver-order evaluations a step",
    classes: &[],
    way: Way::Flow,
    usual: Some(19),
    spacing: Some(Spacing::Linspace),
    options: &[&ORDER],
    guided: None,
    evaluations: |recipe| Ok(order(recipe)? as usize),
    build: |recipe, schedule| {
        let (prediction, clip) = (recipe.scheduler.prediction, recipe.scheduler.clip);
        DpmSolver { prediction, clip, order: order(recipe)? }.plan(&recipe.grid(schedule)?)
    },
};

static ORDER: MethodOption = MethodOption {
    name: "solver-order",
    about: "order of the solver, 1 to 3",
    values: Values::Count { min: 1, max: 3, default: 2 },
    key: None,
};

fn order(recipe: &Recipe) -> Result<Order> {
    Ok(match recipe.number(&ORDER)? as usize {
        1 => Order::First,
        2 => Order::Second,
        _ => Order::Third,
    })
}

/// Exponential integrators of the probability-flow ODE.
///
/// ```text
/// λ = ½ ln SNR    h = λ_s − λ_t    a = √ᾱ    σ = √(1 − ᾱ)
/// 1     x_s = a_s/a_t x − σ_s (e^h − 1) ε(x, t)
/// 2     u = 1 to the middle, r = ½;      x_s = a_s/a_t x − σ_s (e^h − 1) ε(u)
/// 3     u₁ = 1 to r₁ = ⅓, D₁ = ε(u₁) − ε;   u₂ = a₂/a_t x − σ₂ (e^{r₂h} − 1) ε − σ₂ r₂/r₁ ((e^{r₂h} − 1)/(r₂h) − 1) D₁
///       x_s = a_s/a_t x − σ_s (e^h − 1) ε − σ_s/r₂ ((e^h − 1)/h − 1) (ε(u₂) − ε),  r₂ = ⅔
/// ```
///
/// Source: Lu et al. 2022, arXiv:2206.00927v3, eqs. (3.7), algorithms 1, 2. The step that leads to the data
/// (λ = ∞) is of first order and returns x̂₀. With clipping, ε is that of the clipped x̂₀.
///
/// ```
/// use alphabar::plan::{Clip, DpmSolver, Grid, Order, Prediction};
/// let grid = Grid::uniform_log_snr(-6.0, 6.0, 10)?;
/// let solver = DpmSolver { prediction: Prediction::Epsilon, clip: Clip::None, order: Order::Third };
/// assert_eq!(solver.plan(&grid)?.steps().len(), 30);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DpmSolver {
    /// What the network predicts.
    pub prediction: Prediction,
    /// Clipping of x̂₀.
    pub clip: Clip,
    /// Its order.
    pub order: Order,
}

impl DpmSolver {
    /// The plan along a grid.
    ///
    /// # Errors
    /// [`Error::Singular`] if the grid starts at ᾱ = 0.
    pub fn plan(&self, grid: &Grid) -> Result<Plan> {
        let nodes = grid.nodes();
        if nodes[0].level.signal() <= 0.0 {
            let reason = "alpha_bar is 0 (zero terminal SNR); use DPM-Solver++ 2M or DDIM with a v- or x0-network";
            return Err(Error::Singular { what: "a DPM-Solver step from pure noise", reason });
        }
        let mut steps = Vec::new();
        for pair in nodes.windows(2) {
            steps.extend(self.interval(grid, pair[0], pair[1])?);
        }
        let name = match self.order {
            Order::First => "dpm_solver_1",
            Order::Second => "dpm_solver_2",
            Order::Third => "dpm_solver_3",
        };
        Plan::new(name, 1.0, stage::compact(steps))
    }

    fn interval(&self, grid: &Grid, from: Node, to: Node) -> Result<Vec<Step>> {
        let how = (self.prediction, self.clip);
        let epsilon = |node: Node| Linear::epsilon(self.prediction, self.clip, node.level, 1.0);
        if to.level.noise_std() <= 0.0 {
            return Ok(vec![stage::step(from, to.t, 1.0, how, Linear::x0(), Vec::new())?]);
        }
        let h = 0.5 * (to.level.log_snr() - from.level.log_snr());
        // σ_to (e^h − 1) is a sine over √ᾱ: exp and ln would lose digits where the signal is small.
        let euler = |x: Linear, e: Linear, node: Node| {
            let (signal, signal_to) = (from.level.signal(), node.level.signal());
            x.times(signal_to / signal).plus(e.times(-sine_between(node.level, from.level) / signal))
        };
        let first = epsilon(from)?;
        if self.order == Order::First {
            return Ok(vec![stage::step(from, to.t, 1.0, how, euler(Linear::state(), first, to), Vec::new())?]);
        }
        let mut store = Vec::new();
        let (x, e) = (Linear::state().hold(0, &mut store), first.hold(0, &mut store));
        store.dedup();
        let fraction = if self.order == Order::Second { 0.5 } else { 1.0 / 3.0 };
        let middle = grid.between(from, to, fraction)?;
        let mut steps = vec![stage::step(from, None, 1.0, how, euler(Linear::state(), first, middle), store)?];
        if self.order == Order::Second {
            steps.push(stage::step(middle, to.t, 1.0, how, euler(x, epsilon(middle)?, to), Vec::new())?);
            return Ok(steps);
        }
        let late = 2.0 / 3.0;
        let second = grid.between(from, to, late)?;
        let bend = |h: f64| h.exp_m1() / h - 1.0;
        let difference = |now: Linear| now.plus(e.clone().times(-1.0));
        let weight = -second.level.noise_std() * (late / fraction) * bend(late * h);
        let next = euler(x.clone(), e.clone(), second).plus(difference(epsilon(middle)?).times(weight));
        steps.push(stage::step(middle, None, 1.0, how, next, Vec::new())?);
        let weight = -to.level.noise_std() / late * bend(h);
        let next = euler(x, e.clone(), to).plus(difference(epsilon(second)?).times(weight));
        steps.push(stage::step(second, to.t, 1.0, how, next, Vec::new())?);
        Ok(steps)
    }
}
