//! Gaussian mixtures in any dimension; [`Mixture1`](super::Mixture1) is the lighter form on the line.

use ndarray::{Array1, Array2, ArrayRef1, Axis};

use super::gaussian::Gaussian;
use super::mixture1::pick;
use super::noising::Noising;
use super::numeric::{log_sum_exp, normalized_weights, softmax};
use crate::error::{Error, Result};

/// `p(x) = Σ_k w_k N(x; m_k, S_k)` in d dimensions; component k is also the class y = k.
///
/// Noised data are again a mixture with the same weights, and given an observation x_t each component is conditioned
/// by itself and reweighted by its responsibility `r_k = p(y = k | x_t)`. Covariances may be full, diagonal,
/// isotropic or zero (a point), each component its own; densities need regular ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    weights: Vec<f64>,
    components: Vec<Gaussian>,
}

impl Mixture {
    /// A mixture of the given (weight, component) pairs.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for no components; [`Error::EntryOutOfRange`] for a weight that is not positive;
    /// [`Error::OutOfRange`] if the weights do not sum to 1 within 1e-9 (they are divided by their sum);
    /// [`Error::ShapeMismatch`] if the components differ in dimension.
    pub fn new(parts: Vec<(f64, Gaussian)>) -> Result<Self> {
        let (weights, components): (Vec<f64>, Vec<Gaussian>) = parts.into_iter().unzip();
        let weights = normalized_weights(&weights)?;
        let dim = components[0].dim();
        if let Some(other) = components.iter().find(|c| c.dim() != dim) {
            return Err(Error::ShapeMismatch { name: "component", found: vec![other.dim()], expected: vec![dim] });
        }
        Ok(Self { weights, components })
    }

    /// d.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.components[0].dim()
    }

    /// The weights, summing to 1.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The components, p(x | y = k); class-conditional densities and scores are theirs.
    #[must_use]
    pub fn components(&self) -> &[Gaussian] {
        &self.components
    }

    /// E x, shape (d).
    #[must_use]
    pub fn mean(&self) -> Array1<f64> {
        weighted(&self.weights, self.components.iter().map(|c| c.mean().clone()))
    }

    /// Cov x, within plus between the components, shape (d, d).
    #[must_use]
    pub fn covariance(&self) -> Array2<f64> {
        let mean = self.mean();
        let parts = self.components.iter().map(|c| c.covariance() + outer(&(c.mean() - &mean)));
        weighted(&self.weights, parts)
    }

    /// The law of `a x_0 + σ ε`.
    #[must_use]
    pub fn noised(&self, level: Noising) -> Self {
        Self { weights: self.weights.clone(), components: self.components.iter().map(|c| c.noised(level)).collect() }
    }

    /// ln p(x).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless x has shape (d); [`Error::NotPositiveDefinite`] if a component is singular.
    pub fn log_pdf(&self, x: &ArrayRef1<f64>) -> Result<f64> {
        Ok(log_sum_exp(&self.log_joint(x)?))
    }

    /// p(y = k | x) for every class k.
    ///
    /// # Errors
    /// As [`Mixture::log_pdf`].
    pub fn responsibilities(&self, x: &ArrayRef1<f64>) -> Result<Vec<f64>> {
        Ok(softmax(&self.log_joint(x)?))
    }

    /// `ln p(y = class | x)`.
    ///
    /// # Errors
    /// As [`Mixture::log_pdf`]; [`Error::CountOutOfRange`] if there is no such class.
    pub fn log_class_posterior(&self, class: usize, x: &ArrayRef1<f64>) -> Result<f64> {
        self.component(class)?;
        let terms = self.log_joint(x)?;
        Ok(terms[class] - log_sum_exp(&terms))
    }

    /// `∇ ln p(x) = Σ r_k score_k`, shape (d).
    ///
    /// # Errors
    /// As [`Mixture::log_pdf`].
    pub fn score(&self, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        Ok(weighted(&self.responsibilities(x)?, self.scores(x)?))
    }

    /// `∇ ln p(x | y = class)`, shape (d).
    ///
    /// # Errors
    /// As [`Mixture::log_class_posterior`].
    pub fn class_score(&self, class: usize, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        self.component(class)?.score(x)
    }

    /// `∇ ln p(y = class | x) = Σ_j r_j (score_class − score_j)`, the score of the exact classifier, shape (d).
    ///
    /// # Errors
    /// As [`Mixture::log_class_posterior`].
    pub fn classifier_score(&self, class: usize, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        let own = self.class_score(class, x)?;
        Ok(weighted(&self.responsibilities(x)?, self.scores(x)?.into_iter().map(|score| &own - score)))
    }

    /// `∇∇ᵀ ln p(x) = Cov_r(score_k) − Σ r_k S_k⁻¹`, shape (d, d).
    ///
    /// # Errors
    /// As [`Mixture::log_pdf`].
    pub fn hessian(&self, x: &ArrayRef1<f64>) -> Result<Array2<f64>> {
        let (r, score) = (self.responsibilities(x)?, self.score(x)?);
        let parts: Result<Vec<Array2<f64>>> =
            self.components.iter().map(|c| Ok(outer(&(c.score(x)? - &score)) - c.precision()?)).collect();
        Ok(weighted(&r, parts?))
    }

    /// q(x_0 | x_t), a mixture.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless `xt` has shape (d); [`Error::NotPositiveDefinite`] if the noised mixture is
    /// singular (a level without noise).
    pub fn x0_given_xt(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Self> {
        let components: Result<Vec<Gaussian>> = self.components.iter().map(|c| c.x0_given_xt(level, xt)).collect();
        Ok(Self { weights: self.noised(level).responsibilities(xt)?, components: components? })
    }

    /// q(x_s | x_t) with x_0 integrated out; `s` is the level of x_s and `step` the channel q(x_t | x_s).
    ///
    /// # Errors
    /// As [`Mixture::x0_given_xt`].
    pub fn xs_given_xt(&self, s: Noising, step: Noising, xt: &ArrayRef1<f64>) -> Result<Self> {
        self.noised(s).x0_given_xt(step, xt)
    }

    /// E[x_0 | x_t], the optimal denoiser, shape (d).
    ///
    /// # Errors
    /// As [`Mixture::x0_given_xt`].
    pub fn x0_hat(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        Ok(self.x0_given_xt(level, xt)?.mean())
    }

    /// Cov[x_0 | x_t], shape (d, d).
    ///
    /// # Errors
    /// As [`Mixture::x0_given_xt`].
    pub fn x0_covariance(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Array2<f64>> {
        Ok(self.x0_given_xt(level, xt)?.covariance())
    }

    /// E[ε | x_t], shape (d).
    ///
    /// # Errors
    /// As [`Mixture::x0_given_xt`].
    pub fn eps_hat(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        let parts: Result<Vec<Array1<f64>>> = self.components.iter().map(|c| c.eps_hat(level, xt)).collect();
        Ok(weighted(&self.noised(level).responsibilities(xt)?, parts?))
    }

    /// E[a ε − σ x_0 | x_t], shape (d).
    ///
    /// # Errors
    /// As [`Mixture::x0_given_xt`].
    pub fn v_hat(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        Ok(self.eps_hat(level, xt)? * level.signal() - self.x0_hat(level, xt)? * level.noise_std())
    }

    /// `ln p(x) + γ ln p(y = class | x)`, the log of the density that guidance of strength γ aims at, up to a constant.
    ///
    /// # Errors
    /// As [`Mixture::log_class_posterior`].
    pub fn tempered_log_pdf(&self, class: usize, gamma: f64, x: &ArrayRef1<f64>) -> Result<f64> {
        Ok(gamma.mul_add(self.log_class_posterior(class, x)?, self.log_pdf(x)?))
    }

    /// The score of [`Mixture::tempered_log_pdf`], shape (d).
    ///
    /// # Errors
    /// As [`Mixture::log_class_posterior`].
    pub fn tempered_score(&self, class: usize, gamma: f64, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        Ok(self.score(x)? + self.classifier_score(class, x)? * gamma)
    }

    /// A draw, given one uniform number in [0, 1) for the class and a supply of standard normals.
    pub fn sample(&self, uniform: f64, normal: impl FnMut() -> f64) -> Array1<f64> {
        self.components[pick(&self.weights, uniform)].sample(normal)
    }

    fn component(&self, class: usize) -> Result<&Gaussian> {
        let max = self.components.len() - 1;
        self.components.get(class).ok_or(Error::CountOutOfRange { name: "class", value: class, min: 0, max })
    }

    fn log_joint(&self, x: &ArrayRef1<f64>) -> Result<Vec<f64>> {
        self.weights.iter().zip(&self.components).map(|(w, c)| Ok(w.ln() + c.log_pdf(x)?)).collect()
    }

    fn scores(&self, x: &ArrayRef1<f64>) -> Result<Vec<Array1<f64>>> {
        self.components.iter().map(|c| c.score(x)).collect()
    }
}

/// `Σ w_k a_k`.
fn weighted<D: ndarray::Dimension>(
    weights: &[f64],
    parts: impl IntoIterator<Item = ndarray::Array<f64, D>>,
) -> ndarray::Array<f64, D> {
    weights
        .iter()
        .zip(parts)
        .map(|(w, part)| part * *w)
        .reduce(|sum, part| sum + part)
        .expect("a mixture has at least one component")
}

/// `u uᵀ`.
fn outer(u: &Array1<f64>) -> Array2<f64> {
    let column = u.view().insert_axis(Axis(1));
    column.dot(&column.t())
}

#[cfg(test)]
mod tests {
    use super::super::gaussian1::Gaussian1;
    use super::super::mixture1::Mixture1;
    use super::*;
    use ndarray::array;

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol * (1.0 + want.abs()), "{got:e} is not {want:e}");
    }

    fn plane() -> Mixture {
        let full = Gaussian::new(&array![0.5, -1.0], &array![[0.4, 0.1], [0.1, 0.2]]).expect("valid");
        let round = Gaussian::isotropic(&array![-1.0, 0.3], 0.15).expect("valid");
        let flat = Gaussian::diagonal(&array![1.0, 1.0], &array![0.05, 0.5]).expect("valid");
        Mixture::new(vec![(0.2, full), (0.5, round), (0.3, flat)]).expect("valid")
    }

    fn level() -> Noising {
        Noising::new(0.8, 0.36).expect("valid")
    }

    /// Prior times likelihood on a grid over the plane.
    #[test]
    fn denoisers_equal_bayes_on_a_grid() {
        let (data, xt) = (plane(), array![0.2, 0.1]);
        let (mut total, mut mean, mut second) = (0.0, array![0.0, 0.0], Array2::zeros((2, 2)));
        for i in -120..=120 {
            for j in -120..=120 {
                let x0 = array![f64::from(i) * 0.04, f64::from(j) * 0.04];
                let likelihood: f64 = (0..2).map(|k| Gaussian1::raw(0.8 * x0[k], 0.36).log_pdf(xt[k])).sum::<f64>();
                let mass = (data.log_pdf(&x0).expect("regular") + likelihood).exp();
                total += mass;
                mean = mean + &x0 * mass;
                second = second + outer(&x0) * mass;
            }
        }
        mean /= total;
        let covariance = second / total - outer(&mean);
        let (x0, eps) = (data.x0_hat(level(), &xt).expect("fits"), data.eps_hat(level(), &xt).expect("fits"));
        let (v, spread) = (data.v_hat(level(), &xt).expect("fits"), data.x0_covariance(level(), &xt).expect("fits"));
        for i in 0..2 {
            close(x0[i], mean[i], 1e-12);
            let noise = (xt[i] - 0.8 * mean[i]) / 0.6;
            close(eps[i], noise, 1e-12);
            close(v[i], 0.8 * noise - 0.6 * mean[i], 1e-12);
            (0..2).for_each(|j| close(spread[[i, j]], covariance[[i, j]], 1e-12));
        }
        close(data.noised(level()).log_pdf(&xt).expect("regular"), (total * 0.04 * 0.04).ln(), 1e-12);
    }

    #[test]
    fn derivatives_equal_finite_differences() {
        let (gmm, x) = (plane().noised(level()), array![0.2, 0.1]);
        let slope = |f: &dyn Fn(&Array1<f64>) -> f64, i: usize| {
            let at = |by: f64| {
                let mut y = x.clone();
                y[i] += by;
                f(&y)
            };
            let d = |h: f64| (at(h) - at(-h)) / (2.0 * h);
            (4.0 * d(5e-4) - d(1e-3)) / 3.0
        };
        let (score, hessian) = (gmm.score(&x).expect("regular"), gmm.hessian(&x).expect("regular"));
        let (tempered, class) =
            (gmm.tempered_score(1, 2.5, &x).expect("regular"), gmm.class_score(2, &x).expect("regular"));
        let classifier = gmm.classifier_score(0, &x).expect("regular");
        for i in 0..2 {
            close(score[i], slope(&|y| gmm.log_pdf(y).expect("regular"), i), 1e-10);
            close(tempered[i], slope(&|y| gmm.tempered_log_pdf(1, 2.5, y).expect("regular"), i), 1e-10);
            close(classifier[i], slope(&|y| gmm.log_class_posterior(0, y).expect("regular"), i), 1e-10);
            close(class[i], slope(&|y| gmm.components()[2].log_pdf(y).expect("regular"), i), 1e-10);
            (0..2).for_each(|j| close(hessian[[i, j]], slope(&|y| gmm.score(y).expect("regular")[j], i), 1e-10));
        }
        close(gmm.responsibilities(&x).expect("regular").iter().sum(), 1.0, 1e-15);
    }

    /// On the line both forms must say the same.
    #[test]
    fn one_dimension_agrees_with_the_scalar_form() {
        let line = Mixture1::reference();
        let parts = line.weights().iter().zip(line.components());
        let wide = Mixture::new(
            parts.map(|(w, c)| (*w, Gaussian::isotropic(&array![c.mean()], c.var()).expect("valid"))).collect(),
        )
        .expect("valid");
        let step = Noising::new(0.7, 0.5).expect("valid");
        for x in [-2.0, -0.4, 0.3, 1.5] {
            let at = array![x];
            close(wide.log_pdf(&at).expect("regular"), line.log_pdf(x), 1e-14);
            close(wide.score(&at).expect("regular")[0], line.score(x), 1e-13);
            let (a, b) = (wide.xs_given_xt(level(), step, &at).expect("fits"), line.xs_given_xt(level(), step, x));
            close(a.mean()[0], b.mean(), 1e-14);
            close(a.covariance()[[0, 0]], b.var(), 1e-14);
        }
        close(wide.mean()[0], line.mean(), 1e-15);
        close(wide.covariance()[[0, 0]], line.var(), 1e-15);
        close(wide.sample(0.1, || 1.0)[0], line.sample(0.1, || 1.0), 1e-15);
    }

    #[test]
    fn bad_input_is_an_error() {
        let one = Gaussian::isotropic(&array![0.0], 1.0).expect("valid");
        let two = Gaussian::isotropic(&array![0.0, 0.0], 1.0).expect("valid");
        assert!(matches!(Mixture::new(vec![]), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(
            Mixture::new(vec![(0.5, one), (0.5, two)]),
            Err(Error::ShapeMismatch { name: "component", .. })
        ));
        assert!(matches!(
            plane().class_score(3, &array![0.0, 0.0]),
            Err(Error::CountOutOfRange { name: "class", .. })
        ));
        assert!(matches!(plane().log_pdf(&array![0.0]), Err(Error::ShapeMismatch { .. })));
    }
}
