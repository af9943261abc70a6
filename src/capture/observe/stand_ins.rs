//! Files that stand for others, from which they were made: who reads the one is as good as reading the other.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::acts::Act;
use super::ledger::What;
use super::net::Net;
use super::place::Place;
use super::stamp::Look;
use super::tracee::Found;
use super::{Reading, StoodFor, digest};

impl Net<'_> {
    /// Records a read of what a file stands for that is read at `place`; false where it stands for nothing.
    pub(super) fn read_stood_for(&mut self, act: Act<'_>, place: &Place, stand_in: What) -> bool {
        // Where the run serves a file system, to look for the other could mean to wait for a process that is stopped itself.
        if self.ledger.is_forgotten(stand_in) || !self.served.is_empty() {
            return false;
        }
        let path = self.ledger.body(stand_in).main_name().map(|name| name.path.clone());
        let Some(StoodFor { path, is_as_made }) = path.and_then(|path| (self.options.stands_for)(&path))
        else {
            return false;
        };
        let reading = if is_as_made { Reading::StandIn } else { Reading::DoubtfulStandIn };
        let other = Place::new(libc::AT_FDCWD, path.as_os_str().as_bytes().to_vec());
        let is_direct = !digest::look(&path).is_ok_and(|look| look.is_link());
        let found = match act.thread.is_foreign() {
            false => act.thread.find(&other, true).ok(),
            true => find_here(&path),
        };
        let Some(found) = found.filter(|found| found.look.is_regular()) else { return true };
        let look = found.look;
        if let Some(what) = self.identify(found, act.us) {
            self.read_as(act, what, &look, reading);
            // The links that led to the one led to the other.
            self.read_links(act, place, true, what, reading);
            if !act.thread.is_foreign() {
                self.read_links(act, &other, is_direct, what, reading);
            }
        }
        true
    }
}

/// Finds a file as this process sees it.
fn find_here(path: &Path) -> Option<Found> {
    let path: PathBuf = path.canonicalize().ok()?;
    let look: Look = digest::look(&path).ok()?;
    Some(Found { look, path, is_nameless: false })
}
