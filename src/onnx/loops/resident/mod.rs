//! The loop that stays on the device: x, the registers, the coefficients and the counter never leave it between steps.
//!
//! A session of its own holds the network with the step around it (see `graph`), so that a step is one run. Two sets
//! of tensors take turns at being read and written: addresses are the same every other step, as CUDA graphs ask, a run
//! may be repeated without harm, and nothing is allocated or, for plans without noise, sent to the device per step.
//! Noise is drawn ahead on other threads (see `feed`).
//!
//! What it computes is what [`crate::sample::apply`] computes, operation by operation in f32; only sums over several
//! registers may be taken in another order, and the exponential of a learned variance is taken in f32 for f64.

mod feed;
mod graph;
mod place;
mod steps;
mod structure;
mod turns;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::session::Session;
use prost::bytes::Bytes;

use super::executor::Guidance;
use super::opening::Purpose;
use super::pipeline::Weights;
use super::session::Network;
use super::{ModelSource, SampleError};
use crate::plan::Plan;
use structure::Structure;
pub(super) use turns::Resident;

/// Graphs with steps around them that a network keeps open.
const KEPT: usize = 4;

/// CUDA graphs that one of them may have captured; ONNX Runtime lets go of them when the thread or the session ends.
const CAPTURES: u32 = 512;

/// What a network keeps for its resident loops: sessions by structure, and the last loop that was used.
#[derive(Debug, Default)]
pub(super) struct Cache {
    cores: Vec<(Structure, Arc<Core>)>,
    idle: Option<Box<Resident>>,
    /// Why CUDA graphs are not captured, where they would be.
    no_graphs: Option<String>,
}

/// A session that runs whole steps.
struct Core {
    session: Mutex<Session>,
    cuda_graph: bool,
    /// Numbers of CUDA graphs handed out so far, and how many graphs were captured.
    numbers: AtomicU32,
    captured: AtomicU32,
    /// The largest batch that is known to fit, 0 before any is, and whether a larger one would not.
    fits: AtomicUsize,
    full: AtomicBool,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("cuda_graph", &self.cuda_graph).finish_non_exhaustive()
    }
}

/// The error of a plan or a model that only the host's loop can carry out.
fn refused(reason: String) -> SampleError {
    let found = format!("the resident loop: {reason}");
    crate::Error::Unsupported { found, expected: "a plan and a model that it takes, or the host's loop" }.into()
}

/// What a plan asks of the graph here.
fn structure(network: &Network, plan: &Plan, guidance: Option<Guidance>) -> Result<Structure, SampleError> {
    if guidance.is_some() && network.contract().batch.is_some() {
        return Err(refused("guidance needs both passes in one run, and the graph's batch is fixed".to_owned()));
    }
    Structure::of(plan, guidance.is_some()).map_err(refused)
}

/// Opens the session that a plan needs here; says what is otherwise than usual, if anything.
///
/// # Errors
/// [`crate::Error::Unsupported`] if the plan or the model is only for the host's loop.
pub(super) fn open(
    network: &Network,
    plan: &Plan,
    guidance: Option<Guidance>,
) -> Result<Option<String>, SampleError> {
    Core::of(network, &structure(network, plan, guidance)?)?;
    let cache = network.resident().lock().unwrap_or_else(PoisonError::into_inner);
    Ok(cache.no_graphs.as_deref().map(without_graphs))
}

/// The largest batch up to a limit that fits, searched for when it is not known from an earlier job.
pub(super) fn batch_that_fits(
    network: &Network,
    plan: &Plan,
    guidance: Option<Guidance>,
    limit: usize,
    search: impl FnOnce() -> Result<Option<usize>, SampleError>,
) -> Result<Option<usize>, SampleError> {
    let core = Core::of(network, &structure(network, plan, guidance)?)?;
    let known = core.fits.load(Ordering::Relaxed);
    if known >= limit || core.full.load(Ordering::Relaxed) {
        return Ok(Some(known.min(limit)));
    }
    let found = search()?;
    if let Some(fits) = found {
        core.fits.fetch_max(fits, Ordering::Relaxed);
        core.full.store(fits < limit, Ordering::Relaxed);
    }
    Ok(found)
}

fn without_graphs(reason: &str) -> String {
    format!("no CUDA graphs are captured, since this cannot be: {reason}")
}

/// Goes on without CUDA graphs after a capture has failed, unless they were asked for; what to tell the user.
pub(super) fn give_up_graphs(network: &Network, error: SampleError) -> Result<String, SampleError> {
    let memory = matches!(error, SampleError::Onnx(super::Error::OutOfMemory { .. }));
    if memory || network.cuda_graphs().0.is_some() {
        return Err(error);
    }
    let mut cache = network.resident().lock().unwrap_or_else(PoisonError::into_inner);
    cache.cores.retain(|(_, core)| !core.cuda_graph);
    cache.idle = None;
    let reason = error.to_string();
    let note = without_graphs(&reason);
    cache.no_graphs = Some(reason);
    Ok(note)
}

impl Core {
    /// The session, for one run.
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session for a structure, opened if the network has none yet.
    fn of(network: &Network, structure: &Structure) -> Result<Arc<Self>, SampleError> {
        let mut cache = network.resident().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = cache.cores.iter().position(|(known, _)| known == structure) {
            if cache.cores[at].1.captured.load(Ordering::Relaxed) < CAPTURES {
                return Ok(Arc::clone(&cache.cores[at].1));
            }
            cache.cores.remove(at);
        }
        let source = network.source();
        let (stored, folder) = match &source.weights {
            Weights::Embedded(bytes) => (Bytes::from_static(bytes), None),
            Weights::Bytes(bytes) => (Bytes::from_owner(Arc::clone(bytes)), None),
            Weights::File(path) => {
                let unreadable =
                    |e: std::io::Error| super::Error::Unreadable { path: path.clone(), reason: e.to_string() };
                (std::fs::read(path).map_err(unreadable)?.into(), path.parent().map(Path::to_path_buf))
            }
        };
        // What the CPU computes from shapes, a GPU would wait for.
        let settled_by = network.device().gpu().map(|_| network.runtime());
        let around = graph::around(stored, network.contract(), structure, settled_by);
        let (model, channels_last) = around.map_err(refused)?;
        let model = ModelSource::from_bytes(source.name.clone(), model.into());
        let (asked, usual) = network.cuda_graphs();
        let mut cuda_graph = asked.unwrap_or(usual && cache.no_graphs.is_none());
        let open = |cuda_graph| {
            let purpose = Purpose { folder: folder.as_deref(), resident: true, cuda_graph, channels_last };
            network.open_beside(&model, &purpose)
        };
        let session = match open(cuda_graph) {
            Err(super::Error::DeviceOption { reason, .. }) if cuda_graph && asked.is_none() => {
                cuda_graph = false;
                cache.no_graphs = Some(reason);
                open(false)?
            }
            opened => opened?,
        };
        network.files().check()?;
        let core = Arc::new(Self {
            session: Mutex::new(session),
            cuda_graph,
            numbers: AtomicU32::new(0),
            captured: AtomicU32::new(0),
            fits: AtomicUsize::new(0),
            full: AtomicBool::new(false),
        });
        if cache.cores.len() == KEPT {
            cache.cores.remove(0);
        }
        cache.cores.push((structure.clone(), Arc::clone(&core)));
        Ok(core)
    }
}

impl Cache {
    /// Whether any session has captured CUDA graphs.
    pub(super) fn has_graphs(&self) -> bool {
        self.cores.iter().any(|(_, core)| core.cuda_graph && core.captured.load(Ordering::Relaxed) > 0)
    }

    /// Ends the profiles of all sessions; their files.
    pub(super) fn end_profiles(&self) -> ort::Result<Vec<String>> {
        self.cores.iter().map(|(_, core)| core.session().end_profiling()).collect()
    }
}
