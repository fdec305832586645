//! Embeddings of many times, every period, and what is refused.

use alphabar::Error;
use alphabar::embedding::{Divisor, Layout, Sinusoidal, time_blind};
use alphabar::strategy;
use proptest::prelude::*;

proptest! {
    #[test]
    fn rows_are_embeddings(times in proptest::collection::vec(0.0..1e3f64, 1..6)) {
        let form = Sinusoidal::new(16)?;
        let all = form.embed_all(&times);
        for (row, time) in all.rows().into_iter().zip(&times) {
            prop_assert_eq!(row.to_vec(), form.embed(*time));
        }
    }

    #[test]
    fn blindness_never_pays(pairs in proptest::collection::vec((0.001..1.0f64, strategy::value()), 1..20)) {
        let (densities, answers): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let blind = time_blind(&densities, &answers)?;
        prop_assert!(blind.penalty >= 0.0);
        let loss = |a: f64| densities.iter().zip(&answers).map(|(d, x)| d * (x - a) * (x - a)).sum::<f64>();
        prop_assert!(loss(blind.answer) <= loss(blind.answer + 1e-3) && loss(blind.answer) <= loss(blind.answer - 1e-3));
    }
}

#[test]
fn impossible_embeddings_are_refused() {
    for dim in [0, 2, 7] {
        assert!(matches!(Sinusoidal::new(dim), Err(Error::CountOutOfRange { .. })), "{dim}");
    }
    for period in [1.0, f64::NAN, f64::INFINITY] {
        let form = Sinusoidal::with(8, period, Divisor::Half, Layout::CosSin);
        assert!(matches!(form, Err(Error::OutOfRange { name: "max_period", .. })));
    }
    assert!(matches!(time_blind(&[], &[]), Err(Error::CountOutOfRange { .. })));
    assert!(matches!(time_blind(&[1.0], &[1.0, 2.0]), Err(Error::CountOutOfRange { .. })));
    assert!(matches!(time_blind(&[0.0, 0.0], &[1.0, 2.0]), Err(Error::EntryOutOfRange { .. })));
    assert!(matches!(time_blind(&[1.0, f64::NAN], &[1.0, 2.0]), Err(Error::EntryOutOfRange { .. })));
}
