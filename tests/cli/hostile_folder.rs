//! Nothing runs by lying in the folder that the program runs in: a folder full of decoys, each of which leaves a mark when
//! it runs, and search paths that lead into it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use alphabar::onnx::{Build, InstallOptions, install};

use crate::program::{Ended, Place, ended};

/// Modules that Python imports while it starts, that are imported to ask for a package, that pip is and that pip uses.
const MODULES: [&str; 18] = [
    "_collections_abc",
    "codecs",
    "encodings",
    "importlib",
    "io",
    "json",
    "onnxruntime",
    "os",
    "pip",
    "platform",
    "readline",
    "site",
    "sitecustomize",
    "subprocess",
    "tempfile",
    "types",
    "usercustomize",
    "warnings",
];

const PROGRAMS: [&str; 8] = ["bash", "cut", "head", "pip", "pip3", "py", "python", "python3"];

/// Libraries that ONNX Runtime and Python are linked to or load by name. What this program itself is linked to (libc,
/// libm, libgcc_s) is not among them: the system's loader has loaded that before a line of the program runs.
const LIBRARIES: [&str; 17] = [
    "libcublas.so.13",
    "libcublasLt.so.13",
    "libcuda.so.1",
    "libcudart.so",
    "libcudart.so.12",
    "libcudart.so.13",
    "libcudnn.so.9",
    "libcufft.so.12",
    "libexpat.so.1",
    "libonnxruntime.so",
    "libonnxruntime.so.1.31.1",
    "libonnxruntime_providers_cuda.so",
    "libonnxruntime_providers_shared.so",
    "libpython3.so",
    "libpython3.11.so.1.0",
    "libstdc++.so.6",
    "libz.so.1",
];

/// A folder of decoys, and where they leave their marks.
struct Trap {
    place: Place,
    marks: Place,
    /// A cache with a runtime in it.
    cache: PathBuf,
}

impl Trap {
    fn new() -> Self {
        let options = InstallOptions::from_environment();
        let library = install(Build::Cpu, &options, &mut |_| {}).unwrap();
        let cache = library.parent().unwrap().parent().unwrap().to_path_buf();
        let trap = Self { place: Place::new(), marks: Place::new(), cache };
        let decoy = trap.compile();
        let site = "lib/python3.11/site-packages";
        let (environment, home) = (format!("environment/{site}"), format!(".local/{site}"));
        for folder in ["", "bin", "lib/python3.11", site, &environment, &home] {
            if folder != "bin" {
                trap.modules(folder);
            }
            trap.programs(folder);
            trap.libraries(folder, &decoy);
            trap.libraries(&format!("./{folder}/onnxruntime/capi"), &decoy);
            trap.libraries(&format!("./{folder}/nvidia/cuda_runtime/lib"), &decoy);
        }
        trap.programs("environment/bin");
        trap.libraries("onnxruntime-9.9.9-cpu-linux-x86_64", &decoy);
        trap.place.write("pyvenv.cfg", "home = .\n");
        trap.place.write(".python-version", "no-such-version\n");
        trap
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.place.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Where a decoy of that name leaves its mark.
    fn mark(&self, name: &str) -> String {
        self.marks.path(name).display().to_string()
    }

    fn modules(&self, folder: &str) {
        for name in MODULES {
            let package = self.folder(folder).join(name);
            std::fs::create_dir_all(&package).unwrap();
            // `posix` is built in and works when nothing else does yet.
            let mark = self.mark(&format!("module {name}"));
            let text = format!("import posix\nposix.close(posix.open({mark:?}, posix.O_CREAT | posix.O_WRONLY))\n");
            for file in ["__init__.py", "__main__.py", "util.py"] {
                std::fs::write(package.join(file), &text).unwrap();
            }
            std::fs::write(self.folder(folder).join(format!("{name}.py")), &text).unwrap();
        }
    }

    fn programs(&self, folder: &str) {
        for name in PROGRAMS {
            let file = self.folder(folder).join(name);
            if file.is_dir() {
                // The module `pip`.
                continue;
            }
            let text = format!("#!/bin/sh\n: > '{}'\nexit 1\n", self.mark(&format!("program {name}")));
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn libraries(&self, folder: &str, decoy: &Path) {
        for name in LIBRARIES {
            std::fs::hard_link(decoy, self.folder(folder).join(name)).unwrap();
        }
    }

    /// A shared library that leaves a mark when it is loaded.
    fn compile(&self) -> PathBuf {
        let mark = self.mark("library");
        let source = self.marks.write(
            "decoy.rs",
            format!(
                r#"
                #[used]
                #[unsafe(link_section = ".init_array")]
                static RUN: extern "C" fn() = mark;
                extern "C" fn mark() {{ let _ = std::fs::write({mark:?}, ""); }}
                "#
            ),
        );
        let library = self.marks.path("decoy.so");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(rustc);
        command.args(["--edition", "2024", "--crate-type", "cdylib", "-C", "strip=symbols", "-o"]);
        assert!(command.args([&library, &source]).status().unwrap().success());
        library
    }

    /// The marks that were left, which are removed.
    fn sprung(&self) -> Vec<String> {
        let left: Vec<String> = self.marks.names().into_iter().filter(|name| !name.starts_with("decoy")).collect();
        for name in &left {
            std::fs::remove_file(self.marks.path(name)).unwrap();
        }
        left
    }

    /// Runs the program among the decoys with variables; expects that none ran.
    fn run(&self, line: &str, variables: &[(&str, &str)]) -> Ended {
        let mut command = self.place.command(line);
        for name in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "ALPHABAR_PYTHON"] {
            command.env_remove(name);
        }
        command.env("ALPHABAR_CACHE", &self.cache).envs(variables.iter().copied());
        let ended = ended(command.output().unwrap());
        assert_eq!(self.sprung(), [""; 0], "{variables:?} alphabar {line}: {ended:?}");
        ended
    }

    fn done(&self, line: &str, variables: &[(&str, &str)]) -> Ended {
        let ended = self.run(line, variables);
        assert_eq!(ended.code, Some(0), "{variables:?} alphabar {line}: {ended:?}");
        ended
    }
}

/// The Pythons of this machine that PATH leads to.
fn pythons() -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap();
    let names = (6..20).map(|minor| format!("python3.{minor}")).chain(["python3".to_owned()]);
    let names: Vec<String> = names.collect();
    let files = std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)).collect::<Vec<_>>());
    files.filter(|file| file.is_file()).map(|file| file.display().to_string()).collect()
}

const PATHS: [&str; 5] = [".:/usr/bin:/bin", ":/usr/bin:/bin", "/usr/bin:/bin:", "bin:/usr/bin:/bin", "."];
const PYTHON_PATHS: [&str; 5] = [".", "", ":/nonexistent", "/nonexistent:", "lib/python3.11"];
const LIBRARY_PATHS: [&str; 6] =
    [".", ":/nonexistent", "/nonexistent:", "/nonexistent::/none", "/nonexistent;.", "bin"];

#[test]
fn decoys_run_where_they_are_looked_for() {
    let trap = Trap::new();
    let here = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(trap.place.path("."));
        command
    };
    assert_eq!(trap.sprung(), [""; 0]);
    let python = pythons().pop().expect("there is a python3");
    assert!(here(&python).args(["-c", "import json"]).env_remove("PYTHONSAFEPATH").status().unwrap().success());
    assert_eq!(trap.sprung(), ["module json"]);
    let _ = here(&python).args(["-c", ""]).env("PYTHONPATH", ".").output().unwrap();
    assert!(!trap.sprung().is_empty());
    assert!(
        here("/bin/true").env("LD_PRELOAD", "libcudart.so").env("LD_LIBRARY_PATH", ":").status().unwrap().success()
    );
    assert_eq!(trap.sprung(), ["library"]);
    let _ = here("/bin/sh").args(["-c", "python3"]).env("PATH", ":/bin").status().unwrap();
    assert_eq!(trap.sprung(), ["program python3"]);
}

#[test]
fn no_search_path_leads_into_the_current_folder() {
    let trap = Trap::new();
    for python in pythons() {
        trap.done("runtime", &[("ALPHABAR_PYTHON", &python)]);
        trap.done("runtime", &[("ALPHABAR_PYTHON", &python), ("PYTHONPATH", ":."), ("PYTHONINSPECT", "1")]);
    }
    for path in PATHS {
        trap.done("runtime", &[("PATH", path)]);
        trap.done("runtime", &[("PATH", path), ("ALPHABAR_PYTHON", "python3")]);
    }
    for path in PYTHON_PATHS {
        trap.done("runtime", &[("PYTHONPATH", path)]);
    }
    for path in LIBRARY_PATHS {
        trap.done("runtime", &[("LD_LIBRARY_PATH", path)]);
    }
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        for value in [".", "environment"] {
            let said = trap.done("runtime", &[(name, value)]).stdout;
            assert!(said.contains(&format!("{name}={value}: it depends on")), "{said}");
        }
    }
    for (name, value) in [
        ("ALPHABAR_PYTHON", "./python3"),
        ("ALPHABAR_PYTHON", "bin/python3"),
        ("PYTHONHOME", "."),
        ("PYTHONUSERBASE", "."),
        ("PYTHONPYCACHEPREFIX", "."),
        ("PYTHONINSPECT", "1"),
        ("HOME", "."),
        ("TMPDIR", "."),
    ] {
        trap.done("runtime", &[(name, value)]);
    }
    // Named outright, and refused for what it is.
    let refused = |variables: &[(&str, &str)], words: &str| {
        let ended = trap.run("runtime", variables);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    };
    for value in ["libonnxruntime.so", "./libonnxruntime.so", "lib/python3.11/libonnxruntime.so"] {
        refused(&[("ORT_DYLIB_PATH", value)], "by an absolute path");
    }
    refused(&[("ALPHABAR_CACHE", "."), ("PATH", "/nonexistent")], "no cache folder is known");
}

#[test]
fn no_command_runs_what_lies_beside_it() {
    let trap = Trap::new();
    let all = [("PATH", ".:/usr/bin:/bin"), ("PYTHONPATH", ":."), ("LD_LIBRARY_PATH", ":"), ("VIRTUAL_ENV", ".")];
    for variables in [&[][..], &all] {
        trap.done("info", variables);
        trap.done("sample --count 1 --steps 1 --quiet --device auto", variables);
        trap.done("sample --count 1 --steps 1 --quiet --loop resident --no-install", variables);
        trap.done("bench --quick --batch 1 --rounds 1 --steps 1", variables);
        trap.done("convert --fp16 --no-check --device cpu --out half", variables);
        std::fs::remove_dir_all(trap.place.path("half")).unwrap();
        assert_eq!(trap.run("sample --count 1 --steps 1 --quiet --device cuda", variables).code, Some(3));
    }
}

#[test]
fn pip_is_not_the_one_in_the_current_folder() {
    let trap = Trap::new();
    let cache = Place::new();
    let cache = cache.path("cache").display().to_string();
    // It runs, and has nowhere to fetch from.
    let offline = [("ALPHABAR_CACHE", cache.as_str()), ("PIP_NO_INDEX", "1"), ("PYTHONPATH", ":.")];
    let without = |variables: &[(&'static str, &str)]| {
        let ended = trap.run("runtime install", &[&offline[..], variables].concat());
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.stderr.contains("pip download"), "{ended:?}");
    };
    without(&[]);
    for path in PATHS {
        without(&[("PATH", path)]);
    }
    without(&[("LD_LIBRARY_PATH", ":")]);
    for python in pythons() {
        without(&[("ALPHABAR_PYTHON", &python)]);
    }
}

#[test]
fn absolute_places_and_the_users_packages_are_found() {
    let trap = Trap::new();
    let place = Place::new();
    let library = install(Build::Cpu, &InstallOptions::from_environment(), &mut |_| {}).unwrap();
    let package = |site: &str| {
        let folder = place.path(site).join("onnxruntime/capi");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(&library, folder.join(library.file_name().unwrap())).unwrap();
        std::fs::write(folder.parent().unwrap().join("__init__.py"), "").unwrap();
    };
    let found = |variables: &[(&str, &str)], below: &str| {
        let said = trap.done("runtime --json", variables).stdout;
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        let path = PathBuf::from(said["library"].as_str().unwrap());
        assert!(path.starts_with(place.path(below)), "{said}");
    };
    package("environment/lib/python3.11/site-packages");
    let environment = place.path("environment").display().to_string();
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        found(&[(name, &environment), ("PYTHONPATH", "."), ("LD_LIBRARY_PATH", ":")], "environment");
    }
    let modules = place.path("modules").display().to_string();
    package("modules");
    found(&[("PYTHONPATH", &format!(".:{modules}:"))], "modules");

    // The user's own site-packages, as the system's Python has them.
    let home = place.path("home").display().to_string();
    std::fs::create_dir_all(&home).unwrap();
    let question = "import site, sys; print(sys.executable); print(site.getusersitepackages())";
    let mut python = Command::new(pythons().pop().unwrap());
    let told = python.args(["-c", question]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let (executable, site) = told.trim().split_once('\n').unwrap();
    let home_now = std::env::var("HOME").unwrap();
    let below = Path::new(site).strip_prefix(&home_now).unwrap();
    package(Path::new("home").join(below).to_str().unwrap());
    found(&[("ALPHABAR_PYTHON", executable), ("HOME", &home)], "home");

    // Given on the command line, a relative path is what the user means.
    let name = library.file_name().unwrap().to_str().unwrap();
    std::fs::create_dir_all(trap.place.path("mine")).unwrap();
    std::fs::copy(&library, trap.place.path("mine").join(name)).unwrap();
    let said = trap.done(&format!("runtime --ort-dylib mine/{name}"), &[("LD_LIBRARY_PATH", ":")]).stdout;
    assert!(said.contains(&format!("{}", trap.place.path("mine").join(name).display())), "{said}");
}
