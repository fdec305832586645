//! Distributions of times that cannot be are refused; targets of arrays.

use alphabar::posterior::Moments;
use alphabar::prediction::Prediction;
use alphabar::training::{TimeDistribution, shared_slope, target, target_array};
use alphabar::{Error, Level, Timestep};

#[test]
fn impossible_distributions_are_refused() {
    assert!(matches!(TimeDistribution::uniform(0), Err(Error::CountOutOfRange { .. })));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(TimeDistribution::proportional(&[1.0, bad]), Err(Error::EntryOutOfRange { index: 1, .. })));
    }
    let data = Moments { mean: 0.0, var: 1.0 };
    let levels = [Level::from_alpha_bar(0.5).unwrap(); 2];
    assert!(matches!(shared_slope(&levels, &[1.0], data), Err(Error::CountOutOfRange { .. })));
    assert!(matches!(shared_slope(&levels, &[1.0, -1.0], data), Err(Error::EntryOutOfRange { index: 1, .. })));
    assert_eq!(TimeDistribution::uniform(4).unwrap().at(1.0), Timestep::new(4));
}

#[test]
fn targets_of_arrays_are_those_of_their_entries() {
    let level = Level::from_alpha_bar(0.3).unwrap();
    let (x0, eps) = (ndarray::array![[1.0, -0.5]], ndarray::array![[0.25, 2.0]]);
    for prediction in Prediction::ALL {
        let all = target_array(prediction, level, &x0, &eps).unwrap();
        for ((got, &x0), &eps) in all.iter().zip(&x0).zip(&eps) {
            assert!((got - target(prediction, level, x0, eps).unwrap()).abs() < 1e-15);
        }
    }
}
