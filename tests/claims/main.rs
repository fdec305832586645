//! Property tests: the point-level claims of every chapter on this crate's implementation, one file a chapter.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test may panic; zeros and infinities are exact")]

use alphabar::check::Outcome;
use proptest::prelude::TestCaseError;

mod distill;
mod elbo;
mod embedding;
mod every;
mod forward;
mod gaussian;
mod guidance;
mod plan_form;
mod posterior;
mod prediction;
mod refusals;
mod sampler;
mod schedule;
mod training;
mod trajectory;
mod vae;
mod variance;
mod weight;

/// A check's outcome as proptest wants it: a mismatch fails the case and prints itself.
fn holds(outcome: Outcome) -> Result<(), TestCaseError> {
    outcome.map(|_| ()).map_err(|mismatch| TestCaseError::fail(mismatch.to_string()))
}
