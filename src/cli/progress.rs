//! What is said on the way: notes, and a bar where somebody is looking.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Standard error, unless `--quiet`.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    quiet: bool,
}

impl Voice {
    /// Silent if `quiet`.
    pub const fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// One line.
    pub fn say(self, line: impl std::fmt::Display) {
        if !self.quiet {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// A bar that counts image-steps, hidden unless standard error is a terminal.
    pub fn bar(self, image_steps: u64) -> ProgressBar {
        let shown = !self.quiet && io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let template = "{bar:32} {percent:>3} %  {speed}  {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let speed = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:.0} image-steps/s", state.per_sec());
        };
        ProgressBar::with_draw_target(Some(image_steps), target).with_style(style.with_key("speed", speed))
    }
}
