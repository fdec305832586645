//! A library that may be ONNX Runtime: what it is, and where such libraries lie in a folder.

use std::path::{Path, PathBuf};

use super::environment::check_loader;
use super::wheels::MINIMUM_MINOR;
use super::{header, native};
use crate::onnx::error::{Error, Result};

/// Checks a library and returns its version, without committing the process to it.
///
/// The file is loaded for that, so that its initialisers run: name a library that you would use.
///
/// ```no_run
/// let version = alphabar::onnx::runtime::inspect("/opt/onnxruntime/lib/libonnxruntime.so".as_ref())?;
/// assert!(version.starts_with("1."));
/// # Ok::<(), alphabar::onnx::Error>(())
/// ```
///
/// # Errors
/// [`Error::LoaderPath`], [`Error::NotALibrary`], [`Error::WrongArchitecture`], [`Error::LibraryBroken`] or
/// [`Error::LibraryTooOld`].
pub fn inspect(path: &Path) -> Result<String> {
    check_loader()?;
    header::check(path)?;
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

pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
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
