//! What ONNX Runtime can run a network on: its execution providers, one file each, and what each is capable of.
//!
//! Whatever differs between devices is asked of the provider here; another provider is another file and a line in
//! [`device`](super::device).

pub(super) mod cpu;
pub(super) mod cuda;
pub(super) mod tensorrt;

use std::path::PathBuf;

use ort::session::builder::SessionBuilder;

use super::native::Memory;
use super::wheels::Build;

/// How a session is to be set up on a device.
#[derive(Clone, Copy, Debug)]
pub(in crate::onnx) struct Settings<'a> {
    /// The device's number.
    pub(in crate::onnx) number: u32,
    /// The user's options of the provider, which come last.
    pub(in crate::onnx) options: &'a [(String, String)],
    /// Whether factors of float32 products may be rounded to TF32.
    pub(in crate::onnx) tf32: bool,
    /// Whether the graph is best run with channels last.
    pub(in crate::onnx) channels_last: bool,
    /// Whether kernels are to be captured as a graph, for which the session's runs have stable addresses.
    pub(in crate::onnx) capture: bool,
}

/// An execution provider.
pub(in crate::onnx) trait Provider: Sync {
    /// As users name it: a device's name without the number.
    fn name(&self) -> &'static str;

    /// As messages name it.
    fn title(&self) -> &'static str;

    /// ONNX Runtime's name for it.
    fn id(&self) -> &'static str;

    /// Registers it, and what stands in for it where it cannot compute something, with the user's options.
    fn configure(&self, builder: SessionBuilder, settings: &Settings<'_>) -> ort::Result<SessionBuilder>;

    /// Whether there may be several devices, which then have numbers.
    fn is_numbered(&self) -> bool {
        true
    }

    /// Whether `auto` tries it.
    fn is_automatic(&self) -> bool {
        false
    }

    /// Whether it takes options of the user.
    fn has_options(&self) -> bool {
        true
    }

    /// The name of its library, which lies beside ONNX Runtime's.
    fn library(&self) -> Option<&'static str> {
        None
    }

    /// The build of ONNX Runtime that has it and can be installed.
    fn build(&self) -> Build {
        Build::Cpu
    }

    /// Its memory, where that is not the host's.
    fn memory(&self) -> Option<&'static dyn Memory> {
        None
    }

    /// The option by which kernels are captured as a graph, which only the resident loop may set: a captured graph reads
    /// and writes the same addresses at every run.
    fn capture_option(&self) -> Option<&'static str> {
        None
    }

    /// Whether kernels are captured as a graph unless somebody forbids it.
    fn captures(&self) -> bool {
        false
    }

    /// Loads the libraries that it needs, as far as they are not on the system's search path; the names of those that
    /// are nowhere. `packages` gives the folders of a Python package. Whether it matters that a library is missing is for
    /// ONNX Runtime to say, as a build for another version needs others.
    fn preload(&self, packages: &dyn Fn(&str) -> Vec<PathBuf>) -> Vec<&'static str> {
        let _ = packages;
        Vec::new()
    }

    /// Whether a message about a session that could not be opened is about the device rather than the graph.
    fn caused(&self, message: &str) -> bool {
        let _ = message;
        false
    }

    /// The libraries that are missing, going by messages and by what was not found.
    fn missing(&self, messages: &str, not_found: &[&str]) -> Option<String> {
        let _ = (messages, not_found);
        None
    }

    /// What to do about a device that cannot be used, for this reason.
    fn advice(&self, reason: &str) -> &'static str;

    /// What to do about an ONNX Runtime that was built without it.
    fn how_to_get(&self) -> &'static str;
}
