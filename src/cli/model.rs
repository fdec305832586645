//! Which model a command means, and the scheduler's configuration that lies beside it.
use std::path::{Path, PathBuf};

use super::failure::{Failure, Outcome};

/// The scheduler's configuration of a pipeline folder (of the fixture if no model is named), with its path.
///
/// # Errors
/// Exit 1 if it is there and cannot be read, or the model is not.
pub fn scheduler_config(model: Option<&Path>) -> Outcome<Option<(PathBuf, String)>> {
    let Some(model) = model else {
        let text = include_str!("../../fixtures/mnist-unet/scheduler/scheduler_config.json");
        return Ok(Some((PathBuf::from("mnist-unet/scheduler/scheduler_config.json"), text.to_owned())));
    };
    if !model.exists() {
        return Err(Failure::input(format!("there is no model {}", model.display())));
    }
    let path = model.join("scheduler").join("scheduler_config.json");
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
    Ok(Some((path, text)))
}
