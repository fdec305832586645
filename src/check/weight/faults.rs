//! Known wrong formulas of loss weights.

use crate::check::{Erratum, Numbers, Origin, Severity};
use crate::error::Result;
use crate::posterior::Posterior;
use crate::prediction::Prediction;
use crate::schedule::{Level, Schedule, Timestep, Transition};
use crate::weight::{Weighting, kl_weight, loss_factor, weighted_loss};

fn middle() -> Transition {
    Schedule::ddpm().step(Timestep::new(500))
}

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[Erratum {
    id: "E3.16",
    severity: Severity::Result,
    rows: &["S3.68"],
    printed: "the weighted norm of the noise error is not squared",
    correct: "it is squared",
    numbers: &[Numbers {
        at: "error (0.3, 0.4), linear, t = 500, variance beta",
        printed: || {
            norm_not_squared(Prediction::Epsilon, &middle(), middle().beta(), &[0.3, 0.4]).unwrap_or(f64::NAN)
        },
        correct: || weighted_loss(Prediction::Epsilon, &middle(), middle().beta(), &[0.3, 0.4]).unwrap_or(f64::NAN),
        listed: (0.002_751_72, 0.001_375_86),
        decimals: 8,
    }],
}];

faults! {
    NORM_NOT_SQUARED Origin::Erratum("E3.16"), norm_not_squared:
    "the weighted loss has the norm of the error where its square was meant"
    fn(prediction: Prediction, step: &Transition, var: f64, errors: &[f64]) -> Result<f64> {
        Ok(kl_weight(prediction, step, var)? * errors.iter().map(|e| e * e).sum::<f64>().sqrt())
    }

    WEIGHT_WITHOUT_ALPHA Origin::Slip, weight_without_alpha:
    "the weight of the noise loss lacks α_t in its denominator"
    fn(prediction: Prediction, step: &Transition, var: f64, errors: &[f64]) -> Result<f64> {
        let right = weighted_loss(prediction, step, var, errors)?;
        Ok(if prediction == Prediction::Epsilon { right * step.alpha() } else { right })
    }

    WEIGHT_BETA_NOT_SQUARED Origin::Slip, weight_beta_not_squared:
    "β_t in the weight's numerator is not squared"
    fn(prediction: Prediction, step: &Transition, var: f64, errors: &[f64]) -> Result<f64> {
        Ok(weighted_loss(prediction, step, var, errors)? / step.beta())
    }

    WEIGHT_OF_LATER_LEVEL Origin::Slip, weight_of_later_level:
    "the weight of the x₀ loss has ᾱ_t where ᾱ_{t−1} was meant"
    fn(prediction: Prediction, step: &Transition, var: f64, errors: &[f64]) -> Result<f64> {
        let right = weighted_loss(prediction, step, var, errors)?;
        Ok(if prediction == Prediction::X0 { right * step.alpha() } else { right })
    }

    WEIGHT_STD_FOR_VARIANCE Origin::Slip, weight_std_for_variance:
    "the weight divides by σ_t where σ_t² was meant"
    fn(prediction: Prediction, step: &Transition, var: f64, errors: &[f64]) -> Result<f64> {
        weighted_loss(prediction, step, var.sqrt(), errors)
    }

    WEIGHT_WITHOUT_HALF Origin::Slip, weight_without_half:
    "the ½ of the KL is missing in the weight"
    fn(prediction: Prediction, step: &Transition, var: f64) -> Result<f64> {
        Ok(2.0 * kl_weight(prediction, step, var)?)
    }

    WEIGHT_ALWAYS_BETA_TILDE Origin::Slip, weight_always_beta_tilde:
    "the weight uses β̃ whatever the reverse variance is"
    fn(prediction: Prediction, step: &Transition, _var: f64) -> Result<f64> {
        kl_weight(prediction, step, Posterior::new(step).beta_tilde)
    }

    WEIGHT_NOISE_BEFORE Origin::Slip, weight_noise_before:
    "the weight has 1 − ᾱ_{t−1} where 1 − ᾱ_t was meant"
    fn(prediction: Prediction, step: &Transition, var: f64) -> Result<f64> {
        Ok(kl_weight(prediction, step, var)? * step.t().one_minus_alpha_bar() / step.s().one_minus_alpha_bar())
    }

    FACTOR_INVERTED Origin::Slip, factor_inverted:
    "the factor between two losses is turned upside down: 1/SNR for SNR"
    fn(from: Prediction, to: Prediction, level: Level) -> Result<f64> { loss_factor(to, from, level) }

    FACTOR_V_IS_SNR Origin::Slip, factor_v_is_snr:
    "the loss of v is taken for SNR times that of x₀, as for ε, where 1 + SNR was meant"
    fn(from: Prediction, to: Prediction, level: Level) -> Result<f64> {
        if (from, to) == (Prediction::X0, Prediction::V) { Ok(level.snr()) } else { loss_factor(from, to, level) }
    }

    FACTOR_NOT_SQUARED Origin::Slip, factor_not_squared:
    "the factor between two squared errors is the one between the errors"
    fn(from: Prediction, to: Prediction, level: Level) -> Result<f64> {
        Ok(loss_factor(from, to, level)?.sqrt())
    }

    MIN_SNR_OF_EPS_FOR_V Origin::Shipped, min_snr_of_eps_for_v:
    "the min-SNR weight of ε, min(SNR, γ)/SNR, is used for v, whose weight is min(SNR, γ)/(SNR + 1)"
    fn(weighting: &Weighting, prediction: Prediction, level: Level) -> Result<f64> {
        let shipped = matches!(weighting, Weighting::MinSnr { .. }) && prediction == Prediction::V;
        weighting.on(if shipped { Prediction::Epsilon } else { prediction }, level)
    }

    MAX_SNR Origin::Slip, max_snr:
    "min-SNR takes the larger of SNR and γ"
    fn(weighting: &Weighting, prediction: Prediction, level: Level) -> Result<f64> {
        let right = weighting.on(prediction, level)?;
        Ok(match weighting {
            Weighting::MinSnr { gamma } => right * level.snr().max(*gamma) / level.snr().min(*gamma),
            _ => right,
        })
    }

    P2_NOT_DIVIDED_BY_SNR Origin::Slip, p2_not_divided_by_snr:
    "the P2 factor 1/(k + SNR)^γ of the ε loss is used for the x₀ loss"
    fn(weighting: &Weighting, prediction: Prediction, level: Level) -> Result<f64> {
        let right = weighting.on(prediction, level)?;
        Ok(if matches!(weighting, Weighting::P2 { .. }) { right / level.snr() } else { right })
    }

    EDM_UNIT_DATA_WEIGHT Origin::Slip, edm_unit_data_weight:
    "EDM's weight takes the data's standard deviation to be 1"
    fn(weighting: &Weighting, prediction: Prediction, level: Level) -> Result<f64> {
        match weighting {
            Weighting::Edm { .. } => Weighting::Edm { sigma_data: 1.0 }.on(prediction, level),
            _ => weighting.on(prediction, level),
        }
    }
}
