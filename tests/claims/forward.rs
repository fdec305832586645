//! The forward process at random schedules, times and states.

use alphabar::check::forward::{self as check, Step};
use alphabar::forward::{Kernel, add_noise, covariance, expansion, path_log_density};
use alphabar::posterior::Moments;
use alphabar::{Betas, Error, Level, Schedule, Timestep, Transition, strategy};
use ndarray::{arr1, arr2, array};
use proptest::prelude::*;

use crate::holds;

fn kernel() -> impl Strategy<Value = Kernel> {
    (0.1..1.3, strategy::log_uniform(0.02, 2.0)).prop_map(|(scale, var)| Kernel { scale, var })
}

fn short_chain() -> impl Strategy<Value = Schedule> {
    let beta = strategy::log_uniform(1e-3, 0.6);
    prop::collection::vec(beta, 1..=8).prop_map(|betas| Schedule::new(Betas::new(betas).unwrap()))
}

proptest! {
    #[test]
    fn marginal_is_what_single_steps_accumulate(schedule in strategy::schedule()) {
        holds(check::marginal(|schedule, t| Kernel::from_data(schedule.level(t)), &schedule))?;
    }

    #[test]
    fn a_step_draws_from_its_density(
        (schedule, t) in strategy::schedule_and_time(),
        x in strategy::value(),
        noise in strategy::value(),
    ) {
        let draw = |step: &Transition, x: f64, noise: f64| Kernel::between(step).draw(x, noise);
        let log_density = |step: &Transition, y: f64, x: f64| Kernel::between(step).log_density(y, x);
        holds(check::step_law(draw, log_density, &Step::new(&schedule, t, x, noise)))?;
    }

    #[test]
    fn roll_out_is_the_chain_with_its_noises_kept((schedule, s, t) in strategy::schedule_and_times()) {
        holds(check::expansion(expansion, &schedule, s, t))?;
    }

    #[test]
    fn far_transitions_span_their_steps((schedule, s, t) in strategy::schedule_and_times()) {
        holds(check::transition(Schedule::transition, &schedule, s, t))?;
        let between = |s, t| Transition::between(s, t).unwrap();
        holds(check::transition_between_levels(between, &schedule, s, t))?;
    }

    #[test]
    fn any_subsequence_of_times_has_the_same_marginals(
        (schedule, kept) in strategy::schedule().prop_flat_map(|schedule| {
            let times: Vec<usize> = (1..=schedule.len()).collect();
            let kept = prop::sample::subsequence(times, 1..=schedule.len());
            (Just(schedule), kept)
        }),
    ) {
        let kept: Vec<Timestep> = kept.into_iter().map(Timestep::new).collect();
        let ours = |schedule: &Schedule, kept: &[Timestep]| {
            Betas::respaced(schedule, kept).unwrap().as_slice().to_vec()
        };
        holds(check::respaced(ours, &schedule, &kept))?;
    }

    #[test]
    fn kernels_compose_as_integrals(first in kernel(), second in kernel(), x in strategy::value()) {
        holds(check::composition(Kernel::then, first, second, x))?;
    }

    #[test]
    fn variance_of_a_step_is_total_variance(kernel in kernel(), mean in strategy::value(), var in 0.0..9.0) {
        holds(check::push(Kernel::push, kernel, Moments { mean, var }))?;
    }

    #[test]
    fn variance_contracts_to_one(schedule in strategy::schedule(), data_var in 0.0..9.0) {
        holds(check::unit_variance(Kernel::push, &schedule, data_var))?;
    }

    #[test]
    fn product_of_kernels_is_the_joint_gaussian(
        schedule in short_chain(),
        x0 in strategy::value(),
        noise in strategy::point(8),
    ) {
        let ours = |schedule: &Schedule, path: &[f64]| path_log_density(schedule, path).unwrap();
        holds(check::path_density(ours, &schedule, x0, &noise))?;
    }

    #[test]
    fn states_are_jointly_gaussian_and_markov(schedule in short_chain(), data_var in 0.05..5.0) {
        holds(check::covariance(covariance, &schedule, data_var))?;
    }

    #[test]
    fn arrays_of_any_dimension_and_precision_are_noised_entry_by_entry(
        level in strategy::level(),
        x0 in strategy::point(6),
        noise in strategy::point(6),
    ) {
        let kernel = Kernel::from_data(level);
        let got = add_noise(level, &arr1(&x0).to_shape((1, 2, 3)).unwrap(), &arr1(&noise).to_shape((1, 2, 3)).unwrap());
        let got = got.unwrap();
        prop_assert_eq!(got.shape(), [1, 2, 3]);
        for ((got, x0), noise) in got.iter().zip(&x0).zip(&noise) {
            prop_assert_eq!(got.to_bits(), kernel.draw(*x0, *noise).to_bits());
        }
        let narrow = |values: &[f64]| arr1(values).mapv(|value| value as f32);
        let rounded = add_noise(level, &narrow(&x0), &narrow(&noise)).unwrap();
        for (narrow, wide) in rounded.iter().zip(&got) {
            prop_assert!((f64::from(*narrow) - wide).abs() <= 16.0 * f64::from(f32::EPSILON));
        }
    }
}

#[test]
fn shapes_that_differ_are_refused() {
    let error = add_noise(Level::NOISE, &arr2(&[[1.0, 2.0]]), &arr2(&[[1.0], [2.0]])).unwrap_err();
    assert!(matches!(error, Error::ShapeMismatch { .. }), "{error}");
    assert_eq!(add_noise(Level::DATA, &array![1.5f32], &array![9.0]).unwrap(), array![1.5]);
}

#[test]
fn a_path_has_one_state_more_than_steps() {
    let error = path_log_density(&Schedule::ddpm(), &[0.0; 1000]).unwrap_err();
    assert!(matches!(error, Error::CountOutOfRange { value: 1000, min: 1001, max: 1001, .. }), "{error}");
}

#[test]
fn a_kernel_that_amplifies_has_no_variance_preserving_noise() {
    for scale in [1.0 + f64::EPSILON, -1.5, f64::NAN] {
        assert!(matches!(Kernel::variance_preserving(scale), Err(Error::OutOfRange { .. })));
    }
}

#[test]
fn a_kernel_without_noise_is_a_point_mass() {
    let point = Kernel { scale: 0.5, var: 0.0 };
    assert!(point.log_density(1.0, 2.0).is_infinite() && point.log_density(1.0, 2.0) > 0.0);
    assert!(point.log_density(1.1, 2.0).is_infinite() && point.log_density(1.1, 2.0) < 0.0);
}
