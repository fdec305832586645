//! Observed order of convergence.

use crate::error::{Error, Result};

/// The slope of ln|error| against ln h.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// Signed least-squares slope: positive where the error falls with h.
    pub slope: f64,
    /// Largest vertical distance of a point from the fitted line, in natural logarithms.
    pub worst_residual: f64,
    /// How many points lay above the rounding floor and were used.
    pub points: usize,
}

/// The observed order from (h, error) pairs; those with |error| ≤ `floor` are left out.
///
/// The points that remain must span at least five halvings of h, so that a slope cannot be read off noise or off two
/// lucky points. Errors may have any sign.
///
/// # Errors
/// [`Error::EntryOutOfRange`] for an h that is not positive and finite or an error that is not finite;
/// [`Error::CountOutOfRange`] with the number of halvings, if fewer than five are left or fewer than six points.
pub fn observed_order(pairs: &[(f64, f64)], floor: f64) -> Result<Order> {
    for (index, &(h, error)) in pairs.iter().enumerate() {
        if !(h > 0.0 && h.is_finite()) {
            return Err(Error::EntryOutOfRange { name: "step", index, value: h, expected: "a finite number > 0" });
        }
        if !error.is_finite() {
            return Err(Error::EntryOutOfRange { name: "error", index, value: error, expected: "a finite number" });
        }
    }
    let kept: Vec<(f64, f64)> =
        pairs.iter().filter(|(_, error)| error.abs() > floor).map(|(h, error)| (h.ln(), error.abs().ln())).collect();
    let ends = kept.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p.0), high.max(p.0)));
    // 1e-9 so that halvings that are exact in the inputs count in full.
    let halvings = if kept.is_empty() { 0.0 } else { ((ends.1 - ends.0) / std::f64::consts::LN_2 + 1e-9).floor() };
    if halvings < 5.0 || kept.len() < 6 {
        let value = (halvings as usize).min(kept.len().saturating_sub(1));
        return Err(Error::CountOutOfRange { name: "halvings above the floor", value, min: 5, max: usize::MAX });
    }
    let n = kept.len() as f64;
    let center = kept.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (xy, xx) = kept.iter().fold((0.0, 0.0), |(xy, xx), p| {
        let (dx, dy) = (p.0 - center.0, p.1 - center.1);
        (dx.mul_add(dy, xy), dx.mul_add(dx, xx))
    });
    let slope = xy / xx;
    let residual = |p: &(f64, f64)| (p.1 - center.1 - slope * (p.0 - center.0)).abs();
    Ok(Order { slope, worst_residual: kept.iter().map(residual).fold(0.0, f64::max), points: kept.len() })
}

/// Runs `error_at(n)` for n, 2n, 4n, … (`halvings` of them) and fits the order in h = 1/n.
///
/// # Errors
/// As [`observed_order`].
pub fn order_of(mut error_at: impl FnMut(usize) -> f64, coarsest: usize, halvings: u32, floor: f64) -> Result<Order> {
    let pairs: Vec<(f64, f64)> = (0..=halvings)
        .map(|k| {
            let n = coarsest << k;
            (1.0 / n as f64, error_at(n))
        })
        .collect();
    observed_order(&pairs, floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Growth = &'static dyn Fn(f64) -> f64;

    /// Euler, midpoint and Runge–Kutta on x′ = −x have orders 1, 2 and 4.
    #[test]
    fn classical_methods_have_their_orders() {
        let solve = |n: usize, growth: &dyn Fn(f64) -> f64| growth(1.0 / n as f64).powi(n as i32) - (-1.0_f64).exp();
        let cases: [(f64, Growth, usize); 3] = [
            (1.0, &|h| 1.0 - h, 32),
            (2.0, &|h| 1.0 - h + h * h / 2.0, 16),
            (4.0, &|h| 1.0 - h + h * h / 2.0 - h * h * h / 6.0 + h.powi(4) / 24.0, 8),
        ];
        for (want, growth, coarsest) in cases {
            let order = order_of(|n| solve(n, growth), coarsest, 5, 1e-14).expect("enough points");
            assert!((order.slope - want).abs() < 0.05, "{order:?}");
            assert!(order.worst_residual < 0.1);
        }
    }

    #[test]
    fn growing_errors_have_a_negative_order() {
        let pairs: Vec<(f64, f64)> = (0..7).map(|k| (0.5_f64.powi(k), -(2.0_f64.powi(k)))).collect();
        let order = observed_order(&pairs, 0.0).expect("enough points");
        assert!((order.slope + 1.0).abs() < 1e-12 && order.points == 7);
    }

    #[test]
    fn too_little_evidence_is_an_error() {
        let pairs: Vec<(f64, f64)> = (0..7).map(|k| (0.5_f64.powi(k), 0.25_f64.powi(k))).collect();
        assert!(observed_order(&pairs[..6], 0.0).is_ok());
        assert!(matches!(observed_order(&pairs[..5], 0.0), Err(Error::CountOutOfRange { value: 4, .. })));
        assert!(matches!(observed_order(&pairs, 0.01), Err(Error::CountOutOfRange { value: 3, .. })));
        assert!(matches!(observed_order(&[], 0.0), Err(Error::CountOutOfRange { value: 0, .. })));
        assert!(matches!(observed_order(&[(0.5, f64::NAN)], 0.0), Err(Error::EntryOutOfRange { name: "error", .. })));
        assert!(matches!(observed_order(&[(0.0, 1.0)], 0.0), Err(Error::EntryOutOfRange { name: "step", .. })));
    }
}
