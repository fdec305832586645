//! Bad input, point by point: the exit code, what the message names, and that nothing is left behind.

use std::process::{Command, Stdio};
use std::time::Duration;

use ndarray::Array4;
use ndarray_npy::write_npy;

use crate::program::{Place, ended, fixture, network};

fn scheduler(config: &str) -> Place {
    let place = Place::new();
    place.write("s.json", config);
    place
}

// ---- the model ------------------------------------------------------------------------------------------------------

#[test]
fn a_model_that_is_not_there() {
    Place::new().fails("sample nowhere.onnx", 1, &["nowhere.onnx"]);
    Place::new().fails("info nowhere/", 1, &["nowhere"]);
}

#[test]
fn a_file_that_is_not_onnx() {
    let place = Place::new();
    place.write("text.onnx", "This is not a graph.\n");
    place.fails("sample text.onnx", 1, &["text.onnx"]);
}

#[test]
fn an_empty_file() {
    let place = Place::new();
    place.write("empty.onnx", "");
    place.fails("sample empty.onnx", 1, &["empty.onnx", "empty"]);
}

#[test]
fn a_truncated_file() {
    let place = Place::new();
    let whole = std::fs::read(fixture("mnist-unet/unet/model.onnx")).unwrap();
    place.write("cut.onnx", &whole[..whole.len() / 2]);
    place.fails("sample cut.onnx", 1, &["cut.onnx"]);
}

#[test]
fn a_folder_that_is_no_pipeline() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    place.fails("sample empty", 1, &["empty", "unet/model.onnx"]);
}

#[test]
fn channels_that_do_not_belong_together() {
    Place::new().fails(&format!("sample {}", network("channels")), 1, &["3 channels", "5"]);
}

#[test]
fn names_that_are_not_in_the_graph() {
    let line = format!("sample {} --io sample=image", network("tiny"));
    Place::new().fails(&line, 1, &["image", "sample"]);
    Place::new().fails(&format!("sample {} --io picture=x", network("tiny")), 2, &["picture"]);
}

#[test]
fn a_further_input_that_is_not_given_or_does_not_fit() {
    let place = Place::new();
    let model = network("conditioned");
    place.fails(&format!("sample {model} --count 2 --out x.npy"), 1, &["image"]);
    write_npy(place.path("image.npy"), &Array4::<f32>::zeros((3, 3, 16, 16))).unwrap();
    place.fails(&format!("sample {model} --count 2 --out x.npy --input image=image.npy"), 1, &["image", "3"]);
    place.fails(&format!("sample {model} --count 3 --out x.npy --input mask=image.npy"), 1, &["mask"]);
    place.fails(&format!("sample {model} --count 2 --out x.npy --input image=none.npy"), 1, &["none.npy"]);
}

// ---- labels and guidance --------------------------------------------------------------------------------------------

#[test]
fn a_label_out_of_range() {
    Place::new().fails("sample --label 11", 2, &["--label", "11", "0 to 9"]);
    Place::new().fails("sample --label 0,-1", 2, &["--label", "-1"]);
    Place::new().fails("sample --label three", 2, &["three"]);
}

#[test]
fn a_label_for_a_model_without_classes() {
    Place::new().fails(&format!("sample {} --label 1", network("tiny")), 2, &["--label", "no class labels"]);
}

#[test]
fn guidance_without_a_null_label() {
    Place::new().fails(&format!("sample {} --label 1 --guidance 2", network("unet")), 2, &["--null-label"]);
    Place::new().fails(&format!("sample {} --guidance 2", network("tiny")), 2, &["no class labels"]);
    Place::new().fails("sample --guidance NaN", 2, &["--guidance", "NaN"]);
}

// ---- numbers --------------------------------------------------------------------------------------------------------

#[test]
fn nan_from_the_network_names_the_step_and_the_count() {
    let line = format!("sample {} --count 2 --steps 10 --out x.npy", network("pole"));
    Place::new().fails(&line, 1, &["network's output", "1536 of 1536", "step 6 of 10", "t = 401"]);
}

#[test]
fn nan_in_the_initial_noise() {
    let place = Place::new();
    let mut noise = Array4::<f32>::zeros((1, 1, 28, 28));
    noise[[0, 0, 3, 3]] = f32::NAN;
    write_npy(place.path("x.npy"), &noise).unwrap();
    place.fails("sample --init-noise x.npy", 1, &["x_T", "1 of 784"]);
}

#[test]
fn initial_noise_of_the_wrong_shape() {
    let place = Place::new();
    write_npy(place.path("x.npy"), &Array4::<f32>::zeros((2, 1, 28, 27))).unwrap();
    place.fails("sample --init-noise x.npy", 1, &["x_T", "[2, 1, 28, 27]", "[2, 1, 28, 28]"]);
    write_npy(place.path("x.npy"), &Array4::<f32>::zeros((2, 1, 28, 28))).unwrap();
    place.fails("sample --init-noise x.npy --count 3", 1, &["[2, 1, 28, 28]", "[3, 1, 28, 28]"]);
    place.fails("sample --init-noise x.npy --count 3 --out folder/", 1, &["[2, 1, 28, 28]", "[3, 1, 28, 28]"]);
    place.write("x.npy", "not an array");
    place.fails("sample --init-noise x.npy", 1, &["x.npy"]);
}

// ---- the scheduler's configuration ----------------------------------------------------------------------------------

#[test]
fn a_scheduler_that_is_not_json() {
    let place = scheduler("{\"beta_start\": 0.1,,}");
    place.fails("sample --scheduler s.json", 1, &["s.json", "line 1"]);
    place.fails("sample --scheduler t.json", 1, &["t.json"]);
    scheduler("[1, 2]").fails("plan --scheduler s.json", 1, &["[1,2]", "object"]);
}

#[test]
fn betas_that_are_nan() {
    scheduler("{\"beta_start\": NaN}").fails(
        "sample --scheduler s.json",
        1,
        &["s.json", "beta_start = \"NaN\"", "a number"],
    );
    scheduler("{\"trained_betas\": [0.1, Infinity]}").fails("plan --scheduler s.json", 1, &["Infinity"]);
}

#[test]
fn betas_that_are_negative_or_above_one() {
    scheduler("{\"beta_start\": -0.1}").fails("sample --scheduler s.json", 1, &["beta_start", "-0.1"]);
    scheduler("{\"beta_end\": 2}").fails("sample --scheduler s.json", 1, &["beta_end", "2"]);
    scheduler("{\"trained_betas\": [0.1, 1.5]}").fails("plan --scheduler s.json", 1, &["beta[1]", "1.5"]);
    scheduler("{\"trained_betas\": [0.1, \"x\"]}").fails("plan --scheduler s.json", 1, &["trained_betas", "x"]);
}

#[test]
fn an_absurd_number_of_training_steps() {
    for absurd in ["0", "-5", "1e12", "10.5", "\"many\""] {
        let config = format!("{{\"num_train_timesteps\": {absurd}}}");
        scheduler(&config).fails("sample --scheduler s.json", 1, &["num_train_timesteps"]);
    }
}

#[test]
fn an_unknown_schedule_class_or_prediction() {
    scheduler("{\"beta_schedule\": \"laplace\"}").fails(
        "sample --scheduler s.json",
        1,
        &["laplace", "squaredcos_cap_v2"],
    );
    scheduler("{\"prediction_type\": \"noise\"}").fails("plan --scheduler s.json", 1, &["noise", "v_prediction"]);
    let place = scheduler("{\"_class_name\": \"PNDMScheduler\"}");
    place.fails("sample --scheduler s.json", 1, &["PNDMScheduler", "--sampler"]);
    place.done("plan --scheduler s.json --sampler ddim");
}

#[test]
fn zero_terminal_snr_with_a_predicted_noise() {
    let place = scheduler("{\"rescale_betas_zero_snr\": true, \"timestep_spacing\": \"trailing\"}");
    place.fails("sample --scheduler s.json", 1, &["zero terminal SNR", "predict v or x0"]);
    place.done("plan --scheduler s.json --prediction v");
}

// ---- options --------------------------------------------------------------------------------------------------------

#[test]
fn steps_that_are_none_or_too_many() {
    Place::new().fails("sample --steps 0", 2, &["--steps", "0", "1000"]);
    Place::new().fails("sample --steps 1001", 2, &["--steps", "1001", "1000"]);
}

#[test]
fn a_count_of_nothing_or_of_too_much() {
    Place::new().fails("sample --count 1000000000000 --out x.npy", 2, &["1000000000000", "10000000"]);
    Place::new().fails("sample --seeds 0-18446744073709551615", 2, &["too many seeds"]);
    Place::new().fails("sample --count 0", 2, &["--count 0"]);
    Place::new().fails("sample --seed 18446744073709551615 --count 2", 2, &["18446744073709551615"]);
}

#[test]
fn timesteps_that_do_not_decrease() {
    Place::new().fails("sample --timesteps 1,2", 2, &["--timesteps", "decrease"]);
    Place::new().fails("sample --timesteps 5,5", 2, &["--timesteps", "decrease"]);
    Place::new().fails("sample --timesteps 1000,0", 2, &["1000", "999"]);
    Place::new().fails("sample --timesteps x", 2, &["x"]);
}

#[test]
fn options_that_do_not_go_together() {
    Place::new().fails("sample --steps 5 --timesteps 5,4", 2, &["--steps", "--timesteps"]);
    Place::new().fails("sample --seeds 1-3 --count 5", 2, &["--seeds", "--count"]);
    Place::new().fails("sample --clip --no-clip", 2, &["--clip", "--no-clip"]);
    let place = Place::new();
    place.write("p.json", place.done("plan --json").stdout);
    place.fails("sample --plan p.json --steps 3", 2, &["--plan"]);
}

#[test]
fn an_option_that_the_sampler_does_not_use() {
    Place::new().fails("sample --sampler ddpm --eta 1", 2, &["--eta", "ddpm"]);
    Place::new().fails("sample --sampler ddim --variance beta", 2, &["--variance", "ddim"]);
    Place::new().fails("sample --sampler dpm++2m --eta 1", 2, &["--eta", "dpm++2m", "--sampler ddim"]);
    Place::new().fails("sample --sampler heun --variance beta", 2, &["--variance", "heun", "--sampler ddpm"]);
    Place::new().fails("sample --sampler heun --previous stride", 2, &["--previous", "heun"]);
    Place::new().fails("sample --sampler ddpm --clipped-epsilon from-clipped", 2, &["--clipped-epsilon"]);
    Place::new().fails(
        "sample --sampler dpm++2m --solver-order 2",
        2,
        &["--solver-order applies to --sampler dpm-solver only"],
    );
    Place::new().fails("sample --sampler dpm-solver --solver-order 4", 2, &["--solver-order", "1 to 3"]);
    Place::new().fails("sample --eta -1", 2, &["eta"]);
    Place::new().fails("sample --null-label 10", 2, &["--null-label", "--guidance"]);
}

#[test]
fn a_learned_variance_from_a_network_that_learns_none() {
    Place::new().fails("sample --sampler ddpm --variance learned --steps 5", 1, &["learned variance"]);
}

#[test]
fn a_plan_that_is_none() {
    let place = Place::new();
    place.write("p.json", "{}");
    place.fails("sample --plan p.json", 1, &["p.json", "alphabar plan --json"]);
    let old = place.done("plan --steps 2 --json").stdout.replace("alphabar.plan/1", "alphabar.plan/9");
    place.write("p.json", old);
    place.fails("sample --plan p.json", 1, &["alphabar.plan/9", "alphabar.plan/1"]);
}

// ---- output ---------------------------------------------------------------------------------------------------------

#[test]
fn an_output_of_an_unknown_kind() {
    Place::new().fails("sample --out x.jpg", 2, &["x.jpg", ".png", ".npz"]);
    Place::new().fails("sample --film x.mp4", 2, &["x.mp4", ".gif"]);
}

#[test]
fn an_output_folder_that_is_missing() {
    Place::new().fails("sample --out nowhere/x.png", 1, &["nowhere", "does not exist"]);
    Place::new().fails("sample --out nowhere/deeper/", 1, &["nowhere"]);
    Place::new().fails("sample --film nowhere/x.gif", 1, &["nowhere"]);
    Place::new().fails("sample --film x.png --out x.png", 2, &["--film", "x.png"]);
    Place::new().fails("sample --seeds 1,1 --out folder/", 2, &["seed 1", "twice"]);
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_folder_that_is_read_only() {
    // /proc takes no files, not even from root.
    Place::new().fails("sample --out /proc/x.png", 1, &["/proc/x.png"]);
}

#[test]
#[cfg(unix)]
fn a_disk_that_is_full() {
    // A limit on the size of files stands for the disk: writes past it fail.
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_alphabar");
    let script = format!("trap '' XFSZ; ulimit -f 32; exec {program} sample --count 40 --steps 1 --out x.npy");
    let mut shell = Command::new("sh");
    let ended = ended(shell.current_dir(place.path("")).args(["-c", &script]).output().unwrap());
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("x.npy") && !ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn a_picture_of_channels_that_no_picture_has() {
    let place = Place::new();
    let mut line = format!("sample {} --count 1 --steps 2", network("four"));
    place.fails(&line, 1, &["4 channels", ".npy"]);
    line += " --out x.npy";
    place.done(&line);
}

#[test]
fn a_file_of_somebody_else_in_the_folder() {
    let place = Place::new();
    std::fs::create_dir(place.path("out")).unwrap();
    place.write("out/000001.png", "a picture of a cat");
    place.fails("sample --count 3 --steps 2 --out out/", 1, &["000001.png", "not written by alphabar"]);
    assert_eq!(std::fs::read(place.path("out/000001.png")).unwrap(), b"a picture of a cat");
}

// ---- runtime and device ---------------------------------------------------------------------------------------------

#[test]
fn a_device_that_is_not_there() {
    let place = Place::new();
    if place.run("sample --device cuda --count 1 --steps 1 --no-install").code == Some(0) {
        return; // There is one.
    }
    let place = Place::new();
    place.fails("sample --device cuda:0 --count 1 --steps 1 --no-install", 3, &["cuda"]);
    place.fails("sample --device tpu", 2, &["tpu", "cuda"]);
    let auto = place.done("sample --device auto --count 1 --steps 1");
    assert!(auto.stderr.contains("CPU"), "{}", auto.stderr);
}

#[test]
fn a_runtime_that_is_not_there() {
    Place::new().fails(
        "sample --ort-dylib /nowhere/libonnxruntime.so",
        3,
        &["/nowhere/libonnxruntime.so", "--ort-dylib"],
    );
    let place = Place::new();
    place.write("libonnxruntime.so", "not a library");
    place.fails("info --ort-dylib libonnxruntime.so", 3, &["libonnxruntime.so"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_batch_that_is_too_large_for_the_memory() {
    let line = "sample --count 10000000 --batch 10000000 --steps 1 --out x.npy";
    Place::new().fails(line, 3, &["10000000", "--batch"]);
}

// ---- the way out ----------------------------------------------------------------------------------------------------

#[test]
#[cfg(unix)]
fn an_interrupt_leaves_no_half_file() {
    for out in ["x.png", "x.npy", "x.npz"] {
        let place = Place::new();
        let line = format!("sample --count 64 --sampler ddpm --out {out} --film f.gif");
        let child = place.command(&line).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(3000));
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let ended = ended(child.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        assert!(ended.stderr.contains("interrupted"), "{}", ended.stderr);
        assert_eq!(place.names(), Vec::<String>::new());
    }
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let place = Place::new();
    let mut child =
        place.command("plan --sampler ddpm").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = ended(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}
