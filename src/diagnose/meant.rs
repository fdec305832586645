//! What diagnosis knows of a schedule beside its βs: the wrong ways to them, and how far rounding moves them.

use std::f64::consts::FRAC_PI_2;

use super::faults::{CURVE_FAULTS, NOT_RESCALED, RESCALED_UNASKED, RESCALING_FAULTS, rescaled};
use crate::check::Fault;
use crate::schedule::{Curve, Definition};

impl Definition {
    /// Its βs; NaN where its parameters are not valid.
    pub(crate) fn values(&self) -> Vec<f64> {
        self.betas().map_or_else(|_| vec![f64::NAN; self.steps()], |betas| betas.as_slice().to_vec())
    }

    /// True for the curves in use as they are published, false for one whose ends were read off the numbers.
    pub(crate) fn is_usual(&self) -> bool {
        super::recognise::usual(self.steps()).contains(self)
    }

    /// The same with the other choice of rescaling, and the fault that it is to have that instead.
    pub(crate) fn other_rescaling(&self) -> (Self, Fault) {
        let meant = self.clone();
        if self.has_zero_terminal_snr() {
            (meant.without_zero_terminal_snr(), NOT_RESCALED)
        } else {
            (meant.with_zero_terminal_snr(), RESCALED_UNASKED)
        }
    }

    /// The βs of every known wrong way to this chain.
    pub(crate) fn known_faults(&self) -> Vec<(Fault, Vec<f64>)> {
        let mut faults = Vec::new();
        for known in CURVE_FAULTS.iter().filter(|known| self.curve() == Some(known.curve)) {
            let betas: Vec<f64> = (0..self.steps()).map(|i| (known.beta)(self, i)).collect();
            faults.push((known.fault, if self.has_zero_terminal_snr() { rescaled(&betas) } else { betas }));
        }
        if self.has_zero_terminal_snr() {
            let plain = self.clone().without_zero_terminal_snr().values();
            faults.extend(RESCALING_FAULTS.iter().map(|known| (known.fault, (known.betas)(&plain))));
        }
        faults
    }

    /// How far each β, computed from the definition in a precision of unit roundoff u, may lie from the real one.
    pub(crate) fn errors(&self, u: f64) -> Vec<f64> {
        let plain = self.clone().without_zero_terminal_snr().values();
        let errors: Vec<f64> =
            plain.iter().enumerate().map(|(i, &beta)| definition_error(self, i, beta, u)).collect();
        if self.has_zero_terminal_snr() { rescaling_errors(&plain, &errors, u) } else { errors }
    }
}

fn definition_error(meant: &Definition, index: usize, beta: f64, u: f64) -> f64 {
    match meant.curve() {
        None => 0.0,
        // 1 − cos² b/cos² a: both angles are off by some 6 u of themselves, which near π/2 counts in the cosine.
        Some(Curve::Cosine) => {
            let angle = |t: usize| (t as f64 / meant.steps() as f64 + 0.008) / 1.008 * FRAC_PI_2;
            let (a, b) = (angle(index), angle(index + 1));
            let (near, far) = (6.0 * u * a * a.tan() * b.cos().powi(2), 6.0 * u * b * b.sin() * b.cos().abs());
            2.0 * (near + far) / a.cos().powi(2) + 10.0 * u
        }
        Some(Curve::Linear | Curve::ScaledLinear | Curve::Sigmoid) => {
            8.0 * u * (beta.abs() + meant.end().abs().sqrt() * beta.sqrt())
        }
        Some(Curve::Constant | Curve::Jsd) => 2.0 * u * beta.abs(),
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
