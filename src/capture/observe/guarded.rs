//! A folder that the command may only read: while a copy stands for a workspace, what is named by its whole path is the user's own.
//!
//! Calls that would change something in it fail as on a file system that is mounted read-only. Like all that is seen of a call
//! before it happens, this holds programs off that do what they say; a program that changes a path in memory while its call is
//! looked at is not held off, nor are the few calls that are not stopped (`chmod`, `chown`, `mkdir`, `rmdir`).

use std::path::{Path, PathBuf};

use super::acts::Act;
use super::calls::{Call, Intent};
use super::net::Net;
use super::reply::Verdict;
use super::{GapSort, OnlyRead};

/// Where an argument of a call leads, and whether through a last link.
type Named = (Option<usize>, usize, bool);

impl Net<'_> {
    /// Refuses a call that would change what is only to be read.
    pub(super) fn guarded(&mut self, act: Act<'_>, call: Call) -> Option<Verdict> {
        let options = self.options;
        let only_read = options.only_read.as_ref()?;
        let named: &[Named] = match call {
            Call::Open => flagged(act, act.arguments[1], (None, 0)),
            Call::OpenAt => flagged(act, act.arguments[2], (Some(0), 1)),
            Call::OpenAt2 => {
                let flags = act.thread.read_bytes(act.arguments[2]).map(u64::from_le_bytes);
                flags.map_or(&[][..], |flags| flagged(act, flags, (Some(0), 1)))
            }
            Call::Creat | Call::Truncate => &[(None, 0, true)],
            Call::Rename => &[(None, 0, false), (None, 1, false)],
            Call::RenameAt | Call::RenameAt2 => &[(Some(0), 1, false), (Some(2), 3, false)],
            Call::Link | Call::Symlink => &[(None, 1, false)],
            Call::LinkAt => &[(Some(2), 3, false)],
            Call::SymlinkAt => &[(Some(1), 2, false)],
            Call::UnlinkAt | Call::MknodAt => &[(Some(0), 1, false)],
            Call::Unlink | Call::Mknod => &[(None, 0, false)],
            _ => &[],
        };
        let place = named.iter().find_map(|named| self.leads_into(act, named, only_read))?;
        // A cache that is not filled changes nothing but time.
        if !place.iter().any(|part| part == "__pycache__") {
            let (name, place) = (self.program_name(act.who), place.display());
            let text =
                format!("`{name}` was refused to change `{place}`: the workspace itself is only read here");
            self.gap_of(GapSort::Denied, text);
        }
        Some(Verdict::Refuse(libc::EROFS))
    }

    fn leads_into(&mut self, act: Act<'_>, named: &Named, only_read: &OnlyRead) -> Option<PathBuf> {
        let (folder, path, follows) = *named;
        let place = act.place(folder, path).ok()?;
        let there = act.thread.find(&place, follows).map(|found| found.path);
        let path = there.or_else(|_| act.thread.find_new(&place, &mut self.folders, act.us)).ok()?;
        only_read.holds(&path).then_some(path)
    }
}

impl OnlyRead {
    /// Returns true for what is in the folder, but for what may be changed there all the same.
    fn holds(&self, path: &Path) -> bool {
        let inside = path.strip_prefix(&self.folder).ok();
        inside.is_some_and(|inside| self.except.iter().all(|except| !inside.starts_with(except)))
    }
}

/// Returns the place of an open that changes something.
fn flagged(act: Act<'_>, flags: u64, (folder, path): (Option<usize>, usize)) -> &'static [Named] {
    let intent = Intent::of(act.abi, flags as u32);
    let changes = intent.writes || intent.truncates || intent.unnamed;
    if intent.path_only || !(changes || intent.creates) {
        return &[];
    }
    // What is only made if it is missing, and read, is made or read.
    let is_there = || {
        let place = act.place(folder, path);
        place.is_ok_and(|place| act.thread.look(&place, true).is_ok())
    };
    if !changes && is_there() {
        return &[];
    }
    match (folder, intent.follows) {
        (None, true) => &[(None, 0, true)],
        (None, false) => &[(None, 0, false)],
        (Some(_), true) => &[(Some(0), 1, true)],
        (Some(_), false) => &[(Some(0), 1, false)],
    }
}
