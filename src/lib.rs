//! Denoising diffusion, checked: a reference implementation whose every formula is tested by an independent method,
//! and samplers that do nothing but carry out what was checked.
//!
//! A *claim* is a function that takes the code under test. Each formula here has one claim at least, an independent
//! method behind it, and named *faults* that the claim rejects; the same claims take other people's code.
//!
//! ```
//! use alphabar::diagnose::{Numbers, diagnose};
//! use alphabar::schedule::Definition;
//!
//! let betas: Vec<f64> = (0..1000).map(|i| 1e-4 + (0.02 - 1e-4) * i as f64 / 1000.0).collect();
//! let report = diagnose(&[Numbers::f64("betas", betas)], Some(&Definition::linear(1000)));
//! assert!(report.to_string().contains("divided by T where T − 1 was meant"));
//! ```
//!
//! # Notation
//!
//! ```text
//! t = 1 … T        time, 1-based as in the papers; networks take t − 1, arrays are indexed by t − 1
//! β_t              variance of the noise that step t adds;  α_t = 1 − β_t
//! ᾱ_t              α_1 ⋯ α_t, ᾱ_0 = 1;  signal √ᾱ_t, noise_std √(1 − ᾱ_t)
//! SNR              ᾱ/(1 − ᾱ);  λ = ln SNR
//! x₀, x_s, x_t     data and its noisy versions, s < t:  x_t = √ᾱ_t x₀ + √(1 − ᾱ_t) ε
//! β̃_t              variance of q(x_{t−1} | x_t, x₀)
//! ε, x₀, v, score  what a network may predict;  v = √ᾱ ε − √(1 − ᾱ) x₀
//! ```
//!
//! A name that ends in `_var` is a variance, one in `_std` a standard deviation; `sigma` is always the latter.
//! Relative entropy and likelihood are in nats.
//!
//! # The map
//!
//! Claims on a chapter are in the module of the same name under [`check`], its wrong formulas under [`check`].
//!
//! | chapter | what it holds | claims |
//! |---|---|---|
//! | [`schedule`], [`table`] | β by its definition, ᾱ and all that follows, to the last place | [`check::schedule`] |
//! | [`forward`] | kernels, jumps to any time, path densities, covariances | [`check::forward`] |
//! | [`posterior`] | q(x_s \| x_t, x₀), the completed square, the true reverse | [`check::posterior`] |
//! | [`gaussian`] | relative entropy in every form, entropy, pixels' likelihood | [`check::gaussian`] |
//! | [`vae`] | evidence, its bound, hierarchies of latents | [`check::vae`] |
//! | [`elbo`] | the bound of a chain, term by term, and the rows of its proof | [`check::elbo`] |
//! | [`prediction`] | conversions between ε, x₀, v and score | [`check::prediction`] |
//! | [`weight`] | what a squared error is worth in another prediction | [`check::weight`] |
//! | [`training`] | Algorithm 1: targets, times, gradients, where they lead | [`check::training`] |
//! | [`variance`] | the reverse step's variance: fixed, learned, optimal | [`check::variance`] |
//! | [`plan`] | samplers as lists of steps: ancestral, DDIM, DPM-Solver, Heun | [`check::sampler`] |
//! | [`score`] | Tweedie, score matching, energies, Langevin dynamics | [`check::score`] |
//! | [`guidance`] | classifier and classifier-free, both conventions | [`check::guidance`] |
//! | [`vdm`] | the bound as an integral over the signal-to-noise ratio | [`check::vdm`] |
//! | [`trajectory`] | the best times for few steps | [`check::trajectory`] |
//! | [`distill`] | two steps of a teacher in one of a student | [`check::distill`] |
//! | [`embedding`] | how a network is told the time | [`check::embedding`] |
//!
//! What the claims stand on: [`exact`] holds worlds in which everything has a closed form, [`check::witness`] the
//! numerical methods; [`close`] compares value types with `approx`. [`diagnose`] judges tables and answers and names
//! the mistake. With feature `verify`, `check::claims` has every claim, on this crate; with `sample`, `sample` carries
//! plans out on ndarray and `noise` makes a sample a function of its seed; with `onnx`, `onnx` does so through ONNX
//! Runtime, makes graphs half precision and counts their operations; with `proptest`, `strategy` draws valid schedules and points. Without features the crate needs ndarray, nalgebra and approx only.

pub mod array;
mod dd;
pub mod error;

pub mod schedule;

pub mod distill;
pub mod elbo;
pub mod embedding;
pub mod forward;
pub mod gaussian;
pub mod guidance;
pub mod posterior;
pub mod prediction;
pub mod score;
pub mod training;
pub mod trajectory;
pub mod vae;
pub mod variance;
pub mod vdm;
pub mod weight;

pub mod check;
pub mod close;
pub mod exact;
pub mod plan;
pub mod table;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod diagnose;
#[cfg(feature = "onnx")]
#[doc(hidden)]
pub mod files;
#[cfg(feature = "sample")]
pub mod noise;
#[cfg(feature = "onnx")]
pub mod onnx;

mod precision;
#[cfg(feature = "serde")]
mod python_json;
#[cfg(feature = "sample")]
pub mod sample;
#[cfg(feature = "proptest")]
pub mod strategy;

pub use error::{Error, Result};
pub use schedule::{Betas, Level, Schedule, Timestep, Transition};

/// The README's examples, compiled with the tests.
#[cfg(all(doctest, feature = "cli", feature = "fixture"))]
#[doc = include_str!("../README.md")]
struct Readme;
