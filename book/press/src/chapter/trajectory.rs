//! The best few steps: what they cost, where they lie, and a chain on which fewer are better.

use alphabar::exact::{Mixture1, Noising};
use alphabar::plan::Spacing;
use alphabar::trajectory::{StepCosts, decoder_cost, refinement_gain, step_cost};
use alphabar::{Betas, Level, Schedule, Timestep};

use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, Series, panels};

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let six = |x: f64| format!("{x:.6}");
    let chain = mismatched_chain();
    let best = |k: usize| six(chain.best(k).map_or(f64::NAN, |best| best.cost));
    let schedule = short();
    let [a, b, t] = [4, 6, 12].map(|t| schedule.level(Timestep::new(t)));
    let gain = refinement_gain(a, b, mismatched(b), mismatched(t));
    let costs = gaussian_chain();
    let ten = costs.best(10).map_or(f64::NAN, |best| best.cost);
    let (signal, noise) = ends();
    let ratio = (1.0 + VAR * signal) / (1.0 + VAR * noise);
    let four = |x: f64| format!("{x:.4}");
    vec![
        ("k1", best(1)),
        ("k2", best(2)),
        ("k3", best(3)),
        ("k4", best(4)),
        ("k6", best(6)),
        ("k12", best(12)),
        ("error_6", format!("{:.4}", mismatched(b))),
        ("error_12", format!("{:.4}", mismatched(t))),
        ("gain", format!("{gain:.4}").replace('-', "−")),
        ("full", four(full(&costs))),
        ("information", four(0.5 * ratio.ln())),
        ("ten_best", four(ten)),
        ("ten_formula", four(equal_ratios(10))),
        ("ten_uniform", four(spaced(&costs, &Spacing::Linspace, 10))),
        ("ten_quadratic", four(spaced(&costs, &Spacing::Quadratic, 10))),
        ("ten_times", times(&costs, 10).iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", ")),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let (costs, chain) = (gaussian_chain(), mismatched_chain());
    let (signal, noise) = ends();
    let limit = 0.5 * ((1.0 + VAR * signal) / (1.0 + VAR * noise)).ln();
    let counts = [3, 4, 6, 8, 12, 16, 24, 32];
    let over = |cost: &dyn Fn(usize) -> f64| counts.map(|k| (k as f64, cost(k) - limit));
    let floor = full(&costs) - limit;
    let left = Panel {
        title: "cost above ½ ln R".into(),
        x: Axis::log("steps K", 1.0, 100.0),
        y: Axis::log("nat per dimension", 0.1, 1e7),
        series: vec![
            Series::line("equal in t", ORANGE, over(&|k| spaced(&costs, &Spacing::Linspace, k))),
            Series::line("quadratic", GREEN, over(&|k| spaced(&costs, &Spacing::Quadratic, k))),
            Series::line("best", BLUE, over(&|k| costs.best(k).map_or(f64::NAN, |best| best.cost))),
            Series::line("formula", PURPLE, over(&equal_ratios)).drawn(Mark::Dashes),
            Series::line("full chain", GREY, [(1.0, floor), (100.0, floor)]).drawn(Mark::Dashes),
        ],
    };
    let places = |list: Vec<usize>| list.into_iter().enumerate().map(|(k, t)| ((k + 1) as f64, t as f64));
    let middle = Panel {
        title: "where twelve steps lie".into(),
        x: Axis::linear("visit", 1.0, 12.0),
        y: Axis::log("t", 1.0, 2000.0),
        series: vec![
            Series::line("equal in t", ORANGE, places(spaced_times(&Spacing::Linspace, 12))),
            Series::line("quadratic", GREEN, places(spaced_times(&Spacing::Quadratic, 12))),
            Series::line("best, N(0, ¼)", BLUE, places(times(&costs, 12))).drawn(Mark::Dots),
            Series::line("best, mixture", PURPLE, places(times(&mixture_chain(), 12))).drawn(Mark::Dots),
        ],
    };
    let bars = (1..=12).map(|k| (k as f64, chain.best(k).map_or(f64::NAN, |best| best.cost)));
    let bars: Vec<(f64, f64)> = bars.collect();
    let right = Panel {
        title: "a denoiser that is not exact".into(),
        x: Axis::linear("steps K", 1.0, 12.0),
        y: Axis::linear("cost of the best path, nat", 0.0, 3.0),
        series: vec![Series::line("", BLUE, bars.clone()), Series::line("", BLUE, bars).drawn(Mark::Dots)],
    };
    vec![panels("trajectory", 3, vec![left, middle, right])]
}

/// Variance of the Gaussian data.
const VAR: f64 = 0.25;

/// A chain on the linear schedule whose last visit is t = 1, the decoder's cost left out.
fn fixed_end(error: impl Fn(Timestep) -> f64) -> StepCosts {
    let ddpm = Schedule::ddpm();
    let errors: Vec<f64> = ddpm.timesteps().map(error).collect();
    let cost = |s: Timestep, t: Timestep| match (s.get(), t.get()) {
        (0, 1) => 0.0,
        (0, _) => f64::INFINITY,
        (_, at) => step_cost(ddpm.level(s), ddpm.level(t), errors[at - 1]),
    };
    StepCosts::new(ddpm.len(), cost).expect("costs are numbers")
}

/// N(0, ¼) with its exact denoiser.
fn gaussian_chain() -> StepCosts {
    let ddpm = Schedule::ddpm();
    fixed_end(|t| {
        let level = ddpm.level(t);
        VAR * level.one_minus_alpha_bar() / (VAR * level.alpha_bar() + level.one_minus_alpha_bar())
    })
}

/// The reference mixture with its exact denoiser.
fn mixture_chain() -> StepCosts {
    let (ddpm, law) = (Schedule::ddpm(), Mixture1::reference());
    fixed_end(|t| Noising::variance_preserving(ddpm.alpha_bar(t)).map_or(f64::NAN, |level| law.mmse(level)))
}

fn full(costs: &StepCosts) -> f64 {
    let all: Vec<Timestep> = (1..=costs.steps()).rev().map(Timestep::new).collect();
    costs.along(&all).unwrap_or(f64::NAN)
}

/// SNR at t = 1 and at t = T.
fn ends() -> (f64, f64) {
    let ddpm = Schedule::ddpm();
    (ddpm.level(Timestep::new(1)).snr(), ddpm.level(ddpm.last()).snr())
}

/// ½ (K − 1)(R^{1/(K−1)} − 1), R the ratio of 1 + v SNR at both ends.
fn equal_ratios(count: usize) -> f64 {
    let (signal, noise) = ends();
    let (ratio, steps) = ((1.0 + VAR * signal) / (1.0 + VAR * noise), count as f64 - 1.0);
    0.5 * steps * (ratio.powf(1.0 / steps) - 1.0)
}

fn times(costs: &StepCosts, count: usize) -> Vec<usize> {
    costs.best(count).map_or(Vec::new(), |best| best.times.iter().map(|t| t.get()).collect())
}

fn spaced_times(spacing: &Spacing, count: usize) -> Vec<usize> {
    spacing.model_timesteps(1000, count).unwrap_or_default().into_iter().map(|i| i + 1).collect()
}

fn spaced(costs: &StepCosts, spacing: &Spacing, count: usize) -> f64 {
    let times: Vec<Timestep> = spaced_times(spacing, count).into_iter().map(Timestep::new).collect();
    costs.along(&times).unwrap_or(f64::NAN)
}

/// β = 12 values equally spaced from 0.01 to 0.45.
fn short() -> Schedule {
    Schedule::new(Betas::linear(12, 0.01, 0.45).expect("constants inside the valid range"))
}

/// E(x₀ − √ᾱ x_t)² for N(0, ¼).
fn mismatched(t: Level) -> f64 {
    let noise = t.one_minus_alpha_bar();
    VAR * noise * noise + t.alpha_bar() * noise
}

/// Twelve steps with the denoiser √ᾱ x_t, the last step free.
fn mismatched_chain() -> StepCosts {
    let schedule = short();
    let cost = |s: Timestep, t: Timestep| {
        let level = schedule.level(t);
        match s.get() {
            0 => decoder_cost(level, mismatched(level)),
            _ => step_cost(schedule.level(s), level, mismatched(level)),
        }
    };
    StepCosts::new(schedule.len(), cost).expect("costs are numbers")
}
