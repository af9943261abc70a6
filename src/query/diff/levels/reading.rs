//! What the steps of a level read.

use std::collections::BTreeMap;

use super::{FileKey, LAST, Levels, Read, Writer};
use crate::model::{Role, Timestamp};

/// What the steps of a level read.
#[derive(Default)]
pub(super) struct Reading {
    /// The steps, and until when what they read counts.
    pub steps: [BTreeMap<usize, Timestamp>; 2],
    /// What they read, in the order of time.
    pub files: [BTreeMap<FileKey, Vec<Read>>; 2],
    pub reads_code: bool,
}

impl Levels<'_> {
    /// Gathers what the steps read. What only these of the one run read, and only that run made, or wrote anew later, stands for what it
    /// was made from.
    pub(super) fn read(&self, steps: &[Vec<Writer>; 2]) -> Reading {
        let mut reading = Reading::default();
        let mut frontier: Vec<(usize, usize, Timestamp, Option<Timestamp>)> = Vec::new();
        for (side, steps) in steps.iter().enumerate() {
            frontier.extend(steps.iter().map(|(step, until)| (side, *step, until.unwrap_or(LAST), None)));
        }
        while !frontier.is_empty() {
            frontier.sort_by_key(|(.., read_at)| *read_at);
            for (side, step, until, read_at) in std::mem::take(&mut frontier) {
                let known = reading.steps[side].get(&step);
                if known.is_some_and(|known| *known >= until) {
                    continue;
                }
                reading.steps[side].insert(step, until);
                let used = self.sides[side].steps[step].used.iter();
                for edge in used.filter(|edge| edge.at <= until && edge.role != Role::Environment) {
                    reading.reads_code |= edge.role.is_code();
                    let read = Read {
                        artifact: edge.artifact.clone(),
                        role: edge.role,
                        at: read_at.unwrap_or(edge.at),
                        made: self.made(side, &edge.artifact, edge.at, Some(step)),
                    };
                    let key = self.key(side, &edge.artifact);
                    reading.files[side].entry(key).or_default().push(read);
                }
            }
            for side in [0, 1] {
                let (own, other) = match &mut reading.files {
                    [a, b] if side == 0 => (a, &*b),
                    [a, b] => (b, &*a),
                };
                own.retain(|key, reads| {
                    if other.contains_key(key) {
                        return true;
                    }
                    reads.retain(|read| {
                        let made = read.made.as_ref().filter(|_| self.is_passing(side, key, read));
                        let Some((steps, until)) = made else { return true };
                        let writers = steps
                            .iter()
                            .map(|(step, own)| (side, *step, own.unwrap_or(*until), Some(read.at)));
                        frontier.extend(writers);
                        false
                    });
                    !reads.is_empty()
                });
            }
        }
        for reads in reading.files.iter_mut().flat_map(BTreeMap::values_mut) {
            reads.sort_by(|x, y| (x.at, &x.artifact).cmp(&(y.at, &y.artifact)));
        }
        reading
    }
}
