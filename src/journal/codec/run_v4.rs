//! Version 4 of a run's start: that of version 3, and the files that the command's standard streams led to. Published, never to be
//! edited. Below it, the way between it and the model.

use bincode::{Decode, Encode};

use super::v1::RunV1;
use super::{Fault, by_code, code_of, path};
use crate::model::{NodeId, Run, Stream, StreamWay};

#[derive(Encode, Decode)]
pub(super) struct RunV4 {
    run: RunV1,
    rerun_of: Option<u128>,
    printed_arguments: Vec<u32>,
    streams: Vec<StreamV1>,
}

#[derive(Encode, Decode)]
pub(super) struct StreamV1 {
    number: u8,
    path: Vec<u8>,
    way: u8,
    at_bytes: u64,
    same_as: Option<u8>,
}

impl RunV4 {
    pub(super) fn new(run: &Run, streams: &[Stream]) -> Self {
        RunV4 {
            run: RunV1::from(run),
            rerun_of: run.rerun_of.map(NodeId::as_u128),
            printed_arguments: run.printed_arguments.clone(),
            streams: streams.iter().map(StreamV1::from).collect(),
        }
    }
}

impl From<&Stream> for StreamV1 {
    fn from(stream: &Stream) -> Self {
        StreamV1 {
            number: stream.number,
            path: stream.path.as_bytes().to_vec(),
            way: code_of(&StreamWay::ALL, &stream.way),
            at_bytes: stream.at_bytes,
            same_as: stream.same_as,
        }
    }
}

pub(super) fn stream_of(stream: StreamV1) -> Result<Stream, Fault> {
    if stream.number > 2 || stream.same_as.is_some_and(|same| same >= stream.number) {
        return Err(Fault::Damaged("a standard stream has a number that none has".to_owned()));
    }
    Ok(Stream {
        number: stream.number,
        path: path(stream.path)?,
        way: by_code(&StreamWay::ALL, stream.way, "way of a stream")?,
        at_bytes: stream.at_bytes,
        same_as: stream.same_as,
    })
}

impl TryFrom<RunV4> for Run {
    type Error = Fault;

    fn try_from(record: RunV4) -> Result<Self, Fault> {
        let run = Run::try_from(record.run)?;
        Ok(Run {
            rerun_of: record.rerun_of.map(NodeId::from_u128),
            printed_arguments: record.printed_arguments,
            streams: Some(record.streams.into_iter().map(stream_of).collect::<Result<_, Fault>>()?),
            ..run
        })
    }
}
