//! The claims of the chapter `variance`, bound to this crate, with the ledger's rows that they cover.

use super::{self as check, Point, REFERENCE, short_chain, world};
use crate::check::{Claim, Row, Tol};
use crate::posterior::{LogVarianceClip, log_variance_clipped};
use crate::schedule::{Schedule, Timestep, Transition};
use crate::variance::{
    Bounds, LearnedRange, Spread, best_gaussian, bounds, entropy_power, gaussian_variance, optimal_variance,
    optimal_variance_from_score, variance_cost,
};

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![of_gaussian_data(), optimal(), sandwich(), closest_gaussian(), third_order(), learned_range(), cost()]
}

fn of_gaussian_data() -> Claim {
    Claim::new(|| check::gaussian_data(gaussian_variance, bounds))
        .row("S2.25", || Row {
            got: gaussian_variance(&ddpm_step(2), 0.0).unwrap_or(f64::NAN),
            want: 5.453_187_661e-5,
            tol: Tol::abs(0.500_001e-14, "digits printed"),
        })
        .row("S3.48", || Row { got: beta_tilde_share(2), want: 0.4547, tol: Tol::printed(4) })
        .row("S3.48", || Row {
            got: beta_tilde_share(500),
            want: 0.010_031_355_41 / 0.010_040_040_04,
            tol: Tol::rel(1e-9, "ten digits printed"),
        })
        .row("S3.49", || Row {
            got: gaussian_variance(&ddpm_step(500), 1.0).unwrap_or(f64::NAN),
            want: Point::new(&Schedule::ddpm(), Timestep::new(500)).schur_complement(1.0),
            tol: Tol::rel(1e-12, "ledger"),
        })
        .row("S3.50", || Row {
            got: gaussian_variance(&ddpm_step(500), 0.0).unwrap_or(f64::NAN),
            want: Point::new(&Schedule::ddpm(), Timestep::new(500)).schur_complement(0.0),
            tol: Tol::rel(1e-12, "ledger"),
        })
        .row("A3.1", || Row {
            got: gaussian_variance(&short_chain().step(Timestep::new(7)), 4.0).unwrap_or(f64::NAN),
            want: 0.102_255,
            tol: Tol::printed(6),
        })
}

fn optimal() -> Claim {
    Claim::new(|| check::optimal(optimal_variance, optimal_variance_from_score))
        .row("S1.69", || {
            let averages = world(5).averages();
            Row {
                got: optimal_variance_from_score(&world(5).step, averages.score_power).unwrap_or(f64::NAN),
                want: averages.xs_var,
                tol: Tol::rel(1e-8, "ledger"),
            }
        })
        .row("S2.28", || {
            let given = world(9).given(0.4);
            Row {
                got: optimal_variance(&world(9).step, given.x0.var).unwrap_or(f64::NAN),
                want: given.xs.var,
                tol: Tol::abs(1e-9, "ledger"),
            }
        })
}

fn sandwich() -> Claim {
    Claim::new(|| check::sandwich(bounds, entropy_power))
        .row("S3.51", || Row {
            got: entropy_power(world(7).averages().entropy),
            want: 0.5 * (ends(7).low + ends(7).high),
            tol: Tol::abs(0.5 * (ends(7).high - ends(7).low), "the interval itself"),
        })
        .row("B30", || Row { got: ends(5).low, want: 0.039_815, tol: Tol::printed(6) })
        .row("B30", || Row { got: entropy_power(world(5).averages().entropy), want: 0.059_949, tol: Tol::printed(6) })
        .row("B30", || Row {
            got: optimal_variance(&world(5).step, world(5).averages().x0_var).unwrap_or(f64::NAN),
            want: 0.060_655,
            tol: Tol::printed(6),
        })
        .row("B30", || Row { got: ends(5).high, want: 0.063_947, tol: Tol::printed(6) })
}

fn closest_gaussian() -> Claim {
    Claim::new(|| check::closest_gaussian(best_gaussian)).row("S2.23", || {
        let (world, xt) = (world(9), -0.7);
        let given = world.given(xt);
        Row {
            got: best_gaussian(&world.step, xt, given.x0).map_or(f64::NAN, |p| p.mean),
            want: given.xs.mean,
            tol: Tol::abs(1e-8, "ledger"),
        }
    })
}

fn third_order() -> Claim {
    Claim::new(|| check::third_order(best_gaussian))
        .row("S0.53", || slope_row(-0.3, 4))
        .row("S1.46", || slope_row(0.8, 4))
        .row("B25", || listed_slope(0, 3.03))
        .row("B25", || listed_slope(1, 3.08))
        .row("B25", || listed_slope(2, 3.07))
        .row("B25", || listed_slope(3, 3.04))
}

fn learned_range() -> Claim {
    Claim::new(|| check::learned_range(LearnedRange::var))
        .row("B8", || {
            let clipped = log_variance_clipped(&ddpm_step(1), &ddpm_step(2), LogVarianceClip::CopySecond);
            Row {
                got: LearnedRange::new(&ddpm_step(2), clipped.unwrap_or(f64::NAN)).var(0.5),
                want: 8.0867e-5,
                tol: Tol::abs(0.500_001e-9, "digits printed"),
            }
        })
        .row("B8", || Row {
            got: LearnedRange::new(&ddpm_step(2), (5.453_187_661e-5f64).ln()).var(LearnedRange::fraction(0.0)),
            want: (5.453_187_661e-5f64 * 1.199_199_199_199_199_2e-4).sqrt(),
            tol: Tol::roundings(40.0, 1.0, "exp of a logarithm near 10"),
        })
}

fn cost() -> Claim {
    Claim::new(|| check::cost(variance_cost)).row("S3.52", || {
        let schedule = Schedule::ddpm();
        let cost = |t| {
            let step = schedule.step(t);
            let var = |v| gaussian_variance(&step, v).unwrap_or(f64::NAN);
            variance_cost(var(0.0), var(1.0)).unwrap_or(f64::NAN)
        };
        Row {
            got: schedule.timesteps().skip(1).map(cost).sum(),
            want: 1.883_831 - 1.418_939,
            tol: Tol::abs(1.000_001e-6, "two numbers of six digits"),
        }
    })
}

fn ends(t: usize) -> Bounds {
    let nowhere = Bounds { low: f64::NAN, high: f64::NAN };
    bounds(&short_chain().step(Timestep::new(t)), Spread::Variance(1.0)).unwrap_or(nowhere)
}

fn ddpm_step(t: usize) -> Transition {
    Schedule::ddpm().step(Timestep::new(t))
}

fn beta_tilde_share(t: usize) -> f64 {
    gaussian_variance(&ddpm_step(t), 0.0).map_or(f64::NAN, |var| var / ddpm_step(t).beta())
}

fn slope_row(xt: f64, halvings: usize) -> Row {
    let logs = check::divergences(best_gaussian, &REFERENCE, 0.5, xt).map(f64::log2);
    Row { got: -check::slope(&logs[..=halvings]), want: 3.0, tol: Tol::abs(0.2, "ledger") }
}

fn listed_slope(k: usize, want: f64) -> Row {
    let kl = check::divergences(best_gaussian, &REFERENCE, 0.5, -0.3);
    Row { got: (kl[k] / kl[k + 1]).log2(), want, tol: Tol::printed(2) }
}
