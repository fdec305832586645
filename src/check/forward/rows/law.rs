//! Claims on the law of noised data.

use ndarray_rand::rand::{Rng, SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;

use super::{CHAPTER, at, chain, linear, noised, recursion, roundings, row, window};
use crate::check::forward::{self as check, REFERENCE_MIXTURE, mixture_density};
use crate::check::{Outcome, Run, Tol, log_uniform, uniform};
use crate::exact::{Mixture1, Noising};
use crate::check::forward::faults as fault;
use crate::forward::Kernel;
use crate::posterior::Moments;
use crate::schedule::Schedule;
use crate::check::{Claim, Method};

pub(super) fn convolutions() -> Claim {
    Claim::legacy(
        "noising_is_scaling_and_convolution",
        CHAPTER,
        "noised data has the density of the data, scaled by a and convolved with N(0, σ²); Gaussian only in the limit",
        Method::Numerical("convolution of densities on a grid"),
        |run| convolve(run, noised_density),
    )
    .row("S0.02", || {
        let kernel = linear(1000);
        let far = check::relative_entropy_to_gaussian(|y| noised_density(kernel, y), Some(Moments { mean: 0.0, var: 1.0 }));
        // To second order in √ᾱ the KL is half the squared mean; the rest is of order ᾱ².
        row(far, 0.5 * (0.25 * recursion(1000).0).powi(2), Tol::abs(2e-9, "terms of order ᾱ²"))
    })
    .row("S2.01", || {
        let noise = Kernel { scale: 1.0, var: 0.6 * 0.6 };
        row(noise.draw(0.3, 1.0) - 0.3, 0.6, roundings(4.0))
    })
    .row("S2.02", || {
        row(noised_density(Kernel { scale: 1.0, var: 0.2 }, -0.4), check::repeated_convolution(1, 0.2, -0.4), roundings(64.0))
    })
    .row("S2.03", || {
        row(noised_density(Kernel { scale: 1.0, var: 0.3 }, 0.1), check::repeated_convolution(3, 0.1, 0.1), roundings(64.0))
    })
    .row("A3.4", || row(from_own_gaussian(1), 0.4454, Tol::printed(4)))
    .row("A3.4", || row(from_own_gaussian(100), 0.2477, Tol::printed(4)))
    .row("A3.4", || row(from_own_gaussian(500), 4.7e-5, Tol::printed(6)))
    .fault(fault::CONVOLVED_NOT_SCALED, |run| convolve(run, fault::convolved_not_scaled))
    .fault(fault::SCALED_AFTER_NOISE, |run| convolve(run, fault::scaled_after_noise))
    .fault(fault::STD_READ_AS_VARIANCE, |run| convolve(run, fault::std_read_as_variance))
    .fault(fault::GAUSSIAN_FIT, |run| convolve(run, fault::gaussian_fit))
    .fault(fault::PURE_NOISE, |run| convolve(run, fault::pure_noise))
}

/// The reference mixture noised part by part.
fn noised_density(kernel: Kernel, y: f64) -> f64 {
    mixture_density(&REFERENCE_MIXTURE.map(|(weight, part)| (weight, kernel.push(part))), y)
}

fn from_own_gaussian(t: usize) -> f64 {
    let kernel = linear(t);
    check::relative_entropy_to_gaussian(|y| noised_density(kernel, y), None)
}

fn convolve(run: &Run, f: fn(Kernel, f64) -> f64) -> Outcome {
    run.over(|[u, v, y]: [f64; 3]| {
        let kernel = if u < 0.8 {
            linear(1 + (u / 0.8 * 1000.0) as usize)
        } else {
            Kernel { scale: 1.0, var: log_uniform(v, 1e-3, 9.0) }
        };
        let y = uniform(y, -3.5, 3.5);
        let world = |kernel: Kernel, y: f64| {
            let level = Noising::new(kernel.scale, kernel.var).expect("a kernel");
            Mixture1::reference().noised(level).pdf(y)
        };
        Ok(check::convolution(f, kernel, y)?.and(check::convolution(world, kernel, y)?))
    })
}

pub(super) fn draws() -> Claim {
    Claim::legacy(
        "draws_have_the_marginal_law",
        CHAPTER,
        "the iterated chain and the one-shot draw have one law, Gaussian noise that does not know x_0",
        Method::Statistics("four moments and the correlation with x_0 at 5 standard errors, fixed seed"),
        |run| sample(run, chain_of_draws, one_shot),
    )
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
    .fault(fault::ONE_NOISE_FOR_ALL_STEPS, |run| sample(run, fault::one_noise_for_all_steps, one_shot))
    .fault(fault::CHAIN_WITHOUT_LAST_STEP, |run| sample(run, fault::chain_without_last_step, one_shot))
    .fault(fault::NOISE_DEPENDS_ON_DATA, |run| sample(run, chain_of_draws, fault::noise_depends_on_data))
}

fn chain_of_draws(schedule: &Schedule, x0: f64, noises: &[f64]) -> f64 {
    schedule.steps().zip(noises).fold(x0, |x, ((_, step), noise)| Kernel::between(&step).draw(x, *noise))
}

fn one_shot(schedule: &Schedule, x0: f64, noises: &[f64]) -> f64 {
    one_shot_of(schedule, schedule.len(), x0, noises[0])
}

fn one_shot_of(schedule: &Schedule, t: usize, x0: f64, noise: f64) -> f64 {
    noised(schedule.level(at(t)), x0, noise)
}

type Path = fn(&Schedule, f64, &[f64]) -> f64;

/// 512 draws a case of a short chain: at 64 cases a standard error of 0.8 % on the variance.
fn sample(run: &Run, chain_of_draws: Path, one_shot: Path) -> Outcome {
    let schedule = chain(&[0.05, 0.1, 0.2, 0.3, 0.4]);
    let mut generator = StdRng::seed_from_u64(run.seed);
    let count = 512 * run.cases;
    let x0: Vec<f64> = (0..count).map(|_| if generator.random::<bool>() { 1.5 } else { -0.5 }).collect();
    let noises: Vec<f64> = (0..count * schedule.len()).map(|_| generator.sample(StandardNormal)).collect();
    let iterated = check::chain_draws(chain_of_draws, &schedule, &x0, &noises)?;
    Ok(iterated.and(check::chain_draws(one_shot, &schedule, &x0, &noises)?))
}
