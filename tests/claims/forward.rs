//! Noised arrays, and what the forward process refuses.

use alphabar::forward::{Kernel, add_noise, path_log_density};
use alphabar::{Error, Level, Schedule, strategy};
use ndarray::{arr1, arr2, array};
use proptest::prelude::*;

proptest! {
    #[test]
    fn arrays_of_any_dimension_and_precision_are_noised_entry_by_entry(
        level in strategy::level(),
        x0 in strategy::point(6),
        noise in strategy::point(6),
    ) {
        let kernel = Kernel::from_data(level);
        let got = add_noise(level, &arr1(&x0).to_shape((1, 2, 3)).unwrap(), &arr1(&noise).to_shape((1, 2, 3)).unwrap());
        let got = got.unwrap();
        prop_assert_eq!(got.shape(), [1, 2, 3]);
        for ((got, x0), noise) in got.iter().zip(&x0).zip(&noise) {
            prop_assert_eq!(got.to_bits(), kernel.draw(*x0, *noise).to_bits());
        }
        let narrow = |values: &[f64]| arr1(values).mapv(|value| value as f32);
        let rounded = add_noise(level, &narrow(&x0), &narrow(&noise)).unwrap();
        for (narrow, wide) in rounded.iter().zip(&got) {
            prop_assert!((f64::from(*narrow) - wide).abs() <= 16.0 * f64::from(f32::EPSILON));
        }
    }
}

#[test]
fn shapes_that_differ_are_refused() {
    let error = add_noise(Level::NOISE, &arr2(&[[1.0, 2.0]]), &arr2(&[[1.0], [2.0]])).unwrap_err();
    assert!(matches!(error, Error::ShapeMismatch { .. }), "{error}");
    assert_eq!(add_noise(Level::DATA, &array![1.5f32], &array![9.0]).unwrap(), array![1.5]);
}

#[test]
fn a_path_has_one_state_more_than_steps() {
    let error = path_log_density(&Schedule::ddpm(), &[0.0; 1000]).unwrap_err();
    assert!(matches!(error, Error::CountOutOfRange { value: 1000, min: 1001, max: 1001, .. }), "{error}");
}

#[test]
fn a_kernel_that_amplifies_has_no_variance_preserving_noise() {
    for scale in [1.0 + f64::EPSILON, -1.5, f64::NAN] {
        assert!(matches!(Kernel::variance_preserving(scale), Err(Error::OutOfRange { .. })));
    }
}

#[test]
fn a_kernel_without_noise_is_a_point_mass() {
    let point = Kernel { scale: 0.5, var: 0.0 };
    assert!(point.log_density(1.0, 2.0).is_infinite() && point.log_density(1.0, 2.0) > 0.0);
    assert!(point.log_density(1.1, 2.0).is_infinite() && point.log_density(1.1, 2.0) < 0.0);
}
