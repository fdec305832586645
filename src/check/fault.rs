//! The catalogue of known wrong formulas: errata of the source documents, bugs that implementations have shipped,
//! and the slips (off by one, swapped term, wrong constant) that every check must reject.
//!
//! A fault has a name, a sentence and a function form in its chapter's file; where it can show in a schedule table
//! it has a table form in [`crate::diagnose::faults`].

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
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "lowercase"))]
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

impl Erratum {
    /// Document and number, by which errata are ordered.
    pub(super) fn order(&self) -> (u32, u32) {
        let mut parts = self.id[1..].split('.').map(|n| n.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }
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

/// A wrong formula with the signature of what it imitates.
///
/// ```
/// use alphabar::{Schedule, Timestep, check::{Wrong, posterior::faults::LAWS}};
///
/// let wrong = Wrong::named(LAWS, "beta_for_beta_tilde");
/// let step = Schedule::ddpm().step(Timestep::new(500));
/// assert_eq!((wrong.f)(&step, 0.3, 0.9).var, step.beta());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Wrong<F: 'static> {
    /// Its name, what is wrong, and where it is from.
    pub fault: Fault,
    /// The wrong formula.
    pub f: F,
}

impl<F> Wrong<F> {
    /// The fault of that name, for tables of other forms of the same mistake.
    ///
    /// # Panics
    /// If the table has none.
    #[must_use]
    pub(crate) const fn fault(table: &[Self], name: &str) -> Fault {
        let mut k = 0;
        while k < table.len() {
            if same(table[k].fault.name.as_bytes(), name.as_bytes()) {
                return table[k].fault;
            }
            k += 1;
        }
        panic!("no wrong formula has this name")
    }

    /// The wrong formula of that name.
    ///
    /// # Panics
    /// If the table has none.
    #[must_use]
    #[track_caller]
    pub fn named<'t>(table: &'t [Self], name: &str) -> &'t Self {
        table.iter().find(|wrong| wrong.fault.name == name).unwrap_or_else(|| panic!("no wrong formula {name:?}"))
    }
}

/// Equality of bytes where a constant is computed.
const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut k = 0;
    while k < a.len() && k < b.len() && a[k] == b[k] {
        k += 1;
    }
    k == a.len() && k == b.len()
}

/// A table of wrong formulas of one signature, a row each: origin, name, sentence, formula.
///
/// The origin is `slip` (made on purpose), `shipped` (published code had it) or `erratum("E3.13")`.
macro_rules! wrong {
    ($(#[$doc:meta])* $vis:vis $table:ident: $f:ty;
     $($origin:ident $(($id:literal))? $name:ident: $sentence:literal => $formula:expr;)*) => {
        $(#[$doc])*
        $vis const $table: &[$crate::check::Wrong<$f>] = &[$($crate::check::Wrong {
            fault: $crate::check::fault::$origin($($id,)? stringify!($name), $sentence),
            f: $formula,
        }),*];
    };
}
pub(crate) use wrong;
