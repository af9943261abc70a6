//! Files that were given other names: each has the bytes of the one file that it was, and of nothing else that its step read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::chosen::Chosen;
use super::files::Files;
use super::{Read, Surroundings};
use crate::capture::observe::{Naming, Observation};
use crate::model::{Evidence, Generated, StepAct, Timestamp, Used};

/// What the processes of a command gave other names.
pub(super) struct Moves {
    /// Each file that goes back to one other alone, by the process that gave it its name.
    pairs: BTreeMap<usize, Vec<Pair>>,
    /// By process: what is a read and a write as any other, since others used the file under a name that is no more.
    plain: BTreeMap<usize, Vec<Naming>>,
}

/// A file that is another one under a new name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) from: Read,
    pub(super) to: Read,
    pub(super) at: i64,
    /// When it got the first of its other names: what lies under its own since then is another file.
    since: i64,
    is_link: bool,
}

impl Moves {
    pub(super) fn of(observation: &Observation, files: &Files, around: &Surroundings<'_>) -> Self {
        let mut moves = Moves { pairs: BTreeMap::new(), plain: BTreeMap::new() };
        let processes = || {
            let all = observation.processes.iter().enumerate();
            all.filter(|(index, _)| !around.own.contains_key(index))
        };
        let namings: HashMap<Read, (usize, Naming)> = processes()
            .flat_map(|(index, process)| process.namings.iter().map(move |naming| (index, *naming)))
            // What its maker is a step with is entered under the name that it has at the end.
            .filter(|(_, naming)| naming.maker.is_none_or(|maker| around.own.contains_key(&maker)))
            .map(|(index, naming)| (naming.to, (index, naming)))
            .collect();
        if namings.is_empty() {
            return moves;
        }
        let used: BTreeSet<usize> = processes()
            .flat_map(|(_, process)| &process.accesses)
            .filter(|access| access.read() || access.wrote())
            .map(|access| access.file)
            .collect();
        let is_known = |version: &Read| files.known.contains_key(version);
        let mut plain: BTreeSet<Read> = BTreeSet::new();
        for (to, (index, naming)) in &namings {
            // What had a name for a while that nobody used it by comes from where it lay before.
            let (mut from, mut is_link, mut is_direct) = (naming.from, naming.is_link, true);
            let mut since = naming.us;
            let mut passed = vec![*to];
            while !is_known(&from)
                && let Some((_, before)) = namings.get(&from)
            {
                passed.push(from);
                is_direct &= !used.contains(&from.0);
                (from, is_link, since) = (before.from, is_link || before.is_link, before.us);
            }
            if is_direct && is_known(to) && is_known(&from) {
                let pair = Pair { from, to: *to, at: naming.us, since, is_link };
                moves.pairs.entry(*index).or_default().push(pair);
            } else if is_known(to) || used.contains(&to.0) || observation.files[to.0].exists {
                plain.extend(passed);
            }
        }
        for to in plain {
            let (index, naming) = namings[&to];
            moves.plain.entry(index).or_default().push(naming);
        }
        for pairs in moves.pairs.values_mut() {
            pairs.sort_by_key(|pair| (pair.at, pair.to));
        }
        moves
    }

    /// Returns what a process gave other names that is a read and a write as any other.
    pub(super) fn plain(&self, process: usize) -> &[Naming] {
        self.plain.get(&process).map_or(&[], Vec::as_slice)
    }

    /// Returns every pair with the process that made it.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (usize, &Pair)> {
        self.pairs.iter().flat_map(|(process, pairs)| pairs.iter().map(|pair| (*process, pair)))
    }
}

/// The edges of a step that gave files other names.
pub(super) struct Moved {
    pub(super) act: StepAct,
    pub(super) used: Vec<Used>,
    pub(super) generated: Vec<Generated>,
    /// The files that are under their names no more, by number.
    pub(super) left: BTreeSet<usize>,
}

/// Parts the pairs of a group into those of moves and those of links, and each into those that were chosen by what is in `by`, and the
/// others. `read_at` says when a version was read that is no more.
pub(super) fn moved(
    pairs: &[Pair],
    files: &Files,
    read_at: &dyn Fn(&Read) -> Option<i64>,
    (chosen, by): (&Chosen<'_>, Vec<Used>),
) -> impl Iterator<Item = Moved> {
    let part = |act| Moved { act, used: Vec::new(), generated: Vec::new(), left: BTreeSet::new() };
    let mut parts = [StepAct::Moved, StepAct::Linked].map(|act| [part(act), part(act)]);
    for pair in pairs {
        let (Some(from), Some(to)) = (files.known.get(&pair.from), files.known.get(&pair.to)) else {
            continue;
        };
        if !to.lasting && read_at(&pair.to).is_none() {
            continue;
        }
        let (since, at) = (Timestamp::from_micros(pair.since), Timestamp::from_micros(pair.at));
        let is_chosen = !by.is_empty() && chosen.has(pair);
        let part = &mut parts[usize::from(pair.is_link)][usize::from(is_chosen)];
        let evidence = Evidence::Observed;
        part.used.push(Used { artifact: from.artifact.clone(), at: since, evidence, role: from.role });
        part.generated.push(Generated { artifact: to.artifact.clone(), at, evidence, role: to.role });
        part.left.insert(pair.from.0);
    }
    for [_, part] in &mut parts {
        if !part.used.is_empty() {
            part.used.extend(by.iter().cloned());
        }
    }
    parts.into_iter().flatten().filter(|part| !part.used.is_empty())
}
