//! The natural logarithm of a double-double to about 2⁻⁶⁷, from a table of 128 logarithms and a short series.

use std::sync::LazyLock;

use super::{Dd, two_prod, two_sum};

/// ln x of any double-double, rounded to the nearest double but for some 0.501 ulp.
///
/// ```text
/// x = 2^k m, ¹¹⁄₁₆ ≤ m < ¹¹⁄₈        ln x = k ln 2 − ln c + ln(1 + r)        r = c m − 1, |r| < 2⁻⁷
/// ```
///
/// c is 1/m to 9 bits, taken from the interval of m; on both sides of m = 1 it is 1, so that nothing cancels there.
pub(crate) struct Logarithm {
    entries: [Entry; INTERVALS],
}

#[derive(Clone, Copy)]
struct Entry {
    c: f64,
    /// −ln c, as many bits as leave the sum with a multiple of [`LN_2_HI`] exact.
    hi: f64,
    lo: f64,
}

const INTERVALS: usize = 128;
/// ¹¹⁄₁₆, where the intervals begin.
const START: u64 = 0x3fe6 << 48;
const MANTISSA: u32 = 52;
/// The intervals that end and begin at 1.
const BESIDE_ONE: [usize; 2] = [79, 80];
/// Beyond these 2^k is no normal number.
const RANGE: std::ops::Range<f64> = 1e-300..1e300;
/// Rounded to a multiple of 2⁻⁴², and the rest.
const LN_2_HI: f64 = 3_048_493_539_143.0 / GRAIN;
const LN_2_LO: f64 = 5.497_923_018_708_371e-14;
const GRAIN: f64 = 4_398_046_511_104.0;
/// The series of (ln(1 + r) − r + r²/2)/r³, highest power first.
const TAIL: [f64; 8] = [-1.0 / 10.0, 1.0 / 9.0, -1.0 / 8.0, 1.0 / 7.0, -1.0 / 6.0, 1.0 / 5.0, -1.0 / 4.0, 1.0 / 3.0];

static TABLE: LazyLock<Logarithm> = LazyLock::new(Logarithm::new);

impl Logarithm {
    /// The table, made at its first use.
    pub(crate) fn table() -> &'static Self {
        &TABLE
    }

    fn new() -> Self {
        let entry = |index| {
            let (low, high) = (bound(index), bound(index + 1));
            let c = if BESIDE_ONE.contains(&index) { 1.0 } else { (1024.0 / (low + high)).round() / 512.0 };
            let value = -Dd::new(c).ln();
            let hi = (value.hi * GRAIN).round() / GRAIN;
            Entry { c, hi, lo: (value - Dd::new(hi)).round() }
        };
        Self { entries: std::array::from_fn(entry) }
    }

    /// ln x; −∞ for 0.
    #[inline]
    pub(crate) fn of(&self, x: Dd) -> f64 {
        if !RANGE.contains(&x.hi) {
            return x.ln().round();
        }
        // The bits above the mantissa count binades from ¹¹⁄₁₆ and the seven below them the intervals in each.
        let offset = x.hi.to_bits().wrapping_sub(START);
        let k = (offset as i64) >> MANTISSA;
        let Entry { c, hi, lo } = self.entries[(offset >> (MANTISSA - 7)) as usize % INTERVALS];
        let m = f64::from_bits(x.hi.to_bits().wrapping_sub((k as u64) << MANTISSA));
        let rest = x.lo * f64::from_bits(((1023 - k) as u64) << MANTISSA);
        // c m − 1 without rounding: c has 10 bits, the upper part of m 26.
        let upper = f64::from_bits(m.to_bits() & (u64::MAX << 27));
        let r = two_sum(c * upper - 1.0, c * (m - upper));
        let r_lo = r.lo + c * rest;
        let square = two_prod(r.hi, r.hi);
        let tail = TAIL.iter().fold(0.0, |sum, term| sum * r.hi + term) * square.hi * r.hi;
        let k = k as f64;
        let first = two_sum(k * LN_2_HI + hi, r.hi);
        let second = two_sum(first.hi, -0.5 * square.hi);
        let small = (k * LN_2_LO + lo) + r_lo * (1.0 - r.hi + square.hi) - 0.5 * square.lo + tail;
        second.hi + (first.lo + second.lo + small)
    }
}

/// Where an interval begins, as a number in ¹¹⁄₁₆ … ¹¹⁄₈.
fn bound(index: usize) -> f64 {
    f64::from_bits(START + ((index as u64) << (MANTISSA - 7)))
}

#[cfg(test)]
mod tests {
    use astro_float_num::{BigFloat, Consts, RoundingMode};

    use super::{BESIDE_ONE, Logarithm, bound};
    use crate::dd::Dd;

    const P: usize = 256;
    const RM: RoundingMode = RoundingMode::ToEven;

    /// Distance of ours from the exact logarithm in units of its last place.
    fn ulps(x: Dd, constants: &mut Consts) -> f64 {
        let big = |x: f64| BigFloat::from_f64(x, P);
        let want = big(x.hi).add(&big(x.lo), P, RM).ln(P, RM, constants);
        let got = Logarithm::table().of(x);
        let ulp = f64::from_bits(got.abs().to_bits() + 1) - got.abs();
        let share = big(got).sub(&want, P, RM).div(&big(ulp), P, RM);
        format!("{share}").parse::<f64>().unwrap().abs()
    }

    #[test]
    fn ln_is_the_nearest_double_in_every_interval_and_binade() {
        assert_eq!(
            BESIDE_ONE.map(|index| (bound(index), bound(index + 1))),
            [(1.0 - 1.0 / 256.0, 1.0), (1.0, 1.0 + 1.0 / 128.0)]
        );
        let mut constants = Consts::new().unwrap();
        let mut worst: f64 = 0.0;
        for index in 0..128 {
            for (share, exponent) in
                [(0.0, 0), (1e-9, -1), (0.3, 5), (0.77, 0), (1.0 - 1e-12, -40), (0.5, -700), (0.1, 600)]
            {
                let m = bound(index) + share * (bound(index + 1) - bound(index));
                for lo in [0.0, 0.37, -0.49] {
                    let hi = m * 2f64.powi(exponent);
                    worst = worst.max(ulps(Dd { hi, lo: lo * 2f64.powi(-53) * hi }, &mut constants));
                }
            }
        }
        for power in 8..=30 {
            for sign in [1.0, -1.0] {
                let hi = 1.0 + sign * 2f64.powi(-power);
                worst = worst.max(ulps(Dd { hi, lo: 3e-17 }, &mut constants));
            }
        }
        assert!(worst <= 0.501, "{worst} ulp");
        assert!(worst > 0.4, "the reference is not independent: {worst} ulp");
    }

    #[test]
    fn the_ends_of_the_range() {
        let ln = |x| Logarithm::table().of(Dd::new(x));
        for (x, want) in [(0.0, f64::NEG_INFINITY), (f64::INFINITY, f64::INFINITY), (1.0, 0.0)] {
            assert_eq!(ln(x).to_bits(), f64::to_bits(want), "{x}");
        }
        for x in [5e-324f64, 1e-310, 1e307] {
            assert!((ln(x) / x.ln() - 1.0).abs() < 1e-15, "{x}");
        }
    }
}
