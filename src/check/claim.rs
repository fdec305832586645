//! A claim: a sweep that takes the code under test, the wrong formulas it rejects, and how it is witnessed.

use std::fmt;

use super::evidence::trace;
use super::{Evidence, Fault, Mismatch, Outcome, Run, Wrong};
use crate::schedule::Schedule;

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

/// A claim's comparisons on one implementation.
type Sweep<'f> = dyn Fn(&Run) -> Outcome + 'f;

/// A claim on one implementation: where it is tried, what it compares, and which mistakes it knows by name.
///
/// Each chapter has functions that take the code under test and return a `Check`:
///
/// ```
/// use alphabar::{Schedule, check, posterior::posterior};
///
/// check::posterior::bayes(posterior).assert();
/// let evidence = check::posterior::bayes(posterior).on(&Schedule::ddpm()).points(16).seed(7).run()?;
/// assert!(evidence.worst_share < 1.0);
/// # Ok::<(), alphabar::check::Failure>(())
/// ```
#[must_use = "a check does nothing until it is run or asserted"]
pub struct Check<'f> {
    name: &'static str,
    sentence: &'static str,
    method: Method,
    run: Run,
    sweep: Box<Sweep<'f>>,
    faults: Vec<(Fault, Box<Sweep<'f>>)>,
}

impl<'f> Check<'f> {
    /// A claim with its name (snake case, says the claim), its sentence, its independent method and its sweep.
    pub fn new(
        name: &'static str,
        sentence: &'static str,
        method: Method,
        sweep: impl Fn(&Run) -> Outcome + 'f,
    ) -> Self {
        Self { name, sentence, method, run: Run::default(), sweep: Box::new(sweep), faults: Vec::new() }
    }

    /// Wrong formulas that the sweep must reject, and by which a failure is named.
    pub fn rejects<F: Copy>(mut self, table: &[Wrong<F>], sweep: fn(&Run, F) -> Outcome) -> Self {
        for wrong in table {
            let f = wrong.f;
            self = self.fault(wrong.fault, move |run| sweep(run, f));
        }
        self
    }

    /// A wrong formula that the sweep must reject, with the sweep bound to it.
    pub fn fault(mut self, fault: Fault, sweep: impl Fn(&Run) -> Outcome + 'static) -> Self {
        self.faults.push((fault, Box::new(sweep)));
        self
    }

    /// Runs another check with this one: on another form of the same formula, or on what belongs to it.
    pub fn also(mut self, other: Self) -> Self {
        let sweep = self.sweep;
        self.sweep = Box::new(move |run| Ok(sweep(run)?.and((other.sweep)(run)?)));
        let known = self.faults.len();
        for wrong in other.faults {
            if self.faults[..known].iter().all(|(fault, _)| fault.name != wrong.0.name) {
                self.faults.push(wrong);
            }
        }
        self
    }

    /// Tries this schedule instead of the usual ones.
    ///
    /// # Panics
    /// When it runs, if the claim is not about a schedule.
    pub fn on(mut self, schedule: &Schedule) -> Self {
        self.run = self.run.on(schedule);
        self
    }

    /// Tries so many points (64 if not given).
    pub fn points(mut self, count: usize) -> Self {
        self.run.cases = count;
        self
    }

    /// Shifts the points (0 if not given).
    pub const fn seed(mut self, seed: u64) -> Self {
        self.run.seed = seed;
        self
    }

    /// Runs the claim where the given run says.
    ///
    /// # Errors
    /// The first mismatch.
    pub fn outcome(&self, run: &Run) -> Outcome {
        (self.sweep)(run)
    }

    /// Runs the claim.
    ///
    /// # Errors
    /// [`Failure`]: the first mismatch, and the known mistake that gives the same numbers, if one does.
    ///
    /// # Panics
    /// If a schedule was given and the claim is not about one.
    #[track_caller]
    pub fn run(&self) -> Result<Evidence, Failure> {
        let outcome = self.outcome(&self.run);
        assert!(!self.run.schedule_unused(), "{} is not about a schedule; leave out `.on(..)`", self.name);
        outcome.map_err(|mismatch| Failure {
            claim: self.name,
            sentence: self.sentence,
            mistake: self.mistake(),
            mismatch: Box::new(mismatch),
        })
    }

    /// Runs the claim and panics with a sentence if it fails.
    ///
    /// # Panics
    /// If the claim fails.
    #[track_caller]
    pub fn assert(&self) {
        if let Err(failure) = self.run() {
            panic!("{failure}");
        }
    }

    /// The known mistake that gives the numbers of the code under test at every point of the sweep.
    fn mistake(&self) -> Option<Fault> {
        let mine = trace(|| self.outcome(&self.run));
        self.faults.iter().find(|(_, sweep)| trace(|| sweep(&self.run)).agrees(&mine)).map(|(fault, _)| *fault)
    }

    /// The claim's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The claim in a sentence.
    #[must_use]
    pub const fn sentence(&self) -> &'static str {
        self.sentence
    }

    /// The independent method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The faults, each with what the sweep said of it; a claim that accepts one is itself wrong.
    pub fn faults<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = (Fault, Outcome)> + 'a {
        self.faults.iter().map(move |(fault, sweep)| (*fault, sweep(run)))
    }

    /// The faults without running them.
    pub fn fault_list(&self) -> impl Iterator<Item = Fault> + '_ {
        self.faults.iter().map(|(fault, _)| *fault)
    }
}

impl fmt::Debug for Check<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).field("run", &self.run).finish_non_exhaustive()
    }
}

/// A claim that does not hold for the code under test. `Debug` is the sentence, so that `unwrap` prints it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// The claim's name.
    pub claim: &'static str,
    /// The claim in a sentence.
    pub sentence: &'static str,
    /// The first number that is off.
    pub mismatch: Box<Mismatch>,
    /// The known mistake that gives the same numbers.
    pub mistake: Option<Fault>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim, sentence, mismatch, mistake } = self;
        write!(f, "{claim} does not hold ({sentence}): {mismatch}")?;
        match mistake {
            Some(fault) => write!(f, "; this is the known mistake `{}`: {}", fault.name, fault.sentence),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}
