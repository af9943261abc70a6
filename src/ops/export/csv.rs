//! Tables: runs, steps, edges, metrics, parameters, each one CSV file (RFC 4180), for whoever wants to look at them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::{Artifact, Evidence, Fact, NodeId, Parameter, Role, Timestamp};
use crate::ops::export::facts_of;
use crate::ops::export::jsonl::not_written;
use crate::store::{RunNo, Snapshot};

/// Each table and its columns.
const TABLES: [(&str, &[&str]); 6] = [
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
];

/// Writes the tables of `runs`, of all where none is named, into `folder`; returns the files and how many rows each has.
///
/// A text that a spreadsheet would take for a formula stands behind an apostrophe.
///
/// # Errors
/// A request error where the folder cannot be made; a store error where a record is damaged or a file takes no more.
pub fn csv(snapshot: &Snapshot, runs: &[RunNo], folder: &Path) -> Result<Vec<(String, u64)>> {
    std::fs::create_dir_all(folder).map_err(|cause| {
        Error::request(format!("cannot make the folder `{}`", folder.display())).because(cause)
    })?;
    let mut tables = Tables { tables: Vec::with_capacity(TABLES.len()) };
    for (name, columns) in TABLES {
        let file = File::create(folder.join(format!("{name}.csv"))).map_err(not_written)?;
        let mut table = Table { out: BufWriter::new(file), rows: 0 };
        table.write(columns)?;
        tables.tables.push(table);
    }
    facts_of(snapshot, runs, &mut |fact| tables.add(&fact))?;
    let mut written = Vec::with_capacity(TABLES.len());
    for ((name, _), mut table) in TABLES.iter().zip(tables.tables) {
        table.out.flush().map_err(not_written)?;
        // The first row names the columns.
        written.push((format!("{name}.csv"), table.rows - 1));
    }
    Ok(written)
}

struct Table {
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
}

/// Writes one field: quoted where it must be, and behind an apostrophe where a spreadsheet would calculate it.
fn cell(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

struct Tables {
    tables: Vec<Table>,
}

impl Tables {
    fn row(&mut self, table: usize, fields: &[String]) -> Result<()> {
        debug_assert_eq!(TABLES[table].1.len(), fields.len());
        self.tables[table].write(fields)
    }

    fn add(&mut self, fact: &Fact) -> Result<()> {
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
                self.row(
                    4,
                    &[
                        point.owner.to_string(),
                        point.name.clone(),
                        point.step.to_string(),
                        point.at.rfc3339(),
                        point.value.get().to_string(),
                    ],
                )
            }),
            Fact::ParametersSaid(said) => self.parameters(said.run, &said.parameters),
            // These are no tables here; the backup has them.
            _ => Ok(()),
        }
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
