//! A linear Gaussian channel `y = a x + σ ε`, the only thing an exact world needs to know of a noise schedule.

use crate::error::{Error, Result};

/// The channel `y = a x + σ ε` with ε standard normal, as the pair (a, σ²).
///
/// With x = x_0 and y = x_t it is the marginal kernel q(x_t | x_0); with x = x_s it is a step q(x_t | x_s).
/// Channels compose ([`Noising::then`]), which is how a chain of βs becomes a level without any formula for ᾱ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noising {
    signal: f64,
    noise_var: f64,
}

impl Noising {
    /// The channel that changes nothing: a = 1, σ² = 0.
    pub const NONE: Self = Self { signal: 1.0, noise_var: 0.0 };

    /// `y = signal · x + √noise_var · ε`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `signal` is finite and `noise_var` is finite and not negative.
    pub fn new(signal: f64, noise_var: f64) -> Result<Self> {
        if !signal.is_finite() {
            return Err(Error::OutOfRange { name: "signal", value: signal, expected: "a finite number" });
        }
        if !(noise_var.is_finite() && noise_var >= 0.0) {
            let expected = "a finite number ≥ 0";
            return Err(Error::OutOfRange { name: "noise variance", value: noise_var, expected });
        }
        Ok(Self { signal, noise_var })
    }

    /// The variance-preserving channel `y = √ᾱ x + √(1 − ᾱ) ε`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ ᾱ ≤ 1.
    pub fn variance_preserving(alpha_bar: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&alpha_bar) {
            return Err(Error::OutOfRange { name: "alpha_bar", value: alpha_bar, expected: "0 ≤ alpha_bar ≤ 1" });
        }
        Ok(Self { signal: alpha_bar.sqrt(), noise_var: 1.0 - alpha_bar })
    }

    /// The variance-preserving channel of a given log signal-to-noise ratio, `ᾱ = 1/(1 + e^{−λ})`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for NaN.
    pub fn from_log_snr(log_snr: f64) -> Result<Self> {
        if log_snr.is_nan() {
            return Err(Error::OutOfRange { name: "log SNR", value: log_snr, expected: "a number" });
        }
        Ok(Self { signal: (1.0 / (1.0 + (-log_snr).exp())).sqrt(), noise_var: 1.0 / (1.0 + log_snr.exp()) })
    }

    /// The step q(x_t | x_{t−1}) of one β: `y = √(1 − β) x + √β ε`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ β ≤ 1.
    pub fn from_beta(beta: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&beta) {
            return Err(Error::OutOfRange { name: "beta", value: beta, expected: "0 ≤ beta ≤ 1" });
        }
        Ok(Self { signal: (1.0 - beta).sqrt(), noise_var: beta })
    }

    /// The steps of several βs one after another; of the empty slice, [`Noising::NONE`].
    ///
    /// `&betas[..t]` gives q(x_t | x_0) and `&betas[s..t]` gives q(x_t | x_s). No cancellation: the variance is a
    /// sum of positive terms.
    ///
    /// # Errors
    /// [`Error::EntryOutOfRange`] unless 0 ≤ β ≤ 1 everywhere.
    pub fn from_betas(betas: &[f64]) -> Result<Self> {
        betas.iter().enumerate().try_fold(Self::NONE, |level, (index, &value)| match Self::from_beta(value) {
            Ok(step) => Ok(level.then(step)),
            Err(_) => Err(Error::EntryOutOfRange { name: "beta", index, value, expected: "0 ≤ beta ≤ 1" }),
        })
    }

    /// The levels of times 0, 1, … T, by one-step recursion.
    ///
    /// # Errors
    /// As [`Noising::from_betas`].
    pub fn levels(betas: &[f64]) -> Result<Vec<Self>> {
        Self::from_betas(betas)?;
        let mut levels = Vec::with_capacity(betas.len() + 1);
        levels.push(Self::NONE);
        for &beta in betas {
            levels.push(levels[levels.len() - 1].then(Self::from_beta(beta)?));
        }
        Ok(levels)
    }

    /// This channel followed by another: `y = a₂(a₁ x + σ₁ ε₁) + σ₂ ε₂`, that is `(a₂a₁, a₂²σ₁² + σ₂²)`.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            signal: next.signal * self.signal,
            noise_var: (next.signal * next.signal).mul_add(self.noise_var, next.noise_var),
        }
    }

    /// a, the factor on x.
    #[must_use]
    pub const fn signal(self) -> f64 {
        self.signal
    }

    /// σ², the variance of the noise.
    #[must_use]
    pub const fn noise_var(self) -> f64 {
        self.noise_var
    }

    /// σ, the standard deviation of the noise.
    #[must_use]
    pub fn noise_std(self) -> f64 {
        self.noise_var.sqrt()
    }

    /// a²/σ²; ∞ without noise.
    #[must_use]
    pub fn snr(self) -> f64 {
        self.signal * self.signal / self.noise_var
    }

    /// What comes out for a given x and a given standard normal draw.
    #[must_use]
    pub fn apply(self, x: f64, standard_normal: f64) -> f64 {
        self.signal.mul_add(x, self.noise_std() * standard_normal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// §0 of the derivations: ᾱ_500 and ᾱ_1000 of the linear schedule.
    #[test]
    fn recursion_gives_the_reference_levels() {
        let betas: Vec<f64> = (0..1000).map(|i| 1e-4 + (0.02 - 1e-4) * f64::from(i) / 999.0).collect();
        let levels = Noising::levels(&betas).expect("valid");
        let alpha_bar = |t: usize| levels[t].signal() * levels[t].signal();
        assert!((alpha_bar(500) - 0.0785872428818).abs() < 1e-13);
        assert!((alpha_bar(1000) - 4.03582976538e-5).abs() < 1e-16);
        for level in &levels {
            assert!((level.signal() * level.signal() + level.noise_var() - 1.0).abs() < 2e-13);
        }
    }

    #[test]
    fn bad_numbers_are_errors() {
        assert!(matches!(Noising::new(f64::NAN, 1.0), Err(Error::OutOfRange { name: "signal", .. })));
        assert!(matches!(Noising::new(1.0, -1e-300), Err(Error::OutOfRange { name: "noise variance", .. })));
        assert!(Noising::variance_preserving(f64::NAN).is_err());
        assert!(Noising::from_log_snr(f64::NAN).is_err());
        assert!(matches!(Noising::from_betas(&[0.1, 1.5]), Err(Error::EntryOutOfRange { index: 1, .. })));
    }
}
