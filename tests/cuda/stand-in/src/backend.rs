//! cuDNN's graphs of operations: descriptors keep what they are told; every graph has one engine, which needs no
//! workspace and computes nothing.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};

use crate::libraries::bound;
use crate::stream;

// Kinds of descriptors, attributes and types by cuDNN's numbers.
const CONVOLUTION: c_int = 10;
const POINTWISE: c_int = 13;
const HEURISTIC_RESULTS: c_int = 202;
const CONFIGURATION_ENGINE: c_int = 300;
const OPERATIONS: c_int = 801;
const ENGINES: c_int = 802;
const INT64: c_int = 3;
const INT32: c_int = 23;
const DESCRIPTOR: c_int = 15;

pub struct Descriptor {
    kind: c_int,
    attributes: BTreeMap<c_int, Attribute>,
    /// The operations that it is about, if any.
    title: String,
}

struct Attribute {
    kind: c_int,
    count: i64,
    bytes: Vec<u8>,
}

/// Bytes of one value of a type.
fn size_of(kind: c_int) -> usize {
    match kind {
        // Flags and characters.
        2 | 24 => 1,
        // Handles, numbers, pointers, descriptors.
        0 | 3 | 5 | 6 | 15 => 8,
        // Fractions.
        26 => 16,
        _ => 4,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudnnBackendCreateDescriptor(kind: c_int, new: *mut *mut Descriptor) -> c_int {
    let title = match kind {
        CONVOLUTION => "convolution",
        POINTWISE => "pointwise",
        _ => "",
    };
    let own = Box::new(Descriptor { kind, attributes: BTreeMap::new(), title: title.to_owned() });
    // SAFETY: the caller's pointer.
    unsafe { *new = Box::into_raw(own) };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudnnBackendDestroyDescriptor(own: *mut Descriptor) -> c_int {
    // SAFETY: it came from above and is given back once.
    drop(unsafe { Box::from_raw(own) });
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cudnnBackendFinalize(_own: *mut Descriptor) -> c_int {
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudnnBackendSetAttribute(
    own: *mut Descriptor,
    name: c_int,
    kind: c_int,
    count: i64,
    values: *const c_void,
) -> c_int {
    let length = usize::try_from(count).unwrap_or(0);
    // SAFETY: a descriptor from above, and as many values as are said, of which descriptors are alive.
    unsafe {
        let own = &mut *own;
        let mut bytes = vec![0; length * size_of(kind)];
        std::ptr::copy_nonoverlapping(values.cast(), bytes.as_mut_ptr(), bytes.len());
        let takes_title = own.title.is_empty() || name == OPERATIONS;
        if kind == DESCRIPTOR && takes_title && own.kind != CONVOLUTION && own.kind != POINTWISE {
            let all = std::slice::from_raw_parts(values.cast::<*const Descriptor>(), length);
            let titles = all.iter().filter_map(|one| one.as_ref()).map(|one| one.title.as_str());
            own.title = titles.filter(|title| !title.is_empty()).collect::<Vec<_>>().join("+");
        }
        own.attributes.insert(name, Attribute { kind, count, bytes });
    }
    0
}

/// Answers with what was set, with one configuration for every graph, and with nothing else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudnnBackendGetAttribute(
    own: *const Descriptor,
    name: c_int,
    kind: c_int,
    room: i64,
    count: *mut i64,
    values: *mut c_void,
) -> c_int {
    // SAFETY: a descriptor from above, a place for the count if any, and room for as many values as are said.
    unsafe {
        let told = |many: i64| {
            if !count.is_null() {
                *count = many;
            }
        };
        let own = &*own;
        let filled = room > 0 && !values.is_null();
        if let Some(attribute) = own.attributes.get(&name).filter(|attribute| attribute.kind != DESCRIPTOR) {
            if filled {
                let length = usize::try_from(attribute.count.min(room)).unwrap_or(0) * size_of(attribute.kind);
                std::ptr::copy_nonoverlapping(attribute.bytes.as_ptr(), values.cast(), length);
            }
            told(attribute.count);
            return 0;
        }
        match name {
            // The caller brings a descriptor to be filled in.
            HEURISTIC_RESULTS | CONFIGURATION_ENGINE => {
                if filled && let Some(result) = (*values.cast::<*mut Descriptor>()).as_mut() {
                    result.title.clone_from(&own.title);
                }
                told(1);
            }
            // Workspace and index of the engine.
            _ if kind == INT64 && room == 1 && filled => {
                values.cast::<i64>().write((name == ENGINES).into());
                told(1);
            }
            // Shared memory of the engine.
            _ if kind == INT32 && room == 1 && filled => {
                values.cast::<i32>().write(0);
                told(1);
            }
            _ => told(0),
        }
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudnnBackendExecute(
    handle: usize,
    plan: *const Descriptor,
    _data: *const Descriptor,
) -> c_int {
    // SAFETY: a descriptor from above.
    let title = unsafe { &(*plan).title };
    stream::kernel(bound(handle), &format!("cudnn {title}"))
}
