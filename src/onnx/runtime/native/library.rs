//! Loading shared libraries, but never from the current folder.

use std::path::Path;

use crate::onnx::runtime::environment::{check_loader, find_library};

/// Loads a library by name or path.
///
/// # Safety
/// As [`libloading::Library::new`].
pub(super) unsafe fn open(path: &Path) -> Result<libloading::Library, String> {
    check_loader().map_err(|error| error.to_string())?;
    let file = if path.is_absolute() { Some(path.to_path_buf()) } else { find_library(path) };
    let file = file.ok_or_else(|| format!("{} is not to be found", path.display()))?;
    // SAFETY: the caller's.
    unsafe { libloading::Library::new(file) }.map_err(|e| explain(&e))
}

/// A library that this process has loaded already, by its name.
pub(super) fn already_loaded(name: &str) -> Option<libloading::Library> {
    // SAFETY: nothing is loaded, so no initialiser runs; the handle counts as one more user of the library.
    #[cfg(unix)]
    unsafe {
        use libloading::os::unix::{Library, RTLD_LAZY};
        const NOT_LOADED_NOW: std::ffi::c_int = if cfg!(target_os = "macos") { 0x10 } else { 0x4 };
        Library::open(Some(name), RTLD_LAZY | NOT_LOADED_NOW).ok().map(Into::into)
    }
    #[cfg(windows)]
    libloading::os::windows::Library::open_already_loaded(name).ok().map(Into::into)
}

/// Tries to load a library by name or path, for the libraries that an execution provider depends on.
pub(in crate::onnx::runtime) fn preload(path: &Path) -> Result<(), String> {
    // SAFETY: loading a library runs its initialisers; these are vendor libraries that the execution provider would
    // load itself a moment later. The handle is kept for the life of the process.
    unsafe { open(path) }.map(std::mem::forget)
}

/// The loader's message, without the wrapper's prefix.
fn explain(error: &libloading::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.trim().to_owned()
}
