//! The bound in terms of the signal-to-noise ratio, on random schedules.

use alphabar::check::vdm::step_cost;
use alphabar::{Betas, Schedule, Timestep, vdm};
use proptest::prelude::*;

use super::holds;

proptest! {
    #[test]
    fn kl_term_is_a_drop_of_snr(
        betas in prop::collection::vec((1e-5f64.ln()..0.6f64.ln()).prop_map(f64::exp), 2..64),
        pick in 0.0..1.0f64,
        error in 1e-3..4.0f64,
    ) {
        let schedule = Schedule::new(Betas::new(betas).unwrap());
        let t = Timestep::new(2 + (pick * (schedule.len() - 1) as f64) as usize);
        let own = |schedule: &Schedule, t: Timestep, error: f64| {
            let step = schedule.step(t);
            vdm::step_cost(step.s(), step.t(), error)
        };
        holds(step_cost(own, &schedule, t, error))?;
    }
}
