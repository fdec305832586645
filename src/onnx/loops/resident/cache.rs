//! What a sampler keeps from job to job: the sessions that run whole steps, and the loop that was used last.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::core::{Core, structure};
use super::ping_pong::Resident;
use super::structure::Structure;
use crate::onnx::error::Error;
use crate::onnx::loops::common::{Guidance, SampleError};
use crate::onnx::session::Network;
use crate::plan::Plan;

/// Graphs with steps around them that a sampler keeps open.
const KEPT: usize = 4;

/// Graphs of kernels that one of them may have captured; ONNX Runtime lets go of them when the thread or the session
/// ends.
const CAPTURES: u32 = 512;

/// What a sampler keeps for its resident loops; clones share it. It belongs to one network.
#[derive(Clone, Debug, Default)]
pub(in crate::onnx) struct Cache(Arc<Mutex<Kept>>);

/// Sessions by structure, and the last loop that was used.
#[derive(Debug, Default)]
struct Kept {
    cores: Vec<(Structure, Arc<Core>)>,
    idle: Option<Box<Resident>>,
    /// Why kernels are not captured, where they would be.
    no_capture: Option<String>,
}

fn without_capture(reason: &str) -> String {
    format!("no CUDA graphs are captured, since this cannot be: {reason}")
}

impl Cache {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the session that a plan needs; says what is otherwise than usual, if anything.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] if the plan or the model is only for the host's loop.
    pub(in crate::onnx) fn open(
        &self,
        network: &Network,
        plan: &Plan,
        guidance: Option<Guidance>,
    ) -> Result<Option<String>, SampleError> {
        self.core(network, &structure(network, plan, guidance)?)?;
        Ok(self.kept().no_capture.as_deref().map(without_capture))
    }

    /// The loop that was used last, if it is the same, or a new one.
    pub(in crate::onnx) fn resident(
        &self,
        network: &Network,
        plan: &Plan,
        batch: usize,
        guidance: Option<Guidance>,
    ) -> Result<Box<Resident>, SampleError> {
        let idle = self.kept().idle.take();
        if let Some(idle) = idle.filter(|idle| idle.is_for(plan, batch, guidance)) {
            return Ok(idle);
        }
        let structure = structure(network, plan, guidance)?;
        network.check_batch(batch)?;
        for step in plan.steps() {
            network.contract().timestep.check(step.model_timestep)?;
        }
        let core = self.core(network, &structure)?;
        Resident::bind(network, core, &structure, plan, batch, guidance)
            .map(Box::new)
            .map_err(|error| network.failed(batch, &error).into())
    }

    /// Leaves a loop to the next job.
    pub(in crate::onnx) fn retire(&self, resident: Box<Resident>) {
        self.kept().idle = Some(resident);
    }

    /// The largest batch up to a limit that fits, searched for when it is not known from an earlier job.
    pub(in crate::onnx) fn batch_that_fits(
        &self,
        network: &Network,
        plan: &Plan,
        guidance: Option<Guidance>,
        limit: usize,
        search: impl FnOnce() -> Result<Option<usize>, SampleError>,
    ) -> Result<Option<usize>, SampleError> {
        let core = self.core(network, &structure(network, plan, guidance)?)?;
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

    /// Goes on without captured kernels after a capture has failed, unless they were asked for; what to tell the user.
    pub(in crate::onnx) fn give_up_capture(
        &self,
        network: &Network,
        error: SampleError,
    ) -> Result<String, SampleError> {
        let memory = matches!(error, SampleError::Onnx(Error::OutOfMemory { .. }));
        if memory || network.capture().0.is_some() {
            return Err(error);
        }
        let mut kept = self.kept();
        kept.cores.retain(|(_, core)| !core.captures);
        kept.idle = None;
        let reason = error.to_string();
        let note = without_capture(&reason);
        kept.no_capture = Some(reason);
        Ok(note)
    }

    /// Whether any session has captured kernels.
    pub(in crate::onnx) fn has_captured(&self) -> bool {
        self.kept().cores.iter().any(|(_, core)| core.captures && core.captured.load(Ordering::Relaxed) > 0)
    }

    /// Ends the profiles of all sessions; their files.
    pub(in crate::onnx) fn end_profiles(&self) -> ort::Result<Vec<String>> {
        self.kept().cores.iter().map(|(_, core)| core.session().end_profiling()).collect()
    }

    /// The session for a structure, opened if there is none yet.
    fn core(&self, network: &Network, structure: &Structure) -> Result<Arc<Core>, SampleError> {
        let mut kept = self.kept();
        if let Some(at) = kept.cores.iter().position(|(known, _)| known == structure) {
            if kept.cores[at].1.captured.load(Ordering::Relaxed) < CAPTURES {
                return Ok(Arc::clone(&kept.cores[at].1));
            }
            kept.cores.remove(at);
        }
        let (core, why_not) = Core::open(network, structure, kept.no_capture.is_none())?;
        if why_not.is_some() {
            kept.no_capture = why_not;
        }
        let core = Arc::new(core);
        if kept.cores.len() == KEPT {
            kept.cores.remove(0);
        }
        kept.cores.push((structure.clone(), Arc::clone(&core)));
        Ok(core)
    }
}
