//! `lineage export`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::{Surroundings, backup, formats, output};
use crate::error::Result;
use crate::ops::formats::{ExportFormat, ExportRequest};
use crate::query::{self, RunSelector};

/// Write what is recorded in a format of others.
///
/// prov-json and openlineage are streams: they go to the standard output unless `--out` names a file. ro-crate is a folder,
/// or a zip file where the name ends in `.zip`; parquet is a folder with one file for each table.
///
/// jsonl is the complete backup: every fact, which `lineage import --format jsonl` takes back and `lineage merge` takes over;
/// the same facts give the same bytes. What is kept (`.lineage/objects`) is not in it. csv is a folder of tables.
///
/// Names are stable: runs and steps are `urn:uuid:KEY`, files `urn:lineage:file:DIGEST:PATH`.
#[derive(Args)]
pub(crate) struct Export {
    /// The runs: `@` (the latest), run ids, ends of keys. All runs where none is named.
    #[arg(value_name = "RUN")]
    runs: Vec<RunSelector>,
    /// The format.
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// All runs, which is what is exported where none is named.
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    /// Where to write to; it must not be there yet.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// The namespace of OpenLineage's jobs and files, and the name of a crate; by default the name of the workspace's folder.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The complete backup: every fact, one a line.
    Jsonl,
    /// Tables, one CSV file each.
    Csv,
    /// W3C PROV-JSON.
    ProvJson,
    /// OpenLineage run events, one a line.
    Openlineage,
    /// A Process Run Crate.
    RoCrate,
    /// Tables for DuckDB, Polars and Spark.
    Parquet,
}

impl Export {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        let runs = self.runs.iter().map(|run| query::find_run(&view.snapshot, run));
        let runs = runs.collect::<Result<Vec<_>>>()?;
        let out = self.out.as_ref().map(|path| surroundings.folder.join(path));
        let format = match self.format {
            Format::Jsonl => return backup::write_jsonl(&view.snapshot, &runs, out.as_deref()),
            Format::Csv => return backup::write_csv(&view.snapshot, &runs, out.as_deref()),
            Format::ProvJson => ExportFormat::ProvJson,
            Format::Openlineage => ExportFormat::OpenLineage,
            Format::RoCrate => ExportFormat::RoCrate,
            Format::Parquet => ExportFormat::Parquet,
        };
        formats::write(&workspace, &view, &ExportRequest { format, runs, out, namespace: self.namespace })
    }
}
