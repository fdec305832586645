//! Noise levels and the kernels between them.

use crate::error::{Error, Result};

/// How much of the data is left at one time: `x_t ~ N(√ᾱ x_0, (1 − ᾱ) I)`.
///
/// Both ᾱ and 1 − ᾱ are kept, since neither can be had from the other without losing digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    pub(super) alpha_bar: f64,
    pub(super) one_minus_alpha_bar: f64,
}

impl Level {
    /// The data itself: ᾱ = 1.
    pub const DATA: Self = Self { alpha_bar: 1.0, one_minus_alpha_bar: 0.0 };

    /// Pure noise: ᾱ = 0.
    pub const NOISE: Self = Self { alpha_bar: 0.0, one_minus_alpha_bar: 1.0 };

    /// From ᾱ alone; `1 − ᾱ` is then as exact as a subtraction in f64 can be.
    ///
    /// ```
    /// use alphabar::Level;
    ///
    /// assert_eq!(Level::from_alpha_bar(0.75)?.one_minus_alpha_bar(), 0.25);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ ᾱ ≤ 1.
    pub fn from_alpha_bar(alpha_bar: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&alpha_bar) {
            return Err(Error::OutOfRange { name: "alpha_bar", value: alpha_bar, expected: "0 ≤ alpha_bar ≤ 1" });
        }
        Ok(Self { alpha_bar, one_minus_alpha_bar: 1.0 - alpha_bar })
    }

    /// From λ = ln SNR: `ᾱ = 1/(1 + e^{−λ})`, `1 − ᾱ = 1/(1 + e^{λ})`; ±∞ are data and noise.
    ///
    /// ```
    /// use alphabar::Level;
    ///
    /// assert_eq!(Level::from_log_snr(0.0)?.alpha_bar(), 0.5);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for NaN.
    pub fn from_log_snr(log_snr: f64) -> Result<Self> {
        if log_snr.is_nan() {
            return Err(Error::OutOfRange { name: "log SNR", value: log_snr, expected: "a number" });
        }
        Ok(Self { alpha_bar: 1.0 / (1.0 + (-log_snr).exp()), one_minus_alpha_bar: 1.0 / (1.0 + log_snr.exp()) })
    }

    /// ᾱ.
    ///
    /// ```
    /// use alphabar::Level;
    ///
    /// assert_eq!(Level::from_alpha_bar(0.75)?.alpha_bar(), 0.75);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub const fn alpha_bar(&self) -> f64 {
        self.alpha_bar
    }

    /// 1 − ᾱ, the variance of the noise.
    ///
    /// ```
    /// use alphabar::Level;
    ///
    /// // 1 − 0.99… to all its digits.
    /// assert!((Level::from_log_snr(40.0)?.one_minus_alpha_bar() / (-40.0f64).exp() - 1.0).abs() < 1e-13);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub const fn one_minus_alpha_bar(&self) -> f64 {
        self.one_minus_alpha_bar
    }

    /// √ᾱ, the factor on x₀.
    ///
    /// ```
    /// use alphabar::Level;
    ///
    /// assert_eq!(Level::from_alpha_bar(0.25)?.signal(), 0.5);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn signal(&self) -> f64 {
        self.alpha_bar.sqrt()
    }

    /// √(1 − ᾱ), the standard deviation of the noise.
    ///
    /// ```
    /// use alphabar::Level;
    ///
    /// assert_eq!(Level::from_alpha_bar(0.75)?.noise_std(), 0.5);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn noise_std(&self) -> f64 {
        self.one_minus_alpha_bar.sqrt()
    }

    /// ᾱ/(1 − ᾱ); ∞ for data.
    ///
    /// ```
    /// use alphabar::Level;
    ///
    /// assert_eq!(Level::from_alpha_bar(0.75)?.snr(), 3.0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn snr(&self) -> f64 {
        self.alpha_bar / self.one_minus_alpha_bar
    }

    /// ln(ᾱ/(1 − ᾱ)); +∞ for data, −∞ for pure noise.
    ///
    /// ```
    /// use alphabar::Level;
    ///
    /// assert!((Level::from_alpha_bar(0.75)?.log_snr() - 3.0f64.ln()).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn log_snr(&self) -> f64 {
        let excess = (self.alpha_bar - self.one_minus_alpha_bar) / self.one_minus_alpha_bar;
        if excess.abs() < 0.5 { excess.ln_1p() } else { self.alpha_bar.ln() - self.one_minus_alpha_bar.ln() }
    }

    /// ln ᾱ, with full relative accuracy near ᾱ = 1; −∞ for pure noise.
    ///
    /// ```
    /// use alphabar::Level;
    ///
    /// assert!((Level::from_alpha_bar(0.75)?.log_alpha_bar() - 0.75f64.ln()).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn log_alpha_bar(&self) -> f64 {
        if self.alpha_bar > 0.5 { (-self.one_minus_alpha_bar).ln_1p() } else { self.alpha_bar.ln() }
    }

    /// KL(q(x_t | x₀) ‖ N(0, 1)) of one coordinate in nat: the price of starting the reverse chain from pure noise.
    ///
    /// ```text
    /// ½ (ᾱ x₀² − ᾱ − ln(1 − ᾱ))
    /// ```
    ///
    /// Source: L_T of Ho et al. 2020, arXiv:2006.11239v2, eq. (5).
    /// Accuracy: a few ε relative, also where ᾱ is tiny and `−ᾱ − ln(1 − ᾱ)` would cancel; ∞ for data.
    ///
    /// ```
    /// use alphabar::Level;
    ///
    /// assert_eq!(Level::NOISE.prior_kl(3.0), 0.0);
    /// assert!(Level::from_alpha_bar(0.1)?.prior_kl(3.0) > 0.0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn prior_kl(&self, x0: f64) -> f64 {
        let a = self.alpha_bar;
        let excess = if a < 1.0 / 64.0 {
            a * a * (2..=10).rev().fold(0.0, |tail, k| a * tail + 1.0 / f64::from(k))
        } else {
            -a - self.one_minus_alpha_bar.ln()
        };
        0.5 * (a * x0 * x0 + excess)
    }
}

/// The forward kernel between two times s < t: `q(x_t | x_s) = N(√α x_s, β I)` with `α = ᾱ_t/ᾱ_s`, `β = 1 − α`.
///
/// For neighbouring times α and β are α_t and β_t of the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    pub(super) s: Level,
    pub(super) t: Level,
    pub(super) alpha: f64,
    pub(super) beta: f64,
}

impl Transition {
    /// The kernel between two levels, s being the less noisy one.
    ///
    /// ```
    /// use alphabar::{Level, Transition};
    ///
    /// let step = Transition::between(Level::from_alpha_bar(0.5)?, Level::from_alpha_bar(0.25)?)?;
    /// assert_eq!((step.alpha(), step.beta()), (0.5, 0.5));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless ᾱ_t < ᾱ_s.
    pub fn between(s: Level, t: Level) -> Result<Self> {
        if t.alpha_bar >= s.alpha_bar && t.one_minus_alpha_bar <= s.one_minus_alpha_bar {
            let expected = "alpha_bar at t below alpha_bar at s";
            return Err(Error::OutOfRange { name: "alpha_bar at t", value: t.alpha_bar, expected });
        }
        let lost =
            if s.alpha_bar > 0.5 { t.one_minus_alpha_bar - s.one_minus_alpha_bar } else { s.alpha_bar - t.alpha_bar };
        Ok(Self { s, t, alpha: t.alpha_bar / s.alpha_bar, beta: lost / s.alpha_bar })
    }

    /// The kernel that leaves x as it is (α = 1, β = 0).
    pub(crate) const fn stay(level: Level) -> Self {
        Self { s: level, t: level, alpha: 1.0, beta: 0.0 }
    }

    /// The less noisy end.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// let step = Schedule::ddpm().step(Timestep::new(10));
    /// assert_eq!(step.s(), Schedule::ddpm().level(Timestep::new(9)));
    /// ```
    #[must_use]
    pub const fn s(&self) -> Level {
        self.s
    }

    /// The noisier end.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// let step = Schedule::ddpm().step(Timestep::new(10));
    /// assert_eq!(step.t(), Schedule::ddpm().level(Timestep::new(10)));
    /// ```
    #[must_use]
    pub const fn t(&self) -> Level {
        self.t
    }

    /// α = ᾱ_t/ᾱ_s.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// let step = Schedule::ddpm().step(Timestep::new(10));
    /// assert_eq!(step.alpha(), 1.0 - step.beta());
    /// ```
    #[must_use]
    pub const fn alpha(&self) -> f64 {
        self.alpha
    }

    /// β = 1 − α, the variance of the noise that the transition adds.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// let step = Schedule::ddpm().step(Timestep::new(10));
    /// assert_eq!(step.beta(), Schedule::ddpm().beta(Timestep::new(10)));
    /// ```
    #[must_use]
    pub const fn beta(&self) -> f64 {
        self.beta
    }
}
