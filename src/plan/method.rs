//! What a sampler says of itself: names, defaults, diffusers classes, options.

use std::collections::BTreeMap;
use std::fmt;

use super::{Choice, Plan, Recipe, Spacing, Words};
use crate::error::{Error, Result};
use crate::schedule::Schedule;

/// A sampler: one row of [`METHODS`](super::METHODS), written in the sampler's own file.
///
/// The command line with its help, the defaults of a [`Recipe`], the reading of diffusers' configurations and the
/// lists in error messages follow from these rows.
///
/// ```
/// use alphabar::plan::{self, Method};
/// let method = Method::named("dpmpp_2m").unwrap();
/// assert_eq!(method, &plan::DPM_SOLVER_PLUS_PLUS_2M);
/// assert_eq!(method.usual, Some(20));
/// assert_eq!(Method::named("DDIMScheduler"), Some(&plan::DDIM));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Method {
    /// Name on the command line.
    pub name: &'static str,
    /// Other names, those of k-diffusion and diffusers among them.
    pub aliases: &'static [&'static str],
    /// One line of help.
    pub about: &'static str,
    /// The diffusers classes whose configurations ask for this sampler.
    pub classes: &'static [Class],
    /// How it goes from noise to data.
    pub way: Way,
    /// Evaluations of the network unless a recipe says otherwise; `None`: at every time of the chain.
    pub usual: Option<usize>,
    /// The spacing of its own, for configurations that are not of a class with one; `None`: the configuration's.
    pub spacing: Option<Spacing>,
    /// The options it takes.
    pub options: &'static [&'static MethodOption],
    /// What changes when the network is guided and x̂₀ is clipped.
    pub guided: Option<Guided>,
    /// Evaluations of the network on one step that does not lead to the data.
    pub(super) evaluations: fn(&Recipe) -> Result<usize>,
    pub(super) build: fn(&Recipe, &Schedule) -> Result<Plan>,
}

/// How a sampler goes from noise to data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By transitions of the chain.
    Chain,
    /// Along the probability-flow ODE from level to level; the last step leads to the data itself and has one
    /// evaluation.
    Flow,
}

/// A diffusers class, and what its configurations may say.
#[derive(Debug)]
#[non_exhaustive]
pub struct Class {
    /// `_class_name`.
    pub name: &'static str,
    /// Keys that choose among solvers, with the only value that the sampler does, as JSON without quotes.
    pub requires: &'static [(&'static str, &'static str)],
    /// Whether the class knows `clip_sample`.
    pub clips: bool,
    /// The key of a lower bound on λ = ½ ln SNR, refused where it would leave times of the chain out.
    pub lambda_floor: Option<&'static str>,
}

/// An option that a sampler takes.
#[derive(Debug)]
#[non_exhaustive]
pub struct MethodOption {
    /// Name; `--name` on the command line.
    pub name: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// What it may be, and what it is unless given.
    pub values: Values,
    /// Where diffusers' configurations say it.
    pub key: Option<Key>,
}

/// What an option may be, and what it is unless given.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// A number.
    Number {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
        /// The range in words.
        expected: &'static str,
        /// Unless given.
        default: f64,
    },
    /// A whole number.
    Count {
        /// The smallest.
        min: usize,
        /// The largest.
        max: usize,
        /// Unless given.
        default: usize,
    },
    /// One of several words.
    Words {
        /// The words.
        choices: fn() -> Vec<Choice>,
        /// The name unless given.
        default: &'static str,
    },
}

/// The key of an option in diffusers' configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Read from configurations of the sampler's own classes.
    OfOwnClasses(
        /// The key.
        &'static str,
    ),
    /// Read from every configuration: diffusers' classes hand it on to one another.
    OfAnyClass(
        /// The key.
        &'static str,
    ),
}

/// An option that guided sampling sets unless it was given.
#[derive(Debug)]
#[non_exhaustive]
pub struct Guided {
    /// The option.
    pub option: &'static MethodOption,
    /// Its value.
    pub word: &'static str,
    /// Why, for the user.
    pub note: &'static str,
}

/// The value given to an option.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A number or whole number.
    Number(f64),
    /// One of several words.
    Word(String),
}

/// Options by name.
pub type Settings = BTreeMap<String, Setting>;

impl Method {
    /// The sampler of a name, an alias or a diffusers class.
    #[must_use]
    pub fn named(text: &str) -> Option<&'static Self> {
        let called = |method: &&&Self| {
            let classes = method.classes.iter().map(|class| class.name);
            [method.name].into_iter().chain(method.aliases.iter().copied()).chain(classes).any(|name| name == text)
        };
        super::METHODS.iter().find(called).copied()
    }

    /// The sampler that stands for a diffusers class.
    #[must_use]
    pub fn of_class(name: &str) -> Option<(&'static Self, &'static Class)> {
        super::METHODS
            .iter()
            .find_map(|&method| method.classes.iter().find(|class| class.name == name).map(|class| (method, class)))
    }

    /// The names of all samplers that take an option.
    #[must_use]
    pub fn taking(option: &str) -> Vec<&'static str> {
        super::METHODS.iter().filter(|method| method.option(option).is_some()).map(|method| method.name).collect()
    }

    /// The option of a name, if the sampler takes it.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&'static MethodOption> {
        self.options.iter().find(|option| option.name == name).copied()
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Values {
    /// The words of an enum.
    pub(super) const fn words<T: Words>(default: &'static str) -> Self {
        Self::Words { choices: T::choices, default }
    }
}

impl Key {
    /// The key itself.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OfOwnClasses(name) | Self::OfAnyClass(name) => name,
        }
    }
}

impl MethodOption {
    /// The value unless given.
    #[must_use]
    pub fn default(&self) -> Setting {
        match self.values {
            Values::Number { default, .. } => Setting::Number(default),
            Values::Count { default, .. } => Setting::Number(default as f64),
            Values::Words { default, .. } => Setting::Word(default.into()),
        }
    }

    /// The value as it is stored: a number in its range, a word by its name.
    ///
    /// ```
    /// use alphabar::plan::{DDPM, Setting};
    /// let variance = DDPM.option("variance").unwrap();
    /// assert_eq!(variance.checked(&"fixed_large".into()), Ok(Setting::Word("beta".into())));
    /// assert!(variance.checked(&"gamma".into()).is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::CountOutOfRange`], [`Error::NotOneOf`].
    pub fn checked(&self, setting: &Setting) -> Result<Setting> {
        let name = self.name;
        match (self.values, setting) {
            (Values::Number { min, max, expected, .. }, &Setting::Number(value)) => {
                let fits = (min..=max).contains(&value);
                if fits { Ok(setting.clone()) } else { Err(Error::OutOfRange { name, value, expected }) }
            }
            (Values::Count { min, max, .. }, &Setting::Number(value)) => {
                if !(value >= 0.0 && value.fract() == 0.0) {
                    return Err(Error::OutOfRange { name, value, expected: "a whole number" });
                }
                let count = value as usize;
                let fits = (min..=max).contains(&count);
                if fits { Ok(setting.clone()) } else { Err(Error::CountOutOfRange { name, value: count, min, max }) }
            }
            (Values::Words { choices, .. }, Setting::Word(text)) => {
                let choices = choices();
                match choices.iter().find(|choice| choice.is(text)) {
                    Some(choice) => Ok(Setting::Word(choice.name.into())),
                    None => {
                        let known =
                            choices.iter().filter(|choice| choice.offered).map(|choice| choice.name).collect();
                        Err(Error::NotOneOf { name: name.into(), found: format!("{text:?}"), known })
                    }
                }
            }
            (Values::Words { .. }, Setting::Number(_)) => Err(self.of_another_kind(setting, "a word")),
            (Values::Number { .. } | Values::Count { .. }, Setting::Word(_)) => {
                Err(self.of_another_kind(setting, "a number"))
            }
        }
    }

    fn of_another_kind(&self, setting: &Setting, expected: &'static str) -> Error {
        Error::Unsupported { found: format!("{} = {setting}", self.name), expected }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl From<f64> for Setting {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Setting {
    fn from(count: u32) -> Self {
        Self::Number(count.into())
    }
}

impl From<&str> for Setting {
    fn from(word: &str) -> Self {
        Self::Word(word.into())
    }
}
