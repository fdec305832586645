//! Carrying a plan out, step by step: on the host between two runs of the network, or resident on its device.

mod common;
mod host;
mod prefetch;
mod resident;

pub(super) use common::{Guidance, Watcher};
pub use common::{SampleError, StepView, Timing};
pub(super) use host::HostLoop;
pub(super) use prefetch::Prefetch;
pub(super) use resident::{Cache, Resident};
