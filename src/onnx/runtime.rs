//! Finding, checking and loading ONNX Runtime, once per process.
//!
//! A library named by the user is used or is an error. Otherwise the active Python environment's onnxruntime is
//! taken, then the user's cache folder; a candidate that is too old or broken is passed over with a note. If nothing
//! is found, the pinned version is installed once, unless that is forbidden.

use std::{
    collections::VecDeque,
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::{
    binary,
    error::{Error, Result},
    install::{self, InstallOptions},
    native,
    wheels::MINIMUM_MINOR,
};

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
        }
    }

    /// The `nvidia` package folders of the active Python environments.
    pub(super) fn nvidia_packages(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> =
            self.python_roots.iter().flat_map(|(_, root)| site_packages(root)).map(|s| s.join("nvidia")).collect();
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
/// Those of [`discover`]; [`Error::AlreadyLoaded`] if another library is named than the one in use;
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

/// Finds a library that can be used, installing it if nothing is found and that is allowed.
///
/// # Errors
/// For a library that was named: [`Error::LibraryMissing`], [`Error::NotALibrary`], [`Error::WrongArchitecture`],
/// [`Error::LibraryBroken`] or [`Error::LibraryTooOld`]. Otherwise [`Error::NoRuntime`], or what kept it from being
/// installed.
pub fn discover(options: &RuntimeOptions) -> Result<Found> {
    let named = [
        (options.library.as_ref(), Origin::Argument),
        (options.library_from_environment.as_ref(), Origin::Environment),
    ];
    for (path, origin) in named {
        let Some(path) = path else { continue };
        if !path.exists() {
            return Err(Error::LibraryMissing { path: path.clone(), named_by: origin.to_string() });
        }
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let version = inspect(&path)?;
        return Ok(Found { path, version, origin, notes: Vec::new() });
    }

    let mut tried = Vec::new();
    let mut usable: Option<Found> = None;
    let mut consider = |candidates: Vec<PathBuf>, origin: Origin, tried: &mut Vec<String>| -> Option<Found> {
        for path in candidates {
            match inspect(&path) {
                Ok(version) => {
                    let found = Found { path, version, origin: origin.clone(), notes: Vec::new() };
                    if !options.cuda || has_cuda(&found.path) {
                        return Some(found);
                    }
                    tried.push(format!(
                        "{origin}: ONNX Runtime {} at {} has no CUDA provider",
                        found.version,
                        found.path.display()
                    ));
                    usable.get_or_insert(found);
                }
                Err(error) => tried.push(format!("{origin}: {error}")),
            }
        }
        None
    };

    let mut result = None;
    for (name, root) in &options.python_roots {
        let candidates = in_python_root(root);
        if candidates.is_empty() {
            tried.push(format!("{name}={}: no onnxruntime there", root.display()));
        }
        result = consider(candidates, Origin::Python(name.clone()), &mut tried);
        if result.is_some() {
            break;
        }
    }
    if result.is_none() && options.ask_python {
        match ask_python(&options.install, "onnxruntime") {
            Ok((python, Some(folder))) => {
                result = consider(libraries_in(&folder.join("capi")), Origin::Python(python), &mut tried);
            }
            Ok((python, None)) => tried.push(format!("{python}: no onnxruntime installed")),
            Err(reason) => tried.push(reason),
        }
    }
    if result.is_none() {
        match &options.install.cache {
            Some(cache) => {
                let candidates = in_cache(cache, options.cuda);
                if candidates.is_empty() {
                    tried.push(format!("{}: empty", cache.display()));
                }
                result = consider(candidates, Origin::Cache, &mut tried);
            }
            None => tried.push("no cache folder is known".to_owned()),
        }
    }
    if let Some(found) = result.or(usable) {
        return Ok(Found { notes: tried, ..found });
    }
    if !options.may_install {
        return Err(Error::NoRuntime { tried });
    }
    let path = install::install(options.cuda, &options.install)?;
    let version = inspect(&path)?;
    Ok(Found { path, version, origin: Origin::Installed, notes: tried })
}

/// Checks a library and returns its version, without committing the process to it.
///
/// # Errors
/// [`Error::NotALibrary`], [`Error::WrongArchitecture`], [`Error::LibraryBroken`] or [`Error::LibraryTooOld`].
pub fn inspect(path: &Path) -> Result<String> {
    binary::check(path)?;
    let version =
        native::version(path).map_err(|reason| Error::LibraryBroken { path: path.to_path_buf(), reason })?;
    let mut parts = version.split('.').map(|p| p.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(1), Some(minor)) if minor >= MINIMUM_MINOR => Ok(version),
        (Some(1), Some(_)) | (Some(0), _) => {
            Err(Error::LibraryTooOld { path: path.to_path_buf(), version, minimum: MINIMUM_MINOR })
        }
        _ => Err(Error::LibraryBroken {
            path: path.to_path_buf(),
            reason: format!("its version is {version:?}; only 1.x is known"),
        }),
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Whether the CUDA provider's library lies beside the runtime.
fn has_cuda(library: &Path) -> bool {
    let name = if cfg!(windows) { "onnxruntime_providers_cuda.dll" } else { "libonnxruntime_providers_cuda.so" };
    library.parent().is_some_and(|folder| folder.join(name).exists())
}

/// The runtime libraries in a folder, newest name first.
pub(super) fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(is_runtime_library))
        .collect();
    found.sort();
    found.reverse();
    found
}

/// `libonnxruntime.so`, `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib`, `onnxruntime.dll`.
fn is_runtime_library(name: &str) -> bool {
    if cfg!(windows) {
        return name.eq_ignore_ascii_case("onnxruntime.dll");
    }
    let versioned = |rest: &str| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if cfg!(target_os = "macos") {
        return name.strip_prefix("libonnxruntime").and_then(|n| n.strip_suffix(".dylib")).is_some_and(versioned);
    }
    name.strip_prefix("libonnxruntime.so").is_some_and(versioned)
}

/// The folders for packages of a Python environment, given its root.
fn site_packages(root: &Path) -> Vec<PathBuf> {
    if cfg!(windows) {
        return vec![root.join("Lib").join("site-packages")];
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root.join("lib"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("python")))
        .map(|p| p.join("site-packages"))
        .collect();
    folders.sort();
    folders
}

/// The runtime libraries of a Python environment, given its root.
fn in_python_root(root: &Path) -> Vec<PathBuf> {
    site_packages(root).iter().flat_map(|site| libraries_in(&site.join("onnxruntime").join("capi"))).collect()
}

/// The runtime libraries in the cache, newest version first; with `cuda`, builds with CUDA before the others.
fn in_cache(cache: &Path, cuda: bool) -> Vec<PathBuf> {
    let mut folders: Vec<(bool, Vec<u32>, PathBuf)> = std::fs::read_dir(cache)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter_map(|path| {
            let rest = path.file_name()?.to_str()?.strip_prefix("onnxruntime-")?;
            let version = rest.split('-').next()?.split('.').map_while(|p| p.parse().ok()).collect();
            Some((cuda && rest.contains("-cuda-"), version, path.clone()))
        })
        .collect();
    folders.sort();
    folders.reverse();
    folders.iter().flat_map(|(_, _, folder)| libraries_in(folder)).collect()
}

/// Asks Python where a package is, without importing it and without looking into the
/// current folder: Python's name, and the package's folder.
fn ask_python(install: &InstallOptions, package: &str) -> std::result::Result<(String, Option<PathBuf>), String> {
    const QUESTION: &str = "import importlib.util as u, sys; sys.path = [p for p in sys.path if p]; s = u.find_spec(sys.argv[1]); \
        print(list(s.submodule_search_locations)[0] if s and s.submodule_search_locations else '')";
    let mut failures = Vec::new();
    for python in install.pythons() {
        let answer = Command::new(&python).args(["-c", QUESTION, package]).stdin(Stdio::null()).output();
        let name = python.display().to_string();
        match answer {
            Ok(out) if out.status.success() => {
                let text = String::from_utf8_lossy(&out.stdout);
                let folder = text.trim();
                return Ok((name, (!folder.is_empty()).then(|| PathBuf::from(folder))));
            }
            Ok(out) => failures.push(format!("{name}: {}", install::last_lines(&out.stderr, &out.stdout))),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    Err(failures.join("; "))
}
