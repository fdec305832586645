//! Wrong curves of β: what a slip in the formula of β makes of the table.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::check::{Fault, Wrong, schedule, slip};
use crate::schedule::{Curve, Definition};

/// A wrong formula for the βs of a curve.
#[derive(Clone, Copy, Debug)]
pub struct CurveFault {
    /// What was done.
    pub fault: Fault,
    /// Which curve was meant.
    pub curve: Curve,
    /// β at index i of the schedule meant.
    pub beta: fn(&Definition, usize) -> f64,
}

fn unit(meant: &Definition, i: usize) -> f64 {
    i as f64 / (meant.steps().max(2) - 1) as f64
}

fn line(meant: &Definition, u: f64) -> f64 {
    meant.start() + (meant.end() - meant.start()) * u
}

/// cos² of the schedule's angle at u = t/T, as the paper has it.
fn squared_cosine(u: f64) -> f64 {
    ((u + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2)
}

/// β from any ᾱ curve, capped.
fn from_curve(f: impl Fn(f64) -> f64, meant: &Definition, i: usize, cap: f64) -> f64 {
    let total = meant.steps() as f64;
    (1.0 - f((i as f64 + 1.0) / total) / f(i as f64 / total)).min(cap)
}

/// Every known wrong schedule.
pub const CURVE_FAULTS: &[CurveFault] = &[
    CurveFault {
        fault: Wrong::fault(schedule::faults::COSINES, "cosine_integer_division"),
        curve: Curve::Cosine,
        beta: |meant, i| {
            let f = |t: usize| squared_cosine((t / meant.steps()) as f64);
            (1.0 - f(i + 1) / f(i)).min(0.999)
        },
    },
    CurveFault {
        fault: Wrong::fault(schedule::faults::COSINES, "cosine_not_squared"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(|u| ((u + 0.008) / 1.008 * FRAC_PI_2).cos(), meant, i, 0.999),
    },
    CurveFault {
        fault: Wrong::fault(schedule::faults::COSINES, "cosine_without_offset"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(|u| (u * FRAC_PI_2).cos().powi(2), meant, i, 0.999),
    },
    CurveFault {
        fault: slip("cosine_offset_not_normalised", "(t/T + s) is not divided by (1 + s)"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(|u| ((u + 0.008) * FRAC_PI_2).cos().powi(2), meant, i, 0.999),
    },
    CurveFault {
        fault: slip("cosine_offset_ten_times", "the offset is 0.08 where 0.008 was meant"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(|u| ((u + 0.08) / 1.08 * FRAC_PI_2).cos().powi(2), meant, i, 0.999),
    },
    CurveFault {
        fault: slip("cosine_whole_pi", "π where π/2 was meant"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(|u| ((u + 0.008) / 1.008 * PI).cos().powi(2), meant, i, 0.999),
    },
    CurveFault {
        fault: slip("cosine_quarter_pi", "π/4 where π/2 was meant"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(|u| ((u + 0.008) / 1.008 * PI / 4.0).cos().powi(2), meant, i, 0.999),
    },
    CurveFault {
        fault: slip("cosine_in_degrees", "the angle is in degrees, the cosine takes radians"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(|u| ((u + 0.008) / 1.008 * 90.0).cos().powi(2), meant, i, 0.999),
    },
    CurveFault {
        fault: slip("cosine_sine", "sin where cos was meant"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(|u| ((u + 0.008) / 1.008 * FRAC_PI_2).sin().powi(2), meant, i, 0.999),
    },
    CurveFault {
        fault: Wrong::fault(schedule::faults::COSINES, "cosine_not_clipped"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(squared_cosine, meant, i, f64::INFINITY),
    },
    CurveFault {
        fault: slip("cosine_cap_0_9999", "beta is capped at 0.9999 where 0.999 was meant"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(squared_cosine, meant, i, 0.9999),
    },
    CurveFault {
        fault: slip("cosine_cap_0_02", "beta is capped at 0.02, the linear schedule's end"),
        curve: Curve::Cosine,
        beta: |meant, i| from_curve(squared_cosine, meant, i, 0.02),
    },
    CurveFault {
        fault: Wrong::fault(schedule::faults::COSINES, "cosine_shifted"),
        curve: Curve::Cosine,
        beta: |meant, i| {
            let f = |t: usize| squared_cosine(t as f64 / meant.steps() as f64);
            (1.0 - f(i + 2) / f(i + 1)).clamp(0.0, 0.999)
        },
    },
    CurveFault {
        fault: slip("cosine_divided_by_steps_minus_one", "t/(T − 1) where t/T was meant"),
        curve: Curve::Cosine,
        beta: |meant, i| {
            let f = |t: usize| squared_cosine(t as f64 / (meant.steps().max(2) - 1) as f64);
            (1.0 - f(i + 1) / f(i)).clamp(0.0, 0.999)
        },
    },
    CurveFault {
        fault: slip("cosine_divided_by_steps_plus_one", "t/(T + 1) where t/T was meant"),
        curve: Curve::Cosine,
        beta: |meant, i| {
            let f = |t: usize| squared_cosine(t as f64 / (meant.steps() + 1) as f64);
            (1.0 - f(i + 1) / f(i)).min(0.999)
        },
    },
    CurveFault {
        fault: slip("cosine_ratio_upside_down", "1 − f(t − 1)/f(t) where 1 − f(t)/f(t − 1) was meant"),
        curve: Curve::Cosine,
        beta: |meant, i| {
            let f = |t: usize| squared_cosine(t as f64 / meant.steps() as f64);
            (1.0 - f(i) / f(i + 1)).min(0.999)
        },
    },
    CurveFault {
        fault: slip("cosine_alphas_for_betas", "these are the alphas f(t)/f(t − 1), not the betas"),
        curve: Curve::Cosine,
        beta: |meant, i| 1.0 - from_curve(squared_cosine, meant, i, 0.999),
    },
    CurveFault {
        fault: slip("cosine_alpha_bar_for_betas", "this is ᾱ_t = f(t)/f(0), not beta"),
        curve: Curve::Cosine,
        beta: |meant, i| squared_cosine((i + 1) as f64 / meant.steps() as f64) / squared_cosine(0.0),
    },
    CurveFault {
        fault: slip("cosine_not_a_ratio", "1 − f(t)/f(0) where 1 − f(t)/f(t − 1) was meant: this is 1 − ᾱ"),
        curve: Curve::Cosine,
        beta: |meant, i| {
            (1.0 - squared_cosine((i + 1) as f64 / meant.steps() as f64) / squared_cosine(0.0)).min(0.999)
        },
    },
    CurveFault {
        fault: Wrong::fault(schedule::faults::LINEARS, "linear_endpoint_left_out"),
        curve: Curve::Linear,
        beta: |meant, i| line(meant, i as f64 / meant.steps() as f64),
    },
    CurveFault {
        fault: slip("linear_start_left_out", "counted from 1 and divided by T: the first beta is never used"),
        curve: Curve::Linear,
        beta: |meant, i| line(meant, (i + 1) as f64 / meant.steps() as f64),
    },
    CurveFault {
        fault: Wrong::fault(schedule::faults::LINEARS, "linear_reversed"),
        curve: Curve::Linear,
        beta: |meant, i| line(meant, 1.0 - unit(meant, i)),
    },
    CurveFault {
        fault: slip("linear_integer_division", "integer division: i/(T − 1) is 0 for every i < T − 1"),
        curve: Curve::Linear,
        beta: |meant, i| line(meant, (i / (meant.steps().max(2) - 1)) as f64),
    },
    CurveFault {
        fault: slip("linear_geometric", "equally spaced in the logarithm where equally spaced was meant"),
        curve: Curve::Linear,
        beta: |meant, i| meant.start() * (meant.end() / meant.start()).powf(unit(meant, i)),
    },
    CurveFault {
        fault: slip("linear_rises_past_end", "start + end·i/(T − 1): the start was not subtracted from the rise"),
        curve: Curve::Linear,
        beta: |meant, i| meant.start() + meant.end() * unit(meant, i),
    },
    CurveFault {
        fault: slip("linear_start_ten_times", "the first beta is 10 times the one meant"),
        curve: Curve::Linear,
        beta: |meant, i| line(&meant.clone().beta_start(10.0 * meant.start()), unit(meant, i)),
    },
    CurveFault {
        fault: slip("linear_end_ten_times", "the last beta is 10 times the one meant"),
        curve: Curve::Linear,
        beta: |meant, i| line(&meant.clone().beta_end(10.0 * meant.end()), unit(meant, i)),
    },
    CurveFault {
        fault: slip("linear_end_a_tenth", "the last beta is a tenth of the one meant"),
        curve: Curve::Linear,
        beta: |meant, i| line(&meant.clone().beta_end(meant.end() / 10.0), unit(meant, i)),
    },
    CurveFault {
        fault: Wrong::fault(schedule::faults::SCALED_LINEARS, "roots_not_squared"),
        curve: Curve::ScaledLinear,
        beta: |meant, i| line(&roots(meant), unit(meant, i)),
    },
    CurveFault {
        fault: slip("scaled_linear_without_root", "the end points' roots were not taken: (start … end)² "),
        curve: Curve::ScaledLinear,
        beta: |meant, i| line(meant, unit(meant, i)).powi(2),
    },
    CurveFault {
        fault: slip(
            "scaled_linear_endpoint_left_out",
            "divided by T where T − 1 was meant: the end is never reached",
        ),
        curve: Curve::ScaledLinear,
        beta: |meant, i| line(&roots(meant), i as f64 / meant.steps() as f64).powi(2),
    },
    CurveFault {
        fault: slip(
            "scaled_linear_reversed",
            "the roots of first and last beta are exchanged: the schedule runs backwards",
        ),
        curve: Curve::ScaledLinear,
        beta: |meant, i| line(&roots(meant), 1.0 - unit(meant, i)).powi(2),
    },
    CurveFault {
        fault: slip("sigmoid_not_rescaled", "the logistic curve was not brought into (start, end)"),
        curve: Curve::Sigmoid,
        beta: |meant, i| logistic(12.0 * unit(meant, i) - 6.0),
    },
    CurveFault {
        fault: Wrong::fault(schedule::faults::SIGMOIDS, "narrow_sigmoid"),
        curve: Curve::Sigmoid,
        beta: |meant, i| line(meant, logistic(6.0 * unit(meant, i) - 3.0)),
    },
    CurveFault {
        fault: slip("sigmoid_reversed", "the sign of u is wrong: the schedule runs backwards"),
        curve: Curve::Sigmoid,
        beta: |meant, i| line(meant, logistic(6.0 - 12.0 * unit(meant, i))),
    },
    CurveFault {
        fault: slip("sigmoid_start_not_added", "σ(u)·(end − start) without the start added"),
        curve: Curve::Sigmoid,
        beta: |meant, i| logistic(12.0 * unit(meant, i) - 6.0) * (meant.end() - meant.start()),
    },
    CurveFault {
        fault: Wrong::fault(schedule::faults::JSDS, "jsd_late"),
        curve: Curve::Jsd,
        beta: |meant, i| 1.0 / (meant.steps() - i + 1) as f64,
    },
    CurveFault {
        fault: slip("jsd_reversed", "1/t where 1/(T − t + 1) was meant: the schedule runs backwards"),
        curve: Curve::Jsd,
        beta: |_, i| 1.0 / (i + 1) as f64,
    },
];

fn roots(meant: &Definition) -> Definition {
    meant.clone().beta_start(meant.start().sqrt()).beta_end(meant.end().sqrt())
}

fn logistic(u: f64) -> f64 {
    1.0 / (1.0 + (-u).exp())
}
