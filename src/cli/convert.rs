//! `alphabar convert`: a model in half precision, or with fused kernels for CUDA, checked against the original.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;

use super::compare::{Bounds, Deviation, compare};
use super::failure::{Failure, Outcome, print};
use super::progress::Voice;
use super::recipe_args::RecipeArgs;
use super::runtime_args::RuntimeArgs;
use super::{interrupt, model};
use crate::onnx::graph::half::Misfit;
use crate::onnx::graph::{
    Conversion, Fusion, Options, Precision, convert, fold_shapes, fuse, infer, infer_for_any_batch, read, write,
};
use crate::onnx::{Device, Identified, ModelSource, Weights};

/// Arguments of `alphabar convert`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// An f32 pipeline folder or .onnx file [default: the MNIST fixture]
    model: Option<PathBuf>,
    /// Convert to IEEE half precision
    #[arg(long, group = "precision")]
    fp16: bool,
    /// Convert to bfloat16
    #[arg(long, group = "precision")]
    bf16: bool,
    /// Make group normalisations, with the SiLU after them, one node each; the model then runs on CUDA alone
    #[arg(long)]
    fuse: bool,
    /// The folder to write; it must not exist
    #[arg(long, value_name = "DIR", required_unless_present = "check")]
    out: Option<PathBuf>,
    /// Convert nothing: check this model against the original
    #[arg(long, value_name = "CONVERTED", conflicts_with_all = ["precision", "fuse", "out", "no_check"])]
    check: Option<PathBuf>,
    /// Element type of the graph's inputs and outputs
    #[arg(long, value_enum, default_value = "f32", value_name = "TYPE")]
    graph_io: GraphIo,
    /// Operators to keep in f32, replacing the default list (`none`: convert all)
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    f32_ops: Option<Vec<String>>,
    /// Do not run the converted model
    #[arg(long)]
    no_check: bool,
    /// Samples to compare
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    count: u32,
    /// Allowed difference of one evaluation, relative RMS [default: 0.03 for fp16, 0.24 for bf16, 0.001 for f32]
    #[arg(long, value_name = "X")]
    evaluation_bound: Option<f64>,
    /// Allowed difference of samples, RMS [default: 0.002 for fp16, 0.016 for bf16, 0.0001 for f32]
    #[arg(long, value_name = "X")]
    sample_bound: Option<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GraphIo {
    F32,
    Fp16,
}

/// Converts and checks.
///
/// # Errors
/// Exit 1 if the model cannot be converted or the result is too far from it, 2 for bad options, 3 if the runtime or
/// device is not to be had.
pub fn run(args: &Args) -> Outcome {
    interrupt::watch()?;
    let voice = Voice::new(args.json);
    if args.bf16 && args.graph_io == GraphIo::Fp16 {
        return Err(Failure::usage("--graph-io fp16 is for --fp16; bf16 graphs keep inputs and outputs in f32"));
    }
    let model = model::resolve(args.model.as_deref())?.identify()?;
    let source = model.source();
    if let Some(other) = &args.check {
        let deviation = args.checked(source, ModelSource::resolve(other)?, Some(Precision::Fp16), voice)?;
        return args.report(&model, other, &Done::default(), Some(&deviation));
    }
    let precision = match (args.fp16, args.bf16) {
        (true, _) => Some(Precision::Fp16),
        (_, true) => Some(Precision::Bf16),
        _ if args.fuse => None,
        _ => return Err(Failure::usage("say what is to be done: --fp16, --bf16 or --fuse")),
    };
    let Some(out) = &args.out else { return Err(Failure::usage("--out DIR is missing")) };
    let home = free_place(out)?;
    let runtime = model::runtime(&args.runtime, voice)?;
    let mut graph = read(source)?;
    model.check()?;
    let (types, fusion) = if args.fuse {
        fold_shapes(runtime, &mut graph)?;
        let mut types = infer_for_any_batch(runtime, &graph)?;
        let fusion = fuse(&mut graph, &mut types)?;
        (types, Some(fusion))
    } else {
        (infer(runtime, &graph)?, None)
    };
    if fusion.is_some_and(|fusion| fusion.norms == 0) {
        let found = format!("{}: no group normalisation of a form that is known", source.name);
        return Err(Failure::input(format!("{found}; leave --fuse out")));
    }
    let conversion = match precision {
        None => None,
        Some(precision) => {
            let mut options = Options { half_io: args.graph_io == GraphIo::Fp16, ..Options::new(precision) };
            if let Some(ops) = &args.f32_ops {
                options.f32_ops = ops.iter().filter(|op| *op != "none").cloned().collect();
            }
            Some(convert(&mut graph, &types, &options)?)
        }
    };
    let done = Done { fusion, conversion };
    // Everything goes into a folder of another name first.
    let draft = tempfile::Builder::new().prefix(".alphabar-").tempdir_in(&home);
    let draft = draft.map_err(|error| Failure::io("write into", &home, &error))?;
    let folder = draft.path().join("model");
    let written = lay_out(args.model.as_deref(), &model, &folder)?;
    write(graph, &written)?;
    let deviation = match args.no_check {
        true => None,
        false => {
            let mut converted = ModelSource::resolve(&folder)?;
            converted.name = out.display().to_string();
            Some(args.checked(source, converted, precision, voice)?)
        }
    };
    let record = args.record(&model, out, &done, deviation.as_ref())?;
    let excess = deviation.as_ref().and_then(Deviation::excess);
    if excess.is_none() {
        let text = serde_json::to_string_pretty(&record).map_err(Failure::input)?;
        let path = folder.join("conversion.json");
        fs::write(&path, text + "\n").map_err(|error| Failure::io("write", &path, &error))?;
        fs::rename(&folder, out).map_err(|error| Failure::io("write", out, &error))?;
    }
    args.report(&model, out, &done, deviation.as_ref())
}

/// What was done to the graph.
#[derive(Default)]
struct Done {
    fusion: Option<Fusion>,
    conversion: Option<Conversion>,
}

impl Args {
    fn checked(
        &self,
        source: &ModelSource,
        converted: ModelSource,
        precision: Option<Precision>,
        voice: Voice,
    ) -> Outcome<Deviation> {
        let recipe = self.recipe.recipe(source.scheduler.as_ref())?;
        let plan = self.recipe.plan(&recipe)?;
        let (evaluation, sample) = match precision {
            Some(Precision::Bf16) => (0.24, 0.016),
            Some(Precision::Fp16) => (0.03, 0.002),
            None => (1e-3, 1e-4),
        };
        let bounds = Bounds {
            evaluation: self.evaluation_bound.unwrap_or(evaluation),
            sample: self.sample_bound.unwrap_or(sample),
        };
        let reference = model::open(source.clone(), &self.runtime, voice)?;
        let device = reference.sampler.network().device();
        let other = model::open(converted, &self.runtime, voice).map_err(|failure| match failure {
            Failure::Input(reason) if device == Device::CPU => Failure::Input(format!(
                "{reason}\nthe CPU may lack operators {}; check with --device cuda, or use --no-check",
                precision.map_or_else(|| "of this kind".to_owned(), |precision| format!("in {}", precision.name()))
            )),
            other => other,
        })?;
        compare(&reference.sampler, &other.sampler, &plan, self.count as usize, bounds)
    }

    fn record(
        &self,
        model: &Identified,
        out: &Path,
        done: &Done,
        deviation: Option<&Deviation>,
    ) -> Outcome<serde_json::Value> {
        let Done { fusion, conversion } = done;
        let conversion = conversion.as_ref();
        Ok(json!({
            "schema": "alphabar.conversion/1",
            "alphabar": env!("CARGO_PKG_VERSION"),
            "model": model.source().name,
            "sha256": model.sha256(),
            "out": out.display().to_string(),
            "precision": conversion.map(|_| if self.bf16 { "bf16" } else { "fp16" }),
            "graph_io": conversion.map(|_| if self.graph_io == GraphIo::Fp16 { "fp16" } else { "f32" }),
            "conversion": conversion,
            "fusion": fusion,
            "deviation": deviation,
        }))
    }

    /// Says what was done; a deviation that is too large is a failure.
    fn report(&self, model: &Identified, out: &Path, done: &Done, deviation: Option<&Deviation>) -> Outcome {
        let excess = deviation.and_then(Deviation::excess);
        if self.json {
            let mut record = self.record(model, out, done, deviation)?;
            record["ok"] = excess.is_none().into();
            print(format!("{}\n", serde_json::to_string_pretty(&record).map_err(Failure::input)?))?;
        } else {
            let mut text = String::new();
            if let Some(Fusion { norms, activations, left }) = done.fusion {
                let _ = writeln!(
                    text,
                    "{norms} group normalisations fused, {activations} with SiLU; {left} left as they are"
                );
            }
            if let Some(conversion) = &done.conversion {
                describe(conversion, &mut text);
            }
            match deviation {
                Some(deviation) => text.push_str(&deviation.table()),
                None => text.push_str("not checked\n"),
            }
            if excess.is_none() {
                let _ = writeln!(text, "{}", out.display());
            }
            print(text)?;
        }
        match excess {
            Some(why) if done.fusion.is_some() || done.conversion.is_some() => {
                Err(Failure::input(format!("{why}; {} is not written", out.display())))
            }
            Some(why) => Err(Failure::input(format!("{}: {why}", out.display()))),
            None => Ok(()),
        }
    }
}

fn describe(conversion: &Conversion, text: &mut String) {
    let Conversion { tensors, parameters, half_nodes, f32_nodes, casts, overflow, underflow } = conversion;
    let _ = writeln!(
        text,
        "{parameters} parameters in {tensors} weights; {half_nodes} nodes in half precision, {f32_nodes} in f32, \
         {casts} casts"
    );
    let mut list = |misfits: &[Misfit], what: &str| {
        for misfit in misfits {
            let Misfit { tensor, count, of, largest } = misfit;
            let _ = writeln!(text, "{tensor}: {count} of {of} entries {what} (largest {largest:e})");
        }
    };
    list(overflow, "exceed the range: what uses it stays in f32");
    list(underflow, "become 0");
}

/// The folder in which the output is to appear under a name that is free.
fn free_place(out: &Path) -> Outcome<PathBuf> {
    if out.symlink_metadata().is_ok() {
        return Err(Failure::input(format!("{} is there already; nothing is overwritten", out.display())));
    }
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    if !parent.is_dir() {
        let (out, parent) = (out.display(), parent.display());
        return Err(Failure::input(format!("cannot make {out}: {parent} does not exist; create it first")));
    }
    Ok(parent)
}

/// Makes the new pipeline folder with everything but the network's own files; says where the graph belongs.
fn lay_out(given: Option<&Path>, model: &Identified, folder: &Path) -> Outcome<PathBuf> {
    let source = model.source();
    let make = |path: &Path| fs::create_dir_all(path).map_err(|error| Failure::io("create", path, &error));
    let pipeline = given.filter(|path| path.is_dir());
    if let (Some(pipeline), Weights::File(graph)) = (pipeline, &source.weights) {
        copy_others(pipeline, folder, &model.paths().collect::<Vec<_>>())?;
        let place = graph.strip_prefix(pipeline).unwrap_or(Path::new("unet/model.onnx"));
        let place = folder.join(place);
        make(place.parent().unwrap_or(folder))?;
        return Ok(place);
    }
    let put = |path: PathBuf, text: &[u8]| -> Outcome {
        make(path.parent().unwrap_or(folder))?;
        fs::write(&path, text).map_err(|error| Failure::io("write", &path, &error))
    };
    if let Some(scheduler) = &source.scheduler {
        put(folder.join("scheduler/scheduler_config.json"), scheduler.text.as_bytes())?;
    }
    if let Some(config) = &source.config_text {
        put(folder.join("unet/config.json"), config.text.as_bytes())?;
    }
    make(&folder.join("unet"))?;
    Ok(folder.join("unet/model.onnx"))
}

/// Copies a folder without some of its files.
fn copy_others(from: &Path, to: &Path, without: &[&Path]) -> Outcome {
    fs::create_dir_all(to).map_err(|error| Failure::io("create", to, &error))?;
    for entry in fs::read_dir(from).map_err(|error| Failure::io("read", from, &error))? {
        let path = entry.map_err(|error| Failure::io("read", from, &error))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_others(&path, &to.join(name), without)?;
        } else if !without.contains(&path.as_path()) {
            fs::copy(&path, to.join(name)).map_err(|error| Failure::io("copy", &path, &error))?;
        }
    }
    Ok(())
}
