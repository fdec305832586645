//! Opens sessions on devices, and says what it means when a provider refuses.

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::error::{bad_graph, message, without_prefix};
use super::options::{Optimisation, SessionOptions};
use crate::onnx::error::{Error, Result};
use crate::onnx::graph::{ModelSource, Weights};
use crate::onnx::runtime::capture::calling;
use crate::onnx::runtime::provider::{Provider, Settings};
use crate::onnx::runtime::{Device, Runtime};

/// What the user says about captured graphs, if anything; the last word counts.
pub(super) fn capture_asked(options: &SessionOptions, provider: &dyn Provider) -> Option<bool> {
    let key = provider.capture_option()?;
    let asked = options.provider_options.iter().rev().find(|(known, _)| known == key);
    asked.map(|(_, value)| matches!(value.as_str(), "1" | "true" | "True"))
}

/// What a session needs to know that its user need not.
#[derive(Clone, Debug, Default)]
pub(in crate::onnx) struct SessionSpec<'a> {
    /// Where weights lie that are stored beside the graph, for a graph in memory.
    pub(in crate::onnx) folder: Option<&'a Path>,
    /// Whether it is for a resident loop.
    pub(in crate::onnx) resident: bool,
    /// Whether kernels are to be captured as a graph, for which the session's runs must have stable addresses.
    pub(in crate::onnx) capture: bool,
    /// Whether the graph is best run with channels last.
    pub(in crate::onnx) channels_last: bool,
}

/// Opens the graph on the device that was asked for; says which one it was and what there is to know about it.
pub(super) fn open_session(
    runtime: &'static Runtime,
    source: &ModelSource,
    options: &SessionOptions,
    spec: &SessionSpec<'_>,
) -> Result<(Session, Device, Vec<String>)> {
    let asked = options.device.provider();
    for (key, value) in &options.provider_options {
        let option = format!("{key}={value}");
        if key.is_empty() || option.contains('\0') {
            return Err(device_option(&option, options.device, "it is not KEY=VALUE"));
        }
        if let Some(provider) = asked.filter(|provider| !provider.has_options()) {
            let reason = format!("the {} provider has no options", provider.title());
            return Err(device_option(&option, options.device, &reason));
        }
    }
    let on = |device, provider| open_on(runtime, source, options, (device, provider), spec);
    if let Some(provider) = asked {
        return on(options.device, provider).map(|session| (session, options.device, Vec::new()));
    }
    let mut why = Vec::new();
    for (device, provider) in Device::automatic() {
        let title = provider.title();
        if !runtime.has_provider(provider.id()) {
            why.push(format!("this ONNX Runtime has no {title} provider"));
            continue;
        }
        match on(device, provider) {
            Ok(session) => return Ok((session, device, vec![format!("device auto: using {device}")])),
            Err(Error::DeviceUnavailable { missing: Some(missing), .. }) => {
                why.push(format!("{title} cannot be used; missing: {missing}"));
            }
            Err(Error::DeviceUnavailable { reason, .. } | Error::OutOfMemory { reason, .. }) => {
                why.push(format!("{title} cannot be used: {reason}"));
            }
            Err(error) => return Err(error),
        }
    }
    let mut notes = vec![format!("device auto: using the CPU ({})", why.join("; "))];
    let plain = SessionOptions { provider_options: Vec::new(), ..options.on(Device::CPU) };
    if !options.provider_options.is_empty() {
        notes.push("provider options are not used on the CPU".to_owned());
    }
    let (session, device, _) = open_session(runtime, source, &plain, spec)?;
    Ok((session, device, notes))
}

fn device_option(option: &str, device: Device, reason: &str) -> Error {
    Error::DeviceOption { option: option.to_owned(), device: device.to_string(), reason: reason.to_owned() }
}

/// The options that do not depend on the device.
fn builder(
    runtime: &'static Runtime,
    options: &SessionOptions,
    device: Device,
    spec: &SessionSpec<'_>,
) -> ort::Result<SessionBuilder> {
    let level = match options.optimisation {
        Optimisation::None => GraphOptimizationLevel::Disable,
        Optimisation::Basic => GraphOptimizationLevel::Level1,
        Optimisation::Extended => GraphOptimizationLevel::Level2,
        Optimisation::All => GraphOptimizationLevel::All,
    };
    let mut builder = Session::builder(&runtime.environment)?
        .with_log_level(ort::logging::LogLevel::Warning)?
        .with_optimization_level(level)?;
    if let Some(threads) = options.threads {
        builder = builder.with_intra_threads(threads)?;
    }
    if spec.resident && device.has_memory() {
        // The second run of a shape would take its activations' memory once more, in one piece: too late to tell which
        // batch fits, and, if that comes while a CUDA graph is captured, forbidden.
        builder = builder.with_memory_pattern(false)?;
    }
    if let Some(folder) = spec.folder {
        let folder = folder.to_string_lossy();
        let folder = if folder.is_empty() { "." } else { &*folder };
        builder = builder.with_config_entry("session.model_external_initializers_file_folder_path", folder)?;
    }
    if let Some(prefix) = &options.profile {
        let mut prefix = PathBuf::from(prefix).into_os_string();
        prefix.push(if spec.resident { "-resident" } else { "-network" });
        builder = builder.with_profiling(prefix)?;
    }
    Ok(builder)
}

fn commit(builder: &mut SessionBuilder, source: &ModelSource) -> ort::Result<Session> {
    match &source.weights {
        Weights::File(path) => builder.commit_from_file(path),
        Weights::Embedded(bytes) => builder.commit_from_memory(bytes),
        Weights::Bytes(bytes) => builder.commit_from_memory(bytes),
    }
}

fn open_on(
    runtime: &'static Runtime,
    source: &ModelSource,
    options: &SessionOptions,
    (device, provider): (Device, &'static dyn Provider),
    spec: &SessionSpec<'_>,
) -> Result<Session> {
    // Without a library of its own a provider is part of every ONNX Runtime.
    let apart = provider.library().is_some();
    if apart && !runtime.has_provider(provider.id()) {
        let description = runtime.description();
        return Err(Error::DeviceUnavailable {
            device: device.to_string(),
            reason: format!(
                "ONNX Runtime {} at {} was built without {} (it has {})",
                description.version,
                description.path.display(),
                provider.title(),
                description.providers.join(", ")
            ),
            missing: None,
            advice: provider.how_to_get().to_owned(),
        });
    }
    let not_found = runtime.preload(provider);
    let _calling = calling();
    if apart {
        runtime.take_log();
    }
    let unavailable = |error: &ort::Error| {
        let mut reason = message(error);
        for line in if apart { runtime.take_log() } else { Vec::new() } {
            let line = without_prefix(&line);
            if !reason.contains(line) {
                reason = format!("{reason}; {line}");
            }
        }
        if let Some((key, value)) = options.provider_options.iter().find(|(key, _)| reason.contains(key.as_str())) {
            return device_option(&format!("{key}={value}"), device, &reason);
        }
        Error::DeviceUnavailable {
            device: device.to_string(),
            missing: provider.missing(&reason, &not_found),
            advice: provider.advice(&reason).to_owned(),
            reason,
        }
    };
    let base = builder(runtime, options, device, spec)
        .map_err(|error| Error::RuntimeStart { path: runtime.description().path.clone(), reason: message(&error) })?;
    let given = options.provider_options.iter().filter(|(key, _)| Some(key.as_str()) != provider.capture_option());
    let given: Vec<(String, String)> = given.cloned().collect();
    let settings = Settings {
        number: device.number(),
        options: &given,
        tf32: options.tf32,
        channels_last: spec.channels_last,
        capture: spec.capture,
    };
    let mut configured = provider.configure(base, &settings).map_err(|error| unavailable(&error))?;
    commit(&mut configured, source).map_err(|error| {
        let message = error.message();
        if let Some(option) = provider.capture_option().filter(|_| message.contains("graph capture")) {
            // A node that the provider leaves to the CPU, or control flow.
            return device_option(&format!("{option}=1"), device, without_prefix(message));
        }
        if provider.caused(message) { unavailable(&error) } else { bad_graph(source, &error) }
    })
}
