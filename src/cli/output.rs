//! Printing: data to stdout, everything else to stderr.

use std::io::Write as _;

use serde_json::Value;

use crate::error::{Error, Result};

/// Writes an answer to stdout. A reader that has gone (`| head`) is no error.
pub(crate) fn answer(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::store("cannot write to the standard output").because(cause))
        }
        _ => Ok(()),
    }
}

/// Writes a JSON document to stdout.
pub(crate) fn json(document: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(document)
        .map_err(|cause| Error::bug("cannot write the answer as JSON").because(cause))?;
    text.push('\n');
    answer(&text)
}

/// Writes a line for people to stderr.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes warnings to stderr.
pub(crate) fn warnings(warnings: &[String]) {
    for warning in warnings {
        note(&format!("warning: {warning}"));
    }
}

/// Writes an error to stderr: what, why, and what to do.
pub(crate) fn error(error: &Error) {
    let mut text = format!("error: {error}");
    if let Some(hint) = error.hint_text() {
        text.push_str("\nhint: ");
        text.push_str(hint);
    }
    note(&text);
}
