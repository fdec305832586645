//! Claims on motion along the score: Langevin dynamics, probability flow, and what it does to the entropy.

use super::CHAPTER;
use crate::check::score::{self as check, slope};
use crate::check::{Outcome, Run, Tol, Trial, log_uniform, uniform};
use crate::exact::{Mixture1, Noising};
use crate::check::score::faults as fault;
use crate::score::{exploding_flow_velocity, flow_velocity, langevin_step, langevin_variance, metropolis_log_ratio};
use crate::check::{Claim, Method, Row};

type Langevin = fn(f64, f64, f64, f64) -> f64;

pub(super) fn langevin() -> Claim {
    fn over(run: &Run, f: Langevin) -> Outcome {
        let run = run.at_most(24);
        run.over::<2>(|[u, v]| {
            let target = log_uniform(u, 0.1, 4.0);
            let sigma = uniform(v, 0.2, 1.9) * target.sqrt();
            check::langevin_bias(f, |var, sigma| langevin_variance(var, sigma).unwrap_or(f64::NAN), target, sigma)
        })
    }
    Claim::legacy(
        "langevin_overshoots_by_a_known_factor",
        CHAPTER,
        "x + ½σ² score + σz settles on N(0, s²) at the variance s²/(1 − σ²/(4s²))",
        Method::Enumeration("variance recursion iterated to its fixed point"),
        |run| over(run, langevin_step),
    )
    .row("S2.46", || Row {
        got: langevin_variance(1.0, 1.9).unwrap_or(f64::NAN),
        want: stationary(langevin_step, 1.9),
        tol: Tol::rel(1e-11, "fixed point"),
    })
    .row("A2.3", || Row { got: stationary(langevin_step, 0.5), want: 1.0667, tol: Tol::printed(4) })
    .row("S2.49", || {
        // Mean energy of N(0, 1) at σ = 1, in units where the lowest is 0.
        let got = 0.5 * langevin_variance(1.0, 1.0).unwrap_or(f64::NAN);
        Row { got, want: 0.5 * stationary(langevin_step, 1.0), tol: Tol::rel(1e-12, "fixed point") }
    })
    .row("S1.72", || {
        // The bias falls like σ²: its ratio under one halving.
        let bias = |sigma: f64| stationary(langevin_step, sigma) - 1.0;
        Row { got: (bias(0.02) / bias(0.01)).log2(), want: 2.0, tol: Tol::abs(1e-3, "next order in σ²") }
    })
    .fault(fault::LANGEVIN_WITHOUT_HALF, |run| over(run, fault::langevin_without_half))
    .fault(fault::LANGEVIN_VARIANCE_NOISE, |run| over(run, fault::langevin_variance_noise))
    .fault(fault::LANGEVIN_LINEAR_DRIFT, |run| over(run, fault::langevin_linear_drift))
    .fault(fault::LANGEVIN_DESCENT, |run| over(run, fault::langevin_descent))
}

/// Where the variance recursion of a step on N(0, 1) settles.
fn stationary(f: Langevin, sigma: f64) -> f64 {
    let (gain, noise) = (f(1.0, -1.0, sigma, 0.0), f(0.0, 0.0, sigma, 1.0));
    (0..400_000).fold(1.0, |var, _| gain * gain * var + noise * noise)
}

pub(super) fn metropolis() -> Claim {
    Claim::legacy(
        "metropolis_correction_makes_langevin_exact",
        CHAPTER,
        "accepted with min(1, ratio), a Langevin proposal leaves e^{−E}/Z unchanged",
        Method::Enumeration("whole transition matrix on 601 points, double well"),
        |_| check::metropolis_invariance(metropolis_log_ratio, 0.6),
    )
    .row("S2.50", || Row {
        got: check::invariance_residual(metropolis_log_ratio, 0.3),
        want: 0.0,
        tol: Tol::abs(1e-15, "sums of 601 products"),
    })
    .row("B29", || Row {
        got: check::invariance_residual(fault::metropolis_always, 0.6),
        want: 1.9e-3,
        tol: Tol::abs(5.1e-5, "two digits printed"),
    })
    .fault(fault::METROPOLIS_ALWAYS, |_| check::metropolis_invariance(fault::metropolis_always, 0.6))
    .fault(fault::METROPOLIS_SYMMETRIC, |_| check::metropolis_invariance(fault::metropolis_symmetric, 0.6))
    .fault(fault::METROPOLIS_INVERSE, |_| check::metropolis_invariance(fault::metropolis_inverse, 0.6))
}

pub(super) fn flow() -> Claim {
    fn over(run: &Run, f: fn(f64, f64, f64) -> f64) -> Outcome {
        let run = run.at_most(16);
        run.over::<2>(|[u, v]| {
            check::continuity(f, &Mixture1::reference(), uniform(u, 0.3, 1.5), uniform(v, -2.0, 2.0))
        })
    }
    Claim::legacy(
        "probability_flow_moves_the_marginals",
        CHAPTER,
        "∂p/∂t = −∂(pv)/∂x with v = −½β(x + score), which is the Fokker–Planck equation",
        Method::Numerical("differences in t and x of the noised density"),
        |run| over(run, flow_velocity),
    )
    .row("B17", || {
        let law = |t: f64| {
            Mixture1::reference().noised(Noising::new((-0.5 * t).exp(), -(-t).exp_m1()).unwrap_or(Noising::NONE))
        };
        let now = law(0.7);
        let got = -slope(|x| now.pdf(x) * flow_velocity(1.0, x, now.score(x)), 0.3);
        Row { got, want: slope(|t| law(t).pdf(0.3), 0.7), tol: Tol::abs(1e-7, "differences") }
    })
    .fault(fault::FLOW_WHOLE_SCORE, |run| over(run, fault::flow_whole_score))
    .fault(fault::FLOW_SIGN, |run| over(run, fault::flow_sign))
    .fault(fault::FLOW_WITHOUT_HALF, |run| over(run, fault::flow_without_half))
}

pub(super) fn likelihood() -> Claim {
    fn over(f: fn(f64, f64) -> f64) -> Outcome {
        let data = Mixture1::reference();
        let mut trial = Trial::new();
        for x in [-1.5, 0.4] {
            let got = check::flow_log_likelihood(f, &data, x);
            let start = data.noised(Noising::new(1.0, 1e-6).unwrap_or(Noising::NONE)).log_pdf(x);
            let tol = Tol::abs(1e-9, "Runge–Kutta with 2000 steps in ln σ, divergence by differences");
            trial.close("log density", got, start, tol, || format!("x = {x}"))?;
        }
        Ok(trial.evidence())
    }
    Claim::legacy(
        "probability_flow_gives_the_likelihood",
        CHAPTER,
        "ln p(x) is the end's log density plus the divergence collected along the flow",
        Method::Numerical("Runge–Kutta in ln σ against the mixture's density"),
        |_| over(exploding_flow_velocity),
    )
    .row("B13", || Row {
        got: check::flow_log_likelihood(exploding_flow_velocity, &Mixture1::reference(), -1.5),
        want: -0.918_938_87,
        tol: Tol::abs(1e-7, "Runge–Kutta with 2000 steps in ln σ"),
    })
    .fault(fault::EXPLODING_SQUARED, |_| over(fault::exploding_squared))
    .fault(fault::EXPLODING_HALVED, |_| over(fault::exploding_halved))
    .fault(fault::EXPLODING_SIGN, |_| over(fault::exploding_sign))
}

pub(super) fn entropy() -> Claim {
    fn over(run: &Run, f: fn(f64) -> f64) -> Outcome {
        let run = run.at_most(8);
        run.over::<1>(|[u]| check::de_bruijn(f, &Mixture1::reference(), log_uniform(u, 0.05, 2.0)))
    }
    Claim::legacy(
        "entropy_rises_at_half_the_fisher_information",
        CHAPTER,
        "d h(X + √v Z)/dv = ½ J(X + √v Z) (de Bruijn)",
        Method::Numerical("differences of entropies"),
        |run| over(run, |fisher| 0.5 * fisher),
    )
    .row("B18", || {
        let law = |v: f64| Mixture1::reference().noised(Noising::new(1.0, v).unwrap_or(Noising::NONE));
        Row { got: 0.5 * law(0.3).fisher(), want: 0.690_018_2, tol: Tol::abs(1.5e-7, "digits printed") }
    })
    .fault(fault::ENTROPY_RATE_WHOLE, |run| over(run, fault::entropy_rate_whole))
    .fault(fault::ENTROPY_RATE_INVERSE, |run| over(run, fault::entropy_rate_inverse))
    .fault(fault::ENTROPY_RATE_ROOT, |run| over(run, fault::entropy_rate_root))
}
