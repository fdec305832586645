//! Known wrong formulas of the forward process: kernels, roll-outs, paths, covariances and noised data.

mod errata;

pub use errata::ERRATA;

use crate::check::Origin;
use crate::check::forward::{REFERENCE_MIXTURE, mixture_density};
use crate::forward::{Expansion, Kernel, covariance, expansion, path_log_density};
use crate::posterior::Moments;
use crate::schedule::{Schedule, Timestep, Transition};

const fn at(t: usize) -> Timestep {
    Timestep::new(t)
}

faults! {
    ALPHA_FOR_ALPHA_BAR, "alpha_for_alpha_bar", Origin::Erratum("E1.1"),
        "α_t where ᾱ_t was meant: x_t keeps nearly all of x_0 at every time";
    MARGINAL_OF_PREVIOUS_TIME, "marginal_of_previous_time", Origin::Shipped,
        "x_t is noised as x_{t−1}: the level is one step early";
    ALPHA_BAR_NOT_ROOTED, "alpha_bar_not_rooted", Origin::Slip, "ᾱ x_0 where √ᾱ x_0 was meant";
    STD_FOR_MARGINAL_VARIANCE, "std_for_marginal_variance", Origin::Slip,
        "√(1 − ᾱ) stands for the variance, so that noise is added with its root";
    NOISE_AMPLITUDE_COMPLEMENT, "noise_amplitude_complement", Origin::Slip,
        "the noise has standard deviation 1 − √ᾱ: amplitudes sum to 1 where squares should";

    BETA_AS_STD, "beta_as_std", Origin::Slip, "a step adds β ε where √β ε was meant";
    STEP_SCALE_NOT_ROOTED, "step_scale_not_rooted", Origin::Slip, "a step multiplies x by 1 − β, not by its root";
    STEP_NOT_SCALED, "step_not_scaled", Origin::Slip, "a step only adds noise, so that the variance grows without end";
    DENSITY_WITH_STD, "density_with_std", Origin::Slip, "√β stands for the variance in the density of a step";
    DENSITY_NOT_NORMALISED, "density_not_normalised", Origin::Slip, "the density of a step lacks its factor 1/√(2πβ)";

    ROOTS_OVER_FIRST_FACTOR, "roots_over_first_factor", Origin::Erratum("E3.8"),
        "in the roll-out the roots cover α_t alone, not the products after it";
    ONE_ROOT_FORGOTTEN, "one_root_forgotten", Origin::Erratum("E3.7"),
        "the first noise is not shrunk by the step that follows it";
    NOISES_SHIFTED, "noises_shifted", Origin::Slip, "ε_i has the factor of ε_{i+1}: one step too few shrinks it";
    MERGED_NOISE, "merged_noise", Origin::Slip,
        "one noise with √(1 − ᾱ) for all: right in law, wrong along a path";
    LAST_NOISE_SHRUNK, "last_noise_shrunk", Origin::Slip, "noise is added before x is scaled, so that it shrinks too";

    STDS_ADDED, "stds_added", Origin::Slip,
        "standard deviations of two noises are added, as if they were one and the same noise";
    SECOND_SCALE_NOT_APPLIED, "second_scale_not_applied", Origin::Slip,
        "the first noise is not shrunk by the second step";
    SECOND_SCALE_NOT_SQUARED, "second_scale_not_squared", Origin::Slip,
        "the first variance is multiplied by the second scale, not by its square";
    STEPS_EXCHANGED, "steps_exchanged", Origin::Slip, "the second step's noise is shrunk by the first, not the first's by the second";

    FULL_CHAIN_BETAS, "full_chain_betas", Origin::Shipped,
        "the kept chain uses the betas of the full one, where they must be recomputed between kept times";
    BETAS_SUMMED, "betas_summed", Origin::Slip, "the betas between two kept times are summed";
    RESPACED_FROM_DATA, "respaced_from_data", Origin::Slip, "1 − ᾱ_t where 1 − ᾱ_t/ᾱ_s was meant";

    DENSITY_WITH_Q_OF_X0, "density_with_q_of_x0", Origin::Erratum("E0.1"),
        "the density of x_1 … x_T given x_0 has a factor q(x_0) too many";
    PRODUCT_OF_MARGINALS, "product_of_marginals", Origin::Slip,
        "the product of q(x_t | x_0), as if the states were independent given x_0";
    FIRST_KERNEL_DROPPED, "first_kernel_dropped", Origin::Slip, "the product starts at t = 2";
    PATH_REVERSED, "path_reversed", Origin::Slip, "each kernel is read with its two states exchanged";

    COVARIANCE_NOT_SHRUNK, "covariance_not_shrunk", Origin::Slip, "Cov(x_s, x_t) is Var(x_s): later steps do not shrink it";
    COVARIANCE_SHRUNK_FROM_DATA, "covariance_shrunk_from_data", Origin::Slip, "√ᾱ_t Var(x_s) where √(ᾱ_t/ᾱ_s) Var(x_s) was meant";
    COVARIANCE_THROUGH_DATA_ONLY, "covariance_through_data_only", Origin::Slip,
        "only what x_s and x_t share of x_0 is counted, not the noise they share";
    DATA_VARIANCE_TAKEN_AS_ONE, "data_variance_taken_as_one", Origin::Slip, "the states' variance is 1 whatever that of the data";

    UNIT_VARIANCE_ASSUMED, "unit_variance_assumed", Origin::Slip, "a² + σ² for a²Var(x) + σ²: right for unit variance only";
    SCALE_NOT_SQUARED, "scale_not_squared", Origin::Slip, "a Var(x) + σ² for a²Var(x) + σ²";
    STD_ADDED_TO_VARIANCE, "std_added_to_variance", Origin::Slip, "σ where σ² was meant";
    MEAN_NOT_SCALED, "mean_not_scaled", Origin::Slip, "the mean passes unscaled";

    CONVOLVED_NOT_SCALED, "convolved_not_scaled", Origin::Slip, "the data is convolved with noise but not scaled first";
    SCALED_AFTER_NOISE, "scaled_after_noise", Origin::Slip, "scaled after the noise was added, so that the noise shrinks too";
    STD_READ_AS_VARIANCE, "std_read_as_variance", Origin::Erratum("E2.1"), "σ stands where the variance σ² was meant";
    GAUSSIAN_FIT, "gaussian_fit", Origin::Slip, "noised data is taken for Gaussian: only its mean and variance are right";
    PURE_NOISE, "pure_noise", Origin::Erratum("E3.19"), "x_t is taken for standard noise at every t";

    ONE_NOISE_FOR_ALL_STEPS, "one_noise_for_all_steps", Origin::Slip,
        "one noise is drawn and used at every step: the steps' noises are correlated";
    CHAIN_WITHOUT_LAST_STEP, "chain_without_last_step", Origin::Slip, "the chain ends one step early";
    NOISE_DEPENDS_ON_DATA, "noise_depends_on_data", Origin::Slip, "the noise is shifted by a little of x_0";
}

/// [`ALPHA_FOR_ALPHA_BAR`].
#[must_use]
pub fn alpha_for_alpha_bar(schedule: &Schedule, t: Timestep) -> Kernel {
    Kernel { scale: schedule.step(t).alpha().sqrt(), ..Kernel::from_data(schedule.level(t)) }
}

/// [`MARGINAL_OF_PREVIOUS_TIME`].
#[must_use]
pub fn marginal_of_previous_time(schedule: &Schedule, t: Timestep) -> Kernel {
    Kernel::from_data(schedule.level(at(t.get() - 1)))
}

/// [`ALPHA_BAR_NOT_ROOTED`].
#[must_use]
pub fn alpha_bar_not_rooted(schedule: &Schedule, t: Timestep) -> Kernel {
    Kernel { scale: schedule.alpha_bar(t), ..Kernel::from_data(schedule.level(t)) }
}

/// [`STD_FOR_MARGINAL_VARIANCE`].
#[must_use]
pub fn std_for_marginal_variance(schedule: &Schedule, t: Timestep) -> Kernel {
    Kernel { var: schedule.level(t).noise_std(), ..Kernel::from_data(schedule.level(t)) }
}

/// [`NOISE_AMPLITUDE_COMPLEMENT`].
#[must_use]
pub fn noise_amplitude_complement(schedule: &Schedule, t: Timestep) -> Kernel {
    let scale = schedule.level(t).signal();
    Kernel { scale, var: (1.0 - scale).powi(2) }
}

/// [`BETA_AS_STD`].
#[must_use]
pub fn beta_as_std(step: &Transition, x: f64, noise: f64) -> f64 {
    step.alpha().sqrt() * x + step.beta() * noise
}

/// [`STEP_SCALE_NOT_ROOTED`].
#[must_use]
pub fn step_scale_not_rooted(step: &Transition, x: f64, noise: f64) -> f64 {
    step.alpha() * x + step.beta().sqrt() * noise
}

/// [`STEP_NOT_SCALED`].
#[must_use]
pub fn step_not_scaled(step: &Transition, x: f64, noise: f64) -> f64 {
    x + step.beta().sqrt() * noise
}

/// [`DENSITY_WITH_STD`].
#[must_use]
pub fn density_with_std(step: &Transition, y: f64, x: f64) -> f64 {
    Kernel { scale: step.alpha().sqrt(), var: step.beta().sqrt() }.log_density(y, x)
}

/// [`DENSITY_NOT_NORMALISED`].
#[must_use]
pub fn density_not_normalised(step: &Transition, y: f64, x: f64) -> f64 {
    -0.5 * (y - step.alpha().sqrt() * x).powi(2) / step.beta()
}

/// [`ROOTS_OVER_FIRST_FACTOR`].
#[must_use]
pub fn roots_over_first_factor(schedule: &Schedule, s: Timestep, t: Timestep) -> Expansion {
    let alpha = |i: usize| 1.0 - schedule.beta(at(i));
    let last = t.get();
    // √α_t α_{t−1} … α_{i+1}, as printed.
    let kept = |i: usize| (i + 1..last).map(alpha).product::<f64>() * alpha(last).sqrt();
    let noise = |i: usize| if i == last { schedule.beta(t).sqrt() } else { kept(i) * schedule.beta(at(i)) };
    // α_{t−1} printed twice where the second is α_{t−2}.
    let twice = if last > s.get() + 2 { alpha(last - 1) / alpha(last - 2) } else { 1.0 };
    Expansion { state: kept(s.get()) * twice, noise: (s.get() + 1..=last).map(noise).collect() }
}

/// [`ONE_ROOT_FORGOTTEN`].
#[must_use]
pub fn one_root_forgotten(schedule: &Schedule, s: Timestep, t: Timestep) -> Expansion {
    let mut all = expansion(schedule, s, t);
    if all.noise.len() > 2 {
        all.noise[0] /= schedule.step(at(s.get() + 2)).alpha().sqrt();
    }
    all
}

/// [`NOISES_SHIFTED`].
#[must_use]
pub fn noises_shifted(schedule: &Schedule, s: Timestep, t: Timestep) -> Expansion {
    let mut all = expansion(schedule, s, t);
    all.noise.rotate_left(1);
    all
}

/// [`MERGED_NOISE`].
#[must_use]
pub fn merged_noise(schedule: &Schedule, s: Timestep, t: Timestep) -> Expansion {
    let mut all = expansion(schedule, s, t);
    let std = all.var().sqrt();
    all.noise.fill(0.0);
    all.noise[0] = std;
    all
}

/// [`LAST_NOISE_SHRUNK`].
#[must_use]
pub fn last_noise_shrunk(schedule: &Schedule, s: Timestep, t: Timestep) -> Expansion {
    let mut all = expansion(schedule, s, t);
    all.noise.iter_mut().zip(s.get() + 1..).for_each(|(factor, i)| *factor *= schedule.step(at(i)).alpha().sqrt());
    all
}

/// [`STDS_ADDED`].
#[must_use]
pub fn stds_added(first: Kernel, second: Kernel) -> Kernel {
    let std = second.scale * first.var.sqrt() + second.var.sqrt();
    Kernel { scale: first.scale * second.scale, var: std * std }
}

/// [`SECOND_SCALE_NOT_APPLIED`].
#[must_use]
pub fn second_scale_not_applied(first: Kernel, second: Kernel) -> Kernel {
    Kernel { scale: first.scale * second.scale, var: first.var + second.var }
}

/// [`SECOND_SCALE_NOT_SQUARED`].
#[must_use]
pub fn second_scale_not_squared(first: Kernel, second: Kernel) -> Kernel {
    Kernel { scale: first.scale * second.scale, var: second.scale.abs() * first.var + second.var }
}

/// [`STEPS_EXCHANGED`].
#[must_use]
pub fn steps_exchanged(first: Kernel, second: Kernel) -> Kernel {
    second.then(first)
}

/// [`FULL_CHAIN_BETAS`].
#[must_use]
pub fn full_chain_betas(schedule: &Schedule, kept: &[Timestep]) -> Vec<f64> {
    kept.iter().map(|&t| schedule.beta(t)).collect()
}

/// [`BETAS_SUMMED`].
#[must_use]
pub fn betas_summed(schedule: &Schedule, kept: &[Timestep]) -> Vec<f64> {
    let mut previous = 0;
    let sum = |t: &Timestep| {
        let betas = &schedule.betas().as_slice()[previous..t.get()];
        previous = t.get();
        betas.iter().sum::<f64>().min(0.999)
    };
    kept.iter().map(sum).collect()
}

/// [`RESPACED_FROM_DATA`].
#[must_use]
pub fn respaced_from_data(schedule: &Schedule, kept: &[Timestep]) -> Vec<f64> {
    kept.iter().map(|&t| schedule.level(t).one_minus_alpha_bar()).collect()
}

fn right_path_density(schedule: &Schedule, path: &[f64]) -> f64 {
    path_log_density(schedule, path).expect("a path of T + 1 states")
}

/// [`DENSITY_WITH_Q_OF_X0`].
#[must_use]
pub fn density_with_q_of_x0(schedule: &Schedule, path: &[f64]) -> f64 {
    right_path_density(schedule, path) + Kernel { scale: 0.0, var: 1.0 }.log_density(path[0], 0.0)
}

/// [`PRODUCT_OF_MARGINALS`].
#[must_use]
pub fn product_of_marginals(schedule: &Schedule, path: &[f64]) -> f64 {
    let term = |t: Timestep| Kernel::from_data(schedule.level(t)).log_density(path[t.get()], path[0]);
    schedule.timesteps().map(term).sum()
}

/// [`FIRST_KERNEL_DROPPED`].
#[must_use]
pub fn first_kernel_dropped(schedule: &Schedule, path: &[f64]) -> f64 {
    right_path_density(schedule, path) - Kernel::between(&schedule.step(at(1))).log_density(path[1], path[0])
}

/// [`PATH_REVERSED`].
#[must_use]
pub fn path_reversed(schedule: &Schedule, path: &[f64]) -> f64 {
    schedule
        .steps()
        .zip(path.windows(2))
        .map(|((_, step), xs)| Kernel::between(&step).log_density(xs[0], xs[1]))
        .sum()
}

/// [`COVARIANCE_NOT_SHRUNK`].
#[must_use]
pub fn covariance_not_shrunk(schedule: &Schedule, s: Timestep, _t: Timestep, data_var: f64) -> f64 {
    covariance(schedule, s, s, data_var)
}

/// [`COVARIANCE_SHRUNK_FROM_DATA`].
#[must_use]
pub fn covariance_shrunk_from_data(schedule: &Schedule, s: Timestep, t: Timestep, data_var: f64) -> f64 {
    let right = covariance(schedule, s, t, data_var);
    if s == t { right } else { right * schedule.level(s).signal() }
}

/// [`COVARIANCE_THROUGH_DATA_ONLY`].
#[must_use]
pub fn covariance_through_data_only(schedule: &Schedule, s: Timestep, t: Timestep, data_var: f64) -> f64 {
    if s == t {
        return covariance(schedule, s, t, data_var);
    }
    schedule.level(s).signal() * schedule.level(t).signal() * data_var
}

/// [`DATA_VARIANCE_TAKEN_AS_ONE`].
#[must_use]
pub fn data_variance_taken_as_one(schedule: &Schedule, s: Timestep, t: Timestep, _data_var: f64) -> f64 {
    covariance(schedule, s, t, 1.0)
}

/// [`UNIT_VARIANCE_ASSUMED`].
#[must_use]
pub fn unit_variance_assumed(kernel: Kernel, x: Moments) -> Moments {
    Moments { mean: kernel.scale * x.mean, var: kernel.scale * kernel.scale + kernel.var }
}

/// [`SCALE_NOT_SQUARED`].
#[must_use]
pub fn scale_not_squared(kernel: Kernel, x: Moments) -> Moments {
    Moments { mean: kernel.scale * x.mean, var: kernel.scale.abs() * x.var + kernel.var }
}

/// [`STD_ADDED_TO_VARIANCE`].
#[must_use]
pub fn std_added_to_variance(kernel: Kernel, x: Moments) -> Moments {
    Moments { mean: kernel.scale * x.mean, var: kernel.scale * kernel.scale * x.var + kernel.var.sqrt() }
}

/// [`MEAN_NOT_SCALED`].
#[must_use]
pub fn mean_not_scaled(kernel: Kernel, x: Moments) -> Moments {
    Moments { mean: x.mean, ..kernel.push(x) }
}

fn noised_density(noised: impl Fn(Moments) -> Moments, y: f64) -> f64 {
    mixture_density(&REFERENCE_MIXTURE.map(|(weight, part)| (weight, noised(part))), y)
}

/// [`CONVOLVED_NOT_SCALED`].
#[must_use]
pub fn convolved_not_scaled(kernel: Kernel, y: f64) -> f64 {
    noised_density(|part| Kernel { scale: 1.0, ..kernel }.push(part), y)
}

/// [`SCALED_AFTER_NOISE`].
#[must_use]
pub fn scaled_after_noise(kernel: Kernel, y: f64) -> f64 {
    noised_density(|part| Kernel { var: kernel.var * kernel.scale.powi(2), ..kernel }.push(part), y)
}

/// [`STD_READ_AS_VARIANCE`].
#[must_use]
pub fn std_read_as_variance(kernel: Kernel, y: f64) -> f64 {
    noised_density(|part| Kernel { var: kernel.var.sqrt(), ..kernel }.push(part), y)
}

/// [`GAUSSIAN_FIT`].
#[must_use]
pub fn gaussian_fit(kernel: Kernel, y: f64) -> f64 {
    let mean: f64 = REFERENCE_MIXTURE.iter().map(|(weight, part)| weight * part.mean).sum();
    let second: f64 = REFERENCE_MIXTURE.iter().map(|(weight, part)| weight * (part.var + part.mean.powi(2))).sum();
    mixture_density(&[(1.0, kernel.push(Moments { mean, var: second - mean * mean }))], y)
}

/// [`PURE_NOISE`].
#[must_use]
pub fn pure_noise(_kernel: Kernel, y: f64) -> f64 {
    mixture_density(&[(1.0, Moments { mean: 0.0, var: 1.0 })], y)
}

/// [`ONE_NOISE_FOR_ALL_STEPS`].
#[must_use]
pub fn one_noise_for_all_steps(schedule: &Schedule, x0: f64, noises: &[f64]) -> f64 {
    schedule.steps().fold(x0, |x, (_, step)| Kernel::between(&step).draw(x, noises[0]))
}

/// [`CHAIN_WITHOUT_LAST_STEP`].
#[must_use]
pub fn chain_without_last_step(schedule: &Schedule, x0: f64, noises: &[f64]) -> f64 {
    let steps = schedule.steps().zip(noises).take(schedule.len() - 1);
    steps.fold(x0, |x, ((_, step), noise)| Kernel::between(&step).draw(x, *noise))
}

/// [`NOISE_DEPENDS_ON_DATA`].
#[must_use]
pub fn noise_depends_on_data(schedule: &Schedule, x0: f64, noises: &[f64]) -> f64 {
    Kernel::from_data(schedule.level(schedule.last())).draw(x0, noises[0] + 0.2 * x0)
}
