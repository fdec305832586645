//! What the claims on relative entropy and likelihood cover of the ledger, with numbers.

use ndarray::{Array1, Array2, ArrayView1};

use super::{faults, full_mean_log_ratio, log_bin_integral, mean_log_ratio, pair};
use crate::check::{self, Claim, Row, Tol, Wrong};
use crate::gaussian::{
    Gaussian, Pixel, Split, entropy, kl, kl_diagonal, kl_equal_variance, kl_full, kl_isotropic, kl_to_standard,
    log_pixel_probability,
};
use crate::posterior::{Moments, Posterior, posterior};
use crate::schedule::{Schedule, Timestep, Transition};

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![scalar(), isotropic(), standard(), full(), entropies(), pixels()]
}

fn scalar() -> Claim {
    Claim::new(|| check::gaussian::relative_entropy(kl))
        .row("S2.24", || scalar_row(Moments { mean: 0.0, var: 1.0 }, Moments { mean: 1.5, var: 4.0 }))
        .row("S3.43", || step_row(500, 0.4, -0.3, |step| Posterior::new(step).beta_tilde))
        .row("S3.44", || step_row(20, -0.8, 0.9, Transition::beta))
}

/// A term of the bound: variances, squared distance, dimensions.
type Form = fn(f64, f64, f64, usize) -> f64;

fn isotropic() -> Claim {
    Claim::new(|| {
        let forms: [Form; 3] = [split, isotropic_arrays, diagonal_arrays];
        check::gaussian::bound_term(forms)
    })
    .row("S0.55", || isotropic_row(0.5, 0.8, &[0.3, -0.4, 1.1], &[0.1, 0.2, 0.9]))
    .row("S0.56", || {
        let (p, q) = (posterior(&ddpm(300), 0.2, 0.9), Moments { mean: 0.7, var: ddpm(300).beta() });
        let got = Split::new(p.var, q.var, (p.mean - q.mean).powi(2), 1).map_or(f64::NAN, |s| s.total());
        Row { got, want: mean_log_ratio(p, q).0, tol: quadrature(1e-12) }
    })
    .row("S1.49", || {
        let (p, q, var) = ([0.4, -0.2, 0.1], [0.7, 0.5, -0.6], 0.35);
        let got = kl_equal_variance(&ArrayView1::from(&p), &ArrayView1::from(&q), var).unwrap_or(f64::NAN);
        Row { got, want: coordinates(&p, var, &q, var), tol: quadrature(1e-13) }
    })
    .row("S3.53", || {
        let (beta_tilde, beta) = (Posterior::new(&ddpm(2)).beta_tilde, ddpm(2).beta());
        let got = Split::new(beta_tilde, beta, 0.0, 3).map_or(f64::NAN, |s| s.constant);
        let same = |var| Moments { mean: 0.0, var };
        Row { got, want: 3.0 * mean_log_ratio(same(beta_tilde), same(beta)).0, tol: quadrature(1e-13) }
    })
    .row("A3.3", || Row { got: constant(2), want: 0.121_387, tol: Tol::printed(6) })
    .row("A3.3", || Row { got: constant(500), want: 1.87e-7, tol: Tol::printed(9) })
    .row("A3.3", || {
        let same = |var| Moments { mean: 0.0, var };
        let want = mean_log_ratio(same(0.0), same(ddpm(1).beta())).0;
        Row { got: constant(1), want, tol: Tol::exact() }
    })
    .row("S3.55", || {
        // What is left when the quadratic is taken off does not depend on the mean.
        let (beta_tilde, sigma) = (Posterior::new(&ddpm(40)).beta_tilde, ddpm(40).beta());
        let got = Split::new(beta_tilde, sigma, 0.09, 1).map_or(f64::NAN, |s| s.mean);
        let at = |mean| mean_log_ratio(Moments { mean, var: beta_tilde }, Moments { mean: 0.0, var: sigma }).0;
        Row { got, want: at(0.3) - at(0.0), tol: quadrature(1e-11) }
    })
}

fn standard() -> Claim {
    Claim::new(|| check::gaussian::regulariser(to_standard)).row("S1.08", || {
        let (mean, var) = ([0.3, -1.2], [0.4, 2.5]);
        let term = |k: usize| {
            let p = Moments { mean: mean[k], var: var[k] };
            mean_log_ratio(p, Moments { mean: 0.0, var: 1.0 }).0
        };
        Row { got: to_standard(&mean, &var), want: term(0) + term(1), tol: quadrature(1e-13) }
    })
}

fn full() -> Claim {
    Claim::new(|| check::gaussian::full_relative_entropy(kl_full)).row("S1.47", || {
        let (p, q, _) = pair(3, [0.3, 0.8, 0.1, 0.6]);
        let want = full_mean_log_ratio(&p, &q).0;
        Row { got: kl_full(&p, &q).unwrap_or(f64::NAN), want, tol: quadrature(1e-11) }
    })
}

fn entropies() -> Claim {
    Claim::new(|| check::gaussian::entropy(|var, dims| entropy(var, dims).unwrap_or(f64::NAN))).row("S3.44", || {
        let cov = Array2::from_diag(&Array1::from(vec![0.3, 0.3]));
        let law = Gaussian::new(Array1::zeros(2).view(), cov.view()).map_or(f64::NAN, |g| g.entropy());
        let plogp = |k: i32| {
            let u = 0.25 * f64::from(k);
            let p = (-0.5 * u * u).exp() / (std::f64::consts::TAU * 0.3).sqrt();
            -p * p.ln() * 0.25 * 0.3f64.sqrt()
        };
        Row { got: law, want: 2.0 * (-44..=44).map(plogp).sum::<f64>(), tol: quadrature(1e-13) }
    })
}

fn pixels() -> Claim {
    Claim::new(|| check::gaussian::pixels(log_pixel_probability))
        .row("B7", || Row {
            got: Pixel::all()
                .map(|k| log_pixel_probability(k, Moments { mean: 0.1, var: 1e-4 }).map_or(0.0, f64::exp))
                .sum(),
            want: 1.0,
            tol: Tol::abs(1e-13, "256 masses, rounding of the edges over σ"),
        })
        .row("B7", || Row {
            got: log_pixel_probability(Pixel(0), Moments { mean: 0.999, var: 1e-4 }).unwrap_or(f64::NAN),
            want: log_bin_integral(Pixel(0), Moments { mean: 0.999, var: 1e-4 }),
            tol: Tol::rel(1e-14, "rounding of z²/2"),
        })
        .row("B7", || empty_bins(0.1, 196.0))
        .row("B7", || empty_bins(0.999, 207.0))
}

/// In how many bins Φ(b) − Φ(a) underflows at σ = 0.01: it is 0 or below the smallest normal double, although none of
/// the masses has a logarithm out of range. (One bin of each list is kept by a Φ that returns subnormal numbers.)
fn empty_bins(mean: f64, listed: f64) -> Row {
    let law = Moments { mean, var: 1e-4 };
    let wrong = Wrong::named(faults::PIXELS, "naive_cdf_difference");
    let underflows = |k: &Pixel| (wrong.f)(*k, law).is_ok_and(|log| log < f64::MIN_POSITIVE.ln());
    Row { got: Pixel::all().filter(underflows).count() as f64, want: listed, tol: Tol::exact() }
}

fn ddpm(t: usize) -> Transition {
    Schedule::ddpm().step(Timestep::new(t))
}

/// C of one dimension at σ² = β.
fn constant(t: usize) -> f64 {
    Split::new(Posterior::new(&ddpm(t)).beta_tilde, ddpm(t).beta(), 0.0, 1).map_or(f64::NAN, |s| s.constant)
}

const fn quadrature(abs: f64) -> Tol {
    Tol::new(abs, abs, "rounding of an exact quadrature")
}

fn scalar_row(p: Moments, q: Moments) -> Row {
    Row { got: kl(p, q), want: mean_log_ratio(p, q).0, tol: quadrature(1e-14) }
}

fn step_row(t: usize, x0: f64, xt: f64, var: fn(&Transition) -> f64) -> Row {
    let p = posterior(&ddpm(t), x0, xt);
    let q = Moments { mean: p.mean + 0.1, var: var(&ddpm(t)) };
    Row { got: kl(p, q), want: mean_log_ratio(p, q).0, tol: quadrature(1e-11) }
}

fn coordinates(p: &[f64], p_var: f64, q: &[f64], q_var: f64) -> f64 {
    let term =
        |(p, q): (&f64, &f64)| mean_log_ratio(Moments { mean: *p, var: p_var }, Moments { mean: *q, var: q_var }).0;
    p.iter().zip(q).map(term).sum()
}

fn isotropic_row(p_var: f64, q_var: f64, p: &[f64], q: &[f64]) -> Row {
    let got = kl_isotropic(&ArrayView1::from(p), p_var, &ArrayView1::from(q), q_var).unwrap_or(f64::NAN);
    Row { got, want: coordinates(p, p_var, q, q_var), tol: quadrature(1e-13) }
}

fn split(p_var: f64, q_var: f64, squares: f64, dims: usize) -> f64 {
    Split::new(p_var, q_var, squares, dims).map_or(f64::NAN, |s| s.total())
}

/// Means on either side of 0 at the given squared distance, which lies in the last entry but one, and their variances.
fn arrays(p_var: f64, q_var: f64, squares: f64, dims: usize) -> [Array1<f64>; 4] {
    let mut mean = Array1::zeros(dims);
    mean[dims.saturating_sub(2)] = 0.5 * squares.sqrt();
    [mean.clone(), Array1::from_elem(dims, p_var), -mean, Array1::from_elem(dims, q_var)]
}

fn isotropic_arrays(p_var: f64, q_var: f64, squares: f64, dims: usize) -> f64 {
    let [p, _, q, _] = arrays(p_var, q_var, squares, dims);
    kl_isotropic(&p, p_var, &q, q_var).unwrap_or(f64::NAN)
}

fn diagonal_arrays(p_var: f64, q_var: f64, squares: f64, dims: usize) -> f64 {
    let [p, p_vars, q, q_vars] = arrays(p_var, q_var, squares, dims);
    kl_diagonal(&p, &p_vars, &q, &q_vars).unwrap_or(f64::NAN)
}

/// Both array forms: against N(0, I) directly, and the diagonal one with that target.
fn to_standard(mean: &[f64], var: &[f64]) -> f64 {
    let (mean, var) = (ArrayView1::from(mean), ArrayView1::from(var));
    let (zeros, ones) = (Array1::<f64>::zeros(mean.len()), Array1::<f64>::ones(mean.len()));
    let direct = kl_to_standard(&mean, &var).unwrap_or(f64::NAN);
    let diagonal = kl_diagonal(&mean, &var, &zeros.view(), &ones.view()).unwrap_or(f64::NAN);
    if (direct - diagonal).abs() <= 1e-13 * (1.0 + direct) { direct } else { f64::NAN }
}
