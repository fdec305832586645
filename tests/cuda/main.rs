//! The CUDA path on a machine without a GPU: ONNX Runtime's own CUDA provider on a stand-in for CUDA (`stand-in`) that
//! keeps memory, streams and graphs as CUDA keeps them and counts kernels without running them.
//!
//! `cargo test --test cuda -- --ignored` fetches ONNX Runtime's CUDA build (256 MB) into the target folder first. What
//! kernels compute, and how fast, only a GPU can tell: `benches/gpu/run.py`. With `--nocapture` it prints what a step
//! launches; `ALPHABAR_TEST_MODEL=path/to/pipeline` names a model to count beside the built-in one.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used)]

mod machine;

use machine::Machine;

type Check = fn(&Machine);

/// Everything in one test, so that the stand-in is built and the runtime fetched once.
#[test]
#[ignore = "fetches ONNX Runtime's CUDA build, 256 MB"]
fn the_cuda_path_on_a_stand_in() {
    let machine = Machine::new();
    let checks: [(&str, Check); 14] = [
        ("nothing is copied between steps", nothing_is_copied_between_steps),
        ("noise alone goes up, once a step", noise_alone_goes_up),
        ("the host's loop is seen to copy", the_hosts_loop_is_seen_to_copy),
        ("the host waits for the device every eighth step", the_host_seldom_waits),
        ("guidance shares a run", guidance_shares_a_run),
        ("memory does not grow", memory_does_not_grow),
        ("x_T goes up and comes back", x_t_goes_up_and_comes_back),
        ("two devices share the seeds", two_devices_share_the_seeds),
        ("the batch fits the memory", the_batch_fits_the_memory),
        ("a node on the CPU forbids CUDA graphs", a_node_on_the_cpu_forbids_graphs),
        ("what follows from shapes is not computed at every step", shapes_are_settled),
        ("fused norms are two kernels each", fused_norms_are_two_kernels),
        ("a server's requests share what is made for them", requests_share_loops),
        ("no GPU and a wrong number are errors", no_gpu_is_an_error),
    ];
    for (name, check) in checks {
        println!("{name}");
        check(&machine);
    }
    print_launches(&machine, "");
    if let Ok(model) = std::env::var("ALPHABAR_TEST_MODEL") {
        // The program runs in folders of its own.
        let model = std::fs::canonicalize(model).unwrap();
        print_launches(&machine, model.to_str().unwrap());
    }
}

/// Samples that take two steps more take one graph and no copy more a step, however the plan is made.
fn nothing_is_copied_between_steps(machine: &Machine) {
    for options in ["--sampler ddim", "--sampler dpm++2m", "--sampler heun", "--sampler ddim --guidance 2"] {
        let each = machine.per_step(&format!("{options} --count 24 --batch 8"));
        // Three batches.
        assert_close(each.times("graphs launched"), 3.0, options);
        assert_close(each.copies_across(), 0.0, options);
        assert_close(each.times("kernels"), 0.0, options);
        let each = machine.per_step(&format!("{options} --count 24 --batch 8 --ep-option enable_cuda_graph=0"));
        assert_close(each.times("graphs launched"), 0.0, options);
        assert_close(each.copies_across(), 0.0, options);
        assert!(each.times("kernels") > 500.0, "{options}: {} kernels", each.times("kernels"));
    }
}

fn noise_alone_goes_up(machine: &Machine) {
    let each = machine.per_step("--sampler ddpm --count 8 --batch 8");
    assert_close(each.times("copy pinned to device"), 1.0, "draws a step");
    assert_close(each.amount("copy pinned to device"), f64::from(8 * 28 * 28 * 4), "bytes a step");
    assert_close(each.copies_across(), 1.0, "and nothing else");
}

/// The counts can fail: a loop that copies is counted as one.
fn the_hosts_loop_is_seen_to_copy(machine: &Machine) {
    let each = machine.per_step("--sampler ddim --loop host --count 8 --batch 8");
    assert_close(each.times("copy device to pageable"), 1.0, "the output a step");
    assert_close(each.times("copy pageable to device"), 2.0, "sample and timestep a step");
}

fn the_host_seldom_waits(machine: &Machine) {
    let counts = |steps: u32| machine.sample(&format!("--sampler ddim --count 8 --batch 8 --steps {steps}")).counts;
    let waits = counts(88).times("waits for a stream") - counts(8).times("waits for a stream");
    assert_close(waits, 10.0, "waits in 80 steps");
}

/// As many convolutions with guidance as without.
fn guidance_shares_a_run(machine: &Machine) {
    let graphs_off = "--sampler ddim --count 8 --batch 8 --ep-option enable_cuda_graph=0";
    let convolutions = |options: &str| machine.per_step(options).times("kernel cudnn convolution");
    let plain = convolutions(graphs_off);
    assert!(plain > 10.0, "{plain} convolutions");
    assert_close(convolutions(&format!("{graphs_off} --guidance 2")), plain, "convolutions");
}

/// Sixteen times the samples, and ten times the steps: the same memory, asked for as often.
fn memory_does_not_grow(machine: &Machine) {
    for sampler in ["ddim", "ddpm"] {
        let counts = |count: u32, steps: u32| {
            machine.sample(&format!("--sampler {sampler} --steps {steps} --count {count} --batch 8")).counts
        };
        let (few, many, long) = (counts(16, 20), counts(256, 20), counts(16, 200));
        // Kernels of one step that run on the stream of the last need no wait between them.
        for what in ["allocate device", "allocate pinned", "streams made"] {
            assert_close(many.times(what), few.times(what), what);
            assert_close(long.times(what), few.times(what), what);
        }
        let peak = "device bytes, at most";
        assert_close(many.amount(peak), few.amount(peak), peak);
        // The longer plan's table may take a page more.
        assert!(long.amount(peak) - few.amount(peak) <= 65_536.0, "{} and {}", long.amount(peak), few.amount(peak));
    }
}

/// No kernel runs, so that after an even number of steps the state is x_T, whatever the batches were.
fn x_t_goes_up_and_comes_back(machine: &Machine) {
    let seeds: Vec<u64> = (0..24).collect();
    let mut want = vec![0.0; 24 * 28 * 28];
    alphabar::noise::fill_batch(&seeds, 0, &mut want);
    for options in
        ["--batch 8", "--batch 5", "--batch 24", "--batch 8 --ep-option enable_cuda_graph=0", "--guidance 2"]
    {
        let ran = machine.sample(&format!("--sampler ddim --steps 10 --count 24 {options}"));
        assert!(ran.samples == want, "{options}: the samples are not x_T");
    }
    // An odd number leaves the other state, which nobody has written.
    let ran = machine.sample("--sampler ddim --steps 11 --count 24 --batch 8");
    assert!(ran.samples.iter().all(|&x| x.abs() < f32::MIN_POSITIVE));
}

/// Two threads, one of which may capture a graph while the other would allocate.
fn two_devices_share_the_seeds(machine: &Machine) {
    let machine = machine.with("STAND_IN_DEVICES", "2");
    for sampler in ["ddim", "ddpm"] {
        let options = format!("--sampler {sampler} --steps 10 --count 40 --batch 4");
        let one = machine.sample(&options);
        let two = machine.sample_on("cuda:0,cuda:1", &options);
        assert!(one.samples == two.samples, "{sampler}: the devices' samples are in their places");
        assert_close(two.counts.times("graphs captured"), 4.0, "two graphs on each");
        assert_close(two.counts.times("copy device to another device"), 0.0, "each for itself");
    }
}

/// Whatever the memory, the batch that is chosen fits into it; one that does not fit is refused in words.
fn the_batch_fits_the_memory(machine: &Machine) {
    for bytes in ["20000000", "50000000", "200000000", "1000000000"] {
        let ran = machine.with("STAND_IN_MEMORY", bytes).sample("--sampler ddim --steps 4 --count 3000");
        let (peak, size) = (ran.counts.amount("device bytes, at most"), bytes.parse::<f64>().unwrap());
        assert!(peak <= size && peak > size / 5.0, "{peak} of {size} bytes");
        assert_close(ran.counts.times("refused: out of memory"), 0.0, "nothing was asked for in vain");
        assert_close(ran.counts.times("graphs captured"), 2.0, "and the graphs were captured");
    }
    let small = machine.with("STAND_IN_MEMORY", "20000000");
    small.fails("cuda:0", "--sampler ddim --steps 4 --count 3000 --batch 512", 3, &["batch of 512 does not fit"]);
}

fn a_node_on_the_cpu_forbids_graphs(machine: &Machine) {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/graphs/on_cpu.onnx");
    let options = "--sampler ddim --steps 4 --count 4";
    let ran = machine.sample(&format!("{model} {options}"));
    assert!(ran.said.contains("no CUDA graphs are captured"), "{}", ran.said);
    assert_close(ran.counts.times("graphs captured"), 0.0, "graphs");
    // Asked for, it is an error.
    let asked = format!("{model} {options} --ep-option enable_cuda_graph=1");
    machine.fails("cuda:0", &asked, 2, &["enable_cuda_graph=1", "graph capture"]);
    assert!(ran.counts.times("copy device to pageable") > 1.0, "the node's input comes to the host");
}

/// A factor made from the shape would be computed by the host and copied at every step.
fn shapes_are_settled(machine: &Machine) {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/graphs/from_shape.onnx");
    let each = machine.per_step(&format!("{model} --sampler ddim --count 8 --batch 4"));
    assert_close(each.times("graphs launched"), 2.0, "two batches");
    assert_close(each.copies_across(), 0.0, "copies");
    let each = machine.per_step(&format!("{model} --sampler ddim --loop host --count 4 --batch 4"));
    assert_close(each.times("copy pageable to device"), 3.0, "sample, timestep and the factor, as the graph has it");
}

/// The built-in network's sixteen normalisations, in f32 and in half precision.
fn fused_norms_are_two_kernels(machine: &Machine) {
    let graphs_off = "--sampler ddim --count 8 --batch 8 --ep-option enable_cuda_graph=0";
    let plain = machine.per_step(graphs_off);
    assert_close(plain.kernels("_InstanceNormKernel"), 16.0, "normalisations as they are stored");
    for precision in ["", "--fp16"] {
        let model = machine.convert(&format!("--fuse {precision} --no-check"));
        let each = machine.per_step(&format!("{} {graphs_off}", model.display()));
        assert_close(each.kernels("GroupNormNHWCSumKernel"), 16.0, "sums");
        assert_close(each.kernels("GroupNormNHWCScaleKernel"), 16.0, "results");
        assert_close(each.kernels("_InstanceNormKernel"), 0.0, "none is left");
        // Transposes go from each norm to the few places where the network needs them.
        assert!(each.kernels("Transpose") < 10.0, "{} transposes", each.kernels("Transpose"));
        assert!(each.times("kernels") + each.times("fill") < plain.times("kernels"), "{each:?}");
    }
}

/// `examples/serve.rs`: four samples, the same again, and twice sixteen in one process.
fn requests_share_loops(machine: &Machine) {
    let (said, counts) = machine.serve("3 1-4\n3 1-4\n5 10-25\n5 10-25\n");
    assert_eq!(said.lines().count(), 40, "{said}");
    assert_close(counts.times("graphs captured"), 4.0, "two for each size");
    // Batches of 1, 2 and 4 are tried, then 1 to 16; what is known to fit is not tried again.
    let evaluations = counts.times("kernel cudnn convolution") / 22.0;
    let (tried, captured) = (3.0 + 5.0, 4.0);
    assert!(evaluations <= tried + 2.0 * captured, "{evaluations} evaluations that are not of a graph");
    assert_close(counts.times("graphs launched"), captured + 4.0 * 20.0, "steps");
}

fn no_gpu_is_an_error(machine: &Machine) {
    machine.fails("cuda:1", "--steps 4", 3, &["cuda:1", "between 0 (inclusive) and 1", "nvidia-smi"]);
    let none = machine.with("STAND_IN_DEVICES", "0");
    none.fails("cuda:0", "--steps 4", 3, &["no CUDA-capable device", "CUDA_VISIBLE_DEVICES"]);
    // Options of the provider reach it.
    machine.fails("cuda:0", "--steps 4 --ep-option no_such_option=1", 2, &["no_such_option=1"]);
}

/// What a step launches, as a model is stored and as it is converted.
fn print_launches(machine: &Machine, model: &str) {
    println!(
        "launches a step: kernels, fills, copies between host and device; {}",
        if model.is_empty() { "built in" } else { model }
    );
    for options in ["", "--fp16", "--fuse", "--fuse --fp16"] {
        let path = match options {
            "" => model.to_owned(),
            _ => machine.convert(&format!("{model} {options} --no-check")).display().to_string(),
        };
        for bias in ["", "--ep-option fuse_conv_bias=1"] {
            let graphs_off = "--sampler ddim --count 4 --batch 4 --ep-option enable_cuda_graph=0";
            let each = machine.per_step(&format!("{path} {graphs_off} {bias}"));
            let [kernels, fills] = ["kernels", "fill"].map(|what| each.times(what));
            println!("{kernels:6} {fills:5} {:4}   {options} {bias}", each.copies_across());
        }
    }
}

#[track_caller]
fn assert_close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() < 1e-9, "{what}: {got}, not {want}");
}
