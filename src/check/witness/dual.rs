//! Forward-mode differentiation: numbers that carry their derivative.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// `value + slope · ε` with ε² = 0.
///
/// A formula written over [`Real`] and evaluated at [`Dual::variable`] returns its exact derivative beside its
/// value: the chain rule step by step, no differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual {
    /// The value.
    pub value: f64,
    /// The derivative with respect to the variable.
    pub slope: f64,
}

impl Dual {
    /// The variable itself: slope 1.
    #[must_use]
    pub const fn variable(value: f64) -> Self {
        Self { value, slope: 1.0 }
    }

    /// A constant: slope 0.
    #[must_use]
    pub const fn constant(value: f64) -> Self {
        Self { value, slope: 0.0 }
    }

    /// f(self), given the value and the derivative of f there.
    #[must_use]
    pub const fn map(self, value: f64, derivative: f64) -> Self {
        Self { value, slope: self.slope * derivative }
    }
}

/// f′(x), by evaluating f at a dual number.
pub fn derivative(f: impl FnOnce(Dual) -> Dual, x: f64) -> f64 {
    f(Dual::variable(x)).slope
}

/// ∇f(x), one evaluation for each coordinate.
pub fn gradient(f: impl Fn(&[Dual]) -> Dual, x: &[f64]) -> Vec<f64> {
    let mut at: Vec<Dual> = x.iter().map(|&value| Dual::constant(value)).collect();
    (0..x.len())
        .map(|i| {
            at[i].slope = 1.0;
            let slope = f(&at).slope;
            at[i].slope = 0.0;
            slope
        })
        .collect()
}

/// The operations that formulas of diffusion use, on plain and on dual numbers.
pub trait Real:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
    + From<f64>
{
    /// eˣ.
    #[must_use]
    fn exp(self) -> Self;
    /// ln x.
    #[must_use]
    fn ln(self) -> Self;
    /// √x.
    #[must_use]
    fn sqrt(self) -> Self;
    /// xⁿ.
    #[must_use]
    fn powi(self, n: i32) -> Self;
    /// 1/x.
    #[must_use]
    fn recip(self) -> Self;
    /// sin x.
    #[must_use]
    fn sin(self) -> Self;
    /// cos x.
    #[must_use]
    fn cos(self) -> Self;
    /// ln(1 + x) with its digits near 0.
    #[must_use]
    fn ln_1p(self) -> Self;
    /// eˣ − 1 with its digits near 0.
    #[must_use]
    fn exp_m1(self) -> Self;
}

macro_rules! real_for_f64 {
    ($($name:ident),*) => {
        impl Real for f64 {
            $(fn $name(self) -> Self { Self::$name(self) })*
            fn powi(self, n: i32) -> Self { Self::powi(self, n) }
        }
    };
}
real_for_f64!(exp, ln, sqrt, recip, sin, cos, ln_1p, exp_m1);

impl Real for Dual {
    fn exp(self) -> Self {
        let value = self.value.exp();
        self.map(value, value)
    }

    fn ln(self) -> Self {
        self.map(self.value.ln(), self.value.recip())
    }

    fn sqrt(self) -> Self {
        let value = self.value.sqrt();
        self.map(value, 0.5 / value)
    }

    fn powi(self, n: i32) -> Self {
        let slope = if n == 0 { 0.0 } else { f64::from(n) * self.value.powi(n - 1) };
        self.map(self.value.powi(n), slope)
    }

    fn recip(self) -> Self {
        let value = self.value.recip();
        self.map(value, -value * value)
    }

    fn sin(self) -> Self {
        self.map(self.value.sin(), self.value.cos())
    }

    fn cos(self) -> Self {
        self.map(self.value.cos(), -self.value.sin())
    }

    fn ln_1p(self) -> Self {
        self.map(self.value.ln_1p(), (1.0 + self.value).recip())
    }

    fn exp_m1(self) -> Self {
        self.map(self.value.exp_m1(), self.value.exp())
    }
}

impl From<f64> for Dual {
    fn from(value: f64) -> Self {
        Self::constant(value)
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, slope: self.slope + other.slope }
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { value: self.value - other.value, slope: self.slope - other.slope }
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let slope = self.slope.mul_add(other.value, self.value * other.slope);
        Self { value: self.value * other.value, slope }
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        Self { value, slope: (self.slope - value * other.slope) / other.value }
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, slope: -self.slope }
    }
}

macro_rules! with_f64 {
    ($($operation:ident, $method:ident);*) => {
        $(impl $operation<f64> for Dual {
            type Output = Self;
            fn $method(self, other: f64) -> Self {
                $operation::$method(self, Self::constant(other))
            }
        }
        impl $operation<Dual> for f64 {
            type Output = Dual;
            fn $method(self, other: Dual) -> Dual {
                $operation::$method(Dual::constant(self), other)
            }
        })*
    };
}
with_f64!(Add, add; Sub, sub; Mul, mul; Div, div);

#[cfg(test)]
mod tests {
    use super::super::difference;
    use super::*;

    fn everything<R: Real>(x: R) -> R {
        let smooth = (x * x + 1.0).sqrt().ln() - (x / 3.0).exp() * x.sin() + x.cos().powi(3);
        smooth / (x.exp() + 2.0) + x.recip() - (x * 0.1).ln_1p() * (-x).exp_m1() - 0.5
    }

    #[test]
    fn agrees_with_differences() {
        for x in [-1.3, 0.4, 2.2] {
            let got = derivative(everything, x);
            let want = difference::derivative(everything, x, 0.1);
            assert!((got - want.value).abs() < 1e-10, "{got} is not {}", want.value);
            assert!((everything(Dual::variable(x)).value - everything(x)).abs() < 1e-15);
        }
    }

    #[test]
    fn rules_of_differentiation() {
        let x = Dual::variable(3.0);
        assert_eq!(2.0 / x, Dual { value: 2.0 / 3.0, slope: -2.0 / 9.0 });
        assert_eq!(1.0 - x * 4.0, Dual { value: -11.0, slope: -4.0 });
        assert_eq!(x.powi(0), Dual::constant(1.0));
        assert_eq!(Dual::from(5.0).slope.to_bits(), 0.0_f64.to_bits());
        assert_eq!(gradient(|v| v[0] * v[1] + v[1], &[2.0, 5.0]), vec![5.0, 3.0]);
    }
}
