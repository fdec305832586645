//! The claims of the chapter `gaussian`, bound to this crate.

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView1};

use crate::check::{Claim, Method, Row};
use crate::check::gaussian as check;
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::error::Result;
use crate::check::gaussian::faults as fault;
use crate::gaussian::{
    Gaussian, Pixel, Split, entropy, kl, kl_diagonal, kl_equal_variance, kl_full, kl_isotropic, kl_to_standard,
    log_pixel_probability,
};
use crate::posterior::{Moments, Posterior, posterior};
use crate::schedule::{Schedule, Timestep, Transition};

const CHAPTER: &str = "gaussian";

type Scalar = fn(Moments, Moments) -> f64;
type Isotropic = fn(f64, f64, f64, usize) -> f64;
type Full = fn(&Gaussian, &Gaussian) -> Result<f64>;
type Bin = fn(Pixel, Moments) -> Result<f64>;

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![scalar(), isotropic(), standard(), full(), entropies(), pixels()]
}

fn scalar() -> Claim {
    let method = Method::Numerical("Gauss–Hermite of ln p − ln q under p");
    let sentence = "relative entropy on the line is the mean log ratio, ≥ 0, and 0 for equal Gaussians";
    Claim::legacy("relative_entropy_is_the_mean_log_ratio", CHAPTER, sentence, method, |run| scalars(run, kl))
        .row("S2.24", || scalar_row(Moments { mean: 0.0, var: 1.0 }, Moments { mean: 1.5, var: 4.0 }))
        .row("S3.43", || step_row(500, 0.4, -0.3, |step| Posterior::new(step).beta_tilde))
        .row("S3.44", || step_row(20, -0.8, 0.9, Transition::beta))
        .fault(fault::LOG_OF_EVERYTHING, |run| scalars(run, fault::log_of_everything))
        .fault(fault::REVERSED_KL, |run| scalars(run, fault::reversed_kl))
        .fault(fault::VARIANCE_RATIO_IN_LOG, |run| scalars(run, fault::variance_ratio_in_log))
        .fault(fault::MINUS_HALF_FORGOTTEN, |run| scalars(run, fault::minus_half_forgotten))
        .fault(fault::LOG_RATIO_INVERTED, |run| scalars(run, fault::log_ratio_inverted))
}

fn isotropic() -> Claim {
    let method = Method::Numerical("Gauss–Hermite in every coordinate");
    let sentence = "a term of the bound is ‖μ̃ − μ‖²/(2σ²) + C, with d in C, and C does not see the mean";
    let run = |run: &Run| {
        let forms: [Isotropic; 3] = [split, isotropic_arrays, diagonal_arrays];
        forms.into_iter().try_fold(Evidence::none(), |all, form| Ok(all.and(isotropics(run, form)?)))
    };
    Claim::legacy("bound_term_splits_into_mean_and_constant", CHAPTER, sentence, method, run)
        .row("S0.55", || isotropic_row(0.5, 0.8, &[0.3, -0.4, 1.1], &[0.1, 0.2, 0.9]))
        .row("S0.56", || {
            let (p, q) = (posterior(&ddpm(300), 0.2, 0.9), Moments { mean: 0.7, var: ddpm(300).beta() });
            let got = Split::new(p.var, q.var, (p.mean - q.mean).powi(2), 1).map_or(f64::NAN, |s| s.total());
            Row { got, want: check::mean_log_ratio(p, q).0, tol: quadrature(1e-12) }
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
            Row { got, want: 3.0 * check::mean_log_ratio(same(beta_tilde), same(beta)).0, tol: quadrature(1e-13) }
        })
        .row("A3.3", || Row { got: constant(2), want: 0.121_387, tol: Tol::printed(6) })
        .row("A3.3", || Row { got: constant(500), want: 1.87e-7, tol: Tol::printed(9) })
        .row("A3.3", || {
            let same = |var| Moments { mean: 0.0, var };
            let want = check::mean_log_ratio(same(0.0), same(ddpm(1).beta())).0;
            Row { got: constant(1), want, tol: Tol::exact() }
        })
        .row("S3.55", || {
            // What is left when the quadratic is taken off does not depend on the mean.
            let (beta_tilde, sigma) = (Posterior::new(&ddpm(40)).beta_tilde, ddpm(40).beta());
            let got = Split::new(beta_tilde, sigma, 0.09, 1).map_or(f64::NAN, |s| s.mean);
            let at =
                |mean| check::mean_log_ratio(Moments { mean, var: beta_tilde }, Moments { mean: 0.0, var: sigma }).0;
            Row { got, want: at(0.3) - at(0.0), tol: quadrature(1e-11) }
        })
        .fault(fault::HALF_LOG_AND_NO_DIMENSION, |run| isotropics(run, fault::half_log_and_no_dimension))
        .fault(fault::DIMENSION_FORGOTTEN, |run| isotropics(run, fault::dimension_forgotten))
        .fault(fault::MEAN_OVER_ENTRIES, |run| isotropics(run, fault::mean_over_entries))
        .fault(fault::NO_TWO_UNDER_THE_SQUARE, |run| isotropics(run, fault::no_two_under_the_square))
        .fault(fault::CONSTANT_LEFT_OUT, |run| isotropics(run, fault::constant_left_out))
        .fault(fault::CONSTANT_INVERTED, |run| isotropics(run, fault::constant_inverted))
}

fn standard() -> Claim {
    let method = Method::Numerical("Gauss–Hermite in every coordinate");
    let sentence = "the regulariser of an autoencoder is the relative entropy from N(0, I)";
    Claim::legacy("regulariser_is_the_relative_entropy", CHAPTER, sentence, method, |run| standards(run, to_standard))
        .row("S1.08", || {
            let (mean, var) = ([0.3, -1.2], [0.4, 2.5]);
            let term = |k: usize| {
                let p = Moments { mean: mean[k], var: var[k] };
                check::mean_log_ratio(p, Moments { mean: 0.0, var: 1.0 }).0
            };
            Row { got: to_standard(&mean, &var), want: term(0) + term(1), tol: quadrature(1e-13) }
        })
        .fault(fault::STD_FOR_VAR_AGAINST_STANDARD, |run| standards(run, fault::std_for_var_against_standard))
        .fault(fault::LOG_STD_IN_REGULARISER, |run| standards(run, fault::log_std_in_regulariser))
        .fault(fault::REGULARISER_WITHOUT_ONE, |run| standards(run, fault::regulariser_without_one))
        .fault(fault::REGULARISER_SIGN, |run| standards(run, fault::regulariser_sign))
}

fn full() -> Claim {
    let method = Method::Numerical("tensor Gauss–Hermite with LU densities, d = 1, 2, 3, 8; affine invariance");
    let sentence = "relative entropy with full covariances is the mean log ratio and does not depend on coordinates";
    Claim::legacy("full_relative_entropy_is_the_mean_log_ratio", CHAPTER, sentence, method, |run| fulls(run, kl_full))
        .row("S1.47", || {
            let (p, q, _) = pair(3, [0.3, 0.8, 0.1, 0.6]);
            let want = check::full_mean_log_ratio(&p, &q).0;
            Row { got: kl_full(&p, &q).unwrap_or(f64::NAN), want, tol: quadrature(1e-11) }
        })
        .fault(fault::DETERMINANTS_EXCHANGED, |run| fulls(run, fault::determinants_exchanged))
        .fault(fault::MINUS_D_FORGOTTEN, |run| fulls(run, fault::minus_d_forgotten))
        .fault(fault::CORRELATIONS_IGNORED, |run| fulls(run, fault::correlations_ignored))
        .fault(fault::REVERSED_FULL_KL, |run| fulls(run, fault::reversed_full_kl))
}

fn entropies() -> Claim {
    let method = Method::Numerical("trapezoidal rule on −p ln p");
    let sentence = "the entropy of a Gaussian is its mean surprise, and −E ln p = H + D(p ‖ q) ties it to the rest";
    Claim::legacy("entropy_is_the_mean_surprise", CHAPTER, sentence, method, |run| surprises(run, isotropic_entropy))
        // No row of the ledger is about entropy alone; S3.44's closed form is −H(p) − E_p ln q. Here: H of a full covariance.
        .row("S3.44", || {
            let cov = Array2::from_diag(&Array1::from(vec![0.3, 0.3]));
            let law = Gaussian::new(Array1::zeros(2).view(), cov.view()).map_or(f64::NAN, |g| g.entropy());
            let plogp = |k: i32| {
                let u = 0.25 * f64::from(k);
                let p = (-0.5 * u * u).exp() / (std::f64::consts::TAU * 0.3).sqrt();
                -p * p.ln() * 0.25 * 0.3f64.sqrt()
            };
            Row { got: law, want: 2.0 * (-44..=44).map(plogp).sum::<f64>(), tol: quadrature(1e-13) }
        })
        .fault(fault::ENTROPY_WITHOUT_E, |run| surprises(run, fault::entropy_without_e))
        .fault(fault::ENTROPY_IN_BITS, |run| surprises(run, fault::entropy_in_bits))
        .fault(fault::ENTROPY_OF_STD, |run| surprises(run, fault::entropy_of_std))
}

fn pixels() -> Claim {
    let method = Method::Numerical("Gauss–Legendre with the peak taken out; sum over the 256 bins");
    let sentence = "the discretised Gaussian decoder sums to 1 over 256 bins and its logarithm never underflows";
    Claim::legacy("pixel_likelihood_is_the_mass_of_its_bin", CHAPTER, sentence, method, |run| {
        bins(run, log_pixel_probability)
    })
    .row("B7", || Row {
        got: Pixel::all()
            .map(|k| log_pixel_probability(k, Moments { mean: 0.1, var: 1e-4 }).map_or(0.0, f64::exp))
            .sum(),
        want: 1.0,
        tol: Tol::abs(1e-13, "256 masses, rounding of the edges over σ"),
    })
    .row("B7", || Row {
        got: log_pixel_probability(Pixel(0), Moments { mean: 0.999, var: 1e-4 }).unwrap_or(f64::NAN),
        want: check::log_bin_integral(Pixel(0), Moments { mean: 0.999, var: 1e-4 }),
        tol: Tol::rel(1e-14, "rounding of z²/2"),
    })
    .row("B7", || empty_bins(0.1, 196.0))
    .row("B7", || empty_bins(0.999, 207.0))
    .fault(fault::NAIVE_CDF_DIFFERENCE, |run| bins(run, fault::naive_cdf_difference))
    .fault(fault::OUTER_BINS_FINITE, |run| bins(run, fault::outer_bins_finite))
    .fault(fault::DENSITY_TIMES_WIDTH, |run| bins(run, fault::density_times_width))
    .fault(fault::BINS_SHIFTED_BY_HALF, |run| bins(run, fault::bins_shifted_by_half))
}

/// In how many bins Φ(b) − Φ(a) underflows at σ = 0.01: it is 0 or below the smallest normal double, although none of
/// the masses has a logarithm out of range. (One bin of each list is kept by a Φ that returns subnormal numbers.)
fn empty_bins(mean: f64, listed: f64) -> Row {
    let law = Moments { mean, var: 1e-4 };
    let underflows = |k: &Pixel| fault::naive_cdf_difference(*k, law).is_ok_and(|log| log < f64::MIN_POSITIVE.ln());
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
    Row { got: kl(p, q), want: check::mean_log_ratio(p, q).0, tol: quadrature(1e-14) }
}

fn step_row(t: usize, x0: f64, xt: f64, var: fn(&Transition) -> f64) -> Row {
    let p = posterior(&ddpm(t), x0, xt);
    let q = Moments { mean: p.mean + 0.1, var: var(&ddpm(t)) };
    Row { got: kl(p, q), want: check::mean_log_ratio(p, q).0, tol: quadrature(1e-11) }
}

fn coordinates(p: &[f64], p_var: f64, q: &[f64], q_var: f64) -> f64 {
    let term = |(p, q): (&f64, &f64)| {
        check::mean_log_ratio(Moments { mean: *p, var: p_var }, Moments { mean: *q, var: q_var }).0
    };
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

fn isotropic_entropy(var: f64, dims: usize) -> f64 {
    entropy(var, dims).unwrap_or(f64::NAN)
}

fn scalars(run: &Run, f: Scalar) -> Outcome {
    run.over(|[a, b, c, d]| {
        let p = Moments { mean: uniform(a, -3.0, 3.0), var: log_uniform(b, 1e-5, 10.0) };
        // Half of the pairs are as near to each other as neighbouring terms of the bound.
        let near =
            Moments { mean: p.mean + uniform(d, -1.0, 1.0) * p.var.sqrt(), var: p.var * log_uniform(c, 0.98, 1.3) };
        let far = Moments { mean: uniform(d, -3.0, 3.0), var: log_uniform(c, 1e-3, 10.0) };
        Ok(check::kl_is_the_mean_log_ratio(f, p, near)?.and(check::kl_is_the_mean_log_ratio(f, p, far)?))
    })
}

fn isotropics(run: &Run, f: Isotropic) -> Outcome {
    let drawn = run.over(|[a, b, c, d]| {
        let (p_var, dims) = (log_uniform(a, 1e-5, 2.0), 1 + (d * 12.0) as usize);
        check::isotropic_kl_adds_up(
            f,
            p_var,
            p_var * log_uniform(b, 0.3, 3.0),
            log_uniform(c, 1e-6, 4.0) * p_var,
            dims,
        )
    })?;
    run.over_schedules(|schedule| {
        let mut all = Evidence::none();
        for t in [2, schedule.len()].into_iter().filter(|t| *t >= 2 && *t <= schedule.len()) {
            let step = schedule.step(Timestep::new(t));
            let beta_tilde = Posterior::new(&step).beta_tilde;
            all = all.and(check::isotropic_kl_adds_up(f, beta_tilde, step.beta(), 0.3 * beta_tilde, 3)?);
        }
        Ok(all)
    })
    .map(|all| drawn.and(all))
}

fn standards(run: &Run, f: fn(&[f64], &[f64]) -> f64) -> Outcome {
    run.over(|[a, b, c, d]| {
        let mean = [uniform(a, -3.0, 3.0), uniform(c, -1.0, 1.0), 0.0];
        check::standard_kl_adds_up(f, &mean, &[log_uniform(b, 1e-4, 10.0), log_uniform(d, 0.9, 1.1), 1.0 + c])
    })
}

fn fulls(run: &Run, f: Full) -> Outcome {
    let mut all = Evidence::none();
    for (k, u) in run.points::<4>().enumerate() {
        // One pair in sixteen is eight-dimensional: 6561 nodes.
        let dims = if k % 16 == 7 { 8 } else { 1 + k % 3 };
        let (p, q, map) = pair(dims, u);
        all = all.and(check::full_kl_is_the_mean_log_ratio(f, &p, &q, &map)?);
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

fn surprises(run: &Run, f: fn(f64, usize) -> f64) -> Outcome {
    run.over(|[a, b]| check::entropy_is_the_mean_surprise(f, log_uniform(a, 1e-4, 10.0), 1 + (b * 9.0) as usize))
}

fn bins(run: &Run, f: Bin) -> Outcome {
    let fixed = [(0.1, 1e-4), (0.999, 1e-4), (0.0, 1.0), (-1.0, 0.25), (1.4, 0.01), (0.3, 1e-7)];
    let drawn = run.points::<2>().take(run.cases.div_ceil(8));
    let drawn = drawn.map(|[a, b]| (uniform(a, -1.2, 1.2), log_uniform(b, 1e-6, 10.0)));
    fixed.into_iter().chain(drawn).try_fold(Evidence::none(), |all, (mean, var)| {
        Ok(all.and(check::pixels_are_integrals(f, Moments { mean, var })?))
    })
}
