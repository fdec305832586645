//! The form of a plan carries samplers it was not written for: pseudo Runge–Kutta and linear multistep (PNDM), a
//! stochastic two-stage method that uses one z twice, dynamic thresholding. Each is built by hand and compared with the
//! method as its paper has it, run on plain vectors.

use alphabar::check::sampler::{Network, law};
use alphabar::noise::Stream;
use alphabar::plan::{
    Clip, ClippedEpsilon, Ddim, Noise, Plan, Prediction, Route, Source, Spacing, Step, Store, Term,
};
use alphabar::posterior::Moments;
use alphabar::sample::{Executor, from_fn};
use alphabar::{Schedule, Timestep};
use ndarray::{Array2, ArrayView2};

const SEED: u64 = 11;
const WIDTH: usize = 5;

/// A network that is linear in nothing and knows the time.
fn network(x: f64, time: f64) -> f64 {
    (1.1 * x + 0.003 * time).sin() + 0.2 * x
}

fn blank(time: f64) -> Step {
    Step {
        t: None,
        target: None,
        model_timestep: time,
        input_scale: 1.0,
        x0_from_x: 0.0,
        x0_from_out: 0.0,
        clip: Clip::None,
        x: 0.0,
        x0: 0.0,
        out: 0.0,
        registers: Vec::new(),
        noise: Noise::None,
        draw: None,
        store: Vec::new(),
    }
}

fn execute(plan: &Plan) -> Vec<f64> {
    let executor = Executor::new(plan, &[SEED]);
    let mut network = from_fn(|x: ArrayView2<'_, f64>, time: f64| x.mapv(|x| network(x, time)));
    let start: Array2<f64> = executor.initial(ndarray::Dim((1, WIDTH))).unwrap();
    executor.run(start, &mut network).unwrap().into_raw_vec_and_offset().0
}

fn normals(draw: u32) -> Vec<f64> {
    let mut z = vec![0.0; WIDTH];
    Stream::new(SEED).fill(draw, &mut z);
    z
}

fn assert_close(got: &[f64], want: &[f64]) {
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-12 * (1.0 + want.abs()), "{got} is not {want}");
    }
}

/// Indices of ten times and the levels (√ᾱ, σ) there and at the data.
fn ten_times() -> (Vec<usize>, Vec<(f64, f64)>) {
    let schedule = Schedule::ddpm();
    let indices = Spacing::Trailing.model_timesteps(1000, 10).unwrap();
    let level = |t: Timestep| (schedule.level(t).signal(), schedule.level(t).noise_std());
    let levels = indices.iter().map(|&i| level(Timestep::from_model_index(i))).chain([(1.0, 0.0)]).collect();
    (indices, levels)
}

/// Factors of x and ε in the transfer part of PNDM (a DDIM step): x' = p x + q ε.
fn transfer(from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    (to.0 / from.0, to.1 - to.0 * from.1 / from.0)
}

const ADAMS: [&[f64]; 4] = [
    &[1.0],
    &[1.5, -0.5],
    &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
    &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
];

#[test]
fn linear_multistep_with_three_registers() {
    let (indices, levels) = ten_times();
    let steps = indices.iter().enumerate().map(|(k, &index)| {
        let (p, q) = transfer(levels[k], levels[k + 1]);
        let weights = ADAMS[k.min(3)];
        let past = weights.iter().enumerate().skip(1);
        let registers = past.map(|(back, w)| Term { register: (k - back) % 3, factor: q * w }).collect();
        let store = vec![Store { register: k % 3, source: Source::Out }];
        Step { x: p, out: q * weights[0], registers, store, ..blank(index as f64) }
    });
    let plan = Plan::new("plms by hand", 1.0, steps.collect()).unwrap();

    let mut x = normals(0);
    let mut history: Vec<Vec<f64>> = Vec::new();
    for (k, &index) in indices.iter().enumerate() {
        history.insert(0, x.iter().map(|&x| network(x, index as f64)).collect());
        let (p, q) = transfer(levels[k], levels[k + 1]);
        for (i, x) in x.iter_mut().enumerate() {
            let slope: f64 = ADAMS[k.min(3)].iter().zip(&history).map(|(w, past)| w * past[i]).sum();
            *x = p * *x + q * slope;
        }
    }
    assert_close(&execute(&plan), &x);
}

#[test]
fn four_stages_from_one_held_state() {
    let (indices, levels) = ten_times();
    let mut steps = Vec::new();
    let mut x = normals(0);
    for k in (0..8).step_by(2) {
        let times = [indices[k], indices[k + 1], indices[k + 1], indices[k + 2]].map(|i| i as f64);
        let half = transfer(levels[k], levels[k + 1]);
        let full = transfer(levels[k], levels[k + 2]);
        let store = |register, source| Store { register, source };
        let held = |(p, q): (f64, f64), slopes: [f64; 3]| {
            let terms = (0..).zip([p, q * slopes[0], q * slopes[1], q * slopes[2]]);
            terms.filter(|(_, factor)| *factor != 0.0).map(|(register, factor)| Term { register, factor }).collect()
        };
        let (first, end) = (vec![store(0, Source::X), store(1, Source::Out)], 1.0 / 6.0);
        steps.push(Step { x: half.0, out: half.1, store: first, ..blank(times[0]) });
        let second = vec![store(2, Source::Out)];
        steps.push(Step { out: half.1, registers: held(half, [0.0; 3]), store: second, ..blank(times[1]) });
        let third = vec![store(3, Source::Out)];
        steps.push(Step { out: full.1, registers: held(full, [0.0; 3]), store: third, ..blank(times[2]) });
        let registers = held(full, [end, 2.0 * end, 2.0 * end]);
        steps.push(Step { out: full.1 * end, registers, ..blank(times[3]) });

        for x in &mut x {
            let e1 = network(*x, times[0]);
            let e2 = network(half.0 * *x + half.1 * e1, times[1]);
            let e3 = network(half.0 * *x + half.1 * e2, times[2]);
            let e4 = network(full.0 * *x + full.1 * e3, times[3]);
            *x = full.0 * *x + full.1 * (e1 + 2.0 * e2 + 2.0 * e3 + e4) / 6.0;
        }
    }
    assert_close(&execute(&Plan::new("prk by hand", 1.0, steps).unwrap()), &x);
}

/// Stochastic Heun for dx = −f dt + g dw: both stages use the z of the first, which a register holds.
fn stochastic_heun(count: u32) -> Plan {
    let (h, g) = (0.1, 0.7);
    let kick = g * f64::sqrt(h);
    let pair = |k: u32| {
        let time = f64::from(k);
        let store = [(0, Source::X), (1, Source::Out), (2, Source::Z)];
        let store = store.map(|(register, source)| Store { register, source }).to_vec();
        let noise = Noise::Scaled { std: kick };
        let first = Step { x: 1.0, out: -h, noise, draw: Some(k + 1), store, ..blank(time) };
        let terms = [(0, 1.0), (1, -0.5 * h), (2, kick)];
        let registers = terms.map(|(register, factor)| Term { register, factor }).to_vec();
        [first, Step { out: -0.5 * h, registers, ..blank(time + 1.0) }]
    };
    Plan::new("stochastic heun by hand", 1.0, (0..count).flat_map(pair).collect()).unwrap()
}

#[test]
fn one_normal_in_two_stages() {
    let (h, kick) = (0.1, 0.7 * f64::sqrt(0.1));
    let mut x = normals(0);
    for k in 0..6 {
        let z = normals(k + 1);
        let time = f64::from(k);
        for (x, z) in x.iter_mut().zip(&z) {
            let slope = network(*x, time);
            let guess = *x - h * slope + kick * z;
            *x += -0.5 * h * (slope + network(guess, time + 1.0)) + kick * z;
        }
    }
    assert_close(&execute(&stochastic_heun(6)), &x);
}

/// The law sees that z is the same: for f = x one pair is x' = (1 − h + h²/2) x + (1 − h/2)·g√h z.
#[test]
fn the_law_knows_a_held_normal() {
    let h = 0.1f64;
    let (gain, kick) = (1.0 - h + 0.5 * h * h, (1.0 - 0.5 * h) * 0.7 * h.sqrt());
    let start = Moments { mean: 1.5, var: 0.4 };
    let laws = law(&stochastic_heun(6), start, |_| Network { slope: 1.0, offset: 0.0 }).unwrap();
    let mut want = start;
    for pair in laws.chunks(2) {
        want = Moments { mean: gain * want.mean, var: gain * gain * want.var + kick * kick };
        approx::assert_abs_diff_eq!(pair[1], want, epsilon = 1e-15);
    }
}

#[test]
fn a_law_that_is_not_affine_is_refused() {
    let start = Moments { mean: 0.0, var: 1.0 };
    let one =
        |step: Step| law(&Plan::new("one", 1.0, vec![step]).unwrap(), start, |_| Network { slope: 1.0, offset: 0.0 });
    assert!(one(Step { x: 1.0, ..blank(0.0) }).is_some());
    assert!(one(Step { clip: Clip::Range { bound: 1.0 }, ..blank(0.0) }).is_none());
    let noise = Noise::Learned { log_var_low: -1.0, log_var_high: 0.0 };
    assert!(one(Step { noise, draw: Some(1), ..blank(0.0) }).is_none());
    let noisy = Step { noise: Noise::Scaled { std: 1.0 }, draw: Some(1), ..blank(0.0) };
    let twice = Plan::new("twice", 1.0, vec![noisy.clone(), noisy]).unwrap();
    assert!(law(&twice, start, |_| Network { slope: 1.0, offset: 0.0 }).is_none());
}

#[test]
fn dynamic_thresholding_clips_to_a_quantile() {
    let schedule = Schedule::ddpm();
    let (indices, levels) = ten_times();
    let route = Route::new(&schedule, &indices, alphabar::plan::Previous::List, alphabar::plan::End::Data).unwrap();
    let clip = Clip::Quantile { fraction: 0.75, max: 3.0 };
    let clipped_epsilon = ClippedEpsilon::FromClippedX0;
    let plan = Ddim { prediction: Prediction::Epsilon, clip, clipped_epsilon, eta: 0.0 }.plan(&route).unwrap();

    let mut x = normals(0);
    for (k, &index) in indices.iter().enumerate() {
        let ((a, s), (a_to, s_to)) = (levels[k], levels[k + 1]);
        let mut x0: Vec<f64> = x.iter().map(|&x| (x - s * network(x, index as f64)) / a).collect();
        let mut sorted: Vec<f64> = x0.iter().map(|x| x.abs()).collect();
        sorted.sort_by(f64::total_cmp);
        // Five entries: the quantile ¾ is the fourth.
        let bound = sorted[3].clamp(1.0, 3.0);
        x0.iter_mut().for_each(|x0| *x0 = x0.clamp(-bound, bound) / bound);
        for (x, x0) in x.iter_mut().zip(&x0) {
            *x = a_to * x0 + s_to * (*x - a * x0) / s;
        }
    }
    assert_close(&execute(&plan), &x);
}
