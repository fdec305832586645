//! How bounds and costs of reverse variances compare, and what is refused.

use alphabar::variance::{Spread, bounds, gaussian_variance, optimal_variance_from_score, variance_cost};
use alphabar::{Error, Level, Transition, strategy};
use proptest::prelude::*;

proptest! {
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
