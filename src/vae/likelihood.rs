//! Maximum likelihood: what training maximises, and the negative that it minimises.

use ndarray::ArrayView1;

use crate::error::{Error, Result};
use crate::gaussian;
use crate::posterior::Moments;

/// The Gaussian that maximises the likelihood of the data: their mean and their variance with divisor n.
///
/// Source: Bishop 2006, "Pattern recognition and machine learning", eqs. (1.55), (1.56).
///
/// ```
/// use alphabar::vae::gaussian_mle;
/// use ndarray::array;
///
/// let fit = gaussian_mle(array![1.0, 3.0].view())?;
/// assert_eq!((fit.mean, fit.var), (2.0, 1.0));
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::CountOutOfRange`] for fewer than two numbers; [`Error::EntryOutOfRange`] for one that is not finite;
/// [`Error::OutOfRange`] if all are equal, since the likelihood then has no maximum.
pub fn gaussian_mle(data: ArrayView1<'_, f64>) -> Result<Moments> {
    checked(data, 2)?;
    let n = data.len() as f64;
    let mean = data.sum() / n;
    let var = data.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    if var <= 0.0 {
        return Err(Error::OutOfRange { name: "variance of the data", value: var, expected: "above 0" });
    }
    Ok(Moments { mean, var })
}

/// `l(θ) = 1/n Σ ln N(x_i; mean, var)`, to be maximised.
///
/// Source: Bishop 2006, eq. (1.54), divided by n.
///
/// ```
/// use alphabar::{posterior::Moments, vae::mean_log_likelihood};
/// use ndarray::array;
///
/// let standard = Moments { mean: 0.0, var: 1.0 };
/// let l = mean_log_likelihood(array![1.0, -1.0].view(), standard)?;
/// assert!((l + 1.418_938_533_204_672_8).abs() < 1e-15);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::CountOutOfRange`] for no data; [`Error::EntryOutOfRange`] for a number that is not finite.
pub fn mean_log_likelihood(data: ArrayView1<'_, f64>, model: Moments) -> Result<f64> {
    checked(data, 1)?;
    Ok(data.iter().map(|&x| gaussian::log_density(model, x)).sum::<f64>() / data.len() as f64)
}

/// `−l(θ)`, to be minimised: it has no maximum.
///
/// Source: Bishop 2006, eq. (1.54), negated and divided by n.
///
/// ```
/// use alphabar::{posterior::Moments, vae::negative_log_likelihood};
/// use ndarray::array;
///
/// let at = |mean: f64| negative_log_likelihood(array![1.0, -1.0].view(), Moments { mean, var: 1.0 });
/// assert!(at(0.0)? < at(0.1)?);
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// As [`mean_log_likelihood`].
pub fn negative_log_likelihood(data: ArrayView1<'_, f64>, model: Moments) -> Result<f64> {
    mean_log_likelihood(data, model).map(|l| -l)
}

/// `−E ln N(x; model)` for data of which only mean and variance matter.
///
/// ```text
/// −E ln p = ½ ln 2πv + (Var x + (E x − m)²)/(2v) = H(data) + KL(data ‖ p)
/// ```
///
/// Entropy does not depend on the model: what lowers the cross-entropy brings the model nearer to the data.
/// Source: Cover & Thomas 2006, "Elements of information theory", theorem 5.4.3.
///
/// ```
/// use alphabar::{posterior::Moments, vae::cross_entropy};
///
/// let standard = Moments { mean: 0.0, var: 1.0 };
/// assert!((cross_entropy(standard, standard) - 1.418_938_533_204_672_8).abs() < 1e-15);
/// ```
#[must_use]
pub fn cross_entropy(data: Moments, model: Moments) -> f64 {
    -gaussian::log_density(model, data.mean) + 0.5 * data.var / model.var
}

fn checked(data: ArrayView1<'_, f64>, min: usize) -> Result<()> {
    if data.len() < min {
        return Err(Error::CountOutOfRange { name: "data", value: data.len(), min, max: usize::MAX });
    }
    match data.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        Some((index, &value)) => {
            Err(Error::EntryOutOfRange { name: "data", index, value, expected: "a finite number" })
        }
        None => Ok(()),
    }
}
