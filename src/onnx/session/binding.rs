//! Tensors of one batch size, bound to a network's inputs and outputs.

use std::fmt;

use half::{f16, slice::HalfFloatSliceExt};
use ndarray::{ArrayD, ArrayViewD, Axis};
use ort::memory::Allocator;
use ort::session::IoBinding;
use ort::value::{DynTensor, Tensor};

use super::error::run_failed;
use super::network::Network;
use crate::onnx::error::{Error, Result};
use crate::onnx::graph::{Contract, Dim, Element, Port};
use crate::onnx::runtime::capture::calling;
use crate::onnx::runtime::native;

impl Network {
    /// Allocates tensors for batches of one size and binds them to the graph.
    ///
    /// ```no_run
    /// # fn evaluate(network: &alphabar::onnx::Network) -> alphabar::onnx::Result<()> {
    /// let mut binding = network.bind(2)?;
    /// binding.sample_mut().fill(0.5);
    /// binding.set_timestep(999.0)?;
    /// binding.run()?;
    /// assert_eq!(binding.output().len(), network.output_shape(2).iter().product::<usize>());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::FixedBatch`] if the graph takes another size; [`Error::OutOfMemory`]; [`Error::BadInput`] for 0.
    pub fn bind(&self, batch: usize) -> Result<Binding> {
        self.check_batch(batch)?;
        Binding::new(self, batch).map_err(|e| self.failed(batch, &e))
    }
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
    /// Allocates the tensors for a batch and binds them.
    pub(super) fn new(network: &Network, batch: usize) -> ort::Result<Self> {
        let contract = network.contract();
        let cpu = Allocator::default();
        let _calling = calling();
        let mut io = network.session().create_binding()?;
        let sample = Floats::new(&cpu, &contract.sample.element, network.sample_shape(batch))?;
        let mut output = Floats::new(&cpu, &contract.out_sample.element, network.output_shape(batch))?;
        let zeros = |element: &Element, shape: &[usize]| native::zeros(&cpu, element.to_runtime(), shape, None);
        let timestep = zeros(&contract.timestep.element, &contract.timestep.shape.of_batch(batch))?;
        let labels = match &contract.class_labels {
            Some(port) => Some(zeros(&port.element, &[batch])?),
            None => None,
        };
        sample.bind_input(&mut io, &contract.sample.name)?;
        io.bind_input(&contract.timestep.name, &timestep)?;
        if let (Some(port), Some(labels)) = (&contract.class_labels, &labels) {
            io.bind_input(&port.name, labels)?;
        }
        output.bind_output(&mut io, &contract.out_sample.name)?;
        Ok(Self {
            network: network.clone(),
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
    /// nearest one; [`TimestepPort::seen`](crate::onnx::TimestepPort::seen) says which.
    ///
    /// # Errors
    /// [`Error::BadInput`] if `t` is not finite or too large for the graph's element type.
    pub fn set_timestep(&mut self, t: f64) -> Result<()> {
        let port = &self.network.contract().timestep;
        port.check(t)?;
        let seen = port.seen(t);
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
        let contract = self.network.contract();
        let (Some(port), Some(tensor)) = (&contract.class_labels, &mut self.labels) else {
            return Err(Error::NoLabels);
        };
        check_labels(contract, port, self.batch, labels)?;
        let written = write_labels(tensor, port, labels);
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
        let (at, tensor) = extra_tensor(self.network.contract(), &self.network.name(), name, values, self.batch)?;
        let port = &self.network.contract().extra[at];
        let _calling = calling();
        self.io.bind_input(&port.name, &tensor).map_err(|e| self.network.failed(self.batch, &e))?;
        self.extra[at] = Some(tensor);
        Ok(())
    }

    /// Evaluates the network on what was set.
    ///
    /// # Errors
    /// [`Error::InputMissing`] if something was not set; [`Error::OutOfMemory`] or [`Error::Run`] if it fails.
    pub fn run(&mut self) -> Result<()> {
        let contract = self.network.contract();
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
        let _calling = calling();
        self.sample.send();
        if self.network.device().has_memory() {
            // A bound input was copied to the device when it was bound; what was written since must go again.
            let contract = self.network.contract();
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
        drop(self.network.session().run_binding(&self.io)?);
        self.output.receive();
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
            let tensor = native::zeros(allocator, element.to_runtime(), &shape, None)?.into_dyn().downcast()?;
            return Ok(Self::F16 { host: vec![0.0; shape.iter().product()], tensor });
        }
        native::zeros(allocator, Element::F32.to_runtime(), &shape, None)?.into_dyn().downcast().map(Self::F32)
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

    /// Host to tensor, where they differ.
    fn send(&mut self) {
        if let Self::F16 { host, tensor } = self {
            tensor.extract_tensor_mut().1.convert_from_f32_slice(host);
        }
    }

    /// Tensor to host, where they differ.
    fn receive(&mut self) {
        if let Self::F16 { host, tensor } = self {
            tensor.extract_tensor().1.convert_to_f32_slice(host);
        }
    }
}

/// Refuses labels that the graph does not take, or that are not one for each row.
pub(in crate::onnx) fn check_labels(contract: &Contract, port: &Port, rows: usize, labels: &[i64]) -> Result<()> {
    if labels.len() != rows {
        return Err(Error::BadInput {
            name: port.name.clone(),
            found: format!("{} labels", labels.len()),
            expected: format!("{rows}, one for each sample"),
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
    Ok(())
}

/// Writes checked labels into a host tensor of the port's element type.
pub(in crate::onnx) fn write_labels(tensor: &mut DynTensor, port: &Port, labels: &[i64]) -> ort::Result<()> {
    match port.element {
        #[allow(clippy::cast_possible_truncation)]
        Element::I32 => tensor.try_extract_tensor_mut::<i32>().map(|(_, to)| {
            to.iter_mut().zip(labels).for_each(|(to, &label)| *to = label as i32);
        }),
        _ => tensor.try_extract_tensor_mut::<i64>().map(|(_, to)| to.copy_from_slice(labels)),
    }
}

/// Rows for the conditional pass and the same again for the unconditional one.
pub(in crate::onnx) fn twice(rows: &ArrayViewD<'_, f32>) -> ArrayD<f32> {
    ndarray::concatenate(Axis(0), &[rows.view(), rows.view()]).expect("two copies of one array have one shape")
}

/// The error for a further input that the graph does not have.
pub(in crate::onnx) fn unknown_input(contract: &Contract, name: &str) -> Error {
    let names: Vec<&str> = contract.extra.iter().map(|port| port.name.as_str()).collect();
    let present = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Error::InputUnknown { name: name.to_owned(), present }
}

/// A further input as a host tensor: its place among the contract's, and its values.
///
/// # Errors
/// Those of [`Binding::set_extra`].
pub(in crate::onnx) fn extra_tensor(
    contract: &Contract,
    model: &str,
    name: &str,
    values: ArrayViewD<'_, f32>,
    batch: usize,
) -> Result<(usize, DynTensor)> {
    let extra = &contract.extra;
    let at = extra.iter().position(|p| p.name == name).ok_or_else(|| unknown_input(contract, name))?;
    let port = &extra[at];
    let shape = extra_shape(port, values.shape(), batch)?;
    check_values(port, &values)?;
    let make = || {
        let mut tensor = native::zeros(&Allocator::default(), port.element.to_runtime(), &shape, None)?;
        // A first axis of 1 is repeated by going round.
        let values = values.iter().copied().map(f64::from).collect::<Vec<_>>();
        fill(&mut tensor, &port.element, values.iter().copied().cycle())?;
        Ok(tensor)
    };
    Ok((at, make().map_err(|e| run_failed(model, batch, &e))?))
}

/// Writes numbers into a tensor of a known element type.
#[allow(clippy::cast_possible_truncation)]
pub(in crate::onnx) fn fill(
    tensor: &mut DynTensor,
    element: &Element,
    values: impl Iterator<Item = f64>,
) -> ort::Result<()> {
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
