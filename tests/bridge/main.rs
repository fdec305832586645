//! A Gaussian mixture whose exact denoiser is an ONNX graph: ONNX Runtime in f32 against the exact world in f64, from
//! one evaluation over whole trajectories to the law of the samples.
#![allow(missing_docs, clippy::unwrap_used)]

mod evaluation;
mod law;
mod rounding;
mod statistics;
mod trajectory;

use std::path::PathBuf;

use alphabar::exact::Noising;
use alphabar::onnx::{Device, ModelSource, Network, RuntimeOptions, Sampler, SessionOptions, load_or_install};
use alphabar::plan::{Method, Plan, Recipe, Scheduler};
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

impl Part {
    /// The variance of a coordinate at a level, `a² v + σ²`.
    fn spread(&self, level: Noising, i: usize) -> f64 {
        level.signal().powi(2) * self.variance[i] + level.noise_var()
    }

    fn score(&self, level: Noising, x: ArrayView1<'_, f64>) -> Array1<f64> {
        Array1::from_shape_fn(DIM, |i| (level.signal() * self.mean[i] - x[i]) / self.spread(level, i))
    }
}

/// The mixture of `fixtures/mixture/mixture.json` in f64, and its noise levels by recursion over the βs.
struct World {
    parts: Vec<Part>,
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
        let betas = &json["betas"];
        let (start, end, steps) = (number(&betas["start"]), number(&betas["end"]), number(&betas["steps"]) as usize);
        let beta = |i: usize| start + (end - start) * i as f64 / (steps - 1) as f64;
        let levels = Noising::levels(&(0..steps).map(beta).collect::<Vec<_>>()).unwrap();
        Self { parts, levels }
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
        let level = self.level(timestep);
        self.score(level, x) * -level.noise_std()
    }

    /// p(k | x) at a level: `r_k ∝ w_k N(x; a m_k, a² v_k + σ²)`.
    fn responsibilities(&self, level: Noising, x: ArrayView1<'_, f64>) -> Vec<f64> {
        let log = |part: &Part| {
            let twice = |i: usize| (x[i] - level.signal() * part.mean[i]).powi(2) / part.spread(level, i);
            part.weight.ln() - 0.5 * (0..DIM).map(|i| twice(i) + part.spread(level, i).ln()).sum::<f64>()
        };
        let logs: Vec<f64> = self.parts.iter().map(log).collect();
        let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logs.iter().map(|log| (log - top).exp()).sum();
        logs.iter().map(|log| (log - top).exp() / total).collect()
    }

    /// ∇ ln p(x) at a level: the components' scores, each by its share.
    fn score(&self, level: Noising, x: ArrayView1<'_, f64>) -> Array1<f64> {
        let shares = self.responsibilities(level, x);
        let shared = |(part, share): (&Part, &f64)| part.score(level, x) * *share;
        self.parts.iter().zip(&shares).map(shared).fold(Array1::zeros(DIM), |sum, score| sum + score)
    }

    /// ∇∇ᵀ ln p(x) at a level: the covariance of the components' scores less the mean of their precisions.
    fn hessian(&self, level: Noising, x: ArrayView1<'_, f64>) -> Array2<f64> {
        let (shares, mean) = (self.responsibilities(level, x), self.score(level, x));
        let mut hessian = Array2::zeros((DIM, DIM));
        for (part, share) in self.parts.iter().zip(&shares) {
            let apart = part.score(level, x) - &mean;
            hessian += &Array2::from_shape_fn((DIM, DIM), |(i, j)| {
                share * (apart[i] * apart[j] - if i == j { 1.0 / part.spread(level, i) } else { 0.0 })
            });
        }
        hessian
    }

    /// Mean and variance of a coordinate of the data.
    fn moments(&self, i: usize) -> (f64, f64) {
        let mean = self.parts.iter().map(|part| part.weight * part.mean[i]).sum::<f64>();
        let var = |part: &Part| part.weight * (part.variance[i] + (part.mean[i] - mean).powi(2));
        (mean, self.parts.iter().map(var).sum())
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
fn recipe(sampler: &Sampler, method: &'static Method, steps: usize) -> Recipe {
    Recipe::new(method).scheduler(sampler.scheduler().clone()).steps(steps)
}

fn plan(sampler: &Sampler, method: &'static Method, steps: usize) -> Plan {
    recipe(sampler, method, steps).plan().unwrap()
}
