//! The options that determine a plan, shared by `sample` and `plan`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::failure::{Failure, Outcome};
use super::lists::Timesteps;
use crate::files;
use crate::onnx::Text;
use crate::plan::{Clip, ClippedEpsilon, Plan, Prediction, Previous, Recipe, SamplerKind, Scheduler, Spacing};
use crate::plan::{VarianceType, Visits};

/// Sampler and timesteps; what is not given comes from the scheduler's configuration.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sampler")]
pub struct RecipeArgs {
    /// Sampler [default: the configuration's class, else ddim]
    #[arg(long, value_enum)]
    pub sampler: Option<SamplerName>,
    /// Network evaluations [default: all for ddpm, 50 for ddim, 20 for dpm++2m, 39 for heun]
    #[arg(long, value_name = "S", conflicts_with = "timesteps")]
    pub steps: Option<usize>,
    /// The network's timesteps, from 0, decreasing, as in 999,500,0
    #[arg(long, value_name = "LIST", conflicts_with = "spacing")]
    pub timesteps: Option<Timesteps>,
    /// How the steps are spaced [default: the configuration's; linspace for the solvers unless it is a solver's]
    #[arg(long, value_enum)]
    pub spacing: Option<SpacingName>,
    /// What a step leads to: the list's next timestep, or t − T//S as diffusers' DDIM has it [default: list]
    #[arg(long, value_enum)]
    pub previous: Option<PreviousName>,
    /// η of ddim: 0 is deterministic, 1 as noisy as ddpm [default: 0]
    #[arg(long)]
    pub eta: Option<f64>,
    /// Variance of ddpm
    #[arg(long, value_enum)]
    pub variance: Option<VarianceName>,
    /// What the network predicts
    #[arg(long, value_enum)]
    pub prediction: Option<PredictionName>,
    /// Clip x̂₀ to the configuration's range
    #[arg(long, conflicts_with = "no_clip")]
    pub clip: bool,
    /// Leave x̂₀ as it is
    #[arg(long)]
    pub no_clip: bool,
    /// Which ε a clipped ddim step uses: as predicted, or the one the clipped x̂₀ implies [default: as predicted;
    /// in guided sampling from-clipped]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub clipped_epsilon: Option<ClippedEpsilonName>,
    /// A diffusers scheduler_config.json [default: the pipeline folder's]
    #[arg(long, value_name = "FILE")]
    pub scheduler: Option<PathBuf>,
}

/// `--sampler`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SamplerName {
    /// Ancestral sampling.
    Ddpm,
    /// Denoising diffusion implicit model.
    Ddim,
    /// DPM-Solver++ 2M: second order, one evaluation a step.
    #[value(name = "dpm++2m", alias = "dpmpp2m")]
    DpmSolverMultistep,
    /// Heun's method: second order, two evaluations a step.
    Heun,
}

impl SamplerName {
    const fn kind(self) -> SamplerKind {
        match self {
            Self::Ddpm => SamplerKind::Ddpm,
            Self::Ddim => SamplerKind::Ddim,
            Self::DpmSolverMultistep => SamplerKind::DpmSolverMultistep,
            Self::Heun => SamplerKind::Heun,
        }
    }
}

/// `--spacing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SpacingName {
    Leading,
    Linspace,
    Trailing,
    Quadratic,
}

/// `--previous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PreviousName {
    /// The next timestep of the list.
    List,
    /// t − T//S.
    Stride,
}

/// `--variance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VarianceName {
    /// β of the transition.
    Beta,
    /// β̃, the posterior's.
    BetaTilde,
    /// Between the two, chosen by the network.
    Learned,
}

/// `--prediction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PredictionName {
    /// The noise ε.
    Epsilon,
    /// The data x₀.
    #[value(alias = "sample")]
    X0,
    /// v = √ᾱ ε − √(1 − ᾱ) x₀.
    #[value(alias = "v_prediction")]
    V,
    /// The score.
    Score,
}

/// `--clipped-epsilon`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClippedEpsilonName {
    /// The network's.
    AsPredicted,
    /// The one that the clipped x̂₀ implies.
    FromClipped,
}

impl RecipeArgs {
    /// True if an option was given that a ready plan leaves no room for.
    pub fn any(&self) -> bool {
        let given = [
            self.sampler.is_some(),
            self.steps.is_some(),
            self.timesteps.is_some(),
            self.spacing.is_some(),
            self.previous.is_some(),
            self.eta.is_some(),
            self.variance.is_some(),
            self.prediction.is_some(),
            self.clip,
            self.no_clip,
            self.clipped_epsilon.is_some(),
            self.scheduler.is_some(),
        ];
        given.contains(&true)
    }

    /// The configuration with the options applied.
    ///
    /// `found` is the configuration that came with the model, if any.
    ///
    /// # Errors
    /// Exit 1 for a bad configuration, 2 for options that do not go together.
    pub fn recipe(&self, found: Option<&Text>) -> Outcome<Recipe> {
        let mut scheduler = scheduler_of(self.scheduler.as_deref(), found)?;
        if let Some(prediction) = self.prediction {
            scheduler.prediction = match prediction {
                PredictionName::Epsilon => Prediction::Epsilon,
                PredictionName::X0 => Prediction::X0,
                PredictionName::V => Prediction::V,
                PredictionName::Score => Prediction::Score,
            };
        }
        if self.no_clip {
            scheduler.clip = Clip::None;
        } else if self.clip && scheduler.clip == Clip::None {
            scheduler.clip = Clip::Range { bound: scheduler.clip_bound };
        }
        if let Some(variance) = self.variance {
            scheduler.variance = match variance {
                VarianceName::Beta => VarianceType::FixedLarge,
                VarianceName::BetaTilde => VarianceType::FixedSmall,
                VarianceName::Learned => VarianceType::LearnedRange,
            };
        }
        let mut recipe = match self.sampler {
            Some(name) => Recipe::with_sampler(scheduler, name.kind()),
            None => Recipe::new(scheduler).map_err(|error| {
                Failure::input(format!("{error}: give --sampler ddim, --sampler ddpm or another"))
            })?,
        };
        self.refuse_unused(recipe.sampler)?;
        if let Some(spacing) = self.spacing {
            recipe.scheduler.spacing = match spacing {
                SpacingName::Leading => Spacing::Leading { offset: recipe.scheduler.steps_offset },
                SpacingName::Linspace => Spacing::Linspace,
                SpacingName::Trailing => Spacing::Trailing,
                SpacingName::Quadratic => Spacing::Quadratic,
            };
        }
        if let Some(steps) = self.steps {
            recipe.visits = Visits::Count(steps);
        }
        if let Some(Timesteps(list)) = &self.timesteps {
            recipe.visits = Visits::List(list.clone());
        }
        recipe.eta = self.eta.unwrap_or(recipe.eta);
        if self.previous == Some(PreviousName::Stride) {
            recipe.previous = Previous::Stride;
        }
        if self.clipped_epsilon == Some(ClippedEpsilonName::FromClipped) {
            recipe.clipped_epsilon = ClippedEpsilon::FromClippedX0;
        }
        Ok(recipe)
    }

    /// The plan of a recipe made by [`RecipeArgs::recipe`].
    ///
    /// # Errors
    /// Exit 2 if the timesteps or η given on the command line are at fault, 1 if the configuration is.
    pub fn plan(&self, recipe: &Recipe) -> Outcome<Plan> {
        let blame = |given: bool, option: &'static str| {
            move |error: crate::Error| {
                if given { Failure::usage(format!("{option}: {error}")) } else { Failure::input(error) }
            }
        };
        let trained = recipe.scheduler.trained_steps;
        let most = recipe.sampler.most_evaluations(trained);
        if let Some(steps) = self.steps.filter(|steps| !(1..=most).contains(steps)) {
            let why =
                if most == trained { "the steps of training" } else { "two for each of training's steps but one" };
            return Err(Failure::usage(format!("--steps is {steps}; expected 1 to {most}, {why}")));
        }
        let list = recipe.model_timesteps().map_err(blame(self.steps.is_some(), "--steps"))?;
        if self.timesteps.is_some() {
            let schedule = recipe.scheduler.schedule()?;
            crate::plan::Route::new(&schedule, &list, recipe.previous, true).map_err(blame(true, "--timesteps"))?;
        }
        recipe.plan().map_err(|error| match error {
            crate::Error::OutOfRange { name: "eta", .. } => Failure::usage(format!("--eta: {error}")),
            other => Failure::input(other),
        })
    }

    fn refuse_unused(&self, sampler: SamplerKind) -> Outcome {
        let (name, noise) = match sampler {
            SamplerKind::Ddpm => ("ddpm", ""),
            SamplerKind::Ddim => ("ddim", "use --sampler ddpm, or --eta to add noise"),
            SamplerKind::DpmSolverMultistep => ("dpm++2m", "use --sampler ddpm"),
            SamplerKind::Heun => ("heun", "use --sampler ddpm"),
        };
        let (ddim, ddpm) = (sampler == SamplerKind::Ddim, sampler == SamplerKind::Ddpm);
        let unused = [
            ("--eta", self.eta.is_some() && !ddim, "use --sampler ddim"),
            ("--clipped-epsilon", self.clipped_epsilon.is_some() && !ddim, "use --sampler ddim"),
            ("--variance", self.variance.is_some() && !ddpm, noise),
            ("--previous", self.previous.is_some() && !ddim && !ddpm, "use --sampler ddim"),
        ];
        match unused.iter().find(|(_, given, _)| *given) {
            Some((option, _, fix)) => Err(Failure::usage(format!("{option} has no meaning for {name}; {fix}"))),
            None => Ok(()),
        }
    }
}

/// The configuration in a file that was named, else the one that came with the model, else diffusers' defaults.
///
/// # Errors
/// Exit 1 if it cannot be read or understood.
pub fn scheduler_of(named: Option<&Path>, found: Option<&Text>) -> Outcome<Scheduler> {
    match (named, found) {
        (Some(path), _) => {
            let text = files::text(path).map_err(|error| Failure::input(format!("cannot read {error}")))?;
            parse(path, &text)
        }
        (None, Some(found)) => parse(&found.path, &found.text),
        (None, None) => Ok(Scheduler::default()),
    }
}

fn parse(path: &Path, text: &str) -> Outcome<Scheduler> {
    Scheduler::from_json(text).map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}

/// Reads a plan written by `alphabar plan --json`.
///
/// # Errors
/// Exit 1 if the file cannot be read or is not a plan.
pub fn read_plan(path: &Path) -> Outcome<Plan> {
    let text = files::text(path).map_err(|error| Failure::input(format!("cannot read {error}")))?;
    serde_json::from_str(&text).map_err(|error| {
        let wanted = "expected what `alphabar plan --json` prints";
        Failure::input(format!("{} is not a plan: {error}; {wanted}", path.display()))
    })
}
