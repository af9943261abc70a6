//! What must be done again, and in which order: the runs that made what is stale or lost, and the model versions made from that.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::order::in_order;
use super::{Looking, StaleCause, StaleFile};
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, RemarkKind, Role, Run, RunKind, RunStatus};
use crate::ops::host::host;
use crate::query::registry::{ModelView, model_view};
use crate::query::{Ancestry, RunHead, Write};
use crate::store::{ArtifactNo, Edge, PathNo, RunNo};

/// A run that made files which are stale or lost, or has not taken up all that it was given: what is to be done again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Redo {
    /// The run.
    pub head: RunHead,
    /// How the same is done again.
    pub how: RedoHow,
    /// How many of the files that it made are stale.
    pub stale: u64,
    /// How many of them are lost.
    pub lost: u64,
    /// How many files came to lie in what it was given since it took that up.
    pub new: u64,
    /// How many files that are looked at it made in all: a command makes all of them anew.
    pub files: u64,
    /// The first, by path, of what makes any of them stale, but for what the runs that it comes after wrote, or what makes stale what
    /// these made; `None` where there is nothing else.
    pub cause: Option<StaleCause>,
    /// The tails of the runs before it in the list that wrote what it read, in their order; of those that wrote on in one file the last,
    /// which comes after the others.
    pub after: Vec<String>,
    /// What is to be known before it is done again.
    pub caveats: Vec<RedoCaveat>,
}

/// How what a run did is done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedoHow {
    /// By its command.
    Command,
    /// It is taken up again by `lineage pipeline --resume`, which makes only what is not as it should be.
    Resume,
    /// Nobody recorded how it was done.
    Unknown,
}

/// Why a run may not simply be done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RedoCaveat {
    /// It was taken over from elsewhere: how its files were made is not known.
    Imported,
    /// Its command is not recorded.
    NoCommand,
    /// Something is masked in its command.
    Masked,
    /// It is at work.
    Running,
    /// It did not come to its end.
    Interrupted,
    /// It failed.
    Failed,
    /// It was recorded in another workspace.
    OtherWorkspace,
    /// It ran on another machine.
    OtherHost,
}

impl RedoCaveat {
    /// Every value, in the order in which they are said.
    pub const ALL: [RedoCaveat; 8] = [
        RedoCaveat::Imported,
        RedoCaveat::NoCommand,
        RedoCaveat::Masked,
        RedoCaveat::Running,
        RedoCaveat::Interrupted,
        RedoCaveat::Failed,
        RedoCaveat::OtherWorkspace,
        RedoCaveat::OtherHost,
    ];

    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            RedoCaveat::Imported => "imported",
            RedoCaveat::NoCommand => "no command",
            RedoCaveat::Masked => "masked",
            RedoCaveat::Running => "running",
            RedoCaveat::Interrupted => "interrupted",
            RedoCaveat::Failed => "failed",
            RedoCaveat::OtherWorkspace => "other workspace",
            RedoCaveat::OtherHost => "other host",
        }
    }
}

/// A model version that holds stale files.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StaleModel {
    /// The version.
    pub view: ModelView,
    /// Those of its files that are stale, by path.
    pub files: Vec<ArtifactPath>,
}

/// What is to be made again, by who made it.
#[derive(Default)]
pub(super) struct Again {
    runs: HashMap<RunNo, Made>,
    /// Stale files that were asked about, and such as are so by what was restored.
    pub(super) listed: Vec<ArtifactNo>,
    /// The runs whose part something is that records itself, as far as they were asked for.
    doers: HashMap<RunNo, RunNo>,
}

/// What of the files that a run made is to be made again.
#[derive(Default)]
struct Made {
    stale: u64,
    lost: u64,
    new: u64,
    causes: BTreeSet<StaleCause>,
    /// Whether any of it was asked about.
    is_asked: bool,
}

/// Paths that a run read and wrote.
#[derive(Default)]
struct Touched {
    read: HashSet<PathNo>,
    wrote: HashSet<PathNo>,
}

/// Who wrote at a path, and who of them had read there.
#[derive(Default)]
struct Writers {
    all: Vec<usize>,
    wrote_on: Vec<usize>,
}

/// What runs come after one another by: who wrote at each path that any of them touched.
fn writers_of(touched: &[Touched]) -> HashMap<PathNo, Writers> {
    let mut writers: HashMap<PathNo, Writers> = HashMap::new();
    for (at, touched) in touched.iter().enumerate() {
        for path in &touched.wrote {
            let of_path = writers.entry(*path).or_default();
            of_path.all.push(at);
            if touched.read.contains(path) {
                of_path.wrote_on.push(at);
            }
        }
    }
    writers
}

/// Returns those before a run in an order that wrote where it read, without those that another one of them wrote on after.
fn directly_before(
    at: usize,
    touched: &[Touched],
    writers: &HashMap<PathNo, Writers>,
    places: &HashMap<usize, usize>,
) -> Vec<usize> {
    let mut before: BTreeSet<(usize, usize)> = BTreeSet::new();
    for Writers { all, wrote_on } in touched[at].read.iter().filter_map(|path| writers.get(path)) {
        let earlier = |others: &[usize]| {
            let placed = others.iter().map(|other| (places[other], *other));
            placed.filter(|(place, _)| *place < places[&at]).collect::<Vec<_>>()
        };
        let last_on = earlier(wrote_on).into_iter().max();
        before.extend(earlier(all).into_iter().filter(|other| last_on.is_none_or(|last| *other >= last)));
    }
    before.into_iter().map(|(_, other)| other).collect()
}

/// Returns, of each run, such of those that wrote where it read that all others of them come before these: of a table that many runs
/// wrote on in, each comes after the one before, and the first after the last.
fn comes_after(touched: &[Touched], writers: &HashMap<PathNo, Writers>) -> Vec<BTreeSet<usize>> {
    let mut after: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); touched.len()];
    for (at, touched) in touched.iter().enumerate() {
        for Writers { all, wrote_on } in touched.read.iter().filter_map(|path| writers.get(path)) {
            // They are in the order of their numbers.
            match (wrote_on.binary_search(&at), wrote_on.as_slice()) {
                (Err(_), []) => after[at].extend(all),
                (Err(_), [first, ..]) => drop(after[at].insert(*first)),
                (Ok(place), [.., last]) => {
                    after[at].insert(if place == 0 { *last } else { wrote_on[place - 1] });
                    if place == 0 {
                        after[at].extend(all.iter().filter(|other| wrote_on.binary_search(other).is_err()));
                    }
                }
                (Ok(_), []) => {}
            }
        }
        after[at].remove(&at);
    }
    after
}

impl Looking<'_> {
    /// Lists the files that lie on the way to those that were asked about, and were made themselves: to make these again, they come
    /// first.
    pub(super) fn made_on_the_way(&self, targets: &[usize], ancestry: &Ancestry) -> Vec<usize> {
        let targets: HashSet<usize> = targets.iter().copied().collect();
        let paths = ancestry.paths();
        let on_the_way = paths.iter().filter_map(|path| self.places.get(path)).copied();
        let mut made: Vec<usize> = on_the_way.filter(|at| !targets.contains(at)).collect();
        made.retain(|at| self.files[*at].writer.is_some());
        made.sort_unstable();
        made
    }

    /// Looks at files that nobody asked about, and lists none of them.
    pub(super) fn sort_out_unlisted(&mut self, files: &[usize]) -> Result<()> {
        let report = std::mem::take(&mut self.report);
        let sorted = self.sort_out(files);
        self.report = report;
        sorted
    }

    /// Keeps in mind that a file is to be made again since it is stale.
    pub(super) fn add_stale(&mut self, at: usize, file: &StaleFile, is_asked: bool) -> Result<()> {
        let number = self.files[at].number;
        if let Some(made) = self.made(at, is_asked)? {
            made.stale += 1;
            for cause in &file.causes {
                if !made.causes.contains(cause) {
                    made.causes.insert(cause.clone());
                }
            }
        }
        if is_asked {
            self.again.listed.push(number);
        }
        Ok(())
    }

    /// Keeps in mind that a run has not taken up all that it was given.
    pub(super) fn add_new(&mut self, run: RunNo) {
        let made = self.again.runs.entry(run).or_default();
        made.new += 1;
        made.is_asked = true;
    }

    /// Finds what is to be made again of a file's run; `None` where nobody recorded it.
    fn made(&mut self, at: usize, is_asked: bool) -> Result<Option<&mut Made>> {
        let Some(write) = self.files[at].writer else { return Ok(None) };
        let Some(run) = self.doer(write)? else { return Ok(None) };
        let made = self.again.runs.entry(run).or_default();
        made.is_asked |= is_asked;
        Ok(Some(made))
    }

    /// Returns the run that is to be done again for a write: of a program that records itself, the command that it was a part of.
    fn doer(&mut self, write: Write) -> Result<Option<RunNo>> {
        let Some(own) = self.snapshot.run_of(write.step)? else { return Ok(None) };
        if let Some(known) = self.again.doers.get(&own) {
            return Ok(Some(*known));
        }
        let (mut at, mut seen) = (own, HashSet::new());
        while seen.insert(at) {
            let run = self.snapshot.run(at)?.filter(|run| run.kind == RunKind::Library);
            let Some(parent) = run.and_then(|run| run.parent) else { break };
            let parent = self.snapshot.run_no(parent)?;
            match parent.map_or(Ok(None), |parent| Ok(self.snapshot.run(parent)?.map(|_| parent)))? {
                Some(parent) => at = parent,
                None => break,
            }
        }
        self.again.doers.insert(own, at);
        Ok(Some(at))
    }

    /// Lists what must be done again, in the order of making, and which models are made from what is stale; `asked` are the files that
    /// were asked about.
    pub(super) fn find_redo(&mut self, asked: &[usize]) -> Result<()> {
        let asked: HashSet<usize> = asked.iter().copied().collect();
        let mut lost: Vec<usize> = self.lost.iter().copied().collect();
        lost.sort_unstable();
        for at in lost.into_iter().filter(|at| self.files[*at].read_since.is_none()).collect::<Vec<_>>() {
            if let Some(made) = self.made(at, asked.contains(&at))? {
                made.lost += 1;
            }
        }
        self.find_stale_models()?;
        let mut runs = Vec::with_capacity(self.again.runs.len());
        for number in self.again.runs.keys().copied().collect::<Vec<_>>() {
            // Of a run of which only others speak, there is nothing to say.
            let Some(mut head) = RunHead::read(self.snapshot, number)? else { continue };
            head.alive = self.workspace.is_at_work(self.snapshot, &head.view)?;
            runs.push((number, head));
        }
        runs.sort_by_key(|(_, head)| (head.view.run.started_at, head.view.run.id));
        let numbers: Vec<RunNo> = runs.iter().map(|(number, _)| *number).collect();
        let files = self.files_made_by(&numbers)?;
        let touched = self.touched_by(&numbers)?;
        let writers = writers_of(&touched);
        let after = comes_after(&touched, &writers);
        let wanted = self.wanted(&numbers, &after);
        let order = in_order(&after);
        let places: HashMap<usize, usize> =
            order.iter().enumerate().map(|(place, at)| (*at, place)).collect();
        let host = host();
        let by_tail: HashMap<&str, usize> =
            runs.iter().enumerate().map(|(at, (_, head))| (head.tail.as_str(), at)).collect();
        let mut by_cause: BTreeMap<&StaleCause, Vec<usize>> = BTreeMap::new();
        for at in &order {
            for cause in &self.again.runs[&runs[*at].0].causes {
                by_cause.entry(cause).or_default().push(*at);
            }
        }
        for at in order.into_iter().filter(|at| wanted.contains(at)) {
            let (number, head) = &runs[at];
            let made = &self.again.runs[number];
            let before = directly_before(at, &touched, &writers, &places);
            // What one of those that come before it wrote anew is no more than what follows from it.
            let comes_before = |other: &usize| {
                let mut wrote = touched[*other].wrote.iter();
                places[other] < places[&at] && wrote.any(|path| touched[at].read.contains(path))
            };
            let is_said = |cause: &&StaleCause| {
                let by = cause.run.as_deref().and_then(|run| by_tail.get(run));
                by.into_iter().chain(by_cause.get(cause).into_iter().flatten()).any(comes_before)
            };
            // What it read itself tells most.
            let is_own = |cause: &StaleCause| {
                let path = self.snapshot.path_no(&cause.used.path)?;
                Ok::<_, Error>(path.is_some_and(|path| touched[at].read.contains(&path)))
            };
            let mut cause = None;
            for other in made.causes.iter().filter(|cause| !is_said(cause)) {
                if is_own(other)? {
                    cause = Some(other);
                    break;
                }
                cause = cause.or(Some(other));
            }
            let cause = cause.cloned();
            let is_here = self.here.has_run(self.snapshot, *number)?;
            self.report.redo.push(Redo {
                head: head.clone(),
                how: made.how(&head.view.run),
                stale: made.stale,
                lost: made.lost,
                new: made.new,
                files: files.get(number).copied().unwrap_or_default(),
                cause,
                after: before.iter().map(|other| runs[*other].1.tail.clone()).collect(),
                caveats: caveats(head, is_here, &host),
            });
        }
        Ok(())
    }

    /// Counts the files that runs made, as far as these are the last to have written them.
    fn files_made_by(&mut self, runs: &[RunNo]) -> Result<HashMap<RunNo, u64>> {
        let mut counts: HashMap<RunNo, u64> = runs.iter().map(|run| (*run, 0)).collect();
        if counts.is_empty() {
            return Ok(counts);
        }
        let current = self.files.iter().filter(|file| !file.superseded);
        let writes: Vec<Write> = current.filter_map(|file| file.writer).collect();
        for write in writes {
            if let Some(count) = self.doer(write)?.and_then(|run| counts.get_mut(&run)) {
                *count += 1;
            }
        }
        Ok(counts)
    }

    /// Returns where each run read and wrote.
    fn touched_by(&self, runs: &[RunNo]) -> Result<Vec<Touched>> {
        let places: HashMap<RunNo, usize> = runs.iter().enumerate().map(|(at, run)| (*run, at)).collect();
        let mut touched: Vec<Touched> = runs.iter().map(|_| Touched::default()).collect();
        let parts = self.again.doers.iter().filter(|(part, doer)| part != doer);
        let all = runs.iter().map(|run| (run, run)).chain(parts);
        for (part, doer) in all {
            let Some(at) = places.get(doer) else { continue };
            self.add_touched(*part, &mut touched[*at])?;
        }
        Ok(touched)
    }

    fn add_touched(&self, run: RunNo, touched: &mut Touched) -> Result<()> {
        let path = |edge: &Edge| self.snapshot.path_of(edge.artifact);
        let (mut read, mut wrote, mut removed) = (HashSet::new(), HashMap::new(), HashMap::new());
        for step in self.snapshot.steps_of(run)? {
            let Some(edges) = self.snapshot.edges(step)? else { continue };
            read.extend(edges.used.iter().filter(|edge| edge.role != Role::Environment).map(path));
            for edge in &edges.generated {
                let last = wrote.entry(path(edge)).or_insert(edge.at);
                *last = edge.at.max(*last);
            }
            for edge in &edges.removed {
                let last = removed.entry(edge.path).or_insert(edge.at);
                *last = edge.at.max(*last);
            }
        }
        // What it made for its own use alone leads to no other run.
        let is_passing = |path: &PathNo| {
            wrote.get(path).zip(removed.get(path)).is_some_and(|(wrote, removed)| wrote <= removed)
        };
        touched.read.extend(read.iter().filter(|path| !is_passing(path)));
        touched.wrote.extend(wrote.keys().filter(|path| !is_passing(path)));
        Ok(())
    }

    /// Returns those of the runs that made what was asked about, and those that these come after.
    fn wanted(&self, runs: &[RunNo], after: &[BTreeSet<usize>]) -> HashSet<usize> {
        let mut wanted = HashSet::new();
        let mut frontier: Vec<usize> =
            (0..runs.len()).filter(|at| self.again.runs[&runs[*at]].is_asked).collect();
        while let Some(at) = frontier.pop() {
            if wanted.insert(at) {
                frontier.extend(&after[at]);
            }
        }
        wanted
    }

    /// Finds the model versions that hold what is stale and was asked about.
    fn find_stale_models(&mut self) -> Result<()> {
        let mut stale = std::mem::take(&mut self.again.listed);
        stale.sort_unstable();
        let mut found: Vec<StaleModel> = Vec::new();
        let mut places: HashMap<_, usize> = HashMap::new();
        for (at, id) in self.snapshot.models_with_any(&stale)? {
            let place = match places.get(&id) {
                Some(place) => *place,
                None => {
                    let Some(view) = model_view(self.snapshot, id)?.filter(|view| view.deleted.is_none())
                    else {
                        continue;
                    };
                    places.insert(id, found.len());
                    found.push(StaleModel { view, files: Vec::new() });
                    found.len() - 1
                }
            };
            found[place].files.push(self.snapshot.artifact_path(stale[at])?);
        }
        for model in &mut found {
            model.files.sort();
            model.files.dedup();
        }
        found.sort_by_cached_key(|model| model.view.rank());
        self.report.stale_models = found;
        Ok(())
    }
}

impl Made {
    /// Returns how this is made again. What a pipeline made from a filing that is gone, a new run of it does not make any more; the
    /// same run, taken up again, leaves it as it is.
    fn how(&self, run: &Run) -> RedoHow {
        let is_gone = || self.new == 0 && self.causes.iter().any(|cause| cause.now.is_none());
        match how(run) {
            RedoHow::Resume if is_gone() && !run.arguments.is_empty() => RedoHow::Command,
            how => how,
        }
    }
}

fn how(run: &Run) -> RedoHow {
    match run.kind {
        RunKind::Pipeline => RedoHow::Resume,
        RunKind::Import => RedoHow::Unknown,
        RunKind::Command | RunKind::Library if run.arguments.is_empty() => RedoHow::Unknown,
        RunKind::Command | RunKind::Library => RedoHow::Command,
    }
}

fn caveats(head: &RunHead, is_here: bool, host: &str) -> Vec<RedoCaveat> {
    let run = &head.view.run;
    let status = head.status();
    let is_imported = run.kind == RunKind::Import;
    let is_command = how(run) == RedoHow::Command;
    let is_masked = || {
        let (remarks, _) = head.view.all_remarks();
        remarks.into_iter().any(|remark| remark.kind == RemarkKind::Masked)
            || run.arguments.iter().any(|argument| argument.contains("***"))
    };
    let all = [
        (is_imported, RedoCaveat::Imported),
        (!is_imported && how(run) == RedoHow::Unknown, RedoCaveat::NoCommand),
        (is_command && is_masked(), RedoCaveat::Masked),
        (status == RunStatus::Running, RedoCaveat::Running),
        (status == RunStatus::Interrupted, RedoCaveat::Interrupted),
        (status == RunStatus::Failed, RedoCaveat::Failed),
        (!is_here, RedoCaveat::OtherWorkspace),
        (!run.host.is_empty() && run.host != host, RedoCaveat::OtherHost),
    ];
    all.into_iter().filter_map(|(is_so, caveat)| is_so.then_some(caveat)).collect()
}
