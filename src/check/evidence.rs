//! What a check returns: evidence that a claim held, or the first point where it did not.

use std::cell::RefCell;
use std::fmt;

use super::Tol;
use crate::posterior::Moments;

/// A claim held at every point tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// How many numbers were compared.
    pub points: usize,
    /// Largest used part of an allowance: near 0 is slack that hides faults, near 1 is luck.
    pub worst_share: f64,
    /// Where that was.
    pub at: String,
}

/// A claim failed: both values, the point and the tolerance.
/// `Debug` is the sentence, so that `unwrap` prints it.
#[derive(Clone, PartialEq)]
pub struct Mismatch {
    /// Which quantity differs.
    pub what: String,
    /// What the code under test gave.
    pub got: f64,
    /// What the independent method gave.
    pub want: f64,
    /// What was allowed.
    pub tol: Tol,
    /// Where.
    pub at: String,
}

/// A number as a place tells it: to four digits.
pub(super) fn short(x: f64) -> String {
    let size = x.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) {
        return format!("{x:.3e}");
    }
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Numbers as a place tells them: `(0.5 -1.25 2)`.
pub(super) fn list<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> String {
    let words: Vec<String> = numbers.into_iter().map(|x| short(*x)).collect();
    format!("({})", words.join(" "))
}

/// A Gaussian as a place tells it: `N(0.5, 2)`.
pub(super) fn law(moments: Moments) -> String {
    format!("N({}, {})", short(moments.mean), short(moments.var))
}

/// Result of a check.
pub type Outcome = std::result::Result<Evidence, Mismatch>;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, got, want, tol, at } = self;
        write!(f, "{what}: got {got:?}, want {want:?} at {at}; off by {:.3e}, allowed {tol}", (got - want).abs())
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Mismatch {}

thread_local! {
    /// What is compared while [`trace`] runs on this thread.
    static TRACE: RefCell<Option<Vec<Compared>>> = const { RefCell::new(None) };
}

/// A number of the code under test, and what it may be off by.
#[derive(Clone, Copy, Debug)]
struct Compared {
    got: f64,
    allowance: f64,
}

/// Every number that a sweep compares.
#[derive(Debug)]
pub(super) struct Trace {
    compared: Vec<Compared>,
    end: Option<Mismatch>,
}

impl Trace {
    /// Whether both sweeps saw the same numbers.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let same = |a: &Compared, b: &Compared| {
            // A wrong value may be far larger than the right one, by which the allowance is measured.
            let allowance = 2.0 * a.allowance.max(b.allowance).max(1e-11 * a.got.abs().max(b.got.abs()));
            a.got.total_cmp(&b.got).is_eq()
                || (a.got.is_nan() && b.got.is_nan())
                || (a.got - b.got).abs() <= allowance
        };
        self.compared.len() == other.compared.len()
            && self.compared.iter().zip(&other.compared).all(|(a, b)| same(a, b))
            && match (&self.end, &other.end) {
                (None, None) => true,
                (Some(a), Some(b)) => a.what == b.what && a.at == b.at,
                _ => false,
            }
    }
}

/// Runs a sweep that no mismatch stops, and returns every number that it compared.
pub(super) fn trace(sweep: impl FnOnce() -> Outcome) -> Trace {
    TRACE.set(Some(Vec::new()));
    let end = sweep().err();
    Trace { compared: TRACE.take().unwrap_or_default(), end }
}

/// Takes the number down if a trace runs on this thread.
fn traced(got: f64, allowance: f64) -> bool {
    TRACE.with_borrow_mut(|all| match all {
        Some(compared) => {
            compared.push(Compared { got, allowance });
            true
        }
        None => false,
    })
}

impl Evidence {
    /// Nothing tried yet.
    #[must_use]
    pub const fn none() -> Self {
        Self { points: 0, worst_share: 0.0, at: String::new() }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let points = self.points + other.points;
        let worse = if other.worst_share > self.worst_share || self.points == 0 { other } else { self };
        Self { points, ..worse }
    }
}

/// Compares numbers one after another and remembers the worst.
#[derive(Clone, Debug)]
pub struct Trial {
    evidence: Evidence,
}

impl Default for Trial {
    fn default() -> Self {
        Self::new()
    }
}

impl Trial {
    /// Nothing compared yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { evidence: Evidence::none() }
    }

    /// Compares one number; `at` is asked for the point only when it has to be told.
    ///
    /// # Errors
    /// [`Mismatch`] beyond the tolerance.
    pub fn close(
        &mut self,
        what: &str,
        got: f64,
        want: f64,
        tol: Tol,
        at: impl Fn() -> String,
    ) -> Result<(), Mismatch> {
        if traced(got, tol.allowance(want)) {
            self.evidence.points += 1;
            return Ok(());
        }
        let share = tol.share(got, want);
        if share > 1.0 || share.is_nan() {
            return Err(Mismatch { what: what.into(), got, want, tol, at: at() });
        }
        if share > self.evidence.worst_share || self.evidence.points == 0 {
            self.evidence.worst_share = share;
            self.evidence.at = format!("{what}, {}", at());
        }
        self.evidence.points += 1;
        Ok(())
    }

    /// Checks `got ≤ bound + slack`; `slack` is the rounding allowed in an inequality.
    ///
    /// # Errors
    /// [`Mismatch`] if the inequality is broken.
    pub fn at_most(
        &mut self,
        what: &str,
        got: f64,
        bound: f64,
        slack: Tol,
        at: impl Fn() -> String,
    ) -> Result<(), Mismatch> {
        if got <= bound && !traced(got, slack.allowance(bound)) {
            self.evidence.points += 1;
            if self.evidence.points == 1 {
                self.evidence.at = format!("{what}, {}", at());
            }
            return Ok(());
        }
        self.close(what, got, bound, slack, at)
    }

    /// Takes over what another check found.
    pub fn include(&mut self, evidence: Evidence) {
        let all = std::mem::replace(&mut self.evidence, Evidence::none());
        self.evidence = all.and(evidence);
    }

    /// What was found.
    ///
    /// # Panics
    /// If nothing was compared: a check that compares nothing cannot fail.
    #[must_use]
    pub fn evidence(self) -> Evidence {
        assert!(self.evidence.points > 0, "a check compares at least one number");
        self.evidence
    }
}
