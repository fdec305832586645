//! How a network is told the time, and what it costs not to be told.

use ndarray::Array2;

use crate::error::{Error, Result};

/// What the exponents of the frequencies are divided by, for h = dim/2 frequencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divisor {
    /// h − 1, so that the last frequency is exactly 1/max_period (Ho et al.'s code; diffusers with
    /// `downscale_freq_shift: 1`).
    HalfMinusOne,
    /// h (Vaswani et al.; guided-diffusion; diffusers with `downscale_freq_shift: 0`).
    Half,
}

/// Which half of the vector holds the sines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Sines first (Ho et al.'s code; diffusers with `flip_sin_to_cos: false`).
    SinCos,
    /// Cosines first (guided-diffusion; diffusers with `flip_sin_to_cos: true`).
    CosSin,
}

/// The sinusoidal embedding of a time.
///
/// ```text
/// ω_i = max_period^{−i/D}, i = 0 … h − 1, h = dim/2, D = h − 1 or h        PE(t) = (sin ω_i t, cos ω_i t)
/// ⟨PE(t), PE(t + k)⟩ = Σ_i cos ω_i k        ‖PE(t)‖² = h
/// ```
///
/// Source: Vaswani et al. 2017, arXiv:1706.03762v7, sect. 3.5 (there sines and cosines alternate); Ho et al. 2020,
/// arXiv:2006.11239v2, appendix B.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sinusoidal {
    dim: usize,
    max_period: f64,
    divisor: Divisor,
    layout: Layout,
}

impl Sinusoidal {
    /// Ho et al.'s: `max_period` 10⁴, divisor h − 1, sines first.
    ///
    /// ```
    /// use alphabar::embedding::Sinusoidal;
    ///
    /// assert_eq!(Sinusoidal::new(128)?.embed(0.0)[64..], [1.0; 64]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sinusoidal::with`].
    pub const fn new(dim: usize) -> Result<Self> {
        Self::with(dim, 1e4, Divisor::HalfMinusOne, Layout::SinCos)
    }

    /// Any convention.
    ///
    /// ```
    /// use alphabar::embedding::{Divisor, Layout, Sinusoidal};
    ///
    /// let form = Sinusoidal::with(128, 1e4, Divisor::Half, Layout::CosSin)?;
    /// assert_eq!(form.embed(0.0)[..64], [1.0; 64]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] if `dim` is odd (the value found) or below 4; [`Error::OutOfRange`] unless
    /// `max_period` is above 1 and finite.
    pub const fn with(dim: usize, max_period: f64, divisor: Divisor, layout: Layout) -> Result<Self> {
        if dim < 4 || dim % 2 == 1 {
            return Err(Error::CountOutOfRange { name: "even dimension", value: dim, min: 4, max: usize::MAX - 1 });
        }
        if !(max_period > 1.0 && max_period < f64::INFINITY) {
            let expected = "above 1 and finite";
            return Err(Error::OutOfRange { name: "max_period", value: max_period, expected });
        }
        Ok(Self { dim, max_period, divisor, layout })
    }

    /// Length of the vector.
    ///
    /// ```
    /// use alphabar::embedding::Sinusoidal;
    ///
    /// assert_eq!(Sinusoidal::new(128)?.dim(), 128);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub const fn dim(&self) -> usize {
        self.dim
    }

    /// ω_i, decreasing from 1.
    ///
    /// ```
    /// use alphabar::embedding::Sinusoidal;
    ///
    /// assert_eq!(Sinusoidal::new(128)?.frequencies()[0], 1.0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn frequencies(&self) -> Vec<f64> {
        let half = self.dim / 2;
        let divisor = match self.divisor {
            Divisor::HalfMinusOne => half - 1,
            Divisor::Half => half,
        };
        let rate = -self.max_period.ln() / divisor as f64;
        (0..half).map(|i| (rate * i as f64).exp()).collect()
    }

    /// The vector of one time, in whatever unit the network counts.
    ///
    /// ```
    /// use alphabar::embedding::Sinusoidal;
    ///
    /// let code = Sinusoidal::new(128)?.embed(500.0);
    /// assert!((code.iter().map(|x| x * x).sum::<f64>() - 64.0).abs() < 1e-12);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn embed(&self, time: f64) -> Vec<f64> {
        let angles = self.frequencies().into_iter().map(|frequency| frequency * time);
        let (sin, cos): (Vec<f64>, Vec<f64>) = angles.map(f64::sin_cos).unzip();
        match self.layout {
            Layout::SinCos => [sin, cos].concat(),
            Layout::CosSin => [cos, sin].concat(),
        }
    }

    /// One row per time.
    ///
    /// ```
    /// use alphabar::embedding::Sinusoidal;
    ///
    /// let form = Sinusoidal::new(128)?;
    /// assert_eq!(form.embed_all(&[1.0, 2.0]).row(1).to_vec(), form.embed(2.0));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn embed_all(&self, times: &[f64]) -> Array2<f64> {
        let rows: Vec<Vec<f64>> = times.iter().map(|&time| self.embed(time)).collect();
        Array2::from_shape_fn((times.len(), self.dim), |(row, column)| rows[row][column])
    }
}

/// What a network can do at one input when it is not told the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeBlind {
    /// The best single answer: the mean of the time-aware ones, weighted by how likely each time is.
    pub answer: f64,
    /// What it costs on top of the time-aware optimum: their variance.
    pub penalty: f64,
}

/// The best time-blind answer at an input x, from the time-aware optima there.
///
/// ```text
/// w_t ∝ q_t(x)        answer = Σ w_t ε*_t(x)        penalty = Σ w_t (ε*_t(x) − answer)² ≥ 0
/// ```
///
/// Source: orthogonality of conditional expectations. On the reference mixture the mean
/// penalty is 0.157548.
///
/// ```
/// use alphabar::embedding::time_blind;
///
/// let blind = time_blind(&[1.0, 1.0], &[0.0, 2.0])?;
/// assert_eq!((blind.answer, blind.penalty), (1.0, 1.0));
/// # Ok::<(), alphabar::Error>(())
/// ```
///
/// # Errors
/// [`Error::CountOutOfRange`] if the lists are empty or of different lengths; [`Error::EntryOutOfRange`] if a density
/// is negative or not finite, or all are 0.
pub fn time_blind(densities: &[f64], answers: &[f64]) -> Result<TimeBlind> {
    let (value, count) = (answers.len(), densities.len());
    if value == 0 || value != count {
        let (min, max) = (count.max(1), count.max(1));
        return Err(Error::CountOutOfRange { name: "answers, one per time", value, min, max });
    }
    let expected = "finite and ≥ 0, not all 0";
    if let Some(index) = densities.iter().position(|d| !(*d >= 0.0 && d.is_finite())) {
        return Err(Error::EntryOutOfRange { name: "density", index, value: densities[index], expected });
    }
    let total: f64 = densities.iter().sum();
    if total <= 0.0 {
        return Err(Error::EntryOutOfRange { name: "density", index: 0, value: densities[0], expected });
    }
    let mean = |f: &dyn Fn(f64) -> f64| densities.iter().zip(answers).map(|(d, &a)| d * f(a)).sum::<f64>() / total;
    let answer = mean(&|a| a);
    Ok(TimeBlind { answer, penalty: mean(&|a| (a - answer) * (a - answer)) })
}
