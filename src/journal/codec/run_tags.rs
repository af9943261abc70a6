//! Records of the tags of runs, version 1; published, never to be edited. Below them, the way between them and the model.

use bincode::{Decode, Encode};

use crate::model::{NodeId, RunTags, Timestamp};

#[derive(Encode, Decode)]
pub(super) struct RunTagsV1 {
    run: u128,
    at_us: i64,
    tags: Vec<(String, String)>,
}

impl From<&RunTags> for RunTagsV1 {
    fn from(tags: &RunTags) -> Self {
        RunTagsV1 { run: tags.run.as_u128(), at_us: tags.at.micros(), tags: tags.tags.clone() }
    }
}

impl From<RunTagsV1> for RunTags {
    fn from(record: RunTagsV1) -> Self {
        RunTags {
            run: NodeId::from_u128(record.run),
            at: Timestamp::from_micros(record.at_us),
            tags: record.tags,
        }
    }
}
