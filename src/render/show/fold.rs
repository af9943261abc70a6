//! Files of one folder of which the same is to be said, in one line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use crate::model::ArtifactPath;
use crate::render::units::{counted, folder_name, one_line};

/// More files of one folder than this, of which the same is said, are folded into one line.
const FOLD_AFTER: usize = 4;

/// As many model versions are named behind a file.
const MODELS_MAX: usize = 3;

/// What is said of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    /// How it is known.
    pub known: String,
    /// Where it came from.
    pub from: From,
    /// The model versions that it belongs to, each behind a comma.
    pub models: String,
    /// How it is on disk now.
    pub state: &'static str,
}

/// Where a file came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum From {
    /// There is no more to say.
    #[default]
    Unsaid,
    /// From this run.
    Run(String),
    /// From this run, which is at work.
    SoFar(String),
    /// The bytes are those of a file of a run.
    CopyOf(String, String),
    /// From files on the way by copies alone, which have their bytes; by this one, where there is but one.
    Through(Option<String>),
    /// The bytes are not those that a run wrote there.
    Gap,
    /// No run wrote it.
    Source,
    /// Likewise; this file of a run has the same few bytes.
    Alike(String, String),
}

/// What becomes of files that each need words of their own: copies and gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// Each has its line.
    Spelt,
    /// Many are folded as others are.
    Folded,
}

impl Said {
    /// Says how a file is known.
    pub(super) fn new(known: String) -> Self {
        Said { known, ..Said::default() }
    }

    /// Says which model versions a file belongs to: of many, the first.
    pub(super) fn of_models<'a>(self, labels: impl IntoIterator<Item = &'a String>) -> Self {
        let mut labels = labels.into_iter();
        let mut models: String =
            labels.by_ref().take(MODELS_MAX).map(|label| format!(", {}", one_line(label))).collect();
        match labels.count() as u64 {
            0 => {}
            more => models
                .push_str(&format!(", and {}", counted(more, "more model version", "more model versions"))),
        }
        Said { models, ..self }
    }

    /// Returns what may be said of many files at once: which runs they are of is told apart where they stand in one line.
    fn shared(&self) -> Said {
        let from = match &self.from {
            From::Run(_) => From::Run(String::new()),
            From::SoFar(_) => From::SoFar(String::new()),
            From::CopyOf(..) => From::CopyOf(String::new(), String::new()),
            From::Through(_) => From::Through(None),
            From::Alike(..) => From::Source,
            other => other.clone(),
        };
        Said { known: self.known.clone(), from, models: self.models.clone(), state: self.state }
    }

    /// Says this of all that have the same in common with it.
    fn of_all(&self, group: &Group) -> String {
        let runs = counted(group.runs.len() as u64, "run", "runs");
        let from = match &self.from {
            From::Run(_) if group.runs.len() > 1 => format!("  of {runs}"),
            From::SoFar(_) if group.runs.len() > 1 => format!("  so far of {runs} at work"),
            From::SoFar(_) => From::SoFar(group.runs.iter().cloned().collect()).to_string(),
            From::CopyOf(..) => format!("  copied or moved from files of {runs}, by equal bytes"),
            From::Through(_) => From::Through(None).to_string(),
            From::Alike(..) => From::Source.to_string(),
            _ => self.from.to_string(),
        };
        format!("{}{from}{}{}", self.known, self.models, self.state)
    }
}

impl Display for Said {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}{}", self.known, self.from, self.models, self.state)
    }
}

impl Display for From {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            From::Unsaid => Ok(()),
            From::Run(run) => write!(f, "  of run {run}"),
            From::SoFar(run) => write!(f, "  so far of run {run}, at work"),
            From::CopyOf(path, run) => {
                write!(f, "  copied or moved from {path} of run {run}, by equal bytes")
            }
            From::Through(None) => f.write_str("  through copies, by equal bytes"),
            From::Through(Some(path)) => write!(f, "  through {path}, by equal bytes"),
            From::Gap => f.write_str("  gap: no recorded run wrote these bytes"),
            From::Source => f.write_str("  source"),
            From::Alike(path, run) => write!(f, "  source, the same few bytes as {path} of run {run}"),
        }
    }
}

/// Files of one folder of which the same is said.
#[derive(Default)]
struct Group {
    paths: BTreeSet<ArtifactPath>,
    runs: BTreeSet<String>,
    written: bool,
}

/// Writes files with what is said of each, folder by folder; in one line stand more than a few files of one folder of which
/// the same is said, counted by their paths, and no others.
pub(super) fn folded<'a>(
    files: impl Iterator<Item = (&'a ArtifactPath, Said)>,
    own: Own,
) -> Vec<[String; 2]> {
    let mut folders: BTreeMap<&[u8], BTreeSet<(&ArtifactPath, Said)>> = BTreeMap::new();
    for (path, said) in files {
        folders.entry(path.folder()).or_default().insert((path, said));
    }
    let mut rows = Vec::new();
    for (folder, files) in folders {
        let mut groups: BTreeMap<Said, Group> = BTreeMap::new();
        for (path, said) in &files {
            let group = groups.entry(said.shared()).or_default();
            group.paths.insert((*path).clone());
            if let From::Run(run) | From::SoFar(run) | From::CopyOf(_, run) = &said.from {
                group.runs.insert(run.clone());
            }
        }
        for (path, said) in files {
            let spelt =
                own == Own::Spelt && matches!(said.from, From::CopyOf(..) | From::Through(_) | From::Gap);
            match groups.get_mut(&said.shared()) {
                Some(group) if !spelt && group.paths.len() > FOLD_AFTER => {
                    if !std::mem::replace(&mut group.written, true) {
                        let count = counted(group.paths.len() as u64, "file", "files");
                        rows.push([format!("{count} in {}", folder_name(folder)), said.of_all(group)]);
                    }
                }
                _ => rows.push([path.to_string(), said.to_string()]),
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `a/1 observed run 5f, ...`: files, how each is known, where it came from, and how it is now.
    fn read(files: &str) -> Vec<(ArtifactPath, Said)> {
        files
            .split(", ")
            .map(|file| {
                let mut words = file.split(' ');
                let path = ArtifactPath::new(words.next().unwrap()).unwrap();
                let mut said = Said::new(words.next().unwrap().to_owned());
                said.from = match words.next() {
                    None => From::Unsaid,
                    Some("source") => From::Source,
                    Some("gap") => From::Gap,
                    Some("through") => From::Through(Some(words.next().unwrap().to_owned())),
                    Some("copy") => From::CopyOf("o".to_owned(), words.next().unwrap().to_owned()),
                    Some(run) => From::Run(run.to_owned()),
                };
                if words.next() == Some("gone") {
                    said.state = ", gone since";
                }
                (path, said)
            })
            .collect()
    }

    fn check(files: &str, own: Own, expected: &[&str]) {
        let files = read(files);
        let rows = folded(files.iter().map(|(path, said)| (path, said.clone())), own);
        let lines: Vec<String> = rows.into_iter().map(|[file, said]| format!("{file}  {said}")).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn files_of_which_the_same_is_said_stand_in_one_line_and_the_others_in_their_own() {
        check(
            "a/1 observed source, a/2 observed source, a/3 observed source gone, a/4 observed source, \
             a/5 observed source, a/6 observed source, a/7 inferred source, b/1 observed source",
            Own::Spelt,
            &[
                "5 files in a/  observed  source",
                "a/3  observed  source, gone since",
                "a/7  inferred  source",
                "b/1  observed  source",
            ],
        );
    }

    #[test]
    fn files_of_one_run_name_it_and_files_of_many_say_of_how_many() {
        let of = |runs: [&str; 5]| -> String {
            let files = runs.iter().enumerate().map(|(at, run)| format!("a/{at} observed {run}"));
            files.collect::<Vec<_>>().join(", ")
        };
        check(&of(["5f"; 5]), Own::Spelt, &["5 files in a/  observed  of run 5f"]);
        check(&of(["5f", "5f", "60", "61", "61"]), Own::Spelt, &["5 files in a/  observed  of 3 runs"]);
    }

    #[test]
    fn a_file_that_was_read_by_many_steps_is_one_file() {
        check(&["a/1 observed source"; 9].join(", "), Own::Folded, &["a/1  observed  source"]);
    }

    #[test]
    fn copies_and_gaps_have_lines_of_their_own_but_where_many_steps_stand_in_one() {
        let files: Vec<String> = (1..6)
            .flat_map(|at| [format!("a/{at} observed gap"), format!("b/{at} observed copy {at}")])
            .collect();
        let files = files.join(", ");
        let gap = |at| format!("a/{at}  observed  gap: no recorded run wrote these bytes");
        let copy = |at| format!("b/{at}  observed  copied or moved from o of run {at}, by equal bytes");
        let spelt: Vec<String> = (1..6).map(gap).chain((1..6).map(copy)).collect();
        check(&files, Own::Spelt, &spelt.iter().map(String::as_str).collect::<Vec<_>>());
        check(
            &files,
            Own::Folded,
            &[
                "5 files in a/  observed  gap: no recorded run wrote these bytes",
                "5 files in b/  observed  copied or moved from files of 5 runs, by equal bytes",
            ],
        );
    }

    proptest! {
        #[test]
        fn each_file_stands_in_a_line_that_says_of_it_what_is_said_of_it_alone(
            files in proptest::collection::vec(
                ("[ab]/[1-9]", "observed|inferred", "| source| gap| 5f| 60| copy 5f| through c", "|gone"), 1..40)
        ) {
            let files: Vec<(ArtifactPath, Said)> = files
                .into_iter()
                .map(|(path, known, from, state)| {
                    let mut said = read(&format!("{path} {known}{from}")).remove(0).1;
                    said.state = if state.is_empty() { "" } else { ", gone since" };
                    (ArtifactPath::new(path).unwrap(), said)
                })
                .collect();
            for own in [Own::Spelt, Own::Folded] {
                let rows = folded(files.iter().map(|(path, said)| (path, said.clone())), own);
                for (path, said) in &files {
                    let alone = [path.to_string(), said.to_string()];
                    let from = match &said.from {
                        From::Run(_) => "  of".to_owned(),
                        From::CopyOf(..) => "  copied or moved from files of".to_owned(),
                        From::Through(_) => "  through copies, by equal bytes".to_owned(),
                        other => other.to_string(),
                    };
                    let front = format!("{}{from}", said.known);
                    let same: BTreeSet<&ArtifactPath> = files
                        .iter()
                        .filter(|(other, of)| other.folder() == path.folder() && of.shared() == said.shared())
                        .map(|(other, _)| other)
                        .collect();
                    let all = format!("{} files in {}/", same.len(), String::from_utf8_lossy(path.folder()));
                    let in_one = |row: &&[String; 2]| {
                        let rest = row[1].strip_prefix(&front).and_then(|rest| rest.strip_suffix(said.state));
                        let names_runs = matches!(said.from, From::Run(_) | From::CopyOf(..));
                        row[0] == all && rest.is_some_and(|rest| rest.is_empty() != names_runs)
                    };
                    prop_assert!(rows.contains(&alone) != rows.iter().any(|row| in_one(&row)), "{path} in {rows:?}");
                }
            }
        }
    }
}
