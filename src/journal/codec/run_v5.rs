//! Version 5 of a run's start: that of version 4, which may not know where the streams led, and who started it. Published, never to
//! be edited. Below it, the way between it and the model.

use bincode::{Decode, Encode};

use super::Fault;
use super::run_v4::{StreamV1, stream_of};
use super::v1::RunV1;
use crate::model::{NodeId, Run};

#[derive(Encode, Decode)]
pub(super) struct RunV5 {
    run: RunV1,
    rerun_of: Option<u128>,
    printed_arguments: Vec<u32>,
    streams: Option<Vec<StreamV1>>,
    by: String,
}

/// Returns true for a run that no older version can hold.
pub(super) fn is_needed(run: &Run) -> bool {
    !run.by.is_empty()
}

impl From<&Run> for RunV5 {
    fn from(run: &Run) -> Self {
        RunV5 {
            run: RunV1::from(run),
            rerun_of: run.rerun_of.map(NodeId::as_u128),
            printed_arguments: run.printed_arguments.clone(),
            streams: run.streams.as_ref().map(|streams| streams.iter().map(StreamV1::from).collect()),
            by: run.by.clone(),
        }
    }
}

impl TryFrom<RunV5> for Run {
    type Error = Fault;

    fn try_from(record: RunV5) -> Result<Self, Fault> {
        let streams = record.streams.map(|streams| streams.into_iter().map(stream_of).collect());
        Ok(Run {
            rerun_of: record.rerun_of.map(NodeId::from_u128),
            printed_arguments: record.printed_arguments,
            streams: streams.transpose()?,
            by: record.by,
            ..Run::try_from(record.run)?
        })
    }
}
