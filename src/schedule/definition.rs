//! Schedules as people name them: a curve of β with its parameters, or a list, rescaled or not.

use std::fmt;

use super::{Betas, Schedule};
use crate::error::{Error, Result};

/// A curve of β that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// Equally spaced: [`Betas::linear`].
    Linear,
    /// Equally spaced roots: [`Betas::scaled_linear`].
    ScaledLinear,
    /// cos² in ᾱ: [`Betas::cosine`].
    Cosine,
    /// A logistic curve in β: [`Betas::sigmoid`].
    Sigmoid,
    /// The same β at every step: [`Betas::constant`].
    Constant,
    /// β_t = 1/(T − t + 1): [`Betas::jsd`].
    Jsd,
}

/// Which parameters a curve takes beside T.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    End,
    StartAndEnd,
}

/// What a curve is called and how it is made.
struct About {
    curve: Curve,
    name: &'static str,
    diffusers: Option<&'static str>,
    aliases: &'static [&'static str],
    takes: Takes,
    start: f64,
    end: f64,
    betas: fn(usize, f64, f64) -> Result<Betas>,
}

/// Every curve, the default of diffusers first.
const CURVES: [About; 6] = [
    About {
        curve: Curve::Linear,
        name: "linear",
        diffusers: Some("linear"),
        aliases: &[],
        takes: Takes::StartAndEnd,
        start: 1e-4,
        end: 0.02,
        betas: Betas::linear,
    },
    About {
        curve: Curve::ScaledLinear,
        name: "scaled_linear",
        diffusers: Some("scaled_linear"),
        aliases: &["quad", "quadratic", "sqrt_linear"],
        takes: Takes::StartAndEnd,
        start: 0.000_85,
        end: 0.012,
        betas: Betas::scaled_linear,
    },
    About {
        curve: Curve::Cosine,
        name: "cosine",
        diffusers: Some("squaredcos_cap_v2"),
        aliases: &[],
        takes: Takes::Nothing,
        start: 1e-4,
        end: 0.02,
        betas: |steps, _, _| Betas::cosine(steps),
    },
    About {
        curve: Curve::Sigmoid,
        name: "sigmoid",
        diffusers: Some("sigmoid"),
        aliases: &[],
        takes: Takes::StartAndEnd,
        start: 1e-4,
        end: 0.02,
        betas: Betas::sigmoid,
    },
    About {
        curve: Curve::Constant,
        name: "const",
        diffusers: None,
        aliases: &["constant"],
        takes: Takes::End,
        start: 0.02,
        end: 0.02,
        betas: |steps, _, end| Betas::constant(steps, end),
    },
    About {
        curve: Curve::Jsd,
        name: "jsd",
        diffusers: None,
        aliases: &[],
        takes: Takes::Nothing,
        start: 1e-4,
        end: 0.02,
        betas: |steps, _, _| Betas::jsd(steps),
    },
];

impl Curve {
    /// Every curve.
    pub const ALL: [Self; 6] =
        [Self::Linear, Self::ScaledLinear, Self::Cosine, Self::Sigmoid, Self::Constant, Self::Jsd];

    const fn about(self) -> &'static About {
        &CURVES[self as usize]
    }

    /// What this crate calls it (`cosine`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.about().name
    }

    /// What diffusers' `beta_schedule` calls it (`squaredcos_cap_v2`), if diffusers has it.
    #[must_use]
    pub const fn diffusers_name(self) -> Option<&'static str> {
        self.about().diffusers
    }

    /// What published code calls it: diffusers' word where there is one, else that of Ho et al.'s code.
    #[must_use]
    pub const fn published_name(self) -> &'static str {
        match self.about().diffusers {
            Some(name) => name,
            None => self.about().name,
        }
    }

    /// Further names that [`Curve::from_name`] takes.
    #[must_use]
    pub const fn aliases(self) -> &'static [&'static str] {
        self.about().aliases
    }

    /// The curve of a name: its own, diffusers' or an alias, in any case, with underscores or hyphens.
    ///
    /// ```
    /// use alphabar::schedule::Curve;
    ///
    /// assert_eq!(Curve::from_name("squaredcos_cap_v2"), Some(Curve::Cosine));
    /// assert_eq!(Curve::from_name("Scaled-Linear"), Some(Curve::ScaledLinear));
    /// assert_eq!(Curve::from_name("laplace"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace('-', "_");
        let called =
            |about: &&About| about.name == name || about.diffusers == Some(&name) || about.aliases.contains(&&*name);
        CURVES.iter().find(called).map(|about| about.curve)
    }

    /// The curve that diffusers' `beta_schedule` calls so.
    ///
    /// ```
    /// use alphabar::schedule::Curve;
    ///
    /// assert_eq!(Curve::from_diffusers("squaredcos_cap_v2"), Some(Curve::Cosine));
    /// assert_eq!(Curve::from_diffusers("cosine"), None);
    /// ```
    #[must_use]
    pub fn from_diffusers(name: &str) -> Option<Self> {
        CURVES.iter().find(|about| about.diffusers == Some(name)).map(|about| about.curve)
    }

    /// True if the first and the last β can be chosen.
    #[must_use]
    pub const fn has_range(self) -> bool {
        matches!(self.about().takes, Takes::StartAndEnd)
    }
}

/// A schedule by its definition: a curve with T and its end points, or a list of βs; as it is or rescaled to zero
/// terminal SNR.
///
/// ```
/// use alphabar::schedule::Definition;
///
/// let stable_diffusion = Definition::named("scaled_linear", 1000)?;
/// assert_eq!(stable_diffusion, Definition::scaled_linear(1000).beta_start(0.00085).beta_end(0.012));
/// assert_eq!(stable_diffusion.betas()?.as_slice()[999], 0.012);
/// assert_eq!(stable_diffusion.to_string(), "scaled_linear with T = 1000, beta from 0.00085 to 0.012");
/// # Ok::<(), alphabar::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    source: Source,
    zero_terminal_snr: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Curve { curve: Curve, steps: usize, start: f64, end: f64 },
    Given(Vec<f64>),
}

impl Definition {
    /// A curve of T steps with the parameters that are usual for it.
    ///
    /// ```
    /// use alphabar::schedule::{Curve, Definition};
    ///
    /// assert_eq!(Definition::new(Curve::Linear, 10), Definition::named("linear", 10)?);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub const fn new(curve: Curve, steps: usize) -> Self {
        let &About { start, end, .. } = curve.about();
        Self { source: Source::Curve { curve, steps, start, end }, zero_terminal_snr: false }
    }

    /// The curve of a name that [`Curve::from_name`] takes, with T steps and the usual parameters.
    ///
    /// ```
    /// use alphabar::schedule::Definition;
    ///
    /// assert_eq!(Definition::named("linear", 1000)?.beta_end(0.01).betas()?.as_slice()[999], 0.01);
    /// assert!(Definition::named("laplace", 1000).unwrap_err().to_string().contains("expected linear"));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a name that is not known.
    pub fn named(name: &str, steps: usize) -> Result<Self> {
        let curve = Curve::from_name(name).ok_or_else(|| Error::Unsupported {
            found: format!("schedule {name:?}"),
            expected: "linear, scaled_linear, cosine (squaredcos_cap_v2), sigmoid, const or jsd",
        })?;
        Ok(Self::new(curve, steps))
    }

    /// β equally spaced, from 10⁻⁴ to 0.02 unless set otherwise: [`Betas::linear`].
    ///
    /// ```
    /// use alphabar::{Schedule, schedule::Definition};
    ///
    /// assert_eq!(Definition::linear(1000).schedule()?, Schedule::ddpm());
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub const fn linear(steps: usize) -> Self {
        Self::new(Curve::Linear, steps)
    }

    /// √β equally spaced, from 0.00085 to 0.012 unless set otherwise: [`Betas::scaled_linear`].
    ///
    /// ```
    /// let betas = alphabar::schedule::Definition::scaled_linear(3).beta_start(0.01).beta_end(0.09).betas()?;
    /// assert!((betas.as_slice()[1] - 0.04).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub const fn scaled_linear(steps: usize) -> Self {
        Self::new(Curve::ScaledLinear, steps)
    }

    /// The cosine schedule of Nichol & Dhariwal 2021: [`Betas::cosine`].
    ///
    /// ```
    /// use alphabar::{Schedule, schedule::Definition};
    ///
    /// assert_eq!(Definition::cosine(1000).schedule()?, Schedule::improved_ddpm());
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub const fn cosine(steps: usize) -> Self {
        Self::new(Curve::Cosine, steps)
    }

    /// A logistic curve in β, from 10⁻⁴ to 0.02 unless set otherwise: [`Betas::sigmoid`].
    ///
    /// ```
    /// let betas = alphabar::schedule::Definition::sigmoid(3).betas()?;
    /// assert!((betas.as_slice()[1] - 0.01005).abs() < 1e-15);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub const fn sigmoid(steps: usize) -> Self {
        Self::new(Curve::Sigmoid, steps)
    }

    /// The same β at every step: [`Betas::constant`].
    ///
    /// ```
    /// assert_eq!(alphabar::schedule::Definition::constant(3, 0.1).betas()?.as_slice(), [0.1, 0.1, 0.1]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn constant(steps: usize, beta: f64) -> Self {
        Self::new(Curve::Constant, steps).beta_end(beta)
    }

    /// β_t = 1/(T − t + 1): [`Betas::jsd`].
    ///
    /// ```
    /// assert_eq!(alphabar::schedule::Definition::jsd(2).betas()?.as_slice(), [0.5, 1.0]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub const fn jsd(steps: usize) -> Self {
        Self::new(Curve::Jsd, steps)
    }

    /// With this first β; a curve that does not take one (cosine, const, jsd) stays as it is.
    ///
    /// ```
    /// use alphabar::schedule::Definition;
    ///
    /// assert_eq!(Definition::linear(9).beta_start(0.001).betas()?.as_slice()[0], 0.001);
    /// assert_eq!(Definition::cosine(9).beta_start(0.001), Definition::cosine(9));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn beta_start(mut self, beta: f64) -> Self {
        if let Source::Curve { curve, start, .. } = &mut self.source
            && curve.about().takes == Takes::StartAndEnd
        {
            *start = beta;
        }
        self
    }

    /// With this last β, for `const` with this β; a curve that does not take one (cosine, jsd) stays as it is.
    ///
    /// ```
    /// use alphabar::schedule::Definition;
    ///
    /// assert_eq!(Definition::linear(9).beta_end(0.1).betas()?.as_slice()[8], 0.1);
    /// assert_eq!(Definition::jsd(9).beta_end(0.1), Definition::jsd(9));
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn beta_end(mut self, beta: f64) -> Self {
        if let Source::Curve { curve, end, .. } = &mut self.source
            && curve.about().takes != Takes::Nothing
        {
            *end = beta;
        }
        self
    }

    /// The same, rescaled to zero terminal SNR by [`Betas::zero_terminal_snr`].
    ///
    /// Source: Lin et al. 2023, arXiv:2305.08891v4, algorithm 1 (`rescale_betas_zero_snr` of diffusers).
    ///
    /// ```
    /// let betas = alphabar::schedule::Definition::linear(10).with_zero_terminal_snr().betas()?;
    /// assert_eq!(betas.as_slice()[9], 1.0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub const fn with_zero_terminal_snr(mut self) -> Self {
        self.zero_terminal_snr = true;
        self
    }

    /// The same, not rescaled.
    ///
    /// ```
    /// use alphabar::schedule::Definition;
    ///
    /// let rescaled = Definition::linear(10).with_zero_terminal_snr();
    /// assert_eq!(rescaled.without_zero_terminal_snr(), Definition::linear(10));
    /// ```
    #[must_use]
    pub const fn without_zero_terminal_snr(mut self) -> Self {
        self.zero_terminal_snr = false;
        self
    }

    /// Whether it is rescaled to zero terminal SNR.
    #[must_use]
    pub const fn has_zero_terminal_snr(&self) -> bool {
        self.zero_terminal_snr
    }

    /// The curve; `None` for a list of βs.
    #[must_use]
    pub const fn curve(&self) -> Option<Curve> {
        match &self.source {
            Source::Curve { curve, .. } => Some(*curve),
            Source::Given(_) => None,
        }
    }

    /// The list of βs before any rescaling; `None` for a curve.
    #[must_use]
    pub fn list(&self) -> Option<&[f64]> {
        match &self.source {
            Source::Curve { .. } => None,
            Source::Given(betas) => Some(betas),
        }
    }

    /// T.
    #[must_use]
    pub const fn steps(&self) -> usize {
        match &self.source {
            Source::Curve { steps, .. } => *steps,
            Source::Given(betas) => betas.len(),
        }
    }

    /// The parameter `beta_start`, or the first β of a list.
    #[must_use]
    pub fn start(&self) -> f64 {
        match &self.source {
            Source::Curve { start, .. } => *start,
            Source::Given(betas) => betas[0],
        }
    }

    /// The parameter `beta_end`, or the last β of a list.
    #[must_use]
    pub fn end(&self) -> f64 {
        match &self.source {
            Source::Curve { end, .. } => *end,
            Source::Given(betas) => betas[betas.len() - 1],
        }
    }

    /// The βs.
    ///
    /// ```
    /// assert_eq!(alphabar::schedule::Definition::linear(3).betas()?.as_slice(), [1e-4, 0.01005, 0.02]);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As the constructor of the curve's [`Betas`] and [`Betas::zero_terminal_snr`].
    pub fn betas(&self) -> Result<Betas> {
        let betas = match &self.source {
            Source::Curve { curve, steps, start, end } => (curve.about().betas)(*steps, *start, *end)?,
            Source::Given(betas) => Betas::new(betas.clone())?,
        };
        if self.zero_terminal_snr { Betas::zero_terminal_snr(&Schedule::new(betas)) } else { Ok(betas) }
    }

    /// The βs with all that follows from them.
    ///
    /// ```
    /// assert_eq!(alphabar::schedule::Definition::jsd(4).schedule()?.len(), 4);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Definition::betas`].
    pub fn schedule(&self) -> Result<Schedule> {
        self.betas().map(Schedule::new)
    }
}

/// A list of βs. [`diagnose`](crate::diagnose::diagnose) finds out itself whether they are one of the curves.
impl From<Betas> for Definition {
    fn from(betas: Betas) -> Self {
        Self { source: Source::Given(betas.as_slice().to_vec()), zero_terminal_snr: false }
    }
}

/// `linear with T = 1000, beta from 0.0001 to 0.02, rescaled to zero terminal SNR`.
impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Curve { curve, steps, start, end } => {
                let name = curve.published_name();
                match curve.about().takes {
                    Takes::Nothing => write!(f, "{name} with T = {steps}"),
                    Takes::End => write!(f, "{name} {end} with T = {steps}"),
                    Takes::StartAndEnd => write!(f, "{name} with T = {steps}, beta from {start} to {end}"),
                }
            }
            Source::Given(betas) => write!(f, "the {} betas that were given", betas.len()),
        }?;
        if self.zero_terminal_snr { f.write_str(", rescaled to zero terminal SNR") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{CURVES, Curve, Definition};

    #[test]
    fn every_name_of_every_curve_means_that_curve_and_no_other() {
        let names = |curve: Curve| {
            let own = [curve.name(), curve.published_name()];
            own.into_iter().chain(curve.diffusers_name()).chain(curve.aliases().iter().copied())
        };
        for (about, curve) in CURVES.iter().zip(Curve::ALL) {
            assert_eq!(about.curve, curve);
            for name in names(curve) {
                assert_eq!(Curve::from_name(name), Some(curve), "{name}");
                assert_eq!(Curve::from_name(&name.to_uppercase().replace('_', "-")), Some(curve), "{name}");
                let others = Curve::ALL.into_iter().filter(|other| *other != curve);
                assert!(others.flat_map(names).all(|other| other != name), "{name} is the name of two");
            }
            let meant = curve.diffusers_name().map(Curve::from_diffusers);
            assert!(meant.is_none_or(|meant| meant == Some(curve)), "{curve:?}");
        }
        let error = Definition::named("exotic", 10).unwrap_err().to_string();
        assert!(Curve::ALL.iter().all(|curve| error.contains(curve.published_name())), "{error}");
        assert!(Curve::ALL.iter().all(|curve| error.contains(curve.name())), "{error}");
    }

    #[test]
    fn the_names_are_those_of_diffusers_and_of_ho_et_al() {
        let meanings = [
            ("linear", Curve::Linear, Some("linear")),
            ("scaled_linear", Curve::ScaledLinear, Some("scaled_linear")),
            ("quad", Curve::ScaledLinear, Some("scaled_linear")),
            ("quadratic", Curve::ScaledLinear, Some("scaled_linear")),
            ("sqrt_linear", Curve::ScaledLinear, Some("scaled_linear")),
            ("squaredcos_cap_v2", Curve::Cosine, Some("squaredcos_cap_v2")),
            ("cosine", Curve::Cosine, Some("squaredcos_cap_v2")),
            ("sigmoid", Curve::Sigmoid, Some("sigmoid")),
            ("const", Curve::Constant, None),
            ("constant", Curve::Constant, None),
            ("jsd", Curve::Jsd, None),
        ];
        for (name, curve, diffusers) in meanings {
            assert_eq!(Curve::from_name(name), Some(curve), "{name}");
            assert_eq!(curve.diffusers_name(), diffusers, "{name}");
        }
        let all =
            CURVES.iter().map(|about| 1 + about.aliases.len() + usize::from(Some(about.name) != about.diffusers));
        let without_own = CURVES.iter().filter(|about| about.diffusers.is_none()).count();
        assert_eq!(all.sum::<usize>() - without_own, meanings.len(), "every name has its row here");
    }

    #[test]
    fn every_curve_makes_the_betas_of_its_name() {
        use super::Betas;
        let cases = [
            (Definition::linear(5), Betas::linear(5, 1e-4, 0.02)),
            (Definition::scaled_linear(5), Betas::scaled_linear(5, 0.000_85, 0.012)),
            (Definition::cosine(5), Betas::cosine(5)),
            (Definition::sigmoid(5), Betas::sigmoid(5, 1e-4, 0.02)),
            (Definition::new(Curve::Constant, 5), Betas::constant(5, 0.02)),
            (Definition::jsd(5), Betas::jsd(5)),
        ];
        for ((definition, betas), curve) in cases.into_iter().zip(Curve::ALL) {
            assert_eq!(definition.curve(), Some(curve));
            assert_eq!(definition.betas(), betas, "{definition}");
        }
    }
}
