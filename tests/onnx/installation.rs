//! Installing: with the real pip, from two processes at once, and with everything that can be missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use alphabar::onnx::{
    Build, Error, InstallOptions, Origin, RuntimeOptions, discover, install, load_or_install,
    runtime::inspect,
    runtime::wheels::{PINNED, Wheel},
};

use crate::child;

fn options(cache: &Path, python: Option<&Path>) -> InstallOptions {
    let options = InstallOptions::new().cache(cache);
    match python {
        Some(python) => options.python(python),
        None => options,
    }
}

/// Without a line to anybody.
fn quietly(build: Build, options: &InstallOptions) -> alphabar::onnx::Result<PathBuf> {
    install(build, options, &mut |_| {})
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
#[ignore = "run by two_processes_install_at_once"]
fn installs_into_the_named_cache() {
    let options = RuntimeOptions::from_environment().without_python();
    let found = load_or_install(&options, &mut |line| eprintln!("alphabar: {line}")).unwrap().description();
    println!("origin={:?}", found.origin);
    println!("path={}", found.path.display());
}

#[test]
fn two_processes_install_at_once() {
    let cache = tempfile::tempdir().unwrap();
    let start = || {
        child("installation::installs_into_the_named_cache")
            .env("ALPHABAR_CACHE", cache.path())
            .env_remove("ORT_DYLIB_PATH")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let running = [start(), start(), start()];
    let mut paths = Vec::new();
    let mut lines = 0;
    for process in running {
        let out = process.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let log = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{text}\n{log}");
        lines += log.matches("alphabar: installing ONNX Runtime").count();
        paths.push(text.lines().find_map(|l| l.split("path=").nth(1)).unwrap().to_owned());
    }
    // One download, one library, and nothing else left behind.
    assert!(paths.iter().all(|p| *p == paths[0]));
    assert_eq!(lines, 1);
    let wheel = Wheel::find(std::env::consts::OS, std::env::consts::ARCH, Build::Cpu).unwrap();
    assert_eq!(entries(cache.path()), ["install.lock".to_owned(), wheel.folder()]);
    let files = entries(&cache.path().join(wheel.folder()));
    assert!(files.contains(&"LICENSE".to_owned()) && files.contains(&"ThirdPartyNotices.txt".to_owned()));
    assert!(!files.iter().any(|f| f.contains("pybind")), "{files:?}");
    assert_eq!(inspect(Path::new(&paths[0])).unwrap(), PINNED);

    // It is found from now on, without Python.
    let nobody = Path::new("/nonexistent/python");
    assert_eq!(quietly(Build::Cpu, &options(cache.path(), Some(nobody))).unwrap(), Path::new(&paths[0]));

    // A broken installation is replaced, not used.
    if cfg!(target_os = "linux") {
        let whole = fs::read(&paths[0]).unwrap();
        // A new file: this process has the old one mapped.
        fs::remove_file(&paths[0]).unwrap();
        fs::write(&paths[0], &whole[..1000]).unwrap();
        let error = quietly(Build::Cpu, &options(cache.path(), Some(nobody))).unwrap_err();
        assert!(matches!(error, Error::Download { .. }), "{error}");
        quietly(Build::Cpu, &options(cache.path(), None)).unwrap();
        assert_eq!(fs::read(&paths[0]).unwrap(), whole);
        assert_eq!(entries(cache.path()), ["install.lock".to_owned(), wheel.folder()]);
    }
}

#[test]
fn without_python_the_message_says_what_was_tried() {
    let cache = tempfile::tempdir().unwrap();
    let error = quietly(Build::Cpu, &options(cache.path(), Some(Path::new("/nonexistent/python")))).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    assert!(
        text.contains("/nonexistent/python -m pip download: not found") && text.contains("--ort-dylib"),
        "{text}"
    );
    assert_eq!(entries(cache.path()), ["install.lock"]);
}

#[test]
fn a_build_that_does_not_exist_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    if Wheel::find(std::env::consts::OS, std::env::consts::ARCH, Build::Cuda).is_none() {
        assert!(matches!(quietly(Build::Cuda, &options(cache.path(), None)), Err(Error::UnknownPlatform { .. })));
    }
    let nowhere = InstallOptions::new();
    assert_eq!(quietly(Build::Cpu, &nowhere).unwrap_err(), Error::NoCacheFolder);
}

#[cfg(unix)]
mod with_a_false_pip {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that stands in for Python.
    fn python(folder: &Path, script: &str) -> std::path::PathBuf {
        let path = folder.join("python");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn what_pip_says_is_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        for script in ["echo 'No module named pip' >&2; exit 1", "echo 'Connection refused' >&2; exit 1", "exit 7"] {
            let fake = python(dir.path(), script);
            let error = quietly(Build::Cpu, &options(&dir.path().join("cache"), Some(&fake))).unwrap_err();
            let Error::Download { attempts } = &error else { panic!("{error}") };
            let said = script.split('\'').nth(1).unwrap_or("failed without a message");
            assert!(attempts[0].contains(said), "{error}");
            assert_eq!(error.exit_code(), 3);
        }
    }

    #[test]
    fn a_wheel_with_another_hash_is_not_installed() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = Wheel::find(std::env::consts::OS, std::env::consts::ARCH, Build::Cpu).unwrap();
        // pip runs in the folder it downloads to.
        let fake = python(dir.path(), &format!("echo forged > {}", wheel.file));
        let cache = dir.path().join("cache");
        let error = quietly(Build::Cpu, &options(&cache, Some(&fake))).unwrap_err();
        assert!(matches!(&error, Error::HashMismatch { expected, .. } if expected == wheel.sha256), "{error}");
        assert_eq!(error.exit_code(), 3);
        assert_eq!(entries(&cache), ["install.lock"]);
    }

    #[test]
    fn pip_that_fetches_something_else_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let fake = python(dir.path(), "true");
        let error = quietly(Build::Cpu, &options(&dir.path().join("cache"), Some(&fake))).unwrap_err();
        assert!(matches!(&error, Error::Download { attempts } if attempts[0].contains("did not fetch")), "{error}");
    }

    #[test]
    fn a_cache_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let cache = dir.path().join("file/cache");
        let error = quietly(Build::Cpu, &options(&cache, None)).unwrap_err();
        assert!(matches!(&error, Error::Cache { path, .. } if *path == cache), "{error}");
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn looking_never_installs() {
        let dir = tempfile::tempdir().unwrap();
        let fake = python(dir.path(), "touch ran; exit 1");
        let options = RuntimeOptions::new().install(options(&dir.path().join("cache"), Some(&fake)));
        let error = discover(&options).unwrap_err();
        assert!(matches!(error, Error::NoRuntime { .. }));
        assert!(error.to_string().contains("alphabar runtime install"), "it says what to do: {error}");
        assert!(!dir.path().join("cache").exists());
    }

    #[test]
    fn python_is_asked_where_its_package_is() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("site/onnxruntime");
        let library = crate::runtime().description().path.clone();
        fs::create_dir_all(package.join("capi")).unwrap();
        fs::copy(&library, package.join("capi").join(library.file_name().unwrap())).unwrap();
        let fake = python(dir.path(), &format!("echo {}", package.display()));
        let options = options(&dir.path().join("cache"), Some(&fake));
        let found = discover(&RuntimeOptions::new().asking_python().install(options)).unwrap();
        assert!(matches!(&found.origin, Origin::Python(name) if name.ends_with("/python")), "{found:?}");
        assert!(found.path.starts_with(&package));
    }
}
