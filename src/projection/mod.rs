//! Files out of the store: what they are called, what is in them (pure), and putting them on the disk (atomic).

mod apply;
mod look;
pub mod markdown;
pub mod names;
mod plan;
mod record;

pub use apply::{Placing, StagedFile, leftovers, place, remove_leftovers, write_files};
pub use look::{Lies, Places, look};
pub use plan::{
    INDEX_NAME, Planned, PlannedContent, ProjectedFrom, entry_schema, is_own_index, metadata_schema,
    metrics_json, plan, plan_one, projected_from, registry_file, research_index, run_papers,
};
pub use record::Record;
