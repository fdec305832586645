//! Known wrong formulas of loss weights.

use crate::check::{Erratum, Numbers, Severity, Wrong, wrong};
use crate::error::Result;
use crate::posterior::Posterior;
use crate::prediction::Prediction;
use crate::schedule::{Level, Schedule, Timestep, Transition};
use crate::weight::{Weighting, kl_weight, loss_factor, weighted_loss};

wrong! {
    /// Wrong weighted squared errors.
    pub LOSSES: fn(Prediction, &Transition, f64, &[f64]) -> Result<f64>;

    erratum("E3.16") norm_not_squared: "the weighted loss has the norm of the error where its square was meant" =>
        |prediction, step, var, errors| {
            Ok(kl_weight(prediction, step, var)? * errors.iter().map(|e| e * e).sum::<f64>().sqrt())
        };
    slip weight_without_alpha: "the weight of the noise loss lacks α_t in its denominator" =>
        |prediction, step, var, errors| {
            let right = weighted_loss(prediction, step, var, errors)?;
            Ok(if prediction == Prediction::Epsilon { right * step.alpha() } else { right })
        };
    slip weight_beta_not_squared: "β_t in the weight's numerator is not squared" =>
        |prediction, step, var, errors| Ok(weighted_loss(prediction, step, var, errors)? / step.beta());
    slip weight_of_later_level: "the weight of the x₀ loss has ᾱ_t where ᾱ_{t−1} was meant" =>
        |prediction, step, var, errors| {
            let right = weighted_loss(prediction, step, var, errors)?;
            Ok(if prediction == Prediction::X0 { right * step.alpha() } else { right })
        };
    slip weight_std_for_variance: "the weight divides by σ_t where σ_t² was meant" =>
        |prediction, step, var, errors| weighted_loss(prediction, step, var.sqrt(), errors);
}

wrong! {
    /// Wrong weights of the noise loss.
    pub WEIGHTS: fn(Prediction, &Transition, f64) -> Result<f64>;

    slip weight_without_half: "the ½ of the KL is missing in the weight" =>
        |prediction, step, var| Ok(2.0 * kl_weight(prediction, step, var)?);
    slip weight_always_beta_tilde: "the weight uses β̃ whatever the reverse variance is" =>
        |prediction, step, _var| kl_weight(prediction, step, Posterior::new(step).beta_tilde);
    slip weight_noise_before: "the weight has 1 − ᾱ_{t−1} where 1 − ᾱ_t was meant" =>
        |prediction, step, var| {
            Ok(kl_weight(prediction, step, var)? * step.t().one_minus_alpha_bar() / step.s().one_minus_alpha_bar())
        };
}

wrong! {
    /// Wrong factors between squared errors of two predictions.
    pub FACTORS: fn(Prediction, Prediction, Level) -> Result<f64>;

    slip factor_inverted: "the factor between two losses is turned upside down: 1/SNR for SNR" =>
        |from, to, level| loss_factor(to, from, level);
    slip factor_v_is_snr: "the loss of v is taken for SNR times that of x₀, as for ε, where 1 + SNR was meant" =>
        |from, to, level| {
            if (from, to) == (Prediction::X0, Prediction::V) { Ok(level.snr()) } else { loss_factor(from, to, level) }
        };
    slip factor_not_squared: "the factor between two squared errors is the one between the errors" =>
        |from, to, level| Ok(loss_factor(from, to, level)?.sqrt());
}

wrong! {
    /// Wrong weightings.
    pub WEIGHTINGS: fn(&Weighting, Prediction, Level) -> Result<f64>;

    shipped min_snr_of_eps_for_v:
        "the min-SNR weight of ε, min(SNR, γ)/SNR, is used for v, whose weight is min(SNR, γ)/(SNR + 1)" =>
        |weighting, prediction, level| {
            let shipped = matches!(weighting, Weighting::MinSnr { .. }) && prediction == Prediction::V;
            weighting.on(if shipped { Prediction::Epsilon } else { prediction }, level)
        };
    slip max_snr: "min-SNR takes the larger of SNR and γ" =>
        |weighting, prediction, level| {
            let right = weighting.on(prediction, level)?;
            Ok(match weighting {
                Weighting::MinSnr { gamma } => right * level.snr().max(*gamma) / level.snr().min(*gamma),
                _ => right,
            })
        };
    slip p2_not_divided_by_snr: "the P2 factor 1/(k + SNR)^γ of the ε loss is used for the x₀ loss" =>
        |weighting, prediction, level| {
            let right = weighting.on(prediction, level)?;
            Ok(if matches!(weighting, Weighting::P2 { .. }) { right / level.snr() } else { right })
        };
    slip edm_unit_data_weight: "EDM's weight takes the data's standard deviation to be 1" =>
        |weighting, prediction, level| match weighting {
            Weighting::Edm { .. } => Weighting::Edm { sigma_data: 1.0 }.on(prediction, level),
            _ => weighting.on(prediction, level),
        };
}

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
            let wrong = Wrong::named(LOSSES, "norm_not_squared");
            (wrong.f)(Prediction::Epsilon, &middle(), middle().beta(), &[0.3, 0.4]).unwrap_or(f64::NAN)
        },
        correct: || weighted_loss(Prediction::Epsilon, &middle(), middle().beta(), &[0.3, 0.4]).unwrap_or(f64::NAN),
        listed: (0.002_751_72, 0.001_375_86),
        decimals: 8,
    }],
}];
