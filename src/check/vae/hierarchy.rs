//! Claims on the hierarchical autoencoder.

use std::f64::consts::TAU;

use nalgebra::{DMatrix, DVector};
use ndarray::Array1;

use super::{View, accepted, faults, over};
use crate::check::evidence::{list, short};
use crate::check::{Check, Method, Outcome, Run, Tol, Trial, log_uniform, uniform};
use crate::error::Result;
use crate::vae::{Hierarchy, Kernel};

/// The product of the conditionals is the density of the joint Gaussian of (x, z₁, …, z_T), whose precision matrix is
/// tri-diagonal: each level is independent of the rest given its neighbours.
///
/// ```text
/// ln p(x, z) = ln p(z_T) + Σ_{t>1} ln p(z_{t−1} | z_t) + ln p(x | z₁)
/// ```
///
/// Method: the joint's covariance from the noises of the decoders, density by LU. Source: Luo 2022, arXiv:2208.11970,
/// eq. (23).
///
/// ```
/// use alphabar::{check, vae::Hierarchy};
///
/// check::vae::log_joint_is_the_joint_density(Hierarchy::log_joint).assert();
/// ```
pub fn log_joint_is_the_joint_density<'f>(f: impl Fn(&Hierarchy, f64, View<'_>) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::OtherPremises("density of the joint Gaussian by LU, tri-diagonal precision");
    let sentence = "the product of a hierarchy's conditionals is the density of its joint";
    Check::new("hierarchy_joint_is_the_product", sentence, method, move |run| joints(run, &f))
        .rejects(faults::JOINTS, joints)
}

fn joints(run: &Run, f: impl Fn(&Hierarchy, f64, View<'_>) -> Result<f64>) -> Outcome {
    over(run, |k, u| {
        let model = hierarchy(1 + k % 4, u);
        let z = Array1::from_shape_fn(1 + k % 4, |i| uniform(u[3], -2.0, 2.0) * (0.7f64).powi(i as i32) + 0.1);
        equals_joint(&f, &model, uniform(u[2], -2.0, 2.0), z.view())
    })
}

fn hierarchy(depth: usize, [a, b, c, d]: [f64; 4]) -> Hierarchy {
    let kernel = |seed: f64, t: usize| Kernel {
        slope: uniform((seed + 0.618_034 * t as f64).fract(), 0.3, 1.1),
        offset: uniform((b + 0.754_878 * t as f64).fract(), -0.5, 0.5),
        var: log_uniform((seed + d + 0.569_84 * t as f64).fract(), 0.05, 1.0),
    };
    let list = |seed: f64| (0..depth).map(|t| kernel(seed, t)).collect();
    Hierarchy::new(list(a), list(c)).expect("variances above 0 and lists of one length")
}

fn equals_joint(
    f: impl Fn(&Hierarchy, f64, View<'_>) -> Result<f64>,
    model: &Hierarchy,
    x: f64,
    z: View<'_>,
) -> Outcome {
    let place = || format!("{}, z = {}", place(model, x), list(z));
    let (want, precision, kappa) = joint_log_density(model, x, z);
    let got = accepted(f(model, x, z), "log joint", &place)?;
    let reason = "an LU inverse of the joint covariance, times its condition";
    let tol = Tol::abs(64.0 * f64::EPSILON * kappa * (1.0 + want.abs()), reason);
    let mut trial = Trial::new();
    trial.close("log joint", got, want, tol, place)?;
    let tol = Tol::abs(64.0 * f64::EPSILON * kappa * precision.amax(), reason);
    for i in 0..precision.nrows() {
        for j in 0..i.saturating_sub(1) {
            trial.close("precision away from the diagonals", precision[(i, j)], 0.0, tol, place)?;
        }
    }
    Ok(trial.evidence())
}

/// For messages.
fn place(model: &Hierarchy, x: f64) -> String {
    let kernels = |all: &[Kernel]| all.iter().map(|k| list(&[k.slope, k.offset, k.var])).collect::<String>();
    let (decoders, encoders) = (kernels(model.decoders()), kernels(model.encoders()));
    format!("T = {}, x = {}, decoders {decoders}, encoders {encoders}", model.depth(), short(x))
}

/// Log density of (x, z) in the joint Gaussian of the decoders, its precision matrix, and the covariance's condition.
pub(super) fn joint_log_density(model: &Hierarchy, x: f64, z: View<'_>) -> (f64, DMatrix<f64>, f64) {
    let depth = z.len();
    // Level i is a sum of the noises of the levels i, i + 1, …, T: row i of `noises`.
    let mut noises = DMatrix::<f64>::zeros(depth + 1, depth + 1);
    let mut mean = DVector::<f64>::zeros(depth + 1);
    noises[(depth, depth)] = 1.0;
    for (i, kernel) in model.decoders().iter().enumerate().rev() {
        let above = noises.row(i + 1).into_owned();
        noises.row_mut(i).copy_from(&(above * kernel.slope));
        noises[(i, i)] = kernel.var.sqrt();
        mean[i] = kernel.slope * mean[i + 1] + kernel.offset;
    }
    let cov = &noises * noises.transpose();
    let eigenvalues = cov.symmetric_eigenvalues();
    let lu = cov.lu();
    let precision = lu.try_inverse().expect("every level has its own noise");
    let at = DVector::from_fn(depth + 1, |i, _| if i == 0 { x } else { z[i - 1] }) - mean;
    let square = at.dot(&(&precision * &at));
    let log = -0.5 * ((depth + 1) as f64 * TAU.ln() + lu.determinant().ln() + square);
    (log, precision, eigenvalues.max() / eigenvalues.min() * (1.0 + at.norm_squared()))
}

/// The factorised bound is the mean over q(z | x) of ln p(x, z) − ln q(z | x), and at most ln p(x).
///
/// ```text
/// E_q[ln p(x | z₁) + Σ_{t>1} ln p(z_{t−1} | z_t) + ln p(z_T) − Σ_t ln q(z_t | z_{t−1})]        z₀ = x
/// ```
///
/// Method: tensor Gauss–Hermite over the noises of the encoder, exact for the quadratic that the log weight is; evidence
/// from the joint covariance. Source: Luo 2022, arXiv:2208.11970, eq. (29).
///
/// ```
/// use alphabar::{check, vae::Hierarchy};
///
/// check::vae::hierarchy_bound_is_the_mean_log_weight(Hierarchy::elbo).assert();
/// ```
pub fn hierarchy_bound_is_the_mean_log_weight<'f>(f: impl Fn(&Hierarchy, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("tensor Gauss–Hermite over the encoder's noises");
    let sentence =
        "the factorised bound of a hierarchy is the mean log weight; with one level it is the autoencoder's";
    Check::new("hierarchy_bound_is_the_mean_log_weight", sentence, method, move |run| bounds(run, &f))
        .rejects(faults::HIERARCHIES, bounds)
}

fn bounds(run: &Run, f: impl Fn(&Hierarchy, f64) -> f64) -> Outcome {
    over(run, |k, u| {
        let (model, x) = (hierarchy(1 + k % 4, u), uniform(u[2], -2.0, 2.0));
        let place = || place(&model, x);
        let (want, size) = mean_log_weight(&model, x);
        let got = f(&model, x);
        let tol = Tol::abs(64.0 * f64::EPSILON * size, "64 roundings of the summed squares and logarithms");
        let mut trial = Trial::new();
        trial.close("bound", got, want, tol, place)?;
        trial.at_most("bound against evidence", got, log_marginal(&model, x), tol, place)?;
        Ok(trial.evidence())
    })
}

/// E_q[ln p(x, z) − ln q(z | x)] and the magnitudes that enter.
pub(super) fn mean_log_weight(model: &Hierarchy, x: f64) -> (f64, f64) {
    let depth = model.encoders().len();
    let rule = [(-(3f64.sqrt()), 1.0 / 6.0), (0.0, 2.0 / 3.0), (3f64.sqrt(), 1.0 / 6.0)];
    let (mut sum, mut size) = (0.0, 0.0);
    for index in 0..3usize.pow(depth as u32) {
        let (mut rest, mut weight) = (index, 1.0);
        let mut path = Array1::zeros(depth);
        let (mut below, mut log_q) = (x, 0.0);
        for (t, kernel) in model.encoders().iter().enumerate() {
            let (node, w) = rule[rest % 3];
            rest /= 3;
            weight *= w;
            below = kernel.slope * below + kernel.offset + kernel.var.sqrt() * node;
            path[t] = below;
            log_q -= 0.5 * ((TAU * kernel.var).ln() + node * node);
        }
        let (log_p, magnitude) = path_log_density(model, x, &path);
        sum += weight * (log_p - log_q);
        size += weight * (magnitude + log_q.abs() + depth as f64);
    }
    (sum, size)
}

/// ln p(x, z) by the product, and the magnitudes that enter.
pub(super) fn path_log_density(model: &Hierarchy, x: f64, path: &Array1<f64>) -> (f64, f64) {
    let top = path[path.len() - 1];
    let mut log = -0.5 * (TAU.ln() + top * top);
    let mut size = log.abs();
    let mut below = x;
    for (kernel, above) in model.decoders().iter().zip(path) {
        let residual = below - kernel.slope * above - kernel.offset;
        let term = -0.5 * ((TAU * kernel.var).ln() + residual * residual / kernel.var);
        log += term;
        size += term.abs() + residual.abs() * (below.abs() + above.abs() + 1.0) / kernel.var;
        below = *above;
    }
    (log, size)
}

/// ln p(x): x is a sum of independent noises.
fn log_marginal(model: &Hierarchy, x: f64) -> f64 {
    let (mut factor, mut mean, mut var) = (1.0, 0.0, 0.0);
    for kernel in model.decoders() {
        mean += factor * kernel.offset;
        var += factor * factor * kernel.var;
        factor *= kernel.slope;
    }
    var += factor * factor;
    -0.5 * ((TAU * var).ln() + (x - mean).powi(2) / var)
}
