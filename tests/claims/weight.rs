//! Transitions and variances for which no weight exists.

use alphabar::prediction::Prediction;
use alphabar::weight::kl_weight;
use alphabar::{Error, Level, Schedule, Timestep, Transition};

#[test]
fn what_has_no_weight_is_refused() {
    let step = Schedule::ddpm().step(Timestep::new(10));
    for var in [0.0, -1.0, f64::NAN] {
        assert!(matches!(kl_weight(Prediction::X0, &step, var), Err(Error::OutOfRange { .. })));
    }
    let last = Transition::between(Level::from_alpha_bar(0.5).unwrap(), Level::NOISE).unwrap();
    assert!(matches!(kl_weight(Prediction::Epsilon, &last, 0.1), Err(Error::Singular { .. })));
    assert!(kl_weight(Prediction::V, &last, 0.1).is_ok());
}
