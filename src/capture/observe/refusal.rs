//! Why a command cannot be started, found out before anything is.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

use super::Options;

/// Why a command was not started. Nothing has been run then.
#[derive(Debug)]
pub enum Refusal {
    /// There is no such program.
    NotFound(Error),
    /// There is such a file, but it cannot be run.
    NotExecutable(Error),
    /// Something else is in the way: the working directory, or no processes left.
    Failed(Error),
}

impl Refusal {
    /// Returns the exit code that shells and `env` give: 127, 126, or 125.
    pub fn exit_code(&self) -> u8 {
        match self {
            Refusal::NotFound(_) => 127,
            Refusal::NotExecutable(_) => 126,
            Refusal::Failed(_) => 125,
        }
    }

    /// Returns the error to be shown.
    pub fn into_error(self) -> Error {
        match self {
            Refusal::NotFound(error) | Refusal::NotExecutable(error) | Refusal::Failed(error) => error,
        }
    }
}

/// What an unset `PATH` means to `execvp`.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

/// Finds the program file: by `PATH` if the name has no slash, else from the working directory.
pub(super) fn find_program(options: &Options<'_>) -> Result<PathBuf, Refusal> {
    let Some(name) = options.arguments.first() else {
        return Err(Refusal::NotFound(Error::request("no command was given")));
    };
    let shown = name.display().to_string();
    let not_found = || Refusal::NotFound(Error::request(format!("cannot find the command `{shown}`")));
    if name.is_empty() {
        return Err(not_found());
    }
    let path = options.environment.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value.as_os_str());
    let folders: Vec<PathBuf> = if name.as_bytes().contains(&b'/') {
        vec![options.folder.clone()]
    } else {
        let folders = std::env::split_paths(path.unwrap_or(OsStr::new(PATH_DEFAULT)));
        folders.map(|folder| options.folder.join(folder)).collect()
    };
    let mut refused = None;
    for folder in folders {
        let candidate = folder.join(name);
        match std::fs::metadata(&candidate) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {
                if may_execute(&candidate) {
                    return Ok(candidate);
                }
                refused = Some("permission denied");
            }
            Ok(found) if found.is_dir() => refused = refused.or(Some("it is a folder")),
            Ok(_) => refused = Some("permission denied"),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                refused = Some("permission denied")
            }
            Err(_) => {}
        }
    }
    match refused {
        Some(why) if name.as_bytes().contains(&b'/') || why == "permission denied" => {
            Err(Refusal::NotExecutable(Error::request(format!("cannot run `{shown}`: {why}"))))
        }
        _ => Err(not_found()),
    }
}

/// Tells whether this user may run a file that somebody may run.
#[cfg(target_os = "linux")]
fn may_execute(path: &Path) -> bool {
    super::digest::c_path(path).is_ok_and(|path| super::sys::may(super::sys::here(), &path, 1))
}

/// Leaves it to the attempt itself.
#[cfg(not(target_os = "linux"))]
fn may_execute(_: &Path) -> bool {
    true
}
