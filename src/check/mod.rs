//! Checks that take the code under test: tolerances, evidence, and one file of claims per chapter of the theory.
//!
//! A claim is a function that takes an implementation and returns a [`Check`]: where it is tried, what it is compared
//! with, and the mistakes it knows by name. It knows only types of the theory, never its formulas; what it compares
//! against comes from [`witness`] methods and the [`exact`](crate::exact) worlds.
//!
//! ```
//! use alphabar::{Transition, check, posterior::Moments};
//!
//! // Your own code: here with β where β̃ was meant.
//! let mine = |step: &Transition, x0: f64, xt: f64| Moments {
//!     var: step.beta(),
//!     ..alphabar::posterior::posterior(step, x0, xt)
//! };
//! let failure = check::posterior::bayes(mine).run().unwrap_err();
//! assert!(failure.to_string().contains("β where β̃"));
//! ```

mod claim;
mod draw;
mod evidence;
pub mod fault;
mod tol;
pub mod witness;

#[cfg(feature = "verify")]
pub mod ledger;
#[cfg(feature = "verify")]
mod registry;
#[cfg(feature = "verify")]
pub mod report;

pub use claim::{Check, Failure, Method};
pub use draw::{Case, Run, log_uniform, uniform};
pub use evidence::{Evidence, Mismatch, Outcome, Trial};
pub use fault::{Erratum, Fault, Numbers, Origin, Severity, Wrong};
pub(crate) use fault::{slip, wrong};
#[cfg(feature = "verify")]
pub use registry::{Claim, Row};
#[cfg(feature = "verify")]
pub use report::ClaimReport;
pub use tol::Tol;

/// The list of chapters: their modules, and all that is collected over them.
macro_rules! chapters {
    ($($chapter:ident),* $(,)?) => {
        $(pub mod $chapter;)*

        /// Every claim, chapter by chapter.
        #[cfg(feature = "verify")]
        #[must_use]
        pub fn claims() -> Vec<Claim> {
            let chapters = [$((stringify!($chapter), $chapter::rows::claims())),*];
            let named = |(name, claims): (_, Vec<Claim>)| claims.into_iter().map(move |claim| claim.of_chapter(name));
            chapters.into_iter().flat_map(named).collect()
        }

        /// Every erratum of the four source documents, in order.
        #[must_use]
        pub fn errata() -> Vec<Erratum> {
            let mut all = [$($chapter::faults::ERRATA),*].concat();
            all.sort_by_key(Erratum::order);
            all
        }

        /// The ledger's files.
        #[cfg(feature = "verify")]
        const LEDGER: &[(&str, &str)] =
            &[$((stringify!($chapter), include_str!(concat!("../../fixtures/ledger/", stringify!($chapter), ".json")))),*];
    };
}

chapters![
    schedule, forward, posterior, gaussian, vae, elbo, prediction, weight, training, variance, sampler, score,
    guidance, vdm, trajectory, distill, embedding,
];
