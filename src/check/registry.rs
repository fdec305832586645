//! The registry: every claim bound to this crate's implementation, with the ledger's rows that it covers.

use super::{Check, Fault, Method, Outcome, Run, Tol};

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
    check: Source,
    rows: Vec<(&'static str, Numbers)>,
}

/// A sweep with an implementation bound to it.
type Sweep = fn(&Run) -> Outcome;

/// Where a claim's check comes from: a public function of its chapter, or sweeps that the registry alone binds.
#[derive(Clone, Debug)]
enum Source {
    Check(fn() -> Check<'static>),
    Bound(Sweep, Vec<(Fault, Sweep)>),
}

/// A row's numbers, computed when asked for.
type Numbers = fn() -> Row;

impl Claim {
    /// The claim that a function of its chapter makes, on this crate's implementation.
    #[must_use]
    pub fn new(check: fn() -> Check<'static>) -> Self {
        let bound = check();
        let (name, sentence, method) = (bound.name(), bound.sentence(), bound.method());
        Self { name, chapter: "", sentence, method, check: Source::Check(check), rows: Vec::new() }
    }

    /// Adds a ledger row (`S0.51`) or further check (`B4`) that this claim covers, with its own numbers.
    #[must_use]
    pub fn row(mut self, id: &'static str, numbers: fn() -> Row) -> Self {
        self.rows.push((id, numbers));
        self
    }

    fn check(&self) -> Check<'static> {
        match &self.check {
            Source::Check(check) => check(),
            Source::Bound(run, faults) => {
                let check = Check::new(self.name, self.sentence, self.method, *run);
                faults.iter().fold(check, |check, (fault, run)| check.fault(*fault, *run))
            }
        }
    }

    /// A claim whose sweeps are bound to this crate's samplers here, and that no public function makes.
    pub(super) fn bound(
        name: &'static str,
        sentence: &'static str,
        method: Method,
        run: fn(&Run) -> Outcome,
    ) -> Self {
        Self { name, chapter: "", sentence, method, check: Source::Bound(run, Vec::new()), rows: Vec::new() }
    }

    /// A fault of a claim made by [`Claim::bound`].
    pub(super) fn fault(mut self, fault: Fault, run: fn(&Run) -> Outcome) -> Self {
        if let Source::Bound(_, faults) = &mut self.check {
            faults.push((fault, run));
        }
        self
    }

    pub(super) fn of_chapter(self, chapter: &'static str) -> Self {
        Self { chapter, ..self }
    }

    /// Runs the claim on this crate's implementation.
    ///
    /// # Errors
    /// The mismatch found.
    pub fn run(&self, run: &Run) -> Outcome {
        self.check().outcome(run)
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
    #[must_use]
    pub fn faults(&self, run: &Run) -> Vec<(Fault, Outcome)> {
        self.check().faults(run).collect()
    }

    /// The faults without running them.
    #[must_use]
    pub fn fault_list(&self) -> Vec<Fault> {
        self.check().fault_list().collect()
    }
}
