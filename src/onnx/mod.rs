//! Networks as ONNX graphs: the runtime, the model's contract, evaluation, and sampling.
//!
//! The module is built in floors. Each uses those below it and none above (`tests/floors.rs` reads the sources):
//!
//! ```text
//! sampler   jobs, batches, several devices
//! loops     a plan carried out step by step: on the host, or resident on the device
//! session   a graph opened on a device, and tensors bound to it
//! graph     graphs as data: contract, weights, folding, conversion
//! runtime   ONNX Runtime found, loaded and installed; devices and their providers
//! error     what can go wrong
//! ```

mod error;
pub mod graph;
mod loops;
pub mod runtime;
mod sampler;
mod session;

pub use error::{Error, ErrorClass, Result};
pub use graph::{
    Contract, Dim, Element, Identified, IoNames, ModelSource, Port, Text, TimestepPort, TimestepShape, UnetConfig,
    Weights,
};
pub use loops::{SampleError, StepView, Timing};
pub use runtime::environment::{self, Telemetry};
pub use runtime::{
    Build, Description, Device, Found, InstallOptions, MemoryInUse, Origin, Runtime, RuntimeOptions, describe,
    discover, install, load, load_or_install,
};
pub use sampler::{Batch, Batches, Job, Observer, Sampler, Shared, StepLoop, share};
pub use session::{Binding, Network, Optimisation, SessionOptions};
