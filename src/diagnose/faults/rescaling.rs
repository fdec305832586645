//! Wrong chains where β was to be rescaled to zero terminal SNR (Lin et al. 2023, arXiv:2305.08891v4, algorithm 1).

use crate::check::fault::{Fault, slip};
use crate::check::schedule::faults::{RESCALINGS, alpha_bars, betas_of};

/// A wrong rescaling of given βs.
#[derive(Clone, Copy, Debug)]
pub struct RescalingFault {
    /// What was done.
    pub fault: Fault,
    /// The βs that come of it.
    pub betas: fn(&[f64]) -> Vec<f64>,
}

/// The βs are those before the rescaling.
pub const NOT_RESCALED: Fault = slip(
    "zero_snr_not_rescaled",
    "the chain was not rescaled to zero terminal SNR, which was meant (rescale_betas_zero_snr)",
);

/// The βs are rescaled where they should be left alone.
pub const RESCALED_UNASKED: Fault = slip(
    "zero_snr_rescaled_unasked",
    "the chain was rescaled to zero terminal SNR, which was not meant (rescale_betas_zero_snr)",
);

/// Every known wrong rescaling.
pub const RESCALING_FAULTS: &[RescalingFault] = &[
    RescalingFault { fault: RESCALINGS[0].fault, betas: RESCALINGS[0].f },
    RescalingFault { fault: RESCALINGS[1].fault, betas: RESCALINGS[1].f },
    RescalingFault { fault: RESCALINGS[2].fault, betas: RESCALINGS[2].f },
    RescalingFault {
        fault: slip("rescaled_root_not_squared", "√ᾱ was rescaled but not squared back before β was taken from it"),
        betas: |betas| betas_of(&rescaled_roots(betas)),
    },
    RescalingFault {
        fault: slip("rescaled_alphas_for_betas", "these are the alphas of the rescaled chain, not its betas"),
        betas: |betas| rescaled(betas).iter().map(|beta| 1.0 - beta).collect(),
    },
];

/// Algorithm 1 on raw numbers, as ordinary code has it.
#[must_use]
pub fn rescaled(betas: &[f64]) -> Vec<f64> {
    betas_of(&rescaled_roots(betas).iter().map(|root| root * root).collect::<Vec<_>>())
}

fn rescaled_roots(betas: &[f64]) -> Vec<f64> {
    let roots: Vec<f64> = alpha_bars(betas).into_iter().map(f64::sqrt).collect();
    let [first, .., last] = roots[..] else { return roots };
    roots.iter().map(|root| (root - last) * (first / (first - last))).collect()
}
