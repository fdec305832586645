//! The claims of the chapter `prediction`, bound to this crate, with the ledger's rows that they cover.

use super::{self as check, DATA, Point};
use crate::check::{Claim, Row, Tol};
use crate::error::Result;
use crate::exact::{FiniteData, Mixture1, Noising};
use crate::prediction::{
    Affine, Preconditioning, Prediction, conversion, from_mean, mean_from, mean_from_eps, mean_from_x0_and_eps,
};
use crate::schedule::{Level, Schedule, Timestep, Transition};

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        conversion_claim(),
        mean_claim(),
        inverse_claim(),
        elimination_claim(),
        optimal_claim(),
        preconditioning_claim(),
    ]
}

fn conversion_claim() -> Claim {
    Claim::new(|| check::conversions(conversion))
        .row("S1.56", || converted(1000, Prediction::Epsilon, Prediction::X0))
        .row("S3.56", || converted(250, Prediction::X0, Prediction::Epsilon))
        .row("S1.62", || converted(40, Prediction::Epsilon, Prediction::Score))
        .row("S1.87", || converted(700, Prediction::Score, Prediction::V))
}

fn mean_claim() -> Claim {
    Claim::new(|| check::mean(mean_from))
        .row("S1.51", || mean_row(900, -0.4, 0.8, mean_from, Prediction::X0))
        .row("S1.57", || mean_row(750, 1.0, 0.5, mean_from, Prediction::Epsilon))
        .row("S2.21", || mean_row(1000, 1.0, 0.5, mean_from, Prediction::Epsilon))
        .row("S3.58", || {
            let at = linear(300, 0.9, -1.1);
            let x0 = map(conversion(Prediction::Epsilon, Prediction::X0, at.step.t())).at(at.xt(), at.eps);
            same(map(mean_from(Prediction::X0, &at.step)).at(at.xt(), x0), at.bayes_mean().0)
        })
        .row("S3.59", || mean_row(2, -1.5, 0.6, |_, step| mean_from_eps(step), Prediction::Epsilon))
        .row("S3.60", || mean_row(500, 1.0, 0.5, mean_from, Prediction::Epsilon))
        .row("S3.62", || mean_row(120, 0.2, 1.3, |_, step| mean_from_eps(step), Prediction::Epsilon))
}

fn inverse_claim() -> Claim {
    Claim::new(|| check::inverse_mean(from_mean)).row("S1.58", || {
        let at = linear(600, 0.3, -0.7);
        same(from_mean(Prediction::Epsilon, &at.step).at(at.xt(), at.bayes_mean().0), -0.7)
    })
}

fn elimination_claim() -> Claim {
    Claim::new(|| check::mean_of_data_and_noise(mean_from_x0_and_eps)).row("S3.72", || {
        let at = linear(500, 1.0, 1.0);
        same(mean_from_x0_and_eps(&at.step, 1.0, 1.0), at.bayes_mean().0)
    })
}

fn optimal_claim() -> Claim {
    Claim::new(|| check::optimal(best_of_finite))
        .row("S1.54", || Row {
            got: best_of_finite(Prediction::X0, Schedule::ddpm().level(Timestep::new(100)), 0.9),
            want: 0.529_288,
            tol: Tol::printed(6),
        })
        .row("S3.63", || {
            let at = linear(500, 0.0, 0.0);
            let (m, v) = at.now;
            let xt = 0.9;
            let (mut sum, mut mass) = (0.0, 0.0);
            for x0 in DATA {
                let eps = (xt - m * x0) / v.sqrt();
                let density = (-0.5 * eps * eps).exp();
                (sum, mass) = (sum + density * eps, mass + density);
            }
            same(best_of_finite(Prediction::Epsilon, at.step.t(), xt), sum / mass)
        })
        .row("S2.27", || {
            let at = linear(500, 0.0, 0.0);
            let (m, v) = at.now;
            let xt = 0.3;
            let noising = Noising::new(m, v).expect("a variance");
            let x0 = Mixture1::reference().x0_hat(noising, xt);
            let got = map(conversion(Prediction::X0, Prediction::Epsilon, at.step.t())).at(xt, x0);
            let (mut sum, mut mass) = (0.0, 0.0);
            for k in -400..=400 {
                let x0 = 0.02 * f64::from(k);
                let normal = |mean: f64, std: f64| (-0.5 * ((x0 - mean) / std).powi(2)).exp() / std;
                let eps = (xt - m * x0) / v.sqrt();
                let density = (0.3 * normal(-1.5, 0.3) + 0.7 * normal(1.0, 0.5)) * (-0.5 * eps * eps).exp();
                (sum, mass) = (sum + density * eps, mass + density);
            }
            same(got, sum / mass)
        })
}

/// The exact world's mean of x₀ given x_t, converted.
fn best_of_finite(prediction: Prediction, level: Level, xt: f64) -> f64 {
    let world = FiniteData::on_line(&DATA).expect("finite numbers");
    let noising = Noising::new(level.signal(), level.one_minus_alpha_bar()).expect("a variance");
    let x0 = world.x0_hat(noising, &ndarray::arr1(&[xt])).expect("one coordinate")[0];
    map(conversion(Prediction::X0, prediction, level)).at(xt, x0)
}

fn preconditioning_claim() -> Claim {
    Claim::new(|| check::unit_variance(Preconditioning::edm)).row("B24", || {
        let p = Preconditioning::edm(0.8, 0.5).expect("positive arguments");
        let [data, noise] = [p.target(0.5, 0.5), p.target(0.0, 0.8)];
        Row { got: data * data + noise * noise, want: 1.0, tol: Tol::rel(1e-14, "16 roundings") }
    })
}

fn linear(t: usize, x0: f64, eps: f64) -> Point {
    Point::new(&Schedule::ddpm(), Timestep::new(t), x0, eps)
}

fn map(map: Result<Affine>) -> Affine {
    map.expect("0 < alpha_bar < 1 on the linear schedule")
}

fn same(got: f64, want: f64) -> Row {
    Row { got, want, tol: Tol::new(1e-12, 1e-12, "2t + 16 roundings") }
}

fn converted(t: usize, from: Prediction, to: Prediction) -> Row {
    let at = linear(t, 0.7, -0.4);
    let map = map(conversion(from, to, at.step.t()));
    same(map.at(at.xt(), at.value(from)), at.value(to))
}

fn mean_row(t: usize, x0: f64, eps: f64, f: fn(Prediction, &Transition) -> Result<Affine>, from: Prediction) -> Row {
    let at = linear(t, x0, eps);
    same(map(f(from, &at.step)).at(at.xt(), at.value(from)), at.bayes_mean().0)
}
