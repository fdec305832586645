//! Guidance: scores of tempered densities at random levels, classes and scales.

use alphabar::check::guidance::{Point, classifier, classifier_free, same_in_every_prediction};
use alphabar::exact::{Mixture1, Noising};
use alphabar::guidance::{GuidanceScale, GuidanceWeight, classifier_guided, guided};
use proptest::prelude::*;

use super::holds;

fn points() -> impl Strategy<Value = Point> {
    (0.02..0.98f64, 0usize..2, -2.0..2.0f64, 0.0..8.0f64).prop_map(|(alpha_bar, class, xt, scale)| {
        let level = Noising::variance_preserving(alpha_bar).unwrap();
        Point { data: Mixture1::reference(), level, class, xt, scale }
    })
}

proptest! {
    #[test]
    fn guided_score_is_that_of_the_tempered_density(at in points()) {
        holds(classifier_free(|s, c, u| guided(GuidanceScale::new(s).unwrap(), c, u), &at))?;
        holds(classifier(|s, u, g| classifier_guided(GuidanceScale::new(s).unwrap(), u, g), &at))?;
        holds(same_in_every_prediction(|s, c, u| guided(GuidanceScale::new(s).unwrap(), c, u), &at))?;
    }

    #[test]
    fn the_two_conventions_differ_by_one(w in -1.0..9.0f64) {
        let scale = GuidanceScale::from(GuidanceWeight::new(w).unwrap());
        let (c, u) = (0.7, -0.4);
        prop_assert!((guided(scale, c, u) - ((1.0 + w) * c - w * u)).abs() < 1e-14);
    }
}
