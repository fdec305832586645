//! The only unsafe code of the crate: asking a shared library what it is, ONNX Runtime what it can do, and a device how
//! much memory is free; copies between a device and the host; and tensors that begin as zeros.
#![allow(unsafe_code)]

pub(super) mod cuda;
mod library;
mod ort;
mod tensor;

use std::ffi::c_void;
use std::fmt::Debug;
use std::sync::Arc;

use ::ort::memory::Allocator;
use ::ort::session::Session;

pub(super) use library::preload;
pub(super) use ort::{providers, version};
pub(in crate::onnx) use tensor::{copy, zeros};

/// Memory of a device in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryInUse {
    /// What is free.
    pub free: u64,
    /// What there is.
    pub total: u64,
}

/// The memory of a provider's devices, where it is not the host's.
pub(in crate::onnx) trait Memory: Sync {
    /// How much is in use on a device.
    fn in_use(&self, number: u32) -> Option<MemoryInUse>;

    /// A session's allocators: of the device's own memory, and of host memory that it is copied from quickly.
    fn allocators(&self, session: &Session, number: u32) -> ::ort::Result<[Allocator; 2]>;

    /// A stream for copies, apart from those that networks run on; or why there is none.
    fn stream(&self, number: u32) -> Result<Arc<dyn Stream>, String>;
}

/// Copies to and from a device, one after another; each is done when the call returns, even if it fails.
pub(in crate::onnx) trait Stream: Debug + Send + Sync {
    /// Copies bytes, from and to the device or the host.
    ///
    /// # Safety
    /// Both places have that many bytes and do not overlap, and nothing writes the one or uses the other meanwhile.
    unsafe fn copy(&self, from: *const c_void, to: *mut c_void, size: usize) -> Result<(), String>;

    /// Writes zeros into the device's memory.
    ///
    /// # Safety
    /// The place has that many bytes, and nothing uses it meanwhile.
    unsafe fn clear(&self, to: *mut c_void, size: usize) -> Result<(), String>;

    /// Waits until the device does nothing. That it failed is told by whatever is done next.
    fn synchronize(&self);
}
