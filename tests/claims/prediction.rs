//! Predictions and their conversions on random schedules, data and noise.

use alphabar::check::prediction::{self as check, Point};
use alphabar::prediction::{Preconditioning, Prediction, conversion, from_mean, mean_from, mean_from_x0_and_eps};
use alphabar::{Error, Level, Schedule, Timestep, Transition, strategy};
use proptest::prelude::*;

use crate::holds;

proptest! {
    #[test]
    fn conversions_agree_with_definitions(
        (schedule, t) in strategy::schedule_and_time(), x0 in strategy::value(), eps in strategy::value(),
    ) {
        holds(check::conversions(conversion, &Point::new(&schedule, t, x0, eps)))?;
    }

    #[test]
    fn conversions_from_pure_noise_hold_or_are_refused(
        betas in strategy::betas_to_pure_noise(), x0 in strategy::value(), eps in strategy::value(),
    ) {
        let schedule = Schedule::new(betas);
        let at = Point::new(&schedule, schedule.last(), x0, eps);
        holds(check::conversions(conversion, &at))?;
        holds(check::mean(mean_from, &at))?;
    }

    #[test]
    fn posterior_mean_from_every_prediction_and_back(
        (schedule, t) in strategy::schedule_and_time(), x0 in strategy::value(), eps in strategy::value(),
    ) {
        let at = Point::new(&schedule, t, x0, eps);
        holds(check::mean(mean_from, &at))?;
        holds(check::inverse_mean(from_mean, &at))?;
        holds(check::mean_of_data_and_noise(mean_from_x0_and_eps, &at))?;
    }

    #[test]
    fn preconditioning_has_unit_variance(
        sigma in strategy::log_uniform(2e-3, 80.0), sigma_data in strategy::log_uniform(0.05, 5.0),
    ) {
        holds(check::unit_variance(Preconditioning::edm, sigma, sigma_data))?;
    }
}

#[test]
fn what_has_no_value_is_refused() {
    use Prediction::{Epsilon, Score, V, X0};
    let refused = |from, to, level| matches!(conversion(from, to, level), Err(Error::Singular { .. }));
    assert!(refused(Epsilon, X0, Level::NOISE) && refused(Score, V, Level::NOISE));
    assert!(refused(X0, Epsilon, Level::DATA) && refused(V, Score, Level::DATA));
    assert!(conversion(V, X0, Level::NOISE).is_ok() && conversion(Epsilon, X0, Level::DATA).is_ok());
    let last = Transition::between(Level::from_alpha_bar(0.5).unwrap(), Level::NOISE).unwrap();
    assert!(matches!(mean_from(Epsilon, &last), Err(Error::Singular { .. })));
    assert!(matches!(mean_from(Score, &last), Err(Error::Singular { .. })));
    assert!(mean_from(X0, &last).is_ok() && mean_from(V, &last).is_ok());
    for (sigma, sigma_data) in [(0.0, 0.5), (1.0, f64::NAN), (f64::INFINITY, 0.5)] {
        assert!(matches!(Preconditioning::edm(sigma, sigma_data), Err(Error::OutOfRange { .. })));
    }
}

#[test]
fn arrays_of_both_precisions_are_converted_entry_by_entry() {
    let level = Schedule::ddpm().level(Timestep::new(300));
    let map = conversion(Prediction::V, Prediction::X0, level).unwrap();
    let (xt, v) = (ndarray::array![[0.5, -1.25], [2.0, 0.0]], ndarray::array![[1.0, 0.25], [-0.5, 3.0]]);
    let wide = map.map(&xt, &v).unwrap();
    let narrow = map.map(&xt.mapv(|x| x as f32), &v.mapv(|x| x as f32)).unwrap();
    for (((x, v), wide), narrow) in xt.iter().zip(&v).zip(&wide).zip(&narrow) {
        assert!((map.at(*x, *v) - wide).abs() <= 1e-15);
        assert!((wide - f64::from(*narrow)).abs() <= 1e-6);
    }
    assert!(matches!(map.map(&xt, &v.slice(ndarray::s![..1, ..])), Err(Error::ShapeMismatch { .. })));
}
