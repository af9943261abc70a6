//! The metrics of runs: names to runs, patterns to metrics, and a chart into a file.

mod by_file;
mod mlflow;

use std::ffi::OsString;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use crate::disk::open_regular;
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, repeated_word};
use crate::ops::{View, Workspace, locate_run};
use crate::query::{Chart, MetricRow, RunHead, chart, metric_rows};

pub use by_file::{ByFile, by_file};
pub(in crate::ops) use by_file::{metrics_files, tell_apart, values_in};

/// Runs and their metrics.
#[derive(Debug, Clone)]
pub struct MetricsReport {
    /// The runs, in the order they were named.
    pub runs: Vec<RunMetrics>,
}

/// A run and its metrics.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunMetrics {
    /// The run.
    pub head: RunHead,
    /// Its metrics, by name.
    pub rows: Vec<MetricRow>,
    /// How many of them were left out.
    pub left_out: usize,
    /// What each file says of those that several files gave, where they were unlike: their points are no curve.
    pub by_file: ByFile,
    /// The store of MLflow that it wrote into, where it has no metrics here.
    pub mlflow: Option<ArtifactPath>,
}

impl MetricsReport {
    /// Returns the names of the metrics, each once, in order.
    pub fn names(&self) -> Vec<&str> {
        let rows = self.runs.iter().flat_map(|run| &run.rows);
        let mut names: Vec<&str> = rows.map(|row| row.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// As many runs may be named at once.
const RUNS_MAX: usize = 64;
/// The longest pattern, in bytes.
const PATTERN_MAX_BYTES: usize = 1_024;

/// A pattern for the names of metrics.
#[derive(Debug, Clone)]
pub struct NamePattern(GlobMatcher);

impl NamePattern {
    /// Says whether a name fits.
    pub fn fits(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// Reads a pattern for the names of metrics; `/` is a character like any other.
///
/// # Errors
/// A request error where it is none.
pub fn name_pattern(text: &str) -> Result<NamePattern> {
    let shown: String = text.chars().take(64).collect();
    let wrong = || Error::request(format!("`{}` is no pattern", shown.escape_debug()));
    if text.len() > PATTERN_MAX_BYTES {
        return Err(wrong().because(format!("it has more than {PATTERN_MAX_BYTES} bytes")));
    }
    let glob = GlobBuilder::new(text).build().map_err(|cause| wrong().because(cause.kind().to_string()))?;
    Ok(NamePattern(glob.compile_matcher()))
}

/// Reads the metrics of the runs that `words` name, as seen from `folder`; of each at most `limit` whose names fit `pattern`.
///
/// # Errors
/// A request error where a word names no run.
pub fn metrics(
    workspace: &Workspace,
    view: &View,
    folder: &Path,
    words: &[OsString],
    pattern: Option<&NamePattern>,
    limit: usize,
) -> Result<MetricsReport> {
    if words.len() > RUNS_MAX {
        return Err(Error::request(format!("{} runs are named; at most {RUNS_MAX} are taken", words.len())));
    }
    let is_wanted = |name: &str| pattern.is_none_or(|pattern| pattern.fits(name));
    let mut runs: Vec<RunMetrics> = Vec::new();
    for word in words {
        let number = locate_run(workspace, &view.snapshot, folder, word)?;
        let Some(mut head) = RunHead::read(&view.snapshot, number)? else {
            return Err(Error::request(format!(
                "the start of run `{}` is not recorded",
                repeated_word(word)
            )));
        };
        if runs.iter().any(|known| known.head.view.run.id == head.view.run.id) {
            continue;
        }
        head.alive = workspace.is_at_work(&view.snapshot, &head.view)?;
        let (rows, left_out) = metric_rows(&view.snapshot, head.view.run.id, &is_wanted, limit)?;
        let mut by_file = by_file(workspace, &view.snapshot, &head)?;
        by_file.retain(|name, _| rows.iter().any(|row| row.name == *name));
        let mlflow = if rows.is_empty() && pattern.is_none() {
            mlflow::store_of(workspace, &view.snapshot, head.view.number)?
        } else {
            None
        };
        runs.push(RunMetrics { head, rows, left_out, by_file, mlflow });
    }
    Ok(MetricsReport { runs })
}

/// Gathers the curves of the metrics in a report that have two points at least, at most `limit`; and how many more there are.
///
/// # Errors
/// A store error where a record is damaged.
pub fn charts(
    view: &View,
    report: &MetricsReport,
    width: usize,
    limit: usize,
) -> Result<(Vec<Chart>, usize)> {
    let owners: Vec<_> = report.runs.iter().map(|run| run.head.view.run.id).collect();
    let (mut charts, mut left_out) = (Vec::new(), 0);
    for name in report.names() {
        if report.runs.iter().any(|run| run.by_file.contains_key(name)) {
            continue;
        }
        let of_name = |row: &&MetricRow| row.name == name;
        let points = report.runs.iter().filter_map(|run| run.rows.iter().find(of_name)).map(|row| row.points);
        if points.max().unwrap_or(0) < 2 {
            continue;
        }
        if charts.len() == limit {
            left_out += 1;
            continue;
        }
        charts.extend(chart(&view.snapshot, &owners, name, width)?);
    }
    Ok((charts, left_out))
}

/// So much of a file that is there is shown to whoever judges it.
const FRONT_BYTES: u64 = 400;

/// Writes a picture to `path`. A file that is there is replaced only where `is_ours` accepts how it begins, or `force` says so.
///
/// # Errors
/// A request error where there is a file of somebody else's, or it cannot be written.
pub fn write_picture(
    workspace: &Workspace,
    path: &Path,
    bytes: &[u8],
    is_ours: &dyn Fn(&[u8]) -> bool,
    force: bool,
) -> Result<()> {
    let failed = |cause: std::io::Error| {
        Error::request(format!("cannot write `{}`", path.display().to_string().escape_debug())).because(cause)
    };
    let front = open_regular(path).and_then(|file| {
        let mut front = Vec::new();
        file.take(FRONT_BYTES).read_to_end(&mut front).map(|_| front)
    });
    match front {
        Ok(before) if !force && !is_ours(&before) => {
            return Err(Error::request(format!(
                "`{}` is there and was not drawn by lineage",
                path.display()
            ))
            .hint("nothing was changed; another name, or `--force`, writes it"));
        }
        Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(failed(cause)),
        _ => {}
    }
    workspace.disk().replace(path, bytes).map_err(failed)
}
