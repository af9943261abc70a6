//! Versions of files that are none: somebody opened what was there for writing, and left the bytes as they were.

use std::collections::{HashMap, HashSet};

use super::super::body::{Body, Bytes};
use super::super::ledger::{Ledger, What};

/// The versions that hold the same bytes as those before them, which they were not written anew instead of.
#[derive(Default)]
pub(super) struct Unchanged {
    /// Of bodies that have such: each version's number among those that are versions.
    numbers: HashMap<What, Vec<u32>>,
}

/// Tells whether a file was written into since the version before, in its place, as its file system says: opened for that alone it
/// keeps its time, and whoever sets times may do so for no bytes.
fn is_written_anew(body: &Body, version: usize) -> bool {
    let written_ns = |version: usize| match body.versions[version].bytes {
        Bytes::Hashed { stamp, .. } => Some(stamp.mtime_ns),
        _ => None,
    };
    body.versions[version].written && !body.was_time_set && written_ns(version) != written_ns(version - 1)
}

impl Unchanged {
    pub(super) fn of(ledger: &Ledger) -> Self {
        let touches = ledger.actors.iter().flat_map(|actor| &actor.touches);
        let anew = touches
            .filter(|((_, version), touch)| *version > 0 && touch.written_us.is_some() && !touch.extends);
        let anew: HashSet<(What, u32)> = anew.map(|(key, _)| *key).collect();
        let mut numbers = HashMap::new();
        for (what, body) in ledger.bodies.iter().enumerate() {
            let Some(body) = body.as_ref().filter(|body| body.versions.len() > 1) else { continue };
            let mut of_body = vec![0];
            for version in 1..body.versions.len() {
                let digest = |version: usize| match body.versions[version].bytes {
                    Bytes::Hashed { digest, .. } => Some(digest),
                    _ => None,
                };
                let is_same = digest(version).is_some_and(|own| digest(version - 1) == Some(own));
                let is_anew =
                    anew.contains(&(what as What, version as u32)) || is_written_anew(body, version);
                let is_unchanged = is_same && !is_anew;
                of_body.push(of_body[version - 1] + u32::from(!is_unchanged));
            }
            if of_body.last() != Some(&(body.versions.len() as u32 - 1)) {
                numbers.insert(what as What, of_body);
            }
        }
        Unchanged { numbers }
    }

    /// Returns the number of a version among those that are versions.
    pub(super) fn number(&self, what: What, version: u32) -> u32 {
        self.numbers.get(&what).map_or(version, |numbers| numbers[version as usize])
    }

    /// Returns the first and the last version of a number.
    pub(super) fn versions(&self, what: What, number: u32) -> (u32, u32) {
        let Some(numbers) = self.numbers.get(&what) else { return (number, number) };
        let first = numbers.partition_point(|other| *other < number) as u32;
        (first, numbers.partition_point(|other| *other <= number) as u32 - 1)
    }

    /// Tells whether a version is none.
    pub(super) fn is_unchanged(&self, what: What, version: u32) -> bool {
        version > 0 && self.number(what, version) == self.number(what, version - 1)
    }
}
