//! What has no prediction is refused; arrays are converted entry by entry.

use alphabar::prediction::{Preconditioning, Prediction, conversion, mean_from};
use alphabar::{Error, Level, Schedule, Timestep, Transition};

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
