//! `lineage research`

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::Result;
use crate::ops::Workspace;
use crate::ops::research::{IndexState, ResearchRequest, research, usual_folder};
use crate::render;

/// Index a folder of research documents: record each, and write README.md there. Exit code 1 where something is left to do.
///
/// Every Markdown file in the folder and the folders in it is read, but no symbolic link: its front matter, what it names (runs, commits, files,
/// other documents), and what is wrong with it. The index has a table of all of them, the newest first, counts by status
/// and by tag, and the documents with faults. The same documents give the same bytes.
///
/// `lineage show DOCUMENT` tells what a document speaks of, `lineage show RUN` which documents speak of a run.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage research notes    indexes the documents in `notes`
  lineage research --check  says whether the index is up to date; for CI")]
pub(crate) struct Research {
    /// The folder; by default the one that is indexed already, else `thoughts/shared/research` in the workspace.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Write nothing; exit code 1 where a document was added, changed or removed since, or the index is another. Where
    /// there is no workspace, as in a fresh clone, only the index is compared.
    #[arg(long)]
    check: bool,
    /// Exit code 1 also where a document has faults, such as a link to what is not there; they stand in the index.
    #[arg(long)]
    strict: bool,
    /// Read every document, also those whose size and times say that they were not touched.
    #[arg(long)]
    reread: bool,
    /// Replace a README.md that somebody else wrote or edited; its bytes are kept.
    #[arg(long, conflicts_with = "check")]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Research {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let found = Workspace::find(&surroundings.folder)?;
        let (workspace, known) = match found {
            Some(workspace) => (workspace, true),
            None if self.check => (surroundings.workspace_to_be(), false),
            None => (surroundings.workspace_or_new()?, true),
        };
        let view = known.then(|| workspace.view()).transpose()?;
        if let Some(view) = &view {
            output::warnings(&view.warnings);
        }
        let folder = match self.folder {
            Some(folder) => surroundings.folder.join(folder),
            None => usual_folder(&workspace, view.as_ref())?,
        };
        let request = ResearchRequest { folder, check: self.check, reread: self.reread, force: self.force };
        let report = research(&workspace, view.as_ref(), &surroundings.clock, &request)?;
        output::warnings(&report.warnings);
        if self.json {
            output::json(&render::research::json(&report))?;
        } else {
            output::answer(&render::research::text(&report))?;
        }
        if report.index_state == IndexState::Foreign {
            output::note("hint: `lineage research --force` replaces it, and keeps its bytes");
        }
        Ok(u8::from(!report.is_up_to_date() || (self.strict && report.faulty() > 0)))
    }
}
