//! `alphabar runtime`: which ONNX Runtime would be used, and installing one.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;

use super::failure::{Failure, Outcome, print};
use super::progress::Voice;
use crate::onnx::{Build, Description, InstallOptions, RuntimeOptions, describe, install};

/// Arguments of `alphabar runtime`.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// An ONNX Runtime library to look at [also: ORT_DYLIB_PATH]
    #[arg(long, value_name = "FILE")]
    ort_dylib: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Download the pinned ONNX Runtime into the cache folder, using pip
    Install {
        /// The build with the CUDA execution provider
        #[arg(long)]
        cuda: bool,
    },
}

/// Says what would be used, or installs it.
///
/// # Errors
/// Exit 3 if nothing is found or the installation fails.
pub fn run(args: &Args) -> Outcome {
    if let Some(Command::Install { cuda }) = args.command {
        let build = if cuda { Build::Cuda } else { Build::Cpu };
        let mut say = |line: &str| Voice::new(false).say(format!("alphabar: {line}"));
        let library = install(build, &InstallOptions::from_environment(), &mut say).map_err(Failure::from)?;
        return print(format!("{}\n", library.display()));
    }
    let mut options = RuntimeOptions::from_environment();
    if let Some(library) = &args.ort_dylib {
        options = options.library(library);
    }
    let found = describe(&options)?;
    if args.json {
        let json = serde_json::to_string_pretty(&as_json(&found)).map_err(Failure::input)?;
        return print(format!("{json}\n"));
    }
    let mut text = format!("ONNX Runtime {}\n", found.version);
    let _ = writeln!(text, "library    {}", found.path.display());
    let _ = writeln!(text, "found in   {}", found.origin);
    let _ = writeln!(text, "providers  {}", found.providers.join(", "));
    for note in &found.notes {
        let _ = writeln!(text, "passed over: {note}");
    }
    print(text)
}

/// What is used, for records.
pub fn as_json(found: &Description) -> serde_json::Value {
    serde_json::json!({
        "onnxruntime": found.version,
        "library": found.path,
        "found_in": found.origin.to_string(),
        "providers": found.providers,
    })
}
