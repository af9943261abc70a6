//! Observing what a run is made of: the code it runs, the command, its processes and files. Facts out; knows no store.

pub mod credentials;
mod ending;
pub mod git;
pub mod ignored;
#[cfg(target_os = "linux")]
mod inherited;
#[cfg(not(target_os = "linux"))]
#[path = "inherited_elsewhere.rs"]
mod inherited;
pub mod links;
pub mod observe;
pub mod secrets;
mod streams;

pub use ending::die_of;
pub use inherited::{give_back_to, hear_of_children, outlive_file_size_limit, stack_is_small};
pub use streams::{OwnStream, divert_output, own_streams};
