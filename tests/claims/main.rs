//! Property tests: the point-level claims of every chapter on this crate's implementation, one file a chapter.

use alphabar::check::Outcome;
use proptest::prelude::TestCaseError;

mod elbo;
mod prediction;
mod schedule;
mod training;
mod weight;

/// A check's outcome as proptest wants it: a mismatch fails the case and prints itself.
fn holds(outcome: Outcome) -> Result<(), TestCaseError> {
    outcome.map(|_| ()).map_err(|mismatch| TestCaseError::fail(mismatch.to_string()))
}
