//! Coefficients are f64; arrays may be f32 or f64 and of any dimension. This is where the two meet.

use ndarray::{Array, ArrayBase, Data, Dimension, Zip};

use crate::error::{Error, Result};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// The element types of arrays: f32 and f64.
pub trait Real:
    sealed::Sealed
    + Copy
    + Send
    + Sync
    + std::fmt::Debug
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::AddAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// Rounds a coefficient once.
    fn from_f64(value: f64) -> Self;
    /// Widens without loss.
    fn to_f64(self) -> f64;
    /// The larger of two numbers.
    #[must_use]
    fn max(self, other: Self) -> Self;
    /// The smaller of two numbers.
    #[must_use]
    fn min(self, other: Self) -> Self;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
}

macro_rules! real {
    ($($float:ty),*) => {$(
        impl Real for $float {
            const ZERO: Self = 0.0;
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn max(self, other: Self) -> Self {
                if other > self { other } else { self }
            }
            fn min(self, other: Self) -> Self {
                if other < self { other } else { self }
            }
            fn is_finite(self) -> bool {
                <$float>::is_finite(self)
            }
        }
    )*};
}

real!(f32, f64);

/// `a·x + b·y`, entry by entry.
///
/// # Errors
/// [`Error::ShapeMismatch`] if the shapes differ.
pub fn combine<A: Real, D: Dimension>(
    a: f64,
    x: &ArrayBase<impl Data<Elem = A>, D>,
    b: f64,
    y: &ArrayBase<impl Data<Elem = A>, D>,
) -> Result<Array<A, D>> {
    same_shape("second array", x, y)?;
    let (a, b) = (A::from_f64(a), A::from_f64(b));
    Ok(Zip::from(x).and(y).map_collect(|&x, &y| a * x + b * y))
}

/// Checks that `y` has the shape of `x`.
///
/// # Errors
/// [`Error::ShapeMismatch`] if not.
pub fn same_shape<A, B, D: Dimension, E: Dimension>(
    name: &'static str,
    x: &ArrayBase<impl Data<Elem = A>, D>,
    y: &ArrayBase<impl Data<Elem = B>, E>,
) -> Result<()> {
    if x.shape() == y.shape() {
        return Ok(());
    }
    Err(Error::ShapeMismatch { name, found: y.shape().to_vec(), expected: x.shape().to_vec() })
}
