//! A disk that takes no more at any point of a projection: every file is as it was or as it is to be, and the next call goes on.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::disk::{Disk, Faults, Operation, TEMPORARY_PREFIX};
use crate::journal::Writer;
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Generated, NodeId, Role, Run, RunId, RunKind, RunOutcome,
    RunStatus, Step, Timestamp,
};
use crate::ops::project::{ProjectRequest, project};
use crate::ops::{Clock, Overwriting, Workspace};

/// The disk is full at one operation, which stops halfway where it can.
struct FullAt {
    at: usize,
    done: AtomicUsize,
}

impl Faults for FullAt {
    fn before(&self, operation: Operation, _: &Path, _: Option<&Path>) -> io::Result<usize> {
        if self.done.fetch_add(1, Ordering::Relaxed) != self.at {
            return Ok(usize::MAX);
        }
        match operation {
            Operation::Append(bytes) => Ok(bytes / 2),
            _ => Err(io::ErrorKind::StorageFull.into()),
        }
    }
}

/// Records a pipeline run with some outputs, all kept.
fn record(workspace: &Workspace) {
    let at = Timestamp::from_micros(1_765_561_338_000_000);
    let run = Run {
        parameters: vec![("stages".to_owned(), "segment".to_owned())],
        ..Run::new(NodeId::new(at), RunId::at(at), "all", RunKind::Pipeline, at, 1)
    };
    let mut writer = Writer::create(workspace.disk(), &workspace.journal(), 1).unwrap();
    writer.append(&Fact::RunStarted(run.clone())).unwrap();
    for number in 0..4 {
        let content = format!("{{\"output\": {number}}}\n");
        workspace.contents().keep(content.as_bytes()).unwrap();
        let path = format!("data/processed/{}_all/{number}_segmented_risks.json", run.run_id);
        let artifact = Artifact {
            path: ArtifactPath::new(path).unwrap(),
            digest: Digest::of(content.as_bytes()),
            size_bytes: content.len() as u64,
        };
        let step = Step {
            subject: format!("data/raw/{number}.htm"),
            generated: vec![Generated { artifact, at, evidence: Evidence::Observed, role: Role::Data }],
            ..Step::new(NodeId::new(at), run.id, "segment", [at, at])
        };
        writer.append(&Fact::StepDone(step)).unwrap();
    }
    let outcome = RunOutcome { exit_code: Some(0), ..RunOutcome::new(run.id, at, RunStatus::Succeeded, 1) };
    writer.append(&Fact::RunOutcome(outcome)).unwrap();
    writer.commit().unwrap();
}

#[test]
fn whenever_the_disk_is_full_each_file_is_old_or_new_and_the_next_call_goes_on() {
    for at in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let plain = Workspace::init(&root).unwrap();
        record(&plain);
        let force = Some(Overwriting { command: "project", clock: Clock::machine() });
        let request = ProjectRequest { force, ..ProjectRequest::default() };
        let first = project(&plain, &request).unwrap();
        let place = |path: &ArtifactPath| path.on_disk(&root).unwrap();
        let wanted: Vec<(ArtifactPath, Vec<u8>)> = first
            .files
            .iter()
            .map(|file| (file.path.clone(), std::fs::read(place(&file.path)).unwrap()))
            .collect();
        assert_eq!(wanted.len(), 6, "four outputs and two papers");
        // Of the files, each third is edited, each third is gone, and each third is as it was.
        for (number, (path, _)) in wanted.iter().enumerate() {
            match number % 3 {
                0 => std::fs::write(place(path), "edited").unwrap(),
                1 => std::fs::remove_file(place(path)).unwrap(),
                _ => {}
            }
        }
        let full = Arc::new(FullAt { at, done: AtomicUsize::new(0) });
        let faulty = Workspace::at(&root, Disk::with_faults(full.clone()));
        let result = project(&faulty, &request);
        let mut all_new = true;
        for (number, (path, new)) in wanted.iter().enumerate() {
            let now = std::fs::read(place(path)).ok();
            let old = [Some(b"edited".to_vec()), None, Some(new.clone())][number % 3].clone();
            all_new &= now.as_ref() == Some(new);
            assert!(now == old || now.as_ref() == Some(new), "operation {at}: {path} holds {now:?}");
            let blocked = result.as_ref().is_ok_and(|report| {
                report
                    .files
                    .iter()
                    .any(|file| file.path == *path && !file.mended && file.state() == "blocked")
            });
            assert!(now.as_ref() == Some(new) || blocked, "operation {at}: {path} is not told of");
        }
        assert!(!result.is_ok_and(|report| report.is_current()) || all_new, "operation {at}");
        let entries = std::fs::read_dir(place(&wanted[0].0).parent().unwrap()).unwrap();
        let names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(!names.iter().any(|name| name.starts_with(TEMPORARY_PREFIX)), "operation {at}: {names:?}");
        assert!(project(&plain, &request).unwrap().is_current());
        assert!(wanted.iter().all(|(path, new)| std::fs::read(place(path)).unwrap() == *new));
        assert!(project(&plain, &ProjectRequest::default()).unwrap().files.is_empty());
        let kept = plain.contents().read(&Digest::of(b"edited")).unwrap();
        assert_eq!(kept.as_deref(), Some(b"edited".as_slice()), "what somebody wrote is kept");
        if full.done.load(Ordering::Relaxed) <= at {
            assert!(at > 10, "something was written");
            return;
        }
    }
}
