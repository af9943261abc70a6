//! `lineage merge`

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::Result;
use crate::ops::import::merge;
use crate::ops::named::place_on_disk;
use crate::ops::project::count_behind;
use crate::ops::{Workspace, lies_ahead};
use crate::render;

/// Take over all facts of another workspace, or of a backup; the other one is only read.
///
/// The answers are the same whichever of the two is merged into the other, and merging twice changes nothing. Where runs
/// of both have the same run id, the later one is shown with `_2` behind it, on both sides. Where `MODEL@production`, an alias or
/// `MODEL@latest` leads to another version than before, that is said. Exit code 1 where a kept
/// content of the other workspace is damaged and was not copied.
///
/// Files keep the paths that they have in the other workspace, which is meant for one with the same files, such as another work tree
/// or clone: of a workspace that lies above or below, and is no other work tree of the same repository, one file may have two names
/// then. That is said, too.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage merge ../other --with-contents  another workspace and what it keeps
  lineage merge backup.jsonl              a backup")]
pub(crate) struct Merge {
    /// The other workspace's folder, a file written by `lineage export --format jsonl`, or a file of facts that were set aside.
    #[arg(value_name = "OTHER")]
    other: PathBuf,
    /// Copy what the other workspace keeps, too; each content is checked.
    #[arg(long)]
    with_contents: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Merge {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace_or_new()?;
        let merged =
            merge(&workspace, &place_on_disk(&surroundings.folder, &self.other)?, self.with_contents)?;
        output::warnings(&merged.warnings);
        output::warnings(&workspace.apply_if_free());
        time_ahead(surroundings, &workspace);
        if let Some(removed) = &merged.removed {
            output::note(&format!(
                "the journal has all facts of `{}` again; it was removed",
                removed.display()
            ));
        }
        let behind = projections_behind(&workspace);
        if self.json {
            output::json(&render::merged::json(&merged.taken, &merged.damaged, behind))?;
        } else {
            output::answer(&render::merged::text(&merged.taken, &merged.damaged))?;
        }
        Ok(u8::from(!merged.damaged.is_empty()))
    }
}

/// Says where what is recorded lies ahead of the machine's clock by now, as facts of a machine whose clock was wrong may.
pub(super) fn time_ahead(surroundings: &Surroundings, workspace: &Workspace) {
    // Who cannot read the store hears of that elsewhere.
    let Ok(view) = workspace.view() else { return };
    let latest = view.snapshot.latest();
    if lies_ahead(latest, surroundings.clock.wall()) {
        output::warnings(&[format!(
            "what is recorded lies ahead of this machine's clock, up to {latest}: what is recorded from now on is dated after that"
        )]);
    }
}

/// Says how many projections do not have what is recorded by now; none of them is written without being asked for.
pub(super) fn projections_behind(workspace: &Workspace) -> Option<u64> {
    match count_behind(workspace) {
        Ok(behind) => {
            if behind > 0 {
                output::note(&render::merged::behind(behind));
            }
            Some(behind)
        }
        Err(error) => {
            output::warnings(&[format!(
                "whether all projections are up to date is not known: {}",
                error.in_full()
            )]);
            None
        }
    }
}
