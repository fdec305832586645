//! Claims on predictions: conversions, the posterior mean in each of them, preconditioning.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::FRAC_PI_2;

use crate::error::Result;
use crate::prediction::{Affine, Preconditioning, Prediction};
use crate::schedule::{Betas, Level, Schedule, Timestep, Transition};

use super::evidence::short;
use super::witness::simulate::Marginal;
use super::{Check, Evidence, Method, Mismatch, Outcome, Run, Tol, Trial, log_uniform, uniform};

/// One noised value: x₀ and ε at time t of a chain, with the moments of q(x_{t−1} | x₀) and q(x_t | x₀) from the βs.
///
/// m ← √(1 − β) m and v ← (1 − β) v + β, one step at a time from m = 1, v = 0; never a stored ᾱ.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// t.
    pub t: Timestep,
    /// The transition t − 1 → t.
    pub step: Transition,
    /// Factor of x₀ and variance at t − 1.
    pub before: (f64, f64),
    /// Factor of x₀ and variance at t.
    pub now: (f64, f64),
    /// β_t.
    pub beta: f64,
    /// The data.
    pub x0: f64,
    /// The noise.
    pub eps: f64,
}

impl Point {
    /// The data x₀ and the noise ε at time t of a schedule.
    ///
    /// # Panics
    /// If t is not one of 1 … T.
    #[must_use]
    pub fn new(schedule: &Schedule, t: Timestep, x0: f64, eps: f64) -> Self {
        let betas = &schedule.betas().as_slice()[..t.get()];
        let (&beta, earlier) = betas.split_last().expect("t ≥ 1");
        let before = Marginal::through(earlier);
        let pair = |at: Marginal| (at.coefficient, at.var);
        Self { t, step: schedule.step(t), before: pair(before), now: pair(before.then(beta)), beta, x0, eps }
    }

    /// x_t = m x₀ + √v ε.
    #[must_use]
    pub fn xt(&self) -> f64 {
        let (m, v) = self.now;
        m * self.x0 + v.sqrt() * self.eps
    }

    // ANCHOR: value
    /// What a perfect network of each kind returns, from the definitions.
    ///
    /// v is the velocity of the circle `x_φ = cos φ · x₀ + sin φ · ε` at tan φ = √v/m; the score is the central
    /// difference of ln N(x_t; m x₀, v), which is exact for a quadratic.
    #[must_use]
    pub fn value(&self, prediction: Prediction) -> f64 {
        let (m, v) = self.now;
        let std = v.sqrt();
        match prediction {
            Prediction::Epsilon => self.eps,
            Prediction::X0 => self.x0,
            Prediction::V => {
                let quarter_later = std.atan2(m) + FRAC_PI_2;
                quarter_later.cos() * self.x0 + quarter_later.sin() * self.eps
            }
            Prediction::Score => {
                let log_density = |deviation: f64| -deviation * deviation / (2.0 * v);
                (log_density(std * (self.eps + 1.0)) - log_density(std * (self.eps - 1.0))) / (2.0 * std)
            }
        }
    }
    // ANCHOR_END: value

    /// [`Point::value`] and the sum of its terms' magnitudes.
    fn sized(&self, prediction: Prediction) -> (f64, f64) {
        let value = self.value(prediction);
        let size = match prediction {
            Prediction::Epsilon | Prediction::X0 => value.abs(),
            Prediction::V => self.x0.abs() + self.eps.abs(),
            Prediction::Score => (1.0 + self.eps.abs()) / self.now.1.sqrt(),
        };
        (value, size)
    }

    /// The mean of q(x_{t−1} | x_t, x₀) by Bayes' rule in information form, and the sum of its terms' magnitudes.
    #[must_use]
    pub fn bayes_mean(&self) -> (f64, f64) {
        let (m, v) = self.before;
        if v <= 0.0 {
            return (self.x0, self.x0.abs());
        }
        let alpha = 1.0 - self.beta;
        let var = 1.0 / (alpha / self.beta + 1.0 / v);
        let (from_xt, from_x0) = (var * alpha.sqrt() * self.xt() / self.beta, var * m * self.x0 / v);
        let size = self.now.0 * self.x0.abs() + self.now.1.sqrt() * self.eps.abs();
        (from_xt + from_x0, var * alpha.sqrt() * size / self.beta + from_x0.abs())
    }

    /// ε times a count of the roundings in the recursion up to t and in a formula behind it.
    #[must_use]
    pub fn rounding(&self) -> f64 {
        (16.0 + 2.0 * self.t.get() as f64) * f64::EPSILON
    }

    /// For messages.
    #[must_use]
    pub fn place(&self) -> String {
        format!("t = {}, x0 = {}, eps = {}", self.t.get(), short(self.x0), short(self.eps))
    }
}

/// Times worth trying: all of a short chain; of a long one the ends, the middle and every 53rd.
fn times(schedule: &Schedule) -> Vec<Timestep> {
    let last = schedule.len();
    let wanted = |t: usize| last <= 64 || t <= 2 || t + 1 >= last || t == last / 2 || t.is_multiple_of(53);
    schedule.timesteps().filter(|t| wanted(t.get())).collect()
}

/// Runs a pointwise claim on the schedules of a [`Run`] and, unless one was given, on one that ends in pure noise.
pub(in crate::check) fn sweep(run: &Run, mut claim: impl FnMut(&Point) -> Outcome) -> Outcome {
    let points: Vec<[f64; 2]> = run.points().collect();
    let mut all = |schedule: &Schedule| {
        times(schedule).into_iter().zip(points.iter().cycle()).try_fold(Evidence::none(), |all, (t, [u, v])| {
            let at = Point::new(schedule, t, uniform(*u, -3.0, 3.0), uniform(*v, -3.0, 3.0));
            Ok::<_, Mismatch>(all.and(claim(&at)?))
        })
    };
    let terminal = Schedule::new(Betas::new(vec![0.2, 0.5, 1.0]).expect("inside the valid range"));
    let given = run.schedules().len() == 1;
    let first = if given { Evidence::none() } else { all(&terminal)? };
    Ok(first.and(run.over_schedules(all)?))
}

/// Compares a map's value with the truth; at ᾱ = 0 the predictions that hold nothing of x₀ must be refused.
fn close(
    trial: &mut Trial,
    at: &Point,
    what: &str,
    map: Result<Affine>,
    from: Option<Prediction>,
    to: (f64, f64),
) -> std::result::Result<(), Mismatch> {
    let Ok(map) = map else {
        return trial.close(what, f64::NAN, to.0, Tol::exact(), || at.place());
    };
    let given = from.map_or_else(|| at.bayes_mean(), |from| at.sized(from));
    let magnitude = map.x.abs() * at.xt().abs() + map.value.abs() * given.1 + to.1;
    let tol = Tol::abs(at.rounding() * magnitude, "2t + 16 roundings of the summed magnitudes");
    trial.close(what, map.at(at.xt(), given.0), to.0, tol, || at.place())
}

/// True if `from` cannot be turned into what needs x₀ because x_t is pure noise.
fn singular(at: &Point, from: Prediction) -> bool {
    at.now.0 <= 0.0 && matches!(from, Prediction::Epsilon | Prediction::Score)
}

fn refused(trial: &mut Trial, at: &Point, what: &str, map: &Result<Affine>) -> std::result::Result<(), Mismatch> {
    let refused = if map.is_err() { 1.0 } else { 0.0 };
    trial.close(what, refused, 1.0, Tol::exact(), || at.place())
}

// ANCHOR: conversions
/// Every conversion turns what a perfect network of one kind returns into what one of the other kind returns.
///
/// ```text
/// to = x·x_t + value·from        from, to: ε, x₀, v, score
/// ```
///
/// Method: all four from their definitions ([`Point::value`]): the noise drawn, the data, the velocity on the circle
/// through x₀ and ε by trigonometry, the slope of the log density by a difference exact for quadratics. At ᾱ = 0 the
/// four conversions that divide by √ᾱ have to be refused. Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (9), (15);
/// Salimans & Ho 2022, arXiv:2202.00512v2, appendix D.
///
/// ```
/// use alphabar::{check, prediction::conversion};
///
/// check::prediction::conversions(conversion).assert();
/// ```
pub fn conversions<'f>(f: impl Fn(Prediction, Prediction, Level) -> Result<Affine> + 'f) -> Check<'f> {
    Check::new(
        "conversions_agree_with_definitions",
        "ε, x₀, v and the score determine one another by twelve affine maps of x_t",
        Method::OtherPremises("noise drawn, velocity on a circle by trigonometry, slope of the log density"),
        move |run| all_conversions(run, &f),
    )
    .rejects(faults::CONVERSIONS, all_conversions)
}

fn all_conversions(run: &Run, f: impl Fn(Prediction, Prediction, Level) -> Result<Affine>) -> Outcome {
    sweep(run, |at| conversions_at(&f, at))
}

fn conversions_at(f: impl Fn(Prediction, Prediction, Level) -> Result<Affine>, at: &Point) -> Outcome {
    let mut trial = Trial::new();
    for from in Prediction::ALL {
        for to in Prediction::ALL {
            let what = format!("{to:?} from {from:?}");
            let map = f(from, to, at.step.t());
            if singular(at, from) && matches!(to, Prediction::X0 | Prediction::V) {
                refused(&mut trial, at, &what, &map)?;
            } else {
                close(&mut trial, at, &what, map, Some(from), at.sized(to))?;
            }
        }
    }
    Ok(trial.evidence())
}
// ANCHOR_END: conversions

/// The mean of q(x_{t−1} | x_t, x₀) from each prediction is the one Bayes' rule gives.
///
/// ```text
/// 1/var = α/β + 1/v        mean = var·(√α x_t/β + m x₀/v)        x_{t−1} | x₀ ~ N(m x₀, v)
/// ```
///
/// Method: precision addition on moments from the recursion ([`Point::bayes_mean`]). Where x_t is pure noise the
/// forms from ε and the score have to be refused. Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (7), (10), (11).
///
/// ```
/// use alphabar::{check, prediction::mean_from};
///
/// check::prediction::mean(mean_from).assert();
/// ```
pub fn mean<'f>(f: impl Fn(Prediction, &Transition) -> Result<Affine> + 'f) -> Check<'f> {
    Check::new(
        "posterior_mean_from_every_prediction",
        "the mean of q(x_{t−1} | x_t, x₀) from ε, x₀, v or the score is the one Bayes' rule gives",
        Method::OtherPremises("recursion on the βs, precision addition"),
        move |run| means(run, &f),
    )
    .rejects(faults::MEANS, means)
}

fn means(run: &Run, f: impl Fn(Prediction, &Transition) -> Result<Affine>) -> Outcome {
    sweep(run, |at| mean_at(&f, at))
}

fn mean_at(f: impl Fn(Prediction, &Transition) -> Result<Affine>, at: &Point) -> Outcome {
    let mut trial = Trial::new();
    for from in Prediction::ALL {
        let what = format!("posterior mean from {from:?}");
        let map = f(from, &at.step);
        if singular(at, from) {
            refused(&mut trial, at, &what, &map)?;
        } else {
            close(&mut trial, at, &what, map, Some(from), at.bayes_mean())?;
        }
    }
    Ok(trial.evidence())
}

/// The prediction that belongs to a posterior mean is what a perfect network returns.
///
/// ```text
/// ε = (x_t − √α μ) √(1 − ᾱ_t)/β, and so on for x₀, v and the score
/// ```
///
/// Method: the mean by precision addition, the predictions from their definitions.
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (7), (10), solved for the prediction.
///
/// ```
/// use alphabar::{check, prediction::from_mean};
///
/// check::prediction::inverse_mean(from_mean).assert();
/// ```
pub fn inverse_mean<'f>(f: impl Fn(Prediction, &Transition) -> Affine + 'f) -> Check<'f> {
    Check::new(
        "prediction_from_posterior_mean",
        "a predicted posterior mean determines ε, x₀, v and the score",
        Method::OtherPremises("mean by precision addition, predictions from their definitions"),
        move |run| inverse_means(run, &f),
    )
    .rejects(faults::INVERSE_MEANS, inverse_means)
}

fn inverse_means(run: &Run, f: impl Fn(Prediction, &Transition) -> Affine) -> Outcome {
    sweep(run, |at| inverse_mean_at(&f, at))
}

fn inverse_mean_at(f: impl Fn(Prediction, &Transition) -> Affine, at: &Point) -> Outcome {
    let mut trial = Trial::new();
    for to in Prediction::ALL {
        let what = format!("{to:?} from the posterior mean");
        close(&mut trial, at, &what, Ok(f(to, &at.step)), None, at.sized(to))?;
    }
    Ok(trial.evidence())
}

/// The posterior mean with x_t eliminated is a function of x₀ and ε, not of x₀ alone: `f(step, x₀, ε)`.
///
/// ```text
/// μ̃ = √ᾱ_{t−1} x₀ + √α (1 − ᾱ_{t−1})/√(1 − ᾱ_t) · ε
/// ```
///
/// Method: Bayes' rule in information form at x_t = m x₀ + √v ε.
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eqs. (4), (7).
///
/// ```
/// use alphabar::{check, prediction::mean_from_x0_and_eps};
///
/// check::prediction::mean_of_data_and_noise(mean_from_x0_and_eps).assert();
/// ```
pub fn mean_of_data_and_noise<'f>(f: impl Fn(&Transition, f64, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "posterior_mean_needs_data_and_noise",
        "with x_t eliminated the posterior mean is a function of x₀ and ε, not of x₀ alone",
        Method::OtherPremises("recursion on the βs, precision addition"),
        move |run| means_of_data_and_noise(run, &f),
    )
    .rejects(faults::MEANS_OF_DATA_AND_NOISE, means_of_data_and_noise)
}

fn means_of_data_and_noise(run: &Run, f: impl Fn(&Transition, f64, f64) -> f64) -> Outcome {
    sweep(run, |at| mean_of_data_and_noise_at(&f, at))
}

fn mean_of_data_and_noise_at(f: impl Fn(&Transition, f64, f64) -> f64, at: &Point) -> Outcome {
    let (want, magnitude) = at.bayes_mean();
    let tol = Tol::abs(at.rounding() * magnitude, "2t + 16 roundings of the summed magnitudes");
    let mut trial = Trial::new();
    trial.close("posterior mean from x0 and eps", f(&at.step, at.x0, at.eps), want, tol, || at.place())?;
    Ok(trial.evidence())
}

/// A preconditioned network has input and target of unit variance, with the smallest possible c_out: `f(σ, σ_data)`.
///
/// ```text
/// Var(c_in y) = 1        Var((x₀ − c_skip y)/c_out) = 1        y = x₀ + σ ε
/// ```
///
/// Method: variances of linear forms in (x₀, ε) by the four points ±√2 eⱼ, exact for quadratics; the optimality of
/// c_skip by the symmetry of the variance about it.
/// Source: Karras et al. 2022, arXiv:2206.00364v2, table 1 and appendix B.6.
///
/// ```
/// use alphabar::{check, prediction::Preconditioning};
///
/// check::prediction::unit_variance(Preconditioning::edm).assert();
/// ```
pub fn unit_variance<'f>(f: impl Fn(f64, f64) -> Result<Preconditioning> + 'f) -> Check<'f> {
    Check::new(
        "edm_preconditioning_has_unit_variance",
        "input and target of the preconditioned network have unit variance at every noise level, with the least c_out",
        Method::Enumeration("variances of linear forms by a four-point rule exact for quadratics"),
        move |run| unit_variances(run, &f),
    )
    .rejects(faults::PRECONDITIONING, unit_variances)
}

fn unit_variances(run: &Run, f: impl Fn(f64, f64) -> Result<Preconditioning>) -> Outcome {
    run.over(|[u, v]| unit_variance_at(&f, log_uniform(u, 2e-3, 80.0), log_uniform(v, 0.05, 5.0)))
}

fn unit_variance_at(f: impl Fn(f64, f64) -> Result<Preconditioning>, sigma: f64, sigma_data: f64) -> Outcome {
    let place = || format!("sigma = {}, sigma_data = {}", short(sigma), short(sigma_data));
    let variance = |form: &dyn Fn(f64, f64) -> f64| {
        let root = std::f64::consts::SQRT_2;
        let nodes = [(root, 0.0), (-root, 0.0), (0.0, root), (0.0, -root)];
        nodes
            .iter()
            .map(|&(data, noise)| form(sigma_data * data, sigma_data * data + sigma * noise).powi(2) / 4.0)
            .sum()
    };
    let mut trial = Trial::new();
    let Ok(p) = f(sigma, sigma_data) else {
        trial.close("factors", f64::NAN, 0.0, Tol::exact(), place)?;
        return Ok(trial.evidence());
    };
    let condition = 1.0 + sigma_data / sigma;
    let tol = Tol::roundings(24.0, condition, "24 roundings; x0 − c_skip y cancels as sigma/sigma_data → 0");
    trial.close("variance of the target", variance(&|x0, y| p.target(x0, y)), 1.0, tol, place)?;
    let tol = Tol::roundings(16.0, 1.0, "16 roundings");
    trial.close("variance of the input", variance(&|_, y| p.input * y), 1.0, tol, place)?;
    let residual = |skip: f64| -> f64 { variance(&|x0, y| x0 - skip * y) };
    let tol = Tol::roundings(64.0, condition * condition, "64 roundings of a difference of variances");
    trial.close("variance to the right of c_skip", residual(p.skip + 0.5), residual(p.skip - 0.5), tol, place)?;
    let scale = p.out.abs() + sigma_data;
    let tol = Tol::abs(16.0 * f64::EPSILON * scale, "16 roundings of the summed magnitudes");
    trial.close("what a perfect network denoises to", p.denoised(0.7, p.target(0.3, 0.7)), 0.3, tol, place)?;
    trial.close(
        "noise level told to the network",
        (4.0 * p.noise).exp(),
        sigma,
        Tol::roundings(16.0, 8.0, "exp of a logarithm up to 8"),
        place,
    )?;
    Ok(trial.evidence())
}

/// Data of the finite world on which the best predictors are tried: three equally likely points.
pub const DATA: [f64; 3] = [-1.0, 0.5, 2.0];

/// Nothing predicts better than the conditional mean, here of the data [`DATA`]: `f(prediction, level, x_t)`.
///
/// ```text
/// E(f + δ − target)² − E(f − target)² = E δ(x_t)²        for every δ
/// ```
///
/// Method: the losses of f and of f + δ for δ = 1, x and sin 3x by enumerating the data and trapezoids over ε to 8
/// standard deviations, targets from their definitions, levels from the recursion.
/// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (14), whose minimum it is.
///
/// ```
/// use alphabar::prediction::{Prediction, conversion};
/// use alphabar::{Level, check};
///
/// // A softmax of squared distances averages the points.
/// let best = |prediction: Prediction, level: Level, xt: f64| {
///     let weight = |x: f64| (-(xt - level.signal() * x).powi(2) / (2.0 * level.one_minus_alpha_bar())).exp();
///     let sum = |f: &dyn Fn(f64) -> f64| check::prediction::DATA.iter().map(|&x| f(x)).sum::<f64>();
///     let x0 = sum(&|x| x * weight(x)) / sum(&weight);
///     conversion(Prediction::X0, prediction, level).unwrap().at(xt, x0)
/// };
/// check::prediction::optimal(best).assert();
/// ```
pub fn optimal<'f>(f: impl Fn(Prediction, Level, f64) -> f64 + 'f) -> Check<'f> {
    Check::new(
        "best_prediction_is_the_conditional_mean",
        "on finite data the best ε, x₀, v and score are conversions of the mean of x₀ given x_t",
        Method::Numerical("losses by enumeration of the data and trapezoids over the noise"),
        move |run| optima(run, &f),
    )
    .rejects(faults::BEST, optima)
}

fn optima(_: &Run, f: impl Fn(Prediction, Level, f64) -> f64) -> Outcome {
    let (schedule, data) = (Schedule::ddpm(), DATA.map(|x0| (1.0 / 3.0, x0)));
    [200, 500, 1000]
        .into_iter()
        .try_fold(Evidence::none(), |all, t| Ok(all.and(optimal_at(&f, &data, &schedule, Timestep::new(t))?)))
}

fn optimal_at(
    f: impl Fn(Prediction, Level, f64) -> f64,
    data: &[(f64, f64)],
    schedule: &Schedule,
    t: Timestep,
) -> Outcome {
    let step = 1.0 / 16.0;
    let changes: [fn(f64) -> f64; 3] = [|_| 1.0, |x| x, |x| (3.0 * x).sin()];
    let start = Point::new(schedule, t, 0.0, 0.0);
    let mut trial = Trial::new();
    for prediction in Prediction::ALL {
        let (mut loss, mut changed, mut added) = (0.0, [0.0; 3], [0.0; 3]);
        for &(weight, x0) in data {
            for k in -128..=128 {
                let at = Point { x0, eps: step * f64::from(k), ..start };
                let mass = weight * step * (-0.5 * at.eps * at.eps).exp() / std::f64::consts::TAU.sqrt();
                let (xt, level) = (at.xt(), at.step.t());
                let miss = f(prediction, level, xt) - at.value(prediction);
                loss += mass * miss * miss;
                for (i, change) in changes.iter().enumerate() {
                    changed[i] += mass * (miss + change(xt)).powi(2);
                    added[i] += mass * change(xt).powi(2);
                }
            }
        }
        for (i, name) in ["1", "x", "sin 3x"].into_iter().enumerate() {
            let what = format!("squared error that {name} adds to the best {prediction:?}");
            let tol = Tol::abs(1e-12 * (loss + changed[i]), "thousands of roundings of both losses");
            trial.close(&what, changed[i] - loss, added[i], tol, || format!("t = {}", t.get()))?;
        }
    }
    Ok(trial.evidence())
}
