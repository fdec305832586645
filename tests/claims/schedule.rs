//! Schedules at random βs.

use alphabar::check::{Tol, Trial};
use alphabar::strategy;
use proptest::prelude::*;

use crate::holds;

proptest! {
    #[test]
    fn levels_stay_in_order((schedule, s, t) in strategy::schedule_and_times()) {
        let mut trial = Trial::new();
        let place = || format!("s = {}, t = {}", s.get(), t.get());
        let (now, before) = (schedule.alpha_bar(t), schedule.alpha_bar(s));
        let outcome = trial.at_most("alpha_bar", now, before, Tol::exact(), place);
        holds(outcome.map(|()| trial.evidence()))?;
    }
}
