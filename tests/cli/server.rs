//! The Rust interface that a server would use, without the program.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use alphabar::onnx::{Binding, Job, RuntimeOptions, SampleError, Sampler, SessionOptions, load_or_install};
use alphabar::plan::{Clip, Noise, Plan, Source, Step, Store, Term};
use alphabar::sample::{Denoiser, Executor};
use ndarray::{Array4, ArrayView, Ix4};
use ndarray_npy::read_npy;

use crate::program::{Place, fixture, network};

fn open(model: &Path) -> Sampler {
    // The library installs nothing by itself.
    load_or_install(&RuntimeOptions::from_environment(), &mut |_| {}).unwrap();
    Sampler::open(model, &SessionOptions::new()).unwrap()
}

#[test]
fn batches_arrive_as_arrays_and_are_those_of_the_program() {
    let sampler = open(&fixture("mnist-unet"));
    let recipe = sampler.recipe().unwrap().steps(5);
    let plan = recipe.plan().unwrap();
    let (seeds, labels) = ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]);
    let job = Job::new(&plan, &seeds).labels(&labels).batch(2);
    let batches: Vec<_> = sampler.start(job).unwrap().collect::<Result<_, _>>().unwrap();
    let sizes: Vec<_> = batches.iter().map(|batch| (batch.first, batch.samples.dim())).collect();
    assert_eq!(sizes, [(0, (2, 1, 28, 28)), (2, (2, 1, 28, 28)), (4, (1, 1, 28, 28))]);

    let place = Place::new();
    place.done("sample --count 5 --steps 5 --batch 2 --out x.npy");
    let want: Array4<f32> = read_npy(place.path("x.npy")).unwrap();
    let got = ndarray::concatenate(ndarray::Axis(0), &batches.iter().map(|b| b.samples.view()).collect::<Vec<_>>());
    assert_eq!(got.unwrap(), want);
}

#[test]
fn a_job_can_be_watched_and_stopped() {
    let sampler = open(&fixture("mnist-unet"));
    let plan = sampler.recipe().unwrap().plan().unwrap();
    let stop = AtomicBool::new(false);
    let job = Job::new(&plan, &[1]).labels(&[3]).stop(&stop);
    let mut batches = sampler.start(job).unwrap();
    let mut seen = Vec::new();
    let result = batches.next_observed(&mut |moment| {
        assert_eq!((moment.x.len(), moment.x0.len()), (784, 784));
        seen.push(moment.step);
        stop.store(moment.step == 2, Ordering::Relaxed);
    });
    assert!(matches!(result, Some(Err(SampleError::Stopped { step: 3 }))), "{result:?}");
    assert_eq!(seen, [0, 1, 2]);
    assert!(batches.next().is_none());
}

#[test]
fn a_job_that_does_not_fit_the_model_is_refused_before_it_starts() {
    let sampler = open(&fixture("mnist-unet"));
    let plan = sampler.recipe().unwrap().plan().unwrap();
    let guidance = alphabar::guidance::GuidanceScale::new(2.0).unwrap();
    let refused = |job: Job<'_>| sampler.start(job).unwrap_err().to_string();
    assert!(refused(Job::new(&plan, &[])).contains("seeds"));
    assert!(refused(Job::new(&plan, &[1])).contains("class_labels"));
    assert!(refused(Job::new(&plan, &[1]).labels(&[1, 2])).contains("labels"));
    assert!(refused(Job::new(&plan, &[1]).labels(&[77])).contains("77"));
    let unseen = Job::new(&plan, &[1]).labels(&[1]).null_label(77).guidance(guidance);
    assert!(sampler.start(unseen).unwrap().next().unwrap().unwrap_err().to_string().contains("77"));
}

#[test]
fn samplers_are_shared_between_threads() {
    let sampler = open(&fixture("mnist-unet"));
    let recipe = sampler.recipe().unwrap().steps(3);
    let plan = recipe.plan().unwrap();
    let run = |seed: u64| {
        let (seeds, labels) = ([seed], [4]);
        let job = Job::new(&plan, &seeds).labels(&labels);
        sampler.start(job).unwrap().next().unwrap().unwrap().samples
    };
    let alone = [run(1), run(2)];
    let together =
        std::thread::scope(|scope| [scope.spawn(|| run(1)), scope.spawn(|| run(2))].map(|t| t.join().unwrap()));
    assert_eq!(alone, together);
}

/// A network as the array executor takes it.
struct Evaluated(Binding);

impl Denoiser<f32, Ix4> for Evaluated {
    fn evaluate(&mut self, x: ArrayView<'_, f32, Ix4>, model_timestep: f64) -> alphabar::Result<Array4<f32>> {
        self.0.sample_mut().copy_from_slice(x.as_slice().unwrap());
        self.0.set_timestep(model_timestep).unwrap();
        self.0.run().unwrap();
        let shape = self.0.network().output_shape(self.0.batch());
        Ok(Array4::from_shape_vec(shape, self.0.output().to_vec()).unwrap())
    }
}

/// A plan no constructor makes: scaled input, dynamic thresholding, registers of every source, both kinds of noise,
/// two evaluations a step of time, and a memory of the step before.
fn unusual_plan() -> Plan {
    let step = |model_timestep: f64| Step {
        t: None,
        target: None,
        model_timestep,
        input_scale: 1.0,
        x0_from_x: 1.1,
        x0_from_out: -0.4,
        clip: Clip::None,
        x: 0.7,
        x0: 0.2,
        out: -0.1,
        registers: Vec::new(),
        noise: Noise::None,
        draw: None,
        store: Vec::new(),
    };
    let store = |register, source| Store { register, source };
    let term = |register, factor| Term { register, factor };
    let first = Step {
        input_scale: 0.5,
        clip: Clip::Quantile { fraction: 0.9, max: 2.0 },
        store: vec![store(0, Source::X), store(1, Source::Out)],
        ..step(900.0)
    };
    let second = Step {
        registers: vec![term(0, 0.3), term(1, -0.2)],
        noise: Noise::Scaled { std: 0.3 },
        draw: Some(1),
        store: vec![store(1, Source::X0), store(2, Source::Z)],
        ..step(600.5)
    };
    let third = Step {
        clip: Clip::Range { bound: 0.8 },
        registers: vec![term(2, 0.1), term(1, 0.4)],
        noise: Noise::Learned { log_var_low: -3.0, log_var_high: -1.0 },
        draw: Some(2),
        ..step(300.0)
    };
    Plan::new("by hand", 1.5, vec![first, second, third, step(0.0)]).unwrap()
}

#[test]
fn any_plan_is_carried_out_as_the_array_executor_does() {
    let sampler = open(network("learned").as_ref());
    let (plan, seeds) = (unusual_plan(), [11, 12, 13]);
    let mut evaluated = Evaluated(sampler.network().bind(3).unwrap());
    let executor = Executor::new(&plan, &seeds);
    let start = executor.initial::<f32, Ix4>(Ix4(3, 3, 16, 16)).unwrap();
    let want = executor.run(start, &mut evaluated).unwrap();
    let got = sampler.start(Job::new(&plan, &seeds)).unwrap().next().unwrap().unwrap().samples;
    assert_eq!(got, want);

    let place = Place::new();
    place.write("plan.json", serde_json::to_string(&plan).unwrap());
    place.done(&format!("sample {} --plan plan.json --seeds 11-13 --out x.npy", network("learned")));
    let stored: Array4<f32> = read_npy(place.path("x.npy")).unwrap();
    assert_eq!(stored, want);
}
