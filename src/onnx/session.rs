//! A graph on its device, with its contract.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ort::{
    ep,
    memory::Allocator,
    session::{
        Session,
        builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder},
    },
    value::{DynTensor, Outlet, TensorElementType, ValueType},
};

use super::{
    binding::Binding,
    contract::{Contract, Dim, Element, Graph, IoNames, Port, TimestepShape},
    device::{self, CUDA_PROVIDER, Device},
    error::{Error, Result},
    pipeline::{ModelSource, Weights},
    runtime::Runtime,
};

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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionOptions {
    /// Where it runs.
    pub device: Device,
    /// Threads of the CPU provider; `None` leaves it to ONNX Runtime (one for each physical core).
    pub threads: Option<usize>,
    /// Options of the device's provider, as ONNX Runtime names them; they override what is set here.
    pub ep_options: Vec<(String, String)>,
    /// Whether CUDA may round the factors of float32 products to TF32. Always set explicitly; off by default.
    pub tf32: bool,
    /// How much the graph may be rewritten.
    pub optimisation: Optimisation,
    /// Names of inputs and outputs, where they are not the usual ones.
    pub names: IoNames,
    /// Height and width for a graph that leaves them open and has no configuration that says them.
    pub size: Option<(usize, usize)>,
    /// Where to write the runtime's own profile; the runtime adds the time and `.json`.
    pub profile: Option<std::path::PathBuf>,
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
    /// [`Error::BadGraph`] and the errors of [`Contract::read`] for the model; [`Error::SizeUnknown`];
    /// [`Error::DeviceUnavailable`] and [`Error::DeviceOption`] for the device.
    pub fn open(runtime: &'static Runtime, source: &ModelSource, options: &SessionOptions) -> Result<Self> {
        let (session, device, mut notes) = open_session(runtime, source, options)?;
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
        Ok(Self {
            name: source.name.as_str().into(),
            session: Arc::new(Mutex::new(session)),
            contract: Arc::new(contract),
            device,
            notes: notes.into(),
            height,
            width,
            out_channels,
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
        Binding::new(self, batch).map_err(|e| self.failed(batch, &e))
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

fn run_failed(model: &str, batch: usize, error: &ort::Error) -> Error {
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

/// Runs the graph once on zeros, to learn the output's channels where the graph does not say them.
fn probe(session: &mut Session, contract: &Contract, height: usize, width: usize, name: &str) -> Result<usize> {
    let batch = contract.batch.unwrap_or(1);
    let unknown = || Error::PortMisfit {
        role: "out_sample".to_owned(),
        found: contract.out_sample.to_string(),
        expected: "a fixed number of channels (second dimension)".to_owned(),
    };
    if !contract.extra.is_empty() {
        return Err(unknown());
    }
    let mut run = || -> ort::Result<Vec<i64>> {
        let cpu = Allocator::default();
        let zeros = |element: &Element, shape: Vec<usize>| DynTensor::new(&cpu, element_type(element), shape);
        let mut inputs: Vec<(String, DynTensor)> = vec![(
            contract.sample.name.clone(),
            zeros(&contract.sample.element, vec![batch, contract.channels, height, width])?,
        )];
        let shape = match contract.timestep.shape {
            TimestepShape::Scalar => vec![],
            TimestepShape::One => vec![1],
            TimestepShape::PerSample => vec![batch],
        };
        inputs.push((contract.timestep.name.clone(), zeros(&contract.timestep.element, shape)?));
        if let Some(port) = &contract.class_labels {
            inputs.push((port.name.clone(), zeros(&port.element, vec![batch])?));
        }
        let outputs = session.run(inputs)?;
        let output = outputs
            .get(contract.out_sample.name.as_str())
            .ok_or_else(|| ort::Error::new("the output is not there"))?;
        Ok(match output.dtype() {
            ValueType::Tensor { shape, .. } => shape.to_vec(),
            _ => Vec::new(),
        })
    };
    let shape = run().map_err(|e| run_failed(name, batch, &e))?;
    let dims: Vec<usize> = shape.iter().filter_map(|&d| usize::try_from(d).ok()).collect();
    match dims[..] {
        [b, c, h, w] if (b, h, w) == (batch, height, width) => {
            if c == contract.channels || c == 2 * contract.channels {
                return Ok(c);
            }
            Err(Error::Channels { input: contract.channels, output: c })
        }
        _ => Err(Error::PortMisfit {
            role: "out_sample".to_owned(),
            found: format!("{} with the shape {shape:?} for a batch of {batch}", contract.out_sample.name),
            expected: format!("[{batch}, C or 2C, {height}, {width}]"),
        }),
    }
}

/// Reads names, types and metadata.
fn read_graph(session: &Session) -> ort::Result<Graph> {
    let metadata = session.metadata()?;
    let keys = metadata.custom_keys()?;
    Ok(Graph {
        inputs: session.inputs().iter().map(port).collect(),
        outputs: session.outputs().iter().map(port).collect(),
        metadata: keys.into_iter().filter_map(|k| metadata.custom(&k).map(|v| (k, v))).collect(),
    })
}

pub(super) fn port(outlet: &Outlet) -> Port {
    let (element, dims) = match outlet.dtype() {
        ValueType::Tensor { ty, shape, dimension_symbols } => {
            let names = dimension_symbols.iter().map(String::as_str).chain(std::iter::repeat(""));
            let dims = shape
                .iter()
                .zip(names)
                .map(|(&d, name)| usize::try_from(d).map_or_else(|_| Dim::Free(name.to_owned()), Dim::Fixed))
                .collect();
            (element(*ty), dims)
        }
        other => (Element::Other(other.to_string()), Vec::new()),
    };
    Port { name: outlet.name().to_owned(), element, dims }
}

fn element(ty: TensorElementType) -> Element {
    match ty {
        TensorElementType::Float32 => Element::F32,
        TensorElementType::Float16 => Element::F16,
        TensorElementType::Float64 => Element::F64,
        TensorElementType::Int64 => Element::I64,
        TensorElementType::Int32 => Element::I32,
        TensorElementType::Bool => Element::Bool,
        other => Element::Other(other.to_string()),
    }
}

pub(super) fn element_type(element: &Element) -> TensorElementType {
    match element {
        Element::F32 => TensorElementType::Float32,
        Element::F16 => TensorElementType::Float16,
        Element::F64 => TensorElementType::Float64,
        Element::I32 => TensorElementType::Int32,
        Element::Bool => TensorElementType::Bool,
        Element::I64 | Element::Other(_) => TensorElementType::Int64,
    }
}

fn bad_graph(source: &ModelSource, error: &ort::Error) -> Error {
    Error::BadGraph { model: source.name.clone(), reason: message(error) }
}

/// Opens the graph on the device that was asked for; says which one it was and what there is to know about it.
fn open_session(
    runtime: &'static Runtime,
    source: &ModelSource,
    options: &SessionOptions,
) -> Result<(Session, Device, Vec<String>)> {
    for (key, value) in &options.ep_options {
        let option = format!("{key}={value}");
        if key.is_empty() || option.contains('\0') {
            return Err(device_option(&option, options.device, "it is not KEY=VALUE"));
        }
        if options.device == Device::Cpu {
            return Err(device_option(&option, options.device, "the CPU provider has no options"));
        }
    }
    match options.device {
        Device::Cpu => open_on_cpu(runtime, source, options).map(|s| (s, Device::Cpu, Vec::new())),
        Device::Cuda(n) => open_on_cuda(runtime, source, options, n).map(|s| (s, Device::Cuda(n), Vec::new())),
        Device::Auto => {
            let why = if runtime.has_provider(CUDA_PROVIDER) {
                match open_on_cuda(runtime, source, options, 0) {
                    Ok(session) => {
                        let note = "device auto: using cuda:0".to_owned();
                        return Ok((session, Device::Cuda(0), vec![note]));
                    }
                    Err(Error::DeviceUnavailable { missing: Some(missing), .. }) => {
                        format!("CUDA cannot be used; missing: {missing}")
                    }
                    Err(Error::DeviceUnavailable { reason, .. } | Error::OutOfMemory { reason, .. }) => {
                        format!("CUDA cannot be used: {reason}")
                    }
                    Err(error) => return Err(error),
                }
            } else {
                "this ONNX Runtime has no CUDA provider".to_owned()
            };
            let session = open_on_cpu(runtime, source, options)?;
            let mut notes = vec![format!("device auto: using the CPU ({why})")];
            if !options.ep_options.is_empty() {
                notes.push("provider options are not used on the CPU".to_owned());
            }
            Ok((session, Device::Cpu, notes))
        }
    }
}

/// ONNX Runtime's message without its place in ONNX Runtime's source and its error code.
fn message(error: &ort::Error) -> String {
    without_prefix(error.message()).to_owned()
}

fn without_prefix(text: &str) -> &str {
    let text = text
        .rsplit_once("[ONNXRuntimeError] : ")
        .map_or(text, |(_, coded)| coded.splitn(3, " : ").nth(2).unwrap_or(coded));
    text.trim()
}

fn device_option(option: &str, device: Device, reason: &str) -> Error {
    Error::DeviceOption { option: option.to_owned(), device: device.to_string(), reason: reason.to_owned() }
}

/// The options that do not depend on the device.
fn builder(runtime: &'static Runtime, options: &SessionOptions) -> ort::Result<SessionBuilder> {
    let level = match options.optimisation {
        Optimisation::None => GraphOptimizationLevel::Disable,
        Optimisation::Basic => GraphOptimizationLevel::Level1,
        Optimisation::Extended => GraphOptimizationLevel::Level2,
        Optimisation::All => GraphOptimizationLevel::All,
    };
    let mut builder = Session::builder(&runtime.environment)?
        .with_log_level(ort::logging::LogLevel::Warning)?
        .with_optimization_level(level)?;
    if let Some(threads) = options.threads {
        builder = builder.with_intra_threads(threads)?;
    }
    if let Some(path) = &options.profile {
        builder = builder.with_profiling(path)?;
    }
    Ok(builder)
}

fn commit(builder: &mut SessionBuilder, source: &ModelSource) -> ort::Result<Session> {
    match &source.weights {
        Weights::File(path) => builder.commit_from_file(path),
        Weights::Embedded(bytes) => builder.commit_from_memory(bytes),
        Weights::Bytes(bytes) => builder.commit_from_memory(bytes),
    }
}

fn open_on_cpu(runtime: &'static Runtime, source: &ModelSource, options: &SessionOptions) -> Result<Session> {
    let configured = builder(runtime, options).and_then(|b| Ok(b.with_auto_device(AutoDevicePolicy::PreferCPU)?));
    let mut builder = configured.map_err(|e| start_failed(runtime, &e))?;
    commit(&mut builder, source).map_err(|e| bad_graph(source, &e))
}

fn start_failed(runtime: &Runtime, error: &ort::Error) -> Error {
    Error::RuntimeStart { path: runtime.description().path.clone(), reason: message(error) }
}

fn open_on_cuda(
    runtime: &'static Runtime,
    source: &ModelSource,
    options: &SessionOptions,
    number: u32,
) -> Result<Session> {
    let device = Device::Cuda(number);
    if !runtime.has_provider(CUDA_PROVIDER) {
        let description = runtime.description();
        return Err(Error::DeviceUnavailable {
            device: device.to_string(),
            reason: format!(
                "ONNX Runtime {} at {} was built without CUDA (it has {})",
                description.version,
                description.path.display(),
                description.providers.join(", ")
            ),
            missing: None,
            advice: "run `alphabar runtime install --cuda`, or use --device cpu".to_owned(),
        });
    }
    let not_found = device::preload_cuda(runtime);
    runtime.take_log();
    let mut cuda =
        ep::CUDA::default().with_device_id(i32::try_from(number).unwrap_or(i32::MAX)).with_tf32(options.tf32);
    for (key, value) in &options.ep_options {
        cuda = ep::ArbitrarilyConfigurableExecutionProvider::with_arbitrary_config(cuda, key, value);
    }
    let unavailable = |error: &ort::Error| {
        let mut reason = message(error);
        for line in runtime.take_log() {
            let line = without_prefix(&line);
            if !reason.contains(line) {
                reason = format!("{reason}; {line}");
            }
        }
        if let Some((key, value)) = options.ep_options.iter().find(|(key, _)| reason.contains(key.as_str())) {
            return device_option(&format!("{key}={value}"), device, &reason);
        }
        Error::DeviceUnavailable {
            device: device.to_string(),
            missing: device::missing_libraries(&reason, &not_found),
            reason,
            advice:
                "install NVIDIA's driver, CUDA 13 and cuDNN 9 (the system's, or the nvidia packages of the active \
                     Python environment), or use --device cpu"
                    .to_owned(),
        }
    };
    let base = builder(runtime, options).map_err(|e| start_failed(runtime, &e))?;
    let mut configured = base
        .with_execution_providers([cuda.build().error_on_failure()])
        .map_err(|e| unavailable(&ort::Error::from(e)))?;
    commit(&mut configured, source).map_err(|e| {
        let message = e.message();
        if ["CUDA", "cuda", "CUDNN", "cuDNN", "CUBLAS"].iter().any(|word| message.contains(word)) {
            unavailable(&e)
        } else {
            bad_graph(source, &e)
        }
    })
}
