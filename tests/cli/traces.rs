//! What a run leaves behind and whom it speaks to: nothing but its outputs, and nobody.

use std::path::Path;
use std::process::Command;

use alphabar::onnx::{Build, InstallOptions, install};

use crate::program::{Place, ended};

/// What is run, and a file or folder that it writes.
const RUNS: [&str; 7] = [
    "runtime",
    "info",
    "plan --steps 3",
    "sample --count 2 --steps 2 --out samples.png",
    "sample --count 2 --steps 2 --loop resident --film film.gif --out many/",
    "bench --batch 1 --rounds 1 --steps 2 --device cpu",
    "convert --fp16 --out half --device cpu --count 1 --steps 2",
];

/// The variables that name folders of the user's.
const FOLDERS: [&str; 7] =
    ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"];

/// The cache folder, with a runtime in it.
fn cache() -> std::path::PathBuf {
    let library = install(Build::Cpu, &InstallOptions::from_environment(), &mut |_| {}).unwrap();
    library.parent().unwrap().parent().unwrap().to_path_buf()
}

/// Every file and folder below a folder.
fn below(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            let further = if path.is_dir() { below(&path) } else { Vec::new() };
            [vec![path.display().to_string()], further].concat()
        })
        .collect()
}

#[test]
fn nothing_is_left_in_the_users_folders() {
    let cache = cache();
    let user = Place::new();
    for name in FOLDERS {
        std::fs::create_dir(user.path(name)).unwrap();
    }
    let place = Place::new();
    for line in RUNS {
        let mut command = place.command(line);
        command.envs(FOLDERS.map(|name| (name, user.path(name)))).env("ALPHABAR_CACHE", &cache);
        let ended = ended(command.output().unwrap());
        assert_eq!(ended.code, Some(0), "{line}: {}", ended.stderr);
        for name in FOLDERS {
            assert_eq!(below(&user.path(name)), [""; 0], "alphabar {line} in {name}");
        }
    }
}

/// A command under strace, which writes what sockets it and its children open to a file.
fn traced(program: &str, file: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=socket", "-o"]).arg(file).arg(program);
    command
}

/// The sockets of the internet that a trace has.
fn internet(trace: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(trace).unwrap();
    text.lines().filter(|line| line.contains("AF_INET")).map(str::to_owned).collect()
}

/// Whether strace works here. Where `ALPHABAR_REQUIRE_STRACE` is set it must.
fn strace_works(place: &Place) -> bool {
    let works = traced("true", &place.path("trace")).status().is_ok_and(|status| status.success());
    if !works {
        assert!(std::env::var_os("ALPHABAR_REQUIRE_STRACE").is_none(), "strace is missing or cannot trace here");
        eprintln!("skipped: strace is missing or cannot trace here");
    }
    works
}

#[test]
fn no_command_opens_a_socket_of_the_internet() {
    let place = Place::new();
    if !strace_works(&place) {
        return;
    }
    let trace = place.path("trace");
    let cache = cache();
    // A socket is seen, a child's too.
    let script = "(: > /dev/udp/127.0.0.1/9); true";
    assert!(traced("bash", &trace).args(["-c", script]).status().unwrap().success());
    assert!(!internet(&trace).is_empty());
    for line in RUNS {
        let plain = place.command(line);
        let mut command = traced(env!("CARGO_BIN_EXE_alphabar"), &trace);
        command.args(plain.get_args()).current_dir(plain.get_current_dir().unwrap());
        let ended =
            ended(command.env_remove("ORT_DISABLE_TELEMETRY").env("ALPHABAR_CACHE", &cache).output().unwrap());
        assert_eq!(ended.code, Some(0), "{line}: {}", ended.stderr);
        assert_eq!(internet(&trace), [""; 0], "alphabar {line}");
    }
}
