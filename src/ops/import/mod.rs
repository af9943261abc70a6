//! `lineage import`: what was made before anybody recorded it, and facts from elsewhere: a backup, another workspace.

mod files;
mod jsonl;
mod merge;
mod taking;
#[cfg(test)]
mod tests;

pub use files::{ImportRequest, ImportSummary, import_files};
pub use jsonl::{BackupOf, import_jsonl};
pub use merge::merge;
pub use taking::Taken;
