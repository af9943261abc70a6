//! To whom what is made belongs: root that works in the folder of somebody else makes it for them, who could otherwise neither read
//! nor write there; and in a workspace that a group shares, what is lineage's own is the group's, whatever the umask.

use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown, lchown};
use std::path::Path;

/// The folder of a workspace in which all is lineage's own.
const OWN_FOLDER: &str = ".lineage";
const GROUP_WRITES: u32 = 0o020;

/// Returns the user whose files are made.
#[expect(unsafe_code, reason = "the standard library does not tell the user of a process")]
pub fn own_user() -> u32 {
    // SAFETY: `geteuid` has no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

/// Returns true where files are made as root's.
pub fn is_root() -> bool {
    own_user() == 0
}

/// Whom new files are given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Returns whom new files in `folder` are to be given to; `None` where they belong to whoever makes them.
    pub fn to_give_to(folder: &Metadata) -> Option<Owner> {
        (is_root() && folder.uid() != 0).then(|| Owner { user: folder.uid(), group: folder.gid() })
    }

    /// Returns whom a new entry at `path` is to be given to, as the nearest folder above it that is there says.
    pub fn of_entry(path: &Path) -> Option<Owner> {
        if !is_root() {
            return None;
        }
        let above = path.ancestors().skip(1).map(|above| match above.as_os_str().is_empty() {
            true => Path::new("."),
            false => above,
        });
        Owner::to_give_to(&above.into_iter().find_map(|above| above.metadata().ok())?)
    }

    /// Returns whether they are this user.
    pub fn is_user(self, user: u32) -> bool {
        self.user == user
    }

    /// Returns whether new files are given to this group as well.
    pub fn is_of_group(self, group: u32) -> bool {
        self.group == group
    }

    // Where the file system knows no such owner, what was made stays root's; it is there all the same.

    /// Gives a file to them.
    pub fn give_file(self, file: &File) {
        let _ = fchown(file, Some(self.user), Some(self.group));
    }

    /// Gives a folder, or a link itself, to them.
    pub fn give(self, path: &Path) {
        let _ = lchown(path, Some(self.user), Some(self.group));
    }
}

/// Returns the user who made `entry` in `folder` where anybody could have: everybody may write into the folder, and the entry is
/// neither ours nor root's, nor of whom the folder belongs to.
pub fn made_by_anybody(folder: &Path, entry: &Path) -> Option<u32> {
    let above = folder.metadata().ok().filter(|above| above.mode() & 0o002 != 0)?;
    let maker = entry.symlink_metadata().ok()?.uid();
    (![0, own_user(), above.uid()].contains(&maker)).then_some(maker)
}

/// Gives a file that was made at `path` to whom its folder belongs, and to its group what is the group's.
pub fn give_new_file(file: &File, path: &Path) {
    if let Some(owner) = Owner::of_entry(path) {
        owner.give_file(file);
    }
    if let Some(wanted) = file.metadata().ok().and_then(|made| shared_mode(path, &made, 0o060)) {
        // Without it, the others of the group are told what to do.
        let _ = file.set_permissions(Permissions::from_mode(wanted));
    }
}

/// Lets the group in that may write beside a folder of lineage's own that was made at `path`.
pub(super) fn share_new_folder(path: &Path) {
    if let Some(wanted) = path.metadata().ok().and_then(|made| shared_mode(path, &made, 0o070)) {
        let _ = std::fs::set_permissions(path, Permissions::from_mode(wanted));
    }
}

/// Returns the mode of something of lineage's own that was `made` at `path`, where its group may write beside it and may not do to it
/// what `wanted` says.
fn shared_mode(path: &Path, made: &Metadata, wanted: u32) -> Option<u32> {
    let mode = made.mode() & 0o7777;
    if mode & wanted == wanted || !path.components().any(|part| part.as_os_str() == OsStr::new(OWN_FOLDER)) {
        return None;
    }
    let above = path.parent()?.metadata().ok()?;
    (above.mode() & GROUP_WRITES != 0 && above.gid() == made.gid()).then_some(mode | wanted)
}
