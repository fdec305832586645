//! Known wrong formulas of guidance.

use super::{Point, unconditional};
use crate::check::{Erratum, Numbers, Severity, Wrong, wrong};
use crate::exact::Noising;
use crate::guidance::{GuidanceScale, classifier_guided};
use crate::schedule::Transition;
use crate::score::reverse_mean;

wrong! {
    /// Wrong guided predictions, from scale, conditional and unconditional prediction.
    pub GUIDED: fn(f64, f64, f64) -> f64;

    shipped scale_taken_for_weight:
        "(1 + w) c − w u evaluated with w = s: guidance is one more than was asked for" =>
        |scale, conditional, unconditional| (1.0 + scale) * conditional - scale * unconditional;
    slip conditional_and_unconditional_swapped: "the conditional and unconditional predictions are exchanged" =>
        |scale, conditional, unconditional| conditional + scale * (unconditional - conditional);
    slip conditional_scaled_alone: "s·c: the unconditional prediction is not used" =>
        |scale, conditional, _unconditional| scale * conditional;
}

wrong! {
    /// Wrong guided scores, from γ, the score and the gradient of the classifier.
    pub CLASSIFIERS: fn(f64, f64, f64) -> f64;

    erratum("E1.7") classifier_sign:
        "∇ ln p(y | x_t) was taken as ∇ ln p(x_t) − ∇ ln p(x_t | y): the opposite sign" =>
        |gamma, score, gradient| score - gamma * gradient;
    erratum("E1.6") classifier_unscaled:
        "∇ ln p(x_t | y) where the score of p(x_t) p(y | x_t)^γ was meant: γ has no effect" =>
        |_gamma, score, gradient| score + gradient;
    slip score_scaled_for_classifier: "γ multiplies the score and not the classifier's gradient" =>
        |gamma, score, gradient| gamma * score + gradient;
    slip classifier_scale_plus_one: "1 + γ where γ was meant" =>
        |gamma, score, gradient| score + (1.0 + gamma) * gradient;
}

wrong! {
    /// Wrong logarithms of the tempered density, at γ and x.
    pub TEMPERED: fn(&Point, f64, f64) -> f64;

    slip tempered_prior: "(p(x) p(y | x))^γ: the density itself was tempered too" =>
        |at, gamma, x| gamma * (at.data.log_pdf(x) + at.data.log_class_posterior(at.class, x));
    slip tempered_plus_one: "p(x) p(y | x)^(1 + γ²) where p(x) p(y | x)^γ was meant" =>
        |at, gamma, x| at.data.tempered_log_pdf(at.class, 1.0 + gamma * gamma, x);
    slip tempered_inverse: "p(x) p(y | x)^(−γ): guided away from the class" =>
        |at, gamma, x| at.data.tempered_log_pdf(at.class, -gamma, x);
}

wrong! {
    /// Wrong means of a reverse step from the score of a class.
    pub REVERSE_MEANS: fn(&Transition, f64, f64) -> f64;

    slip class_score_doubled: "the class score was counted twice in the reverse mean" =>
        |step, xt, score| reverse_mean(step, xt, 2.0 * score);
}

wrong! {
    /// Wrong answers to the null token, at a level and x_t, for data of these points.
    pub NULL_TOKENS: fn(Noising, f64, &[f64]) -> f64;

    slip null_is_a_class: "the null token answers with one class's point" =>
        |_, _, points| points[0];
    slip null_is_the_mean: "the null token answers with the mean of the data, not given x_t" =>
        |_, _, points| points.iter().sum::<f64>() / points.len() as f64;
    slip null_is_halved: "the dropout probability multiplies the answer" =>
        |level, xt, points| 0.5 * unconditional(level, xt, points);
}

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E1.6",
        severity: Severity::Intermediate,
        rows: &["S1.77", "S1.81"],
        printed: "∇ ln p(x_t | y) = ∇ ln p(x_t) + γ ∇ ln p(y | x_t)",
        correct: "the right side is the score of another density, p(x_t) p(y | x_t)^γ; the two agree only at γ = 1",
        numbers: &[Numbers {
            at: "p = N(0, 1), x = 1, ∇ ln p(y | x) = 0.7, γ = 3: left side, right side",
            printed: || (Wrong::named(CLASSIFIERS, "classifier_unscaled").f)(3.0, -1.0, 0.7),
            correct: || GuidanceScale::new(3.0).map_or(f64::NAN, |gamma| classifier_guided(gamma, -1.0, 0.7)),
            listed: (-0.3, 1.1),
            decimals: 1,
        }],
    },
    Erratum {
        id: "E1.7",
        severity: Severity::Intermediate,
        rows: &["S1.80"],
        printed: "∇ ln p(y | x_t) = ∇ ln p(x_t) − ∇ ln p(x_t | y)",
        correct: "∇ ln p(x_t | y) − ∇ ln p(x_t)",
        numbers: &[Numbers {
            at: "p = N(0, 1), x = 1, ∇ ln p(y | x) = 0.7, γ = 3",
            printed: || (Wrong::named(CLASSIFIERS, "classifier_sign").f)(3.0, -1.0, 0.7),
            correct: || GuidanceScale::new(3.0).map_or(f64::NAN, |gamma| classifier_guided(gamma, -1.0, 0.7)),
            listed: (-3.1, 1.1),
            decimals: 1,
        }],
    },
    Erratum {
        id: "E1.8",
        severity: Severity::Wording,
        rows: &["S1.77"],
        printed: "γ lies in [0, 1]",
        correct: "any γ ≥ 0; the next slide itself uses γ > 1",
        numbers: &[],
    },
];
