//! `alphabar check FILE`: which mistake is in these tables?

mod read;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::choice::CurveParser;
use super::failure::{Failure, Outcome, print};
use crate::diagnose::{Finding, Numbers, Report, Verdict, diagnose};
use crate::plan::Scheduler;
use crate::schedule::{Curve, Definition};
use crate::table::Quantity;

/// Arguments of `alphabar check`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Tables to judge: CSV with a header, JSON, .npz or .safetensors, by the usual names (betas, alphas_cumprod, …);
    /// index 0 is t = 1
    file: PathBuf,
    /// The schedule that was meant
    #[arg(long, value_parser = CurveParser)]
    schedule: Option<Curve>,
    /// T that was meant [default: the length of the tables]
    #[arg(long)]
    steps: Option<usize>,
    /// First beta that was meant
    #[arg(long, value_name = "BETA")]
    beta_start: Option<f64>,
    /// Last beta that was meant
    #[arg(long, value_name = "BETA")]
    beta_end: Option<f64>,
    /// A diffusers scheduler_config.json that says what was meant; options override it
    #[arg(long, value_name = "FILE")]
    scheduler: Option<PathBuf>,
    /// Answers to the case in FILE (see `alphabar cases`), in any of the formats
    #[arg(long, value_name = "FILE", conflicts_with_all = ["schedule", "steps", "beta_start", "beta_end", "scheduler"])]
    answers: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Judges the file.
///
/// # Errors
/// Exit 1 if something is wrong in it, 2 if it cannot be parsed.
pub fn run(args: &Args) -> Outcome {
    let arrays = read::arrays(&args.file)?;
    if let Some(answers) = &args.answers {
        let report = super::cases::judge(&args.file, &arrays, &read::arrays(answers)?)?;
        return conclude(args, &report, answers);
    }
    let length = arrays.iter().find(|n| Quantity::kept(&n.name).is_some()).map(|n| n.values.len());
    let meant = meant(args, length)?;
    let report = diagnose(&arrays, meant.as_ref());
    if report.findings.is_empty() {
        let names: Vec<&str> = arrays.iter().map(|numbers: &Numbers| numbers.name.as_str()).collect();
        let known: Vec<&str> = Quantity::ALL.iter().filter_map(|quantity| quantity.published_name()).collect();
        let (path, known) = (args.file.display(), known.join(", "));
        return Err(Failure::usage(format!(
            "{path} holds {names:?}, none of which is known; expected some of {known}"
        )));
    }
    conclude(args, &report, &args.file)
}

fn conclude(args: &Args, report: &Report, judged: &std::path::Path) -> Outcome {
    if args.json {
        print(format!("{:#}\n", to_json(report)))?;
    } else {
        print(report)?;
    }
    if report.is_right() {
        return Ok(());
    }
    let wrong = report.findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
    let (path, all) = (judged.display(), report.findings.len());
    Err(Failure::input(match wrong {
        0 => format!("{path}: not judged; the notes say what is missing"),
        _ => format!("{path}: {wrong} of {all} arrays are wrong"),
    }))
}

/// What the options and the configuration say was meant; an option overrides the configuration.
fn meant(args: &Args, length: Option<usize>) -> Outcome<Option<Definition>> {
    let file = args.scheduler.as_deref().map(config).transpose()?.map(|file| file.chain);
    let curve = args.schedule.or(file.as_ref().and_then(Definition::curve));
    let Some(curve) = curve else {
        let given = [args.steps.is_some(), args.beta_start.is_some(), args.beta_end.is_some()];
        if file.is_some() && given.contains(&true) {
            let what = "the scheduler's trained_betas are a list, to which --steps, --beta-start and --beta-end say \
                        nothing; name a curve with --schedule, or leave them out";
            return Err(Failure::usage(what));
        }
        return Ok(file);
    };
    let steps = args.steps.or(file.as_ref().map(Definition::steps)).or(length).unwrap_or(1000);
    let mut meant = Definition::new(curve, steps);
    // A configuration's end points are those of its curve; a list has none.
    let file_curve = file.as_ref().filter(|file| file.curve().is_some());
    if let Some(beta) = args.beta_start.or(file_curve.map(Definition::start)) {
        meant = meant.beta_start(beta);
    }
    if let Some(beta) = args.beta_end.or(file_curve.map(Definition::end)) {
        meant = meant.beta_end(beta);
    }
    if file.as_ref().is_some_and(Definition::has_zero_terminal_snr) {
        meant = meant.with_zero_terminal_snr();
    }
    meant.betas().map_err(|error| Failure::usage(format!("--schedule {}: {error}", curve.name())))?;
    Ok(Some(meant))
}

/// The chain that a diffusers configuration names.
fn config(path: &std::path::Path) -> Outcome<Scheduler> {
    let bad = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
    let text = crate::files::text(path).map_err(|error| bad(&error.reason))?;
    Scheduler::chain_from_json(&text).map_err(|error| bad(&error))
}

fn to_json(report: &Report) -> Value {
    let number = |x: f64| serde_json::Number::from_f64(x).map_or_else(|| Value::from(x.to_string()), Value::Number);
    let finding = |finding: &Finding| {
        let place = |place: Option<crate::diagnose::Place>| {
            place.map(|p| json!({"index": p.index, "got": number(p.got), "want": number(p.want)}))
        };
        let verdict = match finding.verdict {
            Verdict::Right => "right",
            Verdict::Wrong => "wrong",
            Verdict::Undecided => "undecided",
        };
        let faults: Vec<Value> =
            finding.faults.iter().map(|fault| json!({"name": fault.name, "sentence": fault.sentence})).collect();
        json!({
            "array": finding.name,
            "verdict": verdict,
            "precision": finding.precision.name(),
            "entries": finding.of,
            "off": finding.off,
            "first": place(finding.first),
            "worst": place(finding.worst),
            "faults": faults,
            "remarks": finding.remarks,
            "ulps_from_best": finding.ulps.map(number),
        })
    };
    json!({
        "version": 1,
        "right": report.is_right(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "notes": report.notes,
    })
}
