//! Lines on files that were written over.

use serde::{Deserialize, Serialize};

use super::words::{ArtifactLine, artifact_line};
use crate::error::Result;
use crate::model::{Overwritten, Timestamp};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OverwrittenLine {
    artifact: ArtifactLine,
    at_us: i64,
    command: String,
}

pub(super) fn overwritten_line(overwritten: &Overwritten) -> OverwrittenLine {
    OverwrittenLine {
        artifact: artifact_line(&overwritten.artifact),
        at_us: overwritten.at.micros(),
        command: overwritten.command.clone(),
    }
}

impl OverwrittenLine {
    pub(super) fn into_overwritten(self) -> Result<Overwritten> {
        let (artifact, at) = (self.artifact.into_artifact()?, Timestamp::from_micros(self.at_us));
        Ok(Overwritten { artifact, at, command: self.command })
    }
}
