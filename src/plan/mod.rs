//! Samplers as plans: lists of steps whose coefficients are computed and checked in f64.
//!
//! One step evaluates the network and updates the state:
//!
//! ```text
//! out = network(s·x, model_timestep)
//! x̂₀  = clip(a·x + b·out)
//! x'  = c·x + d·x̂₀ + f·out + Σ_k g_k·r_k + noise
//! ```
//!
//! The registers r_k are filled after x' is formed, from this step's x, out, x̂₀ or z; multistep and two-stage solvers
//! need them. Noise is `e·z`, or `exp(½(v·hi + (1 − v)·lo))·z` where v is the learned interpolation in the second
//! half of the network's channels.
//!
//! A plan is data: it can be printed, compared, stored ([`SCHEMA`]) and read back. Executors do nothing but carry it
//! out, so a sampler bug can only be in a plan.

mod ancestral;
#[cfg(feature = "serde")]
mod config;
mod ddim;
mod dpm_solver;
mod dpm_solver_plus_plus;
mod grid;
mod heun;
mod method;
mod recipe;
mod scheduler;
mod spacing;
mod stage;
mod words;

pub use ancestral::{Ancestral, DDPM, ReverseVariance};
pub use ddim::{ClippedEpsilon, DDIM, Ddim};
pub use dpm_solver::{DPM_SOLVER, DpmSolver, Order};
pub use dpm_solver_plus_plus::{DPM_SOLVER_PLUS_PLUS_2M, DpmSolverPlusPlus2M};
pub use grid::{Clock, Grid, Node};
pub use heun::{HEUN, Heun};
pub use method::{Class, Guided, Key, Method, MethodOption, Setting, Settings, Values, Way};
pub use recipe::{Recipe, Visits};
pub use scheduler::Scheduler;
pub use spacing::{End, Previous, Route, Spacing, Visit};
pub use words::{Choice, Word, Words};

pub use crate::prediction::Prediction;

use crate::error::{Error, Result};

/// The samplers. Another one is a file of its own and a line here.
///
/// ```
/// let names: Vec<&str> = alphabar::plan::METHODS.iter().map(|method| method.name).collect();
/// assert_eq!(names, ["ddpm", "ddim", "dpm++2m", "dpm-solver", "heun"]);
/// ```
pub static METHODS: &[&Method] = &[&DDPM, &DDIM, &DPM_SOLVER_PLUS_PLUS_2M, &DPM_SOLVER, &HEUN];

/// Name and version of the stored form.
pub const SCHEMA: &str = "alphabar.plan/1";

/// What happens to a·x + b·out before it is used as x̂₀.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Clip {
    /// Nothing.
    None,
    /// Every entry is brought into [−bound, bound].
    Range {
        /// The bound, in data units.
        bound: f64,
    },
    /// Per sample: with q the given quantile of |x̂₀| brought into [1, max], clip to [−q, q] and divide by q.
    ///
    /// Source: Saharia et al. 2022, arXiv:2205.11487v1, sect. 2.3 (dynamic thresholding).
    Quantile {
        /// Which quantile, in (0, 1].
        fraction: f64,
        /// Largest threshold.
        max: f64,
    },
}

/// What a register is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Source {
    /// The state before the update.
    X,
    /// The network's output (its first C channels).
    Out,
    /// The clipped prediction of x₀.
    X0,
    /// The step's standard normal draw.
    Z,
}

/// Fills one register after the update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Store {
    /// Which register, from 0.
    pub register: usize,
    /// What goes in.
    pub source: Source,
}

/// One summand g·r of the update.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Term {
    /// Which register, from 0.
    pub register: usize,
    /// Its factor g.
    pub factor: f64,
}

/// The random part of the update.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Noise {
    /// None: the step is deterministic and no z is drawn for the update.
    None,
    /// `std · z`.
    Scaled {
        /// Standard deviation, in data units.
        std: f64,
    },
    /// `exp(½(v·log_var_high + (1 − v)·log_var_low)) · z`, v = (second half of the channels + 1)/2.
    ///
    /// Source: Nichol & Dhariwal 2021, arXiv:2102.09672v1, eq. (15).
    Learned {
        /// ln β̃, or its clipped value.
        log_var_low: f64,
        /// ln β.
        log_var_high: f64,
    },
}

/// One step of a plan; the letters are those of the module's formula.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Step {
    /// The papers' t of the evaluation, where the step belongs to a discrete chain.
    pub t: Option<usize>,
    /// The papers' time that x' belongs to.
    pub target: Option<usize>,
    /// What the network is told; rounded only where the graph takes integers.
    pub model_timestep: f64,
    /// s, the factor on the network's input.
    pub input_scale: f64,
    /// a.
    pub x0_from_x: f64,
    /// b.
    pub x0_from_out: f64,
    /// Clipping of x̂₀.
    pub clip: Clip,
    /// c.
    pub x: f64,
    /// d.
    pub x0: f64,
    /// f.
    pub out: f64,
    /// g_k r_k.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub registers: Vec<Term>,
    /// The random part.
    pub noise: Noise,
    /// Number of the normal draw that is this step's z; 0 is x_T itself.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub draw: Option<u32>,
    /// Registers to fill afterwards.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub store: Vec<Store>,
}

impl Step {
    /// True if the step needs a standard normal array.
    ///
    /// ```
    /// use alphabar::plan::{DDPM, Recipe};
    /// let plan = Recipe::new(&DDPM).steps(10).plan()?;
    /// assert!(plan.steps()[0].needs_noise() && !plan.steps()[9].needs_noise());
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn needs_noise(&self) -> bool {
        self.noise != Noise::None || self.store.iter().any(|s| s.source == Source::Z)
    }
}

/// A sampler, ready to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    name: String,
    initial_std: f64,
    steps: Vec<Step>,
}

impl Plan {
    /// Takes steps made by hand.
    ///
    /// ```
    /// use alphabar::plan::{DDIM, Plan, Recipe};
    /// let plan = Recipe::new(&DDIM).steps(4).plan()?;
    /// let mut steps = plan.steps().to_vec();
    /// steps[0].input_scale = 0.5;
    /// assert_ne!(Plan::new("mine", 1.0, steps)?, plan);
    /// assert!(Plan::new("empty", 1.0, vec![]).is_err());
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] without steps; [`Error::EntryOutOfRange`] if a coefficient is not finite, a clip
    /// bound not positive, a standard deviation negative; [`Error::Unsupported`] if a register is read before it is
    /// filled or a step needs noise but names no draw.
    pub fn new(name: impl Into<String>, initial_std: f64, steps: Vec<Step>) -> Result<Self> {
        if steps.is_empty() {
            return Err(Error::CountOutOfRange { name: "steps", value: 0, min: 1, max: usize::MAX });
        }
        if !(initial_std >= 0.0 && initial_std.is_finite()) {
            return Err(Error::OutOfRange { name: "initial_std", value: initial_std, expected: "finite and ≥ 0" });
        }
        let mut filled: Vec<usize> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            check_numbers(index, step)?;
            if let Some(term) = step.registers.iter().find(|term| !filled.contains(&term.register)) {
                let found = format!("step {index} reading register {}, which no earlier step filled", term.register);
                return Err(Error::Unsupported { found, expected: "registers filled before they are read" });
            }
            if step.needs_noise() && step.draw.is_none_or(|draw| draw == 0) {
                let found = format!("step {index} with noise but draw {:?}", step.draw);
                return Err(Error::Unsupported { found, expected: "a draw number of at least 1 (0 is x_T)" });
            }
            filled.extend(step.store.iter().map(|store| store.register));
        }
        if let Some(register) = filled.iter().find(|&&register| register >= MAX_REGISTERS) {
            let (value, max) = (*register, MAX_REGISTERS - 1);
            return Err(Error::CountOutOfRange { name: "register", value, min: 0, max });
        }
        Ok(Self { name: name.into(), initial_std, steps })
    }

    /// What the sampler is called (`"ddim"`).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Standard deviation of x_T; the initial state is this times draw 0.
    #[must_use]
    pub const fn initial_std(&self) -> f64 {
        self.initial_std
    }

    /// The steps in the order they run.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many registers the steps use.
    ///
    /// ```
    /// use alphabar::plan::{DDIM, HEUN, Recipe};
    /// assert_eq!(Recipe::new(&DDIM).plan()?.registers(), 0);
    /// assert!(Recipe::new(&HEUN).plan()?.registers() > 0);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn registers(&self) -> usize {
        self.steps.iter().flat_map(|step| &step.store).map(|store| store.register + 1).max().unwrap_or(0)
    }

    /// True if no step draws noise: the result depends on x_T alone.
    ///
    /// ```
    /// use alphabar::plan::{DDIM, Recipe};
    /// assert!(Recipe::new(&DDIM).plan()?.is_deterministic());
    /// assert!(!Recipe::new(&DDIM).eta(1.0).plan()?.is_deterministic());
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        !self.steps.iter().any(Step::needs_noise)
    }

    /// True if a step reads the learned variance, so that the network must have 2C output channels.
    #[must_use]
    pub fn needs_learned_variance(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.noise, Noise::Learned { .. }))
    }
}

/// Most registers a plan may use.
pub const MAX_REGISTERS: usize = 16;

fn check_numbers(index: usize, step: &Step) -> Result<()> {
    let named = [
        ("model_timestep", step.model_timestep),
        ("input_scale", step.input_scale),
        ("x0_from_x", step.x0_from_x),
        ("x0_from_out", step.x0_from_out),
        ("x", step.x),
        ("x0", step.x0),
        ("out", step.out),
    ];
    let terms = step.registers.iter().map(|term| ("registers", term.factor));
    for (name, value) in named.into_iter().chain(terms) {
        if !value.is_finite() {
            return Err(Error::EntryOutOfRange { name, index, value, expected: "a finite number" });
        }
    }
    let bad = |name, value, expected| Err(Error::EntryOutOfRange { name, index, value, expected });
    match step.clip {
        Clip::Range { bound } if !(bound > 0.0 && bound.is_finite()) => return bad("clip bound", bound, "above 0"),
        Clip::Quantile { fraction, .. } if !(fraction > 0.0 && fraction <= 1.0) => {
            return bad("clip quantile", fraction, "in (0, 1]");
        }
        Clip::Quantile { max, .. } if !(max >= 1.0 && max.is_finite()) => return bad("clip maximum", max, "≥ 1"),
        _ => {}
    }
    match step.noise {
        Noise::Scaled { std } if !(std >= 0.0 && std.is_finite()) => bad("noise std", std, "finite and ≥ 0"),
        Noise::Learned { log_var_low, log_var_high } => {
            if !log_var_low.is_finite() {
                return bad("log_var_low", log_var_low, "a finite number");
            }
            if !log_var_high.is_finite() {
                return bad("log_var_high", log_var_high, "a finite number");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(feature = "serde")]
mod stored {
    use super::{Plan, SCHEMA, Step};

    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stored {
        schema: String,
        name: String,
        initial_std: f64,
        steps: Vec<Step>,
    }

    impl serde::Serialize for Plan {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let Self { name, initial_std, steps } = self.clone();
            Stored { schema: SCHEMA.into(), name, initial_std, steps }.serialize(serializer)
        }
    }

    impl<'de> serde::Deserialize<'de> for Plan {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            use serde::de::Error;
            let stored = Stored::deserialize(deserializer)?;
            if stored.schema != SCHEMA {
                return Err(D::Error::custom(format!("schema is {:?}; expected {SCHEMA:?}", stored.schema)));
            }
            Self::new(stored.name, stored.initial_std, stored.steps).map_err(D::Error::custom)
        }
    }
}
