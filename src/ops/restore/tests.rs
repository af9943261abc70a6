//! Somebody else writes where something is restored.

use std::fs;
use std::sync::Arc;

use super::*;
use crate::disk::{Disk, Faults, Operation};
use crate::error::Kind;

/// Puts a file of their own at a place just before ours is to take its name.
struct Intruder(PathBuf);

impl Faults for Intruder {
    fn before(&self, operation: Operation, path: &Path, _: Option<&Path>) -> io::Result<usize> {
        if operation == Operation::Rename && path == self.0 {
            fs::write(path, "theirs")?;
        }
        Ok(usize::MAX)
    }
}

#[test]
fn what_was_put_there_meanwhile_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let workspace = Workspace::init(&root).unwrap();
    let digest = workspace.contents().keep(b"ours").unwrap();
    let place = root.join("out.txt");
    let request = |force| RestoreRequest {
        words: vec![digest.to_string().into()],
        folder: root.clone(),
        to: Some("out.txt".into()),
        force,
        part_of: None,
    };
    let intruded = Workspace::at(&root, Disk::with_faults(Arc::new(Intruder(place.clone()))));
    let snapshot = intruded.view().unwrap().snapshot;
    let restored = |request: &RestoreRequest| restore(&intruded, &snapshot, &Clock::machine(), request);
    let error = restored(&request(false)).unwrap_err();
    assert_eq!(error.kind(), Kind::Request);
    assert_eq!(error.message(), format!("`{}` was put there by somebody else meanwhile", place.display()));
    assert_eq!(fs::read(&place).unwrap(), b"theirs");
    let names = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != ".lineage").collect();
    names.sort();
    assert_eq!(names, ["out.txt"]);
    // What was looked at is kept and written over where that is asked for.
    restored(&request(true)).unwrap();
    assert_eq!(fs::read(&place).unwrap(), b"ours");
}
