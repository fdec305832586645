//! Known wrong forms of entropy and of the discretised likelihood.

use std::f64::consts::{E, TAU};

use crate::error::Result;
use crate::check::{Fault, Origin};
use crate::gaussian::{Pixel, cdf, entropy, log_density, log_pixel_probability};
use crate::posterior::Moments;

/// e forgotten.
pub const ENTROPY_WITHOUT_E: Fault = Fault {
    name: "entropy_without_e",
    sentence: "the entropy is d/2 ln 2πσ² where d/2 ln 2πeσ² was meant",
    origin: Origin::Slip,
};

/// [`ENTROPY_WITHOUT_E`].
#[must_use]
pub fn entropy_without_e(var: f64, dims: usize) -> f64 {
    0.5 * dims as f64 * (TAU * var).ln()
}

/// Bits for nats.
pub const ENTROPY_IN_BITS: Fault =
    Fault { name: "entropy_in_bits", sentence: "the entropy is in bits where nats were meant", origin: Origin::Slip };

/// [`ENTROPY_IN_BITS`].
#[must_use]
pub fn entropy_in_bits(var: f64, dims: usize) -> f64 {
    entropy(var, dims).map_or(f64::NAN, |h| h / std::f64::consts::LN_2)
}

/// Standard deviation for variance.
pub const ENTROPY_OF_STD: Fault = Fault {
    name: "entropy_of_std",
    sentence: "the entropy has ln 2πeσ where ln 2πeσ² was meant",
    origin: Origin::Slip,
};

/// [`ENTROPY_OF_STD`].
#[must_use]
pub fn entropy_of_std(var: f64, dims: usize) -> f64 {
    0.5 * dims as f64 * (TAU * E * var.sqrt()).ln()
}

/// The difference of two cumulative probabilities.
pub const NAIVE_CDF_DIFFERENCE: Fault = Fault {
    name: "naive_cdf_difference",
    sentence: "the logarithm of Φ(b) − Φ(a) is taken after the subtraction: −∞ for every bin far from the mean",
    origin: Origin::Slip,
};

/// [`NAIVE_CDF_DIFFERENCE`].
///
/// # Errors
/// None.
pub fn naive_cdf_difference(pixel: Pixel, law: Moments) -> Result<f64> {
    let (low, high) = pixel.edges();
    let at = |edge: f64| cdf((edge - law.mean) / law.var.sqrt());
    Ok((at(high) - at(low)).ln())
}

/// Finite outer bins.
pub const OUTER_BINS_FINITE: Fault = Fault {
    name: "outer_bins_finite",
    sentence: "the first and the last bin end at −1 − 1/255 and 1 + 1/255: mass beyond is lost",
    origin: Origin::Slip,
};

/// [`OUTER_BINS_FINITE`].
///
/// # Errors
/// As the right one.
pub fn outer_bins_finite(pixel: Pixel, law: Moments) -> Result<f64> {
    if (1..=254).contains(&pixel.0) {
        return log_pixel_probability(pixel, law);
    }
    // The same bin seen from a neighbour: the mean is moved by a step instead.
    let step = if pixel.0 == 0 { 2.0 / 255.0 } else { -2.0 / 255.0 };
    let inner = Pixel(if pixel.0 == 0 { 1 } else { 254 });
    log_pixel_probability(inner, Moments { mean: law.mean + step, ..law })
}

/// Density times the width of a bin.
pub const DENSITY_TIMES_WIDTH: Fault = Fault {
    name: "density_times_width",
    sentence: "the mass of a bin is taken as density × 2/255",
    origin: Origin::Shipped,
};

/// [`DENSITY_TIMES_WIDTH`].
///
/// # Errors
/// None.
pub fn density_times_width(pixel: Pixel, law: Moments) -> Result<f64> {
    Ok(log_density(law, pixel.value()) + (2.0f64 / 255.0).ln())
}

/// Bins from the value to the next.
pub const BINS_SHIFTED_BY_HALF: Fault = Fault {
    name: "bins_shifted_by_half",
    sentence: "a bin reaches from its value to the next one where it lies around its value",
    origin: Origin::Slip,
};

/// [`BINS_SHIFTED_BY_HALF`].
///
/// # Errors
/// As the right one.
pub fn bins_shifted_by_half(pixel: Pixel, law: Moments) -> Result<f64> {
    log_pixel_probability(pixel, Moments { mean: law.mean - 1.0 / 255.0, ..law })
}
