//! `alphabar bench`: image-steps a second by batch size, time outside the network, copies, memory, and how near the
//! network's arithmetic comes to what the device can do.

mod ceiling;
mod profile;

use std::fmt::Write as _;
use std::path::PathBuf;

use super::failure::{Failure, Outcome, print};
use super::progress::Voice;
use super::recipe_args::RecipeArgs;
use super::runtime_args::RuntimeArgs;
use super::stage::Place;
use super::{interrupt, model};
use crate::onnx::graph::{self, Flops};
use crate::onnx::{Device, Job, ModelSource, Network, Sampler, StepLoop, Timing};
use crate::plan::{Plan, Recipe, Scheduler};
use ceiling::Ceiling;
use profile::Profile;

/// Steps of a profiled pass: the profile has an entry for every node of every step.
const PROFILED_STEPS: usize = 10;

/// Arguments of `alphabar bench`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A pipeline folder or an .onnx file [default: the MNIST fixture]
    model: Option<PathBuf>,
    /// Batch sizes
    #[arg(long, value_delimiter = ',', default_value = "1,4,16", value_name = "LIST", value_parser = clap::value_parser!(u64).range(1..))]
    batch: Vec<u64>,
    /// Runs of the whole plan for each batch size; the median counts
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Where the plan's steps are computed: resident on the network's device, or host [default: resident on a GPU, host on
    /// the CPU]
    #[arg(long = "loop", value_name = "WHERE")]
    step_loop: Option<Place>,
    /// Only speed and memory: no profile, no count of operations, no ceilings
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

#[derive(Debug, serde::Serialize)]
struct Row {
    batch: usize,
    image_steps_per_second: f64,
    milliseconds_per_step: f64,
    /// Between runs; what the resident loop's nodes take within them is in the profile.
    outside_network_percent: f64,
    peak_memory_mb: Option<f64>,
    /// In use on the GPU after the batch's first run, by all its processes.
    device_memory_mb: Option<f64>,
    /// Achieved, in the network's convolutions and matrix products.
    flops_per_second: Option<f64>,
    /// That, as a share of what matrix products of the weights' type reach.
    matrix_rate_percent: Option<f64>,
}

/// What is not a matter of the batch.
#[derive(Debug, Default, serde::Serialize)]
struct Depth {
    /// Operations of one evaluation on one sample.
    flops: Option<Flops>,
    /// The type of most weights.
    weights: Option<&'static str>,
    /// The runtime's own profile, at `profile_batch`.
    profile: Option<Profile>,
    profile_batch: Option<usize>,
    /// What the device can do.
    ceiling: Vec<Ceiling>,
    /// What could not be had, and why.
    notes: Vec<String>,
}

/// Measures.
///
/// # Errors
/// Exit 1 for a bad model or configuration, 2 for bad options, 3 if the runtime or device is not to be had.
pub fn run(args: &Args) -> Outcome {
    interrupt::watch()?;
    let source = model::resolve(args.model.as_deref())?;
    let recipe = args.recipe.recipe(source.scheduler.as_ref())?;
    let plan = args.recipe.plan(&recipe)?;
    let opened = model::open(source.clone(), &args.runtime, Voice::new(args.json))?;
    let device = opened.sampler.network().device();
    let mut rows = Vec::new();
    // Rounds are interleaved over batch sizes, so that a busy moment does not fall on one of them alone.
    let mut timings = vec![Vec::new(); args.batch.len()];
    let mut memory = vec![(None, None); args.batch.len()];
    let mut step_loop = StepLoop::Host;
    for round in 0..=args.rounds {
        for (k, &batch) in args.batch.iter().enumerate() {
            if round == 0 {
                reset_peak_memory();
            }
            let timing;
            (timing, step_loop) = args.once(&opened.sampler, &plan, usize::try_from(batch).unwrap_or(usize::MAX))?;
            // The first round warms caches up and takes the memory.
            if round == 0 {
                memory[k] = (peak_memory_mb(), device_memory_mb(device));
            } else {
                timings[k].push(timing);
            }
        }
    }
    let depth = if args.quick { Depth::default() } else { Depth::find(args, &source, &recipe, device)? };
    for ((mut timings, memory), &batch) in timings.into_iter().zip(memory).zip(&args.batch) {
        timings.sort_by_key(|timing| timing.total);
        let median = timings[timings.len() / 2];
        let (steps, total) = (plan.steps().len() as f64, median.total.as_secs_f64());
        let speed = batch as f64 * steps / total;
        let flops_per_second = depth.flops.as_ref().map(|flops| flops.total as f64 * speed);
        let best = depth.ceiling.iter().find(|ceiling| Some(ceiling.element) == depth.weights);
        let share = |flops: f64| best.map(|best| 100.0 * flops / best.matrix_flops_per_second);
        rows.push(Row {
            batch: batch as usize,
            image_steps_per_second: speed,
            milliseconds_per_step: 1e3 * total / steps,
            outside_network_percent: 100.0 * (1.0 - median.network.as_secs_f64() / total),
            peak_memory_mb: memory.0,
            device_memory_mb: memory.1,
            flops_per_second,
            matrix_rate_percent: flops_per_second.and_then(share),
        });
    }
    if args.json {
        let mut runtime = opened.runtime;
        runtime["loop"] = step_loop.to_string().into();
        runtime["cuda_graphs"] = opened.sampler.has_cuda_graphs().into();
        let json = serde_json::json!({
            "schema": "alphabar.bench/1",
            "model": opened.id,
            "runtime": runtime,
            "sampler": plan.name(),
            "steps": plan.steps().len(),
            "rounds": args.rounds,
            "rows": rows,
            "depth": (!args.quick).then_some(&depth),
        });
        let json = serde_json::to_string_pretty(&json).map_err(Failure::input)?;
        return print(format!("{json}\n"));
    }
    let mut text = table(&opened, &plan, args.rounds, step_loop, &rows);
    if !args.quick {
        depth.describe(&mut text);
    }
    print(text)
}

impl Depth {
    /// Counts, profiles and measures ceilings. What a model or a device does not give is a note.
    fn find(args: &Args, source: &ModelSource, recipe: &Recipe, device: Device) -> Outcome<Self> {
        let mut depth = Self::default();
        let runtime = model::runtime(&args.runtime, Voice::new(true))?;
        match graph::read(source).and_then(|graph| Ok((graph::count(runtime, &graph)?, graph))) {
            Ok((flops, graph)) => {
                depth.flops = Some(flops);
                depth.weights = Some(match graph::weight_type(&graph) {
                    graph::proto::data_type::FLOAT16 => "fp16",
                    graph::proto::data_type::BFLOAT16 => "bf16",
                    _ => "f32",
                });
            }
            Err(error) => depth.notes.push(format!("operations are not counted: {error}")),
        }
        interrupt::check()?;
        let batch = args.batch.iter().copied().max().unwrap_or(1) as usize;
        match profiled(args, source, recipe, device, batch) {
            Ok(profile) => (depth.profile, depth.profile_batch) = (Some(profile), Some(batch)),
            Err(Failure::Input(reason) | Failure::Usage(reason) | Failure::Runtime(reason)) => {
                depth.notes.push(format!("no profile: {reason}"));
            }
            Err(stop) => return Err(stop),
        }
        interrupt::check()?;
        match ceiling::measure(runtime, &args.runtime, device) {
            Ok(ceiling) => depth.ceiling = ceiling,
            Err(Failure::Input(reason) | Failure::Usage(reason) | Failure::Runtime(reason)) => {
                depth.notes.push(format!("no ceilings: {reason}"));
            }
            Err(stop) => return Err(stop),
        }
        Ok(depth)
    }

    fn describe(&self, text: &mut String) {
        text.push('\n');
        if let Some(flops) = &self.flops {
            let by_op: Vec<String> =
                flops.by_op.iter().map(|(op, count)| format!("{op} {:.2}", *count as f64 / 1e9)).collect();
            let _ = writeln!(
                text,
                "one evaluation of one sample: {:.3} GFLOP ({})",
                flops.total as f64 / 1e9,
                by_op.join(", ")
            );
            for (op, nodes) in &flops.not_counted {
                let _ = writeln!(text, "not counted: {nodes} nodes of {op}");
            }
        }
        for Ceiling { element, matrix_flops_per_second, bytes_per_second, .. } in &self.ceiling {
            let (rate, bandwidth) = (matrix_flops_per_second / 1e9, bytes_per_second / 1e9);
            let _ = writeln!(
                text,
                "ceiling, {element}: {rate:.0} GFLOP/s in matrix products, {bandwidth:.1} GB/s in sums"
            );
        }
        if let Some(profile) = &self.profile {
            let Profile { copies_per_step, outside_network_percent, .. } = profile;
            let busiest: Vec<String> =
                profile.busiest.iter().map(|share| format!("{} {:.1} %", share.op, share.percent)).collect();
            let _ = writeln!(
                text,
                "runtime's profile at batch {}: {copies_per_step:.2} copies a step, {outside_network_percent:.2} % outside \
                 the network; {}",
                self.profile_batch.unwrap_or(0),
                busiest.join(", ")
            );
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
    }
}

/// A few steps, twice, in a session that keeps the runtime's profile.
fn profiled(args: &Args, source: &ModelSource, recipe: &Recipe, device: Device, batch: usize) -> Outcome<Profile> {
    let full = args.recipe.plan(recipe)?;
    let steps = full.steps().len().min(PROFILED_STEPS);
    let short = recipe.clone().steps(steps);
    let plan = if full.steps().len() == steps { full } else { args.recipe.plan(&short)? };
    let folder = tempfile::tempdir().map_err(|error| Failure::io("write into", &std::env::temp_dir(), &error))?;
    let options = model::session_options(&args.runtime)?.device(device).profile(folder.path().join("profile"));
    let runtime = model::runtime(&args.runtime, Voice::new(true))?;
    let network = Network::open(runtime, source, &options)?;
    let sampler = Sampler::new(network, Scheduler::default());
    for _ in 0..2 {
        args.once(&sampler, &plan, batch)?;
    }
    let text = |path: PathBuf| std::fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error));
    let texts = sampler.end_profiles()?.into_iter().map(text).collect::<Outcome<Vec<String>>>()?;
    profile::read(&texts).map_err(Failure::input)
}

impl Args {
    /// One run of the whole plan, and the loop that it was done by.
    fn once(&self, sampler: &Sampler, plan: &Plan, batch: usize) -> Outcome<(Timing, StepLoop)> {
        let seeds: Vec<u64> = (0..batch as u64).collect();
        let labels: Option<Vec<i64>> = sampler.network().contract().class_labels.as_ref().map(|_| vec![0; batch]);
        let mut job = Job::new(plan, &seeds).batch(batch).stop(interrupt::flag());
        if let Some(labels) = &labels {
            job = job.labels(labels);
        }
        if let Some(place) = self.step_loop {
            job = job.step_loop(place.into());
        }
        let batches = sampler.start(job)?;
        let step_loop = batches.step_loop();
        let mut timing = Timing::default();
        for made in batches {
            let made = made?.timing;
            timing = Timing { total: timing.total + made.total, network: timing.network + made.network };
        }
        Ok((timing, step_loop))
    }
}

fn table(opened: &model::Opened, plan: &Plan, rounds: u32, step_loop: StepLoop, rows: &[Row]) -> String {
    let steps = plan.steps().len();
    let mut text = format!("{} · {} · {steps} steps · median of {rounds} rounds\n", opened.id.path, plan.name());
    let graphs = if opened.sampler.has_cuda_graphs() { ", CUDA graphs" } else { "" };
    let _ = writeln!(text, "{} · {step_loop} loop{graphs}\n", opened.place);
    let _ = writeln!(
        text,
        "batch  image-steps/s   ms/step  outside the network  peak memory     GFLOP/s  of the ceiling"
    );
    for row in rows {
        let peak = row.device_memory_mb.or(row.peak_memory_mb);
        let memory = peak.map_or_else(|| "-".into(), |mb| format!("{mb:.0} MB"));
        let rate = row.flops_per_second.map_or_else(|| "-".into(), |rate| format!("{:.1}", rate / 1e9));
        let share = row.matrix_rate_percent.map_or_else(|| "-".into(), |share| format!("{share:.1} %"));
        let _ = writeln!(
            text,
            "{:>5}  {:>13.1}  {:>8.3}  {:>17.2} %  {memory:>11}  {rate:>10}  {share:>14}",
            row.batch, row.image_steps_per_second, row.milliseconds_per_step, row.outside_network_percent
        );
    }
    text
}

/// Lets the peak start again from what is resident now, where the system can.
fn reset_peak_memory() {
    // Where it cannot, the peak stays that of all runs so far.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The largest resident size of the process, where the system tells.
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1000.0 * 1.024)
}

/// Memory in use on a device, by all processes; the runtime keeps what it has taken, so that this is its peak.
fn device_memory_mb(device: Device) -> Option<f64> {
    let memory = device.memory()?;
    Some(memory.total.saturating_sub(memory.free) as f64 / 1e6)
}
