//! Predictions: how errors are magnified from one to another, and the best ones on three data points.

use alphabar::check::{Wrong, prediction::faults::MEANS};
use alphabar::exact::{FiniteData, Noising};
use alphabar::prediction::{Preconditioning, Prediction, conversion, from_mean, mean_from, mean_from_x0_and_eps};
use alphabar::{Betas, Level, Schedule, Timestep, Transition};
use ndarray::arr1;
use plotters::style::RGBColor;

use crate::evidence::scientific;
use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, RED, Series, panels};

const DATA: [f64; 3] = [-1.0, 0.5, 2.0];

fn level(t: usize) -> Level {
    Schedule::ddpm().level(Timestep::new(t))
}

fn step(t: usize) -> Transition {
    Schedule::ddpm().step(Timestep::new(t))
}

/// How much an error in one prediction is multiplied on its way to another.
fn magnified(from: Prediction, to: Prediction, level: Level) -> f64 {
    conversion(from, to, level).map_or(f64::NAN, |map| map.value.abs())
}

/// The conditional mean of a prediction given x_t, on the three points.
fn best(prediction: Prediction, t: usize, xt: f64) -> f64 {
    let level = level(t);
    let world = FiniteData::on_line(&DATA).expect("finite numbers");
    let noising = Noising::new(level.signal(), level.one_minus_alpha_bar()).expect("a variance");
    let x0 = world.x0_hat(noising, &arr1(&[xt])).expect("one coordinate")[0];
    conversion(Prediction::X0, prediction, level).map_or(f64::NAN, |map| map.at(xt, x0))
}

fn signed(x: f64, decimals: usize) -> String {
    format!("{x:.decimals$}").replace('-', "−")
}

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    use Prediction::{Epsilon, Score, V, X0};
    let to_x0 = |t: usize| magnified(Epsilon, X0, level(t));
    let mean = |t: usize| mean_from(Epsilon, &step(t)).map_or(f64::NAN, |map| map.value.abs());
    let inverse = |t: usize| from_mean(Epsilon, &step(t)).value.abs();
    let (x0, eps) = (1.0, 0.5);
    let xt = |t: usize| level(t).signal() * x0 + level(t).noise_std() * eps;
    let printed = |t: usize, f: fn(Prediction, &Transition) -> alphabar::Result<alphabar::prediction::Affine>| {
        signed(f(Epsilon, &step(t)).map_or(f64::NAN, |map| map.at(xt(t), eps)), 4)
    };
    let edm = Preconditioning::edm(0.8, 0.5).expect("positive numbers");
    let zero = Schedule::new(Betas::zero_terminal_snr(&Schedule::ddpm()).expect("a chain of many steps"));
    let ddim = step(500).s().signal() + step(500).s().noise_std();
    vec![
        ("magnified_1", format!("{:.4}", to_x0(1))),
        ("magnified_500", format!("{:.3}", to_x0(500))),
        ("magnified_1000", format!("{:.1}", to_x0(1000))),
        ("rounding", scientific(to_x0(1000) * 2f64.powi(-24), 1)),
        ("from_x0_1", format!("{:.1}", magnified(X0, Epsilon, level(1)))),
        ("v_to_x0_500", format!("{:.4}", magnified(V, X0, level(500)))),
        ("v_to_eps_500", format!("{:.4}", magnified(V, Epsilon, level(500)))),
        ("score_to_eps_1", format!("{:.4}", magnified(Score, Epsilon, level(1)))),
        ("equal", Schedule::ddpm().timesteps().find(|t| to_x0(t.get()) > 1.0).map_or(0, Timestep::get).to_string()),
        ("mean_2", format!("{:.5}", mean(2))),
        ("mean_1000", format!("{:.5}", mean(1000))),
        ("inverse_2", format!("{:.1}", inverse(2))),
        ("inverse_1000", format!("{:.1}", inverse(1000))),
        ("mean_500", printed(500, mean_from)),
        ("mean_alpha_bar_500", printed(500, Wrong::named(MEANS, "mean_prefactor_alpha_bar").f)),
        ("mean_alpha_bar_1000", printed(1000, Wrong::named(MEANS, "mean_prefactor_alpha_bar").f)),
        ("mean_right_1000", printed(1000, mean_from)),
        ("mean_one_step_500", printed(500, Wrong::named(MEANS, "mean_noise_of_one_step").f)),
        ("eliminated", format!("{:.4}", mean_from_x0_and_eps(&step(500), 1.0, 1.0))),
        ("eliminated_data", format!("{:.4}", step(500).s().signal())),
        ("eliminated_ddim", format!("{ddim:.4}")),
        ("best_1", format!("{:.6}", best(X0, 1, 0.9))),
        ("best_100", format!("{:.6}", best(X0, 100, 0.9))),
        ("best_500", format!("{:.6}", best(X0, 500, 0.9))),
        ("best_1000", format!("{:.6}", best(X0, 1000, 0.9))),
        ("refused", u8::from(conversion(Epsilon, X0, zero.level(zero.last())).is_err()).to_string()),
        ("edm_skip", format!("{:.4}", edm.skip)),
        ("edm_out", format!("{:.4}", edm.out)),
        ("edm_in", format!("{:.4}", edm.input)),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    vec![magnification(), best_predictions()]
}

fn magnification() -> Figure {
    use Prediction::{Epsilon, V, X0};
    let times = || (1..=1000).filter(|t| *t < 6 || t % 8 == 0);
    let curve = |from, to| times().map(move |t| (t as f64, magnified(from, to, level(t))));
    let panel = |title: &str, to: Prediction, others: [(&str, Prediction, RGBColor); 3]| Panel {
        title: title.into(),
        x: Axis::linear("t", 0.0, 1000.0),
        y: Axis::log("error out per error in", 0.005, 5000.0),
        series: others
            .into_iter()
            .map(|(label, from, colour)| {
                let series = Series::line(label, colour, curve(from, to));
                if from == to { series.drawn(Mark::Dashes) } else { series }
            })
            .collect(),
    };
    let into_x0 = panel("error in x₀", X0, [("from ε", Epsilon, BLUE), ("from v", V, GREEN), ("from x₀", X0, GREY)]);
    let into_eps =
        panel("error in ε", Epsilon, [("from x₀", X0, ORANGE), ("from v", V, GREEN), ("from ε", Epsilon, GREY)]);
    panels("prediction", 2, vec![into_x0, into_eps])
}

fn best_predictions() -> Figure {
    let drawn = [(100, ORANGE), (300, GREEN), (500, PURPLE), (1000, RED)];
    // What lies outside the panel is not drawn.
    let shown = |y: f64| if y.abs() <= 4.0 { y } else { f64::NAN };
    let grid = || (0..=160).map(|k| -3.0 + 0.0375 * f64::from(k));
    let panel = |title: &str, prediction: Prediction, labelled: bool, y: Axis| Panel {
        title: title.into(),
        x: Axis::linear("xₜ", -3.0, 3.0),
        y,
        series: drawn
            .iter()
            .map(|&(t, colour)| {
                let label = if labelled { format!("t = {t}") } else { String::new() };
                Series::line(&label, colour, grid().map(move |x| (x, shown(best(prediction, t, x)))))
            })
            .collect(),
    };
    let x0 = panel("best x₀", Prediction::X0, true, Axis::linear("E[x₀ | xₜ]", -1.5, 4.0));
    let eps = panel("best ε", Prediction::Epsilon, false, Axis::linear("E[ε | xₜ]", -4.0, 4.0));
    panels("prediction_best", 2, vec![x0, eps])
}
