//! A copy of the workspace as it was for a run: commit, patch, and what else the run read.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::needs::{Needs, lies_at};
use super::{Original, beside, others};
use crate::capture::git;
use crate::content::NotCopied;
use crate::disk::{LockFile, Locked, open_regular};
use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, CodeState, Digest, LinkText, NodeId, RunRepository};
use crate::ops::Workspace;
use crate::ops::committed::Commits;
use crate::ops::run::CopiedTree;
use crate::store::Snapshot;

/// A folder that stands for the workspace.
pub(super) struct Filled {
    /// What stands for the workspace's root.
    pub root: PathBuf,
    /// What stands for the work trees of other repositories.
    pub others: Vec<CopiedTree>,
    /// What is not as it was then, one line each.
    pub notes: Vec<String>,
}

/// Folders are stamped with the last tick of their clock, which mostly was not longer ago. One that was made just before the run
/// began is better not taken for one of the run's.
const TICK_US: i64 = 4_000;
/// So much is copied of what lay there and was not read, in so many files.
const LAY_THERE_MAX_BYTES: u64 = 1 << 30;
const LAY_THERE_FILES_MAX: usize = 10_000;
/// As many missing files are named.
const MISSING_MAX: usize = 20;

/// Makes a folder of our own, which nobody else can read.
///
/// # Errors
/// A request error where none can be made there.
pub(super) fn new_folder(temporary: &Path) -> Result<OwnFolder> {
    sweep(temporary);
    let failed = |cause| {
        Error::request(format!("cannot make a folder in `{}`", temporary.display()))
            .because(cause)
            .hint("`TMPDIR` says where it is made")
    };
    let name = format!("{FOLDER_FRONT}{:016x}", NodeId::new(Default::default()).as_u128() as u64);
    let folder = temporary.canonicalize().map_err(failed)?.join(name);
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder).map_err(failed)?;
    let under_way = fs::File::create_new(folder.join(UNDER_WAY)).map_err(failed)?;
    // Where it cannot be locked, the folder is left to its user once more.
    let _ = under_way.try_lock();
    Ok(OwnFolder { folder, under_way })
}

/// A folder of our own. Whoever makes the next one takes it away where this process was killed.
pub(super) struct OwnFolder {
    pub folder: PathBuf,
    under_way: fs::File,
}

/// Lies in each folder of our own while somebody fills and uses it, and is locked by them.
const UNDER_WAY: &str = ".lineage-under-way";

impl OwnFolder {
    /// Leaves the folder to its user.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn leave(self) -> std::io::Result<PathBuf> {
        // Whoever has opened the mark and gets its lock after this sees that it is gone.
        fs::remove_file(self.folder.join(UNDER_WAY))?;
        drop(self.under_way);
        Ok(self.folder)
    }

    /// Takes the folder away, with all that is in it.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn remove(self) -> std::io::Result<()> {
        fs::remove_dir_all(&self.folder)
    }
}

/// Takes away folders of our own whose makers were killed: nobody holds their locks. Those that were left to their users have none.
fn sweep(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().filter_map(Result::ok) {
        if !entry.file_name().as_encoded_bytes().starts_with(FOLDER_FRONT.as_bytes()) {
            continue;
        }
        let folder = entry.path();
        if !entry.file_type().is_ok_and(|sort| sort.is_dir()) {
            continue;
        }
        if LockFile::open(&folder.join(UNDER_WAY)).is_ok_and(|mark| is_given_up(&mark)) {
            // What cannot be removed is in nobody's way but the disk's.
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

/// Returns true where the maker of the folder was killed, and locks the mark.
fn is_given_up(mark: &LockFile) -> bool {
    let age = mark.file().metadata().and_then(|found| found.modified()).ok();
    // One that was made a moment ago may not be locked yet.
    let is_old = age.and_then(|at| at.elapsed().ok()).is_some_and(|age| age >= LOCKED_BY_THEN);
    // It may have been taken away since it was opened: then the folder was left to its user.
    is_old && mark.try_lock().is_ok_and(|locked| locked == Locked::Ours)
}

/// The front of the names of our own folders.
const FOLDER_FRONT: &str = "lineage-rerun-";
/// So long takes nobody from making the file to locking it.
const LOCKED_BY_THEN: Duration = Duration::from_secs(10);

/// Fills `folder` with all that the run had.
///
/// # Errors
/// A request error where something of it is missing, unless it may be incomplete.
pub(super) fn fill(
    workspace: &Workspace,
    snapshot: &Snapshot,
    original: &Original,
    folder: &Path,
    incomplete: bool,
) -> Result<Filled> {
    let mut notes = Vec::new();
    let needs = Needs::of(original);
    let moved_on = others::moved_on(workspace, original, &needs);
    let copied: Vec<PathBuf> = moved_on.iter().map(|(there, _)| there.clone()).collect();
    let beside = beside::link(workspace, &needs, &copied, folder)
        .map_err(|cause| Error::request(format!("cannot fill `{}`", folder.display())).because(cause))?;
    let root = code(workspace, original, &beside.place, &mut notes)?;
    others::check_out(workspace, original, &moved_on, &beside.others, &mut notes);
    let failed = |cause| Error::request(format!("cannot fill `{}`", root.display())).because(cause);
    fs::create_dir_all(root.join(original.folder(workspace))).map_err(failed)?;
    let digests = workspace.digests();
    let mut source = Source { workspace, snapshot, commits: Commits::new(workspace, snapshot) };
    let (mut missing, mut kept, mut kept_outside) = (Vec::new(), Vec::new(), Vec::new());
    let mut placed = HashMap::new();
    for artifact in needs.files.values() {
        let Some(here) = artifact.path.on_disk(workspace.root()) else { continue };
        let top = match artifact.path.is_inside() {
            true => Some((workspace.root(), &root)),
            false => beside
                .others
                .iter()
                .find(|tree| here.starts_with(&tree.there))
                .map(|tree| (tree.there.as_path(), &tree.copy)),
        };
        if let Some((there, copy)) = top {
            placed.extend(artifact.path.on_disk(&root).map(|place| (place, artifact)));
            match source.bring(artifact, original.links.get(artifact), (there, copy))? {
                Brought::There | Brought::Here => {}
                Brought::Kept => kept.push(artifact),
                Brought::Missing => missing.push(artifact),
            }
        } else if !lies_at(digests, &here, &artifact.digest) {
            // A damaged copy is as good as none.
            match workspace.contents().check(&artifact.digest) {
                Ok(Some(_)) => kept_outside.push(artifact),
                Ok(None) | Err(_) => missing.push(artifact),
            }
        }
    }
    let lacks = [
        ("neither kept nor lying in their places with the bytes of then", &missing),
        ("kept, but not lying in their places outside the workspace with the bytes of then", &kept_outside),
    ];
    let lacks = lacks.into_iter().filter(|(_, files)| !files.is_empty());
    let words: Vec<String> = lacks.map(|(how, files)| format!("{how}: {}", some_of(files))).collect();
    if !words.is_empty() && !incomplete {
        let of_repository =
            || missing.iter().find_map(|file| others::to_check_out(workspace, original, file));
        let hint = match kept_outside.first() {
            Some(Artifact { path, .. }) => {
                format!("nothing was run; `lineage restore {path} --to {path}` puts back what is kept")
            }
            None if let Some(command) = of_repository() => {
                format!("nothing was run; `{command}` puts the other repository at its commit of then")
            }
            None => "nothing was run; `--incomplete` runs it without them, `--here` with what lies in the workspace"
                .to_owned(),
        };
        return Err(Error::request(format!(
            "cannot run {} again: files that it read are missing",
            original.head.tail
        ))
        .because(words.join("; "))
        .hint(hint));
    }
    notes.extend(words);
    notes.extend(other_than_here(workspace, &kept));
    // What nobody read may hold anything.
    for (path, artifact) in &needs.removed {
        let brought = match artifact {
            Some(artifact) => source.bring(artifact, None, (workspace.root(), &root))?,
            None => Brought::Missing,
        };
        if brought == Brought::Missing && put_empty(path, &root).map_err(failed)? {
            notes.push(format!(
                "an empty file stands for `{path}`, which it removed and whose bytes are not kept"
            ));
        }
    }
    if let Some(url) = needs.urls.first() {
        let more = needs.urls.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        notes.push(format!("whether `{url}`{more} is what it was then is not known"));
    }
    // Programs seldom make the folders of their outputs; those that this one made it makes again.
    let written = original.steps.iter().flat_map(|step| &step.generated).map(|edge| &edge.artifact.path);
    let written = written.filter(|path| path.is_inside()).filter_map(|path| path.on_disk(workspace.root()));
    let above: BTreeSet<PathBuf> = written.filter_map(|file| file.parent().map(Path::to_owned)).collect();
    for folder in above {
        if let Some(folder) = folder_of_then(original, workspace.root(), &folder)
            && let Ok(inside) = folder.strip_prefix(workspace.root())
            && is_below(&root.join(inside), &root)
        {
            fs::create_dir_all(root.join(inside)).map_err(failed)?;
        }
    }
    let (brought, left_out) = source.bring_what_lay_there(original, &root)?;
    placed.extend(brought);
    if left_out > 0 {
        notes.push(format!(
            "{left_out} files that lay there then, and that it did not read, are not in the copy: they are too large or too many"
        ));
    }
    if original.lay_there.is_any_written {
        original.lay_there.set_times(&root, &placed).map_err(failed)?;
        // The index of git would take all files for changed until it has seen their times.
        let _ = git::refresh(&root);
    }
    Ok(Filled { root, others: beside.others, notes })
}

/// Returns `folder`, or the innermost one above it, that the run has not made, as far as the folders say that lie in the workspace now:
/// one that is gone, or was made since, may have been there.
fn folder_of_then(original: &Original, root: &Path, folder: &Path) -> Option<PathBuf> {
    let run = &original.head.view;
    // What lay there as the command itself began was not made by it, also where it was made just before `lineage` was called.
    let from = original.began().micros();
    let until = run.outcomes.iter().map(|outcome| outcome.at.micros()).max()?;
    let was_made = |folder: &Path| {
        let born = fs::symlink_metadata(folder).and_then(|found| found.created()).ok()?;
        let since = born.duration_since(std::time::UNIX_EPOCH).ok()?;
        // It is stamped with the last tick of a clock, which may be milliseconds ago.
        let us = i64::try_from(since.as_micros()).ok()? + TICK_US;
        Some((from..=until + TICK_US).contains(&us))
    };
    let folders: Vec<&Path> = folder.ancestors().take_while(|folder| folder.starts_with(root)).collect();
    // From the outside in, up to the first that it made.
    let there = folders.iter().rev().take_while(|folder| was_made(folder) != Some(true));
    there.last().map(|folder| folder.to_path_buf())
}

/// Checks out what the run had of each repository; returns the workspace's root in the copy.
fn code(
    workspace: &Workspace,
    original: &Original,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<PathBuf> {
    let view = &original.head.view;
    // Of a run that was taken up again, the code of the last time counts.
    let again = view.outcomes.iter().rev().find_map(|outcome| outcome.code.as_ref());
    let own = again.unwrap_or(&view.run.code);
    let is_below = |repository: &&RunRepository| repository.root.is_some();
    let own_is_below = view.repositories.iter().filter(is_below).any(|repository| repository.code.is_none());
    let is_around = |(repository, _): &(&RunRepository, &CodeState)| repository.root.is_none();
    let around = match own_is_below {
        true => view.other_repositories().find(is_around).map(|(_, code)| code),
        false => Some(own),
    };
    let root = around_root(workspace, original, around, folder, notes)?;
    let mut below: Vec<&RunRepository> = view.repositories.iter().filter(is_below).collect();
    // An outer one first: what lies in it is checked out into it.
    below.sort_by(|a, b| a.root.cmp(&b.root));
    let mut checked_out = Vec::new();
    for repository in below {
        let Some(path) = repository.root.as_ref().filter(|path| path.is_inside()) else { continue };
        let (Some(there), Some(place)) = (path.on_disk(workspace.root()), path.on_disk(&root)) else {
            continue;
        };
        let code = repository.code.as_ref().unwrap_or(own);
        match repository_at(workspace, original, (&there, code), &place) {
            Ok(()) => {
                checked_out.push(path);
                notes.extend(not_in_patch(code));
            }
            Err(error) => {
                notes.push(format!(
                    "of the repository at `{path}`, only the files that it read are there: {}",
                    error.in_full()
                ));
            }
        }
    }
    if own.submodules.iter().any(|module| !checked_out.contains(&&module.path)) {
        notes.push("submodules are not checked out, but for those that it read files of".to_owned());
    }
    Ok(root)
}

/// Checks out what the run had of the repository that the workspace's root lies in; returns that root in the copy.
fn around_root(
    workspace: &Workspace,
    original: &Original,
    code: Option<&CodeState>,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<PathBuf> {
    let failed = |cause| Error::request("cannot make a folder").because(cause);
    let work_tree = git::work_tree_root(workspace.root());
    let there = work_tree.as_deref().unwrap_or_else(|| workspace.root());
    // The folder keeps the name that the work tree has, which programs may look at.
    let tree = folder.join(there.file_name().unwrap_or("workspace".as_ref()));
    match code {
        Some(CodeState { commit: Some(commit), .. }) if work_tree.is_some() && !has_commit(there, commit) => {
            notes.push(format!(
                "the repository has not the commit {commit} any more: only the files that the run read are there"
            ));
        }
        Some(code) if code.commit.is_some() && work_tree.is_some() => {
            repository_at(workspace, original, (there, code), &tree)?;
            notes.extend(not_in_patch(code));
        }
        Some(code) if code.repository || code.commit.is_some() => {
            notes.push("the run's code is in no commit: only the files that it read are there".to_owned());
        }
        _ => {}
    }
    let root = tree.join(workspace.root().strip_prefix(there).unwrap_or(Path::new("")));
    fs::create_dir_all(&root).map_err(failed)?;
    Ok(root)
}

/// Returns true where a repository is known to have a commit.
fn has_commit(there: &Path, commit: &str) -> bool {
    git::are_here(there, &[commit]).is_ok_and(|are_here| are_here == [Some(true)])
}

/// Checks out the commit of a repository and applies the patch.
pub(super) fn repository_at(
    workspace: &Workspace,
    original: &Original,
    (there, code): (&Path, &CodeState),
    place: &Path,
) -> Result<()> {
    let commit = code.commit.as_ref().ok_or_else(|| Error::request("its code is in no commit"))?;
    git::check_out(there, commit, code.branch.as_deref(), place)?;
    let Some(digest) = code.patch else { return Ok(()) };
    let patch = workspace.contents().read(&digest)?.ok_or_else(|| {
        Error::request(format!("cannot run {} again: its patch is not kept here", original.head.tail)).hint(
            "where the run was taken over from another workspace, `lineage merge OTHER --with-contents` brings it",
        )
    })?;
    git::apply_patch(place, &patch)
}

pub(super) fn not_in_patch(code: &CodeState) -> impl Iterator<Item = String> {
    code.patch_omitted.iter().map(|omitted| format!("not in the recorded patch: {omitted}"))
}

/// Where the bytes of then came from that lie in the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brought {
    /// From commit and patch.
    There,
    /// From what is kept.
    Kept,
    /// From the workspace, where they still lie.
    Here,
    /// They are not to be had.
    Missing,
}

/// What files are brought from into the copy.
struct Source<'a> {
    workspace: &'a Workspace,
    snapshot: &'a Snapshot,
    commits: Commits<'a>,
}

impl Source<'_> {
    /// Puts a file of the folder `there` into that which stands for it, unless it lies there already; a symbolic link with its text.
    fn bring(
        &mut self,
        artifact: &Artifact,
        link: Option<&LinkText>,
        (there, copy): (&Path, &Path),
    ) -> Result<Brought> {
        let here = artifact.path.on_disk(self.workspace.root());
        let inside = here.as_ref().and_then(|here| here.strip_prefix(there).ok());
        let (Some(here), Some(inside)) = (&here, inside) else { return Ok(Brought::Missing) };
        let place = copy.join(inside);
        let digests = self.workspace.digests();
        if lies_at(digests, &place, &artifact.digest) {
            return Ok(Brought::There);
        }
        let failed =
            |cause| Error::request(format!("cannot bring `{}` into the copy", artifact.path)).because(cause);
        let above = place.parent().unwrap_or(copy);
        // A link in the commit may lead anywhere; nothing is written behind it.
        if !is_below(above, copy) {
            return Ok(Brought::Missing);
        }
        fs::create_dir_all(above).map_err(failed)?;
        if fs::symlink_metadata(&place).is_ok_and(|found| !found.is_dir()) {
            fs::remove_file(&place).map_err(failed)?;
        }
        if let Some(text) = link {
            std::os::unix::fs::symlink(text.to_path(), &place).map_err(failed)?;
            return Ok(Brought::Kept);
        }
        let mut file = fs::File::create_new(&place).map_err(failed)?;
        let contents = self.workspace.contents();
        match contents.copy(&artifact.digest, &mut file) {
            Ok(Some(_)) => {
                let is_executed = contents.access(&artifact.digest).is_executed();
                if is_executed || is_program(&place).map_err(failed)? {
                    make_executable(&place).map_err(failed)?;
                }
                return Ok(Brought::Kept);
            }
            // A damaged copy is as good as none.
            Ok(None) | Err(NotCopied::Kept(_)) => fs::remove_file(&place).map_err(failed)?,
            Err(NotCopied::Target(cause)) => return Err(failed(cause)),
        }
        if !lies_at(digests, here, &artifact.digest) {
            return self.bring_committed(artifact, &place);
        }
        if let Ok(target) = fs::read_link(here)
            && Digest::of(target.as_os_str().as_encoded_bytes()) == artifact.digest
        {
            std::os::unix::fs::symlink(target, &place).map_err(failed)?;
            return Ok(Brought::Here);
        }
        fs::copy(here, &place).map_err(failed)?;
        // It may have changed while it was copied.
        Ok(if lies_at(digests, &place, &artifact.digest) { Brought::Here } else { Brought::Missing })
    }

    /// Puts what lay there as the run began, and what it did not read, into the copy, unless something lies there already; returns
    /// what lies there now, and how many files were left out.
    fn bring_what_lay_there<'o>(
        &mut self,
        original: &'o Original,
        root: &Path,
    ) -> Result<(HashMap<PathBuf, &'o Artifact>, usize)> {
        let (mut placed, mut left_out, mut room) = (HashMap::new(), 0, LAY_THERE_MAX_BYTES);
        let mut files_left = LAY_THERE_FILES_MAX;
        for artifact in original.lay_there.files.values() {
            let Some(place) = artifact.path.on_disk(root) else { continue };
            let is_certain = || {
                let here = artifact.path.on_disk(self.workspace.root());
                let found = here.and_then(|here| here.symlink_metadata().ok());
                let changed = found.map(|found| found.ctime() * 1_000_000 + found.ctime_nsec() / 1_000);
                changed.is_some_and(|us| us <= original.began().micros())
            };
            if !original.lay_there.seen_later.contains(&artifact.path) && !is_certain() {
                continue;
            }
            let is_there = match place.symlink_metadata() {
                Ok(_) => lies_at(self.workspace.digests(), &place, &artifact.digest),
                Err(_) if artifact.size_bytes > room || files_left == 0 => {
                    left_out += 1;
                    false
                }
                Err(_) => {
                    let brought = self.bring(artifact, None, (self.workspace.root(), root))?;
                    let is_brought = brought != Brought::Missing;
                    room -= if is_brought { artifact.size_bytes } else { 0 };
                    files_left -= usize::from(is_brought);
                    is_brought
                }
            };
            if is_there {
                placed.insert(place, artifact);
            }
        }
        Ok((placed, left_out))
    }

    /// Puts a file into the copy that another commit has, where that of the run is gone.
    fn bring_committed(&mut self, artifact: &Artifact, place: &Path) -> Result<Brought> {
        let number = self.snapshot.version_no(&artifact.path, &artifact.digest)?;
        let Some(committed) = number.map_or(Ok(None), |number| self.commits.find(number))? else {
            return Ok(Brought::Missing);
        };
        let failed =
            |cause| Error::request(format!("cannot bring `{}` into the copy", artifact.path)).because(cause);
        fs::write(place, &committed.bytes).map_err(failed)?;
        if committed.is_executed {
            make_executable(place).map_err(failed)?;
        }
        Ok(Brought::There)
    }
}

/// Names files, as many as are read.
fn some_of(files: &[&Artifact]) -> String {
    let named = files.iter().take(MISSING_MAX).map(|artifact| format!("`{}`", artifact.path));
    let named: Vec<String> = named.collect();
    let more = files.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    named.join(", ") + &more
}

/// Says which files have the bytes that were kept, where other bytes lie in the workspace now, or none.
fn other_than_here(workspace: &Workspace, kept: &[&Artifact]) -> Option<String> {
    let differs = |artifact: &&&Artifact| {
        let here = artifact.path.on_disk(workspace.root());
        here.is_none_or(|here| !lies_at(workspace.digests(), &here, &artifact.digest))
    };
    let differing: Vec<&Artifact> = kept.iter().filter(differs).copied().collect();
    (!differing.is_empty())
        .then(|| format!("as kept then, and changed or gone since: {}", some_of(&differing)))
}

/// Returns true for what begins as a script or a program does.
fn is_program(place: &Path) -> std::io::Result<bool> {
    let mut front = Vec::new();
    open_regular(place)?.take(4).read_to_end(&mut front)?;
    Ok(front.starts_with(b"#!") || front.starts_with(b"\x7fELF"))
}

/// Puts an empty file where nothing lies in the copy; false where something does, or the place is not in it.
fn put_empty(path: &ArtifactPath, root: &Path) -> std::io::Result<bool> {
    let Some(place) = path.on_disk(root).filter(|place| fs::symlink_metadata(place).is_err()) else {
        return Ok(false);
    };
    let above = place.parent().unwrap_or(root);
    if !is_below(above, root) {
        return Ok(false);
    }
    fs::create_dir_all(above)?;
    fs::File::create_new(&place).map(|_| true)
}

/// Returns true where the nearest folder that is there lies in `root` with all links resolved.
pub(super) fn is_below(folder: &Path, root: &Path) -> bool {
    let there = folder.ancestors().find(|above| above.symlink_metadata().is_ok());
    there
        .and_then(|above| above.canonicalize().ok())
        .is_some_and(|real| real.starts_with(root) && real.is_dir())
}

fn make_executable(place: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(place, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_left_to_its_user_while_somebody_sweeps_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let made_long_ago = || {
            let own = new_folder(temporary.path()).unwrap();
            own.under_way.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            own
        };
        let own = made_long_ago();
        let mark = LockFile::open(&own.folder.join(UNDER_WAY)).unwrap();
        assert!(!is_given_up(&mark), "its maker is at work");
        let left = own.leave().unwrap();
        assert!(!is_given_up(&mark), "it was left to its user");
        sweep(temporary.path());
        assert!(left.is_dir());
        let OwnFolder { folder, under_way } = made_long_ago();
        drop(under_way);
        sweep(temporary.path());
        assert!(!folder.exists() && left.is_dir(), "its maker was killed");
    }
}
