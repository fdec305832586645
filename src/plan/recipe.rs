//! From a scheduler's configuration and a user's choices to a plan.

use super::{Clip, ClippedEpsilon, End, Grid, Guided, Key, METHODS, Method, MethodOption, Plan, Previous};
use super::{ReverseVariance, Route, Scheduler, Setting, Settings, Spacing, Way, Words, ddim};
use crate::error::{Error, Result};
use crate::prediction::Prediction;
use crate::schedule::Schedule;

/// Which of the T timesteps are visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visits {
    /// As many as so many evaluations of the network allow, spaced as the recipe says.
    Count(usize),
    /// These, as the network numbers them (from 0), strictly decreasing.
    List(Vec<usize>),
}

/// Everything that determines a plan.
///
/// ```
/// use alphabar::plan::{self, Recipe};
/// let plan = Recipe::new(&plan::DDIM).steps(20).eta(0.5).plan()?;
/// assert_eq!((plan.name(), plan.steps().len()), ("ddim", 20));
///
/// // Options of other samplers are refused by the plan.
/// assert!(Recipe::new(&plan::HEUN).eta(0.5).plan().is_err());
/// # Ok::<(), alphabar::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recipe {
    /// The trained chain, what is predicted, clipping, and what the configuration says of spacing and options.
    pub scheduler: Scheduler,
    /// Which sampler runs.
    pub method: &'static Method,
    /// The timesteps; `None`: the sampler's usual number.
    pub visits: Option<Visits>,
    /// The spacing; `None`: that of the configuration or the sampler.
    pub spacing: Option<Spacing>,
    /// The sampler's options that were given.
    pub options: Settings,
}

impl Default for Recipe {
    /// DDIM on a chain with diffusers' defaults.
    fn default() -> Self {
        Self::new(&ddim::DDIM)
    }
}

impl Recipe {
    /// A sampler on a chain with diffusers' defaults, with the sampler's usual number of evaluations.
    #[must_use]
    pub fn new(method: &'static Method) -> Self {
        let scheduler = Scheduler::default();
        Self { scheduler, method, visits: None, spacing: None, options: Settings::new() }
    }

    /// The sampler that a configuration names; DDIM if it names none.
    ///
    /// ```
    /// use alphabar::plan::{self, Recipe, Scheduler};
    /// assert_eq!(Recipe::configured(Scheduler::default())?.method, &plan::DDIM);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotOneOf`] if the configuration is of a class that no sampler stands for.
    pub fn configured(scheduler: Scheduler) -> Result<Self> {
        let method = match &scheduler.class_name {
            None => return Ok(Self::default().scheduler(scheduler)),
            Some(name) => match Method::of_class(name) {
                Some((method, _)) => method,
                None => {
                    let known = METHODS.iter().flat_map(|method| method.classes).map(|class| class.name).collect();
                    let (name, found) = ("_class_name".into(), format!("{name:?}"));
                    return Err(Error::NotOneOf { name, found, known });
                }
            },
        };
        Ok(Self::new(method).scheduler(scheduler))
    }

    /// On this chain, with what its configuration says.
    #[must_use]
    pub fn scheduler(self, scheduler: Scheduler) -> Self {
        Self { scheduler, ..self }
    }

    /// With so many evaluations of the network.
    #[must_use]
    pub fn steps(self, evaluations: usize) -> Self {
        Self { visits: Some(Visits::Count(evaluations)), ..self }
    }

    /// At these timesteps, as the network numbers them (from 0), strictly decreasing.
    ///
    /// ```
    /// use alphabar::plan::{self, Recipe};
    /// let plan = Recipe::new(&plan::DDIM).timesteps([900, 500, 0]).plan()?;
    /// assert_eq!(plan.steps()[1].model_timestep, 500.0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn timesteps(self, list: impl Into<Vec<usize>>) -> Self {
        Self { visits: Some(Visits::List(list.into())), ..self }
    }

    /// Spaced like this, whatever the configuration says.
    #[must_use]
    pub fn spacing(self, spacing: Spacing) -> Self {
        Self { spacing: Some(spacing), ..self }
    }

    /// With an option of the sampler by its name; [`Recipe::plan`] checks it.
    ///
    /// ```
    /// use alphabar::plan::{self, Recipe};
    /// let plan = Recipe::new(&plan::DPM_SOLVER).option("solver-order", 3).steps(7).plan()?;
    /// assert_eq!((plan.name(), plan.steps().len()), ("dpm_solver_3", 7));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn option(mut self, name: &str, setting: impl Into<Setting>) -> Self {
        self.options.insert(name.into(), setting.into());
        self
    }

    /// With this η (DDIM).
    #[must_use]
    pub fn eta(self, eta: f64) -> Self {
        self.option("eta", eta)
    }

    /// With this ε in clipped steps (DDIM).
    #[must_use]
    pub fn clipped_epsilon(self, which: ClippedEpsilon) -> Self {
        self.option("clipped-epsilon", which.word())
    }

    /// With this variance of the reverse step (DDPM).
    #[must_use]
    pub fn variance(self, variance: ReverseVariance) -> Self {
        self.option("variance", variance.word())
    }

    /// With steps that lead there (DDPM, DDIM).
    #[must_use]
    pub fn previous(self, previous: Previous) -> Self {
        self.option("previous", previous.word())
    }

    /// The value of an option: the one given, else the configuration's, else the option's own.
    ///
    /// # Errors
    /// As [`MethodOption::checked`].
    pub fn setting(&self, option: &MethodOption) -> Result<Setting> {
        let heard = match option.key {
            None => false,
            Some(Key::OfAnyClass(_)) => true,
            Some(Key::OfOwnClasses(_)) => self.scheduler.method() == Some(self.method),
        };
        let configured = self.scheduler.options.get(option.name).filter(|_| heard);
        let setting = self.options.get(option.name).or(configured);
        setting.map_or_else(|| Ok(option.default()), |setting| option.checked(setting))
    }

    /// The value of an option that is a number.
    pub(super) fn number(&self, option: &MethodOption) -> Result<f64> {
        match self.setting(option)? {
            Setting::Number(number) => Ok(number),
            Setting::Word(word) => Err(Error::Unsupported { found: word, expected: "an option that is a number" }),
        }
    }

    /// The value of an option that is a word.
    pub(super) fn word<T: Words>(&self, option: &MethodOption) -> Result<T> {
        let setting = self.setting(option)?.to_string();
        T::from_word(&setting).ok_or(Error::Unsupported { found: setting, expected: "an option with these words" })
    }

    /// What guided sampling sets unless it was given: something only if x̂₀ is clipped.
    #[must_use]
    pub fn guided(&self) -> Option<&'static Guided> {
        let given = |guided: &&Guided| self.options.contains_key(guided.option.name);
        self.method.guided.as_ref().filter(|_| self.scheduler.clip != Clip::None).filter(|guided| !given(guided))
    }

    /// Refuses options that the sampler does not take, and values out of range.
    ///
    /// # Errors
    /// [`Error::OptionNotTaken`]; [`MethodOption::checked`].
    pub fn check_options(&self) -> Result<()> {
        for (name, setting) in &self.options {
            let Some(option) = self.method.option(name) else {
                let (option, method, by) = (name.clone(), self.method.name, Method::taking(name));
                return Err(Error::OptionNotTaken { option, method, by });
            };
            option.checked(setting)?;
        }
        Ok(())
    }

    /// Evaluations of the network on one step that does not lead to the data.
    ///
    /// # Errors
    /// If it depends on an option that is out of range.
    pub fn evaluations_per_step(&self) -> Result<usize> {
        (self.method.evaluations)(self)
    }

    /// The most evaluations of the network that the chain has room for.
    ///
    /// # Errors
    /// As [`Recipe::evaluations_per_step`].
    pub fn most_evaluations(&self) -> Result<usize> {
        let times = self.scheduler.trained_steps();
        Ok(self.evaluations_per_step()? * times.saturating_sub(1) + times.min(1))
    }

    /// The network's timesteps in the order they are visited.
    ///
    /// With S = T every timestep is visited once, whatever the spacing and its offset. A sampler that evaluates the
    /// network k times a step visits ⌊(S − 1)/k⌋ + 1, as the step to the data has one evaluation. Samplers that follow
    /// the flow lead to the data itself, so but for trailing timesteps they take one more and leave the lowest out, as
    /// diffusers' `DPMSolverMultistepScheduler` does.
    ///
    /// ```
    /// use alphabar::plan::{self, Recipe};
    /// assert_eq!(Recipe::new(&plan::DDIM).steps(4).model_timesteps()?, [750, 500, 250, 0]);
    /// assert_eq!(Recipe::new(&plan::HEUN).steps(7).model_timesteps()?, [999, 749, 500, 250]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] unless 1 ≤ S ≤ T and every timestep is below T.
    pub fn model_timesteps(&self) -> Result<Vec<usize>> {
        let trained = self.scheduler.trained_steps();
        let evaluations = match &self.visits {
            Some(Visits::List(list)) => return Ok(list.clone()),
            Some(Visits::Count(evaluations)) => *evaluations,
            None => self.most_evaluations()?.min(self.method.usual.unwrap_or(usize::MAX)),
        };
        let count = evaluations.saturating_sub(1) / self.evaluations_per_step()? + evaluations.min(1);
        if count == trained {
            return Ok((0..trained).rev().collect());
        }
        let spacing = self.effective_spacing();
        if self.method.way == Way::Chain || spacing == Spacing::Trailing || count == 0 || count > trained {
            return spacing.model_timesteps(trained, count);
        }
        let mut list = spacing.model_timesteps(trained, count + 1)?;
        list.truncate(count);
        Ok(list)
    }

    /// The one given; else the sampler's own, unless the configuration is of a class with one: DDIM's leading spacing
    /// would start a solver at T − T/(S + 1).
    fn effective_spacing(&self) -> Spacing {
        let own = self.scheduler.method().is_some_and(|method| method.spacing.is_some());
        let usual = self.method.spacing.as_ref().filter(|_| !own);
        self.spacing.as_ref().or(usual).unwrap_or(&self.scheduler.spacing).clone()
    }

    /// The times that a sampler of the chain visits.
    pub(super) fn route(&self, schedule: &Schedule, end: End) -> Result<Route> {
        let previous = self.word(&super::spacing::PREVIOUS)?;
        Route::new(schedule, &self.model_timesteps()?, previous, end)
    }

    /// The levels that a sampler of the flow visits.
    pub(super) fn grid(&self, schedule: &Schedule) -> Result<Grid> {
        Grid::along(schedule, &Route::new(schedule, &self.model_timesteps()?, Previous::List, End::Data)?)
    }

    /// The plan.
    ///
    /// # Errors
    /// [`Error::Singular`] for a chain that ends in ᾱ = 0 with a network that predicts ε; whatever the schedule, the
    /// options, the route and the sampler find wrong.
    pub fn plan(&self) -> Result<Plan> {
        let schedule = self.scheduler.schedule()?;
        let noise = matches!(self.scheduler.prediction, Prediction::Epsilon | Prediction::Score);
        if noise && schedule.alpha_bar(schedule.last()) <= 0.0 {
            let reason = "the chain ends in alpha_bar = 0 (zero terminal SNR), where a predicted noise says nothing of \
                          x0; such networks predict v or x0";
            return Err(Error::Singular { what: "x0 from a predicted noise", reason });
        }
        self.check_options()?;
        (self.method.build)(self, &schedule)
    }
}
