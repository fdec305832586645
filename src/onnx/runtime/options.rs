//! Where to look for ONNX Runtime, and where it was found.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::device::Device;
use super::environment::Telemetry;

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
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => f.write_str("named by --ort-dylib"),
            Self::Environment => f.write_str("named by ORT_DYLIB_PATH"),
            Self::Python(name) => write!(f, "the Python environment ({name})"),
            Self::Cache => f.write_str("the cache folder"),
        }
    }
}

/// A library that was found and checked, not yet loaded into the process's session machinery.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// Where the cache is that ONNX Runtime is installed into, and which Python does it.
///
/// ```
/// use alphabar::onnx::InstallOptions;
///
/// let options = InstallOptions::from_environment().cache("/var/cache/alphabar").python("/usr/bin/python3");
/// assert_eq!(options, InstallOptions::new().cache("/var/cache/alphabar").python("/usr/bin/python3"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstallOptions {
    /// The cache folder; `None` if none can be named.
    pub(super) cache: Option<PathBuf>,
    /// The Python to use instead of the first of `python3`, `python` that works.
    pub(super) python: Option<PathBuf>,
}

impl InstallOptions {
    /// No cache folder, and whatever Python there is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The cache folder (`ALPHABAR_CACHE`, else the system's place for caches) and `ALPHABAR_PYTHON`. A relative path is
    /// no cache folder: what lies in the current folder is not to be loaded.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            cache: cache_folder(std::env::consts::OS, |name| std::env::var_os(name)),
            python: std::env::var_os("ALPHABAR_PYTHON").filter(|v| !v.is_empty()).map(PathBuf::from),
        }
    }

    /// With this cache folder.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// With this Python: an absolute path, or a name that is looked up in the absolute entries of `PATH`.
    #[must_use]
    pub fn python(mut self, program: impl Into<PathBuf>) -> Self {
        self.python = Some(program.into());
        self
    }
}

/// The user's cache folder for this program on an operating system with the given environment variables.
fn cache_folder(os: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).map(PathBuf::from).filter(|p| p.is_absolute());
    if variable("ALPHABAR_CACHE").is_some_and(|v| !v.is_empty()) {
        return path("ALPHABAR_CACHE");
    }
    match os {
        "windows" => path("LOCALAPPDATA").map(|p| p.join("alphabar")),
        "macos" => path("HOME").map(|p| p.join("Library").join("Caches").join("alphabar")),
        _ => path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|p| p.join(".cache"))).map(|p| p.join("alphabar")),
    }
}

/// Where to look for ONNX Runtime. Looking never installs it.
///
/// ```
/// use alphabar::onnx::{Device, RuntimeOptions};
///
/// // What the environment names, but a build that has a provider for this device before others.
/// let options = RuntimeOptions::from_environment().device(Device::cuda(0));
/// // One library and no other.
/// let named = RuntimeOptions::new().library("/opt/onnxruntime/lib/libonnxruntime.so");
/// # let _ = (options, named);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RuntimeOptions {
    pub(super) library: Option<PathBuf>,
    pub(super) library_from_environment: Option<PathBuf>,
    pub(super) python_roots: Vec<(String, PathBuf)>,
    pub(super) ask_python: bool,
    pub(super) install: InstallOptions,
    pub(super) device: Device,
    pub(super) telemetry: Telemetry,
}

impl RuntimeOptions {
    /// Nowhere, until a place is named.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the process's environment says: `ORT_DYLIB_PATH`, the active Python environments, the Python on `PATH`, the
    /// cache folder.
    #[must_use]
    pub fn from_environment() -> Self {
        let path = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let roots = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter();
        Self {
            library: None,
            library_from_environment: path("ORT_DYLIB_PATH"),
            python_roots: roots.filter_map(|name| path(name).map(|root| (name.to_owned(), root))).collect(),
            ask_python: true,
            install: InstallOptions::from_environment(),
            device: Device::AUTO,
            telemetry: Telemetry::Refused,
        }
    }

    /// This library, or an error.
    #[must_use]
    pub fn library(mut self, path: impl Into<PathBuf>) -> Self {
        self.library = Some(path.into());
        self
    }

    /// This library, or an error, as if `ORT_DYLIB_PATH` named it.
    #[must_use]
    pub fn library_from_environment(mut self, path: impl Into<PathBuf>) -> Self {
        self.library_from_environment = Some(path.into());
        self
    }

    /// Also the packages of a Python environment, by the name of the variable that says so and its root.
    #[must_use]
    pub fn python_root(mut self, name: impl Into<String>, root: impl Into<PathBuf>) -> Self {
        self.python_roots.push((name.into(), root.into()));
        self
    }

    /// Also where Python says that its onnxruntime is.
    #[must_use]
    pub fn asking_python(mut self) -> Self {
        self.ask_python = true;
        self
    }

    /// No Python environment, and no Python is asked.
    #[must_use]
    pub fn without_python(mut self) -> Self {
        self.python_roots.clear();
        self.ask_python = false;
        self
    }

    /// The cache folder, and the Python that is asked.
    #[must_use]
    pub fn install(mut self, options: InstallOptions) -> Self {
        self.install = options;
        self
    }

    /// A build with this device's provider before others.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Starts ONNX Runtime even where `ORT_DISABLE_TELEMETRY=1` is not in the environment. It then may write to the
    /// user's cache folder and to the folder for temporary files, and send what machine and program it runs in.
    #[must_use]
    pub fn allow_telemetry(mut self) -> Self {
        self.telemetry = Telemetry::Allowed;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_follows_the_system() {
        let folder = |os: &str, set: &[(&str, &str)]| {
            cache_folder(os, |name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
        };
        let home = ("HOME", "/home/me");
        assert_eq!(folder("linux", &[home]), Some("/home/me/.cache/alphabar".into()));
        assert_eq!(folder("linux", &[home, ("XDG_CACHE_HOME", "/c")]), Some("/c/alphabar".into()));
        assert_eq!(folder("linux", &[home, ("XDG_CACHE_HOME", "c")]), Some("/home/me/.cache/alphabar".into()));
        assert_eq!(folder("macos", &[home]), Some("/home/me/Library/Caches/alphabar".into()));
        assert_eq!(folder("windows", &[("LOCALAPPDATA", "/l")]), Some("/l/alphabar".into()));
        assert_eq!(folder("linux", &[home, ("ALPHABAR_CACHE", "/mine")]), Some("/mine".into()));
        assert_eq!(folder("linux", &[("ALPHABAR_CACHE", "")]), None);
        assert_eq!(folder("linux", &[home, ("ALPHABAR_CACHE", "mine")]), None);
        assert_eq!(folder("linux", &[("HOME", "me")]), None);
    }
}
