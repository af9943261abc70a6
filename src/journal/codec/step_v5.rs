//! Version 5 of a step: one of an earlier version that copied files. Published, never to be edited.
//! Below it, the way between it and the model.

use bincode::{Decode, Encode};

use super::{Fault, STEP, decode_parts, encode_parts};
use crate::error::Result;
use crate::model::{Fact, Step, StepAct};

#[derive(Encode, Decode)]
pub(super) struct StepV5 {
    /// A version before this one.
    version: u8,
    /// The step as a record of that version, in which all may have gone into all: the first file written is a copy of the first that
    /// was read, and so on.
    step: Vec<u8>,
}

const THIS: u8 = 5;

/// Returns true for a step that no earlier version can hold.
pub(super) fn is_needed(step: &Step) -> bool {
    step.act == StepAct::Copied
}

impl StepV5 {
    pub(super) fn new(step: &Step) -> Result<Self> {
        let plain = Step { act: StepAct::Made, ..step.clone() };
        let (_, version, step) = encode_parts(&Fact::StepDone(plain))?;
        Ok(StepV5 { version, step })
    }
}

impl TryFrom<StepV5> for Step {
    type Error = Fault;

    fn try_from(record: StepV5) -> Result<Self, Fault> {
        let damaged = |what: &str| Err(Fault::Damaged(what.to_owned()));
        if record.version >= THIS {
            return damaged("a step holds no step of an earlier version");
        }
        let Fact::StepDone(step) = decode_parts(STEP, record.version, &record.step)? else {
            return damaged("a step holds something else");
        };
        if step.act != StepAct::Made {
            return damaged("a step that copied did something else");
        }
        if step.used.len() < step.generated.len() {
            return damaged("a step copied more files than it read");
        }
        Ok(Step { act: StepAct::Copied, ..step })
    }
}
