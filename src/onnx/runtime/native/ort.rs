//! What ONNX Runtime says of itself.
//!
//! `ort` reads a library's version too, but only while committing the process to it; a candidate that turns out to be
//! too old or broken must leave the way open for the next one.

use std::ffi::CStr;
use std::path::Path;

use ort::sys::OrtApiBase;

use super::library::open;

/// Loads a library and returns ONNX Runtime's version string, or the reason why there is none.
///
/// Loading runs the library's initialisers, as loading any library does. The handle is kept for the life of the
/// process: a library that has started threads must not be unloaded under them.
pub(in crate::onnx::runtime) fn version(path: &Path) -> Result<String, String> {
    // SAFETY: `OrtGetApiBase` has had this signature since ONNX Runtime 1.0, takes no arguments, and returns a
    // pointer to a static table or null; `GetVersionString` is that table's second entry and returns a pointer to a
    // static NUL-terminated string. The library stays loaded, so both stay valid.
    unsafe {
        let library = open(&std::path::absolute(path).map_err(|e| e.to_string())?)?;
        let library = std::mem::ManuallyDrop::new(library);
        let base: libloading::Symbol<'_, unsafe extern "C" fn() -> *const OrtApiBase> = library
            .get(b"OrtGetApiBase\0")
            .map_err(|_| "it loads, but it does not export OrtGetApiBase, so it is another library".to_owned())?;
        let base = base();
        if base.is_null() {
            return Err("OrtGetApiBase returned nothing".to_owned());
        }
        let text = ((*base).GetVersionString)();
        if text.is_null() {
            return Err("it has no version".to_owned());
        }
        CStr::from_ptr(text.cast()).to_str().map(str::to_owned).map_err(|_| "its version is not text".to_owned())
    }
}

/// The execution providers that the loaded runtime was built with. Call only after `ort::init_from`.
pub(in crate::onnx::runtime) fn providers() -> Vec<String> {
    let api = ort::api();
    let mut names = std::ptr::null_mut();
    let mut count = 0;
    // SAFETY: the runtime writes a list of `count` NUL-terminated strings and its address; the list is read before it
    // is handed back, and it is handed back with the count it came with. A failed call leaves the list null. A status
    // that is not null is the caller's to release.
    unsafe {
        let status = (api.GetAvailableProviders)(&mut names, &mut count);
        if !status.0.is_null() {
            (api.ReleaseStatus)(status.0);
            return Vec::new();
        }
        if names.is_null() {
            return Vec::new();
        }
        let found = (0..usize::try_from(count).unwrap_or(0))
            .map(|i| CStr::from_ptr((*names.add(i)).cast()).to_string_lossy().into_owned())
            .collect();
        let status = (api.ReleaseAvailableProviders)(names, count);
        if !status.0.is_null() {
            (api.ReleaseStatus)(status.0);
        }
        found
    }
}
