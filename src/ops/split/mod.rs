//! `lineage split`: files into parts that stay put, by a keyed digest of the group they belong to.

pub mod assign;
mod check;
mod find;
mod given;
pub mod groups;
mod left;
pub mod manifest;

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::content::Access;
use crate::disk::open_regular;
use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Generated, NodeId, Parameter, Role, Run, RunKind,
    RunStatus, Step, Timestamp, Used, recorded_word,
};
use crate::ops::code::code_state;
use crate::ops::{Clock, Overwriting, Recording, RunRequest, Workspace, host};
use crate::projection::{self, Lies, names};

use assign::{Group, Ratios};
use groups::By;
use manifest::{GroupedFile, MANIFEST, Manifest, Plan, Written};

pub use check::{Fault, check};
pub(crate) use given::Given;

/// Where lists and manifest are put where nothing else is said.
pub const FOLDER: &str = "data/splits";

/// What is to be split, and how.
#[derive(Debug, Clone)]
pub struct SplitRequest {
    /// Files, folders and patterns, seen from `folder`.
    pub inputs: Vec<PathBuf>,
    /// What files are grouped by; see [`By::parse`].
    pub by: String,
    /// The ratios, such as `80/10/10`.
    pub ratios: String,
    /// The names of the parts; by default `train`, `validation` and `test`, or `train` and `test`.
    pub names: Vec<String>,
    /// The seed, any text.
    pub seed: String,
    /// Where lists and manifest are put, seen from `folder`; by default [`FOLDER`] of the workspace.
    pub out: Option<PathBuf>,
    /// Whether a file without a group is one of its own; else it is refused.
    pub missing_is_own: bool,
    /// Whether files that nobody recorded are overwritten; what they hold is kept.
    pub force: bool,
    /// The folder that words are seen from, absolute and free of symbolic links.
    pub folder: PathBuf,
    /// The run's name.
    pub name: String,
    /// The command line, for the record.
    pub arguments: Vec<String>,
    /// The run this is started by.
    pub parent: Option<NodeId>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The run.
    pub run: Run,
    /// The manifest.
    pub manifest: Manifest,
    /// The folder that lists and manifest lie in.
    pub folder: ArtifactPath,
    /// How many files in folders were passed over, since they are no data.
    pub passed_over: u64,
    /// How many files were passed over, since a later run of the pipeline made them anew from the same filings.
    pub superseded: u64,
    /// What went wrong without harm.
    pub notes: Vec<String>,
}

/// As many files without a group are named.
const NAMED_MAX: usize = 5;
/// A larger file is not read for its group.
const FILE_MAX_BYTES: u64 = 512 << 20;
/// Of larger files, one at a time is held in memory.
const SMALL_MAX_BYTES: u64 = 8 << 20;

/// Splits files and records it as a run.
///
/// # Errors
/// A request error where the request makes no sense, a file has no group, or a file would be overwritten that nobody
/// recorded; a store error where something cannot be written. Nothing is written then.
pub fn split(workspace: &Workspace, clock: &Clock, request: &SplitRequest) -> Result<Summary> {
    names::check_run_name(&request.name)?;
    let by = By::parse(&request.by)?;
    let plan = plan(request)?;
    let not_all_of_it = Ratios::parse(&plan.ratios)?.not_all_of_it();
    let folder = out_folder(workspace, &request.folder, request.out.as_deref())?;
    let mine = |path: &ArtifactPath| path.folder() == folder.as_bytes() && is_ours(&plan, path);
    let mut found = find::find(workspace, &request.folder, &request.inputs, &by, &mine)?;
    let view = workspace.view()?;
    let superseded = find::leave_superseded(workspace, &view.snapshot, &mut found.files)?;
    // After everything that is recorded, whatever the machine's clock says: the files were written before they are read.
    clock.not_before(view.snapshot.latest());
    drop(view);
    let started_at = clock.now();
    let files = read_all(workspace, &found.files, &by, request.missing_is_own)?;
    let written = manifest::write(&plan, &files)?;
    let outputs = outputs(&folder, &plan, &written)?;
    let strangers = strangers(workspace, &outputs)?;
    if let Some((path, _)) = strangers.first().filter(|_| !request.force) {
        return Err(Error::request(format!(
            "`{path}` is there already, with bytes that are not recorded at this path"
        ))
        .hint("nothing was written; `--force` overwrites it, `--out FOLDER` puts the lists elsewhere"));
    }
    keep_strangers(workspace, clock, strangers)?;
    let mut recording = begin(workspace, clock, request, &plan)?;
    let recorded = record(workspace, &mut recording, &files, &written, &outputs, started_at);
    let run = recording.run().clone();
    match recorded {
        Ok(()) => {
            let mut notes = recording.finish(RunStatus::Succeeded, Some(0), None)?;
            notes.extend(not_all_of_it);
            notes.extend(left_over(workspace, &folder, &plan));
            let (manifest, passed_over) = (written.manifest, found.passed_over);
            Ok(Summary { run, manifest, folder, passed_over, superseded, notes })
        }
        Err(error) => {
            // The journal may take no more either; the run then ends as one whose process died.
            let _ = recording.finish(RunStatus::Failed, Some(1), Some(error.in_full()));
            Err(error)
        }
    }
}

/// Says which lists of an earlier split are left; what cannot be found out of them is no fault of a split that is done and recorded.
fn left_over(workspace: &Workspace, folder: &ArtifactPath, plan: &Plan) -> Vec<String> {
    let lists = match left::left_lists(workspace, folder, plan) {
        Ok(lists) => lists,
        Err(error) => {
            return vec![format!(
                "whether lists of an earlier split are left in `{folder}` is not known: {}",
                error.in_full()
            )];
        }
    };
    let said = lists.into_iter().map(|list| {
        format!(
            "`{list}` is still there, the list of a part that this split has not: what it names is in other parts now; \
             remove it before anybody reads it"
        )
    });
    said.collect()
}

fn plan(request: &SplitRequest) -> Result<Plan> {
    let ratios = Ratios::parse(&request.ratios)?;
    let mut part_names = request.names.clone();
    if part_names.is_empty() {
        part_names = match ratios.count() {
            2 => vec!["train".to_owned(), "test".to_owned()],
            3 => ["train", "validation", "test"].map(str::to_owned).to_vec(),
            count => {
                return Err(Error::request(format!("{count} parts have no names"))
                    .hint("name them: `--names train,dev,test,unseen`"));
            }
        };
    }
    if part_names.len() != ratios.count() {
        return Err(Error::request(format!(
            "there are {} ratios and {} names of parts",
            ratios.count(),
            part_names.len()
        )));
    }
    let mut seen = BTreeSet::new();
    for name in &part_names {
        names::check_run_name(name)
            .map_err(|_| Error::request(format!("`{}` cannot be the name of a part", name.escape_debug())))?;
        // Some file systems take `Train.txt` and `train.txt` for one file.
        if !seen.insert(name.to_lowercase()) {
            return Err(Error::request(format!("two parts are named `{name}`")));
        }
    }
    if request.seed.len() > 250 || request.seed.chars().any(char::is_control) {
        return Err(Error::request("the seed is too long, or holds control characters"));
    }
    Ok(Plan {
        by: request.by.clone(),
        seed: request.seed.clone(),
        ratios: request.ratios.clone(),
        names: part_names,
    })
}

/// Returns the folder of lists and manifest, which must lie in the workspace.
pub(super) fn out_folder(workspace: &Workspace, folder: &Path, out: Option<&Path>) -> Result<ArtifactPath> {
    let Some(out) = out else {
        return ArtifactPath::new(FOLDER);
    };
    let message = match ArtifactPath::within(workspace.root(), &folder.join(out)) {
        Ok(path) if path.is_inside() => return Ok(path),
        Ok(path) => format!("`{path}` does not lie in the workspace"),
        Err(_) => format!("`{}` is no folder below the workspace's root", out.display()),
    };
    Err(Error::request(message)
        .hint(format!("`--out` names a folder below `{}`", workspace.root().display())))
}

/// Returns true for the name of a list or the manifest.
fn is_ours(plan: &Plan, path: &ArtifactPath) -> bool {
    let name = path.file_name();
    name == MANIFEST.as_bytes() || plan.names.iter().any(|part| manifest::list_name(part).as_bytes() == name)
}

fn read_all(
    workspace: &Workspace,
    files: &BTreeSet<PathBuf>,
    by: &By,
    missing_is_own: bool,
) -> Result<Vec<GroupedFile>> {
    let files: Vec<&PathBuf> = files.iter().collect();
    let alone = Mutex::new(());
    let read = files.par_iter().map(|file| read_one(workspace, file, by, &alone));
    let read: Vec<(Artifact, Result<String, String>)> = read.collect::<Result<_>>()?;
    let mut grouped = Vec::with_capacity(read.len());
    let mut missing = Vec::new();
    for (artifact, group) in read {
        let group = match group {
            Ok(group) => Group::Found(group),
            Err(_) if missing_is_own => Group::Own(artifact.path.to_string()),
            Err(why) => {
                missing.push(format!("`{}`: {why}", artifact.path));
                continue;
            }
        };
        grouped.push(GroupedFile { artifact, group });
    }
    if missing.is_empty() {
        return Ok(grouped);
    }
    let count = missing.len();
    missing.truncate(NAMED_MAX);
    if count > NAMED_MAX {
        missing.push(format!("and {} more", count - NAMED_MAX));
    }
    // A filing need not say by which key EDGAR knows its company.
    let other = if by.as_str() == "cik" { "; `--by company_name` takes another field" } else { "" };
    let (what, verb) = if count == 1 { ("file", "has") } else { ("files", "have") };
    Err(Error::request(format!("{count} {what} {verb} no group by `{}`", by.as_str()))
        .because(missing.join("; "))
        .hint(format!("nothing was written; `--missing own` makes each such file a group of its own{other}")))
}

/// Reads a file's digest and group, the group from the same bytes as the digest; of those that are not small, one at a time where
/// all share `alone`.
fn read_one(
    workspace: &Workspace,
    file: &Path,
    by: &By,
    alone: &Mutex<()>,
) -> Result<(Artifact, Result<String, String>)> {
    let path = ArtifactPath::within(workspace.root(), file)?;
    let failed = |cause: io::Error| Error::request(format!("cannot read `{path}`")).because(cause);
    if by.needs_content() {
        let is_small = std::fs::metadata(file).map_err(failed)?.len() <= SMALL_MAX_BYTES;
        let _alone = (!is_small).then(|| alone.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(bytes) = read_up_to(file, FILE_MAX_BYTES).map_err(failed)? {
            let artifact = Artifact { path, digest: Digest::of(&bytes), size_bytes: bytes.len() as u64 };
            return Ok((artifact, by.group(file, &bytes)));
        }
    }
    let (digest, size_bytes) = workspace.digests().of_with_size(file).map_err(failed)?;
    let group = if by.needs_content() {
        Err("it is too long to be looked into".to_owned())
    } else {
        by.group(file, &[])
    };
    Ok((Artifact { path, digest, size_bytes }, group))
}

/// Reads a regular file; `None` where it is longer than that.
fn read_up_to(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = open_regular(path)?;
    if file.metadata()?.len() > bytes_max {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    // It may have grown.
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}

/// The files to write: the list of each part, and the manifest last.
fn outputs<'a>(
    folder: &ArtifactPath,
    plan: &Plan,
    written: &'a Written,
) -> Result<Vec<(ArtifactPath, &'a [u8])>> {
    let named = plan.names.iter().map(|name| manifest::list_name(name)).zip(&written.lists);
    let named = named.chain([(MANIFEST.to_owned(), &written.manifest_bytes)]);
    named
        .map(|(name, bytes)| Ok((ArtifactPath::new(format!("{folder}/{name}"))?, bytes.as_slice())))
        .collect()
}

/// Returns the outputs in whose places lies what is not recorded there: somebody made or edited it by hand.
fn strangers(
    workspace: &Workspace,
    outputs: &[(ArtifactPath, &[u8])],
) -> Result<Vec<(ArtifactPath, PathBuf)>> {
    let mut view = None;
    let mut strangers = Vec::new();
    for (path, bytes) in outputs {
        let place = projection::place(workspace.root(), path)?;
        let there = match projection::look(&place, workspace.digests()) {
            Lies::Nothing => continue,
            Lies::File(there) => there,
            Lies::Blocked(reason) => {
                return Err(Error::request(format!("cannot write `{path}`"))
                    .because(reason)
                    .hint("nothing was written; `--out FOLDER` puts the lists elsewhere"));
            }
        };
        if there == Digest::of(bytes) {
            continue;
        }
        if view.is_none() {
            view = Some(workspace.view()?);
        }
        let Some(snapshot) = view.as_ref().map(|view| &view.snapshot) else { continue };
        if snapshot.version_no(path, &there)?.is_none() {
            strangers.push((path.clone(), place));
        }
    }
    Ok(strangers)
}

/// Keeps and records what is about to be written over.
fn keep_strangers(
    workspace: &Workspace,
    clock: &Clock,
    strangers: Vec<(ArtifactPath, PathBuf)>,
) -> Result<()> {
    let kept = strangers.into_iter().map(|(path, place)| {
        let (digest, size_bytes) = workspace.contents().keep_place(workspace.root(), &place)?;
        Ok(Artifact { path, digest, size_bytes })
    });
    let kept = kept.collect::<Result<Vec<_>>>()?;
    Overwriting { command: "split", clock: clock.clone() }.record(workspace, kept)
}

fn begin(workspace: &Workspace, clock: &Clock, request: &SplitRequest, plan: &Plan) -> Result<Recording> {
    let snapshot = workspace.store().snapshot()?;
    let code = code_state(workspace, &|| snapshot.as_ref())?;
    drop(snapshot);
    let folder = request.folder.strip_prefix(workspace.root()).unwrap_or(&request.folder);
    let mut parameters: Vec<Parameter> = vec![
        ("by".to_owned(), plan.by.clone()),
        ("seed".to_owned(), plan.seed.clone()),
        ("ratios".to_owned(), plan.ratios.clone()),
        ("names".to_owned(), plan.names.join(",")),
    ];
    let inputs = request.inputs.iter();
    parameters.extend(
        inputs.map(|word| (given::INPUT.to_owned(), given::recorded_input(workspace, &request.folder, word))),
    );
    if request.missing_is_own {
        parameters.push(("missing".to_owned(), "own".to_owned()));
    }
    let request = RunRequest {
        arguments: request.arguments.clone(),
        parameters,
        folder: recorded_word(folder),
        code,
        parent: request.parent,
        host: host(),
        ..RunRequest::new(&request.name, RunKind::Command)
    };
    Recording::start(workspace, clock, request)
}

/// Records a step for each list, made from the files in it, and one for the manifest, made from the lists; then writes them.
///
/// A list is made from its own files alone: that the others are in another part says nothing on what is learned from it.
fn record(
    workspace: &Workspace,
    recording: &mut Recording,
    files: &[GroupedFile],
    written: &Written,
    outputs: &[(ArtifactPath, &[u8])],
    started_at: Timestamp,
) -> Result<()> {
    let parts: std::collections::HashMap<&str, &str> =
        written.manifest.files.iter().map(|file| (file.path.as_str(), file.part.as_str())).collect();
    let mut lists = Vec::new();
    for (number, (path, bytes)) in outputs.iter().enumerate() {
        let part = written.manifest.parts.get(number);
        let at = recording.now();
        let used = match part {
            Some(part) => {
                let own = files.iter().filter(|file| {
                    let path = std::str::from_utf8(file.artifact.path.as_bytes()).unwrap_or_default();
                    parts.get(path).is_some_and(|of| *of == part.name)
                });
                own.map(|file| used(&file.artifact, started_at)).collect()
            }
            None => lists.iter().map(|list| used(list, at)).collect(),
        };
        let at = recording.now();
        let artifact =
            Artifact { path: path.clone(), digest: Digest::of(bytes), size_bytes: bytes.len() as u64 };
        workspace.contents().keep_as(&artifact.digest, bytes, Access::ALL)?;
        lists.push(artifact.clone());
        recording.add(&Fact::StepDone(Step {
            subject: part.map_or_else(|| MANIFEST.to_owned(), |part| part.name.clone()),
            used,
            generated: vec![Generated { artifact, at, evidence: Evidence::Observed, role: Role::Data }],
            ..Step::new(NodeId::new(at), recording.run().id, "split", [started_at, at])
        }))?;
    }
    recording.commit()?;
    let files: Vec<(&ArtifactPath, &[u8])> = outputs.iter().map(|(path, bytes)| (path, *bytes)).collect();
    let written = projection::write_files(workspace.disk(), workspace.root(), &files);
    written.into_iter().collect::<Result<()>>()
}

fn used(artifact: &Artifact, at: Timestamp) -> Used {
    Used { artifact: artifact.clone(), at, evidence: Evidence::Observed, role: Role::Data }
}
