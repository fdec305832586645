//! Distillation carried out on the reference mixture: students of students, down to one step.

use alphabar::distill::Target;
use alphabar::exact::{Mixture1, Noising};
use alphabar::{Level, Schedule};

use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, Series, panels};

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let world = World::new();
    let three = |x: f64| format!("{x:.3}");
    let error = |run: &dyn Fn(f64) -> f64| format!("{:.4}", world.error(run));
    let x = 0.5;
    vec![
        ("teacher", error(&|x| world.student(FIRST, x))),
        ("one_student", error(&|x| world.student(1, x))),
        ("one_ddim", error(&|x| world.ddim(1, x))),
        ("four_ddim", error(&|x| world.ddim(4, x))),
        ("sixteen_ddim", error(&|x| world.ddim(16, x))),
        ("mean", three(world.law.mean())),
        ("at", format!("{x}")),
        ("first_answer", three(world.answer(0, 1, x))),
        ("student_answer", three(world.answer(0, FIRST, x))),
        ("flow", three(world.flow(x))),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let world = World::new();
    let counts: Vec<usize> = (0..=8).map(|k| 1 << k).collect();
    let over = |run: &dyn Fn(usize, f64) -> f64| -> Vec<(f64, f64)> {
        counts.iter().map(|&steps| (steps as f64, world.error(&|x| run(steps, x)))).collect()
    };
    let left = Panel {
        title: "error of the samples over steps".into(),
        x: Axis::log("steps", 1.0, 256.0),
        y: Axis::log("root mean square", 1e-3, 10.0),
        series: vec![
            Series::line("DDIM, one network", ORANGE, over(&|steps, x| world.ddim(steps, x))),
            Series::line("", BLUE, over(&|steps, x| world.student(steps, x))),
            Series::line("students", BLUE, over(&|steps, x| world.student(steps, x))).drawn(Mark::Dots),
        ],
    };
    let across = |f: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        (-60..=60).map(|k| f64::from(k) * 0.05).map(|x| (x, f(x))).collect()
    };
    let right = Panel {
        title: "what is answered at pure noise".into(),
        x: Axis::linear("x at the start", -3.0, 3.0),
        y: Axis::linear("x̂₀", -3.0, 4.0),
        series: vec![
            Series::line("exact flow", GREY, across(&|x| world.flow(x))),
            Series::line("student, 1 step", BLUE, across(&|x| world.answer(0, FIRST, x))).drawn(Mark::Dashes),
            Series::line("student, 2 steps", PURPLE, across(&|x| world.answer(0, FIRST / 2, x))),
            Series::line("student, 4 steps", GREEN, across(&|x| world.answer(0, FIRST / 4, x))),
            Series::line("first teacher", ORANGE, across(&|x| world.answer(0, 1, x))),
        ],
    };
    vec![panels("distill", 2, vec![left, right])]
}

/// Steps of the first teacher.
const FIRST: usize = 256;

/// The reference mixture and levels that are equally spaced in angle, from noise to data.
struct World {
    law: Mixture1,
    levels: Vec<Level>,
}

impl World {
    fn new() -> Self {
        let ddpm = Schedule::ddpm();
        let widest = ddpm.level(ddpm.last()).signal().acos();
        let level = |i: usize| {
            let angle = widest * (FIRST - i) as f64 / FIRST as f64;
            if i == FIRST {
                Level::DATA
            } else {
                Level::from_alpha_bar(angle.cos().powi(2)).expect("a square of a cosine")
            }
        };
        Self { law: Mixture1::reference(), levels: (0..=FIRST).map(level).collect() }
    }

    fn noising(&self, i: usize) -> Noising {
        Noising::variance_preserving(self.levels[i].alpha_bar()).expect("ᾱ lies in [0, 1]")
    }

    /// x̂₀ at place i of the network whose steps span `stride` of the first teacher's.
    fn answer(&self, i: usize, stride: usize, x: f64) -> f64 {
        if stride == 1 {
            return self.law.x0_hat(self.noising(i), x);
        }
        let half = stride / 2;
        let middle = self.step(i, half, x);
        let end = self.step(i + half, half, middle);
        Target::new(self.levels[i + stride], self.levels[i]).map_or(f64::NAN, |target| target.at(end, x))
    }

    /// One DDIM step of that network.
    fn step(&self, i: usize, stride: usize, x: f64) -> f64 {
        turn(self.levels[i + stride], self.levels[i], x, self.answer(i, stride, x))
    }

    /// What a student of so many steps returns.
    fn student(&self, steps: usize, x: f64) -> f64 {
        let stride = FIRST / steps;
        (0..steps).fold(x, |x, k| self.step(k * stride, stride, x))
    }

    /// What DDIM returns in so many steps with the exact denoiser.
    fn ddim(&self, steps: usize, x: f64) -> f64 {
        let stride = FIRST / steps;
        (0..steps).fold(x, |x, k| {
            let (i, s) = (k * stride, (k + 1) * stride);
            turn(self.levels[s], self.levels[i], x, self.law.x0_hat(self.noising(i), x))
        })
    }

    fn flow(&self, x: f64) -> f64 {
        self.law.flow(self.noising(0), Noising::NONE, x)
    }

    /// Root mean square distance from the exact flow over 99 quantiles of x_T.
    fn error(&self, run: &dyn Fn(f64) -> f64) -> f64 {
        let start = self.law.noised(self.noising(0));
        let square = |k: u32| {
            let x = start.quantile(f64::from(k) / 100.0).unwrap_or(f64::NAN);
            (run(x) - self.flow(x)).powi(2)
        };
        ((1..100).map(square).sum::<f64>() / 99.0).sqrt()
    }
}

/// The DDIM step from t to s with x̂₀.
fn turn(s: Level, t: Level, xt: f64, x0: f64) -> f64 {
    s.signal() * x0 + s.noise_std() * (xt - t.signal() * x0) / t.noise_std()
}
