//! Streams, events and graphs: work is put off until somebody waits for it, as late as CUDA allows.
//!
//! A host that overwrites page-locked memory before its copy was done is found out by a sum over the source.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_void;
use std::sync::Mutex;

use crate::memory::{self, Place};
use crate::report::{count, lock};

pub type HostFunction = unsafe extern "C" fn(*mut c_void);

/// One thing to do on a stream.
#[derive(Clone)]
pub enum Work {
    Copy {
        to: usize,
        from: usize,
        size: usize,
        sum: Option<u64>,
    },
    /// From pageable memory, which is read when it is asked for.
    Staged {
        to: usize,
        bytes: Vec<u8>,
    },
    Fill {
        to: usize,
        value: u8,
        size: usize,
    },
    Call {
        function: HostFunction,
        data: usize,
    },
    /// What an event stands for: that much of another stream.
    Wait {
        stream: usize,
        done: u64,
    },
}

#[derive(Default)]
struct Stream {
    waiting: VecDeque<Work>,
    put: u64,
    done: u64,
    /// Does not wait for the default stream, nor that for it.
    apart: bool,
    capture: Option<Graph>,
}

/// What a capture recorded.
#[derive(Clone, Default)]
pub struct Graph {
    work: Vec<Work>,
    kernels: usize,
    broken: bool,
}

#[derive(Default)]
struct Books {
    streams: BTreeMap<usize, Stream>,
    events: BTreeMap<usize, (usize, u64)>,
    graphs: BTreeMap<usize, Graph>,
    next: usize,
}

static BOOKS: Mutex<Books> =
    Mutex::new(Books { streams: BTreeMap::new(), events: BTreeMap::new(), graphs: BTreeMap::new(), next: 0 });
/// Held while work is done, so that whoever waits for a stream waits for the work of others, too.
static WORKING: Mutex<()> = Mutex::new(());

/// `cudaErrorStreamCaptureUnsupported`, `…Invalidated`, `cudaErrorInvalidValue`, `cudaErrorInvalidResourceHandle`.
pub const UNSUPPORTED: i32 = 900;
const INVALIDATED: i32 = 901;
pub const INVALID: i32 = 1;
const NO_SUCH: i32 = 400;

/// A new name for a stream, event or graph; looks like an address.
pub fn handle() -> usize {
    let mut books = lock(&BOOKS);
    books.next += 1;
    0x1000 + 16 * books.next
}

pub fn create(apart: bool) -> usize {
    let name = handle();
    count("streams made", 0);
    lock(&BOOKS).streams.insert(name, Stream { apart, ..Stream::default() });
    name
}

pub fn destroy(stream: usize) {
    wait(stream);
    lock(&BOOKS).streams.remove(&stream);
}

/// Sum over memory, to see whether it changed.
fn sum(from: usize, size: usize) -> u64 {
    // SAFETY: whoever asks for a copy owns its source.
    let bytes = unsafe { std::slice::from_raw_parts(from as *const u8, size) };
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Puts work on a stream, or into the graph that it is recording.
pub fn put(stream: usize, work: Work) -> i32 {
    let mut books = lock(&BOOKS);
    let stream = books.streams.entry(stream).or_default();
    if let Some(graph) = &mut stream.capture {
        graph.work.push(work);
        return 0;
    }
    stream.put += 1;
    stream.waiting.push_back(work);
    0
}

/// A copy on a stream.
pub fn copy(to: *mut c_void, from: *const c_void, size: usize, stream: usize) -> i32 {
    if size == 0 {
        return 0;
    }
    let ((target, to), (source, from)) = (memory::find(to), memory::find(from));
    let way = memory::way(source, target);
    if recording(stream) {
        count(&format!("captured {way}"), size);
        return put(stream, Work::Copy { to: to as usize, from: from as usize, size, sum: None });
    }
    count(way, size);
    let work = match source {
        Place::Pageable => {
            // SAFETY: whoever asks for a copy owns its source.
            let bytes = unsafe { std::slice::from_raw_parts(from, size) }.to_vec();
            Work::Staged { to: to as usize, bytes }
        }
        Place::Pinned => {
            Work::Copy { to: to as usize, from: from as usize, size, sum: Some(sum(from as usize, size)) }
        }
        Place::Device(_) => Work::Copy { to: to as usize, from: from as usize, size, sum: None },
    };
    let result = put(stream, work);
    if target == Place::Pageable {
        wait(stream);
    }
    result
}

/// Counts a kernel.
pub fn kernel(stream: usize, name: &str) -> i32 {
    if let Some(graph) = lock(&BOOKS).streams.entry(stream).or_default().capture.as_mut() {
        graph.kernels += 1;
        count(&format!("captured kernel {name}"), 0);
        return 0;
    }
    count("kernels", 0);
    count(&format!("kernel {name}"), 0);
    0
}

fn carry_out(work: &Work) {
    match work {
        Work::Copy { to, from, size, sum: before } => {
            if before.is_some_and(|before| before != sum(*from, *size)) {
                count("hazard: the source of a copy changed before it was made", *size);
            }
            // SAFETY: both ranges were valid when the copy was asked for, and must stay so until it is waited for.
            unsafe { std::ptr::copy(*from as *const u8, *to as *mut u8, *size) };
        }
        // SAFETY: as above.
        Work::Staged { to, bytes } => unsafe {
            std::ptr::copy(bytes.as_ptr(), *to as *mut u8, bytes.len());
        },
        // SAFETY: as above.
        Work::Fill { to, value, size } => unsafe { std::ptr::write_bytes(*to as *mut u8, *value, *size) },
        // SAFETY: the caller's function with the caller's data, as it was asked for.
        Work::Call { function, data } => unsafe { function(*data as *mut c_void) },
        Work::Wait { stream, done } => work_off(*stream, Some(*done)),
    }
}

/// Does a stream's work up to a point, or all of it.
fn work_off(name: usize, until: Option<u64>) {
    loop {
        let work = {
            let mut books = lock(&BOOKS);
            let Some(stream) = books.streams.get_mut(&name) else { return };
            if until.is_some_and(|until| stream.done >= until) {
                return;
            }
            let Some(work) = stream.waiting.pop_front() else { return };
            stream.done += 1;
            work
        };
        carry_out(&work);
    }
}

/// Waits for a stream.
pub fn wait(stream: usize) {
    let _working = lock(&WORKING);
    work_off(stream, None);
}

/// Waits for all streams, or those that the default stream waits for.
pub fn wait_all(apart_too: bool) {
    let names: Vec<usize> = {
        let books = lock(&BOOKS);
        books.streams.iter().filter(|(_, stream)| apart_too || !stream.apart).map(|(&name, _)| name).collect()
    };
    names.into_iter().for_each(wait);
}

pub fn record(event: usize, stream: usize) {
    let mut books = lock(&BOOKS);
    let put = books.streams.entry(stream).or_default().put;
    books.events.insert(event, (stream, put));
}

pub fn wait_event(event: usize) {
    let mark = lock(&BOOKS).events.get(&event).copied();
    if let Some((stream, done)) = mark {
        let _working = lock(&WORKING);
        work_off(stream, Some(done));
    }
}

/// A stream waits for an event.
pub fn depend(stream: usize, event: usize) -> i32 {
    let mark = lock(&BOOKS).events.get(&event).copied();
    match mark {
        Some((other, done)) if other != stream => put(stream, Work::Wait { stream: other, done }),
        _ => 0,
    }
}

/// Forgets an event.
pub fn forget(event: usize) {
    lock(&BOOKS).events.remove(&event);
}

/// Whether a stream is recording.
pub fn recording(stream: usize) -> bool {
    lock(&BOOKS).streams.get(&stream).is_some_and(|stream| stream.capture.is_some())
}

/// Refuses what may not be done while a graph is captured, and spoils the capture, as CUDA does it.
pub fn outside_capture(what: &str, stream: Option<usize>) -> i32 {
    let mut books = lock(&BOOKS);
    let mut result = 0;
    for (name, other) in &mut books.streams {
        if let Some(graph) = &mut other.capture
            && stream.is_none_or(|stream| stream == *name)
        {
            graph.broken = true;
            result = UNSUPPORTED;
            count(&format!("not allowed while capturing: {what}"), 0);
        }
    }
    result
}

pub fn begin_capture(stream: usize) -> i32 {
    let mut books = lock(&BOOKS);
    let entry = books.streams.entry(stream).or_default();
    if stream < 3 || entry.capture.is_some() {
        return UNSUPPORTED;
    }
    entry.capture = Some(Graph::default());
    count("graphs captured", 0);
    0
}

pub fn end_capture(stream: usize) -> Result<usize, i32> {
    let name = handle();
    let mut books = lock(&BOOKS);
    let graph = books.streams.get_mut(&stream).and_then(|stream| stream.capture.take()).ok_or(INVALID)?;
    if graph.broken {
        return Err(INVALIDATED);
    }
    books.graphs.insert(name, graph);
    Ok(name)
}

/// Another name for a graph: the graph itself may be given up then.
pub fn instantiate(graph: usize) -> Result<usize, i32> {
    let name = handle();
    let mut books = lock(&BOOKS);
    let graph = books.graphs.get(&graph).cloned().ok_or(NO_SUCH)?;
    books.graphs.insert(name, graph);
    Ok(name)
}

pub fn drop_graph(graph: usize) {
    lock(&BOOKS).graphs.remove(&graph);
}

pub fn launch_graph(graph: usize, stream: usize) -> i32 {
    let Some(graph) = lock(&BOOKS).graphs.get(&graph).cloned() else { return NO_SUCH };
    count("graphs launched", graph.kernels);
    graph.work.into_iter().map(|work| put(stream, work)).max().unwrap_or(0)
}
