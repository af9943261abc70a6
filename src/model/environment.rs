//! The list of a run's environment, line by line.

use std::fmt;

use crate::model::Digest;

/// The front of a variable's line.
const VARIABLE: &str = "variable ";
/// The front of a package's line.
const PACKAGE: &str = "python package ";

/// One line of the list that a run keeps of its environment. Displayed, it is the line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvironmentLine<'t> {
    /// A variable of the command's environment.
    Variable {
        /// Its name.
        name: &'t str,
        /// Its value, on one line.
        value: &'t str,
    },
    /// A Python package of which a module was imported.
    Package {
        /// Its name.
        name: &'t str,
        /// Its version.
        version: &'t str,
    },
    /// A file that was read.
    File {
        /// Its path, escaped so that it is one line.
        path: &'t str,
        /// Its size in bytes.
        size: u64,
        /// What tells its bytes from others of that size.
        state: FileState,
    },
}

/// What is known of the bytes of a file of the environment, besides their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// The time of their last change, in nanoseconds since 1970.
    Changed(i64),
    /// Their digest.
    Digest(Digest),
}

impl FileState {
    fn of(word: &str) -> Option<Self> {
        let digest = || word.parse().ok().map(FileState::Digest);
        word.parse().ok().map(FileState::Changed).or_else(digest)
    }
}

impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileState::Changed(ns) => write!(f, "{ns}"),
            FileState::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

impl<'t> EnvironmentLine<'t> {
    /// Reads a line; `None` where it is nothing of the sort.
    pub fn of(line: &'t str) -> Option<Self> {
        if let Some((name, value)) = line.strip_prefix(VARIABLE).and_then(|rest| rest.split_once('=')) {
            return Some(EnvironmentLine::Variable { name, value });
        }
        if let Some((name, version)) = line.strip_prefix(PACKAGE).and_then(|rest| rest.rsplit_once(' ')) {
            return Some(EnvironmentLine::Package { name, version });
        }
        let (file, state) = line.rsplit_once(' ')?;
        let (path, size) = file.rsplit_once(' ')?;
        Some(EnvironmentLine::File { path, size: size.parse().ok()?, state: FileState::of(state)? })
    }
}

impl fmt::Display for EnvironmentLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnvironmentLine::Variable { name, value } => write!(f, "{VARIABLE}{name}={value}"),
            EnvironmentLine::Package { name, version } => write!(f, "{PACKAGE}{name} {version}"),
            EnvironmentLine::File { path, size, state } => write!(f, "{path} {size} {state}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_written_is_read_as_what_it_was() {
        let lines = [
            EnvironmentLine::Variable { name: "TZ", value: "a b=c" },
            EnvironmentLine::Package { name: "scikit learn", version: "1.5.0" },
            EnvironmentLine::File { path: "/lib/a b.so", size: 10, state: FileState::Changed(-1) },
            EnvironmentLine::File { path: "/lib/c.py", size: 1, state: FileState::Digest(Digest::of(b"c")) },
        ];
        for line in lines {
            assert_eq!(EnvironmentLine::of(&line.to_string()), Some(line));
        }
        assert_eq!(EnvironmentLine::of("nothing"), None);
    }
}
