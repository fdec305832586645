//! `alphabar bench`: what it counts and measures beside speed.

use alphabar::onnx::graph::{count, read};
use alphabar::onnx::{ModelSource, RuntimeOptions, load_or_install};
use serde_json::Value;

use super::program::{Place, fixture};

/// The built-in U-Net by hand, in multiply-adds: every convolution is places · outputs · inputs · kernel.
fn by_hand() -> [u64; 3] {
    let (large, small) = (14 * 14, 7 * 7);
    let block = |places: u64, inside: u64, outside: u64| places * 9 * outside * (inside + outside);
    let conv = large * 64 * 36 // stem, 6×6 with one channel
        + 2 * block(large, 64, 64) // down
        + small * 112 * 64 * 9 // shrink
        + 3 * block(small, 112, 112) // middle
        + small * (3 * 112 * 112 + 112 * 112) // attention: q, k, v and its result
        + small * 112 * 256 // grow, before its channels unfold into 64 of 14×14
        + 2 * (block(large, 128, 64) + large * 64 * 128) // up, with a skip of 1×1
        + large * 4 * 64 * 9; // head
    let gemm = 64 * 128 + 128 * 128 // the timestep's
        + 128 * (2 * 128 + 3 * 224 + 2 * 128); // scale and shift of every block
    let matmul = 2 * small * small * 112; // attention's two products over four heads of 28
    [2 * conv, 2 * gemm, 2 * matmul]
}

#[test]
fn operations_are_those_counted_by_hand_and_by_pytorch() {
    let runtime = load_or_install(&RuntimeOptions::from_environment(), &mut |_| {}).unwrap();
    let flops = count(runtime, &read(&ModelSource::fixture()).unwrap()).unwrap();
    let [conv, gemm, matmul] = by_hand();
    assert_eq!(flops.by_op["Conv"], conv);
    assert_eq!(flops.by_op["Gemm"], gemm);
    assert_eq!(flops.by_op["MatMul"], matmul);
    // torch.utils.flop_counter.FlopCounterMode of PyTorch 2.11 on the same network.
    assert_eq!((conv, gemm, matmul), (233_167_872, 352_256, 1_075_648));
    assert_eq!(flops.total, 234_595_776);
    assert!(flops.not_counted.is_empty());
    // A graph with a batch of its own is counted by sample.
    let open = ModelSource::resolve(&fixture("diffusers/unet.onnx")).unwrap();
    let fixed = ModelSource::resolve(&fixture("diffusers/batch2.onnx")).unwrap();
    let total = |source: &ModelSource| count(runtime, &read(source).unwrap()).unwrap().total;
    assert!(total(&open) > 0 && total(&fixed) > 0);
}

#[test]
fn bench_says_operations_profile_and_ceilings() {
    let place = Place::new();
    let out = place.done("bench --batch 1,2 --rounds 1 --steps 2 --json --device cpu").stdout;
    let said: Value = serde_json::from_str(&out).unwrap();
    let depth = &said["depth"];
    assert_eq!(depth["flops"]["total"], 234_595_776);
    assert_eq!(depth["weights"], "f32");
    let profile = &depth["profile"];
    assert_eq!((&profile["runs"], &depth["profile_batch"]), (&2.into(), &2.into()));
    assert_eq!((&profile["memcpy_to_host"], &profile["memcpy_from_host"]), (&0.into(), &0.into()));
    let outside = profile["outside_network_percent"].as_f64().unwrap();
    assert!((0.0..100.0).contains(&outside));
    assert_eq!((&said["runtime"]["loop"], &profile["step_nodes_percent"]), (&"host".into(), &0.0.into()));
    let shares: Vec<f64> =
        profile["busiest"].as_array().unwrap().iter().map(|share| share["percent"].as_f64().unwrap()).collect();
    assert!(shares.is_sorted_by(|a, b| a >= b) && shares.iter().sum::<f64>() <= 100.0 + 1e-9);
    let ceiling = &depth["ceiling"][0];
    assert_eq!(ceiling["element"], "f32");
    // No machine is outside this, whatever else it does at the time.
    assert!(ceiling["matrix_flops_per_second"].as_f64().unwrap() > 1e8);
    assert!(ceiling["bytes_per_second"].as_f64().unwrap() > 1e7);
    for row in said["rows"].as_array().unwrap() {
        let number = |key: &str| row[key].as_f64().unwrap();
        let flops = 234_595_776.0 * number("image_steps_per_second");
        assert!((number("flops_per_second") / flops - 1.0).abs() < 1e-9);
        let share = 100.0 * flops / ceiling["matrix_flops_per_second"].as_f64().unwrap();
        assert!((number("matrix_rate_percent") / share - 1.0).abs() < 1e-9);
        assert!(row["device_memory_mb"].is_null());
    }
    assert_eq!(depth["notes"], serde_json::json!([]));

    let out = place.done("bench --batch 1 --rounds 1 --steps 2 --json --device cpu --loop resident").stdout;
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["runtime"]["loop"], "resident");
    let share = |key: &str| said["depth"]["profile"][key].as_f64().unwrap();
    assert!(share("step_nodes_percent") > 0.0);
    assert!(share("step_nodes_percent") <= share("outside_network_percent"));

    let quick = place.done("bench --quick --batch 1 --rounds 1 --steps 2 --json --device cpu").stdout;
    let quick: Value = serde_json::from_str(&quick).unwrap();
    assert!(quick["depth"].is_null() && quick["rows"][0]["flops_per_second"].is_null());
    let text = place.done("bench --batch 1 --rounds 1 --steps 2 --device cpu --loop resident").stdout;
    for words in ["resident loop", "0.235 GFLOP", "ceiling, f32", "0.00 copies a step"] {
        assert!(text.contains(words), "{text}");
    }
}
