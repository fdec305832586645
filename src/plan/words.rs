//! Names of choices: what the command line and diffusers' configurations call the values of an enum.

use crate::prediction::Prediction;

/// One value of an enum with its names.
#[derive(Debug)]
#[non_exhaustive]
pub struct Word<T: 'static> {
    /// The value.
    pub value: T,
    /// Its names.
    pub choice: Choice,
}

/// The names of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// On the command line.
    pub name: &'static str,
    /// In diffusers' configurations; the command line takes them too.
    pub diffusers: &'static [&'static str],
    /// One line of help.
    pub about: &'static str,
    /// False for a value that configurations may name but no plan has: the command line does not offer it.
    pub offered: bool,
}

impl<T> Word<T> {
    pub(super) const fn new(
        value: T,
        name: &'static str,
        diffusers: &'static [&'static str],
        about: &'static str,
    ) -> Self {
        Self { value, choice: Choice { name, diffusers, about, offered: true } }
    }

    pub(super) const fn not_offered(self) -> Self
    where
        T: Copy,
    {
        let Choice { name, diffusers, about, .. } = self.choice;
        Self { value: self.value, choice: Choice { name, diffusers, about, offered: false } }
    }
}

/// An enum whose values have names.
///
/// ```
/// use alphabar::plan::{Prediction, Words};
/// assert_eq!(Prediction::V.word(), "v");
/// assert_eq!(Prediction::from_word("v_prediction"), Some(Prediction::V));
/// assert_eq!(Prediction::from_diffusers("v"), None);
/// ```
pub trait Words: Clone + 'static {
    /// Every value with its names.
    const WORDS: &'static [Word<Self>];

    /// The name on the command line.
    #[must_use]
    fn word(&self) -> &'static str {
        let same = |word: &&Word<Self>| std::mem::discriminant(&word.value) == std::mem::discriminant(self);
        Self::WORDS.iter().find(same).map_or("", |word| word.choice.name)
    }

    /// The value of a name, of the command line or of diffusers.
    #[must_use]
    fn from_word(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|word| word.choice.is(text)).map(|word| word.value.clone())
    }

    /// The value of a name in diffusers' configurations.
    #[must_use]
    fn from_diffusers(text: &str) -> Option<Self> {
        let called = |word: &&Word<Self>| word.choice.diffusers.contains(&text);
        Self::WORDS.iter().find(called).map(|word| word.value.clone())
    }

    /// The names of all values.
    #[must_use]
    fn choices() -> Vec<Choice> {
        Self::WORDS.iter().map(|word| word.choice).collect()
    }
}

impl Choice {
    /// True if the text is one of the names.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.name == text || self.diffusers.contains(&text)
    }
}

impl Words for Prediction {
    const WORDS: &'static [Word<Self>] = &[
        Word::new(Self::Epsilon, "epsilon", &["epsilon"], "The noise ε"),
        Word::new(Self::X0, "x0", &["sample"], "The data x₀"),
        Word::new(Self::V, "v", &["v_prediction"], "v = √ᾱ ε − √(1 − ᾱ) x₀"),
        Word::new(Self::Score, "score", &[], "The score"),
    ];
}
