//! Networks as ONNX graphs: the runtime, the model's contract, and evaluation.

mod binary;
mod error;
pub mod install;
mod native;
pub mod runtime;
pub mod wheels;

pub use error::{Error, ErrorClass, Result};
pub use install::{InstallOptions, install};
pub use runtime::{Description, Found, Origin, Runtime, RuntimeOptions, describe, discover, load};
