//! Targets, gradients, ways of drawing times and least-squares optima at random.

use alphabar::check::prediction::Point;
use alphabar::check::training as check;
use alphabar::posterior::Moments;
use alphabar::training::{LinearTable, TimeDistribution, linear_optimum, shared_slope};
use alphabar::{Error, Level, Timestep, strategy};
use proptest::prelude::*;

use crate::holds;

fn data() -> impl Strategy<Value = Moments> {
    (strategy::value(), strategy::log_uniform(0.05, 4.0)).prop_map(|(mean, var)| Moments { mean, var })
}

fn shares() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(strategy::log_uniform(1e-2, 1e2), 1..=12)
}

proptest! {
    #[test]
    fn gradient_is_the_slope_of_the_squared_error(
        betas in proptest::collection::vec(strategy::beta(), 1..=5), pick in any::<proptest::sample::Index>(),
        x0 in strategy::value(), eps in strategy::value(), slope in -1.0..1.0f64, offset in -1.0..1.0f64,
    ) {
        let schedule = alphabar::Schedule::new(alphabar::Betas::new(betas).unwrap());
        let t = Timestep::from_model_index(pick.index(schedule.len()));
        let table = LinearTable(vec![[slope, offset]; schedule.len()]);
        holds(check::gradient_is_slope(LinearTable::gradient, &table, &Point::new(&schedule, t, x0, eps)))?;
    }

    #[test]
    fn time_sampling_is_unbiased_and_loss_aware_sampling_best(shares in shares()) {
        holds(check::unbiased(TimeDistribution::proportional, &shares))?;
        holds(check::least_variance(TimeDistribution::loss_aware, &shares))?;
    }

    #[test]
    fn noise_predictor_is_the_least_squares_one((schedule, t) in strategy::schedule_and_time(), data in data()) {
        holds(check::optimum(linear_optimum, &Point::new(&schedule, t, 0.0, 0.0), data))?;
    }

    #[test]
    fn shared_slope_minimises_the_weighted_loss(betas in strategy::betas(), data in data(), seed in 0.0..1.0f64) {
        let schedule = alphabar::Schedule::new(betas);
        let weights: Vec<f64> = (1..=schedule.len()).map(|t| 0.05 + (seed * t as f64).fract()).collect();
        holds(check::shared_optimum(shared_slope, &schedule, &weights, data))?;
    }
}

#[test]
fn impossible_distributions_are_refused() {
    assert!(matches!(TimeDistribution::uniform(0), Err(Error::CountOutOfRange { .. })));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(TimeDistribution::proportional(&[1.0, bad]), Err(Error::EntryOutOfRange { index: 1, .. })));
    }
    let data = Moments { mean: 0.0, var: 1.0 };
    let levels = [Level::from_alpha_bar(0.5).unwrap(); 2];
    assert!(matches!(shared_slope(&levels, &[1.0], data), Err(Error::CountOutOfRange { .. })));
    assert!(matches!(shared_slope(&levels, &[1.0, -1.0], data), Err(Error::EntryOutOfRange { index: 1, .. })));
    assert_eq!(TimeDistribution::uniform(4).unwrap().at(1.0), Timestep::new(4));
}
