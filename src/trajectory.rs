//! The best times for a sampler with few steps, by dynamic programming.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::schedule::{Level, Timestep};

/// What each step s → t of a chain of T times would cost; s < t, s = 0 being the step to the data.
#[derive(Clone, Debug, PartialEq)]
pub struct StepCosts {
    steps: usize,
    /// Row t − 1 holds the costs from s = 0 … t − 1.
    rows: Vec<Vec<f64>>,
}

/// The times that a shortened sampler visits, and what they cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    /// Decreasing, from T.
    pub times: Vec<Timestep>,
    /// Sum of the costs of the steps, the one to the data included.
    pub cost: f64,
}

impl StepCosts {
    /// Asks `cost(s, t)` for every pair `s < t ≤ T`.
    ///
    /// ```
    /// use alphabar::trajectory::StepCosts;
    ///
    /// let costs = StepCosts::new(4, |s, t| ((t.get() - s.get()) as f64).powi(2))?;
    /// assert_eq!(costs.steps(), 4);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for T = 0; [`Error::EntryOutOfRange`] if a cost is NaN or −∞ (+∞ forbids a step).
    pub fn new(steps: usize, cost: impl Fn(Timestep, Timestep) -> f64) -> Result<Self> {
        if steps == 0 {
            return Err(Error::CountOutOfRange { name: "steps", value: steps, min: 1, max: usize::MAX });
        }
        let row = |t: usize| (0..t).map(|s| cost(Timestep::new(s), Timestep::new(t))).collect::<Vec<f64>>();
        let rows: Vec<Vec<f64>> = (1..=steps).map(row).collect();
        for (index, row) in rows.iter().enumerate() {
            if let Some(&value) =
                row.iter().find(|&&value| value.is_nan() || value.is_sign_negative() && value.is_infinite())
            {
                return Err(Error::EntryOutOfRange {
                    name: "cost of a step", index, value, expected: "above −∞"
                });
            }
        }
        Ok(Self { steps, rows })
    }

    /// T.
    #[must_use]
    pub const fn steps(&self) -> usize {
        self.steps
    }

    /// The cost of the step from t to s.
    ///
    /// ```
    /// use alphabar::{Timestep, trajectory::StepCosts};
    ///
    /// let costs = StepCosts::new(4, |s, t| ((t.get() - s.get()) as f64).powi(2))?;
    /// assert_eq!(costs.cost(Timestep::new(1), Timestep::new(4)), 9.0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Panics
    /// Unless `s < t ≤ T`.
    #[must_use]
    pub fn cost(&self, s: Timestep, t: Timestep) -> f64 {
        self.rows[t.get() - 1][s.get()]
    }

    /// The cheapest way from T to the data with exactly `count` steps.
    ///
    /// ```text
    /// D(1, t) = c(0, t)        D(k, t) = min_{s < t} c(s, t) + D(k − 1, s)
    /// ```
    ///
    /// Source: Watson et al. 2021, arXiv:2106.03802v1, algorithm 1 (there for all budgets at once). O(K T²).
    ///
    /// ```
    /// use alphabar::{Timestep, trajectory::StepCosts};
    ///
    /// let best = StepCosts::new(4, |s, t| ((t.get() - s.get()) as f64).powi(2))?.best(2)?;
    /// assert_eq!((best.times, best.cost), (vec![Timestep::new(4), Timestep::new(2)], 8.0));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] unless `1 ≤ count ≤ T`.
    pub fn best(&self, count: usize) -> Result<Trajectory> {
        if count == 0 || count > self.steps {
            return Err(Error::CountOutOfRange { name: "count", value: count, min: 1, max: self.steps });
        }
        let mut cost: Vec<f64> = self.rows.iter().map(|row| row[0]).collect();
        let mut choices = Vec::with_capacity(count);
        for _ in 1..count {
            let next = |t: usize| {
                let ways = (1..t).map(|s| (self.rows[t - 1][s] + cost[s - 1], s));
                ways.fold((f64::INFINITY, t.saturating_sub(1)), |best, way| if way.0 < best.0 { way } else { best })
            };
            let (costs, from): (Vec<f64>, Vec<usize>) = (1..=self.steps).map(next).unzip();
            cost = costs;
            choices.push(from);
        }
        let mut times = vec![Timestep::new(self.steps)];
        let mut t = self.steps;
        for from in choices.iter().rev() {
            t = from[t - 1];
            times.push(Timestep::new(t));
        }
        Ok(Trajectory { times, cost: cost[self.steps - 1] })
    }

    /// The cost of visiting given times.
    ///
    /// ```
    /// use alphabar::{Timestep, trajectory::StepCosts};
    ///
    /// let costs = StepCosts::new(4, |s, t| ((t.get() - s.get()) as f64).powi(2))?;
    /// assert_eq!(costs.along(&[Timestep::new(4), Timestep::new(1)])?, 10.0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotDecreasing`] unless they decrease; [`Error::CountOutOfRange`] if they do not start at T or reach 0.
    pub fn along(&self, times: &[Timestep]) -> Result<f64> {
        if times.first() != Some(&Timestep::new(self.steps)) {
            let value = times.first().map_or(0, |t| t.get());
            return Err(Error::CountOutOfRange { name: "first time", value, min: self.steps, max: self.steps });
        }
        let mut total = 0.0;
        for (k, &t) in times.iter().enumerate() {
            let s = times.get(k + 1).copied().unwrap_or(Timestep::DATA);
            if s >= t {
                return Err(Error::NotDecreasing { index: k + 1, previous: t.get() as f64, value: s.get() as f64 });
            }
            if s == Timestep::DATA && k + 1 < times.len() {
                return Err(Error::CountOutOfRange { name: "time", value: 0, min: 1, max: self.steps });
            }
            total += self.cost(s, t);
        }
        Ok(total)
    }
}

/// KL of one step s → t with σ² = β̃, for mean squared error `E‖x₀ − x̂₀(x_t)‖²`, in nat.
///
/// ```text
/// ½ (SNR_s − SNR_t) · error
/// ```
///
/// Source: Kingma et al. 2021, arXiv:2107.00630v6, eq. (13). Infinite at s = 0: there the decoder takes over
/// ([`decoder_cost`]).
///
/// ```
/// use alphabar::{Level, trajectory::step_cost};
///
/// // SNR 3 and 1.
/// let nats = step_cost(Level::from_alpha_bar(0.75)?, Level::from_alpha_bar(0.5)?, 0.1);
/// assert!((nats - 0.1).abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn step_cost(s: Level, t: Level, error: f64) -> f64 {
    0.5 * (s.snr() - t.snr()) * error
}

/// Cost of the step to the data with the decoder N(x̂₀, (1/SNR_t) I), per dimension, in nat.
///
/// ```text
/// ½ ln(2π/SNR_t) + ½ SNR_t · error
/// ```
///
/// Source: −E ln N(x₀; x̂₀, 1/SNR_t); Kingma et al. 2021, arXiv:2107.00630v6, eq. (11).
///
/// ```
/// use alphabar::{Level, trajectory::decoder_cost};
///
/// let nats = decoder_cost(Level::from_alpha_bar(0.5)?, 1.0);
/// assert!((nats - 1.418_938_533_204_672_8).abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn decoder_cost(t: Level, error: f64) -> f64 {
    0.5 * ((2.0 * PI).ln() - t.log_snr()) + 0.5 * t.snr() * error
}

/// What inserting b between a and t saves, the last step held fixed.
///
/// ```text
/// c(a, t) − c(a, b) − c(b, t) = ½ (SNR_a − SNR_b)(error_t − error_b)
/// ```
///
/// It pays iff the network's error at b is at most that at t. If the last step is free as well, more steps need not
/// help. Source: from [`step_cost`].
///
/// ```
/// use alphabar::{Level, trajectory::refinement_gain};
///
/// let (a, b) = (Level::from_alpha_bar(0.75)?, Level::from_alpha_bar(0.5)?);
/// assert!(refinement_gain(a, b, 0.1, 0.3) > 0.0);
/// assert!(refinement_gain(a, b, 0.3, 0.1) < 0.0);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn refinement_gain(a: Level, b: Level, error_b: f64, error_t: f64) -> f64 {
    0.5 * (a.snr() - b.snr()) * (error_t - error_b)
}
