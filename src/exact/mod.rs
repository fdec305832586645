//! Worlds in which every quantity of diffusion has a closed form, so that any implementation can be held against it.
//!
//! | world | what is exact |
//! |---|---|
//! | [`Gaussian1`], [`Gaussian`] | marginals, scores, optimal denoisers, posteriors between any two levels, the probability flow |
//! | [`Mixture1`], [`Mixture`] | the same but the flow (which [`Mixture1`] has through its quantiles), class scores, guidance |
//! | [`FiniteData`] | the softmax denoiser of a training set, its posterior and its marginals |
//! | [`JointGaussian`], [`ForwardJoint`] | any joint law built one linear step at a time, conditioned by Schur complement |
//! | [`ReverseChain`] | likelihood, variational bound and their gap for a linear-Gaussian model |
//! | [`AffineStep`] | the law of what a sampler returns when the data are Gaussian |
//!
//! Nothing here imports the theory it is used to check: levels are plain numbers ([`Noising`]) or are built from βs
//! by one-step recursion, and posteriors come from conditioning a joint law, never from a printed formula.

mod chain;
mod conditional;
mod finite;
mod forward_joint;
mod gaussian;
mod gaussian1;
mod information;
mod joint;
mod mixture;
mod mixture1;
mod noising;
mod numeric;
mod sampler_law;
pub mod special;

pub use chain::{ReverseChain, ReverseStep};
pub use conditional::Conditional;
pub use finite::FiniteData;
pub use forward_joint::ForwardJoint;
pub use gaussian::Gaussian;
pub use gaussian1::Gaussian1;
pub use joint::{JointGaussian, MAX_VARIABLES};
pub use mixture::Mixture;
pub use mixture1::Mixture1;
pub use noising::Noising;
pub use sampler_law::AffineStep;
