//! The rows of the ledger that the claims on the bound cover.

use ndarray_rand::rand::{Rng, SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;

use crate::check::elbo::{self as check, World};
use crate::check::{Claim, Row, Tol};
use crate::elbo::{
    AffineKernel, PathLogs, ProofRow, Reverse, Terms, decoder_term, denoising_from_eps_loss, denoising_term,
    expected_terms, importance_bound, prior_slope, prior_term, proof_row, terms_at,
};
use crate::error::Result;
use crate::posterior::Moments;
use crate::schedule::{Level, Schedule, Timestep};

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
    Claim::new(|| check::proof_rows(proof_row))
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
}

fn terms_claim() -> Claim {
    Claim::new(|| check::terms_on_path(terms_at))
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
}

fn expected_claim() -> Claim {
    Claim::new(|| check::expected_bound(expected_terms))
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
}

fn densities_claim() -> Claim {
    Claim::new(|| check::joint_densities(path_densities))
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
}

fn lie_claim() -> Claim {
    Claim::new(|| check::harmless_lie(denoising_term))
        .row("S1.45", || lie_row(2, 0.7))
        .row("S2.13", || lie_row(3, -0.9))
        .row("S2.22", || {
            let models = [
                AffineKernel { slope: 0.8, offset: -0.1, var: 0.6 },
                AffineKernel { slope: 0.3, offset: 0.4, var: 0.2 },
            ];
            let gap = |model| {
                let (got, kl, _) = lie_numbers(2, 1.3, model);
                got - kl
            };
            near(gap(models[0]), gap(models[1]))
        })
}

fn slope_claim() -> Claim {
    Claim::new(|| check::prior_slope(prior_slope)).row("S1.44", || {
        let mut other = World::toy();
        other.reverse.iter_mut().for_each(|k| k.slope += 0.125);
        let got = terms_of(&other, |t| t.prior) - terms_of(&World::toy(), |t| t.prior);
        Row { got, want: 0.0, tol: Tol::exact() }
    })
}

fn losses_claim() -> Claim {
    Claim::new(|| check::bound_from_losses(|step, var, loss| denoising_from_eps_loss(step, var, loss, 1)))
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
            let want = gauss(q, |x| {
                0.5 * ((x - mean).powi(2) / 0.6 + 0.6f64.ln() - (x - q.mean).powi(2) / q.var - q.var.ln())
            });
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
}

fn importance_claim() -> Claim {
    Claim::new(|| check::importance_bounds(importance_bound))
        .row("S3.16", || {
            let weights = check::draw(0, 1024).concat();
            let got = importance_bound(&weights).expect("there are weights");
            let n = weights.len() as f64;
            let spread = weights.iter().map(|w| (w - got).exp_m1().powi(2)).sum::<f64>().sqrt() / n;
            Row {
                got,
                want: -1.133_762,
                tol: Tol::abs(5.0 * spread, "5 standard errors of the mean weight, relative"),
            }
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
}

fn path_densities(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<[f64; 4]> {
    Ok(super::faults::path_densities(&PathLogs::new(schedule, reverse, path)?))
}

/// The k-th of a fixed list of chains of three steps.
fn world(k: usize) -> World {
    let spread = |step: f64| (0.05 + step * k as f64).fract();
    World::random([0.4, spread(0.618_033_989), spread(0.754_877_666)])
}

fn near(got: f64, want: f64) -> Row {
    Row { got, want, tol: Tol::new(1e-12, 1e-12, "a few hundred roundings") }
}

fn on(k: usize, row: ProofRow, sign: f64) -> Row {
    let world = world(k);
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
    let (got, kl, information) = lie_numbers(t, xt, model);
    near(got, kl + information)
}

/// Average KL under test, KL to the true reverse kernel and information, on the toy data by precision addition.
fn lie_numbers(t: usize, xt: f64, model: AffineKernel) -> (f64, f64, f64) {
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
