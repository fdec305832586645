//! Which model a command means: what lies on the disk, and the network once the runtime is loaded.

use std::path::Path;

use super::failure::{Failure, Outcome};
use super::output::ModelId;
use super::progress::Voice;
use super::runtime::as_json;
use super::runtime_args::RuntimeArgs;
use crate::onnx::{
    Device, ModelSource, Network, Runtime, RuntimeOptions, Sampler, SessionOptions, load, load_or_install,
};
use crate::plan::Scheduler;

/// Finds the parts of a model, or of the built-in one if none is named.
///
/// # Errors
/// Exit 1 if it is not there or not a model.
pub fn resolve(model: Option<&Path>) -> Outcome<ModelSource> {
    match model {
        Some(path) => Ok(ModelSource::resolve(path)?),
        None => built_in(),
    }
}

#[cfg(feature = "fixture")]
fn built_in() -> Outcome<ModelSource> {
    Ok(ModelSource::fixture())
}

#[cfg(not(feature = "fixture"))]
fn built_in() -> Outcome<ModelSource> {
    Err(Failure::usage(
        "this build has no model of its own (feature `fixture`); name a pipeline folder or .onnx file",
    ))
}

/// A model on its device.
#[derive(Debug)]
pub struct Opened {
    /// The network.
    pub sampler: Sampler,
    /// The same on further devices.
    pub others: Vec<Sampler>,
    /// Its name and hash.
    pub id: ModelId,
    /// The runtime and device in words.
    pub place: String,
    /// The runtime and device for records.
    pub runtime: serde_json::Value,
}

/// Loads the runtime, installing it if need be.
///
/// # Errors
/// Exit 3 if it is not to be had.
pub fn runtime(args: &RuntimeArgs, voice: Voice) -> Outcome<&'static Runtime> {
    let mut wanted = RuntimeOptions::from_environment();
    if let Some(library) = &args.ort_dylib {
        wanted = wanted.library(library);
    }
    // A build for the first device that not every ONNX Runtime has.
    if let Some(&device) = args.device.iter().find(|&&device| device != Device::AUTO && device != Device::CPU) {
        wanted = wanted.device(device);
    }
    if args.no_install {
        return Ok(load(&wanted)?);
    }
    Ok(load_or_install(&wanted, &mut |line| voice.say(format!("alphabar: {line}")))?)
}

/// How the options say a network is to be loaded, on the first of the devices.
///
/// # Errors
/// Exit 2 for names that cannot be read.
pub fn session_options(args: &RuntimeArgs) -> Outcome<SessionOptions> {
    let names = args.io.as_deref().map(str::parse).transpose()?.unwrap_or_default();
    let mut options = SessionOptions::new().device(args.device.first().copied().unwrap_or_default()).names(names);
    if let Some(threads) = args.threads {
        options = options.threads(threads.into());
    }
    Ok(args.ep_options.iter().fold(options, |options, (key, value)| options.provider_option(key, value)))
}

/// Loads the runtime, installing it if need be, and the model on one device.
///
/// # Errors
/// Exit 1 for a bad model, 2 for options it does not take or several devices, 3 if the runtime or the device is not to
/// be had.
pub fn open(source: ModelSource, args: &RuntimeArgs, voice: Voice) -> Outcome<Opened> {
    if args.device.len() > 1 {
        return Err(Failure::usage("--device: one device is enough here; only `sample` takes several"));
    }
    open_all(source, args, voice)
}

/// As [`open`], on every device that is named.
///
/// # Errors
/// As [`open`], but for several devices.
pub fn open_all(source: ModelSource, args: &RuntimeArgs, voice: Voice) -> Outcome<Opened> {
    let options = session_options(args)?;
    let model = source.identify()?;
    let runtime = runtime(args, voice)?;
    let network = Network::open_identified(runtime, &model, &options)?;
    for note in source.notes.iter().chain(network.notes()) {
        voice.say(note);
    }
    let (mut devices, mut others) = (vec![network.device().to_string()], Vec::new());
    for &device in args.device.iter().skip(1) {
        let other = Network::open_identified(runtime, &model, &options.clone().device(device))?;
        devices.push(other.device().to_string());
        others.push(Sampler::new(other, Scheduler::default()));
    }
    let found = runtime.description();
    let device = devices.join(",");
    let mut record = as_json(found);
    record["device"] = device.as_str().into();
    record["threads"] = args.threads.into();
    record["ep_options"] = serde_json::json!(args.ep_options);
    Ok(Opened {
        place: format!("ONNX Runtime {} on {device}", found.version),
        id: ModelId { path: source.name.clone(), sha256: model.sha256().to_owned() },
        sampler: Sampler::new(network, Scheduler::default()),
        others,
        runtime: record,
    })
}
