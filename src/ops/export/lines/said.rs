//! Lines on what is said of a run: parameters, remarks, tags.

use serde::{Deserialize, Serialize};

use super::words::{node, word};
use crate::error::Result;
use crate::model::{
    CaptureLevel, Parameter, Remark, RemarkKind, Remarks, RunTags, SaidParameters, Timestamp,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaidLine {
    run: String,
    at_us: i64,
    parameters: Vec<Parameter>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemarksLine {
    run: String,
    at_us: i64,
    level: Option<String>,
    remarks: Vec<RemarkLine>,
    omitted: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemarkLine {
    kind: String,
    text: String,
    count: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagsLine {
    run: String,
    at_us: i64,
    tags: Vec<Parameter>,
}

pub(super) fn said_line(said: &SaidParameters) -> SaidLine {
    SaidLine { run: said.run.to_string(), at_us: said.at.micros(), parameters: said.parameters.clone() }
}

pub(super) fn tags_line(said: &RunTags) -> TagsLine {
    TagsLine { run: said.run.to_string(), at_us: said.at.micros(), tags: said.tags.clone() }
}

pub(super) fn remarks_line(remarks: &Remarks) -> RemarksLine {
    let line = |remark: &Remark| RemarkLine {
        kind: remark.kind.as_str().to_owned(),
        text: remark.text.clone(),
        count: remark.count,
    };
    RemarksLine {
        run: remarks.run.to_string(),
        at_us: remarks.at.micros(),
        level: remarks.level.map(|level| level.as_str().to_owned()),
        remarks: remarks.remarks.iter().map(line).collect(),
        omitted: remarks.omitted,
    }
}

impl SaidLine {
    pub(super) fn into_said(self) -> Result<SaidParameters> {
        let at = Timestamp::from_micros(self.at_us);
        Ok(SaidParameters { run: node(&self.run)?, at, parameters: self.parameters })
    }
}

impl TagsLine {
    pub(super) fn into_tags(self) -> Result<RunTags> {
        Ok(RunTags { run: node(&self.run)?, at: Timestamp::from_micros(self.at_us), tags: self.tags })
    }
}

impl RemarksLine {
    pub(super) fn into_remarks(self) -> Result<Remarks> {
        let remark = |line: RemarkLine| {
            Ok(Remark {
                kind: word(&RemarkKind::ALL, RemarkKind::as_str, &line.kind, "sort of remark")?,
                text: line.text,
                count: line.count,
            })
        };
        let level = |text: &str| word(&CaptureLevel::ALL, CaptureLevel::as_str, text, "level of observation");
        Ok(Remarks {
            run: node(&self.run)?,
            at: Timestamp::from_micros(self.at_us),
            level: self.level.as_deref().map(level).transpose()?,
            remarks: self.remarks.into_iter().map(remark).collect::<Result<_>>()?,
            omitted: self.omitted,
        })
    }
}
