//! Graphs opened on devices, and tensors bound to their inputs and outputs.

mod binding;
mod error;
mod introspect;
mod network;
mod open;
mod options;

pub use binding::Binding;
pub(super) use binding::{check_labels, extra_tensor, fill, twice, unknown_input, write_labels};
pub(super) use error::run_failed;
pub use network::Network;
pub(super) use open::SessionSpec;
pub use options::{Optimisation, SessionOptions};
