//! Wrong chains where β was to be rescaled to zero terminal SNR (Lin et al. 2023, arXiv:2305.08891v4, algorithm 1).

use super::super::{Fault, Origin, schedule as function};

/// A wrong rescaling of given βs.
#[derive(Clone, Copy, Debug)]
pub struct RescalingFault {
    /// What was done.
    pub fault: Fault,
    /// The βs that come of it.
    pub betas: fn(&[f64]) -> Vec<f64>,
}

/// The βs are those before the rescaling.
pub const NOT_RESCALED: Fault = Fault {
    name: "zero_snr_not_rescaled",
    sentence: "the chain was not rescaled to zero terminal SNR, which was meant (rescale_betas_zero_snr)",
    origin: Origin::Slip,
};

/// The βs are rescaled where they should be left alone.
pub const RESCALED_UNASKED: Fault = Fault {
    name: "zero_snr_rescaled_unasked",
    sentence: "the chain was rescaled to zero terminal SNR, which was not meant (rescale_betas_zero_snr)",
    origin: Origin::Slip,
};

/// Every known wrong rescaling.
pub const RESCALING_FAULTS: &[RescalingFault] = &[
    RescalingFault { fault: function::RESCALED_ALPHA_BAR, betas: function::rescaled_alpha_bar },
    RescalingFault { fault: function::SHIFTED_NOT_SCALED, betas: function::shifted_not_scaled },
    RescalingFault { fault: function::LAST_BETA_SET_TO_ONE, betas: function::last_beta_set_to_one },
    RescalingFault {
        fault: Fault {
            name: "rescaled_root_not_squared",
            sentence: "√ᾱ was rescaled but not squared back before β was taken from it",
            origin: Origin::Slip,
        },
        betas: |betas| betas_of(&rescaled_roots(betas)),
    },
    RescalingFault {
        fault: Fault {
            name: "rescaled_alphas_for_betas",
            sentence: "these are the alphas of the rescaled chain, not its betas",
            origin: Origin::Slip,
        },
        betas: |betas| rescaled(betas).iter().map(|beta| 1.0 - beta).collect(),
    },
];

/// Algorithm 1 on raw numbers, as ordinary code has it.
#[must_use]
pub fn rescaled(betas: &[f64]) -> Vec<f64> {
    betas_of(&rescaled_roots(betas).iter().map(|root| root * root).collect::<Vec<_>>())
}

fn rescaled_roots(betas: &[f64]) -> Vec<f64> {
    let mut product = 1.0;
    let root = |beta: &f64| {
        product *= 1.0 - beta;
        f64::sqrt(product)
    };
    let roots: Vec<f64> = betas.iter().map(root).collect();
    let [first, .., last] = roots[..] else { return roots };
    roots.iter().map(|root| (root - last) * (first / (first - last))).collect()
}

/// βs of a chain whose ᾱ_1 … ᾱ_T are given.
fn betas_of(alpha_bars: &[f64]) -> Vec<f64> {
    let mut previous = 1.0;
    alpha_bars.iter().map(|&bar| 1.0 - bar / std::mem::replace(&mut previous, bar)).collect()
}
