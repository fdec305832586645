//! Property tests: the point-level claims of every chapter on this crate's implementation, one file a chapter.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use alphabar::check::Outcome;
use proptest::prelude::TestCaseError;

mod distill;
mod embedding;
mod plan_form;
mod sampler;
mod schedule;
mod trajectory;
mod variance;

/// A check's outcome as proptest wants it: a mismatch fails the case and prints itself.
fn holds(outcome: Outcome) -> Result<(), TestCaseError> {
    outcome.map(|_| ()).map_err(|mismatch| TestCaseError::fail(mismatch.to_string()))
}
