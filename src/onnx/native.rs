//! The only unsafe code of the crate: asking a shared library what it is, ONNX Runtime what it can do, and CUDA how much
//! memory is free.
//!
//! `ort` reads a library's version too, but only while committing the process to it; a candidate that turns out to be
//! too old or broken must leave the way open for the next one.
#![allow(unsafe_code)]

use std::{ffi::CStr, path::Path};

use ort::sys::OrtApiBase;

/// Loads a library and returns ONNX Runtime's version string, or the reason why there is none.
///
/// Loading runs the library's initialisers, as loading any library does. The handle is kept for the life of the
/// process: a library that has started threads must not be unloaded under them.
pub(super) fn version(path: &Path) -> Result<String, String> {
    // SAFETY: `OrtGetApiBase` has had this signature since ONNX Runtime 1.0, takes no arguments, and returns a
    // pointer to a static table or null; `GetVersionString` is that table's second entry and returns a pointer to a
    // static NUL-terminated string. The library stays loaded, so both stay valid.
    unsafe {
        let library = libloading::Library::new(path).map_err(|e| explain(&e))?;
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

/// Tries to load a library by name or path, for the libraries that an execution provider depends on.
pub(super) fn preload(path: &Path) -> Result<(), String> {
    // SAFETY: loading a library runs its initialisers; these are vendor libraries that the execution provider would
    // load itself a moment later. The handle is kept for the life of the process.
    unsafe { libloading::Library::new(path) }.map(std::mem::forget).map_err(|e| explain(&e))
}

/// Free memory of a GPU in bytes, by CUDA's runtime library; `None` if that is not there or does not say.
pub(super) fn free_on_gpu(number: u32) -> Option<u64> {
    type SetDevice = unsafe extern "C" fn(std::ffi::c_int) -> std::ffi::c_int;
    type MemGetInfo = unsafe extern "C" fn(*mut usize, *mut usize) -> std::ffi::c_int;
    let names: &[&str] = if cfg!(windows) {
        &["cudart64_13.dll", "cudart64_12.dll"]
    } else {
        &["libcudart.so.13", "libcudart.so.12", "libcudart.so"]
    };
    let (mut free, mut total) = (0, 0);
    // SAFETY: both functions have had these signatures since CUDA 2 and write nothing but the two numbers; a call that
    // fails says so by its result. The library stays loaded, as the execution provider's own handle would keep it.
    unsafe {
        let library = names.iter().find_map(|&name| libloading::Library::new(name).ok())?;
        let library = std::mem::ManuallyDrop::new(library);
        let set_device: libloading::Symbol<'_, SetDevice> = library.get(b"cudaSetDevice\0").ok()?;
        let mem_get_info: libloading::Symbol<'_, MemGetInfo> = library.get(b"cudaMemGetInfo\0").ok()?;
        let told = set_device(i32::try_from(number).ok()?) == 0 && mem_get_info(&raw mut free, &raw mut total) == 0;
        told.then_some(free as u64)
    }
}

/// The execution providers that the loaded runtime was built with. Call only after `ort::init_from`.
pub(super) fn providers() -> Vec<String> {
    let api = ort::api();
    let mut names = std::ptr::null_mut();
    let mut count = 0;
    // SAFETY: the runtime writes a list of `count` NUL-terminated strings and its address; the list is read before it
    // is handed back, and it is handed back with the count it came with. A failed call leaves the list null.
    unsafe {
        let status = (api.GetAvailableProviders)(&mut names, &mut count);
        if !status.0.is_null() || names.is_null() {
            return Vec::new();
        }
        let found = (0..usize::try_from(count).unwrap_or(0))
            .map(|i| CStr::from_ptr((*names.add(i)).cast()).to_string_lossy().into_owned())
            .collect();
        let _ = (api.ReleaseAvailableProviders)(names, count);
        found
    }
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
