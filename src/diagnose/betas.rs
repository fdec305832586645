//! Judging the βs: against the schedule that was meant, the known faulty ones, and the schedules in use.

use super::expected::definition;
use super::recognise::{recognise, usual};
use super::report::{Finding, Place, Verdict};
use super::search::{Closest, compare, distance};
use super::{Definition, Numbers, relation};
use crate::check::Fault;
use crate::table::Quantity;

/// Judges the βs themselves.
pub(crate) fn betas(numbers: &Numbers, meant: Option<&Definition>) -> Finding {
    let mut finding = Finding::new(numbers, Quantity::Beta.symbol(), Verdict::Wrong);
    if let Some(meant) = meant {
        if compare(&mut finding, numbers, &definition(meant, numbers.precision)) {
            finding.schedule = Some(meant.clone());
            finding.remarks.push(format!("{meant}, as named"));
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
    let recognised = recognise(Quantity::Beta, numbers);
    // Any line is on some linear schedule, that of 1 − β too; no chain begins by losing most of its signal.
    let doubtful = |found: &Definition| numbers.values[0] > 0.5 && !found.is_usual();
    if recognised.as_ref().is_none_or(doubtful)
        && let Some(words) = transformed(numbers)
    {
        finding.remarks.push(words);
        return finding;
    }
    match (recognised, meant) {
        (Some(found), Some(meant)) if found != *meant => {
            finding.remarks.push(format!("the betas are {found}, not {meant}"));
            return finding;
        }
        (Some(found), None) => {
            finding.ulps = Some(distance(&numbers.values, &found.values()));
            finding.verdict = Verdict::Right;
            finding.remarks.push(format!("recognised as {found}"));
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
        finding.remarks.push(match bad[..] {
            [(0, 0.0)] => "the first entry is t = 0, where there is no beta: tables start at t = 1".into(),
            [_] => "one beta is NaN or outside (0, 1]; a variance schedule lies inside".into(),
            _ => format!("{} betas are NaN or outside (0, 1]; a variance schedule lies inside", bad.len()),
        });
        return finding;
    }
    match meant {
        Some(meant) => {
            let best = meant.values();
            finding.remarks.extend(relation::describe(
                &numbers.values,
                &best,
                Quantity::Beta,
                None,
                numbers.precision,
            ));
        }
        None => {
            finding.verdict = Verdict::Right;
            finding.remarks.push("all inside (0, 1), but no schedule known by name; taken as given".into());
        }
    }
    finding
}

/// A known faulty schedule that these βs are.
fn faulty_schedule(numbers: &Numbers, meant: Option<&Definition>) -> Option<Fault> {
    let bases = match meant {
        Some(meant) => vec![meant.clone()],
        None => usual(numbers.values.len()),
    };
    let mut closest = Closest::new(numbers, bases.iter().map(Definition::values));
    for (fault, values) in bases.iter().flat_map(Definition::known_faults) {
        closest.consider(fault, &values);
    }
    closest.fault()
}

/// Betas of a schedule in use that were written in another form.
fn transformed(numbers: &Numbers) -> Option<String> {
    let forms = [
        ((1.0, -1.0), "these are the alphas, 1 − β,"),
        ((0.0, 0.1), "these are 10 times the betas"),
        ((0.0, 0.01), "these are 100 times the betas"),
        ((0.0, 0.001), "these are 1000 times the betas"),
    ];
    forms.iter().find_map(|((offset, factor), words)| {
        let values = numbers.values.iter().map(|v| offset + factor * v).collect();
        let found = recognise(Quantity::Beta, &Numbers { values, ..numbers.clone() })?;
        found.is_usual().then(|| format!("{words} of {found}"))
    })
}
