//! Precisions of numbers: their rounding, and which one numbers were computed in.

/// The precision in which somebody's numbers were computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// 8 bits, with the range of f32.
    BF16,
    /// 11 bits.
    F16,
    /// 24 bits.
    F32,
    /// 53 bits.
    F64,
}

impl Precision {
    /// Half the distance from 1 to the next number.
    #[must_use]
    pub fn unit_roundoff(self) -> f64 {
        match self {
            Self::BF16 => 2f64.powi(-8),
            Self::F16 => 2f64.powi(-11),
            Self::F32 => 2f64.powi(-24),
            Self::F64 => 2f64.powi(-53),
        }
    }

    /// What numbers read from decimal text were computed in: f32 if every one of them is a number of that precision
    /// or the shortest decimal of one, and some have the 7 digits that a computed number has.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "a number either is representable or is not")]
    pub fn of_decimals(values: &[f64]) -> Self {
        let single = |&v: &f64| {
            let near = v as f32;
            v.is_nan() || f64::from(near) == v || format!("{near}").parse::<f64>().is_ok_and(|shortest| shortest == v)
        };
        let digits = |v: &f64| format!("{v:e}").bytes().take_while(|&b| b != b'e').filter(u8::is_ascii_digit).count();
        let computed = values.iter().any(|v| v.is_finite() && digits(v) >= 7);
        if computed && values.len() > 2 && values.iter().all(single) { Self::F32 } else { Self::F64 }
    }

    /// `f32`, `f64`, `f16`, `bf16`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// The narrowest precision that holds every one of these numbers, if it is narrower than this one and there are
    /// enough of them for that to be no chance.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "a number either is representable or is not")]
    pub fn narrowest(self, values: &[f64]) -> Option<Self> {
        let mut distinct: Vec<u64> = values.iter().filter(|v| v.is_finite()).map(|v| v.to_bits()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let holds = |narrow: &Self| values.iter().all(|&v| v.is_nan() || narrow.round(v) == v);
        let enough = |narrow: &Self| distinct.len() >= if *narrow < Self::F32 { 8 } else { 3 };
        [Self::BF16, Self::F16, Self::F32].into_iter().filter(|narrow| *narrow < self).find(|n| enough(n) && holds(n))
    }

    /// Rounds to this precision, to even; the halves by their definition, so that no library is needed.
    #[must_use]
    pub fn round(self, value: f64) -> f64 {
        match self {
            Self::F64 => value,
            Self::F32 => f64::from(value as f32),
            Self::F16 => to_bits(value, 11, -14, 65_504.0),
            Self::BF16 => to_bits(value, 8, -126, f64::from(f32::from_bits(0x7f7f_0000))),
        }
    }
}

/// Rounds to numbers of so many bits, from a least exponent to a largest number.
fn to_bits(value: f64, bits: i32, least: i32, largest: f64) -> f64 {
    let exponent = ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let unit = 2f64.powi(exponent.clamp(least, 128) - bits + 1);
    let rounded = (value / unit).round_ties_even() * unit;
    if rounded.abs() > largest { value.signum() * f64::INFINITY } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::Precision;

    #[test]
    fn half_precision_is_rounded_as_ieee_754_has_it() {
        let round = |x| Precision::F16.round(x);
        let cases = [
            (1.0, 1.0),
            (0.1, 0.099_975_585_937_5),
            (1.0 + 2f64.powi(-11), 1.0),
            (1.0 + 3.0 * 2f64.powi(-11), 1.0 + 2f64.powi(-9)),
            (65_519.0, 65_504.0),
            (65_520.0, f64::INFINITY),
            (-1e300, f64::NEG_INFINITY),
            (2f64.powi(-25), 0.0),
            (1.1 * 2f64.powi(-25), 2f64.powi(-24)),
            (0.0, 0.0),
        ];
        for (value, want) in cases {
            assert_eq!(round(value).to_bits(), f64::to_bits(want), "{value}");
        }
        assert!(round(f64::NAN).is_nan());
    }

    #[test]
    fn bfloat16_is_the_upper_half_of_f32_rounded_to_even() {
        let mut state = 1_u32;
        for _ in 0..100_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from_bits(state);
            let upper = (u64::from(state) + 0x7fff + u64::from(state >> 16 & 1)) as u32 & 0xffff_0000;
            let (want, got) = (f64::from(f32::from_bits(upper)), Precision::BF16.round(f64::from(value)));
            assert!(value.is_nan() || got.to_bits() == want.to_bits(), "{value:e}: {got:e}, not {want:e}");
        }
    }

    #[test]
    fn numbers_are_of_the_narrowest_precision_that_holds_them() {
        let third = |k: usize| (k + 1) as f64 / 3.0;
        let all = [Precision::BF16, Precision::F16, Precision::F32];
        for narrow in all {
            let values: Vec<f64> = (0..20).map(|k| narrow.round(third(k))).collect();
            assert_eq!(Precision::F64.narrowest(&values), Some(narrow));
            assert_eq!(narrow.narrowest(&values), None);
            assert_eq!(Precision::F64.narrowest(&[values, vec![0.1]].concat()), None);
        }
        assert_eq!(Precision::F64.narrowest(&[0.0, 0.0, 1.0]), None);
    }
}
