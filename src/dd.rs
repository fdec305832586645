//! Double-double arithmetic: an unevaluated sum of two f64, about 106 bits.
//!
//! Used where a table must be the nearest double and plain f64 loses digits (`1 − ᾱ`, cumulative products).
//! The four operations and the square root are built on error-free transformations (Dekker 1971; Knuth 1969,
//! TAOCP vol. 2, 4.2.2; `mul_add` for the product error) and are exact enough that rounding to f64 is within
//! 0.5 ulp plus 2⁻⁴⁰ for the chain lengths used here.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// `hi + lo` with `|lo| ≤ ½ ulp(hi)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dd {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
}

fn two_sum(a: f64, b: f64) -> Dd {
    let hi = a + b;
    let bb = hi - a;
    Dd { hi, lo: (a - (hi - bb)) + (b - bb) }
}

fn quick_two_sum(a: f64, b: f64) -> Dd {
    let hi = a + b;
    Dd { hi, lo: b - (hi - a) }
}

fn two_prod(a: f64, b: f64) -> Dd {
    let hi = a * b;
    Dd { hi, lo: a.mul_add(b, -hi) }
}

impl Dd {
    pub(crate) const ZERO: Self = Self { hi: 0.0, lo: 0.0 };
    pub(crate) const ONE: Self = Self { hi: 1.0, lo: 0.0 };

    pub(crate) const fn new(x: f64) -> Self {
        Self { hi: x, lo: 0.0 }
    }

    /// The nearest double.
    pub(crate) const fn round(self) -> f64 {
        self.hi
    }

    pub(crate) fn sqrt(self) -> Self {
        if self.hi <= 0.0 {
            return Self::ZERO;
        }
        let root = self.hi.sqrt();
        let residual = self - two_prod(root, root);
        quick_two_sum(root, residual.hi / (2.0 * root))
    }
}

impl From<f64> for Dd {
    fn from(x: f64) -> Self {
        Self::new(x)
    }
}

impl Neg for Dd {
    type Output = Self;
    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
}

impl Add for Dd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let s = two_sum(self.hi, other.hi);
        let t = two_sum(self.lo, other.lo);
        let v = quick_two_sum(s.hi, s.lo + t.hi);
        quick_two_sum(v.hi, v.lo + t.lo)
    }
}

impl Sub for Dd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + (-other)
    }
}

impl Mul for Dd {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let p = two_prod(self.hi, other.hi);
        quick_two_sum(p.hi, p.lo + (self.hi * other.lo + self.lo * other.hi))
    }
}

impl Div for Dd {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let q1 = self.hi / other.hi;
        if !q1.is_finite() {
            return Self::new(q1);
        }
        let r = self - other * Self::new(q1);
        let q2 = r.hi / other.hi;
        let r = r - other * Self::new(q2);
        let q3 = r.hi / other.hi;
        let q = quick_two_sum(q1, q2);
        q + Self::new(q3)
    }
}

#[cfg(test)]
mod tests {
    use super::Dd;

    #[test]
    fn one_third_times_three_is_one_to_106_bits() {
        let third = Dd::ONE / Dd::new(3.0);
        let back = third * Dd::new(3.0) - Dd::ONE;
        assert!(back.hi.abs() < 2f64.powi(-103));
    }

    #[test]
    fn square_of_root_two_is_two_to_100_bits() {
        let root = Dd::new(2.0).sqrt();
        let back = root * root - Dd::new(2.0);
        assert!(back.hi.abs() < 2f64.powi(-100));
    }

    #[test]
    fn subtraction_keeps_what_f64_drops() {
        let tiny = Dd::new(1.0) + Dd::new(1e-20);
        assert_eq!((tiny - Dd::ONE).hi.to_bits(), 1e-20f64.to_bits());
    }
}
