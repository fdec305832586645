//! Distillation targets of arrays, and what is refused.

use alphabar::distill::Target;
use alphabar::{Error, Level, strategy};
use ndarray::array;
use proptest::prelude::*;

proptest! {
    #[test]
    fn arrays_are_their_entries(step in strategy::transition(), x in strategy::value(), y in strategy::value()) {
        let target = Target::new(step.s(), step.t())?;
        let mapped = target.map(&array![[x, y]], &array![[y, x]])?;
        prop_assert_eq!(mapped, array![[target.at(x, y), target.at(y, x)]]);
    }
}

#[test]
fn a_step_must_lose_noise() {
    let level = Level::from_alpha_bar(0.5).unwrap();
    assert!(matches!(Target::new(level, level), Err(Error::OutOfRange { name: "alpha_bar at t", .. })));
    assert!(matches!(Target::new(level, Level::DATA), Err(Error::OutOfRange { .. })));
    let target = Target::new(Level::DATA, level).unwrap();
    assert_eq!((target.xt, target.xs.round()), (0.0, 1.0));
    let shapes = target.map(&array![1.0f32, 2.0], &array![1.0f32]);
    assert!(matches!(shapes, Err(Error::ShapeMismatch { .. })));
}
