//! A plan bound to a batch on the device: two sets of tensors that take turns at being read and written.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, ThreadId};

use ort::memory::Allocator;
use ort::session::{IoBinding, RunOptions};
use ort::value::{DynTensor, Tensor, TensorElementType};

use super::core::Core;
use super::feed::{AHEAD, Draw, Tensors};
use super::memory::{Copies, DeviceMemory};
use super::step_graph::name;
use super::structure::Structure;
use crate::onnx::graph::{Contract, Element, TimestepShape};
use crate::onnx::loops::common::Guidance;
use crate::onnx::runtime::capture::calling;
use crate::onnx::runtime::{Device, native};
use crate::onnx::session::{Network, fill};
use crate::plan::Plan;

/// A plan bound to a batch on the device.
pub(in crate::onnx) struct Resident {
    pub(super) core: Arc<Core>,
    /// The model's name, for messages.
    pub(super) model: Arc<str>,
    pub(super) contract: Arc<Contract>,
    pub(super) plan: Plan,
    pub(super) guidance: Option<Guidance>,
    pub(super) batch: usize,
    pub(super) memory: DeviceMemory,
    pub(super) states: [State; 2],
    pub(super) sides: [Side; 2],
    pub(super) x0: Tensor<f32>,
    pub(super) noise: Option<Tensors>,
    pub(super) draws: Vec<Draw>,
    pub(super) labels: Option<DynTensor>,
    pub(super) extra: Vec<Option<DynTensor>>,
    /// x and x̂₀ as the host sees them.
    pub(super) host: [Tensor<f32>; 2],
    /// The counter of the first step.
    pub(super) first: Tensor<i64>,
    /// The thread whose graphs of kernels are captured: they can be launched from no other.
    pub(super) warm: Option<ThreadId>,
}

/// What a step reads, and the step before it writes.
pub(super) struct State {
    pub(super) x: Tensor<f32>,
    pub(super) counter: Tensor<i64>,
    pub(super) registers: Vec<Tensor<f32>>,
}

/// The binding of one state's tensors as inputs and of the other's as outputs.
pub(super) struct Side {
    pub(super) io: IoBinding,
    /// For a run that returns when the device is done with it, and for one that returns when the device knows of it.
    pub(super) wait: RunOptions,
    pub(super) go_on: RunOptions,
}

impl fmt::Debug for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resident").field("core", &self.core).field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl Resident {
    /// Whether it can carry this out as it is.
    pub(super) fn is_for(&self, plan: &Plan, batch: usize, guidance: Option<Guidance>) -> bool {
        (self.batch, self.guidance, &self.plan) == (batch, guidance, plan)
    }

    /// Binds tensors of a batch to a session.
    pub(super) fn bind(
        network: &Network,
        core: Arc<Core>,
        structure: &Structure,
        plan: &Plan,
        batch: usize,
        guidance: Option<Guidance>,
    ) -> ort::Result<Self> {
        let (contract, steps) = (network.contract(), plan.steps());
        let rows = if guidance.is_some() { 2 * batch } else { batch };
        let shape = network.sample_shape(batch);
        let _calling = calling();
        let session = core.session();
        let memory = DeviceMemory::of(&session, network.device())?;

        let constant = |element: &Element, shape: &[usize], values: &mut dyn Iterator<Item = f64>| {
            let mut tensor = native::zeros(&Allocator::default(), element.to_runtime(), shape, None)?;
            fill(&mut tensor, element, values)?;
            memory.placed(&tensor)
        };
        let (table, columns) = (structure.table(plan), structure.columns().len());
        let table = constant(&Element::F32, &[steps.len(), columns], &mut table.iter().map(|&c| f64::from(c)))?;
        let timestep = &contract.timestep;
        let mut seen = steps.iter().map(|step| timestep.seen(step.model_timestep));
        let mut constants =
            vec![(name::TABLE, table), (name::TIMESTEPS, constant(&timestep.element, &[steps.len()], &mut seen)?)];
        if let Some(guidance) = guidance {
            let scale = constant(&Element::F32, &[1], &mut std::iter::once(guidance.scale.get()))?;
            constants.push((name::GUIDANCE, scale));
        }
        let labels = match &contract.class_labels {
            Some(port) => Some(memory.zeros(port.element.to_runtime(), &[rows])?),
            None => None,
        };

        let counters = if timestep.shape == TimestepShape::PerSample { rows } else { 1 };
        let registers = structure.registers.len();
        let state = || -> ort::Result<State> {
            Ok(State {
                x: memory.floats(shape)?,
                counter: memory.zeros(TensorElementType::Int64, &[counters])?.into_dyn().downcast()?,
                registers: (0..registers).map(|_| memory.floats(shape)).collect::<ort::Result<_>>()?,
            })
        };
        let mut states = [state()?, state()?];
        let mut x0 = memory.floats(shape)?;
        let noise = if structure.noisy {
            let buffers = AHEAD * drawing_threads(network.device());
            let host = (0..buffers).map(|_| memory.on_host(shape)).collect::<ort::Result<_>>()?;
            let device = [memory.floats(shape)?, memory.floats(shape)?];
            Some(Tensors { host, device, copies: Copies::on(network.device())? })
        } else {
            None
        };

        let mut bind = |side: usize| -> ort::Result<Side> {
            let mut io = session.create_binding()?;
            for (name, tensor) in &constants {
                io.bind_input(*name, tensor)?;
            }
            if let (Some(port), Some(labels)) = (&contract.class_labels, &labels) {
                io.bind_input(&port.name, labels)?;
            }
            if let Some(noise) = &noise {
                io.bind_input(name::Z, &noise.device[side])?;
            }
            let from = &states[side];
            io.bind_input(name::X, &from.x)?;
            io.bind_input(name::COUNTER, &from.counter)?;
            for (r, register) in from.registers.iter().enumerate() {
                io.bind_input(name::register(r), register)?;
            }
            let to = &mut states[1 - side];
            io.bind_output(name::X_NEXT, &mut to.x)?;
            io.bind_output(name::COUNTER_NEXT, &mut to.counter)?;
            for (r, register) in to.registers.iter_mut().enumerate() {
                io.bind_output(name::register_next(r), register)?;
            }
            io.bind_output(name::X0, &mut x0)?;
            let (mut wait, mut go_on) = (RunOptions::new()?, RunOptions::new()?);
            go_on.disable_device_sync()?;
            if core.captures {
                // Each binding has addresses of its own, so each has a graph of its own.
                let number = core.numbers.fetch_add(1, Ordering::Relaxed) + 1;
                for options in [&mut wait, &mut go_on] {
                    options.set("gpu_graph_id", number.to_string())?;
                }
            }
            Ok(Side { io, wait, go_on })
        };
        let sides = [bind(0)?, bind(1)?];

        let draws = steps.iter().enumerate().filter(|(_, step)| step.needs_noise());
        let draws = draws.map(|(k, step)| (k % 2, step.draw.unwrap_or(1))).collect();
        let host = [memory.on_host(shape)?, memory.on_host(shape)?];
        let int64 = TensorElementType::Int64;
        let first = native::zeros(&Allocator::default(), int64, &[counters], None)?.into_dyn().downcast()?;
        drop(session);
        Ok(Self {
            core,
            model: network.name(),
            contract: network.shared_contract(),
            plan: plan.clone(),
            guidance,
            batch,
            memory,
            states,
            sides,
            x0,
            noise,
            draws,
            labels,
            extra: contract.extra.iter().map(|_| None).collect(),
            host,
            first,
            warm: None,
        })
    }

    /// Samples in one run.
    pub(in crate::onnx) const fn batch(&self) -> usize {
        self.batch
    }

    /// The samples of the last run, NCHW.
    pub(in crate::onnx) fn samples(&self) -> &[f32] {
        self.host[0].extract_tensor().1
    }
}

/// Threads that draw noise: without a device of its own the cores are the network's.
fn drawing_threads(device: Device) -> usize {
    if !device.has_memory() {
        return 1;
    }
    thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 8))
}
