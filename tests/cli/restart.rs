//! The program starts itself again to have telemetry off, and nobody can tell.

use std::process::{Command, Stdio};

use crate::program::{Place, ended};

#[test]
fn exit_codes_and_streams_are_those_of_one_process() {
    let place = Place::new();
    for value in [None, Some("0"), Some(""), Some("1")] {
        let run = |line: &str| {
            let mut command = place.command(line);
            command.envs(value.map(|value| ("ORT_DISABLE_TELEMETRY", value)));
            ended(command.output().unwrap())
        };
        assert_eq!(run("runtime").code, Some(0));
        assert_eq!(run("sample no-such-model").code, Some(1));
        assert_eq!(run("sample --no-such-option").code, Some(2));
        assert_eq!(run("runtime --ort-dylib no-such-library").code, Some(3));
        assert!(run("--version").stdout.starts_with("alphabar "));
    }
}

#[cfg(unix)]
#[test]
fn it_is_the_same_process_under_the_same_name() {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};

    let place = Place::new();
    // A path with a space, and an argument that is no text.
    let odd = std::os::unix::ffi::OsStrExt::from_bytes(b"no such \xff model");
    let odd: &std::ffi::OsStr = odd;
    let mut command = place.command("info");
    let output = command.arg0("another name").arg(odd).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such \u{fffd} model"));
    let mut command = place.command("sample --no-such-option");
    let usage = ended(command.arg0("another name").output().unwrap());
    assert!(usage.stderr.contains("Usage: another name sample"), "{}", usage.stderr);

    // A signal reaches the process that was started, and ends it.
    let mut command = place.command("verify");
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let id = running.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(running.wait().unwrap().signal(), Some(15));
}
