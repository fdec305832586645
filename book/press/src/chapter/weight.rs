//! Loss weights over the log signal-to-noise ratio, for each quantity a network may predict.

use alphabar::posterior::Posterior;
use alphabar::prediction::Prediction;
use alphabar::weight::{Weighting, kl_weight, loss_factor};
use alphabar::{Level, Schedule, Timestep, Transition};

use crate::evidence::scientific;
use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, RED, Series, panels};

const NAMES: [&str; 8] =
    ["weight_2", "weight_10", "weight_500", "weight_1000", "small_2", "small_10", "small_500", "small_1000"];

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let ddpm = Schedule::ddpm();
    let step = |t: usize| ddpm.step(Timestep::new(t));
    let six = |x: f64| format!("{x:.6}");
    let times = [2, 10, 500, 1000];
    let large = times.map(|t| six(noise_weight(&step(t), step(t).beta())));
    let small = times.map(|t| six(noise_weight(&step(t), Posterior::new(&step(t)).beta_tilde)));
    let mut all: Vec<(&'static str, String)> = NAMES.into_iter().zip(large.into_iter().chain(small)).collect();

    let over_t: Vec<f64> = ddpm.steps().skip(1).map(|(_, step)| noise_weight(&step, step.beta())).collect();
    let least = over_t.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).expect("999 steps");
    let snr = |t: usize| ddpm.level(Timestep::new(t)).snr();
    let level = |t: usize| ddpm.level(Timestep::new(t));
    let factor = |t: usize, to: Prediction| loss_factor(Prediction::X0, to, level(t)).expect("a noised level");
    let crossing =
        |snr_from: f64| ddpm.timesteps().find(|t| ddpm.level(*t).snr() <= snr_from).map_or(0, Timestep::get);
    let on_x0 = kl_weight(Prediction::X0, &step(500), Posterior::new(&step(500)).beta_tilde).expect("positive");
    all.extend([
        ("least_t", (least.0 + 2).to_string()),
        ("least", six(*least.1)),
        ("snr_1", format!("{:.0}", snr(1))),
        ("snr_1000", scientific(snr(1000), 2)),
        ("eps_10", format!("{:.1}", factor(10, Prediction::Epsilon))),
        ("eps_900", scientific(factor(900, Prediction::Epsilon), 2)),
        ("v_900", format!("{:.6}", factor(900, Prediction::V))),
        ("x0_500", scientific(on_x0, 4)),
        ("half_difference_500", scientific(0.5 * (snr(499) - snr(500)), 4)),
        ("clipped_until", (crossing(5.0) - 1).to_string()),
        ("one_at", crossing(1.0).to_string()),
    ]);
    all
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let weightings = [
        ("SNR (simple loss)", BLUE, Mark::Line, Weighting::Snr),
        ("min(SNR, 5)", ORANGE, Mark::Line, Weighting::MinSnr { gamma: 5.0 }),
        ("max(SNR, 1)", GREEN, Mark::Line, Weighting::TruncatedSnr),
        ("SNR + 1", PURPLE, Mark::Line, Weighting::SnrPlusOne),
        ("P2, k = γ = 1", RED, Mark::Line, Weighting::P2 { k: 1.0, gamma: 1.0 }),
        ("EDM, σ = ½", PURPLE, Mark::Dashes, Weighting::Edm { sigma_data: 0.5 }),
        ("1", GREY, Mark::Line, Weighting::One),
    ];
    let ddpm = Schedule::ddpm();
    let panel = |title: &str, prediction: Prediction, (low, high): (f64, f64), named: bool| {
        let grid = || (0..=120).map(|k| -12.0 + 0.2 * f64::from(k));
        let mut series: Vec<Series> = weightings
            .iter()
            .map(|(label, colour, mark, weighting)| {
                let points = grid().map(|log_snr| {
                    let level = Level::from_log_snr(log_snr).expect("a number");
                    (log_snr, inside(weighting.on(prediction, level).unwrap_or(f64::NAN), low, high))
                });
                Series::line(if named { label } else { "" }, *colour, points).drawn(*mark)
            })
            .collect();
        let bound =
            ddpm.steps().skip(1).filter(|(t, _)| t.get() < 40 || t.get().is_multiple_of(10)).map(|(_, step)| {
                let weight = kl_weight(prediction, &step, Posterior::new(&step).beta_tilde).unwrap_or(f64::NAN);
                (step.t().log_snr(), inside(weight, low, high))
            });
        series.push(Series::line(if named { "the bound, T = 1000" } else { "" }, GREY, bound).drawn(Mark::Dashes));
        Panel {
            title: title.into(),
            x: Axis::linear("ln SNR", -12.0, 12.0),
            y: Axis::log("weight", low, high),
            series,
        }
    };
    let table = Panel {
        title: "the bound's weights on ε".into(),
        x: Axis::log("t", 2.0, 1000.0),
        y: Axis::log("weight", 1e-3, 10.0),
        series: vec![
            Series::line("variance β̃", ORANGE, bound_weights(&ddpm, |step| Posterior::new(step).beta_tilde)),
            Series::line("variance β", BLUE, bound_weights(&ddpm, Transition::beta)),
        ],
    };
    let all = vec![
        panel("on the squared error of ε", Prediction::Epsilon, (1e-3, 1e10), true),
        panel("on that of x₀", Prediction::X0, (1e-5, 1e5), false),
        panel("on that of v", Prediction::V, (1e-5, 1e1), false),
        table,
    ];
    vec![panels("weight", 2, all)]
}

/// What lies outside of the axes is not drawn.
fn inside(y: f64, low: f64, high: f64) -> f64 {
    if (low..=high).contains(&y) { y } else { f64::NAN }
}

fn noise_weight(step: &Transition, var: f64) -> f64 {
    kl_weight(Prediction::Epsilon, step, var).expect("a noised level with signal")
}

fn bound_weights(schedule: &Schedule, var: impl Fn(&Transition) -> f64) -> Vec<(f64, f64)> {
    let few = schedule.steps().skip(1).filter(|(t, _)| t.get() < 60 || t.get().is_multiple_of(10));
    few.map(|(t, step)| (t.get() as f64, noise_weight(&step, var(&step)))).collect()
}
