//! Takes over what is left of a run whose recording broke off: this program was killed, or the machine went down.
//!
//! What was known at the last checkpoint becomes the end of the run in the journal, in the one segment that was meant for it: so
//! whoever is killed in the middle of this leaves nothing, and the next one begins anew. Whether the writer lives is told by its
//! lock on its own segment, which is worth something only on the machine where it ran. Of two that find the same, the one that
//! holds the file's lock takes it over.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::live::Rest;
use super::record::{Recorded, Recorder};
use super::steps::FileClock;
use super::under_way::{self, Kept, Machine, Unreadable};
use super::{ending, live, remark_of, with_files_of_interest};
use crate::capture::observe::{self, Options, Recovered};
use crate::disk::{LockFile, Locked, open_regular};
use crate::error::{Error, Result};
use crate::journal::{self, Listing, Reader};
use crate::model::{CaptureLevel, Fact, Remark, RemarkKind, Remarks, Run, RunStatus, Timestamp};
use crate::ops::keep::Keeping;
use crate::ops::registry::VersionsOfRun;
use crate::ops::{Clock, Recording, Workspace};

/// How long to wait for somebody else who takes the same over.
const WAIT: Duration = Duration::from_secs(2);

/// How long the file of a run on another machine stays as it is before that is told.
const QUIET: Duration = Duration::from_secs(24 * 3600);

/// Why a run ended where nobody saw it.
const BROKE_OFF: &str = "the recording broke off";

/// Takes over what is left of every run whose recording broke off; returns what could not be, one line each.
pub(crate) fn take_over_broken_off(workspace: &Workspace) -> Vec<String> {
    let files = under_way::files(workspace);
    if files.is_empty() {
        // Whoever removed the last file may have died before it removed the folder.
        let _ = workspace.disk().remove_folder(&under_way::folder(workspace));
    }
    let warnings = files.into_iter().filter_map(|path| {
        let taken = catch_unwind(AssertUnwindSafe(|| take_over(workspace, &path)));
        let error = match taken.unwrap_or_else(|_| Err(Error::bug("a fault of this program"))) {
            Ok(()) => return None,
            Err(error) => error,
        };
        let hint = error.hint_text().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let (file, error) = (path.display(), error.in_full());
        Some(format!("what is left of a run that broke off, in `{file}`, is not taken over: {error}{hint}"))
    });
    warnings.collect()
}

/// Returns how many runs there are whose recording broke off, as far as can be told; changes nothing.
pub(crate) fn broken_off(workspace: &Workspace) -> usize {
    let is_broken_off = |path: &PathBuf| {
        let beginning = open_regular(path).ok().and_then(|mut file| Kept::beginning(&mut file).ok());
        let segment = beginning.filter(|found| found.machine.is_this()).and_then(|found| found.segment());
        segment.is_some_and(|segment| !workspace.is_alive(segment))
    };
    under_way::files(workspace).iter().filter(|path| is_broken_off(path)).count()
}

fn take_over(workspace: &Workspace, path: &Path) -> Result<()> {
    let unreadable = |cause| Error::store("it cannot be read").because(cause);
    let mut file = match open_regular(path) {
        Ok(file) => file,
        // Somebody else was quicker, or the run has ended.
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        // It is another user's, who alone may read it, and whose next command takes it over.
        Err(cause) if cause.kind() == ErrorKind::PermissionDenied => return Ok(()),
        Err(cause) => return Err(unreadable(cause)),
    };
    let explain = |why| match why {
        Unreadable::Another(program) => Error::store("another `lineage` wrote it")
            .hint(format!("use `lineage` {program}; nothing was changed")),
        Unreadable::Damaged(cause) => {
            unreadable(cause).hint("it may be removed: of the run remains what the journal has")
        }
    };
    let beginning = Kept::beginning(&mut file).map_err(explain)?;
    let (Some(segment), Some(end)) = (beginning.segment(), beginning.end()) else {
        return Err(Error::store("it does not say which run it is of"));
    };
    if workspace.is_alive(segment) {
        return Ok(());
    }
    if !beginning.machine.is_this() {
        return gone_elsewhere(&file, &beginning.machine);
    }
    let is_in_journal = |listing: &Listing| listing.segments.iter().any(|found| found.segment == end);
    let (mut held, mut registered) = (None, None);
    if !is_in_journal(&journal::list(&workspace.journal(), &|_| false)?) {
        if file.metadata().map_err(unreadable)?.ino() != beginning.inode {
            return Ok(());
        }
        let Some(taken) = lock(path)? else { return Ok(()) };
        let mut file = held.insert(taken).file();
        // Whoever had the lock before may have been at it.
        let listing = journal::list(&workspace.journal(), &|_| false)?;
        if !is_in_journal(&listing) {
            // Where the journal does not have the beginning, there is nothing to add an end to.
            let Some(run) = started_in(&listing, segment)? else { return Ok(()) };
            let kept = Kept::read(&mut file).map_err(explain)?;
            if kept.checkpoints().next().is_none() {
                // Its writer died before the first was whole: nothing is known of the run but that it began.
                return remove(workspace, path);
            }
            registered = end_of(workspace, &kept, run, end)?;
        }
    }
    // Whoever showed the segment may have died before its name was on the disk.
    let synced = workspace.disk().sync_folder(&workspace.journal());
    synced.map_err(|cause| Error::store("the journal cannot be forced to the disk").because(cause))?;
    remove(workspace, path)?;
    drop(held);
    if let Some(versions) = registered {
        // What fails here is in the journal, and `lineage project` says so.
        let _ = versions.project(workspace);
    }
    Ok(())
}

/// Says that a run may have broken off on another machine, where its file has not changed for long: whether its writer lives is
/// known there alone, and files are known there by other numbers.
fn gone_elsewhere(file: &File, machine: &Machine) -> Result<()> {
    let changed = file.metadata().and_then(|found| found.modified()).ok();
    let Some(since) = changed.filter(|changed| changed.elapsed().is_ok_and(|age| age >= QUIET)) else {
        return Ok(());
    };
    let since = since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
    let since = Timestamp::from_micros(since).format("%Y-%m-%d %H:%M:%S UTC");
    let name = machine.name();
    Err(Error::store(format!("it ran on `{name}`, and what it did there was written down until {since}"))
        .hint("if it runs no more, any `lineage` command there records it; if that machine is no more, the file may be removed"))
}

fn remove(workspace: &Workspace, path: &Path) -> Result<()> {
    match under_way::remove(workspace.disk(), path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(Error::store("it cannot be removed").because(cause))
        }
        _ => Ok(()),
    }
}

/// Locks a file, if need be when somebody else is through with it; `None` where they have removed it.
fn lock(path: &Path) -> Result<Option<LockFile>> {
    let lock = match LockFile::open(path) {
        Ok(lock) => lock,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::store("it cannot be written").because(cause)),
    };
    let deadline = Instant::now() + WAIT;
    loop {
        let locked = lock.try_lock();
        match locked.map_err(|cause| Error::store("it cannot be locked").because(cause))? {
            Locked::Ours => return Ok(Some(lock)),
            Locked::Replaced => return Ok(None),
            Locked::ByOthers if Instant::now() >= deadline => {
                return Err(Error::store("another `lineage` is at it").hint("ask again when it is through"));
            }
            Locked::ByOthers => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Reads a run out of the segment that it began with.
fn started_in(listing: &Listing, segment: u128) -> Result<Option<Run>> {
    let Some(found) = listing.segments.iter().find(|found| found.segment == segment) else {
        return Ok(None);
    };
    let Some(bytes) = journal::read_segment(found, 0, u64::MAX)? else { return Ok(None) };
    let Some(mut reader) = Reader::new(&format!("{segment:032x}"), &bytes)? else { return Ok(None) };
    while let Some(fact) = reader.next()? {
        if let Fact::RunStarted(run) = fact {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// Writes the end of a run into the journal, as far as its checkpoints tell; returns the versions of models that it registered.
fn end_of(workspace: &Workspace, kept: &Kept, run: Run, end: u128) -> Result<Option<VersionsOfRun>> {
    let asked = &kept.beginning.asked;
    let request = asked.request(&run);
    let root = request.root(workspace);
    let ground = kept.beginning.ground(root, &request);
    let clock = Clock::machine();
    clock.not_before(run.started_at);
    let now = || clock.now().micros();
    let options = Options::new(request.arguments.clone(), request.folder.clone(), &now);
    let recovered = with_files_of_interest(workspace, &ground, &|_| true, options, &mut |options| {
        observe::recover(options, &mut kept.checkpoints())
    });
    let Some(Recovered { observation, exit, until_us }) = recovered else {
        return Err(Error::store("what it holds makes no sense to this program"));
    };
    let until = Timestamp::from_micros(until_us);
    clock.not_before(until);
    let (id, metrics) = (run.id, live::file(workspace, run.id));
    let mut recording = Recording::take_over(workspace, &clock, run, end)?;
    let mut remarks = vec![Remark::new(
        RemarkKind::Unseen,
        match exit {
            Some(_) => {
                format!("{BROKE_OFF} when the command had ended: how its files stood is known from later")
            }
            None => {
                let until = until.format("%Y-%m-%d %H:%M:%S UTC");
                format!("{BROKE_OFF} at {until}: what the command did after that is not known")
            }
        },
    )];
    remarks.extend(observation.gaps.iter().map(remark_of));
    let known = || live::known_points(&workspace.view_as_it_is()?.snapshot, id);
    let rest = Rest { known: &known, clock: &clock, run: id, path: &metrics, has_ended: false };
    let (mut reported, refused) = rest.take(&mut |points| recording.add(&Fact::Metrics(points)))?;
    let recorder = Recorder {
        workspace,
        recording: &mut recording,
        request: &request,
        observation: &observation,
        ground: &ground,
        keeping: &Keeping::new(workspace, root)?,
        reported: &mut reported,
        clock: FileClock { behind_us: kept.beginning.behind_us },
        remarks: &mut remarks,
    };
    let Recorded { registered, .. } = recorder.record()?;
    remarks.extend(refused);
    let said = Remarks::new(id, recording.now(), Some(CaptureLevel::Net), remarks);
    recording.add(&Fact::Remarked(said))?;
    let (status, code, reason) = match exit {
        Some(exit) => ending(exit),
        None => (RunStatus::Interrupted, None, Some(BROKE_OFF.to_owned())),
    };
    let at = if exit.is_some() { Timestamp::from_micros(observation.ended_us) } else { until };
    // What goes wrong with the store once the end is in the journal goes wrong again where somebody is told.
    let _ = recording.finish_at(at, status, code, reason)?;
    Ok(registered)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::capture::observe::Checkpoints;
    use crate::disk::tests::{Crash, Full, Leaves};
    use crate::disk::{Disk, TEMPORARY_PREFIX};
    use crate::model::RunKind;
    use crate::ops::RunRequest;
    use crate::ops::run::under_way::{Beginning, UnderWay};
    use crate::ops::run::{CommandRequest, Ground};

    /// Runs `script` in a workspace and leaves what is left where its recorder dies before the command has ended; `None` where
    /// commands cannot be observed.
    fn broken_off(root: &Path, script: &str) -> Option<()> {
        let workspace = Workspace::init(root).unwrap();
        let clock = Clock::machine();
        let recording =
            Recording::start(&workspace, &clock, RunRequest::new("sh", RunKind::Command)).unwrap();
        let request = CommandRequest {
            arguments: ["sh", "-c", script].map(Into::into).to_vec(),
            name: None,
            parameters: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            metrics: None,
            folder: root.to_owned(),
            environment: std::env::vars_os().filter(|(name, _)| name == "PATH").collect(),
            allow_io_uring: false,
            with_arguments: true,
            parent: None,
            rerun_of: None,
            streams: None,
            copy: None,
            host: String::new(),
        };
        let ground = Ground::of(&workspace, &request);
        let parts = RefCell::new(Vec::new());
        let checkpoints = Checkpoints {
            first: Duration::ZERO,
            apart: Duration::ZERO,
            is_ready: &|| true,
            take: &|part| parts.borrow_mut().push(part),
        };
        let now = || clock.now().micros();
        let mut options = Options::new(request.arguments.clone(), root.to_owned(), &now);
        options.environment = request.environment.clone();
        options.checkpoints = Some(&checkpoints);
        let observed = observe::observe(&options, &mut |_, _, _| {});
        // The last one is made when the command has ended.
        let last = parts.borrow_mut().pop();
        if observed.is_err() || last.is_none() {
            crate::machine::skipped(crate::machine::Lack::Net, "commands cannot be observed on this machine");
            return None;
        }
        let beginning = Beginning::of(&clock, &request, recording.run(), &ground);
        let under_way = UnderWay::new(&workspace, recording.run(), beginning);
        for part in parts.into_inner() {
            while !under_way.is_ready() {
                std::thread::yield_now();
            }
            under_way.take(part, None);
        }
        under_way.end().unwrap();
        let segment = recording.run().segment;
        drop(recording);
        // What other tests have forked just now holds the lock until it runs its program.
        while workspace.is_alive(segment) {
            std::thread::yield_now();
        }
        Some(())
    }

    /// Returns how many steps, remarks and ends are recorded.
    fn recorded(workspace: &Workspace) -> (usize, usize, usize) {
        let (mut steps, mut remarks, mut ends) = (0, 0, 0);
        let view = workspace.view_as_it_is().unwrap();
        let read = view.snapshot.facts(&mut |fact| {
            match fact {
                Fact::StepDone(_) => steps += 1,
                Fact::Remarked(_) => remarks += 1,
                Fact::RunOutcome(_) => ends += 1,
                _ => {}
            }
            Ok(())
        });
        read.unwrap();
        (steps, remarks, ends)
    }

    #[test]
    fn whoever_dies_while_taking_over_leaves_all_or_nothing_and_the_next_one_does_the_rest() {
        let (mut died_before, mut died_after, mut steps) = (0, 0, 0);
        for leaves in Leaves::ALL {
            for operations in 0..30 {
                let folder = tempfile::tempdir().unwrap();
                let root = folder.path().canonicalize().unwrap();
                std::fs::write(root.join("a"), "a").unwrap();
                if broken_off(&root, "cat a > b; cat b > c; sleep 0.1; cat c > d").is_none() {
                    return;
                }
                let crash = Crash::after(operations);
                let dying = Workspace::at(&root, Disk::with_faults(crash.clone()));
                take_over_broken_off(&dying);
                let has_died = crash.happened();
                crash.settle(leaves);
                let workspace = Workspace::at(&root, Disk::new());
                let found = recorded(&workspace);
                let case = format!("{operations} {leaves:?}: {found:?}");
                assert!(found == (0, 0, 0) || found.2 == 1, "{case}");
                died_before += usize::from(found.2 == 0);
                died_after += usize::from(found.2 == 1 && has_died);
                assert_eq!(take_over_broken_off(&workspace), [] as [String; 0], "{case}");
                assert!(under_way::files(&workspace).is_empty(), "{case}");
                let whole = recorded(&workspace);
                assert!(whole.1 == 1 && whole.2 == 1, "{case} {whole:?}");
                assert!(found.2 == 0 || whole == found, "{case} {whole:?}");
                assert!(!under_way::folder(&workspace).exists(), "{case}");
                // How many there are depends on when the checkpoints were made.
                steps += whole.0;
            }
        }
        assert!(died_before > 0 && died_after > 0 && steps > 0, "{died_before} {died_after} {steps}");
    }

    #[test]
    fn a_full_disk_is_not_filled_further_by_whoever_cannot_take_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::write(root.join("a"), "a").unwrap();
        if broken_off(&root, "cat a > b; cat b > c").is_none() {
            return;
        }
        for room in [0, 30, 100] {
            let workspace = Workspace::at(&root, Disk::with_faults(Full::with_room(room)));
            assert_eq!(take_over_broken_off(&workspace).len(), 1, "{room}");
            let names =
                std::fs::read_dir(workspace.journal()).unwrap().map(|entry| entry.unwrap().file_name());
            let left = names.filter(|name| name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()));
            assert_eq!(left.count(), 0, "{room}");
        }
        assert_eq!(take_over_broken_off(&Workspace::at(&root, Disk::new())), [] as [String; 0]);
    }

    #[test]
    fn of_a_run_whose_recorder_died_in_its_first_checkpoint_its_beginning_is_known() {
        for bytes_of_checkpoint in [0, 5, 40] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().canonicalize().unwrap();
            std::fs::write(root.join("a"), "a").unwrap();
            if broken_off(&root, "cat a > b; cat b > c").is_none() {
                return;
            }
            let workspace = Workspace::at(&root, Disk::new());
            let file = under_way::files(&workspace).remove(0);
            let bytes = std::fs::read(&file).unwrap();
            let line = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            std::fs::write(&file, &bytes[..line + bytes_of_checkpoint]).unwrap();
            assert_eq!(take_over_broken_off(&workspace), [] as [String; 0]);
            assert_eq!(recorded(&workspace), (0, 0, 0), "{bytes_of_checkpoint}");
            assert!(!under_way::folder(&workspace).exists());
        }
    }

    #[test]
    fn what_is_damaged_is_left_alone_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::write(root.join("a"), "a").unwrap();
        if broken_off(&root, "cat a > b; cat b > c").is_none() {
            return;
        }
        let workspace = Workspace::at(&root, Disk::new());
        let file = under_way::files(&workspace).remove(0);
        for damaged in [&b""[..], b"{\"format\": 2}\n", b"no JSON\n"] {
            std::fs::write(&file, damaged).unwrap();
            let said = take_over_broken_off(&workspace);
            assert!(said.len() == 1 && said[0].contains("it may be removed"), "{said:?}");
            assert_eq!(std::fs::read(&file).unwrap(), damaged);
        }
    }
}
