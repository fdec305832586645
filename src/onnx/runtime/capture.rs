//! One lock for the process: while a device records a graph of its kernels, nobody else may call it.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A capture of a CUDA graph takes this alone: CUDA forbids every thread of the process to allocate while one records.
static CAPTURING: RwLock<()> = RwLock::new(());

/// Held by whatever calls a device but captures nothing; never twice by one thread, and never while code of a caller of
/// this library runs.
pub(in crate::onnx) fn calling() -> RwLockReadGuard<'static, ()> {
    CAPTURING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Held by whatever captures; taken before a session's lock, as [`calling`] is.
pub(in crate::onnx) fn capturing() -> RwLockWriteGuard<'static, ()> {
    CAPTURING.write().unwrap_or_else(PoisonError::into_inner)
}
