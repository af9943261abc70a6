//! Lines on runs: their starts and their ends.

use serde::{Deserialize, Serialize};

use super::words::{PathText, digest, node, path_text, segment, segment_text, word};
use crate::error::{Error, Result};
use crate::model::{
    ChangeKind, ChangedFile, CodeState, Parameter, Run, RunKind, RunOutcome, RunRepository, RunStatus,
    Stream, StreamWay, Submodule, Timestamp,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunLine {
    id: String,
    run_id: String,
    name: String,
    kind: String,
    arguments: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    printed_arguments: Vec<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    streams: Option<Vec<StreamLine>>,
    parameters: Vec<Parameter>,
    folder: String,
    code: CodeLine,
    started_at_us: i64,
    parent: Option<String>,
    rerun_of: Option<String>,
    recorder: String,
    host: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    by: String,
    segment: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamLine {
    number: u8,
    path: PathText,
    way: String,
    at_bytes: u64,
    same_as: Option<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeLine {
    repository: bool,
    commit: Option<String>,
    commit_short: Option<String>,
    branch: Option<String>,
    dirty: bool,
    changed: Vec<ChangedLine>,
    untracked: Vec<ChangedLine>,
    untracked_omitted: u64,
    patch: Option<String>,
    patch_omitted: Vec<String>,
    submodules: Vec<SubmoduleLine>,
    unreadable: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedLine {
    path: PathText,
    kind: String,
    digest: Option<String>,
    size_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmoduleLine {
    path: PathText,
    recorded: Option<String>,
    checked_out: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutcomeLine {
    run: String,
    at_us: i64,
    status: String,
    exit_code: Option<i32>,
    reason: Option<String>,
    code: Option<CodeLine>,
    arguments: Vec<String>,
    segment: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepositoryLine {
    run: String,
    at_us: i64,
    root: Option<PathText>,
    code: Option<CodeLine>,
}

pub(super) fn run_line(run: &Run) -> RunLine {
    RunLine {
        id: run.id.to_string(),
        run_id: run.run_id.to_string(),
        name: run.name.clone(),
        kind: run.kind.as_str().to_owned(),
        arguments: run.arguments.clone(),
        printed_arguments: run.printed_arguments.clone(),
        streams: run.streams.as_ref().map(|streams| streams.iter().map(stream_line).collect()),
        parameters: run.parameters.clone(),
        folder: run.folder.clone(),
        code: code_line(&run.code),
        started_at_us: run.started_at.micros(),
        parent: run.parent.map(|parent| parent.to_string()),
        rerun_of: run.rerun_of.map(|rerun| rerun.to_string()),
        recorder: run.recorder.clone(),
        host: run.host.clone(),
        by: run.by.clone(),
        segment: segment_text(run.segment),
    }
}

fn stream_line(stream: &Stream) -> StreamLine {
    StreamLine {
        number: stream.number,
        path: path_text(&stream.path),
        way: stream.way.as_str().to_owned(),
        at_bytes: stream.at_bytes,
        same_as: stream.same_as,
    }
}

pub(super) fn outcome_line(outcome: &RunOutcome) -> OutcomeLine {
    OutcomeLine {
        run: outcome.run.to_string(),
        at_us: outcome.at.micros(),
        status: outcome.status.as_str().to_owned(),
        exit_code: outcome.exit_code,
        reason: outcome.reason.clone(),
        code: outcome.code.as_ref().map(code_line),
        arguments: outcome.arguments.clone(),
        segment: segment_text(outcome.segment),
    }
}

pub(super) fn repository_line(repository: &RunRepository) -> RepositoryLine {
    RepositoryLine {
        run: repository.run.to_string(),
        at_us: repository.at.micros(),
        root: repository.root.as_ref().map(path_text),
        code: repository.code.as_ref().map(code_line),
    }
}

fn code_line(code: &CodeState) -> CodeLine {
    let changed = |files: &[ChangedFile]| {
        let line = |file: &ChangedFile| ChangedLine {
            path: path_text(&file.path),
            kind: file.kind.as_str().to_owned(),
            digest: file.digest.map(|digest| digest.to_string()),
            size_bytes: file.size_bytes,
        };
        files.iter().map(line).collect()
    };
    let submodule = |module: &Submodule| SubmoduleLine {
        path: path_text(&module.path),
        recorded: module.recorded.clone(),
        checked_out: module.checked_out.clone(),
    };
    CodeLine {
        repository: code.repository,
        commit: code.commit.clone(),
        commit_short: code.commit_short.clone(),
        branch: code.branch.clone(),
        dirty: code.dirty,
        changed: changed(&code.changed),
        untracked: changed(&code.untracked),
        untracked_omitted: code.untracked_omitted,
        patch: code.patch.map(|patch| patch.to_string()),
        patch_omitted: code.patch_omitted.clone(),
        submodules: code.submodules.iter().map(submodule).collect(),
        unreadable: code.unreadable.clone(),
    }
}

impl RunLine {
    pub(super) fn into_run(self) -> Result<Run> {
        let streams = self.streams.map(|lines| lines.into_iter().map(StreamLine::into_stream).collect());
        Ok(Run {
            id: node(&self.id)?,
            run_id: self.run_id.parse()?,
            name: self.name,
            kind: word(&RunKind::ALL, RunKind::as_str, &self.kind, "sort of run")?,
            arguments: self.arguments,
            printed_arguments: self.printed_arguments,
            streams: streams.transpose()?,
            parameters: self.parameters,
            folder: self.folder,
            code: self.code.into_code()?,
            started_at: Timestamp::from_micros(self.started_at_us),
            parent: self.parent.as_deref().map(node).transpose()?,
            rerun_of: self.rerun_of.as_deref().map(node).transpose()?,
            recorder: self.recorder,
            host: self.host,
            by: self.by,
            segment: segment(&self.segment)?,
        })
    }
}

impl StreamLine {
    fn into_stream(self) -> Result<Stream> {
        if self.number > 2 || self.same_as.is_some_and(|same| same >= self.number) {
            return Err(Error::request("a standard stream has a number that none has"));
        }
        Ok(Stream {
            number: self.number,
            path: self.path.into_path()?,
            way: word(&StreamWay::ALL, StreamWay::as_str, &self.way, "way of a stream")?,
            at_bytes: self.at_bytes,
            same_as: self.same_as,
        })
    }
}

impl OutcomeLine {
    pub(super) fn into_outcome(self) -> Result<RunOutcome> {
        Ok(RunOutcome {
            run: node(&self.run)?,
            at: Timestamp::from_micros(self.at_us),
            status: word(&RunStatus::ALL, RunStatus::as_str, &self.status, "status of a run")?,
            exit_code: self.exit_code,
            reason: self.reason,
            code: self.code.map(CodeLine::into_code).transpose()?,
            arguments: self.arguments,
            segment: segment(&self.segment)?,
        })
    }
}

impl RepositoryLine {
    pub(super) fn into_repository(self) -> Result<RunRepository> {
        Ok(RunRepository {
            run: node(&self.run)?,
            at: Timestamp::from_micros(self.at_us),
            root: self.root.map(PathText::into_path).transpose()?,
            code: self.code.map(CodeLine::into_code).transpose()?,
        })
    }
}

impl CodeLine {
    pub(super) fn into_code(self) -> Result<CodeState> {
        let changed = |files: Vec<ChangedLine>| {
            let file = |line: ChangedLine| {
                Ok(ChangedFile {
                    path: line.path.into_path()?,
                    kind: word(&ChangeKind::ALL, ChangeKind::as_str, &line.kind, "sort of change")?,
                    digest: digest(line.digest.as_deref())?,
                    size_bytes: line.size_bytes,
                })
            };
            files.into_iter().map(file).collect::<Result<Vec<_>>>()
        };
        let submodule = |line: SubmoduleLine| {
            Ok(Submodule {
                path: line.path.into_path()?,
                recorded: line.recorded,
                checked_out: line.checked_out,
            })
        };
        Ok(CodeState {
            repository: self.repository,
            commit: self.commit,
            commit_short: self.commit_short,
            branch: self.branch,
            dirty: self.dirty,
            changed: changed(self.changed)?,
            untracked: changed(self.untracked)?,
            untracked_omitted: self.untracked_omitted,
            patch: digest(self.patch.as_deref())?,
            patch_omitted: self.patch_omitted,
            submodules: self.submodules.into_iter().map(submodule).collect::<Result<_>>()?,
            unreadable: self.unreadable,
        })
    }
}
