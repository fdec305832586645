//! Optimal trajectories on random costs.

use alphabar::check::trajectory::{decoder_cost_is_cross_entropy, equals_brute_force, step_cost_is_divergence};
use alphabar::trajectory::{StepCosts, decoder_cost, step_cost};
use alphabar::{Error, Timestep, strategy};
use proptest::prelude::*;

use crate::holds;

fn costs() -> impl Strategy<Value = StepCosts> {
    (1..=9usize, proptest::collection::vec(-2.0..5.0f64, 81)).prop_map(|(steps, table)| {
        StepCosts::new(steps, |s, t| table[9 * s.get() + t.get() - 1]).expect("finite costs")
    })
}

proptest! {
    #[test]
    fn dynamic_programming_equals_brute_force(costs in costs()) {
        holds(equals_brute_force(StepCosts::best, &costs))?;
    }

    #[test]
    fn the_cost_of_the_best_path_is_its_cost(costs in costs()) {
        for count in 1..=costs.steps() {
            let best = costs.best(count)?;
            prop_assert!((costs.along(&best.times)? - best.cost).abs() <= 1e-12);
        }
    }

    #[test]
    fn costs_are_divergences((schedule, s, t) in strategy::schedule_and_times(), error in 0.01..9.0f64) {
        holds(decoder_cost_is_cross_entropy(decoder_cost, &schedule, t, error))?;
        if s > Timestep::DATA {
            holds(step_cost_is_divergence(step_cost, &schedule, s, t, error))?;
        }
    }
}

#[test]
fn impossible_paths_are_refused() {
    let costs = StepCosts::new(4, |s, t| (t.get() - s.get()) as f64).unwrap();
    let times = |all: &[usize]| all.iter().copied().map(Timestep::new).collect::<Vec<_>>();
    assert!(matches!(costs.best(0), Err(Error::CountOutOfRange { name: "count", .. })));
    assert!(matches!(costs.best(5), Err(Error::CountOutOfRange { name: "count", .. })));
    assert!(matches!(costs.along(&times(&[3, 1])), Err(Error::CountOutOfRange { name: "first time", .. })));
    assert!(matches!(costs.along(&times(&[4, 4])), Err(Error::NotDecreasing { .. })));
    assert!(matches!(costs.along(&times(&[4, 0])), Err(Error::CountOutOfRange { name: "time", .. })));
    assert!(matches!(StepCosts::new(0, |_, _| 0.0), Err(Error::CountOutOfRange { name: "steps", .. })));
    assert!(matches!(StepCosts::new(2, |_, _| f64::NAN), Err(Error::EntryOutOfRange { .. })));
    assert!(matches!(StepCosts::new(2, |_, _| f64::NEG_INFINITY), Err(Error::EntryOutOfRange { .. })));
}

/// An infinite cost forbids a step; the way round it is found.
#[test]
fn forbidden_steps_are_avoided() {
    let cost = |s: Timestep, t: Timestep| if (s.get(), t.get()) == (2, 4) { f64::INFINITY } else { 1.0 };
    let best = StepCosts::new(4, cost).unwrap().best(2).unwrap();
    assert_eq!(best.times.len(), 2);
    assert_ne!(best.times[1], Timestep::new(2));
}
