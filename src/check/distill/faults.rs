//! Known wrong formulas of the chapter `distill`.

use crate::check::{Erratum, Fault, Origin};
use crate::distill::{Target, target};
use crate::error::Result;
use crate::schedule::Level;

/// Errata of the source documents that belong here: none.
pub const ERRATA: &[Erratum] = &[];

/// x_s and x_t exchanged.
pub const TARGET_ENDS_SWAPPED: Fault = Fault {
    name: "target_ends_swapped",
    sentence: "x_s and x_t are exchanged in the student's target",
    origin: Origin::Slip,
};

/// [`TARGET_ENDS_SWAPPED`].
///
/// # Errors
/// As [`target`].
pub fn target_ends_swapped(s: Level, t: Level, xs: f64, xt: f64) -> Result<f64> {
    target(s, t, xt, xs)
}

/// The sign of x_t.
pub const TARGET_SIGN_OF_XT: Fault = Fault {
    name: "target_sign_of_xt",
    sentence: "(σ_s/σ_t) x_t is added to x_s where it must be subtracted",
    origin: Origin::Slip,
};

/// [`TARGET_SIGN_OF_XT`].
///
/// # Errors
/// As [`target`].
pub fn target_sign_of_xt(s: Level, t: Level, xs: f64, xt: f64) -> Result<f64> {
    target(s, t, xs, -xt)
}

/// The ratio upside down.
pub const TARGET_RATIO_INVERTED: Fault =
    Fault { name: "target_ratio_inverted", sentence: "σ_t/σ_s stands for σ_s/σ_t", origin: Origin::Slip };

/// [`TARGET_RATIO_INVERTED`].
///
/// # Errors
/// As [`target`].
pub fn target_ratio_inverted(s: Level, t: Level, xs: f64, xt: f64) -> Result<f64> {
    let ratio = t.noise_std() / s.noise_std();
    Ok((xs - ratio * xt) / (s.signal() - ratio * t.signal()))
}

/// Variances for standard deviations.
pub const TARGET_WITH_VARIANCES: Fault = Fault {
    name: "target_with_variances",
    sentence: "(1 − ᾱ_s)/(1 − ᾱ_t) stands for its root σ_s/σ_t",
    origin: Origin::Slip,
};

/// [`TARGET_WITH_VARIANCES`].
///
/// # Errors
/// As [`target`].
pub fn target_with_variances(s: Level, t: Level, xs: f64, xt: f64) -> Result<f64> {
    let ratio = s.one_minus_alpha_bar() / t.one_minus_alpha_bar();
    Ok((xs - ratio * xt) / (s.signal() - ratio * t.signal()))
}

/// ᾱ for √ᾱ.
pub const TARGET_SIGNAL_NOT_ROOTED: Fault = Fault {
    name: "target_signal_not_rooted",
    sentence: "ᾱ stands for √ᾱ in the denominator of the student's target",
    origin: Origin::Slip,
};

/// [`TARGET_SIGNAL_NOT_ROOTED`].
///
/// # Errors
/// As [`target`].
pub fn target_signal_not_rooted(s: Level, t: Level, xs: f64, xt: f64) -> Result<f64> {
    let ratio = s.noise_std() / t.noise_std();
    Ok(Target { xs: 1.0, xt: -ratio }.at(xs, xt) / (s.alpha_bar() - ratio * t.alpha_bar()))
}

/// The teacher's end taken for the target.
pub const TARGET_IS_TEACHERS_END: Fault = Fault {
    name: "target_is_teachers_end",
    sentence: "the teacher's x_s is the student's target; it must be turned into the x̂₀ that leads there",
    origin: Origin::Slip,
};

/// [`TARGET_IS_TEACHERS_END`].
///
/// # Errors
/// None.
pub fn target_is_teachers_end(_s: Level, _t: Level, xs: f64, _xt: f64) -> Result<f64> {
    Ok(xs)
}
