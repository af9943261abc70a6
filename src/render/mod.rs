//! A result value in, text or JSON out. Knows no terminal, clock or disk.

pub mod against;
pub mod diff;
pub mod formats;
pub mod gc;
pub mod graph;
pub mod import;
pub mod log;
pub mod merged;
pub mod metrics;
pub mod models;
mod notes;
pub(crate) mod overwritten;
pub mod pipeline;
pub mod plot;
pub mod project;
pub mod quality;
pub mod refused;
pub mod registry;
pub mod rerun;
pub mod research;
pub mod restore;
pub mod schema;
pub mod show;
pub mod show_json;
pub mod split;
pub mod status;
pub mod svg;
pub mod table;
pub mod taken;
mod units;
pub mod verify;

pub use units::{counted, one_line};
