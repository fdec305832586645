//! The claims of the chapter `forward`, bound to this crate.

mod kernel;
mod law;
mod path;

use ndarray::arr0;

use crate::check::{Claim, Row};
use crate::check::Tol;
use crate::forward::{Expansion, Kernel, add_noise, expansion};
use crate::schedule::{Betas, Level, Schedule, Timestep};

const CHAPTER: &str = "forward";

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        kernel::marginals(),
        kernel::steps(),
        path::roll_outs(),
        kernel::compositions(),
        path::respacings(),
        path::paths(),
        path::covariances(),
        kernel::variances(),
        law::convolutions(),
        law::draws(),
    ]
}

fn at(t: usize) -> Timestep {
    Timestep::new(t)
}

fn row(got: f64, want: f64, tol: Tol) -> Row {
    Row { got, want, tol }
}

fn chain(betas: &[f64]) -> Schedule {
    Schedule::new(Betas::new(betas.to_vec()).expect("drawn inside the valid range"))
}

fn toy() -> Schedule {
    chain(&[0.1, 0.3, 0.5])
}

/// Scale and variance of x_t on the linear schedule, one step at a time.
fn recursion(t: usize) -> (f64, f64) {
    let betas = Schedule::ddpm();
    betas.betas().as_slice()[..t]
        .iter()
        .fold((1.0, 0.0), |(scale, var), beta| (scale * (1.0 - beta).sqrt(), (1.0 - beta) * var + beta))
}

fn linear(t: usize) -> Kernel {
    Kernel::from_data(Schedule::ddpm().level(at(t)))
}

fn noised(level: Level, x0: f64, noise: f64) -> f64 {
    add_noise(level, &arr0(x0), &arr0(noise)).expect("two arrays of one shape").into_scalar()
}

fn roundings(n: f64) -> Tol {
    Tol::roundings(n, 1.0, "roundings of the steps, added up")
}

fn beta_of(t: usize) -> f64 {
    Schedule::ddpm().betas().as_slice()[t - 1]
}

/// x_t rolled out over its last two steps.
fn window(t: usize) -> Expansion {
    expansion(&Schedule::ddpm(), at(t - 2), at(t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Run;

    #[test]
    fn faults_of_draws_are_ten_standard_errors_away() {
        for (fault, outcome) in law::draws().faults(&Run::default()) {
            let mismatch = outcome.unwrap_err();
            let off = (mismatch.got - mismatch.want).abs();
            assert!(off > 2.0 * mismatch.tol.allowance(mismatch.want), "{}: {mismatch}", fault.name);
        }
    }
}
