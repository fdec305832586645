//! The claims of the chapter `elbo`, bound to this crate.

mod numbers;

use ndarray_rand::rand::{Rng, SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;

use crate::check::{Claim, Method, Row};
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
use crate::check::elbo::faults as fault;
use crate::posterior::Moments;
use crate::schedule::{Level, Schedule, Timestep, Transition};
use numbers::{
    bound, density, draw, gauss, lie_numbers, lie_row, middle, near, on, path, path_densities, terms_of, total, world,
};

const CHAPTER: &str = "elbo";

pub(in crate::check) fn claims() -> Vec<Claim> {
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
    Claim::legacy(
        "proof_rows_have_one_expectation",
        CHAPTER,
        "every row of the three proofs of the bound has the bound as its expectation",
        Method::OtherPremises("log-determinants and trace of the joint Gaussians over the whole path"),
        |run| rows(run, proof_row),
    )
    .row("S0.28", || on(25, ProofRow::StepRatios, 1.0))
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
    Claim::legacy(
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
    Claim::legacy(
        "expected_bound_is_nll_plus_joint_kl",
        CHAPTER,
        "the bound exceeds E[−log p_θ(x₀)] by the KL between the paths given x₀, and its middle terms are averages over (x₀, x_t)",
        Method::OtherPremises("the model's own law of x₀, Schur complements of both joints, product rules"),
        |run| expected(run, expected_terms),
    )
    .row("S0.27", || bound(world(24), 1.0))
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
        let (here, there) = (middle(2, 0.8, 1.0), middle(2, 0.8, -1.0));
        near(here.got - there.got, here.want - there.want)
    })
    .row("S0.39", || near(terms_of(&world(16), |t| t.denoising[0]), world(16).middle_term_by_tower(2)))
    .row("S1.41", || near(terms_of(&world(26), |t| t.denoising[1]), world(26).middle_term_by_tower(3)))
    .row("S3.45", || Row {
        got: terms_of(&World::toy(), |t| t.denoising[1]),
        want: 0.399_002,
        tol: Tol::printed(6),
    })
    .fault(fault::ONE_TERM_IS_THE_SUM, |run| expected(run, fault::one_term_is_the_sum))
    .fault(fault::KL_GIVEN_EARLIER_STATE, |run| expected(run, fault::kl_given_earlier_state))
    .fault(fault::TERMS_TAKEN_AS_KNOWN, |run| expected(run, fault::terms_taken_as_known))
    .fault(fault::ONE_PATH_FOR_THE_MEAN, |run| expected(run, fault::one_path_for_the_mean))
    .fault(fault::DATA_VARIANCE_FORGOTTEN, |run| expected(run, fault::data_variance_forgotten))
    .fault(fault::KERNELS_SHIFTED, |run| expected(run, fault::kernels_shifted))
    .fault(fault::BOUND_TAKEN_FOR_NLL, |run| expected(run, fault::bound_taken_for_nll))
}

fn densities_claim() -> Claim {
    Claim::legacy(
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
    Claim::legacy(
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
    Claim::legacy(
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
    Claim::legacy(
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
    Claim::legacy(
        "importance_weights_average_to_the_evidence",
        CHAPTER,
        "the mean of p_θ(x_{0:T})/q(x_{1:T} | x₀) over q is p_θ(x₀), and more weights make a tighter bound",
        Method::Statistics("4096 groups of 16 paths, 5 standard errors, against the model's own law of x₀"),
        |run| importance(run, importance_bound),
    )
    .row("S3.16", || {
        let weights = draw(&Run::default(), 1024).concat();
        let got = importance_bound(&weights).expect("there are weights");
        let n = weights.len() as f64;
        let spread = weights.iter().map(|w| (w - got).exp_m1().powi(2)).sum::<f64>().sqrt() / n;
        Row { got, want: -1.133_762, tol: Tol::abs(5.0 * spread, "5 standard errors of the mean weight, relative") }
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
    .fault(fault::LARGEST_WEIGHT_ALONE, |run| importance(run, fault::largest_weight_alone))
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
