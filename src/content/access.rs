//! Who may read what is kept: nobody who may not read the file that it came from.
//!
//! The folder of kept contents lets in those who may write beside it: its owner, and in a workspace that a group shares its group.
//! In it, a content has the mode of its file as far as that says who reads and executes it, and what is brought back has it again.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::disk::{Owner, open_folder};

const OWNER_EXECUTES: u32 = 0o100;
const GROUP_READS: u32 = 0o040;
const OTHERS_READ: u32 = 0o004;
const EVERYBODY_READS: u32 = GROUP_READS | OTHERS_READ;
/// The bit by which a folder is entered, and a file executed, stands so many places below the one by which it is read.
const BELOW_READING: u32 = 2;

/// Who besides its owner may read a content, and whether it is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// [`GROUP_READS`], [`OTHERS_READ`] and [`OWNER_EXECUTES`], no other.
    mode: u32,
    /// The group that `mode` speaks of; `None` for whichever it is.
    group: Option<u32>,
    /// To whom the source belongs, if it is a file.
    user: Option<u32>,
}

impl Access {
    /// All who get to where it is kept read it: of what comes from no file, or is no secret.
    pub const ALL: Access = Access { mode: EVERYBODY_READS, group: None, user: None };
    /// Whoever keeps it reads it, and nobody else.
    pub const OWNER: Access = Access { mode: 0, group: None, user: None };

    fn of(source: &Metadata) -> Self {
        Access {
            mode: source.mode() & (EVERYBODY_READS | OWNER_EXECUTES),
            group: Some(source.gid()),
            user: Some(source.uid()),
        }
    }

    /// Returns the access to the file at a path: of those who may read it and enter the folders that lead to it, below `root` or,
    /// for a file elsewhere, all of them. That of its owner alone where it cannot be looked at.
    pub fn of_path(root: &Path, path: &Path) -> Self {
        let Ok(found) = path.metadata() else { return Access::OWNER };
        let mut access = Access::of(&found);
        let top = if path.starts_with(root) { root } else { Path::new("/") };
        for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(top) && *folder != top)
        {
            let Ok(found) = folder.metadata() else { return Access::OWNER };
            let entered_by = (found.mode() << BELOW_READING) & EVERYBODY_READS;
            access.mode &= for_group(entered_by, access.group == Some(found.gid())) | OWNER_EXECUTES;
        }
        access
    }

    /// Returns the access of a file in git, which tells no more of it than whether it is executed.
    pub fn of_git(is_executed: bool) -> Self {
        Access {
            mode: if is_executed { Access::ALL.mode | OWNER_EXECUTES } else { Access::ALL.mode },
            ..Access::ALL
        }
    }

    /// Returns the access of those to a content, which is no program, who may read this and the `other` source of it.
    pub fn narrowed_to(self, other: Access) -> Self {
        let (this, other) = (self.of_part(), other.of_part());
        let is_open = |access: Access| access.mode == EVERYBODY_READS;
        match (is_open(this), is_open(other)) {
            (true, _) => other,
            (false, true) => this,
            (false, false) => Access {
                mode: this.mode & for_group(other.mode, this.group == other.group),
                group: this.group,
                user: this.user.filter(|user| other.user == Some(*user)),
            },
        }
    }

    /// Returns the access of a part of the content, which is no program.
    pub fn of_part(self) -> Self {
        Access { mode: self.mode & !OWNER_EXECUTES, ..self }
    }

    /// Returns the access to a content that is kept already, and that those shall read and execute as well whom this names.
    pub(super) fn and_of(self, kept: &Metadata) -> Self {
        let of_kept = Access::of(kept);
        let is_same_group = self.group.is_none_or(|group| group == kept.gid());
        let mode = for_group(self.mode & EVERYBODY_READS, is_same_group) | self.mode & OWNER_EXECUTES;
        // Root's own say nothing of whom else they may be given to.
        let user = if kept.uid() == 0 { self.user } else { of_kept.user };
        Access { mode: of_kept.mode | mode, user, ..of_kept }
    }

    /// Returns whether a new file for a content would let somebody read or execute it whom the `kept` one does not let.
    pub(super) fn is_wider_than(self, kept: &Metadata) -> bool {
        let is_wider = |mode: u32| mode & (EVERYBODY_READS | OWNER_EXECUTES) & !kept.mode() != 0;
        // The umask is asked for only where it may matter.
        is_wider(self.mode) && is_wider(self.mode_of_new(0o666 & !umask(), kept.gid()))
    }

    /// Returns whether the file at a path, in a workspace at `root`, lets somebody read or execute its content whom the `kept` one
    /// does not let.
    pub(super) fn of_path_is_wider_than(root: &Path, path: &Path, kept: &Metadata) -> bool {
        // The folders that lead to it make it no wider.
        path.metadata().is_ok_and(|found| Access::of(&found).is_wider_than(kept))
            && Access::of_path(root, path).is_wider_than(kept)
    }

    /// Returns whether `owner` could read the source.
    pub fn lets(self, owner: Owner) -> bool {
        let of_group =
            self.mode & GROUP_READS != 0 && self.group.is_some_and(|group| owner.is_of_group(group));
        self.mode & EVERYBODY_READS == EVERYBODY_READS
            || of_group
            || self.user.is_some_and(|user| owner.is_user(user))
    }

    /// Returns whether the content is executed.
    pub fn is_executed(self) -> bool {
        self.mode & OWNER_EXECUTES != 0
    }

    /// Gives a new file this access: takes from it what others could read it by, and lets those execute it who may read it. Nobody
    /// may read it then whom the umask has kept out.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn apply(self, file: &File) -> io::Result<()> {
        let found = file.metadata()?;
        let mode = found.mode() & 0o7777;
        let wanted = self.mode_of_new(mode, found.gid());
        if wanted == mode {
            return Ok(());
        }
        file.set_permissions(Permissions::from_mode(wanted))
    }

    /// Returns what becomes of the mode of a new file that belongs to `group`.
    fn mode_of_new(self, mode: u32, group: u32) -> u32 {
        let allowed = for_group(self.mode & EVERYBODY_READS, self.group.is_none_or(|own| own == group));
        let wanted = mode & !(EVERYBODY_READS & !allowed);
        if self.is_executed() { wanted | (wanted & 0o444) >> BELOW_READING } else { wanted }
    }
}

/// Returns what the umask takes from others; all of it where the system does not tell.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    umask.and_then(|umask| u32::from_str_radix(umask.trim(), 8).ok()).unwrap_or(0o077)
}

/// Returns what the mode of a file or folder lets a group and others do, where another group is meant than its own: everybody, or
/// nobody, since those of either group are among the others of the other one.
fn for_group(mode: u32, is_its_own: bool) -> u32 {
    if is_its_own || mode == EVERYBODY_READS { mode } else { 0 }
}

/// Closes a folder to all who may not write into the one `above` it, and gives it to `owner`: somebody else, in whose folders no link
/// is followed.
///
/// # Errors
/// As the system gives them.
pub(super) fn close_folder(folder: &Path, above: &Metadata, owner: Option<Owner>) -> io::Result<()> {
    let folder = open_folder(folder, owner.is_none())?;
    if let Some(owner) = owner {
        owner.give_file(&folder);
    }
    let mode = folder.metadata()?.mode() & 0o7777;
    let shut_out = [(0o020, 0o070), (0o002, 0o007)]
        .map(|(may_write, all)| if above.mode() & may_write == 0 { all } else { 0 });
    let wanted = mode & !(shut_out[0] | shut_out[1]);
    if wanted == mode {
        return Ok(());
    }
    match folder.set_permissions(Permissions::from_mode(wanted)) {
        // It belongs to another member of the group: their next run closes it.
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}
