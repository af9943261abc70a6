//! `lineage diff`

use std::ffi::OsString;

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::Result;
use crate::model::RunStatus;
use crate::ops::diff::{Compared, compare_named};
use crate::render;

/// Say what differs between two runs, and what can have made their outputs differ. Exit code 1 where they differ.
///
/// Compared are the code, the command, parameters, inputs, outputs, metrics with all their points, and failures; not times, names and run
/// ids.
/// A cause is named only where the steps that made an output are recorded to have read it or to have been told it, and where it is
/// not hidden behind something that both runs made with the same bytes. Outputs whose paths differ in time stamps, ids or counters
/// only are taken for each other where that is clear, and the answer says so. What a build found up to date, and did not make anew,
/// is listed as that. Of runs of unlike kinds, such as a training and a prediction, no causes are named, and what differs stands in
/// JSON alone.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage diff             the latest run, and the one before that ran the same
  lineage diff 563faa35 @  the run 563faa35 and the latest
  lineage diff model.bin@563faa35 model.bin  the runs that wrote these versions")]
pub(crate) struct Diff {
    /// A run: `@` (the latest here that is neither a repetition nor a part of another), `@-` (the one before), its run id, the end
    /// of its key, its name, or its folder; or a file or `FILE@RUN` for the run that wrote it, or a version of a model for the run that it came from.
    /// By default the latest.
    #[arg(value_name = "A")]
    a: Option<OsString>,
    /// The run to compare it with. By default the latest other one of the same name or command, whichever is the earlier as `a`; where
    /// there is none, the latest, or the one before it.
    #[arg(value_name = "B")]
    b: Option<OsString>,
    /// List at most N of each sort; 0 lists all. By default 20 on paper, all in JSON.
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let (workspace, view) = surroundings.view()?;
        let named = [self.a.as_deref(), self.b.as_deref()];
        let Compared { diff: found, is_by_order, alike } =
            compare_named(&workspace, &view, &surroundings.folder, named)?;
        for head in [&found.a, &found.b].into_iter().filter(|head| head.status() == RunStatus::Running) {
            output::note(&format!(
                "note: run {} is at work; what it reads and writes is known when it ends",
                head.tail
            ));
        }
        if found.a.view.run.id == found.b.view.run.id {
            output::note(&format!("note: both are run {}", found.a.tail));
        }
        if is_by_order {
            output::note("note: no other run of this command is recorded: it is compared with its neighbour");
        }
        let limit = output::limit(self.limit, self.json);
        if self.json {
            output::json(&render::diff::json(&found, limit))?;
        } else {
            output::answer(&render::diff::text(&found, limit))?;
        }
        if let Some(alike) = alike {
            let b = &found.b.tail;
            output::note(&format!("hint: `lineage diff {alike} {b}` compares two runs of one command"));
        }
        Ok(u8::from(!found.is_equal()))
    }
}
