//! What f32 explains: bounds on the rounding of the graph and of a step, and on how a step carries an error on.
//!
//! u = 2⁻²⁴ is the relative error of one rounding to nearest. Every operation's roundings are counted and carried to
//! first order along the graph's own order of operations; the products of two errors that this leaves out are far below
//! the 1 % put on top.

use alphabar::plan::{Noise, Step};
use ndarray::{Array2, ArrayView1};

use crate::{DIM, World};

const U: f64 = 1.0 / (1 << 24) as f64;
const SECOND_ORDER: f64 = 1.01;

/// Largest deviation of the graph's output from the exact denoiser at an x that f32 holds exactly.
///
/// Counted beyond the single roundings: ln and exp to 2u (one last place) of their result, a sum of n terms n − 1
/// roundings of the sum of magnitudes in whatever order. Means and variances are exact in f32.
pub fn of_evaluation(world: &World, x: ArrayView1<'_, f64>, timestep: f64) -> [f64; DIM] {
    let level = world.level(timestep);
    let (a, s2, s) = (level.signal(), level.noise_var(), level.noise_std());
    let count = world.parts.len();
    let mut logits = vec![(0.0, 0.0); count];
    let mut pulls = vec![[(0.0, 0.0); DIM]; count];
    for ((part, logit), pulls) in world.parts.iter().zip(&mut logits).zip(&mut pulls) {
        let (mut twice, mut magnitude, mut error) = (0.0, 0.0, 0.0);
        for (i, pull) in pulls.iter_mut().enumerate() {
            let centre = a * part.mean[i];
            let offset = x[i] - centre;
            let offset_error = 2.0 * U * centre.abs() + U * offset.abs();
            let spread = a * a * part.variance[i] + s2;
            let value = offset / spread;
            // The spread: a table and a product on either side of one sum of positive terms, 3u; then the division.
            let value_error = offset_error / spread + 4.0 * U * value.abs();
            let square = offset * value;
            let log = spread.ln();
            twice += square + log;
            magnitude += square + log.abs();
            error += value.abs() * offset_error + offset.abs() * value_error + U * square;
            error += 3.0 * U + 2.0 * U * log.abs();
            *pull = (value, value_error);
        }
        let value = part.weight.ln() - 0.5 * twice;
        let sums = (DIM - 1) as f64 * U * magnitude + U * twice.abs();
        *logit = (value, U * part.weight.ln().abs() + 0.5 * (error + sums) + U * value.abs());
    }
    let top = logits.iter().map(|logit| logit.0).fold(f64::NEG_INFINITY, f64::max);
    let raw: Vec<f64> = logits.iter().map(|logit| (logit.0 - top).exp()).collect();
    let total: f64 = raw.iter().sum();
    let shares: Vec<f64> = raw.iter().map(|raw| raw / total).collect();
    // The relative error of exp(logit − top): that of its argument, and its own.
    let weighed: Vec<f64> = logits.iter().map(|(value, error)| error + U * (top - value) + 2.0 * U).collect();
    let common: f64 = shares.iter().zip(&weighed).map(|(share, error)| share * error).sum();
    std::array::from_fn(|i| {
        let (mut sum, mut error) = (0.0, 0.0);
        for (k, share) in shares.iter().enumerate() {
            let (pull, pull_error) = pulls[k][i];
            // r_k moves with its own logit against the mean of all; the sum and the quotient add count + 1 roundings.
            let share_error = share * ((1.0 - 2.0 * share) * weighed[k] + common + (count + 1) as f64 * U);
            sum += share * pull;
            error += share_error * pull.abs() + share * pull_error + count as f64 * U * share * pull.abs();
        }
        SECOND_ORDER * (s * error + 2.0 * U * (s * sum).abs())
    })
}

/// Largest new error of one step in f32, given that of the network's output.
///
/// A coefficient is rounded once, a product once, and x̂₀ and x' once for every sum; the normal is rounded once too.
/// The output's own error acts through x̂₀ and directly at the same time, so through `d·b + f`.
pub fn of_step(step: &Step, x: f64, out: f64, out_error: f64, z: f64) -> f64 {
    let (ax, bo) = (step.x0_from_x * x, step.x0_from_out * out);
    let x0 = ax + bo;
    let x0_error = 2.0 * U * (ax.abs() + bo.abs()) + U * x0.abs();
    let std = if let Noise::Scaled { std } = step.noise { std } else { 0.0 };
    let (cx, dx0, fo, ez) = (step.x * x, step.x0 * x0, step.out * out, std * z);
    let products = 2.0 * U * (cx.abs() + dx0.abs() + fo.abs()) + 3.0 * U * ez.abs();
    let sums = U * ((cx + dx0).abs() + (cx + dx0 + fo).abs() + (cx + dx0 + fo + ez).abs());
    let through = (step.x0 * step.x0_from_out + step.out).abs() * out_error;
    SECOND_ORDER * (step.x0.abs() * x0_error + products + sums + through)
}

/// How a step carries a small error on.
///
/// ```text
/// x' = p x + q ε̂(x) + …        p = c + d a        q = d b + f        ∂x'/∂x = p I − q σ ∇∇ᵀ ln p_t(x)
/// ```
pub fn jacobian(world: &World, step: &Step, x: ArrayView1<'_, f64>) -> Array2<f64> {
    let level = world.level(step.model_timestep);
    let hessian = world.hessian(level, x);
    let (p, q) = (step.x + step.x0 * step.x0_from_x, step.x0 * step.x0_from_out + step.out);
    Array2::eye(DIM) * p - hessian * (q * level.noise_std())
}

/// Rounding of x_T to f32.
pub fn of_initial(x: f64) -> f64 {
    U * x.abs()
}
