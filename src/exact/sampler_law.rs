//! The law of what a sampler returns when its steps are affine, as they are for every sampler on Gaussian data.

use super::gaussian1::Gaussian1;
use crate::error::{Error, Result};

/// One step `x' = scale · x + shift + √noise_var · z` of a sampler on the line.
///
/// With the exact denoiser of Gaussian data (which is affine) every sampler of the literature is a sequence of such
/// steps, so its output is Gaussian and [`AffineStep::law`] is exact: no draws, no histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AffineStep {
    /// The factor on x.
    pub scale: f64,
    /// What is added.
    pub shift: f64,
    /// The variance of the noise that is added.
    pub noise_var: f64,
}

impl AffineStep {
    /// The step that changes nothing.
    pub const IDENTITY: Self = Self { scale: 1.0, shift: 0.0, noise_var: 0.0 };

    /// Reads the coefficients off any step `f(x, z)` and makes sure that it is affine.
    ///
    /// f is evaluated at (0, 0), (1, 0), (0, 1) and compared with its prediction at (−2, 3) and (3, −1).
    ///
    /// # Errors
    /// [`Error::NonFinite`] if f returns NaN or infinity; [`Error::OutOfRange`], with the largest deviation, if f is
    /// not affine within 1e-12 of its values.
    pub fn probe(mut f: impl FnMut(f64, f64) -> f64) -> Result<Self> {
        let points = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (-2.0, 3.0), (3.0, -1.0)];
        let values = points.map(|(x, z)| f(x, z));
        let count = values.iter().filter(|v| !v.is_finite()).count();
        if count > 0 {
            return Err(Error::NonFinite { name: "step of the sampler", step: None, count, of: values.len() });
        }
        let shift = values[0];
        let (scale, noise_std) = (values[1] - shift, values[2] - shift);
        let size = values.iter().fold(0.0_f64, |top, v| top.max(v.abs()));
        for (&(x, z), value) in points.iter().zip(values).skip(3) {
            let deviation = (value - (scale * x + noise_std * z + shift)).abs();
            if deviation > 1e-12 * size {
                let expected = "at most 1e-12 of the step's values: the step must be affine in x and z";
                return Err(Error::OutOfRange { name: "deviation from an affine step", value: deviation, expected });
            }
        }
        Ok(Self { scale, shift, noise_var: noise_std * noise_std })
    }

    /// The law of the result when x follows `law`.
    #[must_use]
    pub fn apply(self, law: Gaussian1) -> Gaussian1 {
        let mean = self.scale.mul_add(law.mean(), self.shift);
        Gaussian1::raw(mean, (self.scale * self.scale).mul_add(law.var(), self.noise_var))
    }

    /// This step followed by another, as one step.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            scale: next.scale * self.scale,
            shift: next.scale.mul_add(self.shift, next.shift),
            noise_var: (next.scale * next.scale).mul_add(self.noise_var, next.noise_var),
        }
    }

    /// The law of what a sampler returns: `start` carried through its steps in the order they run.
    ///
    /// Solvers that remember more than x (multistep methods) are carried by
    /// [`JointGaussian::affine`](super::JointGaussian::affine) on the whole state.
    pub fn law(start: Gaussian1, steps: impl IntoIterator<Item = Self>) -> Gaussian1 {
        steps.into_iter().fold(start, |law, step| step.apply(law))
    }
}

#[cfg(test)]
mod tests {
    use super::super::noising::Noising;
    use super::*;

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol, "{got:.12} is not {want:.12}");
    }

    fn linear() -> Vec<f64> {
        (0..1000).map(|i| 1e-4 + (0.02 - 1e-4) * f64::from(i) / 999.0).collect()
    }

    fn algorithm_2(data: Gaussian1, posterior: bool) -> Gaussian1 {
        let betas = linear();
        let levels = Noising::levels(&betas).expect("valid");
        let steps = (1..=1000).rev().map(|t| {
            let (beta, level) = (betas[t - 1], levels[t]);
            let var = if posterior { beta * levels[t - 1].noise_var() / level.noise_var() } else { beta };
            let sigma = if t > 1 { var.sqrt() } else { 0.0 };
            AffineStep::probe(|x, z| {
                (x - beta / level.noise_std() * data.eps_hat(level, x)) / (1.0 - beta).sqrt() + sigma * z
            })
            .expect("affine")
        });
        AffineStep::law(Gaussian1::STANDARD, steps)
    }

    /// §4.2 item 1, B12: Algorithm 2 with the exact denoiser.
    #[test]
    fn algorithm_2_has_its_reference_law() {
        for (posterior, unit, narrow) in [(false, 0.999_900_00, 0.250_752_08), (true, 0.991_067_38, 0.246_125_21)] {
            let standard = algorithm_2(Gaussian1::STANDARD, posterior);
            close(standard.mean(), 0.0, 1e-15);
            close(standard.var(), unit, 5e-9);
            let law = algorithm_2(Gaussian1::new(0.5, 0.25).expect("valid"), posterior);
            close(law.mean(), 0.499_994_96, 5e-9);
            close(law.var(), narrow, 5e-9);
            let point = algorithm_2(Gaussian1::new(0.5, 0.0).expect("valid"), posterior);
            close(point.mean(), 0.5, 1e-12);
            close(point.var(), 0.0, 1e-12);
        }
    }

    fn ddim(times: &[usize]) -> Gaussian1 {
        let data = Gaussian1::new(0.5, 0.25).expect("valid");
        let levels = Noising::levels(&linear()).expect("valid");
        let steps = times.iter().enumerate().map(|(i, &t)| {
            let (from, to) = (levels[t], levels[times.get(i + 1).copied().unwrap_or(0)]);
            AffineStep::probe(|x, _| to.signal() * data.x0_hat(from, x) + to.noise_std() * data.eps_hat(from, x))
                .expect("affine")
        });
        AffineStep::law(Gaussian1::STANDARD, steps)
    }

    /// §4.2 item 1, B11: DDIM at the times T, T − T/S, … T/S, then 0 ("trailing" spacing).
    #[test]
    fn ddim_has_its_reference_law() {
        for (count, want) in [(10, 0.136_867), (50, 0.222_220), (1000, 0.248_498)] {
            let stride = 1000 / count;
            let trailing: Vec<usize> = (1..=count).rev().map(|i| i * stride).collect();
            close(ddim(&trailing).var(), want, 5e-7);
        }
    }

    #[test]
    fn composition_equals_one_step_after_the_other() {
        let a = AffineStep { scale: 0.7, shift: -0.2, noise_var: 0.3 };
        let b = AffineStep { scale: -1.3, shift: 0.5, noise_var: 0.1 };
        let start = Gaussian1::new(0.4, 0.49).expect("valid");
        let (one, two) = (a.then(b).apply(start), AffineStep::law(start, [a, b]));
        close(one.mean(), two.mean(), 1e-15);
        close(one.var(), two.var(), 1e-15);
        assert_eq!(AffineStep::IDENTITY.then(a), a);
    }

    #[test]
    fn steps_that_are_not_affine_are_refused() {
        assert!(matches!(AffineStep::probe(|x, _| x.max(0.0)), Err(Error::OutOfRange { .. })));
        assert!(matches!(AffineStep::probe(|_, z| z * z), Err(Error::OutOfRange { .. })));
        assert!(matches!(AffineStep::probe(|x, _| 1.0 / x), Err(Error::NonFinite { count: 2, .. })));
    }
}
