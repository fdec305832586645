//! The claims of the chapter `posterior`, bound to this crate.

use super::{Claim, Method, Row};
use crate::check::posterior::{Point, equals_bayes};
use crate::check::{Outcome, Run, Tol, uniform};
use crate::fault::posterior as fault;
use crate::posterior::{Moments, posterior};
use crate::schedule::{Schedule, Timestep, Transition};

const CHAPTER: &str = "posterior";

pub(super) fn claims() -> Vec<Claim> {
    let method = Method::OtherPremises("recursion on the βs, precision addition");
    vec![
        Claim::new(
            "posterior_equals_bayes",
            CHAPTER,
            "q(x_{t−1} | x_t, x₀) has the mean and variance that Bayes' rule gives",
            method,
            |run| bayes(run, posterior),
        )
        .row("S0.52", || Row {
            got: posterior(&Schedule::ddpm().step(Timestep::new(2)), 0.0, 0.0).var,
            want: 1.0 / ((1.0 - 1.199_199_199_199_199_2e-4) / 1.199_199_199_199_199_2e-4 + 1.0 / 1e-4),
            tol: Tol::rel(1e-12, "ledger"),
        })
        .fault(fault::BETA_FOR_BETA_TILDE, |run| bayes(run, fault::beta_for_beta_tilde))
        .fault(fault::SWAPPED_MEAN_FACTORS, |run| bayes(run, fault::swapped_mean_factors)),
    ]
}

fn bayes(run: &Run, f: fn(&Transition, f64, f64) -> Moments) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().collect();
    run.over_schedules(|schedule| {
        let mut all = crate::check::Evidence::none();
        for (t, [u, v]) in schedule.timesteps().zip(points.iter().cycle()) {
            let at = Point::new(schedule, t, uniform(*u, -3.0, 3.0), uniform(*v, -3.0, 3.0));
            all = all.and(equals_bayes(f, &at)?);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posterior_claims_hold_and_reject_their_faults() {
        let run = Run::default();
        for claim in claims() {
            claim.run(&run).unwrap();
            for (fault, outcome) in claim.faults(&run) {
                assert!(outcome.is_err(), "{} accepted {}", claim.name, fault.name);
            }
            for (id, row) in claim.rows() {
                assert!(row.tol.accepts(row.got, row.want), "{id}: {row:?}");
            }
        }
    }
}
