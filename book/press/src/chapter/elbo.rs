//! The bound of a chain: its terms over t, and the likelihood it lies above.

use alphabar::check::elbo::World;
use alphabar::elbo::{
    AffineKernel, PathLogs, ProofRow, Terms, denoising_term, expected_terms, prior_slope, prior_term, terms_at,
};
use alphabar::posterior::{Moments, Posterior, conditional_information, true_reverse};
use alphabar::{Schedule, Timestep, Transition};

use crate::evidence::scientific;
use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, RED, Series, panels};

/// Data of variance ¼ for the long chain.
const DATA: Moments = Moments { mean: 0.0, var: 0.25 };

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let toy = World::toy();
    let terms = toy_terms();
    let six = |x: f64| format!("{x:.6}").replace('-', "−");
    let four = |x: f64| format!("{x:.4}").replace('-', "−");
    let level = |t: usize| toy.schedule.level(Timestep::new(t));
    let quiet: Vec<f64> = (0..=3).map(|t| 0.8 * level(t).signal()).collect();
    let quiet = terms_at(&toy.schedule, &toy.kernel(), &quiet).expect("four states");
    let at_point =
        expected_terms(&toy.schedule, Moments { mean: 0.8, var: 0.0 }, &toy.reverse).expect("three kernels");
    let logs = PathLogs::new(&toy.schedule, &toy.kernel(), &[0.8, 0.5, 0.1, -0.7]).expect("four states");
    let step = toy.schedule.step(Timestep::new(2));
    let middle = |xt: f64| denoising_term(&step, 0.8, xt, toy.reverse[1].at(xt)).expect("t > 1");
    let (wide, narrow) = (long(Transition::beta), long(|step| Posterior::new(step).beta_tilde));
    let (wide_terms, narrow_terms) = (wide.0, narrow.0);
    let end = Schedule::ddpm().level(Timestep::new(1000));
    let half = alphabar::Level::from_alpha_bar(0.5).expect("inside [0, 1]");
    let floor = Schedule::ddpm().steps().skip(1).map(|(_, step)| conditional_information(&step, DATA.var)).sum();
    vec![
        ("toy_prior", six(terms.prior)),
        ("toy_l2", six(terms.denoising[1])),
        ("toy_l1", six(terms.denoising[0])),
        ("toy_l0", six(terms.decoder)),
        ("toy_bound", six(terms.total())),
        ("toy_nll", six(toy.nll())),
        ("toy_gap", six(toy.joint_kl())),
        ("toy_bits", four(terms.total() / std::f64::consts::LN_2)),
        ("quiet", six(quiet.total())),
        ("at_point", six(at_point.total())),
        ("nll_at_point", six(-toy.log_evidence(0.8))),
        ("path_whole", six(logs.row(ProofRow::Whole))),
        ("path_final", six(logs.row(ProofRow::Final))),
        ("kl_here", four(middle(1.0))),
        ("kl_there", four(middle(-1.0))),
        ("wide", six(wide_terms.total())),
        ("narrow", six(narrow_terms.total())),
        ("wide_nll", six(wide.1)),
        ("wide_gap", four(wide_terms.total() - wide.1)),
        ("narrow_decoder", four(narrow_terms.decoder)),
        ("wide_decoder", four(wide_terms.decoder)),
        ("wide_middle", four(wide_terms.denoising.iter().sum())),
        ("narrow_middle", four(narrow_terms.denoising.iter().sum())),
        ("floor_middle", four(floor)),
        ("prior_end", scientific(prior_term(end, 1.0), 2)),
        ("slope_end", scientific(prior_slope(end, 1.0), 2)),
        ("slope_half", four(prior_slope(half, 1.0))),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let schedule = Schedule::ddpm();
    let least: Vec<f64> =
        schedule.steps().skip(1).map(|(_, step)| conditional_information(&step, DATA.var)).collect();
    let over_t = |values: Vec<f64>| kept((2..).zip(values).map(|(t, value)| (f64::from(t), value)));
    let excess =
        |terms: &Terms| over_t(terms.denoising.iter().zip(&least).map(|(term, least)| term - least).collect());
    let wide = long(Transition::beta).0;
    let narrow = long(|step| Posterior::new(step).beta_tilde).0;
    let shown = |points: Vec<(f64, f64)>| points.into_iter().filter(|point| point.1 >= 1e-10);
    let middle = Panel {
        title: "one term of the bound".into(),
        x: Axis::log("t", 2.0, 1000.0),
        y: Axis::log("nats", 1e-10, 100.0),
        series: vec![
            Series::line("the least possible", GREY, shown(over_t(least.clone()))),
            Series::line("above it, variance β̃", ORANGE, shown(excess(&narrow))),
            Series::line("above it, variance β", BLUE, shown(excess(&wide))),
        ],
    };
    let toy = World::toy();
    let terms = toy_terms();
    let bar = |label: &str, colour, left: f64, from: f64, height: f64| {
        let (right, to) = (left + 1.0, from + height);
        let corners = vec![(left, from), (right, from), (right, to), (left, to)];
        let mut band = Series::line(label, colour, corners);
        band.mark = Mark::Band;
        band
    };
    let mut stacked = Vec::new();
    let mut height = 0.0;
    let parts = [
        ("L₀", GREY, terms.decoder),
        ("L₁", GREEN, terms.denoising[0]),
        ("L₂", BLUE, terms.denoising[1]),
        ("L_T", PURPLE, terms.prior),
    ];
    for (label, colour, term) in parts {
        stacked.push(bar(label, colour, 0.2, height, term));
        height += term;
    }
    stacked.push(bar("NLL", ORANGE, 1.5, 0.0, toy.nll()));
    stacked.push(bar("gap", RED, 1.5, toy.nll(), toy.joint_kl()));
    let sums = Panel {
        title: "two ways to one number".into(),
        x: Axis::linear("three steps: terms, and what they bound", 0.0, 4.0),
        y: Axis::linear("nats", 0.0, 1.8),
        series: stacked,
    };
    vec![panels("elbo", 2, vec![middle, sums])]
}

fn toy_terms() -> Terms {
    let toy = World::toy();
    expected_terms(&toy.schedule, toy.data, &toy.reverse).expect("one kernel a step")
}

/// Terms of the linear schedule with the exact mean and the given variance (β₁ at the first step), and the likelihood.
fn long(var: impl Fn(&Transition) -> f64) -> (Terms, f64) {
    let schedule = Schedule::ddpm();
    let kernel = |(t, step): (Timestep, Transition)| {
        let mean = |x: f64| true_reverse(&step, DATA, x).mean;
        let var = if t.get() == 1 { step.beta() } else { var(&step) };
        AffineKernel { slope: mean(1.0) - mean(0.0), offset: mean(0.0), var }
    };
    let reverse: Vec<AffineKernel> = schedule.steps().map(kernel).collect();
    let terms = expected_terms(&schedule, DATA, &reverse).expect("one kernel a step");
    let nll = World { schedule, data: DATA, reverse }.nll();
    (terms, nll)
}

/// Every point of the first sixty, then ever fewer.
fn kept(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut last = 0.0;
    let mut all = Vec::new();
    for point in points {
        if point.0 < 60.0 || point.0 > 1.02 * last {
            last = point.0;
            all.push(point);
        }
    }
    all
}
