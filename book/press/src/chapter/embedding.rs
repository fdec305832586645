//! Embeddings of time, and what it costs not to be told it.

use alphabar::Schedule;
use alphabar::check::Wrong;
use alphabar::check::embedding::faults::EMBEDDINGS;
use alphabar::check::embedding::{losses, nearest_neighbours};
use alphabar::embedding::{Divisor, Layout, Sinusoidal, time_blind};
use alphabar::exact::{Mixture1, Noising};

use crate::figure::{Axis, BLUE, Figure, GREY, Mark, ORANGE, Panel, Series, panels};

/// Entries of the embedding.
const DIM: usize = 128;

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let from_ours = |other: Vec<f64>| {
        let square: f64 = ours(500.0).iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum();
        format!("{:.2}", square.sqrt())
    };
    let all = losses(time_blind, &Mixture1::reference(), &levels());
    vec![
        ("neighbours", format!("{:.4}", nearest_neighbours(ours, 1000))),
        ("divisors", from_ours(wrong("embedding_divisor_half")(DIM, 500.0))),
        ("interleaved", from_ours(wrong("embedding_interleaved")(DIM, 500.0))),
        ("fraction", format!("{:.4}", nearest_neighbours(|t| wrong("embedding_of_fraction")(DIM, t), 1000))),
        ("aware", format!("{:.4}", all.aware)),
        ("blind", format!("{:.4}", all.blind)),
        ("penalty", format!("{:.4}", all.penalty)),
    ]
}

fn ours(time: f64) -> Vec<f64> {
    Sinusoidal::new(DIM).map_or(Vec::new(), |form| form.embed(time))
}

/// t = 1, 11, …, 991 of the linear schedule.
fn levels() -> Vec<Noising> {
    let all = Noising::levels(Schedule::ddpm().betas().as_slice()).unwrap_or_default();
    all.into_iter().skip(1).step_by(10).collect()
}

/// Noise loss of the best network at each of these times: told the time, and not.
fn losses_by_time() -> Vec<(f64, f64, f64)> {
    let (data, levels) = (Mixture1::reference(), levels());
    let laws: Vec<Mixture1> = levels.iter().map(|level| data.noised(*level)).collect();
    let mut penalties = vec![0.0; levels.len()];
    let width = 0.05;
    for x in (0..=280).map(|k| f64::from(k) * width - 7.0) {
        let densities: Vec<f64> = laws.iter().map(|law| law.pdf(x)).collect();
        let answers: Vec<f64> = levels.iter().map(|level| data.eps_hat(*level, x)).collect();
        let Ok(blind) = time_blind(&densities, &answers) else { continue };
        for ((penalty, density), answer) in penalties.iter_mut().zip(&densities).zip(&answers) {
            *penalty += width * density * (answer - blind.answer).powi(2);
        }
    }
    let floor = |level: &Noising| level.snr() * data.mmse(*level);
    levels
        .iter()
        .zip(penalties)
        .enumerate()
        .map(|(k, (level, penalty))| (10.0 * k as f64 + 1.0, floor(level), floor(level) + penalty))
        .collect()
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let product = |period: f64, divisor: Divisor| {
        let embed = move |t: f64| {
            Sinusoidal::with(DIM, period, divisor, Layout::SinCos).map_or(Vec::new(), |form| form.embed(t))
        };
        let here = embed(500.0);
        (0..=200).map(move |k| {
            let there = embed(500.0 + f64::from(k));
            let dot: f64 = here.iter().zip(&there).map(|(a, b)| a * b).sum();
            (f64::from(k), dot / (DIM / 2) as f64)
        })
    };
    let lags = Panel {
        title: "inner product / h".into(),
        x: Axis::linear("time difference", 0.0, 200.0),
        y: Axis::linear("cos of the angle", 0.0, 1.2),
        series: vec![
            Series::line("p = 10⁴", BLUE, product(1e4, Divisor::HalfMinusOne)),
            Series::line("p = 10⁴, D = h", ORANGE, product(1e4, Divisor::Half)).drawn(Mark::Dashes),
            Series::line("p = 10³", GREY, product(1e3, Divisor::HalfMinusOne)),
        ],
    };
    let by_time = losses_by_time();
    let blindness = Panel {
        title: "noise loss at each time".into(),
        x: Axis::linear("t", 0.0, 1000.0),
        y: Axis::linear("E (ε − ε̂)²", 0.0, 2.2),
        series: vec![
            Series::line("told t", BLUE, by_time.iter().map(|&(t, aware, _)| (t, aware))),
            Series::line("not told t", ORANGE, by_time.iter().map(|&(t, _, blind)| (t, blind))),
        ],
    };
    vec![panels("embedding", 2, vec![lags, blindness])]
}

/// An embedding with a known mistake.
fn wrong(name: &str) -> fn(usize, f64) -> Vec<f64> {
    Wrong::named(EMBEDDINGS, name).f
}
