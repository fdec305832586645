//! Gaussian data in any dimension: one scalar world for each principal axis.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

use super::gaussian1::Gaussian1;
use super::noising::Noising;
use super::numeric::{LN_2PI, check_finite, check_len, check_symmetric, semidefinite_eigen, to_matrix};
use crate::error::{Error, Result};

/// N(m, S) in d dimensions; S may be singular.
///
/// Isotropic noise leaves the principal axes of S alone, so with `S = U diag(s) Uᵀ` every question about
/// `x_t = a x_0 + σ ε` falls apart into d scalar ones, answered by [`Gaussian1`] on each axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    mean: Array1<f64>,
    /// Variances along the axes.
    axes_var: Array1<f64>,
    /// Columns are the axes; `None` when they are those of the coordinates.
    axes: Option<Array2<f64>>,
}

impl Gaussian {
    /// N(mean, covariance).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless `covariance` is d × d for d means; [`Error::EntryOutOfRange`] for a number that
    /// is not finite; [`Error::NotPositiveDefinite`] unless it is symmetric and positive semidefinite;
    /// [`Error::CountOutOfRange`] for d = 0.
    pub fn new(mean: &ArrayRef1<f64>, covariance: &ArrayRef2<f64>) -> Result<Self> {
        check_mean(mean)?;
        check_symmetric("covariance", covariance, mean.len())?;
        let (values, vectors) = semidefinite_eigen("covariance", to_matrix(covariance))?;
        let axes = super::numeric::from_matrix(&vectors);
        Ok(Self { mean: mean.to_owned(), axes_var: super::numeric::from_vector(&values), axes: Some(axes) })
    }

    /// Independent coordinates with the given variances.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for different lengths; [`Error::EntryOutOfRange`] for a variance that is negative or
    /// a number that is not finite; [`Error::CountOutOfRange`] for d = 0.
    pub fn diagonal(mean: &ArrayRef1<f64>, variances: &ArrayRef1<f64>) -> Result<Self> {
        check_mean(mean)?;
        check_len("variances", variances, mean.len())?;
        for (index, &value) in variances.iter().enumerate() {
            if !(value.is_finite() && value >= 0.0) {
                let expected = "a finite number ≥ 0";
                return Err(Error::EntryOutOfRange { name: "variance", index, value, expected });
            }
        }
        Ok(Self { mean: mean.to_owned(), axes_var: variances.to_owned(), axes: None })
    }

    /// The same variance in every direction.
    ///
    /// # Errors
    /// As [`Gaussian::diagonal`].
    pub fn isotropic(mean: &ArrayRef1<f64>, var: f64) -> Result<Self> {
        Self::diagonal(mean, &Array1::from_elem(mean.len(), var))
    }

    /// d.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// m, shape (d).
    #[must_use]
    pub const fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// S, shape (d, d).
    #[must_use]
    pub fn covariance(&self) -> Array2<f64> {
        self.matrix(|var| var)
    }

    /// The variances along the principal axes, shape (d).
    #[must_use]
    pub const fn axes_var(&self) -> &Array1<f64> {
        &self.axes_var
    }

    /// `ln N(x; m, S)`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless x has shape (d); [`Error::NotPositiveDefinite`] if S is singular.
    pub fn log_pdf(&self, x: &ArrayRef1<f64>) -> Result<f64> {
        let along = self.along_axes(x)?;
        self.check_regular()?;
        let quadratic: f64 = along.iter().zip(&self.axes_var).map(|(u, var)| u * u / var).sum();
        Ok(-0.5 * (self.dim() as f64 * LN_2PI + self.axes_var.iter().map(|v| v.ln()).sum::<f64>() + quadratic))
    }

    /// `∇ ln p(x) = −S⁻¹(x − m)`, shape (d).
    ///
    /// # Errors
    /// As [`Gaussian::log_pdf`].
    pub fn score(&self, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        self.check_regular()?;
        self.gained(x, |var| -1.0 / var)
    }

    /// `S⁻¹`, shape (d, d): minus the Hessian of ln p.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] if S is singular.
    pub fn precision(&self) -> Result<Array2<f64>> {
        self.check_regular()?;
        Ok(self.matrix(|var| 1.0 / var))
    }

    /// Differential entropy in nats; −∞ if S is singular.
    #[must_use]
    pub fn entropy(&self) -> f64 {
        self.axes_var.iter().map(|&var| Gaussian1::raw(0.0, var).entropy()).sum()
    }

    /// The law of `a x_0 + σ ε`: N(a m, a² S + σ² I).
    #[must_use]
    pub fn noised(&self, level: Noising) -> Self {
        Self {
            mean: &self.mean * level.signal(),
            axes_var: self.axes_var.mapv(|var| Gaussian1::raw(0.0, var).noised(level).var()),
            axes: self.axes.clone(),
        }
    }

    /// q(x_0 | x_t): its mean is the optimal denoiser, its covariance Cov[x_0 | x_t].
    ///
    /// ```text
    /// E = m + a S (a² S + σ² I)⁻¹ (x_t − a m)        Cov = σ² S (a² S + σ² I)⁻¹
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless `xt` has shape (d).
    pub fn x0_given_xt(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Self> {
        let axes_var = self.axes_var.mapv(|var| Gaussian1::raw(0.0, var).mmse(level));
        Ok(Self { mean: self.x0_hat(level, xt)?, axes_var, axes: self.axes.clone() })
    }

    /// q(x_s | x_t) with x_0 integrated out; `s` is the level of x_s and `step` the channel q(x_t | x_s).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless `xt` has shape (d).
    pub fn xs_given_xt(&self, s: Noising, step: Noising, xt: &ArrayRef1<f64>) -> Result<Self> {
        self.noised(s).x0_given_xt(step, xt)
    }

    /// E[x_0 | x_t], shape (d).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless `xt` has shape (d).
    pub fn x0_hat(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        let along = self.noised(level).along_axes(xt)?;
        let gained =
            Array1::from_shape_fn(self.dim(), |i| Gaussian1::raw(0.0, self.axes_var[i]).x0_hat(level, along[i]));
        Ok(&self.mean + self.rotate_back(gained))
    }

    /// E[ε | x_t] = `σ (a² S + σ² I)⁻¹ (x_t − a m)`, shape (d).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless `xt` has shape (d).
    pub fn eps_hat(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        let along = self.noised(level).along_axes(xt)?;
        let gained =
            Array1::from_shape_fn(self.dim(), |i| Gaussian1::raw(0.0, self.axes_var[i]).eps_hat(level, along[i]));
        Ok(self.rotate_back(gained))
    }

    /// E[a ε − σ x_0 | x_t], shape (d).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless `xt` has shape (d).
    pub fn v_hat(&self, level: Noising, xt: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        Ok(self.eps_hat(level, xt)? * level.signal() - self.x0_hat(level, xt)? * level.noise_std())
    }

    /// `E ‖x_0 − E[x_0 | x_t]‖²`, summed over coordinates.
    #[must_use]
    pub fn mmse(&self, level: Noising) -> f64 {
        self.axes_var.iter().map(|&var| Gaussian1::raw(0.0, var).mmse(level)).sum()
    }

    /// Where the probability-flow ODE carries `x` from one level to another, shape (d).
    ///
    /// ```text
    /// x_s = a_s m + Σ_s^{½} Σ_t^{−½} (x_t − a_t m)        Σ = a² S + σ² I
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless x has shape (d).
    pub fn flow(&self, from: Noising, to: Noising, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        let along = self.noised(from).along_axes(x)?;
        let carried =
            Array1::from_shape_fn(self.dim(), |i| Gaussian1::raw(0.0, self.axes_var[i]).flow(from, to, along[i]));
        Ok(&self.mean * to.signal() + self.rotate_back(carried))
    }

    /// A draw, given a supply of standard normals (one for each axis).
    pub fn sample(&self, mut normal: impl FnMut() -> f64) -> Array1<f64> {
        let z = self.axes_var.mapv(|var| var.sqrt() * normal());
        &self.mean + self.rotate_back(z)
    }

    /// `U diag(f(s)) Uᵀ`.
    fn matrix(&self, f: impl Fn(f64) -> f64) -> Array2<f64> {
        let diagonal = Array2::from_diag(&self.axes_var.mapv(f));
        match &self.axes {
            None => diagonal,
            Some(axes) => axes.dot(&diagonal).dot(&axes.t()),
        }
    }

    /// `U diag(f(s)) Uᵀ (x − m)`.
    fn gained(&self, x: &ArrayRef1<f64>, f: impl Fn(f64) -> f64) -> Result<Array1<f64>> {
        Ok(self.rotate_back(self.along_axes(x)? * self.axes_var.mapv(f)))
    }

    /// `Uᵀ (x − m)`.
    fn along_axes(&self, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        check_len("x", x, self.dim())?;
        let deviation = x.to_owned() - &self.mean;
        Ok(self.rotate(&deviation))
    }

    fn rotate(&self, deviation: &Array1<f64>) -> Array1<f64> {
        self.axes.as_ref().map_or_else(|| deviation.clone(), |axes| axes.t().dot(deviation))
    }

    fn rotate_back(&self, along: Array1<f64>) -> Array1<f64> {
        match &self.axes {
            None => along,
            Some(axes) => axes.dot(&along),
        }
    }

    fn check_regular(&self) -> Result<()> {
        if self.axes_var.iter().all(|&var| var > 0.0) {
            return Ok(());
        }
        Err(Error::NotPositiveDefinite { name: "covariance" })
    }
}

fn check_mean(mean: &ArrayRef1<f64>) -> Result<()> {
    if mean.is_empty() {
        return Err(Error::CountOutOfRange { name: "dimensions", value: 0, min: 1, max: usize::MAX });
    }
    check_finite("mean", mean)
}

#[cfg(test)]
mod tests {
    use super::super::joint::JointGaussian;
    use super::*;
    use ndarray::array;

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol * (1.0 + want.abs()), "{got:e} is not {want:e}");
    }

    fn close_all<'a>(got: impl IntoIterator<Item = &'a f64>, want: impl IntoIterator<Item = &'a f64>, tol: f64) {
        got.into_iter().zip(want).for_each(|(g, w)| close(*g, *w, tol));
    }

    fn world() -> Gaussian {
        Gaussian::new(&array![0.4, -0.3], &array![[0.7, 0.35], [0.35, 0.5]]).expect("positive definite")
    }

    /// Against conditioning the joint law of (x_0, ε, x_t) built from the definition of the channel.
    #[test]
    fn denoisers_equal_conditioning_of_the_joint_law() {
        let (data, level, xt) = (world(), Noising::new(0.8, 0.36).expect("valid"), array![1.1, 0.2]);
        let covariance = data.covariance();
        let prior = JointGaussian::new(data.mean(), &covariance).expect("valid");
        let mut joint = prior;
        for _ in 0..2 {
            joint = joint.append(&[], 0.0, 1.0).expect("valid");
        }
        for i in 0..2 {
            joint = joint.append(&[(i, 0.8), (2 + i, 0.6)], 0.0, 0.0).expect("valid");
        }
        let posterior = joint.condition(&[(4, xt[0]), (5, xt[1])]).expect("regular");
        let mean = posterior.mean();
        close_all(&data.x0_hat(level, &xt).expect("fits"), mean.iter().take(2), 1e-14);
        close_all(&data.eps_hat(level, &xt).expect("fits"), mean.iter().skip(2), 1e-14);
        let left = data.x0_given_xt(level, &xt).expect("fits");
        let want = posterior.marginal(&[0, 1]).expect("exists").covariance();
        close_all(&left.covariance(), &want, 1e-14);
        close_all(left.mean(), mean.iter().take(2), 1e-14);
        close(data.mmse(level), want[[0, 0]] + want[[1, 1]], 1e-14);
        let v: Vec<f64> = (0..2).map(|i| 0.8 * mean[2 + i] - 0.6 * mean[i]).collect();
        close_all(&data.v_hat(level, &xt).expect("fits"), &v, 1e-14);
        let noised = joint.marginal(&[4, 5]).expect("exists");
        close(data.noised(level).log_pdf(&xt).expect("regular"), noised.log_pdf(&xt).expect("regular"), 1e-14);
        close(data.noised(level).entropy(), noised.entropy().expect("regular"), 1e-14);
        close_all(&data.covariance(), &array![[0.7, 0.35], [0.35, 0.5]], 1e-15);
    }

    #[test]
    fn score_is_the_gradient_and_precision_its_slope() {
        let (data, x, h) = (world(), array![1.1, 0.2], 1e-5);
        let (score, precision) = (data.score(&x).expect("regular"), data.precision().expect("regular"));
        for i in 0..2 {
            let moved = |by: f64| {
                let mut y = x.clone();
                y[i] += by;
                y
            };
            let slope =
                (data.log_pdf(&moved(h)).expect("regular") - data.log_pdf(&moved(-h)).expect("regular")) / (2.0 * h);
            close(score[i], slope, 1e-9);
            let up = data.score(&moved(1.0)).expect("regular") - &score;
            (0..2).for_each(|j| close(up[j], -precision[[j, i]], 1e-13));
        }
    }

    #[test]
    fn diagonal_and_full_forms_agree() {
        let (level, xt) = (Noising::new(0.8, 0.36).expect("valid"), array![1.1, 0.2]);
        let step = Noising::new(0.5, 0.5).expect("valid");
        let diagonal = Gaussian::diagonal(&array![0.4, -0.3], &array![0.7, 0.0]).expect("valid");
        let full = Gaussian::new(&array![0.4, -0.3], &array![[0.7, 0.0], [0.0, 0.0]]).expect("valid");
        let on_axis = Gaussian1::new(0.4, 0.7).expect("valid");
        for law in [&diagonal, &full] {
            close(law.x0_hat(level, &xt).expect("fits")[0], on_axis.x0_hat(level, 1.1), 1e-15);
            close(law.x0_hat(level, &xt).expect("fits")[1], -0.3, 1e-15);
            close(
                law.flow(level, Noising::NONE, &xt).expect("fits")[0],
                on_axis.flow(level, Noising::NONE, 1.1),
                1e-15,
            );
            let earlier = law.xs_given_xt(level, step, &xt).expect("fits");
            close(earlier.covariance()[[0, 0]], on_axis.xs_given_xt(level, step, 1.1).var(), 1e-15);
            assert!(matches!(law.score(&xt), Err(Error::NotPositiveDefinite { .. })));
        }
    }

    /// Carrying the law itself along the flow must give the law at the other level.
    #[test]
    fn flow_carries_marginals_to_marginals() {
        let (data, from, to) =
            (world(), Noising::new(0.5, 0.75).expect("valid"), Noising::new(0.9, 0.19).expect("valid"));
        let origin = data.flow(from, to, &array![0.0, 0.0]).expect("fits");
        let columns = [array![1.0, 0.0], array![0.0, 1.0]].map(|e| data.flow(from, to, &e).expect("fits") - &origin);
        let map = Array2::from_shape_fn((2, 2), |(i, j)| columns[j][i]);
        let carried = map.dot(&data.noised(from).covariance()).dot(&map.t());
        close_all(&carried, &data.noised(to).covariance(), 1e-14);
        close_all(&(map.dot(data.noised(from).mean()) + origin), data.noised(to).mean(), 1e-14);
    }

    #[test]
    fn sampling_has_the_covariance_of_its_map() {
        let data = world();
        let columns = [[1.0, 0.0], [0.0, 1.0]].map(|z| {
            let mut supply = z.into_iter();
            data.sample(|| supply.next().expect("two draws")) - data.mean()
        });
        let map = Array2::from_shape_fn((2, 2), |(i, j)| columns[j][i]);
        close_all(&map.dot(&map.t()), &data.covariance(), 1e-15);
    }

    #[test]
    fn bad_input_is_an_error() {
        let mean = array![0.0, 0.0];
        assert!(matches!(Gaussian::isotropic(&mean, -1.0), Err(Error::EntryOutOfRange { .. })));
        assert!(matches!(Gaussian::diagonal(&mean, &array![1.0]), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(Gaussian::isotropic(&array![], 1.0), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(Gaussian::isotropic(&array![f64::NAN], 1.0), Err(Error::EntryOutOfRange { .. })));
        assert!(matches!(world().score(&array![0.0]), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(
            Gaussian::new(&mean, &array![[1.0, 2.0], [2.0, 1.0]]),
            Err(Error::NotPositiveDefinite { .. })
        ));
    }
}
