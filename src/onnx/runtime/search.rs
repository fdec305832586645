//! Looking for ONNX Runtime: in the places that were named, in Python environments, in the cache folder.

use std::path::{Path, PathBuf};

use super::environment::check_loader;
use super::library::{inspect, libraries_in};
use super::options::{Found, Origin, RuntimeOptions};
use super::provider::Provider;
use super::python::{ask_python, site_packages};
use crate::onnx::error::{Error, Result};

/// Finds a library that can be used. Candidates are loaded to learn their version, so that their initialisers run.
///
/// ```no_run
/// use alphabar::onnx::{RuntimeOptions, discover};
///
/// let found = discover(&RuntimeOptions::from_environment())?;
/// println!("ONNX Runtime {} in {}", found.version, found.origin);
/// # Ok::<(), alphabar::onnx::Error>(())
/// ```
///
/// # Errors
/// [`Error::LoaderPath`]. For a library that was named: [`Error::LibraryRelative`], [`Error::LibraryMissing`],
/// [`Error::NotALibrary`], [`Error::WrongArchitecture`], [`Error::LibraryBroken`] or [`Error::LibraryTooOld`].
/// Otherwise [`Error::NoRuntime`], with the places that were looked at: nothing is installed.
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

    let wanted = options.device.provider().filter(|provider| provider.library().is_some());
    let mut tried = Vec::new();
    let mut usable: Option<Found> = None;
    let mut consider = |candidates: Vec<PathBuf>, origin: Origin, tried: &mut Vec<String>| -> Option<Found> {
        for path in candidates {
            match inspect(&path) {
                Ok(version) => {
                    let found = Found { path, version, origin: origin.clone(), notes: Vec::new() };
                    let Some(provider) = wanted.filter(|provider| !lies_beside(*provider, &found.path)) else {
                        return Some(found);
                    };
                    tried.push(format!(
                        "{origin}: ONNX Runtime {} at {} has no {} provider",
                        found.version,
                        found.path.display(),
                        provider.title()
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
            tried.push(format!("{name}={}: it depends on the current folder", root.display()));
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
                let candidates = in_cache(cache, wanted);
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
    Err(Error::NoRuntime { tried })
}

/// Whether a provider's library lies beside the runtime.
fn lies_beside(provider: &dyn Provider, library: &Path) -> bool {
    let name = provider.library().unwrap_or_default();
    library.parent().is_some_and(|folder| folder.join(name).exists())
}

/// The runtime libraries of a Python environment, given its root.
fn in_python_root(root: &Path) -> Vec<PathBuf> {
    site_packages(root).iter().flat_map(|site| libraries_in(&site.join("onnxruntime").join("capi"))).collect()
}

/// The runtime libraries in the cache, newest version first, but builds with a provider that is wanted before the others.
fn in_cache(cache: &Path, wanted: Option<&dyn Provider>) -> Vec<PathBuf> {
    let mut folders: Vec<(bool, Vec<u32>, PathBuf)> = std::fs::read_dir(cache)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter_map(|path| {
            let rest = path.file_name()?.to_str()?.strip_prefix("onnxruntime-")?;
            let version = rest.split('-').next()?.split('.').map_while(|p| p.parse().ok()).collect();
            let fits = wanted.is_some_and(|provider| rest.contains(&format!("-{}-", provider.build().name())));
            Some((fits, version, path.clone()))
        })
        .collect();
    folders.sort();
    folders.reverse();
    folders.iter().flat_map(|(_, _, folder)| libraries_in(folder)).collect()
}
