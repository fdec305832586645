//! The `alphabar` program: arguments, output files, messages.

mod failure;
mod interrupt;
mod lists;
mod model;
mod output;
mod progress;
mod plan;
mod recipe_args;
mod runtime_args;

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
    /// Print the plan that a sampler follows
    Plan(plan::Args),
}

/// Runs the program and gives its exit code: 0 done, 1 bad model, configuration, data or output, 2 bad options,
/// 3 runtime or device unavailable, 130 interrupted.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is success; a reader who has gone is no failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome: Outcome = match cli.command {
        Command::Plan(args) => plan::run(&args),
    };
    outcome.map_or_else(|failure: Failure| failure.report(), |()| ExitCode::SUCCESS)
}
