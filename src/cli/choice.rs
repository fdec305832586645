//! Choices on the command line that are derived from the library's tables of names.

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::schedule::Curve;

/// A curve of β by any name that [`Curve::from_name`] takes; help and errors list the published ones.
#[derive(Clone)]
pub struct CurveParser;

impl TypedValueParser for CurveParser {
    type Value = Curve;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Curve, clap::Error> {
        let text = value.to_string_lossy();
        Curve::from_name(&text).ok_or_else(|| {
            let mut error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(command);
            if let Some(argument) = argument {
                error.insert(ContextKind::InvalidArg, ContextValue::String(argument.to_string()));
            }
            error.insert(ContextKind::InvalidValue, ContextValue::String(text.into_owned()));
            let names = Curve::ALL.map(|curve| curve.name().to_owned()).to_vec();
            error.insert(ContextKind::ValidValue, ContextValue::Strings(names));
            error
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |curve: Curve| {
            let further = curve.diffusers_name().into_iter().chain(curve.aliases().iter().copied());
            PossibleValue::new(curve.name()).aliases(further)
        };
        Some(Box::new(Curve::ALL.into_iter().map(value)))
    }
}

#[cfg(test)]
mod tests {
    use clap::builder::TypedValueParser as _;

    use super::{Curve, CurveParser};

    #[test]
    fn the_choices_are_the_curves() {
        let choices: Vec<_> = CurveParser.possible_values().unwrap().collect();
        assert_eq!(choices.len(), Curve::ALL.len());
        for (choice, curve) in choices.iter().zip(Curve::ALL) {
            for name in choice.get_name_and_aliases() {
                let parsed = CurveParser.parse_ref(&clap::Command::new("x"), None, name.as_ref());
                assert_eq!(parsed.unwrap(), curve, "{name}");
            }
        }
        let argument = clap::Arg::new("schedule").long("schedule").value_parser(CurveParser);
        let parsed = clap::Command::new("x").arg(argument).try_get_matches_from(["x", "--schedule", "exotic"]);
        let error = parsed.unwrap_err().to_string();
        assert!(Curve::ALL.iter().all(|curve| error.contains(curve.name())), "{error}");
    }
}
