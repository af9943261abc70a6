//! Version 3 of a step: what it removed, and how what it wrote goes back to what it read.
//! Published, never to be edited. Below it, the way between it and the model.

use bincode::{Decode, Encode};

use super::of_runs::StepV2;
use super::{Fault, by_code, code_of, path};
use crate::model::{Digest, Evidence, Removed, Step, StepAct, Timestamp};

/// That of version 2, its act and what it removed.
#[derive(Encode, Decode)]
pub(super) struct StepV3 {
    step: StepV2,
    act: u8,
    removed: Vec<RemovedV1>,
}

#[derive(Encode, Decode)]
struct RemovedV1 {
    path: Vec<u8>,
    content: Option<([u8; 32], u64)>,
    at_us: i64,
    evidence: u8,
}

// ---- between it and the model ----

/// What this version can say that a step did.
const ACTS: [StepAct; 3] = [StepAct::Made, StepAct::Moved, StepAct::Linked];

/// Returns true for a step that an older version cannot hold.
pub(super) fn is_needed(step: &Step) -> bool {
    step.act != StepAct::Made || !step.removed.is_empty()
}

impl From<&Step> for StepV3 {
    fn from(step: &Step) -> Self {
        let removed = |removed: &Removed| RemovedV1 {
            path: removed.path.as_bytes().to_vec(),
            content: removed.content.map(|(digest, size_bytes)| (*digest.as_bytes(), size_bytes)),
            at_us: removed.at.micros(),
            evidence: code_of(&Evidence::RECORDED, &removed.evidence),
        };
        StepV3 {
            step: StepV2::from(step),
            act: code_of(&ACTS, &step.act),
            removed: step.removed.iter().map(removed).collect(),
        }
    }
}

impl TryFrom<StepV3> for Step {
    type Error = Fault;

    fn try_from(record: StepV3) -> Result<Self, Fault> {
        let removed = |removed: RemovedV1| {
            Ok(Removed {
                path: path(removed.path)?,
                content: removed.content.map(|(digest, size_bytes)| (Digest::from_bytes(digest), size_bytes)),
                at: Timestamp::from_micros(removed.at_us),
                evidence: by_code(&Evidence::RECORDED, removed.evidence, "evidence")?,
            })
        };
        let act = by_code(&ACTS, record.act, "act of a step")?;
        let removed = record.removed.into_iter().map(removed).collect::<Result<_, Fault>>()?;
        let step = Step { act, removed, ..Step::try_from(record.step)? };
        // A store keeps the step without its files, so that none is as good as one for each.
        if act.is_one_to_one() && step.used.len() < step.generated.len() {
            return Err(Fault::Damaged("a step moved more files than it read".to_owned()));
        }
        Ok(step)
    }
}
