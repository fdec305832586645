//! The claims of the chapter `trajectory`, bound to this crate.

use crate::check::{Claim, Method, Row};
use crate::check::trajectory as check;
use crate::check::{Evidence, Outcome, Run, Tol, uniform};
use crate::error::Result;
use crate::check::trajectory::faults as fault;
use crate::schedule::{Betas, Level, Schedule, Timestep};
use crate::trajectory::{StepCosts, Trajectory, decoder_cost, refinement_gain, step_cost};

const CHAPTER: &str = "trajectory";

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![dynamic_programming(), costs_are_divergences(), refinement()]
}

fn dynamic_programming() -> Claim {
    Claim::legacy(
        "optimal_trajectory_equals_brute_force",
        CHAPTER,
        "dynamic programming finds the cheapest path of exactly K steps, for every K",
        Method::Enumeration("all subsets of the times, T = 12"),
        |run| {
            Ok(searched(run, StepCosts::best)?
                .and(check::path_costs_are_sums(StepCosts::along, &diffusion_costs(mismatched))?))
        },
    )
    .row("S1.70", || {
        let costs =
            diffusion_costs(|t| 0.25 * t.one_minus_alpha_bar() / (0.25 * t.alpha_bar() + t.one_minus_alpha_bar()));
        let pairs =
            (1..12).map(|t| costs.cost(Timestep::DATA, Timestep::new(t)) + costs.cost(Timestep::new(t), LAST));
        Row {
            got: costs.best(2).map_or(f64::NAN, |best| best.cost),
            want: pairs.fold(f64::INFINITY, f64::min),
            tol: Tol::abs(1e-12, "ledger"),
        }
    })
    .row("B14", || listed(1, 2.573_297))
    .row("B14", || listed(2, 1.068_986))
    .row("B14", || listed(4, 1.082_264))
    .row("B14", || listed(6, 1.101_149))
    .row("B14", || listed(12, 2.851_840))
    .fault(fault::GREEDY_PATH, |run| searched(run, fault::greedy_path))
    .fault(fault::EQUAL_STRIDE_PATH, |run| searched(run, fault::equal_stride_path))
    .fault(fault::ONE_STEP_TOO_FEW, |run| searched(run, fault::one_step_too_few))
    .fault(fault::AT_MOST_K_STEPS, |run| searched(run, fault::at_most_k_steps))
}

fn costs_are_divergences() -> Claim {
    Claim::legacy(
        "trajectory_costs_are_divergences",
        CHAPTER,
        "½(SNR_s − SNR_t)·error is the KL of a step with σ² = β̃, and the last cost the decoder's cross-entropy",
        Method::OtherPremises("precision addition, recursion on the βs"),
        |run| Ok(step(run, step_cost)?.and(last(run, decoder_cost)?)),
    )
    .row("B14", || Row {
        got: diffusion_costs(mismatched).cost(Timestep::new(3), LAST),
        want: one_step_by_precisions(),
        tol: Tol::abs(1e-12, "ledger"),
    })
    .fault(fault::STEP_COST_WITHOUT_HALF, |run| step(run, fault::step_cost_without_half))
    .fault(fault::STEP_COST_WITH_ONE_SNR, |run| step(run, fault::step_cost_with_one_snr))
    .fault(fault::DECODER_PRECISION_INVERTED, |run| last(run, fault::decoder_precision_inverted))
}

fn refinement() -> Claim {
    Claim::legacy(
        "refinement_helps_iff_the_error_falls",
        CHAPTER,
        "inserting b into (a, t) saves ½(SNR_a − SNR_b)(error_t − error_b), also where that is negative",
        Method::Enumeration("differences of whole paths, every triple of 12 times"),
        |_| refined(refinement_gain),
    )
    .row("B14", || {
        // The mismatched denoiser is worse at t = 6 than at t = 12, so the stop at 6 costs.
        let (schedule, costs) = (chain(), diffusion_costs(mismatched));
        let [a, b] = [Timestep::new(4), Timestep::new(6)];
        let level = |t| schedule.level(t);
        Row {
            got: refinement_gain(level(a), level(b), mismatched(level(b)), mismatched(level(LAST))),
            want: costs.cost(a, LAST) - costs.cost(a, b) - costs.cost(b, LAST),
            tol: Tol::abs(1e-12, "ledger"),
        }
    })
    .fault(fault::REFINEMENT_SIGN_FLIPPED, |_| refined(fault::refinement_sign_flipped))
    .fault(fault::REFINEMENT_ALWAYS_HELPS, |_| refined(fault::refinement_always_helps))
    .fault(fault::STEP_COST_WITH_ONE_SNR, |_| {
        refined(|a, _, error_b, error_t| fault::step_cost_with_one_snr(a, a, error_t - error_b))
    })
}

const LAST: Timestep = Timestep::new(12);

/// β = 12 values equally spaced from 0.01 to 0.45.
fn chain() -> Schedule {
    Schedule::new(Betas::linear(12, 0.01, 0.45).expect("constants inside the valid range"))
}

/// E(x₀ − √ᾱ x_t)² for N(0, ¼).
fn mismatched(t: Level) -> f64 {
    let noise = t.one_minus_alpha_bar();
    0.25 * noise * noise + t.alpha_bar() * noise
}

fn diffusion_costs(error: fn(Level) -> f64) -> StepCosts {
    let schedule = chain();
    let cost = |s: Timestep, t: Timestep| {
        let level = schedule.level(t);
        if s == Timestep::DATA {
            decoder_cost(level, error(level))
        } else {
            step_cost(schedule.level(s), level, error(level))
        }
    };
    StepCosts::new(12, cost).expect("finite costs")
}

fn listed(count: usize, want: f64) -> Row {
    let got = diffusion_costs(mismatched).best(count).map_or(f64::NAN, |best| best.cost);
    Row { got, want, tol: Tol::printed(6) }
}

/// The step 3 → 12 of the chain from precisions: (shift of the posterior mean)²/2β̃.
fn one_step_by_precisions() -> f64 {
    let betas = chain().betas().as_slice().to_vec();
    let level = |betas: &[f64]| {
        betas.iter().fold((1.0, 0.0), |(kept, v): (f64, f64), b| (kept * (1.0 - b), (1.0 - b) * v + b))
    };
    let ((kept, v), (alpha, beta), (total, noise)) = (level(&betas[..3]), level(&betas[3..]), level(&betas));
    let error = 0.25 * noise * noise + total * noise;
    let var = 1.0 / (alpha / beta + 1.0 / v);
    var * kept / (v * v) * error / 2.0
}

fn searched(run: &Run, best: impl Fn(&StepCosts, usize) -> Result<Trajectory>) -> Outcome {
    let exact = diffusion_costs(mismatched);
    let mut all = check::equals_brute_force(&best, &exact)?;
    for [u, v] in run.points().take(6) {
        // Costs without structure: a plateau is as likely as a slope.
        let cost = |s: Timestep, t: Timestep| {
            let (s, t) = (s.get() as f64, t.get() as f64);
            (u + 0.618_034 * s * t + v * s * s + 0.414_214 * t).fract() * (t - s)
        };
        let costs = StepCosts::new(10, cost).expect("finite costs");
        all = all.and(check::equals_brute_force(&best, &costs)?);
    }
    Ok(all)
}

fn step(run: &Run, cost: fn(Level, Level, f64) -> f64) -> Outcome {
    let points: Vec<[f64; 3]> = run.points().collect();
    let mut points = points.iter().cycle();
    run.over_schedules(|schedule| {
        (0..4).try_fold(last_only(schedule, points.next())?, |all, _| {
            let [u, v, w] = points.next().copied().unwrap_or([0.5; 3]);
            let t = 1 + (u * schedule.len() as f64) as usize;
            let s = (v * t as f64) as usize;
            if s == 0 {
                return Ok(all);
            }
            let (s, t) = (Timestep::new(s), Timestep::new(t));
            Ok(all.and(check::step_cost_is_divergence(cost, schedule, s, t, uniform(w, 0.01, 4.0))?))
        })
    })
}

/// The last step, which every schedule has.
fn last_only(schedule: &Schedule, point: Option<&[f64; 3]>) -> Outcome {
    let error = point.map_or(1.0, |[u, _, _]| uniform(*u, 0.01, 4.0));
    check::decoder_cost_is_cross_entropy(decoder_cost, schedule, schedule.last(), error)
}

fn last(run: &Run, cost: fn(Level, f64) -> f64) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().collect();
    let mut points = points.iter().cycle();
    run.over_schedules(|schedule| {
        let [u, v] = points.next().copied().unwrap_or([0.5; 2]);
        let t = Timestep::new(1 + (u * schedule.len() as f64) as usize);
        check::decoder_cost_is_cross_entropy(cost, schedule, t, uniform(v, 0.01, 4.0))
    })
}

fn refined(gain: impl Fn(Level, Level, f64, f64) -> f64) -> Outcome {
    let schedule = chain();
    let costs = diffusion_costs(mismatched);
    let error = |t: Timestep| mismatched(schedule.level(t));
    let mut all = Evidence::none();
    for t in 3..=12 {
        for b in 2..t {
            for a in 1..b {
                let times = [a, b, t].map(Timestep::new);
                all = all.and(check::gain_is_difference_of_paths(&gain, &costs, &schedule, error, times)?);
            }
        }
    }
    Ok(all)
}
