//! A plan bound to a batch on the device: two sets of tensors that take turns at being read and written.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use ndarray::ArrayViewD;
use ort::memory::Allocator;
use ort::session::{IoBinding, RunOptions};
use ort::value::{DynTensor, Tensor, TensorElementType};

use super::Core;
use super::feed::{AHEAD, Draw, Feed, Tensors};
use super::graph::name;
use super::place::{self, Place};
use super::structure::Structure;
use crate::onnx::binding::{self, fill};
use crate::onnx::contract::{Contract, Element, TimestepShape};
use crate::onnx::executor::{Guidance, Moment, Timing, Watch, initial_state, not_finite};
use crate::onnx::reading::element_type;
use crate::onnx::session::{Network, run_failed};
use crate::onnx::{Device, Error, SampleError};
use crate::plan::Plan;

/// A plan bound to a batch on the device.
pub(in crate::onnx) struct Resident {
    core: Arc<Core>,
    /// The model's name, for messages.
    model: Arc<str>,
    contract: Arc<Contract>,
    plan: Plan,
    guidance: Option<Guidance>,
    batch: usize,
    place: Place,
    states: [State; 2],
    turns: [Turn; 2],
    x0: Tensor<f32>,
    noise: Option<Tensors>,
    draws: Vec<Draw>,
    labels: Option<DynTensor>,
    extra: Vec<Option<DynTensor>>,
    /// x and x̂₀ as the host sees them.
    host: [Tensor<f32>; 2],
    /// The counter of the first step.
    first: Tensor<i64>,
    /// The thread whose CUDA graphs are captured.
    warm: Option<ThreadId>,
}

/// What a step reads, and the step before it writes.
struct State {
    x: Tensor<f32>,
    counter: Tensor<i64>,
    registers: Vec<Tensor<f32>>,
}

/// The binding of one state's tensors as inputs and of the other's as outputs.
struct Turn {
    io: IoBinding,
    options: RunOptions,
}

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub(in crate::onnx) struct Ran {
    pub(in crate::onnx) timing: Timing,
    /// Entries of the samples that are NaN or infinite.
    pub(in crate::onnx) not_finite: usize,
}

impl fmt::Debug for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resident").field("core", &self.core).field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl Resident {
    /// Takes up the loop that the network used last, if it is the same, or binds a new one.
    pub(in crate::onnx) fn new(
        network: &Network,
        plan: &Plan,
        batch: usize,
        guidance: Option<Guidance>,
    ) -> Result<Box<Self>, SampleError> {
        let idle = network.resident().lock().unwrap_or_else(PoisonError::into_inner).idle.take();
        if let Some(idle) = idle
            && (idle.batch, idle.guidance, &idle.plan) == (batch, guidance, plan)
        {
            return Ok(idle);
        }
        let structure = super::structure(network, plan, guidance)?;
        network.check_batch(batch)?;
        for step in plan.steps() {
            network.contract().timestep.check(step.model_timestep)?;
        }
        let core = Core::of(network, &structure)?;
        Self::bind(network, core, &structure, plan, batch, guidance)
            .map(Box::new)
            .map_err(|error| network.failed(batch, &error).into())
    }

    /// Leaves the loop to the network's next job.
    pub(in crate::onnx) fn retire(self: Box<Self>, network: &Network) {
        network.resident().lock().unwrap_or_else(PoisonError::into_inner).idle = Some(self);
    }

    fn bind(
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
        let session = core.session();
        let place = Place::of(&session, network.device())?;

        let constant = |element: &Element, shape: &[usize], values: &mut dyn Iterator<Item = f64>| {
            let mut tensor = DynTensor::new(&Allocator::default(), element_type(element), shape.to_vec())?;
            fill(&mut tensor, element, values)?;
            place.placed(&tensor)
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
            Some(port) => Some(place.zeros(element_type(&port.element), &[rows])?),
            None => None,
        };

        let counters = if timestep.shape == TimestepShape::PerSample { rows } else { 1 };
        let registers = structure.registers.len();
        let state = || -> ort::Result<State> {
            Ok(State {
                x: place.floats(shape)?,
                counter: place.zeros(TensorElementType::Int64, &[counters])?.into_dyn().downcast()?,
                registers: (0..registers).map(|_| place.floats(shape)).collect::<ort::Result<_>>()?,
            })
        };
        let mut states = [state()?, state()?];
        let mut x0 = place.floats(shape)?;
        let noise = if structure.noisy {
            let buffers = AHEAD * drawing_threads(network.device());
            let host = (0..buffers).map(|_| place.on_host(shape)).collect::<ort::Result<_>>()?;
            Some(Tensors { host, device: [place.floats(shape)?, place.floats(shape)?] })
        } else {
            None
        };

        let mut turn = |side: usize| -> ort::Result<Turn> {
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
            let mut options = RunOptions::new()?;
            if core.cuda_graph {
                // Each binding has addresses of its own, so each has a graph of its own.
                options.set("gpu_graph_id", (core.captured.fetch_add(1, Ordering::Relaxed) + 1).to_string())?;
            }
            Ok(Turn { io, options })
        };
        let turns = [turn(0)?, turn(1)?];

        let draws = steps.iter().enumerate().filter(|(_, step)| step.needs_noise());
        let draws = draws.map(|(k, step)| (k % 2, step.draw.unwrap_or(1))).collect();
        let host = [place.on_host(shape)?, place.on_host(shape)?];
        let first = Tensor::new(&Allocator::default(), [counters])?;
        drop(session);
        Ok(Self {
            core,
            model: network.name(),
            contract: network.shared_contract(),
            plan: plan.clone(),
            guidance,
            batch,
            place,
            states,
            turns,
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

    /// A further input of the graph, one row a sample.
    pub(in crate::onnx) fn set_input(&mut self, name: &str, rows: ArrayViewD<'_, f32>) -> Result<(), SampleError> {
        let twice;
        let (rows, batch) = if self.guidance.is_some() {
            twice = binding::twice(&rows);
            (twice.view(), 2 * self.batch)
        } else {
            (rows, self.batch)
        };
        let (at, tensor) = binding::extra_tensor(&self.contract, &self.model, name, rows, batch)?;
        self.place_extra(at, &tensor).map_err(|error| self.failed(&error))
    }

    fn place_extra(&mut self, at: usize, tensor: &DynTensor) -> ort::Result<()> {
        if let Some(held) = &mut self.extra[at]
            && held.shape() == tensor.shape()
        {
            return tensor.copy_into(held);
        }
        let held = self.place.placed(tensor)?;
        for turn in &mut self.turns {
            turn.io.bind_input(&self.contract.extra[at].name, &held)?;
        }
        self.extra[at] = Some(held);
        self.warm = None;
        Ok(())
    }

    fn set_labels(&mut self, labels: Option<&[i64]>) -> Result<(), SampleError> {
        let contract = &self.contract;
        let (Some(port), Some(held), Some(labels)) = (&contract.class_labels, &mut self.labels, labels) else {
            return Ok(());
        };
        let mut all = labels.to_vec();
        if let Some(guidance) = self.guidance {
            all.extend(std::iter::repeat_n(guidance.null_label, labels.len()));
        }
        let rows = if self.guidance.is_some() { 2 * self.batch } else { self.batch };
        binding::check_labels(contract, port, rows, &all)?;
        let mut put = || -> ort::Result<()> {
            let mut tensor = DynTensor::new(&Allocator::default(), element_type(&port.element), vec![rows])?;
            binding::write_labels(&mut tensor, port, &all)?;
            tensor.copy_into(&mut *held)
        };
        put().map_err(|error| run_failed(&self.model, self.batch, &error).into())
    }

    /// From x_T to the samples. `initial` stands in for draw 0 where it is given.
    ///
    /// `labels` has one label a sample if the graph takes labels.
    pub(in crate::onnx) fn run(
        &mut self,
        seeds: &[u64],
        labels: Option<&[i64]>,
        initial: Option<&[f32]>,
        stop: Option<&AtomicBool>,
        watch: &mut Watch<'_>,
    ) -> Result<Ran, SampleError> {
        let start = Instant::now();
        if let Some(at) = self.extra.iter().position(Option::is_none) {
            return Err(Error::InputMissing { name: self.contract.extra[at].name.clone() }.into());
        }
        self.set_labels(labels)?;
        initial_state(&self.plan, seeds, initial, self.host[0].extract_tensor_mut().1)?;
        self.begin().map_err(|error| self.failed(&error))?;
        let network = match self.noise.take() {
            None => self.steps(None, stop, watch)?,
            Some(tensors) => {
                let draws = self.draws.clone();
                let (network, tensors) = thread::scope(|scope| -> Result<_, SampleError> {
                    let feed = Feed::start(scope, seeds, &draws, tensors);
                    Ok((self.steps(Some(&feed), stop, watch)?, feed.finish()))
                })?;
                self.noise = tensors;
                network
            }
        };
        let last = self.plan.steps().len() % 2;
        place::copy(&self.states[last].x, &mut self.host[0]).map_err(|error| self.failed(&error))?;
        let timing = Timing { total: start.elapsed(), network };
        Ok(Ran { timing, not_finite: not_finite(self.samples()) })
    }

    /// One step on zeros, to see whether there is memory for it; captures nothing.
    pub(in crate::onnx) fn try_out(&self) -> Result<(), SampleError> {
        let run = || -> ort::Result<()> {
            let mut options = RunOptions::new()?;
            options.set("gpu_graph_id", "-1")?;
            self.core.session().run_binding_with_options(&self.turns[0].io, &options).map(drop)
        };
        run().map_err(|error| self.failed(&error))
    }

    /// Puts x_T and the counter of the first step in their places.
    fn begin(&mut self) -> ort::Result<()> {
        if self.core.cuda_graph && self.warm != Some(thread::current().id()) {
            // A capture must not meet copies of another thread, so both graphs are captured before noise is drawn. What
            // these two steps compute is overwritten: x and the counter below, registers before they are read.
            for side in 0..2 {
                self.first.copy_into(&mut self.states[side].counter)?;
                self.turn(side)?;
            }
            self.warm = Some(thread::current().id());
        }
        self.first.copy_into(&mut self.states[0].counter)?;
        place::copy(&self.host[0], &mut self.states[0].x)
    }

    /// Every step of the plan; gives the time spent in the runtime.
    fn steps(
        &mut self,
        feed: Option<&Feed<'_>>,
        stop: Option<&AtomicBool>,
        watch: &mut Watch<'_>,
    ) -> Result<Duration, SampleError> {
        let mut spent = Duration::ZERO;
        for k in 0..self.plan.steps().len() {
            if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(SampleError::Stopped { step: k });
            }
            let side = k % 2;
            let noise = match feed.filter(|_| self.plan.steps()[k].needs_noise()) {
                Some(feed) => Some((feed, feed.next().map_err(|error| self.failed(&error))?)),
                None => None,
            };
            let start = Instant::now();
            self.turn(side).map_err(|error| self.failed(&error))?;
            spent += start.elapsed();
            if let Some((feed, z)) = noise {
                feed.done(side, z);
            }
            match watch {
                Watch::Steps(see) => see(k),
                Watch::Moments(see) => {
                    let [x, x0] = &mut self.host;
                    let copied = place::copy(&self.states[1 - side].x, x).and_then(|()| place::copy(&self.x0, x0));
                    copied.map_err(|error| run_failed(&self.model, self.batch, &error))?;
                    see(Moment { step: k, x: x.extract_tensor().1, x0: x0.extract_tensor().1 });
                }
            }
        }
        Ok(spent)
    }

    /// One step, from one state to the other.
    fn turn(&self, side: usize) -> ort::Result<()> {
        let Turn { io, options } = &self.turns[side];
        self.core.session().run_binding_with_options(io, options).map(drop)
    }

    fn failed(&self, error: &ort::Error) -> SampleError {
        run_failed(&self.model, self.batch, error).into()
    }
}

/// Threads that draw noise: on the CPU the cores are the network's.
fn drawing_threads(device: Device) -> usize {
    if device.gpu().is_none() {
        return 1;
    }
    thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 8))
}
