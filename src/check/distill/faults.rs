//! Wrong formulas of the student's target.

use crate::check::{Erratum, wrong};
use crate::distill::{Target, target};
use crate::error::Result;
use crate::schedule::Level;

/// Errata of the source documents that belong here: none.
pub const ERRATA: &[Erratum] = &[];

wrong! {
    /// Wrong targets, of the levels s and t and of x_s and x_t.
    pub TARGETS: fn(Level, Level, f64, f64) -> Result<f64>;

    slip target_ends_swapped: "x_s and x_t are exchanged in the student's target" =>
        |s, t, xs, xt| target(s, t, xt, xs);
    slip target_sign_of_xt: "(σ_s/σ_t) x_t is added to x_s where it must be subtracted" =>
        |s, t, xs, xt| target(s, t, xs, -xt);
    slip target_ratio_inverted: "σ_t/σ_s stands for σ_s/σ_t" =>
        |s, t, xs, xt| {
            let ratio = t.noise_std() / s.noise_std();
            Ok((xs - ratio * xt) / (s.signal() - ratio * t.signal()))
        };
    slip target_with_variances: "(1 − ᾱ_s)/(1 − ᾱ_t) stands for its root σ_s/σ_t" =>
        |s, t, xs, xt| {
            let ratio = s.one_minus_alpha_bar() / t.one_minus_alpha_bar();
            Ok((xs - ratio * xt) / (s.signal() - ratio * t.signal()))
        };
    slip target_signal_not_rooted: "ᾱ stands for √ᾱ in the denominator of the student's target" =>
        |s, t, xs, xt| {
            let ratio = s.noise_std() / t.noise_std();
            Ok(Target { xs: 1.0, xt: -ratio }.at(xs, xt) / (s.alpha_bar() - ratio * t.alpha_bar()))
        };
    slip target_is_teachers_end:
        "the teacher's x_s is the student's target; it must be turned into the x̂₀ that leads there" =>
        |_, _, xs, _| Ok(xs);
}
