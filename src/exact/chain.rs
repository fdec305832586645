//! The linear Gaussian reverse chain: a generative model whose likelihood and variational bound are both exact.

use super::forward_joint::ForwardJoint;
use super::gaussian1::Gaussian1;
use super::joint::JointGaussian;
use super::noising::Noising;
use super::numeric::LN_2PI;
use crate::error::{Error, Result};

/// One reverse kernel `p(x_{t−1} | x_t) = N(slope · x_t + offset, var)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReverseStep {
    /// A_t, the factor on x_t.
    pub slope: f64,
    /// B_t.
    pub offset: f64,
    /// V_t > 0.
    pub var: f64,
}

/// A forward chain of βs from data N(m, s) against a linear Gaussian model of it.
///
/// ```text
/// q: x_0 ~ N(m, s),  x_t | x_{t−1} ~ N(√(1 − β_t) x_{t−1}, β_t)
/// p: x_T ~ prior,    x_{t−1} | x_t ~ N(A_t x_t + B_t, V_t)
/// ```
///
/// Everything is a joint Gaussian on both sides, so the negative log-likelihood, the variational bound L, its terms
/// and the gap between the two are numbers without sampling error.
#[derive(Clone, Debug, PartialEq)]
pub struct ReverseChain {
    betas: Vec<f64>,
    x0: Gaussian1,
    steps: Vec<ReverseStep>,
    prior: Gaussian1,
}

impl ReverseChain {
    /// A model with one step for each β (step t at index t − 1) and the prior N(0, 1).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the numbers of steps and βs differ; [`Error::CountOutOfRange`] if there are none;
    /// [`Error::EntryOutOfRange`] unless 0 < β ≤ 1, V > 0 and A, B are finite.
    pub fn new(betas: &[f64], x0: Gaussian1, steps: &[ReverseStep]) -> Result<Self> {
        if betas.is_empty() {
            return Err(Error::CountOutOfRange { name: "steps", value: 0, min: 1, max: usize::MAX });
        }
        if steps.len() != betas.len() {
            let (found, expected) = (vec![steps.len()], vec![betas.len()]);
            return Err(Error::ShapeMismatch { name: "reverse steps", found, expected });
        }
        for (index, (&beta, step)) in betas.iter().zip(steps).enumerate() {
            if !(beta > 0.0 && beta <= 1.0) {
                return Err(Error::EntryOutOfRange { name: "beta", index, value: beta, expected: "0 < beta ≤ 1" });
            }
            if !(step.var > 0.0 && step.var.is_finite()) {
                let expected = "a finite number > 0";
                return Err(Error::EntryOutOfRange { name: "reverse variance", index, value: step.var, expected });
            }
            for (name, value) in [("slope", step.slope), ("offset", step.offset)] {
                if !value.is_finite() {
                    return Err(Error::EntryOutOfRange { name, index, value, expected: "a finite number" });
                }
            }
        }
        Ok(Self { betas: betas.to_vec(), x0, steps: steps.to_vec(), prior: Gaussian1::STANDARD })
    }

    /// The toy chain of the ledger (§0): T = 3, L = 1.621952735845, NLL = 1.185905073469.
    ///
    /// β = (.1, .3, .5), x_0 ~ N(.4, .49), A = (.9, .8, .7), B = (.05, −.1, .2), V = (.05, .6, .2).
    #[must_use]
    pub fn toy() -> Self {
        let steps = [(0.9, 0.05, 0.05), (0.8, -0.1, 0.6), (0.7, 0.2, 0.2)];
        Self {
            betas: vec![0.1, 0.3, 0.5],
            x0: Gaussian1::raw(0.4, 0.49),
            steps: steps.map(|(slope, offset, var)| ReverseStep { slope, offset, var }).to_vec(),
            prior: Gaussian1::STANDARD,
        }
    }

    /// The same model with another law of x_T.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if its variance is 0.
    pub fn with_prior(self, prior: Gaussian1) -> Result<Self> {
        if prior.var() == 0.0 {
            return Err(Error::OutOfRange { name: "variance of the prior", value: 0.0, expected: "a number > 0" });
        }
        Ok(Self { prior, ..self })
    }

    /// The same model held against other data; a point mass gives everything at one x_0.
    #[must_use]
    pub fn with_data(self, x0: Gaussian1) -> Self {
        Self { x0, ..self }
    }

    /// T.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a chain has at least one step")]
    pub const fn len(&self) -> usize {
        self.betas.len()
    }

    /// β_1 … β_T.
    #[must_use]
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// The law of the data.
    #[must_use]
    pub const fn data(&self) -> Gaussian1 {
        self.x0
    }

    /// The law of x_T under the model.
    #[must_use]
    pub const fn prior(&self) -> Gaussian1 {
        self.prior
    }

    /// The reverse kernels, step t at index t − 1.
    #[must_use]
    pub fn steps(&self) -> &[ReverseStep] {
        &self.steps
    }

    /// The law of (x_0, … x_T) under q; variable t is x_t.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] if the chain is too long for one joint law.
    pub fn q_joint(&self) -> Result<JointGaussian> {
        JointGaussian::forward_chain(&self.betas, self.x0)
    }

    /// The law of (x_0, … x_T) under the model; variable t is x_t.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] if the chain is too long for one joint law.
    pub fn p_joint(&self) -> Result<JointGaussian> {
        let mut joint = JointGaussian::single(self.prior);
        for (drawn, step) in self.steps.iter().rev().enumerate() {
            joint = joint.append(&[(drawn, step.slope)], step.offset, step.var)?;
        }
        let order: Vec<usize> = (0..=self.len()).rev().collect();
        joint.marginal(&order)
    }

    /// The law of x_0 under the model, by recursion from the prior.
    #[must_use]
    pub fn model_law(&self) -> Gaussian1 {
        self.steps.iter().rev().fold(self.prior, |law, step| {
            let mean = step.slope.mul_add(law.mean(), step.offset);
            Gaussian1::raw(mean, (step.slope * step.slope).mul_add(law.var(), step.var))
        })
    }

    /// `−E_q ln p(x_0)` in nats, exact.
    #[must_use]
    pub fn nll(&self) -> f64 {
        let model = self.model_law();
        let deviation = self.x0.mean() - model.mean();
        let second = deviation.mul_add(deviation, self.x0.var());
        0.5 * (LN_2PI + model.var().ln() + second / model.var())
    }

    /// `ln p(x_0)` at one point, exact.
    #[must_use]
    pub fn log_likelihood(&self, x0: f64) -> f64 {
        self.model_law().log_pdf(x0)
    }

    /// The variational bound `L = E_q[ln q(x_{1:T} | x_0) − ln p(x_{0:T})]` in nats, from its definition.
    ///
    /// Each factor of the two products has an expectation under the joint law of two neighbours, so this works for
    /// chains of any length.
    ///
    /// # Errors
    /// None for a valid chain; the signature is that of [`JointGaussian::expect_log_normal`].
    pub fn bound(&self) -> Result<f64> {
        let levels = Noising::levels(&self.betas)?;
        let last = JointGaussian::single(self.x0.noised(levels[self.len()]));
        let mut total = -last.expect_log_normal(&[(0, 1.0)], -self.prior.mean(), self.prior.var())?;
        for (t, (&beta, step)) in self.betas.iter().zip(&self.steps).enumerate() {
            let keep = (1.0 - beta).sqrt();
            let pair = JointGaussian::single(self.x0.noised(levels[t])).append(&[(0, keep)], 0.0, beta)?;
            let forward = pair.expect_log_normal(&[(1, 1.0), (0, -keep)], 0.0, beta)?;
            let reverse = pair.expect_log_normal(&[(0, 1.0), (1, -step.slope)], -step.offset, step.var)?;
            total += forward - reverse;
        }
        Ok(total)
    }

    /// The T + 1 terms of the bound: L_0, L_1, … L_T, in nats.
    ///
    /// ```text
    /// L_0 = −E ln p(x_0 | x_1)    L_{t−1} = E KL(q(x_{t−1} | x_t, x_0) ‖ p(x_{t−1} | x_t))    L_T = E KL(q(x_T | x_0) ‖ p(x_T))
    /// ```
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (5). The posterior q comes from conditioning the joint law.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] where a posterior is singular to working precision.
    pub fn bound_terms(&self) -> Result<Vec<f64>> {
        let mut terms = Vec::with_capacity(self.len() + 1);
        for (t, step) in (1..).zip(&self.steps) {
            let forward = ForwardJoint::new(&self.betas, t - 1, t, self.x0)?;
            let error = [(ForwardJoint::XS, 1.0), (ForwardJoint::XT, -step.slope)];
            let cross = forward.joint().expect_log_normal(&error, -step.offset, step.var)?;
            let own = if t == 1 { 0.0 } else { -forward.xs_given_x0_xt(0.0, 0.0)?.entropy() };
            terms.push(own - cross);
        }
        let level = Noising::from_betas(&self.betas)?;
        let last = JointGaussian::single(self.x0.noised(level));
        let cross = last.expect_log_normal(&[(0, 1.0)], -self.prior.mean(), self.prior.var())?;
        terms.push(-Gaussian1::raw(0.0, level.noise_var()).entropy() - cross);
        Ok(terms)
    }

    /// The gap `L − NLL = E_q KL(q(x_{1:T} | x_0) ‖ p(x_{1:T} | x_0))` in nats, from the two conditional laws.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for data without variance; [`Error::CountOutOfRange`] if the chain is too long for one
    /// joint law; [`Error::NotPositiveDefinite`] if it is singular to working precision.
    pub fn gap(&self) -> Result<f64> {
        let latents: Vec<usize> = (1..=self.len()).collect();
        // q(x_{1:T} | x_0) does not depend on the law of x_0, so any law with variance will do to condition on it.
        let q = JointGaussian::forward_chain(&self.betas, Gaussian1::STANDARD)?.conditional(&latents, &[0])?;
        let p = self.p_joint()?.conditional(&latents, &[0])?;
        q.expected_kl(&p, &JointGaussian::single(self.x0))
    }

    /// `KL(q(x_{0:T}) ‖ p(x_{0:T}))` in nats: the gap plus KL(q(x_0) ‖ p(x_0)).
    ///
    /// # Errors
    /// As [`ReverseChain::gap`].
    pub fn joint_kl(&self) -> Result<f64> {
        self.q_joint()?.kl(&self.p_joint()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol, "{got:.15} is not {want:.15}");
    }

    /// §0: L, NLL and gap of the toy chain, each by its own route.
    #[test]
    fn toy_chain_has_its_reference_numbers() {
        let toy = ReverseChain::toy();
        close(toy.bound().expect("valid"), 1.621_952_735_845, 5e-13);
        close(toy.nll(), 1.185_905_073_469, 5e-13);
        close(toy.gap().expect("valid"), 0.436_047_662_375, 1e-12);
        let data_kl = toy.data().kl(toy.model_law());
        close(toy.joint_kl().expect("valid"), toy.gap().expect("valid") + data_kl, 1e-14);
        close(toy.bound_terms().expect("valid").iter().sum(), 1.621_952_735_845, 5e-13);
    }

    /// B22: bound and log-likelihood at x_0 = .8.
    #[test]
    fn toy_chain_at_one_point() {
        let at = ReverseChain::toy().with_data(Gaussian1::new(0.8, 0.0).expect("valid"));
        close(at.bound().expect("valid"), 1.415_503, 5e-7);
        close(at.log_likelihood(0.8), -1.133_762, 5e-7);
        close(at.nll(), -at.log_likelihood(0.8), 1e-15);
        close(at.gap().expect("valid"), at.bound().expect("valid") - at.nll(), 1e-14);
        close(at.bound_terms().expect("valid").iter().sum(), at.bound().expect("valid"), 1e-14);
    }

    /// The bound from its definition on the whole joint law: cross-entropy of p minus entropy of q given x_0.
    #[test]
    fn bound_equals_joint_divergence_plus_data_entropy() {
        let toy = ReverseChain::toy();
        close(toy.bound().expect("valid"), toy.joint_kl().expect("valid") + toy.data().entropy(), 1e-14);
        close(toy.p_joint().and_then(|p| p.law_of(0)).expect("exists").var(), toy.model_law().var(), 1e-15);
    }

    /// §4.2 item 1: bound against exact NLL of Ho et al.'s sampler on Gaussian data, T = 1000, σ_1² = β_1.
    #[test]
    fn ancestral_model_of_gaussian_data() {
        let betas: Vec<f64> = (0..1000).map(|i| 1e-4 + (0.02 - 1e-4) * f64::from(i) / 999.0).collect();
        let levels = Noising::levels(&betas).expect("valid");
        for (var, posterior, bound, nll) in [
            (1.0, false, 1.418_939, 1.418_939),
            (1.0, true, 1.883_831, 1.418_958),
            (0.25, false, 0.726_884, 0.725_794),
            (0.25, true, 1.182_140, 0.725_850),
        ] {
            let data = Gaussian1::new(0.0, var).expect("valid");
            let steps: Vec<ReverseStep> = (1..=1000)
                .map(|t| {
                    let (beta, level) = (betas[t - 1], levels[t]);
                    let mean = |x: f64| (x - beta / level.noise_std() * data.eps_hat(level, x)) / (1.0 - beta).sqrt();
                    let smaller = beta * levels[t - 1].noise_var() / level.noise_var();
                    let var = if posterior && t > 1 { smaller } else { beta };
                    ReverseStep { slope: mean(1.0) - mean(0.0), offset: mean(0.0), var }
                })
                .collect();
            let chain = ReverseChain::new(&betas, data, &steps).expect("valid");
            close(chain.bound().expect("valid"), bound, 5e-7);
            close(chain.nll(), nll, 5e-7);
            close(chain.bound_terms().expect("valid").iter().sum(), bound, 5e-7);
        }
    }

    #[test]
    fn bad_input_is_an_error() {
        let step = ReverseStep { slope: 1.0, offset: 0.0, var: 1.0 };
        let build = |betas: &[f64], steps: &[ReverseStep]| ReverseChain::new(betas, Gaussian1::STANDARD, steps);
        assert!(matches!(build(&[], &[]), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(build(&[0.1], &[step, step]), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(build(&[0.0], &[step]), Err(Error::EntryOutOfRange { name: "beta", .. })));
        let flat = ReverseStep { var: 0.0, ..step };
        assert!(matches!(build(&[0.1], &[flat]), Err(Error::EntryOutOfRange { name: "reverse variance", .. })));
        let lost = ReverseStep { slope: f64::NAN, ..step };
        assert!(matches!(build(&[0.1], &[lost]), Err(Error::EntryOutOfRange { name: "slope", .. })));
        assert!(ReverseChain::toy().with_prior(Gaussian1::new(0.0, 0.0).expect("valid")).is_err());
    }
}
