#![warn(missing_docs)]
//! lineage
pub mod capture;
pub mod cli;
pub mod content;
pub mod disk;
pub mod error;
pub mod filings;
pub mod journal;
pub mod model;
pub mod ops;
pub mod projection;
pub mod query;
pub mod render;
pub mod store;
