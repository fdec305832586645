//! Known wrong lists of times and levels.

use crate::check::{Fault, Origin};
use crate::error::Result;
use crate::plan::{Clock, Grid};
use crate::schedule::Level;

/// A list that leaves out its end.
pub const LINSPACE_WITHOUT_END: Fault = Fault {
    name: "linspace_without_end",
    sentence: "linspace without its end point: i T/S where i (T − 1)/(S − 1) was meant, so T − 1 is never visited",
    origin: Origin::Slip,
};

/// [`LINSPACE_WITHOUT_END`].
#[must_use]
pub fn linspace_without_end(trained: usize, steps: usize) -> Vec<usize> {
    (0..steps).rev().map(|i| i * trained / steps).collect()
}

/// Truncation.
pub const TIMES_TRUNCATED: Fault = Fault {
    name: "times_truncated",
    sentence: "equally spaced times are truncated to whole numbers where they should be rounded",
    origin: Origin::Slip,
};

/// [`TIMES_TRUNCATED`].
#[must_use]
pub fn times_truncated(trained: usize, steps: usize) -> Vec<usize> {
    (0..steps).rev().map(|i| i * (trained - 1) / (steps - 1).max(1)).collect()
}

/// The papers' times for the network's.
pub const TRAILING_FROM_THE_PAPERS_TIMES: Fault = Fault {
    name: "trailing_from_the_papers_times",
    sentence: "the trailing list is T − iT/S without the − 1 that turns times from 1 into indices from 0",
    origin: Origin::Slip,
};

/// [`TRAILING_FROM_THE_PAPERS_TIMES`].
#[must_use]
pub fn trailing_from_the_papers_times(trained: usize, steps: usize) -> Vec<usize> {
    (0..steps).map(|i| trained - i * trained / steps).collect()
}

/// An end that is not reached.
pub const KARRAS_NEVER_AT_THE_SMALLEST: Fault = Fault {
    name: "karras_never_at_the_smallest",
    sentence: "the levels of EDM with i/S where i/(S − 1) was meant: σ_min is not among them",
    origin: Origin::Slip,
};

/// [`KARRAS_NEVER_AT_THE_SMALLEST`].
///
/// # Errors
/// As the grid it imitates.
pub fn karras_never_at_the_smallest(steps: usize, sigma_min: f64, sigma_max: f64, rho: f64) -> Result<Grid> {
    karras(steps, |part| {
        let (first, last) = (sigma_max.powf(1.0 / rho), sigma_min.powf(1.0 / rho));
        let part = part * (steps as f64 - 1.0) / steps as f64;
        -2.0 * rho * (first + part * (last - first)).ln()
    })
}

/// A standard deviation for a variance.
pub const KARRAS_LOG_SIGMA: Fault =
    Fault { name: "karras_log_sigma", sentence: "−ln σ taken for the log-SNR −2 ln σ", origin: Origin::Slip };

/// [`KARRAS_LOG_SIGMA`].
///
/// # Errors
/// As the grid it imitates.
pub fn karras_log_sigma(steps: usize, sigma_min: f64, sigma_max: f64, rho: f64) -> Result<Grid> {
    karras(steps, |part| {
        let (first, last) = (sigma_max.powf(1.0 / rho), sigma_min.powf(1.0 / rho));
        -rho * (first + part * (last - first)).ln()
    })
}

/// No warping.
pub const KARRAS_WITHOUT_RHO: Fault = Fault {
    name: "karras_without_rho",
    sentence: "σ itself equally spaced, where its root of order ρ should be",
    origin: Origin::Slip,
};

/// [`KARRAS_WITHOUT_RHO`].
///
/// # Errors
/// As the grid it imitates.
pub fn karras_without_rho(steps: usize, sigma_min: f64, sigma_max: f64, _rho: f64) -> Result<Grid> {
    karras(steps, |part| -2.0 * (sigma_max + part * (sigma_min - sigma_max)).ln())
}

fn karras(steps: usize, log_snr: impl Fn(f64) -> f64) -> Result<Grid> {
    let gaps = (steps - 1).max(1) as f64;
    let mut levels =
        (0..steps).map(|i| Level::from_log_snr(log_snr(i as f64 / gaps))).collect::<Result<Vec<Level>>>()?;
    levels.push(Level::DATA);
    Grid::new(&levels, Clock::LogSnr)
}
