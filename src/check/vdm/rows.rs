//! The rows of the ledger that the claims on the bound in terms of the signal-to-noise ratio cover.

use super::faults::level_cost;
use super::{GAPS, continuous_bound, discrete_gap, range};
use crate::check::score::slope;
use crate::check::vdm as check;
use crate::check::{Claim, Row, Tol};
use crate::exact::{Mixture1, Noising};
use crate::schedule::{Schedule, Timestep};
use crate::vdm::{self, continuous_rate};

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![cost(), information(), invariance(), refinement()]
}

fn own_cost(schedule: &Schedule, t: Timestep, error: f64) -> f64 {
    let step = schedule.step(t);
    vdm::step_cost(step.s(), step.t(), error)
}

fn cost() -> Claim {
    Claim::new(|| check::step_cost(own_cost))
        .row("B1", || {
            // ½ (SNR_1 − SNR_2) of the linear schedule: β_2 (1 − β_1) / (2 β_1 (1 − ᾱ_2)) after cancelling.
            let (first, second) = (1e-4, 1e-4 + 0.0199 / 999.0);
            let want = 0.5 * (1.0 - first) * second / (first * (second + first - first * second));
            Row {
                got: own_cost(&Schedule::ddpm(), Timestep::new(2), 1.0),
                want,
                tol: Tol::rel(1e-9, "λ ε relative to a step of β"),
            }
        })
        .row("S1.86", || {
            // One cost for any dimension: the error is the only thing that grows with d, as latents have the data's.
            let whole = own_cost(&Schedule::ddpm(), Timestep::new(500), 3.0 * 0.25);
            let each: f64 = (0..3).map(|_| own_cost(&Schedule::ddpm(), Timestep::new(500), 0.25)).sum();
            Row { got: whole, want: each, tol: Tol::rel(1e-15, "a sum of three") }
        })
}

fn information() -> Claim {
    Claim::new(|| check::information_rate(vdm::information_rate)).row("B3", || {
        let level = Noising::new(1.0, 1.0).unwrap_or(Noising::NONE);
        let got = vdm::information_rate(Mixture1::reference().mmse(level));
        Row { got, want: 0.262_633_420, tol: Tol::printed(9) }
    })
}

fn invariance() -> Claim {
    Claim::new(|| check::schedule_invariance(continuous_rate))
        .row("S1.67", || {
            let range = range();
            let bound = continuous_bound(continuous_rate, |u| range.smooth(u), &Mixture1::reference());
            Row { got: bound, want: 3.760_961, tol: Tol::printed(6) }
        })
        .row("B27", || {
            let range = range();
            let bound = |path: &dyn Fn(f64) -> f64| continuous_bound(continuous_rate, path, &Mixture1::reference());
            Row {
                got: bound(&|u| range.linear(u)),
                want: bound(&|u| range.smooth(u)),
                tol: Tol::abs(1e-12, "differences of the paths, quadrature"),
            }
        })
        .row("S1.23", || {
            // Not only θ is learned where the end point is: d bound/d λ_low = −½ e^λ mmse, which is not 0.
            let low = -2.0;
            let bound = |low: f64| {
                let path = |u: f64| 8.0 + (low - 8.0) * u;
                continuous_bound(continuous_rate, path, &Mixture1::reference())
            };
            let level = Noising::from_log_snr(low).unwrap_or(Noising::NONE);
            let want = -continuous_rate(low, Mixture1::reference().mmse(level));
            Row { got: slope(bound, low), want, tol: Tol::abs(1e-10, "differences, quadrature") }
        })
}

fn refinement() -> Claim {
    Claim::new(|| check::refinement(level_cost)).row("B2", || Row {
        got: discrete_gap(level_cost, &Mixture1::reference(), 12.0, -12.0, 400),
        want: GAPS[4],
        tol: Tol::printed(5),
    })
}
