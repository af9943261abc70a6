#![warn(missing_docs)]
//! lineage
pub mod content;
pub mod disk;
pub mod error;
pub mod journal;
pub mod model;
pub mod store;
