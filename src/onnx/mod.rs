//! Networks as ONNX graphs: the runtime, the model's contract, and evaluation.

mod batches;
mod binary;
mod binding;
pub mod contract;
pub mod device;
mod error;
mod executor;
mod fleet;
pub mod install;
pub mod memory;
mod native;
mod opening;
pub mod pipeline;
mod ports;
mod probe;
pub mod proto;
mod reading;
mod resident;
pub mod runtime;
pub mod sampler;
mod search;
pub mod session;
pub mod wheels;

pub use batches::{Batch, Batches};
pub use binding::Binding;
pub use contract::{Contract, Element, IoNames, Port, TimestepPort, TimestepShape};
pub use device::Device;
pub use error::{Error, ErrorClass, Result};
pub use executor::{Guidance, Moment, Timing};
pub use fleet::{Shared, Spectator, share};
pub use install::{InstallOptions, install};
pub use pipeline::{ModelSource, Text, UnetConfig, Weights};
pub use probe::{fold_constants, value_ports};
pub use runtime::{Description, Found, Origin, Runtime, RuntimeOptions, describe, discover, load};
pub use sampler::{Job, SampleError, Sampler, StepLoop};
pub use session::{Network, Optimisation, SessionOptions};
