//! Curves of β with one mistake in them.

use std::f64::consts::FRAC_PI_2;

fn line(steps: usize, start: f64, end: f64, gaps: usize) -> impl Iterator<Item = f64> {
    (0..steps).map(move |i| start + (end - start) * i as f64 / gaps.max(1) as f64)
}

/// [`super::END_NOT_COUNTED`].
#[must_use]
pub fn end_not_counted(steps: usize, start: f64, end: f64) -> Vec<f64> {
    line(steps, start, end, steps).collect()
}

/// [`super::BETA_TENDS_TO_ONE`].
#[must_use]
pub fn beta_tends_to_one(steps: usize, start: f64, _end: f64) -> Vec<f64> {
    line(steps, start, 1.0, steps - 1).collect()
}

/// [`super::ENDS_EXCHANGED`].
#[must_use]
pub fn ends_exchanged(steps: usize, start: f64, end: f64) -> Vec<f64> {
    line(steps, end, start, steps - 1).collect()
}

/// [`super::LINEAR_FOR_SCALED_LINEAR`].
#[must_use]
pub fn linear_for_scaled_linear(steps: usize, start: f64, end: f64) -> Vec<f64> {
    line(steps, start, end, steps - 1).collect()
}

/// [`super::ROOTS_NOT_SQUARED`].
#[must_use]
pub fn roots_not_squared(steps: usize, start: f64, end: f64) -> Vec<f64> {
    line(steps, start.sqrt(), end.sqrt(), steps - 1).collect()
}

/// [`super::NARROW_SIGMOID`].
#[must_use]
pub fn narrow_sigmoid(steps: usize, start: f64, end: f64) -> Vec<f64> {
    line(steps, -3.0, 3.0, steps - 1).map(|u| start + (end - start) / (1.0 + (-u).exp())).collect()
}

fn cosine_with(steps: usize, clip: f64, alpha_bar: impl Fn(f64) -> f64) -> Vec<f64> {
    let beta = |t: usize| (1.0 - alpha_bar(t as f64) / alpha_bar(t as f64 - 1.0)).min(clip);
    (1..=steps).map(beta).collect()
}

fn squared_cosine(fraction: f64, offset: f64) -> f64 {
    ((fraction + offset) / (1.0 + offset) * FRAC_PI_2).cos().powi(2)
}

/// [`super::COSINE_BY_INTEGER_DIVISION`].
#[must_use]
pub fn cosine_by_integer_division(steps: usize) -> Vec<f64> {
    cosine_with(steps, 0.999, |t| squared_cosine((t / steps as f64).floor(), 0.008))
}

/// [`super::COSINE_WITHOUT_OFFSET`].
#[must_use]
pub fn cosine_without_offset(steps: usize) -> Vec<f64> {
    cosine_with(steps, 0.999, |t| squared_cosine(t / steps as f64, 0.0))
}

/// [`super::COSINE_NOT_SQUARED`].
#[must_use]
pub fn cosine_not_squared(steps: usize) -> Vec<f64> {
    cosine_with(steps, 0.999, |t| squared_cosine(t / steps as f64, 0.008).sqrt())
}

/// [`super::COSINE_SHIFTED`].
#[must_use]
pub fn cosine_shifted(steps: usize) -> Vec<f64> {
    cosine_with(steps, 0.999, |t| squared_cosine((t + 1.0) / steps as f64, 0.008))
}

/// [`super::COSINE_NOT_CLIPPED`].
#[must_use]
pub fn cosine_not_clipped(steps: usize) -> Vec<f64> {
    cosine_with(steps, 1.0, |t| squared_cosine(t / steps as f64, 0.008))
}

/// [`super::JSD_LATE`].
#[must_use]
pub fn jsd_late(steps: usize) -> Vec<f64> {
    (1..=steps).map(|t| 1.0 / (steps - t + 2) as f64).collect()
}
