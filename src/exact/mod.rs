//! Worlds in which every quantity of diffusion has a closed form, so that any implementation can be held against it.
//!
//! | world | what is exact |
//! |---|---|
//! | [`Gaussian1`] | Gaussian data on the line: marginals, scores, optimal denoisers, posteriors between any two levels |
//! | [`Mixture1`] | a mixture on the line: the same, its information, class scores, guidance, the probability flow |
//! | [`FiniteData`] | the softmax denoiser of a training set, its posterior and its marginals |
//!
//! Nothing here imports the theory it is used to check: levels are plain numbers ([`Noising`]) or are built from βs
//! by one-step recursion, and posteriors come from conditioning a joint law, never from a printed formula.

mod finite;
mod gaussian1;
mod information;
mod mixture1;
mod noising;
mod numeric;
mod special;

pub use finite::FiniteData;
pub use gaussian1::Gaussian1;
pub use mixture1::Mixture1;
pub use noising::Noising;
