//! Where claims are tried: points that cover a box evenly, and schedules chosen where it hurts.
//!
//! Points are an additive recurrence on powers of the generalised golden ratio (Roberts 2018, "The unreasonable
//! effectiveness of quasirandom sequences"), shifted by the seed: even coverage, no generator needed. Statistical
//! claims draw true pseudo-random numbers elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Evidence, Mismatch, Outcome};
use crate::schedule::{Betas, Schedule};

/// How a claim is run: which points, how many, and on which schedules.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// Shifts the points.
    pub seed: u64,
    /// How many to try.
    pub cases: usize,
    /// The only schedule to try, and whether a claim asked for it.
    only: Option<(Schedule, Arc<AtomicBool>)>,
}

impl Default for Run {
    fn default() -> Self {
        Self { seed: 0, cases: 64, only: None }
    }
}

/// One schedule to try a claim on, with a name for messages.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is.
    pub name: String,
    /// The schedule.
    pub schedule: Schedule,
}

impl Run {
    /// The same with other points.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same with so many points.
    #[must_use]
    pub fn cases(self, cases: usize) -> Self {
        Self { cases, ..self }
    }

    /// The same with at most so many points.
    #[must_use]
    pub fn at_most(&self, cases: usize) -> Self {
        Self { cases: self.cases.min(cases), ..self.clone() }
    }

    /// The same on this schedule alone.
    #[must_use]
    pub fn on(self, schedule: &Schedule) -> Self {
        Self { only: Some((schedule.clone(), Arc::default())), ..self }
    }

    /// Whether a schedule was given that no claim has asked for.
    pub(super) fn schedule_unused(&self) -> bool {
        self.only.as_ref().is_some_and(|(_, asked)| !asked.load(Ordering::Relaxed))
    }

    /// Pseudo-random numbers for statistical claims: of the seed, the same on every machine; another `draw` gives
    /// independent ones.
    ///
    /// ```
    /// use alphabar::{check::Run, noise::StandardNormal};
    /// use ndarray::Array1;
    /// use ndarray_rand::RandomExt;
    ///
    /// let noises = Array1::random_using(1000, StandardNormal, &mut Run::default().rng(0));
    /// assert!(noises.mean().is_some_and(|mean| mean.abs() < 0.2));
    /// ```
    #[cfg(feature = "verify")]
    #[must_use]
    pub const fn rng(&self, draw: u32) -> crate::noise::Generator {
        crate::noise::Stream::new(self.seed).generator(draw)
    }

    /// Points in the open unit cube, as many as there are cases.
    pub fn points<const D: usize>(&self) -> impl Iterator<Item = [f64; D]> + use<D> {
        let ratio = golden_ratio(D);
        let steps: [f64; D] = std::array::from_fn(|j| ratio.powi(-(j as i32 + 1)));
        let shift: [f64; D] = std::array::from_fn(|j| unit(scramble(self.seed, j as u64)));
        (0..self.cases).map(move |k| {
            std::array::from_fn(|j| {
                let u = (shift[j] + steps[j] * (k as f64 + 1.0)).fract();
                u.clamp(f64::EPSILON, 1.0 - f64::EPSILON)
            })
        })
    }

    /// Runs a pointwise claim at points of the unit cube.
    ///
    /// # Errors
    /// The first [`Mismatch`].
    pub fn over<const D: usize>(&self, mut claim: impl FnMut([f64; D]) -> Outcome) -> Outcome {
        self.points::<D>().try_fold(Evidence::none(), |all, u| Ok(all.and(claim(u)?)))
    }

    /// Schedules where it hurts (T = 1, equal βs, one huge β, tiny βs, the reference schedules of T = 1000), then
    /// random ones: T from 1 to 64, β log-uniform in (10⁻⁵, 0.6). After [`Run::on`] that schedule alone.
    #[must_use]
    pub fn schedules(&self) -> Vec<Case> {
        if let Some((schedule, asked)) = &self.only {
            asked.store(true, Ordering::Relaxed);
            return vec![Case { name: "the given schedule".into(), schedule: schedule.clone() }];
        }
        let case = |name: &str, betas: Vec<f64>| Case {
            name: name.into(),
            schedule: Schedule::new(Betas::new(betas).expect("drawn inside the valid range")),
        };
        let mut all = vec![
            case("T = 1, beta = 1e-5", vec![1e-5]),
            case("T = 1, beta = 0.6", vec![0.6]),
            case("equal betas 0.05, T = 20", vec![0.05; 20]),
            case("tiny betas 1e-5, T = 64", vec![1e-5; 64]),
            case("one huge beta", vec![1e-4, 2e-4, 0.95, 3e-4, 1e-5]),
            case("toy (0.1, 0.3, 0.5)", vec![0.1, 0.3, 0.5]),
            Case { name: "linear, T = 1000".into(), schedule: Schedule::ddpm() },
            Case { name: "cosine, T = 1000".into(), schedule: Schedule::improved_ddpm() },
        ];
        for (k, [u, v, w]) in self.points::<3>().enumerate() {
            let steps = 1 + (u * 64.0) as usize;
            let beta = |i: usize| {
                let mixed = (v + w * (i * i) as f64 + 0.754_877_666 * i as f64).fract();
                log_uniform(mixed, 1e-5, 0.6)
            };
            all.push(case(&format!("random schedule {k}, T = {steps}"), (0..steps).map(beta).collect()));
        }
        all
    }

    /// Runs a claim on every schedule of [`Run::schedules`].
    ///
    /// # Errors
    /// The first [`Mismatch`], its place preceded by the schedule's name.
    pub fn over_schedules(&self, mut claim: impl FnMut(&Schedule) -> Outcome) -> Outcome {
        self.schedules().iter().try_fold(Evidence::none(), |all, case| {
            let named = |place: String| format!("{}, {place}", case.name);
            match claim(&case.schedule) {
                Ok(evidence) => Ok(all.and(Evidence { at: named(evidence.at), ..evidence })),
                Err(mismatch) => Err(Mismatch { at: named(mismatch.at), ..mismatch }),
            }
        })
    }
}

/// From the unit interval to (low, high).
#[must_use]
pub fn uniform(u: f64, low: f64, high: f64) -> f64 {
    low + (high - low) * u
}

/// From the unit interval to (low, high), equally in the logarithm.
#[must_use]
pub fn log_uniform(u: f64, low: f64, high: f64) -> f64 {
    uniform(u, low.ln(), high.ln()).exp()
}

/// The root above 1 of `x^(d+1) = x + 1`.
fn golden_ratio(d: usize) -> f64 {
    let power = 1.0 / (d as f64 + 1.0);
    (0..60).fold(1.5f64, |x, _| (1.0 + x).powf(power))
}

/// A bijection of 64-bit words that spreads neighbouring seeds.
const fn scramble(seed: u64, axis: u64) -> u64 {
    let x = seed.wrapping_add(axis.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^ (x >> 32)
}

const fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}
