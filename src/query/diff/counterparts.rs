//! Which steps of two runs are each other's: by what they are, and by what they wrote.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::model::Step;
use crate::query::diff::levels::FileKey;
use crate::query::diff::outputs::Pairs;
use crate::query::diff::side::{Side, StepKey};

/// Which steps of two runs are each other's.
///
/// **Definition.** Counterparts of a step are the steps of the other run with the same key that wrote what it wrote, under whatever
/// name. A step of which there is none has all those with the same key that wrote nothing that the other run wrote: a program that
/// was started for each of many files is no counterpart of itself for another file.
#[derive(Debug, Default)]
pub(super) struct Counterparts {
    /// The steps of each key that wrote an output of both runs, by the number of that pair.
    writers: [HashMap<usize, HashMap<StepKey, Vec<usize>>>; 2],
    /// The steps of each key that wrote none.
    free: [HashMap<StepKey, Vec<usize>>; 2],
    /// The programs that one run alone started, or started for more than the other.
    alone: [HashSet<String>; 2],
}

impl Counterparts {
    pub fn new(sides: [&Side; 2], pairs: &Pairs) -> Self {
        let mut found = Counterparts::default();
        let mut counts: [HashMap<&str, usize>; 2] = Default::default();
        for (side, of) in sides.into_iter().enumerate() {
            for (at, step) in of.steps.iter().enumerate() {
                let pairs = pairs_of(of, side, step, pairs);
                for pair in &pairs {
                    let steps = found.writers[side].entry(*pair).or_default();
                    steps.entry(of.key(step)).or_default().push(at);
                }
                if pairs.is_empty() {
                    found.free[side].entry(of.key(step)).or_default().push(at);
                    for program in programs(step) {
                        *counts[side].entry(program).or_default() += 1;
                    }
                }
            }
        }
        for (side, alone) in found.alone.iter_mut().enumerate() {
            let others = &counts[1 - side];
            let more =
                counts[side].iter().filter(|(name, count)| others.get(*name).is_none_or(|n| n < count));
            alone.extend(more.map(|(name, _)| (*name).to_owned()));
        }
        found
    }

    /// Returns the steps of the other run that correspond to a step of this one.
    pub fn of(&self, sides: [&Side; 2], pairs: &Pairs, side: usize, step: usize) -> BTreeSet<usize> {
        let key = sides[side].key(&sides[side].steps[step]);
        let writers: BTreeSet<usize> = self.writers_of(sides, pairs, side, step, &key).collect();
        match writers.is_empty() {
            true => self.free[1 - side].get(&key).into_iter().flatten().copied().collect(),
            false => writers,
        }
    }

    /// Returns what became in either run of a step the last time that it was tried, by the places of the steps in their runs; `None`
    /// where it has no counterpart.
    pub fn last_tries(
        &self,
        sides: [&Side; 2],
        pairs: &Pairs,
        side: usize,
        step: usize,
    ) -> Option<[usize; 2]> {
        let key = sides[side].key(&sides[side].steps[step]);
        let last = |side: usize| self.free[side].get(&key).and_then(|steps| steps.last().copied());
        let other = self.writers_of(sides, pairs, side, step, &key).max().or_else(|| last(1 - side))?;
        let is_free = self.free[side].get(&key).is_some_and(|steps| steps.binary_search(&step).is_ok());
        let own = last(side).filter(|_| is_free).unwrap_or(step);
        Some(if side == 0 { [own, other] } else { [other, own] })
    }

    fn writers_of<'s>(
        &'s self,
        sides: [&Side; 2],
        pairs: &Pairs,
        side: usize,
        step: usize,
        key: &'s StepKey,
    ) -> impl Iterator<Item = usize> + 's {
        let pairs = pairs_of(sides[side], side, &sides[side].steps[step], pairs);
        let steps = pairs.into_iter().filter_map(move |pair| self.writers[1 - side].get(&pair)?.get(key));
        steps.flatten().copied()
    }

    /// Returns the programs that one run alone started, or started for more than the other.
    pub fn alone(&self, side: usize) -> &HashSet<String> {
        &self.alone[side]
    }
}

/// Lists the outputs of both runs that a step wrote.
fn pairs_of(of: &Side, side: usize, step: &Step, pairs: &Pairs) -> BTreeSet<usize> {
    let keys = step.generated.iter().map(|edge| pairs.key(side, of.neutral_path(&edge.artifact.path)));
    let numbers = keys.filter_map(|key| match key {
        FileKey::Pair(number) => Some(number),
        FileKey::Path(_) => None,
    });
    numbers.collect()
}

/// Lists the programs that a step ran, without what is said of how.
pub(super) fn programs(step: &Step) -> impl Iterator<Item = &str> {
    step.name.split(" | ").filter_map(|name| name.split(" (").next())
}
