//! The resident loop on the CPU provider against the host's loop: the same samples for every kind of plan.

use std::path::Path;

use alphabar::guidance::GuidanceScale;
use alphabar::onnx::{
    Batch, Job, ModelSource, Network, Observer, SampleError, Sampler, SessionOptions, StepLoop, StepView, share,
};
use alphabar::plan::{
    Ancestral, Clip, ClippedEpsilon, Clock, Ddim, DpmSolver, DpmSolverPlusPlus2M, End, Grid, Heun, Noise, Order,
    Plan, Prediction, Previous, ReverseVariance, Route, Scheduler, Source, Step, Store, Term,
};
use alphabar::{Level, Schedule};
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use crate::{child, on_cpu, runtime};

const SEEDS: [u64; 5] = [0, 1, 7, 1 << 40, u64::MAX];

fn sampler_with(graph: &str, options: &SessionOptions) -> Sampler {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(graph);
    let source = ModelSource::resolve(&path).unwrap();
    Sampler::new(Network::open(runtime(), &source, options).unwrap(), Scheduler::default())
}

fn sampler(graph: &str) -> Sampler {
    sampler_with(graph, &on_cpu())
}

fn route(count: usize) -> (Schedule, Route) {
    let schedule = Schedule::ddpm();
    let timesteps: Vec<usize> = (0..count).rev().map(|k| k * (1000 / count)).collect();
    let route = Route::new(&schedule, &timesteps, Previous::List, End::Data).unwrap();
    (schedule, route)
}

const PREDICTION: Prediction = Prediction::Epsilon;
const UNIT: Clip = Clip::Range { bound: 1.0 };

/// Ten steps or so of every kind of sampler.
fn plans() -> Vec<(&'static str, Plan)> {
    let (schedule, route) = route(10);
    let ddpm = |clip, variance| Ancestral { prediction: PREDICTION, clip, variance }.plan(&route).unwrap();
    let ddim = |clip, eta, clipped_epsilon| {
        Ddim { prediction: PREDICTION, clip, clipped_epsilon, eta }.plan(&route).unwrap()
    };
    let clock = Clock::of(&schedule);
    let levels = |k: usize| schedule.level(alphabar::Timestep::new(k));
    let down: Vec<Level> = (1..=10).rev().map(|k| levels(100 * k)).chain([Level::DATA]).collect();
    let grid = Grid::new(&down, clock).unwrap();
    let solver = |order, clip| DpmSolver { prediction: PREDICTION, clip, order }.plan(&grid).unwrap();
    vec![
        ("ddpm", ddpm(Clip::None, ReverseVariance::BetaTilde)),
        ("ddpm, clipped", ddpm(UNIT, ReverseVariance::Beta)),
        ("ddim", ddim(Clip::None, 0.0, ClippedEpsilon::AsPredicted)),
        ("ddim, clipped", ddim(UNIT, 0.0, ClippedEpsilon::AsPredicted)),
        ("ddim, clipped, its epsilon", ddim(UNIT, 0.0, ClippedEpsilon::FromClippedX0)),
        ("ddim, eta 1", ddim(UNIT, 1.0, ClippedEpsilon::AsPredicted)),
        ("dpm-solver 1", solver(Order::First, Clip::None)),
        ("dpm-solver 2", solver(Order::Second, Clip::None)),
        ("dpm-solver 2, clipped", solver(Order::Second, UNIT)),
        ("dpm-solver 3", solver(Order::Third, Clip::None)),
        ("dpm-solver++ 2m", DpmSolverPlusPlus2M { prediction: PREDICTION, clip: UNIT }.plan(&grid).unwrap()),
        ("heun", Heun { prediction: PREDICTION, clip: Clip::None }.plan(&grid).unwrap()),
        ("heun, clipped", Heun { prediction: PREDICTION, clip: UNIT }.plan(&grid).unwrap()),
    ]
}

/// The samples and every x and x̂₀ on the way, in batches of two.
fn run(sampler: &Sampler, job: &Job<'_>, step_loop: StepLoop) -> (Vec<f32>, Vec<f32>) {
    run_by(sampler, &job.clone().batch(2), step_loop)
}

/// As [`run`], in the job's own batches.
fn run_by(sampler: &Sampler, job: &Job<'_>, step_loop: StepLoop) -> (Vec<f32>, Vec<f32>) {
    let job = job.clone().step_loop(step_loop);
    let mut batches = sampler.start(job).unwrap();
    assert_eq!(batches.step_loop(), step_loop);
    let (mut samples, mut path) = (Vec::new(), Vec::new());
    loop {
        let mut rows = Vec::new();
        let next = batches.next_observed(&mut |moment| rows.push((moment.x.to_vec(), moment.x0.to_vec())));
        let Some(batch) = next else { break };
        let batch = batch.unwrap();
        // The resident loop fills the last batch up.
        let kept = batch.samples.len();
        path.extend(rows.iter().flat_map(|(x, x0)| x[..kept].iter().chain(&x0[..kept])));
        samples.extend(batch.samples);
    }
    (samples, path)
}

/// Largest deviation of two paths, in units of 2⁻²⁴ of the largest magnitude on the way.
fn deviation(one: &[f32], other: &[f32]) -> f64 {
    assert_eq!(one.len(), other.len());
    assert!(one.iter().chain(other).all(|x| x.is_finite()));
    let largest = one.iter().fold(0.0_f64, |largest, &x| largest.max(f64::from(x).abs()));
    let apart = one.iter().zip(other).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs()).fold(0.0, f64::max);
    apart / (largest * 2f64.powi(-24))
}

fn compare(sampler: &Sampler, what: &str, job: &Job<'_>) -> f64 {
    let (host, resident) = (run(sampler, job, StepLoop::Host), run(sampler, job, StepLoop::Resident));
    let found = deviation(&host.1, &resident.1).max(deviation(&host.0, &resident.0));
    println!("{what}: {found:.2} units of 2^-24 of the largest magnitude");
    found
}

/// No deviation at all: both loops do the same f32 operations in the same order, each rounded once by IEEE 754, and
/// ONNX Runtime's CPU kernels fuse none of them.
fn is_the_same(sampler: &Sampler, what: &str, job: &Job<'_>) {
    let found = compare(sampler, what, job);
    assert!(found <= 0.0, "{what}: {found}");
}

#[test]
fn every_sampler_gives_the_hosts_samples() {
    let sampler = sampler("diffusers/tiny.onnx");
    for (what, plan) in plans() {
        is_the_same(&sampler, what, &Job::new(&plan, &SEEDS));
    }
}

#[test]
fn every_contract_gives_the_hosts_samples() {
    let plan = &plans()[1].1;
    for name in ["batch2", "float", "gray", "int32", "rank0", "renamed"] {
        is_the_same(&sampler(&format!("diffusers/{name}.onnx")), name, &Job::new(plan, &SEEDS));
    }
    for name in ["scalar_f32", "one_i64", "vector_f64", "outside"] {
        is_the_same(&sampler(&format!("graphs/{name}.onnx")), name, &Job::new(plan, &SEEDS));
    }
    let image = ArrayD::from_shape_fn(IxDyn(&[5, 3, 16, 16]), |at| (at[0] + at[2] * at[3]) as f32 / 100.0);
    let job = Job::new(plan, &SEEDS).input("image", image.view());
    is_the_same(&sampler("diffusers/conditioned.onnx"), "conditioned", &job);
}

/// The CPU provider computes float16 graphs in float32. Where the step is part of the graph it also drops the rounding of
/// the network's input and output to float16, 2⁻¹¹ of each number at most (2¹³ units of 2⁻²⁴), that the host's loop has.
/// x̂₀ takes 0.3 of the output, x' 0.16 of it and half of x, so that all steps together stay below one such rounding.
#[test]
fn a_graph_of_float16_gives_the_hosts_samples_within_its_own_roundings() {
    let sampler = sampler("diffusers/half.onnx");
    let found = compare(&sampler, "half", &Job::new(&everything(), &SEEDS));
    assert!(found <= 8192.0 && found > 80.0, "{found}");
}

/// u + s (c − u) with both passes in one run; on the host too, so that the network sees the same batch.
#[test]
fn guidance_gives_the_hosts_samples() {
    let sampler = sampler("diffusers/unet.onnx");
    for scale in [0.0, 2.5] {
        let guidance = GuidanceScale::new(scale).unwrap();
        for (what, plan) in plans().iter().take(4) {
            let job = Job::new(plan, &SEEDS).guidance(guidance).null_label(4);
            is_the_same(&sampler, what, &job.clone().labels(&[0, 1, 2, 3, 0]));
            let other = run(&sampler, &job.clone().labels(&[0, 1, 2, 3, 1]), StepLoop::Resident).0;
            let one = run(&sampler, &job.labels(&[0, 1, 2, 3, 0]), StepLoop::Resident).0;
            assert_eq!(deviation(&one, &other) > 100.0, scale > 0.0, "a label counts where it is guided to");
        }
    }
}

/// The one difference: the host takes the exponential of a learned log-variance in f64, the device in f32.
///
/// The exponent is below 10, so that its two roundings and that of the exponential move a standard deviation by at most
/// (2·10 + 2)·2⁻²⁴ of itself. Noise is below 5 standard deviations, each below 0.3 of the largest magnitude: 33 units a
/// step, which the steps that follow do not stretch.
#[test]
fn a_learned_variance_gives_the_hosts_samples() {
    let (_, route) = route(10);
    let sampler = sampler("diffusers/learned.onnx");
    let ancestral = Ancestral { prediction: PREDICTION, clip: UNIT, variance: ReverseVariance::LearnedRange };
    let plan = ancestral.plan(&route).unwrap();
    let found = compare(&sampler, "learned range", &Job::new(&plan, &SEEDS));
    assert!(found <= 330.0, "{found}");
    // The same network without its variance.
    is_the_same(&sampler, "of 2C channels only C are used", &Job::new(&plans()[1].1, &SEEDS));
}

/// A plan that uses everything a step can do, with the numbers of a contraction.
fn everything() -> Plan {
    let step = |k: usize| Step {
        t: None,
        target: None,
        model_timestep: 90.0 - 10.0 * k as f64,
        input_scale: [1.0, 0.7, 1.3][k % 3],
        x0_from_x: 0.8,
        x0_from_out: -0.3,
        clip: if k.is_multiple_of(2) { Clip::Range { bound: 0.9 } } else { Clip::None },
        x: 0.5,
        x0: 0.2,
        out: if k % 4 == 3 { 0.0 } else { 0.1 },
        registers: (0..4).filter(|r| k > *r).map(|r| Term { register: r, factor: 0.05 * (r + 1) as f64 }).collect(),
        noise: if k % 3 == 1 { Noise::None } else { Noise::Scaled { std: 0.1 } },
        draw: Some(k as u32 + 1),
        store: vec![Store {
            register: k % 4,
            source: [Source::Z, Source::X, Source::Out, Source::X0][(k + k / 4) % 4],
        }],
    };
    Plan::new("everything", 1.1, (0..9).map(step).collect()).unwrap()
}

#[test]
fn everything_a_step_can_do_gives_the_hosts_samples() {
    is_the_same(&sampler("diffusers/float.onnx"), "everything", &Job::new(&everything(), &SEEDS));
}

/// The comparison sees a table that is wrong in one number by 10⁻⁵ of itself, a neighbouring timestep and another draw.
#[test]
fn a_wrong_table_is_seen() {
    let sampler = sampler("diffusers/float.onnx");
    let right = everything();
    let host = run(&sampler, &Job::new(&right, &SEEDS), StepLoop::Host).1;
    let wrong = |step: usize, change: &dyn Fn(&mut Step)| {
        let mut steps = right.steps().to_vec();
        change(&mut steps[step]);
        let plan = Plan::new("wrong", right.initial_std(), steps).unwrap();
        deviation(&host, &run(&sampler, &Job::new(&plan, &SEEDS), StepLoop::Resident).1)
    };
    assert!(wrong(0, &|_| {}) <= 0.0);
    type Change<'a> = (&'a str, usize, &'a dyn Fn(&mut Step));
    let changes: [Change<'_>; 11] = [
        ("s", 4, &|s| s.input_scale *= 1.00001),
        ("a", 3, &|s| s.x0_from_x *= 1.00001),
        ("b", 3, &|s| s.x0_from_out *= 1.00001),
        ("the bound", 4, &|s| s.clip = Clip::Range { bound: 0.9 * 1.00001 }),
        ("c", 8, &|s| s.x *= 1.00001),
        ("d", 8, &|s| s.x0 *= 1.00001),
        ("f", 8, &|s| s.out *= 1.0001),
        ("g", 8, &|s| s.registers[3].factor *= 1.0001),
        ("std", 8, &|s| s.noise = Noise::Scaled { std: 0.1 * 1.00001 }),
        ("the timestep", 5, &|s| s.model_timestep += 1.0),
        ("the draw", 5, &|s| s.draw = Some(1)),
    ];
    for (what, step, change) in changes {
        let found = wrong(step, change);
        println!("{what}: {found:.1}");
        assert!(found > 1.0, "{what} is not seen");
    }
    let stored = wrong(5, &|s| s.store[0].source = Source::X0);
    assert!(stored > 1.0, "another register is not seen");
}

#[test]
fn what_it_cannot_do_is_said_and_the_cpu_takes_the_hosts_loop() {
    let tiny = sampler("diffusers/tiny.onnx");
    let (_, route) = route(5);
    let clip = Clip::Quantile { fraction: 0.995, max: 2.0 };
    let plan = Ancestral { prediction: PREDICTION, clip, variance: ReverseVariance::Beta }.plan(&route).unwrap();
    let resident = |plan| Job::new(plan, &SEEDS).step_loop(StepLoop::Resident);
    let refused = tiny.start(resident(&plan)).unwrap_err().to_string();
    assert!(refused.contains("quantile") && refused.contains("host"), "{refused}");
    let usual = tiny.start(Job::new(&plan, &SEEDS)).unwrap();
    assert_eq!((usual.step_loop(), usual.note()), (StepLoop::Host, None));

    // The same graph with operators of version 12 for 17.
    let mut stored = std::fs::read(crate::graph("plain.onnx")).unwrap();
    let version = stored.windows(4).rposition(|bytes| bytes == [0x0a, 0x00, 0x10, 17]).unwrap() + 3;
    stored[version] = 12;
    let old = Network::open(runtime(), &ModelSource::from_bytes("old", stored.into()), &on_cpu()).unwrap();
    let (old, plan) = (Sampler::new(old, Scheduler::default()), &plans()[0].1);
    let refused = old.start(resident(plan)).unwrap_err().to_string();
    assert!(refused.contains("version 12"), "{refused}");
    assert!(old.start(Job::new(plan, &SEEDS)).unwrap().next().unwrap().is_ok());
}

/// The device does not look at the network's output; what is not finite stays in x, clipped or not, to the end, where the
/// host's loop finds out which step it was.
#[test]
fn an_output_that_is_not_finite_is_found_with_its_step() {
    let sampler = sampler("diffusers/pole.onnx");
    for clip in [Clip::None, UNIT] {
        let (_, route) = route(10);
        let ddim = Ddim { prediction: PREDICTION, clip, clipped_epsilon: ClippedEpsilon::FromClippedX0, eta: 0.0 };
        let plan = ddim.plan(&route).unwrap();
        let failed = |step_loop| {
            let job = Job::new(&plan, &SEEDS[..2]).step_loop(step_loop);
            sampler.start(job).unwrap().next().unwrap().unwrap_err()
        };
        for step_loop in [StepLoop::Host, StepLoop::Resident] {
            let error = failed(step_loop);
            assert!(matches!(error, SampleError::NotFinite { step: 6, steps: 10, .. }), "{error}");
        }
    }
}

/// A second job takes up the tensors of the first; another plan and another batch do not disturb it.
#[test]
fn jobs_follow_each_other() {
    let sampler = sampler("diffusers/tiny.onnx");
    let plans = plans();
    let alone: Vec<_> =
        plans.iter().map(|(_, plan)| run(&sampler, &Job::new(plan, &SEEDS), StepLoop::Host).0).collect();
    for round in 0..2 {
        for (k, (what, plan)) in plans.iter().enumerate().filter(|(k, _)| [1, 7, 10].contains(k)) {
            for batch in [2, 2, 5] {
                let job = Job::new(plan, &SEEDS).batch(batch);
                let again = run_by(&sampler, &job, StepLoop::Resident).0;
                // In another batch the network's own roundings may be others.
                let allowed = if batch == 2 { 0.0 } else { 100.0 };
                assert!(deviation(&alone[k], &again) <= allowed, "{what}, round {round}, batch {batch}");
            }
        }
    }
}

/// Notes which batches were shown and counts steps.
#[derive(Default)]
struct Seen(std::sync::Mutex<(Vec<usize>, usize)>);

impl Observer for Seen {
    fn wants(&self, first: usize) -> bool {
        first == 2
    }

    fn see(&self, view: StepView<'_>) {
        self.0.lock().unwrap().0.push(view.step);
    }

    fn step(&self, rows: usize) {
        self.0.lock().unwrap().1 += rows;
    }
}

/// Whoever looks on may sample, on another model and on the same one, by either loop: no lock is held meanwhile.
#[test]
fn an_observer_may_sample() {
    let (outer, inner) = (sampler("diffusers/tiny.onnx"), sampler("diffusers/float.onnx"));
    let (plan, seeds) = (&plans()[1].1, [3, 4]);
    let made = |sampler: &Sampler| {
        let job = Job::new(plan, &seeds).step_loop(StepLoop::Resident);
        sampler.start(job).unwrap().next().unwrap().unwrap().samples
    };
    let alone = [made(&outer), made(&inner)];
    for step_loop in [StepLoop::Host, StepLoop::Resident] {
        let mut within = Vec::new();
        let mut batches = outer.start(Job::new(plan, &seeds).step_loop(step_loop)).unwrap();
        let batch = batches.next_observed(&mut |view| {
            if view.step % 4 == 1 {
                within.push([made(&outer), made(&inner)]);
            }
        });
        assert_eq!(batch.unwrap().unwrap().samples, alone[0]);
        assert!(within.len() == 3 && within.iter().all(|within| *within == alone));
    }
}

/// Two sessions on the CPU stand for two devices.
#[test]
fn devices_share_the_seeds() {
    let (one, other) = (sampler("diffusers/tiny.onnx"), sampler("diffusers/tiny.onnx"));
    let seeds: Vec<u64> = (0..23).collect();
    let plan = &plans()[1].1;
    for step_loop in [StepLoop::Host, StepLoop::Resident] {
        let job = Job::new(plan, &seeds).batch(2).step_loop(step_loop);
        let alone: Vec<Batch> = one.start(job.clone()).unwrap().map(Result::unwrap).collect();
        let (seen, mut taken) = (Seen::default(), Vec::new());
        let shared = share(&[&one, &other], &job, &seen, |batch| {
            taken.push(batch);
            Ok::<_, SampleError>(())
        });
        assert_eq!(shared.unwrap().batch, 2);
        assert_eq!(taken.iter().map(|batch| batch.first).collect::<Vec<_>>(), (0..23).step_by(2).collect::<Vec<_>>());
        assert!(taken.iter().zip(&alone).all(|(taken, alone)| taken.samples == alone.samples));
        let (moments, rows) = seen.0.into_inner().unwrap();
        assert_eq!((moments, rows), ((0..10).collect(), 230));
    }
}

#[test]
fn a_shared_job_stops_at_the_first_failure() {
    let (one, other) = (sampler("diffusers/pole.onnx"), sampler("diffusers/tiny.onnx"));
    let seeds: Vec<u64> = (0..50).collect();
    let (_, route) = route(10);
    let ancestral = Ancestral { prediction: PREDICTION, clip: UNIT, variance: ReverseVariance::Beta };
    let plan = ancestral.plan(&route).unwrap();
    let job = Job::new(&plan, &seeds).batch(2);
    let error = share(&[&one, &other], &job, &(), |_| Ok::<_, SampleError>(())).unwrap_err();
    assert!(matches!(error, SampleError::NotFinite { .. }), "{error}");
    let mut taken = 0;
    let stopped = share(&[&other, &other], &job, &(), |_| {
        taken += 1;
        if taken == 3 { Err(SampleError::Stopped { step: 0 }) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(SampleError::Stopped { step: 0 })) && taken == 3);
}

/// How often each operator ran, and each node that the step brought with it.
fn profile(file: &Path) -> [Vec<(String, usize)>; 2] {
    let events: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (mut operators, mut own) = (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
    for event in events.as_array().unwrap() {
        let Some(operator) = event["args"]["op_name"].as_str() else { continue };
        let Some(node) = event["name"].as_str().unwrap().strip_suffix("_kernel_time") else { continue };
        *operators.entry(operator.to_owned()).or_default() += 1;
        if node.starts_with("alphabar.") {
            *own.entry(node.to_owned()).or_default() += 1;
        }
    }
    [operators.into_iter().collect(), own.into_iter().collect()]
}

/// In the runtime's own account of a run every node of the step is there once a step, and nothing is copied between
/// devices.
#[test]
fn the_profile_shows_one_step_a_run_and_no_copies() {
    let folder = tempfile::tempdir().unwrap();
    let options = on_cpu().profile(folder.path().join("run"));
    let sampler = sampler_with("diffusers/tiny.onnx", &options);
    let plan = &plans()[1].1;
    let job = Job::new(plan, &SEEDS).batch(5).step_loop(StepLoop::Resident);
    assert_eq!(sampler.start(job).unwrap().map(Result::unwrap).count(), 1);
    let files = sampler.end_profiles().unwrap();
    assert_eq!(files.len(), 2, "{files:?}");
    let [operators, own] = profile(&files[1]);
    println!("{operators:?}");
    assert!(own.len() > 10, "{own:?}");
    assert!(own.iter().all(|(_, count)| *count == plan.steps().len()), "{own:?}");
    assert!(operators.iter().any(|(operator, count)| operator == "Conv" && *count == 2 * plan.steps().len()));
    assert!(operators.iter().all(|(operator, _)| !operator.contains("Memcpy")), "{operators:?}");
}

/// Resident memory in bytes.
#[cfg(target_os = "linux")]
fn resident_memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by memory_does_not_grow_over_4000_steps, in a process of its own"]
fn four_thousand_steps() {
    let sampler = sampler("graphs/plain.onnx");
    let seeds: Vec<u64> = (0..64).collect();
    for noise in [Noise::None, Noise::Scaled { std: 0.1 }] {
        let step = |k: u32| Step {
            noise,
            draw: Some(k + 1),
            registers: Vec::new(),
            store: Vec::new(),
            input_scale: 1.0,
            ..everything().steps()[0].clone()
        };
        let plan = Plan::new("long", 1.0, (0..4000).map(step).collect()).unwrap();
        let job = Job::new(&plan, &seeds).batch(64).step_loop(StepLoop::Resident);
        let mut sizes = Vec::with_capacity(8);
        let mut batches = sampler.start(job).unwrap();
        let batch = batches.next_counted(&mut |step| {
            if step % 500 == 499 {
                sizes.push(resident_memory());
            }
        });
        assert!(batch.unwrap().unwrap().samples.iter().all(|x| x.is_finite()));
        println!("{noise:?}: {sizes:?}");
        // 1 MiB over 3,500 steps is 300 bytes a step; one leaked state of this batch would be 12,288.
        assert!(sizes[7] <= sizes[0] + (1 << 20), "{noise:?}: {sizes:?}");
    }
    println!("memory stays");
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_over_4000_steps() {
    let out = child("resident::four_thousand_steps").output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && said.contains("memory stays"), "{said}{}", String::from_utf8_lossy(&out.stderr));
}
