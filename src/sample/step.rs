//! One step of a plan on slices of f32 or f64: the only place where a sampler's state is updated.

use crate::array::Real;
use crate::plan::{Clip, Noise, Source, Step};

/// How a batch lies in memory: `batch` samples of `each` elements; the network's output may hold twice as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of samples.
    pub batch: usize,
    /// Elements in one sample of x.
    pub each: usize,
    /// True if the network also predicts a variance, so that one sample of its output has 2·each elements.
    pub learned_variance: bool,
}

impl Shape {
    /// Elements of x.
    #[must_use]
    pub const fn len(self) -> usize {
        self.batch * self.each
    }

    /// True for a batch of nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Elements of the network's output for one sample.
    #[must_use]
    pub const fn each_out(self) -> usize {
        if self.learned_variance { 2 * self.each } else { self.each }
    }

    /// Elements of the network's output.
    #[must_use]
    pub const fn len_out(self) -> usize {
        self.batch * self.each_out()
    }
}

/// What a plan keeps between steps.
#[derive(Clone, Debug)]
pub struct Registers<A> {
    slots: Vec<Vec<A>>,
    x0: Vec<A>,
    sorted: Vec<A>,
}

impl<A: Real> Registers<A> {
    /// `count` registers for a batch of the given shape.
    #[must_use]
    pub fn new(count: usize, shape: Shape) -> Self {
        Self {
            slots: vec![vec![A::ZERO; shape.len()]; count],
            x0: vec![A::ZERO; shape.len()],
            sorted: Vec::with_capacity(shape.each),
        }
    }

    /// x̂₀ of the step applied last, after clipping.
    #[must_use]
    pub fn x0(&self) -> &[A] {
        &self.x0
    }
}

/// Carries one step out: x becomes x'.
///
/// `out` is the network's output on `input_scale · x`, `z` the step's standard normals (may be empty if the step
/// needs none). Coefficients are rounded once to `A`.
///
/// # Panics
/// If a slice has not the length that `shape` says, or `registers` was made for fewer registers than the plan uses.
pub fn apply<A: Real>(step: &Step, shape: Shape, x: &mut [A], out: &[A], z: &[A], registers: &mut Registers<A>) {
    assert_eq!(x.len(), shape.len(), "x has the batch's length");
    assert_eq!(out.len(), shape.len_out(), "the network's output has the batch's length");
    assert!(!step.needs_noise() || z.len() == shape.len(), "a step that needs noise gets it");
    predict_x0(step, shape, x, out, registers);
    let Registers { slots, x0, .. } = registers;
    let stores_x = step.store.iter().filter(|store| store.source == Source::X).map(|store| store.register);
    let held: Vec<(usize, Vec<A>)> = stores_x.map(|register| (register, x.to_vec())).collect();
    let (c, d, f) = (A::from_f64(step.x), A::from_f64(step.x0), A::from_f64(step.out));
    let (each, each_out) = (shape.each, shape.each_out());
    for sample in 0..shape.batch {
        let range = sample * each..(sample + 1) * each;
        let outputs = &out[sample * each_out..sample * each_out + each];
        for ((x, &x0), &out) in x[range.clone()].iter_mut().zip(&x0[range]).zip(outputs) {
            *x = c * *x + d * x0 + f * out;
        }
    }
    for term in &step.registers {
        let g = A::from_f64(term.factor);
        for (x, &r) in x.iter_mut().zip(&slots[term.register]) {
            *x += g * r;
        }
    }
    add_noise(step.noise, shape, x, out, z);
    for store in &step.store {
        let slot = &mut slots[store.register];
        match store.source {
            Source::X => {}
            Source::X0 => slot.copy_from_slice(x0),
            Source::Z => slot.copy_from_slice(z),
            Source::Out => {
                for (slot, out) in slot.chunks_mut(each.max(1)).zip(out.chunks(each_out.max(1))) {
                    slot.copy_from_slice(&out[..each]);
                }
            }
        }
    }
    for (register, values) in held {
        slots[register] = values;
    }
}

fn predict_x0<A: Real>(step: &Step, shape: Shape, x: &[A], out: &[A], registers: &mut Registers<A>) {
    let (a, b) = (A::from_f64(step.x0_from_x), A::from_f64(step.x0_from_out));
    let (each, each_out) = (shape.each, shape.each_out());
    for sample in 0..shape.batch {
        let range = sample * each..(sample + 1) * each;
        let outputs = &out[sample * each_out..sample * each_out + each];
        let x0 = &mut registers.x0[range.clone()];
        for ((x0, &x), &out) in x0.iter_mut().zip(&x[range]).zip(outputs) {
            *x0 = a * x + b * out;
        }
        match step.clip {
            Clip::None => {}
            Clip::Range { bound } => {
                let bound = A::from_f64(bound);
                for x0 in x0.iter_mut() {
                    *x0 = clamp(*x0, bound);
                }
            }
            Clip::Quantile { fraction, max } => {
                let threshold = quantile(&mut registers.sorted, x0, fraction).clamp(1.0, max);
                let (bound, scale) = (A::from_f64(threshold), A::from_f64(1.0 / threshold));
                for x0 in x0.iter_mut() {
                    *x0 = clamp(*x0, bound) * scale;
                }
            }
        }
    }
}

/// Into [−bound, bound]; NaN stays NaN, to be found and reported.
fn clamp<A: Real>(value: A, bound: A) -> A {
    value.min(bound).max(A::ZERO - bound)
}

/// The quantile of |values|, linear between order statistics (as NumPy and PyTorch have it).
fn quantile<A: Real>(sorted: &mut Vec<A>, values: &[A], fraction: f64) -> f64 {
    sorted.clear();
    sorted.extend(values.iter().map(|&v| v.max(A::ZERO - v)));
    if sorted.iter().any(|v| !v.is_finite()) || sorted.is_empty() {
        return 1.0;
    }
    let position = fraction * (sorted.len() - 1) as f64;
    let (below, part) = (position.floor() as usize, position.fract());
    let order = |a: &A, b: &A| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
    let (_, &mut low, above) = sorted.select_nth_unstable_by(below, order);
    let high = above.iter().copied().min_by(order).unwrap_or(low);
    low.to_f64() + part * (high.to_f64() - low.to_f64())
}

fn add_noise<A: Real>(noise: Noise, shape: Shape, x: &mut [A], out: &[A], z: &[A]) {
    match noise {
        Noise::None => {}
        Noise::Scaled { std } => {
            let std = A::from_f64(std);
            for (x, &z) in x.iter_mut().zip(z) {
                *x += std * z;
            }
        }
        Noise::Learned { log_var_low, log_var_high } => {
            let (each, each_out) = (shape.each, shape.each_out());
            let (middle, half) = (0.25 * (log_var_high + log_var_low), 0.25 * (log_var_high - log_var_low));
            for sample in 0..shape.batch {
                let range = sample * each..(sample + 1) * each;
                let mixing = &out[sample * each_out + each..(sample + 1) * each_out];
                for ((x, &z), &v) in x[range.clone()].iter_mut().zip(&z[range]).zip(mixing) {
                    *x += A::from_f64((middle + half * v.to_f64()).exp()) * z;
                }
            }
        }
    }
}
