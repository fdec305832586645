//! From a scheduler's configuration and a user's choices to a plan.

use super::{Ancestral, ClippedEpsilon, Ddim, DpmSolver, Grid, Heun, Order, Plan};
use super::{Previous, Route, Scheduler, Spacing};
use crate::error::{Error, Result};
use crate::prediction::Prediction;

/// The samplers that a configuration can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplerKind {
    /// Ancestral sampling with the configuration's variance.
    Ddpm,
    /// DDIM.
    Ddim,
    /// DPM-Solver++ 2M: second order at one evaluation a step.
    DpmSolverMultistep,
    /// Heun's method on the probability-flow ODE: second order at two evaluations a step.
    Heun,
}

impl SamplerKind {
    /// The sampler of a diffusers class, if it is one of these.
    #[must_use]
    pub fn from_class_name(name: &str) -> Option<Self> {
        match name {
            "DDPMScheduler" => Some(Self::Ddpm),
            "DDIMScheduler" => Some(Self::Ddim),
            "DPMSolverMultistepScheduler" => Some(Self::DpmSolverMultistep),
            _ => None,
        }
    }

    /// The most evaluations of the network that a chain of T steps has room for.
    #[must_use]
    pub const fn most_evaluations(self, trained: usize) -> usize {
        match self {
            Self::Heun => (2 * trained).saturating_sub(1),
            Self::Ddpm | Self::Ddim | Self::DpmSolverMultistep => trained,
        }
    }

    /// Whether the sampler follows the probability-flow ODE from level to level and ends at the data.
    const fn is_solver(self) -> bool {
        matches!(self, Self::DpmSolverMultistep | Self::Heun)
    }
}

/// Which of the T timesteps are visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visits {
    /// As many as so many evaluations of the network allow, spaced as the configuration says.
    Count(usize),
    /// These, as the network numbers them (from 0), strictly decreasing.
    List(Vec<usize>),
}

/// Everything that determines a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The trained chain, what is predicted, clipping, spacing, variance.
    pub scheduler: Scheduler,
    /// Which sampler runs.
    pub sampler: SamplerKind,
    /// The timesteps.
    pub visits: Visits,
    /// What a step leads to.
    pub previous: Previous,
    /// η of DDIM.
    pub eta: f64,
    /// Which ε a clipped DDIM step points along.
    pub clipped_epsilon: ClippedEpsilon,
}

impl Recipe {
    /// The sampler that the configuration names (DDIM if it names none), with as many evaluations of the network as
    /// [`Recipe::with_sampler`] has.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the configuration is of a class that is none of these.
    pub fn new(scheduler: Scheduler) -> Result<Self> {
        let sampler = match &scheduler.class_name {
            None => SamplerKind::Ddim,
            Some(name) => SamplerKind::from_class_name(name).ok_or_else(|| Error::Unsupported {
                found: format!("scheduler class {name:?}"),
                expected: "DDPMScheduler, DDIMScheduler or DPMSolverMultistepScheduler, or a sampler chosen explicitly",
            })?,
        };
        Ok(Self::with_sampler(scheduler, sampler))
    }

    /// A given sampler whatever the configuration's class: all T evaluations for DDPM, 50 for DDIM, 20 for
    /// DPM-Solver++ 2M, 39 for Heun's method.
    ///
    /// The solvers space linearly unless the configuration is of a solver's class: the leading spacing of DDIM would
    /// start them at T − T/(S + 1).
    #[must_use]
    pub fn with_sampler(mut scheduler: Scheduler, sampler: SamplerKind) -> Self {
        let class = scheduler.class_name.as_deref().and_then(SamplerKind::from_class_name);
        if sampler.is_solver() && !class.is_some_and(SamplerKind::is_solver) {
            scheduler.spacing = Spacing::Linspace;
        }
        let usual = match sampler {
            SamplerKind::Ddpm => usize::MAX,
            SamplerKind::Ddim => 50,
            SamplerKind::DpmSolverMultistep => 20,
            SamplerKind::Heun => 39,
        };
        let count = sampler.most_evaluations(scheduler.trained_steps()).min(usual);
        let (previous, eta, clipped_epsilon) = (Previous::List, 0.0, ClippedEpsilon::AsPredicted);
        Self { scheduler, sampler, visits: Visits::Count(count), previous, eta, clipped_epsilon }
    }

    /// The network's timesteps in the order they are visited.
    ///
    /// With S = T every timestep is visited once, whatever the spacing and its offset. Heun's method visits ⌈S/2⌉, as
    /// it evaluates the network twice at every timestep but the first. The solvers' last step leads to the data itself,
    /// so but for trailing ones they take one timestep more and leave the lowest out, as diffusers'
    /// `DPMSolverMultistepScheduler` does.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] unless 1 ≤ S ≤ T and every timestep is below T.
    pub fn model_timesteps(&self) -> Result<Vec<usize>> {
        let (trained, spacing) = (self.scheduler.trained_steps(), &self.scheduler.spacing);
        let count = match (&self.visits, self.sampler) {
            (Visits::List(list), _) => return Ok(list.clone()),
            (Visits::Count(evaluations), SamplerKind::Heun) => evaluations.div_ceil(2),
            (Visits::Count(evaluations), _) => *evaluations,
        };
        if count == trained {
            return Ok((0..trained).rev().collect());
        }
        if !self.sampler.is_solver() || *spacing == Spacing::Trailing || count == 0 || count > trained {
            return spacing.model_timesteps(trained, count);
        }
        let mut list = spacing.model_timesteps(trained, count + 1)?;
        list.truncate(count);
        Ok(list)
    }

    /// The plan.
    ///
    /// # Errors
    /// [`Error::Singular`] for a chain that ends in ᾱ = 0 with a network that predicts ε; whatever the schedule, the
    /// route and the sampler find wrong.
    pub fn plan(&self) -> Result<Plan> {
        let scheduler = &self.scheduler;
        let schedule = scheduler.schedule()?;
        let prediction = scheduler.prediction;
        if schedule.alpha_bar(schedule.last()) <= 0.0 && matches!(prediction, Prediction::Epsilon | Prediction::Score)
        {
            let reason = "the chain ends in alpha_bar = 0 (zero terminal SNR), where a predicted noise says nothing of \
                          x0; such networks predict v or x0";
            return Err(Error::Singular { what: "x0 from a predicted noise", reason });
        }
        let clean = scheduler.data_is_clean || self.sampler != SamplerKind::Ddim;
        let route = Route::new(&schedule, &self.model_timesteps()?, self.previous, clean)?;
        match self.sampler {
            SamplerKind::Ddpm => {
                let variance = scheduler.variance.reverse_variance()?;
                Ancestral { prediction, clip: scheduler.clip, variance }.plan(&route)
            }
            SamplerKind::Ddim => {
                let (clip, clipped_epsilon, eta) = (scheduler.clip, self.clipped_epsilon, self.eta);
                Ddim { prediction, clip, clipped_epsilon, eta }.plan(&route)
            }
            SamplerKind::DpmSolverMultistep => {
                let order = Order::SecondMultistep;
                DpmSolver { prediction, clip: scheduler.clip, order }.plan(&Grid::along(&schedule, &route)?)
            }
            SamplerKind::Heun => Heun { prediction, clip: scheduler.clip }.plan(&Grid::along(&schedule, &route)?),
        }
    }
}
