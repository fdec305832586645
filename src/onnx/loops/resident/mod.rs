//! The loop that stays on the device: x, the registers, the coefficients and the counter never leave it between steps.
//!
//! A session of its own holds the network with the step around it (see `step_graph`), so that a step is one run. Two sets
//! of tensors take turns at being read and written: addresses are the same every other step, as CUDA graphs ask, a run
//! may be repeated without harm, and nothing is allocated or, for plans without noise, sent to the device per step.
//! Noise is drawn ahead on other threads (see `feed`).
//!
//! What it computes is what [`crate::sample::apply`] computes, operation by operation in f32; only sums over several
//! registers may be taken in another order, and the exponential of a learned variance is taken in f32 for f64.

mod cache;
mod core;
mod feed;
mod memory;
mod ping_pong;
mod step_graph;
mod steps;
mod structure;

pub(in crate::onnx) use cache::Cache;
pub(in crate::onnx) use ping_pong::Resident;
