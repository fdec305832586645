//! What the diagnosis says, for people and for programs.

use std::fmt;

use super::{Definition, Numbers, Precision};
use crate::check::Fault;
use crate::table::Quantity;

/// Right or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every entry lies within the rounding bound of the ordinary formula.
    Right,
    /// At least one does not.
    Wrong,
    /// There is nothing to judge by.
    Undecided,
}

/// One entry that is off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// 0-based index; the papers' t is one more.
    pub index: usize,
    /// What stands there.
    pub got: f64,
    /// What should; NaN where no one number does.
    pub want: f64,
}

/// What was found out about one array.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its name in the file.
    pub name: String,
    /// What it holds, in the papers' letters; empty if its index is not a time.
    pub symbol: &'static str,
    /// Right or wrong.
    pub verdict: Verdict,
    /// What the numbers were computed in.
    pub precision: Precision,
    /// First entry that is off.
    pub first: Option<Place>,
    /// The entry that is off by most, in units of what rounding allows.
    pub worst: Option<Place>,
    /// How many entries are off.
    pub off: usize,
    /// Of how many.
    pub of: usize,
    /// Known faults that reproduce the numbers: one, or a pair that acted together.
    pub faults: Vec<Fault>,
    /// What else is true of the numbers: the convention followed, the schedule they are on, a relation.
    pub remarks: Vec<String>,
    /// The schedule that the βs are on.
    pub schedule: Option<Definition>,
    /// Largest distance from the best double, in ulp of f64; reported, never judged.
    pub ulps: Option<f64>,
}

impl Finding {
    pub(crate) fn new(numbers: &Numbers, symbol: &'static str, verdict: Verdict) -> Self {
        Self {
            name: numbers.name.clone(),
            symbol,
            verdict,
            precision: numbers.precision,
            first: None,
            worst: None,
            off: 0,
            of: numbers.values.len(),
            faults: Vec::new(),
            remarks: Vec::new(),
            schedule: None,
            ulps: None,
        }
    }

    pub(crate) fn undecided(array: Quantity, numbers: &Numbers) -> Self {
        Self::new(numbers, array.symbol(), Verdict::Undecided)
    }
}

/// Findings on every array handed in.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One for each array that is known.
    pub findings: Vec<Finding>,
    /// What was assumed or left out.
    pub notes: Vec<String>,
}

impl Report {
    /// True if something was judged and all of it is right.
    #[must_use]
    pub fn is_right(&self) -> bool {
        !self.findings.is_empty() && self.findings.iter().all(|finding| finding.verdict == Verdict::Right)
    }

    /// Names of all known faults found.
    pub fn faults(&self) -> impl Iterator<Item = Fault> + '_ {
        self.findings.iter().flat_map(|finding| finding.faults.iter().copied())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Right => "right",
            Verdict::Wrong => "WRONG",
            Verdict::Undecided => "not judged",
        };
        let symbol = if self.symbol.is_empty() { String::new() } else { format!("{}, ", self.symbol) };
        let entries = if self.of == 1 { "entry" } else { "entries" };
        write!(f, "{verdict:10} {} ({symbol}{} {entries}, {})", self.name, self.of, self.precision.name())?;
        if let Some(ulps) = self.ulps.filter(|_| self.verdict == Verdict::Right) {
            // In units of the precision at hand.
            let unit = self.precision.unit_roundoff() / Precision::F64.unit_roundoff();
            write!(f, ", at most {:.1} ulp of {} from the best double", ulps / unit, self.precision.name())?;
        }
        for (k, fault) in self.faults.iter().enumerate() {
            let lead = if k == 0 { "this is" } else { "together with" };
            write!(f, "\n           {lead} the known fault `{}`: {}", fault.name, fault.sentence)?;
        }
        for remark in &self.remarks {
            write!(f, "\n           {remark}")?;
        }
        if let (Some(first), Some(worst)) = (self.first, self.worst) {
            let place = |p: Place| {
                let time = if self.symbol.is_empty() { String::new() } else { format!(" (t = {})", p.index + 1) };
                let want = if p.want.is_nan() { String::new() } else { format!(", should be {:?}", p.want) };
                format!("index {}{time}: {:?}{want}", p.index, p.got)
            };
            let are = if self.off == 1 { "is" } else { "are" };
            write!(f, "\n           {} of {} entries {are} off; first at {}", self.off, self.of, place(first))?;
            if worst.index != first.index {
                write!(f, "\n           worst at {}", place(worst))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        for note in &self.notes {
            writeln!(f, "note       {note}")?;
        }
        Ok(())
    }
}
