//! The claim on a schedule's table: every column from the sums of ln(1 − β).

use super::{EPS, falling_in_a_line, log_alpha_bars};
use crate::check::{Check, Evidence, Method, Outcome, Run, Tol, Trial};
use crate::diagnose::faults::{Chain, TABLE_FAULTS};
use crate::schedule::Schedule;
use crate::table::{Quantity, Table};

/// In what precision a table was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Nothing is lost beyond the last place: what this check itself loses is allowed, 16 + 2|L| roundings.
    Best,
    /// Cumulative product and `1 − ᾱ` by subtraction, in f64: `8 (t + 8) ε/(1 − ᾱ)`.
    OrdinaryF64,
    /// The same in f32.
    OrdinaryF32,
}

/// Every column of a table is what the posterior, the SNR and the bound's weights come to.
///
/// ```text
/// L_t = Σ ln(1 − β_s)   V = −expm1(L)   1/β̃ = α/β + 1/V_{t−1}
/// mean of q(x_{t−1} | x_t, x₀):  β̃ (√α x_t/β + √ᾱ_{t−1} x₀/V_{t−1})      weight at σ²: ½ (β/√(αV))²/σ²
/// ```
///
/// `f(schedule, column, rounding)` holds time t at index t − 1, computed in the precision named; it is tried in each of
/// `roundings`. Method: logarithms added with compensation, precisions added; no cumulative product, no subtraction from 1.
/// Source: Ho et al. 2020, arXiv:2006.11239, eq. (4), (7), (12).
///
/// ```
/// use alphabar::{Schedule, check, check::schedule::Rounding, table::{Quantity, Table}};
///
/// let mine = |schedule: &Schedule, column: Quantity, _: Rounding| Table::new(schedule).column(column).to_vec();
/// check::schedule::table(mine, &[Rounding::Best]).points(8).assert();
/// ```
pub fn table<'f>(f: impl Fn(&Schedule, Quantity, Rounding) -> Vec<f64> + 'f, roundings: &'f [Rounding]) -> Check<'f> {
    let method = Method::OtherPremises("compensated sums of ln(1 − β), addition of precisions");
    let sentence =
        "β̃, both factors of the posterior mean, the loss weights and the rest of a table are what the βs make them";
    let check = Check::new("table_columns_follow_from_the_betas", sentence, method, move |run| {
        roundings.iter().try_fold(Evidence::none(), |all, rounding| Ok(all.and(tables(run, &f, *rounding)?)))
    });
    let known = SPOILT.iter().flat_map(|(name, column)| {
        TABLE_FAULTS.iter().filter(|known| known.fault.name == *name).map(|known| (known, *column))
    });
    known.fold(check, |check, (known, wrong)| {
        let table =
            move |schedule: &Schedule, column: Quantity, _: Rounding| spoilt(schedule, column, wrong, known.entry);
        check.fault(known.fault, move |run| tables(run, table, Rounding::Best))
    })
}

fn tables(run: &Run, f: impl Fn(&Schedule, Quantity, Rounding) -> Vec<f64>, rounding: Rounding) -> Outcome {
    let all = run.over_schedules(|schedule| columns_follow_from_betas(&f, schedule, rounding))?;
    if rounding != Rounding::Best {
        return Ok(all);
    }
    Ok(all.and(columns_follow_from_betas(&f, &falling_in_a_line(10), rounding)?))
}

/// The mistakes that are tried, and the columns that they spoil.
const SPOILT: [(&str, Quantity); 6] = [
    ("beta_for_beta_tilde", Quantity::BetaTilde),
    ("variance_shifted", Quantity::BetaTilde),
    ("alpha_bar_t_for_s_on_x0", Quantity::MeanX0),
    ("root_alpha_bar_on_xt", Quantity::MeanXt),
    ("snr_upside_down", Quantity::Snr),
    ("variance_for_std", Quantity::SqrtOneMinusAlphaBar),
];

/// The right table but for one column.
fn spoilt(schedule: &Schedule, column: Quantity, wrong: Quantity, entry_of: fn(&Chain, usize) -> f64) -> Vec<f64> {
    let betas = schedule.betas().as_slice();
    if column == wrong {
        let chain = Chain::new(betas.to_vec());
        return (0..chain.steps()).map(|i| entry_of(&chain, i)).collect();
    }
    let logs = log_alpha_bars(betas);
    logs.windows(2).zip(betas).map(|(logs, beta)| entry(column, *beta, [logs[0], logs[1]])).collect()
}

fn columns_follow_from_betas(
    f: impl Fn(&Schedule, Quantity, Rounding) -> Vec<f64>,
    schedule: &Schedule,
    rounding: Rounding,
) -> Outcome {
    let betas = schedule.betas().as_slice();
    let logs = log_alpha_bars(betas);
    let mut trial = Trial::new();
    for column in Table::COLUMNS {
        let got = f(schedule, column, rounding);
        let length = || format!("length of {}", column.name());
        trial.close("entries", got.len() as f64, betas.len() as f64, Tol::exact(), length)?;
        for (t, (&got, &beta)) in (1..).zip(got.iter().zip(betas)) {
            let noise = |t: usize| -logs[t].exp_m1();
            let allowed = match rounding {
                Rounding::Best => (16.0 + 2.0 * logs[t].abs().min(800.0)) * EPS,
                Rounding::OrdinaryF64 => 8.0 * (t as f64 + 8.0) * EPS / noise((t - 1).max(1)),
                Rounding::OrdinaryF32 => 8.0 * (t as f64 + 8.0) * f64::from(f32::EPSILON) / noise((t - 1).max(1)),
            };
            let tol = match column {
                Quantity::LogSnr | Quantity::LogBetaTilde => {
                    let scale = 1.0 + logs[t].abs().min(800.0) + noise(t).ln().abs() + beta.ln().abs();
                    Tol::abs(allowed * scale, "roundings of two logarithms")
                }
                _ => Tol::rel(allowed, "roundings of sums, exp and expm1"),
            };
            trial
                .close(column.name(), got, entry(column, beta, [logs[t - 1], logs[t]]), tol, || format!("t = {t}"))?;
        }
    }
    Ok(trial.evidence())
}

/// One entry from β and ln ᾱ before and after.
fn entry(column: Quantity, beta: f64, [before, now]: [f64; 2]) -> f64 {
    let alpha = 1.0 - beta;
    let (noise_before, noise) = (-before.exp_m1(), -now.exp_m1());
    let first = noise_before <= 0.0;
    let beta_tilde = if first { 0.0 } else { 1.0 / (alpha / beta + 1.0 / noise_before) };
    let weight = |var: f64| 0.5 * (beta / (alpha * noise).sqrt()).powi(2) / var;
    match column {
        Quantity::Beta => beta,
        Quantity::Alpha => alpha,
        Quantity::SqrtAlpha => alpha.sqrt(),
        Quantity::AlphaBar => now.exp(),
        Quantity::OneMinusAlphaBar => noise,
        Quantity::SqrtAlphaBar => (0.5 * now).exp(),
        Quantity::SqrtOneMinusAlphaBar => noise.sqrt(),
        Quantity::Snr => 1.0 / (-now).exp_m1(),
        Quantity::LogSnr => now - noise.ln(),
        Quantity::BetaTilde => beta_tilde,
        Quantity::LogBetaTilde => beta_tilde.ln(),
        Quantity::MeanX0 if first => 1.0,
        Quantity::MeanX0 => beta_tilde * (0.5 * before).exp() / noise_before,
        Quantity::MeanXt => beta_tilde * alpha.sqrt() / beta,
        Quantity::LossWeightBeta => weight(beta),
        Quantity::LossWeightBetaTilde => weight(beta_tilde),
        Quantity::AlphaBarPrev => before.exp(),
        Quantity::LogOneMinusAlphaBar => noise.ln(),
        Quantity::SqrtRecipAlphaBar => (-0.5 * now).exp(),
        Quantity::SqrtRecipM1AlphaBar | Quantity::Sigma => (-now).exp_m1().sqrt(),
        Quantity::HalfLogSnr => 0.5 * (now - noise.ln()),
        // By one of several conventions, of which no column is a table.
        Quantity::LogBetaTildeClipped | Quantity::LossWeight => f64::NAN,
    }
}
