//! Evaluation through bound tensors. The graphs compute 0.5 x + t (+ label + further inputs), exactly in float32.

use alphabar::onnx::graph::{fold_shapes, proto::Model};
use alphabar::onnx::{Device, Error, ModelSource, Network};
use ndarray::{Array, ArrayD, IxDyn};

use crate::{child, graph, on_cpu, open, runtime};

/// Numbers that float16 holds exactly, different for each element.
fn numbers(n: usize, from: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7 + from) % 256) as f32 / 4.0 - 32.0).collect()
}

#[test]
fn every_type_and_shape_of_the_time_arrives() {
    for name in [
        "plain.onnx",
        "scalar_i64.onnx",
        "scalar_f32.onnx",
        "vector_i32.onnx",
        "vector_f64.onnx",
        "one_i64.onnx",
        "half.onnx",
        "batch2.onnx",
    ] {
        let network = open(name, &on_cpu()).unwrap();
        let mut binding = network.bind(2).unwrap();
        for (round, t) in [3.0, 0.0, 999.0].into_iter().enumerate() {
            let x = numbers(2 * 48, round);
            binding.sample_mut().copy_from_slice(&x);
            binding.set_timestep(t).unwrap();
            binding.run().unwrap();
            for (out, x) in binding.output().iter().zip(&x) {
                let exact = 0.5 * f64::from(*x) + t;
                let want = if name == "half.onnx" { half_nearest(exact) } else { exact };
                assert_eq!(f64::from(*out), want, "{name} at {t}");
            }
        }
        // Integers see the nearest one.
        binding.sample_mut().fill(0.0);
        binding.set_timestep(6.6).unwrap();
        binding.run().unwrap();
        let seen = network.contract().timestep.seen(6.6);
        assert_eq!(binding.output()[0], seen as f32, "{name}");
    }
}

/// Rounding to float16 for magnitudes below 1024: steps of 2^(e − 10).
fn half_nearest(v: f64) -> f64 {
    if v.abs() < 1e-9 {
        return v;
    }
    let step = 2f64.powi(v.abs().log2().floor() as i32 - 10);
    (v / step).round_ties_even() * step
}

#[test]
fn a_learned_variance_comes_as_a_second_half() {
    for name in ["learned.onnx", "learned_open.onnx"] {
        let network = open(name, &on_cpu()).unwrap();
        assert_eq!(network.output_shape(3), [3, 6, 4, 4]);
        let mut binding = network.bind(3).unwrap();
        let x = numbers(3 * 48, 1);
        binding.sample_mut().copy_from_slice(&x);
        binding.set_timestep(5.0).unwrap();
        binding.run().unwrap();
        let out = binding.output();
        for (sample, x) in x.chunks(48).enumerate() {
            for (i, x) in x.iter().enumerate() {
                assert_eq!(out[sample * 96 + i], 0.5 * x + 5.0);
                assert_eq!(out[sample * 96 + 48 + i], 0.25 * x);
            }
        }
    }
}

#[test]
fn labels_reach_their_samples_and_are_checked() {
    let network = open("labels_i32.onnx", &on_cpu()).unwrap();
    let mut binding = network.bind(3).unwrap();
    binding.set_timestep(0.0).unwrap();
    assert!(matches!(binding.run(), Err(Error::InputMissing { name }) if name == "class_labels"));
    for labels in [[1, 0, 2], [2, 2, 1]] {
        binding.set_labels(&labels).unwrap();
        binding.run().unwrap();
        for (out, label) in binding.output().chunks(48).zip(labels) {
            assert!(out.iter().all(|&v| v == label as f32));
        }
    }
    assert!(matches!(binding.set_labels(&[0, 1, 3]), Err(Error::LabelOutOfRange { label: 3, .. })));
    assert!(matches!(binding.set_labels(&[0, 1]), Err(Error::BadInput { .. })));
    let mut plain = open("plain.onnx", &on_cpu()).unwrap().bind(1).unwrap();
    assert_eq!(plain.set_labels(&[0]), Err(Error::NoLabels));
    assert!(matches!(plain.run(), Err(Error::InputMissing { name }) if name == "timestep"));
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(matches!(plain.set_timestep(bad), Err(Error::BadInput { .. })));
    }
}

#[test]
fn further_inputs_are_supplied_and_checked() {
    let network = open("image.onnx", &on_cpu()).unwrap();
    let mut binding = network.bind(2).unwrap();
    binding.set_timestep(0.0).unwrap();
    let array = |shape: &[usize], value: f32| ArrayD::from_elem(IxDyn(shape), value);
    assert!(matches!(binding.run(), Err(Error::InputMissing { name }) if name == "image"));
    let ramp = Array::from_shape_vec(IxDyn(&[1, 3, 4, 4]), numbers(48, 0)).unwrap();
    binding.set_extra("image", ramp.view()).unwrap();
    binding.set_extra("mask", array(&[1, 1, 4, 4], 100.0).view()).unwrap();
    binding.run().unwrap();
    let want: Vec<f32> = ramp.iter().map(|v| v + 100.0).collect();
    assert_eq!(binding.output(), [want.clone(), want].concat());
    binding.set_extra("image", array(&[2, 3, 4, 4], 1.0).view()).unwrap();
    binding.run().unwrap();
    assert!(binding.output().iter().all(|&v| v == 101.0));

    for (name, shape) in
        [("image", &[3, 3, 4, 4][..]), ("image", &[1, 3, 4]), ("image", &[1, 1, 4, 4]), ("mask", &[2, 1, 4, 4])]
    {
        let error = binding.set_extra(name, array(shape, 0.0).view()).unwrap_err();
        assert!(matches!(error, Error::BadInput { .. }), "{error}");
    }
    for (name, value) in [("mask", 0.5), ("image", f32::NAN)] {
        let shape: &[usize] = if name == "mask" { &[1, 1, 4, 4] } else { &[1, 3, 4, 4] };
        assert!(matches!(binding.set_extra(name, array(shape, value).view()), Err(Error::BadInput { .. })));
    }
    let error = binding.set_extra("depth", array(&[1], 0.0).view()).unwrap_err();
    assert!(matches!(&error, Error::InputUnknown { present, .. } if present == "image, mask"), "{error}");
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let fixed = open("batch2.onnx", &on_cpu()).unwrap();
    assert_eq!(fixed.bind(3).unwrap_err(), Error::FixedBatch { fixed: 2, asked: 3 });
    let plain = open("plain.onnx", &on_cpu()).unwrap();
    assert!(matches!(plain.bind(0), Err(Error::BadInput { .. })));
    for batch in [usize::MAX / 4, 1 << 45] {
        let error = plain.bind(batch).unwrap_err();
        assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
        assert_eq!(error.exit_code(), 3);
    }
}

#[test]
fn bindings_of_one_network_do_not_disturb_each_other() {
    let network = open("plain.onnx", &on_cpu()).unwrap();
    let work = |batch: usize, t: f64, network: Network| {
        std::thread::spawn(move || {
            let mut binding = network.bind(batch).unwrap();
            for round in 0..200 {
                binding.sample_mut().fill(round as f32);
                binding.set_timestep(t).unwrap();
                binding.run().unwrap();
                assert!(binding.output().iter().all(|&v| f64::from(v) == 0.5 * f64::from(round) + t));
            }
        })
    };
    let threads = [work(1, 1.0, network.clone()), work(7, 2.0, network.clone()), work(16, 3.0, network)];
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_device_that_is_not_there_is_an_error_and_auto_says_what_it_took() {
    if runtime().has_provider("CUDAExecutionProvider") {
        return;
    }
    let cuda = on_cpu().device(Device::cuda(0));
    let error = open("plain.onnx", &cuda).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("without CUDA") && error.to_string().contains("--cuda"), "{error}");
    let auto = open("plain.onnx", &on_cpu().device(Device::AUTO)).unwrap();
    assert_eq!(auto.device(), Device::CPU);
    assert!(auto.notes()[0].contains("using the CPU"), "{:?}", auto.notes());
    let odd = on_cpu().provider_option("prefer_nhwc", "1");
    let error = open("plain.onnx", &odd).unwrap_err();
    assert!(matches!(error, Error::DeviceOption { .. }) && error.exit_code() == 2, "{error}");
}

/// Resident memory in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by memory_does_not_grow_over_5000_runs, in a process of its own"]
fn five_thousand_runs() {
    for name in ["plain.onnx", "half.onnx"] {
        let network = open(name, &on_cpu()).unwrap();
        let mut binding = network.bind(64).unwrap();
        let mut run = |count: usize| {
            for i in 0..count {
                let x = (i % 100) as f32;
                binding.sample_mut().fill(x);
                binding.set_timestep((i % 10) as f64).unwrap();
                binding.run().unwrap();
                let want = 0.5 * x + (i % 10) as f32;
                assert!(binding.output().iter().all(|&v| v == want), "{name}, run {i}");
            }
        };
        run(500);
        let before = resident();
        run(5000);
        let after = resident();
        println!("{name}: {before} to {after} bytes");
        // 1 MiB over 5,000 runs is 210 bytes a run; one leaked input of this batch would be 12,288.
        assert!(after < before + (1 << 20), "{name}: {before} to {after} bytes");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_over_5000_runs() {
    let out = child("evaluation::five_thousand_runs").output().unwrap();
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8_lossy(&out.stdout).contains("half.onnx"));
}

/// What a graph computes from shapes becomes constants, for every batch, and changes nothing else.
#[test]
fn a_folded_graph_computes_no_shapes() {
    let source = ModelSource::resolve(&graph("from_shape.onnx")).unwrap();
    let mut model = Model::from_bytes(&std::fs::read(graph("from_shape.onnx")).unwrap()[..]).unwrap();
    let saved = fold_shapes(runtime(), &mut model).unwrap();
    let ops: Vec<&str> = model.graph.as_ref().unwrap().node.iter().map(|node| node.op()).collect();
    assert_eq!(saved, 9, "{ops:?}");
    let kept = ["Reshape", "Mul", "Reshape", "Identity", "Mul", "Cast", "Reshape", "Add", "Identity"];
    assert_eq!(ops, kept);
    let folded = ModelSource::from_bytes("folded".to_owned(), model.to_bytes().into());
    let [plain, folded] = [source, folded].map(|source| Network::open(runtime(), &source, &on_cpu()).unwrap());
    for batch in [1, 2, 5] {
        let output = |network: &Network| {
            let mut binding = network.bind(batch).unwrap();
            binding.sample_mut().copy_from_slice(&numbers(batch * 48, 1));
            binding.set_timestep(7.0).unwrap();
            binding.run().unwrap();
            binding.output().to_vec()
        };
        assert_eq!(output(&plain), output(&folded), "batch {batch}");
    }
}
