//! The posterior and the true reverse at random schedules, times and states.

use alphabar::check::posterior::{self as check, Point};
use alphabar::posterior::{
    Collection, Component, Moments, Posterior, conditional_information, joint_covariance, log_bayes_ratio,
    log_density, posterior, quadratic, true_reverse, true_reverse_mixture,
};
use alphabar::{Error, Schedule, Timestep, Transition, strategy};
use nalgebra::DMatrix;
use ndarray::{Array3, ArrayView1, arr1, arr2};
use proptest::prelude::*;

use crate::holds;

fn mixture() -> impl Strategy<Value = Vec<Component>> {
    let part = (0.1..1.0, -2.0..2.0, strategy::log_uniform(0.05, 1.0));
    prop::collection::vec(part, 1..=4).prop_map(|parts| {
        let total: f64 = parts.iter().map(|(weight, ..)| weight).sum();
        let component = |(weight, mean, var)| Component { weight: weight / total, moments: Moments { mean, var } };
        parts.into_iter().map(component).collect()
    })
}

fn data() -> impl Strategy<Value = Moments> {
    (-2.0..2.0, strategy::log_uniform(0.05, 5.0)).prop_map(|(mean, var)| Moments { mean, var })
}

fn view(x: &[f64]) -> ArrayView1<'_, f64> {
    ArrayView1::from(x)
}

/// A schedule and a time t ≥ 2.
fn later() -> impl Strategy<Value = (Schedule, Timestep)> {
    strategy::schedule_and_time().prop_filter("t ≥ 2", |(_, t)| t.get() >= 2)
}

proptest! {
    #[test]
    fn posterior_is_the_conditional_of_the_joint(
        (schedule, t) in strategy::schedule_and_time(),
        scale in strategy::log_uniform(0.1, 4.0),
        correlation in -0.8..0.8,
        x0 in strategy::point(2),
        xt in strategy::point(2),
    ) {
        let data = DMatrix::from_row_slice(2, 2, &[scale, correlation * scale, correlation * scale, scale]);
        holds(check::equals_conditioning(posterior, &Point::new(&schedule, t, 0.0, 0.0), &data, &x0, &xt))?;
    }

    #[test]
    fn completed_square_is_the_exponent(
        (schedule, t) in strategy::schedule_and_time(),
        x0 in strategy::value(),
        xt in strategy::value(),
        line in prop::sample::select(Collection::ALL.as_slice()),
    ) {
        holds(check::quadratic_interpolates(quadratic, &Point::new(&schedule, t, x0, xt), line))?;
    }

    #[test]
    fn density_is_bayes_ratio(
        (schedule, t) in later(),
        x0 in -1.5..1.5,
        noise in -3.0..3.0,
        offsets in prop::collection::vec(-4.0..4.0, 1..=3),
    ) {
        let at = Point::typical(&schedule, t, x0, noise);
        let ratio = |step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64]| {
            log_bayes_ratio(step, &view(x0), &view(xt), &view(xs)).unwrap()
        };
        let direct = |step: &Transition, x0: &[f64], xt: &[f64], xs: &[f64]| {
            log_density(step, &view(x0), &view(xt), &view(xs)).unwrap()
        };
        holds(check::density_is_the_joint_over_the_given(ratio, &at, &offsets))?;
        holds(check::density_is_the_joint_over_the_given(direct, &at, &offsets))?;
    }

    #[test]
    fn chain_is_markov((schedule, t) in strategy::schedule_and_time(), var in strategy::log_uniform(0.05, 5.0)) {
        holds(check::is_markov(joint_covariance, &Point::new(&schedule, t, 0.0, 0.0), var))?;
    }

    #[test]
    fn true_reverse_equals_bayes(
        (schedule, t) in strategy::schedule_and_time(),
        data in data(),
        xt in strategy::value(),
    ) {
        holds(check::reverse_equals_bayes(true_reverse, &Point::new(&schedule, t, 0.0, xt), data))?;
    }

    #[test]
    fn mixture_reverse_equals_bayes(
        (schedule, t) in strategy::schedule_and_time(),
        mixture in mixture(),
        x0 in -2.0..2.0,
        noise in -2.0..2.0,
    ) {
        holds(check::mixture_reverses(true_reverse_mixture, &Point::typical(&schedule, t, x0, noise), &mixture))?;
    }

    #[test]
    fn knowing_the_data_is_worth_its_information(
        (schedule, t) in later(),
        data in data(),
        x0 in -2.0..2.0,
        noise in -2.0..2.0,
        model in (-1.0..1.0, strategy::log_uniform(0.5, 2.0)),
    ) {
        let at = Point::typical(&schedule, t, x0, noise);
        let near = posterior(at.transition(), data.mean, at.xt());
        let model = Moments { mean: near.mean + model.0 * near.var.sqrt(), var: near.var * model.1 };
        holds(check::information_is_the_difference(conditional_information, &at, data, model))?;
    }

    #[test]
    fn arrays_hold_the_numbers_of_their_entries(step in strategy::step(), x0 in strategy::point(12), xt in strategy::point(12)) {
        let shaped = |x: &[f64]| Array3::from_shape_vec((2, 3, 2), x.to_vec()).unwrap();
        let mean = Posterior::new(&step).mean(&shaped(&x0), &shaped(&xt)).unwrap();
        let single = Posterior::new(&step).mean(&shaped(&x0).mapv(|x| x as f32), &shaped(&xt).mapv(|x| x as f32)).unwrap();
        for (((x0, xt), mean), single) in x0.iter().zip(&xt).zip(&mean).zip(&single) {
            let want = posterior(&step, *x0, *xt).mean;
            prop_assert!((want - mean).abs() <= 4.0 * f64::EPSILON * (x0.abs() + xt.abs()));
            prop_assert!((want - f64::from(*single)).abs() <= 4.0 * f64::from(f32::EPSILON) * (x0.abs() + xt.abs()));
        }
    }
}

#[test]
fn densities_refuse_the_first_step_and_unequal_shapes() {
    let schedule = Schedule::ddpm();
    let (first, second) = (schedule.step(Timestep::new(1)), schedule.step(Timestep::new(2)));
    let (x, longer) = (arr1(&[0.1, 0.2]), arr1(&[0.1, 0.2, 0.3]));
    for refused in [log_density(&first, &x, &x, &x), log_bayes_ratio(&first, &x, &x, &x)] {
        assert!(matches!(refused, Err(Error::Singular { .. })), "{refused:?}");
    }
    for (xt, xs) in [(&longer, &x), (&x, &longer)] {
        for refused in [log_density(&second, &x, xt, xs), log_bayes_ratio(&second, &x, xt, xs)] {
            assert!(matches!(refused, Err(Error::ShapeMismatch { .. })), "{refused:?}");
        }
    }
    let matrix = arr2(&[[0.1f32, -0.4], [0.3, 0.9]]);
    let (direct, ratio) =
        (log_density(&second, &matrix, &matrix, &matrix), log_bayes_ratio(&second, &matrix, &matrix, &matrix));
    assert!((direct.unwrap() - ratio.unwrap()).abs() < 1e-7);
}
