//! The `alphabar` program: arguments, output files, messages.

mod bench;
mod cases;
mod check;
mod compare;
mod convert;
mod failure;
mod info;
mod interrupt;
mod lists;
mod model;
mod output;
mod plan;
mod progress;
mod recipe_args;
mod restart;
mod runtime;
mod runtime_args;
mod sample;
mod stage;
mod table;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::{Failure, Outcome};

/// Denoising diffusion, checked: samples from ONNX models, and the plans they follow.
#[derive(Debug, Parser)]
#[command(name = "alphabar", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw samples from a model
    Sample(Box<sample::Args>),
    /// Print the plan that a sampler follows
    Plan(plan::Args),
    /// Print what a model takes and gives, and its schedule
    Info(info::Args),
    /// Print which ONNX Runtime would be used, or install one
    Runtime(runtime::Args),
    /// Check every claim of the theory by an independent method
    Verify(verify::Args),
    /// Say which mistake is in tables that other code computed
    Check(Box<check::Args>),
    /// Write inputs for one formula, to check the answers of other code
    Cases(cases::Args),
    /// Print a schedule's tables to the last digit
    Table(table::Args),
    /// Convert a model to half precision and check it against the original
    Convert(Box<convert::Args>),
    /// Measure speed, time outside the network and memory
    Bench(bench::Args),
}

/// Runs the program and gives its exit code: 0 done, 1 bad model, configuration, data or output, 2 bad options,
/// 3 runtime or device unavailable, 130 interrupted.
#[must_use]
pub fn main() -> ExitCode {
    restart::with_safe_environment();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is success; a reader who has gone is no failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome: Outcome = match cli.command {
        Command::Sample(args) => sample::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Runtime(args) => runtime::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Cases(args) => cases::run(&args),
        Command::Table(args) => table::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    outcome.map_or_else(|failure: Failure| failure.report(), |()| ExitCode::SUCCESS)
}
