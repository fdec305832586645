//! From a scheduler's configuration and a user's choices to a plan.

use super::{Ancestral, ClippedEpsilon, Ddim, Plan, Previous, Route, Scheduler};
use crate::error::{Error, Result};
use crate::prediction::Prediction;

/// The samplers that a configuration can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplerKind {
    /// Ancestral sampling with the configuration's variance.
    Ddpm,
    /// DDIM.
    Ddim,
}

impl SamplerKind {
    /// The sampler of a diffusers class, if it is one of these.
    #[must_use]
    pub fn from_class_name(name: &str) -> Option<Self> {
        match name {
            "DDPMScheduler" => Some(Self::Ddpm),
            "DDIMScheduler" => Some(Self::Ddim),
            _ => None,
        }
    }
}

/// Which of the T timesteps are visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visits {
    /// So many, spaced as the configuration says.
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
    /// The sampler that the configuration names (DDIM if it names none), with 50 steps for DDIM and all T for DDPM.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the configuration is of a class that is neither.
    pub fn new(scheduler: Scheduler) -> Result<Self> {
        let sampler = match &scheduler.class_name {
            None => SamplerKind::Ddim,
            Some(name) => SamplerKind::from_class_name(name).ok_or_else(|| Error::Unsupported {
                found: format!("scheduler class {name:?}"),
                expected: "DDPMScheduler or DDIMScheduler, or a sampler chosen explicitly",
            })?,
        };
        Ok(Self::with_sampler(scheduler, sampler))
    }

    /// A given sampler whatever the configuration's class.
    #[must_use]
    pub fn with_sampler(scheduler: Scheduler, sampler: SamplerKind) -> Self {
        let count = match sampler {
            SamplerKind::Ddpm => scheduler.trained_steps,
            SamplerKind::Ddim => scheduler.trained_steps.min(50),
        };
        let (previous, eta, clipped_epsilon) = (Previous::List, 0.0, ClippedEpsilon::AsPredicted);
        Self { scheduler, sampler, visits: Visits::Count(count), previous, eta, clipped_epsilon }
    }

    /// The network's timesteps in the order they are visited.
    ///
    /// With S = T every timestep is visited once, whatever the spacing and its offset.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] unless 1 ≤ S ≤ T and every timestep is below T.
    pub fn model_timesteps(&self) -> Result<Vec<usize>> {
        let trained = self.scheduler.trained_steps;
        match &self.visits {
            Visits::Count(count) if *count == trained => Ok((0..trained).rev().collect()),
            Visits::Count(count) => self.scheduler.spacing.model_timesteps(trained, *count),
            Visits::List(list) => Ok(list.clone()),
        }
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
        let clean = scheduler.data_is_clean || self.sampler == SamplerKind::Ddpm;
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
        }
    }
}
