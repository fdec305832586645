//! Wrong formulas of the forward process: kernels, roll-outs, paths, covariances and noised data; and its errata.

use crate::check::forward::{REFERENCE_MIXTURE, mixture_density, path_mass};
use crate::check::{Erratum, Numbers, Severity, Wrong, wrong};
use crate::forward::{Expansion, Kernel, covariance, expansion, path_log_density};
use crate::posterior::Moments;
use crate::schedule::{Betas, Level, Schedule, Timestep, Transition};

const fn at(t: usize) -> Timestep {
    Timestep::new(t)
}

wrong! {
    /// Wrong kernels of q(x_t | x_0).
    pub MARGINALS: fn(&Schedule, Timestep) -> Kernel;

    erratum("E1.1") alpha_for_alpha_bar: "α_t where ᾱ_t was meant: x_t keeps nearly all of x_0 at every time" =>
        |schedule, t| Kernel { scale: schedule.step(t).alpha().sqrt(), ..Kernel::from_data(schedule.level(t)) };
    shipped marginal_of_previous_time: "x_t is noised as x_{t−1}: the level is one step early" =>
        |schedule, t| Kernel::from_data(schedule.level(at(t.get() - 1)));
    slip alpha_bar_not_rooted: "ᾱ x_0 where √ᾱ x_0 was meant" =>
        |schedule, t| Kernel { scale: schedule.alpha_bar(t), ..Kernel::from_data(schedule.level(t)) };
    slip std_for_marginal_variance: "√(1 − ᾱ) stands for the variance, so that noise is added with its root" =>
        |schedule, t| Kernel { var: schedule.level(t).noise_std(), ..Kernel::from_data(schedule.level(t)) };
    slip noise_amplitude_complement:
        "the noise has standard deviation 1 − √ᾱ: amplitudes sum to 1 where squares should" =>
        |schedule, t| {
            let scale = schedule.level(t).signal();
            Kernel { scale, var: (1.0 - scale).powi(2) }
        };
}

wrong! {
    /// Wrong draws of x_t from x_{t−1} and a noise.
    pub STEP_DRAWS: fn(&Transition, f64, f64) -> f64;

    slip beta_as_std: "a step adds β ε where √β ε was meant" =>
        |step, x, noise| step.alpha().sqrt() * x + step.beta() * noise;
    slip step_scale_not_rooted: "a step multiplies x by 1 − β, not by its root" =>
        |step, x, noise| step.alpha() * x + step.beta().sqrt() * noise;
    slip step_not_scaled: "a step only adds noise, so that the variance grows without end" =>
        |step, x, noise| x + step.beta().sqrt() * noise;
}

wrong! {
    /// Wrong logarithms of q(x_t | x_{t−1}), of (step, x_t, x_{t−1}).
    pub STEP_DENSITIES: fn(&Transition, f64, f64) -> f64;

    slip density_with_std: "√β stands for the variance in the density of a step" =>
        |step, y, x| Kernel { scale: step.alpha().sqrt(), var: step.beta().sqrt() }.log_density(y, x);
    slip density_not_normalised: "the density of a step lacks its factor 1/√(2πβ)" =>
        |step, y, x| -0.5 * (y - step.alpha().sqrt() * x).powi(2) / step.beta();
}

wrong! {
    /// Wrong factors of x_s and of the noises in x_t.
    pub EXPANSIONS: fn(&Schedule, Timestep, Timestep) -> Expansion;

    erratum("E3.8") roots_over_first_factor: "in the roll-out the roots cover α_t alone, not the products after it" =>
        |schedule, s, t| {
            let alpha = |i: usize| 1.0 - schedule.beta(at(i));
            let last = t.get();
            // √α_t α_{t−1} … α_{i+1}, as printed.
            let kept = |i: usize| (i + 1..last).map(alpha).product::<f64>() * alpha(last).sqrt();
            let noise = |i: usize| if i == last { schedule.beta(t).sqrt() } else { kept(i) * schedule.beta(at(i)) };
            // α_{t−1} printed twice where the second is α_{t−2}.
            let twice = if last > s.get() + 2 { alpha(last - 1) / alpha(last - 2) } else { 1.0 };
            Expansion { state: kept(s.get()) * twice, noise: (s.get() + 1..=last).map(noise).collect() }
        };
    erratum("E3.7") one_root_forgotten: "the first noise is not shrunk by the step that follows it" =>
        |schedule, s, t| {
            let mut all = expansion(schedule, s, t);
            if all.noise.len() > 2 {
                all.noise[0] /= schedule.step(at(s.get() + 2)).alpha().sqrt();
            }
            all
        };
    slip noises_shifted: "ε_i has the factor of ε_{i+1}: one step too few shrinks it" =>
        |schedule, s, t| {
            let mut all = expansion(schedule, s, t);
            all.noise.rotate_left(1);
            all
        };
    slip merged_noise: "one noise with √(1 − ᾱ) for all: right in law, wrong along a path" =>
        |schedule, s, t| {
            let mut all = expansion(schedule, s, t);
            let std = all.var().sqrt();
            all.noise.fill(0.0);
            all.noise[0] = std;
            all
        };
    slip last_noise_shrunk: "noise is added before x is scaled, so that it shrinks too" =>
        |schedule, s, t| {
            let mut all = expansion(schedule, s, t);
            all.noise.iter_mut().zip(s.get() + 1..).for_each(|(factor, i)| *factor *= schedule.step(at(i)).alpha().sqrt());
            all
        };
}

wrong! {
    /// Wrong kernels of two in a row.
    pub COMPOSITIONS: fn(Kernel, Kernel) -> Kernel;

    slip stds_added: "standard deviations of two noises are added, as if they were one and the same noise" =>
        |first, second| {
            let std = second.scale * first.var.sqrt() + second.var.sqrt();
            Kernel { scale: first.scale * second.scale, var: std * std }
        };
    slip second_scale_not_applied: "the first noise is not shrunk by the second step" =>
        |first, second| Kernel { scale: first.scale * second.scale, var: first.var + second.var };
    slip second_scale_not_squared: "the first variance is multiplied by the second scale, not by its square" =>
        |first, second| Kernel { scale: first.scale * second.scale, var: second.scale.abs() * first.var + second.var };
    slip steps_exchanged: "the second step's noise is shrunk by the first, not the first's by the second" =>
        |first, second| second.then(first);
}

wrong! {
    /// Wrong βs of a chain that visits only some times.
    pub RESPACINGS: fn(&Schedule, &[Timestep]) -> Vec<f64>;

    shipped full_chain_betas:
        "the kept chain uses the betas of the full one, where they must be recomputed between kept times" =>
        |schedule, kept| kept.iter().map(|&t| schedule.beta(t)).collect();
    slip betas_summed: "the betas between two kept times are summed" =>
        |schedule, kept| {
            let mut previous = 0;
            let sum = |t: &Timestep| {
                let betas = &schedule.betas().as_slice()[previous..t.get()];
                previous = t.get();
                betas.iter().sum::<f64>().min(0.999)
            };
            kept.iter().map(sum).collect()
        };
    slip respaced_from_data: "1 − ᾱ_t where 1 − ᾱ_t/ᾱ_s was meant" =>
        |schedule, kept| kept.iter().map(|&t| schedule.level(t).one_minus_alpha_bar()).collect();
}

wrong! {
    /// Wrong logarithms of the density of a path.
    pub PATHS: fn(&Schedule, &[f64]) -> f64;

    erratum("E0.1") density_with_q_of_x0: "the density of x_1 … x_T given x_0 has a factor q(x_0) too many" =>
        |schedule, path| right_path_density(schedule, path) + Kernel { scale: 0.0, var: 1.0 }.log_density(path[0], 0.0);
    slip product_of_marginals: "the product of q(x_t | x_0), as if the states were independent given x_0" =>
        |schedule, path| {
            let term = |t: Timestep| Kernel::from_data(schedule.level(t)).log_density(path[t.get()], path[0]);
            schedule.timesteps().map(term).sum()
        };
    slip first_kernel_dropped: "the product starts at t = 2" =>
        |schedule, path| {
            right_path_density(schedule, path) - Kernel::between(&schedule.step(at(1))).log_density(path[1], path[0])
        };
    slip path_reversed: "each kernel is read with its two states exchanged" =>
        |schedule, path| schedule
            .steps()
            .zip(path.windows(2))
            .map(|((_, step), xs)| Kernel::between(&step).log_density(xs[0], xs[1]))
            .sum();
}

fn right_path_density(schedule: &Schedule, path: &[f64]) -> f64 {
    path_log_density(schedule, path).expect("a path of T + 1 states")
}

wrong! {
    /// Wrong covariances of x_s and x_t, of (schedule, s, t, variance of the data).
    pub COVARIANCES: fn(&Schedule, Timestep, Timestep, f64) -> f64;

    slip covariance_not_shrunk: "Cov(x_s, x_t) is Var(x_s): later steps do not shrink it" =>
        |schedule, s, _, data_var| covariance(schedule, s, s, data_var);
    slip covariance_shrunk_from_data: "√ᾱ_t Var(x_s) where √(ᾱ_t/ᾱ_s) Var(x_s) was meant" =>
        |schedule, s, t, data_var| {
            let right = covariance(schedule, s, t, data_var);
            if s == t { right } else { right * schedule.level(s).signal() }
        };
    slip covariance_through_data_only: "only what x_s and x_t share of x_0 is counted, not the noise they share" =>
        |schedule, s, t, data_var| {
            if s == t {
                return covariance(schedule, s, t, data_var);
            }
            schedule.level(s).signal() * schedule.level(t).signal() * data_var
        };
    slip data_variance_taken_as_one: "the states' variance is 1 whatever that of the data" =>
        |schedule, s, t, _| covariance(schedule, s, t, 1.0);
}

wrong! {
    /// Wrong means and variances of what a kernel makes of a random x.
    pub PUSHES: fn(Kernel, Moments) -> Moments;

    slip unit_variance_assumed: "a² + σ² for a²Var(x) + σ²: right for unit variance only" =>
        |kernel, x| Moments { mean: kernel.scale * x.mean, var: kernel.scale * kernel.scale + kernel.var };
    slip scale_not_squared: "a Var(x) + σ² for a²Var(x) + σ²" =>
        |kernel, x| Moments { mean: kernel.scale * x.mean, var: kernel.scale.abs() * x.var + kernel.var };
    slip std_added_to_variance: "σ where σ² was meant" =>
        |kernel, x| {
            Moments { mean: kernel.scale * x.mean, var: kernel.scale * kernel.scale * x.var + kernel.var.sqrt() }
        };
    slip mean_not_scaled: "the mean passes unscaled" =>
        |kernel, x| Moments { mean: x.mean, ..kernel.push(x) };
}

wrong! {
    /// Wrong densities of the noised reference mixture.
    pub CONVOLUTIONS: fn(Kernel, f64) -> f64;

    slip convolved_not_scaled: "the data is convolved with noise but not scaled first" =>
        |kernel, y| noised_density(|part| Kernel { scale: 1.0, ..kernel }.push(part), y);
    slip scaled_after_noise: "scaled after the noise was added, so that the noise shrinks too" =>
        |kernel, y| noised_density(|part| Kernel { var: kernel.var * kernel.scale.powi(2), ..kernel }.push(part), y);
    erratum("E2.1") std_read_as_variance: "σ stands where the variance σ² was meant" =>
        |kernel, y| noised_density(|part| Kernel { var: kernel.var.sqrt(), ..kernel }.push(part), y);
    slip gaussian_fit: "noised data is taken for Gaussian: only its mean and variance are right" =>
        |kernel, y| {
            let mean: f64 = REFERENCE_MIXTURE.iter().map(|(weight, part)| weight * part.mean).sum();
            let second: f64 = REFERENCE_MIXTURE.iter().map(|(weight, part)| weight * (part.var + part.mean.powi(2))).sum();
            mixture_density(&[(1.0, kernel.push(Moments { mean, var: second - mean * mean }))], y)
        };
    erratum("E3.19") pure_noise: "x_t is taken for standard noise at every t" =>
        |_, y| mixture_density(&[(1.0, Moments { mean: 0.0, var: 1.0 })], y);
}

fn noised_density(noised: impl Fn(Moments) -> Moments, y: f64) -> f64 {
    mixture_density(&REFERENCE_MIXTURE.map(|(weight, part)| (weight, noised(part))), y)
}

wrong! {
    /// Wrong draws of x_T from x_0 and the noises of its steps.
    pub DRAWS: fn(&Schedule, f64, &[f64]) -> f64;

    slip one_noise_for_all_steps: "one noise is drawn and used at every step: the steps' noises are correlated" =>
        |schedule, x0, noises| schedule.steps().fold(x0, |x, (_, step)| Kernel::between(&step).draw(x, noises[0]));
    slip chain_without_last_step: "the chain ends one step early" =>
        |schedule, x0, noises| {
            let steps = schedule.steps().zip(noises).take(schedule.len() - 1);
            steps.fold(x0, |x, ((_, step), noise)| Kernel::between(&step).draw(x, *noise))
        };
    slip noise_depends_on_data: "the noise is shifted by a little of x_0" =>
        |schedule, x0, noises| Kernel::from_data(schedule.level(schedule.last())).draw(x0, noises[0] + 0.2 * x0);
}

/// Errata of the source documents that belong here.
#[expect(clippy::approx_constant, reason = "digits as listed")]
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E0.1",
        severity: Severity::Result,
        rows: &["S0.03"],
        printed: "q(x_{1:T} | x_0) has a factor q(x_0)",
        correct: "no such factor; with it the left side is q(x_{0:T})",
        numbers: &[Numbers {
            at: "mass over x_1, x_2 at x_0 = 0, x_0 ~ N(0, 1)",
            printed: || path_mass(Wrong::named(PATHS, "density_with_q_of_x0").f, &chain(&[0.1, 0.3]), 0.0),
            correct: || path_mass(right_path_density, &chain(&[0.1, 0.3]), 0.0),
            listed: (0.398_942, 1.0),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E1.1",
        severity: Severity::Result,
        rows: &["S1.55"],
        printed: "the mean of q(x_t | x_0) is √α_t x_0",
        correct: "√ᾱ_t x_0",
        numbers: &[Numbers {
            at: "linear schedule, t = 500, x_0 = 1",
            printed: || (Wrong::named(MARGINALS, "alpha_for_alpha_bar").f)(&Schedule::ddpm(), at(500)).scale,
            correct: || Kernel::from_data(Schedule::ddpm().level(at(500))).scale,
            listed: (0.994_967, 0.280_334),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E2.1",
        severity: Severity::Typo,
        rows: &["S2.01"],
        printed: "adding noise of standard deviation σ is drawing from N(x | x_0, σ)",
        correct: "N(x | x_0, σ²): the second argument is a variance",
        numbers: &[Numbers {
            at: "standard deviation for σ = 0.5",
            printed: || Kernel { scale: 1.0, var: 0.5 }.at(0.0).var.sqrt(),
            correct: || Kernel { scale: 1.0, var: 0.5 * 0.5 }.at(0.0).var.sqrt(),
            listed: (0.7071, 0.5),
            decimals: 4,
        }],
    },
    Erratum {
        id: "E2.6",
        severity: Severity::Wording,
        rows: &["S2.26", "S2.27"],
        printed: "combining the noises linearly makes them different from pure Gaussian noise, and biased",
        correct: "the accumulated noise is exactly N(0, (1 − ᾱ_t) I) and independent of x_0; biased only given x_t",
        numbers: &[],
    },
    Erratum {
        id: "E3.5",
        severity: Severity::Typo,
        rows: &["S3.26"],
        printed: "the noises of the three-step example are called I_1, I_2, I_3, like the identity",
        correct: "ε_1, ε_2, ε_3 ~ N(0, I)",
        numbers: &[],
    },
    Erratum {
        id: "E3.6",
        severity: Severity::Typo,
        rows: &["S3.27"],
        printed: "the mean of x_3 is √ᾱ_3",
        correct: "√ᾱ_3 x_0",
        numbers: &[Numbers {
            at: "β = (0.1, 0.3, 0.5), x_0 = 0",
            printed: || toy().level(at(3)).signal(),
            correct: || Kernel::from_data(toy().level(at(3))).at(0.0).mean,
            listed: (0.561_249, 0.0),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E3.7",
        severity: Severity::Typo,
        rows: &["S3.29"],
        printed: "two repetitions of the variance of x_3 lack √(1 − β_2) in the first square or are cut off",
        correct: "α_3 α_2 β_1 + α_3 β_2 + β_3",
        numbers: &[Numbers {
            at: "β = (0.1, 0.3, 0.5)",
            printed: || (Wrong::named(EXPANSIONS, "one_root_forgotten").f)(&toy(), at(0), at(3)).var(),
            correct: || expansion(&toy(), at(0), at(3)).var(),
            listed: (0.70, 0.685),
            decimals: 3,
        }],
    },
    Erratum {
        id: "E3.8",
        severity: Severity::Result,
        rows: &["S3.31"],
        printed: "in the roll-out the roots cover α_t alone, and α_{t−1} comes twice",
        correct: "every root covers its whole product, and the indices fall",
        numbers: &[
            Numbers {
                at: "linear schedule, t = 500: factor of ε_{t−1}",
                printed: || {
                    (Wrong::named(EXPANSIONS, "roots_over_first_factor").f)(&Schedule::ddpm(), at(0), at(500)).noise
                        [498]
                },
                correct: || expansion(&Schedule::ddpm(), at(0), at(500)).noise[498],
                listed: (0.009_969_69, 0.099_596_8),
                decimals: 7,
            },
            Numbers {
                at: "linear schedule, t = 500: variance of the noise part",
                printed: || {
                    (Wrong::named(EXPANSIONS, "roots_over_first_factor").f)(&Schedule::ddpm(), at(0), at(500)).var()
                },
                correct: || expansion(&Schedule::ddpm(), at(0), at(500)).var(),
                listed: (0.014_460_05, 0.921_412_76),
                decimals: 8,
            },
            Numbers {
                at: "β = (0.1, 0.3, 0.5): factor of x_0 in x_3",
                printed: || (Wrong::named(EXPANSIONS, "roots_over_first_factor").f)(&toy(), at(0), at(3)).state,
                correct: || expansion(&toy(), at(0), at(3)).state,
                listed: (0.346_482, 0.561_249),
                decimals: 6,
            },
        ],
    },
    Erratum {
        id: "E3.19",
        severity: Severity::Wording,
        rows: &["S3.61"],
        printed: "x_t is known Gaussian noise",
        correct: "pure noise only at t = T; before, its mean is √ᾱ_t x_0",
        numbers: &[Numbers {
            at: "linear schedule, mean of x_500 at x_0 = 1",
            printed: || Kernel::from_data(Level::NOISE).at(1.0).mean,
            correct: || Kernel::from_data(Schedule::ddpm().level(at(500))).at(1.0).mean,
            listed: (0.0, 0.2803),
            decimals: 4,
        }],
    },
    Erratum {
        id: "E3.21",
        severity: Severity::Typo,
        rows: &["S3.30"],
        printed: "the bracket of N(x_3; …, (1 − ᾱ_3) I is not closed",
        correct: "closed",
        numbers: &[],
    },
    Erratum {
        id: "E3.22",
        severity: Severity::Typo,
        rows: &["S3.33"],
        printed: "two equations have the number (10)",
        correct: "one of them is (11)",
        numbers: &[],
    },
];

fn chain(betas: &[f64]) -> Schedule {
    Schedule::new(Betas::new(betas.to_vec()).expect("constants inside the valid range"))
}

fn toy() -> Schedule {
    chain(&[0.1, 0.3, 0.5])
}
