//! Questions on files: which runs used a file, made it, or were trained on it.
//!
//! There are two ways to an answer: from the files to all runs that answer, once and for all, or from the run that is asked about
//! to its files. Which is shorter is not known before: a file may have a hundred thousand readers, and a run a hundred thousand
//! steps behind it. So both are tried with a bound that doubles, and what is spent stays within a small multiple of the
//! cheaper one.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use globset::Candidate;

use crate::error::{Error, Kind, Result};
use crate::model::{ArtifactPath, Evidence, NodeId};
use crate::query::ancestry::{Reached, are_made_from, reached_from};
use crate::query::filter::check::{FileQuestion, FileRelation};
use crate::query::filter::search::Outside;
use crate::query::filter::value::pattern;
use crate::query::registry::{ModelSelector, find_model};
use crate::query::{find_digest, other_names_of};
use crate::store::{ArtifactNo, Edges, GO_ON, RunNo, Snapshot, StepNo};

/// As much is spent at once in the beginning: steps that are looked at.
const BOUND_FIRST: usize = 1_024;

/// Says, of the files and of how many steps may be looked at, whether a row leads to one of them, and how many steps were looked
/// at; nothing where that takes more.
pub(crate) type Ask<'a> = &'a dyn Fn(&HashSet<ArtifactNo>, usize) -> Result<(Option<bool>, usize)>;

/// A question on files, and what is known of the answer.
pub(crate) struct Reach {
    relation: FileRelation,
    /// What is known less surely does not count.
    weakest: Evidence,
    files: HashSet<ArtifactNo>,
    /// The files that are known, by their bytes, to be these under other names, where that counts.
    renamed: HashSet<ArtifactNo>,
    /// All that the files lead to, once it is known.
    reached: Option<Reached>,
    /// What was asked one by one, by the keys of rows.
    asked: HashMap<NodeId, bool>,
    bound: usize,
    spent: usize,
}

impl Reach {
    /// Finds the files that a question names: every version of a path, of all paths that fit a pattern, or of a content; or those of a
    /// model version.
    pub(crate) fn new(
        snapshot: &Snapshot,
        question: &FileQuestion,
        outside: &Outside<'_>,
        wrong: &dyn Fn(String) -> Error,
    ) -> Result<Self> {
        let mut files = files_named(snapshot, &question.word, outside, wrong)?;
        let mut renamed = HashSet::new();
        if question.relation == FileRelation::TrainedOn && question.weakest >= Evidence::Inferred {
            for file in &files {
                renamed.extend(other_names_of(snapshot, *file)?);
            }
            renamed.retain(|other| !files.contains(other));
            files.extend(&renamed);
        }
        Ok(Reach { renamed, ..Reach::of(files, question.relation, question.weakest) })
    }

    fn of(files: HashSet<ArtifactNo>, relation: FileRelation, weakest: Evidence) -> Self {
        let reached = files.is_empty().then(Reached::default);
        let (renamed, asked) = (HashSet::new(), HashMap::new());
        Reach { relation, weakest, files, renamed, reached, asked, bound: BOUND_FIRST, spent: 0 }
    }

    /// Asks the same, of less and less sure evidence, and this question itself last.
    pub(crate) fn by_evidence(self) -> Vec<(Evidence, Reach)> {
        let surer = Evidence::ALL.into_iter().filter(|evidence| *evidence < self.weakest);
        let mut reaches: Vec<(Evidence, Reach)> = surer
            .map(|evidence| {
                let mut files = self.files.clone();
                if evidence < Evidence::Inferred {
                    files.retain(|file| !self.renamed.contains(file));
                }
                (evidence, Reach::of(files, self.relation, evidence))
            })
            .collect();
        reaches.push((self.weakest, self));
        reaches
    }

    /// Returns what does count at the least.
    pub(crate) fn weakest(&self) -> Evidence {
        self.weakest
    }

    /// Returns what is asked about the files.
    pub(crate) fn relation(&self) -> FileRelation {
        self.relation
    }

    /// Returns true where no recorded file is named.
    pub(crate) fn names_nothing(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns all that the files lead to, where it can be found by looking at no more than `steps_max` steps.
    pub(crate) fn reached(&mut self, snapshot: &Snapshot, steps_max: usize) -> Result<Option<&Reached>> {
        if self.reached.is_none() {
            self.reached = match self.relation {
                FileRelation::TrainedOn => reached_from(snapshot, &self.files, self.weakest, steps_max)?,
                FileRelation::Used | FileRelation::Generated => self.beside(snapshot, steps_max)?,
            };
            self.spent += self.reached.as_ref().map_or(steps_max, |reached| reached.steps);
        }
        Ok(self.reached.as_ref())
    }

    /// Finds the runs whose steps read or wrote one of the files.
    fn beside(&self, snapshot: &Snapshot, steps_max: usize) -> Result<Option<Reached>> {
        let mut steps: Vec<StepNo> = Vec::new();
        for file in &self.files {
            let visit = |_: i64, step: StepNo| {
                steps.push(step);
                Ok(if steps.len() > steps_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            };
            let flow = match self.relation {
                FileRelation::Generated => snapshot.writes_from(*file, i64::MIN, visit)?,
                _ => snapshot.reads_between(*file, i64::MIN, i64::MAX, visit)?,
            };
            if flow.is_break() {
                return Ok(None);
            }
        }
        steps.sort_unstable();
        steps.dedup();
        let edges = snapshot.edges_of(&steps)?.into_iter().flatten();
        let is_it = |edges: &Edges| is_beside(edges, self.relation, &self.files, self.weakest);
        let runs = edges.filter(is_it).map(|edges| edges.run).collect();
        Ok(Some(Reached { runs, files: self.files.clone(), made: HashSet::new(), steps: steps.len() }))
    }

    /// Decides for the row with a key: by `is_reached` from all that the files lead to, or by `ask` from the row to the files,
    /// whatever is cheaper by what was spent so far. `ask` gives up after so many steps, and says how many it looked at.
    pub(crate) fn decide(
        &mut self,
        snapshot: &Snapshot,
        key: NodeId,
        is_reached: &dyn Fn(&Reached) -> Result<bool>,
        ask: Ask<'_>,
    ) -> Result<bool> {
        if let Some(answer) = self.asked.get(&key) {
            return Ok(*answer);
        }
        loop {
            let bound = self.bound;
            // What was spent on rows one by one would by now have paid for the way from the files.
            if self.reached.is_some() || self.spent >= bound {
                if let Some(reached) = self.reached(snapshot, bound)? {
                    return is_reached(reached);
                }
                self.bound = bound.saturating_mul(2);
            }
            let (answer, looked_at) = ask(&self.files, bound)?;
            self.spent += looked_at.max(1);
            if let Some(answer) = answer {
                self.asked.insert(key, answer);
                return Ok(answer);
            }
            self.spent = self.spent.max(self.bound);
        }
    }

    /// Says whether a run answers; its key is that of the row.
    pub(crate) fn holds(&mut self, snapshot: &Snapshot, run: RunNo, key: NodeId) -> Result<bool> {
        let (relation, weakest) = (self.relation, self.weakest);
        let ask = |files: &HashSet<ArtifactNo>, steps_max: usize| {
            let mut steps = snapshot.steps_of(run)?;
            if relation == FileRelation::TrainedOn {
                let steps = steps.into_iter().map(|step| (step, i64::MAX, None)).collect();
                return are_made_from(snapshot, steps, files, weakest, steps_max);
            }
            if steps.len() > steps_max {
                return Ok((None, 0));
            }
            steps.sort_unstable();
            let mut edges = snapshot.edges_of(&steps)?.into_iter().flatten();
            let is_found = edges.any(|edges| is_beside(&edges, relation, files, weakest));
            Ok((Some(is_found), steps.len()))
        };
        self.decide(snapshot, key, &|reached| Ok(reached.runs.contains(&run)), &ask)
    }

    /// Says, for people, which way was taken.
    pub(crate) fn way(&self) -> String {
        let way = match (&self.reached, self.asked.len()) {
            _ if self.files.is_empty() => "no such file is recorded".to_owned(),
            (Some(reached), _) => {
                let runs = reached.runs.len();
                format!("from the files to {runs} {}", if runs == 1 { "run" } else { "runs" })
            }
            (None, 1) => "from 1 row to its files".to_owned(),
            (None, asked) => format!("from {asked} rows to their files"),
        };
        let steps = if self.spent == 1 { "step" } else { "steps" };
        format!("{way}, {} {steps} looked at", self.spent)
    }
}

/// Says whether a step itself read or wrote one of the files.
fn is_beside(edges: &Edges, relation: FileRelation, files: &HashSet<ArtifactNo>, weakest: Evidence) -> bool {
    let side = if relation == FileRelation::Used { &edges.used } else { &edges.generated };
    side.iter().any(|edge| edge.evidence <= weakest && files.contains(&edge.artifact))
}

/// Finds the recorded files that a word names: under that name, and, where the folder that it begins with is reached by a symbolic
/// link, or was, under the name of what the link leads to. Files are recorded by where they lie. Where no file is called so, those of
/// the model version that is.
fn files_named(
    snapshot: &Snapshot,
    word: &str,
    outside: &Outside<'_>,
    wrong: &dyn Fn(String) -> Error,
) -> Result<HashSet<ArtifactNo>> {
    if word.starts_with("blake3:") {
        let digest = find_digest(snapshot, word).map_err(|error| {
            let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
            wrong(format!("{}{hint}", error.message()))
        })?;
        return Ok(snapshot.artifacts_with(&digest)?.into_iter().collect());
    }
    let below_root = word.strip_prefix(outside.root).and_then(|rest| rest.strip_prefix('/'));
    let word = below_root.filter(|_| !outside.root.is_empty()).unwrap_or(word);
    if word.is_empty() || word.starts_with("./") || word.split('/').any(|part| part == "..") {
        return Err(wrong("paths are named from the workspace's root, without `.` and `..`".to_owned()));
    }
    let mut files = files_below(snapshot, b"", word, wrong)?;
    let fixed = &word[..word.find(SIGNS).unwrap_or(word.len())];
    if let Some((folder, _)) = fixed.rsplit_once('/')
        && let Ok(path) = ArtifactPath::new(folder)
    {
        for real in (outside.real_folders)(&path)?.into_iter().filter(|real| *real != path) {
            let real = [real.as_bytes(), b"/"].concat();
            files.extend(files_below(snapshot, &real, &word[folder.len() + 1..], wrong)?);
        }
    }
    if files.is_empty() {
        files.extend(files_of_version(snapshot, word)?);
    }
    Ok(files)
}

/// Finds the files of the model version that a word names; none where it names none.
fn files_of_version(snapshot: &Snapshot, word: &str) -> Result<Vec<ArtifactNo>> {
    let Ok(selector) = word.parse::<ModelSelector>() else { return Ok(Vec::new()) };
    let model = match find_model(snapshot, &selector) {
        Ok(id) => snapshot.model(id)?,
        Err(error) if matches!(error.kind(), Kind::Request | Kind::NotFound) => None,
        Err(error) => return Err(error),
    };
    let held = model.iter().flat_map(|model| &model.artifacts).map(|held| &held.artifact);
    snapshot.artifact_nos(held)
}

/// What a pattern has and a plain path has not.
const SIGNS: [char; 5] = ['*', '?', '[', '{', '\\'];

/// Finds the recorded files that a word names below a folder, which is written with its `/`.
fn files_below(
    snapshot: &Snapshot,
    folder: &[u8],
    word: &str,
    wrong: &dyn Fn(String) -> Error,
) -> Result<HashSet<ArtifactNo>> {
    let mut files = HashSet::new();
    // A file may be called `[x].json`: what is recorded under the word itself is meant first.
    if let Ok(path) = ArtifactPath::from_bytes([folder, word.as_bytes()].concat())
        && let Some(path_no) = snapshot.path_no(&path)?
    {
        files.extend(snapshot.versions(path_no)?);
        return Ok(files);
    }
    let Some(first_sign) = word.find(SIGNS) else {
        return Ok(files);
    };
    let matcher = pattern(word, true).map_err(|why| wrong(format!("this is no pattern: {why}")))?;
    let mut paths = Vec::new();
    snapshot.paths_from(&[folder, &word.as_bytes()[..first_sign]].concat(), |path, path_no| {
        if matcher.is_match_candidate(&Candidate::from_bytes(&path[folder.len()..])) {
            paths.push(path_no);
        }
        Ok(GO_ON)
    })?;
    for path_no in paths {
        files.extend(snapshot.versions(path_no)?);
    }
    Ok(files)
}
