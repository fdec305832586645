//! The posterior q(x_{t−1} | x_t, x₀) beside the true reverse q(x_{t−1} | x_t).

use alphabar::exact::{Gaussian1, Mixture1};
use alphabar::posterior::{Posterior, conditional_information, true_reverse_mixture, Component, Moments};
use alphabar::{Schedule, Timestep};

use crate::evidence::{number, scientific};
use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, Panel, PURPLE, Series, panels};

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let ddpm = Schedule::ddpm();
    let at = |t: usize| Posterior::new(&ddpm.step(Timestep::new(t)));
    let information = |t: usize, var: f64| conditional_information(&ddpm.step(Timestep::new(t)), var);
    vec![
        ("beta_2", number(ddpm.step(Timestep::new(2)).beta())),
        ("beta_tilde_2", number(at(2).beta_tilde)),
        ("on_x0_500", number(at(500).x0)),
        ("on_xt_500", number(at(500).xt)),
        ("information_2", format!("{:.4}", information(2, 1.0))),
        ("information_500", scientific(information(500, 1.0), 2)),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let ddpm = Schedule::ddpm();
    let far = ddpm.transition(Timestep::new(150), Timestep::new(350));
    let xt = 0.1;
    let posterior = |x0: f64| {
        let Moments { mean, var } = Posterior::new(&far).at(x0, xt);
        grid().map(move |x| (x, Gaussian1::new(mean, var).map_or(f64::NAN, |law| law.pdf(x))))
    };
    let parts: Vec<Component> = Mixture1::reference()
        .weights()
        .iter()
        .zip(Mixture1::reference().components())
        .map(|(weight, part)| Component { weight: *weight, moments: Moments { mean: part.mean(), var: part.var() } })
        .collect();
    let reverse: Vec<(f64, Gaussian1)> = true_reverse_mixture(&far, &parts, xt)
        .iter()
        .filter_map(|c| Some((c.weight, Gaussian1::new(c.moments.mean, c.moments.var).ok()?)))
        .collect();
    let density = |x: f64| reverse.iter().map(|(weight, law)| weight * law.pdf(x)).sum::<f64>();
    let kernels = Panel {
        title: "x₁₅₀ given x₃₅₀ = 0.1".into(),
        x: Axis::linear("x", -2.0, 2.0),
        y: Axis::linear("density", 0.0, 1.6),
        series: vec![
            Series::line("x₀ = −1.5 known", ORANGE, posterior(-1.5)),
            Series::line("x₀ = 1 known", GREEN, posterior(1.0)),
            Series::line("x₀ unknown", BLUE, grid().map(|x| (x, density(x)))),
        ],
    };
    let lie = |var: f64| {
        let ddpm = ddpm.clone();
        (2..=1000).map(move |t| (t as f64, conditional_information(&ddpm.step(Timestep::new(t)), var)))
    };
    let information = Panel {
        title: "what xₜ₋₁ knows of x₀ beyond xₜ".into(),
        x: Axis::log("t", 2.0, 1000.0),
        y: Axis::log("nats", 1e-8, 1.0),
        series: vec![
            Series::line("variance 4", PURPLE, lie(4.0)),
            Series::line("variance 1", BLUE, lie(1.0)),
            Series::line("variance 1/4", GREY, lie(0.25)).drawn(Mark::Dashes),
        ],
    };
    vec![panels("posterior", 2, vec![kernels, information])]
}

fn grid() -> impl Iterator<Item = f64> {
    (0..=200).map(|k| -2.0 + 0.02 * f64::from(k))
}
