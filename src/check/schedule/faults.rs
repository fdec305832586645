//! Wrong formulas of schedules: their βs, what is derived from them, and how the chain ends.

use std::f64::consts::{FRAC_PI_2, LN_2, LN_10};

use crate::check::schedule::Entry;
use crate::check::{Erratum, Numbers, Severity, Wrong, wrong};
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
            printed: || (Wrong::named(LINEARS, "beta_tends_to_one").f)(1000, 1e-4, 0.02)[999],
            correct: || Schedule::ddpm().beta(Timestep::new(1000)),
            listed: (1.0, 0.02),
            decimals: 2,
        }],
    },
];

wrong! {
    /// Wrong entries of a schedule's table.
    pub ENTRIES: fn(&Schedule, Timestep) -> Entry;

    shipped shifted_alpha_bar: "this is ᾱ_{t−1}: the table is shifted by one" =>
        |schedule, t| {
            let earlier = Timestep::new(t.get().saturating_sub(1));
            Entry { alpha_bar: schedule.alpha_bar(earlier), ..truth(schedule, t) }
        };
    slip sum_for_product: "ᾱ is 1 − Σβ where the product of 1 − β was meant" =>
        |schedule, t| with_alpha_bar(schedule, t, |betas| 1.0 - betas.iter().sum::<f64>());
    slip exponential_for_product: "ᾱ is exp(−Σβ), which holds only in continuous time" =>
        |schedule, t| with_alpha_bar(schedule, t, |betas| (-betas.iter().sum::<f64>()).exp());
    slip product_of_roots: "ᾱ is a product of √(1 − β): √ᾱ where ᾱ was meant" =>
        |schedule, t| with_alpha_bar(schedule, t, |betas| betas.iter().map(|b| (1.0 - b).sqrt()).product());
    slip first_factor_dropped: "the product starts at t = 2 and misses 1 − β_1" =>
        |schedule, t| with_alpha_bar(schedule, t, |betas| betas.iter().skip(1).map(|b| 1.0 - b).product());
    slip variance_for_std: "1 − ᾱ where its root, the standard deviation, was meant" =>
        |schedule, t| {
            let right = truth(schedule, t);
            Entry { noise_std: right.one_minus_alpha_bar, ..right }
        };
    slip amplitude_ratio_for_snr: "the SNR is a ratio of amplitudes, not of powers" =>
        |schedule, t| {
            let right = truth(schedule, t);
            Entry { snr: right.signal / right.noise_std, ..right }
        };
    shipped half_log_snr: "half the log-SNR (ln(α/σ)) where ln(α²/σ²) was meant" =>
        |schedule, t| {
            let right = truth(schedule, t);
            Entry { log_snr: 0.5 * right.log_snr, ..right }
        };
    slip inverted_log_snr: "the log-SNR has the sign of a noise-to-signal ratio" =>
        |schedule, t| {
            let right = truth(schedule, t);
            Entry { log_snr: -right.log_snr, ..right }
        };
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

wrong! {
    /// Wrong levels of a given ln SNR.
    pub LOG_SNRS: fn(f64) -> Level;

    slip half_log_snr_read_as_whole: "λ taken for ln(α/σ) where it is ln(α²/σ²)" =>
        |log_snr| level_of(2.0 * log_snr);
    slip signal_and_noise_exchanged: "the logistic function of −λ: signal and noise exchanged" =>
        |log_snr| level_of(-log_snr);
    slip noise_from_rounded_signal: "1 − ᾱ subtracted from 1 where ᾱ is nearly 1: its digits are gone" =>
        |log_snr| Level::from_alpha_bar(level_of(log_snr).alpha_bar()).expect("between 0 and 1");
    slip log_snr_in_decibels: "the log-SNR is read in decibels, 10 log₁₀" =>
        |log_snr| level_of(log_snr / 10.0 * LN_10);
}

fn level_of(log_snr: f64) -> Level {
    Level::from_log_snr(log_snr).expect("a number")
}

wrong! {
    /// Wrong 1 − ᾱ_1 … 1 − ᾱ_T of given βs.
    pub NOISES: fn(&[f64]) -> Vec<f64>;

    shipped one_minus_in_f32: "1 − ᾱ by subtraction in f32: relative error 1.7e-4 at t = 1 of the linear schedule" =>
        |betas| {
            let products = cumulative(betas, 1.0f32, |product, beta| product * (1.0 - beta as f32));
            products.into_iter().map(|product| f64::from(1.0 - product)).collect()
        };
    shipped one_minus_by_subtraction: "1 − ᾱ by subtraction in f64 loses a factor 1/(1 − ᾱ) of its digits" =>
        |betas| {
            let products = cumulative(betas, 1.0f64, |product, beta| product * (1.0 - beta));
            products.into_iter().map(|product| 1.0 - product).collect()
        };
    slip one_minus_by_expm1_in_f32: "1 − ᾱ in a stable form, but in f32" =>
        |betas| {
            let sums = cumulative(betas, 0.0f32, |sum, beta| sum + (-(beta as f32)).ln_1p());
            sums.into_iter().map(|sum| f64::from(-sum.exp_m1())).collect()
        };
    slip noise_not_shrunk: "1 − ᾱ is Σβ: earlier noise is not shrunk by later steps" =>
        |betas| cumulative(betas, 0.0, |sum, beta| sum + beta);
}

fn cumulative<T: Copy>(betas: &[f64], start: T, mut next: impl FnMut(T, f64) -> T) -> Vec<T> {
    let mut state = start;
    let step = |&beta: &f64| {
        state = next(state, beta);
        state
    };
    betas.iter().map(step).collect()
}

wrong! {
    /// Wrong βs of the linear schedule, of T and both ends.
    pub LINEARS: fn(usize, f64, f64) -> Vec<f64>;

    slip linear_endpoint_left_out: "divided by T where T − 1 was meant: the last beta is never reached" =>
        |steps, start, end| line(steps, start, end, steps).collect();
    erratum("E3.11") beta_tends_to_one: "the last beta is 1 where the schedule ends at its own end point" =>
        |steps, start, _| line(steps, start, 1.0, steps - 1).collect();
    slip linear_reversed: "first and last beta are exchanged: the schedule runs backwards" =>
        |steps, start, end| line(steps, end, start, steps - 1).collect();
}

wrong! {
    /// Wrong βs of the scaled linear schedule, of T and both ends.
    pub SCALED_LINEARS: fn(usize, f64, f64) -> Vec<f64>;

    shipped linear_for_scaled_linear: "betas equally spaced where their roots should be" =>
        |steps, start, end| line(steps, start, end, steps - 1).collect();
    slip roots_not_squared: "roots of the betas, not squared back" =>
        |steps, start, end| line(steps, start.sqrt(), end.sqrt(), steps - 1).collect();
}

wrong! {
    /// Wrong βs of the sigmoid schedule, of T and both ends.
    pub SIGMOIDS: fn(usize, f64, f64) -> Vec<f64>;

    slip narrow_sigmoid: "the logistic curve runs over (−3, 3) where (−6, 6) was meant" =>
        |steps, start, end| {
            line(steps, -3.0, 3.0, steps - 1).map(|u| start + (end - start) / (1.0 + (-u).exp())).collect()
        };
}

fn line(steps: usize, start: f64, end: f64, gaps: usize) -> impl Iterator<Item = f64> {
    (0..steps).map(move |i| start + (end - start) * i as f64 / gaps.max(1) as f64)
}

wrong! {
    /// Wrong βs of the cosine schedule, of T.
    pub COSINES: fn(usize) -> Vec<f64>;

    shipped cosine_integer_division: "integer division: t/T is 0 for every t < T, so every beta but the last is 0" =>
        |steps| cosine_with(steps, 0.999, |t| squared_cosine((t / steps as f64).floor(), 0.008));
    slip cosine_without_offset: "the offset s = 0.008 is missing" =>
        |steps| cosine_with(steps, 0.999, |t| squared_cosine(t / steps as f64, 0.0));
    slip cosine_not_squared: "cos where cos² was meant: ᾱ is √ᾱ" =>
        |steps| cosine_with(steps, 0.999, |t| squared_cosine(t / steps as f64, 0.008).sqrt());
    slip cosine_shifted: "the cosine schedule starts at t = 1 where it should at 0" =>
        |steps| cosine_with(steps, 0.999, |t| squared_cosine((t + 1.0) / steps as f64, 0.008));
    slip cosine_not_clipped: "the last beta of the cosine schedule is not clipped to 0.999" =>
        |steps| cosine_with(steps, 1.0, |t| squared_cosine(t / steps as f64, 0.008));
}

fn cosine_with(steps: usize, clip: f64, alpha_bar: impl Fn(f64) -> f64) -> Vec<f64> {
    let beta = |t: usize| (1.0 - alpha_bar(t as f64) / alpha_bar(t as f64 - 1.0)).min(clip);
    (1..=steps).map(beta).collect()
}

fn squared_cosine(fraction: f64, offset: f64) -> f64 {
    ((fraction + offset) / (1.0 + offset) * FRAC_PI_2).cos().powi(2)
}

wrong! {
    /// Wrong βs of the schedule that takes ᾱ down in a straight line, of T.
    pub JSDS: fn(usize) -> Vec<f64>;

    slip jsd_late: "1/(T − t + 2): ᾱ_T is not 0" =>
        |steps| (1..=steps).map(|t| 1.0 / (steps - t + 2) as f64).collect();
}

wrong! {
    /// Wrong βs of a chain rescaled to zero terminal SNR.
    pub RESCALINGS: fn(&[f64]) -> Vec<f64>;

    slip rescaled_alpha_bar: "ᾱ was shifted and scaled where √ᾱ should be" =>
        |betas| {
            let all = alpha_bars(betas);
            let (first, last) = (all[0], all[all.len() - 1]);
            betas_of(&all.iter().map(|a| (a - last) * first / (first - last)).collect::<Vec<_>>())
        };
    slip shifted_not_scaled: "√ᾱ was shifted to end in 0 but not scaled back to its first value" =>
        |betas| {
            let all = alpha_bars(betas);
            let last = all[all.len() - 1].sqrt();
            betas_of(&all.iter().map(|a| (a.sqrt() - last).powi(2)).collect::<Vec<_>>())
        };
    slip last_beta_set_to_one: "only the last beta was set to 1; the rest of the chain is not rescaled" =>
        |betas| {
            let mut all = betas.to_vec();
            all[betas.len() - 1] = 1.0;
            all
        };
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

wrong! {
    /// Wrong x₀ at pure noise, of what is predicted, the level, x_t and the network's output.
    pub X0_AT_NOISE: fn(Prediction, Level, f64, f64) -> Option<f64>;

    shipped eps_at_zero_snr: "x₀ from ε at zero terminal SNR: a division by √ᾱ_T = 0 gives NaN in silence" =>
        |prediction, level, xt, output| {
            let (signal, sigma) = (level.signal(), level.noise_std());
            Some(match prediction {
                Prediction::Epsilon => (xt - sigma * output) / signal,
                Prediction::X0 => output,
                Prediction::V => signal * xt - sigma * output,
                Prediction::Score => (xt + sigma * sigma * output) / signal,
            })
        };
}

wrong! {
    /// Wrong divergences of x_T from the prior, of the level and x₀.
    pub PRIOR_KLS: fn(Level, f64) -> f64;

    slip prior_kl_without_logarithm: "the prior KL is ½ᾱx₀²: its variance part is missing" =>
        |level, x0| 0.5 * level.alpha_bar() * x0 * x0;
    slip prior_kl_not_halved: "the prior KL without its factor ½" =>
        |level, x0| 2.0 * level.prior_kl(x0);
    slip prior_kl_reversed: "KL of the prior to x_T where that of x_T to the prior was meant" =>
        |level, x0| {
            let (mean, var) = (level.signal() * x0, level.one_minus_alpha_bar());
            0.5 * ((1.0 + mean * mean) / var - 1.0 + var.ln())
        };
    slip prior_kl_in_bits: "bits where nats were meant" =>
        |level, x0| level.prior_kl(x0) / LN_2;
}

wrong! {
    /// Wrong ln ᾱ_T of given βs.
    pub LIMITS: fn(&[f64]) -> f64;

    slip minus_sum_of_betas: "ln ᾱ_T is −Σβ to first order only" =>
        |betas| -betas.iter().sum::<f64>();
    slip always_vanishes: "ᾱ_T → 0 for every large T: false where the sum of the betas is finite" =>
        |betas| -0.01 * betas.len() as f64;
    slip last_factor_dropped: "the product stops at T − 1" =>
        |betas| betas[..betas.len() - 1].iter().map(|beta| (-beta).ln_1p()).sum();
}
