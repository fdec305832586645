//! Which library is used, and what is said about one that cannot be.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use alphabar::onnx::{
    Device, Error, InstallOptions, Origin, RuntimeOptions, discover, load,
    runtime::inspect,
    runtime::wheels::{MINIMUM_MINOR, PINNED},
};

use crate::runtime;

/// Looks into a cache folder and nowhere else.
fn nowhere(cache: &Path) -> RuntimeOptions {
    RuntimeOptions::new().install(InstallOptions::new().cache(cache))
}

fn file_name() -> &'static str {
    if cfg!(windows) {
        "onnxruntime.dll"
    } else if cfg!(target_os = "macos") {
        "libonnxruntime.1.31.1.dylib"
    } else {
        "libonnxruntime.so.1.31.1"
    }
}

/// Compiles a shared library that says it is ONNX Runtime of some version, or that is something else.
pub fn compile(folder: &Path, version: Option<&str>) -> PathBuf {
    let source = folder.join("fake.rs");
    let body = version.map_or_else(String::new, |v| {
        format!(
            r#"
            #[repr(C)] pub struct Base(extern "C" fn(u32) -> usize, extern "C" fn() -> *const u8);
            extern "C" fn api(_: u32) -> usize {{ 0 }}
            extern "C" fn version() -> *const u8 {{ "{v}\0".as_ptr() }}
            static BASE: Base = Base(api, version);
            #[unsafe(no_mangle)] pub extern "C" fn OrtGetApiBase() -> *const Base {{ &BASE }}
            "#
        )
    });
    fs::write(&source, body).unwrap();
    fs::create_dir_all(folder).unwrap();
    let library = folder.join(file_name());
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let done = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "cdylib", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(done.success());
    library
}

/// A library header for a machine that this is not.
fn foreign() -> Vec<u8> {
    let mut header = vec![0u8; 64];
    header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    // A shared library, of version 1.
    (header[16], header[20]) = (3, 1);
    header[18] = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    header
}

/// A Python environment with a library in it.
fn python_root(at: &Path, library: impl FnOnce(&Path)) -> PathBuf {
    let site = if cfg!(windows) { "Lib/site-packages" } else { "lib/python3.12/site-packages" };
    let capi = at.join(site).join("onnxruntime/capi");
    fs::create_dir_all(&capi).unwrap();
    library(&capi.join(file_name()));
    at.to_path_buf()
}

/// The library in use, under another name.
fn good(to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(&runtime().description().path, to).unwrap();
}

#[test]
fn a_named_library_is_used_or_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let refused = |path: PathBuf| {
        // A good candidate elsewhere must not hide the failure.
        let from_argument = RuntimeOptions::from_environment().library(&path);
        let from_environment = RuntimeOptions::from_environment().library_from_environment(path);
        let error = discover(&from_argument).unwrap_err();
        let same = discover(&from_environment).unwrap_err();
        assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&same));
        assert_eq!(error.exit_code(), 3, "{error}");
        error
    };

    assert!(matches!(refused(at("none.so")), Error::LibraryMissing { .. }));

    fs::write(at("text.so"), "not a library\n").unwrap();
    assert!(matches!(refused(at("text.so")), Error::NotALibrary { found, .. } if found == "a text file"));
    assert!(matches!(refused(dir.path().to_path_buf()), Error::NotALibrary { found, .. } if found == "a folder"));
    fs::write(at("empty.so"), "").unwrap();
    assert!(matches!(refused(at("empty.so")), Error::NotALibrary { found, .. } if found == "an empty file"));

    fs::write(at("foreign.so"), foreign()).unwrap();
    let error = refused(at("foreign.so"));
    assert!(matches!(&error, Error::WrongArchitecture { found, expected, .. } if found != expected), "{error}");

    let whole = fs::read(&runtime().description().path).unwrap();
    if cfg!(target_os = "linux") {
        fs::write(at("cut.so"), &whole[..whole.len() / 2]).unwrap();
        let error = refused(at("cut.so"));
        assert!(matches!(&error, Error::LibraryBroken { reason, .. } if reason.contains("cut short")), "{error}");
    }

    let other = compile(&at("."), None);
    let error = refused(other);
    assert!(matches!(&error, Error::LibraryBroken { reason, .. } if reason.contains("OrtGetApiBase")), "{error}");

    let usable = nowhere(dir.path()).library(&runtime().description().path);
    assert_eq!(discover(&usable).unwrap().origin, Origin::Argument);
}

#[test]
fn a_runtime_that_is_too_old_is_refused_with_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let library = compile(dir.path(), Some("1.10.3"));
    match inspect(&library).unwrap_err() {
        Error::LibraryTooOld { version, minimum, .. } => {
            assert_eq!((version.as_str(), minimum), ("1.10.3", MINIMUM_MINOR));
        }
        other => panic!("{other}"),
    }
    // The pinned version is one that is accepted.
    assert!(PINNED.split('.').nth(1).unwrap().parse::<u32>().unwrap() >= MINIMUM_MINOR);
}

#[test]
fn python_comes_before_the_cache_and_bad_candidates_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let options = |roots: &[&PathBuf]| {
        roots.iter().fold(nowhere(&cache), |options, root| options.python_root("VIRTUAL_ENV", root))
    };

    // Nothing anywhere: every place is listed.
    let empty = dir.path().join("empty");
    let error = discover(&options(&[&empty])).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(matches!(&error, Error::NoRuntime { tried } if tried.len() == 2), "{error}");

    // The cache alone.
    let cached = cache.join(format!("onnxruntime-{PINNED}-cpu-test")).join(file_name());
    good(&cached);
    let found = discover(&options(&[&empty])).unwrap();
    assert_eq!((found.origin, found.path), (Origin::Cache, cached.clone()));

    // Python before the cache.
    let venv = python_root(&dir.path().join("venv"), good);
    let found = discover(&options(&[&venv])).unwrap();
    assert_eq!(found.origin, Origin::Python("VIRTUAL_ENV".to_owned()));
    assert!(found.path.starts_with(&venv) && found.notes.is_empty());

    // Too old, of another machine, broken: passed over, each with a note.
    let old = python_root(&dir.path().join("old"), |at| {
        compile(at.parent().unwrap(), Some("1.14.0"));
    });
    let strange = python_root(&dir.path().join("strange"), |at| fs::write(at, foreign()).unwrap());
    let broken = python_root(&dir.path().join("broken"), |at| fs::write(at, "junk").unwrap());
    let found = discover(&options(&[&old, &strange, &broken])).unwrap();
    assert_eq!(found.origin, Origin::Cache);
    for (note, word) in found.notes.iter().zip(["1.14.0", "is built for", "a text file"]) {
        assert!(note.contains(word), "{note}");
    }
    assert_eq!(found.notes.len(), 3);
    fs::remove_file(&cached).unwrap();
    let error = discover(&options(&[&old, &strange, &broken])).unwrap_err();
    assert!(
        error.to_string().contains("1.14.0") && error.to_string().contains("alphabar runtime install"),
        "{error}"
    );
}

#[test]
fn with_cuda_a_build_that_has_it_is_preferred() {
    if cfg!(any(windows, target_os = "macos")) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let with = cache.join(format!("onnxruntime-{PINNED}-cuda-test")).join(file_name());
    good(&with);
    let venv = python_root(&dir.path().join("venv"), good);
    let options = nowhere(&cache).python_root("VIRTUAL_ENV", &venv).device(Device::cuda(0));
    // Neither has the provider's library: the first is used, with notes.
    let found = discover(&options).unwrap();
    assert!(found.path.starts_with(&venv) && found.notes.len() == 2, "{found:?}");
    fs::write(with.with_file_name("libonnxruntime_providers_cuda.so"), "").unwrap();
    assert_eq!(discover(&options).unwrap().path, with);
    assert!(discover(&options.device(Device::CPU)).unwrap().path.starts_with(&venv));
}

#[test]
fn a_process_has_one_runtime() {
    let first = runtime();
    assert!(first.has_provider("CPUExecutionProvider"));
    assert!(std::ptr::eq(first, runtime()));
    assert!(std::ptr::eq(first, load(&RuntimeOptions::new().library(&first.description().path)).unwrap()));
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join(file_name());
    good(&other);
    let error = load(&RuntimeOptions::new().library(other)).unwrap_err();
    assert!(matches!(error, Error::AlreadyLoaded { .. }), "{error}");
    assert_eq!(error.exit_code(), 3);
}
