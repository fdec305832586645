//! Latent variable models: evidence, its lower bound, the autoencoder with one latent and with a hierarchy of them.

mod hierarchy;
mod likelihood;

use std::f64::consts::TAU;

use nalgebra::{DMatrix, DVector};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::error::{Error, Result};
use crate::gaussian::{Gaussian, kl_full};

pub use hierarchy::{Hierarchy, Kernel};
pub use likelihood::{cross_entropy, gaussian_mle, mean_log_likelihood, negative_log_likelihood};

/// The linear-Gaussian latent variable model: `z ~ N(0, I_k)`, `x | z ~ N(W z + b, s² I_d)`.
///
/// Evidence and posterior are closed-form, so that every bound on them can be compared with the truth.
/// Source: Tipping & Bishop 1999, "Probabilistic principal component analysis".
#[derive(Clone, Debug, PartialEq)]
pub struct FactorModel {
    loading: DMatrix<f64>,
    offset: DVector<f64>,
    noise_var: f64,
}

/// Gradient of the bound in the parameters of q = N(mean, std² I): what an encoder is trained with.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderGradient {
    /// ∂ELBO/∂mean.
    pub mean: Array1<f64>,
    /// ∂ELBO/∂ ln std.
    pub log_std: f64,
}

impl FactorModel {
    /// From the d × k loading W, the offset b of length d and the noise variance s².
    ///
    /// ```
    /// use alphabar::vae::FactorModel;
    /// use ndarray::array;
    ///
    /// let model = FactorModel::new(array![[0.6], [0.8]].view(), array![0.0, 0.0].view(), 0.5)?;
    /// assert_eq!((model.dims(), model.latents(), model.noise_var()), (2, 1, 0.5));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] if d or k is 0; [`Error::ShapeMismatch`] unless b has length d;
    /// [`Error::EntryOutOfRange`] for an entry that is not finite; [`Error::OutOfRange`] unless s² > 0.
    pub fn new(loading: ArrayView2<'_, f64>, offset: ArrayView1<'_, f64>, noise_var: f64) -> Result<Self> {
        let (d, k) = loading.dim();
        if d == 0 || k == 0 {
            return Err(Error::CountOutOfRange { name: "dimensions", value: 0, min: 1, max: usize::MAX });
        }
        if offset.len() != d {
            return Err(Error::ShapeMismatch { name: "offset", found: vec![offset.len()], expected: vec![d] });
        }
        let finite = |(index, &value): (usize, &f64)| {
            let bad = Error::EntryOutOfRange { name: "model", index, value, expected: "a finite number" };
            if value.is_finite() { Ok(()) } else { Err(bad) }
        };
        loading.iter().chain(&offset).enumerate().try_for_each(finite)?;
        if !(noise_var > 0.0 && noise_var.is_finite()) {
            return Err(Error::OutOfRange { name: "noise variance", value: noise_var, expected: "above 0" });
        }
        let loading = DMatrix::from_fn(d, k, |i, j| loading[[i, j]]);
        Ok(Self { loading, offset: vector(offset), noise_var })
    }

    /// d, the dimension of x.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.loading.nrows()
    }

    /// k, the dimension of z.
    #[must_use]
    pub fn latents(&self) -> usize {
        self.loading.ncols()
    }

    /// W.
    #[must_use]
    pub fn loading(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.dims(), self.latents()), |(i, j)| self.loading[(i, j)])
    }

    /// b.
    #[must_use]
    pub fn offset(&self) -> Array1<f64> {
        self.offset.iter().copied().collect()
    }

    /// s².
    #[must_use]
    pub const fn noise_var(&self) -> f64 {
        self.noise_var
    }

    /// `ln p(x, z) = ln p(z) + ln p(x | z)`.
    ///
    /// ```
    /// use alphabar::vae::FactorModel;
    /// use ndarray::array;
    ///
    /// let model = FactorModel::new(array![[0.6], [0.8]].view(), array![0.0, 0.0].view(), 0.5)?;
    /// let log = model.log_joint(array![0.0, 0.0].view(), array![0.0].view())?;
    /// assert!((log + 0.5 * std::f64::consts::TAU.ln() + std::f64::consts::PI.ln()).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if x or z has the wrong length.
    pub fn log_joint(&self, x: ArrayView1<'_, f64>, z: ArrayView1<'_, f64>) -> Result<f64> {
        let (x, z) = (self.data(x)?, self.latent(z)?);
        let residual = (x - &self.offset - &self.loading * &z).norm_squared();
        let normal = |dims: usize, var: f64, squares: f64| -0.5 * (dims as f64 * (TAU * var).ln() + squares / var);
        Ok(normal(self.latents(), 1.0, z.norm_squared()) + normal(self.dims(), self.noise_var, residual))
    }

    /// The law of x: `N(b, W Wᵀ + s² I)`.
    ///
    /// Source: Tipping & Bishop 1999, "Probabilistic principal component analysis", sect. 3.
    ///
    /// ```
    /// use alphabar::vae::FactorModel;
    /// use ndarray::array;
    ///
    /// let model = FactorModel::new(array![[0.6], [0.8]].view(), array![0.0, 0.0].view(), 0.5)?;
    /// assert!((model.marginal()?.cov()[[0, 1]] - 0.48).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] if W Wᵀ + s² I is singular in f64.
    pub fn marginal(&self) -> Result<Gaussian> {
        let mut cov = &self.loading * self.loading.transpose();
        cov.fill_lower_triangle_with_upper_triangle();
        (0..self.dims()).for_each(|i| cov[(i, i)] += self.noise_var);
        Gaussian::from_parts(self.offset.clone(), cov)
    }

    /// The evidence `ln p(x) = ln ∫ p(x, z) dz`.
    ///
    /// Source: Tipping & Bishop 1999, sect. 3; Kingma & Welling 2013, arXiv:1312.6114v11, sect. 2.1.
    ///
    /// ```
    /// use alphabar::vae::FactorModel;
    /// use ndarray::array;
    ///
    /// let model = FactorModel::new(array![[0.6], [0.8]].view(), array![0.0, 0.0].view(), 0.5)?;
    /// // The covariance of x has the determinant ½ (½ + 1).
    /// let log = model.log_evidence(array![0.0, 0.0].view())?;
    /// assert!((log + std::f64::consts::TAU.ln() + 0.5 * 0.75f64.ln()).abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if x has the wrong length; [`Error::NotPositiveDefinite`] as [`Self::marginal`].
    pub fn log_evidence(&self, x: ArrayView1<'_, f64>) -> Result<f64> {
        self.marginal()?.log_density(x)
    }

    /// The posterior `p(z | x) = N(M⁻¹ Wᵀ (x − b)/s², M⁻¹)`, `M = I + Wᵀ W/s²`.
    ///
    /// Source: Tipping & Bishop 1999, sect. 3.
    ///
    /// ```
    /// use alphabar::vae::FactorModel;
    /// use ndarray::array;
    ///
    /// let model = FactorModel::new(array![[0.6], [0.8]].view(), array![0.0, 0.0].view(), 0.5)?;
    /// // M = 1 + 1/½.
    /// assert!((model.posterior(array![0.3, 0.9].view())?.cov()[[0, 0]] - 1.0 / 3.0).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if x has the wrong length; [`Error::NotPositiveDefinite`] if M⁻¹ is not so in f64.
    pub fn posterior(&self, x: ArrayView1<'_, f64>) -> Result<Gaussian> {
        let x = self.data(x)?;
        let mut precision = self.loading.transpose() * &self.loading / self.noise_var;
        (0..self.latents()).for_each(|i| precision[(i, i)] += 1.0);
        let mut cov = precision.try_inverse().ok_or(Error::NotPositiveDefinite { name: "posterior precision" })?;
        cov.fill_lower_triangle_with_upper_triangle();
        let mean = &cov * (self.loading.transpose() * (x - &self.offset) / self.noise_var);
        Gaussian::from_parts(mean, cov)
    }

    /// `E_q ln p(x | z)`, the reconstruction term.
    ///
    /// ```text
    /// −d/2 ln 2πs² − (‖x − b − W m‖² + tr(Wᵀ W S))/(2s²)        q = N(m, S)
    /// ```
    ///
    /// ```
    /// use alphabar::vae::FactorModel;
    /// use ndarray::array;
    ///
    /// let model = FactorModel::new(array![[0.6], [0.8]].view(), array![0.0, 0.0].view(), 0.5)?;
    /// let x = array![0.3, 0.9];
    /// let q = model.posterior(x.view())?;
    /// assert!(model.reconstruction(x.view(), &q)? > model.elbo(x.view(), &q)?);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if x or q has the wrong dimension.
    pub fn reconstruction(&self, x: ArrayView1<'_, f64>, q: &Gaussian) -> Result<f64> {
        let x = self.data(x)?;
        self.matches(q)?;
        let (mean, cov) = q.parts();
        let squares = (x - &self.offset - &self.loading * mean).norm_squared();
        let spread = (self.loading.transpose() * &self.loading * cov).trace();
        Ok(-0.5 * (self.dims() as f64 * (TAU * self.noise_var).ln() + (squares + spread) / self.noise_var))
    }

    /// The bound in two terms: `E_q ln p(x | z) − KL(q ‖ N(0, I))`.
    ///
    /// Source: Kingma & Welling 2013, arXiv:1312.6114v11, eq. (3).
    ///
    /// ```
    /// use alphabar::vae::FactorModel;
    /// use ndarray::array;
    ///
    /// let model = FactorModel::new(array![[0.6], [0.8]].view(), array![0.0, 0.0].view(), 0.5)?;
    /// let x = array![0.3, 0.9];
    /// // The bound is tight at the posterior.
    /// let gap = model.log_evidence(x.view())? - model.elbo(x.view(), &model.posterior(x.view())?)?;
    /// assert!(gap.abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if x or q has the wrong dimension.
    pub fn elbo(&self, x: ArrayView1<'_, f64>, q: &Gaussian) -> Result<f64> {
        let k = self.latents();
        let prior = Gaussian::from_parts(DVector::zeros(k), DMatrix::identity(k, k))?;
        Ok(self.reconstruction(x, q)? - kl_full(q, &prior)?)
    }

    /// The bound as evidence less the distance of q from the posterior: `ln p(x) − KL(q ‖ p(z | x))`.
    ///
    /// Source: Kingma & Welling 2013, arXiv:1312.6114v11, eq. (1).
    ///
    /// ```
    /// use alphabar::vae::FactorModel;
    /// use ndarray::array;
    ///
    /// let model = FactorModel::new(array![[0.6], [0.8]].view(), array![0.0, 0.0].view(), 0.5)?;
    /// let (x, other) = (array![0.3, 0.9], array![-1.0, 0.4]);
    /// let q = model.posterior(other.view())?;
    /// assert!((model.elbo(x.view(), &q)? - model.elbo_from_gap(x.view(), &q)?).abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::elbo`] and [`Self::posterior`].
    pub fn elbo_from_gap(&self, x: ArrayView1<'_, f64>, q: &Gaussian) -> Result<f64> {
        self.matches(q)?;
        Ok(self.log_evidence(x)? - kl_full(q, &self.posterior(x)?)?)
    }

    /// Gradient of the bound for q = N(mean, std² I), by `z = mean + std·ε` with ε integrated out.
    ///
    /// ```text
    /// ∂/∂mean = Wᵀ (x − b − W mean)/s² − mean        ∂/∂ ln std = k − std² (k + tr(Wᵀ W)/s²)
    /// ```
    ///
    /// Source: Kingma & Welling 2013, arXiv:1312.6114v11, sect. 2.4.
    ///
    /// ```
    /// use alphabar::vae::FactorModel;
    /// use ndarray::array;
    ///
    /// let model = FactorModel::new(array![[0.6], [0.8]].view(), array![0.0, 0.0].view(), 0.5)?;
    /// let x = array![0.3, 0.9];
    /// let best = model.posterior(x.view())?;
    /// let gradient = model.encoder_gradient(x.view(), best.mean().view(), best.cov()[[0, 0]].sqrt())?;
    /// assert!(gradient.mean[0].abs() < 1e-14 && gradient.log_std.abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if x or the mean has the wrong length; [`Error::OutOfRange`] unless std > 0.
    pub fn encoder_gradient(
        &self,
        x: ArrayView1<'_, f64>,
        mean: ArrayView1<'_, f64>,
        std: f64,
    ) -> Result<EncoderGradient> {
        let (x, mean) = (self.data(x)?, self.latent(mean)?);
        if !(std > 0.0 && std.is_finite()) {
            return Err(Error::OutOfRange { name: "standard deviation", value: std, expected: "above 0" });
        }
        let residual = x - &self.offset - &self.loading * &mean;
        let gradient = self.loading.transpose() * residual / self.noise_var - mean;
        let k = self.latents() as f64;
        let curvature = k + self.loading.norm_squared() / self.noise_var;
        Ok(EncoderGradient { mean: gradient.iter().copied().collect(), log_std: k - std * std * curvature })
    }

    /// One step of coordinate ascent: posteriors of the rows of `data`, then the W, b and s² that maximise the bound.
    ///
    /// The mean evidence of the data never falls. Source: Dempster, Laird & Rubin 1977; Tipping & Bishop 1999,
    /// appendix B. The last dimension of the sums below belongs to b.
    ///
    /// ```text
    /// [W b] = (Σ x [E zᵀ 1]) (Σ E [z; 1][zᵀ 1])⁻¹        s² = Σ E‖x − W z − b‖² / (n d)
    /// ```
    ///
    /// ```
    /// use alphabar::vae::FactorModel;
    /// use ndarray::array;
    ///
    /// let model = FactorModel::new(array![[0.6], [0.8]].view(), array![0.0, 0.0].view(), 0.5)?;
    /// let data = array![[1.0, 1.2], [-0.8, -1.1], [0.1, -0.2]];
    /// let next = model.em_step(data.view())?;
    /// let total = |model: &FactorModel| -> f64 { data.rows().into_iter().map(|x| model.log_evidence(x).unwrap()).sum() };
    /// assert!(total(&next) > total(&model));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless rows have length d; [`Error::CountOutOfRange`] for no rows;
    /// [`Error::OutOfRange`] if the data lie in a subspace that the model fits without noise.
    pub fn em_step(&self, data: ArrayView2<'_, f64>) -> Result<Self> {
        let (d, k, n) = (self.dims(), self.latents(), data.nrows());
        if n == 0 {
            return Err(Error::CountOutOfRange { name: "rows of data", value: 0, min: 1, max: usize::MAX });
        }
        let mut cross = DMatrix::zeros(d, k + 1);
        let mut second = DMatrix::zeros(k + 1, k + 1);
        let mut power = 0.0;
        for row in data.rows() {
            let posterior = self.posterior(row)?;
            let (mean, cov) = posterior.parts();
            let x = vector(row);
            let extended = mean.clone().push(1.0);
            cross += &x * extended.transpose();
            second += &extended * extended.transpose();
            let mut block = second.view_mut((0, 0), (k, k));
            block += cov;
            power += x.norm_squared();
        }
        let inverse = second.clone().try_inverse().ok_or(Error::NotPositiveDefinite { name: "second moment" })?;
        let fitted = &cross * inverse;
        let noise = (power - fitted.component_mul(&cross).sum()) / (n * d) as f64;
        if !(noise > 0.0 && noise.is_finite()) {
            return Err(Error::OutOfRange { name: "noise variance", value: noise, expected: "above 0" });
        }
        Ok(Self {
            loading: fitted.columns(0, k).into_owned(),
            offset: fitted.column(k).into_owned(),
            noise_var: noise,
        })
    }

    fn data(&self, x: ArrayView1<'_, f64>) -> Result<DVector<f64>> {
        if x.len() == self.dims() {
            return Ok(vector(x));
        }
        Err(Error::ShapeMismatch { name: "x", found: x.shape().to_vec(), expected: vec![self.dims()] })
    }

    fn latent(&self, z: ArrayView1<'_, f64>) -> Result<DVector<f64>> {
        if z.len() == self.latents() {
            return Ok(vector(z));
        }
        Err(Error::ShapeMismatch { name: "z", found: z.shape().to_vec(), expected: vec![self.latents()] })
    }

    fn matches(&self, q: &Gaussian) -> Result<()> {
        if q.dims() == self.latents() {
            return Ok(());
        }
        Err(Error::ShapeMismatch { name: "q", found: vec![q.dims()], expected: vec![self.latents()] })
    }
}

fn vector(x: ArrayView1<'_, f64>) -> DVector<f64> {
    DVector::from_iterator(x.len(), x.iter().copied())
}

/// `ln (1/k Σ exp w_i)`: the importance-weighted bound from k log weights `ln p(x, z_i)/q(z_i | x)`.
///
/// In expectation it rises with k from the ELBO (k = 1) to ln p(x). Source: Burda et al. 2015, arXiv:1509.00519v4,
/// eq. (8).
///
/// ```
/// use alphabar::vae::importance_weighted_bound;
/// use ndarray::array;
///
/// let bound = importance_weighted_bound(array![0.5f64.ln(), 1.5f64.ln()].view())?;
/// assert!(bound.abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::CountOutOfRange`] for no weights; [`Error::EntryOutOfRange`] for a weight that is NaN or +∞.
pub fn importance_weighted_bound(log_weights: ArrayView1<'_, f64>) -> Result<f64> {
    if log_weights.is_empty() {
        return Err(Error::CountOutOfRange { name: "log weights", value: 0, min: 1, max: usize::MAX });
    }
    let bad = |w: f64| w.is_nan() || w.is_infinite() && w > 0.0;
    if let Some((index, &value)) = log_weights.iter().enumerate().find(|(_, w)| bad(**w)) {
        return Err(Error::EntryOutOfRange { name: "log weight", index, value, expected: "below +∞" });
    }
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return Ok(largest);
    }
    let mean = log_weights.iter().map(|w| (w - largest).exp()).sum::<f64>() / log_weights.len() as f64;
    Ok(largest + mean.ln())
}
