//! Paths and costs that the search refuses, and steps that it avoids.

use alphabar::trajectory::StepCosts;
use alphabar::{Error, Timestep};

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
