//! What a split was given, and which of it is in none of its parts: it came to lie there since.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::model::{ArtifactPath, Run};
use crate::ops::Workspace;
use crate::ops::named::place_on_disk;
use crate::ops::pipeline::input_parameter;
use crate::ops::split::groups::By;
use crate::ops::split::manifest::{MANIFEST, Plan};
use crate::ops::split::{find, is_ours};
use crate::query::{Write, last_write_at_path};
use crate::store::{PathNo, RunNo, Snapshot};

/// What a split was told.
pub(crate) struct Given {
    /// Its run.
    pub run: RunNo,
    /// The files, folders and patterns that it was given, seen from the workspace's root; none where that is not recorded.
    inputs: Vec<PathBuf>,
    plan: Plan,
}

/// The parameter of a run that names what it was given.
pub(super) const INPUT: &str = "input";

/// Writes what a split is given, seen from `folder`, as its run is recorded with it.
pub(super) fn recorded_input(workspace: &Workspace, folder: &Path, word: &Path) -> String {
    let place = place_on_disk(folder, word).unwrap_or_else(|_| folder.join(word));
    input_parameter(workspace.root(), &place)
}

impl Given {
    /// Reads what the split was told that wrote a manifest; `None` where no split did.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn of(snapshot: &Snapshot, manifest: &ArtifactPath, write: &Write) -> Result<Option<Self>> {
        let is_split = manifest.file_name() == MANIFEST.as_bytes()
            && snapshot.step_without_edges(write.step)?.is_some_and(|step| step.name == "split");
        let Some(number) = snapshot.run_of(write.step)?.filter(|_| is_split) else { return Ok(None) };
        Ok(snapshot.run(number)?.map(|run| Given::to(number, &run)))
    }

    fn to(number: RunNo, run: &Run) -> Self {
        let values = |wanted: &'static str| {
            run.parameters.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        let value = |wanted| values(wanted).next().unwrap_or_default();
        let plan = Plan {
            by: value("by"),
            seed: value("seed"),
            ratios: value("ratios"),
            names: value("names").split(',').map(str::to_owned).collect(),
        };
        Given { run: number, inputs: values(INPUT).map(PathBuf::from).collect(), plan }
    }

    /// Lists the files that the split would take now if it were given the same again, and that are not `taken`; it wrote to `out`.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn not_taken(
        &self,
        workspace: &Workspace,
        snapshot: &Snapshot,
        out: &ArtifactPath,
        taken: &dyn Fn(&ArtifactPath) -> bool,
    ) -> Result<Vec<ArtifactPath>> {
        let by = By::parse(&self.plan.by)?;
        let mut files = BTreeSet::new();
        for input in &self.inputs {
            // Where there is nothing any more, nothing is new: what lay there is told of as gone.
            if let Ok(found) =
                found_in(workspace, workspace.root(), std::slice::from_ref(input), &by, (out, &self.plan))
            {
                files.extend(found);
            }
        }
        left_of(workspace, snapshot, files, taken)
    }
}

/// Returns the split that wrote a manifest last, of which something is recorded.
pub(super) fn given_at(snapshot: &Snapshot, manifest: &ArtifactPath) -> Result<Option<Given>> {
    let number: Option<PathNo> = snapshot.path_no(manifest)?;
    let write = number.map_or(Ok(None), |number| last_write_at_path(snapshot, number, i64::MAX, None))?;
    write.map_or(Ok(None), |write| Given::of(snapshot, manifest, &write))
}

/// Finds the files that words name, but for what a split wrote to a folder.
///
/// # Errors
/// A request error where nothing is found, or a word names nothing.
pub(super) fn found_in(
    workspace: &Workspace,
    folder: &Path,
    words: &[PathBuf],
    by: &By,
    (out, plan): (&ArtifactPath, &Plan),
) -> Result<BTreeSet<PathBuf>> {
    let mine = |path: &ArtifactPath| path.folder() == out.as_bytes() && is_ours(plan, path);
    Ok(find::find(workspace, folder, words, by, &mine)?.files)
}

/// Returns those of the files that are not taken, by path.
pub(super) fn left_of(
    workspace: &Workspace,
    snapshot: &Snapshot,
    mut files: BTreeSet<PathBuf>,
    taken: &dyn Fn(&ArtifactPath) -> bool,
) -> Result<Vec<ArtifactPath>> {
    find::leave_superseded(workspace, snapshot, &mut files)?;
    let mut left = Vec::new();
    for file in files {
        let path = ArtifactPath::within(workspace.root(), &file)?;
        if !taken(&path) {
            left.push(path);
        }
    }
    Ok(left)
}
