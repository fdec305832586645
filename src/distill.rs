//! Progressive distillation: the target that lets one step of a student do what two steps of its teacher do.

use ndarray::{Array, ArrayBase, Data, Dimension};

use crate::array::{self, Real};
use crate::error::{Error, Result};
use crate::schedule::Level;

/// The x̂₀ from which one deterministic DDIM step leads from x_t to x_s, as an affine map of both.
///
/// ```text
/// x̃ = (x_s − (σ_s/σ_t) x_t) / (√ᾱ_s − (σ_s/σ_t) √ᾱ_t)        σ = √(1 − ᾱ)
/// ```
///
/// With x_s from two steps of a teacher it is the student's target; at s = 0 it is x_s itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Factor on x_t.
    pub xt: f64,
    /// Factor on x_s.
    pub xs: f64,
}

impl Target {
    /// For the student's step from t to s.
    ///
    /// The denominator times σ_t is the sine of the angle of the step, which keeps its digits for short steps.
    ///
    /// Source: Salimans & Ho 2022, arXiv:2202.00512v2, eq. (8) and appendix G.
    /// Accuracy: the target loses 1/(1 − σ_s√ᾱ_t/(σ_t√ᾱ_s)) to cancellation in x_s − (σ_s/σ_t) x_t.
    ///
    /// ```
    /// use alphabar::{Level, distill::Target};
    ///
    /// // In the last step the student's target is where the teacher arrives.
    /// let target = Target::new(Level::DATA, Level::from_alpha_bar(0.25)?)?;
    /// assert!((target.at(0.8, -0.4) - 0.8).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless s is less noisy than t.
    pub fn new(s: Level, t: Level) -> Result<Self> {
        let sine = sine_between(s, t);
        if sine <= 0.0 || sine.is_nan() {
            let expected = "alpha_bar at t below alpha_bar at s";
            return Err(Error::OutOfRange { name: "alpha_bar at t", value: t.alpha_bar(), expected });
        }
        Ok(Self { xt: -s.noise_std() / sine, xs: t.noise_std() / sine })
    }

    /// The target at one point.
    ///
    /// ```
    /// use alphabar::{Level, distill::Target};
    ///
    /// let [s, t] = [0.75, 0.25].map(|alpha_bar| Level::from_alpha_bar(alpha_bar));
    /// let target = Target::new(s?, t?)?;
    /// assert_eq!(target.at(1.0, 0.0), target.xs);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn at(self, xs: f64, xt: f64) -> f64 {
        self.xs * xs + self.xt * xt
    }

    /// The target for arrays of one shape.
    ///
    /// ```
    /// use ndarray::array;
    /// use alphabar::{Level, distill::Target};
    ///
    /// let [s, t] = [0.75, 0.25].map(|alpha_bar| Level::from_alpha_bar(alpha_bar));
    /// let target = Target::new(s?, t?)?;
    /// assert_eq!(target.map(&array![0.8], &array![-0.4])?, array![target.at(0.8, -0.4)]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the shapes differ.
    pub fn map<A: Real, D: Dimension>(
        self,
        xs: &ArrayBase<impl Data<Elem = A>, D>,
        xt: &ArrayBase<impl Data<Elem = A>, D>,
    ) -> Result<Array<A, D>> {
        array::combine(self.xs, xs, self.xt, xt)
    }
}

/// `√ᾱ_s σ_t − σ_s √ᾱ_t`, the sine of the angle by which a DDIM step from t to s turns.
///
/// Evaluated as `(ᾱ_s − ᾱ_t)/(√ᾱ_s σ_t + σ_s √ᾱ_t)`, the difference taken between whichever of ᾱ and 1 − ᾱ are small:
/// no digits are lost however short the step.
pub(crate) fn sine_between(s: Level, t: Level) -> f64 {
    let lost = if s.alpha_bar() > 0.5 {
        t.one_minus_alpha_bar() - s.one_minus_alpha_bar()
    } else {
        s.alpha_bar() - t.alpha_bar()
    };
    lost / (s.signal() * t.noise_std() + s.noise_std() * t.signal())
}

/// The student's target x̃ at one point; see [`Target::new`].
///
/// ```
/// use alphabar::{Level, distill::target};
///
/// let [s, t] = [0.75, 0.25].map(|alpha_bar| Level::from_alpha_bar(alpha_bar));
/// assert!((target(s?, t?, 0.8, -0.4)? - (0.8 * 3.0f64.sqrt() + 0.4)).abs() < 1e-14);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// As [`Target::new`].
pub fn target(s: Level, t: Level, xs: f64, xt: f64) -> Result<f64> {
    Ok(Target::new(s, t)?.at(xs, xt))
}
