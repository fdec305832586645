//! Known wrong formulas of schedules: their βs, what is derived from them, and how the chain ends.

mod curve;

use std::f64::consts::{LN_2, LN_10};

pub use curve::*;

use crate::check::{Erratum, Numbers, Origin, Severity};
use crate::check::schedule::Entry;
use crate::prediction::Prediction;
use crate::schedule::{Level, Schedule, Timestep};

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E2.2",
        severity: Severity::Wording,
        rows: &["S2.06"],
        printed: "t is called the schedule",
        correct: "the sequence β_1 … β_T is the schedule; t is the time",
        numbers: &[],
    },
    Erratum {
        id: "E3.11",
        severity: Severity::Result,
        rows: &["S3.47"],
        printed: "β_t tends to 1 at the end of the chain",
        correct: "β_T = 0.02 for the linear schedule; β_T = 1 only for β_t = 1/(T − t + 1)",
        numbers: &[Numbers {
            at: "linear schedule, t = T = 1000",
            printed: || beta_tends_to_one(1000, 1e-4, 0.02)[999],
            correct: || Schedule::ddpm().beta(Timestep::new(1000)),
            listed: (1.0, 0.02),
            decimals: 2,
        }],
    },
];

faults! {
    SHIFTED_ALPHA_BAR, "shifted_alpha_bar", Origin::Shipped, "this is ᾱ_{t−1}: the table is shifted by one";
    SUM_FOR_PRODUCT, "sum_for_product", Origin::Slip, "ᾱ is 1 − Σβ where the product of 1 − β was meant";
    EXPONENTIAL_FOR_PRODUCT, "exponential_for_product", Origin::Slip, "ᾱ is exp(−Σβ), which holds only in continuous time";
    PRODUCT_OF_ROOTS, "product_of_roots", Origin::Slip, "ᾱ is a product of √(1 − β): √ᾱ where ᾱ was meant";
    FIRST_FACTOR_DROPPED, "first_factor_dropped", Origin::Slip, "the product starts at t = 2 and misses 1 − β_1";
    VARIANCE_FOR_STD, "variance_for_std", Origin::Slip, "1 − ᾱ where its root, the standard deviation, was meant";
    AMPLITUDE_RATIO_FOR_SNR, "amplitude_ratio_for_snr", Origin::Slip, "the SNR is a ratio of amplitudes, not of powers";
    HALF_LOG_SNR, "half_log_snr", Origin::Shipped, "half the log-SNR (ln(α/σ)) where ln(α²/σ²) was meant";
    INVERTED_LOG_SNR, "inverted_log_snr", Origin::Slip, "the log-SNR has the sign of a noise-to-signal ratio";

    HALF_LOG_SNR_READ_AS_WHOLE, "half_log_snr_read_as_whole", Origin::Slip, "λ taken for ln(α/σ) where it is ln(α²/σ²)";
    SIGNAL_AND_NOISE_EXCHANGED, "signal_and_noise_exchanged", Origin::Slip, "the logistic function of −λ: signal and noise exchanged";
    NOISE_FROM_ROUNDED_SIGNAL, "noise_from_rounded_signal", Origin::Slip, "1 − ᾱ subtracted from 1 where ᾱ is nearly 1: its digits are gone";
    LOG_SNR_IN_DECIBELS, "log_snr_in_decibels", Origin::Slip, "the log-SNR is read in decibels, 10 log₁₀";

    ONE_MINUS_IN_F32, "one_minus_in_f32", Origin::Shipped, "1 − ᾱ by subtraction in f32: relative error 1.7e-4 at t = 1 of the linear schedule";
    ONE_MINUS_BY_SUBTRACTION, "one_minus_by_subtraction", Origin::Shipped, "1 − ᾱ by subtraction in f64 loses a factor 1/(1 − ᾱ) of its digits";
    ONE_MINUS_BY_EXPM1_IN_F32, "one_minus_by_expm1_in_f32", Origin::Slip, "1 − ᾱ in a stable form, but in f32";
    NOISE_NOT_SHRUNK, "noise_not_shrunk", Origin::Slip, "1 − ᾱ is Σβ: earlier noise is not shrunk by later steps";

    END_NOT_COUNTED, "linear_endpoint_left_out", Origin::Slip, "divided by T where T − 1 was meant: the last beta is never reached";
    BETA_TENDS_TO_ONE, "beta_tends_to_one", Origin::Erratum("E3.11"), "the last beta is 1 where the schedule ends at its own end point";
    ENDS_EXCHANGED, "linear_reversed", Origin::Slip, "first and last beta are exchanged: the schedule runs backwards";
    LINEAR_FOR_SCALED_LINEAR, "linear_for_scaled_linear", Origin::Shipped, "betas equally spaced where their roots should be";
    ROOTS_NOT_SQUARED, "roots_not_squared", Origin::Slip, "roots of the betas, not squared back";
    NARROW_SIGMOID, "narrow_sigmoid", Origin::Slip, "the logistic curve runs over (−3, 3) where (−6, 6) was meant";

    COSINE_BY_INTEGER_DIVISION, "cosine_integer_division", Origin::Shipped, "integer division: t/T is 0 for every t < T, so every beta but the last is 0";
    COSINE_WITHOUT_OFFSET, "cosine_without_offset", Origin::Slip, "the offset s = 0.008 is missing";
    COSINE_NOT_SQUARED, "cosine_not_squared", Origin::Slip, "cos where cos² was meant: ᾱ is √ᾱ";
    COSINE_SHIFTED, "cosine_shifted", Origin::Slip, "the cosine schedule starts at t = 1 where it should at 0";
    COSINE_NOT_CLIPPED, "cosine_not_clipped", Origin::Slip, "the last beta of the cosine schedule is not clipped to 0.999";
    JSD_LATE, "jsd_late", Origin::Slip, "1/(T − t + 2): ᾱ_T is not 0";

    RESCALED_ALPHA_BAR, "rescaled_alpha_bar", Origin::Slip, "ᾱ was shifted and scaled where √ᾱ should be";
    SHIFTED_NOT_SCALED, "shifted_not_scaled", Origin::Slip, "√ᾱ was shifted to end in 0 but not scaled back to its first value";
    LAST_BETA_SET_TO_ONE, "last_beta_set_to_one", Origin::Slip, "only the last beta was set to 1; the rest of the chain is not rescaled";
    EPS_AT_ZERO_SNR, "eps_at_zero_snr", Origin::Shipped, "x₀ from ε at zero terminal SNR: a division by √ᾱ_T = 0 gives NaN in silence";

    PRIOR_KL_WITHOUT_LOGARITHM, "prior_kl_without_logarithm", Origin::Slip, "the prior KL is ½ᾱx₀²: its variance part is missing";
    PRIOR_KL_NOT_HALVED, "prior_kl_not_halved", Origin::Slip, "the prior KL without its factor ½";
    PRIOR_KL_REVERSED, "prior_kl_reversed", Origin::Slip, "KL of the prior to x_T where that of x_T to the prior was meant";
    PRIOR_KL_IN_BITS, "prior_kl_in_bits", Origin::Slip, "bits where nats were meant";

    MINUS_SUM_OF_BETAS, "minus_sum_of_betas", Origin::Slip, "ln ᾱ_T is −Σβ to first order only";
    ALWAYS_VANISHES, "always_vanishes", Origin::Slip, "ᾱ_T → 0 for every large T: false where the sum of the betas is finite";
    LAST_FACTOR_DROPPED, "last_factor_dropped", Origin::Slip, "the product stops at T − 1";
}

fn truth(schedule: &Schedule, t: Timestep) -> Entry {
    let level = schedule.level(t);
    Entry {
        alpha: if t == Timestep::DATA { 1.0 } else { schedule.step(t).alpha() },
        alpha_bar: level.alpha_bar(),
        one_minus_alpha_bar: level.one_minus_alpha_bar(),
        signal: level.signal(),
        noise_std: level.noise_std(),
        snr: level.snr(),
        log_snr: level.log_snr(),
    }
}

fn with_alpha_bar(schedule: &Schedule, t: Timestep, f: impl Fn(&[f64]) -> f64) -> Entry {
    Entry { alpha_bar: f(&schedule.betas().as_slice()[..t.get()]), ..truth(schedule, t) }
}

/// [`SHIFTED_ALPHA_BAR`].
#[must_use]
pub fn shifted_alpha_bar(schedule: &Schedule, t: Timestep) -> Entry {
    let earlier = Timestep::new(t.get().saturating_sub(1));
    Entry { alpha_bar: schedule.alpha_bar(earlier), ..truth(schedule, t) }
}

/// [`SUM_FOR_PRODUCT`].
#[must_use]
pub fn sum_for_product(schedule: &Schedule, t: Timestep) -> Entry {
    with_alpha_bar(schedule, t, |betas| 1.0 - betas.iter().sum::<f64>())
}

/// [`EXPONENTIAL_FOR_PRODUCT`].
#[must_use]
pub fn exponential_for_product(schedule: &Schedule, t: Timestep) -> Entry {
    with_alpha_bar(schedule, t, |betas| (-betas.iter().sum::<f64>()).exp())
}

/// [`PRODUCT_OF_ROOTS`].
#[must_use]
pub fn product_of_roots(schedule: &Schedule, t: Timestep) -> Entry {
    with_alpha_bar(schedule, t, |betas| betas.iter().map(|b| (1.0 - b).sqrt()).product())
}

/// [`FIRST_FACTOR_DROPPED`].
#[must_use]
pub fn first_factor_dropped(schedule: &Schedule, t: Timestep) -> Entry {
    with_alpha_bar(schedule, t, |betas| betas.iter().skip(1).map(|b| 1.0 - b).product())
}

/// [`VARIANCE_FOR_STD`].
#[must_use]
pub fn variance_for_std(schedule: &Schedule, t: Timestep) -> Entry {
    let right = truth(schedule, t);
    Entry { noise_std: right.one_minus_alpha_bar, ..right }
}

/// [`AMPLITUDE_RATIO_FOR_SNR`].
#[must_use]
pub fn amplitude_ratio_for_snr(schedule: &Schedule, t: Timestep) -> Entry {
    let right = truth(schedule, t);
    Entry { snr: right.signal / right.noise_std, ..right }
}

/// [`HALF_LOG_SNR`].
#[must_use]
pub fn half_log_snr(schedule: &Schedule, t: Timestep) -> Entry {
    let right = truth(schedule, t);
    Entry { log_snr: 0.5 * right.log_snr, ..right }
}

/// [`INVERTED_LOG_SNR`].
#[must_use]
pub fn inverted_log_snr(schedule: &Schedule, t: Timestep) -> Entry {
    let right = truth(schedule, t);
    Entry { log_snr: -right.log_snr, ..right }
}

fn level_of(log_snr: f64) -> Level {
    Level::from_log_snr(log_snr).expect("a number")
}

/// [`HALF_LOG_SNR_READ_AS_WHOLE`].
#[must_use]
pub fn half_log_snr_read_as_whole(log_snr: f64) -> Level {
    level_of(2.0 * log_snr)
}

/// [`SIGNAL_AND_NOISE_EXCHANGED`].
#[must_use]
pub fn signal_and_noise_exchanged(log_snr: f64) -> Level {
    level_of(-log_snr)
}

/// [`NOISE_FROM_ROUNDED_SIGNAL`].
#[must_use]
pub fn noise_from_rounded_signal(log_snr: f64) -> Level {
    Level::from_alpha_bar(level_of(log_snr).alpha_bar()).expect("between 0 and 1")
}

/// [`LOG_SNR_IN_DECIBELS`].
#[must_use]
pub fn log_snr_in_decibels(log_snr: f64) -> Level {
    level_of(log_snr / 10.0 * LN_10)
}

fn cumulative<T: Copy>(betas: &[f64], start: T, mut next: impl FnMut(T, f64) -> T) -> Vec<T> {
    let mut state = start;
    let step = |&beta: &f64| {
        state = next(state, beta);
        state
    };
    betas.iter().map(step).collect()
}

/// [`ONE_MINUS_IN_F32`].
#[must_use]
pub fn one_minus_in_f32(betas: &[f64]) -> Vec<f64> {
    let products = cumulative(betas, 1.0f32, |product, beta| product * (1.0 - beta as f32));
    products.into_iter().map(|product| f64::from(1.0 - product)).collect()
}

/// [`ONE_MINUS_BY_SUBTRACTION`].
#[must_use]
pub fn one_minus_by_subtraction(betas: &[f64]) -> Vec<f64> {
    let products = cumulative(betas, 1.0f64, |product, beta| product * (1.0 - beta));
    products.into_iter().map(|product| 1.0 - product).collect()
}

/// [`ONE_MINUS_BY_EXPM1_IN_F32`].
#[must_use]
pub fn one_minus_by_expm1_in_f32(betas: &[f64]) -> Vec<f64> {
    let sums = cumulative(betas, 0.0f32, |sum, beta| sum + (-(beta as f32)).ln_1p());
    sums.into_iter().map(|sum| f64::from(-sum.exp_m1())).collect()
}

/// [`NOISE_NOT_SHRUNK`].
#[must_use]
pub fn noise_not_shrunk(betas: &[f64]) -> Vec<f64> {
    cumulative(betas, 0.0, |sum, beta| sum + beta)
}

/// βs of a chain whose ᾱ_1 … ᾱ_T are given.
pub(crate) fn betas_of(alpha_bars: &[f64]) -> Vec<f64> {
    let mut previous = 1.0;
    let beta = |&alpha_bar: &f64| {
        let ratio = alpha_bar / previous;
        previous = alpha_bar;
        1.0 - ratio
    };
    alpha_bars.iter().map(beta).collect()
}

pub(crate) fn alpha_bars(betas: &[f64]) -> Vec<f64> {
    cumulative(betas, 1.0, |product, beta| product * (1.0 - beta))
}

/// [`RESCALED_ALPHA_BAR`].
#[must_use]
pub fn rescaled_alpha_bar(betas: &[f64]) -> Vec<f64> {
    let all = alpha_bars(betas);
    let (first, last) = (all[0], all[all.len() - 1]);
    betas_of(&all.iter().map(|a| (a - last) * first / (first - last)).collect::<Vec<_>>())
}

/// [`SHIFTED_NOT_SCALED`].
#[must_use]
pub fn shifted_not_scaled(betas: &[f64]) -> Vec<f64> {
    let all = alpha_bars(betas);
    let last = all[all.len() - 1].sqrt();
    betas_of(&all.iter().map(|a| (a.sqrt() - last).powi(2)).collect::<Vec<_>>())
}

/// [`LAST_BETA_SET_TO_ONE`].
#[must_use]
pub fn last_beta_set_to_one(betas: &[f64]) -> Vec<f64> {
    let mut all = betas.to_vec();
    all[betas.len() - 1] = 1.0;
    all
}

/// [`EPS_AT_ZERO_SNR`].
#[must_use]
pub fn eps_at_zero_snr(prediction: Prediction, level: Level, xt: f64, output: f64) -> Option<f64> {
    let (signal, sigma) = (level.signal(), level.noise_std());
    Some(match prediction {
        Prediction::Epsilon => (xt - sigma * output) / signal,
        Prediction::X0 => output,
        Prediction::V => signal * xt - sigma * output,
        Prediction::Score => (xt + sigma * sigma * output) / signal,
    })
}

/// [`PRIOR_KL_WITHOUT_LOGARITHM`].
#[must_use]
pub fn prior_kl_without_logarithm(level: Level, x0: f64) -> f64 {
    0.5 * level.alpha_bar() * x0 * x0
}

/// [`PRIOR_KL_NOT_HALVED`].
#[must_use]
pub fn prior_kl_not_halved(level: Level, x0: f64) -> f64 {
    2.0 * level.prior_kl(x0)
}

/// [`PRIOR_KL_REVERSED`].
#[must_use]
pub fn prior_kl_reversed(level: Level, x0: f64) -> f64 {
    let (mean, var) = (level.signal() * x0, level.one_minus_alpha_bar());
    0.5 * ((1.0 + mean * mean) / var - 1.0 + var.ln())
}

/// [`PRIOR_KL_IN_BITS`].
#[must_use]
pub fn prior_kl_in_bits(level: Level, x0: f64) -> f64 {
    level.prior_kl(x0) / LN_2
}

/// [`MINUS_SUM_OF_BETAS`].
#[must_use]
pub fn minus_sum_of_betas(betas: &[f64]) -> f64 {
    -betas.iter().sum::<f64>()
}

/// [`ALWAYS_VANISHES`].
#[must_use]
pub fn always_vanishes(betas: &[f64]) -> f64 {
    -0.01 * betas.len() as f64
}

/// [`LAST_FACTOR_DROPPED`].
#[must_use]
pub fn last_factor_dropped(betas: &[f64]) -> f64 {
    betas[..betas.len() - 1].iter().map(|beta| (-beta).ln_1p()).sum()
}
