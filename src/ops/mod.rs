//! Whole jobs, where journal, store, contents, queries and projections meet.

mod clock;
mod code;
mod committed;
pub mod diff;
pub mod export;
pub mod formats;
pub mod gc;
mod here;
mod host;
pub mod import;
pub mod inside;
mod keep;
pub mod library;
mod locate;
pub mod metrics;
pub(crate) mod named;
mod needed;
pub mod notes;
mod of_run;
mod overwritten;
pub mod pipeline;
pub mod project;
mod recording;
pub mod registry;
pub mod rerun;
pub mod research;
pub mod restore;
pub mod run;
pub mod search;
mod settings;
pub mod show;
pub mod split;
pub mod status;
pub mod taken;
pub mod verify;
mod walk;
mod workspace;

pub use clock::Clock;
pub use host::{host, user};
pub use locate::{DiskState, FileTarget, Target, disk_state, locate, locate_run};
pub use overwritten::{Overwriting, overwritten_at};
pub use recording::{Recording, RunRequest};
pub use workspace::{
    Attempt, FOLDER as WORKSPACE_FOLDER, Holder, Pending, ProjectionLock, StoreLock, View, Workspace,
};
