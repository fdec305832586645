//! Known wrong formulas of the bound in terms of the signal-to-noise ratio.

use crate::check::{Erratum, wrong};
use crate::schedule::{Level, Schedule, Timestep};
use crate::vdm::step_cost;

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[];

wrong! {
    /// Wrong KL terms of the bound, from schedule, time and squared error of x₀.
    pub COSTS: fn(&Schedule, Timestep, f64) -> f64;

    slip snr_cost_whole: "the factor ½ is missing" =>
        |schedule, t, error| (snr(schedule, before(t)) - snr(schedule, t)) * error;
    slip snr_cost_sign: "SNR_t − SNR_{t−1}: the sign is wrong" =>
        |schedule, t, error| 0.5 * (snr(schedule, t) - snr(schedule, before(t))) * error;
    slip snr_cost_level: "½ SNR_{t−1}: the level where the drop was meant" =>
        |schedule, t, error| 0.5 * snr(schedule, before(t)) * error;
    slip snr_cost_shifted: "SNR_t − SNR_{t+1}: shifted by one" =>
        |schedule, t, error| {
            let next = if t < schedule.last() { snr(schedule, Timestep::new(t.get() + 1)) } else { 0.0 };
            0.5 * (snr(schedule, t) - next) * error
        };
    slip snr_cost_rooted: "‖x₀ − x̂₀‖ where its square was meant" =>
        |schedule, t, error| 0.5 * (snr(schedule, before(t)) - snr(schedule, t)) * error.sqrt();
}

wrong! {
    /// The same mistakes for a step between two values of ln SNR; the one of a shifted index is a shift of 24/400 in ln SNR.
    pub STEP_COSTS: fn(f64, f64, f64) -> f64;

    slip snr_cost_whole: "the factor ½ is missing" =>
        |s, t, error| 2.0 * level_cost(s, t, error);
    slip snr_cost_sign: "SNR_t − SNR_{t−1}: the sign is wrong" =>
        |s, t, error| -level_cost(s, t, error);
    slip snr_cost_level: "½ SNR_{t−1}: the level where the drop was meant" =>
        |s, _, error| 0.5 * s.exp() * error;
    slip snr_cost_shifted: "SNR_t − SNR_{t+1}: shifted by one" =>
        |s, t, error| level_cost(s - 24.0 / 400.0, t - 24.0 / 400.0, error);
}

wrong! {
    /// Wrong derivatives of the information in the SNR, from the mean squared error.
    pub INFORMATION_RATES: fn(f64) -> f64;

    slip information_whole: "mmse where ½ mmse was meant" =>
        |mmse| mmse;
    slip information_sign: "the information is said to fall as the SNR rises" =>
        |mmse| -0.5 * mmse;
    slip information_root: "½√mmse where ½ mmse was meant" =>
        |mmse| 0.5 * mmse.sqrt();
}

wrong! {
    /// Wrong rates of the continuous bound, from ln SNR and mean squared error.
    pub RATES: fn(f64, f64) -> f64;

    slip rate_per_snr:
        "½ mmse per unit of λ: the factor e^λ = dSNR/dλ is missing, so the bound depends on the path" =>
        |_, mmse| 0.5 * mmse;
    slip rate_whole: "e^λ mmse: the factor ½ is missing" =>
        |log_snr, mmse| log_snr.exp() * mmse;
    slip rate_amplitude: "½ e^{λ/2} mmse: an amplitude where a power was meant" =>
        |log_snr, mmse| 0.5 * (0.5 * log_snr).exp() * mmse;
}

fn snr(schedule: &Schedule, t: Timestep) -> f64 {
    schedule.level(t).snr()
}

const fn before(t: Timestep) -> Timestep {
    Timestep::new(t.get() - 1)
}

/// The right cost of a step between two values of ln SNR.
pub(super) fn level_cost(s: f64, t: f64, error: f64) -> f64 {
    let level = |log_snr: f64| Level::from_log_snr(log_snr).unwrap_or(Level::DATA);
    step_cost(level(s), level(t), error)
}
