//! `alphabar cases NAME`: inputs for one formula, to be computed by somebody's own code and checked.

use std::path::{Path, PathBuf};

use ndarray::Array1;
use ndarray_npy::NpzWriter;

use super::failure::{Failure, Outcome, print};
use super::output::Draft;
use crate::diagnose::cases::{CASES, Case};
use crate::diagnose::{Numbers, Report};

/// Name of the array that says which case a file holds.
const MARK: &str = "alphabar_case";

/// Arguments of `alphabar cases`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Which formula; without it, they are listed
    name: Option<String>,
    /// Where to write the inputs
    #[arg(long, value_name = "FILE.npz", requires = "name")]
    out: Option<PathBuf>,
}

/// Writes the inputs, or lists the cases.
///
/// # Errors
/// Exit 2 for a name that is not known, 1 if the file cannot be written.
pub fn run(args: &Args) -> Outcome {
    let Some(name) = &args.name else {
        let line = |case: &Case| {
            let outputs: Vec<&str> = case.outputs().collect();
            format!("{:<12} {} -> {}\n", case.name, case.asks, outputs.join(", "))
        };
        return print(CASES.iter().map(line).collect::<String>());
    };
    let case = find(name)?;
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.npz")));
    write(case, &path)?;
    let outputs: Vec<&str> = case.outputs().collect();
    let names: Vec<&str> = case.inputs().into_iter().map(|(name, _)| name).collect();
    let shown = path.display();
    print(format!(
        "{shown}: {} in {}\ncompute {}, save {} with numpy.savez, then: alphabar check {shown} --answers FILE.npz\n",
        names.join(", "),
        "arrays of 64 points",
        case.asks,
        outputs.join(", "),
    ))
}

fn find(name: &str) -> Outcome<&'static Case> {
    Case::find(name).ok_or_else(|| {
        let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        Failure::usage(format!("case {name:?} is not known; expected one of {}", names.join(", ")))
    })
}

fn write(case: &Case, path: &Path) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| Failure::input(format!("cannot write {}: {error}", path.display()));
    let mut draft = Draft::new(path)?;
    let mut writer = NpzWriter::new(draft.file());
    let number = CASES.iter().position(|other| other.name == case.name).unwrap_or(0) as i64;
    writer.add_array(MARK, &Array1::from(vec![number])).map_err(|error| failed(&error))?;
    for (name, values) in case.inputs() {
        writer.add_array(name, &Array1::from(values)).map_err(|error| failed(&error))?;
    }
    writer.finish().map_err(|error| failed(&error))?;
    draft.keep()
}

/// Judges answers to the case that a file of inputs holds.
///
/// # Errors
/// Exit 2 if the inputs are not a case, or were changed.
pub fn judge(path: &Path, inputs: &[Numbers], answers: &[Numbers]) -> Outcome<Report> {
    let bad = |what: &str| Failure::usage(format!("{}: {what}; write it with `alphabar cases`", path.display()));
    let mark = inputs.iter().find(|numbers| numbers.name == MARK).ok_or_else(|| bad("holds no case"))?;
    let number = mark.values.first().copied().unwrap_or(-1.0);
    let case = CASES.iter().enumerate().find(|(k, _)| (*k as f64 - number).abs() < 0.5).map(|(_, case)| case);
    let case = case.ok_or_else(|| bad("names a case that this version does not know"))?;
    for (name, values) in case.inputs() {
        let same = inputs.iter().any(|numbers| numbers.name == name && numbers.values == values);
        if !same {
            return Err(bad(&format!("its input {name:?} is missing or was changed")));
        }
    }
    Ok(case.judge(answers))
}
