//! Records on runs that came after version 1: a run that runs another's command again, steps that say since when what they read
//! had lain there, parameters said later, remarks.
//! Published, never to be edited. Below them, the way between them and the model.

use bincode::{Decode, Encode};

use super::v1::{RunV1, StepV1};
use super::{Fault, by_code, code_of};
use crate::model::{
    CaptureLevel, NodeId, Parameter, Remark, RemarkKind, Remarks, Run, SaidParameters, Step, Timestamp,
};

/// Version 2 of a run's start: that of version 1, and the run it repeats.
#[derive(Encode, Decode)]
pub(super) struct RunV2 {
    run: RunV1,
    rerun_of: u128,
}

/// Version 3 of a run's start: that of version 1, the run it repeats, and which of its arguments are not UTF-8.
#[derive(Encode, Decode)]
pub(super) struct RunV3 {
    run: RunV1,
    rerun_of: Option<u128>,
    printed_arguments: Vec<u32>,
}

/// Version 2 of a step: that of version 1, and since when what it read had not been changed, by number and in microseconds.
#[derive(Encode, Decode)]
pub(super) struct StepV2 {
    step: StepV1,
    unchanged_since: Vec<(u32, i64)>,
}

#[derive(Encode, Decode)]
pub(super) struct SaidParametersV1 {
    run: u128,
    at_us: i64,
    parameters: Vec<Parameter>,
}

#[derive(Encode, Decode)]
pub(super) struct RemarksV1 {
    run: u128,
    at_us: i64,
    level: Option<u8>,
    remarks: Vec<RemarkV1>,
    omitted: u64,
}

#[derive(Encode, Decode)]
struct RemarkV1 {
    kind: u8,
    text: String,
    count: u64,
}

// ---- between these and the model ----

impl RunV2 {
    pub(super) fn new(run: &Run, rerun_of: NodeId) -> Self {
        RunV2 { run: RunV1::from(run), rerun_of: rerun_of.as_u128() }
    }
}

impl TryFrom<RunV2> for Run {
    type Error = Fault;

    fn try_from(record: RunV2) -> Result<Self, Fault> {
        let run = Run::try_from(record.run)?;
        Ok(Run { rerun_of: Some(NodeId::from_u128(record.rerun_of)), ..run })
    }
}

impl From<&Run> for RunV3 {
    fn from(run: &Run) -> Self {
        RunV3 {
            run: RunV1::from(run),
            rerun_of: run.rerun_of.map(NodeId::as_u128),
            printed_arguments: run.printed_arguments.clone(),
        }
    }
}

impl TryFrom<RunV3> for Run {
    type Error = Fault;

    fn try_from(record: RunV3) -> Result<Self, Fault> {
        let run = Run::try_from(record.run)?;
        let rerun_of = record.rerun_of.map(NodeId::from_u128);
        Ok(Run { rerun_of, printed_arguments: record.printed_arguments, ..run })
    }
}

impl From<&Step> for StepV2 {
    fn from(step: &Step) -> Self {
        let since = step.unchanged_since.iter().map(|(number, since)| (*number, since.micros()));
        StepV2 { step: StepV1::from(step), unchanged_since: since.collect() }
    }
}

impl TryFrom<StepV2> for Step {
    type Error = Fault;

    fn try_from(record: StepV2) -> Result<Self, Fault> {
        let since = record.unchanged_since.into_iter();
        let unchanged_since = since.map(|(number, us)| (number, Timestamp::from_micros(us))).collect();
        Ok(Step { unchanged_since, ..Step::try_from(record.step)? })
    }
}

impl From<&SaidParameters> for SaidParametersV1 {
    fn from(said: &SaidParameters) -> Self {
        SaidParametersV1 {
            run: said.run.as_u128(),
            at_us: said.at.micros(),
            parameters: said.parameters.clone(),
        }
    }
}

impl From<SaidParametersV1> for SaidParameters {
    fn from(said: SaidParametersV1) -> Self {
        SaidParameters {
            run: NodeId::from_u128(said.run),
            at: Timestamp::from_micros(said.at_us),
            parameters: said.parameters,
        }
    }
}

impl From<&Remarks> for RemarksV1 {
    fn from(remarks: &Remarks) -> Self {
        let remark = |remark: &Remark| RemarkV1 {
            kind: code_of(&RemarkKind::ALL, &remark.kind),
            text: remark.text.clone(),
            count: remark.count,
        };
        RemarksV1 {
            run: remarks.run.as_u128(),
            at_us: remarks.at.micros(),
            level: remarks.level.map(|level| code_of(&CaptureLevel::ALL, &level)),
            remarks: remarks.remarks.iter().map(remark).collect(),
            omitted: remarks.omitted,
        }
    }
}

impl TryFrom<RemarksV1> for Remarks {
    type Error = Fault;

    fn try_from(remarks: RemarksV1) -> Result<Self, Fault> {
        let remark = |remark: RemarkV1| {
            let kind = by_code(&RemarkKind::ALL, remark.kind, "kind of remark")?;
            Ok(Remark { kind, text: remark.text, count: remark.count })
        };
        let level = |code| by_code(&CaptureLevel::ALL, code, "level of capture");
        Ok(Remarks {
            run: NodeId::from_u128(remarks.run),
            at: Timestamp::from_micros(remarks.at_us),
            level: remarks.level.map(level).transpose()?,
            remarks: remarks.remarks.into_iter().map(remark).collect::<Result<_, Fault>>()?,
            omitted: remarks.omitted,
        })
    }
}
