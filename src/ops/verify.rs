//! `lineage verify`: journal, store, kept contents and files on disk, each held against what it should be. Changes nothing.

mod contents;
mod facts;
mod lost;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digests::Digests;
use crate::error::{Error, Result};
use crate::journal::{self, Listing, Reader, SegmentRef, Tail};
use crate::model::{Digest, Fact, NodeId};
use crate::ops::here::Here;
use crate::ops::status::{StatusReport, status};
use crate::ops::workspace::{Attempt, StoreLock};
use crate::ops::{WORKSPACE_FOLDER, Workspace};
use crate::store::{Snapshot, Store};

use facts::{digests, only_in};

/// What was checked, and what was found wrong.
#[derive(Debug, Clone, Default)]
pub struct VerifyReport {
    /// What is wrong, area by area.
    pub faults: Vec<Finding>,
    /// What is worth knowing and no fault.
    pub remarks: Vec<Finding>,
    /// What was checked.
    pub totals: VerifyTotals,
}

impl VerifyReport {
    /// Returns true where nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// How much was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifyTotals {
    /// Segments of the journal, loose and packed.
    pub segments: u64,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Whole records in them.
    pub records: u64,
    /// Facts in the store; `None` where there is no store to compare.
    pub facts: Option<u64>,
    /// Kept contents, each read in full.
    pub contents: u64,
    /// Contents that must be there, since what needs them is recorded: each is looked for among the kept ones.
    pub contents_needed: u64,
    /// Recorded files, each compared with the disk.
    pub files: u64,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Segments and packs.
    Journal,
    /// The database.
    Store,
    /// Kept contents.
    Contents,
    /// Files in the workspace.
    Files,
}

impl Area {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Area::Journal => "journal",
            Area::Store => "store",
            Area::Contents => "contents",
            Area::Files => "files",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// The segment, content, file or fact, named as people can look it up.
    pub subject: String,
    /// What there is to say about it.
    pub what: String,
}

/// How long a check waits for somebody who is applying facts.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often the comparison of stores is begun anew because the journal grew meanwhile.
const ATTEMPTS: usize = 5;

/// Checks everything that is recorded.
///
/// The store is compared, fact by fact, with one that is built anew from the journal in a temporary file that has no
/// name. That and reading every kept content and every recorded file takes its time: the cost is linear in all of them.
///
/// # Errors
/// A store error where nothing can be checked at all: no room for the temporary files, or a store that stays busy. What is
/// found wrong is no error; it is in the report.
pub fn verify(workspace: &Workspace) -> Result<VerifyReport> {
    let (report, taken) = (VerifyReport::default(), HashSet::new());
    let mut verifying = Verifying { workspace, report, may_be_torn: false, taken };
    verifying.journal();
    let rebuilt = verifying.store()?;
    verifying.without_an_end(&rebuilt)?;
    verifying.contents(&rebuilt)?;
    verifying.code_of_models(&rebuilt)?;
    verifying.files(&rebuilt)?;
    verifying.report.faults.sort();
    verifying.report.remarks.sort();
    Ok(verifying.report)
}

struct Verifying<'a> {
    workspace: &'a Workspace,
    report: VerifyReport,
    /// Whether others may have written to the store while it was copied.
    may_be_torn: bool,
    /// The digests of facts that are of no run, promise contents, and were recorded elsewhere.
    taken: HashSet<Digest>,
}

impl Verifying<'_> {
    fn fault(&mut self, area: Area, subject: impl Into<String>, what: impl Into<String>) {
        self.report.faults.push(Finding { area, subject: subject.into(), what: what.into() });
    }

    fn remark(&mut self, area: Area, subject: impl Into<String>, what: impl Into<String>) {
        self.report.remarks.push(Finding { area, subject: subject.into(), what: what.into() });
    }

    // ---- the journal ----

    fn journal(&mut self) {
        let listing = self.listing();
        for stranger in &listing.strangers {
            let name = self.named(stranger);
            self.remark(Area::Journal, name, "no segment; it is passed over");
        }
        let here = Here::of(self.workspace);
        for segment in &listing.segments {
            self.report.totals.segments += 1;
            self.report.totals.segment_bytes += segment.length;
            if let Err(error) = self.segment(segment, &here) {
                let name = self.segment_name(segment);
                self.fault(Area::Journal, name, error.in_full());
            }
        }
    }

    /// Lists the segments of the journal, those of damaged packs aside.
    fn listing(&mut self) -> Listing {
        let folder = self.workspace.journal();
        match journal::list(&folder, &|_| false) {
            Ok(listing) => return listing,
            // Which pack is damaged is found by opening one after the other.
            Err(error) => self.fault(Area::Journal, self.named(&folder), error.in_full()),
        }
        let packs = std::cell::RefCell::new(Vec::new());
        let loose = journal::list(&folder, &|pack| {
            packs.borrow_mut().push(pack);
            true
        });
        let mut listing = loose.unwrap_or_default();
        for pack in packs.into_inner() {
            if let Ok(one) = journal::list(&folder, &|other| other != pack) {
                listing.segments.extend(one.segments.into_iter().filter(|segment| segment.packed));
            }
        }
        listing.segments.sort();
        listing.segments.dedup_by_key(|segment| segment.segment);
        listing
    }

    fn segment(&mut self, segment: &SegmentRef, here: &Here<'_>) -> Result<()> {
        let name = self.segment_name(segment);
        let Some(bytes) = journal::read_segment(segment, 0, u64::MAX)? else {
            self.remark(Area::Journal, name, "packed while it was looked for; check again for its records");
            return Ok(());
        };
        let is_alive = !segment.packed && self.workspace.is_alive(segment.segment);
        let Some(mut reader) = Reader::new(&name, &bytes)? else {
            if !is_alive {
                self.remark(Area::Journal, name, "its writer ended before it had recorded anything");
            }
            return Ok(());
        };
        if reader.segment() != segment.segment {
            return Err(Error::store("it says that it is another segment"));
        }
        let (mut of_no_run, mut is_taken) = (Vec::new(), false);
        while let Some(fact) = reader.next()? {
            self.report.totals.records += 1;
            match &fact {
                Fact::ModelRegistered(_) | Fact::FileOverwritten(_) => {
                    of_no_run.push(Digest::of(&journal::encode(&fact)?));
                }
                // Only what is taken over holds the start of a run that another workspace recorded.
                Fact::RunStarted(run) if run.segment != segment.segment => {
                    is_taken |= !here.has_segment(run.segment).unwrap_or(true);
                }
                _ => {}
            }
        }
        if is_taken {
            self.taken.extend(of_no_run);
        }
        for at in reader.damaged() {
            let what = match at {
                0 => "its header is damaged; the records behind it are read all the same".to_owned(),
                at => format!("the record at byte {at} is damaged; it is passed over"),
            };
            self.fault(Area::Journal, name.clone(), what);
        }
        if let Tail::Torn { bytes } = reader.tail() {
            let what = if is_alive {
                format!("its writer lives and has {bytes} bytes of a record on their way")
            } else {
                format!(
                    "it ends in {bytes} bytes that are no whole record, as after a crash; they do not count"
                )
            };
            self.remark(Area::Journal, name, what);
        }
        Ok(())
    }

    fn segment_name(&self, segment: &SegmentRef) -> String {
        let file = self.named(&segment.path);
        if segment.packed { format!("{file} (segment {:032x})", segment.segment) } else { file }
    }

    /// Names a file of ours from the root of the workspace.
    fn named(&self, path: &Path) -> String {
        let inside = path.strip_prefix(self.workspace.root()).unwrap_or(path);
        inside.display().to_string()
    }

    // ---- the store ----

    /// Compares the store with one built anew; returns the latter.
    fn store(&mut self) -> Result<Snapshot> {
        let journal = self.workspace.journal();
        let place = place_for_nameless(self.workspace);
        let copy = self.copy_of_store(&place)?;
        let rebuilt = Store::nameless(&place)?;
        let copy = copy.filter(|copy| self.is_intact(copy) && self.is_usable(copy));
        let is_whole = copy.as_ref().map_or(Ok(true), |copy| self.has_lost_nothing(copy))?;
        let mut grew = true;
        for attempt in 0..ATTEMPTS {
            let before = length_of(&journal);
            // What is not applied yet is applied to the copy, which then must hold what the journal says.
            let built = if attempt == 0 { rebuilt.rebuild(&journal) } else { rebuilt.apply(&journal) };
            // Where something is lost, it would be built anew instead, and would have lost it, too.
            let to_apply = copy.as_ref().filter(|_| is_whole);
            let applied = built.and_then(|_| to_apply.map_or(Ok(()), |copy| copy.apply(&journal).map(drop)));
            if let Err(error) = applied {
                self.fault(Area::Store, self.named(self.workspace.store().path()), error.in_full());
                break;
            }
            grew = length_of(&journal) != before;
            if !grew {
                break;
            }
        }
        let snapshot = rebuilt.snapshot()?.ok_or_else(|| {
            Error::store("cannot build a store from the journal").hint("nothing was changed")
        })?;
        match copy.map(|copy| copy.snapshot()).transpose()?.flatten() {
            Some(_) if grew => self.remark(
                Area::Store,
                self.named(self.workspace.store().path()),
                "not compared: runs are being recorded just now; check again when they are through",
            ),
            Some(store) => self.compare(&store, &snapshot, is_whole)?,
            None => {}
        }
        self.set_aside(&snapshot);
        Ok(snapshot)
    }

    /// Copies the store's file, so that opening it cannot change it; `None` where there is none.
    fn copy_of_store(&mut self, place: &Path) -> Result<Option<Store>> {
        let store = self.workspace.store();
        if !store.path().exists() {
            let name = self.named(store.path());
            self.remark(Area::Store, name, "not there; the next command builds it from the journal");
            return Ok(None);
        }
        let _lock = self.lock()?;
        store.nameless_copy(place).map(Some)
    }

    /// Keeps writers away while the file is copied, where they can be: a file system may know no locks. Where the workspace cannot be
    /// written there are none.
    fn lock(&mut self) -> Result<Option<StoreLock>> {
        match self.workspace.lock(LOCK_WAIT) {
            Ok(Attempt::Taken(lock)) => Ok(Some(lock)),
            Ok(Attempt::HeldBy(holder)) => {
                Err(Error::store(format!("cannot check the store: {holder} is writing to it"))
                    .hint("nothing was changed; try again when it is through"))
            }
            Err(error) => {
                self.may_be_torn = !is_for_want_of_permission(&error);
                Ok(None)
            }
        }
    }

    /// Says what is wrong with the copy of the store: with the store as well, unless that was written to meanwhile.
    fn store_fault(&mut self, what: impl Into<String>) {
        let (name, what) = (self.named(self.workspace.store().path()), what.into());
        if self.may_be_torn {
            let torn =
                "not compared: it may have been written to while it was copied, since it cannot be locked";
            self.remark(Area::Store, name, format!("{torn}; the copy: {what}"));
        } else {
            self.fault(Area::Store, name, what);
        }
    }

    /// Checks the pages of the store; what is in damaged pages is not read.
    fn is_intact(&mut self, copy: &Store) -> bool {
        let what = match copy.is_intact() {
            Ok(true) => return true,
            Ok(false) => {
                "its pages are damaged; once the journal is sound, delete it and it is rebuilt".to_owned()
            }
            Err(error) => error.in_full(),
        };
        self.store_fault(what);
        false
    }

    fn is_usable(&mut self, copy: &Store) -> bool {
        let what = match copy.snapshot() {
            Ok(Some(_)) => return true,
            Ok(None) => {
                "no store this program can read; the next command builds it from the journal".to_owned()
            }
            Err(error) => error.in_full(),
        };
        self.store_fault(what);
        false
    }

    /// Holds the facts of the store against those of one built anew; `is_brought_up` says that it has applied all there is.
    fn compare(&mut self, store: &Snapshot, rebuilt: &Snapshot, is_brought_up: bool) -> Result<()> {
        let name = self.named(self.workspace.store().path());
        let (in_store, in_journal) = match (digests(store), digests(rebuilt)) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(error), _) | (_, Err(error)) => {
                self.fault(Area::Store, name, error.in_full());
                return Ok(());
            }
        };
        self.report.totals.facts = Some(in_store.len() as u64);
        if in_store == in_journal {
            if store.counts()? != rebuilt.counts()? {
                let what = format!("it counts {:?}, the journal {:?}", store.counts()?, rebuilt.counts()?);
                self.fault(Area::Store, name, what);
            }
            return Ok(());
        }
        let lost = "the store has this fact and the journal has it no more";
        let missing = "the journal has this fact and the store lacks it; delete the store and it is rebuilt";
        for fact in only_in(store, &in_journal)? {
            self.fault(Area::Store, fact, lost);
        }
        if is_brought_up {
            for fact in only_in(rebuilt, &in_store)? {
                self.fault(Area::Store, fact, missing);
            }
        }
        Ok(())
    }

    // ---- files ----

    /// Says what is not on disk as recorded; only an output that is lost for good is a fault.
    fn files(&mut self, snapshot: &Snapshot) -> Result<()> {
        let StatusReport { changed, lost, pending, unreadable, compared, .. } =
            status(&self.workspace.with_digests(Digests::new()), snapshot, self.workspace.root(), &[])?;
        self.report.totals.files = compared;
        for file in changed {
            let subject = file.file.artifact.path.to_string();
            self.remark(Area::Files, subject, "has other bytes than were recorded");
        }
        for file in pending {
            let subject = file.artifact.path.to_string();
            self.remark(Area::Files, subject, "not on disk; its content is kept");
        }
        for (file, reason) in unreadable {
            self.remark(Area::Files, file.artifact.path.to_string(), reason);
        }
        for file in lost {
            let subject = file.artifact.path.to_string();
            match file.writer {
                Some(writer) => {
                    let what = format!("lost: written by run {}, not on disk and not kept", writer.tail);
                    self.fault(Area::Files, subject, what);
                }
                None => self.remark(Area::Files, subject, "a source that is no longer on disk"),
            }
        }
        Ok(())
    }
}

/// Returns how many bytes the journal has.
fn length_of(journal: &Path) -> u64 {
    let listing = journal::list(journal, &|_| false).unwrap_or_default();
    listing.segments.iter().map(|segment| segment.length).sum()
}

/// Says whether the workspace cannot be written by whoever asks.
fn is_for_want_of_permission(error: &Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| matches!(cause.kind(), PermissionDenied | ReadOnlyFilesystem))
}

/// Chooses where temporary stores lie, each in turn: in the workspace, or where that cannot be written in the system's folder for
/// such files.
fn place_for_nameless(workspace: &Workspace) -> PathBuf {
    let name = format!("verify-{:x}.redb", NodeId::new(Default::default()).as_u128());
    let inside = workspace.root().join(WORKSPACE_FOLDER).join(&name);
    if Store::nameless(&inside).is_ok() {
        inside
    } else {
        std::env::temp_dir().join(format!("lineage-{name}"))
    }
}
