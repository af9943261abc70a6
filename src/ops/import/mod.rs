//! `lineage import`: what was made before anybody recorded it.

mod files;

pub use files::{ImportRequest, ImportSummary, import_files};
