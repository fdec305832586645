//! Wrong schedules: what a slip in the formula of β makes of the table.

use std::f64::consts::{FRAC_PI_2, PI};

use super::{Kind, Named};
use crate::check::fault::{Fault, shipped, slip};

/// A wrong formula for the βs of a named schedule.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleFault {
    /// What was done.
    pub fault: Fault,
    /// Which curve was meant.
    pub kind: Kind,
    /// β at index i of the schedule meant.
    pub beta: fn(&Named, usize) -> f64,
}

fn unit(named: &Named, i: usize) -> f64 {
    i as f64 / (named.steps.max(2) - 1) as f64
}

fn line(named: &Named, u: f64) -> f64 {
    named.start + (named.end - named.start) * u
}

/// cos² of the schedule's angle at u = t/T, as the paper has it.
fn squared_cosine(u: f64) -> f64 {
    ((u + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2)
}

/// β from any ᾱ curve, capped.
fn from_curve(f: impl Fn(f64) -> f64, named: &Named, i: usize, cap: f64) -> f64 {
    let total = named.steps as f64;
    (1.0 - f((i as f64 + 1.0) / total) / f(i as f64 / total)).min(cap)
}

/// Every known wrong schedule.
pub const SCHEDULE_FAULTS: &[ScheduleFault] = &[
    ScheduleFault {
        fault: shipped(
            "cosine_integer_division",
            "integer division: t/T is 0 for every t < T, so every beta but the last is 0",
        ),
        kind: Kind::Cosine,
        beta: |named, i| {
            let f = |t: usize| squared_cosine((t / named.steps) as f64);
            (1.0 - f(i + 1) / f(i)).min(0.999)
        },
    },
    ScheduleFault {
        fault: slip("cosine_without_square", "cos where cos² was meant"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(|u| ((u + 0.008) / 1.008 * FRAC_PI_2).cos(), named, i, 0.999),
    },
    ScheduleFault {
        fault: slip("cosine_without_offset", "the offset s = 0.008 is missing"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(|u| (u * FRAC_PI_2).cos().powi(2), named, i, 0.999),
    },
    ScheduleFault {
        fault: slip("cosine_offset_not_normalised", "(t/T + s) is not divided by (1 + s)"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(|u| ((u + 0.008) * FRAC_PI_2).cos().powi(2), named, i, 0.999),
    },
    ScheduleFault {
        fault: slip("cosine_offset_ten_times", "the offset is 0.08 where 0.008 was meant"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(|u| ((u + 0.08) / 1.08 * FRAC_PI_2).cos().powi(2), named, i, 0.999),
    },
    ScheduleFault {
        fault: slip("cosine_whole_pi", "π where π/2 was meant"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(|u| ((u + 0.008) / 1.008 * PI).cos().powi(2), named, i, 0.999),
    },
    ScheduleFault {
        fault: slip("cosine_quarter_pi", "π/4 where π/2 was meant"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(|u| ((u + 0.008) / 1.008 * PI / 4.0).cos().powi(2), named, i, 0.999),
    },
    ScheduleFault {
        fault: slip("cosine_in_degrees", "the angle is in degrees, the cosine takes radians"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(|u| ((u + 0.008) / 1.008 * 90.0).cos().powi(2), named, i, 0.999),
    },
    ScheduleFault {
        fault: slip("cosine_sine", "sin where cos was meant"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(|u| ((u + 0.008) / 1.008 * FRAC_PI_2).sin().powi(2), named, i, 0.999),
    },
    ScheduleFault {
        fault: slip("cosine_uncapped", "the cap of 0.999 on beta is missing"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(squared_cosine, named, i, f64::INFINITY),
    },
    ScheduleFault {
        fault: slip("cosine_cap_0_9999", "beta is capped at 0.9999 where 0.999 was meant"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(squared_cosine, named, i, 0.9999),
    },
    ScheduleFault {
        fault: slip("cosine_cap_0_02", "beta is capped at 0.02, the linear schedule's end"),
        kind: Kind::Cosine,
        beta: |named, i| from_curve(squared_cosine, named, i, 0.02),
    },
    ScheduleFault {
        fault: slip(
            "cosine_one_step_late",
            "f(t + 1)/f(t) where f(t)/f(t − 1) was meant: the table is shifted by one",
        ),
        kind: Kind::Cosine,
        beta: |named, i| {
            let f = |t: usize| squared_cosine(t as f64 / named.steps as f64);
            (1.0 - f(i + 2) / f(i + 1)).clamp(0.0, 0.999)
        },
    },
    ScheduleFault {
        fault: slip("cosine_divided_by_steps_minus_one", "t/(T − 1) where t/T was meant"),
        kind: Kind::Cosine,
        beta: |named, i| {
            let f = |t: usize| squared_cosine(t as f64 / (named.steps.max(2) - 1) as f64);
            (1.0 - f(i + 1) / f(i)).clamp(0.0, 0.999)
        },
    },
    ScheduleFault {
        fault: slip("cosine_divided_by_steps_plus_one", "t/(T + 1) where t/T was meant"),
        kind: Kind::Cosine,
        beta: |named, i| {
            let f = |t: usize| squared_cosine(t as f64 / (named.steps + 1) as f64);
            (1.0 - f(i + 1) / f(i)).min(0.999)
        },
    },
    ScheduleFault {
        fault: slip("cosine_ratio_upside_down", "1 − f(t − 1)/f(t) where 1 − f(t)/f(t − 1) was meant"),
        kind: Kind::Cosine,
        beta: |named, i| {
            let f = |t: usize| squared_cosine(t as f64 / named.steps as f64);
            (1.0 - f(i) / f(i + 1)).min(0.999)
        },
    },
    ScheduleFault {
        fault: slip("cosine_alphas_for_betas", "these are the alphas f(t)/f(t − 1), not the betas"),
        kind: Kind::Cosine,
        beta: |named, i| 1.0 - from_curve(squared_cosine, named, i, 0.999),
    },
    ScheduleFault {
        fault: slip("cosine_alpha_bar_for_betas", "this is ᾱ_t = f(t)/f(0), not beta"),
        kind: Kind::Cosine,
        beta: |named, i| squared_cosine((i + 1) as f64 / named.steps as f64) / squared_cosine(0.0),
    },
    ScheduleFault {
        fault: slip("cosine_not_a_ratio", "1 − f(t)/f(0) where 1 − f(t)/f(t − 1) was meant: this is 1 − ᾱ"),
        kind: Kind::Cosine,
        beta: |named, i| (1.0 - squared_cosine((i + 1) as f64 / named.steps as f64) / squared_cosine(0.0)).min(0.999),
    },
    ScheduleFault {
        fault: slip("linear_endpoint_left_out", "divided by T where T − 1 was meant: the last beta is never reached"),
        kind: Kind::Linear,
        beta: |named, i| line(named, i as f64 / named.steps as f64),
    },
    ScheduleFault {
        fault: slip("linear_start_left_out", "counted from 1 and divided by T: the first beta is never used"),
        kind: Kind::Linear,
        beta: |named, i| line(named, (i + 1) as f64 / named.steps as f64),
    },
    ScheduleFault {
        fault: slip("linear_reversed", "first and last beta are exchanged: the schedule runs backwards"),
        kind: Kind::Linear,
        beta: |named, i| line(named, 1.0 - unit(named, i)),
    },
    ScheduleFault {
        fault: slip("linear_integer_division", "integer division: i/(T − 1) is 0 for every i < T − 1"),
        kind: Kind::Linear,
        beta: |named, i| line(named, (i / (named.steps.max(2) - 1)) as f64),
    },
    ScheduleFault {
        fault: slip("linear_geometric", "equally spaced in the logarithm where equally spaced was meant"),
        kind: Kind::Linear,
        beta: |named, i| named.start * (named.end / named.start).powf(unit(named, i)),
    },
    ScheduleFault {
        fault: slip("linear_rises_past_end", "start + end·i/(T − 1): the start was not subtracted from the rise"),
        kind: Kind::Linear,
        beta: |named, i| named.start + named.end * unit(named, i),
    },
    ScheduleFault {
        fault: slip("linear_start_ten_times", "the first beta is 10 times the one meant"),
        kind: Kind::Linear,
        beta: |named, i| line(&Named { start: 10.0 * named.start, ..*named }, unit(named, i)),
    },
    ScheduleFault {
        fault: slip("linear_end_ten_times", "the last beta is 10 times the one meant"),
        kind: Kind::Linear,
        beta: |named, i| line(&Named { end: 10.0 * named.end, ..*named }, unit(named, i)),
    },
    ScheduleFault {
        fault: slip("linear_end_a_tenth", "the last beta is a tenth of the one meant"),
        kind: Kind::Linear,
        beta: |named, i| line(&Named { end: named.end / 10.0, ..*named }, unit(named, i)),
    },
    ScheduleFault {
        fault: slip("scaled_linear_without_square", "the equally spaced roots were not squared: this is √β"),
        kind: Kind::ScaledLinear,
        beta: |named, i| line(&roots(named), unit(named, i)),
    },
    ScheduleFault {
        fault: slip("scaled_linear_without_root", "the end points' roots were not taken: (start … end)² "),
        kind: Kind::ScaledLinear,
        beta: |named, i| line(named, unit(named, i)).powi(2),
    },
    ScheduleFault {
        fault: slip(
            "scaled_linear_endpoint_left_out",
            "divided by T where T − 1 was meant: the end is never reached",
        ),
        kind: Kind::ScaledLinear,
        beta: |named, i| line(&roots(named), i as f64 / named.steps as f64).powi(2),
    },
    ScheduleFault {
        fault: slip("scaled_linear_reversed", "first and last beta are exchanged: the schedule runs backwards"),
        kind: Kind::ScaledLinear,
        beta: |named, i| line(&roots(named), 1.0 - unit(named, i)).powi(2),
    },
    ScheduleFault {
        fault: slip("sigmoid_not_rescaled", "the logistic curve was not brought into (start, end)"),
        kind: Kind::Sigmoid,
        beta: |named, i| logistic(12.0 * unit(named, i) - 6.0),
    },
    ScheduleFault {
        fault: slip("sigmoid_half_range", "u runs from −3 to 3 where −6 to 6 was meant"),
        kind: Kind::Sigmoid,
        beta: |named, i| line(named, logistic(6.0 * unit(named, i) - 3.0)),
    },
    ScheduleFault {
        fault: slip("sigmoid_reversed", "the sign of u is wrong: the schedule runs backwards"),
        kind: Kind::Sigmoid,
        beta: |named, i| line(named, logistic(6.0 - 12.0 * unit(named, i))),
    },
    ScheduleFault {
        fault: slip("sigmoid_start_not_added", "σ(u)·(end − start) without the start added"),
        kind: Kind::Sigmoid,
        beta: |named, i| logistic(12.0 * unit(named, i) - 6.0) * (named.end - named.start),
    },
    ScheduleFault {
        fault: slip("jsd_one_step_early", "1/(T − t + 2) where 1/(T − t + 1) was meant: β_T is ½ and not 1"),
        kind: Kind::Jsd,
        beta: |named, i| 1.0 / (named.steps - i + 1) as f64,
    },
    ScheduleFault {
        fault: slip("jsd_reversed", "1/t where 1/(T − t + 1) was meant: the schedule runs backwards"),
        kind: Kind::Jsd,
        beta: |_, i| 1.0 / (i + 1) as f64,
    },
];

fn roots(named: &Named) -> Named {
    Named { start: named.start.sqrt(), end: named.end.sqrt(), ..*named }
}

fn logistic(u: f64) -> f64 {
    1.0 / (1.0 + (-u).exp())
}
