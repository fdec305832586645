//! `alphabar table`: a schedule's columns, each the nearest double, and what ordinary evaluation makes of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ndarray::Array1;
use ndarray_npy::NpzWriter;

use super::choice::CurveParser;
use super::failure::{Failure, Outcome, print};
use super::output::Draft;
use crate::schedule::{Curve, Definition, Schedule};
use crate::table::{Quantity, Table, ulps};

/// Arguments of `alphabar table`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    schedule: ScheduleArgs,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Write here and not to standard output; needed for npz
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the error of ordinary f32 and f64 evaluation, per column, in units of the last place
    #[arg(long)]
    report: bool,
}

/// A schedule by name.
#[derive(clap::Args, Debug)]
pub struct ScheduleArgs {
    /// The curve of β
    #[arg(long, value_parser = CurveParser, default_value = Curve::Linear.name())]
    schedule: Curve,
    /// T
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// First beta [default: 0.0001; scaled_linear: 0.00085]
    #[arg(long, value_name = "BETA")]
    beta_start: Option<f64>,
    /// Last beta [default: 0.02; scaled_linear: 0.012]
    #[arg(long, value_name = "BETA")]
    beta_end: Option<f64>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Csv,
    Json,
    Npz,
}

impl ScheduleArgs {
    /// The schedule.
    ///
    /// # Errors
    /// Exit 2 for numbers out of range.
    pub fn schedule(&self) -> Outcome<Schedule> {
        let mut named = Definition::new(self.schedule, self.steps);
        named = self.beta_start.map_or(named.clone(), |beta| named.beta_start(beta));
        named = self.beta_end.map_or(named.clone(), |beta| named.beta_end(beta));
        named.schedule().map_err(|error| Failure::usage(format!("--schedule {}: {error}", self.schedule.name())))
    }
}

/// Prints the table.
///
/// # Errors
/// Exit 2 for options that do not go together, 1 if the file cannot be written.
pub fn run(args: &Args) -> Outcome {
    let schedule = args.schedule.schedule()?;
    let table = Table::new(&schedule);
    if args.report {
        return print(report(&schedule, &table));
    }
    let text = match (args.format, &args.out) {
        (Format::Csv, _) => csv(&table),
        (Format::Json, _) => json(&table)?,
        (Format::Npz, Some(path)) => return npz(&table, path),
        (Format::Npz, None) => {
            return Err(Failure::usage("--format npz is not text; name a file with --out FILE.npz"));
        }
    };
    match &args.out {
        None => print(text),
        Some(path) => {
            let mut draft = Draft::new(path)?;
            std::io::Write::write_all(draft.file(), text.as_bytes())
                .map_err(|error| Failure::io("write", path, &error))?;
            draft.keep()
        }
    }
}

fn csv(table: &Table) -> String {
    let names: Vec<&str> = Table::COLUMNS.iter().map(|column| column.name()).collect();
    let mut text = format!("t,{}\n", names.join(","));
    for i in 0..table.len() {
        let row: Vec<String> =
            Table::COLUMNS.iter().map(|&column| format!("{:?}", table.column(column)[i])).collect();
        let _ = writeln!(text, "{},{}", i + 1, row.join(","));
    }
    text
}

fn json(table: &Table) -> Outcome<String> {
    use serde_json::{Map, Number, Value};
    let number = |&x: &f64| Number::from_f64(x).map_or_else(|| Value::from(x.to_string()), Value::Number);
    let column = |&column: &Quantity| (column.name().to_owned(), table.column(column).iter().map(number).collect());
    let object: Map<String, Value> = Table::COLUMNS.iter().map(column).collect();
    serde_json::to_string_pretty(&object).map(|text| text + "\n").map_err(Failure::input)
}

fn npz(table: &Table, path: &Path) -> Outcome {
    let mut draft = Draft::new(path)?;
    let failed = |error: &dyn std::fmt::Display| Failure::input(format!("cannot write {}: {error}", path.display()));
    let mut writer = NpzWriter::new_compressed(draft.file());
    for column in Table::COLUMNS {
        let values = Array1::from(table.column(column).to_vec());
        writer.add_array(column.name(), &values).map_err(|error| failed(&error))?;
    }
    writer.finish().map_err(|error| failed(&error))?;
    draft.keep()
}

fn report(schedule: &Schedule, table: &Table) -> String {
    let betas = schedule.betas().as_slice();
    let (single, double) = (Table::ordinary::<f32>(betas), Table::ordinary::<f64>(betas));
    let mut text = String::from(
        "largest error of the ordinary formulas (cumulative product, 1 - alpha_bar by subtraction), in ulp\n",
    );
    let _ = writeln!(text, "{:<26} {:>14} {:>6} {:>14} {:>6}", "column", "f64", "at t", "f32", "at t");
    for column in Table::COLUMNS {
        let worst = |other: &Table, unit: f64| {
            let off = |(i, (&got, &want)): (usize, (&f64, &f64))| (ulps(got, want) / unit, i + 1);
            let pairs = other.column(column).iter().zip(table.column(column)).enumerate().map(off);
            pairs
                .filter(|(u, _)| u.is_finite())
                .fold((0.0, 0), |worst, this| if this.0 > worst.0 { this } else { worst })
        };
        let (d, s) = (worst(&double, 1.0), worst(&single, 2f64.powi(29)));
        let _ = writeln!(text, "{:<26} {:>14.1} {:>6} {:>14.1} {:>6}", column.name(), d.0, d.1, s.0, s.1);
    }
    text
}
