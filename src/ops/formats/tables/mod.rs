//! The tables that CSV and Parquet write alike: their columns, and the rows of each fact.
//!
//! | table | a row is | keys |
//! |---|---|---|
//! | `runs` | a run as it is now | `run`, which is called `id` in CSV |
//! | `outcomes` | an end of a run, or that it was taken up again | `run` |
//! | `steps` | a step | `step`, which is called `id` in CSV; `run` |
//! | `edges` | a file that a step used, generated or removed | `step`, `run`, `path` and `digest` |
//! | `artifacts` | a version of a file that a step used, generated or removed, each once | `path` and `digest` |
//! | `metrics` | a point of a metric | `owner`, which is a run, a step or a model version |
//! | `parameters` | a parameter as it was said | `owner`, which is a run or a step |
//! | `remarks` | what the record of a run lacks, or is worth knowing of it | `run` |
//! | `models` | a file of a model version, or a version without files, as it is now | `model`, `run` |
//! | `model_changes` | something that became of a version: staged, edited or deleted | `change`, `model` |
//! | `aliases` | a name given to a version, or to none any more | `alias`, `model` |
//! | `tags` | a tag said of a run, or of a version when it was registered | `owner` |
//! | `notes` | a document as it was read, or found gone | `note`, `path` |
//! | `note_references` | a thing that a document names | `note` |
//! | `note_findings` | what is wrong with a document, or unusual in it | `note` |
//! | `repositories` | a git repository that a run read files of, besides that of its own code | `run` |
//! | `overwritten` | a file that a command of lineage wrote over | `path` and `digest` |
//! | `links` | a symbolic link as it was seen | `path` |
//!
//! Keys are UUIDs as text; lists and mappings are JSON as text; in `parameters` of a run or a step, one that was given several times has
//! the list of its values. A column that is published keeps its name, its type and, in CSV,
//! its place: new ones come behind.

pub(super) mod cells;
mod models;
mod notes;
mod runs;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde_json::json;

use self::cells::{Cell, Kind};
use super::{Exported, Source};
use crate::error::Result;
use crate::model::{Fact, NodeId, Parameter};

/// A table: its name and its columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
}

/// The tables, in the order of [`SHAPES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Runs,
    Outcomes,
    Steps,
    Edges,
    Artifacts,
    Metrics,
    Parameters,
    Remarks,
    Models,
    ModelChanges,
    Aliases,
    Tags,
    Notes,
    NoteReferences,
    NoteFindings,
    Repositories,
    Overwritten,
    Links,
}

const SHAPES: [Shape; 18] = [
    Shape {
        name: "runs",
        columns: &[
            ("run", Kind::Text),
            ("run_id", Kind::Text),
            ("name", Kind::Text),
            ("kind", Kind::Text),
            ("started_at", Kind::Time),
            ("command", Kind::Text),
            ("folder", Kind::Text),
            ("commit", Kind::Text),
            ("branch", Kind::Text),
            ("dirty", Kind::Truth),
            ("host", Kind::Text),
            ("status", Kind::Text),
            ("exit_code", Kind::Whole),
            ("reason", Kind::Text),
            ("ended_at", Kind::Time),
            ("arguments", Kind::Text),
            ("parameters", Kind::Text),
            ("parent", Kind::Text),
            ("recorder", Kind::Text),
            ("rerun_of", Kind::Text),
            ("by", Kind::Text),
        ],
    },
    Shape {
        name: "outcomes",
        columns: &[
            ("run", Kind::Text),
            ("at", Kind::Time),
            ("status", Kind::Text),
            ("exit_code", Kind::Whole),
            ("reason", Kind::Text),
        ],
    },
    Shape {
        name: "steps",
        columns: &[
            ("step", Kind::Text),
            ("run", Kind::Text),
            ("name", Kind::Text),
            ("subject", Kind::Text),
            ("status", Kind::Text),
            ("reason", Kind::Text),
            ("started_at", Kind::Time),
            ("ended_at", Kind::Time),
            ("cached_from", Kind::Text),
            ("parameters", Kind::Text),
            ("key", Kind::Text),
        ],
    },
    Shape {
        name: "edges",
        columns: &[
            ("step", Kind::Text),
            ("run", Kind::Text),
            ("direction", Kind::Text),
            ("path", Kind::Text),
            ("digest", Kind::Text),
            ("size_bytes", Kind::Whole),
            ("at", Kind::Time),
            ("evidence", Kind::Text),
            ("role", Kind::Text),
            // Of what was used: whether the step wrote on in it, so that its other files may owe nothing to it.
            ("written_on", Kind::Truth),
        ],
    },
    Shape {
        name: "artifacts",
        columns: &[
            ("path", Kind::Text),
            ("digest", Kind::Text),
            ("size_bytes", Kind::Whole),
            // The path's bytes, where they are no UTF-8 or hold what must not be printed.
            ("path_percent_encoded", Kind::Text),
        ],
    },
    Shape {
        name: "metrics",
        columns: &[
            ("owner", Kind::Text),
            ("name", Kind::Text),
            ("step", Kind::Whole),
            ("at", Kind::Time),
            ("value", Kind::Real),
            ("of", Kind::Text),
        ],
    },
    Shape {
        name: "parameters",
        columns: &[("owner", Kind::Text), ("name", Kind::Text), ("value", Kind::Text), ("of", Kind::Text)],
    },
    Shape {
        name: "remarks",
        columns: &[
            ("run", Kind::Text),
            ("at", Kind::Time),
            ("kind", Kind::Text),
            ("text", Kind::Text),
            ("count", Kind::Whole),
        ],
    },
    Shape {
        name: "models",
        columns: &[
            ("model", Kind::Text),
            ("name", Kind::Text),
            ("version", Kind::Text),
            ("run", Kind::Text),
            ("created_at", Kind::Time),
            ("stage", Kind::Text),
            ("description", Kind::Text),
            ("tags", Kind::Text),
            ("file", Kind::Text),
            ("path", Kind::Text),
            ("digest", Kind::Text),
            ("size_bytes", Kind::Whole),
            ("registered_at", Kind::Time),
            ("by", Kind::Text),
            ("model_type", Kind::Text),
            ("base_model", Kind::Text),
            ("commit", Kind::Text),
            ("dirty", Kind::Truth),
            ("branch", Kind::Text),
            ("notes", Kind::Text),
            ("training_config", Kind::Text),
            ("dataset_info", Kind::Text),
            ("deleted_at", Kind::Time),
        ],
    },
    Shape {
        name: "model_changes",
        columns: &[
            ("change", Kind::Text),
            ("model", Kind::Text),
            ("name", Kind::Text),
            ("at", Kind::Time),
            ("by", Kind::Text),
            ("act", Kind::Text),
            ("stage", Kind::Text),
            ("displaced", Kind::Text),
            ("description", Kind::Text),
            ("notes", Kind::Text),
            ("tags_set", Kind::Text),
            ("tags_removed", Kind::Text),
            ("reason", Kind::Text),
        ],
    },
    Shape {
        name: "aliases",
        columns: &[
            ("id", Kind::Text),
            ("name", Kind::Text),
            ("alias", Kind::Text),
            ("model", Kind::Text),
            ("at", Kind::Time),
            ("by", Kind::Text),
        ],
    },
    Shape {
        name: "tags",
        columns: &[
            ("owner", Kind::Text),
            ("of", Kind::Text),
            ("at", Kind::Time),
            ("name", Kind::Text),
            ("value", Kind::Text),
        ],
    },
    Shape {
        name: "notes",
        columns: &[
            ("note", Kind::Text),
            ("path", Kind::Text),
            ("state", Kind::Text),
            ("at", Kind::Time),
            ("digest", Kind::Text),
            ("size_bytes", Kind::Whole),
            ("folder", Kind::Text),
            ("date", Kind::Text),
            ("topic", Kind::Text),
            ("status", Kind::Text),
            ("status_written", Kind::Text),
            ("tags", Kind::Text),
            ("author", Kind::Text),
            ("commit", Kind::Text),
            ("fields", Kind::Text),
        ],
    },
    Shape {
        name: "note_references",
        columns: &[
            ("note", Kind::Text),
            ("path", Kind::Text),
            ("sort", Kind::Text),
            ("name", Kind::Text),
            ("given_by", Kind::Text),
            ("missing", Kind::Truth),
        ],
    },
    Shape {
        name: "note_findings",
        columns: &[
            ("note", Kind::Text),
            ("path", Kind::Text),
            ("fault", Kind::Truth),
            ("sort", Kind::Text),
            ("text", Kind::Text),
        ],
    },
    Shape {
        name: "repositories",
        columns: &[
            ("run", Kind::Text),
            ("at", Kind::Time),
            // Empty for the repository that the workspace itself lies in.
            ("root", Kind::Text),
            ("commit", Kind::Text),
            ("branch", Kind::Text),
            ("dirty", Kind::Truth),
        ],
    },
    Shape {
        name: "overwritten",
        columns: &[
            ("path", Kind::Text),
            ("digest", Kind::Text),
            ("size_bytes", Kind::Whole),
            ("at", Kind::Time),
            ("command", Kind::Text),
        ],
    },
    Shape { name: "links", columns: &[("path", Kind::Text), ("digest", Kind::Text), ("text", Kind::Text)] },
];

impl Table {
    fn shape(self) -> &'static Shape {
        &SHAPES[self as usize]
    }
}

/// A file that holds a table.
pub(super) trait TableFile: Sized {
    /// Makes it, empty.
    fn create(folder: &Path, shape: &'static Shape) -> Result<Self>;
    /// Adds a row: a cell for each column.
    fn put(&mut self, row: Vec<Cell>) -> Result<()>;
    /// Writes what is not written yet, and returns its name and how many rows it has.
    fn finish(self) -> Result<(String, u64)>;
}

/// Writes all tables into `folder`.
pub(super) fn write<T: TableFile>(source: &Source<'_>, folder: &Path) -> Result<Exported> {
    let files = SHAPES.iter().map(|shape| T::create(folder, shape));
    let mut files = files.collect::<Result<Vec<T>>>()?;
    let mut rows = Rows { source, seen: HashSet::new(), owner: None };
    source.each_fact(&mut |fact| {
        rows.of(&fact, &mut |table, row| {
            debug_assert_eq!(row.len(), table.shape().columns.len(), "{table:?}");
            files[table as usize].put(row)
        })
    })?;
    let tables = files.into_iter().map(T::finish).collect::<Result<_>>()?;
    Ok(Exported { runs: source.runs.len() as u64, tables, ..Exported::default() })
}

/// Takes a row of a table.
type Put<'a> = dyn FnMut(Table, Vec<Cell>) -> Result<()> + 'a;

/// Turns facts into rows.
struct Rows<'a> {
    source: &'a Source<'a>,
    /// Digests of the artifacts that have a row.
    seen: HashSet<[u8; 32]>,
    /// Whose points came last, and what that is.
    owner: Option<(NodeId, &'static str)>,
}

impl Rows<'_> {
    fn of(&mut self, fact: &Fact, put: &mut Put<'_>) -> Result<()> {
        match fact {
            Fact::RunStarted(run) => {
                runs::parameters(run.id, "run", &run.parameters, put)?;
                runs::run(self.source, run.id, put)
            }
            Fact::RunOutcome(outcome) => put(Table::Outcomes, runs::outcome(outcome)),
            Fact::StepDone(step) => {
                put(Table::Steps, runs::step(step))?;
                runs::parameters(step.id, "step", &step.parameters, put)?;
                self.edges(step, put)
            }
            Fact::Metrics(points) => points.iter().try_for_each(|point| {
                let of = self.kind_of(point.owner)?;
                put(Table::Metrics, runs::point(point, of))
            }),
            Fact::ParametersSaid(said) => runs::parameters(said.run, "run", &said.parameters, put),
            Fact::Remarked(remarks) => runs::remarks(remarks, put),
            Fact::RunTagged(said) => models::tags(said.run, "run", said.at, &said.tags, put),
            Fact::RepositoryRead(repository) => runs::repository(self.source, repository, put),
            Fact::ModelRegistered(model) => {
                models::tags(model.id, "model", model.as_of(), &model.tags, put)?;
                model.points().try_for_each(|point| put(Table::Metrics, runs::point(&point, "model")))?;
                models::files(self.source.snapshot, model, put)
            }
            Fact::ModelChanged(change) => put(Table::ModelChanges, models::change(change)),
            Fact::ModelNamed(alias) => put(Table::Aliases, models::alias(alias)),
            Fact::NoteRead(note) => notes::read(note, put),
            Fact::NoteGone(gone) => put(Table::Notes, notes::gone(gone)),
            Fact::LinkSeen(link) => put(Table::Links, notes::link(link)),
            Fact::FileOverwritten(overwritten) => put(Table::Overwritten, notes::overwritten(overwritten)),
        }
    }

    /// Returns the word for what has points of metrics.
    fn kind_of(&mut self, owner: NodeId) -> Result<&'static str> {
        let snapshot = self.source.snapshot;
        match self.owner.filter(|(known, _)| *known == owner) {
            Some((_, kind)) => Ok(kind),
            None => {
                let kind = if snapshot.model(owner)?.is_some() {
                    "model"
                } else if snapshot.run_no(owner)?.is_some() {
                    "run"
                } else {
                    "step"
                };
                self.owner = Some((owner, kind));
                Ok(kind)
            }
        }
    }
}

/// Writes parameters as a JSON object, by name; what was said several times is a list.
fn said(parameters: &[Parameter]) -> serde_json::Value {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in parameters {
        values.entry(name).or_default().push(value);
    }
    let of_name = |values: Vec<&str>| if values.len() == 1 { json!(values[0]) } else { json!(values) };
    values
        .into_iter()
        .map(|(name, values)| (name.to_owned(), of_name(values)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Writes names and values as a JSON object, by name: of tags and fields, each name has one value.
fn pairs(pairs: &[Parameter]) -> serde_json::Value {
    json!(pairs.iter().cloned().collect::<BTreeMap<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_own_name_and_every_column_in_it() {
        let names: HashSet<&str> = SHAPES.iter().map(|shape| shape.name).collect();
        assert_eq!(names.len(), SHAPES.len());
        assert_eq!(Table::NoteFindings.shape().name, "note_findings");
        for shape in SHAPES {
            let columns: HashSet<&str> = shape.columns.iter().map(|(name, _)| *name).collect();
            assert_eq!(columns.len(), shape.columns.len(), "{}", shape.name);
        }
    }

    #[test]
    fn of_a_parameter_that_was_given_several_times_no_value_is_lost() {
        let given =
            [("k", "a"), ("lr", "1"), ("k", "b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(said(&given), json!({"k": ["a", "b"], "lr": "1"}));
    }
}
