//! `alphabar check FILE`: which mistake is in these tables?

mod read;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::failure::{Failure, Outcome, print};
use crate::diagnose::{Finding, Meant, Numbers, Report, Verdict, diagnose, named};
use crate::fault::table::{Array, Kind};
use crate::plan::{BetaSchedule, Scheduler};
use crate::schedule::Betas;

/// Arguments of `alphabar check`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Tables to judge: CSV with a header, JSON, .npz or .safetensors, by the usual names (betas, alphas_cumprod, …);
    /// index 0 is t = 1
    file: PathBuf,
    /// The schedule that was meant: linear, scaled_linear, cosine (squaredcos_cap_v2), sigmoid, const or jsd
    #[arg(long)]
    schedule: Option<String>,
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
    let length = arrays.iter().find(|n| Array::from_name(&n.name).is_some()).map(|n| n.values.len());
    let meant = meant(args, length)?;
    let report = diagnose(&arrays, meant.as_ref());
    if report.findings.is_empty() {
        let names: Vec<&str> = arrays.iter().map(|numbers: &Numbers| numbers.name.as_str()).collect();
        let known: Vec<&str> = Array::ALL.iter().map(|array| array.name()).collect();
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
fn meant(args: &Args, length: Option<usize>) -> Outcome<Option<Meant>> {
    let file = args.scheduler.as_deref().map(config).transpose()?;
    let zero_terminal_snr = file.as_ref().is_some_and(|file| file.zero_terminal_snr);
    let curve = [args.steps.is_some(), args.beta_start.is_some(), args.beta_end.is_some()];
    let kind = match (&args.schedule, file.as_ref().map(|file| &file.beta_schedule)) {
        (Some(kind), _) => kind.as_str(),
        (None, Some(BetaSchedule::Given(_))) if curve.contains(&true) => {
            let what = "the scheduler's trained_betas are a list, to which --steps, --beta-start and --beta-end say \
                        nothing; name a curve with --schedule, or leave them out";
            return Err(Failure::usage(what));
        }
        (None, Some(BetaSchedule::Given(betas))) => {
            let betas = Betas::new(betas.clone()).map_err(Failure::usage)?;
            return Ok(Some(Meant::from(betas).with_zero_terminal_snr(zero_terminal_snr)));
        }
        (None, Some(BetaSchedule::Linear)) => Kind::Linear.name(),
        (None, Some(BetaSchedule::ScaledLinear)) => Kind::ScaledLinear.name(),
        (None, Some(BetaSchedule::Cosine)) => Kind::Cosine.name(),
        (None, Some(BetaSchedule::Sigmoid)) => Kind::Sigmoid.name(),
        (None, None) => return Ok(None),
    };
    let steps = args.steps.or(file.as_ref().map(|file| file.trained_steps)).or(length).unwrap_or(1000);
    let start = args.beta_start.or(file.as_ref().map(|file| file.beta_start));
    let end = args.beta_end.or(file.as_ref().map(|file| file.beta_end));
    let Some(meant) = named(kind, steps, start, end) else {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        return Err(Failure::usage(format!("--schedule {kind:?} is not known; expected cosine or one of {names:?}")));
    };
    let meant = meant.with_zero_terminal_snr(zero_terminal_snr);
    meant.betas().map_err(|error| Failure::usage(format!("--schedule {kind}: {error}")))?;
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
