//! Printing: data to stdout, everything else to stderr.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::{command_line, is_unsafe_to_print};
use crate::ops::Workspace;

/// Writes an answer to stdout.
pub(crate) fn answer(text: &str) -> Result<()> {
    bytes(text.as_bytes())
}

/// Writes bytes to stdout as they are. A reader that has gone (`| head`) is no error.
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::store("cannot write to the standard output").because(cause))
        }
        _ => Ok(()),
    }
}

/// Writes a JSON document to stdout. What would drive a terminal stands as an escape of JSON, and means what it is.
pub(crate) fn json(document: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|cause| Error::bug("cannot write the answer as JSON").because(cause))?;
    let mut plain = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        // The ends of lines stand between the values: those in them are escaped already.
        if character != '\n' && is_unsafe_to_print(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                plain.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            plain.push(character);
        }
    }
    plain.push('\n');
    answer(&plain)
}

/// Writes a line for people to stderr. What would drive the terminal is written as its code.
pub(crate) fn note(text: &str) {
    let mut plain = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        match character {
            '\n' | '\t' => plain.push(character),
            _ if is_unsafe_to_print(character) => plain.extend(character.escape_default()),
            _ => plain.push(character),
        }
    }
    plain.push('\n');
    let _ = std::io::stderr().lock().write_all(plain.as_bytes());
}

/// Writes warnings to stderr, each of them once however often it is given.
pub(crate) fn warnings(warnings: &[String]) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    for warning in warnings {
        if said.insert(warning.clone()) {
            note(&format!("warning: {warning}"));
        }
    }
}

/// Writes an error to stderr: what, why, and what to do.
pub(crate) fn error(error: &Error) {
    let mut text = format!("error: {}", error.in_full());
    if let Some(hint) = remedy(error).as_deref().or(error.hint_text()) {
        text.push_str("\nhint: ");
        text.push_str(hint);
    }
    note(&text);
}

/// Says how to get what belongs to another user, where an error comes of that.
fn remedy(error: &Error) -> Option<String> {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let is_denied = causes.any(|cause| {
        let cause = cause.downcast_ref::<std::io::Error>();
        cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::PermissionDenied)
    });
    let folder = std::env::current_dir().ok().filter(|_| is_denied)?;
    let workspace = Workspace::find(&folder).ok().flatten()?;
    let shown = command_line(&[workspace.folder().display().to_string()]);
    // To make it one's own would take it away from whoever it belongs to.
    if !workspace.is_of_its_user() {
        return workspace.is_of_a_group().then(|| {
            format!(
                "whoever made `{shown}` lets the group write there by `chmod -R g+rwX -- {shown}`, and records with \
                 `umask 002`, as all who share it"
            )
        });
    }
    let foreign = workspace.foreign()?;
    Some(format!(
        "`{}` belongs to another user: `sudo chown -Rh \"$(id -u):$(id -g)\" -- {shown}` makes it yours",
        foreign.display(),
    ))
}

/// Returns how many columns the terminal has that stdout goes to; `None` where it goes elsewhere, so that nothing is shortened.
pub(crate) fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !std::io::IsTerminal::is_terminal(&stdout) {
        return None;
    }
    terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0))
}

/// Says whether colours may be used on the terminal that stdout goes to.
pub(crate) fn colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::IsTerminal::is_terminal(&std::io::stdout())
        && !is_set("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// As many of each list are printed for people unless they ask for more.
const LIMIT: usize = 20;

/// Returns how many of each list to print.
pub(crate) fn limit(asked: Option<usize>, json: bool) -> usize {
    match asked {
        Some(0) => usize::MAX,
        Some(limit) => limit,
        None if json => usize::MAX,
        None => LIMIT,
    }
}

/// Lets `write` write an answer to stdout; `None` where its reader has gone (`| head`), which is no error.
pub(crate) fn stream<T>(write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<Option<T>> {
    let mut stdout = Gone { inner: std::io::BufWriter::new(std::io::stdout().lock()), gone: false };
    let written = write(&mut stdout);
    if stdout.gone {
        return Ok(None);
    }
    let value = written?;
    match stdout.inner.flush() {
        Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::store("cannot write to the standard output").because(cause))
        }
        _ => Ok(Some(value)),
    }
}

/// A stream that remembers whether its reader has gone.
struct Gone<W> {
    inner: W,
    gone: bool,
}

impl<W: Write> Write for Gone<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes);
        self.gone |= written.as_ref().is_err_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe);
        written
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
