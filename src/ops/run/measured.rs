//! Which of the files of metrics that a command wrote it measured, and which it only carried from elsewhere.
//!
//! Whoever copies, unpacks or checks out a `metrics.json` has measured nothing: the ten best runs would be one run and nine backups.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, Role, Step, Timestamp};

/// A file of metrics that the command wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MetricsFile {
    /// Where it lies.
    pub place: PathBuf,
    /// What it is recorded as.
    pub path: ArtifactPath,
    /// Whether it was asked for by its name: it is taken, whoever measured what is in it.
    pub is_named: bool,
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
/// A write is a copy where its step had read the same bytes elsewhere, or gave them another name; and where a program that carries files
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
    for file in files {
        let Some((step, number)) = last_write(steps, &file.path) else {
            // It is not recorded, and so nobody can say where it is from.
            measured.push(Measured {
                at: Timestamp::from_micros(i64::MIN),
                digest: None,
                is_copy: false,
                file,
            });
            continue;
        };
        let last = steps[step].generated[number].clone();
        let is_copy = is_copy(steps, step, number, was_written)?;
        let digest = &last.artifact.digest;
        if is_copy
            && !file.is_named
            && !is_made_here(steps, digest, was_written)?
            && (was_there(digest) || was_written(&last.artifact)?)
        {
            let edges = steps.iter_mut().flat_map(|step| &mut step.generated);
            edges.filter(|edge| edge.artifact == last.artifact).for_each(|edge| edge.role = Role::Data);
            sorted.carried.push(file.path);
        } else {
            measured.push(Measured { at: last.at, digest: Some(last.artifact.digest), is_copy, file });
        }
    }
    measured.sort_by(|a, b| (a.at, &a.file.path).cmp(&(b.at, &b.file.path)));
    let copied: BTreeSet<Digest> =
        measured.iter().filter(|one| one.is_copy).filter_map(|one| one.digest).collect();
    let named = measured.iter().find(|one| one.file.is_named).and_then(|one| one.digest);
    let is_last = |at: usize| {
        let digest = measured[at].digest.filter(|digest| copied.contains(digest));
        let is_chosen = || digest != named && measured[at + 1..].iter().all(|later| later.digest != digest);
        measured[at].file.is_named || digest.is_none() || is_chosen()
    };
    sorted.measured =
        (0..measured.len()).filter(|at| is_last(*at)).map(|at| measured[at].file.clone()).collect();
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

/// Finds the last write to a path: its step, and its number there.
fn last_write(steps: &[Step], path: &ArtifactPath) -> Option<(usize, usize)> {
    let writes = steps.iter().enumerate().flat_map(|(step, of_step)| {
        of_step.generated.iter().enumerate().map(move |(number, edge)| ((step, number), edge))
    });
    let of_path = writes.filter(|(_, edge)| edge.artifact.path == *path);
    of_path.max_by_key(|(place, edge)| (edge.at, *place)).map(|(place, _)| place)
}

/// Returns true where the run made these bytes, somewhere, other than by copying them.
fn is_made_here(
    steps: &[Step],
    digest: &Digest,
    was_written: &dyn Fn(&Artifact) -> Result<bool>,
) -> Result<bool> {
    for (number, step) in steps.iter().enumerate() {
        for (edge, write) in step.generated.iter().enumerate() {
            if write.artifact.digest == *digest && !is_copy(steps, number, edge, was_written)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Returns true where a write brought bytes that were there before.
fn is_copy(
    steps: &[Step],
    step: usize,
    number: usize,
    was_written: &dyn Fn(&Artifact) -> Result<bool>,
) -> Result<bool> {
    let step = &steps[step];
    let write = &step.generated[number];
    let written = &write.artifact;
    let of_same = |step: &Step, is_elsewhere: bool| {
        step.used.iter().any(|used| {
            let is_other = !is_elsewhere || used.artifact.path != written.path;
            used.artifact.digest == written.digest && is_other && used.at <= write.at
        })
    };
    let renamed = step.act.is_one_to_one().then(|| step.used.get(number)).flatten();
    if renamed.is_some_and(|used| used.artifact.digest == written.digest) || of_same(step, true) {
        return Ok(true);
    }
    Ok(is_carrier(&step.name) && (steps.iter().any(|step| of_same(step, false)) || was_written(written)?))
}

/// Returns true for a step of nothing but programs that carry files: `git | dash | git-upload-pack`.
fn is_carrier(step: &str) -> bool {
    let programs = || step.split(" | ");
    let carries = |program: &str| CARRIERS.contains(&program) || program.starts_with("git-");
    programs().any(carries) && programs().all(|program| carries(program) || SHELLS.contains(&program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Evidence, Generated, NodeId, Used};

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
                let file = MetricsFile { place: PathBuf::new(), path: artifact.path.clone(), is_named };
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
        check(&["python3.11: m=1 x=2 > a/m=1 b=3"], &[], "", "a/m");
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
