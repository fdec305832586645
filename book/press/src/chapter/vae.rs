//! Evidence and its bound: the gap as an encoder moves, and bounds that tighten with more samples.

use alphabar::gaussian::Gaussian;
use alphabar::posterior::Moments;
use alphabar::vae::{FactorModel, Hierarchy, Kernel, cross_entropy};
use alphabar::{Betas, Schedule};
use ndarray::{Array1, Array2, array};

use crate::evidence::scientific;
use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, Panel, Series, panels};

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let four = |x: f64| format!("{x:.4}").replace('-', "−");
    let six = |x: f64| format!("{x:.6}").replace('-', "−");
    let (model, x) = one_latent();
    let posterior = model.posterior(x.view()).expect("one dimension");
    let evidence = model.log_evidence(x.view()).expect("one dimension");
    let bound = |mean: f64, var: f64| bound_at(&model, &x, mean, var);
    let gradient = model.encoder_gradient(x.view(), array![0.0].view(), 1.0).expect("a standard deviation of 1");
    let toy = toy();
    let weights = Weights::new(&toy, 0.8);
    let truth = toy.log_evidence(0.8);
    let surprise = |theta: f64| cross_entropy(Moments { mean: 0.0, var: 1.0 }, Moments { mean: theta, var: 1.0 });
    let (first, steps, last) = ascent();
    vec![
        ("nll_0", four(surprise(0.0))),
        ("nll_10", four(surprise(10.0))),
        ("mean", four(posterior.mean()[0])),
        ("var", four(posterior.cov()[[0, 0]])),
        ("evidence", four(evidence)),
        ("at_prior", four(bound(0.0, 1.0))),
        ("gap_at_prior", four(evidence - bound(0.0, 1.0))),
        ("fit_at_prior", four(model.reconstruction(x.view(), &normal(0.0, 1.0)).expect("one dimension"))),
        ("at_posterior", four(bound(posterior.mean()[0], posterior.cov()[[0, 0]]))),
        ("gradient_mean", four(gradient.mean[0])),
        ("gradient_log_std", four(gradient.log_std)),
        ("ascent_first", four(first)),
        ("ascent_steps", steps.to_string()),
        ("ascent_last", four(last)),
        ("toy_elbo", six(toy.elbo(0.8))),
        ("toy_evidence", six(truth)),
        ("k_10", four(weights.bound(10))),
        ("k_100", four(weights.bound(100))),
        ("k_1000", four(weights.bound(1000))),
        ("short_1000", scientific(truth - weights.bound(1000), 1)),
        ("first_order_1000", scientific(0.5 * weights.variance / 1000.0, 1)),
        ("weight_variance", format!("{:.2}", weights.variance)),
        ("quadrature_error", scientific((weights.bound(1) - toy.elbo(0.8)).abs(), 0)),
        ("toy_prior_matching", four(toy.prior_matching(0.8))),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    let (model, x) = one_latent();
    let evidence = model.log_evidence(x.view()).expect("one dimension");
    let posterior = model.posterior(x.view()).expect("one dimension");
    let (best, var) = (posterior.mean()[0], posterior.cov()[[0, 0]]);
    let shaded = |curve: &[(f64, f64)]| {
        let (left, right) = (curve[0].0, curve[curve.len() - 1].0);
        let edge = [(right, evidence), (left, evidence)];
        let below = curve.iter().map(|&(x, y)| (x, y.max(LOWEST)));
        Series::line("", ORANGE, below.chain(edge)).drawn(Mark::Band)
    };
    let line = |label: &str, colour, curve: Vec<(f64, f64)>| {
        Series::line(label, colour, curve.into_iter().filter(|point| point.1 >= LOWEST))
    };
    let truth = |from: f64, to: f64| Series::line("ln p(x)", GREY, [(from, evidence), (to, evidence)]);
    let means: Vec<(f64, f64)> =
        (0..=80).map(|k| -0.4 + 0.03 * f64::from(k)).map(|m| (m, bound_at(&model, &x, m, var))).collect();
    let wider = means.iter().map(|&(m, _)| (m, bound_at(&model, &x, m, 3.0 * var))).collect::<Vec<_>>();
    let in_mean = Panel {
        title: "the encoder's mean moves".into(),
        x: Axis::linear("mean of q", -0.4, 2.0),
        y: Axis::linear("nats", LOWEST, 0.0),
        series: vec![
            shaded(&means),
            truth(-0.4, 2.0),
            line("bound, variance 1/3", BLUE, means),
            line("bound, variance 1", GREEN, wider).drawn(Mark::Dashes),
        ],
    };
    let vars: Vec<(f64, f64)> = (0..=100)
        .map(|k| 10f64.powf(-2.0 + 0.03 * f64::from(k)))
        .map(|v| (v, bound_at(&model, &x, best, v)))
        .collect();
    let in_var = Panel {
        title: "its variance moves".into(),
        x: Axis::log("variance of q", 0.01, 10.0),
        y: Axis::linear("nats", LOWEST, 0.0),
        series: vec![shaded(&vars), truth(0.01, 10.0), line("bound, mean 0.8", BLUE, vars)],
    };
    let toy = toy();
    let weights = Weights::new(&toy, 0.8);
    let truth = toy.log_evidence(0.8);
    let sizes = || (0..=20).map(|j| 2f64.powf(0.5 * f64::from(j)));
    let bounds: Vec<(f64, f64)> = (0..=10).map(|j| 1usize << j).map(|k| (k as f64, weights.bound(k))).collect();
    let predicted = sizes().map(|k| (k, truth - 0.5 * weights.variance / k));
    let rising = Panel {
        title: "more samples a bound".into(),
        x: Axis::log("k", 1.0, 1000.0),
        y: Axis::linear("nats", -1.5, -1.0),
        series: vec![
            Series::line("ln p(x)", GREY, [(1.0, truth), (1024.0, truth)]),
            Series::line("first order in 1/k", ORANGE, predicted.filter(|p| p.1 > -1.5)).drawn(Mark::Dashes),
            Series::line("", BLUE, bounds.clone()),
            Series::line("bound of k", BLUE, bounds).drawn(Mark::Dots),
        ],
    };
    vec![panels("vae", 2, vec![in_mean, in_var]), panels("vae_importance", 1, vec![rising])]
}

/// The least value drawn, nats.
const LOWEST: f64 = -4.5;

/// z ~ N(0, 1), x | z ~ N(z, ½), seen at x = 1.2: the posterior is N(0.8, 1/3).
fn one_latent() -> (FactorModel, Array1<f64>) {
    let model = FactorModel::new(array![[1.0]].view(), array![0.0].view(), 0.5).expect("valid numbers");
    (model, array![1.2])
}

fn normal(mean: f64, var: f64) -> Gaussian {
    Gaussian::new(array![mean].view(), array![[var]].view()).expect("a positive variance")
}

fn bound_at(model: &FactorModel, x: &Array1<f64>, mean: f64, var: f64) -> f64 {
    model.elbo(x.view(), &normal(mean, var)).expect("one dimension")
}

/// The chain of three steps.
fn toy() -> Hierarchy {
    let kernel = |slope, offset, var| Kernel { slope, offset, var };
    let decoders = vec![kernel(0.9, 0.05, 0.05), kernel(0.8, -0.1, 0.6), kernel(0.7, 0.2, 0.2)];
    let betas = Betas::new(vec![0.1, 0.3, 0.5]).expect("inside (0, 1)");
    Hierarchy::diffusion(decoders, &Schedule::new(betas)).expect("three kernels each")
}

/// Mean evidence of forty points in the plane before coordinate ascent, the steps until it gains less than 10⁻⁶, and after.
fn ascent() -> (f64, usize, f64) {
    let data = Array2::from_shape_fn((40, 2), |(i, j)| {
        let u = (0.37 + 0.618_034 * i as f64).fract() - 0.5;
        let v = (0.37 + 0.754_877 * (2 * i + j) as f64).fract() - 0.5;
        3.0 * u * (1.0 - 0.6 * j as f64) + v + 0.3 * j as f64
    });
    let mut model =
        FactorModel::new(array![[0.2], [-0.7]].view(), array![0.0, 0.0].view(), 1.0).expect("valid numbers");
    let mean = |model: &FactorModel| {
        data.rows().into_iter().map(|x| model.log_evidence(x).expect("two dimensions")).sum::<f64>() / 40.0
    };
    let first = mean(&model);
    let mut last = first;
    let mut steps = 0;
    loop {
        model = model.em_step(data.view()).expect("data that fill the plane");
        let next = mean(&model);
        steps += 1;
        if next - last < 1e-6 {
            return (first, steps, next);
        }
        last = next;
    }
}

/// Expected importance-weighted bounds without draws.
///
/// With weights W over their mean, E ln (1/k Σ W) = ∫ (e^{−u} − E[e^{−uW/k}]^k) du/u: k samples cost no more than one.
struct Weights {
    truth: f64,
    /// E e^{−uW} at ln u = `LEAST`, `LEAST` + `STEP`, …
    laplace: Vec<f64>,
    variance: f64,
}

const LEAST: f64 = -25.0;
const STEP: f64 = 0.125;
const COUNT: usize = 480;

impl Weights {
    /// Trapezoids over the three noises of the encoder.
    fn new(model: &Hierarchy, x: f64) -> Self {
        let truth = model.log_evidence(x);
        let nodes: Vec<(f64, f64)> = (-16..=16)
            .map(|k| 0.4 * f64::from(k))
            .map(|z| (z, 0.4 * (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt()))
            .collect();
        let mut all = Vec::new();
        for a in &nodes {
            for b in &nodes {
                for c in &nodes {
                    let mut below = x;
                    let path: Array1<f64> = model
                        .encoders()
                        .iter()
                        .zip([a.0, b.0, c.0])
                        .map(|(kernel, noise)| {
                            below = kernel.at(below).mean + kernel.var.sqrt() * noise;
                            below
                        })
                        .collect();
                    let log = model.log_weight(x, path.view()).expect("three latents") - truth;
                    all.push((log.exp(), a.1 * b.1 * c.1));
                }
            }
        }
        all.retain(|(_, mass)| *mass > 1e-14);
        let laplace = (0..COUNT)
            .map(|i| (LEAST + STEP * i as f64).exp())
            .map(|u| all.iter().map(|(w, mass)| mass * (-u * w).exp()).sum())
            .collect();
        let second: f64 = all.iter().map(|(w, mass)| mass * w * w).sum();
        Self { truth, laplace, variance: second - 1.0 }
    }

    fn bound(&self, k: usize) -> f64 {
        let k = k as f64;
        let at = |(i, laplace): (usize, &f64)| (-k * (LEAST + STEP * i as f64).exp()).exp() - laplace.powf(k);
        self.truth + STEP * self.laplace.iter().enumerate().map(at).sum::<f64>()
    }
}
