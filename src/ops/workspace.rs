//! A workspace: the folder that holds `.lineage/`, and the way to what is recorded in it.

mod locks;
mod owners;
mod pending;
mod run_ids;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::capture::git::is_same_in_another_work_tree;
use crate::content::Contents;
use crate::digests::Digests;
use crate::disk::{Disk, made_by_anybody, read_regular};
use crate::error::{Error, Kind, Result};
use crate::journal;
use crate::model::{NodeId, command_line};
use crate::ops::Clock;
use crate::ops::run::{broken_off, take_left_points, take_over_broken_off};
use crate::query::RunView;
use crate::store::{Loss, Snapshot, Store, damaged_packs, describe_lost};

pub use locks::{Attempt, StoreLock};
pub use pending::Pending;
pub(crate) use run_ids::free_label;

/// The folder in a workspace's root that holds all that is recorded.
pub const FOLDER: &str = ".lineage";

/// The environment variable that lists roots of workspaces to be used whoever made them, as `PATH` lists folders.
pub const TRUST_VARIABLE: &str = "LINEAGE_TRUST";

/// A folder that takes files without a disk, where the system has one.
const MEMORY_FOLDER: &str = "/dev/shm";
/// How long a reader waits for somebody else's application of facts.
const READ_WAIT: Duration = Duration::from_secs(2);
/// So much of a journal is applied again for one answer where the store cannot be brought up to date: about a second's work.
const REPEATED_BYTES_MAX: u64 = 16 << 20;

/// A folder with `.lineage/` in it.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    disk: Disk,
    store: Store,
    contents: Contents,
    digests: Digests,
    /// Hears of what is waited for for long.
    waits: Option<fn(&str)>,
}

/// A state of the store to answer from, and what it may lack.
pub struct View {
    /// The state.
    pub snapshot: Snapshot,
    /// What could not be taken into account, one line each.
    pub warnings: Vec<String>,
}

impl Workspace {
    /// Names the workspace at `root`, an absolute path free of symbolic links; makes and opens nothing.
    pub fn at(root: impl Into<PathBuf>, disk: Disk) -> Self {
        let root = root.into();
        let folder = root.join(FOLDER);
        Workspace {
            store: Store::at(disk.clone(), folder.join("store.redb")),
            contents: Contents::at(disk.clone(), folder.join("objects")),
            digests: Digests::remembered_in(folder.join("digests")),
            root,
            disk,
            waits: None,
        }
    }

    /// Returns the same workspace, which lets `hear` know what it waits for when that takes long.
    #[must_use]
    pub fn with_waits(self, hear: fn(&str)) -> Self {
        Workspace { waits: Some(hear), ..self }
    }

    /// Finds the workspace that `folder` lies in: the nearest folder above it, or itself, with a `.lineage` folder.
    ///
    /// # Errors
    /// A request error where `folder` cannot be read, and where anybody could have made that workspace, as in `/tmp`: whoever has done
    /// so would be told what is run below it. It is used where [`TRUST_VARIABLE`] names its root.
    pub fn find(folder: &Path) -> Result<Option<Self>> {
        let folder = absolute(folder)?;
        let Some(root) = folder.ancestors().find(|above| above.join(FOLDER).is_dir()) else {
            return Ok(None);
        };
        let trusted = std::env::var_os(TRUST_VARIABLE).unwrap_or_default();
        if let Some(user) = made_by_anybody(root, &root.join(FOLDER))
            && !std::env::split_paths(&trusted).any(|trusted| trusted == root)
        {
            let what = format!("`{}` was made by another user", root.join(FOLDER).display());
            let why = format!("user {user}, in a folder that everybody may write into");
            let hint = format!(
                "`lineage init` makes a workspace here; if they are to see what you run: {TRUST_VARIABLE}='{}'",
                root.display()
            );
            return Err(Error::request(what).because(why).hint(hint));
        }
        Ok(Some(Workspace::at(root, Disk::new())))
    }

    /// Makes a workspace at `root`; it is no error where there is one. `.lineage` is made unseen by git.
    ///
    /// # Errors
    /// A store error where the folder cannot be written.
    pub fn init(root: &Path) -> Result<Self> {
        let workspace = Workspace::at(absolute(root)?, Disk::new());
        let folder = workspace.folder();
        let failed = |cause| {
            Error::store(format!("cannot make a workspace at `{}`", workspace.root.display())).because(cause)
        };
        workspace.disk.create_folders(&folder.join("journal")).map_err(failed)?;
        workspace.hide_from_git().map_err(failed)?;
        Ok(workspace)
    }

    /// Sees to it that git takes nothing in `.lineage` for a part of the repository around it.
    pub(crate) fn hide_from_git(&self) -> std::io::Result<()> {
        let ignore = self.folder().join(".gitignore");
        if ignore.symlink_metadata().is_ok() { Ok(()) } else { self.disk.write_whole(&ignore, b"*\n") }
    }

    /// Returns the folder that paths are relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns `.lineage`.
    pub fn folder(&self) -> PathBuf {
        self.root.join(FOLDER)
    }

    /// Tells whether this workspace and another lie one in the other, so that a file of both has two names. Work trees of one
    /// repository may lie so, too, but what is the same file to git has the same name in both.
    pub fn names_otherwise(&self, other: &Workspace) -> bool {
        let (own, other) = (self.root(), other.root());
        (own.starts_with(other) || other.starts_with(own)) && !is_same_in_another_work_tree(own, other)
    }

    /// Returns the root of the repository that `folder` lies in, where that lies below the workspace's root and nobody was told so
    /// yet; from now on somebody was. Where that cannot be written down, it is said again.
    pub fn repository_to_tell(&self, folder: &Path) -> Option<PathBuf> {
        let mut below =
            folder.ancestors().take_while(|above| *above != self.root && above.starts_with(&self.root));
        let repository = below.find(|above| above.join(".git").symlink_metadata().is_ok())?;
        let place = self.folder().join("told");
        let mut told = read_regular(&place).unwrap_or_default();
        let name = repository.as_os_str().as_encoded_bytes();
        if told.split(|byte| *byte == 0).any(|known| known == name) {
            return None;
        }
        told.extend_from_slice(name);
        told.push(0);
        let _ = self.disk.write_whole(&place, &told);
        Some(repository.to_owned())
    }

    /// Returns the folder of the journal.
    pub fn journal(&self) -> PathBuf {
        self.folder().join("journal")
    }

    /// Returns the kept contents.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Returns the way to digests of files.
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// Returns the same workspace with another way to digests of files.
    pub fn with_digests(&self, digests: Digests) -> Self {
        Workspace { digests, ..self.clone() }
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the way to the disk.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns a state of the store that holds everything recorded before the call, as far as it can be had: what is left of runs
    /// whose recording broke off is taken over, and facts not yet applied are applied first, with a bounded wait for whoever is at
    /// it just now.
    ///
    /// # Errors
    /// A store error where the store cannot be read, nor be built anew; also where facts cannot be applied, as on a full disk,
    /// and there is no room elsewhere for a store for this answer: one without them would be wrong.
    pub fn view(&self) -> Result<View> {
        let left = take_over_broken_off(self);
        let mut view = self.view_as_it_is()?;
        let (is_any, left_points) = take_left_points(self, &view.snapshot);
        if is_any {
            let mut now = self.view_as_it_is()?;
            now.warnings.retain(|warning| !view.warnings.contains(warning));
            view.snapshot = now.snapshot;
            view.warnings.append(&mut now.warnings);
        }
        view.warnings.extend(left.into_iter().chain(left_points));
        Ok(view)
    }

    /// Does what [`Workspace::view`] does, and leaves runs alone whose recording broke off.
    ///
    /// # Errors
    /// As [`Workspace::view`].
    pub(crate) fn view_as_it_is(&self) -> Result<View> {
        // A store that can neither be read nor mended here, as on a full disk, is as good as none: the journal has it all.
        let snapshot = self.store.snapshot().ok().flatten();
        if let Some(snapshot) = snapshot
            && let Some(warnings) = self.if_complete(&snapshot)?
        {
            return Ok(View { snapshot, warnings });
        }
        let (mut failure, mut missing) = (None, None);
        let (warnings, may_write) = match self.lock(READ_WAIT) {
            Ok(Attempt::Taken(lock)) => match self.try_apply(&lock) {
                Ok(warnings) => (warnings, true),
                Err(error) => {
                    let warnings = std::iter::once(described(&error)).chain(self.set_aside()).collect();
                    failure = Some(error);
                    (warnings, false)
                }
            },
            Ok(Attempt::HeldBy(holder)) => {
                let held = format!("{holder} has not let go of the store for {} s", READ_WAIT.as_secs());
                let snapshot = self.store.snapshot().ok().flatten();
                let pending = self.pending(snapshot.as_ref())?;
                // A store that has what the journal has not says more than the journal.
                let is_in_journal = snapshot.is_none() || !pending.is_outdated;
                let apart = format!("{held}; this answer was put together without it");
                if is_in_journal
                    && self.journal_bytes() <= REPEATED_BYTES_MAX
                    && let Ok(view) = self.view_of_unwritable(vec![apart.clone()])
                {
                    return Ok(view);
                }
                let warning = match snapshot {
                    Some(_) => format!("{held}; {} is missing from this answer", pending.in_words()),
                    None => apart,
                };
                (vec![warning], true)
            }
            Err(error) => {
                missing =
                    Some(format!("facts not yet applied are missing from this answer: {}", error.in_full()));
                (Vec::new(), false)
            }
        };
        // Where nothing can be applied, what is missing is read from the journal into a store for this answer alone.
        match self.store.snapshot() {
            Ok(Some(snapshot)) if may_write => Ok(View { snapshot, warnings }),
            Ok(Some(snapshot)) => {
                if let Some(lost) = self.lost(&snapshot)? {
                    // The old store has what is nowhere else.
                    let warnings = warnings.into_iter().chain(missing).chain([lost]).collect();
                    return Ok(View { snapshot, warnings });
                }
                match (self.view_of_unwritable(warnings.clone()), failure) {
                    (Ok(view), _) => Ok(view),
                    (Err(_), Some(error)) => Err(error),
                    (Err(_), None) => {
                        Ok(View { snapshot, warnings: warnings.into_iter().chain(missing).collect() })
                    }
                }
            }
            Ok(None) | Err(_) => self.view_of_unwritable(warnings),
        }
    }

    /// Returns a state that holds everything recorded before the call, and changes nothing in the workspace. Runs whose recording
    /// broke off have no end in it, which is said.
    ///
    /// # Errors
    /// A store error where the journal cannot be read, or there is no room for a store for this answer.
    pub(crate) fn view_apart(&self) -> Result<View> {
        let broken_off = broken_off(self);
        let mut view = match self.store.snapshot().ok().flatten() {
            None => self.view_of_unwritable(Vec::new())?,
            Some(snapshot) => match (self.if_complete(&snapshot)?, self.lost(&snapshot)?) {
                (Some(warnings), _) => View { snapshot, warnings },
                (None, None) => self.view_of_unwritable(Vec::new())?,
                (None, Some(lost)) => {
                    let pending = self.pending(Some(&snapshot))?.in_words();
                    View { snapshot, warnings: vec![lost, format!("{pending} is missing from this answer")] }
                }
            },
        };
        if broken_off > 0 {
            view.warnings.push(format!(
                "of {broken_off} of the runs in `{}` the recording broke off: they have no end here (any `lineage` command there \
                 records it)",
                self.root().display()
            ));
        }
        Ok(view)
    }

    /// Says which segments a state of the store has and the journal has not; `None` where there are none.
    fn lost(&self, snapshot: &Snapshot) -> Result<Option<String>> {
        let listing = Store::listing(Some(snapshot), &self.journal())?;
        let lost = Store::lost_segments(snapshot, &listing)?;
        let text = || {
            format!(
                "segments that were in the journal are not, or not all: {}; the store still has what was in them",
                describe_lost(&lost)
            )
        };
        Ok((!lost.is_empty()).then(text))
    }

    /// Returns a state that holds everything recorded before the call, as [`Workspace::view`] does, to the holder of the lock.
    ///
    /// # Errors
    /// As [`Workspace::view`].
    pub(crate) fn view_locked(&self, lock: &StoreLock) -> Result<View> {
        let found = self.store.snapshot().ok().flatten();
        let complete = found.as_ref().map_or(Ok(None), |snapshot| self.if_complete(snapshot))?;
        if let (Some(snapshot), Some(warnings)) = (found, complete) {
            return Ok(View { snapshot, warnings });
        }
        let warnings = match self.try_apply(lock) {
            Ok(warnings) => warnings,
            Err(error) => return self.view_of_unwritable(vec![described(&error)]),
        };
        match self.store.snapshot()? {
            Some(snapshot) => Ok(View { snapshot, warnings }),
            None => self.view_of_unwritable(warnings),
        }
    }

    /// Builds a store for this answer alone, where the workspace cannot be written and has none.
    fn view_of_unwritable(&self, mut warnings: Vec<String>) -> Result<View> {
        let name =
            format!("lineage-{}-{:x}.redb", std::process::id(), NodeId::new(Default::default()).as_u128());
        let build = |folder: &Path| Store::without_name(&folder.join(&name), &self.journal());
        // The place for temporary files may lie on the same full disk.
        let built = build(&std::env::temp_dir());
        let (snapshot, applied) =
            built.or_else(|error| build(Path::new(MEMORY_FOLDER)).map_err(|_| error))?;
        for warning in applied.unreadable.iter().map(|part| described(&part.error)) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        Ok(View { snapshot, warnings })
    }

    /// Returns what is to be said with every answer, where a state of the store holds all that is recorded; `None` where it does
    /// not.
    pub(crate) fn if_complete(&self, snapshot: &Snapshot) -> Result<Option<Vec<String>>> {
        let listing = Store::listing(Some(snapshot), &self.journal())?;
        if !Store::lacking(Some(snapshot), &listing)?.is_nothing() {
            return Ok(None);
        }
        let mut warnings = self.damage(snapshot)?;
        warnings.extend(damaged_packs(&listing).iter().map(described));
        Ok(Some(warnings))
    }

    /// Returns what damage there is that a state of the store remembers, or that lies beside the store.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(crate) fn damage(&self, snapshot: &Snapshot) -> Result<Vec<String>> {
        let mut warnings: Vec<String> = snapshot.damage_of_journal()?.iter().map(described).collect();
        warnings.extend(self.set_aside());
        Ok(warnings)
    }

    /// Speaks of the files of facts that the journal has lost.
    fn set_aside(&self) -> impl Iterator<Item = String> {
        self.store.set_aside().into_iter().map(|file| {
            let path = file.path().display().to_string();
            let merge = command_line(&["lineage".to_owned(), "merge".to_owned(), path.clone()]);
            format!(
                "the journal has lost facts that `{path}` has (`{merge}` brings them back; \
                 delete the file to do without them)"
            )
        })
    }

    /// Applies what the journal holds and the store lacks, and packs old segments; returns what went wrong, and what damage
    /// there is, one line each.
    ///
    /// Nothing that fails here loses anything: the journal has it all, or an old store that is set aside.
    pub fn apply(&self, lock: &StoreLock) -> Vec<String> {
        self.try_apply(lock)
            .unwrap_or_else(|error| std::iter::once(described(&error)).chain(self.set_aside()).collect())
    }

    /// Does what [`Workspace::apply`] does.
    ///
    /// # Errors
    /// A store error where facts cannot be applied.
    fn try_apply(&self, _lock: &StoreLock) -> Result<Vec<String>> {
        let applied = self.store.apply(&self.journal())?;
        let unreadable = applied.unreadable.iter().filter(|part| !part.remembered);
        let mut warnings: Vec<String> = unreadable.map(|part| described(&part.error)).collect();
        warnings.extend(applied.loss.as_ref().map(loss));
        if let Err(error) = self.pack() {
            warnings.push(described(&error));
        }
        let looked = self.store.snapshot().and_then(|found| {
            let Some(snapshot) = found else { return Ok(Vec::new()) };
            self.let_run_ids_go(&snapshot)?;
            self.damage(&snapshot)
        });
        match looked {
            Ok(damage) => warnings.extend(damage),
            Err(error) => warnings.push(described(&error)),
        }
        Ok(warnings)
    }

    /// Builds the store anew from the journal, where one that was found damaged stands.
    ///
    /// # Errors
    /// A store error where somebody else holds the lock for long, or the store cannot be written.
    pub fn mend(&self) -> Result<()> {
        let _lock = self.lock_to_change()?;
        self.store.rebuild(&self.journal()).map(|_| ())
    }

    fn pack(&self) -> Result<()> {
        let Some(snapshot) = self.store.snapshot()? else {
            return Ok(());
        };
        let pack_id = NodeId::new(snapshot.latest()).as_u128();
        let applied = |segment: &journal::SegmentRef| {
            snapshot.applied_bytes(segment.segment).is_ok_and(|bytes| bytes >= segment.length)
        };
        // Between the two, whoever reads finds that what the pack holds is applied already.
        let packed = journal::pack(&self.disk, &self.journal(), pack_id, &applied)?;
        drop(snapshot);
        packed.map_or(Ok(()), |_| self.store.settle_packs(&self.journal()))
    }

    /// Applies what is new when there is much of it and the store's lock is free. To be called by writers: to open the store
    /// for writing takes longer than a short command does, so what is little is left to the next reader.
    pub fn apply_if_worth(&self) -> Vec<String> {
        let snapshot = self.store.snapshot().ok().flatten();
        match self.pending(snapshot.as_ref()) {
            Ok(pending) if !pending.is_due() => return Vec::new(),
            // To build a large store anew is long work, and whoever started a short command did not ask for it.
            Ok(pending) if pending.is_outdated && self.journal_bytes() > REPEATED_BYTES_MAX => {
                return Vec::new();
            }
            _ => drop(snapshot),
        }
        self.apply_if_free()
    }

    /// Applies what is new if the store's lock is free; somebody else will otherwise. To be called at the end of long work.
    pub fn apply_if_free(&self) -> Vec<String> {
        match self.lock(Duration::ZERO) {
            Ok(Attempt::Taken(lock)) => self.apply(&lock),
            Ok(Attempt::HeldBy(_)) => Vec::new(),
            Err(error) => vec![described(&error)],
        }
    }

    /// Returns true while the process that writes a run's segment lives.
    pub fn is_alive(&self, segment: u128) -> bool {
        journal::writer_is_alive(&self.journal(), segment)
    }

    /// Returns true where a run that has no end in `snapshot` is at work: the process that records it lives, or lived when the
    /// journal was read and has written since, its end perhaps. Nothing is looked up of a run that has an end.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn is_at_work(&self, snapshot: &Snapshot, run: &RunView) -> Result<bool> {
        if run.ended_at().is_some() {
            return Ok(false);
        }
        let segment = run.live_segment();
        if self.is_alive(segment) {
            return Ok(true);
        }
        let Some(read) = snapshot.applied_loose_bytes(segment)? else {
            return Ok(false);
        };
        let now = match journal::loose_length(&self.journal(), segment) {
            Some(now) => Some(now),
            // It was packed since.
            None => {
                let listing = Store::listing(Some(snapshot), &self.journal())?;
                listing.segments.iter().find(|listed| listed.segment == segment).map(|listed| listed.length)
            }
        };
        Ok(now.is_some_and(|now| now > read))
    }

    /// Returns a clock that goes on after everything recorded here.
    pub fn clock_after(&self, clock: &Clock, snapshot: &Snapshot) -> Clock {
        clock.not_before(snapshot.latest());
        clock.clone()
    }
}

/// Returns `path` as an absolute path free of symbolic links.
fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|cause| {
        Error::new(Kind::Request, format!("cannot read `{}`", path.display())).because(cause)
    })
}

/// Says what the journal has lost.
fn loss(loss: &Loss) -> String {
    let facts = match loss.facts {
        Some(1) => "1 fact is in no segment now".to_owned(),
        Some(facts) => format!("{facts} facts are in no segment now"),
        None => "what was in them is not known".to_owned(),
    };
    format!(
        "segments that were in the journal are not, or not all: {}; {facts}",
        describe_lost(&loss.segments)
    )
}

fn described(error: &Error) -> String {
    match error.hint_text() {
        Some(hint) => format!("{} ({hint})", error.in_full()),
        None => error.in_full(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RunKind, RunStatus, Timestamp};
    use crate::ops::{Recording, RunRequest};
    use crate::query;

    fn at_work(workspace: &Workspace, snapshot: &Snapshot) -> Vec<bool> {
        let mut found = Vec::new();
        let mut look = |number| {
            let run = query::run_view(snapshot, number)?.unwrap();
            found.push(workspace.is_at_work(snapshot, &run)?);
            Ok(std::ops::ControlFlow::<()>::Continue(()))
        };
        assert!(snapshot.runs_newest_first(&mut look).unwrap().is_continue());
        found
    }

    #[test]
    fn a_run_that_ends_after_the_journal_was_read_was_at_work_then() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_400_000));
        let start = || {
            let request = RunRequest::new("x", RunKind::Command);
            Recording::start(&workspace, &clock, request).unwrap()
        };
        let recording = start();
        let before = workspace.view().unwrap().snapshot;
        assert_eq!(at_work(&workspace, &before), [true]);
        recording.finish(RunStatus::Succeeded, Some(0), None).unwrap();
        assert_eq!(at_work(&workspace, &before), [true], "it may have ended");
        let after = workspace.view().unwrap().snapshot;
        assert_eq!(at_work(&workspace, &after), [false]);

        drop(start());
        let died = workspace.view().unwrap().snapshot;
        assert_eq!(at_work(&workspace, &died), [false, false], "it wrote no end");

        let recording = start();
        let before = workspace.view().unwrap().snapshot;
        recording.finish(RunStatus::Succeeded, Some(0), None).unwrap();
        for _ in 0..150 {
            start().finish(RunStatus::Succeeded, Some(0), None).unwrap();
        }
        let listing = Store::listing(None, &workspace.journal()).unwrap();
        assert!(listing.segments.iter().any(|segment| segment.packed));
        assert_eq!(at_work(&workspace, &before), [true, false, false], "it was packed since");
    }

    #[test]
    fn packs_are_known_as_soon_as_they_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_400_000));
        let mut packs = 0;
        for _ in 0..150 {
            let request = RunRequest::new("x", RunKind::Command);
            let recording = Recording::start(&workspace, &clock, request).unwrap();
            recording.finish(RunStatus::Succeeded, Some(0), None).unwrap();
            let snapshot = workspace.store().snapshot().unwrap();
            let listing = Store::listing(snapshot.as_ref(), &workspace.journal()).unwrap();
            assert!(listing.segments.iter().all(|segment| !segment.packed));
            packs = packs.max(listing.packs.len());
        }
        assert!(packs > 0, "150 runs are packed");
    }
}
