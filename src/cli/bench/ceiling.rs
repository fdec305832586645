//! What the device can do at best, measured in the same run: a chain of large matrix products, a chain of large sums.

use std::time::Instant;

use serde::Serialize;

use crate::cli::failure::Outcome;
use crate::cli::interrupt;
use crate::cli::model;
use crate::cli::runtime_args::RuntimeArgs;
use crate::onnx::graph::ceiling::{Link, chain};
use crate::onnx::graph::encode;
use crate::onnx::graph::proto::data_type;
use crate::onnx::{Binding, Device, IoNames, ModelSource, Network, Runtime, SessionOptions};

/// Links in the short and in the long chain.
const LINKS: [usize; 2] = [2, 10];
/// Runs of each chain; the fastest counts.
const RUNS: usize = 4;

/// Rates for one element type.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    /// `f32` or `fp16`.
    pub element: &'static str,
    /// Operations a second in products of square matrices.
    pub matrix_flops_per_second: f64,
    /// Rows of the matrices.
    pub matrix_size: usize,
    /// Bytes a second, read and written, in sums of large arrays.
    pub bytes_per_second: f64,
}

/// Measures on the device and with the options that the network has.
///
/// # Errors
/// Those of opening and running a network.
pub fn measure(runtime: &'static Runtime, args: &RuntimeArgs, device: Device) -> Outcome<Vec<Ceiling>> {
    let options = model::session_options(args)?.device(device).names(IoNames::default());
    // The CPU computes fp16 by way of f32, which is no ceiling of anything.
    let on_cpu = device == Device::CPU;
    let elements = [("f32", data_type::FLOAT, 4.0), ("fp16", data_type::FLOAT16, 2.0)];
    let (matrix, array) = if on_cpu { (1024_usize, 4096_usize) } else { (8192, 16384) };
    let mut ceilings = Vec::new();
    for (element, kind, bytes) in elements.into_iter().take(if on_cpu { 1 } else { 2 }) {
        let product = seconds(runtime, &options, Link::Product, matrix, kind)?;
        let sum = seconds(runtime, &options, Link::Sum, array, kind)?;
        ceilings.push(Ceiling {
            element,
            matrix_flops_per_second: 2.0 * (matrix as f64).powi(3) / product,
            matrix_size: matrix,
            bytes_per_second: 3.0 * bytes * (array as f64).powi(2) / sum,
        });
    }
    Ok(ceilings)
}

/// The time of one link: the difference between a long and a short chain over the difference of their lengths.
fn seconds(runtime: &'static Runtime, options: &SessionOptions, link: Link, n: usize, element: i32) -> Outcome<f64> {
    let mut best = [f64::INFINITY; 2];
    for (best, links) in best.iter_mut().zip(LINKS) {
        let source = ModelSource::from_bytes("the ceiling's graph", encode(&chain(link, links, n, element)).into());
        let network = Network::open(runtime, &source, options)?;
        let mut binding = network.bind(1)?;
        binding.sample_mut().fill(0.25);
        binding.set_timestep(0.0)?;
        let run = |binding: &mut Binding| -> Outcome<f64> {
            interrupt::check()?;
            let start = Instant::now();
            binding.run()?;
            Ok(start.elapsed().as_secs_f64())
        };
        // Once to allocate.
        run(&mut binding)?;
        for _ in 0..RUNS {
            *best = best.min(run(&mut binding)?);
        }
    }
    Ok(((best[1] - best[0]) / (LINKS[1] - LINKS[0]) as f64).max(1e-9))
}
