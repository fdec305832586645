//! The claims of the chapter `vae`, bound to this crate.

mod hierarchy;
mod likelihood;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::check::{Claim, Method, Row};
use crate::check::vae as check;
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::error::Result;
use crate::check::vae::faults as fault;
use crate::gaussian::Gaussian;
use crate::vae::{EncoderGradient, FactorModel, importance_weighted_bound};

const CHAPTER: &str = "vae";

type View<'a> = ArrayView1<'a, f64>;
type Evident = fn(&FactorModel, View<'_>) -> Result<f64>;
type Posterior = fn(&FactorModel, View<'_>) -> Result<Gaussian>;
type Bound = fn(&FactorModel, View<'_>, &Gaussian) -> Result<f64>;
type Gradient = fn(&FactorModel, View<'_>, View<'_>, f64) -> Result<EncoderGradient>;
type Ascent = fn(&FactorModel, ArrayView2<'_, f64>) -> Result<FactorModel>;
type Weighted = fn(View<'_>) -> Result<f64>;

pub(in crate::check) fn claims() -> Vec<Claim> {
    let own = [evidence(), posterior(), bound(), gradient(), ascent(), importance()];
    own.into_iter().chain(hierarchy::claims()).chain(likelihood::claims()).collect()
}

fn evidence() -> Claim {
    let method = Method::Numerical("trapezoidal rule over the latents");
    let sentence = "the closed-form evidence of the linear-Gaussian model is the joint integrated over its latents";
    Claim::legacy("evidence_is_the_integrated_joint", CHAPTER, sentence, method, |run| {
        evidences(run, FactorModel::log_evidence)
    })
    .row("S0.21", || evidence_row(1, [0.2, 0.7, 0.4]))
    .row("S1.01", || evidence_row(2, [0.6, 0.1, 0.9]))
    .fault(fault::NOISE_STD_FOR_VAR, |run| evidences(run, fault::noise_std_for_var))
    .fault(fault::EVIDENCE_AT_THE_BEST_LATENT, |run| evidences(run, fault::evidence_at_the_best_latent))
    .fault(fault::EVIDENCE_WITHOUT_SPREAD, |run| evidences(run, fault::evidence_without_spread))
}

fn posterior() -> Claim {
    let method =
        Method::OtherPremises("Schur complement on the joint of (z, x); joint over posterior against the integral");
    let sentence =
        "the posterior of the latents is the conditional of the joint, and p(x, z)/p(z | x) = p(x) for every z";
    Claim::legacy("latent_posterior_is_the_conditional", CHAPTER, sentence, method, |run| {
        posteriors(run, FactorModel::posterior)
    })
    .row("S0.19", || {
        let (model, x) = drawn(2, [0.3, 0.5, 0.8]);
        let got = model.posterior(x.view()).map_or(f64::NAN, |q| q.mean()[1]);
        Row { got, want: check::conditional(&model, x.view()).0[1], tol: solve_tol() }
    })
    .row("S1.02", || {
        let (model, x) = drawn(1, [0.8, 0.3, 0.1]);
        let z = Array1::from(vec![0.37]);
        let posterior = model.posterior(x.view()).and_then(|q| q.log_density(z.view()));
        let got = model.log_joint(x.view(), z.view()).and_then(|joint| Ok(joint - posterior?)).unwrap_or(f64::NAN);
        Row { got, want: check::log_evidence(&model, x.view()), tol: solve_tol() }
    })
    .fault(fault::POSTERIOR_OF_NOISE_STD, |run| posteriors(run, fault::posterior_of_noise_std))
    .fault(fault::POSTERIOR_WITHOUT_OFFSET, |run| posteriors(run, fault::posterior_without_offset))
    .fault(fault::COLLAPSED_POSTERIOR, |run| posteriors(run, fault::collapsed_posterior))
}

fn bound() -> Claim {
    let method = Method::Numerical("Gauss–Hermite over q; evidence by integration, posterior by Schur complement");
    let sentence = "the bound is E_q ln p(x, z)/q(z): below ln p(x) by KL(q ‖ p(z | x)), in two terms or in one";
    let run = |run: &Run| Ok(bounds(run, FactorModel::elbo)?.and(bounds(run, FactorModel::elbo_from_gap)?));
    Claim::legacy("bound_lies_below_evidence_by_the_divergence", CHAPTER, sentence, method, run)
        .row("S1.06", || {
            let (model, x, q) = with_q(2, [0.5, 0.2, 0.6, 0.9]);
            let got = model.elbo(x.view(), &q).unwrap_or(f64::NAN);
            Row { got, want: check::mean_log_weight_under(&model, x.view(), &q), tol: solve_tol() }
        })
        .row("S1.05", || {
            let (model, x, q) = with_q(1, [0.9, 0.8, 0.2, 0.4]);
            let got = model.elbo_from_gap(x.view(), &q).unwrap_or(f64::NAN);
            Row { got, want: check::mean_log_weight_under(&model, x.view(), &q), tol: solve_tol() }
        })
        .row("S0.25", || {
            let (model, x, q) = with_q(2, [0.1, 0.4, 0.7, 0.3]);
            let got =
                model.log_evidence(x.view()).and_then(|l| Ok(l - model.elbo(x.view(), &q)?)).unwrap_or(f64::NAN);
            Row { got, want: check::gap(&model, x.view(), &q), tol: solve_tol() }
        })
        .row("S0.24", || {
            let (model, x) = drawn(2, [0.7, 0.9, 0.2]);
            let got = model.posterior(x.view()).and_then(|q| model.elbo(x.view(), &q)).unwrap_or(f64::NAN);
            Row { got, want: check::log_evidence(&model, x.view()), tol: solve_tol() }
        })
        .fault(fault::REGULARISER_ADDED, |run| bounds(run, fault::regulariser_added))
        .fault(fault::REGULARISER_REVERSED, |run| bounds(run, fault::regulariser_reversed))
        .fault(fault::RECONSTRUCTION_AT_THE_MEAN, |run| bounds(run, fault::reconstruction_at_the_mean))
        .fault(fault::GAP_ADDED, |run| bounds(run, fault::gap_added))
}

fn gradient() -> Claim {
    let method = Method::Numerical("central differences of the bound by Gauss–Hermite");
    let sentence = "the reparameterised gradient is the derivative of the bound in the encoder's mean and ln std";
    Claim::legacy("encoder_gradient_is_the_derivative_of_the_bound", CHAPTER, sentence, method, |run| {
        gradients(run, FactorModel::encoder_gradient)
    })
    .row("S1.07", || {
        let (model, x) = drawn(1, [0.4, 0.6, 0.3]);
        let at = |mean: f64| {
            let q = Gaussian::new(Array1::from(vec![mean]).view(), Array2::from_elem((1, 1), 0.49).view());
            q.map_or(f64::NAN, |q| check::mean_log_weight_under(&model, x.view(), &q))
        };
        let got =
            model.encoder_gradient(x.view(), Array1::from(vec![0.2]).view(), 0.7).map_or(f64::NAN, |g| g.mean[0]);
        Row { got, want: (at(0.201) - at(0.199)) / 0.002, tol: Tol::rel(1e-9, "rounding of the bound over the step") }
    })
    .fault(fault::GRADIENT_WITHOUT_PRIOR, |run| gradients(run, fault::gradient_without_prior))
    .fault(fault::GRADIENT_IN_STD, |run| gradients(run, fault::gradient_in_std))
    .fault(fault::GRADIENT_OF_THE_LOSS, |run| gradients(run, fault::gradient_of_the_loss))
}

fn ascent() -> Claim {
    let method =
        Method::Numerical("central differences of the energy under the old posteriors; evidence before and after");
    let sentence = "a step of coordinate ascent maximises the bound in the model and never lowers the evidence";
    Claim::legacy("coordinate_ascent_never_lowers_the_evidence", CHAPTER, sentence, method, |run| {
        ascents(run, FactorModel::em_step)
    })
    .row("S1.04", || {
        // At a fixed point of ascent the marginal's trace is that of the sample covariance.
        let data = sample(0.37);
        let (mut model, _) = drawn(1, [0.2, 0.5, 0.5]);
        for _ in 0..4000 {
            model = model.em_step(data.view()).unwrap_or(model);
        }
        let mean = data.mean_axis(ndarray::Axis(0)).expect("there are rows");
        let n = data.nrows() as f64;
        let want = data.rows().into_iter().map(|x| (&x - &mean).mapv(|r| r * r).sum()).sum::<f64>() / n;
        let got = model.marginal().map_or(f64::NAN, |g| g.cov().diag().sum());
        Row { got, want, tol: Tol::rel(1e-9, "linear convergence of 4000 steps") }
    })
    .fault(fault::NOISE_PER_ROW, |run| ascents(run, fault::noise_per_row))
    .fault(fault::OFFSET_KEPT, |run| ascents(run, fault::offset_kept))
    .fault(fault::POSTERIOR_SPREAD_FORGOTTEN, |run| ascents(run, fault::posterior_spread_forgotten))
}

fn importance() -> Claim {
    let method = Method::Enumeration("quantiles of a logistic law, against integration");
    let sentence = "the mean importance weight is the evidence, for a q that is positive wherever p is";
    Claim::legacy("mean_importance_weight_is_the_evidence", CHAPTER, sentence, method, |run| {
        weights(run, importance_weighted_bound)
    })
    .row("S0.23", || {
        let (model, x) = drawn(1, [0.15, 0.75, 0.35]);
        let weights = check::logistic_log_weights(&model, x.view(), 4000, 0.0);
        let got = importance_weighted_bound(weights.view()).unwrap_or(f64::NAN);
        Row { got, want: check::log_evidence(&model, x.view()), tol: solve_tol() }
    })
    .fault(fault::SUM_OF_WEIGHTS, |run| weights(run, fault::sum_of_weights))
    .fault(fault::MEAN_OF_LOG_WEIGHTS, |run| weights(run, fault::mean_of_log_weights))
    .fault(fault::LARGEST_WEIGHT, |run| weights(run, fault::largest_weight))
}

const fn solve_tol() -> Tol {
    Tol::new(1e-11, 1e-11, "an LU solve or some thousand terms of a sum")
}

/// A model with three dimensions of data and a point, from three numbers in (0, 1).
fn drawn(latents: usize, [a, b, c]: [f64; 3]) -> (FactorModel, Array1<f64>) {
    let entry = |seed: f64, k: usize| 2.0 * (seed + 0.618_034 * k as f64).fract() - 1.0;
    let loading = Array2::from_shape_fn((3, latents), |(i, j)| 1.2 * entry(a, 2 * i + 3 * j));
    let offset = Array1::from_shape_fn(3, |i| entry(b, i));
    let noise = log_uniform(c, 0.3, 2.0);
    let x = Array1::from_shape_fn(3, |i| 2.0 * entry(b + c, i + 1));
    (FactorModel::new(loading.view(), offset.view(), noise).expect("finite entries"), x)
}

fn with_q(latents: usize, [a, b, c, d]: [f64; 4]) -> (FactorModel, Array1<f64>, Gaussian) {
    let (model, x) = drawn(latents, [a, b, c]);
    let mean = Array1::from_shape_fn(latents, |i| uniform(d, -1.0, 1.0) * (1.0 - 0.5 * i as f64));
    let mut cov = Array2::from_elem((latents, latents), 0.2 * a);
    cov.diag_mut().fill(log_uniform(d, 0.25, 1.5));
    (model, x, Gaussian::new(mean.view(), cov.view()).expect("diagonally dominant"))
}

/// Forty rows in three dimensions, spread along one direction.
fn sample(seed: f64) -> Array2<f64> {
    Array2::from_shape_fn((40, 3), |(i, j)| {
        let u = (seed + 0.618_034 * i as f64).fract() - 0.5;
        let v = (seed + 0.754_877 * (3 * i + j) as f64).fract() - 0.5;
        3.0 * u * (1.0 - 0.6 * j as f64) + v + 0.3 * j as f64
    })
}

fn evidence_row(latents: usize, u: [f64; 3]) -> Row {
    let (model, x) = drawn(latents, u);
    let got = model.log_evidence(x.view()).unwrap_or(f64::NAN);
    Row { got, want: check::log_evidence(&model, x.view()), tol: solve_tol() }
}

/// One latent mostly, two in every sixteenth case.
fn latents(k: usize) -> usize {
    if k % 16 == 3 { 2 } else { 1 }
}

fn over<const D: usize>(run: &Run, mut claim: impl FnMut(usize, [f64; D]) -> Outcome) -> Outcome {
    let points = run.points::<D>().enumerate();
    points.map(|(k, u)| claim(k, u)).try_fold(Evidence::none(), |all, e| Ok(all.and(e?)))
}

fn evidences(run: &Run, f: Evident) -> Outcome {
    over(run, |k, u| {
        let (model, x) = drawn(latents(k), u);
        check::evidence_is_the_integral(f, &model, x.view())
    })
}

fn posteriors(run: &Run, f: Posterior) -> Outcome {
    over(run, |k, [a, b, c]| {
        let (model, x) = drawn(latents(k), [a, b, c]);
        let z = Array1::from_shape_fn(latents(k), |i| uniform(c, -1.5, 1.5) + 0.3 * i as f64);
        check::posterior_is_the_conditional(f, &model, x.view(), z.view())
    })
}

fn bounds(run: &Run, f: Bound) -> Outcome {
    over(run, |k, u| {
        let (model, x, q) = with_q(latents(k), u);
        check::bound_is_the_mean_log_weight(f, &model, x.view(), &q)
    })
}

fn gradients(run: &Run, f: Gradient) -> Outcome {
    over(run, |k, [a, b, c, d]| {
        let (model, x) = drawn(1 + k % 3, [a, b, c]);
        let mean = Array1::from_shape_fn(1 + k % 3, |i| uniform(d, -1.0, 1.0) + 0.2 * i as f64);
        check::gradient_is_the_derivative(f, &model, x.view(), mean.view(), log_uniform(a, 0.3, 1.5))
    })
}

fn ascents(run: &Run, f: Ascent) -> Outcome {
    let few = run.at_most(run.cases.div_ceil(16));
    over(&few, |k, [a, b, c, d]| {
        let (model, _) = drawn(1 + k % 2, [a, b, c]);
        check::ascent_is_stationary(f, &model, sample(d).view())
    })
}

fn weights(run: &Run, f: Weighted) -> Outcome {
    over(run, |_, u| {
        let (model, x) = drawn(1, u);
        check::importance_mean_is_the_evidence(f, &model, x.view(), 2000)
    })
}
