//! `alphabar convert`: what it writes, what it finds wrong, and what it leaves alone.

use alphabar::onnx::{ModelSource, RuntimeOptions, load};
use alphabar::onnx_model::proto::{Model, data_type};
use alphabar::onnx_model::{Options, Precision, convert, decode, encode, infer, read};
use serde_json::Value;

use super::program::{Place, fixture};

/// Few steps: the deviation of one evaluation does not depend on them.
const CHECKED: &str = "--device cpu --steps 10 --count 4";

fn original() -> Model {
    read(&ModelSource::fixture()).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn fp16_model_is_near_the_original_and_half_its_size() {
    let place = Place::new();
    let model = fixture("mnist-unet").display().to_string();
    let said = json(&place.done(&format!("convert {model} --fp16 --out half --json {CHECKED}")).stdout);
    let deviation = &said["deviation"];
    // 11 bits of significand: 5e-4 each; the ε of the last step is a small difference of large numbers.
    for at in deviation["evaluations"].as_array().unwrap() {
        let (timestep, relative) = (at["timestep"].as_f64().unwrap(), at["relative_rms"].as_f64().unwrap());
        let bound = if timestep < 100.0 { 2e-2 } else { 1e-3 };
        assert!(relative > 0.0 && relative < bound, "{at}");
    }
    let rms = deviation["sample_rms"].as_f64().unwrap();
    assert!(rms > 1e-6 && rms < 2e-3, "{deviation}");

    // The folder is a pipeline: everything but the graph is as it was, and the program draws from it.
    for name in ["README.md", "model_index.json", "scheduler/scheduler_config.json"] {
        let kept = std::fs::read(place.path("half").join(name)).unwrap();
        assert_eq!(kept, std::fs::read(fixture("mnist-unet").join(name)).unwrap(), "{name}");
    }
    let size = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().len();
    assert!(size(place.path("half/unet/model.onnx")) < size(fixture("mnist-unet/unet/model.onnx")) * 51 / 100);
    let record = json(&std::fs::read_to_string(place.path("half/conversion.json")).unwrap());
    assert_eq!((&record["precision"], &record["graph_io"]), (&"fp16".into(), &"f32".into()));
    place.done("sample half --count 2 --steps 2 --out s.npy --device cpu");

    // Weights that round to nothing are named.
    let lost = said["conversion"]["underflow"].as_array().unwrap();
    let lost: i64 = lost.iter().map(|misfit| misfit["count"].as_i64().unwrap()).sum();
    let weights = original().graph.unwrap().initializer;
    let tiny = |x: &f32| *x != 0.0 && x.abs() <= 2.0_f32.powi(-25);
    let floats = weights.iter().filter(|tensor| tensor.is_f32());
    let expected = floats.flat_map(|tensor| tensor.to_f32()).filter(tiny).count();
    assert_eq!(lost as usize, expected);
    assert!(said["conversion"]["overflow"].as_array().unwrap().is_empty());

    // Nothing is written over.
    place.fails(&format!("convert {model} --fp16 --out half"), 1, &["already"]);
    place.fails("convert half --fp16 --out again --device cpu", 1, &["no f32 weights"]);
}

#[test]
fn graph_inputs_and_outputs_can_be_fp16() {
    let place = Place::new();
    place.done(&format!("convert --fp16 --graph-io fp16 --out half {CHECKED}"));
    let model = decode("half", &std::fs::read(place.path("half/unet/model.onnx")).unwrap()).unwrap();
    let graph = model.graph.unwrap();
    let kinds: Vec<Option<i32>> = graph.input.iter().chain(&graph.output).map(|port| port.elem_type()).collect();
    let (half, int) = (Some(data_type::FLOAT16), Some(data_type::INT64));
    assert_eq!(kinds, [half, int, int, half]);
    assert!(place.done("info half").stdout.contains("float16"));
}

#[test]
fn a_broken_conversion_fails_the_check() {
    let place = Place::new();
    place.done("convert --fp16 --out half --no-check --device cpu");
    let path = place.path("half/unet/model.onnx");
    let good = decode("half", &std::fs::read(&path).unwrap()).unwrap();
    place.done(&format!("convert --check half {CHECKED}"));
    // One weight, 5 % too large; not one whose size the next normalisation takes out again.
    let mut broken = good.clone();
    let weights = &mut broken.graph.as_mut().unwrap().initializer;
    let weight = weights.iter_mut().find(|tensor| tensor.name.as_deref() == Some("net.up.1.conv2.weight")).unwrap();
    assert_eq!(weight.data_type, Some(data_type::FLOAT16));
    let values = weight.raw_data.as_ref().unwrap().as_chunks::<2>().0.iter();
    let larger =
        |&bytes: &[u8; 2]| half::f16::from_f32(half::f16::from_le_bytes(bytes).to_f32() * 1.05).to_le_bytes();
    weight.raw_data = Some(values.flat_map(larger).collect());
    std::fs::write(&path, encode(&broken)).unwrap();
    place.fails(&format!("convert --check half {CHECKED}"), 1, &["is off by", "allowed"]);
    // A deviation beyond what was asked for leaves nothing behind.
    place.fails(&format!("convert --fp16 --out other --sample-bound 1e-9 {CHECKED}"), 1, &["is not written"]);
}

#[test]
fn weights_beyond_the_range_stay_in_f32_and_are_named() {
    let place = Place::new();
    let mut model = original();
    let weights = &mut model.graph.as_mut().unwrap().initializer;
    let weight = weights.iter_mut().find(|tensor| tensor.name.as_deref() == Some("net.up.0.skip.bias")).unwrap();
    let mut raw = weight.raw_data.take().unwrap().to_vec();
    raw[..4].copy_from_slice(&1e5_f32.to_le_bytes());
    weight.raw_data = Some(raw.into());
    place.write("large.onnx", encode(&model));
    let said = json(&place.done("convert large.onnx --fp16 --out half --no-check --json --device cpu").stdout);
    let overflow = &said["conversion"]["overflow"];
    assert_eq!(overflow.as_array().unwrap().len(), 1, "{overflow}");
    assert_eq!((&overflow[0]["tensor"], &overflow[0]["count"]), (&"net.up.0.skip.bias".into(), &1.into()));
    let converted = decode("half", &std::fs::read(place.path("half/unet/model.onnx")).unwrap()).unwrap();
    let kind = |name: &str| {
        let mut weights = converted.graph.as_ref().unwrap().initializer.iter();
        weights.find(|tensor| tensor.name.as_deref() == Some(name)).unwrap().data_type
    };
    assert_eq!(kind("net.up.0.skip.bias"), Some(data_type::FLOAT));
    assert_eq!(kind("net.up.0.skip.weight"), Some(data_type::FLOAT));
    assert_eq!(kind("net.up.1.skip.weight"), Some(data_type::FLOAT16));
}

#[test]
fn the_timestep_and_the_last_step_stay_in_f32() {
    let mut model = original();
    let types = infer(load(&RuntimeOptions::from_environment(None)).unwrap(), &model).unwrap();
    convert(&mut model, &types, &Options::new(Precision::Fp16)).unwrap();
    let graph = model.graph.as_ref().unwrap();
    let made = |op: &str| graph.node.iter().find(|node| node.op() == op).unwrap();
    let kind = |name: &str| {
        let weights = graph.initializer.iter().find(|tensor| tensor.name.as_deref() == Some(name));
        weights.map(|tensor| tensor.data_type.unwrap())
    };
    // t · ω is a phase of up to 999: in fp16 it would be off by half a turn of the circle's 12th part.
    assert_eq!(made("Sin").input, ["/net/Mul_output_0"]);
    assert_eq!(kind("net.frequencies"), Some(data_type::FLOAT));
    assert_eq!((kind("signal"), kind("noise")), (Some(data_type::FLOAT), Some(data_type::FLOAT)));
    assert_eq!(kind("net.stem.weight"), Some(data_type::FLOAT16));
    let last = graph.node.last().unwrap();
    assert_eq!((last.op(), &last.output[0]), ("Add", &"out_sample".to_owned()));
    assert!(graph.node.iter().any(|node| node.op() == "InstanceNormalization"));
    for node in graph.node.iter().filter(|node| node.op() == "InstanceNormalization") {
        assert!(node.input[0].ends_with("_f32"), "{node:?}");
    }
}

#[test]
fn bf16_rounds_to_8_bits_and_needs_opset_22() {
    let mut model = original();
    let types = infer(load(&RuntimeOptions::from_environment(None)).unwrap(), &model).unwrap();
    let before = model.graph.as_ref().unwrap().initializer.clone();
    convert(&mut model, &types, &Options::new(Precision::Bf16)).unwrap();
    assert_eq!(model.opset_import[0].version, Some(22));
    let mut compared = 0;
    for tensor in &model.graph.as_ref().unwrap().initializer {
        if tensor.data_type == Some(data_type::BFLOAT16)
            && let Some(was) = before.iter().find(|was| was.name == tensor.name)
        {
            let raw = tensor.raw_data.as_ref().unwrap();
            for (bytes, was) in raw.as_chunks::<2>().0.iter().zip(was.to_f32()) {
                let now = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
                assert!((now - was).abs() <= was.abs() / 256.0, "{now} {was}");
                compared += 1;
            }
        }
    }
    assert!(compared > 1_300_000);

    // The CPU has no bfloat16 convolutions: that is said, and nothing is left.
    let place = Place::new();
    place.fails(&format!("convert --bf16 --out b {CHECKED}"), 1, &["--no-check", "bf16"]);
    place.done("convert --bf16 --out b --no-check --device cpu");
    place.fails("convert --bf16 --graph-io fp16 --out c", 2, &["--graph-io"]);
}

#[test]
fn what_cannot_be_converted_is_refused() {
    let place = Place::new();
    place.fails("convert", 2, &["--out"]);
    place.fails("convert --out x", 2, &["--fp16"]);
    place.fails("convert --fp16 --out no/such/folder", 1, &["does not exist"]);
    place.write("text.onnx", b"\x08\x08 no graph");
    place.fails("convert text.onnx --fp16 --out x --device cpu", 1, &["not an ONNX model"]);
    let half = super::program::network("half");
    place.fails(&format!("convert {half} --fp16 --out x --device cpu"), 1, &[]);
}
