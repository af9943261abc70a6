//! Records of files that were written over, version 1; published, never to be edited.

use bincode::{Decode, Encode};

use super::Fault;
use super::v1::ArtifactV1;
use crate::model::{Overwritten, Timestamp};

#[derive(Encode, Decode)]
pub(super) struct OverwrittenV1 {
    artifact: ArtifactV1,
    at_us: i64,
    command: String,
}

impl From<&Overwritten> for OverwrittenV1 {
    fn from(overwritten: &Overwritten) -> Self {
        OverwrittenV1 {
            artifact: ArtifactV1::from(&overwritten.artifact),
            at_us: overwritten.at.micros(),
            command: overwritten.command.clone(),
        }
    }
}

impl TryFrom<OverwrittenV1> for Overwritten {
    type Error = Fault;

    fn try_from(record: OverwrittenV1) -> Result<Self, Fault> {
        let artifact = record.artifact.try_into()?;
        Ok(Overwritten { artifact, at: Timestamp::from_micros(record.at_us), command: record.command })
    }
}
