//! The reverse variance: what is optimal, what bounds it, what a choice costs.

use alphabar::check::variance::{Data, Reverse, divergences};
use alphabar::exact::{Mixture1, Noising};
use alphabar::posterior::{Moments, Posterior};
use alphabar::variance::{
    LearnedRange, best_gaussian, entropy_power, gaussian_variance, optimal_variance, optimal_variance_from_score,
    variance_cost,
};
use alphabar::{Betas, Schedule, Timestep, Transition};

use crate::evidence::{number, scientific};
use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, RED, Series, panels};

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let ddpm = Schedule::ddpm();
    let at = |t: usize| ddpm.step(Timestep::new(t));
    let share = |t: usize| format!("{:.4}", gaussian(&at(t), 0.0) / at(t).beta());
    let world = Reverse::of_chain(&short_chain().betas().as_slice()[..5], &TWO_HUMPS);
    let fifth = short_chain().step(Timestep::new(5));
    let averages = world.averages();
    let six = |x: f64| format!("{x:.6}");
    let seventh = short_chain().step(Timestep::new(7));
    let kl = divergences(best_gaussian, &REFERENCE, 0.5, XT);
    let low = Posterior::new(&at(2)).beta_tilde;
    let middle = LearnedRange::new(&at(2), low.ln()).var(0.5);
    vec![
        ("share_2", share(2)),
        ("share_10", share(10)),
        ("share_100", share(100)),
        ("half_2", format!("{:.4}", gaussian(&at(2), 0.25) / at(2).beta())),
        ("low_5", six(Posterior::new(&fifth).beta_tilde)),
        ("power_5", six(entropy_power(averages.entropy))),
        ("optimal_5", six(optimal_variance(&fifth, averages.x0_var).unwrap_or(f64::NAN))),
        ("from_score_5", six(optimal_variance_from_score(&fifth, averages.score_power).unwrap_or(f64::NAN))),
        ("high_5", six(fifth.beta())),
        ("beta_7", six(seventh.beta())),
        ("wide_7", six(gaussian(&seventh, 4.0))),
        ("mixture_var", format!("{:.4}", Mixture1::reference().var())),
        ("kl_big", scientific(kl[0], 3)),
        ("kl_small", scientific(kl[5], 3)),
        ("order", format!("{:.2}", (kl[4] / kl[5]).log2())),
        ("kl_big_predicted", scientific(cubic(0.08), 3)),
        ("kl_small_predicted", scientific(cubic(0.08 / 32.0), 3)),
        ("beta_2", number(at(2).beta())),
        ("beta_tilde_2", number(low)),
        ("learned_2", scientific(middle, 4)),
        ("arithmetic_2", scientific(0.5 * (low + at(2).beta()), 4)),
        ("cost_tilde", format!("{:.4}", total(|step| gaussian(step, 0.0), 1.0))),
        ("cost_tilde_2", format!("{:.4}", cost(gaussian(&at(2), 0.0), gaussian(&at(2), 1.0)))),
        ("cost_beta_half", format!("{:.4}", total(Transition::beta, 0.25))),
        ("cost_tilde_half", format!("{:.4}", total(|step| gaussian(step, 0.0), 0.25))),
        ("cost_beta_small", format!("{:.4}", total(Transition::beta, 0.01))),
        ("cost_tilde_small", format!("{:.4}", total(|step| gaussian(step, 0.0), 0.01))),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    vec![sandwich(), order_and_cost()]
}

/// 0.3 N(−1.5, 0.3²) + 0.7 N(1, 0.5²), not normalised.
const REFERENCE: Data = Data {
    density: |x| (-0.5 * ((x + 1.5) / 0.3).powi(2)).exp() + 0.7 / 0.5 * (-0.5 * ((x - 1.0) / 0.5).powi(2)).exp(),
    reach: 6.0,
    detail: 0.3,
};

/// ½ N(±0.9, 0.19), of unit variance.
const TWO_HUMPS: Data = Data {
    density: |x| (-0.5 * (x - 0.9).powi(2) / 0.19).exp() + (-0.5 * (x + 0.9).powi(2) / 0.19).exp(),
    reach: 5.0,
    detail: 0.43,
};

/// Where the true reverse kernel is compared with a Gaussian.
const XT: f64 = -0.3;

/// β = 20 values equally spaced from 0.001 to 0.3.
fn short_chain() -> Schedule {
    Schedule::new(Betas::linear(20, 0.001, 0.3).expect("constants inside the valid range"))
}

fn gaussian(step: &Transition, data_var: f64) -> f64 {
    gaussian_variance(step, data_var).unwrap_or(f64::NAN)
}

fn cost(var: f64, optimal: f64) -> f64 {
    variance_cost(var, optimal).unwrap_or(f64::NAN)
}

/// What a choice costs over t = 2 … 1000 for Gaussian data, nat per dimension.
fn total(choice: impl Fn(&Transition) -> f64, data_var: f64) -> f64 {
    Schedule::ddpm().steps().skip(1).map(|(_, step)| cost(choice(&step), gaussian(&step, data_var))).sum()
}

/// β³ (ln q(x_s))‴²/12 at x_s = x_t/√α, the third derivative by differences.
fn cubic(beta: f64) -> f64 {
    let law = Noising::variance_preserving(0.5).map(|level| Mixture1::reference().noised(level));
    law.map_or(f64::NAN, |law| {
        let (x, h) = (XT / (1.0 - beta).sqrt(), 1e-3);
        let third = (law.score(x + h) - 2.0 * law.score(x) + law.score(x - h)) / (h * h);
        beta.powi(3) * third * third / 12.0
    })
}

/// Optimal variance, averaged over x_t, and entropy power of the reverse kernel for a mixture.
fn of_mixture(law: &Mixture1, schedule: &Schedule, t: usize) -> (f64, f64) {
    let betas = schedule.betas().as_slice();
    let level = |betas: &[f64]| Noising::from_betas(betas).unwrap_or(Noising::NONE);
    let (s, step, all) = (level(&betas[..t - 1]), level(&betas[t - 1..t]), level(&betas[..t]));
    let optimal = optimal_variance(&schedule.step(Timestep::new(t)), law.mmse(all)).unwrap_or(f64::NAN);
    (optimal, entropy_power(law.conditional_entropy(s, step)))
}

fn sandwich() -> Figure {
    let chain = short_chain();
    let ratio = |data_var: f64| -> Vec<(f64, f64)> {
        chain.steps().map(|(t, step)| (t.get() as f64, gaussian(&step, data_var) / step.beta())).collect()
    };
    let of = |law: &Mixture1| -> [Vec<(f64, f64)>; 2] {
        let both: Vec<(f64, (f64, f64), f64)> =
            chain.steps().map(|(t, step)| (t.get() as f64, of_mixture(law, &chain, t.get()), step.beta())).collect();
        let pick = |of: fn((f64, f64)) -> f64| both.iter().map(|(t, pair, beta)| (*t, of(*pair) / beta)).collect();
        [pick(|(optimal, _)| optimal), pick(|(_, power)| power)]
    };
    let (low, one) = (ratio(0.0), ratio(1.0));
    let band = low.iter().copied().chain(one.iter().rev().copied()).map(|(t, y)| (t, y.max(0.7)));
    let [optimal, power] = of(&Mixture1::unit_variance());
    let panel = |title: &str, (from, to): (f64, f64), series: Vec<Series>| Panel {
        title: title.into(),
        x: Axis::linear("t", 1.0, 20.0),
        y: Axis::linear("variance, in units of βₜ", from, to),
        series,
    };
    let seen = |points: Vec<(f64, f64)>| points.into_iter().filter(|(_, y)| *y >= 0.7);
    let left = panel(
        "½ N(±0.9, 0.19), of variance 1",
        (0.7, 1.1),
        vec![
            Series::line("", GREY, band).drawn(Mark::Band),
            Series::line("β", ORANGE, one.clone()),
            Series::line("optimal", BLUE, optimal),
            Series::line("entropy power", PURPLE, power).drawn(Mark::Dashes),
            Series::line("β̃", GREEN, seen(low.clone())),
        ],
    );
    let [mixture, _] = of(&Mixture1::reference());
    let right = panel(
        "optimal variance for other data",
        (0.0, 1.4),
        vec![
            Series::line("N(0, 4)", RED, ratio(4.0)),
            Series::line("N(0, 1): β", ORANGE, one),
            Series::line("reference mixture", PURPLE, mixture).drawn(Mark::Dashes),
            Series::line("N(0, 0.01)", BLUE, ratio(0.01)),
            Series::line("a point: β̃", GREEN, low),
        ],
    );
    panels("variance", 2, vec![left, right])
}

fn order_and_cost() -> Figure {
    let betas: Vec<f64> = (0..6).map(|k| 0.08 * 0.5f64.powi(k)).collect();
    let against = |f: fn(&Transition, f64, Moments) -> alphabar::Result<Moments>| {
        betas.iter().copied().zip(divergences(f, &REFERENCE, 0.5, XT)).collect::<Vec<_>>()
    };
    let with = |var: fn(&Transition) -> f64| {
        betas.iter().map(move |&beta| {
            let world = Reverse::at_level(0.5, beta, &REFERENCE);
            let best = best_gaussian(&world.step, XT, world.given(XT).x0);
            let kl = |best: Moments| world.divergence(XT, Moments { var: var(&world.step), ..best });
            (beta, best.map_or(f64::NAN, kl))
        })
    };
    let left = Panel {
        title: "the true kernel's distance from a Gaussian".into(),
        x: Axis::log("β", 2e-3, 0.1),
        y: Axis::log("KL, nat", 1e-9, 1.0),
        series: vec![
            Series::line("variance β", ORANGE, with(Transition::beta)),
            Series::line("variance β̃", GREEN, with(|step| gaussian(step, 0.0))),
            Series::line("best Gaussian", BLUE, against(best_gaussian)),
            Series::line("predicted", GREY, betas.iter().map(|&beta| (beta, cubic(beta)))).drawn(Mark::Dashes),
        ],
    };
    let ddpm = Schedule::ddpm();
    let each = |choice: fn(&Transition) -> f64, data_var: f64| {
        let shown = |t: &usize| *t < 40 || *t < 200 && t.is_multiple_of(5) || t.is_multiple_of(25);
        (2..=1000)
            .filter(shown)
            .map(|t| {
                let step = ddpm.step(Timestep::new(t));
                (t as f64, cost(choice(&step), gaussian(&step, data_var)))
            })
            .filter(|(_, nats)| *nats >= 1e-8)
            .collect::<Vec<_>>()
    };
    let right = Panel {
        title: "what a variance costs at step t".into(),
        x: Axis::log("t", 2.0, 1000.0),
        y: Axis::log("nat per dimension", 1e-8, 1.0),
        series: vec![
            Series::line("β̃ on N(0, 1)", GREEN, each(|step| gaussian(step, 0.0), 1.0)),
            Series::line("β̃ on N(0, ¼)", BLUE, each(|step| gaussian(step, 0.0), 0.25)),
            Series::line("β on N(0, ¼)", ORANGE, each(Transition::beta, 0.25)),
        ],
    };
    panels("variance_cost", 2, vec![left, right])
}
