//! Which times a sampler visits, and what each visit steps to.

use super::{MethodOption, Values, Word, Words};
use crate::error::{Error, Result};
use crate::schedule::{Level, Schedule, Timestep, Transition};

/// How S of T network timesteps are chosen. Numbers below are the network's 0-based ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// `i · ⌊T/S⌋ + offset`, i = 0 … S − 1.
    Leading {
        /// Added to every timestep (diffusers: `steps_offset`).
        offset: usize,
    },
    /// S numbers from 0 to T − 1, equally spaced, rounded half to even; S = 1 visits 0 alone, as NumPy has it.
    Linspace,
    /// `round(T − i·T/S) − 1`, i = 0 … S − 1.
    Trailing,
    /// `round((T − 1)(i/(S − 1))²)`, moved up where two would coincide.
    ///
    /// Source: Song et al. 2021, arXiv:2010.02502v4, sect. D.2 (τ_i = ⌊c i²⌋ with c such that the last is close to T).
    Quadratic,
}

impl Words for Spacing {
    const WORDS: &'static [Word<Self>] = &[
        Word::new(Self::Leading { offset: 0 }, "leading", &["leading"], "Every T//S-th from 0"),
        Word::new(Self::Linspace, "linspace", &["linspace"], "Equally spaced from 0 to T − 1"),
        Word::new(Self::Trailing, "trailing", &["trailing"], "Every T/S-th down from T − 1"),
        Word::new(Self::Quadratic, "quadratic", &[], "Dense near the data"),
    ];
}

/// What a step leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Previous {
    /// The next time of the list, and data after the last.
    #[default]
    List,
    /// t − ⌊T/S⌋ whatever the list says, as diffusers' DDIM does; the same only for leading spacing.
    Stride,
}

impl Words for Previous {
    const WORDS: &'static [Word<Self>] = &[
        Word::new(Self::List, "list", &[], "The next timestep of the list"),
        Word::new(Self::Stride, "stride", &[], "t − T//S, as in diffusers' DDIM"),
    ];
}

/// The option of samplers that follow the chain.
pub(super) static PREVIOUS: MethodOption = MethodOption {
    name: "previous",
    about: "timestep that each step leads to",
    values: Values::words::<Previous>("list"),
    key: None,
};

/// What a step past the chain's first time leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum End {
    /// The data, ᾱ = 1 (the papers).
    #[default]
    Data,
    /// The level of the first time, ᾱ_1 (diffusers' `set_alpha_to_one: false`).
    FirstTime,
}

/// One evaluation of the network and where it leads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visit {
    /// Time of the evaluation.
    pub t: Timestep,
    /// Time that the step leads to.
    pub target: Timestep,
    /// The forward kernel from target to t.
    pub transition: Transition,
}

/// The times a sampler visits, in the order it visits them.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    visits: Vec<Visit>,
}

impl Spacing {
    /// The same spacing; leading gets the offset, the others have none.
    ///
    /// ```
    /// use alphabar::plan::Spacing;
    /// assert_eq!(Spacing::Trailing.with_offset(1), Spacing::Trailing);
    /// assert_eq!(Spacing::Leading { offset: 0 }.with_offset(1), Spacing::Leading { offset: 1 });
    /// ```
    #[must_use]
    pub fn with_offset(self, offset: usize) -> Self {
        match self {
            Self::Leading { .. } => Self::Leading { offset },
            other => other,
        }
    }

    /// The S network timesteps, strictly decreasing.
    ///
    /// ```
    /// use alphabar::plan::Spacing;
    /// assert_eq!(Spacing::Trailing.model_timesteps(1000, 4)?, [999, 749, 499, 249]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] if S is 0 or above T, or an offset pushes a timestep to T or beyond.
    pub fn model_timesteps(&self, trained: usize, steps: usize) -> Result<Vec<usize>> {
        if steps == 0 || steps > trained {
            return Err(Error::CountOutOfRange { name: "steps", value: steps, min: 1, max: trained });
        }
        let (total, count) = (trained as f64, steps as f64);
        let increasing: Vec<usize> = match *self {
            Self::Leading { offset } => (0..steps).map(|i| i * (trained / steps) + offset).collect(),
            Self::Linspace => {
                let gap = if steps == 1 { 0.0 } else { (total - 1.0) / (count - 1.0) };
                (0..steps).map(|i| (i as f64 * gap).round_ties_even() as usize).collect()
            }
            Self::Trailing => {
                let gap = total / count;
                (0..steps).rev().map(|i| (total - i as f64 * gap).round_ties_even() as usize - 1).collect()
            }
            Self::Quadratic => {
                let last = (steps.max(2) - 1) as f64;
                let mut floor = 0;
                let mut list = Vec::with_capacity(steps);
                for i in 0..steps {
                    let ratio = i as f64 / last;
                    let wanted = ((total - 1.0) * ratio * ratio).round_ties_even() as usize;
                    list.push(wanted.max(floor));
                    floor = list[i] + 1;
                }
                list
            }
        };
        match increasing.iter().find(|&&i| i >= trained) {
            Some(&value) => Err(Error::CountOutOfRange { name: "timestep", value, min: 0, max: trained - 1 }),
            None => Ok(increasing.into_iter().rev().collect()),
        }
    }
}

impl Route {
    /// Through a list of the network's 0-based timesteps.
    ///
    /// ```
    /// use alphabar::Schedule;
    /// use alphabar::plan::{End, Previous, Route};
    /// let route = Route::new(&Schedule::ddpm(), &[900, 500, 0], Previous::List, End::Data)?;
    /// let targets: Vec<usize> = route.visits().iter().map(|visit| visit.target.get()).collect();
    /// assert_eq!(targets, [501, 1, 0]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for an empty list or a timestep ≥ T; [`Error::NotDecreasing`].
    pub fn new(schedule: &Schedule, model_timesteps: &[usize], previous: Previous, end: End) -> Result<Self> {
        let trained = schedule.len();
        if model_timesteps.is_empty() {
            return Err(Error::CountOutOfRange { name: "steps", value: 0, min: 1, max: trained });
        }
        if let Some(&value) = model_timesteps.iter().find(|&&i| i >= trained) {
            return Err(Error::CountOutOfRange { name: "timestep", value, min: 0, max: trained - 1 });
        }
        if let Some(k) = (1..model_timesteps.len()).find(|&k| model_timesteps[k] >= model_timesteps[k - 1]) {
            let (previous, value) = (model_timesteps[k - 1] as f64, model_timesteps[k] as f64);
            return Err(Error::NotDecreasing { index: k, previous, value });
        }
        let end = match end {
            End::Data => Timestep::DATA,
            End::FirstTime => Timestep::new(1),
        };
        let stride = trained / model_timesteps.len();
        let visit = |k: usize| {
            let index = model_timesteps[k];
            let t = Timestep::from_model_index(index);
            let lower = match previous {
                Previous::List => model_timesteps.get(k + 1).copied(),
                Previous::Stride => index.checked_sub(stride),
            };
            let target = lower.map_or(end, Timestep::from_model_index);
            let transition =
                if target == t { Transition::stay(schedule.level(t)) } else { schedule.transition(target, t) };
            Visit { t, target, transition }
        };
        Ok(Self { visits: (0..model_timesteps.len()).map(visit).collect() })
    }

    /// Every time from T to 1.
    ///
    /// ```
    /// use alphabar::{Schedule, plan::Route};
    /// assert_eq!(Route::every(&Schedule::ddpm()).visits()[0].t.get(), 1000);
    /// ```
    #[must_use]
    pub fn every(schedule: &Schedule) -> Self {
        let visit = |(t, transition): (Timestep, Transition)| {
            let target = Timestep::new(t.get() - 1);
            Visit { t, target, transition }
        };
        Self { visits: schedule.steps().rev().map(visit).collect() }
    }

    /// The visits in order.
    #[must_use]
    pub fn visits(&self) -> &[Visit] {
        &self.visits
    }
}

impl Visit {
    /// The level that the network sees.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.transition.t()
    }

    /// The 0-based index as the number that the network is told.
    pub(super) fn model_timestep(&self) -> f64 {
        self.t.model_index().unwrap_or(0) as f64
    }
}
