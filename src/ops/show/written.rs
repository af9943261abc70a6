//! Who wrote the file that is asked about.

use super::{Showing, Writer};
use crate::error::Result;
use crate::model::{Artifact, DECLARED_STEP, RunKind, Timestamp};
use crate::ops::Workspace;
use crate::ops::locate::{DiskState, FileTarget};
use crate::query::{self, Gap, RunHead, Write};
use crate::store::RunNo;

/// Who wrote it.
pub(super) struct Written {
    /// Whatever came later is not looked at.
    pub(super) until: i64,
    last: Option<Write>,
    /// Runs of other workspaces that wrote the same at that path.
    elsewhere: Vec<RunNo>,
}

impl Showing<'_> {
    /// Finds who wrote what is asked about; of a file of this disk, whoever of this workspace did, if anybody did.
    pub(super) fn written(&self, target: &FileTarget) -> Result<Written> {
        let mut writes = query::writers(self.snapshot, target.number)?;
        let until = target.until();
        writes.retain(|write| write.at <= until);
        let is_of_disk =
            matches!(target.state, DiskState::Unchanged | DiskState::Changed(_) | DiskState::Gone);
        // What is asked for as a run wrote it, is that run's.
        if is_of_disk
            && until == i64::MAX
            && writes.len() > 1
            && let (Some(own), elsewhere) = self.here.last_write(self.snapshot, target.number)?
        {
            return Ok(Written { until: own.at, last: Some(own), elsewhere });
        }
        Ok(Written { until, last: writes.into_iter().next(), elsewhere: Vec::new() })
    }

    /// Names the step and the run of it.
    pub(super) fn writer(&self, written: Written) -> Result<Option<Writer>> {
        let Written { last, elsewhere, .. } = written;
        let Some(last) = last else {
            return Ok(None);
        };
        let tail = |run| Ok(RunHead::read(self.snapshot, run)?.map(|head| head.tail));
        let tails = |runs: &[RunNo]| -> Result<Vec<String>> {
            let tails = runs.iter().filter_map(|run| tail(*run).transpose());
            let mut tails = tails.collect::<Result<Vec<String>>>()?;
            tails.sort();
            Ok(tails)
        };
        let mut writes = query::written_along(self.snapshot, &last, &mut query::Runs::default())?;
        writes.push((last.step, last.at));
        writes.sort_by_key(|(_, at)| *at);
        let mut steps: Vec<String> = Vec::new();
        for (step, _) in &writes {
            let record = self.snapshot.step_without_edges(*step)?;
            steps.extend(record.map(|record| record.name).filter(|name| !steps.contains(name)));
        }
        // What was said of it adds no writer to those who were seen.
        if steps.len() > 1 {
            steps.retain(|name| name != DECLARED_STEP);
        }
        let own = query::as_its_own_run_has_it(self.snapshot, last.step, &writes)?;
        let (Some(step), Some(run)) = (self.snapshot.step_without_edges(own)?, self.snapshot.run_of(own)?)
        else {
            return Ok(None);
        };
        let Some(mut run) = RunHead::read(self.snapshot, run)? else {
            return Ok(None);
        };
        self.look_alive(&mut run)?;
        let mut others = Vec::new();
        for other in query::also_claimed_by(self.snapshot, &last)? {
            // Where the file is of this workspace, none of another can have written it.
            if self.here.has_run(self.snapshot, other)? || !self.here.has_step(self.snapshot, last.step)? {
                others.push(other);
            }
        }
        let (others, elsewhere) = (tails(&others)?, tails(&elsewhere)?);
        let at = Timestamp::from_micros(last.at);
        let has_own = |line: &String| !line.is_empty() && !is_of_run(line, &run.view.run.arguments);
        let command =
            Some(step.subject).filter(|line| run.view.run.kind == RunKind::Command && has_own(line));
        Ok(Some(Writer { at, step: step.name, steps, command, run, others, elsewhere }))
    }
}

/// Returns what lies in a file that `writer` wrote nobody knows what to: somebody else may have put it there.
pub(super) fn unknown_since(workspace: &Workspace, target: &FileTarget, writer: &Writer) -> Option<Gap> {
    let path = target.path.clone();
    let place = path.on_disk(workspace.root()).filter(|_| target.state == DiskState::NotRecorded)?;
    let size_bytes = place.metadata().ok()?.len();
    let digest = workspace.digests().of(&place).ok()?;
    Some(Gap {
        artifact: Artifact { path, digest, size_bytes },
        written: target.artifact.clone(),
        written_at: writer.at,
        run: writer.run.tail.clone(),
    })
}

/// Returns true for the command line of a step that is what its run was started with, its program perhaps by its whole path and behind
/// an interpreter.
fn is_of_run(line: &str, arguments: &[String]) -> bool {
    let Some((program, rest)) = arguments.split_first() else { return false };
    let rest = rest.join(" ");
    let Some(front) = line.strip_suffix(&rest) else { return false };
    let name = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    front.trim_end().split(' ').next_back().is_some_and(|word| name(word) == name(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_was_started_with_is_known_by_other_names_of_its_program() {
        let check = |line: &str, arguments: &[&str], expected: bool| {
            let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(is_of_run(line, &arguments), expected, "{line}");
        };
        check("sh t.sh", &["sh", "t.sh"], true);
        check("/usr/bin/python3 s.py 0.6", &["python3", "s.py", "0.6"], true);
        check("python3 /w/./t.py 1", &["./t.py", "1"], true);
        check("./t.py", &["t.py"], true);
        check("python train.py 2 m", &["sh", "t.sh"], false);
        check("python train.py 2 m", &["sh", "-c", "python train.py 2 m"], false);
        check("python train.py 2", &["python", "train.py", "5"], false);
    }
}
