//! Taking over facts of others: what is recorded here already is passed over, and the rest counts when all of it is there.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, Hasher};
use std::ops::ControlFlow;
use std::path::PathBuf;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::journal::{self, Reader, Record, SegmentRef, Writer};
use crate::model::{Fact, Metric, NodeId, Stage};
use crate::ops::Workspace;
use crate::ops::here;
use crate::query::registry::{aliases, latest, model_view, production, versions};
use crate::store::Snapshot;

/// What was taken over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Facts that were not recorded here before, also those of which only some points of a metric were not.
    pub new: u64,
    /// Facts that were.
    pub known: u64,
    /// Runs among the new facts.
    pub runs: u64,
    /// Versions of models that two registered, of which one was new here: the one that has the name, and what the other is called.
    pub clashes: Vec<(String, String)>,
    /// Names that lead to another version here than before, such as `risk@production`.
    pub moved: Vec<MovedName>,
    /// Whether this was a backup of this workspace, brought back: see [`import_jsonl`](super::import_jsonl).
    pub brought_back: bool,
    /// Contents that were copied, and their bytes.
    pub contents: u64,
    /// The bytes of those contents.
    pub content_bytes: u64,
}

/// A name that leads to another version of a model than before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MovedName {
    /// The name: `risk@production`, `risk@latest`, `risk@champion`.
    pub name: String,
    /// The version that it led to.
    pub before: String,
    /// The version that it leads to now; `None` where it leads to none.
    pub now: Option<String>,
}

/// A segment being filled beside the journal; it takes its place in the journal when it is whole.
pub(crate) struct Taking<'a> {
    workspace: &'a Workspace,
    known: HashSet<u128, Marks>,
    folder: PathBuf,
    writer: Option<Writer>,
    segment: u128,
    lines: u64,
    taken: Taken,
    /// The segments of the runs that are taken, where they are this workspace's own.
    brought_back: Option<HashSet<u128>>,
    /// What was recorded before.
    before: Snapshot,
    /// New versions of models.
    models: Vec<NodeId>,
    /// Versions of models that something new became of, and models of which names were given.
    changed: BTreeSet<NodeId>,
    named: BTreeSet<String>,
}

/// A fact as it is to be recorded, with the marks that tell whether it is known: to be made on any core.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Of the start of a run, the segment that it was recorded in.
    run_segment: Option<u128>,
    /// Of a version of a model, its key.
    model: Option<NodeId>,
    /// Of a change of a version, that version.
    changed: Option<NodeId>,
    /// Of a name given to a version, the model.
    named: Option<String>,
    parts: Parts,
}

#[derive(Debug)]
enum Parts {
    Whole {
        mark: u128,
        kind: u8,
        version: u8,
        payload: Vec<u8>,
    },
    /// Points of metrics are known or new each by itself.
    Points(Vec<(u128, Metric)>),
}

impl Prepared {
    /// Prepares a fact.
    ///
    /// # Errors
    /// A bug where it cannot be encoded.
    pub fn of(fact: Fact) -> Result<Self> {
        let run_segment = match &fact {
            Fact::RunStarted(run) => Some(run.segment),
            _ => None,
        };
        let model = match &fact {
            Fact::ModelRegistered(model) => Some(model.id),
            _ => None,
        };
        let changed = match &fact {
            Fact::ModelChanged(change) => Some(change.model),
            _ => None,
        };
        let named = match &fact {
            Fact::ModelNamed(alias) => Some(alias.name.clone()),
            _ => None,
        };
        let parts = match fact {
            Fact::Metrics(points) => {
                let points = points.into_iter().map(|point| Ok((mark_of_point(&point)?, point)));
                Parts::Points(points.collect::<Result<_>>()?)
            }
            other => {
                let (kind, version, payload) = journal::encode_parts(&other)?;
                Parts::Whole { mark: mark(kind, version, &payload), kind, version, payload }
            }
        };
        Ok(Prepared { run_segment, model, changed, named, parts })
    }
}

/// What the name of a folder begins with in which facts are put together.
const FOLDER: &str = "taking-";

/// Removes what others have left behind who were killed while they took facts over.
fn sweep(workspace: &Workspace) {
    let Ok(entries) = std::fs::read_dir(workspace.folder()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let segment = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
        let Some(segment) = segment.and_then(|digits| u128::from_str_radix(digits, 16).ok()) else {
            continue;
        };
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir && !journal::writer_is_alive(&entry.path(), segment) {
            // Nothing was promised of it; what cannot be removed is in nobody's way.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl<'a> Taking<'a> {
    /// Begins with what the workspace has recorded. That is linear in it.
    ///
    /// # Errors
    /// A store error where store or journal cannot be read.
    pub fn begin(workspace: &'a Workspace) -> Result<Self> {
        let view = workspace.view()?;
        let known = known_marks(workspace)?;
        sweep(workspace);
        let segment = NodeId::new(view.snapshot.latest()).as_u128();
        let folder = workspace.folder().join(format!("{FOLDER}{segment:032x}"));
        let (writer, lines, taken, brought_back) = (None, 0, Taken::default(), None);
        let (models, changed, named, before) = (Vec::new(), BTreeSet::new(), BTreeSet::new(), view.snapshot);
        Ok(Taking {
            workspace,
            known,
            folder,
            writer,
            segment,
            lines,
            taken,
            brought_back,
            before,
            models,
            changed,
            named,
        })
    }

    /// Lets the runs that are taken count as recorded in this workspace, if no run is known here yet.
    pub fn bring_back(&mut self) -> Result<()> {
        let view = self.workspace.view()?;
        let any = view.snapshot.runs_newest_first(|_| Ok(ControlFlow::Break(())))?;
        self.brought_back = any.is_continue().then(HashSet::new);
        Ok(())
    }

    /// Returns how many facts were given so far.
    pub fn seen_lines(&self) -> u64 {
        self.lines
    }

    /// Takes a fact, unless it is known.
    ///
    /// # Errors
    /// A store error where it cannot be written down.
    pub fn take(&mut self, fact: Fact) -> Result<()> {
        self.take_prepared(Prepared::of(fact)?)
    }

    /// Takes a fact that was prepared, unless it is known.
    ///
    /// # Errors
    /// A store error where it cannot be written down.
    pub fn take_prepared(&mut self, fact: Prepared) -> Result<()> {
        self.lines += 1;
        if let Some(brought_back) = &mut self.brought_back {
            brought_back.extend(fact.run_segment);
        }
        match fact.parts {
            Parts::Whole { mark, kind, version, payload } => {
                if !self.known.insert(mark) {
                    self.taken.known += 1;
                    return Ok(());
                }
                self.taken.new += 1;
                self.taken.runs += u64::from(fact.run_segment.is_some());
                self.models.extend(fact.model);
                self.changed.extend(fact.changed);
                self.named.extend(fact.named);
                self.writer()?.append_record(kind, version, &payload)
            }
            Parts::Points(points) => {
                let new = points.into_iter().filter(|(mark, _)| self.known.insert(*mark));
                let new: Vec<Metric> = new.map(|(_, point)| point).collect();
                if new.is_empty() {
                    self.taken.known += 1;
                    return Ok(());
                }
                self.taken.new += 1;
                self.writer()?.append(&Fact::Metrics(new))
            }
        }
    }

    fn writer(&mut self) -> Result<&mut Writer> {
        if self.writer.is_none() {
            self.writer = Some(Writer::create(self.workspace.disk(), &self.folder, self.segment)?);
        }
        self.writer.as_mut().ok_or_else(|| Error::bug("a segment was made and is not there"))
    }

    /// Counts contents that were copied.
    pub fn count_contents(&mut self, contents: u64, bytes: u64) {
        self.taken.contents += contents;
        self.taken.content_bytes += bytes;
    }

    /// Puts the segment into the journal; from then on its facts count.
    ///
    /// # Errors
    /// A store error where the disk does not take it; nothing is taken over then.
    pub fn finish(mut self) -> Result<Taken> {
        let Some(mut writer) = self.writer.take() else {
            return Ok(std::mem::take(&mut self.taken));
        };
        let models = std::mem::take(&mut self.models);
        writer.commit()?;
        if let Some(segments) = self.brought_back.take().filter(|segments| !segments.is_empty()) {
            here::bring_back(self.workspace, &segments)?;
            self.taken.brought_back = true;
        }
        let (disk, journal) = (self.workspace.disk(), self.workspace.journal());
        let failed = |cause| {
            Error::store("cannot put the facts into the journal")
                .because(cause)
                .hint("nothing was taken over")
        };
        let name = journal::segment_name(self.segment);
        disk.create_folders(&journal).map_err(failed)?;
        disk.rename(&self.folder.join(&name), &journal.join(&name)).map_err(failed)?;
        // Until it lies there, its lock says that somebody is at it.
        drop(writer);
        disk.sync_folder(&journal).map_err(failed)?;
        self.changed.extend(&models);
        if !self.changed.is_empty() || !self.named.is_empty() {
            let now = self.workspace.view()?.snapshot;
            let mut names = std::mem::take(&mut self.named);
            for id in &self.changed {
                names.extend(now.model(*id)?.map(|model| model.name));
            }
            self.taken.clashes = clashes(&now, &names, &models)?;
            self.taken.moved = moved(&self.before, &now, &names)?;
        }
        Ok(std::mem::take(&mut self.taken))
    }
}

/// Names the versions among `models` that share name and number with another, each with that one.
fn clashes(
    snapshot: &Snapshot,
    names: &BTreeSet<String>,
    models: &[NodeId],
) -> Result<Vec<(String, String)>> {
    let mut clashes = Vec::new();
    let models: HashSet<&NodeId> = models.iter().collect();
    for name in names {
        for view in versions(snapshot, name)? {
            let Some(first) = view.clash_with else { continue };
            if models.contains(&first) || models.contains(&view.model.id) {
                clashes.push((format!("{name}@{}", view.model.version), view.label()));
            }
        }
    }
    clashes.sort();
    Ok(clashes)
}

/// Finds what of each model is called otherwise `now` than it was `before`.
fn moved(before: &Snapshot, now: &Snapshot, names: &BTreeSet<String>) -> Result<Vec<MovedName>> {
    let mut moved = Vec::new();
    for name in names {
        let now_called = called(now, name)?;
        for (word, version) in called(before, name)? {
            let led_to = now_called.get(&word).copied();
            if led_to != Some(version) {
                let label = |id| Ok(model_view(now, id)?.map(|view| view.label()));
                let before = label(version)?.unwrap_or_else(|| version.to_string());
                let now = led_to.map_or(Ok(None), label)?;
                moved.push(MovedName { name: format!("{name}@{word}"), before, now });
            }
        }
    }
    Ok(moved)
}

/// Returns the versions of a model by the words that lead to them, besides their numbers.
fn called(snapshot: &Snapshot, name: &str) -> Result<BTreeMap<String, NodeId>> {
    let mut called = aliases(snapshot, name)?;
    called.extend(production(snapshot, name)?.map(|id| (Stage::Production.as_str().to_owned(), id)));
    called.extend(latest(snapshot, name)?.map(|id| ("latest".to_owned(), id)));
    Ok(called)
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        // Nothing was promised of what lies here still; what cannot be removed is in nobody's way.
        drop(self.writer.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// As many bytes of a segment are read at once; more where a record is longer.
const PIECE_BYTES: u64 = 16 << 20;
const PIECE_MAX_BYTES: u64 = 256 << 20;
/// So often the journal is listed again when segments were packed meanwhile.
const LISTINGS_MAX: usize = 100;

/// Returns the marks of all that the journal holds: it has every fact that was recorded, also those that do not count.
fn known_marks(workspace: &Workspace) -> Result<HashSet<u128, Marks>> {
    for _ in 0..LISTINGS_MAX {
        let listing = journal::list(&workspace.journal(), &|_| false)?;
        let marks = listing.segments.par_iter().map(marks_of).collect::<Result<Vec<_>>>()?;
        if marks.iter().all(Option::is_some) {
            let count = marks.iter().flatten().map(Vec::len).sum();
            let mut known = HashSet::with_capacity_and_hasher(count, Marks);
            known.extend(marks.into_iter().flatten().flatten());
            return Ok(known);
        }
    }
    Err(Error::store("cannot tell what is recorded: the journal changes too fast")
        .hint("nothing was taken over; try again"))
}

/// Returns the marks of a segment, of one that is damaged as far as it can be read: to record a fact twice harms nothing. `None`
/// where a packer has moved it meanwhile.
fn marks_of(segment: &SegmentRef) -> Result<Option<Vec<u128>>> {
    let (mut marks, mut offset, mut bytes_max) = (Vec::new(), 0, PIECE_BYTES);
    loop {
        let Some(bytes) = journal::read_segment(segment, offset, bytes_max)? else { return Ok(None) };
        let Ok(Some(mut reader)) = Reader::new("known", &bytes) else { return Ok(Some(marks)) };
        let before = marks.len();
        while let Some(record) = reader.next_record() {
            marks_of_record(record, &mut marks)?;
        }
        offset = reader.offset();
        let is_stuck = marks.len() == before;
        if !bytes.more || (is_stuck && bytes_max >= PIECE_MAX_BYTES) {
            return Ok(Some(marks));
        }
        bytes_max = if is_stuck { bytes_max * 4 } else { PIECE_BYTES };
    }
}

fn marks_of_record(record: Record<'_>, marks: &mut Vec<u128>) -> Result<()> {
    let Record { kind, version, payload, .. } = record;
    if journal::is_as_encoded(kind, version) {
        marks.push(mark(kind, version, payload));
        return Ok(());
    }
    // What this program does not know, it cannot be given either.
    let Ok(fact) = journal::decode(&[&[kind, version], payload].concat()) else { return Ok(()) };
    match Prepared::of(fact)?.parts {
        Parts::Whole { mark, .. } => marks.push(mark),
        Parts::Points(points) => marks.extend(points.into_iter().map(|(mark, _)| mark)),
    }
    Ok(())
}

fn mark_of_point(point: &Metric) -> Result<u128> {
    let (kind, version, payload) = journal::encode_parts(&Fact::Metrics(vec![point.clone()]))?;
    Ok(mark(kind, version, &payload))
}

/// Returns the front of the digest of a fact as it is encoded.
fn mark(kind: u8, version: u8, payload: &[u8]) -> u128 {
    let hash = blake3::Hasher::new().update(&[kind, version]).update(payload).finalize();
    let mut front = [0; 16];
    front.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_be_bytes(front)
}

/// Marks are hashes already: half of one is as good a hash as any.
#[derive(Clone, Copy, Default)]
struct Marks;

impl BuildHasher for Marks {
    type Hasher = Half;

    fn build_hasher(&self) -> Half {
        Half(0)
    }
}

struct Half(u64);

impl Hasher for Half {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, mark: u128) {
        self.0 = mark as u64;
    }
}
