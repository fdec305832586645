//! Checks that take the code under test: tolerances, evidence, and one file of claims per chapter of the theory.
//!
//! A claim is a function that takes an implementation and a point (or a [`Run`]) and returns [`Evidence`] or the
//! [`Mismatch`] it found. It knows only types of the theory, never its formulas; what it compares against comes
//! from [`witness`] methods and the [`exact`](crate::exact) worlds.
//!
//! ```
//! use alphabar::{Schedule, Timestep, Transition, check, posterior::Moments};
//!
//! // Your own code: here with β where β̃ was meant.
//! let mine = |step: &Transition, x0: f64, xt: f64| Moments {
//!     var: step.beta(),
//!     ..alphabar::posterior::posterior(step, x0, xt)
//! };
//! let at = check::posterior::Point::new(&Schedule::ddpm(), Timestep::new(2), 0.7, -0.4);
//! let mismatch = check::posterior::equals_bayes(mine, &at).unwrap_err();
//! assert!(mismatch.to_string().contains("variance"));
//! ```

mod draw;
mod evidence;
mod tol;
pub mod witness;

pub mod distill;
pub mod elbo;
pub mod embedding;
pub mod forward;
pub mod gaussian;
pub mod guidance;
pub mod posterior;
pub mod prediction;
pub mod sampler;
pub mod schedule;
pub mod score;
pub mod training;
pub mod trajectory;
pub mod vae;
pub mod variance;
pub mod vdm;
pub mod weight;

pub use draw::{Case, Run, log_uniform, uniform};
pub use evidence::{Evidence, Mismatch, Outcome, Trial};
pub use tol::Tol;
