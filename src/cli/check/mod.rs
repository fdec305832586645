//! `alphabar check FILE`: which mistake is in these tables?

mod read;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::failure::{Failure, Outcome, print};
use crate::diagnose::{Finding, Numbers, Report, Verdict, diagnose, named};
use crate::fault::table::{Array, Kind, Named};

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

fn meant(args: &Args, length: Option<usize>) -> Outcome<Option<Named>> {
    let from_file = args.scheduler.as_deref().map(config).transpose()?;
    let kind = args.schedule.clone().or_else(|| from_file.as_ref().map(|file| file.kind.name().to_owned()));
    let Some(kind) = kind else { return Ok(None) };
    let steps = args.steps.or(from_file.map(|file| file.steps)).or(length).unwrap_or(1000);
    let start = args.beta_start.or(from_file.map(|file| file.start));
    let end = args.beta_end.or(from_file.map(|file| file.end));
    match named(&kind, steps, start, end) {
        Some(named) => {
            named.betas().map_err(|error| Failure::usage(format!("--schedule {kind}: {error}")))?;
            Ok(Some(named))
        }
        None => {
            let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            Err(Failure::usage(format!("--schedule {kind:?} is not known; expected cosine or one of {names:?}")))
        }
    }
}

/// The schedule that a diffusers configuration names.
fn config(path: &std::path::Path) -> Outcome<Named> {
    let bad = |what: String| Failure::usage(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| bad(format!("not JSON: {error}")))?;
    let number = |key: &str, default: f64| match value.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(found) => found.as_f64().ok_or_else(|| bad(format!("{key} is {found}; expected a number"))),
    };
    if value.get("trained_betas").is_some_and(|betas| !betas.is_null()) {
        return Err(bad("trained_betas are given; there is no curve to compare with: leave --scheduler out".into()));
    }
    if value.get("rescale_betas_zero_snr").and_then(Value::as_bool).unwrap_or(false) {
        return Err(bad("rescale_betas_zero_snr moves the betas off the curve: leave --scheduler out".into()));
    }
    let schedule = value.get("beta_schedule").and_then(Value::as_str).unwrap_or("linear");
    let kind = Kind::from_name(schedule).ok_or_else(|| bad(format!("beta_schedule {schedule:?} is not known")))?;
    let steps = number("num_train_timesteps", 1000.0)? as usize;
    Ok(Named { kind, steps, start: number("beta_start", 1e-4)?, end: number("beta_end", 0.02)? })
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
            "precision": finding.precision,
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
