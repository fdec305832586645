//! Reverse variances at random steps of random schedules.

use alphabar::check::variance::{Point, bounds_are_attained, equals_schur_complement, learned_range_is_geometric};
use alphabar::variance::{
    LearnedRange, Spread, bounds, gaussian_variance, optimal_variance_from_score, variance_cost,
};
use alphabar::{Error, Level, Transition, strategy};
use proptest::prelude::*;

use crate::holds;

proptest! {
    #[test]
    fn gaussian_data_have_the_schur_complement(
        (schedule, t) in strategy::schedule_and_time(),
        data_var in strategy::log_uniform(1e-4, 1e4),
    ) {
        let at = Point::new(&schedule, t);
        holds(equals_schur_complement(gaussian_variance, &at, data_var))?;
        let score_form = |step: &Transition, v: f64| {
            optimal_variance_from_score(step, 1.0 / (step.t().alpha_bar() * v + step.t().one_minus_alpha_bar()))
        };
        holds(equals_schur_complement(score_form, &at, data_var))?;
    }

    #[test]
    fn unit_variance_bounds_are_attained((schedule, t) in strategy::schedule_and_time()) {
        holds(bounds_are_attained(|step| bounds(step, Spread::Variance(1.0)), &Point::new(&schedule, t)))?;
    }

    #[test]
    fn bounds_tighten_with_what_is_known(step in strategy::transition(), spread in strategy::log_uniform(1e-3, 1e3)) {
        let high = |spread| bounds(&step, spread).map(|b| b.high);
        let any = high(Spread::Any)?;
        prop_assert!(high(Spread::Variance(spread))? <= any * (1.0 + 1e-12));
        prop_assert!(high(Spread::Range(spread))? <= any);
        // An interval of length r has a variance of at most (r/2)².
        prop_assert!(high(Spread::Variance(0.25 * spread * spread))? <= high(Spread::Range(spread))? * (1.0 + 1e-12));
    }

    #[test]
    fn learned_variances_are_geometric((schedule, t) in strategy::schedule_and_time()) {
        prop_assume!(t.get() > 1);
        holds(learned_range_is_geometric(LearnedRange::var, &Point::new(&schedule, t)))?;
    }

    #[test]
    fn any_other_variance_costs(optimal in strategy::log_uniform(1e-6, 1e2), ratio in strategy::log_uniform(1e-3, 1e3)) {
        let cost = variance_cost(optimal * ratio, optimal)?;
        prop_assert!(cost >= 0.0);
        let want = 0.5 * (1.0 / ratio - 1.0 + ratio.ln());
        prop_assert!((cost - want).abs() <= 1e-13 * (1.0 + 1.0 / ratio), "{cost} is not {want}");
    }
}

#[test]
fn impossible_variances_are_refused() {
    let step = alphabar::Schedule::ddpm().step(alphabar::Timestep::new(2));
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(gaussian_variance(&step, bad), Err(Error::OutOfRange { name: "data variance", .. })));
        assert!(matches!(bounds(&step, Spread::Range(bad)), Err(Error::OutOfRange { name: "data range", .. })));
        assert!(matches!(variance_cost(bad, 1.0), Err(Error::OutOfRange { name: "variance", .. })));
        assert!(matches!(variance_cost(1.0, bad), Err(Error::OutOfRange { name: "optimal variance", .. })));
    }
    let too_much = 1.01 / step.t().one_minus_alpha_bar();
    assert!(matches!(optimal_variance_from_score(&step, too_much), Err(Error::OutOfRange { .. })));
    let to_noise = Transition::between(step.s(), Level::NOISE).unwrap();
    assert!(matches!(optimal_variance_from_score(&to_noise, 0.5), Err(Error::Singular { .. })));
}
