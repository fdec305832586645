//! A Gaussian mixture whose exact denoiser is an ONNX graph: ONNX Runtime in f32 against the exact world in f64, from
//! one evaluation over whole trajectories to the law of the samples.
#![allow(missing_docs, clippy::unwrap_used)]

mod evaluation;
mod law;
mod rounding;
mod trajectory;

use std::path::PathBuf;

use alphabar::exact::{Gaussian, Mixture, Noising};
use alphabar::onnx::{Device, ModelSource, Network, RuntimeOptions, Sampler, SessionOptions, load_or_install};
use alphabar::plan::{Plan, Recipe, SamplerKind, Scheduler, Visits};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde_json::Value;

/// Numbers in a sample.
const DIM: usize = 4;

/// One component with diagonal covariance.
struct Part {
    weight: f64,
    mean: [f64; DIM],
    variance: [f64; DIM],
}

/// The mixture of `fixtures/mixture/mixture.json` in f64, and its noise levels by recursion over the βs.
struct World {
    parts: Vec<Part>,
    mixture: Mixture,
    levels: Vec<Noising>,
}

impl World {
    fn load() -> Self {
        let json: Value = serde_json::from_str(include_str!("../../fixtures/mixture/mixture.json")).unwrap();
        let number = |value: &Value| value.as_f64().unwrap();
        let row = |value: &Value| {
            let entries: Vec<f64> = value.as_array().unwrap().iter().map(number).collect();
            <[f64; DIM]>::try_from(entries).unwrap()
        };
        let part = |part: &Value| Part {
            weight: number(&part["weight"]),
            mean: row(&part["mean"]),
            variance: row(&part["variance"]),
        };
        let parts: Vec<Part> = json["components"].as_array().unwrap().iter().map(part).collect();
        let gaussian = |part: &Part| {
            let (mean, variance) = (Array1::from_iter(part.mean), Array1::from_iter(part.variance));
            (part.weight, Gaussian::diagonal(&mean, &variance).unwrap())
        };
        let mixture = Mixture::new(parts.iter().map(gaussian).collect()).unwrap();
        let betas = &json["betas"];
        let (start, end, steps) = (number(&betas["start"]), number(&betas["end"]), number(&betas["steps"]) as usize);
        let beta = |i: usize| start + (end - start) * i as f64 / (steps - 1) as f64;
        let levels = Noising::levels(&(0..steps).map(beta).collect::<Vec<_>>()).unwrap();
        Self { parts, mixture, levels }
    }

    /// The level that the network knows by its 0-based timestep.
    fn level(&self, timestep: f64) -> Noising {
        self.levels[timestep as usize + 1]
    }

    /// The exact denoiser, one sample a row.
    fn denoise(&self, x: ArrayView2<'_, f64>, timestep: f64) -> Array2<f64> {
        let mut out = Array2::zeros(x.raw_dim());
        for (x, mut out) in x.rows().into_iter().zip(out.rows_mut()) {
            out.assign(&self.eps(x, timestep));
        }
        out
    }

    fn eps(&self, x: ArrayView1<'_, f64>, timestep: f64) -> Array1<f64> {
        self.mixture.eps_hat(self.level(timestep), &x).unwrap()
    }
}

/// The graph on ONNX Runtime, with the configuration beside it: on the CPU, or the device that `ALPHABAR_TEST_DEVICE`
/// names, with TF32 off. The repository is found where cargo says, or whoever runs the test program by itself.
fn sampler() -> Sampler {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let folder = PathBuf::from(root).join("fixtures/mixture");
    let source = ModelSource::resolve(&folder).unwrap();
    let scheduler = Scheduler::from_json(&source.scheduler.as_ref().unwrap().text).unwrap();
    let runtime = load_or_install(&RuntimeOptions::from_environment(), &mut |_| {}).unwrap();
    let device = std::env::var("ALPHABAR_TEST_DEVICE").map_or(Device::CPU, |name| name.parse().unwrap());
    let options = SessionOptions::new().device(device).threads(1);
    let sampler = Sampler::new(Network::open(runtime, &source, &options).unwrap(), scheduler);
    assert_eq!(sampler.shape().iter().product::<usize>(), DIM);
    sampler
}

/// A sampler on the configuration that lies beside the graph.
fn recipe(sampler: &Sampler, kind: SamplerKind, steps: usize) -> Recipe {
    Recipe { visits: Visits::Count(steps), ..Recipe::with_sampler(sampler.scheduler().clone(), kind) }
}

fn plan(sampler: &Sampler, kind: SamplerKind, steps: usize) -> Plan {
    recipe(sampler, kind, steps).plan().unwrap()
}
