//! Claims on one kernel and on two in a row.

use std::f64::consts::TAU;

use super::{CHAPTER, at, beta_of, linear, noised, recursion, roundings, row, toy};
use crate::check::forward::{self as check, Step};
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::check::forward::faults as fault;
use crate::forward::{Kernel, expansion};
use crate::posterior::Moments;
use crate::schedule::{Schedule, Timestep, Transition};
use crate::check::{Claim, Method, Row};

pub(super) fn marginals() -> Claim {
    Claim::legacy(
        "marginal_is_what_single_steps_accumulate",
        CHAPTER,
        "q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I)",
        Method::Enumeration("recursion of scale and variance on the βs, one step at a time"),
        |run| marginal(run, |schedule, t| Kernel::from_data(schedule.level(t))),
    )
    .row("S0.17", || row(noised(Schedule::ddpm().level(at(1000)), 1.0, 0.0), recursion(1000).0, roundings(200.0)))
    .row("S0.18", || {
        row(
            Kernel::from_data(toy().level(at(3))).push(Moments { mean: 0.0, var: 0.49 }).var,
            check::marginal_by_inversion(&[0.1, 0.3, 0.5], 0.49),
            roundings(16.0),
        )
    })
    .row("S1.27", || row(linear(100).scale, recursion(100).0, roundings(50.0)))
    .row("S1.28", || row(linear(100).var, recursion(100).1, roundings(50.0)))
    .row("S1.55", || row(linear(500).scale, 0.280_334, Tol::printed(6)))
    .row("S2.09", || row(linear(500).var, recursion(500).1, roundings(100.0)))
    .row("S2.20", || {
        let (scale, var) = recursion(250);
        row(noised(Schedule::ddpm().level(at(250)), 0.7, -0.4), 0.7 * scale - 0.4 * var.sqrt(), roundings(100.0))
    })
    .row("S3.27", || row(Kernel::from_data(toy().level(at(3))).at(1.0).mean, 0.561_249, Tol::printed(6)))
    .row("S3.30", || row(Kernel::from_data(toy().level(at(3))).var, 0.685, roundings(4.0)))
    .row("S3.33", || {
        let (scale, var) = recursion(10);
        let want = -0.5 * ((0.3 - 0.2 * scale).powi(2) / var + (TAU * var).ln());
        row(linear(10).log_density(0.3, 0.2), want, roundings(50.0))
    })
    .row("S3.61", || row(linear(500).at(1.0).mean, 0.2803, Tol::printed(4)))
    .fault(fault::ALPHA_FOR_ALPHA_BAR, |run| marginal(run, fault::alpha_for_alpha_bar))
    .fault(fault::MARGINAL_OF_PREVIOUS_TIME, |run| marginal(run, fault::marginal_of_previous_time))
    .fault(fault::ALPHA_BAR_NOT_ROOTED, |run| marginal(run, fault::alpha_bar_not_rooted))
    .fault(fault::STD_FOR_MARGINAL_VARIANCE, |run| marginal(run, fault::std_for_marginal_variance))
    .fault(fault::NOISE_AMPLITUDE_COMPLEMENT, |run| marginal(run, fault::noise_amplitude_complement))
}

fn marginal(run: &Run, f: fn(&Schedule, Timestep) -> Kernel) -> Outcome {
    run.over_schedules(|schedule| check::marginal(f, schedule))
}

fn draw(step: &Transition, x: f64, noise: f64) -> f64 {
    Kernel::between(step).draw(x, noise)
}

fn log_density(step: &Transition, y: f64, x: f64) -> f64 {
    Kernel::between(step).log_density(y, x)
}

pub(super) fn steps() -> Claim {
    Claim::legacy(
        "a_step_draws_from_its_density",
        CHAPTER,
        "√α_t x + √β_t ε has the density N(√α_t x, β_t I)",
        Method::OtherPremises("change of variables; the map's factors read off by impulses"),
        |run| step_law(run, draw, log_density),
    )
    .row("S0.04", || row(draw(&linear_step(2), 1.3, 0.0), (1.0 - beta_of(2)).sqrt() * 1.3, roundings(2.0)))
    .row("S0.07", || {
        let root = (1.0 - beta_of(7)).sqrt();
        let want = -0.5 * ((0.52 - 0.5 * root).powi(2) / beta_of(7) + (TAU * beta_of(7)).ln());
        row(log_density(&linear_step(7), 0.52, 0.5), want, roundings(100.0))
    })
    .row("S0.09", || changed_variables(300, 0.6, -1.1))
    .row("S1.21", || row(Kernel::between(&linear_step(50)).var, -(-beta_of(50)).ln_1p().exp_m1(), roundings(2.0)))
    .row("S2.04", || {
        let want = (1.0 - beta_of(120)).sqrt() * -0.8 + beta_of(120).sqrt() * 1.7;
        row(draw(&linear_step(120), -0.8, 1.7), want, roundings(4.0))
    })
    .row("S2.07", || row(Kernel::between(&linear_step(400)).at(0.9).mean, moment(400, 0.9, 1), roundings(16.0)))
    .row("S2.08", || changed_variables(700, -1.4, 0.3))
    .row("S3.06", || row(Kernel::between(&linear_step(1000)).at(0.0).var, moment(1000, 0.0, 2), roundings(16.0)))
    .fault(fault::BETA_AS_STD, |run| step_law(run, fault::beta_as_std, log_density))
    .fault(fault::STEP_SCALE_NOT_ROOTED, |run| step_law(run, fault::step_scale_not_rooted, log_density))
    .fault(fault::STEP_NOT_SCALED, |run| step_law(run, fault::step_not_scaled, log_density))
    .fault(fault::DENSITY_WITH_STD, |run| step_law(run, draw, fault::density_with_std))
    .fault(fault::DENSITY_NOT_NORMALISED, |run| step_law(run, draw, fault::density_not_normalised))
}

fn linear_step(t: usize) -> Transition {
    Schedule::ddpm().step(at(t))
}

fn changed_variables(t: usize, x: f64, noise: f64) -> Row {
    let got = log_density(&linear_step(t), draw(&linear_step(t), x, noise), x);
    row(got, -0.5 * (noise * noise + TAU.ln() + beta_of(t).ln()), roundings(64.0))
}

/// A moment of the density of x_t given x_{t−1} = x, by the trapezoidal rule over 10 standard deviations.
fn moment(t: usize, x: f64, power: i32) -> f64 {
    let std = beta_of(t).sqrt();
    let term = |k: i32| {
        let y = (1.0 - beta_of(t)).sqrt() * x + 0.25 * f64::from(k) * std;
        y.powi(power) * log_density(&linear_step(t), y, x).exp() * 0.25 * std
    };
    (-40..=40).map(term).sum()
}

fn step_law(
    run: &Run,
    draw: fn(&Transition, f64, f64) -> f64,
    log_density: fn(&Transition, f64, f64) -> f64,
) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().collect();
    run.over_schedules(|schedule| {
        schedule.timesteps().zip(points.iter().cycle()).try_fold(Evidence::none(), |all, (t, [u, v])| {
            let step = Step::new(schedule, t, uniform(*u, -3.0, 3.0), uniform(*v, -3.0, 3.0));
            Ok(all.and(check::step_law(draw, log_density, &step)?))
        })
    })
}

pub(super) fn compositions() -> Claim {
    Claim::legacy(
        "kernels_compose_as_integrals",
        CHAPTER,
        "two Gaussian kernels in a row are one, whose variance is the sum of the independent parts (A0.1, A1.6)",
        Method::Numerical("Chapman–Kolmogorov by the trapezoidal rule"),
        |run| compose(run, Kernel::then),
    )
    .row("S0.13", || {
        let sum = Kernel { scale: 1.0, var: 0.2 }.then(Kernel { scale: 1.0, var: 0.5 });
        row(sum.var, second_moment_of_convolution(0.2, 0.5), roundings(16.0))
    })
    .row("S0.15", || {
        let sum = Kernel { scale: 0.0, var: 0.3 }.then(Kernel { scale: 1.0, var: 0.4 });
        row(sum.log_density(0.8, 0.0), convolution_at(0.3, 0.4, 0.8).ln(), roundings(32.0))
    })
    .row("S0.16", || {
        let (alpha, earlier) = (1.0 - beta_of(600), 1.0 - beta_of(599));
        let two = Kernel::between(&linear_step(599)).then(Kernel::between(&linear_step(600)));
        row(two.var, 1.0 - alpha * earlier, Tol::rel(f64::EPSILON / two.var, "1 − α_t α_{t−1} cancels"))
    })
    .row("S1.26", || {
        let two = Kernel::between(&linear_step(899)).then(Kernel::between(&linear_step(900)));
        let first = beta_of(899) * (1.0 - beta_of(900));
        row(two.var, second_moment_of_convolution(first, beta_of(900)), roundings(16.0))
    })
    .row("A0.1", || {
        // Correlated noises: one noise for both steps has the variance of summed deviations.
        let got = fault::stds_added(Kernel { scale: 1.0, var: 0.2 }, Kernel { scale: 1.0, var: 0.5 }).var;
        row(got - 0.7, 2.0 * (0.2f64 * 0.5).sqrt(), roundings(8.0))
    })
    .row("A1.6", || {
        // Line 2 and line 3 of the roll-out agree in law and differ along a path.
        let kept = expansion(&toy(), at(1), at(3));
        let merged = fault::merged_noise(&toy(), at(1), at(3));
        let (eps, other) = (1.0, -0.5);
        let gap = merged.at(0.0, &[eps, other]) - kept.at(0.0, &[eps, other]);
        row(gap, (1.0f64 - 0.35).sqrt() - 0.15f64.sqrt() + 0.5 * 0.5f64.sqrt(), roundings(16.0))
    })
    .fault(fault::STDS_ADDED, |run| compose(run, fault::stds_added))
    .fault(fault::SECOND_SCALE_NOT_APPLIED, |run| compose(run, fault::second_scale_not_applied))
    .fault(fault::SECOND_SCALE_NOT_SQUARED, |run| compose(run, fault::second_scale_not_squared))
    .fault(fault::STEPS_EXCHANGED, |run| compose(run, fault::steps_exchanged))
}

/// ∫ N(z; 0, v) N(y − z; 0, w) dz on a grid.
fn convolution_at(v: f64, w: f64, y: f64) -> f64 {
    let width = 0.25 * v.min(w).sqrt();
    let normal = |x: f64, var: f64| (-0.5 * x * x / var).exp() / (TAU * var).sqrt();
    (-80..=80).map(|k| f64::from(k) * width).map(|z| normal(z, v) * normal(y - z, w) * width).sum()
}

fn second_moment_of_convolution(v: f64, w: f64) -> f64 {
    let width = 0.25 * v.min(w).sqrt();
    (-120..=120).map(|k| f64::from(k) * width).map(|y| y * y * convolution_at(v, w, y) * width).sum()
}

fn compose(run: &Run, f: fn(Kernel, Kernel) -> Kernel) -> Outcome {
    run.over(|[a, b, v, w, x]| {
        let first = Kernel { scale: uniform(a, -1.2, 1.2), var: log_uniform(v, 0.02, 1.5) };
        let second = Kernel { scale: uniform(b, 0.1, 1.2), var: log_uniform(w, 0.02, 1.5) };
        check::composition(f, first, second, uniform(x, -2.0, 2.0))
    })
}

pub(super) fn variances() -> Claim {
    Claim::legacy(
        "variance_of_a_step_is_total_variance",
        CHAPTER,
        "Var(y) = a²Var(x) + σ² for any linear kernel; along a chain v_t − 1 = ᾱ_t (v_0 − 1)",
        Method::Enumeration("two-point states and three-point noises; contraction by summed logarithms"),
        |run| variance(run, Kernel::push),
    )
    .row("S1.17", || {
        let exploding = Kernel { scale: 1.0, var: 0.09 }.push(Moments { mean: 0.2, var: 0.16 });
        row(exploding.var, 0.25, roundings(2.0))
    })
    .row("S1.18", || {
        row(Kernel { scale: 0.8, var: 0.36 }.push(Moments { mean: 0.0, var: 2.5 }).var, 1.96, roundings(4.0))
    })
    .row("S1.19", || row(Kernel::variance_preserving(0.4).expect("between −1 and 1").var, 0.84, roundings(2.0)))
    .row("S2.05", || {
        let got = linear(300).push(Moments { mean: 0.0, var: 4.0 }).var;
        row(got - 1.0, 3.0 * recursion(300).0.powi(2), roundings(100.0))
    })
    .row("A1.1", || {
        let (kernel, x) = (Kernel { scale: 0.8, var: 0.36 }, Moments { mean: 0.0, var: 2.5 });
        row(kernel.push(x).var - fault::unit_variance_assumed(kernel, x).var, 1.96 - 1.0, roundings(8.0))
    })
    .row("A2.1", || {
        let steps = Schedule::ddpm();
        let got =
            steps.steps().take(500).fold(Moments { mean: 0.0, var: 4.0 }, |x, (_, s)| Kernel::between(&s).push(x));
        row(got.var, 1.0 + 3.0 * recursion(500).0.powi(2), roundings(500.0))
    })
    .row("A2.4", || {
        let unscaled = |x: Moments, beta: &f64| Kernel { scale: 1.0, var: *beta }.push(x);
        let got = Schedule::ddpm().betas().as_slice().iter().fold(Moments { mean: 0.0, var: 1.0 }, unscaled);
        row(got.var, 1.0 + 1000.0 * 0.5 * (1e-4 + 0.02), roundings(500.0))
    })
    .fault(fault::UNIT_VARIANCE_ASSUMED, |run| variance(run, fault::unit_variance_assumed))
    .fault(fault::SCALE_NOT_SQUARED, |run| variance(run, fault::scale_not_squared))
    .fault(fault::STD_ADDED_TO_VARIANCE, |run| variance(run, fault::std_added_to_variance))
    .fault(fault::MEAN_NOT_SCALED, |run| variance(run, fault::mean_not_scaled))
}

fn variance(run: &Run, f: fn(Kernel, Moments) -> Moments) -> Outcome {
    let single = run.over(|[a, v, m, s]| {
        let kernel = Kernel { scale: uniform(a, -1.5, 1.5), var: log_uniform(v, 1e-4, 4.0) };
        check::push(f, kernel, Moments { mean: uniform(m, -3.0, 3.0), var: log_uniform(s, 1e-3, 10.0) })
    })?;
    let chains = run.over_schedules(|schedule| {
        Ok(check::unit_variance(f, schedule, 4.0)?
            .and(check::unit_variance(f, schedule, 1.0)?)
            .and(check::unit_variance(f, schedule, 0.0)?))
    })?;
    Ok(single.and(chains))
}
