//! The outside face of `alphabar::onnx`: finding and installing the runtime, reading contracts, evaluating graphs.
#![allow(missing_docs, clippy::unwrap_used, clippy::float_cmp)]

mod contracts;
mod environment;
mod evaluation;
mod installation;
mod libraries;
mod resident;

use std::path::PathBuf;

use alphabar::onnx::{Device, ModelSource, Network, Runtime, RuntimeOptions, SessionOptions, load_or_install};

/// The runtime, found or installed as the program does it.
fn runtime() -> &'static Runtime {
    load_or_install(&RuntimeOptions::from_environment(), &mut |_| {}).unwrap()
}

fn graph(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/graphs").join(name)
}

fn on_cpu() -> SessionOptions {
    SessionOptions::new().device(Device::CPU).threads(1)
}

fn open(name: &str, options: &SessionOptions) -> alphabar::onnx::Result<Network> {
    Network::open(runtime(), &ModelSource::resolve(&graph(name))?, options)
}

/// A command that runs one ignored test of this program in a process of its own.
fn child(test: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command
}
