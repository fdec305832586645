//! The claims of the chapter `vdm`, bound to this crate.

use crate::check::{Claim, Method, Row};
use crate::check::score::slope;
use crate::check::vdm::{continuous_bound, discrete_gap, information_rate, schedule_invariance, step_cost};
use crate::check::{Outcome, Run, Tol, Trial, log_uniform};
use crate::exact::{Mixture1, Noising};
use crate::check::vdm::faults as fault;
use crate::schedule::{Level, Schedule, Timestep};
use crate::vdm::{self, LogSnrRange, continuous_rate};

const CHAPTER: &str = "vdm";

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![cost(), information(), invariance(), refinement()]
}

fn own_cost(schedule: &Schedule, t: Timestep, error: f64) -> f64 {
    let step = schedule.step(t);
    vdm::step_cost(step.s(), step.t(), error)
}

fn costs(run: &Run, f: fn(&Schedule, Timestep, f64) -> f64) -> Outcome {
    let errors: Vec<f64> = run.points::<1>().map(|[u]| log_uniform(u, 1e-3, 4.0)).collect();
    let run = run.at_most(24);
    let mut all = Trial::new();
    for case in run.schedules().iter().filter(|case| case.schedule.len() > 1) {
        for (t, error) in case.schedule.timesteps().skip(1).zip(errors.iter().cycle()) {
            let evidence = step_cost(f, &case.schedule, t, *error).map_err(|mismatch| crate::check::Mismatch {
                at: format!("{}, {}", case.name, mismatch.at),
                ..mismatch
            })?;
            all.include(evidence);
        }
    }
    Ok(all.evidence())
}

fn cost() -> Claim {
    Claim::legacy(
        "kl_term_is_a_drop_of_snr",
        CHAPTER,
        "a KL term of the bound is ½ (SNR_{t−1} − SNR_t) ‖x₀ − x̂₀‖²",
        Method::OtherPremises("two posteriors in information form, KL of equal variances"),
        |run| costs(run, own_cost),
    )
    .row("B1", || {
        // ½ (SNR_1 − SNR_2) of the linear schedule: β_2 (1 − β_1) / (2 β_1 (1 − ᾱ_2)) after cancelling.
        let (first, second) = (1e-4, 1e-4 + 0.0199 / 999.0);
        let want = 0.5 * (1.0 - first) * second / (first * (second + first - first * second));
        Row {
            got: own_cost(&Schedule::ddpm(), Timestep::new(2), 1.0),
            want,
            tol: Tol::rel(1e-9, "λ ε relative to a step of β"),
        }
    })
    .row("S1.86", || {
        // One cost for any dimension: the error is the only thing that grows with d, as latents have the data's.
        let whole = own_cost(&Schedule::ddpm(), Timestep::new(500), 3.0 * 0.25);
        let each: f64 = (0..3).map(|_| own_cost(&Schedule::ddpm(), Timestep::new(500), 0.25)).sum();
        Row { got: whole, want: each, tol: Tol::rel(1e-15, "a sum of three") }
    })
    .fault(fault::SNR_COST_WHOLE, |run| costs(run, fault::snr_cost_whole))
    .fault(fault::SNR_COST_SIGN, |run| costs(run, fault::snr_cost_sign))
    .fault(fault::SNR_COST_LEVEL, |run| costs(run, fault::snr_cost_level))
    .fault(fault::SNR_COST_SHIFTED, |run| costs(run, fault::snr_cost_shifted))
    .fault(fault::SNR_COST_ROOTED, |run| costs(run, fault::snr_cost_rooted))
}

fn rates(run: &Run, f: fn(f64) -> f64) -> Outcome {
    let run = run.at_most(12);
    run.over::<1>(|[u]| information_rate(f, &Mixture1::reference(), log_uniform(u, 0.05, 20.0)))
}

fn information() -> Claim {
    Claim::legacy(
        "information_rises_at_half_the_mmse",
        CHAPTER,
        "dI(x₀; √snr x₀ + z)/dsnr = ½ mmse(snr)",
        Method::Numerical("differences of mutual informations from entropies"),
        |run| rates(run, vdm::information_rate),
    )
    .row("B3", || {
        let level = Noising::new(1.0, 1.0).unwrap_or(Noising::NONE);
        let got = vdm::information_rate(Mixture1::reference().mmse(level));
        Row { got, want: 0.262_633_420, tol: Tol::printed(9) }
    })
    .fault(fault::INFORMATION_WHOLE, |run| rates(run, |mmse| mmse))
    .fault(fault::INFORMATION_SIGN, |run| rates(run, |mmse| -0.5 * mmse))
    .fault(fault::INFORMATION_ROOT, |run| rates(run, |mmse| 0.5 * mmse.sqrt()))
}

fn range() -> LogSnrRange {
    LogSnrRange::new(8.0, -6.0).unwrap_or_else(|error| unreachable!("constants inside the valid range: {error}"))
}

fn paths(rate: fn(f64, f64) -> f64) -> Outcome {
    let range = range();
    schedule_invariance(rate, [&|u| range.linear(u), &|u| range.smooth(u)], &Mixture1::reference())
}

fn invariance() -> Claim {
    Claim::legacy(
        "continuous_bound_knows_only_its_end_points",
        CHAPTER,
        "∫ ½ e^λ mmse (−dλ) is the information lost between the end points, whatever path λ takes",
        Method::Numerical("Gauss–Legendre against mutual informations"),
        |_| paths(continuous_rate),
    )
    .row("S1.67", || {
        let range = range();
        let bound = continuous_bound(continuous_rate, |u| range.smooth(u), &Mixture1::reference());
        Row { got: bound, want: 3.760_961, tol: Tol::printed(6) }
    })
    .row("B27", || {
        let range = range();
        let bound = |path: &dyn Fn(f64) -> f64| continuous_bound(continuous_rate, path, &Mixture1::reference());
        Row {
            got: bound(&|u| range.linear(u)),
            want: bound(&|u| range.smooth(u)),
            tol: Tol::abs(1e-12, "differences of the paths, quadrature"),
        }
    })
    .row("S1.23", || {
        // Not only θ is learned where the end point is: d bound/d λ_low = −½ e^λ mmse, which is not 0.
        let low = -2.0;
        let bound = |low: f64| {
            let path = |u: f64| 8.0 + (low - 8.0) * u;
            continuous_bound(continuous_rate, path, &Mixture1::reference())
        };
        let level = Noising::from_log_snr(low).unwrap_or(Noising::NONE);
        let want = -continuous_rate(low, Mixture1::reference().mmse(level));
        Row { got: slope(bound, low), want, tol: Tol::abs(1e-10, "differences, quadrature") }
    })
    .fault(fault::RATE_PER_SNR, |_| paths(|_, mmse| 0.5 * mmse))
    .fault(fault::RATE_WHOLE, |_| paths(|log_snr, mmse| log_snr.exp() * mmse))
    .fault(fault::RATE_AMPLITUDE, |_| paths(|log_snr, mmse| 0.5 * (0.5 * log_snr).exp() * mmse))
}

/// Gaps at T = 25 … 400 to five decimals, by an independent summation (0.32809 where the source rounds to 0.32810).
const GAPS: [f64; 5] = [3.508_53, 1.479_41, 0.682_41, 0.328_09, 0.160_91];

fn level_cost(s: f64, t: f64, error: f64) -> f64 {
    let level = |log_snr: f64| Level::from_log_snr(log_snr).unwrap_or(Level::DATA);
    vdm::step_cost(level(s), level(t), error)
}

/// The gap at T = 25, 50, …, 400 is positive and falls like 1/T.
fn gaps(cost: fn(f64, f64, f64) -> f64) -> Outcome {
    let mut trial = Trial::new();
    let (mut before, mut last) = (f64::NAN, f64::NAN);
    for (k, want) in GAPS.into_iter().enumerate() {
        let got = discrete_gap(cost, &Mixture1::reference(), 12.0, -12.0, 25 << k);
        trial.close("gap", got, want, Tol::printed(5), || format!("T = {}", 25 << k))?;
        (before, last) = (last, got);
    }
    trial.close("ratio", before / last, 2.0, Tol::abs(0.05, "O(1/T)"), || "T = 200 to 400".into())?;
    Ok(trial.evidence())
}

fn refinement() -> Claim {
    Claim::legacy(
        "bound_falls_to_the_entropy_like_one_over_steps",
        CHAPTER,
        "with the optimal denoiser the bound exceeds the entropy by O(1/T)",
        Method::Numerical("averages over the mixture at T = 25 … 400, observed order"),
        |_| gaps(level_cost),
    )
    .row("B2", || Row {
        got: discrete_gap(level_cost, &Mixture1::reference(), 12.0, -12.0, 400),
        want: GAPS[4],
        tol: Tol::printed(5),
    })
    .fault(fault::SNR_COST_WHOLE, |_| gaps(|s, t, error| 2.0 * level_cost(s, t, error)))
    .fault(fault::SNR_COST_SIGN, |_| gaps(|s, t, error| -level_cost(s, t, error)))
    .fault(fault::SNR_COST_LEVEL, |_| gaps(|s, _, error| 0.5 * s.exp() * error))
    .fault(fault::SNR_COST_SHIFTED, |_| gaps(|s, t, error| level_cost(s - 24.0 / 400.0, t - 24.0 / 400.0, error)))
}
