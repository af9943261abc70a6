//! A step of more files than one record takes, as several.
//!
//! Steps of one run that wrote the same version wrote it together, and it comes from what any of them read. So a step whose files
//! are dealt out, each group of what it wrote with each group of what it read, says the same.

use crate::journal::frame::PAYLOAD_MAX_BYTES;
use crate::model::{ArtifactPath, Generated, NodeId, Removed, Step, Timestamp, Used};

/// No version of a record takes more for a file beside its path, with since when it lay there and whether git tracks it.
const FILE_BYTES: usize = 80;
/// Nor more for a step beside its files and texts.
const STEP_BYTES: usize = 256;
/// Nor more for a text beside its bytes.
const TEXT_BYTES: usize = 16;
/// A step is dealt out over so many records at most; each group of many files that it wrote is there once for each group of many that
/// it read.
const PARTS_MAX: usize = 64;

/// What a step read and wrote, with what belongs to it.
type Read = (Used, Option<Timestamp>);
type Wrote = (Generated, Option<Read>);

/// Returns the steps that say together what `step` says, none of them longer than a record may be; `None` where one record takes
/// it, or where it needs too many of them.
pub(super) fn parts(step: &Step) -> Option<Vec<Step>> {
    parts_of(step, PAYLOAD_MAX_BYTES)
}

fn parts_of(step: &Step, bytes_max: usize) -> Option<Vec<Step>> {
    let texts = step.parameters.iter().flat_map(|(name, value)| [name.len(), value.len()]);
    let texts =
        texts.chain([step.name.len(), step.subject.len(), step.reason.as_ref().map_or(0, String::len)]);
    let head: usize = STEP_BYTES + texts.map(|bytes| bytes + TEXT_BYTES).sum::<usize>();
    let read = step.used.iter().map(|edge| bytes_of(&edge.artifact.path));
    let wrote = step.generated.iter().map(|edge| bytes_of(&edge.artifact.path));
    let removed = step.removed.iter().map(|removed| bytes_of(&removed.path));
    let room = bytes_max.checked_sub(head)?;
    if read.chain(wrote).chain(removed).sum::<usize>() <= room {
        return None;
    }
    let (reads, wrote) = edges_of(step);
    let of_write = |(edge, read): &Wrote| {
        bytes_of(&edge.artifact.path) + read.as_ref().map_or(0, |(edge, _)| bytes_of(&edge.artifact.path))
    };
    let of_read = |(edge, _): &Read| bytes_of(&edge.artifact.path);
    // What is little of one sort leaves the room to the other.
    let half = |bytes: usize| bytes.min(room / 2);
    let (little_wrote, little_read) =
        (half(wrote.iter().map(of_write).sum()), half(reads.iter().map(of_read).sum()));
    let wrote = dealt(wrote, room - little_read, of_write);
    let reads = dealt(reads, room - little_wrote, of_read);
    let removed = dealt(step.removed.clone(), room, |removed: &Removed| bytes_of(&removed.path));
    if wrote.len().saturating_mul(reads.len()).saturating_add(removed.len()) > PARTS_MAX {
        return None;
    }
    let mut parts = Vec::new();
    for (wrote, read) in wrote.iter().flat_map(|wrote| reads.iter().map(move |read| (wrote, read))) {
        if !(wrote.is_empty() && read.is_empty()) {
            parts.push(part_of(step, parts.len(), wrote, read, Vec::new()));
        }
    }
    for removed in removed.into_iter().filter(|removed| !removed.is_empty()) {
        parts.push(part_of(step, parts.len(), &[], &[], removed));
    }
    Some(parts)
}

fn bytes_of(path: &ArtifactPath) -> usize {
    path.as_bytes().len() + FILE_BYTES
}

/// Parts what a step read from what it wrote; what goes back to one file that it read has that with it.
fn edges_of(step: &Step) -> (Vec<Read>, Vec<Wrote>) {
    let mut reads: Vec<Read> = step.used.iter().map(|edge| (edge.clone(), None)).collect();
    for (number, since) in &step.unchanged_since {
        if let Some((_, unchanged_since)) = reads.get_mut(*number as usize) {
            *unchanged_since = Some(*since);
        }
    }
    let wrote = step.generated.iter().cloned();
    if !step.act.is_one_to_one() {
        return (reads, wrote.map(|edge| (edge, None)).collect());
    }
    let others = reads.split_off(step.generated.len().min(reads.len()));
    let mut paired = reads.into_iter();
    (others, wrote.map(|edge| (edge, paired.next())).collect())
}

/// Deals out what there is over groups that each take no more than `room`, in its order; one empty group where there is nothing.
fn dealt<T>(all: Vec<T>, room: usize, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut groups, mut group, mut left) = (Vec::new(), Vec::new(), room);
    for one in all {
        let bytes = bytes(&one);
        if bytes > left && !group.is_empty() {
            groups.push(std::mem::take(&mut group));
            left = room;
        }
        left = left.saturating_sub(bytes);
        group.push(one);
    }
    groups.push(group);
    groups
}

fn part_of(step: &Step, number: usize, wrote: &[Wrote], read: &[Read], removed: Vec<Removed>) -> Step {
    let mut part = Step {
        // The same parts of the same step, whoever writes it down.
        id: NodeId::from_u128(step.id.as_u128().wrapping_add(number as u128)),
        name: step.name.clone(),
        subject: step.subject.clone(),
        reason: step.reason.clone(),
        parameters: step.parameters.clone(),
        used: Vec::new(),
        unchanged_since: Vec::new(),
        generated: wrote.iter().map(|(edge, _)| edge.clone()).collect(),
        removed,
        ..*step
    };
    for (edge, since) in wrote.iter().filter_map(|(_, read)| read.as_ref()).chain(read) {
        part.unchanged_since.extend(since.map(|since| (part.used.len() as u32, since)));
        part.used.push(edge.clone());
    }
    part
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::journal::encode;
    use crate::model::{Fact, StepAct};
    use crate::store::tests::world;

    /// What was written, with what, how, and since when that lay there.
    fn said<'a>(steps: impl IntoIterator<Item = &'a Step>) -> BTreeSet<String> {
        let mut said = BTreeSet::new();
        for step in steps {
            let since = |number: usize| step.unchanged_since.iter().find(|(at, _)| *at as usize == number);
            let since = |number| since(number).map(|(_, since)| *since);
            let reads = || step.used.iter().enumerate().map(|(number, edge)| (edge, since(number)));
            said.extend(reads().map(|read| format!("read {read:?}")));
            said.extend(step.removed.iter().map(|removed| format!("removed {removed:?}")));
            let pairs = if step.act.is_one_to_one() { step.generated.len() } else { 0 };
            for (number, edge) in step.generated.iter().enumerate() {
                said.insert(format!("wrote {edge:?}"));
                let own = reads().skip(number).take(pairs.min(1));
                for read in own.chain(reads().skip(pairs)) {
                    said.insert(format!("{edge:?} from {read:?}"));
                }
            }
        }
        said
    }

    fn repeated<T: Clone>(all: &[T], times: usize) -> Vec<T> {
        (0..times).flat_map(|_| all.iter().cloned()).collect()
    }

    proptest! {
        #[test]
        fn parts_say_what_the_step_says_and_each_is_short_enough(fact in world::step(), times in 1_usize..6, room in 1_000_usize..3_000) {
            let Fact::StepDone(mut step) = fact else { unreachable!("a strategy of steps") };
            if step.act == StepAct::Made || step.used.len() == step.generated.len() {
                step.used = repeated(&step.used, times);
                step.generated = repeated(&step.generated, times);
            }
            step.removed = repeated(&step.removed, times);
            step.unchanged_since = (0..step.used.len()).step_by(2).map(|number| (number as u32, step.ended_at)).collect();
            let whole = encode(&Fact::StepDone(step.clone())).unwrap();
            match parts_of(&step, room) {
                Some(parts) => {
                    prop_assert_eq!(said(&parts), said([&step]));
                    for part in &parts {
                        prop_assert!(encode(&Fact::StepDone(part.clone())).unwrap().len() <= room);
                    }
                    let ids: BTreeSet<NodeId> = parts.iter().map(|part| part.id).collect();
                    prop_assert_eq!(ids.len(), parts.len());
                    prop_assert_eq!(parts[0].id, step.id);
                }
                // Some would need too many.
                None => prop_assert!(whole.len() <= room || step.used.len() * step.generated.len() > 64),
            }
        }
    }
}
