//! A tolerance is a value: absolute and relative part, and why it is what it is.

use std::fmt;

/// `|got − want| ≤ abs + rel·|want|`. NaN never passes; equal infinities do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tol {
    /// Absolute part.
    pub abs: f64,
    /// Relative part.
    pub rel: f64,
    /// Where the numbers come from: roundings counted, a condition number, a standard error.
    pub reason: &'static str,
}

impl Tol {
    /// Both parts.
    #[must_use]
    pub const fn new(abs: f64, rel: f64, reason: &'static str) -> Self {
        Self { abs, rel, reason }
    }

    /// Absolute only.
    #[must_use]
    pub const fn abs(abs: f64, reason: &'static str) -> Self {
        Self::new(abs, 0.0, reason)
    }

    /// Relative only.
    #[must_use]
    pub const fn rel(rel: f64, reason: &'static str) -> Self {
        Self::new(0.0, rel, reason)
    }

    /// `n` roundings at condition number κ: rel = n·ε·κ, ε = 2⁻⁵².
    #[must_use]
    pub const fn roundings(n: f64, kappa: f64, reason: &'static str) -> Self {
        Self::rel(n * f64::EPSILON * kappa, reason)
    }

    /// Nothing but equality.
    #[must_use]
    pub const fn exact() -> Self {
        Self::new(0.0, 0.0, "exact arithmetic")
    }

    /// Digits of a number as printed with `decimals` places after the point: half a unit of the last.
    #[must_use]
    pub fn printed(decimals: i32) -> Self {
        Self::abs(0.500_001 * 10f64.powi(-decimals), "digits printed")
    }

    /// How far `got` may lie from `want`.
    #[must_use]
    pub fn allowance(&self, want: f64) -> f64 {
        self.abs + self.rel * want.abs()
    }

    /// The part of the allowance used: 0 is equality, 1 the edge, ∞ for NaN or where nothing is allowed.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "equality needs no allowance")]
    pub fn share(&self, got: f64, want: f64) -> f64 {
        if got == want {
            return 0.0;
        }
        let share = (got - want).abs() / self.allowance(want);
        if share.is_nan() { f64::INFINITY } else { share }
    }

    /// True within the allowance.
    #[must_use]
    pub fn accepts(&self, got: f64, want: f64) -> bool {
        self.share(got, want) <= 1.0
    }
}

impl fmt::Display for Tol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "abs {:.1e} + rel {:.1e} ({})", self.abs, self.rel, self.reason)
    }
}
