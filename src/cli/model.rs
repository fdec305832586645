//! Which model a command means: what lies on the disk, and the network once the runtime is loaded.

use std::path::Path;

use super::failure::Outcome;
use super::output::ModelId;
use super::progress::Voice;
use super::runtime::as_json;
use super::runtime_args::RuntimeArgs;
use crate::onnx::{Device, ModelSource, Network, Runtime, RuntimeOptions, Sampler, SessionOptions, load};
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
    Err(super::failure::Failure::usage(
        "this build has no model of its own (feature `fixture`); name a pipeline folder or .onnx file",
    ))
}

/// A model on its device.
#[derive(Debug)]
pub struct Opened {
    /// The network.
    pub sampler: Sampler,
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
    let mut wanted = RuntimeOptions::from_environment(args.ort_dylib.clone());
    wanted.may_install = !args.no_install;
    wanted.cuda = matches!(args.device, Device::Cuda(_));
    wanted.install.quiet = voice.is_quiet();
    Ok(load(&wanted)?)
}

/// How the options say a network is to be loaded.
///
/// # Errors
/// Exit 2 for names that cannot be read.
pub fn session_options(args: &RuntimeArgs) -> Outcome<SessionOptions> {
    Ok(SessionOptions {
        device: args.device,
        threads: args.threads.map(usize::from),
        ep_options: args.ep_options.clone(),
        names: args.io.as_deref().map(str::parse).transpose()?.unwrap_or_default(),
        ..SessionOptions::default()
    })
}

/// Loads the runtime, installing it if need be, and the model.
///
/// # Errors
/// Exit 1 for a bad model, 2 for options it does not take, 3 if the runtime or the device is not to be had.
pub fn open(source: ModelSource, args: &RuntimeArgs, voice: Voice) -> Outcome<Opened> {
    let options = session_options(args)?;
    let runtime = runtime(args, voice)?;
    let network = Network::open(runtime, &source, &options)?;
    for note in source.notes.iter().chain(network.notes()) {
        voice.say(note);
    }
    let found = runtime.description();
    let device = network.device();
    let mut record = as_json(found);
    record["device"] = device.to_string().into();
    record["threads"] = args.threads.into();
    record["ep_options"] = serde_json::json!(args.ep_options);
    Ok(Opened {
        place: format!("ONNX Runtime {} on {device}", found.version),
        id: ModelId { path: source.name.clone(), sha256: source.sha256()? },
        sampler: Sampler::new(network, Scheduler::default()),
        runtime: record,
    })
}
