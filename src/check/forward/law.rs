//! Claims on the law of noised data: convolution of densities, and draws.

#[cfg(feature = "verify")]
use ndarray_rand::{
    rand::{Rng, SeedableRng, rngs::StdRng},
    rand_distr::StandardNormal,
};

use super::{channel, faults, normal, trapezoid};
use crate::check::evidence::short;
use crate::check::{Check, Method, Outcome, Run, Tol, Trial, log_uniform, uniform};
use crate::exact::{Mixture1, Noising};
use crate::forward::Kernel;
use crate::posterior::Moments;
use crate::schedule::{Schedule, Timestep};

const EPS: f64 = f64::EPSILON;

/// The mixture `0.3 N(−1.5, 0.3²) + 0.7 N(1, 0.5²)`: weight, mean and variance of each component.
pub const REFERENCE_MIXTURE: [(f64, Moments); 2] =
    [(0.3, Moments { mean: -1.5, var: 0.09 }), (0.7, Moments { mean: 1.0, var: 0.25 })];

/// Density at y of a mixture of Gaussians.
#[must_use]
pub fn mixture_density(mixture: &[(f64, Moments)], y: f64) -> f64 {
    mixture.iter().map(|(weight, part)| weight * normal(y, part.mean, part.var)).sum()
}

/// Noised data has the density of the data, scaled, convolved with that of the noise.
///
/// ```text
/// q(y) = ∫ p(x) N(y; a x, v) dx        p = 0.3 N(−1.5, 0.3²) + 0.7 N(1, 0.5²)
/// ```
///
/// `f(kernel, y)` is the density under test, of the [mixture](REFERENCE_MIXTURE) noised; v > 0. Method: the trapezoidal
/// rule on the product of densities. Source: the marginal of Ho et al. 2020, arXiv:2006.11239, eq. (4), averaged over
/// the data.
///
/// ```
/// use alphabar::check::forward::{REFERENCE_MIXTURE, convolution, mixture_density};
/// use alphabar::forward::Kernel;
///
/// let mine = |kernel: Kernel, y: f64| mixture_density(&REFERENCE_MIXTURE.map(|(w, part)| (w, kernel.push(part))), y);
/// convolution(mine).assert();
/// ```
pub fn convolution<'f>(f: impl Fn(Kernel, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("convolution of densities on a grid");
    let sentence = "noised data has the density of the data, scaled by a and convolved with N(0, σ²); Gaussian only in the limit";
    Check::new("noising_is_scaling_and_convolution", sentence, method, move |run| convolve(run, &f))
        .rejects(faults::CONVOLUTIONS, convolve)
}

fn convolve(run: &Run, f: impl Fn(Kernel, f64) -> f64) -> Outcome {
    let ddpm = Schedule::ddpm();
    run.over(|[u, v, y]: [f64; 3]| {
        let kernel = if u < 0.8 {
            let level = ddpm.level(Timestep::new(1 + (u / 0.8 * 1000.0) as usize));
            Kernel { scale: level.signal(), var: level.one_minus_alpha_bar() }
        } else {
            Kernel { scale: 1.0, var: log_uniform(v, 1e-3, 9.0) }
        };
        let y = uniform(y, -3.5, 3.5);
        let world = |kernel: Kernel, y: f64| {
            let level = Noising::new(kernel.scale, kernel.var).expect("a kernel");
            Mixture1::reference().noised(level).pdf(y)
        };
        Ok(is_convolved(&f, kernel, y)?.and(is_convolved(world, kernel, y)?))
    })
}

fn is_convolved(f: impl Fn(Kernel, f64) -> f64, kernel: Kernel, y: f64) -> Outcome {
    let want = convolved(kernel, y);
    let spread = kernel.var.sqrt();
    let tol = Tol::abs(16.0 * EPS * (1.0 + y.abs() / spread) / spread.min(1.0), "16 roundings of narrow densities");
    let mut trial = Trial::new();
    trial.close("density of noised data", f(kernel, y), want, tol, || {
        format!("{}, y = {}", channel(kernel), short(y))
    })?;
    Ok(trial.evidence())
}

fn convolved(kernel: Kernel, y: f64) -> f64 {
    let narrow = (kernel.var.sqrt() / kernel.scale.abs()).min(0.3);
    let product = |x: f64| mixture_density(&REFERENCE_MIXTURE, x) * normal(y, kernel.scale * x, kernel.var);
    trapezoid(product, -5.0, 6.5, 0.5 * narrow)
}

/// KL of a density to the Gaussian `other`, or to the one with its own mean and variance, nat; by quadrature.
///
/// Noised data is Gaussian only in the limit. The density must vanish outside (−8, 8).
///
/// ```
/// use alphabar::check::forward::{REFERENCE_MIXTURE, mixture_density, relative_entropy_to_gaussian};
///
/// let kl = relative_entropy_to_gaussian(|x| mixture_density(&REFERENCE_MIXTURE, x), None);
/// assert!((kl - 0.4455).abs() < 1e-3);
/// ```
#[must_use]
pub fn relative_entropy_to_gaussian(density: impl Fn(f64) -> f64, other: Option<Moments>) -> f64 {
    let moment = |power: i32| trapezoid(|y| y.powi(power) * density(y), -8.0, 8.0, 0.05);
    let other = other.unwrap_or_else(|| {
        let mean = moment(1);
        Moments { mean, var: moment(2) - mean * mean }
    });
    let integrand = |y: f64| {
        let value = density(y);
        if value > 0.0 { value * (value / normal(y, other.mean, other.var)).ln() } else { 0.0 }
    };
    trapezoid(integrand, -8.0, 8.0, 0.05)
}

/// Draws of x_T from a fixed x_0 have the moments of N(m x_0, v), and what noise they hold does not know x_0: of the
/// chain that is iterated, and of one draw from the kernel of all steps.
///
/// ```text
/// x_T = m x_0 + √v ε        m ← √(1 − β) m        v ← (1 − β) v + β
/// ```
///
/// Both take (schedule, x_0, T independent standard normals) and return x_T. Mean, variance, skewness and excess kurtosis
/// of the standardised draws and their correlation with x_0 are compared with 0, 1, 0, 0, 0 at 5 standard errors
/// (1, √2, √6, √24, 1 over √n): a right implementation fails once in 3·10⁵ runs; a deviation of 10 standard errors is
/// missed as rarely. 512 draws a point of a chain of five steps: at 64 points a standard error of 0.8 % on the variance.
/// Source: Ho et al. 2020, arXiv:2006.11239, eq. (2), (4).
///
/// ```
/// use alphabar::{Schedule, check, forward::Kernel};
///
/// let iterated = |chain: &Schedule, x0: f64, noises: &[f64]| {
///     chain.steps().zip(noises).fold(x0, |x, ((_, step), noise)| Kernel::between(&step).draw(x, *noise))
/// };
/// let at_once = |chain: &Schedule, x0: f64, noises: &[f64]| {
///     Kernel::from_data(chain.level(chain.last())).draw(x0, noises[0])
/// };
/// check::forward::draws(iterated, at_once).assert();
/// ```
#[cfg(feature = "verify")]
pub fn draws<'f>(
    iterated: impl Fn(&Schedule, f64, &[f64]) -> f64 + 'f,
    at_once: impl Fn(&Schedule, f64, &[f64]) -> f64 + 'f,
) -> Check<'f> {
    let method = Method::Statistics("four moments and the correlation with x_0 at 5 standard errors, fixed seed");
    let sentence = "the iterated chain and the one-shot draw have one law, Gaussian noise that does not know x_0";
    Check::new("draws_have_the_marginal_law", sentence, method, move |run| sample(run, &iterated, &at_once))
        .rejects(faults::DRAWS, |run, f| sample(run, f, f))
}

#[cfg(feature = "verify")]
fn sample(
    run: &Run,
    iterated: impl Fn(&Schedule, f64, &[f64]) -> f64,
    at_once: impl Fn(&Schedule, f64, &[f64]) -> f64,
) -> Outcome {
    let schedule = super::chain(&[0.05, 0.1, 0.2, 0.3, 0.4]);
    let mut generator = StdRng::seed_from_u64(run.seed);
    let count = 512 * run.cases;
    let x0: Vec<f64> = (0..count).map(|_| if generator.random::<bool>() { 1.5 } else { -0.5 }).collect();
    let noises: Vec<f64> = (0..count * schedule.len()).map(|_| generator.sample(StandardNormal)).collect();
    Ok(chain_draws(iterated, &schedule, &x0, &noises)?.and(chain_draws(at_once, &schedule, &x0, &noises)?))
}

#[cfg(feature = "verify")]
fn chain_draws(
    f: impl Fn(&Schedule, f64, &[f64]) -> f64,
    schedule: &Schedule,
    x0: &[f64],
    noises: &[f64],
) -> Outcome {
    let crate::check::witness::simulate::Marginal { coefficient: scale, var } =
        crate::check::witness::simulate::Marginal::through(schedule.betas().as_slice());
    let draws: Vec<f64> = x0
        .iter()
        .zip(noises.chunks_exact(schedule.len()))
        .map(|(x0, noises)| (f(schedule, *x0, noises) - scale * x0) / var.sqrt())
        .collect();
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let central = |power: i32| draws.iter().map(|z| (z - mean).powi(power)).sum::<f64>() / n;
    let size = (x0.iter().map(|x| x * x).sum::<f64>() / n).sqrt();
    let shared = draws.iter().zip(x0).map(|(z, x)| z * x).sum::<f64>() / (n * size);
    let mut trial = Trial::new();
    let place = || format!("{n} draws of T = {}", schedule.len());
    let mut compare = |what: &str, got: f64, want: f64, error: f64| {
        trial.close(what, got, want, Tol::abs(5.0 * error / n.sqrt(), "5 standard errors"), place)
    };
    compare("mean", mean, 0.0, 1.0)?;
    compare("variance", central(2), 1.0, 2f64.sqrt())?;
    compare("skewness", central(3) / central(2).powf(1.5), 0.0, 6f64.sqrt())?;
    compare("excess kurtosis", central(4) / central(2).powi(2) - 3.0, 0.0, 24f64.sqrt())?;
    compare("correlation of the noise with x0", shared, 0.0, 1.0)?;
    Ok(trial.evidence())
}
