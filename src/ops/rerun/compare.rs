//! The outputs of a run and of its repetition, by path and by content.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::needs::lies_at;
use super::{Original, Place};
use crate::model::{Artifact, ArtifactPath, Passing, Role, RunKind, Step, Timestamp};
use crate::ops::Workspace;
use crate::projection::names::run_folder_name;
use crate::query;
use crate::query::diff::pattern;

/// The last version of every file that a run and its repetition wrote, and did not take away again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputComparison {
    /// The same bytes; as they were named then.
    pub same: Vec<Artifact>,
    /// Other bytes: of then, and of now.
    pub differs: Vec<[Artifact; 2]>,
    /// Which of these, by the paths of then, are archives of gzip that hold the same: only their headers differ, as by the time in them.
    pub repacked: BTreeSet<ArtifactPath>,
    /// Only the run wrote it.
    pub missing: Vec<Artifact>,
    /// Only the repetition wrote it.
    pub new: Vec<Artifact>,
    /// The repetition wrote it again, and it is as it was when the run ended, which had not written it; as it is named in the workspace.
    pub also_made: Vec<Artifact>,
    /// What was compared with a file whose path differs in time stamps, ids and counters only: the path of then, and what both
    /// paths have in common.
    pub by_pattern: BTreeMap<ArtifactPath, String>,
    /// Both took these files of the workspace away, by path.
    pub removed: Vec<ArtifactPath>,
    /// Only the run took it away.
    pub not_removed: Vec<ArtifactPath>,
    /// Only the repetition took it away.
    pub newly_removed: Vec<ArtifactPath>,
    /// How many files that tell of their own run were not compared.
    pub not_compared: u64,
}

impl OutputComparison {
    /// Returns true where both wrote the same files with the same bytes, and took the same away.
    pub fn is_same(&self) -> bool {
        self.differs.is_empty()
            && self.missing.is_empty()
            && self.new.is_empty()
            && self.not_removed.is_empty()
            && self.newly_removed.is_empty()
    }

    /// Returns how many files either wrote.
    pub fn count(&self) -> usize {
        self.same.len() + self.differs.len() + self.missing.len() + self.new.len()
    }
}

/// Compares what `original` wrote with what the steps of its repetition did.
pub(super) fn compare(
    original: &Original,
    now: &[Step],
    place: &Place,
    workspace: &Workspace,
    is_work: &dyn Fn(&Path) -> bool,
) -> OutputComparison {
    let root = workspace.root();
    let mut found = OutputComparison::default();
    let is_pipeline = original.run().kind == RunKind::Pipeline;
    let front = format!("{}/", original.name());
    let of_run = |name: &str, id: &str, folder: &str| name.replace(folder, "{run}").replace(id, "{run_id}");
    let run = original.run();
    let label = &original.head.recorded_label;
    let folder = run_folder_name(label, &run.name, &run.code);
    let then = |name: String| if is_pipeline { of_run(&name, label.as_str(), &folder) } else { name };
    let inner = if is_pipeline { inner_run(&place.root) } else { None };
    let here = |name: String| match &inner {
        Some((id, folder)) => of_run(&name, id, folder),
        None => name,
    };
    let wanted = |artifact: &Artifact, role: Role| {
        let path = &artifact.path;
        let is_inside = path.is_inside() || path.as_bytes().starts_with(front.as_bytes());
        let is_here = place.copy.is_none() && path.on_disk(root).is_some_and(|place| is_work(&place));
        (is_inside || is_here) && !(is_pipeline && tells_of_its_run(path.file_name(), role))
    };
    let before = last_versions(&original.steps, &wanted, &then);
    let name = |name: String| here(name.strip_prefix(&front).map(str::to_owned).unwrap_or(name));
    let after = last_versions(now, &wanted, &name);
    if is_pipeline {
        let edges = original.steps.iter().flat_map(|step| &step.generated);
        let told = edges.filter(|edge| tells_of_its_run(edge.artifact.path.file_name(), edge.role));
        found.not_compared = told.count() as u64;
    }
    pair(before, after, &mut found);
    as_it_was(original, workspace, &front, &mut found);
    let (before, mut now) = (removed(&original.steps, ""), removed(now, &front));
    for path in before {
        match now.remove(&path) {
            true => found.removed.push(path),
            false => found.not_removed.push(path),
        }
    }
    found.newly_removed = now.into_iter().collect();
    found
}

/// Compares files by name, and what is left by what the names say beside time stamps, ids and counters.
fn pair(
    before: BTreeMap<String, Artifact>,
    mut after: BTreeMap<String, Artifact>,
    found: &mut OutputComparison,
) {
    let counterparts = {
        let names = [&before, &after].map(|files| files.keys().map(String::as_str).collect::<Vec<_>>());
        let taken = [(&before, &after), (&after, &before)]
            .map(|(own, others)| own.keys().map(|name| others.contains_key(name)).collect::<Vec<_>>());
        let pairs = pattern::pairs(names.each_ref().map(Vec::as_slice), taken.each_ref().map(Vec::as_slice));
        let named =
            pairs.into_iter().map(|(then, now)| (names[0][then].to_owned(), names[1][now].to_owned()));
        named.collect::<BTreeMap<String, String>>()
    };
    for (name, artifact) in before {
        let counterpart = counterparts.get(&name);
        if let Some(counterpart) = counterpart {
            found.by_pattern.insert(artifact.path.clone(), pattern::as_one(&name, counterpart));
        }
        match after.remove(counterpart.unwrap_or(&name)) {
            Some(again) if again.digest == artifact.digest => found.same.push(artifact),
            Some(again) => found.differs.push([artifact, again]),
            None => found.missing.push(artifact),
        }
    }
    found.new = after.into_values().collect();
}

/// Tells what is new from what was made again as it had been lying there: a program that makes only what is out of date may go by more
/// than the copy has.
fn as_it_was(original: &Original, workspace: &Workspace, front: &str, found: &mut OutputComparison) {
    let ended = original.head.view.ended_at();
    let lay_as_it_ended = |artifact: &Artifact| {
        let place = artifact.path.on_disk(workspace.root())?;
        let written = place.metadata().ok()?.modified().ok()?;
        let written = written.duration_since(std::time::UNIX_EPOCH).ok()?.as_micros();
        Some(
            ended? >= Timestamp::from_micros(written as i64)
                && lies_at(workspace.digests(), &place, &artifact.digest),
        )
    };
    for new in std::mem::take(&mut found.new) {
        let name = new.path.as_bytes().strip_prefix(front.as_bytes());
        let path = name.and_then(|name| ArtifactPath::from_bytes(name.to_vec()).ok());
        let named = Artifact { path: path.unwrap_or_else(|| new.path.clone()), ..new.clone() };
        let then = original.lay_there.files.get(&named.path);
        if then.is_some_and(|then| then.digest == new.digest) || lay_as_it_ended(&named) == Some(true) {
            found.also_made.push(named);
        } else {
            found.new.push(new);
        }
    }
}

/// Returns the files of the workspace that steps took away and had not written, whose names begin with `front` where a copy stood for it.
fn removed(steps: &[Step], front: &str) -> BTreeSet<ArtifactPath> {
    let passing = Passing::of(steps);
    let removed = steps.iter().flat_map(|step| &step.removed).map(|removed| &removed.path);
    let removed = removed.filter(|path| !passing.has(path));
    let named = removed.filter_map(|path| match path.as_bytes().strip_prefix(front.as_bytes()) {
        Some(name) => ArtifactPath::from_bytes(name.to_vec()).ok(),
        None => Some(path.clone()),
    });
    named.filter(ArtifactPath::is_inside).collect()
}

/// Returns true for files of a pipeline that name their run and its time, and so can never be the same.
fn tells_of_its_run(name: &[u8], role: Role) -> bool {
    let of_run = [&b"metrics.json"[..], b"run_config.yaml", b"RUN_REPORT.md"];
    role == Role::Metrics || of_run.contains(&name)
}

fn last_versions(
    steps: &[Step],
    wanted: &dyn Fn(&Artifact, Role) -> bool,
    name: &dyn Fn(String) -> String,
) -> BTreeMap<String, Artifact> {
    let mut last = BTreeMap::new();
    let passing = Passing::of(steps);
    for step in steps {
        let left = step.generated.iter().filter(|edge| !passing.has(&edge.artifact.path));
        for edge in left.filter(|edge| wanted(&edge.artifact, edge.role)) {
            let place = last.entry(name(edge.artifact.path.to_string()));
            let this = (edge.at, step.id, edge.artifact.clone());
            let before = place.or_insert_with(|| this.clone());
            *before = this.max(before.clone());
        }
    }
    last.into_iter().map(|(name, (.., artifact))| (name, artifact)).collect()
}

/// Finds the run that a pipeline recorded in its own workspace, in the copy: its run id and the name of its folders.
fn inner_run(root: &Path) -> Option<(String, String)> {
    let workspace = Workspace::find(root).ok()?.filter(|workspace| workspace.root() == root)?;
    let view = workspace.view().ok()?;
    let (runs, _) = query::runs(&view.snapshot, 1).ok()?;
    let run = &runs.first()?.run;
    Some((run.run_id.to_string(), run_folder_name(&run.run_id, &run.name, &run.code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn a_file_in_another_stamped_folder_is_compared_with_that_of_then() {
        let files = |words: &[&str]| {
            let files = words.iter().map(|word| {
                let (name, bytes) = word.split_once('=').unwrap();
                let (path, digest) = (ArtifactPath::new(name).unwrap(), Digest::of(bytes.as_bytes()));
                (name.to_owned(), Artifact { path, digest, size_bytes: bytes.len() as u64 })
            });
            files.collect::<BTreeMap<_, _>>()
        };
        let mut found = OutputComparison::default();
        let before = files(&["out/20261127_101500/m=1", "out/20261127_101500/log=1", "a=1", "gone=1"]);
        let after = files(&["out/20261128_090000/m=1", "out/20261128_090000/log=2", "a=2", "new=1"]);
        pair(before, after, &mut found);
        let paths = |files: &[Artifact]| files.iter().map(|file| file.path.to_string()).collect::<Vec<_>>();
        let differs: Vec<String> =
            found.differs.iter().map(|[then, now]| format!("{}={}", then.path, now.path)).collect();
        assert_eq!(paths(&found.same), ["out/20261127_101500/m"]);
        assert_eq!(differs, ["a=a", "out/20261127_101500/log=out/20261128_090000/log"]);
        assert_eq!(
            (paths(&found.missing), paths(&found.new)),
            (vec!["gone".to_owned()], vec!["new".to_owned()])
        );
        assert_eq!(found.by_pattern.into_values().collect::<Vec<_>>(), ["out/{time}/log", "out/{time}/m"]);
    }
}
