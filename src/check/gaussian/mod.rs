//! Claims on relative entropy, entropy and the discretised likelihood.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::TAU;

use nalgebra::{DMatrix, DVector};
use ndarray::{Array1, Array2};

use super::evidence::{law as words, list, short};
use super::witness::quadrature::gauss_legendre;
use super::{Check, Evidence, Method, Mismatch, Outcome, Run, Tol, Trial, log_uniform, uniform};
use crate::error::Result;
use crate::gaussian::{Gaussian, Pixel};
use crate::posterior::Moments;
use crate::schedule::Timestep;

/// Nodes and weights that integrate polynomials up to degree 9 against N(0, 1) exactly.
const HERMITE: [(f64, f64); 5] = [
    (-2.856_970_013_872_805_6, 0.011_257_411_327_720_69),
    (-1.355_626_179_974_266, 0.222_075_922_005_612_63),
    (0.0, 0.533_333_333_333_333_3),
    (1.355_626_179_974_266, 0.222_075_922_005_612_63),
    (2.856_970_013_872_805_6, 0.011_257_411_327_720_69),
];

// ANCHOR: kl
/// `D(p ‖ q)` on the line is the mean of ln p − ln q under p, ≥ 0, and 0 for equal Gaussians.
///
/// ```text
/// D(p ‖ q) = E_p[ln p(x) − ln q(x)]
/// ```
///
/// Method: Gauss–Hermite, exact since both logarithms are quadratic; half of the pairs are as near to each other as the
/// neighbouring terms of a bound. Source: definition; the closed form is in Kingma, Welling 2013, arXiv:1312.6114,
/// appendix B.
///
/// ```
/// use alphabar::{check, gaussian::kl};
///
/// check::gaussian::relative_entropy(kl).assert();
/// ```
pub fn relative_entropy<'f>(f: impl Fn(Moments, Moments) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("Gauss–Hermite of ln p − ln q under p");
    let sentence = "relative entropy on the line is the mean log ratio, ≥ 0, and 0 for equal Gaussians";
    Check::new("relative_entropy_is_the_mean_log_ratio", sentence, method, move |run| scalars(run, &f))
        .rejects(faults::SCALARS, scalars)
}

fn scalars(run: &Run, f: impl Fn(Moments, Moments) -> f64) -> Outcome {
    run.over(|[a, b, c, d]| {
        let p = Moments { mean: uniform(a, -3.0, 3.0), var: log_uniform(b, 1e-5, 10.0) };
        // Half of the pairs are as near to each other as neighbouring terms of the bound.
        let near =
            Moments { mean: p.mean + uniform(d, -1.0, 1.0) * p.var.sqrt(), var: p.var * log_uniform(c, 0.98, 1.3) };
        let far = Moments { mean: uniform(d, -3.0, 3.0), var: log_uniform(c, 1e-3, 10.0) };
        Ok(is_the_mean_log_ratio(&f, p, near)?.and(is_the_mean_log_ratio(&f, p, far)?))
    })
}

fn is_the_mean_log_ratio(f: impl Fn(Moments, Moments) -> f64, p: Moments, q: Moments) -> Outcome {
    let (want, size) = mean_log_ratio(p, q);
    let tol = Tol::abs(16.0 * f64::EPSILON * size, "16 roundings of the summed magnitudes");
    let place = || format!("p = {}, q = {}", words(p), words(q));
    let mut trial = Trial::new();
    let got = f(p, q);
    trial.close("relative entropy", got, want, tol, place)?;
    trial.at_most("0", 0.0, got, Tol::exact(), place)?;
    trial.close("relative entropy from itself", f(p, p), 0.0, Tol::exact(), place)?;
    Ok(trial.evidence())
}

/// E_p[ln p − ln q] and the magnitudes that enter. With x = μ_p + σ_p u, ln p sees u alone.
pub(in crate::check) fn mean_log_ratio(p: Moments, q: Moments) -> (f64, f64) {
    let (difference, std) = (p.mean - q.mean, p.var.sqrt());
    let log = |var: f64, square: f64| -0.5 * ((TAU * var).ln() + square);
    let mean = HERMITE
        .iter()
        .map(|(u, w)| w * (log(p.var, u * u) - log(q.var, (difference + std * u).powi(2) / q.var)))
        .sum();
    let squares = 9.0 * (difference.abs() + std).powi(2) / q.var;
    (mean, 4.0 + squares + (TAU * p.var).ln().abs() + (TAU * q.var).ln().abs())
}
// ANCHOR_END: kl

/// A term of the bound: in d dimensions with variances p_var and q_var and means at the squared distance `squares`, the
/// relative entropy is that of d independent coordinates.
///
/// ```text
/// D = ‖μ̃ − μ‖²/(2σ²) + C        C = d ln(σ/σ̃) + d σ̃²/(2σ²) − d/2
/// ```
///
/// Every form takes (p_var, q_var, squares, d); several forms of one implementation are tried one after the other. The
/// distance is put into coordinates in unequal parts. Method: Gauss–Hermite in each coordinate. Source: Ho et al. 2020,
/// arXiv:2006.11239, eq. (8).
///
/// ```
/// use alphabar::{check, gaussian::Split};
///
/// let mine = |p_var, q_var, squares, dims| Split::new(p_var, q_var, squares, dims).unwrap().total();
/// check::gaussian::bound_term([mine]).assert();
/// ```
pub fn bound_term<'f>(forms: impl IntoIterator<Item = impl Fn(f64, f64, f64, usize) -> f64 + 'f>) -> Check<'f> {
    let forms: Vec<_> = forms.into_iter().collect();
    let method = Method::Numerical("Gauss–Hermite in every coordinate");
    let sentence = "a term of the bound is ‖μ̃ − μ‖²/(2σ²) + C, with d in C, and C does not see the mean";
    Check::new("bound_term_splits_into_mean_and_constant", sentence, method, move |run| {
        forms.iter().try_fold(Evidence::none(), |all, form| Ok(all.and(isotropics(run, form)?)))
    })
    .rejects(faults::BOUND_TERMS, isotropics)
}

fn isotropics(run: &Run, f: impl Fn(f64, f64, f64, usize) -> f64) -> Outcome {
    let drawn = run.over(|[a, b, c, d]| {
        let (p_var, dims) = (log_uniform(a, 1e-5, 2.0), 1 + (d * 12.0) as usize);
        isotropic_kl_adds_up(&f, p_var, p_var * log_uniform(b, 0.3, 3.0), log_uniform(c, 1e-6, 4.0) * p_var, dims)
    })?;
    run.over_schedules(|schedule| {
        let mut all = Evidence::none();
        for t in [2, schedule.len()].into_iter().filter(|t| *t >= 2 && *t <= schedule.len()) {
            let step = schedule.step(Timestep::new(t));
            let beta_tilde = step.beta() * step.s().one_minus_alpha_bar() / step.t().one_minus_alpha_bar();
            all = all.and(isotropic_kl_adds_up(&f, beta_tilde, step.beta(), 0.3 * beta_tilde, 3)?);
        }
        Ok(all)
    })
    .map(|all| drawn.and(all))
}

/// Coordinate j holds the share 2(j + 1)/(d(d + 1)) of the squared distance.
fn isotropic_kl_adds_up(
    f: impl Fn(f64, f64, f64, usize) -> f64,
    p_var: f64,
    q_var: f64,
    squares: f64,
    dims: usize,
) -> Outcome {
    // Coordinate j holds the share 2(j + 1)/(d(d + 1)) of the squared distance.
    let d = dims as f64;
    let (mut want, mut size) = (0.0, 0.0);
    for j in 1..=dims {
        let part = (squares * 2.0 * j as f64 / (d * (d + 1.0))).sqrt();
        let (mean, magnitude) = mean_log_ratio(Moments { mean: part, var: p_var }, Moments { mean: 0.0, var: q_var });
        want += mean;
        size += magnitude;
    }
    let tol = Tol::abs(16.0 * f64::EPSILON * size, "16 roundings of the summed magnitudes");
    let mut trial = Trial::new();
    let place =
        || format!("d = {dims}, variances {} and {}, distance² {}", short(p_var), short(q_var), short(squares));
    trial.close("relative entropy", f(p_var, q_var, squares, dims), want, tol, place)?;
    Ok(trial.evidence())
}

/// `D(N(μ, diag σ²) ‖ N(0, I))`, the regulariser of an autoencoder, is the sum of the coordinates' mean log ratios.
///
/// ```text
/// D = ½ Σ (μ² + σ² − 1 − ln σ²)
/// ```
///
/// `f(means, variances)`. Method: Gauss–Hermite in each coordinate. Source: Kingma, Welling 2013, arXiv:1312.6114,
/// appendix B.
///
/// ```
/// use alphabar::{check, gaussian::kl_to_standard};
/// use ndarray::aview1;
///
/// check::gaussian::regulariser(|mean, var| kl_to_standard(&aview1(mean), &aview1(var)).unwrap()).assert();
/// ```
pub fn regulariser<'f>(f: impl Fn(&[f64], &[f64]) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("Gauss–Hermite in every coordinate");
    let sentence = "the regulariser of an autoencoder is the relative entropy from N(0, I)";
    Check::new("regulariser_is_the_relative_entropy", sentence, method, move |run| standards(run, &f))
        .rejects(faults::REGULARISERS, standards)
}

fn standards(run: &Run, f: impl Fn(&[f64], &[f64]) -> f64) -> Outcome {
    run.over(|[a, b, c, d]| {
        let mean = [uniform(a, -3.0, 3.0), uniform(c, -1.0, 1.0), 0.0];
        standard_kl_adds_up(&f, &mean, &[log_uniform(b, 1e-4, 10.0), log_uniform(d, 0.9, 1.1), 1.0 + c])
    })
}

fn standard_kl_adds_up(f: impl Fn(&[f64], &[f64]) -> f64, mean: &[f64], var: &[f64]) -> Outcome {
    let (mut want, mut size) = (0.0, 0.0);
    for (&mean, &var) in mean.iter().zip(var) {
        let (term, magnitude) = mean_log_ratio(Moments { mean, var }, Moments { mean: 0.0, var: 1.0 });
        want += term;
        size += magnitude;
    }
    let tol = Tol::abs(16.0 * f64::EPSILON * size, "16 roundings of the summed magnitudes");
    let mut trial = Trial::new();
    trial.close("relative entropy", f(mean, var), want, tol, || {
        format!("mean {}, variance {}", list(mean), list(var))
    })?;
    Ok(trial.evidence())
}

/// `D(p ‖ q)` with full covariances is the mean of ln p − ln q under p, does not change when the space is mapped
/// affinely, and is 0 for p = q.
///
/// ```text
/// D(p ‖ q) = E_p[ln p(x) − ln q(x)] = D(A p + b ‖ A q + b)
/// ```
///
/// Nodes are a tensor rule (5 a dimension up to d = 3, 3 above) carried to p by the symmetric root of its covariance;
/// densities by LU inverse and determinant. Method: quadrature, exact for the quadratics that the logarithms are. Source:
/// definition.
///
/// ```
/// use alphabar::{check, gaussian::kl_full};
///
/// check::gaussian::full_relative_entropy(kl_full).points(8).assert();
/// ```
pub fn full_relative_entropy<'f>(f: impl Fn(&Gaussian, &Gaussian) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::Numerical("tensor Gauss–Hermite with LU densities, d = 1, 2, 3, 8; affine invariance");
    let sentence = "relative entropy with full covariances is the mean log ratio and does not depend on coordinates";
    Check::new("full_relative_entropy_is_the_mean_log_ratio", sentence, method, move |run| fulls(run, &f))
        .rejects(faults::FULLS, fulls)
}

fn fulls(run: &Run, f: impl Fn(&Gaussian, &Gaussian) -> Result<f64>) -> Outcome {
    let mut all = Evidence::none();
    for (k, u) in run.points::<4>().enumerate() {
        // One pair in sixteen is eight-dimensional: 6561 nodes.
        let dims = if k % 16 == 7 { 8 } else { 1 + k % 3 };
        let (p, q, map) = pair(dims, u);
        all = all.and(full_kl_is_the_mean_log_ratio(&f, &p, &q, &map)?);
    }
    Ok(all)
}

/// Two Gaussians with covariances `A Aᵀ + I/4` and a well-conditioned map, from four numbers.
fn pair(dims: usize, [a, b, c, d]: [f64; 4]) -> (Gaussian, Gaussian, DMatrix<f64>) {
    let entry = |seed: f64, i: usize, j: usize| {
        2.0 * (seed + 0.618_034 * i as f64 + 0.754_878 * (j * j) as f64).fract() - 1.0
    };
    let law = |mean: f64, spread: f64| {
        let factor = Array2::from_shape_fn((dims, dims), |(i, j)| entry(spread, i, j));
        let mut cov = factor.dot(&factor.t());
        cov = (&cov + &cov.t()) * 0.5;
        cov.diag_mut().mapv_inplace(|x| x + 0.25);
        let mean = Array1::from_shape_fn(dims, |i| entry(mean, i, 1));
        Gaussian::new(mean.view(), cov.view()).expect("A Aᵀ + I/4 is positive definite")
    };
    let map =
        DMatrix::from_fn(dims, dims, |i, j| 0.3 * entry(a + b, i, j) / dims as f64 + f64::from(u8::from(i == j)));
    (law(a, b), law(c, d), map)
}

fn full_kl_is_the_mean_log_ratio(
    f: impl Fn(&Gaussian, &Gaussian) -> Result<f64>,
    p: &Gaussian,
    q: &Gaussian,
    map: &DMatrix<f64>,
) -> Outcome {
    let place = || {
        let means = format!("means {} and {}", list(&p.mean()), list(&q.mean()));
        format!("d = {}, {means}, covariances {} and {}", p.dims(), list(&p.cov()), list(&q.cov()))
    };
    let refused =
        |_| Mismatch { what: "relative entropy".into(), got: f64::NAN, want: 0.0, tol: Tol::exact(), at: place() };
    let (want, kappa) = full_mean_log_ratio(p, q);
    let d = p.dims() as f64;
    let rounding = 32.0 * d * d * f64::EPSILON * kappa;
    let reason = "32 d² roundings of the magnitudes, times the condition of the covariances";
    let tol = Tol::abs(rounding, reason);
    let mut trial = Trial::new();
    let got = f(p, q).map_err(refused)?;
    trial.close("relative entropy", got, want, tol, place)?;
    trial.close("relative entropy from itself", f(p, p).map_err(refused)?, 0.0, tol, place)?;
    let mapped = |g: &Gaussian| {
        let (mean, cov) = dense(g);
        let cov = map * cov * map.transpose();
        let cov = (&cov + cov.transpose()) * 0.5;
        let mean = map * mean;
        let mean = Array1::from_iter(mean.iter().map(|m| m + 1.0));
        Gaussian::new(mean.view(), Array2::from_shape_fn(cov.shape(), |(i, j)| cov[(i, j)]).view())
    };
    let (p_mapped, q_mapped) = (mapped(p).map_err(refused)?, mapped(q).map_err(refused)?);
    let stretched = rounding * condition(&(map * map.transpose()));
    let tol = Tol::abs(stretched, "as before, times the condition of the map");
    trial.close("relative entropy after a map", f(&p_mapped, &q_mapped).map_err(refused)?, want, tol, place)?;
    Ok(trial.evidence())
}

/// E_p[ln p − ln q] by a tensor rule, and a condition number that scales its rounding.
fn full_mean_log_ratio(p: &Gaussian, q: &Gaussian) -> (f64, f64) {
    let ((p_mean, p_cov), (q_mean, q_cov)) = (dense(p), dense(q));
    let eigen = p_cov.clone().symmetric_eigen();
    let root = &eigen.eigenvectors * DMatrix::from_diagonal(&eigen.eigenvalues.map(f64::sqrt));
    let log = |mean: &DVector<f64>, cov: &DMatrix<f64>| {
        let lu = cov.clone().lu();
        let inverse = lu.try_inverse().expect("a positive definite matrix has an inverse");
        let constant = cov.nrows() as f64 * TAU.ln() + lu.determinant().ln();
        let mean = mean.clone();
        move |x: &DVector<f64>| -0.5 * (constant + (x - &mean).dot(&(&inverse * (x - &mean))))
    };
    let (log_p, log_q) = (log(&p_mean, &p_cov), log(&q_mean, &q_cov));
    let three = [(-(3f64.sqrt()), 1.0 / 6.0), (0.0, 2.0 / 3.0), (3f64.sqrt(), 1.0 / 6.0)];
    let rule: &[(f64, f64)] = if p.dims() <= 3 { &HERMITE } else { &three };
    let d = p.dims();
    let mut sum = 0.0;
    for index in 0..rule.len().pow(d as u32) {
        let mut weight = 1.0;
        let mut rest = index;
        let u = DVector::from_fn(d, |_, _| {
            let (node, w) = rule[rest % rule.len()];
            rest /= rule.len();
            weight *= w;
            node
        });
        let x = &p_mean + &root * u;
        sum += weight * (log_p(&x) - log_q(&x));
    }
    let size = 2.0 + sum.abs() + p_mean.amax() + q_mean.amax();
    (sum, size * (condition(&p_cov) + condition(&q_cov)))
}

fn dense(g: &Gaussian) -> (DVector<f64>, DMatrix<f64>) {
    let (mean, cov) = (g.mean(), g.cov());
    (DVector::from_iterator(g.dims(), mean), DMatrix::from_fn(g.dims(), g.dims(), |i, j| cov[[i, j]]))
}

fn condition(matrix: &DMatrix<f64>) -> f64 {
    let eigenvalues = matrix.symmetric_eigenvalues();
    eigenvalues.max() / eigenvalues.min()
}

/// The entropy of N(·, σ² I) is −∫ p ln p, d times over.
///
/// ```text
/// H = −E ln p(x) = d/2 ln 2πeσ²
/// ```
///
/// `f(variance, d)`. Method: trapezoidal rule, exponentially convergent. Source: definition.
///
/// ```
/// use alphabar::{check, gaussian::entropy};
///
/// check::gaussian::entropy(|var, dims| entropy(var, dims).unwrap()).assert();
/// ```
pub fn entropy<'f>(f: impl Fn(f64, usize) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("trapezoidal rule on −p ln p");
    let sentence = "the entropy of a Gaussian is its mean surprise, and −E ln p = H + D(p ‖ q) ties it to the rest";
    Check::new("entropy_is_the_mean_surprise", sentence, method, move |run| surprises(run, &f))
        .rejects(faults::ENTROPIES, surprises)
}

fn surprises(run: &Run, f: impl Fn(f64, usize) -> f64) -> Outcome {
    run.over(|[a, b]| is_the_mean_surprise(&f, log_uniform(a, 1e-4, 10.0), 1 + (b * 9.0) as usize))
}

fn is_the_mean_surprise(f: impl Fn(f64, usize) -> f64, var: f64, dims: usize) -> Outcome {
    let std = var.sqrt();
    let step = 0.25;
    let surprise: f64 = (-44..=44)
        .map(|k| {
            let u = step * f64::from(k);
            let density = (-0.5 * u * u).exp() / (TAU * var).sqrt();
            // The density itself may be as small as e^−60, whose logarithm is exact enough.
            -density * density.ln() * step * std
        })
        .sum();
    let d = dims as f64;
    let size = d * (4.0 + (TAU * var).ln().abs());
    let tol = Tol::abs(32.0 * f64::EPSILON * size, "32 roundings of the summed magnitudes");
    let mut trial = Trial::new();
    trial.close("entropy", f(var, dims), d * surprise, tol, || format!("var = {}, d = {dims}", short(var)))?;
    Ok(trial.evidence())
}

/// Bins of pixels: every logarithm is finite and right, and the masses sum to 1.
///
/// ```text
/// ln ∫ N(u; μ, σ²) du over the bin of the pixel, whose outer bins are infinite
/// ```
///
/// Method: Gauss–Legendre on pieces of at most half a decay length of the integrand, relative to its largest value in the
/// bin, so that nothing underflows; the sum over 256 bins. Source: Ho et al. 2020, arXiv:2006.11239, eq. (13).
///
/// ```
/// use alphabar::{check, gaussian::log_pixel_probability};
///
/// check::gaussian::pixels(log_pixel_probability).points(8).assert();
/// ```
pub fn pixels<'f>(f: impl Fn(Pixel, Moments) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::Numerical("Gauss–Legendre with the peak taken out; sum over the 256 bins");
    let sentence = "the discretised Gaussian decoder sums to 1 over 256 bins and its logarithm never underflows";
    Check::new("pixel_likelihood_is_the_mass_of_its_bin", sentence, method, move |run| bins(run, &f))
        .rejects(faults::PIXELS, bins)
}

fn bins(run: &Run, f: impl Fn(Pixel, Moments) -> Result<f64>) -> Outcome {
    let fixed = [(0.1, 1e-4), (0.999, 1e-4), (0.0, 1.0), (-1.0, 0.25), (1.4, 0.01), (0.3, 1e-7)];
    let drawn = run.points::<2>().take(run.cases.div_ceil(8));
    let drawn = drawn.map(|[a, b]| (uniform(a, -1.2, 1.2), log_uniform(b, 1e-6, 10.0)));
    fixed
        .into_iter()
        .chain(drawn)
        .try_fold(Evidence::none(), |all, (mean, var)| Ok(all.and(are_integrals(&f, Moments { mean, var })?)))
}

fn are_integrals(f: impl Fn(Pixel, Moments) -> Result<f64>, law: Moments) -> Outcome {
    let mut trial = Trial::new();
    let mut total = 0.0;
    for pixel in Pixel::all() {
        let place = || format!("pixel {}, {}", pixel.0, words(law));
        let got = f(pixel, law).unwrap_or(f64::NAN);
        let want = log_bin_integral(pixel, law);
        // Edges are rounded to ε; in units of σ that is divided by σ and multiplied by the slope z.
        let (z, std) = ((pixel.value() - law.mean).abs() / law.var.sqrt() + 2.0, law.var.sqrt());
        let rounding = 8.0 * f64::EPSILON * (z * z + z * (1.0 + law.mean.abs()) / std + 64.0);
        let tol = Tol::abs(rounding, "rounding of the edges and of z², 500 of the integral");
        trial.close("log mass of a bin", got, want, tol, place)?;
        total += got.exp();
    }
    let tol = Tol::abs(1e-13, "256 masses, each to 16 roundings and the rounding of its edges");
    trial.close("sum over bins", total, 1.0, tol, || words(law))?;
    Ok(trial.evidence())
}

/// ln of the mass of a bin by Gauss–Legendre with the peak taken out.
fn log_bin_integral(pixel: Pixel, law: Moments) -> f64 {
    let std = law.var.sqrt();
    let edge = |k: f64| (2.0 * k - 256.0) / 255.0;
    let low = (edge(f64::from(pixel.0)) - law.mean) / std;
    let high = (edge(f64::from(pixel.0) + 1.0) - law.mean) / std;
    let low = if pixel.0 == 0 { f64::NEG_INFINITY } else { low };
    let high = if pixel.0 == u8::MAX { f64::INFINITY } else { high };
    // The nearest point to the mean has the largest integrand; 45 decay lengths from it the rest is below e^−45.
    let nearest = 0.0f64.clamp(low, high);
    let decay = 1.0 / (1.0 + nearest.abs());
    let reach = 45.0 * decay;
    let (from, to) = (low.max(nearest - reach), high.min(nearest + reach));
    let pieces = ((to - from) / (0.5 * decay)).ceil().max(1.0);
    let width = (to - from) / pieces;
    let rule = gauss_legendre(10, -1.0, 1.0).expect("ten nodes on a finite interval");
    let sum: f64 = (0..pieces as usize)
        .map(|k| {
            let centre = width.mul_add(k as f64 + 0.5, from);
            rule.sum(|u| {
                let x = centre + 0.5 * width * u;
                (-0.5 * (x - nearest) * (x + nearest)).exp()
            })
        })
        .sum();
    (0.5 * width * sum).ln() - 0.5 * (nearest * nearest + TAU.ln())
}
