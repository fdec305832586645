//! Claims on optimal sub-trajectories.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::PI;

use crate::error::Result;
use crate::schedule::{Betas, Level, Schedule, Timestep};
use crate::trajectory::{StepCosts, Trajectory};

use super::witness::simulate::Marginal;
use super::{Check, Method, Mismatch, Outcome, Run, Tol, Trial, uniform};

/// β = 12 values equally spaced from 0.01 to 0.45.
fn chain() -> Schedule {
    Schedule::new(Betas::linear(12, 0.01, 0.45).expect("constants inside the valid range"))
}

/// E(x₀ − √ᾱ x_t)² for N(0, ¼).
fn mismatched(t: Level) -> f64 {
    let noise = t.one_minus_alpha_bar();
    0.25 * noise * noise + t.alpha_bar() * noise
}

/// Costs of the chain's steps for a denoiser of this error.
fn diffusion_costs(error: impl Fn(Level) -> f64) -> StepCosts {
    let schedule = chain();
    let cost = |s: Timestep, t: Timestep| {
        let (error, snr) = (error(schedule.level(t)), schedule.level(t).snr());
        match s {
            Timestep::DATA => 0.5 * ((2.0 * PI / snr).ln() + error * snr),
            s => 0.5 * (schedule.level(s).snr() - snr) * error,
        }
    };
    StepCosts::new(12, cost).expect("finite costs")
}

// ANCHOR: equals_brute_force
/// The cheapest path of K steps equals the minimum over all subsets of times, for every K.
///
/// ```text
/// best(costs, K).cost = min over T = t_1 > t_2 > … > t_K > 0 of Σ_i cost(t_{i+1}, t_i),   t_{K+1} = 0
/// ```
///
/// Method: all 2^{T−1} subsets as bit masks, on the costs of a diffusion chain of 12 steps and on six tables without
/// structure. Source: Watson et al. 2021, arXiv:2106.03802, algorithm 1.
///
/// ```
/// use alphabar::{check, trajectory::StepCosts};
///
/// check::trajectory::equals_brute_force(StepCosts::best).assert();
/// ```
pub fn equals_brute_force<'f>(best: impl Fn(&StepCosts, usize) -> Result<Trajectory> + 'f) -> Check<'f> {
    let method = Method::Enumeration("all subsets of the times, T = 12");
    let sentence = "dynamic programming finds the cheapest path of exactly K steps, for every K";
    Check::new("optimal_trajectory_equals_brute_force", sentence, method, move |run| searched(run, &best))
        .rejects(faults::SEARCHES, searched)
}

fn searched(run: &Run, best: impl Fn(&StepCosts, usize) -> Result<Trajectory>) -> Outcome {
    let mut all = cheapest(&best, &diffusion_costs(mismatched))?;
    for [u, v] in run.points().take(6) {
        // Costs without structure: a plateau is as likely as a slope.
        let cost = |s: Timestep, t: Timestep| {
            let (s, t) = (s.get() as f64, t.get() as f64);
            (u + 0.618_034 * s * t + v * s * s + 0.414_214 * t).fract() * (t - s)
        };
        all = all.and(cheapest(&best, &StepCosts::new(10, cost).expect("finite costs"))?);
    }
    Ok(all)
}

fn cheapest(best: impl Fn(&StepCosts, usize) -> Result<Trajectory>, costs: &StepCosts) -> Outcome {
    let steps = costs.steps();
    let mut cheapest = vec![f64::INFINITY; steps];
    for mask in 0u32..1 << (steps - 1) {
        let kept = mask.count_ones() as usize;
        cheapest[kept] = cheapest[kept].min(path_cost(costs, (1..steps).filter(|t| mask >> (t - 1) & 1 == 1)));
    }
    let mut trial = Trial::new();
    let scale = cheapest.iter().fold(1.0, |most: f64, cost| most.max(cost.abs()));
    let tol = Tol::abs(4.0 * steps as f64 * f64::EPSILON * scale, "T summands in another order");
    for (k, want) in cheapest.iter().enumerate() {
        let count = k + 1;
        let place = || format!("{count} of {steps} steps");
        let found = best(costs, count).map_err(|_| missing("a path", count))?;
        trial.close("cost", found.cost, *want, tol, place)?;
        trial.close("number of times", found.times.len() as f64, count as f64, Tol::exact(), place)?;
        let first = found.times.first().map_or(0, |t| t.get());
        trial.close("first time", first as f64, steps as f64, Tol::exact(), place)?;
        let along = path_cost(costs, found.times.iter().rev().map(|t| t.get()).filter(|&t| t < steps));
        trial.close("cost of the times returned", along, *want, tol, place)?;
    }
    Ok(trial.evidence())
}
// ANCHOR_END: equals_brute_force

/// The cost of a path is the sum of its steps', the one to the data included.
///
/// ```text
/// along(costs, [t_1, …, t_K]) = Σ_i cost(t_{i+1}, t_i),   t_{K+1} = 0
/// ```
///
/// Method: the sum itself over all 2^{T−1} subsets of 12 times. Source: Watson et al. 2021, arXiv:2106.03802, sect. 3.
///
/// ```
/// use alphabar::{check, trajectory::StepCosts};
///
/// check::trajectory::path_costs_are_sums(StepCosts::along).assert();
/// ```
pub fn path_costs_are_sums<'f>(along: impl Fn(&StepCosts, &[Timestep]) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::Enumeration("all subsets of the times, T = 12");
    let sentence = "the cost of a path is the sum of its steps', the one to the data included";
    Check::new("path_costs_are_sums", sentence, method, move |_| sums(&along))
}

fn sums(along: impl Fn(&StepCosts, &[Timestep]) -> Result<f64>) -> Outcome {
    let costs = diffusion_costs(mismatched);
    let steps = costs.steps();
    let mut trial = Trial::new();
    for mask in 0u32..1 << (steps - 1) {
        let kept = || (1..steps).filter(|t| mask >> (t - 1) & 1 == 1);
        let times: Vec<Timestep> = kept().chain([steps]).rev().map(Timestep::new).collect();
        let got = along(&costs, &times).map_err(|_| missing("the cost of a path", times.len()))?;
        let want = path_cost(&costs, kept());
        let tol = Tol::new(1e-14, 1e-14, "12 summands in another order");
        trial.close("cost of a path", got, want, tol, || format!("times {times:?}"))?;
    }
    Ok(trial.evidence())
}

fn path_cost(costs: &StepCosts, increasing: impl Iterator<Item = usize>) -> f64 {
    let mut s = 0;
    let mut total = 0.0;
    for t in increasing.chain([costs.steps()]) {
        total += if s < t { costs.cost(Timestep::new(s), Timestep::new(t)) } else { f64::NAN };
        s = t;
    }
    total
}

fn missing(what: &str, count: usize) -> Mismatch {
    let tol = Tol::exact();
    Mismatch { what: what.into(), got: f64::NAN, want: 0.0, tol, at: format!("{count} steps") }
}

/// The cost of a step is the KL between the posteriors given the true and a wrong x₀, that of the last step the
/// cross-entropy of the decoder N(x̂₀, V/m²).
///
/// ```text
/// step(s, t, error) = (μ̃(x₀) − μ̃(x̂₀))²/2β̃        1/β̃ = α/β + 1/V        μ̃ = β̃ (√α x_t/β + m x₀/V)
/// decoder(t, error) = ½ (ln 2πV/m² + error m²/V)
/// ```
///
/// Method: precision addition, levels m and V by recursion on the βs. Source: Kingma et al. 2021, arXiv:2107.00630,
/// eqs. (11), (13).
///
/// ```
/// use alphabar::{check, trajectory::{decoder_cost, step_cost}};
///
/// check::trajectory::costs_are_divergences(step_cost, decoder_cost).assert();
/// ```
pub fn costs_are_divergences<'f>(
    step: impl Fn(Level, Level, f64) -> f64 + 'f,
    decoder: impl Fn(Level, f64) -> f64 + 'f,
) -> Check<'f> {
    let method = Method::OtherPremises("precision addition, recursion on the βs");
    let sentence =
        "½(SNR_s − SNR_t)·error is the KL of a step with σ² = β̃, and the last cost the decoder's cross-entropy";
    Check::new("trajectory_costs_are_divergences", sentence, method, move |run| both_costs(run, (&step, &decoder)))
        .rejects(faults::COSTS, both_costs)
}

fn both_costs(
    run: &Run,
    (step, decoder): (impl Fn(Level, Level, f64) -> f64, impl Fn(Level, f64) -> f64),
) -> Outcome {
    let last = |schedule: &Schedule, t: Timestep, error: f64| {
        let got = decoder(schedule.level(t), error);
        let (m, v) = levels(&schedule.betas().as_slice()[..t.get()]);
        let var = v / (m * m);
        let want = 0.5 * ((2.0 * PI * var).ln() + error / var);
        let scale = 2.0 + var.ln().abs() + error / var;
        let tol = Tol::abs((8.0 + 2.0 * t.get() as f64) * f64::EPSILON * scale, "2t + 8 roundings of the terms");
        let mut trial = Trial::new();
        trial.close("cost of the last step", got, want, tol, || format!("t = {}", t.get()))?;
        Ok(trial.evidence())
    };
    let points: Vec<[f64; 3]> = run.points().collect();
    let mut points = points.iter().cycle();
    let steps = run.over_schedules(|schedule| {
        let error = points.next().map_or(1.0, |[u, _, _]| uniform(*u, 0.01, 4.0));
        (0..4).try_fold(last(schedule, schedule.last(), error)?, |all, _| {
            let [u, v, w] = points.next().copied().unwrap_or([0.5; 3]);
            let t = 1 + (u * schedule.len() as f64) as usize;
            let s = (v * t as f64) as usize;
            if s == 0 {
                return Ok(all);
            }
            let (s, t, error) = (Timestep::new(s), Timestep::new(t), uniform(w, 0.01, 4.0));
            let betas = schedule.betas().as_slice();
            let (m, v) = levels(&betas[..s.get()]);
            let (root, beta) = levels(&betas[s.get()..t.get()]);
            let var = 1.0 / (root * root / beta + 1.0 / v);
            let shift = var * m / v;
            let want = shift * shift * error / (2.0 * var);
            let (at_s, at_t) = (schedule.level(s), schedule.level(t));
            let lost = at_s.snr() / (at_s.snr() - at_t.snr());
            let tol =
                Tol::roundings(16.0 + 4.0 * t.get() as f64, lost, "4t + 16 roundings, SNR_s/(SNR_s − SNR_t) lost");
            let mut trial = Trial::new();
            let place = || format!("s = {}, t = {}", s.get(), t.get());
            trial.close("cost of a step", step(at_s, at_t, error), want, tol, place)?;
            Ok(all.and(trial.evidence()))
        })
    })?;
    let points: Vec<[f64; 2]> = run.points().collect();
    let mut points = points.iter().cycle();
    let ends = run.over_schedules(|schedule| {
        let [u, v] = points.next().copied().unwrap_or([0.5; 2]);
        last(schedule, Timestep::new(1 + (u * schedule.len() as f64) as usize), uniform(v, 0.01, 4.0))
    })?;
    Ok(steps.and(ends))
}

/// What a refinement saves equals the difference of two whole paths' costs and has the sign of the errors' difference.
///
/// ```text
/// gain(a, b, error_b, error_t) = cost(a, t) − cost(a, b) − cost(b, t)        0 < a < b < t
/// ```
///
/// Method: differences of whole paths for every triple of 12 times of a chain with a mismatched denoiser. Source: Kingma
/// et al. 2021, arXiv:2107.00630, sect. 4.1.
///
/// ```
/// use alphabar::{check, trajectory::refinement_gain};
///
/// check::trajectory::gain_is_difference_of_paths(refinement_gain).assert();
/// ```
pub fn gain_is_difference_of_paths<'f>(gain: impl Fn(Level, Level, f64, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Enumeration("differences of whole paths, every triple of 12 times");
    let sentence = "inserting b into (a, t) saves ½(SNR_a − SNR_b)(error_t − error_b), also where that is negative";
    Check::new("refinement_helps_iff_the_error_falls", sentence, method, move |run| refined(run, &gain))
        .rejects(faults::GAINS, refined)
}

fn refined(_: &Run, gain: impl Fn(Level, Level, f64, f64) -> f64) -> Outcome {
    let (schedule, costs) = (chain(), diffusion_costs(mismatched));
    let level = |t: usize| schedule.level(Timestep::new(t));
    let cost = |s: usize, t: usize| costs.cost(Timestep::new(s), Timestep::new(t));
    let helps = |yes: bool| if yes { 1.0 } else { 0.0 };
    let mut trial = Trial::new();
    let triples = (3..=12).flat_map(|t| (2..t).flat_map(move |b| (1..b).map(move |a| (a, b, t))));
    for (a, b, t) in triples {
        let (error_b, error_t) = (mismatched(level(b)), mismatched(level(t)));
        let got = gain(level(a), level(b), error_b, error_t);
        let terms = [cost(a, t), cost(a, b), cost(b, t)];
        let want = terms[0] - terms[1] - terms[2];
        let tol = Tol::abs(16.0 * f64::EPSILON * terms.iter().sum::<f64>(), "three costs are subtracted");
        let place = || format!("a = {a}, b = {b}, t = {t}");
        trial.close("saved", got, want, tol, place)?;
        trial.close("helps", helps(got >= 0.0), helps(error_b <= error_t), Tol::exact(), place)?;
    }
    Ok(trial.evidence())
}

fn levels(betas: &[f64]) -> (f64, f64) {
    let Marginal { coefficient, var } = Marginal::through(betas);
    (coefficient, var)
}
