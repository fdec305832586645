//! The claim on a schedule's table.

use super::{CHAPTER, row, valid};
use crate::check::schedule::{self as check, Rounding};
use crate::check::{Outcome, Run, Tol};
use crate::diagnose::faults::{Chain, TABLE_FAULTS, TableFault};
use crate::schedule::{Betas, Schedule};
use crate::table::{Ordinary, Quantity, Table};
use crate::check::{Claim, Method};

pub(super) fn table() -> Claim {
    Claim::legacy(
        "table_columns_follow_from_the_betas",
        CHAPTER,
        "β̃, both factors of the posterior mean, the loss weights and the rest of a table are what the βs make them",
        Method::OtherPremises("compensated sums of ln(1 − β), addition of precisions"),
        |run| {
            let best = tables(run, |schedule, column| Table::new(schedule).column(column).to_vec(), Rounding::Best)?;
            let double = tables(run, ordinary::<f64>, Rounding::OrdinaryF64)?;
            Ok(best.and(double).and(tables(run, ordinary::<f32>, Rounding::OrdinaryF32)?))
        },
    )
    .row("S0.06", || {
        let table = Table::new(&Schedule::ddpm());
        let sum: f64 = Schedule::ddpm().betas().as_slice().iter().map(|b| (-b).ln_1p()).sum();
        let tol = Tol::rel(1e-12, "1000 roundings of a sum of size 10");
        row(table.column(Quantity::AlphaBar)[table.len() - 1], sum.exp(), tol)
    })
    .fault(known("beta_for_beta_tilde").fault, |run| spoilt(run, "beta_for_beta_tilde", Quantity::BetaTilde))
    .fault(known("variance_shifted").fault, |run| spoilt(run, "variance_shifted", Quantity::BetaTilde))
    .fault(known("alpha_bar_t_for_s_on_x0").fault, |run| spoilt(run, "alpha_bar_t_for_s_on_x0", Quantity::MeanX0))
    .fault(known("root_alpha_bar_on_xt").fault, |run| spoilt(run, "root_alpha_bar_on_xt", Quantity::MeanXt))
    .fault(known("snr_upside_down").fault, |run| spoilt(run, "snr_upside_down", Quantity::Snr))
    .fault(known("variance_for_std").fault, |run| spoilt(run, "variance_for_std", Quantity::SqrtOneMinusAlphaBar))
}

fn tables(run: &Run, f: impl Fn(&Schedule, Quantity) -> Vec<f64>, rounding: Rounding) -> Outcome {
    let all = run.over_schedules(|schedule| check::columns_follow_from_betas(&f, schedule, rounding))?;
    if rounding != Rounding::Best {
        return Ok(all);
    }
    Ok(all.and(check::columns_follow_from_betas(f, &valid(Betas::jsd(10)), rounding)?))
}

fn ordinary<A: Ordinary>(schedule: &Schedule, column: Quantity) -> Vec<f64> {
    Table::ordinary::<A>(schedule.betas().as_slice()).column(column).to_vec()
}

fn known(name: &str) -> &'static TableFault {
    let found = TABLE_FAULTS.iter().find(|known| known.fault.name == name);
    found.unwrap_or_else(|| unreachable!("{name} is in the catalogue"))
}

/// The right table but for one column.
fn spoilt(run: &Run, name: &str, wrong: Quantity) -> Outcome {
    let with_fault = |schedule: &Schedule, column: Quantity| {
        if column != wrong {
            return Table::new(schedule).column(column).to_vec();
        }
        let chain = Chain::new(schedule.betas().as_slice().to_vec());
        (0..chain.steps()).map(|i| (known(name).entry)(&chain, i)).collect()
    };
    tables(run, with_fault, Rounding::Best)
}
