//! `splits_manifest.json`: what was split, how, and what came of it; a function of the files and the request alone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{Artifact, Digest};
use crate::ops::split::assign::{Assigner, Group, METHOD, Ratios};

/// The name of the file.
pub const MANIFEST: &str = "splits_manifest.json";
const FORMAT: u32 = 1;

/// How files are split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What they are grouped by, as [`By::parse`](crate::ops::split::groups::By::parse) reads it.
    pub by: String,
    /// The seed.
    pub seed: String,
    /// The ratios, as they were given.
    pub ratios: String,
    /// The names of the parts.
    pub names: Vec<String>,
}

/// A file and its group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupedFile {
    /// The file.
    pub artifact: Artifact,
    /// Its group.
    pub group: Group,
}

/// A part of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// The file that lists its files, beside the manifest.
    pub list: String,
    /// The digest of that file.
    pub list_digest: String,
    /// The share that was asked for, of 1.
    pub asked: f64,
    /// The share of all files that it has.
    pub share_of_files: f64,
    /// The share of all groups that it has.
    pub share_of_groups: f64,
    /// How many files it has.
    pub files: u64,
    /// How many groups.
    pub groups: u64,
    /// How many bytes.
    pub size_bytes: u64,
}

/// A file as the manifest has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedFile {
    /// Its path, seen from the workspace.
    pub path: String,
    /// Its digest.
    pub digest: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its group; `null` where it is one of its own.
    pub group: Option<String>,
    /// The part it is in.
    pub part: String,
}

/// The whole document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format of the document.
    pub format: u32,
    /// How groups are assigned.
    pub method: String,
    /// What files are grouped by.
    pub by: String,
    /// The seed.
    pub seed: String,
    /// The ratios, as they were given.
    pub ratios: String,
    /// The parts.
    pub parts: Vec<Part>,
    /// The files, by path.
    pub files: Vec<ListedFile>,
}

/// A split as files: the list of each part, and the manifest.
#[derive(Debug, Clone)]
pub struct Written {
    /// The bytes of each list.
    pub lists: Vec<Vec<u8>>,
    /// The document.
    pub manifest: Manifest,
    /// Its bytes.
    pub manifest_bytes: Vec<u8>,
}

/// Makes lists and manifest.
///
/// # Errors
/// A request error where a path cannot stand in a list: one that is not UTF-8, or holds a line break.
pub fn write(plan: &Plan, files: &[GroupedFile]) -> Result<Written> {
    let ratios = Ratios::parse(&plan.ratios)?;
    let fractions = ratios.fractions();
    let assigner = Assigner::new(&plan.seed, ratios);
    let mut files: Vec<&GroupedFile> = files.iter().collect();
    files.sort();
    let mut lists = vec![Vec::new(); plan.names.len()];
    let mut groups: Vec<BTreeSet<&Group>> = vec![BTreeSet::new(); plan.names.len()];
    let (mut counts, mut sizes) = (vec![0_u64; plan.names.len()], vec![0_u64; plan.names.len()]);
    let mut listed = Vec::with_capacity(files.len());
    for file in &files {
        let path = text_of(&file.artifact)?;
        let part = assigner.part(&file.group);
        lists[part].extend_from_slice(path.as_bytes());
        lists[part].push(b'\n');
        groups[part].insert(&file.group);
        counts[part] += 1;
        sizes[part] += file.artifact.size_bytes;
        listed.push(ListedFile {
            path,
            digest: file.artifact.digest.to_string(),
            size_bytes: file.artifact.size_bytes,
            group: match &file.group {
                Group::Found(group) => Some(group.clone()),
                Group::Own(_) => None,
            },
            part: plan.names[part].clone(),
        });
    }
    let all_groups: usize = groups.iter().map(BTreeSet::len).sum();
    let parts = plan.names.iter().enumerate().map(|(part, name)| Part {
        name: name.clone(),
        list: list_name(name),
        list_digest: Digest::of(&lists[part]).to_string(),
        asked: rounded(fractions[part]),
        share_of_files: share(counts[part], files.len() as u64),
        share_of_groups: share(groups[part].len() as u64, all_groups as u64),
        files: counts[part],
        groups: groups[part].len() as u64,
        size_bytes: sizes[part],
    });
    let manifest = Manifest {
        format: FORMAT,
        method: METHOD.to_owned(),
        by: plan.by.clone(),
        seed: plan.seed.clone(),
        ratios: plan.ratios.clone(),
        parts: parts.collect(),
        files: listed,
    };
    let mut manifest_bytes = serde_json::to_vec_pretty(&manifest)
        .map_err(|cause| Error::bug("cannot write a manifest as JSON").because(cause))?;
    manifest_bytes.push(b'\n');
    Ok(Written { lists, manifest, manifest_bytes })
}

/// Reads a manifest.
///
/// # Errors
/// A request error where it is none, or one of a newer program.
pub fn read(name: &str, bytes: &[u8]) -> Result<Manifest> {
    let wrong = || Error::request(format!("`{name}` is no manifest of a split"));
    let front: serde_json::Value = serde_json::from_slice(bytes).map_err(|cause| wrong().because(cause))?;
    let format = front.get("format").and_then(serde_json::Value::as_u64);
    let method = front.get("method").and_then(serde_json::Value::as_str);
    if format.is_some_and(|format| format > u64::from(FORMAT)) || method.is_some_and(|m| m != METHOD) {
        return Err(Error::request(format!("`{name}` was written by a newer `lineage`"))
            .hint("use that one; nothing was changed"));
    }
    serde_json::from_value(front).map_err(|cause| wrong().because(cause))
}

/// How the name of a list ends.
const LIST_ENDING: &str = ".txt";

/// Returns the name of the list of a part.
pub fn list_name(part: &str) -> String {
    format!("{part}{LIST_ENDING}")
}

/// Tells whether a file's name may be that of a list.
pub(super) fn is_list_name(name: &[u8]) -> bool {
    name.ends_with(LIST_ENDING.as_bytes())
}

fn text_of(artifact: &Artifact) -> Result<String> {
    let text = std::str::from_utf8(artifact.path.as_bytes()).ok();
    text.filter(|text| !text.contains(['\n', '\r'])).map(str::to_owned).ok_or_else(|| {
        Error::request(format!("`{}` cannot stand in a list, whose lines are paths in UTF-8", artifact.path))
            .hint("give the file another name")
    })
}

fn share(part: u64, all: u64) -> f64 {
    rounded(part as f64 / all.max(1) as f64)
}

fn rounded(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ArtifactPath;

    fn file(path: &str, group: &str) -> GroupedFile {
        let digest = Digest::of(path.as_bytes());
        let artifact = Artifact { path: ArtifactPath::new(path).unwrap(), digest, size_bytes: 1 };
        GroupedFile { artifact, group: Group::Found(group.to_owned()) }
    }

    fn plan() -> Plan {
        Plan {
            by: "cik".to_owned(),
            seed: "42".to_owned(),
            ratios: "60/20/20".to_owned(),
            names: ["train", "validation", "test"].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_is_written_and_nothing_else_is() {
        let written = write(&plan(), &[file("a.json", "1"), file("b.json", "2")]).unwrap();
        assert_eq!(read("x", &written.manifest_bytes).unwrap(), written.manifest);
        let text = String::from_utf8(written.manifest_bytes).unwrap();
        for (from, to, says) in [
            ("\"format\": 1", "\"format\": 2", "newer"),
            ("blake3-keyed-1", "blake3-keyed-2", "newer"),
            ("\"by\"", "\"bye\"", "no manifest"),
            ("{", "[", "no manifest"),
        ] {
            let error = read("x", text.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
    }

    #[test]
    fn a_path_that_would_be_two_lines_is_refused() {
        let error = write(&plan(), &[file("a\nb.json", "1")]).unwrap_err();
        assert_eq!(error.message(), "`a\\x0ab.json` cannot stand in a list, whose lines are paths in UTF-8");
    }

    proptest! {
        #[test]
        fn a_company_that_comes_or_goes_moves_no_other(
            files in proptest::collection::btree_map("[a-z]{1,6}", 0_u8..12, 1..40), gone in 0_u8..12,
        ) {
            let of = |wanted: &dyn Fn(u8) -> bool| {
                let chosen = files.iter().filter(|(_, group)| wanted(**group));
                let chosen: Vec<GroupedFile> = chosen.map(|(path, group)| file(path, &group.to_string())).collect();
                write(&plan(), &chosen).unwrap()
            };
            let (all, fewer) = (of(&|_| true), of(&|group| group != gone));
            let kept = all.manifest.files.iter().filter(|f| f.group.as_deref() != Some(gone.to_string().as_str()));
            prop_assert_eq!(kept.cloned().collect::<Vec<_>>(), fewer.manifest.files);
            // Every file is in one list, and no group in two.
            let lines: usize = all.lists.iter().map(|list| list.iter().filter(|b| **b == b'\n').count()).sum();
            prop_assert_eq!(lines, files.len());
            let pairs: BTreeSet<_> = all.manifest.files.iter().map(|f| (&f.group, &f.part)).collect();
            let groups: BTreeSet<_> = all.manifest.files.iter().map(|f| &f.group).collect();
            prop_assert_eq!(pairs.len(), groups.len());
        }
    }
}
