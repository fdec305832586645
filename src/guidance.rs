//! Guidance: how a condition is given more weight than its probability.
//!
//! Both conventions in use are types, since they differ by one and look alike:
//! [`GuidanceScale`] s in `u + s (c − u)` (diffusers, Imagen) and [`GuidanceWeight`] w in `(1 + w) c − w u`
//! (Ho & Salimans), s = 1 + w.

use ndarray::{Array, ArrayBase, Data, Dimension};

use crate::array::{self, Real};
use crate::error::{Error, Result};

/// s in `u + s (c − u)`: 0 is unconditional, 1 conditional, above 1 guided.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct GuidanceScale(f64);

/// w in `(1 + w) c − w u`: −1 is unconditional, 0 conditional, above 0 guided.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct GuidanceWeight(f64);

fn finite(name: &'static str, value: f64) -> Result<f64> {
    if value.is_finite() { Ok(value) } else { Err(Error::OutOfRange { name, value, expected: "a finite number" }) }
}

impl GuidanceScale {
    /// The conditional prediction as it is.
    pub const NONE: Self = Self(1.0);

    /// Takes s.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if it is not finite.
    pub fn new(scale: f64) -> Result<Self> {
        finite("guidance scale", scale).map(Self)
    }

    /// s.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl GuidanceWeight {
    /// Takes w.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if it is not finite.
    pub fn new(weight: f64) -> Result<Self> {
        finite("guidance weight", weight).map(Self)
    }

    /// w.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl From<GuidanceWeight> for GuidanceScale {
    fn from(weight: GuidanceWeight) -> Self {
        Self(1.0 + weight.0)
    }
}

impl From<GuidanceScale> for GuidanceWeight {
    fn from(scale: GuidanceScale) -> Self {
        Self(scale.0 - 1.0)
    }
}

/// Classifier-free guidance of any prediction that is affine in the score: score, ε, x₀ or v.
///
/// ```text
/// guided = u + s (c − u)        ∇ ln p_s = s ∇ ln p(x_t | y) + (1 − s) ∇ ln p(x_t)
/// ```
///
/// Source: Ho & Salimans 2022, arXiv:2207.12598v1, eq. (6). The left side is the score of
/// `p(x_t) p(y | x_t)^s`, equal to that of p(x_t | y) only at s = 1.
///
/// ```
/// use alphabar::guidance::{GuidanceScale, GuidanceWeight, guided};
///
/// let scale = GuidanceScale::from(GuidanceWeight::new(2.0)?);
/// assert_eq!(scale.get(), 3.0);
/// assert_eq!(guided(scale, 0.5, 0.25), 1.0);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn guided(scale: GuidanceScale, conditional: f64, unconditional: f64) -> f64 {
    unconditional + scale.0 * (conditional - unconditional)
}

/// [`guided`] entry by entry.
///
/// ```
/// use alphabar::guidance::{GuidanceScale, guided_array};
/// use ndarray::array;
///
/// let all = guided_array(GuidanceScale::new(3.0)?, &array![0.5, 1.0], &array![0.25, 1.0])?;
/// assert_eq!(all, array![1.0, 1.0]);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::ShapeMismatch`] if the shapes differ.
pub fn guided_array<A: Real, D: Dimension>(
    scale: GuidanceScale,
    conditional: &ArrayBase<impl Data<Elem = A>, D>,
    unconditional: &ArrayBase<impl Data<Elem = A>, D>,
) -> Result<Array<A, D>> {
    array::combine(scale.0, conditional, 1.0 - scale.0, unconditional)
}

/// Classifier guidance: `∇ ln p(x_t) + γ ∇ ln p(y | x_t)`, the score of `p(x_t) p(y | x_t)^γ`.
///
/// Source: Dhariwal & Nichol 2021, arXiv:2105.05233v4, eq. (12). Any γ ≥ 0.
///
/// ```
/// use alphabar::guidance::{GuidanceScale, classifier_guided};
///
/// assert_eq!(classifier_guided(GuidanceScale::new(2.0)?, -1.0, 0.75), 0.5);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[must_use]
pub fn classifier_guided(gamma: GuidanceScale, score: f64, classifier_gradient: f64) -> f64 {
    score + gamma.0 * classifier_gradient
}
