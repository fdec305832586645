//! Everything that can go wrong between a model file and its output: the runtime, the file, its contract, the device.

use std::path::PathBuf;

/// Which exit code of the program an error belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The model, its configuration or the data given to it is bad: exit code 1.
    Model,
    /// An option contradicts the model or another option: exit code 2.
    Usage,
    /// ONNX Runtime or the device cannot be used: exit code 3.
    Runtime,
}

impl ErrorClass {
    /// The program's exit code for this class.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Model => 1,
            Self::Usage => 2,
            Self::Runtime => 3,
        }
    }
}

/// Result of the functions in [`crate::onnx`].
pub type Result<T> = std::result::Result<T, Error>;

/// What was tried, what was found, and what to do about it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // ---- the runtime --------------------------------------------------------------------------------------------
    /// A library named by the user is not there.
    #[error("there is no ONNX Runtime library at {path} ({named_by}); name the library file itself, or leave the choice to alphabar", path = path.display())]
    LibraryMissing {
        /// The path that was named.
        path: PathBuf,
        /// Where the name came from (`--ort-dylib`, `ORT_DYLIB_PATH`).
        named_by: String,
    },
    /// A library is named by a path that depends on the current folder.
    #[error("ORT_DYLIB_PATH={path} depends on the current folder, in which anything may lie; name the library by an absolute path, or with --ort-dylib", path = path.display())]
    LibraryRelative {
        /// The path that was named.
        path: PathBuf,
    },
    /// The dynamic loader would look for libraries in the current folder.
    #[error(
        "{variable}={value} has a relative or empty entry, so that libraries would be loaded from the current folder; leave only absolute paths in it and start the program again"
    )]
    LoaderPath {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// ONNX Runtime would record and send telemetry.
    #[error(
        "ONNX Runtime records and sends telemetry unless the environment variable ORT_DISABLE_TELEMETRY is 1, and it is {found}; start the program with ORT_DISABLE_TELEMETRY=1, or allow telemetry with SessionOptions::allow_telemetry or RuntimeOptions::allow_telemetry",
        found = found.as_ref().map_or_else(|| "not set".to_owned(), |value| format!("{value:?}"))
    )]
    TelemetryOn {
        /// The variable's value, if it has one.
        found: Option<String>,
    },
    /// A file that should be a shared library is something else.
    #[error("{path} is not a shared library: {found}; name a file such as libonnxruntime.so", path = path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What it looks like instead.
        found: String,
    },
    /// A shared library was built for another operating system or processor.
    #[error("{path} is built for {found}, but this program runs on {expected}; install a library for {expected}", path = path.display())]
    WrongArchitecture {
        /// The file.
        path: PathBuf,
        /// What the file's header says.
        found: String,
        /// What this program is.
        expected: String,
    },
    /// A shared library for the right machine that does not load, or is not ONNX Runtime.
    #[error("{path} cannot be used as ONNX Runtime: {reason}", path = path.display())]
    LibraryBroken {
        /// The file.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// An ONNX Runtime older than this program can drive.
    #[error("{path} is ONNX Runtime {version}; 1.{minimum} or newer is needed: upgrade it, or run `alphabar runtime install`", path = path.display())]
    LibraryTooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: String,
        /// The oldest usable minor version.
        minimum: u32,
    },
    /// No usable ONNX Runtime was found, and none may be installed.
    #[error(
        "no usable ONNX Runtime found; looked at:\n{looked}\nrun `alphabar runtime install`, or name a library with --ort-dylib or ORT_DYLIB_PATH",
        looked = list(tried)
    )]
    NoRuntime {
        /// The places looked at, each with what was found there.
        tried: Vec<String>,
    },
    /// The process already holds another ONNX Runtime.
    #[error("ONNX Runtime is already loaded from {loaded}; {asked} cannot be loaded into the same process", loaded = loaded.display(), asked = asked.display())]
    AlreadyLoaded {
        /// The library in use.
        loaded: PathBuf,
        /// The library asked for.
        asked: PathBuf,
    },
    /// The library loaded but could not be started.
    #[error("ONNX Runtime at {path} could not be started: {reason}", path = path.display())]
    RuntimeStart {
        /// The library.
        path: PathBuf,
        /// What it said.
        reason: String,
    },

    // ---- installing it ------------------------------------------------------------------------------------------
    /// No pinned build exists for this machine.
    #[error(
        "no ONNX Runtime {version} build {flavour} is known for {platform}; known: {known}. Build or install one and name it with --ort-dylib"
    )]
    UnknownPlatform {
        /// The version that is installed.
        version: &'static str,
        /// The machine, as `os-arch`.
        platform: String,
        /// `"for CPU"` or `"for CUDA"`.
        flavour: &'static str,
        /// The machines that are known.
        known: String,
    },
    /// pip could not be run, or could not download.
    #[error(
        "ONNX Runtime could not be downloaded with pip; tried:\n{attempts}\ncheck that Python 3 with pip is installed and that the network (or pip's configured index) can be reached, or set ALPHABAR_PYTHON to a Python that has pip, or name an existing library with --ort-dylib",
        attempts = list(attempts)
    )]
    Download {
        /// Each command that was tried and how it ended.
        attempts: Vec<String>,
    },
    /// A downloaded file is not the one that was pinned.
    #[error(
        "the downloaded {file} has SHA-256 {found}, expected {expected}; nothing was installed. Check the configured package index, then try again"
    )]
    HashMismatch {
        /// File name of the wheel.
        file: String,
        /// Its hash.
        found: String,
        /// The hash of the pinned file.
        expected: String,
    },
    /// A wheel with the right hash could not be unpacked.
    #[error("{path} could not be unpacked: {reason}", path = path.display())]
    Unpack {
        /// The wheel.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
    /// The cache folder cannot be written.
    #[error("could not {action} {path}: {reason}; set ALPHABAR_CACHE to a writable folder", path = path.display())]
    Cache {
        /// What was being done (`"create"`, `"write"`).
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's message.
        reason: String,
    },
    /// No folder for the cache can be named.
    #[error(
        "no cache folder is known: neither ALPHABAR_CACHE nor a home folder is set to an absolute path; set ALPHABAR_CACHE to one"
    )]
    NoCacheFolder,

    // ---- the device ---------------------------------------------------------------------------------------------
    /// A text that names no device.
    #[error("{found:?} is not a device; expected {expected}")]
    UnknownDevice {
        /// The text.
        found: String,
        /// The names there are.
        expected: String,
    },
    /// The device that was asked for cannot be used.
    #[error("device {device} cannot be used: {reason}{missing}; {advice}", missing = missing.as_ref().map(|m| format!(" (missing: {m})")).unwrap_or_default())]
    DeviceUnavailable {
        /// The device, as asked for.
        device: String,
        /// What the runtime said.
        reason: String,
        /// The library or driver that is missing, where that could be told.
        missing: Option<String>,
        /// What to do.
        advice: String,
    },
    /// A provider option that the device does not take.
    #[error("option {option} cannot be used with device {device}: {reason}")]
    DeviceOption {
        /// `key=value`.
        option: String,
        /// The device.
        device: String,
        /// Why.
        reason: String,
    },
    /// A batch does not fit in memory.
    #[error("a batch of {batch} does not fit in memory ({reason}); use a smaller --batch")]
    OutOfMemory {
        /// The batch size tried.
        batch: usize,
        /// What the allocator said.
        reason: String,
    },

    // ---- the model's files --------------------------------------------------------------------------------------
    /// The model is not there.
    #[error("there is no model at {path}; give a pipeline folder or an .onnx file", path = path.display())]
    ModelMissing {
        /// The path that was given.
        path: PathBuf,
    },
    /// A folder or file that is not a model.
    #[error("{path} is not a model: {found}; expected {expected}", path = path.display())]
    NotAModel {
        /// The path that was given.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A file of the model could not be read.
    #[error("could not read {path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's message.
        reason: String,
    },
    /// A folder, a pipe or a device where a file of the model should be.
    #[error("{path} is {found}; expected a regular file", path = path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// Git has left a pointer in place of a file.
    #[error("{path} is a Git LFS pointer, not the file itself; run `git lfs pull` to fetch it", path = path.display())]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A weight that is stored outside the graph is not where it may be.
    #[error("weight {tensor:?} is stored outside the graph, {found}; expected {expected}")]
    Outside {
        /// The weight.
        tensor: String,
        /// What the graph says.
        found: String,
        /// What it should.
        expected: &'static str,
    },
    /// A file of weights is not there.
    #[error("{path} is not there, and the graph's weight {tensor:?} lies in it; copy it beside the graph", path = path.display())]
    WeightsMissing {
        /// The file.
        path: PathBuf,
        /// A weight in it.
        tensor: String,
    },
    /// A file of weights ends too early.
    #[error("{path} has {size} bytes, but the graph's weights in it need {needed}; copy or download it again", path = path.display())]
    WeightsShort {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The least size that holds all weights that the graph puts there.
        needed: u64,
    },
    /// A file is not the one that was looked at before the model was loaded.
    #[error("{path} was changed or replaced while the model was being loaded; start again", path = path.display())]
    ModelChanged {
        /// The file.
        path: PathBuf,
    },
    /// A JSON file of a pipeline folder is not what it should be.
    #[error("{path} is not usable: {reason}", path = path.display())]
    BadConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// ONNX Runtime refuses the graph.
    #[error("{model} cannot be loaded: {reason}; export it again, or check that the file is complete")]
    BadGraph {
        /// The model.
        model: String,
        /// What the runtime said.
        reason: String,
    },

    // ---- the contract -------------------------------------------------------------------------------------------
    /// The graph has no input or output that can play a role.
    #[error(
        "the graph has no {role}: expected {expected}; it has {present}. Name it with --io {role}=NAME if it is there under another name"
    )]
    PortMissing {
        /// `sample`, `timestep`, `class_labels` or `out_sample`.
        role: &'static str,
        /// What was looked for.
        expected: &'static str,
        /// The inputs or outputs the graph has.
        present: String,
    },
    /// Several inputs or outputs could play a role.
    #[error("{role} could be any of {candidates}; say which with --io {role}=NAME")]
    PortAmbiguous {
        /// `sample`, `timestep`, `class_labels` or `out_sample`.
        role: &'static str,
        /// The names that fit.
        candidates: String,
    },
    /// A name given with `--io` is not in the graph.
    #[error("--io {role}={name}: the graph has no such name; it has {present}")]
    PortUnknown {
        /// `sample`, `timestep`, `class_labels` or `out_sample`.
        role: &'static str,
        /// The name that was given.
        name: String,
        /// The inputs or outputs the graph has.
        present: String,
    },
    /// An input or output has the wrong element type, rank or size.
    #[error("{role} of the graph is {found}; expected {expected}")]
    PortMisfit {
        /// `sample`, `timestep`, `class_labels`, `out_sample` or the name of a further input.
        role: String,
        /// Its name, type and dimensions.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// Channel counts of input and output do not belong together.
    #[error(
        "the graph maps {input} channels to {output}; expected {input} (a prediction) or {double} (a prediction and a variance)",
        double = 2 * input
    )]
    Channels {
        /// Channels of `sample`.
        input: usize,
        /// Channels of `out_sample`.
        output: usize,
    },
    /// Height or width is not fixed by the graph, and nothing else says it.
    #[error("the graph leaves height and width open and no unet/config.json gives sample_size; give the size")]
    SizeUnknown,
    /// A metadata entry of the graph is not understood.
    #[error("metadata {key} of the graph is {found:?}; expected {expected}")]
    BadMetadata {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// An `--io` argument is not understood.
    #[error("--io {found:?} is not understood: {reason}")]
    BadIoNames {
        /// The text found.
        found: String,
        /// What is wrong with it.
        reason: String,
    },

    // ---- a run --------------------------------------------------------------------------------------------------
    /// The graph was exported for one batch size only.
    #[error(
        "the graph takes batches of {fixed} only, not {asked}; use --batch {fixed}, or export it with a dynamic batch"
    )]
    FixedBatch {
        /// The size in the graph.
        fixed: usize,
        /// The size asked for.
        asked: usize,
    },
    /// Labels were given to a graph that takes none.
    #[error("this model takes no class labels")]
    NoLabels,
    /// A class label is outside the model's classes.
    #[error("label {label} is out of range: the model has classes 0 to {last}{null}", last = classes.saturating_sub(1), null = null_label.map(|n| format!(" and null label {n}")).unwrap_or_default())]
    LabelOutOfRange {
        /// The label.
        label: i64,
        /// Number of classes.
        classes: usize,
        /// The label that means "no class", if there is one.
        null_label: Option<i64>,
    },
    /// An input was not filled before the run.
    #[error("input {name} was not given")]
    InputMissing {
        /// The graph's name for it.
        name: String,
    },
    /// The graph has no further input of that name.
    #[error("the graph has no further input {name:?}; it has {present}")]
    InputUnknown {
        /// The name given.
        name: String,
        /// The further inputs there are.
        present: String,
    },
    /// An array has the wrong shape or values that its element type cannot hold.
    #[error("{name} is {found}; expected {expected}")]
    BadInput {
        /// What the array is.
        name: String,
        /// What was found.
        found: String,
        /// What would be accepted.
        expected: String,
    },
    /// The graph failed while running.
    #[error("{model} failed while running: {reason}")]
    Run {
        /// The model.
        model: String,
        /// What the runtime said.
        reason: String,
    },
}

impl Error {
    /// Which kind of failure this is.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::LibraryMissing { .. }
            | Self::LibraryRelative { .. }
            | Self::LoaderPath { .. }
            | Self::TelemetryOn { .. }
            | Self::NotALibrary { .. }
            | Self::WrongArchitecture { .. }
            | Self::LibraryBroken { .. }
            | Self::LibraryTooOld { .. }
            | Self::NoRuntime { .. }
            | Self::AlreadyLoaded { .. }
            | Self::RuntimeStart { .. }
            | Self::UnknownPlatform { .. }
            | Self::Download { .. }
            | Self::HashMismatch { .. }
            | Self::Unpack { .. }
            | Self::Cache { .. }
            | Self::NoCacheFolder
            | Self::DeviceUnavailable { .. }
            | Self::OutOfMemory { .. } => ErrorClass::Runtime,
            Self::DeviceOption { .. } | Self::UnknownDevice { .. } | Self::BadIoNames { .. } => ErrorClass::Usage,
            Self::ModelMissing { .. }
            | Self::NotAModel { .. }
            | Self::Unreadable { .. }
            | Self::NotRegular { .. }
            | Self::LfsPointer { .. }
            | Self::Outside { .. }
            | Self::WeightsMissing { .. }
            | Self::WeightsShort { .. }
            | Self::ModelChanged { .. }
            | Self::BadConfig { .. }
            | Self::BadGraph { .. }
            | Self::PortMissing { .. }
            | Self::PortAmbiguous { .. }
            | Self::PortUnknown { .. }
            | Self::PortMisfit { .. }
            | Self::Channels { .. }
            | Self::SizeUnknown
            | Self::BadMetadata { .. }
            | Self::FixedBatch { .. }
            | Self::NoLabels
            | Self::LabelOutOfRange { .. }
            | Self::InputMissing { .. }
            | Self::InputUnknown { .. }
            | Self::BadInput { .. }
            | Self::Run { .. } => ErrorClass::Model,
        }
    }

    /// The program's exit code for this error.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.class().exit_code()
    }
}

/// Lines of a message, each indented.
fn list(lines: &[String]) -> String {
    lines.iter().map(|l| format!("  {}", l.trim_end().replace('\n', "\n    "))).collect::<Vec<_>>().join("\n")
}
