//! One array without betas and without the name of its schedule: what can still be said of it.

use crate::{betas, meant, names, numbers, published};
use alphabar::diagnose::faults::{Chain, TABLE_FAULTS};
use alphabar::diagnose::{Report, Verdict, diagnose};
use alphabar::schedule::Curve;
use alphabar::table::Quantity;

/// Arrays that every schedule shares, or that are judged by their own values when they stand alone.
const NOT_ALONE: [Quantity; 3] = [Quantity::Beta, Quantity::LossWeight, Quantity::AlphaBar];

fn right(array: Quantity, kind: Curve) -> Vec<f64> {
    let beta = betas(&meant(kind, 1000));
    let tables = ordinary_tables!(f64, beta);
    tables.into_iter().find(|(other, _)| *other == array).unwrap().1
}

fn wrong(name: &str, kind: Curve) -> Report {
    let known = TABLE_FAULTS.iter().find(|known| known.fault.name == name).unwrap();
    let chain = Chain::new(betas(&meant(kind, 1000)));
    diagnose(&[numbers(published(known.quantity), (0..1000).map(|i| (known.entry)(&chain, i)).collect())], None)
}

#[test]
fn a_right_array_alone_is_recognised() {
    let kept = |array: &&Quantity| array.published_name().is_some() && !NOT_ALONE.contains(array);
    for &array in Quantity::ALL.iter().filter(kept) {
        for kind in [Curve::Linear, Curve::Cosine, Curve::ScaledLinear] {
            let report = diagnose(&[numbers(published(array), right(array, kind))], None);
            assert!(report.is_right(), "{array:?}, {}: {report}", kind.published_name());
            let words = format!("recognised {}", kind.published_name());
            assert!(report.notes.iter().any(|note| note.contains(&words)), "{report}");
        }
    }
}

#[test]
fn a_wrong_array_alone_is_named() {
    let some = ["sigmas_of_one_step", "half_log_snr", "lambda_doubled", "log_snr_base_ten", "lambda_of_variances"];
    for name in some {
        for kind in [Curve::Linear, Curve::Cosine] {
            let report = wrong(name, kind);
            assert_eq!(names(&report), [name], "{report}");
            assert!(report.notes.iter().any(|note| note.contains("computed wrongly")), "{report}");
        }
    }
}

#[test]
fn a_chain_of_its_own_that_a_mistake_would_give_is_told_so() {
    let report = wrong("product_of_roots", Curve::Linear);
    assert!(report.is_right(), "any falling ᾱ is somebody's: {report}");
    assert!(report.notes.iter().any(|note| note.contains("--schedule")), "{report}");
}

#[test]
fn numbers_of_no_usual_schedule_are_left_undecided() {
    let sigmas = (0..1000).map(|i| 0.01 * 1.01_f64.powi(i) + 0.3).collect();
    let report = diagnose(&[numbers("sigmas", sigmas)], None);
    assert_eq!(report.findings[0].verdict, Verdict::Undecided, "{report}");
}
