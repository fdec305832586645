//! Known wrong formulas of predictions and their conversions.

use super::{Erratum, Fault, Numbers, Origin, Severity};
use crate::error::Result;
use crate::prediction::{
    Affine, Preconditioning, Prediction, conversion, from_mean, mean_from, mean_from_eps, mean_from_x0_and_eps,
};
use crate::schedule::{Level, Schedule, Timestep, Transition};

fn at(t: usize) -> Transition {
    Schedule::ddpm().step(Timestep::new(t))
}

/// The mean by a formula from ε at x₀ = 1, ε = ½ of the linear schedule.
fn mean_at(t: usize, f: fn(Prediction, &Transition) -> Result<Affine>) -> f64 {
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
                printed: || mean_prefactor_alpha_bar(Prediction::Epsilon, &at(500)).map_or(f64::NAN, |map| map.x),
                correct: || mean_from_eps(&at(500)).map_or(f64::NAN, |map| map.x),
                listed: (3.567_171, 1.005_058),
                decimals: 6,
            },
            Numbers {
                at: "mean, linear, t = 500, x0 = 1, eps = 0.5",
                printed: || mean_at(500, mean_prefactor_alpha_bar),
                correct: || mean_at(500, mean_from),
                listed: (2.693_413, 0.758_875),
                decimals: 6,
            },
            Numbers {
                at: "printed mean, linear, t = 1000, x0 = 1, eps = 0.5",
                printed: || mean_at(1000, mean_prefactor_alpha_bar),
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
                printed: || mean_at(500, mean_noise_of_one_step),
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
            printed: || mean_without_noise(&at(500), 1.0, 1.0),
            correct: || mean_from_x0_and_eps(&at(500), 1.0, 1.0),
            listed: (0.281_752, 1.235_998),
            decimals: 6,
        }],
    },
];

/// v with the sign of its data term flipped: √ᾱ ε + √(1 − ᾱ) x₀.
pub const V_SIGN_FLIPPED: Fault = Fault {
    name: "v_sign_flipped",
    sentence: "the sign of √(1 − ᾱ) in the conversion from v to x₀ is flipped",
    origin: Origin::Shipped,
};

/// [`V_SIGN_FLIPPED`].
///
/// # Errors
/// As [`conversion`].
pub fn v_sign_flipped(from: Prediction, to: Prediction, level: Level) -> Result<Affine> {
    let map = conversion(from, to, level)?;
    let flip = (from, to) == (Prediction::V, Prediction::X0);
    Ok(if flip { Affine { value: -map.value, ..map } } else { map })
}

/// 1 − ᾱ where its root belongs.
pub const NOISE_VARIANCE_FOR_STD: Fault = Fault {
    name: "noise_variance_for_std",
    sentence: "x₀ from ε uses the noise variance 1 − ᾱ where its square root belongs",
    origin: Origin::Slip,
};

/// [`NOISE_VARIANCE_FOR_STD`].
///
/// # Errors
/// As [`conversion`].
pub fn noise_variance_for_std(from: Prediction, to: Prediction, level: Level) -> Result<Affine> {
    let map = conversion(from, to, level)?;
    let wrong = (from, to) == (Prediction::Epsilon, Prediction::X0);
    Ok(if wrong { Affine { value: map.value * level.noise_std(), ..map } } else { map })
}

/// The network's ε taken for the score without its factor.
pub const SCORE_WITHOUT_SCALE: Fault =
    Fault {
        name: "score_without_scale", sentence: "the score is −ε/√(1 − ᾱ), not −ε", origin: Origin::Slip
    };

/// [`SCORE_WITHOUT_SCALE`].
///
/// # Errors
/// As [`conversion`].
pub fn score_without_scale(from: Prediction, to: Prediction, level: Level) -> Result<Affine> {
    let map = conversion(from, to, level)?;
    let wrong = (from, to) == (Prediction::Epsilon, Prediction::Score);
    Ok(if wrong { Affine { x: 0.0, value: -1.0 } } else { map })
}

/// The clean estimate not divided by √ᾱ.
pub const X0_NOT_RESCALED: Fault = Fault {
    name: "x0_not_rescaled",
    sentence: "x₀ from ε is x_t − √(1 − ᾱ) ε without the division by √ᾱ",
    origin: Origin::Slip,
};

/// [`X0_NOT_RESCALED`].
///
/// # Errors
/// As [`conversion`].
pub fn x0_not_rescaled(from: Prediction, to: Prediction, level: Level) -> Result<Affine> {
    let map = conversion(from, to, level)?;
    let wrong = (from, to) == (Prediction::Epsilon, Prediction::X0);
    Ok(if wrong { Affine { x: 1.0, value: -level.noise_std() } } else { map })
}

/// 1 − ᾱ by subtraction in single precision.
pub const ONE_MINUS_ALPHA_BAR_IN_F32: Fault = Fault {
    name: "one_minus_alpha_bar_in_f32",
    sentence: "1 − ᾱ is a difference of two f32 numbers: four digits are lost at the first steps",
    origin: Origin::Shipped,
};

/// [`ONE_MINUS_ALPHA_BAR_IN_F32`].
///
/// # Errors
/// As [`conversion`].
pub fn one_minus_alpha_bar_in_f32(from: Prediction, to: Prediction, level: Level) -> Result<Affine> {
    let rounded = f64::from(1.0 - level.alpha_bar() as f32);
    conversion(from, to, Level::from_alpha_bar(1.0 - rounded)?)
}

/// ε-prediction used at zero terminal SNR.
pub const EPS_AT_ZERO_TERMINAL_SNR: Fault = Fault {
    name: "eps_at_zero_terminal_snr",
    sentence: "x₀ from ε divides by √ᾱ = 0 at zero terminal SNR instead of being refused",
    origin: Origin::Shipped,
};

/// [`EPS_AT_ZERO_TERMINAL_SNR`].
///
/// # Errors
/// As [`conversion`] at ᾱ = 1.
pub fn eps_at_zero_terminal_snr(from: Prediction, to: Prediction, level: Level) -> Result<Affine> {
    if (from, to) == (Prediction::Epsilon, Prediction::X0) {
        return Ok(Affine { x: 1.0 / level.signal(), value: -level.noise_std() / level.signal() });
    }
    conversion(from, to, level)
}

/// E2.3.
pub const MEAN_PREFACTOR_ALPHA_BAR: Fault = Fault {
    name: "mean_prefactor_alpha_bar",
    sentence: "the posterior mean from ε is divided by √ᾱ_t where √α_t was meant",
    origin: Origin::Erratum("E2.3"),
};

/// [`MEAN_PREFACTOR_ALPHA_BAR`].
///
/// # Errors
/// As [`mean_from`].
pub fn mean_prefactor_alpha_bar(from: Prediction, step: &Transition) -> Result<Affine> {
    let map = mean_from(from, step)?;
    let ratio = step.alpha().sqrt() / step.t().signal();
    Ok(if from == Prediction::Epsilon { Affine { x: map.x * ratio, value: map.value * ratio } } else { map })
}

/// E3.14.
pub const MEAN_NOISE_OF_ONE_STEP: Fault = Fault {
    name: "mean_noise_of_one_step",
    sentence: "the noise in the posterior mean is divided by √(1 − α_t) where √(1 − ᾱ_t) was meant",
    origin: Origin::Erratum("E3.14"),
};

/// [`MEAN_NOISE_OF_ONE_STEP`].
///
/// # Errors
/// As [`mean_from`].
pub fn mean_noise_of_one_step(from: Prediction, step: &Transition) -> Result<Affine> {
    let map = mean_from(from, step)?;
    let wrong = -step.beta() / (step.beta().sqrt() * step.alpha().sqrt());
    Ok(if from == Prediction::Epsilon { Affine { value: wrong, ..map } } else { map })
}

/// The noise added where it is to be removed.
pub const MEAN_ADDS_THE_NOISE: Fault = Fault {
    name: "mean_adds_the_noise",
    sentence: "the posterior mean adds the predicted noise where it has to subtract it",
    origin: Origin::Slip,
};

/// [`MEAN_ADDS_THE_NOISE`].
///
/// # Errors
/// As [`mean_from`].
pub fn mean_adds_the_noise(from: Prediction, step: &Transition) -> Result<Affine> {
    let map = mean_from(from, step)?;
    Ok(if from == Prediction::Epsilon { Affine { value: -map.value, ..map } } else { map })
}

/// Half the step of the score, as in Langevin dynamics.
pub const MEAN_HALF_THE_SCORE: Fault = Fault {
    name: "mean_half_the_score",
    sentence: "the posterior mean moves by β/2 along the score, as Langevin dynamics does, where β was meant",
    origin: Origin::Slip,
};

/// [`MEAN_HALF_THE_SCORE`].
///
/// # Errors
/// As [`mean_from`].
pub fn mean_half_the_score(from: Prediction, step: &Transition) -> Result<Affine> {
    let map = mean_from(from, step)?;
    Ok(if from == Prediction::Score { Affine { value: 0.5 * map.value, ..map } } else { map })
}

/// x̂₀ itself returned as the next mean.
pub const MEAN_IS_X0: Fault = Fault {
    name: "mean_is_x0",
    sentence: "the mean of the reverse step is the denoised estimate itself, without any of x_t",
    origin: Origin::Slip,
};

/// [`MEAN_IS_X0`].
///
/// # Errors
/// As [`mean_from`].
pub fn mean_is_x0(from: Prediction, step: &Transition) -> Result<Affine> {
    if from == Prediction::X0 { Ok(Affine { x: 0.0, value: 1.0 }) } else { mean_from(from, step) }
}

/// The factor 1/√α forgotten on the way back.
pub const INVERSE_MEAN_WITHOUT_ROOT: Fault = Fault {
    name: "inverse_mean_without_root",
    sentence: "ε from the posterior mean forgets the √α_t in front of the mean",
    origin: Origin::Slip,
};

/// [`INVERSE_MEAN_WITHOUT_ROOT`].
#[must_use]
pub fn inverse_mean_without_root(to: Prediction, step: &Transition) -> Affine {
    let map = from_mean(to, step);
    if to == Prediction::Epsilon { Affine { value: map.value / step.alpha().sqrt(), ..map } } else { map }
}

/// The inverse taken at the level before the transition.
pub const INVERSE_MEAN_OF_EARLIER_LEVEL: Fault = Fault {
    name: "inverse_mean_of_earlier_level",
    sentence: "ε from the posterior mean uses √(1 − ᾱ_{t−1}) where √(1 − ᾱ_t) was meant",
    origin: Origin::Slip,
};

/// [`INVERSE_MEAN_OF_EARLIER_LEVEL`].
#[must_use]
pub fn inverse_mean_of_earlier_level(to: Prediction, step: &Transition) -> Affine {
    let map = from_mean(to, step);
    let ratio = step.s().noise_std() / step.t().noise_std();
    if to == Prediction::Epsilon { Affine { x: map.x * ratio, value: map.value * ratio } } else { map }
}

/// The score of the inverse with the wrong sign.
pub const INVERSE_MEAN_SCORE_SIGN: Fault = Fault {
    name: "inverse_mean_score_sign",
    sentence: "the score from the posterior mean has its sign flipped",
    origin: Origin::Slip,
};

/// [`INVERSE_MEAN_SCORE_SIGN`].
#[must_use]
pub fn inverse_mean_score_sign(to: Prediction, step: &Transition) -> Affine {
    let map = from_mean(to, step);
    if to == Prediction::Score { Affine { x: -map.x, value: -map.value } } else { map }
}

/// E3.20.
pub const MEAN_WITHOUT_NOISE: Fault = Fault {
    name: "mean_without_noise",
    sentence: "with x_t eliminated the mean is taken to depend on x₀ alone; the term in ε is missing",
    origin: Origin::Erratum("E3.20"),
};

/// [`MEAN_WITHOUT_NOISE`].
#[must_use]
pub fn mean_without_noise(step: &Transition, x0: f64, _eps: f64) -> f64 {
    step.s().signal() * x0
}

/// The mean of q(x_{t−1} | x₀, ε) along the same noise, as in DDIM.
pub const MEAN_KEEPS_ALL_NOISE: Fault = Fault {
    name: "mean_keeps_all_noise",
    sentence: "√(1 − ᾱ_{t−1}) ε is the deterministic DDIM state, not the posterior mean, which shrinks the noise further",
    origin: Origin::Slip,
};

/// [`MEAN_KEEPS_ALL_NOISE`].
#[must_use]
pub fn mean_keeps_all_noise(step: &Transition, x0: f64, eps: f64) -> f64 {
    step.s().signal() * x0 + step.s().noise_std() * eps
}

/// The data factor of the later level.
pub const MEAN_DATA_FACTOR_LATE: Fault = Fault {
    name: "mean_data_factor_late",
    sentence: "the factor of x₀ in the mean is √ᾱ_t where √ᾱ_{t−1} was meant",
    origin: Origin::Slip,
};

/// [`MEAN_DATA_FACTOR_LATE`].
#[must_use]
pub fn mean_data_factor_late(step: &Transition, x0: f64, eps: f64) -> f64 {
    mean_from_x0_and_eps(step, x0, eps) + (step.t().signal() - step.s().signal()) * x0
}

/// c_out without its root.
pub const EDM_OUT_WITHOUT_ROOT: Fault = Fault {
    name: "edm_out_without_root",
    sentence: "c_out is σ σ_data/(σ² + σ_data²): the square root in the denominator is missing",
    origin: Origin::Slip,
};

/// [`EDM_OUT_WITHOUT_ROOT`].
///
/// # Errors
/// As [`Preconditioning::edm`].
pub fn edm_out_without_root(sigma: f64, sigma_data: f64) -> Result<Preconditioning> {
    let right = Preconditioning::edm(sigma, sigma_data)?;
    Ok(Preconditioning { out: right.out * right.input, ..right })
}

/// Skip connection with noise and data exchanged.
pub const EDM_SKIP_SWAPPED: Fault = Fault {
    name: "edm_skip_swapped",
    sentence: "c_skip is σ²/(σ² + σ_data²): noise and data are exchanged",
    origin: Origin::Slip,
};

/// [`EDM_SKIP_SWAPPED`].
///
/// # Errors
/// As [`Preconditioning::edm`].
pub fn edm_skip_swapped(sigma: f64, sigma_data: f64) -> Result<Preconditioning> {
    let right = Preconditioning::edm(sigma, sigma_data)?;
    Ok(Preconditioning { skip: 1.0 - right.skip, ..right })
}

/// The data's standard deviation taken as 1.
pub const EDM_UNIT_DATA: Fault = Fault {
    name: "edm_unit_data",
    sentence: "the data's standard deviation is taken to be 1 whatever it is",
    origin: Origin::Slip,
};

/// [`EDM_UNIT_DATA`].
///
/// # Errors
/// As [`Preconditioning::edm`].
pub fn edm_unit_data(sigma: f64, _sigma_data: f64) -> Result<Preconditioning> {
    Preconditioning::edm(sigma, 1.0)
}

/// Data of the finite world on which the best predictors are tried.
pub(crate) const DATA: [f64; 3] = [-1.0, 0.5, 2.0];

/// A softmax average of the data with the given exponents, turned into the prediction wanted.
fn average(prediction: Prediction, level: Level, xt: f64, exponent: impl Fn(f64) -> f64) -> f64 {
    let largest = DATA.iter().map(|&x| exponent(x)).fold(f64::NEG_INFINITY, f64::max);
    let weights = DATA.map(|x| (exponent(x) - largest).exp());
    let x0 = DATA.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>() / weights.iter().sum::<f64>();
    conversion(Prediction::X0, prediction, level).map_or(f64::NAN, |map| map.at(xt, x0))
}

/// The most likely data point in place of the mean.
pub const DENOISES_TO_NEAREST: Fault = Fault {
    name: "denoises_to_nearest",
    sentence: "the estimate of x₀ is the most likely data point where the mean of all was meant",
    origin: Origin::Slip,
};

/// [`DENOISES_TO_NEAREST`].
#[must_use]
pub fn denoises_to_nearest(prediction: Prediction, level: Level, xt: f64) -> f64 {
    average(prediction, level, xt, |x| -1e9 * (xt - level.signal() * x).powi(2))
}

/// Distances not measured to the scaled data.
pub const DATA_NOT_SCALED: Fault = Fault {
    name: "data_not_scaled",
    sentence: "x_t is compared with the data themselves where they are to be scaled by √ᾱ",
    origin: Origin::Slip,
};

/// [`DATA_NOT_SCALED`].
#[must_use]
pub fn data_not_scaled(prediction: Prediction, level: Level, xt: f64) -> f64 {
    average(prediction, level, xt, |x| -(xt - x).powi(2) / (2.0 * level.one_minus_alpha_bar()))
}

/// The ½ in the exponent of the normal density.
pub const LIKELIHOOD_WITHOUT_HALF: Fault = Fault {
    name: "likelihood_without_half",
    sentence: "the data's weights are exp(−d²/(1 − ᾱ)) without the ½ of the normal density",
    origin: Origin::Slip,
};

/// [`LIKELIHOOD_WITHOUT_HALF`].
#[must_use]
pub fn likelihood_without_half(prediction: Prediction, level: Level, xt: f64) -> f64 {
    average(prediction, level, xt, |x| -(xt - level.signal() * x).powi(2) / level.one_minus_alpha_bar())
}
