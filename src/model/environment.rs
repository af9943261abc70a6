//! The list of a run's environment, line by line.

use std::fmt;

/// The front of a variable's line.
const VARIABLE: &str = "variable ";
/// The front of a package's line.
const PACKAGE: &str = "python package ";

/// One line of the list that a run keeps of its environment. Displayed, it is the line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        /// The time of its last change, in nanoseconds since 1970.
        changed_ns: i64,
    },
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
        let (file, changed_ns) = line.rsplit_once(' ')?;
        let (path, size) = file.rsplit_once(' ')?;
        Some(EnvironmentLine::File { path, size: size.parse().ok()?, changed_ns: changed_ns.parse().ok()? })
    }
}

impl fmt::Display for EnvironmentLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnvironmentLine::Variable { name, value } => write!(f, "{VARIABLE}{name}={value}"),
            EnvironmentLine::Package { name, version } => write!(f, "{PACKAGE}{name} {version}"),
            EnvironmentLine::File { path, size, changed_ns } => write!(f, "{path} {size} {changed_ns}"),
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
            EnvironmentLine::File { path: "/lib/a b.so", size: 10, changed_ns: -1 },
        ];
        for line in lines {
            assert_eq!(EnvironmentLine::of(&line.to_string()), Some(line));
        }
        assert_eq!(EnvironmentLine::of("nothing"), None);
    }
}
