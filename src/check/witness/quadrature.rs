//! Gauss rules and the trapezoid rule: expectations under a normal law and integrals of smooth functions.

use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::sync::{Arc, Mutex, PoisonError};

use nalgebra::DMatrix;

use crate::error::{Error, Result};

/// Most points a Gauss rule may have.
pub const MAX_POINTS: usize = 256;

/// Nodes and weights of `∫ f dμ ≈ Σ w_i f(x_i)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    nodes: Vec<f64>,
    weights: Vec<f64>,
}

impl Rule {
    /// `Σ w_i f(x_i)`.
    pub fn sum(&self, mut f: impl FnMut(f64) -> f64) -> f64 {
        self.nodes.iter().zip(&self.weights).map(|(&x, w)| w * f(x)).sum()
    }
}

/// The n-point rule for `E f(Z)`, Z standard normal: exact for polynomials of degree 2n − 1.
///
/// Nodes are the eigenvalues of the Jacobi matrix of the Hermite polynomials (Golub & Welsch 1969), polished by
/// Newton's method on the orthonormal recurrence; weights are `1/Σ_{k<n} h_k(x)²`. Rules are computed once.
///
/// # Errors
/// [`Error::CountOutOfRange`] unless 1 ≤ n ≤ [`MAX_POINTS`].
pub fn gauss_hermite(points: usize) -> Result<Arc<Rule>> {
    static RULES: Mutex<BTreeMap<usize, Arc<Rule>>> = Mutex::new(BTreeMap::new());
    check_points(points)?;
    let mut rules = RULES.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Arc::clone(rules.entry(points).or_insert_with(|| Arc::new(hermite_rule(points)))))
}

fn hermite_rule(points: usize) -> Rule {
    let jacobi =
        DMatrix::from_fn(points, points, |i, j| if i.abs_diff(j) == 1 { (i.max(j) as f64).sqrt() } else { 0.0 });
    let mut nodes: Vec<f64> = jacobi.symmetric_eigenvalues().iter().copied().collect();
    nodes.sort_by(f64::total_cmp);
    for node in &mut nodes {
        for _ in 0..3 {
            let (last, before, _) = hermite(points, *node);
            *node -= last / ((points as f64).sqrt() * before);
        }
    }
    let symmetric: Vec<f64> = (0..points).map(|i| 0.5 * (nodes[i] - nodes[points - 1 - i])).collect();
    let weights = symmetric.iter().map(|&x| 1.0 / hermite(points, x).2).collect();
    Rule { nodes: symmetric, weights }
}

/// `h_n(x)`, `h_{n−1}(x)` and `Σ_{k<n} h_k(x)²` of the Hermite polynomials orthonormal under N(0, 1).
fn hermite(n: usize, x: f64) -> (f64, f64, f64) {
    let (mut before, mut last, mut sum) = (0.0, 1.0, 0.0);
    for k in 0..n {
        sum += last * last;
        let next = (x * last - (k as f64).sqrt() * before) / ((k + 1) as f64).sqrt();
        (before, last) = (last, next);
    }
    (last, before, sum)
}

/// `E f(X)` for X ~ N(mean, std²), by the n-point Gauss–Hermite rule.
///
/// # Errors
/// As [`gauss_hermite`].
pub fn expect_normal(points: usize, mean: f64, std: f64, mut f: impl FnMut(f64) -> f64) -> Result<f64> {
    Ok(gauss_hermite(points)?.sum(|z| f(std.mul_add(z, mean))))
}

/// The n-point Gauss–Legendre rule on [a, b]: exact for polynomials of degree 2n − 1.
///
/// Newton's method on the three-term recurrence from `cos(π(i + ¾)/(n + ½))`.
///
/// # Errors
/// [`Error::CountOutOfRange`] unless 1 ≤ n ≤ [`MAX_POINTS`]; [`Error::OutOfRange`] unless a and b are finite.
pub fn gauss_legendre(points: usize, a: f64, b: f64) -> Result<Rule> {
    check_points(points)?;
    for value in [a, b] {
        if !value.is_finite() {
            return Err(Error::OutOfRange { name: "end of the interval", value, expected: "a finite number" });
        }
    }
    let n = points as f64;
    let (mut nodes, mut weights) = (vec![0.0; points], vec![0.0; points]);
    for i in 0..points {
        let mut x = -(PI * (i as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..8 {
            let (mut before, mut last) = (1.0, x);
            for k in 1..points {
                let k = k as f64;
                (before, last) = (last, ((2.0 * k + 1.0) * x * last - k * before) / (k + 1.0));
            }
            slope = n * (before - x * last) / (1.0 - x * x);
            x -= last / slope;
        }
        nodes[i] = 0.5 * (a + b) + 0.5 * (b - a) * x;
        weights[i] = (b - a) / ((1.0 - x * x) * slope * slope);
    }
    Ok(Rule { nodes, weights })
}

/// `∫_a^b f` by the trapezoid rule with the given number of equal intervals.
///
/// Converges faster than any power of the step where f and its derivatives vanish at both ends, as a density times
/// a polynomial does far out.
pub fn trapezoid(mut f: impl FnMut(f64) -> f64, a: f64, b: f64, intervals: u32) -> f64 {
    let step = (b - a) / f64::from(intervals);
    let inner: f64 = (1..intervals).map(|i| f(f64::from(i).mul_add(step, a))).sum();
    step * (inner + 0.5 * (f(a) + f(b)))
}

const fn check_points(points: usize) -> Result<()> {
    if points == 0 || points > MAX_POINTS {
        return Err(Error::CountOutOfRange { name: "points", value: points, min: 1, max: MAX_POINTS });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, rel: f64) {
        assert!((got - want).abs() <= rel * want.abs().max(1e-300), "{got:e} is not {want:e}");
    }

    /// E Z^{2k} = (2k − 1)!!, up to the degree of exactness.
    #[test]
    fn hermite_rules_integrate_moments() {
        for points in [1, 2, 5, 20, 64, 256] {
            let rule = gauss_hermite(points).expect("valid");
            let mut double_factorial = 1.0;
            for k in 0..points.min(20) {
                close(rule.sum(|z| z.powi(2 * k as i32)), double_factorial, 4e-14);
                assert!(
                    rule.sum(|z| z.powi(2 * k as i32 + 1)).abs()
                        <= 1e-14 * double_factorial * 20.0_f64.powi(k as i32)
                );
                double_factorial *= (2 * k + 1) as f64;
            }
        }
        let three = gauss_hermite(3).expect("valid");
        close(three.nodes[2], 3.0_f64.sqrt(), 1e-15);
        close(three.weights[2], 1.0 / 6.0, 1e-15);
        close(three.weights[1], 2.0 / 3.0, 1e-15);
    }

    #[test]
    fn expectations_match_closed_forms() {
        close(expect_normal(40, 0.3, 0.5, f64::exp).expect("valid"), (0.3_f64 + 0.125).exp(), 1e-14);
        close(expect_normal(64, 0.0, 1.0, f64::cos).expect("valid"), (-0.5_f64).exp(), 1e-14);
    }

    #[test]
    fn legendre_rules_integrate_polynomials_and_more() {
        for points in [1, 2, 5, 30, 200] {
            let rule = gauss_legendre(points, -1.0, 3.0).expect("valid");
            let degree = (2 * points - 1).min(15) as i32;
            let exact = (3.0_f64.powi(degree + 1) - (-1.0_f64).powi(degree + 1)) / f64::from(degree + 1);
            close(rule.sum(|x| x.powi(degree)), exact, 1e-13);
        }
        close(gauss_legendre(20, 0.0, 1.0).expect("valid").sum(f64::exp), 1.0_f64.exp_m1(), 1e-15);
    }

    #[test]
    fn trapezoid_is_spectral_for_decaying_integrands() {
        let gauss = |x: f64| (-0.5 * x * x).exp();
        close(trapezoid(gauss, -12.0, 12.0, 48), (2.0 * PI).sqrt(), 1e-15);
        close(trapezoid(|x| x * x * gauss(x - 0.4), -13.6, 14.4, 64), 1.16 * (2.0 * PI).sqrt(), 1e-14);
    }

    #[test]
    fn bad_sizes_are_errors() {
        assert!(matches!(gauss_hermite(0), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(gauss_hermite(257), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(gauss_legendre(3, 0.0, f64::INFINITY), Err(Error::OutOfRange { .. })));
    }
}
