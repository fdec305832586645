//! Schedules: what their names mean, how they end, and the digits of 1 − ᾱ.

use alphabar::check::Wrong;
use alphabar::check::schedule::faults::NOISES;
use alphabar::table::{Quantity, Table, ulps};
use alphabar::{Betas, Schedule, Timestep};

use crate::evidence::scientific;
use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, RED, Series, panels};

const STEPS: usize = 1000;

/// The five schedules that are drawn side by side, with the ends that their users give them.
fn named() -> Vec<(&'static str, Schedule)> {
    let betas = [
        ("linear", Betas::linear(STEPS, 1e-4, 0.02)),
        ("scaled_linear", Betas::scaled_linear(STEPS, 8.5e-4, 0.012)),
        ("sigmoid", Betas::sigmoid(STEPS, 1e-4, 0.02)),
        ("cosine", Betas::cosine(STEPS)),
        ("jsd", Betas::jsd(STEPS)),
    ];
    betas.into_iter().filter_map(|(name, betas)| Some((name, Schedule::new(betas.ok()?)))).collect()
}

fn scaled_linear() -> Schedule {
    named().swap_remove(1).1
}

fn rescaled(schedule: &Schedule) -> Schedule {
    Schedule::new(Betas::zero_terminal_snr(schedule).expect("more than one step"))
}

fn linear_of(steps: usize) -> Schedule {
    Schedule::new(Betas::linear(steps, 1e-4, 0.02).expect("ends inside (0, 1)"))
}

fn last(schedule: &Schedule) -> alphabar::Level {
    schedule.level(schedule.last())
}

/// Relative error of a form of 1 − ᾱ_t on the linear schedule, with its sign.
fn relative_error(form: fn(&[f64]) -> Vec<f64>, t: usize) -> f64 {
    let ddpm = Schedule::ddpm();
    let right = ddpm.level(Timestep::new(t)).one_minus_alpha_bar();
    form(ddpm.betas().as_slice())[t - 1] / right - 1.0
}

/// Relative error of β̃_2 when both 1 − ᾱ come from a subtraction in f32.
fn error_of_beta_tilde() -> f64 {
    (1.0 + relative_error(wrong("one_minus_in_f32"), 1)) / (1.0 + relative_error(wrong("one_minus_in_f32"), 2)) - 1.0
}

/// The distance between two neighbouring f32 at a number.
fn ulp_of_f32(x: f64) -> f64 {
    let low = x as f32;
    f64::from(f32::from_bits(low.to_bits() + 1)) - f64::from(low)
}

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let (ddpm, cosine) = (Schedule::ddpm(), Schedule::improved_ddpm());
    let at = Timestep::new;
    let stable = scaled_linear();
    let reciprocal_squares: Vec<f64> = (1..=100_000).map(|t| 0.02 / f64::from(t).powi(2)).collect();
    let limit = Schedule::new(Betas::new(reciprocal_squares).expect("inside (0, 1)"));
    let in_f32 = |t: usize| scientific(relative_error(wrong("one_minus_in_f32"), t).abs(), 2);
    let table = Table::new(&ddpm);
    let by_subtraction = Table::ordinary::<f64>(ddpm.betas().as_slice());
    let worst = by_subtraction
        .column(Quantity::OneMinusAlphaBar)
        .iter()
        .zip(table.column(Quantity::OneMinusAlphaBar))
        .map(|(got, want)| ulps(*got, *want))
        .fold(0.0, f64::max);
    let first = ddpm.level(at(1)).one_minus_alpha_bar();
    let first_error = relative_error(wrong("one_minus_in_f32"), 1).abs() * first;
    vec![
        ("beta_500", format!("{:.8}", ddpm.beta(at(500)))),
        ("alpha_bar_500", format!("{:.6}", ddpm.alpha_bar(at(500)))),
        ("alpha_bar_1000", scientific(ddpm.alpha_bar(at(1000)), 4)),
        ("signal_1000", format!("{:.5}", last(&ddpm).signal())),
        ("log_snr_1", format!("{:.3}", ddpm.level(at(1)).log_snr())),
        ("log_snr_1000", format!("{:.3}", last(&ddpm).log_snr()).replace('-', "−")),
        ("half", ddpm.timesteps().find(|t| ddpm.alpha_bar(*t) < 0.5).map_or(0, Timestep::get).to_string()),
        ("product_from_sum_1000", scientific((-ddpm.betas().as_slice().iter().sum::<f64>()).exp(), 4)),
        ("one_minus_1", in_f32(1)),
        ("one_minus_2", in_f32(2)),
        ("one_minus_10", in_f32(10)),
        ("ulp_1", format!("{:.0}", first_error / ulp_of_f32(first))),
        ("expm1_1", scientific(relative_error(wrong("one_minus_by_expm1_in_f32"), 1).abs(), 1)),
        ("beta_tilde_2", scientific(error_of_beta_tilde().abs(), 1)),
        ("ulp_f64", format!("{worst:.0}")),
        ("cosine_beta_1", scientific(cosine.beta(at(1)), 6)),
        ("cosine_alpha_bar_500", format!("{:.6}", cosine.alpha_bar(at(500)))),
        ("cosine_beta_999", format!("{:.6}", cosine.beta(at(999)))),
        ("cosine_alpha_bar_999", scientific(cosine.alpha_bar(at(999)), 4)),
        ("cosine_alpha_bar_1000", scientific(cosine.alpha_bar(at(1000)), 4)),
        ("cosine_clipped", cosine.betas().as_slice().iter().filter(|b| **b >= 0.999).count().to_string()),
        ("sigmoid_beta_1", scientific(named()[2].1.beta(at(1)), 4)),
        ("terminal_snr", scientific(last(&ddpm).snr(), 5)),
        ("stable_signal", format!("{:.4}", last(&stable).signal())),
        ("stable_snr", scientific(last(&stable).snr(), 3)),
        ("rescaled_beta_999", format!("{:.4}", rescaled(&stable).beta(at(999)))),
        ("unscaled_beta_999", format!("{:.4}", stable.beta(at(999)))),
        ("prior_linear", scientific(last(&ddpm).prior_kl(1.0), 3)),
        ("prior_linear_image", format!("{:.4}", 784.0 * last(&ddpm).prior_kl(1.0))),
        ("prior_cosine", scientific(last(&cosine).prior_kl(1.0), 2)),
        ("prior_stable", scientific(last(&stable).prior_kl(1.0), 2)),
        ("prior_028", scientific(last(&ddpm).prior_kl(0.28f64.sqrt()), 2)),
        ("prior_028_bits", scientific(last(&ddpm).prior_kl(0.28f64.sqrt()) / std::f64::consts::LN_2, 2)),
        ("short_chain", format!("{:.3}", last(&linear_of(100)).alpha_bar())),
        ("log_alpha_bar_100", format!("{:.3}", last(&linear_of(100)).log_alpha_bar()).replace('-', "−")),
        ("log_alpha_bar_1000", format!("{:.3}", last(&ddpm).log_alpha_bar()).replace('-', "−")),
        ("log_alpha_bar_10000", format!("{:.3}", last(&linear_of(10_000)).log_alpha_bar()).replace('-', "−")),
        ("inverse_squares", format!("{:.6}", last(&limit).alpha_bar())),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    vec![side_by_side(), digits()]
}

/// A curve over t, every fifth step and both ends.
fn over_time(schedule: &Schedule, f: impl Fn(Timestep) -> f64) -> Vec<(f64, f64)> {
    let shown = |t: &Timestep| t.get().is_multiple_of(5) || t.get() < 5 || t.get() + 5 > schedule.len();
    schedule.timesteps().filter(shown).map(|t| (t.get() as f64, f(t))).collect()
}

fn side_by_side() -> Figure {
    let colours = [BLUE, ORANGE, GREEN, PURPLE, RED];
    let all = |labelled: bool, f: &dyn Fn(&Schedule, Timestep) -> f64| -> Vec<Series> {
        named()
            .iter()
            .zip(colours)
            .map(|((name, schedule), colour)| {
                let label = if labelled { name } else { "" };
                Series::line(label, colour, over_time(schedule, |t| f(schedule, t)))
            })
            .collect()
    };
    let time = || Axis::linear("t", 0.0, STEPS as f64);
    let betas = Panel {
        title: "βₜ".into(),
        x: time(),
        y: Axis::log("variance added", 1e-5, 1.0),
        series: all(false, &|schedule, t| schedule.beta(t)),
    };
    let kept = Panel {
        title: "ᾱₜ".into(),
        x: time(),
        y: Axis::linear("share of the data's variance", 0.0, 1.0),
        series: all(true, &|schedule, t| schedule.alpha_bar(t)),
    };
    let log_snr = Panel {
        title: "λₜ = ln SNR".into(),
        x: time(),
        y: Axis::linear("nats", -20.0, 12.0),
        series: all(false, &|schedule, t| schedule.level(t).log_snr()),
    };
    let before = scaled_linear();
    let after = rescaled(&before);
    let end = Panel {
        title: "zero terminal SNR".into(),
        x: Axis::linear("t", 500.0, 1000.0),
        y: Axis::linear("signal √ᾱₜ", 0.0, 0.7),
        series: vec![
            Series::line("scaled_linear", ORANGE, over_time(&before, |t| before.level(t).signal())),
            Series::line("rescaled", BLUE, over_time(&after, |t| after.level(t).signal())),
        ],
    };
    let visible = |series: Vec<Series>| -> Vec<Series> {
        series
            .into_iter()
            .map(|s| Series { points: s.points.into_iter().filter(|p| p.0 >= 500.0).collect(), ..s })
            .collect()
    };
    let end = Panel { series: visible(end.series), ..end };
    panels("schedule", 2, vec![betas, kept, log_snr, end])
}

fn digits() -> Figure {
    let ddpm = Schedule::ddpm();
    let betas = ddpm.betas().as_slice();
    let right = |t: usize| ddpm.level(Timestep::new(t)).one_minus_alpha_bar();
    // As many times per decade everywhere.
    let mut times: Vec<usize> = (0..=150).map(|k| 10f64.powf(0.02 * f64::from(k)).round() as usize).collect();
    times.dedup();
    let floor = 0.05;
    let dots = |label: &str, colour, form: fn(&[f64]) -> Vec<f64>, ulp: fn(f64) -> f64| {
        let got = form(betas);
        let error = |t: usize| ((got[t - 1] - right(t)).abs() / ulp(right(t))).max(floor);
        Series::line(label, colour, times.iter().map(|&t| (t as f64, error(t)))).drawn(Mark::Dots)
    };
    let ulp_of_f64 = |x: f64| f64::from_bits(x.to_bits() + 1) - x;
    // Below 1 a rounding is off by u/2 at most, and a place of 1 − ᾱ is at least u of it.
    let one_rounding = times.iter().map(|&t| (t as f64, 0.5 / right(t)));
    let every_rounding = times.iter().map(|&t| (t as f64, t as f64 / right(t)));
    let panel = Panel {
        title: "error of 1 − ᾱₜ on the linear schedule".into(),
        x: Axis::log("t", 1.0, 1000.0),
        y: Axis::log("units in the last place", 0.04, 1e6),
        series: vec![
            Series::line("one rounding of ᾱ", GREY, one_rounding).drawn(Mark::Dashes),
            Series::line("2t roundings at their worst", RED, every_rounding).drawn(Mark::Dashes),
            dots("subtraction in f64", BLUE, wrong("one_minus_by_subtraction"), ulp_of_f64),
            dots("subtraction in f32", ORANGE, wrong("one_minus_in_f32"), ulp_of_f32),
            dots("−expm1 of a sum in f32", GREEN, wrong("one_minus_by_expm1_in_f32"), ulp_of_f32),
        ],
    };
    panels("schedule_digits", 1, vec![panel])
}

/// 1 − ᾱ with a known mistake.
fn wrong(name: &str) -> fn(&[f64]) -> Vec<f64> {
    Wrong::named(NOISES, name).f
}
