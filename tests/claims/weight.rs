//! Loss weights on random schedules and errors.

use alphabar::check::prediction::Point;
use alphabar::check::weight as check;
use alphabar::prediction::Prediction;
use alphabar::weight::{Weighting, kl_weight, loss_factor, weighted_loss};
use alphabar::{Error, Level, Schedule, Timestep, Transition, strategy};
use proptest::prelude::*;

use crate::holds;

proptest! {
    #[test]
    fn weighted_error_is_the_kl(
        (schedule, t) in strategy::schedule_and_time(), errors in strategy::point(3), var in strategy::log_uniform(1e-5, 1.0),
    ) {
        if t > Timestep::new(1) {
            holds(check::weighted_error_is_kl(weighted_loss, &Point::new(&schedule, t, 0.0, 0.0), var, &errors))?;
        }
    }

    #[test]
    fn losses_differ_by_signal_to_noise((schedule, t) in strategy::schedule_and_time(), error in strategy::value()) {
        let at = Point::new(&schedule, t, 0.0, 0.0);
        holds(check::losses_differ_by_factor(loss_factor, &at, error))?;
        holds(check::one_objective(Weighting::on, &at, error))?;
    }
}

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
