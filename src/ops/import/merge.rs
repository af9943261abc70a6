//! Merging: the union of the facts of two workspaces, and of their kept contents where that is asked for.
//!
//! An answer is a function of the set of facts, so that it is the same whichever workspace is merged into the other.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::content::NotCopied;
use crate::disk::open_regular;
use crate::error::{Error, Result};
use crate::ops::import::jsonl::{BackupOf, import_jsonl};
use crate::ops::import::taking::{Taken, Taking};
use crate::ops::{WORKSPACE_FOLDER, Workspace};
use crate::store::FactsFile;

/// What a merge came to.
#[derive(Debug, Clone, Default)]
pub struct Merged {
    /// What was taken over.
    pub taken: Taken,
    /// Kept contents of the other workspace that are damaged there, and were not copied.
    pub damaged: Vec<String>,
    /// What could not be taken into account, one line each.
    pub warnings: Vec<String>,
    /// The file of facts that were set aside, removed since the journal has them all again.
    pub removed: Option<PathBuf>,
}

/// Takes over the facts of the workspace in the folder `other`, or of the file `other`, a backup, a segment or a store; with `contents`,
/// also what the other workspace keeps. The other one is only read; only facts that this workspace has set aside are removed when
/// the journal has them all again.
///
/// # Errors
/// A request error where `other` is neither, or is this workspace; a store error where facts cannot be recorded: nothing is
/// taken over then.
pub fn merge(workspace: &Workspace, other: &Path, contents: bool) -> Result<Merged> {
    let name = other.display().to_string();
    let real = other
        .canonicalize()
        .map_err(|cause| Error::request(format!("cannot read `{name}`")).because(cause))?;
    if real.is_file() {
        if contents {
            return Err(Error::request(format!("`{name}` is a file of facts and has no contents"))
                .hint("name the other workspace's folder, or leave out `--with-contents`"));
        }
        if let Some(facts) = FactsFile::at(&real) {
            return merge_facts(workspace, &name, &facts);
        }
        let file = open_regular(&real)
            .map_err(|cause| Error::request(format!("cannot read `{name}`")).because(cause))?;
        let taken =
            import_jsonl(workspace, &name, &mut BufReader::with_capacity(1 << 20, file), BackupOf::Other)?;
        return Ok(Merged { taken, ..Merged::default() });
    }
    // The folder itself is meant, not one above it.
    let root =
        if real.ends_with(WORKSPACE_FOLDER) { real.parent().unwrap_or(&real).to_owned() } else { real };
    if !root.join(WORKSPACE_FOLDER).is_dir() {
        return Err(Error::request(format!("`{name}` is no workspace: it has no `{WORKSPACE_FOLDER}`"))
            .hint("name the folder that holds it, or a file that `lineage export --format jsonl` wrote"));
    }
    if root == workspace.root() {
        return Err(Error::request(format!("`{name}` is this workspace")).hint("name another one"));
    }
    let from = Workspace::at(root, workspace.disk().clone());
    let view = from.view_apart()?;
    let mut merged = Merged { warnings: view.warnings.clone(), ..Merged::default() };
    if workspace.names_otherwise(&from) {
        merged.warnings.push(format!(
            "`{name}` and this workspace lie one in the other: files keep the paths that they have there, \
             and what both have recorded has two names"
        ));
    }
    let mut taking = Taking::begin(workspace)?;
    // Contents first: a fact is never there before what it needs.
    if contents {
        copy_contents(&from, workspace, &mut taking, &mut merged)?;
    }
    view.snapshot.facts(&mut |fact| taking.take(fact))?;
    merged.taken = taking.finish()?;
    Ok(merged)
}

/// Takes over the facts of a file that lies outside of any journal.
fn merge_facts(workspace: &Workspace, name: &str, file: &FactsFile) -> Result<Merged> {
    if file.path() == workspace.store().path() {
        return Err(
            Error::request(format!("`{name}` is the store of this workspace")).hint("name another one")
        );
    }
    let mut taking = Taking::begin(workspace)?;
    let damaged = file.facts(&mut |fact| taking.take(fact))?;
    let warnings = damaged.iter().map(Error::in_full).collect();
    let mut merged = Merged { taken: taking.finish()?, warnings, ..Merged::default() };
    if damaged.is_empty() && workspace.store().set_aside().contains(file) {
        // Facts that others have yet to apply are no reason to keep it, but to look again another time.
        drop(workspace.apply_if_free());
        let snapshot = workspace.store().snapshot()?;
        if snapshot.map_or(Ok(u64::MAX), |snapshot| file.facts_beyond(&snapshot))? == 0 {
            workspace.disk().remove(file.path()).map_err(|cause| {
                Error::store(format!("cannot remove `{name}`, of which the journal has all facts again"))
                    .because(cause)
            })?;
            merged.removed = Some(file.path().to_owned());
        }
    }
    Ok(merged)
}

/// Copies what the other workspace keeps and this one does not. Each content is read and checked; a damaged one is named.
fn copy_contents(
    from: &Workspace,
    to: &Workspace,
    taking: &mut Taking<'_>,
    merged: &mut Merged,
) -> Result<()> {
    let (digests, _) = from.contents().list()?;
    for digest in digests {
        if to.contents().check(&digest).is_ok_and(|kept| kept.is_some()) {
            continue;
        }
        match to.contents().keep_from(from.contents(), &digest) {
            Ok(Some(size_bytes)) => taking.count_contents(1, size_bytes),
            // It went meanwhile.
            Ok(None) => {}
            Err(NotCopied::Kept(error)) => merged.damaged.push(error.in_full()),
            Err(NotCopied::Target(cause)) => {
                return Err(Error::store(format!("cannot keep the content {}", digest.short()))
                    .because(cause)
                    .hint("what was recorded before is not harmed"));
            }
        }
    }
    Ok(())
}
