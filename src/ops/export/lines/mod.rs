//! The lines of a backup: every fact as one JSON object, format 2.
//!
//! ```text
//! {"lineage_facts":{"format":2,"program":"0.1.0"}}                 the first line
//! {"run_started":{…}} {"run_outcome":{…}} {"step_done":{…}} …       one fact a line
//! {"end":{"facts":3,"digest":"blake3:…"}}                           the last line: how many facts, and the digest of all
//!                                                                   bytes before it; the digest may be left out
//! ```
//! | line | fact | said of |
//! |---|---|---|
//! | `run_started` | a run began: command, parameters, state of the code, machine | a run |
//! | `run_outcome` | how it ended; of a run that was taken up again, one for each time | `run` |
//! | `step_done` | a step with the files it used and generated, each with time, evidence and role | `run` |
//! | `metrics` | points of metrics: name, step, time, value | `owner`: a run, a step or a model version |
//! | `parameters_said` | parameters said after the start | `run` |
//! | `run_tagged` | tags that a run was given; of one name the last counts | `run` |
//! | `repository_read` | it read files of a git repository: its root and the state of its code | `run` |
//! | `remarked` | how completely a run was observed, and what its record lacks | `run` |
//! | `model_registered` | a version of a model: its run, files, metrics, description | a model version |
//! | `model_changed` | it was `staged`, `edited` or `deleted`, by whom and why | `model` |
//! | `model_named` | an alias was given to a version, or to none any more | `name` |
//! | `note_read` | a research document as it was read: what it names, and its faults | a document |
//! | `note_gone` | it was found gone | `path` |
//! | `file_overwritten` | it was written over by a command of lineage, which kept what lay there | `path` of `artifact` |
//! | `link_seen` | a version of it is a symbolic link with this text | `path` |
//! | `record` | only read: in format 1, any fact on models, notes and tags, in hexadecimal as the journal has it | |
//!
//! Ids are UUIDs, segments 32 hexadecimal digits, times whole microseconds since 1970 (UTC) in fields that end in `_us`, digests
//! `blake3:<hex>`. A path is a string where it is UTF-8, and otherwise `{"hex":"…"}`. Names with values (parameters, tags,
//! metrics of a model) are lists of pairs, in order, since a name may stand twice. Enumerations stand as the words that
//! `lineage` shows. What is not known is `null`. A field or a word that this program does not know is refused: nothing is
//! taken over that it would not give back.

mod links;
mod models;
mod notes;
mod overwritten;
mod runs;
mod said;
mod steps;
mod words;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::journal;
use crate::model::Fact;
use links::{LinkLine, link_line};
use models::{AliasLine, ChangeLine, ModelLine, alias_line, change_line, model_line};
use notes::{GoneLine, NoteLine, gone_line, note_line};
use overwritten::{OverwrittenLine, overwritten_line};
use runs::{OutcomeLine, RepositoryLine, RunLine, outcome_line, repository_line, run_line};
use said::{RemarksLine, SaidLine, TagsLine, remarks_line, said_line, tags_line};
use steps::{MetricsLine, StepLine, metrics_line, step_line};
use words::unhex;

/// As many points stand in one line.
const POINTS_MAX: usize = 10_000;

/// The format that this program writes; it reads the ones before it too.
pub const FORMAT: u64 = 2;

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
    /// Tags that a run was given.
    RunTagged(TagsLine),
    /// A run read files of a repository.
    RepositoryRead(RepositoryLine),
    /// A version of a model was registered.
    ModelRegistered(ModelLine),
    /// Something became of it.
    ModelChanged(ChangeLine),
    /// A name was given to a version, or taken away.
    ModelNamed(AliasLine),
    /// A document was read.
    NoteRead(NoteLine),
    /// A document was found gone.
    NoteGone(GoneLine),
    /// A file was written over.
    FileOverwritten(OverwrittenLine),
    /// A version of a file is a symbolic link.
    LinkSeen(LinkLine),
    /// A fact of format 1 that had no line of its own there: kind, version and payload as the journal has them.
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

/// What `record` stands for, in hexadecimal.
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
    pub fn of(fact: &Fact) -> Vec<Line> {
        vec![match fact {
            Fact::RunStarted(run) => Line::RunStarted(run_line(run)),
            Fact::RunOutcome(outcome) => Line::RunOutcome(outcome_line(outcome)),
            Fact::StepDone(step) => Line::StepDone(step_line(step)),
            Fact::Metrics(points) => {
                let of_owner = points.chunk_by(|a, b| a.owner == b.owner);
                let parts = of_owner.flat_map(|points| points.chunks(POINTS_MAX));
                return parts.map(|points| Line::Metrics(metrics_line(points))).collect();
            }
            Fact::ParametersSaid(said) => Line::ParametersSaid(said_line(said)),
            Fact::Remarked(remarks) => Line::Remarked(remarks_line(remarks)),
            Fact::RunTagged(tags) => Line::RunTagged(tags_line(tags)),
            Fact::RepositoryRead(repository) => Line::RepositoryRead(repository_line(repository)),
            Fact::ModelRegistered(model) => Line::ModelRegistered(model_line(model)),
            Fact::ModelChanged(change) => Line::ModelChanged(change_line(change)),
            Fact::ModelNamed(alias) => Line::ModelNamed(alias_line(alias)),
            Fact::NoteRead(note) => Line::NoteRead(note_line(note)),
            Fact::NoteGone(gone) => Line::NoteGone(gone_line(gone)),
            Fact::LinkSeen(link) => Line::LinkSeen(link_line(link)),
            Fact::FileOverwritten(overwritten) => Line::FileOverwritten(overwritten_line(overwritten)),
        }]
    }

    /// Reads the fact of a line.
    ///
    /// # Errors
    /// A request error that says what is wrong, or what this program does not know.
    pub fn into_fact(self) -> Result<Fact> {
        match self {
            Line::LineageFacts(_) | Line::End(_) => Err(Error::request("it holds no fact")),
            Line::RunStarted(line) => line.into_run().map(Fact::RunStarted),
            Line::RunOutcome(line) => line.into_outcome().map(Fact::RunOutcome),
            Line::StepDone(line) => line.into_step().map(Fact::StepDone),
            Line::Metrics(line) => line.into_points().map(Fact::Metrics),
            Line::ParametersSaid(line) => line.into_said().map(Fact::ParametersSaid),
            Line::Remarked(line) => line.into_remarks().map(Fact::Remarked),
            Line::RunTagged(line) => line.into_tags().map(Fact::RunTagged),
            Line::RepositoryRead(line) => line.into_repository().map(Fact::RepositoryRead),
            Line::ModelRegistered(line) => line.into_model().map(Fact::ModelRegistered),
            Line::ModelChanged(line) => line.into_change().map(Fact::ModelChanged),
            Line::ModelNamed(line) => line.into_alias().map(Fact::ModelNamed),
            Line::NoteRead(line) => line.into_note().map(Fact::NoteRead),
            Line::NoteGone(line) => line.into_gone().map(Fact::NoteGone),
            Line::LinkSeen(line) => line.into_link().map(Fact::LinkSeen),
            Line::FileOverwritten(line) => line.into_overwritten().map(Fact::FileOverwritten),
            Line::Record(line) => {
                let mut bytes = vec![line.kind, line.version];
                bytes.extend(unhex(&line.payload)?);
                journal::decode(&bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::words::path_text;
    use super::*;
    use crate::model::{ArtifactPath, Metric, MetricValue, NodeId, Timestamp};
    use crate::store::tests::world::{facts, tries};

    fn there_and_back(fact: &Fact) -> Vec<Fact> {
        let lines = Line::of(fact).into_iter();
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
                let back = there_and_back(&fact);
                let records = |facts: &[Fact]| facts.iter().map(|fact| journal::encode(fact).unwrap()).collect::<Vec<_>>();
                prop_assert_eq!(records(&back), records(&expected));
                prop_assert_eq!(back, expected);
            }
        }

        #[test]
        fn what_format_1_wrote_in_hexadecimal_is_read(facts in facts()) {
            for fact in facts {
                let record = journal::encode(&fact).unwrap();
                let digits: String = record[2..].iter().map(|byte| format!("{byte:02x}")).collect();
                let line = format!(r#"{{"record":{{"kind":{},"version":{},"payload":"{digits}"}}}}"#, record[0], record[1]);
                prop_assert_eq!(serde_json::from_str::<Line>(&line).unwrap().into_fact().unwrap(), fact);
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
            r#"{"note_gone":{"path":"a","at_us":1,"by":"me"}}"#,
            r#"{"model_changed":{"id":"x","model":"x","name":"","at_us":1,"by":"","reason":null,"act":{"burnt":{}}}}"#,
        ] {
            assert!(serde_json::from_str::<Line>(text).is_err(), "{text}");
        }
        for text in [
            r#"{"parameters_said":{"run":"../../x","at_us":1,"parameters":[]}}"#,
            r#"{"note_gone":{"path":"../a","at_us":1}}"#,
            r#"{"record":{"kind":63,"version":1,"payload":"00"}}"#,
            r#"{"record":{"kind":1,"version":1,"payload":"0"}}"#,
            r#"{"record":{"kind":1,"version":1,"payload":"zz"}}"#,
        ] {
            assert!(serde_json::from_str::<Line>(text).unwrap().into_fact().is_err(), "{text}");
        }
    }
}
