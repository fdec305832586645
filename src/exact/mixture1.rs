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

    /// q(x_s | x_t) with x_0 integrated out; `s` is the level of x_s and `step` the channel q(x_t | x_s).
    #[must_use]
    pub fn xs_given_xt(&self, s: Noising, step: Noising, xt: f64) -> Self {
        self.noised(s).x0_given_xt(step, xt)
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

    /// `E f(X)` by the trapezoid rule on each component, the step halved until nothing changes.
    ///
    /// The rule converges geometrically for smooth f; the tails beyond 12 standard deviations weigh 1e-32.
    /// Accuracy: about 1e-14 of E|f| for f smooth on the scale of the narrowest component.
    pub fn expect(&self, f: impl Fn(f64) -> f64) -> f64 {
        self.weights.iter().zip(&self.components).map(|(w, c)| w * expect_gaussian(*c, &f)).sum()
    }

    /// Differential entropy in nats, `−E ln p`.
    #[must_use]
    pub fn entropy(&self) -> f64 {
        -self.expect(|x| self.log_pdf(x))
    }

    /// Fisher information `E (d ln p/dx)²`.
    #[must_use]
    pub fn fisher(&self) -> f64 {
        self.expect(|x| self.score(x).powi(2))
    }

    /// `E (x_0 − E[x_0 | x_t])²`, the least error of any denoiser at that level.
    #[must_use]
    pub fn mmse(&self, level: Noising) -> f64 {
        self.noised(level).expect(|xt| self.x0_var(level, xt))
    }

    /// `KL(self ‖ other)` in nats.
    #[must_use]
    pub fn kl(&self, other: &Self) -> f64 {
        self.expect(|x| self.log_pdf(x) - other.log_pdf(x))
    }

    /// I(x_0; x_t) in nats, `h(x_t) − h(ε σ)`.
    ///
    /// ∞ at a level without noise.
    #[must_use]
    pub fn mutual_information(&self, level: Noising) -> f64 {
        self.noised(level).entropy() - Gaussian1::raw(0.0, level.noise_var()).entropy()
    }

    /// `h(x_s | x_t)` in nats, `h(x_s) + h(x_t | x_s) − h(x_t)`.
    #[must_use]
    pub fn conditional_entropy(&self, s: Noising, step: Noising) -> f64 {
        let kernel = Gaussian1::raw(0.0, step.noise_var()).entropy();
        self.noised(s).entropy() + kernel - self.noised(s.then(step)).entropy()
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

    /// A draw, given one uniform number in [0, 1) for the class and a supply of standard normals.
    pub fn sample(&self, uniform: f64, normal: impl FnMut() -> f64) -> f64 {
        self.components[pick(&self.weights, uniform)].sample(normal)
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

/// The index of the part of [0, 1) that `uniform` falls in.
pub(super) fn pick(weights: &[f64], uniform: f64) -> usize {
    let mut left = uniform;
    for (index, w) in weights.iter().enumerate() {
        left -= w;
        if left < 0.0 {
            return index;
        }
    }
    weights.len() - 1
}

fn expect_gaussian(law: Gaussian1, f: &impl Fn(f64) -> f64) -> f64 {
    const REACH: f64 = 12.0;
    const FINEST: u32 = 1 << 14;
    let term = |z: f64| (-0.5 * z * z).exp() * f(law.std().mul_add(z, law.mean()));
    let norm = (2.0 * std::f64::consts::PI).sqrt();
    // Points ±i h; halving adds the odd multiples of the new step.
    let mut per_unit = 8_u32;
    let sum_every = |from: u32, stride: u32, per_unit: u32| -> (f64, f64) {
        let last = (REACH * f64::from(per_unit)) as u32;
        (from..=last).step_by(stride as usize).fold((0.0, 0.0), |(sum, size), i| {
            let z = f64::from(i) / f64::from(per_unit);
            let (plus, minus) = (term(z), if i == 0 { 0.0 } else { term(-z) });
            (sum + plus + minus, size + plus.abs() + minus.abs())
        })
    };
    let (mut sum, mut size) = sum_every(0, 1, per_unit);
    let mut value = sum / (f64::from(per_unit) * norm);
    while per_unit < FINEST {
        per_unit *= 2;
        let (odd, odd_size) = sum_every(1, 2, per_unit);
        sum += odd;
        size += odd_size;
        let next = sum / (f64::from(per_unit) * norm);
        let settled = (next - value).abs() <= 2e-15 * size / (f64::from(per_unit) * norm);
        value = next;
        if settled {
            break;
        }
    }
    value
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

    /// §0: entropy of the reference mixture.
    #[test]
    fn reference_entropy() {
        close(Mixture1::reference().entropy(), 1.180_775_425_3, 5e-11);
    }

    /// B3: half the mmse at signal-to-noise ratios .1, 1 and 5 is the slope of the mutual information.
    #[test]
    fn half_the_mmse_is_the_slope_of_information() {
        let gmm = Mixture1::reference();
        let level = |snr: f64| Noising::new(snr.sqrt(), 1.0).expect("valid");
        for (snr, want) in [(0.1, 0.655_599_005), (1.0, 0.262_633_420), (5.0, 0.060_913_970)] {
            let half = 0.5 * gmm.mmse(level(snr));
            close(half, want, 5e-10);
            close(difference(|snr| gmm.mutual_information(level(snr)), snr), half, 1e-9);
        }
    }

    /// B18: de Bruijn, at v = .3.
    #[test]
    fn half_the_fisher_information_is_the_slope_of_entropy() {
        let gmm = Mixture1::reference();
        let at = |v: f64| gmm.noised(Noising::new(1.0, v).expect("valid"));
        close(0.5 * at(0.3).fisher(), 0.690_018_1, 1e-7);
        close(difference(|v| at(v).entropy(), 0.3), 0.5 * at(0.3).fisher(), 1e-9);
    }

    /// B30: entropy power and expected variance between the two reverse variances, t = 5 of 20.
    ///
    /// The ledger prints .060656 for the expected variance; it is .0606552 (also by a plain sum over x_t).
    #[test]
    fn entropy_sandwich() {
        let betas: Vec<f64> = (0..20).map(|i| 0.001 + 0.299 * f64::from(i) / 19.0).collect();
        let gmm = Mixture1::unit_variance();
        close(gmm.mean(), 0.0, 1e-16);
        close(gmm.var(), 1.0, 1e-15);
        let s = Noising::from_betas(&betas[..4]).expect("valid");
        let step = Noising::from_betas(&betas[4..5]).expect("valid");
        let t = s.then(step);
        let power = (2.0 * gmm.conditional_entropy(s, step) - 1.0).exp() / (2.0 * std::f64::consts::PI);
        let variance = gmm.noised(t).expect(|xt| gmm.xs_given_xt(s, step, xt).var());
        let lower = Gaussian1::raw(0.0, 0.0).noised(s).x0_given_xt(step, 0.0).var();
        for (got, want) in [(lower, 0.039_815), (power, 0.059_949), (variance, 0.060_655_198), (betas[4], 0.063_947)]
        {
            close(got, want, 5e-7);
        }
    }

    /// B26: variance of ln p(y|x) under the guided density, t = 500 of the linear schedule.
    #[test]
    fn variance_of_the_class_log_posterior_under_guidance() {
        let betas: Vec<f64> = (0..500).map(|i| 1e-4 + (0.02 - 1e-4) * f64::from(i) / 999.0).collect();
        let gmm = Mixture1::reference().noised(Noising::from_betas(&betas).expect("valid"));
        for (gamma, want) in [(0.0, 0.296_419_39), (0.5, 0.250_838_84), (1.0, 0.211_949_32), (3.0, 0.112_373_47)] {
            let weighted = |f: &dyn Fn(f64) -> f64| {
                gmm.expect(|x| (gamma * gmm.log_class_posterior(0, x)).exp() * f(gmm.log_class_posterior(0, x)))
            };
            let total = weighted(&|_| 1.0);
            let mean = weighted(&|l| l) / total;
            close(weighted(&|l| (l - mean).powi(2)) / total, want, 5e-9);
        }
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
    fn sampling_picks_classes_by_weight() {
        let gmm = Mixture1::reference();
        close(gmm.sample(0.299, || 2.0), -0.9, 1e-15);
        close(gmm.sample(0.301, || 2.0), 2.0, 1e-15);
        assert_eq!(pick(&[0.3, 0.7], 1.0), 1);
    }

    #[test]
    fn far_apart_stays_finite() {
        let gmm =
            Mixture1::new(&[(0.5, Gaussian1::raw(-1e6, 1e-4)), (0.5, Gaussian1::raw(1e6, 1e-4))]).expect("valid");
        close(gmm.entropy(), Gaussian1::raw(0.0, 1e-4).entropy() + 2.0_f64.ln(), 1e-12);
        assert!(gmm.score(0.3).is_finite() && gmm.log_pdf(0.0).is_finite());
    }

    #[test]
    fn bad_input_is_an_error() {
        assert!(matches!(Mixture1::new(&[]), Err(Error::CountOutOfRange { .. })));
        let point = Gaussian1::new(0.0, 0.0).expect("valid");
        assert!(matches!(Mixture1::new(&[(1.0, point)]), Err(Error::EntryOutOfRange { name: "variance", .. })));
        assert!(matches!(Mixture1::new(&[(0.9, Gaussian1::STANDARD)]), Err(Error::OutOfRange { .. })));
    }
}
