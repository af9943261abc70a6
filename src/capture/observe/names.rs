//! Calls that give names to files and take them away.

use std::path::PathBuf;

use super::acts::Act;
use super::ledger::What;
use super::net::Net;
use super::pending::Pending;
use super::place::Place;
use super::stamp::Look;
use super::tracee::Found;

/// `AT_SYMLINK_FOLLOW` and `AT_EMPTY_PATH` of `linkat`.
const FOLLOW: u64 = 0x400;
const EMPTY_PATH: u64 = 0x1000;
/// `RENAME_NOREPLACE` and `RENAME_EXCHANGE` of `renameat2`.
const NOREPLACE: u64 = 1;
const EXCHANGE: u64 = 2;

impl Net<'_> {
    pub(super) fn make_node(
        &mut self,
        act: Act<'_>,
        folder: Option<usize>,
        path: usize,
        mode: usize,
    ) -> std::io::Result<()> {
        let kind = act.arguments[mode] as u32 & libc::S_IFMT;
        if kind == 0 || kind == libc::S_IFREG {
            let place = self.place(act, folder, path)?;
            self.make(act, &place);
        }
        Ok(())
    }

    /// Expects something new under a name that must be free.
    pub(super) fn make(&mut self, act: Act<'_>, place: &Place) {
        if let Ok((path, has_folder)) = act.thread.find_to_come(place, &mut self.folders, act.us) {
            self.settle_path(&path);
            if act.thread.look(place, false).is_err() {
                self.disturb(&path);
                let (who, us) = (act.who, act.us);
                self.expect(
                    act.thread.tid,
                    Pending::Create {
                        who,
                        path,
                        us,
                        follows: false,
                        reads: false,
                        is_heard: false,
                        has_folder,
                    },
                );
            }
        }
    }

    pub(super) fn unlink(&mut self, act: Act<'_>, place: &Place) {
        let Ok(found) = act.thread.find_name(place, &mut self.folders, act.us) else {
            return;
        };
        let Some((what, look, path)) = self.about_to_vanish(act, found) else {
            return;
        };
        let (who, us) = (act.who, act.us);
        self.expect(act.thread.tid, Pending::Unlink { who, what, look, path, us });
    }

    /// Enters a file whose name is about to go, and asks for its bytes if it is the last chance.
    fn about_to_vanish(&mut self, act: Act<'_>, found: Found) -> Option<(What, Look, PathBuf)> {
        let (look, path) = (found.look, found.path.clone());
        if !(look.is_regular() || look.is_link()) {
            return None;
        }
        self.settle_path(&path);
        let what = self.identify(found, act.us)?;
        self.disturb(&path);
        self.notice_outsiders(what, &look);
        self.ledger.body(what).refresh(&look.stamp());
        let endangered = self.ledger.endangered(what);
        self.endanger(what, endangered, &look, &path);
        Some((what, look, path))
    }

    pub(super) fn rename(
        &mut self,
        act: Act<'_>,
        from: (Option<usize>, usize),
        to: (Option<usize>, usize),
        flags: u64,
    ) -> std::io::Result<()> {
        let (from, to) = (self.place(act, from.0, from.1)?, self.place(act, to.0, to.1)?);
        let Ok(source) = act.thread.find_name(&from, &mut self.folders, act.us) else {
            return Ok(());
        };
        let target = act.thread.find_name(&to, &mut self.folders, act.us).ok();
        if target.is_some() && flags & NOREPLACE != 0 {
            return Ok(());
        }
        if source.look.is_folder() || target.as_ref().is_some_and(|target| target.look.is_folder()) {
            return self.rename_folder(act, source, target, &to, flags);
        }
        if flags & EXCHANGE != 0 {
            let Some(target) = target else { return Ok(()) };
            return self.exchange_files(act, source, target);
        }
        if target.as_ref().is_some_and(|target| target.look.is_same_file(&source.look)) {
            // Two names of one file: the call does nothing.
            return Ok(());
        }
        let Ok((to, _)) = act.thread.find_to_come(&to, &mut self.folders, act.us) else {
            return Ok(());
        };
        self.settle_path(&to);
        self.settle_path(&source.path);
        if let Some(target) = target {
            self.about_to_vanish(act, target);
        }
        let (look, path) = (source.look, source.path.clone());
        if !(look.is_regular() || look.is_link()) {
            return Ok(());
        }
        let Some(what) = self.identify(source, act.us) else {
            return Ok(());
        };
        self.notice_outsiders(what, &look);
        self.ledger.body(what).refresh(&look.stamp());
        self.disturb(&to);
        let (who, us) = (act.who, act.us);
        self.expect(act.thread.tid, Pending::Rename { who, what, look, from: path, to, us });
        Ok(())
    }

    fn exchange_files(&mut self, act: Act<'_>, source: Found, target: Found) -> std::io::Result<()> {
        self.settle_path(&source.path);
        self.settle_path(&target.path);
        let (look, from, to) = (source.look, source.path.clone(), target.path.clone());
        let a = (self.identify(source, act.us), from);
        let b = (self.identify(target, act.us), to);
        self.expect(act.thread.tid, Pending::Exchange { who: act.who, a, b, look, us: act.us });
        Ok(())
    }

    fn rename_folder(
        &mut self,
        act: Act<'_>,
        source: Found,
        target: Option<Found>,
        to: &Place,
        flags: u64,
    ) -> std::io::Result<()> {
        self.settle_all(false);
        let (who, us, look, from) = (act.who, act.us, source.look, source.path.clone());
        if flags & EXCHANGE != 0 {
            let Some(target) = target else { return Ok(()) };
            let b = (None, target.path);
            self.expect(act.thread.tid, Pending::Exchange { who, a: (None, from), b, look, us });
        } else if source.look.is_folder()
            && let Ok((to, _)) = act.thread.find_to_come(to, &mut self.folders, act.us)
        {
            self.disturb(&to);
            self.disturb(&from);
            self.expect(act.thread.tid, Pending::RenameFolder { who, look, from, to, us });
        }
        Ok(())
    }

    pub(super) fn link(
        &mut self,
        act: Act<'_>,
        from: (Option<usize>, usize),
        to: (Option<usize>, usize),
        flags: u64,
    ) -> std::io::Result<()> {
        let (from, to) = (self.place(act, from.0, from.1)?, self.place(act, to.0, to.1)?);
        if from.is_empty() && flags & EMPTY_PATH == 0 {
            return Ok(());
        }
        let source = act.thread.find(&from, flags & FOLLOW != 0);
        let path = act.thread.find_to_come(&to, &mut self.folders, act.us);
        let (Ok(source), Ok((path, _))) = (source, path) else {
            return Ok(());
        };
        self.settle_path(&path);
        if act.thread.look(&to, false).is_ok() || !(source.look.is_regular() || source.look.is_link()) {
            return Ok(());
        }
        let (look, who, us) = (source.look, act.who, act.us);
        let what = if source.is_nameless && self.ledger.known(&look).is_none() {
            // A file without a name can only have been made by the run: it could not have been opened.
            let what = self.ledger.create(who, &look, None, us);
            self.ledger.body(what).may_be_mapped = true;
            self.opens(what, act.thread.tid, false);
            Some(what)
        } else {
            self.identify(source, us)
        };
        let Some(what) = what else { return Ok(()) };
        self.notice_outsiders(what, &look);
        self.ledger.body(what).refresh(&look.stamp());
        self.disturb(&path);
        self.expect(act.thread.tid, Pending::Link { who, what, look, path, us });
        Ok(())
    }
}
