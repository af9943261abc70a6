//! What the writers of an output read, next to what those of its counterpart read; and so on back, over what the runs made
//! themselves and made differently.
//!
//! A level is a set of steps of either run that wrote two versions of one file, with the differences between what they read. Each
//! of these has a time: it is a cause of what was written later. So the causes of an output are those of the beginning of two rows,
//! in which every entry adds to what is before it; each row is gone through once, whatever number of outputs a step wrote.

mod always;
mod comparing;
#[cfg(test)]
mod plain;
mod reading;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::model::{Artifact, Role, RunStatus, Timestamp};
use crate::query::diff::RunDiff;
use crate::query::diff::causes::{Cause, input};
use crate::query::diff::counterparts::programs;
use crate::query::diff::outputs::{OutputDiff, Pairs};
use crate::query::diff::side::Side;
use reading::Reading;

/// The beginning of time.
const FIRST: Timestamp = Timestamp::from_micros(i64::MIN);

/// The end of time.
const LAST: Timestamp = Timestamp::from_micros(i64::MAX);

/// The number of a cause.
pub(super) type CauseNo = u32;
type LevelNo = usize;

/// Causes, those first that came last; of more than are kept, the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CauseSet {
    pub causes: Vec<CauseNo>,
    pub more: bool,
}

impl CauseSet {
    fn of(causes: impl IntoIterator<Item = CauseNo>) -> Self {
        CauseSet { causes: causes.into_iter().collect(), more: false }
    }

    /// Puts `later` before what is there; what is there already stays where it is. Keeps at most `most`.
    fn with(self: &Rc<Self>, later: &CauseSet, most: usize) -> Rc<Self> {
        let known: HashSet<CauseNo> = self.causes.iter().copied().collect();
        let mut causes: Vec<CauseNo> =
            later.causes.iter().copied().filter(|cause| !known.contains(cause)).collect();
        let more = self.more || later.more;
        if causes.is_empty() && more == self.more {
            return self.clone();
        }
        causes.extend(&self.causes);
        let more = more || causes.len() > most;
        causes.truncate(most);
        Rc::new(CauseSet { causes, more })
    }
}

/// A step of a level; where several wrote a version one after the other, each with the time of its own last write: what it read later
/// is no matter. Those that wrote at the same time, or alone, are one level for all that they wrote.
type Writer = (usize, Option<Timestamp>);

/// A version of a file that somebody read: what wrote it inside the run, if anything, and until when it was read.
#[derive(Debug, Clone)]
struct Read {
    artifact: Artifact,
    role: Role,
    at: Timestamp,
    /// The steps of the run that wrote it, and the last time at which they did; none where it came from outside.
    made: Option<(Vec<Writer>, Timestamp)>,
}

/// What names a file in both runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileKey {
    /// An output of both.
    Pair(usize),
    /// Any other file, by its neutral path.
    Path(String),
}

/// What a row adds from a time on.
#[derive(Debug, Clone)]
struct Entry {
    at: Timestamp,
    adds: Adds,
    /// Where the other run read its counterpart, when it first did; what it wrote before that was made without it.
    counterpart: Option<Timestamp>,
    /// What the entry adds to that: the run read alone what it read.
    alone: CauseNo,
}

impl Entry {
    /// Returns what the entry adds to what the other run wrote until a time.
    fn adds(&self, until: Timestamp) -> Adds {
        match self.counterpart.is_some_and(|at| at > until) {
            true => Adds::Cause(self.alone),
            false => self.adds,
        }
    }
}

/// The differences in what the steps of a level read in one of the runs, by time.
#[derive(Default)]
struct Row {
    entries: Vec<Entry>,
    /// Until when the other run had read the counterparts of the first so many entries.
    counterparts: Vec<Timestamp>,
}

impl Row {
    fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| entry.at);
        let mut counterparts = vec![FIRST];
        for entry in &entries {
            let last = counterparts[counterparts.len() - 1];
            counterparts.push(entry.counterpart.map_or(last, |at| at.max(last)));
        }
        Row { entries, counterparts }
    }
}

#[derive(Debug, Clone, Copy)]
enum Adds {
    Cause(CauseNo),
    /// The causes of what both runs made themselves, or, where there are none, that it differs.
    Made(Question, CauseNo),
}

/// The causes of what a level wrote until these times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Question {
    level: LevelNo,
    until: [Timestamp; 2],
}

#[derive(Default)]
struct Level {
    /// What can have made all differ that these steps wrote.
    always: Rc<CauseSet>,
    /// The differences in what they read, by time, of either run.
    rows: [Row; 2],
    /// What to say where there is nothing else.
    otherwise: Option<CauseNo>,
}

/// A set that is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Goal {
    /// What the first so many entries of a row come to, for what the other run wrote until a time: the end, where it had read all of
    /// their counterparts.
    Row { level: LevelNo, side: usize, length: usize, until: Timestamp },
    /// What both rows come to.
    Both(Question),
}

/// The levels of two runs.
pub(super) struct Levels<'a> {
    sides: [&'a Side; 2],
    pairs: &'a Pairs,
    found: &'a RunDiff,
    /// What folders that were renamed were called in the first run.
    first_folders: BTreeMap<String, String>,
    /// The programs that steps ran.
    programs: [HashSet<&'a str>; 2],
    /// What differs of all that a run read, by what it read itself.
    changed: [HashMap<&'a Artifact, Cause>; 2],
    causes: Vec<Cause>,
    numbers: HashMap<Cause, CauseNo>,
    levels: Vec<Level>,
    level_of: HashMap<[Vec<Writer>; 2], LevelNo>,
    unbuilt: Vec<(LevelNo, [Vec<Writer>; 2])>,
    sets: HashMap<Goal, Option<Rc<CauseSet>>>,
    /// So many causes are kept of each output.
    causes_max: usize,
}

impl<'a> Levels<'a> {
    pub fn new(sides: [&'a Side; 2], pairs: &'a Pairs, found: &'a RunDiff, causes_max: usize) -> Self {
        Levels {
            sides,
            pairs,
            found,
            first_folders: first_folders(found),
            programs: sides.map(|side| side.steps.iter().flat_map(programs).collect()),
            changed: [0, 1].map(|side| changed(side, found)),
            causes: Vec::new(),
            numbers: HashMap::new(),
            levels: Vec::new(),
            level_of: HashMap::new(),
            unbuilt: Vec::new(),
            sets: HashMap::new(),
            causes_max,
        }
    }

    pub fn cause(&self, number: CauseNo) -> &Cause {
        &self.causes[number as usize]
    }

    /// Returns the causes of an output that differs.
    pub fn of_output(&mut self, output: &OutputDiff) -> Rc<CauseSet> {
        let question = self.question(output);
        let found = self.answer(question);
        let Some(missing_in) = [&output.a, &output.b].iter().position(|artifact| artifact.is_none()) else {
            return found;
        };
        self.of_missing(missing_in, &found)
    }

    fn question(&mut self, output: &OutputDiff) -> Question {
        let made = [0, 1].map(|side| {
            let artifact = [&output.a, &output.b][side].as_ref();
            artifact
                .zip(output.written_at[side])
                .and_then(|(artifact, at)| self.made(side, artifact, at, None))
        });
        let (steps, until) = match made {
            [Some((a, until_a)), Some((b, until_b))] => ([a, b], [until_a, until_b]),
            [Some((a, until)), None] => {
                let b = self.counterparts(0, &a);
                ([a, b], [until, LAST])
            }
            [None, Some((b, until))] => {
                let a = self.counterparts(1, &b);
                ([a, b], [LAST, until])
            }
            [None, None] => ([Vec::new(), Vec::new()], [LAST; 2]),
        };
        Question { level: self.level(steps), until }
    }

    /// Returns the steps of the other run that correspond to these, as far as that is clear.
    fn counterparts(&self, side: usize, steps: &[Writer]) -> Vec<Writer> {
        let of = |step: usize| self.pairs.counterparts.of(self.sides, self.pairs, side, step);
        let found: BTreeSet<usize> = steps.iter().flat_map(|(step, _)| of(*step)).collect();
        found.into_iter().map(|step| (step, None)).collect()
    }

    /// Says what else there is to say of an output that one of the runs lacks.
    fn of_missing(&mut self, side: usize, found: &Rc<CauseSet>) -> Rc<CauseSet> {
        let mut found = found.clone();
        let has_failed = |levels: &Self, set: &CauseSet| {
            set.causes.iter().any(|cause| matches!(levels.cause(*cause), Cause::Failed { .. }))
        };
        let status = self.sides[side].head.status();
        if status != RunStatus::Succeeded && !has_failed(self, &found) {
            let cause = self.number(Cause::Unfinished(status));
            found = found.with(&CauseSet::of([cause]), self.causes_max);
        }
        if found.causes.iter().any(|cause| self.cause(*cause).is_likely()) {
            return found;
        }
        // Which steps there are at all is decided by what the run was told, and by any of its code.
        let told: Vec<Cause> = self.found.parameters.iter().cloned().map(Cause::Parameter).collect();
        let read = &self.found.code_read;
        let changed = read.changed.iter().map(|[a, b]| input(Role::Code, Some(a), Some(b)));
        let only_a = read.only_a.iter().map(|a| input(Role::Code, Some(a), None));
        let only_b = read.only_b.iter().map(|b| input(Role::Code, None, Some(b)));
        let code: Vec<Cause> = changed.chain(only_a).chain(only_b).collect();
        let command: Vec<Cause> = self.arguments().into_iter().collect();
        let unread = self.found.code.may_differ().then_some(Cause::Code);
        let rest: Vec<Cause> =
            unread.into_iter().chain(self.found.recorder.is_some().then_some(Cause::Recorder)).collect();
        let first = [[told, code].concat(), command, rest].into_iter().find(|causes| !causes.is_empty());
        let first = first.unwrap_or_default().into_iter().map(|cause| self.number(cause)).collect::<Vec<_>>();
        found.with(&CauseSet::of(first), self.causes_max)
    }

    /// Returns the steps that wrote a version by `until`, and when they did last; `None` where the run did not write it.
    fn made(
        &self,
        side: usize,
        artifact: &Artifact,
        until: Timestamp,
        reader: Option<usize>,
    ) -> Option<(Vec<Writer>, Timestamp)> {
        let mut writes: BTreeMap<usize, Timestamp> = BTreeMap::new();
        for (step, at) in self.sides[side].writes_of(artifact, until, reader) {
            let last = writes.entry(step).or_insert(at);
            *last = at.max(*last);
        }
        let last = writes.values().copied().max()?;
        let is_one = writes.values().all(|at| *at == last);
        Some((writes.into_iter().map(|(step, at)| (step, (!is_one).then_some(at))).collect(), last))
    }

    fn number(&mut self, cause: Cause) -> CauseNo {
        if let Some(number) = self.numbers.get(&cause) {
            return *number;
        }
        let number = CauseNo::try_from(self.causes.len()).expect("two runs in memory have fewer differences");
        self.causes.push(cause.clone());
        self.numbers.insert(cause, number);
        number
    }

    // ---- sets ----

    /// Finds what can have made differ what a level wrote.
    fn answer(&mut self, question: Question) -> Rc<CauseSet> {
        let goal = Goal::Both(question);
        let mut frontier = vec![goal];
        while let Some(goal) = frontier.last().copied() {
            if matches!(self.sets.get(&goal), Some(Some(_))) {
                frontier.pop();
                continue;
            }
            // What is met again on the way to itself adds nothing to itself.
            self.sets.insert(goal, None);
            match self.wanted(goal).into_iter().find(|wanted| !self.sets.contains_key(wanted)) {
                Some(open) => frontier.push(open),
                None => {
                    let set = self.put_together(goal);
                    self.sets.insert(goal, Some(set));
                    frontier.pop();
                }
            }
        }
        self.set(goal)
    }

    fn set(&self, goal: Goal) -> Rc<CauseSet> {
        self.sets.get(&goal).cloned().flatten().unwrap_or_default()
    }

    /// Returns the goal of what a row has until the time of a question.
    fn row(&self, question: Question, side: usize) -> Goal {
        let row = &self.levels[question.level].rows[side];
        let length = row.entries.partition_point(|entry| entry.at <= question.until[side]);
        let until = question.until[1 - side];
        let until = if row.counterparts[length] <= until { LAST } else { until };
        Goal::Row { level: question.level, side, length, until }
    }

    /// Returns what a row comes to before the entries that are added one by one, and these: one where the other run had read all
    /// counterparts, so that each set is the one before it and a little more; else those from the first that it had not.
    fn parts(&self, level: LevelNo, side: usize, length: usize, until: Timestamp) -> (Goal, &[Entry]) {
        let row = &self.levels[level].rows[side];
        let before = match until == LAST {
            true => length - 1,
            false => row.counterparts.partition_point(|at| *at <= until) - 1,
        };
        (Goal::Row { level, side, length: before, until: LAST }, &row.entries[before..length])
    }

    /// Lists what must be found before a goal can be.
    fn wanted(&self, goal: Goal) -> Vec<Goal> {
        match goal {
            Goal::Both(question) => [0, 1].map(|side| self.row(question, side)).to_vec(),
            Goal::Row { length: 0, .. } => Vec::new(),
            Goal::Row { level, side, length, until } => {
                let (before, entries) = self.parts(level, side, length, until);
                let made = entries.iter().filter_map(|entry| match entry.adds(until) {
                    Adds::Made(question, _) => Some(Goal::Both(question)),
                    Adds::Cause(_) => None,
                });
                std::iter::once(before).chain(made).collect()
            }
        }
    }

    fn put_together(&self, goal: Goal) -> Rc<CauseSet> {
        let most = self.causes_max;
        match goal {
            Goal::Both(question) => {
                let rows = [0, 1].map(|side| self.set(self.row(question, side)));
                let level = &self.levels[question.level];
                let found = rows[0].with(&rows[1], most).with(&level.always, most);
                match level.otherwise.filter(|_| found.causes.is_empty()) {
                    Some(cause) => Rc::new(CauseSet::of([cause])),
                    None => found,
                }
            }
            Goal::Row { length: 0, .. } => Rc::default(),
            Goal::Row { level, side, length, until } => {
                let (before, entries) = self.parts(level, side, length, until);
                let mut found = Rc::<CauseSet>::default();
                for entry in entries.iter().rev() {
                    if found.more && found.causes.len() == most {
                        break;
                    }
                    let added = match entry.adds(until) {
                        Adds::Cause(cause) => Rc::new(CauseSet::of([cause])),
                        Adds::Made(question, differs) => {
                            let made = self.set(Goal::Both(question));
                            let differs = || Rc::new(CauseSet::of([differs]));
                            if made.causes.is_empty() { differs() } else { made }
                        }
                    };
                    found = added.with(&found, most);
                }
                self.set(before).with(&found, most)
            }
        }
    }

    // ---- levels ----

    /// Returns the level of these steps, and builds it and all that it leads to.
    fn level(&mut self, steps: [Vec<Writer>; 2]) -> LevelNo {
        let number = self.level_no(steps);
        while let Some((number, steps)) = self.unbuilt.pop() {
            self.levels[number] = self.build(&steps);
        }
        number
    }

    fn level_no(&mut self, steps: [Vec<Writer>; 2]) -> LevelNo {
        if let Some(number) = self.level_of.get(&steps) {
            return *number;
        }
        let number = self.levels.len();
        self.levels.push(Level::default());
        self.level_of.insert(steps.clone(), number);
        self.unbuilt.push((number, steps));
        number
    }

    fn build(&mut self, steps: &[Vec<Writer>; 2]) -> Level {
        let reading = self.read(steps);
        let mut level = Level::default();
        let rows = match steps.iter().position(Vec::is_empty) {
            None => self.compare(&reading),
            Some(other) => self.compare_with_run(1 - other, &reading.files[1 - other]),
        };
        level.rows = rows.map(Row::new);
        let (always, more) = self.always(&reading, steps.iter().all(|steps| !steps.is_empty()));
        let always = always.into_iter().map(|cause| self.number(cause)).collect::<Vec<_>>();
        let mut always = CauseSet::of(always);
        always.more |= more;
        level.always = Rc::new(always);
        let otherwise = match self.is_keyed(&reading) && self.found.recorder.is_some() {
            true => Some(Cause::Recorder),
            false => self.in_renamed_folder(&reading),
        };
        level.otherwise = otherwise.map(|cause| self.number(cause));
        level
    }
}

fn first_folders(found: &RunDiff) -> BTreeMap<String, String> {
    let folders = found.inputs.folders.iter().chain(&found.code_read.folders);
    folders.map(|(a, b)| (b.clone(), a.clone())).collect()
}

/// Lists what differs of all that two runs read, by what the run of this side read; what is only the other's is not listed.
fn changed(side: usize, found: &RunDiff) -> HashMap<&Artifact, Cause> {
    let mut causes = HashMap::new();
    for (role, files) in [(Role::Data, &found.inputs), (Role::Code, &found.code_read)] {
        for [a, b] in &files.changed {
            causes.insert([a, b][side], input(role, Some(a), Some(b)));
        }
        for [a, b] in files.renamed.iter().filter(|pair| !files.is_by_folder(pair)) {
            causes.insert([a, b][side], Cause::Renamed { a: a.clone(), b: b.clone() });
        }
        for only in [&files.only_a, &files.only_b][side] {
            let cause = if side == 0 { input(role, Some(only), None) } else { input(role, None, Some(only)) };
            causes.insert(only, cause);
        }
    }
    causes
}
