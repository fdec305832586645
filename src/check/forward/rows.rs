//! What the claims on the forward process cover of the ledger, with numbers.

use std::f64::consts::TAU;

use ndarray::arr0;

use super::path::precision;
use super::{REFERENCE_MIXTURE, chain, faults, mixture_density, normal};
use crate::check::{self, Claim, Row, Tol, Wrong};
use crate::forward::{Expansion, Kernel, add_noise, covariance, expansion, path_log_density};
use crate::posterior::Moments;
use crate::schedule::{Betas, Level, Schedule, Timestep, Transition};

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        marginals(),
        steps(),
        roll_outs(),
        compositions(),
        respacings(),
        paths(),
        covariances(),
        variances(),
        convolutions(),
        draws(),
    ]
}

fn marginals() -> Claim {
    Claim::new(|| check::forward::marginal(|schedule, t| Kernel::from_data(schedule.level(t))))
        .row("S0.17", || row(noised(Schedule::ddpm().level(at(1000)), 1.0, 0.0), recursion(1000).0, roundings(200.0)))
        .row("S0.18", || {
            row(
                Kernel::from_data(toy().level(at(3))).push(Moments { mean: 0.0, var: 0.49 }).var,
                marginal_by_inversion(&[0.1, 0.3, 0.5], 0.49),
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
}

fn steps() -> Claim {
    Claim::new(|| check::forward::step(draw, log_density))
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
}

fn roll_outs() -> Claim {
    Claim::new(|| check::forward::expansion(expansion))
        .row("S0.10", || two_steps(40, [0.5, -1.0, 2.0]))
        .row("S0.11", || row(window(60).noise[0], ((1.0 - beta_of(60)) * beta_of(59)).sqrt(), roundings(4.0)))
        .row("S0.14", || row(window(80).var(), (1.0 - beta_of(80)) * beta_of(79) + beta_of(80), roundings(4.0)))
        .row("S1.24", || two_steps(90, [-1.2, 0.4, 0.7]))
        .row("S1.25", || {
            let (now, before) = (1.0 - beta_of(100), 1.0 - beta_of(99));
            let tol = Tol::rel(f64::EPSILON / beta_of(99), "α_t − α_t α_{t−1} cancels");
            row(window(100).noise[0], (now - now * before).sqrt(), tol)
        })
        .row("S3.26", || {
            let [first, second] = [0.9f64.sqrt() + 0.1f64.sqrt() * 0.2, 0.3f64.sqrt() * -0.6];
            let want = 0.5f64.sqrt() * (0.7f64.sqrt() * first + second) + 0.5f64.sqrt() * 1.1;
            row(expansion(&toy(), at(0), at(3)).at(1.0, &[0.2, -0.6, 1.1]), want, roundings(8.0))
        })
        .row("S3.28", || row(expansion(&toy(), at(0), at(3)).var(), 1.0 - 0.9 * 0.7 * 0.5, roundings(4.0)))
        .row("S3.29", || row(expansion(&toy(), at(0), at(3)).noise[0].powi(2), 0.035, roundings(4.0)))
        .row("S3.31", || row(expansion(&Schedule::ddpm(), at(0), at(500)).noise[498], 0.099_596_8, Tol::printed(7)))
        .row("S3.32", || row(expansion(&Schedule::ddpm(), at(0), at(500)).var(), 0.921_412_76, Tol::printed(8)))
}

fn compositions() -> Claim {
    Claim::new(|| check::forward::composition(Kernel::then))
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
            let got = (Wrong::named(faults::COMPOSITIONS, "stds_added").f)(
                Kernel { scale: 1.0, var: 0.2 },
                Kernel { scale: 1.0, var: 0.5 },
            )
            .var;
            row(got - 0.7, 2.0 * (0.2f64 * 0.5).sqrt(), roundings(8.0))
        })
        .row("A1.6", || {
            // Line 2 and line 3 of the roll-out agree in law and differ along a path.
            let kept = expansion(&toy(), at(1), at(3));
            let merged = (Wrong::named(faults::EXPANSIONS, "merged_noise").f)(&toy(), at(1), at(3));
            let (eps, other) = (1.0, -0.5);
            let gap = merged.at(0.0, &[eps, other]) - kept.at(0.0, &[eps, other]);
            row(gap, (1.0f64 - 0.35).sqrt() - 0.15f64.sqrt() + 0.5 * 0.5f64.sqrt(), roundings(16.0))
        })
}

fn respacings() -> Claim {
    Claim::new(|| {
        let betas = |full: &Schedule, kept: &[Timestep]| {
            Betas::respaced(full, kept).expect("times that increase").as_slice().to_vec()
        };
        let between = |s, t| Transition::between(s, t).expect("ᾱ falls");
        check::forward::respacing(betas, Schedule::transition, between)
    })
    .row("S2.12", || {
        let kept: Vec<Timestep> = (1..=50).map(|k| at(20 * k)).collect();
        let respaced = Schedule::new(Betas::respaced(&Schedule::ddpm(), &kept).expect("times that increase"));
        row(respaced.alpha_bar(at(25)), recursion(500).0.powi(2), roundings(200.0))
    })
}

fn paths() -> Claim {
    Claim::new(|| check::forward::path_density(path_density))
        .row("S0.03", || row(super::path_mass(path_density, &chain(&[0.1, 0.3]), 0.0), 1.0, roundings(64.0)))
        .row("S1.16", || {
            // Three densities written out with unit noises in each kernel.
            let xs = [0.5, 0.9f64.sqrt() * 0.5 + 0.1f64.sqrt()];
            let want = -0.5 * (1.0 + (TAU * 0.1).ln());
            row(path_density(&chain(&[0.1]), &xs), want, roundings(32.0))
        })
        .row("S3.07", || {
            let xs = [1.0, 0.9f64.sqrt(), 0.63f64.sqrt(), 0.315f64.sqrt()];
            row(path_density(&toy(), &xs), -0.5 * (3.0 * TAU.ln() + 0.015f64.ln()), roundings(32.0))
        })
}

fn covariances() -> Claim {
    Claim::new(|| check::forward::covariance(covariance))
        .row("S1.12", || {
            row(covariance(&toy(), at(3), at(3), 0.6), marginal_by_inversion(&[0.1, 0.3, 0.5], 0.6), roundings(16.0))
        })
        .row("S3.02", || {
            // Cov(x_1, x_3) = √(α_2 α_3) Var(x_1) with Var(x_1) = 0.9 · 0.6 + 0.1.
            row(covariance(&toy(), at(1), at(3), 0.6), (0.7f64 * 0.5).sqrt() * 0.64, roundings(8.0))
        })
        .row("S3.03", || {
            let c = |s: usize, t: usize| covariance(&toy(), at(s), at(t), 0.6);
            row(c(0, 2) / c(1, 2), c(0, 1) / c(1, 1), roundings(8.0))
        })
}

fn variances() -> Claim {
    Claim::new(|| check::forward::push(Kernel::push))
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
            row(
                kernel.push(x).var - (Wrong::named(faults::PUSHES, "unit_variance_assumed").f)(kernel, x).var,
                1.96 - 1.0,
                roundings(8.0),
            )
        })
        .row("A2.1", || {
            let steps = Schedule::ddpm();
            let got = steps
                .steps()
                .take(500)
                .fold(Moments { mean: 0.0, var: 4.0 }, |x, (_, s)| Kernel::between(&s).push(x));
            row(got.var, 1.0 + 3.0 * recursion(500).0.powi(2), roundings(500.0))
        })
        .row("A2.4", || {
            let unscaled = |x: Moments, beta: &f64| Kernel { scale: 1.0, var: *beta }.push(x);
            let got = Schedule::ddpm().betas().as_slice().iter().fold(Moments { mean: 0.0, var: 1.0 }, unscaled);
            row(got.var, 1.0 + 1000.0 * 0.5 * (1e-4 + 0.02), roundings(500.0))
        })
}

fn convolutions() -> Claim {
    Claim::new(|| check::forward::convolution(noised_density))
        .row("S0.02", || {
            let kernel = linear(1000);
            let far = super::relative_entropy_to_gaussian(
                |y| noised_density(kernel, y),
                Some(Moments { mean: 0.0, var: 1.0 }),
            );
            // To second order in √ᾱ the KL is half the squared mean; the rest is of order ᾱ².
            row(far, 0.5 * (0.25 * recursion(1000).0).powi(2), Tol::abs(2e-9, "terms of order ᾱ²"))
        })
        .row("S2.01", || {
            let noise = Kernel { scale: 1.0, var: 0.6 * 0.6 };
            row(noise.draw(0.3, 1.0) - 0.3, 0.6, roundings(4.0))
        })
        .row("S2.02", || {
            row(
                noised_density(Kernel { scale: 1.0, var: 0.2 }, -0.4),
                repeated_convolution(1, 0.2, -0.4),
                roundings(64.0),
            )
        })
        .row("S2.03", || {
            row(
                noised_density(Kernel { scale: 1.0, var: 0.3 }, 0.1),
                repeated_convolution(3, 0.1, 0.1),
                roundings(64.0),
            )
        })
        .row("A3.4", || row(from_own_gaussian(1), 0.4454, Tol::printed(4)))
        .row("A3.4", || row(from_own_gaussian(100), 0.2477, Tol::printed(4)))
        .row("A3.4", || row(from_own_gaussian(500), 4.7e-5, Tol::printed(6)))
}

fn draws() -> Claim {
    Claim::new(|| {
        check::forward::draws(chain_of_draws, |schedule, x0, noises| {
            one_shot_of(schedule, schedule.len(), x0, noises[0])
        })
    })
    .row("S0.08", || {
        let kernel = linear(640);
        row(
            one_shot_of(&Schedule::ddpm(), 640, -0.3, 0.8),
            kernel.scale * -0.3 + 0.8 * kernel.var.sqrt(),
            roundings(2.0),
        )
    })
    .row("S0.12", || {
        // Variance of v + u for u = √(α_t (1 − α_{t−1})) z and v = √(1 − α_t) z', over the nine nodes ±√3, 0.
        let factors = window(1000).noise;
        let nodes = [(-(3f64.sqrt()), 1.0 / 6.0), (0.0, 2.0 / 3.0), (3f64.sqrt(), 1.0 / 6.0)];
        let square = |(z, p): (f64, f64), (w, q): (f64, f64)| p * q * (factors[0] * z + factors[1] * w).powi(2);
        let want: f64 = nodes.iter().flat_map(|a| nodes.map(|b| square(*a, b))).sum();
        row(Kernel::between(&Schedule::ddpm().transition(at(998), at(1000))).var, want, roundings(16.0))
    })
    .row("S2.26", || row(linear(500).var.sqrt(), 0.959_90, Tol::printed(5)))
}

fn at(t: usize) -> Timestep {
    Timestep::new(t)
}

fn row(got: f64, want: f64, tol: Tol) -> Row {
    Row { got, want, tol }
}

fn toy() -> Schedule {
    chain(&[0.1, 0.3, 0.5])
}

/// Scale and variance of x_t on the linear schedule, one step at a time.
fn recursion(t: usize) -> (f64, f64) {
    let betas = Schedule::ddpm();
    betas.betas().as_slice()[..t]
        .iter()
        .fold((1.0, 0.0), |(scale, var), beta| (scale * (1.0 - beta).sqrt(), (1.0 - beta) * var + beta))
}

fn linear(t: usize) -> Kernel {
    Kernel::from_data(Schedule::ddpm().level(at(t)))
}

fn noised(level: Level, x0: f64, noise: f64) -> f64 {
    add_noise(level, &arr0(x0), &arr0(noise)).expect("two arrays of one shape").into_scalar()
}

fn roundings(n: f64) -> Tol {
    Tol::roundings(n, 1.0, "roundings of the steps, added up")
}

fn beta_of(t: usize) -> f64 {
    Schedule::ddpm().betas().as_slice()[t - 1]
}

/// x_t rolled out over its last two steps.
fn window(t: usize) -> Expansion {
    expansion(&Schedule::ddpm(), at(t - 2), at(t))
}

fn draw(step: &Transition, x: f64, noise: f64) -> f64 {
    Kernel::between(step).draw(x, noise)
}

fn log_density(step: &Transition, y: f64, x: f64) -> f64 {
    Kernel::between(step).log_density(y, x)
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

/// The same by two steps one after the other.
fn two_steps(t: usize, [x, first, second]: [f64; 3]) -> Row {
    let middle = (1.0 - beta_of(t - 1)).sqrt() * x + beta_of(t - 1).sqrt() * first;
    let want = (1.0 - beta_of(t)).sqrt() * middle + beta_of(t).sqrt() * second;
    row(window(t).at(x, &[first, second]), want, roundings(8.0))
}

fn path_density(schedule: &Schedule, path: &[f64]) -> f64 {
    path_log_density(schedule, path).expect("a path of T + 1 states")
}

/// Var(x_t) as the last entry of the inverted precision matrix of the chain.
fn marginal_by_inversion(betas: &[f64], data_var: f64) -> f64 {
    let inverse = precision(betas, data_var).try_inverse().expect("the precision of a chain is positive definite");
    inverse[(betas.len(), betas.len())]
}

/// The reference mixture noised part by part.
fn noised_density(kernel: Kernel, y: f64) -> f64 {
    mixture_density(&REFERENCE_MIXTURE.map(|(weight, part)| (weight, kernel.push(part))), y)
}

fn from_own_gaussian(t: usize) -> f64 {
    let kernel = linear(t);
    super::relative_entropy_to_gaussian(|y| noised_density(kernel, y), None)
}

/// Density at y of the reference mixture after `times` convolutions with N(0, var), each one a sum over a grid: the same
/// as one convolution with N(0, times · var).
fn repeated_convolution(times: usize, var: f64, y: f64) -> f64 {
    let spacing = 0.05;
    let grid: Vec<f64> = (-200..=200).map(|k| spacing * f64::from(k)).collect();
    let weights: Vec<f64> = grid.iter().map(|x| spacing * normal(*x, 0.0, var)).collect();
    let mut density: Vec<f64> = grid.iter().map(|x| mixture_density(&REFERENCE_MIXTURE, *x)).collect();
    for _ in 1..times {
        let blurred = |at: usize| -> f64 {
            let reach = at.saturating_sub(200)..=(at + 200).min(400);
            reach.map(|from| density[from] * weights[200 + at - from]).sum()
        };
        density = (0..grid.len()).map(blurred).collect();
    }
    grid.iter().zip(&density).map(|(x, value)| spacing * value * normal(y, *x, var)).sum()
}

fn chain_of_draws(schedule: &Schedule, x0: f64, noises: &[f64]) -> f64 {
    schedule.steps().zip(noises).fold(x0, |x, ((_, step), noise)| Kernel::between(&step).draw(x, *noise))
}

fn one_shot_of(schedule: &Schedule, t: usize, x0: f64, noise: f64) -> f64 {
    noised(schedule.level(at(t)), x0, noise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Run;

    #[test]
    fn faults_of_draws_are_ten_standard_errors_away() {
        for (fault, outcome) in draws().faults(&Run::default()) {
            let mismatch = outcome.unwrap_err();
            let off = (mismatch.got - mismatch.want).abs();
            assert!(off > 2.0 * mismatch.tol.allowance(mismatch.want), "{}: {mismatch}", fault.name);
        }
    }
}
