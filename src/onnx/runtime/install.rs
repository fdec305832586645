//! Putting the pinned ONNX Runtime into the user's cache folder.
//!
//! pip downloads the wheel (so that its configuration of proxies and mirrors holds), its hash is compared with the
//! table in [`wheels`], the shared libraries are unpacked into a folder of their own, and one rename
//! makes them visible. Processes that install at the same time wait for each other where the file system has locks;
//! where it has none, the first rename wins and the others use it.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};

use super::{
    environment::{find_program, python_command},
    error::{Error, Result},
    search::{inspect, libraries_in},
    wheels::{self, PINNED, PYTHON_ABI, PYTHON_VERSION, Wheel},
};

/// Where to install, and with which Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallOptions {
    /// The cache folder; `None` if none can be named.
    pub cache: Option<PathBuf>,
    /// The Python to use instead of the first of `python3`, `python` that works: an absolute path, or a name that is
    /// looked up in the absolute entries of `PATH`.
    pub python: Option<PathBuf>,
    /// No lines on stderr.
    pub quiet: bool,
}

impl InstallOptions {
    /// The cache folder (`ALPHABAR_CACHE`, else the system's place for caches) and `ALPHABAR_PYTHON`. A relative path is
    /// no cache folder: what lies in the current folder is not to be loaded.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            cache: cache_folder(std::env::consts::OS, |name| std::env::var_os(name)),
            python: std::env::var_os("ALPHABAR_PYTHON").filter(|v| !v.is_empty()).map(PathBuf::from),
            quiet: false,
        }
    }

    /// The Pythons to ask, in order.
    pub(super) fn pythons(&self) -> Vec<PathBuf> {
        match &self.python {
            Some(python) => vec![python.clone()],
            None if cfg!(windows) => ["python", "py", "python3"].map(PathBuf::from).to_vec(),
            None => ["python3", "python"].map(PathBuf::from).to_vec(),
        }
    }

    /// The ways to run pip, in order.
    fn pips(&self) -> Vec<(PathBuf, Vec<&'static str>)> {
        let mut pips: Vec<_> = self.pythons().into_iter().map(|p| (p, vec!["-m", "pip"])).collect();
        if self.python.is_none() {
            pips.extend(["pip3", "pip"].map(|p| (PathBuf::from(p), vec![])));
        }
        pips
    }
}

/// The user's cache folder for this program on an operating system with the given environment variables.
fn cache_folder(os: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).map(PathBuf::from).filter(|p| p.is_absolute());
    if variable("ALPHABAR_CACHE").is_some_and(|v| !v.is_empty()) {
        return path("ALPHABAR_CACHE");
    }
    match os {
        "windows" => path("LOCALAPPDATA").map(|p| p.join("alphabar")),
        "macos" => path("HOME").map(|p| p.join("Library").join("Caches").join("alphabar")),
        _ => path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|p| p.join(".cache"))).map(|p| p.join("alphabar")),
    }
}

/// Installs the pinned ONNX Runtime into the cache, with or without its CUDA provider, and returns the library.
///
/// Does nothing but check it if it is there already.
///
/// # Errors
/// [`Error::UnknownPlatform`], [`Error::NoCacheFolder`], [`Error::Cache`], [`Error::Download`],
/// [`Error::HashMismatch`] or [`Error::Unpack`]; an error of [`inspect`] if the library does not load here.
pub fn install(cuda: bool, options: &InstallOptions) -> Result<PathBuf> {
    let flavour = if cuda { "for CUDA" } else { "for CPU" };
    let wheel = Wheel::find(std::env::consts::OS, std::env::consts::ARCH, cuda)
        .filter(|_| !cfg!(target_env = "musl"))
        .ok_or_else(|| Error::UnknownPlatform {
            platform: format!("{}{}", super::binary::host(), if cfg!(target_env = "musl") { " (musl)" } else { "" }),
            flavour,
            known: wheels::known(cuda),
        })?;
    install_wheel(wheel, options)
}

/// [`install`] for one entry of the table.
fn install_wheel(wheel: &Wheel, options: &InstallOptions) -> Result<PathBuf> {
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
        say(options, "waiting for another process that is installing ONNX Runtime");
        // A file system without locks says so here; then the first rename wins.
        let _ = lock_file.lock();
    }
    if let Some(library) = installed(&target) {
        return Ok(library);
    }
    say(
        options,
        &format!(
            "installing ONNX Runtime {PINNED}{} into {} (once)",
            if wheel.cuda { " with CUDA" } else { "" },
            target.display()
        ),
    );
    remove_stale(cache);
    let scratch = Scratch::new(cache).map_err(failed("create", cache))?;
    let downloaded = download(wheel, &scratch.0, options)?;
    verify(wheel, &downloaded)?;
    let unpacked = scratch.0.join("unpacked");
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

/// A folder in the cache that goes away with its owner.
struct Scratch(PathBuf);

const SCRATCH: &str = ".installing-";

impl Scratch {
    fn new(cache: &Path) -> io::Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let name = format!("{SCRATCH}{}-{}-{time:x}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let path = cache.join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

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
    for (program, prefix) in options.pips() {
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

/// The last lines that a program wrote, preferring the first stream.
pub(super) fn last_lines(first: &[u8], second: &[u8]) -> String {
    let text = [first, second]
        .iter()
        .map(|b| String::from_utf8_lossy(b).trim().to_owned())
        .find(|t| !t.is_empty())
        .unwrap_or_else(|| "it failed without a message".to_owned());
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("\n")
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
pub(super) fn hash_into(hasher: &mut Sha256, path: &Path) -> io::Result<()> {
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
pub(super) fn hex(bytes: &[u8]) -> String {
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

/// A line on stderr, unless it should be quiet.
fn say(options: &InstallOptions, line: &str) {
    if !options.quiet {
        let _ = writeln!(io::stderr(), "alphabar: {line}");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::onnx::{RuntimeOptions, discover};

    #[test]
    fn the_cache_folder_follows_the_system() {
        let folder = |os: &str, set: &[(&str, &str)]| {
            cache_folder(os, |name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
        };
        let home = ("HOME", "/home/me");
        assert_eq!(folder("linux", &[home]), Some("/home/me/.cache/alphabar".into()));
        assert_eq!(folder("linux", &[home, ("XDG_CACHE_HOME", "/c")]), Some("/c/alphabar".into()));
        assert_eq!(folder("linux", &[home, ("XDG_CACHE_HOME", "c")]), Some("/home/me/.cache/alphabar".into()));
        assert_eq!(folder("macos", &[home]), Some("/home/me/Library/Caches/alphabar".into()));
        assert_eq!(folder("windows", &[("LOCALAPPDATA", "/l")]), Some("/l/alphabar".into()));
        assert_eq!(folder("linux", &[home, ("ALPHABAR_CACHE", "/mine")]), Some("/mine".into()));
        assert_eq!(folder("linux", &[("ALPHABAR_CACHE", "")]), None);
        assert_eq!(folder("linux", &[home, ("ALPHABAR_CACHE", "mine")]), None);
        assert_eq!(folder("linux", &[("HOME", "me")]), None);
    }

    #[test]
    fn without_locks_the_first_to_publish_wins() {
        let dir = tempfile::tempdir().unwrap();
        let library = discover(&RuntimeOptions::from_environment(None)).unwrap().path;
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
