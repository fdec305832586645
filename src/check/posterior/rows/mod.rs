//! The claims of the chapter `posterior`, bound to this crate.

mod reverse;

use nalgebra::DMatrix;
use ndarray::{Array1, ArrayView1};

use crate::check::{Claim, Method, Row};
use crate::check::posterior::{self as check, Point};
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::error::Result;
use crate::check::posterior::faults as fault;
use crate::posterior::{
    Collection, LogVarianceClip, Moments, Quadratic, bayes_exponent, log_bayes_ratio, log_constant, log_density,
    log_variance_clipped, posterior, quadratic,
};
use crate::schedule::{Schedule, Timestep, Transition};

const CHAPTER: &str = "posterior";

type Scalar = fn(&Transition, f64, f64) -> Moments;
type Clip = fn(&Transition, &Transition, LogVarianceClip) -> Result<f64>;
type Square = fn(&Transition, f64, f64, Collection) -> Result<Quadratic>;
type Density = fn(&Transition, &[f64], &[f64], &[f64]) -> f64;

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![bayes(), clipped(), conditioning(), square(), density()].into_iter().chain(reverse::claims()).collect()
}

fn bayes() -> Claim {
    Claim::new(|| check::bayes(posterior))
        .row("S0.52", || variance_row(2))
        .row("S1.34", || variance_row(10))
        .row("S2.18", || variance_row(500))
        .row("S3.42", || variance_row(1000))
        .row("A0.2", || {
            // A prior of variance 0 has infinite precision.
            let want = check::precision_addition(ddpm(1).beta(), Moments { mean: 0.3, var: 0.0 }, 0.9).var;
            Row { got: posterior(&ddpm(1), 0.3, 0.9).var, want, tol: Tol::exact() }
        })
        .row("S2.19", || mean_row(3, 0.7, -1.1))
        .row("S3.57", || mean_row(500, 0.0, 1.0))
}

fn clipped() -> Claim {
    let method = Method::OtherPremises("recursion on the βs, precision addition");
    let sentence = "ln β̃ is that of Bayes' rule, with −∞ at t = 1 replaced by ln β̃_2 or by the logarithm of a floor";
    Claim::legacy("clipped_log_variance_follows_its_convention", CHAPTER, sentence, method, |run| {
        clips(run, log_variance_clipped)
    })
    .row("A0.2", || {
        let clip = LogVarianceClip::CopySecond;
        let want = check::precision_addition(ddpm(2).beta(), prior(&at(2, 0.0, 0.0)), 0.0).var.ln();
        let got = log_variance_clipped(&ddpm(1), &ddpm(2), clip).unwrap_or(f64::NAN);
        Row { got, want, tol: Tol::rel(1e-14, "four roundings") }
    })
    .fault(fault::LOG_VARIANCE_UNCLIPPED, |run| clips(run, fault::log_variance_unclipped))
    .fault(fault::LOG_STD_FOR_LOG_VARIANCE, |run| clips(run, fault::log_std_for_log_variance))
    .fault(fault::LOG_BETA_FOR_LOG_BETA_TILDE, |run| clips(run, fault::log_beta_for_log_beta_tilde))
    .fault(fault::FIRST_LOG_VARIANCE_FROM_BETA, |run| clips(run, fault::first_log_variance_from_beta))
}

fn conditioning() -> Claim {
    let method = Method::OtherPremises("Schur complement of the joint Gaussian, data of any covariance");
    let sentence = "q(x_{t−1} | x_t, x₀) is the conditional of the joint: q(x₀) cancels, coordinates do not mix";
    Claim::legacy("posterior_is_the_conditional_of_the_joint", CHAPTER, sentence, method, |run| schur(run, posterior))
        .row("S0.51", || schur_row(40, 0.25, [0.4, -0.3], [0.9, 0.1], 0))
        .row("S1.50", || schur_row(7, 1.0, [-1.2, 0.3], [-0.2, 0.6], 0))
        .row("S2.17", || schur_row(64, 0.5, [0.8, 0.8], [-1.5, 0.2], 1))
        .row("S3.35", || schur_row(20, 4.0, [0.3, 0.9], [0.5, -0.6], 0))
        .row("S3.36", coordinates_row)
        .row("S3.41", || {
            let (_, cov) = check::condition(&at(30, 0.0, 0.0), &covariance(2.0), &[0.1, 0.2], &[0.3, 0.4]);
            Row { got: posterior(&ddpm(30), 0.0, 0.0).var, want: cov[(1, 1)], tol: schur_tol() }
        })
        .row("S3.46", || schur_row(100, 0.7, [0.5, -0.5], [1.5, 0.7], 1))
}

fn square() -> Claim {
    let method = Method::Enumeration("three values of the exponent, from the βs, determine its coefficients");
    let sentence =
        "every line of the completed square has the coefficients of Bayes' exponent and completes to the posterior";
    Claim::legacy("completed_square_is_the_exponent", CHAPTER, sentence, method, |run| squares(run, quadratic))
        .row("S0.43", || exponent_row(12, 0.4, -0.7, 0.2))
        .row("S1.31", || exponent_row(90, -1.3, 0.6, -0.1))
        .row("S3.39", || exponent_row(700, 0.9, 1.4, 0.8))
        .row("S0.44", || square_row(25, Collection::Collected))
        .row("S0.47", || square_row(35, Collection::CommonDenominator))
        .row("S0.48", || square_row(45, Collection::Expanded))
        .row("S0.49", || square_row(55, Collection::Merged))
        .row("S0.50", || linear_row(65, Collection::Factored))
        .row("S0.45", || constant_row(75, 1.0, 0.7))
        .row("S1.32", || {
            let point = at(85, 0.6, -0.4);
            let got = quadratic(&ddpm(85), 0.6, -0.4, Collection::Factored).map_or(f64::NAN, |q| q.completed().mean);
            let (square, linear, _) = check::interpolate(&point);
            Row { got, want: linear / square, tol: Tol::rel(1e-11, "interpolation: 200 roundings at 1/β = 500") }
        })
        .fault(fault::PRIOR_PRECISION_AT_T, |run| squares(run, fault::prior_precision_at_t))
        .fault(fault::LINEAR_TERM_DOUBLED, |run| squares(run, fault::linear_term_doubled))
        .fault(fault::PRODUCT_DROPPED_IN_NUMERATOR, |run| squares(run, fault::product_dropped_in_numerator))
        .fault(fault::CONSTANT_WITHOUT_EVIDENCE, |run| squares(run, fault::constant_without_evidence))
        .fault(fault::CONSTANT_FREE_OF_XT, |run| squares(run, fault::constant_free_of_xt))
}

fn density() -> Claim {
    let method = Method::Numerical("joint over given by the recursion, trapezoidal quadrature");
    let sentence = "Bayes' ratio and N(x; μ̃, β̃) are the same density: equal at every point, of mass 1";
    let run = |run: &Run| {
        let first = densities(run, wrapped_log_density)?;
        Ok(first.and(densities(run, wrapped_log_bayes_ratio)?))
    };
    Claim::legacy("posterior_density_is_bayes_ratio", CHAPTER, sentence, method, run)
        .row("S0.30", || density_row(15, 1.1, wrapped_log_bayes_ratio))
        .row("S0.41", || density_row(150, -0.4, wrapped_log_bayes_ratio))
        .row("S1.30", || density_row(400, 2.0, wrapped_log_bayes_ratio))
        .row("S3.37", || density_row(900, -1.7, wrapped_log_bayes_ratio))
        .row("S3.40", || density_row(60, 0.3, wrapped_log_density))
        .row("S1.33", || mass_row(33))
        .row("S3.38", || {
            let std = check::precision_addition(ddpm(50).beta(), prior(&at(50, 0.0, 0.0)), 0.0).var.sqrt();
            // ∫ exp(−u²/2) du by the trapezoidal rule, times the width of the posterior.
            let mass: f64 = (-40..=40).map(|k| 0.25 * (-0.5 * (0.25 * f64::from(k)).powi(2)).exp()).sum();
            let got = log_constant(&ddpm(50), 3).unwrap_or(f64::NAN);
            Row {
                got,
                want: -3.0 * (std * mass).ln(),
                tol: Tol::rel(1e-13, "100 roundings in the recursion, in a logarithm"),
            }
        })
        .fault(fault::ONE_DIMENSION_OF_CONSTANTS, |run| densities(run, fault::one_dimension_of_constants))
        .fault(fault::STD_IN_LOG_NORMALISER, |run| densities(run, fault::std_in_log_normaliser))
        .fault(fault::EVIDENCE_MULTIPLIED, |run| densities(run, fault::evidence_multiplied))
}

fn ddpm(t: usize) -> Transition {
    Schedule::ddpm().step(Timestep::new(t))
}

fn at(t: usize, x0: f64, xt: f64) -> Point {
    Point::new(&Schedule::ddpm(), Timestep::new(t), x0, xt)
}

fn prior(point: &Point) -> Moments {
    let (_, _, v) = point.parts();
    Moments { mean: 0.0, var: v }
}

/// A covariance with correlation ½.
fn covariance(scale: f64) -> DMatrix<f64> {
    DMatrix::from_row_slice(2, 2, &[scale, 0.5 * scale, 0.5 * scale, 1.0 * scale])
}

fn variance_row(t: usize) -> Row {
    let point = at(t, 0.0, 0.0);
    let want = check::precision_addition(point.parts().0, prior(&point), 0.0).var;
    Row { got: posterior(&ddpm(t), 0.0, 0.0).var, want, tol: Tol::rel(1e-12, "2t roundings in the recursion") }
}

fn mean_row(t: usize, x0: f64, xt: f64) -> Row {
    let point = at(t, x0, xt);
    let (beta, m, v) = point.parts();
    let want = check::precision_addition(beta, Moments { mean: m * x0, var: v }, xt).mean;
    Row { got: posterior(&ddpm(t), x0, xt).mean, want, tol: Tol::abs(1e-12, "2t roundings in the recursion") }
}

const fn schur_tol() -> Tol {
    Tol::new(1e-11, 1e-11, "an LU solve of a covariance of condition 1e3, with t roundings")
}

fn schur_row(t: usize, scale: f64, x0: [f64; 2], xt: [f64; 2], coordinate: usize) -> Row {
    let (mean, _) = check::condition(&at(t, 0.0, 0.0), &covariance(scale), &x0, &xt);
    let got = posterior(&ddpm(t), x0[coordinate], xt[coordinate]).mean;
    Row { got, want: mean[coordinate], tol: schur_tol() }
}

fn coordinates_row() -> Row {
    let (x0, xt) = ([0.7, -0.2], [0.1, 1.3]);
    let mean = crate::posterior::Posterior::new(&ddpm(25)).mean(&ArrayView1::from(&x0), &ArrayView1::from(&xt));
    let (want, _) = check::condition(&at(25, 0.0, 0.0), &covariance(1.5), &x0, &xt);
    Row { got: mean.map_or(f64::NAN, |m: Array1<f64>| m[1]), want: want[1], tol: schur_tol() }
}

fn exponent_row(t: usize, x0: f64, xt: f64, xs: f64) -> Row {
    let got = bayes_exponent(&ddpm(t), x0, xt, xs).unwrap_or(f64::NAN);
    Row {
        got,
        want: check::exponent(&at(t, x0, xt), xs),
        tol: Tol::rel(1e-11, "2t roundings, squares that cancel in part"),
    }
}

fn square_row(t: usize, line: Collection) -> Row {
    let got = quadratic(&ddpm(t), 0.3, -0.8, line).map_or(f64::NAN, |q| q.square);
    let (want, _, _) = check::interpolate(&at(t, 0.3, -0.8));
    Row { got, want, tol: Tol::rel(1e-12, "2t roundings and an interpolation") }
}

fn linear_row(t: usize, line: Collection) -> Row {
    let got = quadratic(&ddpm(t), 0.3, -0.8, line).map_or(f64::NAN, |q| q.linear);
    let (_, want, _) = check::interpolate(&at(t, 0.3, -0.8));
    Row { got, want, tol: Tol::rel(1e-12, "2t roundings and an interpolation") }
}

fn constant_row(t: usize, x0: f64, xt: f64) -> Row {
    let got = quadratic(&ddpm(t), x0, xt, Collection::Collected).map_or(f64::NAN, |q| q.constant);
    let (_, _, want) = check::interpolate(&at(t, x0, xt));
    Row { got, want, tol: Tol::rel(1e-11, "2t roundings, squares that cancel in part") }
}

fn density_row(t: usize, offset: f64, f: Density) -> Row {
    let point = Point::typical(&Schedule::ddpm(), Timestep::new(t), 0.6, -0.9);
    let mean = posterior(&ddpm(t), 0.6, point.xt());
    let xs = mean.mean + offset * mean.var.sqrt();
    let got = f(&ddpm(t), &[0.6], &[point.xt()], &[xs]);
    Row {
        got,
        want: check::log_ratio(&point, xs),
        tol: Tol::abs(1e-10, "2t roundings of x over the width of the kernel"),
    }
}

fn mass_row(t: usize) -> Row {
    let point = at(t, 0.6, -0.2);
    let law = posterior(&ddpm(t), 0.6, -0.2);
    let (step, std) = (0.25, law.var.sqrt());
    let mass = |k: i32| {
        step * std
            * wrapped_log_bayes_ratio(&ddpm(t), &[0.6], &[point.xt()], &[law.mean + step * f64::from(k) * std]).exp()
    };
    Row {
        got: (-40..=40).map(mass).sum(),
        want: 1.0,
        tol: Tol::abs(1e-11, "trapezoidal rule, rounding of x over the width"),
    }
}

fn wrapped_log_density(step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64]) -> f64 {
    log_density(step, &ArrayView1::from(x0), &ArrayView1::from(xt), &ArrayView1::from(xs)).unwrap_or(f64::NAN)
}

fn wrapped_log_bayes_ratio(step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64]) -> f64 {
    log_bayes_ratio(step, &ArrayView1::from(x0), &ArrayView1::from(xt), &ArrayView1::from(xs)).unwrap_or(f64::NAN)
}

/// The first, second, a middle and the last time of every schedule.
fn at_some_times(run: &Run, mut claim: impl FnMut(&Schedule, Timestep, [f64; 4]) -> Outcome) -> Outcome {
    let mut points = run.points::<4>().collect::<Vec<_>>().into_iter().cycle();
    run.over_schedules(|schedule| {
        let mut times = vec![1, 2, schedule.len().div_ceil(2), schedule.len()];
        times.retain(|t| *t <= schedule.len());
        times.dedup();
        let mut all = Evidence::none();
        for t in times {
            let u = points.next().expect("a run has at least one point, and they cycle");
            all = all.and(claim(schedule, Timestep::new(t), u)?);
        }
        Ok(all)
    })
}

fn clips(run: &Run, f: Clip) -> Outcome {
    run.over_schedules(|schedule| {
        let mut all = Evidence::none();
        for t in (1..=schedule.len()).step_by(1 + schedule.len() / 16).filter(|_| schedule.len() >= 2) {
            for clip in [LogVarianceClip::CopySecond, LogVarianceClip::Floor(1e-20)] {
                all = all.and(check::log_variance_is_clipped(f, schedule, Timestep::new(t), clip)?);
            }
        }
        Ok(all)
    })
}

fn schur(run: &Run, f: Scalar) -> Outcome {
    at_some_times(run, |schedule, t, [a, b, c, d]| {
        let scale = log_uniform(a, 0.1, 4.0);
        let (x0, xt) =
            ([uniform(b, -2.0, 2.0), uniform(c, -2.0, 2.0)], [uniform(d, -2.0, 2.0), uniform(b, -2.0, 2.0)]);
        check::equals_conditioning(f, &Point::new(schedule, t, 0.0, 0.0), &covariance(scale), &x0, &xt)
    })
}

fn squares(run: &Run, f: Square) -> Outcome {
    at_some_times(run, |schedule, t, [a, b, ..]| {
        let at = Point::new(schedule, t, uniform(a, -2.0, 2.0), uniform(b, -2.0, 2.0));
        let lines = Collection::ALL.iter();
        lines
            .map(|line| check::quadratic_interpolates(f, &at, *line))
            .try_fold(Evidence::none(), |all, e| Ok(all.and(e?)))
    })
}

fn densities(run: &Run, f: Density) -> Outcome {
    after_the_first(run, |schedule, t, [a, b, c, d]| {
        let at = Point::typical(schedule, t, uniform(a, -1.5, 1.5), uniform(b, -3.0, 3.0));
        let offsets = [uniform(c, -4.0, 4.0), uniform(d, -4.0, 4.0), uniform(c * d, -3.0, 3.0)];
        check::density_is_the_joint_over_the_given(f, &at, &offsets)
    })
}

/// [`at_some_times`] without t = 1, where the posterior is a point.
fn after_the_first(run: &Run, mut claim: impl FnMut(&Schedule, Timestep, [f64; 4]) -> Outcome) -> Outcome {
    at_some_times(run, |schedule, t, u| if t.get() == 1 { Ok(Evidence::none()) } else { claim(schedule, t, u) })
}
