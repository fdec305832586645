//! Memory of devices and page-locked memory of the host.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::Mutex;

use crate::report::{count, lock, peak, setting};

/// Where an address lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In nobody's books: ordinary memory of the host.
    Pageable,
    Pinned,
    Device(usize),
}

/// A piece of memory that was asked for.
struct Block {
    size: usize,
    place: Place,
    /// Where the host may read and write it.
    shadow: usize,
}

static BLOCKS: Mutex<BTreeMap<usize, Block>> = Mutex::new(BTreeMap::new());

const PAGE: usize = 4096;

/// Bytes of each device.
pub fn total() -> usize {
    setting("STAND_IN_MEMORY", 80_000_000_000) as usize
}

/// Bytes of a device that are taken.
pub fn used(device: usize) -> usize {
    let blocks = lock(&BLOCKS);
    blocks.values().filter(|block| block.place == Place::Device(device)).map(|block| block.size).sum()
}

/// Maps memory twice: where the host may go, and, for a device, where it may not.
///
/// # Safety
/// Has no conditions; the addresses are new.
unsafe fn map(size: usize, device: bool) -> Option<(usize, usize)> {
    // SAFETY: anonymous memory of a size that is not 0, mapped wherever there is room.
    unsafe {
        let file = libc::memfd_create(c"stand-in".as_ptr(), libc::MFD_CLOEXEC);
        if file < 0 || libc::ftruncate(file, libc::off_t::try_from(size).ok()?) != 0 {
            return None;
        }
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let shadow = libc::mmap(ptr::null_mut(), size, both, libc::MAP_SHARED | libc::MAP_NORESERVE, file, 0);
        let own = if device {
            libc::mmap(ptr::null_mut(), size, libc::PROT_NONE, libc::MAP_SHARED | libc::MAP_NORESERVE, file, 0)
        } else {
            shadow
        };
        libc::close(file);
        (shadow != libc::MAP_FAILED && own != libc::MAP_FAILED).then_some((own as usize, shadow as usize))
    }
}

/// New memory, all zeros; `None` if there is no room for it.
pub fn allocate(size: usize, place: Place) -> Option<*mut c_void> {
    let size = size.max(1).next_multiple_of(PAGE);
    if let Place::Device(device) = place
        && used(device) + size > total()
    {
        count("refused: out of memory", size);
        return None;
    }
    let (what, device) = match place {
        Place::Device(_) => ("allocate device", true),
        _ => ("allocate pinned", false),
    };
    // SAFETY: new memory.
    let (own, shadow) = unsafe { map(size, device) }?;
    count(what, size);
    lock(&BLOCKS).insert(own, Block { size, place, shadow });
    if let Place::Device(device) = place {
        peak("device bytes, at most", used(device));
    }
    Some(own as *mut c_void)
}

/// Gives memory back; false if it was not had from here.
pub fn free(address: *mut c_void) -> bool {
    if address.is_null() {
        return true;
    }
    let Some(block) = lock(&BLOCKS).remove(&(address as usize)) else { return false };
    count(if matches!(block.place, Place::Device(_)) { "free device" } else { "free pinned" }, block.size);
    // SAFETY: the block was mapped with this size and nobody else knows the address.
    unsafe {
        libc::munmap(address, block.size);
        if block.shadow != address as usize {
            libc::munmap(block.shadow as *mut c_void, block.size);
        }
    }
    true
}

/// Where an address lies, and where the host may reach it.
pub fn find(address: *const c_void) -> (Place, *mut u8) {
    let at = address as usize;
    let blocks = lock(&BLOCKS);
    match blocks.range(..=at).next_back() {
        Some((start, block)) if at < start + block.size => (block.place, (block.shadow + (at - start)) as *mut u8),
        _ => (Place::Pageable, address as *mut u8),
    }
}

/// The name of a way from one place to another.
pub fn way(from: Place, to: Place) -> &'static str {
    match (from, to) {
        (Place::Device(a), Place::Device(b)) if a == b => "copy device to device",
        (Place::Device(_), Place::Device(_)) => "copy device to another device",
        (Place::Pinned, Place::Device(_)) => "copy pinned to device",
        (Place::Pageable, Place::Device(_)) => "copy pageable to device",
        (Place::Device(_), Place::Pinned) => "copy device to pinned",
        (Place::Device(_), Place::Pageable) => "copy device to pageable",
        _ => "copy host to host",
    }
}
