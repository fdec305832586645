//! The Rust interface that a server would use, without the program.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use alphabar::onnx::{Job, SampleError, Sampler, SessionOptions};
use alphabar::plan::Visits;
use ndarray::Array4;
use ndarray_npy::read_npy;

use crate::program::{Place, fixture};

fn open(model: &Path) -> Sampler {
    Sampler::open(model, &SessionOptions::default()).unwrap()
}

#[test]
fn batches_arrive_as_arrays_and_are_those_of_the_program() {
    let sampler = open(&fixture("mnist-unet"));
    let mut recipe = sampler.recipe().unwrap();
    recipe.visits = Visits::Count(5);
    let plan = recipe.plan().unwrap();
    let (seeds, labels) = ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]);
    let job = Job { labels: Some(&labels), batch: Some(2), ..Job::new(&plan, &seeds) };
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
    let job = Job { labels: Some(&[3]), stop: Some(&stop), ..Job::new(&plan, &[1]) };
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
    let refused = |job: Job<'_>| sampler.start(job).unwrap_err().to_string();
    assert!(refused(Job::new(&plan, &[])).contains("seeds"));
    assert!(refused(Job::new(&plan, &[1])).contains("class_labels"));
    assert!(refused(Job { labels: Some(&[1, 2]), ..Job::new(&plan, &[1]) }).contains("labels"));
    assert!(refused(Job { labels: Some(&[77]), ..Job::new(&plan, &[1]) }).contains("77"));
    let guided = Job { labels: Some(&[1]), guidance: f64::INFINITY, ..Job::new(&plan, &[1]) };
    assert!(refused(guided).contains("guidance"));
}

#[test]
fn samplers_are_shared_between_threads() {
    let sampler = open(&fixture("mnist-unet"));
    let mut recipe = sampler.recipe().unwrap();
    recipe.visits = Visits::Count(3);
    let plan = recipe.plan().unwrap();
    let run = |seed: u64| {
        let (seeds, labels) = ([seed], [4]);
        let job = Job { labels: Some(&labels), ..Job::new(&plan, &seeds) };
        sampler.start(job).unwrap().next().unwrap().unwrap().samples
    };
    let alone = [run(1), run(2)];
    let together =
        std::thread::scope(|scope| [scope.spawn(|| run(1)), scope.spawn(|| run(2))].map(|t| t.join().unwrap()));
    assert_eq!(alone, together);
}
