//! A network ready to be evaluated: the graph on its device, and preallocated tensors bound to it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use half::{f16, slice::HalfFloatSliceExt};
use ndarray::ArrayViewD;
use ort::{
    ep,
    memory::Allocator,
    session::{
        IoBinding, Session,
        builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder},
    },
    value::{DynTensor, Outlet, Tensor, TensorElementType, ValueType},
};

use super::{
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
        self.allocate(batch).map_err(|e| self.failed(batch, &e))
    }

    fn allocate(&self, batch: usize) -> ort::Result<Binding> {
        let contract = &self.contract;
        let cpu = Allocator::default();
        let mut io = lock(&self.session).create_binding()?;
        let sample = Floats::new(&cpu, &contract.sample.element, self.sample_shape(batch))?;
        let mut output = Floats::new(&cpu, &contract.out_sample.element, self.output_shape(batch))?;
        let timestep_shape = match contract.timestep.shape {
            TimestepShape::Scalar => vec![],
            TimestepShape::One => vec![1],
            TimestepShape::PerSample => vec![batch],
        };
        let timestep = DynTensor::new(&cpu, element_type(&contract.timestep.element), timestep_shape)?;
        let labels = match &contract.class_labels {
            Some(port) => Some(DynTensor::new(&cpu, element_type(&port.element), vec![batch])?),
            None => None,
        };
        sample.bind_input(&mut io, &contract.sample.name)?;
        io.bind_input(&contract.timestep.name, &timestep)?;
        if let (Some(port), Some(labels)) = (&contract.class_labels, &labels) {
            io.bind_input(&port.name, labels)?;
        }
        output.bind_output(&mut io, &contract.out_sample.name)?;
        Ok(Binding {
            network: self.clone(),
            batch,
            io,
            sample,
            timestep,
            timestep_given: false,
            labels_given: labels.is_none(),
            labels,
            extra: contract.extra.iter().map(|_| None).collect(),
            output,
            stale: Stale::default(),
        })
    }

    /// Turns a failure of a run or an allocation into an error.
    fn failed(&self, batch: usize, error: &ort::Error) -> Error {
        run_failed(&self.name, batch, error)
    }
}

fn run_failed(model: &str, batch: usize, error: &ort::Error) -> Error {
    let reason = error.message().trim().to_owned();
    let memory = ["Failed to allocate", "bad_alloc", "out of memory", "OUT_OF_MEMORY"];
    if memory.iter().any(|m| reason.contains(m)) {
        return Error::OutOfMemory { batch, reason };
    }
    Error::Run { model: model.to_owned(), reason }
}

fn lock(session: &Mutex<Session>) -> std::sync::MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tensors of one batch size, bound to a network's inputs and outputs.
///
/// Fill [`sample_mut`](Self::sample_mut), [`set_timestep`](Self::set_timestep) and, where the model takes them,
/// [`set_labels`](Self::set_labels) and [`set_extra`](Self::set_extra); then [`run`](Self::run) writes
/// [`output`](Self::output). Everything that was set stays set. No tensor is allocated between runs on the CPU.
pub struct Binding {
    network: Network,
    batch: usize,
    io: IoBinding,
    sample: Floats,
    timestep: DynTensor,
    timestep_given: bool,
    labels: Option<DynTensor>,
    labels_given: bool,
    extra: Vec<Option<DynTensor>>,
    output: Floats,
    stale: Stale,
}

/// Inputs that were written since a device last received them.
#[derive(Default)]
struct Stale {
    timestep: bool,
    labels: bool,
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding").field("network", &self.network).field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl Binding {
    /// The network it belongs to.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The batch size.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The samples, in [batch, C, H, W] order, to be written before a run.
    pub fn sample_mut(&mut self) -> &mut [f32] {
        self.sample.host_mut()
    }

    /// The prediction for each sample, in [batch, C or 2C, H, W] order, as the last run left it.
    #[must_use]
    pub fn output(&self) -> &[f32] {
        self.output.host()
    }

    /// The samples and the output of the last run together, for a step that reads one and writes the other.
    pub fn sample_mut_and_output(&mut self) -> (&mut [f32], &[f32]) {
        (self.sample.host_mut(), self.output.host())
    }

    /// Sets the time of all samples, in the network's own 0-based convention. A graph that takes integers sees the
    /// nearest one; [`TimestepPort::seen`](super::TimestepPort::seen) says which.
    ///
    /// # Errors
    /// [`Error::BadInput`] if `t` is not finite or too large for the graph's element type.
    pub fn set_timestep(&mut self, t: f64) -> Result<()> {
        let port = &self.network.contract.timestep;
        let seen = port.seen(t);
        let limit = match port.element {
            Element::I32 => f64::from(i32::MAX),
            Element::I64 => 9.0e18,
            _ => f64::INFINITY,
        };
        if !seen.is_finite() || seen.abs() > limit {
            return Err(Error::BadInput {
                name: port.name.clone(),
                found: t.to_string(),
                expected: format!("a finite number that fits in {}", port.element),
            });
        }
        fill(&mut self.timestep, &port.element, std::iter::repeat(seen))
            .map_err(|e| self.network.failed(self.batch, &e))?;
        self.timestep_given = true;
        self.stale.timestep = true;
        Ok(())
    }

    /// Sets the class label of each sample.
    ///
    /// # Errors
    /// [`Error::NoLabels`] if the model takes none, [`Error::LabelOutOfRange`], [`Error::BadInput`] if there is not
    /// one for each sample.
    pub fn set_labels(&mut self, labels: &[i64]) -> Result<()> {
        let contract = &self.network.contract;
        let (Some(port), Some(tensor)) = (&contract.class_labels, &mut self.labels) else {
            return Err(Error::NoLabels);
        };
        if labels.len() != self.batch {
            return Err(Error::BadInput {
                name: port.name.clone(),
                found: format!("{} labels", labels.len()),
                expected: format!("{}, one for each sample", self.batch),
            });
        }
        for &label in labels {
            contract.check_label(label)?;
            if port.element == Element::I32 && i32::try_from(label).is_err() {
                return Err(Error::LabelOutOfRange {
                    label,
                    classes: contract.classes.unwrap_or(0),
                    null_label: contract.null_label,
                });
            }
        }
        let written = match port.element {
            #[allow(clippy::cast_possible_truncation)]
            Element::I32 => tensor.try_extract_tensor_mut::<i32>().map(|(_, to)| {
                to.iter_mut().zip(labels).for_each(|(to, &label)| *to = label as i32);
            }),
            _ => tensor.try_extract_tensor_mut::<i64>().map(|(_, to)| to.copy_from_slice(labels)),
        };
        written.map_err(|e| self.network.failed(self.batch, &e))?;
        self.labels_given = true;
        self.stale.labels = true;
        Ok(())
    }

    /// Sets a further input of the graph. Its first axis is the batch: of this binding's size, or 1 to use the same
    /// values for all samples.
    ///
    /// # Errors
    /// [`Error::InputUnknown`], or [`Error::BadInput`] if the shape does not fit or a value does not fit the graph's
    /// element type.
    pub fn set_extra(&mut self, name: &str, values: ArrayViewD<'_, f32>) -> Result<()> {
        let extra = &self.network.contract.extra;
        let Some(at) = extra.iter().position(|p| p.name == name) else {
            let names: Vec<&str> = extra.iter().map(|p| p.name.as_str()).collect();
            let present = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(Error::InputUnknown { name: name.to_owned(), present });
        };
        let port = extra[at].clone();
        let shape = extra_shape(&port, values.shape(), self.batch)?;
        check_values(&port, &values)?;
        let tensor = self.fill_extra(&port, &shape, values).map_err(|e| self.network.failed(self.batch, &e))?;
        self.extra[at] = Some(tensor);
        Ok(())
    }

    fn fill_extra(&mut self, port: &Port, shape: &[usize], values: ArrayViewD<'_, f32>) -> ort::Result<DynTensor> {
        let mut tensor = DynTensor::new(&Allocator::default(), element_type(&port.element), shape.to_vec())?;
        // A first axis of 1 is repeated by going round.
        let values = values.iter().copied().map(f64::from).collect::<Vec<_>>();
        fill(&mut tensor, &port.element, values.iter().copied().cycle())?;
        self.io.bind_input(&port.name, &tensor)?;
        Ok(tensor)
    }

    /// Evaluates the network on what was set.
    ///
    /// # Errors
    /// [`Error::InputMissing`] if something was not set; [`Error::OutOfMemory`] or [`Error::Run`] if it fails.
    pub fn run(&mut self) -> Result<()> {
        let contract = &self.network.contract;
        let missing = |name: &str| Err(Error::InputMissing { name: name.to_owned() });
        if !self.timestep_given {
            return missing(&contract.timestep.name);
        }
        if let (Some(port), false) = (&contract.class_labels, self.labels_given) {
            return missing(&port.name);
        }
        if let Some(at) = self.extra.iter().position(Option::is_none) {
            return missing(&contract.extra[at].name);
        }
        self.evaluate().map_err(|e| self.network.failed(self.batch, &e))
    }

    fn evaluate(&mut self) -> ort::Result<()> {
        self.sample.to_tensor();
        if self.network.device != Device::Cpu {
            // A bound input was copied to the device when it was bound; what was written since must go again.
            let contract = &self.network.contract;
            self.sample.bind_input(&mut self.io, &contract.sample.name)?;
            if std::mem::take(&mut self.stale.timestep) {
                self.io.bind_input(&contract.timestep.name, &self.timestep)?;
            }
            if let (Some(port), Some(labels), true) =
                (&contract.class_labels, &self.labels, std::mem::take(&mut self.stale.labels))
            {
                self.io.bind_input(&port.name, labels)?;
            }
        }
        drop(lock(&self.network.session).run_binding(&self.io)?);
        self.output.from_tensor();
        Ok(())
    }
}

/// A tensor of floats that is float32 on this side, whatever the graph takes.
enum Floats {
    /// The graph's own element type.
    F32(Tensor<f32>),
    /// Converted at the boundary.
    F16 { host: Vec<f32>, tensor: Tensor<f16> },
}

impl Floats {
    fn new(allocator: &Allocator, element: &Element, shape: [usize; 4]) -> ort::Result<Self> {
        if *element == Element::F16 {
            let tensor = Tensor::<f16>::new(allocator, shape)?;
            return Ok(Self::F16 { host: vec![0.0; shape.iter().product()], tensor });
        }
        Tensor::<f32>::new(allocator, shape).map(Self::F32)
    }

    fn bind_input(&self, io: &mut IoBinding, name: &str) -> ort::Result<()> {
        match self {
            Self::F32(tensor) => io.bind_input(name, tensor),
            Self::F16 { tensor, .. } => io.bind_input(name, tensor),
        }
    }

    fn bind_output(&mut self, io: &mut IoBinding, name: &str) -> ort::Result<()> {
        match self {
            Self::F32(tensor) => io.bind_output(name, tensor),
            Self::F16 { tensor, .. } => io.bind_output(name, tensor),
        }
    }

    fn host(&self) -> &[f32] {
        match self {
            Self::F32(tensor) => tensor.extract_tensor().1,
            Self::F16 { host, .. } => host,
        }
    }

    fn host_mut(&mut self) -> &mut [f32] {
        match self {
            Self::F32(tensor) => tensor.extract_tensor_mut().1,
            Self::F16 { host, .. } => host,
        }
    }

    fn to_tensor(&mut self) {
        if let Self::F16 { host, tensor } = self {
            tensor.extract_tensor_mut().1.convert_from_f32_slice(host);
        }
    }

    fn from_tensor(&mut self) {
        if let Self::F16 { host, tensor } = self {
            tensor.extract_tensor().1.convert_to_f32_slice(host);
        }
    }
}

/// Writes numbers into a tensor of a known element type.
#[allow(clippy::cast_possible_truncation)]
fn fill(tensor: &mut DynTensor, element: &Element, values: impl Iterator<Item = f64>) -> ort::Result<()> {
    fn write<T: ort::value::PrimitiveTensorElementType>(
        tensor: &mut DynTensor,
        values: impl Iterator<Item = T>,
    ) -> ort::Result<()> {
        let (_, to) = tensor.try_extract_tensor_mut::<T>()?;
        to.iter_mut().zip(values).for_each(|(to, from)| *to = from);
        Ok(())
    }
    match element {
        Element::F32 => write(tensor, values.map(|v| v as f32)),
        Element::F16 => write(tensor, values.map(f16::from_f64)),
        Element::F64 => write(tensor, values),
        Element::I64 => write(tensor, values.map(|v| v as i64)),
        Element::I32 => write(tensor, values.map(|v| v as i32)),
        Element::Bool => write(tensor, values.map(|v| v != 0.0)),
        Element::Other(name) => Err(ort::Error::new(format!("inputs of type {name} cannot be filled"))),
    }
}

/// The shape that a further input takes for an array of some shape.
fn extra_shape(port: &Port, shape: &[usize], batch: usize) -> Result<Vec<usize>> {
    let bad = |expected: String| Error::BadInput {
        name: port.name.clone(),
        found: format!("of shape {shape:?}"),
        expected,
    };
    if let Element::Other(name) = &port.element {
        return Err(bad(format!("a graph that does not take {name}")));
    }
    let fits = |size: usize, dim: &Dim| dim.fixed().is_none_or(|n| n == size);
    if shape.len() != port.rank() {
        return Err(bad(format!("{port}, an array of rank {}", port.rank())));
    }
    let Some((&first, rest)) = shape.split_first() else { return Ok(Vec::new()) };
    let first = match (&port.dims[0], first) {
        (Dim::Fixed(n), first) if *n == first => first,
        (Dim::Free(_), first) if first == batch => first,
        (Dim::Free(_), 1) => batch,
        (Dim::Fixed(n), 1) if *n == batch => batch,
        _ => return Err(bad(format!("{port}, with a first axis of 1 or {batch}"))),
    };
    if !rest.iter().zip(&port.dims[1..]).all(|(&size, dim)| fits(size, dim)) {
        return Err(bad(port.to_string()));
    }
    Ok(std::iter::once(first).chain(rest.iter().copied()).collect())
}

fn check_values(port: &Port, values: &ArrayViewD<'_, f32>) -> Result<()> {
    let bad = |value: f32, expected: &str| Error::BadInput {
        name: port.name.clone(),
        found: format!("an array with the value {value}"),
        expected: format!("{expected}, as the graph takes {}", port.element),
    };
    let limit: f64 = match port.element {
        Element::I32 => 2_147_483_647.0,
        Element::I64 => 9.0e18,
        Element::F16 => 65504.0,
        _ => f64::INFINITY,
    };
    for &value in values {
        if !value.is_finite() {
            return Err(bad(value, "finite numbers"));
        }
        if port.element.is_integer() && value.fract().abs() > 0.0 {
            return Err(bad(value, "whole numbers"));
        }
        if f64::from(value).abs() > limit {
            return Err(bad(value, "smaller numbers"));
        }
    }
    Ok(())
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

fn port(outlet: &Outlet) -> Port {
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

fn element_type(element: &Element) -> TensorElementType {
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
    Error::BadGraph { model: source.name.clone(), reason: error.message().trim().to_owned() }
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
                    Err(error @ (Error::DeviceUnavailable { .. } | Error::OutOfMemory { .. })) => error.to_string(),
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
    Error::RuntimeStart { path: runtime.description().path.clone(), reason: error.message().trim().to_owned() }
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
    device::preload_cuda(runtime);
    runtime.take_log();
    let mut cuda =
        ep::CUDA::default().with_device_id(i32::try_from(number).unwrap_or(i32::MAX)).with_tf32(options.tf32);
    for (key, value) in &options.ep_options {
        cuda = ep::ArbitrarilyConfigurableExecutionProvider::with_arbitrary_config(cuda, key, value);
    }
    let unavailable = |error: &ort::Error| {
        let mut reason = error.message().trim().to_owned();
        for line in runtime.take_log() {
            if !reason.contains(line.trim()) {
                reason = format!("{reason}; {}", line.trim());
            }
        }
        if let Some((key, value)) = options.ep_options.iter().find(|(key, _)| reason.contains(key.as_str())) {
            return device_option(&format!("{key}={value}"), device, &reason);
        }
        Error::DeviceUnavailable {
            device: device.to_string(),
            missing: device::missing_library(&reason),
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
