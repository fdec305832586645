//! Putting the pinned ONNX Runtime into the user's cache folder.
//!
//! pip downloads the wheel (so that its configuration of proxies and mirrors holds), its hash is compared with the
//! table in [`wheels`], the shared libraries are unpacked into a folder of their own, and one rename
//! makes them visible. Processes that install at the same time wait for each other where the file system has locks;
//! where it has none, the first rename wins and the others use it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::environment::{find_program, python_command};
use super::header;
use super::library::{inspect, libraries_in};
use super::options::InstallOptions;
use super::python::{last_lines, pythons};
use super::wheels::{self, Build, PINNED, PYTHON_ABI, PYTHON_VERSION, Wheel};
use crate::onnx::error::{Error, Result};

/// The ways to run pip, in order.
fn pips(options: &InstallOptions) -> Vec<(PathBuf, Vec<&'static str>)> {
    let mut pips: Vec<_> = pythons(options).into_iter().map(|p| (p, vec!["-m", "pip"])).collect();
    if options.python.is_none() {
        pips.extend(["pip3", "pip"].map(|p| (PathBuf::from(p), vec![])));
    }
    pips
}

/// Installs the pinned ONNX Runtime into the cache and returns the library; what is done goes to `say`, line by line.
///
/// Does nothing but check it if it is there already.
///
/// ```no_run
/// use alphabar::onnx::{Build, InstallOptions, install};
///
/// let library = install(Build::Cpu, &InstallOptions::from_environment(), &mut |line| eprintln!("{line}"))?;
/// println!("{}", library.display());
/// # Ok::<(), alphabar::onnx::Error>(())
/// ```
///
/// # Errors
/// [`Error::UnknownPlatform`], [`Error::NoCacheFolder`], [`Error::Cache`], [`Error::Download`],
/// [`Error::HashMismatch`] or [`Error::Unpack`]; an error of [`inspect`] if the library does not load here.
pub fn install(build: Build, options: &InstallOptions, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let flavour = match build {
        Build::Cpu => "for CPU",
        Build::Cuda => "for CUDA",
    };
    let wheel = Wheel::find(std::env::consts::OS, std::env::consts::ARCH, build)
        .filter(|_| !cfg!(target_env = "musl"))
        .ok_or_else(|| Error::UnknownPlatform {
            version: PINNED,
            platform: format!("{}{}", header::host(), if cfg!(target_env = "musl") { " (musl)" } else { "" }),
            flavour,
            known: wheels::known(build),
        })?;
    install_wheel(wheel, options, say)
}

/// [`install`] for one entry of the table.
fn install_wheel(wheel: &Wheel, options: &InstallOptions, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let cache = options.cache.as_deref().ok_or(Error::NoCacheFolder)?;
    let cache = &std::path::absolute(cache).unwrap_or_else(|_| cache.to_path_buf());
    let target = cache.join(wheel.folder());
    if let Some(library) = installed(&target) {
        return Ok(library);
    }
    let failed = |action: &'static str, path: &Path| {
        let path = path.to_path_buf();
        move |e: io::Error| Error::Cache { action, path, reason: e.to_string() }
    };
    fs::create_dir_all(cache).map_err(failed("create", cache))?;
    let lock_path = cache.join("install.lock");
    let lock_file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(failed("write", &lock_path))?;
    if lock_file.try_lock().is_err() {
        say("waiting for another process that is installing ONNX Runtime");
        // A file system without locks says so here; then the first rename wins.
        let _ = lock_file.lock();
    }
    if let Some(library) = installed(&target) {
        return Ok(library);
    }
    let with = if wheel.build == Build::Cuda { " with CUDA" } else { "" };
    say(&format!("installing ONNX Runtime {PINNED}{with} into {} (once)", target.display()));
    remove_stale(cache);
    // It goes away with what is left in it.
    let scratch = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(cache).map_err(failed("create", cache))?;
    let downloaded = download(wheel, scratch.path(), options)?;
    verify(wheel, &downloaded)?;
    let unpacked = scratch.path().join("unpacked");
    unpack(&downloaded, &unpacked)?;
    publish(&unpacked, &target)?;
    let library = libraries_in(&target)
        .into_iter()
        .next()
        .ok_or_else(|| Error::Unpack { path: downloaded, reason: "it holds no ONNX Runtime library".to_owned() })?;
    inspect(&library)?;
    Ok(library)
}

/// The library of an installation that is whole, if there is one.
fn installed(target: &Path) -> Option<PathBuf> {
    libraries_in(target).into_iter().find(|library| inspect(library).is_ok())
}

/// How the names of folders begin in which an installation is made ready.
const SCRATCH: &str = ".installing-";

/// Removes what an installation that was killed more than a day ago has left.
fn remove_stale(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|n| n.starts_with(SCRATCH));
        let old = entry
            .metadata()
            .and_then(|m| m.modified())
            .ok()
            .and_then(|t| t.elapsed().ok())
            .is_some_and(|age| age > Duration::from_secs(24 * 3600));
        if ours && old {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Downloads the wheel with the first pip that can.
fn download(wheel: &Wheel, into: &Path, options: &InstallOptions) -> Result<PathBuf> {
    let mut attempts = Vec::new();
    for (program, prefix) in pips(options) {
        let shown = format!("{} {}", program.display(), [prefix.clone(), vec!["download"]].concat().join(" "));
        let program = match find_program(&program) {
            Ok(program) => program,
            Err(reason) => {
                attempts.push(format!("{shown}: {reason}"));
                continue;
            }
        };
        // The folder is new and empty: it holds nothing that could pose as pip.
        let mut command = python_command(&program, into);
        command
            .args(&prefix)
            .args(["download", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "2"])
            // The wheel is unpacked and then of no use: it need not stay in pip's cache.
            .arg("--no-cache-dir")
            .args(["--no-deps", "--only-binary=:all:", "--implementation", "cp"])
            .args(["--python-version", PYTHON_VERSION, "--abi", PYTHON_ABI, "--platform", wheel.tag])
            .arg("--dest")
            .arg(into)
            .arg(format!("{}=={PINNED}", wheel.package))
            .env("PIP_REQUIRE_VIRTUALENV", "0");
        let mut offline = false;
        let outcome = match command.output() {
            Ok(out) if out.status.success() => {
                let file = into.join(wheel.file);
                if file.is_file() {
                    return Ok(file);
                }
                format!("it succeeded but did not fetch {}", wheel.file)
            }
            Ok(out) => {
                let text = String::from_utf8_lossy(&out.stderr);
                offline = ["Retrying (", "ConnectionError", "ProxyError"].iter().any(|sign| text.contains(sign));
                last_lines(&out.stderr, &out.stdout)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => "not found".to_owned(),
            Err(e) => e.to_string(),
        };
        attempts.push(format!("{shown}: {outcome}"));
        if offline {
            // Another pip would wait for the same network.
            break;
        }
    }
    Err(Error::Download { attempts })
}

/// Compares the wheel's hash with the table's.
fn verify(wheel: &Wheel, path: &Path) -> Result<()> {
    let found = sha256_file(path).map_err(|e| Error::Unpack { path: path.to_path_buf(), reason: e.to_string() })?;
    if found == wheel.sha256 {
        return Ok(());
    }
    Err(Error::HashMismatch { file: wheel.file.to_owned(), found, expected: wheel.sha256.to_owned() })
}

/// SHA-256 of a file as lower-case hexadecimal, read in pieces.
pub(super) fn sha256_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    hash_into(&mut hasher, path)?;
    Ok(hex(&hasher.finalize()))
}

/// Feeds a file to a hasher in pieces.
pub(in crate::onnx) fn hash_into(hasher: &mut Sha256, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Bytes as lower-case hexadecimal.
pub(in crate::onnx) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

/// Unpacks the libraries and licences of a wheel.
fn unpack(wheel: &Path, into: &Path) -> Result<()> {
    let zip_failed = |reason: String| Error::Unpack { path: wheel.to_path_buf(), reason };
    let cache_failed = |path: &Path, e: &io::Error| Error::Cache {
        action: "write",
        path: path.to_path_buf(),
        reason: e.to_string(),
    };
    fs::create_dir(into).map_err(|e| cache_failed(into, &e))?;
    let file = File::open(wheel).map_err(|e| zip_failed(e.to_string()))?;
    let mut archive = zip::ZipArchive::new(io::BufReader::new(file)).map_err(|e| zip_failed(e.to_string()))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| zip_failed(e.to_string()))?;
        let Some(name) = Wheel::wants(entry.name()).map(str::to_owned) else { continue };
        let path = into.join(name);
        let mut out = File::create(&path).map_err(|e| cache_failed(&path, &e))?;
        copy(&mut entry, &mut out, &zip_failed, &|e| cache_failed(&path, e))?;
        out.sync_all().map_err(|e| cache_failed(&path, &e))?;
    }
    Ok(())
}

/// [`io::copy`] that tells a failure to read from a failure to write.
fn copy(
    from: &mut impl Read,
    to: &mut impl Write,
    read_failed: &impl Fn(String) -> Error,
    write_failed: &impl Fn(&io::Error) -> Error,
) -> Result<()> {
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        match from.read(&mut buffer).map_err(|e| read_failed(e.to_string()))? {
            0 => return Ok(()),
            n => to.write_all(&buffer[..n]).map_err(|e| write_failed(&e))?,
        }
    }
}

/// Makes an unpacked folder visible under its name. If another process was first, its folder is kept; a folder that
/// is there but does not work is replaced.
fn publish(unpacked: &Path, target: &Path) -> Result<()> {
    let mut last = None;
    for _ in 0..3 {
        match fs::rename(unpacked, target) {
            Ok(()) => return Ok(()),
            Err(_) if installed(target).is_some() => return Ok(()),
            Err(error) => {
                last = Some(error);
                // Broken leftovers: move them out of the way in one step, so that no other process sees half of them.
                let aside = unpacked.with_file_name("replaced");
                if fs::rename(target, &aside).is_ok() {
                    let _ = fs::remove_dir_all(&aside);
                }
            }
        }
    }
    Err(Error::Cache {
        action: "create",
        path: target.to_path_buf(),
        reason: last.map(|e| e.to_string()).unwrap_or_default(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn without_locks_the_first_to_publish_wins() {
        let dir = tempfile::tempdir().unwrap();
        let library = install(Build::Cpu, &InstallOptions::from_environment(), &mut |_| {}).unwrap();
        let name = library.file_name().unwrap();
        let target = dir.path().join("target");
        let unpacked = |owner: &str, whole: bool| {
            let folder = dir.path().join(owner).join("unpacked");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("owner"), owner).unwrap();
            if whole {
                fs::copy(&library, folder.join(name)).unwrap();
            } else {
                fs::write(folder.join(name), "half a library").unwrap();
            }
            folder
        };
        let owner = || fs::read_to_string(target.join("owner")).unwrap();
        publish(&unpacked("broken", false), &target).unwrap();
        assert_eq!((owner().as_str(), installed(&target)), ("broken", None));
        publish(&unpacked("first", true), &target).unwrap();
        assert_eq!((owner().as_str(), installed(&target)), ("first", Some(target.join(name))));
        publish(&unpacked("second", true), &target).unwrap();
        assert_eq!(owner(), "first");
    }
}
