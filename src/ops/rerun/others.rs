//! Repositories outside of the workspace that a run read files of: each at its commit of then, beside the copy of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Original;
use super::copy::{not_in_patch, repository_at};
use super::needs::{Needs, lies_at};
use crate::error::Error;
use crate::model::{Artifact, CodeState, RunRepository, Step, command_line, recorded_word, repeated_word};
use crate::ops::Workspace;
use crate::ops::run::CopiedTree;

/// A work tree, and the code state of then.
pub(super) type OfThen<'a> = (PathBuf, &'a CodeState);

/// Returns the work trees outside of the workspace in which something that the run read does not lie as it was then.
pub(super) fn moved_on<'a>(workspace: &Workspace, original: &'a Original, needs: &Needs) -> Vec<OfThen<'a>> {
    let root = workspace.root();
    let differs = |there: &Path| {
        needs.files.par_iter().filter(|(path, _)| !path.is_inside()).any(|(path, artifact)| {
            let place = path.on_disk(root).filter(|place| place.starts_with(there));
            place.is_some_and(|place| !lies_at(workspace.digests(), &place, &artifact.digest))
        })
    };
    let outside = outside(original, root).filter(|(_, code)| code.commit.is_some());
    let mut moved_on: Vec<OfThen<'a>> = outside.filter(|(there, _)| differs(there)).collect();
    // An outer one first: what lies in it is checked out into it.
    moved_on.sort_by(|(a, _), (b, _)| a.cmp(b));
    moved_on
}

fn outside<'a>(original: &'a Original, root: &Path) -> impl Iterator<Item = OfThen<'a>> {
    original.head.view.other_repositories().filter_map(move |(RunRepository { root: path, .. }, code)| {
        let there = path.as_ref().filter(|path| !path.is_inside())?.on_disk(root)?;
        Some((there, code))
    })
}

/// Checks out each that is to be copied, with its patch. Of one that cannot be, only what was read of it is there.
pub(super) fn check_out(
    workspace: &Workspace,
    original: &Original,
    moved_on: &[OfThen<'_>],
    others: &[CopiedTree],
    notes: &mut Vec<String>,
) {
    for tree in others {
        let Some((there, code)) = moved_on.iter().find(|(there, _)| *there == tree.there) else { continue };
        let shown = there.display();
        if workspace.root().starts_with(there) {
            notes.push(format!(
                "of the repository at `{shown}`, which lies around the workspace's own, only the files that it read are there"
            ));
            continue;
        }
        let above = tree.copy.parent().map_or(Ok(()), fs::create_dir_all);
        let above = above.map_err(|cause| Error::store("its folder cannot be made").because(cause));
        match above.and_then(|()| repository_at(workspace, original, (there, code), &tree.copy)) {
            Ok(()) => {
                let label = code.label().unwrap_or_default();
                notes.push(format!(
                    "the repository at `{shown}` has moved on: it was run with a copy at {label}"
                ));
                notes.extend(not_in_patch(code));
            }
            Err(error) => notes.push(format!(
                "of the repository at `{shown}`, only the files that it read are there: {}",
                error.in_full()
            )),
        }
    }
}

/// Returns the command that puts the repository which a file outside lies in at its commit of then.
pub(super) fn to_check_out(workspace: &Workspace, original: &Original, file: &Artifact) -> Option<String> {
    let place = file.path.on_disk(workspace.root())?;
    let of_file = |(there, _): &OfThen<'_>| place.starts_with(there);
    let (there, code) = outside(original, workspace.root())
        .filter(of_file)
        .max_by_key(|(there, _)| there.as_os_str().len())?;
    let words = ["git", "-C", &recorded_word(&there), "checkout", code.commit_short.as_deref()?];
    Some(repeated_word(command_line(&words.map(str::to_owned))))
}

/// Says which files of the repositories themselves a command read that was to read those of their copies, with other bytes than then.
pub(super) fn read_by_whole_path(
    workspace: &Workspace,
    original: &Original,
    others: &[CopiedTree],
    steps: &[Step],
) -> Vec<String> {
    let needs = Needs::of(original);
    let read = || steps.iter().flat_map(|step| &step.used).map(|edge| &edge.artifact);
    let of_now = |there: &Path| {
        read().find(|now| {
            let is_there = now.path.on_disk(workspace.root()).is_some_and(|place| place.starts_with(there));
            let then: Option<&Artifact> = needs.files.get(&now.path);
            is_there && then.is_some_and(|then| then.digest != now.digest)
        })
    };
    let named = others.iter().filter_map(|tree| of_now(&tree.there));
    named
        .map(|artifact| {
            let command = to_check_out(workspace, original, artifact);
            let then =
                command.map_or_else(String::new, |command| format!("; `{command}` puts it there as then"));
            let path = &artifact.path;
            format!("it read `{path}` by the whole path: not as then, but as it lies there now{then}")
        })
        .collect()
}
