//! Who puts a file back as it had found it made none.
//!
//! A tool that takes the outputs of a command into its store moves each there, and puts a copy in its place: the bytes are those that
//! the command had written and the tool had read. They come from the command, and from nothing that the tool knew besides.

use std::collections::{BTreeMap, HashMap};

use super::files::Files;
use super::{Group, Read};
use crate::capture::observe::{Fit, Reading};

/// Takes out of what groups wrote the versions whose bytes all who wrote them had read in their place before, where another group of
/// the run had written them there.
pub(super) fn take_out(groups: &mut BTreeMap<usize, Group>, files: &Files) {
    let mut writers: HashMap<Read, Vec<usize>> = HashMap::new();
    for (number, group) in groups.iter() {
        for version in group.written.keys() {
            writers.entry(*version).or_default().push(*number);
        }
    }
    let is_put_back = |number: &usize, version: &Read| {
        let group = &groups[number];
        group.read.range((version.0, 0)..*version).any(|(earlier, (read_at, fit))| {
            let is_sure = *fit != Fit::Changed && group.reading(earlier) == Reading::Opened;
            // Whatever was there between, the file is not as it was found.
            let is_next =
                (earlier.1 + 1..version.1).all(|between| !writers.contains_key(&(version.0, between)));
            let makers = || writers.get(earlier).into_iter().flatten();
            is_sure
                && is_next
                && *read_at <= group.written[version]
                && files.have_same_bytes(earlier, version)
                && makers().next().is_some()
                && makers().all(|maker| maker != number)
        })
    };
    let put_back = writers.iter().filter(|(version, writers)| {
        version.1 > 0 && writers.iter().all(|number| is_put_back(number, version))
    });
    let put_back: Vec<(Read, Vec<usize>)> = put_back.map(|(version, by)| (*version, by.clone())).collect();
    for (version, by) in put_back {
        for number in by {
            if let Some(group) = groups.get_mut(&number) {
                group.written.remove(&version);
                group.read.remove(&version);
            }
        }
    }
}
