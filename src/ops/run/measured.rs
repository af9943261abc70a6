//! Which of the files of metrics that a command wrote it measured, and which it only carried from elsewhere.
//!
//! Whoever copies, unpacks or checks out a `metrics.json` has measured nothing: the ten best runs would be one run and nine backups.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::capture::observe::Observation;
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, Role, Step, Timestamp, Used};

/// A file of metrics that the command wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MetricsFile {
    /// Where it lies.
    pub place: PathBuf,
    /// What it is recorded as.
    pub path: ArtifactPath,
    /// Whether it was asked for by its name: it is taken, whoever measured what is in it.
    pub is_named: bool,
    /// What is known of the bytes that the command wrote there.
    pub bytes: Known,
}

/// What is known of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// They have this digest.
    Digest(Digest),
    /// Others wrote over them before anybody had read them.
    Lost,
    /// Nobody has read them: they are none of the record.
    Nothing,
}

/// The files of metrics that a command wrote.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// What it measured, in the order in which it was written for the last time; of what it copied itself, the one that was asked
    /// for, or else the last copy alone: the one that was chosen is the result.
    pub measured: Vec<MetricsFile>,
    /// What it carried from elsewhere.
    pub carried: Vec<ArtifactPath>,
}

/// Lists the contents that were read and had been there before the run began.
pub(super) fn old_contents(observation: &Observation, started_ns: i64) -> HashSet<Digest> {
    let versions = observation.files.iter().flat_map(|file| &file.versions);
    let old = versions.filter(|version| {
        !version.was_written && version.stamp.is_some_and(|stamp| stamp.mtime_ns < started_ns)
    });
    old.filter_map(|version| version.content.as_ref())
        .map(|content| Digest::from_bytes(content.digest.0))
        .collect()
}

/// Programs that carry files, whatever else they read and write on the way.
const CARRIERS: [&str; 26] = [
    "7z", "7za", "7zr", "aria2c", "bsdtar", "bunzip2", "bzip2", "cp", "cpio", "curl", "git", "gunzip",
    "gzip", "install", "ln", "mv", "rclone", "rsync", "scp", "sftp", "tar", "unxz", "unzip", "wget", "xz",
    "zstd",
];
/// Programs that stand beside them, and carry nothing themselves.
const SHELLS: [&str; 4] = ["bash", "dash", "sh", "zsh"];

/// Sorts files of metrics, and makes plain data of those that were carried. `was_written` says whether an earlier run wrote a content,
/// `was_there` whether it was there when the run began.
///
/// What the command copied was carried only where it is of an earlier time. It may have waited for somebody whom the run cannot see:
/// a container, another machine, a queue of jobs.
///
/// A write is a copy where its step had read the same bytes elsewhere and wrote nothing but what it had read, or gave them another name: who
/// made other files beside has come to the same numbers as the baseline that it read. And where a program that carries files
/// wrote what had been there before, in this run or in an earlier one. A training that comes to the very same numbers once more has measured
/// them.
pub(super) fn sort(
    steps: &mut [Step],
    files: Vec<MetricsFile>,
    was_written: &dyn Fn(&Artifact) -> Result<bool>,
    was_there: &dyn Fn(&Digest) -> bool,
) -> Result<Sorted> {
    let mut sorted = Sorted::default();
    let mut measured: Vec<Measured> = Vec::new();
    let mut carried: HashSet<Artifact> = HashSet::new();
    let mut is_made_here: HashMap<Digest, bool> = HashMap::new();
    let edges = Edges::of(steps, &files);
    for file in files {
        let Some(&(step, number)) = edges.last.get(&file.path) else {
            // It is not recorded, and so nobody can say where it is from.
            measured.push(Measured {
                at: Timestamp::from_micros(i64::MIN),
                digest: None,
                is_copy: false,
                file,
            });
            continue;
        };
        let last = &steps[step].generated[number];
        let digest = last.artifact.digest;
        let is_copy = edges.is_copy((step, number), was_written)?;
        if is_copy && !file.is_named {
            let is_made_here = match is_made_here.entry(digest) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => *unknown.insert(edges.is_made_here(&digest, was_written)?),
            };
            if !is_made_here && (was_there(&digest) || was_written(&last.artifact)?) {
                carried.insert(last.artifact.clone());
                sorted.carried.push(file.path);
                continue;
            }
        }
        measured.push(Measured { at: last.at, digest: Some(digest), is_copy, file });
    }
    for edge in steps.iter_mut().flat_map(|step| &mut step.generated) {
        if carried.contains(&edge.artifact) {
            edge.role = Role::Data;
        }
    }
    measured.sort_by(|a, b| (a.at, &a.file.path).cmp(&(b.at, &b.file.path)));
    let copies = measured.iter().filter(|one| one.is_copy);
    // Of each content that the run copied the place of the one that counts.
    let mut chosen: HashMap<Digest, usize> =
        copies.filter_map(|one| one.digest).map(|digest| (digest, 0)).collect();
    for is_named in [false, true] {
        for (at, one) in measured.iter().enumerate().filter(|(_, one)| one.file.is_named == is_named) {
            if let Some(place) = one.digest.and_then(|digest| chosen.get_mut(&digest)) {
                *place = at;
            }
        }
    }
    let is_chosen = |(at, one): &(usize, Measured)| {
        one.digest.and_then(|digest| chosen.get(&digest)).is_none_or(|place| place == at)
    };
    let counted = measured.into_iter().enumerate().filter(is_chosen);
    sorted.measured = counted.map(|(_, one)| one.file).collect();
    Ok(sorted)
}

/// A file of metrics that the run made, somewhere.
struct Measured {
    /// When it was written for the last time.
    at: Timestamp,
    /// What it held then, where that is recorded.
    digest: Option<Digest>,
    /// Whether the run had made these bytes elsewhere.
    is_copy: bool,
    file: MetricsFile,
}

/// A write: its step, and its number there.
type Write = (usize, usize);

/// What steps read and wrote, as far as it is to be looked up for files of metrics.
struct Edges<'a> {
    steps: &'a [Step],
    /// The last write to each of their paths.
    last: HashMap<&'a ArtifactPath, Write>,
    /// The writes of what they held then.
    writes: HashMap<Digest, Vec<Write>>,
    /// Who read that, by step.
    reads: HashMap<(usize, Digest), Vec<&'a Used>>,
    /// When it was first read.
    first_read: HashMap<Digest, Timestamp>,
}

impl<'a> Edges<'a> {
    fn of(steps: &'a [Step], files: &[MetricsFile]) -> Self {
        let paths: HashSet<&ArtifactPath> = files.iter().map(|file| &file.path).collect();
        let mut last: HashMap<&ArtifactPath, Write> = HashMap::new();
        let all = || {
            steps.iter().enumerate().flat_map(|(step, of_step)| {
                of_step.generated.iter().enumerate().map(move |(number, edge)| ((step, number), edge))
            })
        };
        for (place, edge) in all().filter(|(_, edge)| paths.contains(&edge.artifact.path)) {
            let known = last.entry(&edge.artifact.path).or_insert(place);
            let known_at = steps[known.0].generated[known.1].at;
            *known = (known_at, *known).max((edge.at, place)).1;
        }
        let held = last.values().map(|(step, number)| steps[*step].generated[*number].artifact.digest);
        let mut writes: HashMap<Digest, Vec<Write>> = held.map(|digest| (digest, Vec::new())).collect();
        for (place, edge) in all() {
            if let Some(writes) = writes.get_mut(&edge.artifact.digest) {
                writes.push(place);
            }
        }
        let mut reads: HashMap<(usize, Digest), Vec<&Used>> = HashMap::new();
        let mut first_read: HashMap<Digest, Timestamp> = HashMap::new();
        let used = steps
            .iter()
            .enumerate()
            .flat_map(|(step, of_step)| of_step.used.iter().map(move |used| (step, used)));
        for (step, used) in used.filter(|(_, used)| writes.contains_key(&used.artifact.digest)) {
            let digest = used.artifact.digest;
            reads.entry((step, digest)).or_default().push(used);
            let first = first_read.entry(digest).or_insert(used.at);
            *first = used.at.min(*first);
        }
        Edges { steps, last, writes, reads, first_read }
    }

    /// Returns true where the run made these bytes, somewhere, other than by copying them.
    fn is_made_here(&self, digest: &Digest, was_written: &dyn Fn(&Artifact) -> Result<bool>) -> Result<bool> {
        for write in self.writes.get(digest).into_iter().flatten() {
            if !self.is_copy(*write, was_written)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns true where a write brought bytes that were there before.
    fn is_copy(
        &self,
        (number_of_step, number): Write,
        was_written: &dyn Fn(&Artifact) -> Result<bool>,
    ) -> Result<bool> {
        let step = &self.steps[number_of_step];
        let write = &step.generated[number];
        let written = &write.artifact;
        let renamed = step.act.is_one_to_one().then(|| step.used.get(number)).flatten();
        let mut reads = self.reads.get(&(number_of_step, written.digest)).into_iter().flatten();
        if renamed.is_some_and(|used| used.artifact.digest == written.digest)
            || (reads.any(|used| used.artifact.path != written.path && used.at <= write.at)
                && (is_carrier(&step.name) || only_copies(step)))
        {
            return Ok(true);
        }
        let was_read = || self.first_read.get(&written.digest).is_some_and(|first| *first <= write.at);
        Ok(is_carrier(&step.name) && (was_read() || was_written(written)?))
    }
}

/// Returns true for a step that wrote nothing but what it had read.
fn only_copies(step: &Step) -> bool {
    let read: HashSet<&Digest> = step.used.iter().map(|used| &used.artifact.digest).collect();
    step.generated.iter().all(|write| read.contains(&write.artifact.digest))
}

/// Returns true for a step of nothing but programs that carry files: `git | dash | git-upload-pack`.
pub(super) fn is_carrier(step: &str) -> bool {
    let programs = || step.split(" | ");
    let carries = |program: &str| CARRIERS.contains(&program) || program.starts_with("git-");
    programs().any(carries) && programs().all(|program| carries(program) || SHELLS.contains(&program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Evidence, Generated, NodeId};

    /// Sorts what steps did, each told as `program: a=1 > b=1`, in order of time; `known` are contents that earlier runs wrote. What
    /// was there when the run began is not `new`.
    fn check(told: &[&str], known: &[&str], measured: &str, carried: &str) {
        let artifact = |word: &str| {
            let (path, bytes) = word.split_once('=').unwrap();
            let (path, digest) = (ArtifactPath::new(path).unwrap(), Digest::of(bytes.as_bytes()));
            Artifact { path, digest, size_bytes: bytes.len() as u64 }
        };
        let mut files: Vec<MetricsFile> = Vec::new();
        let steps = told.iter().zip(1..).map(|(told, at)| {
            let (program, edges) = told.split_once(": ").unwrap();
            let (used, generated) = edges.split_once('>').unwrap();
            let at = Timestamp::from_micros(at);
            let mut step = Step::new(NodeId::from_u128(2), NodeId::from_u128(1), program, [at, at]);
            let evidence = Evidence::Observed;
            let used = used.split_whitespace().map(artifact);
            step.used = used.map(|artifact| Used { artifact, at, evidence, role: Role::Data }).collect();
            for artifact in generated.split_whitespace().map(artifact) {
                let is_metrics = artifact.path.file_name() == b"m";
                let is_named = artifact.path.as_bytes() == b"named/m";
                let (place, path) = (PathBuf::new(), artifact.path.clone());
                let file = MetricsFile { place, path, is_named, bytes: Known::Nothing };
                if is_metrics && !files.contains(&file) {
                    files.push(file);
                }
                let role = if is_metrics { Role::Metrics } else { Role::Data };
                step.generated.push(Generated { artifact, at, evidence, role });
            }
            step
        });
        let mut steps: Vec<Step> = steps.collect();
        let known: Vec<Digest> = known.iter().map(|bytes| Digest::of(bytes.as_bytes())).collect();
        let was_written = |artifact: &Artifact| Ok(known.contains(&artifact.digest));
        let sorted = sort(&mut steps, files, &was_written, &|digest| *digest != Digest::of(b"new")).unwrap();
        let words =
            |paths: Vec<ArtifactPath>| paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let paths = sorted.measured.into_iter().map(|file| file.path).collect();
        assert_eq!((words(paths).as_str(), words(sorted.carried).as_str()), (measured, carried), "{told:?}");
    }

    #[test]
    fn what_is_copied_from_elsewhere_is_carried() {
        check(&["cp: m=1 > a/m=1"], &[], "", "a/m");
        check(&["python3.11: m=1 x=2 > a/m=1 b=2"], &[], "", "a/m");
        check(&["cp: m=1 > a/m=1", "cp: a/m=1 > b/m=1"], &[], "", "a/m b/m");
        check(&["tar: t=9 > a/m=1"], &["1"], "", "a/m");
        check(&["tar: a/m=1 > t=9", "tar: t=9 > b/m=1"], &[], "", "b/m");
        check(&["git | dash | git-upload-pack: > cl/m=1"], &["1"], "", "cl/m");
    }

    #[test]
    fn what_somebody_unseen_made_while_the_run_went_on_is_measured() {
        check(&["cp: s=new > m=new"], &[], "m", "");
        check(&["sh: log=1 > x=2", "cp: s=new > m=new", "cp: m=new > best/m=new"], &[], "best/m", "");
        check(&["cp: s=new > m=new"], &["new"], "", "m");
    }

    #[test]
    fn what_was_asked_for_by_its_name_is_taken_once() {
        check(&["cp: a/m=1 > named/m=1"], &["1"], "named/m", "");
        check(&["cp: a/m=1 > named/m=1", "cp: a/m=1 > b/m=1"], &["1"], "named/m", "b/m");
        check(&["python3.11: x=1 > r=2", "cp: r=2 > named/m=2", "cp: r=2 > m=2"], &[], "named/m", "");
    }

    #[test]
    fn what_the_run_made_is_measured_once_however_it_is_copied() {
        check(&["python3.11: x=1 > m=2"], &[], "m", "");
        // A training comes to the numbers of the baseline that it read.
        check(&["python3.11: m=1 x=2 > a/m=1 model=3"], &["1"], "a/m", "");
        // The same training comes to the same numbers.
        check(&["python3.11: x=1 > m=2"], &["2"], "m", "");
        check(&["python3.11: m=2 x=1 > m=2"], &["2"], "m", "");
        check(&["python3.11: x=1 > r=2", "cp: r=2 > m=2", "cp: m=2 > best/m=2"], &["2"], "best/m", "");
        check(&["python3.11: x=1 > b/m=2", "python3.11: x=9 > a/m=1", "cp: b/m=2 > m=2"], &[], "a/m m", "");
        check(&["python3.11: x=1 > b/m=2", "python3.11: x=9 > a/m=2"], &[], "b/m a/m", "");
        check(&["python3.11: x=1 > b/m=2", "tar: b/m=2 > t=9", "tar: t=9 > a/m=2"], &[], "a/m", "");
        check(&["python3.11: x=1 > b/m=3", "python3.11: x=9 > a/m=2"], &[], "b/m a/m", "");
        check(&["curl: > m=2"], &[], "m", "");
        check(&["python3.11 | gzip: x=1 > m=2"], &["2"], "m", "");
    }
}
