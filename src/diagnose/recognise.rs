//! Which known schedule do these numbers belong to?

use super::expected::{Arithmetic, readings};
use super::{Basis, Meant, Numbers, Precision};
use crate::fault::table::{Array, Kind, Named};

/// The schedules in use, at a length, with ranges that published configurations have; each as it is, then each
/// rescaled to zero terminal SNR.
pub(crate) fn usual(steps: usize) -> Vec<Meant> {
    let named = |kind, start, end| Named { kind, steps, start, end };
    let scale = 1000.0 / steps as f64;
    let mut all = vec![
        named(Kind::Linear, 1e-4, 0.02),
        named(Kind::Cosine, 1e-4, 0.02),
        named(Kind::ScaledLinear, 0.000_85, 0.012),
        named(Kind::ScaledLinear, 1e-4, 0.02),
        named(Kind::Linear, 0.000_85, 0.012),
        named(Kind::Sigmoid, 1e-4, 0.02),
        named(Kind::Constant, 0.02, 0.02),
        named(Kind::Jsd, 1e-4, 0.02),
    ];
    if steps != 1000 {
        all.push(named(Kind::Linear, 1e-4 * scale, 0.02 * scale));
    }
    with_rescaled(all)
}

fn with_rescaled(curves: Vec<Named>) -> Vec<Meant> {
    let plain: Vec<Meant> = curves.into_iter().map(Meant::from).collect();
    let rescaled: Vec<Meant> = plain.iter().map(|meant| meant.clone().with_zero_terminal_snr(true)).collect();
    plain.into_iter().chain(rescaled).filter(|meant| meant.betas().is_ok()).collect()
}

/// Recognises a schedule from βs (any range of linear, scaled linear or sigmoid) or from an array derived from them.
#[must_use]
pub fn recognise(array: Array, numbers: &Numbers) -> Option<Meant> {
    let values = &numbers.values;
    let (first, last) = (*values.first()?, *values.last()?);
    let tolerance = tolerance(numbers.precision);
    let mut candidates = usual(values.len());
    if array == Array::Betas && first > 0.0 && last > 0.0 && last < 1.0 {
        let own =
            |kind| Named { kind, steps: values.len(), start: tidy(first, tolerance), end: tidy(last, tolerance) };
        candidates.extend([Kind::Linear, Kind::ScaledLinear, Kind::Constant].map(|kind| Meant::from(own(kind))));
    }
    let close = |want: f64, got: f64, error: f64| (got - want).abs() <= tolerance * (want.abs() + 1e-6) + error;
    let fits = |meant: &Meant| {
        let errors = match array {
            Array::Betas => meant.errors(numbers.precision.max(Precision::F32).unit_roundoff()),
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
fn derived(array: Array, meant: &Meant) -> Vec<Vec<f64>> {
    match array {
        Array::Betas => vec![meant.values()],
        Array::LossWeight => Vec::new(),
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
