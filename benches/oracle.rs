//! The oracle's speed: claims, tables, and the two array formulas against the machine's memory.
//!
//! `cargo bench --bench oracle --no-default-features`
#![allow(missing_docs)]

use std::hint::black_box;

use alphabar::check::{self, Run, posterior::Point};
use alphabar::forward::add_noise;
use alphabar::posterior::{self, Posterior};
use alphabar::table::Table;
use alphabar::{Betas, Schedule, Timestep};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array4;

fn claims(c: &mut Criterion) {
    let mut group = c.benchmark_group("claims");
    group.throughput(Throughput::Elements(1));
    let at = Point::new(&Schedule::ddpm(), Timestep::new(10), 0.7, -0.4);
    group.bench_function("posterior_equals_bayes, one point", |b| {
        b.iter(|| check::posterior::equals_bayes(posterior::posterior, black_box(&at)));
    });
    group.bench_function("posterior_equals_bayes, 64 points at T = 1000", |b| {
        let schedule = Schedule::ddpm();
        b.iter(|| {
            Run::default().over(|[u, x0, xt]| {
                let t = Timestep::new(1 + (999.0 * u) as usize);
                check::posterior::equals_bayes(posterior::posterior, &Point::new(&schedule, t, x0, xt))
            })
        });
    });
    group.finish();
}

fn tables(c: &mut Criterion) {
    let mut group = c.benchmark_group("tables, T = 1000");
    let Ok(betas) = Betas::linear(1000, 1e-4, 0.02) else { return };
    let schedule = Schedule::new(betas.clone());
    group.bench_function("Schedule::new", |b| b.iter(|| Schedule::new(black_box(betas.clone()))));
    group.bench_function("Table::new, 15 columns", |b| b.iter(|| Table::new(black_box(&schedule))));
    group
        .bench_function("Table::ordinary in f64", |b| b.iter(|| Table::ordinary::<f64>(black_box(betas.as_slice()))));
    group.finish();
}

fn arrays(c: &mut Criterion) {
    let mut group = c.benchmark_group("64 x 3 x 32 x 32 f32");
    let image = |scale: f32| Array4::from_shape_fn((64, 3, 32, 32), |(n, c, h, w)| scale * (n + c + h + w) as f32);
    let (x0, eps) = (image(1e-2), image(-2e-2));
    let bytes = 4 * x0.len() as u64;
    let schedule = Schedule::ddpm();
    let t = Timestep::new(500);
    // Two arrays are read, one is written.
    group.throughput(Throughput::Bytes(3 * bytes));
    let (level, posterior) = (schedule.level(t), Posterior::new(&schedule.step(t)));
    group.bench_function("q_sample", |b| b.iter(|| add_noise(level, black_box(&x0.view()), black_box(&eps.view()))));
    group.bench_function("posterior mean", |b| {
        b.iter(|| posterior.mean(black_box(&x0.view()), black_box(&eps.view())));
    });
    group.throughput(Throughput::Bytes(2 * bytes));
    group.bench_function("copy, for comparison", |b| b.iter(|| black_box(&x0).to_owned()));
    group.finish();
}

criterion_group!(benches, claims, tables, arrays);
criterion_main!(benches);
