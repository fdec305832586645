//! What somebody meant: a curve by name or a list of βs, as it is or rescaled to zero terminal SNR.

use std::f64::consts::FRAC_PI_2;

use crate::error::Result;
use crate::fault::Fault;
use crate::fault::table::{Kind, NOT_RESCALED, Named, RESCALED_UNASKED, RESCALING_FAULTS, SCHEDULE_FAULTS, rescaled};
use crate::schedule::{Betas, Schedule};

/// The chain that was meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Meant {
    source: Source,
    zero_terminal_snr: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Curve(Named),
    Given(Vec<f64>),
}

impl From<Named> for Meant {
    fn from(named: Named) -> Self {
        Self { source: Source::Curve(named), zero_terminal_snr: false }
    }
}

impl From<Betas> for Meant {
    fn from(betas: Betas) -> Self {
        Self { source: Source::Given(betas.as_slice().to_vec()), zero_terminal_snr: false }
    }
}

impl Meant {
    /// The same rescaled to zero terminal SNR, or not.
    ///
    /// Source: Lin et al. 2023, arXiv:2305.08891v4, algorithm 1 (`rescale_betas_zero_snr` of diffusers).
    #[must_use]
    pub fn with_zero_terminal_snr(self, zero_terminal_snr: bool) -> Self {
        Self { zero_terminal_snr, ..self }
    }

    /// T.
    #[must_use]
    pub const fn steps(&self) -> usize {
        match &self.source {
            Source::Curve(named) => named.steps,
            Source::Given(betas) => betas.len(),
        }
    }

    /// Its βs.
    ///
    /// # Errors
    /// As the constructors of [`Betas`].
    pub fn betas(&self) -> Result<Betas> {
        let betas = match &self.source {
            Source::Curve(named) => named.betas()?,
            Source::Given(betas) => Betas::new(betas.clone())?,
        };
        if self.zero_terminal_snr { Betas::zero_terminal_snr(&Schedule::new(betas)) } else { Ok(betas) }
    }

    /// Its βs; NaN where its parameters are not valid.
    pub(crate) fn values(&self) -> Vec<f64> {
        self.betas().map_or_else(|_| vec![f64::NAN; self.steps()], |betas| betas.as_slice().to_vec())
    }

    /// True for the curves in use as they are published, false for one whose ends were read off the numbers.
    pub(crate) fn is_usual(&self) -> bool {
        super::recognise::usual(self.steps()).contains(self)
    }

    /// `linear with T = 1000, beta from 0.0001 to 0.02, rescaled to zero terminal SNR`.
    #[must_use]
    pub fn words(&self) -> String {
        let source = match &self.source {
            Source::Curve(Named { kind: kind @ (Kind::Cosine | Kind::Jsd), steps, .. }) => {
                format!("{} with T = {steps}", kind.name())
            }
            Source::Curve(Named { kind: Kind::Constant, steps, end, .. }) => format!("const {end} with T = {steps}"),
            Source::Curve(Named { kind, steps, start, end }) => {
                format!("{} with T = {steps}, beta from {start} to {end}", kind.name())
            }
            Source::Given(betas) => format!("the {} betas that were given", betas.len()),
        };
        if self.zero_terminal_snr { format!("{source}, rescaled to zero terminal SNR") } else { source }
    }

    /// The same with the other choice of rescaling, and the fault that it is to have that instead.
    pub(crate) fn other_rescaling(&self) -> (Self, Fault) {
        let fault = if self.zero_terminal_snr { NOT_RESCALED } else { RESCALED_UNASKED };
        (self.clone().with_zero_terminal_snr(!self.zero_terminal_snr), fault)
    }

    /// The βs of every known wrong way to this chain.
    pub(crate) fn known_faults(&self) -> Vec<(Fault, Vec<f64>)> {
        let mut faults = Vec::new();
        if let Source::Curve(named) = &self.source {
            for known in SCHEDULE_FAULTS.iter().filter(|known| known.kind == named.kind) {
                let betas: Vec<f64> = (0..named.steps).map(|i| (known.beta)(named, i)).collect();
                faults.push((known.fault, if self.zero_terminal_snr { rescaled(&betas) } else { betas }));
            }
        }
        if self.zero_terminal_snr {
            let plain = self.clone().with_zero_terminal_snr(false).values();
            faults.extend(RESCALING_FAULTS.iter().map(|known| (known.fault, (known.betas)(&plain))));
        }
        faults
    }

    /// How far each β, computed from the definition in a precision of unit roundoff u, may lie from the real one.
    pub(crate) fn errors(&self, u: f64) -> Vec<f64> {
        let plain = self.clone().with_zero_terminal_snr(false).values();
        let of_curve = |(i, &beta): (usize, &f64)| match &self.source {
            Source::Curve(named) => definition_error(named, i, beta, u),
            Source::Given(_) => 0.0,
        };
        let errors: Vec<f64> = plain.iter().enumerate().map(of_curve).collect();
        if self.zero_terminal_snr { rescaling_errors(&plain, &errors, u) } else { errors }
    }
}

fn definition_error(named: &Named, index: usize, beta: f64, u: f64) -> f64 {
    match named.kind {
        // 1 − cos² b/cos² a: both angles are off by some 6 u of themselves, which near π/2 counts in the cosine.
        Kind::Cosine => {
            let angle = |t: usize| (t as f64 / named.steps as f64 + 0.008) / 1.008 * FRAC_PI_2;
            let (a, b) = (angle(index), angle(index + 1));
            let (near, far) = (6.0 * u * a * a.tan() * b.cos().powi(2), 6.0 * u * b * b.sin() * b.cos().abs());
            2.0 * (near + far) / a.cos().powi(2) + 10.0 * u
        }
        Kind::Linear | Kind::ScaledLinear | Kind::Sigmoid => {
            8.0 * u * (beta.abs() + named.end.abs().sqrt() * beta.sqrt())
        }
        Kind::Constant | Kind::Jsd => 2.0 * u * beta.abs(),
    }
}

/// What the definition's errors and the rounding of r = √ᾱ leave on `β' = 1 − ρ²` with ρ = (r_t − r_T)/(r_{t−1} − r_T).
///
/// With relative errors e of r and g = r/(r − r_T), to first order
///
/// ```text
/// δ ln ρ = g_t (e_t − e_{t−1}) + (g_t − g_{t−1}) (e_{t−1} − e_T)
/// ```
///
/// where e_t − e_{t−1} holds one step's error and two roots' rounding, and e_{t−1} − e_T those of the steps between.
fn rescaling_errors(betas: &[f64], errors: &[f64], u: f64) -> Vec<f64> {
    let mut product = 1.0;
    let root = |beta: &f64| {
        product *= 1.0 - beta;
        f64::sqrt(product)
    };
    let roots: Vec<f64> = betas.iter().map(root).collect();
    let Some(&last) = roots.last() else { return Vec::new() };
    let of_step = |i: usize| u + 0.5 * errors[i] / (1.0 - betas[i]);
    let mut bounds = vec![4.0 * u; betas.len()];
    let mut drift = of_step(betas.len() - 1) + 2.0 * u;
    for i in (0..betas.len() - 1).rev() {
        let gain = |i: usize| roots[i] / (roots[i] - last);
        let step = of_step(i) + 2.0 * u;
        drift += of_step(i);
        // The first ᾱ is what it was.
        let (ratio, relative) = match i.checked_sub(1) {
            None => (roots[0], step),
            Some(before) => {
                let ratio = (roots[i] - last) / (roots[before] - last);
                (ratio, gain(i) * step + (gain(i) - gain(before)).abs() * drift)
            }
        };
        bounds[i] = 2.0 * ratio * ratio * (relative + 4.0 * u) + 4.0 * u;
    }
    bounds
}
