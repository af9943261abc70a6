//! `lineage export`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::ops::formats::{ExportFormat, ExportRequest, export, runs_behind};
use crate::render;

/// Write what is recorded: as a backup, as tables, or in a format of others.
///
/// Of a version of a model, the three formats of others tell its name, its stage and its files; prov-json and ro-crate also who
/// registered, staged or withdrew it.
///
/// jsonl is the complete backup: every fact, which `lineage import --format jsonl` takes back and `lineage merge` takes over;
/// the same facts give the same bytes. What is kept (`.lineage/objects`) is not in it. Each line is one fact under its name:
/// run_started, run_outcome, step_done, metrics, parameters_said, run_tagged, repository_read, remarked, model_registered,
/// model_changed, model_named, note_read, note_gone, file_overwritten, link_seen; the first line names the format, and the last holds the
/// digest of all before it. Times are microseconds since 1970, UTC; a path that is no UTF-8 stands as {"hex":"…"}.
///
/// csv and parquet are folders with one file for each table: runs, outcomes, steps, edges, artifacts, metrics, parameters,
/// remarks, models, model_changes, aliases, tags, notes, note_references, note_findings, repositories, overwritten and links. Both have
/// the same columns; the key of a run is called `run` in parquet and `id` in runs.csv, that of a step `step` and `id`. A model, run,
/// step or note is named in all tables by the same key. The column `at` has the name of a word of DuckDB's, which wants it in
/// quotes: `select max("at") from 'tables/edges.parquet'`.
///
/// `models` has a row for each file of a version, and one for a version without files: count the versions by
/// `count(distinct model)`. `metrics`, `parameters` and `tags` are those of runs, steps and model versions, as the column `of`
/// says; the metrics of a run that a version was registered with stand under both: ask for those `where of = 'run'`.
///
/// In CSV a text that a spreadsheet would take for a formula, since it begins with `=`, `+`, `-`, `@`, a tab or a carriage
/// return and is no number, has a `'` before it, which is no part of it; parquet has the texts as they are. Where no content is
/// recorded of a file, digest and size are empty.
///
/// What a step read and wrote on may have gone into its other files, or not; no format says that these are made from it. `edges` has
/// `written_on` for it, prov-json `lineage:writtenOn` at the usage, openlineage the facet lineage_writtenOn; what was written there is
/// a revision of it (`wasDerivedFrom`, in a crate `isBasedOn`).
///
/// prov-json and openlineage are streams, as jsonl is: they go to the standard output unless --out names a file. ro-crate is
/// a folder, or a zip file where the name ends in `.zip`; the bytes of the files are in it, but for those that lie outside the
/// workspace, those that git ignores and no run wrote, and those that are named like files of credentials, such as `.env`: these are
/// named only. Of credentials the three formats of others have neither digest nor size, from which a short secret could be guessed;
/// the backup and the tables have both.
///
/// Names are stable: runs and steps are `urn:uuid:KEY`, files `urn:lineage:file:DIGEST:PATH`; in openlineage a file is named by its
/// whole path, in the namespace `file`, as by other programs.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage export --format jsonl --out backup.jsonl    a complete backup
  lineage export --format parquet --out tables        tables for DuckDB, Polars and Spark
  lineage export @ --format ro-crate --out crate.zip  the latest run as an RO-Crate
  lineage export net@1.0.0 --format prov-json         all that a model came from")]
pub(crate) struct Export {
    /// What to export: a run (`@`, its run id, the end of its key, its name) by itself; or a file, or a version of a model,
    /// `NAME@VERSION`, with all runs that it comes from. All runs where nothing is named.
    #[arg(value_name = "RUN")]
    runs: Vec<OsString>,
    /// The format.
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// All runs, which is what is exported where none is named.
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    /// Where to write to; it must not be there yet.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Take the place of an older export; a folder only where it holds nothing else.
    #[arg(long, requires = "out")]
    force: bool,
    /// The namespace of OpenLineage's jobs, and the name of a crate; by default the name of the workspace's folder.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Put into a crate also the bytes of files outside the workspace, of those that git ignores and no run wrote, and of those named like
    /// files of credentials.
    #[arg(long)]
    with_contents: bool,
    /// Print as JSON what was written.
    #[arg(long, requires = "out")]
    json: bool,
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
        let (workspace, view) = surroundings.view()?;
        let folder = &surroundings.folder;
        let runs = self.runs.iter().map(|word| runs_behind(&workspace, &view.snapshot, folder, word));
        let runs = runs.collect::<Result<Vec<_>>>()?.concat();
        let out = self.out.as_ref().map(|path| surroundings.folder.join(path));
        let format = self.format.to_ops();
        if self.with_contents && self.format != Format::RoCrate {
            return Err(Error::request("`--with-contents` is for `--format ro-crate` alone")
                .hint("no other format holds contents; nothing was written"));
        }
        if self.namespace.is_some() && !matches!(self.format, Format::Openlineage | Format::RoCrate) {
            return Err(Error::request("`--namespace` is for `--format openlineage` and `ro-crate` alone")
                .hint("no other format has one; nothing was written"));
        }
        let request = ExportRequest {
            format,
            runs,
            out,
            force: self.force,
            namespace: self.namespace,
            with_contents: self.with_contents,
        };
        let exported = output::stream(|stream| export(&workspace, &view, &request, stream))?;
        if let (Some(exported), Some(out)) = (exported, &request.out) {
            let name = self.format.to_possible_value();
            let name = name.ok_or_else(|| Error::bug("a format has no name"))?;
            if self.json {
                output::json(&render::formats::json(&exported, name.get_name(), out))?;
            } else {
                output::note(&render::formats::text(&exported, &out.display().to_string()));
            }
        }
        Ok(0)
    }
}

impl Format {
    fn to_ops(self) -> ExportFormat {
        match self {
            Format::Jsonl => ExportFormat::Jsonl,
            Format::Csv => ExportFormat::Csv,
            Format::ProvJson => ExportFormat::ProvJson,
            Format::Openlineage => ExportFormat::OpenLineage,
            Format::RoCrate => ExportFormat::RoCrate,
            Format::Parquet => ExportFormat::Parquet,
        }
    }
}
