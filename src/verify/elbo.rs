//! The claims of the chapter `elbo`, bound to this crate.

use ndarray_rand::rand::{Rng, SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;

use super::{Claim, Method, Row};
use crate::check::elbo::{
    World, bound_from_losses, expected_bound, harmless_lie, importance_bounds, joint_densities, prior_slope,
    proof_rows, terms_on_path,
};
use crate::check::{Evidence, Outcome, Run, Tol, uniform};
use crate::elbo::{
    AffineKernel, PathLogs, ProofRow, Reverse, Terms, decoder_term, denoising_from_eps_loss, denoising_term,
    expected_terms, importance_bound, prior_slope as slope, prior_term, proof_row, terms_at,
};
use crate::error::Result;
use crate::fault::elbo as fault;
use crate::posterior::Moments;
use crate::schedule::{Level, Schedule, Timestep, Transition};

const CHAPTER: &str = "elbo";

pub(super) fn claims() -> Vec<Claim> {
    vec![
        proof_claim(),
        terms_claim(),
        expected_claim(),
        densities_claim(),
        lie_claim(),
        slope_claim(),
        losses_claim(),
        importance_claim(),
    ]
}

fn proof_claim() -> Claim {
    Claim::new(
        "proof_rows_have_one_expectation",
        CHAPTER,
        "every row of the three proofs of the bound has the bound as its expectation",
        Method::OtherPremises("log-determinants and trace of the joint Gaussians over the whole path"),
        |run| rows(run, proof_row),
    )
    .row("S0.28", || on_toy(ProofRow::StepRatios, 1.0))
    .row("S0.29", || on(1, ProofRow::FirstApart, 1.0))
    .row("S0.31", || on(2, ProofRow::Telescoped, 1.0))
    .row("S0.32", || on(3, ProofRow::Final, 1.0))
    .row("S1.37", || on(4, ProofRow::FirstApart, -1.0))
    .row("S1.38", || on(5, ProofRow::BayesTurned, -1.0))
    .row("S1.40", || on(6, ProofRow::Final, -1.0))
    .row("S3.20", || on(7, ProofRow::Whole, -1.0))
    .row("S3.21", || on(8, ProofRow::StepRatios, -1.0))
    .row("S3.22", || on(9, ProofRow::TwoSums, -1.0))
    .row("S3.23", || on(10, ProofRow::Final, -1.0))
    .fault(fault::FIRST_TERM_TWICE, |run| rows(run, fault::first_term_twice))
    .fault(fault::Q_OF_X1_KEPT, |run| rows(run, fault::q_of_x1_kept))
    .fault(fault::MINUS_BEFORE_THE_SUMS, |run| rows(run, fault::minus_before_the_sums))
    .fault(fault::TELESCOPED_ONE_SHORT, |run| rows(run, fault::telescoped_one_short))
    .fault(fault::PRIOR_LEFT_OUT, |run| rows(run, fault::prior_left_out))
}

fn terms_claim() -> Claim {
    Claim::new(
        "bound_terms_are_divergences",
        CHAPTER,
        "L_T and L_{t−1} are the KLs they stand for, L_0 a normalised density's logarithm, and their sum averages to the bound",
        Method::Numerical("averages of log ratios by a rule exact for quadratics, trapezoids, joint Gaussians"),
        |run| terms(run, terms_at),
    )
    .row("S2.32", || Row {
        got: prior_term(Level::from_alpha_bar(0.315).expect("inside [0, 1]"), 0.8),
        want: {
            let law = Moments { mean: 0.8 * 0.315f64.sqrt(), var: 0.685 };
            gauss(law, |x| 0.5 * x * x - 0.5 * ((x - law.mean).powi(2) / law.var + law.var.ln()))
        },
        tol: Tol::rel(1e-13, "a dozen roundings"),
    })
    .row("S0.34", || middle(2, 0.8, 0.3))
    .row("S0.38", || middle(3, -0.4, 0.9))
    .row("S2.33", || middle(2, 1.7, -1.1))
    .row("S2.34", || {
        let law = Moments { mean: 0.23, var: 0.05 };
        let h = 0.02;
        let mass = (-150..=150).map(|k| h * (-decoder_term(law.mean + h * f64::from(k), law)).exp()).sum();
        Row { got: mass, want: 1.0, tol: Tol::rel(1e-13, "trapezoids over 13 standard deviations") }
    })
    .row("S0.40", || total(11, 1.0))
    .row("S3.19", || total(12, 1.0))
    .row("S3.24", || total(13, -1.0))
    .fault(fault::DECODER_OVER_Q, |run| terms(run, fault::decoder_over_q))
    .fault(fault::KL_THE_OTHER_WAY, |run| terms(run, fault::kl_the_other_way))
    .fault(fault::KL_WITHOUT_VARIANCES, |run| terms(run, fault::kl_without_variances))
    .fault(fault::DECODER_WITHOUT_TWO_PI, |run| terms(run, fault::decoder_without_two_pi))
    .fault(fault::PRIOR_FROM_LEVEL_BEFORE, |run| terms(run, fault::prior_from_level_before))
}

fn expected_claim() -> Claim {
    Claim::new(
        "expected_bound_is_nll_plus_joint_kl",
        CHAPTER,
        "the bound exceeds E[−log p_θ(x₀)] by the KL between the paths given x₀, and its middle terms are averages over (x₀, x_t)",
        Method::OtherPremises("the model's own law of x₀, Schur complements of both joints, product rules"),
        |run| expected(run, expected_terms),
    )
    .row("S0.27", || bound(World::toy(), 1.0))
    .row("S1.35", || bound(world(14), -1.0))
    .row("S3.17", || {
        let world = world(15);
        let gap = terms_of(&world, Terms::total) - world.nll();
        near(gap, world.joint_kl())
    })
    .row("S1.84", || Row {
        got: terms_of(&World::toy(), Terms::total),
        want: 1.185_905_073_469 + 0.436_047_662_375,
        tol: Tol::printed(11),
    })
    .row("S2.31", || {
        let world = World { data: Moments { mean: 0.8, var: 0.0 }, ..World::toy() };
        let want = World { data: Moments { mean: 0.8, var: 1e-9 }, ..World::toy() }.bound();
        Row { got: terms_of(&world, Terms::total), want, tol: Tol::abs(2e-8, "data variance 1e-9 for a point") }
    })
    .row("S0.36", || near(terms_of(&World::toy(), |t| t.denoising[0]), World::toy().middle_term_by_tower(2)))
    .row("S0.37", || {
        let given = |x1: f64| World::toy().middle_term_given(2, x1);
        let weights = [1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0];
        let (mean, std) = (0.9f64.sqrt() * 0.4, (0.9f64 * 0.49 + 0.1).sqrt() * 3f64.sqrt());
        let nodes = [mean - std, mean, mean + std];
        let want = nodes.iter().zip(weights).map(|(x, w)| w * given(*x)).sum();
        near(terms_of(&World::toy(), |t| t.denoising[0]), want)
    })
    .row("S0.39", || near(terms_of(&world(16), |t| t.denoising[0]), world(16).middle_term_by_tower(2)))
    .row("S1.41", || near(terms_of(&World::toy(), |t| t.denoising[1]), World::toy().middle_term_by_tower(3)))
    .row("S3.45", || Row {
        got: terms_of(&World::toy(), |t| t.denoising[1]),
        want: 0.399_002,
        tol: Tol::printed(6),
    })
    .fault(fault::ONE_TERM_IS_THE_SUM, |run| expected(run, fault::one_term_is_the_sum))
    .fault(fault::KL_GIVEN_EARLIER_STATE, |run| expected(run, fault::kl_given_earlier_state))
    .fault(fault::DATA_VARIANCE_FORGOTTEN, |run| expected(run, fault::data_variance_forgotten))
    .fault(fault::KERNELS_SHIFTED, |run| expected(run, fault::kernels_shifted))
    .fault(fault::BOUND_TAKEN_FOR_NLL, |run| expected(run, fault::bound_taken_for_nll))
}

fn densities_claim() -> Claim {
    Claim::new(
        "path_density_is_a_product",
        CHAPTER,
        "p_θ(x_{0:T}) and q(x_{1:T} | x₀) are ordinary products of their kernels, and the ratios of marginals telescope",
        Method::OtherPremises("joint covariance by recursion, Cholesky factors, Schur complements"),
        |run| densities(run, path_densities),
    )
    .row("S1.22", || density(0, 17, &[0.3, -0.2, 0.6, 0.1]))
    .row("S3.10", || density(0, 18, &[0.8, 0.5, 0.1, -0.7]))
    .row("S3.11", || density(0, 19, &[-0.4, 0.9, 0.2, 0.5]))
    .row("S3.13", || density(0, 20, &[1.2, 0.4, -0.3, 0.2]))
    .row("S0.35", || density(1, 21, &[0.8, 0.5, 0.1, -0.7]))
    .row("S1.36", || density(3, 22, &[0.3, -0.2, 0.6, 0.1]))
    .row("S1.39", || density(2, 23, &[-0.4, 0.9, 0.2, 0.5]))
    .row("S3.14", || {
        let reverse = World::toy().reverse;
        let kernel = |t: Timestep, xt: f64| reverse[t.get() - 1].at(xt);
        let schedule = Schedule::new(crate::Betas::new(vec![0.1, 0.3]).expect("inside the valid range"));
        let density = |x1: f64, x2: f64| {
            PathLogs::new(&schedule, &kernel, &[0.8, x1, x2]).expect("three states").model().exp()
        };
        let over_x1 = |x2: f64| (-40..=60).map(|k| 0.1 * density(0.1 * f64::from(k), x2)).sum::<f64>();
        let got: f64 = (-32..=32).map(|k| 0.25 * over_x1(0.25 * f64::from(k))).sum();
        let var = 0.81 * (0.64 + 0.6) + 0.05;
        let mean = 0.9 * -0.1 + 0.05;
        let want = (-0.5 * (0.8f64 - mean).powi(2) / var).exp() / (std::f64::consts::TAU * var).sqrt();
        Row { got, want, tol: Tol::rel(1e-10, "trapezoids over x1 and x2") }
    })
    .fault(fault::DENSITY_WITHOUT_PRIOR, |run| densities(run, fault::density_without_prior))
    .fault(fault::DENSITY_OF_NESTED_MEANS, |run| densities(run, fault::density_of_nested_means))
    .fault(fault::TELESCOPED_UPSIDE_DOWN, |run| densities(run, fault::telescoped_upside_down))
    .fault(fault::KERNEL_STD_IS_BETA, |run| densities(run, fault::kernel_std_is_beta))
}

fn lie_claim() -> Claim {
    Claim::new(
        "data_conditional_target_is_harmless",
        CHAPTER,
        "E KL(q(x_{t−1} | x_t, x₀) ‖ p_θ) = KL(q(x_{t−1} | x_t) ‖ p_θ) + I(x_{t−1}; x₀ | x_t)",
        Method::OtherPremises("true reverse kernel and information by Schur complement"),
        |run| lie(run, denoising_term),
    )
    .row("S1.45", || lie_row(2, 0.7))
    .row("S2.13", || lie_row(3, -0.9))
    .row("S2.22", || {
        let models =
            [AffineKernel { slope: 0.8, offset: -0.1, var: 0.6 }, AffineKernel { slope: 0.3, offset: 0.4, var: 0.2 }];
        let gap = |model: AffineKernel| lie_numbers(2, 1.3, model).0 - lie_numbers(2, 1.3, model).1;
        near(gap(models[0]), gap(models[1]))
    })
    .fault(fault::KL_WITHOUT_HALF, |run| lie(run, fault::kl_without_half))
    .fault(fault::KL_WITH_BETA, |run| lie(run, fault::kl_with_beta))
    .fault(fault::KL_MEAN_SWAPPED, |run| lie(run, fault::kl_mean_swapped))
}

fn slope_claim() -> Claim {
    Claim::new(
        "prior_term_moves_with_the_schedule",
        CHAPTER,
        "the prior term has no slope in the network's parameters, but one in the schedule's end",
        Method::Numerical("fourth-order difference of the KL as an average of log ratios"),
        |run| slopes(run, slope),
    )
    .row("S1.44", || {
        let mut other = World::toy();
        other.reverse.iter_mut().for_each(|k| k.slope += 0.125);
        let got = terms_of(&other, |t| t.prior) - terms_of(&World::toy(), |t| t.prior);
        Row { got, want: 0.0, tol: Tol::exact() }
    })
    .fault(fault::PRIOR_SLOPE_ZERO, |run| slopes(run, fault::prior_slope_zero))
    .fault(fault::PRIOR_SLOPE_IN_ALPHA_BAR, |run| slopes(run, fault::prior_slope_in_alpha_bar))
    .fault(fault::PRIOR_SLOPE_WITHOUT_HALF, |run| slopes(run, fault::prior_slope_without_half))
}

fn losses_claim() -> Claim {
    Claim::new(
        "weighted_noise_losses_make_the_bound",
        CHAPTER,
        "noise losses with their weights, the variances' constants, L_T and L_0 add up to the bound",
        Method::OtherPremises("affine kernel of the predicted mean, joint Gaussians"),
        |run| losses(run, |step, var, loss| denoising_from_eps_loss(step, var, loss, 1)),
    )
    .row("S3.70", || {
        let world = World::toy();
        let step = world.schedule.step(Timestep::new(2));
        let (x0, eps, hat) = (0.8, -0.3, 0.5);
        let (m, v) = (0.63f64.sqrt(), 0.37f64);
        let xt = m * x0 + v.sqrt() * eps;
        let mean = (xt - 0.3 / v.sqrt() * hat) / 0.7f64.sqrt();
        let q_var = 1.0 / (0.7 / 0.3 + 1.0 / 0.1);
        let q_mean = q_var * (0.7f64.sqrt() * xt / 0.3 + 0.9f64.sqrt() * x0 / 0.1);
        let q = Moments { mean: q_mean, var: q_var };
        let want =
            gauss(q, |x| 0.5 * ((x - mean).powi(2) / 0.6 + 0.6f64.ln() - (x - q.mean).powi(2) / q.var - q.var.ln()));
        let loss = (eps - hat) * (eps - hat);
        let got = denoising_from_eps_loss(&step, 0.6, loss, 1).expect("t = 2");
        near(got, want)
    })
    .row("S3.71", || {
        // Data N(0, 1), eps-hat = 0: every loss is 1 and the mean of p is x_t/√α.
        let mut world = World { data: Moments { mean: 0.0, var: 1.0 }, ..World::toy() };
        let betas: Vec<f64> = world.schedule.betas().as_slice().to_vec();
        for (kernel, beta) in world.reverse.iter_mut().zip(betas) {
            *kernel = AffineKernel { slope: 1.0 / (1.0 - beta).sqrt(), offset: 0.0, var: kernel.var };
        }
        let terms = expected_terms(&world.schedule, world.data, &world.reverse).expect("three kernels");
        let middle: f64 = world
            .schedule
            .steps()
            .zip(&world.reverse)
            .skip(1)
            .map(|((_, step), k)| denoising_from_eps_loss(&step, k.var, 1.0, 1).expect("t > 1"))
            .sum();
        near(terms.prior + terms.decoder + middle, world.bound())
    })
    .fault(fault::SIMPLE_LOSS_AS_BOUND, |run| losses(run, fault::simple_loss_as_bound))
    .fault(fault::VARIANCE_CONSTANT_DROPPED, |run| losses(run, fault::variance_constant_dropped))
    .fault(fault::WEIGHT_WITH_BETA_TILDE, |run| losses(run, fault::weight_with_beta_tilde))
}

fn importance_claim() -> Claim {
    Claim::new(
        "importance_weights_average_to_the_evidence",
        CHAPTER,
        "the mean of p_θ(x_{0:T})/q(x_{1:T} | x₀) over q is p_θ(x₀), and more weights make a tighter bound",
        Method::Statistics("4096 groups of 16 paths, 5 standard errors, against the model's own law of x₀"),
        |run| importance(run, importance_bound),
    )
    .row("S3.16", || {
        let weights = draw(&Run::default(), 1024);
        let got = importance_bound(&weights.concat()).expect("there are weights");
        Row { got, want: -1.133_762, tol: Tol::abs(0.03, "5 standard errors of 16384 weights") }
    })
    .row("S1.42", || {
        // Reconstruction term by Monte Carlo: x1 | x0 = 0.8 through the toy kernel.
        let mut rng = StdRng::seed_from_u64(1);
        let n = 20_000;
        let law = |z: f64| Moments { mean: 0.9 * (0.8 * 0.9f64.sqrt() + 0.1f64.sqrt() * z) + 0.05, var: 0.05 };
        let mean = (0..n).map(|_| decoder_term(0.8, law(rng.sample(StandardNormal)))).sum::<f64>() / f64::from(n);
        let world = World { data: Moments { mean: 0.8, var: 0.0 }, ..World::toy() };
        // Var of (a + b z)²/(2 v) is (2 a² b² + b⁴)/(2 v²), a = 0.8 − mean, b = 0.9 √0.1.
        let (a, b) = (0.8 - law(0.0).mean, 0.9 * 0.1f64.sqrt());
        let error = ((2.0 * a * a * b * b + b.powi(4)) / (2.0 * 0.05 * 0.05) / f64::from(n)).sqrt();
        Row { got: mean, want: terms_of(&world, |t| t.decoder), tol: Tol::abs(5.0 * error, "5 standard errors") }
    })
    .fault(fault::MEAN_OF_LOGS, |run| importance(run, fault::mean_of_logs))
    .fault(fault::LOG_OF_SUM, |run| importance(run, fault::log_of_sum))
    .fault(fault::LARGEST_WEIGHT, |run| importance(run, fault::largest_weight))
}

/// A claim on the toy chain and on random ones.
fn worlds(run: &Run, mut claim: impl FnMut(&World, [f64; 3]) -> Outcome) -> Outcome {
    let toy = claim(&World::toy(), [0.3, 0.6, 0.8])?;
    Ok(toy.and(run.over(|u| claim(&World::random(u), u))?))
}

fn rows(run: &Run, f: fn(ProofRow, &Schedule, &Reverse, &[f64]) -> Result<f64>) -> Outcome {
    worlds(run, |world, _| proof_rows(f, world))
}

fn terms(run: &Run, f: fn(&Schedule, &Reverse, &[f64]) -> Result<Terms>) -> Outcome {
    worlds(run, |world, u| terms_on_path(f, world, &path(world.len(), u)))
}

fn expected(run: &Run, f: fn(&Schedule, Moments, &[AffineKernel]) -> Result<Terms>) -> Outcome {
    worlds(run, |world, _| expected_bound(f, world))
}

fn densities(run: &Run, f: fn(&Schedule, &Reverse, &[f64]) -> Result<[f64; 4]>) -> Outcome {
    worlds(run, |world, u| joint_densities(f, world, &path(world.len(), u)))
}

fn lie(run: &Run, f: fn(&Transition, f64, f64, Moments) -> Result<f64>) -> Outcome {
    worlds(run, |world, [u, ..]| {
        (2..=world.len())
            .try_fold(Evidence::none(), |all, t| Ok(all.and(harmless_lie(f, world, t, uniform(u, -2.0, 2.0))?)))
    })
}

fn slopes(run: &Run, f: fn(Level, f64) -> f64) -> Outcome {
    run.over(|[u, v]| prior_slope(f, uniform(u, -12.0, 2.0), uniform(v, -2.0, 2.0)))
}

fn losses(run: &Run, f: fn(&Transition, f64, f64) -> Result<f64>) -> Outcome {
    worlds(run, |world, _| bound_from_losses(f, world))
}

fn importance(run: &Run, f: fn(&[f64]) -> Result<f64>) -> Outcome {
    importance_bounds(f, &draw(run, 4096), World::toy().log_evidence(0.8), 0.03)
}

/// Groups of 16 log-weights of the toy chain at x₀ = 0.8.
fn draw(run: &Run, groups: usize) -> Vec<Vec<f64>> {
    let world = World::toy();
    let mut rng = StdRng::seed_from_u64(run.seed);
    let mut weight = || {
        let mut path = vec![0.8];
        for beta in world.schedule.betas().as_slice() {
            let z: f64 = rng.sample(StandardNormal);
            path.push((1.0 - beta).sqrt() * path[path.len() - 1] + beta.sqrt() * z);
        }
        let logs = PathLogs::new(&world.schedule, &world.kernel(), &path).expect("T + 1 states");
        logs.model() - logs.data_chain()
    };
    (0..groups).map(|_| (0..16).map(|_| weight()).collect()).collect()
}

fn path_densities(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<[f64; 4]> {
    let logs = PathLogs::new(schedule, reverse, path)?;
    let last = logs.forward[logs.forward.len() - 1];
    Ok([logs.model(), logs.data_chain(), logs.telescoping_sum(), last])
}

/// A path of T + 1 states spread over (−2, 2).
fn path(last: usize, [u, v, w]: [f64; 3]) -> Vec<f64> {
    (0..=last).map(|t| uniform((u + v * t as f64 + w * (t * t) as f64).fract(), -2.0, 2.0)).collect()
}

/// The k-th of a fixed list of chains of three steps.
fn world(k: usize) -> World {
    let spread = |step: f64| (0.05 + step * k as f64).fract();
    World::random([0.4, spread(0.618_033_989), spread(0.754_877_666)])
}

fn near(got: f64, want: f64) -> Row {
    Row { got, want, tol: Tol::new(1e-12, 1e-12, "a few hundred roundings") }
}

fn on_toy(row: ProofRow, sign: f64) -> Row {
    of_world(&World::toy(), row, sign)
}

fn on(k: usize, row: ProofRow, sign: f64) -> Row {
    of_world(&world(k), row, sign)
}

fn of_world(world: &World, row: ProofRow, sign: f64) -> Row {
    let got = world.expect(|path| proof_row(row, &world.schedule, &world.kernel(), path)).expect("T + 1 states");
    near(sign * got, sign * world.bound())
}

fn total(k: usize, sign: f64) -> Row {
    let world = world(k);
    let got = world.expect(|path| terms_at(&world.schedule, &world.kernel(), path).map(|terms| terms.total()));
    near(sign * got.expect("T + 1 states"), sign * world.bound())
}

fn bound(world: World, sign: f64) -> Row {
    near(sign * terms_of(&world, Terms::total), sign * (world.nll() + world.joint_kl()))
}

fn terms_of(world: &World, pick: impl Fn(&Terms) -> f64) -> f64 {
    pick(&expected_terms(&world.schedule, world.data, &world.reverse).expect("one kernel a step"))
}

fn density(which: usize, k: usize, path: &[f64; 4]) -> Row {
    let world = world(k);
    let got = path_densities(&world.schedule, &world.kernel(), path).expect("four states")[which];
    near(got, world.densities(path)[which])
}

/// A middle term of the toy chain against the average of log ratios under Bayes' rule in information form.
fn middle(t: usize, x0: f64, xt: f64) -> Row {
    let world = World::toy();
    let betas = world.schedule.betas().as_slice();
    let (m, v) =
        betas[..t - 1].iter().fold((1.0, 0.0), |(m, v): (f64, f64), b| (m * f64::sqrt(1.0 - b), (1.0 - b) * v + b));
    let beta = betas[t - 1];
    let var = 1.0 / ((1.0 - beta) / beta + 1.0 / v);
    let q = Moments { mean: var * ((1.0 - beta).sqrt() * xt / beta + m * x0 / v), var };
    let p = world.reverse[t - 1].at(xt);
    let log_ratio =
        |x: f64| 0.5 * ((x - p.mean).powi(2) / p.var + p.var.ln() - (x - q.mean).powi(2) / q.var - q.var.ln());
    let got = denoising_term(&world.schedule.step(Timestep::new(t)), x0, xt, p).expect("t > 1");
    near(got, gauss(q, log_ratio))
}

/// Average over a Gaussian by three points, exact for quadratics.
fn gauss(law: Moments, f: impl Fn(f64) -> f64) -> f64 {
    let far = (3.0 * law.var).sqrt();
    (f(law.mean - far) + 4.0 * f(law.mean) + f(law.mean + far)) / 6.0
}

fn lie_row(t: usize, xt: f64) -> Row {
    let model = World::toy().reverse[t - 1];
    let (got, kl, information) = lie_numbers_of(t, xt, model);
    near(got, kl + information)
}

fn lie_numbers(t: usize, xt: f64, model: AffineKernel) -> (f64, f64) {
    let (got, kl, _) = lie_numbers_of(t, xt, model);
    (got, kl)
}

/// Average KL under test, KL to the true reverse kernel and information, on the toy data by precision addition.
fn lie_numbers_of(t: usize, xt: f64, model: AffineKernel) -> (f64, f64, f64) {
    let world = World::toy();
    let betas = world.schedule.betas().as_slice();
    let advance = |(mean, var, m, v): (f64, f64, f64, f64), b: &f64| {
        let a = 1.0 - b;
        (a.sqrt() * mean, a * var + b, a.sqrt() * m, a * v + b)
    };
    let start = (world.data.mean, world.data.var, 1.0, 0.0);
    let (mean, var, _, v) = betas[..t - 1].iter().fold(start, advance);
    let (_, _, m_t, v_t) = betas[..t].iter().fold(start, advance);
    let beta = betas[t - 1];
    let gain = (1.0 - beta) / beta;
    let truth = 1.0 / (gain + 1.0 / var);
    let truth = Moments { mean: truth * ((1.0 - beta).sqrt() * xt / beta + mean / var), var: truth };
    let narrow = 1.0 / (gain + 1.0 / v);
    let of_x0 = 1.0 / (m_t * m_t / v_t + 1.0 / world.data.var);
    let of_x0 = Moments { mean: of_x0 * (m_t * xt / v_t + world.data.mean / world.data.var), var: of_x0 };
    let step = world.schedule.step(Timestep::new(t));
    let p = model.at(xt);
    let got = gauss(of_x0, |x0| denoising_term(&step, x0, xt, p).expect("t > 1"));
    let kl = gauss(truth, |x| {
        0.5 * ((x - p.mean).powi(2) / p.var + p.var.ln() - (x - truth.mean).powi(2) / truth.var - truth.var.ln())
    });
    (got, kl, 0.5 * (truth.var / narrow).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elbo_claims_hold_and_reject_their_faults() {
        let run = Run::default();
        for claim in claims() {
            let start = std::time::Instant::now();
            let evidence = claim.run(&run).unwrap_or_else(|m| panic!("{}: {m}", claim.name));
            println!("{}: {evidence:?}", claim.name);
            for (fault, outcome) in claim.faults(&run) {
                assert!(outcome.is_err(), "{} accepted {}", claim.name, fault.name);
            }
            for (id, row) in claim.rows() {
                assert!(row.tol.accepts(row.got, row.want), "{id}: {row:?}");
            }
            println!("  {:.3} s", start.elapsed().as_secs_f64());
        }
    }

    #[test]
    fn elbo_errata_reproduce_their_numbers() {
        for erratum in fault::ERRATA {
            for n in erratum.numbers {
                let tol = Tol::printed(n.decimals);
                assert!(tol.accepts((n.printed)(), n.listed.0), "{} {}: {}", erratum.id, n.at, (n.printed)());
                assert!(tol.accepts((n.correct)(), n.listed.1), "{} {}: {}", erratum.id, n.at, (n.correct)());
            }
        }
    }
}
