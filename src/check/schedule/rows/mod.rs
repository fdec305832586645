//! The claims of the chapter `schedule`, bound to this crate.

use std::f64::consts::LN_2;

mod table;

use crate::check::{Claim, Method, Row};
use crate::check::schedule::{self as check, Entry, log_alpha_bar_by_euler_maclaurin, prior_kl_by_quadrature};
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::check::schedule::faults as fault;
use crate::prediction::{Prediction, conversion};
use crate::schedule::{Betas, Level, Schedule, Timestep};

const CHAPTER: &str = "schedule";

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        levels(),
        table::table(),
        level_of_log_snr(),
        digits(),
        interpolation(),
        cosine_and_jsd(),
        zero_terminal_snr(),
        prior_kl(),
        vanishing(),
    ]
}

fn at(t: usize) -> Timestep {
    Timestep::new(t)
}

fn row(got: f64, want: f64, tol: Tol) -> Row {
    Row { got, want, tol }
}

/// Relative tolerance of a number listed with so many significant digits.
fn digits_listed(digits: i32) -> Tol {
    Tol::rel(5.0 * 10f64.powi(-digits), "significant digits listed")
}

fn valid(betas: crate::Result<Betas>) -> Schedule {
    Schedule::new(betas.expect("parameters inside the valid range"))
}

fn levels() -> Claim {
    Claim::legacy(
        "levels_follow_from_the_betas",
        CHAPTER,
        "α, ᾱ, 1 − ᾱ, their roots, SNR and log-SNR follow from the βs as given",
        Method::OtherPremises("compensated sum of ln(1 − β), then exp and expm1"),
        |run| columns(run, entry),
    )
    .row("S0.05", || {
        let beta: f64 = Schedule::ddpm().betas().as_slice()[499];
        row(Schedule::ddpm().step(at(500)).alpha(), (-beta).ln_1p().exp(), Tol::roundings(1.0, 1.0, "1 ulp"))
    })
    .row("S0.06", || {
        let sum: f64 = Schedule::ddpm().betas().as_slice()[..500].iter().map(|b| (-b).ln_1p()).sum();
        row(Schedule::ddpm().alpha_bar(at(500)), sum.exp(), Tol::rel(1e-13, "500 roundings of a sum of size 2.5"))
    })
    .row("S2.10", || row(Schedule::ddpm().alpha_bar(at(1000)), 4.035_829_765_38e-5, digits_listed(12)))
    .fault(fault::SHIFTED_ALPHA_BAR, |run| columns(run, fault::shifted_alpha_bar))
    .fault(fault::SUM_FOR_PRODUCT, |run| columns(run, fault::sum_for_product))
    .fault(fault::EXPONENTIAL_FOR_PRODUCT, |run| columns(run, fault::exponential_for_product))
    .fault(fault::PRODUCT_OF_ROOTS, |run| columns(run, fault::product_of_roots))
    .fault(fault::FIRST_FACTOR_DROPPED, |run| columns(run, fault::first_factor_dropped))
    .fault(fault::VARIANCE_FOR_STD, |run| columns(run, fault::variance_for_std))
    .fault(fault::AMPLITUDE_RATIO_FOR_SNR, |run| columns(run, fault::amplitude_ratio_for_snr))
    .fault(fault::HALF_LOG_SNR, |run| columns(run, fault::half_log_snr))
    .fault(fault::INVERTED_LOG_SNR, |run| columns(run, fault::inverted_log_snr))
}

fn entry(schedule: &Schedule, t: Timestep) -> Entry {
    let level = schedule.level(t);
    Entry {
        alpha: if t == Timestep::DATA { 1.0 } else { schedule.step(t).alpha() },
        alpha_bar: schedule.alpha_bar(t),
        one_minus_alpha_bar: level.one_minus_alpha_bar(),
        signal: level.signal(),
        noise_std: level.noise_std(),
        snr: level.snr(),
        log_snr: level.log_snr(),
    }
}

fn columns(run: &Run, f: fn(&Schedule, Timestep) -> Entry) -> Outcome {
    let ends_in_noise = check::levels_follow_from_betas(f, &valid(Betas::jsd(10)))?;
    Ok(ends_in_noise.and(run.over_schedules(|schedule| check::levels_follow_from_betas(f, schedule))?))
}

fn level_of_log_snr() -> Claim {
    Claim::legacy(
        "log_snr_determines_signal_and_noise",
        CHAPTER,
        "λ = ln SNR gives ᾱ and 1 − ᾱ with a² + σ² = 1, each with all its digits, and comes back",
        Method::OtherPremises("hyperbolic form, symmetric in the two parts"),
        |run| from_log_snr(run, |log_snr| Level::from_log_snr(log_snr).expect("a number")),
    )
    .row("S1.20", || {
        let step = Schedule::ddpm().step(at(300));
        let a = step.alpha().sqrt();
        let tol = Tol::rel(f64::EPSILON / step.beta(), "rounding of a over 1 − a²");
        row(step.beta().sqrt(), ((1.0 - a) * (1.0 + a)).sqrt(), tol)
    })
    .fault(fault::HALF_LOG_SNR_READ_AS_WHOLE, |run| from_log_snr(run, fault::half_log_snr_read_as_whole))
    .fault(fault::SIGNAL_AND_NOISE_EXCHANGED, |run| from_log_snr(run, fault::signal_and_noise_exchanged))
    .fault(fault::NOISE_FROM_ROUNDED_SIGNAL, |run| from_log_snr(run, fault::noise_from_rounded_signal))
    .fault(fault::LOG_SNR_IN_DECIBELS, |run| from_log_snr(run, fault::log_snr_in_decibels))
}

fn from_log_snr(run: &Run, f: fn(f64) -> Level) -> Outcome {
    run.over(|[u]| check::level_of_log_snr(f, uniform(u, -40.0, 40.0)))
}

fn digits() -> Claim {
    Claim::legacy(
        "one_minus_alpha_bar_keeps_its_digits",
        CHAPTER,
        "1 − ᾱ has all its digits where it is small",
        Method::Enumeration("recursion v ← (1 − β) v + β, positive terms only"),
        |run| kept_digits(run, one_minus),
    )
    .row("B9", || row(error_of(fault::one_minus_in_f32, 1), 1.66e-4, digits_listed(3)))
    .row("B9", || row(error_of(fault::one_minus_in_f32, 2), 1.51e-4, digits_listed(3)))
    .row("B9", || row(error_of(fault::one_minus_in_f32, 10), 1.9e-5, digits_listed(2)))
    .row("B9", || row(error_of(fault::one_minus_by_expm1_in_f32, 1), 2.5e-8, digits_listed(2)))
    .row("B9", || row(error_of_beta_tilde_in_f32(), 1.5e-5, digits_listed(2)))
    .fault(fault::ONE_MINUS_IN_F32, |run| kept_digits(run, fault::one_minus_in_f32))
    .fault(fault::ONE_MINUS_BY_SUBTRACTION, |run| kept_digits(run, fault::one_minus_by_subtraction))
    .fault(fault::ONE_MINUS_BY_EXPM1_IN_F32, |run| kept_digits(run, fault::one_minus_by_expm1_in_f32))
    .fault(fault::NOISE_NOT_SHRUNK, |run| kept_digits(run, fault::noise_not_shrunk))
}

fn one_minus(betas: &[f64]) -> Vec<f64> {
    let schedule = valid(Betas::new(betas.to_vec()));
    schedule.timesteps().map(|t| schedule.level(t).one_minus_alpha_bar()).collect()
}

fn kept_digits(run: &Run, f: fn(&[f64]) -> Vec<f64>) -> Outcome {
    run.over_schedules(|schedule| check::one_minus_alpha_bar_keeps_digits(f, schedule.betas().as_slice()))
}

/// Relative error of 1 − ᾱ_t on the linear schedule.
fn error_of(f: fn(&[f64]) -> Vec<f64>, t: usize) -> f64 {
    let schedule = Schedule::ddpm();
    let right = schedule.level(at(t)).one_minus_alpha_bar();
    (f(schedule.betas().as_slice())[t - 1] - right).abs() / right
}

/// Relative error of β̃_2 = β_2 (1 − ᾱ_1)/(1 − ᾱ_2) with both from f32.
fn error_of_beta_tilde_in_f32() -> f64 {
    let schedule = Schedule::ddpm();
    let ratio = |all: Vec<f64>| all[0] / all[1];
    let right = ratio(one_minus(schedule.betas().as_slice()));
    (ratio(fault::one_minus_in_f32(schedule.betas().as_slice())) - right).abs() / right
}

/// The schedules that run between two ends.
#[derive(Clone, Copy)]
struct Interpolating {
    linear: fn(usize, f64, f64) -> Vec<f64>,
    scaled_linear: fn(usize, f64, f64) -> Vec<f64>,
    sigmoid: fn(usize, f64, f64) -> Vec<f64>,
    constant: fn(usize, f64, f64) -> Vec<f64>,
}

const INTERPOLATING: Interpolating = Interpolating {
    linear: |steps, start, end| numbers(Betas::linear(steps, start, end)),
    scaled_linear: |steps, start, end| numbers(Betas::scaled_linear(steps, start, end)),
    sigmoid: |steps, start, end| numbers(Betas::sigmoid(steps, start, end)),
    constant: |steps, beta, _| numbers(Betas::constant(steps, beta)),
};

fn numbers(betas: crate::Result<Betas>) -> Vec<f64> {
    betas.expect("parameters inside the valid range").as_slice().to_vec()
}

fn interpolation() -> Claim {
    Claim::legacy(
        "betas_run_from_start_to_end",
        CHAPTER,
        "linear, scaled_linear, sigmoid and constant βs are what their names say, both ends counted",
        Method::OtherPremises("convex combinations of the ends, tanh for the logistic curve"),
        |run| between_ends(run, INTERPOLATING),
    )
    .row("S3.83", || row(Schedule::ddpm().beta(at(500)), 0.010_040_040_04, Tol::printed(11)))
    .row("S3.83", || row(Schedule::ddpm().last().get() as f64, 1000.0, Tol::exact()))
    .fault(fault::END_NOT_COUNTED, |run| {
        between_ends(run, Interpolating { linear: fault::end_not_counted, ..INTERPOLATING })
    })
    .fault(fault::BETA_TENDS_TO_ONE, |run| {
        between_ends(run, Interpolating { linear: fault::beta_tends_to_one, ..INTERPOLATING })
    })
    .fault(fault::ENDS_EXCHANGED, |run| {
        between_ends(run, Interpolating { linear: fault::ends_exchanged, ..INTERPOLATING })
    })
    .fault(fault::LINEAR_FOR_SCALED_LINEAR, |run| {
        between_ends(run, Interpolating { scaled_linear: fault::linear_for_scaled_linear, ..INTERPOLATING })
    })
    .fault(fault::ROOTS_NOT_SQUARED, |run| {
        between_ends(run, Interpolating { scaled_linear: fault::roots_not_squared, ..INTERPOLATING })
    })
    .fault(fault::NARROW_SIGMOID, |run| {
        between_ends(run, Interpolating { sigmoid: fault::narrow_sigmoid, ..INTERPOLATING })
    })
}

fn between_ends(run: &Run, f: Interpolating) -> Outcome {
    let all = |steps: usize, start: f64, end: f64| -> Outcome {
        Ok(check::linear(f.linear, steps, start, end)?
            .and(check::scaled_linear(f.scaled_linear, steps, start, end)?)
            .and(check::sigmoid(f.sigmoid, steps, start, end)?)
            .and(check::linear(f.constant, steps, start, start)?))
    };
    let reference = all(1000, 1e-4, 0.02)?;
    let random = run.over(|[u, v, w]: [f64; 3]| {
        let start = log_uniform(v, 1e-5, 0.1);
        all(2 + (u * 100.0) as usize, start, uniform(w, start, 0.9))
    })?;
    Ok(reference.and(random))
}

fn cosine_and_jsd() -> Claim {
    Claim::legacy(
        "cosine_and_jsd_betas_give_their_alpha_bar",
        CHAPTER,
        "the schedules defined by ᾱ (cosine; 1 − t/T) have the βs that multiply back to it",
        Method::OtherPremises("logarithms of 1 − β summed, against ln cos²; running product against 1 − t/T"),
        |run| from_alpha_bar(run, |steps| numbers(Betas::cosine(steps)), |steps| numbers(Betas::jsd(steps))),
    )
    .row("S2.11", || row(Schedule::improved_ddpm().alpha_bar(at(500)), 0.493_844, Tol::printed(6)))
    .row("B6", || row(Schedule::improved_ddpm().beta(at(1)), 4.128_422e-5, digits_listed(7)))
    .row("B6", || row(Schedule::improved_ddpm().alpha_bar(at(1000)), 2.4288e-9, digits_listed(5)))
    .row("B6", || {
        let free = Schedule::improved_ddpm().betas().as_slice().iter().filter(|&&b| b < 0.999).count();
        row(free as f64, 999.0, Tol::exact())
    })
    .row("S3.47", || row(valid(Betas::jsd(1000)).beta(at(999)), 0.5, Tol::exact()))
    .row("S3.47", || row(Schedule::ddpm().beta(at(1000)), 0.02, Tol::exact()))
    .fault(fault::COSINE_BY_INTEGER_DIVISION, |run| cosine_only(run, fault::cosine_by_integer_division))
    .fault(fault::COSINE_WITHOUT_OFFSET, |run| cosine_only(run, fault::cosine_without_offset))
    .fault(fault::COSINE_NOT_SQUARED, |run| cosine_only(run, fault::cosine_not_squared))
    .fault(fault::COSINE_SHIFTED, |run| cosine_only(run, fault::cosine_shifted))
    .fault(fault::COSINE_NOT_CLIPPED, |run| cosine_only(run, fault::cosine_not_clipped))
    .fault(fault::JSD_LATE, |run| from_alpha_bar(run, |steps| numbers(Betas::cosine(steps)), fault::jsd_late))
}

fn cosine_only(run: &Run, f: fn(usize) -> Vec<f64>) -> Outcome {
    from_alpha_bar(run, f, |steps| numbers(Betas::jsd(steps)))
}

fn from_alpha_bar(run: &Run, cosine: fn(usize) -> Vec<f64>, jsd: fn(usize) -> Vec<f64>) -> Outcome {
    let lengths = [1, 2, 3, 10, 100, 1000, 4000].into_iter();
    let random = run.points::<1>().map(|[u]| 1 + (log_uniform(u, 1.0, 300.0)) as usize);
    lengths.chain(random).try_fold(Evidence::none(), |all, steps| {
        Ok(all.and(check::cosine(cosine, steps)?).and(check::jsd(jsd, steps)?))
    })
}

fn zero_terminal_snr() -> Claim {
    Claim::legacy(
        "zero_terminal_snr_ends_in_pure_noise",
        CHAPTER,
        "the rescaled chain keeps √ᾱ_1, ends in exactly ᾱ_T = 0, and from there x₀ has no value from ε",
        Method::OtherPremises("ratios of differences of √ᾱ by expm1 of summed logarithms"),
        |run| pure_noise(run, rescaled, x0_from),
    )
    .row("B5", || row(Schedule::ddpm().level(at(1000)).snr(), 4.035_99e-5, digits_listed(6)))
    .row("B5", || {
        let betas = rescaled(Schedule::ddpm().betas().as_slice());
        row(betas[999] - betas[0], 0.9999, Tol::roundings(1.0, 1.0, "2 ulp of the first beta, below 1 ulp here"))
    })
    .row("B5", || {
        let schedule = Schedule::ddpm();
        let got = valid(Betas::zero_terminal_snr(&schedule)).level(at(1)).signal();
        row(got, (1.0 - schedule.betas().as_slice()[0]).sqrt(), Tol::roundings(1.0, 1.0, "2 ulp below 1"))
    })
    .row("S1.13", || {
        let schedule = Schedule::ddpm();
        let sum = |t: usize| schedule.betas().as_slice()[..t].iter().map(|b| (-b).ln_1p()).sum::<f64>();
        let root = |t: usize| (0.5 * sum(t)).exp();
        let want = root(1) * (root(999) - root(1000)) / (root(1) - root(1000));
        let got = valid(Betas::zero_terminal_snr(&schedule)).level(at(999)).signal();
        row(got, want, Tol::rel(1e-12, "1000 roundings of a sum of size 10, two close roots subtracted"))
    })
    .row("A1.2", || row(Schedule::ddpm().level(at(1000)).signal(), 0.006_35, Tol::printed(5)))
    .fault(fault::RESCALED_ALPHA_BAR, |run| pure_noise(run, fault::rescaled_alpha_bar, x0_from))
    .fault(fault::SHIFTED_NOT_SCALED, |run| pure_noise(run, fault::shifted_not_scaled, x0_from))
    .fault(fault::LAST_BETA_SET_TO_ONE, |run| pure_noise(run, fault::last_beta_set_to_one, x0_from))
    .fault(fault::EPS_AT_ZERO_SNR, |run| pure_noise(run, rescaled, fault::eps_at_zero_snr))
}

fn rescaled(betas: &[f64]) -> Vec<f64> {
    numbers(Betas::zero_terminal_snr(&valid(Betas::new(betas.to_vec()))))
}

fn x0_from(prediction: Prediction, level: Level, xt: f64, output: f64) -> Option<f64> {
    conversion(prediction, Prediction::X0, level).ok().map(|map| map.at(xt, output))
}

fn pure_noise(run: &Run, f: fn(&[f64]) -> Vec<f64>, x0: fn(Prediction, Level, f64, f64) -> Option<f64>) -> Outcome {
    let all = run.over_schedules(|schedule| match schedule.len() {
        1 => Ok(Evidence::none()),
        _ => check::zero_terminal_snr(f, schedule.betas().as_slice()),
    })?;
    let end = run.over(|[u, v]| check::x0_at_pure_noise(x0, uniform(u, -3.0, 3.0), uniform(v, -3.0, 3.0)))?;
    Ok(all.and(end))
}

fn prior_kl() -> Claim {
    Claim::legacy(
        "prior_kl_equals_quadrature",
        CHAPTER,
        "the KL of x_T given x₀ to standard noise is ½(ᾱx₀² − ᾱ − ln(1 − ᾱ)); small, never 0 unless ᾱ_T is",
        Method::Numerical("trapezoidal rule on the two log densities"),
        |run| prior(run, |level, x0| level.prior_kl(x0)),
    )
    .row("S0.01", || {
        let end = Schedule::improved_ddpm().level(at(1000));
        row(end.prior_kl(1.0), prior_kl_by_quadrature(end, 1.0), Tol::abs(1e-15, "4 roundings of order 1"))
    })
    .row("A0.3", || row(Schedule::improved_ddpm().level(at(1000)).prior_kl(1.0), 1.21e-9, digits_listed(3)))
    .row("S1.65", || {
        let end = Schedule::ddpm().level(at(1000));
        row(end.prior_kl(1.0), prior_kl_by_quadrature(end, 1.0), Tol::rel(1e-10, "4 roundings of order 1 over 2e-5"))
    })
    .row("S1.65", || row(Schedule::ddpm().level(at(1000)).prior_kl(1.0), 2.018e-5, digits_listed(4)))
    .row("S1.65", || row(Schedule::ddpm().level(at(1000)).prior_kl(0.28f64.sqrt()), 5.65e-6, digits_listed(3)))
    .row("S1.65", || row(Schedule::ddpm().level(at(1000)).prior_kl(0.28f64.sqrt()) / LN_2, 8.15e-6, digits_listed(3)))
    .fault(fault::PRIOR_KL_WITHOUT_LOGARITHM, |run| prior(run, fault::prior_kl_without_logarithm))
    .fault(fault::PRIOR_KL_NOT_HALVED, |run| prior(run, fault::prior_kl_not_halved))
    .fault(fault::PRIOR_KL_REVERSED, |run| prior(run, fault::prior_kl_reversed))
    .fault(fault::PRIOR_KL_IN_BITS, |run| prior(run, fault::prior_kl_in_bits))
}

fn prior(run: &Run, f: fn(Level, f64) -> f64) -> Outcome {
    run.over(|[u, v]: [f64; 2]| {
        let level = Level::from_log_snr(uniform(u, -24.0, 12.0)).expect("a number");
        check::prior_kl(f, level, uniform(v, -3.0, 3.0))
    })
}

fn vanishing() -> Claim {
    Claim::legacy(
        "alpha_bar_vanishes_only_with_a_divergent_sum_of_betas",
        CHAPTER,
        "with fixed ends ln ᾱ_T falls in proportion to T; with β_t = c²/t² it converges to ln sin(πc)/(πc)",
        Method::OtherPremises("Euler–Maclaurin; Euler's sine product"),
        |run| limit(run, log_alpha_bar),
    )
    .row("S3.34", || {
        let got = log_alpha_bar(&numbers(Betas::linear(10_000, 1e-4, 0.02)));
        row(got, log_alpha_bar_by_euler_maclaurin(10_000, 1e-4, 0.02), Tol::rel(1e-13, "cancelled end points"))
    })
    .row("A3.2", || {
        let betas: Vec<f64> = (1..=100_000).map(|t| 0.02 / f64::from(t).powi(2)).collect();
        row(log_alpha_bar(&betas).exp(), 0.967_425, Tol::printed(6))
    })
    .fault(fault::MINUS_SUM_OF_BETAS, |run| limit(run, fault::minus_sum_of_betas))
    .fault(fault::ALWAYS_VANISHES, |run| limit(run, fault::always_vanishes))
    .fault(fault::LAST_FACTOR_DROPPED, |run| limit(run, fault::last_factor_dropped))
}

fn log_alpha_bar(betas: &[f64]) -> f64 {
    let schedule = valid(Betas::new(betas.to_vec()));
    schedule.level(schedule.last()).log_alpha_bar()
}

fn limit(run: &Run, f: fn(&[f64]) -> f64) -> Outcome {
    let linear = [100, 1000, 10_000].into_iter().try_fold(Evidence::none(), |all, steps| {
        Ok(all.and(check::log_alpha_bar_of_linear(f, &numbers(Betas::linear(steps, 1e-4, 0.02)))?))
    })?;
    let squares = run.over(|[u, v]: [f64; 2]| {
        let steps = log_uniform(u, 20.0, 3000.0) as usize;
        check::log_alpha_bar_of_inverse_squares(f, log_uniform(v, 1e-3, 0.5), steps)
    })?;
    Ok(linear.and(squares))
}
