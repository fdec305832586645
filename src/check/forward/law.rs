//! Claims on the law of noised data: convolution of densities, and draws.

use super::{channel, normal, trapezoid};
use crate::check::evidence::short;
use crate::check::witness::simulate::Marginal;
use crate::check::{Outcome, Tol, Trial};
use crate::forward::Kernel;
use crate::posterior::Moments;
use crate::schedule::Schedule;

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
/// q(y) = ∫ p(x) N(y; a x, v) dx        p the reference mixture
/// ```
///
/// Method: the trapezoidal rule on the product of densities. `f(kernel, y)` is the density under test; v > 0. Ledger
/// S0.02, S2.01, S2.02, S2.03.
///
/// # Errors
/// The mismatch found.
pub fn convolution(f: impl Fn(Kernel, f64) -> f64, kernel: Kernel, y: f64) -> Outcome {
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

/// Density at y of the reference mixture after `times` convolutions with N(0, var), each one a sum over a grid.
///
/// Ledger S2.03: the same as one convolution with N(0, times · var).
#[must_use]
pub fn repeated_convolution(times: usize, var: f64, y: f64) -> f64 {
    let spacing = 0.05;
    let grid: Vec<f64> = (-200..=200).map(|k| spacing * f64::from(k)).collect();
    let weights: Vec<f64> = grid.iter().map(|x| spacing * normal(*x, 0.0, var)).collect();
    let mut density: Vec<f64> = grid.iter().map(|x| mixture_density(&REFERENCE_MIXTURE, *x)).collect();
    for _ in 1..times {
        let blurred = |at: usize| -> f64 {
            let reach = at.saturating_sub(200)..=(at + 200).min(400);
            reach.map(|from| density[from] * weights[200 + at - from]).sum()
        };
        density = (0..grid.len()).map(blurred).collect();
    }
    grid.iter().zip(&density).map(|(x, value)| spacing * value * normal(y, *x, var)).sum()
}

/// KL of a density to the Gaussian `other`, or to the one with its own mean and variance, nat; by quadrature.
///
/// Ledger S3.03, A3.4: noised data is Gaussian only in the limit. The density must vanish outside (−8, 8).
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

/// Draws of x_t from a fixed x_0 have the moments of N(m x_0, v), and what noise they hold does not know x_0.
///
/// `f(schedule, x_0, noises)` carries one path to its end; `noises` holds T independent standard normals a draw, and
/// `x0` one value a draw, drawn independently of them. Mean, variance, skewness and excess kurtosis of the
/// standardised draws and their correlation with x_0 are compared with 0, 1, 0, 0, 0 at 5 standard errors
/// (1, √2, √6, √24, 1 over √n): a right implementation fails once in 3·10⁵ runs; a deviation of 10 standard errors
/// is missed as rarely. m and v come from the recursion on the βs. Ledger S0.08, S0.12, S2.26.
///
/// # Errors
/// The mismatch found.
pub fn chain_draws(
    f: impl Fn(&Schedule, f64, &[f64]) -> f64,
    schedule: &Schedule,
    x0: &[f64],
    noises: &[f64],
) -> Outcome {
    let Marginal { coefficient: scale, var } = Marginal::through(schedule.betas().as_slice());
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
