//! Contracts as ONNX Runtime reports them for real graphs.

use std::fs;

use alphabar::onnx::{Contract, Element, Error, ModelSource, Network, TimestepShape};

use crate::{on_cpu, open, runtime};

fn contract(name: &str) -> Contract {
    open(name, &on_cpu()).unwrap().contract().clone()
}

#[test]
fn the_time_may_have_any_rank_and_type_in_use() {
    for (name, element, shape) in [
        ("plain.onnx", Element::I64, TimestepShape::PerSample),
        ("scalar_i64.onnx", Element::I64, TimestepShape::Scalar),
        ("scalar_f32.onnx", Element::F32, TimestepShape::Scalar),
        ("vector_i32.onnx", Element::I32, TimestepShape::PerSample),
        ("vector_f64.onnx", Element::F64, TimestepShape::PerSample),
        ("one_i64.onnx", Element::I64, TimestepShape::One),
        ("half.onnx", Element::F16, TimestepShape::PerSample),
        ("batch2.onnx", Element::I64, TimestepShape::PerSample),
    ] {
        let c = contract(name);
        assert_eq!((c.timestep.element, c.timestep.shape), (element, shape), "{name}");
        assert_eq!((c.channels, c.height, c.width), (3, Some(4), Some(4)), "{name}");
        assert!(c.notes.is_empty() && c.extra.is_empty(), "{name}");
    }
}

#[test]
fn a_learned_variance_shows_in_the_channels() {
    assert_eq!(contract("plain.onnx").learned_variance(), Some(false));
    assert_eq!(contract("learned.onnx").learned_variance(), Some(true));
    // The graph does not say; a run on zeros does.
    assert_eq!(contract("learned_open.onnx").learned_variance(), Some(true));
}

#[test]
fn other_names_are_recognised_or_asked_for() {
    let network = open("names.onnx", &on_cpu()).unwrap();
    let c = network.contract();
    assert_eq!((c.sample.name.as_str(), c.timestep.name.as_str(), c.out_sample.name.as_str()), ("x", "t", "eps"));
    assert_eq!(c.class_labels.as_ref().unwrap().name, "y");
    assert_eq!(network.notes().len(), 4, "{:?}", network.notes());

    let error = open("ambiguous.onnx", &on_cpu()).unwrap_err();
    assert!(matches!(&error, Error::PortAmbiguous { role: "timestep", .. }), "{error}");
    assert_eq!(error.exit_code(), 1);
    let names = "sample=x,timestep=t,class_labels=y,out_sample=eps".parse().unwrap();
    let network = open("ambiguous.onnx", &on_cpu().names(names)).unwrap();
    assert!(network.notes().is_empty());
    let names = "timestep=time".parse().unwrap();
    let error = open("plain.onnx", &on_cpu().names(names)).unwrap_err();
    assert!(matches!(&error, Error::PortUnknown { role: "timestep", .. }), "{error}");
}

#[test]
fn labels_and_metadata_are_read() {
    let c = contract("labels_i32.onnx");
    assert_eq!((c.classes, c.null_label), (Some(2), Some(2)));
    assert_eq!(c.class_names, ["cat", "dog"]);
    assert_eq!(c.metadata.len(), 2);
    assert_eq!(c.class_labels.unwrap().element, Element::I32);
}

#[test]
fn further_inputs_batch_and_size_are_read() {
    let c = contract("image.onnx");
    assert_eq!(c.extra.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["image", "mask"]);
    assert_eq!(contract("batch2.onnx").batch, Some(2));
    assert_eq!(contract("plain.onnx").batch, None);

    assert_eq!(open("open_size.onnx", &on_cpu()).unwrap_err(), Error::SizeUnknown);
    let sized = on_cpu().size(8, 6);
    assert_eq!(open("open_size.onnx", &sized).unwrap().sample_shape(5), [5, 3, 8, 6]);
    assert!(matches!(open("plain.onnx", &sized), Err(Error::PortMisfit { .. })));
}

#[test]
fn graphs_that_are_no_denoisers_are_refused_with_the_reason() {
    let refused = |name: &str| {
        let error = open(name, &on_cpu()).unwrap_err();
        assert_eq!(error.exit_code(), 1, "{error}");
        error
    };
    assert!(matches!(refused("no_timestep.onnx"), Error::PortMissing { role: "timestep", .. }));
    assert_eq!(refused("four_channels.onnx"), Error::Channels { input: 3, output: 4 });
    // ONNX Runtime's CPU kernels may refuse the graph before its contract is read.
    let error = refused("bf16.onnx");
    assert!(
        matches!(error, Error::PortMisfit { .. } | Error::BadGraph { .. } | Error::PortMissing { .. }),
        "{error}"
    );
}

#[test]
fn files_that_are_not_whole_graphs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.onnx");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = ModelSource::resolve(&path).and_then(|m| Network::open(runtime(), &m, &on_cpu())).unwrap_err();
        assert_eq!(error.exit_code(), 1, "{error}");
        error
    };
    let whole = fs::read(crate::graph("plain.onnx")).unwrap();
    assert!(matches!(refused(b""), Error::NotAModel { .. }));
    assert!(matches!(refused(&whole[..whole.len() / 2]), Error::BadGraph { .. }));
    assert!(matches!(refused(&whole[..1]), Error::BadGraph { .. }));
    assert!(matches!(refused(b"\x89PNG\r\n\x1a\n and so on"), Error::BadGraph { .. }));
    assert!(matches!(refused(b"hello, I am a text"), Error::BadGraph { .. }));
    assert!(matches!(refused(b"{\"a\": 1}"), Error::NotAModel { .. }));
}

#[test]
fn weights_beside_the_graph_are_found_and_missed() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["outside.onnx", "outside.onnx_data"] {
        fs::copy(crate::graph(file), dir.path().join(file)).unwrap();
    }
    let source = ModelSource::resolve(&dir.path().join("outside.onnx")).unwrap();
    let model = source.identify().unwrap();
    let mut binding = Network::open_identified(runtime(), &model, &on_cpu()).unwrap().bind(1).unwrap();
    binding.sample_mut().fill(4.0);
    binding.set_timestep(10.0).unwrap();
    binding.run().unwrap();
    assert!(binding.output().iter().all(|&v| v == 12.0));

    // Another file of the same size in its place, between the hash and the end of loading.
    let weights = dir.path().join("outside.onnx_data");
    fs::copy(&weights, dir.path().join("other")).unwrap();
    fs::rename(dir.path().join("other"), &weights).unwrap();
    let error = Network::open_identified(runtime(), &model, &on_cpu()).unwrap_err();
    assert_eq!(error, Error::ModelChanged { path: weights.clone() });
    Network::open(runtime(), &source, &on_cpu()).unwrap();

    fs::remove_file(&weights).unwrap();
    let error = Network::open(runtime(), &source, &on_cpu()).unwrap_err();
    assert!(matches!(&error, Error::WeightsMissing { path, .. } if *path == weights), "{error}");
}

#[cfg(feature = "fixture")]
#[test]
fn the_built_in_model_has_ten_classes_and_a_null_label() {
    let source = ModelSource::fixture();
    assert!(source.scheduler.as_ref().unwrap().text.contains("num_train_timesteps"));
    let network = Network::open(runtime(), &source, &on_cpu()).unwrap();
    let c = network.contract();
    assert_eq!((c.classes, c.null_label, c.class_names.len()), (Some(10), Some(10), 10));
    assert_eq!(network.sample_shape(2), [2, 1, 28, 28]);
    assert!(network.notes().is_empty());
    let mut binding = network.bind(2).unwrap();
    binding.set_timestep(500.0).unwrap();
    binding.set_labels(&[3, 10]).unwrap();
    binding.run().unwrap();
    assert!(binding.output().iter().all(|v| v.is_finite()));
    assert!(binding.output().iter().any(|v| v.abs() > 0.0));
}
