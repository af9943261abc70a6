//! `lineage export`: the backup of [`export`](crate::ops::export), tables as CSV and Parquet, and the formats of others: PROV-JSON,
//! OpenLineage, RO-Crate.
//!
//! Names are the same in every export of every machine that holds the same facts:
//!
//! | thing | name |
//! |---|---|
//! | run, step, model version | `urn:uuid:` and its key |
//! | file | `urn:lineage:file:<digest>:<path>`: the BLAKE3 digest in hexadecimal, and the path with all but `A-Za-z0-9-._~/` as `%NN` |
//! | commit | `urn:lineage:commit:<sha>` |
//!
//! Of a file of credentials all versions have one name, with a digest that tells nothing; only the backup and the tables tell more.
//!
//! Everything is written run by run, so that memory does not grow with the store.
//!
//! Each format has the two edges of a step as they were seen. That a file was made from another is concluded from them, and not where
//! a step wrote on in what it read: what was there may have gone into its other files, or not. Each format says so as far as it
//! has words, and says of what was written there that it is made from what was read.

mod behind;
mod csv;
mod openlineage;
mod parquet;
mod prov;
mod ro_crate;
mod tables;
mod versions;

use std::cell::{OnceCell, RefCell};
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::capture::credentials::is_credentials;
use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, Evidence, Fact, Metric, NodeId, RunStatus, Step, Timestamp, os_word,
    percent_encoded,
};
use crate::ops::export::out::Out;
use crate::ops::export::{facts_of, jsonl, not_written};
use crate::ops::{View, Workspace};
use crate::query::{OnRead, RunHead, written_on_by};
use crate::store::{GO_ON, RunNo, Snapshot, StepNo};

use versions::Version;

pub use behind::runs_behind;

/// As many bytes are gathered before they are written to a file.
const BUFFER_BYTES: usize = 1 << 20;

/// A format to export to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// The complete backup: every fact as a line of JSON.
    Jsonl,
    /// Tables as CSV: a folder with one file for each.
    Csv,
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
    /// Whether it may take the place of an older export.
    pub force: bool,
    /// The namespace of jobs in formats that have one; by default the name of the workspace's folder.
    pub namespace: Option<String>,
    /// Whether the bytes of files come along that lie outside the workspace, that git ignores and no run wrote, or that are named
    /// like files of credentials.
    pub with_contents: bool,
}

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many runs.
    pub runs: u64,
    /// How many facts, where each is a line.
    pub facts: Option<u64>,
    /// The files of tables, and how many rows are in each.
    pub tables: Vec<(String, u64)>,
    /// How many contents were copied.
    pub contents: u64,
    /// How many bytes they have.
    pub content_bytes: u64,
    /// Files that are named and whose bytes were not to be had.
    pub absent: u64,
    /// Files that are named and whose bytes were not asked for: they lie outside the workspace, or git ignores them and no run wrote
    /// them.
    pub withheld: u64,
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
        ExportFormat::Jsonl | ExportFormat::ProvJson | ExportFormat::OpenLineage => (true, "file"),
        ExportFormat::RoCrate => (false, "folder, or a file that ends in `.zip`,"),
        ExportFormat::Csv | ExportFormat::Parquet => (false, "folder"),
    };
    let Some(out) = &request.out else {
        if !is_stream {
            return Err(Error::request("this format is more than one file")
                .hint(format!("name the {what} to write with `--out PATH`")));
        }
        return source.stream(request, stream);
    };
    let out = Out { path: out, force: request.force, disk: workspace.disk() };
    match request.format {
        ExportFormat::Csv => out.folder(|folder| tables::write::<csv::CsvFile>(&source, folder)),
        ExportFormat::Parquet => out.folder(|folder| tables::write::<parquet::ParquetFile>(&source, folder)),
        ExportFormat::RoCrate if out.path.extension().is_some_and(|ending| ending == "zip") => {
            out.file(|file| ro_crate::write(&source, &mut ro_crate::Zip::new(file)))
        }
        ExportFormat::RoCrate => {
            out.folder(|folder| ro_crate::write(&source, &mut ro_crate::Folder::new(folder)))
        }
        ExportFormat::Jsonl | ExportFormat::ProvJson | ExportFormat::OpenLineage => out.file(|file| {
            let mut file = std::io::BufWriter::with_capacity(BUFFER_BYTES, file);
            let exported = source.stream(request, &mut file)?;
            file.flush().map_err(not_written)?;
            Ok(exported)
        }),
    }
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
    with_contents: bool,
    /// The steps of the run that was looked at last.
    steps: RefCell<Option<(NodeId, Vec<StepNo>)>>,
    /// The model versions among it, once they were asked for.
    versions: OnceCell<Vec<Version>>,
}

impl<'a> Source<'a> {
    fn of(workspace: &'a Workspace, snapshot: &'a Snapshot, request: &ExportRequest) -> Result<Self> {
        let mut seen = HashSet::new();
        let mut runs: Vec<RunNo> = request.runs.iter().copied().filter(|run| seen.insert(*run)).collect();
        let is_all = runs.is_empty();
        if is_all {
            snapshot.runs_newest_first(|run| {
                runs.push(run);
                Ok(GO_ON)
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
            with_contents: request.with_contents,
            steps: RefCell::new(None),
            versions: OnceCell::new(),
        })
    }

    fn stream(&self, request: &ExportRequest, stream: &mut dyn Write) -> Result<Exported> {
        let mut facts = None;
        match request.format {
            ExportFormat::Jsonl => facts = Some(jsonl(self.snapshot, &request.runs, stream)?),
            ExportFormat::ProvJson => prov::write(self, stream)?,
            ExportFormat::OpenLineage => openlineage::write(self, stream)?,
            ExportFormat::Csv | ExportFormat::RoCrate | ExportFormat::Parquet => {
                return Err(Error::bug("this format is more than one file"));
            }
        }
        Ok(Exported { runs: self.runs.len() as u64, facts, ..Exported::default() })
    }

    /// Reads the head of a run; `None` where only others speak of it.
    fn head(&self, number: RunNo) -> Result<Option<RunHead>> {
        let mut head = RunHead::read(self.snapshot, number)?;
        if let Some(head) = &mut head {
            head.alive = self.workspace.is_at_work(self.snapshot, &head.view)?;
        }
        Ok(head)
    }

    /// Calls `visit` with every run, oldest first.
    fn each_run(&self, visit: &mut dyn FnMut(&RunHead) -> Result<()>) -> Result<()> {
        for number in &self.runs {
            if let Some(head) = self.head(*number)? {
                visit(&head)?;
            }
        }
        Ok(())
    }

    /// Calls `visit` with every fact, or where not all runs are exported with those that speak of them.
    fn each_fact(&self, visit: &mut dyn FnMut(Fact) -> Result<()>) -> Result<()> {
        let runs = if self.is_all { &[] } else { self.runs.as_slice() };
        facts_of(self.snapshot, runs, visit)
    }

    /// Calls `visit` with every step of a run, in the order of their beginnings; files of credentials as they are shown.
    fn each_step(&self, run: &RunHead, visit: &mut dyn FnMut(Step) -> Result<()>) -> Result<()> {
        for number in self.snapshot.steps_of(run.view.number)? {
            let Some(mut step) = self.snapshot.step(number)? else { continue };
            let used = step.used.iter_mut().map(|edge| &mut edge.artifact);
            for artifact in used.chain(step.generated.iter_mut().map(|edge| &mut edge.artifact)) {
                if self.is_secret(&artifact.path) {
                    *artifact = with_name_alone(&artifact.path);
                }
            }
            for removed in step.removed.iter_mut().filter(|removed| self.is_secret(&removed.path)) {
                let Artifact { digest, size_bytes, .. } = with_name_alone(&removed.path);
                removed.content = Some((digest, size_bytes));
            }
            visit(step)?;
        }
        Ok(())
    }

    /// Returns true for a file of credentials, unless its bytes come along. Who has its digest and its size can try out which secret
    /// it is, where that is short.
    fn is_secret(&self, path: &ArtifactPath) -> bool {
        !self.with_contents && !path.is_url() && is_credentials(Path::new(&os_word(path.as_bytes().to_vec())))
    }

    /// Returns what others are shown of a file: of one of credentials its name alone.
    fn shown(&self, artifact: Artifact) -> Artifact {
        if self.is_secret(&artifact.path) { with_name_alone(&artifact.path) } else { artifact }
    }

    /// Returns the model versions that came from what is exported.
    fn versions(&self) -> Result<&[Version]> {
        if self.versions.get().is_none() {
            let _ = self.versions.set(versions::of(self)?);
        }
        Ok(self.versions.get().map_or(&[], Vec::as_slice))
    }

    /// Lists the reads of files that a step wrote on, or who told it of them: no format says of its other files that they are made
    /// from those.
    fn written_on(&self, step: &Step) -> Result<Vec<OnRead>> {
        let read: HashSet<&ArtifactPath> = step.used.iter().map(|edge| &edge.artifact.path).collect();
        let wrote_on = || step.generated.iter().any(|edge| read.contains(&edge.artifact.path));
        let was_told = || step.used.iter().any(|edge| edge.evidence == Evidence::Inferred);
        if !wrote_on() && !was_told() {
            return Ok(Vec::new());
        }
        let mut known = self.steps.borrow_mut();
        if known.as_ref().is_none_or(|(run, _)| *run != step.run) {
            let run = self.snapshot.run_no(step.run)?;
            let steps = run.map_or(Ok(Vec::new()), |run| self.snapshot.steps_of(run))?;
            *known = Some((step.run, steps));
        }
        // They are in the order of their keys.
        let mut steps = known.as_ref().map_or(&[][..], |(_, steps)| steps.as_slice());
        while let Some(middle) = steps.get(steps.len() / 2) {
            let Some(head) = self.snapshot.step_head(*middle)? else { break };
            steps = match step.id.cmp(&head.id) {
                Ordering::Less => &steps[..steps.len() / 2],
                Ordering::Equal => return written_on_by(self.snapshot, *middle),
                Ordering::Greater => &steps[steps.len() / 2 + 1..],
            };
        }
        Ok(Vec::new())
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

/// Names a file of which nothing else is said: all its versions are one.
fn with_name_alone(path: &ArtifactPath) -> Artifact {
    Artifact::without_content(path.clone(), b"withheld")
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
