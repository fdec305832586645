//! Marginal and conditional score, Tweedie's formulas, Langevin dynamics.

use alphabar::check::Wrong;
use alphabar::check::score::faults::METROPOLIS;
use alphabar::check::score::{flow_log_likelihood, invariance_residual};
use alphabar::exact::{FiniteData, Mixture1, Noising};
use alphabar::noise::Stream;
use alphabar::score::{
    denoising_target, exploding_flow_velocity, langevin_step, langevin_variance, marginal_score_excess,
    metropolis_log_ratio, score_from_energy, tweedie_mean, tweedie_variance,
};
use alphabar::{Level, Schedule, Timestep};
use ndarray::array;

use crate::evidence::{number, scientific};
use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, Series, panels};

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let (level, data) = (at(500), Mixture1::reference());
    let law = data.noised(channel(level));
    let (x0, eps) = (-1.5, 0.6);
    let xt = level.signal() * x0 + level.noise_std() * eps;
    let (marginal, conditional) = (law.score(xt), denoising_target(level, eps));
    let var = tweedie_variance(level, law.hessian(xt));
    let excess = marginal_score_excess(&Schedule::ddpm().step(Timestep::new(500)), var);
    let conditional_fisher = 1.0 / level.one_minus_alpha_bar();
    let settled = |sigma: f64| langevin_variance(1.0, sigma).unwrap_or(f64::NAN);
    let sharp = Noising::new(1.0, 1e-6).unwrap_or(Noising::NONE);
    let broad = Noising::new(1.0, 0.3).unwrap_or(Noising::NONE);
    vec![
        ("xt", format!("{xt:.4}")),
        ("conditional", format!("{conditional:.4}")),
        ("marginal", format!("{marginal:.4}")),
        ("x0_back", number(tweedie_mean(level, xt, conditional))),
        ("x0_mean", format!("{:.4}", tweedie_mean(level, xt, marginal))),
        ("x0_std", format!("{:.3}", var.sqrt())),
        ("excess", scientific(excess, 2)),
        ("finite_1", softmax(1)),
        ("finite_100", softmax(100)),
        ("finite_500", softmax(500)),
        ("finite_1000", softmax(1000)),
        ("floor", format!("{:.5}", conditional_fisher - law.fisher())),
        ("conditional_fisher", format!("{conditional_fisher:.5}")),
        ("fisher", format!("{:.5}", law.fisher())),
        ("ula_01", format!("{:.4}", settled(0.1))),
        ("ula_05", format!("{:.4}", settled(0.5))),
        ("ula_10", format!("{:.4}", settled(1.0))),
        ("ula_19", format!("{:.3}", settled(1.9))),
        ("energy", format!("{:.4}", 0.5 * settled(1.0))),
        ("ula_residual", scientific(invariance_residual(Wrong::named(METROPOLIS, "metropolis_always").f, 0.6), 1)),
        ("mala_residual", rounding(invariance_residual(metropolis_log_ratio, 0.6))),
        ("flow_likelihood", format!("{:.8}", flow_log_likelihood(exploding_flow_velocity, &data, -1.5))),
        ("exact_likelihood", format!("{:.8}", data.noised(sharp).log_pdf(-1.5))),
        ("half_fisher", format!("{:.5}", 0.5 * data.noised(broad).fisher())),
    ]
}

fn at(t: usize) -> Level {
    Schedule::ddpm().level(Timestep::new(t))
}

fn channel(level: Level) -> Noising {
    Noising::new(level.signal(), level.one_minus_alpha_bar()).unwrap_or(Noising::NONE)
}

/// The denoiser of three points at x_t = 0.9.
fn softmax(t: usize) -> String {
    let x0 = FiniteData::on_line(&[-1.0, 0.5, 2.0]).and_then(|data| data.x0_hat(channel(at(t)), &array![0.9]));
    x0.map_or_else(|_| "none".into(), |x0| format!("{:.4}", x0[0]))
}

/// A number that is made of roundings: its bound, since its digits differ between machines.
fn rounding(x: f64) -> String {
    if x < 1e-16 { "less than 10⁻¹⁶".into() } else { scientific(x, 1) }
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    vec![fields(), langevin()]
}

/// Densities and scores at four times.
fn fields() -> Figure {
    let grid = || (0..=180).map(|k| -3.0 + f64::from(k) / 30.0);
    let times = [(1, GREY), (100, ORANGE), (300, GREEN), (1000, BLUE)];
    let law = |t: usize| Mixture1::reference().noised(channel(at(t)));
    let densities =
        times.map(|(t, colour)| Series::line(&format!("t = {t}"), colour, grid().map(move |x| (x, law(t).pdf(x)))));
    let scores = times.map(|(t, colour)| {
        let inside = move |x: f64| Some(law(t).score(x)).filter(|s| s.abs() <= 6.0).unwrap_or(f64::NAN);
        Series::line(&format!("t = {t}"), colour, grid().map(move |x| (x, inside(x))))
    });
    let density = Panel {
        title: "density of xₜ".into(),
        x: Axis::linear("x", -3.0, 3.0),
        y: Axis::linear("density", 0.0, 0.8),
        series: densities.into(),
    };
    let score = Panel {
        title: "its score".into(),
        x: Axis::linear("x", -3.0, 3.0),
        y: Axis::linear("∇ ln q", -6.0, 6.0),
        series: scores.into(),
    };
    panels("score", 2, vec![density, score])
}

/// Paths in a double well, and the bias of the variance.
fn langevin() -> Figure {
    let (stream, sigma) = (Stream::new(7), 0.6);
    let force = |x: f64| score_from_energy(x.powi(3) - 2.0 * x);
    let path = |noise: bool| {
        let mut x = 2.2;
        let mut points = vec![(0.0, x)];
        for step in 1..=400u32 {
            let z = if noise { stream.pair(step, 0)[0] } else { 0.0 };
            x = langevin_step(x, force(x), sigma, z);
            if step % 2 == 0 {
                points.push((f64::from(step), x));
            }
        }
        points
    };
    let paths = Panel {
        title: "in the double well".into(),
        x: Axis::linear("step", 0.0, 400.0),
        y: Axis::linear("x", -3.0, 4.0),
        series: vec![
            Series::line("with noise", BLUE, path(true)),
            Series::line("without noise", ORANGE, path(false)),
        ],
    };
    let excess = |sigma: f64| langevin_variance(1.0, sigma).map_or(f64::NAN, |var| var - 1.0);
    let iterated = |sigma: f64| {
        let (gain, noise) = (langevin_step(1.0, -1.0, sigma, 0.0), langevin_step(0.0, 0.0, sigma, 1.0));
        (0..200_000).fold(1.0, |var, _| gain * gain * var + noise * noise) - 1.0
    };
    let curve = (0..=120).map(|k| 0.02 * 99.5f64.powf(f64::from(k) / 120.0));
    let dots = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 1.9, 1.99];
    let bias = Panel {
        title: "variance − 1".into(),
        x: Axis::log("σ", 0.01, 10.0),
        y: Axis::log("excess", 1e-5, 1e5),
        series: vec![
            Series::line("σ²/4", GREY, [(0.01, 2.5e-5), (10.0, 25.0)]).drawn(Mark::Dashes),
            Series::line("formula", PURPLE, curve.map(|sigma| (sigma, excess(sigma)))),
            Series::line("iterated", BLUE, dots.map(|sigma| (sigma, iterated(sigma)))).drawn(Mark::Dots),
        ],
    };
    panels("score_langevin", 2, vec![paths, bias])
}
