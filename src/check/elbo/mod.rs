//! Claims on the variational bound: the rows of its proof, its terms, and what they add up to.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;
mod world;

#[cfg(feature = "verify")]
use ndarray_rand::{
    rand::{Rng, SeedableRng, rngs::StdRng},
    rand_distr::StandardNormal,
};

use crate::elbo::{AffineKernel, ProofRow, Reverse, Terms};
use crate::error::{Error, Result};
use crate::posterior::Moments;
use crate::schedule::{Level, Schedule, Timestep, Transition};

use super::evidence::{law, list, short};
use super::witness::simulate::Marginal;
use super::{Check, Evidence, Method, Mismatch, Outcome, Run, Tol, Trial, uniform};
pub use world::World;

/// Three-point Gauss–Hermite rule of N(0, 1): exact to degree five.
const HERMITE: [(f64, f64); 3] =
    [(-1.732_050_807_568_877_2, 1.0 / 6.0), (0.0, 2.0 / 3.0), (1.732_050_807_568_877_2, 1.0 / 6.0)];

/// Average over N(mean, var) of a function at most quintic.
fn average(law: Moments, f: impl Fn(f64) -> f64) -> f64 {
    HERMITE.iter().map(|&(z, weight)| weight * f(law.mean + law.var.sqrt() * z)).sum()
}

fn log_normal(x: f64, law: Moments) -> f64 {
    -0.5 * ((x - law.mean).powi(2) / law.var + (std::f64::consts::TAU * law.var).ln())
}

/// Integral over the real line of something like N(mean, var) times a polynomial: trapezoids, exponentially exact.
fn integral(law: Moments, f: impl Fn(f64) -> f64) -> f64 {
    let (width, step) = (law.var.sqrt(), 0.25);
    (-48..=48).map(|k| f(law.mean + width * step * f64::from(k))).sum::<f64>() * width * step
}

/// Stops at the first number that the code under test refuses to give.
fn number(what: &str, value: Result<f64>) -> std::result::Result<f64, Mismatch> {
    let refused = |error: Error| Mismatch {
        what: format!("{what}: {error}"),
        got: f64::NAN,
        want: 0.0,
        tol: Tol::exact(),
        at: "a valid chain".into(),
    };
    value.map_err(refused)
}

impl World {
    /// p_θ(x_{t−1} | x_t) of this world as the code under test takes it.
    pub fn kernel(&self) -> impl Fn(Timestep, f64) -> Moments + '_ {
        |t, xt| self.reverse[t.get() - 1].at(xt)
    }

    /// A few sizes of log densities added up: what roundings of the bound scale with.
    fn size(&self) -> f64 {
        let q = self.data_joint();
        let spread = |i: usize| q.mean[i] * q.mean[i] + q.cov[(i, i)];
        let kernel = |(t, k): (usize, &AffineKernel)| {
            let reach = (1.0 + k.slope * k.slope) * (spread(t) + spread(t + 1)) + k.offset * k.offset;
            4.0 + k.var.ln().abs() + reach * self.len() as f64 / k.var
        };
        // Pivots of size β are what remains of variances of size 1 + Var x₀.
        let pivot = |b: &f64| 4.0 + b.ln().abs() + self.len() as f64 + (1.0 + self.data.var) / b;
        let chain = self.schedule.betas().as_slice().iter().map(pivot);
        chain.sum::<f64>() + self.reverse.iter().enumerate().map(kernel).sum::<f64>()
    }

    fn place(&self) -> String {
        format!("chain of {} steps, data {}", self.len(), law(self.data))
    }

    /// KL(q(x_{t−1} | x_t, x₀) ‖ p_θ) at (x₀, x_t): posterior by Schur complement, the KL as an average of log ratios.
    fn kl_at(&self, t: usize, x0: f64, xt: f64) -> f64 {
        let mut path = vec![0.0; self.len() + 1];
        (path[0], path[t]) = (x0, xt);
        let q = self.data_joint().conditional(t - 1, &[0, t], &path);
        let p = self.reverse[t - 1].at(xt);
        average(q, |x| log_normal(x, q) - log_normal(x, p))
    }

    /// E_{q(x₀, x_t)} of that KL, by a product rule over x₀ and x_t | x₀.
    fn middle_term(&self, t: usize) -> f64 {
        let joint = self.data_joint();
        average(self.data, |x0| {
            let law = joint.conditional(t, &[0], &path_of(self.len(), &[(0, x0)]));
            average(law, |xt| self.kl_at(t, x0, xt))
        })
    }

    /// E_{q(x₀, x_t | x_{t−1})} of that KL at one x_{t−1}: what averaging given the earlier state gives.
    #[must_use]
    pub fn middle_term_given(&self, t: usize, xs: f64) -> f64 {
        let joint = self.data_joint();
        let of_x0 = joint.conditional(0, &[t - 1], &path_of(self.len(), &[(t - 1, xs)]));
        average(of_x0, |x0| {
            let law = joint.conditional(t, &[t - 1, 0], &path_of(self.len(), &[(t - 1, xs), (0, x0)]));
            average(law, |xt| self.kl_at(t, x0, xt))
        })
    }

    /// The same averaged over q(x_{t−1}): the tower property.
    #[must_use]
    pub fn middle_term_by_tower(&self, t: usize) -> f64 {
        let joint = self.data_joint();
        let law = Moments { mean: joint.mean[t - 1], var: joint.cov[(t - 1, t - 1)] };
        average(law, |xs| self.middle_term_given(t, xs))
    }

    /// What [`joint_densities`] compares with, in the same order.
    fn densities(&self, path: &[f64]) -> [f64; 4] {
        let joint = self.data_joint();
        let last = self.len();
        let log_of = |i: usize, known: &[usize]| log_normal(path[i], joint.conditional(i, known, path));
        let known: &[usize] = if last == 1 { &[0] } else { &[last - 1, 0] };
        let model = self.model_joint().log_density(path);
        let chain = joint.log_density(path) - log_normal(path[0], self.data);
        [model, chain, log_of(1, &[0]) - log_of(last, &[0]), log_of(last, known)]
    }

    /// log p(x₀) at one point.
    #[cfg(feature = "verify")]
    pub fn log_evidence(&self, x0: f64) -> f64 {
        log_normal(x0, self.model_of_data())
    }
}

/// A claim on the toy chain and on random ones.
fn worlds(run: &Run, mut claim: impl FnMut(&World, [f64; 3]) -> Outcome) -> Outcome {
    let toy = claim(&World::toy(), [0.3, 0.6, 0.8])?;
    Ok(toy.and(run.over(|u| claim(&World::random(u), u))?))
}

/// A path of T + 1 states spread over (−2, 2).
fn path(last: usize, [u, v, w]: [f64; 3]) -> Vec<f64> {
    (0..=last).map(|t| uniform((u + v * t as f64 + w * (t * t) as f64).fract(), -2.0, 2.0)).collect()
}

/// A path with a few entries set.
fn path_of(last: usize, set: &[(usize, f64)]) -> Vec<f64> {
    let mut path = vec![0.0; last + 1];
    for &(i, x) in set {
        path[i] = x;
    }
    path
}

// ANCHOR: proof_rows
/// Every row of the proof has the same expectation over q: the bound.
///
/// ```text
/// E_q f(row, schedule, p_θ, x_{0:T}) = E_q[log q(x_{1:T} | x₀) − log p(x_{0:T})]
/// ```
///
/// Method: the integrand under test averaged by a rule exact for quadratics; the bound from log-determinants and a
/// trace of the two joint Gaussians over (x₀, …, x_T), with no factorisation of either. Source: Ho et al. 2020,
/// arXiv:2006.11239, eqs. (3), (5) and appendix A.
///
/// ```
/// use alphabar::{check, elbo::proof_row};
///
/// check::elbo::proof_rows(proof_row).assert();
/// ```
pub fn proof_rows<'f>(f: impl Fn(ProofRow, &Schedule, &Reverse, &[f64]) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::OtherPremises("log-determinants and trace of the joint Gaussians over the whole path");
    let sentence = "every row of the three proofs of the bound has the bound as its expectation";
    let name = "proof_rows_have_one_expectation";
    Check::new(name, sentence, method, move |run| expectations(run, &f)).rejects(faults::ROWS, expectations)
}

fn expectations(run: &Run, f: impl Fn(ProofRow, &Schedule, &Reverse, &[f64]) -> Result<f64>) -> Outcome {
    worlds(run, |world, _| {
        let want = world.bound();
        let tol = Tol::abs(16.0 * f64::EPSILON * world.size(), "16 roundings of the summed log densities");
        let mut trial = Trial::new();
        for row in ProofRow::ALL {
            let what = format!("expectation of the row {row:?}");
            let got = world.expect(|path| f(row, &world.schedule, &world.kernel(), path));
            trial.close(&what, number(&what, got)?, want, tol, || world.place())?;
        }
        Ok(trial.evidence())
    })
}
// ANCHOR_END: proof_rows

/// The terms on a path are the KLs they stand for, and their sum's expectation is the bound.
///
/// ```text
/// L_T = KL(q(x_T | x₀) ‖ p(x_T))    L_{t−1} = KL(q(x_{t−1} | x_t, x₀) ‖ p_θ(x_{t−1} | x_t))    L_0 = −log p_θ(x₀ | x₁)
/// ```
///
/// Method: L_T and the middle terms as averages of log ratios by a three-point rule exact for quadratics, posterior by
/// Schur complement; the decoder as a density in x₀ of mass 1 whose mean and variance are the kernel's, by trapezoids;
/// the expectation against the joint Gaussians. Source: Ho et al. 2020, arXiv:2006.11239, eq. (5).
///
/// ```
/// use alphabar::{check, elbo::terms_at};
///
/// check::elbo::terms_on_path(terms_at).assert();
/// ```
pub fn terms_on_path<'f>(f: impl Fn(&Schedule, &Reverse, &[f64]) -> Result<Terms> + 'f) -> Check<'f> {
    let method =
        Method::Numerical("averages of log ratios by a rule exact for quadratics, trapezoids, joint Gaussians");
    let sentence = "L_T and L_{t−1} are the KLs they stand for, L_0 a normalised density's logarithm, and their sum averages to the bound";
    Check::new("bound_terms_are_divergences", sentence, method, move |run| terms(run, &f))
        .rejects(faults::TERMS, terms)
}

fn terms(run: &Run, f: impl Fn(&Schedule, &Reverse, &[f64]) -> Result<Terms>) -> Outcome {
    worlds(run, |world, u| terms_are_divergences(&f, world, &path(world.len(), u)))
}

fn terms_are_divergences(
    f: impl Fn(&Schedule, &Reverse, &[f64]) -> Result<Terms>,
    world: &World,
    path: &[f64],
) -> Outcome {
    let kernel = world.kernel();
    let terms = |path: &[f64]| f(&world.schedule, &kernel, path);
    let got = terms(path);
    let part = |what: &str, pick: &dyn Fn(&Terms) -> f64| number(what, got.as_ref().map(pick).map_err(Clone::clone));
    let joint = world.data_joint();
    let (last, x0) = (world.len(), path[0]);
    let largest = path.iter().fold(1.0f64, |a, x| a.max(x.abs()));
    let size = world.size() * largest * largest;
    let tol = Tol::abs(32.0 * f64::EPSILON * size, "32 roundings of the summed log densities");
    let mut trial = Trial::new();

    let end = joint.conditional(last, &[0], path);
    let prior = average(end, |x| log_normal(x, end) - log_normal(x, Moments { mean: 0.0, var: 1.0 }));
    trial.close("prior term", part("prior term", &|t| t.prior)?, prior, tol, || world.place())?;
    for (t, &xt) in path.iter().enumerate().skip(2) {
        let what = format!("denoising term of t = {t}");
        let value = part(&what, &|terms| terms.denoising.get(t - 2).copied().unwrap_or(f64::NAN))?;
        trial.close(&what, value, world.kl_at(t, x0, xt), tol, || world.place())?;
    }

    let law = world.reverse[0].at(path[1]);
    let density = |x: f64| {
        let mut moved = path.to_vec();
        moved[0] = x;
        terms(&moved).map_or(f64::NAN, |terms| (-terms.decoder).exp())
    };
    let mean = integral(law, |x| x * density(x));
    let square = integral(law, |x| (x - law.mean).powi(2) * density(x));
    let tol = Tol::new(1e-13 * largest, 1e-13, "trapezoids to 12 standard deviations");
    trial.close("mass of the decoder", integral(law, density), 1.0, tol, || world.place())?;
    trial.close("mean of the decoder", mean, law.mean, tol, || world.place())?;
    trial.close("variance of the decoder", square, law.var, Tol::rel(1e-13, "trapezoids"), || world.place())?;

    let total = world.expect(|path| terms(path).map(|terms| terms.total()));
    let tol = Tol::abs(16.0 * f64::EPSILON * world.size(), "16 roundings of the summed log densities");
    trial.close("expected sum", number("expected sum", total)?, world.bound(), tol, || world.place())?;
    Ok(trial.evidence())
}

// ANCHOR: expected_bound
/// The expected terms are what they stand for: the middle ones by the tower property, all together NLL + joint KL.
///
/// ```text
/// E_q[L_T + Σ_{t>1} L_{t−1} + L_0] = E[−log p_θ(x₀)] + E KL(q(x_{1:T} | x₀) ‖ p_θ(x_{1:T} | x₀))
/// ```
///
/// Method: exact NLL from the reverse chain's own law of x₀, the gap as a KL between the two conditional joints by Schur
/// complement; each middle term by product rules over (x₀, x_t) and again over x_{t−1} first. Source: Ho et al. 2020,
/// arXiv:2006.11239, eqs. (3), (5).
///
/// ```
/// use alphabar::{check, elbo::expected_terms};
///
/// check::elbo::expected_bound(expected_terms).assert();
/// ```
pub fn expected_bound<'f>(f: impl Fn(&Schedule, Moments, &[AffineKernel]) -> Result<Terms> + 'f) -> Check<'f> {
    let method = Method::OtherPremises("the model's own law of x₀, Schur complements of both joints, product rules");
    let sentence = "the bound exceeds E[−log p_θ(x₀)] by the KL between the paths given x₀, and its middle terms are averages over (x₀, x_t)";
    Check::new("expected_bound_is_nll_plus_joint_kl", sentence, method, move |run| expected(run, &f))
        .rejects(faults::EXPECTED, expected)
}

fn expected(run: &Run, f: impl Fn(&Schedule, Moments, &[AffineKernel]) -> Result<Terms>) -> Outcome {
    worlds(run, |world, _| {
        let got = f(&world.schedule, world.data, &world.reverse);
        let total = number("bound", got.as_ref().map(Terms::total).map_err(Clone::clone))?;
        let tol = Tol::abs(32.0 * f64::EPSILON * world.size(), "32 roundings of the summed log densities");
        let mut trial = Trial::new();
        let want = world.nll() + world.joint_kl();
        let place = || world.place();
        trial.close("bound against NLL + joint KL", total, want, tol, place)?;
        trial.at_most("NLL, at most the bound", world.nll(), total, tol, place)?;
        for t in 2..=world.len() {
            let term = got.as_ref().map(|terms| terms.denoising.get(t - 2).copied().unwrap_or(f64::NAN));
            let term = number("denoising term", term.map_err(Clone::clone))?;
            trial.close("expected KL over (x0, xt)", term, world.middle_term(t), tol, place)?;
            trial.close("expected KL over x_{t-1} first", term, world.middle_term_by_tower(t), tol, place)?;
        }
        Ok(trial.evidence())
    })
}
// ANCHOR_END: expected_bound

/// The products of densities equal the joint densities, for the model and for the forward chain.
///
/// `f` returns these four:
///
/// ```text
/// log p_θ(x_{0:T})        log q(x_{1:T} | x₀)        Σ_{t>1} log q(x_{t−1} | x₀)/q(x_t | x₀)        log q(x_T | x_{T−1})
/// ```
///
/// Method: joint covariance matrices by recursion and their Cholesky factors; the last two from conditionals by Schur
/// complement, the last one given x₀ as well. Source: Ho et al. 2020, arXiv:2006.11239, eqs. (1), (2) and appendix A.
///
/// ```
/// use alphabar::elbo::{PathLogs, Reverse};
/// use alphabar::{Schedule, check};
///
/// let densities = |schedule: &Schedule, reverse: &Reverse, path: &[f64]| {
///     let logs = PathLogs::new(schedule, reverse, path)?;
///     Ok([logs.model(), logs.data_chain(), logs.telescoping_sum(), logs.forward[logs.forward.len() - 1]])
/// };
/// check::elbo::joint_densities(densities).assert();
/// ```
pub fn joint_densities<'f>(f: impl Fn(&Schedule, &Reverse, &[f64]) -> Result<[f64; 4]> + 'f) -> Check<'f> {
    let method = Method::OtherPremises("joint covariance by recursion, Cholesky factors, Schur complements");
    let sentence = "p_θ(x_{0:T}) and q(x_{1:T} | x₀) are ordinary products of their kernels, and the ratios of marginals telescope";
    Check::new("path_density_is_a_product", sentence, method, move |run| densities(run, &f))
        .rejects(faults::DENSITIES, densities)
}

fn densities(run: &Run, f: impl Fn(&Schedule, &Reverse, &[f64]) -> Result<[f64; 4]>) -> Outcome {
    worlds(run, |world, u| products_are_joint(&f, world, &path(world.len(), u)))
}

fn products_are_joint(
    f: impl Fn(&Schedule, &Reverse, &[f64]) -> Result<[f64; 4]>,
    world: &World,
    path: &[f64],
) -> Outcome {
    let got = f(&world.schedule, &world.kernel(), path);
    let part = |what: &str, i: usize| number(what, got.as_ref().map(|all| all[i]).map_err(Clone::clone));
    let largest = path.iter().fold(1.0f64, |a, x| a.max(x.abs()));
    let least = world.schedule.betas().as_slice().iter().fold(1.0f64, |a, b| a.min(*b));
    let size = (world.size() + 2.0 / (least * least)) * largest * largest;
    let tol =
        Tol::abs(32.0 * f64::EPSILON * size, "32 roundings of the log densities, Schur complements of size beta");
    let mut trial = Trial::new();
    let place = || format!("{}, path {}", world.place(), list(path));
    let names = ["log p(x_0 ... x_T)", "log q(x_1 ... x_T | x_0)", "telescoping sum", "log q(x_T | x_{T-1}, x_0)"];
    for (i, (what, want)) in names.into_iter().zip(world.densities(path)).enumerate() {
        trial.close(what, part(what, i)?, want, tol, place)?;
    }
    Ok(trial.evidence())
}

/// Averaged over x₀ | x_t, the data-conditional KL is the KL to the true reverse kernel plus I(x_{t−1}; x₀ | x_t).
///
/// ```text
/// E KL(q(x_{t−1} | x_t, x₀) ‖ p_θ) = KL(q(x_{t−1} | x_t) ‖ p_θ) + I(x_{t−1}; x₀ | x_t)
/// ```
///
/// The second part has no trainable parameter, so that training against q(x_{t−1} | x_t, x₀) trains against the unknown
/// q(x_{t−1} | x_t). Method: three-point average over q(x₀ | x_t) of the KL under test; true kernel and information from
/// Schur complements. Source of the term: Ho et al. 2020, arXiv:2006.11239, eq. (5).
///
/// ```
/// use alphabar::{check, elbo::denoising_term};
///
/// check::elbo::harmless_lie(denoising_term).assert();
/// ```
pub fn harmless_lie<'f>(f: impl Fn(&Transition, f64, f64, Moments) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::OtherPremises("true reverse kernel and information by Schur complement");
    let sentence = "E KL(q(x_{t−1} | x_t, x₀) ‖ p_θ) = KL(q(x_{t−1} | x_t) ‖ p_θ) + I(x_{t−1}; x₀ | x_t)";
    Check::new("data_conditional_target_is_harmless", sentence, method, move |run| lie(run, &f))
        .rejects(faults::DIVERGENCES, lie)
}

fn lie(run: &Run, f: impl Fn(&Transition, f64, f64, Moments) -> Result<f64>) -> Outcome {
    worlds(run, |world, [u, ..]| {
        let at = |t| lie_at(&f, world, t, uniform(u, -2.0, 2.0));
        (2..=world.len()).try_fold(Evidence::none(), |all, t| Ok(all.and(at(t)?)))
    })
}

fn lie_at(f: impl Fn(&Transition, f64, f64, Moments) -> Result<f64>, world: &World, t: usize, xt: f64) -> Outcome {
    let joint = world.data_joint();
    let path = path_of(world.len(), &[(t, xt)]);
    let of_x0 = joint.conditional(0, &[t], &path);
    let truth = joint.conditional(t - 1, &[t], &path);
    let narrow = joint.conditional(t - 1, &[t, 0], &path);
    let model = world.reverse[t - 1].at(xt);
    let step = world.schedule.step(Timestep::new(t));
    let mut got = 0.0;
    for (z, weight) in HERMITE {
        got += weight * number("KL", f(&step, of_x0.mean + of_x0.var.sqrt() * z, xt, model))?;
    }
    let kl = average(truth, |x| log_normal(x, truth) - log_normal(x, model));
    let information = 0.5 * (truth.var / narrow.var).ln();
    let size = world.size() * (1.0 + xt * xt) + 1.0 / world.schedule.beta(Timestep::new(t));
    let tol =
        Tol::abs(32.0 * f64::EPSILON * size, "32 roundings of the log densities, Schur complements of size beta");
    let mut trial = Trial::new();
    let place = || format!("{}, t = {t}, xt = {}", world.place(), short(xt));
    trial.close("average KL", got, kl + information, tol, place)?;
    Ok(trial.evidence())
}

/// The prior term's slope in ln SNR: zero only on a fixed schedule.
///
/// ```text
/// f(level, x₀) = ∂/∂λ KL(N(√ᾱ x₀, 1 − ᾱ) ‖ N(0, 1)),   λ = ln SNR
/// ```
///
/// Method: Richardson's difference of the KL as an average of log ratios, exact for quadratics. Source: Kingma et al.
/// 2021, arXiv:2107.00630, sect. 4 (learned end points).
///
/// ```
/// use alphabar::check;
///
/// check::elbo::prior_slope(alphabar::elbo::prior_slope).assert();
/// ```
pub fn prior_slope<'f>(f: impl Fn(Level, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("fourth-order difference of the KL as an average of log ratios");
    let sentence = "the prior term has no slope in the network's parameters, but one in the schedule's end";
    Check::new("prior_term_moves_with_the_schedule", sentence, method, move |run| slopes(run, &f))
        .rejects(faults::SLOPES, slopes)
}

fn slopes(run: &Run, f: impl Fn(Level, f64) -> f64) -> Outcome {
    run.over(|[u, v]| slope_at(&f, uniform(u, -12.0, 2.0), uniform(v, -2.0, 2.0)))
}

fn slope_at(f: impl Fn(Level, f64) -> f64, log_snr: f64, x0: f64) -> Outcome {
    let kl = |log_snr: f64| {
        let alpha_bar = 1.0 / (1.0 + (-log_snr).exp());
        let law = Moments { mean: alpha_bar.sqrt() * x0, var: 1.0 / (1.0 + log_snr.exp()) };
        average(law, |x| log_normal(x, law) - log_normal(x, Moments { mean: 0.0, var: 1.0 }))
    };
    let central = |h: f64| (kl(log_snr + h) - kl(log_snr - h)) / (2.0 * h);
    let want = (4.0 * central(0.5e-2) - central(1e-2)) / 3.0;
    let tol = Tol::abs(5e-11 * (1.0 + x0 * x0), "h⁴/30 of a fifth derivative below 0.1, 16 roundings over h");
    let mut trial = Trial::new();
    let level = Level::from_log_snr(log_snr).expect("a number");
    trial.close("slope of the prior term", f(level, x0), want, tol, || {
        format!("ln SNR = {}, x0 = {}", short(log_snr), short(x0))
    })?;
    Ok(trial.evidence())
}

/// A reverse chain with a predicted noise: its bound from the losses E(ε − ε̂)² alone.
///
/// ```text
/// bound = L_T + L_0 + Σ_{t>1} f(step, σ_t², E(ε − ε̂)²)
/// ```
///
/// Method: the network ε̂ = a x_t + b is turned into the affine kernel of the mean x_t/√α − β/(√α √v) ε̂, whose bound
/// comes from the joint Gaussians; prior and decoder by three-point averages; the loss by product rules over x₀ and ε.
/// Source: Ho et al. 2020, arXiv:2006.11239, eqs. (8), (11), (12).
///
/// ```
/// use alphabar::{Transition, check, elbo::denoising_from_eps_loss};
///
/// let term = |step: &Transition, var: f64, loss: f64| denoising_from_eps_loss(step, var, loss, 1);
/// check::elbo::bound_from_losses(term).assert();
/// ```
pub fn bound_from_losses<'f>(f: impl Fn(&Transition, f64, f64) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::OtherPremises("affine kernel of the predicted mean, joint Gaussians");
    let sentence = "noise losses with their weights, the variances' constants, L_T and L_0 add up to the bound";
    Check::new("weighted_noise_losses_make_the_bound", sentence, method, move |run| losses(run, &f))
        .rejects(faults::LOSSES, losses)
}

fn losses(run: &Run, f: impl Fn(&Transition, f64, f64) -> Result<f64>) -> Outcome {
    worlds(run, |world, _| losses_make_the_bound(&f, world))
}

fn losses_make_the_bound(f: impl Fn(&Transition, f64, f64) -> Result<f64>, world: &World) -> Outcome {
    let mut at = Marginal::START;
    let mut world = world.clone();
    let mut losses = Vec::new();
    for (kernel, &beta) in world.reverse.iter_mut().zip(world.schedule.betas().as_slice()) {
        at = at.then(beta);
        let Marginal { coefficient: m, var: v } = at;
        let (a, b) = (kernel.slope, kernel.offset);
        let (root, factor) = ((1.0 - beta).sqrt(), beta / v.sqrt());
        *kernel = AffineKernel { slope: (1.0 - factor * a) / root, offset: -factor * b / root, var: kernel.var };
        let unit = Moments { mean: 0.0, var: 1.0 };
        let error = |x0: f64, eps: f64| (eps - a * (m * x0 + v.sqrt() * eps) - b).powi(2);
        losses.push(average(world.data, |x0| average(unit, |eps| error(x0, eps))));
    }
    let joint = world.data_joint();
    let last = world.len();
    let prior = average(world.data, |x0| {
        let end = joint.conditional(last, &[0], &path_of(last, &[(0, x0)]));
        average(end, |x| log_normal(x, end) - log_normal(x, Moments { mean: 0.0, var: 1.0 }))
    });
    let decoder = average(world.data, |x0| {
        let law = joint.conditional(1, &[0], &path_of(last, &[(0, x0)]));
        average(law, |x1| -log_normal(x0, world.reverse[0].at(x1)))
    });
    let mut got = prior + decoder;
    for ((_, step), (kernel, loss)) in world.schedule.steps().zip(world.reverse.iter().zip(&losses)).skip(1) {
        got += number("middle term", f(&step, kernel.var, *loss))?;
    }
    let tol = Tol::abs(64.0 * f64::EPSILON * world.size(), "64 roundings of the summed log densities");
    let mut trial = Trial::new();
    trial.close("bound from the noise losses", got, world.bound(), tol, || world.place())?;
    Ok(trial.evidence())
}

/// A bound from log-weights drawn from q: on average below log p(x₀) and within its gap's first order of it.
///
/// ```text
/// f(log w₁, …, log w_k) = log (1/k) Σ w_i,   w = p_θ(x_{0:T})/q(x_{1:T} | x₀),   E w = p_θ(x₀)
/// ```
///
/// Method: groups of 16 paths of the toy chain, drawn with a fixed seed. Exact part: the exponentials average to
/// p(x₀). Statistical part: five standard errors, a false failure in 1.7 million runs; the smallest effect that shows is
/// five standard errors, which may be at most 0.03. Source: Burda et al. 2016, arXiv:1509.00519, eq. (8).
///
/// ```
/// use alphabar::{check, elbo::importance_bound};
///
/// check::elbo::importance_bounds(importance_bound).assert();
/// ```
#[cfg(feature = "verify")]
pub fn importance_bounds<'f>(f: impl Fn(&[f64]) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::Statistics("4096 groups of 16 paths, 5 standard errors, against the model's own law of x₀");
    let sentence =
        "the mean of p_θ(x_{0:T})/q(x_{1:T} | x₀) over q is p_θ(x₀), and more weights make a tighter bound";
    Check::new("importance_weights_average_to_the_evidence", sentence, method, move |run| importance(run, &f))
        .rejects(faults::IMPORTANCE, importance)
}

/// Groups of 16 log-weights of the toy chain at x₀ = 0.8.
#[cfg(feature = "verify")]
fn draw(seed: u64, groups: usize) -> Vec<Vec<f64>> {
    let world = World::toy();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut weight = || {
        let (mut below, mut log_weight) = (0.8, 0.0);
        for (beta, kernel) in world.schedule.betas().as_slice().iter().zip(&world.reverse) {
            let law = Moments { mean: (1.0 - beta).sqrt() * below, var: *beta };
            let z: f64 = rng.sample(StandardNormal);
            let above = law.mean + law.var.sqrt() * z;
            log_weight += log_normal(below, kernel.at(above)) - log_normal(above, law);
            below = above;
        }
        log_weight + log_normal(below, Moments { mean: 0.0, var: 1.0 })
    };
    (0..groups).map(|_| (0..16).map(|_| weight()).collect()).collect()
}

#[cfg(feature = "verify")]
fn importance(run: &Run, f: impl Fn(&[f64]) -> Result<f64>) -> Outcome {
    const EFFECT: f64 = 0.03;
    let (groups, log_evidence) = (draw(run.seed, 4096), World::toy().log_evidence(0.8));
    let all: Vec<f64> = groups.concat();
    let n = all.len() as f64;
    let ratio: Vec<f64> = all.iter().map(|w| (w - log_evidence).exp()).collect();
    let mean = ratio.iter().sum::<f64>() / n;
    let spread = (ratio.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
    let mut trial = Trial::new();
    let place = || format!("{} log-weights in groups of {}", all.len(), groups[0].len());
    trial.at_most("smallest effect that shows", 5.0 * spread, EFFECT, Tol::exact(), place)?;
    let tol = Tol::abs(5.0 * spread, "5 standard errors of the mean weight");
    let whole = number("bound of all weights", f(&all))?;
    trial.close("mean weight over p(x0)", (whole - log_evidence).exp(), 1.0, tol, place)?;
    let mut bounds = Vec::new();
    let mut singles = 0.0;
    for group in &groups {
        bounds.push(number("bound of a group", f(group))?);
        for w in group {
            singles += number("bound of one weight", f(std::slice::from_ref(w)))? / n;
        }
    }
    let count = bounds.len() as f64;
    let average = bounds.iter().sum::<f64>() / count;
    let error = (bounds.iter().map(|b| (b - average).powi(2)).sum::<f64>() / (count * (count - 1.0))).sqrt();
    let plain = all.iter().sum::<f64>() / n;
    let tol = Tol::roundings(n, 1.0, "n roundings in the mean");
    trial.close("bound of single weights is the plain bound", singles, plain, tol, place)?;
    trial.at_most("single weights, below groups", singles, average, Tol::exact(), place)?;
    trial.at_most(
        "groups, below log p(x0)",
        average,
        log_evidence,
        Tol::abs(5.0 * error, "5 standard errors"),
        place,
    )?;
    Ok(trial.evidence())
}
