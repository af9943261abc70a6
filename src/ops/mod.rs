//! Whole jobs, where journal, store, contents, queries and projections meet.

mod clock;
mod code;
mod recording;
mod workspace;

pub use clock::Clock;
pub use recording::{Recording, RunRequest};
pub use workspace::{Lock, View, Workspace};
