//! `alphabar bench`: image-steps a second, time outside the network and memory, by batch size.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::failure::{Failure, Outcome, print};
use super::progress::Voice;
use super::recipe_args::RecipeArgs;
use super::runtime_args::RuntimeArgs;
use super::{interrupt, model};
use crate::onnx::{Job, Sampler, Timing};
use crate::plan::Plan;

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
    outside_network_percent: f64,
    peak_memory_mb: Option<f64>,
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
    let opened = model::open(source, &args.runtime, Voice::new(args.json))?;
    let mut rows = Vec::new();
    // Rounds are interleaved over batch sizes, so that a busy moment does not fall on one of them alone.
    let mut timings = vec![Vec::new(); args.batch.len()];
    let mut memory = vec![None; args.batch.len()];
    for round in 0..=args.rounds {
        for (k, &batch) in args.batch.iter().enumerate() {
            if round == 0 {
                reset_peak_memory();
            }
            let timing = once(&opened.sampler, &plan, usize::try_from(batch).unwrap_or(usize::MAX))?;
            // The first round warms caches up and takes the memory.
            if round == 0 {
                memory[k] = peak_memory_mb();
            } else {
                timings[k].push(timing);
            }
        }
    }
    for ((mut timings, memory), &batch) in timings.into_iter().zip(memory).zip(&args.batch) {
        timings.sort_by_key(|timing| timing.total);
        let median = timings[timings.len() / 2];
        let (steps, total) = (plan.steps().len() as f64, median.total.as_secs_f64());
        rows.push(Row {
            batch: batch as usize,
            image_steps_per_second: batch as f64 * steps / total,
            milliseconds_per_step: 1e3 * total / steps,
            outside_network_percent: 100.0 * (1.0 - median.network.as_secs_f64() / total),
            peak_memory_mb: memory,
        });
    }
    if args.json {
        let json = serde_json::json!({
            "schema": "alphabar.bench/1",
            "model": opened.id,
            "runtime": opened.runtime,
            "sampler": plan.name(),
            "steps": plan.steps().len(),
            "rounds": args.rounds,
            "rows": rows,
        });
        let json = serde_json::to_string_pretty(&json).map_err(Failure::input)?;
        return print(format!("{json}\n"));
    }
    print(table(&opened, &plan, args.rounds, &rows))
}

/// One run of the whole plan.
fn once(sampler: &Sampler, plan: &Plan, batch: usize) -> Outcome<Timing> {
    let seeds: Vec<u64> = (0..batch as u64).collect();
    let labels: Option<Vec<i64>> = sampler.network().contract().class_labels.as_ref().map(|_| vec![0; batch]);
    let job = Job {
        labels: labels.as_deref(),
        batch: Some(batch),
        stop: Some(interrupt::flag()),
        ..Job::new(plan, &seeds)
    };
    let mut timing = Timing::default();
    for made in sampler.start(job)? {
        let made = made?.timing;
        timing = Timing { total: timing.total + made.total, network: timing.network + made.network };
    }
    Ok(timing)
}

fn table(opened: &model::Opened, plan: &Plan, rounds: u32, rows: &[Row]) -> String {
    let steps = plan.steps().len();
    let mut text = format!("{} · {} · {steps} steps · median of {rounds} rounds\n", opened.id.path, plan.name());
    let _ = writeln!(text, "{}\n", opened.place);
    let _ = writeln!(text, "batch  image-steps/s   ms/step  outside the network  peak memory");
    for row in rows {
        let memory = row.peak_memory_mb.map_or_else(|| "-".into(), |mb| format!("{mb:.0} MB"));
        let _ = writeln!(
            text,
            "{:>5}  {:>13.1}  {:>8.3}  {:>17.2} %  {memory:>11}",
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
