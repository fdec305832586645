//! diffusers' `scheduler_config.json`: what it says about the chain a network was trained on and how to sample it.
//!
//! Keys that are unknown are ignored, keys that are absent have the default that diffusers' `DDPMScheduler` and
//! `DDIMScheduler` share (0.42). `variance_type` is read by DDPM alone and `set_alpha_to_one` by DDIM alone, as there.
//! What the rows of the table of samplers say of a class holds for its configurations: a `DPMSolverMultistepScheduler`
//! spaces linearly unless it says otherwise, knows no `clip_sample`, and has options that choose among solvers; those
//! that choose another than DPM-Solver++ 2M are refused.

#[cfg(feature = "serde")]
use super::METHODS;
#[cfg(feature = "serde")]
use super::config::Keys;
use super::{Clip, End, Method, Settings, Spacing};
#[cfg(feature = "serde")]
use crate::error::Error;
use crate::error::Result;
use crate::prediction::Prediction;
#[cfg(feature = "serde")]
use crate::schedule::{Betas, Curve, MAX_STEPS};
use crate::schedule::{Definition, Schedule};

/// A scheduler's configuration with every default filled in.
///
/// ```
/// use alphabar::plan::{Prediction, Recipe, Scheduler, Spacing};
/// let scheduler = Scheduler::default().prediction(Prediction::V).spacing(Spacing::Trailing);
/// assert_eq!(Recipe::configured(scheduler)?.steps(4).model_timesteps()?, [999, 749, 499, 249]);
/// # Ok::<(), alphabar::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scheduler {
    /// `_class_name`, if the file has one.
    pub class_name: Option<String>,
    /// The chain of βs: `num_train_timesteps`, `beta_schedule` with `beta_start` and `beta_end`, or `trained_betas`;
    /// `rescale_betas_zero_snr`.
    pub chain: Definition,
    /// `prediction_type`.
    pub prediction: Prediction,
    /// `thresholding` before `clip_sample`, as there.
    pub clip: Clip,
    /// The bound that clipping has when it is switched on (`clip_sample_range`).
    pub clip_bound: f64,
    /// `timestep_spacing` with `steps_offset`.
    pub spacing: Spacing,
    /// `steps_offset`, for a spacing chosen later.
    pub steps_offset: usize,
    /// `set_alpha_to_one`: whether the last step leads to the data.
    pub end: End,
    /// What the configuration says of the samplers' options, by their names (`variance_type` as `variance`).
    pub options: Settings,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            class_name: None,
            chain: Definition::linear(1000),
            prediction: Prediction::Epsilon,
            clip: Clip::Range { bound: 1.0 },
            clip_bound: 1.0,
            spacing: Spacing::Leading { offset: 0 },
            steps_offset: 0,
            end: End::Data,
            options: Settings::new(),
        }
    }
}

impl Scheduler {
    /// With a network that predicts this.
    #[must_use]
    pub fn prediction(self, prediction: Prediction) -> Self {
        Self { prediction, ..self }
    }

    /// With this clipping of x̂₀.
    #[must_use]
    pub fn clip(self, clip: Clip) -> Self {
        Self { clip, ..self }
    }

    /// With this spacing of the timesteps.
    #[must_use]
    pub fn spacing(self, spacing: Spacing) -> Self {
        Self { spacing, ..self }
    }

    /// With a last step that leads there (DDIM).
    #[must_use]
    pub fn end(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// The sampler that the configuration's class asks for, if there is one.
    #[must_use]
    pub fn method(&self) -> Option<&'static Method> {
        self.class_name.as_deref().and_then(Method::of_class).map(|(method, _)| method)
    }

    /// On this chain of βs.
    #[must_use]
    pub fn chain(self, chain: Definition) -> Self {
        Self { chain, ..self }
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

#[cfg(feature = "serde")]
impl Scheduler {
    /// Reads a `scheduler_config.json`.
    ///
    /// ```
    /// use alphabar::plan::{self, Prediction, Recipe, Scheduler};
    /// let text = r#"{"_class_name": "DDPMScheduler", "prediction_type": "v_prediction"}"#;
    /// let scheduler = Scheduler::from_json(text)?;
    /// assert_eq!(scheduler.prediction, Prediction::V);
    /// assert_eq!(Recipe::configured(scheduler)?.method, &plan::DDPM);
    /// # Ok::<(), alphabar::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Syntax`] if it is not JSON (NaN and Infinity may stand in it, as Python writes them);
    /// [`Error::Unsupported`] for a value of the wrong type and [`Error::NotOneOf`] for a word that is not known;
    /// [`Error::OutOfRange`], [`Error::EntryOutOfRange`] and [`Error::CountOutOfRange`] for numbers that cannot be meant.
    pub fn from_json(text: &str) -> Result<Self> {
        let keys = Keys::parse(text)?;
        let chain = chain(&keys)?;
        let class_name: Option<String> = keys.read("_class_name", "a string")?;
        let (method, class) = class_name.as_deref().and_then(Method::of_class).unzip();
        if let Some(class) = class {
            keys.requires(class)?;
            keys.whole_range(class, &chain.schedule()?)?;
        }
        let steps_offset = keys.count("steps_offset", 0, 0, MAX_STEPS)?;
        let clip_bound = keys.number("clip_sample_range", 1.0)?;
        let clip = if keys.flag("thresholding", false)? {
            let fraction = keys.number("dynamic_thresholding_ratio", 0.995)?;
            Clip::Quantile { fraction, max: keys.number("sample_max_value", 1.0)? }
        } else if class.is_none_or(|class| class.clips) && keys.flag("clip_sample", true)? {
            Clip::Range { bound: clip_bound }
        } else {
            Clip::None
        };
        let mut options = Settings::new();
        for (&of, option) in METHODS.iter().flat_map(|of| of.options.iter().map(move |option| (of, option))) {
            if let Some(setting) = keys.setting(option, method == Some(of))? {
                options.insert(option.name.into(), setting);
            }
        }
        let spacing = method.and_then(|method| method.spacing.clone()).unwrap_or(Spacing::Leading { offset: 0 });
        Ok(Self {
            class_name,
            prediction: keys.word("prediction_type", Prediction::Epsilon)?,
            clip,
            clip_bound,
            spacing: keys.word("timestep_spacing", spacing)?.with_offset(steps_offset),
            steps_offset,
            end: if keys.flag("set_alpha_to_one", true)? { End::Data } else { End::FirstTime },
            options,
            chain,
        })
    }

    /// Reads the chain of βs alone; keys that say how to sample may hold anything and have their defaults.
    ///
    /// # Errors
    /// As [`Scheduler::from_json`] for the keys that are read.
    pub fn chain_from_json(text: &str) -> Result<Self> {
        Ok(Self { chain: chain(&Keys::parse(text)?)?, ..Self::default() })
    }
}

/// The chain of βs that the keys define.
#[cfg(feature = "serde")]
fn chain(keys: &Keys) -> Result<Definition> {
    let usual = Definition::linear(1000);
    let [start, end] = [("beta_start", usual.start()), ("beta_end", usual.end())];
    let given = keys.numbers("trained_betas")?;
    let curve = if given.is_none() { keys.name("beta_schedule", &curves(), Curve::Linear)? } else { Curve::Linear };
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

/// What `beta_schedule` may be.
#[cfg(feature = "serde")]
fn curves() -> Vec<(&'static str, Curve)> {
    let called = |curve: Curve| curve.diffusers_name().map(|name| (name, curve));
    Curve::ALL.into_iter().filter_map(called).collect()
}

#[cfg(test)]
#[cfg(feature = "serde")]
mod tests {
    use super::{Clip, Curve, Definition, End, METHODS, Prediction, Scheduler, Spacing, curves};
    use crate::error::Error;
    use crate::plan::{DPM_SOLVER_PLUS_PLUS_2M, Key, Recipe, ReverseVariance, Setting, Values, Words};

    #[test]
    fn absent_keys_and_null_have_diffusers_defaults_and_unknown_keys_do_not_matter() {
        let want = Scheduler::default();
        for text in ["{}", "{\"beta_start\": null, \"dynamo\": [1]}"] {
            assert_eq!(Scheduler::from_json(text).unwrap(), want);
        }
        assert_eq!((want.trained_steps(), want.clip, want.end), (1000, Clip::Range { bound: 1.0 }, End::Data));
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
            clip: Clip::Quantile { fraction: 0.9, max: 3.0 },
            clip_bound: 1.0,
            spacing: Spacing::Leading { offset: 1 },
            steps_offset: 1,
            end: End::FirstTime,
            options: [("variance".into(), Setting::Word("learned".into()))].into(),
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
        // Every row of what the class must say.
        for &(key, only) in DPM_SOLVER_PLUS_PLUS_2M.classes[0].requires {
            let json = if only.parse::<f64>().is_ok() || only == "false" { only.into() } else { format!("{only:?}") };
            assert_eq!(read(&format!(", \"{key}\": {json}")).unwrap(), plain, "{key}");
            for other in ["\"another\"", "3", "true"] {
                let error = read(&format!(", \"{key}\": {other}")).unwrap_err().to_string();
                assert_eq!(
                    error,
                    format!("{key} = {other} for DPMSolverMultistepScheduler is not supported; expected {only}")
                );
            }
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
            assert!(curves().contains(&(name, curve)), "{name}");
        }
    }

    #[test]
    fn given_betas_set_the_number_of_steps_and_must_agree_with_it() {
        assert_eq!(Scheduler::from_json("{\"trained_betas\": [0.1, 0.2]}").unwrap().trained_steps(), 2);
        let error = Scheduler::from_json("{\"trained_betas\": [0.1, 0.2], \"num_train_timesteps\": 3}").unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { name: "trained_betas", .. }), "{error}");
    }

    /// A configuration of one word, and an error that lists every word for one that is not known.
    fn meanings<T: PartialEq + std::fmt::Debug>(key: &str, of: impl Fn(Scheduler) -> T, want: &[(&str, T)]) {
        for (word, meaning) in want {
            let got = Scheduler::from_json(&format!("{{\"{key}\": \"{word}\"}}")).unwrap();
            assert_eq!(of(got), *meaning, "{key} = {word}");
        }
        let error = Scheduler::from_json(&format!("{{\"{key}\": \"nobody\"}}")).unwrap_err();
        let Error::NotOneOf { name, found, known } = &error else { panic!("{error}") };
        assert_eq!((name.as_str(), found.as_str()), (key, "\"nobody\""));
        let words: Vec<&str> = want.iter().map(|(word, _)| *word).collect();
        assert_eq!(known, &words, "every word of the table has a meaning here");
    }

    /// Meanings as diffusers documents them, written here a second time: a word mapped to another meaning fails.
    #[test]
    fn every_word_has_its_meaning() {
        use crate::prediction::Prediction as P;
        meanings(
            "prediction_type",
            |s| s.prediction,
            &[("epsilon", P::Epsilon), ("sample", P::X0), ("v_prediction", P::V)],
        );
        let spacings = [
            ("leading", Spacing::Leading { offset: 0 }),
            ("linspace", Spacing::Linspace),
            ("trailing", Spacing::Trailing),
        ];
        meanings("timestep_spacing", |s| s.spacing, &spacings);
        let variance = |scheduler: Scheduler| match scheduler.options.get("variance") {
            Some(Setting::Word(word)) => ReverseVariance::from_word(word),
            _ => None,
        };
        let variances = [
            ("fixed_large", Some(ReverseVariance::Beta)),
            ("fixed_large_log", Some(ReverseVariance::Beta)),
            ("fixed_small", Some(ReverseVariance::BetaTilde)),
            ("fixed_small_log", Some(ReverseVariance::BetaTilde)),
            ("learned_range", Some(ReverseVariance::LearnedRange)),
            ("learned", Some(ReverseVariance::Learned)),
        ];
        meanings("variance_type", variance, &variances);
    }

    #[test]
    fn the_configurations_variance_reaches_the_plan_and_a_recipes_own_comes_before_it() {
        let read = |word: &str| {
            let text = format!("{{\"_class_name\": \"DDPMScheduler\", \"variance_type\": \"{word}\"}}");
            Recipe::configured(Scheduler::from_json(&text).unwrap()).unwrap().steps(5)
        };
        let (large, small) = (read("fixed_large_log"), read("fixed_small_log"));
        assert_ne!(large.plan().unwrap(), small.plan().unwrap());
        assert_eq!(small.variance(ReverseVariance::Beta).plan(), large.plan());
        assert!(read("learned_range").plan().unwrap().needs_learned_variance());
        assert!(read("learned").plan().unwrap_err().to_string().contains("learned_range"));
    }

    #[test]
    fn every_class_asks_for_its_sampler() {
        let want = [
            ("DDPMScheduler", "ddpm", true, Spacing::Leading { offset: 0 }),
            ("DDIMScheduler", "ddim", true, Spacing::Leading { offset: 0 }),
            ("DPMSolverMultistepScheduler", "dpm++2m", false, Spacing::Linspace),
        ];
        let classes: Vec<&str> = METHODS.iter().flat_map(|method| method.classes).map(|class| class.name).collect();
        assert_eq!(classes, want.each_ref().map(|row| row.0));
        for (class, name, clips, spacing) in want {
            let scheduler = Scheduler::from_json(&format!("{{\"_class_name\": \"{class}\"}}")).unwrap();
            assert_eq!((scheduler.clip != Clip::None, &scheduler.spacing), (clips, &spacing), "{class}");
            assert_eq!(Recipe::configured(scheduler).unwrap().method.name, name);
        }
        let scheduler = Scheduler::from_json("{\"_class_name\": \"PNDMScheduler\"}").unwrap();
        let error = Recipe::configured(scheduler).unwrap_err().to_string();
        let want = "_class_name = \"PNDMScheduler\" is not supported; expected DDPMScheduler, DDIMScheduler or \
                    DPMSolverMultistepScheduler";
        assert_eq!(error, want);
    }

    #[test]
    fn the_table_is_sound() {
        let mut names: Vec<&str> = Vec::new();
        for method in METHODS {
            names.extend([method.name].iter().chain(method.aliases));
            names.extend(method.classes.iter().map(|class| class.name));
            assert!(method.guided.as_ref().is_none_or(|guided| method.option(guided.option.name).is_some()));
            for option in method.options {
                assert_eq!(option.checked(&option.default()), Ok(option.default()), "{}", option.name);
                // The command line has one reader a name.
                let alike = METHODS.iter().filter_map(|other| other.option(option.name));
                let kind = std::mem::discriminant(&option.values);
                assert!(alike.map(|other| std::mem::discriminant(&other.values)).all(|other| other == kind));
                let configured = matches!(option.key, Some(Key::OfAnyClass(_) | Key::OfOwnClasses(_)));
                if let (true, Values::Words { choices, .. }) = (configured, option.values) {
                    assert!(choices().iter().all(|choice| !choice.diffusers.is_empty()), "{}", option.name);
                }
            }
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "a name means one sampler");
    }

    #[test]
    fn options_are_refused_by_samplers_that_do_not_take_them_and_out_of_range() {
        use crate::plan::{DDIM, DPM_SOLVER, HEUN};
        let text = |recipe: Recipe| recipe.plan().unwrap_err().to_string();
        assert_eq!(text(Recipe::new(&HEUN).eta(0.5)), "eta applies to ddim only, not to heun");
        assert_eq!(
            text(Recipe::new(&HEUN).previous(super::super::Previous::Stride)),
            "previous applies to ddpm and ddim only, not to heun"
        );
        assert!(text(Recipe::new(&HEUN).option("magic", 1.0)).contains("no option of heun"));
        assert!(text(Recipe::new(&DDIM).option("eta", "much")).contains("a number"));
        assert!(text(Recipe::new(&DDIM).option("clipped-epsilon", 1.0)).contains("a word"));
        for order in [0.0, 4.0, 1.5, f64::NAN] {
            assert!(text(Recipe::new(&DPM_SOLVER).option("solver-order", order)).starts_with("solver-order is"));
        }
    }
}
