//! Estimates with standard errors, χ² of three cells and Kolmogorov–Smirnov.

use std::f64::consts::PI;

/// A right estimate is further off than so many standard errors once in 1.7 million times; one whose expectation is
/// three more away is seen with probability 0.99865.
pub const SIGMAS: f64 = 5.0;

/// An estimate from a sample, and its standard error.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub value: f64,
    pub error: f64,
}

impl Estimate {
    /// Of the mean, of error `√(var/n)`.
    pub fn of_mean(sample: &[f64]) -> Self {
        let n = sample.len() as f64;
        Self { value: mean(sample), error: (central(sample, 2) / (n - 1.0)).sqrt() }
    }

    /// Of the variance, of error `√((m₄ − m₂²)/n)`, whatever the law.
    pub fn of_variance(sample: &[f64]) -> Self {
        let (n, second) = (sample.len() as f64, central(sample, 2));
        Self { value: second * n / (n - 1.0), error: ((central(sample, 4) - second * second) / n).sqrt() }
    }
}

fn mean(sample: &[f64]) -> f64 {
    sample.iter().sum::<f64>() / sample.len() as f64
}

/// The k-th central moment.
fn central(sample: &[f64], k: i32) -> f64 {
    let mean = mean(sample);
    sample.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / sample.len() as f64
}

/// P(χ² > what was counted) of three cells, where it is `exp(−χ²/2)`.
pub fn chi_square_of_three(counts: &[u64], expected: &[f64]) -> f64 {
    assert!(counts.len() == 3 && expected.iter().all(|count| *count >= 5.0), "{counts:?} for {expected:?}");
    let square: f64 = counts.iter().zip(expected).map(|(&count, want)| (count as f64 - want).powi(2) / want).sum();
    (-0.5 * square).exp()
}

/// `sup |F_n − F|`.
pub fn kolmogorov_distance(sample: &[f64], cdf: impl Fn(f64) -> f64) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let gap = |(i, &x): (usize, &f64)| (cdf(x) - i as f64 / n).max((i + 1) as f64 / n - cdf(x));
    sorted.iter().enumerate().map(gap).fold(0.0, f64::max)
}

/// `P(D_n > d)`: Kolmogorov's limit law at the argument `x + 1/(6√n) + (x − 1)/(4n)`, x = d√n (Vrbik 2018).
pub fn kolmogorov_tail(d: f64, n: f64) -> f64 {
    let x = d * n.sqrt();
    let x = x + 1.0 / (6.0 * n.sqrt()) + (x - 1.0) / (4.0 * n);
    if x < 0.2 {
        return 1.0;
    }
    if x < 1.0 {
        let term = |k: i32| (-f64::from((2 * k - 1).pow(2)) * PI * PI / (8.0 * x * x)).exp();
        return 1.0 - (2.0 * PI).sqrt() / x * (1..=6).map(term).sum::<f64>();
    }
    2.0 * (1..=6).map(|k| -(-1.0_f64).powi(k) * (-2.0 * f64::from(k * k) * x * x).exp()).sum::<f64>()
}

/// Tabled quantiles: χ² of two degrees, the limit law, and a sample that is as even as can be.
#[test]
fn tails_have_their_tabled_values() {
    assert!((chi_square_of_three(&[10, 10, 10], &[10.0; 3]) - 1.0).abs() < 1e-15);
    let tail_of_5_929 = chi_square_of_three(&[1000, 1000, 1077], &[1000.0, 1000.0, 1000.0]);
    assert!((tail_of_5_929 - (-0.5_f64 * 5.929).exp()).abs() < 1e-12);
    for (x, tail) in [(1.358, 0.05), (1.6276, 0.01), (0.8276, 0.5)] {
        assert!((kolmogorov_tail(x / 1e4, 1e8) - tail).abs() < 2e-4, "{x}");
    }
    let even: Vec<f64> = (0..100).map(|i| (f64::from(i) + 0.5) / 100.0).collect();
    assert!((kolmogorov_distance(&even, |x| x) - 0.005).abs() < 1e-12);
    let estimate = Estimate::of_variance(&[1.0, 2.0, 3.0, 4.0]);
    assert!((estimate.value - 5.0 / 3.0).abs() < 1e-15 && (Estimate::of_mean(&[1.0, 3.0]).error - 1.0).abs() < 1e-15);
}
