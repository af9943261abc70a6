//! The files of each stage as bytes: one JSON document and a line feed, the same for the same value.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::VERSION;
use crate::error::{Error, Result};

/// Writes a value.
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    to_bytes_of_about(value, 1024)
}

/// Writes a value that takes about so many bytes.
pub fn to_bytes_of_about<T: Serialize>(value: &T, bytes: usize) -> Vec<u8> {
    let mut written = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut written, value)
        .expect("plain values with text keys can always be written as JSON");
    written.push(b'\n');
    written
}

/// Reads a value back; `version` tells which version of this module wrote it.
///
/// # Errors
/// Fails where the bytes are not such a document, or one of another version: its meaning could have changed.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8], what: &str, version: impl Fn(&T) -> u32) -> Result<T> {
    let value: T = serde_json::from_slice(bytes)
        .map_err(|cause| Error::request(format!("not a {what}")).because(cause))?;
    match version(&value) {
        VERSION => Ok(value),
        other => {
            Err(Error::request(format!("the {what} has version {other}, this `lineage` reads {VERSION}"))
                .hint("run the pipeline again; it writes the file anew"))
        }
    }
}
