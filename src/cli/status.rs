//! `lineage status`

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::Result;
use crate::ops::Workspace;
use crate::ops::project::count_unlike;
use crate::ops::status::status;
use crate::render;

/// Compare the files on disk with what is recorded. Exit code 1 where anything is listed that is a fault.
///
/// changed: other bytes than were last recorded. No fault is an earlier recorded version that git has so on this branch, as after a
/// checkout, or that `lineage restore` wrote there over the newer one.
/// stale: made from something that has changed since, or of which there
/// is a newer version. What a command brings up to date, a log, a cache, an archive, is as new as what it read last.
/// doubtful: an input was changed while it was read, two runs wrote the file at once, somebody wrote over it before its run had ended,
/// or something has changed since that may have gone in: who made the file was only told of it, or had read it as it is now, and wrote on in what another command had made
/// from what it was, or its command ran again with that and left the file as it was. lost: neither on disk nor kept.
/// restored: an earlier version that `lineage restore` wrote over the newer one, or what was made from it, where what it goes back to
/// has changed since; no fault, as it was wanted so.
/// pending: not on disk but kept, so that it can be written again.
/// unknown: beside recorded outputs, recorded by nobody, not tracked by git; or new beside inputs, or in a folder beside
/// theirs, where a step had read every file of that extension.
/// new: in what a pipeline or a split was given, and not taken up by it; or written by a run beside outputs of others of its name,
/// where a step had read every one of that extension.
/// interrupted: a run that did not come to its end, until the same command does.
/// not here: last seen in another workspace, whose facts were merged; no fault, kept or not.
///
/// left over: of an earlier run of a command that has run again since, with what makes them stale before it, and neither wrote nor
/// read them, but others beside them: it may make no such files any more. Those that nobody read may be taken away.
///
/// No faults are these four, which are listed where PATH is given, and else counted.
/// removed: gone since a run was seen to take it away; of a source, what other runs made from it is stale.
/// renamed: somebody gave it another name: its bytes lie there now, or were read there since.
/// older: of an earlier run of a command that has gone on since in what it reads and writes, such as a table of results, or left as
/// it was by a build tool, such as make, DVC or Snakemake, that ran again with what there is now, or compared with what would be
/// written; or left over, not read by anybody, and taken away; or of which its command has made another, of the same name, in
/// a folder of another date, number or hash.
/// carried: goes back to what has changed only through what a command on the way read and wrote on, such as the database of
/// all trainings.
///
/// redo: what must be done again: the runs that made what is stale or lost, or have not taken up what is new, each behind those that
/// wrote what it read, with what makes its files stale and none of the runs before, and with its command. models: registered versions
/// that hold stale files, those in production first.
///
/// Counted and not listed are, by their names in JSON, which are no faults either: in_git, gone, but git has them;
/// edited_in_git, code that a run wrote, edited since, and as git has it; gone_outside, outside the workspace, and gone;
/// elsewhere, no files here, such as addresses; without_content, named without their bytes; interrupted_before, runs that were
/// interrupted, whose program came to a good end since with other arguments.
///
/// Projected files, such as those of `models/registry`, are compared by `lineage project --check`; where one is not as it was last
/// written, it is said here how many are not as recorded.
///
/// Outputs of a pipeline whose steps a later pipeline did anew, in other folders, are superseded: they are listed when
/// their bytes were altered, and otherwise only counted.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage status                 what changed, is stale, was lost or was never recorded
  lineage status data/processed  the same of one folder
  lineage status model.pt        what to do again for one file, and in which order")]
pub(crate) struct Status {
    /// Files and folders to look at; by default everything recorded, runs without an end, and the journal.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// List at most N of each sort; 0 lists all. By default 20 on paper, all in JSON.
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// Read every file, even one that was read before and whose identity, size and times are the same since.
    #[arg(long)]
    read_all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let digests = workspace.digests();
        let digests = if self.read_all { digests.reading_all() } else { digests.clone() };
        let workspace = workspace.with_digests(digests);
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        let report = status(&workspace, &view.snapshot, &surroundings.folder, &self.paths)?;
        let limit = output::limit(self.limit, self.json);
        if self.json {
            output::json(&render::status::json(&report, limit))?;
        } else {
            output::answer(&render::status::text(&report, limit))?;
        }
        if self.paths.is_empty() {
            projections_unlike(&workspace);
        }
        Ok(u8::from(!report.is_clean()))
    }
}

/// Says how many projections hold something else than is recorded; which they are, and how, is for `project` to say.
fn projections_unlike(workspace: &Workspace) {
    match count_unlike(workspace) {
        Ok(0) => {}
        Ok(count) => output::note(&render::project::unlike(count)),
        Err(error) => output::warnings(&[format!(
            "whether projected files are as recorded is not known: {}",
            error.in_full()
        )]),
    }
}
