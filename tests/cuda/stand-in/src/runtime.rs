//! The CUDA runtime.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::{LazyLock, Mutex};

use crate::memory::{self, Place};
use crate::report::{count, lock, setting};
use crate::stream::{self, HostFunction, Work};

const OUT_OF_MEMORY: c_int = 2;
const NO_SUCH_DEVICE: c_int = 101;
const NOT_FOUND: c_int = 500;
/// CUDA 13.0.
const VERSION: c_int = 13000;
/// A Hopper GPU: multiprocessors, shared memory of a block and of a block that asks for more.
const MULTIPROCESSORS: c_int = 132;
const SHARED: usize = 49_152;
const SHARED_AT_MOST: usize = 232_448;

thread_local! {
    static DEVICE: Cell<usize> = const { Cell::new(0) };
    static LAST: Cell<c_int> = const { Cell::new(0) };
    static CONFIGURATIONS: RefCell<Vec<(Dim3, Dim3, usize, usize)>> = const { RefCell::new(Vec::new()) };
}

static KERNELS: LazyLock<Mutex<HashMap<usize, String>>> = LazyLock::new(Mutex::default);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Dim3 {
    x: c_uint,
    y: c_uint,
    z: c_uint,
}

/// `cudaDeviceProp` up to where it is of interest; what follows is zeros.
#[repr(C)]
pub struct Properties {
    name: [u8; 256],
    uuid: [u8; 16],
    luid: [u8; 8],
    luid_mask: c_uint,
    total_memory: usize,
    shared_per_block: usize,
    registers_per_block: c_int,
    warp: c_int,
    pitch: usize,
    threads_per_block: c_int,
    threads: [c_int; 3],
    grid: [c_int; 3],
    constant_memory: usize,
    major: c_int,
    minor: c_int,
    alignment: [usize; 2],
    multiprocessors: c_int,
    integrated: c_int,
    can_map: c_int,
    /// Limits of textures and surfaces.
    textures: [c_int; 38],
    surface_alignment: usize,
    concurrent_kernels: c_int,
    ecc: c_int,
    bus: [c_int; 3],
    tcc: c_int,
    copy_engines: c_int,
    unified: c_int,
    bus_width: c_int,
    l2: c_int,
    l2_persisting: c_int,
    threads_per_multiprocessor: c_int,
    priorities: c_int,
    l1: [c_int; 2],
    shared_per_multiprocessor: usize,
    registers_per_multiprocessor: c_int,
    managed: c_int,
    board: [c_int; 2],
    atomics: c_int,
    pageable: c_int,
    concurrent_managed: c_int,
    preemption: c_int,
    registered: c_int,
    cooperative: c_int,
    shared_at_most: usize,
    page_tables: c_int,
    direct: c_int,
    blocks_per_multiprocessor: c_int,
    rest: [c_int; 79],
}

const _: () = {
    assert!(std::mem::offset_of!(Properties, major) == 360);
    assert!(std::mem::offset_of!(Properties, multiprocessors) == 384);
    assert!(std::mem::offset_of!(Properties, surface_alignment) == 552);
    assert!(std::mem::offset_of!(Properties, threads_per_multiprocessor) == 604);
    assert!(std::mem::offset_of!(Properties, shared_per_multiprocessor) == 624);
    assert!(std::mem::offset_of!(Properties, shared_at_most) == 672);
    assert!(std::mem::offset_of!(Properties, blocks_per_multiprocessor) == 688);
    assert!(size_of::<Properties>() == 1008);
};

/// Remembers an error for `cudaGetLastError`.
fn done(result: c_int) -> c_int {
    if result != 0 {
        LAST.set(result);
    }
    result
}

fn devices() -> usize {
    setting("STAND_IN_DEVICES", 1) as usize
}

macro_rules! cuda {
    ($($(#[$about:meta])* fn $name:ident($($argument:ident: $kind:ty),* $(,)?) -> c_int $body:block)*) => {$(
        $(#[$about])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $kind),*) -> c_int {
            // SAFETY: the caller keeps to CUDA's own conditions for these arguments.
            #[allow(unused_unsafe)]
            done(unsafe { $body })
        }
    )*};
}

/// Hands out memory.
unsafe fn give(address: *mut *mut c_void, size: usize, place: Place, what: &str) -> c_int {
    let refused = stream::outside_capture(what, None);
    if refused != 0 {
        return refused;
    }
    match memory::allocate(size, place) {
        // SAFETY: the caller's pointer.
        Some(new) => unsafe {
            *address = new;
            0
        },
        None => OUT_OF_MEMORY,
    }
}

fn take_back(address: *mut c_void) -> c_int {
    if memory::free(address) { 0 } else { stream::INVALID }
}

/// A name that the caller can hand back.
unsafe fn name(handle: *mut usize) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { *handle = stream::handle() };
    0
}

/// What copies and fills do that return when they are done.
unsafe fn at_once(what: &str, work: impl FnOnce() -> c_int) -> c_int {
    let refused = stream::outside_capture(what, None);
    if refused != 0 {
        return refused;
    }
    count("waits for the default stream", 0);
    stream::wait_all(false);
    let result = work();
    stream::wait(0);
    result
}

cuda! {
    fn cudaMalloc(address: *mut *mut c_void, size: usize) -> c_int {
        give(address, size, Place::Device(DEVICE.get()), "cudaMalloc")
    }
    fn cudaMallocHost(address: *mut *mut c_void, size: usize) -> c_int {
        give(address, size, Place::Pinned, "cudaMallocHost")
    }
    fn cudaHostAlloc(address: *mut *mut c_void, size: usize, _flags: c_uint) -> c_int {
        give(address, size, Place::Pinned, "cudaHostAlloc")
    }
    fn cudaFree(address: *mut c_void) -> c_int {
        // It waits for the device, whose work may still use the memory.
        let refused = if address.is_null() { 0 } else { stream::outside_capture("cudaFree", None) };
        if refused != 0 {
            return done(refused);
        }
        stream::wait_all(true);
        take_back(address)
    }
    fn cudaFreeHost(address: *mut c_void) -> c_int {
        stream::wait_all(true);
        take_back(address)
    }
    fn cudaFreeAsync(address: *mut c_void, on: usize) -> c_int {
        stream::wait(on);
        take_back(address)
    }
    fn cudaMallocFromPoolAsync(address: *mut *mut c_void, size: usize, _pool: usize, _on: usize) -> c_int {
        give(address, size, Place::Device(DEVICE.get()), "cudaMallocFromPoolAsync")
    }
    fn cudaMemPoolCreate(pool: *mut usize, _properties: *const c_void) -> c_int { name(pool) }
    fn cudaMemPoolDestroy(_pool: usize) -> c_int { 0 }
    fn cudaMemPoolTrimTo(_pool: usize, _keep: usize) -> c_int { 0 }
    fn cudaMemPoolSetAttribute(_pool: usize, _which: c_int, _value: *mut c_void) -> c_int { 0 }
    fn cudaMemPoolGetAttribute(_pool: usize, _which: c_int, value: *mut u64) -> c_int { *value = 0; 0 }
    fn cudaMemGetInfo(free: *mut usize, total: *mut usize) -> c_int {
        *total = memory::total();
        *free = memory::total() - memory::used(DEVICE.get()).min(memory::total());
        0
    }

    fn cudaMemcpy(to: *mut c_void, from: *const c_void, size: usize, _way: c_int) -> c_int {
        at_once("cudaMemcpy", || stream::copy(to, from, size, 0))
    }
    fn cudaMemcpyAsync(to: *mut c_void, from: *const c_void, size: usize, _way: c_int, on: usize) -> c_int {
        stream::copy(to, from, size, on)
    }
    fn cudaMemcpy2DAsync(
        to: *mut c_void, to_pitch: usize, from: *const c_void, from_pitch: usize, width: usize, height: usize,
        _way: c_int, on: usize,
    ) -> c_int {
        let row = |k: usize| stream::copy(to.byte_add(k * to_pitch), from.byte_add(k * from_pitch), width, on);
        (0..height).map(row).max().unwrap_or(0)
    }
    fn cudaMemcpyFromSymbol(to: *mut c_void, _symbol: *const c_void, size: usize, _at: usize, _way: c_int) -> c_int {
        count("copy of a symbol", size);
        std::ptr::write_bytes(to.cast::<u8>(), 0, size);
        0
    }
    fn cudaMemset(to: *mut c_void, value: c_int, size: usize) -> c_int {
        let to = memory::find(to).1 as usize;
        at_once("cudaMemset", || stream::put(0, Work::Fill { to, value: value as u8, size }))
    }
    fn cudaMemsetAsync(to: *mut c_void, value: c_int, size: usize, on: usize) -> c_int {
        count("fill", size);
        stream::put(on, Work::Fill { to: memory::find(to).1 as usize, value: value as u8, size })
    }
    /// `cudaPointerAttributes` begins with kind, device, and the two addresses.
    fn cudaPointerGetAttributes(attributes: *mut [usize; 3], address: *const c_void) -> c_int {
        let (kind, device, own, host) = match memory::find(address).0 {
            Place::Pageable => (0, 0, 0, address as usize),
            Place::Pinned => (1, 0, address as usize, address as usize),
            Place::Device(device) => (2, device, address as usize, 0),
        };
        *attributes = [kind | device << 32, own, host];
        0
    }

    fn cudaGetDeviceCount(number: *mut c_int) -> c_int {
        *number = devices() as c_int;
        if devices() == 0 { 100 } else { 0 }
    }
    fn cudaGetDevice(device: *mut c_int) -> c_int {
        *device = DEVICE.get() as c_int;
        0
    }
    fn cudaSetDevice(device: c_int) -> c_int {
        let Some(device) = usize::try_from(device).ok().filter(|&device| device < devices()) else {
            return done(NO_SUCH_DEVICE);
        };
        DEVICE.set(device);
        0
    }
    fn cudaDriverGetVersion(version: *mut c_int) -> c_int { *version = VERSION; 0 }
    fn cudaRuntimeGetVersion(version: *mut c_int) -> c_int { *version = VERSION; 0 }
    fn cudaDeviceGetAttribute(value: *mut c_int, which: c_int, _device: c_int) -> c_int {
        *value = match which {
            1..=3 => 1024,
            4 => 64,
            5 => c_int::MAX,
            6 | 7 => 65_535,
            8 => SHARED as c_int,
            10 => 32,
            12 | 82 => 65_536,
            16 => MULTIPROCESSORS,
            38 => 50 << 20,
            39 => 2048,
            40 => 3,
            75 => 9,
            81 => 233_472,
            97 => SHARED_AT_MOST as c_int,
            106 => 32,
            // Concurrent kernels, unified addresses, cooperative launches, memory pools, clusters.
            31 | 41 | 95 | 115 | 120 => 1,
            _ => 0,
        };
        0
    }
    fn cudaGetDeviceProperties(properties: *mut Properties, device: c_int) -> c_int {
        if usize::try_from(device).is_ok_and(|device| device >= devices()) {
            return done(NO_SUCH_DEVICE);
        }
        // Every field is a number, for which 0 is a value.
        let mut own: Properties = std::mem::zeroed();
        let title = b"stand-in, no GPU";
        own.name[..title.len()].copy_from_slice(title);
        own.total_memory = memory::total();
        own.shared_per_block = SHARED;
        own.registers_per_block = 65_536;
        own.warp = 32;
        own.threads_per_block = 1024;
        own.threads = [1024, 1024, 64];
        own.grid = [c_int::MAX, 65_535, 65_535];
        own.constant_memory = 65_536;
        own.major = 9;
        own.multiprocessors = MULTIPROCESSORS;
        own.can_map = 1;
        own.concurrent_kernels = 1;
        own.unified = 1;
        own.l2 = 50 << 20;
        own.threads_per_multiprocessor = 2048;
        own.shared_per_multiprocessor = 233_472;
        own.registers_per_multiprocessor = 65_536;
        own.cooperative = 1;
        own.shared_at_most = SHARED_AT_MOST;
        own.blocks_per_multiprocessor = 32;
        *properties = own;
        0
    }
    fn cudaDeviceSynchronize() -> c_int {
        let refused = stream::outside_capture("cudaDeviceSynchronize", None);
        if refused == 0 {
            count("waits for the device", 0);
            stream::wait_all(true);
        }
        refused
    }
    fn cudaGetDriverEntryPointByVersion(
        _symbol: *const c_char, function: *mut *mut c_void, _version: c_uint, _flags: u64, status: *mut c_int,
    ) -> c_int {
        *function = std::ptr::null_mut();
        if !status.is_null() {
            // The symbol was not found.
            *status = 1;
        }
        0
    }

    fn cudaStreamCreate(new: *mut usize) -> c_int { *new = stream::create(false); 0 }
    fn cudaStreamCreateWithFlags(new: *mut usize, flags: c_uint) -> c_int { *new = stream::create(flags == 1); 0 }
    fn cudaStreamDestroy(on: usize) -> c_int { stream::destroy(on); 0 }
    fn cudaStreamSynchronize(on: usize) -> c_int {
        let refused = stream::outside_capture("cudaStreamSynchronize", Some(on));
        if refused == 0 {
            count("waits for a stream", 0);
            stream::wait(on);
        }
        refused
    }
    fn cudaStreamWaitEvent(on: usize, event: usize, _flags: c_uint) -> c_int { stream::depend(on, event) }
    fn cudaStreamBeginCapture(on: usize, _mode: c_int) -> c_int { stream::begin_capture(on) }
    fn cudaStreamEndCapture(on: usize, graph: *mut usize) -> c_int { answer(stream::end_capture(on), graph) }
    fn cudaStreamIsCapturing(on: usize, status: *mut c_int) -> c_int { *status = stream::recording(on).into(); 0 }
    fn cudaGraphInstantiate(new: *mut usize, graph: usize, _flags: u64) -> c_int {
        answer(stream::instantiate(graph), new)
    }
    fn cudaGraphLaunch(graph: usize, on: usize) -> c_int { stream::launch_graph(graph, on) }
    fn cudaGraphDestroy(graph: usize) -> c_int { stream::drop_graph(graph); 0 }
    fn cudaGraphExecDestroy(graph: usize) -> c_int { stream::drop_graph(graph); 0 }
    fn cudaEventCreate(event: *mut usize) -> c_int { name(event) }
    fn cudaEventCreateWithFlags(event: *mut usize, _flags: c_uint) -> c_int { name(event) }
    fn cudaEventDestroy(event: usize) -> c_int { stream::forget(event); 0 }
    fn cudaEventRecord(event: usize, on: usize) -> c_int { stream::record(event, on); 0 }
    fn cudaEventRecordWithFlags(event: usize, on: usize, _flags: c_uint) -> c_int { stream::record(event, on); 0 }
    fn cudaEventSynchronize(event: usize) -> c_int {
        count("waits for an event", 0);
        stream::wait_event(event);
        0
    }
    fn cudaEventElapsedTime(milliseconds: *mut f32, _from: usize, _to: usize) -> c_int { *milliseconds = 0.01; 0 }
    fn cudaLaunchHostFunc(on: usize, function: HostFunction, data: *mut c_void) -> c_int {
        stream::put(on, Work::Call { function, data: data as usize })
    }

    fn cudaLaunchKernel(
        function: usize, _grid: Dim3, _block: Dim3, _arguments: *mut *mut c_void, _shared: usize, on: usize,
    ) -> c_int {
        launch(function, on)
    }
    fn cudaLaunchCooperativeKernel(
        function: usize, _grid: Dim3, _block: Dim3, _arguments: *mut *mut c_void, _shared: usize, on: usize,
    ) -> c_int {
        launch(function, on)
    }
    fn __cudaLaunchKernel(
        kernel: usize, _grid: Dim3, _block: Dim3, _arguments: *mut *mut c_void, _shared: usize, on: usize,
    ) -> c_int {
        launch(kernel, on)
    }
    /// The stream follows two sizes of 12 bytes and one of 8.
    fn cudaLaunchKernelExC(configuration: *const [usize; 5], function: usize, _arguments: *mut *mut c_void) -> c_int {
        launch(function, (*configuration)[4])
    }
    /// Kernels go by the address of their host function here.
    fn __cudaGetKernel(kernel: *mut usize, function: usize) -> c_int { *kernel = function; 0 }
    fn __cudaPopCallConfiguration(grid: *mut Dim3, block: *mut Dim3, shared: *mut usize, on: *mut usize) -> c_int {
        let Some(all) = CONFIGURATIONS.with_borrow_mut(Vec::pop) else { return done(52) };
        (*grid, *block, *shared, *on) = all;
        0
    }
    fn cudaFuncGetAttributes(attributes: *mut [u8; 128], _function: usize) -> c_int {
        *attributes = [0; 128];
        // After three sizes of 8 bytes: threads of a block, registers.
        attributes.cast::<c_int>().add(6).write(1024);
        attributes.cast::<c_int>().add(7).write(32);
        0
    }
    fn cudaFuncSetAttribute(_function: usize, _which: c_int, _value: c_int) -> c_int { 0 }
    fn cudaKernelSetAttributeForDevice(_kernel: usize, _which: c_int, _value: c_int, _device: c_int) -> c_int { 0 }
    fn cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        blocks: *mut c_int, _function: usize, _block: c_int, _shared: usize, _flags: c_uint,
    ) -> c_int {
        *blocks = 2;
        0
    }
    /// Code that is compiled for a GPU has nothing to run on.
    fn cudaLibraryLoadData(
        library: *mut usize, _code: *const c_void, _options: *mut c_int, _values: *mut *mut c_void, _many: c_uint,
        _more: *mut c_int, _more_values: *mut *mut c_void, _more_many: c_uint,
    ) -> c_int {
        name(library)
    }
    fn cudaLibraryGetKernel(kernel: *mut usize, _library: usize, title: *const c_char) -> c_int {
        let own = stream::handle();
        lock(&KERNELS).insert(own, CStr::from_ptr(title).to_string_lossy().into_owned());
        *kernel = own;
        0
    }
    fn cudaLibraryUnload(_library: usize) -> c_int { 0 }
}

fn launch(function: usize, on: usize) -> c_int {
    let title = lock(&KERNELS).get(&function).cloned();
    match title {
        Some(title) => stream::kernel(on, &title),
        // `cudaErrorInvalidDeviceFunction`.
        None => 98,
    }
}

unsafe fn answer(result: Result<usize, c_int>, to: *mut usize) -> c_int {
    match result {
        // SAFETY: the caller's pointer.
        Ok(handle) => unsafe {
            *to = handle;
            0
        },
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn cudaGetLastError() -> c_int {
    LAST.replace(0)
}

#[unsafe(no_mangle)]
pub extern "C" fn cudaPeekAtLastError() -> c_int {
    LAST.get()
}

fn title(error: c_int) -> &'static CStr {
    match error {
        0 => c"no error",
        1 => c"invalid argument",
        OUT_OF_MEMORY => c"out of memory",
        98 => c"invalid device function",
        100 => c"no CUDA-capable device is detected",
        NO_SUCH_DEVICE => c"invalid device ordinal",
        400 => c"invalid resource handle",
        NOT_FOUND => c"named symbol not found",
        900 => c"operation not permitted when stream is capturing",
        901 => c"operation failed due to a previous error during capture",
        _ => c"an error of the stand-in",
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn cudaGetErrorString(error: c_int) -> *const c_char {
    title(error).as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn cudaGetErrorName(error: c_int) -> *const c_char {
    title(error).as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn __cudaPushCallConfiguration(grid: Dim3, block: Dim3, shared: usize, on: usize) -> c_uint {
    CONFIGURATIONS.with_borrow_mut(|all| all.push((grid, block, shared, on)));
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn __cudaRegisterFatBinary(_code: *mut c_void) -> usize {
    stream::handle()
}

#[unsafe(no_mangle)]
pub extern "C" fn __cudaRegisterFatBinaryEnd(_handle: usize) {}

#[unsafe(no_mangle)]
pub extern "C" fn __cudaUnregisterFatBinary(_handle: usize) {}

#[unsafe(no_mangle)]
pub extern "C" fn __cudaRegisterVar(_handle: usize) {}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterFunction(
    _handle: usize,
    function: usize,
    _device_function: *const c_char,
    device_name: *const c_char,
) {
    // SAFETY: the compiler's own table of kernels, whose names are static.
    let title = unsafe { CStr::from_ptr(device_name) }.to_string_lossy().into_owned();
    lock(&KERNELS).insert(function, title);
}
