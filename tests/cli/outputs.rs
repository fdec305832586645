//! What is written, and where.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::time::SystemTime;

use ndarray::{Array1, Array4, Axis};
use ndarray_npy::{NpzReader, read_npy, write_npy};
use serde_json::Value;

use crate::program::Place;

fn json(place: &Place, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(place.path(name)).unwrap()).unwrap()
}

fn size_of_png(place: &Place, name: &str) -> (u32, u32) {
    let file = BufReader::new(File::open(place.path(name)).unwrap());
    png::Decoder::new(file).read_info().unwrap().info().size()
}

#[test]
fn a_grid_has_labelled_columns_and_a_record_beside_it() {
    let place = Place::new();
    place.done("sample --count 20 --steps 2");
    assert_eq!(place.names(), ["samples.png", "samples.png.json"]);
    // Ten columns of one tile (56 + 2 pixels), two rows, and a line of labels above.
    assert_eq!(size_of_png(&place, "samples.png"), (2 + 10 * 58, 20 + 2 + 2 * 58));
    let record = json(&place, "samples.png.json");
    assert_eq!(record["seeds"], "0-19");
    assert_eq!(record["labels"].as_array().unwrap()[10..13], [0, 1, 2]);
    assert_eq!(record["plan"]["schema"], "alphabar.plan/1");
    assert_eq!(record["plan"]["steps"].as_array().unwrap().len(), 2);
    assert_eq!(record["model"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(record["runtime"]["device"], "cpu");
    assert!(record["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn npy_holds_the_models_range_and_npz_the_bytes_of_it() {
    let place = Place::new();
    place.done("sample --seeds 5-7,100 --label 3,4 --steps 4 --out x.npy");
    place.done("sample --seeds 5-7,100 --label 3,4 --steps 4 --out x.npz");
    let floats: Array4<f32> = read_npy(place.path("x.npy")).unwrap();
    let mut archive = NpzReader::new(File::open(place.path("x.npz")).unwrap()).unwrap();
    let bytes: Array4<u8> = archive.by_name("arr_0").unwrap();
    let labels: Array1<i64> = archive.by_name("arr_1").unwrap();
    assert_eq!(floats.shape(), [4, 1, 28, 28]);
    assert_eq!(bytes.shape(), [4, 28, 28, 1]);
    assert_eq!(labels.to_vec(), [3, 4, 3, 4]);
    assert!(floats.iter().any(|&x| x < -0.9) && floats.iter().any(|&x| x > 0.5));
    for ((n, h, w, c), &byte) in bytes.indexed_iter() {
        let level = 255.0 * ((f64::from(floats[[n, c, h, w]]) + 1.0) / 2.0).clamp(0.0, 1.0);
        assert!((level - f64::from(byte)).abs() <= 0.5, "{level} became {byte}");
    }
}

#[test]
fn channels_lie_last_in_npz() {
    let place = Place::new();
    let model = crate::program::network("tiny");
    place.done(&format!("sample {model} --count 2 --steps 3 --out x.npy"));
    place.done(&format!("sample {model} --count 2 --steps 3 --out x.npz"));
    let floats: Array4<f32> = read_npy(place.path("x.npy")).unwrap();
    let mut archive = NpzReader::new(File::open(place.path("x.npz")).unwrap()).unwrap();
    assert_eq!(archive.names().unwrap(), ["arr_0"]);
    let bytes: Array4<u8> = archive.by_name("arr_0").unwrap();
    assert_eq!(bytes.shape(), [2, 16, 16, 3]);
    for ((n, h, w, c), &byte) in bytes.indexed_iter() {
        let level = 255.0 * ((f64::from(floats[[n, c, h, w]]) + 1.0) / 2.0).clamp(0.0, 1.0);
        assert!((level - f64::from(byte)).abs() <= 0.5);
    }
}

fn written(place: &Place, folder: &str) -> BTreeMap<String, SystemTime> {
    std::fs::read_dir(place.path(folder))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "png"))
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), entry.metadata().unwrap().modified().unwrap())
        })
        .collect()
}

#[test]
fn a_folder_is_taken_up_where_it_was_left() {
    let place = Place::new();
    place.done("sample --count 6 --steps 3 --out many/");
    let first = written(&place, "many");
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(names, ["000000.png", "000001.png", "000002.png", "000003.png", "000004.png", "000005.png"]);
    let third = std::fs::read(place.path("many/000003.png")).unwrap();
    std::fs::remove_file(place.path("many/000003.png")).unwrap();

    let again = place.done("sample --count 8 --steps 3 --out many");
    assert!(again.stderr.contains("5 of 8 samples are already there"), "{}", again.stderr);
    assert_eq!(json(&place, "many/alphabar.json")["skipped"], 5);
    let second = written(&place, "many");
    assert_eq!(second.len(), 8);
    for name in ["000000.png", "000001.png", "000002.png", "000004.png", "000005.png"] {
        assert_eq!(first[name], second[name], "{name} was written again");
    }
    assert_eq!(std::fs::read(place.path("many/000003.png")).unwrap(), third);

    // Of another plan, label or guidance: not the same samples.
    for line in ["--steps 4", "--steps 3 --label 1", "--steps 3 --guidance 2"] {
        let other = place.done(&format!("sample --count 2 {line} --out many"));
        assert!(other.stderr.contains("are replaced"), "{line}: {}", other.stderr);
    }
}

#[test]
fn an_interrupted_folder_is_completed() {
    let place = Place::new();
    let whole = place.done("sample --count 12 --steps 3 --batch 4 --out whole/ --json");
    assert_eq!(serde_json::from_str::<Value>(&whole.stdout).unwrap()["count"], 12);
    place.done("sample --count 5 --steps 3 --batch 4 --out part/");
    place.done("sample --count 12 --steps 3 --batch 4 --out part/");
    for name in written(&place, "whole").keys() {
        let read = |folder: &str| image::open(place.path(&format!("{folder}/{name}"))).unwrap().into_luma8();
        let pairs = read("whole").into_raw().into_iter().zip(read("part").into_raw());
        let worst = pairs.map(|(a, b)| a.abs_diff(b)).max();
        assert!(worst <= Some(1), "{name}: {worst:?}");
    }
}

#[test]
fn a_film_shows_the_way() {
    let place = Place::new();
    place.done("sample --count 3 --steps 10 --out x.npy --film f.gif");
    place.done("sample --count 3 --steps 10 --out x.npy --film f.png");
    let gif = std::fs::read(place.path("f.gif")).unwrap();
    assert_eq!(&gif[..6], b"GIF89a");
    // Ten moments across, three samples with x_t and x̂₀ down.
    assert_eq!(size_of_png(&place, "f.png"), (2 + 10 * 58, 2 + 6 * 58));
}

#[test]
fn given_noise_is_the_start() {
    let place = Place::new();
    let mut noise = Array4::<f32>::zeros((3, 1, 28, 28));
    alphabar::noise::fill_batch(&[7, 8, 9], 0, noise.as_slice_mut().unwrap());
    write_npy(place.path("noise.npy"), &noise).unwrap();
    place.done("sample --seed 7 --count 3 --steps 5 --out seeds.npy");
    place.done("sample --init-noise noise.npy --steps 5 --out noise_out.npy");
    let seeds: Array4<f32> = read_npy(place.path("seeds.npy")).unwrap();
    let given: Array4<f32> = read_npy(place.path("noise_out.npy")).unwrap();
    assert_eq!(seeds, given);
    assert!(json(&place, "noise_out.npy.json")["init_noise"].is_string());
}

#[test]
fn quiet_says_nothing_and_a_pipe_gets_no_bar() {
    let place = Place::new();
    let quiet = place.done("sample --count 2 --steps 2 --quiet");
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let piped = place.done("sample --count 2 --steps 2");
    assert!(!piped.stderr.contains('\r') && !piped.stderr.contains('\u{1b}'), "{:?}", piped.stderr);
}

#[test]
fn json_prints_the_record() {
    let place = Place::new();
    let printed = place.done("sample --count 2 --steps 2 --json").stdout;
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed, json(&place, "samples.png.json"));
}

#[test]
fn guidance_of_zero_is_the_null_label_and_one_is_none() {
    let place = Place::new();
    let run = |line: &str| -> Array4<f32> {
        place.done(&format!("sample --count 4 --steps 5 --out x.npy {line}"));
        read_npy(place.path("x.npy")).unwrap()
    };
    let close = |a: &Array4<f32>, b: &Array4<f32>| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    let (plain, null) = (run("--label 3"), run("--label 10"));
    assert!(close(&run("--label 3 --guidance 1"), &plain));
    assert!(close(&run("--label 3 --guidance 0"), &null));
    assert!(!close(&plain, &null));
    let strong = run("--label 3 --guidance 3");
    assert!(!close(&strong, &plain) && strong.axis_iter(Axis(0)).all(|x| x.iter().all(|x| x.is_finite())));
}
