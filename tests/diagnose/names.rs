//! One mistake has one name and one sentence, in functions, in tables and in answers.

use std::collections::BTreeMap;

use alphabar::Betas;
use alphabar::check::Fault;
use alphabar::check::claims;
use alphabar::diagnose::cases::CASES;
use alphabar::diagnose::diagnose;
use alphabar::diagnose::faults::{
    CURVE_FAULTS, NOT_RESCALED, RESCALED_UNASKED, RESCALING_FAULTS, TABLE_FAULTS, TableFault,
};
use alphabar::schedule::Definition;

use super::{names, numbers};

fn functions() -> Vec<Fault> {
    claims().iter().flat_map(|claim| claim.fault_list()).collect()
}

fn tables() -> Vec<Fault> {
    let rescalings = RESCALING_FAULTS.iter().map(|known| known.fault);
    let arrays = TABLE_FAULTS.iter().map(|known| known.fault);
    let curves = CURVE_FAULTS.iter().map(|known| known.fault);
    [NOT_RESCALED, RESCALED_UNASKED].into_iter().chain(rescalings).chain(curves).chain(arrays).collect()
}

fn answers() -> Vec<Fault> {
    CASES.iter().flat_map(|case| case.faults().collect::<Vec<_>>()).collect()
}

#[test]
fn a_name_says_the_same_wherever_it_shows() {
    let mut known: BTreeMap<&str, Fault> = BTreeMap::new();
    for fault in [functions(), tables(), answers()].concat() {
        let first = known.entry(fault.name).or_insert(fault);
        assert_eq!(*first, fault, "one name, two meanings");
    }
}

/// A sentence of a function that a table or an answer has under another name is a mistake with two names.
#[test]
fn a_sentence_of_a_function_has_its_name_elsewhere() {
    let names: BTreeMap<&str, &str> = functions().iter().map(|fault| (fault.sentence, fault.name)).collect();
    for fault in [tables(), answers()].concat() {
        let name = names.get(fault.sentence).copied().unwrap_or(fault.name);
        assert_eq!(name, fault.name, "{}", fault.sentence);
    }
}

#[test]
fn the_best_known_mistake_has_one_name_in_all_three_forms() {
    for form in [functions(), tables(), answers()] {
        assert!(form.iter().any(|fault| fault.name == "beta_for_beta_tilde"));
    }
}

#[test]
fn no_two_faults_of_one_table_share_a_name() {
    for (k, known) in TABLE_FAULTS.iter().enumerate() {
        let same = |other: &TableFault| (other.fault.name, other.quantity) == (known.fault.name, known.quantity);
        assert!(!TABLE_FAULTS[k + 1..].iter().any(same), "{} of {:?}", known.fault.name, known.quantity);
    }
}

/// βs that a constructor or somebody's own loop made keep the names of their curve's faults.
#[test]
fn a_list_that_lies_on_a_curve_has_the_faults_of_the_curve() {
    let lists = [
        (Definition::linear(100), Betas::linear(100, 1e-4, 0.02)),
        (Definition::linear(100), Betas::new((0..100).map(|i| 1e-4 + (0.02 - 1e-4) / 99.0 * f64::from(i)).collect())),
        (Definition::linear(30).beta_end(0.3), Betas::linear(30, 1e-4, 0.3)),
        (Definition::scaled_linear(100).beta_end(0.03), Betas::scaled_linear(100, 0.000_85, 0.03)),
        (Definition::cosine(100), Betas::cosine(100)),
        (Definition::sigmoid(100), Betas::sigmoid(100, 1e-4, 0.02)),
        (Definition::sigmoid(100).beta_start(0.001).beta_end(0.03), Betas::sigmoid(100, 0.001, 0.03)),
        (Definition::jsd(100), Betas::jsd(100)),
    ];
    for (curve, list) in lists {
        for known in CURVE_FAULTS.iter().filter(|known| Some(known.curve) == curve.curve()) {
            let wrong = numbers("betas", (0..curve.steps()).map(|i| (known.beta)(&curve, i)).collect());
            let by_curve = names(&diagnose(std::slice::from_ref(&wrong), Some(&curve)));
            let by_list = names(&diagnose(&[wrong], Some(&list.clone().unwrap().into())));
            assert_eq!(by_list, by_curve, "{curve}");
            assert_eq!(by_list, [known.fault.name], "{curve}");
        }
    }
}

/// Two numbers lie on a line whatever they are, and numbers near a curve are not the curve.
#[test]
fn a_list_that_lies_on_no_curve_stays_a_list() {
    let near = Betas::new((0..100).map(|i| 1e-4 + (0.02 - 1e-4) / 99.0 * f64::from(i) * (1.0 + 1e-12)).collect());
    for list in [Betas::new(vec![0.1, 0.2]), near] {
        let meant = Definition::from(list.unwrap());
        let report = diagnose(&[numbers("betas", meant.list().unwrap().to_vec())], Some(&meant));
        assert!(report.is_right() && report.to_string().contains("betas that were given, as named"), "{report}");
    }
}
