//! Weights outside the graph: they belong to what a model is, wherever the graph names them.

use std::fs;
use std::path::Path;

use alphabar::onnx::graph::proto::{
    Attribute, EXTERNAL, Entry, Graph, Model, Node, OperatorSet, Tensor, ValueInfo, data_type,
};
use prost::Message as _;
use serde_json::Value;

use crate::program::Place;

/// Where the graph names its one weight.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Where {
    Initializer,
    Constant,
    Subgraph,
    Function,
}

const ALL: [Where; 4] = [Where::Initializer, Where::Constant, Where::Subgraph, Where::Function];

/// A function of a model, as far as one is needed here.
#[derive(Clone, PartialEq, prost::Message)]
struct Function {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "4")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    output: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "9")]
    opset_import: Vec<OperatorSet>,
    #[prost(string, tag = "10")]
    domain: String,
}

fn attribute(name: &str, kind: i32, value: Attribute) -> Attribute {
    Attribute { name: Some(name.to_owned()), r#type: Some(kind), ..value }
}

fn constant(name: &str, value: Tensor) -> Node {
    let mut node = Node::new("Constant", &[], &[name]);
    node.attribute.push(attribute("value", 4, Attribute { t: Some(value), ..Attribute::default() }));
    node
}

/// out_sample = w · sample, w a tensor of 8 × 8 in the file.
fn model(at: Where, file: &str) -> Vec<u8> {
    let entry = |(key, value): (&str, &str)| Entry { key: Some(key.into()), value: Some(value.into()) };
    let weight = Tensor {
        raw_data: None,
        external_data: [("location", file), ("offset", "0"), ("length", "256")].map(entry).into(),
        data_location: Some(EXTERNAL),
        ..Tensor::f32("w", &[1, 1, 8, 8], &[])
    };
    let shape = [None, Some(1), Some(8), Some(8)];
    let operators = |domain: &str, version| OperatorSet { domain: Some(domain.into()), version: Some(version) };
    let mut graph = Graph {
        name: Some("main".to_owned()),
        input: vec![
            ValueInfo::tensor("sample", data_type::FLOAT, &shape),
            ValueInfo::tensor("timestep", data_type::INT64, &[None]),
        ],
        output: vec![ValueInfo::tensor("out_sample", data_type::FLOAT, &shape)],
        ..Graph::default()
    };
    let (mut opset_import, mut functions) = (vec![operators("", 18)], Vec::new());
    let product = Node::new("Mul", &["sample", "w"], &["out_sample"]);
    match at {
        Where::Initializer => {
            graph.initializer.push(weight);
            graph.node.push(product);
        }
        Where::Constant => graph.node.extend([constant("w", weight), product]),
        Where::Subgraph => {
            let branch = Graph {
                name: Some("branch".to_owned()),
                node: vec![Node::new("Mul", &["sample", "w"], &["product"])],
                output: vec![ValueInfo::tensor("product", data_type::FLOAT, &shape)],
                initializer: vec![weight],
                ..Graph::default()
            };
            let mut choice = Node::new("If", &["always"], &["out_sample"]);
            for name in ["then_branch", "else_branch"] {
                let g = vec![branch.encode_to_vec().into()];
                choice.attribute.push(attribute(name, 5, Attribute { g, ..Attribute::default() }));
            }
            let always = Tensor {
                data_type: Some(data_type::BOOL),
                name: Some("always".to_owned()),
                raw_data: Some(vec![1].into()),
                ..Tensor::default()
            };
            graph.initializer.push(always);
            graph.node.push(choice);
        }
        Where::Function => {
            let function = Function {
                name: "Scaled".to_owned(),
                input: vec!["sample".to_owned()],
                output: vec!["out_sample".to_owned()],
                node: vec![constant("w", weight), product],
                opset_import: vec![operators("", 18)],
                domain: "own".to_owned(),
            };
            functions.push(function.encode_to_vec().into());
            opset_import.push(operators("own", 1));
            let mut call = Node::new("Scaled", &["sample"], &["out_sample"]);
            call.domain = Some("own".to_owned());
            graph.node.push(call);
        }
    }
    Model { ir_version: Some(9), graph: Some(graph), opset_import, functions, ..Model::default() }.to_bytes()
}

fn weights(value: f32) -> Vec<u8> {
    [value; 64].iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn sha256(place: &Place, folder: &str) -> String {
    let record: Value =
        serde_json::from_str(&fs::read_to_string(place.path(folder).join("alphabar.json")).unwrap()).unwrap();
    record["model"]["sha256"].as_str().unwrap().to_owned()
}

fn pictures(folder: &Path) -> Vec<Vec<u8>> {
    (0..3).map(|seed| fs::read(folder.join(format!("{seed:06}.png"))).unwrap()).collect()
}

#[test]
fn no_picture_of_other_weights_is_kept() {
    for at in ALL {
        for file in
            if at == Where::Initializer { &["weights.bin", "onnx__MatMul_1234"][..] } else { &["weights.bin"] }
        {
            let place = Place::new();
            place.write("model.onnx", model(at, file));
            place.write(file, weights(0.5));
            let sample = |seeds: &str, out: &str| {
                place.done(&format!("sample model.onnx --sampler ddim --steps 2 --seeds {seeds} --out {out}/"))
            };
            sample("0-1", "many");
            let before = sha256(&place, "many");
            place.write(file, weights(0.9));
            let said = sample("0-2", "many").stderr;
            assert!(said.contains("2 samples of another model"), "{at:?} {file}: {said}");
            assert_ne!(sha256(&place, "many"), before, "{at:?} {file}");
            sample("0-2", "fresh");
            assert_eq!(sha256(&place, "many"), sha256(&place, "fresh"));
            assert!(pictures(&place.path("many")) == pictures(&place.path("fresh")), "{at:?} {file}");
            let again = sample("0-2", "many").stderr;
            assert!(again.contains("3 of 3 samples are already there"), "{again}");
        }
    }
}

#[test]
fn a_changed_scheduler_or_configuration_is_another_model() {
    let place = Place::new();
    for folder in ["pipe", "pipe/unet", "pipe/scheduler"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    place.write("pipe/unet/model.onnx", model(Where::Initializer, "w"));
    place.write("pipe/unet/w", weights(0.5));
    let sample = || place.done("sample pipe --sampler ddim --steps 2 --seeds 0-1 --out many/").stderr;
    for (file, text) in [
        ("pipe/unet/config.json", "{}"),
        ("pipe/scheduler/scheduler_config.json", "{}"),
        ("pipe/scheduler/scheduler_config.json", "{\"beta_end\": 0.03}"),
    ] {
        sample();
        place.write(file, text);
        let said = sample();
        assert!(said.contains("2 samples of another model"), "{file}: {said}");
    }
}

#[test]
fn weights_that_are_not_whole_are_named() {
    let place = Place::new();
    let refused = |words: &[&str]| {
        let ended = place.run("sample model.onnx --count 1 --steps 2 --out a.npy");
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
    };
    for at in ALL {
        place.write("model.onnx", model(at, "model.onnx_data"));
        let _ = fs::remove_file(place.path("model.onnx_data"));
        refused(&["model.onnx_data is not there", "\"w\""]);
        // Longer than the weights need, and shorter.
        for size in [256, 100_000_000] {
            let pointer = format!(
                "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {size}\n{}",
                "0".repeat(64),
                "\n".repeat(if size == 256 { 300 } else { 0 })
            );
            place.write("model.onnx_data", pointer);
            refused(&["model.onnx_data is a Git LFS pointer", "git lfs pull"]);
        }
        place.write("model.onnx_data", &weights(0.5)[..255]);
        refused(&["model.onnx_data has 255 bytes", "need 256"]);
        place.write("model.onnx", model(at, "../model.onnx_data"));
        refused(&["\"../model.onnx_data\"", "a file in the graph's own folder"]);
    }
    assert!(!place.names().contains(&"a.npy".to_owned()));
}
