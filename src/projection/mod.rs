//! Files out of the store: what they are called, what is in them (pure), and putting them on the disk (atomic).

mod apply;
pub mod markdown;
pub mod names;
mod plan;

pub use apply::{place, remove_leftovers, write_files};
pub use plan::{Planned, PlannedContent, metrics_json, plan, run_papers};
