//! Judging the βs: against the schedule that was meant, the known faulty ones, and the schedules in use.

use super::expected::definition;
use super::recognise::{recognise, usual};
use super::report::{Finding, Place, Verdict};
use super::search::{Closest, compare, distance};
use super::{Meant, Numbers, relation};
use crate::fault::Fault;
use crate::fault::table::Array;

/// Judges the βs themselves.
pub(crate) fn betas(numbers: &Numbers, meant: Option<&Meant>) -> Finding {
    let mut finding = Finding::new(numbers, Array::Betas.symbol(), Verdict::Wrong);
    if let Some(meant) = meant {
        if compare(&mut finding, numbers, &definition(meant, numbers.precision)) {
            finding.schedule = Some(meant.clone());
            finding.remarks.push(format!("{}, as named", meant.words()));
            return finding;
        }
        let (other, fault) = meant.other_rescaling();
        if compare(&mut finding.clone(), numbers, &definition(&other, numbers.precision)) {
            finding.faults.push(fault);
            return finding;
        }
    }
    if let Some(fault) = faulty_schedule(numbers, meant) {
        finding.faults.push(fault);
        return finding;
    }
    let recognised = recognise(Array::Betas, numbers);
    match (recognised, meant) {
        (Some(found), Some(meant)) if found != *meant => {
            finding.remarks.push(format!("the betas are {}, not {}", found.words(), meant.words()));
            return finding;
        }
        (Some(found), None) => {
            finding.ulps = Some(distance(&numbers.values, &found.values()));
            finding.verdict = Verdict::Right;
            finding.remarks.push(format!("recognised as {}", found.words()));
            finding.schedule = Some(found);
            return finding;
        }
        _ => {}
    }
    let outside = |&(_, &b): &(usize, &f64)| !(b > 0.0 && b <= 1.0);
    let bad: Vec<(usize, f64)> = numbers.values.iter().enumerate().filter(outside).map(|(i, &b)| (i, b)).collect();
    if let Some(&(index, got)) = bad.first() {
        let place = Place { index, got, want: f64::NAN };
        (finding.first, finding.worst, finding.off) = (Some(place), Some(place), bad.len());
        let count = bad.len();
        finding
            .remarks
            .push(format!("{count} betas are NaN or outside (0, 1]; a variance schedule lies strictly inside"));
        return finding;
    }
    match meant {
        Some(meant) => {
            let best = meant.values();
            finding.remarks.extend(relation::describe(&numbers.values, &best, Array::Betas, None, numbers.precision));
        }
        None => {
            finding.verdict = Verdict::Right;
            finding.remarks.push("all inside (0, 1), but no schedule known by name; taken as given".into());
        }
    }
    finding
}

/// A known faulty schedule that these βs are.
fn faulty_schedule(numbers: &Numbers, meant: Option<&Meant>) -> Option<Fault> {
    let bases = match meant {
        Some(meant) => vec![meant.clone()],
        None => usual(numbers.values.len()),
    };
    let mut closest = Closest::new(numbers, bases.iter().map(Meant::values));
    for (fault, values) in bases.iter().flat_map(Meant::known_faults) {
        closest.consider(fault, &values);
    }
    closest.fault()
}
