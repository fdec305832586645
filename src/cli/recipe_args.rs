//! The options that determine a plan, shared by `sample` and `plan`.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::failure::{Failure, Outcome};
use super::lists::Timesteps;
use crate::error::list;
use crate::files;
use crate::onnx::Text;
use crate::plan::{Choice, Clip, End, METHODS, Method, MethodOption, Plan, Prediction, Previous, Recipe, Route};
use crate::plan::{Scheduler, Setting, Spacing, Values, Word, Words};

/// Sampler and timesteps; what is not given comes from the scheduler's configuration.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sampler")]
pub struct RecipeArgs {
    #[arg(long, value_parser = methods(), help = help_of_sampler())]
    pub sampler: Option<&'static Method>,
    #[arg(long, value_name = "S", conflicts_with = "timesteps", help = help_of_steps())]
    pub steps: Option<usize>,
    /// The network's timesteps, from 0, decreasing, as in 999,500,0
    #[arg(long, value_name = "LIST", conflicts_with = "spacing")]
    pub timesteps: Option<Timesteps>,
    #[arg(long, value_parser = words::<Spacing>(), help = help_of_spacing())]
    pub spacing: Option<Spacing>,
    /// What the network predicts [default: the configuration's]
    #[arg(long, value_parser = words::<Prediction>())]
    pub prediction: Option<Prediction>,
    /// Clip x̂₀ to the configuration's range
    #[arg(long, conflicts_with = "no_clip")]
    pub clip: bool,
    /// Leave x̂₀ as it is
    #[arg(long)]
    pub no_clip: bool,
    /// A diffusers scheduler_config.json [default: the pipeline folder's]
    #[arg(long, value_name = "FILE")]
    pub scheduler: Option<PathBuf>,
    #[command(flatten)]
    pub options: MethodOptions,
}

/// The samplers' own options that were given.
#[derive(Clone, Debug, Default)]
pub struct MethodOptions(Vec<(&'static str, Setting)>);

/// The rows of one name, each with the names of the samplers that have it.
type Group = Vec<(&'static MethodOption, Vec<&'static str>)>;

/// Every option of the table of samplers, in its order.
fn groups() -> Vec<(&'static str, Group)> {
    let mut groups: Vec<(&'static str, Group)> = Vec::new();
    for (method, &option) in METHODS.iter().flat_map(|method| method.options.iter().map(move |row| (method, row))) {
        let group = match groups.iter().position(|(name, _)| *name == option.name) {
            Some(k) => &mut groups[k].1,
            None => {
                groups.push((option.name, Vec::new()));
                let last = groups.len() - 1;
                &mut groups[last].1
            }
        };
        match group.iter_mut().find(|(row, _)| std::ptr::eq(*row, option)) {
            Some((_, samplers)) => samplers.push(method.name),
            None => group.push((option, vec![method.name])),
        }
    }
    groups
}

impl Args for MethodOptions {
    fn augment_args(command: Command) -> Command {
        let arg = |(name, group): (&'static str, Group)| {
            let help: Vec<String> = group.iter().map(|(row, samplers)| help_of_option(row, samplers)).collect();
            let value_name = match group[0].0.values {
                Values::Number { .. } => "NUMBER",
                Values::Count { .. } => "N",
                Values::Words { .. } => "WHICH",
            };
            Arg::new(name).long(name).value_name(value_name).value_parser(values(&group)).help(help.join("; "))
        };
        groups().into_iter().map(arg).fold(command, Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for MethodOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |(name, _)| matches.get_one::<Setting>(name).map(|setting| (name, setting.clone()));
        Ok(Self(groups().into_iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Reads the value of an option; its range is the sampler's matter.
fn values(group: &Group) -> ValueParser {
    match group[0].0.values {
        Values::Number { .. } => ValueParser::new(|text: &str| text.parse::<f64>().map(Setting::from)),
        Values::Count { .. } => ValueParser::new(|text: &str| text.parse::<u32>().map(Setting::from)),
        Values::Words { .. } => {
            let mut all: Vec<Choice> = Vec::new();
            for (row, _) in group {
                if let Values::Words { choices, .. } = row.values {
                    let new = |choice: &Choice| all.iter().all(|old| old.name != choice.name);
                    let new: Vec<Choice> = choices().into_iter().filter(new).collect();
                    all.extend(new);
                }
            }
            possible(&all).map(Setting::Word).into()
        }
    }
}

fn possible(choices: &[Choice]) -> PossibleValuesParser {
    let value = |choice: &Choice| {
        let aliases = choice.diffusers.iter().copied().filter(|alias| *alias != choice.name);
        PossibleValue::new(choice.name).aliases(aliases).help(choice.about).hide(!choice.offered)
    };
    PossibleValuesParser::new(choices.iter().map(value))
}

/// Reads a value of an enum by its names.
fn words<T: Words + Send + Sync>() -> impl TypedValueParser<Value = T> {
    possible(&T::choices()).try_map(|text| T::from_word(&text).ok_or("not a known name"))
}

/// Reads a sampler by its names.
fn methods() -> impl TypedValueParser<Value = &'static Method> {
    let value = |method: &&'static Method| {
        let classes = method.classes.iter().map(|class| class.name);
        PossibleValue::new(method.name).help(method.about).aliases(method.aliases.iter().copied().chain(classes))
    };
    PossibleValuesParser::new(METHODS.iter().map(value))
        .try_map(|text| Method::named(&text).ok_or("not a known sampler"))
}

fn help_of_sampler() -> String {
    format!("Sampler [default: the configuration's class, else {}]", Recipe::default().method.name)
}

fn help_of_steps() -> String {
    let usual = |method: &&Method| {
        let count = method.usual.map_or_else(|| "all".into(), |count| count.to_string());
        format!("{count} for {}", method.name)
    };
    let all: Vec<String> = METHODS.iter().map(usual).collect();
    format!("Network evaluations [default: {}]", all.join(", "))
}

fn help_of_spacing() -> String {
    let mut text = "How the steps are spaced [default: the configuration's".to_owned();
    for Word { value, choice, .. } in Spacing::WORDS {
        let own: Vec<&Method> =
            METHODS.iter().filter(|method| method.spacing.as_ref() == Some(value)).copied().collect();
        if !own.is_empty() {
            let names: Vec<&str> = own.iter().map(|method| method.name).collect();
            let classes: Vec<&str> = own.iter().flat_map(|method| method.classes).map(|class| class.name).collect();
            text += &format!("; {} for {}", choice.name, list(&names, "and"));
            text += &format!(" unless it is of {}", list(&classes, "or"));
        }
    }
    text + "]"
}

fn help_of_option(option: &MethodOption, samplers: &[&str]) -> String {
    let configured = if option.key.is_some() { "the configuration's, else " } else { "" };
    let guided = METHODS.iter().filter_map(|method| method.guided.as_ref());
    let guided = guided.filter(|guided| std::ptr::eq(guided.option, option));
    let guided: String = guided.map(|guided| format!("; {} if guided and clipped", guided.word)).collect();
    format!("{}: {} [default: {configured}{}{guided}]", samplers.join(", "), option.about, option.default())
}

impl RecipeArgs {
    /// True if an option was given that a ready plan leaves no room for.
    pub fn any(&self) -> bool {
        let given = [
            self.sampler.is_some(),
            self.steps.is_some(),
            self.timesteps.is_some(),
            self.spacing.is_some(),
            self.prediction.is_some(),
            self.clip,
            self.no_clip,
            self.scheduler.is_some(),
            !self.options.0.is_empty(),
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
            scheduler = scheduler.prediction(prediction);
        }
        if self.no_clip {
            scheduler = scheduler.clip(Clip::None);
        } else if self.clip && scheduler.clip == Clip::None {
            let bound = scheduler.clip_bound;
            scheduler = scheduler.clip(Clip::Range { bound });
        }
        let offset = scheduler.steps_offset;
        let mut recipe = match self.sampler {
            Some(method) => Recipe::new(method).scheduler(scheduler),
            None => Recipe::configured(scheduler).map_err(|error| {
                let names: Vec<String> = METHODS.iter().map(|method| format!("--sampler {}", method.name)).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                Failure::input(format!("{error}; or give {}", list(&names, "or")))
            })?,
        };
        for (name, setting) in &self.options.0 {
            if recipe.method.option(name).is_none() {
                let (takers, method) = (Method::taking(name), recipe.method.name);
                let takers = list(&takers, "or");
                return Err(Failure::usage(format!(
                    "--{name} applies to --sampler {takers} only, and the sampler is {method}"
                )));
            }
            recipe = recipe.option(name, setting.clone());
        }
        recipe.check_options().map_err(|error| Failure::usage(format!("--{error}")))?;
        if let Some(spacing) = &self.spacing {
            recipe = recipe.spacing(spacing.clone().with_offset(offset));
        }
        if let Some(steps) = self.steps {
            recipe = recipe.steps(steps);
        }
        if let Some(Timesteps(list)) = &self.timesteps {
            recipe = recipe.timesteps(list.clone());
        }
        Ok(recipe)
    }

    /// The plan of a recipe made by [`RecipeArgs::recipe`].
    ///
    /// # Errors
    /// Exit 2 if the timesteps or options given on the command line are at fault, 1 if the configuration is.
    pub fn plan(&self, recipe: &Recipe) -> Outcome<Plan> {
        let blame = |given: bool, option: &'static str| {
            move |error: crate::Error| {
                if given { Failure::usage(format!("{option}: {error}")) } else { Failure::input(error) }
            }
        };
        let (trained, most) = (recipe.scheduler.trained_steps(), recipe.most_evaluations()?);
        if let Some(steps) = self.steps.filter(|steps| !(1..=most).contains(steps)) {
            let each = recipe.evaluations_per_step()?;
            let why = match each {
                1 => "the steps of training".to_owned(),
                _ => format!("{each} for each of training's {trained} steps but one for the last"),
            };
            return Err(Failure::usage(format!("--steps is {steps}; expected 1 to {most}, {why}")));
        }
        let list = recipe.model_timesteps().map_err(blame(self.steps.is_some(), "--steps"))?;
        if self.timesteps.is_some() {
            let schedule = recipe.scheduler.schedule()?;
            Route::new(&schedule, &list, Previous::List, End::Data).map_err(blame(true, "--timesteps"))?;
        }
        recipe.plan().map_err(|error| match error {
            crate::Error::OutOfRange { name, .. } if self.options.0.iter().any(|(given, _)| *given == name) => {
                Failure::usage(format!("--{name}: {error}"))
            }
            other => Failure::input(other),
        })
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
