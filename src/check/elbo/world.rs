//! Gaussian data and an affine Gaussian reverse chain as two joint Gaussians over (x₀, …, x_T), built by recursion.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use crate::check::{log_uniform, uniform};
use crate::elbo::AffineKernel;
use crate::posterior::Moments;
use crate::schedule::{Betas, Schedule};

/// A Gaussian law of a path.
pub(super) struct Joint {
    pub mean: DVector<f64>,
    pub cov: DMatrix<f64>,
}

/// Data, forward chain and reverse chain for which every quantity of the bound has an exact value.
#[derive(Clone, Debug)]
pub struct World {
    /// The forward chain.
    pub schedule: Schedule,
    /// Law of x₀.
    pub data: Moments,
    /// The kernel of the transition to t at index t − 1.
    pub reverse: Vec<AffineKernel>,
}

impl World {
    /// The toy chain: T = 3, x₀ ~ N(0.4, 0.49).
    ///
    /// # Panics
    /// Never: the numbers are valid.
    #[must_use]
    pub fn toy() -> Self {
        let betas = Betas::new(vec![0.1, 0.3, 0.5]).expect("inside the valid range");
        let kernel = |slope, offset, var| AffineKernel { slope, offset, var };
        Self {
            schedule: Schedule::new(betas),
            data: Moments { mean: 0.4, var: 0.49 },
            reverse: vec![kernel(0.9, 0.05, 0.05), kernel(0.8, -0.1, 0.6), kernel(0.7, 0.2, 0.2)],
        }
    }

    /// A random chain of 1 to 6 steps from a point of the unit cube.
    ///
    /// # Panics
    /// Never: the numbers are drawn inside the valid range.
    #[must_use]
    pub fn random([u, v, w]: [f64; 3]) -> Self {
        let steps = 1 + (u * 6.0) as usize;
        let mix = |k: f64| (v + w * k * k + 0.618_033_989 * k).fract();
        let beta = |t: usize| log_uniform(mix(t as f64), 1e-3, 0.6);
        let kernel = |t: usize| AffineKernel {
            slope: uniform(mix(t as f64 + 0.31), 0.3, 1.2),
            offset: uniform(mix(t as f64 + 0.57), -0.5, 0.5),
            var: log_uniform(mix(t as f64 + 0.83), 0.02, 2.0),
        };
        Self {
            schedule: Schedule::new(Betas::new((0..steps).map(beta).collect()).expect("inside the valid range")),
            data: Moments { mean: uniform(w, -1.0, 1.0), var: log_uniform(mix(0.5), 0.05, 4.0) },
            reverse: (0..steps).map(kernel).collect(),
        }
    }

    /// T.
    #[must_use]
    pub fn len(&self) -> usize {
        self.schedule.len()
    }

    /// Never: a chain has at least one step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn betas(&self) -> &[f64] {
        self.schedule.betas().as_slice()
    }

    /// q(x_{0:T}), from x_t = √(1 − β) x_{t−1} + √β ε one step at a time.
    pub(super) fn data_joint(&self) -> Joint {
        let n = self.len() + 1;
        let mut joint = Joint { mean: DVector::zeros(n), cov: DMatrix::zeros(n, n) };
        (joint.mean[0], joint.cov[(0, 0)]) = (self.data.mean, self.data.var);
        for (t, &beta) in (1..).zip(self.betas()) {
            joint.extend(t, t - 1, t, f64::sqrt(1.0 - beta), 0.0, beta);
        }
        joint
    }

    /// p(x_{0:T}), from x_T ~ N(0, 1) down.
    pub(super) fn model_joint(&self) -> Joint {
        let last = self.len();
        let mut joint = Joint { mean: DVector::zeros(last + 1), cov: DMatrix::zeros(last + 1, last + 1) };
        joint.cov[(last, last)] = 1.0;
        for (i, k) in self.reverse.iter().enumerate().rev() {
            let t = i + 1;
            joint.extend(i, t, last + 1 - t, k.slope, k.offset, k.var);
        }
        joint
    }

    /// p(x₀): the reverse chain's law propagated to t = 0.
    pub(super) fn model_of_data(&self) -> Moments {
        let start = Moments { mean: 0.0, var: 1.0 };
        self.reverse.iter().rev().fold(start, |law, k| Moments {
            mean: k.slope * law.mean + k.offset,
            var: k.slope * k.slope * law.var + k.var,
        })
    }

    /// E_q[−log p(x₀)].
    #[must_use]
    pub fn nll(&self) -> f64 {
        let p = self.model_of_data();
        let miss = self.data.mean - p.mean;
        0.5 * (std::f64::consts::TAU * p.var).ln() + (self.data.var + miss * miss) / (2.0 * p.var)
    }

    /// E_q[log q(x_{1:T} | x₀) − log p(x_{0:T})] from the two joint laws: log-determinants, a trace, a quadratic form.
    #[must_use]
    pub fn bound(&self) -> f64 {
        let (q, p) = (self.data_joint(), self.model_joint());
        let n = q.mean.len() as f64;
        let factor = p.cholesky();
        let miss = &q.mean - &p.mean;
        let trace = factor.solve(&q.cov).trace();
        let cross =
            0.5 * (n * std::f64::consts::TAU.ln() + log_det(&factor) + trace + miss.dot(&factor.solve(&miss)));
        let entropy = 0.5 * (n * (std::f64::consts::TAU * std::f64::consts::E).ln() + log_det(&q.cholesky()));
        let of_data = 0.5 * (std::f64::consts::TAU * std::f64::consts::E * self.data.var).ln();
        cross - (entropy - of_data)
    }

    /// E_{q(x₀)} KL(q(x_{1:T} | x₀) ‖ p(x_{1:T} | x₀)), both conditioned by Schur complement.
    #[must_use]
    pub fn joint_kl(&self) -> f64 {
        let (q, p) = (self.data_joint(), self.model_joint());
        let (q_gain, q_mean, q_cov) = q.given_first();
        let (p_gain, p_mean, p_cov) = p.given_first();
        let factor = Cholesky::new(p_cov).expect("a conditional covariance is positive definite");
        let q_factor = Cholesky::new(q_cov.clone()).expect("a conditional covariance is positive definite");
        let slope = &q_gain - &p_gain;
        let miss = (q_mean - p_mean) + &slope * self.data.mean;
        let quadratic = miss.dot(&factor.solve(&miss)) + self.data.var * slope.dot(&factor.solve(&slope));
        let trace = factor.solve(&q_cov).trace() - self.len() as f64;
        0.5 * (log_det(&factor) - log_det(&q_factor) + trace + quadratic)
    }

    /// E_q of a function that is at most quadratic in the path: the 2n points mean ± √n Lⱼ, exact to degree three.
    ///
    /// # Errors
    /// The first one that `f` returns.
    pub fn expect<E>(&self, mut f: impl FnMut(&[f64]) -> Result<f64, E>) -> Result<f64, E> {
        let q = self.data_joint();
        let n = q.mean.len();
        let root = q.cholesky().l() * (n as f64).sqrt();
        let mut sum = 0.0;
        for column in root.column_iter() {
            for node in [&q.mean + column, &q.mean - column] {
                sum += f(node.as_slice())?;
            }
        }
        Ok(sum / (2 * n) as f64)
    }
}

impl Joint {
    /// Adds x_new = factor·x_old + offset + √var ε, with `ready` entries, those that x_old's side already has.
    fn extend(&mut self, new: usize, old: usize, ready: usize, factor: f64, offset: f64, var: f64) {
        let n = self.mean.len();
        self.mean[new] = factor * self.mean[old] + offset;
        let known: Vec<usize> = if new > old { (0..ready).collect() } else { (n - ready..n).collect() };
        for j in known {
            let cross = factor * self.cov[(old, j)];
            (self.cov[(new, j)], self.cov[(j, new)]) = (cross, cross);
        }
        self.cov[(new, new)] = factor * factor * self.cov[(old, old)] + var;
    }

    pub(super) fn cholesky(&self) -> Cholesky<f64, Dyn> {
        Cholesky::new(self.cov.clone()).expect("every step adds noise, so the covariance is positive definite")
    }

    /// log N(path; mean, cov).
    pub(super) fn log_density(&self, path: &[f64]) -> f64 {
        let factor = self.cholesky();
        let miss = DVector::from_row_slice(path) - &self.mean;
        let n = path.len() as f64;
        -0.5 * (n * std::f64::consts::TAU.ln() + log_det(&factor) + miss.dot(&factor.solve(&miss)))
    }

    /// Mean and variance of entry `i` given the entries `known`, at the values they have on `path`.
    pub(super) fn conditional(&self, i: usize, known: &[usize], path: &[f64]) -> Moments {
        let block = DMatrix::from_fn(known.len(), known.len(), |a, b| self.cov[(known[a], known[b])]);
        let cross = DVector::from_fn(known.len(), |a, _| self.cov[(i, known[a])]);
        let miss = DVector::from_fn(known.len(), |a, _| path[known[a]] - self.mean[known[a]]);
        let gain = Cholesky::new(block).expect("a marginal covariance is positive definite").solve(&cross);
        Moments { mean: self.mean[i] + gain.dot(&miss), var: self.cov[(i, i)] - gain.dot(&cross) }
    }

    /// x_{1:T} given x₀: factor of x₀, constant, covariance.
    fn given_first(&self) -> (DVector<f64>, DVector<f64>, DMatrix<f64>) {
        let n = self.mean.len() - 1;
        let cross = self.cov.view((1, 0), (n, 1)).into_owned();
        let gain: DVector<f64> = DVector::from_fn(n, |i, _| cross[i] / self.cov[(0, 0)]);
        let constant = DVector::from_fn(n, |i, _| self.mean[i + 1] - gain[i] * self.mean[0]);
        let rest = self.cov.view((1, 1), (n, n)).into_owned() - &gain * cross.transpose();
        (gain, constant, rest)
    }
}

fn log_det(factor: &Cholesky<f64, Dyn>) -> f64 {
    2.0 * factor.l_dirty().diagonal().iter().map(|x| x.ln()).sum::<f64>()
}
