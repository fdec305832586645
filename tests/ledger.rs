//! The registry against the ledger: every numeric statement has a claim, every claim a row and faults, every erratum
//! its numbers.

use std::collections::{BTreeMap, BTreeSet};

use alphabar::check::{Origin, Severity, errata};
use alphabar::check::{claims, ledger};
use alphabar::diagnose::faults::{CURVE_FAULTS, NOT_RESCALED, RESCALED_UNASKED, RESCALING_FAULTS, TABLE_FAULTS};

#[test]
fn every_numeric_row_is_covered_by_a_claim() {
    let covered: BTreeSet<&str> = claims().iter().flat_map(|claim| claim.row_ids().collect::<Vec<_>>()).collect();
    let rows = ledger::rows();
    let open: Vec<&str> = rows
        .iter()
        .filter(|(_, row)| row.numeric && !covered.contains(row.id.as_str()))
        .map(|(_, row)| row.id.as_str())
        .collect();
    assert!(open.is_empty(), "{} numeric rows without a claim: {open:?}", open.len());
}

#[test]
fn every_claim_covers_a_row_of_the_ledger_and_has_three_faults() {
    let rows = ledger::rows();
    let known: BTreeSet<&str> = rows.iter().map(|(_, row)| row.id.as_str()).collect();
    for claim in claims() {
        assert!(claim.row_ids().next().is_some(), "{} covers no row", claim.name);
        for id in claim.row_ids() {
            assert!(known.contains(id), "{} covers {id}, which the ledger does not hold", claim.name);
        }
        let faults: BTreeSet<&str> = claim.fault_list().into_iter().map(|fault| fault.name).collect();
        assert!(faults.len() >= 3, "{} has {} faults", claim.name, faults.len());
    }
}

#[test]
fn the_ledger_holds_every_statement_once() {
    let rows = ledger::rows();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, row) in &rows {
        *count.entry(row.id.as_str()).or_default() += 1;
    }
    let twice: Vec<_> = count.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let expected = [(0, 56), (1, 88), (2, 51), (3, 84)];
    let missing: Vec<String> = expected
        .iter()
        .flat_map(|&(document, n)| (1..=n).map(move |k| format!("S{document}.{k:02}")))
        .chain((1..=31).map(|k| format!("B{k}")))
        .filter(|id| !count.contains_key(id.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn names_of_claims_and_faults_are_unique() {
    let mut names = BTreeSet::new();
    for claim in claims() {
        assert!(names.insert(claim.name), "{} twice", claim.name);
    }
    let mut sentences: BTreeMap<&str, &str> = BTreeMap::new();
    let of_claims = claims().into_iter().flat_map(|claim| claim.fault_list());
    let of_tables = CURVE_FAULTS.iter().map(|known| known.fault).chain(TABLE_FAULTS.iter().map(|known| known.fault));
    let of_rescaling = RESCALING_FAULTS.iter().map(|known| known.fault).chain([NOT_RESCALED, RESCALED_UNASKED]);
    for fault in of_claims.chain(of_tables).chain(of_rescaling) {
        let other = sentences.insert(fault.name, fault.sentence);
        assert!(other.is_none_or(|other| other == fault.sentence), "{} names two faults", fault.name);
    }
    assert!(sentences.len() >= 120, "{} known faults", sentences.len());
}

#[test]
fn all_errata_are_there_and_their_numbers_are_reproduced() {
    let all = errata();
    let ids: BTreeSet<&str> = all.iter().map(|erratum| erratum.id).collect();
    let expected = [(0, 11), (1, 12), (2, 11), (3, 22)];
    let missing: Vec<String> = expected
        .iter()
        .flat_map(|&(document, n)| (1..=n).map(move |k| format!("E{document}.{k}")))
        .filter(|id| !ids.contains(id.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(ids.len(), all.len(), "an erratum is listed twice");
    for erratum in &all {
        for numbers in erratum.numbers {
            let (printed, correct) = ((numbers.printed)(), (numbers.correct)());
            let half = 0.500_001 * 10f64.powi(-numbers.decimals);
            let (id, at) = (erratum.id, numbers.at);
            assert!(
                (printed - numbers.listed.0).abs() <= half,
                "{id} at {at}: printed form gives {printed}, listed {}",
                numbers.listed.0
            );
            assert!(
                (correct - numbers.listed.1).abs() <= half,
                "{id} at {at}: right form gives {correct}, listed {}",
                numbers.listed.1
            );
            let listed = (numbers.listed.0 - numbers.listed.1).abs();
            assert!((printed - correct).abs() >= 0.5 * listed, "{id}: the two forms differ too little");
        }
    }
}

#[test]
fn errata_that_change_a_result_are_faults_of_some_claim() {
    let caught: BTreeSet<&str> = claims()
        .iter()
        .flat_map(|claim| claim.fault_list())
        .filter_map(|fault| match fault.origin {
            Origin::Erratum(id) => Some(id),
            _ => None,
        })
        .collect();
    let open: Vec<&str> = errata()
        .iter()
        .filter(|e| matches!(e.severity, Severity::Result | Severity::Intermediate) && !caught.contains(e.id))
        .map(|e| e.id)
        .collect();
    assert!(open.is_empty(), "errata that no claim rejects: {open:?}");
}
