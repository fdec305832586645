//! Whether a sample comes from a law: chi-square and Kolmogorov–Smirnov.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::exact::special::gamma_q;

/// A test statistic and the probability that a right sample exceeds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The statistic.
    pub statistic: f64,
    /// Its upper tail probability if the law is right.
    pub p_value: f64,
}

/// `P(χ²_k > x)`.
#[must_use]
pub fn chi_square_tail(x: f64, degrees: f64) -> f64 {
    gamma_q(0.5 * degrees, 0.5 * x)
}

/// Pearson's test of observed counts against expected ones (same total, no parameter fitted).
///
/// # Errors
/// [`Error::CountOutOfRange`] for fewer than two cells; [`Error::ShapeMismatch`] for different numbers of cells;
/// [`Error::EntryOutOfRange`] for an expected count below 5, where the law of the statistic is not χ².
pub fn chi_square(observed: &[u64], expected: &[f64]) -> Result<Fit> {
    if observed.len() < 2 {
        return Err(Error::CountOutOfRange { name: "cells", value: observed.len(), min: 2, max: usize::MAX });
    }
    if observed.len() != expected.len() {
        let (found, expected) = (vec![expected.len()], vec![observed.len()]);
        return Err(Error::ShapeMismatch { name: "expected counts", found, expected });
    }
    if let Some((index, &value)) = expected.iter().enumerate().find(|(_, e)| e.is_nan() || **e < 5.0) {
        return Err(Error::EntryOutOfRange {
            name: "expected count",
            index,
            value,
            expected: "at least 5; merge cells",
        });
    }
    let statistic = observed.iter().zip(expected).map(|(&o, e)| (o as f64 - e).powi(2) / e).sum();
    Ok(Fit { statistic, p_value: chi_square_tail(statistic, (observed.len() - 1) as f64) })
}

/// Kolmogorov–Smirnov test of a sample against a distribution function.
///
/// The statistic is `D = sup |F_n − F|`. Accuracy of the p-value: 2e-3 absolute for n ≥ 10, 1e-5 for n ≥ 1000.
///
/// # Errors
/// [`Error::CountOutOfRange`] for an empty sample; [`Error::NonFinite`] if it has NaN.
pub fn kolmogorov_smirnov(sample: &[f64], cdf: impl Fn(f64) -> f64) -> Result<Fit> {
    let sorted = sorted(sample)?;
    let n = sorted.len() as f64;
    let gap = |(i, &x): (usize, &f64)| {
        let f = cdf(x);
        (f - i as f64 / n).max((i + 1) as f64 / n - f)
    };
    let statistic = sorted.iter().enumerate().map(gap).fold(0.0, f64::max);
    Ok(Fit { statistic, p_value: kolmogorov_tail(statistic, n) })
}

/// Kolmogorov–Smirnov test of two samples against each other, `D = sup |F_n − G_m|`.
///
/// # Errors
/// As [`kolmogorov_smirnov`].
pub fn kolmogorov_smirnov_two(first: &[f64], second: &[f64]) -> Result<Fit> {
    let (a, b) = (sorted(first)?, sorted(second)?);
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (mut i, mut j, mut statistic) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        let x = a[i].min(b[j]);
        i += a[i..].iter().take_while(|&&v| v <= x).count();
        j += b[j..].iter().take_while(|&&v| v <= x).count();
        statistic = statistic.max((i as f64 / n - j as f64 / m).abs());
    }
    Ok(Fit { statistic, p_value: kolmogorov_tail(statistic, n * m / (n + m)) })
}

/// `P(D_n > d)`, from Kolmogorov's limit law at a corrected argument.
///
/// Source: Kolmogorov 1933; correction `x + 1/(6√n) + (x − 1)/(4n)` of Vrbik 2018.
#[must_use]
pub fn kolmogorov_tail(d: f64, n: f64) -> f64 {
    let x = n.sqrt() * d;
    if x <= 0.0 {
        return 1.0;
    }
    limit_tail((x + 1.0 / (6.0 * n.sqrt()) + (x - 1.0) / (4.0 * n)).max(0.0))
}

/// `1 − K(x)` of Kolmogorov's limit law: the alternating series for large x, its theta-function dual for small x.
fn limit_tail(x: f64) -> f64 {
    if x < 0.2 {
        return 1.0;
    }
    if x < 1.0 {
        let term = |k: i32| (-f64::from((2 * k - 1).pow(2)) * PI * PI / (8.0 * x * x)).exp();
        return 1.0 - (2.0 * PI).sqrt() / x * (1..=6).map(term).sum::<f64>();
    }
    let term = |k: i32| f64::from(1 - 2 * ((k + 1) % 2)) * (-2.0 * f64::from(k * k) * x * x).exp();
    2.0 * (1..=6).map(term).sum::<f64>()
}

fn sorted(sample: &[f64]) -> Result<Vec<f64>> {
    if sample.is_empty() {
        return Err(Error::CountOutOfRange { name: "sample size", value: 0, min: 1, max: usize::MAX });
    }
    let count = sample.iter().filter(|x| x.is_nan()).count();
    if count > 0 {
        return Err(Error::NonFinite { name: "sample", step: None, count, of: sample.len() });
    }
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol, "{got:e} is not {want:e}");
    }

    /// Tables: the 5 % points of χ² with 1, 10 and 100 degrees of freedom.
    #[test]
    fn chi_square_tail_has_its_table_values() {
        for (x, degrees) in
            [(3.841_458_820_694_124, 1.0), (18.307_038_053_275_15, 10.0), (124.342_113_404_004_1, 100.0)]
        {
            close(chi_square_tail(x, degrees), 0.05, 1e-13);
        }
        // Two degrees: e^{−x/2}.
        close(chi_square_tail(50.0, 2.0), (-25.0_f64).exp(), 1e-24);
    }

    #[test]
    fn chi_square_counts() {
        let fit = chi_square(&[18, 22, 20], &[20.0; 3]).expect("enough");
        close(fit.statistic, 0.4, 1e-15);
        close(fit.p_value, (-0.2_f64).exp(), 1e-14);
        assert!(chi_square(&[60, 20, 20], &[33.0, 33.0, 34.0]).expect("enough").p_value < 1e-5);
    }

    /// The limit law by arbitrary precision, and the exact 5 % points for n = 10, 20, 100 from tables.
    #[test]
    fn kolmogorov_law_has_its_table_values() {
        close(limit_tail(1.0), 0.269_999_671_677_354_5, 1e-15);
        close(limit_tail(0.5), 0.963_945_243_664_875_1, 1e-15);
        close(limit_tail(1.0 - 1e-9), limit_tail(1.0), 1e-8);
        for (n, critical, tol) in [(10.0, 0.409_25, 2e-3), (20.0, 0.294_08, 1e-3), (100.0, 0.134_03, 3e-4)] {
            close(kolmogorov_tail(critical, n), 0.05, tol);
        }
        close(kolmogorov_tail(0.0, 10.0), 1.0, 0.0);
    }

    #[test]
    fn uniform_grid_is_uniform_and_its_square_is_not() {
        let grid: Vec<f64> = (0..100).map(|i| (f64::from(i) + 0.5) / 100.0).collect();
        let fit = kolmogorov_smirnov(&grid, |x| x).expect("finite");
        close(fit.statistic, 0.005, 1e-15);
        close(fit.p_value, 1.0, 1e-12);
        let squares: Vec<f64> = grid.iter().map(|x| x * x).collect();
        let off = kolmogorov_smirnov(&squares, |x| x).expect("finite");
        close(off.statistic, 0.255, 1e-2);
        assert!(off.p_value < 1e-5);
        assert!(kolmogorov_smirnov_two(&grid, &squares).expect("finite").p_value < 0.01);
        close(kolmogorov_smirnov_two(&grid, &grid).expect("finite").statistic, 0.0, 0.0);
        close(kolmogorov_smirnov_two(&[0.0, 1.0], &[2.0, 3.0, 4.0]).expect("finite").statistic, 1.0, 0.0);
    }

    #[test]
    fn bad_input_is_an_error() {
        assert!(matches!(chi_square(&[1], &[1.0]), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(chi_square(&[9, 9], &[9.0]), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(chi_square(&[9, 1], &[9.0, 1.0]), Err(Error::EntryOutOfRange { index: 1, .. })));
        assert!(matches!(kolmogorov_smirnov(&[], |x| x), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(kolmogorov_smirnov(&[f64::NAN], |x| x), Err(Error::NonFinite { .. })));
    }
}
