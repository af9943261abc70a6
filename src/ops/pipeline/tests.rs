//! A power cut at any point of a run: what is recorded then is kept, and the run that is taken up again ends as one that was never
//! cut off.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::*;
use crate::disk::tests::{Crash, FailOnce, Leaves};
use crate::disk::{Disk, Faults, Operation, TEMPORARY_PREFIX};
use crate::model::{Fact, Timestamp};

struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &Run, _: u64, _: u64) {}
    fn filing(&self, _: &FilingOutcome) {}
    fn end(&self) {}
}

/// Makes a workspace with two filings.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    Workspace::init(&root).unwrap();
    let raw = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/raw");
    fs::create_dir_all(root.join("data/raw")).unwrap();
    for name in ["HALCYON_10-K_2021.htm", "OLDHARBOR_10-K_1996.txt"] {
        fs::copy(raw.join(name), root.join("data/raw").join(name)).unwrap();
    }
    (folder, root)
}

fn run_in(root: &Path, disk: Disk, resume: Resume) -> Result<Summary> {
    let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_000_000));
    let inputs = vec![PathBuf::from("data/raw")];
    let request = PipelineRequest { inputs, resume, workers: Some(1), ..PipelineRequest::new(root) };
    pipeline(&Workspace::at(root, disk), &clock, &request, &Silent)
}

/// Takes the run up again.
///
/// A process that another test forks has the lock of the run's segment, too, until it executes its program.
fn take_up(root: &Path) -> Summary {
    for _ in 0..500 {
        match run_in(root, Disk::new(), Resume::Latest) {
            Err(error) if error.in_full().contains("is still going on") => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            ended => return ended.unwrap(),
        }
    }
    panic!("somebody still holds the run");
}

/// Reads the outputs of stages and the metrics files, by path.
fn outputs(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut frontier) = (BTreeMap::new(), vec![root.join("data")]);
    while let Some(folder) = frontier.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                frontier.push(path);
            } else if name.ends_with(".json") && !name.starts_with(TEMPORARY_PREFIX) {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn after_a_power_cut_at_any_point_what_is_recorded_is_kept_and_the_run_can_be_taken_up() {
    let (_folder, root) = place();
    assert!(!run_in(&root, Disk::new(), Resume::No).unwrap().has_failed());
    let expected = outputs(&root);
    assert_eq!(expected.len(), 2 * 4 + 3);
    for leaves in Leaves::ALL {
        for operations in (0..).step_by(7) {
            let (_folder, root) = place();
            let crash = Crash::after(operations);
            let ended = run_in(&root, Disk::with_faults(crash.clone()), Resume::No);
            let happened = crash.happened();
            crash.settle(leaves);
            let workspace = Workspace::at(&root, Disk::new());
            let mut steps = 0;
            workspace
                .view()
                .unwrap()
                .snapshot
                .facts(&mut |fact| {
                    if let Fact::StepDone(step) = fact {
                        steps += 1;
                        for output in &step.generated {
                            let kept = workspace.contents().read(&output.artifact.digest).unwrap();
                            assert!(kept.is_some(), "{}, {operations} {leaves:?}", output.artifact.path);
                        }
                    }
                    Ok(())
                })
                .unwrap();
            assert!(ended.is_err() || steps == expected.len(), "{operations} {leaves:?}");
            let again = take_up(&root);
            assert!(!again.has_failed(), "{operations} {leaves:?}");
            assert_eq!(outputs(&root), expected, "{operations} {leaves:?}");
            if !happened {
                assert!(operations > 50, "something was written");
                break;
            }
        }
    }
}

/// Notes the operations in order, each with its path below the root.
#[derive(Default)]
struct Log(Mutex<Vec<(Operation, PathBuf)>>);

impl Faults for Log {
    fn before(&self, operation: Operation, path: &Path, _: Option<&Path>) -> io::Result<usize> {
        self.0.lock().unwrap().push((operation, path.to_owned()));
        Ok(usize::MAX)
    }
}

#[test]
fn nothing_of_a_run_is_written_before_its_start_is_on_the_disk() {
    let (_folder, root) = place();
    let log = Arc::new(Log::default());
    assert!(!run_in(&root, Disk::with_faults(log.clone()), Resume::No).unwrap().has_failed());
    let log = log.0.lock().unwrap();
    let journal = root.join(".lineage/journal");
    let started = log.iter().position(|(operation, path)| {
        *operation == Operation::SyncFolder && *path == journal
            || *operation == Operation::Sync && path.starts_with(&journal)
    });
    let is_of_output =
        |path: &Path| path.starts_with(root.join("data")) || path.starts_with(root.join(".lineage/objects"));
    let first = log.iter().position(|(_, path)| is_of_output(path)).unwrap();
    assert!(started.unwrap() < first, "{:?}", &log[..=first]);
}

#[test]
fn a_run_whose_start_cannot_be_recorded_ends_and_writes_nothing() {
    let (_folder, root) = place();
    // A filing that cannot be read has no work done on it, but is not told of either.
    std::os::unix::fs::symlink("../not/fetched", root.join("data/raw/gone.htm")).unwrap();
    let failing = FailOnce::at(0, |operation| operation == Operation::Create);
    run_in(&root, Disk::with_faults(failing), Resume::No).unwrap_err();
    assert!(outputs(&root).is_empty());
    assert!(!root.join(".lineage/objects").exists());
}
