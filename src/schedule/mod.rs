//! Noise schedules: β_t, and the levels and transitions of the forward process that follow from it.
//!
//! ```text
//! α_t = 1 − β_t        ᾱ_t = Π_{s ≤ t} α_s        ᾱ_0 = 1        SNR_t = ᾱ_t / (1 − ᾱ_t)
//! ```
//!
//! Everything after β is derived in double-double arithmetic and rounded once, so that `1 − ᾱ_t` keeps its digits
//! where a subtraction in f64 loses them.

mod betas;
mod definition;
mod level;

pub use betas::Betas;
pub use definition::{Curve, Definition};
pub use level::{Level, Transition};

use crate::dd::Dd;
use crate::error::{Error, Result};

/// Longest chain accepted: far above any in use, low enough that a mistyped number is an error and not an
/// exhausted memory.
pub const MAX_STEPS: usize = 1_000_000;

/// A time of the papers: 0 is data, 1 … T are the noised states.
///
/// Networks take a 0-based index instead; [`Timestep::model_index`] and [`Timestep::from_model_index`] are the only
/// places where the two meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestep(usize);

impl Timestep {
    /// t = 0, where ᾱ = 1.
    pub const DATA: Self = Self(0);

    /// The time t of the papers.
    ///
    /// ```
    /// use alphabar::Timestep;
    ///
    /// assert_eq!(Timestep::new(1).get(), 1);
    /// ```
    #[must_use]
    pub const fn new(t: usize) -> Self {
        Self(t)
    }

    /// The time t = i + 1 that a network indexed from 0 calls i.
    ///
    /// ```
    /// use alphabar::Timestep;
    ///
    /// assert_eq!(Timestep::from_model_index(0), Timestep::new(1));
    /// ```
    #[must_use]
    pub const fn from_model_index(i: usize) -> Self {
        Self(i + 1)
    }

    /// The index t − 1 that a network takes, `None` at t = 0.
    ///
    /// ```
    /// use alphabar::Timestep;
    ///
    /// assert_eq!(Timestep::new(1000).model_index(), Some(999));
    /// assert_eq!(Timestep::DATA.model_index(), None);
    /// ```
    #[must_use]
    pub const fn model_index(self) -> Option<usize> {
        self.0.checked_sub(1)
    }

    /// The number t.
    ///
    /// ```
    /// use alphabar::Timestep;
    ///
    /// assert_eq!(Timestep::new(7).get(), 7);
    /// ```
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

/// A schedule β_1 … β_T with everything the theory derives from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    betas: Betas,
    /// ᾱ_0 … ᾱ_T.
    pub(crate) alpha_bar: Vec<Dd>,
    /// 1 − ᾱ_0 … 1 − ᾱ_T.
    pub(crate) one_minus: Vec<Dd>,
}

impl Schedule {
    /// Derives ᾱ and 1 − ᾱ from the βs.
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, after eq. (2).
    /// Accuracy: nearest double of the exact product of the given βs but for ties (0.5 ulp + 2⁻⁴⁰).
    ///
    /// ```
    /// use alphabar::{Betas, Schedule, Timestep};
    ///
    /// let schedule = Schedule::new(Betas::new(vec![0.5, 0.5])?);
    /// assert_eq!(schedule.alpha_bar(Timestep::new(2)), 0.25);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn new(betas: Betas) -> Self {
        let mut alpha_bar = Vec::with_capacity(betas.len() + 1);
        let mut product = Dd::ONE;
        alpha_bar.push(product);
        for &beta in betas.as_slice() {
            product = product * (Dd::ONE - Dd::new(beta));
            alpha_bar.push(product);
        }
        let one_minus = alpha_bar.iter().map(|&a| Dd::ONE - a).collect();
        Self { betas, alpha_bar, one_minus }
    }

    /// The schedule whose ᾱ_1 … ᾱ_T are given, by [`Betas::from_alpha_bar`].
    ///
    /// Accuracy: ᾱ_t is again what was given, to a relative error of `(1 + Σ_{s ≤ t} β_s/α_s) ε/2`; for ᾱ_T ≤ 2⁻⁵³ ᾱ_{T−1}
    /// it is 0.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// let cosine: Vec<f64> = (1..=10).map(|t| (f64::from(t) / 10.0 * std::f64::consts::FRAC_PI_2).cos().powi(2)).collect();
    /// let schedule = Schedule::from_alpha_bar(&cosine)?;
    /// assert!((schedule.alpha_bar(Timestep::new(5)) - 0.5).abs() < 1e-15);
    /// assert_eq!(schedule.beta(schedule.last()), 1.0);
    /// assert!(Schedule::from_alpha_bar(&[0.5, 0.6]).is_err());
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Betas::from_alpha_bar`].
    pub fn from_alpha_bar(alpha_bar: &[f64]) -> Result<Self> {
        Betas::from_alpha_bar(alpha_bar).map(Self::new)
    }

    /// The schedule of Ho et al. 2020: T = 1000, β from 10⁻⁴ to 0.02.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// assert_eq!(Schedule::ddpm().beta(Timestep::new(1000)), 0.02);
    /// ```
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the constants are valid")]
    pub fn ddpm() -> Self {
        Self::new(Betas::linear(1000, 1e-4, 0.02).expect("constants inside the valid range"))
    }

    /// The cosine schedule of Nichol & Dhariwal 2021 at T = 1000.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// assert_eq!(Schedule::improved_ddpm().beta(Timestep::new(1000)), 0.999);
    /// ```
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the constant is valid")]
    pub fn improved_ddpm() -> Self {
        Self::new(Betas::cosine(1000).expect("constant inside the valid range"))
    }

    /// T.
    ///
    /// ```
    /// use alphabar::Schedule;
    ///
    /// assert_eq!(Schedule::ddpm().len(), 1000);
    /// ```
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a schedule is never empty")]
    pub const fn len(&self) -> usize {
        self.betas.len()
    }

    /// The βs it was made from.
    ///
    /// ```
    /// use alphabar::Schedule;
    ///
    /// assert_eq!(Schedule::ddpm().betas().as_slice()[0], 1e-4);
    /// ```
    #[must_use]
    pub const fn betas(&self) -> &Betas {
        &self.betas
    }

    /// The time t if it is one of 1 … T.
    ///
    /// ```
    /// use alphabar::Schedule;
    ///
    /// assert_eq!(Schedule::ddpm().timestep(1000)?, Schedule::ddpm().last());
    /// assert!(Schedule::ddpm().timestep(1001).is_err());
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] otherwise.
    pub const fn timestep(&self, t: usize) -> Result<Timestep> {
        if t == 0 || t > self.len() {
            return Err(Error::CountOutOfRange { name: "timestep", value: t, min: 1, max: self.len() });
        }
        Ok(Timestep(t))
    }

    /// 1 … T.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// assert_eq!(Schedule::ddpm().timesteps().next(), Some(Timestep::new(1)));
    /// ```
    pub fn timesteps(&self) -> impl DoubleEndedIterator<Item = Timestep> + ExactSizeIterator {
        (0..self.len()).map(Timestep::from_model_index)
    }

    /// T as a time.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// assert_eq!(Schedule::ddpm().last(), Timestep::new(1000));
    /// ```
    #[must_use]
    pub const fn last(&self) -> Timestep {
        Timestep(self.len())
    }

    /// β_t.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// assert_eq!(Schedule::ddpm().beta(Timestep::new(1)), 1e-4);
    /// ```
    ///
    /// # Panics
    /// If t is not one of 1 … T.
    #[must_use]
    pub fn beta(&self, t: Timestep) -> f64 {
        self.betas.as_slice()[t.model_index().expect("β is defined from t = 1")]
    }

    /// ᾱ_t, 1 at t = 0.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// assert_eq!(Schedule::ddpm().alpha_bar(Timestep::DATA), 1.0);
    /// ```
    ///
    /// # Panics
    /// If t > T.
    #[must_use]
    pub fn alpha_bar(&self, t: Timestep) -> f64 {
        self.alpha_bar[t.get()].round()
    }

    /// ᾱ_t and 1 − ᾱ_t.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// assert!((Schedule::ddpm().level(Timestep::new(1)).one_minus_alpha_bar() - 1e-4).abs() < 1e-19);
    /// ```
    ///
    /// # Panics
    /// If t > T.
    #[must_use]
    pub fn level(&self, t: Timestep) -> Level {
        Level { alpha_bar: self.alpha_bar[t.get()].round(), one_minus_alpha_bar: self.one_minus[t.get()].round() }
    }

    /// The kernel q(x_t | x_{t−1}).
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// assert_eq!(Schedule::ddpm().step(Timestep::new(1)).beta(), 1e-4);
    /// ```
    ///
    /// # Panics
    /// If t is not one of 1 … T.
    #[must_use]
    pub fn step(&self, t: Timestep) -> Transition {
        self.transition(Timestep(t.get() - 1), t)
    }

    /// The kernel q(x_t | x_s); neighbouring times give exactly β_t.
    ///
    /// ```
    /// use alphabar::{Schedule, Timestep};
    ///
    /// let schedule = Schedule::ddpm();
    /// let far = schedule.transition(Timestep::new(100), Timestep::new(200));
    /// assert!((far.alpha() - schedule.alpha_bar(Timestep::new(200)) / schedule.alpha_bar(Timestep::new(100))).abs() < 1e-15);
    /// ```
    ///
    /// # Panics
    /// Unless s < t ≤ T.
    #[must_use]
    pub fn transition(&self, s: Timestep, t: Timestep) -> Transition {
        assert!(s < t, "a transition needs s < t, got s = {} and t = {}", s.get(), t.get());
        let (alpha, beta) = if s.get() + 1 == t.get() {
            let beta = self.beta(t);
            (1.0 - beta, beta)
        } else {
            let (from, to) = (self.alpha_bar[s.get()], self.alpha_bar[t.get()]);
            ((to / from).round(), ((from - to) / from).round())
        };
        Transition { s: self.level(s), t: self.level(t), alpha, beta }
    }

    /// q(x_1 | x_0) … q(x_T | x_{T−1}).
    ///
    /// ```
    /// use alphabar::Schedule;
    ///
    /// let schedule = Schedule::ddpm();
    /// assert!(schedule.steps().all(|(t, step)| step.beta() == schedule.beta(t)));
    /// ```
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = (Timestep, Transition)> + ExactSizeIterator {
        self.timesteps().map(|t| (t, self.step(t)))
    }
}
