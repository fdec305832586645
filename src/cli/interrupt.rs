//! Ctrl-C as a flag that is looked at between two steps.

use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::{Failure, Outcome};

static STOP: AtomicBool = AtomicBool::new(false);

/// From here on Ctrl-C (and a termination signal) sets the flag instead of ending the process.
///
/// # Errors
/// Exit 3 if the system does not let signals be handled.
pub fn watch() -> Outcome {
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::runtime(format!("cannot watch for Ctrl-C: {error}")))
}

/// The flag.
pub const fn flag() -> &'static AtomicBool {
    &STOP
}

/// # Errors
/// [`Failure::Interrupted`] if Ctrl-C was pressed.
pub fn check() -> Outcome {
    if STOP.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
}
