//! Research documents as pure functions: Markdown in; front matter, references and findings out.
//!
//! Documents are written by people, in a hurry: the front matter is absent, or no YAML, or YAML that means something else
//! than its author thinks (`git_commit: 7942943` is a number). Nothing is dropped for that. What can be understood is, and
//! what was wrong with it is said.

mod body;
mod dates;
mod document;
mod findings;
mod front_matter;
mod links;
mod references;
mod status;

pub use document::{DOCUMENT_MAX_BYTES, READER, Surroundings, read};
pub use front_matter::yaml_pairs;
