//! Noise levels that a solver visits, and what the network is told at levels between the trained ones.

use super::Route;
use crate::error::{Error, Result};
use crate::schedule::{Level, Schedule, Timestep};

/// One noise level of a solver's way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// The level.
    pub level: Level,
    /// What the network is told there.
    pub model_timestep: f64,
    /// The papers' t, if the level is one of a schedule's.
    pub t: Option<usize>,
}

/// What the network is told at a level that is not one of the nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum Clock {
    /// The network's 0-based timestep, piecewise linear in the log-SNR between a schedule's times.
    ///
    /// Source: Lu et al. 2022, arXiv:2206.00927v3, sect. 3.4 and appendix C. Deviation: linear in ln SNR, there in ln √ᾱ.
    Schedule(
        /// ln SNR at t = 1 … T, decreasing.
        Vec<f64>,
    ),
    /// ln SNR itself.
    LogSnr,
}

/// Levels from noise to data.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    nodes: Vec<Node>,
    clock: Clock,
}

impl Clock {
    /// The clock of a network trained on a schedule.
    ///
    /// ```
    /// use alphabar::plan::Clock;
    /// use alphabar::{Schedule, schedule::Timestep};
    /// let schedule = Schedule::ddpm();
    /// let clock = Clock::of(&schedule);
    /// assert_eq!(clock.model_timestep(schedule.level(Timestep::new(400))), 399.0);
    /// ```
    #[must_use]
    pub fn of(schedule: &Schedule) -> Self {
        Self::Schedule(schedule.timesteps().map(|t| schedule.level(t).log_snr()).collect())
    }

    /// What the network is told at a level; ends of the schedule are not passed.
    #[must_use]
    pub fn model_timestep(&self, level: Level) -> f64 {
        let log_snr = level.log_snr();
        match self {
            Self::LogSnr => log_snr,
            Self::Schedule(all) => {
                let above = all.partition_point(|&at| at > log_snr);
                if above == 0 || above == all.len() {
                    return above.min(all.len() - 1) as f64;
                }
                let (before, after) = (all[above - 1], all[above]);
                let part = if after.is_finite() { (before - log_snr) / (before - after) } else { 0.0 };
                (above - 1) as f64 + part
            }
        }
    }
}

impl Grid {
    /// Levels of a network trained on a schedule, or told the log-SNR.
    ///
    /// ```
    /// use alphabar::plan::{Clock, Grid};
    /// use alphabar::schedule::Level;
    /// let levels = [Level::from_log_snr(-6.0)?, Level::DATA];
    /// assert_eq!(Grid::new(&levels, Clock::LogSnr)?.nodes()[0].model_timestep, -6.0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for fewer than two levels; [`Error::NotDecreasing`] if the noise does not decrease.
    pub fn new(levels: &[Level], clock: Clock) -> Result<Self> {
        let node = |&level: &Level| Node { level, model_timestep: clock.model_timestep(level), t: None };
        Self::checked(levels.iter().map(node).collect(), clock)
    }

    /// `steps + 1` levels equally spaced in ln SNR for a network that is told ln SNR.
    ///
    /// ```
    /// use alphabar::plan::Grid;
    /// assert_eq!(Grid::uniform_log_snr(-6.0, 6.0, 10)?.nodes().len(), 11);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] without steps; [`Error::NotDecreasing`] unless `from < to`;
    /// [`Error::OutOfRange`] for NaN.
    pub fn uniform_log_snr(from: f64, to: f64, steps: usize) -> Result<Self> {
        let at = |k: usize| Level::from_log_snr(from + (to - from) * (k as f64 / steps.max(1) as f64));
        Self::new(&(0..=steps).map(at).collect::<Result<Vec<_>>>()?, Clock::LogSnr)
    }

    /// The levels `σ_i = (σ_max^{1/ρ} + i/(S − 1)·(σ_min^{1/ρ} − σ_max^{1/ρ}))^ρ`, σ² = 1/SNR, and then the data.
    ///
    /// Source: Karras et al. 2022, arXiv:2206.00364v2, eq. (5), ρ = 7 there.
    ///
    /// ```
    /// use alphabar::Schedule;
    /// use alphabar::plan::{Clip, Clock, DpmSolverPlusPlus2M, Grid, Prediction};
    /// let grid = Grid::karras(Clock::of(&Schedule::ddpm()), 10, 0.03, 14.6, 7.0)?;
    /// let plan = DpmSolverPlusPlus2M { prediction: Prediction::Epsilon, clip: Clip::None }.plan(&grid)?;
    /// assert_eq!(plan.steps().len(), 10);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] without steps; [`Error::OutOfRange`] unless `0 < σ_min < σ_max` and ρ > 0.
    pub fn karras(clock: Clock, steps: usize, sigma_min: f64, sigma_max: f64, rho: f64) -> Result<Self> {
        if !(sigma_min > 0.0 && sigma_min < sigma_max && sigma_max.is_finite()) {
            let expected = "positive and below sigma_max, which is finite";
            return Err(Error::OutOfRange { name: "sigma_min", value: sigma_min, expected });
        }
        if !(rho > 0.0 && rho.is_finite()) {
            return Err(Error::OutOfRange { name: "rho", value: rho, expected: "positive and finite" });
        }
        let (first, last) = (sigma_max.powf(1.0 / rho), sigma_min.powf(1.0 / rho));
        let gap = steps.saturating_sub(1).max(1) as f64;
        let sigma = |i: usize| (first + i as f64 / gap * (last - first)).powf(rho);
        let mut levels = (0..steps).map(|i| Level::from_log_snr(-2.0 * sigma(i).ln())).collect::<Result<Vec<_>>>()?;
        levels.push(Level::DATA);
        Self::new(&levels, clock)
    }

    /// The levels of a route's visits and of the last one's target.
    ///
    /// ```
    /// use alphabar::Schedule;
    /// use alphabar::plan::{End, Grid, Previous, Route};
    /// let schedule = Schedule::ddpm();
    /// let route = Route::new(&schedule, &[999, 500], Previous::List, End::Data)?;
    /// let times: Vec<_> = Grid::along(&schedule, &route)?.nodes().iter().map(|node| node.t).collect();
    /// assert_eq!(times, [Some(1000), Some(501), Some(0)]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotDecreasing`] if the last visit leads nowhere (diffusers' `set_alpha_to_one: false` at t = 1).
    pub fn along(schedule: &Schedule, route: &Route) -> Result<Self> {
        let node = |t: Timestep| Node {
            level: schedule.level(t),
            model_timestep: t.model_index().unwrap_or(0) as f64,
            t: Some(t.get()),
        };
        let visits = route.visits();
        let end = visits.last().map(|visit| visit.target);
        let nodes = visits.iter().map(|visit| visit.t).chain(end).map(node).collect();
        Self::checked(nodes, Clock::of(schedule))
    }

    fn checked(nodes: Vec<Node>, clock: Clock) -> Result<Self> {
        if nodes.len() < 2 {
            return Err(Error::CountOutOfRange { name: "levels", value: nodes.len(), min: 2, max: usize::MAX });
        }
        // Close to pure noise only ᾱ tells two levels apart, close to data only 1 − ᾱ.
        let stays = |k: &usize| {
            let (from, to) = (nodes[k - 1].level, nodes[*k].level);
            to.alpha_bar() <= from.alpha_bar() && to.one_minus_alpha_bar() >= from.one_minus_alpha_bar()
        };
        if let Some(index) = (1..nodes.len()).find(stays) {
            let noise = |k: usize| nodes[k].level.one_minus_alpha_bar();
            return Err(Error::NotDecreasing { index, previous: noise(index - 1), value: noise(index) });
        }
        Ok(Self { nodes, clock })
    }

    /// The levels in order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The level at a fraction of the way from one to another in ln SNR.
    ///
    /// ```
    /// use alphabar::plan::Grid;
    /// let grid = Grid::uniform_log_snr(-6.0, 6.0, 1)?;
    /// let middle = grid.between(grid.nodes()[0], grid.nodes()[1], 0.5)?;
    /// assert!(middle.level.log_snr().abs() < 1e-12);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if one of them is data or pure noise and the fraction has no meaning.
    pub fn between(&self, from: Node, to: Node, fraction: f64) -> Result<Node> {
        let (a, b) = (from.level.log_snr(), to.level.log_snr());
        let level = Level::from_log_snr(a + fraction * (b - a))?;
        Ok(Node { level, model_timestep: self.clock.model_timestep(level), t: None })
    }
}
