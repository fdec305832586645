//! Training: the loss that is left at the optimum, times drawn where they matter, and descent to the closed form.

use alphabar::noise::{Stream, philox4x32};
use alphabar::posterior::{Moments, Posterior};
use alphabar::prediction::Prediction;
use alphabar::training::{LinearTable, TimeDistribution, linear_optimum, shared_slope};
use alphabar::weight::kl_weight;
use alphabar::{Betas, Level, Schedule, Timestep};

use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, Panel, Series, panels};

const UNIT: Moments = Moments { mean: 0.0, var: 1.0 };
const DATA: Moments = Moments { mean: 0.5, var: 0.25 };

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let (linear, cosine) = (Schedule::ddpm(), Schedule::improved_ddpm());
    let six = |x: f64| format!("{x:.6}");
    let four = |x: f64| format!("{x:.4}");
    let two = |x: f64| format!("{x:.2}");
    let mean = |schedule: &Schedule| floors(schedule).iter().sum::<f64>() / schedule.len() as f64;
    let spread = |losses: &[f64], dims: f64| relative_std(losses, dims);
    let (bound, simple) = (bound_losses(&linear), floors(&linear));
    let levels = [0.9, 0.5, 0.1].map(|a| Level::from_alpha_bar(a).expect("inside [0, 1]"));
    let shared = |weights: [f64; 3]| shared_slope(&levels, &weights, DATA).expect("three positive weights");
    let own = levels.map(|level| four(shared_slope(&[level], &[1.0], DATA).expect("one positive weight")));
    let descent = Descent::run();
    let optimum = [1, 2].map(|t| linear_optimum(descent.schedule.level(Timestep::new(t)), DATA));
    let [own_first, own_middle, own_last] = own;
    vec![
        ("floor_500", six(floors(&linear)[499])),
        ("mean_linear", six(mean(&linear))),
        ("mean_cosine", six(mean(&cosine))),
        ("bound_uniform_1", two(spread(&bound, 1.0).0)),
        ("bound_aware_1", two(spread(&bound, 1.0).1)),
        ("bound_uniform_3072", two(spread(&bound, 3072.0).0)),
        ("bound_aware_3072", format!("{:.3}", spread(&bound, 3072.0).1)),
        ("simple_uniform_3072", two(spread(&simple, 3072.0).0)),
        ("own_first", own_first),
        ("own_middle", own_middle),
        ("own_last", own_last),
        ("shared_plain", four(shared([1.0; 3]))),
        ("shared_snr", four(shared([9.0, 1.0, 1.0 / 9.0]))),
        ("descent_1", four(descent.averages[0])),
        ("descent_2", four(descent.averages[1])),
        ("optimum_1", four(optimum[0].slope)),
        ("optimum_2", four(optimum[1].slope)),
        ("draws", descent.draws.to_string()),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let linear = Schedule::ddpm();
    let every =
        |values: Vec<f64>| (1..).zip(values).filter(|(t, _)| t % 5 == 0 || *t == 1).map(|(t, y)| (f64::from(t), y));
    let floor = Panel {
        title: "loss of the best network".into(),
        x: Axis::linear("t", 0.0, 1000.0),
        y: Axis::linear("E(ε − ε*)², data N(0, 1)", 0.0, 1.0),
        series: vec![
            Series::line("cosine", ORANGE, every(floors(&Schedule::improved_ddpm()))),
            Series::line("linear", BLUE, every(floors(&linear))),
        ],
    };
    let shares = |losses: &[f64]| {
        let squares: Vec<f64> = losses.iter().map(|l| l * l).collect();
        let times = TimeDistribution::loss_aware(&squares).expect("positive losses");
        let count = times.probabilities.len();
        let first = (linear.len() - count + 1) as f64;
        let all: Vec<(f64, f64)> =
            (0..count).map(|k| (first + k as f64, count as f64 * times.probabilities[k])).collect();
        all.into_iter().filter(|(t, p)| *p >= 1e-2 && (*t < 60.0 || (*t as usize).is_multiple_of(10)))
    };
    let times = Panel {
        title: "how often to draw t".into(),
        x: Axis::log("t", 1.0, 1000.0),
        y: Axis::log("p(t) over uniform", 1e-2, 1e3),
        series: vec![
            Series::line("terms of the bound", BLUE, shares(&bound_losses(&linear))),
            Series::line("simple loss", GREEN, shares(&floors(&linear))),
            Series::line("uniform", GREY, [(1.0, 1.0), (1000.0, 1.0)]).drawn(Mark::Dashes),
        ],
    };
    let descent = Descent::run();
    let level = |t: usize| linear_optimum(descent.schedule.level(Timestep::new(t)), DATA).slope;
    let end = descent.draws as f64;
    let to = |y: f64| [(0.0, y), (end, y)];
    let path = Panel {
        title: "stochastic gradient descent, one draw a step".into(),
        x: Axis::linear("draws", 0.0, end),
        y: Axis::linear("slope", 0.0, 1.6),
        series: vec![
            Series::line("t = 1", BLUE, descent.path(0)),
            Series::line("t = 2", GREEN, descent.path(1)),
            Series::line("closed form", GREY, to(level(1))).drawn(Mark::Dashes),
            Series::line("", GREY, to(level(2))).drawn(Mark::Dashes),
        ],
    };
    vec![panels("training", 2, vec![floor, times]), panels("training_descent", 1, vec![path])]
}

/// What the best noise predictor leaves at t = 1 … T for data N(0, 1).
fn floors(schedule: &Schedule) -> Vec<f64> {
    schedule.timesteps().map(|t| linear_optimum(schedule.level(t), UNIT).floor).collect()
}

/// The same with the bound's weights for the smaller variance, t = 2 … T.
fn bound_losses(schedule: &Schedule) -> Vec<f64> {
    let weight = |(_, step)| {
        kl_weight(Prediction::Epsilon, &step, Posterior::new(&step).beta_tilde).expect("a noised level with signal")
    };
    schedule.steps().skip(1).map(weight).zip(&floors(schedule)[1..]).map(|(w, floor)| w * floor).collect()
}

/// Standard deviation of the loss at one drawn time over its mean, for uniform and for loss-aware times.
///
/// An error of `dims` independent Gaussian coordinates of variance f has a square of mean d f and second moment
/// (d² + 2d) f².
fn relative_std(losses: &[f64], dims: f64) -> (f64, f64) {
    let second: Vec<f64> = losses.iter().map(|f| (dims * dims + 2.0 * dims) * f * f).collect();
    let count = losses.len() as f64;
    let mean = dims * losses.iter().sum::<f64>() / count;
    let of = |times: &TimeDistribution| {
        let moments = second.iter().zip(&times.probabilities).zip(&times.weights);
        let square: f64 = moments.map(|((m, p), w)| p * w * w * m).sum();
        (square - mean * mean).sqrt() / mean
    };
    let uniform = TimeDistribution::uniform(losses.len()).expect("a chain has steps");
    let aware = TimeDistribution::loss_aware(&second).expect("positive losses");
    (of(&uniform), of(&aware))
}

/// One run of algorithm 1 on the smallest model with parameters.
struct Descent {
    schedule: Schedule,
    draws: usize,
    /// Slopes of t = 1 and 2 after each draw.
    slopes: Vec<[f64; 2]>,
    /// Their averages over the second half.
    averages: [f64; 2],
}

impl Descent {
    fn run() -> Self {
        let schedule = Schedule::new(Betas::new(vec![0.4, 0.5]).expect("inside the valid range"));
        let times = TimeDistribution::uniform(2).expect("two times");
        let (draws, rate) = (4000, 0.02);
        let mut table = LinearTable(vec![[0.0, 0.0]; 2]);
        let mut slopes = Vec::with_capacity(draws);
        let mut averages = [0.0; 2];
        for k in 0..draws {
            let [z, eps] = Stream::new(7).pair(0, k as u64);
            let uniform = f64::from(philox4x32([k as u32, 0, 0, 0], [7, 1])[0]) / 2f64.powi(32);
            let t = times.at(uniform);
            let x0 = DATA.mean + DATA.var.sqrt() * z;
            let slope = table.gradient(Prediction::Epsilon, t, schedule.level(t), x0, eps).expect("a noised level");
            for (entry, by) in table.0.iter_mut().zip(&slope.0) {
                (0..2).for_each(|j| entry[j] -= rate * by[j]);
            }
            let now = [table.0[0][0], table.0[1][0]];
            if k >= draws / 2 {
                (0..2).for_each(|i| averages[i] += now[i] / (draws / 2) as f64);
            }
            slopes.push(now);
        }
        Self { schedule, draws, slopes, averages }
    }

    fn path(&self, t: usize) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.slopes.iter().enumerate().step_by(20).map(move |(k, slope)| (k as f64, slope[t]))
    }
}
