//! Taking a registry's files over: versions of models that were registered in another workspace, from the `metadata.json` that
//! was projected of each there.
//!
//! A file tells how a version stood when it was written, and not how it came to. So a version that is not recorded here is
//! recorded as [taken](crate::model::TakenEntry); of one that is, what the file says is newer becomes changes of it. Where a
//! file still says other than is recorded then, that is told.

mod changes;
mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::Value;

use crate::disk::read_regular;
use crate::error::{Error, Result};
use crate::model::{Artifact, Fact, ModelAct, ModelAlias, ModelChange, NodeId, check_alias, printed_word};
use crate::ops::keep::keep_taken;
use crate::ops::named::place_on_disk;
use crate::ops::registry::{Author, Held, view_of};
use crate::ops::taken::{derived_id, is_derived};
use crate::ops::{Clock, DiskState, Workspace, disk_state};
use crate::projection::registry_file;
use crate::store::Snapshot;

use file::{FileEntry, label, read};

/// What taking a registry over came to.
#[derive(Debug, Clone, Default)]
pub struct RegistryTaken {
    /// Every version that was read.
    pub entries: Vec<TakenVersion>,
    /// Files that say nothing that can be taken, and why, one line each.
    pub left_out: Vec<String>,
    /// What went wrong without harm, one line each.
    pub warnings: Vec<String>,
}

/// A version that a file speaks of.
#[derive(Debug, Clone)]
pub struct TakenVersion {
    /// The file.
    pub file: String,
    /// `name@version`.
    pub label: String,
    /// Its key.
    pub id: NodeId,
    /// What was recorded by it.
    pub news: TakenNews,
    /// Whether the run that trained it is recorded here; `None` where the file names none.
    pub run_recorded: Option<bool>,
    /// Of how many of its files the bytes lie here, and how many there are.
    pub files_here: (usize, usize),
    /// The fields of which something else is recorded here than the file says; none where another program wrote it.
    pub differs: Vec<String>,
    /// What is unsure or was not taken, one line each.
    pub remarks: Vec<String>,
}

/// What a file had to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenNews {
    /// The version was not recorded.
    New,
    /// Something had become of it.
    Changed,
    /// Nothing new.
    Known,
}

impl TakenNews {
    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            TakenNews::New => "new",
            TakenNews::Changed => "changed",
            TakenNews::Known => "known",
        }
    }
}

/// The name that the files of a registry have.
const FILE_NAME: &str = "metadata.json";
/// As many files are read.
const FILES_MAX: usize = 100_000;
/// A file of a registry is no larger.
const FILE_MAX_BYTES: u64 = 32 << 20;

/// Takes over the files named, and every `metadata.json` below the folders named, seen from `folder`.
///
/// # Errors
/// A request error where one is not there or a folder holds none, a store error where the journal cannot be written.
pub fn import_registry(
    workspace: &Workspace,
    clock: &Clock,
    author: &Author,
    folder: &Path,
    paths: &[PathBuf],
) -> Result<RegistryTaken> {
    let mut report = RegistryTaken::default();
    let mut files = Vec::new();
    for path in paths {
        files_of(&place_on_disk(folder, path)?, &mut files)?;
    }
    files.sort();
    files.dedup();
    let mut read_files = Vec::new();
    for file in files {
        let name = printed_word(file.strip_prefix(workspace.root()).unwrap_or(&file));
        match bytes_of(&file).and_then(|bytes| Ok((read(&bytes, clock.now())?, bytes))) {
            Ok((entry, bytes)) => read_files.push((name, entry, bytes)),
            Err(error) => report.left_out.push(format!("{name}: {}", error.in_full())),
        }
    }
    let here: Vec<Vec<Artifact>> =
        read_files.iter().map(|(_, entry, _)| files_here(workspace, entry)).collect();
    let held = Held::take(workspace, clock, author)?;
    let mut facts = Vec::new();
    let mut known = KnownNames {
        claims: Claims::of(read_files.iter().map(|(_, entry, _)| entry)),
        ..KnownNames::default()
    };
    let mut texts = Vec::new();
    for ((name, entry, bytes), here) in read_files.into_iter().zip(here) {
        match decide(&held, &mut known, &name, &entry, &mut facts) {
            Ok((news, mut remarks)) => {
                if news == TakenNews::New {
                    let here: Vec<&Artifact> = here.iter().collect();
                    remarks.extend(keep_taken(workspace, &here)?);
                }
                let run = entry.model.run.map(|run| held.snapshot.run_no(run)).transpose()?;
                report.entries.push(TakenVersion {
                    file: name,
                    label: label(&entry.model),
                    id: known.id_of(&held.snapshot, &entry)?,
                    news,
                    run_recorded: run
                        .map(|number| number.is_some())
                        .or_else(|| entry.names_run().then_some(false)),
                    files_here: (here.len(), entry.model.artifacts.len()),
                    differs: Vec::new(),
                    remarks,
                });
                texts.push(entry.has_id.then_some(bytes));
            }
            Err(error) => report.left_out.push(format!("{name}: {}", error.in_full())),
        }
    }
    let snapshot = if facts.is_empty() {
        report.warnings.extend(held.warnings);
        held.snapshot
    } else {
        let changed = report.entries.iter().filter(|entry| entry.news != TakenNews::Known);
        let concerned: Vec<NodeId> = changed.map(|entry| entry.id).chain(known.lost_alias).collect();
        let (snapshot, warnings) = held.record(&facts, &concerned)?;
        report.warnings.extend(warnings);
        snapshot
    };
    for (entry, text) in report.entries.iter_mut().zip(texts) {
        if let Some(text) = text {
            entry.differs = differing(&snapshot, entry.id, &text)?;
        }
    }
    Ok(report)
}

/// Lists a file, or what a folder holds; links are not followed.
fn files_of(place: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed =
        |place: &Path, cause| Error::request(format!("cannot read `{}`", printed_word(place))).because(cause);
    if !place.metadata().map_err(|cause| failed(place, cause))?.is_dir() {
        files.push(place.to_owned());
        return Ok(());
    }
    let before = files.len();
    let mut frontier = vec![place.to_owned()];
    while let Some(folder) = frontier.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|cause| failed(&folder, cause))? {
            let entry = entry.map_err(|cause| failed(&folder, cause))?;
            let kind = entry.file_type().map_err(|cause| failed(&folder, cause))?;
            if kind.is_dir() {
                frontier.push(entry.path());
            } else if kind.is_file() && entry.file_name() == FILE_NAME {
                files.push(entry.path());
            }
        }
        if files.len() > FILES_MAX {
            return Err(Error::request(format!(
                "`{}` holds more than {FILES_MAX} versions",
                printed_word(place)
            ))
            .hint("take it over part by part; nothing was recorded"));
        }
    }
    if files.len() == before {
        return Err(Error::request(format!("no `{FILE_NAME}` lies below `{}`", printed_word(place)))
            .hint("name the folder of a registry, such as `models/registry`, or files of it"));
    }
    Ok(())
}

fn bytes_of(file: &Path) -> Result<Vec<u8>> {
    let failed = |cause| Error::request("it cannot be read").because(cause);
    if file.metadata().map_err(failed)?.len() > FILE_MAX_BYTES {
        return Err(Error::request(format!("it is larger than {} MiB", FILE_MAX_BYTES >> 20)));
    }
    read_regular(file).map_err(failed)
}

/// Lists the files of a version that lie here with the bytes that its entry names.
fn files_here(workspace: &Workspace, entry: &FileEntry) -> Vec<Artifact> {
    let artifacts = entry.model.artifacts.par_iter().map(|held| &held.artifact);
    artifacts.filter(|artifact| disk_state(workspace, artifact) == DiskState::Unchanged).cloned().collect()
}

/// What this import itself has recorded so far, and no snapshot has yet.
#[derive(Default)]
struct KnownNames {
    versions: BTreeMap<(String, String), NodeId>,
    aliases: BTreeMap<(String, String), NodeId>,
    ids: BTreeSet<NodeId>,
    /// What the files say of who is called what.
    claims: Claims,
    /// Versions that are called otherwise by it.
    lost_alias: Vec<NodeId>,
}

/// What the files of a registry say together of who is called what.
#[derive(Default)]
struct Claims {
    of_version: BTreeMap<NodeId, Vec<String>>,
    /// Model and alias.
    of_any: BTreeSet<(String, String)>,
}

impl Claims {
    fn of<'e>(entries: impl Iterator<Item = &'e FileEntry>) -> Self {
        let mut claims = Claims::default();
        for entry in entries {
            let named = entry.aliases.iter().map(|alias| (entry.model.name.clone(), alias.clone()));
            claims.of_any.extend(named);
            claims.of_version.insert(entry.model.id, entry.aliases.clone());
        }
        claims
    }

    /// Returns true where an import said this, and the file of the version that it was said of is among these and says so no more.
    fn take_back(&self, said: &ModelAlias) -> bool {
        let is_said_no_more = said
            .model
            .is_none_or(|id| self.of_version.get(&id).is_some_and(|aliases| !aliases.contains(&said.alias)));
        said.by.is_empty() && is_derived(said.id) && is_said_no_more
    }
}

impl KnownNames {
    /// Returns the key that the version of an entry has here, whoever registered it; its own where there is none.
    fn id_of(&self, snapshot: &Snapshot, entry: &FileEntry) -> Result<NodeId> {
        Ok(self.named(snapshot, entry)?.unwrap_or(entry.model.id))
    }

    fn named(&self, snapshot: &Snapshot, entry: &FileEntry) -> Result<Option<NodeId>> {
        let (name, version) = (&entry.model.name, &entry.model.version);
        let taken = self.versions.get(&(name.clone(), version.clone())).copied();
        taken.map_or_else(|| Ok(snapshot.models_named(name, version)?.first().copied()), |id| Ok(Some(id)))
    }
}

/// Decides what is recorded by a file.
fn decide(
    held: &Held<'_>,
    known: &mut KnownNames,
    file: &str,
    entry: &FileEntry,
    facts: &mut Vec<Fact>,
) -> Result<(TakenNews, Vec<String>)> {
    let (snapshot, model) = (&held.snapshot, &entry.model);
    let mut remarks = entry.remarks.clone();
    match known.named(snapshot, entry)? {
        Some(id) if id == model.id && snapshot.model(id)?.is_some() => {
            let changes = changes::newer(snapshot, &view_of(snapshot, id)?, entry, file)?;
            let before = facts.len();
            take_aliases(held, known, entry, facts, &mut remarks)?;
            facts.extend(changes);
            let news = if facts.len() == before { TakenNews::Known } else { TakenNews::Changed };
            return Ok((news, remarks));
        }
        Some(_) if !entry.has_id => return Ok((TakenNews::Known, remarks)),
        Some(id) if id == model.id => {
            return Err(Error::request(format!("`{}` stands in another of the files, too", label(model))));
        }
        Some(id) => {
            return Err(Error::request(format!(
                "`{}` is registered here as another: {id}, not {}",
                label(model),
                model.id
            )));
        }
        None => {}
    }
    if known.ids.contains(&model.id) || snapshot.model(model.id)?.is_some() {
        return Err(Error::request(format!("its key {} is that of another version here", model.id)));
    }
    // Points of metrics would be said of both.
    if snapshot.run_no(model.id)?.is_some() {
        return Err(Error::request(format!("its key {} is that of a run here", model.id)));
    }
    known.ids.insert(model.id);
    known.versions.insert((model.name.clone(), model.version.clone()), model.id);
    facts.push(Fact::ModelRegistered(model.clone()));
    facts.extend(entry.withdrawn());
    take_aliases(held, known, entry, facts, &mut remarks)?;
    Ok((TakenNews::New, remarks))
}

impl FileEntry {
    fn names_run(&self) -> bool {
        let label = self
            .model
            .taken
            .as_ref()
            .is_some_and(|taken| taken.run_label.is_some() || taken.run_name.is_some());
        self.model.run.is_some() || label
    }

    /// Returns the statement that the version was withdrawn.
    fn withdrawn(&self) -> Option<Fact> {
        self.deleted.as_ref().map(|deleted| {
            Fact::ModelChanged(ModelChange {
                id: derived_id("withdrawal", &self.model.id.to_string(), deleted.at),
                model: self.model.id,
                name: self.model.name.clone(),
                at: deleted.at,
                by: deleted.by.clone(),
                reason: deleted.reason.clone(),
                act: ModelAct::Deleted,
            })
        })
    }
}

/// Takes the aliases of a version, as far as nothing is called so here, or what an import said of them is taken back by the same
/// files. What somebody here said of an alias stays: when another was called so, an entry does not say.
fn take_aliases(
    held: &Held<'_>,
    known: &mut KnownNames,
    entry: &FileEntry,
    facts: &mut Vec<Fact>,
    remarks: &mut Vec<String>,
) -> Result<()> {
    let (snapshot, model) = (&held.snapshot, &entry.model);
    let named = |alias: &str, of: Option<NodeId>, at| {
        Fact::ModelNamed(ModelAlias {
            id: derived_id("alias", &format!("{}\0{alias}", model.id), at),
            name: model.name.clone(),
            alias: alias.to_owned(),
            model: of,
            at,
            by: String::new(),
        })
    };
    for alias in &entry.aliases {
        if let Err(error) = check_alias(alias) {
            remarks.push(error.in_full());
            continue;
        }
        let place = (model.name.clone(), alias.clone());
        let last = snapshot.alias_statements(&model.name, alias)?.pop();
        let at = match (known.aliases.get(&place), &last) {
            (Some(id), _) if *id == model.id => continue,
            (None, Some(last)) if last.model == Some(model.id) => continue,
            (None, None) => Some(model.as_of()),
            (None, Some(last)) if known.claims.take_back(last) => {
                known.lost_alias.extend(last.model);
                Some(held.now())
            }
            _ => None,
        };
        let Some(at) = at else {
            remarks.push(format!(
                "`{alias}` is said to be its name, and is not here: `lineage models alias {} {alias}` makes it so",
                label(model)
            ));
            continue;
        };
        facts.push(named(alias, Some(model.id), at));
        known.aliases.insert(place, model.id);
    }
    // Of its statements on one alias, the last counts.
    let mut last: BTreeMap<String, ModelAlias> = BTreeMap::new();
    last.extend(snapshot.aliases_of(&model.name)?.into_iter().map(|said| (said.alias.clone(), said)));
    for (alias, said) in last {
        let is_claimed = known.claims.of_any.contains(&(model.name.clone(), alias.clone()));
        if said.model == Some(model.id) && !is_claimed && known.claims.take_back(&said) {
            facts.push(named(&alias, None, held.now()));
        }
    }
    Ok(())
}

/// Names the fields of a file that are not as they are recorded here.
fn differing(snapshot: &Snapshot, id: NodeId, file: &[u8]) -> Result<Vec<String>> {
    let Some(planned) = registry_file(snapshot, id)? else {
        return Ok(vec!["clashes".to_owned()]);
    };
    let planned = planned.made_bytes();
    if planned == Some(file) {
        return Ok(Vec::new());
    }
    let object = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let (Some(Value::Object(here)), Some(Value::Object(there))) = (planned.and_then(object), object(file))
    else {
        return Ok(Vec::new());
    };
    let differs = |key: &&String| here.get(*key) != there.get(*key);
    let mut names: Vec<String> = here.keys().chain(there.keys()).filter(differs).cloned().collect();
    names.sort();
    names.dedup();
    Ok(names)
}
