//! A result value in, text or JSON out. Knows no terminal, clock or disk.

pub mod graph;
pub mod log;
pub mod pipeline;
pub mod show;
pub mod show_json;
mod units;

pub use units::{bytes, duration, one_line};
