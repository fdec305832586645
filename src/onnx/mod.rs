//! Networks as ONNX graphs: the runtime, the model's contract, and evaluation.

mod binary;
mod binding;
pub mod contract;
pub mod device;
mod error;
mod executor;
pub mod install;
mod native;
pub mod pipeline;
mod probe;
pub mod runtime;
pub mod sampler;
pub mod session;
pub mod wheels;

pub use binding::Binding;
pub use contract::{Contract, Element, IoNames, Port, TimestepPort, TimestepShape};
pub use device::Device;
pub use error::{Error, ErrorClass, Result};
pub use executor::{Guidance, Moment, Timing};
pub use install::{InstallOptions, install};
pub use pipeline::{ModelSource, Text, UnetConfig, Weights};
pub use probe::{fold_constants, value_ports};
pub use runtime::{Description, Found, Origin, Runtime, RuntimeOptions, describe, discover, load};
pub use sampler::{Batch, Batches, Job, SampleError, Sampler};
pub use session::{Network, Optimisation, SessionOptions};
