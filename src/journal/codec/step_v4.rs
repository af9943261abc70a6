//! Version 4 of a step: one of an earlier version, and what git has of the data that it read. Published, never to be edited.
//! Below it, the way between it and the model.

use bincode::{Decode, Encode};

use super::{Fault, STEP, decode_parts, encode_parts};
use crate::error::Result;
use crate::model::{Fact, Role, Step};

#[derive(Encode, Decode)]
pub(super) struct StepV4 {
    /// A version before this one.
    version: u8,
    /// The step as a record of that version, to which all these files are data.
    step: Vec<u8>,
    /// What git tracks of what was read, by number, and whether it is as in the commit.
    tracked: Vec<(u32, bool)>,
}

const THIS: u8 = 4;

/// Returns true for a step that no earlier version can hold.
pub(super) fn is_needed(step: &Step) -> bool {
    step.used.iter().any(|edge| is_as_committed(edge.role).is_some())
}

fn is_as_committed(role: Role) -> Option<bool> {
    match role {
        Role::DataTracked => Some(true),
        Role::DataChanged => Some(false),
        _ => None,
    }
}

impl StepV4 {
    pub(super) fn new(step: &Step) -> Result<Self> {
        let mut plain = step.clone();
        let mut tracked = Vec::new();
        for (number, edge) in plain.used.iter_mut().enumerate() {
            if let Some(is_as_committed) = is_as_committed(edge.role) {
                tracked.push((number as u32, is_as_committed));
                edge.role = Role::Data;
            }
        }
        let (_, version, step) = encode_parts(&Fact::StepDone(plain))?;
        Ok(StepV4 { version, step, tracked })
    }
}

impl TryFrom<StepV4> for Step {
    type Error = Fault;

    fn try_from(record: StepV4) -> Result<Self, Fault> {
        let damaged = |what: &str| Err(Fault::Damaged(what.to_owned()));
        if record.version >= THIS {
            return damaged("a step holds no step of an earlier version");
        }
        let Fact::StepDone(mut step) = decode_parts(STEP, record.version, &record.step)? else {
            return damaged("a step holds something else");
        };
        for (number, is_as_committed) in record.tracked {
            match step.used.get_mut(number as usize) {
                Some(edge) if edge.role == Role::Data => {
                    edge.role = if is_as_committed { Role::DataTracked } else { Role::DataChanged };
                }
                _ => return damaged("git tracks what was not read as data"),
            }
        }
        Ok(step)
    }
}
