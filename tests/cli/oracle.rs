//! `verify`, `table`, `check` and `cases` from outside.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use ndarray::{Array0, Array1, Array2};
use ndarray_npy::{NpzReader, NpzWriter};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::program::{Ended, Place};

// ---- verify ---------------------------------------------------------------------------------------------------------

#[test]
fn verify_holds_and_covers_the_ledger_within_a_minute() {
    let start = Instant::now();
    let all: Value = serde_json::from_str(&Place::new().done("verify --json").stdout).unwrap();
    assert!(start.elapsed().as_secs() <= 60, "{:?}", start.elapsed());
    assert_eq!((&all["version"], &all["seed"]), (&json!(1), &json!(0)));
    let claims = all["claims"].as_array().unwrap();
    assert!(claims.len() >= 60, "{} claims", claims.len());
    for claim in claims {
        assert_eq!(claim["ok"], true, "{claim}");
        assert!(claim["name"].is_string() && claim["method"].is_string() && claim["at"].is_string(), "{claim}");
        assert!(claim["points"].as_u64().unwrap() > 0 && claim["seconds"].is_f64(), "{claim}");
        assert!(claim["worst_share"].as_f64().unwrap() <= 1.0, "{claim}");
        assert!(claim["faults"]["total"].as_u64().unwrap() >= 3, "{claim}");
        assert_eq!(claim["faults"]["rejected"], claim["faults"]["total"], "{claim}");
        for row in claim["rows"].as_array().unwrap() {
            let id = row["id"].as_str().unwrap();
            assert!(id.starts_with(['S', 'A', 'B']) && !id.contains(['-', ',', ' ']), "{id}");
            assert!(["got", "want", "tol"].iter().all(|key| !row[key].is_null()), "{row}");
        }
    }
    let prose = all["prose"].as_array().unwrap();
    assert!(!prose.is_empty() && prose.iter().all(|row| row["id"].is_string() && row["text"].is_string()));
}

#[test]
fn verify_runs_the_claim_or_the_row_asked_for() {
    let place = Place::new();
    let one = place.done("verify --claim posterior_equals_bayes");
    assert!(
        one.stdout.contains("posterior_equals_bayes") && one.stdout.contains("1 of 1 claims hold"),
        "{}",
        one.stdout
    );
    let rows: Value = serde_json::from_str(&place.done("verify --row S0.52 --json").stdout).unwrap();
    for claim in rows["claims"].as_array().unwrap() {
        assert!(claim["rows"].as_array().unwrap().iter().any(|row| row["id"] == "S0.52"), "{claim}");
    }
    let other = place.done("verify --claim posterior_equals_bayes --seed 7 --cases 8 --markdown");
    assert!(other.stdout.contains("| `posterior_equals_bayes` |"), "{}", other.stdout);
    place.fails("verify --row S9.99", 2, &["S9.99"]);
    place.fails("verify --claim no_such_claim", 2, &["no_such_claim"]);
    place.fails("verify --cases 0", 2, &["--cases"]);
    place.fails("verify --json --markdown", 2, &["--markdown"]);
}

// ---- table ----------------------------------------------------------------------------------------------------------

#[test]
fn tables_are_written_in_three_formats_that_check_reads_back() {
    let place = Place::new();
    for schedule in ["linear", "scaled-linear", "cosine", "sigmoid", "const", "jsd"] {
        for format in ["csv", "json", "npz"] {
            let file = format!("t.{format}");
            place.done(&format!("table --schedule {schedule} --steps 50 --format {format} --out {file}"));
            let judged = place.done(&format!("check {file} --schedule {schedule} --steps 50"));
            assert!(!judged.stdout.contains("WRONG"), "{schedule} {format}\n{}", judged.stdout);
        }
    }
    let csv = place.done("table --schedule cosine --steps 1000").stdout;
    assert!(csv.starts_with("t,beta,alpha,") && csv.lines().count() == 1001);
    let json: Value = serde_json::from_str(&place.done("table --steps 10 --format json").stdout).unwrap();
    assert_eq!(json["alpha_bar"].as_array().unwrap().len(), 10);
    let mut npz = NpzReader::new(File::open(place.path("t.npz")).unwrap()).unwrap();
    let last: Array1<f64> = npz.by_name("alpha_bar").unwrap();
    assert_eq!((last.len(), last[49]), (50, 0.0), "jsd ends in noise alone");
    place.fails("table --format npz", 2, &["--out"]);
    place.fails("table --schedule exotic", 2, &["exotic", "linear"]);
    place.fails("table --beta-end 2", 2, &["beta["]);
}

#[test]
fn the_report_shows_what_ordinary_evaluation_costs() {
    let text = Place::new().done("table --report").stdout;
    assert!(text.contains("f32") && text.contains("f64") && text.contains("one_minus_alpha_bar"), "{text}");
}

// ---- check ----------------------------------------------------------------------------------------------------------

fn linear(steps: usize) -> Vec<f64> {
    (0..steps).map(|i| 1e-4 + (0.02 - 1e-4) * i as f64 / (steps - 1) as f64).collect()
}

fn cumprod(betas: &[f64]) -> Vec<f64> {
    let mut product = 1.0;
    let bar = |beta: &f64| {
        product *= 1.0 - beta;
        product
    };
    betas.iter().map(bar).collect()
}

/// `np.cos((t / T + 0.008) / 1.008 * np.pi / 2) ** 2`, with t/T in whole numbers if asked.
fn cosine(steps: usize, whole: bool) -> Vec<f64> {
    let ratio = |t: usize| if whole { (t / steps) as f64 } else { t as f64 / steps as f64 };
    let f = |t: usize| ((ratio(t) + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    (0..steps).map(|t| (1.0 - f(t + 1) / f(t)).min(0.999)).collect()
}

/// ln β̃ with the first entry by `first(β̃_1, β̃_2)`.
fn log_variance(betas: &[f64], first: impl Fn(f64) -> f64) -> Vec<f64> {
    let bar = cumprod(betas);
    let tilde = |i: usize| betas[i] * (1.0 - bar[i - 1]) / (1.0 - bar[i]);
    std::iter::once(first(tilde(1)).ln()).chain((1..betas.len()).map(|i| tilde(i).ln())).collect()
}

fn csv(place: &Place, name: &str, columns: &[(&str, &[f64])]) {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut text = names.join(",") + "\n";
    for i in 0..columns[0].1.len() {
        let row: Vec<String> = columns.iter().map(|(_, values)| format!("{:?}", values[i])).collect();
        text += &(row.join(",") + "\n");
    }
    place.write(name, text);
}

fn npz(path: &Path, arrays: &[(&str, Vec<f64>)]) {
    let mut writer = NpzWriter::new(File::create(path).unwrap());
    for (name, values) in arrays {
        writer.add_array(*name, &Array1::from(values.clone())).unwrap();
    }
    writer.finish().unwrap();
}

/// Tensors of one type, as little-endian bytes.
fn safetensors(place: &Place, name: &str, dtype: Dtype, tensors: &[(&str, Vec<usize>, Vec<u8>)]) {
    let view = |(name, shape, bytes): &(&str, Vec<usize>, Vec<u8>)| {
        (
            (*name).to_owned(),
            TensorView::new(dtype, shape.clone(), bytes).unwrap().dtype(),
            shape.clone(),
            bytes.clone(),
        )
    };
    let owned: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors.iter().map(view).collect();
    let views = owned
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    place.write(name, safetensors::serialize(views, None).unwrap());
}

fn single(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect()
}

fn half(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|&v| half::f16::from_f64(v).to_le_bytes()).collect()
}

/// Judged wrong, exit 1, with these words on standard output.
fn wrong(place: &Place, line: &str, words: &[&str]) -> Ended {
    let ended = place.run(line);
    assert_eq!(ended.code, Some(1), "alphabar {line}\n{}{}", ended.stdout, ended.stderr);
    for word in words {
        assert!(ended.stdout.contains(word), "alphabar {line}\nno {word:?} in: {}", ended.stdout);
    }
    ended
}

/// Judged right, exit 0, with these words on standard output.
fn right(place: &Place, line: &str, words: &[&str]) {
    let ended = place.run(line);
    assert_eq!(ended.code, Some(0), "alphabar {line}\n{}{}", ended.stdout, ended.stderr);
    for word in words {
        assert!(ended.stdout.contains(word), "alphabar {line}\nno {word:?} in: {}", ended.stdout);
    }
}

#[test]
fn the_cosine_schedule_in_whole_numbers_is_named() {
    let place = Place::new();
    csv(&place, "broken.csv", &[("betas", &cosine(1000, true))]);
    let words = ["integer division: t/T is 0 for every t < T", "cosine_integer_division"];
    wrong(&place, "check broken.csv --schedule cosine", &words);
    wrong(&place, "check broken.csv", &words);
    let ended = wrong(&place, "check broken.csv --json", &[]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["right"], false);
    assert_eq!(report["findings"][0]["faults"][0]["name"], "cosine_integer_division");
    csv(&place, "right.csv", &[("betas", &cosine(1000, false))]);
    right(&place, "check right.csv --schedule cosine", &["squaredcos_cap_v2 with T = 1000, as named"]);
    right(&place, "check right.csv", &["recognised as squaredcos_cap_v2"]);
}

#[test]
fn right_tables_in_every_format_are_right() {
    let place = Place::new();
    let betas = linear(1000);
    let bar = cumprod(&betas);
    csv(
        &place,
        "t.csv",
        &[("t", &(1..=1000).map(f64::from).collect::<Vec<_>>()), ("betas", &betas), ("alphas_cumprod", &bar)],
    );
    place.write("t.json", json!({"betas": betas, "alphas_cumprod": bar}).to_string());
    place.write("nested.json", json!({"steps": 1000, "tables": {"betas": betas, "alphas_cumprod": bar}}).to_string());
    npz(&place.path("t.npz"), &[("betas", betas.clone()), ("alphas_cumprod", bar.clone())]);
    let bytes = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let tensors = [("betas", vec![1000], bytes(&betas)), ("alphas_cumprod", vec![1000], bytes(&bar))];
    safetensors(&place, "t.safetensors", Dtype::F64, &tensors);
    for file in ["t.csv", "t.json", "nested.json", "t.npz", "t.safetensors"] {
        let words = ["recognised as linear with T = 1000, beta from 0.0001 to 0.02", "ᾱ_t, 1000 entries, f64"];
        right(&place, &format!("check {file}"), &words);
        right(&place, &format!("check {file} --schedule linear --steps 1000 --beta-end 0.02"), &["as named"]);
    }
}

#[test]
fn buffers_of_a_checkpoint_work_as_they_are() {
    let place = Place::new();
    let betas = linear(1000);
    let bar = cumprod(&betas);
    let list = vec![1000];
    let layer = ("model.timestep_embedder.mlp.bias", vec![4], single(&[0.5, 0.1, -0.3, 0.2]));
    let weight = ("model.weight", vec![2, 2], single(&[1.0, 2.0, 3.0, 4.0]));
    let log = log_variance(&betas, |_| 1e-20);
    let posterior = ("model.posterior_log_variance_clipped", list.clone(), single(&log));
    let right_ones = [
        ("model.betas", list.clone(), single(&betas)),
        ("model.alphas_cumprod", vec![1000, 1, 1, 1], single(&bar)),
        ("ema.betas", list.clone(), single(&cosine(1000, false))),
        ("ema.alphas_cumprod", list.clone(), single(&cumprod(&cosine(1000, false)))),
        posterior,
        layer.clone(),
        weight,
    ];
    safetensors(&place, "model.safetensors", Dtype::F32, &right_ones);
    right(&place, "check model.safetensors", &["f32", "linear", "squaredcos_cap_v2", "first entry ln 1e-20"]);
    let shifted: Vec<f64> = std::iter::once(1.0).chain(bar.iter().copied()).take(1000).collect();
    let wrong_ones =
        [("model.betas", list.clone(), single(&betas)), ("model.alphas_cumprod", list, single(&shifted)), layer];
    safetensors(&place, "wrong.safetensors", Dtype::F32, &wrong_ones);
    wrong(&place, "check wrong.safetensors", &["this is ᾱ_{t−1}: the table is shifted by one"]);
}

#[test]
fn text_of_single_precision_is_judged_as_such() {
    let place = Place::new();
    let betas: Vec<f32> = linear(1000).iter().map(|&b| b as f32).collect();
    let mut product = 1.0_f32;
    let bar: Vec<f32> = betas
        .iter()
        .map(|b| {
            product *= 1.0 - b;
            product
        })
        .collect();
    place.write("t.json", json!({"betas": betas, "alphas_cumprod": bar}).to_string());
    right(&place, "check t.json", &["alphas_cumprod (ᾱ_t, 1000 entries, f32)"]);
    let rows: String = betas.iter().zip(&bar).map(|(beta, bar)| format!("{beta},{bar}\n")).collect();
    place.write("t.csv", format!("betas,alphas_cumprod\n{rows}"));
    right(&place, "check t.csv", &["alphas_cumprod (ᾱ_t, 1000 entries, f32)"]);
    csv(&place, "short.csv", &[("betas", &[0.1, 0.2, 0.3]), ("alphas_cumprod", &[0.9, 0.72, 0.504])]);
    right(&place, "check short.csv", &["3 entries, f64"]);
}

#[test]
fn half_precision_is_judged_as_such() {
    let place = Place::new();
    let betas = linear(1000);
    let tensors = [
        ("betas", vec![1000], half(&betas)),
        ("sqrt_alphas_cumprod", vec![1000], half(&cumprod(&betas).iter().map(|b| b.sqrt()).collect::<Vec<_>>())),
    ];
    safetensors(&place, "half.safetensors", Dtype::F16, &tensors);
    right(&place, "check half.safetensors", &["f16"]);
    let mut zip = zip::ZipWriter::new(File::create(place.path("half.npz")).unwrap());
    for (name, _, bytes) in &tensors {
        let header = format!("{:<117}\n", "{'descr': '<f2', 'fortran_order': False, 'shape': (1000,), }");
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"\x93NUMPY\x01\x00\x76\x00").unwrap();
        zip.write_all(header.as_bytes()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    right(&place, "check half.npz", &["f16"]);
}

#[test]
fn both_conventions_of_the_clipped_log_variance_are_right_and_named() {
    let place = Place::new();
    let betas = linear(1000);
    let copied = log_variance(&betas, |second| second);
    csv(&place, "copied.csv", &[("betas", &betas), ("posterior_log_variance_clipped", &copied)]);
    right(&place, "check copied.csv", &["convention: first entry copied from the second"]);
    let floor = log_variance(&betas, |_| 1e-20);
    csv(&place, "floor.csv", &[("betas", &betas), ("posterior_log_variance_clipped", &floor)]);
    right(&place, "check floor.csv", &["convention: first entry ln 1e-20"]);
}

#[test]
fn nan_and_infinity_are_findings() {
    let place = Place::new();
    let list = |values: &[f64]| {
        let text: Vec<String> =
            values.iter().map(|v| if v.is_nan() { "NaN".into() } else { format!("{v:?}") }).collect();
        format!("[{}]", text.join(", "))
    };
    let mut betas = linear(100);
    betas[7] = f64::NAN;
    place.write("nan.json", format!("{{\"betas\": {}}}", list(&betas)));
    wrong(&place, "check nan.json", &["index 7", "NaN"]);
    place.write("inf.json", "{\"betas\": [0.1, 0.2, Infinity, -Infinity]}");
    wrong(&place, "check inf.json", &["index 2"]);
    csv(&place, "nan.csv", &[("betas", &betas)]);
    wrong(&place, "check nan.csv --schedule linear", &["index 7"]);
    csv(&place, "large.csv", &[("betas", &[0.1, 1.5, 0.2])]);
    wrong(&place, "check large.csv", &["index 1", "outside"]);
}

#[test]
fn another_schedule_and_swapped_arrays_are_said() {
    let place = Place::new();
    let betas = linear(1000);
    csv(&place, "betas.csv", &[("betas", &betas)]);
    wrong(
        &place,
        "check betas.csv --schedule cosine",
        &["the betas are linear with T = 1000, beta from 0.0001 to 0.02"],
    );
    wrong(&place, "check betas.csv --schedule linear --beta-end 0.012", &["beta from 0.0001 to 0.02, not"]);
    wrong(&place, "check betas.csv --schedule linear --steps 500", &["1000 entries where 500 were expected"]);
    let (signal, noise): (Vec<f64>, Vec<f64>) = cumprod(&betas).iter().map(|b| (b.sqrt(), (1.0 - b).sqrt())).unzip();
    let swapped =
        [("betas", &betas[..]), ("sqrt_alphas_cumprod", &noise), ("sqrt_one_minus_alphas_cumprod", &signal)];
    csv(&place, "swapped.csv", &swapped);
    wrong(
        &place,
        "check swapped.csv",
        &["WRONG      sqrt_alphas_cumprod", "WRONG      sqrt_one_minus_alphas_cumprod"],
    );
    let note = r#""sqrt_alphas_cumprod" and "sqrt_one_minus_alphas_cumprod" are exchanged"#;
    wrong(&place, "check swapped.csv", &[note]);
}

#[test]
fn a_scheduler_configuration_says_what_was_meant() {
    let place = Place::new();
    place.write("cosine.json", r#"{"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 1000}"#);
    csv(&place, "cosine.csv", &[("betas", &cosine(1000, false))]);
    csv(&place, "linear.csv", &[("betas", &linear(1000))]);
    right(&place, "check cosine.csv --scheduler cosine.json", &["as named"]);
    wrong(&place, "check linear.csv --scheduler cosine.json", &["the betas are linear"]);
    right(&place, "check linear.csv --scheduler cosine.json --schedule linear", &["as named"]);
    place.write("flow.json", r#"{"beta_schedule": "squaredcos_cap_v2", "prediction_type": "flow_prediction"}"#);
    right(&place, "check cosine.csv --scheduler flow.json", &["as named"]);
    place.write("given.json", r#"{"trained_betas": [0.1, 0.2]}"#);
    wrong(&place, "check linear.csv --scheduler given.json", &["1000 entries where 2 were expected"]);
    place.fails("check linear.csv --scheduler given.json --steps 2", 2, &["trained_betas", "--schedule"]);
    csv(&place, "given.csv", &[("betas", &[0.1, 0.2]), ("alphas_cumprod", &[0.9, 0.72])]);
    right(&place, "check given.csv --scheduler given.json", &["the 2 betas that were given, as named"]);
    csv(&place, "other.csv", &[("betas", &[0.1, 0.3])]);
    wrong(&place, "check other.csv --scheduler given.json", &["index 1"]);
    place.write("odd.json", r#"{"beta_schedule": "exotic"}"#);
    place.fails("check linear.csv --scheduler odd.json", 2, &["odd.json", "exotic"]);
}

/// Algorithm 1 of arXiv:2305.08891 in plain f64.
fn rescaled(betas: &[f64]) -> Vec<f64> {
    let roots: Vec<f64> = cumprod(betas).iter().map(|bar| bar.sqrt()).collect();
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    let mut before = 1.0;
    let beta = |root: &f64| {
        let bar = ((root - last) * (first / (first - last))).powi(2);
        1.0 - bar / std::mem::replace(&mut before, bar)
    };
    roots.iter().map(beta).collect()
}

#[test]
fn a_configuration_with_zero_terminal_snr_is_judged_by_the_rescaled_chain() {
    let place = Place::new();
    place.write("zero.json", r#"{"rescale_betas_zero_snr": true, "prediction_type": "v_prediction"}"#);
    place.write("plain.json", "{}");
    let zero = rescaled(&linear(1000));
    let bar = cumprod(&zero);
    let root: Vec<f64> = bar.iter().map(|bar| (1.0 / bar).sqrt()).collect();
    let columns = [("betas", &zero[..]), ("alphas_cumprod", &bar[..]), ("sqrt_recip_alphas_cumprod", &root[..])];
    csv(&place, "zero.csv", &columns);
    csv(&place, "linear.csv", &[("betas", &linear(1000))]);
    right(&place, "check zero.csv --scheduler zero.json", &["rescaled to zero terminal SNR, as named"]);
    right(&place, "check zero.csv", &["recognised as linear", "rescaled to zero terminal SNR"]);
    wrong(&place, "check linear.csv --scheduler zero.json", &["`zero_snr_not_rescaled`", "was not rescaled"]);
    wrong(&place, "check zero.csv --scheduler plain.json", &["`zero_snr_rescaled_unasked`", "index 999"]);
    let given: Vec<String> = linear(50).iter().map(f64::to_string).collect();
    place
        .write("both.json", format!(r#"{{"trained_betas": [{}], "rescale_betas_zero_snr": true}}"#, given.join(",")));
    csv(&place, "short.csv", &[("betas", &rescaled(&linear(50)))]);
    right(&place, "check short.csv --scheduler both.json", &["rescaled to zero terminal SNR, as named"]);
}

#[test]
fn what_cannot_be_parsed_is_refused() {
    let place = Place::new();
    place.write("words.csv", "betas\n0.1\nmany\n");
    place.fails("check words.csv", 2, &["words.csv", "row 3", "many"]);
    place.write("bare.csv", "0.1\n0.2\n");
    place.fails("check bare.csv", 2, &["bare.csv", "column names"]);
    place.write("ragged.csv", "betas,snr\n0.1\n");
    place.fails("check ragged.csv", 2, &["ragged.csv"]);
    place.write("half.json", "{\"betas\": [0.1, ");
    place.fails("check half.json", 2, &["half.json", "JSON"]);
    place.write("list.json", "[0.1, 0.2]");
    place.fails("check list.json", 2, &["list.json", "object"]);
    place.write("mixed.json", r#"{"betas": [0.1, "many"]}"#);
    place.fails("check mixed.json", 2, &["mixed.json", "betas"]);
    for file in ["a.npz", "a.safetensors"] {
        place.write(file, "neither");
        place.fails(&format!("check {file}"), 2, &[file]);
    }
    place.write("model.ckpt", "0");
    place.fails("check model.ckpt", 2, &["model.ckpt", ".safetensors"]);
    place.fails("check nowhere.csv", 2, &["nowhere.csv"]);
    place.write("others.csv", "loss\n0.1\n0.2\n");
    place.fails("check others.csv", 2, &["others.csv", "betas"]);
}

#[test]
fn arrays_that_are_no_lists_are_left_out_or_refused() {
    let place = Place::new();
    let mut writer = NpzWriter::new(File::create(place.path("t.npz")).unwrap());
    writer.add_array("betas", &Array1::from(linear(100)).into_shape_with_order((100, 1)).unwrap()).unwrap();
    writer.add_array("num_timesteps", &Array0::from_elem((), 100_i64)).unwrap();
    writer.add_array("weight", &Array2::<f32>::zeros((3, 4))).unwrap();
    writer.finish().unwrap();
    right(&place, "check t.npz", &["recognised as linear"]);
    let mut writer = NpzWriter::new(File::create(place.path("square.npz")).unwrap());
    writer.add_array("betas", &Array2::<f32>::from_elem((3, 4), 0.1)).unwrap();
    writer.finish().unwrap();
    place.fails("check square.npz", 2, &["square.npz", "betas", "axis"]);
    let mut writer = NpzWriter::new(File::create(place.path("scalar.npz")).unwrap());
    writer.add_array("betas", &Array0::from_elem((), 0.1)).unwrap();
    writer.finish().unwrap();
    place.fails("check scalar.npz", 2, &["scalar.npz", "betas"]);
}

// ---- cases ----------------------------------------------------------------------------------------------------------

fn inputs(place: &Place, name: &str) -> impl Fn(&str) -> Vec<f64> {
    let path = place.path(name);
    move |array| {
        let mut reader = NpzReader::new(File::open(&path).unwrap()).unwrap();
        reader.by_name::<ndarray::OwnedRepr<f64>, ndarray::Ix1>(array).unwrap().to_vec()
    }
}

#[test]
fn answers_to_a_case_are_judged_and_their_fault_is_named() {
    let place = Place::new();
    place.done("cases ddim --out c.npz");
    let input = inputs(&place, "c.npz");
    let (bar, prev, xt, pred) = (input("alpha_bar"), input("alpha_bar_prev"), input("xt"), input("pred"));
    let step = |noise: &[f64]| -> Vec<f64> {
        let x0 = |i: usize| (xt[i] - (1.0 - bar[i]).sqrt() * pred[i]) / bar[i].sqrt();
        (0..xt.len()).map(|i| prev[i].sqrt() * x0(i) + (1.0 - noise[i]).sqrt() * pred[i]).collect()
    };
    npz(&place.path("right.npz"), &[("x_prev", step(&prev))]);
    right(&place, "check c.npz --answers right.npz", &["right"]);
    npz(&place.path("wrong.npz"), &[("x_prev", step(&bar))]);
    wrong(&place, "check c.npz --answers wrong.npz", &["√(1 − ᾱ_t) where √(1 − ᾱ_{t−1}) was meant"]);
    csv(&place, "right.csv", &[("x_prev", &step(&prev))]);
    right(&place, "check c.npz --answers right.csv", &[]);
    safetensors(&place, "right.safetensors", Dtype::F32, &[("x_prev", vec![64], single(&step(&prev)))]);
    right(&place, "check c.npz --answers right.safetensors", &["f32"]);
    npz(&place.path("few.npz"), &[("x_prev", vec![0.0; 3])]);
    wrong(&place, "check c.npz --answers few.npz", &["3 answers where 64 were asked for"]);
    npz(&place.path("none.npz"), &[("y", vec![0.0; 64])]);
    wrong(&place, "check c.npz --answers none.npz", &["no array \"x_prev\""]);
}

#[test]
fn cases_are_listed_written_and_guarded() {
    let place = Place::new();
    let list = place.done("cases").stdout;
    for name in ["posterior", "kl", "x0-from-eps", "eps-from-x0", "v", "ddpm", "ddim", "guidance"] {
        assert!(list.lines().any(|line| line.starts_with(name)), "{list}");
        place.done(&format!("cases {name}"));
        assert!(place.names().contains(&format!("{name}.npz")));
    }
    place.fails("cases exotic", 2, &["exotic", "posterior"]);
    place.fails("cases --out c.npz", 2, &["NAME"]);
    npz(&place.path("c.npz"), &[("xt", vec![0.0; 64])]);
    place.fails("check c.npz --answers kl.npz", 2, &["c.npz", "alphabar cases"]);
}
