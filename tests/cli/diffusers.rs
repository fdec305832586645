//! The same samples as diffusers' own schedulers, from the same noise.

use std::fs::File;

use ndarray::ArrayD;
use ndarray_npy::{NpzReader, read_npy};
use serde_json::Value;

use crate::program::{Place, fixture, network};

/// Where the two may differ: diffusers computes ᾱ in f32 (relative error to 10⁻⁵ at t = T), and a step from ε at the
/// noisy end multiplies what it is given by up to √(1 − ᾱ)/√ᾱ = 157.
const TOLERANCE: f32 = 2e-4;
/// A half-precision network rounds its input and output to 11 bits; the state stays f32 in both.
const HALF_TOLERANCE: f32 = 3e-3;

fn cases() -> Value {
    let path = fixture("diffusers").join("cases.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn result(name: &str) -> ArrayD<f32> {
    let mut archive = NpzReader::new(File::open(fixture("diffusers").join("results.npz")).unwrap()).unwrap();
    archive.by_name(name).unwrap()
}

/// Runs a case with further options; gives the samples.
fn sample(place: &Place, case: &Value, seeds: &Value, extra: &str) -> ArrayD<f32> {
    let scheduler = &case["scheduler"];
    place.write("scheduler_config.json", scheduler.to_string());
    let seeds: Vec<String> = seeds.as_array().unwrap().iter().map(Value::to_string).collect();
    let model = network(case["network"].as_str().unwrap());
    let mut line =
        format!("sample {model} --scheduler scheduler_config.json --out x.npy --seeds {}", seeds.join(","));
    line += &format!(" --steps {} {extra}", case["steps"]);
    if scheduler["_class_name"] == "DDIMScheduler" {
        line += &format!(" --eta {} --clipped-epsilon {}", case["eta"], case["clipped_epsilon"].as_str().unwrap());
    }
    if let Some(labels) = case["labels"].as_array() {
        let labels: Vec<String> = labels.iter().map(Value::to_string).collect();
        line += &format!(" --label {}", labels.join(","));
    }
    if case["network"] == "conditioned" {
        ndarray_npy::write_npy(place.path("image.npy"), &result("image")).unwrap();
        line += " --input image=image.npy";
    }
    place.done(&line);
    read_npy(place.path("x.npy")).unwrap()
}

/// Largest difference, as a share of the larger of 1 and the values' own size.
fn difference(got: &ArrayD<f32>, want: &ArrayD<f32>) -> f32 {
    assert_eq!(got.shape(), want.shape());
    assert!(got.iter().all(|x| x.is_finite()));
    let size = want.iter().fold(1.0_f32, |size, x| size.max(x.abs()));
    got.iter().zip(want).fold(0.0_f32, |worst, (g, w)| worst.max((g - w).abs())) / size
}

/// diffusers' DDIM steps to t − T//S; the others to the next timestep of the list.
fn previous(case: &Value) -> &'static str {
    if case["scheduler"]["_class_name"] == "DDIMScheduler" { "--previous stride" } else { "" }
}

fn case<'a>(cases: &'a Value, name: &str) -> &'a Value {
    cases["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap()
}

#[test]
fn every_case_agrees_with_diffusers() {
    let cases = cases();
    let place = Place::new();
    let mut failures = Vec::new();
    for case in cases["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let worst = difference(&sample(&place, case, &cases["seeds"], previous(case)), &result(name));
        println!("{name:32} {worst:.2e}");
        let tolerance = if case["network"] == "half" { HALF_TOLERANCE } else { TOLERANCE };
        if worst.is_nan() || worst > tolerance {
            failures.push(format!("{name}: {worst:e}"));
        }
    }
    assert!(failures.is_empty(), "differ by more than f32 explains: {failures:?}");
}

/// On these spacings t − T//S is not the list's next timestep: the comparison above would fail with `list`.
#[test]
fn previous_list_and_stride_differ_on_linspace_and_trailing() {
    let cases = cases();
    let place = Place::new();
    for name in ["ddim_linspace_stride", "ddim_trailing_stride"] {
        let case = case(&cases, name);
        let list = sample(&place, case, &cases["seeds"], "--previous list");
        let stride = sample(&place, case, &cases["seeds"], "--previous stride");
        let (apart, agrees) = (difference(&list, &stride), difference(&stride, &result(name)));
        assert!(apart > 50.0 * TOLERANCE && agrees < TOLERANCE, "{name}: {apart:e}, {agrees:e}");
    }
}

/// A wrong option is seen by the comparison: the tolerance is not slack that hides faults.
#[test]
fn the_comparison_rejects_wrong_options() {
    let cases = cases();
    let place = Place::new();
    let wrong = [
        ("ddim_v", "--prediction epsilon"),
        ("ddim_leading", "--no-clip"),
        ("ddim_x0", "--prediction v"),
        ("ddpm_fixed_small", "--variance beta"),
        ("ddpm_fixed_large", "--variance beta-tilde"),
        ("ddpm_learned_range", "--variance beta"),
        ("ddpm_linspace", "--spacing trailing"),
        ("multistep", "--spacing leading"),
        ("multistep", "--clip"),
        ("multistep_few", "--sampler ddim"),
        ("multistep_few", "--sampler heun"),
        ("multistep_v", "--prediction epsilon"),
    ];
    for (name, option) in wrong {
        let case = case(&cases, name);
        let line = format!("{option} {}", previous(case));
        let worst = difference(&sample(&place, case, &cases["seeds"], &line), &result(name));
        assert!(worst > 50.0 * TOLERANCE, "{name} with {option} differs by {worst:e} only");
    }
}
