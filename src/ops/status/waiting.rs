//! What has no end yet: runs, and facts that the store lacks.

use std::collections::HashSet;

use super::Looking;
use crate::error::Result;
use crate::model::{RunKind, RunStatus};
use crate::query::{self, RunHead};
use crate::store::{GO_ON, Store};

impl Looking<'_> {
    /// Finds runs that were interrupted, failed or have no end. A later run of the same command, in the same folder, takes their place;
    /// the name alone does not tell: it is that of the program where nobody gave one.
    pub(super) fn find_unended(&mut self) -> Result<()> {
        let mut runs = Vec::new();
        self.snapshot.runs_newest_first(|number| {
            runs.push(number);
            Ok(GO_ON)
        })?;
        let mut later: HashSet<(RunKind, String, String, Vec<String>)> = HashSet::new();
        for number in runs {
            let Some(view) = query::run_view(self.snapshot, number)? else {
                continue;
            };
            let run = &view.run;
            let command = (run.kind, run.name.clone(), run.folder.clone(), run.arguments.clone());
            let is_latest = later.insert(command);
            // A command that failed may have been a try; a pipeline is taken up again, and has something to do then.
            let has_failed = run.kind == RunKind::Pipeline && view.status() == RunStatus::Failed;
            if !has_failed && !matches!(view.status(), RunStatus::Running | RunStatus::Interrupted) {
                continue;
            }
            let Some(mut head) = RunHead::read(self.snapshot, number)? else {
                continue;
            };
            head.alive = self.workspace.is_alive(head.view.live_segment());
            match head.status() {
                RunStatus::Running => self.report.running.push(head),
                RunStatus::Failed if is_latest => self.report.failed.push(head),
                RunStatus::Failed => {}
                _ if is_latest => self.report.interrupted.push(head),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn find_unapplied(&mut self) -> Result<()> {
        let listing = Store::listing(Some(self.snapshot), &self.workspace.journal())?;
        for segment in Store::lacking(Some(self.snapshot), &listing)?.segments {
            // What a live writer has just begun to write is not waiting for anybody.
            if self.workspace.is_alive(segment.segment) {
                continue;
            }
            self.report.unapplied.segments += 1;
            self.report.unapplied.bytes += segment.length - self.snapshot.applied_bytes(segment.segment)?;
        }
        Ok(())
    }
}
