//! The points at which the cases are evaluated.

use crate::check::{Run, uniform};
use crate::schedule::{Level, Schedule, Timestep, Transition};

/// One point: everything that any case may need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) step: Transition,
    /// 0-based, as networks count.
    pub(super) index: usize,
    pub(super) x0: f64,
    pub(super) eps: f64,
    pub(super) out: f64,
    pub(super) uncond: f64,
    pub(super) scale: f64,
    pub(super) z: f64,
    pub(super) other_mean: f64,
    pub(super) var: f64,
    pub(super) other_var: f64,
}

impl Point {
    pub(super) fn level(&self) -> Level {
        self.step.t()
    }

    pub(super) fn xt(&self) -> f64 {
        self.level().signal() * self.x0 + self.level().noise_std() * self.eps
    }

    pub(super) fn v(&self) -> f64 {
        self.level().signal() * self.eps - self.level().noise_std() * self.x0
    }

    /// The input of a given name.
    pub(super) fn input(&self, name: &str) -> f64 {
        match name {
            "t" => self.index as f64,
            "beta" => self.step.beta(),
            "alpha_bar" => self.level().alpha_bar(),
            "alpha_bar_prev" => self.step.s().alpha_bar(),
            "x0" => self.x0,
            "xt" => self.xt(),
            "eps" => self.eps,
            "pred" | "cond" => self.out,
            "v" => self.v(),
            "uncond" => self.uncond,
            "scale" => self.scale,
            "z" => self.z,
            "mean1" => self.x0,
            "mean2" => self.other_mean,
            "var1" => self.var,
            "var2" => self.other_var,
            _ => f64::NAN,
        }
    }
}

/// 64 points: the first and last steps and others between, on the linear schedule of T = 1000.
pub(super) fn points() -> Vec<Point> {
    let schedule = Schedule::ddpm();
    let run = Run::default().seed(20).cases(64);
    let hard = [1, 2, 3, 10, 500, 999, 1000];
    let time = |k: usize, u: f64| hard.get(k).copied().unwrap_or(1 + (u * 1000.0) as usize);
    let point = |(k, u): (usize, [f64; 8])| {
        let t = Timestep::new(time(k, u[0]).min(1000));
        Point {
            step: schedule.step(t),
            index: t.get() - 1,
            x0: uniform(u[1], -1.0, 1.0),
            eps: uniform(u[2], -2.5, 2.5),
            out: uniform(u[3], -2.5, 2.5),
            uncond: uniform(u[4], -2.5, 2.5),
            scale: uniform(u[5], 1.5, 7.5),
            z: uniform(u[6], -2.5, 2.5),
            other_mean: uniform(u[7], -1.5, 1.5),
            var: uniform(u[3], 0.2, 2.0),
            other_var: uniform(u[4], 0.3, 3.0),
        }
    };
    run.points::<8>().enumerate().map(point).collect()
}
