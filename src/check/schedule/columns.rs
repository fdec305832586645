//! The claim on a schedule's table: every column from the sums of ln(1 − β).

use super::{EPS, falling_in_a_line, log_alpha_bars};
use crate::check::{Check, Evidence, Method, Outcome, Run, Tol, Trial};
use crate::fault::table::{ARRAY_FAULTS, Chain};
use crate::schedule::Schedule;
use crate::table::Column;

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
/// use alphabar::{Schedule, check, check::schedule::Rounding, table::{Column, Table}};
///
/// let mine = |schedule: &Schedule, column: Column, _: Rounding| Table::new(schedule).column(column).to_vec();
/// check::schedule::table(mine, &[Rounding::Best]).points(8).assert();
/// ```
pub fn table<'f>(f: impl Fn(&Schedule, Column, Rounding) -> Vec<f64> + 'f, roundings: &'f [Rounding]) -> Check<'f> {
    let method = Method::OtherPremises("compensated sums of ln(1 − β), addition of precisions");
    let sentence =
        "β̃, both factors of the posterior mean, the loss weights and the rest of a table are what the βs make them";
    let check = Check::new("table_columns_follow_from_the_betas", sentence, method, move |run| {
        roundings.iter().try_fold(Evidence::none(), |all, rounding| Ok(all.and(tables(run, &f, *rounding)?)))
    });
    let known = SPOILT.iter().flat_map(|(name, column)| {
        ARRAY_FAULTS.iter().filter(|known| known.fault.name == *name).map(|known| (known, *column))
    });
    known.fold(check, |check, (known, wrong)| {
        let table =
            move |schedule: &Schedule, column: Column, _: Rounding| spoilt(schedule, column, wrong, known.entry);
        check.fault(known.fault, move |run| tables(run, table, Rounding::Best))
    })
}

fn tables(run: &Run, f: impl Fn(&Schedule, Column, Rounding) -> Vec<f64>, rounding: Rounding) -> Outcome {
    let all = run.over_schedules(|schedule| columns_follow_from_betas(&f, schedule, rounding))?;
    if rounding != Rounding::Best {
        return Ok(all);
    }
    Ok(all.and(columns_follow_from_betas(&f, &falling_in_a_line(10), rounding)?))
}

/// The mistakes that are tried, and the columns that they spoil.
const SPOILT: [(&str, Column); 6] = [
    ("variance_is_beta", Column::BetaTilde),
    ("variance_shifted", Column::BetaTilde),
    ("mean_x0_not_previous", Column::MeanX0),
    ("mean_xt_accumulated", Column::MeanXt),
    ("snr_upside_down", Column::Snr),
    ("noise_std_not_rooted", Column::SqrtOneMinusAlphaBar),
];

/// The right table but for one column.
fn spoilt(schedule: &Schedule, column: Column, wrong: Column, entry_of: fn(&Chain, usize) -> f64) -> Vec<f64> {
    let betas = schedule.betas().as_slice();
    if column == wrong {
        let chain = Chain::new(betas.to_vec());
        return (0..chain.steps()).map(|i| entry_of(&chain, i)).collect();
    }
    let logs = log_alpha_bars(betas);
    logs.windows(2).zip(betas).map(|(logs, beta)| entry(column, *beta, [logs[0], logs[1]])).collect()
}

fn columns_follow_from_betas(
    f: impl Fn(&Schedule, Column, Rounding) -> Vec<f64>,
    schedule: &Schedule,
    rounding: Rounding,
) -> Outcome {
    let betas = schedule.betas().as_slice();
    let logs = log_alpha_bars(betas);
    let mut trial = Trial::new();
    for column in Column::ALL {
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
                Column::LogSnr | Column::LogBetaTilde => {
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
fn entry(column: Column, beta: f64, [before, now]: [f64; 2]) -> f64 {
    let alpha = 1.0 - beta;
    let (noise_before, noise) = (-before.exp_m1(), -now.exp_m1());
    let first = noise_before <= 0.0;
    let beta_tilde = if first { 0.0 } else { 1.0 / (alpha / beta + 1.0 / noise_before) };
    let weight = |var: f64| 0.5 * (beta / (alpha * noise).sqrt()).powi(2) / var;
    match column {
        Column::Beta => beta,
        Column::Alpha => alpha,
        Column::SqrtAlpha => alpha.sqrt(),
        Column::AlphaBar => now.exp(),
        Column::OneMinusAlphaBar => noise,
        Column::SqrtAlphaBar => (0.5 * now).exp(),
        Column::SqrtOneMinusAlphaBar => noise.sqrt(),
        Column::Snr => 1.0 / (-now).exp_m1(),
        Column::LogSnr => now - noise.ln(),
        Column::BetaTilde => beta_tilde,
        Column::LogBetaTilde => beta_tilde.ln(),
        Column::MeanX0 if first => 1.0,
        Column::MeanX0 => beta_tilde * (0.5 * before).exp() / noise_before,
        Column::MeanXt => beta_tilde * alpha.sqrt() / beta,
        Column::LossWeightBeta => weight(beta),
        Column::LossWeightBetaTilde => weight(beta_tilde),
    }
}
