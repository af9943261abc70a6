//! Points of metrics that no recorder has taken, and whose file is still there: it died, and the command went on without it; or the
//! disk took nothing more.
//!
//! Whoever asks next records what is new in such a file. A command may go on writing to it, and nobody can tell, so it stays until
//! nothing has come for long; beside it stands how it was when it was last taken. Who holds the lock of that note takes them.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::live::{self, Rest};
use super::under_way::{self, Held};
use crate::disk::{LockFile, Locked, read_regular_text};
use crate::error::{Error, Result};
use crate::journal::Writer;
use crate::model::{Fact, NodeId, Remark, Remarks};
use crate::ops::host::host;
use crate::ops::{Clock, Workspace};
use crate::query;
use crate::store::{RunNo, Snapshot};

/// How long nothing comes before a file goes.
const QUIET: Duration = Duration::from_secs(7 * 24 * 3600);
/// The ending of the notes of what was taken.
const NOTE_ENDING: &str = "taken";

/// Records what no recorder has taken of runs that `snapshot` knows. Returns whether anything was, and what could not be, one line
/// each.
pub(crate) fn take_left_points(workspace: &Workspace, snapshot: &Snapshot) -> (bool, Vec<String>) {
    let (mut is_any, mut warnings) = (false, Vec::new());
    let entries = fs::read_dir(live::folder(workspace)).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.extension().is_some_and(|ending| ending == NOTE_ENDING) && !live::file_beside(&path).exists()
        {
            // The recorder has taken all of them after all.
            let _ = fs::remove_file(&path);
        }
        let Some(run) = live::run_of(&path) else { continue };
        match take(workspace, snapshot, run, &path) {
            Ok(taken) => is_any |= taken,
            Err(error) => warnings.push(format!(
                "points of metrics in `{}` are not recorded: {}",
                path.display(),
                error.in_full()
            )),
        }
    }
    (is_any, warnings)
}

/// How a file stands, and whether it has long been so.
struct State {
    text: String,
    is_quiet: bool,
}

impl State {
    fn of(found: &Metadata) -> Self {
        let text = format!("{} {}.{:09}", found.len(), found.mtime(), found.mtime_nsec());
        let age = found.modified().ok().and_then(|modified| modified.elapsed().ok());
        State { text, is_quiet: age.is_some_and(|age| age >= QUIET) }
    }
}

/// Records what is new in the file of a run; returns whether anything was.
fn take(workspace: &Workspace, snapshot: &Snapshot, run: NodeId, path: &Path) -> Result<bool> {
    let unreadable = |cause| Error::store("they cannot be read").because(cause);
    let state = match path.symlink_metadata() {
        Ok(found) => State::of(&found),
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(unreadable(cause)),
    };
    let place = path.with_extension(NOTE_ENDING);
    let is_taken = |note: &str| note == state.text && !state.is_quiet;
    if read_regular_text(&place).is_ok_and(|note| is_taken(&note)) {
        return Ok(false);
    }
    let Some(number) = is_left(workspace, snapshot, run)? else { return Ok(false) };
    // Whoever takes the run over takes its points, too, which count when the end of the run does.
    let _run = match under_way::hold(workspace, run) {
        Ok(Held::ByOthers) => return Ok(false),
        Ok(Held::Ours(file)) => file,
        Err(cause) => return Err(Error::store("what is left of their run cannot be locked").because(cause)),
    };
    let not_noted = |cause| Error::store("what is taken cannot be written down").because(cause);
    let lock = LockFile::open_or_make(&place).map_err(not_noted)?;
    match lock.try_lock().map_err(not_noted)? {
        Locked::Ours => {}
        // Somebody else is at it, or was the last to need it.
        Locked::ByOthers | Locked::Replaced => return Ok(false),
    }
    let mut note = lock.file();
    let mut known = String::new();
    note.read_to_string(&mut known).map_err(not_noted)?;
    if is_taken(&known) {
        return Ok(false);
    }
    let is_any = record(workspace, run, number, path, state.is_quiet)?;
    if state.is_quiet {
        let remove = |file| match fs::remove_file(file) {
            // The recorder has done it after all.
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        let gone: io::Result<()> = [path, &place].into_iter().try_for_each(remove);
        gone.map_err(|cause| Error::store("they are, and their file cannot be removed").because(cause))?;
    } else {
        let noted = note.rewind().and_then(|()| note.set_len(0));
        noted.and_then(|()| note.write_all(state.text.as_bytes())).map_err(not_noted)?;
    }
    Ok(is_any)
}

/// Returns the number of a run whose recorder does not live, which only its own machine can tell.
fn is_left(workspace: &Workspace, snapshot: &Snapshot, run: NodeId) -> Result<Option<RunNo>> {
    let Some(number) = snapshot.run_no(run)? else { return Ok(None) };
    let is_left = query::run_view(snapshot, number)?
        .is_some_and(|view| view.run.host == host() && !workspace.is_alive(view.live_segment()));
    Ok(is_left.then_some(number))
}

/// Records what a file has and the record has not, in a segment of its own, which is there as a whole or not at all.
fn record(workspace: &Workspace, run: NodeId, number: RunNo, path: &Path, has_ended: bool) -> Result<bool> {
    // What somebody else has recorded before the lock was ours is in it.
    let snapshot = workspace.view_as_it_is()?.snapshot;
    let clock = Clock::machine();
    clock.not_before(snapshot.latest());
    let mut writer: Option<Writer> = None;
    let mut add = |fact: &Fact| {
        if writer.is_none() {
            let segment = NodeId::new(clock.now()).as_u128();
            writer = Some(Writer::create_hidden(workspace.disk(), &workspace.journal(), segment)?);
        }
        writer.as_mut().map_or(Ok(()), |writer| writer.append(fact))
    };
    let known = || live::known_points(&snapshot, run);
    let rest = Rest { known: &known, clock: &clock, run, path, has_ended };
    let (_, mut refused) = rest.take(&mut |points| add(&Fact::Metrics(points)))?;
    if !refused.is_empty() {
        let said: Vec<Remark> = snapshot.remarks(number)?.into_iter().flat_map(|said| said.remarks).collect();
        for remark in &mut refused {
            let is_it = |said: &&Remark| (said.kind, &said.text) == (remark.kind, &remark.text);
            let before: u64 = said.iter().filter(is_it).map(|said| said.count).sum();
            remark.count = remark.count.saturating_sub(before);
        }
        refused.retain(|remark| remark.count > 0);
    }
    if !refused.is_empty() {
        add(&Fact::Remarked(Remarks::new(run, clock.now(), None, refused)))?;
    }
    writer.map_or(Ok(false), |mut writer| writer.publish().map(|()| true))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::path::PathBuf;
    use std::time::SystemTime;

    use super::*;
    use crate::disk::Disk;
    use crate::model::RunKind;
    use crate::ops::{Recording, RunRequest};

    /// Leaves a run whose recorder has died, and the file for its points.
    fn left(root: &Path) -> (Workspace, NodeId, PathBuf) {
        Workspace::init(root).unwrap();
        let workspace = Workspace::at(root, Disk::new());
        let request = RunRequest { host: host(), ..RunRequest::new("train", RunKind::Command) };
        let recording = Recording::start(&workspace, &Clock::machine(), request).unwrap();
        let run = recording.run().clone();
        drop(recording);
        while workspace.is_alive(run.segment) {
            std::thread::yield_now();
        }
        fs::create_dir_all(live::folder(&workspace)).unwrap();
        let path = live::file(&workspace, run.id);
        (workspace, run.id, path)
    }

    fn steps_of(workspace: &Workspace, run: NodeId) -> Vec<i64> {
        let points = workspace.view().unwrap().snapshot.metrics(run).unwrap();
        points.into_iter().map(|point| point.step).collect()
    }

    const POINT: &str = "{\"name\":\"loss\",\"value\":1,\"step\":1}\n";

    #[test]
    fn of_several_that_ask_at_once_one_records_and_nobody_complains() {
        let folder = tempfile::tempdir().unwrap();
        let (workspace, run, path) = left(&folder.path().canonicalize().unwrap());
        for is_quiet in [false, true].repeat(20) {
            fs::write(&path, POINT).unwrap();
            if is_quiet {
                let file = File::options().append(true).open(&path).unwrap();
                file.set_modified(SystemTime::now() - QUIET).unwrap();
            } else {
                let _ = fs::remove_file(path.with_extension(NOTE_ENDING));
            }
            let snapshot = workspace.view_as_it_is().unwrap().snapshot;
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        assert_eq!(take_left_points(&workspace, &snapshot).1, [] as [String; 0]);
                    });
                }
            });
        }
        assert_eq!(steps_of(&workspace, run), [1]);
    }

    #[test]
    fn points_of_a_run_that_somebody_takes_over_are_left_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let (workspace, run, path) = left(&folder.path().canonicalize().unwrap());
        fs::write(&path, POINT).unwrap();
        fs::create_dir_all(under_way::folder(&workspace)).unwrap();
        let file = under_way::folder(&workspace).join(format!("{}.run", run.hex()));
        fs::write(&file, "being taken over").unwrap();
        let snapshot = workspace.view_as_it_is().unwrap().snapshot;
        let lock = File::options().write(true).open(&file).unwrap();
        lock.lock().unwrap();
        assert_eq!(take_left_points(&workspace, &snapshot), (false, vec![]));
        drop(lock);
        // What other tests have forked just now holds the lock until it runs its program.
        while take_left_points(&workspace, &snapshot) == (false, vec![]) {
            std::thread::yield_now();
        }
        fs::remove_file(file).unwrap();
        assert_eq!(steps_of(&workspace, run), [1]);
    }

    #[test]
    fn points_that_come_when_no_recorder_lives_are_recorded_once_and_their_file_goes_when_it_has_long_been_quiet()
     {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        Workspace::init(&root).unwrap();
        let workspace = Workspace::at(&root, Disk::new());
        let request = RunRequest { host: host(), ..RunRequest::new("train", RunKind::Command) };
        let recording = Recording::start(&workspace, &Clock::machine(), request).unwrap();
        let run = recording.run().clone();
        let path = live::file(&workspace, run.id);
        fs::create_dir_all(live::folder(&workspace)).unwrap();
        let write = |text: &str| {
            let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        let found = || {
            let snapshot = workspace.view().unwrap().snapshot;
            let points: Vec<i64> =
                snapshot.metrics(run.id).unwrap().into_iter().map(|point| point.step).collect();
            let number = snapshot.run_no(run.id).unwrap().unwrap();
            (points, snapshot.remarks(number).unwrap().len())
        };
        let point = |step: i64| format!("{{\"name\":\"loss\",\"value\":1,\"step\":{step}}}\n");
        write(&(point(1) + &point(2)[..10]));
        // They are the recorder's.
        assert_eq!(found(), (vec![], 0));
        drop(recording);
        while workspace.is_alive(run.segment) {
            std::thread::yield_now();
        }
        for _ in 0..2 {
            assert_eq!(found(), (vec![1], 0), "half a line may become a whole one");
        }
        write(&point(2)[10..]);
        write("nonsense\n");
        for _ in 0..2 {
            assert_eq!(found(), (vec![1, 2], 1));
        }
        let file = write("half of");
        assert_eq!(found(), (vec![1, 2], 1));
        file.set_modified(SystemTime::now() - QUIET).unwrap();
        assert_eq!(found(), (vec![1, 2], 2), "nothing more comes");
        assert_eq!(fs::read_dir(live::folder(&workspace)).unwrap().count(), 0);
    }
}
