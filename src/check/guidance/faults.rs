//! Known wrong formulas of guidance.

use crate::check::{Erratum, Fault, Numbers, Origin, Severity, slip};
use crate::guidance::{GuidanceScale, classifier_guided};

/// s taken for w.
pub const SCALE_TAKEN_FOR_WEIGHT: Fault = Fault {
    name: "scale_taken_for_weight",
    sentence: "(1 + w) c − w u evaluated with w = s: guidance is one more than was asked for",
    origin: Origin::Shipped,
};

/// [`SCALE_TAKEN_FOR_WEIGHT`].
#[must_use]
pub fn scale_taken_for_weight(scale: f64, conditional: f64, unconditional: f64) -> f64 {
    (1.0 + scale) * conditional - scale * unconditional
}

/// c and u exchanged.
pub const CONDITIONAL_AND_UNCONDITIONAL_SWAPPED: Fault =
    slip("conditional_and_unconditional_swapped", "the conditional and unconditional predictions are exchanged");

/// [`CONDITIONAL_AND_UNCONDITIONAL_SWAPPED`].
#[must_use]
pub fn conditional_and_unconditional_swapped(scale: f64, conditional: f64, unconditional: f64) -> f64 {
    conditional + scale * (unconditional - conditional)
}

/// u left out.
pub const CONDITIONAL_SCALED_ALONE: Fault =
    slip("conditional_scaled_alone", "s·c: the unconditional prediction is not used");

/// [`CONDITIONAL_SCALED_ALONE`].
#[must_use]
pub fn conditional_scaled_alone(scale: f64, conditional: f64, _unconditional: f64) -> f64 {
    scale * conditional
}

/// The classifier's gradient with the wrong sign.
pub const CLASSIFIER_SIGN: Fault = Fault {
    name: "classifier_sign",
    sentence: "∇ ln p(y | x_t) was taken as ∇ ln p(x_t) − ∇ ln p(x_t | y): the opposite sign",
    origin: Origin::Erratum("E1.7"),
};

/// [`CLASSIFIER_SIGN`].
#[must_use]
pub fn classifier_sign(gamma: f64, score: f64, gradient: f64) -> f64 {
    score - gamma * gradient
}

/// γ left out, as the left side of the printed equation has it.
pub const CLASSIFIER_UNSCALED: Fault = Fault {
    name: "classifier_unscaled",
    sentence: "∇ ln p(x_t | y) where the score of p(x_t) p(y | x_t)^γ was meant: γ has no effect",
    origin: Origin::Erratum("E1.6"),
};

/// [`CLASSIFIER_UNSCALED`].
#[must_use]
pub fn classifier_unscaled(_gamma: f64, score: f64, gradient: f64) -> f64 {
    score + gradient
}

/// γ on the wrong term.
pub const SCORE_SCALED_FOR_CLASSIFIER: Fault =
    slip("score_scaled_for_classifier", "γ multiplies the score and not the classifier's gradient");

/// [`SCORE_SCALED_FOR_CLASSIFIER`].
#[must_use]
pub fn score_scaled_for_classifier(gamma: f64, score: f64, gradient: f64) -> f64 {
    gamma * score + gradient
}

/// γ one too large.
pub const CLASSIFIER_SCALE_PLUS_ONE: Fault = slip("classifier_scale_plus_one", "1 + γ where γ was meant");

/// [`CLASSIFIER_SCALE_PLUS_ONE`].
#[must_use]
pub fn classifier_scale_plus_one(gamma: f64, score: f64, gradient: f64) -> f64 {
    score + (1.0 + gamma) * gradient
}

/// A tempered density that also tempers p(x).
pub const TEMPERED_PRIOR: Fault = slip("tempered_prior", "(p(x) p(y | x))^γ: the density itself was tempered too");

/// The class likelihood with γ one too large.
pub const TEMPERED_PLUS_ONE: Fault =
    slip("tempered_plus_one", "p(x) p(y | x)^(1 + γ²) where p(x) p(y | x)^γ was meant");

/// A tempered density of the wrong class.
pub const TEMPERED_INVERSE: Fault = slip("tempered_inverse", "p(x) p(y | x)^(−γ): guided away from the class");

/// The class score counted twice.
pub const CLASS_SCORE_DOUBLED: Fault =
    slip("class_score_doubled", "the class score was counted twice in the reverse mean");

/// The null token treated as one more class.
pub const NULL_IS_A_CLASS: Fault = slip("null_is_a_class", "the null token answers with one class's point");
/// The data's mean whatever x_t is.
pub const NULL_IS_THE_MEAN: Fault =
    slip("null_is_the_mean", "the null token answers with the mean of the data, not given x_t");
/// The dropout probability left in the answer.
pub const NULL_IS_HALVED: Fault = slip("null_is_halved", "the dropout probability multiplies the answer");

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
            printed: || classifier_unscaled(3.0, -1.0, 0.7),
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
            printed: || classifier_sign(3.0, -1.0, 0.7),
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
