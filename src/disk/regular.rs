//! Opening files that somebody else may have made, or put something else in the place of.
//!
//! What lies at a name that we think of as a file's may be a pipe, which whoever opens it waits at for ever, a device that does
//! something when it is opened, or a folder. None of them is opened here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const NO_FILE: &str = "it is no regular file";

/// Opens a regular file for reading.
///
/// # Errors
/// As the system gives them; `InvalidInput` for what is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_regular_with(path, OpenOptions::new().read(true))
}

/// Opens a regular file that is there as `options` say.
///
/// # Errors
/// As [`open_regular`].
pub fn open_regular_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let no_file = || io::Error::new(ErrorKind::InvalidInput, NO_FILE);
    if !fs::metadata(path)?.is_file() {
        return Err(no_file());
    }
    // It may be a pipe by now.
    let file = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

/// Opens a regular file of ours, which nobody has put a link in the place of.
///
/// # Errors
/// As [`open_regular`]; `InvalidInput` for a link, too.
pub fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let refused = |text: &str| io::Error::new(ErrorKind::InvalidInput, text);
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Err(refused("it is a symbolic link"));
    }
    if !found.is_file() {
        return Err(refused(NO_FILE));
    }
    // It may be something else by now.
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused(NO_FILE)) }
}

/// Opens a folder, at the end of a link only where `follows` says so.
///
/// # Errors
/// As the system gives them.
pub fn open_folder(path: &Path, follows: bool) -> io::Result<File> {
    let no_link = if follows { 0 } else { libc::O_NOFOLLOW };
    File::options().read(true).custom_flags(libc::O_DIRECTORY | no_link).open(path)
}

/// Reads a regular file.
///
/// # Errors
/// As [`open_regular`].
pub fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_regular(path)?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    // What does not fit into memory is an error, not the end.
    bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a regular file of text.
///
/// # Errors
/// As [`open_regular`]; `InvalidData` where it is no UTF-8.
pub fn read_regular_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_regular(path)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_regular_file_is_opened_and_nobody_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::create_dir(at("folder")).unwrap();
        let mut mkfifo = std::process::Command::new("mkfifo");
        assert!(mkfifo.arg(at("pipe")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (link, target) in
            [("to-file", at("file")), ("to-pipe", at("pipe")), ("to-null", "/dev/null".into())]
        {
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        }
        assert_eq!(read_regular_text(&at("file")).unwrap(), "text");
        assert_eq!(read_regular_text(&at("to-file")).unwrap(), "text");
        for name in ["folder", "pipe", "socket", "to-pipe", "to-null"] {
            assert_eq!(open_regular(&at(name)).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
            let mut options = OpenOptions::new();
            let written = open_regular_with(&at(name), options.read(true).write(true));
            assert_eq!(written.unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
        }
        assert_eq!(open_regular(&at("nothing")).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(open_own(&at("file"), OpenOptions::new().read(true)).is_ok());
        for name in ["folder", "pipe", "to-file", "to-pipe", "to-null"] {
            let opened = open_own(&at(name), OpenOptions::new().read(true));
            assert_eq!(opened.unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
        }
    }
}
