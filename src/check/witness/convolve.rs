//! Densities on a grid: numeric convolution and the action of a Markov kernel.

use crate::error::{Error, Result};

/// A function tabulated at `start + i · step`.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    start: f64,
    step: f64,
    values: Vec<f64>,
}

impl Grid {
    /// f at `points` equally spaced points from `start` to `end`.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for fewer than 2 points; [`Error::OutOfRange`] unless `start < end`;
    /// [`Error::NonFinite`] if f is not finite somewhere.
    pub fn tabulate(start: f64, end: f64, points: usize, f: impl Fn(f64) -> f64) -> Result<Self> {
        if points < 2 {
            return Err(Error::CountOutOfRange { name: "points", value: points, min: 2, max: usize::MAX });
        }
        let step = (end - start) / (points - 1) as f64;
        if !(step > 0.0 && step.is_finite()) {
            return Err(Error::OutOfRange {
                name: "end of the grid",
                value: end,
                expected: "a finite number above its start",
            });
        }
        let values: Vec<f64> = (0..points).map(|i| f((i as f64).mul_add(step, start))).collect();
        let count = values.iter().filter(|v| !v.is_finite()).count();
        if count > 0 {
            return Err(Error::NonFinite { name: "tabulated function", step: None, count, of: points });
        }
        Ok(Self { start, step, values })
    }

    /// The points.
    pub fn points(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        (0..self.values.len()).map(|i| (i as f64).mul_add(self.step, self.start))
    }

    /// The values at the points.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The distance between neighbouring points.
    #[must_use]
    pub const fn step(&self) -> f64 {
        self.step
    }

    /// `∫ g(x) f(x) dx` by the trapezoid rule.
    pub fn integrate(&self, mut g: impl FnMut(f64) -> f64) -> f64 {
        let last = self.values.len() - 1;
        let term = |(i, (x, value)): (usize, (f64, &f64))| {
            let end = if i == 0 || i == last { 0.5 } else { 1.0 };
            end * value * g(x)
        };
        self.step * self.points().zip(&self.values).enumerate().map(term).sum::<f64>()
    }

    /// `y ↦ ∫ kernel(y, x) f(x) dx` on the same points: one step of a Markov chain with density `kernel(y | x)`.
    #[must_use]
    pub fn through(&self, kernel: impl Fn(f64, f64) -> f64) -> Self {
        let values = self.points().map(|y| self.integrate(|x| kernel(y, x))).collect();
        Self { values, ..*self }
    }

    /// The convolution `(f ∗ g)(y) = ∫ f(x) g(y − x) dx` on the grid of all sums of points.
    ///
    /// For densities it is the law of the sum of two independent variables. Spectrally accurate where both have
    /// decayed at the ends of their grids.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the steps differ by more than rounding.
    pub fn convolve(&self, other: &Self) -> Result<Self> {
        if (self.step - other.step).abs() > 1e-12 * self.step {
            let expected = "the step of the first grid";
            return Err(Error::OutOfRange { name: "step of the second grid", value: other.step, expected });
        }
        let mut values = vec![0.0; self.values.len() + other.values.len() - 1];
        for (i, a) in self.values.iter().enumerate() {
            for (sum, b) in values[i..].iter_mut().zip(&other.values) {
                *sum = (a * self.step).mul_add(*b, *sum);
            }
        }
        Ok(Self { start: self.start + other.start, step: self.step, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::Gaussian1;

    fn law(mean: f64, var: f64) -> Gaussian1 {
        Gaussian1::new(mean, var).expect("valid")
    }

    fn grid(law: Gaussian1) -> Grid {
        Grid::tabulate(-12.0, 12.0, 481, |x| law.pdf(x)).expect("finite")
    }

    #[test]
    fn sum_of_gaussians_is_gaussian() {
        let sum = grid(law(0.4, 0.49)).convolve(&grid(law(-1.0, 0.8))).expect("same step");
        let want = law(-0.6, 1.29);
        for (x, value) in sum.points().zip(sum.values()) {
            assert!((value - want.pdf(x)).abs() < 1e-15);
        }
        assert!((sum.integrate(|_| 1.0) - 1.0).abs() < 1e-14);
        assert!((sum.integrate(|x| x) + 0.6).abs() < 1e-14);
    }

    /// Sum of two uniforms on [0, 1]: the triangle, to the accuracy of the grid.
    #[test]
    fn sum_of_uniforms_is_a_triangle() {
        let uniform = Grid::tabulate(0.0, 1.0, 1001, |_| 1.0).expect("finite");
        let sum = uniform.convolve(&uniform).expect("same step");
        for (x, value) in sum.points().zip(sum.values()) {
            assert!((value - (1.0 - (x - 1.0).abs())).abs() < 1.5e-3);
        }
    }

    #[test]
    fn kernel_moves_the_law() {
        let moved = grid(law(0.4, 0.49)).through(|y, x| law(0.8 * x, 0.36).pdf(y));
        let want = law(0.32, 0.64_f64.mul_add(0.49, 0.36));
        for (x, value) in moved.points().zip(moved.values()) {
            assert!((value - want.pdf(x)).abs() < 1e-15);
        }
        assert_eq!(moved.points().len(), moved.values().len());
    }

    #[test]
    fn bad_input_is_an_error() {
        assert!(matches!(Grid::tabulate(0.0, 1.0, 1, |x| x), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(Grid::tabulate(1.0, 0.0, 5, |x| x), Err(Error::OutOfRange { .. })));
        assert!(matches!(Grid::tabulate(0.0, 1.0, 5, |x| 1.0 / x), Err(Error::NonFinite { count: 1, .. })));
        let (a, b) = (Grid::tabulate(0.0, 1.0, 5, |x| x), Grid::tabulate(0.0, 1.0, 6, |x| x));
        assert!(matches!(a.and_then(|a| a.convolve(&b?)), Err(Error::OutOfRange { .. })));
    }
}
