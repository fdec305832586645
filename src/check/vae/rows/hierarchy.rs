//! Claims on importance-weighted bounds and on hierarchies of latents.

use ndarray::{Array1, Array2};
use ndarray_rand::rand::rngs::SmallRng;
use ndarray_rand::rand::{Rng, SeedableRng};
use ndarray_rand::rand_distr::StandardNormal;

use super::{CHAPTER, View, Weighted, over, solve_tol};
use crate::check::gaussian::mean_log_ratio;
use crate::check::vae as check;
use crate::check::{Outcome, Run, Tol, log_uniform, uniform};
use crate::error::Result;
use crate::check::vae::faults as fault;
use crate::gaussian::Gaussian;
use crate::posterior::Moments;
use crate::schedule::{Betas, Schedule};
use crate::vae::{FactorModel, Hierarchy, Kernel, importance_weighted_bound};
use crate::check::{Claim, Method, Row};

type Joint = fn(&Hierarchy, f64, View<'_>) -> Result<f64>;

pub(super) fn claims() -> Vec<Claim> {
    vec![importance_rises(), hierarchy_joint(), hierarchy_bound()]
}

fn importance_rises() -> Claim {
    let method = Method::Statistics("Monte Carlo, 5 standard errors (6e-7 two-sided), effects of 0.02 nat seen");
    let sentence = "importance-weighted bounds rise with the number of samples from the ELBO to ln p(x)";
    Claim::legacy("importance_weighted_bounds_rise_to_the_evidence", CHAPTER, sentence, method, |run| {
        rises(run, importance_weighted_bound)
    })
    .row("B22", || Row {
        got: toy().elbo(0.8),
        want: check::mean_log_weight(&toy(), 0.8).0,
        tol: Tol::abs(1e-13, "some hundred roundings"),
    })
    .row("B22", || Row { got: toy().elbo(0.8), want: -1.415_503, tol: Tol::printed(6) })
    .row("B22", || Row { got: toy().log_evidence(0.8), want: -1.133_762, tol: Tol::printed(6) })
    .row("B22", || listed_row(10, -1.157))
    .row("B22", || listed_row(100, -1.137))
    .row("B22", || listed_row(1000, -1.135))
    .fault(fault::SUM_OF_WEIGHTS, |run| rises(run, fault::sum_of_weights))
    .fault(fault::MEAN_OF_LOG_WEIGHTS, |run| rises(run, fault::mean_of_log_weights))
    .fault(fault::LARGEST_WEIGHT, |run| rises(run, fault::largest_weight))
}

fn hierarchy_joint() -> Claim {
    let method = Method::OtherPremises("density of the joint Gaussian by LU, tri-diagonal precision");
    let sentence = "the product of a hierarchy's conditionals is the density of its joint";
    Claim::legacy("hierarchy_joint_is_the_product", CHAPTER, sentence, method, |run| joints(run, Hierarchy::log_joint))
        .row("S1.09", || {
            let z = Array1::from(vec![0.3, -0.2, 1.1]);
            let got = toy().log_joint(0.8, z.view()).unwrap_or(f64::NAN);
            Row { got, want: check::joint_log_density(&toy(), 0.8, z.view()).0, tol: solve_tol() }
        })
        .fault(fault::JOINT_WITHOUT_PRIOR, |run| joints(run, fault::joint_without_prior))
        .fault(fault::LEVELS_REVERSED, |run| joints(run, fault::levels_reversed))
        .fault(fault::ENCODER_AS_DECODER, |run| joints(run, fault::encoder_as_decoder))
}

fn hierarchy_bound() -> Claim {
    let method = Method::Numerical("tensor Gauss–Hermite over the encoder's noises");
    let sentence =
        "the factorised bound of a hierarchy is the mean log weight; with one level it is the autoencoder's";
    Claim::legacy("hierarchy_bound_is_the_mean_log_weight", CHAPTER, sentence, method, |run| {
        hierarchies(run, Hierarchy::elbo)
    })
    .row("S1.10", || {
        // Mean over data N(0.4, 0.49); the bound is quadratic in x.
        let reach = (3.0f64 * 0.49).sqrt();
        let mean = (toy().elbo(0.4 - reach) + 4.0 * toy().elbo(0.4) + toy().elbo(0.4 + reach)) / 6.0;
        Row { got: mean, want: -1.621_952_735_845, tol: Tol::printed(12) }
    })
    .row("S1.43", || {
        let (model, q, hierarchy) = one_level();
        let x = Array1::from(vec![0.9]);
        let want = check::mean_log_weight_under(&model, x.view(), &q);
        Row { got: hierarchy.elbo(0.9), want, tol: Tol::abs(2e-14, "some twenty roundings of terms of order 10") }
    })
    .row("S1.15", || {
        let (model, q, hierarchy) = one_level();
        let got = model.elbo(Array1::from(vec![0.9]).view(), &q).unwrap_or(f64::NAN);
        let want = check::mean_log_weight(&hierarchy, 0.9).0;
        Row { got, want, tol: Tol::abs(2e-14, "some twenty roundings of terms of order 10") }
    })
    .row("S2.35", || {
        let step = |(m, v): (f64, f64), b: f64| (m * (1.0 - b).sqrt(), (1.0 - b) * v + b);
        let (m, v) = [0.1, 0.3, 0.5].into_iter().fold((1.0, 0.0), step);
        let law = Moments { mean: 0.8 * m, var: v };
        let want = mean_log_ratio(law, Moments { mean: 0.0, var: 1.0 }).0;
        Row { got: toy().prior_matching(0.8), want, tol: Tol::abs(1e-14, "some ten roundings") }
    })
    .fault(fault::MARGINAL_ENCODERS, |run| hierarchies(run, fault::marginal_encoders))
    .fault(fault::ENTROPY_LEFT_OUT, |run| hierarchies(run, fault::entropy_left_out))
    .fault(fault::BOUND_ALONG_THE_MEANS, |run| hierarchies(run, fault::bound_along_the_means))
}

/// The toy chain: β = (0.1, 0.3, 0.5), decoders with A = (.9, .8, .7), B = (.05, −.1, .2), V = (.05, .6, .2).
fn toy() -> Hierarchy {
    let kernel = |slope, offset, var| Kernel { slope, offset, var };
    let decoders = vec![kernel(0.9, 0.05, 0.05), kernel(0.8, -0.1, 0.6), kernel(0.7, 0.2, 0.2)];
    let betas = Betas::new(vec![0.1, 0.3, 0.5]).expect("inside (0, 1)");
    Hierarchy::diffusion(decoders, &Schedule::new(betas)).expect("three kernels each")
}

/// One model as an autoencoder with encoder N(√(1 − β) x, β) and as a diffusion of one step.
fn one_level() -> (FactorModel, Gaussian, Hierarchy) {
    let (beta, slope, offset, var) = (0.36, 0.7, 0.1, 0.5);
    let model = FactorModel::new(Array2::from_elem((1, 1), slope).view(), Array1::from(vec![offset]).view(), var);
    let mean = Array1::from(vec![(1.0f64 - beta).sqrt() * 0.9]);
    let q = Gaussian::new(mean.view(), Array2::from_elem((1, 1), beta).view());
    let schedule = Schedule::new(Betas::constant(1, beta).expect("inside (0, 1)"));
    let hierarchy = Hierarchy::diffusion(vec![Kernel { slope, offset, var }], &schedule);
    (model.expect("finite"), q.expect("positive"), hierarchy.expect("one kernel each"))
}

/// Log weights of the toy chain at x = 0.8, in batches of k.
fn batches(seed: u64, draws: usize) -> Array1<f64> {
    let mut random = SmallRng::seed_from_u64(seed ^ 0x22);
    let toy = toy();
    let mut draw = || {
        let mut below = 0.8;
        let path: Array1<f64> = toy
            .encoders()
            .iter()
            .map(|kernel| {
                let noise: f64 = random.sample(StandardNormal);
                below = kernel.at(below).mean + kernel.var.sqrt() * noise;
                below
            })
            .collect();
        toy.log_weight(0.8, path.view()).expect("as many latents as kernels")
    };
    (0..draws).map(|_| draw()).collect()
}

const DRAWS: usize = 100_000;

fn rises(run: &Run, f: Weighted) -> Outcome {
    let weights = batches(run.seed, DRAWS);
    let (elbo, evidence) = (check::mean_log_weight(&toy(), 0.8).0, -1.133_762);
    check::weighted_bounds_rise(f, weights.view(), &[1, 10, 100, 1000], elbo, evidence, 0.02)
}

/// The mean bound over batches of k draws against the number listed, which is Monte Carlo itself and given to 3 decimals.
fn listed_row(k: usize, listed: f64) -> Row {
    let weights = batches(0, DRAWS);
    let (mean, error) = check::mean_weighted_bound(importance_weighted_bound, weights.view(), k);
    let reason = "5 standard errors here, the listed number's own error and its 3 decimals";
    Row { got: mean, want: listed, tol: Tol::abs(5.0 * std::f64::consts::SQRT_2 * error + 5e-4, reason) }
}

fn joints(run: &Run, f: Joint) -> Outcome {
    over(run, |k, u| {
        let model = hierarchy(1 + k % 4, u);
        let z = Array1::from_shape_fn(1 + k % 4, |i| uniform(u[3], -2.0, 2.0) * (0.7f64).powi(i as i32) + 0.1);
        check::log_joint_is_the_joint_density(f, &model, uniform(u[2], -2.0, 2.0), z.view())
    })
}

fn hierarchies(run: &Run, f: fn(&Hierarchy, f64) -> f64) -> Outcome {
    over(run, |k, u| {
        let model = hierarchy(1 + k % 4, u);
        check::hierarchy_bound_is_the_mean_log_weight(f, &model, uniform(u[2], -2.0, 2.0))
    })
}

fn hierarchy(depth: usize, [a, b, c, d]: [f64; 4]) -> Hierarchy {
    let kernel = |seed: f64, t: usize| Kernel {
        slope: uniform((seed + 0.618_034 * t as f64).fract(), 0.3, 1.1),
        offset: uniform((b + 0.754_878 * t as f64).fract(), -0.5, 0.5),
        var: log_uniform((seed + d + 0.569_84 * t as f64).fract(), 0.05, 1.0),
    };
    let list = |seed: f64| (0..depth).map(|t| kernel(seed, t)).collect();
    Hierarchy::new(list(a), list(c)).expect("variances above 0 and lists of one length")
}
