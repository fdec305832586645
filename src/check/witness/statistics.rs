//! Moments of samples and tests of means with stated rates of false failure and smallest detectable effects.

use crate::error::{Error, Result};
pub use crate::exact::special::{erf, erfc, normal_cdf, normal_quantile, normal_sf};

/// Count, mean and central moments up to the fourth of a sample, updated one number at a time without cancellation.
///
/// Source: Welford 1962 and its extension to higher moments (Terriberry 2007, Pébay 2008).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    count: f64,
    mean: f64,
    m2: f64,
    m3: f64,
    m4: f64,
}

impl Moments {
    /// Of a whole sample.
    #[must_use]
    pub fn of(sample: &[f64]) -> Self {
        sample.iter().fold(Self::default(), |moments, &x| moments.with(x))
    }

    /// With one more number.
    #[must_use]
    pub fn with(self, x: f64) -> Self {
        self.merge(Self { count: 1.0, mean: x, ..Self::default() })
    }

    /// Of two samples together.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if self.count == 0.0 {
            return other;
        }
        if other.count == 0.0 {
            return self;
        }
        let (a, b, n) = (self.count, other.count, self.count + other.count);
        let delta = other.mean - self.mean;
        let (d2, share) = (delta * delta, a * b / n);
        let m2 = self.m2 + other.m2 + d2 * share;
        let m3 =
            self.m3 + other.m3 + delta * d2 * share * (a - b) / n + 3.0 * delta * (a * other.m2 - b * self.m2) / n;
        let m4 = self.m4
            + other.m4
            + d2 * d2 * share * (a * a - a * b + b * b) / (n * n)
            + 6.0 * d2 * (a * a * other.m2 + b * b * self.m2) / (n * n)
            + 4.0 * delta * (a * other.m3 - b * self.m3) / n;
        Self { count: n, mean: (delta * b).mul_add(1.0 / n, self.mean), m2, m3, m4 }
    }

    /// How many numbers.
    #[must_use]
    pub const fn count(&self) -> f64 {
        self.count
    }

    /// Their mean; 0 for none.
    #[must_use]
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// Their unbiased variance, with divisor n − 1; NaN for fewer than two.
    #[must_use]
    pub fn var(&self) -> f64 {
        self.m2 / (self.count - 1.0)
    }

    /// Standard error of the mean, `√(var/n)`.
    #[must_use]
    pub fn mean_std_error(&self) -> f64 {
        (self.var() / self.count).sqrt()
    }

    /// Standard error of the variance, `√((m₄/n − (m₂/n)²)/n)`, for any law with four moments.
    #[must_use]
    pub fn var_std_error(&self) -> f64 {
        let (second, fourth) = (self.m2 / self.count, self.m4 / self.count);
        ((fourth - second * second).max(0.0) / self.count).sqrt()
    }

    /// Skewness `m₃/m₂^{3/2}`.
    #[must_use]
    pub fn skewness(&self) -> f64 {
        self.count.sqrt() * self.m3 / self.m2.powf(1.5)
    }

    /// Excess kurtosis `m₄/m₂² − 3`; 0 for a normal law.
    #[must_use]
    pub fn excess_kurtosis(&self) -> f64 {
        self.count * self.m4 / (self.m2 * self.m2) - 3.0
    }
}

/// A two-sided test of a mean at k standard errors, calibrated before it is run.
///
/// It fails by chance with probability `2 P(Z > k)`, and sees an effect of [`Verdict::detectable`] with probability
/// 0.99865. The seed is fixed by whoever draws the sample; a failure is never retried and k never widened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanTest {
    sigmas: f64,
}

/// What a [`MeanTest`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// What was estimated.
    pub estimate: f64,
    /// What it should be.
    pub expected: f64,
    /// Standard error of the estimate.
    pub std_error: f64,
    /// Deviation in standard errors, signed.
    pub z: f64,
    /// Smallest true deviation that this sample would have failed with probability 0.99865: (k + 3) standard errors.
    pub detectable: f64,
    /// Whether |z| ≤ k.
    pub passes: bool,
}

impl MeanTest {
    /// The usual five standard errors: one false failure in 1.7 million.
    pub const FIVE_SIGMA: Self = Self { sigmas: 5.0 };

    /// A test that fails by chance with the given probability.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 < p < 1.
    pub fn with_false_failure(p: f64) -> Result<Self> {
        if !(p > 0.0 && p < 1.0) {
            return Err(Error::OutOfRange { name: "rate of false failure", value: p, expected: "0 < p < 1" });
        }
        Ok(Self { sigmas: -normal_quantile(0.5 * p) })
    }

    /// k.
    #[must_use]
    pub const fn sigmas(&self) -> f64 {
        self.sigmas
    }

    /// The probability that a right answer fails.
    #[must_use]
    pub fn false_failure(&self) -> f64 {
        2.0 * normal_sf(self.sigmas)
    }

    /// How large a sample of a given standard deviation must be to see an effect with probability 0.99865.
    #[must_use]
    pub fn sample_size(&self, std: f64, effect: f64) -> f64 {
        ((self.sigmas + 3.0) * std / effect).powi(2).ceil()
    }

    /// The mean of a sample against its expectation.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for fewer than two numbers; [`Error::NonFinite`] if one is NaN or infinite.
    pub fn mean(&self, sample: &[f64], expected: f64) -> Result<Verdict> {
        let moments = checked(sample)?;
        Ok(self.judge(moments.mean(), expected, moments.mean_std_error()))
    }

    /// The variance of a sample against its expectation.
    ///
    /// # Errors
    /// As [`MeanTest::mean`].
    pub fn variance(&self, sample: &[f64], expected: f64) -> Result<Verdict> {
        let moments = checked(sample)?;
        Ok(self.judge(moments.var(), expected, moments.var_std_error()))
    }

    /// The means of two independent samples against each other (Welch); `estimate` is the second minus the first.
    ///
    /// # Errors
    /// As [`MeanTest::mean`].
    pub fn equal_means(&self, first: &[f64], second: &[f64]) -> Result<Verdict> {
        let (a, b) = (checked(first)?, checked(second)?);
        Ok(self.judge(b.mean() - a.mean(), 0.0, a.mean_std_error().hypot(b.mean_std_error())))
    }

    /// The means of two samples drawn in pairs (common random numbers); `estimate` is the second minus the first.
    ///
    /// # Errors
    /// As [`MeanTest::mean`]; [`Error::ShapeMismatch`] for different lengths.
    pub fn equal_paired_means(&self, first: &[f64], second: &[f64]) -> Result<Verdict> {
        if first.len() != second.len() {
            let (found, expected) = (vec![second.len()], vec![first.len()]);
            return Err(Error::ShapeMismatch { name: "second sample", found, expected });
        }
        let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| b - a).collect();
        self.mean(&differences, 0.0)
    }

    /// An estimate of known standard error; a standard error of 0 passes only an exact match.
    #[must_use]
    pub fn judge(&self, estimate: f64, expected: f64, std_error: f64) -> Verdict {
        let deviation = estimate - expected;
        let z = if deviation == 0.0 { 0.0 } else { deviation / std_error };
        let detectable = (self.sigmas + 3.0) * std_error;
        Verdict { estimate, expected, std_error, z, detectable, passes: z.abs() <= self.sigmas }
    }
}

fn checked(sample: &[f64]) -> Result<Moments> {
    if sample.len() < 2 {
        return Err(Error::CountOutOfRange { name: "sample size", value: sample.len(), min: 2, max: usize::MAX });
    }
    let count = sample.iter().filter(|x| !x.is_finite()).count();
    if count > 0 {
        return Err(Error::NonFinite { name: "sample", step: None, count, of: sample.len() });
    }
    Ok(Moments::of(sample))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol * (1.0 + want.abs()), "{got:e} is not {want:e}");
    }

    /// A sample in which every normal quantile occurs once: as normal as a finite sample can be.
    fn normal_grid(n: u32) -> Vec<f64> {
        (0..n).map(|i| normal_quantile((f64::from(i) + 0.5) / f64::from(n))).collect()
    }

    #[test]
    fn moments_equal_their_definitions() {
        let sample = [0.3, -1.2, 4.0, 2.2, 0.0, 7.5, -0.4];
        let (n, moments) = (7.0, Moments::of(&sample));
        let mean = sample.iter().sum::<f64>() / n;
        let central = |k: i32| sample.iter().map(|x| (x - mean).powi(k)).sum::<f64>();
        close(moments.mean(), mean, 1e-15);
        close(moments.var(), central(2) / 6.0, 1e-15);
        close(moments.skewness(), central(3) / n / (central(2) / n).powf(1.5), 1e-14);
        close(moments.excess_kurtosis(), central(4) / n / (central(2) / n).powi(2) - 3.0, 1e-14);
        close(moments.mean_std_error(), (central(2) / 6.0 / n).sqrt(), 1e-15);
        close(moments.var_std_error(), ((central(4) / n - (central(2) / n).powi(2)) / n).sqrt(), 1e-14);
        let merged = Moments::of(&sample[..3]).merge(Moments::of(&sample[3..]));
        close(merged.excess_kurtosis(), moments.excess_kurtosis(), 1e-14);
        close(merged.merge(Moments::default()).mean(), mean, 1e-15);
    }

    /// A mean of 10⁹ must not swallow a variance of 1.
    #[test]
    fn a_large_mean_costs_no_digits_of_the_variance() {
        let shifted: Vec<f64> = [1.0, 2.0, 3.0, 4.0].iter().map(|x| x + 1e9).collect();
        close(Moments::of(&shifted).var(), 5.0 / 3.0, 1e-12);
    }

    #[test]
    fn test_passes_the_truth_and_sees_the_detectable_effect() {
        let (sample, test) = (normal_grid(10_000), MeanTest::FIVE_SIGMA);
        let truth = test.mean(&sample, 0.0).expect("finite");
        assert!(truth.passes);
        close(truth.std_error, 0.01, 1e-3);
        let off = test.mean(&sample, truth.detectable).expect("finite");
        assert!(!off.passes && off.z < -7.9);
        assert!(test.variance(&sample, 1.0).expect("finite").passes);
        assert!(!test.variance(&sample, 1.2).expect("finite").passes);
        let shifted: Vec<f64> = sample.iter().map(|x| x + 0.05).collect();
        assert!(test.equal_means(&sample, &shifted).expect("finite").passes);
        assert!(!test.equal_paired_means(&sample, &shifted).expect("finite").passes);
        close(test.sample_size(1.0, 0.08), 10_000.0, 1e-3);
    }

    #[test]
    fn the_rate_of_false_failure_is_the_normal_tail() {
        close(MeanTest::FIVE_SIGMA.false_failure(), 5.733_031_437_583_878e-7, 1e-15);
        close(MeanTest::with_false_failure(0.05).expect("inside").sigmas(), 1.959_963_984_540_054, 1e-13);
    }

    #[test]
    fn without_spread_only_the_exact_value_passes() {
        assert!(MeanTest::FIVE_SIGMA.mean(&[2.0, 2.0], 2.0).expect("finite").passes);
        assert!(!MeanTest::FIVE_SIGMA.mean(&[2.0, 2.0], 2.1).expect("finite").passes);
        assert!(!MeanTest::FIVE_SIGMA.judge(f64::NAN, 0.0, 1.0).passes);
    }

    #[test]
    fn bad_samples_are_errors() {
        let test = MeanTest::FIVE_SIGMA;
        assert!(matches!(test.mean(&[1.0], 0.0), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(test.mean(&[1.0, f64::NAN], 0.0), Err(Error::NonFinite { count: 1, .. })));
        assert!(matches!(test.equal_paired_means(&[1.0, 2.0], &[1.0]), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(MeanTest::with_false_failure(0.0), Err(Error::OutOfRange { .. })));
    }
}
