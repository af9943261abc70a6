//! Going from what is no longer so to all that was made from it.

use std::collections::{HashMap, HashSet};

use super::fresh::{Fresh, Way};
use super::left::{Fate, Found, Left};
use super::{Ancestry, Causes, Moved, Now, ReadBy, ReadPlace, Seen, Ways};
use crate::error::Result;
use crate::query::origin::Write;
use crate::store::{PathNo, RunNo, Snapshot};

/// One pass after another, on ever more ways.
pub(super) struct Passes<'a> {
    ancestry: &'a Ancestry,
    moved: &'a [Moved],
    /// The targets' nodes.
    starts: HashSet<usize>,
    fresh: Fresh<'a>,
    left: Left<'a>,
}

/// What was found on some ways.
pub(super) struct Pass {
    /// What makes the targets' nodes stale, by node.
    found: HashMap<usize, Found>,
    /// The reads that do no harm there, since what was read was made anew.
    anew: HashSet<ReadPlace>,
}

impl<'a> Passes<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        ancestry: &'a Ancestry,
        moved: &'a [Moved],
        current: &'a dyn Fn(PathNo) -> Option<Now>,
        is_here: &'a dyn Fn(RunNo) -> Result<bool>,
    ) -> Self {
        Passes {
            ancestry,
            moved,
            starts: ancestry.starts.iter().copied().collect(),
            fresh: Fresh::new(snapshot, ancestry, current),
            left: Left::new(snapshot, is_here),
        }
    }

    /// Tells whether anything counts only on ways that are doubts, as far as they were gone.
    pub(super) fn have_doubts(&self) -> bool {
        self.fresh.has_doubts()
    }

    /// Finds what makes the targets stale on some ways.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn pass(&mut self, ways: Ways) -> Result<Pass> {
        let ancestry = self.ancestry;
        let mut anew: HashSet<ReadPlace> = HashSet::new();
        loop {
            let mut found: HashMap<usize, Found> = HashMap::new();
            let mut add = |left: &mut Left, at: usize, moved: &Moved, seen: Seen| {
                let found = found.entry(at).or_default();
                left.add(found, ancestry.run_of(at), (moved, seen), ancestry.causes_max)
            };
            let is_overtaken = self.overtaken(|moved| &moved.reads, (ways, &anew), &mut add)?;
            // Nothing is made anew from itself: a later write counts only when it was found up to date without that.
            let reads = ancestry.nodes.iter().enumerate().flat_map(|(at, node)| {
                node.reads.iter().enumerate().map(move |(number, read)| ((at, number), read))
            });
            let newly = reads.filter(|(place, read)| {
                read.from.is_some_and(|from| is_overtaken[from])
                    && ways.lead_through(read.sort.counts_on())
                    && read.renewed.is_some_and(|way| !is_overtaken[way])
                    && !anew.contains(place)
            });
            let newly: Vec<ReadPlace> = newly.map(|(place, _)| place).collect();
            if newly.is_empty() {
                return Ok(Pass { found, anew });
            }
            anew.extend(newly);
        }
    }

    /// Finds what their own commands have kept up since it went into the targets, by node, on all ways; `last` is the pass that was
    /// made on most of them.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn kept_up(&mut self, last: &Pass) -> Result<HashMap<usize, Causes<Seen>>> {
        let causes_max = self.ancestry.causes_max;
        let mut found: HashMap<usize, Causes<Seen>> = HashMap::new();
        let mut add = |_: &mut Left, at: usize, _: &Moved, seen: Seen| {
            found.entry(at).or_default().add(seen, causes_max);
            Ok(())
        };
        self.overtaken(|moved| &moved.kept_up, (Ways::Carried, &last.anew), &mut add)?;
        Ok(found)
    }

    /// Says what is to be said of a target, whose node is `start`, and by what of all that a pass found; `None` where it found nothing.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn fate(
        &mut self,
        pass: &Pass,
        start: usize,
        target: &Write,
    ) -> Result<Option<(Fate, Causes<Seen>)>> {
        pass.found.get(&start).map(|found| self.left.fate(found, target)).transpose()
    }

    /// Says of each node whether a path makes it stale, not on ways through a read that is up to date all the same; and tells `add` for
    /// the targets' nodes each such path, with the last version of it that went in on a way that does.
    fn overtaken(
        &mut self,
        reads: fn(&Moved) -> &Vec<ReadBy>,
        (ways, up_to_date): (Ways, &HashSet<ReadPlace>),
        add: &mut dyn FnMut(&mut Left, usize, &Moved, Seen) -> Result<()>,
    ) -> Result<Vec<bool>> {
        let Passes { ancestry, moved, starts, fresh, left } = self;
        let nodes = &ancestry.nodes;
        // Which of the paths met each node last, counted from one, and on which ways.
        let mut met_by: Vec<(usize, Vec<Way>)> = vec![(0, Vec::new()); nodes.len()];
        for (number, moved) in moved.iter().enumerate() {
            let number = number + 1;
            let mut reads =
                reads(moved).iter().filter(|read| ways.lead_through(read.sort.counts_on())).peekable();
            if reads.peek().is_some() {
                fresh.turn_to(moved)?;
            }
            // The last versions come first: who is met by one of them need not be met again.
            for ReadBy { node, seen, sort } in reads {
                let written = nodes[*node].step.and_then(|(_, run)| moved.writes.get(&run));
                if written.is_some_and(|written| *written >= seen.at) {
                    continue;
                }
                let mut frontier = vec![(*node, Way::from(*sort))];
                while let Some((at, way)) = frontier.pop() {
                    let own_step = nodes[at].step.map(|(step, _)| step);
                    let (met, met_on) = &mut met_by[at];
                    let is_met = *met == number;
                    if (is_met && met_on.iter().any(|other| other.covers(&way, own_step.is_some())))
                        || fresh.ends(&way, at)
                    {
                        continue;
                    }
                    if !is_met {
                        *met = number;
                        met_on.clear();
                        if starts.contains(&at) {
                            add(left, at, moved, *seen)?;
                        }
                    }
                    met_on.retain(|other| !way.covers(other, own_step.is_some()));
                    met_on.push(way);
                    let way = way.at(own_step);
                    for reader in fresh.readers(ways, at) {
                        let node = reader.node;
                        let Some(number) = reader.read else {
                            let is_same_step = own_step.is_some() && nodes[node].step == nodes[at].step;
                            if !fresh.is_done_beside(&way, at, node)? {
                                frontier.push((node, way.along(is_same_step)));
                            }
                            continue;
                        };
                        let (place, read) = ((node, number), &nodes[node].reads[number]);
                        let is_nearer = read.seen.path == moved.path;
                        if is_nearer || up_to_date.contains(&place) {
                            continue;
                        }
                        let fate = match read.is_copy {
                            true => Fate::Stale,
                            false => left.fate_on_way(ancestry.run_of(at), moved, read.seen.artifact)?,
                        };
                        let is_doubt = matches!(fate, Fate::LeftAsIs(_) | Fate::LeftOver(_) | Fate::Older);
                        if is_doubt {
                            fresh.doubt();
                        }
                        if fate == Fate::Stale || (is_doubt && ways != Ways::Certain) {
                            frontier.push((node, fresh.through(place, way, ways)?));
                        }
                    }
                }
            }
        }
        Ok(met_by.into_iter().map(|(met, _)| met > 0).collect())
    }
}
