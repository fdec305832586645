//! Known wrong formulas of predictions and their conversions.

use super::DATA;
use crate::check::{Erratum, Numbers, Severity, Wrong, wrong};
use crate::error::Result;
use crate::prediction::{
    Affine, Preconditioning, Prediction, conversion, from_mean, mean_from, mean_from_eps, mean_from_x0_and_eps,
};
use crate::schedule::{Level, Schedule, Timestep, Transition};

fn at(t: usize) -> Transition {
    Schedule::ddpm().step(Timestep::new(t))
}

type Mean = fn(Prediction, &Transition) -> Result<Affine>;

fn mean(name: &str) -> Mean {
    Wrong::named(MEANS, name).f
}

/// The mean by a formula from ε at x₀ = 1, ε = ½ of the linear schedule.
fn mean_at(t: usize, f: Mean) -> f64 {
    let step = at(t);
    let xt = step.t().signal() + step.t().noise_std() * 0.5;
    f(Prediction::Epsilon, &step).map_or(f64::NAN, |map| map.at(xt, 0.5))
}

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E2.3",
        severity: Severity::Result,
        rows: &["S2.21"],
        printed: "mean from noise with prefactor 1/√ᾱ_t",
        correct: "prefactor 1/√α_t",
        numbers: &[
            Numbers {
                at: "prefactor, linear, t = 500",
                printed: || {
                    mean("mean_prefactor_alpha_bar")(Prediction::Epsilon, &at(500)).map_or(f64::NAN, |map| map.x)
                },
                correct: || mean_from_eps(&at(500)).map_or(f64::NAN, |map| map.x),
                listed: (3.567_171, 1.005_058),
                decimals: 6,
            },
            Numbers {
                at: "mean, linear, t = 500, x0 = 1, eps = 0.5",
                printed: || mean_at(500, mean("mean_prefactor_alpha_bar")),
                correct: || mean_at(500, mean_from),
                listed: (2.693_413, 0.758_875),
                decimals: 6,
            },
            Numbers {
                at: "printed mean, linear, t = 1000, x0 = 1, eps = 0.5",
                printed: || mean_at(1000, mean("mean_prefactor_alpha_bar")),
                correct: || mean_at(1000, mean_from),
                listed: (78.1295, 0.5014),
                decimals: 4,
            },
        ],
    },
    Erratum {
        id: "E3.14",
        severity: Severity::Result,
        rows: &["S3.60"],
        printed: "noise factor β_t/√(1 − α_t)",
        correct: "β_t/√(1 − ᾱ_t)",
        numbers: &[
            Numbers {
                at: "noise factor, linear, t = 500",
                printed: || at(500).beta() / (1.0 - at(500).alpha()).sqrt(),
                correct: || mean_from_eps(&at(500)).map_or(f64::NAN, |map| -map.value / map.x),
                listed: (0.100_200, 0.010_459),
                decimals: 6,
            },
            Numbers {
                at: "mean, linear, t = 500, x0 = 1, eps = 0.5",
                printed: || mean_at(500, mean("mean_noise_of_one_step")),
                correct: || mean_at(500, mean_from),
                listed: (0.713_778, 0.758_875),
                decimals: 6,
            },
        ],
    },
    Erratum {
        id: "E3.20",
        severity: Severity::Intermediate,
        rows: &["S3.72"],
        printed: "eliminating x_t leaves a mean that depends on x₀ alone",
        correct: "√ᾱ_{t−1} x₀ + √α_t (1 − ᾱ_{t−1})/√(1 − ᾱ_t) ε still depends on ε",
        numbers: &[Numbers {
            at: "mean, linear, t = 500, x0 = 1, eps = 1",
            printed: || (Wrong::named(MEANS_OF_DATA_AND_NOISE, "mean_without_noise").f)(&at(500), 1.0, 1.0),
            correct: || mean_from_x0_and_eps(&at(500), 1.0, 1.0),
            listed: (0.281_752, 1.235_998),
            decimals: 6,
        }],
    },
];

/// A softmax average of the data with the given exponents, turned into the prediction wanted.
fn average(prediction: Prediction, level: Level, xt: f64, exponent: impl Fn(f64) -> f64) -> f64 {
    let largest = DATA.iter().map(|&x| exponent(x)).fold(f64::NEG_INFINITY, f64::max);
    let weights = DATA.map(|x| (exponent(x) - largest).exp());
    let x0 = DATA.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>() / weights.iter().sum::<f64>();
    conversion(Prediction::X0, prediction, level).map_or(f64::NAN, |map| map.at(xt, x0))
}

wrong! {
    /// Wrong conversions between predictions: from, to, level.
    pub CONVERSIONS: fn(Prediction, Prediction, Level) -> Result<Affine>;

    slip score_without_scale: "the score is taken to be −ε where −ε/√(1 − ᾱ) was meant" =>
        |from, to, level| {
            let map = conversion(from, to, level)?;
            let wrong = (from, to) == (Prediction::Epsilon, Prediction::Score);
            Ok(if wrong { Affine { x: 0.0, value: -1.0 } } else { map })
        };
    shipped v_sign_flipped: "the sign of √(1 − ᾱ) in the conversion from v to x₀ is flipped" =>
        |from, to, level| {
            let map = conversion(from, to, level)?;
            let flip = (from, to) == (Prediction::V, Prediction::X0);
            Ok(if flip { Affine { value: -map.value, ..map } } else { map })
        };
    slip noise_variance_for_std: "x₀ from ε uses the noise variance 1 − ᾱ where its square root belongs" =>
        |from, to, level| {
            let map = conversion(from, to, level)?;
            let wrong = (from, to) == (Prediction::Epsilon, Prediction::X0);
            Ok(if wrong { Affine { value: map.value * level.noise_std(), ..map } } else { map })
        };
    slip x0_not_rescaled: "x₀ from ε is x_t − √(1 − ᾱ) ε without the division by √ᾱ" =>
        |from, to, level| {
            let map = conversion(from, to, level)?;
            let wrong = (from, to) == (Prediction::Epsilon, Prediction::X0);
            Ok(if wrong { Affine { x: 1.0, value: -level.noise_std() } } else { map })
        };
    shipped one_minus_alpha_bar_in_f32: "1 − ᾱ is a difference of two f32 numbers: four digits are lost at the first steps" =>
        |from, to, level| {
            let rounded = f64::from(1.0 - level.alpha_bar() as f32);
            conversion(from, to, Level::from_alpha_bar(1.0 - rounded)?)
        };
    shipped eps_at_zero_terminal_snr: "x₀ from ε divides by √ᾱ = 0 at zero terminal SNR instead of being refused" =>
        |from, to, level| {
            if (from, to) == (Prediction::Epsilon, Prediction::X0) {
                return Ok(Affine { x: 1.0 / level.signal(), value: -level.noise_std() / level.signal() });
            }
            conversion(from, to, level)
        };
}

wrong! {
    /// Wrong posterior means from a prediction.
    pub MEANS: fn(Prediction, &Transition) -> Result<Affine>;

    erratum("E2.3") mean_prefactor_alpha_bar: "the posterior mean from ε is divided by √ᾱ_t where √α_t was meant" =>
        |from, step| {
            let map = mean_from(from, step)?;
            let ratio = step.alpha().sqrt() / step.t().signal();
            Ok(if from == Prediction::Epsilon { Affine { x: map.x * ratio, value: map.value * ratio } } else { map })
        };
    erratum("E3.14") mean_noise_of_one_step: "the noise in the posterior mean is divided by √(1 − α_t) where √(1 − ᾱ_t) was meant" =>
        |from, step| {
            let map = mean_from(from, step)?;
            let wrong = -step.beta() / (step.beta().sqrt() * step.alpha().sqrt());
            Ok(if from == Prediction::Epsilon { Affine { value: wrong, ..map } } else { map })
        };
    slip mean_adds_the_noise: "the posterior mean adds the predicted noise where it has to subtract it" =>
        |from, step| {
            let map = mean_from(from, step)?;
            Ok(if from == Prediction::Epsilon { Affine { value: -map.value, ..map } } else { map })
        };
    slip mean_half_the_score: "the posterior mean moves by β/2 along the score, as Langevin dynamics does, where β was meant" =>
        |from, step| {
            let map = mean_from(from, step)?;
            Ok(if from == Prediction::Score { Affine { value: 0.5 * map.value, ..map } } else { map })
        };
    slip mean_is_x0: "the mean of the reverse step is the denoised estimate itself, without any of x_t" =>
        |from, step| if from == Prediction::X0 { Ok(Affine { x: 0.0, value: 1.0 }) } else { mean_from(from, step) };
}

wrong! {
    /// Wrong predictions from a posterior mean.
    pub INVERSE_MEANS: fn(Prediction, &Transition) -> Affine;

    slip inverse_mean_without_root: "ε from the posterior mean forgets the √α_t in front of the mean" =>
        |to, step| {
            let map = from_mean(to, step);
            if to == Prediction::Epsilon { Affine { value: map.value / step.alpha().sqrt(), ..map } } else { map }
        };
    slip inverse_mean_of_earlier_level: "ε from the posterior mean uses √(1 − ᾱ_{t−1}) where √(1 − ᾱ_t) was meant" =>
        |to, step| {
            let map = from_mean(to, step);
            let ratio = step.s().noise_std() / step.t().noise_std();
            if to == Prediction::Epsilon { Affine { x: map.x * ratio, value: map.value * ratio } } else { map }
        };
    slip inverse_mean_score_sign: "the score from the posterior mean has its sign flipped" =>
        |to, step| {
            let map = from_mean(to, step);
            if to == Prediction::Score { Affine { x: -map.x, value: -map.value } } else { map }
        };
}

wrong! {
    /// Wrong posterior means from x₀ and ε.
    pub MEANS_OF_DATA_AND_NOISE: fn(&Transition, f64, f64) -> f64;

    erratum("E3.20") mean_without_noise: "with x_t eliminated the mean is taken to depend on x₀ alone; the term in ε is missing" =>
        |step, x0, _| step.s().signal() * x0;
    slip mean_keeps_all_noise: "√(1 − ᾱ_{t−1}) ε is the deterministic DDIM state, not the posterior mean, which shrinks the noise further" =>
        |step, x0, eps| step.s().signal() * x0 + step.s().noise_std() * eps;
    slip mean_data_factor_late: "the factor of x₀ in the mean is √ᾱ_t where √ᾱ_{t−1} was meant" =>
        |step, x0, eps| mean_from_x0_and_eps(step, x0, eps) + (step.t().signal() - step.s().signal()) * x0;
}

wrong! {
    /// Wrong preconditioning: σ, σ_data.
    pub PRECONDITIONING: fn(f64, f64) -> Result<Preconditioning>;

    slip edm_out_without_root: "c_out is σ σ_data/(σ² + σ_data²): the square root in the denominator is missing" =>
        |sigma, sigma_data| {
            let right = Preconditioning::edm(sigma, sigma_data)?;
            Ok(Preconditioning { out: right.out * right.input, ..right })
        };
    slip edm_skip_swapped: "c_skip is σ²/(σ² + σ_data²): noise and data are exchanged" =>
        |sigma, sigma_data| {
            let right = Preconditioning::edm(sigma, sigma_data)?;
            Ok(Preconditioning { skip: 1.0 - right.skip, ..right })
        };
    slip edm_unit_data: "the data's standard deviation is taken to be 1 whatever it is" =>
        |sigma, _| Preconditioning::edm(sigma, 1.0);
}

wrong! {
    /// Wrong predictions on the data [`DATA`]: prediction, level, x_t.
    pub BEST: fn(Prediction, Level, f64) -> f64;

    slip denoises_to_nearest: "the estimate of x₀ is the most likely data point where the mean of all was meant" =>
        |prediction, level, xt| average(prediction, level, xt, |x| -1e9 * (xt - level.signal() * x).powi(2));
    slip data_not_scaled: "x_t is compared with the data themselves where they are to be scaled by √ᾱ" =>
        |prediction, level, xt| average(prediction, level, xt, |x| -(xt - x).powi(2) / (2.0 * level.one_minus_alpha_bar()));
    slip likelihood_without_half: "the data's weights are exp(−d²/(1 − ᾱ)) without the ½ of the normal density" =>
        |prediction, level, xt| average(prediction, level, xt, |x| -(xt - level.signal() * x).powi(2) / level.one_minus_alpha_bar());
}
