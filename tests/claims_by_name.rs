//! Every claim as a test of its own: `cargo test posterior_equals_bayes` runs that one.
//!
//! A claim passes if it holds for this crate, rejects each of its faults, and the numbers of every row it covers agree,
//! at three seeds. `ALPHABAR_CHAPTER` picks one chapter. `ALPHABAR_CASES` tries so many cases with one seed in place of
//! three, and ends at the first claim that fails. `-- --nocapture` prints points, shares and times of each.

use std::process::ExitCode;

use alphabar::check::{Claim, ClaimReport, Run, claims, report};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let only = std::env::var("ALPHABAR_CHAPTER").ok();
    let reduced: Option<usize> =
        std::env::var("ALPHABAR_CASES").ok().map(|cases| cases.parse().expect("ALPHABAR_CASES is a whole number"));
    let usual = [0, 1, 2].map(|seed| Run::default().seed(seed)).to_vec();
    let runs = reduced.map_or(usual, |cases| vec![Run::default().cases(cases)]);
    if reduced.is_some() {
        arguments.test_threads = Some(1);
    }
    let told = arguments.nocapture;
    let trial = |claim: Claim| {
        let (runs, name) = (runs.clone(), format!("{}::{}", claim.chapter, claim.name));
        Trial::test(name, move || {
            let judged = judge(&claim, &runs, told);
            if let (Err(failed), Some(_)) = (&judged, reduced) {
                println!("\n{}", failed.message().unwrap_or_default());
                std::process::exit(101);
            }
            judged
        })
    };
    let chosen = claims().into_iter().filter(|claim| only.as_deref().is_none_or(|chapter| chapter == claim.chapter));
    libtest_mimic::run(&arguments, chosen.map(trial).collect()).exit_code()
}

/// What is wrong with a claim, one sentence a line.
fn judge(claim: &Claim, runs: &[Run], told: bool) -> Result<(), Failed> {
    let mut complaints = String::new();
    for run in runs {
        let report = ClaimReport::of(claim, run);
        if told {
            println!("{}", report::line(&report));
        }
        complaints += &report.complaints();
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.into()) }
}
