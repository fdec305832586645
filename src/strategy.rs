//! proptest strategies for the validated types, drawn where it hurts: βs spread over orders of magnitude, T = 1,
//! equal βs, one huge β, the reference schedules, levels close to data and close to noise.
//!
//! ```
//! use alphabar::{check, posterior, strategy};
//! use proptest::prelude::*;
//!
//! proptest!(|(betas in strategy::betas(), seed: u64)| {
//!     let schedule = alphabar::Schedule::new(betas);
//!     check::posterior::bayes(posterior::posterior).on(&schedule).seed(seed).assert();
//! });
//! ```

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use crate::schedule::{Betas, Level, Schedule, Timestep, Transition};

/// One β, log-uniform in (10⁻⁵, 0.6).
pub fn beta() -> impl Strategy<Value = f64> {
    log_uniform(1e-5, 0.6)
}

/// βs with T from 1 to 64: independent, all equal, or one of them huge; the last stays below 1.
pub fn betas() -> impl Strategy<Value = Betas> {
    let independent = vec(beta(), 1..=64);
    let equal = (beta(), 1..=64usize).prop_map(|(beta, steps)| vec![beta; steps]);
    let one_huge =
        (vec(beta(), 1..=64), any::<proptest::sample::Index>(), 0.6..0.999).prop_map(|(mut all, at, huge)| {
            let at = at.index(all.len());
            all[at] = huge;
            all
        });
    prop_oneof![6 => independent, 1 => equal, 1 => one_huge].prop_map(valid)
}

/// βs that end in exactly 1, so that x_T is pure noise (ᾱ_T = 0); T from 1 to 65.
pub fn betas_to_pure_noise() -> impl Strategy<Value = Betas> {
    vec(beta(), 0..=64).prop_map(|mut all| {
        all.push(1.0);
        valid(all)
    })
}

/// Schedules from [`betas`], now and then the linear and the cosine one of T = 1000. ᾱ_T > 0.
pub fn schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        14 => betas().prop_map(Schedule::new),
        1 => Just(()).prop_map(|()| Schedule::ddpm()),
        1 => Just(()).prop_map(|()| Schedule::improved_ddpm()),
    ]
}

/// One of the times 1 … T of a schedule, its first and last more often than the rest.
pub fn timestep(schedule: &Schedule) -> impl Strategy<Value = Timestep> + use<> {
    let steps = schedule.len();
    prop_oneof![6 => 1..=steps, 1 => Just(1), 1 => Just(steps)].prop_map(Timestep::new)
}

/// A schedule with one of its times.
pub fn schedule_and_time() -> impl Strategy<Value = (Schedule, Timestep)> {
    schedule().prop_flat_map(|schedule| {
        let t = timestep(&schedule);
        (Just(schedule), t)
    })
}

/// A schedule with two times s < t of it, s possibly 0.
pub fn schedule_and_times() -> impl Strategy<Value = (Schedule, Timestep, Timestep)> {
    schedule_and_time().prop_flat_map(|(schedule, t)| {
        let s = prop_oneof![3 => 0..t.get(), 1 => Just(0), 1 => Just(t.get() - 1)].prop_map(Timestep::new);
        (Just(schedule), s, Just(t))
    })
}

/// A noise level strictly between data and noise: log SNR uniform in (−14, 14), ᾱ from 10⁻⁶ to 1 − 10⁻⁶.
pub fn level() -> impl Strategy<Value = Level> {
    (-14.0..14.0).prop_map(|log_snr| Level::from_log_snr(log_snr).expect("a number"))
}

/// The kernel q(x_t | x_{t−1}) of some schedule; at its first step s is the data.
pub fn step() -> impl Strategy<Value = Transition> {
    schedule_and_time().prop_map(|(schedule, t)| schedule.step(t))
}

/// A kernel q(x_t | x_s): neighbours or far apart, from data or from a noised state.
pub fn transition() -> impl Strategy<Value = Transition> {
    schedule_and_times().prop_map(|(schedule, s, t)| schedule.transition(s, t))
}

/// One coordinate of data, of a state or of a network's output: in (−4, 4).
pub fn value() -> impl Strategy<Value = f64> {
    -4.0..4.0
}

/// `dimension` coordinates.
pub fn point(dimension: usize) -> impl Strategy<Value = Vec<f64>> {
    vec(value(), dimension)
}

/// Between `low` and `high`, equally in the logarithm; both positive.
pub fn log_uniform(low: f64, high: f64) -> impl Strategy<Value = f64> {
    (low.ln()..high.ln()).prop_map(f64::exp)
}

fn valid(betas: Vec<f64>) -> Betas {
    Betas::new(betas).expect("drawn inside the valid range")
}
