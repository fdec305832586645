//! Everything that can be wrong with an input to the library, with the values that were found.

use std::fmt;

/// What was wrong with an input.
///
/// Every variant carries the offending values; [`fmt::Display`] says what was found and what was expected.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A number is outside the range its meaning allows, or is NaN.
    OutOfRange {
        /// What the number is, in the field's words (`"beta"`, `"guidance scale"`).
        name: &'static str,
        /// The number found.
        value: f64,
        /// The range that would have been accepted.
        expected: &'static str,
    },
    /// One entry of a table is outside the range its meaning allows, or is NaN.
    EntryOutOfRange {
        /// What the table holds.
        name: &'static str,
        /// 0-based position of the first bad entry.
        index: usize,
        /// The entry found.
        value: f64,
        /// The range that would have been accepted.
        expected: &'static str,
    },
    /// A whole number (a count, a time, an index) is outside its range.
    CountOutOfRange {
        /// What is counted.
        name: &'static str,
        /// The number found.
        value: usize,
        /// Smallest accepted value.
        min: usize,
        /// Largest accepted value.
        max: usize,
    },
    /// Two arrays that must have equal shapes do not.
    ShapeMismatch {
        /// What the second array is.
        name: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A list of times is not strictly decreasing.
    NotDecreasing {
        /// 0-based position of the first entry that is not below its predecessor.
        index: usize,
        /// The entry before it.
        previous: f64,
        /// The entry found.
        value: f64,
    },
    /// A matrix that must be symmetric positive definite is not.
    NotPositiveDefinite {
        /// What the matrix is.
        name: &'static str,
    },
    /// The parameterisation divides by a signal or noise level that is exactly zero.
    Singular {
        /// What was asked for.
        what: &'static str,
        /// Why it has no value, and what to use instead.
        reason: &'static str,
    },
    /// A network or closure returned NaN or infinity.
    NonFinite {
        /// Which array it is in.
        name: &'static str,
        /// 0-based step of the plan, if one was running.
        step: Option<usize>,
        /// How many entries are not finite.
        count: usize,
        /// Of how many.
        of: usize,
    },
    /// A text that is not of its format.
    Syntax {
        /// What was read.
        what: &'static str,
        /// 1-based line of the first thing that does not fit.
        line: usize,
        /// 1-based column there.
        column: usize,
        /// What does not fit.
        reason: String,
    },
    /// A word or value that is not one of those known.
    NotOneOf {
        /// What it says (`"prediction_type"`).
        name: String,
        /// What was found.
        found: String,
        /// Everything that would have been accepted.
        known: Vec<&'static str>,
    },
    /// An option that the sampler does not take.
    OptionNotTaken {
        /// The option.
        option: String,
        /// The sampler.
        method: &'static str,
        /// The samplers that take it.
        by: Vec<&'static str>,
    },
    /// Options that contradict each other or a name that is not known.
    Unsupported {
        /// What was found.
        found: String,
        /// What would have been accepted.
        expected: &'static str,
    },
}

/// Result of the library's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { name, value, expected } => write!(f, "{name} is {value:?}; expected {expected}"),
            Self::EntryOutOfRange { name, index, value, expected } => {
                write!(f, "{name}[{index}] is {value:?}; expected {expected}")
            }
            Self::CountOutOfRange { name, value, min, max } => {
                write!(f, "{name} is {value}; expected a whole number from {min} to {max}")
            }
            Self::ShapeMismatch { name, found, expected } => {
                write!(f, "{name} has shape {found:?}; expected {expected:?}")
            }
            Self::NotDecreasing { index, previous, value } => write!(
                f,
                "the list of timesteps must decrease strictly, but entry {index} is {value} after {previous}"
            ),
            Self::NotPositiveDefinite { name } => write!(f, "{name} is not symmetric positive definite"),
            Self::Singular { what, reason } => write!(f, "{what} has no value here: {reason}"),
            Self::NonFinite { name, step: Some(step), count, of } => {
                write!(f, "{name} has {count} of {of} entries NaN or infinite at step {step}")
            }
            Self::NonFinite { name, step: None, count, of } => {
                write!(f, "{name} has {count} of {of} entries NaN or infinite")
            }
            Self::Syntax { what, line, column, reason } => {
                write!(f, "{what} cannot be read at line {line}, column {column}: {reason}")
            }
            Self::NotOneOf { name, found, known } => {
                write!(f, "{name} = {found} is not supported; expected {}", list(known, "or"))
            }
            Self::OptionNotTaken { option, method, by } if by.is_empty() => {
                write!(f, "{option} is no option of {method}, nor of another sampler")
            }
            Self::OptionNotTaken { option, method, by } => {
                write!(f, "{option} applies to {} only, not to {method}", list(by, "and"))
            }
            Self::Unsupported { found, expected } => write!(f, "{found} is not supported; expected {expected}"),
        }
    }
}

/// `a, b or c`.
pub(crate) fn list(all: &[&str], last: &str) -> String {
    match all {
        [] => "nothing".into(),
        [only] => (*only).into(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

impl std::error::Error for Error {}
