//! `alphabar convert`: what it writes, what it finds wrong, and what it leaves alone.

use alphabar::onnx::graph::proto::{Model, Node, Tensor, data_type};
use alphabar::onnx::graph::{Options, Precision, convert, decode, encode, infer, read};
use alphabar::onnx::{ModelSource, RuntimeOptions, load_or_install};
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
    let types = infer(load_or_install(&RuntimeOptions::from_environment(), &mut |_| {}).unwrap(), &model).unwrap();
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
    let types = infer(load_or_install(&RuntimeOptions::from_environment(), &mut |_| {}).unwrap(), &model).unwrap();
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

/// The runtime's group normalisation by its definition, in ONNX's own operators, channels last.
fn by_definition(model: &mut Model) -> usize {
    let graph = model.graph.as_mut().unwrap();
    let mut count = 0;
    for node in std::mem::take(&mut graph.node) {
        if !node.is_group_norm() {
            graph.node.push(node);
            continue;
        }
        count += 1;
        let number = |name: &str| node.attribute(name).unwrap().i.unwrap();
        assert_eq!(number("channels_last"), 1);
        let name = |what: &str| format!("norm.{count}.{what}");
        let weight = |k: usize| graph.initializer.iter().find(|t| t.name.as_ref() == Some(&node.input[k])).unwrap();
        let channels = weight(1).dims[0];
        let lists: [(&str, Vec<i64>); 3] =
            [("groups", vec![0, number("groups"), -1]), ("axis", vec![2]), ("column", vec![channels, 1, 1])];
        let epsilon = node.attribute("epsilon").unwrap().f.unwrap();
        let constants = lists.map(|(what, list)| Tensor::i64(&name(what), &list));
        graph.initializer.extend(constants);
        graph.initializer.push(Tensor::f32(&name("epsilon"), &[], &[epsilon]));
        let mut put = |op: &str, inputs: &[&str], output: &str| {
            let inputs: Vec<String> =
                inputs.iter().map(|&input| input.strip_prefix('@').map_or_else(|| input.to_owned(), &name)).collect();
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            graph.node.push(Node::new(op, &inputs, &[&name(output)]));
        };
        put("Transpose", &[&node.input[0]], "x");
        put("Shape", &["@x"], "shape");
        put("Reshape", &["@x", "@groups"], "grouped");
        put("ReduceMean", &["@grouped", "@axis"], "mean");
        put("Sub", &["@grouped", "@mean"], "difference");
        put("Mul", &["@difference", "@difference"], "square");
        put("ReduceMean", &["@square", "@axis"], "variance");
        put("Add", &["@variance", "@epsilon"], "sum");
        put("Sqrt", &["@sum"], "deviation");
        put("Div", &["@difference", "@deviation"], "normal");
        put("Reshape", &["@normal", "@shape"], "image");
        put("Reshape", &[&node.input[1], "@column"], "gamma");
        put("Reshape", &[&node.input[2], "@column"], "beta");
        put("Mul", &["@image", "@gamma"], "scaled");
        put("Add", &["@scaled", "@beta"], "y");
        let last = if number("activation") == 1 {
            put("Sigmoid", &["@y"], "sigmoid");
            put("Mul", &["@y", "@sigmoid"], "active");
            "active"
        } else {
            "y"
        };
        let nodes = graph.node.len();
        let first = graph.node[..nodes].iter_mut().rfind(|node| node.output[0] == name("x")).unwrap();
        *first = std::mem::take(first).with_ints("perm", &[0, 3, 1, 2]);
        graph.node.push(Node::new("Transpose", &[&name(last)], &[&node.output[0]]).with_ints("perm", &[0, 2, 3, 1]));
    }
    count
}

/// The built-in network with SiLU for Gelu, as most networks have it, in a folder.
fn with_silu(place: &Place, name: &str) -> Model {
    let mut model = original();
    let graph = model.graph.as_mut().unwrap();
    for node in std::mem::take(&mut graph.node) {
        if node.op() == "Gelu" {
            let sigmoid = format!("{}/sigmoid", node.output[0]);
            graph.node.push(Node::new("Sigmoid", &[&node.input[0]], &[&sigmoid]));
            graph.node.push(Node::new("Mul", &[&node.input[0], &sigmoid], &[&node.output[0]]));
        } else {
            graph.node.push(node);
        }
    }
    place.done(&format!("convert --fp16 --no-check --device cpu --out {name}"));
    std::fs::write(place.path(&format!("{name}/unet/model.onnx")), encode(&model)).unwrap();
    model
}

#[test]
fn fused_norms_are_group_norms_by_definition() {
    let place = Place::new();
    with_silu(&place, "silu");
    // The CPU has no kernel for them.
    place.fails("convert silu --fuse --out fused --device cpu", 1, &["GroupNorm", "--device cuda", "--no-check"]);
    let said = json(&place.done("convert silu --fuse --out fused --no-check --json").stdout);
    let fusion = &said["fusion"];
    assert_eq!((&fusion["norms"], &fusion["left"]), (&16.into(), &0.into()));
    // The second norm of a block is scaled and shifted by the timestep before its SiLU.
    assert_eq!(fusion["activations"], 8);
    let path = place.path("fused/unet/model.onnx");
    let fused = decode("fused", &std::fs::read(&path).unwrap()).unwrap();
    let check = format!("convert silu --check fused {CHECKED} --evaluation-bound 1e-4 --sample-bound 1e-4");
    let write = |change: &dyn Fn(&mut Model)| {
        let mut model = fused.clone();
        change(&mut model);
        assert_eq!(by_definition(&mut model), 16);
        std::fs::write(&path, encode(&model)).unwrap();
    };
    write(&|_| {});
    let said = place.done(&format!("{check} --json"));
    assert!(json(&said.stdout)["ok"].as_bool().unwrap());
    // The check would see a norm with one thing wrong in it.
    let of_norm = |model: &mut Model, change: &dyn Fn(&mut Node)| {
        change(model.graph.as_mut().unwrap().node.iter_mut().find(|node| node.is_group_norm()).unwrap());
    };
    let number = |node: &mut Node, name: &str, value: i64| {
        node.attribute.iter_mut().find(|a| a.name.as_deref() == Some(name)).unwrap().i = Some(value);
    };
    let wrong: [&dyn Fn(&mut Node); 4] = [
        &|node| node.input.swap(1, 2),
        &|node| number(node, "groups", 4),
        &|node| number(node, "activation", 0),
        &|node| node.attribute.iter_mut().find(|a| a.name.as_deref() == Some("epsilon")).unwrap().f = Some(0.1),
    ];
    for change in wrong {
        write(&|model| of_norm(model, change));
        place.fails(&check, 1, &["is off by", "is allowed"]);
    }
}

#[test]
fn fused_norms_compute_in_half_precision() {
    let place = Place::new();
    with_silu(&place, "silu");
    place.done("convert silu --fuse --fp16 --out half --no-check");
    let model = decode("half", &std::fs::read(place.path("half/unet/model.onnx")).unwrap()).unwrap();
    let graph = model.graph.unwrap();
    let kind = |value: &str| graph.initializer.iter().find(|t| t.name.as_deref() == Some(value)).unwrap().data_type;
    let norms: Vec<&Node> = graph.node.iter().filter(|node| node.is_group_norm()).collect();
    assert_eq!(norms.len(), 16);
    for norm in &norms {
        assert_eq!(
            [1, 2].map(|k| kind(&norm.input[k])),
            [Some(data_type::FLOAT); 2],
            "γ and β are f32 by definition"
        );
    }
    let casts = graph.node.iter().filter(|node| node.op() == "Cast").count();
    assert!(casts < 16, "{casts} casts: none around a norm");
    // Without a norm there is nothing to fuse.
    let plain = fixture("graphs/plain.onnx").display().to_string();
    place.fails(&format!("convert {plain} --fuse --out none --no-check"), 1, &["no group normalisation"]);
    place.fails("convert silu --out none", 2, &["--fp16, --bf16 or --fuse"]);
}
