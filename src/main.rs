//! The `alphabar` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    alphabar::cli::main()
}
