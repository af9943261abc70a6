//! Calls that went on but whose outcome is not known yet: asked for when their thread is stopped again.

use std::path::{Path, PathBuf};

use super::body::{Ending, Who};
use super::ledger::What;
use super::net::Net;
use super::outsiders::stamps_by_our_clock;
use super::stamp::Look;
use super::{digest, mounts};

/// How many files of a renamed folder are entered.
const FOLDER_FILES_MAX: usize = 100_000;

/// What a call will have done if it succeeds.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    /// Something new stands at the path, or behind the link that the path is.
    Create {
        who: Who,
        path: PathBuf,
        us: i64,
        follows: bool,
        /// The descriptor reads as well.
        reads: bool,
        /// The end of the opening that makes it will be heard.
        is_heard: bool,
        /// The folder was there, so that nothing stood in the way.
        has_folder: bool,
    },
    Rename {
        who: Who,
        what: What,
        look: Look,
        from: PathBuf,
        to: PathBuf,
        us: i64,
    },
    Exchange {
        who: Who,
        a: (Option<What>, PathBuf),
        b: (Option<What>, PathBuf),
        look: Look,
        us: i64,
    },
    RenameFolder {
        who: Who,
        look: Look,
        from: PathBuf,
        to: PathBuf,
        us: i64,
    },
    Link {
        who: Who,
        what: What,
        look: Look,
        path: PathBuf,
        us: i64,
    },
    Unlink {
        who: Who,
        what: What,
        look: Look,
        path: PathBuf,
        us: i64,
    },
    /// Roots, namespaces or mounts may have changed.
    View,
}

impl Pending {
    fn paths(&self) -> Vec<&PathBuf> {
        match self {
            Pending::Create { path, .. } | Pending::Link { path, .. } | Pending::Unlink { path, .. } => {
                vec![path]
            }
            Pending::Rename { from, to, .. } | Pending::RenameFolder { from, to, .. } => vec![from, to],
            Pending::Exchange { a, b, .. } => vec![&a.1, &b.1],
            Pending::View => vec![],
        }
    }
}

impl Pending {
    /// Tells whether the same path may lead to another folder afterwards.
    fn moves_folders(&self) -> bool {
        match self {
            Pending::Create { follows, .. } => !follows,
            Pending::Rename { look, .. } | Pending::Link { look, .. } | Pending::Unlink { look, .. } => {
                look.is_link()
            }
            Pending::Exchange { .. } | Pending::RenameFolder { .. } | Pending::View => true,
        }
    }

    /// Tells whether files may lie elsewhere afterwards that it does not name.
    fn moves_whole_folders(&self) -> bool {
        matches!(self, Pending::Exchange { .. } | Pending::RenameFolder { .. })
    }

    fn files(&self) -> Vec<What> {
        match self {
            Pending::Rename { what, .. } | Pending::Link { what, .. } | Pending::Unlink { what, .. } => {
                vec![*what]
            }
            Pending::Exchange { a, b, .. } => a.0.into_iter().chain(b.0).collect(),
            Pending::Create { .. } | Pending::RenameFolder { .. } | Pending::View => vec![],
        }
    }
}

/// Looks at a name itself, if it is there.
fn look_at(path: &Path) -> Option<Look> {
    digest::look(path).ok()
}

impl Net<'_> {
    /// Remembers what the thread's present call will have done.
    pub(super) fn expect(&mut self, tid: i32, pending: Pending) {
        self.forget_moved(&pending);
        if matches!(pending, Pending::Create { .. }) {
            self.openings.look_soon();
        }
        for path in pending.paths() {
            self.pending_paths.insert(path.clone().into_os_string(), tid);
        }
        if pending.moves_whole_folders() {
            self.moving.push(tid);
        }
        self.pending.insert(tid, pending);
    }

    /// Forgets which folders paths lead to, where a call may change that.
    fn forget_moved(&mut self, pending: &Pending) {
        if pending.moves_folders() {
            self.folders.forget();
        }
        if pending.moves_whole_folders() || matches!(pending, Pending::View) {
            self.forget_closings();
        }
    }

    /// Finds out how the thread's last call ended. If it may be under way still (not `over`), only success counts.
    pub(super) fn settle(&mut self, tid: i32, over: bool) {
        let Some(pending) = self.pending.remove(&tid) else {
            return;
        };
        self.forget_moved(&pending);
        // Of a change of what paths mean, nothing tells that it has happened but that the call is over.
        let may_have_happened = over || !matches!(pending, Pending::View);
        if may_have_happened && self.has_happened(tid, &pending) || over {
            self.moving.retain(|moving| *moving != tid);
            for path in pending.paths() {
                if self.pending_paths.get(path.as_os_str()) == Some(&tid) {
                    self.pending_paths.remove(path.as_os_str());
                }
            }
        } else {
            self.pending.insert(tid, pending);
        }
    }

    /// Finds out about a call of another thread that concerns this path.
    pub(super) fn settle_path(&mut self, path: &Path) {
        if let Some(tid) = self.pending_paths.get(path.as_os_str()).copied() {
            self.settle(tid, false);
        }
    }

    /// Finds out about calls that move folders: what others do below the same paths since is done elsewhere.
    pub(super) fn settle_moves(&mut self) {
        for tid in self.moving.clone() {
            self.settle(tid, false);
        }
    }

    /// Finds out about all calls.
    pub(super) fn settle_all(&mut self, over: bool) {
        let mut threads: Vec<i32> = self.pending.keys().copied().collect();
        threads.sort_unstable();
        for tid in threads {
            self.settle(tid, over);
        }
    }

    /// Enters what the call did; tells whether it did.
    fn has_happened(&mut self, tid: i32, pending: &Pending) -> bool {
        if pending.files().into_iter().any(|what| self.ledger.is_forgotten(what)) {
            // Another thread was quicker to replace it.
            return true;
        }
        match pending {
            // Where another one was about to make it later, that one found the folder there.
            Pending::Create { path, has_folder: false, .. }
                if self.pending_paths.get(path.as_os_str()).is_some_and(|other| *other != tid) =>
            {
                false
            }
            Pending::Create { who, path, us, follows, reads, is_heard, .. } => {
                self.was_created((*who, tid), path, *us, *follows, (*reads, *is_heard))
            }
            Pending::Rename { who, what, look, from, to, us } => {
                let Some(now) = look_at(to).filter(|now| now.is_same_file(look)) else {
                    return false;
                };
                self.ledger.body(*what).rename_moved_ctime(&look.stamp(), &now.stamp());
                self.ledger.end_name(*what, from, Some(*who), *us, Ending::Renamed);
                self.ledger.give_name(*what, to.clone(), Some(*who), *us);
                true
            }
            Pending::Exchange { who, a, b, look, us } => {
                if !look_at(&b.1).is_some_and(|now| now.is_same_file(look)) {
                    return false;
                }
                self.exchange(*who, a, b, *us);
                true
            }
            Pending::RenameFolder { who, look, from, to, us } => {
                if !look_at(to).is_some_and(|now| now.is_same_file(look)) {
                    return false;
                }
                self.ledger.move_folder(from, to, *who, *us);
                self.enter_moved_files(*who, from, to, *us);
                true
            }
            Pending::Link { who, what, look, path, us } => {
                let Some(now) = look_at(path).filter(|now| now.is_same_file(look)) else {
                    return false;
                };
                self.ledger.body(*what).rename_moved_ctime(&look.stamp(), &now.stamp());
                self.ledger.give_name(*what, path.clone(), Some(*who), *us);
                true
            }
            Pending::Unlink { who, what, look, path, us } => {
                if look_at(path).is_some_and(|now| now.is_same_file(look)) {
                    return false;
                }
                self.name_is_gone(*what, look, path);
                self.ledger.end_name(*what, path, Some(*who), *us, Ending::Removed);
                true
            }
            Pending::View => {
                self.view_changed(tid);
                true
            }
        }
    }

    /// Takes notice of what the loss of one name did to the times of a file that has another.
    fn name_is_gone(&mut self, what: What, before: &Look, gone: &Path) {
        let body = self.ledger.body(what);
        let other = body.names.iter().rev().find(|name| name.end.is_none() && &*name.path != gone);
        let now = other.and_then(|name| look_at(&name.path));
        if let Some(now) = now.filter(|now| now.is_same_file(before)) {
            self.ledger.body(what).rename_moved_ctime(&before.stamp(), &now.stamp());
        }
    }

    fn was_created(
        &mut self,
        (who, tid): (Who, i32),
        path: &Path,
        us: i64,
        follows: bool,
        (reads, is_heard): (bool, bool),
    ) -> bool {
        let Some(look) = look_at(path) else { return false };
        let (mut look, mut path) = (look, path.to_path_buf());
        let is_behind_link = look.is_link() && follows;
        if is_behind_link {
            // The link was there, its target was not.
            let Some(behind) = behind_link(&path) else {
                return false;
            };
            (look, path) = behind;
        }
        if !(look.is_regular() || look.is_link()) || self.ledger.known(&look).is_some() {
            return true;
        }
        let kind = self.file_system(&look, &path);
        if kind == 0 || !self.is_kernel_device(look.dev) {
            let what = self.ledger.create(who, &look, Some(path), us);
            let body = self.ledger.body(what);
            (body.has_our_times, body.may_be_mapped) = (stamps_by_our_clock(kind), reads);
            if reads {
                self.listen((who, tid), what, us);
            }
            self.opens(what, tid, is_heard && !is_behind_link);
        }
        true
    }

    fn exchange(&mut self, who: Who, a: &(Option<What>, PathBuf), b: &(Option<What>, PathBuf), us: i64) {
        for (what, path) in [a, b] {
            if let Some(what) = what {
                self.ledger.end_name(*what, path, Some(who), us, Ending::Renamed);
            }
        }
        match (a.0, b.0) {
            (Some(first), Some(second)) => {
                self.ledger.give_name(first, b.1.clone(), Some(who), us);
                self.ledger.give_name(second, a.1.clone(), Some(who), us);
            }
            (Some(file), None) => self.ledger.give_name(file, b.1.clone(), Some(who), us),
            (None, Some(file)) => self.ledger.give_name(file, a.1.clone(), Some(who), us),
            (None, None) => {}
        }
        if a.0.is_none() || b.0.is_none() {
            self.gap(format!("a folder was exchanged: `{}` with `{}`", a.1.display(), b.1.display()));
        }
    }

    /// Enters the files of a renamed folder that nobody had touched before: they too have moved.
    fn enter_moved_files(&mut self, who: Who, from: &Path, to: &Path, us: i64) {
        let (mut folders, mut count) = (vec![to.to_path_buf()], 0);
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                let (path, Some(look)) = (entry.path(), look_at(&entry.path())) else {
                    continue;
                };
                if look.is_folder() {
                    folders.push(path);
                } else if (look.is_regular() || look.is_link()) && self.ledger.known(&look).is_none() {
                    let Ok(rest) = path.strip_prefix(to) else { continue };
                    let former = from.join(rest);
                    let what = self.ledger.meet(&look, former.clone(), us);
                    self.ledger.end_name(what, &former, Some(who), us, Ending::Renamed);
                    self.ledger.give_name(what, path, Some(who), us);
                }
                count += 1;
                if count >= FOLDER_FILES_MAX {
                    let shown = to.display();
                    self.gap(format!("of the renamed folder `{shown}` only {count} files were entered"));
                    return;
                }
            }
        }
    }

    fn view_changed(&mut self, tid: i32) {
        if let (Some(thread), Some(own_root)) = (self.threads.get_mut(&tid), &self.own_root) {
            thread.review(own_root);
            let (tgid, mounts) = (thread.tgid, mounts::of(&tid.to_string()));
            self.threads.retain(|other, thread| *other == tid || thread.tgid != tgid);
            self.served = mounts
                .iter()
                .filter(|mount| mount.is_served_by_a_process() && mount.is_newer_than(&self.mounts_before))
                .map(|mount| mount.point().to_path_buf())
                .collect();
        }
    }
}

/// Returns what stands behind a symbolic link.
fn behind_link(path: &Path) -> Option<(Look, PathBuf)> {
    let real = std::fs::canonicalize(path).ok()?;
    Some((look_at(&real)?, real))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::observe::Options;

    #[test]
    fn a_change_of_what_paths_mean_is_awaited_until_its_call_is_over() {
        let options = Options::new(vec![], PathBuf::from("/"), &|| 0);
        let mut keep = |_: &Path, _: &digest::Digest, _: Vec<u8>| {};
        let mut net = Net::new(&options, &mut keep);
        net.expect(7, Pending::View);
        // Its thread is still on its way to it.
        net.settle_all(false);
        assert!(net.pending.contains_key(&7));
        net.settle(7, true);
        assert!(net.pending.is_empty());
    }
}
