//! Schedules at random βs, and what their constructors refuse.

use alphabar::check::schedule::{self as check, Entry};
use alphabar::table::ulps;
use alphabar::{Betas, Error, Level, Schedule, Timestep, Transition, strategy};
use proptest::prelude::*;

fn entry(schedule: &Schedule, t: Timestep) -> Entry {
    let level = schedule.level(t);
    Entry {
        alpha: if t == Timestep::DATA { 1.0 } else { schedule.step(t).alpha() },
        alpha_bar: level.alpha_bar(),
        one_minus_alpha_bar: level.one_minus_alpha_bar(),
        signal: level.signal(),
        noise_std: level.noise_std(),
        snr: level.snr(),
        log_snr: level.log_snr(),
    }
}

proptest! {
    /// Between neighbours the kernel has β as given and 1 − β, not a ratio of products.
    #[test]
    fn neighbours_have_exactly_their_beta(schedule in strategy::schedule()) {
        for (t, &beta) in schedule.timesteps().zip(schedule.betas().as_slice()) {
            let step = schedule.transition(Timestep::new(t.get() - 1), t);
            prop_assert_eq!((step.alpha(), step.beta()), (1.0 - beta, beta));
        }
    }

    #[test]
    fn levels_of_a_chain_to_pure_noise_follow_from_its_betas(betas in strategy::betas_to_pure_noise()) {
        check::levels(entry).on(&Schedule::new(betas)).assert();
    }

    /// β of somebody's ᾱ, and ᾱ of those β, to what rounding of ᾱ leaves.
    #[test]
    fn a_schedule_is_had_back_from_its_alpha_bar(schedule in strategy::schedule()) {
        let alpha_bar: Vec<f64> = schedule.timesteps().map(|t| schedule.alpha_bar(t)).collect();
        let back = Schedule::from_alpha_bar(&alpha_bar).unwrap();
        let (half, mut roundings) = (0.505 * f64::EPSILON, 1.0);
        for (t, step) in schedule.steps() {
            prop_assert!((back.beta(t) - step.beta()).abs() <= half * (2.0 * step.alpha() + step.beta()));
            roundings += back.beta(t) / back.step(t).alpha();
            let given = schedule.alpha_bar(t);
            prop_assert!((back.alpha_bar(t) - given).abs() <= half * roundings * given);
        }
    }

    #[test]
    fn a_bad_beta_is_named(betas in strategy::betas(), at in any::<prop::sample::Index>(), bad in bad_beta()) {
        let mut all = betas.as_slice().to_vec();
        let at = at.index(all.len());
        all[at] = bad;
        let error = Betas::new(all).unwrap_err();
        prop_assert!(matches!(error, Error::EntryOutOfRange { name: "beta", index, .. } if index == at), "{}", error);
    }
}

fn bad_beta() -> impl Strategy<Value = f64> {
    prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(0.0), Just(-1e-9), Just(1.0 + f64::EPSILON), -1e3..0.0]
}

#[test]
fn a_beta_of_one_is_valid_at_the_end_only() {
    assert!(Betas::new(vec![0.5, 1.0]).is_ok());
    assert!(matches!(Betas::new(vec![1.0, 0.5]), Err(Error::EntryOutOfRange { index: 0, .. })));
}

#[test]
fn lengths_outside_the_range_are_refused() {
    let too_long = alphabar::schedule::MAX_STEPS + 1;
    for error in [
        Betas::new(vec![]).unwrap_err(),
        Betas::linear(0, 1e-4, 0.02).unwrap_err(),
        Betas::cosine(too_long).unwrap_err(),
        Betas::zero_terminal_snr(&Schedule::new(Betas::constant(1, 0.1).unwrap())).unwrap_err(),
        Schedule::ddpm().timestep(0).unwrap_err(),
        Schedule::ddpm().timestep(1001).unwrap_err(),
    ] {
        assert!(matches!(error, Error::CountOutOfRange { .. }), "{error}");
    }
    assert_eq!(Schedule::ddpm().timestep(1000).unwrap(), Schedule::ddpm().last());
    assert_eq!(Betas::linear(1, 1e-4, 0.02).unwrap().as_slice(), [1e-4]);
}

#[test]
fn numbers_outside_the_range_are_refused() {
    let level = |alpha_bar| Level::from_alpha_bar(alpha_bar).unwrap();
    for error in [
        Level::from_alpha_bar(f64::NAN).unwrap_err(),
        Level::from_alpha_bar(1.0 + f64::EPSILON).unwrap_err(),
        Level::from_log_snr(f64::NAN).unwrap_err(),
        Betas::scaled_linear(10, -1e-4, 0.02).unwrap_err(),
        Transition::between(level(0.3), level(0.3)).unwrap_err(),
        Transition::between(level(0.3), level(0.4)).unwrap_err(),
    ] {
        assert!(matches!(error, Error::OutOfRange { .. }), "{error}");
    }
}

#[test]
fn kept_times_must_increase_and_lie_in_the_chain() {
    let schedule = Schedule::ddpm();
    let kept =
        |times: &[usize]| Betas::respaced(&schedule, &times.iter().map(|&t| Timestep::new(t)).collect::<Vec<_>>());
    assert!(matches!(kept(&[]), Err(Error::CountOutOfRange { .. })));
    assert!(matches!(kept(&[0, 5]), Err(Error::CountOutOfRange { name: "timestep", .. })));
    assert!(matches!(kept(&[5, 5]), Err(Error::EntryOutOfRange { index: 1, .. })));
    assert_eq!(kept(&[5, 1000]).unwrap().len(), 2);
}

#[test]
fn model_indices_are_one_below_times() {
    assert_eq!(Timestep::new(1).model_index(), Some(0));
    assert_eq!(Timestep::DATA.model_index(), None);
    assert_eq!(Timestep::from_model_index(999), Schedule::ddpm().last());
    assert!(Schedule::ddpm().timesteps().map(Timestep::get).eq(1..=1000));
}

#[test]
fn a_unit_in_the_last_place_is_the_gap_to_the_next_double() {
    let next = |x: f64| f64::from_bits(x.to_bits() + 1);
    for x in [1.0, 0.1, 1e-300, 4096.0] {
        assert_eq!(ulps(next(x), x), 1.0);
        assert_eq!(ulps(-next(next(x)), -x), 2.0);
        assert_eq!(ulps(x, x), 0.0);
    }
    assert_eq!(ulps(f64::INFINITY, f64::INFINITY), 0.0);
    assert_eq!(ulps(f64::NAN, 1.0), f64::INFINITY);
}

#[test]
fn alpha_bar_that_no_betas_give_is_refused() {
    let refused: [&[f64]; 9] = [
        &[0.5, 0.6],
        &[0.5, 0.5],
        &[1.0, 0.5],
        &[1.5, 0.5],
        &[f64::NAN],
        &[f64::INFINITY],
        &[0.5, -0.1],
        &[0.0, 0.0],
        &[0.5, 1e-20, 1e-21],
    ];
    for alpha_bar in refused {
        let error = Schedule::from_alpha_bar(alpha_bar).unwrap_err();
        assert!(matches!(error, Error::EntryOutOfRange { name: "alpha_bar", .. }), "{alpha_bar:?}: {error}");
    }
    assert!(matches!(Schedule::from_alpha_bar(&[]), Err(Error::CountOutOfRange { name: "steps", .. })));
    for (alpha_bar, betas) in [(&[0.25][..], vec![0.75]), (&[0.0], vec![1.0]), (&[0.5, 1e-20], vec![0.5, 1.0])] {
        assert_eq!(Schedule::from_alpha_bar(alpha_bar).unwrap().betas().as_slice(), betas);
    }
    for schedule in [Schedule::ddpm(), Schedule::improved_ddpm(), Schedule::new(Betas::jsd(50).unwrap())] {
        let alpha_bar: Vec<f64> = schedule.timesteps().map(|t| schedule.alpha_bar(t)).collect();
        let back = Schedule::from_alpha_bar(&alpha_bar).unwrap();
        assert!(schedule.steps().all(|(t, step)| (back.beta(t) - step.beta()).abs() <= 2.0 * f64::EPSILON));
    }
}
