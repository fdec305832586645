//! What the library refuses where the environment would let telemetry in, or code from the current folder.

use std::fs;
use std::path::{Path, PathBuf};

use alphabar::onnx::{
    Device, Error, RuntimeOptions, SampleError, Sampler, SessionOptions, describe, discover, load, runtime::inspect,
};

use crate::{child, graph, libraries::compile, on_cpu, runtime};

#[test]
#[ignore = "run by telemetry_is_off_or_allowed"]
fn asks_for_the_runtime_where_telemetry_is_on() {
    let nowhere = PathBuf::from("/nonexistent/libonnxruntime.so");
    let wanted = RuntimeOptions::from_environment().library(nowhere);
    let telemetry_on = Error::TelemetryOn { found: std::env::var("ORT_DISABLE_TELEMETRY").ok() };
    assert_eq!(load(&wanted).unwrap_err(), telemetry_on);
    assert_eq!(describe(&wanted).unwrap_err(), telemetry_on);
    let opened = |options: &SessionOptions| match Sampler::open(&graph("plain.onnx"), options) {
        Err(SampleError::Onnx(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(opened(&on_cpu()), telemetry_on);
    let text = telemetry_on.to_string();
    assert!(text.contains("ORT_DISABLE_TELEMETRY=1") && text.contains("allow_telemetry"), "{text}");
    assert_eq!(telemetry_on.exit_code(), 3);

    // Allowed, it is looked for; it is not there, so that nothing is sent.
    assert!(matches!(load(&wanted.allow_telemetry()), Err(Error::LibraryMissing { .. })));
    assert!(matches!(opened(&on_cpu().allow_telemetry()), Error::LibraryMissing { .. }));
    println!("refused");
}

#[test]
fn telemetry_is_off_or_allowed() {
    for value in [None, Some(""), Some("0"), Some("true")] {
        let mut command = child("environment::asks_for_the_runtime_where_telemetry_is_on");
        command.env("ORT_DYLIB_PATH", "/nonexistent/libonnxruntime.so").env_remove("ORT_DISABLE_TELEMETRY");
        command.envs(value.map(|value| ("ORT_DISABLE_TELEMETRY", value)));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("refused"), "{value:?}: {output:?}");
    }
}

#[test]
#[ignore = "run by no_library_comes_from_the_current_folder"]
fn looks_for_libraries_with_an_open_path() {
    let value = std::env::var("LD_LIBRARY_PATH").unwrap();
    let open = Error::LoaderPath { variable: "LD_LIBRARY_PATH", value };
    assert_eq!(discover(&RuntimeOptions::from_environment()).unwrap_err(), open);
    assert_eq!(inspect(Path::new(&std::env::var_os("GOOD").unwrap())).unwrap_err(), open);
    assert_eq!(open.exit_code(), 3);
    assert_eq!(Device::cuda(0).memory(), None);
    let mapped = fs::read_to_string("/proc/self/maps").unwrap();
    let here = std::env::current_dir().unwrap().display().to_string();
    assert!(!mapped.contains(&here), "{mapped}");
    println!("refused");
}

#[cfg(target_os = "linux")]
#[test]
fn no_library_comes_from_the_current_folder() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(folder.path(), None);
    for name in ["libcuda.so.1", "libcudart.so.13", "libcudart.so.12", "libcudart.so"] {
        fs::copy(&library, folder.path().join(name)).unwrap();
    }
    for value in [".", ":/nonexistent", "/nonexistent:", "/nonexistent;."] {
        let mut command = child("environment::looks_for_libraries_with_an_open_path");
        command.current_dir(&folder).env("LD_LIBRARY_PATH", value).env_remove("ORT_DYLIB_PATH");
        let output = command.env("GOOD", &runtime().description().path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("refused"), "{value}: {output:?}");
    }
}

#[test]
fn a_library_named_by_a_variable_is_named_by_an_absolute_path() {
    let path = PathBuf::from("libonnxruntime.so");
    let options = RuntimeOptions::from_environment().library_from_environment(&path);
    let error = discover(&options).unwrap_err();
    assert_eq!(error, Error::LibraryRelative { path });
    assert_eq!(error.exit_code(), 3);
}
