//! `lineage research`: a folder of research documents, read, recorded and indexed.

mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::digests::Digests;
use crate::disk::{open_regular, read_regular};
use crate::error::{Error, Result};
use crate::journal::Writer;
use crate::model::{Artifact, ArtifactPath, Digest, Fact, NodeId, Note, NoteGone, Timestamp, printed_word};
use crate::ops::project::{Fault, ProjectRequest, project_these};
use crate::ops::{Clock, Overwriting, View, Workspace};
use crate::projection::{INDEX_NAME, PlannedContent, is_own_index, place, research_index};
use crate::research::{self, DOCUMENT_MAX_BYTES, READER, Surroundings};
use scan::Scan;

/// Where research documents lie unless another folder is named.
pub const RESEARCH_FOLDER: &str = "thoughts/shared/research";

/// What is to be done.
#[derive(Debug, Clone)]
pub struct ResearchRequest {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// Only tell what has changed; write nothing.
    pub check: bool,
    /// Read every document, also those whose size and times say that they were not touched.
    pub reread: bool,
    /// Replace an index that somebody else wrote, or edited.
    pub force: bool,
}

/// What was found and done.
#[derive(Debug, Clone)]
pub struct ResearchReport {
    /// The folder, seen from the workspace's root.
    pub folder: ArtifactPath,
    /// The documents, by path.
    pub documents: Vec<Listed>,
    /// Documents that were recorded here and are gone.
    pub gone: Vec<ArtifactPath>,
    /// What could not be read or was not entered, and why, by path.
    pub skipped: Vec<(String, String)>,
    /// What is no document, for all its name says, and what it is, by path: links and pipes. Nothing is left to do there.
    pub passed_over: Vec<(String, String)>,
    /// The index.
    pub index: ArtifactPath,
    /// What became of it.
    pub index_state: IndexState,
    /// Whether nothing was to be written.
    pub check: bool,
    /// How many documents had to be read.
    pub read: usize,
    /// What is worth knowing and no failure, beside what the view says that was asked.
    pub warnings: Vec<String>,
}

/// A document in an index.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The document as it is now.
    pub note: Note,
    /// How it relates to what is recorded.
    pub state: DocumentState,
}

/// How a document relates to what is recorded of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentState {
    /// Nothing was recorded of it.
    New,
    /// It has other bytes.
    Changed,
    /// The same bytes, but what they lead to, or how they are read, is another.
    ReadAnew,
    /// As it was recorded.
    Unchanged,
}

impl DocumentState {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            DocumentState::New => "new",
            DocumentState::Changed => "changed",
            DocumentState::ReadAnew => "read anew",
            DocumentState::Unchanged => "unchanged",
        }
    }
}

/// What became of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// It is as it must be.
    Unchanged,
    /// It was written.
    Written,
    /// It is absent or out of date, and was not to be written.
    Differs,
    /// Somebody else wrote or edited it; it was left as it is.
    Foreign,
}

impl IndexState {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            IndexState::Unchanged => "unchanged",
            IndexState::Written => "written",
            IndexState::Differs => "differs",
            IndexState::Foreign => "not ours",
        }
    }
}

impl ResearchReport {
    /// Returns how many documents are in a state.
    pub fn count(&self, state: DocumentState) -> usize {
        self.documents.iter().filter(|listed| listed.state == state).count()
    }

    /// Returns how many documents have faults.
    pub fn faulty(&self) -> usize {
        let has_fault = |listed: &&Listed| listed.note.findings.iter().any(|finding| finding.fault);
        self.documents.iter().filter(has_fault).count()
    }

    /// Returns true where all is recorded and indexed as it lies on the disk.
    pub fn is_up_to_date(&self) -> bool {
        let settled = !self.check
            || (self.gone.is_empty() && self.count(DocumentState::Unchanged) == self.documents.len());
        settled
            && self.skipped.is_empty()
            && matches!(self.index_state, IndexState::Unchanged | IndexState::Written)
    }
}

/// Reads the documents in a folder, records those that are new, changed or gone, and writes the index.
///
/// Without a view of the store, which is only for a check, every document counts as recorded: what is compared then is the
/// index with the documents.
///
/// # Errors
/// A request error where the folder cannot be read or lies outside the workspace, a store error where the journal or the
/// index cannot be written.
pub fn research(
    workspace: &Workspace,
    view: Option<&View>,
    clock: &Clock,
    request: &ResearchRequest,
) -> Result<ResearchReport> {
    let folder = folder_of(workspace, &request.folder)?;
    let scan = Scan::of(workspace.root(), &folder)?;
    let mut front = folder.as_bytes().to_vec();
    front.push(b'/');
    let recorded = view.map_or(Ok(Vec::new()), |view| view.snapshot.notes_below(&front))?;
    let recorded = recorded.into_iter().filter(|note| note.folder.as_ref() == Some(&folder));
    let recorded: BTreeMap<ArtifactPath, Note> =
        recorded.map(|note| (note.artifact.path.clone(), note)).collect();
    if let Some(view) = view {
        clock.not_before(view.snapshot.latest());
    }
    let mut reading =
        Reading { workspace, folder: &folder, recorded: &recorded, request, found: &scan.found };
    let ReadAll { documents, skipped, read } = reading.all(clock, view.is_some());
    let mut report = ResearchReport {
        gone: recorded.keys().filter(|path| !scan.found.contains(*path)).cloned().collect(),
        skipped: scan.skipped.into_iter().chain(skipped).collect(),
        passed_over: scan.passed_over,
        index: ArtifactPath::from_bytes([folder.as_bytes(), b"/", INDEX_NAME.as_bytes()].concat())?,
        folder,
        documents,
        index_state: IndexState::Unchanged,
        check: request.check,
        read,
        warnings: Vec::new(),
    };
    report.skipped.sort();
    report.passed_over.sort();
    if !request.check {
        record(workspace, clock, &report)?;
    }
    (report.index_state, report.warnings) = index(workspace, clock, &report, &recorded, request)?;
    report.warnings.retain(|warning| view.is_none_or(|view| !view.warnings.contains(warning)));
    Ok(report)
}

/// Returns the folder that is meant where none is named: the one whose documents are recorded, else [`RESEARCH_FOLDER`].
///
/// # Errors
/// A request error where the documents of several are recorded, a store error where a record is damaged.
pub fn usual_folder(workspace: &Workspace, view: Option<&View>) -> Result<PathBuf> {
    let notes = view.map_or(Ok(Vec::new()), |view| view.snapshot.notes_below(&[]))?;
    let folders: BTreeSet<ArtifactPath> = notes.into_iter().filter_map(|note| note.folder).collect();
    let usual = folders.iter().find(|folder| folder.as_bytes() == RESEARCH_FOLDER.as_bytes());
    let mut others = folders.iter();
    match (usual, others.next(), others.next()) {
        (None, Some(first), Some(second)) => {
            Err(Error::request("several folders of documents are indexed here")
                .hint(format!("name the one that is meant, such as `{first}` or `{second}`")))
        }
        (Some(folder), ..) | (None, Some(folder), None) => {
            let root = workspace.root();
            Ok(folder.on_disk(root).unwrap_or_else(|| root.join(RESEARCH_FOLDER)))
        }
        (None, None, _) => Ok(workspace.root().join(RESEARCH_FOLDER)),
    }
}

fn folder_of(workspace: &Workspace, folder: &Path) -> Result<ArtifactPath> {
    let named = folder.display().to_string();
    let named = named.escape_debug();
    let real = folder.canonicalize().map_err(|cause| {
        Error::request(format!("cannot read the folder `{named}`"))
            .because(cause)
            .hint(format!("name the folder of your documents; by default it is `{RESEARCH_FOLDER}`"))
    })?;
    if !real.is_dir() {
        return Err(Error::request(format!("`{named}` is no folder")).hint("name the folder it lies in"));
    }
    if real == workspace.root() {
        return Err(Error::request(format!(
            "`{}` is the workspace itself, whose README.md is not that of its documents",
            printed_word(&real)
        ))
        .hint("keep the documents in a folder of their own, and name that"));
    }
    let path = ArtifactPath::within(workspace.root(), &real).ok().filter(ArtifactPath::is_inside);
    path.ok_or_else(|| {
        Error::request(format!("`{named}` is no folder inside the workspace"))
            .hint(format!("the workspace is `{}`", workspace.root().display()))
    })
}

// ---- reading them ----

struct Reading<'a> {
    workspace: &'a Workspace,
    folder: &'a ArtifactPath,
    recorded: &'a BTreeMap<ArtifactPath, Note>,
    request: &'a ResearchRequest,
    found: &'a BTreeSet<ArtifactPath>,
}

/// A document as it was looked at.
enum Looked {
    /// It was not touched since it was recorded.
    Untouched(Note),
    /// It was read.
    Read(Note),
    Failed(String),
}

/// What came of all documents that were found.
#[derive(Default)]
struct ReadAll {
    documents: Vec<Listed>,
    /// Those that could not be read, and why.
    skipped: Vec<(String, String)>,
    /// How many were read.
    read: usize,
}

impl Reading<'_> {
    /// Reads what must be read, on all cores.
    fn all(&mut self, clock: &Clock, known: bool) -> ReadAll {
        let digests = match (known, self.request.reread) {
            // Where there is no workspace, nothing is made for its memory.
            (false, _) => Digests::new(),
            (true, true) => self.workspace.digests().reading_all(),
            (true, false) => self.workspace.digests().clone(),
        };
        let paths: Vec<&ArtifactPath> = self.found.iter().collect();
        let looked = paths.into_par_iter().map(|path| (path, self.look(path, &digests)));
        let looked: Vec<(&ArtifactPath, Looked)> = looked.collect();
        let mut all = ReadAll::default();
        for (path, looked) in looked {
            let listed = match looked {
                Looked::Untouched(note) => Listed { note, state: DocumentState::Unchanged },
                Looked::Read(note) => {
                    all.read += 1;
                    self.compared(note, clock, known)
                }
                Looked::Failed(why) => {
                    all.skipped.push((path.to_string(), why));
                    continue;
                }
            };
            all.documents.push(listed);
        }
        all
    }

    fn look(&self, path: &ArtifactPath, digests: &Digests) -> Looked {
        let place = path.on_disk(self.workspace.root()).unwrap_or_default();
        let digest = match digests.of(&place) {
            Ok(digest) => digest,
            Err(cause) => return Looked::Failed(cause.to_string()),
        };
        if let Some(known) = self.recorded.get(path)
            && digest == known.artifact.digest
            && known.reader == READER
            && !self.request.reread
            && !self.leads_elsewhere(known)
        {
            return Looked::Untouched(known.clone());
        }
        match self.read(path, &place, digests) {
            Ok(note) => Looked::Read(note),
            Err(cause) => Looked::Failed(cause.to_string()),
        }
    }

    fn exists(&self, path: &str) -> bool {
        self.workspace.root().join(path).exists()
    }

    /// Returns true where something that this document names came or went since it was read.
    fn leads_elsewhere(&self, note: &Note) -> bool {
        let folder = note.artifact.path.folder();
        let mut looked_for = note.references.iter().filter(|reference| reference.is_looked_for(folder));
        looked_for.any(|reference| reference.missing == self.exists(&reference.name))
    }

    fn read(&self, path: &ArtifactPath, place: &Path, digests: &Digests) -> std::io::Result<Note> {
        let size_bytes = std::fs::metadata(place)?.len();
        let (bytes, digest) = if size_bytes > DOCUMENT_MAX_BYTES as u64 {
            use std::io::Read as _;
            let mut front = Vec::new();
            // One byte more than is read says that there is more.
            open_regular(place)?.take(DOCUMENT_MAX_BYTES as u64 + 1).read_to_end(&mut front)?;
            (front, digests.of(place)?)
        } else {
            let bytes = read_regular(place)?;
            let digest = Digest::of(&bytes);
            (bytes, digest)
        };
        let size_bytes = if size_bytes > DOCUMENT_MAX_BYTES as u64 { size_bytes } else { bytes.len() as u64 };
        let name = String::from_utf8_lossy(path.file_name());
        let folder = String::from_utf8_lossy(path.folder());
        let exists = |path: &str| self.exists(path);
        let surroundings = Surroundings { name: &name, folder: &folder, exists: &exists };
        let document = research::read(&bytes, &surroundings);
        Ok(Note {
            id: NodeId::from_u128(0),
            artifact: Artifact { path: path.clone(), digest, size_bytes },
            at: Timestamp::from_micros(0),
            folder: Some(self.folder.clone()),
            fields: document.fields,
            summary: document.summary,
            references: document.references,
            findings: document.findings,
            reader: READER,
        })
    }

    /// Compares a document with what is recorded of it; what is to be recorded gets its key and its time.
    fn compared(&self, mut note: Note, clock: &Clock, known: bool) -> Listed {
        let recorded = self.recorded.get(&note.artifact.path);
        let state = match recorded {
            None if known => DocumentState::New,
            None => DocumentState::Unchanged,
            Some(recorded) => {
                (note.id, note.at) = (recorded.id, recorded.at);
                if *recorded == note {
                    DocumentState::Unchanged
                } else if recorded.artifact.digest != note.artifact.digest {
                    DocumentState::Changed
                } else {
                    DocumentState::ReadAnew
                }
            }
        };
        if state != DocumentState::Unchanged {
            note.at = clock.now();
            note.id = NodeId::new(note.at);
        }
        Listed { note, state }
    }
}

// ---- writing it down ----

fn record(workspace: &Workspace, clock: &Clock, report: &ResearchReport) -> Result<()> {
    let news = report.documents.iter().filter(|listed| listed.state != DocumentState::Unchanged);
    let mut facts = news.map(|listed| Fact::NoteRead(listed.note.clone())).collect::<Vec<_>>();
    let gone = report.gone.iter().cloned();
    facts.extend(gone.map(|path| Fact::NoteGone(NoteGone { path, at: clock.now() })));
    if facts.is_empty() {
        return Ok(());
    }
    let segment = NodeId::new(clock.now()).as_u128();
    let mut writer = Writer::create(workspace.disk(), &workspace.journal(), segment)?;
    facts.iter().try_for_each(|fact| writer.append(fact))?;
    writer.commit()
}

/// Compares the index with the documents, and brings it up to date unless this is only a check; with what became of it, what is
/// worth knowing of that.
fn index(
    workspace: &Workspace,
    clock: &Clock,
    report: &ResearchReport,
    recorded: &BTreeMap<ArtifactPath, Note>,
    request: &ResearchRequest,
) -> Result<(IndexState, Vec<String>)> {
    // Both lists are in the order of paths.
    let is_listed = |path: &ArtifactPath| {
        report.documents.binary_search_by(|listed| listed.note.artifact.path.cmp(path)).is_ok()
    };
    // What cannot be read just now is in the index as it was recorded.
    let unread =
        recorded.iter().filter(|(path, _)| !is_listed(path) && report.gone.binary_search(path).is_err());
    let documents = report.documents.iter().map(|listed| &listed.note);
    let notes: Vec<&Note> = documents.chain(unread.map(|(_, note)| note)).collect();
    let planned = research_index(&report.folder, notes)?;
    let PlannedContent::Bytes(bytes) = &planned.content else {
        return Err(Error::bug("an index is made from facts"));
    };
    let cannot_read = || Error::request(format!("cannot read `{}`", planned.path));
    let there = match read_regular(&place(workspace.root(), &planned.path)?) {
        Ok(there) => Some(there),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
        Err(cause) => return Err(cannot_read().because(cause)),
    };
    match there {
        Some(there) if there == *bytes => return Ok((IndexState::Unchanged, Vec::new())),
        Some(there) if request.check && !is_own_index(&there) => {
            return Ok((IndexState::Foreign, Vec::new()));
        }
        _ if request.check => return Ok((IndexState::Differs, Vec::new())),
        _ => {}
    }
    let overwriting = || Overwriting { command: "research", clock: clock.clone() };
    let forcing = ProjectRequest { force: request.force.then(overwriting), ..ProjectRequest::default() };
    let folder = &report.folder;
    let projected = project_these(workspace, &forcing, &[], &|snapshot| {
        let front = [folder.as_bytes(), b"/"].concat();
        let mut notes = snapshot.notes_below(&front)?;
        notes.retain(|note| note.folder.as_ref() == Some(folder));
        Ok(vec![research_index(folder, notes.iter().collect())?])
    })?;
    let state = match projected.files.first() {
        // Somebody else wrote it meanwhile.
        None => IndexState::Unchanged,
        Some(file) if file.mended => IndexState::Written,
        Some(file) => match &file.fault {
            Fault::Edited { .. } => IndexState::Foreign,
            Fault::Lost(reason) | Fault::Blocked(reason) => {
                return Err(Error::store(format!("cannot write `{}`", planned.path)).because(reason.clone()));
            }
            Fault::Missing | Fault::Outdated | Fault::Unwanted { .. } => IndexState::Differs,
        },
    };
    Ok((state, projected.warnings))
}
