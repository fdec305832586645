//! What the claims on embeddings cover of the ledger, with numbers.

use super::faults::reference_losses;
use super::nearest_neighbours;
use crate::check::{self, Claim, Row, Tol};
use crate::embedding::{Divisor, Layout, Sinusoidal, time_blind};
use crate::exact::{Mixture1, Noising};
use crate::schedule::Schedule;

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        Claim::new(|| {
            check::embedding::rotation(ours, |dim, period, time| {
                Sinusoidal::with(dim, period, Divisor::Half, Layout::CosSin)
                    .map_or(Vec::new(), |form| form.embed(time))
            })
        })
        .row("S1.66", || {
            let (a, b) = (ours(128, 137.0), ours(128, 140.0));
            let root = 1e4f64.powf(-1.0 / 63.0);
            Row {
                got: a.iter().zip(&b).map(|(a, b)| a * b).sum(),
                want: (0..64).map(|i| (3.0 * root.powi(i)).cos()).sum(),
                tol: Tol::abs(1e-12, "ledger"),
            }
        })
        .row("B20", || Row {
            got: nearest_neighbours(|t| ours(128, t), 1000),
            want: 1.9393,
            tol: Tol::printed(4),
        }),
        Claim::new(|| check::embedding::time_blindness(time_blind))
            .row("S2.39", || {
                let all = reference_losses();
                Row {
                    got: all.penalty,
                    want: 0.425_211 - 0.267_663,
                    tol: Tol::abs(1.000_001e-6, "two numbers of six digits"),
                }
            })
            .row("S2.39", || {
                // The floor E(ε − ε*)² = ᾱ/(1 − ᾱ) E Var(x₀ | x_t), averaged over the times, from conditional variances.
                let levels = Noising::levels(Schedule::ddpm().betas().as_slice()).unwrap_or_default();
                let kept: Vec<Noising> = levels.into_iter().skip(1).step_by(10).collect();
                let floor = |level: &Noising| level.snr() * Mixture1::reference().mmse(*level);
                Row {
                    got: reference_losses().aware,
                    want: kept.iter().map(floor).sum::<f64>() / kept.len() as f64,
                    tol: Tol::abs(1e-9, "ledger"),
                }
            }),
    ]
}

fn ours(dim: usize, time: f64) -> Vec<f64> {
    Sinusoidal::new(dim).map_or(Vec::new(), |form| form.embed(time))
}
