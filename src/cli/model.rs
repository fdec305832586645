//! Which model a command means: what lies on the disk, and the network once the runtime is loaded.

use std::path::Path;

use super::failure::{Failure, Outcome};
use crate::onnx::ModelSource;

/// Finds the parts of a model, or of the built-in one if none is named.
///
/// # Errors
/// Exit 1 if it is not there or not a model.
pub fn resolve(model: Option<&Path>) -> Outcome<ModelSource> {
    match model {
        Some(path) => Ok(ModelSource::resolve(path)?),
        None => built_in(),
    }
}

#[cfg(feature = "fixture")]
fn built_in() -> Outcome<ModelSource> {
    Ok(ModelSource::fixture())
}

#[cfg(not(feature = "fixture"))]
fn built_in() -> Outcome<ModelSource> {
    Err(Failure::usage("this build has no model of its own (feature `fixture`); name a pipeline folder or .onnx file"))
}
