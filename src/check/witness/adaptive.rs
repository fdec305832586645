//! Adaptive quadrature with an error estimate, on finite and infinite intervals.

use crate::error::{Error, Result};

/// Nodes of the 15-point Kronrod rule in [0, 1) and its weights; the roots of the Stieltjes polynomial of P_7,
/// computed in arbitrary precision.
const KRONROD: [(f64, f64); 8] = [
    (0.0, 0.209_482_141_084_727_83),
    (0.207_784_955_007_898_47, 0.204_432_940_075_298_9),
    (0.405_845_151_377_397_2, 0.190_350_578_064_785_4),
    (0.586_087_235_467_691_1, 0.169_004_726_639_267_9),
    (0.741_531_185_599_394_4, 0.140_653_259_715_525_92),
    (0.864_864_423_359_769_1, 0.104_790_010_322_250_18),
    (0.949_107_912_342_758_5, 0.063_092_092_629_978_55),
    (0.991_455_371_120_812_6, 0.022_935_322_010_529_225),
];

/// Weights of the 7-point Gauss rule, whose nodes are every other one of [`KRONROD`].
const GAUSS: [f64; 4] =
    [0.417_959_183_673_469_37, 0.381_830_050_505_118_9, 0.279_705_391_489_276_67, 0.129_484_966_168_869_7];

/// An integral with a bound on its error and the number of evaluations it took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Integral {
    /// The estimate of the integral.
    pub value: f64,
    /// |Kronrod − Gauss| summed over the pieces: far above the true error for smooth integrands.
    pub error: f64,
    /// How often the integrand was evaluated.
    pub evaluations: usize,
}

/// `∫_a^b f` by the Gauss–Kronrod pair G7K15 on the worst piece first; a and b may be infinite.
///
/// Infinite ranges are mapped by `x = u/(1 − u²)` and `x = a + u/(1 − u)`. Stops when the error estimate is below
/// `rel · |value| + abs`, or below what rounding allows.
///
/// # Errors
/// [`Error::NonFinite`] if f returns NaN or infinity; [`Error::OutOfRange`], with the estimated error, if 4096 pieces
/// do not reach the tolerance or an end point is NaN.
pub fn integrate(f: impl Fn(f64) -> f64, a: f64, b: f64, abs: f64, rel: f64) -> Result<Integral> {
    if a.is_nan() || b.is_nan() {
        return Err(Error::OutOfRange {
            name: "end of the interval", value: f64::NAN, expected: "a number or ±∞"
        });
    }
    if a > b {
        return integrate(f, b, a, abs, rel).map(|i| Integral { value: -i.value, ..i });
    }
    match (a.is_finite(), b.is_finite()) {
        (true, true) => bisect(f, a, b, abs, rel),
        (true, false) => bisect(|u| f(a + u / (1.0 - u)) / ((1.0 - u) * (1.0 - u)), 0.0, 1.0, abs, rel),
        (false, true) => bisect(|u| f(b - u / (1.0 - u)) / ((1.0 - u) * (1.0 - u)), 0.0, 1.0, abs, rel),
        (false, false) => {
            let whole = |u: f64| {
                let left = 1.0 - u * u;
                f(u / left) * u.mul_add(u, 1.0) / (left * left)
            };
            bisect(whole, -1.0, 1.0, abs, rel)
        }
    }
}

#[derive(Clone, Copy)]
struct Piece {
    a: f64,
    b: f64,
    value: f64,
    error: f64,
    size: f64,
}

fn bisect(f: impl Fn(f64) -> f64, a: f64, b: f64, abs: f64, rel: f64) -> Result<Integral> {
    const MOST: usize = 4096;
    let mut pieces = vec![pair(&f, a, b)?];
    let mut evaluations = 15;
    loop {
        let total = |part: fn(&Piece) -> f64| pieces.iter().map(part).sum::<f64>();
        let (value, error, size) = (total(|p| p.value), total(|p| p.error), total(|p| p.size));
        if error <= abs + rel * value.abs() || error <= 8.0 * f64::EPSILON * size {
            return Ok(Integral { value, error, evaluations });
        }
        if pieces.len() >= MOST {
            let expected = "below the tolerance after 4096 pieces";
            return Err(Error::OutOfRange { name: "estimated quadrature error", value: error, expected });
        }
        let worst = (0..pieces.len()).max_by(|&i, &j| pieces[i].error.total_cmp(&pieces[j].error));
        let Piece { a, b, .. } = pieces.swap_remove(worst.unwrap_or(0));
        let middle = 0.5 * (a + b);
        pieces.push(pair(&f, a, middle)?);
        pieces.push(pair(&f, middle, b)?);
        evaluations += 30;
    }
}

fn pair(f: &impl Fn(f64) -> f64, a: f64, b: f64) -> Result<Piece> {
    let (center, half) = (0.5 * (a + b), 0.5 * (b - a));
    let (mut kronrod, mut gauss, mut size) = (0.0, 0.0, 0.0);
    let mut bad = 0;
    for (i, &(node, weight)) in KRONROD.iter().enumerate() {
        let (left, right) = (f(center - half * node), if i == 0 { 0.0 } else { f(center + half * node) });
        bad += usize::from(!left.is_finite()) + usize::from(!right.is_finite());
        kronrod += weight * (left + right);
        size += weight * (left.abs() + right.abs());
        if i % 2 == 0 {
            gauss += GAUSS[i / 2] * (left + right);
        }
    }
    if bad > 0 {
        return Err(Error::NonFinite { name: "integrand", step: None, count: bad, of: 15 });
    }
    Ok(Piece { a, b, value: half * kronrod, error: half * (kronrod - gauss).abs(), size: half * size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn close(got: Result<Integral>, want: f64, rel: f64) {
        let got = got.expect("converges");
        assert!((got.value - want).abs() <= rel * want.abs(), "{:e} is not {want:e}", got.value);
    }

    /// The Kronrod rule is exact to degree 22, the Gauss rule inside it to degree 13.
    #[test]
    fn the_pair_has_its_degrees() {
        for degree in (0..=22).step_by(2) {
            let piece = pair(&|x: f64| x.powi(degree), -1.0, 1.0).expect("finite");
            assert!((piece.value - 2.0 / f64::from(degree + 1)).abs() < 1e-15);
            assert_eq!(piece.error < 1e-15, degree <= 13, "degree {degree}");
        }
    }

    #[test]
    fn integrals_match_closed_forms() {
        let (inf, gauss) = (f64::INFINITY, |x: f64| (-0.5 * x * x).exp());
        close(integrate(gauss, -inf, inf, 0.0, 1e-13), (2.0 * PI).sqrt(), 1e-14);
        close(integrate(gauss, 0.0, inf, 0.0, 1e-13), (0.5 * PI).sqrt(), 1e-14);
        close(integrate(|x| (2.0 * x).exp(), -inf, 1.0, 0.0, 1e-13), 0.5 * 2.0_f64.exp(), 1e-14);
        close(integrate(|x| 1.0 / (1.0 + x * x), -inf, inf, 0.0, 1e-12), PI, 1e-13);
        close(integrate(f64::sqrt, 0.0, 1.0, 0.0, 1e-12), 2.0 / 3.0, 1e-12);
        close(integrate(|x| 1.0 / (1e-6 + x * x), -1.0, 1.0, 0.0, 1e-12), 2e3 * 1e3_f64.atan(), 1e-12);
        close(integrate(f64::exp, 1.0, 0.0, 0.0, 1e-13), -1.0_f64.exp_m1(), 1e-15);
    }

    #[test]
    fn what_cannot_be_integrated_is_an_error() {
        assert!(matches!(integrate(|x| 1.0 / x, -1.0, 1.0, 0.0, 1e-10), Err(Error::NonFinite { count: 1, .. })));
        assert!(matches!(
            integrate(|x| 1.0 / x, 0.0, 1.0, 0.0, 1e-10),
            Err(Error::NonFinite { .. } | Error::OutOfRange { .. })
        ));
        assert!(matches!(integrate(|x| x, f64::NAN, 1.0, 0.0, 1e-10), Err(Error::OutOfRange { .. })));
    }
}
