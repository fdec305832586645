//! The oracle's speed: claims, tables, and the two array formulas against the machine's memory.
//!
//! `cargo bench --bench oracle --no-default-features`; `oracle.py` sets the array formulas beside NumPy's in one run.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use alphabar::check;
use alphabar::forward::add_noise;
use alphabar::posterior::{self, Posterior};
use alphabar::table::Table;
use alphabar::{Betas, Level, Schedule, Timestep};
use criterion::{Criterion, Throughput, criterion_group};
use ndarray::Array4;

fn claims(c: &mut Criterion) {
    let mut group = c.benchmark_group("claims");
    let schedule = Schedule::ddpm();
    group.throughput(Throughput::Elements(1000));
    group.bench_function("posterior_equals_bayes, every t of T = 1000", |b| {
        b.iter(|| check::posterior::bayes(posterior::posterior).on(black_box(&schedule)).run());
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

/// Pairs of arrays of 64 x 3 x 32 x 32 f32 and the two formulas on them.
struct Images {
    pairs: Vec<(Array4<f32>, Array4<f32>)>,
    out: Array4<f32>,
    level: Level,
    posterior: Posterior,
}

impl Images {
    const SHAPE: (usize, usize, usize, usize) = (64, 3, 32, 32);

    fn new(pairs: usize) -> Self {
        let image = |scale: f32| Array4::from_shape_fn(Self::SHAPE, |(n, c, h, w)| scale * (n + c + h + w) as f32);
        let schedule = Schedule::ddpm();
        let t = Timestep::new(500);
        let (level, posterior) = (schedule.level(t), Posterior::new(&schedule.step(t)));
        let pairs = (0..pairs).map(|_| (image(1e-2), image(-2e-2))).collect();
        Self { pairs, out: image(0.0), level, posterior }
    }

    /// One evaluation of what is named; false if nothing is.
    fn evaluate(&mut self, what: &str, pair: usize) -> bool {
        let (x, y) = black_box(&self.pairs[pair]);
        match what {
            "q_sample" => drop(black_box(add_noise(self.level, x, y))),
            "posterior mean" => drop(black_box(self.posterior.mean(x, y))),
            // The same traffic without an allocation: what the machine can do.
            "triad" => {
                let (Some(x), Some(y), Some(out)) = (x.as_slice(), y.as_slice(), self.out.as_slice_mut()) else {
                    return false;
                };
                let [a, b] = black_box([0.25_f32, 0.97]);
                for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
                    *out = a * x + b * y;
                }
                black_box(&self.out);
            }
            _ => return false,
        }
        true
    }
}

fn arrays(c: &mut Criterion) {
    let mut group = c.benchmark_group("64 x 3 x 32 x 32 f32");
    let mut images = Images::new(1);
    // Two arrays are read, one is written.
    group.throughput(Throughput::Bytes(3 * 4 * images.out.len() as u64));
    for what in ["q_sample", "posterior mean", "triad"] {
        group.bench_function(what, |b| b.iter(|| images.evaluate(what, 0)));
    }
    group.finish();
}

/// Answers `oracle.py`: a line `WHAT;PAIRS;EVALUATIONS` is answered by the seconds that took, over as many pairs.
fn serve() -> std::io::Result<()> {
    let mut images = Images::new(0);
    for line in std::io::stdin().lines() {
        let line = line?;
        let mut parts = line.split(';');
        let what = parts.next().unwrap_or_default();
        let mut number = || parts.next().and_then(|n| n.parse::<usize>().ok()).unwrap_or(1).max(1);
        let (pairs, count) = (number(), number());
        if images.pairs.len() != pairs {
            images = Images::new(pairs);
        }
        let start = Instant::now();
        let known = (0..count).all(|k| images.evaluate(what, k % pairs));
        let seconds = start.elapsed().as_secs_f64();
        println!("{}", if known { seconds } else { f64::NAN });
    }
    Ok(())
}

criterion_group!(benches, claims, tables, arrays);

fn main() -> std::io::Result<()> {
    if std::env::args().any(|argument| argument == "--serve") {
        return serve();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    Ok(())
}
