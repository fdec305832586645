//! The exact law of what a plan returns when the network is affine: plan → affine maps → mean and variance.

use crate::plan::{Clip, Noise, Plan, Source, Step};
use crate::posterior::Moments;

/// A network that answers `slope·input + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// Factor on the input.
    pub slope: f64,
    /// Added.
    pub offset: f64,
}

/// Mean and variance of the state after every step of a plan.
///
/// State, registers and the step's normal form one Gaussian vector; each step is an affine map of it, taken from the
/// plan's own coefficients. `None` if the plan clips, learns its variance or uses one draw in two steps, since the
/// law is then not that of an affine map of independent normals.
#[must_use]
pub fn law(plan: &Plan, start: Moments, network: impl Fn(&Step) -> Network) -> Option<Vec<Moments>> {
    let size = 1 + plan.registers();
    let mut mean = vec![0.0; size];
    let mut cov = vec![vec![0.0; size]; size];
    (mean[0], cov[0][0]) = (start.mean, start.var);
    let mut drawn = Vec::new();
    let mut all = Vec::with_capacity(plan.steps().len());
    for step in plan.steps() {
        if step.clip != Clip::None {
            return None;
        }
        if step.needs_noise() {
            let draw = step.draw?;
            if drawn.contains(&draw) {
                return None;
            }
            drawn.push(draw);
        }
        let rows = rows(step, size, network(step))?;
        let moved = |row: &Row| row.constant + row.factors.iter().zip(&mean).map(|(a, m)| a * m).sum::<f64>();
        let next_mean: Vec<f64> = rows.iter().map(moved).collect();
        let half: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| (0..size).map(|j| row.factors.iter().zip(&cov).map(|(a, line)| a * line[j]).sum()).collect())
            .collect();
        let entry = |i: usize, j: usize| {
            let carried: f64 = half[i].iter().zip(&rows[j].factors).map(|(h, a)| h * a).sum();
            carried + rows[i].normal * rows[j].normal
        };
        cov = (0..size).map(|i| (0..size).map(|j| entry(i, j)).collect()).collect();
        mean = next_mean;
        all.push(Moments { mean: mean[0], var: cov[0][0] });
    }
    Some(all)
}

/// One entry of the next vector in terms of this one, the step's normal and a constant.
#[derive(Clone, Debug)]
struct Row {
    factors: Vec<f64>,
    normal: f64,
    constant: f64,
}

fn rows(step: &Step, size: usize, network: Network) -> Option<Vec<Row>> {
    let unit = |k: usize| {
        let mut factors = vec![0.0; size];
        factors[k] = 1.0;
        Row { factors, normal: 0.0, constant: 0.0 }
    };
    let of_x = |factor: f64, constant: f64| {
        let mut row = unit(0);
        row.factors[0] = factor;
        Row { constant, ..row }
    };
    let out = of_x(network.slope * step.input_scale, network.offset);
    let x0 = of_x(step.x0_from_x + step.x0_from_out * out.factors[0], step.x0_from_out * out.constant);
    let mut rows: Vec<Row> = (0..size).map(unit).collect();
    rows[0] = of_x(
        step.x + step.x0 * x0.factors[0] + step.out * out.factors[0],
        step.x0 * x0.constant + step.out * out.constant,
    );
    for term in &step.registers {
        rows[0].factors[1 + term.register] += term.factor;
    }
    rows[0].normal = match step.noise {
        Noise::None => 0.0,
        Noise::Scaled { std } => std,
        Noise::Learned { .. } => return None,
    };
    for store in &step.store {
        rows[1 + store.register] = match store.source {
            Source::X => unit(0),
            Source::Out => out.clone(),
            Source::X0 => x0.clone(),
            Source::Z => Row { factors: vec![0.0; size], normal: 1.0, constant: 0.0 },
        };
    }
    Some(rows)
}
