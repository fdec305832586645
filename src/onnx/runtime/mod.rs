//! ONNX Runtime: finding, checking, loading and installing it, and what it says of devices.
//!
//! A library named by the user is used or is an error. Otherwise the active Python environment's onnxruntime is
//! taken, then the user's cache folder; a candidate that is too old or broken is passed over with a note. Nothing is
//! installed but by [`install()`] and [`load_or_install`].

pub(super) mod capture;
mod device;
pub mod environment;
mod header;
mod install;
mod library;
pub(super) mod native;
mod options;
pub(super) mod provider;
mod python;
mod search;
#[doc(hidden)]
pub mod wheels;

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::error::{Error, Result};
use library::same_file;
use provider::Provider;

pub use device::Device;
pub use install::install;
pub(super) use install::{hash_into, hex};
pub use library::inspect;
pub use native::MemoryInUse;
pub use options::{Found, InstallOptions, Origin, RuntimeOptions};
pub use search::discover;
pub use wheels::Build;

/// What is in use: for `alphabar runtime` and the JSON beside a result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The library file.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// Where it was found.
    pub origin: Origin,
    /// The execution providers it was built with, best first.
    pub providers: Vec<String>,
    /// Candidates that were passed over, and why.
    pub notes: Vec<String>,
}

/// ONNX Runtime, loaded. There is at most one in a process.
pub struct Runtime {
    description: Description,
    options: RuntimeOptions,
    pub(super) environment: ort::environment::Environment,
    log: Arc<Log>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("description", &self.description).finish_non_exhaustive()
    }
}

impl Runtime {
    /// What is in use.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Loads the libraries that a provider needs and the system does not find; the names of those that are nowhere.
    pub(super) fn preload(&self, provider: &dyn Provider) -> Vec<&'static str> {
        provider.preload(&|package| python::packages(&self.options, package))
    }

    /// Whether the runtime was built with an execution provider (`CUDAExecutionProvider`).
    #[must_use]
    pub fn has_provider(&self, name: &str) -> bool {
        self.description.providers.iter().any(|p| p == name)
    }

    /// The warnings and errors that the runtime logged since the last call, oldest first.
    pub fn take_log(&self) -> Vec<String> {
        self.log.take()
    }
}

/// The last few messages of the runtime, instead of lines on stderr.
#[derive(Default)]
struct Log(Mutex<VecDeque<String>>);

impl Log {
    const KEPT: usize = 32;

    fn push(&self, message: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == Self::KEPT {
            lines.pop_front();
        }
        lines.push_back(message.to_owned());
    }

    fn take(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

static LOADED: OnceLock<Runtime> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Finds and loads ONNX Runtime, or returns the one that this process has.
///
/// A failure leaves nothing behind: another call may look elsewhere. The library is loaded into the process, and so are
/// candidates that turn out to be too old: name one, or a folder for the cache, that you trust as your own program.
///
/// ```no_run
/// use alphabar::onnx::{RuntimeOptions, load};
///
/// let runtime = load(&RuntimeOptions::from_environment())?;
/// assert!(runtime.has_provider("CPUExecutionProvider"));
/// # Ok::<(), alphabar::onnx::Error>(())
/// ```
///
/// # Errors
/// [`Error::TelemetryOn`] unless the environment says `ORT_DISABLE_TELEMETRY=1` or the options allow telemetry: this
/// library does not change the environment. Those of [`discover`]; [`Error::AlreadyLoaded`] if another library is named
/// than the one in use; [`Error::RuntimeStart`] if the library does not start.
pub fn load(options: &RuntimeOptions) -> Result<&'static Runtime> {
    let _guard = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = LOADED.get() {
        if let Some(asked) = options.library.as_ref().or(options.library_from_environment.as_ref()) {
            let loaded = &runtime.description.path;
            if same_file(asked, loaded) {
                return Ok(runtime);
            }
            return Err(Error::AlreadyLoaded { loaded: loaded.clone(), asked: asked.clone() });
        }
        return Ok(runtime);
    }
    options.telemetry.check()?;
    let found = discover(options)?;
    let start = |reason: String| Error::RuntimeStart { path: found.path.clone(), reason };
    let log = Arc::new(Log::default());
    let sink = Arc::clone(&log);
    let environment = ort::init_from(&found.path)
        .map_err(|e| start(e.to_string()))?
        .with_name("alphabar")
        .with_telemetry(false)
        .with_logger(Arc::new(move |level, _category: &str, _id: &str, _at: &str, message: &str| {
            if matches!(
                level,
                ort::logging::LogLevel::Warning | ort::logging::LogLevel::Error | ort::logging::LogLevel::Fatal
            ) {
                sink.push(message);
            }
        }))
        .build()
        .map_err(|e| start(e.to_string()))?;
    environment.set_log_level(ort::logging::LogLevel::Warning);
    let description = Description {
        path: found.path.clone(),
        version: found.version,
        origin: found.origin,
        providers: native::providers(),
        notes: found.notes,
    };
    Ok(LOADED.get_or_init(|| Runtime { description, options: options.clone(), environment, log }))
}

/// As [`load`], but installs ONNX Runtime into the cache if none is found: for programs, whose user sees the lines that
/// go to `say`. The build is one with a provider for the options' device.
///
/// ```no_run
/// use alphabar::onnx::{RuntimeOptions, load_or_install};
///
/// let runtime = load_or_install(&RuntimeOptions::from_environment(), &mut |line| eprintln!("{line}"))?;
/// println!("{}", runtime.description().version);
/// # Ok::<(), alphabar::onnx::Error>(())
/// ```
///
/// # Errors
/// Those of [`load`] but [`Error::NoRuntime`], and those of [`install()`].
pub fn load_or_install(options: &RuntimeOptions, say: &mut dyn FnMut(&str)) -> Result<&'static Runtime> {
    match load(options) {
        Err(Error::NoRuntime { .. }) => {
            let build = options.device.provider().map_or(Build::Cpu, Provider::build);
            install(build, &options.install, say)?;
            load(options)
        }
        loaded => loaded,
    }
}

/// What would be used: finds and loads ONNX Runtime, and says what it is.
///
/// # Errors
/// Those of [`load`].
pub fn describe(options: &RuntimeOptions) -> Result<Description> {
    load(options).map(|runtime| runtime.description.clone())
}
