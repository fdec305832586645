//! Numbers behind the rows of the bound's claims: chains, draws, and the same quantities by another way.

use ndarray_rand::rand::{Rng, SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;

use crate::check::elbo::World;
use crate::check::{Run, Tol, uniform};
use crate::elbo::{
    AffineKernel, PathLogs, ProofRow, Reverse, Terms, denoising_term, expected_terms, proof_row, terms_at,
};
use crate::error::Result;
use crate::posterior::Moments;
use crate::schedule::{Schedule, Timestep};
use crate::check::Row;

/// Groups of 16 log-weights of the toy chain at x₀ = 0.8.
pub(super) fn draw(run: &Run, groups: usize) -> Vec<Vec<f64>> {
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

pub(super) fn path_densities(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<[f64; 4]> {
    let logs = PathLogs::new(schedule, reverse, path)?;
    let last = logs.forward[logs.forward.len() - 1];
    Ok([logs.model(), logs.data_chain(), logs.telescoping_sum(), last])
}

/// A path of T + 1 states spread over (−2, 2).
pub(super) fn path(last: usize, [u, v, w]: [f64; 3]) -> Vec<f64> {
    (0..=last).map(|t| uniform((u + v * t as f64 + w * (t * t) as f64).fract(), -2.0, 2.0)).collect()
}

/// The k-th of a fixed list of chains of three steps.
pub(super) fn world(k: usize) -> World {
    let spread = |step: f64| (0.05 + step * k as f64).fract();
    World::random([0.4, spread(0.618_033_989), spread(0.754_877_666)])
}

pub(super) fn near(got: f64, want: f64) -> Row {
    Row { got, want, tol: Tol::new(1e-12, 1e-12, "a few hundred roundings") }
}

pub(super) fn on(k: usize, row: ProofRow, sign: f64) -> Row {
    of_world(&world(k), row, sign)
}

pub(super) fn of_world(world: &World, row: ProofRow, sign: f64) -> Row {
    let got = world.expect(|path| proof_row(row, &world.schedule, &world.kernel(), path)).expect("T + 1 states");
    near(sign * got, sign * world.bound())
}

pub(super) fn total(k: usize, sign: f64) -> Row {
    let world = world(k);
    let got = world.expect(|path| terms_at(&world.schedule, &world.kernel(), path).map(|terms| terms.total()));
    near(sign * got.expect("T + 1 states"), sign * world.bound())
}

pub(super) fn bound(world: World, sign: f64) -> Row {
    near(sign * terms_of(&world, Terms::total), sign * (world.nll() + world.joint_kl()))
}

pub(super) fn terms_of(world: &World, pick: impl Fn(&Terms) -> f64) -> f64 {
    pick(&expected_terms(&world.schedule, world.data, &world.reverse).expect("one kernel a step"))
}

pub(super) fn density(which: usize, k: usize, path: &[f64; 4]) -> Row {
    let world = world(k);
    let got = path_densities(&world.schedule, &world.kernel(), path).expect("four states")[which];
    near(got, world.densities(path)[which])
}

/// A middle term of the toy chain against the average of log ratios under Bayes' rule in information form.
pub(super) fn middle(t: usize, x0: f64, xt: f64) -> Row {
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
pub(super) fn gauss(law: Moments, f: impl Fn(f64) -> f64) -> f64 {
    let far = (3.0 * law.var).sqrt();
    (f(law.mean - far) + 4.0 * f(law.mean) + f(law.mean + far)) / 6.0
}

pub(super) fn lie_row(t: usize, xt: f64) -> Row {
    let model = World::toy().reverse[t - 1];
    let (got, kl, information) = lie_numbers_of(t, xt, model);
    near(got, kl + information)
}

pub(super) fn lie_numbers(t: usize, xt: f64, model: AffineKernel) -> (f64, f64) {
    let (got, kl, _) = lie_numbers_of(t, xt, model);
    (got, kl)
}

/// Average KL under test, KL to the true reverse kernel and information, on the toy data by precision addition.
pub(super) fn lie_numbers_of(t: usize, xt: f64, model: AffineKernel) -> (f64, f64, f64) {
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
