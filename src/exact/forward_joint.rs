//! The forward process as a joint Gaussian law: whole chains, pairs of times of long chains, and DDIM's family.

use super::conditional::Conditional;
use super::gaussian1::Gaussian1;
use super::joint::JointGaussian;
use super::noising::Noising;
use crate::error::{Error, Result};

/// The joint law of (x_0, x_s, x_t) under the forward process, for any two times 0 ≤ s < t.
///
/// Levels come from the βs one step at a time, so the law costs O(t) however long the chain is.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardJoint {
    joint: JointGaussian,
    s: Noising,
    step: Noising,
}

impl ForwardJoint {
    /// Index of x_0 in the joint law.
    pub const X0: usize = 0;
    /// Index of x_s in the joint law.
    pub const XS: usize = 1;
    /// Index of x_t in the joint law.
    pub const XT: usize = 2;

    /// Times s < t of the chain with the given βs (β_1 first) and data x_0.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] unless s < t ≤ T; [`Error::EntryOutOfRange`] for a bad β.
    pub fn new(betas: &[f64], s: usize, t: usize, x0: Gaussian1) -> Result<Self> {
        if t == 0 || t > betas.len() {
            return Err(Error::CountOutOfRange { name: "t", value: t, min: 1, max: betas.len() });
        }
        if s >= t {
            return Err(Error::CountOutOfRange { name: "s", value: s, min: 0, max: t - 1 });
        }
        Self::from_channels(x0, Noising::from_betas(&betas[..s])?, Noising::from_betas(&betas[s..t])?)
    }

    /// From the level of x_s and the channel q(x_t | x_s).
    ///
    /// # Errors
    /// None for channels that exist; the signature is that of [`JointGaussian::append`].
    pub fn from_channels(x0: Gaussian1, s: Noising, step: Noising) -> Result<Self> {
        let joint = JointGaussian::single(x0).append(&[(Self::X0, s.signal())], 0.0, s.noise_var())?.append(
            &[(Self::XS, step.signal())],
            0.0,
            step.noise_var(),
        )?;
        Ok(Self { joint, s, step })
    }

    /// The joint law of (x_0, x_s, x_t).
    #[must_use]
    pub const fn joint(&self) -> &JointGaussian {
        &self.joint
    }

    /// The level of x_s.
    #[must_use]
    pub const fn s(&self) -> Noising {
        self.s
    }

    /// The level of x_t.
    #[must_use]
    pub fn t(&self) -> Noising {
        self.s.then(self.step)
    }

    /// q(x_s | x_0, x_t) at the given values, by conditioning the law of (x_s, x_t) given x_0.
    ///
    /// x_0 is fixed before anything else, so that the result does not depend on the law of the data and is defined
    /// for a point mass.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] if x_t has no noise; [`Error::OutOfRange`] for a value that is not finite.
    pub fn xs_given_x0_xt(&self, x0: f64, xt: f64) -> Result<Gaussian1> {
        let pinned = Self::from_channels(Gaussian1::new(x0, 0.0)?, self.s, self.step)?;
        pinned.joint.conditional(&[Self::XS], &[Self::XT])?.at(&[xt])?.law_of(0)
    }

    /// q(x_s | x_t) with x_0 integrated out.
    ///
    /// # Errors
    /// As [`JointGaussian::conditional`].
    pub fn xs_given_xt(&self, xt: f64) -> Result<Gaussian1> {
        self.joint.conditional(&[Self::XS], &[Self::XT])?.at(&[xt])?.law_of(0)
    }

    /// q(x_0 | x_t).
    ///
    /// # Errors
    /// As [`JointGaussian::conditional`].
    pub fn x0_given_xt(&self, xt: f64) -> Result<Gaussian1> {
        self.joint.conditional(&[Self::X0], &[Self::XT])?.at(&[xt])?.law_of(0)
    }

    /// q(x_s | x_0, x_t) as a function of (x_0, x_t); needs data with a positive variance.
    ///
    /// # Errors
    /// As [`JointGaussian::conditional`].
    pub fn posterior(&self) -> Result<Conditional> {
        self.joint.conditional(&[Self::XS], &[Self::X0, Self::XT])
    }
}

impl JointGaussian {
    /// The law of (x_0, x_1, … x_T) of the forward chain; variable t is x_t.
    ///
    /// # Errors
    /// [`Error::EntryOutOfRange`] for a bad β; [`Error::CountOutOfRange`] if the chain is too long.
    pub fn forward_chain(betas: &[f64], x0: Gaussian1) -> Result<Self> {
        Noising::from_betas(betas)?;
        let mut joint = Self::single(x0);
        for (t, &beta) in betas.iter().enumerate() {
            joint = joint.append(&[(t, (1.0 - beta).sqrt())], 0.0, beta)?;
        }
        Ok(joint)
    }

    /// The law of (x_0, x_1, … x_T) when x_T is drawn from x_0 and every earlier x_{t−1} from (x_0, x_t).
    ///
    /// ```text
    /// x_T = a x_0 + σ ε        x_{t−1} = c₀ x_0 + c_t x_t + √v ε,  t = T … 2        (c₀, c_t, v) = reverse(t)
    /// ```
    ///
    /// This is the shape of DDIM's inference family; `reverse` is the code under test, or
    /// [`JointGaussian::ddim_chain`] supplies it. Variable t is x_t.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for T = 0 or a chain that is too long; [`Error::OutOfRange`] for a negative or
    /// non-finite variance.
    pub fn reverse_chain(
        x0: Gaussian1,
        steps: usize,
        last: Noising,
        mut reverse: impl FnMut(usize) -> (f64, f64, f64),
    ) -> Result<Self> {
        if steps == 0 {
            return Err(Error::CountOutOfRange {
                name: "steps",
                value: 0,
                min: 1,
                max: super::joint::MAX_VARIABLES - 1,
            });
        }
        // In the order drawn: x_0, x_T, x_{T−1}, … x_1, so that x_t has index T − t + 1.
        let mut joint = Self::single(x0).append(&[(0, last.signal())], 0.0, last.noise_var())?;
        for t in (2..=steps).rev() {
            let (on_x0, on_xt, var) = reverse(t);
            joint = joint.append(&[(0, on_x0), (steps - t + 1, on_xt)], 0.0, var)?;
        }
        let order: Vec<usize> = std::iter::once(0).chain((1..=steps).rev()).collect();
        joint.marginal(&order)
    }

    /// DDIM's family q_σ: the non-Markovian chains with the marginals of the forward process.
    ///
    /// ```text
    /// q_σ(x_{t−1} | x_t, x_0) = N(√ᾱ_{t−1} x_0 + √(1 − ᾱ_{t−1} − σ_t²) (x_t − √ᾱ_t x_0)/√(1 − ᾱ_t), σ_t²)
    /// ```
    ///
    /// `sigma_var(t)` is σ_t² for t = 2 … T.
    ///
    /// Source: Song et al. 2021, arXiv:2010.02502v4, eq. (7); ledger S1.68, B16.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ σ_t² ≤ 1 − ᾱ_{t−1}; [`Error::EntryOutOfRange`] for a bad β;
    /// [`Error::CountOutOfRange`] for none or too many.
    pub fn ddim_chain(betas: &[f64], x0: Gaussian1, mut sigma_var: impl FnMut(usize) -> f64) -> Result<Self> {
        let levels = Noising::levels(betas)?;
        let mut wrong = None;
        let chain = Self::reverse_chain(x0, betas.len(), levels[betas.len()], |t| {
            let (var, s, t) = (sigma_var(t), levels[t - 1], levels[t]);
            // Rounding must not make the largest σ² of the range invalid.
            let left = s.noise_var() - var;
            if var.is_nan() || left < -4.0 * f64::EPSILON * s.noise_var() {
                wrong = Some(var);
            }
            let direction = left.max(0.0).sqrt() / t.noise_std();
            (direction.mul_add(-t.signal(), s.signal()), direction, var)
        });
        match wrong {
            Some(value) => Err(Error::OutOfRange {
                name: "sigma²",
                value,
                expected: "a number from 0 to 1 − alpha_bar at t − 1",
            }),
            None => chain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BETAS: [f64; 3] = [0.1, 0.3, 0.5];

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol, "{got:e} is not {want:e}");
    }

    fn linear() -> Vec<f64> {
        (0..1000).map(|i| 1e-4 + (0.02 - 1e-4) * f64::from(i) / 999.0).collect()
    }

    /// §0: β̃_2 and β̃_500 of the linear schedule, to the digits printed.
    #[test]
    fn posterior_variance_of_the_linear_schedule() {
        let data = Gaussian1::new(0.4, 0.49).expect("valid");
        for (t, want) in [(2, 5.453_187_661e-5), (500, 0.010_031_355_41)] {
            let forward = ForwardJoint::new(&linear(), t - 1, t, data).expect("valid");
            let pinned = forward.xs_given_x0_xt(0.3, -0.2).expect("regular");
            assert!((pinned.var() / want - 1.0).abs() < 1e-9, "{}", pinned.var());
            let free = forward.posterior().expect("regular");
            close(free.covariance()[[0, 0]], pinned.var(), 1e-12 * pinned.var());
            close(free.at(&[0.3, -0.2]).and_then(|l| l.law_of(0)).expect("one").mean(), pinned.mean(), 1e-12);
        }
    }

    /// The three-time law is the marginal of the whole chain.
    #[test]
    fn triple_is_the_marginal_of_the_chain() {
        let data = Gaussian1::new(0.4, 0.49).expect("valid");
        let chain = JointGaussian::forward_chain(&BETAS, data).expect("valid");
        for (s, t) in [(0, 1), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let triple = ForwardJoint::new(&BETAS, s, t, data).expect("valid");
            let part = chain.marginal(&[0, s, t]).expect("exists");
            for i in 0..3 {
                close(triple.joint().mean()[i], part.mean()[i], 1e-15);
                for j in 0..3 {
                    close(triple.joint().covariance()[[i, j]], part.covariance()[[i, j]], 1e-15);
                }
            }
            close(data.noised(triple.t()).var(), part.covariance()[[2, 2]], 1e-15);
        }
    }

    #[test]
    fn conditionals_agree_with_the_scalar_world() {
        let data = Gaussian1::new(0.4, 0.49).expect("valid");
        let forward = ForwardJoint::new(&BETAS, 1, 3, data).expect("valid");
        let step = Noising::from_betas(&BETAS[1..]).expect("valid");
        let (a, b) = (forward.xs_given_xt(0.7).expect("regular"), data.xs_given_xt(forward.s(), step, 0.7));
        close(a.mean(), b.mean(), 1e-15);
        close(a.var(), b.var(), 1e-15);
        let (a, b) = (forward.x0_given_xt(0.7).expect("regular"), data.x0_given_xt(forward.t(), 0.7));
        close(a.mean(), b.mean(), 1e-15);
        close(a.var(), b.var(), 1e-15);
    }

    /// B16 and S1.68: marginals for every σ; (x_0, x_2) given x_1 uncorrelated only at σ² = β̃.
    #[test]
    fn ddim_family_keeps_marginals_and_is_markov_only_at_beta_tilde() {
        let data = Gaussian1::new(0.0, 0.6).expect("valid");
        let beta_tilde: Vec<f64> = (1..=3)
            .map(|t| {
                ForwardJoint::new(&BETAS, t - 1, t, data)
                    .and_then(|f| f.xs_given_x0_xt(0.0, 0.0))
                    .expect("regular")
                    .var()
            })
            .collect();
        let forward = JointGaussian::forward_chain(&BETAS, data).expect("valid");
        for (share, want) in [(0.0, -0.0967), (0.5, -0.0575), (1.0, 0.0)] {
            let chain = JointGaussian::ddim_chain(&BETAS, data, |t| share * beta_tilde[t - 1]).expect("valid");
            for t in 0..=3 {
                let (a, b) = (chain.marginal(&[0, t]).expect("exists"), forward.marginal(&[0, t]).expect("exists"));
                for (i, j) in [(0, 0), (0, 1), (1, 1)] {
                    close(a.covariance()[[i, j]], b.covariance()[[i, j]], 1e-15);
                }
            }
            let partial = |t: usize| chain.conditional(&[t, 0], &[t - 1]).expect("regular").covariance()[[0, 1]];
            close(partial(2), want, 5e-5);
        }
    }

    #[test]
    fn bad_input_is_an_error() {
        let data = Gaussian1::STANDARD;
        assert!(matches!(ForwardJoint::new(&BETAS, 0, 4, data), Err(Error::CountOutOfRange { name: "t", .. })));
        assert!(matches!(ForwardJoint::new(&BETAS, 2, 2, data), Err(Error::CountOutOfRange { name: "s", .. })));
        assert!(matches!(
            ForwardJoint::new(&[0.1, 2.0], 0, 1, data).and_then(|_| JointGaussian::forward_chain(&[0.1, 2.0], data)),
            Err(Error::EntryOutOfRange { index: 1, .. })
        ));
        assert!(JointGaussian::reverse_chain(data, 0, Noising::NONE, |_| (0.0, 0.0, 0.0)).is_err());
        assert!(matches!(
            JointGaussian::ddim_chain(&BETAS, data, |_| 0.9),
            Err(Error::OutOfRange { name: "sigma²", .. })
        ));
    }
}
