//! Judging one array: against the formula, against the known faults, against pairs of them.

use super::expected::{Convention, Expected, definition_error, readings};
use super::recognise::{betas_of, recognise, tolerance, usual, words};
use super::report::{Finding, Place, Verdict};
use super::{Basis, Numbers, Precision, relation};
use crate::fault::Fault;
use crate::fault::table::{ARRAY_FAULTS, Array, Chain, Named, SCHEDULE_FAULTS};
use crate::table::ulps;

/// Judges the βs themselves.
pub(crate) fn betas(numbers: &Numbers, meant: Option<&Named>) -> Finding {
    let mut finding = Finding::new(numbers, Array::Betas.symbol(), Verdict::Wrong);
    if let Some(meant) = meant {
        let u_ratio = numbers.precision.unit_roundoff() / Precision::F64.unit_roundoff();
        let best = betas_of(meant);
        let bound = best
            .iter()
            .enumerate()
            .map(|(i, &b)| definition_error(meant, i, b, u_ratio) + numbers.precision.unit_roundoff() * 2.0 * b)
            .collect();
        let expected = Expected { convention: Convention::Only, best, bound };
        if compare(&mut finding, numbers, &expected) {
            finding.schedule = Some(*meant);
            finding.remarks.push(format!("{}, as named", words(meant)));
            return finding;
        }
    }
    if let Some(fault) = faulty_schedule(numbers, meant) {
        finding.verdict = Verdict::Wrong;
        finding.faults.push(fault);
        return finding;
    }
    let recognised = recognise(Array::Betas, numbers);
    if let (Some(found), Some(meant)) = (recognised.filter(|found| Some(&found.named) != meant), meant) {
        finding.remarks.push(format!("the betas are {}, not {}", found.words(), words(meant)));
        return finding;
    }
    if let Some(found) = recognised.filter(|_| meant.is_none()) {
        let best = betas_of(&found.named);
        finding.ulps = Some(distance(&numbers.values, &best));
        finding.schedule = Some(found.named);
        finding.verdict = Verdict::Right;
        finding.remarks.push(format!("recognised as {}", found.words()));
        return finding;
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
            let best = betas_of(meant);
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
fn faulty_schedule(numbers: &Numbers, meant: Option<&Named>) -> Option<Fault> {
    let steps = numbers.values.len();
    let bases: Vec<Named> = match meant {
        Some(meant) => vec![*meant],
        None => usual(steps),
    };
    let mut best: Option<(f64, Fault)> = None;
    for named in bases.iter().filter(|named| named.steps == steps) {
        let right = betas_of(named);
        for known in SCHEDULE_FAULTS.iter().filter(|known| known.kind == named.kind) {
            let values: Vec<f64> = (0..steps).map(|i| (known.beta)(named, i)).collect();
            consider(&mut best, known.fault, &values, &right, numbers);
        }
    }
    best.map(|(_, fault)| fault)
}

/// True if the numbers are a right reading of the array.
pub(crate) fn fits(array: Array, numbers: &Numbers, basis: &Basis) -> bool {
    let mut finding = Finding::new(numbers, array.symbol(), Verdict::Wrong);
    readings(array, basis, numbers.precision).iter().any(|expected| compare(&mut finding, numbers, expected))
}

/// Judges any array but the βs.
pub(crate) fn judge(array: Array, numbers: &Numbers, basis: &Basis) -> Finding {
    let mut finding = Finding::new(numbers, array.symbol(), Verdict::Wrong);
    let readings = readings(array, basis, numbers.precision);
    for expected in &readings {
        if compare(&mut finding, numbers, expected) {
            if expected.convention != Convention::Only {
                finding.remarks.push(format!("convention: {}", expected.convention.words()));
            }
            return finding;
        }
    }
    // No reading fits: keep the places of the first, the usual one.
    compare(&mut finding, numbers, &readings[0]);
    finding.verdict = Verdict::Wrong;
    finding.faults = known_faults(array, numbers, basis, &readings);
    if finding.faults.is_empty() {
        let best = &readings[0].best;
        finding.remarks.extend(relation::describe(
            &numbers.values,
            best,
            array,
            Some(&basis.chain),
            numbers.precision,
        ));
    }
    finding
}

fn known_faults(array: Array, numbers: &Numbers, basis: &Basis, readings: &[Expected]) -> Vec<Fault> {
    let right = &readings[0].best;
    let steps = basis.chain.steps();
    let entries = |chain: &Chain, f: fn(&Chain, usize) -> f64| (0..steps).map(|i| f(chain, i)).collect::<Vec<f64>>();
    let mut single: Option<(f64, Fault)> = None;
    let own = || ARRAY_FAULTS.iter().filter(|known| known.array == array);
    for known in own() {
        consider(&mut single, known.fault, &entries(&basis.chain, known.entry), right, numbers);
    }
    if let Some((_, fault)) = single {
        return vec![fault];
    }
    // A fault upstream: ᾱ wrong, or the schedule wrong, carried into this array.
    let mut upstream: Vec<(Fault, Chain)> = Vec::new();
    for known in ARRAY_FAULTS.iter().filter(|known| known.array == Array::AlphasCumprod && array != known.array) {
        let bar = entries(&basis.chain, known.entry);
        upstream.push((known.fault, Chain { beta: basis.chain.beta.clone(), bar }));
    }
    if let Some(named) = basis.named {
        for known in SCHEDULE_FAULTS.iter().filter(|known| known.kind == named.kind && named.steps == steps) {
            upstream.push((known.fault, Chain::new((0..steps).map(|i| (known.beta)(&named, i)).collect())));
        }
    }
    for (fault, chain) in &upstream {
        let values: Vec<f64> = (0..steps).map(|i| ordinary(array, chain, i)).collect();
        consider(&mut single, *fault, &values, right, numbers);
    }
    if let Some((_, fault)) = single {
        return vec![fault];
    }
    let mut pair: Option<(f64, [Fault; 2])> = None;
    for (first, chain) in &upstream {
        for known in own() {
            consider(&mut pair, [*first, known.fault], &entries(chain, known.entry), right, numbers);
        }
    }
    pair.map(|(_, faults)| faults.to_vec()).unwrap_or_default()
}

/// Keeps a fault if it reproduces the numbers better than what was found so far, and is not the right table itself.
fn consider<F>(best: &mut Option<(f64, F)>, fault: F, values: &[f64], right: &[f64], numbers: &Numbers) {
    let tolerance = tolerance(numbers.precision);
    let scale = right.iter().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs())).max(f64::MIN_POSITIVE);
    let Some(deviation) = deviation(&numbers.values, values, scale, tolerance) else { return };
    let is_right = deviation_of(values, right, scale) <= 10.0 * tolerance;
    if deviation <= tolerance && !is_right && best.as_ref().is_none_or(|(least, _)| deviation < *least) {
        *best = Some((deviation, fault));
    }
}

/// Largest relative deviation, `None` if lengths, NaN or infinities differ.
fn deviation(got: &[f64], want: &[f64], scale: f64, tolerance: f64) -> Option<f64> {
    if got.len() != want.len() {
        return None;
    }
    let mut most: f64 = 0.0;
    for (&g, &w) in got.iter().zip(want) {
        if g.is_nan() != w.is_nan() || g.is_infinite() != w.is_infinite() {
            return None;
        }
        if g.is_nan() || (g.is_infinite() && g.signum() * w.signum() > 0.0) {
            continue;
        }
        let off = (g - w).abs() / (w.abs() + 1e-3 * scale * tolerance);
        if off.is_nan() || off > tolerance {
            return None;
        }
        most = most.max(off);
    }
    Some(most)
}

fn deviation_of(a: &[f64], b: &[f64], scale: f64) -> f64 {
    let off = |(&x, &y): (&f64, &f64)| match (x.is_finite(), y.is_finite()) {
        (true, true) => (x - y).abs() / (y.abs() + 1e-12 * scale),
        (false, false) => 0.0,
        _ => f64::INFINITY,
    };
    a.iter().zip(b).map(off).fold(0.0, f64::max)
}

/// Fills in where the numbers leave the bound; true if they never do.
#[expect(clippy::float_cmp, reason = "equal infinities are equal")]
fn compare(finding: &mut Finding, numbers: &Numbers, expected: &Expected) -> bool {
    (finding.first, finding.worst, finding.off) = (None, None, 0);
    if numbers.values.len() != expected.best.len() {
        let (found, wanted) = (numbers.values.len(), expected.best.len());
        if expected.convention == Convention::Only {
            finding.remarks.retain(|remark| !remark.starts_with("the table has"));
            finding.remarks.push(format!("the table has {found} entries where {wanted} were expected"));
        }
        finding.off = found;
        return false;
    }
    let mut most = 1.0;
    for (index, (&got, (&want, &bound))) in
        numbers.values.iter().zip(expected.best.iter().zip(&expected.bound)).enumerate()
    {
        let share = if got == want { 0.0 } else { (got - want).abs() / bound };
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

fn distance(got: &[f64], best: &[f64]) -> f64 {
    got.iter().zip(best).map(|(&got, &best)| ulps(got, best)).fold(0.0, f64::max)
}

/// The right formula on a raw chain, as ordinary code writes it.
fn ordinary(array: Array, c: &Chain, i: usize) -> f64 {
    let beta = c.beta[i];
    let (bar, prev) = (c.bar[i], if i == 0 { 1.0 } else { c.bar[i - 1] });
    let (rest, rest_prev) = (1.0 - bar, 1.0 - prev);
    match array {
        Array::Betas => beta,
        Array::Alphas => 1.0 - beta,
        Array::AlphasCumprod => bar,
        Array::AlphasCumprodPrev => prev,
        Array::SqrtAlphasCumprod => bar.sqrt(),
        Array::SqrtOneMinusAlphasCumprod => rest.sqrt(),
        Array::LogOneMinusAlphasCumprod => rest.ln(),
        Array::SqrtRecipAlphasCumprod => (1.0 / bar).sqrt(),
        Array::SqrtRecipm1AlphasCumprod => (1.0 / bar - 1.0).sqrt(),
        Array::PosteriorVariance => beta * rest_prev / rest,
        Array::PosteriorLogVarianceClipped if i == 0 && c.beta.len() > 1 => ordinary(array, c, 1),
        Array::PosteriorLogVarianceClipped => (beta * rest_prev / rest).ln(),
        Array::PosteriorMeanCoef1 => beta * prev.sqrt() / rest,
        Array::PosteriorMeanCoef2 => rest_prev * (1.0 - beta).sqrt() / rest,
        Array::Snr | Array::LossWeight => bar / rest,
        Array::Sigmas => (rest / bar).sqrt(),
    }
}

/// Judges a list of timesteps: the network's 0-based ones, falling, by a known spacing.
pub(crate) fn timesteps(numbers: &Numbers, meant: Option<&Named>) -> Finding {
    use crate::plan::Spacing;
    let mut finding = Finding::new(numbers, "", Verdict::Wrong);
    let values = &numbers.values;
    if let Some(index) = values.iter().position(|v| !(v.is_finite() && *v >= 0.0)) {
        let place = Place { index, got: values[index], want: f64::NAN };
        (finding.first, finding.worst, finding.off) = (Some(place), Some(place), 1);
        finding.remarks.push("a timestep is NaN, infinite or negative".into());
        return finding;
    }
    if let Some(index) = values.iter().position(|v| v.fract() != 0.0) {
        let place = Place { index, got: values[index], want: values[index].round() };
        (finding.first, finding.worst, finding.off) = (Some(place), Some(place), 1);
        finding.remarks.push("a timestep is not whole: a lookup by index will miss it or take its neighbour".into());
        return finding;
    }
    if let Some(index) = (1..values.len()).find(|&k| values[k] >= values[k - 1]) {
        let place = Place { index, got: values[index], want: values[index - 1] - 1.0 };
        (finding.first, finding.worst, finding.off) = (Some(place), Some(place), 1);
        let rising = values.windows(2).all(|w| w[1] > w[0]);
        let words = if rising {
            "the list rises: samplers visit times in falling order"
        } else {
            "the list does not fall strictly"
        };
        finding.remarks.push(words.into());
        return finding;
    }
    let trained = meant.map_or(1000, |named| named.steps);
    if values.first().is_some_and(|&first| first >= trained as f64) {
        let place = Place { index: 0, got: values[0], want: trained as f64 - 1.0 };
        (finding.first, finding.worst, finding.off) = (Some(place), Some(place), 1);
        finding
            .remarks
            .push(format!("timesteps are the network's 0-based ones, at most {}; these look 1-based", trained - 1));
        return finding;
    }
    finding.verdict = Verdict::Right;
    let spacings = [
        ("leading", Spacing::Leading { offset: 0 }),
        ("leading with offset 1", Spacing::Leading { offset: 1 }),
        ("linspace", Spacing::Linspace),
        ("trailing", Spacing::Trailing),
        ("quadratic", Spacing::Quadratic),
    ];
    let fits = |spacing: &Spacing| {
        spacing
            .model_timesteps(trained, values.len())
            .is_ok_and(|list| list.iter().zip(values).all(|(&i, &v)| i == v as usize))
    };
    match spacings.iter().find(|(_, spacing)| fits(spacing)) {
        Some((name, _)) => finding.remarks.push(format!("{name} spacing of {} out of {trained}", values.len())),
        None => finding.remarks.push("falls strictly; no spacing known by name".into()),
    }
    finding
}
