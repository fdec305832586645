//! Starting again with an environment in which ONNX Runtime may be loaded.
//!
//! Telemetry is off and the loader's path is without the current folder only if that is so when the process starts. It
//! costs about a millisecond, once.

use std::process::Command;

use crate::onnx::environment::{must_restart, prepare};

/// Starts this program again where the environment is to be another; call before there are threads or output. Returns
/// if there is nothing to do, or if that fails (`/proc` is not there, say): then whatever loads ONNX Runtime refuses.
pub fn with_safe_environment() {
    if !must_restart() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let mut command = Command::new(program);
        prepare(&mut command);
        replace_process(command);
    }
}

/// The same process becomes the command: number, descriptors, ignored signals and name stay, and the exit code is the
/// command's own.
#[cfg(unix)]
fn replace_process(mut command: Command) {
    use std::os::unix::process::CommandExt as _;
    let mut arguments = std::env::args_os();
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // It returns only if it failed.
    let _ = command.args(arguments).exec();
}

/// A child does the work; Ctrl-C reaches it as it reaches this process, which waits for its exit code.
#[cfg(not(unix))]
fn replace_process(mut command: Command) {
    let _ = ctrlc::set_handler(|| ());
    if let Ok(status) = command.args(std::env::args_os().skip(1)).status() {
        std::process::exit(status.code().unwrap_or(3));
    }
}
