//! The files of then that the command's standard streams led to, opened where it runs now.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::copy::is_below;
use crate::error::{Error, Result};
use crate::model::{Stream, StreamWay};
use crate::ops::run::Redirected;

/// Opens what the streams led to, below `root`.
///
/// # Errors
/// A request error where a file cannot be opened as it was then.
pub(super) fn open(streams: &[Stream], root: &Path) -> Result<Redirected> {
    let mut files: Vec<Arc<File>> = Vec::new();
    for stream in streams {
        let same = stream.same_as.and_then(|same| streams.iter().position(|other| other.number == same));
        let file = match same.and_then(|at| files.get(at)) {
            Some(file) => Arc::clone(file),
            None => {
                let what = ["input", "output", "error"][usize::from(stream.number.min(2))];
                let failed = |cause| {
                    let text = format!("cannot open `{}`, which standard {what} led to", stream.path);
                    Error::request(text).because(cause)
                };
                Arc::new(open_one(stream, root).map_err(failed)?)
            }
        };
        files.push(file);
    }
    Ok(Redirected { streams: streams.to_vec(), files })
}

fn open_one(stream: &Stream, root: &Path) -> io::Result<File> {
    let elsewhere = || io::Error::other("it leads out of the workspace");
    let place = stream.path.on_disk(root).ok_or_else(elsewhere)?;
    let above = place.parent().unwrap_or(root);
    if !is_below(above, root) {
        return Err(elsewhere());
    }
    // The path of then was free of links, and one that lies there now may lead anywhere.
    if fs::symlink_metadata(&place).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::other("no regular file lies there"));
    }
    let mut options = OpenOptions::new();
    match stream.way {
        StreamWay::Read => options.read(true),
        StreamWay::Append => options.append(true).create(true),
        StreamWay::Write | StreamWay::Update => options.write(true).create(true),
    };
    if stream.way != StreamWay::Read {
        fs::create_dir_all(above)?;
    }
    let mut file = options.open(&place)?;
    if stream.way == StreamWay::Write {
        file.set_len(stream.at_bytes)?;
    }
    if stream.way != StreamWay::Append {
        file.seek(SeekFrom::Start(stream.at_bytes))?;
    }
    Ok(file)
}
