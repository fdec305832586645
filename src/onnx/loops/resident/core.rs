//! A session that runs whole steps of a plan.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::session::Session;
use prost::bytes::Bytes;

use super::step_graph;
use super::structure::Structure;
use crate::onnx::error::Error;
use crate::onnx::graph::{ModelSource, Weights};
use crate::onnx::loops::common::{Guidance, SampleError};
use crate::onnx::session::{Network, SessionSpec};
use crate::plan::Plan;

/// A session that runs whole steps.
pub(super) struct Core {
    session: Mutex<Session>,
    /// Whether the device's kernels are captured as a graph.
    pub(super) captures: bool,
    /// Numbers of captured graphs handed out so far, and how many graphs were captured.
    pub(super) numbers: AtomicU32,
    pub(super) captured: AtomicU32,
    /// The largest batch that is known to fit, 0 before any is, and whether a larger one would not.
    pub(super) fits: AtomicUsize,
    pub(super) full: AtomicBool,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("captures", &self.captures).finish_non_exhaustive()
    }
}

/// The error of a plan or a model that only the host's loop can carry out.
fn refused(reason: String) -> SampleError {
    let found = format!("this job on the resident loop ({reason})");
    crate::Error::Unsupported { found, expected: "the host loop" }.into()
}

/// What a plan asks of the graph here.
pub(super) fn structure(
    network: &Network,
    plan: &Plan,
    guidance: Option<Guidance>,
) -> Result<Structure, SampleError> {
    if guidance.is_some() && network.contract().batch.is_some() {
        return Err(refused("guidance needs both passes in one run, and the graph's batch is fixed".to_owned()));
    }
    Structure::of(plan, guidance.is_some()).map_err(refused)
}

impl Core {
    /// The session, for one run.
    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the session for a structure. Kernels are captured if the user asks for it, or else if that is usual and
    /// `may_capture`; the reason if they cannot be, though nobody forbade it.
    pub(super) fn open(
        network: &Network,
        structure: &Structure,
        may_capture: bool,
    ) -> Result<(Self, Option<String>), SampleError> {
        let source = network.source();
        let (stored, folder) = match &source.weights {
            Weights::Embedded(bytes) => (Bytes::from_static(bytes), None),
            Weights::Bytes(bytes) => (Bytes::from_owner(Arc::clone(bytes)), None),
            Weights::File(path) => {
                let unreadable = |e: std::io::Error| Error::Unreadable { path: path.clone(), reason: e.to_string() };
                (std::fs::read(path).map_err(unreadable)?.into(), path.parent().map(Path::to_path_buf))
            }
        };
        // What the CPU computes from shapes, a device would wait for.
        let folded_by = network.device().has_memory().then(|| network.runtime());
        let around = step_graph::around(stored, network.contract(), structure, folded_by);
        let (model, channels_last) = around.map_err(refused)?;
        let model = ModelSource::from_bytes(source.name.clone(), model.into());
        let (asked, usual) = network.capture();
        let mut captures = asked.unwrap_or(usual && may_capture);
        let open = |capture| {
            let spec = SessionSpec { folder: folder.as_deref(), resident: true, capture, channels_last };
            network.open_beside(&model, &spec)
        };
        let mut why_not = None;
        let session = match open(captures) {
            Err(Error::DeviceOption { reason, .. }) if captures && asked.is_none() => {
                captures = false;
                why_not = Some(reason);
                open(false)?
            }
            opened => opened?,
        };
        network.files().check()?;
        let core = Self {
            session: Mutex::new(session),
            captures,
            numbers: AtomicU32::new(0),
            captured: AtomicU32::new(0),
            fits: AtomicUsize::new(0),
            full: AtomicBool::new(false),
        };
        Ok((core, why_not))
    }
}
