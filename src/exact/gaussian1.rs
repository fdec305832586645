//! Gaussian data on the line: everything diffusion asks of it, in closed form.

use super::noising::Noising;
use super::numeric::LN_2PI;
use super::special::{normal_cdf, normal_sf};
use crate::error::{Error, Result};

/// N(mean, var) on the line; var = 0 is a point mass.
///
/// As data it is the simplest exact world: with `x_t = a x_0 + σ ε`, the pairs (x_0, x_t), (ε, x_t), (x_s, x_t) are
/// jointly Gaussian and every answer below is the conditional law of one given the other,
///
/// ```text
/// E[u | v] = E u + Cov(u,v) (v − E v)/Var v        Var[u | v] = Var u − Cov(u,v)²/Var v
/// ```
///
/// with the variance brought to a form without subtraction. Scores and densities of a point mass are infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaussian1 {
    mean: f64,
    var: f64,
}

impl Gaussian1 {
    /// N(mean, var).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless both are finite and `var` is not negative.
    pub fn new(mean: f64, var: f64) -> Result<Self> {
        if !mean.is_finite() {
            return Err(Error::OutOfRange { name: "mean", value: mean, expected: "a finite number" });
        }
        if !(var.is_finite() && var >= 0.0) {
            return Err(Error::OutOfRange { name: "variance", value: var, expected: "a finite number ≥ 0" });
        }
        Ok(Self { mean, var })
    }

    /// For numbers that are valid by construction.
    pub(super) const fn raw(mean: f64, var: f64) -> Self {
        Self { mean, var }
    }

    /// The mean.
    #[must_use]
    pub const fn mean(self) -> f64 {
        self.mean
    }

    /// The variance.
    #[must_use]
    pub const fn var(self) -> f64 {
        self.var
    }

    /// The standard deviation.
    #[must_use]
    pub fn std(self) -> f64 {
        self.var.sqrt()
    }

    /// `ln N(x; mean, var)`.
    #[must_use]
    pub fn log_pdf(self, x: f64) -> f64 {
        let deviation = x - self.mean;
        if self.var == 0.0 {
            return if deviation == 0.0 { f64::INFINITY } else { f64::NEG_INFINITY };
        }
        -0.5 * (LN_2PI + self.var.ln() + deviation * deviation / self.var)
    }

    /// `N(x; mean, var)`.
    #[must_use]
    pub fn pdf(self, x: f64) -> f64 {
        self.log_pdf(x).exp()
    }

    /// P(X ≤ x).
    #[must_use]
    pub fn cdf(self, x: f64) -> f64 {
        if self.var == 0.0 { f64::from(x >= self.mean) } else { normal_cdf((x - self.mean) / self.std()) }
    }

    /// P(X > x), with its digits in the right tail.
    #[must_use]
    pub fn sf(self, x: f64) -> f64 {
        if self.var == 0.0 { f64::from(x < self.mean) } else { normal_sf((x - self.mean) / self.std()) }
    }

    /// `d/dx ln p(x) = (mean − x)/var`.
    #[must_use]
    pub fn score(self, x: f64) -> f64 {
        ratio(self.mean - x, self.var)
    }

    /// Differential entropy in nats, `½ ln(2πe var)`.
    #[must_use]
    pub fn entropy(self) -> f64 {
        0.5 * (LN_2PI + 1.0 + self.var.ln())
    }

    /// The law of `a x_0 + σ ε`: N(a m, a² s + σ²).
    #[must_use]
    pub fn noised(self, level: Noising) -> Self {
        let a = level.signal();
        Self { mean: a * self.mean, var: (a * a).mul_add(self.var, level.noise_var()) }
    }

    /// q(x_0 | x_t): its mean is the optimal denoiser, its variance the error that denoiser is left with.
    ///
    /// ```text
    /// Cov(x_0, x_t) = a s        E = m + a s (x_t − a m)/(a² s + σ²)        Var = s σ²/(a² s + σ²)
    /// ```
    #[must_use]
    pub fn x0_given_xt(self, level: Noising, xt: f64) -> Self {
        self.conditioned(level, xt)
    }

    /// q(x_s | x_t) with x_0 integrated out; `s` is the level of x_s and `step` the channel q(x_t | x_s).
    #[must_use]
    pub fn xs_given_xt(self, s: Noising, step: Noising, xt: f64) -> Self {
        self.noised(s).conditioned(step, xt)
    }

    /// E[x_0 | x_t].
    #[must_use]
    pub fn x0_hat(self, level: Noising, xt: f64) -> f64 {
        self.conditioned(level, xt).mean
    }

    /// E[ε | x_t] = `σ (x_t − a m)/(a² s + σ²)`, from Cov(ε, x_t) = σ.
    #[must_use]
    pub fn eps_hat(self, level: Noising, xt: f64) -> f64 {
        let marginal = self.noised(level);
        level.noise_std() * ratio(xt - marginal.mean, marginal.var)
    }

    /// E[a ε − σ x_0 | x_t], the target of v-prediction (Salimans & Ho 2022) at a variance-preserving level.
    #[must_use]
    pub fn v_hat(self, level: Noising, xt: f64) -> f64 {
        level.signal() * self.eps_hat(level, xt) - level.noise_std() * self.x0_hat(level, xt)
    }

    /// The law of this variable given what it became on the other side of a channel.
    fn conditioned(self, channel: Noising, y: f64) -> Self {
        let out = self.noised(channel);
        let gain = ratio(channel.signal() * self.var, out.var);
        Self {
            mean: gain.mul_add(y - out.mean, self.mean),
            var: if out.var == 0.0 { 0.0 } else { self.var * (channel.noise_var() / out.var) },
        }
    }
}

/// `a/b`, with 0/0 = 0: a deviation that cannot occur from a law without spread.
fn ratio(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a / b }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol * (1.0 + want.abs()), "{got:e} is not {want:e}");
    }

    fn world() -> (Gaussian1, Noising, Noising) {
        let s = Noising::new(0.8, 0.3).expect("valid");
        let step = Noising::new(0.7, 0.25).expect("valid");
        (Gaussian1::new(0.4, 0.49).expect("valid"), s, step)
    }

    /// Bayes by brute force: prior times likelihood on a grid.
    #[test]
    fn posterior_equals_bayes_on_a_grid() {
        let (data, s, step) = world();
        let xt = 1.3;
        for (prior, channel, got) in
            [(data, s, data.x0_given_xt(s, xt)), (data.noised(s), step, data.xs_given_xt(s, step, xt))]
        {
            let (mut total, mut first, mut second) = (0.0, 0.0, 0.0);
            for i in -4000..=4000 {
                let x = f64::from(i) * 2e-3;
                let likelihood = Gaussian1::raw(channel.signal() * x, channel.noise_var()).pdf(xt);
                let mass = prior.pdf(x) * likelihood;
                total += mass;
                first += mass * x;
                second += mass * x * x;
            }
            let mean = first / total;
            close(got.mean(), mean, 1e-13);
            close(got.var(), second / total - mean * mean, 1e-12);
        }
    }

    /// x_t = a x_0 + σ ε must hold of the conditional means, and the score is −E[ε | x_t]/σ (Tweedie).
    #[test]
    fn denoisers_agree_with_the_channel_and_the_score() {
        let (data, level, _) = world();
        for xt in [-2.0, 0.1, 3.0] {
            let (x0, eps) = (data.x0_hat(level, xt), data.eps_hat(level, xt));
            close(level.signal() * x0 + level.noise_std() * eps, xt, 1e-15);
            close(-eps / level.noise_std(), data.noised(level).score(xt), 1e-15);
            let v = level.signal() * eps - level.noise_std() * x0;
            close(data.v_hat(level, xt), v, 1e-15);
        }
    }

    #[test]
    fn entropy_and_distribution_equal_their_sums() {
        let p = Gaussian1::raw(0.4, 0.49);
        let sum = |f: &dyn Fn(f64) -> f64| (-8000..=8000).map(|i| 1e-3 * f(f64::from(i) * 1e-3)).sum::<f64>();
        close(p.entropy(), -sum(&|x| p.pdf(x) * p.log_pdf(x)), 1e-13);
        close(
            p.cdf(0.9),
            0.5 + sum(&|x| if x > 0.4 && x < 0.9 { p.pdf(x) } else { 0.0 }) + 5e-4 * (p.pdf(0.4) + p.pdf(0.9)),
            1e-6,
        );
        close(p.cdf(0.9) + p.sf(0.9), 1.0, 1e-15);
    }

    #[test]
    fn a_point_stays_finite() {
        let point = Gaussian1::new(0.5, 0.0).expect("valid");
        let level = Noising::new(0.6, 0.64).expect("valid");
        close(point.x0_hat(level, 7.0), 0.5, 0.0);
        close(point.x0_hat(Noising::NONE, 0.5), 0.5, 0.0);
        close(point.eps_hat(level, 7.0), (7.0 - 0.3) / 0.8, 1e-15);
        close(point.cdf(0.4) + point.sf(0.5), 0.0, 0.0);
        assert!(point.log_pdf(0.5) == f64::INFINITY && point.log_pdf(0.4) == f64::NEG_INFINITY);
    }

    #[test]
    fn bad_numbers_are_errors() {
        assert!(matches!(Gaussian1::new(f64::NAN, 1.0), Err(Error::OutOfRange { name: "mean", .. })));
        assert!(matches!(Gaussian1::new(0.0, -1.0), Err(Error::OutOfRange { name: "variance", .. })));
        assert!(Gaussian1::new(0.0, f64::INFINITY).is_err());
    }
}
