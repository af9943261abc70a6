//! `lineage export --format prov-json|openlineage|ro-crate|parquet`: what is recorded, in the formats of others.

use crate::cli::output;
use crate::error::Result;
use crate::ops::formats::{ExportRequest, export};
use crate::ops::{View, Workspace};
use crate::render;

/// Writes runs in a format of others, to the standard output where the format is a stream and no place is named.
pub(crate) fn write(workspace: &Workspace, view: &View, request: &ExportRequest) -> Result<u8> {
    let exported = output::stream(|stream| export(workspace, view, request, stream))?;
    if let (Some(exported), Some(out)) = (exported, &request.out) {
        output::note(&render::formats::text(&exported, &out.display().to_string()));
    }
    Ok(0)
}
