//! Numerical methods that check the theory and share no arithmetic with it.
//!
//! Integrals ([`quadrature`]), derivatives ([`difference`]), orders of convergence ([`order`]) and recursion over the
//! βs ([`simulate`]). Closed-form worlds are in [`crate::exact`].

pub mod difference;
pub mod order;
pub mod quadrature;
pub mod simulate;

pub use order::Order;
