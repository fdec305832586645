//! Gaussian mixtures on the line: the exact world for everything that is not linear.

use super::gaussian1::Gaussian1;
use super::noising::Noising;
use super::numeric::{log_sum_exp, normalized_weights, softmax};
use crate::error::{Error, Result};

/// `p(x) = Σ_k w_k N(x; m_k, s_k)`; component k is also the class y = k.
///
/// Noised data are again a mixture with the same weights, and given an observation x_t each component is conditioned
/// by itself and reweighted by its responsibility `r_k = p(y = k | x_t)`. All denoisers are averages over r. With
/// positive variances every function is total.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture1 {
    weights: Vec<f64>,
    components: Vec<Gaussian1>,
}

impl Mixture1 {
    /// A mixture of the given (weight, component) pairs.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for no components; [`Error::EntryOutOfRange`] unless weights and variances are
    /// positive; [`Error::OutOfRange`] if the weights do not sum to 1 within 1e-9 (they are divided by their sum).
    pub fn new(parts: &[(f64, Gaussian1)]) -> Result<Self> {
        let (weights, components): (Vec<f64>, Vec<Gaussian1>) = parts.iter().copied().unzip();
        for (index, component) in components.iter().enumerate() {
            if component.var() == 0.0 {
                return Err(Error::EntryOutOfRange { name: "variance", index, value: 0.0, expected: "a number > 0" });
            }
        }
        Ok(Self { weights: normalized_weights(&weights)?, components })
    }

    /// The reference mixture `0.3 N(−1.5, 0.3²) + 0.7 N(1, 0.5²)`, of entropy 1.1807754253 nats.
    #[must_use]
    pub fn reference() -> Self {
        Self { weights: vec![0.3, 0.7], components: vec![Gaussian1::raw(-1.5, 0.09), Gaussian1::raw(1.0, 0.25)] }
    }

    /// `½ N(−0.9, 0.19) + ½ N(0.9, 0.19)`: mean 0, variance 1, not Gaussian.
    #[must_use]
    pub fn unit_variance() -> Self {
        Self { weights: vec![0.5, 0.5], components: vec![Gaussian1::raw(-0.9, 0.19), Gaussian1::raw(0.9, 0.19)] }
    }

    /// The weights, summing to 1.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The components, p(x | y = k).
    #[must_use]
    pub fn components(&self) -> &[Gaussian1] {
        &self.components
    }

    /// E x.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.average(&self.weights, |c| c.mean())
    }

    /// Var x, within plus between the components.
    #[must_use]
    pub fn var(&self) -> f64 {
        let mean = self.mean();
        self.average(&self.weights, |c| (c.mean() - mean).mul_add(c.mean() - mean, c.var()))
    }

    /// The law of `a x_0 + σ ε`.
    #[must_use]
    pub fn noised(&self, level: Noising) -> Self {
        Self { weights: self.weights.clone(), components: self.components.iter().map(|c| c.noised(level)).collect() }
    }

    /// ln p(x).
    #[must_use]
    pub fn log_pdf(&self, x: f64) -> f64 {
        log_sum_exp(&self.log_joint(x))
    }

    /// p(x).
    #[must_use]
    pub fn pdf(&self, x: f64) -> f64 {
        self.log_pdf(x).exp()
    }

    /// P(X ≤ x).
    #[must_use]
    pub fn cdf(&self, x: f64) -> f64 {
        self.average(&self.weights, |c| c.cdf(x))
    }

    /// P(X > x), with its digits in the right tail.
    #[must_use]
    pub fn sf(&self, x: f64) -> f64 {
        self.average(&self.weights, |c| c.sf(x))
    }

    /// p(y = k | x) for every class k.
    #[must_use]
    pub fn responsibilities(&self, x: f64) -> Vec<f64> {
        softmax(&self.log_joint(x))
    }

    /// `ln p(y = k | x)`.
    ///
    /// # Panics
    /// If there is no component `class`.
    #[must_use]
    pub fn log_class_posterior(&self, class: usize, x: f64) -> f64 {
        let terms = self.log_joint(x);
        terms[class] - log_sum_exp(&terms)
    }

    /// d/dx ln p(x).
    #[must_use]
    pub fn score(&self, x: f64) -> f64 {
        self.average(&self.responsibilities(x), |c| c.score(x))
    }

    /// `d/dx ln p(x | y = class)`.
    ///
    /// # Panics
    /// If there is no component `class`.
    #[must_use]
    pub fn class_score(&self, class: usize, x: f64) -> f64 {
        self.components[class].score(x)
    }

    /// `d/dx ln p(y = class | x)`, the score of the exact classifier.
    ///
    /// ```text
    /// Σ_j r_j (score_class − score_j)
    /// ```
    ///
    /// # Panics
    /// If there is no component `class`.
    #[must_use]
    pub fn classifier_score(&self, class: usize, x: f64) -> f64 {
        let own = self.components[class].score(x);
        self.average(&self.responsibilities(x), |c| own - c.score(x))
    }

    /// d²/dx² ln p(x) = `Var_r(score_k) − Σ r_k/s_k`.
    #[must_use]
    pub fn hessian(&self, x: f64) -> f64 {
        let r = self.responsibilities(x);
        let score = self.average(&r, |c| c.score(x));
        self.average(&r, |c| (c.score(x) - score).powi(2) - 1.0 / c.var())
    }

    /// q(x_0 | x_t), a mixture.
    #[must_use]
    pub fn x0_given_xt(&self, level: Noising, xt: f64) -> Self {
        Self {
            weights: self.noised(level).responsibilities(xt),
            components: self.components.iter().map(|c| c.x0_given_xt(level, xt)).collect(),
        }
    }

    /// E[x_0 | x_t], the optimal denoiser.
    #[must_use]
    pub fn x0_hat(&self, level: Noising, xt: f64) -> f64 {
        self.x0_given_xt(level, xt).mean()
    }

    /// Var[x_0 | x_t].
    #[must_use]
    pub fn x0_var(&self, level: Noising, xt: f64) -> f64 {
        self.x0_given_xt(level, xt).var()
    }

    /// E[ε | x_t].
    #[must_use]
    pub fn eps_hat(&self, level: Noising, xt: f64) -> f64 {
        self.average(&self.noised(level).responsibilities(xt), |c| c.eps_hat(level, xt))
    }

    /// E[a ε − σ x_0 | x_t].
    #[must_use]
    pub fn v_hat(&self, level: Noising, xt: f64) -> f64 {
        self.average(&self.noised(level).responsibilities(xt), |c| c.v_hat(level, xt))
    }

    /// `ln p(x) + γ ln p(y = class | x)`, the log of the density that guidance of strength γ aims at, up to a constant.
    ///
    /// # Panics
    /// If there is no component `class`.
    #[must_use]
    pub fn tempered_log_pdf(&self, class: usize, gamma: f64, x: f64) -> f64 {
        gamma.mul_add(self.log_class_posterior(class, x), self.log_pdf(x))
    }

    /// The score of [`Mixture1::tempered_log_pdf`].
    ///
    /// # Panics
    /// If there is no component `class`.
    #[must_use]
    pub fn tempered_score(&self, class: usize, gamma: f64, x: f64) -> f64 {
        gamma.mul_add(self.classifier_score(class, x), self.score(x))
    }

    /// The x with P(X ≤ x) = p.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 < p < 1.
    pub fn quantile(&self, p: f64) -> Result<f64> {
        if !(p > 0.0 && p < 1.0) {
            return Err(Error::OutOfRange { name: "probability", value: p, expected: "0 < p < 1" });
        }
        Ok(self.at_tail(p, 1.0 - p))
    }

    /// Where the probability-flow ODE carries `x` from one level to another: to the same quantile.
    ///
    /// On the line the flow keeps the order of its trajectories and the mass between any two, so it is the monotone
    /// map between the marginals. Accuracy: 1e-14 in the quantile, divided by the density for x.
    #[must_use]
    pub fn flow(&self, from: Noising, to: Noising, x: f64) -> f64 {
        let start = self.noised(from);
        self.noised(to).at_tail(start.cdf(x), start.sf(x))
    }

    fn log_joint(&self, x: f64) -> Vec<f64> {
        self.weights.iter().zip(&self.components).map(|(w, c)| w.ln() + c.log_pdf(x)).collect()
    }

    fn average(&self, weights: &[f64], f: impl Fn(Gaussian1) -> f64) -> f64 {
        weights.iter().zip(&self.components).map(|(w, &c)| w * f(c)).sum()
    }

    /// The point that leaves `below` on its left and `above` on its right; the smaller one is trusted.
    fn at_tail(&self, below: f64, above: f64) -> f64 {
        let reach = |sign: f64| move |c: &Gaussian1| sign.mul_add(40.0 * c.std(), c.mean());
        let mut low = self.components.iter().map(reach(-1.0)).fold(f64::INFINITY, f64::min);
        let mut high = self.components.iter().map(reach(1.0)).fold(f64::NEG_INFINITY, f64::max);
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return middle;
            }
            let left = if below < above { self.cdf(middle) < below } else { self.sf(middle) > above };
            if left { low = middle } else { high = middle }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol, "{got:.15} is not {want:.15}");
    }

    fn difference(f: impl Fn(f64) -> f64, x: f64) -> f64 {
        let d = |h: f64| (f(x + h) - f(x - h)) / (2.0 * h);
        (4.0 * d(5e-4) - d(1e-3)) / 3.0
    }

    /// B13: log density at −1.5 of the reference mixture with noise of σ = 10⁻³, where the ledger's flow starts.
    #[test]
    fn log_density_at_a_mode() {
        let start = Mixture1::reference().noised(Noising::new(1.0, 1e-6).expect("valid"));
        close(start.log_pdf(-1.5), -0.918_938_87, 5e-9);
    }

    #[test]
    fn derivatives_equal_finite_differences() {
        let level = Noising::new(0.6, 0.64).expect("valid");
        let gmm = Mixture1::reference().noised(level);
        for x in [-2.5, -0.7, 0.0, 0.4, 2.0] {
            close(gmm.score(x), difference(|x| gmm.log_pdf(x), x), 1e-10);
            close(gmm.hessian(x), difference(|x| gmm.score(x), x), 1e-10);
            close(gmm.classifier_score(0, x), difference(|x| gmm.log_class_posterior(0, x), x), 1e-10);
            close(gmm.class_score(1, x), difference(|x| gmm.components()[1].log_pdf(x), x), 1e-10);
            close(gmm.tempered_score(0, 1.7, x), difference(|x| gmm.tempered_log_pdf(0, 1.7, x), x), 1e-10);
            close(gmm.pdf(x), difference(|x| gmm.cdf(x), x), 1e-10);
            close(gmm.cdf(x) + gmm.sf(x), 1.0, 1e-15);
        }
    }

    /// Bayes by brute force: prior times likelihood on a grid.
    #[test]
    fn denoisers_equal_bayes_on_a_grid() {
        let (data, level, xt) = (Mixture1::reference(), Noising::new(0.6, 0.64).expect("valid"), -0.35);
        let moment = |f: &dyn Fn(f64) -> f64| -> f64 {
            (-8000..=8000)
                .map(|i| f64::from(i) * 1e-3)
                .map(|x0| data.pdf(x0) * Gaussian1::raw(0.6 * x0, 0.64).pdf(xt) * f(x0))
                .sum()
        };
        let total = moment(&|_| 1.0);
        let mean = moment(&|x| x) / total;
        close(data.x0_hat(level, xt), mean, 1e-13);
        close(data.x0_var(level, xt), moment(&|x| (x - mean).powi(2)) / total, 1e-13);
        let eps = moment(&|x| (xt - 0.6 * x) / 0.8) / total;
        close(data.eps_hat(level, xt), eps, 1e-13);
        close(data.v_hat(level, xt), 0.6 * eps - 0.8 * mean, 1e-13);
        close(
            data.x0_given_xt(level, xt).pdf(0.3),
            data.pdf(0.3) * Gaussian1::raw(0.18, 0.64).pdf(xt) / (total * 1e-3),
            1e-12,
        );
    }

    /// The flow solves dx/dt = f x − ½ g² score, by Runge-Kutta along the VP process with β(t) = 1.
    #[test]
    fn flow_solves_the_probability_flow_ode() {
        let gmm = Mixture1::reference();
        let level = |t: f64| Noising::new((-0.5 * t).exp(), -(-t).exp_m1()).expect("valid");
        let slope = |t: f64, x: f64| -0.5 * x - 0.5 * gmm.noised(level(t)).score(x);
        for start in [-1.9, -0.2, 0.3, 2.2] {
            let (mut t, mut x, h) = (0.0, start, 1.0e-3);
            for _ in 0..1200 {
                let k1 = slope(t, x);
                let k2 = slope(t + 0.5 * h, x + 0.5 * h * k1);
                let k3 = slope(t + 0.5 * h, x + 0.5 * h * k2);
                let k4 = slope(t + h, x + h * k3);
                x += h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
                t += h;
            }
            close(gmm.flow(level(0.0), level(t), start), x, 1e-10);
            close(gmm.flow(level(t), level(0.0), x), start, 1e-9);
        }
    }

    #[test]
    fn quantile_inverts_the_distribution() {
        let gmm = Mixture1::reference();
        for p in [1e-12, 0.01, 0.3, 0.5, 0.999] {
            close(gmm.cdf(gmm.quantile(p).expect("inside")), p, 1e-15);
        }
        assert!(matches!(gmm.quantile(0.0), Err(Error::OutOfRange { name: "probability", .. })));
        assert!(gmm.quantile(f64::NAN).is_err());
    }

    #[test]
    fn bad_input_is_an_error() {
        assert!(matches!(Mixture1::new(&[]), Err(Error::CountOutOfRange { .. })));
        let point = Gaussian1::new(0.0, 0.0).expect("valid");
        assert!(matches!(Mixture1::new(&[(1.0, point)]), Err(Error::EntryOutOfRange { name: "variance", .. })));
        assert!(matches!(Mixture1::new(&[(0.9, Gaussian1::raw(0.0, 1.0))]), Err(Error::OutOfRange { .. })));
    }
}
