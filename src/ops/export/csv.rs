//! Tables, each one CSV file (RFC 4180), for whoever wants to look at them.
//!
//! | table | a row is | keys |
//! |---|---|---|
//! | `runs` | the start of a run | `id` |
//! | `outcomes` | an end of a run, or that it was taken up again | `run` |
//! | `steps` | a step | `id`, `run` |
//! | `edges` | a file that a step used or generated | `step`, `run`, `path` and `digest` |
//! | `metrics` | a point of a metric | `owner`, which is a run, a step or a model version |
//! | `parameters` | a parameter | `owner`, which is a run or a step |
//! | `remarks` | what the record of a run lacks, or is worth knowing of it | `run` |
//!
//! Those on models, tags and documents are in [`tables`].

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::Result;
use crate::model::{Artifact, Evidence, Fact, MetricValue, NodeId, Parameter, Role, Timestamp};
use crate::ops::export::cells::Cell;
use crate::ops::export::{facts_of, not_written, tables};
use crate::store::{RunNo, Snapshot};

/// Each table and its columns.
const TABLES: [(&str, &[&str]); 7] = [
    (
        "runs",
        &[
            "id",
            "run_id",
            "name",
            "kind",
            "started_at",
            "command",
            "folder",
            "commit",
            "branch",
            "dirty",
            "host",
        ],
    ),
    ("outcomes", &["run", "at", "status", "exit_code", "reason"]),
    ("steps", &["id", "run", "name", "subject", "status", "reason", "started_at", "ended_at", "cached_from"]),
    ("edges", &["step", "run", "direction", "path", "digest", "size_bytes", "at", "evidence", "role"]),
    ("metrics", &["owner", "name", "step", "at", "value"]),
    ("parameters", &["owner", "name", "value"]),
    ("remarks", &["run", "at", "kind", "text", "count"]),
];

/// Writes the tables of `runs`, of all where none is named, into `folder`, which is there; returns the files and how many rows each
/// has.
///
/// A text that a spreadsheet would take for a formula stands behind an apostrophe.
///
/// # Errors
/// A store error where a record is damaged or a file takes no more.
pub fn csv(snapshot: &Snapshot, runs: &[RunNo], folder: &Path) -> Result<Vec<(String, u64)>> {
    let create = |name: &str, columns: Vec<&str>| {
        let name = format!("{name}.csv");
        let file = File::create_new(folder.join(&name)).map_err(not_written)?;
        let mut table = Table { name, out: BufWriter::new(file), rows: 0 };
        table.write(&columns)?;
        Ok(table)
    };
    let own = TABLES.iter().map(|(name, columns)| create(name, columns.to_vec()));
    let shared = tables::SHAPES.iter().map(|shape| {
        let columns = shape.columns.iter().map(|(column, _)| *column);
        create(shape.name, columns.collect())
    });
    let mut all = Tables { own: own.collect::<Result<_>>()?, shared: shared.collect::<Result<_>>()? };
    facts_of(snapshot, runs, &mut |fact| all.add(snapshot, &fact))?;
    let tables = all.own.into_iter().chain(all.shared);
    tables.map(Table::finish).collect()
}

struct Table {
    /// The name of its file.
    name: String,
    out: BufWriter<File>,
    rows: u64,
}

impl Table {
    fn write<T: AsRef<str>>(&mut self, fields: &[T]) -> Result<()> {
        let mut line = String::new();
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                line.push(',');
            }
            line.push_str(&cell(field.as_ref()));
        }
        line.push_str("\r\n");
        self.rows += 1;
        self.out.write_all(line.as_bytes()).map_err(not_written)
    }

    fn finish(self) -> Result<(String, u64)> {
        let file = self.out.into_inner().map_err(|error| not_written(error.into_error()))?;
        file.sync_all().map_err(not_written)?;
        // The first row names the columns.
        Ok((self.name, self.rows - 1))
    }
}

/// Writes one field: quoted where it must be, and behind an apostrophe where a spreadsheet would calculate it.
fn cell(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

struct Tables {
    own: Vec<Table>,
    shared: Vec<Table>,
}

impl Tables {
    fn row(&mut self, table: usize, fields: &[String]) -> Result<()> {
        debug_assert_eq!(TABLES[table].1.len(), fields.len());
        self.own[table].write(fields)
    }

    fn add(&mut self, snapshot: &Snapshot, fact: &Fact) -> Result<()> {
        let shared = &mut self.shared;
        tables::rows(snapshot, fact, &mut |table, row| {
            let fields: Vec<String> = row.into_iter().map(Cell::into_text).collect();
            shared[table].write(&fields)
        })?;
        match fact {
            Fact::RunStarted(run) => {
                self.row(
                    0,
                    &[
                        run.id.to_string(),
                        run.run_id.to_string(),
                        run.name.clone(),
                        run.kind.as_str().to_owned(),
                        run.started_at.rfc3339(),
                        run.arguments.join(" "),
                        run.folder.clone(),
                        run.code.commit.clone().unwrap_or_default(),
                        run.code.branch.clone().unwrap_or_default(),
                        run.code.dirty.to_string(),
                        run.host.clone(),
                    ],
                )?;
                self.parameters(run.id, &run.parameters)
            }
            Fact::RunOutcome(outcome) => self.row(
                1,
                &[
                    outcome.run.to_string(),
                    outcome.at.rfc3339(),
                    outcome.status.as_str().to_owned(),
                    outcome.exit_code.map(|code| code.to_string()).unwrap_or_default(),
                    outcome.reason.clone().unwrap_or_default(),
                ],
            ),
            Fact::StepDone(step) => {
                self.row(
                    2,
                    &[
                        step.id.to_string(),
                        step.run.to_string(),
                        step.name.clone(),
                        step.subject.clone(),
                        step.status.as_str().to_owned(),
                        step.reason.clone().unwrap_or_default(),
                        step.started_at.rfc3339(),
                        step.ended_at.rfc3339(),
                        step.cached_from.map(|from| from.to_string()).unwrap_or_default(),
                    ],
                )?;
                self.parameters(step.id, &step.parameters)?;
                let ids = (step.id, step.run);
                for used in &step.used {
                    self.edge(ids, "used", &used.artifact, used.at, used.evidence, used.role)?;
                }
                for made in &step.generated {
                    self.edge(ids, "generated", &made.artifact, made.at, made.evidence, made.role)?;
                }
                Ok(())
            }
            Fact::Metrics(points) => points.iter().try_for_each(|point| {
                self.point(point.owner, &point.name, point.step, point.at, point.value)
            }),
            Fact::ModelRegistered(model) => model
                .metrics
                .iter()
                .try_for_each(|(name, value)| self.point(model.id, name, 0, model.registered_at, *value)),
            Fact::ParametersSaid(said) => self.parameters(said.run, &said.parameters),
            Fact::Remarked(remarks) => remarks.remarks.iter().try_for_each(|remark| {
                self.row(
                    6,
                    &[
                        remarks.run.to_string(),
                        remarks.at.rfc3339(),
                        remark.kind.as_str().to_owned(),
                        remark.text.clone(),
                        remark.count.to_string(),
                    ],
                )
            }),
            // Their rows are in the tables above.
            Fact::ModelChanged(_)
            | Fact::ModelNamed(_)
            | Fact::RunTagged(_)
            | Fact::NoteRead(_)
            | Fact::NoteGone(_) => Ok(()),
        }
    }

    fn point(
        &mut self,
        owner: NodeId,
        name: &str,
        step: i64,
        at: Timestamp,
        value: MetricValue,
    ) -> Result<()> {
        self.row(
            4,
            &[owner.to_string(), name.to_owned(), step.to_string(), at.rfc3339(), value.get().to_string()],
        )
    }

    fn parameters(&mut self, owner: NodeId, parameters: &[Parameter]) -> Result<()> {
        let rows = parameters.iter();
        let mut rows = rows.map(|(name, value)| [owner.to_string(), name.clone(), value.clone()]);
        rows.try_for_each(|row| self.row(5, &row))
    }

    fn edge(
        &mut self,
        (step, run): (NodeId, NodeId),
        direction: &str,
        artifact: &Artifact,
        at: Timestamp,
        evidence: Evidence,
        role: Role,
    ) -> Result<()> {
        self.row(
            3,
            &[
                step.to_string(),
                run.to_string(),
                direction.to_owned(),
                artifact.path.to_string(),
                artifact.digest.to_string(),
                artifact.size_bytes.to_string(),
                at.rfc3339(),
                evidence.as_str().to_owned(),
                role.as_str().to_owned(),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_holds_one_text_and_no_formula() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("a \"b\"\nc", "\"a \"\"b\"\"\nc\""),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("-1.5", "-1.5"),
            ("-rf", "'-rf"),
            ("@SUM(1,2)", "\"'@SUM(1,2)\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
