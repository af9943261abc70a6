//! Files out of the store: what they are called, what is in them (pure), and putting them on the disk (atomic).

mod apply;
pub mod markdown;
pub mod names;
mod plan;

pub use apply::{place, remove_leftovers, write_files};
pub use plan::{
    INDEX_NAME, Planned, PlannedContent, is_own_index, metrics_json, plan, research_index, run_papers,
};
