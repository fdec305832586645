//! Runs the built program in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder with files, and the program run in it.
pub struct Place(TempDir);

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Names in the folder, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alphabar"));
        command.current_dir(self.0.path()).args(line.split_whitespace());
        // As it is for a user: cargo sets it for tests that use the library.
        command.env_remove("ORT_DISABLE_TELEMETRY");
        command
    }

    pub fn run(&self, line: &str) -> Ended {
        ended(self.command(line).output().unwrap())
    }

    /// Runs, expects success.
    pub fn done(&self, line: &str) -> Ended {
        let ended = self.run(line);
        assert_eq!(ended.code, Some(0), "alphabar {line}\n{}", ended.stderr);
        ended
    }

    /// Runs, expects an exit code and words in the message, and that nothing was left behind.
    pub fn fails(&self, line: &str, code: i32, words: &[&str]) {
        let before = self.names();
        let ended = self.run(line);
        assert_eq!(ended.code, Some(code), "alphabar {line}\n{}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "alphabar {line}\nno {word:?} in: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert_eq!(self.names(), before, "alphabar {line} left something behind");
    }
}

pub fn ended(output: Output) -> Ended {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A file of the repository's fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The path of a network that `fixtures/diffusers/make.py` wrote.
pub fn network(name: &str) -> String {
    fixture("diffusers").join(format!("{name}.onnx")).display().to_string()
}
