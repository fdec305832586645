//! The ledger as data: every statement of the source documents, its status, and whether it has numeric content.

use serde::Deserialize;

use super::Severity;

/// One row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRow {
    /// `S0.51`, `B4`, `A1.2`.
    pub id: String,
    /// Which source document, 0 to 3; absent for further checks and assumptions.
    #[serde(default)]
    pub document: Option<u8>,
    /// Where in it.
    #[serde(default)]
    pub place: String,
    /// What is said, in this project's words.
    pub statement: String,
    /// `right`, `erratum E0.1`, `conditional A1.2`, `definition`, `prose` or `assumption`.
    pub status: String,
    /// True if a claim must cover it.
    #[serde(default)]
    pub numeric: bool,
}

/// Every row with its chapter, in the order of the chapters.
///
/// # Panics
/// If a ledger file in the crate is not what [`LedgerRow`] describes.
#[must_use]
pub fn rows() -> Vec<(&'static str, LedgerRow)> {
    let chapter = |&(name, text): &(&'static str, &str)| {
        let rows: Vec<LedgerRow> =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("fixtures/ledger/{name}.json: {error}"));
        rows.into_iter().map(move |row| (name, row))
    };
    super::LEDGER.iter().flat_map(chapter).collect()
}

/// One erratum: what is printed where, what is right, and the numbers listed for both. The formulas that give those
/// numbers are in the chapters' faults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErratumRow {
    /// `E0.1` …
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// Ledger rows it is on.
    pub rows: Vec<String>,
    /// What is printed, in this project's words.
    pub printed: String,
    /// What is right.
    pub correct: String,
    /// Numbers that show the difference, where there are any.
    #[serde(default)]
    pub numbers: Vec<Listed>,
}

/// Values of the printed and the corrected formula at one point.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The point.
    pub at: String,
    /// Of the printed formula, and of the corrected one.
    pub listed: (f64, f64),
    /// Decimals to which both are given.
    pub decimals: i32,
}

/// Every erratum of the four source documents, in order.
///
/// ```
/// use alphabar::check::{Severity, ledger};
///
/// let errata = ledger::errata();
/// let fourth = errata.iter().find(|erratum| erratum.id == "E0.4").expect("listed");
/// assert_eq!((fourth.severity, fourth.correct.as_str()), (Severity::Result, "it runs from t = 2"));
/// ```
///
/// # Panics
/// If the file in the crate is not what [`ErratumRow`] describes.
#[must_use]
pub fn errata() -> Vec<ErratumRow> {
    let text = include_str!("../../fixtures/ledger/errata.json");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("fixtures/ledger/errata.json: {error}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{errata, rows};

    #[test]
    fn the_file_says_what_the_chapters_say() {
        let (listed, coded) = (errata(), crate::check::errata());
        assert_eq!(listed.len(), coded.len());
        for (row, erratum) in listed.iter().zip(&coded) {
            assert_eq!((row.id.as_str(), row.severity), (erratum.id, erratum.severity));
            assert_eq!(row.rows, erratum.rows, "{}", row.id);
            assert_eq!([&row.printed, &row.correct], [erratum.printed, erratum.correct], "{}", row.id);
            assert_eq!(row.numbers.len(), erratum.numbers.len(), "{}", row.id);
            for (listed, numbers) in row.numbers.iter().zip(erratum.numbers) {
                assert_eq!((listed.at.as_str(), listed.decimals), (numbers.at, numbers.decimals), "{}", row.id);
                assert_eq!(
                    [listed.listed.0, listed.listed.1].map(f64::to_bits),
                    [numbers.listed.0, numbers.listed.1].map(f64::to_bits),
                    "{}",
                    row.id
                );
            }
        }
    }

    #[test]
    fn every_erratum_is_on_rows_of_the_ledger() {
        let rows = rows();
        let known: BTreeSet<&str> = rows.iter().map(|(_, row)| row.id.as_str()).collect();
        for erratum in errata() {
            assert!(!erratum.rows.is_empty() && !erratum.printed.is_empty(), "{}", erratum.id);
            let unknown: Vec<&String> = erratum.rows.iter().filter(|id| !known.contains(id.as_str())).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", erratum.id);
        }
    }
}
