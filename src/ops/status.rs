//! `lineage status`: what on the disk is no longer what is recorded, and what was made from it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::capture::git::HeadTree;
use crate::capture::ignored::IgnoreRules;
use crate::error::{Error, Result};
use crate::journal;
use crate::model::{Artifact, ArtifactPath, Digest, Role, RunId, RunKind, RunStatus, Timestamp};
use crate::ops::{WORKSPACE_FOLDER, Workspace};
use crate::projection;
use crate::query::{self, Ancestry, NewestFile, RunHead, Write};
use crate::store::{ArtifactNo, GO_ON, PathNo, RunNo, Snapshot, Store};

/// How the files on disk relate to what is recorded. Every list is sorted by path.
#[derive(Debug, Clone, Default)]
pub struct StatusReport {
    /// Files with other bytes than were last recorded.
    pub changed: Vec<AlteredFile>,
    /// Files in whose ancestry a path has other bytes now than went into them.
    pub stale: Vec<StaleFile>,
    /// Files that are neither on disk nor kept.
    pub lost: Vec<RecordedFile>,
    /// Files that are not on disk but kept: they can be written again.
    pub pending: Vec<RecordedFile>,
    /// Files that are there and cannot be read, and why.
    pub unreadable: Vec<(RecordedFile, String)>,
    /// Files beside recorded outputs that nobody recorded and git does not track; without hidden ones.
    pub unknown: Vec<ArtifactPath>,
    /// Runs without an end and without a process, unless a later run of the same kind and name took their place.
    pub interrupted: Vec<RunHead>,
    /// Runs whose process lives.
    pub running: Vec<RunHead>,
    /// What the journal holds and the store lacks.
    pub unapplied: Unapplied,
    /// How many recorded paths were compared with the disk.
    pub compared: u64,
    /// How many of them a later run superseded: of those only altered ones are listed.
    pub superseded: u64,
    /// How many files of code are gone and have their version in git's history.
    pub in_git: u64,
    /// How many recorded files outside the workspace are gone.
    pub gone_outside: u64,
    /// How many recorded artifacts are no files of this machine.
    pub elsewhere: u64,
    /// What could not be looked at, one line each.
    pub notes: Vec<String>,
}

impl StatusReport {
    /// Returns true where there is nothing to say: all files are as recorded, and nothing waits.
    pub fn is_clean(&self) -> bool {
        self.changed.is_empty()
            && self.stale.is_empty()
            && self.lost.is_empty()
            && self.pending.is_empty()
            && self.unreadable.is_empty()
            && self.unknown.is_empty()
            && self.interrupted.is_empty()
            && self.unapplied.segments == 0
    }
}

/// A recorded file and the run that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFile {
    /// The newest recorded version.
    pub artifact: Artifact,
    /// Who wrote it; `None` for a source.
    pub writer: Option<FileWriter>,
}

/// The run that wrote a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWriter {
    /// The shortest tail of its key that names it alone.
    pub tail: String,
    /// Its run id.
    pub run_id: RunId,
    /// What sort of execution it is.
    pub kind: RunKind,
    /// When the file was last written.
    pub at: Timestamp,
}

/// A file with other bytes than were last recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredFile {
    /// The file as recorded.
    pub file: RecordedFile,
    /// What it holds now.
    pub now: Digest,
    /// Whether an earlier recorded version of the path has these bytes.
    pub is_earlier_version: bool,
}

/// A file that was made from what is no longer so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleFile {
    /// The file.
    pub file: RecordedFile,
    /// What has other bytes now than went into it, by path.
    pub causes: Vec<StaleCause>,
}

/// A path that has other bytes now than went into a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaleCause {
    /// The last version that went into the file.
    pub used: Artifact,
    /// What lies there now.
    pub now: Digest,
    /// The tail of the run that wrote what lies there now; `None` where nobody recorded that write.
    pub run: Option<String>,
}

/// What the journal holds and the store lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unapplied {
    /// Segments with facts not yet applied.
    pub segments: u64,
    /// Their bytes, as far as they are not applied.
    pub bytes: u64,
}

/// What lies at a recorded path now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum OnDisk {
    Same,
    Other(Digest),
    Gone,
    Unreadable(String),
    Elsewhere,
}

/// Compares what is recorded with the disk: the files and folders in `paths`, seen from `folder`; all where there are none.
///
/// Every file is read, on all cores, unless it was read before and its identity, its size and all its times are the same
/// since. With [`Digests::reading_all`](crate::digests::Digests::reading_all) it is read in any case.
///
/// # Errors
/// A request error for a path outside of all that is recorded, a store error where a record is damaged.
pub fn status(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    paths: &[PathBuf],
) -> Result<StatusReport> {
    let asked = Asked::new(workspace, snapshot, folder, paths)?;
    let files = query::newest_files(snapshot)?;
    let targets: Vec<usize> =
        (0..files.len()).filter(|at| asked.has(files[*at].artifact.path.as_bytes())).collect();
    let current: Vec<(usize, Write)> = targets
        .iter()
        .filter_map(|at| Some((*at, files[*at].writer.filter(|_| !files[*at].superseded)?)))
        .collect();
    let writes: Vec<Write> = current.iter().map(|(_, write)| *write).collect();
    let ancestry = Ancestry::of(snapshot, &writes)?;
    let mut looking = Looking {
        workspace,
        snapshot,
        places: files.iter().enumerate().map(|(at, file)| (file.path_no, at)).collect(),
        files,
        disk: HashMap::new(),
        kept: HashSet::new(),
        writers: HashMap::new(),
        report: StatusReport::default(),
    };
    looking.compare(&targets, &ancestry.paths());
    looking.sort_out(&targets)?;
    looking.find_stale(&current, &ancestry)?;
    looking.find_unknown(&asked)?;
    if paths.is_empty() {
        looking.find_unended()?;
        looking.find_unapplied()?;
    }
    Ok(looking.report)
}

/// The part of the workspace that is asked about.
struct Asked {
    fronts: Vec<Vec<u8>>,
    all: bool,
}

impl Asked {
    fn new(workspace: &Workspace, snapshot: &Snapshot, folder: &Path, paths: &[PathBuf]) -> Result<Self> {
        let mut asked = Asked { fronts: Vec::new(), all: paths.is_empty() };
        for path in paths {
            let joined = folder.join(path);
            // What is gone may still be recorded, so only the folder has to be there.
            let resolved = joined.canonicalize().or_else(|_| {
                let parent = joined.parent().unwrap_or(&joined).canonicalize();
                parent.map(|parent| parent.join(joined.file_name().unwrap_or_default()))
            });
            let place = resolved.unwrap_or(joined);
            if place == workspace.root() {
                asked.all = true;
                continue;
            }
            let front = ArtifactPath::within(workspace.root(), &place)?;
            let below = [front.as_bytes(), b"/"].concat();
            let recorded = snapshot.path_no(&front)?.is_some()
                || snapshot.paths_from(&below, |_, _| Ok(ControlFlow::Break(())))?.is_break();
            if !recorded && !place.exists() {
                return Err(Error::request(format!(
                    "nothing is recorded of `{front}`, and there is no such file"
                ))
                .hint("`lineage status` without a path looks at everything recorded"));
            }
            asked.fronts.push(front.as_bytes().to_vec());
        }
        Ok(asked)
    }

    fn has(&self, path: &[u8]) -> bool {
        self.all || self.fronts.iter().any(|front| is_below(path, front))
    }
}

fn is_below(path: &[u8], front: &[u8]) -> bool {
    path.strip_prefix(front).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

struct Looking<'a> {
    workspace: &'a Workspace,
    snapshot: &'a Snapshot,
    files: Vec<NewestFile>,
    places: HashMap<PathNo, usize>,
    disk: HashMap<usize, OnDisk>,
    /// Those that are gone from the disk and kept.
    kept: HashSet<usize>,
    writers: HashMap<RunNo, Option<(String, RunId, RunKind)>>,
    report: StatusReport,
}

impl Looking<'_> {
    /// Reads the files on disk: those asked about, and those they were made from.
    fn compare(&mut self, targets: &[usize], ancestors: &HashSet<PathNo>) {
        let ancestors = ancestors.iter().filter_map(|path| self.places.get(path));
        let wanted: BTreeSet<usize> = targets.iter().chain(ancestors).copied().collect();
        let (workspace, files) = (self.workspace, &self.files);
        let looked = wanted.into_par_iter().map(|at| (at, on_disk(workspace, &files[at].artifact)));
        self.disk = looked.collect();
    }

    /// Puts each file asked about into its list.
    fn sort_out(&mut self, targets: &[usize]) -> Result<()> {
        self.kept = self.kept_among(targets);
        for at in targets {
            let file = self.files[*at].clone();
            self.report.compared += 1;
            self.report.superseded += u64::from(file.superseded);
            match self.disk[at].clone() {
                OnDisk::Same => {}
                OnDisk::Elsewhere => {
                    self.report.elsewhere += 1;
                    self.report.compared -= 1;
                }
                OnDisk::Other(now) => {
                    let is_earlier_version = self.snapshot.artifact_no(file.path_no, &now)?.is_some();
                    let file = self.recorded(&file)?;
                    self.report.changed.push(AlteredFile { file, now, is_earlier_version });
                }
                OnDisk::Unreadable(reason) => {
                    let file = self.recorded(&file)?;
                    self.report.unreadable.push((file, reason));
                }
                OnDisk::Gone if file.superseded => {}
                OnDisk::Gone if self.kept.contains(at) => {
                    let file = self.recorded(&file)?;
                    self.report.pending.push(file);
                }
                OnDisk::Gone if !file.artifact.path.is_inside() => self.report.gone_outside += 1,
                OnDisk::Gone if self.is_in_git(file.number)? => self.report.in_git += 1,
                OnDisk::Gone => {
                    let file = self.recorded(&file)?;
                    self.report.lost.push(file);
                }
            }
        }
        Ok(())
    }

    /// Returns those of the files gone from the disk whose content is kept and whole: a stored copy is never trusted unread.
    fn kept_among(&self, targets: &[usize]) -> HashSet<usize> {
        let gone = targets.par_iter().filter(|at| self.disk[at] == OnDisk::Gone);
        let kept = gone.filter(|at| {
            let digest = &self.files[**at].artifact.digest;
            matches!(self.workspace.contents().read(digest), Ok(Some(_)))
        });
        kept.copied().collect()
    }

    /// Returns true for a file of code that was read as it stands in a commit.
    fn is_in_git(&self, artifact: ArtifactNo) -> Result<bool> {
        let first = self
            .snapshot
            .reads_between(artifact, i64::MIN, i64::MAX, |_, step| Ok(ControlFlow::Break(step)))?;
        let edges = first.break_value().map_or(Ok(None), |step| self.snapshot.edges(step))?;
        Ok(edges.is_some_and(|edges| {
            edges.used.iter().any(|edge| edge.artifact == artifact && edge.role == Role::Code)
        }))
    }

    fn recorded(&mut self, file: &NewestFile) -> Result<RecordedFile> {
        let writer = match file.writer {
            Some(write) => self.writer(write)?,
            None => None,
        };
        Ok(RecordedFile { artifact: file.artifact.clone(), writer })
    }

    fn writer(&mut self, write: Write) -> Result<Option<FileWriter>> {
        let Some(edges) = self.snapshot.edges(write.step)? else {
            return Ok(None);
        };
        if !self.writers.contains_key(&edges.run) {
            let run = match self.snapshot.run(edges.run)? {
                Some(run) => Some((query::unique_tail(self.snapshot, run.id)?, run.run_id, run.kind)),
                None => None,
            };
            self.writers.insert(edges.run, run);
        }
        Ok(self.writers[&edges.run].clone().map(|(tail, run_id, kind)| FileWriter {
            tail,
            run_id,
            kind,
            at: Timestamp::from_micros(write.at),
        }))
    }

    /// Returns the digest of what lies at a path now; where it is gone and was written, that of what can be written again.
    fn now(&self, path: PathNo) -> Option<Digest> {
        let at = self.places.get(&path)?;
        let file = &self.files[*at];
        match self.disk.get(at)? {
            OnDisk::Other(digest) => Some(*digest),
            // What is no file, such as the environment of a program, is another thing to each of its readers.
            OnDisk::Gone | OnDisk::Elsewhere => file.writer.map(|_| file.artifact.digest),
            OnDisk::Same | OnDisk::Unreadable(_) => Some(file.artifact.digest),
        }
    }

    fn find_stale(&mut self, current: &[(usize, Write)], ancestry: &Ancestry) -> Result<()> {
        let outdated = ancestry.outdated(&|path| self.now(path));
        for ((at, _), outdated) in current.iter().zip(outdated) {
            // What was altered or lost itself is listed as that.
            let is_as_recorded = self.disk[at] == OnDisk::Same || self.kept.contains(at);
            if outdated.is_empty() || !is_as_recorded {
                continue;
            }
            let mut causes = Vec::with_capacity(outdated.len());
            for cause in outdated {
                let used = self.snapshot.artifact(cause.used)?;
                let Some(now) = self.now(cause.path) else { continue };
                let newest = self.files[self.places[&cause.path]].clone();
                let write = newest.writer.filter(|_| newest.artifact.digest == now);
                let run = match write {
                    Some(write) => self.writer(write)?.map(|writer| writer.tail),
                    None => None,
                };
                causes.push(StaleCause { used, now, run });
            }
            causes.sort();
            let file = self.files[*at].clone();
            let file = self.recorded(&file)?;
            self.report.stale.push(StaleFile { file, causes });
        }
        Ok(())
    }

    /// Finds files beside recorded outputs that nobody recorded.
    fn find_unknown(&mut self, asked: &Asked) -> Result<()> {
        let root = self.workspace.root();
        let git = match HeadTree::open(root) {
            Ok(git) => git,
            Err(error) => {
                self.report.notes.push(format!(
                    "which files git tracks is not known, so unknown files are not listed: {error}"
                ));
                return Ok(());
            }
        };
        let written =
            self.files.iter().filter(|file| file.writer.is_some() && file.artifact.path.is_inside());
        let folders: BTreeSet<&[u8]> = written.map(|file| file.artifact.path.folder()).collect();
        let rules = IgnoreRules::of(root);
        let mut unknown = Vec::new();
        for folder in folders {
            let place = match folder {
                b"" => Some(root.to_owned()),
                folder => ArtifactPath::from_bytes(folder.to_vec())?.on_disk(root),
            };
            // A folder that is gone has no files; what was in it is listed as such.
            let Some(Ok(entries)) = place.map(std::fs::read_dir) else {
                continue;
            };
            for entry in entries.flatten() {
                let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                if hidden || !entry.file_type().is_ok_and(|sort| !sort.is_dir()) {
                    continue;
                }
                let Ok(path) = ArtifactPath::within(root, &entry.path()) else {
                    continue;
                };
                let passed = self.snapshot.path_no(&path)?.is_some()
                    || rules.ignores(&entry.path(), false)
                    || projection::projected_from(self.snapshot, &path)?.is_some();
                if !passed && asked.has(path.as_bytes()) && !is_tracked(git.as_ref(), &entry.path()) {
                    unknown.push(path);
                }
            }
        }
        unknown.sort();
        self.report.unknown = unknown;
        Ok(())
    }

    /// Finds runs that have no end.
    fn find_unended(&mut self) -> Result<()> {
        let mut runs = Vec::new();
        self.snapshot.runs_newest_first(|number| {
            runs.push(number);
            Ok(GO_ON)
        })?;
        let mut later: HashSet<(RunKind, String)> = HashSet::new();
        for number in runs {
            let Some(view) = query::run_view(self.snapshot, number)? else {
                continue;
            };
            let is_latest = later.insert((view.run.kind, view.run.name.clone()));
            if !matches!(view.status(), RunStatus::Running | RunStatus::Interrupted) {
                continue;
            }
            let Some(mut head) = RunHead::read(self.snapshot, number)? else {
                continue;
            };
            head.alive = self.workspace.is_alive(head.view.live_segment());
            match head.status() {
                RunStatus::Running => self.report.running.push(head),
                _ if is_latest => self.report.interrupted.push(head),
                _ => {}
            }
        }
        Ok(())
    }

    fn find_unapplied(&mut self) -> Result<()> {
        let listing = journal::list(&self.workspace.journal(), &|pack| {
            self.snapshot.knows_pack(pack).unwrap_or(false)
        })?;
        for segment in Store::lacking(Some(self.snapshot), &listing)? {
            // What a live writer has just begun to write is not waiting for anybody.
            if self.workspace.is_alive(segment.segment) {
                continue;
            }
            self.report.unapplied.segments += 1;
            self.report.unapplied.bytes += segment.length - self.snapshot.applied_bytes(segment.segment)?;
        }
        Ok(())
    }
}

fn on_disk(workspace: &Workspace, artifact: &Artifact) -> OnDisk {
    let Some(place) = artifact.path.on_disk(workspace.root()) else {
        return OnDisk::Elsewhere;
    };
    match workspace.digests().of(&place) {
        Ok(digest) if digest == artifact.digest => OnDisk::Same,
        Ok(digest) => OnDisk::Other(digest),
        Err(cause)
            if matches!(cause.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            OnDisk::Gone
        }
        Err(cause) => OnDisk::Unreadable(cause.to_string()),
    }
}

fn is_tracked(git: Option<&HeadTree>, place: &Path) -> bool {
    let inside = git.and_then(|git| Some((git, place.strip_prefix(git.work_tree()?).ok()?)));
    inside.is_some_and(|(git, path)| {
        // A tree that cannot be read proves nothing; saying too little is the smaller harm here.
        path.starts_with(WORKSPACE_FOLDER)
            || git.contains(path.as_os_str().as_encoded_bytes()).unwrap_or(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CodeState, Evidence, Fact, Generated, NodeId, Step, StepStatus, Used};
    use crate::ops::{Clock, Recording, RunRequest};

    /// Records runs of one step each, `read=content … -> written=content`, and leaves on disk what they wrote and `disk` has.
    fn check(runs: &[&str], disk: &[&str], expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_000_000));
        for (number, run) in runs.iter().enumerate() {
            record(&workspace, &clock, &format!("step{number}"), run);
        }
        for word in disk {
            let (path, content) = word.split_once('=').unwrap();
            let place = workspace.root().join(path);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, content).unwrap();
        }
        let view = workspace.view().unwrap();
        let report = status(&workspace, &view.snapshot, workspace.root(), &[]).unwrap();
        let mut lines = Vec::new();
        lines.extend(report.changed.iter().map(|file| format!("changed {}", file.file.artifact.path)));
        lines.extend(report.stale.iter().map(|file| format!("stale {}", file.file.artifact.path)));
        lines.extend(report.lost.iter().map(|file| format!("lost {}", file.artifact.path)));
        lines.extend(report.pending.iter().map(|file| format!("pending {}", file.artifact.path)));
        lines.extend(report.unknown.iter().map(|path| format!("unknown {path}")));
        lines.extend(report.interrupted.iter().map(|head| format!("interrupted {}", head.view.run.name)));
        assert_eq!(lines, expected);
        assert_eq!(report.is_clean(), expected.is_empty());
    }

    /// `KEPT` before a content keeps it; `CUT` at the end leaves the run without an end.
    fn record(workspace: &Workspace, clock: &Clock, name: &str, run: &str) {
        let request = RunRequest {
            name: "r".to_owned(),
            kind: RunKind::Library,
            arguments: Vec::new(),
            parameters: Vec::new(),
            folder: String::new(),
            code: CodeState::default(),
            parent: None,
            rerun_of: None,
            host: String::new(),
        };
        let mut recording = Recording::start(workspace, clock, request).unwrap();
        let edges = run.trim_end_matches(" CUT");
        let (reads, writes) = edges.split_once(" -> ").unwrap();
        let artifact = |word: &str| {
            let (path, content) = word.split_once('=').unwrap();
            let bytes = content.trim_start_matches("KEPT");
            if content.starts_with("KEPT") {
                workspace.contents().keep(bytes.as_bytes()).unwrap();
            }
            let (path, digest) = (ArtifactPath::new(path).unwrap(), Digest::of(bytes.as_bytes()));
            Artifact { path, digest, size_bytes: bytes.len() as u64 }
        };
        let at = recording.now();
        let used = reads.split_whitespace().map(|word| {
            let role = if word.contains("://") { Role::Environment } else { Role::Data };
            Used { artifact: artifact(word), at, evidence: Evidence::Observed, role }
        });
        let used = used.collect();
        let ended_at = recording.now();
        let generated = writes.split_whitespace().map(|word| Generated {
            artifact: artifact(word),
            at: ended_at,
            evidence: Evidence::Observed,
            role: Role::Data,
        });
        let step = Step {
            id: NodeId::new(ended_at),
            run: recording.run().id,
            name: name.to_owned(),
            subject: String::new(),
            status: StepStatus::Succeeded,
            reason: None,
            started_at: at,
            ended_at,
            parameters: Vec::new(),
            key: None,
            cached_from: None,
            used,
            generated: generated.collect(),
        };
        recording.add(&Fact::StepDone(step)).unwrap();
        if run.ends_with(" CUT") {
            recording.commit().unwrap();
        } else {
            recording.finish(RunStatus::Succeeded, Some(0), None).unwrap();
        }
    }

    #[test]
    fn the_environment_of_one_program_does_not_make_stale_what_another_made() {
        let runs = ["env://python=1 a=1 -> b=1", "env://perl=1 env://python=2 a=1 -> c=1"];
        check(&runs, &["a=1", "b=1", "c=1"], &[]);
    }

    #[test]
    fn each_file_is_listed_as_what_it_is() {
        check(
            &["a=1 -> b=1 c=2 d=KEPT3"],
            &["a=9", "b=1", "x=1"],
            &["changed a", "stale b", "stale d", "lost c", "pending d", "unknown x"],
        );
    }

    #[test]
    fn a_source_that_is_gone_is_lost_but_not_one_outside_the_workspace() {
        check(&["gone=1 /nowhere/gone=1 -> b=1"], &["b=1"], &["lost gone"]);
    }

    #[test]
    fn a_run_without_an_end_is_interrupted_until_a_later_one_takes_its_place() {
        check(&["a=1 -> b=1 CUT"], &["a=1", "b=1"], &["interrupted r"]);
        check(&["a=1 -> b=1 CUT", "a=1 -> b=1"], &["a=1", "b=1"], &[]);
    }
}
