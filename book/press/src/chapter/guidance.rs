//! Tempered densities, what the guided flow samples instead, and digits over the scale.

use alphabar::check::Wrong;
use alphabar::check::guidance::{Point, agreement_variance, faults::GUIDED, noised_tilt_score};
use alphabar::exact::{Gaussian1, Mixture1, Noising};
use alphabar::guidance::{GuidanceScale, guided};
use alphabar::onnx::{Job, ModelSource, Network, RuntimeOptions, Sampler, SessionOptions, load_or_install};
use alphabar::plan::{ClippedEpsilon, DDIM, Recipe, Scheduler, Spacing};
use alphabar::score::exploding_flow_velocity;
use alphabar::{Schedule, Timestep};
use anyhow::{Context as _, Result};
use ndarray::{Array2, Axis as Dimension};

use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, Series, panels, sheet};

/// The class: the component of weight 0.3.
const CLASS: usize = 0;

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let (level, data) = (middle(), Mixture1::reference());
    let (law, xt) = (data.noised(level), 0.3);
    let (c, u) = (law.class_score(CLASS, xt), law.score(xt));
    let at = Point { data: data.clone(), level, class: CLASS, xt, scale: 3.0 };
    let variance = |gamma: f64| {
        let here = Point { data: law.clone(), level: Noising::NONE, scale: gamma, ..at.clone() };
        agreement_variance(|gamma, x| law.tempered_log_pdf(CLASS, gamma, x), &here)
    };
    let ends = [1.0, 3.0].map(|gamma| moments(&carried(gamma)));
    let tilted = moments(&normalised((0..6000).map(|k| -3.0 + f64::from(k) * 1e-3), |x| {
        data.tempered_log_pdf(CLASS, 3.0, x).exp()
    }));
    vec![
        ("c", format!("{c:.4}")),
        ("u", format!("{u:.4}")),
        ("guided", format!("{:.4}", GuidanceScale::new(3.0).map_or(f64::NAN, |scale| guided(scale, c, u)))),
        ("tilt", format!("{:.4}", noised_tilt_score(&at))),
        ("shipped", format!("{:.4}", (Wrong::named(GUIDED, "scale_taken_for_weight").f)(3.0, c, u))),
        ("clean", format!("{:.2}", data.classifier_score(CLASS, xt))),
        ("noised", format!("{:.4}", law.classifier_score(CLASS, xt))),
        ("var_0", format!("{:.4}", variance(0.0))),
        ("var_1", format!("{:.4}", variance(1.0))),
        ("var_3", format!("{:.4}", variance(3.0))),
        ("mean_1", format!("{:.3}", ends[0].0)),
        ("std_1", format!("{:.3}", ends[0].1)),
        ("mean_3", format!("{:.3}", ends[1].0)),
        ("std_3", format!("{:.3}", ends[1].1)),
        ("tilt_mean", format!("{:.3}", tilted.0)),
        ("tilt_std", format!("{:.3}", tilted.1)),
    ]
}

/// t = 500 of the linear schedule.
fn middle() -> Noising {
    let level = Schedule::ddpm().level(Timestep::new(500));
    Noising::new(level.signal(), level.one_minus_alpha_bar()).unwrap_or(Noising::NONE)
}

/// Points of a density: x, density, width of the cell.
type Cells = Vec<(f64, f64, f64)>;

/// A density on evenly spaced points, made to have mass 1.
fn normalised(grid: impl Iterator<Item = f64>, f: impl Fn(f64) -> f64) -> Cells {
    let grid: Vec<f64> = grid.collect();
    let width = grid.get(1).zip(grid.first()).map_or(1.0, |(b, a)| b - a);
    let mass: f64 = grid.iter().map(|&x| f(x) * width).sum();
    grid.iter().map(|&x| (x, f(x) / mass, width)).collect()
}

/// A normal law carried from σ = 1000 to 0.005 along the flow dx/dσ = −σ·(score of p_γ), by Runge–Kutta in ln σ.
fn carried(gamma: f64) -> Cells {
    let (start, end, steps) = (1000f64.ln(), 0.005f64.ln(), 800);
    let h = (end - start) / f64::from(steps);
    let laws: Vec<(f64, Mixture1)> = (0..=2 * steps)
        .map(|k| (start + 0.5 * h * f64::from(k)).exp())
        .map(|sigma| (sigma, Mixture1::reference().noised(level(sigma))))
        .collect();
    let rate = |k: usize, x: f64| {
        let (sigma, law) = &laws[k];
        sigma * exploding_flow_velocity(*sigma, law.tempered_score(CLASS, gamma, x))
    };
    let arrive = |z: f64| {
        (0..steps as usize).fold(1000.0 * z, |x, k| {
            let a = rate(2 * k, x);
            let b = rate(2 * k + 1, x + 0.5 * h * a);
            let c = rate(2 * k + 1, x + 0.5 * h * b);
            let d = rate(2 * k + 2, x + h * c);
            x + h / 6.0 * (a + 2.0 * b + 2.0 * c + d)
        })
    };
    let dz = 0.05;
    let ends: Vec<(f64, f64)> = (-80..=80).map(|k| f64::from(k) * dz).map(|z| (z, arrive(z))).collect();
    ends.windows(3)
        .map(|w| {
            let (z, x, width) = (w[1].0, w[1].1, 0.5 * (w[2].1 - w[0].1));
            (x, (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt() * dz / width, width)
        })
        .collect()
}

fn level(sigma: f64) -> Noising {
    Noising::new(1.0, sigma * sigma).unwrap_or(Noising::NONE)
}

/// Mean and standard deviation.
fn moments(cells: &Cells) -> (f64, f64) {
    let mass: f64 = cells.iter().map(|(_, p, width)| p * width).sum();
    let mean = cells.iter().map(|(x, p, width)| x * p * width).sum::<f64>() / mass;
    let var = cells.iter().map(|(x, p, width)| (x - mean).powi(2) * p * width).sum::<f64>() / mass;
    (mean, var.sqrt())
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let mut all = vec![densities()];
    match digits() {
        Ok(figure) => all.push(figure),
        // The committed picture stays; nothing else in the book needs a runtime.
        Err(error) => eprintln!("figures/guidance_mnist.svg is left as it is: {error:#}"),
    }
    all
}

/// Ten sevens of the built-in network, 20 steps of DDIM from the same noise: over the scale, and with ε kept.
fn digits() -> Result<Figure> {
    let source = ModelSource::fixture();
    let text = source.scheduler.clone().context("the built-in network has a scheduler")?;
    let scheduler = Scheduler::from_json(&text.text)?.spacing(Spacing::Trailing);
    let found = load_or_install(&RuntimeOptions::from_environment(), &mut |line| println!("{line}"))?;
    let sampler = Sampler::new(Network::open(found, &source, &SessionOptions::new())?, scheduler.clone());
    let recipe = Recipe::new(&DDIM).scheduler(scheduler).steps(20);
    let (seeds, labels): (Vec<u64>, [i64; 10]) = ((0..10).collect(), [7; 10]);
    let grey = |x: &f32| (127.5 + 127.5 * f64::from(*x).clamp(-1.0, 1.0)).round() as u8;
    let mut rows = Vec::new();
    let implied = [0.0, 1.0, 2.0, 4.0].map(|scale| (format!("s = {scale}"), scale, ClippedEpsilon::FromClippedX0));
    let kept = [("s = 2, ε kept".to_string(), 2.0, ClippedEpsilon::AsPredicted)];
    for (label, guidance, clipped_epsilon) in implied.into_iter().chain(kept) {
        let plan = recipe.clone().clipped_epsilon(clipped_epsilon).plan()?;
        let guidance = GuidanceScale::new(guidance)?;
        let job = Job::new(&plan, &seeds).labels(&labels).guidance(guidance);
        let mut pictures: Vec<Array2<u8>> = Vec::new();
        for batch in sampler.start(job)? {
            let samples = batch?.samples;
            pictures
                .extend(samples.axis_iter(Dimension(0)).map(|sample| sample.index_axis(Dimension(0), 0).map(grey)));
        }
        rows.push((label, pictures));
    }
    Ok(sheet("guidance_mnist", &rows, 2))
}

/// Tempered densities, and where the guided flow ends.
fn densities() -> Figure {
    let law = Mixture1::reference().noised(middle());
    let tempered = |gamma: f64| {
        let law = law.clone();
        normalised((0..=160).map(|k| -5.0 + f64::from(k) / 16.0), |x| law.tempered_log_pdf(CLASS, gamma, x).exp())
            .into_iter()
            .map(|(x, density, _)| (x, density))
    };
    let noised = Panel {
        title: "p(xₜ) p(y | xₜ)^γ, t = 500".into(),
        x: Axis::linear("x", -4.0, 4.0),
        y: Axis::linear("density", 0.0, 0.55),
        series: vec![
            Series::line("γ = 0", GREY, tempered(0.0)),
            Series::line("γ = 1", GREEN, tempered(1.0)),
            Series::line("γ = 3", BLUE, tempered(3.0)),
        ],
    };
    let grid = || (0..=160).map(|k| -3.0 + f64::from(k) / 40.0 * 1.5);
    let tilted = normalised(grid(), |x| Mixture1::reference().tempered_log_pdf(CLASS, 3.0, x).exp());
    let class: Vec<Gaussian1> = Mixture1::reference().components().to_vec();
    let end = Panel {
        title: "without noise".into(),
        x: Axis::linear("x", -3.0, 3.0),
        y: Axis::linear("density", 0.0, 2.4),
        series: vec![
            Series::line("all data", GREY, grid().map(|x| (x, Mixture1::reference().pdf(x)))),
            Series::line("class", GREEN, grid().map(|x| (x, class[CLASS].pdf(x)))),
            Series::line("tempered, γ = 3", ORANGE, tilted.into_iter().map(|(x, p, _)| (x, p))).drawn(Mark::Dashes),
            Series::line("flow, γ = 1", PURPLE, carried(1.0).into_iter().map(|(x, p, _)| (x, p))).drawn(Mark::Dashes),
            Series::line("flow, γ = 3", BLUE, carried(3.0).into_iter().map(|(x, p, _)| (x, p))),
        ],
    };
    panels("guidance", 2, vec![noised, end])
}
