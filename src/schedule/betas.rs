//! The βs of the named schedules, respaced chains and the zero-terminal-SNR rescaling.

use super::{MAX_STEPS, Schedule, Timestep};
use crate::dd::Dd;
use crate::error::{Error, Result};

/// A validated sequence β_1 … β_T: every entry in (0, 1), the last in (0, 1].
///
/// β_T = 1 means that x_T is pure noise (zero terminal SNR).
#[derive(Clone, Debug, PartialEq)]
pub struct Betas(Vec<f64>);

impl Betas {
    /// Takes the numbers as given.
    ///
    /// ```
    /// use alphabar::Betas;
    ///
    /// assert_eq!(Betas::new(vec![0.1, 0.3])?.len(), 2);
    /// assert!(Betas::new(vec![0.1, 1.2]).is_err());
    /// # Ok::<(), alphabar::Error>(())
    /// ```
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
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, sect. 4 (10⁻⁴ to 0.02, T = 1000).
    ///
    /// ```
    /// use alphabar::Betas;
    ///
    /// assert_eq!(Betas::linear(3, 0.25, 0.75)?.as_slice(), [0.25, 0.5, 0.75]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
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
    /// ```
    /// use alphabar::Betas;
    ///
    /// let betas = Betas::scaled_linear(3, 0.01, 0.09)?;
    /// assert!((betas.as_slice()[1] - 0.04).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
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
    /// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, eq. (17).
    ///
    /// ```
    /// use alphabar::Betas;
    ///
    /// assert_eq!(Betas::cosine(1000)?.as_slice()[999], 0.999);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
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
    /// ```
    /// use alphabar::Betas;
    ///
    /// let betas = Betas::sigmoid(3, 0.1, 0.3)?;
    /// assert!((betas.as_slice()[1] - 0.2).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
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
    /// ```
    /// use alphabar::Betas;
    ///
    /// assert_eq!(Betas::constant(2, 0.1)?.as_slice(), [0.1, 0.1]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Betas::new`].
    pub fn constant(steps: usize, beta: f64) -> Result<Self> {
        check_steps(steps)?;
        Self::new(vec![beta; steps])
    }

    /// `β_t = 1/(T − t + 1)`, ending in exactly 1.
    ///
    /// Source: Sohl-Dickstein et al. 2015, arXiv:1503.03585v8, sect. 2.4.1 (`jsd` in Ho et al.'s code).
    ///
    /// ```
    /// use alphabar::Betas;
    ///
    /// assert_eq!(Betas::jsd(4)?.as_slice(), [0.25, 1.0 / 3.0, 0.5, 1.0]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Betas::new`]; T = 1 gives the single entry 1.
    pub fn jsd(steps: usize) -> Result<Self> {
        check_steps(steps)?;
        Self::new((1..=steps).map(|t| 1.0 / (steps - t + 1) as f64).collect())
    }

    /// The βs of a chain whose ᾱ_1 … ᾱ_T are given: `β_t = (ᾱ_{t−1} − ᾱ_t)/ᾱ_{t−1}`, ᾱ_0 = 1.
    ///
    /// Accuracy: the difference is exact and the quotient is rounded once (0.5 ulp + 2⁻⁴⁰ of β of the ᾱ as given). ᾱ that
    /// was itself rounded to a relative error δ leaves 2 δ α_t on β_t, which is all of its digits where β_t is that small.
    ///
    /// ```
    /// assert_eq!(alphabar::Betas::from_alpha_bar(&[0.5, 0.125, 0.0])?.as_slice(), [0.5, 0.75, 1.0]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] if there are none or more than [`MAX_STEPS`]; [`Error::EntryOutOfRange`] if one is NaN,
    /// outside (0, 1), not below the one before it, or below 2⁻⁵³ of it; the last may be that small, or 0.
    pub fn from_alpha_bar(alpha_bar: &[f64]) -> Result<Self> {
        check_steps(alpha_bar.len())?;
        let mut before = 1.0;
        let mut betas = Vec::with_capacity(alpha_bar.len());
        for (index, &now) in alpha_bar.iter().enumerate() {
            let refused = |expected| Error::EntryOutOfRange { name: "alpha_bar", index, value: now, expected };
            let last = index + 1 == alpha_bar.len();
            if !(now < before && (now > 0.0 || (last && now >= 0.0))) {
                return Err(refused("alpha_bar between 0 and 1 that falls with t (the last may be 0)"));
            }
            let beta = if now > 0.0 { ((Dd::new(before) - Dd::new(now)) / Dd::new(before)).round() } else { 1.0 };
            if beta >= 1.0 && !last {
                return Err(refused("more than 2^-53 of the alpha_bar before it, as beta < 1 but for the last"));
            }
            betas.push(beta);
            before = now;
        }
        Self::new(betas)
    }

    /// The chain that visits only the kept times: `β'_k = 1 − ᾱ_{t_k}/ᾱ_{t_{k−1}}`.
    ///
    /// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, eq. (19).
    ///
    /// ```
    /// use alphabar::{Betas, Schedule, Timestep};
    ///
    /// let (full, kept) = (Schedule::ddpm(), [250, 500, 1000].map(Timestep::new));
    /// let short = Schedule::new(Betas::respaced(&full, &kept)?);
    /// assert!((short.alpha_bar(Timestep::new(2)) / full.alpha_bar(kept[1]) - 1.0).abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
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
    /// Source: Lin et al. 2023, arXiv:2305.08891v4, algorithm 1.
    ///
    /// ```
    /// use alphabar::{Betas, Schedule};
    ///
    /// assert_eq!(Betas::zero_terminal_snr(&Schedule::ddpm())?.as_slice()[999], 1.0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
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
    ///
    /// ```
    /// use alphabar::Betas;
    ///
    /// assert_eq!(Betas::new(vec![0.1, 0.3])?.as_slice(), [0.1, 0.3]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// T.
    ///
    /// ```
    /// use alphabar::Betas;
    ///
    /// assert_eq!(Betas::new(vec![0.1, 0.3])?.len(), 2);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
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
