//! Samplers: orders of convergence, laws on Gaussian data, and a trajectory of the built-in network.

use alphabar::check::sampler::{self as check, Added, Journey, Mesh};
use alphabar::onnx::{Job, ModelSource, Network, RuntimeOptions, Sampler, SessionOptions, load_or_install};
use alphabar::plan::{Ancestral, Clip, ClippedEpsilon, DDIM, DDPM, Ddim, DpmSolver, DpmSolverPlusPlus2M, Grid, Heun, Noise, Order, Plan, Prediction, Recipe, ReverseVariance, Route, Scheduler, Spacing};
use alphabar::posterior::Moments;
use alphabar::variance::gaussian_variance;
use alphabar::{Betas, Schedule, Timestep, noise};
use anyhow::{Context as _, Result};
use ndarray::Array2;
use plotters::style::RGBColor;

use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, RED, Series, panels, sheet};

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let every = Journey::every(&Schedule::ddpm());
    let ancestral_law = |added, data| output(ancestral(&every.route, added), &every, data);
    let var = |added, data| format!("{:.8}", ancestral_law(added, data).var);
    let trailing = |steps| {
        let journey = trailing(steps);
        format!("{:.6}", output(ddim(&journey.route, 0.0), &journey, HALF).var)
    };
    let order = |solver: Solver| {
        let error = |steps| check::flow_error(solver, Mesh::Uniform, steps).unwrap_or(f64::NAN).abs();
        format!("{:.3}", (error(160) / error(320)).log2())
    };
    let partial = |eta| format!("{:.4}", partial_covariance(eta)).replace('-', "−");
    let start = every.schedule.level(every.schedule.last());
    let shift = start.alpha_bar() * HALF.mean * HALF.var / marginal_var(start.alpha_bar());
    let last = law_along(ancestral(&every.route, Added::BetaTilde), &every, HALF).nth(999);
    vec![
        ("unit_beta", var(Added::Beta, UNIT)),
        ("unit_tilde", var(Added::BetaTilde, UNIT)),
        ("half_beta", var(Added::Beta, HALF)),
        ("half_tilde", var(Added::BetaTilde, HALF)),
        ("half_mean", format!("{:.8}", ancestral_law(Added::BetaTilde, HALF).mean)),
        ("half_mean_by_shift", format!("{:.8}", HALF.mean - shift)),
        ("gap_500", crate::evidence::scientific(gap(500), 2)),
        ("gap_0", crate::evidence::scientific(last.map_or(f64::NAN, |(_, law)| divergence(HALF, law)), 2)),
        ("trailing_10", trailing(10)),
        ("trailing_50", trailing(50)),
        ("trailing_1000", trailing(1000)),
        ("cosines_10", format!("{:.6}", cosines(10))),
        ("angle", format!("{:.4}", angle(&every, 1000))),
        ("equal_angles_10", format!("{:.4}", equal_angles(10))),
        ("equal_angles_50", format!("{:.4}", equal_angles(50))),
        ("partial_0", partial(0.0)),
        ("partial_half", partial(0.5f64.sqrt())),
        ("order_ddim", order(|grid| dpm(Order::First, grid))),
        ("order_heun", order(heun)),
        ("order_2", order(|grid| dpm(Order::Second, grid))),
        ("order_3", order(|grid| dpm(Order::Third, grid))),
        ("order_2m", order(multistep)),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let mut all = vec![orders(), laws()];
    match digits() {
        Ok(figure) => all.push(figure),
        // The committed picture stays; nothing else in the book needs a runtime.
        Err(error) => eprintln!("figures/sampler_mnist.svg is left as it is: {error:#}"),
    }
    all
}

const UNIT: Moments = Moments { mean: 0.0, var: 1.0 };
const HALF: Moments = Moments { mean: 0.5, var: 0.25 };

type Solver = fn(&Grid) -> alphabar::Result<Plan>;

/// Name, colour, evaluations a step.
const SOLVERS: [(&str, RGBColor, usize, Solver); 5] = [
    ("DDIM", BLUE, 1, |grid| dpm(Order::First, grid)),
    ("Heun", ORANGE, 2, heun),
    ("DPM-Solver-2", GREEN, 2, |grid| dpm(Order::Second, grid)),
    ("DPM-Solver++ 2M", PURPLE, 1, multistep),
    ("DPM-Solver-3", RED, 3, |grid| dpm(Order::Third, grid)),
];

fn dpm(order: Order, grid: &Grid) -> alphabar::Result<Plan> {
    DpmSolver { prediction: Prediction::Epsilon, clip: Clip::None, order }.plan(grid)
}

fn multistep(grid: &Grid) -> alphabar::Result<Plan> {
    DpmSolverPlusPlus2M { prediction: Prediction::Epsilon, clip: Clip::None }.plan(grid)
}

fn heun(grid: &Grid) -> alphabar::Result<Plan> {
    Heun { prediction: Prediction::Epsilon, clip: Clip::None }.plan(grid)
}

fn ddim(route: &Route, eta: f64) -> alphabar::Result<Plan> {
    let clipped_epsilon = ClippedEpsilon::AsPredicted;
    Ddim { prediction: Prediction::Epsilon, clip: Clip::None, clipped_epsilon, eta }.plan(route)
}

fn ancestral(route: &Route, added: Added) -> alphabar::Result<Plan> {
    let variance = match added {
        Added::Beta => ReverseVariance::Beta,
        Added::BetaTilde => ReverseVariance::BetaTilde,
    };
    Ancestral { prediction: Prediction::Epsilon, clip: Clip::None, variance }.plan(route)
}

/// Ancestral sampling with the variance that is right for N(½, ¼).
fn with_optimal_variance(route: &Route) -> alphabar::Result<Plan> {
    let mut steps = ancestral(route, Added::BetaTilde)?.steps().to_vec();
    for (step, visit) in steps.iter_mut().zip(route.visits()) {
        if let Noise::Scaled { std } = &mut step.noise {
            *std = gaussian_variance(&visit.transition, HALF.var)?.sqrt();
        }
    }
    Plan::new("ancestral, optimal variance", 1.0, steps)
}

/// Time and law after every step, from N(0, 1), for the exact network.
fn law_along(
    plan: alphabar::Result<Plan>,
    journey: &Journey,
    data: Moments,
) -> impl Iterator<Item = (usize, Moments)> {
    let laws = plan.ok().and_then(|plan| check::law(&plan, UNIT, journey.network(Prediction::Epsilon, data)));
    let targets: Vec<usize> = journey.route.visits().iter().map(|visit| visit.target.get()).collect();
    targets.into_iter().zip(laws.unwrap_or_default())
}

fn output(plan: alphabar::Result<Plan>, journey: &Journey, data: Moments) -> Moments {
    law_along(plan, journey, data).last().map_or(Moments { mean: f64::NAN, var: f64::NAN }, |(_, law)| law)
}

fn trailing(steps: usize) -> Journey {
    let indices = Spacing::Trailing.model_timesteps(1000, steps).expect("at most 1000 steps");
    let times: Vec<usize> = indices.iter().map(|i| i + 1).collect();
    Journey::new(&Schedule::ddpm(), &times).expect("decreasing times")
}

/// Variance of x_t for data of variance ¼.
fn marginal_var(alpha_bar: f64) -> f64 {
    alpha_bar * HALF.var + 1.0 - alpha_bar
}

/// KL(q ‖ p) of two Gaussians, nat.
fn divergence(q: Moments, p: Moments) -> f64 {
    let ratio = q.var / p.var;
    0.5 * (ratio + (q.mean - p.mean).powi(2) / p.var - 1.0 - ratio.ln())
}

/// KL(q(x_t) ‖ law of the sampler with β̃) on N(½, ¼).
fn gap(t: usize) -> f64 {
    let every = Journey::every(&Schedule::ddpm());
    let kept = every.schedule.alpha_bar(Timestep::new(t));
    let q = Moments { mean: kept.sqrt() * HALF.mean, var: marginal_var(kept) };
    let found = law_along(ancestral(&every.route, Added::BetaTilde), &every, HALF).find(|(at, _)| *at == t);
    found.map_or(f64::NAN, |(_, law)| divergence(q, law))
}

/// Angle of the direction (√(ᾱ v), σ).
fn angle(journey: &Journey, t: usize) -> f64 {
    let level = journey.schedule.level(Timestep::new(t));
    level.noise_std().atan2(level.signal() * HALF.var.sqrt())
}

/// Output variance of DDIM with trailing steps, from the angles alone.
fn cosines(steps: usize) -> f64 {
    let journey = trailing(steps);
    let squares = journey.route.visits().iter().map(|visit| {
        let turn = angle(&journey, visit.t.get()) - angle(&journey, visit.target.get());
        turn.cos().powi(2)
    });
    let start = marginal_var(journey.schedule.alpha_bar(Timestep::new(1000)));
    HALF.var / start * squares.product::<f64>()
}

/// Output variance of DDIM if every step turned by the same angle.
fn equal_angles(steps: i32) -> f64 {
    let journey = Journey::every(&Schedule::ddpm());
    let start = marginal_var(journey.schedule.alpha_bar(Timestep::new(1000)));
    HALF.var / start * (angle(&journey, 1000) / f64::from(steps)).cos().powi(2 * steps)
}

/// Cov(x₀, x_2 | x_1) for β = (0.1, 0.3, …) and data of variance 0.6.
fn partial_covariance(eta: f64) -> f64 {
    let schedule = Schedule::new(Betas::new(vec![0.1, 0.3]).expect("βs in (0, 1)"));
    let (signal, noise) = (0.63f64.sqrt(), 0.37);
    ddim(&Route::every(&schedule), eta).map_or(f64::NAN, |plan| {
        let parts = check::reparameterised(&plan.steps()[0], signal, noise);
        check::partial_covariance(parts, [signal, noise.sqrt()], 0.6)
    })
}

fn orders() -> Figure {
    let counts = [8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512];
    let panel = |title: &str, x: &str, most: f64, evaluations: bool| Panel {
        title: title.into(),
        x: Axis::log(x, 8.0, most),
        y: Axis::log("error of x", 1e-9, 1.0),
        series: SOLVERS
            .iter()
            .map(|&(name, colour, each, solver)| {
                let error = |steps| check::flow_error(solver, Mesh::Uniform, steps).unwrap_or(f64::NAN).abs();
                let across = |steps: usize| (if evaluations { steps * each } else { steps }) as f64;
                Series::line(name, colour, counts.map(|steps| (across(steps), error(steps))))
            })
            .collect(),
    };
    let left = panel("error over steps", "steps", 512.0, false);
    panels("sampler", 2, vec![left, panel("error over evaluations", "evaluations of the network", 1536.0, true)])
}

fn laws() -> Figure {
    let every = Journey::every(&Schedule::ddpm());
    let shown = |t: usize| t < 20 || t < 100 && t.is_multiple_of(4) || t.is_multiple_of(20);
    let excess = |plan: alphabar::Result<Plan>| {
        let schedule = every.schedule.clone();
        law_along(plan, &every, HALF).filter(move |(t, _)| *t > 0 && shown(*t)).map(move |(t, law)| {
            let var = marginal_var(schedule.alpha_bar(Timestep::new(t)));
            (t as f64, 100.0 * (law.var / var - 1.0))
        })
    };
    let left = Panel {
        title: "the sampler's variance against q(xₜ)".into(),
        x: Axis::log("t", 1.0, 1000.0),
        y: Axis::linear("excess, per cent", -2.0, 2.0),
        series: vec![
            Series::line("σ² = β", ORANGE, excess(ancestral(&every.route, Added::Beta))),
            Series::line("σ² = β̃", BLUE, excess(ancestral(&every.route, Added::BetaTilde))),
            Series::line("optimal σ²", GREEN, excess(with_optimal_variance(&every.route))).drawn(Mark::Dashes),
        ],
    };
    let counts = [5, 7, 10, 14, 20, 30, 50, 80, 125, 250, 500, 1000];
    let over = |build: fn(&Route) -> alphabar::Result<Plan>| {
        counts.map(|steps| {
            let journey = trailing(steps);
            (steps as f64, output(build(&journey.route), &journey, HALF).var)
        })
    };
    let right = Panel {
        title: "variance of the samples; the data's is ¼".into(),
        x: Axis::log("steps", 5.0, 1000.0),
        y: Axis::linear("variance", 0.05, 0.4),
        series: vec![
            Series::line("σ² = β", ORANGE, over(|route| ancestral(route, Added::Beta))),
            Series::line("σ² = β̃ (η = 1)", BLUE, over(|route| ancestral(route, Added::BetaTilde))),
            Series::line("optimal σ²", GREEN, over(with_optimal_variance)).drawn(Mark::Dashes),
            Series::line("DDIM, η = 0", PURPLE, over(|route| ddim(route, 0.0))),
            Series::line("", GREY, [(5.0, 0.25), (1000.0, 0.25)]).drawn(Mark::Dashes),
        ],
    };
    panels("sampler_law", 2, vec![left, right])
}

/// x_t and x̂₀ along 50 steps of the built-in network: DDIM and ancestral sampling from one x_T.
fn digits() -> Result<Figure> {
    const SHOWN: [usize; 10] = [1000, 900, 800, 700, 600, 500, 400, 300, 200, 100];
    let source = ModelSource::fixture();
    let text = source.scheduler.clone().context("the built-in network has a scheduler")?;
    let scheduler = Scheduler::from_json(&text.text)?.spacing(Spacing::Trailing);
    let schedule = scheduler.schedule()?;
    let found = load_or_install(&RuntimeOptions::from_environment(), &mut |line| println!("{line}"))?;
    let sampler = Sampler::new(Network::open(found, &source, &SessionOptions::new())?, scheduler.clone());
    let [channels, height, width] = sampler.shape();
    let (seeds, labels) = ([4], [2]);
    let grey = |values: &[f32], bound: f64| {
        let level = |x: &f32| (127.5 + 127.5 * (f64::from(*x) / bound).clamp(-1.0, 1.0)).round() as u8;
        Array2::from_shape_vec((height, width), values.iter().map(level).collect())
    };
    let mut rows = Vec::new();
    for (name, method) in [("DDIM", &DDIM), ("ancestral", &DDPM)] {
        let plan = Recipe::new(method).scheduler(scheduler.clone()).steps(50).plan()?;
        let mut x = vec![0f32; channels * height * width];
        noise::fill_batch(&seeds, 0, &mut x);
        let (mut states, mut predictions) = (Vec::new(), Vec::new());
        let mut wrong = None;
        let job = Job::new(&plan, &seeds).labels(&labels);
        let mut batches = sampler.start(job)?;
        let last = batches.next_observed(&mut |moment| {
            let t = plan.steps()[moment.step].t.unwrap_or(0);
            if SHOWN.contains(&t) {
                let level = schedule.level(Timestep::new(t));
                let bound = level.signal() + 1.5 * level.noise_std();
                match (grey(&x, bound), grey(moment.x0, 1.0)) {
                    (Ok(state), Ok(prediction)) => {
                        states.push(state);
                        predictions.push(prediction);
                    }
                    (Err(error), _) | (_, Err(error)) => wrong = Some(error),
                }
            }
            x.copy_from_slice(moment.x);
        });
        let sample = last.context("one seed makes one batch")??;
        if let Some(error) = wrong {
            return Err(error.into());
        }
        let sample: Vec<f32> = sample.samples.iter().copied().collect();
        states.push(grey(&sample, 1.0)?);
        rows.push((format!("{name}, xₜ"), states));
        rows.push(("x̂₀".to_string(), predictions));
    }
    Ok(sheet("sampler_mnist", &rows, 2))
}
