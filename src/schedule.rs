//! Noise schedules: β_t, and the levels and transitions of the forward process that follow from it.
//!
//! ```text
//! α_t = 1 − β_t        ᾱ_t = Π_{s ≤ t} α_s        ᾱ_0 = 1        SNR_t = ᾱ_t / (1 − ᾱ_t)
//! ```
//!
//! Everything after β is derived in double-double arithmetic and rounded once, so that `1 − ᾱ_t` keeps its digits
//! where a subtraction in f64 loses them (ledger A0.2, B9).

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
    #[must_use]
    pub const fn new(t: usize) -> Self {
        Self(t)
    }

    /// The time t = i + 1 that a network indexed from 0 calls i.
    #[must_use]
    pub const fn from_model_index(i: usize) -> Self {
        Self(i + 1)
    }

    /// The index t − 1 that a network takes, `None` at t = 0.
    #[must_use]
    pub const fn model_index(self) -> Option<usize> {
        self.0.checked_sub(1)
    }

    /// The number t.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

/// A validated sequence β_1 … β_T: every entry in (0, 1), the last in (0, 1].
///
/// β_T = 1 means that x_T is pure noise (zero terminal SNR).
#[derive(Clone, Debug, PartialEq)]
pub struct Betas(Vec<f64>);

impl Betas {
    /// Takes the numbers as given.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] if there are none or more than [`MAX_STEPS`];
    /// [`Error::EntryOutOfRange`] if one is NaN, ≤ 0, > 1, or equal to 1 before the last.
    pub fn new(betas: Vec<f64>) -> Result<Self> {
        check_steps(betas.len())?;
        let last = betas.len() - 1;
        for (index, &value) in betas.iter().enumerate() {
            let inside = value > 0.0 && (value < 1.0 || (index == last && value <= 1.0));
            if !inside {
                let expected = "0 < beta < 1 (the last may be 1)";
                return Err(Error::EntryOutOfRange { name: "beta", index, value, expected });
            }
        }
        Ok(Self(betas))
    }

    /// Equally spaced from `start` to `end`; for T = 1 the only entry is `start`.
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, sect. 4 (10⁻⁴ to 0.02, T = 1000); ledger S1.65, S2.11.
    ///
    /// # Errors
    /// As [`Betas::new`].
    pub fn linear(steps: usize, start: f64, end: f64) -> Result<Self> {
        check_steps(steps)?;
        Self::new(grid(steps, start.into(), end.into()).map(Dd::round).collect())
    }

    /// Squares of equally spaced roots: `β_i = (√start + i (√end − √start)/(T − 1))²`, i = 0 … T − 1.
    ///
    /// Source: Rombach et al. 2022, arXiv:2112.10752v2 (code), called `quad` in Ho et al.'s code.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if an end point is negative or NaN; otherwise as [`Betas::new`].
    pub fn scaled_linear(steps: usize, start: f64, end: f64) -> Result<Self> {
        check_steps(steps)?;
        for value in [start, end] {
            if value.is_nan() || value < 0.0 {
                return Err(Error::OutOfRange { name: "beta end point", value, expected: "a number in (0, 1)" });
            }
        }
        let roots = grid(steps, Dd::new(start).sqrt(), Dd::new(end).sqrt());
        Self::new(roots.map(|root| (root * root).round()).collect())
    }

    /// The cosine schedule (diffusers: `squaredcos_cap_v2`).
    ///
    /// ```text
    /// f(u) = cos²((u/T + 0.008)/1.008 · π/2)        β_t = min(1 − f(t)/f(t−1), 0.999)
    /// ```
    ///
    /// Evaluated as `sin(b − a) sin(b + a) / cos² a`, which does not subtract nearly equal numbers, with the angles
    /// a, b = (125 t + T)/(126 T) · π/2 advanced by rotation in double-double: within 0.5 ulp + 2⁻³⁰.
    ///
    /// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, eq. (17); ledger S2.11, B6.
    ///
    /// # Errors
    /// As [`Betas::new`].
    pub fn cosine(steps: usize) -> Result<Self> {
        check_steps(steps)?;
        let quarter = Dd::PI / Dd::new(2.0);
        let (total, unit) = (steps as f64, Dd::new(126.0 * steps as f64));
        let (sin_width, cos_width) = (quarter * Dd::new(125.0) / unit).sin_cos();
        let (mut sin_a, mut cos_a) = (quarter * Dd::new(total) / unit).sin_cos();
        let beta = |_| {
            let sin_b = sin_a * cos_width + cos_a * sin_width;
            let cos_b = cos_a * cos_width - sin_a * sin_width;
            let sin_sum = sin_a * cos_b + cos_a * sin_b;
            let exact = sin_width * sin_sum / (cos_a * cos_a);
            (sin_a, cos_a) = (sin_b, cos_b);
            exact.round().min(0.999)
        };
        Self::new((1..=steps).map(beta).collect())
    }

    /// A logistic curve from `start` to `end`: `β_i = start + (end − start) σ(u_i)`, u equally spaced from −6 to 6.
    ///
    /// Source: diffusers' `sigmoid` (from GeoDiff, Xu et al. 2022, arXiv:2203.02923v1); a schedule on β, not the
    /// sigmoid schedule on ᾱ of Jabri et al. 2022.
    ///
    /// # Errors
    /// As [`Betas::new`].
    pub fn sigmoid(steps: usize, start: f64, end: f64) -> Result<Self> {
        check_steps(steps)?;
        let (start, rise) = (Dd::new(start), Dd::new(end) - Dd::new(start));
        let beta = |u: Dd| (start + rise / (Dd::ONE + (-u).exp())).round();
        Self::new(grid(steps, Dd::new(-6.0), Dd::new(6.0)).map(beta).collect())
    }

    /// The same β at every step.
    ///
    /// # Errors
    /// As [`Betas::new`].
    pub fn constant(steps: usize, beta: f64) -> Result<Self> {
        check_steps(steps)?;
        Self::new(vec![beta; steps])
    }

    /// `β_t = 1/(T − t + 1)`, ending in exactly 1.
    ///
    /// Source: Sohl-Dickstein et al. 2015, arXiv:1503.03585v8, sect. 2.4.1 (`jsd` in Ho et al.'s code); ledger S3.47.
    ///
    /// # Errors
    /// As [`Betas::new`]; T = 1 gives the single entry 1.
    pub fn jsd(steps: usize) -> Result<Self> {
        check_steps(steps)?;
        Self::new((1..=steps).map(|t| 1.0 / (steps - t + 1) as f64).collect())
    }

    /// The chain that visits only the kept times: `β'_k = 1 − ᾱ_{t_k}/ᾱ_{t_{k−1}}`.
    ///
    /// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, eq. (19); ledger S2.12.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for an empty list or a time outside 1 … T; [`Error::EntryOutOfRange`] if the
    /// times do not increase.
    pub fn respaced(schedule: &Schedule, kept: &[Timestep]) -> Result<Self> {
        check_steps(kept.len())?;
        let mut previous = Timestep::DATA;
        let mut betas = Vec::with_capacity(kept.len());
        for (index, &t) in kept.iter().enumerate() {
            schedule.timestep(t.get())?;
            if t <= previous {
                let expected = "times that increase";
                return Err(Error::EntryOutOfRange { name: "kept time", index, value: t.get() as f64, expected });
            }
            betas.push(schedule.transition(previous, t).beta());
            previous = t;
        }
        Self::new(betas)
    }

    /// Rescales √ᾱ linearly so that it keeps its first value and ends in exactly 0 (β_T = 1).
    ///
    /// ```text
    /// √ᾱ'_t = (√ᾱ_t − √ᾱ_T) · √ᾱ_1 / (√ᾱ_1 − √ᾱ_T)
    /// ```
    ///
    /// Source: Lin et al. 2023, arXiv:2305.08891v4, algorithm 1; ledger B5.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for T = 1, where first and last are the same.
    pub fn zero_terminal_snr(schedule: &Schedule) -> Result<Self> {
        let steps = schedule.len();
        if steps < 2 {
            return Err(Error::CountOutOfRange { name: "steps", value: steps, min: 2, max: MAX_STEPS });
        }
        let root = |t: usize| schedule.alpha_bar[t].sqrt();
        let (first, last) = (root(1), root(steps));
        let rescaled: Vec<Dd> = std::iter::once(Dd::ONE)
            .chain((1..=steps).map(|t| (root(t) - last) * (first / (first - last))))
            .collect();
        let beta = |pair: &[Dd]| {
            let ratio = pair[1] / pair[0];
            (Dd::ONE - ratio * ratio).round()
        };
        Self::new(rescaled.windows(2).map(beta).collect())
    }

    /// The numbers, β_t at index t − 1.
    #[must_use]
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// T.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a schedule is never empty")]
    pub const fn len(&self) -> usize {
        self.0.len()
    }
}

const fn check_steps(steps: usize) -> Result<()> {
    if steps == 0 || steps > MAX_STEPS {
        return Err(Error::CountOutOfRange { name: "steps", value: steps, min: 1, max: MAX_STEPS });
    }
    Ok(())
}

/// `steps` equally spaced numbers from `start` to `end`; one number is `start`.
fn grid(steps: usize, start: Dd, end: Dd) -> impl Iterator<Item = Dd> {
    let gaps = Dd::new(steps.max(2) as f64 - 1.0);
    (0..steps).map(move |i| start + (end - start) * Dd::new(i as f64) / gaps)
}

/// How much of the data is left at one time: `x_t ~ N(√ᾱ x_0, (1 − ᾱ) I)`.
///
/// Both ᾱ and 1 − ᾱ are kept, since neither can be had from the other without losing digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    alpha_bar: f64,
    one_minus_alpha_bar: f64,
}

impl Level {
    /// The data itself: ᾱ = 1.
    pub const DATA: Self = Self { alpha_bar: 1.0, one_minus_alpha_bar: 0.0 };

    /// Pure noise: ᾱ = 0.
    pub const NOISE: Self = Self { alpha_bar: 0.0, one_minus_alpha_bar: 1.0 };

    /// From ᾱ alone; `1 − ᾱ` is then as exact as a subtraction in f64 can be.
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
    /// # Errors
    /// [`Error::OutOfRange`] for NaN.
    pub fn from_log_snr(log_snr: f64) -> Result<Self> {
        if log_snr.is_nan() {
            return Err(Error::OutOfRange { name: "log SNR", value: log_snr, expected: "a number" });
        }
        Ok(Self { alpha_bar: 1.0 / (1.0 + (-log_snr).exp()), one_minus_alpha_bar: 1.0 / (1.0 + log_snr.exp()) })
    }

    /// ᾱ.
    #[must_use]
    pub const fn alpha_bar(&self) -> f64 {
        self.alpha_bar
    }

    /// 1 − ᾱ, the variance of the noise.
    #[must_use]
    pub const fn one_minus_alpha_bar(&self) -> f64 {
        self.one_minus_alpha_bar
    }

    /// √ᾱ, the factor on x₀.
    #[must_use]
    pub fn signal(&self) -> f64 {
        self.alpha_bar.sqrt()
    }

    /// √(1 − ᾱ), the standard deviation of the noise.
    #[must_use]
    pub fn noise_std(&self) -> f64 {
        self.one_minus_alpha_bar.sqrt()
    }

    /// ᾱ/(1 − ᾱ); ∞ for data.
    #[must_use]
    pub fn snr(&self) -> f64 {
        self.alpha_bar / self.one_minus_alpha_bar
    }

    /// ln(ᾱ/(1 − ᾱ)); +∞ for data, −∞ for pure noise.
    #[must_use]
    pub fn log_snr(&self) -> f64 {
        let excess = (self.alpha_bar - self.one_minus_alpha_bar) / self.one_minus_alpha_bar;
        if excess.abs() < 0.5 { excess.ln_1p() } else { self.alpha_bar.ln() - self.one_minus_alpha_bar.ln() }
    }
}

/// The forward kernel between two times s < t: `q(x_t | x_s) = N(√α x_s, β I)` with `α = ᾱ_t/ᾱ_s`, `β = 1 − α`.
///
/// For neighbouring times α and β are α_t and β_t of the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    s: Level,
    t: Level,
    alpha: f64,
    beta: f64,
}

impl Transition {
    /// The kernel between two levels, s being the less noisy one.
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
    #[must_use]
    pub const fn s(&self) -> Level {
        self.s
    }

    /// The noisier end.
    #[must_use]
    pub const fn t(&self) -> Level {
        self.t
    }

    /// α = ᾱ_t/ᾱ_s.
    #[must_use]
    pub const fn alpha(&self) -> f64 {
        self.alpha
    }

    /// β = 1 − α, the variance of the noise that the transition adds.
    #[must_use]
    pub const fn beta(&self) -> f64 {
        self.beta
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
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, after eq. (2); ledger S0.05, S0.06, S2.10.
    /// Accuracy: nearest double of the exact product of the given βs but for ties (0.5 ulp + 2⁻⁴⁰).
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

    /// The schedule of Ho et al. 2020: T = 1000, β from 10⁻⁴ to 0.02.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the constants are valid")]
    pub fn ddpm() -> Self {
        Self::new(Betas::linear(1000, 1e-4, 0.02).expect("constants inside the valid range"))
    }

    /// The cosine schedule of Nichol & Dhariwal 2021 at T = 1000.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the constant is valid")]
    pub fn improved_ddpm() -> Self {
        Self::new(Betas::cosine(1000).expect("constant inside the valid range"))
    }

    /// T.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a schedule is never empty")]
    pub const fn len(&self) -> usize {
        self.betas.len()
    }

    /// The βs it was made from.
    #[must_use]
    pub const fn betas(&self) -> &Betas {
        &self.betas
    }

    /// The time t if it is one of 1 … T.
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
    pub fn timesteps(&self) -> impl DoubleEndedIterator<Item = Timestep> + ExactSizeIterator {
        (0..self.len()).map(Timestep::from_model_index)
    }

    /// T as a time.
    #[must_use]
    pub const fn last(&self) -> Timestep {
        Timestep(self.len())
    }

    /// β_t.
    ///
    /// # Panics
    /// If t is not one of 1 … T.
    #[must_use]
    pub fn beta(&self, t: Timestep) -> f64 {
        self.betas.as_slice()[t.model_index().expect("β is defined from t = 1")]
    }

    /// ᾱ_t, 1 at t = 0.
    ///
    /// # Panics
    /// If t > T.
    #[must_use]
    pub fn alpha_bar(&self, t: Timestep) -> f64 {
        self.alpha_bar[t.get()].round()
    }

    /// ᾱ_t and 1 − ᾱ_t.
    ///
    /// # Panics
    /// If t > T.
    #[must_use]
    pub fn level(&self, t: Timestep) -> Level {
        Level { alpha_bar: self.alpha_bar[t.get()].round(), one_minus_alpha_bar: self.one_minus[t.get()].round() }
    }

    /// The kernel q(x_t | x_{t−1}).
    ///
    /// # Panics
    /// If t is not one of 1 … T.
    #[must_use]
    pub fn step(&self, t: Timestep) -> Transition {
        self.transition(Timestep(t.get() - 1), t)
    }

    /// The kernel q(x_t | x_s); neighbouring times give exactly β_t.
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
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = (Timestep, Transition)> + ExactSizeIterator {
        self.timesteps().map(|t| (t, self.step(t)))
    }
}
