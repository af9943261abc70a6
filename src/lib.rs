#![warn(missing_docs)]
//! lineage
pub mod capture;
pub mod content;
pub mod disk;
pub mod error;
pub mod journal;
pub mod model;
pub mod ops;
pub mod query;
pub mod store;
