//! `alphabar info`: what a model takes and gives, and the chain it was trained on.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::failure::{Failure, Outcome, print};
use super::model;
use super::progress::Voice;
use super::recipe_args::scheduler_of;
use super::runtime_args::RuntimeArgs;
use crate::onnx::Contract;
use crate::plan::{Clip, Recipe, Scheduler};
use crate::schedule::Timestep;

/// Arguments of `alphabar info`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A pipeline folder or an .onnx file [default: the MNIST fixture]
    model: Option<PathBuf>,
    /// A diffusers scheduler_config.json [default: the pipeline folder's]
    #[arg(long, value_name = "FILE")]
    scheduler: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// Prints the contract and the schedule.
///
/// # Errors
/// Exit 1 for a bad model or configuration, 3 if the runtime is not to be had.
pub fn run(args: &Args) -> Outcome {
    let source = model::resolve(args.model.as_deref())?;
    let scheduler = scheduler_of(args.scheduler.as_deref(), source.scheduler.as_ref())?;
    let opened = model::open(source, &args.runtime, Voice::new(args.json))?;
    let contract = opened.sampler.network().contract();
    if args.json {
        let json = serde_json::json!({
            "schema": "alphabar.info/1",
            "model": opened.id,
            "sample": { "name": contract.sample.name, "type": contract.sample.element.to_string(),
                        "shape": opened.sampler.shape() },
            "timestep": { "name": contract.timestep.name, "type": contract.timestep.element.to_string() },
            "class_labels": contract.class_labels.as_ref().map(|port| &port.name),
            "classes": contract.classes,
            "class_names": contract.class_names,
            "null_label": contract.null_label,
            "out_sample": { "name": contract.out_sample.name, "type": contract.out_sample.element.to_string() },
            "predicts_variance": opened.sampler.predicts_variance(),
            "batch": contract.batch,
            "further_inputs": contract.extra.iter().map(|port| &port.name).collect::<Vec<_>>(),
            "metadata": contract.metadata,
            "runtime": opened.runtime,
        });
        let json = serde_json::to_string_pretty(&json).map_err(Failure::input)?;
        return print(format!("{json}\n"));
    }
    print(format!("{}{}", model_text(&opened, contract), scheduler_text(&scheduler)?))
}

fn model_text(opened: &model::Opened, contract: &Contract) -> String {
    let [channels, height, width] = opened.sampler.shape();
    let batch = contract.batch.map_or_else(|| "any".into(), |batch| batch.to_string());
    let mut text = format!("{}\n", opened.id.path);
    let _ = writeln!(text, "sha256        {}", opened.id.sha256);
    let _ = writeln!(text, "sample        {} · {channels}×{height}×{width} · batch {batch}", contract.sample);
    let _ = writeln!(
        text,
        "timestep      {} · {} · {:?}",
        contract.timestep.name, contract.timestep.element, contract.timestep.shape
    );
    let variance = if opened.sampler.predicts_variance() { "prediction and variance" } else { "prediction" };
    let _ = writeln!(text, "out_sample    {} · {variance}", contract.out_sample);
    match &contract.class_labels {
        None => text.push_str("class labels  none\n"),
        Some(port) => {
            let classes = contract.classes.map_or_else(|| "an unknown number of".into(), |n| n.to_string());
            let null = contract.null_label.map_or_else(|| "no null label".into(), |n| format!("null label {n}"));
            let _ = writeln!(text, "class labels  {port} · {classes} classes, {null}");
            if !contract.class_names.is_empty() {
                let _ = writeln!(text, "class names   {}", contract.class_names.join(", "));
            }
        }
    }
    for port in &contract.extra {
        let _ = writeln!(text, "further input {port} (give it with --input {}=FILE.npy)", port.name);
    }
    for note in &contract.notes {
        let _ = writeln!(text, "note          {note}");
    }
    text
}

fn scheduler_text(scheduler: &Scheduler) -> Outcome<String> {
    let schedule = scheduler.schedule()?;
    let none = format!("no class named ({} is used)", Recipe::default().method.name);
    let class = scheduler.class_name.as_ref().unwrap_or(&none);
    let betas = scheduler.chain.curve().map_or_else(
        || "trained_betas".into(),
        |curve| match curve.published_name() {
            name if name == curve.name() => name.into(),
            name => format!("{name} ({})", curve.name()),
        },
    );
    let zero = if scheduler.chain.has_zero_terminal_snr() { ", rescaled to zero terminal SNR" } else { "" };
    let (first, last) = (Timestep::new(1), schedule.last());
    let clip = match scheduler.clip {
        Clip::None => "none".into(),
        Clip::Range { bound } => format!("±{bound}"),
        Clip::Quantile { fraction, max } => format!("at the {fraction} quantile, at most {max}"),
    };
    let mut text = format!("scheduler     {class}\n");
    let _ = writeln!(text, "schedule      {betas}, T = {}{zero}", schedule.len());
    let _ = writeln!(
        text,
        "beta          {:.6e} at t = 1 to {:.6e} at t = {}",
        schedule.beta(first),
        schedule.beta(last),
        last.get()
    );
    let _ = writeln!(
        text,
        "alpha_bar     {:.6} at t = 1 to {:.6e} at t = {}",
        schedule.alpha_bar(first),
        schedule.alpha_bar(last),
        last.get()
    );
    let _ = writeln!(text, "prediction    {:?}", scheduler.prediction);
    let _ = writeln!(text, "clipping      {clip}");
    let _ = writeln!(text, "spacing       {:?}", scheduler.spacing);
    Ok(text)
}
