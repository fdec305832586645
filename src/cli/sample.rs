//! `alphabar sample`: samples of a model, written to a file or a folder.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ndarray::{Array4, ArrayD, Axis};

use super::failure::{Failure, Outcome, print};
use super::lists::{LabelChoice, Seeds, pair};
use super::output::{self, Draft, Film, Folder, Format, Origin, Record, Samples, Sink};
use super::progress::Voice;
use super::recipe_args::{RecipeArgs, read_plan};
use super::runtime_args::RuntimeArgs;
use super::stage::{BatchSize, Place, Stage, parse_batch};
use super::{interrupt, model};
use crate::guidance::GuidanceScale;
use crate::onnx::{Job, Sampler, Shared, Text, share};
use crate::plan::Plan;

/// Arguments of `alphabar sample`.
#[derive(clap::Args, Debug)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A pipeline folder or an .onnx file [default: the MNIST fixture]
    model: Option<PathBuf>,
    /// How many samples [default: 64]
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    count: Option<u64>,
    /// The first seed; the others follow it [default: 0]
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// The seeds themselves, as in 0-63,100
    #[arg(long, value_name = "LIST")]
    seeds: Option<Seeds>,
    /// Classes, taken in turn: 3, or 0,1,2, or all [default: all, if the model has classes]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    label: Option<LabelChoice>,
    /// Guidance scale s in u + s(c − u) [default: 1, none]
    #[arg(long, value_name = "S", allow_hyphen_values = true)]
    guidance: Option<f64>,
    /// The label that stands for no class [default: the model's own]
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    null_label: Option<i64>,
    /// Where to write: .png (a grid), .npy, .npz, or a folder of PNGs that a later run completes
    #[arg(long, default_value = "samples.png", value_name = "PATH")]
    out: PathBuf,
    /// Show x_t and x̂₀ of a few samples along the way, as .gif or .png
    #[arg(long, value_name = "FILE")]
    film: Option<PathBuf>,
    /// Samples in one run of the network, or auto: on a GPU as many as fit, on the CPU 1 to 16. Changes no sample but for
    /// the runtime's rounding
    #[arg(long, value_name = "B", default_value = "auto", value_parser = parse_batch)]
    batch: BatchSize,
    /// Where the plan's steps are computed: resident on the network's device, or host [default: resident on a GPU, host on
    /// the CPU]
    #[arg(long = "loop", value_name = "WHERE")]
    step_loop: Option<Place>,
    /// x_T to start from, f32 [count, C, H, W]
    #[arg(long, value_name = "FILE.npy")]
    init_noise: Option<PathBuf>,
    /// A further input of the graph, first axis 1 or the count; may be given again
    #[arg(long = "input", value_name = "NAME=FILE.npy", value_parser = pair)]
    inputs: Vec<(String, String)>,
    /// A plan written by `alphabar plan --json`, in place of the sampler's options
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(long)]
    quiet: bool,
    /// Print the record of the run as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// Most samples of one run, so that a mistyped count is a message and not an exhausted memory.
const MAX_COUNT: usize = 10_000_000;

/// Arrays that were given on the command line.
struct Given {
    initial: Option<Array4<f32>>,
    initial_hash: Option<String>,
    inputs: Vec<(String, ArrayD<f32>, String)>,
}

/// Samples.
///
/// # Errors
/// Exit 1 for a bad model, configuration, data or output, 2 for options that do not go together, 3 if the runtime or
/// the device is not to be had, 130 after Ctrl-C.
pub fn run(args: &Args) -> Outcome {
    interrupt::watch()?;
    let voice = Voice::new(args.quiet);
    // Everything that can be refused without the runtime comes first, everything else before the first step.
    let format = Format::of(&args.out)?;
    let given = args.given()?;
    let seeds = args.seeds(given.initial.as_ref().map(|x| x.shape()[0]))?;
    args.check_outputs(format, &seeds)?;
    let source = model::resolve(args.model.as_deref())?;
    let plan = args.plan(source.scheduler.as_ref(), voice)?;
    let opened = model::open_all(source, &args.runtime, voice)?;
    interrupt::check()?;

    let sampler = &opened.sampler;
    let contract = sampler.network().contract();
    let guidance = args.guidance(&opened)?;
    sampler.check_memory(&plan, args.batch.0.unwrap_or(1).min(seeds.len()))?;
    let labels = args.labels(&opened, seeds.len())?;
    let origin = Origin {
        model: opened.id.clone(),
        guidance: guidance.get(),
        null_label: args.null_label.or(contract.null_label),
        init_noise: given.initial_hash.clone(),
        inputs: given.inputs.iter().map(|(name, _, hash)| (name.clone(), hash.clone())).collect(),
        plan: &plan,
    };
    let samples =
        Samples { count: seeds.len(), shape: sampler.shape(), labels, class_names: contract.class_names.clone() };
    let (mut sink, positions) = args.open_output(format, &samples, &seeds, origin.stamp()?, voice)?;

    let start = Instant::now();
    let mut runtime = opened.runtime.clone();
    let batch = if positions.is_empty() {
        0
    } else {
        let given = given.only(&positions, samples.count);
        let all: Vec<u64> = seeds.iter().collect();
        let seeds: Vec<u64> = positions.iter().map(|&k| all[k]).collect();
        let labels: Option<Vec<i64>> = samples.labels.as_ref().map(|all| positions.iter().map(|&k| all[k]).collect());
        let mut job = Job::new(&plan, &seeds).guidance(guidance).stop(interrupt::flag());
        if let Some(labels) = &labels {
            job = job.labels(labels);
        }
        if let Some(label) = args.null_label {
            job = job.null_label(label);
        }
        if let Some(initial) = &given.initial {
            job = job.initial(initial.view());
        }
        for (name, values, _) in &given.inputs {
            job = job.input(name, values.view());
        }
        if let Some(batch) = args.batch.0 {
            job = job.batch(batch);
        }
        if let Some(place) = args.step_loop {
            job = job.step_loop(place.into());
        }
        let samplers: Vec<&Sampler> = std::iter::once(sampler).chain(&opened.others).collect();
        let shared = args.carry_out(&samplers, &job, evaluations(guidance), sink.as_mut(), voice)?;
        runtime["loop"] = shared.step_loop.to_string().into();
        shared.batch
    };
    interrupt::check()?;
    sink.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    let image_steps = positions.len() * plan.steps().len() * evaluations(guidance);
    let record = Record {
        schema: "alphabar.samples/1",
        alphabar: env!("CARGO_PKG_VERSION"),
        output: args.out.display().to_string(),
        count: samples.count,
        seeds: seeds.to_string(),
        labels: samples.labels.as_deref(),
        origin,
        runtime,
        batch,
        skipped: samples.count - positions.len(),
        seconds,
        image_steps_per_second: image_steps as f64 / seconds.max(1e-9),
        unix_time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
    };
    output::write_record(Draft::new(&output::record_path(&args.out, format))?, &record)?;
    if args.json {
        let json = serde_json::to_string_pretty(&record).map_err(Failure::input)?;
        print(format!("{json}\n"))?;
    }
    let (made, speed) = (positions.len(), record.image_steps_per_second);
    voice.say(format!("{}: {made} samples in {seconds:.1} s, {speed:.0} image-steps/s", args.out.display()));
    Ok(())
}

/// Evaluations of the network for one sample and step: guidance needs an unconditional one too.
fn evaluations(guidance: GuidanceScale) -> usize {
    if guidance == GuidanceScale::NONE { 1 } else { 2 }
}

impl Args {
    /// Refuses places where nothing can be written.
    fn check_outputs(&self, format: Format, seeds: &Seeds) -> Outcome {
        if let Some(film) = &self.film {
            Film::check(film)?;
            if *film == self.out {
                return Err(Failure::usage(format!("--film and --out are both {}", film.display())));
            }
        }
        if format != Format::Folder {
            return output::check_files(&[&self.out, &output::record_path(&self.out, format)]);
        }
        if let Some(seed) = seeds.repeated() {
            let fix = "write .png, .npy or .npz instead";
            return Err(Failure::usage(format!(
                "seed {seed} is named twice, and a folder has one file a seed; {fix}"
            )));
        }
        output::check_folder(&self.out)
    }

    /// The output, and the positions of the samples that it still lacks.
    fn open_output(
        &self,
        format: Format,
        samples: &Samples,
        seeds: &Seeds,
        stamp: String,
        voice: Voice,
    ) -> Outcome<(Box<dyn Sink>, Vec<usize>)> {
        if format != Format::Folder {
            return Ok((output::open(&self.out, format, samples)?, (0..samples.count).collect()));
        }
        let label = |k: usize| samples.labels.as_ref().map(|labels| labels[k]);
        let named = seeds.iter().enumerate().map(|(k, seed)| (seed, label(k)));
        let (folder, positions, replaced) = Folder::open(&self.out, samples.shape, stamp, named)?;
        if positions.len() < samples.count {
            voice.say(format!("{} of {} samples are already there", samples.count - positions.len(), samples.count));
        }
        if replaced > 0 {
            voice.say(format!("{replaced} samples of another model, plan or label are replaced"));
        }
        Ok((Box::new(folder), positions))
    }

    /// The seeds that are named; `rows` is how many x_T a file holds.
    fn seeds(&self, rows: Option<usize>) -> Outcome<Seeds> {
        let seeds = match &self.seeds {
            Some(seeds) => seeds.clone(),
            None => {
                let count = self.count.or(rows.map(|rows| rows as u64)).unwrap_or(64);
                Seeds::counted(self.seed.unwrap_or(0), count)
                    .map_err(|message| Failure::usage(format!("--count {count}: {message}")))?
            }
        };
        if seeds.len() > MAX_COUNT {
            let (count, fix) = (seeds.len(), "name the others with --seed or --seeds in another run");
            return Err(Failure::usage(format!("{count} samples are more than one run takes ({MAX_COUNT}); {fix}")));
        }
        Ok(seeds)
    }

    /// The scale, 1 if the model is not to be guided.
    fn guidance(&self, opened: &model::Opened) -> Outcome<GuidanceScale> {
        let contract = opened.sampler.network().contract();
        let Some(scale) = self.guidance else {
            if self.null_label.is_some() {
                return Err(Failure::usage("--null-label has no meaning without --guidance"));
            }
            return Ok(GuidanceScale::NONE);
        };
        let Ok(guidance) = GuidanceScale::new(scale) else {
            return Err(Failure::usage(format!("--guidance is {scale}; expected a finite number")));
        };
        let path = &opened.id.path;
        if contract.class_labels.is_none() {
            return Err(Failure::usage(format!(
                "--guidance: {path} takes no class labels, so there is nothing to guide"
            )));
        }
        match self.null_label.or(contract.null_label) {
            None => Err(Failure::usage(format!(
                "--guidance: {path} does not say which label stands for no class; name it with --null-label"
            ))),
            Some(label) => {
                contract.check_label(label).map_err(|error| Failure::usage(format!("--null-label: {error}")))?;
                Ok(guidance)
            }
        }
    }

    fn given(&self) -> Outcome<Given> {
        let read = |path: &std::path::Path| -> Outcome<(ArrayD<f32>, String)> {
            let array = output::read_f32(path)?;
            let bytes: Vec<u8> = array.iter().flat_map(|x| x.to_le_bytes()).collect();
            Ok((array, output::sha256(&bytes)))
        };
        let (mut initial, mut initial_hash) = (None, None);
        if let Some(path) = &self.init_noise {
            let (array, hash) = read(path)?;
            let shape = array.shape().to_vec();
            let array = array.into_dimensionality::<ndarray::Ix4>().map_err(|_| {
                let place = path.display();
                Failure::input(format!(
                    "x_T in {place} has shape {shape:?}; expected [count, channels, height, width]"
                ))
            })?;
            (initial, initial_hash) = (Some(array), Some(hash));
        }
        let mut inputs = Vec::new();
        for (name, path) in &self.inputs {
            let (array, hash) = read(std::path::Path::new(path))?;
            inputs.push((name.clone(), array, hash));
        }
        Ok(Given { initial, initial_hash, inputs })
    }

    /// The plan, before anything is loaded.
    fn plan(&self, found: Option<&Text>, voice: Voice) -> Outcome<Plan> {
        if let Some(path) = &self.plan {
            if self.recipe.any() {
                let why = "a plan already determines sampler, steps and clipping";
                return Err(Failure::usage(format!("--plan leaves no room for the sampler's options: {why}")));
            }
            return read_plan(path);
        }
        let mut recipe = self.recipe.recipe(found)?;
        // Guidance carries x̂₀ out of the range where the scale does more than mix the two predictions.
        let guided = self.guidance.is_some_and(|scale| !(0.0..=1.0).contains(&scale));
        if let Some(change) = recipe.guided().filter(|_| guided) {
            voice.say(change.note);
            recipe = recipe.option(change.option.name, change.word);
        }
        self.recipe.plan(&recipe)
    }

    /// One label a sample: those named, in turn, or every class in turn.
    fn labels(&self, opened: &model::Opened, count: usize) -> Outcome<Option<Vec<i64>>> {
        let contract = opened.sampler.network().contract();
        let turn = match (&self.label, contract.class_labels.is_some()) {
            (None, false) => return Ok(None),
            (Some(_), false) => {
                return Err(Failure::usage(format!("--label: {} takes no class labels", opened.id.path)));
            }
            (Some(LabelChoice::List(labels)), true) => {
                let check = |&label: &i64| contract.check_label(label);
                labels.iter().try_for_each(check).map_err(|error| Failure::usage(format!("--label: {error}")))?;
                labels.clone()
            }
            (Some(LabelChoice::All) | None, true) => match contract.classes {
                Some(classes) => (0..classes as i64).collect(),
                None => {
                    return Err(Failure::usage(format!(
                        "{} takes class labels but does not say how many classes it has; name them with --label",
                        opened.id.path
                    )));
                }
            },
        };
        Ok(Some(turn.iter().copied().cycle().take(count).collect()))
    }

    /// Runs the job, of so many evaluations for each sample and step, into the sink and the film.
    fn carry_out(
        &self,
        samplers: &[&Sampler],
        job: &Job<'_>,
        each: usize,
        sink: &mut dyn Sink,
        voice: Voice,
    ) -> Outcome<Shared> {
        let (count, steps) = (job.seeds().len(), job.plan().steps().len());
        // A film shows the first few samples, whatever the size of the batches turns out to be.
        let film =
            self.film.as_ref().map(|path| Film::open(path, samplers[0].shape(), count, job.plan())).transpose()?;
        let bar = voice.bar((count * steps * each) as u64);
        let stage = Stage::new(bar, each, film, voice);
        let shared = share(samplers, job, &stage, |batch| sink.take(batch.samples.view()))?;
        stage.finish()?;
        Ok(shared)
    }
}

impl Given {
    /// The rows of the samples that are still to be made.
    fn only(mut self, positions: &[usize], count: usize) -> Self {
        if positions.len() == count {
            return self;
        }
        self.initial = self.initial.map(|x| x.select(Axis(0), positions));
        for (_, values, _) in &mut self.inputs {
            if values.shape().first() == Some(&count) && count > 1 {
                *values = values.select(Axis(0), positions);
            }
        }
        self
    }
}
