//! The host's loop: carries any plan out on a network bound to one batch size, in f32, without allocating on the way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ndarray::ArrayViewD;

use super::common::{Guidance, SampleError, StepView, Timing, Watcher, initial_state, not_finite};
use crate::noise;
use crate::onnx::session::{Binding, Network, twice};
use crate::plan::Plan;
use crate::sample::{Registers, Shape, apply, guide};

/// How the unconditional pass is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    /// There is none.
    One,
    /// It shares a run with the conditional pass, in a batch of twice the size.
    Shared,
    /// It is a run of its own, since the graph's batch is fixed.
    Two,
}

/// A network bound to a batch, with the memory that a plan's steps need.
#[derive(Debug)]
pub(in crate::onnx) struct HostLoop {
    binding: Binding,
    shape: Shape,
    passes: Passes,
    guidance: Option<Guidance>,
    x: Vec<f32>,
    z: Vec<f32>,
    /// The conditional and, after it, the unconditional output.
    out: Vec<f32>,
    labels: Vec<i64>,
    registers: Registers<f32>,
}

impl HostLoop {
    /// Binds the network to `batch` samples of a plan.
    pub(in crate::onnx) fn new(
        network: &Network,
        plan: &Plan,
        batch: usize,
        guidance: Option<Guidance>,
    ) -> Result<Self, SampleError> {
        let contract = network.contract();
        let passes = match guidance {
            None => Passes::One,
            Some(_) if contract.batch.is_some() => Passes::Two,
            Some(_) => Passes::Shared,
        };
        let rows = if passes == Passes::Shared { 2 * batch } else { batch };
        let binding = network.bind(rows)?;
        let [_, channels, height, width] = network.sample_shape(batch);
        let learned_variance = network.output_shape(batch)[1] == 2 * channels;
        let shape = Shape { batch, each: channels * height * width, learned_variance };
        let outputs = if passes == Passes::One { 1 } else { 2 };
        Ok(Self {
            binding,
            shape,
            passes,
            guidance,
            x: vec![0.0; shape.len()],
            z: vec![0.0; if plan.is_deterministic() { 0 } else { shape.len() }],
            out: vec![0.0; outputs * shape.len_out()],
            labels: Vec::with_capacity(rows),
            registers: Registers::new(plan.registers(), shape),
        })
    }

    /// Samples in one run.
    pub(in crate::onnx) const fn batch(&self) -> usize {
        self.shape.batch
    }

    /// A further input of the graph, one row a sample.
    pub(in crate::onnx) fn set_input(&mut self, name: &str, rows: ArrayViewD<'_, f32>) -> Result<(), SampleError> {
        if self.passes == Passes::Shared {
            return Ok(self.binding.set_extra(name, twice(&rows).view())?);
        }
        Ok(self.binding.set_extra(name, rows)?)
    }

    /// From x_T to the samples. `initial` stands in for draw 0 where it is given.
    ///
    /// `labels` has one label a sample if the graph takes labels.
    pub(in crate::onnx) fn run(
        &mut self,
        plan: &Plan,
        seeds: &[u64],
        labels: Option<&[i64]>,
        initial: Option<&[f32]>,
        stop: Option<&AtomicBool>,
        watcher: &mut Watcher<'_>,
    ) -> Result<Timing, SampleError> {
        let start = Instant::now();
        let mut network = Duration::ZERO;
        initial_state(plan, seeds, initial, &mut self.x)?;
        self.set_labels(labels)?;
        for (k, step) in plan.steps().iter().enumerate() {
            if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(SampleError::Stopped { step: k });
            }
            self.binding.set_timestep(step.model_timestep)?;
            network += self.evaluate(step.input_scale)?;
            let count = not_finite(&self.out);
            if count > 0 {
                let (steps, timestep, of) = (plan.steps().len(), step.model_timestep, self.out.len());
                return Err(SampleError::NotFinite { step: k + 1, steps, timestep, count, of });
            }
            let (conditional, unconditional) = self.out.split_at_mut(self.shape.len_out());
            if let Some(guidance) = self.guidance {
                guide(guidance.scale, self.shape, conditional, unconditional);
            }
            if step.needs_noise() {
                noise::fill_batch(seeds, step.draw.unwrap_or(1), &mut self.z);
            }
            apply(step, self.shape, &mut self.x, conditional, &self.z, &mut self.registers);
            match watcher {
                Watcher::Steps(see) => see(k),
                Watcher::States(see) => see(StepView { step: k, x: &self.x, x0: self.registers.x0() }),
            }
        }
        Ok(Timing { total: start.elapsed(), network })
    }

    /// The samples of the last run, NCHW.
    pub(in crate::onnx) fn samples(&self) -> &[f32] {
        &self.x
    }

    /// Puts x, scaled, into the network and its output into `out`; gives the time that the network took.
    fn evaluate(&mut self, input_scale: f64) -> Result<Duration, SampleError> {
        let rows = self.binding.sample_mut();
        for half in rows.chunks_mut(self.x.len()) {
            half.copy_from_slice(&self.x);
            scale(input_scale, half);
        }
        if self.passes != Passes::Two {
            let start = Instant::now();
            self.binding.run()?;
            let spent = start.elapsed();
            self.out.copy_from_slice(self.binding.output());
            return Ok(spent);
        }
        let mut spent = Duration::ZERO;
        for (pass, out) in self.out.chunks_mut(self.shape.len_out()).enumerate() {
            let rows = pass * self.shape.batch..(pass + 1) * self.shape.batch;
            self.binding.set_labels(&self.labels[rows])?;
            let start = Instant::now();
            self.binding.run()?;
            spent += start.elapsed();
            out.copy_from_slice(self.binding.output());
        }
        Ok(spent)
    }

    fn set_labels(&mut self, labels: Option<&[i64]>) -> Result<(), SampleError> {
        let Some(labels) = labels else { return Ok(()) };
        self.labels.clear();
        self.labels.extend_from_slice(labels);
        if let Some(guidance) = self.guidance {
            self.labels.extend(std::iter::repeat_n(guidance.null_label, labels.len()));
        }
        if self.passes != Passes::Two {
            self.binding.set_labels(&self.labels)?;
        }
        Ok(())
    }
}

#[expect(clippy::float_cmp, reason = "a factor of exactly 1 is no factor")]
fn scale(factor: f64, values: &mut [f32]) {
    if factor == 1.0 {
        return;
    }
    let factor = factor as f32;
    for value in values {
        *value *= factor;
    }
}
