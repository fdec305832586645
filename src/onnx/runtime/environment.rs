//! What the process's environment may let in: code by way of the current folder, and ONNX Runtime's telemetry.
//!
//! A search path with a relative or empty entry (`PATH=.:/usr/bin`, `LD_LIBRARY_PATH=:/opt/lib`) finds whatever lies in
//! the current folder, a downloaded model for instance. So programs are looked up in absolute entries only, they run in
//! another folder with such paths reduced to their absolute entries, and nothing is loaded while the loader's own path
//! has other entries. The loader reads that path once, when a process starts, before any code of the program runs:
//! the program `alphabar` therefore starts itself again with [`prepare`], and a program that embeds this library gets an
//! error.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::onnx::error::{Error, Result};

/// The variable that keeps ONNX Runtime from recording and sending telemetry. ONNX Runtime writes and sends its first
/// event while it starts, before its interface can be asked not to.
pub const TELEMETRY_VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Whether ONNX Runtime may be started where its telemetry is not known to be off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Telemetry {
    /// No: without `ORT_DISABLE_TELEMETRY=1` in the environment, loading it is an error.
    #[default]
    Refused,
    /// Yes.
    Allowed,
}

impl Telemetry {
    /// Refuses unless telemetry is off or allowed.
    pub(super) fn check(self) -> Result<()> {
        let found = std::env::var_os(TELEMETRY_VARIABLE);
        if self == Self::Allowed || is_off(found.as_deref()) {
            return Ok(());
        }
        Err(Error::TelemetryOn { found: found.map(|value| value.to_string_lossy().into_owned()) })
    }
}

fn is_off(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| value == "1")
}

/// What the dynamic loader reads when a process starts.
const LOADER: [&str; 5] = [
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "DYLD_FRAMEWORK_PATH",
    "DYLD_FALLBACK_FRAMEWORK_PATH",
];

/// What programs and Python read: where to find programs, modules, the standard library, the user's packages and
/// compiled modules.
const SEARCHED: [&str; 5] = ["PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX"];

/// The entries of a search path. On Linux, `;` separates entries of the loader's path just as `:` does.
#[cfg(unix)]
fn entries(name: &str, value: &OsStr) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    let loader = LOADER.contains(&name);
    let between = |byte: &u8| *byte == b':' || (loader && matches!(byte, b';' | b'\n'));
    value.as_bytes().split(between).map(|entry| PathBuf::from(OsStr::from_bytes(entry))).collect()
}

/// The entries of a search path.
#[cfg(not(unix))]
fn entries(_name: &str, value: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(value).collect()
}

/// What a search path must become, if it has other than absolute entries: the absolute ones, or nothing.
fn reduced(name: &str, value: &OsStr) -> Option<Option<OsString>> {
    let entries = entries(name, value);
    if entries.iter().all(|entry| entry.is_absolute()) {
        return None;
    }
    let absolute = entries.iter().filter(|entry| entry.is_absolute());
    Some(std::env::join_paths(absolute).ok().filter(|joined| !joined.is_empty()))
}

/// The loader's paths that lead into the current folder, with their values.
fn open_to_the_current_folder() -> Option<(&'static str, OsString)> {
    LOADER.into_iter().find_map(|name| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        reduced(name, &value).map(|_| (name, value))
    })
}

/// Refuses while a library could be loaded from the current folder.
pub(super) fn check_loader() -> Result<()> {
    match open_to_the_current_folder() {
        None => Ok(()),
        Some((name, value)) => Err(Error::LoaderPath { variable: name, value: value.to_string_lossy().into_owned() }),
    }
}

/// Reduces every search path that a command would inherit to its absolute entries.
fn reduce_paths(command: &mut Command) {
    for name in LOADER.into_iter().chain(SEARCHED) {
        match std::env::var_os(name).and_then(|value| reduced(name, &value)) {
            None => {}
            Some(Some(value)) => drop(command.env(name, value)),
            Some(None) => drop(command.env_remove(name)),
        }
    }
}

/// Whether this process must be started again to be safe to load ONNX Runtime into: [`prepare`] says how.
#[must_use]
pub fn must_restart() -> bool {
    !is_off(std::env::var_os(TELEMETRY_VARIABLE).as_deref()) || open_to_the_current_folder().is_some()
}

/// Gives a command an environment in which ONNX Runtime may be loaded: telemetry off, search paths reduced to their
/// absolute entries.
pub fn prepare(command: &mut Command) {
    reduce_paths(command);
    command.env(TELEMETRY_VARIABLE, "1");
}

/// Finds a program: an absolute path as it is, a bare name in the absolute entries of `PATH`; or says why not.
pub(super) fn find_program(name: &Path) -> std::result::Result<PathBuf, String> {
    if name.is_absolute() {
        return Ok(name.to_path_buf());
    }
    if name.components().count() > 1 || name.as_os_str().is_empty() {
        return Err("it depends on the current folder; name it by an absolute path".to_owned());
    }
    let path = std::env::var_os("PATH");
    // Where the system looks without a PATH.
    let path = path.as_deref().unwrap_or(OsStr::new(if cfg!(unix) { "/bin:/usr/bin" } else { "" }));
    let folders = entries("PATH", path).into_iter().filter(|folder| folder.is_absolute());
    let mut files = folders.map(|folder| {
        let file = folder.join(name);
        if cfg!(windows) && file.extension().is_none() { file.with_extension("exe") } else { file }
    });
    files.find(|file| is_executable(file)).ok_or_else(|| "not found".to_owned())
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

/// A command for a program of Python's in a folder, to which neither the folder that this process runs in nor a
/// relative entry of a search path leads. Packages of the user and of absolute entries are found as ever.
///
/// `python -c` and `-m` put the folder that they run in first on `sys.path` (before 3.11 always, since then unless
/// `PYTHONSAFEPATH` is set), so `folder` must hold nothing that is not trusted as the program is. With
/// `PYTHONINSPECT`, some modules would be imported before the question could clean the path.
pub(super) fn python_command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    reduce_paths(&mut command);
    command.current_dir(folder).stdin(Stdio::null());
    command.env("PYTHONSAFEPATH", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    for name in ["PYTHONINSPECT", "PYTHONSTARTUP"] {
        command.env_remove(name);
    }
    command
}

/// The library that a bare name stands for, where the system's loader would look into the current folder whatever its
/// path is: on Windows the one in an absolute entry of `PATH` or in the system's folder, on macOS the one in an absolute
/// entry of `DYLD_LIBRARY_PATH`.
#[cfg(not(target_os = "linux"))]
pub(super) fn find_library(name: &Path) -> Option<PathBuf> {
    let variable = if cfg!(windows) { "PATH" } else { "DYLD_LIBRARY_PATH" };
    let system = std::env::var_os("SystemRoot").map(|root| PathBuf::from(root).join("System32"));
    let path = std::env::var_os(variable).unwrap_or_default();
    let folders = system.into_iter().chain(entries(variable, &path)).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The library that a bare name stands for: the loader finds it, as its path has absolute entries only.
#[cfg(target_os = "linux")]
pub(super) fn find_library(name: &Path) -> Option<PathBuf> {
    Some(name.to_path_buf())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn search_paths_are_reduced_to_absolute_entries() {
        let after = |name: &str, value: &str| reduced(name, OsStr::new(value));
        let becomes = |text: &str| Some(Some(OsString::from(text)));
        for name in LOADER.into_iter().chain(SEARCHED) {
            assert_eq!(after(name, "/a:/b c"), None);
            for value in [".:/a", ":/a", "/a:", "/a::", "lib:/a:../lib", "$ORIGIN:/a"] {
                assert_eq!(after(name, value), becomes("/a"), "{name}={value}");
            }
            for value in ["", ".", ":", "lib:bin"] {
                assert_eq!(after(name, value), Some(None), "{name}={value}");
            }
        }
        for value in ["/a;.", ";/a", "/a\n."] {
            assert_eq!(after("LD_LIBRARY_PATH", value), becomes("/a"));
            assert_eq!(after("LD_LIBRARY_PATH", &format!("{value}:/b")), becomes("/a:/b"));
        }
        assert_eq!(after("PATH", "/a;."), None);
    }

    #[cfg(unix)]
    #[test]
    fn programs_are_found_by_absolute_entries_alone() {
        assert!(find_program(Path::new("sh")).unwrap().is_absolute());
        assert_eq!(find_program(Path::new("/nonexistent/sh")).unwrap(), Path::new("/nonexistent/sh"));
        assert_eq!(find_program(Path::new("no such program")).unwrap_err(), "not found");
        for name in ["./sh", "bin/sh", "../sh", ""] {
            assert!(find_program(Path::new(name)).unwrap_err().contains("absolute path"), "{name}");
        }
    }

    #[test]
    fn telemetry_is_off_by_one_value_only() {
        assert!(is_off(Some(OsStr::new("1"))));
        for value in [None, Some(""), Some("0"), Some("no"), Some("11")] {
            assert!(!is_off(value.map(OsStr::new)), "{value:?}");
        }
        assert_eq!(Telemetry::Allowed.check(), Ok(()));
    }
}
