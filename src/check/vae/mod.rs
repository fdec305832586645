//! Claims on latent variable models: evidence, posterior, bound, its gradient and its maximisation.

pub mod faults;
mod hierarchy;
#[cfg(feature = "verify")]
mod importance;
mod likelihood;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::TAU;

use nalgebra::{DMatrix, DVector};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::evidence::{list, short};
use super::{Check, Evidence, Method, Mismatch, Outcome, Run, Tol, Trial, log_uniform, uniform};
use crate::error::Result;
use crate::gaussian::Gaussian;
use crate::vae::{EncoderGradient, FactorModel};

pub use hierarchy::{hierarchy_bound_is_the_mean_log_weight, log_joint_is_the_joint_density};
#[cfg(feature = "verify")]
pub use importance::weighted_bounds_rise;
pub use likelihood::{cross_entropy_is_entropy_plus_divergence, likelihood_is_highest_at, nll_is_lowest_at};

type View<'a> = ArrayView1<'a, f64>;

/// A claim at points of the unit cube, each with its number.
fn over<const D: usize>(run: &Run, mut claim: impl FnMut(usize, [f64; D]) -> Outcome) -> Outcome {
    let points = run.points::<D>().enumerate();
    points.map(|(k, u)| claim(k, u)).try_fold(Evidence::none(), |all, e| Ok(all.and(e?)))
}

/// One latent mostly, two in every sixteenth case.
const fn latents(k: usize) -> usize {
    if k % 16 == 3 { 2 } else { 1 }
}

/// A model with three dimensions of data and a point, from three numbers in (0, 1).
fn drawn(latents: usize, [a, b, c]: [f64; 3]) -> (FactorModel, Array1<f64>) {
    let entry = |seed: f64, k: usize| 2.0 * (seed + 0.618_034 * k as f64).fract() - 1.0;
    let loading = Array2::from_shape_fn((3, latents), |(i, j)| 1.2 * entry(a, 2 * i + 3 * j));
    let offset = Array1::from_shape_fn(3, |i| entry(b, i));
    let noise = log_uniform(c, 0.3, 2.0);
    let x = Array1::from_shape_fn(3, |i| 2.0 * entry(b + c, i + 1));
    (FactorModel::new(loading.view(), offset.view(), noise).expect("finite entries"), x)
}

fn with_q(latents: usize, [a, b, c, d]: [f64; 4]) -> (FactorModel, Array1<f64>, Gaussian) {
    let (model, x) = drawn(latents, [a, b, c]);
    let mean = Array1::from_shape_fn(latents, |i| uniform(d, -1.0, 1.0) * (1.0 - 0.5 * i as f64));
    let mut cov = Array2::from_elem((latents, latents), 0.2 * a);
    cov.diag_mut().fill(log_uniform(d, 0.25, 1.5));
    (model, x, Gaussian::new(mean.view(), cov.view()).expect("diagonally dominant"))
}

/// Forty rows in three dimensions, spread along one direction.
fn sample(seed: f64) -> Array2<f64> {
    Array2::from_shape_fn((40, 3), |(i, j)| {
        let u = (seed + 0.618_034 * i as f64).fract() - 0.5;
        let v = (seed + 0.754_877 * (3 * i + j) as f64).fract() - 0.5;
        3.0 * u * (1.0 - 0.6 * j as f64) + v + 0.3 * j as f64
    })
}

/// The evidence is the joint integrated over the latents.
///
/// ```text
/// ln p(x) = ln ∫ p(x | z) p(z) dz        x | z ~ N(W z + b, s² I),   z ~ N(0, I)
/// ```
///
/// Method: trapezoidal rule over z, one or two latents, from the model's own numbers. Source: Tipping & Bishop 1999,
/// "Probabilistic principal component analysis", sect. 3.
///
/// ```
/// use alphabar::{check, vae::FactorModel};
///
/// check::vae::evidence_is_the_integral(FactorModel::log_evidence).assert();
/// ```
pub fn evidence_is_the_integral<'f>(f: impl Fn(&FactorModel, View<'_>) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::Numerical("trapezoidal rule over the latents");
    let sentence = "the closed-form evidence of the linear-Gaussian model is the joint integrated over its latents";
    Check::new("evidence_is_the_integrated_joint", sentence, method, move |run| evidences(run, &f))
        .rejects(faults::EVIDENCES, evidences)
}

fn evidences(run: &Run, f: impl Fn(&FactorModel, View<'_>) -> Result<f64>) -> Outcome {
    over(run, |k, u| {
        let (model, x) = drawn(latents(k), u);
        let (model, x) = (&model, x.view());
        let tol = Tol::abs(1e-13 * (1.0 + log_size(model, x)), "some thousand terms of a sum in a logarithm");
        let mut trial = Trial::new();
        let place = || place(model, x);
        let got = accepted(f(model, x), "log evidence", &place)?;
        trial.close("log evidence", got, log_evidence(model, x), tol, place)?;
        Ok(trial.evidence())
    })
}

/// The posterior is the conditional of the joint Gaussian of (z, x), and `p(x, z)/p(z | x)` is the evidence at every z.
///
/// ```text
/// z | x ~ N(Wᵀ C⁻¹ (x − b), I − Wᵀ C⁻¹ W)        C = W Wᵀ + s² I
/// ```
///
/// Method: Schur complement on the joint covariance; the ratio against the integral. Source: Tipping & Bishop 1999,
/// "Probabilistic principal component analysis", sect. 3.
///
/// ```
/// use alphabar::{check, vae::FactorModel};
///
/// check::vae::posterior_is_the_conditional(FactorModel::posterior).assert();
/// ```
pub fn posterior_is_the_conditional<'f>(f: impl Fn(&FactorModel, View<'_>) -> Result<Gaussian> + 'f) -> Check<'f> {
    let method =
        Method::OtherPremises("Schur complement on the joint of (z, x); joint over posterior against the integral");
    let sentence =
        "the posterior of the latents is the conditional of the joint, and p(x, z)/p(z | x) = p(x) for every z";
    Check::new("latent_posterior_is_the_conditional", sentence, method, move |run| posteriors(run, &f))
        .rejects(faults::POSTERIORS, posteriors)
}

fn posteriors(run: &Run, f: impl Fn(&FactorModel, View<'_>) -> Result<Gaussian>) -> Outcome {
    over(run, |k, [a, b, c]| {
        let (model, x) = drawn(latents(k), [a, b, c]);
        let z = Array1::from_shape_fn(latents(k), |i| uniform(c, -1.5, 1.5) + 0.3 * i as f64);
        equals_conditional(&f, &model, x.view(), z.view())
    })
}

fn equals_conditional(
    f: impl Fn(&FactorModel, View<'_>) -> Result<Gaussian>,
    model: &FactorModel,
    x: View<'_>,
    z: View<'_>,
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
/// ```text
/// E_q[ln p(x, z) − ln q(z)] = E_q ln p(x | z) − KL(q ‖ p(z)) = ln p(x) − KL(q ‖ p(z | x))
/// ```
///
/// Method: Gauss–Hermite over q, exact for the quadratics that the logarithms are; the evidence by integration, the
/// posterior by Schur complement. Source: Kingma & Welling 2013, arXiv:1312.6114, eqs. (1)–(3).
///
/// ```
/// use alphabar::{check, vae::FactorModel};
///
/// check::vae::bound_is_the_mean_log_weight(FactorModel::elbo).assert();
/// ```
pub fn bound_is_the_mean_log_weight<'f>(
    f: impl Fn(&FactorModel, View<'_>, &Gaussian) -> Result<f64> + 'f,
) -> Check<'f> {
    let method = Method::Numerical("Gauss–Hermite over q; evidence by integration, posterior by Schur complement");
    let sentence = "the bound is E_q ln p(x, z)/q(z): below ln p(x) by KL(q ‖ p(z | x)), in two terms or in one";
    Check::new("bound_lies_below_evidence_by_the_divergence", sentence, method, move |run| bounds(run, &f))
        .rejects(faults::BOUNDS, bounds)
}

fn bounds(run: &Run, f: impl Fn(&FactorModel, View<'_>, &Gaussian) -> Result<f64>) -> Outcome {
    over(run, |k, u| {
        let (model, x, q) = with_q(latents(k), u);
        below_the_evidence(&f, &model, x.view(), &q)
    })
}

fn below_the_evidence(
    f: impl Fn(&FactorModel, View<'_>, &Gaussian) -> Result<f64>,
    model: &FactorModel,
    x: View<'_>,
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
/// ```text
/// ∂/∂m and ∂/∂ ln σ of E_q[ln p(x, z) − ln q(z)],   q = N(m, σ² I)
/// ```
///
/// Method: central differences of the bound by Gauss–Hermite; the bound is quadratic in the mean, so that the difference
/// is exact there, and smooth in ln std. Source: Kingma & Welling 2013, arXiv:1312.6114, sect. 2.4.
///
/// ```
/// use alphabar::{check, vae::FactorModel};
///
/// check::vae::gradient_is_the_derivative(FactorModel::encoder_gradient).assert();
/// ```
pub fn gradient_is_the_derivative<'f>(
    f: impl Fn(&FactorModel, View<'_>, View<'_>, f64) -> Result<EncoderGradient> + 'f,
) -> Check<'f> {
    let method = Method::Numerical("central differences of the bound by Gauss–Hermite");
    let sentence = "the reparameterised gradient is the derivative of the bound in the encoder's mean and ln std";
    Check::new("encoder_gradient_is_the_derivative_of_the_bound", sentence, method, move |run| gradients(run, &f))
        .rejects(faults::GRADIENTS, gradients)
}

fn gradients(run: &Run, f: impl Fn(&FactorModel, View<'_>, View<'_>, f64) -> Result<EncoderGradient>) -> Outcome {
    over(run, |k, [a, b, c, d]| {
        let (model, x) = drawn(1 + k % 3, [a, b, c]);
        let mean = Array1::from_shape_fn(1 + k % 3, |i| uniform(d, -1.0, 1.0) + 0.2 * i as f64);
        equals_differences(&f, &model, x.view(), mean.view(), log_uniform(a, 0.3, 1.5))
    })
}

fn equals_differences(
    f: impl Fn(&FactorModel, View<'_>, View<'_>, f64) -> Result<EncoderGradient>,
    model: &FactorModel,
    x: View<'_>,
    mean: View<'_>,
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
/// ```text
/// ∂/∂(W, b, ln s²) Σ_x E_{p_old(z | x)} ln p(x, z) = 0        Σ_x ln p_new(x) ≥ Σ_x ln p_old(x)
/// ```
///
/// Method: evidence by the marginal's LU density; derivatives of the mean of `ln p(x, z)` under the old posteriors (Schur
/// complement, Gauss–Hermite) by central differences, which are exact for the quadratic that it is in W and b. Source:
/// Dempster, Laird & Rubin 1977; Tipping & Bishop 1999, appendix B.
///
/// ```
/// use alphabar::{check, vae::FactorModel};
///
/// check::vae::ascent_is_stationary(FactorModel::em_step).assert();
/// ```
pub fn ascent_is_stationary<'f>(
    f: impl Fn(&FactorModel, ArrayView2<'_, f64>) -> Result<FactorModel> + 'f,
) -> Check<'f> {
    let method =
        Method::Numerical("central differences of the energy under the old posteriors; evidence before and after");
    let sentence = "a step of coordinate ascent maximises the bound in the model and never lowers the evidence";
    Check::new("coordinate_ascent_never_lowers_the_evidence", sentence, method, move |run| ascents(run, &f))
        .rejects(faults::ASCENTS, ascents)
}

fn ascents(run: &Run, f: impl Fn(&FactorModel, ArrayView2<'_, f64>) -> Result<FactorModel>) -> Outcome {
    let few = run.at_most(run.cases.div_ceil(16));
    over(&few, |k, [a, b, c, d]| {
        let (model, _) = drawn(1 + k % 2, [a, b, c]);
        stationary(&f, &model, sample(d).view())
    })
}

fn stationary(
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
        let each =
            |(x, (mean, cov)): (View<'_>, &(DVector<f64>, DMatrix<f64>))| expect(mean, cov, |z| log_joint(m, x, z));
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
/// ```text
/// f(ln w₁, …, ln w_k) = ln (1/k) Σ w_i        w = p(x, z)/q(z)
/// ```
///
/// The latents are the quantiles of a logistic law, wide enough for the weights to vanish at both ends, so that the mean
/// over them converges like a trapezoidal rule. One latent. Method: enumeration against integration. Source: Burda et
/// al. 2015, arXiv:1509.00519, eq. (8).
///
/// ```
/// use alphabar::{check, vae::importance_weighted_bound};
///
/// check::vae::importance_mean_is_the_evidence(importance_weighted_bound).assert();
/// ```
pub fn importance_mean_is_the_evidence<'f>(f: impl Fn(View<'_>) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::Enumeration("quantiles of a logistic law, against integration");
    let sentence = "the mean importance weight is the evidence, for a q that is positive wherever p is";
    Check::new("mean_importance_weight_is_the_evidence", sentence, method, move |run| weights(run, &f))
        .rejects(faults::WEIGHTED, weights)
}

fn weights(run: &Run, f: impl Fn(View<'_>) -> Result<f64>) -> Outcome {
    const QUANTILES: u32 = 2000;
    over(run, |_, u| {
        let (model, x) = drawn(1, u);
        let (model, x) = (&model, x.view());
        let place = || format!("{QUANTILES} quantiles, {}", place(model, x));
        let tol = Tol::abs(1e-13 * (1.0 + log_size(model, x)), "some thousand terms of a sum in a logarithm");
        let mut trial = Trial::new();
        let weights = logistic_log_weights(model, x, QUANTILES);
        let got = accepted(f(weights.view()), "importance-weighted bound", &place)?;
        trial.close("ln of the mean weight", got, log_evidence(model, x), tol, place)?;
        Ok(trial.evidence())
    })
}

/// ln p(x, z) − ln q(z) at equally likely quantiles of a logistic q around the posterior.
fn logistic_log_weights(model: &FactorModel, x: View<'_>, count: u32) -> Array1<f64> {
    let (mean, cov) = conditional(model, x);
    let scale = cov[(0, 0)].sqrt();
    let weight = |k: u32| {
        let u = (f64::from(k) + 0.5) / f64::from(count);
        let z = mean[0] + scale * (u / (1.0 - u)).ln();
        log_joint(model, x, &DVector::from_element(1, z)) - (u * (1.0 - u) / scale).ln()
    };
    (0..count).map(weight).collect()
}

/// ln p(x, z) from the model's numbers.
fn log_joint(model: &FactorModel, x: View<'_>, z: &DVector<f64>) -> f64 {
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
fn log_evidence(model: &FactorModel, x: View<'_>) -> f64 {
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
fn conditional(model: &FactorModel, x: View<'_>) -> (DVector<f64>, DMatrix<f64>) {
    let (d, k) = (model.dims(), model.latents());
    let (loading, offset) = (model.loading(), model.offset());
    let w = DMatrix::from_fn(d, k, |i, j| loading[[i, j]]);
    let cov_x = &w * w.transpose() + DMatrix::identity(d, d) * model.noise_var();
    let weights = cov_x.lu().solve(&w).expect("noise makes the covariance of x invertible");
    let residual = DVector::from_fn(d, |i, _| x[i] - offset[i]);
    let cov = DMatrix::identity(k, k) - w.transpose() * &weights;
    (weights.transpose() * residual, (&cov + cov.transpose()) * 0.5)
}

fn marginal_log_density(model: &FactorModel, x: View<'_>) -> f64 {
    let (d, k) = (model.dims(), model.latents());
    let (loading, offset) = (model.loading(), model.offset());
    let w = DMatrix::from_fn(d, k, |i, j| loading[[i, j]]);
    let lu = (&w * w.transpose() + DMatrix::identity(d, d) * model.noise_var()).lu();
    let residual = DVector::from_fn(d, |i, _| x[i] - offset[i]);
    let solved = lu.solve(&residual).expect("noise makes the covariance of x invertible");
    -0.5 * (d as f64 * TAU.ln() + lu.determinant().ln() + residual.dot(&solved))
}

/// E_q[ln p(x, z) − ln q(z)].
fn mean_log_weight_under(model: &FactorModel, x: View<'_>, q: &Gaussian) -> f64 {
    let (mean, cov) = dense(q);
    expect(&mean, &cov, |z| log_joint(model, x, z)) + surprise_of(&cov)
}

fn isotropic_bound(model: &FactorModel, x: View<'_>, mean: View<'_>, std: f64) -> f64 {
    let k = model.latents();
    let cov = DMatrix::identity(k, k) * (std * std);
    expect(&vector(mean), &cov, |z| log_joint(model, x, z)) + surprise_of(&cov)
}

/// KL(q ‖ p(z | x)) with the posterior by Schur complement.
fn gap(model: &FactorModel, x: View<'_>, q: &Gaussian) -> f64 {
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
    Gaussian::new(mean.view(), Array2::from_shape_fn(cov.shape(), |(i, j)| cov[(i, j)]).view())
}

fn vector(x: View<'_>) -> DVector<f64> {
    DVector::from_iterator(x.len(), x.iter().copied())
}

/// Magnitude of ln p(x, z) near the posterior mean.
fn log_size(model: &FactorModel, x: View<'_>) -> f64 {
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
fn place(model: &FactorModel, x: View<'_>) -> String {
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
