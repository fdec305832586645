//! Known wrong formulas of the bound in terms of the signal-to-noise ratio.

use crate::check::{Erratum, Fault, slip};
use crate::schedule::{Schedule, Timestep};

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[];

fn snr(schedule: &Schedule, t: usize) -> f64 {
    schedule.level(Timestep::new(t)).snr()
}

macro_rules! costs {
    ($($constant:ident $name:ident $sentence:literal |$schedule:ident, $t:ident, $error:ident| $body:expr;)*) => {$(
        #[doc = $sentence]
        pub const $constant: Fault = slip(stringify!($name), $sentence);

        #[doc = concat!("[`", stringify!($constant), "`].")]
        #[must_use]
        pub fn $name($schedule: &Schedule, time: Timestep, $error: f64) -> f64 {
            let $t = time.get();
            $body
        }
    )*};
}

costs! {
    SNR_COST_WHOLE snr_cost_whole "the factor ½ is missing"
        |schedule, t, error| (snr(schedule, t - 1) - snr(schedule, t)) * error;
    SNR_COST_SIGN snr_cost_sign "SNR_t − SNR_{t−1}: the sign is wrong"
        |schedule, t, error| 0.5 * (snr(schedule, t) - snr(schedule, t - 1)) * error;
    SNR_COST_LEVEL snr_cost_level "½ SNR_{t−1}: the level where the drop was meant"
        |schedule, t, error| 0.5 * snr(schedule, t - 1) * error;
    SNR_COST_SHIFTED snr_cost_shifted "SNR_t − SNR_{t+1}: shifted by one"
        |schedule, t, error| {
            let next = if t < schedule.len() { snr(schedule, t + 1) } else { 0.0 };
            0.5 * (snr(schedule, t) - next) * error
        };
    SNR_COST_ROOTED snr_cost_rooted "‖x₀ − x̂₀‖ where its square was meant"
        |schedule, t, error| 0.5 * (snr(schedule, t - 1) - snr(schedule, t)) * error.sqrt();
}

/// mmse where ½ mmse was meant.
pub const INFORMATION_WHOLE: Fault = slip("information_whole", "mmse where ½ mmse was meant");
/// A rate with the wrong sign.
pub const INFORMATION_SIGN: Fault = slip("information_sign", "the information is said to fall as the SNR rises");
/// ½√mmse.
pub const INFORMATION_ROOT: Fault = slip("information_root", "½√mmse where ½ mmse was meant");
/// The rate per unit of SNR used per unit of λ.
pub const RATE_PER_SNR: Fault = slip(
    "rate_per_snr",
    "½ mmse per unit of λ: the factor e^λ = dSNR/dλ is missing, so the bound depends on the path",
);
/// The rate without its half.
pub const RATE_WHOLE: Fault = slip("rate_whole", "e^λ mmse: the factor ½ is missing");
/// √SNR for SNR.
pub const RATE_AMPLITUDE: Fault = slip("rate_amplitude", "½ e^{λ/2} mmse: an amplitude where a power was meant");
