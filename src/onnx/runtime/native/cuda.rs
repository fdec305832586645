//! The only unsafe code of the crate: asking a shared library what it is, ONNX Runtime what it can do, and CUDA how much
//! memory is free; and copies between a GPU and the host.
//!
//! `ort` reads a library's version too, but only while committing the process to it; a candidate that turns out to be
//! too old or broken must leave the way open for the next one.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::sync::OnceLock;

use ort::sys::OrtApiBase;
use ort::value::{DefiniteTensorValueTypeMarker, DynTensor, Value};

use super::environment::{check_loader, find_library};

/// Loads a library and returns ONNX Runtime's version string, or the reason why there is none.
///
/// Loading runs the library's initialisers, as loading any library does. The handle is kept for the life of the
/// process: a library that has started threads must not be unloaded under them.
pub(super) fn version(path: &Path) -> Result<String, String> {
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

/// Loads a library by name or path, but never from the current folder.
///
/// # Safety
/// As [`libloading::Library::new`].
unsafe fn open(path: &Path) -> Result<libloading::Library, String> {
    check_loader().map_err(|error| error.to_string())?;
    let file = if path.is_absolute() { Some(path.to_path_buf()) } else { find_library(path) };
    let file = file.ok_or_else(|| format!("{} is not to be found", path.display()))?;
    // SAFETY: the caller's.
    unsafe { libloading::Library::new(file) }.map_err(|e| explain(&e))
}

/// Tries to load a library by name or path, for the libraries that an execution provider depends on.
pub(super) fn preload(path: &Path) -> Result<(), String> {
    // SAFETY: loading a library runs its initialisers; these are vendor libraries that the execution provider would
    // load itself a moment later. The handle is kept for the life of the process.
    unsafe { open(path) }.map(std::mem::forget)
}

/// The functions of CUDA's runtime library that ONNX Runtime has no calls for.
struct Cuda {
    set_device: unsafe extern "C" fn(c_int) -> c_int,
    mem_get_info: unsafe extern "C" fn(*mut usize, *mut usize) -> c_int,
    synchronize: unsafe extern "C" fn() -> c_int,
    stream_create: unsafe extern "C" fn(*mut *mut c_void, c_uint) -> c_int,
    stream_synchronize: unsafe extern "C" fn(*mut c_void) -> c_int,
    stream_destroy: unsafe extern "C" fn(*mut c_void) -> c_int,
    memcpy_async: unsafe extern "C" fn(*mut c_void, *const c_void, usize, c_int, *mut c_void) -> c_int,
    memset_async: unsafe extern "C" fn(*mut c_void, c_int, usize, *mut c_void) -> c_int,
    error_string: unsafe extern "C" fn(c_int) -> *const c_char,
}

/// `cudaStreamNonBlocking`: no waiting for the default stream, nor that for this one.
const APART: c_uint = 1;
/// `cudaMemcpyDefault`: the way follows from the addresses.
const ANY_WAY: c_int = 4;

impl Cuda {
    /// The library that the execution provider uses, or any other of CUDA: they share the GPU's state.
    fn get() -> Option<&'static Self> {
        static CUDA: OnceLock<Option<Cuda>> = OnceLock::new();
        CUDA.get_or_init(|| {
            let names: &[&str] = if cfg!(windows) {
                &["cudart64_13.dll", "cudart64_12.dll"]
            } else {
                &["libcudart.so.13", "libcudart.so.12", "libcudart.so"]
            };
            // SAFETY: a vendor's library that the execution provider loads as well; it stays loaded. The functions have
            // had these signatures since CUDA 8.
            unsafe {
                let library = names.iter().find_map(|name| open(Path::new(name)).ok())?;
                let library = std::mem::ManuallyDrop::new(library);
                Some(Self {
                    set_device: *library.get(b"cudaSetDevice\0").ok()?,
                    mem_get_info: *library.get(b"cudaMemGetInfo\0").ok()?,
                    synchronize: *library.get(b"cudaDeviceSynchronize\0").ok()?,
                    stream_create: *library.get(b"cudaStreamCreateWithFlags\0").ok()?,
                    stream_synchronize: *library.get(b"cudaStreamSynchronize\0").ok()?,
                    stream_destroy: *library.get(b"cudaStreamDestroy\0").ok()?,
                    memcpy_async: *library.get(b"cudaMemcpyAsync\0").ok()?,
                    memset_async: *library.get(b"cudaMemsetAsync\0").ok()?,
                    error_string: *library.get(b"cudaGetErrorString\0").ok()?,
                })
            }
        })
        .as_ref()
    }

    fn succeed(&self, what: &str, code: c_int) -> Result<(), String> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the library's own code; the text is static.
        let text = unsafe { CStr::from_ptr((self.error_string)(code)) };
        Err(format!("CUDA could not {what}: {} (error {code})", text.to_string_lossy()))
    }
}

/// Free and total memory of a GPU in bytes, by CUDA's runtime library; `None` if that is not there or does not say.
#[must_use]
pub fn gpu_memory(number: u32) -> Option<[u64; 2]> {
    let cuda = Cuda::get()?;
    let (mut free, mut total) = (0, 0);
    // SAFETY: the second call writes nothing but the two numbers.
    let told = unsafe {
        (cuda.set_device)(c_int::try_from(number).ok()?) == 0
            && (cuda.mem_get_info)(&raw mut free, &raw mut total) == 0
    };
    told.then_some([free as u64, total as u64])
}

/// Bytes of two tensors that are of one size.
fn bytes_of<A, B>(from: &Value<A>, to: &Value<B>) -> Result<usize, String>
where
    A: DefiniteTensorValueTypeMarker + ?Sized,
    B: DefiniteTensorValueTypeMarker + ?Sized,
{
    match (from.size(), to.size()) {
        (Some(size), Some(room)) if size == room => Ok(size),
        (size, room) => Err(format!("a tensor of {size:?} bytes was to be copied to one of {room:?}")),
    }
}

/// Copies a tensor's bytes to another tensor of the same type and shape; both are in the host's memory.
pub(super) fn copy_on_host<A, B>(from: &Value<A>, to: &mut Value<B>) -> Result<(), String>
where
    A: DefiniteTensorValueTypeMarker + ?Sized,
    B: DefiniteTensorValueTypeMarker + ?Sized,
{
    let size = bytes_of(from, to)?;
    if !from.memory_info().is_cpu_accessible() || !to.memory_info().is_cpu_accessible() {
        return Err("a tensor on a device was to be copied by the host".to_owned());
    }
    // SAFETY: both have that many bytes where the host can reach them, and one is borrowed alone, so they are apart.
    unsafe { std::ptr::copy_nonoverlapping(from.data_ptr().cast::<u8>(), to.data_ptr_mut().cast::<u8>(), size) };
    Ok(())
}

/// A stream of a GPU for copies, apart from those that networks run on.
pub(super) struct CopyStream {
    cuda: &'static Cuda,
    device: c_int,
    stream: *mut c_void,
}

// SAFETY: CUDA's functions may be called from any thread, and a stream belongs to its device, not to a thread.
unsafe impl Send for CopyStream {}
// SAFETY: as above.
unsafe impl Sync for CopyStream {}

impl std::fmt::Debug for CopyStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyStream").field("device", &self.device).finish_non_exhaustive()
    }
}

impl CopyStream {
    /// A new stream on a GPU.
    pub(super) fn new(number: u32) -> Result<Self, String> {
        let cuda = Cuda::get().ok_or("CUDA's runtime library (libcudart) is not to be found")?;
        let device = c_int::try_from(number).map_err(|e| e.to_string())?;
        let mut stream = std::ptr::null_mut();
        // SAFETY: the second call writes nothing but the stream's handle.
        unsafe {
            cuda.succeed("use the GPU", (cuda.set_device)(device))?;
            cuda.succeed("make a stream", (cuda.stream_create)(&raw mut stream, APART))?;
        }
        Ok(Self { cuda, device, stream })
    }

    /// Copies a tensor's bytes to another tensor of the same type and shape, and waits until they are there. Runs that
    /// write the one or read the other must have ended.
    pub(super) fn copy<A, B>(&self, from: &Value<A>, to: &mut Value<B>) -> Result<(), String>
    where
        A: DefiniteTensorValueTypeMarker + ?Sized,
        B: DefiniteTensorValueTypeMarker + ?Sized,
    {
        let size = bytes_of(from, to)?;
        // SAFETY: both tensors have that many bytes and are borrowed, so that they stay until the copy is done.
        unsafe {
            let cuda = self.cuda;
            cuda.succeed("use the GPU", (cuda.set_device)(self.device))?;
            let copied = (cuda.memcpy_async)(to.data_ptr_mut(), from.data_ptr(), size, ANY_WAY, self.stream);
            cuda.succeed("copy", copied)?;
            cuda.succeed("copy", (cuda.stream_synchronize)(self.stream))
        }
    }

    /// Waits until the GPU does nothing. That it failed is told by whatever is done next.
    pub(super) fn settle(&self) {
        // SAFETY: neither call has conditions.
        unsafe {
            let _ = (self.cuda.set_device)(self.device);
            let _ = (self.cuda.synchronize)();
        }
    }

    /// Fills a tensor in the GPU's memory with zeros.
    pub(super) fn clear(&self, tensor: &mut DynTensor) -> Result<(), String> {
        let size = tensor.size().ok_or("text has no zeros")?;
        // SAFETY: the tensor has that many bytes and is borrowed until they are written.
        unsafe {
            let cuda = self.cuda;
            cuda.succeed("use the GPU", (cuda.set_device)(self.device))?;
            cuda.succeed("clear memory", (cuda.memset_async)(tensor.data_ptr_mut(), 0, size, self.stream))?;
            cuda.succeed("clear memory", (cuda.stream_synchronize)(self.stream))
        }
    }
}

impl Drop for CopyStream {
    fn drop(&mut self) {
        // SAFETY: the stream is this value's own. An error has nobody to be told to.
        unsafe {
            let _ = (self.cuda.set_device)(self.device);
            let _ = (self.cuda.stream_destroy)(self.stream);
        }
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
