//! Where no whole file system can be forced to the disk for sure, files are forced one by one.

use std::io;
use std::path::Path;

/// Nobody to be told of errors here.
#[derive(Debug)]
pub struct Witness;

impl Witness {
    /// Opens nothing.
    ///
    /// # Errors
    /// None.
    pub fn open(_: &Path) -> io::Result<Self> {
        Ok(Witness)
    }

    /// Forces nothing, and says so.
    pub fn force(&mut self) -> bool {
        false
    }
}

/// Does nothing: the files are forced to the disk anyway.
pub fn begin_writing(_: &Path) {}
