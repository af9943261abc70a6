//! `lineage init`

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::ops::Workspace;

/// Make a workspace: a `.lineage` folder, at the git root or in FOLDER.
///
/// Every command works with the nearest `.lineage`, in the folder it is started in or above it. A repository that lies below
/// a workspace is a part of that one until it gets one of its own: `lineage init` in it.
///
/// A work tree that `git worktree` made has a git root, and so a workspace, of its own; `lineage merge`
/// brings together what was recorded in both.
///
/// Two files, both yours to write, say what is left out. `.lineageignore`, at the root or in a
/// folder below, names files that are not recorded, by git's rules. `.lineage/config.toml` says
/// what commands wrote, and what they read that no commit has, is kept in `.lineage/objects`, so
/// that it can be restored:
///
///   [keep]
///   outputs_up_to = "16 MiB"     up to this size, as where nothing is said; "0" keeps none
///   inputs_up_to = "256 KiB"     code, configuration and data, likewise
///   include = ["models/**"]      these whatever their size
///   exclude = ["data/tmp/"]      these not
///
/// What looks like credentials (`.env`, `*.pem`, `id_rsa`, `credentials.json`) is kept only if `include` names it.
#[derive(Args)]
#[command(
    after_help = "Examples:
  lineage init          at the root of the git repository
  lineage init project  in the folder `project`",
    verbatim_doc_comment
)]
pub(crate) struct Init {
    /// The folder to make it in; by default the root of the git repository, else the current folder.
    folder: Option<PathBuf>,
}

impl Init {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let here = match &self.folder {
            Some(folder) => surroundings.folder.join(folder),
            None => surroundings.root_to_be(),
        };
        if !here.is_dir() {
            return Err(Error::request(format!("`{}` is no folder", here.display())));
        }
        let existed = here.join(crate::ops::WORKSPACE_FOLDER).is_dir();
        let workspace = Workspace::init(&here)?;
        let what = if existed { "there is a workspace at" } else { "made a workspace at" };
        output::note(&format!("{what} {}", workspace.root().display()));
        let above = workspace.root().parent().map_or(Ok(None), Workspace::find)?;
        if let Some(above) = above.filter(|_| !existed) {
            let paths = if workspace.names_otherwise(&above) { ": files have other paths here" } else { "" };
            let above = above.root().display();
            output::note(&format!(
                "what was recorded of it in the workspace at {above} stays there, and is asked for there{paths}"
            ));
        }
        Ok(0)
    }
}
