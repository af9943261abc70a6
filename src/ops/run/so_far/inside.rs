//! A run inside of one that is at work: whoever observes the outer one sees what the inner one does, too.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::capture::observe::{Class, Naming, Observation, Process};
use crate::model::Run;

/// Returns of what was seen what the command of an inner run did, as if it had been observed alone; `None` where its recorder was not
/// seen, or has started nothing.
pub(super) fn part_of(observation: &Observation, journal: &Path, run: &Run) -> Option<Observation> {
    let own = below(&observation.processes, recorder_of(observation, journal, run)?);
    let places: HashMap<usize, usize> = own.iter().enumerate().map(|(own, whole)| (*whole, own)).collect();
    let place = |whole: usize| places.get(&whole).copied();
    let mut groups: HashMap<usize, usize> = HashMap::new();
    let processes = own.iter().enumerate().map(|(own, whole)| {
        let process = &observation.processes[*whole];
        let namings = process.namings.iter();
        Process {
            parent: process.parent.and_then(place),
            group: *groups.entry(process.group).or_insert(own),
            fed_by: process.fed_by.iter().filter_map(|feeder| place(*feeder)).collect(),
            poured_by: process.poured_by.iter().filter_map(|feeder| place(*feeder)).collect(),
            namings: namings
                .map(|naming| Naming { maker: naming.maker.and_then(place), ..*naming })
                .collect(),
            ..process.clone()
        }
    });
    let processes: Vec<Process> = processes.collect();
    if processes.is_empty() {
        return None;
    }
    let mut part = Observation { processes, had_input: false, ..observation.clone() };
    leave_to_others(&mut part);
    Some(part)
}

/// Finds the process that records a run: it alone writes to the run's segment of the journal.
fn recorder_of(observation: &Observation, journal: &Path, run: &Run) -> Option<usize> {
    let segment = format!("{:032x}", run.segment);
    let is_segment = |path: &Path| {
        path.starts_with(journal) && path.file_stem().is_some_and(|name| *name == *segment.as_str())
    };
    let file = observation.files.iter().position(|file| is_segment(&file.path))?;
    let writes =
        |process: &Process| process.accesses.iter().any(|access| access.file == file && access.wrote());
    observation.processes.iter().position(writes)
}

/// Lists the processes below one, in their order.
fn below(processes: &[Process], above: usize) -> Vec<usize> {
    let mut is_below = vec![false; processes.len()];
    for (at, process) in processes.iter().enumerate() {
        is_below[at] =
            process.parent.is_some_and(|parent| parent == above || (parent < at && is_below[parent]));
    }
    (0..processes.len()).filter(|at| is_below[*at]).collect()
}

/// Makes what others did to files something that was done from outside.
fn leave_to_others(part: &mut Observation) {
    let accesses = part.processes.iter().flat_map(|process| &process.accesses);
    let (mut met, mut written) = (HashSet::new(), HashSet::new());
    for access in accesses {
        met.insert(access.file);
        if access.written_us.is_some() {
            written.insert((access.file, access.version));
        }
    }
    for (at, file) in part.files.iter_mut().enumerate() {
        for (number, version) in file.versions.iter_mut().enumerate() {
            version.was_written &= written.contains(&(at, number));
        }
        file.existed |= !file.versions[0].was_written;
        if !file.versions.iter().any(|version| version.was_written) {
            file.class = if met.contains(&at) { Class::Input } else { Class::Untouched };
        }
    }
}
