//! The ledger as data: every statement of the source documents, its status, and whether it has numeric content.

use serde::Deserialize;

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
