//! Asking ONNX Runtime about a graph without running it, and for the profile of what was run.

use std::path::PathBuf;

use ort::session::{Session, builder::GraphOptimizationLevel};

use super::{
    contract::Port,
    error::{Error, Result},
    runtime::Runtime,
    session::{Network, port},
};

/// Name, element type and shape of every output of a graph, as the runtime infers them.
///
/// # Errors
/// [`Error::BadGraph`] if the runtime refuses the graph.
pub fn value_ports(runtime: &'static Runtime, model: &[u8]) -> Result<Vec<Port>> {
    let open = || -> ort::Result<Session> {
        let builder = Session::builder(&runtime.environment)?.with_log_level(ort::logging::LogLevel::Error)?;
        builder.with_optimization_level(GraphOptimizationLevel::Disable)?.commit_from_memory(model)
    };
    let session =
        open().map_err(|e| Error::BadGraph { model: "the graph".to_owned(), reason: e.message().to_owned() })?;
    Ok(session.outputs().iter().map(port).collect())
}

impl Network {
    /// Ends the profile that [`SessionOptions::profile`](super::SessionOptions::profile) asked for, and says where the
    /// runtime wrote it.
    ///
    /// # Errors
    /// [`Error::Run`] if the runtime cannot write it.
    pub fn end_profile(&self) -> Result<PathBuf> {
        self.session().end_profiling().map(PathBuf::from).map_err(|e| self.failed(0, &e))
    }
}
