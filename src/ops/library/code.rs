//! The code state for a process that starts many runs: read again when it may have changed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::capture::git;
use crate::digests::Stamp;
use crate::error::Result;
use crate::model::CodeState;
use crate::ops::Workspace;
use crate::ops::code::{CodeOf, code_state_at};

/// A code state is not taken to be that of a run which starts later than this after it was read, whatever the files say.
const AGE_MAX: Duration = Duration::from_secs(1);
/// Of as many changed and untracked files it is looked whether they changed again.
const FILES_MAX: usize = 256;

/// The code state as it was last read, and what tells that it has changed.
///
/// A file that was unchanged then and was edited less than [`AGE_MAX`] ago is not noticed: to notice it takes a look at
/// every tracked file, which is what reading the code state costs.
#[derive(Debug, Default)]
pub(super) struct Code {
    read: Option<Read>,
}

#[derive(Debug)]
struct Read {
    folder: PathBuf,
    code: CodeState,
    at: Instant,
    witnesses: Vec<(PathBuf, Option<Stamp>)>,
}

impl Code {
    /// Returns the code state of now, of the repository that is asked for.
    ///
    /// # Errors
    /// A store error where the patch cannot be kept.
    pub fn now(&mut self, workspace: &Workspace, code_of: CodeOf<'_>) -> Result<CodeState> {
        if let Some(read) = &self.read
            && read.folder == code_of.folder
            && read.at.elapsed() < AGE_MAX
            && read.witnesses.iter().all(|(path, stamp)| stamp_of(path) == *stamp)
        {
            return Ok(read.code.clone());
        }
        let at = Instant::now();
        // Looked at before the state is read: what changes meanwhile is noticed the next time.
        let repository = git::witnesses(code_of.folder);
        let mut witnesses: Vec<_> = repository.into_iter().map(stamped).collect();
        let snapshot = workspace.store().snapshot().ok().flatten();
        let code = code_state_at(workspace, code_of, &|_| true, &|| snapshot.as_ref())?;
        let files = code.changed.iter().chain(&code.untracked).take(FILES_MAX);
        witnesses.extend(files.filter_map(|file| file.path.on_disk(workspace.root())).map(stamped));
        self.read = Some(Read { folder: code_of.folder.to_owned(), code: code.clone(), at, witnesses });
        Ok(code)
    }
}

fn stamped(path: PathBuf) -> (PathBuf, Option<Stamp>) {
    let stamp = stamp_of(&path);
    (path, stamp)
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    path.symlink_metadata().ok().map(|metadata| Stamp::of(&metadata))
}
