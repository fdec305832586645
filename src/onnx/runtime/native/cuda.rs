//! The functions of CUDA's runtime library that ONNX Runtime has no calls for: free memory, and copies.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;

use super::library::{already_loaded, open};
use super::{Memory, MemoryInUse, Stream};

/// CUDA's runtime library.
struct Cuda {
    get_device: unsafe extern "C" fn(*mut c_int) -> c_int,
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

/// Names of the library, newest version first.
const NAMES: &[&str] = if cfg!(windows) {
    &["cudart64_13.dll", "cudart64_12.dll"]
} else {
    &["libcudart.so.13", "libcudart.so.12", "libcudart.so"]
};

impl Cuda {
    /// The library that the execution provider uses, if that is loaded, or else the first that works with the driver: all
    /// share the GPU's state. A failure is not kept, as the provider may load its library later.
    fn get() -> Result<&'static Self, String> {
        static CUDA: OnceLock<Cuda> = OnceLock::new();
        if let Some(cuda) = CUDA.get() {
            return Ok(cuda);
        }
        let loaded = NAMES.iter().filter_map(|name| already_loaded(name).map(|library| (*name, library)));
        // SAFETY: a vendor's library that the execution provider loads as well; it stays loaded if it is used.
        let new = NAMES.iter().map(|name| (*name, unsafe { open(Path::new(name)) }));
        let cuda = Self::first_that_works(loaded.map(|(name, library)| (name, Ok(library))).chain(new))?;
        Ok(CUDA.get_or_init(|| cuda))
    }

    /// Tries one library after another; why none works.
    fn first_that_works<'n>(
        libraries: impl Iterator<Item = (&'n str, Result<libloading::Library, String>)>,
    ) -> Result<Self, String> {
        let mut reasons: Vec<String> = Vec::new();
        for (name, library) in libraries {
            match library.and_then(Self::of) {
                Ok(cuda) => return Ok(cuda),
                Err(reason) => reasons.push(if reason.contains(name) { reason } else { format!("{name}: {reason}") }),
            }
        }
        Err(format!("no CUDA runtime library (libcudart) can be used: {}", reasons.join("; ")))
    }

    /// The functions of a library that works with the driver and finds a GPU.
    fn of(library: libloading::Library) -> Result<Self, String> {
        let missing = |e: libloading::Error| e.to_string();
        // SAFETY: the functions have had these signatures since CUDA 8. The library stays loaded while it has a user, which
        // one that is returned is for ever; the two calls write nothing but their numbers.
        unsafe {
            let version: unsafe extern "C" fn(*mut c_int) -> c_int =
                *library.get(b"cudaRuntimeGetVersion\0").map_err(missing)?;
            let count: unsafe extern "C" fn(*mut c_int) -> c_int =
                *library.get(b"cudaGetDeviceCount\0").map_err(missing)?;
            let cuda = Self {
                get_device: *library.get(b"cudaGetDevice\0").map_err(missing)?,
                set_device: *library.get(b"cudaSetDevice\0").map_err(missing)?,
                mem_get_info: *library.get(b"cudaMemGetInfo\0").map_err(missing)?,
                synchronize: *library.get(b"cudaDeviceSynchronize\0").map_err(missing)?,
                stream_create: *library.get(b"cudaStreamCreateWithFlags\0").map_err(missing)?,
                stream_synchronize: *library.get(b"cudaStreamSynchronize\0").map_err(missing)?,
                stream_destroy: *library.get(b"cudaStreamDestroy\0").map_err(missing)?,
                memcpy_async: *library.get(b"cudaMemcpyAsync\0").map_err(missing)?,
                memset_async: *library.get(b"cudaMemsetAsync\0").map_err(missing)?,
                error_string: *library.get(b"cudaGetErrorString\0").map_err(missing)?,
            };
            let mut number = 0;
            cuda.succeed("tell its version", version(&raw mut number))?;
            cuda.succeed("count the GPUs", count(&raw mut number))?;
            std::mem::forget(library);
            Ok(cuda)
        }
    }

    fn succeed(&self, what: &str, code: c_int) -> Result<(), String> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the library's own code; the text is static.
        let text = unsafe { CStr::from_ptr((self.error_string)(code)) };
        Err(format!("CUDA could not {what}: {} (error {code})", text.to_string_lossy()))
    }

    /// Makes a GPU the calling thread's current one, until the value goes.
    fn on(&self, device: c_int) -> Result<Current<'_>, String> {
        let mut before = 0;
        // SAFETY: the first call writes nothing but the number.
        unsafe {
            self.succeed("tell the current GPU", (self.get_device)(&raw mut before))?;
            let current = Current { cuda: self, before };
            self.succeed("use the GPU", (self.set_device)(device))?;
            Ok(current)
        }
    }

    /// Free and total memory of a GPU; the caller's current GPU stays what it was.
    fn memory(&self, number: u32) -> Option<MemoryInUse> {
        let _current = self.on(c_int::try_from(number).ok()?).ok()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: the call writes nothing but the two numbers.
        let told = unsafe { (self.mem_get_info)(&raw mut free, &raw mut total) } == 0;
        told.then_some(MemoryInUse { free: free as u64, total: total as u64 })
    }
}

/// A thread whose current GPU is another one than its caller's for a while.
struct Current<'c> {
    cuda: &'c Cuda,
    before: c_int,
}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        // SAFETY: the call has no conditions; the GPU was current before.
        let _ = unsafe { (self.cuda.set_device)(self.before) };
    }
}

/// The memory of NVIDIA's GPUs.
pub(in crate::onnx::runtime) struct CudaMemory;

impl Memory for CudaMemory {
    fn in_use(&self, number: u32) -> Option<MemoryInUse> {
        Cuda::get().ok()?.memory(number)
    }

    fn allocators(&self, session: &Session, number: u32) -> ort::Result<[Allocator; 2]> {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let info = |device, kind| -> ort::Result<_> { MemoryInfo::new(device, number, AllocatorType::Device, kind) };
        let own = Allocator::new(session, info(AllocationDevice::CUDA, MemoryType::Default)?)?;
        // Pageable memory serves as well, only slower.
        let pinned = info(AllocationDevice::CUDA_PINNED, MemoryType::CPUInput)
            .and_then(|pinned| Allocator::new(session, pinned))
            .unwrap_or_default();
        Ok([own, pinned])
    }

    fn stream(&self, number: u32) -> Result<Arc<dyn Stream>, String> {
        Ok(Arc::new(CudaStream::new(Cuda::get()?, number)?))
    }
}

/// A stream of a GPU.
struct CudaStream<'c> {
    cuda: &'c Cuda,
    device: c_int,
    stream: *mut c_void,
}

// SAFETY: CUDA's functions may be called from any thread, and a stream belongs to its device, not to a thread.
unsafe impl Send for CudaStream<'_> {}
// SAFETY: as above.
unsafe impl Sync for CudaStream<'_> {}

impl std::fmt::Debug for CudaStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CudaStream").field("device", &self.device).finish_non_exhaustive()
    }
}

impl<'c> CudaStream<'c> {
    /// A new stream on a GPU.
    fn new(cuda: &'c Cuda, number: u32) -> Result<Self, String> {
        let device = c_int::try_from(number).map_err(|e| e.to_string())?;
        let _current = cuda.on(device)?;
        let mut stream = std::ptr::null_mut();
        // SAFETY: the call writes nothing but the stream's handle.
        cuda.succeed("make a stream", unsafe { (cuda.stream_create)(&raw mut stream, APART) })?;
        Ok(Self { cuda, device, stream })
    }

    /// Puts work on the stream and waits for it. Nothing is left running, even if that fails.
    fn done(&self, what: &str, put: impl FnOnce() -> c_int) -> Result<(), String> {
        let _current = self.cuda.on(self.device)?;
        // SAFETY: the stream is this value's own.
        let result = self
            .cuda
            .succeed(what, put())
            .and_then(|()| self.cuda.succeed(what, unsafe { (self.cuda.stream_synchronize)(self.stream) }));
        if result.is_err() {
            // SAFETY: the call has no conditions. That it fails too is told by the first error.
            let _ = unsafe { (self.cuda.synchronize)() };
        }
        result
    }
}

impl Stream for CudaStream<'_> {
    unsafe fn copy(&self, from: *const c_void, to: *mut c_void, size: usize) -> Result<(), String> {
        // SAFETY: the caller's.
        self.done("copy", || unsafe { (self.cuda.memcpy_async)(to, from, size, ANY_WAY, self.stream) })
    }

    unsafe fn clear(&self, to: *mut c_void, size: usize) -> Result<(), String> {
        // SAFETY: the caller's.
        self.done("clear memory", || unsafe { (self.cuda.memset_async)(to, 0, size, self.stream) })
    }

    fn synchronize(&self) {
        let _current = self.cuda.on(self.device);
        // SAFETY: the call has no conditions.
        let _ = unsafe { (self.cuda.synchronize)() };
    }
}

impl Drop for CudaStream<'_> {
    fn drop(&mut self) {
        let _current = self.cuda.on(self.device);
        // SAFETY: the stream is this value's own. An error has nobody to be told to.
        let _ = unsafe { (self.cuda.stream_destroy)(self.stream) };
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// A library that remembers the current GPU and counts waits for the device; `count` is what counting GPUs returns,
    /// `wait` what waiting for a stream does.
    fn library(folder: &Path, name: &str, count: i32, wait: i32) -> PathBuf {
        let source = folder.join(format!("{name}.rs"));
        let body = format!(
            r#"
            use std::sync::atomic::{{AtomicI32, Ordering::SeqCst}};
            static DEVICE: AtomicI32 = AtomicI32::new(3);
            static WAITS: AtomicI32 = AtomicI32::new(0);
            #[unsafe(no_mangle)] pub unsafe extern "C" fn cudaGetDevice(to: *mut i32) -> i32 {{ unsafe {{ *to = DEVICE.load(SeqCst) }}; 0 }}
            #[unsafe(no_mangle)] pub extern "C" fn cudaSetDevice(to: i32) -> i32 {{ DEVICE.store(to, SeqCst); 0 }}
            #[unsafe(no_mangle)] pub unsafe extern "C" fn cudaMemGetInfo(free: *mut usize, total: *mut usize) -> i32 {{
                unsafe {{ (*free, *total) = (DEVICE.load(SeqCst) as usize, WAITS.load(SeqCst) as usize) }}; 0
            }}
            #[unsafe(no_mangle)] pub extern "C" fn cudaDeviceSynchronize() -> i32 {{ WAITS.fetch_add(1, SeqCst); 0 }}
            #[unsafe(no_mangle)] pub extern "C" fn cudaStreamCreateWithFlags(_: *mut usize, _: u32) -> i32 {{ 0 }}
            #[unsafe(no_mangle)] pub extern "C" fn cudaStreamSynchronize(_: usize) -> i32 {{ {wait} }}
            #[unsafe(no_mangle)] pub extern "C" fn cudaStreamDestroy(_: usize) -> i32 {{ 0 }}
            #[unsafe(no_mangle)] pub extern "C" fn cudaMemcpyAsync(_: usize, _: usize, _: usize, _: i32, _: usize) -> i32 {{ 0 }}
            #[unsafe(no_mangle)] pub extern "C" fn cudaMemsetAsync(_: usize, _: i32, _: usize, _: usize) -> i32 {{ 0 }}
            #[unsafe(no_mangle)] pub extern "C" fn cudaGetErrorString(_: i32) -> *const u8 {{ "a test\0".as_ptr() }}
            #[unsafe(no_mangle)] pub extern "C" fn cudaRuntimeGetVersion(_: *mut i32) -> i32 {{ 0 }}
            #[unsafe(no_mangle)] pub extern "C" fn cudaGetDeviceCount(_: *mut i32) -> i32 {{ {count} }}
            "#
        );
        std::fs::write(&source, body).unwrap();
        let library = folder.join(name);
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(rustc);
        command.args(["--edition", "2024", "--crate-name", "cudart", "--crate-type", "cdylib", "-o"]);
        command.args([&library, &source]);
        assert!(command.status().unwrap().success());
        library
    }

    fn load(path: &Path) -> Result<libloading::Library, String> {
        // SAFETY: the library of this test.
        unsafe { libloading::Library::new(path) }.map_err(|e| e.to_string())
    }

    #[test]
    fn the_callers_gpu_stays_current_and_a_failed_wait_waits_for_the_device() {
        let folder = tempfile::tempdir().unwrap();
        let [good, broken] =
            [("good.so", 0), ("broken.so", 700)].map(|(name, wait)| library(folder.path(), name, 0, wait));
        let cuda = Cuda::of(load(&good).unwrap()).unwrap();
        let current = |cuda: &Cuda| {
            let mut device = 0;
            // SAFETY: the library of this test writes the number.
            unsafe { (cuda.get_device)(&raw mut device) };
            device
        };
        assert_eq!(cuda.memory(7), Some(MemoryInUse { free: 7, total: 0 }), "asked of the GPU that was named");
        assert_eq!(current(&cuda), 3);
        let stream = CudaStream::new(&cuda, 5).unwrap();
        // SAFETY: the library of this test writes nothing.
        unsafe { stream.copy(std::ptr::null(), std::ptr::null_mut(), 0) }.unwrap();
        stream.synchronize();
        drop(stream);
        assert_eq!(current(&cuda), 3);

        let cuda = Cuda::of(load(&broken).unwrap()).unwrap();
        let stream = CudaStream::new(&cuda, 5).unwrap();
        // SAFETY: as above.
        let error = unsafe { stream.clear(std::ptr::null_mut(), 0) }.unwrap_err();
        assert!(error.contains("a test (error 700)"), "{error}");
        assert_eq!(cuda.memory(0).unwrap().total, 1, "one wait for the device");
        assert_eq!(current(&cuda), 3);
    }

    #[test]
    fn a_library_that_the_driver_is_too_old_for_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let [new, old] = [("new.so", 35), ("old.so", 0)].map(|(name, count)| library(folder.path(), name, count, 0));
        let tried = |paths: &[&PathBuf]| {
            let names = paths.iter().map(|path| (path.to_str().unwrap(), load(path)));
            Cuda::first_that_works(names.collect::<Vec<_>>().into_iter())
        };
        assert!(tried(&[&new, &old]).is_ok());
        let absent = folder.path().join("absent.so");
        let reasons = tried(&[&absent, &new]).err().unwrap();
        assert!(reasons.contains("absent.so") && reasons.contains("error 35"), "{reasons}");
    }

    #[test]
    fn a_library_that_is_loaded_is_found_by_its_name() {
        assert!(already_loaded("libc.so.6").is_some() || !cfg!(target_env = "gnu"));
        assert!(already_loaded("libno-such-library.so").is_none());
    }
}
