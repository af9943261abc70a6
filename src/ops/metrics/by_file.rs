//! What each of several files of metrics of one run says: a sweep in one run writes one beside each of its models.

use std::collections::BTreeMap;
use std::path::Path;

use crate::disk::read_regular;
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, MetricValue, Role};
use crate::ops::Workspace;
use crate::ops::run::{Form, from_document};
use crate::query::RunHead;
use crate::query::diff::{MetricDiff, RunDiff};
use crate::store::{RunNo, Snapshot};

/// The last value that each file gives, by the name of the metric and the path of the file.
pub type ByFile = BTreeMap<String, BTreeMap<ArtifactPath, MetricValue>>;

/// Reads what the files of metrics of a run say, where several gave unlike values of one metric; nothing of any other run.
///
/// # Errors
/// A store error where a record is damaged.
pub fn by_file(workspace: &Workspace, snapshot: &Snapshot, run: &RunHead) -> Result<ByFile> {
    if !run.view.has_metrics_of_several_files() {
        return Ok(ByFile::new());
    }
    let mut values = said_by_files(workspace, snapshot, run)?.unwrap_or_default();
    values.retain(|_, files| are_unlike(files));
    Ok(values)
}

fn are_unlike(files: &BTreeMap<ArtifactPath, MetricValue>) -> bool {
    let mut values = files.values();
    values.next().is_some_and(|first| values.any(|other| other != first))
}

/// Returns what each file of a run gives of the metrics of which no point is from elsewhere; `None` where what one of the files held is
/// neither kept nor there, so that nobody knows what it gave.
fn said_by_files(workspace: &Workspace, snapshot: &Snapshot, run: &RunHead) -> Result<Option<ByFile>> {
    let mut values = ByFile::new();
    for file in metrics_files(snapshot, run.view.number)?.values() {
        let Some(given) = values_in(workspace, file) else { return Ok(None) };
        for (name, value) in given {
            values.entry(name).or_default().insert(file.path.clone(), value);
        }
    }
    let mut told = ByFile::new();
    for (name, files) in values {
        let Some(metric) = snapshot.metric_no(&name)? else { continue };
        if snapshot.metric_count(run.view.run.id, metric)? <= files.len() as u64 {
            told.insert(name, files);
        }
    }
    Ok(Some(told))
}

/// Compares the metrics that several files of a run gave file by file: the last value of all says nothing of them.
///
/// # Errors
/// A store error where a record is damaged.
pub(in crate::ops) fn tell_apart(
    workspace: &Workspace,
    snapshot: &Snapshot,
    diff: &mut RunDiff,
) -> Result<()> {
    if ![&diff.a, &diff.b].iter().any(|run| run.view.has_metrics_of_several_files()) {
        return Ok(());
    }
    let (Some(a), Some(b)) =
        (said_by_files(workspace, snapshot, &diff.a)?, said_by_files(workspace, snapshot, &diff.b)?)
    else {
        return Ok(());
    };
    for (name, of_a) in &a {
        let Some(of_b) = b.get(name) else { continue };
        if !are_unlike(of_a) && !are_unlike(of_b) {
            continue;
        }
        match diff.metrics.iter().position(|metric| metric.name == *name) {
            Some(place) => _ = diff.metrics.remove(place),
            None => diff.metrics_same = diff.metrics_same.saturating_sub(1),
        }
        let only_b = of_b.keys().filter(|file| !of_a.contains_key(*file));
        for file in of_a.keys().chain(only_b) {
            let (a, b) = (of_a.get(file).copied(), of_b.get(file).copied());
            match a == b {
                true => diff.metrics_same += 1,
                false => diff.metrics.push(MetricDiff::of_file(name.clone(), file.clone(), a, b)),
            }
        }
    }
    diff.metrics.sort_by(|a, b| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
    Ok(())
}

/// Finds the files of metrics that a run wrote, each as it was written last. Of what else it wrote, which may be very many files, no
/// more is read than that it is none.
pub(in crate::ops) fn metrics_files(
    snapshot: &Snapshot,
    run: RunNo,
) -> Result<BTreeMap<ArtifactPath, Artifact>> {
    let mut files = BTreeMap::new();
    for step in snapshot.steps_of(run)? {
        let written = snapshot.edges(step)?.into_iter().flat_map(|edges| edges.generated);
        for edge in written.filter(|edge| edge.role == Role::Metrics) {
            let file = snapshot.artifact(edge.artifact)?;
            files.insert(file.path.clone(), file);
        }
    }
    Ok(files)
}

/// Returns the metrics in a file as it was recorded, each with its last value; `None` where what it held is neither kept nor there.
pub(in crate::ops) fn values_in(
    workspace: &Workspace,
    file: &Artifact,
) -> Option<Vec<(String, MetricValue)>> {
    let bytes = bytes_of(workspace, file)?;
    let form = Form::of(&file.path.on_disk(Path::new("")).unwrap_or_default());
    let (points, _) = from_document(&bytes, form);
    Some(points.into_iter().map(|point| (point.name, point.value)).collect())
}

/// Returns the bytes of a file as they were recorded, from where they are kept, or from its place; `None` where they are neither.
fn bytes_of(workspace: &Workspace, file: &Artifact) -> Option<Vec<u8>> {
    // A damaged copy is as good as none.
    if let Ok(Some(bytes)) = workspace.contents().read(&file.digest) {
        return Some(bytes);
    }
    let bytes = read_regular(&file.path.on_disk(workspace.root())?).ok()?;
    (Digest::of(&bytes) == file.digest).then_some(bytes)
}
