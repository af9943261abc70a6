//! Whole jobs, where journal, store, contents, queries and projections meet.

mod clock;
mod code;
pub mod diff;
pub mod import;
pub mod inside;
mod locate;
pub mod notes;
pub mod pipeline;
mod recording;
pub mod rerun;
pub mod research;
pub mod run;
pub mod show;
pub mod status;
pub mod verify;
mod walk;
mod workspace;

pub use clock::Clock;
pub use locate::{DiskState, FileTarget, Target, disk_state, locate};
pub use recording::{Recording, RunRequest};
pub use workspace::{FOLDER as WORKSPACE_FOLDER, Lock, Pending, View, Workspace};
