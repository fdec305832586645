//! A graph on its device, with its contract.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::session::Session;

use super::error::{bad_graph, run_failed};
use super::introspect::{read_graph, run_on_zeros};
use super::open::{SessionSpec, capture_asked, open_session};
use super::options::SessionOptions;
use crate::onnx::error::{Error, Result};
use crate::onnx::graph::{Contract, Files, Identified, ModelSource};
use crate::onnx::runtime::{Device, Runtime};

/// A graph on its device, with its contract.
///
/// Evaluation goes through a [`Binding`](super::Binding). Clones share the graph; its runs take turns.
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
    /// ```no_run
    /// use alphabar::onnx::{ModelSource, Network, RuntimeOptions, SessionOptions, load};
    ///
    /// let runtime = load(&RuntimeOptions::from_environment())?;
    /// let source = ModelSource::resolve("fixtures/mnist-unet".as_ref())?;
    /// let network = Network::open(runtime, &source, &SessionOptions::new())?;
    /// assert_eq!(network.sample_shape(2), [2, 1, 28, 28]);
    /// # Ok::<(), alphabar::onnx::Error>(())
    /// ```
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
        let (session, device, mut notes) = open_session(runtime, source, options, &SessionSpec::default())?;
        let graph = read_graph(&session).map_err(|e| bad_graph(source, &e))?;
        let mut contract = Contract::read(&graph, &options.names, source.config.as_ref())?;
        let (height, width) = size(&contract, options.size)?;
        contract.height = Some(height);
        contract.width = Some(width);
        notes.extend(contract.notes.iter().cloned());
        let mut session = session;
        let out_channels = match contract.out_channels {
            Some(n) => n,
            None => run_on_zeros(&mut session, &contract, height, width, &source.name)?,
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
            options: Arc::new(options.on(device)),
        })
    }

    /// What the model takes and gives.
    #[must_use]
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The device it runs on: never [`Device::AUTO`].
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

    /// Refuses batches that the graph does not take or that no memory holds.
    pub(in crate::onnx) fn check_batch(&self, batch: usize) -> Result<()> {
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

    /// Ends the profile of its own session, if one was asked for: the file.
    pub(in crate::onnx) fn end_profile(&self) -> ort::Result<String> {
        self.session().end_profiling()
    }

    /// The model's name.
    pub(in crate::onnx) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// As [`Self::contract`], to be kept.
    pub(in crate::onnx) fn shared_contract(&self) -> Arc<Contract> {
        Arc::clone(&self.contract)
    }

    /// Where it came from.
    pub(in crate::onnx) fn source(&self) -> &ModelSource {
        &self.source
    }

    /// The files that it came from.
    pub(in crate::onnx) fn files(&self) -> &Files {
        &self.files
    }

    /// The runtime that it runs on.
    pub(in crate::onnx) fn runtime(&self) -> &'static Runtime {
        self.runtime
    }

    /// Opens another graph with this one's options on its device.
    pub(in crate::onnx) fn open_beside(&self, source: &ModelSource, spec: &SessionSpec<'_>) -> Result<Session> {
        open_session(self.runtime, source, &self.options, spec).map(|(session, ..)| session)
    }

    /// Whether a resident loop captures graphs of kernels: what was asked, if anything, and what is done otherwise. A
    /// profile does not see into them.
    pub(in crate::onnx) fn capture(&self) -> (Option<bool>, bool) {
        let Some(provider) = self.device.provider() else { return (None, false) };
        (capture_asked(&self.options, provider), provider.captures() && self.options.profile.is_none())
    }

    /// The graph, for one run.
    pub(in crate::onnx) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns a failure of a run or an allocation into an error.
    pub(in crate::onnx) fn failed(&self, batch: usize, error: &ort::Error) -> Error {
        run_failed(&self.name, batch, error)
    }
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
