//! Claims on paths.

use std::f64::consts::TAU;

use super::{CHAPTER, at, beta_of, chain, recursion, roundings, row, toy, window};
use crate::check::forward as check;
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::check::forward::faults as fault;
use crate::forward::{Expansion, covariance, expansion, path_log_density};
use crate::schedule::{Betas, Schedule, Timestep, Transition};
use crate::check::{Claim, Method, Row};

pub(super) fn roll_outs() -> Claim {
    Claim::legacy(
        "roll_out_is_the_chain_with_its_noises_kept",
        CHAPTER,
        "x_t = √(α_{s+1}…α_t) x_s + Σ √(α_{i+1}…α_t β_i) ε_i along every path; the squares sum to 1 − ᾱ_t/ᾱ_s",
        Method::Enumeration("the chain run on unit impulses"),
        |run| roll_out(run, expansion),
    )
    .row("S0.10", || two_steps(40, [0.5, -1.0, 2.0]))
    .row("S0.11", || row(window(60).noise[0], ((1.0 - beta_of(60)) * beta_of(59)).sqrt(), roundings(4.0)))
    .row("S0.14", || row(window(80).var(), (1.0 - beta_of(80)) * beta_of(79) + beta_of(80), roundings(4.0)))
    .row("S1.24", || two_steps(90, [-1.2, 0.4, 0.7]))
    .row("S1.25", || {
        let (now, before) = (1.0 - beta_of(100), 1.0 - beta_of(99));
        let tol = Tol::rel(f64::EPSILON / beta_of(99), "α_t − α_t α_{t−1} cancels");
        row(window(100).noise[0], (now - now * before).sqrt(), tol)
    })
    .row("S3.26", || {
        let [first, second] = [0.9f64.sqrt() + 0.1f64.sqrt() * 0.2, 0.3f64.sqrt() * -0.6];
        let want = 0.5f64.sqrt() * (0.7f64.sqrt() * first + second) + 0.5f64.sqrt() * 1.1;
        row(expansion(&toy(), at(0), at(3)).at(1.0, &[0.2, -0.6, 1.1]), want, roundings(8.0))
    })
    .row("S3.28", || row(expansion(&toy(), at(0), at(3)).var(), 1.0 - 0.9 * 0.7 * 0.5, roundings(4.0)))
    .row("S3.29", || row(expansion(&toy(), at(0), at(3)).noise[0].powi(2), 0.035, roundings(4.0)))
    .row("S3.31", || row(expansion(&Schedule::ddpm(), at(0), at(500)).noise[498], 0.099_596_8, Tol::printed(7)))
    .row("S3.32", || row(expansion(&Schedule::ddpm(), at(0), at(500)).var(), 0.921_412_76, Tol::printed(8)))
    .fault(fault::ROOTS_OVER_FIRST_FACTOR, |run| roll_out(run, fault::roots_over_first_factor))
    .fault(fault::ONE_ROOT_FORGOTTEN, |run| roll_out(run, fault::one_root_forgotten))
    .fault(fault::NOISES_SHIFTED, |run| roll_out(run, fault::noises_shifted))
    .fault(fault::MERGED_NOISE, |run| roll_out(run, fault::merged_noise))
    .fault(fault::LAST_NOISE_SHRUNK, |run| roll_out(run, fault::last_noise_shrunk))
}

/// The same by two steps one after the other.
fn two_steps(t: usize, [x, first, second]: [f64; 3]) -> Row {
    let middle = (1.0 - beta_of(t - 1)).sqrt() * x + beta_of(t - 1).sqrt() * first;
    let want = (1.0 - beta_of(t)).sqrt() * middle + beta_of(t).sqrt() * second;
    row(window(t).at(x, &[first, second]), want, roundings(8.0))
}

fn roll_out(run: &Run, f: fn(&Schedule, Timestep, Timestep) -> Expansion) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().take(16).collect();
    run.over_schedules(|schedule| {
        let (first, last) = (Timestep::DATA, schedule.last());
        let whole = check::expansion(f, schedule, first, last)?;
        points.iter().try_fold(whole, |all, point| {
            let (s, t) = times(schedule, *point);
            Ok(all.and(check::expansion(f, schedule, s, t)?))
        })
    })
}

/// Two times s < t of a schedule, from the unit square.
fn times(schedule: &Schedule, [u, v]: [f64; 2]) -> (Timestep, Timestep) {
    let t = 1 + (u * schedule.len() as f64) as usize;
    (at((v * t as f64) as usize), at(t))
}

pub(super) fn respacings() -> Claim {
    Claim::legacy(
        "any_subsequence_of_times_has_the_same_marginals",
        CHAPTER,
        "β' = 1 − ᾱ_t/ᾱ_s between kept times gives the kept chain the ᾱ of the full one",
        Method::OtherPremises("logarithms of 1 − β summed over either chain"),
        |run| {
            respace(run, |schedule, kept| {
                Betas::respaced(schedule, kept).expect("times that increase").as_slice().to_vec()
            })
        },
    )
    .row("S2.12", || {
        let kept: Vec<Timestep> = (1..=50).map(|k| at(20 * k)).collect();
        let respaced = Schedule::new(Betas::respaced(&Schedule::ddpm(), &kept).expect("times that increase"));
        row(respaced.alpha_bar(at(25)), recursion(500).0.powi(2), roundings(200.0))
    })
    .fault(fault::FULL_CHAIN_BETAS, |run| respace(run, fault::full_chain_betas))
    .fault(fault::BETAS_SUMMED, |run| respace(run, fault::betas_summed))
    .fault(fault::RESPACED_FROM_DATA, |run| respace(run, fault::respaced_from_data))
}

fn respace(run: &Run, f: fn(&Schedule, &[Timestep]) -> Vec<f64>) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().take(16).collect();
    run.over_schedules(|schedule| {
        points.iter().try_fold(Evidence::none(), |all, &[u, v]| {
            let stride = 1 + (u * 0.3 * schedule.len() as f64) as usize;
            let first = 1 + (v * stride.min(schedule.len()) as f64) as usize;
            let kept: Vec<Timestep> = (first..=schedule.len()).step_by(stride).map(Timestep::new).collect();
            let (s, t) = times(schedule, [u, v]);
            let between = |s, t| Transition::between(s, t).expect("ᾱ falls");
            Ok(all
                .and(check::respaced(f, schedule, &kept)?)
                .and(check::transition(Schedule::transition, schedule, s, t)?)
                .and(check::transition_between_levels(between, schedule, s, t)?))
        })
    })
}

pub(super) fn paths() -> Claim {
    Claim::legacy(
        "product_of_kernels_is_the_joint_gaussian",
        CHAPTER,
        "ln q(x_{1:T} | x_0) = Σ ln q(x_t | x_{t−1}), with no factor q(x_0)",
        Method::OtherPremises("multivariate Gaussian by the Cholesky factor of the chain's covariance"),
        |run| path(run, path_density),
    )
    .row("S0.03", || row(check::path_mass(path_density, &chain(&[0.1, 0.3]), 0.0), 1.0, roundings(64.0)))
    .row("S1.16", || {
        // Three densities written out with unit noises in each kernel.
        let xs = [0.5, 0.9f64.sqrt() * 0.5 + 0.1f64.sqrt()];
        let want = -0.5 * (1.0 + (TAU * 0.1).ln());
        row(path_density(&chain(&[0.1]), &xs), want, roundings(32.0))
    })
    .row("S3.07", || {
        let xs = [1.0, 0.9f64.sqrt(), 0.63f64.sqrt(), 0.315f64.sqrt()];
        row(path_density(&toy(), &xs), -0.5 * (3.0 * TAU.ln() + 0.015f64.ln()), roundings(32.0))
    })
    .fault(fault::DENSITY_WITH_Q_OF_X0, |run| path(run, fault::density_with_q_of_x0))
    .fault(fault::PRODUCT_OF_MARGINALS, |run| path(run, fault::product_of_marginals))
    .fault(fault::FIRST_KERNEL_DROPPED, |run| path(run, fault::first_kernel_dropped))
    .fault(fault::PATH_REVERSED, |run| path(run, fault::path_reversed))
}

fn path_density(schedule: &Schedule, path: &[f64]) -> f64 {
    path_log_density(schedule, path).expect("a path of T + 1 states")
}

/// Chains of one to eight steps, β log-uniform in (10⁻³, 0.6).
fn short_chain([u, v, w]: [f64; 3]) -> Schedule {
    let steps = 1 + (u * 8.0) as usize;
    let beta = |i: usize| log_uniform((v + w * i as f64).fract(), 1e-3, 0.6);
    chain(&(0..steps).map(beta).collect::<Vec<_>>())
}

fn path(run: &Run, f: fn(&Schedule, &[f64]) -> f64) -> Outcome {
    run.over(|[u, v, w, x, a, b, c]| {
        let noise = [a, b, c].map(|u| uniform(u, -2.5, 2.5));
        check::path_density(f, &short_chain([u, v, w]), uniform(x, -2.0, 2.0), &noise)
    })
}

pub(super) fn covariances() -> Claim {
    Claim::legacy(
        "states_are_jointly_gaussian_and_markov",
        CHAPTER,
        "Cov(x_s, x_t) = √(ᾱ_t/ᾱ_s) Var(x_s); the precision matrix is tri-diagonal",
        Method::OtherPremises("precision matrix added up kernel by kernel, times the covariances"),
        |run| covary(run, covariance),
    )
    .row("S1.12", || {
        row(
            covariance(&toy(), at(3), at(3), 0.6),
            check::marginal_by_inversion(&[0.1, 0.3, 0.5], 0.6),
            roundings(16.0),
        )
    })
    .row("S3.02", || {
        // Cov(x_1, x_3) = √(α_2 α_3) Var(x_1) with Var(x_1) = 0.9 · 0.6 + 0.1.
        row(covariance(&toy(), at(1), at(3), 0.6), (0.7f64 * 0.5).sqrt() * 0.64, roundings(8.0))
    })
    .row("S3.03", || {
        let c = |s: usize, t: usize| covariance(&toy(), at(s), at(t), 0.6);
        row(c(0, 2) / c(1, 2), c(0, 1) / c(1, 1), roundings(8.0))
    })
    .fault(fault::COVARIANCE_NOT_SHRUNK, |run| covary(run, fault::covariance_not_shrunk))
    .fault(fault::COVARIANCE_SHRUNK_FROM_DATA, |run| covary(run, fault::covariance_shrunk_from_data))
    .fault(fault::COVARIANCE_THROUGH_DATA_ONLY, |run| covary(run, fault::covariance_through_data_only))
    .fault(fault::DATA_VARIANCE_TAKEN_AS_ONE, |run| covary(run, fault::data_variance_taken_as_one))
}

fn covary(run: &Run, f: fn(&Schedule, Timestep, Timestep, f64) -> f64) -> Outcome {
    run.over(|[u, v, w, data]| check::covariance(f, &short_chain([u, v, w]), log_uniform(data, 0.05, 5.0)))
}
