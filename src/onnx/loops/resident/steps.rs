//! Carrying a plan out on the device: inputs, the steps, the samples.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ndarray::ArrayViewD;
use ort::memory::Allocator;
use ort::session::RunOptions;
use ort::value::{DynTensor, Tensor};

use super::feed::Feed;
use super::memory::DeviceMemory;
use super::ping_pong::{Resident, Side, State};
use crate::onnx::error::Error;
use crate::onnx::loops::common::{SampleError, StepView, Timing, Watcher, initial_state, not_finite};
use crate::onnx::runtime::capture::{calling, capturing};
use crate::onnx::runtime::native;
use crate::onnx::session::{check_labels, extra_tensor, run_failed, twice, write_labels};

/// Steps that are put to the device before it is waited for: many enough that it is never idle for want of the next one,
/// few enough that whoever counts steps or stops them is not far behind.
const WAIT_EVERY: usize = 8;

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub(in crate::onnx) struct Ran {
    pub(in crate::onnx) timing: Timing,
    /// Entries of the samples that are NaN or infinite.
    pub(in crate::onnx) not_finite: usize,
}

impl Resident {
    /// A further input of the graph, one row a sample.
    pub(in crate::onnx) fn set_input(&mut self, name: &str, rows: ArrayViewD<'_, f32>) -> Result<(), SampleError> {
        let both;
        let (rows, batch) = if self.guidance.is_some() {
            both = twice(&rows);
            (both.view(), 2 * self.batch)
        } else {
            (rows, self.batch)
        };
        let (at, tensor) = extra_tensor(&self.contract, &self.model, name, rows, batch)?;
        self.place_extra(at, &tensor).map_err(|error| self.failed(&error))
    }

    fn place_extra(&mut self, at: usize, tensor: &DynTensor) -> ort::Result<()> {
        let _calling = calling();
        if let Some(held) = &mut self.extra[at]
            && held.shape() == tensor.shape()
        {
            return self.memory.copy(tensor, held);
        }
        let held = self.memory.placed(tensor)?;
        for side in &mut self.sides {
            side.io.bind_input(&self.contract.extra[at].name, &held)?;
        }
        self.extra[at] = Some(held);
        self.warm = None;
        Ok(())
    }

    fn set_labels(&mut self, labels: Option<&[i64]>) -> Result<(), SampleError> {
        let (contract, memory) = (&self.contract, &self.memory);
        let (Some(port), Some(held), Some(labels)) = (&contract.class_labels, &mut self.labels, labels) else {
            return Ok(());
        };
        let mut all = labels.to_vec();
        if let Some(guidance) = self.guidance {
            all.extend(std::iter::repeat_n(guidance.null_label, labels.len()));
        }
        let rows = if self.guidance.is_some() { 2 * self.batch } else { self.batch };
        check_labels(contract, port, rows, &all)?;
        let mut put = || -> ort::Result<()> {
            let _calling = calling();
            let mut tensor = native::zeros(&Allocator::default(), port.element.to_runtime(), &[rows], None)?;
            write_labels(&mut tensor, port, &all)?;
            memory.copy(&tensor, held)
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
        watcher: &mut Watcher<'_>,
    ) -> Result<Ran, SampleError> {
        let start = Instant::now();
        if let Some(at) = self.extra.iter().position(Option::is_none) {
            return Err(Error::InputMissing { name: self.contract.extra[at].name.clone() }.into());
        }
        self.set_labels(labels)?;
        self.capture()?;
        initial_state(&self.plan, seeds, initial, self.host[0].extract_tensor_mut().1)?;
        self.begin().map_err(|error| self.failed(&error))?;
        let network = match self.noise.take() {
            None => self.steps(None, stop, watcher)?,
            Some(tensors) => {
                let draws = self.draws.clone();
                let (network, tensors) = thread::scope(|scope| -> Result<_, SampleError> {
                    let feed = Feed::start(scope, seeds, &draws, tensors);
                    Ok((self.steps(Some(&feed), stop, watcher)?, feed.finish()))
                })?;
                self.noise = tensors;
                network
            }
        };
        let last = self.plan.steps().len() % 2;
        let fetched = self.put(|memory, states, host, _| memory.copy(&states[last].x, &mut host[0]));
        fetched.map_err(|error| self.failed(&error))?;
        let timing = Timing { total: start.elapsed(), network };
        Ok(Ran { timing, not_finite: not_finite(self.samples()) })
    }

    /// One step on zeros, to see whether there is memory for it; captures nothing.
    pub(in crate::onnx) fn try_out(&self) -> Result<(), SampleError> {
        let run = || -> ort::Result<()> {
            let mut options = RunOptions::new()?;
            options.set("gpu_graph_id", "-1")?;
            let _calling = calling();
            self.core.session().run_binding_with_options(&self.sides[0].io, &options).map(drop)
        };
        run().map_err(|error| self.failed(&error))
    }

    /// Captures the kernels of both sides as graphs, where that is to be and this thread has not done it yet. What the two
    /// steps compute is overwritten: x and the counter before the first step, registers before they are read.
    pub(in crate::onnx) fn capture(&mut self) -> Result<(), SampleError> {
        let this = thread::current().id();
        if !self.core.captures || self.warm == Some(this) {
            return Ok(());
        }
        let rewound = self.put(|memory, states, _, first| {
            states.iter_mut().try_for_each(|state| memory.copy(first, &mut state.counter))
        });
        let captured = rewound.and_then(|()| {
            let _capturing = capturing();
            for Side { io, wait, .. } in &self.sides {
                self.core.captured.fetch_add(1, Ordering::Relaxed);
                self.core.session().run_binding_with_options(io, wait)?;
            }
            Ok(())
        });
        captured.map_err(|error| self.failed(&error))?;
        self.warm = Some(this);
        Ok(())
    }

    /// Puts x_T and the counter of the first step in their places.
    fn begin(&mut self) -> ort::Result<()> {
        self.put(|memory, states, host, first| {
            memory.copy(first, &mut states[0].counter)?;
            memory.copy(&host[0], &mut states[0].x)
        })
    }

    /// Every step of the plan; gives the time spent in the runtime.
    fn steps(
        &mut self,
        feed: Option<&Feed<'_>>,
        stop: Option<&AtomicBool>,
        watcher: &mut Watcher<'_>,
    ) -> Result<Duration, SampleError> {
        let flight = self.memory.in_flight();
        let mut spent = Duration::ZERO;
        let steps = self.plan.steps().len();
        for k in 0..steps {
            if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(SampleError::Stopped { step: k });
            }
            let side = k % 2;
            let noise = match feed.filter(|_| self.plan.steps()[k].needs_noise()) {
                Some(feed) => Some((feed, feed.next().map_err(|error| self.failed(&error))?)),
                None => None,
            };
            // Noise is given back, and states are looked at, when the device is done with them.
            let looked_at = noise.is_some() || matches!(watcher, Watcher::States(_));
            let wait = looked_at || k + 1 == steps || (k + 1) % WAIT_EVERY == 0;
            let start = Instant::now();
            self.run_step(side, wait).map_err(|error| self.failed(&error))?;
            spent += start.elapsed();
            if let Some((feed, z)) = noise {
                feed.done(side, z);
            }
            match watcher {
                Watcher::Steps(see) => see(k),
                Watcher::States(see) => {
                    self.fetch(side).map_err(|error| self.failed(&error))?;
                    let [x, x0] = &self.host;
                    see(StepView { step: k, x: x.extract_tensor().1, x0: x0.extract_tensor().1 });
                }
            }
        }
        flight.landed();
        Ok(spent)
    }

    /// Brings the state after a step, and its x̂₀, to the host.
    fn fetch(&mut self, side: usize) -> ort::Result<()> {
        let _calling = calling();
        let [x, x0] = &mut self.host;
        self.memory.copy(&self.states[1 - side].x, x)?;
        self.memory.copy(&self.x0, x0)
    }

    /// One step, from one state to the other.
    fn run_step(&self, side: usize, wait: bool) -> ort::Result<()> {
        let Side { io, wait: waiting, go_on } = &self.sides[side];
        let options = if wait { waiting } else { go_on };
        let _calling = calling();
        self.core.session().run_binding_with_options(io, options).map(drop)
    }

    /// Copies between tensors of this loop.
    fn put<R>(
        &mut self,
        copy: impl FnOnce(&DeviceMemory, &mut [State; 2], &mut [Tensor<f32>; 2], &Tensor<i64>) -> R,
    ) -> R {
        let _calling = calling();
        copy(&self.memory, &mut self.states, &mut self.host, &self.first)
    }

    fn failed(&self, error: &ort::Error) -> SampleError {
        run_failed(&self.model, self.batch, error).into()
    }
}
