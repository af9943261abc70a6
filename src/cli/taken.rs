//! `lineage import --format mlflow|openlineage`: runs of other programs.

use std::path::Path;

use crate::cli::merge::projections_behind;
use crate::cli::{Surroundings, host, output};
use crate::error::Result;
use crate::ops::named::place_on_disk;
use crate::ops::taken::mlflow::import_mlflow;
use crate::ops::taken::openlineage::import_openlineage;
use crate::render;

/// Which program's runs are taken over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// MLflow: a folder `mlruns`, or an SQLite file.
    Mlflow,
    /// OpenLineage: a file of run events.
    OpenLineage,
}

/// Takes over the runs in `place`. The exit code is 1 where something was left out.
pub(crate) fn take_over(
    surroundings: &Surroundings,
    program: Program,
    place: &Path,
    as_json: bool,
) -> Result<u8> {
    let workspace = surroundings.workspace_or_new()?;
    let view = workspace.view()?;
    output::warnings(&view.warnings);
    let place = place_on_disk(&surroundings.folder, place)?;
    let take = match program {
        Program::Mlflow => import_mlflow,
        Program::OpenLineage => import_openlineage,
    };
    let report = take(&workspace, &view, &surroundings.clock, &host(), &place)?;
    drop(view);
    output::warnings(&workspace.apply_if_worth());
    projections_behind(&workspace);
    if as_json {
        output::json(&render::taken::json(&report))?;
    } else {
        output::answer(&render::taken::text(&report))?;
    }
    Ok(u8::from(!report.left_out.is_empty()))
}
