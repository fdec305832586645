//! Double-double arithmetic: an unevaluated sum of two f64, about 106 bits.
//!
//! Used where a table must be the nearest double and plain f64 loses digits (`1 − ᾱ`, cumulative products).
//! The four operations and the square root are built on error-free transformations (Knuth 1969, TAOCP vol. 2, 4.2.2;
//! Dekker 1971 for the product's error, since without the target's own fused multiply-add `mul_add` is a call) and are
//! exact enough that rounding to f64 is within 0.5 ulp plus 2⁻⁴⁰ for the chain lengths used here.

mod logarithm;

pub(crate) use logarithm::Logarithm;

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
    if cfg!(target_feature = "fma") {
        return Dd { hi, lo: a.mul_add(b, -hi) };
    }
    let ((a_hi, a_lo), (b_hi, b_lo)) = (halves(a), halves(b));
    let lo = a_lo * b_lo - (((hi - a_hi * b_hi) - a_lo * b_hi) - a_hi * b_lo);
    // Numbers above 2⁹⁹⁶ overflow where they are halved.
    Dd { hi, lo: if lo.is_nan() { a.mul_add(b, -hi) } else { lo } }
}

/// The upper 26 bits and the signed rest (Veltkamp).
fn halves(x: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * x;
    let hi = scaled - (scaled - x);
    (hi, x - hi)
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
        let square = two_prod(root, root);
        let residual = ((self.hi - square.hi) - square.lo) + self.lo;
        quick_two_sum(root, residual / (2.0 * root))
    }
}

/// A divisor of several numbers: one division, then a product for each.
#[derive(Clone, Copy)]
pub(crate) struct Divisor {
    value: Dd,
    reciprocal: Dd,
}

impl Divisor {
    pub(crate) fn new(value: Dd) -> Self {
        let near = 1.0 / value.hi;
        let product = two_prod(near, value.hi);
        let missing = ((1.0 - product.hi) - product.lo) - near * value.lo;
        Self { value, reciprocal: quick_two_sum(near, near * missing) }
    }

    /// x/value as [`Dd`] divides, which is also the way where the reciprocal or x leaves the range of the products.
    pub(crate) fn of(self, x: Dd) -> Dd {
        if self.reciprocal.hi < 1e280 && x.hi < 1e280 { x * self.reciprocal } else { x / self.value }
    }
}

/// Elementary functions: Taylor series after argument reduction, accurate to about 2⁻¹⁰⁰.
impl Dd {
    /// π.
    pub(crate) const PI: Self = Self { hi: std::f64::consts::PI, lo: 1.224_646_799_147_353_2e-16 };
    const LN_2: Self = Self { hi: std::f64::consts::LN_2, lo: 2.319_046_813_846_299_6e-17 };

    /// Times a power of two, which is exact.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self { hi: self.hi * factor, lo: self.lo * factor }
    }

    /// e^self for |self| < 700: `2^k (e^{r/512})^{512}` with r = self − k ln 2.
    pub(crate) fn exp(self) -> Self {
        let k = (self.hi / std::f64::consts::LN_2).round();
        let r = (self - Self::LN_2 * Self::new(k)).scaled(1.0 / 512.0);
        let (mut term, mut sum) = (r, r);
        for n in 2..=9 {
            term = term * r / Self::new(f64::from(n));
            sum = sum + term;
        }
        for _ in 0..9 {
            sum = sum.scaled(2.0) + sum * sum;
        }
        (sum + Self::ONE).scaled(2f64.powi(k as i32))
    }

    /// ln(self): one Newton step on e^y from the f64 logarithm; 0 gives −∞.
    pub(crate) fn ln(self) -> Self {
        if self.hi <= 0.0 || self.hi.is_infinite() {
            return Self::new(self.hi.ln());
        }
        let y = Self::new(self.hi.ln());
        // e^−y in two halves where it would overflow.
        let ratio = if y.hi.abs() < 600.0 {
            self * (-y).exp()
        } else {
            let half = (-y.scaled(0.5)).exp();
            self * half * half
        };
        let excess = ratio - Self::ONE;
        y + excess - (excess * excess).scaled(0.5)
    }

    /// sin and cos for |self| ≤ 2 by their series.
    pub(crate) fn sin_cos(self) -> (Self, Self) {
        let square = -(self * self);
        let (mut sin, mut cos) = (self, Self::ONE);
        let (mut odd, mut even) = (self, Self::ONE);
        for n in 1..=16 {
            let n = f64::from(n);
            even = even * square / Self::new((2.0 * n - 1.0) * 2.0 * n);
            odd = odd * square / Self::new(2.0 * n * (2.0 * n + 1.0));
            cos = cos + even;
            sin = sin + odd;
        }
        (sin, cos)
    }
}

/// `2·Π(1 − β) − 1` where the product is so near ½ that 106 bits of it do not give 53 of the difference.
///
/// The product is kept as an expansion of six non-overlapping doubles (Shewchuk 1997, "Adaptive precision
/// floating-point arithmetic"), each step exact but for dropping what lies below the sixth.
pub(crate) fn twice_product_minus_one(betas: &[f64]) -> Dd {
    let mut product = vec![1.0];
    for &beta in betas {
        let alpha = two_sum(1.0, -beta);
        let mut next: Vec<f64> = Vec::new();
        for &part in &product {
            for factor in [alpha.lo, alpha.hi] {
                let Dd { hi, lo } = two_prod(part, factor);
                grow(&mut next, lo);
                grow(&mut next, hi);
            }
        }
        let drop = next.len().saturating_sub(6);
        product = next.split_off(drop);
    }
    let mut excess = Vec::new();
    for part in product {
        grow(&mut excess, 2.0 * part);
    }
    grow(&mut excess, -1.0);
    excess.into_iter().fold(Dd::ZERO, |sum, part| sum + Dd::new(part))
}

/// Adds one double to an expansion exactly; terms stay ordered by increasing size, zeros are left out.
fn grow(expansion: &mut Vec<f64>, value: f64) {
    let mut carry = value;
    let mut kept = Vec::with_capacity(expansion.len() + 1);
    for &term in expansion.iter() {
        let Dd { hi, lo } = two_sum(carry, term);
        if lo != 0.0 {
            kept.push(lo);
        }
        carry = hi;
    }
    if carry != 0.0 {
        kept.push(carry);
    }
    *expansion = kept;
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
    fn logarithm_inverts_the_exponential_to_95_bits() {
        for x in [-40.0, -1.0, -1e-3, 1e-9, 0.3, 5.5, 300.0] {
            let back = Dd::new(x).exp().ln() - Dd::new(x);
            assert!(back.hi.abs() <= 2f64.powi(-95) * f64::max(1.0, x.abs()), "{x}: {back:?}");
        }
    }

    #[test]
    fn sine_and_cosine_of_a_sixth_of_pi() {
        let (sin, cos) = (Dd::PI / Dd::new(6.0)).sin_cos();
        assert!((sin - Dd::new(0.5)).hi.abs() < 2f64.powi(-100));
        assert!((cos * cos - Dd::new(0.75)).hi.abs() < 2f64.powi(-100));
    }

    #[test]
    fn subtraction_keeps_what_f64_drops() {
        let tiny = Dd::new(1.0) + Dd::new(1e-20);
        assert_eq!((tiny - Dd::ONE).hi.to_bits(), 1e-20f64.to_bits());
    }
}
