//! Finding, checking and loading ONNX Runtime, once per process.
//!
//! A library named by the user is used or is an error. Otherwise the active Python environment's onnxruntime is
//! taken, then the user's cache folder; a candidate that is too old or broken is passed over with a note. If nothing
//! is found, the pinned version is installed once, unless that is forbidden.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::environment::Telemetry;
use super::error::{Error, Result};
use super::install::InstallOptions;
use super::native;
use super::search::{ask_python, same_file, site_packages};
pub use super::search::{discover, inspect};

/// Where a library was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Named on the command line or by the caller.
    Argument,
    /// Named by `ORT_DYLIB_PATH`.
    Environment,
    /// Part of the Python environment of that name.
    Python(String),
    /// In the user's cache folder.
    Cache,
    /// Installed into the cache folder just now.
    Installed,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => f.write_str("named by --ort-dylib"),
            Self::Environment => f.write_str("named by ORT_DYLIB_PATH"),
            Self::Python(name) => write!(f, "the Python environment ({name})"),
            Self::Cache => f.write_str("the cache folder"),
            Self::Installed => f.write_str("the cache folder, installed just now"),
        }
    }
}

/// How to look for ONNX Runtime.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// A library named by the caller: used, or an error.
    pub library: Option<PathBuf>,
    /// The library named by `ORT_DYLIB_PATH`: used, or an error.
    pub library_from_environment: Option<PathBuf>,
    /// Roots of active Python environments, each with the name of the variable that says so.
    pub python_roots: Vec<(String, PathBuf)>,
    /// Whether to ask `python3` where its onnxruntime is.
    pub ask_python: bool,
    /// Installing: whether it may be done, and where the cache is.
    pub install: InstallOptions,
    /// Whether to install the pinned version when nothing is found.
    pub may_install: bool,
    /// Prefer a build with the CUDA execution provider, and install such a build.
    pub cuda: bool,
    /// Whether it may be started where its telemetry is not known to be off.
    pub telemetry: Telemetry,
}

impl RuntimeOptions {
    /// What the process's environment says, with an optional library that was named on the command line.
    #[must_use]
    pub fn from_environment(library: Option<PathBuf>) -> Self {
        let path = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self {
            library,
            library_from_environment: path("ORT_DYLIB_PATH"),
            python_roots: ["VIRTUAL_ENV", "CONDA_PREFIX"]
                .into_iter()
                .filter_map(|name| path(name).map(|root| (name.to_owned(), root)))
                .collect(),
            ask_python: true,
            install: InstallOptions::from_environment(),
            may_install: true,
            cuda: false,
            telemetry: Telemetry::Refused,
        }
    }

    /// Starts ONNX Runtime even where `ORT_DISABLE_TELEMETRY=1` is not in the environment. It then may write to the
    /// user's cache folder and to the folder for temporary files, and send what machine and program it runs in.
    #[must_use]
    pub fn allow_telemetry(mut self) -> Self {
        self.telemetry = Telemetry::Allowed;
        self
    }

    /// The `nvidia` package folders of the active Python environments.
    pub(super) fn nvidia_packages(&self) -> Vec<PathBuf> {
        let roots = self.python_roots.iter().map(|(_, root)| root).filter(|root| root.is_absolute());
        let mut folders: Vec<PathBuf> =
            roots.flat_map(|root| site_packages(root)).map(|s| s.join("nvidia")).collect();
        if self.ask_python
            && let Ok((_, Some(folder))) = ask_python(&self.install, "nvidia")
        {
            folders.push(folder);
        }
        folders
    }

    /// Only the library at `path`.
    #[must_use]
    pub fn only(path: PathBuf) -> Self {
        Self {
            library: Some(path),
            library_from_environment: None,
            python_roots: Vec::new(),
            ask_python: false,
            install: InstallOptions::from_environment(),
            may_install: false,
            cuda: false,
            telemetry: Telemetry::Refused,
        }
    }
}

/// A library that was found and checked, not yet loaded into the process's session machinery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The library file.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// Where it was found.
    pub origin: Origin,
    /// Candidates that were passed over, and why.
    pub notes: Vec<String>,
}

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

    /// How it was looked for.
    pub(super) fn options(&self) -> &RuntimeOptions {
        &self.options
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
/// A failure leaves nothing behind: another call may look elsewhere.
///
/// # Errors
/// [`Error::TelemetryOn`] unless the environment says `ORT_DISABLE_TELEMETRY=1` or the options allow telemetry: this
/// library does not change the environment. Those of [`discover`]; [`Error::AlreadyLoaded`] if another library is named than the one in use;
/// [`Error::RuntimeStart`] if the library does not start.
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

/// The runtime that this process has loaded, if any.
#[must_use]
pub fn loaded() -> Option<&'static Runtime> {
    LOADED.get()
}

/// What would be used: finds and loads ONNX Runtime without installing it, and says what it is.
///
/// # Errors
/// Those of [`load`].
pub fn describe(options: &RuntimeOptions) -> Result<Description> {
    load(&RuntimeOptions { may_install: false, ..options.clone() }).map(|r| r.description.clone())
}
