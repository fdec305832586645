//! Opens sessions on devices: what each provider is told, and what it means when it refuses.

use std::path::{Path, PathBuf};

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider as _, ExecutionProviderDispatch};
use ort::session::Session;
use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder};

use super::device::{self, CUDA_PROVIDER, Device, TENSORRT_PROVIDER};
use super::error::{Error, Result};
use super::pipeline::{ModelSource, Weights};
use super::runtime::Runtime;
use super::session::{Optimisation, SessionOptions};

/// The provider option that only the resident loop may see: a CUDA graph wants the same addresses at every run.
pub(super) const CUDA_GRAPH: &str = "enable_cuda_graph";

/// What the user says about CUDA graphs, if anything; the last word counts.
pub(super) fn cuda_graph_asked(options: &SessionOptions) -> Option<bool> {
    let asked = options.ep_options.iter().rev().find(|(key, _)| key == CUDA_GRAPH);
    asked.map(|(_, value)| matches!(value.as_str(), "1" | "true" | "True"))
}

/// What a session needs to know that its user need not.
#[derive(Clone, Debug, Default)]
pub(super) struct Purpose<'a> {
    /// Where weights lie that are stored beside the graph, for a graph in memory.
    pub(super) folder: Option<&'a Path>,
    /// Whether it is for a resident loop.
    pub(super) resident: bool,
    /// Whether CUDA graphs are to be captured, for which the session's runs must have stable addresses.
    pub(super) cuda_graph: bool,
    /// Whether the graph is best run with channels last.
    pub(super) channels_last: bool,
}

pub(super) fn bad_graph(source: &ModelSource, error: &ort::Error) -> Error {
    Error::BadGraph { model: source.name.clone(), reason: message(error) }
}

/// Opens the graph on the device that was asked for; says which one it was and what there is to know about it.
pub(super) fn open_session(
    runtime: &'static Runtime,
    source: &ModelSource,
    options: &SessionOptions,
    purpose: &Purpose<'_>,
) -> Result<(Session, Device, Vec<String>)> {
    for (key, value) in &options.ep_options {
        let option = format!("{key}={value}");
        if key.is_empty() || option.contains('\0') {
            return Err(device_option(&option, options.device, "it is not KEY=VALUE"));
        }
        if options.device == Device::Cpu {
            return Err(device_option(&option, options.device, "the CPU provider has no options"));
        }
    }
    let on_gpu = |device| open_on_gpu(runtime, source, options, device, purpose);
    match options.device {
        Device::Cpu => open_on_cpu(runtime, source, options, purpose).map(|s| (s, Device::Cpu, Vec::new())),
        device @ (Device::Cuda(_) | Device::TensorRt(_)) => on_gpu(device).map(|s| (s, device, Vec::new())),
        Device::Auto => {
            let why = if runtime.has_provider(CUDA_PROVIDER) {
                match on_gpu(Device::Cuda(0)) {
                    Ok(session) => {
                        let note = "device auto: using cuda:0".to_owned();
                        return Ok((session, Device::Cuda(0), vec![note]));
                    }
                    Err(Error::DeviceUnavailable { missing: Some(missing), .. }) => {
                        format!("CUDA cannot be used; missing: {missing}")
                    }
                    Err(Error::DeviceUnavailable { reason, .. } | Error::OutOfMemory { reason, .. }) => {
                        format!("CUDA cannot be used: {reason}")
                    }
                    Err(error) => return Err(error),
                }
            } else {
                "this ONNX Runtime has no CUDA provider".to_owned()
            };
            let session = open_on_cpu(runtime, source, options, purpose)?;
            let mut notes = vec![format!("device auto: using the CPU ({why})")];
            if !options.ep_options.is_empty() {
                notes.push("provider options are not used on the CPU".to_owned());
            }
            Ok((session, Device::Cpu, notes))
        }
    }
}

/// ONNX Runtime's message without its place in ONNX Runtime's source and its error code.
pub(super) fn message(error: &ort::Error) -> String {
    without_prefix(error.message()).to_owned()
}

fn without_prefix(text: &str) -> &str {
    let text = text
        .rsplit_once("[ONNXRuntimeError] : ")
        .map_or(text, |(_, coded)| coded.splitn(3, " : ").nth(2).unwrap_or(coded));
    // CUDA's libraries: what failed and why, without the place in ONNX Runtime's source and this machine's name.
    let failure = ["CUDA failure ", "CUDNN failure ", "CUDNN_FE failure ", "CUBLAS failure ", "CUFFT failure "];
    let text = match failure.iter().filter_map(|words| text.rfind(words)).max() {
        Some(start) => text[start..].split(" ; GPU=").next().unwrap_or(text),
        None => text,
    };
    text.trim()
}

fn device_option(option: &str, device: Device, reason: &str) -> Error {
    Error::DeviceOption { option: option.to_owned(), device: device.to_string(), reason: reason.to_owned() }
}

/// The options that do not depend on the device.
fn builder(
    runtime: &'static Runtime,
    options: &SessionOptions,
    purpose: &Purpose<'_>,
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
    if purpose.resident && options.device != Device::Cpu {
        // The second run of a shape would take its activations' memory once more, in one piece: too late to tell which
        // batch fits, and, if that comes while a CUDA graph is captured, forbidden.
        builder = builder.with_memory_pattern(false)?;
    }
    if let Some(folder) = purpose.folder {
        let folder = folder.to_string_lossy();
        let folder = if folder.is_empty() { "." } else { &*folder };
        builder = builder.with_config_entry("session.model_external_initializers_file_folder_path", folder)?;
    }
    if let Some(prefix) = &options.profile {
        let mut prefix = PathBuf::from(prefix).into_os_string();
        prefix.push(if purpose.resident { "-resident" } else { "-network" });
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

fn open_on_cpu(
    runtime: &'static Runtime,
    source: &ModelSource,
    options: &SessionOptions,
    purpose: &Purpose<'_>,
) -> Result<Session> {
    let configured =
        builder(runtime, options, purpose).and_then(|b| Ok(b.with_auto_device(AutoDevicePolicy::PreferCPU)?));
    let mut builder = configured.map_err(|e| start_failed(runtime, &e))?;
    commit(&mut builder, source).map_err(|e| bad_graph(source, &e))
}

fn start_failed(runtime: &Runtime, error: &ort::Error) -> Error {
    Error::RuntimeStart { path: runtime.description().path.clone(), reason: message(error) }
}

/// The execution providers of a GPU, best first, with the defaults that [`SessionOptions`] describes and the user's
/// options over them.
fn providers(device: Device, options: &SessionOptions, purpose: &Purpose<'_>) -> Vec<ExecutionProviderDispatch> {
    let number = i32::try_from(device.gpu().unwrap_or(0)).unwrap_or(i32::MAX);
    let given = options.ep_options.iter().filter(|(key, _)| key != CUDA_GRAPH);
    let cuda = ep::CUDA::default()
        .with_device_id(number)
        .with_tf32(options.tf32)
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
        .with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested);
    let cuda = if purpose.channels_last { cuda.with_prefer_nhwc(true) } else { cuda };
    if let Device::TensorRt(_) = device {
        let tensorrt = ep::TensorRT::default().with_device_id(number);
        let tensorrt = given.fold(tensorrt, |ep, (key, value)| ep.with_arbitrary_config(key, value));
        // What TensorRT does not take runs through the CUDA provider.
        return vec![tensorrt.build().error_on_failure(), cuda.build().error_on_failure()];
    }
    let cuda = given.fold(cuda, |ep, (key, value)| ep.with_arbitrary_config(key, value));
    let cuda = if purpose.cuda_graph { cuda.with_cuda_graph(true) } else { cuda };
    vec![cuda.build().error_on_failure()]
}

fn open_on_gpu(
    runtime: &'static Runtime,
    source: &ModelSource,
    options: &SessionOptions,
    device: Device,
    purpose: &Purpose<'_>,
) -> Result<Session> {
    let (provider, what) = match device {
        Device::TensorRt(_) => (TENSORRT_PROVIDER, "TensorRT"),
        _ => (CUDA_PROVIDER, "CUDA"),
    };
    if !runtime.has_provider(provider) {
        let description = runtime.description();
        return Err(Error::DeviceUnavailable {
            device: device.to_string(),
            reason: format!(
                "ONNX Runtime {} at {} was built without {what} (it has {})",
                description.version,
                description.path.display(),
                description.providers.join(", ")
            ),
            missing: None,
            advice: "run `alphabar runtime install --cuda`, or use --device cpu".to_owned(),
        });
    }
    let not_found = device::preload_cuda(runtime);
    let _calling = device::calling();
    runtime.take_log();
    let unavailable = |error: &ort::Error| {
        let mut reason = message(error);
        for line in runtime.take_log() {
            let line = without_prefix(&line);
            if !reason.contains(line) {
                reason = format!("{reason}; {line}");
            }
        }
        if let Some((key, value)) = options.ep_options.iter().find(|(key, _)| reason.contains(key.as_str())) {
            return device_option(&format!("{key}={value}"), device, &reason);
        }
        let advice = if reason.contains("Invalid device ID") || reason.contains("invalid device ordinal") {
            "name a GPU that is there, as nvidia-smi numbers them, or use --device cpu"
        } else if reason.contains("no CUDA-capable device") {
            "see whether nvidia-smi lists a GPU and CUDA_VISIBLE_DEVICES does not hide it, or use --device cpu"
        } else {
            "install NVIDIA's driver, CUDA 13 and cuDNN 9 (the system's, or the nvidia packages of the active Python \
             environment), or use --device cpu"
        };
        Error::DeviceUnavailable {
            device: device.to_string(),
            missing: device::missing_libraries(&reason, &not_found),
            reason,
            advice: advice.to_owned(),
        }
    };
    let base = builder(runtime, options, purpose).map_err(|e| start_failed(runtime, &e))?;
    let mut configured = base
        .with_execution_providers(providers(device, options, purpose))
        .map_err(|e| unavailable(&ort::Error::from(e)))?;
    commit(&mut configured, source).map_err(|e| {
        let message = e.message();
        if message.contains("graph capture") {
            // A node that the provider leaves to the CPU, or control flow.
            return device_option(&format!("{CUDA_GRAPH}=1"), device, without_prefix(message));
        }
        let words = ["CUDA", "cuda", "CUDNN", "cuDNN", "CUBLAS", "TensorRT", "TensorrtExecutionProvider"];
        if words.iter().any(|word| message.contains(word)) { unavailable(&e) } else { bad_graph(source, &e) }
    })
}
