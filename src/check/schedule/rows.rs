//! What the claims on schedules cover of the ledger, with numbers.

use std::f64::consts::LN_2;

use super::faults::NOISES;
use super::{Curves, Entry, Rounding, log_alpha_bar_by_euler_maclaurin, prior_kl_by_quadrature};
use crate::check::{self, Claim, Row, Tol, Wrong};
use crate::prediction::{Prediction, conversion};
use crate::schedule::{Betas, Level, Schedule, Timestep};
use crate::table::{Quantity, Table};

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        levels(),
        table(),
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
    Claim::new(|| check::schedule::levels(entry))
        .row("S0.05", || {
            let beta: f64 = Schedule::ddpm().betas().as_slice()[499];
            row(Schedule::ddpm().step(at(500)).alpha(), (-beta).ln_1p().exp(), Tol::roundings(1.0, 1.0, "1 ulp"))
        })
        .row("S0.06", || {
            let sum: f64 = Schedule::ddpm().betas().as_slice()[..500].iter().map(|b| (-b).ln_1p()).sum();
            row(Schedule::ddpm().alpha_bar(at(500)), sum.exp(), Tol::rel(1e-13, "500 roundings of a sum of size 2.5"))
        })
        .row("S2.10", || row(Schedule::ddpm().alpha_bar(at(1000)), 4.035_829_765_38e-5, digits_listed(12)))
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

fn table() -> Claim {
    Claim::new(|| check::schedule::table(column, &[Rounding::Best, Rounding::OrdinaryF64, Rounding::OrdinaryF32]))
        .row("S0.06", || {
            let table = Table::new(&Schedule::ddpm());
            let sum: f64 = Schedule::ddpm().betas().as_slice().iter().map(|b| (-b).ln_1p()).sum();
            let tol = Tol::rel(1e-12, "1000 roundings of a sum of size 10");
            row(table.column(Quantity::AlphaBar)[table.len() - 1], sum.exp(), tol)
        })
}

fn column(schedule: &Schedule, column: Quantity, rounding: Rounding) -> Vec<f64> {
    let betas = schedule.betas().as_slice();
    match rounding {
        Rounding::Best => Table::new(schedule).column(column).to_vec(),
        Rounding::OrdinaryF64 => Table::ordinary::<f64>(betas).column(column).to_vec(),
        Rounding::OrdinaryF32 => Table::ordinary::<f32>(betas).column(column).to_vec(),
    }
}

fn level_of_log_snr() -> Claim {
    Claim::new(|| check::schedule::level_of_log_snr(|log_snr| Level::from_log_snr(log_snr).expect("a number"))).row(
        "S1.20",
        || {
            let step = Schedule::ddpm().step(at(300));
            let a = step.alpha().sqrt();
            let tol = Tol::rel(f64::EPSILON / step.beta(), "rounding of a over 1 − a²");
            row(step.beta().sqrt(), ((1.0 - a) * (1.0 + a)).sqrt(), tol)
        },
    )
}

fn digits() -> Claim {
    Claim::new(|| check::schedule::keeps_digits(one_minus))
        .row("B9", || row(error_of("one_minus_in_f32", 1), 1.66e-4, digits_listed(3)))
        .row("B9", || row(error_of("one_minus_in_f32", 2), 1.51e-4, digits_listed(3)))
        .row("B9", || row(error_of("one_minus_in_f32", 10), 1.9e-5, digits_listed(2)))
        .row("B9", || row(error_of("one_minus_by_expm1_in_f32", 1), 2.5e-8, digits_listed(2)))
        .row("B9", || row(error_of_beta_tilde_in_f32(), 1.5e-5, digits_listed(2)))
}

fn one_minus(betas: &[f64]) -> Vec<f64> {
    let schedule = valid(Betas::new(betas.to_vec()));
    schedule.timesteps().map(|t| schedule.level(t).one_minus_alpha_bar()).collect()
}

/// Relative error of 1 − ᾱ_t on the linear schedule.
fn error_of(wrong: &str, t: usize) -> f64 {
    let schedule = Schedule::ddpm();
    let right = schedule.level(at(t)).one_minus_alpha_bar();
    let wrong = (Wrong::named(NOISES, wrong).f)(schedule.betas().as_slice());
    (wrong[t - 1] - right).abs() / right
}

/// Relative error of β̃_2 = β_2 (1 − ᾱ_1)/(1 − ᾱ_2) with both from f32.
fn error_of_beta_tilde_in_f32() -> f64 {
    let schedule = Schedule::ddpm();
    let ratio = |all: Vec<f64>| all[0] / all[1];
    let right = ratio(one_minus(schedule.betas().as_slice()));
    (ratio((Wrong::named(NOISES, "one_minus_in_f32").f)(schedule.betas().as_slice())) - right).abs() / right
}

fn interpolation() -> Claim {
    Claim::new(|| check::schedule::between_ends(CURVES))
        .row("S3.83", || row(Schedule::ddpm().beta(at(500)), 0.010_040_040_04, Tol::printed(11)))
        .row("S3.83", || row(Schedule::ddpm().last().get() as f64, 1000.0, Tol::exact()))
}

const CURVES: Curves = Curves {
    linear: |steps, start, end| numbers(Betas::linear(steps, start, end)),
    scaled_linear: |steps, start, end| numbers(Betas::scaled_linear(steps, start, end)),
    sigmoid: |steps, start, end| numbers(Betas::sigmoid(steps, start, end)),
    constant: |steps, beta, _| numbers(Betas::constant(steps, beta)),
};

fn numbers(betas: crate::Result<Betas>) -> Vec<f64> {
    betas.expect("parameters inside the valid range").as_slice().to_vec()
}

fn cosine_and_jsd() -> Claim {
    Claim::new(|| {
        check::schedule::cosine_and_jsd(|steps| numbers(Betas::cosine(steps)), |steps| numbers(Betas::jsd(steps)))
    })
    .row("S2.11", || row(Schedule::improved_ddpm().alpha_bar(at(500)), 0.493_844, Tol::printed(6)))
    .row("B6", || row(Schedule::improved_ddpm().beta(at(1)), 4.128_422e-5, digits_listed(7)))
    .row("B6", || row(Schedule::improved_ddpm().alpha_bar(at(1000)), 2.4288e-9, digits_listed(5)))
    .row("B6", || {
        let free = Schedule::improved_ddpm().betas().as_slice().iter().filter(|&&b| b < 0.999).count();
        row(free as f64, 999.0, Tol::exact())
    })
    .row("S3.47", || row(valid(Betas::jsd(1000)).beta(at(999)), 0.5, Tol::exact()))
    .row("S3.47", || row(Schedule::ddpm().beta(at(1000)), 0.02, Tol::exact()))
}

fn zero_terminal_snr() -> Claim {
    Claim::new(|| check::schedule::zero_terminal_snr(rescaled, x0_from))
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
}

fn rescaled(betas: &[f64]) -> Vec<f64> {
    numbers(Betas::zero_terminal_snr(&valid(Betas::new(betas.to_vec()))))
}

fn x0_from(prediction: Prediction, level: Level, xt: f64, output: f64) -> Option<f64> {
    conversion(prediction, Prediction::X0, level).ok().map(|map| map.at(xt, output))
}

fn prior_kl() -> Claim {
    Claim::new(|| check::schedule::prior_kl(|level, x0| level.prior_kl(x0)))
        .row("S0.01", || {
            let end = Schedule::improved_ddpm().level(at(1000));
            row(end.prior_kl(1.0), prior_kl_by_quadrature(end, 1.0), Tol::abs(1e-15, "4 roundings of order 1"))
        })
        .row("A0.3", || row(Schedule::improved_ddpm().level(at(1000)).prior_kl(1.0), 1.21e-9, digits_listed(3)))
        .row("S1.65", || {
            let end = Schedule::ddpm().level(at(1000));
            row(
                end.prior_kl(1.0),
                prior_kl_by_quadrature(end, 1.0),
                Tol::rel(1e-10, "4 roundings of order 1 over 2e-5"),
            )
        })
        .row("S1.65", || row(Schedule::ddpm().level(at(1000)).prior_kl(1.0), 2.018e-5, digits_listed(4)))
        .row("S1.65", || row(Schedule::ddpm().level(at(1000)).prior_kl(0.28f64.sqrt()), 5.65e-6, digits_listed(3)))
        .row("S1.65", || {
            row(Schedule::ddpm().level(at(1000)).prior_kl(0.28f64.sqrt()) / LN_2, 8.15e-6, digits_listed(3))
        })
}

fn vanishing() -> Claim {
    Claim::new(|| check::schedule::vanishing(log_alpha_bar))
        .row("S3.34", || {
            let got = log_alpha_bar(&numbers(Betas::linear(10_000, 1e-4, 0.02)));
            row(got, log_alpha_bar_by_euler_maclaurin(10_000, 1e-4, 0.02), Tol::rel(1e-13, "cancelled end points"))
        })
        .row("A3.2", || {
            let betas: Vec<f64> = (1..=100_000).map(|t| 0.02 / f64::from(t).powi(2)).collect();
            row(log_alpha_bar(&betas).exp(), 0.967_425, Tol::printed(6))
        })
}

fn log_alpha_bar(betas: &[f64]) -> f64 {
    let schedule = valid(Betas::new(betas.to_vec()));
    schedule.level(schedule.last()).log_alpha_bar()
}
