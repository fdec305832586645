//! What a server does: open a model once, then answer requests, each a list of seeds and labels, batch by batch.
//!
//! ```text
//! ORT_DISABLE_TELEMETRY=1 cargo run --release --example serve -- fixtures/mnist-unet <<< '3 1-4'
//! ```
//!
//! The library refuses to load ONNX Runtime without the variable, as that would record and send telemetry.
//!
//! A request is a line `label first-last`; the answer is one line a sample, with the share of its pixels that are lit.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;

use alphabar::guidance::GuidanceScale;
use alphabar::onnx::{Job, Sampler, SessionOptions};
use alphabar::plan::Visits;
use ndarray::Axis;

fn main() -> Result<(), Box<dyn Error>> {
    let model = std::env::args().nth(1).map_or_else(|| PathBuf::from("fixtures/mnist-unet"), PathBuf::from);
    let sampler = Sampler::open(&model, &SessionOptions::new())?;

    let guidance = GuidanceScale::new(2.0)?;
    // The model's own scheduler, with 20 steps. The plan is made once and shared by all requests.
    let mut recipe = sampler.recipe()?;
    recipe.visits = Visits::Count(20);
    let plan = recipe.plan()?;

    for line in stdin().lock().lines() {
        let (label, seeds) = parse(&line?).ok_or("a request is: label first-last")?;
        let labels = vec![label; seeds.len()];
        let job = Job::new(&plan, &seeds).labels(&labels).guidance(guidance);
        for batch in sampler.start(job)? {
            let batch = batch?;
            for (sample, seed) in batch.samples.axis_iter(Axis(0)).zip(&seeds[batch.first..]) {
                let lit = sample.iter().filter(|&&x| x > 0.0).count() as f64 / sample.len() as f64;
                writeln!(stdout(), "seed {seed} label {label}: {:.1} % lit", 100.0 * lit)?;
            }
        }
    }
    Ok(())
}

fn parse(line: &str) -> Option<(i64, Vec<u64>)> {
    let (label, range) = line.trim().split_once(' ')?;
    let (first, last) = range.split_once('-')?;
    Some((label.parse().ok()?, (first.parse().ok()?..=last.parse().ok()?).collect()))
}
