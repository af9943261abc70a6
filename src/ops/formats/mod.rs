//! `lineage export` in the formats of others: PROV-JSON, OpenLineage, RO-Crate, Parquet.
//!
//! Names are the same in every export of every machine that holds the same facts:
//!
//! | thing | name |
//! |---|---|
//! | run, step, model version | `urn:uuid:` and its key |
//! | file | `urn:lineage:file:<digest>:<path>`: the BLAKE3 digest in hexadecimal, and the path with all but `A-Za-z0-9-._~/` as `%NN` |
//! | commit | `urn:lineage:commit:<sha>` |
//!
//! Everything is written run by run, so that memory does not grow with the store.

mod openlineage;
mod parquet;
mod prov;
mod ro_crate;

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::model::{Artifact, Metric, NodeId, RunStatus, Step, Timestamp, percent_encoded};
use crate::ops::{View, Workspace};
use crate::query::RunHead;
use crate::store::{RunNo, Snapshot};

/// A format of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// PROV-JSON, a submission to the W3C: one document.
    ProvJson,
    /// OpenLineage run events, one a line.
    OpenLineage,
    /// A Process Run Crate: a folder or a zip file.
    RoCrate,
    /// Apache Parquet: a folder with one file for each table.
    Parquet,
}

/// What is to be exported, and where to.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// The format.
    pub format: ExportFormat,
    /// The runs; all where there are none.
    pub runs: Vec<RunNo>,
    /// A file or folder; `None` for a stream.
    pub out: Option<PathBuf>,
    /// The namespace of jobs and files in formats that have one; by default the name of the workspace's folder.
    pub namespace: Option<String>,
}

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many runs.
    pub runs: u64,
    /// How many contents were copied.
    pub contents: u64,
    /// How many bytes they have.
    pub content_bytes: u64,
    /// Files that are named and whose bytes were not to be had.
    pub absent: u64,
}

/// Exports runs to `request.out`, or to `stream` where the format is a stream and no file is named.
///
/// # Errors
/// A request error where a run is not recorded, or the format needs a place that was not named or is taken; a store error
/// where something cannot be read or written.
pub fn export(
    workspace: &Workspace,
    view: &View,
    request: &ExportRequest,
    stream: &mut dyn Write,
) -> Result<Exported> {
    let source = Source::of(workspace, &view.snapshot, request)?;
    let (is_stream, what) = match request.format {
        ExportFormat::ProvJson | ExportFormat::OpenLineage => (true, "file"),
        ExportFormat::RoCrate => (false, "folder, or a file that ends in `.zip`,"),
        ExportFormat::Parquet => (false, "folder"),
    };
    let Some(out) = &request.out else {
        if !is_stream {
            return Err(Error::request("this format is more than one file")
                .hint(format!("name the {what} to write with `--out PATH`")));
        }
        return source.stream(request.format, stream);
    };
    if out.symlink_metadata().is_ok() {
        let message = format!("`{}` is there already", out.display().to_string().escape_debug());
        return Err(Error::request(message).hint("name another place, or remove it; nothing was written"));
    }
    match request.format {
        ExportFormat::Parquet => whole_folder(out, |folder| parquet::write(&source, folder)),
        ExportFormat::RoCrate if out.extension().is_some_and(|ending| ending == "zip") => {
            whole_file(out, |file| ro_crate::write(&source, &mut ro_crate::Zip::new(file)))
        }
        ExportFormat::RoCrate => {
            whole_folder(out, |folder| ro_crate::write(&source, &mut ro_crate::Folder::new(folder)))
        }
        format => whole_file(out, |file| {
            let mut file = std::io::BufWriter::new(file);
            let exported = source.stream(format, &mut file)?;
            file.flush().map_err(not_written)?;
            Ok(exported)
        }),
    }
}

/// Wraps an error of the place that is written to.
fn not_written(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::store("cannot write the export").because(cause).hint("the store is not harmed")
}

/// Makes a file that has its name only when it is whole.
fn whole_file(
    out: &std::path::Path,
    write: impl FnOnce(std::fs::File) -> Result<Exported>,
) -> Result<Exported> {
    let part = partial_name(out);
    let made = std::fs::File::create_new(&part).map_err(not_written).and_then(|file| {
        let kept = file.try_clone().map_err(not_written)?;
        let exported = write(file)?;
        kept.sync_all().and_then(|()| std::fs::rename(&part, out)).map_err(not_written)?;
        Ok(exported)
    });
    if made.is_err() {
        // The first error is the one that matters.
        let _ = std::fs::remove_file(&part);
    }
    made
}

/// Makes a folder that has its name only when all is in it.
fn whole_folder(
    out: &std::path::Path,
    write: impl FnOnce(&std::path::Path) -> Result<Exported>,
) -> Result<Exported> {
    let part = partial_name(out);
    std::fs::create_dir(&part).map_err(not_written)?;
    let made = write(&part).and_then(|exported| {
        std::fs::rename(&part, out).map_err(not_written)?;
        Ok(exported)
    });
    if made.is_err() {
        let _ = std::fs::remove_dir_all(&part);
    }
    made
}

fn partial_name(out: &std::path::Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(crate::disk::TEMPORARY_PREFIX);
    name.push(out.file_name().unwrap_or_default());
    name.push(format!("-{}", std::process::id()));
    out.with_file_name(name)
}

/// The runs that are exported, and where what they name is to be had.
pub(super) struct Source<'a> {
    workspace: &'a Workspace,
    snapshot: &'a Snapshot,
    /// The runs, oldest first.
    runs: Vec<RunNo>,
    /// Whether these are all.
    is_all: bool,
    namespace: String,
}

impl<'a> Source<'a> {
    fn of(workspace: &'a Workspace, snapshot: &'a Snapshot, request: &ExportRequest) -> Result<Self> {
        let mut seen = std::collections::HashSet::new();
        let mut runs: Vec<RunNo> = request.runs.iter().copied().filter(|run| seen.insert(*run)).collect();
        let is_all = runs.is_empty();
        if is_all {
            snapshot.runs_newest_first(|run| {
                runs.push(run);
                Ok(ControlFlow::Continue(()))
            })?;
            runs.reverse();
        }
        let name = workspace.root().file_name().map(|name| name.to_string_lossy().into_owned());
        let namespace = request.namespace.clone().or(name).filter(|name| !name.is_empty());
        Ok(Source {
            workspace,
            snapshot,
            runs,
            is_all,
            namespace: namespace.unwrap_or_else(|| "lineage".to_owned()),
        })
    }

    fn stream(&self, format: ExportFormat, stream: &mut dyn Write) -> Result<Exported> {
        match format {
            ExportFormat::ProvJson => prov::write(self, stream)?,
            ExportFormat::OpenLineage => openlineage::write(self, stream)?,
            ExportFormat::RoCrate | ExportFormat::Parquet => {
                return Err(Error::bug("this format is more than one file"));
            }
        }
        Ok(Exported { runs: self.runs.len() as u64, ..Exported::default() })
    }

    /// Calls `visit` with every run, oldest first.
    fn each_run(&self, visit: &mut dyn FnMut(&RunHead) -> Result<()>) -> Result<()> {
        for number in &self.runs {
            if let Some(mut head) = RunHead::read(self.snapshot, *number)? {
                head.alive = self.workspace.is_alive(head.view.live_segment());
                visit(&head)?;
            }
        }
        Ok(())
    }

    /// Calls `visit` with every step of a run, in the order of their beginnings.
    fn each_step(&self, run: &RunHead, visit: &mut dyn FnMut(Step) -> Result<()>) -> Result<()> {
        for number in self.snapshot.steps_of(run.view.number)? {
            if let Some(step) = self.snapshot.step(number)? {
                visit(step)?;
            }
        }
        Ok(())
    }

    /// Returns what a run read and did not write itself, and what it wrote, by path.
    fn files(&self, run: &RunHead) -> Result<(BTreeSet<Artifact>, BTreeSet<Artifact>)> {
        let (mut used, mut generated) = (BTreeSet::new(), BTreeSet::new());
        self.each_step(run, &mut |step| {
            used.extend(step.used.into_iter().map(|edge| edge.artifact));
            generated.extend(step.generated.into_iter().map(|edge| edge.artifact));
            Ok(())
        })?;
        used.retain(|artifact| !generated.contains(artifact));
        Ok((used, generated))
    }

    /// Returns when a run ended; of one that was cut off, when it was last heard of. `None` while it lives.
    fn ended_at(&self, run: &RunHead) -> Result<Option<Timestamp>> {
        if run.status() == RunStatus::Running {
            return Ok(None);
        }
        if let Some(at) = run.view.ended_at() {
            return Ok(Some(at));
        }
        let mut last = run.view.outcomes.iter().map(|o| o.at).fold(run.view.run.started_at, Timestamp::max);
        self.each_step(run, &mut |step| {
            last = last.max(step.ended_at);
            Ok(())
        })?;
        Ok(Some(last))
    }

    fn metrics(&self, owner: NodeId) -> Result<Vec<Metric>> {
        self.snapshot.metrics(owner)
    }
}

/// The program that exports, as a name.
fn producer() -> String {
    format!("urn:lineage:program:{}", env!("CARGO_PKG_VERSION"))
}

/// Names a file.
fn file_urn(artifact: &Artifact) -> String {
    format!("urn:lineage:file:{}:{}", artifact.digest.hex(), percent_encoded(artifact.path.as_bytes()))
}

/// Writes a JSON value without spaces.
fn write_json(stream: &mut dyn Write, value: &serde_json::Value) -> Result<()> {
    serde_json::to_writer(stream, value).map_err(not_written)
}

/// Writes text as it is.
fn write_text(stream: &mut dyn Write, text: &str) -> Result<()> {
    stream.write_all(text.as_bytes()).map_err(not_written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ArtifactPath, Digest};

    #[test]
    fn a_file_has_one_name_whatever_it_is_called() {
        let path = ArtifactPath::from_bytes(b"a b/\xff\n%41.txt".to_vec()).unwrap();
        let artifact = Artifact { path, digest: Digest::of(b""), size_bytes: 0 };
        let name = file_urn(&artifact);
        assert!(name.starts_with("urn:lineage:file:af1349b9f5f9a1a6"), "{name}");
        assert!(name.ends_with(":a%20b/%FF%0A%2541.txt"), "{name}");
    }
}
