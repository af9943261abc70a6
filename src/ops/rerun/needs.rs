//! What a run read and did not write itself: what must lie ready for it to be repeated.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Original;
use crate::digests::Digests;
use crate::disk::read_regular;
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, Evidence, LinkText, Role, Timestamp};
use crate::ops::Workspace;
use crate::store::Snapshot;

/// What a run read from outside, the first version of each path.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Files in the workspace and elsewhere on this machine, by path.
    pub files: BTreeMap<ArtifactPath, Artifact>,
    /// What lies behind URLs.
    pub urls: BTreeSet<ArtifactPath>,
    /// Files of the workspace that it took away without having read them, by path; their bytes as far as they are known.
    pub removed: BTreeMap<ArtifactPath, Option<Artifact>>,
}

impl Needs {
    pub fn of(original: &Original) -> Self {
        let mut written: BTreeMap<&Artifact, Timestamp> = BTreeMap::new();
        let steps = || original.steps.iter().chain(original.seen_around());
        for edge in steps().flat_map(|step| &step.generated) {
            let first = written.entry(&edge.artifact).or_insert(edge.at);
            *first = (*first).min(edge.at);
        }
        let mut first: BTreeMap<ArtifactPath, (Timestamp, Artifact)> = BTreeMap::new();
        let mut needs = Needs::default();
        let mut reads: Vec<_> = steps().flat_map(|step| &step.used).collect();
        reads.sort();
        for edge in reads {
            let own = written.get(&edge.artifact).is_some_and(|at| *at <= edge.at);
            if edge.role == Role::Environment || own {
                continue;
            }
            if edge.artifact.path.is_url() {
                needs.urls.insert(edge.artifact.path.clone());
                continue;
            }
            // What was declared without a byte, nobody may have read.
            if edge.evidence == Evidence::Declared && edge.artifact.size_bytes == 0 {
                continue;
            }
            let this = (edge.at, edge.artifact.clone());
            let place = first.entry(edge.artifact.path.clone()).or_insert_with(|| this.clone());
            if this.0 < place.0 {
                *place = this;
            }
        }
        // Untracked code that is known by name only: what was read of it cannot be told where reads were not seen.
        if steps().all(|step| step.used.is_empty()) {
            for file in &original.run().code.untracked {
                let artifact = file.artifact().filter(|_| crate::ops::run::is_code(&file.path));
                first.extend(artifact.map(|artifact| (file.path.clone(), (Timestamp::default(), artifact))));
            }
        }
        let made: BTreeSet<&ArtifactPath> = written.keys().map(|artifact| &artifact.path).collect();
        for removed in steps().flat_map(|step| &step.removed) {
            let path = &removed.path;
            if path.is_inside() && !made.contains(path) && !first.contains_key(path) {
                needs.removed.insert(path.clone(), removed.artifact());
            }
        }
        needs.files = first.into_iter().map(|(path, (_, artifact))| (path, artifact)).collect();
        needs
    }
}

/// No link has a longer text.
const LINK_TEXT_MAX_BYTES: u64 = 4095;

/// Returns the texts of the symbolic links that a run read and did not make: as they were seen to be. Of what is not to be had any more,
/// neither kept nor in its place, its digest may say that it was a link to one of the names of what the run read.
///
/// # Errors
/// A store error where a record is damaged.
pub(super) fn links(
    workspace: &Workspace,
    snapshot: &Snapshot,
    original: &Original,
) -> Result<BTreeMap<Artifact, LinkText>> {
    let root = workspace.root();
    let files = Needs::of(original).files;
    let is_had = |artifact: &Artifact| {
        let here = artifact.path.on_disk(root);
        workspace.contents().holds(&artifact.digest)
            || here.is_some_and(|here| lies_at(workspace.digests(), &here, &artifact.digest))
    };
    let mut found = BTreeMap::new();
    for artifact in files.values() {
        let text = match snapshot.link_text_of(artifact)? {
            None if artifact.size_bytes > LINK_TEXT_MAX_BYTES || is_had(artifact) => None,
            None => text_that_leads_to(artifact, root, files.keys()),
            text => text,
        };
        found.extend(text.map(|text| (artifact.clone(), text)));
    }
    Ok(found)
}

/// Finds which of these files, or of the folders that they lie in, a link leads to that has this digest.
fn text_that_leads_to<'p>(
    link: &Artifact,
    root: &Path,
    paths: impl Iterator<Item = &'p ArtifactPath>,
) -> Option<LinkText> {
    let place = link.path.on_disk(root)?;
    let folder = place.parent()?;
    let is_of_length = |text: &Path| text.as_os_str().len() as u64 == link.size_bytes;
    for path in paths.filter(|path| link.path.is_inside() && **path != link.path) {
        let Some(there) = path.on_disk(root) else { continue };
        for there in there.ancestors().take_while(|there| *there != root && there.starts_with(root)) {
            let texts = [relative(folder, there), there.to_owned()];
            let texts = texts.into_iter().filter(|text| is_of_length(text));
            let texts = texts.filter_map(|text| LinkText::new(text.into_os_string().into_vec()).ok());
            if let Some(text) = texts.into_iter().find(|text| text.digest() == link.digest) {
                return Some(text);
            }
        }
    }
    None
}

/// Names a place as it is seen from a folder.
fn relative(folder: &Path, place: &Path) -> PathBuf {
    let shared = folder.ancestors().find(|above| place.starts_with(above)).unwrap_or(Path::new("/"));
    let up = folder.strip_prefix(shared).map_or(0, |below| below.components().count());
    let up = std::iter::repeat_n("..", up).collect::<PathBuf>();
    up.join(place.strip_prefix(shared).unwrap_or(place))
}

/// Returns what the run read in the workspace that other runs are recorded to have written.
///
/// # Errors
/// A store error where a record is damaged.
pub(super) fn made_by_runs(snapshot: &Snapshot, original: &Original) -> Result<Vec<ArtifactPath>> {
    let mut made = Vec::new();
    for (path, artifact) in Needs::of(original).files {
        let number = snapshot.version_no(&path, &artifact.digest)?;
        if path.is_inside() && number.map_or(Ok(false), |number| snapshot.is_written(number))? {
            made.push(path);
        }
    }
    Ok(made)
}

/// In larger files no paths are looked for.
const NAMING_MAX_BYTES: u64 = 16 << 20;

/// Returns true for a text file of the copy that names one of these paths of the workspace, as the files of build systems do.
pub(super) fn names_one(path: &ArtifactPath, copy: &Path, root: &Path, paths: &HashSet<PathBuf>) -> bool {
    let place = path.on_disk(copy).filter(|place| {
        place.metadata().is_ok_and(|found| found.is_file() && found.len() <= NAMING_MAX_BYTES)
    });
    let bytes = place.and_then(|place| read_regular(&place).ok()).unwrap_or_default();
    !bytes.contains(&0) && names_one_of(&bytes, root, paths)
}

fn names_one_of(text: &[u8], root: &Path, paths: &HashSet<PathBuf>) -> bool {
    let root = root.as_os_str().as_bytes();
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`:;,=&|<>(){}[]$#*".contains(byte);
    let mut words = text.split(ends).filter(|word| word.len() >= root.len());
    words.any(|word| {
        // An option may stand before it: `-B/home/me/build`.
        let begin = word.windows(root.len()).position(|part| part == root);
        begin.is_some_and(|begin| paths.contains(Path::new(OsStr::from_bytes(&word[begin..]))))
    })
}

/// Returns true where `digest` is that of the file at `place`, or of the target of the link that lies there.
pub(super) fn lies_at(digests: &Digests, place: &Path, digest: &Digest) -> bool {
    let has_bytes = || place.is_file() && digests.of(place).is_ok_and(|found| found == *digest);
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_symlink() => {
            let target = fs::read_link(place);
            target.is_ok_and(|target| Digest::of(target.as_os_str().as_encoded_bytes()) == *digest)
                || has_bytes()
        }
        Ok(_) => has_bytes(),
        Err(_) => false,
    }
}

/// Says what the run read that lies in the workspace with other bytes now, or not at all.
pub(super) fn changed_here(workspace: &Workspace, original: &Original) -> Vec<String> {
    let needs = Needs::of(original);
    let changed: Vec<&Artifact> = needs
        .files
        .par_iter()
        .map(|(_, artifact)| artifact)
        .filter(|artifact| {
            let place = artifact.path.on_disk(workspace.root());
            place.is_none_or(|place| !lies_at(workspace.digests(), &place, &artifact.digest))
        })
        .collect();
    changed.iter().map(|artifact| format!("`{}` has other bytes now, or is gone", artifact.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_link_is_told_by_its_digest_from_what_was_read_through_it() {
        let path = |name: &str| ArtifactPath::new(name).unwrap();
        let read = ["ck/e1", "data/v1/a.csv", "other"].map(path);
        let check = |link: &str, text: &str, found: bool| {
            let artifact = LinkText::new(text.as_bytes().to_vec()).unwrap().artifact(path(link));
            let told = text_that_leads_to(&artifact, Path::new("/w"), read.iter());
            assert_eq!(
                told.is_some_and(|told| told.as_bytes() == text.as_bytes()),
                found,
                "{link} -> {text}"
            );
        };
        check("ck/latest", "e1", true);
        check("latest", "ck/e1", true);
        check("runs/last", "../ck/e1", true);
        check("data/cur", "v1", true);
        check("cur", "/w/data/v1", true);
        check("ck/latest", "e2", false);
        check("ck/latest", "./e1", false);
    }

    #[test]
    fn a_text_that_names_what_is_written_by_its_whole_path_is_told_from_one_that_names_something_else() {
        let root = Path::new("/home/me/w");
        let paths: HashSet<PathBuf> =
            ["/home/me/w", "/home/me/w/build", "/home/me/w/build/app"].map(PathBuf::from).into();
        let check = |text: &str| names_one_of(text.as_bytes(), root, &paths);
        for text in
            ["cd /home/me/w/build && x", "-B/home/me/w/build/", "a=/home/me/w", "\"/home/me/w/build/app\""]
        {
            assert!(check(text), "{text}");
        }
        for text in ["/home/me/w/data/x", "/home/me/w2", "w/build", "", "/home/me/w/build/other.o"] {
            assert!(!check(text), "{text}");
        }
    }
}
