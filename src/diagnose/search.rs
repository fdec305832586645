//! Judging one array: against the formula, against the known faults, against pairs of them.

use super::expected::{Arithmetic, Convention, Expected, readings};
use super::faults::{Chain, TABLE_FAULTS};
use super::recognise::{tolerance, usual};
use super::report::{Finding, Place, Verdict};
use super::{Basis, Definition, Numbers, Precision, relation};
use crate::check::Fault;
use crate::table::{Quantity, ulps};

/// True if the numbers are a right reading of the array.
pub(crate) fn fits(array: Quantity, numbers: &Numbers, basis: &Basis) -> bool {
    let mut finding = Finding::new(numbers, array.symbol(), Verdict::Wrong);
    let arithmetic = Arithmetic::stored_in(numbers.precision);
    readings(array, basis, arithmetic).iter().any(|expected| compare(&mut finding, numbers, expected))
}

/// Judges any array but the βs.
pub(crate) fn judge(array: Quantity, numbers: &Numbers, basis: &Basis) -> Finding {
    let mut finding = Finding::new(numbers, array.symbol(), Verdict::Wrong);
    let usual = readings(array, basis, Arithmetic::stored_in(numbers.precision));
    if right_by(&mut finding, numbers, &usual) {
        return finding;
    }
    let faults = || known_faults(array, numbers, basis, &usual);
    if numbers.precision < Precision::F32 {
        // Rounding to few bits at every step may move a table so far that a wrong formula is within reach of it.
        let loose = readings(array, basis, Arithmetic::throughout(numbers.precision));
        if right_by(&mut finding, numbers, &loose) {
            let moved = deviation(numbers, &usual[0].best);
            finding.faults = faults();
            if moved <= HARMLESS {
                finding.faults.retain(|fault| !fault.sentence.ends_with(IN_F32));
            }
            if finding.faults.is_empty() && moved <= HARMLESS {
                let name = numbers.precision.name();
                finding.remarks.push(format!("only as far as rounding at every step in {name} allows: {IN_F32}"));
                return finding;
            }
        }
    }
    // No reading fits: keep the places of the first, the usual one.
    finding.remarks.clear();
    compare(&mut finding, numbers, &usual[0]);
    finding.verdict = Verdict::Wrong;
    finding.faults = faults();
    if finding.faults.is_empty() {
        let (best, chain) = (&usual[0].best, Some(&basis.chain));
        finding.remarks.extend(relation::describe(&numbers.values, best, array, chain, numbers.precision));
    }
    finding
}

/// What rounding to few bits at every step may move a table by, relatively.
const HARMLESS: f64 = 0.01;

/// How the sentences of faults end that are a matter of precision alone.
const IN_F32: &str = "compute tables in f32";

/// True if one of the readings fits; the finding then names its convention.
fn right_by(finding: &mut Finding, numbers: &Numbers, readings: &[Expected]) -> bool {
    let Some(expected) = readings.iter().find(|expected| compare(finding, numbers, expected)) else { return false };
    finding.remarks.clear();
    if expected.convention != Convention::Only {
        finding.remarks.push(format!("convention: {}", expected.convention.words()));
    }
    true
}

/// The longest chain that is searched for mistakes without its schedule: some faults cost T² operations.
const LONGEST: usize = 4000;

/// The usual schedule and the known mistake that give this array, where no schedule was named and none gives it right.
pub(crate) fn mistaken(array: Quantity, numbers: &Numbers) -> Option<(Definition, Fault)> {
    let steps = numbers.values.len();
    if array == Quantity::LossWeight || steps > LONGEST {
        return None;
    }
    let mut closest = Closest::new(numbers, [vec![0.0; steps]]);
    for meant in usual(steps) {
        let chain = Chain::new(meant.values());
        for known in TABLE_FAULTS.iter().filter(|known| known.quantity == array) {
            let values: Vec<f64> = (0..steps).map(|i| (known.entry)(&chain, i)).collect();
            closest.consider((meant.clone(), known.fault), &values);
        }
    }
    closest.fault()
}

fn known_faults(array: Quantity, numbers: &Numbers, basis: &Basis, readings: &[Expected]) -> Vec<Fault> {
    let right = &readings[0].best;
    let steps = basis.chain.steps();
    let entries = |chain: &Chain, f: fn(&Chain, usize) -> f64| (0..steps).map(|i| f(chain, i)).collect::<Vec<f64>>();
    let own = || TABLE_FAULTS.iter().filter(|known| known.quantity == array);
    let mut single = Closest::new(numbers, [right]);
    for known in own() {
        single.consider(known.fault, &entries(&basis.chain, known.entry));
    }
    if let Some(fault) = single.fault() {
        return vec![fault];
    }
    // A fault upstream: the schedule wrong, or ᾱ, carried into this array.
    if let Some((other, fault)) = basis.meant.as_ref().map(Definition::other_rescaling)
        && fits(array, numbers, &Basis::meant(&other))
    {
        return vec![fault];
    }
    let mut upstream: Vec<(Fault, Chain)> = Vec::new();
    for known in TABLE_FAULTS.iter().filter(|known| known.quantity == Quantity::AlphaBar && array != known.quantity) {
        let bar = entries(&basis.chain, known.entry);
        upstream.push((known.fault, Chain { beta: basis.chain.beta.clone(), bar }));
    }
    if let Some(meant) = basis.meant.as_ref().filter(|meant| meant.steps() == steps) {
        upstream.extend(meant.known_faults().into_iter().map(|(fault, beta)| (fault, Chain::new(beta))));
    }
    let mut single = Closest::new(numbers, [right]);
    for (fault, chain) in &upstream {
        single.consider(*fault, &(0..steps).map(|i| ordinary(array, chain, i)).collect::<Vec<f64>>());
    }
    if let Some(fault) = single.fault() {
        return vec![fault];
    }
    let mut pair = Closest::new(numbers, [right]);
    for (first, chain) in &upstream {
        for known in own() {
            pair.consider([*first, known.fault], &entries(chain, known.entry));
        }
    }
    pair.fault().map(Vec::from).unwrap_or_default()
}

/// The fault that comes closest to somebody's numbers, if it comes far closer than the right table.
pub(super) struct Closest<'a, F> {
    numbers: &'a Numbers,
    /// No fault that deviates by more counts.
    limit: f64,
    fault: Option<F>,
}

impl<'a, F> Closest<'a, F> {
    /// By what factor a fault must come closer than the right table does.
    const FAR: f64 = 5.0;

    /// A search among faults of one or several right tables.
    pub(super) fn new<T: AsRef<[f64]>>(numbers: &'a Numbers, right: impl IntoIterator<Item = T>) -> Self {
        let least = right.into_iter().map(|right| deviation(numbers, right.as_ref())).fold(f64::INFINITY, f64::min);
        Self { numbers, limit: tolerance(numbers.precision).min(least / Self::FAR), fault: None }
    }

    pub(super) fn consider(&mut self, fault: F, values: &[f64]) {
        let deviation = deviation(self.numbers, values);
        if deviation < self.limit || (deviation <= self.limit && self.fault.is_none()) {
            (self.limit, self.fault) = (deviation, Some(fault));
        }
    }

    pub(super) fn fault(self) -> Option<F> {
        self.fault
    }
}

/// Largest relative deviation of the numbers from a table; ∞ if lengths, NaN or infinities differ.
///
/// A number near 0 that is a difference of numbers near 1 has an absolute error, which counts for nothing.
fn deviation(numbers: &Numbers, want: &[f64]) -> f64 {
    if numbers.values.len() != want.len() {
        return f64::INFINITY;
    }
    let slack = 8.0 * numbers.precision.max(Precision::F32).unit_roundoff();
    let largest = want.iter().filter(|v| v.is_finite()).fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let floor = 1e-3 * largest * tolerance(numbers.precision);
    let of_entry = |(&got, &want): (&f64, &f64)| {
        let want = numbers.precision.round(want);
        if got.is_finite() && want.is_finite() {
            return ((got - want).abs() - slack).max(0.0) / (want.abs() + floor);
        }
        let same = got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan());
        if same { 0.0 } else { f64::INFINITY }
    };
    numbers.values.iter().zip(want).map(of_entry).fold(0.0, f64::max)
}

/// Fills in where the numbers leave the bound; true if they never do.
#[expect(clippy::float_cmp, reason = "equal infinities are equal")]
pub(super) fn compare(finding: &mut Finding, numbers: &Numbers, expected: &Expected) -> bool {
    (finding.first, finding.worst, finding.off) = (None, None, 0);
    if numbers.values.len() != expected.best.len() {
        let (found, wanted) = (numbers.values.len(), expected.best.len());
        finding.remarks.retain(|remark| !remark.starts_with("the table has"));
        finding.remarks.push(format!("the table has {found} entries where {wanted} were expected"));
        finding.off = found;
        return false;
    }
    let mut most = 1.0;
    for (index, (&got, (&want, &bound))) in
        numbers.values.iter().zip(expected.best.iter().zip(&expected.bound)).enumerate()
    {
        let share = if got == numbers.precision.round(want) { 0.0 } else { (got - want).abs() / bound };
        if share <= 1.0 {
            continue;
        }
        let place = Place { index, got, want };
        finding.off += 1;
        finding.first = finding.first.or(Some(place));
        if share.is_nan() || share > most {
            most = if share.is_nan() { f64::INFINITY } else { share };
            finding.worst = Some(place);
        }
    }
    if finding.off > 0 {
        finding.worst = finding.worst.or(finding.first);
        return false;
    }
    finding.verdict = Verdict::Right;
    finding.ulps = Some(distance(&numbers.values, &expected.best));
    true
}

pub(super) fn distance(got: &[f64], best: &[f64]) -> f64 {
    got.iter().zip(best).map(|(&got, &best)| ulps(got, best)).fold(0.0, f64::max)
}

/// The right formula on a raw chain, as ordinary code writes it.
fn ordinary(array: Quantity, c: &Chain, i: usize) -> f64 {
    let beta = c.beta[i];
    let (bar, prev) = (c.bar[i], if i == 0 { 1.0 } else { c.bar[i - 1] });
    let (rest, rest_prev) = (1.0 - bar, 1.0 - prev);
    match array {
        Quantity::Beta => beta,
        Quantity::Alpha => 1.0 - beta,
        Quantity::SqrtAlpha => (1.0 - beta).sqrt(),
        Quantity::AlphaBar => bar,
        Quantity::AlphaBarPrev => prev,
        Quantity::OneMinusAlphaBar => rest,
        Quantity::SqrtAlphaBar => bar.sqrt(),
        Quantity::SqrtOneMinusAlphaBar => rest.sqrt(),
        Quantity::LogOneMinusAlphaBar => rest.ln(),
        Quantity::SqrtRecipAlphaBar => (1.0 / bar).sqrt(),
        Quantity::SqrtRecipM1AlphaBar => (1.0 / bar - 1.0).sqrt(),
        Quantity::BetaTilde => beta * rest_prev / rest,
        Quantity::LogBetaTildeClipped if i == 0 && c.beta.len() > 1 => ordinary(array, c, 1),
        Quantity::LogBetaTilde | Quantity::LogBetaTildeClipped => (beta * rest_prev / rest).ln(),
        Quantity::MeanX0 => beta * prev.sqrt() / rest,
        Quantity::MeanXt => rest_prev * (1.0 - beta).sqrt() / rest,
        Quantity::Snr | Quantity::LossWeight => bar / rest,
        Quantity::LossWeightBeta => beta / (2.0 * (1.0 - beta) * rest),
        Quantity::LossWeightBetaTilde => beta / (2.0 * (1.0 - beta) * rest_prev),
        Quantity::Sigma => (rest / bar).sqrt(),
        Quantity::LogSnr => bar.ln() - rest.ln(),
        Quantity::HalfLogSnr => 0.5 * (bar.ln() - rest.ln()),
    }
}
