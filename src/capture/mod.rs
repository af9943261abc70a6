//! Observing what a run is made of: the code it runs, the command, its processes and files. Facts out; knows no store.

mod ending;
pub mod git;
pub mod ignored;
pub mod observe;
pub mod secrets;
mod streams;

pub use ending::die_of;
pub use streams::{OutputDiverted, divert_output};
