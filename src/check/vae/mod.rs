//! Claims on latent variable models: evidence, posterior, bound, its gradient and its maximisation.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;
mod hierarchy;
mod importance;
mod likelihood;

use std::f64::consts::TAU;

use nalgebra::{DMatrix, DVector};
use ndarray::{Array1, ArrayView1, ArrayView2};

use super::evidence::{list, short};
use super::{Mismatch, Outcome, Tol, Trial};
use crate::error::Result;
use crate::gaussian::Gaussian;
use crate::vae::{EncoderGradient, FactorModel};

pub use hierarchy::{hierarchy_bound_is_the_mean_log_weight, log_joint_is_the_joint_density};
#[cfg(feature = "verify")]
pub(crate) use hierarchy::{joint_log_density, mean_log_weight};
#[cfg(feature = "verify")]
pub(crate) use importance::mean_weighted_bound;
pub use importance::weighted_bounds_rise;
pub use likelihood::{cross_entropy_is_entropy_plus_divergence, likelihood_is_highest_at, nll_is_lowest_at};
#[cfg(feature = "verify")]
pub(crate) use likelihood::{golden_minimum, surprise};

/// The evidence is the joint integrated over the latents.
///
/// Method: trapezoidal rule over z, one or two latents, from the model's own numbers. Ledger S0.21, S1.01.
///
/// # Errors
/// The mismatch found.
pub fn evidence_is_the_integral(
    f: impl Fn(&FactorModel, ArrayView1<'_, f64>) -> Result<f64>,
    model: &FactorModel,
    x: ArrayView1<'_, f64>,
) -> Outcome {
    let tol = Tol::abs(1e-13 * (1.0 + log_size(model, x)), "some thousand terms of a sum in a logarithm");
    let mut trial = Trial::new();
    let place = || place(model, x);
    let got = accepted(f(model, x), "log evidence", &place)?;
    trial.close("log evidence", got, log_evidence(model, x), tol, place)?;
    Ok(trial.evidence())
}

/// The posterior is the conditional of the joint Gaussian of (z, x), and `p(x, z)/p(z | x)` is the evidence at every z.
///
/// Method: Schur complement on the joint covariance; the ratio against the integral. Ledger S0.19, S1.02.
///
/// # Errors
/// The mismatch found.
pub fn posterior_is_the_conditional(
    f: impl Fn(&FactorModel, ArrayView1<'_, f64>) -> Result<Gaussian>,
    model: &FactorModel,
    x: ArrayView1<'_, f64>,
    z: ArrayView1<'_, f64>,
) -> Outcome {
    let place = || place(model, x);
    let got = accepted(f(model, x), "posterior", &place)?;
    let (mean, cov) = conditional(model, x);
    let reason = "an LU solve of the covariance of x, of condition below 50";
    let mut trial = Trial::new();
    for i in 0..model.latents() {
        trial.close("posterior mean", got.mean()[i], mean[i], Tol::new(1e-13, 1e-13, reason), place)?;
        for j in 0..model.latents() {
            trial.close(
                "posterior covariance",
                got.cov()[[i, j]],
                cov[(i, j)],
                Tol::new(1e-13, 1e-13, reason),
                place,
            )?;
        }
    }
    let ratio = log_joint(model, x, &vector(z)) - accepted(got.log_density(z), "posterior density", &place)?;
    let tol = Tol::abs(1e-13 * (1.0 + log_size(model, x)), "rounding of the residuals over the noise variance");
    trial.close("joint over posterior", ratio, log_evidence(model, x), tol, place)?;
    Ok(trial.evidence())
}

// ANCHOR: bound
/// The bound is `E_q[ln p(x, z) − ln q(z)]`, at most ln p(x), lower by `KL(q ‖ p(z | x))`, and equal at the posterior.
///
/// Method: Gauss–Hermite over q, exact for the quadratics that the logarithms are; the evidence by integration, the
/// posterior by Schur complement. Ledger S0.24, S0.25, S1.04 to S1.06.
///
/// # Errors
/// The mismatch found.
pub fn bound_is_the_mean_log_weight(
    f: impl Fn(&FactorModel, ArrayView1<'_, f64>, &Gaussian) -> Result<f64>,
    model: &FactorModel,
    x: ArrayView1<'_, f64>,
    q: &Gaussian,
) -> Outcome {
    let place = || format!("q = N({}, {}), {}", list(&q.mean()), list(&q.cov()), place(model, x));
    let size = 1.0 + log_size(model, x) + spread_size(model, q);
    let tol = Tol::abs(1e-13 * size, "some hundred roundings of the summed magnitudes");
    let mut trial = Trial::new();
    let got = accepted(f(model, x, q), "bound", &place)?;
    trial.close("bound", got, mean_log_weight_under(model, x, q), tol, place)?;
    let evidence = log_evidence(model, x);
    let tol = Tol::abs(1e-13 * size, "as the evidence by integration and the posterior by an LU solve");
    trial.at_most("bound against evidence", got, evidence, tol, place)?;
    trial.close("gap", evidence - got, gap(model, x, q), tol, place)?;
    let (mean, cov) = conditional(model, x);
    let exact = accepted(gaussian(&mean, &cov), "posterior", &place)?;
    let tight = accepted(f(model, x, &exact), "bound at the posterior", &place)?;
    trial.close("bound at the posterior", tight, evidence, tol, place)?;
    Ok(trial.evidence())
}
// ANCHOR_END: bound

/// The gradient that trains an encoder is the derivative of the bound.
///
/// Method: central differences of the bound by Gauss–Hermite; the bound is quadratic in the mean, so that the difference
/// is exact there, and smooth in ln std. Ledger S1.07.
///
/// # Errors
/// The mismatch found.
pub fn gradient_is_the_derivative(
    f: impl Fn(&FactorModel, ArrayView1<'_, f64>, ArrayView1<'_, f64>, f64) -> Result<EncoderGradient>,
    model: &FactorModel,
    x: ArrayView1<'_, f64>,
    mean: ArrayView1<'_, f64>,
    std: f64,
) -> Outcome {
    let place = || format!("mean {}, std {}, {}", list(mean), short(std), place(model, x));
    let got = accepted(f(model, x, mean, std), "gradient", &place)?;
    let bound = |mean: &Array1<f64>, std: f64| isotropic_bound(model, x, mean.view(), std);
    let size = 1.0 + log_size(model, x) + spread_size_of(model, std * std);
    let mut trial = Trial::new();
    let step = 1e-3;
    for i in 0..model.latents() {
        let moved = |by: f64| {
            let mut mean = mean.to_owned();
            mean[i] += by;
            bound(&mean, std)
        };
        let want = (moved(step) - moved(-step)) / (2.0 * step);
        let tol = Tol::abs(5e-14 * size / step, "200 roundings of the bound over the step");
        trial.close("derivative in the mean", got.mean[i], want, tol, place)?;
    }
    let scaled = |by: f64| bound(&mean.to_owned(), std * by.exp());
    let want = (8.0 * (scaled(step) - scaled(-step)) - (scaled(2.0 * step) - scaled(-2.0 * step))) / (12.0 * step);
    let tol = Tol::abs(5e-14 * size / step + 2.0 * size * step.powi(4), "200 roundings, h⁴/30 of a fifth derivative");
    trial.close("derivative in ln std", got.log_std, want, tol, place)?;
    Ok(trial.evidence())
}

/// A step of coordinate ascent: the data's evidence does not fall, and the new parameters are where the bound with the
/// old posteriors is stationary.
///
/// Method: evidence by the marginal's LU density; derivatives of the mean of `ln p(x, z)` under the old posteriors (Schur
/// complement, Gauss–Hermite) by central differences, which are exact for the quadratic that it is in W and b. Ledger
/// S1.04.
///
/// # Errors
/// The mismatch found.
pub fn ascent_is_stationary(
    f: impl Fn(&FactorModel, ArrayView2<'_, f64>) -> Result<FactorModel>,
    model: &FactorModel,
    data: ArrayView2<'_, f64>,
) -> Outcome {
    let place = || format!("{} rows, {}", data.nrows(), words(model));
    let next = accepted(f(model, data), "step of ascent", &place)?;
    let total = |m: &FactorModel| data.rows().into_iter().map(|x| marginal_log_density(m, x)).sum::<f64>();
    let mut trial = Trial::new();
    let rows = data.nrows() as f64;
    let slack = Tol::abs(1e-11 * rows, "rounding of the evidence");
    trial.at_most("evidence before against after", total(model), total(&next), slack, place)?;

    let posteriors: Vec<_> = data.rows().into_iter().map(|x| conditional(model, x)).collect();
    let energy = |m: &FactorModel| -> f64 {
        let each = |(x, (mean, cov)): (ArrayView1<'_, f64>, &(DVector<f64>, DMatrix<f64>))| {
            expect(mean, cov, |z| log_joint(m, x, z))
        };
        data.rows().into_iter().zip(&posteriors).map(each).sum::<f64>() / rows
    };
    let step = 1e-4;
    let tol = Tol::abs(2e-8, "rounding of the energy over a step of 1e-4 and the third derivative in ln s²");
    let slope = |moved: &dyn Fn(f64) -> Result<FactorModel>| -> std::result::Result<f64, Mismatch> {
        let up = accepted(moved(step), "model", &place)?;
        let down = accepted(moved(-step), "model", &place)?;
        Ok((energy(&up) - energy(&down)) / (2.0 * step))
    };
    let (loading, offset, noise) = (next.loading(), next.offset(), next.noise_var());
    for index in 0..loading.len() {
        let moved = |by: f64| {
            let mut loading = loading.clone();
            loading[[index / model.latents(), index % model.latents()]] += by;
            FactorModel::new(loading.view(), offset.view(), noise)
        };
        trial.close("slope in the loading", slope(&moved)?, 0.0, tol, place)?;
    }
    for index in 0..offset.len() {
        let moved = |by: f64| {
            let mut offset = offset.clone();
            offset[index] += by;
            FactorModel::new(loading.view(), offset.view(), noise)
        };
        trial.close("slope in the offset", slope(&moved)?, 0.0, tol, place)?;
    }
    let moved = |by: f64| FactorModel::new(loading.view(), offset.view(), noise * by.exp());
    trial.close("slope in ln s²", slope(&moved)?, 0.0, tol, place)?;
    Ok(trial.evidence())
}

/// `E_q[p(x, z)/q(z)] = p(x)` for a q that is positive wherever p is.
///
/// `f` turns log weights into `ln (1/k Σ exp)`. The latents are the quantiles of a logistic law, wide enough for the
/// weights to vanish at both ends, so that the mean over them converges like a trapezoidal rule. One latent. Method:
/// enumeration against integration. Ledger S0.23, B22.
///
/// # Errors
/// The mismatch found.
pub fn importance_mean_is_the_evidence(
    f: impl Fn(ArrayView1<'_, f64>) -> Result<f64>,
    model: &FactorModel,
    x: ArrayView1<'_, f64>,
    quantiles: u32,
) -> Outcome {
    let place = || format!("{quantiles} quantiles, {}", place(model, x));
    let tol = Tol::abs(1e-13 * (1.0 + log_size(model, x)), "some thousand terms of a sum in a logarithm");
    let mut trial = Trial::new();
    let weights = logistic_log_weights(model, x, quantiles, 0.0);
    let got = accepted(f(weights.view()), "importance-weighted bound", &place)?;
    trial.close("ln of the mean weight", got, log_evidence(model, x), tol, place)?;
    Ok(trial.evidence())
}

/// ln p(x, z) − ln q(z) at equally likely quantiles of a logistic q around the posterior; `cut` leaves out that share of q
/// at each end without correcting q for it.
pub(crate) fn logistic_log_weights(model: &FactorModel, x: ArrayView1<'_, f64>, count: u32, cut: f64) -> Array1<f64> {
    let (mean, cov) = conditional(model, x);
    let scale = cov[(0, 0)].sqrt();
    let weight = |k: u32| {
        let u = cut + (1.0 - 2.0 * cut) * (f64::from(k) + 0.5) / f64::from(count);
        let z = mean[0] + scale * (u / (1.0 - u)).ln();
        let width = if cut > 0.0 { (1.0 - 2.0 * cut).ln() } else { 0.0 };
        log_joint(model, x, &DVector::from_element(1, z)) - (u * (1.0 - u) / scale).ln() + width
    };
    (0..count).map(weight).collect()
}

/// ln p(x, z) from the model's numbers.
pub(crate) fn log_joint(model: &FactorModel, x: ArrayView1<'_, f64>, z: &DVector<f64>) -> f64 {
    let (w, b, noise) = (model.loading(), model.offset(), model.noise_var());
    let prior: f64 = z.iter().map(|z| z * z + TAU.ln()).sum();
    let likelihood: f64 = (0..model.dims())
        .map(|i| {
            let fitted: f64 = (0..z.len()).map(|j| w[[i, j]] * z[j]).sum();
            (x[i] - b[i] - fitted).powi(2) / noise + (TAU * noise).ln()
        })
        .sum();
    -0.5 * (prior + likelihood)
}

/// ln ∫ p(x, z) dz by the trapezoidal rule on ±9, which resolves posteriors wider than 0.1.
pub(crate) fn log_evidence(model: &FactorModel, x: ArrayView1<'_, f64>) -> f64 {
    let (half, step) = if model.latents() == 1 { (300, 0.03) } else { (90, 0.1) };
    let node = |k: i32| f64::from(k) * step;
    let logs: Vec<f64> = if model.latents() == 1 {
        (-half..=half).map(|k| log_joint(model, x, &DVector::from_element(1, node(k)))).collect()
    } else {
        let pairs = (-half..=half).flat_map(|i| (-half..=half).map(move |j| (i, j)));
        pairs.map(|(i, j)| log_joint(model, x, &DVector::from_vec(vec![node(i), node(j)]))).collect()
    };
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|l| (l - largest).exp()).sum();
    largest + sum.ln() + step.ln() * model.latents() as f64
}

/// Mean and covariance of z given x, by Schur complement on the joint covariance of (z, x).
pub(crate) fn conditional(model: &FactorModel, x: ArrayView1<'_, f64>) -> (DVector<f64>, DMatrix<f64>) {
    let (d, k) = (model.dims(), model.latents());
    let (loading, offset) = (model.loading(), model.offset());
    let w = DMatrix::from_fn(d, k, |i, j| loading[[i, j]]);
    let cov_x = &w * w.transpose() + DMatrix::identity(d, d) * model.noise_var();
    let weights = cov_x.lu().solve(&w).expect("noise makes the covariance of x invertible");
    let residual = DVector::from_fn(d, |i, _| x[i] - offset[i]);
    let cov = DMatrix::identity(k, k) - w.transpose() * &weights;
    (weights.transpose() * residual, (&cov + cov.transpose()) * 0.5)
}

fn marginal_log_density(model: &FactorModel, x: ArrayView1<'_, f64>) -> f64 {
    let (d, k) = (model.dims(), model.latents());
    let (loading, offset) = (model.loading(), model.offset());
    let w = DMatrix::from_fn(d, k, |i, j| loading[[i, j]]);
    let lu = (&w * w.transpose() + DMatrix::identity(d, d) * model.noise_var()).lu();
    let residual = DVector::from_fn(d, |i, _| x[i] - offset[i]);
    let solved = lu.solve(&residual).expect("noise makes the covariance of x invertible");
    -0.5 * (d as f64 * TAU.ln() + lu.determinant().ln() + residual.dot(&solved))
}

/// E_q[ln p(x, z) − ln q(z)].
pub(crate) fn mean_log_weight_under(model: &FactorModel, x: ArrayView1<'_, f64>, q: &Gaussian) -> f64 {
    let (mean, cov) = dense(q);
    expect(&mean, &cov, |z| log_joint(model, x, z)) + surprise_of(&cov)
}

fn isotropic_bound(model: &FactorModel, x: ArrayView1<'_, f64>, mean: ArrayView1<'_, f64>, std: f64) -> f64 {
    let k = model.latents();
    let cov = DMatrix::identity(k, k) * (std * std);
    expect(&vector(mean), &cov, |z| log_joint(model, x, z)) + surprise_of(&cov)
}

/// KL(q ‖ p(z | x)) with the posterior by Schur complement.
pub(crate) fn gap(model: &FactorModel, x: ArrayView1<'_, f64>, q: &Gaussian) -> f64 {
    let (mean, cov) = conditional(model, x);
    let lu = cov.clone().lu();
    let inverse = lu.try_inverse().expect("a posterior covariance is invertible");
    let constant = cov.nrows() as f64 * TAU.ln() + lu.determinant().ln();
    let (q_mean, q_cov) = dense(q);
    let cross = expect(&q_mean, &q_cov, |z| 0.5 * (constant + (z - &mean).dot(&(&inverse * (z - &mean)))));
    cross - surprise_of(&q_cov)
}

/// −E ln q of a Gaussian with this covariance: the mean of squares of whitened coordinates is their number.
fn surprise_of(cov: &DMatrix<f64>) -> f64 {
    let k = cov.nrows() as f64;
    0.5 * (k * TAU.ln() + cov.clone().lu().determinant().ln() + k)
}

/// Mean of f under N(mean, cov), three nodes a dimension: exact up to cubic terms.
fn expect(mean: &DVector<f64>, cov: &DMatrix<f64>, f: impl Fn(&DVector<f64>) -> f64) -> f64 {
    let eigen = cov.clone().symmetric_eigen();
    let root = &eigen.eigenvectors * DMatrix::from_diagonal(&eigen.eigenvalues.map(|v| v.max(0.0).sqrt()));
    let rule = [(-(3f64.sqrt()), 1.0 / 6.0), (0.0, 2.0 / 3.0), (3f64.sqrt(), 1.0 / 6.0)];
    let k = mean.len();
    (0..3usize.pow(k as u32))
        .map(|index| {
            let (mut rest, mut weight) = (index, 1.0);
            let u = DVector::from_fn(k, |_, _| {
                let (node, w) = rule[rest % 3];
                rest /= 3;
                weight *= w;
                node
            });
            weight * f(&(mean + &root * u))
        })
        .sum()
}

fn dense(q: &Gaussian) -> (DVector<f64>, DMatrix<f64>) {
    let (mean, cov) = (q.mean(), q.cov());
    (DVector::from_iterator(q.dims(), mean), DMatrix::from_fn(q.dims(), q.dims(), |i, j| cov[[i, j]]))
}

fn gaussian(mean: &DVector<f64>, cov: &DMatrix<f64>) -> Result<Gaussian> {
    let mean = Array1::from_iter(mean.iter().copied());
    Gaussian::new(mean.view(), ndarray::Array2::from_shape_fn(cov.shape(), |(i, j)| cov[(i, j)]).view())
}

fn vector(x: ArrayView1<'_, f64>) -> DVector<f64> {
    DVector::from_iterator(x.len(), x.iter().copied())
}

/// Magnitude of ln p(x, z) near the posterior mean.
fn log_size(model: &FactorModel, x: ArrayView1<'_, f64>) -> f64 {
    let offset = model.offset();
    let squares: f64 = x.iter().zip(&offset).map(|(x, b)| (x - b).powi(2)).sum();
    squares / model.noise_var() + model.dims() as f64 * (2.0 + model.noise_var().ln().abs())
}

fn spread_size(model: &FactorModel, q: &Gaussian) -> f64 {
    let mean: f64 = q.mean().iter().map(|m| m * m).sum();
    spread_size_of(model, mean + q.cov().diag().sum())
}

fn spread_size_of(model: &FactorModel, second: f64) -> f64 {
    let power: f64 = model.loading().iter().map(|w| w * w).sum();
    second * (1.0 + power / model.noise_var())
}

/// For messages.
fn place(model: &FactorModel, x: ArrayView1<'_, f64>) -> String {
    format!("x = {}, {}", list(x), words(model))
}

/// W by rows, b and s².
fn words(model: &FactorModel) -> String {
    let (loading, offset) = (list(&model.loading()), list(&model.offset()));
    format!("noise variance {}, loading {loading}, offset {offset}", short(model.noise_var()))
}

/// What the code under test refused is a mismatch.
fn accepted<T>(result: Result<T>, what: &str, place: &dyn Fn() -> String) -> std::result::Result<T, Mismatch> {
    result.map_err(|error| Mismatch {
        what: format!("{what}: {error}"),
        got: f64::NAN,
        want: 0.0,
        tol: Tol::exact(),
        at: place(),
    })
}
