//! Running error analysis: a value with the error that rounding in a given precision may have left on it.

use std::ops::{Add, Div, Mul, Sub};

/// `v` with |error| ≤ `e` after evaluation in a precision of unit roundoff `u`, to first order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounded {
    pub(crate) v: f64,
    pub(crate) e: f64,
    u: f64,
}

impl Bounded {
    pub(crate) const fn new(v: f64, e: f64, u: f64) -> Self {
        Self { v, e, u }
    }

    fn rounded(self, v: f64, e: f64) -> Self {
        Self { v, e: e + self.u * v.abs(), u: self.u }
    }

    fn constant(self, v: f64) -> Self {
        Self { v, e: 0.0, u: self.u }
    }

    pub(crate) fn one_minus(self) -> Self {
        self.constant(1.0) - self
    }

    pub(crate) fn recip(self) -> Self {
        self.constant(1.0) / self
    }

    pub(crate) fn minus(self, v: f64) -> Self {
        self - self.constant(v)
    }

    pub(crate) fn times(self, v: f64) -> Self {
        self * self.constant(v)
    }

    pub(crate) fn sqrt(self) -> Self {
        let root = self.v.max(0.0).sqrt();
        // |√(v + e) − √v| ≤ min(e/√v, √e)
        let e = if root > 0.0 { (self.e / root).min(self.e.sqrt()) } else { self.e.sqrt() };
        self.rounded(root, e)
    }

    pub(crate) fn ln(self) -> Self {
        self.rounded(self.v.ln(), if self.e < self.v { -(-self.e / self.v).ln_1p() } else { f64::INFINITY })
    }
}

impl Add for Bounded {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.rounded(self.v + other.v, self.e + other.e)
    }
}

impl Sub for Bounded {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.rounded(self.v - other.v, self.e + other.e)
    }
}

impl Mul for Bounded {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let e = self.e * other.v.abs() + other.e * self.v.abs() + self.e * other.e;
        self.rounded(self.v * other.v, e)
    }
}

impl Div for Bounded {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let v = self.v / other.v;
        let room = other.v.abs() - other.e;
        let e = if room > 0.0 { (self.e + v.abs() * other.e) / room } else { f64::INFINITY };
        self.rounded(v, if v.is_finite() { e } else { 0.0 })
    }
}
