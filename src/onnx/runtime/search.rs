//! Looking for ONNX Runtime: in the places that were named, in Python environments, in the cache folder.

use std::path::{Path, PathBuf};

use super::environment::{check_loader, find_program, python_command};
use super::error::{Error, Result};
use super::install::{self, InstallOptions};
use super::runtime::{Found, Origin, RuntimeOptions};
use super::wheels::MINIMUM_MINOR;
use super::{binary, native};

/// Finds a library that can be used, installing it if nothing is found and that is allowed.
///
/// # Errors
/// [`Error::LoaderPath`]. For a library that was named: [`Error::LibraryRelative`], [`Error::LibraryMissing`], [`Error::NotALibrary`], [`Error::WrongArchitecture`],
/// [`Error::LibraryBroken`] or [`Error::LibraryTooOld`]. Otherwise [`Error::NoRuntime`], or what kept it from being
/// installed.
pub fn discover(options: &RuntimeOptions) -> Result<Found> {
    check_loader()?;
    let named = [
        (options.library.as_ref(), Origin::Argument),
        (options.library_from_environment.as_ref(), Origin::Environment),
    ];
    for (path, origin) in named {
        let Some(path) = path else { continue };
        if origin == Origin::Environment && path.is_relative() {
            return Err(Error::LibraryRelative { path: path.clone() });
        }
        if !path.exists() {
            return Err(Error::LibraryMissing { path: path.clone(), named_by: origin.to_string() });
        }
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let version = inspect(&path)?;
        return Ok(Found { path, version, origin, notes: Vec::new() });
    }

    let mut tried = Vec::new();
    let mut usable: Option<Found> = None;
    let mut consider = |candidates: Vec<PathBuf>, origin: Origin, tried: &mut Vec<String>| -> Option<Found> {
        for path in candidates {
            match inspect(&path) {
                Ok(version) => {
                    let found = Found { path, version, origin: origin.clone(), notes: Vec::new() };
                    if !options.cuda || has_cuda(&found.path) {
                        return Some(found);
                    }
                    tried.push(format!(
                        "{origin}: ONNX Runtime {} at {} has no CUDA provider",
                        found.version,
                        found.path.display()
                    ));
                    usable.get_or_insert(found);
                }
                Err(error) => tried.push(format!("{origin}: {error}")),
            }
        }
        None
    };

    let mut result = None;
    for (name, root) in &options.python_roots {
        if root.is_relative() {
            tried.push(format!("{name}={}: passed over, as it depends on the current folder", root.display()));
            continue;
        }
        let candidates = in_python_root(root);
        if candidates.is_empty() {
            tried.push(format!("{name}={}: no onnxruntime there", root.display()));
        }
        result = consider(candidates, Origin::Python(name.clone()), &mut tried);
        if result.is_some() {
            break;
        }
    }
    if result.is_none() && options.ask_python {
        match ask_python(&options.install, "onnxruntime") {
            Ok((python, Some(folder))) => {
                result = consider(libraries_in(&folder.join("capi")), Origin::Python(python), &mut tried);
            }
            Ok((python, None)) => tried.push(format!("{python}: no onnxruntime installed")),
            Err(reason) => tried.push(reason),
        }
    }
    if result.is_none() {
        match &options.install.cache {
            Some(cache) => {
                let candidates = in_cache(cache, options.cuda);
                if candidates.is_empty() {
                    tried.push(format!("{}: empty", cache.display()));
                }
                result = consider(candidates, Origin::Cache, &mut tried);
            }
            None => tried.push("no cache folder is known".to_owned()),
        }
    }
    if let Some(found) = result.or(usable) {
        return Ok(Found { notes: tried, ..found });
    }
    if !options.may_install {
        return Err(Error::NoRuntime { tried });
    }
    let path = install::install(options.cuda, &options.install)?;
    let version = inspect(&path)?;
    Ok(Found { path, version, origin: Origin::Installed, notes: tried })
}

/// Checks a library and returns its version, without committing the process to it.
///
/// # Errors
/// [`Error::LoaderPath`], [`Error::NotALibrary`], [`Error::WrongArchitecture`], [`Error::LibraryBroken`] or
/// [`Error::LibraryTooOld`].
pub fn inspect(path: &Path) -> Result<String> {
    check_loader()?;
    binary::check(path)?;
    let version =
        native::version(path).map_err(|reason| Error::LibraryBroken { path: path.to_path_buf(), reason })?;
    let mut parts = version.split('.').map(|p| p.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(1), Some(minor)) if minor >= MINIMUM_MINOR => Ok(version),
        (Some(1), Some(_)) | (Some(0), _) => {
            Err(Error::LibraryTooOld { path: path.to_path_buf(), version, minimum: MINIMUM_MINOR })
        }
        _ => Err(Error::LibraryBroken {
            path: path.to_path_buf(),
            reason: format!("its version is {version:?}; only 1.x is known"),
        }),
    }
}

pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Whether the CUDA provider's library lies beside the runtime.
fn has_cuda(library: &Path) -> bool {
    let name = if cfg!(windows) { "onnxruntime_providers_cuda.dll" } else { "libonnxruntime_providers_cuda.so" };
    library.parent().is_some_and(|folder| folder.join(name).exists())
}

/// The runtime libraries in a folder, newest name first.
pub(super) fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(is_runtime_library))
        .collect();
    found.sort();
    found.reverse();
    found
}

/// `libonnxruntime.so`, `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib`, `onnxruntime.dll`.
fn is_runtime_library(name: &str) -> bool {
    if cfg!(windows) {
        return name.eq_ignore_ascii_case("onnxruntime.dll");
    }
    let versioned = |rest: &str| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if cfg!(target_os = "macos") {
        return name.strip_prefix("libonnxruntime").and_then(|n| n.strip_suffix(".dylib")).is_some_and(versioned);
    }
    name.strip_prefix("libonnxruntime.so").is_some_and(versioned)
}

/// The folders for packages of a Python environment, given its root.
pub(super) fn site_packages(root: &Path) -> Vec<PathBuf> {
    if cfg!(windows) {
        return vec![root.join("Lib").join("site-packages")];
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root.join("lib"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("python")))
        .map(|p| p.join("site-packages"))
        .collect();
    folders.sort();
    folders
}

/// The runtime libraries of a Python environment, given its root.
fn in_python_root(root: &Path) -> Vec<PathBuf> {
    site_packages(root).iter().flat_map(|site| libraries_in(&site.join("onnxruntime").join("capi"))).collect()
}

/// The runtime libraries in the cache, newest version first; with `cuda`, builds with CUDA before the others.
fn in_cache(cache: &Path, cuda: bool) -> Vec<PathBuf> {
    let mut folders: Vec<(bool, Vec<u32>, PathBuf)> = std::fs::read_dir(cache)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter_map(|path| {
            let rest = path.file_name()?.to_str()?.strip_prefix("onnxruntime-")?;
            let version = rest.split('-').next()?.split('.').map_while(|p| p.parse().ok()).collect();
            Some((cuda && rest.contains("-cuda-"), version, path.clone()))
        })
        .collect();
    folders.sort();
    folders.reverse();
    folders.iter().flat_map(|(_, _, folder)| libraries_in(folder)).collect()
}

/// Asks Python where a package is, without importing it and without looking into the
/// current folder: Python's name, and the package's folder.
pub(super) fn ask_python(
    install: &InstallOptions,
    package: &str,
) -> std::result::Result<(String, Option<PathBuf>), String> {
    // `sys` is built into Python; whatever else is imported is looked for on the path that is left.
    const QUESTION: &str = "import sys; \
        sys.path[:] = [p for p in sys.path if p[:1] == '/' or sys.platform == 'win32' and p[1:2] in (':', '\\\\')]; \
        import importlib.util; s = importlib.util.find_spec(sys.argv[1]); \
        print(list(s.submodule_search_locations)[0] if s and s.submodule_search_locations else '')";
    let mut failures = Vec::new();
    for python in install.pythons() {
        let name = python.display().to_string();
        let program = match find_program(&python) {
            Ok(program) => program,
            Err(reason) => {
                failures.push(format!("{name}: {reason}"));
                continue;
            }
        };
        // It runs in its own folder: whoever can write there has Python itself.
        let folder = program.parent().unwrap_or(&program);
        match python_command(&program, folder).args(["-c", QUESTION, package]).output() {
            Ok(out) if out.status.success() => {
                let text = String::from_utf8_lossy(&out.stdout);
                let folder = Path::new(text.trim());
                return Ok((name, folder.is_absolute().then(|| folder.to_path_buf())));
            }
            Ok(out) => failures.push(format!("{name}: {}", install::last_lines(&out.stderr, &out.stdout))),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    Err(failures.join("; "))
}
