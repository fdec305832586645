//! alphabar: denoising diffusion, checked.
#![allow(missing_docs, dead_code)]

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
pub mod exact;
pub mod fault;
pub mod plan;
pub mod table;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod diagnose;
#[cfg(feature = "sample")]
pub mod noise;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "sample")]
pub mod sample;
#[cfg(feature = "proptest")]
pub mod strategy;
#[cfg(feature = "verify")]
pub mod verify;

pub use error::{Error, Result};
pub use schedule::{Betas, Level, Schedule, Timestep, Transition};

/// The README's examples, compiled with the tests.
#[cfg(all(doctest, feature = "cli", feature = "fixture"))]
#[doc = include_str!("../README.md")]
struct Readme;
