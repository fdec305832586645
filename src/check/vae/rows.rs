//! The rows of the ledger that the claims on latent variable models and on maximum likelihood cover.

use ndarray::{Array1, Array2};

use super::hierarchy::{joint_log_density, mean_log_weight};
use super::importance::{drawn_log_weights, mean_weighted_bound, toy};
use super::likelihood::{self, golden_minimum, mixture, numbers};
use super::{conditional, drawn, gap, log_evidence, logistic_log_weights, mean_log_weight_under, sample, with_q};
use crate::check::gaussian::mean_log_ratio;
use crate::check::vae as check;
use crate::check::{Claim, Row, Tol};
use crate::gaussian::Gaussian;
use crate::posterior::Moments;
use crate::schedule::{Betas, Schedule};
use crate::vae::{
    FactorModel, Hierarchy, Kernel, cross_entropy, gaussian_mle, importance_weighted_bound, mean_log_likelihood,
    negative_log_likelihood,
};

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        evidence(),
        posterior(),
        bound(),
        gradient(),
        ascent(),
        importance(),
        importance_rises(),
        hierarchy_joint(),
        hierarchy_bound(),
        estimate(),
        surprise(),
        cross(),
    ]
}

fn evidence() -> Claim {
    Claim::new(|| check::evidence_is_the_integral(FactorModel::log_evidence))
        .row("S0.21", || evidence_row(1, [0.2, 0.7, 0.4]))
        .row("S1.01", || evidence_row(2, [0.6, 0.1, 0.9]))
}

fn posterior() -> Claim {
    Claim::new(|| check::posterior_is_the_conditional(FactorModel::posterior))
        .row("S0.19", || {
            let (model, x) = drawn(2, [0.3, 0.5, 0.8]);
            let got = model.posterior(x.view()).map_or(f64::NAN, |q| q.mean()[1]);
            Row { got, want: conditional(&model, x.view()).0[1], tol: solve_tol() }
        })
        .row("S1.02", || {
            let (model, x) = drawn(1, [0.8, 0.3, 0.1]);
            let z = Array1::from(vec![0.37]);
            let posterior = model.posterior(x.view()).and_then(|q| q.log_density(z.view()));
            let got =
                model.log_joint(x.view(), z.view()).and_then(|joint| Ok(joint - posterior?)).unwrap_or(f64::NAN);
            Row { got, want: log_evidence(&model, x.view()), tol: solve_tol() }
        })
}

fn bound() -> Claim {
    Claim::new(|| {
        check::bound_is_the_mean_log_weight(FactorModel::elbo)
            .also(check::bound_is_the_mean_log_weight(FactorModel::elbo_from_gap))
    })
    .row("S1.06", || {
        let (model, x, q) = with_q(2, [0.5, 0.2, 0.6, 0.9]);
        let got = model.elbo(x.view(), &q).unwrap_or(f64::NAN);
        Row { got, want: mean_log_weight_under(&model, x.view(), &q), tol: solve_tol() }
    })
    .row("S1.05", || {
        let (model, x, q) = with_q(1, [0.9, 0.8, 0.2, 0.4]);
        let got = model.elbo_from_gap(x.view(), &q).unwrap_or(f64::NAN);
        Row { got, want: mean_log_weight_under(&model, x.view(), &q), tol: solve_tol() }
    })
    .row("S0.25", || {
        let (model, x, q) = with_q(2, [0.1, 0.4, 0.7, 0.3]);
        let got = model.log_evidence(x.view()).and_then(|l| Ok(l - model.elbo(x.view(), &q)?)).unwrap_or(f64::NAN);
        Row { got, want: gap(&model, x.view(), &q), tol: solve_tol() }
    })
    .row("S0.24", || {
        let (model, x) = drawn(2, [0.7, 0.9, 0.2]);
        let got = model.posterior(x.view()).and_then(|q| model.elbo(x.view(), &q)).unwrap_or(f64::NAN);
        Row { got, want: log_evidence(&model, x.view()), tol: solve_tol() }
    })
}

fn gradient() -> Claim {
    Claim::new(|| check::gradient_is_the_derivative(FactorModel::encoder_gradient)).row("S1.07", || {
        let (model, x) = drawn(1, [0.4, 0.6, 0.3]);
        let at = |mean: f64| {
            let q = Gaussian::new(Array1::from(vec![mean]).view(), Array2::from_elem((1, 1), 0.49).view());
            q.map_or(f64::NAN, |q| mean_log_weight_under(&model, x.view(), &q))
        };
        let got =
            model.encoder_gradient(x.view(), Array1::from(vec![0.2]).view(), 0.7).map_or(f64::NAN, |g| g.mean[0]);
        Row { got, want: (at(0.201) - at(0.199)) / 0.002, tol: Tol::rel(1e-9, "rounding of the bound over the step") }
    })
}

fn ascent() -> Claim {
    Claim::new(|| check::ascent_is_stationary(FactorModel::em_step)).row("S1.04", || {
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
}

fn importance() -> Claim {
    Claim::new(|| check::importance_mean_is_the_evidence(importance_weighted_bound)).row("S0.23", || {
        let (model, x) = drawn(1, [0.15, 0.75, 0.35]);
        let weights = logistic_log_weights(&model, x.view(), 4000);
        let got = importance_weighted_bound(weights.view()).unwrap_or(f64::NAN);
        Row { got, want: log_evidence(&model, x.view()), tol: solve_tol() }
    })
}

const fn solve_tol() -> Tol {
    Tol::new(1e-11, 1e-11, "an LU solve or some thousand terms of a sum")
}

fn evidence_row(latents: usize, u: [f64; 3]) -> Row {
    let (model, x) = drawn(latents, u);
    let got = model.log_evidence(x.view()).unwrap_or(f64::NAN);
    Row { got, want: log_evidence(&model, x.view()), tol: solve_tol() }
}

fn importance_rises() -> Claim {
    Claim::new(|| check::weighted_bounds_rise(importance_weighted_bound))
        .row("B22", || Row {
            got: toy().elbo(0.8),
            want: mean_log_weight(&toy(), 0.8).0,
            tol: Tol::abs(1e-13, "some hundred roundings"),
        })
        .row("B22", || Row { got: toy().elbo(0.8), want: -1.415_503, tol: Tol::printed(6) })
        .row("B22", || Row { got: toy().log_evidence(0.8), want: -1.133_762, tol: Tol::printed(6) })
        .row("B22", || listed_row(10, -1.157))
        .row("B22", || listed_row(100, -1.137))
        .row("B22", || listed_row(1000, -1.135))
}

fn hierarchy_joint() -> Claim {
    Claim::new(|| check::log_joint_is_the_joint_density(Hierarchy::log_joint)).row("S1.09", || {
        let z = Array1::from(vec![0.3, -0.2, 1.1]);
        let got = toy().log_joint(0.8, z.view()).unwrap_or(f64::NAN);
        Row { got, want: joint_log_density(&toy(), 0.8, z.view()).0, tol: solve_tol() }
    })
}

fn hierarchy_bound() -> Claim {
    Claim::new(|| check::hierarchy_bound_is_the_mean_log_weight(Hierarchy::elbo))
        .row("S1.10", || {
            // Mean over data N(0.4, 0.49); the bound is quadratic in x.
            let reach = (3.0f64 * 0.49).sqrt();
            let mean = (toy().elbo(0.4 - reach) + 4.0 * toy().elbo(0.4) + toy().elbo(0.4 + reach)) / 6.0;
            Row { got: mean, want: -1.621_952_735_845, tol: Tol::printed(12) }
        })
        .row("S1.43", || {
            let (model, q, hierarchy) = one_level();
            let x = Array1::from(vec![0.9]);
            let want = mean_log_weight_under(&model, x.view(), &q);
            Row { got: hierarchy.elbo(0.9), want, tol: Tol::abs(2e-14, "some twenty roundings of terms of order 10") }
        })
        .row("S1.15", || {
            let (model, q, hierarchy) = one_level();
            let got = model.elbo(Array1::from(vec![0.9]).view(), &q).unwrap_or(f64::NAN);
            let want = mean_log_weight(&hierarchy, 0.9).0;
            Row { got, want, tol: Tol::abs(2e-14, "some twenty roundings of terms of order 10") }
        })
        .row("S2.35", || {
            let step = |(m, v): (f64, f64), b: f64| (m * (1.0 - b).sqrt(), (1.0 - b) * v + b);
            let (m, v) = [0.1, 0.3, 0.5].into_iter().fold((1.0, 0.0), step);
            let law = Moments { mean: 0.8 * m, var: v };
            let want = mean_log_ratio(law, Moments { mean: 0.0, var: 1.0 }).0;
            Row { got: toy().prior_matching(0.8), want, tol: Tol::abs(1e-14, "some ten roundings") }
        })
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

/// The mean bound over batches of k draws against the number listed, which is Monte Carlo itself and given to 3 decimals.
fn listed_row(k: usize, listed: f64) -> Row {
    let weights = drawn_log_weights(0);
    let (mean, error) = mean_weighted_bound(importance_weighted_bound, weights.view(), k);
    let reason = "5 standard errors here, the listed number's own error and its 3 decimals";
    Row { got: mean, want: listed, tol: Tol::abs(5.0 * std::f64::consts::SQRT_2 * error + 5e-4, reason) }
}

fn estimate() -> Claim {
    Claim::new(|| check::likelihood_is_highest_at(gaussian_mle)).row("S0.20", || {
        let data = numbers(0.21);
        let nll = |log_var: f64| {
            let (var, n) = (f64::exp(log_var), data.len() as f64);
            let mean = data.sum() / n;
            data.iter().map(|x| log_var + (x - mean).powi(2) / var).sum::<f64>() / n
        };
        let want = golden_minimum(nll, -12.0, 8.0).exp();
        let got = gaussian_mle(data.view()).map_or(f64::NAN, |m| m.var);
        Row { got, want, tol: Tol::rel(1e-6, "a minimum is found to the root of the rounding") }
    })
}

fn surprise() -> Claim {
    Claim::new(|| check::nll_is_lowest_at(negative_log_likelihood))
        .row("S0.26", || {
            let data = numbers(0.63);
            let nll =
                |m: f64| negative_log_likelihood(data.view(), Moments { mean: m, var: 1.0 }).unwrap_or(f64::NAN);
            let want = data.sum() / data.len() as f64;
            Row { got: golden_minimum(nll, -20.0, 20.0), want, tol: Tol::abs(1e-6, "root of the rounding") }
        })
        .row("S3.12", || {
            let data = numbers(0.84);
            let likelihood =
                |m: f64| mean_log_likelihood(data.view(), Moments { mean: m, var: 0.7 }).unwrap_or(f64::NAN);
            let want = data.sum() / data.len() as f64;
            let got = golden_minimum(|m| -likelihood(m), -20.0, 20.0);
            Row { got, want, tol: Tol::abs(1e-6, "root of the rounding") }
        })
}

fn cross() -> Claim {
    Claim::new(|| check::cross_entropy_is_entropy_plus_divergence(cross_entropy)).row("S3.05", || {
        let model = Moments { mean: 0.2, var: 1.4 };
        let (entropy, divergence, data) = likelihood::surprise(&mixture(), model);
        Row { got: cross_entropy(data, model), want: entropy + divergence, tol: Tol::abs(1e-12, "a thousand terms") }
    })
}
