//! A machine with stand-ins for GPUs: runs the program on it and reads what happened.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Names under which the stand-in is looked for.
const NAMES: [&str; 7] = [
    "libcuda.so.1",
    "libcudart.so.13",
    "libcublas.so.13",
    "libcublasLt.so.13",
    "libcudnn.so.9",
    "libcufft.so.12",
    "libcurand.so.10",
];

pub struct Machine {
    runtime: PathBuf,
    libraries: PathBuf,
    variables: Vec<(String, String)>,
    _folder: Option<TempDir>,
}

/// What happened: how often, and about how many bytes.
#[derive(Debug)]
pub struct Counts(BTreeMap<String, [f64; 2]>);

pub struct Ran {
    pub counts: Counts,
    pub samples: Vec<f32>,
    /// What it told its user.
    pub said: String,
}

impl Machine {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let library = stand_in();
        for name in NAMES {
            std::os::unix::fs::symlink(&library, folder.path().join(name)).unwrap();
        }
        let libraries = folder.path().to_path_buf();
        Self { runtime: runtime(), libraries, variables: Vec::new(), _folder: Some(folder) }
    }

    /// The same with a variable for the stand-in.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let variables = self.variables.iter().cloned().chain([(name.to_owned(), value.to_owned())]).collect();
        Self { runtime: self.runtime.clone(), libraries: self.libraries.clone(), variables, _folder: None }
    }

    /// Samples on the first device.
    pub fn sample(&self, options: &str) -> Ran {
        self.sample_on("cuda:0", options)
    }

    pub fn sample_on(&self, device: &str, options: &str) -> Ran {
        let folder = TempDir::new().unwrap();
        let output = self.run(folder.path(), device, options);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{options}: {said}");
        let samples: ndarray::Array4<f32> = ndarray_npy::read_npy(folder.path().join("x.npy")).unwrap();
        let counts = Counts::read(&folder.path().join("report.json"));
        // Nothing that CUDA forbids, and no memory overwritten before it was copied.
        let bad = counts.0.keys().find(|what| what.contains("not allowed") || what.contains("hazard"));
        assert_eq!(bad, None, "{options}");
        Ran { counts, samples: samples.into_raw_vec_and_offset().0, said }
    }

    /// A conversion of a model, the built-in network if none is named, which stays until the machine goes.
    pub fn convert(&self, options: &str) -> PathBuf {
        let out = self.libraries.join(format!("model{}", options.replace([' ', '-', '/', '.'], "_")));
        if out.exists() {
            return out;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_alphabar"));
        command.args(["convert", "--device", "cpu", "--out"]).arg(&out).args(options.split_whitespace());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        out
    }

    /// Expects an exit code and words, and no output.
    pub fn fails(&self, device: &str, options: &str, code: i32, words: &[&str]) {
        let folder = TempDir::new().unwrap();
        let output = self.run(folder.path(), device, options);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{options}: {said}");
        for word in words {
            assert!(said.contains(word), "{options}: no {word:?} in {said}");
        }
        assert!(!folder.path().join("x.npy").exists(), "{options}: an output was left behind");
    }

    /// What each step adds.
    pub fn per_step(&self, options: &str) -> Counts {
        let [few, many] = [10, 26].map(|steps| self.sample(&format!("{options} --steps {steps}")).counts);
        let names = few.0.keys().chain(many.0.keys()).cloned();
        let each = |name: String| {
            let difference = [0, 1].map(|k| (many.get(&name)[k] - few.get(&name)[k]) / 16.0);
            (name, difference)
        };
        Counts(names.map(each).collect())
    }

    /// Requests to the example of a server, one a line: its answers, and what happened.
    pub fn serve(&self, requests: &str) -> (String, Counts) {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--example", "serve"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        self.equip(&mut command, folder.path());
        let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        server.stdin.take().unwrap().write_all(requests.as_bytes()).unwrap();
        let output = server.wait_with_output().unwrap();
        assert!(output.status.success());
        (String::from_utf8(output.stdout).unwrap(), Counts::read(&folder.path().join("report.json")))
    }

    fn run(&self, folder: &Path, device: &str, options: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alphabar"));
        command.args(["sample", "--device", device, "--no-install", "--out", "x.npy"]);
        command.args(options.split_whitespace()).current_dir(folder);
        self.equip(&mut command, folder);
        command.output().unwrap()
    }

    /// Puts the stand-in and the runtime for it into a program's environment.
    fn equip(&self, command: &mut Command, folder: &Path) {
        command.env("ORT_DYLIB_PATH", &self.runtime).env("LD_LIBRARY_PATH", &self.libraries);
        command.env("STAND_IN_REPORT", folder.join("report.json"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }
}

impl Counts {
    fn read(path: &Path) -> Self {
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    fn get(&self, what: &str) -> [f64; 2] {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub fn times(&self, what: &str) -> f64 {
        self.get(what)[0]
    }

    pub fn amount(&self, what: &str) -> f64 {
        self.get(what)[1]
    }

    /// Launches of kernels with a word in their names.
    pub fn kernels(&self, word: &str) -> f64 {
        self.0
            .keys()
            .filter(|what| what.starts_with("kernel ") && what.contains(word))
            .map(|what| self.times(what))
            .sum()
    }

    /// Copies between host and device, of any kind.
    pub fn copies_across(&self) -> f64 {
        let across =
            |what: &&String| what.contains("to device") != what.contains("copy device") && what.contains("copy");
        self.0.keys().filter(across).map(|what| self.times(what)).sum()
    }
}

/// Builds the stand-in.
fn stand_in() -> PathBuf {
    let line = ["build", "--quiet", "--package", "alphabar-stand-in", "--message-format", "json"];
    let mut command = Command::new(env!("CARGO"));
    let output =
        command.args(line).current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "the stand-in does not build");
    let text = String::from_utf8(output.stdout).unwrap();
    let artifacts = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut files = artifacts.filter_map(|artifact| artifact["filenames"][0].as_str().map(PathBuf::from));
    files.find(|file| file.ends_with("libstand_in.so")).expect("cargo names the library")
}

/// ONNX Runtime's CUDA build, in a cache of the tests' own: elsewhere it would be found by programs that ask for none.
fn runtime() -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda");
    let mut command = Command::new(env!("CARGO_BIN_EXE_alphabar"));
    let output = command.args(["runtime", "install", "--cuda"]).env("ALPHABAR_CACHE", cache).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().into()
}
