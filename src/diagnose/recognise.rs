//! Which known schedule do these numbers belong to?

use super::expected::{Arithmetic, readings};
use super::{Basis, Numbers, Precision};
use crate::schedule::{Curve, Definition};
use crate::table::Quantity;

/// The schedules in use, at a length, with ranges that published configurations have; each as it is, then each
/// rescaled to zero terminal SNR.
pub(crate) fn usual(steps: usize) -> Vec<Definition> {
    let scale = 1000.0 / steps as f64;
    let mut all = vec![
        Definition::linear(steps),
        Definition::cosine(steps),
        Definition::scaled_linear(steps),
        between(Curve::ScaledLinear, steps, 1e-4, 0.02),
        between(Curve::Linear, steps, 0.000_85, 0.012),
        Definition::sigmoid(steps),
        Definition::constant(steps, 0.02),
        Definition::jsd(steps),
    ];
    if steps != 1000 {
        all.push(between(Curve::Linear, steps, 1e-4 * scale, 0.02 * scale));
    }
    let rescaled: Vec<Definition> = all.iter().cloned().map(Definition::with_zero_terminal_snr).collect();
    all.into_iter().chain(rescaled).filter(|meant| meant.betas().is_ok()).collect()
}

fn between(curve: Curve, steps: usize, start: f64, end: f64) -> Definition {
    Definition::new(curve, steps).beta_start(start).beta_end(end)
}

/// The curve that a list of βs lies on to within what rounding in f64 moves it, else the list.
///
/// One or two βs lie on some linear schedule whatever they are, and stay a list.
pub(crate) fn on_a_curve(meant: Definition) -> Definition {
    let Some(betas) = meant.list().filter(|betas| betas.len() > 2) else { return meant };
    let (first, last, steps) = (betas[0], betas[betas.len() - 1], betas.len());
    // The logistic curve is at σ(−6) and σ(6) of its range where it starts and ends.
    let margin = 1.0 / (1.0 + 6f64.exp());
    let start = first - (last - first) * margin / (1.0 - 2.0 * margin);
    let own = |curve, start, end| between(curve, steps, tidy(start, 1e-12), tidy(end, 1e-12));
    let mut candidates = usual(steps);
    candidates.extend([
        own(Curve::Linear, first, last),
        own(Curve::ScaledLinear, first, last),
        own(Curve::Sigmoid, start, last + first - start),
        own(Curve::Constant, first, last),
    ]);
    let unit = Precision::F64.unit_roundoff();
    let lies_on = |curve: &Definition| {
        let bounds = curve.values().into_iter().zip(curve.errors(unit));
        betas.iter().zip(bounds).all(|(got, (beta, error))| (got - beta).abs() <= error + 2.0 * unit * beta)
    };
    let Some(found) = candidates.into_iter().find(lies_on) else { return meant };
    if meant.has_zero_terminal_snr() { found.with_zero_terminal_snr() } else { found }
}

/// Recognises a schedule from βs (any range of linear, scaled linear or sigmoid) or from an array derived from them.
#[must_use]
pub fn recognise(array: Quantity, numbers: &Numbers) -> Option<Definition> {
    let values = &numbers.values;
    let (first, last) = (*values.first()?, *values.last()?);
    let tolerance = tolerance(numbers.precision);
    let mut candidates = usual(values.len());
    if array == Quantity::Beta && first > 0.0 && last > 0.0 && last < 1.0 {
        let own = |curve| between(curve, values.len(), tidy(first, tolerance), tidy(last, tolerance));
        candidates.extend([Curve::Linear, Curve::ScaledLinear, Curve::Constant].map(own));
    }
    let close = |want: f64, got: f64, error: f64| (got - want).abs() <= tolerance * (want.abs() + 1e-6) + error;
    let fits = |meant: &Definition| {
        let errors = match array {
            Quantity::Beta => meant.errors(numbers.precision.max(Precision::F32).unit_roundoff()),
            _ => vec![0.0; values.len()],
        };
        let alike = |want: &Vec<f64>| {
            want.len() == values.len()
                && want.iter().zip(values).zip(&errors).all(|((&want, &got), &error)| close(want, got, error))
        };
        derived(array, meant).iter().any(alike)
    };
    candidates.into_iter().find(fits)
}

/// What the array may hold under a schedule; nothing for weights, some of which every schedule shares.
fn derived(array: Quantity, meant: &Definition) -> Vec<Vec<f64>> {
    match array {
        Quantity::Beta => vec![meant.values()],
        Quantity::LossWeight => Vec::new(),
        _ => {
            let exact = Arithmetic::stored_in(Precision::F64);
            readings(array, &Basis::meant(meant), exact).into_iter().map(|reading| reading.best).collect()
        }
    }
}

/// The shortest decimal within the tolerance: 0.02 for 0.0199999996.
fn tidy(value: f64, tolerance: f64) -> f64 {
    let rounded = |digits: usize| format!("{value:.digits$e}").parse::<f64>().unwrap_or(value);
    (0..8).map(rounded).find(|r| (r - value).abs() <= tolerance * value.abs()).unwrap_or(value)
}

/// Relative distance at which numbers count as the same curve.
pub(crate) fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F64 => 1e-9,
        Precision::F32 => 1e-3,
        Precision::F16 => 3e-2,
        Precision::BF16 => 0.1,
    }
}
