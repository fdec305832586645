//! The Markovian hierarchical autoencoder on the line: x = z₀ ← z₁ ← … ← z_T, every kernel linear-Gaussian.

use ndarray::ArrayView1;

use crate::error::{Error, Result};
use crate::gaussian::{kl, log_density};
use crate::posterior::Moments;
use crate::schedule::Schedule;

/// `y | x ~ N(slope·x + offset, var)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kernel {
    /// Factor of the state conditioned on.
    pub slope: f64,
    /// Added to it.
    pub offset: f64,
    /// Variance, above 0.
    pub var: f64,
}

impl Kernel {
    /// The law of y at one x.
    ///
    /// ```
    /// use alphabar::vae::Kernel;
    ///
    /// assert_eq!(Kernel { slope: 0.5, offset: 0.25, var: 0.2 }.at(2.0).mean, 1.25);
    /// ```
    #[must_use]
    pub fn at(&self, x: f64) -> Moments {
        Moments { mean: self.slope * x + self.offset, var: self.var }
    }

    /// The law of y when x has a law.
    ///
    /// ```
    /// use alphabar::{posterior::Moments, vae::Kernel};
    ///
    /// let law = Kernel { slope: 0.5, offset: 0.0, var: 0.75 }.push(Moments { mean: 0.0, var: 1.0 });
    /// assert_eq!(law.var, 1.0);
    /// ```
    #[must_use]
    pub fn push(&self, x: Moments) -> Moments {
        Moments { mean: self.at(x.mean).mean, var: self.slope * self.slope * x.var + self.var }
    }
}

/// Decoders `p(z_{t−1} | z_t)`, encoders `q(z_t | z_{t−1})` and the prior `p(z_T) = N(0, 1)`.
///
/// ```text
/// p(x, z_{1:T}) = p(z_T) p(x | z_1) Π_{t≥2} p(z_{t−1} | z_t)        q(z_{1:T} | x) = q(z_1 | x) Π_{t≥2} q(z_t | z_{t−1})
/// ```
///
/// Source: Luo 2022, arXiv:2208.11970v1, eqs. (23), (24). A diffusion model is the one whose encoder is fixed and
/// variance-preserving ([`Hierarchy::diffusion`]); with T = 1 it is a plain autoencoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Hierarchy {
    decoders: Vec<Kernel>,
    encoders: Vec<Kernel>,
}

impl Hierarchy {
    /// Kernel t − 1 of each list belongs to the pair (z_{t−1}, z_t).
    ///
    /// ```
    /// use alphabar::vae::{Hierarchy, Kernel};
    ///
    /// let kernel = Kernel { slope: 0.6, offset: 0.0, var: 0.64 };
    /// let model = Hierarchy::new(vec![kernel; 2], vec![kernel; 2])?;
    /// assert_eq!((model.depth(), model.decoders(), model.encoders()), (2, [kernel; 2].as_slice(), [kernel; 2].as_slice()));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] for no kernels; [`Error::ShapeMismatch`] if the lists differ in length;
    /// [`Error::EntryOutOfRange`] for a variance that is not above 0 or a number that is not finite.
    pub fn new(decoders: Vec<Kernel>, encoders: Vec<Kernel>) -> Result<Self> {
        if decoders.is_empty() {
            return Err(Error::CountOutOfRange { name: "kernels", value: 0, min: 1, max: usize::MAX });
        }
        if decoders.len() != encoders.len() {
            let (found, expected) = (vec![encoders.len()], vec![decoders.len()]);
            return Err(Error::ShapeMismatch { name: "encoders", found, expected });
        }
        for (index, kernel) in decoders.iter().chain(&encoders).enumerate() {
            let finite = kernel.slope.is_finite() && kernel.offset.is_finite() && kernel.var.is_finite();
            if !finite || kernel.var <= 0.0 {
                let expected = "finite numbers and a variance above 0";
                return Err(Error::EntryOutOfRange { name: "kernel", index, value: kernel.var, expected });
            }
        }
        Ok(Self { decoders, encoders })
    }

    /// The encoder of a diffusion model: `q(z_t | z_{t−1}) = N(√(1 − β_t) z_{t−1}, β_t)`.
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (2).
    ///
    /// ```
    /// use alphabar::vae::{Hierarchy, Kernel};
    /// use alphabar::{Betas, Schedule};
    ///
    /// let decoder = Kernel { slope: 0.9, offset: 0.0, var: 0.2 };
    /// let model = Hierarchy::diffusion(vec![decoder; 3], &Schedule::new(Betas::constant(3, 0.36)?))?;
    /// assert_eq!(model.encoders()[0], Kernel { slope: 0.8, offset: 0.0, var: 0.36 });
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn diffusion(decoders: Vec<Kernel>, schedule: &Schedule) -> Result<Self> {
        let encode = |&beta: &f64| Kernel { slope: (1.0 - beta).sqrt(), offset: 0.0, var: beta };
        Self::new(decoders, schedule.betas().as_slice().iter().map(encode).collect())
    }

    /// `p(z_{t−1} | z_t)` for t = 1 … T.
    #[must_use]
    pub fn decoders(&self) -> &[Kernel] {
        &self.decoders
    }

    /// `q(z_t | z_{t−1})` for t = 1 … T.
    #[must_use]
    pub fn encoders(&self) -> &[Kernel] {
        &self.encoders
    }

    /// T.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.decoders.len()
    }

    /// `ln p(x, z_{1:T})` as the sum of the conditionals.
    ///
    /// ```
    /// use alphabar::vae::{Hierarchy, Kernel};
    /// use ndarray::array;
    ///
    /// let kernel = Kernel { slope: 0.6, offset: 0.0, var: 0.64 };
    /// let model = Hierarchy::new(vec![kernel; 2], vec![kernel; 2])?;
    /// let log = model.log_joint(0.0, array![0.0, 0.0].view())?;
    /// assert!((log + 1.5 * std::f64::consts::TAU.ln() + 0.64f64.ln()).abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless there are T latents.
    pub fn log_joint(&self, x: f64, z: ArrayView1<'_, f64>) -> Result<f64> {
        self.checked(z)?;
        let mut below = x;
        let mut sum = log_density(Moments { mean: 0.0, var: 1.0 }, z[self.depth() - 1]);
        for (kernel, &above) in self.decoders.iter().zip(z) {
            sum += log_density(kernel.at(above), below);
            below = above;
        }
        Ok(sum)
    }

    /// `ln q(z_{1:T} | x)` as the sum of the conditionals.
    ///
    /// ```
    /// use alphabar::vae::{Hierarchy, Kernel};
    /// use ndarray::array;
    ///
    /// let kernel = Kernel { slope: 0.6, offset: 0.0, var: 0.64 };
    /// let model = Hierarchy::new(vec![kernel; 2], vec![kernel; 2])?;
    /// let log = model.log_encoder(0.0, array![0.0, 0.0].view())?;
    /// assert!((log + std::f64::consts::TAU.ln() + 0.64f64.ln()).abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless there are T latents.
    pub fn log_encoder(&self, x: f64, z: ArrayView1<'_, f64>) -> Result<f64> {
        self.checked(z)?;
        let mut below = x;
        let mut sum = 0.0;
        for (kernel, &above) in self.encoders.iter().zip(z) {
            sum += log_density(kernel.at(below), above);
            below = above;
        }
        Ok(sum)
    }

    /// `ln p(x, z_{1:T}) − ln q(z_{1:T} | x)`, the logarithm of the importance weight of a path.
    ///
    /// ```
    /// use alphabar::vae::{Hierarchy, Kernel};
    /// use ndarray::array;
    ///
    /// let kernel = Kernel { slope: 0.6, offset: 0.0, var: 0.64 };
    /// let model = Hierarchy::new(vec![kernel; 2], vec![kernel; 2])?;
    /// let log = model.log_weight(0.0, array![0.0, 0.0].view())?;
    /// assert!((log + 0.5 * std::f64::consts::TAU.ln()).abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless there are T latents.
    pub fn log_weight(&self, x: f64, z: ArrayView1<'_, f64>) -> Result<f64> {
        Ok(self.log_joint(x, z)? - self.log_encoder(x, z)?)
    }

    /// q(z_t | x) for t = 0 … T; the first is the point x.
    ///
    /// ```
    /// use alphabar::vae::{Hierarchy, Kernel};
    ///
    /// let kernel = Kernel { slope: 0.6, offset: 0.0, var: 0.64 };
    /// let model = Hierarchy::new(vec![kernel; 2], vec![kernel; 2])?;
    /// assert_eq!(model.encoded(1.0)[1].mean, 0.6);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn encoded(&self, x: f64) -> Vec<Moments> {
        let mut laws = vec![Moments { mean: x, var: 0.0 }];
        for kernel in &self.encoders {
            laws.push(kernel.push(laws[laws.len() - 1]));
        }
        laws
    }

    /// The bound at x, factor by factor.
    ///
    /// ```text
    /// E_q[ ln p(z_T) + ln p(x | z_1) + Σ_{t≥2} ln p(z_{t−1} | z_t) − ln q(z_1 | x) − Σ_{t≥2} ln q(z_t | z_{t−1}) ]
    /// ```
    ///
    /// Each expectation is over q(z_{t−1}, z_t | x), whose residuals are Gaussian. Source: Luo 2022,
    /// arXiv:2208.11970v1, eq. (29).
    ///
    /// ```
    /// use alphabar::vae::{Hierarchy, Kernel};
    ///
    /// let kernel = Kernel { slope: 0.6, offset: 0.0, var: 0.64 };
    /// let model = Hierarchy::new(vec![kernel; 2], vec![kernel; 2])?;
    /// // These encoders are the posteriors of these decoders: the bound is tight.
    /// assert!((model.elbo(0.3) - model.log_evidence(0.3)).abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn elbo(&self, x: f64) -> f64 {
        let laws = self.encoded(x);
        let top = laws[self.depth()];
        let standard = Moments { mean: 0.0, var: 1.0 };
        let mut sum = log_density(standard, top.mean) - 0.5 * top.var;
        for (t, (decoder, encoder)) in self.decoders.iter().zip(&self.encoders).enumerate() {
            let (below, above) = (laws[t], laws[t + 1]);
            // z_{t−1} − slope·z_t − offset with z_t = encoder.slope·z_{t−1} + … and variances that add.
            let own = 1.0 - decoder.slope * encoder.slope;
            let spread = own * own * below.var + decoder.slope * decoder.slope * encoder.var;
            sum += log_density(decoder.at(above.mean), below.mean) - 0.5 * spread / decoder.var;
            sum -= log_density(Moments { mean: 0.0, var: encoder.var }, 0.0) - 0.5;
        }
        sum
    }

    /// The evidence ln p(x): the prior pushed through the decoders.
    ///
    /// ```
    /// use alphabar::vae::{Hierarchy, Kernel};
    ///
    /// let kernel = Kernel { slope: 0.6, offset: 0.0, var: 0.64 };
    /// let model = Hierarchy::new(vec![kernel; 2], vec![kernel; 2])?;
    /// // Slope² + var = 1: x is standard normal.
    /// assert!((model.log_evidence(0.0) + 0.5 * std::f64::consts::TAU.ln()).abs() < 1e-14);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn log_evidence(&self, x: f64) -> f64 {
        let prior = Moments { mean: 0.0, var: 1.0 };
        log_density(self.decoders.iter().rev().fold(prior, |law, kernel| kernel.push(law)), x)
    }

    /// `KL(q(z_T | x) ‖ N(0, 1))`: the prior matching term, in which no decoder occurs.
    ///
    /// Source: Ho et al. 2020, arXiv:2006.11239v2, eq. (5). Trainable as soon as the encoder is.
    ///
    /// ```
    /// use alphabar::vae::{Hierarchy, Kernel};
    ///
    /// let kernel = Kernel { slope: 0.6, offset: 0.0, var: 0.64 };
    /// let model = Hierarchy::new(vec![kernel; 2], vec![kernel; 2])?;
    /// assert!(model.prior_matching(0.1) > 0.0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn prior_matching(&self, x: f64) -> f64 {
        kl(self.encoded(x)[self.depth()], Moments { mean: 0.0, var: 1.0 })
    }

    fn checked(&self, z: ArrayView1<'_, f64>) -> Result<()> {
        if z.len() == self.depth() {
            return Ok(());
        }
        Err(Error::ShapeMismatch { name: "latents", found: vec![z.len()], expected: vec![self.depth()] })
    }
}
