//! The claims of the chapter `forward`, bound to this crate.

use std::f64::consts::TAU;

use ndarray::arr0;
use ndarray_rand::rand::{Rng, SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;

use super::{Claim, Method, Row};
use crate::check::forward::{self as check, REFERENCE_MIXTURE, Step, mixture_density};
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::fault::forward as fault;
use crate::forward::{Expansion, Kernel, add_noise, covariance, expansion, path_log_density};
use crate::posterior::Moments;
use crate::schedule::{Betas, Level, Schedule, Timestep, Transition};

const CHAPTER: &str = "forward";

pub(super) fn claims() -> Vec<Claim> {
    vec![
        marginals(),
        steps(),
        roll_outs(),
        compositions(),
        respacings(),
        paths(),
        covariances(),
        variances(),
        convolutions(),
        draws(),
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

fn marginals() -> Claim {
    Claim::new(
        "marginal_is_what_single_steps_accumulate",
        CHAPTER,
        "q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I)",
        Method::Enumeration("recursion of scale and variance on the βs, one step at a time"),
        |run| marginal(run, |schedule, t| Kernel::from_data(schedule.level(t))),
    )
    .row("S0.17", || row(noised(Schedule::ddpm().level(at(1000)), 1.0, 0.0), recursion(1000).0, roundings(200.0)))
    .row("S0.18", || {
        row(
            Kernel::from_data(toy().level(at(3))).push(Moments { mean: 0.0, var: 0.49 }).var,
            check::marginal_by_inversion(&[0.1, 0.3, 0.5], 0.49),
            roundings(16.0),
        )
    })
    .row("S1.27", || row(linear(100).scale, recursion(100).0, roundings(50.0)))
    .row("S1.28", || row(linear(100).var, recursion(100).1, roundings(50.0)))
    .row("S1.55", || row(linear(500).scale, 0.280_334, Tol::printed(6)))
    .row("S2.09", || row(linear(500).var, recursion(500).1, roundings(100.0)))
    .row("S2.20", || {
        let (scale, var) = recursion(250);
        row(noised(Schedule::ddpm().level(at(250)), 0.7, -0.4), 0.7 * scale - 0.4 * var.sqrt(), roundings(100.0))
    })
    .row("S3.27", || row(Kernel::from_data(toy().level(at(3))).at(1.0).mean, 0.561_249, Tol::printed(6)))
    .row("S3.30", || row(Kernel::from_data(toy().level(at(3))).var, 0.685, roundings(4.0)))
    .row("S3.33", || {
        let (scale, var) = recursion(10);
        let want = -0.5 * ((0.3 - 0.2 * scale).powi(2) / var + (TAU * var).ln());
        row(linear(10).log_density(0.3, 0.2), want, roundings(50.0))
    })
    .row("S3.61", || row(linear(500).at(1.0).mean, 0.2803, Tol::printed(4)))
    .fault(fault::ALPHA_FOR_ALPHA_BAR, |run| marginal(run, fault::alpha_for_alpha_bar))
    .fault(fault::MARGINAL_OF_PREVIOUS_TIME, |run| marginal(run, fault::marginal_of_previous_time))
    .fault(fault::ALPHA_BAR_NOT_ROOTED, |run| marginal(run, fault::alpha_bar_not_rooted))
    .fault(fault::STD_FOR_MARGINAL_VARIANCE, |run| marginal(run, fault::std_for_marginal_variance))
    .fault(fault::NOISE_AMPLITUDE_COMPLEMENT, |run| marginal(run, fault::noise_amplitude_complement))
}

fn marginal(run: &Run, f: fn(&Schedule, Timestep) -> Kernel) -> Outcome {
    run.over_schedules(|schedule| check::marginal(f, schedule))
}

fn draw(step: &Transition, x: f64, noise: f64) -> f64 {
    Kernel::between(step).draw(x, noise)
}

fn log_density(step: &Transition, y: f64, x: f64) -> f64 {
    Kernel::between(step).log_density(y, x)
}

fn steps() -> Claim {
    let beta = |t: usize| Schedule::ddpm().betas().as_slice()[t - 1];
    let _ = beta;
    Claim::new(
        "a_step_draws_from_its_density",
        CHAPTER,
        "√α_t x + √β_t ε has the density N(√α_t x, β_t I)",
        Method::OtherPremises("change of variables; the map's factors read off by impulses"),
        |run| step_law(run, draw, log_density),
    )
    .row("S0.04", || row(draw(&linear_step(2), 1.3, 0.0), (1.0 - beta_of(2)).sqrt() * 1.3, roundings(2.0)))
    .row("S0.07", || {
        let root = (1.0 - beta_of(7)).sqrt();
        let want = -0.5 * ((0.52 - 0.5 * root).powi(2) / beta_of(7) + (TAU * beta_of(7)).ln());
        row(log_density(&linear_step(7), 0.52, 0.5), want, roundings(100.0))
    })
    .row("S0.09", || changed_variables(300, 0.6, -1.1))
    .row("S1.21", || row(Kernel::between(&linear_step(50)).var, -(-beta_of(50)).ln_1p().exp_m1(), roundings(2.0)))
    .row("S2.04", || {
        let want = (1.0 - beta_of(120)).sqrt() * -0.8 + beta_of(120).sqrt() * 1.7;
        row(draw(&linear_step(120), -0.8, 1.7), want, roundings(4.0))
    })
    .row("S2.07", || row(Kernel::between(&linear_step(400)).at(0.9).mean, moment(400, 0.9, 1), roundings(16.0)))
    .row("S2.08", || changed_variables(700, -1.4, 0.3))
    .row("S3.06", || row(Kernel::between(&linear_step(1000)).at(0.0).var, moment(1000, 0.0, 2), roundings(16.0)))
    .fault(fault::BETA_AS_STD, |run| step_law(run, fault::beta_as_std, log_density))
    .fault(fault::STEP_SCALE_NOT_ROOTED, |run| step_law(run, fault::step_scale_not_rooted, log_density))
    .fault(fault::STEP_NOT_SCALED, |run| step_law(run, fault::step_not_scaled, log_density))
    .fault(fault::DENSITY_WITH_STD, |run| step_law(run, draw, fault::density_with_std))
    .fault(fault::DENSITY_NOT_NORMALISED, |run| step_law(run, draw, fault::density_not_normalised))
}

fn beta_of(t: usize) -> f64 {
    Schedule::ddpm().betas().as_slice()[t - 1]
}

fn linear_step(t: usize) -> Transition {
    Schedule::ddpm().step(at(t))
}

fn changed_variables(t: usize, x: f64, noise: f64) -> Row {
    let got = log_density(&linear_step(t), draw(&linear_step(t), x, noise), x);
    row(got, -0.5 * (noise * noise + TAU.ln() + beta_of(t).ln()), roundings(64.0))
}

/// A moment of the density of x_t given x_{t−1} = x, by the trapezoidal rule over 10 standard deviations.
fn moment(t: usize, x: f64, power: i32) -> f64 {
    let std = beta_of(t).sqrt();
    let term = |k: i32| {
        let y = (1.0 - beta_of(t)).sqrt() * x + 0.25 * f64::from(k) * std;
        y.powi(power) * log_density(&linear_step(t), y, x).exp() * 0.25 * std
    };
    (-40..=40).map(term).sum()
}

fn step_law(
    run: &Run,
    draw: fn(&Transition, f64, f64) -> f64,
    log_density: fn(&Transition, f64, f64) -> f64,
) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().collect();
    run.over_schedules(|schedule| {
        schedule.timesteps().zip(points.iter().cycle()).try_fold(Evidence::none(), |all, (t, [u, v])| {
            let step = Step::new(schedule, t, uniform(*u, -3.0, 3.0), uniform(*v, -3.0, 3.0));
            Ok(all.and(check::step_law(draw, log_density, &step)?))
        })
    })
}

fn roll_outs() -> Claim {
    Claim::new(
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

/// x_t rolled out over its last two steps.
fn window(t: usize) -> Expansion {
    expansion(&Schedule::ddpm(), at(t - 2), at(t))
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

fn compositions() -> Claim {
    Claim::new(
        "kernels_compose_as_integrals",
        CHAPTER,
        "two Gaussian kernels in a row are one, whose variance is the sum of the independent parts (A0.1, A1.6)",
        Method::Numerical("Chapman–Kolmogorov by the trapezoidal rule"),
        |run| compose(run, Kernel::then),
    )
    .row("S0.13", || {
        let sum = Kernel { scale: 1.0, var: 0.2 }.then(Kernel { scale: 1.0, var: 0.5 });
        row(sum.var, second_moment_of_convolution(0.2, 0.5), roundings(16.0))
    })
    .row("S0.15", || {
        let sum = Kernel { scale: 0.0, var: 0.3 }.then(Kernel { scale: 1.0, var: 0.4 });
        row(sum.log_density(0.8, 0.0), convolution_at(0.3, 0.4, 0.8).ln(), roundings(32.0))
    })
    .row("S0.16", || {
        let (alpha, earlier) = (1.0 - beta_of(600), 1.0 - beta_of(599));
        let two = Kernel::between(&linear_step(599)).then(Kernel::between(&linear_step(600)));
        row(two.var, 1.0 - alpha * earlier, Tol::rel(f64::EPSILON / two.var, "1 − α_t α_{t−1} cancels"))
    })
    .row("S1.26", || {
        let two = Kernel::between(&linear_step(899)).then(Kernel::between(&linear_step(900)));
        let first = beta_of(899) * (1.0 - beta_of(900));
        row(two.var, second_moment_of_convolution(first, beta_of(900)), roundings(16.0))
    })
    .row("A0.1", || {
        // Correlated noises: one noise for both steps has the variance of summed deviations.
        let got = fault::stds_added(Kernel { scale: 1.0, var: 0.2 }, Kernel { scale: 1.0, var: 0.5 }).var;
        row(got - 0.7, 2.0 * (0.2f64 * 0.5).sqrt(), roundings(8.0))
    })
    .row("A1.6", || {
        // Line 2 and line 3 of the roll-out agree in law and differ along a path.
        let kept = expansion(&toy(), at(1), at(3));
        let merged = fault::merged_noise(&toy(), at(1), at(3));
        let (eps, other) = (1.0, -0.5);
        let gap = merged.at(0.0, &[eps, other]) - kept.at(0.0, &[eps, other]);
        row(gap, (1.0f64 - 0.35).sqrt() - 0.15f64.sqrt() + 0.5 * 0.5f64.sqrt(), roundings(16.0))
    })
    .fault(fault::STDS_ADDED, |run| compose(run, fault::stds_added))
    .fault(fault::SECOND_SCALE_NOT_APPLIED, |run| compose(run, fault::second_scale_not_applied))
    .fault(fault::SECOND_SCALE_NOT_SQUARED, |run| compose(run, fault::second_scale_not_squared))
    .fault(fault::STEPS_EXCHANGED, |run| compose(run, fault::steps_exchanged))
}

/// ∫ N(z; 0, v) N(y − z; 0, w) dz on a grid.
fn convolution_at(v: f64, w: f64, y: f64) -> f64 {
    let width = 0.25 * v.min(w).sqrt();
    let normal = |x: f64, var: f64| (-0.5 * x * x / var).exp() / (TAU * var).sqrt();
    (-80..=80).map(|k| f64::from(k) * width).map(|z| normal(z, v) * normal(y - z, w) * width).sum()
}

fn second_moment_of_convolution(v: f64, w: f64) -> f64 {
    let width = 0.25 * v.min(w).sqrt();
    (-120..=120).map(|k| f64::from(k) * width).map(|y| y * y * convolution_at(v, w, y) * width).sum()
}

fn compose(run: &Run, f: fn(Kernel, Kernel) -> Kernel) -> Outcome {
    run.over(|[a, b, v, w, x]| {
        let first = Kernel { scale: uniform(a, -1.2, 1.2), var: log_uniform(v, 0.02, 1.5) };
        let second = Kernel { scale: uniform(b, 0.1, 1.2), var: log_uniform(w, 0.02, 1.5) };
        check::composition(f, first, second, uniform(x, -2.0, 2.0))
    })
}

fn respacings() -> Claim {
    Claim::new(
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
            let far = check::transition(Schedule::transition, schedule, s, t)?;
            Ok(all.and(check::respaced(f, schedule, &kept)?).and(far))
        })
    })
}

fn paths() -> Claim {
    Claim::new(
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

fn covariances() -> Claim {
    Claim::new(
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

fn variances() -> Claim {
    Claim::new(
        "variance_of_a_step_is_total_variance",
        CHAPTER,
        "Var(y) = a²Var(x) + σ² for any linear kernel; along a chain v_t − 1 = ᾱ_t (v_0 − 1)",
        Method::Enumeration("two-point states and three-point noises; contraction by summed logarithms"),
        |run| variance(run, Kernel::push),
    )
    .row("S1.17", || {
        let exploding = Kernel { scale: 1.0, var: 0.09 }.push(Moments { mean: 0.2, var: 0.16 });
        row(exploding.var, 0.25, roundings(2.0))
    })
    .row("S1.18", || {
        row(Kernel { scale: 0.8, var: 0.36 }.push(Moments { mean: 0.0, var: 2.5 }).var, 1.96, roundings(4.0))
    })
    .row("S1.19", || {
        let kept = Kernel::variance_preserving(0.37).expect("between −1 and 1");
        row(kept.push(Moments { mean: 3.0, var: 1.0 }).var, 1.0, roundings(2.0))
    })
    .row("S2.05", || {
        let got = linear(300).push(Moments { mean: 0.0, var: 4.0 }).var;
        row(got - 1.0, 3.0 * recursion(300).0.powi(2), roundings(100.0))
    })
    .row("A1.1", || {
        row(
            fault::unit_variance_assumed(Kernel { scale: 0.8, var: 0.36 }, Moments { mean: 0.0, var: 2.5 }).var,
            0.8f64.mul_add(0.8, 0.36),
            roundings(2.0),
        )
    })
    .row("A2.1", || {
        let steps = Schedule::ddpm();
        let got =
            steps.steps().take(500).fold(Moments { mean: 0.0, var: 4.0 }, |x, (_, s)| Kernel::between(&s).push(x));
        row(got.var, 1.0 + 3.0 * recursion(500).0.powi(2), roundings(500.0))
    })
    .row("A2.4", || {
        let unscaled = |x: Moments, beta: &f64| Kernel { scale: 1.0, var: *beta }.push(x);
        let got = Schedule::ddpm().betas().as_slice().iter().fold(Moments { mean: 0.0, var: 1.0 }, unscaled);
        row(got.var, 11.05, Tol::printed(2))
    })
    .fault(fault::UNIT_VARIANCE_ASSUMED, |run| variance(run, fault::unit_variance_assumed))
    .fault(fault::SCALE_NOT_SQUARED, |run| variance(run, fault::scale_not_squared))
    .fault(fault::STD_ADDED_TO_VARIANCE, |run| variance(run, fault::std_added_to_variance))
    .fault(fault::MEAN_NOT_SCALED, |run| variance(run, fault::mean_not_scaled))
}

fn variance(run: &Run, f: fn(Kernel, Moments) -> Moments) -> Outcome {
    let single = run.over(|[a, v, m, s]| {
        let kernel = Kernel { scale: uniform(a, -1.5, 1.5), var: log_uniform(v, 1e-4, 4.0) };
        check::push(f, kernel, Moments { mean: uniform(m, -3.0, 3.0), var: log_uniform(s, 1e-3, 10.0) })
    })?;
    let chains = run.over_schedules(|schedule| {
        Ok(check::unit_variance(f, schedule, 4.0)?
            .and(check::unit_variance(f, schedule, 1.0)?)
            .and(check::unit_variance(f, schedule, 0.0)?))
    })?;
    Ok(single.and(chains))
}

fn convolutions() -> Claim {
    Claim::new(
        "noising_is_scaling_and_convolution",
        CHAPTER,
        "noised data has the density of the data, scaled by a and convolved with N(0, σ²); Gaussian only in the limit",
        Method::Numerical("convolution of densities on a grid"),
        |run| convolve(run, noised_density),
    )
    .row("S0.02", || {
        let kernel = linear(1000);
        let far = check::relative_entropy_to_gaussian(|y| noised_density(kernel, y), Some(Moments { mean: 0.0, var: 1.0 }));
        // To second order in √ᾱ the KL is half the squared mean; the rest is of order ᾱ².
        row(far, 0.5 * (0.25 * recursion(1000).0).powi(2), Tol::abs(2e-9, "terms of order ᾱ²"))
    })
    .row("S2.01", || {
        let noise = Kernel { scale: 1.0, var: 0.5 * 0.5 };
        row(noise.draw(0.3, 1.0) - 0.3, 0.5, roundings(4.0))
    })
    .row("S2.02", || {
        row(noised_density(Kernel { scale: 1.0, var: 0.2 }, -0.4), check::repeated_convolution(1, 0.2, -0.4), roundings(64.0))
    })
    .row("S2.03", || {
        row(noised_density(Kernel { scale: 1.0, var: 0.3 }, 0.1), check::repeated_convolution(3, 0.1, 0.1), roundings(64.0))
    })
    .row("A3.4", || row(from_own_gaussian(1), 0.4454, Tol::printed(4)))
    .row("A3.4", || row(from_own_gaussian(100), 0.2477, Tol::printed(4)))
    .row("A3.4", || row(from_own_gaussian(500), 4.7e-5, Tol::printed(6)))
    .fault(fault::CONVOLVED_NOT_SCALED, |run| convolve(run, fault::convolved_not_scaled))
    .fault(fault::SCALED_AFTER_NOISE, |run| convolve(run, fault::scaled_after_noise))
    .fault(fault::STD_READ_AS_VARIANCE, |run| convolve(run, fault::std_read_as_variance))
    .fault(fault::GAUSSIAN_FIT, |run| convolve(run, fault::gaussian_fit))
    .fault(fault::PURE_NOISE, |run| convolve(run, fault::pure_noise))
}

/// The reference mixture noised part by part.
fn noised_density(kernel: Kernel, y: f64) -> f64 {
    mixture_density(&REFERENCE_MIXTURE.map(|(weight, part)| (weight, kernel.push(part))), y)
}

fn from_own_gaussian(t: usize) -> f64 {
    check::relative_entropy_to_gaussian(|y| noised_density(linear(t), y), None)
}

fn convolve(run: &Run, f: fn(Kernel, f64) -> f64) -> Outcome {
    run.over(|[u, v, y]: [f64; 3]| {
        let kernel = match u < 0.8 {
            true => linear(1 + (u / 0.8 * 1000.0) as usize),
            false => Kernel { scale: 1.0, var: log_uniform(v, 1e-3, 9.0) },
        };
        check::convolution(f, kernel, uniform(y, -3.5, 3.5))
    })
}

fn draws() -> Claim {
    Claim::new(
        "draws_have_the_marginal_law",
        CHAPTER,
        "the iterated chain and the one-shot draw have one law, Gaussian noise that does not know x_0",
        Method::Statistics("four moments and the correlation with x_0 at 5 standard errors, fixed seed"),
        |run| sample(run, chain_of_draws, one_shot),
    )
    .row("S0.08", || {
        let kernel = linear(640);
        row(
            one_shot_of(&Schedule::ddpm(), 640, -0.3, 0.8),
            kernel.scale * -0.3 + 0.8 * kernel.var.sqrt(),
            roundings(2.0),
        )
    })
    .row("S0.12", || {
        // Variance of v + u for u = √(α_t (1 − α_{t−1})) z and v = √(1 − α_t) z', over the nine nodes ±√3, 0.
        let factors = window(1000).noise;
        let nodes = [(-(3f64.sqrt()), 1.0 / 6.0), (0.0, 2.0 / 3.0), (3f64.sqrt(), 1.0 / 6.0)];
        let square = |(z, p): (f64, f64), (w, q): (f64, f64)| p * q * (factors[0] * z + factors[1] * w).powi(2);
        let want: f64 = nodes.iter().flat_map(|a| nodes.map(|b| square(*a, b))).sum();
        row(Kernel::between(&Schedule::ddpm().transition(at(998), at(1000))).var, want, roundings(16.0))
    })
    .row("S2.26", || row(linear(500).var.sqrt(), 0.959_90, Tol::printed(5)))
    .fault(fault::ONE_NOISE_FOR_ALL_STEPS, |run| sample(run, fault::one_noise_for_all_steps, one_shot))
    .fault(fault::CHAIN_WITHOUT_LAST_STEP, |run| sample(run, fault::chain_without_last_step, one_shot))
    .fault(fault::NOISE_DEPENDS_ON_DATA, |run| sample(run, chain_of_draws, fault::noise_depends_on_data))
}

fn chain_of_draws(schedule: &Schedule, x0: f64, noises: &[f64]) -> f64 {
    schedule.steps().zip(noises).fold(x0, |x, ((_, step), noise)| Kernel::between(&step).draw(x, *noise))
}

fn one_shot(schedule: &Schedule, x0: f64, noises: &[f64]) -> f64 {
    one_shot_of(schedule, schedule.len(), x0, noises[0])
}

fn one_shot_of(schedule: &Schedule, t: usize, x0: f64, noise: f64) -> f64 {
    noised(schedule.level(at(t)), x0, noise)
}

type Path = fn(&Schedule, f64, &[f64]) -> f64;

/// 512 draws a case of a chain of 20 steps: at 64 cases a standard error of 0.8 % on the variance.
fn sample(run: &Run, chain_of_draws: Path, one_shot: Path) -> Outcome {
    let schedule = Schedule::new(Betas::linear(20, 0.01, 0.2).expect("constants inside the valid range"));
    let mut generator = StdRng::seed_from_u64(run.seed);
    let count = 512 * run.cases;
    let x0: Vec<f64> = (0..count).map(|_| if generator.random::<bool>() { 1.5 } else { -0.5 }).collect();
    let noises: Vec<f64> = (0..count * schedule.len()).map(|_| generator.sample(StandardNormal)).collect();
    let iterated = check::chain_draws(chain_of_draws, &schedule, &x0, &noises)?;
    Ok(iterated.and(check::chain_draws(one_shot, &schedule, &x0, &noises)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_claims_hold_and_reject_their_faults() {
        for claim in claims() {
            let run = Run::default();
            let start = std::time::Instant::now();
            let found = claim.run(&run).map_err(|e| e.to_string());
            println!("{}: {found:?} {:?}", claim.name, start.elapsed());
            for (fault, outcome) in claim.faults(&run) {
                println!("  {}: {}", fault.name, outcome.map_or_else(|e| e.to_string(), |_| "ACCEPTED".into()));
            }
            for (id, row) in claim.rows() {
                println!(
                    "  {id}: {} {} {row:?}",
                    if row.tol.accepts(row.got, row.want) { "ok" } else { "WRONG" },
                    row.tol.share(row.got, row.want)
                );
            }
            println!("  total {:?}", start.elapsed());
        }
        for e in fault::ERRATA {
            for n in e.numbers {
                println!("{} {} {} {:?}", e.id, (n.printed)(), (n.correct)(), n.listed);
            }
        }
    }
}
