//! What a step of several processes is called.

use crate::capture::observe;
use crate::capture::secrets;
use crate::model::recorded_word;

/// Puts processes in the order in which bytes go through their pipes; which of them started first is chance.
pub(super) fn in_order_of_pipes(mut left: Vec<&observe::Process>) -> Vec<&observe::Process> {
    let mut ordered = Vec::with_capacity(left.len());
    let pipe = |process: &observe::Process, at: usize| process.standard[at].map(|channel| channel.inode);
    while !left.is_empty() {
        let feeds = |reader: &observe::Process| {
            left.iter().any(|writer| {
                writer.pid != reader.pid && pipe(reader, 0).is_some() && pipe(writer, 1) == pipe(reader, 0)
            })
        };
        let first = left.iter().position(|process| !feeds(process)).unwrap_or(0);
        ordered.push(left.remove(first));
        if ordered.len() >= NAMES_MAX {
            // The rest is not named.
            ordered.append(&mut left);
        }
    }
    ordered
}

/// As many programs of one step are named.
pub(super) const NAMES_MAX: usize = 6;

pub(super) fn name_of(processes: &[&observe::Process]) -> String {
    let mut names: Vec<String> = Vec::new();
    for process in processes {
        let name = process.exe.file_name().map(recorded_word).unwrap_or_default();
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    let more = names.len() > NAMES_MAX;
    names.truncate(NAMES_MAX);
    format!("{}{}", names.join(" | "), if more { " | …" } else { "" })
}

pub(super) fn subject_of(processes: &[&observe::Process]) -> String {
    let lines = processes.iter().take(NAMES_MAX).map(|process| {
        let arguments: Vec<String> = process.arguments.iter().map(recorded_word).collect();
        secrets::masked(&arguments).join(" ")
    });
    let mut subject = lines.collect::<Vec<_>>().join(" | ");
    if subject.len() > 4_000 {
        let end = subject.floor_char_boundary(4_000);
        subject.truncate(end);
        subject.push('…');
    }
    subject
}
