//! Files that a command keeps up: it reads what lies there and writes it anew, one run after the other, as a table of results that
//! each training adds its line to.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{ArtifactPath, Digest};
use crate::store::{Edges, PathNo, Snapshot, StepNo};

/// What makes a step the same command as another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Command {
    program: String,
    told: Told,
}

/// What a program was told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    /// To run a script, whatever else it was told.
    Script(PathNo),
    /// All that stood on its command line: what else of that matters is not known.
    Line(String),
}

impl Command {
    /// Finds what a step ran; `None` where that is not recorded.
    fn of(snapshot: &Snapshot, step: StepNo, edges: &Edges) -> Result<Option<Self>> {
        let Some(record) = snapshot.step_without_edges(step)? else { return Ok(None) };
        // The first of several programs started the others.
        let first = |text: &str| text.split(" | ").next().unwrap_or_default().to_owned();
        let (program, line) = (first(&record.name), first(&record.subject));
        if line.is_empty() {
            return Ok(None);
        }
        let mut code = Vec::new();
        for edge in edges.used.iter().filter(|edge| edge.role.is_code()) {
            code.push((snapshot.artifact_path(edge.artifact)?, snapshot.path_of(edge.artifact)));
        }
        let script = line.split(' ').skip(1).find_map(|word| {
            code.iter().find(|(path, _)| names(word, path)).map(|(_, number)| Told::Script(*number))
        });
        Ok(Some(Command { program, told: script.unwrap_or(Told::Line(line)) }))
    }
}

/// Returns true where a word of a command line names a file of code: by its name, wherever it was called from, or as a module.
fn names(word: &str, path: &ArtifactPath) -> bool {
    let word = word.rsplit('/').next().unwrap_or(word);
    let module = word.rsplit('.').next().unwrap_or(word);
    path.file_name() == word.as_bytes() || path.file_name() == format!("{module}.py").as_bytes()
}

/// Who keeps up a file, and since when nobody else wrote it.
pub(super) struct KeptUp {
    path: PathNo,
    command: Command,
    /// When something else was done to it last.
    since: i64,
}

impl KeptUp {
    /// Finds who keeps up the file at `path`, where a recorded step wrote what lies there `now`.
    pub(super) fn of(snapshot: &Snapshot, path: PathNo, now: &Digest) -> Result<Option<Self>> {
        let mut found: Option<KeptUp> = None;
        let _all = snapshot.path_writes_until(path, i64::MAX, |at, step, artifact| {
            if found.is_none() && snapshot.artifact(artifact)?.digest != *now {
                return Ok(ControlFlow::Break(()));
            }
            match (keeper(snapshot, step, path, at)?, &mut found) {
                (Some(command), None) => found = Some(KeptUp { path, command, since: i64::MIN }),
                (Some(command), Some(known)) if known.command == command => {}
                (_, known) => {
                    known.iter_mut().for_each(|known| known.since = at);
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Returns true where `step`, which read the file at `read_at`, is one of those that keep it up, and only they wrote it since.
    pub(super) fn is_by(&self, snapshot: &Snapshot, step: StepNo, read_at: i64) -> Result<bool> {
        if self.since >= read_at {
            return Ok(false);
        }
        let Some(edges) = snapshot.edges(step)? else { return Ok(false) };
        let wrote = edges.generated.iter().any(|edge| snapshot.path_of(edge.artifact) == self.path);
        Ok(wrote && Command::of(snapshot, step, &edges)?.as_ref() == Some(&self.command))
    }
}

/// Returns the command of a step that read what lay at a path before it wrote there.
fn keeper(snapshot: &Snapshot, step: StepNo, path: PathNo, at: i64) -> Result<Option<Command>> {
    let Some(edges) = snapshot.edges(step)? else { return Ok(None) };
    let is_read = edges.used.iter().any(|edge| edge.at <= at && snapshot.path_of(edge.artifact) == path);
    if is_read { Command::of(snapshot, step, &edges) } else { Ok(None) }
}
