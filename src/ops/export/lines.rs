//! The lines of a backup: every fact as one JSON object, format 1.
//!
//! ```text
//! {"lineage_facts":{"format":1,"program":"0.1.0"}}                 the first line
//! {"run_started":{…}} {"run_outcome":{…}} {"step_done":{…}} …       one fact a line
//! {"end":{"facts":3,"digest":"blake3:…"}}                           the last line: how many facts, and the digest of all
//!                                                                   bytes before it; the digest may be left out
//! ```
//! Ids are UUIDs, segments 32 hexadecimal digits, times whole microseconds since 1970 (UTC), digests `blake3:<hex>`. A path
//! is a string where it is UTF-8, and otherwise `{"hex":"…"}`. Enumerations stand as the words that `lineage` shows. A fact
//! that has no form of its own here stands as `record`: kind, version and payload as the journal has them, in hexadecimal.
//! A field or a word that this program does not know is refused: nothing is taken over that it would not give back.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::journal;
use crate::model::{
    Artifact, ArtifactPath, CaptureLevel, ChangeKind, ChangedFile, CodeState, Digest, Evidence, Fact,
    Generated, Metric, MetricValue, NodeId, Parameter, Remark, RemarkKind, Remarks, Role, Run, RunKind,
    RunOutcome, RunStatus, SaidParameters, Step, StepStatus, Submodule, Timestamp, Used,
};

/// As many points stand in one line.
const POINTS_MAX: usize = 10_000;

/// The format that this program writes.
pub const FORMAT: u64 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Line {
    /// The first.
    LineageFacts(Head),
    /// The last.
    End(End),
    /// A run started.
    RunStarted(RunLine),
    /// What became of a run.
    RunOutcome(OutcomeLine),
    /// A step was done.
    StepDone(StepLine),
    /// Points of metrics of one owner.
    Metrics(MetricsLine),
    /// Parameters said after a run's start.
    ParametersSaid(SaidLine),
    /// Remarks on the record of a run.
    Remarked(RemarksLine),
    /// Any other fact.
    Record(RecordLine),
}

/// What the first line says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pub format: u64,
    pub program: String,
}

/// What the last line says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    pub facts: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A path, UTF-8 or not.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum PathText {
    Text(String),
    Bytes { hex: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunLine {
    id: String,
    run_id: String,
    name: String,
    kind: String,
    arguments: Vec<String>,
    parameters: Vec<Parameter>,
    folder: String,
    code: CodeLine,
    started_at_us: i64,
    parent: Option<String>,
    rerun_of: Option<String>,
    recorder: String,
    host: String,
    segment: String,
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
pub(crate) struct StepLine {
    id: String,
    run: String,
    name: String,
    subject: String,
    status: String,
    reason: Option<String>,
    started_at_us: i64,
    ended_at_us: i64,
    parameters: Vec<Parameter>,
    key: Option<String>,
    cached_from: Option<String>,
    used: Vec<EdgeLine>,
    generated: Vec<EdgeLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgeLine {
    path: PathText,
    digest: String,
    size_bytes: u64,
    at_us: i64,
    evidence: String,
    role: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsLine {
    owner: String,
    points: Vec<PointLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PointLine {
    name: String,
    step: i64,
    at_us: i64,
    value: f64,
}

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
pub(crate) struct RecordLine {
    kind: u8,
    version: u8,
    payload: String,
}

// ---- from facts ----

impl Line {
    /// Writes a fact; points of metrics of several owners are several lines.
    ///
    /// # Errors
    /// A bug where the fact has no encoding.
    pub fn of(fact: &Fact) -> Result<Vec<Line>> {
        let line = match fact {
            Fact::RunStarted(run) => Line::RunStarted(run_line(run)),
            Fact::RunOutcome(outcome) => Line::RunOutcome(outcome_line(outcome)),
            Fact::StepDone(step) => Line::StepDone(step_line(step)),
            Fact::Metrics(points) => {
                let of_owner = points.chunk_by(|a, b| a.owner == b.owner);
                let parts = of_owner.flat_map(|points| points.chunks(POINTS_MAX));
                return Ok(parts.map(|points| Line::Metrics(metrics_line(points))).collect());
            }
            Fact::ParametersSaid(said) => Line::ParametersSaid(SaidLine {
                run: said.run.to_string(),
                at_us: said.at.micros(),
                parameters: said.parameters.clone(),
            }),
            Fact::Remarked(remarks) => Line::Remarked(remarks_line(remarks)),
            other => {
                let bytes = journal::encode(other)?;
                let [kind, version, payload @ ..] = bytes.as_slice() else {
                    return Err(Error::bug("a fact has an empty encoding"));
                };
                Line::Record(RecordLine { kind: *kind, version: *version, payload: hex(payload) })
            }
        };
        Ok(vec![line])
    }

    /// Reads the fact of a line; an owned reason where it holds what this program does not know.
    ///
    /// # Errors
    /// A request error that says what is wrong.
    pub fn into_fact(self) -> Result<Fact> {
        match self {
            Line::LineageFacts(_) | Line::End(_) => Err(Error::request("it holds no fact")),
            Line::RunStarted(line) => line.into_run().map(Fact::RunStarted),
            Line::RunOutcome(line) => line.into_outcome().map(Fact::RunOutcome),
            Line::StepDone(line) => line.into_step().map(Fact::StepDone),
            Line::Metrics(line) => line.into_points().map(Fact::Metrics),
            Line::ParametersSaid(line) => Ok(Fact::ParametersSaid(SaidParameters {
                run: node(&line.run)?,
                at: Timestamp::from_micros(line.at_us),
                parameters: line.parameters,
            })),
            Line::Remarked(line) => line.into_remarks().map(Fact::Remarked),
            Line::Record(line) => {
                let mut bytes = vec![line.kind, line.version];
                bytes.extend(unhex(&line.payload)?);
                journal::decode(&bytes)
            }
        }
    }
}

fn run_line(run: &Run) -> RunLine {
    RunLine {
        id: run.id.to_string(),
        run_id: run.run_id.to_string(),
        name: run.name.clone(),
        kind: run.kind.as_str().to_owned(),
        arguments: run.arguments.clone(),
        parameters: run.parameters.clone(),
        folder: run.folder.clone(),
        code: code_line(&run.code),
        started_at_us: run.started_at.micros(),
        parent: run.parent.map(|parent| parent.to_string()),
        rerun_of: run.rerun_of.map(|rerun| rerun.to_string()),
        recorder: run.recorder.clone(),
        host: run.host.clone(),
        segment: format!("{:032x}", run.segment),
    }
}

fn outcome_line(outcome: &RunOutcome) -> OutcomeLine {
    OutcomeLine {
        run: outcome.run.to_string(),
        at_us: outcome.at.micros(),
        status: outcome.status.as_str().to_owned(),
        exit_code: outcome.exit_code,
        reason: outcome.reason.clone(),
        code: outcome.code.as_ref().map(code_line),
        arguments: outcome.arguments.clone(),
        segment: format!("{:032x}", outcome.segment),
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

fn step_line(step: &Step) -> StepLine {
    let edge = |artifact: &Artifact, at: Timestamp, evidence: Evidence, role: Role| EdgeLine {
        path: path_text(&artifact.path),
        digest: artifact.digest.to_string(),
        size_bytes: artifact.size_bytes,
        at_us: at.micros(),
        evidence: evidence.as_str().to_owned(),
        role: role.as_str().to_owned(),
    };
    StepLine {
        id: step.id.to_string(),
        run: step.run.to_string(),
        name: step.name.clone(),
        subject: step.subject.clone(),
        status: step.status.as_str().to_owned(),
        reason: step.reason.clone(),
        started_at_us: step.started_at.micros(),
        ended_at_us: step.ended_at.micros(),
        parameters: step.parameters.clone(),
        key: step.key.map(|key| key.to_string()),
        cached_from: step.cached_from.map(|from| from.to_string()),
        used: step.used.iter().map(|used| edge(&used.artifact, used.at, used.evidence, used.role)).collect(),
        generated: step
            .generated
            .iter()
            .map(|generated| edge(&generated.artifact, generated.at, generated.evidence, generated.role))
            .collect(),
    }
}

fn metrics_line(points: &[Metric]) -> MetricsLine {
    let line = |point: &Metric| PointLine {
        name: point.name.clone(),
        step: point.step,
        at_us: point.at.micros(),
        value: point.value.get(),
    };
    MetricsLine {
        owner: points.first().map_or_else(String::new, |point| point.owner.to_string()),
        points: points.iter().map(line).collect(),
    }
}

fn remarks_line(remarks: &Remarks) -> RemarksLine {
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

fn path_text(path: &ArtifactPath) -> PathText {
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) => PathText::Text(text.to_owned()),
        Err(_) => PathText::Bytes { hex: hex(path.as_bytes()) },
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

// ---- to facts ----

fn unhex(text: &str) -> Result<Vec<u8>> {
    let wrong = || Error::request("its bytes are not written in hexadecimal digits");
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or_else(wrong);
    if !text.len().is_multiple_of(2) {
        return Err(wrong());
    }
    text.as_bytes().chunks_exact(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

fn node(text: &str) -> Result<NodeId> {
    let digits = text.replace('-', "");
    let right = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bits = u128::from_str_radix(&digits, 16).ok().filter(|_| right);
    bits.map(NodeId::from_u128).ok_or_else(|| Error::request(format!("`{}` is no id", shown(text))))
}

fn segment(text: &str) -> Result<u128> {
    node(text).map(NodeId::as_u128)
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}

fn word<T: Copy>(all: &[T], as_str: fn(T) -> &'static str, text: &str, what: &str) -> Result<T> {
    all.iter()
        .copied()
        .find(|one| as_str(*one) == text)
        .ok_or_else(|| Error::request(format!("`{}` is no {what} that this `lineage` knows", shown(text))))
}

fn digest(text: Option<&str>) -> Result<Option<Digest>> {
    text.map(str::parse).transpose()
}

impl PathText {
    fn into_path(self) -> Result<ArtifactPath> {
        match self {
            PathText::Text(text) => ArtifactPath::new(text),
            PathText::Bytes { hex } => ArtifactPath::from_bytes(unhex(&hex)?),
        }
    }
}

impl RunLine {
    fn into_run(self) -> Result<Run> {
        Ok(Run {
            id: node(&self.id)?,
            run_id: self.run_id.parse()?,
            name: self.name,
            kind: word(&RunKind::ALL, RunKind::as_str, &self.kind, "sort of run")?,
            arguments: self.arguments,
            parameters: self.parameters,
            folder: self.folder,
            code: self.code.into_code()?,
            started_at: Timestamp::from_micros(self.started_at_us),
            parent: self.parent.as_deref().map(node).transpose()?,
            rerun_of: self.rerun_of.as_deref().map(node).transpose()?,
            recorder: self.recorder,
            host: self.host,
            segment: segment(&self.segment)?,
        })
    }
}

impl OutcomeLine {
    fn into_outcome(self) -> Result<RunOutcome> {
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

impl CodeLine {
    fn into_code(self) -> Result<CodeState> {
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

impl StepLine {
    fn into_step(self) -> Result<Step> {
        let used = self.used.into_iter().map(|line| {
            let (artifact, at, evidence, role) = line.into_edge()?;
            Ok(Used { artifact, at, evidence, role })
        });
        let used = used.collect::<Result<Vec<_>>>()?;
        let generated = self.generated.into_iter().map(|line| {
            let (artifact, at, evidence, role) = line.into_edge()?;
            Ok(Generated { artifact, at, evidence, role })
        });
        Ok(Step {
            id: node(&self.id)?,
            run: node(&self.run)?,
            name: self.name,
            subject: self.subject,
            status: word(&StepStatus::ALL, StepStatus::as_str, &self.status, "status of a step")?,
            reason: self.reason,
            started_at: Timestamp::from_micros(self.started_at_us),
            ended_at: Timestamp::from_micros(self.ended_at_us),
            parameters: self.parameters,
            key: digest(self.key.as_deref())?,
            cached_from: self.cached_from.as_deref().map(node).transpose()?,
            used,
            generated: generated.collect::<Result<_>>()?,
        })
    }
}

impl EdgeLine {
    fn into_edge(self) -> Result<(Artifact, Timestamp, Evidence, Role)> {
        let artifact = Artifact {
            path: self.path.into_path()?,
            digest: self.digest.parse()?,
            size_bytes: self.size_bytes,
        };
        let evidence = word(&Evidence::ALL, Evidence::as_str, &self.evidence, "evidence")?;
        let role = word(&Role::ALL, Role::as_str, &self.role, "role of a file")?;
        Ok((artifact, Timestamp::from_micros(self.at_us), evidence, role))
    }
}

impl MetricsLine {
    fn into_points(self) -> Result<Vec<Metric>> {
        let owner = node(&self.owner)?;
        let point = |line: PointLine| {
            Ok(Metric {
                owner,
                name: line.name,
                step: line.step,
                at: Timestamp::from_micros(line.at_us),
                value: MetricValue::new(line.value)?,
            })
        };
        self.points.into_iter().map(point).collect()
    }
}

impl RemarksLine {
    fn into_remarks(self) -> Result<Remarks> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::tests::world::{facts, tries};

    fn there_and_back(fact: &Fact) -> Vec<Fact> {
        let lines = Line::of(fact).unwrap().into_iter();
        let texts = lines.map(|line| serde_json::to_string(&line).unwrap());
        texts.map(|text| serde_json::from_str::<Line>(&text).unwrap().into_fact().unwrap()).collect()
    }

    proptest! {
        #![proptest_config(tries(60))]

        #[test]
        fn every_fact_is_read_as_it_was_written(facts in facts()) {
            for fact in facts {
                let expected = match &fact {
                    Fact::Metrics(points) => {
                        points.chunk_by(|a, b| a.owner == b.owner).map(|points| Fact::Metrics(points.to_vec())).collect()
                    }
                    other => vec![other.clone()],
                };
                prop_assert_eq!(there_and_back(&fact), expected);
            }
        }

        #[test]
        fn every_number_and_every_path_is_read_as_it_was_written(
            value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
            step in any::<i64>(), path in proptest::collection::vec(1_u8..0x2e, 1..20), end in any::<u8>(),
        ) {
            let owner = NodeId::from_u128(u128::MAX / 3);
            let point = Metric { owner, name: "f1\n".to_owned(), step, at: Timestamp::from_micros(-step.max(1)), value: MetricValue::new(value).unwrap() };
            prop_assert_eq!(there_and_back(&Fact::Metrics(vec![point.clone()])), vec![Fact::Metrics(vec![point])]);
            let bytes = [b"a/b".as_slice(), &path, &[end.max(1), b'x']].concat();
            if let Ok(path) = ArtifactPath::from_bytes(bytes) {
                prop_assert_eq!(path_text(&path).into_path().unwrap(), path);
            }
        }
    }

    #[test]
    fn what_this_program_does_not_know_is_refused() {
        for text in [
            r#"{"run_vanished":{}}"#,
            r#"{"end":{"facts":1,"more":2}}"#,
            r#"{"parameters_said":{"run":"x","at_us":1,"parameters":[],"by":"me"}}"#,
            r#"{"metrics":{"owner":"x"}}"#,
        ] {
            assert!(serde_json::from_str::<Line>(text).is_err(), "{text}");
        }
        for text in [
            r#"{"parameters_said":{"run":"../../x","at_us":1,"parameters":[]}}"#,
            r#"{"record":{"kind":63,"version":1,"payload":"00"}}"#,
            r#"{"record":{"kind":1,"version":1,"payload":"0"}}"#,
            r#"{"record":{"kind":1,"version":1,"payload":"zz"}}"#,
        ] {
            assert!(serde_json::from_str::<Line>(text).unwrap().into_fact().is_err(), "{text}");
        }
    }
}
