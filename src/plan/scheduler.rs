//! diffusers' `scheduler_config.json`: what it says about the chain a network was trained on and how to sample it.
//!
//! Keys that are unknown are ignored, keys that are absent have the default that diffusers' `DDPMScheduler` and
//! `DDIMScheduler` share (0.42). `variance_type` is read by DDPM alone and `set_alpha_to_one` by DDIM alone, as there.
//! A `DPMSolverMultistepScheduler` is read by its own rules: it spaces linearly unless it says otherwise, knows no
//! `clip_sample`, and has options that choose among solvers; those that choose another than DPM-Solver++ 2M are refused.

use serde_json::{Map, Value};

use super::{Clip, ReverseVariance, Spacing};
use crate::error::{Error, Result};
use crate::prediction::Prediction;
use crate::python_json;
use crate::schedule::{Betas, Curve, Definition, MAX_STEPS, Schedule, Timestep};

/// The `variance_type` of DDPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarianceType {
    /// `fixed_small` and `fixed_small_log`: β̃.
    FixedSmall,
    /// `fixed_large` and `fixed_large_log`: β.
    FixedLarge,
    /// `learned_range`: between the two, chosen by the network.
    LearnedRange,
    /// `learned`: the variance itself is the network's output. No plan has it.
    Learned,
}

impl VarianceType {
    /// The variance of a plan's ancestral step.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for `learned`.
    pub fn reverse_variance(self) -> Result<ReverseVariance> {
        match self {
            Self::FixedSmall => Ok(ReverseVariance::BetaTilde),
            Self::FixedLarge => Ok(ReverseVariance::Beta),
            Self::LearnedRange => Ok(ReverseVariance::LearnedRange),
            Self::Learned => Err(Error::Unsupported {
                found: "variance_type \"learned\"".into(),
                expected: "fixed_small, fixed_large or learned_range",
            }),
        }
    }
}

/// A scheduler's configuration with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduler {
    /// `_class_name`, if the file has one.
    pub class_name: Option<String>,
    /// The chain of βs: `num_train_timesteps`, `beta_schedule` with `beta_start` and `beta_end`, or `trained_betas`;
    /// `rescale_betas_zero_snr`.
    pub chain: Definition,
    /// `prediction_type`.
    pub prediction: Prediction,
    /// `variance_type`.
    pub variance: VarianceType,
    /// `thresholding` before `clip_sample`, as there.
    pub clip: Clip,
    /// The bound that clipping has when it is switched on (`clip_sample_range`).
    pub clip_bound: f64,
    /// `timestep_spacing` with `steps_offset`.
    pub spacing: Spacing,
    /// `steps_offset`, for a spacing chosen later.
    pub steps_offset: usize,
    /// `set_alpha_to_one`.
    pub data_is_clean: bool,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            class_name: None,
            chain: Definition::linear(1000),
            prediction: Prediction::Epsilon,
            variance: VarianceType::FixedSmall,
            clip: Clip::Range { bound: 1.0 },
            clip_bound: 1.0,
            spacing: Spacing::Leading { offset: 0 },
            steps_offset: 0,
            data_is_clean: true,
        }
    }
}

impl Scheduler {
    /// Reads a `scheduler_config.json`.
    ///
    /// # Errors
    /// [`Error::Syntax`] if it is not JSON (NaN and Infinity may stand in it, as Python writes them);
    /// [`Error::Unsupported`] for a value of the wrong type or a name that is not known; [`Error::OutOfRange`], [`Error::EntryOutOfRange`]
    /// and [`Error::CountOutOfRange`] for numbers that cannot be meant.
    pub fn from_json(text: &str) -> Result<Self> {
        let keys = object(text)?;
        let keys = Keys(&keys);
        let chain = chain(&keys)?;
        let class_name = keys.text("_class_name")?;
        let multistep = class_name == Some(MULTISTEP);
        if multistep {
            keys.only_2m()?;
            keys.whole_range(&chain.schedule()?)?;
        }
        let steps_offset = keys.count("steps_offset", 0, 0, MAX_STEPS)?;
        let clip_bound = keys.number("clip_sample_range", 1.0)?;
        let clip = if keys.flag("thresholding", false)? {
            let fraction = keys.number("dynamic_thresholding_ratio", 0.995)?;
            Clip::Quantile { fraction, max: keys.number("sample_max_value", 1.0)? }
        } else if !multistep && keys.flag("clip_sample", true)? {
            Clip::Range { bound: clip_bound }
        } else {
            Clip::None
        };
        Ok(Self {
            class_name: class_name.map(str::to_owned),
            prediction: keys.name("prediction_type", PREDICTIONS, "epsilon, sample or v_prediction")?,
            variance: keys.name("variance_type", VARIANCES, "fixed_small, fixed_large or learned_range")?,
            clip,
            clip_bound,
            spacing: match keys.get("timestep_spacing") {
                None if multistep => Spacing::Linspace,
                _ => keys
                    .name("timestep_spacing", SPACINGS, "leading, linspace or trailing")?
                    .with_offset(steps_offset),
            },
            steps_offset,
            data_is_clean: keys.flag("set_alpha_to_one", true)?,
            chain,
        })
    }

    /// Reads the chain of βs alone; keys that say how to sample may hold anything and have their defaults.
    ///
    /// # Errors
    /// As [`Scheduler::from_json`] for the keys that are read.
    pub fn chain_from_json(text: &str) -> Result<Self> {
        Ok(Self { chain: chain(&Keys(&object(text)?))?, ..Self::default() })
    }

    /// T, the steps of training.
    #[must_use]
    pub const fn trained_steps(&self) -> usize {
        self.chain.steps()
    }

    /// The schedule that the βs give, rescaled to zero terminal SNR if the configuration says so.
    ///
    /// Deviation from diffusers: f64 throughout, so that β agrees with its f32 to about 10⁻⁷ and ᾱ_T to about 10⁻⁵.
    ///
    /// # Errors
    /// As [`Definition::betas`].
    pub fn schedule(&self) -> Result<Schedule> {
        self.chain.schedule()
    }
}

/// The chain of βs that the keys define.
fn chain(keys: &Keys<'_>) -> Result<Definition> {
    let usual = Definition::linear(1000);
    let [start, end] = [("beta_start", usual.start()), ("beta_end", usual.end())];
    let given = keys.get("trained_betas").map(|list| numbers("trained_betas", list)).transpose()?;
    let curve = if given.is_none() { curve(keys)? } else { Curve::Linear };
    let length = given.as_ref().map(Vec::len);
    let steps = keys.count("num_train_timesteps", length.unwrap_or(usual.steps()), 1, MAX_STEPS)?;
    if let Some(length) = length.filter(|&length| length != steps) {
        let (found, expected) = (vec![length], vec![steps]);
        return Err(Error::ShapeMismatch { name: "trained_betas", found, expected });
    }
    let [start, end] = [(start.0, keys.number(start.0, start.1)?), (end.0, keys.number(end.0, end.1)?)];
    let definition = match given {
        Some(betas) => Betas::new(betas)?.into(),
        None => Definition::new(curve, steps).beta_start(start.1).beta_end(end.1),
    };
    let rescaled = keys.flag("rescale_betas_zero_snr", false)?;
    if definition.curve().is_some_and(Curve::has_range) {
        for (name, value) in [start, end] {
            if !(value > 0.0 && value <= 1.0) {
                return Err(Error::OutOfRange { name, value, expected: "a number in (0, 1]" });
            }
        }
    }
    let chain = if rescaled { definition.with_zero_terminal_snr() } else { definition };
    chain.betas()?;
    Ok(chain)
}

/// The curve that `beta_schedule` names.
fn curve(keys: &Keys<'_>) -> Result<Curve> {
    let called = |curve: Curve| curve.diffusers_name().map(|name| (name, curve));
    let curves: Vec<(&str, Curve)> = Curve::ALL.into_iter().filter_map(called).collect();
    keys.name("beta_schedule", &curves, BETA_SCHEDULES)
}

/// What `beta_schedule` may be.
const BETA_SCHEDULES: &str = "linear, scaled_linear, squaredcos_cap_v2 or sigmoid";

/// The diffusers class that DPM-Solver++ 2M belongs to.
const MULTISTEP: &str = "DPMSolverMultistepScheduler";

/// Its options that name a solver, with the only choice that there is a plan for; all are the class's defaults.
const ONLY_2M: &[(&str, &str)] = &[
    ("algorithm_type", "dpmsolver++"),
    ("solver_order", "2"),
    ("solver_type", "midpoint"),
    ("final_sigmas_type", "zero"),
    ("use_karras_sigmas", "false"),
    ("use_exponential_sigmas", "false"),
    ("use_beta_sigmas", "false"),
    ("use_lu_lambdas", "false"),
    ("use_flow_sigmas", "false"),
];

const PREDICTIONS: &[(&str, Prediction)] =
    &[("epsilon", Prediction::Epsilon), ("sample", Prediction::X0), ("v_prediction", Prediction::V)];

const VARIANCES: &[(&str, VarianceType)] = &[
    ("fixed_small", VarianceType::FixedSmall),
    ("fixed_small_log", VarianceType::FixedSmall),
    ("fixed_large", VarianceType::FixedLarge),
    ("fixed_large_log", VarianceType::FixedLarge),
    ("learned_range", VarianceType::LearnedRange),
    ("learned", VarianceType::Learned),
];

const SPACINGS: &[(&str, Spacing)] =
    &[("leading", Spacing::Leading { offset: 0 }), ("linspace", Spacing::Linspace), ("trailing", Spacing::Trailing)];

fn object(text: &str) -> Result<Map<String, Value>> {
    let read = serde_json::from_str(text)
        .or_else(|error| serde_json::from_str(&python_json::quoted(text)).map_err(|_| syntax_error(&error)));
    match read? {
        Value::Object(keys) => Ok(keys),
        value => Err(Error::Unsupported { found: shown(&value), expected: "a JSON object with a scheduler's keys" }),
    }
}

/// The keys of the file; `null` is the same as absent.
struct Keys<'a>(&'a Map<String, Value>);

impl<'a> Keys<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn number(&self, key: &'static str, default: f64) -> Result<f64> {
        self.get(key).map_or(Ok(default), |value| value.as_f64().ok_or_else(|| wrong(key, value, "a number")))
    }

    fn count(&self, key: &'static str, default: usize, min: usize, max: usize) -> Result<usize> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let number = value.as_f64().ok_or_else(|| wrong(key, value, "a whole number"))?;
        if number.fract() != 0.0 || number < 0.0 || number > MAX_STEPS as f64 {
            return Err(Error::OutOfRange { name: key, value: number, expected: "a whole number from 0 to 1000000" });
        }
        let count = number as usize;
        if (min..=max).contains(&count) {
            Ok(count)
        } else {
            Err(Error::CountOutOfRange { name: key, value: count, min, max })
        }
    }

    fn flag(&self, key: &'static str, default: bool) -> Result<bool> {
        self.get(key).map_or(Ok(default), |value| value.as_bool().ok_or_else(|| wrong(key, value, "true or false")))
    }

    fn text(&self, key: &'static str) -> Result<Option<&'a str>> {
        self.get(key).map(|value| value.as_str().ok_or_else(|| wrong(key, value, "a string"))).transpose()
    }

    /// Refuses what a multistep scheduler may say that DPM-Solver++ 2M does not do.
    fn only_2m(&self) -> Result<()> {
        for (key, only) in ONLY_2M {
            let value =
                self.get(key).filter(|value| value.as_str().map_or(value.to_string(), str::to_owned) != *only);
            if let Some(value) = value {
                let expected =
                    "DPM-Solver++ 2M: dpmsolver++, order 2, midpoint, final sigma zero, the chain's own levels";
                return Err(wrong(key, value, expected));
            }
        }
        Ok(())
    }

    /// Refuses a bound on λ = ½ ln SNR that would keep the solver from the chain's noisiest times.
    fn whole_range(&self, schedule: &Schedule) -> Result<()> {
        let key = "lambda_min_clipped";
        let Some(value) = self.get(key).filter(|value| value.as_str() != Some("-Infinity")) else { return Ok(()) };
        let lowest = schedule.level(Timestep::new(schedule.len())).log_snr() / 2.0;
        if value.as_f64().ok_or_else(|| wrong(key, value, "a number"))? > lowest {
            return Err(wrong(key, value, "no more than the chain's lowest ½ ln SNR: every time is used"));
        }
        Ok(())
    }

    /// The meaning of a name, the table's first for an absent key.
    fn name<T: Clone>(&self, key: &'static str, table: &[(&str, T)], expected: &'static str) -> Result<T> {
        let Some(value) = self.get(key) else { return Ok(table[0].1.clone()) };
        let known = value.as_str().and_then(|text| table.iter().find(|(name, _)| *name == text));
        known.map(|(_, meaning)| meaning.clone()).ok_or_else(|| wrong(key, value, expected))
    }
}

fn numbers(key: &str, value: &Value) -> Result<Vec<f64>> {
    let list = value.as_array().ok_or_else(|| wrong(key, value, "a list of numbers"))?;
    list.iter().map(|entry| entry.as_f64().ok_or_else(|| wrong(key, entry, "numbers only"))).collect()
}

fn wrong(key: &str, value: &Value, expected: &'static str) -> Error {
    Error::Unsupported { found: format!("{key} = {}", shown(value)), expected }
}

/// The value as JSON, cut short.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { text.chars().take(57).chain("...".chars()).collect() }
}

fn syntax_error(error: &serde_json::Error) -> Error {
    let (line, column, reason) = (error.line(), error.column(), error.to_string());
    Error::Syntax { what: "the scheduler configuration", line, column, reason }
}

#[cfg(test)]
mod tests {
    use super::{BETA_SCHEDULES, Clip, Curve, Definition, Prediction, Scheduler, Spacing, VarianceType};
    use crate::error::Error;

    #[test]
    fn absent_keys_and_null_have_diffusers_defaults_and_unknown_keys_do_not_matter() {
        let want = Scheduler::default();
        for text in ["{}", "{\"beta_start\": null, \"dynamo\": [1]}"] {
            assert_eq!(Scheduler::from_json(text).unwrap(), want);
        }
        assert_eq!((want.trained_steps(), want.clip, want.data_is_clean), (1000, Clip::Range { bound: 1.0 }, true));
    }

    #[test]
    fn every_key_is_read() {
        let text = r#"{"_class_name": "DDPMScheduler", "num_train_timesteps": 10, "beta_schedule": "scaled_linear",
            "beta_start": 0.1, "beta_end": 0.2, "prediction_type": "v_prediction", "variance_type": "learned_range",
            "thresholding": true, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 3,
            "timestep_spacing": "leading", "steps_offset": 1, "rescale_betas_zero_snr": true,
            "set_alpha_to_one": false}"#;
        let got = Scheduler::from_json(text).unwrap();
        let want = Scheduler {
            class_name: Some("DDPMScheduler".into()),
            chain: Definition::scaled_linear(10).beta_start(0.1).beta_end(0.2).with_zero_terminal_snr(),
            prediction: Prediction::V,
            variance: VarianceType::LearnedRange,
            clip: Clip::Quantile { fraction: 0.9, max: 3.0 },
            clip_bound: 1.0,
            spacing: Spacing::Leading { offset: 1 },
            steps_offset: 1,
            data_is_clean: false,
        };
        assert_eq!(got, want);
        assert!(got.schedule().unwrap().betas().as_slice()[9] >= 1.0);
    }

    #[test]
    fn a_multistep_scheduler_has_its_own_defaults_and_is_refused_if_it_is_another_solver() {
        let read =
            |more: &str| Scheduler::from_json(&format!("{{\"_class_name\": \"DPMSolverMultistepScheduler\"{more}}}"));
        let plain = read("").unwrap();
        assert_eq!((&plain.spacing, plain.clip), (&Spacing::Linspace, Clip::None));
        let defaults =
            read(", \"solver_order\": 2, \"algorithm_type\": \"dpmsolver++\", \"use_karras_sigmas\": false");
        assert_eq!(defaults.unwrap().spacing, Spacing::Linspace);
        let trailing = read(", \"timestep_spacing\": \"trailing\", \"thresholding\": true").unwrap();
        assert_eq!(
            (trailing.spacing, trailing.clip),
            (Spacing::Trailing, Clip::Quantile { fraction: 0.995, max: 1.0 })
        );
        for fine in ["-Infinity", "-5.1", "null"] {
            assert_eq!(read(&format!(", \"lambda_min_clipped\": {fine}")).unwrap(), plain);
        }
        let error = read(", \"lambda_min_clipped\": -5.1, \"beta_schedule\": \"squaredcos_cap_v2\"").unwrap_err();
        assert!(error.to_string().contains("lambda_min_clipped = -5.1"), "{error}");
        for (key, value) in
            [("solver_order", "3"), ("algorithm_type", "\"sde-dpmsolver++\""), ("use_karras_sigmas", "true")]
        {
            let error = read(&format!(", \"{key}\": {value}")).unwrap_err();
            assert!(error.to_string().contains(key) && error.to_string().contains("2M"), "{error}");
        }
    }

    #[test]
    fn pythons_infinities_are_read_and_no_bounds() {
        for name in ["NaN", "-Infinity", "Infinity"] {
            let error = Scheduler::from_json(&format!("{{\n  \"beta_end\": {name}\n}}")).unwrap_err();
            assert!(error.to_string().contains(&format!("beta_end = \"{name}\"")), "{error}");
        }
        let error = Scheduler::from_json("{\"beta_end\": }").unwrap_err();
        assert!(error.to_string().contains("line 1, column 14"), "{error}");
    }

    #[test]
    fn every_curve_of_diffusers_is_read_by_its_name_and_no_other() {
        for curve in Curve::ALL {
            let read = |name: &str| Scheduler::from_json(&format!("{{\"beta_schedule\": \"{name}\"}}"));
            let Some(name) = curve.diffusers_name() else {
                assert!(read(curve.name()).is_err(), "{curve:?}");
                continue;
            };
            assert_eq!(read(name).unwrap().chain.curve(), Some(curve), "{name}");
            assert!(BETA_SCHEDULES.contains(name), "{name}");
        }
    }

    #[test]
    fn given_betas_set_the_number_of_steps_and_must_agree_with_it() {
        assert_eq!(Scheduler::from_json("{\"trained_betas\": [0.1, 0.2]}").unwrap().trained_steps(), 2);
        let error = Scheduler::from_json("{\"trained_betas\": [0.1, 0.2], \"num_train_timesteps\": 3}").unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { name: "trained_betas", .. }), "{error}");
    }
}
