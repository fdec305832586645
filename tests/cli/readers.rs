//! Tables from files that are broken or hostile: what is found is said, and no memory is taken for what is not there.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use crate::program::{Place, fixture};

/// An `.npy` with the given header and data.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x02\0".to_vec();
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn list(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}"), data)
}

fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn doubles(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

/// β of the linear schedule at index i of 1000.
fn beta(i: usize) -> f64 {
    1e-4 + (0.02 - 1e-4) * i as f64 / 999.0
}

/// Column `betas` of the linear schedule, with what the closure puts in a row.
fn column(cell: impl Fn(usize) -> String) -> String {
    let rows: Vec<String> = (0..1000).map(|i| format!("{},{}", i + 1, cell(i))).collect();
    format!("t,betas\n{}\n", rows.join("\n"))
}

#[test]
fn a_hole_in_a_column_is_found_where_it_is() {
    let place = Place::new();
    for (hole, words) in [(500, "index 500 (t = 501)"), (999, "index 999 (t = 1000)"), (0, "index 0 (t = 1)")] {
        place.write("t.csv", column(|i| if i == hole { String::new() } else { beta(i).to_string() }));
        let ended = place.run("check t.csv");
        assert_eq!(ended.code, Some(1), "{}", ended.stdout);
        assert!(ended.stdout.contains(words) && !ended.stdout.contains("known fault"), "{}", ended.stdout);
    }
    // A shorter list beside a longer one is no hole.
    let short = |i: usize| if i < 10 { format!("{},{}", beta(i), 9 - i) } else { format!("{},", beta(i)) };
    let rows: Vec<String> = (0..1000).map(short).collect();
    place.write("two.csv", format!("betas,timesteps\n{}\n", rows.join("\n")));
    let ended = place.run("check two.csv");
    assert!(ended.stdout.contains("right      betas"), "{}", ended.stdout);
}

#[test]
fn tables_without_entries_or_with_a_name_twice_are_refused() {
    let place = Place::new();
    for descr in ["<f8", "<f2", "<i8"] {
        place.write("t.npz", npz(&[("betas", list(descr, "0,", &[]))]));
        place.fails("check t.npz", 2, &["\"betas\"", "no entries"]);
    }
    place.write("t.json", "{\"betas\": []}");
    place.fails("check t.json", 2, &["\"betas\"", "no entries"]);
    place.write("t.csv", "betas,alphas_cumprod\n");
    place.fails("check t.csv", 2, &["\"betas\"", "no entries"]);
    place.write("t.csv", "betas,betas\n0.1,0.7\n0.2,0.8\n");
    place.fails("check t.csv", 2, &["\"betas\" twice"]);
}

#[test]
fn nan_is_said_and_given_no_faults_name() {
    let place = Place::new();
    let nan = doubles([f64::NAN; 1000]);
    for name in ["betas", "alphas_cumprod", "snr", "sqrt_alphas_cumprod"] {
        place.write("t.npz", npz(&[(name, list("<f8", "1000,", &nan))]));
        for line in ["check t.npz", "check t.npz --schedule linear"] {
            let ended = place.run(line);
            assert_eq!(ended.code, Some(1), "{name}: {}", ended.stdout);
            assert!(ended.stdout.contains("every entry is NaN"), "{name}: {}", ended.stdout);
            assert!(!ended.stdout.contains("known fault"), "{name}: {}", ended.stdout);
        }
    }
    place.write("t.json", "{\"betas\": [null, NaN]}");
    let ended = place.run("check t.json");
    assert!(ended.code == Some(1) && !ended.stdout.contains("known fault"), "{}", ended.stdout);
}

#[test]
fn headers_that_lie_are_refused_at_once() {
    let place = Place::new();
    let nested = npy(&format!("{{'descr': {}", "[".repeat(60)), &[]);
    place.write("t.npz", npz(&[("betas", nested.clone())]));
    place.fails("check t.npz", 2, &["betas", "cannot be read"]);
    for shape in ["1000000000000,", "9223372036854775808,", "4294967296, 4294967296", "3,"] {
        place.write("t.npz", npz(&[("betas", list("<f8", shape, &[0; 16]))]));
        place.fails("check t.npz", 2, &["betas", "bytes"]);
    }
    for length in 0..12 {
        let whole = list("<f2", "1,", &[0, 0]);
        place.write("t.npz", npz(&[("betas", whole[..length].to_vec())]));
        place.fails("check t.npz", 2, &["betas"]);
    }
    for bytes in [nested, list("<f4", "1000000000000,", &[0; 16])] {
        place.write("x.npy", bytes);
        place.fails("sample --count 1 --steps 1 --init-noise x.npy", 1, &["x.npy", "array of numbers"]);
    }
}

#[test]
fn half_precision_is_read_in_either_byte_order_and_version() {
    let place = Place::new();
    let values: Vec<half::f16> = (0..1000).map(|i| half::f16::from_f64(beta(i))).collect();
    let big: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    let little: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    place.write("big.npz", npz(&[("betas", list(">f2", "1000,", &big))]));
    place.write("little.npz", npz(&[("betas", list("<f2", "1000,", &little))]));
    let (big, little) = (place.run("check big.npz"), place.run("check little.npz"));
    assert_eq!((big.code, &big.stdout), (Some(0), &little.stdout), "{}", big.stderr);
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_text() {
    let place = Place::new();
    let plan = place.done("plan --steps 2 --json").stdout;
    let config = std::fs::read_to_string(fixture("mnist-unet/scheduler/scheduler_config.json")).unwrap();
    place.write("plan.json", format!("\u{feff}{plan}"));
    place.write("scheduler.json", format!("\u{feff}{config}"));
    place.write("t.json", "\u{feff}{\"betas\": [0.1, 0.3, 0.5]}");
    place.done("sample --plan plan.json --count 1 --out x.npy --quiet");
    place.done("plan --scheduler scheduler.json --steps 2");
    let ended = place.run("check t.json");
    assert!(ended.code == Some(0), "{}", ended.stderr);
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_before_they_are_opened() {
    let place = Place::new();
    let made = std::process::Command::new("mkfifo").arg(place.path("pipe")).status().unwrap();
    assert!(made.success());
    for (name, target) in
        [("t.csv", place.path("pipe")), ("t.json", "/dev/zero".into()), ("t.npz", "/dev/zero".into())]
    {
        std::os::unix::fs::symlink(target, place.path(name)).unwrap();
        place.fails(&format!("check {name}"), 2, &["a pipe, socket or device"]);
    }
    for option in ["--steps 1 --scheduler", "--plan"] {
        place.fails(&format!("sample --count 1 {option} pipe"), 1, &["pipe", "a pipe, socket or device"]);
    }
    place.fails("sample --count 1 --steps 1 --init-noise pipe", 1, &["a pipe, socket or device"]);
}

/// A reader who goes before the first byte changes no verdict.
#[test]
fn a_verdict_survives_its_reader() {
    let place = Place::new();
    place.write("wrong.csv", column(|i| (1e-4 + (0.02 - 1e-4) * i as f64 / 1000.0).to_string()));
    for (line, code) in
        [("check wrong.csv", 1), ("check wrong.csv --json", 1), ("verify --claim posterior_equals_bayes", 0)]
    {
        let mut child = place.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut words = String::new();
        child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{line}: {words}");
        assert!(!words.contains("panicked"), "{line}: {words}");
    }
}

/// 4 MB that unpack to 4 GB.
#[cfg(target_os = "linux")]
#[test]
fn what_a_small_file_unpacks_to_is_bounded() {
    let place = Place::new();
    let mut archive = zip::ZipWriter::new(std::fs::File::create(place.path("bomb.npz")).unwrap());
    let options = zip::write::SimpleFileOptions::default().large_file(true);
    archive.start_file("betas.npy", options).unwrap();
    let count = 64usize << 20;
    archive.write_all(&list("<f8", &format!("{count},"), &[])).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..(count * 8) >> 20).for_each(|_| archive.write_all(&zeros).unwrap());
    archive.finish().unwrap();
    let mut command = std::process::Command::new("prlimit");
    command.args(["--as=600000000", env!("CARGO_BIN_EXE_alphabar"), "check"]).arg(place.path("bomb.npz"));
    let ended = command.output().unwrap();
    let words = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{words}");
    assert!(words.contains("the most that is read"), "{words}");
}
