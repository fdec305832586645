//! What the claims on the posterior cover of the ledger, with numbers.

use ndarray::{Array1, ArrayView1};

use super::reverse::{divergences, gmm, toy};
use super::{Point, condition, covariance, exponent, interpolate, log_ratio, precision_addition};
use crate::check::{self, Claim, Row, Tol};
use crate::posterior::{
    Collection, LogVarianceClip, Moments, Posterior, bayes_exponent, conditional_information, joint_covariance,
    log_bayes_ratio, log_constant, log_density, log_variance_clipped, posterior, quadratic, true_reverse,
    true_reverse_mixture,
};
use crate::schedule::{Schedule, Timestep, Transition};

type Density = fn(&Transition, &[f64], &[f64], &[f64]) -> f64;

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        bayes(),
        clipped(),
        conditioning(),
        square(),
        density(),
        markov(),
        reverse(),
        mixture(),
        composition(),
        information(),
    ]
}

fn bayes() -> Claim {
    Claim::new(|| check::posterior::bayes(posterior))
        .row("S0.52", || variance_row(2))
        .row("S1.34", || variance_row(10))
        .row("S2.18", || variance_row(500))
        .row("S3.42", || variance_row(1000))
        .row("A0.2", || {
            // A prior of variance 0 has infinite precision.
            let want = precision_addition(ddpm(1).beta(), Moments { mean: 0.3, var: 0.0 }, 0.9).var;
            Row { got: posterior(&ddpm(1), 0.3, 0.9).var, want, tol: Tol::exact() }
        })
        .row("S2.19", || mean_row(3, 0.7, -1.1))
        .row("S3.57", || mean_row(500, 0.0, 1.0))
}

fn clipped() -> Claim {
    Claim::new(|| check::posterior::log_variance(log_variance_clipped)).row("A0.2", || {
        let clip = LogVarianceClip::CopySecond;
        let want = precision_addition(ddpm(2).beta(), prior(&at(2, 0.0, 0.0)), 0.0).var.ln();
        let got = log_variance_clipped(&ddpm(1), &ddpm(2), clip).unwrap_or(f64::NAN);
        Row { got, want, tol: Tol::rel(1e-14, "four roundings") }
    })
}

fn conditioning() -> Claim {
    Claim::new(|| check::posterior::conditional_of_the_joint(posterior))
        .row("S0.51", || schur_row(40, 0.25, [0.4, -0.3], [0.9, 0.1], 0))
        .row("S1.50", || schur_row(7, 1.0, [-1.2, 0.3], [-0.2, 0.6], 0))
        .row("S2.17", || schur_row(64, 0.5, [0.8, 0.8], [-1.5, 0.2], 1))
        .row("S3.35", || schur_row(20, 4.0, [0.3, 0.9], [0.5, -0.6], 0))
        .row("S3.36", coordinates_row)
        .row("S3.41", || {
            let (_, cov) = condition(&at(30, 0.0, 0.0), &covariance(2.0), &[0.1, 0.2], &[0.3, 0.4]);
            Row { got: posterior(&ddpm(30), 0.0, 0.0).var, want: cov[(1, 1)], tol: schur_tol() }
        })
        .row("S3.46", || schur_row(100, 0.7, [0.5, -0.5], [1.5, 0.7], 1))
}

fn square() -> Claim {
    Claim::new(|| check::posterior::completed_square(quadratic))
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
            let (square, linear, _) = interpolate(&point);
            Row { got, want: linear / square, tol: Tol::rel(1e-11, "interpolation: 200 roundings at 1/β = 500") }
        })
}

fn density() -> Claim {
    Claim::new(|| check::posterior::density(wrapped_log_density, wrapped_log_bayes_ratio))
        .row("S0.30", || density_row(15, 1.1, wrapped_log_bayes_ratio))
        .row("S0.41", || density_row(150, -0.4, wrapped_log_bayes_ratio))
        .row("S1.30", || density_row(400, 2.0, wrapped_log_bayes_ratio))
        .row("S3.37", || density_row(900, -1.7, wrapped_log_bayes_ratio))
        .row("S3.40", || density_row(60, 0.3, wrapped_log_density))
        .row("S1.33", || mass_row(33))
        .row("S3.38", || {
            let std = precision_addition(ddpm(50).beta(), prior(&at(50, 0.0, 0.0)), 0.0).var.sqrt();
            // ∫ exp(−u²/2) du by the trapezoidal rule, times the width of the posterior.
            let mass: f64 = (-40..=40).map(|k| 0.25 * (-0.5 * (0.25 * f64::from(k)).powi(2)).exp()).sum();
            let got = log_constant(&ddpm(50), 3).unwrap_or(f64::NAN);
            Row {
                got,
                want: -3.0 * (std * mass).ln(),
                tol: Tol::rel(1e-13, "100 roundings in the recursion, in a logarithm"),
            }
        })
}

fn markov() -> Claim {
    Claim::new(|| check::posterior::markov(joint_covariance)).row("S0.42", || {
        let c = joint_covariance(&ddpm(321), 0.6);
        let got = c[0][1] * c[1][2] / c[1][1];
        let (factor, _) = at(321, 0.0, 0.0).forward(321);
        Row { got, want: 0.6 * factor, tol: Tol::rel(2e-13, "2t roundings in the recursion") }
    })
}

fn reverse() -> Claim {
    Claim::new(|| check::posterior::true_reverse(true_reverse)).row("S2.14", || {
        let data = Moments { mean: 0.4, var: 0.49 };
        let point = at(222, 0.0, 0.8);
        let (beta, m, v) = point.parts();
        let prior = Moments { mean: m * data.mean, var: m * m * data.var + v };
        let want = precision_addition(beta, prior, 0.8).mean;
        Row { got: true_reverse(&ddpm(222), data, 0.8).mean, want, tol: Tol::rel(2e-13, "2t roundings") }
    })
}

fn mixture() -> Claim {
    Claim::new(|| check::posterior::mixture_reverse(true_reverse_mixture)).row("S1.29", || {
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
}

fn composition() -> Claim {
    Claim::new(|| check::posterior::composition(true_reverse_mixture))
        .row("S2.15", || composition_row(3, 0.2))
        .row("S2.16", || composition_row(1, -1.4))
}

fn information() -> Claim {
    Claim::new(|| check::posterior::information(conditional_information)).row("B28", || {
        let (data, model) = (Moments { mean: 0.4, var: 0.49 }, Moments { mean: 0.1, var: 0.2 });
        let point = Point::new(&toy(), Timestep::new(3), 0.0, 0.7);
        let (known, unknown, _) = divergences(&point, data, model);
        let got = unknown + conditional_information(&toy().step(Timestep::new(3)), data.var);
        Row { got, want: known, tol: Tol::abs(4e-15, "some ten roundings of numbers of order 1") }
    })
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

fn variance_row(t: usize) -> Row {
    let point = at(t, 0.0, 0.0);
    let want = precision_addition(point.parts().0, prior(&point), 0.0).var;
    Row { got: posterior(&ddpm(t), 0.0, 0.0).var, want, tol: Tol::rel(1e-12, "2t roundings in the recursion") }
}

fn mean_row(t: usize, x0: f64, xt: f64) -> Row {
    let point = at(t, x0, xt);
    let (beta, m, v) = point.parts();
    let want = precision_addition(beta, Moments { mean: m * x0, var: v }, xt).mean;
    Row { got: posterior(&ddpm(t), x0, xt).mean, want, tol: Tol::abs(1e-12, "2t roundings in the recursion") }
}

const fn schur_tol() -> Tol {
    Tol::new(1e-11, 1e-11, "an LU solve of a covariance of condition 1e3, with t roundings")
}

fn schur_row(t: usize, scale: f64, x0: [f64; 2], xt: [f64; 2], coordinate: usize) -> Row {
    let (mean, _) = condition(&at(t, 0.0, 0.0), &covariance(scale), &x0, &xt);
    let got = posterior(&ddpm(t), x0[coordinate], xt[coordinate]).mean;
    Row { got, want: mean[coordinate], tol: schur_tol() }
}

fn coordinates_row() -> Row {
    let (x0, xt) = ([0.7, -0.2], [0.1, 1.3]);
    let mean = Posterior::new(&ddpm(25)).mean(&ArrayView1::from(&x0), &ArrayView1::from(&xt));
    let (want, _) = condition(&at(25, 0.0, 0.0), &covariance(1.5), &x0, &xt);
    Row { got: mean.map_or(f64::NAN, |m: Array1<f64>| m[1]), want: want[1], tol: schur_tol() }
}

fn exponent_row(t: usize, x0: f64, xt: f64, xs: f64) -> Row {
    let got = bayes_exponent(&ddpm(t), x0, xt, xs).unwrap_or(f64::NAN);
    Row { got, want: exponent(&at(t, x0, xt), xs), tol: Tol::rel(1e-11, "2t roundings, squares that cancel in part") }
}

fn square_row(t: usize, line: Collection) -> Row {
    let got = quadratic(&ddpm(t), 0.3, -0.8, line).map_or(f64::NAN, |q| q.square);
    let (want, _, _) = interpolate(&at(t, 0.3, -0.8));
    Row { got, want, tol: Tol::rel(1e-12, "2t roundings and an interpolation") }
}

fn linear_row(t: usize, line: Collection) -> Row {
    let got = quadratic(&ddpm(t), 0.3, -0.8, line).map_or(f64::NAN, |q| q.linear);
    let (_, want, _) = interpolate(&at(t, 0.3, -0.8));
    Row { got, want, tol: Tol::rel(1e-12, "2t roundings and an interpolation") }
}

fn constant_row(t: usize, x0: f64, xt: f64) -> Row {
    let got = quadratic(&ddpm(t), x0, xt, Collection::Collected).map_or(f64::NAN, |q| q.constant);
    let (_, _, want) = interpolate(&at(t, x0, xt));
    Row { got, want, tol: Tol::rel(1e-11, "2t roundings, squares that cancel in part") }
}

fn density_row(t: usize, offset: f64, f: Density) -> Row {
    let point = Point::typical(&Schedule::ddpm(), Timestep::new(t), 0.6, -0.9);
    let mean = posterior(&ddpm(t), 0.6, point.xt());
    let xs = mean.mean + offset * mean.var.sqrt();
    let got = f(&ddpm(t), &[0.6], &[point.xt()], &[xs]);
    Row { got, want: log_ratio(&point, xs), tol: Tol::abs(1e-10, "2t roundings of x over the width of the kernel") }
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

fn normal(x: f64, mean: f64, var: f64) -> f64 {
    (-0.5 * (x - mean).powi(2) / var).exp() / (std::f64::consts::TAU * var).sqrt()
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
