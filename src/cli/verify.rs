//! `alphabar verify`: every claim on this machine, with what it found.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::ProgressBar;

use super::failure::{Failure, Outcome, print};
use crate::check::Run;
use crate::check::{Claim, ClaimReport, claims, ledger, report};

/// Arguments of `alphabar verify`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only claims whose name contains this
    #[arg(long, value_name = "NAME")]
    claim: Vec<String>,
    /// Only claims that cover this row of the ledger, such as S1.41 or B4
    #[arg(long, value_name = "ROW")]
    row: Vec<String>,
    /// Shifts the points that claims are tried at
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Points a claim is tried at
    #[arg(long, default_value_t = Run::default().cases, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    cases: usize,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print a Markdown table
    #[arg(long)]
    markdown: bool,
}

/// Runs the claims.
///
/// # Errors
/// Exit 1 if a claim fails, 2 if no claim has the name or row asked for.
pub fn run(args: &Args) -> Outcome {
    let run = Run::default().seed(args.seed).cases(args.cases);
    let chosen = chosen(args)?;
    let reports = run_all(&chosen, &run);
    if args.json {
        let prose = ledger::rows().into_iter().filter(|(_, row)| !row.numeric);
        let prose: Vec<(String, String)> = prose.map(|(_, row)| (row.id, row.statement)).collect();
        print(format!("{:#}\n", report::json(&reports, &run, &prose)))?;
    } else if args.markdown {
        print(report::markdown(&reports))?;
    } else {
        let lines: Vec<String> = std::iter::once(report::heading()).chain(reports.iter().map(report::line)).collect();
        print(format!("{}\n{}\n", lines.join("\n"), summary(&reports)))?;
    }
    let complaints: String = reports.iter().map(ClaimReport::complaints).collect();
    if complaints.is_empty() { Ok(()) } else { Err(Failure::input(complaints.trim_end())) }
}

fn chosen(args: &Args) -> Outcome<Vec<Claim>> {
    let all = claims();
    if let Some(row) =
        args.row.iter().find(|row| !all.iter().any(|claim| claim.row_ids().any(|id| id == row.as_str())))
    {
        return Err(Failure::usage(format!("no claim covers row {row:?}; rows are named as in S1.41 or B4")));
    }
    let wanted = |claim: &Claim| {
        let named = args.claim.is_empty() || args.claim.iter().any(|name| claim.name.contains(name.as_str()));
        named && (args.row.is_empty() || claim.row_ids().any(|id| args.row.iter().any(|row| row == id)))
    };
    let chosen: Vec<Claim> = all.into_iter().filter(wanted).collect();
    if chosen.is_empty() {
        return Err(Failure::usage(format!(
            "no claim has a name like {:?}; `alphabar verify` lists them",
            args.claim
        )));
    }
    Ok(chosen)
}

/// All claims, on as many threads as there are processors, in their own order.
fn run_all(claims: &[Claim], run: &Run) -> Vec<ClaimReport> {
    let bar = ProgressBar::new(claims.len() as u64);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<ClaimReport>>> = Mutex::new(vec![None; claims.len()]);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(claims.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((k, claim)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|k| claims.get(k).map(|c| (k, c)))
                {
                    let report = ClaimReport::of(claim, run);
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[k] = Some(report);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_iter().flatten().collect()
}

fn summary(reports: &[ClaimReport]) -> String {
    let rows: usize = reports.iter().map(|report| report.rows.len()).sum();
    let rejected: usize = reports.iter().map(|report| report.rejected.len()).sum();
    let total: usize = reports.iter().map(|report| report.rejected.len() + report.accepted.len()).sum();
    let held = reports.iter().filter(|report| report.ok()).count();
    let (all, seconds) = (reports.len(), reports.iter().map(|report| report.seconds).sum::<f64>());
    format!("{held} of {all} claims hold, {rows} rows, {rejected} of {total} faults rejected, {seconds:.1} s of work")
}
