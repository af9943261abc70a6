//! Apache Parquet: a folder with one file for each table, for DuckDB, Polars and Spark.
//!
//! | table | a row is | keys |
//! |---|---|---|
//! | `runs` | a run | `run` |
//! | `steps` | a step | `step`, `run` |
//! | `edges` | a file that a step used or generated | `step`, `run`, `path` and `digest` |
//! | `artifacts` | a version of a file, each once | `path` and `digest` |
//! | `metrics` | a point of a metric | `owner`, which is a run, a step or a model version |
//!
//! Those on models, tags and documents are in [`tables`](crate::ops::export). Keys are UUIDs as text; times are microseconds in
//! UTC; lists and mappings are JSON as text.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use serde_json::json;

use super::{Exported, Source, not_written};
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Evidence, Fact, Metric, NodeId, Role, Step, Timestamp};
use crate::ops::export::cells::{Cell, Kind};
use crate::ops::export::tables;
use crate::query::RunHead;

/// As many rows are held before they are written.
const GROUP_ROWS: usize = 100_000;

/// Writes all tables into `folder`.
pub(super) fn write(source: &Source<'_>, folder: &Path) -> Result<Exported> {
    let mut tables = Tables {
        runs: Table::create(folder, "runs", RUNS)?,
        steps: Table::create(folder, "steps", STEPS)?,
        edges: Table::create(folder, "edges", EDGES)?,
        artifacts: Table::create(folder, "artifacts", ARTIFACTS)?,
        metrics: Table::create(folder, "metrics", METRICS)?,
        seen: HashSet::new(),
    };
    let shared = tables::SHAPES.iter().map(|shape| Table::create(folder, shape.name, shape.columns));
    let mut shared = shared.collect::<Result<Vec<_>>>()?;
    let mut exported: HashSet<NodeId> = HashSet::new();
    source.each_run(&mut |run| {
        exported.insert(run.view.run.id);
        tables.run(source, run)?;
        tables.points(&source.metrics(run.view.run.id)?)?;
        for said in source.snapshot.run_tags(run.view.number)? {
            tables::rows(source.snapshot, &Fact::RunTagged(said), &mut |at, row| shared[at].put(row))?;
        }
        source.each_step(run, &mut |step| {
            tables.step(&step)?;
            tables.points(&source.metrics(step.id)?)
        })
    })?;
    let mut models: HashSet<NodeId> = HashSet::new();
    source.snapshot.facts_of_models(&mut |fact| {
        let is_wanted = match &fact {
            Fact::ModelRegistered(model) => {
                let is_wanted = source.is_all || model.run.is_some_and(|run| exported.contains(&run));
                if is_wanted {
                    models.insert(model.id);
                    tables.points(&source.metrics(model.id)?)?;
                }
                is_wanted
            }
            Fact::ModelChanged(change) => source.is_all || models.contains(&change.model),
            Fact::ModelNamed(alias) => {
                source.is_all || alias.model.is_some_and(|model| models.contains(&model))
            }
            _ => false,
        };
        if !is_wanted {
            return Ok(());
        }
        tables::rows(source.snapshot, &fact, &mut |at, row| shared[at].put(row))
    })?;
    if source.is_all {
        source.snapshot.facts_of_notes(&mut |fact| {
            tables::rows(source.snapshot, &fact, &mut |at, row| shared[at].put(row))
        })?;
    }
    let Tables { runs, steps, edges, artifacts, metrics, .. } = tables;
    let mut written = Vec::new();
    for table in [runs, steps, edges, artifacts, metrics].into_iter().chain(shared) {
        written.push(table.finish()?);
    }
    Ok(Exported { runs: source.runs.len() as u64, tables: written, ..Exported::default() })
}

struct Tables {
    runs: Table,
    steps: Table,
    edges: Table,
    artifacts: Table,
    metrics: Table,
    /// Digests of the artifacts that have a row.
    seen: HashSet<[u8; 32]>,
}

const RUNS: &[(&str, Kind)] = &[
    ("run", Kind::Text),
    ("run_id", Kind::Text),
    ("name", Kind::Text),
    ("kind", Kind::Text),
    ("status", Kind::Text),
    ("exit_code", Kind::Whole),
    ("reason", Kind::Text),
    ("started_at", Kind::Time),
    ("ended_at", Kind::Time),
    ("arguments", Kind::Text),
    ("parameters", Kind::Text),
    ("folder", Kind::Text),
    ("commit", Kind::Text),
    ("branch", Kind::Text),
    ("dirty", Kind::Truth),
    ("parent", Kind::Text),
    ("host", Kind::Text),
    ("recorder", Kind::Text),
];

const STEPS: &[(&str, Kind)] = &[
    ("step", Kind::Text),
    ("run", Kind::Text),
    ("name", Kind::Text),
    ("subject", Kind::Text),
    ("status", Kind::Text),
    ("reason", Kind::Text),
    ("started_at", Kind::Time),
    ("ended_at", Kind::Time),
    ("parameters", Kind::Text),
    ("key", Kind::Text),
    ("cached_from", Kind::Text),
];

const EDGES: &[(&str, Kind)] = &[
    ("run", Kind::Text),
    ("step", Kind::Text),
    ("direction", Kind::Text),
    ("path", Kind::Text),
    ("digest", Kind::Text),
    ("size_bytes", Kind::Whole),
    ("at", Kind::Time),
    ("evidence", Kind::Text),
    ("role", Kind::Text),
];

const ARTIFACTS: &[(&str, Kind)] = &[
    ("path", Kind::Text),
    ("digest", Kind::Text),
    ("size_bytes", Kind::Whole),
    // The path's bytes, where they are no UTF-8 or hold what must not be printed.
    ("path_percent_encoded", Kind::Text),
];

const METRICS: &[(&str, Kind)] = &[
    ("owner", Kind::Text),
    ("name", Kind::Text),
    ("step", Kind::Whole),
    ("at", Kind::Time),
    ("value", Kind::Real),
];

impl Tables {
    fn run(&mut self, source: &Source<'_>, run: &RunHead) -> Result<()> {
        let recorded = &run.view.run;
        let code = &recorded.code;
        let parameters: std::collections::BTreeMap<_, _> = recorded.parameters.iter().cloned().collect();
        let exit_code = run.view.outcomes.last().and_then(|outcome| outcome.exit_code);
        self.runs.put(vec![
            Cell::text(recorded.id),
            Cell::text(&recorded.run_id),
            Cell::text(&recorded.name),
            Cell::text(recorded.kind.as_str()),
            Cell::text(run.status().as_str()),
            Cell::Whole(exit_code.map(i64::from)),
            Cell::maybe(run.view.reason()),
            Cell::at(recorded.started_at),
            Cell::Time(source.ended_at(run)?.map(Timestamp::micros)),
            Cell::text(json!(recorded.arguments)),
            Cell::text(json!(parameters)),
            Cell::text(&recorded.folder),
            Cell::maybe(code.commit.as_ref()),
            Cell::maybe(code.branch.as_ref()),
            Cell::Truth(code.repository.then_some(code.dirty)),
            Cell::maybe(recorded.parent),
            Cell::text(&recorded.host),
            Cell::text(&recorded.recorder),
        ])
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        let parameters: std::collections::BTreeMap<_, _> = step.parameters.iter().cloned().collect();
        self.steps.put(vec![
            Cell::text(step.id),
            Cell::text(step.run),
            Cell::text(&step.name),
            Cell::text(&step.subject),
            Cell::text(step.status.as_str()),
            Cell::maybe(step.reason.as_ref()),
            Cell::at(step.started_at),
            Cell::at(step.ended_at),
            Cell::text(json!(parameters)),
            Cell::maybe(step.key),
            Cell::maybe(step.cached_from),
        ])?;
        for edge in &step.used {
            self.edge(step, "used", &edge.artifact, edge.at, edge.evidence, edge.role)?;
        }
        for edge in &step.generated {
            self.edge(step, "generated", &edge.artifact, edge.at, edge.evidence, edge.role)?;
        }
        Ok(())
    }

    fn edge(
        &mut self,
        step: &Step,
        direction: &str,
        artifact: &Artifact,
        at: Timestamp,
        evidence: Evidence,
        role: Role,
    ) -> Result<()> {
        self.edges.put(vec![
            Cell::text(step.run),
            Cell::text(step.id),
            Cell::text(direction),
            Cell::text(&artifact.path),
            Cell::text(artifact.digest),
            Cell::Whole(Some(artifact.size_bytes as i64)),
            Cell::at(at),
            Cell::text(evidence.as_str()),
            Cell::text(role.as_str()),
        ])?;
        let name = super::file_urn(artifact);
        if !self.seen.insert(*blake3::hash(name.as_bytes()).as_bytes()) {
            return Ok(());
        }
        self.artifacts.put(vec![
            Cell::text(&artifact.path),
            Cell::text(artifact.digest),
            Cell::Whole(Some(artifact.size_bytes as i64)),
            Cell::maybe(encoded_where_needed(&artifact.path)),
        ])
    }

    fn points(&mut self, points: &[Metric]) -> Result<()> {
        points.iter().try_for_each(|point| {
            self.metrics.put(vec![
                Cell::text(point.owner),
                Cell::text(&point.name),
                Cell::Whole(Some(point.step)),
                Cell::at(point.at),
                Cell::Real(Some(point.value.get())),
            ])
        })
    }
}

fn encoded_where_needed(path: &ArtifactPath) -> Option<String> {
    let plain = path.to_string();
    (plain.as_bytes() != path.as_bytes()).then(|| crate::model::percent_encoded(path.as_bytes()))
}

// ---- a table ----

/// The values of a column that wait to be written.
enum Column {
    Text(Vec<Option<String>>),
    Whole(Vec<Option<i64>>),
    Real(Vec<Option<f64>>),
    Truth(Vec<Option<bool>>),
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Column::Text(Vec::new()),
            Kind::Whole | Kind::Time => Column::Whole(Vec::new()),
            Kind::Real => Column::Real(Vec::new()),
            Kind::Truth => Column::Truth(Vec::new()),
        }
    }

    fn put(&mut self, cell: Cell) {
        match (self, cell) {
            (Column::Text(values), Cell::Text(value)) => values.push(value),
            (Column::Whole(values), Cell::Whole(value) | Cell::Time(value)) => values.push(value),
            (Column::Real(values), Cell::Real(value)) => values.push(value),
            (Column::Truth(values), Cell::Truth(value)) => values.push(value),
            _ => debug_assert!(false, "a cell of another kind than its column"),
        }
    }

    fn write(&mut self, group: &mut SerializedRowGroupWriter<'_, File>) -> Result<()> {
        let Some(mut column) = group.next_column().map_err(not_written)? else {
            return Err(crate::error::Error::bug("a table has more columns than its schema"));
        };
        match self {
            Column::Text(values) => {
                let (levels, values) = split(values, |text| ByteArray::from(text.into_bytes()));
                column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)
            }
            Column::Whole(values) => {
                let (levels, values) = split(values, |value| value);
                column.typed::<Int64Type>().write_batch(&values, Some(&levels), None)
            }
            Column::Real(values) => {
                let (levels, values) = split(values, |value| value);
                column.typed::<DoubleType>().write_batch(&values, Some(&levels), None)
            }
            Column::Truth(values) => {
                let (levels, values) = split(values, |value| value);
                column.typed::<BoolType>().write_batch(&values, Some(&levels), None)
            }
        }
        .map_err(not_written)?;
        column.close().map_err(not_written)
    }
}

/// Takes the values that are there, and for each whether it is.
fn split<T, V>(values: &mut Vec<Option<T>>, turn: impl Fn(T) -> V) -> (Vec<i16>, Vec<V>) {
    let levels = values.iter().map(|value| i16::from(value.is_some())).collect();
    (levels, values.drain(..).flatten().map(turn).collect())
}

struct Table {
    /// The name of its file.
    name: String,
    writer: SerializedFileWriter<File>,
    columns: Vec<Column>,
    /// Rows that wait to be written, and those that are.
    rows: usize,
    written: u64,
}

impl Table {
    fn create(folder: &Path, name: &str, columns: &[(&str, Kind)]) -> Result<Self> {
        let fields = columns.iter().map(|(name, kind)| field(name, *kind).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>>>()?;
        let schema = Type::group_type_builder(name).with_fields(fields).build().map_err(not_written)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(format!("lineage {}", env!("CARGO_PKG_VERSION")))
            .build();
        let name = format!("{name}.parquet");
        let file = File::create_new(folder.join(&name)).map_err(not_written)?;
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        Ok(Table {
            name,
            writer: writer.map_err(not_written)?,
            columns: columns.iter().map(|(_, kind)| Column::new(*kind)).collect(),
            rows: 0,
            written: 0,
        })
    }

    fn put(&mut self, row: Vec<Cell>) -> Result<()> {
        debug_assert_eq!(row.len(), self.columns.len());
        self.columns.iter_mut().zip(row).for_each(|(column, cell)| column.put(cell));
        self.rows += 1;
        if self.rows == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.written += self.rows as u64;
        self.rows = 0;
        let mut group = self.writer.next_row_group().map_err(not_written)?;
        self.columns.iter_mut().try_for_each(|column| column.write(&mut group))?;
        group.close().map_err(not_written)?;
        Ok(())
    }

    /// Writes the rest, and returns the name of the file and how many rows are in it.
    fn finish(mut self) -> Result<(String, u64)> {
        self.flush()?;
        self.writer.finish().map_err(not_written)?;
        self.writer.inner().sync_all().map_err(not_written)?;
        Ok((self.name, self.written))
    }
}

fn field(name: &str, kind: Kind) -> Result<Type> {
    let (physical, logical) = match kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Whole => (Physical::INT64, None),
        Kind::Real => (Physical::DOUBLE, None),
        Kind::Truth => (Physical::BOOLEAN, None),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
        .map_err(not_written)
}
