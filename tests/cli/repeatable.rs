//! A sample is its seed: neither the batch it is in nor the samples around it change it, but for rounding.

use ndarray::{Array4, Axis};
use ndarray_npy::read_npy;

use crate::program::{Place, network};

/// Kernels for different batch sizes may sum in different orders; a few roundings of f32 over a few steps.
const ROUNDING: f32 = 1e-3;

fn samples(place: &Place, line: &str) -> Array4<f32> {
    place.done(&format!("sample --out x.npy {line}"));
    read_npy(place.path("x.npy")).unwrap()
}

fn apart(a: &Array4<f32>, b: &Array4<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}

#[test]
fn the_same_seed_gives_the_same_picture_for_batch_1_7_and_16() {
    let place = Place::new();
    for options in ["--steps 10", "--sampler ddpm --steps 10", "--steps 10 --guidance 2"] {
        let whole = samples(&place, &format!("--count 16 {options} --batch 16"));
        for batch in [1, 7] {
            let parts = samples(&place, &format!("--count 16 {options} --batch {batch}"));
            let worst = apart(&parts, &whole);
            assert!(worst < ROUNDING, "{options} --batch {batch}: {worst:e}");
        }
    }
}

#[test]
fn a_seed_does_not_depend_on_its_neighbours() {
    let place = Place::new();
    let many = samples(&place, "--seeds 3-9 --label 5 --sampler ddpm --steps 5");
    let one = samples(&place, "--seeds 8 --label 5 --sampler ddpm --steps 5");
    let row = many.select(Axis(0), &[5]);
    assert!(apart(&one, &row) < ROUNDING);
    assert!(apart(&one, &many.select(Axis(0), &[4])) > 0.1);
}

#[test]
fn a_graph_of_fixed_batch_takes_any_count_and_guidance_needs_no_double_batch() {
    let place = Place::new();
    let (free, fixed) = (network("tiny"), network("batch2"));
    let want = samples(&place, &format!("{free} --count 5 --steps 5"));
    assert!(apart(&samples(&place, &format!("{fixed} --count 5 --steps 5")), &want) < ROUNDING);
    place.fails(&format!("sample {fixed} --count 5 --steps 5 --batch 4 --out y.npy"), 1, &["batch", "2", "4"]);
}

/// Two sessions on the CPU stand for two devices; batches hold the same samples whoever makes them.
#[test]
fn neither_the_loop_nor_the_number_of_devices_changes_a_sample() {
    let place = Place::new();
    for options in ["--steps 5", "--sampler ddpm --steps 5", "--steps 5 --guidance 2"] {
        let want = samples(&place, &format!("--count 9 {options} --batch 2 --device cpu"));
        for choice in ["--loop resident --device cpu", "--device cpu,cpu", "--loop resident --device cpu,cpu,cpu"] {
            let got = samples(&place, &format!("--count 9 {options} --batch 2 {choice}"));
            // The last batch of the resident loop is filled up to two.
            assert!(apart(&got, &want) < ROUNDING, "{options} {choice}");
            assert!(got.iter().zip(&want).filter(|(got, want)| got != want).count() <= got.len() / 9);
        }
    }
    let film = "sample --count 3 --steps 4 --batch 2 --loop resident --device cpu,cpu --film x.png --out y.png";
    place.done(film);
    place.fails("bench --device cpu,cpu", 2, &["--device", "one device"]);
    place.fails("sample --count 2 --batch none --out x.npy", 2, &["--batch", "auto"]);
}
