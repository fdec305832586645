//! What the sampler adds to the network: one step of a plan, its noise, and making the plan, at the size of a batch of
//! 16 MNIST images. The step is bound by memory: compare its bytes a second with the machine's.
#![allow(missing_docs)]

use std::hint::black_box;

use alphabar::guidance::GuidanceScale;
use alphabar::noise;
use alphabar::plan::{Ancestral, Clip, Ddim, End, Plan, Prediction, Previous, ReverseVariance, Route};
use alphabar::sample::{Registers, Shape, apply, guide};
use alphabar::{Schedule, Timestep};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SHAPE: Shape = Shape { batch: 16, each: 28 * 28, learned_variance: false };

fn ddim(schedule: &Schedule) -> Plan {
    let timesteps: Vec<usize> = (0..50).rev().map(|i| 20 * i).collect();
    let route = Route::new(schedule, &timesteps, Previous::List, End::Data).expect("a valid list");
    let clip = Clip::Range { bound: 1.0 };
    let sampler = Ddim { prediction: Prediction::Epsilon, clip, clipped_epsilon: Default::default(), eta: 0.0 };
    sampler.plan(&route).expect("a valid route")
}

fn ddpm(schedule: &Schedule) -> Plan {
    let clip = Clip::Range { bound: 1.0 };
    let sampler = Ancestral { prediction: Prediction::Epsilon, clip, variance: ReverseVariance::BetaTilde };
    sampler.plan(&Route::every(schedule)).expect("a valid route")
}

fn schedules(c: &mut Criterion) {
    c.bench_function("schedule, T = 1000", |b| b.iter(|| black_box(Schedule::ddpm())));
    let schedule = Schedule::ddpm();
    c.bench_function("levels, T = 1000", |b| {
        b.iter(|| (1..=1000).map(|t| schedule.level(Timestep::new(t)).log_snr()).sum::<f64>());
    });
}

fn plans(c: &mut Criterion) {
    let schedule = Schedule::ddpm();
    c.bench_function("plan, 50 steps of ddim", |b| b.iter(|| black_box(ddim(&schedule))));
    c.bench_function("plan, 1000 steps of ddpm", |b| b.iter(|| black_box(ddpm(&schedule))));
}

fn steps(c: &mut Criterion) {
    let schedule = Schedule::ddpm();
    let mut group = c.benchmark_group("one step, 16 x 784 f32");
    // x is read twice and written once, out read twice, x0 written and read.
    group.throughput(Throughput::Bytes(7 * 4 * SHAPE.len() as u64));
    let (mut x, z) = (vec![0.3_f32; SHAPE.len()], vec![0.1_f32; SHAPE.len()]);
    let mut out = vec![0.2_f32; SHAPE.len_out()];
    for (name, plan) in [("ddim", ddim(&schedule)), ("ddpm", ddpm(&schedule))] {
        let mut registers = Registers::new(0, SHAPE);
        let step = &plan.steps()[10];
        group.bench_function(name, |b| b.iter(|| apply(step, SHAPE, &mut x, black_box(&out), &z, &mut registers)));
    }
    let other = out.clone();
    let scale = GuidanceScale::new(1.5).expect("a finite number");
    group.bench_function("guidance", |b| b.iter(|| guide(scale, SHAPE, &mut out, black_box(&other))));
    let mut copy = vec![0.0_f32; SHAPE.len()];
    group.throughput(Throughput::Bytes(2 * 4 * SHAPE.len() as u64));
    group.bench_function("copy, for comparison", |b| b.iter(|| copy.copy_from_slice(black_box(&x))));
    group.finish();
}

fn normals(c: &mut Criterion) {
    let mut group = c.benchmark_group("noise, 16 x 784 f32");
    group.throughput(Throughput::Elements(SHAPE.len() as u64));
    let (seeds, mut z): (Vec<u64>, Vec<f32>) = ((0..16).collect(), vec![0.0; SHAPE.len()]);
    group.bench_function("fill_batch", |b| b.iter(|| noise::fill_batch(black_box(&seeds), 1, &mut z)));
    group.finish();
}

criterion_group!(benches, schedules, plans, steps, normals);
criterion_main!(benches);
