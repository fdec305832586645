//! The posterior on arrays, and what it refuses.

use alphabar::posterior::{Posterior, log_bayes_ratio, log_density, posterior};
use alphabar::{Error, Schedule, Timestep, strategy};
use ndarray::{Array3, arr1, arr2};
use proptest::prelude::*;

proptest! {
    #[test]
    fn arrays_hold_the_numbers_of_their_entries(step in strategy::step(), x0 in strategy::point(12), xt in strategy::point(12)) {
        let shaped = |x: &[f64]| Array3::from_shape_vec((2, 3, 2), x.to_vec()).unwrap();
        let mean = Posterior::new(&step).mean(&shaped(&x0), &shaped(&xt)).unwrap();
        let single = Posterior::new(&step).mean(&shaped(&x0).mapv(|x| x as f32), &shaped(&xt).mapv(|x| x as f32)).unwrap();
        for (((x0, xt), mean), single) in x0.iter().zip(&xt).zip(&mean).zip(&single) {
            let want = posterior(&step, *x0, *xt).mean;
            prop_assert!((want - mean).abs() <= 4.0 * f64::EPSILON * (x0.abs() + xt.abs()));
            prop_assert!((want - f64::from(*single)).abs() <= 4.0 * f64::from(f32::EPSILON) * (x0.abs() + xt.abs()));
        }
    }
}

#[test]
fn densities_refuse_the_first_step_and_unequal_shapes() {
    let schedule = Schedule::ddpm();
    let (first, second) = (schedule.step(Timestep::new(1)), schedule.step(Timestep::new(2)));
    let (x, longer) = (arr1(&[0.1, 0.2]), arr1(&[0.1, 0.2, 0.3]));
    for refused in [log_density(&first, &x, &x, &x), log_bayes_ratio(&first, &x, &x, &x)] {
        assert!(matches!(refused, Err(Error::Singular { .. })), "{refused:?}");
    }
    for (xt, xs) in [(&longer, &x), (&x, &longer)] {
        for refused in [log_density(&second, &x, xt, xs), log_bayes_ratio(&second, &x, xt, xs)] {
            assert!(matches!(refused, Err(Error::ShapeMismatch { .. })), "{refused:?}");
        }
    }
    let matrix = arr2(&[[0.1f32, -0.4], [0.3, 0.9]]);
    let (direct, ratio) =
        (log_density(&second, &matrix, &matrix, &matrix), log_bayes_ratio(&second, &matrix, &matrix, &matrix));
    assert!((direct.unwrap() - ratio.unwrap()).abs() < 1e-7);
}
