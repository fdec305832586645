//! Joint Gaussian laws built one linear step at a time, and conditioned without any formula of diffusion.

use nalgebra::{DMatrix, DVector};
use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

use super::conditional::Conditional;
use super::gaussian1::Gaussian1;
use super::numeric::{
    LN_2PI, check_finite, check_len, check_symmetric, from_matrix, from_vector, semidefinite_eigen, solve,
    solve_transposed, to_matrix, to_vector,
};
use crate::error::{Error, Result};

/// Most variables one joint law may have.
pub const MAX_VARIABLES: usize = 2048;

/// A Gaussian law over several scalar variables, held as `x = μ + F z` with z standard normal (covariance `F Fᵀ`).
///
/// Variables are added by [`JointGaussian::append`], so a chain is written down exactly as it is defined. The square
/// root F is kept instead of the covariance: conditioning is then an orthogonal projection, which gives the Schur
/// complement `Σ_oo − Σ_og Σ_gg⁻¹ Σ_go` without the subtraction, and variables without noise of their own are no
/// special case.
#[derive(Clone, Debug, PartialEq)]
pub struct JointGaussian {
    pub(super) mean: DVector<f64>,
    pub(super) factor: DMatrix<f64>,
}

impl JointGaussian {
    /// N(mean, covariance); the covariance may be singular.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless `covariance` is n × n for n means; [`Error::EntryOutOfRange`] for a number that
    /// is not finite; [`Error::NotPositiveDefinite`] unless it is symmetric and positive semidefinite;
    /// [`Error::CountOutOfRange`] for no or more than [`MAX_VARIABLES`] variables.
    pub fn new(mean: &ArrayRef1<f64>, covariance: &ArrayRef2<f64>) -> Result<Self> {
        check_count(mean.len())?;
        check_finite("mean", mean)?;
        check_symmetric("covariance", covariance, mean.len())?;
        let (values, vectors) = semidefinite_eigen("covariance", to_matrix(covariance))?;
        Ok(Self { mean: to_vector(mean), factor: vectors * DMatrix::from_diagonal(&values.map(f64::sqrt)) })
    }

    /// One variable.
    #[must_use]
    pub fn single(law: Gaussian1) -> Self {
        Self { mean: DVector::from_element(1, law.mean()), factor: DMatrix::from_element(1, 1, law.std()) }
    }

    /// How many variables there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a joint law has at least one variable")]
    pub fn len(&self) -> usize {
        self.mean.len()
    }

    /// With one more variable, `y = Σ c_i x_i + offset + √noise_var · z`, z independent of everything before.
    ///
    /// `parents` are the pairs (i, c_i). The new variable has index [`JointGaussian::len`] of the old law.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for an index that does not exist or too many variables; [`Error::OutOfRange`] for a
    /// number that is not finite or a negative variance.
    pub fn append(&self, parents: &[(usize, f64)], offset: f64, noise_var: f64) -> Result<Self> {
        check_count(self.len() + 1)?;
        let own = Gaussian1::new(offset, noise_var)?;
        let (mean, mut row) = self.form(parents)?;
        let (rows, columns) = (self.len(), self.factor.ncols());
        let mut grown = Self {
            mean: self.mean.clone().insert_row(rows, mean + own.mean()),
            factor: self.factor.clone().insert_row(rows, 0.0).insert_column(columns, 0.0),
        };
        row = row.insert_row(columns, own.std());
        grown.factor.row_mut(rows).tr_copy_from(&row);
        Ok(grown)
    }

    /// The law of `matrix · x + shift + noise`, the noise of the given covariance and independent of x.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the shapes do not fit; otherwise as [`JointGaussian::new`].
    pub fn affine(&self, matrix: &ArrayRef2<f64>, shift: &ArrayRef1<f64>, noise: &ArrayRef2<f64>) -> Result<Self> {
        if matrix.dim() != (shift.len(), self.len()) {
            let expected = vec![shift.len(), self.len()];
            return Err(Error::ShapeMismatch { name: "matrix", found: matrix.shape().to_vec(), expected });
        }
        check_finite("matrix", matrix)?;
        let noise = Self::new(shift, noise)?;
        let carried = to_matrix(matrix);
        let left = &carried * &self.factor;
        let mut factor = DMatrix::zeros(left.nrows(), left.ncols() + noise.factor.ncols());
        factor.columns_mut(0, left.ncols()).copy_from(&left);
        factor.columns_mut(left.ncols(), noise.factor.ncols()).copy_from(&noise.factor);
        Ok(Self { mean: carried * &self.mean + noise.mean, factor: triangular(&factor) })
    }

    /// The means, shape (n).
    #[must_use]
    pub fn mean(&self) -> Array1<f64> {
        from_vector(&self.mean)
    }

    /// The covariance, shape (n, n).
    #[must_use]
    pub fn covariance(&self) -> Array2<f64> {
        from_matrix(&(&self.factor * self.factor.transpose()))
    }

    /// The law of one variable.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] if there is no such variable.
    pub fn law_of(&self, variable: usize) -> Result<Gaussian1> {
        self.law_of_form(&[(variable, 1.0)], 0.0)
    }

    /// The law of `Σ c_i x_i + offset`, given the pairs (i, c_i).
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for an index that does not exist.
    pub fn law_of_form(&self, form: &[(usize, f64)], offset: f64) -> Result<Gaussian1> {
        let (mean, row) = self.form(form)?;
        Gaussian1::new(mean + offset, row.norm_squared())
    }

    /// The law of the listed variables, in the listed order.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for an empty list or an index that does not exist.
    pub fn marginal(&self, variables: &[usize]) -> Result<Self> {
        check_count(variables.len())?;
        self.check_indices(variables)?;
        Ok(Self { mean: self.mean.select_rows(variables), factor: self.factor.select_rows(variables) })
    }

    /// The law of the variables `of` given the variables `given`, as a function of their values.
    ///
    /// ```text
    /// gain = Σ_og Σ_gg⁻¹        offset = μ_o − gain μ_g        covariance = Σ_oo − Σ_og Σ_gg⁻¹ Σ_go
    /// ```
    ///
    /// Computed from `F_gᵀ = Q R` as `gain = F_o Q R⁻ᵀ` and `covariance = H Hᵀ`, `H = F_o (I − Q Qᵀ)`.
    /// Accuracy: a few ε of the unconditional standard deviation, in the conditional *standard deviation*.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for an index that does not exist; [`Error::NotPositiveDefinite`] if the given
    /// variables determine one another.
    pub fn conditional(&self, of: &[usize], given: &[usize]) -> Result<Conditional> {
        let (of, given) = (self.marginal(of)?, self.marginal(given)?);
        let (q, r) = given.root("covariance of the given variables")?;
        let coordinates = &of.factor * &q;
        let gain = solve(&r, &coordinates.transpose())?.transpose();
        // Projecting twice removes what rounding leaves of the first projection.
        let once = &of.factor - &coordinates * q.transpose();
        let residual = &once - (&once * &q) * q.transpose();
        Ok(Conditional { offset: &of.mean - &gain * &given.mean, gain, factor: residual })
    }

    /// The law of all other variables, in their order, once the listed ones are known: pairs (index, value).
    ///
    /// # Errors
    /// As [`JointGaussian::conditional`].
    pub fn condition(&self, known: &[(usize, f64)]) -> Result<Self> {
        let (given, values): (Vec<usize>, Vec<f64>) = known.iter().copied().unzip();
        let rest: Vec<usize> = (0..self.len()).filter(|i| !given.contains(i)).collect();
        self.conditional(&rest, &given)?.at(&values)
    }

    /// `ln p(x)`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless x has an entry for every variable; [`Error::NotPositiveDefinite`] if the
    /// covariance is singular.
    pub fn log_pdf(&self, x: &ArrayRef1<f64>) -> Result<f64> {
        check_len("x", x, self.len())?;
        let (_, r) = self.root("covariance")?;
        let white = solve_transposed(&r, &DMatrix::from_columns(&[to_vector(x) - &self.mean]))?;
        Ok(-0.5 * (self.len() as f64 * LN_2PI + white.norm_squared()) - log_det(&r))
    }

    /// Differential entropy in nats.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] if the covariance is singular.
    pub fn entropy(&self) -> Result<f64> {
        let (_, r) = self.root("covariance")?;
        Ok(0.5 * self.len() as f64 * (LN_2PI + 1.0) + log_det(&r))
    }

    /// `KL(self ‖ other)` in nats.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for different numbers of variables; [`Error::NotPositiveDefinite`] if a covariance is
    /// singular.
    pub fn kl(&self, other: &Self) -> Result<f64> {
        check_len("mean", &other.mean(), self.len())?;
        let (_, own) = self.root("covariance of the first law")?;
        let (_, theirs) = other.root("covariance of the second law")?;
        let spread = solve_transposed(&theirs, &self.factor)?.norm_squared();
        let shift = solve_transposed(&theirs, &DMatrix::from_columns(&[&self.mean - &other.mean]))?.norm_squared();
        Ok(0.5 * (spread - self.len() as f64 + shift) + log_det(&theirs) - log_det(&own))
    }

    /// Mutual information in nats between two groups of variables.
    ///
    /// # Errors
    /// As [`JointGaussian::conditional`], also if the law of either group given the other is singular.
    pub fn mutual_information(&self, a: &[usize], b: &[usize]) -> Result<f64> {
        let left = self.conditional(a, b)?.law(&vec![0.0; b.len()])?;
        Ok(self.marginal(a)?.entropy()? - left.entropy()?)
    }

    /// `E (Σ c_i x_i + offset)²`, given the pairs (i, c_i).
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for an index that does not exist.
    pub fn expect_square(&self, form: &[(usize, f64)], offset: f64) -> Result<f64> {
        let law = self.law_of_form(form, offset)?;
        Ok(law.mean().mul_add(law.mean(), law.var()))
    }

    /// `E ln N(Σ c_i x_i + offset; 0, var)`, given the pairs (i, c_i).
    ///
    /// Every expected log density of a linear Gaussian model has this form: for p(y | x) = N(y; A x + B, V) take
    /// the form y − A x, the offset −B and the variance V.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `var` is positive; [`Error::CountOutOfRange`] for an index that does not exist.
    pub fn expect_log_normal(&self, form: &[(usize, f64)], offset: f64, var: f64) -> Result<f64> {
        if !(var > 0.0 && var.is_finite()) {
            return Err(Error::OutOfRange { name: "variance", value: var, expected: "a finite number > 0" });
        }
        Ok(-0.5 * (LN_2PI + var.ln() + self.expect_square(form, offset)? / var))
    }

    /// `E [xᵀ M x + lᵀ x + c]` = `tr(M Σ) + μᵀ M μ + lᵀ μ + c`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if M or l does not fit.
    pub fn expect_quadratic(&self, matrix: &ArrayRef2<f64>, linear: &ArrayRef1<f64>, constant: f64) -> Result<f64> {
        check_len("linear", linear, self.len())?;
        if matrix.dim() != (self.len(), self.len()) {
            let expected = vec![self.len(), self.len()];
            return Err(Error::ShapeMismatch { name: "matrix", found: matrix.shape().to_vec(), expected });
        }
        let matrix = to_matrix(matrix);
        let spread = (&matrix * &self.factor).component_mul(&self.factor).sum();
        Ok(spread + self.mean.dot(&(&matrix * &self.mean)) + to_vector(linear).dot(&self.mean) + constant)
    }

    /// A draw, given a supply of standard normals.
    pub fn sample(&self, mut normal: impl FnMut() -> f64) -> Array1<f64> {
        let z = DVector::from_fn(self.factor.ncols(), |_, _| normal());
        from_vector(&(&self.mean + &self.factor * z))
    }

    /// Mean of a linear form and its row of coefficients on z.
    fn form(&self, form: &[(usize, f64)]) -> Result<(f64, DVector<f64>)> {
        let mut mean = 0.0;
        let mut row = DVector::zeros(self.factor.ncols());
        for &(index, coefficient) in form {
            self.check_indices(&[index])?;
            check_finite("coefficient", [&coefficient])?;
            mean = coefficient.mul_add(self.mean[index], mean);
            row += coefficient * self.factor.row(index).transpose();
        }
        Ok((mean, row))
    }

    /// `Fᵀ = Q R`, an error if the covariance `RᵀR` is singular.
    pub(super) fn root(&self, name: &'static str) -> Result<(DMatrix<f64>, DMatrix<f64>)> {
        if self.factor.ncols() < self.len() {
            return Err(Error::NotPositiveDefinite { name });
        }
        let (q, r) = self.factor.transpose().qr().unpack();
        let floor = 8.0 * f64::EPSILON * self.factor.ncols() as f64;
        let regular = (0..self.len()).all(|i| r[(i, i)].abs() > floor * self.factor.row(i).norm());
        if regular { Ok((q, r)) } else { Err(Error::NotPositiveDefinite { name }) }
    }

    fn check_indices(&self, variables: &[usize]) -> Result<()> {
        match variables.iter().find(|&&i| i >= self.len()) {
            None => Ok(()),
            Some(&value) => Err(Error::CountOutOfRange { name: "variable", value, min: 0, max: self.len() - 1 }),
        }
    }
}

const fn check_count(count: usize) -> Result<()> {
    if count == 0 || count > MAX_VARIABLES {
        return Err(Error::CountOutOfRange { name: "variables", value: count, min: 1, max: MAX_VARIABLES });
    }
    Ok(())
}

/// A factor with the same `F Fᵀ` and no more columns than rows.
fn triangular(factor: &DMatrix<f64>) -> DMatrix<f64> {
    if factor.ncols() <= factor.nrows() {
        return factor.clone();
    }
    factor.transpose().qr().r().transpose()
}

/// ½ ln det RᵀR.
fn log_det(r: &DMatrix<f64>) -> f64 {
    r.diagonal().iter().map(|x| x.abs().ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn close(got: f64, want: f64, tol: f64) {
        assert!((got - want).abs() <= tol * (1.0 + want.abs()), "{got:e} is not {want:e}");
    }

    fn three() -> JointGaussian {
        let mean = array![0.4, -0.2, 1.0];
        let covariance = array![[1.0, 0.3, -0.2], [0.3, 0.8, 0.25], [-0.2, 0.25, 0.6]];
        JointGaussian::new(&mean, &covariance).expect("positive definite")
    }

    /// Against the textbook Schur complement, formed with an explicit 2 × 2 inverse.
    #[test]
    fn conditioning_equals_the_schur_complement() {
        let joint = three();
        let c = joint.covariance();
        let conditional = joint.conditional(&[1], &[0, 2]).expect("regular");
        let det = c[[0, 0]] * c[[2, 2]] - c[[0, 2]] * c[[0, 2]];
        let g0 = (c[[1, 0]] * c[[2, 2]] - c[[1, 2]] * c[[0, 2]]) / det;
        let g2 = (c[[1, 2]] * c[[0, 0]] - c[[1, 0]] * c[[0, 2]]) / det;
        close(conditional.gain()[[0, 0]], g0, 1e-14);
        close(conditional.gain()[[0, 1]], g2, 1e-14);
        close(conditional.offset()[0], -0.2 - g0 * 0.4 - g2, 1e-14);
        close(conditional.covariance()[[0, 0]], c[[1, 1]] - g0 * c[[0, 1]] - g2 * c[[2, 1]], 1e-14);
        let law = joint.condition(&[(2, 0.5), (0, 0.1)]).expect("regular").law_of(0).expect("one left");
        close(law.mean(), -0.2 + g0 * (0.1 - 0.4) + g2 * (0.5 - 1.0), 1e-14);
    }

    /// p(x) = p(x_1) p(x_2 | x_1) p(x_3 | x_1, x_2).
    #[test]
    fn density_is_the_product_of_conditionals() {
        let joint = three();
        let x = array![0.1, 0.7, -0.4];
        let first = joint.law_of(0).expect("exists").log_pdf(x[0]);
        let second =
            joint.conditional(&[1], &[0]).and_then(|c| c.at(&[x[0]])).and_then(|l| l.law_of(0)).expect("regular");
        let third = joint.condition(&[(0, x[0]), (1, x[1])]).and_then(|l| l.law_of(0)).expect("regular");
        close(joint.log_pdf(&x).expect("regular"), first + second.log_pdf(x[1]) + third.log_pdf(x[2]), 1e-14);
        close(
            joint.entropy().expect("regular"),
            joint.law_of(0).expect("exists").entropy() + second.entropy() + third.entropy(),
            1e-14,
        );
    }

    /// A conditional standard deviation of 1e-6 beside unit variances keeps ten digits, where a subtraction of
    /// covariances would leave four.
    #[test]
    fn small_conditional_variances_keep_their_digits() {
        let joint = JointGaussian::single(Gaussian1::STANDARD).append(&[(0, 0.9)], 0.0, 1e-12).expect("valid");
        let var = joint.conditional(&[1], &[0]).expect("regular").covariance()[[0, 0]];
        assert!((var - 1e-12).abs() < 1e-22, "{var:e}");
    }

    #[test]
    fn divergence_equals_the_expected_log_ratio() {
        let (p, q) = (
            three(),
            three()
                .affine(
                    &array![[1.1, 0.0, 0.2], [0.0, 0.9, 0.0], [0.1, 0.3, 1.0]],
                    &array![0.1, 0.0, -0.2],
                    &array![[0.1, 0.02, 0.0], [0.02, 0.2, 0.0], [0.0, 0.0, 0.0]],
                )
                .expect("valid"),
        );
        // E_p ln q, with the precision of q as the quadratic form.
        let precision = to_matrix(&q.covariance()).try_inverse().expect("regular");
        let form = from_matrix(&(-0.5 * &precision));
        let linear = from_vector(&(&precision * to_vector(&q.mean())));
        let at_zero = q.log_pdf(&array![0.0, 0.0, 0.0]).expect("regular");
        let cross = p.expect_quadratic(&form, &linear, at_zero).expect("fits");
        close(p.kl(&q).expect("regular"), -p.entropy().expect("regular") - cross, 1e-13);
        close(p.kl(&p).expect("regular"), 0.0, 1e-14);
    }

    #[test]
    fn conditional_divergence_obeys_the_chain_rule() {
        let p = three();
        let q =
            JointGaussian::new(&array![0.0, 0.1, 0.5], &array![[0.7, -0.1, 0.0], [-0.1, 0.9, 0.1], [0.0, 0.1, 1.1]])
                .expect("valid");
        let (cp, cq) =
            (p.conditional(&[1, 2], &[0]).expect("regular"), q.conditional(&[1, 2], &[0]).expect("regular"));
        let given = p.marginal(&[0]).expect("exists");
        let chain = given.kl(&q.marginal(&[0]).expect("exists")).expect("regular")
            + cp.expected_kl(&cq, &given).expect("fits");
        close(p.kl(&q).expect("regular"), chain, 1e-13);
        let rho_squared = 0.3_f64 * 0.3 / 0.8;
        close(p.mutual_information(&[0], &[1]).expect("regular"), -0.5 * (1.0 - rho_squared).ln(), 1e-14);
    }

    #[test]
    fn expected_log_normal_equals_entropy_of_its_own_step() {
        let joint = JointGaussian::single(Gaussian1::new(0.3, 2.0).expect("valid"))
            .append(&[(0, 0.7)], 0.1, 0.4)
            .expect("valid");
        let got = joint.expect_log_normal(&[(1, 1.0), (0, -0.7)], -0.1, 0.4).expect("valid");
        close(got, -Gaussian1::new(0.0, 0.4).expect("valid").entropy(), 1e-15);
        close(joint.expect_square(&[(0, 1.0)], 0.0).expect("valid"), 2.09, 1e-15);
    }

    #[test]
    fn sampling_maps_standard_normals_by_the_factor() {
        let joint = JointGaussian::single(Gaussian1::STANDARD).append(&[(0, 0.5)], 1.0, 0.25).expect("valid");
        let mut supply = [2.0, -1.0].into_iter();
        let x = joint.sample(|| supply.next().expect("two draws"));
        close(x[0], 2.0, 1e-15);
        close(x[1], 0.5 * 2.0 + 1.0 - 0.5, 1e-15);
    }

    #[test]
    fn bad_input_is_an_error() {
        let joint = three();
        assert!(matches!(joint.marginal(&[]), Err(Error::CountOutOfRange { .. })));
        assert!(matches!(joint.marginal(&[3]), Err(Error::CountOutOfRange { name: "variable", value: 3, .. })));
        assert!(joint.append(&[(7, 1.0)], 0.0, 1.0).is_err());
        assert!(joint.append(&[(0, f64::NAN)], 0.0, 1.0).is_err());
        assert!(matches!(joint.append(&[(0, 1.0)], 0.0, -1.0), Err(Error::OutOfRange { .. })));
        let copy = joint.append(&[(0, 1.0)], 0.0, 0.0).expect("valid");
        assert!(matches!(copy.conditional(&[1], &[0, 3]), Err(Error::NotPositiveDefinite { .. })));
        assert!(matches!(copy.entropy(), Err(Error::NotPositiveDefinite { .. })));
        assert!(matches!(joint.log_pdf(&array![0.0]), Err(Error::ShapeMismatch { .. })));
        assert!(joint.conditional(&[0], &[1]).expect("regular").at(&[f64::NAN]).is_err());
        assert!(joint.conditional(&[0], &[1]).expect("regular").at(&[0.0, 0.0]).is_err());
        assert!(joint.expect_log_normal(&[(0, 1.0)], 0.0, 0.0).is_err());
    }
}
