//! The two conventions of guidance.

use alphabar::guidance::{GuidanceScale, GuidanceWeight, guided};
use proptest::prelude::*;

proptest! {
    #[test]
    fn the_two_conventions_differ_by_one(w in -1.0..9.0f64) {
        let scale = GuidanceScale::from(GuidanceWeight::new(w).unwrap());
        let (c, u) = (0.7, -0.4);
        prop_assert!((guided(scale, c, u) - ((1.0 + w) * c - w * u)).abs() < 1e-14);
    }
}
