//! The language in which runs and models are searched, and how a search is carried out.
//!
//! ```text
//! f1_score >= 0.8 and git.dirty = false and trained_on("data/processed/**")
//! ```
//!
//! The language is described at [`crate::api::Search`].

mod asking;
mod check;
mod fault;
mod fields;
mod hints;
mod lexer;
mod models;
mod plan;
mod reach;
mod runs;
mod search;
mod syntax;
#[cfg(test)]
mod tests;
mod truth;
mod value;

pub(crate) use fault::meant;
pub use fields::Subject;
pub use models::{metric_names, search_models};
pub use runs::search_runs;
pub use search::{Column, Explanation, Found, FoundRow, Lack, Outside, Search, SearchRequest};
pub use value::Value;
