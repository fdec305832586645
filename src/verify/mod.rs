//! The registry: every claim with its ledger rows, its faults, and this crate's implementation bound to it.

mod distill;
mod elbo;
mod embedding;
mod forward;
mod gaussian;
mod guidance;
mod posterior;
mod prediction;
mod sampler;
mod schedule;
mod score;
mod training;
mod trajectory;
mod vae;
mod variance;
mod vdm;
mod weight;

pub mod ledger;
pub mod report;

pub use report::ClaimReport;

use crate::check::{Outcome, Run, Tol};
use crate::fault::Fault;

/// How a claim is witnessed. Only the first four kinds count as independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Exact arithmetic, recursion or enumeration.
    Enumeration(&'static str),
    /// A table computed with 50 digits or more.
    HighPrecision(&'static str),
    /// A derivation from other premises, such as conditioning the joint Gaussian.
    OtherPremises(&'static str),
    /// Quadrature, convolution, finite differences, order of convergence.
    Numerical(&'static str),
    /// Calibrated Monte Carlo.
    Statistics(&'static str),
}

impl Method {
    /// What is done, in a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Enumeration(words)
            | Self::HighPrecision(words)
            | Self::OtherPremises(words)
            | Self::Numerical(words)
            | Self::Statistics(words) => words,
        }
    }
}

/// One statement's own numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// From this crate's implementation of the statement.
    pub got: f64,
    /// From the independent method.
    pub want: f64,
    /// What is allowed between them.
    pub tol: Tol,
}

/// A claim bound to this crate's implementation.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Snake case, states the claim (`posterior_equals_bayes`).
    pub name: &'static str,
    /// Chapter of the theory it belongs to: the module's name.
    pub chapter: &'static str,
    /// The claim in a sentence.
    pub sentence: &'static str,
    /// The independent method.
    pub method: Method,
    run: Check,
    rows: Vec<(&'static str, Numbers)>,
    faults: Vec<(Fault, Check)>,
}

/// A row's numbers, computed when asked for.
type Numbers = fn() -> Row;

/// A claim with an implementation bound to it.
type Check = fn(&Run) -> Outcome;

impl Claim {
    /// A claim without rows or faults yet.
    #[must_use]
    pub fn new(
        name: &'static str,
        chapter: &'static str,
        sentence: &'static str,
        method: Method,
        run: fn(&Run) -> Outcome,
    ) -> Self {
        Self { name, chapter, sentence, method, run, rows: Vec::new(), faults: Vec::new() }
    }

    /// Adds a ledger row (`S0.51`) or further check (`B4`) that this claim covers, with its own numbers.
    #[must_use]
    pub fn row(mut self, id: &'static str, numbers: fn() -> Row) -> Self {
        self.rows.push((id, numbers));
        self
    }

    /// Adds a known fault and the claim run on its function form.
    #[must_use]
    pub fn fault(mut self, fault: Fault, run: fn(&Run) -> Outcome) -> Self {
        self.faults.push((fault, run));
        self
    }

    /// Runs the claim on this crate's implementation.
    ///
    /// # Errors
    /// The mismatch found.
    pub fn run(&self, run: &Run) -> Outcome {
        (self.run)(run)
    }

    /// The rows covered, with their numbers.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, Row)> + '_ {
        self.rows.iter().map(|(id, numbers)| (*id, numbers()))
    }

    /// Ids of the rows covered.
    pub fn row_ids(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.rows.iter().map(|(id, _)| *id)
    }

    /// The faults, each with what the claim said of it; a claim that accepts one is itself wrong.
    pub fn faults(&self, run: &Run) -> impl Iterator<Item = (Fault, Outcome)> + '_ {
        let run = *run;
        self.faults.iter().map(move |(fault, check)| (*fault, check(&run)))
    }

    /// The faults without running them.
    pub fn fault_list(&self) -> impl Iterator<Item = Fault> + '_ {
        self.faults.iter().map(|(fault, _)| *fault)
    }
}

/// Every claim, chapter by chapter.
#[must_use]
pub fn claims() -> Vec<Claim> {
    [
        schedule::claims(),
        forward::claims(),
        posterior::claims(),
        gaussian::claims(),
        vae::claims(),
        elbo::claims(),
        prediction::claims(),
        weight::claims(),
        training::claims(),
        variance::claims(),
        sampler::claims(),
        score::claims(),
        guidance::claims(),
        vdm::claims(),
        trajectory::claims(),
        distill::claims(),
        embedding::claims(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::{ClaimReport, claims};
    use crate::check::Run;

    /// `ALPHABAR_CHAPTER` picks one chapter. `ALPHABAR_CASES` tries so many cases with one seed in place of three, and
    /// stops at the first claim that fails.
    #[test]
    fn every_claim_holds_and_rejects_its_faults() {
        let only = std::env::var("ALPHABAR_CHAPTER").ok();
        let reduced: Option<usize> = std::env::var("ALPHABAR_CASES").ok().map(|cases| cases.parse().unwrap());
        let default = [0, 1, 2].map(|seed| Run { seed, ..Run::default() });
        let runs = reduced.map_or(default.to_vec(), |cases| vec![Run { seed: 0, cases }]);
        let claims = claims();
        let chosen = claims.iter().filter(|claim| only.as_deref().is_none_or(|chapter| chapter == claim.chapter));
        let mut complaints = String::new();
        for (claim, run) in chosen.flat_map(|claim| runs.iter().map(move |run| (claim, run))) {
            let report = ClaimReport::of(claim, run);
            println!("{}", super::report::line(&report));
            complaints += &report.complaints();
            if reduced.is_some() && !complaints.is_empty() {
                break;
            }
        }
        assert!(complaints.is_empty(), "\n{complaints}");
    }
}
