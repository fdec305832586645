//! A graph on its device, with its contract.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::session::Session;

use super::binding::Binding;
use super::contract::{Contract, IoNames};
use super::device::Device;
use super::environment::Telemetry;
use super::error::{Error, Result};
use super::identity::{Files, Identified};
use super::opening::{Purpose, bad_graph, cuda_graph_asked, message, open_session};
use super::pipeline::ModelSource;
use super::reading::{probe, read_graph};
use super::resident::Cache;
use super::runtime::Runtime;

/// How much ONNX Runtime may rewrite a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Optimisation {
    /// Not at all.
    None,
    /// Removal of redundant nodes, folding of constants.
    Basic,
    /// Fusions too.
    Extended,
    /// Memory layouts too.
    #[default]
    All,
}

/// How a network is loaded and run.
///
/// On CUDA these defaults of ONNX Runtime are set otherwise, for reasons that have not been measured: convolutions are
/// chosen by cuDNN's heuristic (`cudnn_conv_algo_search=HEURISTIC`), as the exhaustive search tries every kernel for
/// every batch size that is met; memory is taken as it is asked for (`arena_extend_strategy=kSameAsRequested`), so that
/// what is free tells how large a batch may be; graphs with fused norms are run with channels last (`prefer_nhwc`). The
/// workspace is left as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionOptions {
    /// Where it runs.
    pub device: Device,
    /// Threads of the CPU provider; `None` leaves it to ONNX Runtime (one for each physical core).
    pub threads: Option<usize>,
    /// Options of the device's provider, as ONNX Runtime names them; they override what is set here. Only the resident
    /// loop sees `enable_cuda_graph`, which is on unless it is given here or a graph cannot be captured.
    pub ep_options: Vec<(String, String)>,
    /// Whether CUDA may round the factors of float32 products to TF32. Always set explicitly; off by default.
    pub tf32: bool,
    /// How much the graph may be rewritten.
    pub optimisation: Optimisation,
    /// Names of inputs and outputs, where they are not the usual ones.
    pub names: IoNames,
    /// Height and width for a graph that leaves them open and has no configuration that says them.
    pub size: Option<(usize, usize)>,
    /// Where to write ONNX Runtime's profiles, as the beginning of a file name; see [`Network::end_profiles`].
    pub profile: Option<PathBuf>,
    /// Whether [`Sampler::open`](super::Sampler::open) may start ONNX Runtime where its telemetry is not known to be off.
    pub telemetry: Telemetry,
}

impl SessionOptions {
    /// Lets [`Sampler::open`](super::Sampler::open) start ONNX Runtime even where `ORT_DISABLE_TELEMETRY=1` is not in the
    /// environment; see [`RuntimeOptions::allow_telemetry`](super::RuntimeOptions::allow_telemetry).
    #[must_use]
    pub fn allow_telemetry(mut self) -> Self {
        self.telemetry = Telemetry::Allowed;
        self
    }
}

/// A graph on its device, with its contract.
///
/// Evaluation goes through a [`Binding`]. Clones share the graph; its runs take turns.
#[derive(Clone)]
pub struct Network {
    name: Arc<str>,
    session: Arc<Mutex<Session>>,
    contract: Arc<Contract>,
    device: Device,
    notes: Arc<[String]>,
    height: usize,
    width: usize,
    out_channels: usize,
    runtime: &'static Runtime,
    source: Arc<ModelSource>,
    files: Arc<Files>,
    options: Arc<SessionOptions>,
    resident: Arc<Mutex<Cache>>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("name", &self.name)
            .field("device", &self.device)
            .field("contract", &self.contract)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Loads a model onto its device and reads its contract.
    ///
    /// # Errors
    /// [`Error::BadGraph`] and the errors of [`Contract::read`] for the model, and those of [`ModelSource::identify`] for
    /// its files; [`Error::ModelChanged`] if one was changed meanwhile; [`Error::SizeUnknown`];
    /// [`Error::DeviceUnavailable`] and [`Error::DeviceOption`] for the device.
    pub fn open(runtime: &'static Runtime, source: &ModelSource, options: &SessionOptions) -> Result<Self> {
        Self::open_files(runtime, source, Arc::new(source.files()?), options)
    }

    /// As [`Self::open`], for a model whose hash is known: files that were changed since they were hashed are refused.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_identified(runtime: &'static Runtime, model: &Identified, options: &SessionOptions) -> Result<Self> {
        Self::open_files(runtime, model.source(), model.files(), options)
    }

    fn open_files(
        runtime: &'static Runtime,
        source: &ModelSource,
        files: Arc<Files>,
        options: &SessionOptions,
    ) -> Result<Self> {
        let (session, device, mut notes) = open_session(runtime, source, options, &Purpose::default())?;
        let graph = read_graph(&session).map_err(|e| bad_graph(source, &e))?;
        let mut contract = Contract::read(&graph, &options.names, source.config.as_ref())?;
        let (height, width) = size(&contract, options.size)?;
        contract.height = Some(height);
        contract.width = Some(width);
        notes.extend(contract.notes.iter().cloned());
        let mut session = session;
        let out_channels = match contract.out_channels {
            Some(n) => n,
            None => probe(&mut session, &contract, height, width, &source.name)?,
        };
        contract.out_channels = Some(out_channels);
        files.check()?;
        Ok(Self {
            name: source.name.as_str().into(),
            session: Arc::new(Mutex::new(session)),
            contract: Arc::new(contract),
            device,
            notes: notes.into(),
            height,
            width,
            out_channels,
            runtime,
            source: Arc::new(source.clone()),
            files,
            options: Arc::new(SessionOptions { device, ..options.clone() }),
            resident: Arc::default(),
        })
    }

    /// What the model takes and gives.
    #[must_use]
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The device it runs on: never [`Device::Auto`].
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// What was chosen or guessed on the user's behalf, in sentences.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Shape of a batch of samples, [batch, C, H, W].
    #[must_use]
    pub fn sample_shape(&self, batch: usize) -> [usize; 4] {
        [batch, self.contract.channels, self.height, self.width]
    }

    /// Shape of the output for a batch, [batch, C or 2C, H, W].
    #[must_use]
    pub fn output_shape(&self, batch: usize) -> [usize; 4] {
        [batch, self.out_channels, self.height, self.width]
    }

    /// Allocates tensors for batches of one size and binds them to the graph.
    ///
    /// # Errors
    /// [`Error::FixedBatch`] if the graph takes another size; [`Error::OutOfMemory`]; [`Error::BadInput`] for 0.
    pub fn bind(&self, batch: usize) -> Result<Binding> {
        self.check_batch(batch)?;
        Binding::new(self, batch).map_err(|e| self.failed(batch, &e))
    }

    /// Refuses batches that the graph does not take or that no memory holds.
    pub(super) fn check_batch(&self, batch: usize) -> Result<()> {
        if let Some(fixed) = self.contract.batch.filter(|&fixed| fixed != batch) {
            return Err(Error::FixedBatch { fixed, asked: batch });
        }
        if batch == 0 {
            return Err(Error::BadInput {
                name: "the batch".to_owned(),
                found: "empty".to_owned(),
                expected: "at least one sample".to_owned(),
            });
        }
        let shapes = [self.sample_shape(batch), self.output_shape(batch)];
        for shape in shapes {
            let bytes = shape.iter().try_fold(4_usize, |n, &d| n.checked_mul(d));
            if bytes.is_none_or(|n| isize::try_from(n).is_err()) {
                return Err(Error::OutOfMemory { batch, reason: format!("its shape is {shape:?}") });
            }
        }
        Ok(())
    }

    /// Ends the profiles that [`SessionOptions::profile`] asked for: the files, one for every session that was opened
    /// (the network's own, then those of the resident loop).
    ///
    /// # Errors
    /// [`Error::Run`] if none was asked for or it cannot be written.
    pub fn end_profiles(&self) -> Result<Vec<PathBuf>> {
        let cache = self.resident().lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.session().end_profiling();
        let files = own.and_then(|own| Ok([vec![own], cache.end_profiles()?].concat()));
        Ok(files.map_err(|e| self.failed(0, &e))?.into_iter().map(PathBuf::from).collect())
    }

    /// Whether a resident loop of it has captured CUDA graphs.
    #[must_use]
    pub fn has_cuda_graphs(&self) -> bool {
        self.resident().lock().unwrap_or_else(PoisonError::into_inner).has_graphs()
    }

    /// The model's name.
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// As [`Self::contract`], to be kept.
    pub(super) fn shared_contract(&self) -> Arc<Contract> {
        Arc::clone(&self.contract)
    }

    /// Where it came from.
    pub(super) fn source(&self) -> &ModelSource {
        &self.source
    }

    /// The files that it came from.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// The runtime that it runs on.
    pub(super) fn runtime(&self) -> &'static Runtime {
        self.runtime
    }

    /// What its resident loops share.
    pub(super) fn resident(&self) -> &Mutex<Cache> {
        &self.resident
    }

    /// Opens another graph with this one's options on its device.
    pub(super) fn open_beside(&self, source: &ModelSource, purpose: &Purpose<'_>) -> Result<Session> {
        open_session(self.runtime, source, &self.options, purpose).map(|(session, ..)| session)
    }

    /// Whether a resident loop captures CUDA graphs: what was asked, if anything, and what is done otherwise. A profile
    /// does not see into them.
    pub(super) fn cuda_graphs(&self) -> (Option<bool>, bool) {
        let usual = matches!(self.device, Device::Cuda(_)) && self.options.profile.is_none();
        (cuda_graph_asked(&self.options), usual)
    }

    /// The graph, for one run.
    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns a failure of a run or an allocation into an error.
    pub(super) fn failed(&self, batch: usize, error: &ort::Error) -> Error {
        run_failed(&self.name, batch, error)
    }
}

pub(super) fn run_failed(model: &str, batch: usize, error: &ort::Error) -> Error {
    let reason = message(error);
    let memory = ["Failed to allocate", "bad_alloc", "out of memory", "OUT_OF_MEMORY"];
    if memory.iter().any(|m| reason.contains(m)) {
        return Error::OutOfMemory { batch, reason };
    }
    Error::Run { model: model.to_owned(), reason }
}

fn size(contract: &Contract, asked: Option<(usize, usize)>) -> Result<(usize, usize)> {
    let (height, width) = (contract.height, contract.width);
    let fixed = (contract.sample.dims[2].fixed(), contract.sample.dims[3].fixed());
    if let Some((h, w)) = asked {
        if fixed.0.is_some_and(|n| n != h) || fixed.1.is_some_and(|n| n != w) || h == 0 || w == 0 {
            return Err(Error::PortMisfit {
                role: "sample".to_owned(),
                found: contract.sample.to_string(),
                expected: format!("a size of {h} by {w}, as was asked for"),
            });
        }
        return Ok((h, w));
    }
    height.zip(width).ok_or(Error::SizeUnknown)
}
