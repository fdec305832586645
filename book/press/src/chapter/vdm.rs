//! The bound as an area under the denoising error.

use alphabar::check::vdm::{continuous_bound, discrete_gap};
use alphabar::exact::{Mixture1, Noising};
use alphabar::vdm::{LogSnrRange, continuous_rate, information_rate, step_cost};
use alphabar::{Level, Schedule, Timestep};

use crate::evidence::number;
use crate::figure::{Axis, BLUE, Figure, GREY, Mark, ORANGE, Panel, Series, panels};

/// Names of the table's cells: so many steps, the gap, its first order.
const STEPS: [(u32, &str, &str); 5] = [
    (25, "gap_25", "order_25"),
    (50, "gap_50", "order_50"),
    (100, "gap_100", "order_100"),
    (200, "gap_200", "order_200"),
    (400, "gap_400", "order_400"),
];

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let data = Mixture1::reference();
    let step = |t: usize| Schedule::ddpm().step(Timestep::new(t));
    let cost = |t: usize| step_cost(step(t).s(), step(t).t(), 1.0);
    let along = |smooth: bool| {
        let path =
            |u: f64| LogSnrRange::new(8.0, -6.0).map_or(f64::NAN, |r| if smooth { r.smooth(u) } else { r.linear(u) });
        continuous_bound(continuous_rate, path, &data)
    };
    let mut all = vec![
        ("cost_2", number((cost(2) * 10.0).round() / 10.0)),
        ("cost_500", format!("{:.6}", cost(500))),
        ("mmse", format!("{:.6}", data.mmse(at(0.0)))),
        ("rate", format!("{:.6}", information_rate(data.mmse(at(0.0))))),
        ("linear", format!("{:.6}", along(false))),
        ("smooth", format!("{:.6}", along(true))),
        ("information", format!("{:.6}", information(8.0) - information(-6.0))),
        ("gradient", format!("{:.5}", -height(-2.0))),
    ];
    for (steps, gap_name, order_name) in STEPS {
        all.push((gap_name, format!("{:.5}", gap(steps))));
        all.push((order_name, format!("{:.5}", first_order() / f64::from(steps))));
    }
    all
}

fn at(log_snr: f64) -> Noising {
    Noising::from_log_snr(log_snr).unwrap_or(Noising::NONE)
}

fn information(log_snr: f64) -> f64 {
    Mixture1::reference().mutual_information(at(log_snr))
}

/// ½ SNR mmse, the bound's rate per unit of log-SNR.
fn height(log_snr: f64) -> f64 {
    continuous_rate(log_snr, Mixture1::reference().mmse(at(log_snr)))
}

/// One term of a chain between two log-SNRs.
fn term(s: f64, t: f64, error: f64) -> f64 {
    let level = |log_snr: f64| Level::from_log_snr(log_snr).unwrap_or(Level::DATA);
    step_cost(level(s), level(t), error)
}

/// Bound minus entropy with so many steps from 12 to −12.
fn gap(steps: u32) -> f64 {
    discrete_gap(term, &Mixture1::reference(), 12.0, -12.0, steps)
}

/// T times the gap for large T.
fn first_order() -> f64 {
    24.0 * (0.5 * (information(12.0) - information(-12.0)) + 0.5 * (height(-12.0) - height(12.0)))
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let (low, high, count) = (-6.0, 8.0, 14);
    let curve: Vec<(f64, f64)> =
        (0..=140).map(|k| low + (high - low) * f64::from(k) / 140.0).map(|l| (l, height(l))).collect();
    let mut area = vec![(low, 0.0)];
    area.extend(&curve);
    area.push((high, 0.0));
    let width = (high - low) / f64::from(count);
    let stairs = (0..count).flat_map(|k| {
        let (t, s) = (low + width * f64::from(k), low + width * f64::from(k + 1));
        let paid = term(s, t, Mixture1::reference().mmse(at(t))) / width;
        [(t, paid), (s, paid)]
    });
    let bound = Panel {
        title: "the bound as an area".into(),
        x: Axis::linear("log-SNR", low, high),
        y: Axis::linear("nats per unit", 0.0, 1.4),
        series: vec![
            Series::line("", BLUE, area).drawn(Mark::Band),
            Series::line("½ SNR mmse", BLUE, curve),
            Series::line("14 steps", ORANGE, stairs),
        ],
    };
    let dots = [6, 12, 25, 50, 100, 200, 400, 800];
    let order = first_order();
    let gaps = Panel {
        title: "bound minus entropy".into(),
        x: Axis::log("steps", 1.0, 1000.0),
        y: Axis::log("nats", 0.01, 1000.0),
        series: vec![
            Series::line("first order", GREY, [(1.0, order), (1000.0, order / 1000.0)]).drawn(Mark::Dashes),
            Series::line("gap", BLUE, dots.map(|steps| (f64::from(steps), gap(steps)))).drawn(Mark::Dots),
        ],
    };
    vec![panels("vdm", 2, vec![bound, gaps])]
}
