//! Which known schedule do these numbers belong to?

use super::{Numbers, Precision};
use crate::fault::table::{Array, Kind, Named};
use crate::schedule::{Betas, Schedule};
use crate::table::{Column, Table};

/// A schedule found in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recognised {
    /// The curve and its parameters.
    pub named: Named,
}

impl Recognised {
    /// `linear, T = 1000, beta 0.0001 to 0.02`.
    #[must_use]
    pub fn words(&self) -> String {
        words(&self.named)
    }
}

pub(crate) fn words(named: &Named) -> String {
    let Named { kind, steps, start, end } = named;
    match kind {
        Kind::Cosine | Kind::Jsd => format!("{} with T = {steps}", kind.name()),
        Kind::Constant => format!("const {end} with T = {steps}"),
        _ => format!("{} with T = {steps}, beta from {start} to {end}", kind.name()),
    }
}

/// The βs of a named schedule; where its parameters are not valid, the formula's bare values.
pub(crate) fn betas_of(named: &Named) -> Vec<f64> {
    named.betas().map_or_else(|_| vec![f64::NAN; named.steps], |betas| betas.as_slice().to_vec())
}

/// The schedules in use, at a length; ranges that published configurations have.
pub(crate) fn usual(steps: usize) -> Vec<Named> {
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
    all.retain(|named| betas_of(named).iter().all(|b| *b > 0.0 && *b <= 1.0));
    all
}

/// Recognises a schedule from βs (any range of linear, scaled linear or sigmoid) or from an array derived from them.
#[must_use]
pub fn recognise(array: Array, numbers: &Numbers) -> Option<Recognised> {
    let values = &numbers.values;
    let (first, last) = (*values.first()?, *values.last()?);
    let tolerance = tolerance(numbers.precision);
    let mut candidates = usual(values.len());
    if array == Array::Betas && first > 0.0 && last > 0.0 && last < 1.0 {
        let own =
            |kind| Named { kind, steps: values.len(), start: tidy(first, tolerance), end: tidy(last, tolerance) };
        candidates.extend([Kind::Linear, Kind::ScaledLinear, Kind::Constant].map(own));
    }
    let fits = |named: &Named| {
        derived(array, named).is_some_and(|want| {
            want.len() == values.len()
                && want.iter().zip(values).all(|(want, got)| (got - want).abs() <= tolerance * (want.abs() + 1e-6))
        })
    };
    candidates.into_iter().find(fits).map(|named| Recognised { named })
}

fn derived(array: Array, named: &Named) -> Option<Vec<f64>> {
    let betas = betas_of(named);
    let column = match array {
        Array::Betas => return Some(betas),
        Array::Alphas => Column::Alpha,
        Array::AlphasCumprod => Column::AlphaBar,
        Array::SqrtAlphasCumprod => Column::SqrtAlphaBar,
        Array::SqrtOneMinusAlphasCumprod => Column::SqrtOneMinusAlphaBar,
        Array::PosteriorVariance => Column::BetaTilde,
        Array::PosteriorMeanCoef1 => Column::MeanX0,
        Array::PosteriorMeanCoef2 => Column::MeanXt,
        Array::Snr => Column::Snr,
        _ => return None,
    };
    let schedule = Schedule::new(Betas::new(betas).ok()?);
    Some(Table::new(&schedule).column(column).to_vec())
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
    }
}
