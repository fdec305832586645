//! Errata of the source documents on the forward process.

use super::{
    alpha_for_alpha_bar, at, density_with_q_of_x0, one_root_forgotten, right_path_density, roots_over_first_factor,
};
use crate::check::forward::path_mass;
use crate::check::{Erratum, Numbers, Severity};
use crate::forward::{Kernel, expansion};
use crate::schedule::{Betas, Level, Schedule};

fn chain(betas: &[f64]) -> Schedule {
    Schedule::new(Betas::new(betas.to_vec()).expect("constants inside the valid range"))
}

fn toy() -> Schedule {
    chain(&[0.1, 0.3, 0.5])
}

/// Errata of the source documents that belong here.
#[expect(clippy::approx_constant, reason = "digits as listed")]
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E0.1",
        severity: Severity::Result,
        rows: &["S0.03"],
        printed: "q(x_{1:T} | x_0) has a factor q(x_0)",
        correct: "no such factor; with it the left side is q(x_{0:T})",
        numbers: &[Numbers {
            at: "mass over x_1, x_2 at x_0 = 0, x_0 ~ N(0, 1)",
            printed: || path_mass(density_with_q_of_x0, &chain(&[0.1, 0.3]), 0.0),
            correct: || path_mass(right_path_density, &chain(&[0.1, 0.3]), 0.0),
            listed: (0.398_942, 1.0),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E1.1",
        severity: Severity::Result,
        rows: &["S1.55"],
        printed: "the mean of q(x_t | x_0) is √α_t x_0",
        correct: "√ᾱ_t x_0",
        numbers: &[Numbers {
            at: "linear schedule, t = 500, x_0 = 1",
            printed: || alpha_for_alpha_bar(&Schedule::ddpm(), at(500)).scale,
            correct: || Kernel::from_data(Schedule::ddpm().level(at(500))).scale,
            listed: (0.994_967, 0.280_334),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E2.1",
        severity: Severity::Typo,
        rows: &["S2.01"],
        printed: "adding noise of standard deviation σ is drawing from N(x | x_0, σ)",
        correct: "N(x | x_0, σ²): the second argument is a variance",
        numbers: &[Numbers {
            at: "standard deviation for σ = 0.5",
            printed: || Kernel { scale: 1.0, var: 0.5 }.at(0.0).var.sqrt(),
            correct: || Kernel { scale: 1.0, var: 0.5 * 0.5 }.at(0.0).var.sqrt(),
            listed: (0.7071, 0.5),
            decimals: 4,
        }],
    },
    Erratum {
        id: "E2.6",
        severity: Severity::Wording,
        rows: &["S2.26", "S2.27"],
        printed: "combining the noises linearly makes them different from pure Gaussian noise, and biased",
        correct: "the accumulated noise is exactly N(0, (1 − ᾱ_t) I) and independent of x_0; biased only given x_t",
        numbers: &[],
    },
    Erratum {
        id: "E3.5",
        severity: Severity::Typo,
        rows: &["S3.26"],
        printed: "the noises of the three-step example are called I_1, I_2, I_3, like the identity",
        correct: "ε_1, ε_2, ε_3 ~ N(0, I)",
        numbers: &[],
    },
    Erratum {
        id: "E3.6",
        severity: Severity::Typo,
        rows: &["S3.27"],
        printed: "the mean of x_3 is √ᾱ_3",
        correct: "√ᾱ_3 x_0",
        numbers: &[Numbers {
            at: "β = (0.1, 0.3, 0.5), x_0 = 0",
            printed: || toy().level(at(3)).signal(),
            correct: || Kernel::from_data(toy().level(at(3))).at(0.0).mean,
            listed: (0.561_249, 0.0),
            decimals: 6,
        }],
    },
    Erratum {
        id: "E3.7",
        severity: Severity::Typo,
        rows: &["S3.29"],
        printed: "two repetitions of the variance of x_3 lack √(1 − β_2) in the first square or are cut off",
        correct: "α_3 α_2 β_1 + α_3 β_2 + β_3",
        numbers: &[Numbers {
            at: "β = (0.1, 0.3, 0.5)",
            printed: || one_root_forgotten(&toy(), at(0), at(3)).var(),
            correct: || expansion(&toy(), at(0), at(3)).var(),
            listed: (0.70, 0.685),
            decimals: 3,
        }],
    },
    Erratum {
        id: "E3.8",
        severity: Severity::Result,
        rows: &["S3.31"],
        printed: "in the roll-out the roots cover α_t alone, and α_{t−1} comes twice",
        correct: "every root covers its whole product, and the indices fall",
        numbers: &[
            Numbers {
                at: "linear schedule, t = 500: factor of ε_{t−1}",
                printed: || roots_over_first_factor(&Schedule::ddpm(), at(0), at(500)).noise[498],
                correct: || expansion(&Schedule::ddpm(), at(0), at(500)).noise[498],
                listed: (0.009_969_69, 0.099_596_8),
                decimals: 7,
            },
            Numbers {
                at: "linear schedule, t = 500: variance of the noise part",
                printed: || roots_over_first_factor(&Schedule::ddpm(), at(0), at(500)).var(),
                correct: || expansion(&Schedule::ddpm(), at(0), at(500)).var(),
                listed: (0.014_460_05, 0.921_412_76),
                decimals: 8,
            },
            Numbers {
                at: "β = (0.1, 0.3, 0.5): factor of x_0 in x_3",
                printed: || roots_over_first_factor(&toy(), at(0), at(3)).state,
                correct: || expansion(&toy(), at(0), at(3)).state,
                listed: (0.346_482, 0.561_249),
                decimals: 6,
            },
        ],
    },
    Erratum {
        id: "E3.19",
        severity: Severity::Wording,
        rows: &["S3.61"],
        printed: "x_t is known Gaussian noise",
        correct: "pure noise only at t = T; before, its mean is √ᾱ_t x_0",
        numbers: &[Numbers {
            at: "linear schedule, mean of x_500 at x_0 = 1",
            printed: || Kernel::from_data(Level::NOISE).at(1.0).mean,
            correct: || Kernel::from_data(Schedule::ddpm().level(at(500))).at(1.0).mean,
            listed: (0.0, 0.2803),
            decimals: 4,
        }],
    },
    Erratum {
        id: "E3.21",
        severity: Severity::Typo,
        rows: &["S3.30"],
        printed: "the bracket of N(x_3; …, (1 − ᾱ_3) I is not closed",
        correct: "closed",
        numbers: &[],
    },
    Erratum {
        id: "E3.22",
        severity: Severity::Typo,
        rows: &["S3.33"],
        printed: "two equations have the number (10)",
        correct: "one of them is (11)",
        numbers: &[],
    },
];
