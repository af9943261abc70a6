//! `lineage split --check`: does a split still hold?

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath};
use crate::ops::Workspace;
use crate::ops::split::assign::{Group, Ratios};
use crate::ops::split::groups::By;
use crate::ops::split::left::left_lists;
use crate::ops::split::manifest::{self, GroupedFile, ListedFile, MANIFEST, Manifest, Plan};
use crate::ops::split::{given, out_folder, read_one, read_up_to};

/// Something that is not as a manifest says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, as the manifest names it.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// A larger manifest is not read.
const MANIFEST_MAX_BYTES: u64 = 1 << 30;

/// Checks the split in the folder `out`, seen from `folder`: every file is there with its bytes and its group, every group in
/// the part that seed and ratios give, lists and manifest have the bytes that follow from that, and no list lies beside them of a part
/// that an earlier split had. No file is in no part that lies in `inputs`, seen from `folder`; where there are none, in what the split was
/// given that wrote the manifest, as far as that is recorded.
///
/// # Errors
/// A request error where there is no manifest, or it is none, or where nothing lies in one of `inputs`.
pub fn check(
    workspace: &Workspace,
    folder: &Path,
    out: Option<&Path>,
    inputs: &[PathBuf],
) -> Result<(Manifest, Vec<Fault>)> {
    let out = out_folder(workspace, folder, out)?;
    let name = format!("{out}/{MANIFEST}");
    let read = |name: &str| {
        let place = ArtifactPath::new(name)?.on_disk(workspace.root());
        let place = place.ok_or_else(|| Error::request(format!("`{name}` is no file")))?;
        let failed = |cause| Error::request(format!("cannot read `{name}`")).because(cause);
        let bytes = read_up_to(&place, MANIFEST_MAX_BYTES).map_err(failed)?;
        bytes.ok_or_else(|| Error::request(format!("`{name}` is too long")))
    };
    let bytes = read(&name)?;
    let manifest = manifest::read(&name, &bytes)?;
    let by = By::parse(&manifest.by)?;
    let alone = Mutex::new(());
    let looked: Vec<(Option<GroupedFile>, Option<String>)> =
        manifest.files.par_iter().map(|file| look(workspace, file, &by, &alone)).collect();
    let mut faults = Vec::new();
    let mut files = Vec::new();
    for (listed, (file, what)) in manifest.files.iter().zip(looked) {
        files.extend(file);
        faults.extend(what.map(|what| Fault { path: listed.path.clone(), what }));
    }
    let names: Vec<String> = manifest.parts.iter().map(|part| part.name.clone()).collect();
    let plan =
        Plan { by: manifest.by.clone(), seed: manifest.seed.clone(), ratios: manifest.ratios.clone(), names };
    if Ratios::parse(&plan.ratios)?.count() != plan.names.len() {
        return Err(Error::request(format!("`{name}` has not as many parts as ratios")));
    }
    let rebuilt = manifest::write(&plan, &files)?;
    let parts: BTreeMap<&str, &str> =
        rebuilt.manifest.files.iter().map(|file| (file.path.as_str(), file.part.as_str())).collect();
    for listed in &manifest.files {
        if let Some(part) = parts.get(listed.path.as_str()).filter(|part| **part != listed.part) {
            let what = format!("is in `{}`, and its group belongs to `{part}`", listed.part);
            faults.push(Fault { path: listed.path.clone(), what });
        }
    }
    for (part, list) in plan.names.iter().zip(&rebuilt.lists) {
        let name = format!("{out}/{}", manifest::list_name(part));
        let what = match read(&name) {
            Ok(bytes) if bytes == *list => continue,
            Ok(_) => "does not list the files of its part".to_owned(),
            Err(error) => error.causes().first().cloned().unwrap_or_else(|| error.in_full()),
        };
        faults.push(Fault { path: name, what });
    }
    for path in left_lists(workspace, &out, &plan)? {
        let what = "is the list of a part that the split no longer has".to_owned();
        faults.push(Fault { path: path.to_string(), what });
    }
    for path in in_no_part(workspace, (folder, inputs), &out, &plan, &manifest)? {
        faults.push(Fault { path: path.to_string(), what: "is in no part".to_owned() });
    }
    if faults.is_empty() && rebuilt.manifest_bytes != bytes {
        let what = "is not the manifest of these files".to_owned();
        faults.push(Fault { path: name, what });
    }
    faults.sort();
    Ok((manifest, faults))
}

/// Lists the files that the split would take, and that are in none of its parts.
fn in_no_part(
    workspace: &Workspace,
    (folder, inputs): (&Path, &[PathBuf]),
    out: &ArtifactPath,
    plan: &Plan,
    manifest: &Manifest,
) -> Result<Vec<ArtifactPath>> {
    let view = workspace.view()?;
    let listed: HashSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    let taken =
        |path: &ArtifactPath| std::str::from_utf8(path.as_bytes()).is_ok_and(|path| listed.contains(path));
    if inputs.is_empty() {
        let manifest = ArtifactPath::new(format!("{out}/{MANIFEST}"))?;
        let given = given::given_at(&view.snapshot, &manifest)?;
        return given.map_or(Ok(Vec::new()), |given| given.not_taken(workspace, &view.snapshot, out, &taken));
    }
    let found = given::found_in(workspace, folder, inputs, &By::parse(&plan.by)?, (out, plan))?;
    given::left_of(workspace, &view.snapshot, found, &taken)
}

/// Looks at a file; returns it as the manifest has it, where it can, and what is wrong with it.
fn look(
    workspace: &Workspace,
    listed: &ListedFile,
    by: &By,
    alone: &Mutex<()>,
) -> (Option<GroupedFile>, Option<String>) {
    let artifact = ArtifactPath::new(listed.path.as_str()).and_then(|path| {
        Ok(Artifact { path, digest: listed.digest.parse()?, size_bytes: listed.size_bytes })
    });
    let artifact = match artifact {
        Ok(artifact) => artifact,
        Err(error) => return (None, Some(error.message().to_owned())),
    };
    let group = match &listed.group {
        Some(group) => Group::Found(group.clone()),
        None => Group::Own(artifact.path.to_string()),
    };
    let place = artifact.path.on_disk(workspace.root()).unwrap_or_default();
    let what = match workspace.digests().of(&place) {
        Err(cause) => Some(format!("cannot be read: {cause}")),
        Ok(digest) if digest != artifact.digest => Some("has other bytes than were split".to_owned()),
        Ok(_) => match read_one(workspace, &place, by, alone) {
            Ok((_, found)) if found.as_ref().ok() == listed.group.as_ref() => None,
            Ok((_, Ok(found))) => Some(format!("belongs to the group `{found}`")),
            Ok((_, Err(why))) => Some(format!("has no group: {why}")),
            Err(error) => Some(error.in_full()),
        },
    };
    (Some(GroupedFile { artifact, group }), what)
}
