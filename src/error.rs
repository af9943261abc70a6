//! The one error: a kind that decides the exit code, a message, a cause, a hint.

use std::fmt;

/// A `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is; decides the exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The answer is no: something was found to differ, to fail or to be absent. Exit code 1.
    No,
    /// The request cannot be carried out as it was put: bad input. Exit code 2.
    Request,
    /// The request names a workspace, a run, a model, a file or a content that is not here. Exit code 2.
    NotFound,
    /// Journal, store or kept contents cannot be read or written. Exit code 3.
    Store,
    /// Others are at work, and did not let go in time: the same request may do later. Exit code 3.
    Busy,
    /// The disk is full, or what its owner may have of it. Exit code 3.
    Full,
    /// A newer program wrote what is to be read; it was left as it is. Exit code 3.
    Newer,
    /// The store is not what was written: to be built anew from the journal, which has it all. Exit code 3.
    Damage,
    /// A fault of this program. Exit code 70 (`EX_SOFTWARE` of `sysexits.h`).
    Bug,
}

impl Kind {
    /// Returns the exit code of the program for this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::No => 1,
            Kind::Request | Kind::NotFound => 2,
            Kind::Store | Kind::Busy | Kind::Full | Kind::Newer | Kind::Damage => 3,
            Kind::Bug => 70,
        }
    }
}

/// What could not be done, why, and what to type next.
///
/// The message has its subject in backticks, begins in lower case and has no full stop; the cause is the lower error, untouched.
///
/// ```
/// use lineage::{Kind, Workspace};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let workspace = Workspace::init(folder.path()).unwrap();
/// let error = workspace.show("no/such/file").unwrap_err();
/// assert_eq!(error.kind(), Kind::NotFound);
/// assert_eq!(error.message(), "`no/such/file` is no file, and no run has that name");
/// assert_eq!(error.hint_text(), Some("`lineage log` lists the runs"));
/// ```
pub struct Error {
    kind: Kind,
    message: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    hint: Option<String>,
}

impl Error {
    /// Makes an error of `kind` with `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), cause: None, hint: None }
    }

    /// Makes an error for an answer that is no.
    pub fn no(message: impl Into<String>) -> Self {
        Self::new(Kind::No, message)
    }

    /// Makes an error for a bad request.
    pub fn request(message: impl Into<String>) -> Self {
        Self::new(Kind::Request, message)
    }

    /// Makes an error for a request that names what is not here.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// Makes an error for a journal, store or content that cannot be read or written.
    pub fn store(message: impl Into<String>) -> Self {
        Self::new(Kind::Store, message)
    }

    /// Makes an error for a fault of this program.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// Adds the lower error that caused this one.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds one thing to type or to do next, or what was not harmed.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the kind. What could not be read or written since there is no room is [`Kind::Full`].
    pub fn kind(&self) -> Kind {
        match self.kind {
            Kind::Store if self.is_for_want_of_room() => Kind::Full,
            kind => kind,
        }
    }

    fn is_for_want_of_room(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let mut causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.any(|cause| {
            let cause = cause.downcast_ref::<std::io::Error>();
            cause.is_some_and(|cause| matches!(cause.kind(), StorageFull | QuotaExceeded))
        })
    }

    /// Returns the message alone, without cause and hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the hint, if there is one.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the message and the causes in one line.
    pub fn in_full(&self) -> String {
        let mut text = self.message.clone();
        for cause in self.causes() {
            text.push_str(": ");
            text.push_str(&cause);
        }
        text
    }

    /// Returns the causes from the nearest to the deepest, as text.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next: Option<&(dyn std::error::Error + 'static)> =
            self.cause.as_deref().map(|c| c as &(dyn std::error::Error + 'static));
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }
}

impl fmt::Debug for Error {
    /// Writes message, causes and hint, each on a line, as people read them: it is what Rust prints of an error that `main` returns,
    /// and of one that was not expected. With `{:#?}`, the parts of the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            let mut parts = f.debug_struct("Error");
            parts.field("kind", &self.kind).field("message", &self.message);
            return parts.field("cause", &self.cause).field("hint", &self.hint).finish();
        }
        f.write_str(&self.message)?;
        for cause in self.causes() {
            write!(f, "\n  caused by: {cause}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    /// Writes the message alone: whoever writes the causes as well asks for them by [`source`](std::error::Error::source), or for all
    /// in one line by [`Error::in_full`]. The hint is for the terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|c| c as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_what_else_may_be_wrong_with_it() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = Error::store("cannot write `a`").because(full());
        assert_eq!((error.kind(), error.kind().exit_code()), (Kind::Full, 3));
        let deep = Error::store("cannot record").because(Error::store("cannot write `a`").because(full()));
        assert_eq!(deep.kind(), Kind::Full);
        assert_eq!(Error::request("cannot write `a`").because(full()).kind(), Kind::Request);
        let other = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert_eq!(Error::store("cannot write `a`").because(other).kind(), Kind::Store);
    }

    #[test]
    fn each_cause_is_said_once_by_whoever_asks_for_it() {
        let inner = || std::io::Error::other("disk on fire");
        let error = Error::store("cannot write `a`").because(inner()).hint("try water");
        assert_eq!(error.to_string(), "cannot write `a`");
        assert_eq!(error.in_full(), "cannot write `a`: disk on fire");
        let above = Error::store("cannot record").because(error);
        assert_eq!(above.in_full(), "cannot record: cannot write `a`: disk on fire");
        let error = Error::store("cannot write `a`").because(inner()).hint("try water");
        assert_eq!(error.kind().exit_code(), 3);
        assert_eq!(error.hint_text(), Some("try water"));
        let above = Error::store("cannot record").because(error).hint("drink it");
        assert_eq!(
            format!("{above:?}"),
            "cannot record\n  caused by: cannot write `a`\n  caused by: disk on fire\nhint: drink it"
        );
        assert!(format!("{above:#?}").contains("kind: Store"), "{above:#?}");
    }
}
