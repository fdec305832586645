//! Faults that show in a table: wrong curves of β, wrong rescalings, and wrong tables derived from right βs.
//!
//! A mistake that has a function form, too, has its name and sentence from the chapter that it belongs to.

mod curves;
mod rescaling;
mod tables;

pub use curves::{CURVE_FAULTS, CurveFault};
pub use rescaling::{NOT_RESCALED, RESCALED_UNASKED, RESCALING_FAULTS, RescalingFault, rescaled};
pub use tables::{TABLE_FAULTS, TableFault};

use crate::check::{Fault, slip};

/// A mistake in tables and answers that has no function form.
pub(super) const VARIANCE_UPSIDE_DOWN: Fault =
    slip("variance_fraction_upside_down", "(1 − ᾱ_t)/(1 − ᾱ_{t−1}): the fraction is upside down");

/// A chain as ordinary f64 code would hold it: raw numbers, nothing validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// β_t at index t − 1.
    pub beta: Vec<f64>,
    /// ᾱ_t at index t − 1.
    pub bar: Vec<f64>,
}

impl Chain {
    /// ᾱ by the cumulative product of 1 − β.
    #[must_use]
    pub fn new(beta: Vec<f64>) -> Self {
        let bar = beta
            .iter()
            .scan(1.0, |product, &beta| {
                *product *= 1.0 - beta;
                Some(*product)
            })
            .collect();
        Self { beta, bar }
    }

    /// T.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.beta.len()
    }

    /// β at index i.
    fn beta(&self, i: usize) -> f64 {
        self.beta[i]
    }

    /// α at index i.
    fn alpha(&self, i: usize) -> f64 {
        1.0 - self.beta[i]
    }

    /// ᾱ at index i.
    fn bar(&self, i: usize) -> f64 {
        self.bar[i]
    }

    /// ᾱ one index earlier, 1 before the first.
    fn prev(&self, i: usize) -> f64 {
        if i == 0 { 1.0 } else { self.bar[i - 1] }
    }

    /// ln(ᾱ/(1 − ᾱ)) at index i.
    fn log_snr(&self, i: usize) -> f64 {
        self.bar[i].ln() - (1.0 - self.bar[i]).ln()
    }

    /// β̃ at index i.
    fn beta_tilde(&self, i: usize) -> f64 {
        self.beta(i) * (1.0 - self.prev(i)) / (1.0 - self.bar(i))
    }
}
