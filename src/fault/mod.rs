//! The catalogue of known wrong formulas: errata of the source documents, bugs that implementations have shipped,
//! and the slips (off by one, swapped term, wrong constant) that every check must reject.
//!
//! A fault has a name, a sentence and a function form in its chapter's file; where it can show in a schedule table
//! it has a table form in [`diagnose::faults`](crate::diagnose::faults).

#[macro_use]
mod macros;

pub mod distill;
pub mod elbo;
pub mod embedding;
pub mod forward;
pub mod gaussian;
pub mod guidance;
pub mod posterior;
pub mod prediction;
pub mod sampler;
pub mod schedule;
pub mod score;
pub mod training;
pub mod trajectory;
pub mod vae;
pub mod variance;
pub mod vdm;
pub mod weight;

/// A wrong formula with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Snake case, unique: what was done (`beta_for_beta_tilde`).
    pub name: &'static str,
    /// What is wrong, in a sentence a person understands.
    pub sentence: &'static str,
    /// Where it is from.
    pub origin: Origin,
}

pub(crate) const fn slip(name: &'static str, sentence: &'static str) -> Fault {
    Fault { name, sentence, origin: Origin::Slip }
}

pub(crate) const fn shipped(name: &'static str, sentence: &'static str) -> Fault {
    Fault { name, sentence, origin: Origin::Shipped }
}

pub(crate) const fn erratum(id: &'static str, name: &'static str, sentence: &'static str) -> Fault {
    Fault { name, sentence, origin: Origin::Erratum(id) }
}

/// Where a fault is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A formula as printed in one of the source documents (`"E2.3"`).
    Erratum(&'static str),
    /// Shipped by published implementations.
    Shipped,
    /// A slip made on purpose.
    Slip,
}

/// How much an erratum matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A program following the print is wrong.
    Result,
    /// Wrong intermediate step or reason, right conclusion.
    Intermediate,
    /// Typo or notation.
    Typo,
    /// Wording or attribution.
    Wording,
}

/// One erratum of the source documents.
#[derive(Clone, Copy, Debug)]
pub struct Erratum {
    /// `E0.1` …
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Ledger rows it is on.
    pub rows: &'static [&'static str],
    /// What is printed, in the project's words.
    pub printed: &'static str,
    /// What is right.
    pub correct: &'static str,
    /// Numbers that show the difference, where there are any.
    pub numbers: &'static [Numbers],
}

/// An erratum's printed and corrected formula evaluated at one point, and the values the ledger lists for them.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// The point.
    pub at: &'static str,
    /// The printed formula, evaluated.
    pub printed: fn() -> f64,
    /// The corrected one.
    pub correct: fn() -> f64,
    /// Both as listed.
    pub listed: (f64, f64),
    /// Decimals to which the listed values are given.
    pub decimals: i32,
}

/// Every erratum of the four source documents, in order.
#[must_use]
pub fn errata() -> Vec<Erratum> {
    let mut all = [
        schedule::ERRATA,
        forward::ERRATA,
        posterior::ERRATA,
        gaussian::ERRATA,
        vae::ERRATA,
        elbo::ERRATA,
        prediction::ERRATA,
        weight::ERRATA,
        training::ERRATA,
        variance::ERRATA,
        sampler::ERRATA,
        score::ERRATA,
        guidance::ERRATA,
        vdm::ERRATA,
        trajectory::ERRATA,
        distill::ERRATA,
        embedding::ERRATA,
    ]
    .concat();
    all.sort_by_key(|e| {
        let mut parts = e.id[1..].split('.').map(|n| n.parse::<u32>().unwrap_or(0));
        (parts.next(), parts.next())
    });
    all
}
