//! The stages of models as the command line takes them.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};

use crate::model::Stage;

/// Takes any word, and lets completions offer the stages: what a wrong one is told is for whoever reads it to say.
#[derive(Clone)]
pub(super) struct StageWord;

impl TypedValueParser for StageWord {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        word: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, word)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Stage::ALL.into_iter().map(|stage| PossibleValue::new(stage.as_str()))))
    }
}
