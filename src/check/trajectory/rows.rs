//! The rows of the ledger that the claims on optimal trajectories cover.

use super::{chain, diffusion_costs, mismatched};
use crate::check::trajectory as check;
use crate::check::{Claim, Row, Tol};
use crate::schedule::Timestep;
use crate::trajectory::{StepCosts, decoder_cost, refinement_gain, step_cost};

const LAST: Timestep = Timestep::new(12);

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![dynamic_programming(), costs_are_divergences(), refinement()]
}

fn dynamic_programming() -> Claim {
    Claim::new(|| check::equals_brute_force(StepCosts::best).also(check::path_costs_are_sums(StepCosts::along)))
        .row("S1.70", || {
            let costs = diffusion_costs(|t| {
                0.25 * t.one_minus_alpha_bar() / (0.25 * t.alpha_bar() + t.one_minus_alpha_bar())
            });
            let pairs =
                (1..12).map(|t| costs.cost(Timestep::DATA, Timestep::new(t)) + costs.cost(Timestep::new(t), LAST));
            Row {
                got: costs.best(2).map_or(f64::NAN, |best| best.cost),
                want: pairs.fold(f64::INFINITY, f64::min),
                tol: Tol::abs(1e-12, "a dozen roundings of the summed costs"),
            }
        })
        .row("B14", || listed(1, 2.573_297))
        .row("B14", || listed(2, 1.068_986))
        .row("B14", || listed(4, 1.082_264))
        .row("B14", || listed(6, 1.101_149))
        .row("B14", || listed(12, 2.851_840))
}

fn costs_are_divergences() -> Claim {
    Claim::new(|| check::costs_are_divergences(step_cost, decoder_cost)).row("B14", || Row {
        got: diffusion_costs(mismatched).cost(Timestep::new(3), LAST),
        want: one_step_by_precisions(),
        tol: Tol::abs(1e-12, "a dozen roundings of the summed costs"),
    })
}

fn refinement() -> Claim {
    Claim::new(|| check::gain_is_difference_of_paths(refinement_gain)).row("B14", || {
        // The mismatched denoiser is worse at t = 6 than at t = 12, so the stop at 6 costs.
        let (schedule, costs) = (chain(), diffusion_costs(mismatched));
        let [a, b] = [Timestep::new(4), Timestep::new(6)];
        let level = |t| schedule.level(t);
        Row {
            got: refinement_gain(level(a), level(b), mismatched(level(b)), mismatched(level(LAST))),
            want: costs.cost(a, LAST) - costs.cost(a, b) - costs.cost(b, LAST),
            tol: Tol::abs(1e-12, "a dozen roundings of the summed costs"),
        }
    })
}

fn listed(count: usize, want: f64) -> Row {
    let got = diffusion_costs(mismatched).best(count).map_or(f64::NAN, |best| best.cost);
    Row { got, want, tol: Tol::printed(6) }
}

/// The step 3 → 12 of the chain from precisions: (shift of the posterior mean)²/2β̃.
fn one_step_by_precisions() -> f64 {
    let betas = chain().betas().as_slice().to_vec();
    let level = |betas: &[f64]| {
        betas.iter().fold((1.0, 0.0), |(kept, v): (f64, f64), b| (kept * (1.0 - b), (1.0 - b) * v + b))
    };
    let ((kept, v), (alpha, beta), (total, noise)) = (level(&betas[..3]), level(&betas[3..]), level(&betas));
    let error = 0.25 * noise * noise + total * noise;
    let var = 1.0 / (alpha / beta + 1.0 / v);
    var * kept / (v * v) * error / 2.0
}
