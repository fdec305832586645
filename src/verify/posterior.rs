//! The claims of the chapter `posterior`, bound to this crate.

use nalgebra::DMatrix;
use ndarray::{Array1, ArrayView1};

use super::{Claim, Method, Row};
use crate::check::posterior::{self as check, Point};
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::error::Result;
use crate::fault::posterior as fault;
use crate::posterior::{
    Collection, Component, Moments, Quadratic, bayes_exponent, conditional_information, joint_covariance,
    log_bayes_ratio, log_constant, log_density, posterior, quadratic, true_reverse, true_reverse_mixture,
};
use crate::schedule::{Betas, Schedule, Timestep, Transition};

const CHAPTER: &str = "posterior";

type Scalar = fn(&Transition, f64, f64) -> Moments;
type Square = fn(&Transition, f64, f64, Collection) -> Result<Quadratic>;
type Density = fn(&Transition, &[f64], &[f64], &[f64]) -> f64;
type Mixture = fn(&Transition, &[Component], f64) -> Vec<Component>;

pub(super) fn claims() -> Vec<Claim> {
    vec![bayes(), conditioning(), square(), density(), markov(), reverse(), mixture(), composition(), information()]
}

fn bayes() -> Claim {
    let method = Method::OtherPremises("recursion on the βs, precision addition");
    let sentence = "q(x_{t−1} | x_t, x₀) has the mean and variance that Bayes' rule gives";
    Claim::new("posterior_equals_bayes", CHAPTER, sentence, method, |run| over_bayes(run, posterior))
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
        .fault(fault::BETA_FOR_BETA_TILDE, |run| over_bayes(run, fault::beta_for_beta_tilde))
        .fault(fault::SWAPPED_MEAN_FACTORS, |run| over_bayes(run, fault::swapped_mean_factors))
        .fault(fault::ROOT_ALPHA_BAR_ON_XT, |run| over_bayes(run, fault::root_alpha_bar_on_xt))
        .fault(fault::ALPHA_BAR_T_FOR_S_ON_X0, |run| over_bayes(run, fault::alpha_bar_t_for_s_on_x0))
        .fault(fault::NO_ROOT_ON_ALPHA_BAR_S, |run| over_bayes(run, fault::no_root_on_alpha_bar_s))
        .fault(fault::NO_ROOT_ON_ALPHA, |run| over_bayes(run, fault::no_root_on_alpha))
        .fault(fault::DENOMINATOR_OF_S, |run| over_bayes(run, fault::denominator_of_s))
        .fault(fault::MINUS_X0, |run| over_bayes(run, fault::minus_x0))
        .fault(fault::POSTERIOR_STD_FOR_VAR, |run| over_bayes(run, fault::posterior_std_for_var))
        .fault(fault::SINGLE_PRECISION_POSTERIOR, |run| over_bayes(run, fault::single_precision_posterior))
}

fn conditioning() -> Claim {
    let method = Method::OtherPremises("Schur complement of the joint Gaussian, data of any covariance");
    let sentence = "q(x_{t−1} | x_t, x₀) is the conditional of the joint: q(x₀) cancels, coordinates do not mix";
    Claim::new("posterior_is_the_conditional_of_the_joint", CHAPTER, sentence, method, |run| schur(run, posterior))
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
        .fault(fault::ROOT_ALPHA_BAR_ON_XT, |run| schur(run, fault::root_alpha_bar_on_xt))
        .fault(fault::SWAPPED_MEAN_FACTORS, |run| schur(run, fault::swapped_mean_factors))
        .fault(fault::DENOMINATOR_OF_S, |run| schur(run, fault::denominator_of_s))
        .fault(fault::BETA_FOR_BETA_TILDE, |run| schur(run, fault::beta_for_beta_tilde))
}

fn square() -> Claim {
    let method = Method::Enumeration("three values of the exponent, from the βs, determine its coefficients");
    let sentence =
        "every line of the completed square has the coefficients of Bayes' exponent and completes to the posterior";
    Claim::new("completed_square_is_the_exponent", CHAPTER, sentence, method, |run| squares(run, quadratic))
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
    Claim::new("posterior_density_is_bayes_ratio", CHAPTER, sentence, method, run)
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

fn markov() -> Claim {
    let method = Method::Enumeration("recursion on the βs, partial covariance");
    let sentence = "x_t and x₀ are uncorrelated given x_{t−1}: the forward chain is Markov";
    Claim::new("forward_chain_is_markov", CHAPTER, sentence, method, |run| markovs(run, joint_covariance))
        .row("S0.42", || {
            let c = joint_covariance(&ddpm(321), 0.6);
            let got = c[0][1] * c[1][2] / c[1][1];
            let (factor, _) = at(321, 0.0, 0.0).forward(321);
            Row { got, want: 0.6 * factor, tol: Tol::rel(2e-13, "2t roundings in the recursion") }
        })
        .fault(fault::DETERMINISTIC_JOINT, |run| markovs(run, fault::deterministic_joint))
        .fault(fault::HALF_DETERMINISTIC_JOINT, |run| markovs(run, fault::half_deterministic_joint))
        .fault(fault::NO_ROOT_IN_COVARIANCE, |run| markovs(run, fault::no_root_in_covariance))
}

fn reverse() -> Claim {
    let method = Method::OtherPremises("Bayes' rule with the marginal of x_{t−1} as prior");
    let sentence = "for Gaussian data q(x_{t−1} | x_t) is the posterior averaged over x₀ given x_t";
    Claim::new("true_reverse_equals_bayes", CHAPTER, sentence, method, |run| reverses(run, true_reverse))
        .row("S2.14", || {
            let data = Moments { mean: 0.4, var: 0.49 };
            let point = at(222, 0.0, 0.8);
            let (beta, m, v) = point.parts();
            let prior = Moments { mean: m * data.mean, var: m * m * data.var + v };
            let want = check::precision_addition(beta, prior, 0.8).mean;
            Row { got: true_reverse(&ddpm(222), data, 0.8).mean, want, tol: Tol::rel(2e-13, "2t roundings") }
        })
        .fault(fault::REVERSE_VARIANCE_BETA_TILDE, |run| reverses(run, fault::reverse_variance_beta_tilde))
        .fault(fault::REVERSE_VARIANCE_BETA, |run| reverses(run, fault::reverse_variance_beta))
        .fault(fault::REVERSE_WITHOUT_PRIOR, |run| reverses(run, fault::reverse_without_prior))
}

fn mixture() -> Claim {
    let method = Method::Numerical("Bayes' rule normalised by trapezoidal quadrature");
    let sentence =
        "for a mixture q(x_{t−1} | x_t) is the mixture of the components' reverse kernels, reweighted by x_t";
    Claim::new("mixture_reverse_equals_bayes", CHAPTER, sentence, method, |run| mixtures(run, true_reverse_mixture))
        .row("S1.29", || {
            // E[x_{t−1} | x_t] as a ratio of two integrals over x_{t−1}.
            let point = at(100, 0.0, 0.3);
            let (beta, m, v) = point.parts();
            let (mut mass, mut first) = (0.0, 0.0);
            for k in -600..=600 {
                let x = 0.3 + f64::from(k) * 0.003;
                let prior: f64 =
                    gmm().iter().map(|c| c.weight * normal(x, m * c.moments.mean, m * m * c.moments.var + v)).sum();
                let joint = prior * normal(0.3, (1.0 - beta).sqrt() * x, beta);
                mass += joint;
                first += joint * x;
            }
            let got = true_reverse_mixture(&ddpm(100), &gmm(), 0.3);
            let got = got.iter().map(|c| c.weight * c.moments.mean).sum();
            Row { got, want: first / mass, tol: Tol::rel(1e-12, "2t roundings, 1200 positive terms") }
        })
        .fault(fault::MIXTURE_WEIGHTS_KEPT, |run| mixtures(run, fault::mixture_weights_kept))
        .fault(fault::MIXTURE_WEIGHTS_OF_S, |run| mixtures(run, fault::mixture_weights_of_s))
        .fault(fault::MIXTURE_AS_ONE_GAUSSIAN, |run| mixtures(run, fault::mixture_as_one_gaussian))
}

fn composition() -> Claim {
    let method = Method::Numerical("composition of the kernels on a grid, against marginals by recursion");
    let sentence = "the reverse kernels carry q(x_T) back to the data, an integral a step";
    Claim::new("reverse_kernels_compose_to_the_data", CHAPTER, sentence, method, |_| composed(true_reverse_mixture))
        .row("S2.15", || composition_row(3, 0.2))
        .row("S2.16", || composition_row(1, -1.4))
        .fault(fault::MIXTURE_WEIGHTS_KEPT, |_| composed(fault::mixture_weights_kept))
        .fault(fault::MIXTURE_WEIGHTS_OF_S, |_| composed(fault::mixture_weights_of_s))
        .fault(fault::MIXTURE_AS_ONE_GAUSSIAN, |_| composed(fault::mixture_as_one_gaussian))
}

fn information() -> Claim {
    let method = Method::Numerical("Gauss–Hermite over x₀ given x_t and over x_{t−1}");
    let sentence = "training against the posterior costs I(x_{t−1}; x₀ | x_t) more than against the true reverse, whatever the model";
    Claim::new("posterior_loss_exceeds_reverse_loss_by_information", CHAPTER, sentence, method, |run| {
        informations(run, conditional_information)
    })
    .row("B28", || {
        let (data, model) = (Moments { mean: 0.4, var: 0.49 }, Moments { mean: 0.1, var: 0.2 });
        let point = Point::new(&toy(), Timestep::new(3), 0.0, 0.7);
        let (known, unknown, _) = check::divergences(&point, data, model);
        let got = unknown + conditional_information(&toy().step(Timestep::new(3)), data.var);
        Row { got, want: known, tol: Tol::abs(4e-15, "some ten roundings of numbers of order 1") }
    })
    .fault(fault::INFORMATION_LEFT_OUT, |run| informations(run, fault::information_left_out))
    .fault(fault::INFORMATION_WITHOUT_HALF, |run| informations(run, fault::information_without_half))
    .fault(fault::INFORMATION_OF_BETA, |run| informations(run, fault::information_of_beta))
}

fn ddpm(t: usize) -> Transition {
    Schedule::ddpm().step(Timestep::new(t))
}

fn at(t: usize, x0: f64, xt: f64) -> Point {
    Point::new(&Schedule::ddpm(), Timestep::new(t), x0, xt)
}

fn toy() -> Schedule {
    Schedule::new(Betas::new(vec![0.1, 0.3, 0.5]).expect("inside (0, 1)"))
}

/// 0.3 N(−1.5, 0.3²) + 0.7 N(1, 0.5²).
fn gmm() -> [Component; 2] {
    let part = |weight, mean, std: f64| Component { weight, moments: Moments { mean, var: std * std } };
    [part(0.3, -1.5, 0.3), part(0.7, 1.0, 0.5)]
}

fn normal(x: f64, mean: f64, var: f64) -> f64 {
    (-0.5 * (x - mean).powi(2) / var).exp() / (std::f64::consts::TAU * var).sqrt()
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

fn composition_row(t: usize, xs: f64) -> Row {
    let point = Point::new(&toy(), Timestep::new(t), 0.0, 0.0);
    let (_, m, v) = point.parts();
    let (factor, var) = point.forward(t);
    let step = 0.02;
    let marginal = |x: f64, m: f64, v: f64| -> f64 {
        gmm().iter().map(|c| c.weight * normal(x, m * c.moments.mean, m * m * c.moments.var + v)).sum()
    };
    let kernel = |xt: f64| -> f64 {
        let parts = true_reverse_mixture(&toy().step(Timestep::new(t)), &gmm(), xt);
        parts.iter().map(|c| c.weight * normal(xs, c.moments.mean, c.moments.var)).sum()
    };
    let got = (-400..=400).map(|k| step * f64::from(k)).map(|xt| step * kernel(xt) * marginal(xt, factor, var)).sum();
    Row { got, want: marginal(xs, m, v), tol: Tol::abs(1e-13, "800 positive terms of order 1") }
}

fn wrapped_log_density(step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64]) -> f64 {
    log_density(step, &ArrayView1::from(x0), &ArrayView1::from(xt), &ArrayView1::from(xs)).unwrap_or(f64::NAN)
}

fn wrapped_log_bayes_ratio(step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64]) -> f64 {
    log_bayes_ratio(step, &ArrayView1::from(x0), &ArrayView1::from(xt), &ArrayView1::from(xs)).unwrap_or(f64::NAN)
}

fn over_bayes(run: &Run, f: Scalar) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().collect();
    run.over_schedules(|schedule| {
        let mut all = Evidence::none();
        for (t, [u, v]) in schedule.timesteps().zip(points.iter().cycle()) {
            let at = Point::new(schedule, t, uniform(*u, -3.0, 3.0), uniform(*v, -3.0, 3.0));
            all = all.and(check::equals_bayes(f, &at)?);
        }
        Ok(all)
    })
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

fn markovs(run: &Run, f: fn(&Transition, f64) -> [[f64; 3]; 3]) -> Outcome {
    at_some_times(run, |schedule, t, [a, ..]| {
        check::is_markov(f, &Point::new(schedule, t, 0.0, 0.0), log_uniform(a, 0.05, 5.0))
    })
}

fn reverses(run: &Run, f: fn(&Transition, Moments, f64) -> Moments) -> Outcome {
    at_some_times(run, |schedule, t, [a, b, c, _]| {
        let data = Moments { mean: uniform(a, -2.0, 2.0), var: log_uniform(b, 0.05, 5.0) };
        check::reverse_equals_bayes(f, &Point::new(schedule, t, 0.0, uniform(c, -3.0, 3.0)), data)
    })
}

fn mixtures(run: &Run, f: Mixture) -> Outcome {
    at_some_times(run, |schedule, t, [a, b, ..]| {
        let at = Point::typical(schedule, t, uniform(a, -2.0, 2.0), uniform(b, -2.0, 2.0));
        check::mixture_reverses(f, &at, &gmm())
    })
}

fn composed(f: Mixture) -> Outcome {
    check::reverse_composes(f, &toy(), &gmm(), 7.0, 350)
}

fn informations(run: &Run, f: fn(&Transition, f64) -> f64) -> Outcome {
    after_the_first(run, |schedule, t, [a, b, c, d]| {
        let data = Moments { mean: uniform(a, -2.0, 2.0), var: log_uniform(b, 0.05, 5.0) };
        let at = Point::typical(schedule, t, uniform(c, -2.0, 2.0), uniform(d, -2.0, 2.0));
        let near = posterior(at.transition(), data.mean, at.xt());
        let model = Moments {
            mean: near.mean + uniform(d, -1.0, 1.0) * near.var.sqrt(),
            var: near.var * log_uniform(a, 0.5, 2.0),
        };
        check::information_is_the_difference(f, &at, data, model)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::{LogVarianceClip, log_variance_clipped};

    #[test]
    fn posterior_claims_hold_and_reject_their_faults() {
        for seed in 0..4 {
            let run = Run { seed, ..Run::default() };
            for claim in claims() {
                claim.run(&run).unwrap_or_else(|mismatch| panic!("{}: {mismatch}", claim.name));
                for (fault, outcome) in claim.faults(&run) {
                    assert!(outcome.is_err(), "{} accepted {}: {outcome:?}", claim.name, fault.name);
                }
            }
        }
    }

    #[test]
    fn posterior_rows_and_errata_have_their_numbers() {
        for claim in claims() {
            for (id, row) in claim.rows() {
                assert!(row.tol.accepts(row.got, row.want), "{id}: {row:?}");
            }
        }
        for erratum in fault::ERRATA {
            for numbers in erratum.numbers {
                let tol = Tol::printed(numbers.decimals);
                let (printed, correct) = ((numbers.printed)(), (numbers.correct)());
                assert!(tol.accepts(printed, numbers.listed.0), "{} printed: {printed}", erratum.id);
                assert!(tol.accepts(correct, numbers.listed.1), "{} correct: {correct}", erratum.id);
            }
        }
    }

    #[test]
    fn the_first_log_variance_is_replaced_by_either_convention() {
        let (first, second) = (ddpm(1), ddpm(2));
        let copied = log_variance_clipped(&first, &second, LogVarianceClip::CopySecond).unwrap();
        assert!((copied - posterior(&second, 0.0, 0.0).var.ln()).abs() < 1e-14);
        let floored = log_variance_clipped(&first, &second, LogVarianceClip::Floor(1e-20)).unwrap();
        assert!((floored - 1e-20f64.ln()).abs() < 1e-14);
        assert!(log_variance_clipped(&first, &second, LogVarianceClip::Floor(0.0)).is_err());
    }
}
