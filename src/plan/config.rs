//! The keys of a `scheduler_config.json`, read one by one so that errors name key, value and what was expected.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Class, Key, MethodOption, Setting, Values, Word, Words};
use crate::error::{Error, Result};
use crate::python_json;
use crate::schedule::{MAX_STEPS, Schedule};

/// The keys of the file; `null` is the same as absent.
pub(super) struct Keys(Map<String, Value>);

impl Keys {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let read = serde_json::from_str(text)
            .or_else(|error| serde_json::from_str(&python_json::quoted(text)).map_err(|_| syntax_error(&error)));
        match read? {
            Value::Object(keys) => Ok(Self(keys)),
            value => {
                Err(Error::Unsupported { found: shown(&value), expected: "a JSON object with a scheduler's keys" })
            }
        }
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// The value of a key as its type; `None` if it is absent.
    pub(super) fn read<'a, T: Deserialize<'a>>(&'a self, key: &str, expected: &'static str) -> Result<Option<T>> {
        self.get(key).map(|value| T::deserialize(value).map_err(|_| wrong(key, value, expected))).transpose()
    }

    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64> {
        Ok(self.read(key, "a number")?.unwrap_or(default))
    }

    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>> {
        let Some(list) = self.read::<Vec<Value>>(key, "a list of numbers")? else { return Ok(None) };
        list.iter()
            .map(|entry| entry.as_f64().ok_or_else(|| wrong(key, entry, "numbers only")))
            .collect::<Result<_>>()
            .map(Some)
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool> {
        Ok(self.read(key, "true or false")?.unwrap_or(default))
    }

    pub(super) fn count(&self, key: &'static str, default: usize, min: usize, max: usize) -> Result<usize> {
        let Some(number) = self.read::<f64>(key, "a whole number")? else { return Ok(default) };
        if number.fract() != 0.0 || number < 0.0 || number > MAX_STEPS as f64 {
            return Err(Error::OutOfRange { name: key, value: number, expected: "a whole number from 0 to 1000000" });
        }
        let value = number as usize;
        let fits = (min..=max).contains(&value);
        if fits { Ok(value) } else { Err(Error::CountOutOfRange { name: key, value, min, max }) }
    }

    /// The meaning of a word in a table.
    pub(super) fn name<T: Clone>(&self, key: &str, table: &[(&'static str, T)], default: T) -> Result<T> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let known = value.as_str().and_then(|text| table.iter().find(|(name, _)| *name == text));
        let meaning = known.map(|(_, meaning)| meaning.clone());
        meaning.ok_or_else(|| not_one_of(key, value, table.iter().map(|(name, _)| *name).collect()))
    }

    /// The meaning of a word of an enum.
    pub(super) fn word<T: Words>(&self, key: &str, default: T) -> Result<T> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let known = |word: &'static Word<T>| word.choice.diffusers.iter().copied();
        value
            .as_str()
            .and_then(T::from_diffusers)
            .ok_or_else(|| not_one_of(key, value, T::WORDS.iter().flat_map(known).collect()))
    }

    /// What the configuration says of a sampler's option; `own` if it is of one of the sampler's classes.
    pub(super) fn setting(&self, option: &MethodOption, own: bool) -> Result<Option<Setting>> {
        let key = match option.key {
            Some(Key::OfAnyClass(key)) => key,
            Some(Key::OfOwnClasses(key)) if own => key,
            _ => return Ok(None),
        };
        let Some(value) = self.get(key) else { return Ok(None) };
        let setting = match option.values {
            Values::Words { choices, .. } => {
                let (choices, text) = (choices(), plain(value));
                let known = choices.iter().find(|choice| choice.diffusers.contains(&text.as_str()));
                let all = || choices.iter().flat_map(|choice| choice.diffusers).copied().collect();
                Setting::Word(known.ok_or_else(|| not_one_of(key, value, all()))?.name.into())
            }
            Values::Number { .. } | Values::Count { .. } => {
                Setting::Number(value.as_f64().ok_or_else(|| wrong(key, value, "a number"))?)
            }
        };
        option.checked(&setting).map(Some)
    }

    /// Refuses what a class may say that its sampler does not do.
    pub(super) fn requires(&self, class: &Class) -> Result<()> {
        for &(key, only) in class.requires {
            if let Some(value) = self.get(key).filter(|value| plain(value) != only) {
                let found = format!("{} for {}", shown(value), class.name);
                return Err(Error::NotOneOf { name: key.into(), found, known: vec![only] });
            }
        }
        Ok(())
    }

    /// Refuses a bound on λ = ½ ln SNR that would keep a solver from the chain's noisiest times.
    pub(super) fn whole_range(&self, class: &Class, schedule: &Schedule) -> Result<()> {
        let Some(key) = class.lambda_floor else { return Ok(()) };
        let Some(value) = self.get(key).filter(|value| value.as_str() != Some("-Infinity")) else { return Ok(()) };
        let lowest = schedule.level(schedule.last()).log_snr() / 2.0;
        if value.as_f64().ok_or_else(|| wrong(key, value, "a number"))? > lowest {
            return Err(wrong(key, value, "no more than the chain's lowest ½ ln SNR: every time is used"));
        }
        Ok(())
    }
}

fn wrong(key: &str, value: &Value, expected: &'static str) -> Error {
    Error::Unsupported { found: format!("{key} = {}", shown(value)), expected }
}

fn not_one_of(key: &str, value: &Value, known: Vec<&'static str>) -> Error {
    Error::NotOneOf { name: key.into(), found: shown(value), known }
}

/// A string without its quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
