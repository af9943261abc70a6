//! Stores without a name: temporary ones, gone with whoever has them open, however that ends.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, open_regular};
use crate::error::{Error, Result};
use crate::store::{Applied, Snapshot, Store, broken, damaged, guarded, is_damage};

impl Store {
    /// Makes a store without a name, which is empty and to be built. Its file is called `place` no longer than it takes to open
    /// it; nobody else sees it, so that it needs no lock.
    ///
    /// # Errors
    /// A store error where there is something at `place`, or no file can be made there.
    pub fn nameless(place: &Path) -> Result<Self> {
        let nameless = Some(Arc::new(nameless_file(place)?));
        Ok(Store { path: place.to_owned(), disk: Disk::new(), nameless })
    }

    /// Builds a store without a name from the journal, for reading.
    ///
    /// # Errors
    /// As [`Store::nameless`] and [`Store::rebuild`].
    pub fn without_name(place: &Path, journal: &Path) -> Result<(Snapshot, Applied)> {
        let store = Store::nameless(place)?;
        let applied = store.rebuild(journal)?;
        let snapshot = store.snapshot()?.ok_or_else(|| damaged("format"))?;
        Ok((snapshot, applied))
    }

    /// Copies the file of this store, which has a name, into a store without one.
    ///
    /// # Errors
    /// As [`Store::nameless`], and a store error where the file cannot be copied.
    pub fn nameless_copy(&self, place: &Path) -> Result<Self> {
        let copy = nameless_file(place)?;
        open_regular(&self.path)
            .and_then(|mut file| io::copy(&mut file, &mut &copy))
            .map_err(|cause| self.failed("copy", cause))?;
        Ok(Store { path: place.to_owned(), disk: self.disk.clone(), nameless: Some(Arc::new(copy)) })
    }

    /// Checks the database's own checksums; `false` where pages are damaged. What can be repaired of a store without a name is
    /// repaired; one with a name is left as it is.
    ///
    /// # Errors
    /// A store error where the file cannot be read.
    pub fn is_intact(&self) -> Result<bool> {
        if self.nameless.is_none() {
            let place = self.path.with_extension(format!("redb-check-{}", std::process::id()));
            return self.nameless_copy(&place)?.is_intact();
        }
        let check = || {
            let mut database = self.open_to_write().map_err(broken)?;
            database.check_integrity().map_err(broken)
        };
        match guarded(check) {
            Err(error) if is_damage(&error) => Ok(false),
            found => found,
        }
    }
}

fn nameless_file(place: &Path) -> Result<File> {
    // It holds all facts, and has a name for a moment in a folder that others may read.
    let made = File::options().read(true).write(true).create_new(true).mode(0o600).open(place);
    made.and_then(|file| fs::remove_file(place).map(|()| file)).map_err(|cause| {
        Error::store(format!("cannot make the temporary store `{}`", place.display()))
            .because(cause)
            .hint("nothing was changed")
    })
}
