//! Score: Tweedie's formula and the reverse mean on random mixtures.

use alphabar::check::score::{Pair, reverse_mean, tweedie_mean};
use alphabar::exact::{Gaussian1, Mixture1, Noising};
use alphabar::{Schedule, Timestep, score};
use proptest::prelude::*;

use super::holds;

fn mixtures() -> impl Strategy<Value = Mixture1> {
    let part = (0.1..1.0f64, -2.0..2.0f64, 0.2..1.0f64);
    prop::collection::vec(part, 1..4).prop_map(|parts| {
        let total: f64 = parts.iter().map(|part| part.0).sum();
        let parts: Vec<_> = parts.iter().map(|&(w, m, s)| (w / total, Gaussian1::new(m, s * s).unwrap())).collect();
        Mixture1::new(&parts).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn tweedie_gives_the_posterior_mean(data in mixtures(), t in 50usize..1000, xt in -2.0..2.0f64) {
        let schedule = Schedule::ddpm();
        let channel = Noising::from_betas(&schedule.betas().as_slice()[..t]).unwrap();
        let at = Pair { level: schedule.level(Timestep::new(t)), channel };
        holds(tweedie_mean(score::tweedie_mean, &data, at, xt))?;
    }

    #[test]
    fn score_gives_the_reverse_mean(data in mixtures(), t in 50usize..1000, xt in -2.0..2.0f64) {
        let schedule = Schedule::ddpm();
        let betas = schedule.betas().as_slice();
        let s = Noising::from_betas(&betas[..t - 1]).unwrap();
        let kernel = Noising::from_beta(betas[t - 1]).unwrap();
        let step = schedule.step(Timestep::new(t));
        holds(reverse_mean(score::reverse_mean, &data, &step, (s, kernel), xt))?;
    }
}
