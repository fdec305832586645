//! Python: where its packages are, by its folders or by asking it.

use std::path::{Path, PathBuf};

use super::environment::{find_program, python_command};
use super::options::{InstallOptions, RuntimeOptions};

/// The Pythons to ask, in order.
pub(super) fn pythons(options: &InstallOptions) -> Vec<PathBuf> {
    match &options.python {
        Some(python) => vec![python.clone()],
        None if cfg!(windows) => ["python", "py", "python3"].map(PathBuf::from).to_vec(),
        None => ["python3", "python"].map(PathBuf::from).to_vec(),
    }
}

/// The folders of a package in the active Python environments.
pub(super) fn packages(options: &RuntimeOptions, package: &str) -> Vec<PathBuf> {
    let roots = options.python_roots.iter().map(|(_, root)| root).filter(|root| root.is_absolute());
    let mut folders: Vec<PathBuf> =
        roots.flat_map(|root| site_packages(root)).map(|site| site.join(package)).collect();
    if options.ask_python
        && let Ok((_, Some(folder))) = ask_python(&options.install, package)
    {
        folders.push(folder);
    }
    folders
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
    for python in pythons(install) {
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
            Ok(out) => failures.push(format!("{name}: {}", last_lines(&out.stderr, &out.stdout))),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    Err(failures.join("; "))
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
