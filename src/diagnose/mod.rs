//! Which mistake is it? Judges tables that other code computed and names the known fault that reproduces them.
//!
//! ```
//! use alphabar::diagnose::{Numbers, diagnose};
//! use alphabar::schedule::Definition;
//!
//! let mut betas = vec![0.0; 999];
//! betas.push(0.999);
//! let report = diagnose(&[Numbers::f64("betas", betas)], Some(&Definition::cosine(1000)));
//! assert!(report.to_string().contains("integer division"));
//! ```

mod betas;
mod bounded;
pub mod cases;
mod expected;
pub mod faults;
mod meant;
mod recognise;
mod relation;
mod report;
mod search;
mod timesteps;

use std::collections::BTreeMap;

pub use expected::{Convention, Expected};
pub use recognise::recognise;
pub use report::{Finding, Place, Report, Verdict};

pub use crate::precision::Precision;
use crate::schedule::{Betas, Definition, Schedule};
use crate::table::Quantity;
use faults::Chain;

/// One array as somebody computed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// Its name in the file.
    pub name: String,
    /// Its entries, index i = t − 1; NaN and infinity are allowed and will be findings.
    pub values: Vec<f64>,
    /// What they were computed in.
    pub precision: Precision,
}

impl Numbers {
    /// Computed in f64.
    #[must_use]
    pub fn f64(name: &str, values: Vec<f64>) -> Self {
        Self { name: name.into(), values, precision: Precision::F64 }
    }

    /// Computed in f32.
    #[must_use]
    pub fn f32(name: &str, values: &[f32]) -> Self {
        Self { name: name.into(), values: values.iter().map(|&v| v.into()).collect(), precision: Precision::F32 }
    }
}

/// Judges arrays that belong together.
///
/// With a schedule named, βs are judged against its definition; otherwise the schedule is recognised. Every other
/// array is judged against the βs in hand: each entry must lie within the rounding bound of the ordinary formula
/// (cumulative product, 1 − ᾱ by subtraction) evaluated in the array's precision from those βs.
///
/// A list of βs that lies on a curve known by name is judged as that curve, so that the curve's faults have their names:
///
/// ```
/// use alphabar::Betas;
/// use alphabar::diagnose::{Numbers, diagnose};
///
/// let reversed = Betas::linear(100, 0.02, 1e-4)?.as_slice().to_vec();
/// let meant = Betas::linear(100, 1e-4, 0.02)?.into();
/// let report = diagnose(&[Numbers::f64("betas", reversed)], Some(&meant));
/// assert_eq!(report.faults().next().unwrap().name, "linear_reversed");
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn diagnose(arrays: &[Numbers], meant: Option<&Definition>) -> Report {
    let meant = meant.cloned().map(recognise::on_a_curve);
    let meant = meant.as_ref();
    let mut report = Report { findings: Vec::new(), notes: Vec::new() };
    let arrays = &narrowed(arrays, &mut report.notes);
    let known: Vec<(Quantity, &Numbers)> =
        arrays.iter().filter_map(|n| Quantity::kept(&n.name).map(|array| (array, n))).collect();
    let unknown = arrays.iter().filter(|n| Quantity::kept(&n.name).is_none());
    let (times, others): (Vec<&Numbers>, Vec<&Numbers>) = unknown.partition(|numbers| is_timesteps(&numbers.name));
    report.findings.extend(times.into_iter().map(|numbers| timesteps::timesteps(numbers, meant)));
    report.notes.extend(left_out(&others));
    let (holed, known): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|(_, numbers)| numbers.values.iter().any(|value| value.is_nan()));
    report.findings.extend(holed.into_iter().map(|(quantity, numbers)| with_nan(quantity, numbers)));
    for group in groups(&known) {
        let Some(basis) = Basis::find(&group, meant, &mut report) else { continue };
        let derived = group.iter().filter(|(array, _)| *array != Quantity::Beta);
        report.findings.extend(derived.map(|(array, numbers)| search::judge(*array, numbers, &basis)));
        report.notes.extend(exchanged(&group, &basis));
    }
    report
}

/// The arrays in the precision that their entries show: somebody's f32 may lie in a file of f64.
fn narrowed(arrays: &[Numbers], notes: &mut Vec<String>) -> Vec<Numbers> {
    let mut arrays = arrays.to_vec();
    let mut names: BTreeMap<[&str; 2], Vec<String>> = BTreeMap::new();
    for numbers in arrays.iter_mut().filter(|numbers| Quantity::kept(&numbers.name).is_some()) {
        if let Some(narrow) = numbers.precision.narrowest(&numbers.values) {
            let stored = std::mem::replace(&mut numbers.precision, narrow);
            names.entry([stored.name(), narrow.name()]).or_default().push(numbers.name.clone());
        }
    }
    notes.extend(names.into_iter().map(|([stored, narrow], names)| {
        format!(
            "stored in {stored}, but every entry is a number of {narrow}, and judged as that: {}",
            names.join(", ")
        )
    }));
    arrays
}

/// Notes on pairs of arrays of which each holds what belongs in the other.
fn exchanged(group: &[(Quantity, &Numbers)], basis: &Basis) -> Vec<String> {
    let wrong =
        |(array, numbers): &&(Quantity, &Numbers)| *array != Quantity::Beta && !search::fits(*array, numbers, basis);
    let wrong: Vec<&(Quantity, &Numbers)> = group.iter().filter(wrong).collect();
    let pairs = wrong.iter().enumerate().flat_map(|(k, one)| wrong[k + 1..].iter().map(move |other| (one, other)));
    pairs
        .filter(|((a, one), (b, other))| search::fits(*a, other, basis) && search::fits(*b, one, basis))
        .map(|((_, one), (_, other))| format!("{:?} and {:?} are exchanged", one.name, other.name))
        .collect()
}

/// Arrays that belong together: those with the same path before the last dot, where that path has βs of its own (a
/// checkpoint may hold a model and its moving average), and all others with the first.
fn groups<'a>(known: &[(Quantity, &'a Numbers)]) -> Vec<Vec<(Quantity, &'a Numbers)>> {
    let path = |numbers: &'a Numbers| numbers.name.rsplit_once('.').map_or("", |(path, _)| path);
    let mut paths: Vec<&str> = Vec::new();
    for (_, numbers) in known.iter().filter(|(array, _)| *array == Quantity::Beta) {
        if !paths.contains(&path(numbers)) {
            paths.push(path(numbers));
        }
    }
    let mut groups = vec![Vec::new(); paths.len().max(1)];
    for &(array, numbers) in known {
        groups[paths.iter().position(|known| *known == path(numbers)).unwrap_or(0)].push((array, numbers));
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// True for `timesteps`, `ddim_timesteps` and the like; a layer such as `timestep_embedder.bias` is none.
fn is_timesteps(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name).trim().to_ascii_lowercase();
    last == "timestep" || last.ends_with("timesteps")
}

/// One note on all arrays that are not judged; a checkpoint has hundreds.
fn left_out(others: &[&Numbers]) -> Option<String> {
    const SHOWN: usize = 4;
    let names: Vec<String> = others.iter().take(SHOWN).map(|numbers| format!("{:?}", numbers.name)).collect();
    let names = names.join(", ");
    match others.len() {
        0 => None,
        1 => Some(format!("{names} is not an array this check knows; it was left out")),
        n if n <= SHOWN => Some(format!("{names} are not arrays this check knows; they were left out")),
        n => Some(format!("{names} and {} more are not arrays this check knows; they were left out", n - SHOWN)),
    }
}

/// The βs that the other arrays are judged by.
pub(crate) struct Basis {
    /// In the reals, as doubles.
    pub(crate) chain: Chain,
    /// Derived values to the last place, where the βs are a valid schedule.
    pub(crate) schedule: Option<Schedule>,
    /// The chain they are, if it is known.
    pub(crate) meant: Option<Definition>,
    /// Absolute uncertainty of each β where they are computed in f64; in proportion elsewhere.
    pub(crate) beta_error: Vec<f64>,
}

impl Basis {
    fn find(known: &[(Quantity, &Numbers)], meant: Option<&Definition>, report: &mut Report) -> Option<Self> {
        let betas = known.iter().find(|(array, _)| *array == Quantity::Beta).map(|(_, numbers)| *numbers);
        if let Some(numbers) = betas {
            let finding = betas::betas(numbers, meant);
            let found = finding.schedule.clone();
            report.findings.push(finding);
            return Some(Self::of(numbers.values.clone(), found, 0.0));
        }
        if let Some(meant) = meant {
            return Some(Self::meant(meant));
        }
        let recognised = known.iter().find_map(|(array, numbers)| recognise(*array, numbers));
        if let Some(found) = recognised {
            report.notes.push(format!("no betas in the file; recognised {found}"));
            return Some(Self::meant(&found));
        }
        let mistaken = known.iter().find_map(|(array, numbers)| search::mistaken(*array, numbers));
        let cumulative = known.iter().find(|(array, _)| *array == Quantity::AlphaBar);
        if let Some((array, numbers)) = cumulative {
            let mut previous = 1.0;
            let implied = numbers.values.iter().map(|&bar| 1.0 - bar / std::mem::replace(&mut previous, bar));
            let implied: Vec<f64> = implied.collect();
            if let Some(index) = implied.iter().position(|b| !(*b >= 0.0 && *b <= 1.0)) {
                report.findings.push(not_falling(*array, numbers, index));
                return None;
            }
            report.notes.push("no betas in the file; judged by the betas that its alphas_cumprod implies".into());
            if let Some((found, fault)) = mistaken {
                let sentence = fault.sentence;
                report.notes.push(format!("if {found} was meant, this is wrong ({sentence}): name it (--schedule)"));
            }
            return Some(Self::of(implied, None, 4.0 * numbers.precision.unit_roundoff()));
        }
        if let Some((found, _)) = mistaken {
            report.notes.push(format!("no betas in the file; taken for {found}, computed wrongly"));
            return Some(Self::meant(&found));
        }
        if let Some((array, numbers)) = known.first() {
            report.findings.push(Finding::undecided(*array, numbers));
            let words = "name the schedule that was meant (--schedule, --steps), or add the betas to the file";
            report.notes.push(words.into());
        }
        None
    }

    fn of(beta: Vec<f64>, meant: Option<Definition>, error: f64) -> Self {
        let schedule = Betas::new(beta.clone()).ok().map(Schedule::new);
        let beta_error = vec![error; beta.len()];
        Self { chain: Chain::new(beta), schedule, meant, beta_error }
    }

    /// The βs of a definition.
    pub(crate) fn meant(meant: &Definition) -> Self {
        let mut basis = Self::of(meant.values(), Some(meant.clone()), 0.0);
        basis.beta_error = meant.errors(Precision::F64.unit_roundoff());
        basis
    }
}

/// A table with entries that are no numbers: wrong, and no formula explains it.
fn with_nan(quantity: Quantity, numbers: &Numbers) -> Finding {
    let mut finding = Finding::new(numbers, quantity.symbol(), Verdict::Wrong);
    let missing: Vec<usize> = (0..numbers.values.len()).filter(|i| numbers.values[*i].is_nan()).collect();
    let place = Place { index: missing[0], got: f64::NAN, want: f64::NAN };
    (finding.first, finding.worst, finding.off) = (Some(place), Some(place), missing.len());
    let (index, t) = (missing[0], missing[0] + 1);
    finding.remarks.push(match (missing.len(), numbers.values.len()) {
        (count, all) if count == all => "every entry is NaN".to_owned(),
        (1, _) => format!("the entry at index {index} (t = {t}) is NaN or missing"),
        (count, all) => format!("{count} of {all} entries are NaN or missing, the first at index {index} (t = {t})"),
    });
    finding
}

/// ᾱ that no βs give: it rises, or leaves [0, 1].
fn not_falling(array: Quantity, numbers: &Numbers, index: usize) -> Finding {
    let mut finding = Finding::new(numbers, array.symbol(), Verdict::Wrong);
    let place = Place { index, got: numbers.values[index], want: f64::NAN };
    (finding.first, finding.worst, finding.off) = (Some(place), Some(place), 1);
    finding.remarks.push("ᾱ starts below 1, falls with t and stays above 0: no betas give this table".into());
    let values = numbers.values.iter().rev().copied().collect();
    if let Some(found) = recognise(array, &Numbers { values, ..numbers.clone() }) {
        finding.remarks.push(format!("the table is reversed in time: backwards it is {found}"));
    }
    finding
}
