//! The claims of the chapter `training`, bound to this crate, with the ledger's rows that they cover.

use super::{self as check};
use crate::check::witness::quadrature::expect_normal;
use crate::check::{Claim, Row, Run, Tol};
use crate::exact::{Mixture1, Noising};
use crate::posterior::Moments;
use crate::prediction::Prediction;
use crate::schedule::{Level, Schedule, Timestep};
use crate::training::{LinearTable, TimeDistribution, draw, linear_optimum, shared_slope};
use crate::weight::loss_factor;

const DATA: Moments = Moments { mean: 0.5, var: 0.25 };

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        draw_claim(),
        gradient_claim(),
        descent_claim(),
        unbiased_claim(),
        variance_claim(),
        optimum_claim(),
        shared_claim(),
    ]
}

fn draw_claim() -> Claim {
    Claim::new(|| check::draws(draw))
        .row("S3.74", || {
            let all = check::draw_many(&Run::default(), draw);
            let mean = all.iter().map(|(t, _)| t.get() as f64).sum::<f64>() / all.len() as f64;
            let error = (99.0f64 / 12.0 / all.len() as f64).sqrt();
            Row { got: mean, want: 5.5, tol: Tol::abs(5.0 * error, "5 standard errors of a mean of uniform times") }
        })
        .row("S2.38", || {
            let all = check::draw_many(&Run::default(), draw);
            let norm = all.iter().map(|(_, eps)| eps.iter().sum::<f64>().powi(2)).sum::<f64>() / all.len() as f64;
            let error = 3.0 * (2.0 / all.len() as f64).sqrt();
            Row {
                got: norm,
                want: 3.0,
                tol: Tol::abs(5.0 * error, "5 standard errors; 9 for one number in all coordinates"),
            }
        })
}

fn gradient_claim() -> Claim {
    Claim::new(|| check::gradient(LinearTable::gradient)).row("S3.81", || {
        let table = LinearTable(vec![[0.4, -0.1]; 3]);
        let level = Level::from_alpha_bar(0.63).expect("inside [0, 1]");
        let gradient =
            table.gradient(Prediction::Epsilon, Timestep::new(2), level, 0.8, -0.3).expect("a noised level");
        let elsewhere = gradient.0[0].iter().chain(&gradient.0[2]).map(|g| g.abs()).sum();
        Row { got: elsewhere, want: 0.0, tol: Tol::exact() }
    })
}

fn descent_claim() -> Claim {
    Claim::new(|| check::descent(LinearTable::gradient)).row("S3.75", || {
        let (level, x0, eps) = (Level::from_alpha_bar(0.63).expect("inside [0, 1]"), 0.8, -0.3);
        let table = LinearTable(vec![[0.4, -0.1]]);
        let got =
            table.gradient(Prediction::Epsilon, Timestep::new(1), level, x0, eps).expect("a noised level").0[0][0];
        let xt = 0.63f64.sqrt() * x0 + 0.37f64.sqrt() * eps;
        let loss = |slope: f64| (eps - slope * xt + 0.1).powi(2);
        Row { got, want: (loss(1.4) - loss(-0.6)) / 2.0, tol: Tol::rel(1e-13, "a dozen roundings") }
    })
}

fn unbiased_claim() -> Claim {
    Claim::new(|| check::unbiased(TimeDistribution::proportional))
        .row("S3.82", || {
            let times = TimeDistribution::uniform(7).expect("seven times");
            let got = times.probabilities.iter().zip(1..).map(|(p, t)| p * f64::from(t * t)).sum();
            Row { got, want: 20.0, tol: Tol::rel(1e-14, "a dozen roundings") }
        })
        .row("S1.53", || {
            // The sum from t = 2 to T is T − 1 times the mean over t ~ U[2, T].
            let times = TimeDistribution::uniform(6).expect("six times");
            let mean: f64 = times.probabilities.iter().zip(2..).map(|(p, t)| p * f64::from(t * t)).sum();
            Row { got: 6.0 * mean, want: 139.0, tol: Tol::rel(1e-14, "a dozen roundings") }
        })
}

fn variance_claim() -> Claim {
    Claim::new(|| check::least_variance(TimeDistribution::loss_aware)).row("S2.37", || {
        let moments = [4.0, 1.0, 0.25, 9.0];
        let times = TimeDistribution::loss_aware(&moments).expect("positive moments");
        let got = moments.iter().zip(&times.probabilities).map(|(m, p)| m / (16.0 * p)).sum();
        Row { got, want: 2.640_625, tol: Tol::rel(1e-14, "a dozen roundings") }
    })
}

fn optimum_claim() -> Claim {
    Claim::new(|| check::optimum(linear_optimum))
        .row("S2.36", || {
            let unit = Moments { mean: 0.0, var: 1.0 };
            let got = linear_optimum(Schedule::ddpm().level(Timestep::new(500)), unit).floor;
            Row { got, want: 0.078_587_242_881_8, tol: Tol::printed(13) }
        })
        .row("S2.36", || {
            // The floor on a mixture: SNR times the least error in x₀, against E(ε − E[ε | x_t])² over x₀ and ε.
            let (level, data) = (Schedule::ddpm().level(Timestep::new(300)), Mixture1::reference());
            let channel = Noising::from_betas(&Schedule::ddpm().betas().as_slice()[..300]).unwrap_or(Noising::NONE);
            let (a, sigma) = (channel.signal(), channel.noise_std());
            let error = |x0: f64, eps: f64| (eps - data.eps_hat(channel, a * x0 + sigma * eps)).powi(2);
            let want = data.expect(|x0| expect_normal(120, 0.0, 1.0, |eps| error(x0, eps)).unwrap_or(f64::NAN));
            let factor = loss_factor(Prediction::X0, Prediction::Epsilon, level).unwrap_or(f64::NAN);
            Row { got: factor * data.mmse(channel), want, tol: Tol::abs(1e-12, "quadratures of smooth functions") }
        })
        .row("B23", || {
            let schedule = Schedule::ddpm();
            let unit = Moments { mean: 0.0, var: 1.0 };
            let sum: f64 = schedule.timesteps().map(|t| linear_optimum(schedule.level(t), unit).floor).sum();
            Row { got: sum / 1000.0, want: 0.275_513, tol: Tol::printed(6) }
        })
}

fn shared_claim() -> Claim {
    Claim::new(|| check::shared_optimum(shared_slope)).row("S2.30", || {
        let levels: Vec<Level> = [0.9, 0.5, 0.1].map(|a| Level::from_alpha_bar(a).expect("inside [0, 1]")).to_vec();
        let slope = |weights: [f64; 3]| shared_slope(&levels, &weights, DATA).expect("three weights");
        let (plain, weighted) = (slope([1.0; 3]), slope([9.0, 1.0, 1.0 / 9.0]));
        let loss = |a: f64, weights: [f64; 3]| -> f64 {
            let term = |(level, w): (&Level, f64)| {
                let (m, s) = (level.signal(), level.noise_std());
                w * ((1.0 - a * s).powi(2) + (a * m).powi(2) * 0.5)
            };
            levels.iter().zip(weights).map(term).sum()
        };
        let vertex =
            |w: [f64; 3]| 0.5 * (loss(-1.0, w) - loss(1.0, w)) / (loss(-1.0, w) - 2.0 * loss(0.0, w) + loss(1.0, w));
        let want = vertex([1.0; 3]) - vertex([9.0, 1.0, 1.0 / 9.0]);
        Row { got: plain - weighted, want, tol: Tol::rel(1e-12, "a hundred roundings of a difference") }
    })
}
