//! Numerical methods that check the theory and share no arithmetic with it.
//!
//! Integrals ([`quadrature`], [`adaptive`], [`convolve`]), derivatives ([`difference`], [`dual`]), orders of
//! convergence ([`order`]), statistics with stated error rates ([`statistics`], [`goodness_of_fit`]), brute force
//! ([`enumerate`]) and recursion over the βs ([`simulate`]). Closed-form worlds are in [`crate::exact`].

pub mod adaptive;
pub mod convolve;
pub mod difference;
pub mod dual;
pub mod enumerate;
pub mod goodness_of_fit;
pub mod order;
pub mod quadrature;
pub mod simulate;
pub mod statistics;

pub use dual::{Dual, Real};
pub use order::Order;
pub use statistics::{MeanTest, Moments};
