//! What has no end yet: runs, and facts that the store lacks.

use std::collections::HashSet;

use super::Looking;
use crate::error::Result;
use crate::model::{NodeId, Run, RunKind, RunStatus};
use crate::ops::run::program;
use crate::query::{self, RunHead};
use crate::store::{GO_ON, RunNo, Store};

/// What two runs that do the same have in common.
type Sameness = (RunKind, String, Vec<String>, Option<String>);

/// Returns what a run is known by. A command is its words, in a folder, whatever somebody called the run; a program that records
/// itself says by the name what it does.
fn sameness(run: &Run) -> Sameness {
    let name = (run.kind != RunKind::Command).then(|| run.name.clone());
    (run.kind, run.folder.clone(), run.arguments.clone(), name)
}

/// Returns what a command has in common with others of the same program that ran in the same folder.
fn kin(run: &Run) -> Option<([String; 2], String)> {
    let words = (run.kind == RunKind::Command).then_some(&run.arguments)?;
    Some((program(words)?.map(str::to_owned), run.folder.clone()))
}

impl Looking<'_> {
    /// Finds runs that were interrupted or have no end, and pipelines that failed. They are settled when the same is done again
    /// and comes to its end well; of several of the same, the last one stands for all. Where only the same program came to its end
    /// well since, with other arguments, that is counted: whether the other run is still wanted is not known.
    pub(super) fn find_unended(&mut self) -> Result<()> {
        let mut runs = Vec::new();
        self.snapshot.runs_newest_first(|number| {
            runs.push(number);
            Ok(GO_ON)
        })?;
        let (mut settled, mut listed): (HashSet<Sameness>, HashSet<Sameness>) = Default::default();
        let mut programs: HashSet<([String; 2], String)> = HashSet::new();
        let mut repeated: HashSet<NodeId> = HashSet::new();
        for number in runs {
            let Some(view) = query::run_view(self.snapshot, number)? else {
                continue;
            };
            let run = &view.run;
            let same = sameness(run);
            // What is repeated in a copy leaves nothing here: it is not waited for, nor does it bring anything to its end.
            let is_beside = run.rerun_of.is_some() && !self.wrote_here(number)?;
            match view.status() {
                RunStatus::Succeeded => {
                    if !is_beside {
                        repeated.extend(run.rerun_of);
                        settled.insert(same);
                        programs.extend(kin(run));
                    }
                    continue;
                }
                // A command that failed may have been a try; a pipeline is taken up again, and has something to do then.
                RunStatus::Failed if run.kind != RunKind::Pipeline => continue,
                RunStatus::Failed | RunStatus::Running | RunStatus::Interrupted => {}
            }
            let Some(mut head) = RunHead::read(self.snapshot, number)? else {
                continue;
            };
            head.alive = self.workspace.is_at_work(self.snapshot, &head.view)?;
            match head.status() {
                RunStatus::Running => self.report.running.push(head),
                _ if is_beside => {}
                _ if settled.contains(&same) || repeated.contains(&head.view.run.id) => {}
                _ if !listed.insert(same) => {}
                RunStatus::Failed => self.report.failed.push(head),
                // That no process of it is here says nothing.
                _ if head.view.ended_at().is_none() && self.is_told_by_others(number, &head.view.run)? => {}
                _ if kin(&head.view.run).is_some_and(|kin| programs.contains(&kin)) => {
                    self.report.interrupted_before += 1;
                }
                _ => self.report.interrupted.push(head),
            }
        }
        Ok(())
    }

    /// Returns true for a run that was at work elsewhere, for all that is known: another workspace recorded it, or another program.
    fn is_told_by_others(&mut self, number: RunNo, run: &Run) -> Result<bool> {
        let is_of_another_program = run.kind == RunKind::Import && !run.recorder.starts_with("lineage ");
        Ok(is_of_another_program || !self.here.has_run(self.snapshot, number)?)
    }

    /// Returns true where a run wrote a file of the workspace.
    fn wrote_here(&self, run: RunNo) -> Result<bool> {
        for step in self.snapshot.steps_of(run)? {
            for edge in self.snapshot.edges(step)?.into_iter().flat_map(|edges| edges.generated) {
                if self.snapshot.artifact(edge.artifact)?.path.is_inside() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
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
