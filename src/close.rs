//! `approx` for the value types: `assert_relative_eq!(mine, theirs, max_relative = 1e-12)`, number by number.
//!
//! A structure is close if each of its numbers is; schedules of different length never are. What a claim allows is a
//! [`Tol`](crate::check::Tol) with its reason; this is for tests that only want to compare.
//!
//! ```
//! use alphabar::{Schedule, Timestep, posterior::{Moments, posterior}};
//! use approx::{assert_abs_diff_eq, assert_relative_eq, assert_relative_ne};
//!
//! let step = Schedule::ddpm().step(Timestep::new(500));
//! let moments = posterior(&step, 0.3, 0.9);
//! assert_relative_eq!(moments, Moments { mean: 0.895_617, var: 0.010_031_4 }, max_relative = 1e-5);
//! assert_relative_ne!(moments, Moments { var: 1.1 * moments.var, ..moments }, max_relative = 1e-2);
//! assert_abs_diff_eq!(Schedule::ddpm(), Schedule::ddpm(), epsilon = 0.0);
//! ```

use approx::{AbsDiffEq, RelativeEq};

use crate::forward::Kernel;
use crate::posterior::{Moments, Posterior};
use crate::schedule::{Level, Schedule, Timestep, Transition};

/// Implements both comparisons for a type that is a list of numbers.
macro_rules! by_numbers {
    ($($value:ident: $type:ty => $numbers:expr;)*) => {$(
        impl AbsDiffEq for $type {
            type Epsilon = f64;

            fn default_epsilon() -> f64 {
                f64::default_epsilon()
            }

            fn abs_diff_eq(&self, other: &Self, epsilon: f64) -> bool {
                let numbers = |$value: &Self| $numbers;
                pairwise(&numbers(self), &numbers(other), |a, b| a.abs_diff_eq(b, epsilon))
            }
        }

        impl RelativeEq for $type {
            fn default_max_relative() -> f64 {
                f64::default_max_relative()
            }

            fn relative_eq(&self, other: &Self, epsilon: f64, max_relative: f64) -> bool {
                let numbers = |$value: &Self| $numbers;
                pairwise(&numbers(self), &numbers(other), |a, b| a.relative_eq(b, epsilon, max_relative))
            }
        }
    )*};
}

fn pairwise(a: &[f64], b: &[f64], same: impl Fn(&f64, &f64) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

by_numbers! {
    moments: Moments => [moments.mean, moments.var];
    posterior: Posterior => [posterior.x0, posterior.xt, posterior.beta_tilde];
    level: Level => [level.alpha_bar(), level.one_minus_alpha_bar()];
    step: Transition => [step.alpha(), step.beta()];
    kernel: Kernel => [kernel.scale, kernel.var];
    schedule: Schedule => (0..=schedule.len())
        .map(|t| schedule.level(Timestep::new(t)))
        .flat_map(|level| [level.alpha_bar(), level.one_minus_alpha_bar()])
        .collect::<Vec<f64>>();
}

#[cfg(test)]
mod tests {
    use approx::{abs_diff_eq, assert_relative_eq, relative_eq};

    use super::*;
    use crate::schedule::Betas;

    #[test]
    fn every_number_counts() {
        let right = Moments { mean: 2.0, var: 1e-6 };
        assert_relative_eq!(right, Moments { mean: 2.0 + 1e-13, ..right }, max_relative = 1e-12);
        assert!(!relative_eq!(right, Moments { mean: 2.1, ..right }, max_relative = 1e-3));
        assert!(!relative_eq!(right, Moments { var: 1.1e-6, ..right }, epsilon = 0.0, max_relative = 1e-3));
        assert!(abs_diff_eq!(right, Moments { var: 1.1e-6, ..right }, epsilon = 1e-6));
        assert!(!abs_diff_eq!(right, Moments { var: f64::NAN, ..right }, epsilon = f64::MAX));
    }

    #[test]
    fn schedules_are_compared_level_by_level() {
        let of = |betas: &[f64]| Schedule::new(Betas::new(betas.to_vec()).expect("valid"));
        let (short, long) = (of(&[0.1, 0.2]), of(&[0.1, 0.2, 0.3]));
        assert!(abs_diff_eq!(long, of(&[0.1, 0.2, 0.3 + 1e-12]), epsilon = 1e-11));
        assert!(!abs_diff_eq!(long, of(&[0.1, 0.2, 0.31]), epsilon = 1e-4));
        assert!(!abs_diff_eq!(long, short, epsilon = f64::INFINITY));
    }
}
